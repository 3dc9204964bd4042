"""Values in running text and in tables. Marks of the cases: what a reader of charts would write down."""

import sys
from pathlib import Path

import pytest

from codesuggest.queries.indicators import find_indicators

NUMBERS = ("laboratory", "vital", "score")


def values(text, **of):
    return [(i.name, i.value, i.flag) for i in find_indicators(text, **of) if i.category in NUMBERS]


def only(text, **of):
    found = [i for i in find_indicators(text, **of) if i.category in NUMBERS]
    assert len(found) == 1, [i.name for i in found]
    return found[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Na 128 (L)", [("sodium", 128, "L")]),
        ("sodium of 124", [("sodium", 124, "")]),
        ("Hb 7,2 g/dl", [("hemoglobin", 7.2, "")]),
        ("plt 45K", [("platelets", 45, "")]),
        ("H/H 7.2/21.6", [("hemoglobin", 7.2, ""), ("hematocrit", 21.6, "")]),
        ("AST and ALT were 120 and 98", [("ast", 120, ""), ("alt", 98, "")]),
        ("Cr 1.0 -> 2.4", [("creatinine", 1.0, ""), ("creatinine", 2.4, "")]),
        ("lactate peak 5.6, now 3.1", [("lactate", 5.6, ""), ("lactate", 3.1, "")]),
        ("WBC 18.4, 12% bands", [("wbc", 18.4, ""), ("bands", 12, "")]),
        ("7.21/68/55/27 on 4 L", [("ph", 7.21, ""), ("pco2", 68, ""), ("po2", 55, ""), ("bicarbonate_arterial", 27, "")]),
        (
            "labs na 128 k 3.1 cr 1.4 mg 1.5",
            [("sodium", 128, ""), ("potassium", 3.1, ""), ("creatinine", 1.4, ""), ("magnesium", 1.5, "")],
        ),
        ("BP 85/50 (62)", [("systolic_bp", 85, ""), ("diastolic_bp", 50, ""), ("map", 62, "")]),
        ("GCS E2V3M5", [("gcs", 10, "")]),
        ("hypoxic to 84%", [("spo2", 84, "")]),
        ("Lost 22 lb (12%) in 3 months", [("weight_loss", 10.0, ""), ("weight_loss_percent", 12, "")]),
    ],
)
def test_ways_of_writing_a_value(text, expected):
    assert values(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "potassium chloride 20 mEq daily",
        "sodium chloride 0.9% at 100 mL/hr",
        "vitamin D 2000 units",
        "iron 325 mg",
        "metoprolol CR 25 mg",
        "lithium 300 mg BID",
        "PT 3x/week",
        "goal K > 4, Mg > 2",
        "Transfuse for Hgb < 7",
        "titrate to MAP > 65",
        "INR goal 2-3",
        "lung CA 2019",
        "glucose checks 4 times daily",
        "low sodium diet",
        "insulin 70/30 20 units",
        "BNP\n3. Arrange echo",
        "magnesium 4 g IV",
        "Seen 3/14 at 0730, call 312-555-0188",
    ],
)
def test_what_is_no_value(text):
    assert values(text) == []


def test_a_baseline_is_dated_so():
    assert [(i.value, i.when) for i in find_indicators("Cr 2.4 (baseline 1.1)")] == [(2.4, None), (1.1, "baseline")]


def test_a_trend_says_its_direction():
    assert [i.detail("trend") for i in find_indicators("lactate 4.2 -> 5.1 -> 2.0")] == ["", "rising", "falling"]


def test_the_reference_range_of_the_note_is_kept_in_the_unit_of_the_table():
    found = only("Creatinine 212 µmol/L (60-110)")
    assert found.reference == pytest.approx((0.679, 1.244), abs=0.001)
    assert found.interpretation == "high"
    assert found.given == "212 µmol/L"


def test_a_comparator_is_kept_and_does_not_raise_an_alarm():
    found = only("troponin I <0.01")
    assert (found.value, found.comparator, found.interpretation) == (0.01, "<", "normal")


def test_an_unknown_unit_leaves_the_words():
    found = only("Sodium 131 mg/dL")
    assert (found.value, found.unit, found.given, found.interpretation) == (None, "", "131 mg/dL", "")


def test_critical_without_a_side_gets_the_side_of_the_value():
    found = only("Hgb: 6.2 g/dL Critical")
    assert (found.flag, found.interpretation) == ("LL", "critical_low")


def test_oxygen_is_told_with_the_saturation():
    found = only("SpO2 93% on 15 L NRB")
    assert (found.detail("device"), found.detail("flow_l_min")) == ("non-rebreather", "15")


def test_dates_of_columns_go_with_their_values():
    text = "            3/12/2026   3/13/2026\nSodium      131         126 L\n"
    assert [(i.value, i.flag, i.when) for i in find_indicators(text)] == [(131, "", "2026-03-12"), (126, "L", "2026-03-13")]


def test_a_missing_field_of_a_flowsheet_moves_nothing():
    text = "        3/12/2026   3/13/2026   3/14/2026\nNa      138                     126\n"
    assert [(i.value, i.when) for i in find_indicators(text)] == [(138, "2026-03-12"), (126, "2026-03-14")]


def test_a_row_of_a_report_is_quoted_whole():
    text = "Component   Value   Ref Range   Units   Flag\nSodium      128     136-145     mmol/L   L\n"
    found = only(text)
    assert text[found.span.start : found.span.end] == "Sodium      128     136-145     mmol/L   L"
    assert (found.reference, found.flag, found.unit) == ((136, 145), "L", "mmol/L")


def test_age_and_sex_decide_what_is_low():
    assert only("Hgb 13.0", sex="M", age_years=50).interpretation == "low"
    assert only("Hgb 13.0", sex="F", age_years=50).interpretation == "normal"
    assert only("Hgb 13.0").interpretation == "normal"


DATA = Path(__file__).parents[2] / "data" / "lab_reports"


@pytest.mark.parametrize("path", sorted(DATA.glob("*.txt")), ids=lambda p: p.stem)
def test_the_written_reports_are_read(path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    sys.modules.pop("lab_reader", None)
    import lab_reader

    right = expected = 0
    for _, text, answers in lab_reader.snippets(path):
        counts, _ = lab_reader.compare(text, answers)
        right += counts["right"]
        expected += counts["expected"] + counts["spurious"]
    assert right / expected >= 0.97
