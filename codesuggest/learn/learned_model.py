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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
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
from codesuggest.learn.pair_ranker import PairRanker, fit_ranker, ranker_arrays, ranker_from_arrays
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
_RANKER_NOTES = 4000
_MAX_CODES = 200

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
        read = read_batch(self.knowledge, batch, self.reader.spelling)
        chance = sigmoid(self.chance.logits(read.rows.X))
        marked = sigmoid(self.marked.logits(read.rows.X))
        base, base_spans = self._base_of(note)
        pairs = pair_rows(
            self.knowledge,
            read.rows,
            chance,
            marked,
            read.note_scores,
            self._families,
            {(0, c): v for c, v in base.items()},
            len(tokens),
        )
        logits = self.ranker.logits(pairs.X)
        probabilities = self.ranker.probabilities(logits)
        ranked = []
        for i in np.lexsort((pairs.code, -probabilities)).tolist():
            code = int(pairs.code[i])
            places = self._places(read, code, chance, marked)
            references = tuple(r for r, _ in places) or base_spans.get(code, ())
            chances = tuple(m for _, m in places) or (0.0,) * len(references)
            if not references:
                references = self._grams(batch, code)
                chances = (0.0,) * len(references)
            if not references:
                continue
            p = float(probabilities[i])
            ranked.append(Ranked(self.codes[code], p, references, chances, p >= self.threshold, float(logits[i]), pairs.X[i]))
            if len(ranked) >= top:
                break
        return tuple(ranked)

    def place_of(self, code: str) -> int:
        """Return the place of a code in `codes`."""
        return self._place[code]

    def _base_of(self, note: Note) -> tuple[dict[int, tuple[float, int]], dict[int, tuple[Reference, ...]]]:
        if self.base is None:
            return {}, {}
        return base_rows(self.base, note, self._place)

    def _places(
        self, read: _Read, code: int, chance: NDArray[np.float64], marked: NDArray[np.float64]
    ) -> list[tuple[Reference, float]]:
        """Places of one code that do not overlap, the likeliest to be marked first."""
        rows = read.rows
        mine = np.flatnonzero(rows.code == code)
        taken: set[int] = set()
        found = []
        for i in mine[np.lexsort((rows.first[mine], -chance[mine], -marked[mine]))].tolist():
            words = rows.words[i][rows.words[i] >= 0].tolist()
            if taken.intersection(words):
                continue
            taken.update(words)
            found.append((reference_of(read.batch, words), float(marked[i])))
        return found

    def _grams(self, batch: Batch, code: int) -> tuple[Reference, ...]:
        """Return the n-gram that speaks most for a code."""
        best = self.knowledge.ngrams.most_telling(batch, code)
        if best is None:
            return ()
        low, n = best
        return (reference_of(batch, batch.content[low : low + n].tolist()),)

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

    def update(self, examples: Iterable[CodedExample]) -> LearnedModel:
        """Return a model that has learned from more examples."""
        raise NotImplementedError


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
        CS521 when there are fewer than ten coded notes, CS522 when the base model has another release.
    """
    if base is not None and base.model.release.sha256 != release.sha256:
        raise ConfigError(
            "CS522",
            f"The base model was made for {base.model.release.name}, and the release given is {release.name}. "
            "Expected the same release. Give that of the base, or leave the base out.",
        )
    say = progress or (lambda stage, done, of: None)
    reader = WordReader(language)
    growing: dict[str, int] = {}
    notes: list[PreparedNote] = []
    groups: list[str] = []
    originals: list[Note] = []
    for example in examples:
        for code in (*example.positives, *example.negatives):
            growing.setdefault(code, len(growing))
        notes.append(prepare(example, reader, growing))
        groups.append(example.group or example.note_id)
        originals.append(example.note())
        if len(notes) % 1000 == 0:
            say("notes read", len(notes), 0)
    if len(notes) < 10:
        raise ConfigError(
            "CS521",
            f"{len(notes)} coded notes were given. Expected at least 10, better 100. Collect more decisions before retraining.",
        )
    codes = tuple(universe(release, growing))
    place = {c: i for i, c in enumerate(codes)}
    renumber = np.array([place[c] for c in growing], np.int32)
    for note in notes:
        note.renumber(renumber)
    titles = TitleIndex.build(titles_of(release, codes), len(codes))
    bases = [base_rows(base, n, place)[0] for n in originals] if base is not None else None

    fold = folds_of(groups, _FOLDS, seed)
    read: list[tuple[int, Knowledge, _Read, list[int]]] = []
    for k in range(_FOLDS):
        say("folds", k, _FOLDS)
        outside = [n for n, f in zip(notes, fold, strict=True) if f != k]
        knowledge = Knowledge.fit(outside, reader.spelling, titles, len(codes), seed=seed)
        inside = np.flatnonzero(np.array(fold) == k).tolist()
        for low in range(0, len(inside), _NOTES_AT_ONCE):
            members = inside[low : low + _NOTES_AT_ONCE]
            batch = knowledge.batch([notes[i].tokens for i in members])
            read.append((k, knowledge, read_batch(knowledge, batch, reader.spelling), members))
    chance, marked, ranker, facts = _fit_models(read, notes, bases, families(codes), say, seed)
    say("knowledge", 0, 1)
    knowledge = Knowledge.fit(notes, reader.spelling, titles, len(codes), seed=seed)
    facts |= {
        "notes": len(notes),
        "encounters": len(set(groups)),
        "codes": len(growing),
        "evidence": sum(len(n.references) for n in notes),
        "seed": seed,
    }
    return LearnedModel(language, system or release.system, release, codes, knowledge, chance, marked, ranker, base, facts, name)


def _fit_models(
    read: Sequence[tuple[int, Knowledge, _Read, list[int]]],
    notes: Sequence[PreparedNote],
    bases: Sequence[dict[int, tuple[float, int]]] | None,
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
        base = {(i, c): v for i, m in enumerate(members) for c, v in bases[m].items()} if bases is not None else None
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
    return [int.from_bytes(hashlib.sha256(f"{seed}:{g}".encode()).digest()[:8], "big") % n for g in groups]
