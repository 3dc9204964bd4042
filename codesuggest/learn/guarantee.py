"""A threshold at which the codes put forward hold a precision asked for, on notes not seen.

Two statements are tested for each threshold, and both must hold, so that together they hold with the stated confidence:

1. The precision of a note, averaged over the notes that have a code put forward, reaches the target. Whole notes are the
   units, so codes of one note may be right or wrong together. The test bets against the opposite: were the average loss
   (share of wrong codes) above ``1 - target``, the product over notes of ``1 + bet * (1 - target - loss)`` would be at most 1 in
   expectation, and so reach ``1 / (1 - confidence)`` with a probability of at most ``1 - confidence`` (Markov). Averaged over
   bets fixed in advance it does not depend on the order of the notes. This holds for any number of notes.
2. The precision over all codes put forward reaches the target: long notes weigh more than short ones. The exact binomial
   (Clopper-Pearson) test, with the number of codes reduced to what it is worth when codes cluster in notes (Korn and Graubard).
   This holds approximately; the first statement guards it where errors are too few to show how they cluster.

Thresholds are tested from high to low, and the first failure ends it, so no correction for their number is needed. A sequence
starts at the threshold that a fixed number of notes reach; that note is left out of the test there, so the notes above it are a
plain sample of such notes. The thresholds below are a fixed grid. Where there are many notes there are several starts, which
share the allowed error (Bonferroni), so that neither few notes nor a hard target ends everything at once. Assumed: the
calibration notes are a sample of the notes to come, the model was not trained on them, and precision does not rise as the
threshold falls.

Decision (2026-11): our own test, not MAPIE's. MAPIE 1.6 controls the precision of multi-label classifiers too, averaged over
notes, with the Hoeffding-Bentkus bound, a Bonferroni correction over all thresholds, and a dense table of notes by labels. The
second statement is not among them, a table of all codes is too large, and in simulation (five codes a note, precision .98, target
.95, 150 notes) the betting test alone succeeds in 75 % of the trials, the bound alone in 33 %. What would change our mind: a
library that tests the ratio over all codes with notes as units.

References
----------
Waudby-Smith, Ramdas, Estimating means of bounded random variables by betting (JRSS B 86, 2024).
Angelopoulos, Bates, Candès, Jordan, Lei, Learn then test: calibrating predictive algorithms to achieve risk control
(Annals of Applied Statistics 19, 2025), fixed-sequence testing.
Korn, Graubard, Confidence intervals for proportions with small expected number of positive counts estimated from survey data
(Survey Methodology 24, 1998).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesuggest.errors import ConfigError, PrerequisiteError
from codesuggest.learn.evaluate import Evaluation, ScoredNote, as_json

__all__ = ["Guarantee", "fit_guarantee"]

Floats = NDArray[np.float64]
_GRID = np.arange(99, 0, -1) / 100
# Shares of the largest bet that cannot lose everything, and how much is put on each: most on the boldest, which wins when
# nothing is wrong.
_BETS = np.array([0.98, 0.2, 0.4, 0.7])
_MOST = 1000.0  # times as many notes; more is no advice
_STAKES = np.array([0.4, 0.2, 0.2, 0.2])


@dataclass(frozen=True, slots=True)
class Guarantee:
    """A threshold, the precision that it holds, and what share of the work it covers.

    Parameters
    ----------
    threshold : float in (0, 1]
        For ``suggester.threshold``.
    target_precision, confidence : float in (0, 1)
        With this confidence the precision on unseen notes reaches the target.
    n_notes : int
        Calibration notes.
    n_notes_covered : int
        Calibration notes with a code put forward at the threshold.
    n_codes : int
        Codes put forward in them.
    precision : float
        Share of these codes that are right.
    note_precision : float
        The same share of each note, averaged over the notes covered.
    share_of_final : float
        Share of all final codes that are put forward.
    share_of_selected : float
        Share of the codes put forward before that still are.
    share_of_notes : float
        Share of the notes with a code put forward.
    share_of_notes_complete : float
        Share of the notes whose final codes are all put forward.
    """

    threshold: float
    target_precision: float
    confidence: float
    n_notes: int
    n_notes_covered: int
    n_codes: int
    precision: float
    note_precision: float
    share_of_final: float
    share_of_selected: float
    share_of_notes: float
    share_of_notes_complete: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        plain: dict[str, Any] = as_json(self)
        return plain


@dataclass(frozen=True, slots=True)
class _Codes:
    """Codes put forward: probability, whether right, and the index of the note; and the highest probability of each note."""

    probability: Floats
    right: Floats
    note: NDArray[np.int64]
    best: Floats

    def counts(self, threshold: float, *, is_start: bool = False) -> tuple[Floats, Floats]:
        """Return the numbers of codes and of wrong codes of every note that has a code from the threshold on.

        At a start the note that set the threshold is left out.
        """
        mask = self.probability >= threshold
        n = np.bincount(self.note[mask], minlength=len(self.best))
        wrong = np.bincount(self.note[mask], weights=1 - self.right[mask], minlength=len(self.best))
        used = n > 0
        if is_start:
            used[np.flatnonzero(self.best == threshold)[:1]] = False
        return n[used].astype(np.float64), wrong[used].astype(np.float64)


def fit_guarantee(
    evaluation_rows: Evaluation | Sequence[ScoredNote], target_precision: float, confidence: float = 0.9
) -> Guarantee:
    """Find the lowest threshold whose precision on unseen notes reaches the target with the confidence asked for.

    Parameters
    ----------
    evaluation_rows : Evaluation or sequence of ScoredNote
        Of calibration notes that the model was not trained on. Only codes that were put forward are looked at, so the
        threshold found is never below the one of the evaluation: to let it go lower, evaluate with a lower one.
    target_precision : float in (0, 1)
    confidence : float in (0, 1), default 0.9

    Returns
    -------
    Guarantee
        Use it as ``suggester.threshold = guarantee.threshold``.

    Raises
    ------
    ConfigError
        CS517 when a share is out of range.
    PrerequisiteError
        CS518 when there are too few notes for any threshold, saying how many it takes; CS519 when precision is too low, or
        too close to the target for so few notes.

    Examples
    --------
    >>> from codesuggest.learn.evaluate import ScoredCode
    >>> right = ScoredCode("I10", 1, 0.9, True, True, "assessment")
    >>> false = ScoredCode("R05.9", 2, 0.4, True, False, "assessment")
    >>> rows = [ScoredNote(f"n{i}", None, None, (right, false)) for i in range(200)]
    >>> found = fit_guarantee(rows, 0.9)
    >>> found.threshold, found.precision, found.share_of_final, found.share_of_selected
    (0.41, 1.0, 1.0, 0.5)
    """
    for name, share in (("target_precision", target_precision), ("confidence", confidence)):
        if not 0 < share < 1:
            raise ConfigError("CS517", f"{name} is {share!r}. Expected a number between 0 and 1, such as 0.95. Choose another.")
    notes = evaluation_rows.notes if isinstance(evaluation_rows, Evaluation) else tuple(evaluation_rows)
    codes = _collect(notes)
    alpha, delta = 1 - target_precision, 1 - confidence
    least = _least_notes(alpha, delta)
    reach = np.sort(codes.best[codes.best > 0])[::-1]
    if len(reach) <= least:
        raise PrerequisiteError(
            "CS518",
            f"{len(reach)} of {len(notes)} calibration notes have a code put forward. A precision of {target_precision:g} with "
            f"confidence {confidence:g} takes at least {least + 1} such notes, even if every code is right. Code more notes, or ask "
            "for less.",
        )
    starts = _starts(reach, least)
    lowest = evaluation_rows.threshold if isinstance(evaluation_rows, Evaluation) else float(codes.probability.min())
    held = _lowest_held(codes, starts, lowest, alpha, delta / len(starts))
    if held is None:
        why = _explain(codes, starts, alpha, delta / len(starts))
        raise PrerequisiteError(
            "CS519", f"No threshold holds a precision of {target_precision:g} with confidence {confidence:g}. {why}"
        )
    return _describe(notes, codes, held, target_precision, confidence)


def _starts(reach: Floats, least: int) -> list[float]:
    """Return the thresholds that fixed numbers of notes reach, from high to low: half as many again as it takes, then doubled."""
    places = [min(least * 3 // 2, len(reach) - 1)]
    while 2 * places[-1] < len(reach):
        places.append(2 * places[-1])
    return sorted({float(reach[place]) for place in places}, reverse=True)


def _lowest_held(codes: _Codes, starts: Sequence[float], lowest: float, alpha: float, level: float) -> float | None:
    """Test from every start downwards over the fixed grid until a threshold fails, and return the lowest that held."""
    held, is_going = None, False
    grid = _GRID[(starts[0] > _GRID) & (lowest < _GRID)].tolist()
    for threshold in sorted({*grid, *starts, min(lowest, starts[0])}, reverse=True):
        if threshold in starts:
            is_going = _holds(*codes.counts(threshold, is_start=True), alpha, level)
        elif is_going:
            is_going = _holds(*codes.counts(threshold), alpha, level)
        if is_going:
            held = threshold
    return held


def _collect(notes: Sequence[ScoredNote]) -> _Codes:
    rows = [(i, c.probability, c.is_final) for i, note in enumerate(notes) for c in note.codes if c.selected and c.probability]
    number = np.array([r[0] for r in rows], np.int64)
    probability = np.array([r[1] for r in rows], np.float64)
    best = np.zeros(len(notes))
    np.maximum.at(best, number, probability)
    return _Codes(probability, np.array([r[2] for r in rows], np.float64), number, best)


def _holds(n: Floats, wrong: Floats, alpha: float, level: float, *, times: float = 1.0) -> bool:
    """Whether both tests reject, at `level`, that the share of wrong codes is above `alpha`; with the notes `times` over."""
    if len(n) < 2 or max(wrong.sum() / n.sum(), np.mean(wrong / n)) >= alpha:
        return False
    return _betting_p_value(wrong / n, alpha, times) <= level and _clustered_p_value(n, wrong, alpha, times) <= level


def _betting_p_value(losses: Floats, alpha: float, times: float = 1.0) -> float:
    logs = np.log1p(_BETS[:, None] / (1 - alpha) * (alpha - losses)).sum(axis=1) * times + np.log(_STAKES)
    return math.exp(-min(700.0, max(0.0, float(np.logaddexp.reduce(logs)))))


def _clustered_p_value(n: Floats, wrong: Floats, alpha: float, times: float = 1.0) -> float:
    from scipy import stats

    n_notes, n_codes = len(n) * times, float(n.sum()) * times
    share = float(wrong.sum() / n.sum())
    if share >= 1:
        return 1.0
    worth = n_codes
    if share > 0:
        variance = times * n_notes / (n_notes - 1) * float(np.sum((wrong - share * n) ** 2)) / n_codes**2
        freedom = float(stats.t.ppf(0.975, n_codes - 1) / stats.t.ppf(0.975, n_notes - 1)) ** 2
        worth = min(n_codes, share * (1 - share) / variance * freedom) if variance > 0 else n_codes
    return float(stats.beta.sf(alpha, share * worth + 1, worth * (1 - share)))


def _least_notes(alpha: float, delta: float) -> int:
    """Return how many notes without a wrong code it takes."""
    high = 1
    while _betting_p_value(np.zeros(high), alpha) > delta:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _betting_p_value(np.zeros(middle), alpha) > delta else (low, middle)
    return high


def _explain(codes: _Codes, starts: Sequence[float], alpha: float, level: float) -> str:
    """Say what was found at the most promising start, and how many notes it would take."""
    best: tuple[float, float, Floats, Floats] | None = None
    for threshold in starts:
        n, wrong = codes.counts(threshold, is_start=True)
        times = 1.0
        while times < _MOST and not _holds(n, wrong, alpha, level, times=times):
            times *= 1.2
        if best is None or times < best[0]:
            best = (times, threshold, n, wrong)
    assert best is not None  # noqa: S101 - there is always a start
    times, threshold, n, wrong = best
    found = (
        f"From {threshold:.3f} on, {len(n)} of {len(codes.best)} calibration notes have {int(n.sum())} codes put forward, with a "
        f"precision of {1 - float(wrong.sum() / n.sum()):.3f} ({1 - float(np.mean(wrong / n)):.3f} averaged over notes)"
    )
    if times >= _MOST:
        return f"{found}: too low, or too near to the target, for any number of notes. Ask for less, or improve the model."
    needed = math.ceil(times * len(codes.best))
    return f"{found}: too few notes to be sure. It would take about {needed} calibration notes like these. Code more, or ask for less."


def _describe(notes: Sequence[ScoredNote], codes: _Codes, threshold: float, target: float, confidence: float) -> Guarantee:
    n, wrong = codes.counts(threshold)
    put_forward = [
        frozenset(c.code for c in note.codes if c.selected and c.probability is not None and c.probability >= threshold)
        for note in notes
    ]
    complete = sum(note.final <= found for note, found in zip(notes, put_forward, strict=True))
    return Guarantee(
        threshold=threshold,
        target_precision=target,
        confidence=confidence,
        n_notes=len(notes),
        n_notes_covered=len(n),
        n_codes=int(n.sum()),
        precision=1 - float(wrong.sum() / n.sum()),
        note_precision=1 - float(np.mean(wrong / n)),
        share_of_final=float((n.sum() - wrong.sum()) / sum(len(note.final) for note in notes)),
        share_of_selected=float(n.sum() / len(codes.probability)),
        share_of_notes=len(n) / len(notes),
        share_of_notes_complete=complete / len(notes),
    )
