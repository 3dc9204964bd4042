import datetime as dt

import pytest
from examples import DAY, findings, ids, tables

from codesuggest.edits import guidelines
from codesuggest.edits.guidelines import read_guidelines, trimester_of
from codesuggest.edits.index import places_of
from codesuggest.errors import ConfigError

REST = "\nmessage=''\ndescription=''\ncitation=''\nresolution=''"
ROWS = tables().guidelines.rows


def _parts(expression):
    return [part.strip().lstrip("!") for part in expression.split(",") if part.strip()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule.id)
def test_a_row_fires_on_its_case_and_not_on_the_nearest_one(row):
    assert row.fires
    assert row.silent
    for text in row.fires:
        assert (row.rule.id, row.rule.severity) in [(f.rule_id, f.severity) for f in findings(text)], text
    for text in row.silent:
        found = findings(text)
        assert row.rule.id not in [f.rule_id for f in found], text
        assert not [f for f in found if f.severity == "error"], text


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule.id)
def test_every_part_of_a_row_names_codes_of_the_release(row):
    for part in (p for e in (row.when, row.with_, row.unless) for p in _parts(e)):
        assert places_of(tables().release, part).any(), part


@pytest.mark.parametrize("row", [r for r in ROWS if r.rule.id in ("GUI-207", "GUI-1409")], ids=lambda row: row.when)
def test_every_pair_of_a_table_of_pairs_fires(row):
    release = tables().release
    a, b = (release.text(int((places_of(release, e) & release.billable).nonzero()[0][0])) for e in (row.when, row.with_))
    assert row.rule.id in ids(f"{a} {b}")
    assert row.rule.id not in ids(a)
    assert row.rule.id not in ids(b)


@pytest.mark.parametrize(
    ("rule_id", "day", "text"),
    [
        ("GUI-109", dt.date(2021, 1, 1), "J12.82 I10"),
        ("GUI-110", dt.date(2021, 10, 1), "U07.1 U09.9"),
        ("GUI-111", dt.date(2021, 1, 1), "U07.1 Z86.16"),
        ("GUI-921", dt.date(2023, 10, 1), "E78.5 I1A.0"),
        ("GUI-927", dt.date(2016, 10, 1), "G45.9 R29.701"),
    ],
)
def test_a_row_holds_from_its_first_day(rule_id, day, text):
    assert rule_id in ids(text, on=day)
    assert rule_id not in ids(text, on=day - dt.timedelta(days=1))


@pytest.mark.parametrize("row", tables().integral, ids=lambda row: row.symptom)
def test_every_integral_symptom_names_codes_and_fires(row):
    release = tables().release
    for part in _parts(row.symptom) + _parts(row.disease):
        assert places_of(release, part).any(), part


@pytest.mark.parametrize(
    ("fires", "silent", "rule_id"),
    [
        ("I10 E78.5 I10", "I10 E78.5", "GUI-001"),
        ("J18.9? setting=outpatient", "J18.9? setting=inpatient", "GUI-002"),
        ("J18.9? setting=professional", "J18.9 setting=professional", "GUI-002"),
        ("J18.9? setting=emergency", "J18.9 setting=emergency", "GUI-002"),
        ("E66.9@clinician", "E66.9 Z68.35@clinician", "GUI-003"),
        ("D64.9@laboratory", "R79.89@laboratory", "GUI-003"),
        ("I10 R91.1@radiology setting=inpatient", "I10 R91.1@radiology setting=outpatient", "GUI-004"),
        ("H25.11 H25.12", "H25.13", "GUI-010"),
        ("M17.11 M17.12", "M17.11 M16.12", "GUI-010"),
        ("H25.10 H25.11", "H25.11", "GUI-011"),
        ("S72.001A S72.001D", "S72.001A S82.001A", "GUI-012"),
        ("T45.511A T45.515A", "T45.511A T36.0X5A", "GUI-013"),
        ("F10.10 F10.20", "F10.20 F11.10", "GUI-014"),
        ("O99.511 J45.909 Z3A.14", "O99.511 J45.909 Z3A.13", "GUI-015"),
        ("O99.512 J45.909 Z3A.28", "O99.512 J45.909 Z3A.27", "GUI-015"),
        ("O99.513 J45.909 Z3A.27", "O99.513 J45.909 Z3A.28", "GUI-015"),
        ("E66.9 Z68.35 age_years=19", "E66.9 Z68.35 age_years=20", "GUI-016"),
        ("E66.9 Z68.54 age_years=20", "E66.9 Z68.54 age_years=19", "GUI-016"),
        ("R63.5 Z68.54 age_years=1", "R63.5 Z68.54 age_years=2", "GUI-016"),
        ("U07.1? setting=inpatient", "J18.9? setting=inpatient", "GUI-005"),
        ("J10.1? setting=inpatient", "J11.1? setting=inpatient", "GUI-005"),
        ("B20? setting=inpatient", "B20 setting=inpatient", "GUI-005"),
        ("L89.152 L89.153", "L89.152 L89.613", "GUI-017"),
        ("L89.612 L89.613", "L89.612 L89.623", "GUI-017"),
        ("L89.152/Y L89.153/Y setting=inpatient", "L89.152/Y L89.153/N setting=inpatient", "GUI-017"),
        ("L89.159 L89.153", "L89.159 L89.613", "GUI-018"),
        ("S72.001D M80.051D W19.XXXA", "S72.001D S01.01XA W19.XXXA", "GUI-2003"),
        ("M21.751 S72.001S W19.XXXD", "M21.751 S72.001S W19.XXXS", "GUI-2003"),
        ("S72.001C W19.XXXD", "S72.001C W19.XXXA", "GUI-2003"),
        ("S72.001D W19.XXXD Y92.013", "S72.001A W19.XXXA Y92.013", "GUI-2004"),
        ("S72.001D Y99.0", "I21.4 Y99.0", "GUI-2004"),
        ("J18.9 R05.1", "J18.9 R07.9", "GUI-020"),
        ("J45.909 J45.901", "J45.901", "GUI-022"),
        ("N40.0 N40.1", "N40.1 N13.8", "GUI-022"),
        ("F10.20 F10.231", "F10.20 F11.231", "GUI-022"),
        ("G43.909 G43.919", "G43.909 G43.809", "GUI-022"),
        ("H66.001 H66.011", "H66.001 H66.012", "GUI-022"),
        ("E10.10 E10.11", "E11.3211 E11.3292", "GUI-022"),
        ("K57.30 K57.31", "K57.30 K57.51", "GUI-022"),
        ("G43.109 G43.119", "G43.009 G43.109", "GUI-022"),
        ("J96.00 J96.01", "J96.01 J96.12", "GUI-023"),
        ("R07.9 R07.89", "R07.9 R06.02", "GUI-023"),
        ("D69.6 D69.59", "I73.9 I73.00", "GUI-023"),
        ("H40.1131 H40.1132", "H40.1111 H40.1122", "GUI-701"),
        ("T24.211A T24.311A", "T24.211A T24.312A", "GUI-1907"),
        ("T24.211A T24.111A", "T24.211A T24.321A", "GUI-1907"),
        ("S80.11XA S82.201A", "S80.12XA S82.201A", "GUI-1910"),
        ("S50.811A S51.811A", "S50.811A S61.411A", "GUI-1910"),
        ("R07.9 I21.4 setting=inpatient", "R07.9 K21.9 setting=inpatient", "GUI-021"),
    ],
)
def test_a_rule_of_its_own_fires_and_stays_silent(fires, silent, rule_id):
    assert rule_id in ids(fires)
    assert rule_id not in ids(silent)


def test_sides_name_the_bilateral_code():
    (found,) = [f for f in findings("H25.11 H25.12") if f.rule_id == "GUI-010"]
    assert "H25.13" in found.message


def test_trimester_bounds():
    assert [trimester_of(w) for w in (0, 13, 14, 27, 28, 42)] == ["first", "first", "second", "second", "third", "third"]


def test_the_same_codes_differ_by_setting():
    assert ids("I26.99? setting=inpatient") == []
    assert ids("I26.99? setting=emergency") == ["GUI-002"]


def test_a_row_holds_between_its_dates(tmp_path):
    row = """
    [[rule]]
    id = "GUI-999"
    kind = "first"
    severity = "warning"
    when = "I10"
    message = "{a}"
    description = "."
    citation = "I.A"
    resolution = "."
    first = 2025-10-01
    last = 2026-05-04
    """
    file = tmp_path / "g.toml"
    file.write_text(row)
    ours = tables().with_(guidelines=read_guidelines(file))
    assert ids("I10", with_tables=ours) == ["GUI-999"]
    assert ids("I10", with_tables=ours, on=dt.date(2025, 10, 1)) == ["GUI-999"]
    assert ids("I10", with_tables=ours, on=DAY + dt.timedelta(days=1)) == []
    assert ids("I10", with_tables=ours, on=dt.date(2025, 9, 30)) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[rule]]\nid='x'\n", "has no"),
        ("[[rule", "Expected TOML"),
        (f"[[rule]]\nid='x'\nkind='first'\nseverity='error'\nwhen='I10'{REST}\nwen=''", "'wen'"),
        (f"[[rule]]\nid='x'\nkind='firs'\nseverity='error'\nwhen='I10'{REST}", "'firs'"),
        (f"[[rule]]\nid='x'\nkind='needs'\nseverity='error'\nwhen='I10'{REST}", "no 'with'"),
        (f"[[rule]]\nid='x'\nkind='first'\nseverity='error'\nwhen='I10'\nage_from='1'{REST}", "the age '1'"),
        (f"[[rule]]\nid='x'\nkind='together'\nseverity='error'\nrows=[['I10']]{REST}", "pairs of codes"),
        (f"[[rule]]\nid='x'\nkind='together'\nseverity='error'\nwhen='I10'\nrows=[['I10','I11']]{REST}", "pairs of codes"),
    ],
)
def test_read_guidelines_refuses_what_it_does_not_understand(tmp_path, text, words):
    file = tmp_path / "g.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="CS412") as caught:
        read_guidelines(file)
    assert words in str(caught.value)


def test_rules_have_a_citation_a_resolution_and_an_id_of_their_own():
    rules = [*guidelines.RULES, *(row.rule for row in ROWS)]
    assert len({r.id for r in rules}) == len(set(rules))
    assert all(r.citation and r.resolution and r.description for r in rules)
