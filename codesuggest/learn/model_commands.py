"""The commands ``codesuggest retrain``, ``models`` and ``drift``: learn a candidate, compare, promote or roll back, watch."""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codesuggest.errors import ConfigError
from codesuggest.terminal import print_json, print_table, reported

if TYPE_CHECKING:
    from codesuggest.learn.promotion import Bounds, Verdict
    from codesuggest.learn.registry import Registry

__all__ = ["drift_command", "models_app", "retrain_command"]

models_app = typer.Typer(no_args_is_help=True, help="Versions of a model: list, add, compare, promote, roll back.")

_Folder = Annotated[Path, typer.Option("--registry", help="Folder of the versions.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Who = Annotated[str | None, typer.Option(help="Who decides; the name of the system's user without it.")]
_Coded = Annotated[
    Path,
    typer.Option("--on", metavar="CODED", exists=True, help="Locked coded notes: JSON lines, or a folder of marked notes."),
]
_Drop = Annotated[float, typer.Option(help="Largest fall of an overall figure.")]
_GroupDrop = Annotated[float, typer.Option(help="Largest fall of F1 in a chapter, a kind of note, or a coder's notes.")]
_Draws = Annotated[int, typer.Option(min=10, help="Bootstrap draws over notes.")]
_HERE = Path("models")
_Db = Annotated[
    str,
    typer.Option("--db", envvar="CODESUGGEST_DB", help="Decision log: a file (SQLite) or postgresql://USER@HOST/NAME."),
]
_Notes = Annotated[
    Path, typer.Option("--notes", exists=True, help="What the decisions are about: a folder or a file, as `score` reads them.")
]
_System = Annotated[str, typer.Option(help="Code system.")]


@reported
def retrain_command(
    notes: _Notes,
    to: Annotated[Path, typer.Option(help="Folder of the candidate; it must not exist.")],
    db: _Db = "codesuggest.sqlite",
    base: Annotated[
        str, typer.Option(help="Model to build on: a folder, 'default', or 'none' to begin with an empty lexicon.")
    ] = "default",
    update: Annotated[
        Path | None,
        typer.Option(exists=True, help="A model that `retrain` wrote: learn what is new since, without starting over."),
    ] = None,
    against: Annotated[Path | None, typer.Option(exists=True, help="Model in use, to compare with; the base without it.")] = None,
    language: Annotated[str, typer.Option(help="Language of the notes, such as en or es.")] = "en",
    system: _System = "ICD-10-CM",
    held_out: Annotated[int, typer.Option(min=0, max=90, help="Percent of the encounters that are never learned from.")] = 20,
    max_drop: _Drop = 0.01,
    max_group_drop: _GroupDrop = 0.05,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything drawn.")] = 0,
    draws: _Draws = 1000,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Show no progress bar.")] = False,
    as_json: _Json = False,
) -> None:
    """Learn a candidate model from what coders and auditors decided, and compare it with the model in use.

    The candidate is a folder; nothing is put in use. What was left out of the learning is listed in left_out.jsonl in that folder, by
    id, with the reason. Exit code 5 when the candidate falls behind beyond the bounds.
    """
    from codesuggest.decisions import DecisionLog
    from codesuggest.learn.promotion import Bounds
    from codesuggest.learn.retraining import retrain
    from codesuggest.suggester import load

    start = None if base == "none" or update is not None else load(None if base == "default" else base)
    if start is not None and (language != "en" or start.model.release.system != system):
        raise ConfigError(
            "CS709",
            f"The base model {base!r} is of English notes and {start.model.release.system}; {language!r} and {system} were asked for. "
            "Expected a base of the same language and code system. Give --base none to begin with an empty lexicon.",
        )
    with _bar(quiet=no_progress or as_json) as progress:
        done = retrain(
            DecisionLog(db, must_exist=True),
            notes,
            to=to,
            base=start,
            update=update,
            against=load(against) if against is not None else None,
            language=language,
            system=system,
            held_out=held_out,
            bounds=Bounds(max_drop, max_group_drop),
            seed=seed,
            n_draws=draws,
            progress=progress,
        )
    if as_json:
        print_json(done.to_dict(), indent=1)
    else:
        print_table(("What was learned from", ""), [(name, f"{n:,}") for name, n in done.rows.counts().items()], n_left=1)
        if done.verdict is not None:
            _print_verdict(done.verdict)
        elif done.evaluation is not None:
            e = done.evaluation
            figures = [
                (label, f"{e[name]:.3f}")
                for name, label in (("map", "MAP"), ("micro_f1", "F1"), ("micro_precision", "precision"))
            ]
            print_table((f"On {done.n_held_out} held-out notes", ""), figures, n_left=1)
        took = sum(done.seconds.values())
        typer.echo(f"{to}: candidate from {done.n_learned:,} notes, {done.n_held_out:,} held out, {took:.1f} s")
    if done.verdict is not None and not done.verdict.ok:
        raise typer.Exit(5)


@reported
def drift_command(
    notes: _Notes,
    model: Annotated[Path, typer.Option(exists=True, help="A folder that `retrain` wrote, or a registry of versions.")],
    db: _Db = "codesuggest.sqlite",
    since: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only decisions from this day on (UTC).")
    ] = None,
    system: _System = "ICD-10-CM",
    as_json: _Json = False,
) -> None:
    """Tell when acceptance, code mix or vocabulary moved away from what a model was trained on; exit code 5 when one did."""
    from codesuggest.decisions import DecisionLog
    from codesuggest.learn.retraining import drift_since

    log = DecisionLog(db, must_exist=True)
    found = drift_since(log, notes, model, since=since and since.replace(tzinfo=dt.UTC), system=system)
    if as_json:
        print_json(found.to_dict(), indent=1)
    else:
        rows = [
            (m.name, m.note or f"{m.value:+.3f}", "" if m.note else f"{m.chance:.3f}", "moved" if m.has_moved else "")
            for m in found.measured
        ]
        print_table((f"{found.n_notes:,} notes, {found.n_decisions:,} decisions", "change", "chance", ""), rows, n_left=1)
        for m in found.measured:
            if m.has_moved and m.detail:
                moved = [(name, f"{a:.3f}", f"{b:.3f}") for name, a, b in m.detail]
                print_table((f"{m.name}: what moved most", "training", "now"), moved, n_left=1)
        if found.unseen_codes:
            typer.echo("codes that training never had: " + ", ".join(f"{code} ({n})" for code, n in found.unseen_codes[:12]))
    if found.has_moved:
        raise typer.Exit(5)


@contextmanager
def _bar(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    screen = Console(stderr=True)
    if quiet or not screen.is_terminal:
        yield lambda stage, done, of: None
        return
    with Progress(console=screen, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda stage, done, of: bar.update(task, description=stage, completed=done, total=of or None)


def _person(who: str | None) -> str:
    return who or getpass.getuser()


def _registry(folder: Path) -> Registry:
    from codesuggest.learn.registry import Registry

    return Registry(folder)


@models_app.command("list")
@reported
def list_versions(
    folder: _Folder = _HERE,
    trail: Annotated[
        bool, typer.Option("--trail", help="What was added, promoted, refused and rolled back, by whom and why.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """List the versions, which is in use, and whether their files verify (exit 4 when one does not)."""
    registry = _registry(folder)
    if trail:
        entries = registry.trail()
        if as_json:
            print_json([{**_plain(e), "when": e.when.isoformat()} for e in entries], indent=1)
        else:
            print_table(
                ("when (UTC)", "what", "model", "before", "who", "why"),
                [(f"{e.when:%Y-%m-%d %H:%M}", e.action, e.model, e.previous, e.who, e.reason) for e in entries],
            )
        return
    versions = registry.versions()
    if as_json:
        print_json([{**_plain(v), "added": v.added.isoformat() if v.added else None} for v in versions], indent=1)
    elif not versions:
        typer.echo(f"{folder}: no versions")
    else:
        rows = [
            (
                "*" if v.is_current else "",
                v.name,
                v.sha256[:12],
                f"{v.added:%Y-%m-%d}" if v.added else "",
                v.problem or "verifies",
            )
            for v in versions
        ]
        print_table(("in use", "version", "model", "added", ""), rows)
    if any(v.problem for v in versions):
        raise typer.Exit(4)


@models_app.command("add")
@reported
def add(
    model: Annotated[Path, typer.Argument(metavar="MODEL", exists=True, file_okay=False, help="Model folder.")],
    name: Annotated[str, typer.Option("--as", help="Name of the version.")],
    folder: _Folder = _HERE,
    who: _Who = None,
    reason: Annotated[str, typer.Option(help="What it is.")] = "",
) -> None:
    """Copy a model into the registry as a new version; it is not in use by that."""
    made = _registry(folder).add(model, name=name, who=_person(who), reason=reason)
    typer.echo(f"{made}: added; `codesuggest models promote {name}` puts it in use")


def _judge(current: Path | None, candidate: Path, coded: Path, bounds: Bounds, draws: int) -> Verdict:
    from codesuggest.learn.commands import read_coded_notes
    from codesuggest.learn.evaluate import evaluate
    from codesuggest.learn.promotion import judge
    from codesuggest.suggester import load

    notes = read_coded_notes(coded)
    evaluations = []
    release = None
    for folder in (current, candidate):
        suggester = load(folder)
        release = suggester.model.release
        name = folder.name if folder else "default"
        evaluations.append(evaluate(suggester, notes, name=name, n_faithfulness=0, n_draws=draws))
    return judge(evaluations[0], evaluations[1], bounds=bounds, release=release, n_draws=draws)


def _resolve(registry: Registry, name: str) -> Path:
    """Return the folder of a version, or of a model that is not in the registry."""
    path = Path(name)
    return path if (path / "manifest.json").is_file() else registry.path(name)


@models_app.command("compare")
@reported
def compare_versions(
    candidate: Annotated[str, typer.Argument(help="Version, or model folder.")],
    coded: _Coded,
    current: Annotated[str | None, typer.Option("--against", help="Version or model folder; the one in use without it.")] = None,
    folder: _Folder = _HERE,
    max_drop: _Drop = 0.01,
    max_group_drop: _GroupDrop = 0.05,
    draws: _Draws = 1000,
    as_json: _Json = False,
) -> None:
    """Compare a candidate with the model in use on locked notes; exit code 5 when it falls behind beyond the bounds."""
    from codesuggest.learn.promotion import Bounds

    registry = _registry(folder)
    rival = current or registry.current
    verdict = _judge(
        _resolve(registry, rival) if rival else None,
        _resolve(registry, candidate),
        coded,
        Bounds(max_drop, max_group_drop),
        draws,
    )
    if as_json:
        print_json(verdict.to_dict(), indent=1)
    else:
        _print_verdict(verdict)
    if not verdict.ok:
        raise typer.Exit(5)


@models_app.command("promote")
@reported
def promote(
    name: Annotated[str, typer.Argument(metavar="VERSION", help="Name of the version.")],
    coded: Annotated[
        Path | None,
        typer.Option(
            "--on", metavar="CODED", exists=True, help="Locked coded notes on which it is compared with the version in use."
        ),
    ] = None,
    folder: _Folder = _HERE,
    max_drop: _Drop = 0.01,
    max_group_drop: _GroupDrop = 0.05,
    draws: _Draws = 1000,
    override: Annotated[bool, typer.Option("--override", help="Promote in spite of a regression; needs --reason.")] = False,
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    who: _Who = None,
) -> None:
    """Put a version in use. A regression beyond the bounds refuses it (exit code 5), unless a person overrides with a reason."""
    from codesuggest.learn.promotion import Bounds

    registry = _registry(folder)
    path, verdict = registry.path(name), None
    if registry.current and registry.current != name:
        if coded is None:
            raise ConfigError(
                "CS705",
                f"{name!r} has to be compared with {registry.current!r}, which is in use. Expected --on CODED, the locked notes.",
            )
        verdict = _judge(registry.path(registry.current), path, coded, Bounds(max_drop, max_group_drop), draws)
        _print_verdict(verdict)
    entry = registry.promote(name, who=_person(who), reason=reason, verdict=verdict, override=override)
    typer.echo(f"{entry.model} is in use" + (f" in place of {entry.previous}" if entry.previous else ""))


@models_app.command("rollback")
@reported
def rollback(
    reason: Annotated[str, typer.Option(help="Why.")],
    to: Annotated[str, typer.Option(help="Version; the one in use before without it.")] = "",
    folder: _Folder = _HERE,
    who: _Who = None,
) -> None:
    """Put the version that was in use before back in use."""
    entry = _registry(folder).rollback(who=_person(who), reason=reason, to=to)
    typer.echo(f"{entry.model} is in use again in place of {entry.previous}")


def _plain(value: object) -> dict[str, object]:
    import dataclasses

    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}  # type: ignore[arg-type]  # values of this module


def _print_verdict(verdict: Verdict) -> None:
    from codesuggest.learn.evaluate import FIGURES

    labels = {f.name: f.label for f in FIGURES}
    c = verdict.comparison
    wanted = {*verdict.bounds.overall, "micro_recall", "three_micro_f1", "recall_at_5", "recall_at_10"}
    print_table(
        ("", c.a, c.b, "difference", "95 % interval", "p"),
        [
            (
                labels[f.name],
                f"{f.a:.3f}",
                f"{f.b:.3f}",
                f"{f.difference:+.3f}",
                f"{f.low:+.3f} to {f.high:+.3f}",
                f"{f.p_value:.3f}",
            )
            for f in c.figures
            if f.name in wanted
        ],
        title=f"{c.b} against {c.a} on {c.n_notes} notes",
        n_left=1,
    )
    for by, title in (
        ("chapter", "By chapter"),
        ("kind", "By kind of note"),
        ("coder", "By coder"),
        ("code", "Codes that moved most"),
    ):
        groups = [g for g in verdict.groups if g.by == by][:12]
        if groups:
            print_table(
                (title, "codes", c.a, c.b, "difference", "95 % interval"),
                [
                    (
                        g.name,
                        str(g.n_final),
                        f"{g.current:.3f}",
                        f"{g.candidate:.3f}",
                        f"{g.difference:+.3f}",
                        f"{g.low:+.3f} to {g.high:+.3f}",
                    )
                    for g in groups
                ],
                n_left=1,
            )
    for title, changes, n in (("Better", verdict.better, verdict.n_better), ("Worse", verdict.worse, verdict.n_worse)):
        if changes:
            print_table(
                (f"{title} ({n})", "code", "what", "before", "after"),
                [
                    (x.note_id, x.code, x.what, *("" if p is None else f"{p:.2f}" for p in (x.before, x.after)))
                    for x in changes[:8]
                ],
                n_left=3,
            )
    for reason in verdict.regressions:
        typer.echo(f"regression: {reason}", err=True)
    if verdict.ok:
        typer.echo("no regression beyond the bounds")
