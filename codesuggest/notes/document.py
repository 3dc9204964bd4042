"""What the readers of messages hand on: a document read, or something passed over and why."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from codesuggest.errors import CodesuggestWarning
from codesuggest.records import Failure, Note, Span

__all__ = ["Document", "Part", "PassedOver", "Reading", "as_dict", "notes_of"]


@dataclass(frozen=True, slots=True)
class Part:
    """A section as the message itself divides its text.

    Parameters
    ----------
    title : str
        As it stands in the message.
    code : str
        LOINC code of the section; empty when it has none.
    span : Span
        From the heading to the last character of the section, in the text of the note.
    """

    title: str
    code: str
    span: Span


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was read.

    Parameters
    ----------
    note : Note
    source : str
        What it came from: "FHIR DocumentReference", "C-CDA", "HL7 v2 ORU^R01", "text" …
    place : str
        Where in the file it stands, such as ``bundle.json, entry 12``.
    type_code : str
        LOINC code of the document's type; empty when it has none.
    parts : tuple of Part
        Empty when the message does not divide its text.
    remarks : tuple of str
        What was left out of the text and why, and anything the reader should know. Never note text.
    """

    note: Note
    source: str
    place: str
    type_code: str = ""
    parts: tuple[Part, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Something in a file that is no note of its own, and why it was not handed on.

    Parameters
    ----------
    place : str
    reason : str
        Never note text.
    count : int, from 1
        How many of its kind.
    """

    place: str
    reason: str
    count: int = 1


Reading = Document | Failure | PassedOver
"""What a reader yields."""


def notes_of(readings: Iterator[Reading], *, warn: bool = False) -> Iterator[Note | Failure]:
    """Yield the notes and failures alone, in order; with `warn`, doubts about an encoding are `CodesuggestWarning`."""
    for reading in readings:
        if isinstance(reading, Document):
            for remark in reading.remarks if warn else ():
                if remark.startswith("["):
                    warnings.warn(remark, CodesuggestWarning, stacklevel=2)
            yield reading.note
        elif isinstance(reading, Failure):
            yield reading


def as_dict(reading: Reading, *, with_text: bool = False) -> dict[str, Any]:
    """Return the JSON object of a reading; the text of the note only when it is asked for.

    Examples
    --------
    >>> as_dict(PassedOver("b.json", "Claim: no document", 3))
    {'status': 'passed over', 'place': 'b.json', 'reason': 'Claim: no document', 'count': 3}
    """
    if isinstance(reading, PassedOver):
        return {"status": "passed over", "place": reading.place, "reason": reading.reason, "count": reading.count}
    if isinstance(reading, Failure):
        return {"status": "refused", "note_id": reading.note_id, "error": {"id": reading.error_id, "message": reading.message}}
    note = reading.note
    row: dict[str, Any] = {
        "status": "read",
        "note_id": note.note_id,
        "source": reading.source,
        "place": reading.place,
        "kind": note.kind,
        "type_code": reading.type_code or None,
        "encounter_id": note.encounter_id,
        "date_of_service": note.date_of_service.isoformat() if note.date_of_service else None,
        "setting": note.setting,
        "age_years": note.age_years,
        "sex": note.sex,
        "payer": note.payer,
        "characters": len(note.text),
        "sections": [{"title": p.title, "code": p.code or None, "start": p.span.start, "end": p.span.end} for p in reading.parts],
        "remarks": list(reading.remarks),
    }
    if with_text:
        row["text"] = note.text
    return row
