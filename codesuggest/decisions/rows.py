"""One row a decision: what is exported, what is imported, and the published JSON Schema of it.

An export holds every event (decisions, finished reviews, queries …) and reads back as it was. An import takes what other systems
have: columns of any name, codes in any spelling, times without a zone, decisions without evidence, codes without an action.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from codesuggest.decisions.events import MAX_ID, Event
from codesuggest.decisions.log import review_of, to_event
from codesuggest.errors import CodesuggestError, ConfigError, InputFormatError
from codesuggest.records import ACTIONS, CODE_SYSTEMS, STAGES, Decision, FinalCode, Review, Shown, Span

__all__ = ["FIELDS", "RowReader", "row_of", "row_schema"]

FIELDS: tuple[str, ...] = (
    "kind",
    "event_id",
    "note_id",
    "encounter_id",
    "system",
    "code",
    "action",
    "final_code",
    "stage",
    "who",
    "when",
    "reason",
    "probability",
    "evidence",
    "text_sha256",
    "versions",
    "subject",
    "body",
)
"""Columns of a table of decisions, in order. ``subject`` and ``body`` are of events that are no decisions."""

_SYSTEMS = {
    "icd10cm": "ICD-10-CM",
    "icd10": "ICD-10-CM",
    "10cm": "ICD-10-CM",
    "httphl7orgfhirsidicd10cm": "ICD-10-CM",
    "icd10pcs": "ICD-10-PCS",
    "10pcs": "ICD-10-PCS",
    "httpwwwcmsgovmedicarecodingicd10": "ICD-10-PCS",
    "hcpcs": "HCPCS",
    "hcpcslevelii": "HCPCS",
    "cpt": "CPT",
    "cpt4": "CPT",
    "httpwwwamaassnorggocpt": "CPT",
}
_ACTIONS = {
    **{action: action for action in ACTIONS},
    "accepted": "accept",
    "rejected": "reject",
    "replaced": "replace",
    "added": "add",
    "deferred": "defer",
    "retracted": "retract",
}
_STAGES = {"coder": "coder", "coding": "coder", "audit": "audit", "auditor": "audit", "audited": "audit"}
_AS_GIVEN = frozenset({"event_id", "note_id", "encounter_id", "subject", "who", "reason"})
_PIECES = re.compile(r"\s*(\d+)\s*-\s*(\d+)\s*")


# ---------------------------------------------------------------------------------------------------------------------
# out


def row_of(event: Event, *, flat: bool = False) -> dict[str, Any]:
    """Return the row of an event: the object of a JSON line, or with `flat` the cells of a table as Python values.

    Examples
    --------
    >>> when = dt.datetime(2026, 5, 4, 9, 30, tzinfo=dt.UTC)
    >>> row = row_of(to_event(Decision("n1", "i10", "accept", "coder", "ann", when, event_id="e1")))
    >>> row["code"], row["when"]
    ('I10', '2026-05-04T09:30:00+00:00')
    """
    head = {"kind": event.kind, "event_id": event.event_id}
    if event.kind == "decision":
        body = event.body
        return {
            **head,
            "note_id": body["note_id"],
            "encounter_id": event.encounter_id if body["in_encounter"] else None,
            "system": body["system"],
            "code": body["code"],
            "action": body["action"],
            "final_code": body["final_code"],
            "stage": body["stage"],
            "who": event.who,
            "when": event.when.isoformat(),
            "reason": body["reason"],
            "probability": body["probability"],
            "evidence": body["evidence"],
            "text_sha256": body["text_sha256"],
            "versions": body["versions"],
        }
    plain = {"encounter_id": event.encounter_id, "subject": event.subject, "who": event.who, "when": event.when.isoformat()}
    if event.kind != "review" or flat:
        return {**head, **plain, "body": dict(event.body)}
    review = review_of(event)
    return {
        **head,
        "encounter_id": review.encounter_id,
        "note_ids": list(review.note_ids),
        "stage": review.stage,
        "who": review.who,
        "opened": review.opened.isoformat(),
        "finished": review.finished.isoformat(),
        "shown": [
            {"note_id": s.note_id, "system": s.system, "code": s.code, "rank": s.rank, "probability": s.probability, "selected": s.selected}
            for s in review.shown
        ],
        "codes": [{"system": c.system, "code": c.code, "poa": c.poa} for c in review.codes],
        "facts": dict(review.facts),
        "edits": dict(review.edits),
        "versions": dict(review.versions),
    }


# ---------------------------------------------------------------------------------------------------------------------
# in


class RowReader:
    """Makes events of rows.

    Parameters
    ----------
    columns : mapping of str to str, optional
        Field to the column that holds it; a field that is not named is read from the column of its own name.
    defaults : mapping of str to str, optional
        Values of fields that a row does not give.
    values : mapping of str to str, optional
        What the words of another system mean, such as ``{"action:Approved": "accept"}``.
    timezone : str
        Zone of times that do not say theirs, by its IANA name.
    time_format : str, optional
        As `datetime.datetime.strptime` takes it, such as ``"%m/%d/%Y %H:%M"``; ISO 8601 without it.

    Raises
    ------
    ConfigError
        CS530 when a field or the time zone is not known.

    Examples
    --------
    >>> reader = RowReader({"who": "CODER", "when": "DAY", "note_id": "DOC"}, {"action": "add"})
    >>> event = reader.event({"DOC": "n1", "code": "e1165", "CODER": "ann", "DAY": "2026-05-04"})
    >>> event.body["final_code"], event.when.isoformat(), event.event_id[:4]
    ('E11.65', '2026-05-04T00:00:00+00:00', 'row-')
    """

    def __init__(
        self,
        columns: Mapping[str, str] | None = None,
        defaults: Mapping[str, str] | None = None,
        values: Mapping[str, str] | None = None,
        timezone: str = "UTC",
        time_format: str | None = None,
    ) -> None:
        self.columns = dict(columns or {})
        self.defaults = dict(defaults or {})
        self.values: dict[tuple[str, str], str] = {}
        for key, meaning in (values or {}).items():
            field, _, word = key.partition(":")
            self.values[field, word.strip().casefold()] = meaning
        for field in (*self.columns, *self.defaults, *(field for field, _ in self.values)):
            if field not in FIELDS:
                raise ConfigError("CS530", f"{field!r} is no field of a decision. Expected one of {', '.join(FIELDS)}. Name one of them.")
        try:
            self.timezone = ZoneInfo(timezone)
        except (KeyError, ValueError, OSError) as error:
            raise ConfigError(
                "CS530", f"The time zone {timezone!r} is not known. Expected an IANA name such as America/New_York. Correct it."
            ) from error
        self.time_format = time_format
        self.has_final_column = False
        self._columns = {field: self.columns.get(field, field) for field in FIELDS}

    def column_of(self, field: str) -> str:
        """Return the column that holds a field."""
        return self._columns[field]

    def check_columns(self, available: Sequence[str]) -> tuple[str, ...]:
        """Return the columns that will not be read; raise CS531 when one that is needed is not there."""
        present = set(available)
        missing = [name for field, name in self.columns.items() if name not in present]
        has = {field: self.column_of(field) in present or field in self.defaults for field in FIELDS}
        self.has_final_column = has["final_code"]
        for one_of in (("note_id", "encounter_id"), ("code", "final_code", "body"), ("who",), ("when",)):
            if not any(has[field] for field in one_of):
                missing.append(" or ".join(one_of))
        if missing:
            # a file without a header has data in its first row: only what looks like a name is repeated
            shown = [c for c in available if c.isidentifier() and len(c) <= 40]
            raise ConfigError(
                "CS531",
                f"The input has no column {missing[0]!r}. Found {len(available)} columns: "
                f"{', '.join(shown[:20]) or 'none that reads like a name'}. Name it with --column FIELD=NAME, or give its value for "
                "all rows with --default FIELD=VALUE.",
            )
        read = {self.column_of(field) for field in FIELDS}
        return tuple(c for c in available if c not in read)

    def event(self, row: Mapping[str, Any]) -> Event:
        """Make an event of a row.

        Raises
        ------
        CodesuggestError
            CS532 to CS534 and those of the records, when the row cannot be read. No message repeats what stands in the row.
        """
        kind = self._text(row, "kind") or "decision"
        event_id = self._text(row, "event_id")
        make = {"decision": self._decision, "review": self._review}.get(kind, self._other)
        if kind not in ("decision", "review") and self._cell(row, "body") is None and self._cell(row, "code") is not None:
            make = self._decision  # another system's column of that name, such as the kind of the note
        try:
            event = make(row, event_id or "row")
        except CodesuggestError as error:
            if error.error_id in _SAYS:
                raise InputFormatError(error.error_id, _SAYS[error.error_id]) from error
            raise
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise InputFormatError(
                "CS534", f"A nested value has not the expected form ({type(error).__name__}). Expected that of the schema. Compare them."
            ) from error
        return event if event_id else _with_id(event)

    def _decision(self, row: Mapping[str, Any], event_id: str) -> Event:
        system = self._word(row, "system", _SYSTEMS, CODE_SYSTEMS) or "ICD-10-CM"
        code, final_code, action = self._codes(row)
        note_id = self._text(row, "note_id")
        encounter_id = self._text(row, "encounter_id")
        decision = Decision(
            note_id=note_id or self._needed(encounter_id, "note_id"),
            code=code,
            action=action,
            stage=self._word(row, "stage", _STAGES, STAGES) or "coder",
            who=self._needed(self._text(row, "who"), "who"),
            when=self._time(row, "when"),
            final_code=final_code,
            system=system,
            evidence=_evidence(self._cell(row, "evidence")),
            encounter_id=encounter_id,
            reason=self._text(row, "reason") or "",
            probability=_number(self._cell(row, "probability")),
            text_sha256=self._text(row, "text_sha256") or "",
            versions=_mapping(self._cell(row, "versions")),
            event_id=event_id,
        )
        return to_event(decision)

    def _codes(self, row: Mapping[str, Any]) -> tuple[str, str | None, str]:
        """Return (code, final code, action); an action that is not given follows from the two codes."""
        code, final_code = self._text(row, "code"), self._text(row, "final_code")
        action = self._word(row, "action", _ACTIONS, ACTIONS)
        if action is None:
            if code is not None and final_code is not None:
                action = "accept" if _bare(code) == _bare(final_code) else "replace"
            elif final_code is not None:
                action = "add"
            elif code is not None and self.has_final_column:
                action = "reject"
            else:
                raise InputFormatError(
                    "CS532",
                    "The row has no action, and it does not follow from a code and a final code. Expected one of "
                    f"{', '.join(ACTIONS)}. Give all rows one with --default action=add, for example.",
                )
        if code is None:
            code = self._needed(final_code if action == "add" else None, "code")
        if action in ("accept", "add") and final_code is not None and final_code != code and _bare(final_code) == _bare(code):
            final_code = None  # the same, written otherwise
        return code, final_code, action

    def _review(self, row: Mapping[str, Any], event_id: str) -> Event:
        if self._cell(row, "body") is not None:  # a table's row holds the review as the log does
            return to_event(review_of(self._other(row, event_id)))
        system = "ICD-10-CM"
        review = Review(
            encounter_id=self._needed(self._text(row, "encounter_id"), "encounter_id"),
            note_ids=tuple(str(n) for n in row.get("note_ids") or ()),
            stage=self._word(row, "stage", _STAGES, STAGES) or "coder",
            who=self._needed(self._text(row, "who"), "who"),
            opened=self._time(row, "opened"),
            finished=self._time(row, "finished"),
            shown=tuple(
                Shown(s["note_id"], s["code"], int(s["rank"]), float(s["probability"]), bool(s.get("selected", True)), s.get("system", system))
                for s in row.get("shown") or ()
            ),
            codes=tuple(FinalCode(c["code"], c.get("system", system), c.get("poa")) for c in row.get("codes") or ()),
            facts=_mapping(row.get("facts")),
            edits={str(rule): int(n) for rule, n in (row.get("edits") or {}).items()},
            versions=_mapping(self._cell(row, "versions")),
            event_id=event_id,
        )
        return to_event(review)

    def _other(self, row: Mapping[str, Any], event_id: str) -> Event:
        body = self._cell(row, "body")
        body = json.loads(body) if isinstance(body, str) else body
        if not isinstance(body, Mapping):
            raise InputFormatError("CS534", "The body of the event is no JSON object. Expected one. Compare it with the schema.")
        return Event(
            event_id,
            self._needed(self._text(row, "kind"), "kind"),
            self._text(row, "encounter_id") or "",
            self._text(row, "who") or "",
            self._time(row, "when"),
            body,
            subject=self._text(row, "subject") or "",
        )

    def _cell(self, row: Mapping[str, Any], field: str) -> Any:  # noqa: ANN401 - a cell may be anything
        value = row.get(self._columns[field])
        if isinstance(value, str):
            is_blank = not value or (field != "reason" and value.isspace())
        else:
            is_blank = value is None or (isinstance(value, float) and math.isnan(value))
        return self.defaults.get(field) if is_blank else value

    def _text(self, row: Mapping[str, Any], field: str) -> str | None:
        value = self._cell(row, field)
        if value is None:
            return None
        if not isinstance(value, str):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InputFormatError("CS533", f"{field} has type {type(value).__name__}. Expected text. Convert the column.")
            # numbers with holes come out of many tools as floats
            value = str(int(value) if isinstance(value, float) and value.is_integer() else value)
        if field in _AS_GIVEN:
            if len(value) > MAX_ID and field != "reason":
                raise InputFormatError(
                    "CS533", f"{field} has {len(value):,} characters. Expected at most {MAX_ID}. Is it the right column?"
                )
            return str(value)
        return str(value.strip())

    def _word(self, row: Mapping[str, Any], field: str, known: Mapping[str, str], expected: Sequence[str]) -> str | None:
        text = self._text(row, field)
        if text is None or (text in expected and not self.values):
            return text
        found = self.values.get((field, text.casefold()), text)
        plain = re.sub(r"[^a-z0-9]", "", found.casefold()) if field == "system" else found.casefold()
        if plain not in known:
            raise InputFormatError(
                "CS533",
                f"{field} is none of {', '.join(expected)}. Expected one of them. Say what the word means with "
                f"--value {field}:WORD={expected[0]}.",
            )
        return known[plain]

    def _time(self, row: Mapping[str, Any], field: str) -> dt.datetime:
        value = self._cell(row, field) if field in FIELDS else row.get(field)
        if isinstance(value, str):
            try:
                if self.time_format and field == "when":
                    value = dt.datetime.strptime(value.strip(), self.time_format)  # noqa: DTZ007 - the zone follows
                else:
                    value = dt.datetime.fromisoformat(value.strip())
            except ValueError as error:
                raise InputFormatError(
                    "CS533",
                    f"{field} is not a time. Expected {self.time_format or 'ISO 8601, such as 2026-05-04T09:30:00Z'}. "
                    "Say how it is written with --time-format.",
                ) from error
        elif isinstance(value, dt.date) and not isinstance(value, dt.datetime):
            value = dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001 - the zone follows
        if not isinstance(value, dt.datetime):
            raise InputFormatError("CS533", f"{field} is missing or not a time. Expected ISO 8601. Fill it, or give --default {field}=….")
        if value.tzinfo is None:
            value = value.replace(tzinfo=self.timezone)
        try:
            return value.astimezone(dt.UTC)
        except OverflowError as error:
            raise InputFormatError("CS533", f"{field} lies outside the years 1 to 9999. Expected a real time. Correct it.") from error

    @staticmethod
    def _needed(value: str | None, field: str) -> str:
        if value is None:
            raise InputFormatError("CS532", f"The row has no {field}. Expected one. Fill it, or leave the row out.")
        return value


_SAYS = {  # in place of messages that repeat a value, for a row may hold note text in the wrong column
    "CS100": "code or final_code has not the format of its code system. Expected such as E11.65 (ICD-10-CM), 0DTJ4ZZ (ICD-10-PCS), "
    "J1815 (HCPCS). Correct it, or name the system with a column or --default system=….",
    "CS151": "evidence has a range that is empty or reversed. Expected 0 <= start < end. Correct it.",
    "CS501": "The row contradicts itself. Expected a probability from 0 to 1, a final code with replace, the same or none with accept and "
    "add, none with the other actions, and for a review a time of opening before that of finishing. Correct it.",
}


def _with_id(event: Event) -> Event:
    content = [event.kind, event.encounter_id, event.subject, event.who, event.when.isoformat(), event.body]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
    return Event(f"row-{digest[:24]}", event.kind, event.encounter_id, event.who, event.when, event.body, subject=event.subject)


def _bare(code: str) -> str:
    return code.replace(".", "").strip().upper()


def _number(value: object) -> float | None:
    if value is None:
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise InputFormatError("CS533", "probability is not a number. Expected 0 to 1, or nothing. Correct it.") from error


def _mapping(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if isinstance(value, str):
        value = json.loads(value)
    if isinstance(value, list):  # a map of Arrow
        value = dict(value)
    if not isinstance(value, Mapping):
        raise InputFormatError("CS534", "versions or facts is no JSON object. Expected names and texts. Compare it with the schema.")
    return {str(k): str(v) for k, v in value.items()}


def _evidence(value: object) -> tuple[tuple[Span, ...], ...]:
    """Read references: JSON, nested lists, or ``12-20;30-35+40-44`` (``;`` between references, ``+`` between their pieces)."""
    if value is None:
        return ()
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("["):
            value = json.loads(text)
        else:
            references = []
            for part in text.split(";"):
                pieces = [_PIECES.fullmatch(piece) for piece in part.split("+")]
                if not all(pieces):
                    raise InputFormatError(
                        "CS534", "evidence cannot be read. Expected start-end, as in 12-20;30-35+40-44, or JSON. See the schema."
                    )
                references.append([[int(m[1]), int(m[2])] for m in pieces if m])
            value = references
    if not isinstance(value, list | tuple):
        raise InputFormatError("CS534", "evidence cannot be read. Expected a list of references. Compare it with the schema.")
    if value and all(isinstance(v, int) for v in value):
        value = [value]
    return tuple(_reference(reference) for reference in value)


def _reference(reference: Any) -> tuple[Span, ...]:  # noqa: ANN401 - any JSON
    if isinstance(reference, Mapping):
        reference = reference.get("spans") or [reference]
    if reference and all(isinstance(v, int) for v in reference):
        reference = [reference]
    if not reference:
        raise InputFormatError("CS534", "evidence has a reference without a range of characters. Expected [start, end]. Leave it out.")
    return tuple(
        [Span(int(piece["start"]), int(piece["end"])) if isinstance(piece, Mapping) else Span(*map(int, piece)) for piece in reference]
    )


# ---------------------------------------------------------------------------------------------------------------------
# schema


def row_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one line of an export.

    Examples
    --------
    >>> sorted(row_schema()["$defs"])
    ['decision', 'event', 'review']
    """
    id_ = {"type": "string", "minLength": 1, "maxLength": MAX_ID}
    time = {"type": "string", "format": "date-time"}
    names = {"type": "object", "additionalProperties": {"type": "string"}}
    span = {
        "type": "array",
        "prefixItems": [{"type": "integer", "minimum": 0}, {"type": "integer", "minimum": 1}],
        "minItems": 2,
        "maxItems": 2,
        "description": "start and end: half-open, in characters (Unicode code points) of the note",
    }
    system = {"enum": list(CODE_SYSTEMS)}
    code = {"type": "string", "minLength": 3, "maxLength": 8, "description": "ICD-10-CM with the dot after the third character"}
    decision = {
        "kind": {"const": "decision"},
        "event_id": {**id_, "description": "recording it again does nothing"},
        "note_id": id_,
        "encounter_id": {"anyOf": [id_, {"type": "null"}]},
        "system": system,
        "code": {**code, "description": "the code put to the person; for add the one added"},
        "action": {"enum": list(ACTIONS)},
        "final_code": {"anyOf": [code, {"type": "null"}], "description": "what stands after accept, replace and add"},
        "stage": {"enum": list(STAGES)},
        "who": id_,
        "when": time,
        "reason": {"type": "string"},
        "probability": {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "null"}]},
        "evidence": {
            "type": "array",
            "items": {"type": "array", "minItems": 1, "items": span},
            "description": "references; each one or more ranges that are read together",
        },
        "text_sha256": {"type": "string", "description": "SHA-256 of the note's text in UTF-8; empty when not known"},
        "versions": names,
    }
    review = {
        "kind": {"const": "review"},
        "event_id": id_,
        "encounter_id": id_,
        "note_ids": {"type": "array", "items": {"type": "string"}},
        "stage": {"enum": list(STAGES)},
        "who": id_,
        "opened": time,
        "finished": time,
        "shown": {
            "type": "array",
            "items": _closed(
                {
                    "note_id": id_,
                    "system": system,
                    "code": code,
                    "rank": {"type": "integer"},
                    "probability": {"type": "number", "minimum": 0, "maximum": 1},
                    "selected": {"type": "boolean"},
                }
            ),
        },
        "codes": {"type": "array", "items": _closed({"system": system, "code": code, "poa": {"type": ["string", "null"]}})},
        "facts": names,
        "edits": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
        "versions": names,
    }
    event = {
        "kind": {"type": "string", "minLength": 1, "maxLength": 40, "not": {"enum": ["decision", "review"]}},
        "event_id": id_,
        "encounter_id": {"type": "string", "maxLength": MAX_ID},
        "subject": {"type": "string", "maxLength": MAX_ID},
        "who": {"type": "string", "maxLength": MAX_ID},
        "when": time,
        "body": {"type": "object"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "codesuggest decision log, version 1: one line of an export",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in ("decision", "review", "event")],
        "$defs": {"decision": _closed(decision), "review": _closed(review), "event": _closed(event)},
    }


def _closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(properties), "additionalProperties": False}
