"""Commands: ``edits``, ``policies test`` and ``codes changes --against``. Each is a translation of one call into the library."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from codesuggest.codes.code import ICD10CM
from codesuggest.codes.commands import changes as all_changes
from codesuggest.codes.releases import Releases
from codesuggest.edits.catalogue import Rule
from codesuggest.edits.claim import Claim, read_claims
from codesuggest.edits.docs import all_rules
from codesuggest.edits.engine import check, day_of, default_tables
from codesuggest.edits.loading import compile_ncci, read_given
from codesuggest.edits.ncci import PtpTable
from codesuggest.edits.policies import read_policies, run_bench
from codesuggest.edits.release_changes import day_text, read_open_codes, release_of, report
from codesuggest.errors import ConfigError, PrerequisiteError
from codesuggest.records import Failure, Finding, Note
from codesuggest.terminal import reported

if TYPE_CHECKING:
    import datetime as dt

    from codesuggest.edits.engine import Tables
    from codesuggest.suggester import Suggester

__all__ = ["changes", "edits", "edits_app", "policies_app"]

policies_app = typer.Typer(no_args_is_help=True, help="Payer policies: test a folder of them.")


@policies_app.callback()
def _policies() -> None:
    """Payer policies: test a folder of them."""


def _show_rules(rules: Iterable[Rule], *, as_json: bool) -> None:
    for rule in rules:
        if as_json:
            row = {
                "id": rule.id,
                "family": rule.family,
                "severity": rule.severity,
                "description": rule.description,
                "citation": rule.citation,
                "resolution": rule.resolution,
                "first": rule.first and rule.first.isoformat(),
                "last": rule.last and rule.last.isoformat(),
                "information": rule.is_information,
            }
            typer.echo(json.dumps(row, ensure_ascii=False))
        else:
            span = f" [{rule.first or ''} to {rule.last or ''}]" if rule.first or rule.last else ""
            typer.echo(f"{rule.id:9} {rule.severity:8} {rule.description}{span}\n{'':19}{rule.citation}")


def _show(findings: Iterable[Finding], *, indent: str = "") -> None:
    for finding in findings:
        typer.echo(f"{indent}{finding.severity:8} {finding.rule_id:9} {finding.message}")
        typer.echo(f"{indent}{'':19}{finding.resolution} ({finding.citation})")


class _CheckUnlessNamed(TyperGroup):
    """``codesuggest edits FILE`` checks; ``codesuggest edits compile-ncci`` is the one command beside it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - a context of click, which typer may bring along
        """Put the command that checks before arguments that name none."""
        if not args or args[0] not in self.commands:
            args = ["check", *args]
        return super().parse_args(ctx, args)


edits_app = typer.Typer(
    cls=_CheckUnlessNamed, add_completion=False, help="Check claims against the guidelines and billing edits."
)
_Files = list[str] | None
_AT = "What it is valid for stands in its name or after @: FILE@"


@edits_app.command("check", hidden=True)
@reported
def edits(
    file: Annotated[Path | None, typer.Argument(help="Claims: a JSON object, a list of them, or JSON lines.")] = None,
    catalogue: Annotated[bool, typer.Option("--list", help="Print the catalogue of rules instead.")] = False,
    day: Annotated[
        datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="Date of service; the claim's own without it.")
    ] = None,
    mce: Annotated[_Files, typer.Option("--mce", help=f"Medicare Code Editor lists (CSV). {_AT}v43. Repeatable.")] = None,
    poa: Annotated[_Files, typer.Option("--poa", help=f"POA exempt codes. {_AT}FY2026. Repeatable.")] = None,
    cc: Annotated[str | None, typer.Option("--cc", help=f"CC and MCC (CSV). {_AT}v43.")] = None,
    cc_exclusions: Annotated[str | None, typer.Option("--cc-exclusions", help="PDX exclusion groups of --cc (CSV).")] = None,
    ncci_ptp: Annotated[
        _Files,
        typer.Option("--ncci-ptp", help=f"Pairs: a folder of compile-ncci, or CMS files. {_AT}practitioner,2026Q2. Repeatable."),
    ] = None,
    mue: Annotated[_Files, typer.Option("--mue", help=f"Medically unlikely edits. {_AT}practitioner,2026Q2. Repeatable.")] = None,
    add_on: Annotated[_Files, typer.Option("--addon", help=f"Add-on codes. {_AT}2026Q2. Repeatable.")] = None,
    modifiers: Annotated[
        _Files, typer.Option("--modifiers", help="Table of modifiers (TSV) or CMS's HCPCS file. Repeatable.")
    ] = None,
    policies: Annotated[Path | None, typer.Option("--policies", help="Folder of payer policies.")] = None,
    note: Annotated[
        Path | None,
        typer.Option("--note", help="The note of the claim (text), or notes in JSON lines whose note_id is the claim_id."),
    ] = None,
    model: Annotated[Path | None, typer.Option("--model", help="Model that reads the note; the shipped one without it.")] = None,
    information: Annotated[bool, typer.Option("--information", help="Also report what needs no action.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a claim (or a rule).")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Leave with 1 when an error was found.")] = False,
) -> None:
    """Check claims: what a certified coder or a claims scrubber would raise, with the source of each finding.

    Official files are the user's own; `codesuggest edits compile-ncci FILES --to FOLDER` compiles NCCI pairs once.
    """
    if catalogue:
        _show_rules(all_rules(), as_json=as_json)
        return
    if file is None:
        typer.echo("Expected a file of claims, or --list. Try `codesuggest edits --help`.", err=True)
        raise typer.Exit(2)
    claims = list(read_claims(file))
    given = None
    kept: dict[str, Tables] = {}
    not_run: Counter[str] = Counter()
    look = _Notes(note, model, len(claims)) if note is not None else None
    n_errors = 0
    for number, claim in enumerate(claims, 1):
        try:
            on = day.date() if day is not None else day_of(claim)
        except PrerequisiteError as error:
            raise PrerequisiteError(error.error_id, f"Claim {number} of {file.name!r}: {error.message}") from error
        base = default_tables(on)
        if given is None:
            given = read_given(
                mce=mce or (),
                poa=poa or (),
                cc=cc,
                cc_exclusions=cc_exclusions,
                ncci_ptp=ncci_ptp or (),
                mue=mue or (),
                add_on=add_on or (),
                modifiers=modifiers or (),
                policies=policies,
                base_modifiers=base.modifiers,
            )
        tables = kept.setdefault(base.release.sha256, base)
        if tables is base:
            tables = kept[base.release.sha256] = given.onto(base)
        name = claim.claim_id or str(number)
        skipped = tables.skipped(on, claim.setting)
        if look is None:
            found = check(claim, on=on, tables=tables, information=information)
        else:
            found = look.check(claim, name, on, tables, information=information)
        n_errors += sum(f.severity == "error" for f in found)
        if as_json:
            row = {
                "claim_id": name,
                "on": on.isoformat(),
                "findings": [f.to_dict() for f in found],
                "skipped": list(skipped),
            }
            typer.echo(json.dumps(row, ensure_ascii=False))
        else:
            not_run.update(skipped)
            typer.echo(f"{name}: {'nothing found' if not found else f'{len(found)} findings'}")
            _show(found, indent="  ")
    for part, n_claims in not_run.items():
        typer.echo(f"not run: {part}{f' ({n_claims} of {len(claims)} claims)' if n_claims < len(claims) else ''}", err=True)
    if strict and n_errors:
        raise typer.Exit(1)


class _Notes:
    """The notes that claims are compared with, read and suggested for once each."""

    def __init__(self, path: Path, model: Path | None, n_claims: int) -> None:
        from codesuggest.notes import read_jsonl, read_text

        self.model = model
        self.suggester: Suggester | None = None
        if path.suffix.lower() in (".jsonl", ".ndjson"):
            self.notes: dict[str, Note] = {}
            for row in read_jsonl(path):
                if isinstance(row, Failure):
                    raise ConfigError("CS429", f"A note of {path.name!r} cannot be read: {row.message}")
                self.notes[row.note_id] = row
            self.only: Note | None = None
        elif n_claims != 1:
            msg = f"{path.name!r} is one note and there are {n_claims} claims. Expected notes in JSON lines with note_id the claim_id."
            raise ConfigError("CS429", f"{msg} Give these, or one claim.")
        else:
            self.notes, self.only = {}, Note(path.stem, read_text(path).text)

    def check(self, claim: Claim, name: str, on: dt.date, tables: Tables, *, information: bool) -> tuple[Finding, ...]:
        """Check a claim with its note, or alone when it has none."""
        note = self.only or self.notes.get(name)
        if note is None:
            typer.echo(f"{name}: no note has this id; checked without one", err=True)
            return check(claim, on=on, tables=tables, information=information)
        if self.suggester is None:
            from codesuggest.suggester import load  # opens the model, which a check without a note does not need

            self.suggester = load(self.model)
        from codesuggest.edits.missed import check_result

        if note.date_of_service is None:
            note = replace(note, date_of_service=on)
        result = self.suggester.suggest(note)
        return check_result(result, note, on=on, tables=tables, claim=claim, information=information)


@edits_app.command("compile-ncci")
@reported
def compile_ncci_files(
    files: Annotated[list[str], typer.Argument(help=f"CMS's pair files of one quarter and kind. {_AT}practitioner,2026Q2.")],
    to: Annotated[Path, typer.Option("--to", help="Folder to write; give it to --ncci-ptp.")],
) -> None:
    """Compile NCCI pairs into a folder that opens at once."""
    typer.echo(repr(PtpTable.open(compile_ncci(files, to))))


@policies_app.command("test")
@reported
def policies_test(
    folder: Annotated[Path, typer.Argument(help="Folder of *.toml policies.")],
    day: Annotated[
        datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="Choose the code release by this date.")
    ] = None,
) -> None:
    """Check every policy of a folder and run the tests that stand in it."""
    found = read_policies(folder)
    on = day.date() if day is not None else max(t.on for p in found for t in p.tests) if any(p.tests for p in found) else None
    tables = default_tables(on) if on is not None else default_tables(datetime.now().date())  # noqa: DTZ005 - the author's day
    results = run_bench(found, tables)
    for result in results:
        if not result.passed:
            expected, got = ", ".join(result.expected) or "nothing", ", ".join(result.found) or "nothing"
            typer.echo(f"failed: {result.policy}, line {result.line}: expected {expected}, found {got}")
    n_passed = sum(r.passed for r in results)
    typer.echo(f"{len(found)} policies, {len(results)} tests, {n_passed} passed")
    if n_passed < len(results):
        raise typer.Exit(1)


@reported
def changes(
    old: Annotated[str, typer.Argument(help="Fiscal year, date of service, or folder of a release.")],
    new: Annotated[str, typer.Argument(help="Fiscal year, date of service, or folder of a release.")],
    against: Annotated[
        Path | None,
        typer.Option("--against", help="Codes in use: one a line, or CSV with code, chart, date. Only they are reported."),
    ] = None,
    labels: Annotated[Path | None, typer.Option("--labels", help="Codes a model can suggest, one a line.")] = None,
    policies: Annotated[Path | None, typer.Option("--policies", help="Folder of payer policies.")] = None,
    system: Annotated[str, typer.Option("--system", help="Code system.")] = ICD10CM,
    folder: Annotated[Path | None, typer.Option("--releases", help="Look in this folder of releases alone.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --against one object a finding.")] = False,
) -> None:
    """Show what changed between two releases, or what that does to open charts, a model's labels and policies."""
    if against is None and labels is None and policies is None:
        all_changes(day_text(old), day_text(new), system=system, folder=folder, as_json=as_json)
        return
    releases = Releases() if folder is None else Releases(folder)
    found = report(
        release_of(old, releases, system),
        release_of(new, releases, system),
        charts=read_open_codes(against) if against is not None else (),
        labels=[c.code for c in read_open_codes(labels)] if labels is not None else (),
        policies=read_policies(policies) if policies is not None else (),
    )
    if as_json:
        for finding in found:
            typer.echo(json.dumps(finding.to_dict(), ensure_ascii=False))
        return
    typer.echo(f"{len(found)} findings")
    _show(found)
