"""Intervals and paired tests by drawing notes again.

Codes of one note are not independent, so whole notes are drawn. A measure is a statistic of sums over notes: drawing notes
again is then one product of matrices, (draws x notes) by (notes x sums), and a thousand draws take milliseconds. The drawing
itself uses integers alone, so that a seed gives the same draws on any machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interval", "Measure", "PairedMeasure", "bootstrap", "compare_measures"]

Floats = NDArray[np.float64]
_CELLS = 4_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its bootstrap interval.

    Parameters
    ----------
    value, low, high : float
        NaN when the figure is not defined (for example precision when nothing was put forward).
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure as a statistic of sums over notes.

    Parameters
    ----------
    name : str
    rows : float array or sparse array of shape (n_notes, n_sums)
        What each note adds to the sums.
    statistic : callable, (n_draws, n_sums) -> (n_draws,)
    """

    name: str
    rows: Any
    statistic: Callable[[Floats], Floats]

    def value(self) -> float:
        """Return the figure over all notes.

        Examples
        --------
        >>> Measure("mean", np.array([[1.0, 1], [0, 1]]), lambda sums: sums[:, 0] / sums[:, 1]).value()
        0.5
        """
        return float(self.statistic(_sums(np.ones((1, self.rows.shape[0])), self.rows))[0])


@dataclass(frozen=True, slots=True)
class PairedMeasure:
    """A figure of two models on the same notes.

    Parameters
    ----------
    name : str
    a, b : float
        The figure of each model.
    difference : float
        ``b - a``.
    low, high : float
        Paired bootstrap interval of the difference.
    p_value : float in (0, 1]
        Approximate randomisation: how often a difference as large arises when the two models' answers to each note are
        swapped at random. Two-sided.
    """

    name: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    p_value: float


def bootstrap(measures: Sequence[Measure], *, n_draws: int = 1000, seed: int = 0, level: float = 0.95) -> dict[str, Interval]:
    """Return every measure with its percentile interval over notes drawn with replacement.

    Parameters
    ----------
    measures : sequence of Measure
        All over the same notes.
    n_draws : int
    seed : int
    level : float in (0, 1)

    References
    ----------
    Efron, Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.

    Examples
    --------
    >>> rows = np.array([[1.0, 1], [0, 1], [1, 1], [1, 1]])
    >>> bootstrap([Measure("share", rows, lambda sums: sums[:, 0] / sums[:, 1])])["share"]
    Interval(value=0.75, low=0.25, high=1.0)
    """
    draws: dict[str, list[Floats]] = {m.name: [] for m in measures}
    n_notes = measures[0].rows.shape[0]
    for weights in _note_draws(n_notes, n_draws, seed, _widest(measures)):
        for m in measures:
            draws[m.name].append(m.statistic(_sums(weights, m.rows)))
    return {m.name: Interval(m.value(), *_quantiles(np.concatenate(draws[m.name]), level)) for m in measures}


def compare_measures(
    a: Sequence[Measure], b: Sequence[Measure], *, n_draws: int = 1000, n_swaps: int = 10_000, seed: int = 0, level: float = 0.95
) -> tuple[PairedMeasure, ...]:
    """Compare two models measure by measure on the same notes.

    Parameters
    ----------
    a, b : sequence of Measure
        The same measures, over the same notes in the same order, with the same columns.
    n_draws : int
        Draws of the paired bootstrap.
    n_swaps : int
        Draws of the randomisation test.
    seed : int
    level : float in (0, 1)

    Returns
    -------
    tuple of PairedMeasure
        No correction is made for looking at several measures.

    References
    ----------
    Noreen, Computer-Intensive Methods for Testing Hypotheses (1989); Yeh, More accurate tests for the statistical
    significance of result differences (COLING 2000).

    Examples
    --------
    >>> def share(sums): return sums[:, 0] / sums[:, 1]
    >>> worse, better = np.array([[0.0, 1]] * 12), np.array([[1.0, 1]] * 12)
    >>> found = compare_measures([Measure("share", worse, share)], [Measure("share", better, share)])[0]
    >>> found.difference, found.p_value < 0.01
    (1.0, True)
    """
    n_notes, widest = a[0].rows.shape[0], _widest(a)
    differences: dict[str, list[Floats]] = {m.name: [] for m in a}
    for weights in _note_draws(n_notes, n_draws, seed, widest):
        for ma, mb in zip(a, b, strict=True):
            differences[ma.name].append(mb.statistic(_sums(weights, mb.rows)) - ma.statistic(_sums(weights, ma.rows)))
    values = {ma.name: (ma.value(), mb.value()) for ma, mb in zip(a, b, strict=True)}
    at_least: dict[str, int] = dict.fromkeys(differences, 0)
    for swap in _swaps(n_notes, n_swaps, seed, widest):
        for ma, mb in zip(a, b, strict=True):
            moved = _sums(swap, mb.rows - ma.rows)
            total_a, total_b = _sums(np.ones((1, n_notes)), ma.rows), _sums(np.ones((1, n_notes)), mb.rows)
            difference = mb.statistic(total_b - moved) - ma.statistic(total_a + moved)
            observed = values[ma.name][1] - values[ma.name][0]
            at_least[ma.name] += int(np.sum(~(np.abs(difference) < abs(observed) - 1e-12)))
    return tuple(
        PairedMeasure(
            name,
            values[name][0],
            values[name][1],
            values[name][1] - values[name][0],
            *_quantiles(np.concatenate(found), level),
            p_value=(1 + at_least[name]) / (1 + n_swaps),
        )
        for name, found in differences.items()
    )


def _sums(weights: Floats, rows: Any) -> Floats:  # noqa: ANN401 - dense or sparse; SciPy has no types
    if isinstance(rows, np.ndarray):
        return weights @ rows
    return np.asarray((rows.T @ weights.T).T)  # sparse: the sparse factor stands on the left


def _widest(measures: Sequence[Measure]) -> int:
    return max(int(m.rows.shape[1]) for m in measures)


def _chunks(n_notes: int, n_draws: int, widest: int) -> Iterator[int]:
    size = max(1, _CELLS // max(1, n_notes, widest))
    for done in range(0, n_draws, size):
        yield min(size, n_draws - done)


def _note_draws(n_notes: int, n_draws: int, seed: int, widest: int) -> Iterator[Floats]:
    """Yield how often each note is drawn: (draws, notes), in parts that fit into memory."""
    rng = np.random.default_rng(seed)
    for size in _chunks(n_notes, n_draws, widest):
        drawn = rng.integers(0, n_notes, (size, n_notes)) + np.arange(size)[:, None] * n_notes
        yield np.bincount(drawn.ravel(), minlength=size * n_notes).reshape(size, n_notes).astype(np.float64)


def _swaps(n_notes: int, n_draws: int, seed: int, widest: int) -> Iterator[Floats]:
    rng = np.random.default_rng([seed, 1])
    for size in _chunks(n_notes, n_draws, widest):
        yield rng.integers(0, 2, (size, n_notes)).astype(np.float64)


def _quantiles(values: Floats, level: float) -> tuple[float, float]:
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
