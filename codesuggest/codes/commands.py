"""Commands of ``codesuggest codes``: add, list, show, changes. Each is a translation of one call into the library."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codesuggest.codes.changes import diff
from codesuggest.codes.code import ICD10CM
from codesuggest.codes.release import Release
from codesuggest.codes.releases import Releases, shipped_folder, user_folder
from codesuggest.terminal import reported

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Official code tables: add a release, list, look a code up, compare releases.")

_Day = Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Date of service; today without it.")]
_Folder = Annotated[Path | None, typer.Option("--releases", help="Look in this folder of releases alone.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_System = Annotated[str, typer.Option("--system", help="Code system.")]




def _releases(folder: Path | None) -> Releases:
    return Releases() if folder is None else Releases(folder)


def _day(moment: datetime | None) -> date:
    return date.today() if moment is None else moment.date()  # noqa: DTZ011 - the coder's own calendar day


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def _print(lines: Sequence[str | Text]) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line in lines:
        console.print(line)


@app.command("add")
@reported
def add(
    file: Annotated[Path, typer.Argument(help="Tabular List (XML), order file, or HCPCS records, as published.")],
    effective: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First date of service.")],
    expires: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last date of service.")] = None,
    to: Annotated[Path | None, typer.Option(help="Folder of releases; your own without it.")] = None,
    name: Annotated[str | None, typer.Option(help="Name people see.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a release of the same date.")] = False,
) -> None:
    """Compile an official file into a release that is chosen by date of service from then on."""
    releases = Releases(to) if to is not None else Releases((shipped_folder(), user_folder()))
    release = releases.add(
        file,
        effective=effective.date(),
        expires=None if expires is None else expires.date(),
        name=name,
        replace=replace,
    )
    typer.echo(f"{release.name}: {len(release):,} codes, {int(release.billable.sum()):,} billable, in {release.path}")


@app.command("list")
@reported
def list_releases(folder: _Folder = None, as_json: _Json = False) -> None:
    """List the releases at hand."""
    found = _releases(folder).list()
    if as_json:
        _print_json([dataclasses.asdict(info) for info in found])
        return
    for info in found:
        until = f" to {info.expires}" if info.expires else ""
        typer.echo(
            f"{info.name}: from {info.effective}{until}, {info.n_codes:,} codes, {info.n_billable:,} billable, {info.path}"
        )
    if not found:
        typer.echo("No releases. Add one with `codesuggest codes add FILE --effective DATE`.")


@app.command("show")
@reported
def show(
    code: Annotated[str, typer.Argument(help="With or without the dot.")],
    day: _Day = None,
    system: _System = ICD10CM,
    folder: _Folder = None,
    as_json: _Json = False,
) -> None:
    """Show a code: title, whether billable, what stands above and below it, its notes and seventh characters."""
    release = _releases(folder).on(_day(day), system)
    card = release.card(code)
    if as_json:
        found = dataclasses.asdict(card)
        for printed, note in zip(found["notes"] or (), card.notes or (), strict=True):
            printed["codes_mentioned"] = [str(codes) for codes in note.codes_mentioned]
        _print_json(found)
        return
    from rich.text import Text

    lines: list[str | Text] = [Text(f"{card.code}  {card.title}", style="bold")]
    lines.append(f"{'billable' if card.billable else 'not billable: choose a code below it'} · {release.name}")
    if card.chapter is not None and card.block is not None:
        lines.append(f"chapter {card.chapter.number} {card.chapter.title} · {card.block.id} {card.block.title}")
    lines += [f"  above   {text}  {release.title(text)}" for text in card.ancestors]
    lines += [f"  below   {text}  {release.title(text)}" for text in card.children]
    for note in card.notes or ():
        where = "" if note.code == card.code else f" ({note.code})"
        lines.append(Text.assemble((f"  {note.kind.replace('_', ' ')}{where}  ", "cyan"), note.text))
    lines += [f"  seventh character {char}  {text}" for char, text in (card.seventh_characters or {}).items()]
    if card.notes is None:
        lines.append("notes and seventh characters are not known: the release was compiled without a Tabular List")
    _print(lines)


def _release(text: str, system: str, folder: Path | None) -> Release:
    """Open the release named by a folder or by a date of service."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return Release.open(text)
    return _releases(folder).on(day, system)


@app.command("changes")
@reported
def changes(
    old: Annotated[str, typer.Argument(help="Date of service, or folder of a release.")],
    new: Annotated[str, typer.Argument(help="Date of service, or folder of a release.")],
    system: _System = ICD10CM,
    folder: _Folder = None,
    as_json: _Json = False,
) -> None:
    """Show what changed between two releases, and where deleted codes may have gone."""
    found = diff(_release(old, system, folder), _release(new, system, folder))
    if as_json:
        _print_json(dataclasses.asdict(found))
        return
    lines = [f"{found.old} → {found.new}", f"{len(found.added)} added"]
    lines += [f"  {c.code}  {c.title}" for c in found.added]
    lines.append(f"{len(found.deleted)} deleted")
    for gone in found.deleted:
        lines.append(f"  {gone.code}  {gone.title}")
        lines += [f"    {s.relation} {s.code}  {s.title}  score {s.score:.2f}" for s in gone.successors]
    lines.append(f"{len(found.became_header)} split, no longer billable")
    for header in found.became_header:
        lines.append(f"  {header.code}  {header.title}")
        lines += [f"    {s.relation} {s.code}  {s.title}  score {s.score:.2f}" for s in header.successors]
    lines.append(f"{len(found.became_billable)} became billable")
    lines += [f"  {code}" for code in found.became_billable]
    lines.append(f"{len(found.retitled)} retitled")
    lines += [f"  {c.code}  {c.old_title} → {c.new_title}" for c in found.retitled]
    _print(lines)
