"""Codes while typing: by code, by the words of titles and inclusion terms, and by terms that are handed in.

Every word typed must begin a word of the entry, in any order; small words and the plural s do not count. Entries with the very words
come first, those with no other words before the rest, then those that begin with the first word, then billable codes, then the
shortest; words that a title adds when the record says no more (unspecified, initial encounter, closed) do not make it longer.

Decision (2026-11): an inverted index in numpy arrays, built in about two seconds and kept in memory. A full-text index of SQLite ranks
by rarity, which puts the longest injury titles first, and PostgreSQL's differs from it. What would change our mind: releases so many
that the indexes do not fit in memory.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesuggest.codes.code import without_dot
from codesuggest.codes.release import Release

__all__ = ["CodeSearch", "Match"]

_WORD = re.compile(r"[a-z0-9]+")
_CODE = re.compile(r"[A-Za-z0-9]{1,3}(?:\.[A-Za-z0-9]{0,4})?|[A-Za-z0-9]{1,7}")
_SMALL = frozenset("a an and at by due for from in of on or the to with".split())
_DEFAULT = frozenset("unspecified initial encounter closed".split())  # in titles, when the record says no more
_MAX_QUERY_WORDS = 12
_AFTER_LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Match:
    """A code that fits what was typed.

    Parameters
    ----------
    code : str
        Dotted.
    title : str
    billable : bool
    matched : str
        The term that matched when it is not the title; else empty.
    """

    code: str
    title: str
    billable: bool
    matched: str = ""


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text.casefold())
    found = _WORD.findall(plain if plain.isascii() else "".join(c for c in plain if not unicodedata.combining(c)))
    return [_stem(w) for w in found if w not in _SMALL] or [_stem(w) for w in found]


def _stem(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


class CodeSearch:
    """Search of one release.

    Parameters
    ----------
    release : Release
    terms : iterable of (str, str)
        Further wordings with the dotted code they lead to, such as those of the lexicon or the index; of codes that the release does
        not hold they are passed over.

    Examples
    --------
    >>> from datetime import date
    >>> from codesuggest.codes import Releases
    >>> search = CodeSearch(Releases().on(date(2026, 5, 4)), [("heart attack", "I21.9")])
    >>> [m.code for m in search.find("I50.2", limit=3)]
    ['I50.2', 'I50.20', 'I50.21']
    >>> search.find("heart att")[0].code, search.find("heart att")[0].matched
    ('I21.9', 'heart attack')
    """

    def __init__(self, release: Release, terms: Iterable[tuple[str, str]] = ()) -> None:
        self.release = release
        self._matched: list[str] = []
        places: list[int] = []
        words_of: list[list[str]] = []
        seen: set[tuple[int, str]] = set()

        def add(place: int, text: str, matched: str) -> None:
            words = _words(text)
            key = (place, " ".join(sorted(words)))
            if words and key not in seen:
                seen.add(key)
                places.append(place)
                words_of.append(words)
                self._matched.append(matched)

        for i in range(len(release)):
            add(i, release.title_at(i), "")
        if release.has_notes:
            for code, term in release.inclusion_terms():
                add(release.index(code), term, term)
        for term, code in terms:
            if code in release:
                add(release.index(code), term, term)
        self._places: NDArray[Any] = np.array(places, dtype=np.int32)
        n_words = np.array([len(w) for w in words_of], dtype=np.int32)
        self._vocabulary = sorted({w for words in words_of for w in words})
        number = {w: i for i, w in enumerate(self._vocabulary)}
        word_ids = np.array([number[w] for words in words_of for w in words], dtype=np.int32)
        entry_ids = np.repeat(np.arange(len(words_of), dtype=np.int32), n_words)
        order = np.argsort(word_ids, kind="stable")
        self._entries: NDArray[Any] = entry_ids[order]
        self._starts: NDArray[Any] = np.searchsorted(word_ids[order], np.arange(len(self._vocabulary) + 1))
        self._first: NDArray[Any] = np.array([number[w[0]] for w in words_of], dtype=np.int32)
        length = np.array([len(set(w) - _DEFAULT) for w in words_of], dtype=np.int64)
        self._length: NDArray[Any] = length
        billable = release.billable[self._places].astype(np.int64)
        # smaller is better: billable, few words, title before term, then the order of the codes
        is_term = np.array([bool(m) for m in self._matched], dtype=np.int64)
        rank = np.lexsort((self._places, is_term, length, 1 - billable))
        self._rank: NDArray[Any] = np.empty(len(rank), dtype=np.int64)
        self._rank[rank] = np.arange(len(rank))

    def find(self, typed: str, *, limit: int = 20) -> tuple[Match, ...]:
        """Find the codes that fit what was typed so far, best first, each once.

        Parameters
        ----------
        typed : str
            The beginning of a code, with or without the dot, or words.
        limit : int, at least 1
        """
        typed = typed[:200].strip()
        found: dict[int, str] = {}
        if _CODE.fullmatch(typed):
            low, high = self._range_of_code(without_dot(typed, self.release.system))
            found.update(dict.fromkeys(range(low, min(high, low + limit)), ""))
        for entry in self._ranked(typed, limit * 8):
            if len(found) >= limit:
                break
            found.setdefault(int(self._places[entry]), self._matched[entry])
        release = self.release
        return tuple(
            Match(release.text(i), release.title_at(i), bool(release.billable[i]), matched)
            for i, matched in list(found.items())[:limit]
        )

    def _range_of_code(self, prefix: str) -> tuple[int, int]:
        if not prefix.isascii() or not prefix:
            return 0, 0
        codes = self.release.codes
        low = int(codes.searchsorted(np.bytes_(prefix.encode("ascii"))))
        return low, max(low, int(codes.searchsorted(np.bytes_(prefix.ljust(7, "~").encode("ascii")), side="right")))

    def _ranked(self, typed: str, limit: int) -> list[int]:
        words = _words(typed)[:_MAX_QUERY_WORDS]
        if not words:
            return []
        n = len(self._places)
        fits = np.ones(n, dtype=bool)
        whole = np.zeros(n, dtype=np.int64)
        begins = np.zeros(n, dtype=bool)
        for i, word in enumerate(words):
            low = bisect_left(self._vocabulary, word)
            high = bisect_left(self._vocabulary, word + _AFTER_LAST)
            here = np.zeros(n, dtype=bool)
            here[self._entries[self._starts[low] : self._starts[high]]] = True
            fits &= here
            if low < high and self._vocabulary[low] == word:
                here[:] = False
                here[self._entries[self._starts[low] : self._starts[low + 1]]] = True
                whole += here
            if i == 0:
                begins = (self._first >= low) & (self._first < high)
        candidates = np.flatnonzero(fits)
        if not len(candidates):
            return []
        has_more = self._length[candidates] > len(set(words) - _DEFAULT)
        key = (len(words) - whole[candidates]) * 4 + has_more * 2 + ~begins[candidates]
        key = key * n + self._rank[candidates]
        if len(candidates) > limit:
            nearest = np.argpartition(key, limit)[:limit]
            candidates, key = candidates[nearest], key[nearest]
        return [int(e) for e in candidates[np.argsort(key, kind="stable")]]
