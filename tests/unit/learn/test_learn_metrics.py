import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from codesuggest.learn import metrics
from codesuggest.records import Span

CODES = ("I10", "E11.9", "J45.909", "N18.30", "I50.22", "Z79.4")
code_sets = st.frozensets(st.sampled_from(CODES), max_size=6)
rankings = st.permutations(CODES).flatmap(lambda p: st.integers(0, 6).map(lambda n: p[:n]))


# -- counts to shares


def test_shares_from_counts_by_hand():
    counts = np.array([6.0, 2.0, 4.0])
    assert metrics.precision(counts) == 0.75
    assert metrics.recall(counts) == 0.6
    assert metrics.f1(counts) == pytest.approx(2 * 0.75 * 0.6 / (0.75 + 0.6))


def test_shares_of_nothing_are_not_numbers():
    assert np.isnan(metrics.precision(np.array([0.0, 0.0, 3.0])))
    assert np.isnan(metrics.recall(np.array([0.0, 2.0, 0.0])))
    assert np.isnan(metrics.f1(np.zeros(3)))
    assert np.isnan(metrics.macro_scores(np.zeros((4, 3)))).all()


@given(st.lists(st.tuples(code_sets, code_sets), min_size=1, max_size=8))
def test_micro_and_macro_are_those_of_scikit_learn(pairs):
    used = sorted(frozenset().union(*(a | b for a, b in pairs)))
    if len(used) < 2:  # one column means something else to scikit-learn
        return
    y_true = np.array([[code in final for code in used] for final, _ in pairs])
    y_pred = np.array([[code in put for code in used] for _, put in pairs])
    counts = np.stack([m.sum(0) for m in (y_true & y_pred, ~y_true & y_pred, y_true & ~y_pred)], axis=1).astype(float)
    for average, ours in (
        ("macro", metrics.macro_scores(counts)),
        ("micro", np.array([m(counts.sum(0)) for m in (metrics.precision, metrics.recall, metrics.f1)])),
    ):
        theirs = precision_recall_fscore_support(y_true, y_pred, average=average, zero_division=0)[:3]
        assert np.nan_to_num(ours) == pytest.approx(theirs)


def test_macro_leaves_out_codes_that_do_not_occur():
    counts = np.array([[2.0, 0, 0], [1, 1, 2]])
    wider = np.vstack([counts, np.zeros((5, 3))])
    assert metrics.macro_scores(wider).tolist() == metrics.macro_scores(counts).tolist()
    assert metrics.macro_scores(counts) == pytest.approx([(1 + 1 / 2) / 2, (1 + 1 / 3) / 2, (1 + 2 / 5) / 2])


# -- rankings


def test_average_precision_by_hand():
    # final codes at ranks 1, 3 and 6, a fourth never suggested: (1/1 + 2/3 + 3/6) / 4
    ranked = ["I10", "A00.0", "E11.9", "A00.1", "A00.9", "J45.909"]
    assert metrics.average_precision({"I10", "E11.9", "J45.909", "N18.30"}, ranked) == pytest.approx((1 + 2 / 3 + 1 / 2) / 4)


@given(st.permutations(CODES), code_sets.filter(bool))
def test_average_precision_is_that_of_scikit_learn_when_all_codes_are_listed(ranked, relevant):
    y_true = [code in relevant for code in ranked]
    y_score = np.arange(len(ranked), 0, -1)
    assert metrics.average_precision(relevant, ranked) == pytest.approx(average_precision_score(y_true, y_score))


@given(code_sets, rankings, st.integers(1, 8))
def test_rankings_stay_within_bounds(relevant, ranked, k):
    values = [
        metrics.average_precision(relevant, ranked),
        metrics.r_precision(relevant, ranked),
        metrics.recall_at_k(relevant, ranked, k=k),
        metrics.precision_at_k(relevant, ranked, k=k),
    ]
    assert all(0 <= v <= 1 for v in values if not np.isnan(v))
    assert np.isnan(values[0]) == np.isnan(values[1]) == np.isnan(values[2]) == (not relevant)


@given(code_sets.filter(bool))
def test_a_perfect_ranking_scores_exactly_one(relevant):
    ranked = [*sorted(relevant), "A00.0"]
    assert metrics.average_precision(relevant, ranked) == 1.0
    assert metrics.r_precision(relevant, ranked) == 1.0
    assert metrics.recall_at_k(relevant, ranked, k=20) == 1.0


def test_precision_at_k_divides_by_k_though_fewer_are_listed():
    assert metrics.precision_at_k({"I10"}, ["I10"], k=10) == 0.1


# -- evidence

TEXT = "Mild persistent asthma, well controlled. Type 2 diabetes on metformin."


def span(words: str) -> Span:
    start = TEXT.index(words)
    return Span(start, start + len(words))


def test_the_same_spans_overlap_fully():
    found = metrics.overlap(TEXT, [span("asthma")], [span("asthma")])
    assert (found.best_meets, found.best_exact, found.best_iou) == (True, True, 1.0)
    assert (found.n_exact, found.n_shown, found.n_expert, found.n_met) == (1, 1, 1, 1)
    assert (found.tokens_both, found.tokens_shown, found.tokens_expert) == (1, 1, 1)


def test_spans_apart_do_not_overlap_though_they_touch():
    found = metrics.overlap(TEXT, [Span(0, 5)], [Span(5, 9)])
    assert (found.best_meets, found.best_iou, found.n_met) == (False, 0.0, 0)


def test_the_best_span_is_the_first_and_other_spans_count_for_recall():
    shown = [span("metformin"), span("Type 2 diabetes")]
    expert = [span("Type 2 diabetes"), span("diabetes on")]
    found = metrics.overlap(TEXT, shown, expert)
    assert not found.best_meets
    assert (found.n_exact, found.n_met, found.n_expert) == (1, 2, 2)
    assert (found.tokens_both, found.tokens_shown, found.tokens_expert) == (3, 4, 4)


def test_iou_is_of_the_nearest_span_of_the_expert():
    found = metrics.overlap(TEXT, [span("persistent asthma")], [span("asthma"), span("Mild persistent asthma")])
    assert found.best_iou == pytest.approx(17 / 22)


def test_nothing_shown_meets_nothing():
    found = metrics.overlap(TEXT, [], [span("asthma")])
    assert (found.best_meets, found.best_exact, found.best_iou, found.n_met, found.n_shown) == (False, False, 0.0, 0, 0)


def test_a_span_within_a_word_touches_the_word():
    found = metrics.overlap(TEXT, [Span(24, 27)], [span("well controlled.")])
    assert (found.tokens_both, found.tokens_shown, found.tokens_expert) == (1, 1, 2)


spans = st.tuples(st.integers(0, 60), st.integers(1, 9)).map(lambda p: Span(p[0], p[0] + p[1]))


@given(st.lists(spans, max_size=4), st.lists(spans, min_size=1, max_size=4))
def test_overlap_stays_within_bounds_and_the_expert_order_does_not_matter(shown, expert):
    found = metrics.overlap(TEXT, shown, expert)
    assert found == metrics.overlap(TEXT, shown, expert[::-1])
    assert 0 <= found.best_iou <= 1
    assert found.best_meets == (found.best_iou > 0)
    assert found.best_exact == (found.best_iou == 1)
    assert found.n_exact <= found.n_met <= found.n_expert
    assert found.tokens_both <= min(found.tokens_shown, found.tokens_expert)


# -- probabilities


def test_expected_calibration_error_by_hand():
    # 10 suggestions at .25, 5 of them right; 10 at .75, 7 right: (10 * .25 + 10 * .05) / 20
    sums = np.array([[10, 2.5, 5], [10, 7.5, 7]], float)
    assert metrics.expected_calibration_error(sums) == pytest.approx(0.15)


def test_bins_of_equal_mass_hold_equal_numbers():
    probabilities = np.array([0.01, 0.02, 0.03, 0.04, 0.5, 0.6, 0.7, 0.9])
    edges = metrics.bin_edges(probabilities, n_bins=4, equal_mass=True)
    assert np.bincount(np.searchsorted(edges, probabilities, side="right")).tolist() == [2, 2, 2, 2]


def test_equal_probabilities_share_a_bin():
    assert metrics.bin_edges(np.full(50, 0.3), n_bins=10, equal_mass=True).tolist() == []


def test_reliability_states_empty_bins():
    bins = metrics.reliability(np.array([[0.0, 0, 0], [2, 1.5, 1]]), np.array([0.5]))
    assert (bins[0].low, bins[0].high, bins[0].n) == (0.0, 0.5, 0)
    assert np.isnan(bins[0].share_right)
    assert (bins[1].mean_probability, bins[1].share_right) == (0.75, 0.5)


def test_precision_coverage_takes_ties_together():
    probabilities, right = np.array([0.9, 0.9, 0.4, 0.1]), np.array([1.0, 0.0, 1.0, 0.0])
    curve = metrics.precision_coverage(probabilities, right, n_final=4, n_notes=2)
    assert [(p.threshold, p.precision, p.coverage, p.codes_per_note) for p in curve] == [
        (0.9, 0.5, 0.25, 1.0),
        (0.4, pytest.approx(2 / 3), 0.5, 1.5),
        (0.1, 0.5, 0.5, 2.0),
    ]


def test_precision_coverage_keeps_both_ends_of_a_long_list():
    rng = np.random.default_rng(0)
    probabilities = rng.random(5000)
    curve = metrics.precision_coverage(probabilities, np.ones(5000), n_final=5000, n_notes=10)
    assert len(curve) == 200
    assert (curve[0].threshold, curve[-1].threshold) == (probabilities.max(), probabilities.min())
