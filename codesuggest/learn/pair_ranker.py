"""Chances of mentions and of candidates: boosted trees, and their mean with a logistic regression; plain arrays at run time.

Two models of mentions (is the code given in this note; does a coder mark this very place), then the ranker over (note,
candidate code): half the log-odds of a logistic regression, half of boosted trees, calibrated by Platt's method on notes that
neither was fitted to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesuggest.learn.pairs import NO_MENTION, PAIR_FEATURES
from codesuggest.learn.trees import BoostedTrees
from codesuggest.rank.ranker import sigmoid

__all__ = ["PairRanker", "calibrated", "fit_ranker", "linear_table"]

Floats = NDArray[np.float64]
_CHANCES = tuple(
    i
    for i, name in enumerate(PAIR_FEATURES)
    if name.endswith(("_chance", "_marked", "note_share", "note_greatest", "base_probability", "share_as_found", "share_of_form"))
)


def linear_table(X: Floats) -> Floats:
    """Return the features as the logistic regression reads them: chances as log-odds, and 0 where there is no mention."""
    table = np.where(X == NO_MENTION, 0.0, X)
    p = np.clip(table[:, _CHANCES], 1e-3, 1 - 1e-3)
    table[:, _CHANCES] = np.log(p / (1 - p))
    return table


@dataclass(frozen=True, slots=True)
class PairRanker:
    """What inference needs.

    Parameters
    ----------
    mean, scale, coefficients : float arrays, length n_features
        Of the logistic regression, on `linear_table`.
    intercept : float
    trees : BoostedTrees
    slope, offset : float
        Calibration.
    threshold : float in [0, 1]
        Probability from which a code is put forward.
    """

    mean: Floats
    scale: Floats
    coefficients: Floats
    intercept: float
    trees: BoostedTrees
    slope: float
    offset: float
    threshold: float

    def logits(self, X: Floats) -> Floats:
        """Return the log-odds before calibration."""
        linear = (((linear_table(X) - self.mean) / self.scale) * self.coefficients).sum(axis=1) + self.intercept
        mean: Floats = 0.5 * (linear + self.trees.logits(X))
        return mean

    def probabilities(self, logits: Floats) -> Floats:
        """Return the calibrated probabilities of log-odds."""
        return sigmoid(self.slope * logits + self.offset)

    def contributions(self, row: Floats) -> dict[str, float]:
        """Return what each feature adds to the log-odds through the regression, and the trees as one; they sum to the log-odds."""
        values = 0.5 * ((linear_table(row[None])[0] - self.mean) / self.scale) * self.coefficients
        found = {"intercept": 0.5 * self.intercept, "trees": 0.5 * float(self.trees.logits(row[None])[0])}
        found.update((PAIR_FEATURES[i], float(values[i])) for i in np.flatnonzero(values).tolist())
        return found


def _fit_one(X: Floats, y: NDArray[np.bool_], weight: Floats, seed: int) -> PairRanker:
    from sklearn.linear_model import LogisticRegression

    table = linear_table(X)
    mean, scale = table.mean(axis=0), table.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    coefficients, intercept = np.zeros(X.shape[1]), -8.0
    if 0 < y.sum() < len(y):
        model = LogisticRegression(C=0.1, max_iter=500).fit((table - mean) / scale, y, weight)
        coefficients, intercept = model.coef_[0].copy(), float(model.intercept_[0])
    return PairRanker(mean, scale, coefficients, intercept, BoostedTrees.fit(X, y, weight, seed=seed), 1.0, 0.0, 0.5)


def fit_ranker(
    X: Floats,
    y: NDArray[np.bool_],
    weight: Floats,
    fold: NDArray[np.int64],
    n_positive: int,
    *,
    seed: int = 0,
) -> tuple[PairRanker, Floats]:
    """Fit, calibrate and choose the threshold; return the ranker and the probabilities of rows by one that did not see their fold.

    Parameters
    ----------
    X, y, weight
        Rows of the pairs, on notes that the knowledge was not taken from.
    fold : int array
    n_positive : int
        Final codes of these notes, those that never became a candidate included.
    """
    held_out = np.zeros(len(y))
    for k in np.unique(fold).tolist():
        inside = fold == k
        held_out[inside] = _fit_one(X[~inside], y[~inside], weight[~inside], seed).logits(X[inside])
    ranker = calibrated(_fit_one(X, y, weight, seed), held_out, y, n_positive, weight)
    return ranker, ranker.probabilities(held_out)


def calibrated(
    ranker: PairRanker, logits: Floats, y: NDArray[np.bool_], n_positive: int, weight: Floats | None = None
) -> PairRanker:
    """Return the ranker with calibration and threshold taken from log-odds of notes it was not fitted to."""
    from sklearn.linear_model import LogisticRegression

    slope, offset = 1.0, 0.0
    if 0 < y.sum() < len(y):
        platt = LogisticRegression(C=1e6).fit(logits[:, None], y, weight)
        if platt.coef_[0, 0] > 0:
            slope, offset = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    p = sigmoid(slope * logits + offset)
    threshold = _best_threshold(p, y, n_positive)
    return replace(ranker, slope=slope, offset=offset, threshold=threshold)


def _best_threshold(p: Floats, y: NDArray[np.bool_], n_positive: int) -> float:
    """Return the threshold with the greatest F1; final codes that never became a candidate count as missed."""
    if not len(p):
        return 0.5
    order = np.argsort(-p, kind="stable")
    f1 = 2 * np.cumsum(y[order]) / (np.arange(1, len(p) + 1) + max(n_positive, 1))
    k = int(np.argmax(f1))
    below = p[order[k + 1]] if k + 1 < len(p) else 0.0
    return float((p[order[k]] + below) / 2)


def ranker_arrays(ranker: PairRanker) -> dict[str, NDArray[Any]]:
    """Return what a model folder stores."""
    head = np.array([ranker.intercept, ranker.slope, ranker.offset, ranker.threshold])
    return {
        "ranker_linear": np.stack([ranker.mean, ranker.scale, ranker.coefficients]),
        "ranker_head": head,
        **ranker.trees.arrays("ranker_trees"),
    }


def ranker_from_arrays(arrays: dict[str, NDArray[Any]]) -> PairRanker:
    """Take the ranker from what a model folder stores."""
    mean, scale, coefficients = arrays["ranker_linear"]
    intercept, slope, offset, threshold = (float(v) for v in arrays["ranker_head"])
    trees = BoostedTrees.from_arrays("ranker_trees", arrays)
    return PairRanker(mean, scale, coefficients, intercept, trees, slope, offset, threshold)
