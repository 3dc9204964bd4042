"""Build a model folder from a code release, the lexicon and coded notes: ``python -m codesuggest.learn.build``."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from codesuggest.codes import Release, Releases
from codesuggest.errors import ConfigError
from codesuggest.extract.index_terms import index_entries
from codesuggest.extract.lexicon import LexiconEntry, compile_lexicon, official_entries, read_abbreviations, shipped_tables
from codesuggest.learn.practice import CodedNote, read_coded, read_practice_notes, split_of
from codesuggest.model import Model, find_release, write_files, write_manifest
from codesuggest.rank.estimator import CodeRanker
from codesuggest.rank.features import FEATURE_NAMES, featurize
from codesuggest.rank.ranker import Weights
from codesuggest.rank.specificity import compile_specificity
from codesuggest.suggester import Suggester

__all__ = ["Fitted", "card", "compile_tables", "fit_ranker", "training_rows", "with_index"]


def compile_tables(release: Release, folder: Path, extra: Sequence[LexiconEntry] = ()) -> None:
    """Write the compiled lexicon and specificity table of a release into a model folder.

    Parameters
    ----------
    release : Release
    folder : Path
    extra : sequence of LexiconEntry
        Further terms, for example those of an index the user has.
    """
    arrays, defaults, title_words = compile_specificity(release)
    lexicon = compile_lexicon(
        [*shipped_tables(), *extra, *official_entries(release)],
        release,
        defaults=defaults,
        extra_words=title_words,
        abbreviations=read_abbreviations(),
    )
    number = {w: i for i, w in enumerate(str(lexicon["words.txt"]).split("\n"))}
    renumber = np.array([number[w] for w in title_words], np.int32)
    arrays["stem_words.npy"] = renumber[arrays["stem_words.npy"]]
    arrays["denied_words.npy"] = renumber[arrays["denied_words.npy"]]
    arrays["site_words.npy"] = np.sort(renumber[arrays["site_words.npy"]])
    write_files(folder / "lexicon", lexicon)
    write_files(folder / "specificity", arrays)


def neutral_weights() -> Weights:
    """Return weights of a model that is not trained yet."""
    return Weights(FEATURE_NAMES, np.zeros(len(FEATURE_NAMES)), 0.0, 1.0, 0.0, 0.5)


def training_rows(
    suggester: Suggester, notes: Sequence[CodedNote]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], int]:
    """Turn coded notes into rows of (note, candidate code).

    Returns
    -------
    X : float array of shape (n_rows, n_features)
    y : int array of shape (n_rows,)
        1 when the candidate is among the note's final codes.
    groups : int array of shape (n_rows,)
        Index of the note.
    n_positive : int
        All final codes, those that never became a candidate included.
    """
    blocks: list[NDArray[np.float64]] = []
    labels: list[int] = []
    groups: list[int] = []
    total = 0
    for index, coded in enumerate(notes):
        extraction = suggester.extractor.extract(coded.note)
        candidates, _ = suggester.finder.find(coded.note, extraction)
        final = set(coded.codes)
        total += len(final)
        if candidates:
            blocks.append(featurize(coded.note, extraction, candidates))
            labels.extend(int(c.code in final) for c in candidates)
            groups.extend([index] * len(candidates))
    return np.vstack(blocks), np.array(labels), np.array(groups), total


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted ranker and how it did on notes of the training set that it had not seen (out of fold).

    Parameters
    ----------
    ranker : CodeRanker
    weights : Weights
    precision, recall, f1 : float in [0, 1]
        At the threshold; codes that never became a candidate count as missed.
    candidate_recall : float in [0, 1]
        Share of the final codes that became a candidate: the ceiling of recall.
    ece : float in [0, 1]
        Expected calibration error in ten bins of equal mass.
    n_rows : int
        Pairs of note and candidate code.
    """

    ranker: CodeRanker
    weights: Weights
    precision: float
    recall: float
    f1: float
    candidate_recall: float
    ece: float
    n_rows: int


def fit_ranker(suggester: Suggester, notes: Sequence[CodedNote]) -> Fitted:
    """Fit the ranker on coded notes and choose the threshold by F1 of the out-of-fold probabilities."""
    X, y, groups, total = training_rows(suggester, notes)
    ranker = CodeRanker().fit(X, y, groups=groups)
    weights = ranker.weights(y=y, n_positive=total)
    p = ranker.out_of_fold_
    taken = p >= weights.threshold
    hits = int(y[taken].sum())
    bins = np.array_split(np.argsort(p, kind="stable"), 10)
    ece = sum(len(b) * abs(float(p[b].mean()) - float(y[b].mean())) for b in bins) / len(p)
    return Fitted(
        ranker,
        weights,
        hits / max(int(taken.sum()), 1),
        hits / max(total, 1),
        2 * hits / max(int(taken.sum()) + total, 1),
        int(y.sum()) / max(total, 1),
        ece,
        len(y),
    )


def card(name: str, release: Release, notes: Sequence[CodedNote], fitted: Fitted, n_terms: int) -> str:
    """Write the model card: what the model was made of, how well it does, what it cannot do. It holds no note text."""
    kinds = Counter(n.note.kind or "other" for n in notes)
    chapters = Counter(release.chapter(c).title for n in notes for c in n.codes if c in release)
    lines = [
        f"# Model card: {name}",
        "",
        f"Suggests {release.system} codes of the release {release.name} from English clinical notes, for a human coder to confirm.",
        "It never decides: a suggestion becomes a code when a person says so.",
        "",
        "## What it is made of",
        "",
        f"- {n_terms:,} terms: a reviewed lexicon, and the titles and inclusion terms of the release (CDC/NCHS, public domain).",
        f"- A logistic regression over {len(FEATURE_NAMES)} features of (note, candidate code), calibrated by Platt's method.",
        f"- Trained on {len(notes)} notes written for the project (synthetic patients), "
        f"{sum(len(n.codes) for n in notes):,} codes, {fitted.n_rows:,} pairs.",
        "- The test part of the practice notes is not read by the fit, and nothing was chosen by its figures.",
        "",
        "## How well it does",
        "",
        "Out of fold, by note, on the training notes (the rules were written with these notes in view, so expect less elsewhere):",
        "",
        "| precision | recall | F1 | codes that became candidates | calibration error |",
        "|---|---|---|---|---|",
        f"| {fitted.precision:.2f} | {fitted.recall:.2f} | {fitted.f1:.2f} | {fitted.candidate_recall:.2f} | {fitted.ece:.3f} |",
        "",
        f"Codes are put forward from a probability of {fitted.weights.threshold:.2f}. "
        "The README gives the figures on the test part and the command that prints them.",
        "",
        "## What it was trained on, by kind of note and by chapter",
        "",
        "| kind | notes |",
        "|---|---|",
        *(f"| {k} | {n} |" for k, n in sorted(kinds.items(), key=lambda x: (-x[1], x[0]))),
        "",
        "| chapter | codes |",
        "|---|---|",
        *(f"| {k} | {n} |" for k, n in sorted(chapters.items(), key=lambda x: (-x[1], x[0]))),
        "",
        "## What it cannot do",
        "",
        "- It has seen no note of a real patient; local abbreviations, templates and coding habits are unknown to it until it is retrained.",
        "- It sequences nothing: which code is the principal diagnosis is the coder's decision.",
        "- External causes, places and activities told in prose, drug effects without words of cause, "
        "and codes that need a laboratory value to be judged are often missed.",
        "- English only. One note at a time: it does not join what several documents of one stay say.",
        "",
    ]
    return "\n".join(lines)


def with_index(model: Path | None, files: Sequence[Path], to: Path) -> tuple[Model, int]:
    """Copy a model and add the terms of official index files to its lexicon; the ranker stays as it is.

    Parameters
    ----------
    model : Path or None
        Model folder to start from; the default model when None.
    files : sequence of Path
        Alphabetic Index, Index to External Causes, Table of Neoplasms, Table of Drugs: official XML.
    to : Path
        Folder to write; it must not exist.

    Returns
    -------
    model : Model
    n_added : int
        Terms the lexicon did not have.

    Raises
    ------
    ConfigError
        CS512 when the folder exists.
    InputFormatError
        When a file is not an official index.
    """
    from codesuggest.codes.readers import read_index

    if to.exists():
        raise ConfigError("CS512", f"{to.name!r} exists. Expected a new folder for the model. Choose another name.")
    base = Model.open(model)
    extra = [entry for file in files for entry in index_entries(read_index(file), base.release)]
    to.mkdir(parents=True)
    compile_tables(base.release, to, extra)
    base.weights.save(to)
    kept = {k: v for k, v in base.manifest.items() if k not in ("files", "format", "codesuggest", "release", "name")}
    write_manifest(
        to, name=to.name, release=base.release, extra={**kept, "index_files": [f.name for f in files], "base": base.sha256}
    )
    opened = Model.open(to)
    return opened, len(opened.lexicon) - len(base.lexicon)


def build(
    notes: Annotated[Path, typer.Option(help="Folder of practice notes.")] = Path("models/practice_notes"),
    to: Annotated[Path, typer.Option(help="Model folder to write.")] = Path("models/default"),
    name: Annotated[str, typer.Option(help="Name of the model.")] = "default",
    coded: Annotated[list[Path] | None, typer.Option(help="Further coded notes, JSON lines.")] = None,
) -> None:
    """Build a model: compile the release and the lexicon, then fit the ranker on the notes of the train and dev parts."""
    releases = Releases()
    info = next(i for i in reversed(releases.list()) if i.system == "ICD-10-CM")
    release = find_release({"name": info.name, "system": info.system, "sha256": info.sha256}, releases)
    if to.exists():
        shutil.rmtree(to)
    to.mkdir(parents=True)
    compile_tables(release, to)
    neutral_weights().save(to)
    write_manifest(to, name=name, release=release, extra={})
    practice = [n for n in read_practice_notes(notes) if split_of(n.note.note_id) != "test"]
    for path in coded or ():
        practice.extend(read_coded(path))
    suggester = Suggester(Model.open(to))
    fitted = fit_ranker(suggester, practice)
    fitted.weights.save(to)
    sha256 = write_manifest(
        to,
        name=name,
        release=release,
        extra={"trained_on": {"notes": len(practice), "codes": sum(len(n.codes) for n in practice)}},
    )
    (to / "card.md").write_text(card(name, release, practice, fitted, len(suggester.model.lexicon)), encoding="utf-8")
    typer.echo(f"{to}: {len(practice)} notes, threshold {fitted.weights.threshold:.3f}, model {sha256[:12]}")


if __name__ == "__main__":
    typer.run(build)
