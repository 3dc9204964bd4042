"""One way in for files of any kind, and the command that shows what was read."""

import json
import sys

import pytest

from codesuggest.errors import ConfigError
from codesuggest.notes import Document, PassedOver, read_documents
from codesuggest.notes.reading import format_of
from codesuggest.notes.sources import NoteSource
from codesuggest.records import Failure, Note


@pytest.fixture(scope="session")
def messages(repository):
    return repository / "tests/data/messages"


def run_json(run, *arguments):
    done = run("notes", "--json", *map(str, arguments))
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("a.txt", b"MSH|^~\\&|x", "hl7"),
        ("a.txt", b"\x0bMSH|^~\\&|x", "hl7"),
        ("a.txt", b"<?xml version='1.0'?>\n<!-- c -->\n<ClinicalDocument xmlns='urn:hl7-org:v3'>", "ccda"),
        ("a.dat", b"\xef\xbb\xbf<!DOCTYPE html><html>", "html"),
        ("a.dat", b'{"resourceType": "Bundle"}', "fhir"),
        ("a.txt", b"<3 days of cough", "text"),
        ("a.txt", b"MSH: patient seen", "text"),
        ("a.HL7", b"", "hl7"),
        ("a.ndjson.gz", b"", "jsonl"),
    ],
)
def test_kind_of_a_file(tmp_path, name, head, kind):
    (tmp_path / name).write_bytes(head)
    assert format_of(tmp_path / name) == kind


def test_a_kind_that_is_none_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="CS183"):
        list(read_documents(tmp_path / "x", kind="docx"))


def test_a_long_run_of_comments_before_the_root_takes_no_time(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"<!---->" * 500 + b"<x>")
    assert format_of(tmp_path / "a.txt") == "text"


def test_a_missing_file_is_a_failure(tmp_path):
    (found,) = read_documents(tmp_path / "none.xml")
    assert (found.note_id, found.error_id) == ("none", "CS159")


def test_defaults_fill_what_the_file_does_not_say(messages):
    notes = [r.note for r in read_documents(messages / "oru_batch.hl7", {"kind": "x", "payer": "P"}) if isinstance(r, Document)]
    assert {n.payer for n in notes} == {"P"}
    assert notes[0].kind == "laboratory report"


def test_a_folder_of_messages_is_read_file_by_file(messages):
    found = list(NoteSource(messages))
    assert [type(n).__name__ for n in found].count("Failure") == 1
    assert [n.note_id for n in found if isinstance(n, Note)][:2] == ["README", "ccda_discharge_summary"]
    assert {"DOC-12", "F1", "F2"} <= {n.note_id for n in found}


def test_an_html_file_is_one_note(tmp_path):
    (tmp_path / "visit.html").write_text("<html><head><title>x</title></head><body><h1>Plan</h1><p>Inhaler</p></body></html>")
    (found,) = read_documents(tmp_path / "visit.html")
    assert (found.note.note_id, found.note.text) == ("visit", "Plan\nInhaler")


def test_every_kind_of_reading_stands_in_the_json(messages, run):
    code, rows = run_json(run, *sorted(messages.glob("*.*")))
    assert code == 2
    assert {row["status"] for row in rows} == {"read", "refused", "passed over"}
    assert all("text" not in row for row in rows)


def test_the_text_is_shown_when_it_is_asked_for(messages, run):
    done = run("notes", "--text", str(messages / "mdm_t02.hl7"))
    assert "acute on chronic systolic heart failure" in done.stdout
    assert "acute on chronic" not in run("notes", str(messages / "mdm_t02.hl7")).stdout


def test_the_table_tells_what_was_read_and_counts(messages, run):
    done = run("notes", str(messages / "ccda_discharge_summary.xml"))
    assert done.exit_code == 0
    for words in (
        "discharge summary · 2026-05-04 · inpatient · age 74 · sex F",
        "LOINC 8648-8",
        "1 read, 0 refused, 0 passed over",
    ):
        assert words in done.stdout


def test_suggest_takes_messages(messages, run):
    done = run("suggest", "--json", str(messages / "mdm_t02.hl7"))
    assert done.exit_code == 0
    assert "I50.23" in {s["code"] for s in json.loads(done.stdout)["suggestions"]}


def test_suggest_takes_a_format(messages, tmp_path, run):
    (tmp_path / "message").write_bytes((messages / "mdm_t02.hl7").read_bytes())
    done = run("suggest", "--json", "--format", "hl7", str(tmp_path / "message"))
    assert json.loads(done.stdout)["note_id"] == "DOC-12"


def test_standard_input_is_read_by_how_it_begins(messages):
    import subprocess

    data = (messages / "mdm_t02.hl7").read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "codesuggest", "notes", "--json", "-"], input=data, capture_output=True, check=False
    )
    assert json.loads(done.stdout)["note_id"] == "DOC-12"


def test_no_file_is_silently_empty(tmp_path):
    for name in ("a.xml", "a.hl7", "a.json", "a.html", "a.ndjson"):
        (tmp_path / name).write_bytes(b"")
        found = list(read_documents(tmp_path / name))
        assert [r for r in found if isinstance(r, Failure)], name
        assert not any(isinstance(r, PassedOver) for r in found)
