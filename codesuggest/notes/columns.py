"""From a row of a table to a note: which column is which field, and values that a message may not repeat."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from codesuggest.errors import CodesuggestError, ConfigError, InvalidNoteError
from codesuggest.notes.jsonl import note_from_dict
from codesuggest.notes.text import decode
from codesuggest.records import SETTINGS, Failure, Note

__all__ = ["FIELDS", "Columns"]

FIELDS: tuple[str, ...] = tuple(f.name for f in dataclasses.fields(Note))
_DAY = re.compile(r"\d{4}-\d\d-\d\d(?=[T ]|$)")
_MAX_ID = 200


class Columns:
    """Which column of the input holds which field of a note.

    Parameters
    ----------
    names : mapping of str to str, optional
        Field of `Note` to name of the column; a field that is not given is read from the column of its own name.
    defaults : mapping, optional
        Values of fields that the rows do not give.

    Raises
    ------
    ConfigError
        CS575 when a key is no field of a note.

    Examples
    --------
    >>> Columns({"text": "NOTE_TEXT", "note_id": "ROW_ID"}).note({"ROW_ID": 7, "NOTE_TEXT": "Asthma."}, "row 1").note_id
    '7'
    """

    def __init__(self, names: Mapping[str, str] | None = None, defaults: Mapping[str, Any] | None = None) -> None:
        for given in (names or {}, defaults or {}):
            unknown = sorted(set(given) - set(FIELDS))
            if unknown:
                raise ConfigError(
                    "CS575", f"{unknown[0]!r} is no field of a note. Expected one of {', '.join(FIELDS)}. Name one of them."
                )
        self.names = dict(names or {})
        self.defaults = {k: v for k, v in (defaults or {}).items() if v is not None}

    def column_of(self, field: str) -> str:
        """Return the column that holds a field."""
        return self.names.get(field, field)

    def chosen(self, available: list[str]) -> list[str]:
        """Return the columns to read of those that there are; raise CS552 when one that is needed is not there."""
        for field in ("note_id", "text", *self.names):
            if self.column_of(field) not in available:
                # a file without a header has note text in its first row: only what looks like a name is repeated
                shown = [c for c in available if c.isidentifier() and len(c) <= 40]
                raise ConfigError(
                    "CS552",
                    f"The input has no column {self.column_of(field)!r} for {field}. Found {len(available)} columns: "
                    f"{', '.join(shown[:20]) or 'none that reads like a name'}. Name the column with --column {field}=NAME.",
                )
        return [self.column_of(f) for f in FIELDS if self.column_of(f) in available]

    def note(self, row: Mapping[str, Any], place: str) -> Note | Failure:
        """Make a note of a row, or the failure that stands in its place; no message repeats a value that may be text."""
        facts = {f: row.get(self.column_of(f)) for f in FIELDS}
        note_id = _as_id(facts["note_id"])
        try:
            if not note_id:
                raise InvalidNoteError(
                    "CS553",
                    f"{place} has no usable note_id: expected 1 to {_MAX_ID} characters on one line. "
                    f"Is {self.column_of('note_id')!r} the column of the ids?",
                )
            facts["note_id"] = note_id
            text = facts["text"]
            if isinstance(text, (bytes, bytearray, memoryview)):
                facts["text"] = decode(bytes(text), name=place).text
            _make_plain(facts, place)
            return note_from_dict(facts, self.defaults)
        except CodesuggestError as error:
            return Failure(note_id or place, error.error_id, error.message)


def _as_id(value: object) -> str:
    """Return an id as text; empty when it cannot be one (the text of a note in the wrong column, for example)."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    text = str(value)
    return text if len(text) <= _MAX_ID and text.isprintable() and text.strip() else ""


def _make_plain(facts: dict[str, Any], place: str) -> None:
    """Turn cells into values, and refuse those whose repetition in a message could show note text."""
    for name in ("kind", "encounter_id", "date_of_service", "setting", "age_years", "sex", "payer"):
        value = facts[name]
        if isinstance(value, str) and not value.strip():
            facts[name] = None
        elif name in ("encounter_id", "payer") and isinstance(value, int) and not isinstance(value, bool):
            facts[name] = str(value)
    day = facts["date_of_service"]
    if isinstance(day, dt.datetime):
        facts["date_of_service"] = day.date()
    elif isinstance(day, str) and (found := _DAY.match(day)):
        facts["date_of_service"] = found.group()
    age = facts["age_years"]
    if isinstance(age, str):
        try:
            facts["age_years"] = float(age)
        except ValueError as error:
            raise InvalidNoteError("CS157", f"age_years of {place} is not a number. Expected 0 to 130, or nothing.") from error
    elif age is not None and not isinstance(age, (int, float)):
        raise InvalidNoteError("CS157", f"age_years of {place} has type {type(age).__name__}. Expected a number from 0 to 130.")
    if facts["sex"] not in (None, "F", "M", "X"):
        raise InvalidNoteError("CS156", f"sex of {place} is not one of 'F', 'M', 'X'. Map the values first.")
    if facts["setting"] not in (None, *SETTINGS):
        raise InvalidNoteError("CS155", f"setting of {place} is not one of {', '.join(SETTINGS)}. Map the values first.")
