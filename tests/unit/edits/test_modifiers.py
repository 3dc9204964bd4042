import datetime as dt

import pytest
from examples import DAY, tables

from codesuggest.codes.readers import HcpcsRecord
from codesuggest.edits import Claim, Procedure, check, claim_from_text
from codesuggest.edits.modifiers import modifiers_of_hcpcs, read_modifiers
from codesuggest.errors import ConfigError

TABLES = tables()


def ids(text, *, on=DAY, with_tables=TABLES):
    return [f.rule_id for f in check(claim_from_text(text), on=on, tables=with_tables) if f.rule_id.startswith("MOD")]


@pytest.mark.parametrize(
    ("fires", "silent", "rule_id"),
    [
        ("+G0101-5", "+G0101-59", "MOD-01"),
        ("+G0101-21", "+G0101-22", "MOD-02"),
        ("+G0101-XS@2014-12-31", "+G0101-XS@2015-01-01", "MOD-03"),
        ("+99400-93@2021-12-31", "+99400-93@2022-01-01", "MOD-03"),
        ("+39990-25", "+99400-25", "MOD-04"),
        ("+99400-RT", "+39990-RT", "MOD-04"),
        ("+39990-91", "+89990-91", "MOD-04"),
        ("+39990-AA", "+01998-AA", "MOD-04"),
        ("+79990-73 setting=professional", "+79990-73 setting=outpatient", "MOD-05"),
        ("+99400-24 setting=outpatient", "+99400-25 setting=outpatient", "MOD-05"),
        ("+79990-26 setting=outpatient", "+79990-26 setting=professional", "MOD-05"),
        ("+79990-26-TC", "+79990-26", "MOD-06"),
        ("+G0101-59-XS", "+G0101-XS", "MOD-06"),
        ("+G0101-58-78", "+G0101-58-59", "MOD-06"),
        ("+G0101-GC-GE", "+G0101-GC", "MOD-06"),
        ("+99400-95-93", "+99400-93-FQ", "MOD-06"),
        ("+A4550-GA-GZ", "+A4550-GX-GY", "MOD-06"),
        ("+G0101-59-59", "+G0101-59", "MOD-07"),
        ("+79990-RT-26", "+79990-26-RT", "MOD-08"),
        ("+39990-50-RT", "+39990-50", "MOD-09"),
        ("+39990-50*2", "+39990-50*1", "MOD-09"),
        ("M17.12 +39990-RT", "M17.11 +39990-RT", "MOD-10"),
        ("M17.12 M17.11 +39990-RT#1", "M17.12 M17.11 +39990-RT#2", "MOD-10"),
        ("+39990-RT M17.12", "M17.0 M17.12 +39990-LT", "MOD-10"),
        ("+79990 +79990", "+79990 +79990-76", "MOD-11"),
        ("+79990@2026-05-04 +79990", "+79990@2026-05-03 +79990", "MOD-11"),
        ("+89990 +89990-76", "+89990 +89990-91", "MOD-12"),
        ("+99400-GE", "+G0402-GE", "MOD-13"),
        ("+39990-RT-LT", "+39990-RT +39990-LT", "MOD-15"),
        ("+39990-50 +39990-LT", "+39990-50 +39991-LT", "MOD-16"),
        ("+39990-50 +39990-RT", "+39990-RT +39990-LT", "MOD-16"),
        ("+79990-76", "+79990 +79990-76", "MOD-17"),
        ("+89990-91", "+89990-91 history=89990@2026-05-04", "MOD-17"),
        ("+89990-91 history=89990@2026-05-03", "+89990-91 +89990", "MOD-17"),
        ("+79990 +79990-26", "+79990-TC +79990-26", "MOD-18"),
        ("+79990 +79990-TC", "+79990 +79991-TC", "MOD-18"),
        ("+99400-25", "+99400-25 +39990", "MOD-19"),
        ("+99400-25 +39990@2026-05-03", "+99400-25 history=39990@2026-05-04", "MOD-19"),
        ("I10 +39990#2", "I10 E78.5 +39990#2", "MOD-20"),
    ],
)
def test_a_rule_fires_and_stays_silent(fires, silent, rule_id):
    setting = "" if "setting" in fires else " setting=professional"
    assert rule_id in ids(fires + setting)
    assert rule_id not in ids(silent + setting)


def test_the_primary_care_exception_was_wider_until_may_2023():
    assert ids("+99400-GE setting=professional", on=dt.date(2023, 5, 11)) == []
    assert ids("+99400-GE setting=professional", on=dt.date(2023, 5, 12)) == ["MOD-13"]


def test_a_hcpcs_file_says_which_modifiers_exist():
    def record(code, terminated=None):
        return HcpcsRecord(code, True, "", "", "", "", dt.date(2010, 1, 1), None, terminated, "")

    ours = TABLES.with_(modifiers=modifiers_of_hcpcs(TABLES.modifiers, [record("KX"), record("ZZ", dt.date(2026, 5, 4))]))
    assert ids("+G0101-KX setting=professional", with_tables=ours) == []
    assert ids("+G0101-Z9 setting=professional", with_tables=ours) == ["MOD-02"]
    assert ids("+G0101-Z9 setting=professional") == []
    assert ids("+G0101-ZZ setting=professional", with_tables=ours) == []
    assert ids("+G0101-ZZ setting=professional", with_tables=ours, on=dt.date(2026, 5, 5)) == ["MOD-03"]
    assert ids("+G0101-KX setting=professional", with_tables=ours, on=dt.date(2009, 12, 31)) == ["MOD-03"]


def test_read_modifiers_names_the_line(tmp_path):
    head = "modifier\tkind\tsettings\texclusive\tcodes\tside\tfirst\tlast\tsource\n"
    file = tmp_path / "m.tsv"
    for line in ("A1\tpricing\n", "A1\tcostly\t\t\t\t\t\t\tx\n", "A1\tpricing\t\t\t\t\tsoon\t\tx\n"):
        file.write_text(head + line)
        with pytest.raises(ConfigError, match=r"CS417.*Line 2"):
            read_modifiers(file)


@pytest.mark.parametrize(
    ("modifiers", "place", "setting", "on", "fires"),
    [
        (("95",), "11", "professional", DAY, True),
        (("95",), "10", "professional", DAY, False),
        (("93",), "02", "professional", DAY, False),
        (("GT",), "12", "professional", DAY, True),
        (("GQ",), "11", "professional", DAY, True),
        (("95",), "22", "professional", DAY, False),
        (("95",), "", "professional", DAY, False),
        (("25",), "11", "professional", DAY, False),
        (("95",), "11", "outpatient", DAY, False),
        (("95",), "11", "professional", dt.date(2024, 1, 1), True),
        (("95",), "11", "professional", dt.date(2023, 12, 31), False),
    ],
)
def test_telehealth_agrees_with_the_place_of_service(modifiers, place, setting, on, fires):
    claim = Claim(procedures=(Procedure(1, "99400", modifiers, place_of_service=place),), setting=setting)
    assert ("MOD-14" in [f.rule_id for f in check(claim, on=on, tables=TABLES)]) == fires
