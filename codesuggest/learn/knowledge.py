"""What is learned from a set of coded notes before anything is weighed: forms, counts, tagger, translation.

`Knowledge.fit` is the first of two stages. The second, the ranker, must see features as they are on notes that the knowledge
was not taken from; so the knowledge is fitted on some folds, makes the features of the others, and is then fitted on all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

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
_COMMON_GRAM = 0.03  # share of the forms from which a letter triple tells too little to be looked up
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
    group : str
        The encounter.
    """

    tokens: Tokens
    codes: Ints
    references: list[tuple[int, NDArray[np.int64]]]
    private: frozenset[int] = frozenset()
    rejected: frozenset[int] = frozenset()
    weights: dict[int, float] = field(default_factory=dict)
    group: str = ""

    def unmarked(self) -> list[int]:
        """Return the codes without evidence."""
        marked = {c for c, _ in self.references}
        return [c for c in self.codes.tolist() if c not in marked]

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
        example.group or example.note_id,
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

    def counted(self, mentions: Mentions, keys: NDArray[np.int64], n_codes: int) -> None:
        """Add the mentions of a batch; `keys` are the sorted ``note * n_codes + code`` of its notes."""
        order = np.lexsort((mentions.kind, mentions.form, mentions.note))
        note, form, kind = mentions.note[order].astype(np.int64), mentions.form[order], mentions.kind[order]
        best = np.ones(len(order), bool)
        best[1:] = (note[1:] != note[:-1]) | (form[1:] != form[:-1])
        note, form, kind = note[best], form[best], kind[best]
        np.add.at(self.found, (form, kind), 1)
        owner, pair = expand(self.first[form], self.first[form + 1] - self.first[form])
        wanted = note[owner] * n_codes + self.code[pair]
        at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        hit = keys[at] == wanted if len(keys) else np.zeros(len(wanted), bool)
        np.add.at(self.right, (pair[hit], kind[owner[hit]]), 1)


class NearForms:
    """Forms that are spelt like a stretch of words, by letter triples weighted by rarity."""

    def __init__(self, texts: Sequence[str]) -> None:
        every = [self._grams(t) for t in texts]
        frequency = Counter(g for row in every for g in row)
        most = max(_COMMON_GRAM * len(texts), 40)
        grams = [[g for g in row if frequency[g] <= most] for row in every]
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
    meanings: Meanings = field(init=False, repr=False)
    _near: NearForms | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        self.meanings = Meanings(self.titles, self.translation)

    @property
    def near(self) -> NearForms:
        """Forms by their spelling, made when they are first looked up."""
        if self._near is None:
            self._near = NearForms(self.texts)
        return self._near

    def batch(self, notes: Sequence[Tokens]) -> Batch:
        """Put notes together."""
        return batch_of(notes, self.function_words)

    @classmethod
    def fit(
        cls,
        notes: Sequence[PreparedNote],
        spelling: Mapping[int, str],
        titles: TitleIndex,
        n_codes: int,
        *,
        same_language: bool = False,
        seed: int = 0,
    ) -> Knowledge:
        """Fit on prepared notes.

        Parameters
        ----------
        notes : sequence of PreparedNote
        spelling : mapping of hash to stem
        titles : TitleIndex
        n_codes : int
        same_language : bool
            Whether the titles are in the language of the notes: then they are forms of the codes that were given.
        seed : int
        """
        frequency = _note_frequency(notes)
        function_words = _function_words(frequency, spelling, len(notes))
        grams, labels = _grams(notes, function_words)
        counted = NgramCounts.fit(grams, labels, len(notes), n_codes)
        notes = _with_guesses(notes, counted, function_words)
        public = _public_words(notes, titles)
        known = titles.of_codes(np.flatnonzero(counted.code_notes)) if same_language else []
        forms = _Forms.of(notes, set(function_words.tolist()), public, spelling, known)
        counts = forms.counts()
        table = FormTable.of(list(zip(forms.members, forms.far, strict=True)), frequency)
        _count(counts, table, notes, function_words, n_codes)
        return cls(
            n_codes,
            len(notes),
            function_words,
            table,
            tuple(forms.texts),
            counts,
            _fit_tagger(notes, function_words, frequency, titles, spelling, seed),
            counted,
            Translation.fit(forms.translated, titles, spelling),
            titles,
        )

    def updated(self, notes: Sequence[PreparedNote], spelling: Mapping[int, str], *, seed: int = 0) -> Knowledge:
        """Return the knowledge with more notes added to its counts.

        Exact for the n-grams and forms that were known, but for the shares too small to be kept. A form that is new is counted
        from these notes on. The tagger is the mean of the old and one fitted to these notes, by the number of their words
        (parameter mixing: McDonald et al. 2010); function words stay, and so does the translation unless there was none.
        """
        frequency = _note_frequency(notes)
        grams, labels = _grams(notes, self.function_words)
        counted = self.ngrams.added(grams, labels, len(notes))
        notes = _with_guesses(notes, counted, self.function_words)
        public = _public_words(notes, self.titles)
        forms = _Forms.of(notes, set(self.function_words.tolist()), public, spelling, [], before=self._forms())
        counts = forms.counts(before=self.counts)
        rows = list(zip(forms.members[len(self.forms) :], forms.far[len(self.forms) :], strict=True))
        table = self.forms.extended(FormTable.of(rows, frequency), np.array(forms.far, bool))
        _count(counts, table, notes, self.function_words, self.n_codes)
        tagger = _fit_tagger(notes, self.function_words, frequency, self.titles, spelling, seed)
        translation = self.translation
        if not len(translation.source):
            translation = Translation.fit(forms.translated, self.titles, spelling)
        return Knowledge(
            self.n_codes,
            self.n_notes + len(notes),
            self.function_words,
            table,
            tuple(forms.texts),
            counts,
            self.tagger.mixed(tagger, len(notes) / (self.n_notes + len(notes))),
            counted,
            translation,
            self.titles,
        )

    def renumbered(self, moved: NDArray[np.int64], n_codes: int, titles: Mapping[int, Sequence[str]]) -> Knowledge:
        """Return the knowledge with each code at its new place, and room and titles for more codes.

        Parameters
        ----------
        moved : int64 array, ascending
            New place of each code.
        n_codes : int
            Codes then.
        titles : mapping of place to texts
            Of the codes that are new.
        """
        code_notes = np.zeros(n_codes, np.int64)
        code_notes[moved] = self.ngrams.code_notes
        counts = replace(self.counts, code=moved[self.counts.code].astype(np.int32))
        counted = replace(self.ngrams, code_notes=code_notes, code=moved[self.ngrams.code].astype(np.int32))
        return replace(
            self, n_codes=n_codes, counts=counts, ngrams=counted, titles=self.titles.renumbered(moved, n_codes, titles)
        )

    def _forms(self) -> _Forms:
        members = []
        for stems, order in zip(self.forms.stems.tolist(), self.forms.order.tolist(), strict=True):
            by = sorted((o, s) for s, o in zip(stems, order, strict=True) if s)
            members.append(tuple(s for _, s in by))
        pairs = zip(self.counts.form.tolist(), self.counts.code.tolist(), strict=True)
        marked = Counter(dict(zip(pairs, self.counts.marked.tolist(), strict=True)))
        return _Forms(members, self.forms.far.tolist(), list(self.texts), marked, [])


@dataclass(slots=True)
class _Forms:
    """Forms being collected: stems in the order they were learned in, whether far apart, text, (form, code) -> times marked."""

    members: list[tuple[int, ...]]
    far: list[bool]
    texts: list[str]
    marked: Counter[tuple[int, int]]
    translated: list[tuple[list[int], int]]

    @classmethod
    def of(
        cls,
        notes: Sequence[PreparedNote],
        function_words: set[int],
        public: set[int],
        spelling: Mapping[int, str],
        titles: Sequence[tuple[Sequence[str], int]],
        *,
        before: _Forms | None = None,
    ) -> _Forms:
        """Collect from the evidence of notes and from titles; `public` words are nobody's name."""
        forms = before or cls([], [], [], Counter(), [])
        place = {tuple(sorted(m)): i for i, m in enumerate(forms.members)}

        def add(stems: list[int], words: Mapping[int, str]) -> int:
            form = place.setdefault(tuple(sorted(stems)), len(place))
            if form == len(forms.members):
                forms.members.append(tuple(stems))
                forms.far.append(False)
                forms.texts.append(" ".join(words[s] for s in stems))
            return form

        for title, code in titles:
            by_hash = {word_hash(w): w for w in title}
            stems = [s for s in by_hash if s not in function_words]
            if 0 < len(stems) <= MAX_STEMS:
                forms.marked[add(stems, by_hash), code] += 0
        for note in notes:
            stems_of = note.tokens.stem
            is_name = (note.tokens.shape & 3 == 1) & (note.tokens.before < SENTENCE)
            for number, (code, at) in enumerate(note.references):
                stems = list(dict.fromkeys(s for s in stems_of[at].tolist() if s not in function_words))
                if not stems:
                    stems = list(dict.fromkeys(stems_of[at].tolist()))
                forms.translated.append((stems[:MAX_STEMS], code))
                if len(stems) > MAX_STEMS or number in note.private:
                    continue
                if not public.issuperset(stems_of[at[is_name[at]]].tolist()) or is_private(" ".join(spelling[s] for s in stems)):
                    continue
                form = add(stems, spelling)
                if int(at[-1] - at[0]) > _FAR_WORDS + len(at):
                    forms.far[form] = True
                forms.marked[form, code] += 1
        return forms

    def counts(self, before: FormCounts | None = None) -> FormCounts:
        """Return the table of pairs, with the counts of `before`, or none yet."""
        pairs = sorted(self.marked)
        table = np.array(pairs, np.int64).reshape(-1, 2)
        found = np.zeros((len(self.members), N_CLASSES), np.int32)
        right = np.zeros((len(pairs), N_CLASSES), np.int32)
        if before is not None:
            found[: len(before.found)] = before.found
            place = {p: i for i, p in enumerate(pairs)}
            right[[place[p] for p in zip(before.form.tolist(), before.code.tolist(), strict=True)]] = before.right
        return FormCounts(
            table[:, 0].astype(np.int32),
            table[:, 1].astype(np.int32),
            np.searchsorted(table[:, 0], np.arange(len(self.members) + 1)).astype(np.int64),
            found,
            right,
            np.array([self.marked[p] for p in pairs], np.int32),
        )


def _grams(notes: Sequence[PreparedNote], function_words: NDArray[np.uint32]) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
    """Return (note, n-gram) and (note, code) of all notes."""
    note_of, bucket_of = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    for low in range(0, len(notes), _NOTES_AT_ONCE):
        note, bucket = ngrams(batch_of([n.tokens for n in notes[low : low + _NOTES_AT_ONCE]], function_words))
        note_of.append(note + np.int32(low))
        bucket_of.append(bucket)
    size = [len(n.codes) for n in notes]
    codes = np.concatenate([np.zeros(0, np.int32), *(n.codes for n in notes)])
    return (np.concatenate(note_of), np.concatenate(bucket_of)), (np.repeat(np.arange(len(notes), dtype=np.int32), size), codes)


def _count(
    counts: FormCounts, table: FormTable, notes: Sequence[PreparedNote], function_words: NDArray[np.uint32], n_codes: int
) -> None:
    """Find the forms in the notes and add to the counts."""
    for low in range(0, len(notes), _NOTES_AT_ONCE):
        part = notes[low : low + _NOTES_AT_ONCE]
        keys = np.concatenate([i * n_codes + n.codes.astype(np.int64) for i, n in enumerate(part)])
        counts.counted(table.find(batch_of([n.tokens for n in part], function_words)), keys, n_codes)


def _with_guesses(
    notes: Sequence[PreparedNote], counted: NgramCounts, function_words: NDArray[np.uint32]
) -> Sequence[PreparedNote]:
    """Give codes without evidence the n-grams that speak most for them: those that stand with the code in two notes or more."""
    if not any(n.unmarked() for n in notes):
        return notes
    out: list[PreparedNote] = []
    for low in range(0, len(notes), _NOTES_AT_ONCE):
        part = notes[low : low + _NOTES_AT_ONCE]
        batch = batch_of([n.tokens for n in part], function_words)
        found: list[list[tuple[int, NDArray[np.int64]]]] = [[] for _ in part]
        for i, code, words in counted.telling(batch, [n.unmarked() for n in part]):
            found[i].append((code, words - batch.first[i]))
        out += [replace(n, references=n.references + f) for n, f in zip(part, found, strict=True)]
    return out


def _public_words(notes: Sequence[PreparedNote], titles: TitleIndex) -> set[int]:
    """Words that stand in the notes of two encounters or in a title, and so are nobody's name."""
    encounters: dict[str, list[PreparedNote]] = {}
    for note in notes:
        encounters.setdefault(note.group, []).append(note)
    frequency: Counter[int] = Counter()
    for members in encounters.values():
        frequency.update(np.unique(np.concatenate([n.tokens.stem for n in members])).tolist())
    return {word_hash(w) for w in titles.words} | {h for h, n in frequency.items() if n > 1}


def _note_frequency(notes: Sequence[PreparedNote]) -> Counter[int]:
    frequency: Counter[int] = Counter()
    for note in notes:
        frequency.update(np.unique(note.tokens.stem).tolist())
    return frequency


def _function_words(frequency: Counter[int], spelling: Mapping[int, str], n_notes: int) -> NDArray[np.uint32]:
    return np.array(
        sorted(
            h
            for h, n in frequency.items()
            if n >= max(3, 0.25 * n_notes) and len(word := spelling.get(h, "????")) <= 3 and not word.isdigit() and word.isascii()
        ),
        np.uint32,
    )


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
