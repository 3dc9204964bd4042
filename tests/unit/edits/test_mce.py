import datetime as dt

import pytest
from examples import findings, ids, tables

from codesuggest.edits.mce import read_mce_lists
from codesuggest.errors import InputFormatError

HEAD = "icd_code,icd_description,icd_conflict_group,icd_conflict_rule\n"
LISTS = f"""{HEAD}A33,x,Age,Perinatal/Newborn (Age 0 Only)
Z00.2,x,Age,Pediatric (Ages 0-17)
O80,x,Age,Maternity (Ages 9-64)
F03.90,x,Age,Adult (Ages 15-124)
N40.0,x,Sex,Male Only
O80,x,Sex,Female Only
G73.1,x,Other,Manifestation (Not Allowed as Principal Diagnosis)
R54,x,Other,Unacceptable Principal Diagnosis
Z43.0,x,Other,Requires Secondary Diagnosis
I10,x,Other,Questionable Admission
W19.XXXA,x,Other,External Causes of Morbidity
H40.1190,x,Other,Unspecified Code
"""
OLD = dt.date(2024, 9, 30)


@pytest.fixture
def official(tmp_path):
    file = tmp_path / "mce.csv"
    file.write_text(LISTS)
    ours = read_mce_lists(file, version="41.1", first=dt.date(2024, 4, 1), last=dt.date(2024, 9, 30))
    return tables().with_(mce=(ours, *tables().mce))


def mce_ids(text, official, on=OLD):
    return [
        (f.rule_id, f.severity)
        for f in findings(f"{text} setting=inpatient", on=on, with_tables=official)
        if f.rule_id[:3] == "MCE"
    ]


@pytest.mark.parametrize(
    ("code", "inside", "outside"),
    [
        ("A33", ["0", "0.9"], ["1"]),
        ("Z00.2", ["0", "17"], ["18"]),
        ("O80", ["9", "64", "64.9"], ["8", "65"]),
        ("F03.90", ["15", "124"], ["14"]),
    ],
)
def test_age_conflict_at_both_ends(official, code, inside, outside):
    for age in inside:
        assert mce_ids(f"{code} age_years={age}", official) == [], age
    for age in outside:
        assert mce_ids(f"{code} age_years={age}", official) == [("MCE-04", "error")], age
    assert mce_ids(code, official) == []


def test_an_edit_without_an_official_list_is_a_warning_and_says_so():
    (found,) = [f for f in findings("Z38.00 age_years=1 setting=inpatient") if f.rule_id == "MCE-04"]
    assert found.severity == "warning"
    assert "not the Medicare Code Editor's own list" in found.citation


def test_a_version_holds_between_its_dates(official):
    for day, citation in ((dt.date(2024, 3, 31), "derived"), (dt.date(2024, 4, 1), "v41.1"), (OLD, "v41.1")):
        (found,) = [
            f for f in findings("O80 age_years=70 setting=inpatient", on=day, with_tables=official) if f.rule_id == "MCE-04"
        ]
        assert citation in found.citation


def test_sex_conflict_ends_with_september_2024(official):
    assert mce_ids("J18.9 N40.0 sex=F", official) == [("MCE-05", "error")]
    assert mce_ids("N40.0 sex=M", official) == []
    assert mce_ids("O80 sex=M", official) == [("MCE-05", "error")]
    assert mce_ids("N40.0 sex=F", official, on=dt.date(2024, 10, 1)) == []
    assert mce_ids("N40.0 sex=X", official) == []


@pytest.mark.parametrize(
    ("fires", "silent", "rule_id", "severity"),
    [
        ("W19.XXXA S72.001A", "S72.001A W19.XXXA", "MCE-02", "error"),
        ("J18.9 E78.5 J18.9", "J18.9 E78.5", "MCE-03", "error"),
        ("G73.1 C34.90", "C34.90 G73.1", "MCE-06", "error"),
        ("I10", "J18.9 I10", "MCE-08", "warning"),
        ("R54", "J18.9 R54", "MCE-09", "error"),
        ("Z43.0", "Z43.0 J18.9", "MCE-10", "error"),
        ("J18.9 age_years=125", "J18.9 age_years=124", "MCE-14", "error"),
        ("J18.9 sex=Q", "J18.9 sex=F", "MCE-15", "error"),
        ("J18.9 discharge_status=08", "J18.9 discharge_status=07", "MCE-16", "error"),
        ("J18.9 discharge_status=96", "J18.9 discharge_status=95", "MCE-16", "error"),
        ("J18.9 Y65.51", "J18.9", "MCE-18", "error"),
        ("J96.01 H40.1190", "J96.01 H40.1110", "MCE-20", "warning"),
    ],
)
def test_an_edit_fires_and_stays_silent(official, fires, silent, rule_id, severity):
    assert (rule_id, severity) in mce_ids(fires, official)
    assert rule_id not in [r for r, _ in mce_ids(silent, official)]
    assert rule_id not in [f.rule_id for f in findings(fires, on=OLD, with_tables=official)]  # not an inpatient claim


def test_unspecified_side_begins_with_april_2022(official, tmp_path):
    file = tmp_path / "all.csv"
    file.write_text(LISTS)
    always = tables().with_(mce=(read_mce_lists(file, version="x"),))
    assert "MCE-20" not in ids("J96.01 H40.1190 setting=inpatient", on=dt.date(2022, 3, 31), with_tables=always)
    assert "MCE-20" in ids("J96.01 H40.1190 setting=inpatient", on=dt.date(2022, 4, 1), with_tables=always)


def test_ventilation_needs_four_days():
    stay = "J96.01 +5A1955Z setting=inpatient admission_date=2026-05-01 discharge_date=2026-05-0"
    assert "MCE-19" in ids(f"{stay}4")
    assert "MCE-19" not in ids(f"{stay}5")


def test_read_mce_lists_refuses_another_file(tmp_path):
    file = tmp_path / "x.csv"
    for text in ("a,b\n1,2\n", f"{HEAD}I10,x,y,Something\n"):
        file.write_text(text)
        with pytest.raises(InputFormatError, match="CS414"):
            read_mce_lists(file, version="1")


@pytest.mark.parametrize("code", ["Z85.3", "Z86.73", "Z90.11", "Z95.1", "Z99.2", "Z72.0", "Z28.310"])
def test_a_history_or_status_is_no_principal_diagnosis(code):
    assert ("MCE-09", "warning") in [(f.rule_id, f.severity) for f in findings(f"{code} setting=inpatient")]
    assert "MCE-09" not in ids(f"I21.4 {code} setting=inpatient")
    assert "MCE-09" not in ids(f"{code} setting=outpatient")
    assert "MCE-09" not in ids("Z99.12 setting=inpatient")


def test_other_aftercare_asks_for_a_secondary_diagnosis():
    assert "MCE-10" in ids("Z51.89 setting=inpatient")
    assert "MCE-10" not in ids("Z51.89 I10 setting=inpatient")
