"""Commands of ``codesuggest lexicon``: check. A translation of one call into the library."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from codesuggest.codes import ICD10CM, Release, Releases
from codesuggest.codes.readers import read_index
from codesuggest.errors import CodesuggestError, NoReleaseError
from codesuggest.extract.check import Ambiguity, ambiguous_terms, check_lexicon, read_exceptions, read_table, shipped_entries
from codesuggest.extract.index_terms import index_entries

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The lexicon: what physicians write, and the code it leads to.")


@app.callback()
def _group() -> None:
    """Hold the commands; without a callback a single command would take the group's place."""


def _release(day: datetime | None) -> Release:
    releases = Releases()
    if day is not None:
        return releases.on(day.date())
    newest = next((info for info in reversed(releases.list()) if info.system == ICD10CM), None)
    if newest is None:
        raise NoReleaseError(
            "CS213",
            f"There is no {ICD10CM} release at hand. Expected one. Add it with `codesuggest codes add FILE --effective DATE`.",
        )
    return releases.on(newest.effective)


@app.command("check")
def check(
    tables: Annotated[
        list[Path] | None, typer.Argument(help="Lexicon tables; those that ship with the library without it.")
    ] = None,
    index: Annotated[list[Path] | None, typer.Option(help="Official index (XML) to compare with; may be repeated.")] = None,
    exceptions: Annotated[
        Path | None, typer.Option(help="Reviewed exceptions; those that ship with the library without it.")
    ] = None,
    day: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Release in force on this day; the newest without it.")
    ] = None,
    ambiguous: Annotated[
        bool, typer.Option("--ambiguous", help="List the terms with several meanings and what settles each.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check lexicon tables against a release: codes, roots, official wording, and line against line (exit 5 on a problem)."""
    try:
        release = _release(day)
        entries = [e for table in tables for e in read_table(table)] if tables else shipped_entries()
        reviewed = read_exceptions(exceptions) if exceptions or not tables else ()
        official = [entry for file in index or () for entry in index_entries(read_index(file), release)]
        problems = check_lexicon(entries, release, exceptions=reviewed, index=official)
    except CodesuggestError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(error.exit_code) from error
    several = ambiguous_terms(entries) if ambiguous else ()
    if as_json:
        found = {"release": release.name, "entries": len(entries), "problems": [dataclasses.asdict(p) for p in problems]}
        if ambiguous:
            found["ambiguous"] = [dataclasses.asdict(a) for a in several]
        typer.echo(json.dumps(found, indent=1))
    else:
        for line in _ambiguity_lines(several, release):
            typer.echo(line)
        for problem in problems:
            typer.echo(str(problem))
        typer.echo(f"{len(entries):,} lines, {release.name}: {len(problems):,} problems")
    if problems:
        raise typer.Exit(5)


def _ambiguity_lines(several: tuple[Ambiguity, ...], release: Release) -> list[str]:
    lines = []
    for one in several:
        lines.append(one.term)
        lines += [
            f"  {code:<9} {release.title(code)}  [{context or 'when nothing else speaks'}]" for code, context in one.meanings
        ]
    return lines
