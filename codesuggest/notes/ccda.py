"""Notes in C-CDA (HL7 CDA R2): the narrative of each section under its heading, and the facts of the header.

The text is made of the narrative blocks, which are what the author signed (CDA R2, 4.3.5); the coded entries beside them are not
read. XML goes through defusedxml: a document that declares entities or a DTD is refused, and so is one nested too deep.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from codesuggest.errors import CodesuggestError, InputFormatError, InvalidNoteError
from codesuggest.notes.attachments import Content, b64_bytes, content_of, media_type_of
from codesuggest.notes.days import age_on, day_of_hl7
from codesuggest.notes.document import Document, Part, Reading
from codesuggest.notes.fhir_facts import ENCOUNTER_CLASSES
from codesuggest.notes.jsonl import note_from_dict
from codesuggest.notes.loinc import LOINC_OID, heading_of, kind_of
from codesuggest.notes.markup import Narrative
from codesuggest.notes.streams import open_stream, stem_and_kind
from codesuggest.notes.text import MAX_BYTES, decode
from codesuggest.records import Failure, Span

__all__ = ["ccda_document", "read_ccda"]

_V3 = "{urn:hl7-org:v3}"
_MAX_DEPTH = 200
_MAX_ELEMENTS = 2_000_000
# Elements whose content is not read; they are not even kept.
_UNREAD = frozenset(
    f"{_V3}{tag}"
    for tag in "entry author informant custodian legalAuthenticator authenticator dataEnterer informationRecipient participant "
    "authorization relatedDocument signatureText".split()
)
# Evaluation and management codes by where the patient was seen (ranges of numbers alone).
_VISITS = ((99202, 99215, "outpatient"), (99221, 99239, "inpatient"), (99281, 99285, "emergency"))
_SEXES = {"F": "F", "M": "M", "UN": "X"}
_NARRATIVE = {"paragraph": "p", "item": "li", "content": "span", "linkHtml": "a", "footnote": "span"}
_EPISODES = frozenset({"34133-9"})  # documents about more than one visit: their service event is not a day of service
_FRAGMENTS = {f"{_V3}section": 0, f"{_V3}component": 1, f"{_V3}structuredBody": 2}  # as examples and templates are published
_CHARSET = re.compile(rb"^\s*(?:\xef\xbb\xbf)?<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9_.:-]{2,40})")


class _Builder(TreeBuilder):
    """A tree without what is not read, refused where it grows too deep or too large."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self._place = place
        self._depth = 0
        self._unread = 0
        self._n = 0

    def start(self, tag: Any, attrs: Any, /) -> Any:  # noqa: ANN401 - signature of typeshed varies
        self._depth += 1
        self._n += 1
        if self._depth > _MAX_DEPTH or self._n > _MAX_ELEMENTS:
            what = f"{_MAX_DEPTH} elements inside one another" if self._depth > _MAX_DEPTH else f"{_MAX_ELEMENTS:,} elements"
            raise InputFormatError(
                "CS173", f"{self._place} has more than {what}. Expected a C-CDA document. Is it what it should be?"
            )
        if self._unread or tag in _UNREAD:
            self._unread += 1
            return None
        return super().start(tag, attrs)

    def end(self, tag: Any, /) -> Any:  # noqa: ANN401 - as above
        self._depth -= 1
        if self._unread:
            self._unread -= 1
            return None
        return super().end(tag)

    def data(self, data: Any, /) -> Any:  # noqa: ANN401 - as above
        return None if self._unread else super().data(data)


def read_ccda(path: Path, defaults: Mapping[str, Any], note_id: str | None = None) -> Iterator[Reading]:
    """Read a file that holds one C-CDA document, plain or compressed.

    Yields
    ------
    Document or Failure
    """
    name = note_id or stem_and_kind(path)[0] or path.name
    try:
        with open_stream(path) as (stream, _):
            data = stream.read(MAX_BYTES + 1)
        yield ccda_document(data, name, path.name, defaults)
    except CodesuggestError as error:
        yield Failure(name, error.error_id, error.message)


def ccda_document(data: bytes, note_id: str, place: str, defaults: Mapping[str, Any]) -> Document:
    r"""Read a C-CDA document.

    Parameters
    ----------
    data : bytes
        The whole XML.
    note_id, place : str
        Id of the note, and what messages call the document.
    defaults : mapping
        Values of fields of `Note` that the document does not give.

    Raises
    ------
    InputFormatError
        CS160 and CS161 when the document inside is not text; CS162 and CS173 when it is too large or too deep; CS174 when it is
        not well-formed or cut off; CS175 when it declares entities; CS176 when it is XML of another kind.
    InvalidNoteError
        CS171 when there is no text in it.

    Examples
    --------
    >>> xml = b'''<ClinicalDocument xmlns="urn:hl7-org:v3"><title>Visit</title><component><structuredBody><component><section>
    ... <title>Plan</title><text><list><item>Insulin</item><item>Diet</item></list></text></section></component></structuredBody>
    ... </component></ClinicalDocument>'''
    >>> ccda_document(xml, "n1", "visit.xml", {}).note.text
    'Plan:\n- Insulin\n- Diet'
    """
    root, warnings = _parse(data, place)
    if root.tag in _FRAGMENTS:
        warnings = (*warnings, "a piece of a document: the header, with patient and dates, is not in the file")
        root = _around(root)
    if root.tag != f"{_V3}ClinicalDocument":
        name = str(root.tag).rpartition("}")[2]
        is_fhir = str(root.tag).startswith("{http://hl7.org/fhir}")
        advice = "Give the resource in JSON." if is_fhir else "Export the document as C-CDA, HTML or text."
        raise InputFormatError(
            "CS176",
            f"{place} is {'FHIR in XML' if is_fhir else 'an XML document of another kind'} (root "
            f"{name if name.isidentifier() and len(name) <= 40 else '?'!r}). Expected a ClinicalDocument of HL7 CDA. {advice}",
        )
    code = _code(root.find(f"{_V3}code"))
    row = _facts(root, code)
    body = root.find(f"{_V3}component")
    inner = body.find(f"{_V3}nonXMLBody") if body is not None else None
    if inner is not None:
        content = _other_body(inner, place)
        note = note_from_dict({**row, "note_id": note_id, "text": content.text}, defaults)
        return Document(note, "C-CDA", place, code, (), (*warnings, *content.remarks))
    maker = _Text()
    if body is not None:
        for structured in body.findall(f"{_V3}structuredBody"):
            maker.sections(structured, 1)
    if not maker.pieces:
        found = f"{maker.n_sections} sections without text" if maker.n_sections else "no sections"
        raise InvalidNoteError(
            "CS171", f"{place} has no text: {found}. Expected narrative text in its sections. Look at the export."
        )
    remarks = (*warnings, *maker.remarks)
    if maker.n_struck:
        remarks = (*remarks, f"{maker.n_struck} passages marked as deleted were left out")
    note = note_from_dict({**row, "note_id": note_id, "text": "\n\n".join(maker.pieces)}, defaults)
    return Document(note, "C-CDA", place, code, tuple(maker.parts), remarks)


def _around(piece: Element) -> Element:
    """Put a section, component or body that stands alone into a document without a header."""
    for tag in ("component", "structuredBody", "component", "ClinicalDocument")[_FRAGMENTS[piece.tag] :]:
        outer = Element(f"{_V3}{tag}")
        outer.append(piece)
        piece = outer
    return piece


def _parse(data: bytes, place: str) -> tuple[Element, tuple[str, ...]]:
    from defusedxml.common import DTDForbidden, EntitiesForbidden, ExternalReferenceForbidden
    from defusedxml.ElementTree import XMLParser

    if len(data) > MAX_BYTES:
        raise InputFormatError("CS162", f"{place} is too large: more than {MAX_BYTES:,} bytes. Expected one document. Split it.")
    if not data.strip():
        raise InvalidNoteError("CS171", f"{place} is empty. Expected a C-CDA document. Look at the export.")
    warnings: tuple[str, ...] = ()
    declared = _CHARSET.match(data[:400])
    encoding = None
    if declared is None or declared.group(1).lower() in (b"utf-8", b"us-ascii", b"ascii", b"utf8"):
        found = decode(data, name=place)  # refuses what is no text, and says when the label is wrong
        if found.encoding == "cp1252":
            warnings = (found.warning,)
            data, encoding = found.text.encode(), "utf-8"
    parser = XMLParser(target=_Builder(place), encoding=encoding, forbid_dtd=True)
    try:
        parser.feed(data.lstrip())
        root = parser.close()
    except (DTDForbidden, EntitiesForbidden, ExternalReferenceForbidden) as error:
        raise InputFormatError(
            "CS175",
            f"{place} declares a DTD or entities of its own. Expected none: they can be made to grow without end. Remove them.",
        ) from error
    except CodesuggestError:
        raise
    except (ParseError, ValueError, LookupError) as error:
        line = f", line {error.position[0]:,}" if isinstance(error, ParseError) else ""
        raise InputFormatError(
            "CS174",
            f"{place} is not well-formed XML ({type(error).__name__}{line}). Expected a whole C-CDA document. Is it cut off or damaged?",
        ) from error
    if root is None:
        raise InputFormatError("CS174", f"{place} holds no element. Expected a C-CDA document. Look at the export.")
    element: Element = root
    return element, warnings


def _other_body(body: Element, place: str) -> Content:
    """Read a body that is not XML: text or HTML in base64; anything else is refused by name."""
    text = body.find(f"{_V3}text")
    if text is None:
        raise InvalidNoteError("CS171", f"{place} has a body without text. Expected a document. Look at the export.")
    media_type, charset = media_type_of(text.get("mediaType"))
    if text.find(f"{_V3}reference") is not None:
        shown = media_type if re.fullmatch(r"[\w.+-]{1,40}/[\w.+-]{1,60}", media_type) else "unknown type"
        raise InvalidNoteError(
            "CS555", f"{place} refers to a document elsewhere ({shown}). Expected the document itself: nothing is fetched."
        )
    given = "".join(text.itertext())
    data = b64_bytes(given, place) if text.get("representation") == "B64" else given.encode("utf-8", "surrogatepass")
    content = content_of(data, place, media_type=media_type, charset=charset)
    if content.cda:
        raise InputFormatError(
            "CS176", f"{place} holds another ClinicalDocument in its body. Expected text. Give that document itself."
        )
    return content


class _Text:
    """The text of the sections, with where each stands."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.parts: list[Part] = []
        self.remarks: list[str] = []
        self.n_sections = 0
        self.n_struck = 0
        self._length = 0

    def sections(self, parent: Element, depth: int) -> None:
        """Add the sections of an element, those inside them after their own text."""
        for component in parent.findall(f"{_V3}component"):
            for section in component.findall(f"{_V3}section"):
                self.n_sections += 1
                self._section(section)
                self.sections(section, depth + 1)

    def _section(self, section: Element) -> None:
        title = " ".join("".join(_child(section, "title").itertext()).split())[:200]
        code = _code(section.find(f"{_V3}code"))
        text = section.find(f"{_V3}text")
        narrative = Narrative()
        if text is not None:
            _write(text, narrative)
        words = narrative.text()
        self.n_struck += narrative.n_struck
        if not words.strip():
            null = section.get("nullFlavor")
            why = f"no text, nullFlavor {null}" if null in ("NI", "NA", "UNK", "NASK", "ASKU", "MSK", "NAV") else "no text"
            if section.find(f"{_V3}component") is None:
                self.remarks.append(f"section {title[:80]!r}: {why}")
            return
        heading = heading_of(code, title)
        piece = f"{heading}\n{words}" if heading else words
        if self.pieces:
            self._length += 2
        self.pieces.append(piece)
        self.parts.append(Part(title, code, Span(self._length, self._length + len(piece))))
        self._length += len(piece)


def _write(element: Element, narrative: Narrative) -> None:
    """Write the content of a narrative block; its depth is bounded by the parser's."""
    if element.text:
        narrative.data(element.text)
    is_first_caption = True
    for child in element:
        tag = str(child.tag).rpartition("}")[2]
        if child.get("revised") == "delete":
            narrative.n_struck += 1
        elif tag == "br":
            narrative.start("br")
        elif tag not in ("renderMultiMedia", "footnoteRef", "colgroup", "col"):
            name = _NARRATIVE.get(tag, tag)
            if tag == "list":
                name = "ol" if child.get("listType") == "ordered" else "ul"
            elif tag == "caption":
                name = "caption" if is_first_caption else "p"
                is_first_caption = False
            narrative.start(name)
            _write(child, narrative)
            narrative.end(name)
        if child.tail:
            narrative.data(child.tail)


def _facts(root: Element, code: str) -> dict[str, Any]:
    """Collect the fields of a note that the header gives."""
    role = root.find(f"{_V3}recordTarget/{_V3}patientRole/{_V3}patient")
    born, sex = None, None
    if role is not None:
        born = day_of_hl7(_child(role, "birthTime").get("value"))
        sex = _SEXES.get(str(_child(role, "administrativeGenderCode").get("code")))
    encounter = root.find(f"{_V3}componentOf/{_V3}encompassingEncounter")
    first = last = None
    setting = encounter_id = None
    if encounter is not None:
        first, last = _period(encounter)
        setting = _setting(encounter)
        own = encounter.find(f"{_V3}id")
        if own is not None:
            encounter_id = (own.get("extension") or own.get("root") or "")[:200] or None
    event = root.find(f"{_V3}documentationOf/{_V3}serviceEvent")
    served = _period(event) if event is not None and code not in _EPISODES else (None, None)
    made = day_of_hl7(_child(root, "effectiveTime").get("value"))
    # a stay is coded by the day of discharge, a visit by its own
    days = (last, first) if setting in (None, "inpatient") else (first, last)
    day = next((d for d in (*days, *reversed(served), made) if d is not None), None)
    display = _child(root, "code").get("displayName") or "".join(_child(root, "title").itertext())
    return {
        "kind": kind_of(code, display),
        "encounter_id": encounter_id,
        "date_of_service": day,
        "setting": setting,
        "age_years": age_on(born, day),
        "sex": sex,
    }


def _period(element: Element) -> tuple[dt.date | None, dt.date | None]:
    time = _child(element, "effectiveTime")
    one = day_of_hl7(time.get("value"))
    return one or day_of_hl7(_child(time, "low").get("value")), one or day_of_hl7(_child(time, "high").get("value"))


def _setting(encounter: Element) -> str | None:
    code = _child(encounter, "code")
    for coding in (code, *code.findall(f"{_V3}translation")):
        given = coding.get("code") or ""
        if given in ENCOUNTER_CLASSES:
            return ENCOUNTER_CLASSES[given]
        if re.fullmatch(r"\d{5}", given):
            for low, high, setting in _VISITS:
                if low <= int(given) <= high:
                    return setting
    return None


def _code(element: Element | None) -> str:
    """Return the LOINC code of an element, or of one of its translations; empty when it has none."""
    if element is None:
        return ""
    for coding in (element, *element.findall(f"{_V3}translation")):
        given = coding.get("code") or ""
        if coding.get("codeSystem") in (LOINC_OID, None) and re.fullmatch(r"\d{1,7}-\d", given):
            return given
    return ""


_NOTHING = Element("nothing")


def _child(element: Element, tag: str) -> Element:
    found = element.find(f"{_V3}{tag}")
    return _NOTHING if found is None else found
