"""Definitions of the measures: what is counted in one note, and what becomes of the counts.

Everything in a report is either a statistic of sums over notes (so that it can be drawn again over notes, see
:mod:`codesuggest.learn.resampling`) or a list of such sums. No scikit-learn: the definitions stand here, and the tests hold
them against scikit-learn where it defines the same thing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codesuggest.records import Span

__all__ = [
    "CurvePoint",
    "Overlap",
    "ReliabilityBin",
    "average_precision",
    "bin_edges",
    "category",
    "expected_calibration_error",
    "f1",
    "macro_scores",
    "overlap",
    "precision",
    "precision_at_k",
    "precision_coverage",
    "r_precision",
    "recall",
    "recall_at_k",
    "reliability",
]

Floats = NDArray[np.float64]
_WORD = re.compile(r"\S+")
_MAX_POINTS = 200


def category(code: str) -> str:
    """Return the three-character category of a code.

    Examples
    --------
    >>> category("E11.65")
    'E11'
    """
    return code[:3]


# ---------------------------------------------------------------------------------------------------------------------
# Counts to shares. NaN where nothing was counted: a share of nothing is not zero.


def _ratio(part: Floats, whole: Floats) -> Floats:
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    share: Floats = np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole > 0)
    return share


def precision(counts: Floats) -> Floats:
    """Share of the codes put forward that are right.

    Parameters
    ----------
    counts : float array of shape (..., 3)
        True positives, false positives, false negatives.

    Returns
    -------
    float array of shape (...)
        In [0, 1]; NaN where nothing was put forward.

    Examples
    --------
    >>> float(precision(np.array([3.0, 1.0, 2.0])))
    0.75
    """
    return _ratio(counts[..., 0], counts[..., 0] + counts[..., 1])


def recall(counts: Floats) -> Floats:
    """Share of the final codes that were put forward; counts as in `precision`. NaN where there is no final code.

    Examples
    --------
    >>> float(recall(np.array([3.0, 1.0, 2.0])))
    0.6
    """
    return _ratio(counts[..., 0], counts[..., 0] + counts[..., 2])


def f1(counts: Floats) -> Floats:
    """Harmonic mean of precision and recall, ``2 TP / (2 TP + FP + FN)``; counts as in `precision`.

    Returns
    -------
    float array of shape (...)
        Exactly 1.0 for a perfect prediction; NaN where nothing was put forward and nothing was to be found.

    Examples
    --------
    >>> float(f1(np.array([3.0, 0.0, 0.0])))
    1.0
    """
    return _ratio(2 * counts[..., 0], 2 * counts[..., 0] + counts[..., 1] + counts[..., 2])


def macro_scores(counts: Floats) -> Floats:
    """Unweighted mean over codes of precision, recall and F1.

    Parameters
    ----------
    counts : float array of shape (..., n_codes, 3)
        True positives, false positives, false negatives of every code. Codes that were neither put forward nor final are
        left out, so a wider table of codes does not change the result.

    Returns
    -------
    float array of shape (..., 3)
        A code never put forward has precision 0, a code that is never final recall 0, as with scikit-learn's
        ``average="macro", zero_division=0``. NaN where no code is left.

    Examples
    --------
    >>> macro_scores(np.array([[2.0, 0, 0], [0, 0, 3], [0, 0, 0]])).tolist()
    [0.5, 0.5, 0.5]
    """
    used = counts.sum(axis=-1) > 0
    number = used.sum(axis=-1)
    parts = [np.nan_to_num(share(counts)).sum(axis=-1) for share in (precision, recall, f1)]
    return np.stack([_ratio(p, number) for p in parts], axis=-1)


# ---------------------------------------------------------------------------------------------------------------------
# Rankings of one note


def precision_at_k(relevant: Set[str], ranked: Sequence[str], *, k: int) -> float:
    """Share of the first k places that hold a final code; places left empty count as wrong, as in trec_eval.

    Examples
    --------
    >>> precision_at_k({"I10", "E11.9"}, ["I10", "J45.909"], k=5)
    0.2
    """
    return sum(code in relevant for code in ranked[:k]) / k


def recall_at_k(relevant: Set[str], ranked: Sequence[str], *, k: int) -> float:
    """Share of the final codes among the first k suggestions; NaN without a final code.

    Examples
    --------
    >>> recall_at_k({"I10", "E11.9"}, ["I10", "J45.909"], k=5)
    0.5
    """
    return sum(code in relevant for code in ranked[:k]) / len(relevant) if relevant else float("nan")


def average_precision(relevant: Set[str], ranked: Sequence[str]) -> float:
    """Mean over the final codes of the precision at the rank of each; a final code never suggested counts 0.

    Parameters
    ----------
    relevant : set of str
        Final codes.
    ranked : sequence of str
        Suggestions, best first, without repeats.

    Returns
    -------
    float in [0, 1]
        Exactly 1.0 when all final codes come first; NaN without a final code.

    References
    ----------
    Manning, Raghavan, Schütze, Introduction to Information Retrieval (2008), section 8.4.

    Examples
    --------
    >>> average_precision({"I10", "E11.9"}, ["I10", "J45.909", "E11.9"])
    0.8333333333333333
    """
    if not relevant:
        return float("nan")
    hits, total = 0, 0.0
    for rank, code in enumerate(ranked, 1):
        if code in relevant:
            hits += 1
            total += hits / rank
    return total / len(relevant)


def r_precision(relevant: Set[str], ranked: Sequence[str]) -> float:
    """Precision among as many suggestions as there are final codes; NaN without a final code.

    Examples
    --------
    >>> r_precision({"I10", "E11.9"}, ["I10", "J45.909", "E11.9"])
    0.5
    """
    return precision_at_k(relevant, ranked, k=len(relevant)) if relevant else float("nan")


# ---------------------------------------------------------------------------------------------------------------------
# Evidence of one code of one note


@dataclass(frozen=True, slots=True)
class Overlap:
    """How the evidence shown for a code meets the expert's.

    Parameters
    ----------
    best_meets : bool
        Whether the first span shown shares a character with a span of the expert.
    best_exact : bool
        Whether the first span shown is a span of the expert.
    best_iou : float in [0, 1]
        Characters that the first span shown shares with the nearest span of the expert, over the characters of both.
    n_exact, n_shown, n_expert : int
        Spans that are the same; spans shown; spans of the expert.
    n_met : int
        Spans of the expert that share a character with any span shown.
    tokens_both, tokens_shown, tokens_expert : int
        Words (runs without blanks) touched by both, by the spans shown, by the expert's.
    """

    best_meets: bool
    best_exact: bool
    best_iou: float
    n_exact: int
    n_shown: int
    n_expert: int
    n_met: int
    tokens_both: int
    tokens_shown: int
    tokens_expert: int


def overlap(text: str, shown: Sequence[Span], expert: Sequence[Span]) -> Overlap:
    """Compare the spans shown for a code, best first, with the expert's.

    Examples
    --------
    >>> found = overlap("acute heart failure today", [Span(0, 19)], [Span(6, 19)])
    >>> found.best_meets, found.best_exact, round(found.best_iou, 3), found.tokens_both, found.tokens_shown
    (True, False, 0.684, 2, 3)
    """
    shown_set, expert_set = set(shown), set(expert)
    best = shown[0] if shown else None
    iou = max((_iou(best, e) for e in expert_set), default=0.0) if best else 0.0
    tokens_shown, tokens_expert = _tokens(text, shown_set), _tokens(text, expert_set)
    return Overlap(
        best_meets=iou > 0,
        best_exact=best in expert_set,
        best_iou=iou,
        n_exact=len(shown_set & expert_set),
        n_shown=len(shown_set),
        n_expert=len(expert_set),
        n_met=sum(any(e.overlaps(s) for s in shown_set) for e in expert_set),
        tokens_both=len(tokens_shown & tokens_expert),
        tokens_shown=len(tokens_shown),
        tokens_expert=len(tokens_expert),
    )


def _iou(a: Span, b: Span) -> float:
    both = max(0, min(a.end, b.end) - max(a.start, b.start))
    return both / (a.length + b.length - both)


def _tokens(text: str, spans: Set[Span]) -> set[int]:
    """Return the starts of the words that the spans touch."""
    found: set[int] = set()
    for span in spans:
        start = span.start
        while start > 0 and not text[start - 1].isspace() and not text[start].isspace():
            start -= 1
        found.update(m.start() for m in _WORD.finditer(text, start, span.end))
    return found


# ---------------------------------------------------------------------------------------------------------------------
# Probabilities


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Suggestions of like probability.

    Parameters
    ----------
    low, high : float
        Range of the probability: ``low <= p < high``; the last bin holds its upper end too.
    n : int
    mean_probability : float
        NaN when the bin is empty.
    share_right : float
        Share of the suggestions that are final codes; NaN when the bin is empty.
    """

    low: float
    high: float
    n: int
    mean_probability: float
    share_right: float


def bin_edges(probabilities: Floats, *, n_bins: int, equal_mass: bool) -> Floats:
    """Return the inner edges of bins of equal width, or of about equal numbers of suggestions.

    Equal probabilities never fall into two bins, so there may be fewer bins than asked for.

    Examples
    --------
    >>> bin_edges(np.array([0.1, 0.2, 0.3, 0.9]), n_bins=2, equal_mass=True).tolist()
    [0.3]
    >>> bin_edges(np.array([0.1, 0.2, 0.3, 0.9]), n_bins=2, equal_mass=False).tolist()
    [0.5]
    """
    if not equal_mass:
        return np.arange(1, n_bins, dtype=np.float64) / n_bins
    ordered = np.sort(np.asarray(probabilities, float))
    if not len(ordered):
        return np.zeros(0)
    edges = np.unique(ordered[(np.arange(1, n_bins) * len(ordered)) // n_bins])
    inner: Floats = edges[edges > ordered[0]]
    return inner


def expected_calibration_error(sums: Floats) -> Floats:
    """Mean distance of probability and share of right codes, over bins, weighted by their size.

    Parameters
    ----------
    sums : float array of shape (..., n_bins, 3)
        Number of suggestions, sum of probabilities, number of right ones, of each bin.

    Returns
    -------
    float array of shape (...)
        In [0, 1]; NaN without suggestions.

    References
    ----------
    Naeini, Cooper, Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning (AAAI 2015); bins of equal
    mass: Nixon et al., Measuring calibration in deep learning (2019).

    Examples
    --------
    >>> float(expected_calibration_error(np.array([[4.0, 1.0, 1.0], [2.0, 1.5, 1.0]])).round(4))
    0.0833
    """
    return _ratio(np.abs(sums[..., 1] - sums[..., 2]).sum(axis=-1), sums[..., 0].sum(axis=-1))


def reliability(sums: Floats, edges: Floats) -> tuple[ReliabilityBin, ...]:
    """Return the reliability curve of binned sums (as in `expected_calibration_error`) between inner edges."""
    outer = [0.0, *(float(e) for e in edges), 1.0]
    return tuple(
        ReliabilityBin(low, high, int(n), float(p / n) if n else float("nan"), float(right / n) if n else float("nan"))
        for low, high, (n, p, right) in zip(outer[:-1], outer[1:], sums.tolist(), strict=True)
    )


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What putting forward everything from a threshold on would give.

    Parameters
    ----------
    threshold : float in [0, 1]
    precision : float in [0, 1]
    coverage : float in [0, 1]
        Share of all final codes that would be put forward (micro recall).
    codes_per_note : float
        Codes put forward, a note.
    """

    threshold: float
    precision: float
    coverage: float
    codes_per_note: float


def precision_coverage(probabilities: Floats, right: Floats, *, n_final: int, n_notes: int) -> tuple[CurvePoint, ...]:
    """Return precision against coverage, from the highest threshold to the lowest, at most 200 points.

    Parameters
    ----------
    probabilities, right : float arrays of shape (n_suggestions,)
        `right` is 1 for a final code, otherwise 0.
    n_final : int
        All final codes, those never suggested included.
    n_notes : int

    Examples
    --------
    >>> curve = precision_coverage(np.array([0.9, 0.5]), np.array([1.0, 0.0]), n_final=2, n_notes=1)
    >>> [(p.threshold, p.precision, p.coverage) for p in curve]
    [(0.9, 1.0, 0.5), (0.5, 0.5, 0.5)]
    """
    if not len(probabilities):
        return ()
    order = np.argsort(-probabilities, kind="stable")
    ordered, hits = probabilities[order], np.cumsum(right[order])
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    if len(last) > _MAX_POINTS:
        last = last[np.unique(np.linspace(0, len(last) - 1, _MAX_POINTS).round().astype(int))]
    found = _ratio(hits, np.full(len(hits), n_final))
    return tuple(CurvePoint(float(ordered[i]), float(hits[i] / (i + 1)), float(found[i]), float((i + 1) / n_notes)) for i in last)
