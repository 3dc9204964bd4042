"""Versions of a model, which of them is in use, and who decided that.

::

    registry/
      ours-0001/      a model folder
      ours-0002/
      trail.jsonl     what was added, promoted, refused, overridden, rolled back: when, by whom, why, with the figures

The trail is append-only, each line holds the hash of the one before it, and it alone says which version is in use: a command that is
killed leaves the old version or the new one, never something between. Nothing is ever promoted by the library itself.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from codesuggest.errors import BundleError, ConfigError, DecisionConflictError
from codesuggest.learn.promotion import Verdict
from codesuggest.model import read_manifest, verify_files

__all__ = ["Entry", "Registry", "Version"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_GENESIS = "0" * 64
_IN_USE = ("promoted", "overridden", "rolled back")  # after these the model is the one in use
_WAIT_S = 30


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the trail.

    Parameters
    ----------
    action : {"added", "promoted", "refused", "overridden", "rolled back"}
        ``overridden``: promoted by a person in spite of a regression.
    model : str
        Name of the version.
    sha256 : str
        Identity of the model.
    who : str
    when : datetime.datetime, UTC
    reason : str
    previous : str
        The version in use before; empty when none.
    facts : mapping
        Figures, regressions.
    """

    action: str
    model: str
    sha256: str
    who: str
    when: dt.datetime
    reason: str = ""
    previous: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Version:
    """A model of the registry.

    Parameters
    ----------
    name : str
    sha256 : str
    added : datetime.datetime or None, UTC
    is_current : bool
    problem : str
        Empty when its files verify.
    """

    name: str
    sha256: str
    added: dt.datetime | None
    is_current: bool
    problem: str = ""


class Registry:
    """A folder of model versions.

    Parameters
    ----------
    folder : path
        Made with the first version.

    Examples
    --------
    >>> Registry("no such folder").versions()
    ()
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    # ----------------------------------------------------------------------------------------------------------- reading

    @property
    def current(self) -> str:
        """Name of the version in use; empty when there is none."""
        return next((e.model for e in reversed(self.trail()) if e.action in _IN_USE), "")

    def path(self, name: str) -> Path:
        """Return the folder of a version.

        Raises
        ------
        ConfigError
            CS701 when there is no such version.
        """
        folder = self.folder / name
        if not _NAME.match(name) or not (folder / "manifest.json").is_file():
            known = ", ".join(v.name for v in self.versions()) or "none"
            raise ConfigError(
                "CS701", f"There is no version {name!r} in this registry. Expected one of: {known}. Check the name."
            )
        return folder

    def versions(self) -> tuple[Version, ...]:
        """Return every version by name, its files verified."""
        if not self.folder.is_dir():
            return ()
        added = {e.model: e.when for e in self.trail() if e.action == "added"}
        current = self.current
        found = []
        for folder in sorted(self.folder.iterdir()):
            if not (folder / "manifest.json").is_file():
                continue
            digest, problem = "", ""
            try:
                manifest, digest = read_manifest(folder)
                verify_files(folder, manifest)
            except BundleError as error:
                problem = str(error)
            found.append(Version(folder.name, digest, added.get(folder.name), folder.name == current, problem))
        return tuple(found)

    def trail(self) -> tuple[Entry, ...]:
        """Return the trail, oldest first.

        Raises
        ------
        BundleError
            CS702 when a line was changed, taken out or put in.
        """
        entries, link = [], _GENESIS
        for number, line in enumerate(self._lines(), 1):
            digest = ""
            try:
                row = json.loads(line)
                digest = row.pop("hash")
                holds = _link(link, row) == digest
                row["when"] = dt.datetime.fromisoformat(row["when"])
                entries.append(Entry(**row))
            except (ValueError, KeyError, TypeError):
                holds = False
            if not holds:
                raise BundleError(
                    "CS702",
                    f"The trail of the registry {self.folder.name!r} does not hold at line {number}: the line does not match its hash. "
                    "Expected lines as they were written. Put the file back from a copy.",
                )
            link = digest
        return tuple(entries)

    # ----------------------------------------------------------------------------------------------------------- writing

    def add(self, model: str | Path, *, name: str, who: str, reason: str = "", facts: Mapping[str, Any] | None = None) -> Path:
        """Copy a model folder into the registry as a new version, and return its folder. It is not in use by that.

        Raises
        ------
        ConfigError
            CS703 when the name is taken or not a plain file name.
        BundleError
            When the files of the model do not verify.
        """
        if not _NAME.match(name):
            raise ConfigError(
                "CS703",
                f"The name {name!r} is no name of a version. Expected letters, digits, dots, dashes; at most 100. Choose another.",
            )
        source = Path(model)
        manifest, digest = read_manifest(source)
        verify_files(source, manifest)
        with self._locked():
            target = self.folder / name
            if target.exists():
                raise ConfigError(
                    "CS703", f"The version {name!r} is there already. Versions are never changed. Choose another name."
                )
            beside = self.folder / f".{name}.new"
            shutil.rmtree(beside, ignore_errors=True)
            shutil.copytree(source, beside)
            beside.rename(target)
            self._write(Entry("added", name, digest, who, _now(), reason, self.current, facts or {}))
        return target

    def promote(self, name: str, *, who: str, reason: str = "", verdict: Verdict | None = None, override: bool = False) -> Entry:
        """Put a version in use.

        Parameters
        ----------
        name : str
        who : str
            The person who decides.
        reason : str
            Needed to override.
        verdict : Verdict, optional
            How it compares with the version in use; needed when there is one.
        override : bool
            Promote in spite of a regression.

        Raises
        ------
        DecisionConflictError
            CS704 when the verdict names a regression and it is not overridden; the refusal is written to the trail.
        ConfigError
            CS701 no such version; CS705 no verdict, or an override without a reason.
        """
        folder = self.path(name)
        manifest, digest = read_manifest(folder)
        verify_files(folder, manifest)
        with self._locked():
            previous = self.current
            if previous and previous != name and verdict is None:
                raise ConfigError(
                    "CS705",
                    f"{name!r} was not compared with {previous!r}, which is in use. Expected a comparison. Run `models compare`.",
                )
            if override and not reason.strip():
                raise ConfigError("CS705", "An override was asked for without a reason. Expected one. Say why with --reason.")
            regressions = verdict.regressions if verdict else ()
            facts = _facts(verdict) if verdict else {}
            if regressions and not override:
                self._write(Entry("refused", name, digest, who, _now(), reason, previous, facts))
                raise DecisionConflictError(
                    "CS704",
                    f"{name!r} is not promoted: it falls behind {previous!r} beyond the bounds. "
                    + "; ".join(regressions)
                    + ". Expected "
                    "no regression. Look at `models compare`, retrain, or promote with --override and a reason.",
                )
            entry = Entry("overridden" if regressions else "promoted", name, digest, who, _now(), reason, previous, facts)
            self._write(entry)
        return entry

    def rollback(self, *, who: str, reason: str, to: str = "") -> Entry:
        """Put the version that was in use before, or a named one, back in use.

        Raises
        ------
        ConfigError
            CS701 no such version; CS705 no reason; CS706 nothing to go back to.
        """
        if not reason.strip():
            raise ConfigError("CS705", "A roll-back was asked for without a reason. Expected one. Say why with --reason.")
        with self._locked():
            used = [e for e in self.trail() if e.action in _IN_USE]
            target = to or (used[-1].previous if used else "")
            if not target or target == self.current:
                raise ConfigError(
                    "CS706", "There is no earlier version to go back to. Expected a version that was in use before. Name one."
                )
            folder = self.path(target)
            manifest, digest = read_manifest(folder)
            verify_files(folder, manifest)
            entry = Entry("rolled back", target, digest, who, _now(), reason, self.current)
            self._write(entry)
        return entry

    def _lines(self) -> list[str]:
        """Return the lines that were written whole; a killed command may have left a part of one."""
        file = self.folder / "trail.jsonl"
        return file.read_text(encoding="utf-8").split("\n")[:-1] if file.is_file() else []

    def _write(self, entry: Entry) -> None:
        self.trail()  # nothing is added to a trail that does not hold
        lines = self._lines()
        link = str(json.loads(lines[-1])["hash"]) if lines else _GENESIS
        row = {
            "action": entry.action,
            "model": entry.model,
            "sha256": entry.sha256,
            "who": entry.who,
            "when": entry.when.isoformat(),
            "reason": entry.reason,
            "previous": entry.previous,
            "facts": dict(entry.facts),
        }
        with (self.folder / "trail.jsonl").open("a+b") as stream:
            stream.truncate(sum(len(line.encode()) + 1 for line in lines))
            stream.write((json.dumps({**row, "hash": _link(link, row)}, sort_keys=True) + "\n").encode())
            stream.flush()
            os.fsync(stream.fileno())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold off another writer; the lock is the system's, so a killed command leaves none."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / ".lock", timeout=_WAIT_S):
                yield
        except Timeout as error:
            raise DecisionConflictError(
                "CS707",
                f"Another command has been writing to the registry {self.folder.name!r} for {_WAIT_S} s. Expected one writer. Try again.",
            ) from error


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _link(previous: str, row: Mapping[str, Any]) -> str:
    return hashlib.sha256((previous + json.dumps(row, sort_keys=True)).encode()).hexdigest()


def _facts(verdict: Verdict) -> dict[str, Any]:
    wanted = set(verdict.bounds.overall)
    return {
        "n_notes": verdict.comparison.n_notes,
        "figures": {f.name: [round(f.a, 4), round(f.b, 4)] for f in verdict.comparison.figures if f.name in wanted},
        "regressions": list(verdict.regressions),
        "max_drop": verdict.bounds.max_drop,
        "max_group_drop": verdict.bounds.max_group_drop,
    }
