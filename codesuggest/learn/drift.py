"""Has the work moved away from what the model was trained on? Acceptance, code mix and vocabulary, each against its chance level.

A profile of the training notes is kept with the model: counts of codes, of words by hash (no word can be read from it), and of
decisions. Drift compares a later window with it. Each measure is set beside what a window of the same size drawn from training
would show by chance, so that a small window raises no false alarm and a large one no trifle: both the size of the change and its
chance level must be past the bound.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesuggest.errors import ConfigError

__all__ = ["DriftReport", "Measured", "Window", "drift"]

N_BUCKETS = 4096
_WORD = re.compile(r"[^\W\d_]{2,}")
_STEADY = 0.02  # share of decisions
_PSI = 0.1  # population stability index from which a change is looked at, 0.25 is a large one
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Window:
    """What is counted in a set of notes and decisions: numbers, no text.

    Parameters
    ----------
    n_notes : int
    codes : mapping of str to int
        Final codes and how many notes have them.
    words : tuple of int, length 4096
        Notes by the hash of the words they hold.
    n_words : tuple of int
        Words of each note, quartiles.
    accepted, decided : mapping of str to int
        Suggestions that a person accepted, and decided about (accepted, rejected, replaced), by code.
    """

    n_notes: int
    codes: Mapping[str, int]
    words: tuple[int, ...]
    n_words: tuple[int, ...] = (0, 0, 0)
    accepted: Mapping[str, int] = field(default_factory=dict)
    decided: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        notes: Iterable[tuple[str, Iterable[str]]],
        decisions: Iterable[tuple[str, str]] = (),
    ) -> Window:
        """Count notes, given as (text, final codes), and decisions, given as (suggested code, action).

        Examples
        --------
        >>> w = Window.of([("Cough and fever.", ["J20.9"])], [("J20.9", "accept"), ("J18.9", "reject")])
        >>> w.n_notes, dict(w.codes), sum(w.words), dict(w.accepted), sum(w.decided.values())
        (1, {'J20.9': 1}, 3, {'J20.9': 1}, 2)
        """
        codes: Counter[str] = Counter()
        words = np.zeros(N_BUCKETS, np.int64)
        lengths = []
        for text, final in notes:
            codes.update(set(final))
            found = _WORD.findall(text.lower())
            lengths.append(len(found))
            words[sorted({_bucket(w) for w in found})] += 1
        accepted: Counter[str] = Counter()
        decided: Counter[str] = Counter()
        for code, action in decisions:
            if action in ("accept", "reject", "replace"):
                decided[code] += 1
                accepted[code] += action == "accept"
        quartiles = tuple(int(q) for q in np.quantile(lengths, (0.25, 0.5, 0.75))) if lengths else (0, 0, 0)
        return cls(
            len(lengths), dict(sorted(codes.items())), tuple(int(n) for n in words), quartiles, dict(+accepted), dict(decided)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that a model folder keeps."""
        return {**asdict(self), "words": list(self.words), "n_words": list(self.n_words)}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Window:
        """Read what `to_dict` wrote.

        Raises
        ------
        ConfigError
            CS708 when it is something else.
        """
        try:
            made = cls(
                int(row["n_notes"]),
                {str(k): int(v) for k, v in row["codes"].items()},
                tuple(int(n) for n in row["words"]),
                tuple(int(n) for n in row["n_words"]),
                {str(k): int(v) for k, v in row["accepted"].items()},
                {str(k): int(v) for k, v in row["decided"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(
                "CS708", f"The profile cannot be read ({type(error).__name__}). Expected one written by training."
            ) from error
        if len(made.words) != N_BUCKETS:
            raise ConfigError(
                "CS708", f"The profile counts {len(made.words)} groups of words. Expected {N_BUCKETS}. Train again."
            )
        return made


@dataclass(frozen=True, slots=True)
class Measured:
    """One way in which the work may have moved.

    Parameters
    ----------
    name : {"acceptance", "code mix", "vocabulary"}
    value : float
        Change of the share accepted; population stability index of the codes; the same of the words.
    chance : float
        What 99 of 100 windows of this size, drawn from training, stay below (in size).
    has_moved : bool
        Past the bound and past chance.
    detail : tuple of (str, float, float)
        What moved most: code, before, after (shares). Empty for words, which are only known by hash.
    note : str
        Why it was not measured; empty when it was.
    """

    name: str
    value: float
    chance: float
    has_moved: bool
    detail: tuple[tuple[str, float, float], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What moved since training.

    Parameters
    ----------
    measured : tuple of Measured
    n_notes, n_decisions : int
        Of the later window.
    unseen_codes : tuple of (str, int)
        Final codes that training never had, most frequent first.
    """

    measured: tuple[Measured, ...]
    n_notes: int
    n_decisions: int
    unseen_codes: tuple[tuple[str, int], ...]

    @property
    def has_moved(self) -> bool:
        """Whether anything moved."""
        return any(m.has_moved for m in self.measured)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object; numbers that are not defined are None."""
        row = asdict(self)
        for m in row["measured"]:
            m.update({k: None for k in ("value", "chance") if not math.isfinite(m[k])})
        return {"schema": 1, "has_moved": self.has_moved, **row}


def drift(trained_on: Window, now: Window, *, n_draws: int = 200, seed: int = 0) -> DriftReport:
    """Compare a window of work with what the model was trained on.

    Parameters
    ----------
    trained_on : Window
    now : Window
    n_draws : int
        Windows drawn from training for the chance level.
    seed : int

    Returns
    -------
    DriftReport

    References
    ----------
    Population stability index: the symmetric Kullback-Leibler divergence of two distributions in bins; Lin, Divergence measures
    based on the Shannon entropy (1991).

    Examples
    --------
    >>> before = Window.of([("cough", ["J20.9"]), ("gout", ["M10.9"])] * 200)
    >>> drift(before, before).has_moved
    False
    >>> drift(before, Window.of([("stroke", ["I63.9"])] * 200)).has_moved
    True
    """
    rng = np.random.default_rng(seed)
    seen = trained_on.codes
    measured = (
        _acceptance(trained_on, now),
        _code_mix(trained_on, now, rng, n_draws),
        _vocabulary(trained_on, now, rng, n_draws),
    )
    unseen = sorted(((c, n) for c, n in now.codes.items() if c not in seen), key=lambda row: (-row[1], row[0]))
    return DriftReport(measured, now.n_notes, sum(now.decided.values()), tuple(unseen[:25]))


def _bucket(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "big") % N_BUCKETS


def _acceptance(before: Window, now: Window) -> Measured:
    n0, n1 = sum(before.decided.values()), sum(now.decided.values())
    if not n0 or not n1:
        which = "training" if not n0 else "this window"
        return Measured("acceptance", math.nan, math.nan, False, note=f"{which} has no decisions about suggestions")
    a, b = sum(before.accepted.values()) / n0, sum(now.accepted.values()) / n1
    pooled = (a * n0 + b * n1) / (n0 + n1)
    chance = 2.576 * math.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1))  # two-sided, 99 %
    rows = []
    for code, n in now.decided.items():
        if n >= 10 and before.decided.get(code, 0) >= 10:
            rows.append((code, before.accepted.get(code, 0) / before.decided[code], now.accepted.get(code, 0) / n))
    rows.sort(key=lambda r: (-abs(r[2] - r[1]), r[0]))
    return Measured("acceptance", b - a, chance, abs(b - a) > max(chance, _STEADY), tuple(rows[:10]))


def _psi(p: Floats, q: Floats) -> Floats:
    """Return the index for each row of `q`; counts are smoothed by half a case."""
    p, q = (p + 0.5) / (p + 0.5).sum(), (q + 0.5) / (q + 0.5).sum(axis=-1, keepdims=True)
    index: Floats = np.sum((q - p) * np.log(q / p), axis=-1)
    return index


def _code_mix(before: Window, now: Window, rng: np.random.Generator, n_draws: int) -> Measured:
    n0, n1 = sum(before.codes.values()), sum(now.codes.values())
    if not n0 or not n1:
        return Measured("code mix", math.nan, math.nan, False, note="no final codes in training, or in this window")
    # categories that make up a share of training; the rest together, so that rare codes do not swamp the index
    heads = Counter[str]()
    for code, n in before.codes.items():
        heads[code[:3]] += n
    kept = [h for h, n in sorted(heads.items()) if n >= max(5, n0 // 500)]
    place = {h: i for i, h in enumerate(kept)}

    def counted(window: Window) -> Floats:
        table = np.zeros(len(kept) + 1)
        for code, n in window.codes.items():
            table[place.get(code[:3], len(kept))] += n
        return table

    p, q = counted(before), counted(now)
    value = float(_psi(p, q))
    chance = float(np.quantile(_psi(p, rng.multinomial(n1, p / p.sum(), size=n_draws).astype(np.float64)), 0.99))
    shares = [(h, float(p[i] / n0), float(q[i] / n1)) for h, i in place.items()]
    shares.sort(key=lambda r: (-abs(r[2] - r[1]), r[0]))
    return Measured("code mix", value, chance, value > max(chance, _PSI), tuple(shares[:10]))


def _vocabulary(before: Window, now: Window, rng: np.random.Generator, n_draws: int) -> Measured:
    p, q = (np.asarray(w.words, np.float64) for w in (before, now))
    if not p.sum() or not q.sum():
        return Measured("vocabulary", math.nan, math.nan, False, note="no words in training, or in this window")
    value = float(_psi(p, q))
    draws = rng.multinomial(int(q.sum()), p / p.sum(), size=min(n_draws, 100)).astype(np.float64)
    chance = float(np.quantile(_psi(p, draws), 0.99))
    # words of a note come together, so real windows vary more than words drawn one by one
    return Measured("vocabulary", value, chance, value > max(2 * chance, _PSI))
