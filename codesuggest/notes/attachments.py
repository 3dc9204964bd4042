"""The text of an attachment: plain text, HTML or a C-CDA document; anything else is named and refused, never guessed at.

The bytes decide, not the label: a PDF that calls itself text is a PDF. A label that names another kind of document is believed,
for nobody asked for what happens to be readable in it.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from codesuggest.errors import InputFormatError, InvalidNoteError
from codesuggest.notes.markup import html_text
from codesuggest.notes.text import decode

__all__ = ["Content", "b64_bytes", "content_of", "kind_of_bytes", "media_type_of", "text_in"]

# Media types whose bytes are looked at; what is empty or unknown is judged by its bytes alone.
_PLAIN = frozenset({"", "text/plain", "text/markdown", "text/x-markdown", "application/octet-stream", "binary/octet-stream"})
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_XML = frozenset({"text/xml", "application/xml", "application/cda+xml", "application/hl7-cda+xml", "application/hl7-v3+xml"})
# HL7 table 0211, IANA names and what exports write for them.
_CODECS = {
    "": "",
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "unicode utf-8": "utf-8",
    "us-ascii": "",
    "ascii": "",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
    "8859/1": "cp1252",
    "iso-8859-15": "iso8859-15",
    "8859/15": "iso8859-15",
    "iso-8859-2": "iso8859-2",
    "8859/2": "iso8859-2",
    "windows-1250": "cp1250",
    "utf-16": "utf-16",
    "unicode utf-16": "utf-16",
    "unicode": "",
}
_MORE_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"%!PS", "a PostScript document"),
    (b"RIFF", "a sound, film or WebP image"),
    (b"ID3", "a sound"),
    (b"OggS", "a sound or film"),
    (b"BM", "a bitmap image"),
    (b"\x00\x00\x00", "a film or image"),
    (b"MIME-Version:", "a MIME message"),
    (b"From MIME", "a MIME message"),
)
_ROOT = re.compile(
    r"\s*(?>(?><\?[^>]{0,2000}\?>|<!--.{0,4000}?-->|<!DOCTYPE[^>\[]{0,500}>)\s*)*+<([A-Za-z_][\w.:-]{0,80})", re.DOTALL
)
_ENTITIES = re.compile(r"<!DOCTYPE[^>\[]{0,500}\[")
_DOCTYPE_HTML = re.compile(r"\s*(?:<\?xml[^>]{0,500}\?>\s*)?<!doctype\s+html", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/\r\n]{24,}={0,2}\s*")
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([A-Za-z0-9_:-]{2,40})", re.IGNORECASE)
_XML_CHARSET = re.compile(rb"\s*<\?xml[^>]{0,200}encoding\s*=\s*[\"']([A-Za-z0-9_:-]{2,40})")
_HTML_TAGS = frozenset("html body head div p span table h1 h2 h3 h4 br ul ol meta title section article pre font b".split())


@dataclass(frozen=True, slots=True)
class Content:
    """The text of an attachment.

    Parameters
    ----------
    text : str
        Empty when `cda` is given.
    form : {"text", "HTML", "C-CDA"}
    remarks : tuple of str
    cda : bytes
        A whole C-CDA document, to be read as such.
    """

    text: str
    form: str
    remarks: tuple[str, ...] = ()
    cda: bytes = b""


def media_type_of(given: object) -> tuple[str, str]:
    """Return (media type, charset) in lower case.

    Examples
    --------
    >>> media_type_of("Text/Plain; charset=UTF-8")
    ('text/plain', 'utf-8')
    """
    parts = [p.strip().lower() for p in given.split(";")] if isinstance(given, str) else [""]
    charset = next((p.removeprefix("charset=").strip("\"'") for p in parts[1:] if p.startswith("charset=")), "")
    return parts[0], charset


def b64_bytes(data: str, place: str) -> bytes:
    """Decode base64, with or without line ends.

    Raises
    ------
    InvalidNoteError
        CS556 when it is not base64.
    """
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidNoteError(
            "CS556",
            f"{place} has an attachment that is not base64 ({type(error).__name__}). Expected text in base64. Export it again.",
        ) from error


def kind_of_bytes(data: bytes) -> str:
    """Name a kind of document that is not text by how its bytes begin; empty when they say nothing.

    Examples
    --------
    >>> kind_of_bytes(b"%PDF-1.7 ..."), kind_of_bytes(b"Asthma.")
    ('a PDF document', '')
    """
    if data[128:132] == b"DICM":
        return "a DICOM image"
    head = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, kind in _MORE_MAGIC:
        if data.startswith(magic) and (magic != b"BM" or data[2:14].count(0) >= 4):
            return kind
    if head.startswith(b"{\\rtf"):
        return "an RTF document"
    try:
        decode(data[:4096] if len(data) > 4096 else data, name="x")
    except InputFormatError as error:
        found = re.match(r"'x' is (an? [^,]+?), not text", error.message)
        return found.group(1) if found else ""
    return ""


def content_of(data: bytes, place: str, *, media_type: str = "", charset: str = "") -> Content:
    """Read the bytes of an attachment.

    Parameters
    ----------
    data : bytes
    place : str
        What messages call it.
    media_type, charset : str
        As labelled, in lower case; empty when not.

    Raises
    ------
    InputFormatError
        CS160 when the bytes are another kind of document, CS161 when they are text in no known encoding, CS162 when there are too
        many, CS176 when they are XML of another kind.
    InvalidNoteError
        CS171 when there is no text; CS555 when the label names a kind that is not read; CS173 when elements lie too deep.

    Examples
    --------
    >>> content_of(b"<p>Asthma.</p>", "report 1", media_type="text/html").text
    'Asthma.'
    """
    if not data.strip():
        raise InvalidNoteError("CS171", f"{place} has no text: its attachment is empty. Expected text. Look at the export.")
    kind = kind_of_bytes(data)
    if media_type not in _PLAIN | _HTML | _XML:
        shown = media_type if re.fullmatch(r"[\w.+-]{1,40}/[\w.+-]{1,60}", media_type) else "a media type that is none"
        found = f" (its bytes are {kind})" if kind else ""
        raise InvalidNoteError(
            "CS555",
            f"{place} is said to be {shown}{found}. Expected text/plain, text/html or a C-CDA document. Convert it to text first.",
        )
    if kind:
        raise InputFormatError(
            "CS160", f"{place} is {kind}, not text. Expected text or HTML. Convert the document to text first."
        )
    text, remarks = text_in(data, place, charset or _charset_in(data))
    return _content(text, data, place, media_type, remarks)


def _content(text: str, data: bytes, place: str, media_type: str, remarks: tuple[str, ...]) -> Content:
    is_markup = text.lstrip()[:1] == "<"
    root = _ROOT.match(text[:20_000]) if is_markup else None
    if is_markup and _ENTITIES.search(text[:20_000]):
        raise InputFormatError(
            "CS175",
            f"{place} declares entities of its own (a DOCTYPE with [). Expected none: they can be made to grow without end.",
        )
    name = root.group(1).rpartition(":")[2] if root else ""
    if name == "ClinicalDocument":
        return Content("", "C-CDA", remarks, cda=data)
    if media_type in _HTML or _DOCTYPE_HTML.match(text[:1000]) or (media_type not in _XML and name.lower() in _HTML_TAGS):
        made, n_struck = html_text(text)
        if n_struck:
            remarks = (*remarks, f"{n_struck} struck-out passages were left out")
        return Content(_not_empty(made, place), "HTML", remarks)
    if media_type in _XML or (name and text.lstrip().startswith("<?xml")):
        shown = name if name.isidentifier() else "unknown"
        raise InputFormatError(
            "CS176",
            f"{place} is an XML document of another kind (root {shown!r}). Expected C-CDA, HTML or text. Export it as such.",
        )
    hidden = _hidden_base64(text)
    if hidden:
        raise InputFormatError(
            "CS160", f"{place} is {hidden} in base64, not text. Expected text. Convert the document to text first."
        )
    if text.startswith('{"resourceType"'):
        raise InputFormatError("CS160", f"{place} is FHIR in JSON, not text. Expected text. Give the resource itself.")
    return Content(_not_empty(text, place), "text", remarks)


def _hidden_base64(text: str) -> str:
    """Name what a text is that consists of base64 alone; empty when it is none."""
    if not _BASE64.match(text[:4096]) or " " in text[:4096].strip():
        return ""
    start = "".join(text[:4096].split())
    try:
        data = base64.b64decode(start[: len(start) // 4 * 4], validate=True)
    except (binascii.Error, ValueError):
        return ""
    return kind_of_bytes(data)


def text_in(data: bytes, place: str, charset: str = "") -> tuple[str, tuple[str, ...]]:
    """Decode bytes by the name of their character set, judging by the bytes where the name is wrong or none.

    Returns
    -------
    (str, tuple of str)
        The text, and remarks.

    Raises
    ------
    InputFormatError
        CS160 to CS162 as `codesuggest.notes.decode`; CS177 when the character set is none that is known.
    """
    codec = _CODECS.get(charset.strip().lower())
    if codec is None:
        shown = charset if re.fullmatch(r"[\w/.: -]{1,30}", charset) else "?"
        raise InputFormatError(
            "CS177", f"{place} is in the character set {shown!r}. Expected UTF-8, ISO 8859-1 or Windows-1252. Convert it first."
        )
    if codec and codec != "utf-8":
        try:
            return data.decode(codec), ()
        except UnicodeDecodeError:
            pass  # the name is wrong: judge by the bytes
    found = decode(data, name=place)
    return found.text, (found.warning,) if found.warning else ()


def _charset_in(data: bytes) -> str:
    """Return the character set that HTML or XML names itself, when it is one that is known."""
    found = _XML_CHARSET.match(data[:400]) or _META_CHARSET.search(data[:4096])
    name = found.group(1).decode("ascii").lower() if found else ""
    return name if name in _CODECS else ""


def _not_empty(text: str, place: str) -> str:
    if not text.strip():
        raise InvalidNoteError("CS171", f"{place} has no text: nothing but blanks or markup. Expected text. Look at the export.")
    return text
