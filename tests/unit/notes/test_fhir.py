"""FHIR R4: what is read of a bundle, what is passed over, and what is refused."""

import base64
import datetime as dt
import gzip
import json

import pytest

from codesuggest.notes import Document, PassedOver, notes_of, read_documents
from codesuggest.notes.sources import NoteSource
from codesuggest.records import Failure


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def attachment(text="Asthma.", kind="text/plain"):
    return {"contentType": kind, "data": b64(text)}


def document(**more):
    return {
        "resourceType": "DocumentReference",
        "id": "d1",
        "status": "current",
        "content": [{"attachment": attachment()}],
        **more,
    }


def write(path, *resources, **more):
    entries = [{"fullUrl": f"urn:uuid:{r.get('id')}", "resource": r} for r in resources]
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries, **more}))
    return path


def read(path, **more):
    return list(read_documents(path, **more))


def kinds(readings):
    return [
        (type(r).__name__, r.error_id if isinstance(r, Failure) else r.note.note_id if isinstance(r, Document) else r.count)
        for r in readings
    ]


@pytest.fixture(scope="session")
def synthea(repository):
    return read(repository / "tests/data/messages/synthea_like_bundle.json")


def test_a_transaction_bundle_gives_each_note_once(synthea):
    notes = [r.note for r in synthea if isinstance(r, Document)]
    assert [(n.kind, n.setting, n.date_of_service, n.age_years, n.sex, n.payer) for n in notes] == [
        ("history and physical", "inpatient", dt.date(2026, 5, 4), 74.0, "F", "Medicare"),
        ("history and physical", "outpatient", dt.date(2026, 3, 2), 74.0, "F", None),
        ("laboratory report", "inpatient", dt.date(2026, 5, 4), 74.0, "F", "Medicare"),
    ]
    same = [r.reason for r in synthea if isinstance(r, PassedOver) and "word for word" in r.reason]
    assert len(same) == 1


def test_results_that_follow_their_report_are_read_as_lines(synthea):
    text = next(r.note.text for r in synthea if isinstance(r, Document) and r.note.kind == "laboratory report")
    assert text == (
        "RESULTS: Basic metabolic panel - Blood\n"
        "Sodium [Moles/volume] in Blood: 128 mmol/L (reference 136-145) L\n"
        "Creatinine [Mass/volume] in Blood: 2.31 mg/dL"
    )


def test_what_holds_no_document_is_named(synthea):
    passed = {r.reason: r.count for r in synthea if isinstance(r, PassedOver)}
    assert passed["Encounter: holds no document"] == 2
    assert passed["ExplanationOfBenefit: holds no document"] == 1


def test_the_encounter_id_is_that_of_the_encounter(tmp_path):
    stay = {"resourceType": "Encounter", "id": "e1", "class": {"code": "IMP"}, "period": {"end": "2026-05-04"}}
    found = read(write(tmp_path / "b.json", document(context={"encounter": [{"reference": "urn:uuid:e1"}]}), stay))
    assert found[0].note.encounter_id == "e1"


@pytest.mark.parametrize(
    "reference", ["Patient/p1", "https://ehr.example/fhir/Patient/p1", "Patient/p1/_history/3", "urn:uuid:p1"]
)
def test_references_are_followed_however_they_are_written(tmp_path, reference):
    patient = {"resourceType": "Patient", "id": "p1", "gender": "male", "birthDate": "2000-01-01"}
    found = read(write(tmp_path / "b.json", document(subject={"reference": reference}, date="2026-05-04T00:00:00Z"), patient))
    assert (found[0].note.sex, found[0].note.age_years) == ("M", 26.0)


def test_a_visit_is_dated_by_its_own_day_and_a_stay_by_its_discharge(tmp_path):
    def note_of(code):
        encounter = {
            "resourceType": "Encounter",
            "id": "e1",
            "class": {"code": code},
            "period": {"start": "2026-03-30", "end": "2026-04-02"},
        }
        return read(write(tmp_path / "b.json", document(context={"encounter": [{"reference": "Encounter/e1"}]}), encounter))[
            0
        ].note

    assert note_of("IMP").date_of_service == dt.date(2026, 4, 2)
    assert note_of("EMER").date_of_service == dt.date(2026, 3, 30)


def test_a_coverage_names_the_payer(tmp_path):
    cover = {
        "resourceType": "Coverage",
        "id": "c1",
        "status": "active",
        "beneficiary": {"reference": "Patient/p1"},
        "payor": [{"reference": "Organization/o1"}],
    }
    payer = {"resourceType": "Organization", "id": "o1", "name": "Blue Plan"}
    found = read(write(tmp_path / "b.json", document(subject={"reference": "Patient/p1"}), cover, payer))
    assert found[0].note.payer == "Blue Plan"


def test_html_is_read_as_text(tmp_path):
    content = [{"attachment": attachment("<p>Asthma</p><ul><li>inhaler</li></ul>", "text/html; charset=utf-8")}]
    assert read(write(tmp_path / "b.json", document(content=content)))[0].note.text == "Asthma\n- inhaler"


def test_of_several_renditions_the_plainest_is_read_and_the_others_are_named(tmp_path):
    content = [
        {"attachment": attachment(b"%PDF-1.7", "application/pdf")},
        {"attachment": attachment("<p>Asthma</p>", "text/html")},
        {"attachment": attachment("Asthma")},
    ]
    found = read(write(tmp_path / "b.json", document(content=content)))
    assert found[0].note.text == "Asthma"
    assert [r.split(" was not read")[0] for r in found[0].remarks] == ["attachment 1", "attachment 2 (HTML)"]
    assert "application/pdf" in found[0].remarks[0]


@pytest.mark.parametrize(
    ("given", "error_id", "word"),
    [
        (attachment(b"%PDF-1.7 ...", "text/plain"), "CS160", "PDF"),
        (attachment(b"{\\rtf1 Asthma}", "text/plain"), "CS160", "RTF"),
        (attachment(b"\x89PNG\r\n\x1a\n", "application/octet-stream"), "CS160", "PNG"),
        (attachment(b"PK\x03\x04....", ""), "CS160", "Office"),
        (attachment(b"\x00" * 128 + b"DICM", ""), "CS160", "DICOM"),
        (attachment("Asthma", "application/msword"), "CS555", "application/msword"),
        (attachment(b64(b"%PDF-1.7 " + b"x" * 90)), "CS160", "base64"),
        (attachment("   \n "), "CS171", "no text"),
        (attachment("<p> </p>", "text/html"), "CS171", "no text"),
        (attachment("<Bundle xmlns='http://hl7.org/fhir'/>", "text/xml"), "CS176", "Bundle"),
        ({"contentType": "text/plain", "data": "###"}, "CS556", "base64"),
        ({"contentType": "text/plain", "url": "https://example.org/x"}, "CS555", "URL"),
        ({"contentType": "text/plain"}, "CS555", "without data"),
    ],
)
def test_an_attachment_that_is_no_text_is_named(tmp_path, given, error_id, word):
    found = read(write(tmp_path / "b.json", document(content=[{"attachment": given}])))
    assert kinds(found) == [("Failure", error_id)]
    assert word in found[0].message


def test_a_binary_after_its_document_is_read(tmp_path):
    binary = {"resourceType": "Binary", "id": "b1", "contentType": "text/plain", "data": b64("Gout.")}
    content = [{"attachment": {"contentType": "text/plain", "url": "Binary/b1"}}]
    found = read(write(tmp_path / "b.json", document(content=content), binary))
    assert [r.note.text for r in found if isinstance(r, Document)] == ["Gout."]


def test_a_binary_that_is_not_there_is_a_failure(tmp_path):
    content = [{"attachment": {"contentType": "text/plain", "url": "Binary/b9"}}]
    assert kinds(read(write(tmp_path / "b.json", document(content=content)))) == [("Failure", "CS555")]


def test_a_ccda_inside_an_attachment_is_read_by_its_sections(tmp_path, repository):
    data = (repository / "tests/data/messages/ccda_discharge_summary.xml").read_bytes()
    found = read(write(tmp_path / "b.json", document(content=[{"attachment": attachment(data, "application/xml")}])))
    assert found[0].source == "FHIR DocumentReference, C-CDA"
    assert found[0].parts[0].code == "8648-8"


def test_a_composition_is_read_section_by_section(tmp_path):
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><p>{}</p></div>'
    loinc = {"coding": [{"system": "http://loinc.org", "code": "8648-8"}]}
    composition = {
        "resourceType": "Composition",
        "id": "c1",
        "status": "final",
        "type": {"coding": [{"system": "http://loinc.org", "code": "18842-5"}]},
        "date": "2026-05-04",
        "section": [
            {"title": "Course", "code": loinc, "text": {"status": "generated", "div": div.format("Diuresed.")}},
            {"title": "Outer", "section": [{"title": "Plan", "text": {"status": "generated", "div": div.format("Clinic.")}}]},
            {"title": "Empty", "text": {"status": "empty", "div": div.format("")}},
        ],
    }
    found = read(write(tmp_path / "b.json", composition, type="document"))[0]
    assert found.note.text == "HOSPITAL COURSE: Course\nDiuresed.\n\nPlan:\nClinic."
    assert [found.note.text[p.span.start : p.span.end].split("\n")[1] for p in found.parts] == ["Diuresed.", "Clinic."]
    assert found.note.kind == "discharge summary"
    assert "section 'Empty' has no text" in found.remarks


def test_a_report_without_any_text_is_refused_with_the_reason(tmp_path):
    report = {"resourceType": "DiagnosticReport", "id": "r1", "status": "final", "result": [{"reference": "Observation/o9"}]}
    found = read(write(tmp_path / "b.json", report))
    assert kinds(found) == [("Failure", "CS182")]


def test_a_conclusion_is_read(tmp_path):
    report = {"resourceType": "DiagnosticReport", "id": "r1", "status": "final", "conclusion": "No fracture."}
    assert read(write(tmp_path / "b.json", report))[0].note.text == "Conclusion: No fracture."


def test_an_observation_is_a_note_only_when_it_is_a_narrative(tmp_path):
    text = "Both lung fields are clear and the heart is not enlarged."
    narrative = {"resourceType": "Observation", "id": "o1", "status": "final", "valueString": text}
    value = {"resourceType": "Observation", "id": "o2", "status": "final", "valueQuantity": {"value": 7.2, "unit": "%"}}
    found = read(write(tmp_path / "b.json", narrative, value))
    assert [r.note.text for r in found if isinstance(r, Document)] == [text]


def test_a_withdrawn_observation_is_not_printed(tmp_path):
    wrong = {"resourceType": "Observation", "id": "o1", "status": "entered-in-error", "code": {"text": "K"}, "valueInteger": 9}
    right = {"resourceType": "Observation", "id": "o2", "status": "final", "code": {"text": "K"}, "valueInteger": 4}
    results = [{"reference": "Observation/o1"}, {"reference": "Observation/o2"}]
    report = {"resourceType": "DiagnosticReport", "id": "r1", "status": "final", "code": {"text": "BMP"}, "result": results}
    assert read(write(tmp_path / "b.json", report, wrong, right))[0].note.text == "RESULTS: BMP\nK: 4"


def test_a_bulk_export_takes_patients_from_its_other_files(tmp_path):
    (tmp_path / "Patient.000.ndjson").write_text(
        json.dumps({"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1990-01-01"})
    )
    row = document(subject={"reference": "Patient/p1"}, date="2026-05-04")
    (tmp_path / "DocumentReference.000.ndjson").write_text(json.dumps(row) + "\n" + json.dumps({**row, "id": "d2"}))
    assert [(n.note_id, n.sex, n.age_years) for n in NoteSource(tmp_path)] == [("d1", "F", 36.0), ("d2", "F", 36.0)]


def test_ndjson_with_a_damaged_line_keeps_the_others(tmp_path):
    path = tmp_path / "d.ndjson"
    path.write_text(f"{json.dumps(document())}\n{{damaged\n{json.dumps(document(id='d2'))}\n[1]\n{{}}\n")
    found = kinds(read(path))
    assert found == [("Document", "d1"), ("Failure", "CS164"), ("Document", "d2"), ("Failure", "CS164"), ("Failure", "CS164")]


def test_a_bundle_without_documents_says_so(tmp_path):
    found = read(write(tmp_path / "b.json", {"resourceType": "Patient", "id": "p"}))
    assert kinds(found) == [("PassedOver", 1), ("Failure", "CS179")]
    assert "Patient" in found[-1].message


# -- hostile ------------------------------------------------------------------------------------------------------------


def test_a_bundle_cut_off_gives_what_came_before_and_says_so(tmp_path):
    whole = write(tmp_path / "b.json", document(), document(id="d2")).read_text()
    (tmp_path / "b.json").write_text(whole[:-40])
    assert kinds(read(tmp_path / "b.json")) == [("Document", "d1"), ("Failure", "CS180")]


@pytest.mark.parametrize("depth", [200, 100_000])
def test_deep_nesting_is_refused(tmp_path, depth):
    (tmp_path / "b.json").write_text('{"resourceType":"Bundle","entry":[' + '{"resource":' * depth)
    found = read(tmp_path / "b.json")
    assert [f.error_id for f in found] == ["CS173"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"   ",
        b"[]",
        b"\xff\xfe{",
        b'{"resourceType": 5}',
        b'{"a": 1}',
        b"\x00\x01",
        b'{"resourceType":"Bundle","entry":5',
        b"nul",
    ],
)
def test_what_is_no_bundle_is_refused(tmp_path, data):
    (tmp_path / "b.json").write_bytes(data)
    found = read(tmp_path / "b.json")
    assert len(found) == 1
    assert found[0].error_id in ("CS164", "CS179")


def test_resources_that_point_to_each_other_do_no_harm(tmp_path):
    encounter = {"resourceType": "Encounter", "id": "e1", "partOf": {"reference": "Encounter/e1"}, "class": {"code": "AMB"}}
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "result": [{"reference": "#r1"}, {"reference": "DiagnosticReport/r1"}],
    }
    own = document(
        content=[{"attachment": {"url": "DocumentReference/d1"}}], context={"encounter": [{"reference": "Encounter/e1"}]}
    )
    found = [f.error_id for f in read(write(tmp_path / "b.json", encounter, report, own)) if isinstance(f, Failure)]
    assert sorted(found) == ["CS182", "CS555"]


def test_a_gzip_bomb_is_refused_by_its_content(tmp_path, monkeypatch):
    monkeypatch.setattr("codesuggest.notes.json_stream.MAX_STRING", 9_000_000)
    with gzip.open(tmp_path / "b.json.gz", "wb") as file:
        file.write(b'{"resourceType":"Bundle","entry":["')
        for _ in range(15):
            file.write(b"A" * 1_000_000)
    found = read(tmp_path / "b.json.gz")
    assert [f.error_id for f in found] == ["CS173"]


def test_a_cut_off_gzip_is_refused(tmp_path):
    data = gzip.compress(write(tmp_path / "b.json", document()).read_bytes())
    (tmp_path / "c.json.gz").write_bytes(data[:-20])
    assert {f.error_id for f in read(tmp_path / "c.json.gz") if isinstance(f, Failure)} & {"CS551", "CS164", "CS180"}


def test_nul_bytes_in_a_text_are_kept_as_given(tmp_path):
    text = "Asthma.\x00" + "Seen today for a cough. " * 10
    assert read(write(tmp_path / "b.json", document(content=[{"attachment": attachment(text)}])))[0].note.text == text


def test_no_message_repeats_the_text(tmp_path):
    words = "Zebrafish syndrome"
    bad = document(content=[{"attachment": attachment(words, "application/pdf")}], description=words)
    for reading in read(write(tmp_path / "b.json", bad)):
        assert words not in repr(reading)


def test_notes_of_leaves_the_rest_out(synthea):
    assert len(list(notes_of(iter(synthea)))) == 3


def test_reports_of_a_bulk_export_do_not_wait_for_results_of_other_files(tmp_path):
    rows = [{"resourceType": "DiagnosticReport", "id": f"r{i}", "result": [{"reference": f"Observation/o{i}"}]} for i in range(3)]
    path = tmp_path / "DiagnosticReport.ndjson"
    path.write_text("\n".join(map(json.dumps, rows)))
    assert kinds(read(path)) == [("Failure", "CS182")] * 3


def test_ndjson_with_its_observations_puts_them_into_the_report(tmp_path):
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "code": {"text": "BMP"},
        "result": [{"reference": "Observation/o1"}],
    }
    value = {"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "K"}, "valueInteger": 4}
    (tmp_path / "x.ndjson").write_text("\n".join(map(json.dumps, [report, value])))
    assert [r.note.text for r in read(tmp_path / "x.ndjson") if isinstance(r, Document)] == ["RESULTS: BMP\nK: 4"]


@pytest.mark.parametrize("odd", [None, 1, "x", [], {}, [[]], {"reference": {}}, [{"coding": 5}], True])
def test_fields_of_the_wrong_shape_do_no_harm(tmp_path, repository, odd):
    whole = json.loads((repository / "tests/data/messages/synthea_like_bundle.json").read_text())
    for number, entry in enumerate(whole["entry"]):
        for name in entry["resource"]:
            changed = json.loads(json.dumps(whole))
            changed["entry"][number]["resource"][name] = odd
            (tmp_path / "b.json").write_text(json.dumps(changed))
            assert any(isinstance(r, Document) for r in read(tmp_path / "b.json"))
