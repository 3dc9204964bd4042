"""Surface forms: the words that coders confirmed as evidence, found again in other notes.

A form is the set of stems of one piece of evidence, without the function words of the language (stems of three letters or
fewer that stand in a quarter of the notes). It is found wherever all of its stems stand near one another, in any order and
with words between; stems of evidence that was marked in several pieces may stand further apart. How a mention matches is
kept (`LEVELS`), and so is whether a longer form covers it, because both decide how often the code is right.

What a model keeps of forms, and what not, is decided by :func:`is_private`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesuggest.learn.words import SENTENCE, Tokens

__all__ = ["LEVELS", "MAX_STEMS", "N_CLASSES", "Batch", "FormTable", "Mentions", "batch_of", "expand", "is_private"]

MAX_STEMS = 8
LEVELS = ("together", "near", "same sentence", "same note")
"""How a form is found: no content word between; one or two; up to eight; anywhere in the note (evidence in several pieces)."""
N_CLASSES = 2 * len(LEVELS)
"""Every level, alone or covered by a longer form."""
_WINDOW = 10

Ints = NDArray[np.int32]
_PRIVATE = re.compile(r"\d[\d\s./:-]{4,}\d|\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}|@|www\.|https?:|\b[A-Za-z]{1,3}\d{4,}\b|\b\d{5,}\b")


def is_private(text: str) -> bool:
    """Whether the words of a form may identify a person: dates, numbers of five digits or more, addresses on the net.

    Examples
    --------
    >>> is_private("ingreso 12/03/2019"), is_private("diabetes tipo 2")
    (True, False)
    """
    return _PRIVATE.search(text) is not None


def expand(start: NDArray[np.int64], count: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for ranges ``start[i] : start[i] + count[i]`` the owner ``i`` and the value of every member.

    Examples
    --------
    >>> [a.tolist() for a in expand(np.array([5, 9]), np.array([2, 1]))]
    [[0, 0, 1], [5, 6, 9]]
    """
    owner = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    return owner, np.repeat(start, count) + within


@dataclass(frozen=True, slots=True)
class Batch:
    """The words of several notes, one after another.

    Parameters
    ----------
    tokens : Tokens
        Characters are those of each word's own note.
    note : int32 array
        Note of each word, ascending from 0.
    first : int64 array, length n_notes + 1
        First word of each note.
    content : int64 array
        Words that are not function words.
    """

    tokens: Tokens
    note: Ints
    first: NDArray[np.int64]
    content: NDArray[np.int64]

    @property
    def n_notes(self) -> int:
        """Number of notes."""
        return len(self.first) - 1


def batch_of(notes: Sequence[Tokens], function_words: NDArray[np.uint32]) -> Batch:
    """Put the words of notes together; `function_words` holds sorted stems."""
    size = np.array([len(t) for t in notes], np.int64)
    tokens = Tokens(*(np.concatenate([getattr(t, name) for t in notes]) for name in Tokens.__slots__))
    first = np.concatenate(([0], np.cumsum(size)))
    return Batch(
        tokens,
        np.repeat(np.arange(len(notes), dtype=np.int32), size),
        first,
        np.flatnonzero(~_in_sorted(tokens.stem, function_words)),
    )


def _in_sorted(values: NDArray[np.uint32], table: NDArray[np.uint32]) -> NDArray[np.bool_]:
    if not len(table):
        return np.zeros(len(values), bool)
    place = np.minimum(np.searchsorted(table, values), len(table) - 1)
    hit: NDArray[np.bool_] = table[place] == values
    return hit


@dataclass(frozen=True, slots=True)
class Mentions:
    """Forms found in a batch, in the order of (first word, form).

    Parameters
    ----------
    form, note : int32 arrays
    words : int64 array of shape (n, MAX_STEMS)
        Places of the words in the batch, ascending, filled up with -1.
    first, last : int64 arrays
        First and last word.
    gap : int32 array
        Content words between them that are not of the form.
    level : uint8 array
        Place in `LEVELS`.
    covered : bool array
        Whether a longer form holds all of its words.
    in_order : bool array
        Whether the stems stand in the order they were learned in.
    """

    form: Ints
    note: Ints
    words: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    gap: Ints
    level: NDArray[np.uint8]
    covered: NDArray[np.bool_]
    in_order: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.form)

    @property
    def kind(self) -> NDArray[np.int64]:
        """Level and cover as one number, 0 to `N_CLASSES` - 1."""
        return self.level.astype(np.int64) * 2 + self.covered


class FormTable:
    """Forms ready to be found.

    Parameters
    ----------
    stems : uint32 array of shape (n_forms, MAX_STEMS)
        The rarest stem first, filled up with 0.
    order : uint8 array of the same shape
        Place of each stem in the order it was learned in.
    far : bool array of shape (n_forms,)
        Whether the form was marked in pieces far apart, so that it is looked for in the whole note.
    """

    def __init__(self, stems: NDArray[np.uint32], order: NDArray[np.uint8], far: NDArray[np.bool_]) -> None:
        self.stems, self.order, self.far = stems, order, far
        self.size = (stems != 0).sum(axis=1).astype(np.int64)
        self._by_anchor = np.argsort(stems[:, 0], kind="stable") if len(stems) else np.zeros(0, np.int64)
        self._anchors, first = (
            np.unique(stems[self._by_anchor, 0], return_index=True) if len(stems) else (stems[:, 0], np.zeros(0, np.int64))
        )
        self._first = np.concatenate((first, [len(stems)])).astype(np.int64)

    def __len__(self) -> int:
        return len(self.stems)

    @classmethod
    def of(cls, forms: Iterable[tuple[Sequence[int], bool]], rarity: dict[int, int]) -> FormTable:
        """Build from (stems in order, far apart); `rarity` is the number of notes of each stem."""
        rows = list(forms)
        stems = np.zeros((len(rows), MAX_STEMS), np.uint32)
        order = np.zeros((len(rows), MAX_STEMS), np.uint8)
        far = np.zeros(len(rows), bool)
        for i, (members, apart) in enumerate(rows):
            by_rarity = sorted(range(len(members)), key=lambda j: (rarity.get(members[j], 0), members[j]))
            for k, j in enumerate(by_rarity):
                stems[i, k], order[i, k] = members[j], j
            far[i] = apart
        return cls(stems, order, far)

    def extended(self, more: FormTable, far: NDArray[np.bool_]) -> FormTable:
        """Return this table with the forms of another after its own, and `far` for all of them."""
        return FormTable(np.concatenate([self.stems, more.stems]), np.concatenate([self.order, more.order]), far)

    def find(self, batch: Batch) -> Mentions:
        """Find every form in a batch."""
        sequence = batch.tokens.stem[batch.content]
        sentence = np.cumsum(batch.tokens.before >= SENTENCE)[batch.content]
        n = len(sequence)
        if not n or not len(self):
            return _no_mentions()
        place = np.minimum(np.searchsorted(self._anchors, sequence), len(self._anchors) - 1)
        at = np.flatnonzero(self._anchors[place] == sequence)
        owner, rank = expand(self._first[place[at]], self._first[place[at] + 1] - self._first[place[at]])
        where, form = at[owner], self._by_anchor[rank]
        found = np.full((len(form), MAX_STEMS), -1, np.int64)
        found[:, 0] = where
        alive = np.ones(len(form), bool)
        apart = np.zeros(len(form), bool)
        for k in range(1, MAX_STEMS):
            rows = np.flatnonzero(alive & (self.stems[form, k] != 0))
            if not len(rows):
                break
            wanted, here = self.stems[form[rows], k], where[rows]
            open_ = np.arange(len(rows))
            for step in (s for d in range(1, _WINDOW + 1) for s in (d, -d)):
                target = here[open_] + step
                inside = (target >= 0) & (target < n)
                target = np.where(inside, target, 0)
                hit = inside & (sequence[target] == wanted[open_]) & (sentence[target] == sentence[here[open_]])
                found[rows[open_[hit]], k] = target[hit]
                open_ = open_[~hit]
                if not len(open_):
                    break
            missing = rows[open_]
            far = self.far[form[missing]]
            alive[missing[~far]] = False
            self._anywhere(batch, sequence, form, missing[far], k, found, alive)
            apart[missing[far]] = True
        keep = np.flatnonzero(alive)
        return self._mentions(batch, form[keep], found[keep], apart[keep])

    def _anywhere(
        self,
        batch: Batch,
        sequence: NDArray[np.uint32],
        form: NDArray[np.int64],
        rows: NDArray[np.int64],
        k: int,
        found: NDArray[np.int64],
        alive: NDArray[np.bool_],
    ) -> None:
        """Find the k-th stem of `rows` nearest to the first in the whole note."""
        if not len(rows):
            return
        note = batch.note[batch.content].astype(np.uint64)
        key = (note << np.uint64(32)) | sequence
        by_key = np.argsort(key, kind="stable")
        ordered = key[by_key]
        here = found[rows, 0]
        wanted = (note[here] << np.uint64(32)) | self.stems[form[rows], k]
        lo, hi = np.searchsorted(ordered, wanted), np.searchsorted(ordered, wanted, side="right")
        for row, a, b, at in zip(rows.tolist(), lo.tolist(), hi.tolist(), here.tolist(), strict=True):
            if a == b:
                alive[row] = False
            else:
                places = by_key[a:b]
                found[row, k] = places[int(np.argmin(np.abs(places - at)))]

    def _mentions(
        self,
        batch: Batch,
        form: NDArray[np.int64],
        found: NDArray[np.int64],
        apart: NDArray[np.bool_],
    ) -> Mentions:
        size = self.size[form]
        filled = found >= 0
        big = np.iinfo(np.int64).max
        low = np.where(filled, found, big).min(axis=1, initial=big)
        high = found.max(axis=1, initial=-1)
        gap = high - low + 1 - size
        level = np.select([apart, gap <= 0, gap <= 2], [3, 0, 1], 2).astype(np.uint8)
        # the words in the order they were learned in
        by_order = np.argsort(np.where(filled, self.order[form], 255), axis=1, kind="stable")
        learned = np.take_along_axis(found, by_order, axis=1)
        in_order = np.all((learned[:, 1:] > learned[:, :-1]) | (learned[:, 1:] < 0), axis=1)
        words = np.sort(np.where(filled, found, big), axis=1)
        words = np.where(words == big, -1, batch.content[np.minimum(words, len(batch.content) - 1)])
        # every place once for a form: the same words are found from each repetition of the first stem
        order = np.lexsort((form, high, low))
        columns: list[NDArray[Any]] = [form, words, low, high, gap, level, in_order]
        form, words, low, high, gap, level, in_order = (a[order] for a in columns)
        same = np.zeros(len(form), bool)
        same[1:] = (form[1:] == form[:-1]) & (words[1:] == words[:-1]).all(axis=1)
        columns = [form, words, low, high, gap, level, in_order]
        form, words, low, high, gap, level, in_order = (a[~same] for a in columns)
        covered = self._covered(form, low, high, level, len(batch.content))
        first = batch.content[low] if len(low) else low
        last = batch.content[high] if len(high) else high
        return Mentions(
            form.astype(np.int32), batch.note[first], words, first, last, gap.astype(np.int32), level, covered, in_order
        )

    def _covered(
        self,
        form: NDArray[np.int64],
        low: NDArray[np.int64],
        high: NDArray[np.int64],
        level: NDArray[np.uint8],
        n: int,
    ) -> NDArray[np.bool_]:
        size = self.size[form]
        covered = np.zeros(len(form), bool)
        for longer in range(2, MAX_STEMS + 1):
            covering = (size >= longer) & (level <= 1)
            if not covering.any():
                break
            reach = np.full(n, -1, np.int64)
            np.maximum.at(reach, low[covering], high[covering])
            reach = np.maximum.accumulate(reach)
            covered |= (size == longer - 1) & (level <= 2) & (reach[low] >= high)
        return covered


def _no_mentions() -> Mentions:
    empty = np.zeros(0, np.int64)
    return Mentions(
        empty.astype(np.int32),
        empty.astype(np.int32),
        np.zeros((0, MAX_STEMS), np.int64),
        empty,
        empty,
        empty.astype(np.int32),
        empty.astype(np.uint8),
        empty.astype(bool),
        empty.astype(bool),
    )
