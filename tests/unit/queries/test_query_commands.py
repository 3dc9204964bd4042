import json

import pytest
from typer.testing import CliRunner

from codesuggest.cli import app

SODIUM = "HOSPITAL COURSE: Na 121 on arrival, treated with fluid restriction."


@pytest.fixture
def run():
    return lambda *args: CliRunner().invoke(app, [*map(str, args)])


@pytest.fixture
def note(tmp_path):
    path = tmp_path / "n1.txt"
    path.write_text(SODIUM)
    return path


def test_queries_finds_without_a_name(run, note):
    done = run("queries", note, "--setting", "inpatient")
    assert done.exit_code == 0
    assert "Serum sodium: request for clarification" in done.output
    assert "E87.1" not in done.output


def test_codes_are_shown_to_the_coder_alone(run, note):
    assert "Hyponatremia: E87.1" in run("queries", note, "--codes").output


def test_queries_in_json(run, note):
    found = json.loads(run("queries", note, "--json").output)
    assert (found["note_ids"], [q["topic"] for q in found["queries"]]) == (["n1"], ["sodium"])


def test_the_sample_is_well_documented(run):
    assert json.loads(run("queries", "--sample", "--json").output)["queries"] == []


def test_notes_of_one_encounter_answer_each_other(run, note, tmp_path):
    other = tmp_path / "n2.txt"
    other.write_text("DISCHARGE DIAGNOSIS: Hyponatremia.")
    apart = run("queries", note, other, "--json").output.splitlines()
    together = run("queries", note, other, "--one-encounter", "--json").output
    assert [len(json.loads(line)["queries"]) for line in apart] == [1, 0]
    assert json.loads(together) == {"note_ids": ["n1", "n2"], "queries": []}


def test_a_note_that_cannot_be_read_does_not_stop_the_others(run, note, tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text(" ")
    done = run("queries", empty, note, "--json")
    assert done.exit_code == 2
    assert [("error" in json.loads(line)) for line in done.stdout.splitlines() if line.startswith("{")] == [True, False]


def test_nothing_to_read_is_refused(run):
    assert run("queries", "find").exit_code == 2
    assert run("queries", "--sample", "--setting", "moon").exit_code != 0


def test_lint_leaves_with_1_when_a_query_is_not_compliant(run, tmp_path):
    path = tmp_path / "q.txt"
    path.write_text("Please document sepsis. The DRG is low.")
    done = run("queries", "lint", path)
    assert done.exit_code == 1
    assert "LINT-LEADING" in done.output
    assert "LINT-MONEY" in done.output
    assert {json.loads(line)["rule"] for line in run("queries", "lint", path, "--json").output.splitlines()} >= {"LINT-LEADING"}


def test_lint_passes_what_was_written_here(run, note, tmp_path):
    query = json.loads(run("queries", note, "--json").output)["queries"][0]["text"]
    path = tmp_path / "q.txt"
    path.write_text(query)
    done = run("queries", "lint", path, "--note", note)
    assert (done.exit_code, done.output.strip()) == (0, "nothing found")


def test_list_prints_every_trigger(run):
    rows = [json.loads(line) for line in run("queries", "list", "--json").output.splitlines()]
    assert len(rows) > 100
    assert all(row["source"] and row["needs"] for row in rows)
    assert "IND-SODIUM-LOW" in run("queries", "list").output
