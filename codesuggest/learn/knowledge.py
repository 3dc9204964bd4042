"""What is learned from a set of coded notes before anything is weighed: forms, counts, tagger, translation.

`Knowledge.fit` is the first of two stages. The second, the ranker, must see features as they are on notes that the knowledge
was not taken from; so the knowledge is fitted on some folds, makes the features of the others, and is then fitted on all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from codesuggest.learn.document_classifier import NgramCounts, ngrams
from codesuggest.learn.examples import CodedExample
from codesuggest.learn.surface_forms import MAX_STEMS, N_CLASSES, Batch, FormTable, Mentions, batch_of, expand, is_private
from codesuggest.learn.titles import Meanings, TitleIndex, Translation, latin
from codesuggest.learn.token_tagger import TokenTagger, token_features
from codesuggest.learn.words import SENTENCE, Tokens, WordReader, word_hash

__all__ = ["FormCounts", "Knowledge", "NearForms", "PreparedNote", "prepare"]

_NOTES_AT_ONCE = 128
_TAGGER_NOTES = 3000
_FAR_WORDS = 12
_RARITY = (5.0, 7.5)
_LIKENESS = (0.62, 0.8)

Ints = NDArray[np.int32]


@dataclass(slots=True)
class PreparedNote:
    """One example as numbers.

    Parameters
    ----------
    tokens : Tokens
    codes : int32 array
        Final codes, as places in the model's list, ascending.
    references : list of (code, words)
        Words of each piece of evidence, ascending.
    private : set of int
        Places of the references whose words may identify a person: no form is made of them.
    rejected : set of int
    weights : dict of code to float
    """

    tokens: Tokens
    codes: Ints
    references: list[tuple[int, NDArray[np.int64]]]
    private: frozenset[int] = frozenset()
    rejected: frozenset[int] = frozenset()
    weights: dict[int, float] = field(default_factory=dict)

    def renumber(self, place: NDArray[np.int32]) -> None:
        """Give every code its new place."""
        self.codes = np.sort(place[self.codes])
        self.references = [(int(place[c]), words) for c, words in self.references]
        self.rejected = frozenset(int(place[c]) for c in self.rejected)
        self.weights = {int(place[c]): w for c, w in self.weights.items()}


def prepare(example: CodedExample, reader: WordReader, place: dict[str, int]) -> PreparedNote:
    """Read one example; codes that are not in `place` are left out."""
    tokens = reader.read(example.text)
    references: list[tuple[int, NDArray[np.int64]]] = []
    private = set()
    for code, refs in example.positives.items():
        if code not in place:
            continue
        for reference in refs:
            held = np.zeros(len(tokens), bool)
            for span in reference.spans:
                held |= (tokens.start < span.end) & (tokens.end > span.start)
            words = np.flatnonzero(held)
            if len(words):
                if any(is_private(example.text[s.start : s.end]) for s in reference.spans):
                    private.add(len(references))
                references.append((place[code], words))
    return PreparedNote(
        tokens,
        np.array(sorted(place[c] for c in example.positives if c in place), np.int32),
        references,
        frozenset(private),
        frozenset(place[c] for c in example.negatives if c in place),
        {place[c]: w for c, w in example.weights.items() if c in place},
    )


@dataclass(frozen=True, slots=True)
class FormCounts:
    """How often each code of a form is right, by how the form is found.

    Parameters
    ----------
    form, code : int32 arrays
        Pairs, ascending by form.
    first : int64 array, length n_forms + 1
    found : int32 array of shape (n_forms, N_CLASSES)
        Notes in which the form's best mention is of each class.
    right : int32 array of shape (n_pairs, N_CLASSES)
        Those in which the code was given.
    marked : int32 array, length n_pairs
        Pieces of evidence of the code with this form.
    """

    form: Ints
    code: Ints
    first: NDArray[np.int64]
    found: Ints
    right: Ints
    marked: Ints

    def counted(self, mentions: Mentions, keys: NDArray[np.int64], n_codes: int, shift: int) -> None:
        """Add the mentions of a batch; `keys` are the sorted ``note * n_codes + code`` of all notes, `shift` its first note."""
        order = np.lexsort((mentions.kind, mentions.form, mentions.note))
        note, form, kind = mentions.note[order].astype(np.int64), mentions.form[order], mentions.kind[order]
        best = np.ones(len(order), bool)
        best[1:] = (note[1:] != note[:-1]) | (form[1:] != form[:-1])
        note, form, kind = note[best], form[best], kind[best]
        np.add.at(self.found, (form, kind), 1)
        owner, pair = expand(self.first[form], self.first[form + 1] - self.first[form])
        wanted = (note[owner] + shift) * n_codes + self.code[pair]
        at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        hit = keys[at] == wanted if len(keys) else np.zeros(len(wanted), bool)
        np.add.at(self.right, (pair[hit], kind[owner[hit]]), 1)


class NearForms:
    """Forms that are spelt like a stretch of words, by letter triples weighted by rarity."""

    def __init__(self, texts: Sequence[str]) -> None:
        grams = [self._grams(t) for t in texts]
        size = np.array([len(g) for g in grams], np.int64)
        flat = np.fromiter((g for row in grams for g in row), np.int64, int(size.sum()))
        owner = np.repeat(np.arange(len(texts)), size)
        order = np.argsort(flat, kind="stable")
        self._owner = owner[order]
        self._known, first = np.unique(flat[order], return_index=True)
        self._first = np.concatenate((first, [len(flat)])).astype(np.int64)
        count = np.diff(self._first)
        self._rarity = np.log((len(texts) + 1) / np.maximum(count, 1)) ** 2
        weight = np.repeat(self._rarity, count)
        self._norm = np.sqrt(np.bincount(self._owner, weight, minlength=len(texts))) + 1e-9

    @staticmethod
    def _grams(text: str) -> list[int]:
        return sorted(
            {word_hash(w[i : i + 3]) for word in text.split() for w in [f"^{latin(word)}$"] for i in range(max(1, len(w) - 2))}
        )

    def of(self, text: str, top: int) -> list[tuple[int, float]]:
        """Return (form, cosine) of the nearest."""
        grams = np.array(self._grams(text), np.int64)
        if not len(self._known) or not len(grams):
            return []
        at = np.minimum(np.searchsorted(self._known, grams), len(self._known) - 1)
        hit = self._known[at] == grams
        unknown = float((~hit).sum()) * float(np.log(len(self._norm) + 1) ** 2)
        at = at[hit]
        if not len(at):
            return []
        norm = float(np.sqrt(self._rarity[at].sum() + unknown)) + 1e-9
        owner, entry = expand(self._first[at], self._first[at + 1] - self._first[at])
        rows, place = np.unique(self._owner[entry], return_inverse=True)
        shared = np.bincount(place, self._rarity[at[owner]])
        cosine = shared / (self._norm[rows] * norm)
        best = np.argsort(-cosine, kind="stable")[:top]
        return [(int(rows[b]), float(cosine[b])) for b in best]


@dataclass(slots=True)
class Knowledge:
    """Everything that is counted or learned from the words of coded notes.

    Parameters
    ----------
    n_codes, n_notes : int
    function_words : uint32 array, sorted
    forms : FormTable
    texts : tuple of str
        Stems of each form, in the order it was learned in.
    counts : FormCounts
    tagger : TokenTagger
    ngrams : NgramCounts
    translation : Translation
    """

    n_codes: int
    n_notes: int
    function_words: NDArray[np.uint32]
    forms: FormTable
    texts: tuple[str, ...]
    counts: FormCounts
    tagger: TokenTagger
    ngrams: NgramCounts
    translation: Translation
    titles: TitleIndex
    near: NearForms = field(init=False)
    meanings: Meanings = field(init=False)

    def __post_init__(self) -> None:
        self.near = NearForms(self.texts)
        self.meanings = Meanings(self.titles, self.translation)

    def batch(self, notes: Sequence[Tokens]) -> Batch:
        """Put notes together."""
        return batch_of(notes, self.function_words)

    @classmethod
    def fit(
        cls, notes: Sequence[PreparedNote], spelling: dict[int, str], titles: TitleIndex, n_codes: int, *, seed: int = 0
    ) -> Knowledge:
        """Fit on prepared notes; `spelling` gives the stem of each hash."""
        frequency = _note_frequency(notes)
        function_words = _function_words(frequency, spelling, len(notes))
        public = {word_hash(w) for w in titles.words} | {h for h, n in frequency.items() if n > 1}
        members, pairs, marked, translated = _gather(notes, set(function_words.tolist()), public)
        forms = FormTable.of(members, frequency)
        n_forms = len(members)
        table = np.array(pairs, np.int64).reshape(-1, 2)
        counts = FormCounts(
            table[:, 0].astype(np.int32),
            table[:, 1].astype(np.int32),
            np.searchsorted(table[:, 0], np.arange(n_forms + 1)).astype(np.int64),
            np.zeros((n_forms, N_CLASSES), np.int32),
            np.zeros((len(pairs), N_CLASSES), np.int32),
            np.array(marked, np.int32),
        )
        keys = (
            np.concatenate([np.asarray(i * n_codes + note.codes, np.int64) for i, note in enumerate(notes)])
            if notes
            else np.zeros(0, np.int64)
        )
        grams_note, grams = [], []
        for low in range(0, len(notes), _NOTES_AT_ONCE):
            batch = batch_of([n.tokens for n in notes[low : low + _NOTES_AT_ONCE]], function_words)
            counts.counted(forms.find(batch), keys, n_codes, low)
            note, bucket = ngrams(batch)
            grams_note.append(note + np.int32(low))
            grams.append(bucket)
        return cls(
            n_codes,
            len(notes),
            function_words,
            forms,
            tuple(" ".join(spelling[s] for s in stems) for stems, _ in members),
            counts,
            _fit_tagger(notes, function_words, frequency, titles, spelling, seed),
            NgramCounts.fit(
                (np.concatenate(grams_note), np.concatenate(grams)),
                ((keys // n_codes).astype(np.int32), (keys % n_codes).astype(np.int32)),
                len(notes),
                n_codes,
            ),
            Translation.fit(translated, titles, spelling),
            titles,
        )


def _note_frequency(notes: Sequence[PreparedNote]) -> Counter[int]:
    frequency: Counter[int] = Counter()
    for note in notes:
        frequency.update(np.unique(note.tokens.stem).tolist())
    return frequency


def _function_words(frequency: Counter[int], spelling: dict[int, str], n_notes: int) -> NDArray[np.uint32]:
    return np.array(
        sorted(
            h
            for h, n in frequency.items()
            if n >= max(3, 0.25 * n_notes) and len(word := spelling.get(h, "????")) <= 3 and not word.isdigit() and word.isascii()
        ),
        np.uint32,
    )


def _gather(
    notes: Sequence[PreparedNote], function_words: set[int], public: set[int]
) -> tuple[list[tuple[tuple[int, ...], bool]], list[tuple[int, int]], list[int], list[tuple[list[int], int]]]:
    """Collect the forms, their codes, and the evidence as pairs for the translation; `public` words are nobody's name."""
    place: dict[tuple[int, ...], int] = {}
    members: list[tuple[int, ...]] = []
    far: list[bool] = []
    marked: Counter[tuple[int, int]] = Counter()
    translated: list[tuple[list[int], int]] = []
    for note in notes:
        stems_of = note.tokens.stem
        is_name = (note.tokens.shape & 3 == 1) & (note.tokens.before < SENTENCE)
        for number, (code, words) in enumerate(note.references):
            stems = list(dict.fromkeys(s for s in stems_of[words].tolist() if s not in function_words))
            if not stems:
                stems = list(dict.fromkeys(stems_of[words].tolist()))
            translated.append((stems[:MAX_STEMS], code))
            if len(stems) > MAX_STEMS or number in note.private:
                continue
            if not public.issuperset(stems_of[words[is_name[words]]].tolist()):
                continue
            form = place.setdefault(tuple(sorted(stems)), len(place))
            if form == len(members):
                members.append(tuple(stems))
                far.append(False)
            if int(words[-1] - words[0]) > _FAR_WORDS + len(words):
                far[form] = True
            marked[form, code] += 1
    pairs = sorted(marked)
    return list(zip(members, far, strict=True)), pairs, [marked[p] for p in pairs], translated


def alike(stems: NDArray[np.uint32], titles: TitleIndex, spelling: Mapping[int, str]) -> NDArray[np.uint8]:
    """Return for each stem how much it is spelt like a word of the titles (three steps), and how rare that is (three steps)."""
    found, inverse = np.unique(stems, return_inverse=True)
    values = np.zeros(len(found), np.uint8)
    for i, stem in enumerate(found.tolist()):
        best = titles.cognates.of(spelling.get(stem, ""))
        if best:
            word, likeness = best[0]
            rarity = int(np.searchsorted(_RARITY, titles.rarity[word]))
            values[i] = 1 + rarity + 3 * int(np.searchsorted(_LIKENESS, likeness, side="right"))
    return values[inverse]


def _fit_tagger(
    notes: Sequence[PreparedNote],
    function_words: NDArray[np.uint32],
    frequency: Mapping[int, int],
    titles: TitleIndex,
    spelling: Mapping[int, str],
    seed: int,
) -> TokenTagger:
    known = [n for n in notes if n.references]
    if not known:
        return TokenTagger.empty()
    if len(known) > _TAGGER_NOTES:
        chosen = np.sort(np.random.default_rng(seed).choice(len(known), _TAGGER_NOTES, replace=False))
        known = [known[i] for i in chosen.tolist()]
    batch = batch_of([n.tokens for n in known], function_words)
    inside = np.zeros(len(batch.tokens), bool)
    begins = np.zeros(len(batch.tokens), bool)
    for first, note in zip(batch.first[:-1].tolist(), known, strict=True):
        for _, words in note.references:
            inside[first + words] = True
            begins[first + words[0]] = True
    common = np.array(sorted(h for h, n in frequency.items() if n > 1), np.uint32)
    features = token_features(batch, common, alike(batch.tokens.stem, titles, spelling))
    return TokenTagger.fit(features, inside, begins, common, seed=seed)
