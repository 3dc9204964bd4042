"""Commands of ``codesuggest decisions``: verify, import, export, list, show, schema. Each is a translation into the library."""

from __future__ import annotations

import datetime as dt
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codesuggest.errors import ConfigError, UnknownCodeError
from codesuggest.terminal import console, print_json, reported

if TYPE_CHECKING:
    from rich.table import Table

    from codesuggest.decisions.events import Event
    from codesuggest.decisions.log import DecisionLog
    from codesuggest.decisions.selection import Selection
    from codesuggest.records import Decision

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="The log of what coders and auditors decided: verify, import, export, list, show; its schema."
)


class _Format(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"


class _Stage(StrEnum):
    CODER = "coder"
    AUDIT = "audit"


_Db = Annotated[
    str | None,
    typer.Option(
        "--db", envvar="CODESUGGEST_DB", help="A file (SQLite) or postgresql://USER@HOST/NAME; ./codesuggest.sqlite without it."
    ),
]
_DAYS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]
_Encounter = Annotated[str | None, typer.Option("--encounter", help="Only of this stay or visit.")]
_Note = Annotated[str | None, typer.Option("--note", help="Only about this note.")]
_Who = Annotated[str | None, typer.Option("--who", "--coder", help="Only by this person.")]
_Code = Annotated[str | None, typer.Option("--code", help="Only this code, or codes that begin so; the dot may be left out.")]
_StageOption = Annotated[_Stage | None, typer.Option("--stage", help="Only of this stage.")]
_Since = Annotated[dt.datetime | None, typer.Option("--since", formats=_DAYS, help="Only from this day or time on (UTC).")]
_Until = Annotated[dt.datetime | None, typer.Option("--until", formats=_DAYS, help="Only before this day or time (UTC).")]
_FormatOption = Annotated[_Format | None, typer.Option("--format", help="Where the ending does not tell.")]


@contextmanager
def _log(db: str | None, *, must_exist: bool = True) -> Iterator[DecisionLog]:
    from codesuggest.decisions.database import default_database
    from codesuggest.decisions.log import DecisionLog

    with DecisionLog(db or default_database(), must_exist=must_exist) as log:
        yield log


def _utc(day: dt.datetime | None) -> dt.datetime | None:
    return None if day is None else day.replace(tzinfo=dt.UTC)


@app.command("verify")
@reported
def verify(
    db: _Db = None,
    head: Annotated[
        str | None, typer.Option("--head", metavar="HASH", help="A head that an earlier verify printed and you kept elsewhere.")
    ] = None,
) -> None:
    """Tell whether the log is as it was written: prints its head, or each place where it is not.

    Exit status: 0 the log holds; 4 it was changed, and where; 5 it holds in itself, but the head that was kept is not in it, so it is
    another log or was made anew. Keep the head it prints somewhere that whoever can write the database cannot.
    """
    from codesuggest.decisions.events import NOT_IN_CHAIN

    with _log(db) as log:
        problems = log.verify(head=head.strip().lower() if head else None)
        n, last = log.chain.head()
    for problem in problems[:20]:
        event = f" ({problem.event_id})" if problem.event_id else ""
        typer.echo(f"event {problem.seq}{event}: {problem.what}")
    if len(problems) > 20:
        typer.echo(f"… and {len(problems) - 20:,} more places")
    if not problems:
        typer.echo(f"{n:,} events, nothing was changed. head {last}")
        return
    raise typer.Exit(5 if all(p.what == NOT_IN_CHAIN for p in problems) else 4)


@app.command("import")
@reported
def import_decisions(
    file: Annotated[Path, typer.Argument(help="JSON lines, CSV, TSV (also .gz) or Parquet.")],
    db: _Db = None,
    column: Annotated[
        list[str] | None, typer.Option(metavar="FIELD=NAME", help="Which column holds a field, such as who=CODER_ID. Repeatable.")
    ] = None,
    default: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="Value of a field that rows do not give, such as action=add. Repeatable."),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD:WORD=MEANING", help="What a word means, such as action:Approved=accept. Repeatable."),
    ] = None,
    timezone: Annotated[str, typer.Option(help="Zone of times that do not say theirs, such as America/New_York.")] = "UTC",
    time_format: Annotated[
        str | None, typer.Option(help="How times are written, such as '%m/%d/%Y %H:%M'; ISO 8601 without it.")
    ] = None,
    file_format: _FormatOption = None,
    delimiter: Annotated[str | None, typer.Option(help="Between the cells of a CSV file.")] = None,
    rejects: Annotated[
        Path | None, typer.Option(help="Where rows go that cannot be read; FILE.rejects.jsonl without it.")
    ] = None,
) -> None:
    """Bring decisions of another system, or of an export, into the log; evidence or not.

    A row that cannot be read is reported with its line and kept aside; the rest goes in. Importing again records nothing twice. The
    log is made when it is not there. Exit status: 0 every row went in, or was there; 2 some were kept aside.
    """
    from codesuggest.decisions.files import import_file
    from codesuggest.decisions.rows import RowReader

    reader = RowReader(_pairs(column, "--column"), _pairs(default, "--default"), _pairs(value, "--value"), timezone, time_format)
    with _log(db, must_exist=False) as log, _counting() as progress:
        done = import_file(
            log,
            file,
            reader=reader,
            file_format=file_format.value if file_format else None,
            delimiter="\t" if delimiter == "\\t" else delimiter,
            rejects=rejects,
            progress=progress,
        )
    typer.echo(f"{done.n_rows:,} rows: {done.n_new:,} recorded, {done.n_known:,} already there, {done.n_rejected:,} kept aside")
    if done.unread:
        typer.echo(f"columns not read: {', '.join(done.unread[:20])}", err=True)
    if done.n_windows:
        typer.echo(f"{done.n_windows:,} lines are not UTF-8 and were read as Windows-1252", err=True)
    for one in done.first:
        typer.echo(f"line {one.line}: [{one.error_id}] {one.message}", err=True)
    if done.n_rejected:
        counts = ", ".join(f"{error_id} {n:,}" for error_id, n in done.reasons.items())
        typer.echo(f"kept aside in {done.rejects} ({counts})", err=True)
        raise typer.Exit(2)


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    pairs = [text.partition("=") for text in given or []]
    for left, equals, right in pairs:
        if not (left and equals and right):
            raise ConfigError("CS530", f"{option} got {left + equals + right!r}. Expected two names with '=' between. Write it so.")
    return {left.strip(): right for left, _, right in pairs}


@contextmanager
def _counting() -> Iterator[Callable[[int], None]]:
    """Show how many rows went in, on a terminal alone."""
    if not sys.stderr.isatty():
        yield lambda n: None
        return
    from rich.console import Console

    with Console(stderr=True).status("reading …") as status:
        yield lambda n: status.update(f"{n:,} rows")


@app.command("export")
@reported
def export(
    file: Annotated[Path, typer.Argument(help="Ends in .jsonl, .csv, .tsv (also .gz) or .parquet.")],
    db: _Db = None,
    encounter: _Encounter = None,
    note: _Note = None,
    who: _Who = None,
    code: _Code = None,
    stage: _StageOption = None,
    since: _Since = None,
    until: _Until = None,
    kind: Annotated[str | None, typer.Option(help="Only events of this kind: decision, review, query …")] = None,
    file_format: _FormatOption = None,
) -> None:
    """Write the log, or a part of it, to a file that `codesuggest decisions import` reads back as it was.

    Decisions, finished reviews and every other event. The file appears whole or not at all.
    """
    from codesuggest.decisions.files import export_events

    chosen = _selection(encounter, note, who, code, stage, since, until, kind)
    with _log(db) as log:
        n = export_events(chosen.events(log.chain), file, file_format=file_format.value if file_format else None)
    typer.echo(f"{n:,} events in {file}")


def _selection(
    encounter: str | None,
    note: str | None,
    who: str | None,
    code: str | None,
    stage: _Stage | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
    kind: str | None = None,
) -> Selection:
    from codesuggest.decisions.selection import Selection

    return Selection(
        kind=kind,
        encounter_id=encounter,
        note_id=note,
        who=who,
        code=code,
        stage=stage.value if stage else None,
        since=_utc(since),
        until=_utc(until),
    )


@app.command("list")
@reported
def list_decisions(
    db: _Db = None,
    encounter: _Encounter = None,
    note: _Note = None,
    who: _Who = None,
    code: _Code = None,
    stage: _StageOption = None,
    since: _Since = None,
    until: _Until = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the last recorded.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line, as an export has.")] = False,
) -> None:
    """List decisions in the order recorded, the last ones when there are many."""
    from codesuggest.decisions.rows import row_of

    chosen = _selection(encounter, note, who, code, stage, since, until, kind="decision")
    n = 0
    last: deque[Event] = deque(maxlen=limit)
    with _log(db) as log:
        for event in chosen.events(log.chain):
            n += 1
            last.append(event)
    if as_json:
        for event in last:
            print_json(row_of(event))
        return
    terminal = console()
    if last:
        terminal.print(_table(list(last), title="", encounter=encounter is None))
    shown = f", the last {len(last):,} of them here: --limit shows more" if n > len(last) else ""
    terminal.print(f"{n:,} decisions{shown}")


def _table(events: list[Event], *, title: str, encounter: bool) -> Table:
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for name in ("when (UTC)", "stage", "who", "action", "code", "final", *(["encounter"] if encounter else []), "note", "event"):
        table.add_column(name, overflow="fold")
    for event in events:
        body = event.body
        final = body["final_code"] if body["final_code"] not in (None, body["code"]) else ""
        table.add_row(
            event.when.strftime("%Y-%m-%d %H:%M"),
            body["stage"],
            event.who,
            body["action"],
            body["code"],
            final,
            *([event.encounter_id] if encounter else []),
            body["note_id"],
            event.event_id,
        )
    return table


@app.command("show")
@reported
def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="An event, an encounter or a note.")],
    db: _Db = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show one event in full; or for an encounter or a note what stands for each code, and everything that was decided before.

    Exit status 3 when nothing is known by that name.
    """
    from codesuggest.decisions.rows import row_of

    with _log(db) as log:
        event = log.chain.find(name)
        if event is not None:
            print_json(row_of(event), indent=1)
            return
        decided = list(log.chain.read(kind="decision", encounter_id=name)) or list(log.chain.read(kind="decision", subject=name))
        others = [e for e in log.chain.read(encounter_id=name) if e.kind != "decision"]
    if not decided and not others:
        raise UnknownCodeError(
            "CS538", "No event, encounter or note is called so in this log. Expected an id as `codesuggest decisions list` shows it. Look there."
        )
    from codesuggest.decisions.log import Standing, decision_of

    state = Standing(decision_of(e) for e in decided)
    standing = [found for key in state if (found := state.of(key)) is not None]
    if as_json:
        print_json(
            {
                "standing": [d.event_id for d in standing],
                "events": [row_of(e) for e in sorted([*decided, *others], key=lambda e: e.seq)],
            },
            indent=1,
        )
        return
    terminal = console()
    terminal.print("what stands:")
    for decision in sorted(standing, key=lambda d: (d.note_id, d.system, d.code)):
        terminal.print(f"  {_stands(decision)}")
    if not standing:
        terminal.print("  nothing is decided")
    terminal.print()
    terminal.print(_table(decided, title="", encounter=False))
    for other in others:
        terminal.print(f"{other.when:%Y-%m-%d %H:%M}  {other.kind}  {other.who}  {other.event_id}")


def _stands(decision: Decision) -> str:
    what = {
        "accept": decision.code,
        "add": f"{decision.code} (added)",
        "replace": f"{decision.final_code} (in the place of {decision.code})",
        "reject": f"not {decision.code}",
        "defer": f"{decision.code} is deferred",
    }[decision.action]
    return f"{decision.note_id}: {what}, {decision.stage} {decision.who}{', ' if decision.reason else ''}{' '.join(decision.reason.split())}"


@app.command("schema")
@reported
def schema() -> None:
    """Print the JSON Schema (2020-12) of one line of an export; the columns of CSV and Parquet have the same names."""
    from codesuggest.decisions.rows import row_schema

    print_json(row_schema(), indent=1)
