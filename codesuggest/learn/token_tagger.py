"""Which words of a note a coder would mark: a linear model of each word and its neighbours.

Two log-odds a word: that it belongs to evidence, and that evidence begins with it. The words before a mention are among the
features, so that negation is learned as the coders of the training notes treat it, in any language.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codesuggest.learn.surface_forms import Batch
from codesuggest.learn.words import SENTENCE

__all__ = ["N_BUCKETS", "TokenTagger", "token_features"]

N_BUCKETS = 1 << 18
"""Weights of each of the two models; features are hashed into them."""
_UNKNOWN = np.uint32(2)
_REACH = 7  # words before, in the sentence, that may be cues

Floats = NDArray[np.float32]
Buckets = NDArray[np.int32]


def _mix(seed: int, *parts: NDArray[np.uint32]) -> Buckets:
    h = np.full(parts[0].shape, (0x9E3779B97F4A7C15 * (seed + 1)) & 0xFFFFFFFFFFFFFFFF, np.uint64)
    for part in parts:
        h = (h ^ part.astype(np.uint64)) * np.uint64(0xFF51AFD7ED558CCD)
        h ^= h >> np.uint64(29)
    return (h & np.uint64(N_BUCKETS - 1)).astype(np.int32)


def token_features(batch: Batch, known: NDArray[np.uint32], alike: NDArray[np.uint8]) -> Buckets:
    """Return the features of every word, shape (n_words, n_features).

    Parameters
    ----------
    batch : Batch
    known : uint32 array, sorted
        Stems that stand in two notes or more; all others are one and the same to the tagger, so that it learns from the rare
        words of its notes what to make of words it has never seen.
    alike : uint8 array, length n_words
        How much the word is spelt like a word of the titles, and how rare that is there (`Knowledge.alike`).
    """
    tokens = batch.tokens
    n = len(tokens)
    pad = _REACH
    stem = np.zeros(n + 2 * pad, np.uint32)
    place = np.minimum(np.searchsorted(known, tokens.stem), max(len(known) - 1, 0))
    stem[pad : pad + n] = np.where(known[place] == tokens.stem, tokens.stem, _UNKNOWN) if len(known) else _UNKNOWN
    likeness = np.zeros(n + 2 * pad, np.uint32)
    likeness[pad : pad + n] = alike
    sentence = np.full(n + 2 * pad, -1, np.int64)
    sentence[pad : pad + n] = np.cumsum(tokens.before >= SENTENCE) + batch.note  # the first word of a note begins a sentence
    before = np.zeros(n + 2 * pad, np.uint32)
    before[pad : pad + n] = tokens.before
    here = sentence[pad : pad + n]

    def at(step: int) -> NDArray[np.uint32]:
        words = stem[pad + step : pad + step + n]
        return np.where(sentence[pad + step : pad + step + n] == here, words, np.uint32(0))

    w = {step: at(step) for step in range(-_REACH, 4)}
    gap, after = before[pad : pad + n], before[pad + 1 : pad + 1 + n]
    shape = tokens.shape.astype(np.uint32)
    columns = [
        _mix(0, w[0]),
        _mix(1, w[-1]),
        _mix(2, w[1]),
        _mix(3, w[-2]),
        _mix(4, w[2]),
        _mix(5, w[-1], w[0]),
        _mix(6, w[0], w[1]),
        _mix(7, w[-2], w[-1]),
        _mix(8, w[1], w[2]),
        _mix(10, w[-1], w[1]),
        _mix(11, tokens.head),
        _mix(12, tokens.tail),
        _mix(13, shape, gap, after),
        _mix(14, gap, w[-1]),
        _mix(15, after, w[1]),
        _mix(16, w[0], gap, after),
        _mix(17, likeness[pad : pad + n]),
        _mix(21, likeness[pad : pad + n], w[-1]),
        _mix(22, likeness[pad : pad + n], likeness[pad - 1 : pad - 1 + n], likeness[pad + 1 : pad + 1 + n]),
        _mix(23, likeness[pad : pad + n], gap, after),
        _mix(19, w[3]),
    ]
    columns += [_mix(20, w[-d]) for d in range(3, _REACH + 1)]
    return np.stack(columns, axis=1)


@dataclass(frozen=True, slots=True)
class TokenTagger:
    """Weights of the two models.

    Parameters
    ----------
    weights : float32 array of shape (2, N_BUCKETS)
        Inside of evidence; first word of evidence.
    intercept : float64 array of shape (2,)
    known : uint32 array, sorted
        Stems that have weights of their own.
    """

    weights: Floats
    intercept: NDArray[np.float64]
    known: NDArray[np.uint32]

    @classmethod
    def empty(cls) -> TokenTagger:
        """Return a tagger that knows nothing, for decisions without evidence."""
        return cls(np.zeros((2, N_BUCKETS), np.float32), np.zeros(2), np.zeros(0, np.uint32))

    def mixed(self, other: TokenTagger, share: float) -> TokenTagger:
        """Return the mean of two taggers, `share` in [0, 1] of the other; one that knows nothing is left out."""
        if not other.weights.any():
            return self
        if not self.weights.any():
            return other
        return TokenTagger(
            ((1 - share) * self.weights + share * other.weights).astype(np.float32),
            (1 - share) * self.intercept + share * other.intercept,
            np.union1d(self.known, other.known),
        )

    def logits(self, batch: Batch, alike: NDArray[np.uint8]) -> Floats:
        """Return the log-odds of every word, shape (2, n_words)."""
        if not self.weights.any():
            return np.zeros((2, len(batch.tokens)), np.float32)
        features = token_features(batch, self.known, alike)
        out = np.stack([w[features].sum(axis=1, dtype=np.float64) + b for w, b in zip(self.weights, self.intercept, strict=True)])
        return out.astype(np.float32)

    @classmethod
    def fit(
        cls, features: Buckets, inside: NDArray[np.bool_], begins: NDArray[np.bool_], known: NDArray[np.uint32], *, seed: int = 0
    ) -> TokenTagger:
        """Fit by averaged stochastic gradient descent (Bottou 2010; log loss, L2).

        Parameters
        ----------
        features : int32 array of shape (n_words, n_features)
        inside, begins : bool arrays of shape (n_words,)
        known : uint32 array
        seed : int
        """
        from scipy.sparse import csr_matrix
        from sklearn.linear_model import SGDClassifier

        if not inside.any() or inside.all():
            return cls.empty()
        n, width = features.shape
        X = csr_matrix(
            (np.ones(n * width, np.float32), features.ravel(), np.arange(0, n * width + 1, width)), shape=(n, N_BUCKETS)
        )
        weights, intercept = [], []
        for target in (inside, begins):
            model = SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=10, tol=None, average=True, random_state=seed)
            model.fit(X, target)
            weights.append(model.coef_[0].astype(np.float32))
            intercept.append(float(model.intercept_[0]))
        return cls(np.stack(weights), np.array(intercept), known)
