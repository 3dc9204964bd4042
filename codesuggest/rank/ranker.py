"""The trained classifier over (note, candidate code) pairs.

A logistic regression on the features of :mod:`codesuggest.rank.features`, calibrated by Platt's method on notes that the
weights were not fitted to. The log-odds are a sum of one contribution a feature, so every score can be shown exactly.

Decision (2026-11): a linear model. Gradient boosting on the same features, cross-validated by note on the practice notes,
gave F1 .704 to .706 against .699, and its contributions are not a plain sum. What would change our mind: a larger gain, on
notes of a hospital not trained on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesuggest.errors import BundleError
from codesuggest.rank.features import FEATURE_NAMES

__all__ = ["Weights"]


@dataclass(frozen=True, slots=True)
class Weights:
    """What inference needs of a fitted ranker: plain arrays, no scikit-learn.

    Parameters
    ----------
    names : tuple of str, length n_features
    coefficients : float array, length n_features
        Log-odds for one unit of the feature.
    intercept : float
    slope, offset : float
        Platt's calibration: ``p = 1 / (1 + exp(-(slope * logit + offset)))``.
    threshold : float in [0, 1]
        Probability from which a code is put forward.
    """

    names: tuple[str, ...]
    coefficients: NDArray[np.float64]
    intercept: float
    slope: float
    offset: float
    threshold: float

    def logits(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log-odds before calibration, one for each row."""
        # a plain sum in a fixed order, so that the last digit is the same on any machine and batch size
        return (X * self.coefficients).sum(axis=1) + self.intercept  # type: ignore[no-any-return]

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated probabilities of log-odds."""
        return 1.0 / (1.0 + np.exp(-(self.slope * logits + self.offset)))

    def contributions(self, X: NDArray[np.float64]) -> list[dict[str, float]]:
        """Return for each row the contribution of every feature that is not zero, and the intercept; they sum to the log-odds."""
        products = X * self.coefficients
        rows, columns = np.nonzero(products)
        bounds = rows.searchsorted(np.arange(len(X) + 1)).tolist()
        names = [self.names[i] for i in columns.tolist()]
        values = products[rows, columns].tolist()
        return [{"intercept": self.intercept, **dict(zip(names[a:b], values[a:b], strict=True))} for a, b in pairwise(bounds)]

    def save(self, folder: Path) -> None:
        """Write ``ranker.json``: every number with 17 digits."""
        data = {
            "features": list(self.names),
            "coefficients": [float(c) for c in self.coefficients],
            "intercept": self.intercept,
            "slope": self.slope,
            "offset": self.offset,
            "threshold": self.threshold,
        }
        (folder / "ranker.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> Weights:
        """Read ``ranker.json``.

        Raises
        ------
        BundleError
            CS301 when the model was trained on other features than this library has.
        """
        data = json.loads((folder / "ranker.json").read_text(encoding="utf-8"))
        names = tuple(data["features"])
        if names != FEATURE_NAMES:
            different = sorted(set(names) ^ set(FEATURE_NAMES))
            raise BundleError(
                "CS301",
                f"The model's ranker has {len(names)} features and the library {len(FEATURE_NAMES)}; they differ in "
                f"{', '.join(different[:5]) or 'order'}. Expected a model of this library version. Retrain it, or install the version it names.",
            )
        return cls(
            names,
            np.array(data["coefficients"], np.float64),
            float(data["intercept"]),
            float(data["slope"]),
            float(data["offset"]),
            float(data["threshold"]),
        )


def sigmoid(z: ArrayLike) -> NDArray[np.float64]:
    """Return the logistic function of an array."""
    return 1.0 / (1.0 + np.exp(-np.asarray(z, np.float64)))


def best_f1_threshold(probabilities: Sequence[float], labels: Sequence[int], n_positive: int) -> float:
    """Return the highest threshold within 0.003 of the greatest F1; positives that are no candidate count as missed.

    F1 is flat near its greatest value; the end with the higher precision spares the coder noise.

    Parameters
    ----------
    probabilities : sequence of float
    labels : sequence of {0, 1}
    n_positive : int
        All final codes, those that never became a candidate included.
    """
    p = np.asarray(probabilities)
    y = np.asarray(labels)
    order = np.argsort(-p, kind="stable")
    hits = np.cumsum(y[order])
    taken = np.arange(1, len(p) + 1)
    f1 = 2 * hits / (taken + n_positive)
    k = int(np.flatnonzero(f1 >= f1.max() - 0.003)[0])
    upper = p[order[k]]
    lower = p[order[k + 1]] if k + 1 < len(p) else 0.0
    return float((upper + lower) / 2)
