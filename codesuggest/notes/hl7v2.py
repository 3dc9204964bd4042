r"""Notes in HL7 v2: the documents of MDM messages and the reports of ORU messages, alone, in batches or framed for MLLP.

python-hl7 splits a message into segments and fields. What comes before and after is done here: lines are put together again where a
sender let line ends stand inside a field, and escape sequences are resolved.

Decision (2026-11): the library's own ``unescape`` is not used. It writes the field, which is note text, into the log when it meets a
sequence it does not know, and drops what follows a lone backslash. Here an unknown sequence stays as it is.
"""

from __future__ import annotations

import datetime as dt
import importlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from codesuggest.errors import CodesuggestError, InputFormatError, InvalidNoteError, PrerequisiteError
from codesuggest.notes.attachments import b64_bytes, content_of, text_in
from codesuggest.notes.ccda import ccda_document
from codesuggest.notes.days import age_on, day_of_hl7
from codesuggest.notes.document import Document, Part, PassedOver, Reading
from codesuggest.notes.jsonl import note_from_dict
from codesuggest.notes.loinc import heading_of, kind_of
from codesuggest.notes.results import result_line
from codesuggest.notes.streams import open_stream
from codesuggest.notes.text import MAX_BYTES
from codesuggest.records import Failure, Span

__all__ = ["read_hl7", "read_messages", "readings_of_message"]

_CHUNK = 1 << 18
_FRAME = bytes.maketrans(b"\x0b\x1c", b"\r\r")
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
_CLASSES = {"I": "inpatient", "O": "outpatient", "R": "outpatient", "E": "emergency"}  # table 0004
_SEXES = {"F": "F", "M": "M", "O": "X", "A": "X"}  # table 0001
# Table 0270, document type.
_DOCUMENT_TYPES = {
    "CN": "consultation note",
    "DI": "radiology report",
    "DS": "discharge summary",
    "ED": "emergency department note",
    "HP": "history and physical",
    "OP": "operative note",
    "PC": "psychiatric consultation",
    "PH": "psychiatric history and physical",
    "PN": "procedure note",
    "PR": "progress note",
    "SP": "pathology report",
    "TS": "transfer summary",
}
# Table 0074, diagnostic service section.
_SERVICES = {
    **dict.fromkeys(("RAD", "RUS", "CT", "NMR", "MRI", "NMS", "XRC", "CTH", "RX", "US", "VUS", "OUS"), "radiology report"),
    **dict.fromkeys(
        ("LAB", "CH", "HM", "MB", "BLB", "SR", "IMM", "TX", "UR", "BG", "MCB", "MYC", "PAR", "VR"), "laboratory report"
    ),
    **dict.fromkeys(("PAT", "SP", "CP"), "pathology report"),
    "CUS": "echocardiogram report",
    "EC": "ecg report",
}
_SUFFIXES = {"IMP": "Impression", "REC": "Recommendation", "ADT": "Addendum"}  # OBX-3, second part of the code
_TEXT_TYPES = frozenset(("TX", "FT", ""))
_WITHHELD = {"D": "deleted", "W": "posted as wrong"}  # table 0085
_WITHDRAWN = {"CA": "cancelled", "OB": "obsolete"}  # TXA-19, table 0273
_NOT_SIGNED = {"DI": "dictated", "DO": "documented", "IN": "incomplete", "IP": "in progress", "PA": "pre-authenticated"}  # 0271
_MANY_WORDS = 8
_LOINC = re.compile(r"\d{1,7}-\d")


# ---------------------------------------------------------------------------------------------------------------------
# from bytes to messages


def read_hl7(path: Path, defaults: Mapping[str, Any], position: Callable[[int], None] | None = None) -> Iterator[Reading]:
    """Read the documents of a file of messages; a message that cannot be read is a failure in its place.

    Raises
    ------
    InputFormatError
        CS159, CS551 when the file cannot be read to its end; CS178 when it holds no message at all.
    PrerequisiteError
        CS169 when python-hl7 is not installed.
    """
    move = position or (lambda _: None)

    def chunks() -> Iterator[bytes]:
        with open_stream(path) as (stream, raw):
            while data := stream.read(_CHUNK):
                move(raw.tell())
                yield data

    return read_messages(chunks(), path.name, defaults)


def read_messages(chunks: Iterator[bytes], name: str, defaults: Mapping[str, Any]) -> Iterator[Reading]:
    """Read the documents of messages that come in pieces; as `read_hl7`."""
    ids: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for number, lines in enumerate(_messages(_lines(chunks), counts), 1):
        place = f"{name}, message {number}"
        if lines is None:
            message = f"{place} is too large: more than {MAX_BYTES:,} bytes. Expected one document or report a message. Split it."
            yield Failure(place, "CS162", message)
            continue
        for reading in readings_of_message(lines, place, defaults):
            yield _with_own_id(reading, ids)
    if counts["stray"]:
        yield Failure(
            name,
            "CS178",
            f"{name!r} begins with {counts['stray']} lines that belong to no message: they come before the first MSH. Expected MSH "
            "first. Is the file cut off at its beginning?",
        )
    if counts["said"] and counts["said"] != counts["read"]:
        yield Failure(
            name,
            "CS180",
            f"The trailers of {name!r} count {counts['said']} messages and {counts['read']} were found. Expected the same. "
            "Is the file cut off?",
        )
    elif counts["BHS"] > counts["BTS"]:
        yield PassedOver(name, "a batch ends without its trailer (BTS): nobody says how many messages there should be")
    if not counts["read"] and not counts["stray"]:
        raise InputFormatError("CS178", f"{name!r} holds no HL7 v2 message. Expected segments, MSH first. Look at the file.")


def _with_own_id(reading: Reading, ids: Counter[str]) -> Reading:
    """Return a document whose id no document before it in the file has."""
    if not isinstance(reading, Document):
        return reading
    note_id = reading.note.note_id
    ids[note_id] += 1
    if ids[note_id] == 1:
        return reading
    return replace(reading, note=replace(reading.note, note_id=f"{note_id}#{ids[note_id]}"))


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield lines, whatever their ends and with the frames of MLLP taken off; a line longer than `MAX_BYTES` comes in pieces."""
    left: list[bytes] = []
    n_left = 0
    held = b""
    is_first = True
    for data in chunks:
        if is_first:
            is_first = False
            if data.startswith((b"\xff\xfe", b"\xfe\xff")):
                for more in chunks:
                    data += more
                    if len(data) > MAX_BYTES:
                        what = (
                            f"UTF-16 in more than {MAX_BYTES:,} bytes. Expected UTF-8 for a file of this size. Convert it first."
                        )
                        raise InputFormatError("CS162", f"The file is {what}")
                yield from data.decode("utf-16", "replace").encode().translate(_FRAME).splitlines()
                return
            data = data.removeprefix(b"\xef\xbb\xbf")
        data = held + data.translate(_FRAME)
        held = b"\r" if data.endswith(b"\r") else b""
        data = data.removesuffix(b"\r") if held else data
        *whole_lines, last = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in whole_lines:
            yield b"".join([*left, line])
            left, n_left = [], 0
        left.append(last)
        n_left += len(last)
        if n_left > MAX_BYTES:
            yield b"".join(left)
            left, n_left = [], 0
    yield b"".join(left)


def _messages(lines: Iterator[bytes], counts: Counter[str]) -> Iterator[list[bytes] | None]:
    """Yield the lines of each message; None for one that is too large."""
    current: list[bytes] | None = None
    size = 0
    for line in lines:
        head = line[:3]
        is_header = len(line) > 3 and not line[3:4].isalnum()
        if head in (b"MSH", b"FHS", b"BHS", b"BTS", b"FTS") and (is_header or head[1:] == b"TS"):
            if current is not None:
                yield current if size <= MAX_BYTES else None
            current, size = None, 0
            if head == b"MSH":
                current, size = [line], len(line)
                counts["read"] += 1
            else:
                counts[head.decode()] += 1
                if head == b"BTS":
                    said = re.match(rb"BTS[^0-9A-Za-z](\d{1,9})", line)
                    counts["said"] += int(said.group(1)) if said else 0
        elif current is not None:
            size += len(line)
            if size <= MAX_BYTES:
                current.append(line)
            else:
                current = current[:1]
        elif line.strip():
            counts["stray"] += 1
    if current is not None:
        yield current if size <= MAX_BYTES else None


# ---------------------------------------------------------------------------------------------------------------------
# one message


@dataclass(slots=True)
class _Message:
    """The segments of a message and its separators."""

    segments: list[Any]
    component: str
    repetition: str
    escape: str
    subcomponent: str
    field_separator: str
    escapes: re.Pattern[str]

    def raw(self, segment: Any, number: int) -> str:  # noqa: ANN401 - a segment of python-hl7
        """Return a field as it was sent."""
        return str(segment[number]) if len(segment) > number else ""

    def component_of(self, segment: Any, number: int, part: int = 1) -> str:  # noqa: ANN401 - as above
        """Return a component of the first repetition of a field, resolved, on one line."""
        parts = self.raw(segment, number).split(self.repetition)[0].split(self.component)
        given = parts[part - 1] if len(parts) >= part else ""
        return " ".join(self.text(given).split()) if given != '""' else ""

    def text(self, raw: str) -> str:
        r"""Resolve the escape sequences of a text; one that is unknown stays as it is."""
        if self.escape not in raw:
            return raw
        return self.escapes.sub(self._resolved, raw)

    def _resolved(self, found: re.Match[str]) -> str:
        what = found.group(1)
        marks = {"F": self.field_separator, "S": self.component, "T": self.subcomponent, "R": self.repetition, "E": self.escape}
        if what in marks:
            return marks[what]
        if what[0] == "X":
            data = bytes.fromhex(what[1:])
            try:
                return data.decode("utf-8")
            except UnicodeDecodeError:
                return data.decode("cp1252", "replace")
        command, number = what[:3].lower(), what[3:].lstrip("+-")
        if command in (".br", ".ce"):
            return "\n"
        if command == ".sp":
            return "\n" * min(int(number or 1), 20)
        if command == ".sk":
            return " " * min(int(number or 1), 80)
        return ""  # highlighting, indentation, character sets of their own


def _parse(lines: list[bytes], place: str) -> tuple[_Message, tuple[str, ...]]:
    header = lines[0]
    separator = header[3:4]
    marks = header[4:].split(separator)[0]
    if (
        not 2 <= len(marks) <= 5
        or len({*marks, *separator}) != len(marks) + 1
        or re.search(rb"[A-Za-z0-9\s\x00-\x1f\x80-\xff]", marks)
    ):
        raise InputFormatError(
            "CS178",
            f"{place} has separators that are none (MSH-1 and MSH-2). Expected five different marks, such as |^~\\&. "
            "Is it damaged, or another kind of file?",
        )
    fields = header.split(separator)
    charset = fields[17].split(marks[1:2])[0].decode("ascii", "replace") if len(fields) > 17 else ""
    text, remarks = text_in(b"\n".join(lines), place, charset.strip('"'))
    component, repetition, escape, subcomponent = (*marks.decode(), *"^~\\&"[len(marks) :])[:4]
    joined: list[str] = []
    mark = separator.decode()
    for line in text.split("\n"):
        if _SEGMENT.match(line) and line[3:4] == mark:
            joined.append(line)
        elif joined and (line.strip() or joined[-1][:3] in ("OBX", "NTE")):
            joined[-1] += f"{escape}.br{escape}{line}"  # a line end that the sender let stand inside a field
    segments = list(_hl7().parse("\r".join(line.rstrip() if line[:3] != "OBX" else line for line in joined)))
    sign = re.escape(escape)
    pattern = rf"{sign}([FSTRE]|[HNP]|X(?:[0-9A-Fa-f]{{2}})+|C[0-9A-F]{{4}}|M[0-9A-F]{{4,6}}|\.[A-Za-z]{{2}}[+-]?\d{{0,4}}){sign}"
    return _Message(segments, component, repetition, escape, subcomponent, mark, re.compile(pattern)), remarks


def _hl7() -> Any:  # noqa: ANN401 - a module of an optional package
    try:
        return importlib.import_module("hl7")
    except ImportError as error:
        raise PrerequisiteError(
            "CS169", "Reading HL7 v2 needs the package hl7, which is not installed. Run: pip install 'codesuggest[messages]'."
        ) from error


@dataclass(slots=True)
class _Report:
    """A document or report of a message: its order or document segment, its observations and comments."""

    head: Any = None
    items: list[tuple[str, Any]] = field(default_factory=list)  # ("OBX" or "NTE", segment)


def readings_of_message(lines: list[bytes], place: str, defaults: Mapping[str, Any]) -> Iterator[Reading]:
    r"""Read one message.

    Parameters
    ----------
    lines : list of bytes
        Its lines without their ends, MSH first.
    place : str
        What messages about it call it.
    defaults : mapping
        Values of fields of `Note` that the message does not give.

    Yields
    ------
    Document, Failure or PassedOver
        One document for an MDM message, one a report (OBR) for an ORU message.

    Examples
    --------
    >>> lines = [b"MSH|^~\\&|EHR||||20260504||MDM^T02|7|P|2.5", b"TXA|1|DS|TX", b"OBX|1|TX|||Asthma\\.br\\Plan: inhaler"]
    >>> [d.note.text for d in readings_of_message(lines, "message 1", {})]
    ['Asthma\nPlan: inhaler']
    """
    try:
        message, remarks = _parse(lines, place)
    except CodesuggestError as error:
        if isinstance(error, PrerequisiteError):
            raise
        yield Failure(place, error.error_id, error.message)
        return
    except Exception as error:  # whatever python-hl7 makes of a damaged message; its words may repeat the message
        what = f"{place} cannot be read as an HL7 v2 message ({type(error).__name__}). Expected segments. Is it damaged?"
        yield Failure(place, "CS178", what)
        return
    header = message.segments[0]
    kind = message.component_of(header, 9, 1).upper()
    event = message.component_of(header, 9, 2).upper()
    name = "^".join(p for p in (kind, event) if p.isalnum()) or "unknown"
    if kind not in ("MDM", "ORU"):
        yield PassedOver(place, f"{name if len(name) <= 12 else 'unknown'}: holds no document (MDM and ORU messages do)")
        return
    facts = _facts(message)
    own_id = message.component_of(header, 10)
    if kind == "MDM":
        yield from _mdm(message, event, own_id, place, facts, defaults, remarks)
    else:
        yield from _oru(message, own_id, place, facts, defaults, remarks)


def _segment(message: _Message, name: str) -> Any:  # noqa: ANN401 - a segment of python-hl7
    return next((s for s in message.segments if str(s[0]) == name), [])


def _facts(message: _Message) -> dict[str, Any]:
    """Collect what the patient, visit and insurance segments give."""
    pid, pv1, in1 = (_segment(message, name) for name in ("PID", "PV1", "IN1"))
    setting = _CLASSES.get(message.component_of(pv1, 2).upper())
    encounter = message.component_of(pv1, 19) or message.component_of(pid, 18)
    return {
        "encounter_id": encounter[:200] or None,
        "setting": setting,
        "sex": _SEXES.get(message.component_of(pid, 8).upper()),
        "payer": (message.component_of(in1, 4) or message.component_of(in1, 3))[:200] or None,
        "born": day_of_hl7(message.component_of(pid, 7)),
        "admitted": day_of_hl7(message.component_of(pv1, 44)),
        "discharged": day_of_hl7(message.component_of(pv1, 45)),
        "sent": day_of_hl7(message.component_of(_segment(message, "MSH"), 7)),
    }


def _row(facts: Mapping[str, Any], own_day: dt.date | None, kind: str | None) -> dict[str, Any]:
    """Return the fields of a note: a stay is coded by the day of discharge, a visit by its own."""
    stay = [facts["discharged"], own_day, facts["admitted"]]
    days = stay if facts["setting"] in ("inpatient", None) else [own_day, facts["admitted"], facts["discharged"]]
    day = next((d for d in (*days, facts["sent"]) if d is not None), None)
    row = {name: facts[name] for name in ("encounter_id", "setting", "sex", "payer")}
    return {**row, "kind": kind, "date_of_service": day, "age_years": age_on(facts["born"], day)}


def _usable_id(given: str, place: str) -> str:
    return given if 0 < len(given) <= 200 and given.isprintable() else place


def _mdm(
    message: _Message,
    event: str,
    own_id: str,
    place: str,
    facts: Mapping[str, Any],
    defaults: Mapping[str, Any],
    remarks: tuple[str, ...],
) -> Iterator[Reading]:
    txa = _segment(message, "TXA")
    note_id = _usable_id(message.component_of(txa, 12) or own_id, place)
    status = message.component_of(txa, 19).upper()
    if event == "T11" or status in _WITHDRAWN:
        why = _WITHDRAWN.get(status, "cancelled")
        yield Failure(note_id, "CS557", f"{place} was withdrawn ({why}) and was not read. Nothing to do, if that is right.")
        return
    report = _Report(txa or None)
    for segment in message.segments:
        if str(segment[0]) in ("OBX", "NTE"):
            report.items.append((str(segment[0]), segment))
    if not any(name == "OBX" for name, _ in report.items) and event in ("T01", "T03", "T05", "T07", "T09"):
        yield PassedOver(place, f"MDM^{event}: tells of a document and does not hold it")
        return
    if _put_in_order(message, report):
        remarks = (*remarks, "its OBX segments stood out of order and were put in the order of their numbers")
    if completion := _NOT_SIGNED.get(message.component_of(txa, 17).upper()):
        remarks = (*remarks, f"not signed: {completion} (TXA-17)")
    code, name = message.component_of(txa, 2, 1), message.component_of(txa, 2, 2)
    first: Any = next((s for n, s in report.items if n == "OBX"), [])
    type_code = next((c for c in (code, message.component_of(first, 3)) if _LOINC.fullmatch(c)), "")
    known = _DOCUMENT_TYPES.get(code.upper())
    kind = kind_of(type_code, None) or known or kind_of("", name or (code if len(code) > 3 else None))
    own_day = day_of_hl7(message.component_of(txa, 4)) or day_of_hl7(message.component_of(txa, 6))
    row = _row(facts, own_day, kind)
    yield from _documents(message, report, row, note_id, place, f"MDM^{event}", type_code, "", defaults, remarks)


def _put_in_order(message: _Message, report: _Report) -> bool:
    """Order the observations of a document by their numbers when each has its own; return whether that changed anything."""
    if any(name != "OBX" for name, _ in report.items):
        return False
    numbers = [message.component_of(s, 1) for _, s in report.items]
    if not all(n.isdecimal() and len(n) < 9 for n in numbers) or len(set(numbers)) != len(numbers):
        return False
    ordered = [item for _, item in sorted(zip(map(int, numbers), report.items, strict=True), key=lambda pair: pair[0])]
    changed = ordered != report.items
    report.items = ordered
    return changed


def _oru(
    message: _Message,
    own_id: str,
    place: str,
    facts: Mapping[str, Any],
    defaults: Mapping[str, Any],
    remarks: tuple[str, ...],
) -> Iterator[Reading]:
    reports: list[_Report] = []
    early: list[tuple[str, Any]] = []
    for segment in message.segments:
        name = str(segment[0])
        if name == "OBR":
            reports.append(_Report(segment))
        elif name in ("OBX", "NTE"):
            if name == "OBX" and not reports:
                reports.append(_Report())
            (reports[-1].items if reports else early).append((name, segment))
    if reports:
        reports[0].items[:0] = early
    n_documents = 0
    for number, report in enumerate(reports, 1):
        obr = report.head if report.head is not None else []
        where = place if len(reports) == 1 else f"{place}, report {number}"
        if not report.items:
            yield PassedOver(where, "an order without results")
            continue
        n_documents += 1
        code, name = message.component_of(obr, 4, 1), message.component_of(obr, 4, 2)
        note_id = message.component_of(obr, 3) or message.component_of(obr, 2)
        note_id = _usable_id(note_id or (own_id if len(reports) == 1 else f"{own_id}#{number}" if own_id else ""), where)
        if message.component_of(obr, 25).upper() == "X":
            yield Failure(
                note_id, "CS557", f"{where} was withdrawn (cancelled) and was not read. Nothing to do, if that is right."
            )
            continue
        type_code = code if _LOINC.fullmatch(code) else ""
        kind = kind_of(type_code, None) or _SERVICES.get(message.component_of(obr, 24).upper())
        if kind is None and any(n == "OBX" and message.component_of(s, 2).upper() in ("NM", "SN") for n, s in report.items):
            kind = "laboratory report"
        own_day = day_of_hl7(message.component_of(obr, 7)) or day_of_hl7(message.component_of(obr, 22))
        row = _row(facts, own_day, kind or kind_of("", name))
        yield from _documents(message, report, row, note_id, where, "ORU^R01", type_code, name or code, defaults, remarks)
    if not n_documents:
        what = f"{place} is a report without results (no OBX). Expected results or a text. Look at the sender."
        yield Failure(_usable_id(own_id, place), "CS182", what)


# ---------------------------------------------------------------------------------------------------------------------
# one document or report


@dataclass(slots=True)
class _Writing:
    """The text of a report as it is put together."""

    blocks: list[str] = field(default_factory=list)
    parts: list[tuple[str, str, int]] = field(default_factory=list)  # title, code, first block
    remarks: list[str] = field(default_factory=list)
    refused: list[CodesuggestError] = field(default_factory=list)
    cdas: list[bytes] = field(default_factory=list)
    has_results: bool = False
    heading: str = ""


def _documents(
    message: _Message,
    report: _Report,
    row: dict[str, Any],
    note_id: str,
    place: str,
    source: str,
    type_code: str,
    title: str,
    defaults: Mapping[str, Any],
    remarks: tuple[str, ...],
) -> Iterator[Reading]:
    writing = _Writing()
    names = Counter(message.raw(s, 3) for n, s in report.items if n == "OBX")
    for name, segment in report.items:
        if name == "NTE":
            comment = _lines_of_text(message, message.raw(segment, 3))
            if comment.strip():
                writing.blocks.append(f"Comment: {comment}")
        else:
            _add(message, segment, writing, place, is_result=source.startswith("ORU"), title=title, names=names)
    for i, cda in enumerate(writing.cdas):
        try:
            own_id = note_id if i == 0 and not any(b.strip() for b in writing.blocks) else f"{note_id}#cda{i + 1}"
            inner = ccda_document(cda, own_id, place, {**defaults, **{k: v for k, v in row.items() if v is not None}})
            yield Document(inner.note, f"HL7 v2 {source}, C-CDA", place, inner.type_code, inner.parts, (*remarks, *inner.remarks))
        except CodesuggestError as error:
            yield Failure(note_id, error.error_id, error.message)
    if not any(b.strip() for b in writing.blocks):
        if writing.refused:
            refused = writing.refused[0]
            yield Failure(note_id, refused.error_id, refused.message)
        elif not writing.cdas:
            why = f" ({'; '.join(writing.remarks[:4])})" if writing.remarks else ""
            yield Failure(note_id, "CS171", f"{place} has no text{why}. Expected text or results in OBX-5. Look at the sender.")
        return
    while not writing.blocks[-1].strip():
        writing.blocks.pop()
    remarks = (*remarks, *writing.remarks, *(f"a part was not read: {e.message}" for e in writing.refused))
    lead = ([f"RESULTS: {title}"] if writing.has_results else [title]) if title else []
    blocks = [*lead, *writing.blocks]
    starts = list(accumulate((len(block) + 1 for block in blocks), initial=0))
    text = "\n".join(blocks)
    parts = []
    for i, (heading, code, block) in enumerate(writing.parts):
        after = writing.parts[i + 1][2] if i + 1 < len(writing.parts) else len(writing.blocks)
        first, last = starts[block + len(lead)], starts[after + len(lead)] - 1
        if first < last:
            parts.append(Part(heading, code, Span(first, last)))
    try:
        note = note_from_dict({**row, "note_id": note_id, "text": text}, defaults)
    except CodesuggestError as error:
        yield Failure(note_id, error.error_id, error.message)
        return
    yield Document(note, f"HL7 v2 {source}", place, type_code, tuple(parts), remarks)


def _lines_of_text(message: _Message, raw: str) -> str:
    """Return the text of a TX or FT field: its repetitions are lines."""
    return message.text(raw.replace(message.repetition, "\n")).rstrip()


def _add(
    message: _Message,
    obx: Any,  # noqa: ANN401 - a segment of python-hl7
    writing: _Writing,
    place: str,
    *,
    is_result: bool,
    title: str,
    names: Counter[str],
) -> None:
    """Add an observation to the text."""
    kind = message.component_of(obx, 2).upper()
    status = message.component_of(obx, 11).upper()
    code, name = message.component_of(obx, 3, 1), message.component_of(obx, 3, 2)
    number = message.component_of(obx, 1)
    if status in _WITHHELD:
        writing.remarks.append(f"OBX {number if number.isdecimal() else '?'} was left out: {_WITHHELD[status]} (OBX-11)")
        return
    if kind in ("ED", "RP"):
        _add_document(message, obx, kind, writing, f"{place}, OBX {number if number.isdecimal() else '?'},")
        return
    raw = message.raw(obx, 5)
    is_line = kind == "ST" and (not is_result or _is_text_line(message, obx, raw, names))
    if kind in _TEXT_TYPES or is_line:
        label = _SUFFIXES.get(code.rpartition(message.subcomponent)[2], "") or name
        key = message.raw(obx, 3)
        if len(names) > 1 and key != writing.heading:
            writing.heading = key
            heading = heading_of(code if _LOINC.fullmatch(code) else "", label)
            if heading and label.lower() != title.lower():
                writing.parts.append((label, code if _LOINC.fullmatch(code) else "", len(writing.blocks)))
                writing.blocks.append(heading)
        writing.blocks.append(_lines_of_text(message, raw) if raw != '""' else "")
        return
    value = _value(message, raw, kind)
    if not value:
        return
    writing.has_results = True
    writing.heading = ""
    unit = message.component_of(obx, 6, 1) or message.component_of(obx, 6, 2)
    reference = message.text(message.raw(obx, 7)).strip()
    writing.blocks.append(result_line(name or code, value, unit, reference, message.component_of(obx, 8)))


def _is_text_line(message: _Message, obx: Any, raw: str, names: Counter[str]) -> bool:  # noqa: ANN401 - a segment of python-hl7
    """Whether a string is a line of a report and not a result: it has neither unit nor range, and is long or one of several."""
    if message.raw(obx, 6) or message.raw(obx, 7):
        return False
    return names[message.raw(obx, 3)] > 1 or len(raw.split()) >= _MANY_WORDS


def _value(message: _Message, raw: str, kind: str) -> str:
    """Return the value of a result as it is printed."""
    values = []
    for one in raw.split(message.repetition):
        parts = [" ".join(message.text(p).split()) for p in one.split(message.component)]
        if kind == "SN":  # comparator, number, separator, number
            values.append("".join(parts))
        elif kind in ("CE", "CWE", "CNE", "CF"):
            values.append((parts[1] if len(parts) > 1 else "") or parts[0])
        elif kind in ("TS", "DTM", "DT"):
            day = day_of_hl7(parts[0])
            values.append(day.isoformat() if day is not None else parts[0])
        elif kind in ("ST", "NM", "IS", "ID", "TM"):
            values.append(" ".join(message.text(one).split()))
        else:
            values.append(" ".join(p for p in parts if p))
    return "; ".join(v for v in values if v and v != '""')


def _add_document(message: _Message, obx: Any, kind: str, writing: _Writing, place: str) -> None:  # noqa: ANN401 - as above
    """Add an encapsulated document when it is text; otherwise keep the reason."""
    if kind == "RP":
        what = f"{place} refers to a document elsewhere. Expected the document itself: nothing is fetched. Send it inline."
        writing.refused.append(InvalidNoteError("CS555", what))
        return
    parts = message.raw(obx, 5).split(message.component, 4)
    _, group, subtype, encoding, data = (*parts, *[""] * (5 - len(parts)))
    group, subtype, encoding = (message.text(p).strip().lower() for p in (group, subtype, encoding))
    try:
        content = content_of(_bytes(message, encoding, data, place), place, media_type=_media_type(group, subtype))
    except CodesuggestError as error:
        writing.refused.append(error)
        return
    writing.remarks += content.remarks
    if content.cda:
        writing.cdas.append(content.cda)
    else:
        writing.blocks.append(content.text)


def _bytes(message: _Message, encoding: str, data: str, place: str) -> bytes:
    if encoding == "base64":
        return b64_bytes(data.replace(f"{message.escape}.br{message.escape}", ""), place)
    if encoding == "hex":
        try:
            return bytes.fromhex(data.strip())
        except ValueError as error:
            what = f"{place} is not hexadecimal as it says. Expected pairs of digits. Look at the sender."
            raise InvalidNoteError("CS556", what) from error
    if encoding in ("a", ""):
        return message.text(data).encode("utf-8", "surrogatepass")
    shown = encoding if encoding.isalnum() and len(encoding) <= 12 else "?"
    raise InvalidNoteError("CS556", f"{place} has the encoding {shown!r}. Expected Base64, Hex or A. Look at the sender.")


def _media_type(group: str, subtype: str) -> str:
    """Return the media type of an ED value (tables 0191 and 0291); empty when its bytes must tell."""
    if "/" in subtype:
        return subtype
    if subtype in ("html", "xhtml"):
        return "text/html"
    if subtype in ("plain", "txt", "text", "", "octet-stream", "sgml"):
        return f"{group}/unknown" if group in ("im", "au", "image", "audio", "ns", "si") else ""
    if subtype in ("xml", "cda", "x-hl7-cda-level-one", "x-hl7-cda-level-two", "x-hl7-cda-level-three"):
        return "text/xml"
    names = {"im": "image", "au": "audio", "ap": "application", "application": "application", "text": "application"}
    return f"{names.get(group, 'application')}/{subtype}"
