"""Is the evidence what the probability rests on? Remove it, or keep it alone, and suggest again.

Characters are replaced by blanks and line ends stay, so that the text keeps its length and every other offset holds.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from codesuggest.errors import CodesuggestError
from codesuggest.records import Note, Result, Span

__all__ = ["Faithfulness", "blank", "keep_sentences", "measure_faithfulness"]

_NOT_LINE_END = re.compile(r"[^\n\r]")
_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\b\d\.)(?<!\b\d\d\.)\s+(?=[A-Z0-9])")  # not after the number of a list


class _Suggests(Protocol):
    threshold: float

    def suggest(self, note: Note) -> Result:
        """Suggest codes for one note."""


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """What happens to codes put forward when their evidence is removed, or kept alone.

    Parameters
    ----------
    n_notes, n_codes : int
        Notes drawn, and codes put forward in them.
    probability : float
        Mean probability with the whole note.
    without_evidence, evidence_alone : float
        Mean probability when all evidence of the code is blanked; when only the sentences of its evidence are kept. A code
        no longer listed has probability 0.
    comprehensiveness : float
        ``probability - without_evidence``: the higher the better.
    sufficiency : float
        ``probability - evidence_alone``: the lower the better.
    share_withdrawn : float
        Share of the codes that fall below the threshold without their evidence.
    share_kept : float
        Share of the codes still put forward from the sentences of their evidence alone.

    References
    ----------
    DeYoung et al., ERASER: a benchmark to evaluate rationalized NLP models (ACL 2020), section 4.
    """

    n_notes: int
    n_codes: int
    probability: float
    without_evidence: float
    evidence_alone: float
    comprehensiveness: float
    sufficiency: float
    share_withdrawn: float
    share_kept: float


def blank(text: str, spans: Sequence[Span]) -> str:
    """Replace the characters of the spans by blanks; line ends stay.

    Examples
    --------
    >>> blank("Has asthma today.", [Span(4, 10)])
    'Has        today.'
    """
    for span in spans:
        text = text[: span.start] + _NOT_LINE_END.sub(" ", text[span.start : span.end]) + text[span.end :]
    return text


def keep_sentences(text: str, spans: Sequence[Span]) -> str:
    """Replace everything by blanks but the sentences, within their lines, that the spans touch.

    Examples
    --------
    >>> keep_sentences("Seen today. Has asthma. No fever.", [Span(16, 22)])
    '            Has asthma.          '
    """
    kept = set()
    for span in spans:
        first = text.rfind("\n", 0, span.start) + 1
        last = text.find("\n", span.end - 1)
        last = len(text) if last < 0 else last
        starts = [first, *(m.end() for m in _SENTENCE_END.finditer(text, first, last))]
        ends = [*(m.start() for m in _SENTENCE_END.finditer(text, first, last)), last]
        kept |= {(a, b) for a, b in zip(starts, ends, strict=True) if a < span.end and span.start < b}
    away, position = [], 0
    for start, end in sorted(kept):
        if position < start:
            away.append(Span(position, start))
        position = max(position, end)
    if position < len(text):
        away.append(Span(position, len(text)))
    return blank(text, away)


def measure_faithfulness(suggester: _Suggests, notes: Sequence[Note], *, n_notes: int = 30, seed: int = 0) -> Faithfulness | None:
    """Remove, and keep alone, the evidence of every code put forward in a sample of notes.

    Parameters
    ----------
    suggester : Suggester
    notes : sequence of Note
    n_notes : int
        Size of the sample; all notes when there are fewer.
    seed : int

    Returns
    -------
    Faithfulness or None
        None when no code is put forward in the sample, or `n_notes` is 0.
    """
    rng = np.random.default_rng([seed, 2])
    chosen = np.sort(rng.permutation(len(notes))[:n_notes])
    rows = []
    for i in chosen:
        note = notes[int(i)]
        for code, (probability, spans) in _selected(suggester, note).items():
            without = _probability(suggester, note, blank(note.text, spans), code)
            alone = _probability(suggester, note, keep_sentences(note.text, spans), code)
            rows.append((probability, without, alone))
    if not rows:
        return None
    table = np.array(rows)
    whole, without, alone = (float(v) for v in table.mean(axis=0))
    return Faithfulness(
        n_notes=len(chosen),
        n_codes=len(rows),
        probability=whole,
        without_evidence=without,
        evidence_alone=alone,
        comprehensiveness=whole - without,
        sufficiency=whole - alone,
        share_withdrawn=float(np.mean(table[:, 1] < suggester.threshold)),
        share_kept=float(np.mean(table[:, 2] >= suggester.threshold)),
    )


def _selected(suggester: _Suggests, note: Note) -> dict[str, tuple[float, list[Span]]]:
    try:
        result = suggester.suggest(note)
    except CodesuggestError:
        return {}
    return {s.code: (s.probability, [e.span for e in s.evidence if e.role == "supports"]) for s in result.selected}


def _probability(suggester: _Suggests, note: Note, text: str, code: str) -> float:
    try:
        result = suggester.suggest(dataclasses.replace(note, text=text))
    except CodesuggestError:  # nothing but blanks is left
        return 0.0
    return next((s.probability for s in result.suggestions if s.code == code), 0.0)
