"""Notes in FHIR R4 (and R5) JSON: DocumentReference, DiagnosticReport, Composition, and an Observation that is a narrative.

Plain JSON reading: no class of a FHIR library is built, so a damaged resource is one failure and a large export costs little. A
bundle is read twice in a stream, first for the patients, encounters and coverages that its documents point to, then for the
documents, so that memory holds facts and one entry at a time. Nothing is fetched: an attachment that is only a URL is followed
within the same file (``Binary/…``) and nowhere else.

Decision (2026-11): a document whose text was withdrawn (``entered-in-error``, ``superseded``, ``cancelled``) is a failure in its
place and is not coded. What would change our mind: a user who must reproduce what was coded before the withdrawal.

Decision (2026-11): several attachments of one document are renditions of the same content (FHIR R4, DocumentReference.content and
DiagnosticReport.presentedForm). The plainest is read and the others are named. What would change our mind: senders that split a
document over attachments of different kinds.

Decision (2026-11): a note that is sent both as DocumentReference and as DiagnosticReport of one encounter, word for word, is one
note; the second is passed over and named.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codesuggest.errors import CodesuggestError, InputFormatError, InvalidNoteError
from codesuggest.notes.attachments import Content, b64_bytes, content_of, media_type_of
from codesuggest.notes.ccda import ccda_document
from codesuggest.notes.days import age_on, day_of_fhir
from codesuggest.notes.document import Document, Part, PassedOver, Reading, notes_of
from codesuggest.notes.fhir_facts import (
    ID,
    Facts,
    Json,
    as_list,
    as_map,
    codes_of,
    id_of,
    key_of,
    keys_of,
    loinc_of,
    name_of,
    reference_of,
)
from codesuggest.notes.fhir_observations import WITHDRAWN, is_narrative, observation_lines
from codesuggest.notes.json_stream import MAX_VALUES, check_json, items, top_level
from codesuggest.notes.jsonl import note_from_dict
from codesuggest.notes.loinc import heading_of, kind_of
from codesuggest.notes.markup import html_text
from codesuggest.notes.streams import lines_of, open_stream
from codesuggest.notes.text import MAX_BYTES
from codesuggest.records import Failure, Note, Span

__all__ = [
    "Facts",
    "gather_facts",
    "notes_of_resource",
    "parse_resource",
    "read_bundle",
    "read_fhir_json",
    "read_ndjson",
    "readings_of_resource",
]

DOCUMENTS = ("DocumentReference", "DiagnosticReport", "Composition")
# v2 table 0074, LOINC parts of US Core, and what their reports are called.
_CATEGORIES = {"RAD": "radiology report", "LP29684-5": "radiology report", "LAB": "laboratory report", "PAT": "pathology report"}
_CATEGORIES |= {"LP7839-6": "pathology report", "SP": "pathology report"}
_PART = re.compile(rb'"resourceType"\s*:\s*"(?:Observation|Binary|Bundle)"')
_MAX_NESTED = 20  # bundles or sections inside one another
_FORMS = ("text", "HTML", "C-CDA")


# ---------------------------------------------------------------------------------------------------------------------
# files


def read_fhir_json(path: Path, defaults: Mapping[str, Any]) -> Iterator[Note | Failure]:
    """Read the notes of one JSON file: a Bundle, or a single resource.

    Raises
    ------
    InputFormatError
        CS164 when it is not a FHIR resource in JSON; CS173 when it would take too much memory.
    """
    return notes_of(read_bundle(path, defaults))


def read_bundle(path: Path, defaults: Mapping[str, Any], position: Callable[[int], None] | None = None) -> Iterator[Reading]:
    """Read the documents of one JSON file: a Bundle, or a single resource; and name what was passed over.

    A bundle that is cut off gives its whole entries and then a failure.

    Raises
    ------
    InputFormatError
        CS164 when it is not a FHIR resource in JSON; CS173 when it would take too much memory.
    """
    kind = None if _first_byte(path) != b"{" else top_level(path, "resourceType")
    if not isinstance(kind, str):
        raise InputFormatError(
            "CS164",
            f"{str(path)!r} has no resourceType. Expected a FHIR bundle or resource. Notes of your own go into a .jsonl file, "
            "an object with note_id and text on each line.",
        )
    if kind != "Bundle":
        with open_stream(path) as (stream, _):
            data = stream.read(MAX_BYTES * 2 + 1)
        yield from _of_line(data, path.name, defaults, path.name)
        return
    move = position or (lambda _: None)

    def entries() -> Iterator[tuple[str, Json, object]]:
        for number, (value, n_bytes) in enumerate(items(path, "entry.item"), 1):
            move(n_bytes)
            entry = as_map(value)
            yield f"{path.name}, entry {number}", as_map(entry.get("resource")), entry.get("fullUrl")

    yield from _twice(entries, path.name, Facts(), defaults)


def _first_byte(path: Path) -> bytes:
    with open_stream(path) as (stream, _):
        return stream.read(1000).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]


def _of_line(data: bytes, place: str, defaults: Mapping[str, Any], name: str) -> Iterator[Reading]:
    if len(data) > MAX_BYTES * 2:
        raise InputFormatError("CS162", f"{name!r} is too large for one resource. Expected one document. Split it.")
    resource = parse_resource(data, place)
    facts = Facts()
    yield from _twice(lambda: iter([(place, resource, None)]), name, facts, defaults)


def parse_resource(data: bytes, place: str) -> Json:
    """Parse one JSON object within limits.

    Raises
    ------
    InputFormatError
        CS164 when it is not JSON or no object; CS173 when it would take too much memory.
    """
    if len(data) > MAX_VALUES:
        check_json(data, place)
    try:
        row = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        reason = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise InputFormatError(
            "CS164", f"{place} is not JSON in UTF-8 ({reason}). Expected a FHIR resource. Export it again."
        ) from error
    if not isinstance(row, dict):
        raise InputFormatError("CS164", f"{place} is no JSON object. Expected a FHIR resource. Export it again.")
    return row


def read_ndjson(
    path: Path,
    defaults: Mapping[str, Any],
    *,
    facts: Facts | None = None,
    position: Callable[[int], None] | None = None,
    other: Callable[[dict[str, Any], str], Note | Failure] | None = None,
) -> Iterator[Reading]:
    """Read a file with one resource a line, as a bulk export writes them; a line that cannot be read is a failure in its place.

    Parameters
    ----------
    path : Path
    defaults : mapping
        Values of fields of `Note` that the resources do not give.
    facts : Facts, optional
        Patients and encounters that stand in other files of the export.
    position : callable, optional
        Called now and then with the number of bytes of the file that have been read.
    other : callable, optional
        What makes a note of a line that is no FHIR resource; such a line is a failure without it.
    """
    known = facts or Facts()
    move = position or (lambda _: None)
    bad: dict[str, Failure] = {}
    own: dict[str, dict[str, Any]] = {}

    def lines() -> Iterator[tuple[str, Json, object]]:
        bad.clear()
        own.clear()
        with open_stream(path) as (stream, raw):
            for number, line in enumerate(lines_of(stream), 1):
                place = f"{path.name}:{number}"
                move(raw.tell())
                if line is None:
                    message = f"{place} is too large for one note: more than {MAX_BYTES:,} bytes. Split it."
                    bad[place] = Failure(place, "CS162", message)
                    yield place, {}, None
                elif line.strip():
                    try:
                        resource = parse_resource(line, place)
                    except CodesuggestError as error:
                        bad[place] = Failure(place, error.error_id, error.message)
                        yield place, {}, None
                        continue
                    if "resourceType" not in resource:
                        own[place] = dict(resource)
                    yield place, resource, None
                    own.clear()
                bad.clear()

    def odd(place: str) -> Iterator[Reading]:
        if place in bad:
            yield bad[place]
        elif place in own and other is not None:
            made = other(own[place], place)
            yield made if isinstance(made, Failure) else Document(made, "JSON lines", place)
        else:
            yield Failure(place, "CS164", f"{place} has no resourceType. Expected a FHIR resource on each line. Export it again.")

    yield from _twice(lines, path.name, known, defaults, odd, has_parts=_has_parts(path))


def _has_parts(path: Path) -> bool:
    """Whether a file of lines holds resources that other documents take their text from.

    A bulk export has one type of resource a file: the reports of a large one must not be held back for results that are elsewhere.
    """
    with open_stream(path) as (stream, _):
        return any(line is not None and _PART.search(line) for line in lines_of(stream))


def gather_facts(path: Path, facts: Facts) -> None:
    """Take patients, encounters and coverages of a file with one resource a line; lines that cannot be read are left to its reader."""
    with open_stream(path) as (stream, _):
        for line in lines_of(stream):
            if line and b'"resourceType"' in line:
                try:
                    facts.add(parse_resource(line, path.name))
                except CodesuggestError:
                    continue


_Resources = Callable[[], Iterator[tuple[str, Json, object]]]


def _twice(
    resources: _Resources,
    name: str,
    facts: Facts,
    defaults: Mapping[str, Any],
    odd: Callable[[str], Iterator[Reading]] | None = None,
    *,
    has_parts: bool = True,
) -> Iterator[Reading]:
    """Read resources for their facts, then for their documents.

    Documents wait for the resources that hold their text when `has_parts` says that there may be such.
    """
    pending = _Pending()
    try:
        for place, resource, full_url in resources():
            _gather(resource, full_url, place, facts, pending if has_parts else None)
    except InputFormatError as error:
        if not any(True for _ in _quietly(resources())):
            raise
        trouble: InputFormatError | None = error
    else:
        trouble = None
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    passed: Counter[str] = Counter()
    for place, resource, full_url in _quietly(resources()):
        if not isinstance(resource.get("resourceType"), str):
            if odd is None:
                passed["entry without a resource"] += 1
            else:
                yield from odd(place)
            continue
        for reading in _readings(resource, full_url, place, facts, pending, defaults):
            yield _once(reading, seen)
        if not _is_document(resource):
            passed[resource["resourceType"] if ID.fullmatch(resource["resourceType"]) else "?"] += 1
    for waiting in pending.left():
        for reading in _of_document(waiting.resource(), waiting.place, facts, waiting.found, defaults):
            yield _once(reading, seen)
    for kind, count in sorted(passed.items()):
        yield PassedOver(name, f"{kind}: holds no document", count)
    if trouble is not None:
        yield Failure(
            name,
            "CS180",
            f"The rest of {name!r} could not be read, and documents in it are missing here: {trouble.message} "
            "What came before was read, perhaps without facts that would have followed.",
        )


def _quietly(resources: Iterator[tuple[str, Json, object]]) -> Iterator[tuple[str, Json, object]]:
    try:
        yield from resources
    except InputFormatError:
        return  # the first reading said so


def _once(reading: Reading, seen: dict[tuple[str, str], tuple[str, str]]) -> Reading:
    """Return a reading, or that it was passed over when another type of resource gave the same note of the same encounter."""
    if not isinstance(reading, Document) or reading.note.encounter_id is None:
        return reading
    digest = hashlib.sha256(reading.note.text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    source, note_id = seen.setdefault((reading.note.encounter_id, digest), (reading.source, reading.note.note_id))
    if source != reading.source:
        return PassedOver(reading.place, f"{reading.source}: word for word the same note as {source} {note_id!r}")
    return reading


# ---------------------------------------------------------------------------------------------------------------------
# documents whose text stands in other resources


@dataclass(slots=True)
class _Waiting:
    """A document that needs other resources for its text, without those."""

    place: str
    data: bytes
    needs: set[str]
    found: dict[str, Any] = field(default_factory=dict)

    def resource(self) -> Json:
        value: Json = json.loads(self.data)
        return value


class _Pending:
    """Documents that wait for a Binary or for Observations of the same file."""

    def __init__(self) -> None:
        self._by_key: dict[str, list[_Waiting]] = {}
        self._all: dict[int, _Waiting] = {}
        self.places: set[str] = set()

    def add(self, place: str, resource: Json, needs: set[str]) -> None:
        one = _Waiting(place, json.dumps(resource).encode(), needs)
        self._all[id(one)] = one
        self.places.add(place)
        for key in needs:
            self._by_key.setdefault(key, []).append(one)

    def give(self, keys: Iterable[str], value: Callable[[], Any]) -> Iterator[_Waiting]:
        """Hand a resource to the documents that wait for it; yield those that wait for nothing more."""
        for key in keys:
            for one in self._by_key.pop(key, ()):
                one.found[key] = value()
                if one.needs <= one.found.keys() and self._all.pop(id(one), None) is not None:
                    yield one

    def is_wanted(self, keys: Iterable[str]) -> bool:
        return any(key in self._by_key for key in keys)

    def left(self) -> Iterator[_Waiting]:
        """Yield the documents that wait for what is not in the file, in order."""
        yield from self._all.values()


def _gather(resource: Json, full_url: object, place: str, facts: Facts, pending: _Pending | None, depth: int = 0) -> None:
    kind = resource.get("resourceType")
    if kind in Facts.TYPES:
        facts.add(resource, full_url)
    elif kind == "Bundle" and depth < _MAX_NESTED:
        for number, entry in enumerate(map(as_map, as_list(resource.get("entry"))), 1):
            inner = as_map(entry.get("resource"))
            _gather(inner, entry.get("fullUrl"), f"{place}, entry {number}", facts, pending, depth + 1)
    elif kind in DOCUMENTS and pending is not None:
        needs = _needs(resource)
        if needs:
            pending.add(place, resource, needs)


def _needs(resource: Json) -> set[str]:
    """Return the keys of the resources that hold the text of a document."""
    own = {f"#{as_map(r).get('id')}" for r in as_list(resource.get("contained"))}
    attachments = _attachments(resource)
    keys = {
        key_of(url) for a in attachments if a.get("data") is None and isinstance(url := a.get("url"), str) and len(url) <= 500
    }
    keys = {k for k in keys if k.startswith(("Binary/", "urn:"))}
    if resource.get("resourceType") == "DiagnosticReport" and not any(a.get("data") for a in attachments):
        keys |= {key for r in as_list(resource.get("result")) if (key := reference_of(r))}
    return keys - own


def _readings(
    resource: Json, full_url: object, place: str, facts: Facts, pending: _Pending, defaults: Mapping[str, Any], depth: int = 0
) -> Iterator[Reading]:
    kind = resource.get("resourceType")
    keys = keys_of(resource, full_url)
    if kind == "Bundle":
        if depth >= _MAX_NESTED:
            message = f"{place} has more than {_MAX_NESTED} bundles inside one another. Expected a bundle of resources. Export it again."
            yield Failure(place, "CS173", message)
            return
        for number, entry in enumerate(map(as_map, as_list(resource.get("entry"))), 1):
            inner = as_map(entry.get("resource"))
            yield from _readings(inner, entry.get("fullUrl"), f"{place}, entry {number}", facts, pending, defaults, depth + 1)
    elif kind in DOCUMENTS:
        if place not in pending.places:
            yield from _of_document(resource, place, facts, {}, defaults)
    elif kind == "Binary":
        done = list(pending.give(keys, lambda: {k: resource.get(k) for k in ("contentType", "data")}))
        for one in done:
            yield from _of_document(one.resource(), one.place, facts, one.found, defaults)
    elif kind == "Observation":
        if pending.is_wanted(keys):
            for one in list(pending.give(keys, lambda: observation_lines(resource))):
                yield from _of_document(one.resource(), one.place, facts, one.found, defaults)
        elif is_narrative(resource):
            yield from _of_document(resource, place, facts, {}, defaults)


def _is_document(resource: Json) -> bool:
    kind = resource.get("resourceType")
    return kind in DOCUMENTS or kind == "Bundle" or (kind == "Observation" and is_narrative(resource))


# ---------------------------------------------------------------------------------------------------------------------
# one document


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
        One a text: called after the resource, with ``#2`` … from its second text on.

    Examples
    --------
    >>> resource = {"resourceType": "DocumentReference", "id": "d1", "status": "current",
    ...     "content": [{"attachment": {"contentType": "text/plain", "data": "QXN0aG1hLg=="}}]}
    >>> [n.text for n in notes_of_resource(resource, "line 1", {})]
    ['Asthma.']
    """
    return notes_of(readings_of_resource(resource, place, defaults))


def readings_of_resource(resource: Json, place: str, defaults: Mapping[str, Any]) -> Iterator[Reading]:
    """Yield the documents of a resource, and what was passed over; as `notes_of_resource`."""
    return _twice(lambda: iter([(place, resource, None)]), place, Facts(), defaults)


@dataclass(slots=True)
class _Text:
    text: str
    remarks: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    cda: bytes = b""


def _of_document(
    resource: Json, place: str, facts: Facts, found: Mapping[str, Any], defaults: Mapping[str, Any]
) -> Iterator[Reading]:
    """Yield the texts of one document; `found` holds the resources that it points to."""
    kind = str(resource.get("resourceType"))
    note_id = id_of(resource) or place
    for status in (resource.get("status"), resource.get("docStatus")):
        if isinstance(status, str) and status in WITHDRAWN:
            message = f"{place} was withdrawn ({status}) and was not read. Nothing to do, if that is right."
            yield Failure(note_id, "CS557", message)
            return
    try:
        texts = _TEXTS[kind](resource, place, found)
    except CodesuggestError as error:
        yield Failure(note_id, error.error_id, error.message)
        return
    row, type_code = _row(resource, facts)
    for i, one in enumerate(texts):
        own_id = note_id if i == 0 else f"{note_id}#{i + 1}"
        try:
            if one.cda:
                inner = ccda_document(one.cda, own_id, place, {**defaults, **{k: v for k, v in row.items() if v is not None}})
                yield Document(
                    inner.note, f"FHIR {kind}, C-CDA", place, inner.type_code, inner.parts, (*one.remarks, *inner.remarks)
                )
                continue
            note = note_from_dict({**row, "note_id": own_id, "text": one.text}, defaults)
            yield Document(note, f"FHIR {kind}", place, type_code, one.parts, one.remarks)
        except CodesuggestError as error:
            yield Failure(own_id, error.error_id, error.message)


def _attachments(resource: Json) -> list[Json]:
    if resource.get("resourceType") == "DocumentReference":
        return [as_map(as_map(c).get("attachment")) for c in as_list(resource.get("content"))]
    return [as_map(a) for a in as_list(resource.get("presentedForm"))]


def _text_of_reference(resource: Json, place: str, found: Mapping[str, Any]) -> list[_Text]:
    attachments = _attachments(resource)
    if not attachments:
        raise InvalidNoteError(
            "CS555",
            f"{place} has no attachment. Expected the text in base64. Look at the export, or convert the document to text first.",
        )
    return _best(attachments, resource, place, found)


def _best(attachments: list[Json], resource: Json, place: str, found: Mapping[str, Any]) -> list[_Text]:
    """Read the attachments, keep those of the plainest form, and name the others."""
    read: list[tuple[int, Content]] = []
    refused: list[tuple[int, CodesuggestError]] = []
    for number, attachment in enumerate(attachments, 1):
        where = place if len(attachments) == 1 else f"{place}, attachment {number},"
        try:
            read.append((number, _content(attachment, resource, where, found)))
        except CodesuggestError as error:
            refused.append((number, error))
    if not read:
        if len(refused) == 1:
            raise refused[0][1]
        reasons = " ".join(f"{number}: [{error.error_id}] {error.message}" for number, error in refused[:6])
        raise InvalidNoteError("CS555", f"{place} has {len(refused)} attachments and none can be read. {reasons}")
    form = min((c.form for _, c in read), key=_FORMS.index)
    left = [f"attachment {n} was not read: {e.message}" for n, e in refused]
    left += [f"attachment {n} ({c.form}) was not read: another rendition of the same document" for n, c in read if c.form != form]
    return [_Text(c.text, (*c.remarks, *left), cda=c.cda) for _, c in read if c.form == form]


def _content(attachment: Json, resource: Json, place: str, found: Mapping[str, Any]) -> Content:
    media_type, charset = media_type_of(attachment.get("contentType"))
    data = attachment.get("data")
    url = attachment.get("url")
    if data is None and isinstance(url, str):
        binary = as_map(found.get(key_of(url)) or _contained(resource, url))
        data = binary.get("data")
        if not media_type:
            media_type, charset = media_type_of(binary.get("contentType"))
        if data is None:
            raise InvalidNoteError(
                "CS555",
                f"{place} gives its text by a URL only. Expected the text in base64, or the Binary in the same bundle: "
                "nothing is fetched. Export with the attachments inline.",
            )
    if not isinstance(data, str) or not data.strip() or len(data) > MAX_BYTES * 3 // 2:
        error_id = "CS555" if media_type and data is None else "CS556"
        raise InvalidNoteError(
            error_id, f"{place} has an attachment without data, or with too much. Expected text in base64. Look at the export."
        )
    return content_of(b64_bytes(data, place), place, media_type=media_type, charset=charset)


def _contained(resource: Json, reference: str) -> Json:
    for inner in map(as_map, as_list(resource.get("contained"))):
        if reference.startswith("#") and inner.get("id") == reference[1:]:
            return inner
    return {}


def _text_of_report(resource: Json, place: str, found: Mapping[str, Any]) -> list[_Text]:
    conclusion = resource.get("conclusion")
    conclusion = conclusion.strip() if isinstance(conclusion, str) else ""
    attachments = _attachments(resource)
    trouble: CodesuggestError | None = None
    if attachments:
        try:
            texts = _best(attachments, resource, place, found)
        except CodesuggestError as error:
            trouble = error
        else:
            if conclusion and not texts[-1].cda and not any(conclusion in t.text for t in texts):
                texts[-1].text = f"{texts[-1].text.rstrip()}\n\nConclusion: {conclusion}"
            return texts
    lines: list[str] = []
    missing = 0
    for reference in as_list(resource.get("result")):
        key = reference_of(reference)
        given = found.get(key)
        if given is None and key.startswith("#"):
            given = observation_lines(inner) if (inner := _contained(resource, key)) else None
        if given is None:
            missing += 1
        else:
            lines += given
    codes = [c for c in (name_of(c) for c in as_list(resource.get("conclusionCode"))) if c]
    if codes and not conclusion:
        conclusion = "; ".join(codes)
    if lines or conclusion:
        name = name_of(resource.get("code"))
        text = "\n".join(
            [
                *([f"RESULTS: {name}" if lines else f"{name}:"] if name else []),
                *lines,
                *([f"Conclusion: {conclusion}"] if conclusion else []),
            ]
        )
        remarks = (f"{missing} of its results are not in the file",) if missing else ()
        if trouble is not None:
            remarks = (*remarks, f"its attachment was not read: {trouble.message}")
        return [_Text(text, remarks)]
    if trouble is not None:
        raise trouble
    narrative = _narrative(resource)
    if narrative is not None and narrative[0].strip():
        return [narrative[1]]
    raise InvalidNoteError(
        "CS182",
        f"{place} is a report without text: no attachment, no conclusion, and {missing} results that are not in the file. "
        "Expected a text. Nothing to do, if its results are charted elsewhere.",
    )


def _text_of_composition(resource: Json, place: str, _: Mapping[str, Any]) -> list[_Text]:
    pieces: list[str] = []
    parts: list[Part] = []
    remarks: list[str] = []
    length = 0

    def add(section: Json, depth: int) -> None:
        nonlocal length
        if depth > _MAX_NESTED:
            raise InvalidNoteError(
                "CS173", f"{place} has more than {_MAX_NESTED} sections inside one another. Expected a document."
            )
        given = section.get("title")
        title = given if isinstance(given, str) else name_of(section.get("code"))
        code = loinc_of(section.get("code"))
        narrative = _narrative(section)
        text = narrative[0] if narrative is not None else ""
        if narrative is not None:
            remarks.extend(narrative[1].remarks)
        heading = heading_of(code, title[:200])
        inner = as_list(section.get("section"))
        if text.strip():
            piece = f"{heading}\n{text}" if heading else text
            if pieces:
                length += 2
            pieces.append(piece)
            parts.append(Part(title[:200], code, Span(length, length + len(piece))))
            length += len(piece)
        elif not inner:
            remarks.append(f"section {title[:80]!r} has no text")
        for one in map(as_map, inner):
            add(one, depth + 1)

    for section in map(as_map, as_list(resource.get("section"))):
        add(section, 1)
    if not pieces:
        narrative = _narrative(resource)
        if narrative is None or not narrative[0].strip():
            raise InvalidNoteError("CS171", f"{place} has no text in its sections. Expected narratives. Look at the export.")
        return [narrative[1]]
    return [_Text("\n\n".join(pieces), tuple(remarks), tuple(parts))]


def _text_of_observation(resource: Json, place: str, _: Mapping[str, Any]) -> list[_Text]:
    return [_Text("\n".join(observation_lines(resource)))]


_TEXTS: dict[str, Callable[[Json, str, Mapping[str, Any]], list[_Text]]] = {
    "DocumentReference": _text_of_reference,
    "DiagnosticReport": _text_of_report,
    "Composition": _text_of_composition,
    "Observation": _text_of_observation,
}


def _narrative(resource: Json) -> tuple[str, _Text] | None:
    """Return the narrative (XHTML) of a resource or section."""
    given = as_map(resource.get("text"))
    div = given.get("div")
    if not isinstance(div, str) or given.get("status") == "empty":
        return None
    text, n_struck = html_text(div)
    return text, _Text(text, (f"{n_struck} struck-out passages were left out",) if n_struck else ())


def _row(resource: Json, facts: Facts) -> tuple[dict[str, Any], str]:
    """Collect the fields of a note that the resource, its patient and its encounter give; and the code of its type."""
    kind = resource.get("resourceType")
    concept = resource.get("type" if kind in ("DocumentReference", "Composition") else "code")
    type_code = loinc_of(concept)
    name = name_of(concept) or None
    kinds = [kind_of(type_code, None)]
    if kind == "DiagnosticReport":
        kinds += [_CATEGORIES.get(c) for c in codes_of(resource.get("category"))]
    kinds.append(kind_of("", name if name is None or len(name) <= 80 else None))
    row: dict[str, Any] = {"kind": next((k for k in kinds if k is not None), None)}
    context = resource.get("context")
    encounters = (
        context if isinstance(context, list) else as_list(as_map(context).get("encounter")) or [resource.get("encounter")]
    )
    reference = next((r for r in map(reference_of, encounters) if r), "")
    encounter = facts.encounters.get(reference)
    if encounter is not None and encounter.encounter_id:
        row["encounter_id"] = encounter.encounter_id
    elif reference and len(reference) <= 200:
        row["encounter_id"] = reference.removeprefix("Encounter/").removeprefix("urn:uuid:")
    setting = encounter.setting if encounter is not None else None
    row["setting"] = setting
    own = [as_map(context).get("period"), resource.get("period"), resource.get("effectivePeriod")]
    first = [day_of_fhir(as_map(p).get("start")) for p in own] + [day_of_fhir(resource.get("effectiveDateTime"))]
    last = [day_of_fhir(as_map(p).get("end")) for p in own]
    seen = (encounter.first, encounter.last) if encounter is not None else (None, None)
    made = [day_of_fhir(resource.get(name)) for name in ("date", "issued")]
    # a stay is coded by the day of discharge, a visit by its own
    days = [seen[1], *last, *first, seen[0]] if setting in ("inpatient", None) else [*first, seen[0], *last]
    days += made
    day = next((d for d in days if d is not None), None)
    row["date_of_service"] = day
    patient = reference_of(resource.get("subject"))
    row["sex"], born = facts.patient(patient)
    row["age_years"] = age_on(born, day)
    row["payer"] = facts.payer(reference, patient)
    return row, type_code
