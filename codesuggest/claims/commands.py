"""The command ``codesuggest claim``: what billing receives of a finished chart."""

from __future__ import annotations

import json
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from codesuggest.claims.chart import FinishedChart, read_chart, read_object, to_dict
from codesuggest.errors import ConfigError
from codesuggest.terminal import print_json, reported

__all__ = ["claim_command"]


class _Format(StrEnum):
    EDI = "837"
    FHIR = "fhir"
    CHART = "chart"
    EDITS = "edits"


class _Type(StrEnum):
    PROFESSIONAL = "professional"
    INSTITUTIONAL = "institutional"


class _Overflow(StrEnum):
    REFUSE = "refuse"
    LEAVE_OUT = "leave-out"
    SPLIT = "split"


class _Schema(StrEnum):
    CHART = "chart"
    CLAIM = "claim"


@reported
def claim_command(
    source: Annotated[
        str | None,
        typer.Argument(metavar="CHART.json|ENCOUNTER", help="A finished chart in JSON; with --db the id of an encounter."),
    ] = None,
    db: Annotated[
        str | None,
        typer.Option("--db", envvar="CODESUGGEST_DB", help="The decision log: a file (SQLite) or postgresql://USER@HOST/NAME."),
    ] = None,
    facts: Annotated[
        Path | None,
        typer.Option(
            "--facts", help="JSON with what the log does not hold: patient, dates, discharge_status, payer, procedures …"
        ),
    ] = None,
    output: Annotated[
        _Format,
        typer.Option(
            "--format", help="837: 837-ready JSON. fhir: an R4 bundle. chart: the chart itself. edits: a claim for `edits check`."
        ),
    ] = _Format.EDI,
    claim_type: Annotated[
        _Type | None, typer.Option("--type", help="Professional or institutional; by the setting without it.")
    ] = None,
    overflow: Annotated[
        _Overflow,
        typer.Option(
            help="With more codes than a claim holds: refuse, leave out the last and name them, or split a professional claim."
        ),
    ] = _Overflow.REFUSE,
    to: Annotated[Path | None, typer.Option("--to", help="Write to this file instead of the terminal.")] = None,
    show_schema: Annotated[
        _Schema | None, typer.Option("--schema", help="Print the JSON Schema of a chart or of a claim.")
    ] = None,
) -> None:
    """Write the hand-off of a finished chart, or say what is still open (exit status 5).

    Only a chart that a person finished becomes a claim. Exit status: 0 written, 2 invalid input or a limit exceeded, 5 not finished.
    """
    if show_schema is not None:
        from codesuggest.claims.schema import chart_schema, claim_schema

        print_json(chart_schema() if show_schema is _Schema.CHART else claim_schema(), indent=1)
        return
    if source is None:
        raise ConfigError("CS668", "No chart was named. Expected a JSON file, or the id of an encounter with --db. Name one.")
    chart = _chart(source, db, facts)
    if claim_type is not None:
        chart = replace(chart, claim_type=claim_type.value)
    made = _made(chart, output, overflow.value)
    if to is None:
        print_json(made, indent=1)
    else:
        _write(to, made)


def _chart(source: str, db: str | None, facts: Path | None) -> FinishedChart:
    from codesuggest.claims.from_log import chart_from_log, with_facts

    path = Path(source)
    if path.suffix.lower() == ".json" or db is None:
        if facts is not None:
            raise ConfigError(
                "CS668", "--facts was given with a chart in JSON. Expected it with --db alone. Put the facts into the chart."
            )
        return read_chart(path)
    from codesuggest.decisions import DecisionLog

    with DecisionLog(db, must_exist=True) as log:
        chart = chart_from_log(log, source)
    return chart if facts is None else with_facts(chart, read_object(facts))


def _made(chart: FinishedChart, output: _Format, overflow: str) -> Any:  # noqa: ANN401 - JSON
    from codesuggest.claims.chart import claim_of
    from codesuggest.claims.edi import claim_objects
    from codesuggest.claims.fhir import fhir_bundle
    from codesuggest.claims.open_items import require_finished

    if output is _Format.CHART:
        return to_dict(chart)  # to look at, finished or not
    if output is _Format.EDITS:
        return to_dict(claim_of(chart))
    require_finished(chart)
    if output is _Format.FHIR:
        return fhir_bundle(chart, overflow=overflow, checked=True)
    found = claim_objects(chart, overflow=overflow, checked=True)
    return found[0] if len(found) == 1 else list(found)


def _write(path: Path, value: object) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(json.dumps(value, indent=1) + "\n", encoding="ascii")
        part.replace(path)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ConfigError(
            "CS669", f"{str(path)!r} cannot be written: {reason}. Expected a file in a folder that is there."
        ) from error
