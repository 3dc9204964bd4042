import dataclasses
import datetime as dt
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stub_suggester import StubSuggester, coded

from codesuggest.codes import Releases
from codesuggest.errors import ConfigError, InputFormatError
from codesuggest.learn.evaluate import FIGURES, compare, evaluate
from codesuggest.records import Span

# Two notes. n1: I10 right, E11.9 false in the place of E11.65, J45.909 right but below the threshold, Z79.4 never suggested.
# n2: I10 right, R05.9 false.
NOTES = [
    coded(
        "n1",
        ["I10", "E11.65", "J45.909", "Z79.4"],
        evidence=[("I10", 0, 10), ("I10", 50, 60), ("E11.65", 20, 30), ("J45.909", 40, 45), ("Z79.4", 70, 75)],
        kind="visit note",
        setting="outpatient",
    ),
    coded("n2", ["I10"], evidence=[("I10", 5, 15)], kind="discharge summary", setting="inpatient"),
]
ANSWERS = {
    "n1": [("I10", 0.9, [(0, 10)]), ("E11.9", 0.8, [(20, 30)]), ("J45.909", 0.3, [(40, 50)])],
    "n2": [("R05.9", 0.7, [(90, 95)]), ("I10", 0.6, [(10, 20)])],
}


@pytest.fixture(scope="module")
def evaluation():
    release = Releases().on(dt.date(2026, 5, 4))
    return evaluate(StubSuggester(ANSWERS), NOTES, release=release, n_draws=50, n_faithfulness=2)


def test_codes_put_forward_by_hand(evaluation):
    # right 2, false 2, missed 3
    assert evaluation["micro_precision"] == 0.5
    assert evaluation["micro_recall"] == 0.4
    assert evaluation["micro_f1"] == pytest.approx(4 / 9)
    # I10 1; E11.9, E11.65, J45.909, Z79.4, R05.9 0
    assert evaluation["macro_f1"] == pytest.approx(1 / 6)


def test_three_characters_by_hand(evaluation):
    # n1: I10 and E11 right, J45 and Z79 missed; n2: I10 right, R05 false
    assert evaluation["three_micro_precision"] == 0.75
    assert evaluation["three_micro_recall"] == 0.6
    # I10 1, E11 1; J45, Z79, R05 0
    assert evaluation["three_macro_f1"] == pytest.approx(2 / 5)


def test_ranking_by_hand(evaluation):
    # n1: ranks 1 and 3 of 4 final codes; n2: rank 2 of 1
    assert evaluation["map"] == pytest.approx(((1 + 2 / 3) / 4 + 1 / 2) / 2)
    assert evaluation["r_precision"] == pytest.approx((2 / 4 + 0) / 2)
    assert evaluation["recall_at_1"] == pytest.approx((1 / 4 + 0) / 2)
    assert evaluation["recall_at_3"] == pytest.approx((2 / 4 + 1) / 2)
    assert evaluation["precision_at_3"] == pytest.approx((2 / 3 + 1 / 3) / 2)


def test_evidence_is_of_right_codes_put_forward(evaluation):
    # I10 of n1: the same span, of two of the expert's; I10 of n2: 5 of 15 characters
    assert evaluation["evidence_meets"] == 1.0
    assert evaluation["evidence_iou"] == pytest.approx((1 + 1 / 3) / 2)
    assert evaluation["evidence_exact"] == 0.5
    assert evaluation["evidence_exact_f1"] == pytest.approx(2 * 1 / (2 + 3))
    assert evaluation["evidence_span_recall"] == pytest.approx(2 / 3)


def test_calibration_by_hand(evaluation):
    rows = [(0.9, 1), (0.8, 0), (0.3, 1), (0.7, 0), (0.6, 1)]
    assert evaluation["brier"] == pytest.approx(sum((p - y) ** 2 for p, y in rows) / 5)
    # every suggestion has a bin of its own
    assert evaluation["ece_width"] == pytest.approx(sum(abs(p - y) for p, y in rows) / 5)
    assert sum(b.n for b in evaluation.reliability_width) == sum(b.n for b in evaluation.reliability_mass) == 5


def test_the_curve_ends_at_what_is_listed(evaluation):
    last = evaluation.curve[-1]
    assert (last.threshold, last.precision, last.coverage, last.codes_per_note) == (0.3, 0.6, 0.6, 2.5)


def test_groups_sum_to_the_whole(evaluation):
    for groups in (evaluation.by_chapter, evaluation.by_section, evaluation.by_kind, evaluation.by_setting):
        assert [sum(getattr(g, n) for g in groups) for n in ("n_right", "n_false", "n_missed")] == [2, 2, 3]


def test_sections_are_those_of_the_first_evidence(evaluation):
    by_name = {g.name: g for g in evaluation.by_section}
    # listed codes stand where the suggester found them, the one never listed where the expert marked it
    assert (by_name["assessment"].n_right, by_name["assessment"].n_false, by_name["assessment"].n_missed) == (2, 2, 1)
    assert (by_name["hpi"].n_right, by_name["hpi"].n_false, by_name["hpi"].n_missed) == (0, 0, 2)


def test_kinds_and_settings_are_those_of_the_note(evaluation):
    assert {g.name: (g.n_right, g.n_false, g.n_missed) for g in evaluation.by_kind} == {
        "visit note": (1, 1, 3),
        "discharge summary": (1, 1, 0),
    }
    assert {g.name for g in evaluation.by_setting} == {"inpatient", "outpatient"}


def test_misses_are_sorted_by_where_they_were_lost(evaluation):
    assert (evaluation.misses.sibling, evaluation.misses.below_threshold, evaluation.misses.not_listed) == (1, 1, 1)


def test_errors_by_cost(evaluation):
    assert [(e.note_id, e.code, e.kind, e.probability) for e in evaluation.errors] == [
        ("n1", "E11.65", "missed", None),
        ("n1", "Z79.4", "missed", None),
        ("n1", "E11.9", "false", 0.8),
        ("n1", "J45.909", "missed", 0.3),
        ("n2", "R05.9", "false", 0.7),
    ]
    false = evaluation.errors[2]
    assert (false.spans, false.instead, false.section) == ((Span(20, 30),), ("E11.65",), "assessment")
    assert false.cost == pytest.approx(-math.log2(0.2))
    assert evaluation.errors[0].spans == (Span(20, 30),)
    assert evaluation.errors[0].instead == ("E11.9",)


def test_at_most_fifty_errors_and_both_kinds_among_them():
    notes = [coded(f"n{i}", ["I10"]) for i in range(80)]
    answers = {n.note.note_id: [("R05.9", 0.9, [(0, 5)])] for n in notes}
    errors = evaluate(StubSuggester(answers), notes, n_draws=5).errors
    assert [sum(e.kind == kind for e in errors) for kind in ("false", "missed")] == [25, 25]


def test_codes_that_went_wrong(evaluation):
    assert {c.code for c in evaluation.by_code} == {"E11.9", "E11.65", "J45.909", "Z79.4", "R05.9"}


@pytest.mark.parametrize("k", [1, 5, 12])
def test_a_perfect_prediction_scores_exactly_one(k):
    codes = ["I10", "E11.9", "J45.909", "Z79.4", "N18.30", "I50.22", "R05.9", "K21.9", "F32.A", "M54.50", "G47.33", "E78.5"][:k]
    notes = [coded(f"n{i}", codes, evidence=[(c, 3 * j, 3 * j + 2) for j, c in enumerate(codes)]) for i in range(3)]
    answers = {n.note.note_id: [(c, 1.0, [(3 * j, 3 * j + 2)]) for j, c in enumerate(codes)] for n in notes}
    found = evaluate(StubSuggester(answers), notes, n_draws=20)
    perfect = [f.name for f in FIGURES if not f.lower_is_better and "_at_" not in f.name]
    assert {name: found[name] for name in perfect} == dict.fromkeys(perfect, 1.0)
    assert {f.name: found[f.name] for f in FIGURES if f.lower_is_better} == {"ece_width": 0.0, "ece_mass": 0.0, "brier": 0.0}
    assert found["recall_at_20"] == 1.0
    assert (found.errors, found.by_code) == ((), ())


CODES = ("I10", "E11.9", "E11.65", "J45.909", "Z79.4")
cases = st.lists(
    st.tuples(
        st.lists(st.sampled_from(CODES), unique=True),
        st.dictionaries(st.sampled_from(CODES), st.floats(0, 1, allow_subnormal=False)),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=25)
@given(cases, st.randoms(use_true_random=False))
def test_figures_are_bounded_and_free_of_the_order_of_the_notes(case, random):
    notes = [coded(f"n{i}", final) for i, (final, _) in enumerate(case)]
    answers = {f"n{i}": [(code, p, [(0, 4)]) for code, p in put.items()] for i, (_, put) in enumerate(case)}
    shuffled = notes[:]
    random.shuffle(shuffled)
    found, again = (evaluate(StubSuggester(answers), n, n_draws=3, n_faithfulness=0) for n in (notes, shuffled))
    for figure in FIGURES:
        value = found[figure.name]
        assert math.isnan(value) or 0 <= value <= 1
        assert again[figure.name] == pytest.approx(value, nan_ok=True)
    assert (again.errors, again.by_code, again.misses) == (found.errors, found.by_code, found.misses)
    assert [p.coverage for p in found.curve] == sorted(p.coverage for p in found.curve) or found.n_final == 0


def test_a_note_that_cannot_be_read_is_a_failure_and_all_its_codes_are_missed():
    found = evaluate(StubSuggester({}), [NOTES[1]], n_draws=5)
    assert [(f.note_id, f.error_id) for f in found.failures] == [("n2", "CS150")]
    assert (found["micro_recall"], found["map"]) == (0.0, 0.0)
    assert math.isnan(found["micro_precision"])


def test_codes_count_as_given_with_or_without_the_dot():
    found = evaluate(StubSuggester({"n": [("E11.65", 0.9, [(0, 4)])]}), [coded("n", ["e1165", "E11"])], n_draws=5)
    assert (found["micro_precision"], found["micro_recall"]) == (1.0, 0.5)


def test_evidence_without_a_coded_code_is_passed_over():
    found = evaluate(StubSuggester(ANSWERS), [coded("n2", ["I10"], evidence=[("I11.0", 0, 4)])], n_draws=5)
    assert math.isnan(found["evidence_meets"])


@pytest.mark.parametrize(
    ("notes", "error", "error_id"),
    [
        ([], ConfigError, "CS514"),
        ([NOTES[1], NOTES[1]], InputFormatError, "CS513"),
        ([coded("n1", ["I10"], text="secret words", evidence=[("I10", 5, 13)])], InputFormatError, "CS515"),
    ],
)
def test_input_that_cannot_be_measured_is_refused_without_its_text(notes, error, error_id):
    with pytest.raises(error, match=error_id) as caught:
        evaluate(StubSuggester(ANSWERS), notes)
    assert "secret" not in str(caught.value)


def test_two_experts_by_hand():
    # both experts: I10; one alone: E11.65, J45.909, Z79.4 against R05.9
    second = [coded("n1", ["I10", "E11.9"]), coded("other", ["I10"])]
    experts = evaluate(StubSuggester(ANSWERS), NOTES, second=second, n_draws=5).experts
    assert experts is not None
    assert experts.n_notes == 1
    assert (experts.precision_either.value, experts.recall_both.value) == (1.0, 1.0)
    assert experts.agreement_f1.value == pytest.approx(2 / (2 + 1 + 3))
    assert experts.agreement_f1_three.value == pytest.approx(4 / (4 + 0 + 2))


def test_the_json_holds_no_text_and_no_number_that_json_lacks(evaluation):
    text = "an unmistakable sentence"
    note = coded("n1", ["I10"], text=text, evidence=[("I10", 3, 15)])
    found = evaluate(StubSuggester({"n1": [("R05.9", 0.9, [(3, 15)])]}), [note], n_draws=5)
    written = json.dumps(found.to_dict(), allow_nan=False)
    assert "unmistakable" not in written
    assert "unmistakable" not in repr(found)
    assert json.loads(written)["figures"]["evidence_meets"]["value"] is None
    json.dumps(evaluation.to_dict(), allow_nan=False)


def test_the_same_input_gives_the_same_json():
    first, second = (json.dumps(evaluate(StubSuggester(ANSWERS), NOTES, n_draws=50).to_dict()) for _ in range(2))
    assert first == second


# -- compare


def better(answers):
    return {note: [(code, p, spans) for code, p, spans in rows if code in ("I10", "J45.909")] for note, rows in answers.items()}


def test_compare_takes_the_figures_of_both_evaluations():
    a, b = (evaluate(StubSuggester(x), NOTES, n_draws=20) for x in (ANSWERS, better(ANSWERS)))
    found = compare(a, b, n_draws=50, n_swaps=200)
    assert [f.name for f in found.figures] == [f.name for f in FIGURES if f.name != "ece_mass"]
    for figure in found.figures:
        assert figure.a == pytest.approx(a[figure.name], nan_ok=True)
        assert figure.b == pytest.approx(b[figure.name], nan_ok=True)
        assert figure.difference == pytest.approx(b[figure.name] - a[figure.name], nan_ok=True)
    # right by both: I10 twice; by neither: E11.65, J45.909, Z79.4
    assert (found.n_both_right, found.n_only_a_right, found.n_only_b_right, found.n_neither_right) == (2, 0, 0, 3)
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_model_compared_with_itself_shows_no_difference(evaluation):
    found = compare(evaluation, evaluation, n_draws=20, n_swaps=50)
    assert {f.difference for f in found.figures} == {0.0}
    assert {f.p_value for f in found.figures} == {1.0}


def test_a_plain_improvement_is_found():
    notes = [coded(f"n{i}", ["I10"]) for i in range(30)]
    worse = {n.note.note_id: [("I10", 0.9, [(0, 4)]), ("R05.9", 0.8, [(5, 9)])] for n in notes}
    a, b = (evaluate(StubSuggester(x), notes, n_draws=20) for x in (worse, better(worse)))
    by_name = {f.name: f for f in compare(a, b, n_draws=100, n_swaps=2000).figures}
    assert by_name["micro_precision"].difference == 0.5
    assert by_name["micro_precision"].p_value < 0.001
    assert by_name["micro_recall"].p_value == 1.0


def test_other_notes_or_other_final_codes_are_not_compared(evaluation):
    others = [NOTES[0], dataclasses.replace(NOTES[1], codes=("I10", "R05.9"))]
    for notes in (others, NOTES[:1], NOTES[::-1]):
        with pytest.raises(InputFormatError, match="CS516"):
            compare(evaluation, evaluate(StubSuggester(ANSWERS), notes, n_draws=5))


# -- the real suggester and the real chapters


def test_the_chapter_of_every_category_is_that_of_the_release(suggester):
    from codesuggest.learn.evaluate import chapter_namer

    release = suggester.model.release
    namer = chapter_namer(release)
    for chapter in release.chapters:
        assert namer(chapter.first) == namer(chapter.last) == f"{chapter.number}. {chapter.title}"
    for i in range(0, len(release), 97):
        code = release.text(i)
        assert namer(code).startswith(f"{release.chapter(code).number}. ")
    assert namer("nonsense") == "unknown"


def test_the_default_model_is_measured_with_titles_and_chapters(suggester):
    text = "ASSESSMENT AND PLAN:\n1. Essential hypertension.\n2. Hypothyroidism.\n"
    start = text.index("Essential")
    found = evaluate(suggester, [coded("n1", ["I10", "Z79.4"], text=text, evidence=[("I10", start, start + 22)])], n_draws=5)
    assert found["recall_at_10"] == 0.5
    assert {g.name.partition(".")[0] for g in found.by_chapter} >= {"9", "21"}
    assert "insulin" in {c.code: c.title for c in found.by_code}["Z79.4"]
    assert found.faithfulness is not None
    assert found.versions["model"] == suggester.model.sha256
