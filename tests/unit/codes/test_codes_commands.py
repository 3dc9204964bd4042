import json

import pytest
from official_tables import INDEX, ORDER, TABULAR, write
from typer.testing import CliRunner

from codesuggest.codes.commands import app


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "releases"
    runner = CliRunner()

    def run(*arguments):
        return runner.invoke(app, [str(part) for part in arguments])

    assert run("add", write(tmp_path, "t.xml", TABULAR), "--effective", "2026-04-01", "--to", folder).exit_code == 0
    assert run("add", write(tmp_path, "o.txt", ORDER), "--effective", "2025-04-01", "--to", folder).exit_code == 0
    return run


def test_add_says_what_it_made(run, tmp_path):
    result = run("add", tmp_path / "t.xml", "--effective", "2026-10-01", "--expires", "2027-03-31", "--to", tmp_path / "more")
    assert result.exit_code == 0
    assert result.output.startswith("ICD-10-CM 2026-10-01: ")
    assert "2027-03-31" in run("list", "--releases", tmp_path / "more").output


def test_add_without_folder_goes_into_the_users_own(run, tmp_path, monkeypatch):
    monkeypatch.setenv("CODESUGGEST_HOME", str(tmp_path / "home"))
    assert run("add", tmp_path / "t.xml", "--effective", "2026-10-01").exit_code == 0
    assert (tmp_path / "home" / "releases" / "icd10cm-2026-10-01" / "manifest.json").is_file()


def test_list_prints_json(run, tmp_path):
    found = json.loads(run("list", "--json", "--releases", tmp_path / "releases").output)
    assert [row["effective"] for row in found] == ["2025-04-01", "2026-04-01"]


def test_list_of_an_empty_folder_says_what_to_do(run, tmp_path):
    assert "codesuggest codes add" in run("list", "--releases", tmp_path / "none").output


def test_show_prints_what_stands_around_a_code(run, tmp_path):
    result = run("show", "e11.6", "--date", "2026-05-04", "--releases", tmp_path / "releases")
    assert result.exit_code == 0
    for part in ("E11.6  Type 2", "not billable", "above   E11 ", "below   E11.65", "excludes1 (E11)", "excludes1 (chapter 4)"):
        assert part in result.output


def test_show_prints_brackets_as_they_are(run, tmp_path):
    assert "[odd] term" in run("show", "E11.65", "--date", "2026-05-04", "--releases", tmp_path / "releases").output


def test_show_prints_seventh_characters(run, tmp_path):
    assert (
        "seventh character A  initial encounter"
        in run("show", "W19", "--date", "2026-05-04", "--releases", tmp_path / "releases").output
    )


def test_show_says_when_notes_are_not_known(run, tmp_path):
    assert "not known" in run("show", "E11.65", "--date", "2025-05-04", "--releases", tmp_path / "releases").output


def test_show_prints_json(run, tmp_path):
    result = run("show", "E11", "--date", "2026-05-04", "--releases", tmp_path / "releases", "--json")
    card = json.loads(result.output)
    assert card["children"] == ["E11.6", "E11.9"]
    assert card["notes"][1]["codes_mentioned"] == ["E10"]


def test_changes_compares_dates_and_folders(run, tmp_path):
    folder = tmp_path / "releases"
    by_date = run("changes", "2025-05-04", "2026-05-04", "--releases", folder)
    by_folder = run("changes", folder / "icd10cm-2025-04-01", folder / "icd10cm-2026-04-01")
    assert by_date.exit_code == by_folder.exit_code == 0
    assert by_date.output == by_folder.output
    assert "0 deleted" in by_date.output
    assert json.loads(run("changes", "2025-05-04", "2026-05-04", "--releases", folder, "--json").output)["deleted"] == []


@pytest.mark.parametrize(
    ("arguments", "exit_code", "error_id"),
    [
        (("show", "hello world", "--date", "2026-05-04"), 2, "CS100"),
        (("show", "E11.66", "--date", "2026-05-04"), 3, "CS102"),
        (("show", "E11.65", "--date", "2020-05-04"), 3, "CS103"),
        (("changes", "2026-05-04", "nowhere"), 4, "CS104"),
    ],
)
def test_errors_are_one_message_and_an_exit_code(run, tmp_path, arguments, exit_code, error_id):
    result = run(*arguments, "--releases", tmp_path / "releases")
    assert result.exit_code == exit_code
    assert result.stderr.startswith(f"[{error_id}] ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output


def test_add_of_another_file_is_one_message(run, tmp_path):
    result = run("add", write(tmp_path, "i.xml", INDEX), "--effective", "2026-04-01", "--to", tmp_path / "more")
    assert (result.exit_code, result.stderr.startswith("[CS118]")) == (2, True)


def test_every_command_has_help(run):
    for name in ("add", "list", "show", "changes"):
        result = run(name, "--help")
        assert result.exit_code == 0
        assert len(result.output.splitlines()) > 5
