"""Boosted trees as plain arrays: fitted by scikit-learn, stored and evaluated without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

__all__ = ["BoostedTrees"]

_FEW_ROWS = 300_000
_SETTINGS: dict[str, Any] = {
    "max_iter": 150,
    "learning_rate": 0.06,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 30,
    "l2_regularization": 3.0,
}


@dataclass(frozen=True, slots=True)
class BoostedTrees:
    """Gradient-boosted trees for a yes-or-no question (Friedman 2001), as `sklearn`'s histogram implementation fits them.

    Parameters
    ----------
    root : int32 array, length n_trees
        Node each tree begins with.
    feature, left, right : int32 arrays, length n_nodes
        Column compared, and the nodes that follow; a leaf follows itself.
    threshold, value : float64 arrays, length n_nodes
        ``x <= threshold`` goes left; log-odds of a leaf. Features are numbers, none missing.
    baseline : float
    depth : int
        Of the deepest tree.
    """

    root: NDArray[np.int32]
    feature: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    threshold: NDArray[np.float64]
    value: NDArray[np.float64]
    baseline: float
    depth: int

    @classmethod
    def fit(
        cls,
        X: NDArray[np.float64],
        y: NDArray[Any],
        weight: NDArray[np.float64] | None = None,
        *,
        seed: int = 0,
        settings: Mapping[str, float] | None = None,
    ) -> BoostedTrees:
        """Fit; `settings` are those of ``HistGradientBoostingClassifier``. One class only gives no trees."""
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits

        share = float(np.average(y, weights=weight)) if len(y) else 0.0
        if not 0 < share < 1:
            none = np.zeros(0, np.int32)
            return cls(none, none, none, none, np.zeros(0), np.zeros(0), 8.0 if share == 1 else -8.0, 0)
        options = {**_SETTINGS, **(settings or {})}
        model = HistGradientBoostingClassifier(early_stopping=False, random_state=seed, **options)
        if weight is not None and np.all(weight == weight[:1]):
            weight = None
        # scikit-learn's weighted quantiles take far longer than the trees; a few hundred values a column need none
        # one thread: below some hundred thousand rows the threads of a busy machine wait for each other far longer than they work
        with threadpool_limits(limits=1 if len(y) < _FEW_ROWS else None, user_api="openmp"):
            model.fit(X if weight is None else _coarse(X), y, weight)
        return cls.of(model)

    @classmethod
    def of(cls, model: HistGradientBoostingClassifier) -> BoostedTrees:
        """Take the trees out of a fitted ``HistGradientBoostingClassifier`` for two classes."""
        root: list[int] = []
        parts: dict[str, list[NDArray[Any]]] = {k: [] for k in ("feature", "left", "right", "threshold", "value")}
        at, depth = 0, 0
        for (tree,) in model._predictors:
            nodes = tree.nodes
            leaf = nodes["is_leaf"].astype(bool)
            here = np.arange(len(nodes))
            root.append(at)
            parts["feature"].append(np.where(leaf, 0, nodes["feature_idx"]))
            parts["threshold"].append(np.where(leaf, 0.0, nodes["num_threshold"]))
            parts["left"].append(np.where(leaf, here, nodes["left"]) + at)
            parts["right"].append(np.where(leaf, here, nodes["right"]) + at)
            parts["value"].append(nodes["value"])
            depth = max(depth, int(nodes["depth"].max()))
            at += len(nodes)
        whole = {k: np.concatenate(v) for k, v in parts.items()}
        return cls(
            np.array(root, np.int32),
            whole["feature"].astype(np.int32),
            whole["left"].astype(np.int32),
            whole["right"].astype(np.int32),
            whole["threshold"].astype(np.float64),
            whole["value"].astype(np.float64),
            float(np.ravel(model._baseline_prediction)[0]),
            depth,
        )

    def logits(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log-odds of each row."""
        out = np.full(len(X), self.baseline)
        if not len(self.root):
            return out
        after = np.stack([self.left, self.right], axis=1).ravel().astype(np.intp)
        feature = self.feature.astype(np.intp)
        width = X.shape[1]
        for low in range(0, len(X), 1024):
            rows = np.ascontiguousarray(X[low : low + 1024], np.float64)
            values = rows.ravel()
            start = (np.arange(len(rows)) * width)[:, None]
            node = np.broadcast_to(self.root.astype(np.intp), (len(rows), len(self.root)))
            for _ in range(self.depth):
                goes_right = values.take(feature.take(node) + start) > self.threshold.take(node)
                node = after.take(2 * node + goes_right)
            out[low : low + len(rows)] += self.value.take(node).sum(axis=1)
        return out

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Return what a model folder stores."""
        nodes = np.stack([self.feature, self.left, self.right]).astype(np.int32)
        return {
            f"{prefix}_root": self.root,
            f"{prefix}_nodes": nodes,
            f"{prefix}_values": np.stack([self.threshold, self.value]),
            f"{prefix}_head": np.array([self.baseline, self.depth]),
        }

    @classmethod
    def from_arrays(cls, prefix: str, arrays: dict[str, NDArray[Any]]) -> BoostedTrees:
        """Take the trees from what a model folder stores."""
        nodes, values, head = arrays[f"{prefix}_nodes"], arrays[f"{prefix}_values"], arrays[f"{prefix}_head"]
        return cls(arrays[f"{prefix}_root"], nodes[0], nodes[1], nodes[2], values[0], values[1], float(head[0]), int(head[1]))


def _coarse(X: NDArray[np.float64], n: int = 250) -> NDArray[np.float64]:
    """Return the table with at most `n` values a column: each value becomes the next quantile."""
    table = X.copy()
    for column in table.T:
        edges = np.unique(np.quantile(column, np.linspace(0, 1, n), method="higher"))
        column[:] = edges[np.searchsorted(edges, column)]
    return table
