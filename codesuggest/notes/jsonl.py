"""Notes as JSON lines: one object a line with ``note_id`` and ``text``, and the other fields of a note where they are known."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from codesuggest.errors import CodesuggestError, CodesuggestWarning, InputFormatError, InvalidNoteError
from codesuggest.notes.text import open_file
from codesuggest.records import Failure, Note

__all__ = ["note_from_dict", "read_jsonl"]

_FIELDS = tuple(f.name for f in dataclasses.fields(Note))


def note_from_dict(row: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> Note:
    """Make a note of a JSON object.

    Parameters
    ----------
    row : mapping
        ``note_id`` and ``text``; the other fields of `Note` where known, ``date_of_service`` as ``YYYY-MM-DD``. Keys that are
        no field of a note are left alone.
    defaults : mapping, optional
        Values of fields that the row does not give.

    Returns
    -------
    Note

    Raises
    ------
    InvalidNoteError
        CS152 to CS157 when a field has the wrong type or range.

    Examples
    --------
    >>> note_from_dict({"note_id": "n1", "text": "Asthma.", "date_of_service": "2026-05-04"}).date_of_service
    datetime.date(2026, 5, 4)
    """
    facts = {**(defaults or {}), **{k: row[k] for k in _FIELDS if row.get(k) is not None}}
    note_id, date = facts.get("note_id"), facts.get("date_of_service")
    if isinstance(note_id, int) and not isinstance(note_id, bool):
        facts["note_id"] = str(note_id)
    if isinstance(date, str):
        try:
            facts["date_of_service"] = dt.date.fromisoformat(date)
        except ValueError as error:
            raise InvalidNoteError(
                "CS154",
                f"date_of_service of note {note_id!r} is not a date. Expected YYYY-MM-DD, for example '2026-05-04'.",
            ) from error
    for name in ("kind", "encounter_id", "payer"):
        if facts.get(name) is not None and not isinstance(facts[name], str):
            raise InvalidNoteError(
                "CS168", f"{name} of note {note_id!r} has type {type(facts[name]).__name__}. Expected str, or null."
            )
    facts.setdefault("note_id", None)
    facts.setdefault("text", None)
    return Note(**facts)


def read_jsonl(path: str | Path, defaults: Mapping[str, Any] | None = None) -> Iterator[Note | Failure]:
    """Read notes lazily, one a line; a line that cannot be read is a failure in its place.

    Parameters
    ----------
    path : path
        UTF-8, with or without a byte order mark.
    defaults : mapping, optional
        Values of fields that a line does not give.

    Yields
    ------
    Note or Failure
        A failure's ``note_id`` is the line's own where it could be read, otherwise ``file:line``.

    Raises
    ------
    InputFormatError
        CS159 when the file cannot be read.

    Warns
    -----
    CodesuggestWarning
        CS165, once, when lines have keys that are no field of a note.
    """
    name = Path(path).name
    others: set[str] = set()
    with open_file(Path(path)) as file:
        for number, line in enumerate(file, 1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                yield _read_line(line, f"{name}:{number}", defaults, others)
    if others:
        shown = ", ".join(sorted(others)[:8])
        warnings.warn(
            f"[CS165] {name}: {shown} {'is' if len(others) == 1 else 'are'} no field of a note and had no effect.",
            CodesuggestWarning,
            stacklevel=2,
        )


def _read_line(line: bytes, place: str, defaults: Mapping[str, Any] | None, others: set[str]) -> Note | Failure:
    note_id = place
    try:
        row = _parse(line, place)
        given = row.get("note_id")
        if isinstance(given, (str, int)) and str(given):
            note_id = str(given)
        others.update(k for k in row if k not in _FIELDS and k.isidentifier() and len(k) <= 40)
        return note_from_dict(row, defaults)
    except CodesuggestError as error:
        return Failure(note_id, error.error_id, error.message)


def _parse(line: bytes, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise InputFormatError(
            "CS164", f"{place} is not JSON in UTF-8 ({reason}). Expected an object with note_id and text on each line."
        ) from error
    missing = "an object" if not isinstance(row, dict) else ", ".join(k for k in ("note_id", "text") if row.get(k) is None)
    if missing:
        raise InputFormatError("CS164", f"{place} lacks {missing}. Expected an object with note_id and text on each line.")
    return row  # type: ignore[no-any-return]
