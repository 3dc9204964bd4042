import datetime as dt

import pytest
from examples import DAY, findings, ids, tables

from codesuggest.codes import Releases
from codesuggest.edits import default_tables


@pytest.mark.parametrize(
    ("code", "rule_id", "words"),
    [
        ("Q00.7", "TAB-01", "not a code"),
        ("I10.0", "TAB-01", "Use I10"),
        ("banana", "TAB-01", "not written as"),
        ("E11", "TAB-02", "E11.0"),
        ("E11.3", "TAB-02", "E11.31"),
        ("T14.91", "TAB-03", "T14.91XA"),
        ("S72.001", "TAB-03", "S72.001A"),
        ("T14.91XZ", "TAB-04", "A initial encounter"),
        ("E11.65XA", "TAB-04", "takes no seventh character"),
        ("T14.91A", "TAB-05", "T14.91XA"),
    ],
)
def test_a_code_that_cannot_be_billed_is_an_error_that_says_what_to_use(code, rule_id, words):
    found = findings(code)
    assert [(f.rule_id, f.severity) for f in found] == [(rule_id, "error")]
    assert words in found[0].message


@pytest.mark.parametrize("code", ["I10", "E11.65", "e1165", "T14.91XA", "S72.001A", "A00.0"])
def test_a_complete_code_is_silent(code):
    assert ids(code) == []


def test_excludes1_is_found_in_both_directions_and_says_the_exception():
    for text in ("E10.9 E11.9", "E11.9 E10.9"):
        found = [f for f in findings(text) if f.rule_id == "TAB-10"]
        assert len(found) == 1
        assert found[0].severity == "warning"
        assert found[0].codes == ("E10.9", "E11.9")
        assert "I.A.12.a" in found[0].message
        assert "unrelated" in found[0].message


@pytest.mark.parametrize(
    ("pair", "where"),
    [("E10.9 E11.9", "E1"), ("R73.03 E11.9", "R73"), ("P70.2 E10.9", ""), ("J01.90 J32.9", "J01"), ("O24.410 E10.9", "")],
)
def test_excludes1_holds_at_every_level(pair, where):
    found = [f for f in findings(pair) if f.rule_id == "TAB-10"]
    assert found
    assert f"Excludes1 at {where}" in found[0].message


@pytest.mark.parametrize("pair", ["E11.9 E78.5", "I10 E11.9", "J44.9 F17.210"])
def test_excludes1_is_silent_for_codes_that_go_together(pair):
    assert ids(pair) == []


def test_excludes1_agrees_with_the_release_for_every_pair_of_some_codes():
    index, release = tables().index, tables().release
    for code in ("E11.65", "I10", "J18.9", "K21.00", "S72.001A", "O80", "R10.9", "F32.A", "Z21", "M80.00XA"):
        for other in (*release.descendants(code[:3], billable_only=True), "E10.9", "I50.9", "R05.1", "B20", "R07.9"):
            wanted = other != code and (
                any(other in r for r in release.excludes1(code)) or any(code in r for r in release.excludes1(other))
            )
            assert (index.exclusion(index.facts(code), index.facts(other)) is not None) == wanted, (code, other)


def test_excludes2_is_information_only():
    assert ids("K21.9 K44.9") == []
    (found,) = [f for f in findings("K21.9 K44.9", information=True) if f.rule_id == "TAB-11"]
    assert (found.rule_id, found.severity, found.codes) == ("TAB-11", "advice", ("K21.9", "K44.9"))
    assert "TAB-11" not in ids("K21.9 I10", information=True)


def test_a_manifestation_cannot_be_first():
    assert ids("F02.80 G30.9") == ["TAB-20", "TAB-21"]
    assert ids("G30.9 F02.80") == []


def test_code_first_asks_for_the_underlying_condition_before():
    found = findings("N18.30 I12.9")
    assert [(f.rule_id, f.severity, f.codes) for f in found] == [("TAB-21", "warning", ("N18.30", "I12.9"))]
    assert ids("I12.9 N18.30") == []
    assert "TAB-21" not in ids("I50.9 E11.9")  # "code first" names causes the claim does not have


def test_use_additional_code_is_information_only():
    assert ids("E11.9") == []
    assert "TAB-22" in ids("E11.9", information=True)
    assert "TAB-22" not in ids("E11.9 Z79.84", information=True)


def test_code_also_is_information_only():
    assert ids("H35.033 I10") == []
    assert "TAB-23" in ids("H35.00", information=True)
    assert "TAB-23" not in ids("H35.00 I10", information=True)
    assert "TAB-23" not in ids("H35.00")


def test_includes_is_information_only():
    (found,) = [f for f in findings("I10", information=True) if f.rule_id == "TAB-24"]
    assert "high blood pressure" in found.message
    assert "TAB-24" not in ids("I10")
    assert "TAB-24" not in ids("R05.1", information=True)


@pytest.fixture(scope="module")
def with_other_releases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("releases")
    rows = {
        "old": ["M54.5   1 Low back pain", "I10     1 Essential (primary) hypertension", "M545Z   1 Wholly other"],
        "now": [
            "M54.50  1 Low back pain, unspecified",
            "M54.51  1 Vertebrogenic low back pain",
            "I10     1 Essential hypertension",
        ],
        "new": [
            "M54.50  1 Low back pain, unspecified",
            "M54.5A  1 Low back pain of tomorrow",
            "I10     1 Essential hypertension",
        ],
    }
    releases = Releases(folder)
    days = {"old": dt.date(2020, 10, 1), "now": dt.date(2025, 10, 1), "new": dt.date(2026, 10, 1)}
    for name, lines in rows.items():
        text = ""
        for number, line in enumerate(lines, 1):
            code, flag, title = line.split(None, 2)
            text += f"{number:05d} {code.replace('.', ''):7} {flag} {title[:60]:60} {title}\n"
        (folder / f"{name}.txt").write_text(text)
        releases.add(folder / f"{name}.txt", effective=days[name])
    return releases


def test_a_deleted_code_names_its_successor(with_other_releases):
    ours = default_tables(DAY, releases=with_other_releases)
    (found,) = findings("M54.5", with_tables=ours)
    assert found.rule_id == "TAB-01"
    assert "M54.50 (Low back pain, unspecified)" in found.message
    assert "is deleted" in found.message


def test_a_code_of_a_later_release_says_from_when(with_other_releases):
    ours = default_tables(DAY, releases=with_other_releases)
    (found,) = findings("M54.5A", with_tables=ours)
    assert "is a code from 2026-10-01 on" in found.message
    (found,) = findings("M54.59", with_tables=ours)
    assert "2026-10-01" not in found.message


def test_every_wrong_seventh_character_of_some_codes_is_an_error():
    release = tables().release
    for stem in ("S72.001", "T36.0X1", "M80.051", "H40.111"):
        good = set(release.seventh_characters(stem))
        for character in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789":
            found = [f for f in findings(f"I10 {stem}{character}") if f.severity == "error"]
            assert bool(found) == (character not in good), stem + character
