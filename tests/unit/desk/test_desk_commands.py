"""The commands of the desk, by the command line."""

import json

import pytest
from desk_helpers import DAY, PROGRESS, SUMMARY


@pytest.fixture
def desk(run, tmp_path, monkeypatch):
    monkeypatch.setenv("CODESUGGEST_DB", str(tmp_path / "desk.sqlite"))
    monkeypatch.setenv("CODESUGGEST_PASSWORD", "correct horse battery")
    return lambda *words, **more: run("desk", *words, **more)


@pytest.fixture
def notes(tmp_path):
    file = tmp_path / "notes.jsonl"
    rows = [
        {"note_id": "a", "text": SUMMARY, "encounter_id": "E-1", "date_of_service": DAY.isoformat(), "setting": "inpatient"},
        {"note_id": "b", "text": PROGRESS, "encounter_id": "E-1"},
        {"note_id": "c", "text": PROGRESS},
    ]
    file.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return file


def test_import_list_assign(desk, notes):
    done = desk("import", notes)
    assert (done.exit_code, done.stdout) == (0, "3 documents added to 2 charts; 0 known already; 0 not taken.\n")
    found = json.loads(desk("list", "--json").stdout)
    assert {i["encounter_id"] for i in found["items"]} == {"E-1", "c"}
    assert "days since" in desk("list").stdout
    assert "of 30)" in desk("list", "--why").stdout
    assert desk("user", "add", "ann").exit_code == 0
    assert desk("assign", "E-1", "ann").stdout.endswith("is assigned: ann.\n")
    assert desk("assign", "E-1", "nobody").exit_code == 3


def test_import_again_adds_nothing_and_says_what_it_refused(desk, notes, tmp_path):
    desk("import", notes)
    assert json.loads(desk("import", notes, "--json").stdout)["n_known"] == 3
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"note_id": "c", "text": SUMMARY}) + "\n{\n", encoding="utf-8")
    done = desk("import", other)
    assert done.exit_code == 2
    assert "[CS643]" in done.stderr
    assert "2 not taken" in done.stdout


def test_facts_of_encounters_come_from_a_table(desk, notes, tmp_path):
    table = tmp_path / "encounters.csv"
    table.write_text("encounter_id,admission_type,discharged_on,payer\nE-1,1,2026-05-04,medicare\n", encoding="utf-8")
    assert desk("import", notes, "--encounters", table).exit_code == 0
    item = next(i for i in json.loads(desk("list", "--json").stdout)["items"] if i["encounter_id"] == "E-1")
    assert (item["payer"], item["admission_type"], item["discharged_on"]) == ("medicare", "1", "2026-05-04")


@pytest.mark.parametrize("text", ["id,payer\n", "encounter_id,ward\n", "encounter_id,admitted_on\nE-1,4 May\n"])
def test_a_table_of_encounters_that_is_wrong_is_refused(desk, notes, tmp_path, text):
    table = tmp_path / "encounters.csv"
    table.write_text(text, encoding="utf-8")
    done = desk("import", notes, "--encounters", table)
    assert (done.exit_code, "[CS635]" in done.stderr) == (2, True)


def test_users(desk):
    assert desk("user", "add", "ann", "--role", "manager").exit_code == 0
    assert desk("user", "add", "Ann").exit_code == 2
    assert desk("user", "add", "ben", "--role", "service").exit_code == 2
    assert desk("user", "disable", "ann").stdout == "ann is disabled now.\n"
    assert json.loads(desk("user", "list", "--json").stdout)[0]["disabled"] is True
    assert desk("user", "disable", "ann", "--enable").exit_code == 0
    assert desk("user", "password", "ann").exit_code == 0
    assert desk("user", "password", "nobody").exit_code == 3


def test_a_short_password_is_refused(desk, monkeypatch):
    monkeypatch.setenv("CODESUGGEST_PASSWORD", "short")
    done = desk("user", "add", "ann")
    assert (done.exit_code, "[CS630]" in done.stderr) == (2, True)


def test_tokens(desk):
    text = desk("token", "create", "ehr").stdout.strip()
    assert text.startswith("cs_")
    assert len(text) > 40
    found = json.loads(desk("token", "list", "--json").stdout)
    assert [(t["name"], t["role"]) for t in found] == [("ehr", "service")]
    assert text not in json.dumps(found)
    assert desk("token", "revoke", found[0]["token_id"]).exit_code == 0
    assert desk("token", "revoke", "nothing").exit_code == 3
    assert desk("token", "create", "ehr", "--role", "coder").exit_code == 2
    assert desk("token", "create", "ehr", "--days", "9999").exit_code == 2


def test_serve_refuses_to_listen_for_everybody_in_the_clear(desk):
    done = desk("serve", "--host", "0.0.0.0")  # noqa: S104 - what must be refused
    assert (done.exit_code, "[CS650]" in done.stderr) == (2, True)


def test_a_setting_that_is_not_known_is_refused(desk, tmp_path):
    file = tmp_path / "desk.toml"
    file.write_text("[desk]\nprot = 1\n", encoding="utf-8")
    done = desk("list", "--config", file)
    assert (done.exit_code, "[CS354]" in done.stderr) == (2, True)


@pytest.mark.parametrize("words", [("list", "--state", "nowhere"), ("import", "none.jsonl"), ("import", ".", "--column", "text")])
def test_wrong_words_are_named(desk, words):
    done = desk(*words)
    assert done.exit_code == 2
    assert "[CS" in done.stderr
