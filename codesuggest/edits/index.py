"""What the edits need to know of every code of a release, worked out once: notes as sets, groups of codes as bits.

Decision: an Excludes1 note becomes an edge from the codes it stands over to the codes it names. Each code knows the edges it
begins and those it ends; two codes exclude each other when one begins an edge the other ends. A claim is clean when the union
of the first and the union of the second do not meet, which takes microseconds; pairs are looked at only when they meet.
A code that stands in both ends of an edge (the note names a part of what it stands over) does not begin it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from operator import xor

import numpy as np
from numpy.typing import NDArray

from codesuggest.codes import NOTE_KINDS, CodeRange, InstructionalNote, Release
from codesuggest.codes.code import with_dot, without_dot
from codesuggest.errors import ConfigError

__all__ = ["UNKNOWN_KEPT", "CodeFacts", "Edge", "NoteGroup", "ReleaseIndex", "places_of"]

UNKNOWN_KEPT = 20_000
"""How many texts that are not codes are remembered; beyond it each is looked up anew."""

_TOKEN = re.compile(r"(!?)([A-Z][0-9A-Z]{2}(?:\.[0-9A-Z]+)?)(?:-([A-Z][0-9A-Z]{2}(?:\.[0-9A-Z]+)?))?(?:/(.+))?")
_SITES = (
    "eye|ear|side|breast|lung|shoulder|upper arm|elbow|forearm|wrist|hand|hip|thigh|knee|lower leg|ankle and foot|ankle|foot|"
    "lower limb|upper limb|limb|lower extremity|upper extremity|finger|great toe|toe|kidney|ovary|testis|femur|tibia|fibula|"
    "humerus|radius|ulna|clavicle|scapula|patella|leg|arm|eyelid|orbit|thumb"
)
_SIDE = re.compile(rf"\b(right|left|bilateral|both)\b|\bunspecified (?=(?:{_SITES})\b)")
_SIDE_AND_SITE = re.compile(rf", (?:right|left|bilateral|both|unspecified)(?: (?:{_SITES})s?)?(?=,|$)")


@dataclass(frozen=True, slots=True)
class Edge:
    """One code range named by one Excludes note: the note's place, its words, and the range."""

    where: str
    text: str
    named: str
    size: int


@dataclass(frozen=True, slots=True)
class NoteGroup:
    """The code-first (or use-additional, code-also) notes of one place: its words, and the codes they name."""

    where: str
    text: str
    ranges: tuple[CodeRange, ...]
    lows: tuple[int, ...]
    highs: tuple[int, ...]
    is_optional: bool

    def names(self, facts: CodeFacts) -> bool:
        """Whether one of the ranges holds the code."""
        i = facts.i
        for low, high, codes in zip(self.lows, self.highs, self.ranges, strict=True):
            if low <= i < high and (not codes.pattern or facts.text in codes):
                return True
        return False


class CodeFacts:
    """What is known of one code text; ``i`` is -1 when it is not a code of the release."""

    __slots__ = (
        "base",
        "begins",
        "billable",
        "ends",
        "first",
        "i",
        "key",
        "mask",
        "side",
        "text",
        "title",
    )

    def __init__(self, text: str) -> None:
        self.text = text
        self.key = text.replace(".", "")
        self.i = -1
        self.billable = False
        self.title = ""
        self.mask = 0
        self.begins: frozenset[int] = frozenset()
        self.ends: frozenset[int] = frozenset()
        self.first: tuple[NoteGroup, ...] = ()
        self.side = ""
        self.base = ""

    def __repr__(self) -> str:
        return f"<CodeFacts {self.text}>"


def _range_places(release: Release, codes: CodeRange) -> tuple[int, int]:
    low = int(release.codes.searchsorted(np.bytes_(codes.first.encode("ascii"))))
    high = int(release.codes.searchsorted(np.bytes_(codes.last.ljust(7, "~").encode("ascii")), side="right"))
    return low, max(low, high)


def places_of(release: Release, expression: str) -> NDArray[np.bool_]:
    """Codes an expression names: ``"I50, I11.0, I13.0-I13.2, !I13.1, T36-T50/.{4}5"``.

    Parameters
    ----------
    release : Release
    expression : str
        Codes and ranges with everything below them, separated by commas; ``!`` takes away what follows it; after ``/`` stands
        a regular expression that the code without its dot must match from the beginning; ``title:`` searches the titles.

    Returns
    -------
    ndarray of bool, shape (n_codes,)

    Raises
    ------
    ConfigError
        CS411 when a part is not understood.

    Examples
    --------
    >>> from datetime import date
    >>> from codesuggest.codes import Releases
    >>> int(places_of(Releases().on(date(2026, 5, 4)), "I50.2, !I50.23").sum())
    4
    """
    return _places_of(release, expression).copy()


@lru_cache(maxsize=512)
def _places_of(release: Release, expression: str) -> NDArray[np.bool_]:
    found = np.zeros(len(release), dtype=bool)
    for part in expression.split(","):  # a pattern holds no comma
        part = part.strip()
        if not part:
            continue
        if part.startswith("title:"):
            pattern = re.compile(part.removeprefix("title:"))
            found[[i for i, title in _titles(release) if pattern.search(title)]] = True
            continue
        codes, words, adds = _token(part)
        low, high = _range_places(release, codes)
        if words:
            wanted = re.compile(words)
            hits = [i for i, key in enumerate(release.codes[low:high].tolist(), low) if wanted.match(key.decode("ascii"))]
            found[hits] = adds
        else:
            found[low:high] = adds
    return found


def _runs_of(release: Release, expression: str) -> list[tuple[int, int]]:
    """Places of an expression of codes and ranges alone, as half-open runs that do not touch each other's inside."""
    runs: list[tuple[int, int]] = []
    for part in (p.strip() for p in expression.split(",")):
        if part:
            codes, _, adds = _token(part)
            low, high = _range_places(release, codes)
            runs = [run for a, b in runs for run in _without(a, b, [(low, high)])]
            if adds and low < high:
                runs.append((low, high))
    return runs


@lru_cache(maxsize=2)
def _titles(release: Release) -> list[tuple[int, str]]:
    """Place and title of every billable code."""
    return [(i, release.title_at(i)) for i in np.flatnonzero(release.billable).tolist()]


class _Group:
    """An expression that is asked of a code when the code is first seen, because asking every code takes long."""

    __slots__ = ("bit", "parts")

    def __init__(self, release: Release, expression: str, bit: int) -> None:
        self.bit = bit
        self.parts: list[tuple[bool, int, int, re.Pattern[str] | None, bool]] = []
        for part in (p.strip() for p in expression.split(",")):
            if part.startswith("title:"):
                self.parts.append((True, 0, len(release), re.compile(part.removeprefix("title:")), True))
            elif part:
                codes, pattern, adds = _token(part)
                low, high = _range_places(release, codes)
                self.parts.append((adds, low, high, re.compile(pattern) if pattern else None, False))

    def holds(self, facts: CodeFacts) -> bool:
        """Whether the expression names a code of the release."""
        found = False
        for adds, low, high, pattern, of_title in self.parts:
            if low <= facts.i < high:
                if pattern is None:
                    found = adds
                elif of_title:
                    found = found or (facts.billable and pattern.search(facts.title) is not None)
                elif pattern.match(facts.key):
                    found = adds
        return found


def _token(part: str) -> tuple[CodeRange, str, bool]:
    """Range, pattern (or an empty text) of a part of an expression, and whether it adds (or takes away)."""
    match = _TOKEN.fullmatch(part)
    if match is None:
        msg = f"Not a code expression: {part[:24]!r}. Expected codes, ranges, '!' and '/pattern'. Correct the table."
        raise ConfigError("CS411", msg)
    return CodeRange(without_dot(match[2]), without_dot(match[3] or match[2])), match[4] or "", not match[1]


class _Stabber:
    """For every code the ids of the intervals that hold it, as one shared frozenset for neighbours alike."""

    def __init__(self, n: int, intervals: Iterable[tuple[int, int, int]]) -> None:
        events: dict[int, tuple[list[int], list[int]]] = {}
        for low, high, edge in intervals:
            if low < high:
                events.setdefault(low, ([], []))[0].append(edge)
                events.setdefault(high, ([], []))[1].append(edge)
        self.starts = np.array(sorted({0, *events}), dtype=np.int64)
        self.sets: list[frozenset[int]] = []
        open_now: dict[int, int] = {}
        for start in self.starts.tolist():
            begins, ends = events.get(start, ([], []))
            for edge in ends:
                open_now[edge] -= 1
                if not open_now[edge]:
                    del open_now[edge]
            for edge in begins:
                open_now[edge] = open_now.get(edge, 0) + 1
            self.sets.append(frozenset(open_now))
        self.places: list[int] = (self.starts.searchsorted(np.arange(n), side="right") - 1).tolist()

    def at(self, i: int) -> frozenset[int]:
        return self.sets[self.places[i]]


def _noted(release: Release, kind: str) -> dict[str, tuple[int, int, tuple[InstructionalNote, ...]]]:
    """Places that carry notes of a kind: name to (low, high, notes)."""
    arrays = release._arrays  # the public face tells notes code by code; asking for every code would take a second
    n = len(release)
    owners = np.unique(arrays["note_owner"][arrays["note_kind"] == NOTE_KINDS.index(kind)])
    found: dict[str, tuple[int, int, tuple[InstructionalNote, ...]]] = {}
    for owner in owners.tolist():
        if owner < n:
            text = release.text(owner)
            low, high = release.subtree_range(owner)
            found[text] = (low, high, release.notes(text, kind))
    wide: dict[str, tuple[int, int]] = {}
    for block in release.blocks:
        wide[block.id] = _range_places(release, CodeRange(block.first, block.last))
    for chapter in release.chapters:
        wide[f"chapter {chapter.number}"] = _range_places(release, CodeRange(chapter.first, chapter.last))
    if (owners >= n).any():
        for name, (low, high) in wide.items():
            if low < high:
                notes = release.notes(release.text(low), kind, inherited=True)
                own = tuple(note for note in notes if note.code == name)
                if own:
                    found[name] = (low, high, own)
    return found


@lru_cache(maxsize=16)
def _exclusions(release: Release, kind: str) -> tuple[list[Edge], _Stabber, _Stabber]:
    """Make the edges of one kind of note; kept for the release, which several tables may share."""
    edges: list[Edge] = []
    begins: list[tuple[int, int, int]] = []
    ends: list[tuple[int, int, int]] = []
    for where, (low, high, notes) in _noted(release, kind).items():
        for note in notes:
            for codes in note.codes_mentioned:
                targets = _runs(release, codes)
                sources = _without(low, high, targets)
                if not targets or not sources:
                    continue
                edge = len(edges)
                edges.append(Edge(where, note.text, str(codes), high - low))
                begins += [(a, b, edge) for a, b in sources]
                ends += [(a, b, edge) for a, b in targets]
    n = len(release)
    return edges, _Stabber(n, begins), _Stabber(n, ends)


def _runs(release: Release, codes: CodeRange) -> list[tuple[int, int]]:
    """Places of a range as half-open runs; a pattern may break it up."""
    low, high = _range_places(release, codes)
    if not codes.pattern:
        return [(low, high)] if low < high else []
    runs: list[tuple[int, int]] = []
    pattern = re.compile(codes.pattern)
    for i in range(low, high):
        if pattern.match(release.codes[i].decode("ascii")):
            if runs and runs[-1][1] == i:
                runs[-1] = (runs[-1][0], i + 1)
            else:
                runs.append((i, i + 1))
    return runs


@lru_cache(maxsize=16)
def _note_groups(release: Release, kind: str) -> dict[str, tuple[NoteGroup, ...]]:
    """Gather the notes of each code, by its key; those of blocks and chapters only remind and are left out."""
    return {
        without_dot(where): _make_groups(release, where, notes)
        for where, (_, _, notes) in _noted(release, kind).items()
        if where in release
    }


def _make_groups(release: Release, where: str, notes: tuple[InstructionalNote, ...]) -> tuple[NoteGroup, ...]:
    groups: list[list[InstructionalNote]] = []
    for note in notes:
        starts = not groups or re.match(r"code\b|\(?if applicable|any\b", note.text, re.I) is not None
        if starts or (groups and not groups[-1][0].text.endswith(":") and len(groups[-1]) == 1 and note.text.endswith(":")):
            groups.append([note])
        else:
            groups[-1].append(note)
    made = []
    for members in groups:
        ranges = tuple(dict.fromkeys(c for note in members for c in note.codes_mentioned))
        places = [_range_places(release, c) for c in ranges]
        words = "; ".join(note.text.strip(" ,") for note in members)
        optional = re.search(
            r"if (?:applicable|known|any|documented|present)|when applicable|where applicable|\bany\b|as applicable", words
        )
        made.append(
            NoteGroup(where, words, ranges, tuple(p[0] for p in places), tuple(p[1] for p in places), optional is not None)
        )
    return tuple(made)


class ReleaseIndex:
    """A release made ready for the edits.

    Parameters
    ----------
    release : Release
        ICD-10-CM. Without a Tabular List its notes are not known, and the edits of notes do not run.
    groups : mapping of str to str
        Name to code expression; see `places_of`. Each name gets a bit in `CodeFacts.mask`.
    lists : mapping of str to sequence of str
        Name to codes, dotted or not, as published; each name gets a bit too.

    Examples
    --------
    >>> from datetime import date
    >>> from codesuggest.codes import Releases
    >>> index = ReleaseIndex(Releases().on(date(2026, 5, 4)), {"hf": "I50"})
    >>> index.facts("I50.23").mask == index.bit["hf"], index.facts("i5023") is not None
    (True, True)
    """

    def __init__(
        self,
        release: Release,
        groups: Mapping[str, str] | None = None,
        lists: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        self.release = release
        self.bit: dict[str, int] = {}
        self._late: list[_Group] = []
        bits: dict[str, int] = {}
        turns: dict[int, int] = {0: 0}  # place to the bits that change there

        def turn(runs: list[tuple[int, int]], bit: int) -> None:
            for low, high in runs:
                turns[low] = turns.get(low, 0) ^ bit
                turns[high] = turns.get(high, 0) ^ bit

        for name, expression in (groups or {}).items():
            if expression not in bits:
                bits[expression] = 1 << len(bits)
                if "title:" in expression or "/" in expression:
                    self._late.append(_Group(release, expression, bits[expression]))
                else:
                    turn(_runs_of(release, expression), bits[expression])
            self.bit[name] = bits[expression]
        for number, (name, codes) in enumerate((lists or {}).items(), len(bits)):
            wanted = np.array(sorted({without_dot(c) for c in codes}), dtype="S7")
            self.bit[name] = 1 << number
            if len(wanted):
                places = np.minimum(release.codes.searchsorted(wanted), len(release) - 1)
                turn([(i, i + 1) for i in places[release.codes[places] == wanted].tolist()], 1 << number)
        self._starts = sorted(turns)
        self._masks = list(accumulate((turns[i] for i in self._starts), xor))
        self.edges: list[Edge] = []
        self._known: dict[str, CodeFacts] = {}
        self._unknown: dict[str, CodeFacts] = {}
        self._first: dict[str, tuple[NoteGroup, ...]] = {}
        if release.has_notes:
            self.edges, self._begins, self._ends = _exclusions(release, "excludes1")
            self._first = _note_groups(release, "code_first")

    def facts(self, code_text: str) -> CodeFacts:
        """Give what is known of a code text; kept, so that the second time costs a look-up."""
        found = self._known.get(code_text)
        if found is None:
            found = self._unknown.get(code_text)
        if found is None:
            found = self._make(code_text)
            if found.i >= 0:
                self._known[code_text] = found
            elif len(self._unknown) < UNKNOWN_KEPT:
                self._unknown[code_text] = found
        return found

    def _make(self, code_text: str) -> CodeFacts:
        release = self.release
        key = without_dot(code_text)
        if key not in release:
            return CodeFacts(code_text.strip().upper())
        i = release.index(key)
        text = with_dot(key)
        if text != code_text:
            return self.facts(text)
        facts = CodeFacts(text)
        facts.i = i
        facts.billable = bool(release.billable[i])
        facts.title = release.title_at(i)
        facts.mask = self._masks[bisect_right(self._starts, i) - 1]
        if release.has_notes:
            facts.begins, facts.ends = self._begins.at(i), self._ends.at(i)
            facts.first = tuple(g for k in _above(key) for g in self._first.get(k, ()) if g.ranges)
        for group in self._late:
            if group.holds(facts):
                facts.mask |= group.bit
        facts.side, facts.base = _side_of(facts.title)
        return facts

    def bilateral(self, facts: CodeFacts) -> str:
        """Give the bilateral code of the same condition, dotted, or an empty text: a neighbour in the tree."""
        core = _SIDE_AND_SITE.sub("", facts.title)
        parent = self.release.parent(facts.text)
        for stem in (parent, self.release.parent(parent) if parent else None):
            for text in self.release.descendants(stem, billable_only=True) if stem else ():
                other = self.facts(text)
                if other.side == "bilateral" and _SIDE_AND_SITE.sub("", other.title) == core != other.title:
                    return text
                if other.title.startswith("Bilateral ") and _words(other.title) == _words(facts.title):
                    return text
        return ""

    def exclusion(self, a: CodeFacts, b: CodeFacts) -> Edge | None:
        """Return the narrowest Excludes1 note that keeps two codes apart, in either direction."""
        shared = (a.begins & b.ends) | (b.begins & a.ends)
        return min((self.edges[e] for e in shared), key=lambda e: (e.size, e.where, e.text, e.named)) if shared else None

    def exclusion2(self, a: CodeFacts, b: CodeFacts) -> Edge | None:
        """Return the narrowest Excludes2 note between two codes, in either direction; the notes are read at the first call."""
        edges, begins, ends = _exclusions(self.release, "excludes2")
        shared = (begins.at(a.i) & ends.at(b.i)) | (begins.at(b.i) & ends.at(a.i))
        return min((edges[e] for e in shared), key=lambda e: (e.size, e.where, e.text, e.named)) if shared else None

    def noted(self, facts: CodeFacts, kind: str) -> tuple[NoteGroup, ...]:
        """Give the notes of a kind at a code and above it, nearest first; the notes are read at the first call."""
        groups = _note_groups(self.release, kind)
        return tuple(g for k in _above(facts.key) for g in groups.get(k, ()))


def _above(key: str) -> list[str]:
    return [key[:n] for n in range(len(key), 2, -1)]  # a code above is always a beginning of the code


def _without(low: int, high: int, holes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Half-open interval minus others that are in order."""
    left, at = [], low
    for a, b in holes:
        if b <= at or a >= high:
            continue
        if a > at:
            left.append((at, a))
        at = max(at, b)
    if at < high:
        left.append((at, high))
    return left


def _words(title: str) -> frozenset[str]:
    """Words of a title without those of its side: "Bilateral … of knee" is "Unilateral …, right knee" but for these."""
    return frozenset(re.findall(r"[a-z]+", title.lower())) - {"bilateral", "unilateral", "right", "left", "of"}


def _side_of(title: str) -> tuple[str, str]:
    """Side in a title, and the title without it; two empty texts when no side, or two, are named."""
    found = {m[1] or "unspecified" for m in _SIDE.finditer(title)}
    if len(found) != 1:
        return "", ""
    side = found.pop()
    base = re.sub(r"\s+", " ", _SIDE.sub("", title).replace("eyes", "eye").replace("ears", "ear"))
    return ("bilateral" if side == "both" else side), base.strip(" ,")
