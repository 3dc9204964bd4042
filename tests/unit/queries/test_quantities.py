"""The tables of laboratory quantities and vital signs, and their units."""

import re

import pytest

from codesuggest.queries.quantities import interpret, load_quantities, measure, reference_of, unit_of

QUANTITIES = load_quantities()


def quantity(name):
    return next(q for q in QUANTITIES if q.name == name)


# 3150-6 (inhaled oxygen concentration) is the code of the US Core pulse oximetry profile; its last digit is no check digit.
@pytest.mark.parametrize("code", sorted({q.loinc for q in QUANTITIES if q.loinc} - {"3150-6"}))
def test_a_loinc_code_ends_in_its_check_digit(code):
    """Mod 10 check digit: LOINC Users' Guide, appendix B."""
    digits, check = code.split("-")
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    assert (10 - total % 10) % 10 == int(check)


@pytest.mark.parametrize("row", QUANTITIES, ids=lambda q: q.title)
def test_a_row_says_where_it_is_from_and_its_limits_are_in_order(row):
    assert row.source
    assert row.believable[0] < row.believable[1]
    for reference in row.ranges:
        low, high = reference.limits
        assert low is None or high is None or low <= high
    if row.critical and row.critical[0] and row.critical[2]:
        assert row.critical[1] < row.critical[3]


@pytest.mark.parametrize(
    ("name", "number", "unit", "expected"),
    [
        # Conversion factors: AMA Manual of Style, 11th ed., Table 18.5-1 (SI units).
        ("creatinine", 88.4, "µmol/L", 1.0),
        ("glucose", 10, "mmol/L", 180.2),
        ("calcium", 2.5, "mmol/L", 10.02),
        ("bilirubin_total", 17.1, "umol/L", 1.0),
        ("bun", 10, "mmol/L", 28.01),
        ("hemoglobin", 72, "g/L", 7.2),
        ("albumin", 21, "g/L", 2.1),
        ("lactate", 18, "mg/dL", 1.998),
        ("magnesium", 1.0, "mEq/L", 1.215),
        ("cholesterol", 5.0, "mmol/L", 193.3),
        ("triglycerides", 2.0, "mmol/L", 177.1),
        ("platelets", 45000, "/mm3", 45.0),
        ("wbc", 18.4, "x10(3)/mcL", 18.4),
        ("tsh", 4.2, "uIU/mL", 4.2),
        ("crp", 18, "mg/dL", 180.0),
        ("troponin_i", 450, "ng/L", 0.45),
        ("temperature", 98.6, "°F", 37.0),
        ("weight", 180, "lbs", 81.65),
        ("po2", 8.0, "kPa", 60.0),
        ("hba1c", 53, "mmol/mol", 7.0),  # NGSP = 0.0915 IFCC + 2.15: Hoelzel, Clin Chem 2004;50:166
        ("d_dimer", 1.0, "ug/mL DDU", 2000.0),
    ],
)
def test_a_unit_is_converted_to_that_of_the_table(name, number, unit, expected):
    value = measure(quantity(name), number, unit)
    assert value is not None
    assert value.value == pytest.approx(expected, rel=0.002)


@pytest.mark.parametrize(
    ("name", "number", "expected"),
    [
        ("creatinine", 212, 2.398),
        ("creatinine", 2.1, 2.1),
        ("hemoglobin", 72, 7.2),
        ("hemoglobin", 7.2, 7.2),
        ("calcium", 2.6, 10.42),
    ],
)
def test_a_number_without_a_unit_is_read_in_the_only_unit_it_can_have(name, number, expected):
    assert measure(quantity(name), number, "").value == pytest.approx(expected, rel=0.001)


@pytest.mark.parametrize(
    ("name", "number", "unit"), [("hemoglobin", 7.2, "mg/dL"), ("sodium", 128, "mg/dL"), ("sodium", 128, "foo/L")]
)
def test_a_wrong_or_unknown_unit_leaves_no_value(name, number, unit):
    assert measure(quantity(name), number, unit).value is None


@pytest.mark.parametrize(
    ("name", "number", "unit"), [("potassium", 20, "mEq"), ("iron", 325, "mg"), ("magnesium", 2, "g"), ("potassium", 40, "")]
)
def test_a_dose_is_not_a_value(name, number, unit):
    assert measure(quantity(name), number, unit) is None


@pytest.mark.parametrize(
    "spelling", ["K/uL", "k/µL", "10^9/L", "x10^3/mm3", "10*3/uL", "thou/uL", "x10E3/uL", "×10⁹/L", "K/cumm"]
)
def test_the_unit_of_cell_counts_has_many_spellings(spelling):
    assert unit_of(spelling).name == "10^9/L"


def test_sex_and_age_choose_the_reference_range():
    hemoglobin = quantity("hemoglobin")
    assert reference_of(hemoglobin, 40, "F") == (12, 16)
    assert reference_of(hemoglobin, 40, "M") == (14, 18)
    assert reference_of(hemoglobin, 40, None) == (12, 18)  # not known: nothing is flagged too soon
    assert reference_of(hemoglobin, 1 / 365.25, None) == (14.5, 22.5)
    assert reference_of(hemoglobin, 4, "M") == (11.5, 13.5)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (119, "critical_low"),
        (120, "low"),
        (135.9, "low"),
        (136, "normal"),
        (145, "normal"),
        (145.1, "high"),
        (161, "critical_high"),
    ],
)
def test_the_side_of_the_range_at_its_bounds(value, expected):
    assert interpret(quantity("sodium"), value) == expected


def test_the_range_in_the_note_goes_before_the_flag_and_the_flag_before_the_table():
    potassium = quantity("potassium")
    assert interpret(potassium, 5.2, reference=(3.5, 5.3), flag="H") == "normal"
    assert interpret(potassium, 4.9, flag="H") == "high"
    assert interpret(potassium, 5.2) == "high"


def test_no_critical_limit_of_adults_for_a_child():
    assert interpret(quantity("hemoglobin"), 6.0, age_years=4) == "low"


def test_every_name_of_a_table_is_a_name():
    for row in QUANTITIES:
        assert row.names
        for name in row.names:
            assert re.search(r"\w", name), row.name
            assert name == name.strip(), row.name
