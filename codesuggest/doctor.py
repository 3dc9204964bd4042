"""What is installed, and whether it verifies: the library's parts, the code releases, the model, and one note from end to end."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codesuggest import __version__
from codesuggest.codes import ICD10CM, Release, Releases
from codesuggest.errors import BundleError, CodesuggestError, PrerequisiteError
from codesuggest.model import Model, default_model_folder
from codesuggest.records import Note
from codesuggest.suggester import Suggester

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Check", "Report", "examine", "report_table"]

# Import name and distribution of what the library needs, and of what it can use (by extra).
_CORE = (
    ("numpy", "numpy"),
    ("scipy", "scipy"),
    ("sklearn", "scikit-learn"),
    ("spacy", "spacy"),
    ("pydantic", "pydantic"),
    ("typer", "typer"),
    ("rich", "rich"),
    ("defusedxml", "defusedxml"),
    ("sqlalchemy", "SQLAlchemy"),
    ("jinja2", "Jinja2"),
    ("snowballstemmer", "snowballstemmer"),
    ("filelock", "filelock"),
)
_FACTORIES = ("codesuggest_sections", "codesuggest_sentences", "codesuggest_terms", "codesuggest_assertion")
_OFFLINE_NOTE = "Assessment: essential hypertension. No evidence of pneumonia."


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report.

    Parameters
    ----------
    part : {"library", "release", "model", "suggestion", "extra"}
    name : str
    ok : bool
        An extra that is not installed is no fault: `ok` is true and `facts` says so.
    facts : mapping of str to str or int
        Version, dates, hash …
    problem : str
        Empty when all is well.
    """

    part: str
    name: str
    ok: bool
    facts: dict[str, str | int] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All checks, in a fixed order."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether everything verifies."""
        return all(check.ok for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that ``codesuggest doctor --json`` prints."""
        return {"ok": self.ok, "codesuggest": __version__, "checks": [asdict(check) for check in self.checks]}


def examine(model: str | Path | None = None, releases: Releases | None = None) -> Report:
    """Look at the installation; nothing raises, what fails is a check that is not ok.

    Parameters
    ----------
    model : path, optional
        A model folder; the default model when absent.
    releases : Releases, optional
        Where to look for code releases; those that ship and the user's own when absent.

    Examples
    --------
    >>> report = examine()
    >>> [check.name for check in report.checks if check.part == "release" and check.ok]
    ['ICD-10-CM 2026-04-01']
    """
    found = releases or Releases()
    folder = Path(model) if model is not None else default_model_folder()
    checks = [_check("library", "Python", lambda: {"version": platform.python_version()})]
    checks += [_check("library", dist, lambda name=name, dist=dist: _library(name, dist)) for name, dist in _CORE]  # type: ignore[misc]
    checks.append(_check("library", "spaCy factories", _factories))
    checks += _release_checks(found)
    checks.append(_check("model", folder.name, lambda: _model(folder, found)))
    checks.append(_check("suggestion", "one note", lambda: _suggestion(folder, found)))
    checks += _extras()
    return Report(tuple(checks))


def _check(part: str, name: str, look: Callable[[], dict[str, str | int]]) -> Check:
    try:
        return Check(part, name, True, look())
    except CodesuggestError as error:
        return Check(part, name, False, problem=str(error))
    except Exception as error:  # a broken installation fails in any way; each is a line of the report
        return Check(part, name, False, problem=f"[CS360] {type(error).__name__}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else "no message"


def _library(name: str, dist: str) -> dict[str, str | int]:
    importlib.import_module(name)
    return {"version": importlib.metadata.version(dist)}


def _factories() -> dict[str, str | int]:
    there = {entry.name for entry in importlib.metadata.entry_points(group="spacy_factories")}
    missing = [name for name in _FACTORIES if name not in there]
    if missing:
        raise PrerequisiteError(
            "CS362",
            f"spaCy does not know {', '.join(missing)}. Expected the entry points of the installed package. "
            "Install the package with pip.",
        )
    return {"registered": len(_FACTORIES)}


def _release_checks(releases: Releases) -> list[Check]:
    try:
        infos = releases.list()
    except CodesuggestError as error:
        return [Check("release", "list", False, problem=str(error))]
    if not any(info.system == ICD10CM for info in infos):
        return [Check("release", ICD10CM, False, problem="[CS361] No release is installed. Install the package again.")]
    checks = []
    for info in infos:
        facts: dict[str, str | int] = {
            "effective": info.effective.isoformat(),
            "expires": "" if info.expires is None else info.expires.isoformat(),
            "codes": info.n_codes,
            "billable": info.n_billable,
            "sha256": info.sha256,
        }
        checks.append(_check("release", info.name, lambda path=info.path, facts=facts: _release(path, facts)))  # type: ignore[misc]
    return checks


def _release(path: Path, facts: dict[str, str | int]) -> dict[str, str | int]:
    Release.open(path).verify()
    return facts


def _model(folder: Path, releases: Releases) -> dict[str, str | int]:
    model = Model.open(folder, releases=releases)
    files = model.manifest["files"]
    return {
        "name": model.name,
        "sha256": model.sha256,
        "files": len(files),
        "size_bytes": sum(int(facts["size_bytes"]) for facts in files.values()),
        "terms": len(model.lexicon),
        "release": model.release.name,
        "threshold": f"{model.weights.threshold:.3f}",
    }


def _suggestion(folder: Path, releases: Releases) -> dict[str, str | int]:
    result = Suggester(Model.open(folder, releases=releases), releases).suggest(Note("doctor", _OFFLINE_NOTE))
    best = result.suggestions[0] if result.suggestions else None
    if best is None or best.code != "I10" or best.evidence[0].excerpt.lower() != "essential hypertension":
        raise BundleError(
            "CS363",
            f"The model suggests {best.code if best else 'no code'} for 'essential hypertension'. Expected I10. "
            "Install the package again, or use another model.",
        )
    return {"code": best.code, "probability": f"{best.probability:.2f}"}


def _extras() -> list[Check]:
    """List the optional packages of each extra that the installed metadata names."""
    try:
        wanted = importlib.metadata.requires("codesuggest") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    extras: dict[str, str] = {}
    for line in wanted:
        requirement, _, condition = line.partition(";")
        _, marker, extra = condition.partition("extra ==")
        dist = requirement.strip()
        for stop in "<>=!~[ ":
            dist = dist.split(stop, 1)[0]
        name = extra.strip(" '\"")
        if marker and dist != "codesuggest" and extras.get(dist, "dev") == "dev":
            extras[dist] = name  # what also serves the tests is shown with the extra that users ask for
    checks = []
    for dist, name in sorted(extras.items(), key=lambda item: (item[1] == "dev", item[1], item[0])):
        try:
            version = importlib.metadata.version(dist)
        except importlib.metadata.PackageNotFoundError:
            version = "not installed"
        checks.append(Check("extra", dist, True, {"extra": name, "version": version}))
    return checks


def report_table(report: Report) -> RenderableType:
    """Return the report for a terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for check in report.checks:
        absent = check.facts.get("version") == "not installed"
        sign = Text("–", style="dim") if absent else Text("ok", style="green") if check.ok else Text("FAILED", style="bold red")
        facts = ", ".join(_fact(k, v) for k, v in check.facts.items() if v != "")
        table.add_row(sign, Text(check.part, style="dim"), Text(check.name), Text(check.problem or facts))
    verdict = Text("Everything verifies.", style="green") if report.ok else Text("Something does not verify.", style="bold red")
    return Group(Text(f"codesuggest {__version__}", style="bold"), table, verdict)


def _fact(name: str, value: str | int) -> str:
    if name in ("version", "name"):
        return str(value)
    if name == "sha256":
        return f"sha256 {str(value)[:12]}"
    if name == "size_bytes":
        return f"{int(value) / 1e6:.1f} MB"
    return f"{name.replace('_', ' ')} {value:,}" if isinstance(value, int) else f"{name} {value}"
