"""Check the lexicon against a release: codes, roots, official wording, and lines against each other.

Decision (2026-11): two lines that give one wording different codes are an error unless they are meant as a pair. A pair is
what one table states under one wording, what an instructional note of the release joins (code first, use additional code,
code also), or a condition beside its cause (drug, organism, resistance, external cause). Everything else that is right and
looks wrong stands in ``patterns/exceptions.tsv`` with its reason; an exception that excuses nothing is an error too. What
would change our mind: pairs that no note joins becoming so many that the list of exceptions is not read any more.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from itertools import combinations
from pathlib import Path

from codesuggest.codes import Release
from codesuggest.errors import InputFormatError
from codesuggest.extract.lexicon import LexiconEntry, parse_context, read_lexicon, term_words, title_words
from codesuggest.extract.patterns.headings import HEADINGS
from codesuggest.extract.tokens import tokenize

__all__ = [
    "CHECKS",
    "Ambiguity",
    "Problem",
    "ReviewedException",
    "TableEntry",
    "ambiguous_terms",
    "check_lexicon",
    "read_exceptions",
    "read_table",
    "shipped_entries",
]

CHECKS: tuple[str, ...] = (
    "code",
    "header",
    "root",
    "letter",
    "condition",
    "official",
    "contradiction",
    "repeat",
    "index",
    "exception",
)
"""What a problem is about; a reviewed exception names ``header``, ``root``, ``official``, ``contradiction`` or ``index``."""

_EXCUSABLE = ("header", "root", "official", "contradiction", "index")
_JOINING = ("code_first", "use_additional_code", "code_also")
# Conditions that choose between lines; "not" and "notsection" only keep one line quiet.
_SELECTORS = ("near", "section", "sex", "age", "setting")

# Before these a small "a" is the letter of a type, and would be dropped as an article.
_LETTERED = re.compile(
    r"\b(?:hepatitis|hep|group|influenza|flu|vitamin|type|hemophilia|hypovitaminosis|hypervitaminosis|lipoprotein|chromogranin) a\b"
)
_SECTIONS = frozenset(HEADINGS.values()) | {"other"}
_CHOICES = {"sex": ("F", "M"), "setting": ("inpatient", "outpatient", "professional", "emergency")}

_Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableEntry(LexiconEntry):
    """A line of the lexicon that knows where it stands.

    Parameters
    ----------
    table : str
        File name.
    line : int
        Line number, from 1.
    """

    table: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class ReviewedException:
    """A line that looks wrong and was found right.

    Parameters
    ----------
    check : str
        Which check it excuses; see :data:`CHECKS`.
    term : str
        Wording, in any order and number; ``*`` for every wording.
    code : str
        Code the lexicon gives; ``*`` for every code.
    reason : str
        Why it is right.
    """

    check: str
    term: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a line of the lexicon.

    Parameters
    ----------
    check : str
        One of :data:`CHECKS`.
    where : str
        Table and line, or empty.
    term, code : str
        Of the line.
    message : str
        What is wrong and what was expected.

    Examples
    --------
    >>> print(Problem("code", "skin.tsv:7", "acne", "L70.99", "not in the release"))
    skin.tsv:7: acne → L70.99: not in the release [code]
    """

    check: str
    where: str
    term: str
    code: str
    message: str

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.term} → {self.code}: {self.message} [{self.check}]"


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """A wording with several meanings and what settles it.

    Parameters
    ----------
    term : str
    meanings : tuple of (code, context)
        ``context`` is empty for the meaning taken when nothing else speaks.
    """

    term: str
    meanings: tuple[tuple[str, str], ...]


# ---------------------------------------------------------------------------------------------------------------------
# Reading


def read_table(path: Path | str) -> list[TableEntry]:
    """Read one table as :func:`codesuggest.extract.lexicon.read_lexicon` does, with table and line of each entry."""
    path = Path(path)
    lines = [
        number
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if line.strip() and not line.startswith(("#", "term\t"))
    ]
    return [
        TableEntry(e.term, e.code, e.root, e.kind, e.context, e.source, path.name, number)
        for e, number in zip(read_lexicon(path), lines, strict=True)
    ]


def shipped_entries() -> list[TableEntry]:
    """Read the tables that ship with the package, in the order of their file names."""
    with resources.as_file(resources.files("codesuggest.extract.patterns").joinpath("lexicon")) as folder:
        return [entry for table in sorted(Path(folder).glob("*.tsv")) for entry in read_table(table)]


def read_exceptions(path: Path | str | None = None) -> list[ReviewedException]:
    """Read a list of reviewed exceptions; the one that ships with the package when no path is given.

    Raises
    ------
    InputFormatError
        CS212 when a line has not four columns, an unknown check, or no reason.
    """
    if path is None:
        with resources.as_file(resources.files("codesuggest.extract.patterns").joinpath("exceptions.tsv")) as shipped:
            return read_exceptions(shipped)
    path = Path(path)
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith(("#", "check\t")):
            continue
        columns = [c.strip() for c in line.split("\t")]
        if len(columns) != 4 or columns[0] not in _EXCUSABLE or not all(columns):
            raise InputFormatError(
                "CS212",
                f"{path.name}, line {number}: {len(columns)} columns, check {columns[0]!r}. "
                f"Expected check, term, code, reason, each filled, with a check among {', '.join(_EXCUSABLE)}.",
            )
        found.append(ReviewedException(*columns))
    return found


# ---------------------------------------------------------------------------------------------------------------------
# Checking


@lru_cache(maxsize=200_000)
def _key(term: str) -> _Key:
    """Words of a term as the matcher compares them: normal form, no small words, no order."""
    return tuple(sorted(term_words(term)))


@dataclass(frozen=True, slots=True)
class _Official:
    """Official wordings: as printed, and without sides, "unspecified" and brackets."""

    exact: dict[_Key, set[str]]
    loose: dict[_Key, set[str]]


@lru_cache(maxsize=2)
def _official(release: Release) -> _Official:
    """Return the words of every title and inclusion term, with the codes they stand under; encounters left out."""
    found = _Official(defaultdict(set), defaultdict(set))
    named = [(text, release.title_at(i)) for i, text in enumerate(map(release.text, range(len(release)))) if len(text) < 8]
    named += release.inclusion_terms()
    for code, wording in named:
        found.exact[_key(wording)].add(code)
        found.loose[_key(wording)].add(code)
        found.loose[tuple(sorted(title_words(wording)))].add(code)
    return found


def _where(entry: LexiconEntry) -> str:
    return f"{entry.table}:{entry.line}" if isinstance(entry, TableEntry) and entry.table else ""


class _Excuses:
    """Reviewed exceptions, and which of them were needed."""

    def __init__(self, exceptions: Iterable[ReviewedException]) -> None:
        self._by_check: dict[tuple[str, _Key | str, str], ReviewedException] = {}
        for one in exceptions:
            self._by_check[one.check, one.term if one.term == "*" else _key(one.term), one.code] = one
        self._used: set[ReviewedException] = set()

    def cover(self, check: str, key: _Key, code: str) -> bool:
        for term in (key, "*"):
            for wanted in (code, "*"):
                one = self._by_check.get((check, term, wanted))
                if one is not None:
                    self._used.add(one)
                    return True
        return False

    def unused(self) -> list[ReviewedException]:
        return [one for one in self._by_check.values() if one not in self._used]


def check_lexicon(
    entries: Iterable[LexiconEntry],
    release: Release,
    *,
    exceptions: Sequence[ReviewedException] | None = None,
    index: Iterable[LexiconEntry] = (),
) -> tuple[Problem, ...]:
    """Find what is wrong with entries of the lexicon.

    Parameters
    ----------
    entries : iterable of LexiconEntry
        All tables that are used together.
    release : Release
        With the notes of the Tabular List.
    exceptions : sequence of ReviewedException, optional
        What was looked at and found right; the shipped list when None.
    index : iterable of LexiconEntry
        Entries of official index files (:func:`codesuggest.extract.index_terms.index_entries`) to compare with.

    Returns
    -------
    tuple of Problem
        In the order of the entries; empty when all is well.

    Notes
    -----
    Same words means same words to the matcher. A line with a condition that chooses a meaning (near, section, sex, age,
    setting) may differ from an official wording; a plain one may not lead to another category.

    Examples
    --------
    >>> from datetime import date
    >>> from codesuggest.codes import Releases
    >>> release = Releases().on(date(2026, 5, 4))
    >>> for problem in check_lexicon([LexiconEntry("ileus by gallstone", "K80.20")], release, exceptions=()):
    ...     print(problem)
    ileus by gallstone → K80.20: the release has these words under K56.3 [official]
    """
    excuses = _Excuses(read_exceptions() if exceptions is None else exceptions)
    kept = [e for e in entries if e.kind != "context"]
    problems: list[Problem] = []
    sound: list[LexiconEntry] = []
    for entry in kept:
        found = list(_code_problems(entry, release, excuses))
        problems.extend(found)
        if entry.code in release and (not entry.root or entry.root in release):
            sound.append(entry)
    groups: dict[_Key, list[LexiconEntry]] = defaultdict(list)
    for entry in sound:
        if entry.kind != "drug":
            groups[_key(entry.term)].append(entry)
    groups.pop((), None)
    problems.extend(_official_problems(groups, _official(release), "official", excuses))
    of_index = _Official({}, defaultdict(set))
    for entry in index:
        of_index.loose[_key(entry.term)].add(entry.code)
    if of_index.loose:
        problems.extend(_official_problems(groups, of_index, "index", excuses))
    problems.extend(_contradictions(groups, release, excuses))
    problems.extend(_repeats(groups))
    for one in excuses.unused():
        if one.check != "index" or of_index.loose:
            problems.append(
                Problem("exception", "", one.term, one.code, f"the exception to {one.check!r} excuses nothing; remove it")
            )
    return tuple(problems)


def _code_problems(entry: LexiconEntry, release: Release, excuses: _Excuses) -> Iterator[Problem]:
    where, key = _where(entry), _key(entry.term)
    for message in _condition_problems(entry.context):
        yield Problem("condition", where, entry.term, entry.code, message)
    if _LETTERED.search(entry.term):
        yield Problem("letter", where, entry.term, entry.code, "the letter A is dropped as an article; write it as a capital")
    if entry.code not in release:
        yield Problem("code", where, entry.term, entry.code, f"not in {release.name}")
        return
    if not release.is_billable(entry.code) and not excuses.cover("header", key, entry.code):
        yield Problem("header", where, entry.term, entry.code, "not billable; give the code that stands for it, or a reason")
    if not entry.root:
        return
    if entry.root not in release:
        yield Problem("root", where, entry.term, entry.code, f"its root {entry.root} is not in {release.name}")
    elif (
        entry.root != entry.code
        and entry.root not in release.ancestors(entry.code)
        and not excuses.cover("root", key, entry.code)
    ):
        yield Problem("root", where, entry.term, entry.code, f"its root {entry.root} is not above it")


def _condition_problems(context: str) -> Iterator[str]:
    for name, values in parse_context(context)[1].items() if context else ():
        for value in values:
            if name in ("near", "not"):
                spoken = " ".join(tokenize(value.lower()).words)
                if spoken != value:
                    yield f"the {name} word {value!r} never holds; write {spoken.replace(' ', '_')!r}"
            elif name in ("section", "notsection") and value.replace(" ", "_") not in _SECTIONS:
                yield f"there is no section {value!r}"
            elif name in _CHOICES and value not in _CHOICES[name]:
                yield f"{name} is one of {', '.join(_CHOICES[name])}, not {value!r}"
            elif name == "age" and not re.fullmatch(r"[0-9.]+-[0-9.]*", value):
                yield f"an age is from-to in years, not {value!r}"


def _official_problems(
    groups: dict[_Key, list[LexiconEntry]], official: _Official, check: str, excuses: _Excuses
) -> Iterator[Problem]:
    source = "the release has" if check == "official" else "the index has"
    for key, group in groups.items():
        exact, loose = official.exact.get(key, set()), official.loose.get(key, set())
        plain = [e for e in group if not _selectors(e)]
        if check == "index":  # the index of external causes says nothing of the injury, nor the other way round
            external = any(code[0] in "VWXY" for code in loose)
            plain = [e for e in plain if (e.code[0] in "VWXY") == external]
        for codes, agrees in ((loose, _same_category), (exact, _same_line)):
            # agreement of one line is enough: others may go beside it
            if not codes or not plain or any(agrees(e.code, code) for e in plain for code in codes):
                continue
            names = ", ".join(sorted(codes)[:4])
            for entry in plain:
                if not excuses.cover(check, key, entry.code):
                    yield Problem(check, _where(entry), entry.term, entry.code, f"{source} these words under {names}")
            break


def _same_category(a: str, b: str) -> bool:
    return a[:3] == b[:3]


def _same_line(a: str, b: str) -> bool:
    return a.startswith(b) or b.startswith(a)


def _selectors(entry: LexiconEntry) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not entry.context:
        return ()
    _, conditions = parse_context(entry.context)
    return tuple((name, tuple(sorted(conditions[name]))) for name in _SELECTORS if name in conditions)


def _guards(entry: LexiconEntry) -> frozenset[tuple[str, str]]:
    if not entry.context:
        return frozenset()
    _, conditions = parse_context(entry.context)
    return frozenset((name, value) for name in ("not", "notsection") for value in conditions.get(name, ()))


def _written(entry: LexiconEntry, key: _Key) -> str:
    """Return the written form where capitals count ("MS" is not "ms")."""
    return entry.term if len(key) == 1 and "case" in entry.context.split() else ""


def _contradictions(groups: dict[_Key, list[LexiconEntry]], release: Release, excuses: _Excuses) -> Iterator[Problem]:
    for key, group in groups.items():
        if len({e.code for e in group}) == 1:
            continue
        rivals: dict[tuple[object, str], list[LexiconEntry]] = defaultdict(list)
        for entry in group:
            rivals[_selectors(entry), _written(entry, key)].append(entry)
        for same in rivals.values():
            codes = sorted({e.code for e in same})
            if len(codes) > 1 and not _is_pair(same, codes, release):
                entry = same[-1]
                if any(excuses.cover("contradiction", key, code) for code in codes):
                    continue
                others = "; ".join(f"{_where(e)} {e.term!r} {e.code}".strip() for e in same if e is not entry)
                yield Problem("contradiction", _where(entry), entry.term, entry.code, f"the same words elsewhere: {others}")


def _repeats(groups: dict[_Key, list[LexiconEntry]]) -> Iterator[Problem]:
    """Find lines that say the same with another guard or root: the looser one would undo the other."""
    for key, group in groups.items():
        if len(group) == 1:
            continue
        same: dict[tuple[object, ...], list[LexiconEntry]] = defaultdict(list)
        for entry in group:
            same[entry.code, _selectors(entry), _written(entry, key)].append(entry)
        for lines in same.values():
            first = lines[0]
            for entry in lines[1:]:
                if (_guards(entry), entry.root) != (_guards(first), first.root):
                    message = f"also {_where(first)} {first.term!r}, with another guard or root; keep one line".replace("  ", " ")
                    yield Problem("repeat", _where(entry), entry.term, entry.code, message)


def _is_pair(same: Sequence[LexiconEntry], codes: Sequence[str], release: Release) -> bool:
    """Whether lines with the same words give codes that belong together."""
    stated: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in same:
        stated[entry.table if isinstance(entry, TableEntry) else "", entry.term].add(entry.code)
    if any(len(s) == len(codes) for s in stated.values()):
        return not any(_is_side_of(a, b, release) for a, b in combinations(codes, 2))
    return all(_go_together(a, b, release) for a, b in combinations(codes, 2))


def _is_side_of(a: str, b: str, release: Release) -> bool:
    """Whether one of two codes under one header is the unspecified form of the other, so that both say one thing twice."""
    if release.parent(a) != release.parent(b):
        return False
    return release.title(a).lower().count("unspecified") != release.title(b).lower().count("unspecified")


def _is_cause(code: str) -> bool:
    return "T36" <= code[:3] <= "T65" or code[0] in "VWXY" or "B95" <= code[:3] <= "B97" or code[:3] == "Z16"


def _go_together(a: str, b: str, release: Release) -> bool:
    if _is_cause(a) != _is_cause(b):
        return True
    for one, other in ((a, b), (b, a)):
        for kind in _JOINING:
            for note in release.notes(one, kind, inherited=True):
                if any(other in codes for codes in note.codes_mentioned):
                    return True
    return False


def ambiguous_terms(entries: Iterable[LexiconEntry]) -> tuple[Ambiguity, ...]:
    """List the wordings whose code depends on context, with how each is settled.

    Examples
    --------
    >>> lines = [LexiconEntry("MS", "G35", context="case"), LexiconEntry("MS", "I05.0", context="case near:valve|murmur")]
    >>> ambiguous_terms(lines)[0].meanings
    (('G35', 'case'), ('I05.0', 'case near:valve|murmur'))
    """
    groups: dict[_Key, list[LexiconEntry]] = defaultdict(list)
    for entry in entries:
        if entry.kind not in ("context", "drug"):
            groups[_key(entry.term)].append(entry)
    found = []
    for key, group in sorted(groups.items()):
        by_condition: dict[object, set[str]] = defaultdict(set)
        for entry in group:
            by_condition[_selectors(entry), _written(entry, key)].add(entry.code)
        if key and len(set(map(frozenset, by_condition.values()))) > 1:
            meanings = sorted({(e.code, e.context) for e in group}, key=lambda m: (len(m[1]), m))
            found.append(Ambiguity(group[0].term, tuple(meanings)))
    return tuple(found)
