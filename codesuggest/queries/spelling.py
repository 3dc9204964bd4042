"""Thousands of names looked for in one pass: a table of phrases becomes one regular expression shaped as a tree of letters.

Decision (2026-11): a generated pattern of the standard library. An alternation of all names tries each in turn at every
word (70 ms a note); as a tree, shared beginnings are read once, and only at words that
begin a name (under 1 ms). What would change our mind: ten times the names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["Names", "folded", "key_of", "read_table", "words_of"]

_GAP = re.compile(r"[\s\-–]+")
_LEAF = ""
_WORD = re.compile(r"[^\W\d_]+|\d+|<")


def folded(text: str) -> str:
    """Lower case of the same length, so that offsets stay.

    Examples
    --------
    >>> len(folded("İstanbul Hgb")) == len("İstanbul Hgb")
    True
    """
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def key_of(name: str) -> str:
    r"""How a name is compared: lower case, one space for any run of blanks and hyphens.

    Examples
    --------
    >>> key_of("NT-proBNP"), key_of("Alk\n Phos")
    ('nt probnp', 'alk phos')
    """
    return _GAP.sub(" ", folded(name))


def words_of(lower: str) -> list[tuple[str, int]]:
    """Cut a folded text into runs of letters and of digits, each with its place."""
    return [(m[0], m.start()) for m in _WORD.finditer(lower)]


class Names:
    """Names that are looked for together.

    Parameters
    ----------
    names : iterable of str
        As :func:`key_of` gives them. A space matches blanks and hyphens.

    Examples
    --------
    >>> text = "ck-mb 5, k3.1, back"
    >>> [m.group() for m in Names(["k", "ck", "ck mb"]).find(text, words_of(text))]
    ['ck-mb', 'k']
    """

    def __init__(self, names: Iterable[str]) -> None:
        tree: dict[str, Any] = {}
        first = set()
        for name in names:
            m = _WORD.match(name)
            if m is not None:
                first.add(m[0])
            node = tree
            for letter in name:
                node = node.setdefault(letter, {})
            node[_LEAF] = {}
        self._first = frozenset(first)
        self._match = re.compile(r"(?<![^\W_])" + _grow(tree) + r"(?![^\W\d_])(?!(?<=\d)\d)").match

    def find(self, lower: str, words: Iterable[tuple[str, int]]) -> Iterator[re.Match[str]]:
        """Yield the longest name at each of the words of a folded text, from left to right, none inside another."""
        first, match, done = self._first, self._match, 0
        for word, start in words:
            if word in first and start >= done:
                m = match(lower, start)
                if m is not None:
                    done = m.end()
                    yield m


def _grow(node: dict[str, Any]) -> str:
    branches = []
    for letter, below in sorted(node.items()):
        if letter != _LEAF:
            branches.append((r"[\s\-–]{1,3}" if letter == " " else re.escape(letter)) + _grow(below))
    if not branches:
        return ""
    inner = branches[0] if len(branches) == 1 else "(?:" + "|".join(branches) + ")"
    return f"(?:{inner})?" if _LEAF in node else inner


def read_table(text: str) -> Iterator[dict[str, str]]:
    """Rows of a tab-separated table with a line of column names; lines that begin with "#" are for the reader."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    columns = lines[0].split("\t")
    for line in lines[1:]:
        yield dict(zip(columns, line.split("\t"), strict=True))
