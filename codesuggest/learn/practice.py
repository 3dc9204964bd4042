"""Practice notes: notes written for the project, coded, with the evidence marked in the text.

A note is a header, a line ``---``, and the text in which ``[[words|CODES]]`` marks the evidence of codes.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from codesuggest.errors import InputFormatError
from codesuggest.records import Note, Span

__all__ = ["CodedNote", "read_coded", "read_practice_note", "read_practice_notes", "split_of"]

_MARK = re.compile(r"\[\[([^\[\]|\n]+)\|([^\]\n]*)\]\]")


@dataclass(frozen=True, slots=True)
class CodedNote:
    """A note with its final codes.

    Parameters
    ----------
    note : Note
    codes : tuple of str
        Dotted codes, principal diagnosis first where the order is known.
    evidence : tuple of (str, Span)
        Code and the words that support it; empty when only the codes are known.
    coder : str or None
        Who coded it, where that is known.
    """

    note: Note
    codes: tuple[str, ...]
    evidence: tuple[tuple[str, Span], ...] = ()
    coder: str | None = None


def read_practice_note(source: str, *, name: str = "note") -> CodedNote:
    r"""Read one marked note.

    Raises
    ------
    InputFormatError
        CS510 when the header is incomplete, a mark is not balanced, or codes and evidence do not agree.

    Examples
    --------
    >>> n = read_practice_note("id: x\ncodes: I10\n---\nHas [[HTN|I10]].\n")
    >>> n.note.text, n.evidence[0][1]
    ('Has HTN.\n', Span(start=4, end=7))
    """
    header, divider, marked = source.partition("\n---\n")
    facts = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in header.splitlines())}
    if not divider or not facts.get("id") or not facts.get("codes"):
        raise InputFormatError(
            "CS510",
            f"The practice note {name} has no header with id and codes, closed by a line '---'. Add them.",
        )
    parts: list[str] = []
    evidence: list[tuple[str, Span]] = []
    position = length = 0
    for m in _MARK.finditer(marked):
        before = marked[position : m.start()]
        parts += [before, m.group(1)]
        length += len(before)
        evidence.extend((code, Span(length, length + len(m.group(1)))) for code in m.group(2).split())
        length += len(m.group(1))
        position = m.end()
    parts.append(marked[position:])
    text = "".join(parts)
    codes = tuple(facts["codes"].replace(",", " ").split())
    if "[[" in text or "]]" in text or {c for c, _ in evidence} != set(codes):
        wrong = sorted({c for c, _ in evidence} ^ set(codes))
        raise InputFormatError(
            "CS510",
            f"The practice note {name} has a mark that is not balanced, or codes without evidence: {', '.join(wrong) or 'none'}. "
            "Expected [[words|CODES]] for every code of the header.",
        )
    age = facts.get("age_years") or ""
    note = Note(
        note_id=facts["id"],
        text=text,
        kind=facts.get("kind") or None,
        date_of_service=dt.date.fromisoformat(facts["date_of_service"]) if facts.get("date_of_service") else None,
        setting=facts.get("setting") or None,
        age_years=float(age) if age else None,
        sex=facts.get("sex") if facts.get("sex") in ("F", "M", "X") else None,
    )
    return CodedNote(note, codes, tuple(evidence))


def read_practice_notes(folder: Path | str) -> list[CodedNote]:
    """Read all marked notes of a folder, by file name."""
    return [read_practice_note(p.read_text(encoding="utf-8"), name=p.name) for p in sorted(Path(folder).glob("*.md"))]


def read_coded(path: Path | str, *, texts: Mapping[str, str] | None = None) -> list[CodedNote]:
    """Read coded notes from JSON lines: ``note_id`` (or ``id``), ``text``, ``codes``, and optionally ``evidence`` and ``coder``.

    Parameters
    ----------
    path : path
    texts : mapping of note id to text, optional
        Texts of rows that have none, as of a second coding of known notes.

    Evidence rows have ``code``, ``start`` and ``end``; rows of another code system are passed over.
    """
    notes = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            note_id, codes = str(row.get("note_id") or row["id"]), row["codes"]
            text = row["text"] if texts is None or "text" in row else texts.get(note_id, "")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputFormatError(
                "CS511",
                f"{Path(path).name}, line {number}: {type(error).__name__}. Expected a JSON object with note_id, text and codes.",
            ) from error
        date = row.get("date_of_service")
        note = Note(
            note_id,
            text,
            kind=row.get("kind"),
            encounter_id=row.get("encounter_id"),
            date_of_service=dt.date.fromisoformat(date) if date else None,
            setting=row.get("setting"),
            age_years=row.get("age_years"),
            sex=row.get("sex"),
        )
        evidence = tuple(
            (e["code"], Span(e["start"], e["end"]))
            for e in row.get("evidence") or ()
            if e.get("system", "ICD-10-CM") == "ICD-10-CM" and e["end"] > e["start"]
        )
        notes.append(CodedNote(note, tuple(dict.fromkeys(codes)), evidence, row.get("coder")))
    return notes


def split_of(note_id: str, splits: Iterable[tuple[str, int]] = (("train", 60), ("dev", 20), ("test", 20))) -> str:
    """Return the part a note belongs to, by the hash of its id: once and for ever."""
    import hashlib

    place = int(hashlib.sha256(note_id.encode()).hexdigest()[:8], 16) % 100
    for name, share in splits:
        if place < share:
            return name
        place -= share
    return "train"
