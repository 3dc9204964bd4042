import datetime as dt

import pytest
from examples import DAY, tables

from codesuggest.edits import check_result, claim_from_text
from codesuggest.edits.missed import compare_with_note, modifier_words
from codesuggest.errors import PrerequisiteError
from codesuggest.records import Evidence, Note, Result, Span, Suggestion, Suppressed

TEXT = "Acute on chronic systolic heart failure. Hypertension. No pneumonia. Possible asthma. Mother had breast cancer."


def evidence(words):
    at = TEXT.index(words)
    return (Evidence(Span(at, at + len(words)), words),)


def suggestion(rank, code, words, *, selected=True):
    title = tables().release.title(code)
    return Suggestion(rank, code, "ICD-10-CM", title, 0.9 if selected else 0.1, selected, True, evidence(words))


RESULT = Result(
    "n1",
    TEXT,
    "",
    (suggestion(1, "I50.23", "Acute on chronic systolic heart failure"), suggestion(2, "I10", "Hypertension")),
    (
        Suppressed("J18.9", "", "absent", "", evidence("pneumonia")),
        Suppressed("J45.909", "", "possible", "", evidence("asthma")),
        Suppressed("C50.919", "", "someone_else", "", evidence("breast cancer")),
    ),
)


def compared(text):
    return [(f.rule_id, f.severity, f.codes) for f in compare_with_note(claim_from_text(text), RESULT, tables())]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I50.23 I10", []),
        ("I50.23", [("MIS-01", "advice", ("I10",))]),
        ("I50.23 I10 K21.9", [("MIS-02", "advice", ("K21.9",))]),
        ("I50.23 I10 J18.9", [("MIS-03", "warning", ("J18.9",))]),
        ("I50.23 I10 C50.919", [("MIS-03", "warning", ("C50.919",))]),
        ("I50.23 I10 J45.909 setting=outpatient", [("MIS-04", "warning", ("J45.909",))]),
        ("I50.23 I10 J45.909 setting=inpatient", []),
        ("I50.9 I10", [("MIS-05", "warning", ("I50.9", "I50.23"))]),
        ("I50.22 I10", []),
    ],
)
def test_a_claim_is_compared_with_the_note(text, expected):
    assert compared(text) == expected


@pytest.mark.parametrize(
    ("claimed", "supported", "fires"),
    [
        ("N30.01", "N30.00", True),
        ("N30.00", "N30.01", True),
        ("N30.10", "N30.01", False),
        ("M17.12", "M17.11", True),
        ("M17.12", "M17.12", False),
    ],
)
def test_a_code_that_says_the_contrary_of_the_note(claimed, supported, fires):
    result = Result("n1", TEXT, "", (suggestion(1, supported, "Hypertension"),))
    found = compare_with_note(claim_from_text(claimed), result, tables())
    assert [(f.rule_id, f.codes) for f in found] == ([("MIS-06", (claimed, supported))] if fires else [])


def test_both_sides_on_the_claim_say_nothing_contrary():
    result = Result("n1", TEXT, "", (suggestion(1, "M17.11", "Hypertension"),))
    assert compare_with_note(claim_from_text("M17.11 M17.12"), result, tables()) == ()


def test_findings_show_the_words_of_the_note():
    (found,) = compare_with_note(claim_from_text("I50.23 I10 J18.9"), RESULT, tables())
    assert [e.excerpt for e in found.evidence] == ["pneumonia"]
    (found,) = compare_with_note(claim_from_text("I50.23"), RESULT, tables())
    assert all(TEXT[e.span.start : e.span.end] == e.excerpt for e in found.evidence)


def test_over_and_under_coding_weigh_alike():
    from codesuggest.edits.missed import LACKING, UNSUPPORTED

    assert LACKING.severity == UNSUPPORTED.severity


def test_check_result_finds_the_pair_with_its_words_and_no_edit_of_the_order():
    found = check_result(RESULT, Note("n1", TEXT, date_of_service=DAY), tables=tables())
    assert [f.rule_id for f in found] == ["GUI-901"]
    assert {e.excerpt for e in found[0].evidence} == {"Acute on chronic systolic heart failure", "Hypertension"}
    ordered = Result("n1", TEXT, "", (suggestion(1, "N18.30", "Hypertension"), suggestion(2, "I12.9", "Hypertension")))
    assert check_result(ordered, Note("n1", TEXT), on=DAY, tables=tables()) == ()


def test_check_result_with_a_claim_runs_everything():
    claim = claim_from_text("N18.30 I12.9 I50.23 I10")
    ids = [f.rule_id for f in check_result(RESULT, Note("n1", TEXT), on=DAY, claim=claim, tables=tables())]
    assert "TAB-21" in ids
    assert "MIS-02" in ids
    assert "GUI-905" in ids


def test_check_result_needs_a_date():
    with pytest.raises(PrerequisiteError, match="CS400"):
        check_result(RESULT, Note("n1", TEXT))
    dated = claim_from_text("I10 service_date=2026-05-04")
    assert check_result(RESULT, Note("n1", TEXT), claim=dated)


def test_words_that_bear_on_a_modifier(tmp_path):
    from codesuggest.edits.ncci import PtpTable, compile_ptp

    (tmp_path / "ptp.txt").write_text("G0101\tG0102\t\t20200101\t*\t1\tx\n")
    made = compile_ptp([tmp_path / "ptp.txt"], tmp_path / "t", kind="practitioner", quarter="q", first=dt.date(2026, 1, 1))
    ours = tables().with_(ptp=(PtpTable.open(made),))
    note = Note("n1", "Excised through a separate incision on the other day.")
    claim = claim_from_text("I10 +G0101 +G0102 setting=professional")
    found = [f for f in check_result(Result("n1", "", "", ()), note, on=DAY, claim=claim, tables=ours) if f.rule_id == "NCCI-02"]
    assert found[0].evidence[0].excerpt == "separate incision"
    assert "XS" in found[0].message
    assert modifier_words(Note("n2", "Nothing of note.")) == ()
