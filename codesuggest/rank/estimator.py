"""The ranker as a scikit-learn estimator, for those who want the part alone."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.utils import Tags
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from codesuggest.rank.features import FEATURE_NAMES
from codesuggest.rank.ranker import Weights, best_f1_threshold, sigmoid

__all__ = ["CodeRanker"]


class CodeRanker(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Calibrated logistic regression over (note, candidate code) pairs.

    Parameters
    ----------
    C : float, default 0.3
        Inverse strength of the L2 penalty; greater than 0.
    n_folds : int, default 5
        Folds for the calibration, grouped by note; at least 2.
    max_iter : int, default 2000

    Attributes
    ----------
    coef_ : array of shape (n_features,)
        Log-odds for one unit of each feature, on the features as given.
    intercept_ : float
    slope_, offset_ : float
        Calibration of the log-odds (Platt 1999), fitted on out-of-fold log-odds.
    out_of_fold_ : array of shape (n_samples,)
        Calibrated probability of each training row by a model that did not see its note.
    classes_ : array of shape (2,)
    n_iter_ : int
        Iterations of the last fit.

    References
    ----------
    Platt, "Probabilistic outputs for support vector machines", 1999.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0], [1.0], [0.0], [1.0], [0.0], [1.0]] * 5)
    >>> y = np.array([0, 1, 0, 1, 0, 1] * 5)
    >>> float(CodeRanker(n_folds=3).fit(X, y).predict_proba(X)[1, 1]) > 0.5
    True
    """

    def __init__(self, C: float = 0.3, n_folds: int = 5, max_iter: int = 2000) -> None:
        self.C = C
        self.n_folds = n_folds
        self.max_iter = max_iter

    def __sklearn_tags__(self) -> Tags:
        """Say that there are two classes, no more."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit weights and calibration.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Two classes; the greater one is "the coder confirms the code".
        groups : array-like of shape (n_samples,), optional
            Note of each row; no note is on both sides of a fold. Rows are their own groups by default.
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        self
        """
        table, y = validate_data(self, X, y)
        y_type = type_of_target(y, input_name="y", raise_unknown=True)
        if y_type != "binary":
            raise ValueError(
                f"Only binary classification is supported. The type of the target is {y_type}. "
                "Expected confirmed and not confirmed codes."
            )
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) != 2:
            raise ValueError(
                f"CodeRanker needs two classes: y has {len(self.classes_)} class. Expected confirmed and not confirmed codes."
            )
        weight = None if sample_weight is None else np.asarray(sample_weight, np.float64)
        group = np.arange(len(codes)) if groups is None else np.asarray(groups)
        model = LogisticRegression(C=self.C, max_iter=self.max_iter)
        logits = np.zeros(len(codes))
        n_folds = min(self.n_folds, len(np.unique(group)), int(np.bincount(codes).min()))
        if n_folds >= 2:
            for train, test in GroupKFold(n_folds).split(table, codes, group):
                if len(np.unique(codes[train])) < 2:
                    continue
                model.fit(table[train], codes[train], None if weight is None else weight[train])
                logits[test] = model.decision_function(table[test])
            platt = LogisticRegression(C=1e6, max_iter=self.max_iter).fit(logits[:, None], codes, weight)
            slope, offset = float(platt.coef_[0, 0]), float(platt.intercept_[0])
            # A slope that is not positive would turn the order round; then there is nothing to calibrate with.
            self.slope_, self.offset_ = (slope, offset) if slope > 0 else (1.0, 0.0)
        else:
            self.slope_, self.offset_ = 1.0, 0.0
        self.out_of_fold_ = sigmoid(self.slope_ * logits + self.offset_)
        model.fit(table, codes, weight)
        self.coef_ = model.coef_[0].copy()
        self.intercept_ = float(model.intercept_[0])
        self.n_iter_ = int(model.n_iter_[0])
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the log-odds before calibration, shape (n_samples,)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return (X * self.coef_).sum(axis=1) + self.intercept_  # type: ignore[no-any-return]

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return calibrated probabilities, shape (n_samples, 2)."""
        check_is_fitted(self)
        p = sigmoid(self.slope_ * self.decision_function(X) + self.offset_)
        return np.column_stack([1 - p, p])

    def predict(self, X: ArrayLike) -> NDArray[np.generic]:
        """Return the more probable class of each row."""
        check_is_fitted(self)
        return self.classes_[(self.predict_proba(X)[:, 1] > 0.5).astype(int)]  # type: ignore[no-any-return]

    def weights(self, *, threshold: float | None = None, n_positive: int | None = None, y: ArrayLike | None = None) -> Weights:
        """Return the plain arrays that a model folder stores.

        Parameters
        ----------
        threshold : float in [0, 1], optional
            Probability from which a code is put forward; otherwise the one with the best F1 of the out-of-fold probabilities.
        n_positive : int, optional
            All final codes of the training notes, those that never became a candidate included.
        y : array-like, optional
            Labels of the training rows, needed when `threshold` is not given.
        """
        check_is_fitted(self)
        if threshold is None:
            labels = (np.asarray(y) == self.classes_[1]).astype(int)
            threshold = best_f1_threshold(self.out_of_fold_.tolist(), labels.tolist(), n_positive or int(labels.sum()))
        return Weights(FEATURE_NAMES, self.coef_, self.intercept_, self.slope_, self.offset_, threshold)
