"""The linter, on queries of many makes. AHIMA/ACDIS, Guidelines for Achieving a Compliant Query Practice (2022 Update)."""

import pytest

from codesuggest import lint_query

GOOD = """Renal function: request for clarification
To: attending physician

From the record:
- "creatinine 2.4" (laboratory, 2026-04-10)
- "baseline creatinine 1.1" (history of present illness)

Please document the diagnosis, if any, that these findings represent, based on your independent clinical judgment.
[ ] Acute kidney injury
[ ] Prerenal azotemia without acute kidney injury
[ ] Other (please specify): ________
[ ] Unable to determine
"""
LETTERS = """Dr Jones,
Clinical indicators:
- T 39.2, HR 118, RR 24, WBC 18.2
- Lactate 3.1, started on vancomycin and cefepime for pneumonia documented in the H&P
Based on your clinical judgment, can you provide a diagnosis that describes these findings?
a) Sepsis due to pneumonia
b) Pneumonia without sepsis
c) Other: ____
d) Unable to determine
"""


def rules(text, **more):
    return {f.rule for f in lint_query(text, **more)}


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        LETTERS,
        'Progress note 4/2 documents "Hgb 7.1, transfused 2 units". Please clarify the diagnosis being treated with transfusion.',
        'The H&P documents "CHF"; echo 4/3: LVEF 25%; IV furosemide 40 mg BID. Please clarify the type and acuity of heart failure.',
    ],
)
def test_a_compliant_query_has_no_finding(text):
    assert lint_query(text) == ()


@pytest.mark.parametrize(
    ("wording", "rule"),
    [
        ("Please document acute kidney injury.", "LINT-LEADING"),
        ("Would you agree that this is acute kidney injury?", "LINT-LEADING"),
        ("Don't you think that the patient had AKI?", "LINT-LEADING"),
        ("The patient clearly has acute kidney injury.", "LINT-LEADING"),
        ("The patient meets criteria for AKI.", "LINT-LEADING"),
        ("AKI should be documented.", "LINT-LEADING"),
        ("Can we say that this was AKI?", "LINT-LEADING"),
        ("We believe that AKI is supported.", "LINT-LEADING"),
        ("The account is under review for the DRG.", "LINT-MONEY"),
        ("AKI is a CC and encephalopathy an MCC.", "LINT-MONEY"),
        ("The payer may issue a denial.", "LINT-MONEY"),
        ("Reimbursement depends on this.", "LINT-MONEY"),
        ("The CMI of the service is low.", "LINT-MONEY"),
        ("Please reply so that the SOI and ROM are right.", "LINT-QUALITY"),
        ("This case was flagged for PSI 10.", "LINT-QUALITY"),
        ("Your quality scores are at stake.", "LINT-QUALITY"),
        ("Your answer will increase the severity.", "LINT-IMPACT"),
        ("This helps to reflect the true severity.", "LINT-IMPACT"),
        ("N17.9 would be assigned.", "LINT-IMPACT"),
    ],
)
def test_words_that_lead_or_speak_of_money_are_found(wording, rule):
    found = [f for f in lint_query(GOOD + wording + "\n") if f.rule == rule]
    assert found
    assert found[0].severity == "error"
    assert found[0].start >= len(GOOD)
    assert found[0].citation


def test_the_same_words_within_a_quotation_are_the_record_s():
    text = GOOD.replace('"baseline creatinine 1.1"', '"patient clearly has AKI, will increase fluids"')
    assert rules(text) == set()


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("Renal function:", "Acute kidney injury:", "LINT-TITLE"),
        ("[ ] Other (please specify): ________\n", "", "LINT-NO-OTHER"),
        ("[ ] Unable to determine\n", "", "LINT-NO-UNDETERMINED"),
        ("[ ] Prerenal azotemia without acute kidney injury\n", "", "LINT-SINGLE"),
        ("[ ] Prerenal", "[ ] Severe malnutrition\n[ ] Prerenal", "LINT-UNSUPPORTED"),
        ("[ ] Prerenal", "[ ] Sepsis\n[ ] Prerenal", "LINT-UNSUPPORTED"),
    ],
)
def test_title_and_answers_are_judged(old, new, rule):
    assert rules(GOOD.replace(old, new)) == {rule}


def test_a_query_without_indicators_is_found():
    assert "LINT-NO-INDICATORS" in rules("Please clarify the type of heart failure.\n[ ] Systolic\n[ ] Diastolic\n[ ] Other\n[ ] Unable to determine")


def test_a_text_that_asks_nothing_is_found():
    assert "LINT-NO-QUESTION" in rules("Na 124 on 4/3, fluid restriction.")


@pytest.mark.parametrize(
    "text",
    [
        "Na 124 on 4/3 and fluid restriction. Does the patient have hyponatremia? Yes / No",
        "Confused, ammonia 90, lactulose. Was this hepatic encephalopathy?\n[ ] Yes\n[ ] No\n[ ] Other\n[ ] Unable to determine",
    ],
)
def test_yes_or_no_is_not_for_a_new_diagnosis(text):
    assert "LINT-YES-NO" in rules(text)


@pytest.mark.parametrize(
    "text",
    [
        "A stage 3 pressure ulcer of the sacrum is documented in the discharge summary and in the wound note of 4/2. "
        "Was the pressure ulcer present on admission?\n[ ] Yes\n[ ] No\n[ ] Other\n[ ] Unable to determine",
        "UTI is documented on 4/4, and an indwelling Foley catheter since 4/1. Is the documented UTI due to the indwelling catheter?"
        "\n[ ] Yes\n[ ] No\n[ ] Other\n[ ] Unable to determine",
    ],
)
def test_yes_or_no_is_allowed_for_admission_and_for_cause(text):
    assert rules(text) == set()


def test_yes_or_no_needs_a_way_out():
    text = "A DVT is documented on 4/4; duplex 4/4. Was the DVT present on admission?\n[ ] Yes\n[ ] No"
    assert "LINT-YES-NO-ESCAPE" in rules(text)


def test_what_is_quoted_must_stand_in_the_note():
    note = "LABS: creatinine 2.4\nHPI: baseline creatinine  1.1"
    assert rules(GOOD, note_text=note) == set()
    assert rules(GOOD, note_text=note.replace("2.4", "1.4")) == {"LINT-NOT-IN-NOTE"}


def test_a_value_without_quotation_marks_must_be_one_of_the_note():
    text = "Creatinine 2.4 on 4/1.\nPlease clarify the diagnosis, if any."
    assert rules(text, note_text="Creatinine 2.4 on 4/1") == set()
    assert rules(text, note_text="Creatinine 1.1 on 4/1") == {"LINT-NOT-IN-NOTE"}


def test_a_diagnosis_beside_the_answers_must_be_documented():
    text = 'From the record: "creatinine 2.4". Acute kidney injury was treated. Please clarify its cause.'
    note = "creatinine 2.4, fluids"
    assert "LINT-NEW-DIAGNOSIS" in rules(text, note_text=note)
    assert "LINT-NEW-DIAGNOSIS" not in rules(text, note_text=note + ", AKI")


def test_answers_may_be_handed_in():
    text = '"creatinine 2.4", "baseline 1.1". Please document the diagnosis, if any.'
    assert rules(text, options=["Acute kidney injury", "Prerenal azotemia", "Other", "Unable to determine"]) == set()
    assert rules(text, options=["Acute kidney injury", "Prerenal azotemia"]) == {"LINT-NO-OTHER", "LINT-NO-UNDETERMINED"}


def test_findings_are_in_the_order_of_the_text_and_the_same_again():
    text = GOOD + "The DRG will change. Please document AKI."
    assert list(lint_query(text)) == sorted(lint_query(text)) == list(lint_query(text))


@pytest.mark.parametrize("text", ["", " ", "\n\n", "?", "[ ]", "\x00", "“", '"' * 50])
def test_any_text_is_taken(text):
    lint_query(text, note_text=text)
