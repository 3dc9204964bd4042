"""Commands: ``queries NOTE…``, ``queries lint`` and ``queries list``. Each is a translation of one call into the library."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from codesuggest.errors import CodesuggestError, ConfigError
from codesuggest.records import SETTINGS, Failure, Note, Query
from codesuggest.terminal import console, print_json, reported

__all__ = ["queries_app"]


class _FindUnlessNamed(TyperGroup):
    """``codesuggest queries NOTE`` finds; ``lint`` and ``list`` are the commands beside it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - a context of click, which typer may bring along
        """Put the command that finds before arguments that name none."""
        if not args or args[0] not in self.commands:
            args = ["find", *args]
        return super().parse_args(ctx, args)


queries_app = typer.Typer(
    cls=_FindUnlessNamed,
    add_completion=False,
    help="Find what a physician should be asked: `codesuggest queries NOTE…`; check any query text; list the triggers.",
)


@queries_app.command("find", hidden=True)
@reported
def find(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="NOTE", help="Files of notes, as for `suggest`; '-' for standard input.")
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Use the discharge summary that ships with the library.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object an encounter, each on a line.")] = False,
    one_encounter: Annotated[
        bool, typer.Option("--one-encounter", help="All the notes are of one stay or visit; without it their encounter_id tells.")
    ] = False,
    codes: Annotated[bool, typer.Option("--codes", help="Show the coder the codes that each answer leads to.")] = False,
    templates: Annotated[Path | None, typer.Option(help="Folder of Jinja2 templates of your own.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Most queries of an encounter; 5 for a stay, 3 elsewhere.")] = None,
    kind: Annotated[str | None, typer.Option(help="Kind of note, for example 'progress note'.")] = None,
    setting: Annotated[str | None, typer.Option(help=f"Where the patient was seen: {', '.join(SETTINGS)}.")] = None,
    day: Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Date of service or discharge.")] = None,
    age: Annotated[float | None, typer.Option(min=0, max=130, help="Age in years.")] = None,
    sex: Annotated[str | None, typer.Option(help="Administrative sex: F, M or X.")] = None,
    model: Annotated[Path | None, typer.Option(help="Model folder; the default model without it.")] = None,
) -> None:
    """Find unclear documentation and write the physician queries.

    The text of a query is for the physician and holds no code; the codes that answers lead to are in the JSON, and shown
    with --codes. A note that cannot be read gives a message on standard error; the others are done.
    `codesuggest queries lint QUERY` checks the text of any query, `codesuggest queries list` prints the triggers.
    """
    from codesuggest.cli import read_notes, sample_note
    from codesuggest.querying import QueryFinder, encounters_of
    from codesuggest.suggester import load

    if sample == bool(files):
        raise ConfigError("CS350", "Expected files of notes, '-' for standard input, or --sample, one of them. Name one.")
    facts: dict[str, Any] = {
        "kind": kind,
        "setting": setting,
        "date_of_service": day.date() if day else None,
        "age_years": age,
        "sex": sex,
    }
    facts = {name: value for name, value in facts.items() if value is not None}
    notes: Iterable[Note | Failure] = (
        [dataclasses.replace(sample_note(), **facts)] if sample else read_notes(files or [], facts)
    )
    if one_encounter:
        notes = [dataclasses.replace(n, encounter_id="one") if isinstance(n, Note) else n for n in notes]
    finder = QueryFinder(load(model), templates=templates, limit=limit)
    worst = 0
    for group in encounters_of(notes):
        if isinstance(group, Failure):
            worst = max(worst, 2)
            _show_failure(group, as_json=as_json)
            continue
        try:
            found = finder.find(group)
        except CodesuggestError as error:
            worst = max(worst, error.exit_code)
            _show_failure(Failure(group[0].note_id, error.error_id, error.message), as_json=as_json)
            continue
        if as_json:
            print_json({"note_ids": [n.note_id for n in group], "queries": [q.to_dict() for q in found]})
        else:
            _show(", ".join(n.note_id for n in group), found, with_codes=codes)
    if worst:
        raise typer.Exit(worst)


def _show_failure(failure: Failure, *, as_json: bool) -> None:
    typer.echo(f"[{failure.error_id}] {failure.message}", err=True)
    if as_json:
        print_json(failure.to_dict())


def _show(name: str, found: tuple[Query, ...], *, with_codes: bool) -> None:
    out = console()
    out.print(f"{name}: {len(found)} {'query' if len(found) == 1 else 'queries'}", style="bold")
    for query in found:
        out.rule(f"{query.rule_id} · {query.kind} · importance {query.importance}", align="left")
        out.print(query.text.rstrip(), soft_wrap=True)
        if with_codes:
            out.print("For the coder only:", style="dim")
            for option, leads_to in query.codes_by_option.items():
                out.print(f"  {option}: {', '.join(leads_to) or 'no code of its own'}", style="dim", soft_wrap=True)
            out.print(f"  Source: {query.citation}", style="dim", soft_wrap=True)


@queries_app.command("lint")
@reported
def lint(
    file: Annotated[Path, typer.Argument(metavar="QUERY", help="Text of a query; '-' for standard input.")],
    note: Annotated[Path | None, typer.Option("--note", help="The note it is about: quotations are looked for in it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a finding, each on a line.")] = False,
) -> None:
    """Check the text of any physician query against the AHIMA/ACDIS practice brief.

    Exit status: 0 nothing, or advice and warnings only; 1 when the query is not compliant.
    """
    from codesuggest.notes import read_text
    from codesuggest.queries.linter import lint_query

    text = read_text(file).text
    found = lint_query(text, note_text=read_text(note).text if note is not None else None)
    for finding in found:
        if as_json:
            print_json(finding.to_dict())
        else:
            line = text.count("\n", 0, finding.start) + 1
            where = f"line {line}: {' '.join(text[finding.start : finding.end].split())!r}" if finding.end else "the query"
            typer.echo(f"{finding.severity:8} {finding.rule:20} {where}\n{'':30}{finding.message} ({finding.citation})")
    if not found and not as_json:
        typer.echo("nothing found")
    if any(f.severity == "error" for f in found):
        raise typer.Exit(1)


@queries_app.command("list")
@reported
def list_triggers(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the triggers: what each needs, what silences it, what it asks and where that is written."""
    from codesuggest.queries.triggers import default_triggers

    for trigger in default_triggers().triggers:
        if as_json:
            print_json(trigger.to_dict())
        else:
            typer.echo(f"{trigger.id:24} {trigger.importance:3}  {trigger.kind:20} {trigger.topic}")
            typer.echo(f"{'':30}needs {' AND '.join(trigger.needs_written)}")
            typer.echo(f"{'':30}{trigger.source}")
