"""What a run did: the summary at its end and the exit status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Counts", "ScoreReport"]

FAULTS = frozenset({"CS560", "CS561", "CS562"})
"""Failures that lie in the program or the machine, not in the note."""


@dataclass(slots=True)
class Counts:
    """Sums over the notes of a chunk, or of a run so far."""

    n_notes: int = 0
    n_failures: int = 0
    n_codes: int = 0
    n_suggestions: int = 0
    n_characters: int = 0
    n_reused: int = 0
    n_changed: int = 0
    failures_by_id: dict[str, int] = field(default_factory=dict)

    def add(self, other: Counts) -> None:
        """Add the sums of another chunk."""
        for name in ("n_notes", "n_failures", "n_codes", "n_suggestions", "n_characters", "n_reused", "n_changed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for error_id, n in other.failures_by_id.items():
            self.failures_by_id[error_id] = self.failures_by_id.get(error_id, 0) + n

    def to_dict(self) -> dict[str, Any]:
        """Return the sums as JSON."""
        return {
            "n_notes": self.n_notes,
            "n_failures": self.n_failures,
            "n_codes": self.n_codes,
            "n_suggestions": self.n_suggestions,
            "n_characters": self.n_characters,
            "n_reused": self.n_reused,
            "n_changed": self.n_changed,
            "failures_by_id": dict(sorted(self.failures_by_id.items())),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Counts:
        """Read what `to_dict` returned."""
        return cls(**{**value, "failures_by_id": dict(value["failures_by_id"])})


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """Summary of a run.

    Parameters
    ----------
    output : Path
    n_notes : int
        Notes in the output, failures included.
    n_failures : int
    failures_by_id : mapping of str to int
    failures_file : Path or None
        One JSON object a failure, with its reason; None when nothing failed.
    changes_file : Path or None
        With `since`: earlier evidence of changed notes, and where it stands now.
    n_codes : int
        Codes put forward (selected).
    n_reused : int
        Notes whose earlier result was kept.
    n_changed : int
        Notes that were in the earlier output and were scored again.
    n_resumed : int
        Notes that an interrupted run had already done.
    n_characters : int
    seconds : float
        Of this run alone.
    n_workers : int
    """

    output: Path
    n_notes: int
    n_failures: int
    failures_by_id: Mapping[str, int]
    failures_file: Path | None
    changes_file: Path | None
    n_codes: int
    n_reused: int
    n_changed: int
    n_resumed: int
    n_characters: int
    seconds: float
    n_workers: int

    @property
    def notes_per_s(self) -> float:
        """Notes done by this run, a second."""
        return (self.n_notes - self.n_resumed) / self.seconds if self.seconds > 0 else 0.0

    @property
    def codes_per_note(self) -> float:
        """Mean number of codes put forward a note that was read; 0 when there are none."""
        n_read = self.n_notes - self.n_failures
        return self.n_codes / n_read if n_read else 0.0

    @property
    def exit_code(self) -> int:
        """0 when every note was scored; 2 when notes could not be read; 1 when some failed by a fault of program or machine."""
        if not self.n_failures:
            return 0
        return 1 if FAULTS & set(self.failures_by_id) else 2

    def __str__(self) -> str:
        lines = [
            f"{self.n_notes:,} notes in {self.seconds:,.1f} s ({self.notes_per_s:,.1f} notes/s, {self.n_workers} workers), "
            f"{self.codes_per_note:.1f} codes a note → {self.output}"
        ]
        if self.n_resumed:
            lines.append(f"{self.n_resumed:,} of them were done before this run went on")
        if self.n_reused or self.n_changed:
            changes = f"; earlier evidence of these: {self.changes_file}" if self.changes_file else ""
            lines.append(f"{self.n_reused:,} kept from the earlier output, {self.n_changed:,} changed and scored again{changes}")
        if self.n_failures:
            kinds = ", ".join(f"{error_id} × {n:,}" for error_id, n in sorted(self.failures_by_id.items()))
            lines.append(f"{self.n_failures:,} failed ({kinds}), with reasons in {self.failures_file}")
        return "\n".join(lines)
