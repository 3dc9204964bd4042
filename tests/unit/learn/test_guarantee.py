import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from stub_suggester import StubSuggester, coded

from codesuggest.errors import ConfigError, PrerequisiteError
from codesuggest.learn.evaluate import ScoredCode, ScoredNote, evaluate
from codesuggest.learn.guarantee import _betting_p_value, _clustered_p_value, _least_notes, fit_guarantee


def rows(note, probability, right, n_notes):
    codes = [[] for _ in range(n_notes)]
    for i, p, y in zip(note.tolist(), probability.tolist(), right.tolist(), strict=True):
        codes[i].append((p, y))
    return [
        ScoredNote(f"n{i}", None, None, tuple(ScoredCode(f"X{k}", k + 1, p, True, y, "") for k, (p, y) in enumerate(found)))
        for i, found in enumerate(codes)
    ]


def draw(rng, n_notes, *, spread=1.0, offset=0.0, mean_codes=5.0):
    """Draw notes whose codes are right or wrong together: the log-odds of a note are off by a normal amount."""
    note = np.repeat(np.arange(n_notes), 1 + rng.poisson(mean_codes, n_notes))
    probability = rng.beta(3, 1, len(note))
    logit = np.log(probability / (1 - probability)) + offset + rng.normal(0, spread, n_notes)[note]
    return note, probability, rng.random(len(note)) < 1 / (1 + np.exp(-logit))


def true_precision(population, threshold, n_notes):
    note, probability, right = population
    mask = probability >= threshold
    n = np.bincount(note[mask], minlength=n_notes)
    hits = np.bincount(note[mask], weights=right[mask], minlength=n_notes)
    return hits.sum() / n.sum(), float(np.mean(hits[n > 0] / n[n > 0]))


# -- validity


@pytest.mark.parametrize(
    ("n_notes", "target", "facts"),
    [
        (120, 0.85, {"spread": 0.0}),
        (200, 0.9, {"spread": 1.0}),
        (200, 0.8, {"spread": 2.0, "offset": -0.5}),
        (300, 0.95, {"spread": 1.0, "offset": 0.5, "mean_codes": 8.0}),
    ],
)
def test_the_precision_promised_is_held_as_often_as_stated(n_notes, target, facts):
    population = draw(np.random.default_rng(0), 50_000, **facts)
    n_held = n_failed = 0
    for seed in range(60):
        try:
            found = fit_guarantee(
                rows(*draw(np.random.default_rng(1000 + seed), n_notes, **facts), n_notes), target, confidence=0.9
            )
        except PrerequisiteError:
            continue
        held = min(true_precision(population, found.threshold, 50_000)) >= target
        n_held, n_failed = n_held + held, n_failed + (not held)
    assert n_held >= 12, "the data should often support the target"
    assert n_failed <= stats.binom.ppf(0.999, 60, 0.1)


@pytest.mark.parametrize("kind", ["alike", "clustered", "long notes"])
def test_a_target_just_out_of_reach_is_rarely_promised(kind):
    # the hardest case: whatever the threshold, precision is just below the target of .9
    n_promised, n_trials, n_notes = 0, 100, 200
    for seed in range(n_trials):
        rng = np.random.default_rng(seed)
        n = 1 + rng.poisson(4, n_notes)
        share = np.full(n_notes, 0.89)
        if kind == "clustered":
            share = rng.beta(0.89, 0.11, n_notes)
        if kind == "long notes":  # right in short notes, so the average over notes is above the target
            n = np.where(rng.random(n_notes) < 0.3, 16, 2)
            share = np.where(n == 16, 0.84, 0.99)
        note = np.repeat(np.arange(n_notes), n)
        sample = rows(note, rng.beta(3, 1, len(note)), rng.random(len(note)) < share[note], n_notes)
        try:
            fit_guarantee(sample, 0.9)
            n_promised += 1
        except PrerequisiteError:
            pass
    assert n_promised <= stats.binom.ppf(0.999, n_trials, 0.1)


@pytest.mark.parametrize("scale", [0.3, 3.0, 30.0])
def test_the_betting_test_errs_as_rarely_as_stated(scale):
    rng = np.random.default_rng(1)
    for n_notes in (30, 300):
        losses = rng.beta(0.1 * scale, 0.9 * scale, (2000, n_notes))  # the mean loss is exactly what is tested
        n_wrong = sum(_betting_p_value(row, 0.1) <= 0.1 for row in losses)
        assert n_wrong <= stats.binom.ppf(0.999, 2000, 0.1)


def test_without_clusters_the_second_test_is_the_exact_binomial_one():
    n = np.ones(100)
    wrong = np.zeros(100)
    assert _clustered_p_value(n, wrong, 0.05) == pytest.approx(0.95**100)
    # more than one error a note never makes codes worth more than their number
    wrong[:3] = 1
    assert _clustered_p_value(n, wrong, 0.05) >= stats.binom.cdf(3, 100, 0.05) - 1e-12


def test_codes_that_go_wrong_together_are_worth_less():
    apart, together = np.zeros(50), np.zeros(50)
    apart[:10], together[:2] = 1, 5
    assert _clustered_p_value(np.full(50, 5.0), together, 0.1) > 2 * _clustered_p_value(np.full(50, 5.0), apart, 0.1)


# -- behaviour


@settings(max_examples=12)
@given(st.integers(0, 50), st.randoms(use_true_random=False))
def test_the_order_of_notes_and_codes_does_not_matter(seed, random):
    sample = rows(*draw(np.random.default_rng(seed), 150, spread=0.5), 150)
    shuffled = [dataclasses.replace(note, codes=tuple(random.sample(note.codes, len(note.codes)))) for note in sample]
    random.shuffle(shuffled)
    outcomes = []
    for notes in (sample, shuffled):
        try:
            outcomes.append(dataclasses.astuple(fit_guarantee(notes, 0.8)))
        except PrerequisiteError as error:
            outcomes.append(str(error))
    assert outcomes[0] == (pytest.approx(outcomes[1]) if isinstance(outcomes[1], tuple) else outcomes[1])


def test_a_higher_target_never_lowers_the_threshold():
    sample = rows(*draw(np.random.default_rng(3), 600, spread=0.3), 600)
    thresholds = [fit_guarantee(sample, target).threshold for target in (0.75, 0.8, 0.85, 0.9)]
    assert thresholds == sorted(thresholds)


def test_more_confidence_never_lowers_the_threshold():
    sample = rows(*draw(np.random.default_rng(3), 600, spread=0.3), 600)
    thresholds = [fit_guarantee(sample, 0.85, confidence).threshold for confidence in (0.8, 0.9, 0.99)]
    assert thresholds == sorted(thresholds)


def test_what_is_reported_is_what_the_threshold_gives():
    n_notes = 400
    note, probability, right = draw(np.random.default_rng(5), n_notes, spread=0.3)
    found = fit_guarantee(rows(note, probability, right, n_notes), 0.85)
    mask = probability >= found.threshold
    assert (found.n_notes, found.n_codes) == (n_notes, mask.sum())
    assert found.precision == pytest.approx(right[mask].mean())
    assert found.note_precision == pytest.approx(true_precision((note, probability, right), found.threshold, n_notes)[1])
    assert found.share_of_final == pytest.approx(right[mask].sum() / right.sum())
    assert found.share_of_selected == pytest.approx(mask.mean())
    assert found.n_notes_covered == len(set(note[mask])) == found.share_of_notes * n_notes
    complete = sum(not (right & ~mask & (note == i)).any() for i in range(n_notes))
    assert found.share_of_notes_complete == pytest.approx(complete / n_notes)


def test_missed_codes_lower_the_share_covered():
    right = ScoredCode("I10", 1, 0.9, True, True, "")
    missed = ScoredCode("Z79.4", None, None, False, True, "")
    found = fit_guarantee([ScoredNote(f"n{i}", None, None, (right, missed)) for i in range(100)], 0.9)
    assert (found.precision, found.share_of_final, found.share_of_notes_complete) == (1.0, 0.5, 0.0)


def test_the_threshold_makes_a_suggester_hold_the_precision():
    # probabilities of .9 are right, those of .6 are wrong half of the time
    notes = [coded(f"n{i}", ["I10", "E11.9"] if i % 2 else ["I10"]) for i in range(200)]
    suggester = StubSuggester({n.note.note_id: [("I10", 0.9, [(0, 4)]), ("E11.9", 0.6, [(5, 9)])] for n in notes})
    before = evaluate(suggester, notes, n_draws=5)
    assert before["micro_precision"] == 0.75
    suggester.threshold = fit_guarantee(before, 0.95).threshold
    after = evaluate(suggester, notes, n_draws=5)
    assert (after["micro_precision"], suggester.threshold) == (1.0, 0.61)


def test_the_threshold_is_never_below_that_of_the_evaluation():
    low = ScoredCode("R05.9", 2, 0.2, False, False, "")
    sample = [ScoredNote(f"n{i}", None, None, (ScoredCode("I10", 1, 0.9, True, True, ""), low)) for i in range(100)]
    found = fit_guarantee(sample, 0.5)
    assert (found.n_codes, found.precision, found.threshold) == (100, 1.0, 0.9)


def test_the_lowest_threshold_is_that_of_the_evaluation_itself():
    notes = [coded(f"n{i}", ["I10"]) for i in range(100)]
    found = evaluate(StubSuggester({n.note.note_id: [("I10", 0.9, [(0, 4)])] for n in notes}, threshold=0.37), notes, n_draws=5)
    assert fit_guarantee(found, 0.5).threshold == 0.37


# -- errors


def test_too_few_notes_are_refused_with_the_number_it_takes():
    def perfect(n):
        return [ScoredNote(f"n{i}", None, None, (ScoredCode("I10", 1, 0.9, True, True, ""),)) for i in range(n)]

    least = _least_notes(0.05, 0.1)
    with pytest.raises(PrerequisiteError, match=rf"CS518.*at least {least + 1} such notes"):
        fit_guarantee(perfect(least), 0.95)
    assert fit_guarantee(perfect(least + 1), 0.95).precision == 1.0


def test_a_precision_below_the_target_is_refused():
    rng = np.random.default_rng(0)
    note = np.repeat(np.arange(200), 4)
    sample = rows(note, rng.random(800), rng.random(800) < 0.6, 200)
    with pytest.raises(PrerequisiteError, match=r"CS519.*improve the model"):
        fit_guarantee(sample, 0.9)


def test_a_precision_just_above_the_target_is_refused_with_the_number_it_takes():
    note = np.repeat(np.arange(60), 5)
    right = np.arange(300) % 25 != 0  # .96
    sample = rows(note, np.linspace(0.5, 0.99, 300)[np.argsort(np.arange(300) % 7, kind="stable")], right, 60)
    with pytest.raises(PrerequisiteError, match=r"CS519.*about \d+ calibration notes"):
        fit_guarantee(sample, 0.95)


@pytest.mark.parametrize("share", [0.0, 1.0, 95, -0.5, float("nan")])
def test_shares_out_of_range_are_refused(share):
    with pytest.raises(ConfigError, match="CS517"):
        fit_guarantee([], share)
    with pytest.raises(ConfigError, match="CS517"):
        fit_guarantee([], 0.9, share)


def test_no_notes_are_too_few():
    with pytest.raises(PrerequisiteError, match="CS518"):
        fit_guarantee([], 0.9)
