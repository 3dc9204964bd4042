import datetime as dt
from pathlib import Path

import pytest
from examples import DAY, tables

from codesuggest.edits import check, claim_from_text, policies
from codesuggest.edits.policies import read_policies, read_policy, run_bench
from codesuggest.errors import ConfigError

EXAMPLES = Path(policies.__file__).parent / "tables" / "policies"
HEAD = '[policy]\nid = "P"\npayer = "p"\ntitle = "t"\nsource = "s"\neffective = 2026-01-01\nexpires = 2026-05-04\n'


def policy(tmp_path, text):
    file = tmp_path / "p.toml"
    file.write_text(HEAD + text)
    return file


def ids(text, file, on=DAY):
    ours = tables().with_(policies=(read_policy(file),))
    return [f.rule_id for f in check(claim_from_text(f"{text} payer=p"), on=on, tables=ours) if f.rule_id.startswith("P.")]


def rule(kind, rest):
    return f'[[rule]]\nid = "1"\nkind = "{kind}"\ncodes = ["G0101"]\nmessage = "{{code}}"\n{rest}\n'


def test_the_examples_pass_their_own_tests():
    results = run_bench(read_policies(EXAMPLES), tables())
    assert len(results) == 14
    assert [r for r in results if not r.passed] == []


@pytest.mark.parametrize(
    ("kind", "rest", "fires", "silent"),
    [
        ("coverage", 'diagnoses = "I10"', "E11.9 I10 +G0101#1", "E11.9 I10 +G0101#2"),
        ("exclusion", 'diagnoses = "I10-I13"', "I11.9 +G0101", "I15.0 +G0101"),
        (
            "frequency",
            "max_units = 2\nper_days = 3",
            "I10 +G0101 history=G0101*2@2026-05-02",
            "I10 +G0101 history=G0101*2@2026-05-01",
        ),
        ("frequency", "max_units = 2\nper_days = 1", "I10 +G0101*3", "I10 +G0101*2"),
        ("age", "min_age = 18", "I10 +G0101 age_years=17", "I10 +G0101 age_years=18"),
        ("age", "max_age = 64", "I10 +G0101 age_years=65", "I10 +G0101 age_years=64.9"),
        ("authorization", "", "I10 +G0101", "I10 +G0101 authorizations=G0101"),
        ("modifier", 'require_any = ["RT"]', "I10 +G0101", "I10 +G0101-RT"),
        ("modifier", 'refuse = ["RT"]', "I10 +G0101-RT", "I10 +G0101-LT"),
        ("bundling", 'with = ["G0102"]', "I10 +G0101 +G0102", "I10 +G0101 +G0102@2026-05-03"),
    ],
)
def test_a_kind_fires_and_stays_silent(tmp_path, kind, rest, fires, silent):
    file = policy(tmp_path, rule(kind, rest))
    assert ids(fires, file) == ["P.1"]
    assert ids(silent, file) == []


def test_a_policy_holds_between_its_dates_and_for_its_setting(tmp_path):
    file = policy(tmp_path, rule("authorization", 'settings = ["professional"]'))
    text = "I10 +G0101 setting=professional"
    for day, fires in (("2025-12-31", False), ("2026-01-01", True), ("2026-05-04", True), ("2026-05-05", False)):
        assert bool(ids(text, file, on=dt.date.fromisoformat(day))) == fires
    assert ids("I10 +G0101 setting=outpatient", file) == []


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[[rule]]\nid = "1"\nkind = "cover"\ncodes = ["G0101"]\nmessage = "m"\n', 10, "unknown kind 'cover'"),
        (rule("coverage", 'diagnosis = "I10"'), 13, "unknown key 'diagnosis'"),
        (rule("coverage", 'diagnoses = "I10, banana"'), 13, "'banana'"),
        (rule("coverage", ""), 8, "no 'diagnoses'"),
        (rule("frequency", 'max_units = "two"\nper_days = 3'), 13, "'two'"),
        (rule("age", ""), 8, "no bound"),
        (rule("modifier", ""), 8, "names none"),
        (rule("authorization", 'severity = "fatal"'), 13, "fatal"),
        (rule("authorization", "") + rule("authorization", ""), 15, "stands twice"),
        (rule("authorization", "") + '[[test]]\nclaim = "I10"\non = 2026-01-01\nfires = ["2"]\n', 17, "names the rule '2'"),
        (rule("authorization", "") + '[[test]]\nclaim = "I10 colour=red"\non = 2026-01-01\nfires = []\n', 15, "unknown key"),
        (rule("authorization", "") + '[[test]]\nclaim = "I10"\n', 14, "not complete"),
        ("[[rules]]\n", 8, "unknown table"),
        (rule("authorization", 'settings = ["inpatent"]'), 13, "unknown setting 'inpatent'"),
        (rule("age", "min_age = 65\nmax_age = 64"), 13, "above 'max_age'"),
        (rule("frequency", "max_units = 1\nper_days = 0"), 14, "'per_days' is 0"),
        (rule("frequency", "max_units = -1\nper_days = 1"), 13, "'max_units' is -1"),
        (rule("coverage", 'diagnoses = "E11/[("'), 13, "'E11/[('"),
        ("[rule]\nid = 1\n", 8, "as often as needed"),
    ],
)
def test_read_policy_names_the_line(tmp_path, text, line, words):
    file = policy(tmp_path, text)
    with pytest.raises(ConfigError, match="CS430") as caught:
        read_policy(file)
    assert f"line {line}:" in str(caught.value)
    assert words in str(caught.value)


def test_read_policy_refuses_what_has_no_head(tmp_path):
    file = tmp_path / "p.toml"
    for text in (
        "",
        "[policy",
        HEAD.replace('payer = "p"\n', ""),
        HEAD.replace("2026-01-01", "2027-01-01"),
        HEAD.replace("2026-01-01", '"x"'),
    ):
        file.write_text(text)
        with pytest.raises(ConfigError, match="CS430"):
            read_policy(file)
    with pytest.raises(ConfigError, match="CS431"):
        read_policies(tmp_path / "none")


def test_the_bench_reports_a_test_that_fails_and_a_code_that_is_gone(tmp_path):
    file = policy(tmp_path, rule("authorization", "") + '[[test]]\nclaim = "I10 +G0101 payer=p"\non = 2026-01-01\nfires = []\n')
    (result,) = run_bench([read_policy(file)], tables())
    assert (result.passed, result.expected, result.found, result.line) == (False, (), ("1",), 14)
    file = policy(tmp_path, rule("coverage", 'diagnoses = "I10, I99.7"'))
    with pytest.raises(ConfigError, match="CS432"):
        run_bench([read_policy(file)], tables())


def test_an_allowed_pair_takes_the_ncci_finding_away(tmp_path):
    from codesuggest.edits.ncci import PtpTable, compile_ptp

    (tmp_path / "ptp.txt").write_text("G0101\tG0102\t\t20200101\t*\t0\tx\n")
    made = compile_ptp([tmp_path / "ptp.txt"], tmp_path / "t", kind="practitioner", quarter="q", first=DAY)
    file = policy(tmp_path, rule("bundling", 'with = ["G0102"]\nallow = true'))
    ours = tables().with_(policies=(read_policy(file),), ptp=(PtpTable.open(made),))
    text = "I10 +G0101 +G0102 setting=professional"
    assert [f.rule_id for f in check(claim_from_text(f"{text} payer=q"), on=DAY, tables=ours)] == ["NCCI-01"]
    assert check(claim_from_text(f"{text} payer=p"), on=DAY, tables=ours) == ()
