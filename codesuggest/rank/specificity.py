"""Choose the specific code under a header by what the note says, and name the words that would make it more specific.

Guideline I.B.2 (level of detail), I.B.13 (laterality) and I.B.18 (unspecified codes): the code is as specific as the
documentation and no more. Every code below the header is scored by the words of its title: a word the note has counts
for it, a word the note lacks counts against it, "unspecified" costs nothing. The seventh character is chosen apart.

The table holds one row a *stem*: a billable code, or a code that takes a seventh character.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesuggest.codes import Release
from codesuggest.extract.lexicon import term_words
from codesuggest.extract.tokens import normal_form

__all__ = ["Choice", "SpecificityTable", "compile_specificity"]

_PAREN = re.compile(r"\([^)]*\)|\[[^\]]*\]")
_NEUTRAL = frozenset(
    "unspecified uncomplicated nos nec initial encounter closed type disease disorder elsewhere classified part side site stage trimester "
    "episode severity organism not applicable nature cause single due classified associated presence".split()
)
# Words of titles that notes mostly leave unsaid.
_LIGHT = (
    "primary",
    "unilateral",
    "idiopathic",
    "simple",
    "acquired",
    "nontraumatic",
    "specified",
    "native",
    "nonrheumatic",
    "region",
)
_OTHER = frozenset("other specified".split())
# Words written otherwise in notes than in titles; the note's word counts for the title's.
_EQUALS = {
    "1": ("i", "one", "first"),
    "2": ("ii", "two", "second"),
    "3": ("iii", "three", "third"),
    "4": ("iv", "four", "fourth"),
    "exacerbation": ("flare", "exacerbated", "decompensated", "worsening"),
    "acute": ("decompensated",),
    "displaced": ("displacement",),
    "malignant": ("cancer", "carcinoma", "malignancy"),
    "hyperglycemia": ("hyperglycemic", "uncontrolled"),
    "recurrent": ("recurrence",),
    "bilateral": ("bilaterally",),
    "hemorrhage": ("bleeding", "bleed", "hemorrhagic"),
    "obstruction": ("obstructing", "obstructive", "obstructed"),
    "rupture": ("tear", "torn", "ruptured"),
    "tear": ("rupture",),
    "complete": ("full",),
    "infected": ("infection",),
    "ulcer": ("ulceration",),
    "extremity": ("leg", "arm"),
    "limb": ("extremity",),
    "lower": ("leg",),
    "embolism": ("embolic", "cardioembolic", "cardioembolism", "embolus"),
    "thrombosis": ("thrombotic", "thrombus", "atherothrombotic"),
    "stenosis": ("stenotic",),
    "occlusion": ("occluded", "occlusive"),
    "hypoxia": ("hypoxemic", "hypoxic", "hypoxemia"),
    "hypercapnia": ("hypercapnic", "hypercarbic", "hypercarbia"),
    "perforation": ("perforated",),
    "abscess": ("abscessed",),
    "gangrene": ("gangrenous",),
    "dependence": ("dependent", "disorder"),
    "remission": ("remitted",),
    "intractable": ("refractory",),
    "diastolic": ("hfpef",),
    "systolic": ("hfref",),
    "paroxysmal": ("pafib",),
    "metastasis": ("metastatic",),
    "necrosis": ("necrotic", "necrotizing"),
    "ischemic": ("ischemia",),
    "myelopathy": ("myelopathic",),
    "radiculopathy": ("radicular", "radiculitis"),
    "nephropathy": ("nephropathic",),
    "retinopathy": ("retinopathic",),
    "alcohol": ("alcoholic", "etoh"),
    "alcoholic": ("alcohol", "etoh"),
    "virus": ("viral",),
    "streptococcal": ("strep", "streptococcus"),
    "staphylococcus": ("staph", "staphylococcal"),
    "coli": ("ecoli",),
    "escherichia": ("coli",),
    "foot": ("metatarsal", "plantar", "toe", "mtp", "hallux", "heel", "metatarsophalangeal"),
    "hand": ("finger", "thumb", "metacarpal", "mcp", "palmar", "palm"),
    "great": ("big", "hallux"),
    "toe": ("hallux",),
    "fall": ("fell",),
    "severe": ("severely",),
    "mild": ("mildly",),
    "moderate": ("mod", "moderately"),
    "partial": ("partially",),
}
SIDE_WORDS = ("left", "right", "bilateral")


@dataclass(frozen=True, slots=True)
class Choice:
    """The specific code chosen under a header.

    Parameters
    ----------
    code : int
        Index of the stem in the release.
    score : float
    matched : tuple of str
        Words of the note that decided for it.
    unmatched : int
        Words of its title that the note lacks.
    is_default : bool
        Whether nothing in the note spoke for a more specific code.
    n_options : int
        Number of codes to choose from.
    runner_up : float
        Score of the next best.
    is_plain : bool
        Whether the title says that nothing more was said ("unspecified").
    """

    code: int
    score: float
    matched: tuple[str, ...]
    unmatched: int
    is_default: bool
    n_options: int
    runner_up: float
    is_plain: bool = False


def _split_title(title: str) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Return (words the title asserts, words it denies, whether it is a code for the rest)."""
    text = _PAREN.sub(" ", title.lower().replace("nonpsychotic", "").replace("non-pressure", "nonpressure"))
    denied: list[str] = []

    def cut(m: re.Match[str]) -> str:
        denied.extend(term_words(m.group(1)))
        return " "

    text = re.sub(r"\bwithout (?:mention of )?([^,;]*?)(?=,|;| with | and with | of | without |$)", cut, text)
    if "not intractable" in text:
        denied.append("intractable")
        text = text.replace("not intractable", " ")
    words = term_words(text)
    is_other = text.strip().startswith("other ") or ", other" in text or "other specified" in text
    asserted = tuple(w for w in words if w not in _NEUTRAL and w not in _OTHER)
    return asserted, tuple(w for w in denied if w not in _NEUTRAL and w not in ("current", "mention")), is_other


def _sites(release: Release, number: Mapping[str, int]) -> set[str]:
    """Collect the parts of the body that titles give a side to: the word after "right" or "left"."""
    found: dict[str, int] = {}
    for i in range(len(release)):
        for m in re.finditer(
            r"\b(?:right|left|bilateral) (?:(?:upper|lower|proximal|distal|index|middle|ring|little|great|lesser|female|male|main) )?([a-z]+)",
            release.title_at(i).lower(),
        ):
            w = normal_form(m.group(1))
            found[w] = found.get(w, 0) + 1
    noise = {
        "side",
        "dominant",
        "non",
        "non-dominant",
        "not",
        "upper",
        "lower",
        "ventricular",
        "heart",
        "bundle",
        "anterior",
        "posterior",
        "and",
        "arm",
    }
    return {w for w, n in found.items() if n >= 2 and w in number and w not in noise} | ({"arm"} & set(number))


def _plainness(title: str) -> float:
    """Return how much a title says that nothing more was said: 1 for "unspecified", less for "without" something."""
    if "unspecified" in title:
        return 1.0
    if "uncomplicated" in title or "without complication" in title:
        return 1.0
    return 0.5 if "without" in title else 0.0


def compile_specificity(release: Release) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Build the table of a release.

    Returns
    -------
    arrays : dict of str to array or str
        Files for the model folder; word numbers refer to ``words`` of the third item until they are renumbered.
    defaults : dict of str to str
        Every header to the billable code that stands for it when nothing more is said.
    words : list of str
        All words of the titles, sorted.
    """
    n = len(release)
    texts = [release.text(i) for i in range(n)]
    flat = [t.replace(".", "") for t in texts]
    is_stem = np.zeros(n, np.bool_)
    sevenths: dict[int, str] = {}
    for i in range(n):
        if len(flat[i]) == 7:
            parent = release.parent(texts[i])
            assert parent is not None  # noqa: S101 - a seven-character code always has one
            p = release.index(parent)
            is_stem[p] = True
            sevenths[p] = sevenths.get(p, "") + flat[i][6]
        elif release.billable[i]:
            is_stem[i] = True
    stems = np.flatnonzero(is_stem)
    split = [_split_title(release.title_at(int(i))) for i in stems]
    words = sorted({w for a, d, _ in split for w in (*a, *d)} | {x for xs in _EQUALS.values() for x in xs})
    number = {w: k for k, w in enumerate(words)}
    arrays: dict[str, Any] = {
        "stem_code.npy": stems.astype(np.int32),
        "stem_starts.npy": np.cumsum([0, *(len(a) for a, _, _ in split)]).astype(np.int32),
        "stem_words.npy": np.array([number[w] for a, _, _ in split for w in a], np.int32),
        "denied_starts.npy": np.cumsum([0, *(len(d) for _, d, _ in split)]).astype(np.int32),
        "denied_words.npy": np.array([number[w] for _, d, _ in split for w in d], np.int32),
        "stem_other.npy": np.array([o for _, _, o in split], np.uint8),
        "stem_plain.npy": np.array(
            [_plainness(release.title_at(int(i)).lower()) for i in stems],
            np.float32,
        ),
        "stem_sevenths.txt": "\n".join(sevenths.get(int(i), "") for i in stems),
        "site_words.npy": np.array(sorted(number[w] for w in _sites(release, number)), np.int32),
    }
    # default of each header: fewest asserted words, then "unspecified", then not "other"
    cost = np.array([len(a) for a, _, _ in split], np.float64) + arrays["stem_other.npy"] * 0.5 - arrays["stem_plain.npy"] * 0.6
    defaults: dict[str, str] = {}
    for i in range(n):
        if release.billable[i]:
            continue
        low, high = release.subtree_range(i)
        a, b = np.searchsorted(stems, [low, high])
        if a == b:
            continue
        best = a + int(np.argmin(cost[a:b]))
        defaults[texts[i]] = with_seventh(texts[int(stems[best])], sevenths.get(int(stems[best]), ""), release, "")
    return arrays, defaults, words


def with_seventh(stem: str, allowed: str, release: Release, wanted: str) -> str:
    """Return the billable code of a stem: with the wanted seventh character, else the usual first one.

    Examples
    --------
    >>> from codesuggest.codes import Releases
    >>> import datetime
    >>> release = Releases().on(datetime.date(2026, 5, 4))
    >>> with_seventh("S93.401", "ADS", release, "")
    'S93.401A'
    """
    if not allowed:
        return stem
    for character in f"{wanted}A09{''.join(sorted(allowed))}":
        if character in allowed:
            body = stem.replace(".", "")
            full = body + "X" * (6 - len(body)) + character
            return full[:3] + "." + full[3:]
    return stem


class SpecificityTable:
    """The compiled table.

    Parameters
    ----------
    folder : Path
        Folder with the files of :func:`compile_specificity`, word numbers those of the lexicon.
    release : Release
    words : list of str
        Words of the lexicon, by number.
    """

    def __init__(self, folder: Path, release: Release, words: list[str]) -> None:
        def array(name: str) -> NDArray[Any]:
            # a plain view: the memory map's own class makes every look-up slow
            return np.asarray(np.load(folder / name, mmap_mode="r", allow_pickle=False))

        self.release = release
        self.words = words
        self.word_id = {w: i for i, w in enumerate(words)}
        self.stem_code = np.array(array("stem_code.npy"))
        self._row: dict[int, int] = {code: row for row, code in enumerate(self.stem_code.tolist())}
        self.stem_starts = array("stem_starts.npy")
        self.stem_words = array("stem_words.npy")
        self.denied_starts = array("denied_starts.npy")
        self.denied_words = array("denied_words.npy")
        self.stem_other = array("stem_other.npy")
        self.stem_plain = array("stem_plain.npy")
        self.sevenths = (folder / "stem_sevenths.txt").read_text(encoding="utf-8").split("\n")
        self.sides = {self.word_id[s]: s for s in SIDE_WORDS if s in self.word_id}
        self.light = frozenset(self.word_id[w] for w in _LIGHT if w in self.word_id)
        self.sites = frozenset(array("site_words.npy").tolist())
        equals: dict[int, list[int]] = {}
        for title, written in _EQUALS.items():
            for w in written:
                form = normal_form(w)
                if title in self.word_id and form in self.word_id:
                    equals.setdefault(self.word_id[form], []).append(self.word_id[title])
        self.equals = {k: tuple(v) for k, v in equals.items()}
        pairs = (("foot", "ankle"), ("ankle", "foot"), ("hip", "thigh"), ("pelvis", "thigh"))
        self.joined = [(self.word_id[a], self.word_id[b]) for a, b in pairs if a in self.word_id and b in self.word_id]
        self._prepared = lru_cache(maxsize=768)(self._prepare)
        self.n_asserted = lru_cache(maxsize=2048)(self._n_asserted)
        self.is_plainest = lru_cache(maxsize=2048)(self._is_plainest)
        self.best = lru_cache(maxsize=2048)(self._best)
        self._telling = lru_cache(maxsize=128)(self._find_telling)

    def relevant(self, root: int) -> frozenset[int] | None:
        """Return the words that can tell the codes under a header apart; None when there is nothing to choose."""
        header = self._prepared(root)
        return header.relevant if header is not None and len(header.codes) > 1 else None

    def both_sides(self, root: int, context: dict[int, float]) -> list[dict[int, float]]:
        """Split a context that says "both" into right and left where no title under the header says "bilateral"."""
        ids = {name: w for w, name in self.sides.items()}
        both = ids.get("bilateral", -1)
        if both not in context:
            return [context]
        header = self._prepared(root)
        where = header.where if header is not None else {}
        if both in where or ids["left"] not in where or ids["right"] not in where:
            return [context]
        rest = {w: c for w, c in context.items() if w != both}
        return [{**rest, ids["right"]: 1.0}, {**rest, ids["left"]: 1.0}]

    def sites_under(self, root: int) -> frozenset[int]:
        """Return the parts of the body that the titles under a header name."""
        header = self._prepared(root)
        return header.sites if header is not None else frozenset()

    def widen(self, context: dict[int, float]) -> dict[int, float]:
        """Add the titles' words for those the note writes otherwise."""
        for word in [w for w in context if w in self.equals]:
            weight = context[word] * 0.9
            for title_word in self.equals[word]:
                if context.get(title_word, 0.0) < weight:
                    context[title_word] = weight
        for one, other in self.joined:  # "ankle and foot": either will do
            if one in context:
                context.setdefault(other, 0.0)
        return context

    def _prepare(self, root: int) -> _Header | None:
        """Prepare the stems under a header."""
        low, high = self.release.subtree_range(root)
        a, b = self.stem_code.searchsorted([low, high]).tolist()
        if b - a < 1:
            return None
        total = b - a
        words = [tuple(dict.fromkeys(ws)) for ws in _cut(self.stem_starts, self.stem_words, a, b)]
        where: dict[int, list[int]] = {}
        for k, ws in enumerate(words):
            for w in ws:
                where.setdefault(w, []).append(k)
        weight = {
            w: (0.0 if len(ks) == total else float(np.log(1 + total / len(ks)) / np.log(1 + total))) for w, ks in where.items()
        }
        for w in self.sides:
            if weight.get(w, 0.0) > 0:
                weight[w] = 0.8
        lack = {w: self._cost(w) * x for w, x in weight.items()}
        base = np.array([_falling(lack[w] for w in ws if weight[w] > 0) for ws in words])
        base -= 0.45 * self.stem_other[a:b]
        base += 0.12 * np.minimum(self.stem_plain[a:b], 1.0)
        denied: dict[int, list[int]] = {}
        for k, denials in enumerate(_cut(self.denied_starts, self.denied_words, a, b)):
            for w in dict.fromkeys(denials):
                denied.setdefault(w, []).append(k)
        return _Header(
            self.stem_code[a:b],
            self.stem_other[a:b],
            self.stem_plain[a:b],
            words,
            weight,
            {w: np.array(ks) for w, ks in where.items() if weight[w] > 0},
            {w: np.array(ks) for w, ks in denied.items()},
            base,
            frozenset(w for w in weight if weight[w] > 0) | frozenset(denied) | frozenset(self.sides),
            frozenset(weight) & self.sites,
        )

    def _cost(self, word: int) -> float:
        """Return what a word of a title costs when the note lacks it: a part of the body the note does not name, most."""
        return 0.25 if word in self.light else 1.8 if word in self.sites else 1.0

    def _best(self, root: int, default: int, context: tuple[tuple[int, float], ...]) -> Choice | None:
        """Choose a stem under `root`.

        Parameters
        ----------
        root : int
            Index of the header in the release.
        default : int
            Index of the stem that stands when the note says nothing more.
        context : tuple of (word, weight in [0, 1])
            Words of the note near the mention, sorted.
        """
        header = self._prepared(root)
        if header is None:
            return None
        weight, words, where, denied = header.weight, header.words, header.where, header.denied
        n = len(header.codes)
        score = header.base.copy()
        gained = np.zeros(n)
        present = dict(context)
        for w, c in context:
            rows = where.get(w)
            if rows is not None:
                # the words of the term itself (c = 0) only cancel what they cost
                score[rows] += weight[w] * (self._cost(w) + 0.8 * c)
                gained[rows] += weight[w] * c
            rows = denied.get(w)
            if rows is not None:
                score[rows] -= 0.8 * c
        default_row = int(header.codes.searchsorted(default))
        has_default = default_row < n and int(header.codes[default_row]) == default
        if has_default:
            if header.is_other[default_row]:
                score += 0.45 * header.is_other  # the default is a code for the rest itself
            # what the default's title says holds; a code that lacks the term's own words speaks of something else
            for w in words[default_row]:
                if weight[w] > 0:
                    if w not in present:
                        score[where[w]] += self._cost(w) * weight[w]
                    lacking = np.ones(n, np.bool_)
                    lacking[where[w]] = False
                    score[lacking] -= weight[w] * (1.0 if present.get(w) == 0.0 else 0.6)
            score[default_row] = 0.3
            # without a word of the note that speaks for it, no code displaces the default
            idle = gained < 0.3
            idle[default_row] = False
            score[idle] -= 10.0
        k = int(score.argmax())
        best = float(score[k])
        score[k] = float("-inf")
        matched = tuple([self.words[w] for w in words[k] if present.get(w, 0.0) > 0 and weight[w] > 0])
        unmatched = sum([w not in present and weight[w] > 0 for w in words[k]])
        is_plain = bool(header.is_plain[k] >= 1.0)
        return Choice(
            int(header.codes[k]), best, matched, unmatched, has_default and k == default_row, n, float(score.max()), is_plain
        )

    def seventh(self, stem: int) -> str:
        """Return the seventh characters a stem takes, or an empty string."""
        row = self._row.get(stem, -1)
        return self.sevenths[row] if row >= 0 else ""

    def default(self, root: int) -> int:
        """Return the stem with the fewest asserted words under a header, -1 when there is none."""
        low, high = self.release.subtree_range(root)
        a, b = np.searchsorted(self.stem_code, [low, high])
        if a == b:
            return -1
        cost = np.diff(self.stem_starts[a : b + 1]) + 0.5 * self.stem_other[a:b] - 0.6 * self.stem_plain[a:b]
        return int(self.stem_code[a + int(np.argmin(cost))])

    def _n_asserted(self, stem: int) -> int:
        """Return the number of words the title of a stem asserts; -1 when the code is no stem."""
        row = self._row.get(stem, -1)
        if row < 0:
            return -1
        return int(self.stem_starts[row + 1] - self.stem_starts[row]) + int(self.stem_other[row])

    def _is_plainest(self, stem: int, root: int) -> bool:
        """Whether a code says no more than its header: "unspecified", or only the words of the header's title."""
        row = self._row.get(stem, -1)
        if row < 0:
            return False
        if self.stem_plain[row] >= 1.0:
            return True
        own = {self.words[w] for w in self.stem_words[self.stem_starts[row] : self.stem_starts[row + 1]].tolist()}
        return own <= set(term_words(self.release.title_at(root).lower()))

    def missing_words(
        self, root: int, chosen: int, context: Mapping[int, float], limit: int = 6
    ) -> list[tuple[int, tuple[str, ...]]]:
        """List the codes under a header that one or two more words would lead to.

        Returns
        -------
        list of (stem, words the note lacks)
            Fewest words first.
        """
        rows = self._telling(root)
        own = next((mine for code, _, _, mine in rows if code == chosen), frozenset())
        found = []
        for code, is_other, telling, mine in rows:
            if code != chosen and not is_other and own <= mine:
                lacking = [w for w in telling if w not in context]
                if lacking and len(lacking) <= 3:
                    found.append((len(lacking), code, tuple([self.words[w] for w in lacking])))
        found.sort()
        return [(code, lacking) for _, code, lacking in found[:limit]]

    def _find_telling(self, root: int) -> list[tuple[int, bool, tuple[int, ...], frozenset[int]]]:
        """Return for each stem under a header its code, whether it is one for the rest, and the words that tell it apart."""
        header = self._prepared(root)
        if header is None:
            return []
        found = []
        for code, is_other, words in zip(header.codes.tolist(), header.is_other.tolist(), header.words, strict=True):
            telling = tuple([w for w in words if header.weight[w] > 0])
            found.append((code, bool(is_other), telling, frozenset(telling)))
        return found


@dataclass(frozen=True, slots=True)
class _Header:
    """The stems under a header.

    Parameters
    ----------
    codes, is_other, is_plain : array, length n_stems
        Index in the release; whether the title is one for the rest; how much it says that nothing more was said.
    words : list of tuple of int, length n_stems
        Words of the title.
    weight : dict of int to float
        How much a word tells: 0 when all titles have it.
    where, denied : dict of int to int array
        Telling words to the stems that assert them; words to the stems that deny them.
    base : float array, length n_stems
        Score when no word of the note matches.
    relevant, sites : frozenset of int
        Words that can tell the stems apart; parts of the body that the titles name.
    """

    codes: NDArray[np.int32]
    is_other: NDArray[np.uint8]
    is_plain: NDArray[np.float32]
    words: list[tuple[int, ...]]
    weight: dict[int, float]
    where: dict[int, NDArray[np.int64]]
    denied: dict[int, NDArray[np.int64]]
    base: NDArray[np.float64]
    relevant: frozenset[int]
    sites: frozenset[int]


def _cut(starts: NDArray[np.int32], flat: NDArray[np.int32], a: int, b: int) -> list[list[int]]:
    """Return the rows from `a` to `b` of a ragged table."""
    bounds = starts[a : b + 1].tolist()
    values = flat[bounds[0] : bounds[-1]].tolist()
    return [values[i - bounds[0] : j - bounds[0]] for i, j in pairwise(bounds)]


def _falling(costs: Iterable[float]) -> float:
    """Take costs from zero, one after another."""
    total = 0.0
    for cost in costs:
        total -= cost
    return total
