"""The commands ``codesuggest audit`` and ``codesuggest report``."""

from __future__ import annotations

import datetime as dt
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codesuggest.errors import ConfigError
from codesuggest.terminal import print_json, print_table, reported

if TYPE_CHECKING:
    from codesuggest.audit.agreement import Agreement
    from codesuggest.audit.charts import Chart
    from codesuggest.decisions import DecisionLog

__all__ = ["audit_app", "report_command"]

audit_app = typer.Typer(no_args_is_help=True, help="Quality assurance: draw charts to audit, measure agreement, write feedback.")

_Log = Annotated[
    str,
    typer.Option(
        "--db",
        envvar="CODESUGGEST_DB",
        help="Decision log: a file (SQLite), postgresql://USER@HOST/NAME, or an exported .jsonl, .csv or .parquet.",
    ),
]
_Since = Annotated[dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only charts finished from this day on (UTC).")]
_Until = Annotated[dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only charts finished before this day (UTC).")]
_Coder = Annotated[str | None, typer.Option(help="Only this coder's charts.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Second = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="A worksheet filled in by the auditor: encounter_id, who, codes a line."),
]
_HERE = "codesuggest.sqlite"


class _Strategy(StrEnum):
    RANDOM = "random"
    LOW_CONFIDENCE = "low confidence"
    HIGH_IMPACT = "high impact"
    CHANGED = "changed"


class _By(StrEnum):
    DAY = "day"
    CODER = "coder"
    KIND = "kind"
    SETTING = "setting"
    PAYER = "payer"


def _open(where: str) -> DecisionLog:
    """Open a log, or read an exported one into memory."""
    from codesuggest.decisions import DecisionLog
    from codesuggest.decisions.files import open_log

    return DecisionLog(where, must_exist=True) if "://" in where else open_log(Path(where))


def _charts(log: DecisionLog, since: dt.datetime | None, until: dt.datetime | None) -> tuple[Chart, ...]:
    from codesuggest.audit.charts import charts_of

    return charts_of(log, since=since and since.replace(tzinfo=dt.UTC), until=until and until.replace(tzinfo=dt.UTC))


def _write(to: Path, text: str) -> None:
    if not to.resolve().parent.is_dir():
        raise ConfigError("CS725", f"The folder of {to.name!r} does not exist. Expected an existing one. Create it first.")
    to.write_text(text, encoding="utf-8", newline="\n")


@audit_app.command("sample")
@reported
def sample_command(
    n: Annotated[int, typer.Argument(min=1, help="Charts, or charts of each coder with --per-coder.")],
    db: _Log = _HERE,
    strategy: Annotated[_Strategy, typer.Option(help="How they are chosen.")] = _Strategy.RANDOM,
    per_coder: Annotated[bool, typer.Option("--per-coder", help="As many of every coder.")] = False,
    coder: _Coder = None,
    code: Annotated[str | None, typer.Option(help="Only charts with this code or one below it.")] = None,
    impact: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Codes that weigh, one a line, for --strategy 'high impact'.")
    ] = None,
    since: _Since = None,
    until: _Until = None,
    audited: Annotated[bool, typer.Option("--audited", help="Take charts that were audited before, too.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    to: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Write a blinded worksheet (JSON lines, without coder and codes) for the auditor."),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Draw charts to audit."""
    from codesuggest.audit.sampling import sample
    from codesuggest.decisions.log import normal_code

    weighing = (
        {normal_code(line.split()[0]) for line in impact.read_text(encoding="utf-8").splitlines() if line.strip()}
        if impact
        else None
    )
    chosen = sample(
        _charts(_open(db), since, until),
        n,
        strategy=strategy.value,
        per_coder=per_coder,
        coder=coder,
        code=code,
        impact=weighing,
        audited=audited,
        seed=seed,
    )
    if to is not None:
        _write(to, "".join(json.dumps(s.worksheet()) + "\n" for s in chosen))
        typer.echo(f"{to}: {len(chosen)} charts, blinded")
    elif as_json:
        print_json(
            [
                {
                    "encounter_id": s.encounter_id,
                    "note_ids": list(s.note_ids),
                    "coder": s.coder,
                    "why": s.why,
                    "probability": s.probability,
                }
                for s in chosen
            ],
            indent=1,
        )
    else:
        rows = [(s.encounter_id, s.coder, s.why, "" if s.probability is None else f"{s.probability:.3f}") for s in chosen]
        print_table(("encounter", "coder", "why", "share drawn"), rows, n_left=3)


@audit_app.command("agree")
@reported
def agree_command(
    db: _Log = _HERE,
    second: _Second = None,
    record: Annotated[bool, typer.Option("--record", help="Put the second coding into the log as the auditor's word.")] = False,
    coder: _Coder = None,
    since: _Since = None,
    until: _Until = None,
    by_coder: Annotated[bool, typer.Option("--by-coder", help="A line for every coder.")] = False,
    as_json: _Json = False,
) -> None:
    """Measure how far coders and auditors agree, from the log's audits or from a second coding."""
    from codesuggest.audit.agreement import agree

    charts = _with_second(db, second, since, until, record=record)
    if coder is not None:
        charts = tuple(c for c in charts if c.coder == coder)
    whole = agree(charts, name=coder or "all")
    coders = sorted({c.coder for c in charts if c.audited_codes is not None}) if by_coder else []
    parts = [agree([c for c in charts if c.coder == name], name=name) for name in coders]
    if as_json:
        print_json({"all": whole.to_dict(), "by_coder": [p.to_dict() for p in parts]} if by_coder else whole.to_dict(), indent=1)
        return
    print_table(
        ("coder", "charts", "codes", "precision", "recall", "F1", "3 char.", "kappa", "principal"),
        [_agreement_cells(a) for a in (*parts, whole)],
        n_left=1,
    )
    wrong = [
        (c.code, str(c.n_both), str(c.n_coder), str(c.n_auditor), "" if c.kappa != c.kappa else f"{c.kappa:.2f}")
        for c in whole.by_code
    ]
    if wrong:
        print_table(("codes that differ most", "both", "coder alone", "auditor alone", "kappa"), wrong[:12], n_left=1)


def _with_second(
    db: str, second: Path | None, since: dt.datetime | None, until: dt.datetime | None, *, record: bool
) -> tuple[Chart, ...]:
    from codesuggest.audit.second import beside, read_second, record_second

    if record and second is None:
        raise ConfigError("CS725", "--record was given without --second. Expected the auditor's worksheet. Give --second FILE.")
    log = _open(db)
    charts = _charts(log, since, until)
    if second is None:
        return charts
    coded = read_second(second)
    found, unknown = beside(charts, coded)
    if unknown:
        typer.echo(
            f"warning: {len(unknown)} encounters of {second.name} were not finished by a coder: {', '.join(unknown[:5])}",
            err=True,
        )
    if record:
        n = record_second(log, charts, coded)
        typer.echo(f"{n} events recorded", err=True)
    return found


def _agreement_cells(a: Agreement) -> tuple[str, ...]:
    return (
        a.name,
        f"{a.n_charts:,}",
        f"{a.n_audited:,}",
        *(f"{v.value:.2f} ({v.low:.2f}–{v.high:.2f})" for v in (a.precision, a.recall, a.f1, a.three_f1, a.kappa)),
        f"{a.n_principal_right} of {a.n_principal}" if a.n_principal else "",
    )


@audit_app.command("feedback")
@reported
def feedback_command(
    coder: Annotated[str, typer.Argument(help="Who gets the feedback.")],
    db: _Log = _HERE,
    second: _Second = None,
    since: _Since = None,
    until: _Until = None,
    to: Annotated[Path | None, typer.Option(metavar="OUT", help="Write Markdown to a file.")] = None,
    as_json: _Json = False,
) -> None:
    """Write what a coder should look at again, as Markdown."""
    from codesuggest.audit.feedback import feedback_for, feedback_markdown
    from codesuggest.codes import Releases

    made = feedback_for(_with_second(db, second, since, until, record=False), coder)
    if as_json:
        print_json(made.to_dict(), indent=1)
        return
    release = Releases().on(dt.datetime.now(dt.UTC).date())
    codes = {c.removesuffix(" ") for p in made.patterns for c in (p.coded, p.audited) if c and p.kind != "POA"}
    titles = {c: release.title(c) for c in codes if c in release}
    text = feedback_markdown(made, titles=titles)
    if to is not None:
        _write(to, text)
        typer.echo(f"{to}: feedback on {made.agreement.n_charts} charts")
    else:
        typer.echo(text, nl=False)


@reported
def report_command(
    db: _Log = _HERE,
    by: Annotated[_By, typer.Option(help="What a line stands for.")] = _By.DAY,
    coder: _Coder = None,
    since: _Since = None,
    until: _Until = None,
    csv_to: Annotated[Path | None, typer.Option("--csv", metavar="OUT", help="Write CSV.")] = None,
    html_to: Annotated[
        Path | None, typer.Option("--html", metavar="OUT", help="Write one HTML page with plots (needs matplotlib).")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Report volume, accuracy, turnaround, acceptance, queries and effort from the decision log."""
    from codesuggest.audit.page import PARTS, filled, report_csv, report_page
    from codesuggest.audit.work import work_report
    from codesuggest.html_page import need_matplotlib
    from codesuggest.query_log import QueryLog

    if html_to is not None:
        need_matplotlib()
    log = _open(db)
    charts = [c for c in _charts(log, since, until) if coder is None or c.coder == coder]
    report = work_report(charts, by=by.value, queries=QueryLog(log).rows())
    if csv_to is not None:
        _write(csv_to, report_csv(report))
    if html_to is not None:
        _write(html_to, report_page(report, title=f"Coding work of {coder}" if coder else "Coding work"))
    if as_json:
        print_json(report.to_dict(), indent=1)
        return
    for title, columns in PARTS:
        names, rows = filled(report, columns)
        if names:
            print_table((title, *names), rows, n_left=1)
    if report.edits:
        print_table(("Findings left", "findings", "charts"), [(r, str(n), str(c)) for r, n, c in report.edits[:10]], n_left=1)
    if report.changed:
        rows_changed = [(a or "(added)", b or "(left out)", str(n)) for a, b, n in report.changed[:10]]
        print_table(("Put forward", "final", "charts"), rows_changed, n_left=2)
