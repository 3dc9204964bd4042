"""The commands ``codesuggest evaluate`` and ``codesuggest lexicon add``: translations of calls into the library."""

from __future__ import annotations

import json
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codesuggest.errors import ConfigError, PrerequisiteError
from codesuggest.terminal import reported

if TYPE_CHECKING:
    from codesuggest.learn.evaluate import Evaluation
    from codesuggest.learn.guarantee import Guarantee
    from codesuggest.learn.practice import CodedNote
    from codesuggest.learn.report import Report
    from codesuggest.suggester import Suggester

__all__ = ["add_index_command", "evaluate_command", "read_coded_notes"]



class _Part(StrEnum):
    TRAIN = "train"
    DEV = "dev"
    TEST = "test"


def read_coded_notes(source: Path, *, part: str | None = None) -> list[CodedNote]:
    """Read coded notes from JSON lines, or from a folder of practice notes.

    Parameters
    ----------
    source : Path
        A file of JSON lines, or a folder of marked notes (``*.md``).
    part : {"train", "dev", "test"}, optional
        Only the notes of this part; the part is decided by the note id.

    Raises
    ------
    ConfigError
        CS521 when there are none.
    InputFormatError
        When a note cannot be read.
    """
    from codesuggest.learn.practice import read_coded, read_practice_notes, split_of

    notes = read_practice_notes(source) if source.is_dir() else read_coded(source)
    kept = [n for n in notes if part is None or split_of(n.note.note_id) == part]
    if not kept:
        of_part = f" of part {part!r}" if part else ""
        raise ConfigError(
            "CS521",
            f"{source.name!r} holds {len(notes)} coded notes, none{of_part} to evaluate on. Expected JSON lines with note_id, text and "
            "codes, or a folder of marked notes (*.md). Check the path and the part.",
        )
    return kept


@reported
def evaluate_command(
    coded: Annotated[
        Path,
        typer.Argument(
            metavar="CODED",
            exists=True,
            help="Coded notes: JSON lines (note_id, text, codes, evidence), a folder of marked notes, or with --notes a decision log.",
        ),
    ],
    log_notes: Annotated[
        Path | None,
        typer.Option("--notes", exists=True, help="CODED is a decision log, exported or a SQLite file, about these notes."),
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Model folder; the default model without it.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="Another model folder, compared on the same notes with paired tests.")
    ] = None,
    part: Annotated[_Part | None, typer.Option(help="Only this part of the notes, by note id.")] = None,
    second: Annotated[
        Path | None,
        typer.Option(exists=True, help="Another expert's coding of the same notes: precision against either, recall of both."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Probability from which a code is put forward; the model's own without it.")
    ] = None,
    target_precision: Annotated[
        float | None, typer.Option(help="Find the threshold that holds this precision on unseen notes, and what it covers.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Confidence of that precision.")] = 0.9,
    draws: Annotated[int, typer.Option(min=1, help="Bootstrap draws over notes.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all draws.")] = 0,
    faithfulness: Annotated[
        int, typer.Option(min=0, help="Notes on which evidence is removed and kept alone; 0 leaves it out.")
    ] = 30,
    json_to: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Write JSON; '-' prints it in place of the table.")
    ] = None,
    html_to: Annotated[
        Path | None, typer.Option("--html", metavar="OUT", help="Write one HTML page with plots (needs matplotlib).")
    ] = None,
) -> None:
    """Measure a model on coded notes: right codes, ranking, evidence, calibration, errors.

    The report holds note ids, codes and offsets, never text. When the precision asked for cannot be promised on these notes the
    report says why, and the command leaves with exit code 4.
    """
    from codesuggest.html_page import need_matplotlib
    from codesuggest.learn.evaluate import compare, evaluate
    from codesuggest.learn.practice import read_coded
    from codesuggest.learn.report import Report, report_html
    from codesuggest.suggester import load

    if html_to is not None:
        need_matplotlib()
    for path in (json_to, html_to):
        if path is not None and str(path) != "-" and not path.resolve().parent.is_dir():
            raise ConfigError("CS522", f"The folder of {path.name!r} does not exist. Expected an existing one. Create it first.")
    if log_notes is not None:
        notes = _of_log(coded, log_notes, part.value if part else None)
    else:
        notes = read_coded_notes(coded, part=part.value if part else None)
    known = {n.note.note_id: n.note.text for n in notes}
    others = [n for n in read_coded(second, texts=known) if n.note.note_id in known] if second is not None else None
    suggester, rival = load(model), load(against) if against is not None else None
    if threshold is not None:
        suggester.threshold = threshold
    measure = partial(evaluate, n_draws=draws, seed=seed, n_faithfulness=faithfulness)
    own_name, rival_name = _names(suggester, rival)
    evaluation = measure(suggester, notes, name=own_name, second=others)
    rivals = measure(rival, notes, name=rival_name, second=others) if rival is not None else None
    guarantee, why_not = _guarantee(evaluation, target_precision, confidence)
    report = Report(
        evaluation,
        source=coded.name + (f" ({part.value})" if part else ""),
        against=rivals,
        comparison=compare(rivals, evaluation, n_draws=draws, seed=seed) if rivals is not None else None,
        guarantee=guarantee,
        no_guarantee=why_not,
    )
    as_text = json.dumps(report.to_dict(), indent=1, ensure_ascii=True, allow_nan=False) + "\n"
    if json_to is not None and str(json_to) != "-":
        json_to.write_text(as_text, encoding="utf-8", newline="\n")
    if html_to is not None:
        html_to.write_text(report_html(report), encoding="utf-8", newline="\n")
    if str(json_to) == "-":
        typer.echo(as_text, nl=False)
    else:
        _print(report)
    if report.no_guarantee:
        typer.echo(report.no_guarantee, err=True)
        raise typer.Exit(4)


def _of_log(log: Path, notes: Path, part: str | None) -> list[CodedNote]:
    """Return the notes of a decision log with the codes that stand."""
    from codesuggest.decisions.files import open_log
    from codesuggest.learn.practice import split_of
    from codesuggest.learn.retraining import coded_notes

    found = [n for n in coded_notes(open_log(log), notes) if part is None or split_of(n.note.note_id) == part]
    if not found:
        raise ConfigError("CS521", f"{log.name!r} decides about no note that was given. Expected decisions and their notes. Check --notes.")
    return found


def _guarantee(evaluation: Evaluation, target_precision: float | None, confidence: float) -> tuple[Guarantee | None, str]:
    """Return the guarantee, or why there is none."""
    from codesuggest.learn.guarantee import fit_guarantee

    if target_precision is None:
        return None, ""
    try:
        return fit_guarantee(evaluation, target_precision, confidence), ""
    except PrerequisiteError as error:
        return None, str(error)


def _names(suggester: Suggester, other: Suggester | None) -> tuple[str, str]:
    """Name the two models so that they can be told apart."""
    own = suggester.model.name
    if other is None:
        return own, ""
    if own != other.model.name:
        return own, other.model.name
    names = f"{own} {suggester.model.sha256[:6]}", f"{own} {other.model.sha256[:6]}"
    return names if names[0] != names[1] else (own, f"{own} (again)")


def _print(report: Report) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from codesuggest.learn.report import plain_tables, summary_line

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, 132)  # a file or a pipe has no width of its own
    console.print(summary_line(report), style="bold")
    for plain in plain_tables(report):
        table = Table(title=plain.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
        table.show_header = any(plain.head)
        for i, name in enumerate(plain.head):
            is_number = i >= plain.n_left and name not in ("section", "characters", "in its place")
            table.add_column(name, justify="right" if is_number else "left", overflow="fold", no_wrap=is_number)
        for row in plain.rows:
            table.add_row(*row, style=None if any(row[1:]) else "bold")
        console.print(table)


@reported
def add_index_command(
    files: Annotated[
        list[Path],
        typer.Argument(help="Official XML: Alphabetic Index, Index to External Causes, Table of Neoplasms, Table of Drugs."),
    ],
    to: Annotated[Path, typer.Option(help="Model folder to write; it must not exist.")],
    model: Annotated[Path | None, typer.Option(help="Model to start from; the default model without it.")] = None,
) -> None:
    """Copy a model and add the terms of an official index to its lexicon; `suggest --model` then uses it."""
    from codesuggest.learn.build import with_index

    opened, n_added = with_index(model, files, to)
    typer.echo(f"{to}: {len(opened.lexicon):,} terms, {n_added:,} of them from {len(files)} index file(s), model {opened.sha256[:12]}")
