"""The user's own tables: official files named on a command line, each with what it is valid for, made into `Tables`.

Decision: CMS's files say in their names what they are valid for (``…v41.1…``, ``…2026Q2…``, ``…Eff_04-01-2026…``), and hardly
any says it inside. So the name is read, and ``FILE@2026Q2`` says it where a name does not; a file that says neither is refused,
because a table used on the wrong day gives wrong findings.
"""

from __future__ import annotations

import csv
import datetime as dt
import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from codesuggest.edits.drg import CcTable, read_cc_table
from codesuggest.edits.engine import Tables
from codesuggest.edits.mce import MceLists, read_mce_lists
from codesuggest.edits.modifiers import ModifierTable, modifiers_of_hcpcs, read_modifiers
from codesuggest.edits.ncci import AddOnTable, MueTable, PtpTable, compile_ptp, read_add_on, read_mue
from codesuggest.edits.poa import PoaExempt, read_poa_exempt
from codesuggest.edits.policies import Policy, read_policies
from codesuggest.errors import ConfigError, InputFormatError

__all__ = ["FileFacts", "GivenTables", "compile_ncci", "facts_of_file", "read_given"]

_T = TypeVar("_T")
_QUARTER = re.compile(r"(20\d\d)[-_ ]?q([1-4])")
_NCCI_VERSION = re.compile(r"v(\d\d)([0-3])r\d")
_EFFECTIVE = re.compile(r"eff[-_ ]?(\d\d)[-_](\d\d)[-_](20\d\d)")
_VERSION = re.compile(r"(?<![a-z])v(?:ersion)?[-_ ]?(\d\d)(?:[._](\d))?(?!\d)")
_YEAR = re.compile(r"fy[-_ ]?(20\d\d)")
_SPAN = re.compile(r"(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)?")
_KINDS = (("practitioner", r"practitioner|(?<![a-z])(?:cci)?pra(?![a-z])"), ("hospital", r"hospital|outpatient|facility|ccioph"))


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file, and what it is valid for as far as it is known: kind, version or quarter, first and last day."""

    path: Path
    kind: str = ""
    version: str = ""
    first: dt.date | None = None
    last: dt.date | None = None


def _quarter(year: int, number: int) -> tuple[str, dt.date, dt.date]:
    first = dt.date(year, 3 * number - 2, 1)
    last = dt.date(year + number // 4, 3 * number % 12 + 1, 1) - dt.timedelta(days=1)
    return f"{year}Q{number}", first, last


def _read_words(text: str) -> dict[str, Any]:
    """Read kind, version and dates of a file's name or of what stands after ``@``."""
    words = text.casefold()
    found: dict[str, Any] = {}
    for kind, pattern in _KINDS:
        if re.search(pattern, words):
            found["kind"] = kind
            break
    if match := _QUARTER.search(words):
        found["version"], found["first"], found["last"] = _quarter(int(match[1]), int(match[2]))
    elif match := _NCCI_VERSION.search(words):
        found["version"], found["first"], found["last"] = _quarter(1994 + int(match[1]), 1 + int(match[2]))
    elif match := _EFFECTIVE.search(words):
        found["version"], found["first"], found["last"] = _quarter(int(match[3]), (int(match[1]) + 2) // 3)
    elif match := _VERSION.search(words):  # version 41 of the grouper and the editor is fiscal year 2024; 41.1 its April
        year = 1983 + int(match[1])
        found["version"] = f"{match[1]}.{match[2]}" if match[2] else match[1]
        found["first"] = dt.date(year, 4, 1) if match[2] and match[2] != "0" else dt.date(year - 1, 10, 1)
        found["last"] = dt.date(year, 9, 30)
    elif match := _YEAR.search(words):
        year = int(match[1])
        found["version"], found["first"], found["last"] = f"FY{year}", dt.date(year - 1, 10, 1), dt.date(year, 9, 30)
    if match := _SPAN.search(words):
        try:
            found["first"] = dt.date.fromisoformat(match[1])
            found["last"] = dt.date.fromisoformat(match[2]) if match[2] else None
        except ValueError as error:
            msg = f"{text[:40]!r} has a date that is none. Expected YYYY-MM-DD..YYYY-MM-DD. Correct what stands after '@'."
            raise ConfigError("CS424", msg) from error
        found.setdefault("version", match[0])
    return found


def facts_of_file(text: str | Path) -> FileFacts:
    """Read what a file is valid for from its name, or from what stands after ``@``.

    Parameters
    ----------
    text : str or Path
        ``FILE`` or ``FILE@WORDS``; words are a quarter (``2026Q2``), a version (``v43``), a fiscal year (``FY2026``), days
        (``2025-10-01..2026-09-30``) and a kind (``practitioner``, ``hospital``), separated by commas. They go before the name's.

    Raises
    ------
    ConfigError
        CS424 when there is no such file or folder, or a date is none.

    Examples
    --------
    >>> facts_of_file("ccipra-v321r0.txt@hospital")  # doctest: +SKIP
    FileFacts(path=PosixPath('ccipra-v321r0.txt'), kind='hospital', version='2026Q2', ...)
    """
    whole, words = str(text), ""
    if not Path(whole).exists() and "@" in whole:
        whole, _, words = whole.rpartition("@")
    path = Path(whole)
    if not path.exists():
        msg = f"There is no file {path.name!r}. Expected one, or FILE@WORDS such as FILE@2026Q2. Check the path."
        raise ConfigError("CS424", msg)
    said = _read_words(words)
    if words and not said:
        msg = (
            f"{words[:40]!r} after '@' is not understood. Expected a quarter (2026Q2), a version (v43), a fiscal year (FY2026), "
        )
        raise ConfigError("CS424", msg + "days (2025-10-01..2026-09-30) or a kind (practitioner, hospital). Correct it.")
    return FileFacts(path, **{**_read_words(path.name), **said})


def _dated(text: str | Path, option: str, *, has_kind: bool = False) -> FileFacts:
    facts = facts_of_file(text)
    if facts.first is None:
        example = "@2026Q2" if option in ("--ncci-ptp", "--mue", "--addon") else "@FY2026"
        msg = f"{facts.path.name!r} of {option} does not say in its name what it is valid for. Expected such as FILE{example}. Add it."
        raise ConfigError("CS425", msg)
    if has_kind and not facts.kind:
        msg = f"{facts.path.name!r} of {option} does not say whether it is of practitioners or hospitals. Expected such as "
        raise ConfigError("CS425", msg + f"FILE@practitioner,{facts.version}. Add it.")
    return facts


def _readable(option: str, path: Path, read: Callable[..., _T], *rest: Any, **named: Any) -> _T:  # noqa: ANN401 - the reader's own
    try:
        return read(path, *rest, **named)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{path.name!r} of {option} cannot be read: {type(error).__name__}. Expected a text file. Check the path."
        raise InputFormatError("CS426", msg) from error


@dataclass(frozen=True)
class GivenTables:
    """What the user handed in; empty parts leave the library's own in place.

    Examples
    --------
    >>> from codesuggest.edits import default_tables
    >>> base = default_tables(dt.date(2026, 5, 4))
    >>> GivenTables().onto(base) is base
    True
    """

    mce: tuple[MceLists, ...] = ()
    poa: tuple[PoaExempt, ...] = ()
    cc: tuple[CcTable, ...] = ()
    ptp: tuple[PtpTable, ...] = ()
    mue: tuple[MueTable, ...] = ()
    add_on: tuple[AddOnTable, ...] = ()
    modifiers: ModifierTable | None = None
    policies: tuple[Policy, ...] = ()

    def onto(self, base: Tables) -> Tables:
        """Put them before the tables of a date; the same object when nothing was handed in."""
        changes: dict[str, Any] = {}
        for name in ("mce", "poa", "cc", "ptp", "mue", "add_on", "policies"):
            if given := getattr(self, name):
                changes[name] = (*given, *getattr(base, name))
        if self.modifiers is not None:
            changes["modifiers"] = self.modifiers
        return base.with_(**changes) if changes else base


def _pairs(texts: Sequence[str | Path]) -> tuple[PtpTable, ...]:
    opened: list[PtpTable] = []
    raw: dict[tuple[str, str], list[FileFacts]] = {}
    for text in texts:
        facts = facts_of_file(text)
        if facts.path.is_dir():
            opened.append(PtpTable.open(facts.path))
        else:
            facts = _dated(text, "--ncci-ptp", has_kind=True)
            raw.setdefault((facts.kind, facts.version), []).append(facts)
    for parts in raw.values():
        folder = tempfile.mkdtemp(prefix="codesuggest-")
        table = PtpTable.open(_compile(parts, Path(folder)))
        weakref.finalize(table, shutil.rmtree, folder, ignore_errors=True)  # compiled for this run alone
        opened.append(table)
    return tuple(opened)


def _compile(parts: Sequence[FileFacts], to: Path) -> Path:
    of = parts[0]
    made: Path = _readable(
        "--ncci-ptp", of.path, _compile_all, parts, to, kind=of.kind, quarter=of.version, first=of.first, last=of.last
    )
    return made


def _compile_all(_: Path, parts: Sequence[FileFacts], to: Path, **named: Any) -> Path:  # noqa: ANN401 - those of compile_ptp
    return compile_ptp([part.path for part in parts], to, **named)


def compile_ncci(files: Iterable[str | Path], to: str | Path) -> Path:
    """Compile CMS's pair files of one kind and quarter, which they say in their names or after ``@``.

    Raises
    ------
    ConfigError
        CS424, CS425 for a file that is missing or does not say what it is valid for; CS427 when they are of two kinds or quarters.
    InputFormatError
        As `codesuggest.edits.ncci.compile_ptp`.

    Examples
    --------
    >>> compile_ncci(["ccipra-v321r0-f1.txt", "ccipra-v321r0-f2.txt"], "ptp-2026Q2")  # doctest: +SKIP
    """
    parts = [_dated(file, "compile-ncci", has_kind=True) for file in files]
    found = sorted({f"{part.kind} {part.version}" for part in parts})
    if len(found) != 1:
        msg = f"The files are of {' and '.join(found) or 'nothing'}. Expected the parts of one kind and quarter. Compile each apart."
        raise ConfigError("CS427", msg)
    return _compile(parts, Path(to))


def _modifiers(texts: Sequence[str | Path], base: ModifierTable) -> ModifierTable | None:
    """Read a table of modifiers, CMS's HCPCS file, or both."""
    made: ModifierTable | None = None
    records: list[Any] = []
    for text in texts:
        path = facts_of_file(text).path
        head = _readable("--modifiers", path, Path.read_bytes)
        if head.removeprefix(b"\xef\xbb\xbf").startswith(b"modifier\t"):
            made = _readable("--modifiers", path, read_modifiers)
        else:
            from codesuggest.codes.readers import read_hcpcs  # brings the XML readers

            records += read_hcpcs(path)
    return modifiers_of_hcpcs(made or base, records) if records else made


def read_given(
    *,
    mce: Sequence[str | Path] = (),
    poa: Sequence[str | Path] = (),
    cc: str | Path | None = None,
    cc_exclusions: str | Path | None = None,
    ncci_ptp: Sequence[str | Path] = (),
    mue: Sequence[str | Path] = (),
    add_on: Sequence[str | Path] = (),
    modifiers: Sequence[str | Path] = (),
    policies: str | Path | None = None,
    base_modifiers: ModifierTable | None = None,
) -> GivenTables:
    """Read the user's tables.

    Parameters
    ----------
    mce, poa, cc, cc_exclusions, ncci_ptp, mue, add_on : paths
        Official files; what they are valid for stands in the name or after ``@``, see `facts_of_file`. `ncci_ptp` also takes
        folders made by `compile_ncci`, which open at once; files are compiled anew each time.
    modifiers : paths
        A table like the shipped one (TSV), which replaces it; CMS's HCPCS file, which says what modifiers exist; or both.
    policies : path
        Folder of ``*.toml``.
    base_modifiers : ModifierTable, optional
        What a HCPCS file is added to.

    Raises
    ------
    ConfigError
        CS424 to CS428 for a file that is missing, does not say what it is valid for, or lacks its other half.
    InputFormatError, BundleError, PrerequisiteError
        As the reader of each file.

    Examples
    --------
    >>> read_given().mce
    ()
    """
    if (cc is None) != (cc_exclusions is None):
        missing, given = ("--cc-exclusions", "--cc") if cc is not None else ("--cc", "--cc-exclusions")
        raise ConfigError("CS428", f"{given} was given without {missing}. Expected both: exclusions decide. Name the other file.")
    levels: tuple[CcTable, ...] = ()
    if cc is not None and cc_exclusions is not None:
        of, groups = _dated(cc, "--cc"), facts_of_file(cc_exclusions).path
        levels = (_readable("--cc", of.path, read_cc_table, groups, version=of.version, first=of.first, last=of.last),)
    lists = [
        _readable("--mce", of.path, read_mce_lists, version=of.version, first=of.first, last=of.last)
        for of in (_dated(text, "--mce") for text in mce)
    ]
    exempt = [
        _readable("--poa", of.path, read_poa_exempt, first=of.first, last=of.last)
        for of in (_dated(text, "--poa") for text in poa)
    ]
    units = [
        _readable("--mue", of.path, read_mue, kind=of.kind, quarter=of.version, first=of.first, last=of.last)
        for of in (_dated(text, "--mue", has_kind=True) for text in mue)
    ]
    add_ons = [
        _readable("--addon", of.path, read_add_on, quarter=of.version, first=of.first, last=of.last)
        for of in (_dated(text, "--addon") for text in add_on)
    ]
    return GivenTables(
        mce=tuple(lists),
        poa=tuple(exempt),
        cc=levels,
        ptp=_pairs(ncci_ptp),
        mue=tuple(units),
        add_on=tuple(add_ons),
        modifiers=_modifiers(modifiers, base_modifiers or ModifierTable({})),
        policies=read_policies(facts_of_file(policies).path) if policies is not None else (),
    )
