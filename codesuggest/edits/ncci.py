"""National Correct Coding Initiative: procedure-to-procedure pairs, medically unlikely edits, add-on codes.

CMS publishes the files each quarter; they hold CPT codes, so the user brings them. A file of pairs is compiled once into a folder of
sorted arrays that open by memory map: two and a half million pairs in milliseconds, a claim's pairs in microseconds.

==============  =====  =======================================================================
array           type   meaning
==============  =====  =======================================================================
keys            u8     column 1 and column 2 as numbers of base 36, 26 bits each; ascending
effective       i4     first day, as an ordinal
deleted         i4     last day, as an ordinal; 0 while active
indicator       u1     0 never, 1 with a modifier, 9 not applicable
rationale       u2     place in the manifest's ``rationales``
==============  =====  =======================================================================

References
----------
CMS, NCCI Policy Manual for Medicare Services, chapter I; CMS, "PTP Coding Edits", "Medically Unlikely Edits" and "Add-on Code
Edits", quarterly files and their layouts.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from codesuggest.edits.catalogue import Rule
from codesuggest.errors import BundleError, InputFormatError, PrerequisiteError

if TYPE_CHECKING:
    from codesuggest.edits.claim import Procedure
    from codesuggest.edits.engine import View
    from codesuggest.records import Finding

__all__ = [
    "RULES",
    "AddOn",
    "AddOnTable",
    "BypassModifier",
    "Mue",
    "MueTable",
    "PtpEdit",
    "PtpTable",
    "check",
    "compile_ptp",
    "read_add_on",
    "read_bypass_modifiers",
    "read_mue",
]

_MANUAL = "CMS, NCCI Policy Manual, chapter I"
NEVER = Rule(
    "NCCI-01",
    "ncci",
    "error",
    "A pair of procedures that NCCI never pays together (modifier indicator 0).",
    f"{_MANUAL}.E; NCCI PTP edits",
    "Bill the column 1 code alone.",
)
WITH_MODIFIER = Rule(
    "NCCI-02",
    "ncci",
    "error",
    "A pair of procedures that NCCI pays together only with a modifier (indicator 1), and none stands there.",
    f"{_MANUAL}.E; NCCI PTP edits",
    "Bill the column 1 code alone, or add the modifier that the record supports.",
)
SAME_SITE = Rule(
    "NCCI-03",
    "ncci",
    "warning",
    "A pair of procedures (indicator 1) bypassed by an anatomic modifier that names the same site on both.",
    f"{_MANUAL}.E; NCCI PTP edits",
    "Bill the column 1 code alone, unless another modifier that the record supports tells the two apart.",
)
MUE_LINE = Rule(
    "NCCI-10",
    "ncci",
    "error",
    "More units on a line than the medically unlikely edit allows (adjudication indicator 1).",
    f"{_MANUAL}.V; NCCI MUE",
    "Check the units; bill further medically necessary units on a line of their own with a modifier.",
)
MUE_POLICY = Rule(
    "NCCI-11",
    "ncci",
    "error",
    "More units on a day than policy allows (adjudication indicator 2).",
    f"{_MANUAL}.V; NCCI MUE",
    "Correct the units: the limit of indicator 2 is absolute.",
)
MUE_CLINICAL = Rule(
    "NCCI-12",
    "ncci",
    "warning",
    "More units on a day than the clinical benchmark (adjudication indicator 3).",
    f"{_MANUAL}.V; NCCI MUE",
    "Check the units; when they are correct and necessary the record must show it on appeal.",
)
ADD_ON = Rule(
    "NCCI-20",
    "ncci",
    "error",
    "An add-on code without a primary code of its list on the same day by the same provider (type 1).",
    f"{_MANUAL}.R; NCCI add-on code edits",
    "Add the primary code, or leave the add-on code out.",
)
ADD_ON_ALONE = Rule(
    "NCCI-21",
    "ncci",
    "warning",
    "An add-on code (type 2 or 3) without any primary procedure on the same day by the same provider.",
    f"{_MANUAL}.R; NCCI add-on code edits",
    "Add the primary procedure, or leave the add-on code out.",
)
RULES = (NEVER, WITH_MODIFIER, SAME_SITE, MUE_LINE, MUE_POLICY, MUE_CLINICAL, ADD_ON, ADD_ON_ALONE)

FORMAT = 1
_ARRAYS = {"keys": "<u8", "effective": "<i4", "deleted": "<i4", "indicator": "|u1", "rationale": "<u2"}
_CODE = re.compile(r"[0-9A-Z]{5}")
_BITS = 26
SETTINGS = {"professional": "practitioner", "outpatient": "hospital", "emergency": "hospital"}
"""Setting of a claim to the kind of pairs and unit limits it is compared with; other settings are compared with none."""


def code_number(code_text: str) -> int:
    """Give a five-character code as a number; -1 when it is none.

    Examples
    --------
    >>> code_number("00000"), code_number("G0101") > 0, code_number("0DTJ4ZZ")
    (0, True, -1)
    """
    return int(code_text, 36) if _CODE.fullmatch(code_text) else -1


def _number_code(number: int) -> str:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    out = ""
    for _ in range(5):
        number, rest = divmod(number, 36)
        out = digits[rest] + out
    return out


# ------------------------------------------------------------------------------------------------------ reading the files
def _cells(path: Path) -> Iterator[list[str]]:
    """Rows of a published file as texts: xlsx, or text with tabs, commas or fixed columns."""
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        try:
            from openpyxl import load_workbook  # type: ignore[import-not-found,import-untyped,unused-ignore]  # optional
        except ImportError as error:
            msg = f"{path.name!r} is a workbook and openpyxl is not installed. Expected it. Install codesuggest[xlsx], or give the text file."
            raise PrerequisiteError("CS420", msg) from error
        try:
            book = load_workbook(path, read_only=True, data_only=True)
        except (zipfile.BadZipFile, KeyError, ValueError) as error:  # what openpyxl raises for a file that is none
            msg = f"{path.name!r} is no workbook. Expected an xlsx file as CMS publishes it. Download the file again."
            raise InputFormatError("CS422", msg) from error
        try:
            for row in book.worksheets[0].iter_rows(values_only=True):
                yield ["" if cell is None else _cell(cell) for cell in row]
        finally:
            book.close()
        return
    with path.open("rb") as raw:
        if raw.read(2) == b"PK":
            msg = f"{path.name!r} is a packed file. Expected the text or xlsx file that is in it. Unpack it."
            raise InputFormatError("CS422", msg)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        head = stream.read(65536)
        stream.seek(0)
        if head.startswith("\ufeff"):
            stream.read(1)
        if "\t" in head:
            for line in stream:
                yield [cell.strip().strip('"') for cell in line.rstrip("\r\n").split("\t")]
        else:
            for cells in csv.reader(stream):
                yield [cell.strip() for cell in cells]


def _cell(value: object) -> str:
    if isinstance(value, dt.datetime | dt.date):
        return value.strftime("%Y%m%d")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _day(text: str) -> dt.date | None:
    """Read a date as CMS writes them: 20240101, 2024001 (day of the year), 1/1/2024; None for ``*`` or nothing."""
    text = text.strip()
    if not text or text == "*" or set(text) <= {"0", "9"}:
        return None
    for pattern in ("%Y%m%d", "%Y%j", "%m/%d/%Y", "%Y-%m-%d"):
        if (pattern == "%Y%j") != (len(text) == 7 and text.isdigit()):
            continue
        try:
            return dt.datetime.strptime(text, pattern).date()  # noqa: DTZ007 - a day, not a moment
        except ValueError:
            continue
    raise ValueError(text)


def _code_of(text: str) -> str:
    text = text.strip().strip('"').upper()
    return text.zfill(5) if text.isdigit() and len(text) < 5 else text


def _bad_row(path: Path, number: int, problem: str, expected: str) -> InputFormatError:
    return InputFormatError("CS421", f"Line {number} of {path.name!r} {problem}. Expected {expected}. Download the file again.")


# ----------------------------------------------------------------------------------------------------------------- pairs
def compile_ptp(
    files: Iterable[str | Path], to: str | Path, *, kind: str, quarter: str, first: dt.date, last: dt.date | None = None
) -> Path:
    """Compile CMS's files of procedure-to-procedure pairs into a folder that opens at once.

    Parameters
    ----------
    files : iterable of path
        The parts of one quarter, text or xlsx; preamble and heading lines are passed over.
    to : path
        Folder to write; its files are replaced.
    kind : {"practitioner", "hospital"}
    quarter : str
        Such as ``"2026Q2"``; it stands in the findings.
    first, last : datetime.date
        Days of service the quarter's file is used for.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputFormatError
        CS421 for a row that is not as published, with its line; CS422 when there is no pair, or `kind` is unknown.

    Examples
    --------
    >>> compile_ptp(["ptp.txt"], "ptp", kind="practitioner", quarter="2026Q2", first=dt.date(2026, 4, 1))  # doctest: +SKIP
    """
    if kind not in ("practitioner", "hospital"):
        raise InputFormatError("CS422", f"Unknown kind of pairs: {kind[:20]!r}. Expected practitioner or hospital. Name one.")
    rationales: dict[str, int] = {}
    columns: tuple[list[int], list[int], list[int], list[int], list[int]] = ([], [], [], [], [])
    for file in files:
        path = Path(file)
        for number, cells in enumerate(_cells(path), 1):
            if len(cells) < 6:
                continue
            one, two = _code_of(cells[0]), _code_of(cells[1])
            a, b = code_number(one), code_number(two)
            if a < 0 or b < 0 or not any(c.isdigit() for c in one):
                continue  # preamble and heading
            try:
                begins, ends = _day(cells[3]), _day(cells[4])
            except ValueError as error:
                raise _bad_row(path, number, "has a date that is none", "YYYYMMDD, or * for an active pair") from error
            if begins is None or cells[5] not in ("0", "1", "9"):
                problem = "has no effective date" if begins is None else f"has the modifier indicator {cells[5][:4]!r}"
                raise _bad_row(path, number, problem, "a date, and an indicator 0, 1 or 9")
            reason = cells[6] if len(cells) > 6 else ""
            columns[0].append(a << _BITS | b)
            columns[1].append(begins.toordinal())
            columns[2].append(0 if ends is None else ends.toordinal())
            columns[3].append(int(cells[5]))
            columns[4].append(rationales.setdefault(reason, len(rationales)))
    if not columns[0]:
        raise InputFormatError("CS422", "The files hold no pair of procedures. Expected CMS's PTP files. Check the paths.")
    keys = np.array(columns[0], dtype="<u8")
    arrays: dict[str, NDArray[Any]] = {"keys": keys}
    for (name, dtype), values in zip(list(_ARRAYS.items())[1:], columns[1:], strict=True):
        arrays[name] = np.array(values, dtype=dtype)
    order = np.lexsort((arrays["effective"], keys))
    folder = Path(to)
    folder.mkdir(parents=True, exist_ok=True)
    files_made = {}
    for name, array in arrays.items():
        file = folder / f"{name}.npy"
        np.save(file, array[order])
        files_made[file.name] = {"size_bytes": file.stat().st_size, "sha256": _sha256(file)}
    manifest = {
        "format": FORMAT,
        "kind": kind,
        "quarter": quarter,
        "first": first.isoformat(),
        "last": None if last is None else last.isoformat(),
        "n_pairs": len(keys),
        "rationales": list(rationales),
        "files": files_made,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")
    return folder


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class PtpEdit:
    """A pair in force: column 1 is paid, column 2 is part of it."""

    column_1: str
    column_2: str
    indicator: int
    rationale: str


class PtpTable:
    """A compiled quarter of pairs. Open it with `PtpTable.open`.

    Examples
    --------
    >>> PtpTable.open("ptp-practitioner-2026Q2")  # doctest: +SKIP
    <PtpTable practitioner 2026Q2: 2,500,000 pairs>
    """

    def __init__(self, path: Path, manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        self.path = path
        self.kind: str = manifest["kind"]
        self.quarter: str = manifest["quarter"]
        self.first = dt.date.fromisoformat(manifest["first"])
        self.last = None if manifest["last"] is None else dt.date.fromisoformat(manifest["last"])
        self.rationales: list[str] = manifest["rationales"]
        self._keys = arrays["keys"]
        self._arrays = arrays

    @classmethod
    def open(cls, path: str | Path, *, check_hashes: bool = True) -> Self:
        """Open a compiled folder.

        Raises
        ------
        BundleError
            CS423 when it is no such folder, or damaged.

        Examples
        --------
        >>> PtpTable.open("ptp")  # doctest: +SKIP
        """
        path = Path(path)
        try:
            manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
            complete = manifest["format"] == FORMAT and set(manifest["files"]) == {f"{name}.npy" for name in _ARRAYS}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(path, "it has no readable manifest.json") from error
        if not complete:
            raise _damaged(path, "its manifest is of another format")
        arrays: dict[str, NDArray[Any]] = {}
        for name, dtype in _ARRAYS.items():
            file = path / f"{name}.npy"
            if not file.is_file() or (check_hashes and _sha256(file) != manifest["files"][file.name]["sha256"]):
                raise _damaged(path, f"{file.name} does not match its hash")
            array = np.load(file, mmap_mode="r", allow_pickle=False).view(np.ndarray)
            if array.dtype.str != dtype or len(array) != manifest["n_pairs"]:
                raise _damaged(path, f"{file.name} has another type or length")
            arrays[name] = array
        return cls(path, manifest, arrays)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"<PtpTable {self.kind} {self.quarter}: {len(self):,} pairs>"

    def holds(self, on: dt.date) -> bool:
        """Whether the quarter covers a day of service."""
        return self.first <= on and (self.last is None or on <= self.last)

    def pairs(self, codes: Sequence[str], on: dt.date) -> list[PtpEdit]:
        """Find the pairs among some codes that are in force on a day, in the order of the codes.

        Parameters
        ----------
        codes : sequence of str
            Five-character codes; others are passed over.
        on : datetime.date
        """
        numbers = sorted({n for n in map(code_number, codes) if n >= 0})
        if len(numbers) < 2:
            return []
        one_by_one = [a << _BITS | b for a in numbers for b in numbers if a != b]
        wanted = np.array(one_by_one, dtype=np.uint64)
        places = self._keys.searchsorted(wanted)
        np.minimum(places, len(self._keys) - 1, out=places)
        found = []
        day = on.toordinal()
        for which in (self._keys[places] == wanted).nonzero()[0].tolist():
            key, place = one_by_one[which], int(places[which])
            while place < len(self._keys) and int(self._keys[place]) == key:
                ends = int(self._arrays["deleted"][place])
                if int(self._arrays["effective"][place]) <= day and (ends == 0 or day <= ends):
                    indicator = int(self._arrays["indicator"][place])
                    if indicator != 9:
                        reason = self.rationales[int(self._arrays["rationale"][place])]
                        found.append(PtpEdit(_number_code(key >> _BITS), _number_code(key & (1 << _BITS) - 1), indicator, reason))
                        break
                place += 1
        return found


def _damaged(path: Path, problem: str) -> BundleError:
    msg = f"{path.name!r} is no table of pairs: {problem}. Expected a folder made by compile_ptp. Compile it again."
    return BundleError("CS423", msg)


# ------------------------------------------------------------------------------------------------------------ MUE, add-on
@dataclass(frozen=True, slots=True)
class Mue:
    """Units of a code: the limit, and whether it counts by line (1) or by day (2 policy, 3 clinical)."""

    value: int
    indicator: int
    rationale: str


@dataclass(frozen=True)
class MueTable:
    """Medically unlikely edits of one quarter and one kind (practitioner, hospital)."""

    kind: str
    quarter: str
    first: dt.date
    last: dt.date | None
    edits: Mapping[str, Mue]

    def holds(self, on: dt.date) -> bool:
        """Whether the quarter covers a day of service."""
        return self.first <= on and (self.last is None or on <= self.last)


def read_mue(path: str | Path, *, kind: str, quarter: str, first: dt.date, last: dt.date | None = None) -> MueTable:
    """Read CMS's file of medically unlikely edits: code, value, adjudication indicator, rationale.

    Raises
    ------
    InputFormatError
        CS421 for a row that is not as published, CS422 when there is none.

    Examples
    --------
    >>> read_mue("mue.csv", kind="practitioner", quarter="2026Q2", first=dt.date(2026, 4, 1))  # doctest: +SKIP
    """
    path = Path(path)
    edits: dict[str, Mue] = {}
    for number, cells in enumerate(_cells(path), 1):
        if len(cells) < 3 or code_number(_code_of(cells[0])) < 0 or not cells[1].isdigit():
            continue
        if cells[2][:1] not in ("1", "2", "3"):
            raise _bad_row(path, number, f"has the adjudication indicator {cells[2][:4]!r}", "1, 2 or 3")
        edits[_code_of(cells[0])] = Mue(int(cells[1]), int(cells[2][0]), cells[3] if len(cells) > 3 else "")
    if not edits:
        raise InputFormatError(
            "CS422", f"{path.name!r} holds no medically unlikely edit. Expected CMS's MUE file. Check the path."
        )
    return MueTable(kind, quarter, first, last, edits)


@dataclass(frozen=True, slots=True)
class AddOn:
    """An add-on code's type (1, 2, 3) and its primaries with the days they hold; empty for type 2."""

    type: int
    primaries: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class AddOnTable:
    """Add-on codes of one quarter."""

    quarter: str
    first: dt.date
    last: dt.date | None
    codes: Mapping[str, AddOn]

    def holds(self, on: dt.date) -> bool:
        """Whether the quarter covers a day of service."""
        return self.first <= on and (self.last is None or on <= self.last)


def read_add_on(path: str | Path, *, quarter: str, first: dt.date, last: dt.date | None = None) -> AddOnTable:
    """Read CMS's file of add-on codes: add-on code, primary code, effective and deletion date, type.

    Parameters
    ----------
    path : path
        Delimited text, xlsx, or fixed columns. Where a heading names the columns (add-on code, primary code, type; effective and
        deletion dates, of the edit and of the codes) it is followed. Without one the first two codes of a row are the add-on code
        and its primary (``CCCCC`` or none where the contractor decides), a single digit 1 to 3 is the type, the rest are dates.

    Raises
    ------
    InputFormatError
        CS421 for a row without a type, CS422 when no row is one.

    Examples
    --------
    >>> read_add_on("aoc.txt", quarter="2026Q2", first=dt.date(2026, 4, 1))  # doctest: +SKIP
    """
    path = Path(path)
    found: dict[str, tuple[int, list[tuple[str, int, int]]]] = {}
    head: _AddOnHead | None = None
    for number, cells in enumerate(_cells(path), 1):
        head = _add_on_head(cells) or head
        row = _named_row(head, cells) if head is not None else _unnamed_row(cells)
        add_on = _code_of(row.add_on)
        if code_number(add_on) < 0 or not any(c.isdigit() for c in add_on):
            continue
        if row.type not in ("1", "2", "3"):
            raise _bad_row(path, number, "has no type", "1, 2 or 3")
        try:
            begins = [day.toordinal() for text in row.begins if (day := _day(text)) is not None]
            ends = [day.toordinal() for text in row.ends if (day := _day(text)) is not None]
        except ValueError as error:
            raise _bad_row(path, number, "has a date that is none", "YYYYMMDD, YYYYDDD or MM/DD/YYYY") from error
        _kind, primaries = found.setdefault(add_on, (int(row.type), []))
        primary = _code_of(row.primary)
        if code_number(primary) >= 0 and primary != "CCCCC":
            primaries.append((primary, max(begins, default=0), min(ends, default=dt.date.max.toordinal())))
    if not found:
        raise InputFormatError("CS422", f"{path.name!r} holds no add-on code. Expected CMS's add-on file. Check the path.")
    codes = {code: AddOn(kind, tuple(sorted(primaries))) for code, (kind, primaries) in found.items()}
    return AddOnTable(quarter, first, last, codes)


@dataclass(frozen=True, slots=True)
class _AddOnRow:
    """The cells of a row of the add-on file; the edit holds while all of its dates do."""

    add_on: str = ""
    primary: str = ""
    type: str = ""
    begins: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _AddOnHead:
    """The columns that a heading names."""

    add_on: int
    primary: int
    type: int
    begins: tuple[int, ...]
    ends: tuple[int, ...]


def _add_on_head(cells: Sequence[str]) -> _AddOnHead | None:
    """Read the columns of a heading; None for a row that is none."""
    names = [re.sub(r"[^a-z]", "", cell.casefold()) for cell in cells]
    begins = tuple(i for i, name in enumerate(names) if "eff" in name)
    ends = tuple(i for i, name in enumerate(names) if "del" in name or "term" in name)
    others = [i for i in range(len(names)) if i not in (*begins, *ends)]
    add_on = [i for i in others if "add" in names[i] and "type" not in names[i]]
    primary = [i for i in others if "primary" in names[i]]
    kind = [i for i in others if "type" in names[i]]
    if not (add_on and primary and kind) or len({add_on[0], primary[0], kind[0]}) < 3:
        return None
    return _AddOnHead(add_on[0], primary[0], kind[0], begins, ends)


def _named_row(head: _AddOnHead, cells: Sequence[str]) -> _AddOnRow:
    def cell(at: int) -> str:
        return cells[at].strip() if at < len(cells) else ""

    return _AddOnRow(
        cell(head.add_on),
        cell(head.primary),
        cell(head.type)[:1],
        tuple(cell(i) for i in head.begins),
        tuple(cell(i) for i in head.ends),
    )


def _unnamed_row(cells: Sequence[str]) -> _AddOnRow:
    """Read a row by the shape of its cells: codes, then the first two dates, and a single digit."""
    parts = [p for p in (cells if len(cells) > 1 else _fixed(cells[0] if cells else "")) if p]
    rest = parts[1:]
    primary = next((p for p in rest if re.fullmatch(r"[0-9A-Z]{5}", p)), "")
    dates = [p for p in rest if re.fullmatch(r"\d{7,8}|\d{1,2}/\d{1,2}/\d{4}|\*", p)]
    kinds = [p for p in rest if p in ("1", "2", "3")]
    return _AddOnRow(parts[0] if parts else "", primary, kinds[-1] if kinds else "", tuple(dates[:1]), tuple(dates[1:2]))


def _fixed(line: str) -> list[str]:
    """Split a line of fixed columns; codes that touch each other are taken five characters at a time."""
    parts = line.split()
    if parts and re.fullmatch(r"[0-9A-Z]{10,}", parts[0]):
        run = parts[0]
        parts = [run[:5], run[5:10], *([run[10:]] if len(run) > 10 else []), *parts[1:]]
    return parts


@dataclass(frozen=True, slots=True)
class BypassModifier:
    """A modifier that may bypass a pair with indicator 1."""

    modifier: str
    kind: str
    first: dt.date | None
    last: dt.date | None


def read_bypass_modifiers(path: str | Path) -> tuple[BypassModifier, ...]:
    """Read the dated table of modifiers that may bypass a pair.

    Examples
    --------
    >>> rows = read_bypass_modifiers(Path(__file__).parent / "tables" / "ptp_modifiers.tsv")
    >>> sorted(r.modifier for r in rows if r.kind == "distinct")
    ['59', 'XE', 'XP', 'XS', 'XU']
    """
    with Path(path).open(encoding="utf-8", newline="") as stream:
        return tuple(
            BypassModifier(
                row["modifier"],
                row["kind"],
                dt.date.fromisoformat(row["first"]) if row["first"] else None,
                dt.date.fromisoformat(row["last"]) if row["last"] else None,
            )
            for row in csv.DictReader(stream, delimiter="\t")
        )


# ------------------------------------------------------------------------------------------------------------------ check
EITHER_COLUMN = dt.date(2019, 7, 1)
"""Since then 59 and X{EPSU} count on the column 1 code too."""


def _legal(view: View, code: str, modifiers: Mapping[str, str]) -> str:
    """Name the modifiers that can stand on a code, by its range and the setting."""
    number = int(code) if code.isdigit() else -1
    if 99202 <= number <= 99499 or 92002 <= number <= 92014:
        kinds: tuple[str, ...] = ("evaluation", "other")
    elif 80000 <= number <= 89999:
        kinds = ("laboratory", "distinct")
    else:
        kinds = ("anatomic", "global", "distinct")
    settings = {m: row.settings for m, row in view.tables.modifiers.rows.items()} if view.tables.modifiers else {}
    setting = "professional" if view.claim.setting == "professional" else "hospital"
    shown = [m for m, kind in modifiers.items() if kind in kinds and kind != "anatomic" and settings.get(m, "") in ("", setting)]
    return ", ".join(sorted(shown)) + (
        ", or an anatomic modifier (LT, RT, E1-E4, FA-F9, TA-T9, coronary)" if "anatomic" in kinds else ""
    )


def check(view: View, add: Callable[[Finding], None]) -> None:
    """Run the family on a claim."""
    tables = view.tables
    kind = SETTINGS.get(view.claim.setting)
    if kind is None or not (tables.ptp or tables.mue or tables.add_on):
        return
    groups: dict[tuple[dt.date, str], list[Procedure]] = {}
    for procedure in view.procedures:  # a hospital is one provider, whoever rendered the service
        who = procedure.provider if kind == "practitioner" else ""
        groups.setdefault((procedure.date or view.on, who), []).append(procedure)
    for (day, _), lines in groups.items():
        ptp, mue, add_on = tables.ncci_on(kind, day)
        if ptp is not None and len(lines) > 1:
            _pairs(view, ptp, lines, day, add)
        if mue is not None:
            _units(mue, lines, add)
        if add_on is not None:
            _add_ons(add_on, lines, day, add)


def _pairs(view: View, ptp: PtpTable, lines: list[Procedure], day: dt.date, add: Callable[[Finding], None]) -> None:
    edits = ptp.pairs([line.code.upper() for line in lines], day)
    if not edits:
        return
    modifiers = view.tables.bypass_on(day)
    for edit in edits:
        ones = [line for line in lines if line.code.upper() == edit.column_1]
        twos = [line for line in lines if line.code.upper() == edit.column_2]
        codes = (edit.column_1, edit.column_2)
        citation = f"{ptp.kind} PTP edits, {ptp.quarter}"
        reason = f" ({edit.rationale})" if edit.rationale else ""
        if edit.indicator == 0:
            message = f"{edit.column_2} (column 2) is part of {edit.column_1} (column 1){reason}; no modifier bypasses the pair (indicator 0)."
            add(NEVER.finding(codes, message, citation=f"{_MANUAL}.E; {citation}"))
            continue
        open_lines = [line for line in twos if not any(m.upper() in modifiers for m in line.modifiers)]
        said = {m.upper() for line in ones for m in line.modifiers if _bypasses(m.upper(), modifiers, day)}
        if not open_lines or said:
            _same_site(view, twos, said, codes, citation, modifiers, add)
            continue
        message = (
            f"{edit.column_2} (column 2) is part of {edit.column_1} (column 1){reason}; the pair is paid only with a modifier "
            f"(indicator 1): on {edit.column_2} {_legal(view, edit.column_2, modifiers)}, where the record supports it."
        )
        add(WITH_MODIFIER.finding(codes, message, citation=f"{_MANUAL}.E; {citation}"))


def _same_site(
    view: View,
    twos: list[Procedure],
    said: set[str],
    codes: tuple[str, str],
    citation: str,
    modifiers: Mapping[str, str],
    add: Callable[[Finding], None],
) -> None:
    """Compare the anatomic modifiers of a pair that has no other: those of column 1 with those of each line of column 2."""
    if not said or any(modifiers[m] != "anatomic" for m in said):
        return
    for line in twos:
        names = {m.upper() for m in line.modifiers}.intersection(modifiers)
        if names and names <= said:
            message = (
                f"Line {line.line}: {codes[1]} (column 2) and {codes[0]} (column 1) both have {', '.join(sorted(names))}: the "
                f"modifier does not tell their sites apart; {codes[1]} would need {_legal(view, codes[1], modifiers)}."
            )
            add(SAME_SITE.finding(codes, message, citation=f"{_MANUAL}.E; {citation}"))


def _bypasses(modifier: str, modifiers: Mapping[str, str], day: dt.date) -> bool:
    """Whether a modifier on the column 1 code bypasses the pair."""
    kind = modifiers.get(modifier)
    return kind is not None and (kind != "distinct" or day >= EITHER_COLUMN)


def _units(mue: MueTable, lines: list[Procedure], add: Callable[[Finding], None]) -> None:
    totals: dict[str, float] = {}
    citation = f"{_MANUAL}.V; {mue.kind} MUE, {mue.quarter}"
    for line in lines:
        code = line.code.upper()
        edit = mue.edits.get(code)
        if edit is None:
            continue
        if edit.indicator == 1:
            if line.units > edit.value:
                message = f"Line {line.line}: {line.units:g} units of {code}; the limit of a line is {edit.value}."
                add(MUE_LINE.finding((code,), message, citation=citation))
        else:
            totals[code] = totals.get(code, 0) + line.units
    for code, units in totals.items():
        edit = mue.edits[code]
        if units > edit.value:
            rule = MUE_POLICY if edit.indicator == 2 else MUE_CLINICAL
            reason = f" ({edit.rationale})" if edit.rationale else ""
            message = f"{units:g} units of {code} on one day; the limit is {edit.value}{reason}."
            add(rule.finding((code,), message, citation=citation))


def _add_ons(table: AddOnTable, lines: list[Procedure], day: dt.date, add: Callable[[Finding], None]) -> None:
    codes = {line.code.upper() for line in lines}
    today = day.toordinal()
    for code in sorted(codes & table.codes.keys()):
        entry = table.codes[code]
        primaries = [p for p, begins, ends in entry.primaries if begins <= today <= ends]
        if any(p in codes for p in primaries):
            continue
        citation = f"{_MANUAL}.R; NCCI add-on code edits, {table.quarter}"
        if entry.type == 1 and primaries:
            shown = ", ".join(primaries[:8]) + (" …" if len(primaries) > 8 else "")
            add(
                ADD_ON.finding(
                    (code,),
                    f"{code} is an add-on code (type 1); none of its primaries stands with it: {shown}.",
                    citation=citation,
                )
            )
        elif not codes - table.codes.keys():
            add(
                ADD_ON_ALONE.finding(
                    (code,),
                    f"{code} is an add-on code (type {entry.type}) and no primary procedure stands with it.",
                    citation=citation,
                )
            )
