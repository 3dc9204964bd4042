"""The order of the queue: each component at its bounds, and what it says."""

import datetime as dt

import pytest

from codesuggest.desk.settings import Weights, WorklistSettings
from codesuggest.desk.worklist import ChartFacts, is_sampled, reasons_of, score_of

SERVICE = dt.date(2026, 1, 1)
SETTINGS = WorklistSettings()


def reason(component, facts, day=SERVICE, settings=SETTINGS):
    return {r.component: r for r in reasons_of(facts, day, settings)}.get(component)


def after(days):
    return SERVICE + dt.timedelta(days=days)


@pytest.mark.parametrize(
    ("days", "points", "words"),
    [
        (0, 0.0, "365 of 365 days left to file with Medicare"),
        (320, 0.0, "45 of 365 days left to file with Medicare"),
        (343, 15.33, "22 of 365 days left to file with Medicare"),
        (365, 30.0, "0 of 365 days left to file with Medicare"),
        (366, 30.0, "filing limit of 365 days passed 1 day ago with Medicare"),
    ],
)
def test_deadline_of_medicare_is_a_calendar_year(days, points, words):
    """42 CFR 424.44(a): one calendar year after the date of service."""
    found = reason("deadline", ChartFacts(SERVICE, "Medicare"), after(days))
    assert (found.points, found.words) == (points, words)


def test_a_payer_without_a_limit_has_the_default():
    assert reason("deadline", ChartFacts(SERVICE, "acme"), after(80)).words == "10 of 90 days left to file with acme"


@pytest.mark.parametrize(("days", "points"), [(-3, 0.0), (0, 0.0), (15, 10.0), (30, 20.0), (300, 20.0)])
def test_ageing_grows_to_its_full_days(days, points):
    assert reason("ageing", ChartFacts(SERVICE), after(days)).points == points


@pytest.mark.parametrize(("kind", "points"), [("1", 10.0), ("Emergency", 10.0), ("2", 7.0), ("3", 2.0), ("4", 4.0), ("5", 10.0)])
def test_urgency_of_the_priority_of_the_visit(kind, points):
    """UB-04 form locator 14."""
    assert reason("urgency", ChartFacts(admission_type=kind)).points == points


def test_urgency_of_the_setting_where_the_priority_is_not_given():
    assert reason("urgency", ChartFacts(setting="inpatient")).points == 5.0
    assert reason("urgency", ChartFacts(admission_type="9", setting="")) is None


@pytest.mark.parametrize(("n_mcc", "n_cc", "points"), [(0, 0, 0.0), (0, 2, 5.0), (1, 0, 10.0), (3, 1, 10.0)])
def test_impact_needs_a_table(n_mcc, n_cc, points):
    assert reason("impact", ChartFacts(n_mcc=n_mcc, n_cc=n_cc)).points == points
    assert reason("impact", ChartFacts()) is None


@pytest.mark.parametrize(
    ("words", "documents", "points"), [(0, 1, 1.25), (5000, 1, 5.0), (10_000, 1, 10.0), (30_000, 8, 10.0), (10, 4, 5.0)]
)
def test_complexity_is_length_or_number_of_documents(words, documents, points):
    assert reason("complexity", ChartFacts(n_words=words, n_documents=documents)).points == points


@pytest.mark.parametrize(("near", "points"), [(0, 0.0), (5, 5.0), (10, 10.0), (11, 10.0)])
def test_uncertainty_counts_codes_near_the_threshold(near, points):
    assert reason("uncertainty", ChartFacts(n_near=near)).points == points


def test_an_answered_query_brings_a_chart_forward_and_an_open_one_does_not():
    assert reason("queries", ChartFacts(n_queries_answered=1)).points == 10.0
    assert reason("queries", ChartFacts(n_queries_open=2)).words == "2 queries waiting for an answer"
    assert reason("queries", ChartFacts(n_queries_open=2)).points == 0.0
    assert reason("queries", ChartFacts()) is None


def test_the_score_is_the_sum_of_the_points():
    facts = ChartFacts(SERVICE, "medicare", "inpatient", "1", 1234, 3, 4, 1, 0, 0, 1)
    for days in (0, 3, 29, 340, 400):
        assert score_of(facts, after(days), SETTINGS) == pytest.approx(
            sum(r.points for r in reasons_of(facts, after(days), SETTINGS))
        )


def test_the_most_that_all_components_give_is_the_sum_of_the_weights():
    facts = ChartFacts(SERVICE, "medicare", "inpatient", "1", 10**6, 99, 99, 9, 9, 0, 9)
    assert score_of(facts, after(999), SETTINGS) == 100.0


def test_a_weight_of_zero_leaves_a_component_out():
    settings = WorklistSettings(weights=Weights(ageing=0.0))
    assert reason("ageing", ChartFacts(SERVICE), after(5), settings) is None


def test_reasons_stand_in_a_total_order():
    found = reasons_of(ChartFacts(SERVICE, "medicare", "inpatient", "1", 10**6), after(999), SETTINGS)
    assert list(found) == sorted(found, key=lambda r: (-r.points, r.component))


def test_sampling_for_audit_takes_about_its_share_and_always_the_same():
    settings = WorklistSettings(audit_share=0.1)
    chosen = [i for i in range(5000) if is_sampled(f"E-{i}", settings)]
    assert 400 < len(chosen) < 600
    assert chosen == [i for i in range(5000) if is_sampled(f"E-{i}", settings)]
    assert chosen != [i for i in range(5000) if is_sampled(f"E-{i}", WorklistSettings(audit_share=0.1, audit_seed="other"))]
