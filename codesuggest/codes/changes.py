"""What changed between two releases, and where a deleted code went.

Decision: CMS's conversion table names successors, but is not among the files a release is compiled from; so successors are
worked out from the tree and the titles, and what rests on titles carries a ``score`` for a person to judge. A reader of the
conversion table would replace the guess where it speaks.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass

from codesuggest.codes.release import Release
from codesuggest.errors import ConfigError

__all__ = ["AddedCode", "Changes", "DeletedCode", "NewHeader", "RetitledCode", "Successor", "diff"]

MIN_SCORE = 0.4
MAX_SUCCESSORS = 3


@dataclass(frozen=True, slots=True)
class AddedCode:
    """A code the newer release has and the older had not; dotted."""

    code: str
    title: str
    billable: bool


@dataclass(frozen=True, slots=True)
class Successor:
    """Where a code may have gone.

    ``relation`` is ``"child"`` (split below itself, the seventh character kept), ``"parent"`` (taken up by the code above, now
    billable) or ``"title"`` (the most similar title). ``score`` in [0, 1] is the similarity of the titles, not a probability:
    the share of their words that they have in common, rare words weighing more.
    """

    code: str
    title: str
    relation: str
    score: float


@dataclass(frozen=True, slots=True)
class DeletedCode:
    """A code the newer release has not; successors best first, empty when nothing resembles it."""

    code: str
    title: str
    billable: bool
    successors: tuple[Successor, ...]


@dataclass(frozen=True, slots=True)
class RetitledCode:
    """A code whose title changed in more than accents, case or blanks."""

    code: str
    old_title: str
    new_title: str


@dataclass(frozen=True, slots=True)
class NewHeader:
    """A code that was billable and no more is: it was split into the codes below it."""

    code: str
    title: str
    successors: tuple[Successor, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """All changes from one release to another, each list in the order of the codes.

    Examples
    --------
    >>> Changes("a", "b", (), (), (), (), ()).is_empty
    True
    """

    old: str
    new: str
    added: tuple[AddedCode, ...]
    deleted: tuple[DeletedCode, ...]
    retitled: tuple[RetitledCode, ...]
    became_header: tuple[NewHeader, ...]
    became_billable: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return not (self.added or self.deleted or self.retitled or self.became_header or self.became_billable)


def _plain(title: str) -> str:
    folded = unicodedata.normalize("NFKD", title)
    return " ".join("".join(c for c in folded if not unicodedata.combining(c)).casefold().split())


def _words(title: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9]+", _plain(title)))


class _Titles:
    """Titles of the newer release, ready to be searched for the most similar."""

    def __init__(self, release: Release, places: list[int]) -> None:
        self.words = {i: _words(release.title_at(i)) for i in places}
        self.holders: dict[str, list[int]] = defaultdict(list)
        for i in places:
            for word in sorted(self.words[i]):
                self.holders[word].append(i)
        self.n = max(len(places), 1)

    def weight(self, words: frozenset[str]) -> float:
        return math.fsum(math.log1p(self.n / (1 + len(self.holders.get(word, ())))) for word in words)

    def similarity(self, words: frozenset[str], others: frozenset[str]) -> float:
        total = self.weight(words | others)
        return round(self.weight(words & others) / total, 4) if total else 0.0

    def nearest(self, words: frozenset[str]) -> list[tuple[float, int]]:
        """Places that share most of the rarer words, with their scores, best first."""
        known = sorted((word for word in words if word in self.holders), key=lambda word: (len(self.holders[word]), word))
        shared: defaultdict[int, float] = defaultdict(float)
        for word in known[:6]:
            weight = self.weight(frozenset((word,)))
            for i in self.holders[word]:
                shared[i] += weight
        likely = sorted(shared, key=lambda i: (-round(shared[i], 9), i))[:200]
        return sorted(((self.similarity(words, self.words[i]), i) for i in likely), key=lambda pair: (-pair[0], pair[1]))


def _scored(words: frozenset[str], codes: list[str], new: Release, titles: _Titles, relation: str) -> tuple[Successor, ...]:
    """Score codes of the newer release by title, best first."""
    places = [new.index(code) for code in codes]
    found = [(titles.similarity(words, _words(new.title_at(place))), place) for place in places]
    found.sort(key=lambda pair: (-pair[0], pair[1]))
    return tuple(Successor(new.text(place), new.title_at(place), relation, score) for score, place in found)


def _successors(old: Release, i: int, new: Release, titles: _Titles) -> tuple[Successor, ...]:
    code, words = old.text(i), _words(old.title_at(i))
    seventh = code[-1] if len(code) == 8 else ""  # the dot counts
    above = next((a for a in old.ancestors(code) if a in new), None)
    if old.billable[i] and above is not None:
        if new.is_billable(above) and not old.is_billable(above):
            return _scored(words, [above], new, titles, "parent")
        if seventh and above == old.parent(code):  # S30.1XXA when S30.1 was split: S30.11XA, never S30.11XD
            below = [text for text in new.descendants(above, billable_only=True) if len(text) == 8 and text[-1] == seventh]
            if below:
                return _scored(words, below, new, titles, "child")
    category = code[:3]
    found = [
        (score, place)
        for score, place in titles.nearest(words)
        if score >= MIN_SCORE and (not seventh or len(text := new.text(place)) < 8 or text[-1] == seventh)
    ]
    found.sort(key=lambda pair: (-pair[0], new.text(pair[1])[:3] != category, pair[1]))
    return tuple(Successor(new.text(p), new.title_at(p), "title", score) for score, p in found[:MAX_SUCCESSORS])


def diff(old: Release, new: Release) -> Changes:
    """Compare two releases of a code system.

    Parameters
    ----------
    old, new : Release
        Of the same system; the older first.

    Returns
    -------
    Changes
        Codes dotted, in order. A deleted billable code is matched with billable codes only, a header with headers.

    Raises
    ------
    ConfigError
        If the systems differ (CS122).

    Notes
    -----
    Titles that differ in accents, case or blanks alone count as the same, because the order file leaves accents off.
    About two seconds for five years of ICD-10-CM.

    References
    ----------
    CMS publishes addenda and a conversion table with each release; this is worked out from the releases alone.

    Examples
    --------
    >>> from datetime import date
    >>> from codesuggest.codes import Releases
    >>> release = Releases().on(date(2026, 5, 4))
    >>> diff(release, release).is_empty
    True
    """
    if old.system != new.system:
        msg = f"Two systems cannot be compared: {old.system} and {new.system}. Expected releases of one. Choose another release."
        raise ConfigError("CS122", msg)
    old_places = {text: i for i, text in enumerate(old.codes.tolist())}
    new_places = {text: i for i, text in enumerate(new.codes.tolist())}
    common = [(i, new_places[text]) for text, i in old_places.items() if text in new_places]
    gone = [i for text, i in old_places.items() if text not in new_places]
    split = [(i, j) for i, j in common if old.billable[i] and not new.billable[j]]
    by_flag: dict[bool, _Titles] = {}
    for flag in (True, False):
        if any(bool(old.billable[i]) == flag for i in gone) or (split and flag):
            by_flag[flag] = _Titles(new, [j for j in range(len(new)) if bool(new.billable[j]) == flag])
    headers = []
    for i, j in split:
        below = list(new.descendants(new.text(j), billable_only=True))
        successors = _scored(_words(old.title_at(i)), below, new, by_flag[True], "child")
        headers.append(NewHeader(new.text(j), new.title_at(j), successors))
    retitled = [
        RetitledCode(old.text(i), before, after)
        for i, j in common
        if (before := old.title_at(i)) != (after := new.title_at(j)) and _plain(before) != _plain(after)
    ]
    return Changes(
        old=old.name,
        new=new.name,
        added=tuple(
            AddedCode(new.text(j), new.title_at(j), bool(new.billable[j]))
            for text, j in new_places.items()
            if text not in old_places
        ),
        deleted=tuple(
            DeletedCode(
                old.text(i), old.title_at(i), bool(old.billable[i]), _successors(old, i, new, by_flag[bool(old.billable[i])])
            )
            for i in gone
        ),
        retitled=tuple(retitled),
        became_header=tuple(headers),
        became_billable=tuple(new.text(j) for i, j in common if new.billable[j] and not old.billable[i]),
    )
