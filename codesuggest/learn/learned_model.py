"""A model learned from coded notes: fit, predict, save, open, update.

`fit` takes notes with the codes people decided on, with or without their evidence, in any language, for any code system of
which there is a release. It has two stages: knowledge (`codesuggest.learn.knowledge`), and the ranker over mentions and
candidates, which reads features made by knowledge that was not taken from the same encounters.

A learned model folder, as `save` writes it::

    manifest.json           parts: ["learned"], or ["lexicon", "learned"] on top of another model; hashes of every file
    learned/codes.txt       codes that may be suggested
    learned/forms.txt       stems of the surface forms, one form a line: the only words of notes in the folder
    learned/title_words.txt
    learned/*.npy           counts, weights, trees
    card.md
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codesuggest.codes import Release, Releases
from codesuggest.errors import ConfigError
from codesuggest.learn.document_classifier import NgramCounts, ngrams
from codesuggest.learn.examples import CodedExample, Reference
from codesuggest.learn.knowledge import FormCounts, Knowledge, PreparedNote, prepare
from codesuggest.learn.mentions import MentionRows, mention_rows
from codesuggest.learn.pair_ranker import PairRanker, calibrated, fit_ranker, ranker_arrays, ranker_from_arrays
from codesuggest.learn.pairs import PairRows, pair_rows
from codesuggest.learn.surface_forms import Batch, FormTable
from codesuggest.learn.titles import TitleIndex, Translation, titles_of, universe
from codesuggest.learn.token_tagger import TokenTagger
from codesuggest.learn.trees import BoostedTrees
from codesuggest.learn.words import WordReader
from codesuggest.model import find_release, read_manifest, verify_files, write_files, write_manifest
from codesuggest.rank.ranker import sigmoid
from codesuggest.records import Note, Span

if TYPE_CHECKING:
    from codesuggest.suggester import Suggester

__all__ = ["LearnedModel", "Ranked", "fit"]

_FOLDS = 5
_NOTES_AT_ONCE = 64
_ALL_IN_FOLDS = 4000  # notes up to which the knowledge is fitted once a fold
_RANKER_NOTES = 1500  # notes of the ranker where there are more
_FEW_FOLDS = 3
_MENTION_ROWS = 150_000  # rows that a model of mentions is fitted to
_RECALIBRATE = 200
_MAX_CODES = 200
_SPARE = 20  # candidates looked at beyond those returned: one without a place to show is left out

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Ranked:
    """One code of a note.

    Parameters
    ----------
    code : str
    probability : float in [0, 1]
        Calibrated.
    references : tuple of Reference
        Places that support it, the most telling first; at least one.
    marked : tuple of float in [0, 1]
        Chance of each that a coder marks exactly this place.
    selected : bool
        Whether the code is put forward.
    score : float
        Log-odds before calibration.
    features : float array
        The row of the ranker, for :meth:`PairRanker.contributions`.
    """

    code: str
    probability: float
    references: tuple[Reference, ...]
    marked: tuple[float, ...]
    selected: bool
    score: float
    features: NDArray[np.float64] = field(repr=False)


@dataclass(slots=True)
class _Read:
    """Features of one batch of notes."""

    batch: Batch
    rows: MentionRows
    note_scores: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]


@dataclass(slots=True)
class LearnedModel:
    """A fitted model. Make one with :func:`fit` or :meth:`open`.

    Parameters
    ----------
    language, system : str
    release : Release
    codes : tuple of str
        Codes that may be suggested, dotted, sorted.
    knowledge : Knowledge
    chance, marked : BoostedTrees
        Models of mentions.
    ranker : PairRanker
    base : Suggester, optional
        The model this one is built on.
    facts : dict
        Numbers of the training, for the card and the manifest.
    sha256 : str
        Of the manifest, once saved.
    """

    language: str
    system: str
    release: Release
    codes: tuple[str, ...]
    knowledge: Knowledge
    chance: BoostedTrees
    marked: BoostedTrees
    ranker: PairRanker
    base: Suggester | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    name: str = "learned"
    sha256: str = ""
    folder: Path | None = None
    manifest: dict[str, Any] = field(default_factory=dict)
    reader: WordReader = field(init=False, repr=False)
    _families: tuple[NDArray[np.int32], NDArray[np.int32]] = field(init=False, repr=False)
    _place: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.reader = WordReader(self.language)
        self._families = families(self.codes)
        self._place = {c: i for i, c in enumerate(self.codes)}

    # -- prediction --------------------------------------------------------------------------------------------------

    @property
    def threshold(self) -> float:
        """Probability from which a code is put forward."""
        return self.ranker.threshold

    def predict(self, note: Note | str, *, top: int = _MAX_CODES) -> tuple[Ranked, ...]:
        """Rank the codes of one note, in the order ``(-probability, code)``.

        Parameters
        ----------
        note : Note or str
        top : int
            Codes returned at most.
        """
        note = Note("note", note) if isinstance(note, str) else note
        tokens = self.reader.read(note.text)
        if not len(tokens):
            return ()
        batch = self.knowledge.batch([tokens])
        read, pairs, base_spans, chance, marked = self._pairs(note, batch)
        logits = self.ranker.logits(pairs.X)
        probabilities = self.ranker.probabilities(logits)
        order = np.lexsort((pairs.code, -probabilities))[: top + _SPARE].tolist()
        without = [int(pairs.code[i]) for i in order if pairs.best[i] < 0 and int(pairs.code[i]) not in base_spans]
        grams = self.knowledge.ngrams.most_telling(batch, without)
        by_code = np.argsort(read.rows.code, kind="stable")
        codes_in_order = read.rows.code[by_code]
        ranked = []
        for i in order:
            code = int(pairs.code[i])
            low, high = np.searchsorted(codes_in_order, (code, code + 1)).tolist()
            places = self._places(read, by_code[low:high], chance, marked)
            references = tuple(r for r, _ in places) or base_spans.get(code, ())
            if not references and code in grams:
                start, n = grams[code]
                references = (reference_of(batch, batch.content[start : start + n].tolist()),)
            if not references:
                continue
            chances = tuple(m for _, m in places) or (0.0,) * len(references)
            p = float(probabilities[i])
            ranked.append(Ranked(self.codes[code], p, references, chances, p >= self.threshold, float(logits[i]), pairs.X[i]))
        return tuple(ranked[:top])

    def _pairs(
        self, note: Note, batch: Batch
    ) -> tuple[_Read, PairRows, dict[int, tuple[Reference, ...]], NDArray[np.float64], NDArray[np.float64]]:
        read = read_batch(self.knowledge, batch, self.reader.spelling)
        chance = sigmoid(self.chance.logits(read.rows.X))
        marked = sigmoid(self.marked.logits(read.rows.X))
        base, spans = base_rows(self.base, note, self._place) if self.base is not None else ({}, {})
        of_base = {(0, c): v for c, v in base.items()}
        pairs = pair_rows(self.knowledge, read.rows, chance, marked, read.note_scores, self._families, of_base, len(batch.tokens))
        return read, pairs, spans, chance, marked

    def place_of(self, code: str) -> int:
        """Return the place of a code in `codes`."""
        return self._place[code]

    def _places(
        self, read: _Read, mine: NDArray[np.int64], chance: NDArray[np.float64], marked: NDArray[np.float64]
    ) -> list[tuple[Reference, float]]:
        """Return the places of the rows of one code that do not overlap, the likeliest to be marked first."""
        rows = read.rows
        taken: set[int] = set()
        found = []
        for i in mine[np.lexsort((rows.first[mine], -chance[mine], -marked[mine]))].tolist():
            words = rows.words[i][rows.words[i] >= 0].tolist()
            if taken.isdisjoint(words):
                taken.update(words)
                found.append((reference_of(read.batch, words), float(marked[i])))
        return found

    # -- saving ------------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path, *, name: str | None = None) -> Path:
        """Write the model folder.

        Parameters
        ----------
        folder : path
        name : str, optional

        Returns
        -------
        Path
        """
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        k = self.knowledge
        arrays: dict[str, Any] = {
            "function_words": k.function_words,
            "form_stems": k.forms.stems,
            "form_order": k.forms.order,
            "form_far": k.forms.far,
            "pair_form": k.counts.form,
            "pair_code": k.counts.code,
            "pair_marked": k.counts.marked,
            "form_found": k.counts.found,
            "pair_right": k.counts.right,
            "tagger_weights": k.tagger.weights,
            "tagger_intercept": k.tagger.intercept,
            "tagger_known": k.tagger.known,
            "ngram_code_notes": k.ngrams.code_notes,
            "ngram_bucket": k.ngrams.bucket,
            "ngram_notes": k.ngrams.notes,
            "ngram_first": k.ngrams.first,
            "ngram_code": k.ngrams.code,
            "ngram_count": k.ngrams.count,
            "translation_source": k.translation.source,
            "translation_first": k.translation.first,
            "translation_target": k.translation.target,
            "translation_weight": k.translation.weight,
            "title_rarity": k.titles.rarity,
            "title_code": k.titles.code,
            "title_members": k.titles.members,
            **self.chance.arrays("chance"),
            **self.marked.arrays("marked"),
            **ranker_arrays(self.ranker),
        }
        files = {f"{n}.npy": a for n, a in arrays.items()}
        files["codes.txt"] = "".join(f"{c}\n" for c in self.codes)
        files["forms.txt"] = "".join(f"{t}\n" for t in k.texts)
        files["title_words.txt"] = "".join(f"{w}\n" for w in k.titles.words)
        facts = {"language": self.language, "system": self.system, "n_notes": k.n_notes, "facts": self.facts}
        files["learned.json"] = json.dumps(facts, indent=1, sort_keys=True) + "\n"
        write_files(path / "learned", files)
        parts = ["learned"]
        if self.base is not None:
            parts = ["lexicon", "learned"]
            source = self.base.model.folder
            for item in ("lexicon", "specificity", "ranker.json"):
                if (source / item).resolve() == (path / item).resolve():
                    continue
                if (source / item).is_dir():
                    shutil.copytree(source / item, path / item, dirs_exist_ok=True)
                else:
                    shutil.copyfile(source / item, path / item)
        self.name = name or self.name
        extra: dict[str, Any] = {"parts": parts, "language": self.language, "training": self.facts}
        if self.base is not None:
            extra["base"] = {
                "name": self.base.model.name,
                "sha256": self.base.model.sha256,
                "release": self.base.model.manifest["release"],
            }
        self.sha256 = write_manifest(path, name=self.name, release=self.release, extra=extra)
        self.folder = path
        self.manifest, _ = read_manifest(path)
        from codesuggest.learn.card import card

        (path / "card.md").write_text(card(self), encoding="utf-8", newline="\n")
        return path

    @classmethod
    def open(cls, folder: str | Path, *, releases: Releases | None = None) -> LearnedModel:
        """Open a model folder after checking every hash.

        Raises
        ------
        BundleError
            CS300 to CS304, as :meth:`codesuggest.model.Model.open`.
        """
        path = Path(folder)
        manifest, digest = read_manifest(path)
        verify_files(path, manifest)
        release = find_release(manifest["release"], releases or Releases())
        part = path / "learned"
        a: dict[str, NDArray[Any]] = {
            f.stem: np.load(f, mmap_mode="r" if f.stat().st_size > 1 << 16 else None, allow_pickle=False).view(np.ndarray)
            for f in sorted(part.glob("*.npy"))
        }
        facts = json.loads((part / "learned.json").read_text(encoding="utf-8"))
        codes = tuple((part / "codes.txt").read_text(encoding="utf-8").split("\n")[:-1])
        words = (part / "title_words.txt").read_text(encoding="utf-8").split("\n")[:-1]
        texts = tuple((part / "forms.txt").read_text(encoding="utf-8").split("\n")[:-1])
        titles = TitleIndex.open(words, a["title_rarity"], a["title_code"], a["title_members"], len(codes))
        counts = FormCounts(
            a["pair_form"],
            a["pair_code"],
            np.searchsorted(a["pair_form"], np.arange(len(texts) + 1)).astype(np.int64),
            a["form_found"],
            a["pair_right"],
            a["pair_marked"],
        )
        knowledge = Knowledge(
            len(codes),
            int(facts["n_notes"]),
            a["function_words"],
            FormTable(a["form_stems"], a["form_order"], a["form_far"]),
            texts,
            counts,
            TokenTagger(a["tagger_weights"], a["tagger_intercept"], a["tagger_known"]),
            NgramCounts(
                int(facts["n_notes"]),
                a["ngram_code_notes"],
                a["ngram_bucket"],
                a["ngram_notes"],
                a["ngram_first"],
                a["ngram_code"],
                a["ngram_count"],
            ),
            Translation(a["translation_source"], a["translation_first"], a["translation_target"], a["translation_weight"]),
            titles,
        )
        base = None
        if "lexicon" in manifest.get("parts", ()):
            from codesuggest.model import Model
            from codesuggest.suggester import Suggester

            base = Suggester(Model.open(path, releases=releases), releases)
        return cls(
            facts["language"],
            facts["system"],
            release,
            codes,
            knowledge,
            BoostedTrees.from_arrays("chance", a),
            BoostedTrees.from_arrays("marked", a),
            ranker_from_arrays(a),
            base,
            facts["facts"],
            str(manifest["name"]),
            digest,
            path,
            manifest,
        )

    def update(self, examples: Iterable[CodedExample], *, seed: int = 0) -> LearnedModel:
        """Return a model that has learned from more examples, without the notes it was fitted to.

        Counts of forms and n-grams, new forms and new codes are added, and the tagger is mixed; the weights of the ranker stay.
        From 200 notes on, the calibration and the threshold are taken from 200 of the new notes, as the model before them saw them.

        Parameters
        ----------
        examples : iterable of CodedExample
            Notes that the model has not been fitted to.
        seed : int
        """
        found = list(examples)
        if not found:
            return self
        seen = {c for e in found for c in (*e.positives, *e.negatives)}
        before = self._with_codes(sorted(seen - set(self.codes)))
        notes = [prepare(e, before.reader, before._place) for e in found]
        ranker = before._recalibrated(found, notes) if len(notes) >= _RECALIBRATE else before.ranker
        knowledge = before.knowledge.updated(notes, before.reader.spelling, seed=seed)
        facts = dict(self.facts)
        facts["notes"] = int(facts.get("notes", 0)) + len(notes)
        facts["evidence"] = int(facts.get("evidence", 0)) + sum(len(n.references) for n in notes)
        facts["notes_since_the_ranker_was_fitted"] = int(facts.get("notes_since_the_ranker_was_fitted", 0)) + len(notes)
        return replace(before, knowledge=knowledge, ranker=ranker, facts=facts, sha256="", folder=None, manifest={})

    def _with_codes(self, more: Sequence[str]) -> LearnedModel:
        """Return the model with more codes: those of other releases, or that coders write in another way."""
        if not more:
            return self
        codes = tuple(sorted({*self.codes, *more}))
        place = {c: i for i, c in enumerate(codes)}
        moved = np.array([place[c] for c in self.codes], np.int64)
        texts = titles_of(self.release, codes)
        new = {place[c]: texts[place[c]] for c in more if place[c] in texts}
        return replace(self, codes=codes, knowledge=self.knowledge.renumbered(moved, len(codes), new))

    def _recalibrated(self, examples: Sequence[CodedExample], notes: Sequence[PreparedNote]) -> PairRanker:
        order = sorted(range(len(examples)), key=lambda i: (_hash_of(examples[i].group or examples[i].note_id, 0), i))
        logits, given = [], []
        n_positive = 0
        for low in range(0, _RECALIBRATE, _NOTES_AT_ONCE):
            part = [i for i in order[low : min(low + _NOTES_AT_ONCE, _RECALIBRATE)] if len(notes[i].tokens)]
            if not part:
                continue
            batch = self.knowledge.batch([notes[i].tokens for i in part])
            of_base: dict[tuple[int, int], tuple[float, int]] = {}
            if self.base is not None:
                for n, i in enumerate(part):
                    rows, _ = base_rows(self.base, examples[i].note(), self._place)
                    of_base.update({(n, c): v for c, v in rows.items()})
            read = read_batch(self.knowledge, batch, self.reader.spelling)
            chance, marked = sigmoid(self.chance.logits(read.rows.X)), sigmoid(self.marked.logits(read.rows.X))
            pairs = pair_rows(
                self.knowledge, read.rows, chance, marked, read.note_scores, self._families, of_base, len(batch.tokens)
            )
            final = {(n, c) for n, i in enumerate(part) for c in notes[i].codes.tolist()}
            logits.append(self.ranker.logits(pairs.X))
            given.append(np.array([p in final for p in zip(pairs.note.tolist(), pairs.code.tolist(), strict=True)], bool))
            n_positive += len(final)
        return calibrated(self.ranker, np.concatenate(logits), np.concatenate(given), n_positive)


def families(codes: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the category and the chapter (first three characters, first one) of every code, as numbers."""
    category: dict[str, int] = {}
    chapter: dict[str, int] = {}
    return (
        np.array([category.setdefault(c[:3], len(category)) for c in codes], np.int32),
        np.array([chapter.setdefault(c[:1], len(chapter)) for c in codes], np.int32),
    )


def read_batch(knowledge: Knowledge, batch: Batch, spelling: dict[int, str]) -> _Read:
    """Make the features of a batch."""
    note_scores = knowledge.ngrams.scores(ngrams(batch))
    return _Read(batch, mention_rows(knowledge, batch, spelling, note_scores), note_scores)


def reference_of(batch: Batch, words: Sequence[int]) -> Reference:
    """Return the characters of words: one range for words in a row, function words between them included."""
    tokens = batch.tokens
    content = np.searchsorted(batch.content, words)
    spans: list[list[int]] = []
    previous = -2
    for word, place in zip(words, content.tolist(), strict=True):
        start, end = int(tokens.start[word]), int(tokens.end[word])
        if spans and place == previous + 1:
            spans[-1][1] = end
        else:
            spans.append([start, end])
        previous = place
    return Reference(tuple(Span(a, b) for a, b in spans))


def base_rows(
    base: Suggester, note: Note, place: dict[str, int]
) -> tuple[dict[int, tuple[float, int]], dict[int, tuple[Reference, ...]]]:
    """Return what the model that is built on says of a note: (probability, rank) and evidence of each code."""
    rows: dict[int, tuple[float, int]] = {}
    spans: dict[int, tuple[Reference, ...]] = {}
    for s in base.suggest(note).suggestions:
        code = place.get(s.code, place.get(s.code[:-1]))
        if code is None or code in rows:
            continue
        rows[code] = (s.probability, s.rank)
        spans[code] = tuple(Reference((e.span,)) for e in s.evidence if e.role == "supports")
    return rows, spans


def fit(
    examples: Iterable[CodedExample],
    *,
    release: Release,
    language: str = "en",
    system: str | None = None,
    base: Suggester | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    name: str = "learned",
) -> LearnedModel:
    """Fit a model.

    Parameters
    ----------
    examples : iterable of CodedExample
        Read once.
    release : Release
        Codes that may be suggested, with their titles.
    language : str
        ISO 639-1 code of the notes.
    system : str, optional
        Code system; that of the release.
    base : Suggester, optional
        A model whose suggestions become candidates and features.
    seed : int
    progress : callable, optional
        Called with (stage, done, of).
    name : str

    Returns
    -------
    LearnedModel

    Raises
    ------
    ConfigError
        CS524 when there are fewer than ten coded notes, CS525 when the base model has another release.
    """
    if base is not None and base.model.release.sha256 != release.sha256:
        raise ConfigError(
            "CS525",
            f"The base model was made for {base.model.release.name}, and the release given is {release.name}. "
            "Expected the same release. Give that of the base, or leave the base out.",
        )
    say = progress or (lambda stage, done, of: None)
    reader = WordReader(language)
    growing: dict[str, int] = {}
    notes: list[PreparedNote] = []
    groups: list[str] = []
    sample = _Sample(_ALL_IN_FOLDS, seed)
    for example in examples:
        for code in (*example.positives, *example.negatives):
            growing.setdefault(code, len(growing))
        sample.offer(example, len(notes), keep_text=base is not None)
        notes.append(prepare(example, reader, growing))
        groups.append(example.group or example.note_id)
        if len(notes) % 1000 == 0:
            say("notes read", len(notes), 0)
    if len(notes) < 10:
        raise ConfigError(
            "CS524",
            f"{len(notes)} coded notes were given. Expected at least 10, better 100. Collect more decisions before retraining.",
        )
    codes = tuple(universe(release, growing))
    place = {c: i for i, c in enumerate(codes)}
    renumber = np.array([place[c] for c in growing], np.int32)
    for note in notes:
        note.renumber(renumber)
    say("titles", 0, 1)
    titles = _title_index(release, codes)
    same_language = language == "en"
    chosen = sample.members()
    n_folds = _FOLDS
    if len(chosen) < len(notes):
        chosen, n_folds = sample.members(_RANKER_NOTES), _FEW_FOLDS
    bases: dict[int, dict[int, tuple[float, int]]] = {}
    if base is not None:
        for done, i in enumerate(chosen):
            bases[i] = base_rows(base, sample.originals[i], place)[0]
            if done % 100 == 0:
                say("base model", done, len(chosen))
    fold = folds_of(groups, n_folds, seed)
    read: list[tuple[int, Knowledge, _Read, list[int]]] = []

    def read_notes(knowledge: Knowledge, members: list[int], k: int) -> None:
        for low in range(0, len(members), _NOTES_AT_ONCE):
            part = members[low : low + _NOTES_AT_ONCE]
            batch = knowledge.batch([notes[i].tokens for i in part])
            read.append((k, knowledge, read_batch(knowledge, batch, reader.spelling), part))

    if len(chosen) == len(notes):
        for k in range(n_folds):
            say("folds", k, n_folds)
            outside = [n for n, f in zip(notes, fold, strict=True) if f != k]
            knowledge = Knowledge.fit(outside, reader.spelling, titles, len(codes), same_language=same_language, seed=seed)
            read_notes(knowledge, [i for i in chosen if fold[i] == k], k)
        say("knowledge", 0, 1)
        knowledge = Knowledge.fit(notes, reader.spelling, titles, len(codes), same_language=same_language, seed=seed)
    else:
        # many notes: the knowledge is fitted once, without the encounters of the sample, which are added afterwards
        say("knowledge", 0, 2)
        inside = set(chosen)
        outside = [n for i, n in enumerate(notes) if i not in inside]
        knowledge = Knowledge.fit(outside, reader.spelling, titles, len(codes), same_language=same_language, seed=seed)
        for k in range(n_folds):
            say("folds", k, n_folds)
            read_notes(knowledge, [i for i in chosen if fold[i] == k], k)
        say("knowledge", 1, 2)
        knowledge = knowledge.updated([notes[i] for i in chosen], reader.spelling, seed=seed)
    chance, marked, ranker, facts = _fit_models(read, notes, bases, families(codes), say, seed)
    facts |= {
        "notes": len(notes),
        "encounters": len(set(groups)),
        "codes": len(growing),
        "evidence": sum(len(n.references) for n in notes),
        "notes_of_the_ranker": len(chosen),
        "seed": seed,
    }
    return LearnedModel(language, system or release.system, release, codes, knowledge, chance, marked, ranker, base, facts, name)


@lru_cache(maxsize=2)
def _title_index(release: Release, codes: tuple[str, ...]) -> TitleIndex:
    """Read the titles once for all models of the same codes."""
    return TitleIndex.build(titles_of(release, codes), len(codes))


class _Sample:
    """Encounters for the ranker, chosen by the hash of their name, so that the choice does not hang on the order of the notes."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed = size, seed
        self._by_hash: list[tuple[int, int]] = []
        self._cut = 1 << 64
        self.originals: dict[int, Note] = {}

    def offer(self, example: CodedExample, number: int, *, keep_text: bool) -> None:
        """Take a note or leave it."""
        key = _hash_of(example.group or example.note_id, self.seed)
        if key > self._cut:
            return
        self._by_hash.append((key, number))
        if keep_text:
            self.originals[number] = example.note()
        if len(self._by_hash) > 2 * self.size:
            self._shrink(self.size)

    def _shrink(self, size: int) -> None:
        if len(self._by_hash) <= size:
            return
        self._by_hash.sort()
        cut = self._by_hash[size][0]
        self._cut = cut - 1  # whole encounters only
        self._by_hash = [pair for pair in self._by_hash if pair[0] < cut]
        kept = {number for _, number in self._by_hash}
        self.originals = {i: n for i, n in self.originals.items() if i in kept}

    def members(self, size: int | None = None) -> list[int]:
        """Return the notes chosen, in order; `size` of them at most."""
        self._shrink(self.size if size is None else size)
        return sorted(number for _, number in self._by_hash)


def _hash_of(group: str, seed: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{group}".encode()).digest()[:8], "big")


def _fit_models(
    read: Sequence[tuple[int, Knowledge, _Read, list[int]]],
    notes: Sequence[PreparedNote],
    bases: Mapping[int, dict[int, tuple[float, int]]],
    family: tuple[NDArray[np.int32], NDArray[np.int32]],
    say: Progress,
    seed: int,
) -> tuple[BoostedTrees, BoostedTrees, PairRanker, dict[str, Any]]:
    """Fit the models of mentions and the ranker on features of held-out notes."""
    given, exact = zip(*(_labels(r, [notes[i] for i in members]) for _, _, r, members in read), strict=True)
    X = np.concatenate([r.rows.X for _, _, r, _ in read])
    fold = np.concatenate([np.full(len(r.rows), k) for k, _, r, _ in read])
    y_given, y_exact = np.concatenate(given), np.concatenate(exact)
    say("mentions", 0, 1)
    if len(X) > _MENTION_ROWS:
        # whole batches of notes, spread over all
        part = np.concatenate([np.full(len(r.rows), i) for i, (_, _, r, _) in enumerate(read)])
        step = -(-len(X) // _MENTION_ROWS)
        few = part % step == 0
        X, y_given, y_exact, fold = X[few], y_given[few], y_exact[few], fold[few]
    chances: dict[int, tuple[BoostedTrees, BoostedTrees]] = {}
    for k in sorted({k for k, *_ in read}):
        chances[k] = (
            BoostedTrees.fit(X[fold != k], y_given[fold != k], seed=seed),
            BoostedTrees.fit(X[fold != k], y_exact[fold != k], seed=seed),
        )
    chance, marked = BoostedTrees.fit(X, y_given, seed=seed), BoostedTrees.fit(X, y_exact, seed=seed)
    parts: list[PairRows] = []
    labels, weights, pair_fold = [], [], []
    for k, knowledge, r, members in read:
        a, b = chances[k]
        base = {(i, c): v for i, m in enumerate(members) for c, v in bases.get(m, {}).items()}
        pairs = pair_rows(
            knowledge,
            r.rows,
            sigmoid(a.logits(r.rows.X)),
            sigmoid(b.logits(r.rows.X)),
            r.note_scores,
            family,
            base,
            len(r.batch.tokens),
        )
        parts.append(pairs)
        final = [set(notes[m].codes.tolist()) for m in members]
        labels.append(np.array([c in final[n] for n, c in zip(pairs.note.tolist(), pairs.code.tolist(), strict=True)], bool))
        weights.append(
            np.array(
                [notes[members[n]].weights.get(c, 1.0) for n, c in zip(pairs.note.tolist(), pairs.code.tolist(), strict=True)]
            )
        )
        pair_fold.append(np.full(len(pairs.code), k))
    say("ranker", 0, 1)
    y = np.concatenate(labels)
    n_positive = sum(len(notes[m].codes) for *_, members in read for m in members)
    ranker, probabilities = fit_ranker(
        np.concatenate([p.X for p in parts]), y, np.concatenate(weights), np.concatenate(pair_fold), n_positive, seed=seed
    )
    chosen = probabilities >= ranker.threshold
    right = int((chosen & y).sum())
    facts = {
        "held_out_f1": round(2 * right / max(int(chosen.sum()) + n_positive, 1), 4),
        "candidates_recall": round(int(y.sum()) / max(n_positive, 1), 4),
    }
    return chance, marked, ranker, facts


def _labels(read: _Read, notes: Sequence[PreparedNote]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether the code of each row is final in its note, and whether a coder marked this very place for it."""
    given = {(i, c) for i, n in enumerate(notes) for c in n.codes.tolist()}
    exact = {(i, c, int(w[0]), int(w[-1])) for i, n in enumerate(notes) for c, w in n.references}
    rows = read.rows
    start = read.batch.first[rows.note]
    note, code = rows.note.tolist(), rows.code.tolist()
    first, last = (rows.first - start).tolist(), (rows.last - start).tolist()
    return (
        np.array([pair in given for pair in zip(note, code, strict=True)], bool),
        np.array([place in exact for place in zip(note, code, first, last, strict=True)], bool),
    )


def folds_of(groups: Sequence[str], n: int, seed: int) -> list[int]:
    """Return a fold for each note, the same for all notes of an encounter, and the same whatever else is in the list."""
    return [_hash_of(g, seed + 1) % n for g in groups]
