import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from codesuggest import Note, Suggester, cli, load
from codesuggest.cli import sample_note

ASTHMA = "Assessment: moderate persistent asthma.\r\nNo evidence of pneumonia.\r\n"
HYPERTENSION = "ASSESSMENT AND PLAN\n1. Essential hypertension, well controlled.\n"


@pytest.fixture
def notes(tmp_path, monkeypatch):
    """Two notes in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "asthma.txt").write_bytes(ASTHMA.encode())
    (tmp_path / "hypertension.txt").write_bytes(HYPERTENSION.encode())
    return tmp_path


def objects(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def codes(found):
    return [s["code"] for s in found["suggestions"] if s["selected"]]


def test_suggest_prints_a_table_with_code_probability_evidence_and_section(run, notes):
    result = run("suggest", "asthma.txt")
    assert result.exit_code == 0
    assert result.stderr == ""
    for words in ("J45.40", "Moderate persistent asthma", "●", "“moderate persistent asthma”", "assessment", "J18.9", "negated"):
        assert words in result.stdout


def test_suggest_json_is_what_the_library_returns(run, notes):
    expected = load().suggest(Note("asthma", ASTHMA)).to_dict()
    assert objects(run("suggest", "--json", "asthma.txt")) == [json.loads(json.dumps(expected))]


def test_json_is_a_flag_that_may_stand_before_or_after_the_file(run, notes):
    assert run("suggest", "--json", "asthma.txt").stdout == run("suggest", "asthma.txt", "--json").stdout


def test_suggest_json_prints_one_line_a_note_in_order(run, notes):
    found = objects(run("suggest", "--json", "hypertension.txt", "asthma.txt"))
    assert [(f["note_id"], codes(f)) for f in found] == [("hypertension", ["I10"]), ("asthma", ["J45.40"])]


def test_suggest_reads_standard_input(run):
    (found,) = objects(run("suggest", "--json", "-", stdin=HYPERTENSION))
    assert (found["note_id"], codes(found)) == ("stdin", ["I10"])


def test_suggest_sample_needs_no_file(run):
    (found,) = objects(run("suggest", "--sample", "--json"))
    assert {"A41.51", "N17.9", "E11.22"} <= set(codes(found))


def test_offsets_count_windows_line_ends(run, notes):
    (found,) = objects(run("suggest", "--json", "asthma.txt"))
    places = [e for s in found["suggestions"] + found["suppressed"] for e in s["evidence"]]
    assert {e["excerpt"] for e in places} >= {"moderate persistent asthma", "pneumonia"}
    assert all(ASTHMA[e["start"] : e["end"]] == e["excerpt"] for e in places)


def test_a_bad_file_is_reported_and_the_others_are_done(run, notes):
    (notes / "empty.txt").write_bytes(b"")
    result = run("suggest", "--json", "asthma.txt", "empty.txt", "missing.txt", "hypertension.txt")
    assert result.exit_code == 2
    first, empty, missing, last = objects(result)
    assert (codes(first), codes(last)) == (["J45.40"], ["I10"])
    assert (empty["error"]["id"], missing["error"]["id"]) == ("CS150", "CS159")
    assert [line[:7] for line in result.stderr.splitlines()] == ["[CS150]", "[CS159]"]


def test_a_bad_file_among_tables_leaves_the_tables_whole(run, notes):
    result = run("suggest", "missing.txt", "hypertension.txt")
    assert result.exit_code == 2
    assert "I10" in result.stdout
    assert "CS159" not in result.stdout


def test_files_of_one_name_are_told_apart_by_their_path(run, notes):
    for name in ("a", "b"):
        (notes / name).mkdir()
        (notes / name / "note.txt").write_text(HYPERTENSION)
    paths = [str(Path("a", "note.txt")), str(Path("b", "note.txt"))]
    assert [f["note_id"] for f in objects(run("suggest", "--json", *paths))] == paths


def test_json_lines_carry_the_fields_of_a_note(run, notes):
    rows = [
        {"note_id": "a", "text": ASTHMA, "date_of_service": "2026-05-04", "age_years": 41, "sex": "F", "setting": "outpatient"},
        {"note_id": 7, "text": HYPERTENSION, "codes": ["I10"]},
        {"note_id": "old", "text": HYPERTENSION, "date_of_service": "1999-05-04"},
        {"note_id": "blank", "text": "  "},
    ]
    lines = [json.dumps(row) for row in rows]
    (notes / "day.jsonl").write_text("\n".join([*lines, "{", json.dumps({"text": "x"}), ""]), encoding="utf-8-sig")
    result = run("suggest", "--json", "day.jsonl")
    found = objects(result)
    assert [f["note_id"] for f in found] == ["a", "7", "old", "blank", "day.jsonl:5", "day.jsonl:6"]
    assert [codes(f) for f in found[:2]] == [["J45.40"], ["I10"]]
    assert [f["error"]["id"] for f in found[2:]] == ["CS103", "CS150", "CS164", "CS164"]
    assert result.exit_code == 3
    assert "[CS165] day.jsonl: codes is no field of a note" in result.stderr


def test_options_are_facts_of_every_note_unless_its_line_says_otherwise(run, notes):
    row = {"note_id": "b", "text": HYPERTENSION, "date_of_service": "2026-05-04"}
    (notes / "day.jsonl").write_text(json.dumps(row))
    result = run("suggest", "--json", "--date", "1999-01-01", "asthma.txt", "day.jsonl")
    old, new = objects(result)
    assert old["error"]["id"] == "CS103"
    assert codes(new) == ["I10"]


def test_threshold_decides_what_is_put_forward(run, notes):
    (everything,) = objects(run("suggest", "--json", "--threshold", "0", "hypertension.txt"))
    (nothing,) = objects(run("suggest", "--json", "--threshold", "1", "hypertension.txt"))
    assert all(s["selected"] for s in everything["suggestions"])
    assert not any(s["selected"] for s in nothing["suggestions"])
    assert len(nothing["suggestions"]) == len(everything["suggestions"]) > 0


def test_a_note_that_leads_to_nothing_says_so(run):
    result = run("suggest", "-", stdin="The weather in the valley was fair on Tuesday.")
    assert result.exit_code == 0
    assert "No term that leads to a code was found" in result.stdout


def test_all_shows_everything_left_out(run):
    short, long = (run("suggest", "--sample", *more).stdout for more in ([], ["--all"]))
    assert "more left out (--all shows them)" in short
    assert "--all" not in long
    assert len(long) > len(short)


@pytest.mark.parametrize(
    ("arguments", "error_id"),
    [((), "CS350"), (("--sample", "asthma.txt"), "CS351"), (("-", "-"), "CS352")],
)
def test_sources_that_cannot_be_meant(run, notes, arguments, error_id):
    result = run("suggest", *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"[{error_id}] ")


@pytest.mark.parametrize(
    "option", ["--sex=Q", "--setting=ward", "--age=-1", "--age=131", "--date=yesterday", "--threshold=2", "--no-such"]
)
def test_an_option_out_of_range_is_refused(run, notes, option):
    result = run("suggest", "asthma.txt", option)
    assert result.exit_code == 2
    assert result.stdout == ""


def test_a_missing_model_is_one_error_however_many_notes(run, notes):
    result = run("suggest", "--model", "no-model", "asthma.txt", "hypertension.txt")
    assert result.exit_code == 4
    assert (result.stdout, result.stderr.count("[CS300]")) == ("", 1)


def test_codes_and_version_are_mounted(run):
    assert "Type 2 diabetes mellitus with hyperglycemia" in run("codes", "show", "E11.65").stdout
    assert run("codes", "show", "Q99.Z").exit_code in (2, 3)
    assert run("--version").stdout.startswith("codesuggest ")


def test_schema_prints_a_json_schema(run):
    found = json.loads(run("schema").stdout)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_a_fault_of_the_program_shows_no_traceback_and_no_text(monkeypatch, capsys):
    def fail(self, note):
        raise RuntimeError("Mrs Terrazas")

    monkeypatch.setattr(Suggester, "suggest", fail)
    monkeypatch.setattr(sys, "argv", ["codesuggest", "suggest", "--sample"])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert exit_.value.code == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("[CS399] codesuggest failed: RuntimeError at ")
    assert "Terrazas" not in err
    assert "Traceback" not in err


def test_a_terminal_without_the_characters_still_gets_an_answer():
    done = subprocess.run(
        [sys.executable, "-m", "codesuggest", "suggest", "-"],
        input="Assessment: Ménière's disease of the right ear.".encode(),
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        check=True,
    )
    assert b"H81.01" in done.stdout


def test_the_same_bytes_under_every_hash_seed():
    outputs = {
        subprocess.run(
            [sys.executable, "-m", "codesuggest", "suggest", "--sample", "--json"],
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(outputs) == 1


def test_suggesting_imports_no_heavy_library():
    source = (
        "import sys; from codesuggest.cli import app\n"
        "try: app(['suggest', '--sample', '--json'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'sklearn', 'scipy', 'spacy', 'joblib', 'rich'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_sample_note_is_a_whole_summary():
    note = sample_note()
    assert 500 <= len(note.text.split()) <= 700
    assert note.setting == "inpatient"
    assert io.StringIO(note.text).readline() == "DISCHARGE SUMMARY\n"
