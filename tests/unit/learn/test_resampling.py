import numpy as np
import pytest
from scipy import sparse

from codesuggest.learn.resampling import Measure, bootstrap, compare_measures


def share(sums):
    return sums[:, 0] / sums[:, 1]


def rows(right, n=40):
    return np.column_stack([np.arange(n) < right, np.ones(n)]).astype(float)


def test_an_interval_holds_its_value_and_repeats_with_its_seed():
    measure = Measure("share", np.random.default_rng(0).random((40, 2)) + 1, share)
    found = bootstrap([measure], seed=3)["share"]
    assert found.low < found.value < found.high
    assert bootstrap([measure], seed=3)["share"] == found
    assert bootstrap([measure], seed=4)["share"] != found


def test_the_interval_is_as_wide_as_theory_says():
    found = bootstrap([Measure("share", rows(100, n=400), share)], n_draws=2000)["share"]
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(0.25 * 0.75 / 400), rel=0.1)


def test_intervals_cover_the_truth_about_as_often_as_stated():
    rng = np.random.default_rng(7)
    covered = 0
    for trial in range(200):
        # eight codes a note, right or wrong together more often than apart
        p = rng.beta(4, 2, 100)
        found = bootstrap(
            [Measure("share", np.column_stack([rng.binomial(8, p), np.full(100, 8.0)]), share)], n_draws=300, seed=trial
        )
        covered += found["share"].low <= 2 / 3 <= found["share"].high
    assert 0.90 <= covered / 200 <= 0.99


def test_sparse_rows_give_what_dense_rows_give():
    dense = rows(13)
    assert bootstrap([Measure("a", sparse.csr_matrix(dense), share)])["a"] == bootstrap([Measure("a", dense, share)])["a"]


def test_draws_in_parts_are_the_same_draws(monkeypatch):
    whole = bootstrap([Measure("share", rows(13), share)])
    monkeypatch.setattr("codesuggest.learn.resampling._CELLS", 4000)
    assert bootstrap([Measure("share", rows(13), share)]) == whole


def test_a_figure_that_is_not_defined_has_no_interval():
    found = bootstrap([Measure("none", np.zeros((5, 2)), lambda sums: np.full(len(sums), np.nan))])["none"]
    assert np.isnan([found.value, found.low, found.high]).all()


def test_a_model_against_itself_differs_by_nothing():
    found = compare_measures([Measure("share", rows(13), share)], [Measure("share", rows(13), share)])[0]
    assert (found.difference, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_the_p_value_is_that_of_the_exact_sign_test():
    # b is right on 6 notes where a is wrong, a on none, alike on the rest: two-sided exact p = 2 / 2**6
    a, b = rows(10, n=30), rows(16, n=30)
    found = compare_measures([Measure("share", a, share)], [Measure("share", b, share)], n_swaps=40_000)[0]
    assert found.difference == pytest.approx(0.2)
    assert found.p_value == pytest.approx(2 / 64, rel=0.1)


def test_swapping_the_models_swaps_the_sign():
    a, b = Measure("share", rows(10), share), Measure("share", rows(17), share)
    ab, ba = compare_measures([a], [b])[0], compare_measures([b], [a])[0]
    assert (ab.difference, ab.low, ab.high, ab.p_value) == (-ba.difference, -ba.high, -ba.low, ba.p_value)
