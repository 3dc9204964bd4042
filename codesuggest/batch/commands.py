"""The command ``codesuggest score``: a thin translation into `codesuggest.batch.score`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from codesuggest.errors import CodesuggestError, ConfigError

__all__ = ["score_command"]


def score_command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="A folder of notes, or a file: .jsonl (also .gz, .zst), .csv, .tsv, .parquet, FHIR .json or .ndjson, C-CDA .xml, .hl7, .html.",
        ),
    ],
    to: Annotated[
        Path, typer.Option("--to", metavar="OUTPUT", help="Where the results go: .jsonl, .parquet, or .csv with --flat.")
    ],
    workers: Annotated[
        int | None, typer.Option(help="Processes; one a core without it; 0 scores in this process, without isolation.")
    ] = None,
    flat: Annotated[bool, typer.Option("--flat", help="One row a suggestion, for spreadsheets.")] = False,
    since: Annotated[
        Path | None, typer.Option(metavar="PREVIOUS", help="An earlier output: notes that did not change keep their results.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=NAME", help="Which column holds a field, such as text=NOTE_TEXT. Repeatable."),
    ] = None,
    input_format: Annotated[
        str | None, typer.Option(help="text, jsonl, csv, tsv, parquet, fhir, ccda, hl7 or html, where the ending of the input does not tell.")
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help="Between the cells of a CSV file.")] = None,
    kind: Annotated[str | None, typer.Option(help="Kind of the notes where the input does not say.")] = None,
    setting: Annotated[
        str | None, typer.Option(help="inpatient, outpatient, professional or emergency, where the input does not say.")
    ] = None,
    day: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Date of service where the input does not say.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Model folder; the default model without it.")] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Probability from which a code is put forward; the model's own without it.")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Scheduler of a Dask cluster that runs already, such as tcp://host:8786."),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Longest time for one note, in seconds.")] = 60.0,
    chunk_notes: Annotated[
        int, typer.Option(min=1, help="Notes a worker gets at a time; the output does not depend on it.")
    ] = 64,
    restart: Annotated[bool, typer.Option("--restart", help="Throw away the work of an unfinished run to this output.")] = False,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Show no progress bar.")] = False,
) -> None:
    """Score a folder or file of notes on all cores; go on where an interrupted run was.

    The output appears whole or not at all. Notes that cannot be read are failures in their place, and in OUTPUT.failures.jsonl with
    reasons. Exit status: 0 every note was scored; 2 some could not be read; 1 some failed by a fault; 4 the run could not finish, and
    the same command goes on.
    """
    from codesuggest.batch.run import score

    given: dict[str, Any] = {"kind": kind, "setting": setting, "date_of_service": day.date() if day else None}
    try:
        report = score(
            source,
            to=to,
            workers=workers,
            model=model,
            columns=_columns(column or []),
            defaults=given,
            kind=input_format,
            delimiter="\t" if delimiter == "\\t" else delimiter,
            flat=flat,
            threshold=threshold,
            since=since,
            dask=dask,
            timeout_s=timeout,
            chunk_notes=chunk_notes,
            restart=restart,
            progress=False if no_progress else None,
        )
    except CodesuggestError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt:
        typer.echo("Interrupted. What is done is kept; the same command goes on.", err=True)
        raise typer.Exit(130) from None
    typer.echo(str(report))
    if report.exit_code:
        raise typer.Exit(report.exit_code)


def _columns(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for field, equals, name in pairs:
        if not (field and equals and name):
            raise ConfigError("CS575", f"--column got {field + equals + name!r}. Expected FIELD=NAME, such as text=NOTE_TEXT.")
    return {field: name for field, _, name in pairs}
