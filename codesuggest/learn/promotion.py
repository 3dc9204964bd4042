"""Should a candidate replace the model in use? Both are measured on the same locked notes, and a regression is refused.

Decision (2026-11): a fall of an overall figure counts by its size alone, however uncertain, since the person who promotes bears the
doubt; a fall within a group (code chapter, kind of note, coder) counts when it is large and its paired interval lies below zero, for
among twenty small groups one falls by chance. What would change our mind: hold-outs large enough for a test of non-inferiority.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesuggest.codes import Release
from codesuggest.errors import ConfigError
from codesuggest.learn import metrics
from codesuggest.learn.evaluate import (
    FIGURES,
    Comparison,
    Evaluation,
    ScoredCode,
    ScoredNote,
    as_json,
    chapter_namer,
    compare,
)
from codesuggest.learn.resampling import Measure, compare_measures

__all__ = ["Bounds", "Change", "GroupDifference", "Verdict", "judge"]

Floats = NDArray[np.float64]
_LOWER_IS_BETTER = {f.name for f in FIGURES if f.lower_is_better}
_N_CHANGES = 25


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a candidate may fall behind before it is refused.

    Parameters
    ----------
    max_drop : float in [0, 1]
        Of `overall` figures; a rise for those where less is better.
    max_group_drop : float in [0, 1]
        Of F1 within a chapter, a kind of note or the notes of a coder.
    min_group_codes : int
        Final codes from which a group is looked at.
    overall : tuple of str
        Keys of `FIGURES`.

    Raises
    ------
    ConfigError
        CS700 when a bound is out of range or a figure unknown.
    """

    max_drop: float = 0.01
    max_group_drop: float = 0.05
    min_group_codes: int = 20
    overall: tuple[str, ...] = ("micro_f1", "micro_precision", "map", "ece_width")

    def __post_init__(self) -> None:
        unknown = set(self.overall) - {f.name for f in FIGURES}
        if unknown or not 0 <= self.max_drop <= 1 or not 0 <= self.max_group_drop <= 1 or self.min_group_codes < 1:
            raise ConfigError(
                "CS700",
                f"The bounds are max_drop={self.max_drop}, max_group_drop={self.max_group_drop}, min_group_codes="
                f"{self.min_group_codes}, unknown figures {sorted(unknown)}. Expected shares from 0 to 1, at least 1 code, and figures "
                "of the evaluation report. Change them.",
            )


@dataclass(frozen=True, slots=True)
class GroupDifference:
    """F1 of both models on a part of the codes.

    Parameters
    ----------
    by : {"chapter", "kind", "coder", "code"}
    name : str
    n_final : int
        Final codes in the group.
    current, candidate : float
    difference, low, high : float
        Candidate less current, with the paired bootstrap interval.
    """

    by: str
    name: str
    n_final: int
    current: float
    candidate: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Change:
    """One code of one note on which the models differ.

    Parameters
    ----------
    note_id, code : str
    what : {"found", "lost", "no longer wrong", "newly wrong"}
        ``found`` and ``lost``: a final code put forward by the candidate, or by the current model, alone. The others: a code that
        is not final and that the current model, or the candidate, alone puts forward.
    before, after : float or None
        Probability by the current model and by the candidate; None when not listed.
    """

    note_id: str
    code: str
    what: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What changes when the candidate replaces the model in use.

    Parameters
    ----------
    comparison : Comparison
        Differences are candidate less current.
    groups : tuple of GroupDifference
        Chapters, kinds of note, coders, and the codes that moved most.
    better, worse : tuple of Change
        The largest changes of probability first, at most 25 each.
    n_better, n_worse : int
    regressions : tuple of str
        Why promotion is refused; empty when it is not.
    bounds : Bounds
    """

    comparison: Comparison
    groups: tuple[GroupDifference, ...]
    better: tuple[Change, ...]
    worse: tuple[Change, ...]
    n_better: int
    n_worse: int
    regressions: tuple[str, ...]
    bounds: Bounds

    @property
    def ok(self) -> bool:
        """Whether no bound is broken."""
        return not self.regressions

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object; it holds note ids and codes, never text."""
        return {"schema": 1, "ok": self.ok, **{f.name: as_json(getattr(self, f.name)) for f in fields(self)}}


def judge(
    current: Evaluation,
    candidate: Evaluation,
    *,
    bounds: Bounds | None = None,
    release: Release | None = None,
    n_draws: int = 1000,
    seed: int = 0,
) -> Verdict:
    """Compare a candidate with the model in use, evaluated on the same notes.

    Parameters
    ----------
    current, candidate : Evaluation
    bounds : Bounds, optional
    release : Release, optional
        For the chapters of the codes.
    n_draws : int
        Of the paired bootstrap.
    seed : int

    Raises
    ------
    InputFormatError
        CS516 when the notes or their final codes differ.
    """
    limits = bounds or Bounds()
    comparison = compare(current, candidate, n_draws=n_draws, n_swaps=max(n_draws, 1000), seed=seed)
    chapter = chapter_namer(release)
    groups = [
        difference
        for by, name_of in (
            ("chapter", lambda _, c: chapter(c.code)),
            ("kind", lambda n, _: n.kind or "not stated"),
            ("coder", lambda n, _: n.coder or "not stated"),
        )
        for difference in _group_differences(by, name_of, current.notes, candidate.notes, n_draws, seed)
    ]
    codes = _group_differences("code", lambda _, c: c.code, current.notes, candidate.notes, 200, seed)
    moved = sorted(codes, key=lambda g: (-abs(g.difference) * g.n_final, g.name))[:_N_CHANGES]
    better, worse = _changes(current.notes, candidate.notes)
    return Verdict(
        comparison,
        (*groups, *(g for g in moved if g.difference)),
        better[:_N_CHANGES],
        worse[:_N_CHANGES],
        len(better),
        len(worse),
        tuple(_regressions(comparison, groups, limits)),
        limits,
    )


def _regressions(comparison: Comparison, groups: Sequence[GroupDifference], bounds: Bounds) -> list[str]:
    reasons = []
    labels = {f.name: f.label for f in FIGURES}
    for figure in comparison.figures:
        if figure.name not in bounds.overall or math.isnan(figure.difference):
            continue
        loss = figure.difference if figure.name in _LOWER_IS_BETTER else -figure.difference
        if loss > bounds.max_drop + 1e-12:
            reasons.append(
                f"{labels[figure.name]}: {figure.a:.3f} to {figure.b:.3f} ({figure.difference:+.3f}, 95 % interval {figure.low:+.3f} to "
                f"{figure.high:+.3f}; bound {bounds.max_drop:.3f})"
            )
    for g in groups:
        if g.n_final >= bounds.min_group_codes and -g.difference > bounds.max_group_drop + 1e-12 and g.high < 0:
            reasons.append(
                f"F1, {g.by} {g.name!r} ({g.n_final} codes): {g.current:.3f} to {g.candidate:.3f} ({g.difference:+.3f}, 95 % interval "
                f"{g.low:+.3f} to {g.high:+.3f}; bound {bounds.max_group_drop:.3f})"
            )
    return reasons


def _group_differences(
    by: str,
    name_of: Callable[[ScoredNote, ScoredCode], str],
    current: Sequence[ScoredNote],
    candidate: Sequence[ScoredNote],
    n_draws: int,
    seed: int,
) -> list[GroupDifference]:
    tables = [_counts_by_group(notes, name_of) for notes in (current, candidate)]
    names = sorted(set(tables[0]) | set(tables[1]))
    if not names or names == ["not stated"]:
        return []
    empty = np.zeros((len(current), 3))
    pair = [[Measure(name, table.get(name, empty), metrics.f1) for name in names] for table in tables]
    found = compare_measures(pair[0], pair[1], n_draws=n_draws, n_swaps=1, seed=seed)
    rows = []
    for p in found:
        final = tables[0].get(p.name, empty)[:, [0, 2]].sum() or tables[1].get(p.name, empty)[:, [0, 2]].sum()
        a, b = (0.0 if math.isnan(v) else v for v in (p.a, p.b))
        rows.append(GroupDifference(by, p.name, int(final), a, b, b - a, p.low, p.high))
    return sorted(rows, key=lambda g: (-g.n_final, g.name))


def _counts_by_group(notes: Sequence[ScoredNote], name_of: Callable[[ScoredNote, ScoredCode], str]) -> dict[str, Floats]:
    """Return for each group (notes, 3): right, false, missed."""
    table: dict[str, Floats] = defaultdict(lambda: np.zeros((len(notes), 3)))
    for i, note in enumerate(notes):
        for c in note.codes:
            if c.selected or c.is_final:
                table[name_of(note, c)][i, 0 if c.selected and c.is_final else 1 if c.selected else 2] += 1
    return dict(table)


def _changes(current: Sequence[ScoredNote], candidate: Sequence[ScoredNote]) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    better: list[Change] = []
    worse: list[Change] = []
    for old, new in zip(current, candidate, strict=True):
        before, after = ({c.code: c for c in note.codes} for note in (old, new))
        for code in sorted(old.selected ^ new.selected):
            p, q = (known[code].probability if code in known else None for known in (before, after))
            gained = code in new.selected
            if code in old.final:
                (better if gained else worse).append(Change(old.note_id, code, "found" if gained else "lost", p, q))
            else:
                (worse if gained else better).append(
                    Change(old.note_id, code, "newly wrong" if gained else "no longer wrong", p, q)
                )

    def by_size(change: Change) -> tuple[float, str, str]:
        return (-abs((change.after or 0.0) - (change.before or 0.0)), change.note_id, change.code)

    return tuple(sorted(better, key=by_size)), tuple(sorted(worse, key=by_size))
