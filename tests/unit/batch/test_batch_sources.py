import base64
import datetime as dt
import gzip
import json

import pytest
from batch_helpers import rows, write_jsonl

from codesuggest.errors import CodesuggestError, ConfigError, InputFormatError
from codesuggest.notes import streams
from codesuggest.notes.columns import Columns
from codesuggest.notes.sources import NoteSource
from codesuggest.records import Failure, Note


def read(path, **options):
    return list(NoteSource(path, **options))


def ids(found):
    return [(n.note_id, n.error_id if isinstance(n, Failure) else n.text) for n in found]


# -- folders ------------------------------------------------------------------------------------------------------------


def test_folder_of_text_files_by_name(tmp_path):
    (tmp_path / "b.txt").write_bytes(b"Gout.\r\n")
    (tmp_path / "a.txt").write_text("Asthma.", encoding="utf-8-sig")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.txt").write_text("Crohn’s disease.")
    (tmp_path / ".hidden").write_text("x")
    assert ids(read(tmp_path)) == [("a", "Asthma."), ("b", "Gout.\r\n"), ("sub/c", "Crohn’s disease.")]


def test_folder_files_of_one_stem_keep_their_endings(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "a.md").write_text("two")
    assert ids(read(tmp_path)) == [("a.md", "two"), ("a.txt", "one")]


def test_folder_file_that_is_no_text_is_a_failure_in_its_place(tmp_path):
    (tmp_path / "a.txt").write_text("Gout.")
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.7 ...")
    (tmp_path / "c.txt").write_text("Asthma.")
    assert ids(read(tmp_path)) == [("a", "Gout."), ("b", "CS160"), ("c", "Asthma.")]


def test_folder_reads_files_of_every_kind(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{"note_id": "x", "text": "Gout."}])
    (tmp_path / "b.csv").write_text("note_id,text\ny,Asthma.\n")
    (tmp_path / "c.txt").write_text("Cough.")
    source = NoteSource(tmp_path)
    assert ids(list(source)) == [("x", "Gout."), ("y", "Asthma."), ("c", "Cough.")]
    assert source.position_bytes == source.size_bytes


def test_folder_without_files_and_missing_path_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(InputFormatError, match="CS550"):
            NoteSource(path)


def test_source_digest_changes_with_the_files(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", rows(2))
    before = NoteSource(tmp_path).digest
    assert NoteSource(tmp_path).digest == before
    write_jsonl(tmp_path / "b.jsonl", rows(1))
    assert NoteSource(tmp_path).digest != before


# -- JSON lines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_json_lines_plain_and_compressed(tmp_path, ending):
    data = b"\xef\xbb\xbf" + "".join(json.dumps(r) + "\r\n" for r in rows(300)).encode()
    if ending == ".gz":
        data = gzip.compress(data[: len(data) // 2]) + gzip.compress(data[len(data) // 2 :])
    elif ending == ".zst":
        compress = pytest.importorskip("zstandard").ZstdCompressor().compress
        data = compress(data[:5000]) + compress(data[5000:])
    path = tmp_path / f"notes.jsonl{ending}"
    path.write_bytes(data)
    assert ids(read(path)) == [(r["note_id"], r["text"]) for r in rows(300)]


@pytest.mark.parametrize("ending", [".gz", ".zst"])
@pytest.mark.parametrize("part", [0.3, 0.999])
def test_compressed_file_that_was_cut_off_is_refused(tmp_path, ending, part):
    data = "".join(json.dumps(r) + "\n" for r in rows(2000)).encode()
    packed = gzip.compress(data) if ending == ".gz" else pytest.importorskip("zstandard").ZstdCompressor().compress(data)
    path = tmp_path / f"notes.jsonl{ending}"
    path.write_bytes(packed[: int(len(packed) * part)])
    with pytest.raises(InputFormatError, match="CS551"):
        read(path)


def test_json_lines_bad_lines_are_failures_that_repeat_nothing(tmp_path):
    private = "Jane Roe has gout"
    lines = [
        "[1]",
        f'{{"text": "{private}"}}',
        f'{{"note_id": "a", "text": "{private}", "age_years": "{private}"}}',
        f'{{"note_id": "b", "text": "x", "setting": "{private}"}}',
        f'{{"note_id": "{private}\\n", "text": "x"}}',
        '{"note_id": "c", "text": ["x"]}',
        "[" * 100_000,
        '{"note_id": "d", "text": "x", "age_years": ' + "9" * 5000 + "}",
        '{"note_id": "e", "text": "Gout.", "date_of_service": "2026-05-04T10:00:00Z", "age_years": 70}',
    ]
    found = read(write_jsonl(tmp_path / "n.jsonl", lines))
    assert [n.error_id for n in found[:-1]] == ["CS164", "CS164", "CS157", "CS155", "CS553", "CS153", "CS164", "CS164"]
    assert found[-1].date_of_service == dt.date(2026, 5, 4)
    assert not any("Jane" in n.message or "Jane" in n.note_id for n in found[:-1])


def test_json_lines_columns_and_defaults(tmp_path):
    path = write_jsonl(tmp_path / "n.jsonl", [{"ROW_ID": 7, "TEXT": "Gout.", "setting": "outpatient"}])
    columns = Columns({"note_id": "ROW_ID", "text": "TEXT"}, {"setting": "inpatient", "kind": "visit note"})
    assert read(path, columns=columns) == [Note("7", "Gout.", kind="visit note", setting="outpatient")]


def test_json_lines_line_without_end_does_not_fill_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "MAX_BYTES", 1000)
    path = tmp_path / "n.jsonl"
    path.write_bytes(b"x" * 3_000_000 + b'\n{"note_id": "a", "text": "Gout."}\n')
    assert ids(read(path)) == [("n.jsonl:1", "CS162"), ("a", "Gout.")]


# -- CSV ----------------------------------------------------------------------------------------------------------------


def test_csv_keeps_line_ends_quotes_and_commas_of_the_text(tmp_path):
    path = tmp_path / "n.csv"
    path.write_bytes(b'\xef\xbb\xbfnote_id,text,age_years,sex\r\n1,"A ""b"", c\r\nd\n",70,F\r\n\r\n2,Gout.,,\r\n')
    assert read(path) == [Note("1", 'A "b", c\r\nd\n', age_years=70, sex="F"), Note("2", "Gout.")]


def test_csv_cells_in_windows_1252_are_read_one_by_one(tmp_path):
    path = tmp_path / "n.csv"
    path.write_bytes("note_id,text\n1,Crohn’s\n".encode() + b"2,Temp 38.2\xb0C\n" + b"3,\xff\xfe\x00bad\x81\n")
    assert ids(read(path))[:2] == [("1", "Crohn’s"), ("2", "Temp 38.2°C")]
    assert isinstance(read(path)[2], Failure)


def test_csv_row_with_too_many_cells_is_a_failure(tmp_path):
    path = tmp_path / "n.csv"
    path.write_text("note_id,text\n1,Gout, again\n2,Asthma\n")
    assert ids(read(path)) == [("n.csv:2", "CS553"), ("2", "Asthma")]


def test_csv_with_an_open_quote_is_refused(tmp_path):
    path = tmp_path / "n.csv"
    path.write_text('note_id,text\n1,"Gout\n2,Asthma\n')
    with pytest.raises(InputFormatError, match="CS554"):
        read(path)


def test_csv_without_the_columns_says_which_without_repeating_text(tmp_path):
    path = tmp_path / "n.csv"
    path.write_text("ID,Jane Roe has gout\n1,Gout\n")
    with pytest.raises(ConfigError, match="CS552") as caught:
        read(path)
    assert "Jane" not in str(caught.value)
    assert "ID" in str(caught.value)


def test_csv_delimiters(tmp_path):
    (tmp_path / "n.tsv").write_text("note_id\ttext\n1\tGout, again\n")
    (tmp_path / "m.csv").write_text("note_id;text\n1;Gout, again\n")
    assert ids(read(tmp_path / "n.tsv")) == ids(read(tmp_path / "m.csv", delimiter=";")) == [("1", "Gout, again")]


# -- Parquet ------------------------------------------------------------------------------------------------------------


def test_parquet_types_and_row_groups(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pa.table(
        {
            "id": pa.array([1, 2, None], pa.int64()),
            "text": pa.array(["Gout.", None, "x"], pa.large_string()),
            "date_of_service": pa.array([dt.datetime(2026, 5, 4, 9, tzinfo=dt.UTC)] * 3, pa.timestamp("us")),
            "unused": [0, 0, 0],
        }
    )
    parquet.write_table(table, tmp_path / "n.parquet", row_group_size=2)
    found = read(tmp_path / "n.parquet", columns=Columns({"note_id": "id"}))
    assert found[0] == Note("1", "Gout.", date_of_service=dt.date(2026, 5, 4))
    assert ids(found)[1:] == [("2", "CS153"), ("n.parquet:3", "CS553")]


def test_parquet_damaged_or_without_columns_is_refused(tmp_path):
    pa = pytest.importorskip("pyarrow")
    (tmp_path / "n.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(InputFormatError, match="CS554"):
        read(tmp_path / "n.parquet")
    pytest.importorskip("pyarrow.parquet").write_table(pa.table({"a": [1]}), tmp_path / "m.parquet")
    with pytest.raises(ConfigError, match="CS552"):
        read(tmp_path / "m.parquet")


# -- FHIR ---------------------------------------------------------------------------------------------------------------


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def document(**more):
    attachment = {"contentType": "text/plain", "data": b64("Asthma.")}
    return {"resourceType": "DocumentReference", "id": "d1", "status": "current", "content": [{"attachment": attachment}], **more}


def test_fhir_bundle_gives_text_and_facts(tmp_path):
    patient = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1952-05-05"}
    encounter = {
        "resourceType": "Encounter",
        "id": "e1",
        "class": {"code": "IMP"},
        "period": {"start": "2026-04-28", "end": "2026-05-04T10:00:00Z"},
    }
    reference = document(
        type={"text": "Discharge Summary"},
        subject={"reference": "Patient/p1"},
        context={"encounter": [{"reference": "Encounter/e1"}]},
    )
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "status": "final",
        "code": {"coding": [{"display": "Chest X-ray"}]},
        "effectiveDateTime": "2026-04-29",
        "presentedForm": [
            {"contentType": "text/plain;charset=ISO-8859-1", "data": b64("Temp 38\xb0. Pneumonia.".encode("latin-1"))}
        ],
    }
    bundle = {"resourceType": "Bundle", "entry": [{"resource": r} for r in (patient, encounter, reference, report)]}
    (tmp_path / "b.json").write_text(json.dumps(bundle))
    assert read(tmp_path / "b.json") == [
        Note("d1", "Asthma.", "discharge summary", "e1", dt.date(2026, 5, 4), "inpatient", 73.0, "F"),
        Note("r1", "Temp 38°. Pneumonia.", "chest x-ray", None, dt.date(2026, 4, 29)),
    ]


def test_fhir_bulk_export_folder(tmp_path):
    write_jsonl(tmp_path / "Patient.000.ndjson", [{"resourceType": "Patient", "id": "p"}])
    write_jsonl(tmp_path / "DocumentReference.000.ndjson", [document(), document(id="d2")])
    assert ids(read(tmp_path)) == [("d1", "Asthma."), ("d2", "Asthma.")]


def test_fhir_binary_of_the_same_bundle_is_followed_and_nothing_else(tmp_path):
    binary = {"resourceType": "Binary", "id": "b1", "data": b64("Gout.")}
    inside = document(content=[{"attachment": {"contentType": "text/plain", "url": "Binary/b1"}}])
    outside = document(id="d2", content=[{"attachment": {"contentType": "text/plain", "url": "https://example.org/x"}}])
    bundle = {"resourceType": "Bundle", "entry": [{"resource": r} for r in (binary, inside, outside)]}
    (tmp_path / "b.json").write_text(json.dumps(bundle))
    assert ids(read(tmp_path / "b.json")) == [("d1", "Gout."), ("d2", "CS555")]


@pytest.mark.parametrize(
    ("more", "error_id"),
    [
        ({"status": "entered-in-error"}, "CS557"),
        ({"docStatus": "entered-in-error"}, "CS557"),
        ({"content": [{"attachment": {"contentType": "application/pdf", "data": "JVBERg=="}}]}, "CS555"),
        ({"content": "what"}, "CS555"),
        ({"content": [{"attachment": {"contentType": "text/plain", "data": "!!!"}}]}, "CS556"),
        ({"content": [{"attachment": {"contentType": "text/plain", "data": 5}}]}, "CS556"),
        ({"content": [{"attachment": {"contentType": "text/plain", "data": b64(b"%PDF-1.4")}}]}, "CS160"),
    ],
)
def test_fhir_document_that_cannot_be_read_is_a_failure(tmp_path, more, error_id):
    assert ids(read(write_jsonl(tmp_path / "d.ndjson", [document(**more)]))) == [("d1", error_id)]


@pytest.mark.parametrize("odd", [None, 1, "x", [], {}, [[]], {"reference": {}}])
def test_fhir_fields_of_the_wrong_shape_do_no_harm(tmp_path, odd):
    names = ("type", "subject", "context", "date", "id", "status", "period")
    found = read(write_jsonl(tmp_path / "d.ndjson", [document(**{name: odd}) for name in names]))
    assert len(found) == len(names)
    assert all(isinstance(n, Note) and n.text == "Asthma." for n in found)


def test_fhir_several_texts_of_one_document(tmp_path):
    texts = [{"attachment": {"contentType": "text/plain", "data": b64(t)}} for t in ("Gout.", "Asthma.")]
    assert ids(read(write_jsonl(tmp_path / "d.ndjson", [document(content=texts)]))) == [("d1", "Gout."), ("d1#2", "Asthma.")]


def test_json_file_that_is_no_fhir_is_refused(tmp_path):
    (tmp_path / "a.json").write_text('[{"note_id": "a", "text": "Gout."}]')
    with pytest.raises(CodesuggestError, match="CS164"):
        read(tmp_path / "a.json")
