"""Find the terms of the lexicon in a note.

The words of the note become numbers; neighbouring pairs of numbers are looked up at once with numpy; only the few pairs
that belong to a term are looked at one by one. A match tolerates plural, spelling, word order, small words and a bounded
number of words in between; how far it departs from the lexicon's wording is its quality.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from codesuggest.codes import Release
from codesuggest.errors import PrerequisiteError
from codesuggest.extract.lexicon import ENGLISH_LOOKALIKES, FREE_WORDS, KINDS, Alias, Lexicon, bloom_slot
from codesuggest.extract.sections import RawSection
from codesuggest.extract.sentences import Layout
from codesuggest.extract.tokens import Tokens, normal_form
from codesuggest.extract.words import ALIAS, ASKED, LETTER_A, REPAIRED, SHORT_NUMBER

__all__ = ["Match", "NoteFacts", "TermMatcher", "WordNumbers", "is_shouting"]

_DRUG = KINDS.index("drug")
_MAX_STEP = 8  # how many lexicon words ahead a pair may reach
_FAR = 6  # how many words ahead, small ones and marks aside
_LINKS = frozenset("of in at to on involving affecting around over within from throughout across".split())
_SIDED = frozenset("left right bilateral l r lt rt both".split())
# Conditions that choose a meaning; "not" and "notsection" only guard one.
_WIDEST_SENTENCE, _WIDEST_SECTION = 80, 600  # words looked at on either side of a mention
_SELECTORS = frozenset({"near", "section", "sex", "age", "setting"})
_OPPOSITES = (
    "hypo",
    "hyper",
    "brady",
    "tachy",
    "intra",
    "inter",
    "endo",
    "peri",
    "para",
    "ante",
    "anti",
    "macro",
    "micro",
    "poly",
    "oligo",
)
_LETTERED = frozenset(
    "lipoprotein chromogranin hypovitaminosis hypervitaminosis triple "
    "influenza flu hepatitis hep type group class grade hemophilia haemophilia vitamin strep factor".split()
)
_QUALIFIERS = frozenset(
    "closed open displaced nondisplaced comminuted acute chronic recurrent primary secondary simple complete partial full thickness "
    "first second third 1st 2nd 3rd degree mild moderate severe initial encounter".split()
)
_DENIALS = frozenset({"neg", "negative", "no", "denies", "denied", "without", "w/o", "absent"})
_BREAKERS = frozenset("and or with without who patient that which but for is was".split())
_CONCERNED = SHORT_NUMBER | LETTER_A | ALIAS | REPAIRED


@dataclass(frozen=True, slots=True)
class NoteFacts:
    """What is known of the patient and the encounter, for terms that depend on it."""

    sex: str | None = None
    age_years: float | None = None
    setting: str | None = None
    is_shouting: bool = False


@dataclass(slots=True)
class Match:
    """A term found: index of the term, its tokens, and how exactly it was written."""

    term: int
    tokens: tuple[int, ...]
    quality: float
    n_words: int

    @property
    def first(self) -> int:
        """First token."""
        return self.tokens[0]

    @property
    def last(self) -> int:
        """Last token."""
        return self.tokens[-1]


@dataclass(slots=True)
class WordNumbers:
    """Numbers of the words of a note.

    Parameters
    ----------
    lowers : list of str, length n_tokens
    ids : int32 array, length n_tokens
        Number of each word in the lexicon, -1 for an unknown word, -2 for a small word or a mark.
    aliases : dict of int to tuple of int
        Token to the numbers of the words an abbreviation stands for.
    repaired : frozenset of int
        Tokens whose spelling was repaired.
    """

    lowers: list[str]
    ids: NDArray[np.int32]
    aliases: dict[int, tuple[int, ...]]
    repaired: frozenset[int]


class Scene:
    """One note, with what conditions ask of it kept at hand: where the words stand that they look for.

    Parameters
    ----------
    tokens : Tokens
        Read by a :class:`~codesuggest.extract.words.WordTable`.
    layout : Layout
    sections : sequence of RawSection
    facts : NoteFacts
    matcher : TermMatcher
    """

    def __init__(
        self,
        tokens: Tokens,
        layout: Layout,
        sections: Sequence[RawSection],
        facts: NoteFacts,
        matcher: TermMatcher,
    ) -> None:
        self._matcher = matcher
        self.tokens = tokens
        self.lowers = tokens.lowers
        self.layout = layout
        self.sections = sections
        self.facts = facts
        self._places: dict[str, list[int]] | None = None
        self._joined = ""
        self._has: dict[str, bool] = {}

    def section(self, token: int) -> str:
        return self.sections[self.layout.list_of("section")[token]].name

    def has_any(self, values: tuple[str, ...], first: int, last: int, *, in_section: bool) -> bool:
        """Whether a word of the same section or sentence, the mention's own aside, begins with one of the values."""
        found = self._places
        if found is None:
            found = self._places = self._find_places()
        words, phrases = self._matcher.split(values)
        if not phrases and found.keys().isdisjoint(words):
            return False
        name, reach = ("section", _WIDEST_SECTION) if in_section else ("sentence", _WIDEST_SENTENCE)
        edges, own = self.layout.edges(name), self.layout.list_of(name)[first]
        low, high = edges[own], edges[own + 1]
        is_wide = high - low > 2 * reach
        if is_wide:  # a text without ends: look around the mention only
            low, high = max(low, first - reach), min(high, last + reach)
        for word in words:
            places = found.get(word)
            if places is not None:
                k = bisect_left(places, low)
                if k < len(places) and places[k] < first:
                    return True
                k = bisect_right(places, last, k)
                if k < len(places) and places[k] < high:
                    return True
        return any(self._says(phrase, low, first, last, high, is_wide=is_wide) for phrase in phrases)

    def _find_places(self) -> dict[str, list[int]]:
        """Return where the words stand that conditions may ask for."""
        found: dict[str, list[int]] = {}
        lowers, beginnings = self.lowers, self._matcher.beginnings
        for i in self.tokens.places(ASKED, ()):
            for value in beginnings(lowers[i]):
                if value in found:
                    found[value].append(i)
                else:
                    found[value] = [i]
        return found

    def _says(self, value: str, low: int, first: int, last: int, high: int, *, is_wide: bool) -> bool:
        """Whether several words stand around a mention."""
        lowers = self.lowers
        if not is_wide:
            if value not in self._has:
                self._joined = self._joined or " ".join(lowers)
                self._has[value] = value in self._joined
            if not self._has[value] or value not in " ".join(lowers[low:high]):
                return False
        return value in " ".join(lowers[low:first] + lowers[last + 1 : high])


class _Stream:
    """The words of a note that stand in the lexicon, those abbreviations stand for among them."""

    __slots__ = ("clause", "counted", "ids", "lowers", "numbers", "pos")

    def __init__(
        self,
        ids: list[int],
        pos: list[int],
        clause: list[int],
        counted: list[int],
        lowers: list[str],
        numbers: WordNumbers,
    ) -> None:
        self.ids, self.pos, self.clause = ids, pos, clause
        self.counted, self.lowers, self.numbers = counted, lowers, numbers


class TermMatcher:
    """Matcher over one lexicon.

    Parameters
    ----------
    lexicon : Lexicon
    release : Release
        The release the lexicon was compiled against.

    Attributes
    ----------
    organisms : range
        Codes (as indexes) of organisms as the cause of disease: "E. coli pyelonephritis" names the organism as well.
    describe : callable
        Term to its wording, code, root (the code itself when it is final), kind and source.
    """

    def __init__(self, lexicon: Lexicon, release: Release) -> None:
        self.lexicon = lexicon
        self.release = release
        self.organisms = range(release.index("B95"), release.subtree_range(release.index("B97"))[1])
        self.describe = lru_cache(maxsize=4096)(self._describe)
        self._selected = frozenset(t for t, (_, c) in lexicon.contexts.items() if not _SELECTORS.isdisjoint(c))
        conditions = [c for _, c in lexicon.contexts.values()]
        conditions.extend(dict(a.conditions) for group in lexicon.aliases.values() for a in group)
        self._sides = {lexicon.word_id.get(w, -1) for w in ("left", "right", "bilateral")}
        self._asked = frozenset(v for c in conditions for name in ("near", "not") for v in c.get(name, ()) if " " not in v)
        self._lengths = sorted({len(v) for v in self._asked})
        self._asked_starts = frozenset(v[:4] for v in self._asked)
        self.beginnings = lru_cache(maxsize=4096)(self._find_beginnings)
        self._split: dict[int, tuple[frozenset[str], tuple[str, ...]]] = {}
        self._long_words: dict[str, list[str]] = {}

    def _describe(self, term: int) -> tuple[str, str, str, str, str]:
        _, code, root, kind, is_official = self.lexicon.term(term)
        text = self.release.text(code)
        return (
            self.lexicon.term_text(term),
            text,
            self.release.text(root) if root >= 0 else text,
            KINDS[kind],
            "title" if is_official else "lexicon",
        )

    def split(self, values: tuple[str, ...]) -> tuple[frozenset[str], tuple[str, ...]]:
        """Split what a condition asks for into single words and phrases; `values` belongs to the lexicon."""
        found = self._split.get(id(values))
        if found is None:
            found = self._split[id(values)] = (
                frozenset([v for v in values if " " not in v]),
                tuple([v for v in values if " " in v]),
            )
        return found

    def _core(self, expansion: tuple[int, ...]) -> set[int]:
        return {w for w in expansion if w not in self._sides}

    def is_asked(self, word: str) -> bool:
        """Whether a word may begin with a value of a condition."""
        return word[:4] in self._asked_starts or word in self._asked

    def _find_beginnings(self, word: str) -> frozenset[str]:
        """Return the values of conditions that a word begins with."""
        n = len(word)
        # a value of three letters or fewer asks for the whole word
        return frozenset(word[:k] for k in self._lengths if (k == n or 3 < k < n) and word[:k] in self._asked)

    # -- words -------------------------------------------------------------------------------------------------------

    def scene(self, tokens: Tokens, layout: Layout, sections: Sequence[RawSection], facts: NoteFacts) -> Scene:
        """Set up what conditions ask of a note."""
        return Scene(tokens, layout, sections, facts, self)

    def numbers(self, scene: Scene) -> WordNumbers:
        """Give the words of a note their numbers and settle its abbreviations by their context.

        Raises
        ------
        PrerequisiteError
            CS203 when no word table has read the tokens.
        """
        tokens = scene.tokens
        lowers, flags, known = tokens.lowers, tokens.flags, tokens.numbers
        if flags is None or known is None:
            raise PrerequisiteError(
                "CS203",
                f"The {len(tokens)} words have no numbers. Expected tokens that a WordTable has read. Call its describe() first.",
            )
        ids = known.copy()
        concerned = np.flatnonzero(flags & _CONCERNED)
        aliases: dict[int, tuple[int, ...]] = {}
        repaired: list[int] = []
        if len(concerned):
            letter = self.lexicon.word_id.get("a", -1)
            table = self.lexicon.aliases
            for i, flag in zip(concerned.tolist(), flags[concerned].tolist(), strict=True):
                if flag & SHORT_NUMBER and _is_list_number(tokens, i):
                    ids[i] = -1
                if flag & LETTER_A and i and lowers[i - 1] in _LETTERED and tokens.word(i) == "A":
                    ids[i] = letter  # "influenza A", "hepatitis A"
                if flag & ALIAS:
                    chosen = self._choose(table[lowers[i]], i, scene)
                    if chosen is not None:
                        aliases[i] = chosen.expansion
                if flag & REPAIRED:
                    repaired.append(i)
        return WordNumbers(lowers, ids, aliases, frozenset(repaired))

    def number_of(self, low: str) -> tuple[int, bool]:
        """Return the number of a word in lower case, -1 for an unknown and -2 for a small one; whether it was repaired."""
        if low in FREE_WORDS or not low[0].isalnum():
            return -2, False
        form = normal_form(low)
        number = self.lexicon.word_id.get(form)
        if number is not None:
            return number, False
        if 7 <= len(form) <= 24 and form.isalpha():
            repaired = self._repair(form)
            if repaired is not None:
                return repaired, True
        return -1, False

    def _repair(self, form: str) -> int | None:
        """Return the one lexicon word an unknown word is a slip of (one letter more, less, other, or two swapped)."""
        if not self._long_words:
            for word in self.lexicon.words:
                if len(word) >= 7 and word.isalpha():
                    for key in _ends_of(word, len(word)):
                        self._long_words.setdefault(key, []).append(word)
        hits: set[str] = set()
        n = len(form)
        # a slip in the second half of a word leaves the first half, and the other way round
        for length in (n - 1, n):
            for key in _ends_of(form, length):
                hits.update(w for w in self._long_words.get(key, ()) if _is_slip(form, w))
        if not hits:
            for length in (n, n + 1) if n >= 8 else (n + 1,):
                for key in _ends_of(form, length):
                    hits.update(w for w in self._long_words.get(key, ()) if _is_gap(form, w))
        if len(hits) != 1:
            return None
        hit = hits.pop()
        # prefixes turn a word into its opposite ("hypo", "hyper"): never repair inside them
        if form[:2] != hit[:2] or any(form.startswith(a) != hit.startswith(a) for a in _OPPOSITES):
            return None
        return self.lexicon.word_id[hit]

    def _choose(self, meanings: Sequence[Alias], i: int, scene: Scene) -> Alias | None:
        fallback: Alias | None = None
        for meaning in meanings:
            if meaning.is_case_sensitive and (
                scene.tokens.word(i) != meaning.written or (scene.facts.is_shouting and scene.lowers[i] in ENGLISH_LOOKALIKES)
            ):
                continue
            if not meaning.conditions:
                fallback = fallback or meaning
            elif self._holds(meaning.conditions, i, i, scene):
                return meaning
        return fallback

    # -- conditions --------------------------------------------------------------------------------------------------

    @staticmethod
    def _holds(conditions: Mapping[str, tuple[str, ...]], first: int, last: int, scene: Scene) -> bool:
        facts = scene.facts
        for name, values in conditions.items():
            if name == "section":
                if not _in_section(scene.section(first), values):
                    return False
            elif name == "notsection":
                if scene.section(first) in values:
                    return False
            elif name == "sex":
                if facts.sex is not None and facts.sex not in values:
                    return False
            elif name == "setting":
                if facts.setting is not None and facts.setting not in values:
                    return False
            elif name == "age":
                low, _, high = values[0].partition("-")
                youngest, oldest = float(low), float(high or 200)
                if facts.age_years is None:
                    if oldest < 18:  # what only a child has is not supposed of a patient of unknown age
                        return False
                elif oldest < 1:  # the perinatal period, or the first months
                    if not youngest <= facts.age_years <= max(oldest, 28 / 365):
                        return False
                elif not youngest <= int(facts.age_years) <= oldest:
                    return False
            elif scene.has_any(values, first, last, in_section=name == "near") != (name == "near"):
                return False
        return True

    # -- matching ----------------------------------------------------------------------------------------------------

    def match(self, scene: Scene, numbers: WordNumbers) -> list[Match]:
        """Find the terms of a note.

        Returns
        -------
        list of Match
            Ordered by position; a match whose tokens all belong to a longer match is left out.
        """
        lexicon, layout = self.lexicon, scene.layout
        ids = numbers.ids
        if len(ids) == 0:
            return []
        heading = layout.heading
        stream_pos = np.flatnonzero((ids >= 0) & (heading != 2))
        stream_ids = ids[stream_pos]
        if numbers.aliases:
            extra_pos: list[int] = []
            extra_ids: list[int] = []
            for token, expansion in numbers.aliases.items():
                if heading[token] != 2:
                    extra_pos.extend([token] * len(expansion))
                    extra_ids.extend(expansion)
            stream_pos = np.concatenate([stream_pos, np.array(extra_pos, stream_pos.dtype)])
            stream_ids = np.concatenate([stream_ids, np.array(extra_ids, np.int32)])
            order = np.argsort(stream_pos, kind="stable")
            stream_pos, stream_ids = stream_pos[order], stream_ids[order]
        # counted words: everything but small words and marks
        counted = np.cumsum(ids != -2)

        raw: list[Match] = []
        contexts = lexicon.contexts
        single = lexicon.single
        expanded = {t for t, words in numbers.aliases.items() if len(words) > 1}
        alone = np.flatnonzero(lexicon.is_single[stream_ids])
        for pos, number in zip(stream_pos[alone].tolist(), stream_ids[alone].tolist(), strict=True):
            if pos in expanded and number != ids[pos]:
                continue  # one word of what an abbreviation stands for
            for term in single[number]:
                if term not in contexts or self._allowed(term, (pos,), scene):
                    raw.append(Match(term, (pos,), 0.9 if pos in numbers.repaired else 1.0, 1))

        clause = layout.clause[stream_pos]
        candidates = self._candidates(stream_ids, counted[stream_pos], clause)
        if candidates:
            stream = _Stream(stream_ids.tolist(), stream_pos.tolist(), clause.tolist(), counted.tolist(), scene.lowers, numbers)
            seen: set[tuple[int, tuple[int, ...]]] = set()
            for i, j, term in candidates:
                found = self._verify(term, lexicon.term(term)[0], i, j, stream)
                if found is not None and (term, found.tokens) not in seen:
                    seen.add((term, found.tokens))
                    if term not in contexts or self._allowed(term, found.tokens, scene):
                        raw.append(found)
        return self._resolve(raw)

    def _candidates(
        self, words: NDArray[np.int32], counted: NDArray[np.int64], clause: NDArray[np.int32]
    ) -> list[tuple[int, int, int]]:
        """Find neighbouring words that are the two rarest of a term whose words are all in the clause, near ones first.

        Returns
        -------
        list of (place, place, term)
        """
        lexicon = self.lexicon
        kept = np.flatnonzero(lexicon.is_paired[words])
        n = len(kept)
        if n < 2:
            return []
        # one coordinate, in which words of different clauses are far apart
        coordinate = counted[kept] + (_FAR + 1) * clause[kept].astype(np.int64)
        places = np.arange(n)
        reach = np.minimum(coordinate.searchsorted(coordinate + _FAR, "right"), kept.searchsorted(kept + _MAX_STEP, "right"))
        reach -= places + 1
        first = places.repeat(reach)
        second = np.arange(len(first)) - (reach.cumsum() - reach).repeat(reach) + first + 1
        numbers = words[kept].astype(np.int64)
        a, b = numbers[first], numbers[second]
        keys = np.minimum(a, b) * lexicon.n_words + np.maximum(a, b)
        near = np.flatnonzero(lexicon.pair_bloom[bloom_slot(keys)])
        keys = keys[near]
        slots = lexicon.pair_keys.searchsorted(keys)
        slots[slots == len(lexicon.pair_keys)] = 0
        is_hit = lexicon.pair_keys[slots] == keys
        near, slots = near[is_hit], slots[is_hit]
        if not len(near):
            return []
        i, j = kept[first[near]], kept[second[near]]
        order = np.lexsort((i, j - i))
        i, j = i[order], j[order]
        pairs, terms = lexicon.terms_of_pairs(slots[order], clause[i], words, clause)
        return list(zip(i[pairs].tolist(), j[pairs].tolist(), terms.tolist(), strict=True))

    def _verify(self, term: int, wanted: tuple[int, ...], i: int, j: int, stream: _Stream) -> Match | None:
        """Look at the words of a term around a pair of them: whether they stand as a term's words may, and how exactly."""
        ids, pos, numbers, counted, lowers = stream.ids, stream.pos, stream.numbers, stream.counted, stream.lowers
        n_words = len(wanted)
        first, last = pos[i], pos[j]
        if n_words == 2 and last - first == 1 and first not in numbers.aliases and last not in numbers.aliases:
            if ids[i] != wanted[0]:
                return None
            return Match(term, (first, last), 0.9 if first in numbers.repaired or last in numbers.repaired else 1.0, 2)
        where = {ids[i]: first, ids[j]: last}
        if n_words > 2:
            clause = stream.clause
            c = clause[i]
            centre = (first + last) / 2
            for k in range(max(0, i - 9), min(len(ids), j + 10)):
                number = ids[k]
                if number in wanted and clause[k] == c and number not in (ids[i], ids[j]):
                    old = where.get(number)
                    if old is None or abs(pos[k] - centre) < abs(old - centre):
                        where[number] = pos[k]
            if len(where) < n_words:
                return None
        if numbers.aliases:
            for t in set(where.values()):
                expansion = numbers.aliases.get(t)
                if expansion is not None and len(expansion) > 1:
                    used = {w for w, place in where.items() if place == t}
                    if numbers.ids[t] not in used and not self._core(expansion) <= used:
                        return None  # a part of what an abbreviation stands for
        places = [where[w] for w in wanted]
        ordered = sorted(set(places))
        first, last = ordered[0], ordered[-1]
        is_list = last - first > 2 and _is_list(lowers, first, last, places, places == ordered)
        gaps = 0 if is_list and n_words == 2 else counted[last] - counted[first] + 1 - len(ordered)
        if gaps > 0 and last - first < 9:
            gaps -= sum(1 for t in range(first + 1, last) if lowers[t] in _SIDED and t not in places)
        if gaps > (2 if n_words == 2 else 3):
            return None
        in_order = places == sorted(places)
        if gaps == 0 and last - first + 1 == len(ordered):  # side by side
            if not in_order and n_words == 2:
                return None
            quality = 1.0 if in_order else 0.9
            return Match(term, tuple(ordered), quality - 0.1 if not numbers.repaired.isdisjoint(ordered) else quality, n_words)
        quality = 1.0 - 0.08 * gaps
        between = [t for t in range(first + 1, last) if t not in where.values()]
        marks = [lowers[t] for t in between if not lowers[t][0].isalnum()]
        if any(mark in ("?", "!", ";", ":") for mark in marks):
            return None
        if "." in marks:
            # "E. coli": the stop of an abbreviated first word
            if any(lowers[t] == "." and len(lowers[t - 1]) > 1 for t in between):
                return None
            marks = [mark for mark in marks if mark != "."]
        if any(lowers[t] in _DENIALS for t in between):
            return None  # "neg for": what is denied inside is not the term
        linked = any(lowers[t] in _LINKS for t in between)
        if not in_order:
            inverted = (
                bool(marks)
                and (
                    (len(marks) == 1 and marks[0] in (",", "-", "–", "(") and gaps == 0)
                    # "Fracture, closed, distal radius": qualifiers between the commas
                    or (places[-1] == first and lowers[first + 1] == "," and _is_qualified(lowers, first, ordered[1]))
                )
                and (last + 1 >= len(lowers) or not lowers[last + 1][0].isalnum() or lowers[last + 1] in _SIDED)
            )
            if (gaps > 1 and not inverted) or (not is_list and any(lowers[t] in _BREAKERS for t in between)):
                return None
            sided = not marks and any(lowers[t] in _SIDED for t in between)
            if not linked and not inverted and not sided and not (gaps == 0 and not marks and n_words > 2):
                return None
            quality = max(quality - 0.1, 0.7) if inverted else quality - 0.1
        if "," in marks and (in_order or linked):
            if not is_list:
                return None
            quality -= 0.08
        elif (
            any(lowers[t] in ("and", "or", "but", "with", "without", "no", "not", "is", "was", "for", "due") for t in between)
            and gaps
        ):
            glue = {lowers[t] for t in between}
            if glue & {"but", "without", "no", "not", "was", "due"}:
                return None
            quality -= 0.06
        if gaps and any(lowers[t] in ("to",) for t in between):
            quality -= 0.05
        if numbers.repaired and any(t in numbers.repaired for t in ordered):
            quality -= 0.1
        return Match(term, tuple(ordered), max(quality, 0.3), n_words)

    def _allowed(self, term: int, places: tuple[int, ...], scene: Scene) -> bool:
        """Whether the conditions of a term hold where it was found."""
        case, conditions = self.lexicon.contexts[term]
        if case and len(places) == 1:
            if normal_case(scene.tokens.word(places[0])) != normal_case(self.lexicon.term_text(term)):
                return False
            if scene.facts.is_shouting and scene.lowers[places[0]] in ENGLISH_LOOKALIKES:
                return False
        return not conditions or self._holds(conditions, places[0], places[-1], scene)

    def _resolve(self, raw: list[Match]) -> list[Match]:
        """Keep the longest match of overlapping ones; official wordings yield to reviewed ones of the same words."""
        if not raw:
            return []
        term = self.lexicon.term
        by_place: dict[tuple[int, ...], list[Match]] = {}
        for match in raw:
            by_place.setdefault(match.tokens, []).append(match)
        taken: dict[int, list[tuple[int, int, frozenset[int]]]] = {}  # first and last token, tokens
        kept: list[Match] = []
        order = sorted((-len(t), -max([m.quality for m in group]), t[-1] - t[0], t) for t, group in by_place.items())
        for _, _, _, places in order:
            group = by_place[places]
            n = len(places)
            span = frozenset(places)
            rivals = taken.get(places[0])
            if rivals is not None and any(span < other for _, _, other in rivals):
                group = [m for m in group if term(m.term)[1] in self.organisms]
                if not group:
                    continue
            if (
                n > 1
                and places[-1] - places[0] + 1 > n
                and any(
                    first <= places[0] and places[-1] <= last and len(other) >= n and other != span
                    for t in places
                    for first, last, other in taken.get(t, ())
                )
            ):
                continue  # with gaps, inside a longer term that shares a word with it
            chosen = self._preferred(group, n) if len(group) > 1 else group
            kept.extend(chosen)
            if n == 1 or max([m.quality for m in chosen]) >= 0.8:
                for t in places:
                    taken.setdefault(t, []).append((places[0], places[-1], span))
        kept.sort(key=lambda m: (m.tokens, m.term))
        return kept

    def _preferred(self, group: list[Match], n_places: int) -> list[Match]:
        """Choose among the terms of the same words: those with most words, reviewed ones, those whose conditions hold."""
        term = self.lexicon.term
        best_words = max([m.n_words for m in group])
        group = [m for m in group if m.n_words == best_words or m.n_words == n_places]
        reviewed = [m for m in group if not term(m.term)[4]]
        chosen = reviewed or group
        with_context = [m for m in chosen if m.term in self._selected]
        drugs = [m for m in chosen if term(m.term)[3] == _DRUG]
        if with_context:
            kinds = {term(m.term)[3] for m in with_context}
            plain = [m for m in chosen if m not in with_context]
            if plain:
                chosen = with_context + [m for m in plain if term(m.term)[3] not in kinds or term(m.term)[3] == _DRUG]
        return chosen + [m for m in drugs if m not in chosen]


def _is_list_number(tokens: Tokens, i: int) -> bool:
    """Whether a short number numbers an item of a list: "4. CKD stage 3" has no stage 4."""
    words = tokens.lowers
    if i + 1 == len(words) or words[i + 1] not in ").:" or tokens.starts[i + 1] != tokens.ends[i]:
        return False
    return words[i + 1] == ")" or i == 0 or words[i - 1] in ".;:)#" or bool(tokens.line_ends[i])


def _ends_of(word: str, length: int) -> tuple[str, str]:
    """Return the keys under which long words of a length are found: by their first half, by their first letter and last half."""
    half = (length - 1) // 2
    return f"{length}{word[:half]}", f"{length}{word[0]}-{word[-half:]}"


def _common(a: str, b: str) -> int:
    """Count the letters two words begin with in common."""
    n = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        n += 1
    return n


def _is_slip(form: str, word: str) -> bool:
    """Whether a form is a word with one letter too many, or with two neighbours swapped; never in the first letter."""
    k = _common(form, word)
    if len(form) > len(word):
        return form[k + 1 :] == word[k:]
    return form[k + 1 : k + 2] == word[k : k + 1] and form[k : k + 1] == word[k + 1 : k + 2] and form[k + 2 :] == word[k + 2 :]


def _is_gap(form: str, word: str) -> bool:
    """Whether a form lacks one letter of a word, or has another in its place."""
    k = _common(form, word)
    return "a" <= word[k] <= "z" and word[k + 1 :] == form[k + (len(form) == len(word)) :]


def normal_case(written: str) -> str:
    """Return a written form without blanks and plural, in its own case, for case-sensitive comparison."""
    w = written.replace(" ", "").replace("-", "").replace(".", "")
    return w[:-1] if w.endswith("s") and w[:-1].isupper() else w


def _is_list(lowers: list[str], first: int, last: int, places: list[int], in_order: bool) -> bool:
    """Whether the words between are further items of a list ("neck, back and shoulder pain")."""
    if last - first > 8:
        return False
    run = 0
    inner = lowers[first + 1 : last]
    # "mets to bone, liver and nodes": the list goes on after the last word
    goes_on = "," in inner and not in_order and lowers[first + 1] in _LINKS and lowers[last + 1 : last + 2] in (["and"], ["or"])
    if not goes_on and "and" not in inner and "or" not in inner and "/" not in inner:
        return False
    if in_order and lowers[first + 1] not in (",", "and", "or", "/"):
        return False
    for word in inner:
        if word in (",", "and", "or", "/"):
            run = 0
        elif not word[0].isalnum():
            return False
        elif word in _LINKS or word in _SIDED or word == "the":
            continue
        else:
            run += 1
            if run > 2:
                return False
    return True


def _is_qualified(lowers: list[str], first: int, second: int) -> bool:
    """Whether nothing but commas and words of kind, degree and side stand between two places."""
    return all(word == "," or word in _SIDED or word in _QUALIFIERS for word in lowers[first + 1 : second])


def _in_section(name: str, values: Sequence[str]) -> bool:
    return name in values or any(v in ("assessment", "plan") and name == "assessment_plan" for v in values)


def is_shouting(text: str) -> bool:
    """Whether a text is written in capitals, so that capitals say nothing."""
    letters = np.frombuffer(text[:3000].encode("ascii", "replace"), np.uint8)
    # below "A" the difference wraps around to a large number
    upper = int(np.count_nonzero(letters - np.uint8(ord("A")) < 26))
    return upper > 40 and upper > 4 * int(np.count_nonzero(letters - np.uint8(ord("a")) < 26))
