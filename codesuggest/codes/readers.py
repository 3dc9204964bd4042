"""Readers of the official layouts: Tabular List XML, order file, code list, Index XML, HCPCS records.

A reader returns plain frozen data, checks the form of what it reads, and raises `InputFormatError` with the place of the
trouble. XML goes through defusedxml: a file that declares entities is refused, nothing outside the file is opened.

References
----------
ICD-10-CM Tabular List, Index and order file: CDC/NCHS and CMS, with the layout notes that come in their archives.
HCPCS Level II: CMS, "HCPC record layout" (320 bytes a record).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml import DefusedXmlException

from codesuggest.codes.code import ICD10CM, ICD10PCS, Code, shown, with_dot, without_dot
from codesuggest.errors import CodesuggestWarning, InputFormatError, InvalidCodeError

__all__ = [
    "HcpcsRecord",
    "IndexCode",
    "IndexEntry",
    "OrderRow",
    "Tabular",
    "TabularBlock",
    "TabularChapter",
    "TabularCode",
    "detect",
    "read_code_list",
    "read_hcpcs",
    "read_index",
    "read_order",
    "read_tabular",
]

MAX_SIZE_BYTES = 256_000_000
_MAX_DEPTH = 8

_KIND_OF_TAG = {
    "includes": "includes",
    "inclusionTerm": "inclusion_term",
    "excludes1": "excludes1",
    "excludes2": "excludes2",
    "codeFirst": "code_first",
    "useAdditionalCode": "use_additional_code",
    "codeAlso": "code_also",
    "notes": "note",
    "sevenChrNote": "seventh_note",
    "sevenChrDef": "seventh_note",
}
Notes = tuple[tuple[str, str], ...]
SeventhSet = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TabularChapter:
    """A chapter: number, title without its range, first and last category, notes as (kind, text)."""

    number: int
    title: str
    first: str
    last: str
    notes: Notes


@dataclass(frozen=True, slots=True)
class TabularBlock:
    """A block (a ``section`` of the XML); ``parent`` is the place of the wider block around it, or -1."""

    first: str
    last: str
    title: str
    chapter: int
    parent: int
    notes: Notes


@dataclass(frozen=True, slots=True)
class TabularCode:
    """A code of the Tabular List, listed or made with a seventh character.

    ``seventh`` holds the characters that may be added here or below; ``added`` is the definition that was appended to the
    parent's title to make this code's title, empty for a listed code.
    """

    code: str
    title: str
    billable: bool
    block: int
    notes: Notes
    seventh: SeventhSet
    added: str


@dataclass(frozen=True, slots=True)
class Tabular:
    """A Tabular List, with the codes in order."""

    version: str
    chapters: tuple[TabularChapter, ...]
    blocks: tuple[TabularBlock, ...]
    codes: tuple[TabularCode, ...]


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One line of an order file; the code without the dot."""

    code: str
    billable: bool
    short_title: str
    title: str


@dataclass(frozen=True, slots=True)
class IndexCode:
    """A code an index gives, dotted; ``needs_more`` when it is printed with a dash: further characters are required."""

    code: str
    needs_more: bool


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One line of an index or of the Tables of Neoplasms and Drugs.

    ``terms`` runs from the main term inwards; ``modifiers`` are the nonessential ones of the last term, without parentheses.
    ``remark`` holds words printed where a code is expected.
    ``cells`` pairs the heading of a column with its code, in the order of the columns, those without a code left out.
    """

    terms: tuple[str, ...]
    modifiers: tuple[str, ...]
    code: IndexCode | None
    manifestation: IndexCode | None
    remark: str
    see: tuple[str, ...]
    see_also: tuple[str, ...]
    cells: tuple[tuple[str, IndexCode], ...]


@dataclass(frozen=True, slots=True)
class HcpcsRecord:
    """A HCPCS Level II code or modifier, its lines joined. ``terminated`` is None while it is in force."""

    code: str
    is_modifier: bool
    title: str
    short_title: str
    coverage: str
    betos: str
    added: date | None
    effective: date | None
    terminated: date | None
    action: str


# ---------------------------------------------------------------------------------------------------------- files and XML
def read_bytes(path: str | Path) -> bytes:
    """Read a file that must exist, be of a bearable size and hold something."""
    path = Path(path)
    if not path.is_file():
        msg = f"No such file: {path.name!r}. Expected a file of official tables. Check the path."
        raise InputFormatError("CS117", msg)
    size_bytes = path.stat().st_size
    if size_bytes > MAX_SIZE_BYTES:
        msg = f"{path.name!r} has {size_bytes:,} bytes. Expected at most {MAX_SIZE_BYTES:,}. Give the table itself."
        raise InputFormatError("CS109", msg)
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"{path.name!r} cannot be read: {error.strerror}. Expected a readable file. Check its permissions."
        raise InputFormatError("CS108", msg) from error
    if not data.strip():
        msg = f"{path.name!r} is empty: {len(data)} bytes. Expected a file of official tables. Download it again."
        raise InputFormatError("CS110", msg)
    return data


def _text(path: Path, data: bytes) -> str:
    if b"\0" in data[:4096] or data[:2] in (b"PK", b"\x1f\x8b"):
        msg = f"{path.name!r} is not a text file: it begins with {data[:4]!r}. Expected text. Unpack archives first."
        raise InputFormatError("CS114", msg)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{path.name!r} is not UTF-8: byte {error.start} is 0x{data[error.start]:02x}. Expected UTF-8. Convert the file."
        raise InputFormatError("CS114", msg) from error


def _xml_root(path: Path, data: bytes) -> Element:
    if data[:2] in (b"PK", b"\x1f\x8b"):
        msg = f"{path.name!r} is an archive: it begins with {data[:4]!r}. Expected XML. Unpack it first."
        raise InputFormatError("CS114", msg)
    try:
        root: Element = defusedxml.ElementTree.fromstring(data, forbid_entities=True, forbid_external=True)
    except DefusedXmlException as error:
        what = type(error).__name__
        msg = f"{path.name!r} declares entities or external files ({what}). Expected plain XML. Download the official file."
        raise InputFormatError("CS112", msg) from error
    except (ParseError, LookupError, ValueError) as error:
        msg = f"{path.name!r} is not well-formed XML: {error}. Expected a whole XML file. Download it again."
        raise InputFormatError("CS111", msg) from error
    return root


_ROOTS = {"ICD10CM.tabular": "a Tabular List", "ICD10CM.index": "an index"}


def _official_root(path: Path, tag: str) -> Element:
    root = _xml_root(path, read_bytes(path))
    if root.tag != tag:
        what = _ROOTS.get(root.tag, "something else")
        msg = f"{path.name!r} is {what}: its root is <{root.tag[:40]}>. Expected {_ROOTS[tag]}, <{tag}>. Give that file."
        raise InputFormatError("CS113", msg)
    return root


def _clean(text: str | None) -> str:
    return " ".join((text or "").split())


def _structure(path: Path, problem: str) -> NoReturn:
    msg = f"{path.name!r} is not laid out as the official file: {problem}. Download the official file."
    raise InputFormatError("CS119", msg)


# ------------------------------------------------------------------------------------------------------------ Tabular XML
_TITLE_RANGE = re.compile(r"\s*\(([0-9A-Z]{3})(?:-([0-9A-Z]{3}))?\)$")
_SEVENTH_RULE = re.compile(
    r"7th characters? ([0-9A-Z](?:(?:,| and|, and| or) [0-9A-Z])*) do(?:es)? not apply to codes in category ([0-9A-Z]{3}) "
    r"with 6th character ([0-9A-Z]\b.*)"
)
_LOOKS_LIKE_RULE = re.compile(r"7th characters?\b.*\bnot (?:apply|be (?:used|assigned))")


def _notes_of(element: Element) -> Notes:
    notes = []
    for child in element:
        kind = _KIND_OF_TAG.get(child.tag)
        if kind is None:
            if child.tag == "visualImpairment":
                notes += [("note", text) for text in _visual_impairment(child)]
            continue
        for note in child.iter("note"):  # codeAlso may be empty
            text = _clean("".join(note.itertext()))
            if text:
                notes.append((kind, text))
    return tuple(notes)


def _visual_impairment(table: Element) -> Iterator[str]:
    """Write the one table among the notes, categories of visual impairment under H54, as sentences."""
    for category in table.iter("visCategory"):
        number = _clean(category.findtext("value"))
        if not number:  # the heading
            continue
        most = [_clean(e.text) for e in category.iterfind("visRange/visMax/value")]
        least = [_clean(e.text) for e in category.iterfind("visRange/visMin/value")]
        parts = []
        if most and least:
            parts = [f"visual acuity with best possible correction less than {' or '.join(most)}"]
            parts.append(f"equal to or better than {' or '.join(least)}")
        else:
            parts = [" or ".join(most or least)]
        yield f"Category {number} of visual impairment: {', '.join(parts)}"


def _seventh_of(element: Element) -> SeventhSet:
    found = element.find("sevenChrDef")
    if found is None:
        return ()
    return tuple((e.get("char", "").strip().upper(), _clean(e.text)) for e in found.iter("extension"))


class _Walk:
    """Collects the codes of one Tabular List, top down."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.codes: dict[str, TabularCode] = {}
        self.rules: list[tuple[str, frozenset[str], frozenset[str]]] = []

    def add(self, code: TabularCode) -> None:
        if code.code in self.codes:
            _structure(self.path, f"the code {with_dot(code.code)} stands in it twice")
        self.codes[code.code] = code

    def read_rules(self, notes: Notes, code_text: str) -> None:
        """Learn "7th characters D and S do not apply to codes in category S06 with 6th character 7 … or 8 …"."""
        for _, text in notes:
            if match := _SEVENTH_RULE.search(text):
                refused = frozenset(re.findall(r"\b[0-9A-Z]\b", match[1]))
                sixth = frozenset(re.findall(r"\b([0-9A-Z])(?= -|$|[,.]| or\b| and\b)", match[3]))
                self.rules.append((match[2], refused, sixth))
            elif _LOOKS_LIKE_RULE.search(text):
                message = (
                    f"[CS125] A note at {with_dot(code_text)} of {self.path.name!r} restricts seventh characters in words this "
                    "reader does not know; codes that do not exist may be made. Compare with the order file."
                )
                warnings.warn(message, CodesuggestWarning, stacklevel=2)

    def restricted(self, code_text: str, seventh: SeventhSet) -> SeventhSet:
        for category, refused, sixth in self.rules:
            if len(code_text) == 6 and code_text.startswith(category) and code_text[5] in sixth:
                seventh = tuple((char, text) for char, text in seventh if char not in refused)
        return seventh

    def diag(self, element: Element, block: int, seventh: SeventhSet, depth: int = 0) -> None:
        name = _clean(element.findtext("name"))
        title = _clean(element.findtext("desc"))
        if depth > _MAX_DEPTH:
            _structure(self.path, f"codes are nested deeper than {_MAX_DEPTH} levels")
        try:
            code = Code.parse(name)
        except InvalidCodeError as error:
            _structure_from(self.path, f"a diag has the name {shown(name)}, which is no code", error)
        if not title:
            _structure(self.path, f"{code} has no title")
        notes = _notes_of(element)
        self.read_rules(notes, code.text)
        children = element.findall("diag")
        seventh = self.restricted(code.text, _seventh_of(element) or seventh)
        complete = len(code.text) == 7
        makes = bool(seventh) and not children and not complete
        self.add(
            TabularCode(
                code=code.text,
                title=title,
                billable=not children and not makes,
                block=block,
                notes=notes,
                seventh=() if complete else seventh,
                added="",
            )
        )
        for child in children:
            self.diag(child, block, seventh, depth + 1)
        if makes:
            for character, definition in seventh:
                made = code.text.ljust(6, "X") + character
                self.add(TabularCode(made, f"{title}, {definition}", True, block, (), (), definition))


def _structure_from(path: Path, problem: str, error: Exception) -> NoReturn:
    msg = f"{path.name!r} is not laid out as the official file: {problem}. Download the official file."
    raise InputFormatError("CS119", msg) from error


def read_tabular(path: str | Path) -> Tabular:
    """Read the ICD-10-CM Tabular List (XML) and make the codes with a seventh character.

    Parameters
    ----------
    path : str or Path
        The official ``icd10cm-tabular-…xml``.

    Returns
    -------
    Tabular
        Chapters, blocks, and every code: about 98,000, in order, titles composed.

    Raises
    ------
    InputFormatError
        If the file is missing (CS117), empty (CS110), not well-formed (CS111), declares entities (CS112), is another
        official file (CS113) or is not laid out as the Tabular List (CS119).

    Warns
    -----
    CodesuggestWarning
        If a note restricts seventh characters in unknown words (CS125).

    Notes
    -----
    A seventh-character definition holds for everything below it until a deeper one replaces it; codes shorter than six
    characters are filled with the placeholder X; a 7-character code that is listed itself gets nothing added. The note at S06
    ("7th characters D and S do not apply to codes … with 6th character 7 … or 8 …") is obeyed. The title of a
    made code is the listed title, a comma, and the definition: on the January 2021 release that equals the long title of
    the order file for every code, but for accents, which the order file leaves off.

    References
    ----------
    ICD-10-CM Official Guidelines, sections I.A.4 and I.A.5; CDC/NCHS, Tabular List.

    Examples
    --------
    >>> tabular = read_tabular("icd10cm-tabular-2026.xml")  # doctest: +SKIP
    >>> tabular.codes[0].code  # doctest: +SKIP
    'A00'
    """
    path = Path(path)
    root = _official_root(path, "ICD10CM.tabular")
    walk = _Walk(path)
    chapters: list[TabularChapter] = []
    blocks: list[TabularBlock] = []
    for chapter_element in root.iterfind("chapter"):
        number = _clean(chapter_element.findtext("name"))
        title, first, last = _titled(path, _clean(chapter_element.findtext("desc")))
        if not number.isdecimal():
            _structure(path, f"a chapter has the number {shown(number)}")
        chapters.append(TabularChapter(int(number), title, first, last, _notes_of(chapter_element)))
        chapter_seventh = _seventh_of(chapter_element)
        around: list[int] = []  # wider blocks without codes of their own, outermost first
        for element in chapter_element.iterfind("section"):
            title, first, last = _titled(path, _clean(element.findtext("desc")), element.get("id", ""))
            while around and not (blocks[around[-1]].first <= first and last <= blocks[around[-1]].last):
                around.pop()
            place = len(blocks)
            parent = around[-1] if around else -1
            blocks.append(TabularBlock(first, last, title, len(chapters) - 1, parent, _notes_of(element)))
            categories = element.findall("diag")
            if not categories:
                around.append(place)
            for category in categories:
                walk.diag(category, place, _seventh_of(element) or chapter_seventh)
    if not walk.codes:
        _structure(path, "it holds no codes")
    codes = tuple(walk.codes[text] for text in sorted(walk.codes))
    return Tabular(_clean(root.findtext("version")), tuple(chapters), tuple(blocks), codes)


def _titled(path: Path, text: str, block_id: str = "") -> tuple[str, str, str]:
    """Split ``Other human herpesviruses (B10)`` into title, first and last category; the id of a section decides."""
    match = _TITLE_RANGE.search(text)
    title = text[: match.start()] if match else text
    ends = re.fullmatch(r"([0-9A-Z]{3})(?:-([0-9A-Z]{3}))?", block_id.strip())
    if ends is None:
        if match is None:
            _structure(path, f"the heading {text[:60]!r} names no range of categories")
        ends = match
    return title, ends[1], ends[2] or ends[1]


# ------------------------------------------------------------------------------------------- order file and list of codes
def read_order(path: str | Path) -> tuple[OrderRow, ...]:
    """Read an order file of ICD-10-CM or ICD-10-PCS (fixed width).

    Parameters
    ----------
    path : str or Path
        The official ``icd10cm-order-….txt`` or ``icd10pcs_order_….txt``.

    Returns
    -------
    tuple of OrderRow
        In the order of the file.

    Raises
    ------
    InputFormatError
        If the file is missing, empty, not text (CS114), or a line has not the layout (CS115, with its number).

    Notes
    -----
    Characters counted from 0: number [0:5], code [6:13], billable [14], short title [16:76], long title [77:].

    References
    ----------
    CMS, "ICD-10-CM/PCS order file" layout note.

    Examples
    --------
    >>> read_order("icd10cm-order-2025.txt")[1].code  # doctest: +SKIP
    'A000'
    """
    path = Path(path)
    rows: list[OrderRow] = []
    seen: set[str] = set()
    for number, line in enumerate(_text(path, read_bytes(path)).splitlines(), start=1):
        if not line.strip():
            continue
        code_text, flag, title = line[6:13].rstrip(), line[14:15], line[77:].strip()
        well_formed = line[:5].isdecimal() and flag in ("0", "1") and re.fullmatch("[0-9A-Z]{3,7}", code_text) and title
        if not well_formed or line[5:6] != " " or line[13:14] != " ":
            msg = (
                f"Line {number} of {path.name!r} is not a line of an order file: {shown(line)}. Expected number, code, "
                "0 or 1, short title and long title in their columns. Give the official order file."
            )
            raise InputFormatError("CS115", msg)
        if code_text in seen:
            msg = f"Line {number} of {path.name!r} repeats {code_text!r}. Expected each code once. Download the file again."
            raise InputFormatError("CS116", msg)
        seen.add(code_text)
        rows.append(OrderRow(code_text, flag == "1", line[16:76].strip(), title))
    return tuple(rows)


_HEADING = re.compile(r"[0-9]{1,2}|[0-9A-Z]{3}-[0-9A-Z]{3}")


def read_code_list(path: str | Path) -> tuple[str, ...]:
    """Read a plain list of ICD-10-CM codes, one a line, with or without the dot, tab-separated text after it ignored.

    Returns the codes without the dot, sorted, each once; chapter numbers (``1`` … ``22``) and blocks (``A00-A09``) are left out.

    Raises
    ------
    InputFormatError
        If the file is missing, empty, not text (CS114), or a line begins with neither a code nor a heading (CS115).

    Examples
    --------
    >>> read_code_list("codes.txt")  # doctest: +SKIP
    ('A00', 'A000', 'A001')
    """
    path = Path(path)
    found: set[str] = set()
    for number, line in enumerate(_text(path, read_bytes(path)).splitlines(), start=1):
        word = line.split("\t")[0].strip()
        if not word or _HEADING.fullmatch(word):
            continue
        try:
            code = Code.parse(word)
        except InvalidCodeError as error:
            msg = f"Line {number} of {path.name!r} is not a code: {shown(word)}. Expected one code a line. Correct the list."
            raise InputFormatError("CS115", msg) from error
        found.add(code.text)
    return tuple(sorted(found))


# ------------------------------------------------------------------------------------------------------------- Index XML
_INDEX_DEPTH = 12
_INDEX_CODE = re.compile(r"([A-Z](?:[0-9][0-9A-Z]|A[0-9])(?:\.[0-9A-Z]{1,4})?)\.?(-*)")


def _index_code(text: str | None) -> IndexCode | None:
    match = _INDEX_CODE.fullmatch(_clean(text))
    return IndexCode(match[1], bool(match[2])) if match else None


def _index_title(path: Path, element: Element) -> tuple[str, tuple[str, ...]]:
    title = element.find("title")
    if title is None:
        _structure(path, f"a <{element.tag}> has no title")
    words, modifiers = [title.text or ""], []
    for child in title:
        if child.tag == "nemod":
            inside = _clean("".join(child.itertext()))
            modifiers += [part.strip() for part in re.split(r"\)\s*\(", inside.removeprefix("(").removesuffix(")"))]
        else:
            words.append("".join(child.itertext()))
        words.append(child.tail or "")
    return _clean(" ".join(words)), tuple(modifiers)


def _see(element: Element) -> tuple[str, ...]:
    found = [_clean("".join(e.itertext())) for e in element.findall("see")]
    found += [f"category {_clean(e.text)}" for e in element.findall("seecat")]
    return tuple(found + [f"subcategory {_clean(e.text)}" for e in element.findall("subcat")])


def _index_entries(path: Path, element: Element, above: tuple[str, ...], headings: dict[str, str]) -> Iterator[IndexEntry]:
    if len(above) > _INDEX_DEPTH:
        _structure(path, f"terms are nested deeper than {_INDEX_DEPTH} levels")
    title, modifiers = _index_title(path, element)
    cells = []
    for cell in element.findall("cell"):
        column = cell.get("col", "")
        if column not in headings:
            _structure(path, f"a cell under {title[:40]!r} has the column {shown(column)}, which the heading does not name")
        code = _index_code(cell.text)
        if code is not None:
            cells.append((headings[column], code))
    terms = (*above, title)
    yield IndexEntry(
        terms=terms,
        modifiers=modifiers,
        code=_index_code(element.findtext("code")),
        manifestation=_index_code(element.findtext("manif")),
        remark="; ".join(
            text for tag in ("code", "manif") if (text := _clean(element.findtext(tag))) and _index_code(text) is None
        ),
        see=_see(element),
        see_also=tuple(_clean("".join(e.itertext())) for e in element.findall("seeAlso")),
        cells=tuple(cells),
    )
    for child in element.findall("term"):
        yield from _index_entries(path, child, terms, headings)


def read_index(path: str | Path) -> tuple[IndexEntry, ...]:
    """Read an official index (XML): Alphabetic Index, External Causes, Table of Neoplasms, Table of Drugs and Chemicals.

    Parameters
    ----------
    path : str or Path
        The official ``icd10cm-index-…xml``, ``…-eindex-…``, ``…-neoplasm-…`` or ``…-drug-…``.

    Returns
    -------
    tuple of IndexEntry
        Every main term and subterm, in the order of the file.

    Raises
    ------
    InputFormatError
        As `read_tabular`.

    Notes
    -----
    ``<seecat>T71</seecat>`` is given as ``see`` "category T71", ``<subcat>`` as "subcategory …".

    References
    ----------
    ICD-10-CM Official Guidelines, section I.A.1 (the Alphabetic Index) and I.A.7 (parentheses: nonessential modifiers).

    Examples
    --------
    >>> read_index("icd10cm-eindex-2026.xml")[0].terms  # doctest: +SKIP
    ('Abandonment NEC',)
    """
    path = Path(path)
    root = _official_root(path, "ICD10CM.index")
    headings = {head.get("col", ""): _clean(head.text) for head in root.iterfind("indexHeading/head")}
    entries = tuple(
        entry for element in root.iterfind("letter/mainTerm") for entry in _index_entries(path, element, (), headings)
    )
    if not entries:
        _structure(path, "it holds no main terms")
    return entries


# ---------------------------------------------------------------------------------------------------------------- HCPCS
_HCPCS_LENGTH = 293  # through the action code; 320 with filler


def _hcpcs_date(path: Path, number: int, text: str) -> date | None:
    if not text.strip():
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError as error:
        msg = f"Line {number} of {path.name!r} holds {shown(text)} for a date. Expected YYYYMMDD. Download the official file."
        raise InputFormatError("CS115", msg) from error


def read_hcpcs(path: str | Path) -> tuple[HcpcsRecord, ...]:
    """Read CMS's HCPCS Level II file in its 320-byte record layout; the disclaimer above the records is passed over.

    Parameters
    ----------
    path : str or Path
        The official ``HCPC…_CONTR_ANWEB.txt``; Windows-1252, as CMS writes it.

    Returns
    -------
    tuple of HcpcsRecord
        Codes and modifiers in the order of the file, continuation lines joined with a blank.

    Raises
    ------
    InputFormatError
        If the file is missing, empty, holds no records (CS119), a continuation without its first line, or a wrong date (CS115).

    Notes
    -----
    Columns counted from 1: code 1–5, sequence 6–10, kind 11 (3 procedure, 4 its continuation, 7 modifier, 8 its
    continuation), long title 12–91, short title 92–119, coverage 230, BETOS 257–259, added 269–276, effective 277–284,
    terminated 285–292, action 293.

    References
    ----------
    CMS, HCPCS Level II, "HCPC record layout".

    Examples
    --------
    >>> read_hcpcs("HCPC2019.txt")[0].code  # doctest: +SKIP
    'A1'
    """
    path = Path(path)
    data = read_bytes(path)
    if b"\0" in data[:4096]:
        _text(path, data)
    found: list[HcpcsRecord] = []
    for number, line in enumerate(data.decode("cp1252", errors="replace").split("\n"), start=1):
        line = line.rstrip("\r")
        if len(line) < _HCPCS_LENGTH or not line[5:10].isdecimal() or line[10] not in "3478":
            continue
        code, title = line[:5].strip(), _clean(line[11:91])
        if line[10] in "48":
            if not found or found[-1].code != code:
                msg = f"Line {number} of {path.name!r} continues {shown(code)} without its first line. "
                raise InputFormatError("CS115", msg + "Expected the record before it. Download the official file.")
            found[-1] = replace(found[-1], title=f"{found[-1].title} {title}")
            continue
        found.append(
            HcpcsRecord(
                code=code,
                is_modifier=line[10] == "7",
                title=title,
                short_title=line[91:119].strip(),
                coverage=line[229].strip(),
                betos=line[256:259].strip(),
                added=_hcpcs_date(path, number, line[268:276]),
                effective=_hcpcs_date(path, number, line[276:284]),
                terminated=_hcpcs_date(path, number, line[284:292]),
                action=line[292].strip(),
            )
        )
    if not found:
        _structure(path, "it holds no HCPCS records")
    return tuple(found)


# ---------------------------------------------------------------------------------------------------------------- which
_PCS_ROW = re.compile("[0-9A-HJ-NP-Z]{3}(?:[0-9A-HJ-NP-Z]{4})?")


def system_of_order(rows: tuple[OrderRow, ...]) -> str:
    """Tell the order file of ICD-10-CM from that of ICD-10-PCS, whose tables (three characters) begin with digits too.

    Raises
    ------
    InputFormatError
        If the codes are all of neither system (CS126).

    Examples
    --------
    >>> system_of_order((OrderRow("001", False, "Bypass", "Bypass"),))
    'ICD-10-PCS'
    """
    strange = [row.code for row in rows if not _is_icd10cm(row.code)]
    if not strange:
        return ICD10CM
    misfit = next((row.code for row in rows if not _PCS_ROW.fullmatch(row.code)), None)
    if misfit is None:
        return ICD10PCS
    msg = f"The order file is of no one system: {strange[0]!r} is no ICD-10-CM code and {misfit!r} no ICD-10-PCS code. "
    raise InputFormatError("CS126", msg + "Expected codes of one system. Download the official file.")


def _is_icd10cm(text: str) -> bool:
    try:
        Code(ICD10CM, text)
    except InvalidCodeError:
        return False
    return True


def detect(path: str | Path) -> str:
    """Say which official file this is, by its content: ``"tabular"``, ``"index"``, ``"order"``, ``"hcpcs"`` or ``"list"``.

    Raises
    ------
    InputFormatError
        If it is none of them (CS118), or missing, empty or not readable.

    Examples
    --------
    >>> detect("icd10cm-tabular-2026.xml")  # doctest: +SKIP
    'tabular'
    """
    path = Path(path)
    data = read_bytes(path)
    if data.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"<" or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        root = _xml_root(path, data)
        if root.tag in _ROOTS:
            return root.tag.removeprefix("ICD10CM.")
        msg = f"{path.name!r} is XML with the root <{root.tag[:40]}>. Expected <ICD10CM.tabular>. Give the official file."
        raise InputFormatError("CS118", msg)
    if any(line[10:11] in b"3478" and len(line) >= 293 for line in data[:20_000].splitlines() if line[5:10].isdigit()):
        return "hcpcs"
    first = _text(path, data).lstrip().split("\n", 1)[0]
    if re.match(r"[0-9]{5} [0-9A-Z]{3}", first):
        return "order"
    word = without_dot(first.split("\t")[0])
    if _HEADING.fullmatch(word) or re.fullmatch(r"[A-Z][0-9A-Z]{2,6}", word):
        return "list"
    msg = f"{path.name!r} is no official file this library knows: it begins with {shown(first)}. Expected a Tabular List (XML), "
    msg += "an order file or HCPCS records. Give one of these."
    raise InputFormatError("CS118", msg)
