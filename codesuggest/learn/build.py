"""Build a model folder from a code release, the lexicon and coded notes: ``python -m codesuggest.learn.build``."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
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

__all__ = ["compile_tables", "fit_ranker", "training_rows", "with_index"]


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


def fit_ranker(suggester: Suggester, notes: Sequence[CodedNote]) -> tuple[CodeRanker, Weights]:
    """Fit the ranker on coded notes and choose the threshold with the best F1 of out-of-fold probabilities."""
    X, y, groups, total = training_rows(suggester, notes)
    ranker = CodeRanker().fit(X, y, groups=groups)
    return ranker, ranker.weights(y=y, n_positive=total)


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
    _, weights = fit_ranker(suggester, practice)
    weights.save(to)
    sha256 = write_manifest(
        to,
        name=name,
        release=release,
        extra={"trained_on": {"notes": len(practice), "codes": sum(len(n.codes) for n in practice)}},
    )
    typer.echo(f"{to}: {len(practice)} notes, threshold {weights.threshold:.3f}, model {sha256[:12]}")


if __name__ == "__main__":
    typer.run(build)
