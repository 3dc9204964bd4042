"""Input that is not a note, a model or a table: a clear error with its id, or a right answer; never a traceback or a hang."""

import json
import subprocess
import sys
from datetime import date

import pytest

from codesuggest import BundleError, InvalidNoteError, NoReleaseError, Note, UnknownCodeError, load
from codesuggest.cli import sample_note
from codesuggest.codes import Releases
from codesuggest.errors import InputFormatError
from codesuggest.notes import MAX_BYTES, decode, read_text

SAMPLE = sample_note().text
LINE = "Assessment: essential hypertension and moderate persistent asthma. No pneumonia. "


def codes(result):
    return {s.code for s in result.selected}


def check_offsets(result, text):
    places = [e for s in (*result.suggestions, *result.suppressed) for e in s.evidence]
    assert places
    assert all(text[e.span.start : e.span.end] == e.excerpt for e in places)


# -- notes that cannot be read ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", " ", "\n\t\r\n \u00a0\u2003", "....---!!!", "😀😀", "\u202e\u200b"])
def test_a_note_without_words_is_refused(suggester, text):
    with pytest.raises(InvalidNoteError, match="CS150"):
        suggester.suggest(Note("n", text))


@pytest.mark.parametrize("text", ["\0" * 50, "asthma\0\0\0\0", "\ufffd" * 10 + "asthma", "\ud800\udc00 asthma \udfff"])
def test_a_note_of_control_characters_is_refused(suggester, text):
    with pytest.raises(InvalidNoteError, match="CS158"):
        suggester.suggest(Note("n", text))


@pytest.mark.parametrize(
    ("facts", "error_id"),
    [
        ({"note_id": ""}, "CS152"),
        ({"note_id": 5}, "CS152"),
        ({"text": b"asthma"}, "CS153"),
        ({"text": None}, "CS153"),
        ({"date_of_service": "2026-05-04"}, "CS154"),
        ({"setting": "ward"}, "CS155"),
        ({"sex": "female"}, "CS156"),
        ({"age_years": -1}, "CS157"),
        ({"age_years": float("nan")}, "CS157"),
        ({"age_years": True}, "CS157"),
    ],
)
def test_a_field_of_the_wrong_type_or_range_is_refused(facts, error_id):
    with pytest.raises(InvalidNoteError, match=error_id):
        Note(**{"note_id": "n", "text": "Asthma.", **facts})


FILES = {
    "a PDF document": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "CS160"),
    "an RTF document": (rb"{\rtf1\ansi asthma}", "CS160"),
    "a zip archive or an Office document": (b"PK\x03\x04\x14\x00", "CS160"),
    "an old Office document": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 50, "CS160"),
    "a PNG image": (b"\x89PNG\r\n\x1a\n\0\0", "CS160"),
    "a JPEG image": (b"\xff\xd8\xff\xe0\0\x10JFIF", "CS160"),
    "a TIFF image": (b"II*\0\x08\0\0\0", "CS160"),
    "a gzip archive": (b"\x1f\x8b\x08\0", "CS160"),
    "bytes are NUL": (b"\0\0\0\1asthma\0\0\0\2" * 9, "CS160"),
    "looks like UTF-16 without a byte order mark": ("Asthma, stable.".encode("utf-16-le"), "CS160"),
    "reason of UTF-8": (b"ast\x81hma \x8d\x90", "CS161"),
    "unexpected end of data": ("Ménière’s disease of the right ear ☃".encode()[:-1], "CS161"),
    "breaks at byte": ("Asthma.".encode("utf-16")[:-1], "CS161"),
    "Windows-1252 either": ("喘息 の患者".encode("shift-jis"), "CS161"),
}


@pytest.mark.parametrize(("data", "error_id"), FILES.values(), ids=FILES)
def test_a_file_that_is_no_text_is_refused_by_name(run, tmp_path, data, error_id, request):
    (tmp_path / "note.txt").write_bytes(data)
    result = run("suggest", tmp_path / "note.txt")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"[{error_id}] ")
    assert "asthma" not in result.stderr.lower()
    name = request.node.callspec.id
    if name != "reason of UTF-8":
        assert name in result.stderr


@pytest.mark.parametrize("name", ["missing.txt", ".", "missing.jsonl"])
def test_a_file_that_cannot_be_opened_is_an_error(tmp_path, monkeypatch, name, run):
    monkeypatch.chdir(tmp_path)
    result = run("suggest", name)
    assert result.exit_code == 2
    assert "[CS159]" in result.stderr


def test_a_file_too_large_for_a_note_is_refused(tmp_path):
    with (tmp_path / "note.txt").open("wb") as file:
        file.truncate(MAX_BYTES + 2)
    with pytest.raises(InputFormatError, match="CS162"):
        read_text(tmp_path / "note.txt")


# -- notes that look odd and can be read ----------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_tells_the_encoding(encoding):
    text = "Ménière’s disease, 38.2 °C\r\n喘息 😀\n"
    assert decode(text.encode(encoding)).text == text


def test_windows_1252_is_read_and_said(run, tmp_path, suggester):
    text = "Assessment: Ménière’s disease of the right ear – 38.2 °C."
    (tmp_path / "note.txt").write_bytes(text.encode("cp1252"))
    result = run("suggest", "--json", tmp_path / "note.txt")
    assert (result.exit_code, result.stderr[:17]) == (0, "warning: [CS166] ")
    assert json.loads(result.stdout) == json.loads(json.dumps(suggester.suggest(Note("note", text)).to_dict()))


@pytest.mark.parametrize(
    "text",
    [
        SAMPLE.upper(),
        SAMPLE.lower(),
        SAMPLE.replace("\n", "\r\n"),
        SAMPLE.replace("\n\n", "\n"),
        "\ufeff" + SAMPLE,
        SAMPLE.replace(" ", "\u00a0"),
        "😀👩‍⚕️" + SAMPLE.replace(". ", ". 🫁 "),
    ],
    ids=["capitals", "lower", "CRLF", "no blank lines", "byte order mark", "no-break blanks", "emoji"],
)
def test_the_sample_in_other_clothes_keeps_its_main_codes(suggester, text):
    result = suggester.suggest(Note("n", text, kind="discharge summary"))
    assert codes(result) >= {"A41.51", "E11.22", "N18.31", "N17.9"}
    check_offsets(result, text)


@pytest.mark.parametrize(
    "text",
    [
        "אבחנה: essential hypertension. מריש.",
        "تشخیص: essential hypertension، مزمن",
        "\u202eAssessment: essential hypertension\u202c",
        "\U0001f600" * 50 + " Assessment: essential hypertension",
        "Assessment: essential\0 hypertension. " + "Stable today. " * 10,
        "Assessment: \x1b[1messential hypertension\x1b[0m. " + "Stable today. " * 20,
        "e\u0301tat: essential hypertension",
        "Assessment: essential\u2028hypertension",
    ],
    ids=["Hebrew", "Persian", "override", "emoji", "NUL", "escape", "combining", "line separator"],
)
def test_odd_characters_do_not_move_the_offsets(suggester, text):
    result = suggester.suggest(Note("n", text))
    assert "I10" in {s.code for s in result.suggestions}
    check_offsets(result, text)


LARGE = {
    "one line of 200,000 characters": (LINE * 2500)[:200_000],
    "one word of 200,000 characters": "Asthma " + "a" * 200_000,
    "200,000 blanks": "x" + " " * 200_000 + LINE,
    "200,000 tabs and line ends": "Assessment:" + "\t\n" * 100_000 + LINE,
    "200,000 marks": LINE + "=" * 100_000 + "(" * 100_000,
    "100,000 capitals": "A" * 50 + "\n" + "ABCDE FGH " * 10_000 + LINE,
    "10,000 numbers": LINE + "1.2.3.4.5." * 20_000,
    "5 MB": SAMPLE * (5_000_000 // len(SAMPLE)),
    "5 MB on one line": (SAMPLE.replace("\n", " ")) * (5_000_000 // len(SAMPLE)),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_note_is_done_in_time_with_right_offsets(tmp_path, name):
    text = LARGE[name]
    (tmp_path / "note.txt").write_bytes(text.encode())
    done = subprocess.run(
        [sys.executable, "-m", "codesuggest", "suggest", "--json", str(tmp_path / "note.txt")],
        capture_output=True,
        timeout=60 if name.startswith("5 MB") else 20,
        check=True,
    )
    found = json.loads(done.stdout)
    places = [e for s in found["suggestions"] + found["suppressed"] for e in s["evidence"]]
    assert {s["code"] for s in found["suggestions"]} & {"I10", "I12.9", "J45.909", "J45.40"}
    assert all(text[e["start"] : e["end"]] == e["excerpt"] for e in places)


# -- models and releases --------------------------------------------------------------------------------------------------


def test_a_missing_model_is_refused(tmp_path):
    with pytest.raises(BundleError, match="CS300"):
        load(tmp_path / "nothing")


def test_one_flipped_byte_in_any_file_of_a_model_is_found(model_copy):
    files = sorted(p for p in model_copy.rglob("*") if p.is_file() and p.name not in ("manifest.json", "card.md"))
    assert len(files) > 10
    for file in files:
        good = file.read_bytes()
        place = len(good) // 2
        file.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(BundleError, match="CS302"):
            load(model_copy)
        file.write_bytes(good)
    load(model_copy)


def test_a_flipped_byte_in_the_manifest_is_found_or_harmless(model_copy, suggester):
    file = model_copy / "manifest.json"
    good = file.read_bytes()
    note = Note("n", LINE)
    expected = suggester.suggest(note).suggestions
    for place in range(0, len(good), len(good) // 60):
        file.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        try:
            opened = load(model_copy)
        except BundleError:
            continue
        assert opened.suggest(note).suggestions == expected


@pytest.mark.parametrize("change", ["missing", "empty", "longer", "shorter"])
def test_a_changed_file_of_a_model_is_found(model_copy, change):
    file = model_copy / "ranker.json"
    good = file.read_bytes()
    file.unlink()
    if change != "missing":
        file.write_bytes({"empty": b"", "longer": good + b" ", "shorter": good[:-1]}[change])
    with pytest.raises(BundleError, match="CS302"):
        load(model_copy)


@pytest.mark.parametrize(
    ("manifest", "error_id"),
    [
        (b"", "CS302"),
        (b"[]", "CS302"),
        (b"{}", "CS302"),
        (b"\xff\xfe", "CS302"),
        (b'{"format": 99, "codesuggest": "9.0.0", "name": "x", "release": {"name": "r", "sha256": "s"}, "files": {}}', "CS303"),
        (b'{"format": "new"}', "CS302"),
    ],
)
def test_a_manifest_that_is_none_or_newer_is_refused(model_copy, manifest, error_id):
    (model_copy / "manifest.json").write_bytes(manifest)
    with pytest.raises(BundleError, match=error_id):
        load(model_copy)


def test_a_manifest_cannot_point_outside_its_folder(model_copy):
    file = model_copy / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["files"]["../other"] = {"sha256": "0" * 64, "size_bytes": 0}
    file.write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="CS302"):
        load(model_copy)


def test_a_model_for_another_release_is_refused(model_copy):
    file = model_copy / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["release"]["sha256"] = "0" * 64
    file.write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="CS304"):
        load(model_copy)


def test_no_release_on_the_date(suggester):
    with pytest.raises(NoReleaseError, match="CS103"):
        suggester.suggest(Note("n", "Asthma.", date_of_service=date(2001, 1, 1)))


def test_a_code_that_does_not_exist_on_the_date(run):
    with pytest.raises(UnknownCodeError, match="CS102"):
        Releases().on(date(2026, 5, 4)).title("E11.99")
    assert run("codes", "show", "E11.99").exit_code == 3
    assert run("codes", "show", "E11.65", "--date", "2001-01-01").exit_code == 3
    assert run("codes", "show", "eleven").exit_code == 2


BOMB = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<ICD10CM.tabular><version>2026</version><chapter><name>1</name><desc>&b;</desc></chapter></ICD10CM.tabular>"""
INDEX = """<?xml version="1.0"?><ICD10CM.index><version>2026</version><title>ICD-10-CM INDEX TO DISEASES</title>
<letter><title>A</title><mainTerm><title>Asthma</title><code>J45.909</code></mainTerm></letter></ICD10CM.index>"""


@pytest.mark.parametrize(
    ("content", "error_id"), [(BOMB, "CS112"), (INDEX, "CS118"), ("", "CS110")], ids=["entity expansion", "index", "empty"]
)
def test_a_table_that_is_not_what_it_was_said_to_be(run, tmp_path, content, error_id):
    (tmp_path / "table.xml").write_text(content)
    result = run("codes", "add", tmp_path / "table.xml", "--effective", "2026-10-01", "--to", tmp_path / "releases")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"[{error_id}] ")


def test_an_error_of_decoding_names_no_text():
    done = subprocess.run(
        [sys.executable, "-m", "codesuggest", "suggest", "-", "--json"],
        input=b"Mrs Terrazas \x81\x8d",
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert b"Terrazas" not in done.stdout + done.stderr
    assert b"Traceback" not in done.stderr
