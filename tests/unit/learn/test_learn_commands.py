import json

import pytest
import typer
from typer.testing import CliRunner

from codesuggest.learn.commands import evaluate_command, read_coded_notes
from codesuggest.learn.practice import split_of

NOTE = "id: {id}\ncodes: {codes}\nkind: visit note\nsetting: outpatient\n---\nASSESSMENT\n1. {words}\n"
app = typer.Typer()
app.command()(evaluate_command)


@pytest.fixture
def evaluate():
    def run(*arguments):
        return CliRunner().invoke(app, [*(str(a) for a in arguments), "--draws", "20"])

    return run


@pytest.fixture
def folder(tmp_path):
    """Return a folder of marked notes, one code each, and the same as JSON lines beside it."""
    source = tmp_path / "notes"
    source.mkdir()
    for i in range(12):
        code, words = (("I10", "Hypertension"), ("J45.909", "Asthma"), ("E03.9", "Hypothyroidism"))[i % 3]
        (source / f"n{i}.md").write_text(NOTE.format(id=f"n{i}", codes=code, words=f"[[{words}|{code}]]"), encoding="utf-8")
    rows = [
        {
            "note_id": n.note.note_id,
            "text": n.note.text,
            "codes": n.codes,
            "evidence": [{"code": c, "start": s.start, "end": s.end} for c, s in n.evidence],
        }
        for n in read_coded_notes(source)
    ]
    (tmp_path / "notes.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return source


def test_a_folder_and_its_json_lines_give_the_same_figures(evaluate, folder, tmp_path):
    found = [json.loads(evaluate(source, "--json", "-").stdout) for source in (folder, tmp_path / "notes.jsonl")]
    assert found[0]["evaluation"]["figures"] == found[1]["evaluation"]["figures"]
    assert found[0]["evaluation"]["n_notes"] == 12
    assert found[0]["evaluation"]["figures"]["recall_at_10"]["value"] == 1.0
    assert found[0]["evaluation"]["figures"]["evidence_exact"]["value"] == 1.0


def test_the_table_and_the_files(evaluate, folder, tmp_path):
    pytest.importorskip("matplotlib")
    result = evaluate(folder, "--json", tmp_path / "out.json", "--html", tmp_path / "out.html", "--faithfulness", 2)
    assert result.exit_code == 0, result.output
    assert "F1, over all codes (micro)" in result.stdout
    assert "12 notes with 12 coded codes" in result.stdout
    written = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert written["source"] == "notes"
    assert written["evaluation"]["faithfulness"]["n_notes"] == 2
    assert (tmp_path / "out.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "Hypothyroidism" not in (tmp_path / "out.json").read_text(encoding="utf-8").replace("Hypothyroidism, unspecified", "")


def test_a_part_is_chosen_by_note_id(evaluate, folder):
    parts = [part for part in ("train", "dev", "test") if any(split_of(f"n{i}") == part for i in range(12))]
    sizes = [json.loads(evaluate(folder, "--part", part, "--json", "-").stdout)["evaluation"]["n_notes"] for part in parts]
    assert sizes == [sum(split_of(f"n{i}") == part for i in range(12)) for part in parts]


def test_a_model_against_itself(evaluate, folder, model_copy):
    found = json.loads(evaluate(folder, "--against", model_copy, "--json", "-").stdout)
    assert {f["difference"] for f in found["comparison"]["figures"]} == {0.0}
    assert found["evaluation"]["name"] != found["against"]["name"]


def test_a_second_expert(evaluate, folder, tmp_path):
    found = json.loads(evaluate(folder, "--second", tmp_path / "notes.jsonl", "--json", "-").stdout)
    assert found["evaluation"]["experts"]["agreement_f1"]["value"] == 1.0


def test_a_threshold_of_one_puts_nothing_forward(evaluate, folder):
    found = json.loads(evaluate(folder, "--threshold", 1, "--json", "-").stdout)
    assert found["evaluation"]["n_selected"] == 0
    assert found["evaluation"]["figures"]["micro_precision"]["value"] is None


def test_a_precision_that_cannot_be_promised_is_said_and_the_report_still_comes(evaluate, folder):
    result = evaluate(folder, "--target-precision", 0.95)
    assert result.exit_code == 4
    assert "[CS518]" in result.stderr
    assert "F1, over all codes" in result.stdout


def test_a_precision_that_can_be_promised(evaluate, folder):
    found = json.loads(evaluate(folder, "--target-precision", 0.3, "--confidence", 0.7, "--json", "-").stdout)
    assert found["guarantee"]["threshold"] >= found["evaluation"]["threshold"]
    assert found["guarantee"]["share_of_final"] > 0.5


@pytest.mark.parametrize(
    ("arguments", "error_id", "exit_code"),
    [
        (["--target-precision", "95"], "CS517", 2),
        (["--json", "no/such/folder/out.json"], "CS522", 2),
        (["--model", "no-such-model"], "CS3", 4),
    ],
)
def test_what_cannot_be_done_is_said(evaluate, folder, arguments, error_id, exit_code):
    result = evaluate(folder, *arguments)
    assert result.exit_code == exit_code
    assert result.stderr.startswith(f"[{error_id}")


def test_a_folder_without_notes_is_refused(evaluate, tmp_path):
    result = evaluate(tmp_path)
    assert (result.exit_code, result.stderr[:7]) == (2, "[CS521]")
