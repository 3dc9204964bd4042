"""Notes in FHIR R4 (and R5): the text attachments of DocumentReference and DiagnosticReport.

Plain JSON reading: no class of a FHIR library is built, so a damaged resource is one failure and a large export costs little.
Nothing is fetched: an attachment that is only a URL is followed within the same bundle (``Binary/…``) and nowhere else.

Decision (2026-11): a document whose text was withdrawn (``entered-in-error``, ``superseded``, ``cancelled``) is a failure in its
place and is not coded. What would change our mind: a user who must reproduce what was coded before the withdrawal.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from codesuggest.errors import CodesuggestError, InputFormatError, InvalidNoteError
from codesuggest.notes.jsonl import note_from_dict
from codesuggest.notes.text import MAX_BYTES, decode, open_file
from codesuggest.records import Failure, Note

__all__ = ["MAX_BUNDLE_BYTES", "notes_of_resource", "read_fhir_json"]

MAX_BUNDLE_BYTES = 512 * 1024 * 1024
"""Largest bundle read as a whole, in bytes; a larger export comes as NDJSON."""

_WITHDRAWN = frozenset({"entered-in-error", "superseded", "cancelled"})
_CHARSETS = {"us-ascii": "utf-8", "ascii": "utf-8", "iso-8859-1": "cp1252", "latin1": "cp1252", "windows-1252": "cp1252"}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_CLASSES = {"IMP": "inpatient", "ACUTE": "inpatient", "NONAC": "inpatient", "AMB": "outpatient", "EMER": "emergency"}
_ID = re.compile(r"[A-Za-z0-9\-._]{1,64}")

Json = Mapping[str, Any]


def read_fhir_json(path: Path, defaults: Mapping[str, Any]) -> Iterator[Note | Failure]:
    """Read the notes of one JSON file: a Bundle, or a single resource.

    Raises
    ------
    InputFormatError
        CS558 when the file is larger than `MAX_BUNDLE_BYTES`; CS164 when it is not a FHIR resource in JSON.
    """
    with open_file(path) as file:
        data = file.read(MAX_BUNDLE_BYTES + 1)
    if len(data) > MAX_BUNDLE_BYTES:
        raise InputFormatError(
            "CS558",
            f"{str(path)!r} has more than {MAX_BUNDLE_BYTES:,} bytes, too many to read as one bundle. "
            "Expected NDJSON, one resource a line, for a large export. Export it so.",
        )
    try:
        resource = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputFormatError(
            "CS164", f"{str(path)!r} is not JSON in UTF-8 ({type(error).__name__}). Expected a FHIR bundle. Export it again."
        ) from error
    del data
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        raise InputFormatError(
            "CS164",
            f"{str(path)!r} has no resourceType. Expected a FHIR bundle or resource. Notes of your own go into a .jsonl file, "
            "an object with note_id and text on each line.",
        )
    yield from notes_of_resource(resource, path.name, defaults)


def notes_of_resource(resource: Json, place: str, defaults: Mapping[str, Any]) -> Iterator[Note | Failure]:
    """Yield the notes of a resource; none for a resource that holds no documents.

    Parameters
    ----------
    resource : mapping
        Parsed JSON with ``resourceType``.
    place : str
        What messages call it, such as ``export.ndjson:12``.
    defaults : mapping
        Values of fields of `Note` that the resource does not give.

    Yields
    ------
    Note or Failure
        One a text attachment: called after the resource, with ``#2`` … from its second text on.

    Examples
    --------
    >>> resource = {"resourceType": "DocumentReference", "id": "d1", "status": "current",
    ...     "content": [{"attachment": {"contentType": "text/plain", "data": "QXN0aG1hLg=="}}]}
    >>> [n.text for n in notes_of_resource(resource, "line 1", {})]
    ['Asthma.']
    """
    kind = resource.get("resourceType")
    if kind == "Bundle":
        yield from _notes_of_bundle(resource, place, defaults)
    elif kind in ("DocumentReference", "DiagnosticReport"):
        yield from _notes_of_document(resource, place, defaults, {})


def _notes_of_bundle(bundle: Json, place: str, defaults: Mapping[str, Any]) -> Iterator[Note | Failure]:
    entries = [e for e in _list(bundle.get("entry")) if isinstance(e, dict)]
    known: dict[str, Json] = {}
    for entry in entries:
        resource = _map(entry.get("resource"))
        if resource.get("resourceType") in ("Patient", "Binary", "Encounter"):
            known[f"{resource['resourceType']}/{resource.get('id')}"] = resource
            if isinstance(entry.get("fullUrl"), str):
                known[entry["fullUrl"]] = resource
    for number, entry in enumerate(entries, 1):
        resource = _map(entry.get("resource"))
        if resource.get("resourceType") in ("DocumentReference", "DiagnosticReport"):
            yield from _notes_of_document(resource, f"{place}, entry {number}", defaults, known)


def _notes_of_document(
    resource: Json, place: str, defaults: Mapping[str, Any], known: Mapping[str, Json]
) -> Iterator[Note | Failure]:
    given = resource.get("id")
    note_id = given if isinstance(given, str) and _ID.fullmatch(given) else place
    for status in (resource.get("status"), resource.get("docStatus")):
        if isinstance(status, str) and status in _WITHDRAWN:
            yield Failure(
                note_id, "CS557", f"{place} was withdrawn ({status}) and was not read. Nothing to do, if that is right."
            )
            return
    if resource.get("resourceType") == "DocumentReference":
        attachments = [_map(_map(c).get("attachment")) for c in _list(resource.get("content"))]
    else:
        attachments = [_map(a) for a in _list(resource.get("presentedForm"))]
    texts = [a for a in attachments if _content_type(a)[0] == "text/plain"]
    if not texts:
        kinds = sorted({t for t in (_content_type(a)[0] for a in attachments) if re.fullmatch(r"[\w.+-]{1,40}/[\w.+-]{1,60}", t)})
        yield Failure(
            note_id,
            "CS555",
            f"{place} has no attachment of type text/plain (found: {', '.join(kinds) or 'none'}). "
            "Expected the text in base64. Convert the document to text first.",
        )
        return
    facts = {**_facts(resource, known)}
    for i, attachment in enumerate(texts):
        own_id = note_id if i == 0 else f"{note_id}#{i + 1}"
        try:
            yield note_from_dict({**facts, "note_id": own_id, "text": _text(attachment, place, known)}, defaults)
        except CodesuggestError as error:
            yield Failure(own_id, error.error_id, error.message)


def _content_type(attachment: Json) -> tuple[str, str]:
    """Return (media type, charset) in lower case."""
    given = attachment.get("contentType")
    parts = [p.strip().lower() for p in given.split(";")] if isinstance(given, str) else [""]
    charset = next((p.removeprefix("charset=").strip('"') for p in parts[1:] if p.startswith("charset=")), "")
    return parts[0], charset


def _text(attachment: Json, place: str, known: Mapping[str, Json]) -> str:
    data = attachment.get("data")
    url = attachment.get("url")
    if data is None and isinstance(url, str):
        data = known.get(url, {}).get("data")
        if data is None:
            raise InvalidNoteError(
                "CS555",
                f"{place} gives its text by a URL only. Expected the text in base64, or the Binary in the same bundle: "
                "nothing is fetched. Export with the attachments inline.",
            )
    if not isinstance(data, str) or len(data) > MAX_BYTES * 3 // 2:
        raise InvalidNoteError(
            "CS556", f"{place} has an attachment without data, or with too much. Expected text in base64. Look at the export."
        )
    try:
        raw = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidNoteError(
            "CS556",
            f"{place} has an attachment that is not base64 ({type(error).__name__}). Expected text in base64. Export it again.",
        ) from error
    codec = _CHARSETS.get(_content_type(attachment)[1])
    if codec == "cp1252":
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            pass  # the label is wrong: judge by the bytes
    return decode(raw, name=place).text


def _facts(resource: Json, known: Mapping[str, Json]) -> dict[str, Any]:
    """Collect the fields of a note that the resource, its patient and its encounter give."""
    facts: dict[str, Any] = {}
    is_document = resource.get("resourceType") == "DocumentReference"
    concept = _map(resource.get("type" if is_document else "code"))
    names = [concept.get("text"), *(_map(c).get("display") for c in _list(concept.get("coding")))]
    facts["kind"] = next((n.lower() for n in names if isinstance(n, str) and 0 < len(n) <= 80), None)
    context = resource.get("context")
    encounters = context if isinstance(context, list) else _list(_map(context).get("encounter")) or [resource.get("encounter")]
    reference = next((r for r in (_map(e).get("reference") for e in encounters) if isinstance(r, str)), None)
    if reference and len(reference) <= 200:
        facts["encounter_id"] = reference.removeprefix("Encounter/")
    encounter = known.get(reference or "", {})
    # an inpatient stay is coded by the day of discharge
    days = [_map(encounter.get("period")).get("end")]
    for period in (_map(context).get("period"), resource.get("period"), resource.get("effectivePeriod")):
        days += [_map(period).get("end"), _map(period).get("start")]
    days += [resource.get("effectiveDateTime"), resource.get("date"), resource.get("issued")]
    day = next((d for d in map(_day, days) if d), None)
    facts["date_of_service"] = day
    facts["setting"] = _CLASSES.get(str(_map(encounter.get("class")).get("code")))
    patient = known.get(str(_map(resource.get("subject")).get("reference")), {})
    facts["sex"] = {"female": "F", "male": "M"}.get(str(patient.get("gender")))
    born = _day(patient.get("birthDate"))
    if born and day and born <= day:
        years = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
        facts["age_years"] = float(years) if years <= 130 else None
    return facts


def _day(value: object) -> dt.date | None:
    found = _DAY.match(value) if isinstance(value, str) else None
    try:
        return dt.date.fromisoformat(found.group()) if found else None
    except ValueError:
        return None


def _map(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
