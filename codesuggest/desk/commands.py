"""The commands ``codesuggest desk …``: thin translations into the store, the people and the server."""

from __future__ import annotations

import csv
import datetime as dt
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codesuggest.errors import ConfigError, InputFormatError, PrerequisiteError
from codesuggest.terminal import console, print_json, reported

if TYPE_CHECKING:
    from codesuggest.desk.people import Identity, People
    from codesuggest.desk.settings import DeskSettings
    from codesuggest.desk.store import EncounterFacts, Store

__all__ = ["desk_app"]

desk_app = typer.Typer(
    no_args_is_help=True, help="The coder's desk: import charts, look at the queue, manage people, serve the page and API."
)
user_app = typer.Typer(no_args_is_help=True, help="People of the desk.")
token_app = typer.Typer(no_args_is_help=True, help="Tokens for programs.")
desk_app.add_typer(user_app, name="user")
desk_app.add_typer(token_app, name="token")

_PASSWORD = "CODESUGGEST_PASSWORD"  # noqa: S105 - name of an environment variable
Db = Annotated[
    str | None,
    typer.Option(
        "--db", metavar="DATABASE", help="A file, or postgresql://USER@HOST/NAME; $CODESUGGEST_DB or the settings without it."
    ),
]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings in TOML, table [desk].")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _settings(config: Path | None, db: str | None) -> DeskSettings:
    from codesuggest.decisions.database import DATABASE_VARIABLE
    from codesuggest.desk.settings import read_desk_settings

    settings = read_desk_settings(config)
    database = db or os.environ.get(DATABASE_VARIABLE)
    return replace(settings, database=database) if database else settings


def _people(config: Path | None, db: str | None) -> People:
    from codesuggest.decisions.database import open_database
    from codesuggest.desk.people import People

    settings = _settings(config, db)
    return People(open_database(settings.database), settings)


def _store(config: Path | None, db: str | None) -> Store:
    from codesuggest.decisions.database import open_database
    from codesuggest.desk.store import Store

    settings = _settings(config, db)
    return Store(open_database(settings.database), settings)


def _console() -> Identity:
    """Whoever sits at the machine: the commands need the database, and so no log-in."""
    from codesuggest.desk.people import Identity

    return Identity(f"console:{os.environ.get('USER', '')[:80]}", "manager", "console")


# ---------------------------------------------------------------------------------------------------------------------
# charts


@desk_app.command("import")
@reported
def import_(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT", help="A folder of notes, or a file: .jsonl, .csv, .tsv, .parquet, FHIR .json; as `score`."
        ),
    ],
    encounters: Annotated[
        Path | None,
        typer.Option(help="CSV with encounter_id and any of admission_type, admitted_on, discharged_on, payer."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=NAME", help="Which column holds a field, such as text=NOTE_TEXT. Repeatable."),
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Kind of the notes where the input does not say.")] = None,
    setting: Annotated[
        str | None, typer.Option(help="inpatient, outpatient, professional or emergency, where the input does not say.")
    ] = None,
    day: Annotated[
        dt.datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Date of service where the input does not say.")
    ] = None,
    payer: Annotated[str | None, typer.Option(help="Payer where the input does not say.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Processes that read notes; the settings' without it.")
    ] = None,
    db: Db = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Read notes and put them into the queue, one chart an encounter. What is there already is passed over.

    Exit status: 0 every note is in the queue; 2 some could not be read or were refused.
    """
    from codesuggest.desk.importing import import_notes

    settings = _settings(config, db)
    if workers is not None:
        settings = replace(settings, workers=workers)
    defaults = {"kind": kind, "setting": setting, "date_of_service": day.date() if day else None, "payer": payer}
    facts = read_encounters(encounters) if encounters else {}
    report = import_notes(settings, source, who=_console(), columns=_columns(column or []), defaults=defaults, facts=facts)
    for problem in report.problems:
        typer.echo(problem, err=True)
    if as_json:
        print_json(asdict(report))
    else:
        typer.echo(
            f"{report.n_added} documents added to {report.n_charts} charts; {report.n_known} known already; {len(report.problems)} not taken."
        )
    if report.problems:
        raise typer.Exit(2)


def _columns(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for field, equals, name in pairs:
        if not (field and equals and name):
            raise ConfigError(
                "CS634", f"--column got {field + equals + name!r}. Expected FIELD=NAME, such as text=NOTE_TEXT. Correct it."
            )
    return {field: name for field, _, name in pairs}


def read_encounters(path: Path) -> dict[str, EncounterFacts]:
    """Read what is known of encounters from a CSV file.

    Raises
    ------
    InputFormatError
        CS635 when the file cannot be read, lacks ``encounter_id``, has another column, or a date is not one.
    """
    from codesuggest.desk.store import EncounterFacts

    names = ("encounter_id", "admission_type", "admitted_on", "discharged_on", "payer")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            columns = tuple(reader.fieldnames or ())
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputFormatError("CS635", f"{path.name!r} cannot be read. Expected a CSV file in UTF-8. Check the path.") from error
    unknown = [c for c in columns if c not in names]
    if "encounter_id" not in columns or unknown:
        problem = f"the column {unknown[0]!r}" if unknown else "no column 'encounter_id'"
        raise InputFormatError("CS635", f"{path.name!r} has {problem}. Expected {', '.join(names)}. Correct the head.")

    def day(row: dict[str, str], name: str, line: int) -> dt.date | None:
        value = (row.get(name) or "").strip()
        try:
            return dt.date.fromisoformat(value) if value else None
        except ValueError as error:
            raise InputFormatError(
                "CS635", f"{path.name!r}, line {line}: {name} is no date. Expected YYYY-MM-DD. Correct it."
            ) from error

    return {
        row["encounter_id"].strip(): EncounterFacts(
            (row.get("admission_type") or "").strip(),
            day(row, "admitted_on", line),
            day(row, "discharged_on", line),
            (row.get("payer") or "").strip() or None,
        )
        for line, row in enumerate(rows, 2)
    }


@desk_app.command("list")
@reported
def list_(
    state: Annotated[str | None, typer.Option(help="Only charts in this state, such as imported.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most charts to show.")] = 20,
    why: Annotated[bool, typer.Option("--why", help="Show every component of the score.")] = False,
    db: Db = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show the queue, best first, and why."""
    from codesuggest.desk.states import STATES

    if state is not None and state not in STATES:
        raise ConfigError("CS636", f"There is no state {state!r}. Expected one of {', '.join(STATES)}. Name one of these.")
    items, total = _store(config, db).worklist(_console(), state=state, limit=limit)
    if as_json:
        print_json({"items": items, "total": total}, indent=1)
        return
    from rich.table import Table

    table = Table("rank", "score", "chart", "encounter", "state", "who", "why", title=f"{total} charts", title_justify="left")
    for item in items:
        reasons = [f"{r['words']} ({r['points']:g} of {r['weight']:g})" for r in item["reasons"] if r["points"] or why]
        shown = reasons if why else reasons[:2]
        table.add_row(
            str(item["rank"]),
            f"{item['score']:.1f}",
            item["chart_id"],
            item["encounter_id"],
            item["status"],
            item["assignee"] or "",
            "\n".join(shown) if why else "; ".join(shown),
        )
    console().print(table)


@desk_app.command("assign")
@reported
def assign(
    chart: Annotated[str, typer.Argument(metavar="CHART", help="Id of the chart, or its encounter.")],
    user: Annotated[str, typer.Argument(metavar="USER", help="The coder, or the auditor of a chart in audit.")],
    db: Db = None,
    config: Config = None,
) -> None:
    """Give a chart to a person; it is kept for them until they or a manager give it back."""
    store = _store(config, db)
    row = store.assign(store.chart_id(chart), _console(), user)
    typer.echo(f"{row.encounter_id} ({row.chart_id}) is {row.status.replace('_', ' ')}: {row.assignee}.")


@desk_app.command("serve")
@reported
def serve_(
    host: Annotated[str | None, typer.Option(help="Address to listen on; loopback without it.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 8765 without it.")] = None,
    tls_certificate: Annotated[str | None, typer.Option(metavar="FILE", help="Certificate in PEM format.")] = None,
    tls_key: Annotated[str | None, typer.Option(metavar="FILE", help="Its key.")] = None,
    behind_proxy: Annotated[bool, typer.Option("--behind-proxy", help="A proxy in front ends TLS.")] = False,
    allowed_host: Annotated[list[str] | None, typer.Option(help="Name by which the server may be called. Repeatable.")] = None,
    db: Db = None,
    config: Config = None,
) -> None:
    """Serve the review page and the HTTP API."""
    from codesuggest.desk.server import serve

    settings = _settings(config, db)
    given = {"host": host, "port": port, "tls_certificate": tls_certificate, "tls_key": tls_key}
    settings = replace(settings, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]  # each has its type
    if behind_proxy:
        settings = replace(settings, behind_proxy=True)
    if allowed_host:
        settings = replace(settings, allowed_hosts=(*settings.allowed_hosts, *allowed_host))
    scheme = "https" if settings.tls_certificate else "http"
    typer.echo(
        f"The desk opens at {scheme}://{settings.host}:{settings.port}/ (database {Path(settings.database).name})", err=True
    )
    serve(settings)


# ---------------------------------------------------------------------------------------------------------------------
# people and tokens


def _password() -> str:
    """Take a password from the environment, or ask for it; never from the command line, where others can read it."""
    given = os.environ.get(_PASSWORD)
    if given is not None:
        return given
    try:
        return str(typer.prompt("Password (at least 12 characters)", hide_input=True, confirmation_prompt=True))
    except typer.Abort as error:
        raise PrerequisiteError(
            "CS637", f"No password was given. Expected one typed twice, or in the variable {_PASSWORD}. Give one."
        ) from error


@user_app.command("add")
@reported
def user_add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")],
    role: Annotated[str, typer.Option(help="coder, auditor or manager.")] = "coder",
    db: Db = None,
    config: Config = None,
) -> None:
    """Add a person; the password is asked for, or taken from $CODESUGGEST_PASSWORD."""
    people = _people(config, db)
    made = people.add_user(name, role, _password())
    typer.echo(f"{made.name} is a {made.role} now.")


@user_app.command("list")
@reported
def user_list(db: Db = None, config: Config = None, as_json: Json = False) -> None:
    """Show the people of the desk."""
    found = _people(config, db).users()
    if as_json:
        print_json([asdict(u) for u in found], indent=1)
        return
    from rich.table import Table

    table = Table("name", "role", "state", "since")
    for u in found:
        table.add_row(u.name, u.role, "disabled" if u.disabled else "active", u.created_at[:10])
    console().print(table)


@user_app.command("disable")
@reported
def user_disable(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")],
    enable: Annotated[bool, typer.Option("--enable", help="Let the person in again.")] = False,
    db: Db = None,
    config: Config = None,
) -> None:
    """Keep a person out, at once: sessions and tokens end."""
    _people(config, db).disable(name, disabled=not enable)
    typer.echo(f"{name} is {'active' if enable else 'disabled'} now.")


@user_app.command("password")
@reported
def user_password(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")], db: Db = None, config: Config = None
) -> None:
    """Give a person another password; sessions end."""
    people = _people(config, db)
    people.user(name)
    people.set_password(name, _password())
    typer.echo(f"{name} has another password now.")


@token_app.command("create")
@reported
def token_create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A program's name; for another role a user who has it.")],
    role: Annotated[str, typer.Option(help="service, coder, auditor or manager.")] = "service",
    days: Annotated[float, typer.Option(help="How long it holds, up to 366.")] = 90,
    db: Db = None,
    config: Config = None,
) -> None:
    """Make a token and print it, once."""
    made, text = _people(config, db).create_token(name, role, days=days)
    typer.echo(text)
    typer.echo(
        f"Token {made.token_id} of {made.name} ({made.role}), until {made.expires_at[:10]}. It is shown this once.", err=True
    )


@token_app.command("list")
@reported
def token_list(db: Db = None, config: Config = None, as_json: Json = False) -> None:
    """Show the tokens; what they say is not stored."""
    found = _people(config, db).tokens()
    if as_json:
        print_json([asdict(t) for t in found], indent=1)
        return
    from rich.table import Table

    table = Table("id", "name", "role", "from", "until", "revoked")
    for t in found:
        table.add_row(t.token_id, t.name, t.role, t.created_at[:10], t.expires_at[:10], (t.revoked_at or "")[:10])
    console().print(table)


@token_app.command("revoke")
@reported
def token_revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `desk token list` shows it.")],
    db: Db = None,
    config: Config = None,
) -> None:
    """End a token, at once."""
    _people(config, db).revoke_token(token_id)
    typer.echo(f"Token {token_id} is revoked.")
