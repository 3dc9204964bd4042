"""The command ``codesuggest``: thin translations into the library.

What a command prints for people or machines goes to standard output; errors and warnings go to standard error as
``[CS159] …``. Exit codes: 0 done, 2 invalid input, 3 a code or release not found, 4 a missing part or a damaged model or
release, 5 a conflict, 1 a fault of the program. Note text is in the suggestions, never in an error.
"""

from __future__ import annotations

import dataclasses
import hashlib
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codesuggest import __version__
from codesuggest.audit.commands import audit_app, report_command
from codesuggest.batch.commands import score_command
from codesuggest.claims.commands import claim_command
from codesuggest.codes.commands import app as codes_app
from codesuggest.decisions.commands import app as decisions_app
from codesuggest.desk.commands import desk_app
from codesuggest.edits.commands import changes, edits_app, policies_app
from codesuggest.errors import CodesuggestError, CodesuggestWarning, ConfigError
from codesuggest.extract.commands import app as lexicon_app
from codesuggest.learn.commands import add_index_command, evaluate_command
from codesuggest.learn.model_commands import drift_command, models_app, retrain_command
from codesuggest.notes.commands import notes_command
from codesuggest.queries.commands import queries_app
from codesuggest.records import Failure, Note
from codesuggest.terminal import console, print_json, reported

if TYPE_CHECKING:
    from codesuggest.suggester import Suggester

__all__ = ["app", "main", "read_notes", "sample_note"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Suggests ICD-10-CM codes for clinical notes, each with the words that support it, for a coder to confirm.",
)
app.add_typer(desk_app, name="desk")
app.add_typer(codes_app, name="codes")
app.add_typer(decisions_app, name="decisions")
app.add_typer(lexicon_app, name="lexicon")
app.add_typer(edits_app, name="edits")
app.add_typer(policies_app, name="policies")
app.add_typer(queries_app, name="queries")
app.add_typer(models_app, name="models")
app.add_typer(audit_app, name="audit")
codes_app.registered_commands = [c for c in codes_app.registered_commands if c.name != "changes"]
codes_app.command("changes")(changes)  # the same, and what it does to open charts and policies
lexicon_app.command("add")(add_index_command)
app.command("score")(score_command)
app.command("notes")(notes_command)
app.command("claim")(claim_command)
app.command("report")(report_command)
app.command("evaluate")(evaluate_command)
app.command("retrain")(retrain_command)
app.command("drift")(drift_command)


class _Setting(StrEnum):
    INPATIENT = "inpatient"
    OUTPATIENT = "outpatient"
    PROFESSIONAL = "professional"
    EMERGENCY = "emergency"


class _Sex(StrEnum):
    F = "F"
    M = "M"
    X = "X"


# ---------------------------------------------------------------------------------------------------------------------
# suggest


def sample_note() -> Note:
    """Return the discharge summary that ships with the library.

    Examples
    --------
    >>> sample_note().kind
    'discharge summary'
    """
    file = Path(__file__).parent / "data" / "sample_discharge_summary.txt"
    with file.open(encoding="utf-8", newline="") as stream:
        text = stream.read()
    return Note(
        "sample",
        text,
        kind="discharge summary",
        date_of_service=date(2026, 4, 14),
        setting="inpatient",
        age_years=74,
        sex="F",
    )


def read_notes(files: Sequence[Path], facts: dict[str, Any] | None = None, kind: str | None = None) -> Iterator[Note | Failure]:
    """Read the notes of files, in order; a file or line that cannot be read is a failure in its place.

    Parameters
    ----------
    files : sequence of Path
        Text files, one note each; ``-`` for standard input; JSON lines, FHIR, C-CDA, HL7 v2 or HTML, by ending or beginning.
    facts : dict, optional
        Fields of `Note` that hold for every note, unless its file says otherwise.
    kind : str, optional
        Kind of the files, one of `codesuggest.notes.FORMATS`, where neither ending nor beginning tells.

    Yields
    ------
    Note or Failure
        A text file's note is called after the file without its suffix; after the whole path when two would have one name.
    """
    from codesuggest.notes import notes_of, read_documents

    stems = Counter(_stem(path) for path in files)
    for path in files:
        note_id = _stem(path) if stems[_stem(path)] == 1 else str(path)
        yield from notes_of(read_documents(path, facts, kind=kind, note_id=note_id), warn=True)


def _stem(path: Path) -> str:
    return "stdin" if str(path) == "-" else path.stem or path.name


def _check_sources(files: Sequence[Path], *, sample: bool) -> None:
    if sample and files:
        raise ConfigError("CS351", f"--sample and {len(files)} FILE were given. Expected one or the other. Leave one out.")
    if not sample and not files:
        raise ConfigError("CS350", "No FILE was given. Expected text files, '-' for standard input, or --sample. Name one.")
    if sum(str(path) == "-" for path in files) > 1:
        raise ConfigError("CS352", "'-' was given more than once. Standard input can be read once. Leave the others out.")


@app.command("suggest")
@reported
def suggest(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            help="Text files; '-' for standard input; .jsonl files with note_id and text a line; FHIR, C-CDA, HL7 v2, HTML.",
        ),
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Use the discharge summary that ships with the library.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a note, each on a line.")] = False,
    show_all: Annotated[bool, typer.Option("--all", help="Show every code and everything left out.")] = False,
    input_format: Annotated[
        str | None,
        typer.Option(
            "--format", help="text, jsonl, fhir, ccda, hl7 or html, where the ending or the beginning of FILE does not tell."
        ),
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Kind of note, for example 'discharge summary'.")] = None,
    setting: Annotated[_Setting | None, typer.Option(help="Where the patient was seen.")] = None,
    day: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="Date of service or discharge; it chooses the release of the codes."),
    ] = None,
    age: Annotated[float | None, typer.Option(min=0, max=130, help="Age in years.")] = None,
    sex: Annotated[_Sex | None, typer.Option(case_sensitive=False, help="Administrative sex.")] = None,
    model: Annotated[Path | None, typer.Option(help="Model folder; the default model without it.")] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Probability from which a code is put forward; the model's own without it.")
    ] = None,
) -> None:
    """Suggest codes for notes, with the words that support them.

    Offsets in the JSON count the characters of the decoded file: line ends are kept, a byte order mark is not part of the text.
    A note that cannot be read gives a message on standard error and an object with "error" in its place; the others are done.
    """
    from codesuggest.suggester import load

    paths = files or []
    _check_sources(paths, sample=sample)
    given: dict[str, Any] = {
        "kind": kind,
        "setting": setting.value if setting else None,
        "date_of_service": day.date() if day else None,
        "age_years": age,
        "sex": sex.value if sex else None,
    }
    facts = {name: value for name, value in given.items() if value is not None}
    suggester = load(model)
    if threshold is not None:
        suggester.threshold = threshold
    notes: Iterator[Note | Failure] = (
        iter([dataclasses.replace(sample_note(), **facts)]) if sample else read_notes(paths, facts, input_format)
    )
    worst = 0
    with warnings.catch_warnings():
        warnings.simplefilter("always", CodesuggestWarning)
        warnings.showwarning = _show_warning
        for i, note in enumerate(notes):
            worst = max(worst, _suggest_one(suggester, note, as_json=as_json, show_all=show_all, is_first=i == 0))
    if worst:
        raise typer.Exit(worst)


def _suggest_one(suggester: Suggester, note: Note | Failure, *, as_json: bool, show_all: bool, is_first: bool) -> int:
    """Print what there is to say about one note, and return its exit code."""
    if isinstance(note, Failure):
        return _report_failure(note, 2, as_json=as_json)
    try:
        result = suggester.suggest(note)
    except CodesuggestError as error:
        return _report_failure(Failure(note.note_id, error.error_id, error.message), error.exit_code, as_json=as_json)
    if as_json:
        print_json(result.to_dict())
        return 0
    from codesuggest.display import rich_table

    terminal = console()
    if not is_first:
        terminal.print()
    title = " · ".join([note.note_id, *([note.kind] if note.kind else [])])
    terminal.print(rich_table(result, title=title, show_all=show_all))
    return 0


def _report_failure(failure: Failure, exit_code: int, *, as_json: bool) -> int:
    typer.echo(f"[{failure.error_id}] {failure.message}", err=True)
    if as_json:
        print_json(failure.to_dict())
    return exit_code


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    typer.echo(f"warning: {message}", err=True)


# ---------------------------------------------------------------------------------------------------------------------
# doctor, schema, version


@app.command("doctor")
@reported
def doctor(
    model: Annotated[Path | None, typer.Option(help="Model folder; the default model without it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell what is installed, which releases and which model, and whether they verify (exit 0) or not (exit 4)."""
    from codesuggest.doctor import examine, report_table

    report = examine(model)
    if as_json:
        print_json(report.to_dict(), indent=1)
    else:
        console().print(report_table(report))
    if not report.ok:
        raise typer.Exit(4)


@app.command("schema")
@reported
def schema() -> None:
    """Print the JSON Schema (2020-12) of the objects that `codesuggest suggest --json` prints."""
    from codesuggest.schema import json_schema

    print_json(json_schema(), indent=1)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"codesuggest {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Hold the options of the command itself."""


# ---------------------------------------------------------------------------------------------------------------------
# entry point


def main() -> None:
    """Run the command line; whatever happens, no traceback and no note text reaches the terminal."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without the character still shows something
    try:
        app()
    except Exception as error:
        typer.echo(_fault(error), err=True)
        raise SystemExit(1) from None


def _fault(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    package = Path(__file__).parent
    own = [f for f in frames if Path(f.filename).is_relative_to(package)]
    places = " > ".join(f"{Path(f.filename).relative_to(package).as_posix()}:{f.lineno}" for f in own[-4:])
    reference = hashlib.sha256(f"{type(error).__name__} {places}".encode()).hexdigest()[:8]
    return (
        f"[CS399] codesuggest failed: {type(error).__name__} at {places} (reference {reference}). "
        "This is a fault of the program, not of the note. Report it with this line; it holds no text of the note."
    )
