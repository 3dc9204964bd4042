"""A suggester that answers as it is told, and coded notes to ask it about."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from codesuggest.errors import InvalidNoteError
from codesuggest.learn.practice import CodedNote
from codesuggest.records import Evidence, Note, Result, Section, Span, Suggestion

Answer = tuple[str, float, Sequence[tuple[int, int]]]


class StubSuggester:
    """Answers by note id; a note without an answer cannot be read."""

    def __init__(
        self, answers: Mapping[str, Iterable[Answer]] | Callable[[Note], Iterable[Answer]], *, threshold: float = 0.5
    ) -> None:
        self.answers = answers
        self.threshold = threshold

    def suggest(self, note: Note) -> Result:
        if callable(self.answers):
            answers = list(self.answers(note))
        elif note.note_id in self.answers:
            answers = list(self.answers[note.note_id])
        else:
            raise InvalidNoteError("CS150", f"Note {note.note_id!r} has no text.")
        answers.sort(key=lambda a: (-a[1], a[0]))
        suggestions = tuple(
            Suggestion(
                rank,
                code,
                "ICD-10-CM",
                "",
                p,
                p >= self.threshold,
                True,
                tuple(Evidence(Span(a, b), note.text[a:b], section="assessment") for a, b in spans),
            )
            for rank, (code, p, spans) in enumerate(answers, 1)
        )
        return Result(
            note.note_id,
            note.text,
            hashlib.sha256(note.text.encode()).hexdigest(),
            suggestions,
            versions={"model": "stub"},
            sections=(Section("hpi", Span(0, len(note.text) + 1)),),
        )


def coded(
    note_id: str, codes: Sequence[str], *, text: str = "x" * 100, evidence: Sequence[tuple[str, int, int]] = (), **facts: str
) -> CodedNote:
    return CodedNote(Note(note_id, text, **facts), tuple(codes), tuple((c, Span(a, b)) for c, a, b in evidence))
