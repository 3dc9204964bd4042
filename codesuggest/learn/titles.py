"""Codes never seen in training, by the titles of the release, in the language of the notes.

Titles are English (or whatever language the release has); notes may not be. Confirmed evidence is read as a pair of texts
that mean the same, the coder's words and the title of the code, and a translation table is learned from all of them (IBM
model 1: Brown et al. 1993). Words that it has not seen are compared letter by letter: medical words have the same Greek and
Latin roots, once spellings are evened out (ph and f, y and i, th and t, ae and e). In the language of the titles the same
table learns abbreviations and everyday words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codesuggest.codes import Release
from codesuggest.codes.code import ICD10CM, with_dot, without_dot
from codesuggest.extract.lexicon import shipped_tables
from codesuggest.learn.surface_forms import expand
from codesuggest.learn.words import WordReader, word_hash

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["MAX_TITLE_WORDS", "TitleIndex", "Translation", "latin"]

MAX_TITLE_WORDS = 16
_EMPTY_WORDS = frozenset(
    "of the and or with in to by for on a an at from as other specified unspecified not elsewhere classified nec nos due without "
    "other unspecified type initial encounter".split()
)
_MIN_ALIKE = 0.45
_SURE = 0.75
_MAX_COGNATES = 4

_SPELLING = [
    (re.compile(p), r)
    for p, r in (
        (r"^pn", "n"),
        (r"^ps", "s"),
        (r"^gn", "n"),
        (r"ph", "f"),
        (r"th", "t"),
        (r"rh", "r"),
        (r"ch|qu|ck|c(?![eiy])|k", "k"),
        (r"c", "s"),
        (r"z", "s"),
        (r"ae|oe", "e"),
        (r"y", "i"),
        (r"w", "v"),
        (r"h", ""),
        (r"(.)\1+", r"\1"),
    )
]


def latin(word: str) -> str:
    """Even out spellings of Greek and Latin roots; `word` is folded.

    Examples
    --------
    >>> latin("neumotorax") == latin("pneumothorax"), latin("leukaemia") == latin("leucemia")
    (True, False)
    """
    for pattern, replacement in _SPELLING:
        word = pattern.sub(replacement, word)
    return word


def _grams(word: str) -> list[int]:
    padded = f"^^{latin(word)}"
    return sorted({word_hash(padded[i : i + 3]) for i in range(len(padded) - 2)})


class Cognates:
    """Words of the titles that are spelt like a word of the notes."""

    def __init__(self, words: Sequence[str]) -> None:
        grams = [_grams(w) if len(w) > 2 and w.isalpha() else [] for w in words]
        size = np.array([len(g) for g in grams], np.int64)
        flat = np.fromiter((g for row in grams for g in row), np.int64, int(size.sum()))
        self._size = size
        order = np.argsort(flat, kind="stable")
        self._owner = np.repeat(np.arange(len(words)), size)[order]
        self._grams, first = np.unique(flat[order], return_index=True)
        self._first = np.concatenate((first, [len(flat)])).astype(np.int64)
        self._exact = {w: i for i, w in enumerate(words)}
        self._known: dict[str, list[tuple[int, float]]] = {}

    def of(self, word: str) -> list[tuple[int, float]]:
        """Return (place of a title word, likeness in (0, 1]) for the most alike; the likeness is Dice's, of letter triples."""
        found = self._known.get(word)
        if found is None:
            found = self._look_up(word)
            if len(self._known) < 200_000:
                self._known[word] = found
        return found

    def _look_up(self, word: str) -> list[tuple[int, float]]:
        if not word.isalpha() or len(word) < 3:
            i = self._exact.get(word)
            return [] if i is None else [(i, 1.0)]
        grams = np.array(_grams(word), np.int64)
        if not len(self._grams) or not len(grams):
            return []
        place = np.minimum(np.searchsorted(self._grams, grams), len(self._grams) - 1)
        place = place[self._grams[place] == grams]
        _, rows = expand(self._first[place], self._first[place + 1] - self._first[place])
        owner, shared = np.unique(self._owner[rows], return_counts=True)
        alike = 2 * shared / (self._size[owner] + len(grams))
        best = np.argsort(-alike, kind="stable")[:_MAX_COGNATES]
        floor = max(_MIN_ALIKE, 0.8 * float(alike[best[0]])) if len(best) else 1.0
        return [(int(owner[b]), float(alike[b])) for b in best if alike[b] >= floor]


@dataclass(frozen=True, slots=True)
class TitleIndex:
    """Titles and inclusion terms of the codes that may be suggested.

    Parameters
    ----------
    words : tuple of str
        Folded stems of the titles.
    rarity : float64 array, length n_words
        Inverse document frequency.
    code : int32 array, length n_rows
        Place of the code of each title in the model's list of codes.
    members : int32 array of shape (n_rows, MAX_TITLE_WORDS)
        Places of the words, filled up with -1.
    """

    words: tuple[str, ...]
    rarity: NDArray[np.float64]
    code: NDArray[np.int32]
    members: NDArray[np.int32]
    cognates: Cognates = field(repr=False)
    mass: NDArray[np.float64] = field(repr=False)
    _matrix: csr_matrix = field(repr=False)
    by_code: NDArray[np.int64] = field(repr=False)
    code_first: NDArray[np.int64] = field(repr=False)

    @classmethod
    def open(
        cls, words: Sequence[str], rarity: NDArray[np.float64], code: NDArray[np.int32], members: NDArray[np.int32], n_codes: int
    ) -> TitleIndex:
        """Make the index from the arrays that a model stores."""
        from scipy.sparse import csr_matrix

        filled = members >= 0
        flat, owner = members[filled], np.nonzero(filled)[0]
        weight = np.where(filled, rarity[np.where(filled, members, 0)] if len(words) else 0.0, 0.0)
        length = np.sqrt((weight**2).sum(axis=1)) + 1e-9
        matrix = csr_matrix((weight[filled] / length[owner], (flat, owner)), shape=(len(words), len(members)))
        by_code = np.argsort(code, kind="stable")
        return cls(
            tuple(words),
            rarity,
            code,
            members,
            Cognates(words),
            weight.sum(axis=1),
            matrix,
            by_code,
            np.searchsorted(code[by_code], np.arange(n_codes + 1)).astype(np.int64),
        )

    @classmethod
    def build(cls, titles: Mapping[int, Sequence[str]], n_codes: int, language: str = "en") -> TitleIndex:
        """Build from the titles of each code, by its place in the model's list."""
        reader = WordReader(language)
        rows: list[tuple[int, list[str]]] = []
        for code, texts in titles.items():
            seen = set()
            for text in texts:
                stems = [reader.stem(w) for w in re.findall(r"\w+", text) if w.lower() not in _EMPTY_WORDS]
                stems = list(dict.fromkeys(stems))[:MAX_TITLE_WORDS]
                if stems and tuple(stems) not in seen:
                    seen.add(tuple(stems))
                    rows.append((code, stems))
        frequency = Counter(w for _, stems in rows for w in stems)
        words = sorted(frequency)
        place = {w: i for i, w in enumerate(words)}
        members = np.full((len(rows), MAX_TITLE_WORDS), -1, np.int32)
        for i, (_, stems) in enumerate(rows):
            members[i, : len(stems)] = [place[w] for w in stems]
        rarity = np.log((len(rows) + 1) / np.array([frequency[w] for w in words], np.float64)) if words else np.zeros(0)
        return cls.open(words, rarity, np.array([c for c, _ in rows], np.int32), members, n_codes)

    def renumbered(self, moved: NDArray[np.int64], n_codes: int, titles: Mapping[int, Sequence[str]]) -> TitleIndex:
        """Return the index with each code at its new place, and titles of new codes in the words it has."""
        reader = WordReader("en")
        place = {w: i for i, w in enumerate(self.words)}
        rows = []
        for new, texts in titles.items():
            known = [place[s] for s in dict.fromkeys(reader.stems(texts[0])) if s in place][:MAX_TITLE_WORDS]
            if known:
                rows.append((new, known + [-1] * (MAX_TITLE_WORDS - len(known))))
        code = np.concatenate([moved[self.code], [c for c, _ in rows]]).astype(np.int32)
        members = np.concatenate([self.members, np.array([m for _, m in rows], np.int32).reshape(-1, MAX_TITLE_WORDS)])
        return TitleIndex.open(self.words, self.rarity, code, members, n_codes)

    def rows_of(self, code: int) -> NDArray[np.int64]:
        """Return the titles of a code."""
        return self.by_code[self.code_first[code] : self.code_first[code + 1]]

    def of_codes(self, codes: NDArray[np.int64]) -> list[tuple[list[str], int]]:
        """Return (words, code) of every title of some codes."""
        return [
            ([self.words[w] for w in self.members[row].tolist() if w >= 0], int(code))
            for code in codes.tolist()
            for row in self.rows_of(code).tolist()
        ]

    def retrieve(
        self, bags: Sequence[Mapping[int, float]], *, top: int = 6
    ) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Return for each bag of title words the nearest titles: (rows, cosine), the best first.

        Parameters
        ----------
        bags : sequence of {place of a title word: weight in (0, 1]}
        top : int
        """
        from scipy.sparse import csr_matrix

        size = [len(b) for b in bags]
        words = np.fromiter((w for b in bags for w in b), np.int64, sum(size))
        weight = np.fromiter((v for b in bags for v in b.values()), np.float64, sum(size)) * self.rarity[words]
        meant = csr_matrix((weight, words, np.concatenate(([0], np.cumsum(size)))), shape=(len(bags), len(self.words)))
        norm = np.sqrt(np.asarray(meant.multiply(meant).sum(axis=1)).ravel()) + 1e-9
        nearness = (meant @ self._matrix).tocsr()
        found = []
        for i, bag_norm in enumerate(norm.tolist()):
            part = slice(int(nearness.indptr[i]), int(nearness.indptr[i + 1]))
            rows, cosine = nearness.indices[part], nearness.data[part] / bag_norm
            if len(rows) > 4 * top:
                near = np.argpartition(-cosine, 4 * top)[: 4 * top]
                rows, cosine = rows[near], cosine[near]
            best = np.lexsort((rows, -cosine))[:top]
            found.append((rows[best].astype(np.int64), cosine[best]))
        return found


@dataclass(frozen=True, slots=True)
class Translation:
    """Probability of title words for words of the notes, as a sparse table.

    Parameters
    ----------
    source : uint32 array, sorted
        Hashes of stems of the notes.
    first : int64 array, length n_source + 1
    target : int32 array
        Places of title words.
    weight : float32 array
        In (0, 1].
    """

    source: NDArray[np.uint32]
    first: NDArray[np.int64]
    target: NDArray[np.int32]
    weight: NDArray[np.float32]

    @classmethod
    def empty(cls) -> Translation:
        """Return a table without words: only likeness of spelling is left."""
        return cls(np.zeros(0, np.uint32), np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))

    @classmethod
    def fit(
        cls,
        pairs: Iterable[tuple[Sequence[int], int]],
        index: TitleIndex,
        spelling: Mapping[int, str],
        *,
        rounds: int = 12,
        floor: float = 0.05,
    ) -> Translation:
        """Learn from (stems of the evidence, code).

        Parameters
        ----------
        pairs
        index : TitleIndex
        spelling : mapping of hash to stem
            For the likeness of spelling that the first round begins with.
        """
        source_of: dict[int, int] = {}
        pair, source, target = [], [], []
        n = 0
        for stems, code in pairs:
            rows = index.rows_of(code)
            if not len(rows) or not stems:
                continue
            meant = [int(t) for t in index.members[rows[0]] if t >= 0]
            members = [
                0,
                *(source_of.setdefault(s, len(source_of) + 1) for s in stems),
            ]  # 0: a word of the title that nothing stands for
            for t in meant:
                pair += [n] * len(members)
                source += members
                target += [t] * len(members)
                n += 1
        if not n:
            return cls.empty()
        slot_of, sources, targets = np.array(pair), np.array(source), np.array(target)
        key, entry = np.unique(sources.astype(np.int64) * len(index.words) + targets, return_inverse=True)
        entry_source, entry_target = key // len(index.words), key % len(index.words)
        weight = np.ones(len(key))
        stems_of = [0, *source_of]
        begin = np.searchsorted(entry_source, np.arange(len(stems_of) + 1))
        for i in range(1, len(stems_of)):
            alike = dict(index.cognates.of(spelling.get(stems_of[i], "")))
            if alike:
                span = slice(begin[i], begin[i + 1])
                weight[span] += [20 * alike.get(w, 0.0) for w in entry_target[span].tolist()]
        weight[entry_source == 0] = 0.3
        for _ in range(rounds):
            share = weight[entry]
            share = share / np.bincount(slot_of, share, minlength=n)[slot_of]
            count = np.bincount(entry, share, minlength=len(key))
            weight = count / (np.bincount(entry_source, count, minlength=len(stems_of))[entry_source] + 0.3)
        keep = (weight >= floor) & (entry_source > 0)
        hashes = np.array(stems_of, np.uint32)[entry_source[keep]]
        order = np.lexsort((entry_target[keep], hashes))
        found, first = np.unique(hashes[order], return_index=True)
        return cls(
            found,
            np.concatenate((first, [len(order)])).astype(np.int64),
            entry_target[keep][order].astype(np.int32),
            weight[keep][order].astype(np.float32),
        )

    def of(self, stem: int) -> list[tuple[int, float]]:
        """Return (title word, weight) of one stem."""
        i = int(np.searchsorted(self.source, np.uint32(stem)))
        if i == len(self.source) or int(self.source[i]) != stem:
            return []
        span = slice(int(self.first[i]), int(self.first[i + 1]))
        return list(zip(self.target[span].tolist(), self.weight[span].tolist(), strict=True))


class Meanings:
    """What words of the notes mean in words of the titles: learned, or by likeness of spelling."""

    def __init__(self, index: TitleIndex, translation: Translation) -> None:
        self.index, self.translation = index, translation
        self._known: dict[int, dict[int, float]] = {}

    def of(self, stem: int, spelling: str) -> dict[int, float]:
        """Return {title word: weight in (0, 1]} of one stem."""
        found = self._known.get(stem)
        if found is None:
            found = dict(self.translation.of(stem))
            learned = bool(found)
            for word, alike in self.index.cognates.of(spelling):
                # likeness of spelling misleads where the meaning is known ("pen", penis)
                if alike >= _SURE or not learned:
                    found[word] = max(found.get(word, 0.0), alike * alike * (0.5 if learned else 1.0))
            if len(self._known) < 200_000:
                self._known[stem] = found
        return found

    def bag(self, stems: Iterable[tuple[int, str]]) -> dict[int, float]:
        """Return {title word: weight} of several stems; the greatest weight counts."""
        bag: dict[int, float] = {}
        for stem, spelling in stems:
            for word, weight in self.of(stem, spelling).items():
                if weight > bag.get(word, 0.0):
                    bag[word] = weight
        return bag


def universe(release: Release, known: Iterable[str]) -> list[str]:
    """Return the codes that may be suggested: those of the release that are billable, written as the coders write them, and `known`.

    Coders of some data sets leave out the seventh character, or (ICD-10-PCS) code the first four only. Where codes of that
    length that the release does not bill were seen in training, the release's codes are also taken at that length.

    Returns
    -------
    list of str
        Dotted, sorted.
    """
    system = release.system
    seen = {without_dot(c, system) for c in known}
    billable = [c.decode("ascii") for c, b in zip(release.codes.tolist(), release.billable.tolist(), strict=True) if b]
    exists = set(billable)
    full = Counter(len(c) for c in seen if c in exists)
    cut = Counter(len(c) for c in seen if c not in exists)
    codes = set(seen)
    stem_lengths = {n for n, count in cut.items() if count >= 3 and count > 0.02 * len(seen)}
    for code in billable:
        shorter = [n for n in stem_lengths if n < len(code)]
        # the seventh character is always left out, or never
        if len(code) == 7 and 6 in shorter and cut[6] > full[7]:
            codes.add(code[:6])
            continue
        codes.add(code)
        if system != "ICD-10-CM":
            codes.update(code[:n] for n in shorter)
    return sorted(with_dot(c, system) for c in codes)


def titles_of(release: Release, codes: Sequence[str]) -> dict[int, list[str]]:
    """Return the titles, inclusion terms and (ICD-10-CM) terms of the shipped lexicon of codes, by place.

    A code that is cut short has the words that the titles of its codes share.
    """
    system = release.system
    plain = {without_dot(c, system): i for i, c in enumerate(codes)}
    titles: dict[int, list[str]] = {}
    shared: dict[int, set[str]] = {}
    text: dict[int, str] = {}
    cut = {i: c for c, i in plain.items() if c not in release}
    lengths = sorted({len(c) for c in cut.values()})
    for place, raw in enumerate(release.codes.tolist()):
        code = raw.decode("ascii")
        i = plain.get(code)
        if i is not None:
            titles[i] = [release.title_at(place)]
        if not lengths or not release.billable[place]:
            continue
        for n in lengths:
            j = plain.get(code[:n]) if n < len(code) else None
            if j is not None and j in cut:
                title = release.title_at(place)
                words = set(title.lower().replace(",", " ").split())
                shared[j] = shared[j] & words if j in shared else words
                text.setdefault(j, title)
    for j, common in shared.items():
        kept = [w for w in text[j].replace(",", " ").split() if w.lower() in common]
        titles[j] = [" ".join(kept) or text[j]]
    further = list(release.inclusion_terms()) if release.has_notes else []
    if system == ICD10CM:
        further += [(e.code, e.term) for e in shipped_tables() if e.kind not in ("drug", "context", "family")]
    for code, term in further:
        i = plain.get(without_dot(code, system))
        if i is not None:
            titles.setdefault(i, []).append(term)
    return titles
