"""Phrases of the tables, as a clinician writes them, found in a note in one pass over its words.

A phrase is words with single spaces. ``hyponatr*`` is any word that begins so; ``(left/right) hip`` stands for both;
``..3`` lets up to three words stand between; ``PE`` in capitals is found in capitals alone; ``-sepsis protocol`` is a
longer phrase that is not meant, and takes its words away. ``#`` is any number. Hyphens, slashes and apostrophes of the
note separate words, and so do digits and letters: ``a1c`` is three words.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from codesuggest.errors import ConfigError

__all__ = ["Found", "PhraseTable", "Words", "read_words"]

_TOKEN = re.compile(r"[A-Za-z]+|\d+(?:\.\d+)?|[.;:?!](?=\s|$)|[,()]|\n[^\S\n]*(?:\n\s*|[-*•#>]+|\d+[.)](?=\s))?")
_SENTENCE_END = frozenset(".;?!")
_GROUP = re.compile(r"\(([^()]+)\)")
_PART = re.compile(r"\.\.\d+|[A-Za-z]+\*?|\d+(?:\.\d+)?\*?|#")
_WRAPPED = 58  # characters of a line from which the next one goes on with its sentence


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a note.

    Parameters
    ----------
    lowers, given : list of str
        Each word in small letters, and as written.
    starts, ends : list of int
        Characters of the note.
    sentence : list of int
        Number of the sentence of each word; a line of a list is one.
    clause : list of int
        Number of the clause: a sentence cut at commas, colons and brackets.
    """

    lowers: list[str]
    given: list[str]
    starts: list[int]
    ends: list[int]
    sentence: list[int]
    clause: list[int]


def read_words(text: str) -> Words:
    r"""Cut a text into words.

    Examples
    --------
    >>> words = read_words("Na 124 (L).\n- No AKI; creatinine 0.9")
    >>> list(zip(words.given, words.sentence))
    [('Na', 0), ('124', 0), ('L', 0), ('No', 1), ('AKI', 1), ('creatinine', 2), ('0.9', 2)]
    """
    lowers: list[str] = []
    given: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    sentences: list[int] = []
    clauses: list[int] = []
    sentence = clause = line = 0
    fresh = True
    for m in _TOKEN.finditer(text):
        word = m.group()
        first = word[0]
        if first.isalnum():
            lowers.append(word.lower())
            given.append(word)
            starts.append(m.start())
            ends.append(m.end())
            sentences.append(sentence)
            clauses.append(clause)
            fresh = False
            continue
        if first == "\n":
            wraps = len(word) == 1 and m.start() - line >= _WRAPPED
            line = m.end()
            if wraps:
                continue
        elif first not in _SENTENCE_END:
            clause += 1
            continue
        if not fresh:
            sentence += 1
            clause += 1
            fresh = True
    return Words(lowers, given, starts, ends, sentences, clauses)


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """A phrase in a note: its first and last word, and the name it stands under."""

    first: int
    last: int
    name: str


@dataclass(slots=True)
class _Node:
    """A place in the tree of phrases: what may come next, what may come after a gap, what ends here."""

    next: dict[int, _Node] = field(default_factory=dict)
    after_gap: dict[int, _Node] = field(default_factory=dict)
    ends: list[tuple[str, bool]] = field(default_factory=list)


class PhraseTable:
    """Finds the phrases of many names at once.

    Parameters
    ----------
    phrases : mapping of str to str
        Name to its phrases, separated by ``;``.

    Raises
    ------
    ConfigError
        CS452 when a phrase is empty, begins with a gap, or holds a mark that is no part of a word.

    Examples
    --------
    >>> table = PhraseTable({"aki": "acute kidney injur*; aki", "pe": "PE"})
    >>> [f.name for f in table.find(read_words("AKI resolved; PE normal. Acute kidney injury."))]
    ['aki', 'pe', 'aki']
    """

    def __init__(self, phrases: Mapping[str, str]) -> None:
        self.names = frozenset(phrases)
        self._root = _Node()
        self._parts: dict[str, int] = {}
        for name, line in phrases.items():
            for written in line.split(";"):
                for phrase in _expand(" ".join(written.split())):
                    self._add(name, phrase)
        self._by_start: dict[str, list[tuple[str, int]]] = {}
        for part, number in self._parts.items():
            if part[-1] == "*":
                self._by_start.setdefault(part[:2].lower(), []).append((part[:-1].lower(), number))
        self._numbers_of: dict[str, tuple[int, ...]] = {}

    def _add(self, name: str, phrase: str) -> None:
        parts = _PART.findall(phrase)
        if not parts or parts[0].startswith("..") or _PART.sub("", phrase.removeprefix("-")).strip():
            raise ConfigError(
                "CS452",
                f"The phrase {phrase!r} of {name!r} is empty, begins with a gap, or holds a mark that is no part of a word. "
                "Expected words, numbers, '*', '#' and '..3' between words. Mend the line of the table.",
            )
        node = self._root
        gap = 0
        for part in parts:
            if part.startswith(".."):
                gap = int(part[2:])
                continue
            number = self._parts.setdefault(part, len(self._parts))
            if gap:
                node = node.after_gap.setdefault(gap, _Node())
                gap = 0
            node = node.next.setdefault(number, _Node())
        node.ends.append((name, phrase.startswith("-")))

    def _numbers(self, word: str) -> tuple[int, ...]:
        """Return the parts that a word of a note is."""
        lower = word.lower()
        found = [number for start, number in self._by_start.get(lower[:2], ()) if lower.startswith(start)]
        if lower in self._parts:
            found.append(self._parts[lower])
        if len(word) > 1 and word.isupper() and word in self._parts:
            found.append(self._parts[word])
        if word[0].isdigit() and "#" in self._parts:
            found.append(self._parts["#"])
        if len(self._numbers_of) < 60_000:
            self._numbers_of[word] = tuple(found)
        return tuple(found)

    def find(self, words: Words) -> list[Found]:
        """Find every phrase, in the order of the text; a shorter one inside a longer one of its name is left out."""
        known = self._numbers_of
        numbers = [known[w] if w in known else self._numbers(w) for w in words.given]
        raw: dict[str, list[tuple[int, int, bool]]] = {}
        begin = self._root.next
        n = len(numbers)
        stops = [n] * n  # where the sentence of each word ends
        for i in range(n - 2, -1, -1):
            stops[i] = stops[i + 1] if words.sentence[i] == words.sentence[i + 1] else i + 1
        for first, parts in enumerate(numbers):
            for part in parts:
                node = begin.get(part)
                if node is None:
                    continue
                stop = stops[first]
                todo = [(node, first)]
                while todo:
                    node, last = todo.pop()
                    for name, is_excluded in node.ends:
                        raw.setdefault(name, []).append((first, last, is_excluded))
                    at = last + 1
                    if at == stop:
                        continue
                    following = node.next
                    if following:
                        for p in numbers[at]:
                            if p in following:
                                todo.append((following[p], at))
                    for gap, after in node.after_gap.items():
                        following = after.next
                        for place in range(at, at + gap + 1 if at + gap < stop else stop):
                            for p in numbers[place]:
                                if p in following:
                                    todo.append((following[p], place))
        result: list[Found] = []
        for name, hits in raw.items():
            kept = _longest(hits) if len(hits) > 1 else hits
            result.extend(Found(first, last, name) for first, last, is_excluded in kept if not is_excluded)
        result.sort()
        return result


def _longest(hits: list[tuple[int, int, bool]]) -> list[tuple[int, int, bool]]:
    """Leave out what lies within another; of two at one place the one that is not meant wins."""
    kept: list[tuple[int, int, bool]] = []
    reach = -1
    for first, last, is_excluded in sorted(set(hits), key=lambda h: (h[0], -h[1], not h[2])):
        if last > reach:
            kept.append((first, last, is_excluded))
            reach = last
    return kept


def _expand(phrase: str) -> Iterable[str]:
    """Write ``(a/b) c`` out as ``a c`` and ``b c``; an empty alternative leaves the words out."""
    m = _GROUP.search(phrase)
    if m is None:
        return [phrase] if phrase else []
    choices = [phrase[: m.start()] + choice + phrase[m.end() :] for choice in m.group(1).split("/")]
    return list(itertools.chain.from_iterable(_expand(" ".join(c.split())) for c in choices))
