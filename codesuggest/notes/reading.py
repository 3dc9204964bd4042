"""One way in for a file of any kind: what it holds, document by document, and what was passed over."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from codesuggest.errors import CodesuggestError, ConfigError
from codesuggest.notes.attachments import content_of
from codesuggest.notes.ccda import ccda_document, read_ccda
from codesuggest.notes.document import Document, PassedOver, Reading
from codesuggest.notes.fhir import parse_resource, read_bundle, read_ndjson, readings_of_resource
from codesuggest.notes.hl7v2 import read_hl7, read_messages
from codesuggest.notes.jsonl import note_from_dict, read_jsonl
from codesuggest.notes.streams import open_stream, stem_and_kind
from codesuggest.notes.text import MAX_BYTES, decode, read_bytes
from codesuggest.records import Failure, Note

__all__ = ["ENDINGS", "FORMATS", "first_resource", "format_of", "format_of_bytes", "read_documents", "read_html"]

FORMATS: tuple[str, ...] = ("text", "jsonl", "fhir", "ccda", "hl7", "html")
"""Kinds of files of documents."""
ENDINGS: dict[str, str] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "fhir",
    ".xml": "ccda",
    ".ccda": "ccda",
    ".cda": "ccda",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".hl7": "hl7",
    ".hl7v2": "hl7",
    ".er7": "hl7",
}
"""Ending to kind of file; the beginning of a file of any other ending tells, and it is text when it tells nothing."""

_HL7 = re.compile(rb"\s*\x0b?(?:MSH|FHS|BHS)([^A-Za-z0-9\s])[^A-Za-z0-9\s]{2,5}\1")
_CDA = re.compile(rb"\s*(?:<\?xml[^>]{0,300}\?>)?(?:\s|<\?[^>]{0,300}\?>|<!--[^>]{0,2000}-->)*+<(?:\w+:)?ClinicalDocument\b")
_HTML = re.compile(rb"\s*(?:<\?xml[^>]{0,300}\?>\s*)?<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_RESOURCE = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]{1,40})"')
_FHIR = re.compile(rb'\s*\{\s*"resourceType"\s*:')


def format_of(path: Path, given: str | None = None) -> str:
    """Return the kind of a file: as given, else by its ending, else by how it begins.

    Raises
    ------
    ConfigError
        CS183 when the given kind is none.
    InputFormatError
        CS159, CS551 when the file cannot be read.

    Examples
    --------
    >>> format_of(Path("bundle.json.gz")), format_of(Path("visit.xml"))
    ('fhir', 'ccda')
    """
    if given is not None:
        if given not in FORMATS:
            raise ConfigError(
                "CS183", f"{given!r} is no kind of file. Expected one of {', '.join(FORMATS)}. Name one, or leave it out."
            )
        return given
    ending = ENDINGS.get(stem_and_kind(path)[1])
    if ending is not None:
        return ending
    if not path.is_file():
        return "text"  # reading it says what is wrong
    with path.open("rb") as file:
        return format_of_bytes(file.read(4096))


def format_of_bytes(head: bytes) -> str:
    """Return the kind of a file by how it begins; "text" when that tells nothing."""
    head = head.removeprefix(b"\xef\xbb\xbf")
    for pattern, kind in ((_HL7, "hl7"), (_CDA, "ccda"), (_HTML, "html"), (_FHIR, "fhir")):
        if pattern.match(head):
            return kind
    return "text"


def first_resource(path: Path) -> str:
    """Return the resource type in the first line of a file of JSON lines; empty when it is no FHIR resource."""
    try:
        with open_stream(path) as (stream, _):
            head = stream.read(1 << 16).removeprefix(b"\xef\xbb\xbf").lstrip()
    except CodesuggestError:
        return ""  # the reader of the file finds what is wrong with it
    line = head.split(b"\n", 1)[0]
    found = _RESOURCE.search(line)
    return found.group(1).decode() if found and b'"note_id"' not in line else ""


def read_documents(
    path: str | Path, defaults: Mapping[str, Any] | None = None, *, kind: str | None = None, note_id: str | None = None
) -> Iterator[Reading]:
    """Read the documents of a file, and say what was passed over.

    Parameters
    ----------
    path : path
        Text, HTML, JSON lines, FHIR (a bundle, a resource, or NDJSON), C-CDA or HL7 v2; ``-`` for standard input.
    defaults : mapping, optional
        Values of fields of `Note` that the file does not give.
    kind : str, optional
        One of `FORMATS`; by the file without it.
    note_id : str, optional
        Id of the note of a file that holds one and gives it none; the name of the file without it.

    Yields
    ------
    Document, Failure or PassedOver
        A file that holds no document at all yields a failure that says so.

    Raises
    ------
    ConfigError
        CS183 when `kind` is none.

    Examples
    --------
    >>> [type(r).__name__ for r in read_documents("no-such-file.xml")]
    ['Failure']
    """
    path = Path(path)
    if kind is not None:
        format_of(path, kind)
    given = dict(defaults or {})
    name = note_id or ("stdin" if str(path) == "-" else stem_and_kind(path)[0] or path.name)
    n = 0
    passed: list[PassedOver] = []
    try:
        readings = _standard_input(given, kind, name) if str(path) == "-" else _readings(path, given, kind, name)
        for reading in readings:
            if isinstance(reading, PassedOver):
                passed.append(reading)
            else:
                n += 1
            yield reading
    except CodesuggestError as error:
        yield Failure(name, error.error_id, error.message)
        return
    if not n:
        found = "; ".join(f"{p.reason}{f' ({p.count} times)' if p.count > 1 else ''}" for p in passed[:8]) or "it is empty"
        yield Failure(name, "CS179", f"{path.name!r} holds no document: {found}. Expected notes or reports. Look at the export.")


def _readings(path: Path, defaults: dict[str, Any], kind: str | None, name: str) -> Iterator[Reading]:
    form = format_of(path, kind)
    if form == "fhir":
        return read_ndjson(path, defaults) if first_resource(path) and _is_lines(path) else read_bundle(path, defaults)
    if form == "hl7":
        return read_hl7(path, defaults)
    if form == "ccda":
        return read_ccda(path, defaults, name)
    if form == "html":
        return read_html(path, defaults, name)
    if form == "jsonl":
        if first_resource(path):
            return read_ndjson(path, defaults)
        return (_own(note, path.name) for note in read_jsonl(path, defaults))
    return iter([_text(path, defaults, name)])


def _is_lines(path: Path) -> bool:
    """Whether the first line is a whole object and another follows."""
    with open_stream(path) as (stream, _):
        line = stream.readline(MAX_BYTES)
        rest = stream.readline(1000)
    try:
        return bool(rest.strip()) and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _standard_input(defaults: dict[str, Any], kind: str | None, name: str) -> Iterator[Reading]:
    data = read_bytes("-")
    form = kind or format_of_bytes(data[:4096])
    place = "standard input"
    if form == "hl7":
        return read_messages(iter([data]), place, defaults)
    if form == "ccda":
        return iter([ccda_document(data, name, place, defaults)])
    if form == "html":
        content = content_of(data, place, media_type="text/html")
        return iter(
            [Document(note_from_dict({"note_id": name, "text": content.text}, defaults), "HTML", place, "", (), content.remarks)]
        )
    if form == "fhir":
        return readings_of_resource(parse_resource(data, place), place, defaults)
    if form == "jsonl":
        raise ConfigError(
            "CS183", "JSON lines were asked of standard input. Expected a file for these. Write them to a .jsonl file."
        )
    found = decode(data, name=place)
    remarks = (found.warning,) if found.warning else ()
    return iter([Document(Note(name, found.text, **_facts(defaults)), "text", place, "", (), remarks)])


def _own(note: Note | Failure, name: str) -> Reading:
    return note if isinstance(note, Failure) else Document(note, "JSON lines", name)


def _text(path: Path, defaults: dict[str, Any], name: str) -> Reading:
    found = decode(read_bytes(path), name=str(path))
    remarks = (found.warning,) if found.warning else ()
    return Document(Note(name, found.text, **_facts(defaults)), "text", path.name, "", (), remarks)


def read_html(path: Path, defaults: Mapping[str, Any], name: str) -> Iterator[Reading]:
    """Read a file of HTML or XHTML as one note.

    Yields
    ------
    Document or Failure
    """
    try:
        with open_stream(path) as (stream, _):
            data = stream.read(MAX_BYTES + 1)
        content = content_of(data, path.name, media_type="text/html")
        if content.cda:
            yield ccda_document(content.cda, name, path.name, defaults)
            return
        note = note_from_dict({"note_id": name, "text": content.text}, defaults)
        yield Document(note, "HTML", path.name, "", (), content.remarks)
    except CodesuggestError as error:
        yield Failure(name, error.error_id, error.message)


def _facts(defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in defaults.items() if k not in ("note_id", "text")}
