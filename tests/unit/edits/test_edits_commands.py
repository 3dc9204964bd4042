import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from codesuggest.edits import policies
from codesuggest.edits.commands import changes, edits, policies_app
from codesuggest.edits.docs import all_rules, page

EXAMPLES = Path(policies.__file__).parent / "tables" / "policies"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def run():
    app = typer.Typer()
    app.command("edits")(edits)
    app.add_typer(policies_app, name="policies")
    app.command("changes")(changes)
    return lambda *given: CliRunner().invoke(app, [str(g) for g in given])


@pytest.fixture
def claims(tmp_path):
    file = tmp_path / "claims.jsonl"
    rows = [
        {"claim_id": "a", "codes": ["I10", "I50.9"]},
        {"claim_id": "b", "codes": ["I10"]},
        {"claim_id": "c", "codes": ["E11"]},
    ]
    file.write_text("".join(json.dumps({**row, "service_date": "2026-05-04"}) + "\n" for row in rows))
    return file


def test_edits_prints_findings_a_claim(run, claims):
    done = run("edits", claims)
    assert done.exit_code == 0
    assert "a: 1 findings" in done.output
    assert "b: nothing found" in done.output
    assert "GUI-901" in done.output
    assert run("edits", claims, "--strict").exit_code == 1


def test_edits_prints_json(run, claims):
    rows = [json.loads(line) for line in run("edits", claims, "--json").output.splitlines()]
    assert [row["claim_id"] for row in rows] == ["a", "b", "c"]
    assert rows[2]["findings"][0]["rule_id"] == "TAB-02"
    assert any("NCCI" in part for part in rows[0]["skipped"])


def test_edits_refuses_a_claim_without_a_date_and_a_missing_file(run, tmp_path):
    file = tmp_path / "c.json"
    file.write_text('{"codes": ["I10"]}')
    done = run("edits", file)
    assert done.exit_code == 4
    assert "CS400" in done.output
    assert "Claim 1 of 'c.json'" in done.output
    assert run("edits", file, "--on", "2026-05-04").exit_code == 0
    assert run("edits").exit_code == 2
    assert run("edits", tmp_path / "none").exit_code == 2


def test_edits_list_prints_every_rule(run):
    done = run("edits", "--list")
    assert all(rule.id in done.output for rule in all_rules())
    rows = [json.loads(line) for line in run("edits", "--list", "--json").output.splitlines()]
    assert [row["id"] for row in rows] == [rule.id for rule in all_rules()]


def test_edits_with_policies(run, tmp_path):
    file = tmp_path / "c.json"
    file.write_text(
        json.dumps(
            {"codes": ["I10"], "procedures": ["G0101"], "payer": "example-health", "service_date": "2026-05-04"},
        )
    )
    assert "EX-CERVICAL.1" in run("edits", file, "--policies", EXAMPLES).output


def test_policies_test_runs_the_tests_of_a_folder(run, tmp_path):
    done = run("policies", "test", EXAMPLES)
    assert (done.exit_code, done.output) == (0, "2 policies, 14 tests, 14 passed\n")
    text = (EXAMPLES / "example_cervical_screening.toml").read_text().replace('fires = ["1"]', "fires = []")
    (tmp_path / "p.toml").write_text(text)
    done = run("policies", "test", tmp_path)
    assert done.exit_code == 1
    assert "expected nothing, found 1" in done.output
    assert run("policies", "test", tmp_path / "none").exit_code == 2


def test_changes_open_codes(run, tmp_path):
    file = tmp_path / "open.txt"
    file.write_text("I10\nQ99.99\n")
    done = run("changes", "2026", "2026-05-04", "--against", file)
    assert done.exit_code == 0
    assert "REL-04" in done.output
    assert len(run("changes", "2026", "2026", "--against", file, "--json").output.splitlines()) == 1
    assert run("changes", "2001", "2026", "--against", file).exit_code == 3
    assert run("changes", "2026", "2026-05-04").output.startswith("ICD-10-CM 2026-04-01 → ICD-10-CM 2026-04-01")


def test_changes_takes_the_place_of_the_plain_command():
    from codesuggest.codes.commands import app as codes_app

    mounted = typer.Typer()
    mounted.registered_commands += codes_app.registered_commands
    mounted.command("changes")(changes)
    done = CliRunner().invoke(mounted, ["changes", "--help"])
    assert "--against" in done.output


def test_the_page_of_the_documentation_is_made_from_the_catalogue():
    assert (ROOT / "docs" / "edits.md").read_text(encoding="utf-8") == page()


def test_every_rule_is_complete():
    rules = all_rules()
    assert len({r.id for r in rules}) == len(rules)
    for rule in rules:
        assert rule.severity in ("error", "warning", "advice")
        assert rule.description
        assert rule.citation
        assert rule.resolution
