"""C-CDA: the narrative under its headings, the facts of the header, and what is refused."""

import base64
import datetime as dt

import pytest

from codesuggest.extract.sections import find_sections
from codesuggest.notes import read_documents
from codesuggest.notes.ccda import ccda_document
from codesuggest.notes.loinc import _SECTIONS, heading_of
from codesuggest.records import Failure


def cda(body="", head="", ns='xmlns="urn:hl7-org:v3"'):
    return (
        f"<ClinicalDocument {ns}>{head}<component><structuredBody>{body}</structuredBody></component></ClinicalDocument>".encode()
    )


def section(text, title="Plan", code="", inner=""):
    coded = f'<code code="{code}" codeSystem="2.16.840.1.113883.6.1"/>' if code else ""
    return f"<component><section>{coded}<title>{title}</title><text>{text}</text>{inner}</section></component>"


def read(data, tmp_path):
    (tmp_path / "d.xml").write_bytes(data)
    return next(iter(read_documents(tmp_path / "d.xml")))


@pytest.fixture(scope="session")
def summary(repository):
    return next(iter(read_documents(repository / "tests/data/messages/ccda_discharge_summary.xml")))


def test_header_gives_the_facts(summary):
    note = summary.note
    assert (note.kind, note.setting, note.date_of_service) == ("discharge summary", "inpatient", dt.date(2026, 5, 4))
    assert (note.age_years, note.sex, note.encounter_id) == (74.0, "F", "ENC-9")


def test_sections_point_into_the_text(summary):
    own = [summary.note.text[p.span.start : p.span.end] for p in summary.parts]
    assert own[0] == (
        "HOSPITAL COURSE:\nThe patient was admitted with acute on chronic systolic heart failure and improved\nwith furosemide.\n"
        "Pneumonia was ruled out."
    )
    assert own[2] == "RESULTS:\nTest | Value | Range\nSodium | 128 mmol/L | 136-145\nCreatinine | 2.31 mg/dL"
    assert own[4] == "Follow-up:\nCardiology in one week."


def test_deleted_words_and_empty_sections_are_named(summary):
    assert summary.remarks == (
        "section 'ALLERGIES': no text, nullFlavor NI",
        "1 passages marked as deleted were left out",
    )


def test_coded_entries_are_not_read(summary):
    assert "not to be read" not in summary.note.text


def test_evidence_points_into_the_text_handed_on(summary, suggester):
    result = suggester.suggest(summary.note)
    assert "I50.23" in [s.code for s in result.selected]
    assert all(summary.note.text[e.span.start : e.span.end] == e.excerpt for s in result.suggestions for e in s.evidence)


@pytest.mark.parametrize("code", sorted(_SECTIONS))
def test_the_section_finder_knows_the_heading_of_each_section(code):
    words, accepted = _SECTIONS[code]
    found = set()
    for title in (*accepted, words.upper(), words.title(), "Something else"):
        text = f"First line of text here.\n\n{heading_of(code, title)}\n- Asthma, confirmed by spirometry\n"
        found.add(find_sections(text)[-1].name)
    assert len(found) == 1


def test_a_body_that_is_a_pdf_is_named(repository):
    found = next(iter(read_documents(repository / "tests/data/messages/ccda_unstructured_pdf.xml")))
    assert isinstance(found, Failure)
    assert found.error_id == "CS555"
    assert "application/pdf" in found.message


@pytest.mark.parametrize(
    ("attributes", "content", "text"),
    [
        ('mediaType="text/plain"', "Asthma.", "Asthma."),
        ('mediaType="text/plain" representation="B64"', base64.b64encode(b"Asthma.").decode(), "Asthma."),
        ('mediaType="text/html" representation="B64"', base64.b64encode(b"<p>Asthma</p>").decode(), "Asthma"),
    ],
)
def test_a_body_that_is_text_is_read(tmp_path, attributes, content, text):
    body = f"<component><nonXMLBody><text {attributes}>{content}</text></nonXMLBody></component>"
    data = f'<ClinicalDocument xmlns="urn:hl7-org:v3">{body}</ClinicalDocument>'
    assert read(data.encode(), tmp_path).note.text == text


@pytest.mark.parametrize(
    ("code", "setting"),
    [
        ("IMP", "inpatient"),
        ("AMB", "outpatient"),
        ("EMER", "emergency"),
        ("99213", "outpatient"),
        ("99223", "inpatient"),
        ("99284", "emergency"),
    ],
)
def test_setting_of_the_encounter(tmp_path, code, setting):
    head = f'<componentOf><encompassingEncounter><code code="{code}"/></encompassingEncounter></componentOf>'
    assert read(cda(section("Asthma."), head), tmp_path).note.setting == setting


def test_a_summary_of_care_is_not_dated_by_the_span_of_care(tmp_path):
    head = (
        '<code code="34133-9" codeSystem="2.16.840.1.113883.6.1"/><effectiveTime value="20260504"/><documentationOf><serviceEvent>'
        '<effectiveTime><low value="19510830"/><high value="20270101"/></effectiveTime></serviceEvent></documentationOf>'
    )
    assert read(cda(section("Asthma."), head), tmp_path).note.date_of_service == dt.date(2026, 5, 4)


def test_a_prefixed_namespace_is_read(tmp_path):
    plain = cda("<component><section><text>Gout.</text></section></component>").replace(b" xmlns=", b" xmlns:n=")
    data = plain.replace(b"</", b"</n:").replace(b"<", b"<n:").replace(b"<n:/n:", b"</n:")
    assert read(data, tmp_path).note.text == "Gout."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_declared_encodings(tmp_path, encoding):
    data = f'<?xml version="1.0" encoding="{encoding}"?>{cda(section("Temp 38°")).decode()}'.encode(encoding)
    assert read(data, tmp_path).note.text == "Plan:\nTemp 38°"


def test_a_wrong_encoding_is_read_with_a_warning(tmp_path):
    data = b'<?xml version="1.0" encoding="UTF-8"?>' + cda(section("Temp 38\u00b0 today")).decode().encode("cp1252")
    found = read(data, tmp_path)
    assert found.note.text == "Plan:\nTemp 38° today"
    assert "CS166" in found.remarks[0]


BOMB = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><ClinicalDocument xmlns="urn:hl7-org:v3">&c;</ClinicalDocument>'
)


@pytest.mark.parametrize(
    ("data", "error_id"),
    [
        (BOMB, "CS175"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/hostname"><ClinicalDocument xmlns="urn:hl7-org:v3"/>', "CS175"),
        (cda(section("Asthma."))[:-30], "CS174"),
        (b"<a><b></a>", "CS174"),
        (b"no xml at all", "CS174"),
        (b"", "CS171"),
        (b"<Bundle xmlns='http://hl7.org/fhir'/>", "CS176"),
        (b"<ClinicalDocument/>", "CS176"),
        (cda(), "CS171"),
        (cda(section(" ")), "CS171"),
        (cda(section("<paragraph>" * 300 + "x" + "</paragraph>" * 300)), "CS173"),
        (b"<a>" * 100_000, "CS173"),
        (cda(section("Asthma\x00.")), "CS174"),
        (b"%PDF-1.7", "CS160"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(tmp_path, data, error_id):
    found = read(data, tmp_path)
    assert isinstance(found, Failure)
    assert found.error_id == error_id


def test_sections_inside_sections_are_not_lost():
    inner = section("b", "B", inner=section("c", "C"))
    text = ccda_document(cda(section("a", "A", inner=inner)), "n", "d.xml", {}).note.text
    assert text == "A:\na\n\nB:\nb\n\nC:\nc"


@pytest.mark.parametrize("wrap", ["{}", "<component {ns}>{}</component>"])
def test_a_section_that_stands_alone_is_read(tmp_path, wrap):
    ns = 'xmlns="urn:hl7-org:v3"'
    inner = f"<section {ns}><title>Plan</title><text>Inhaler.</text></section>"
    found = read(wrap.replace("{ns}", ns).replace("{}", inner).encode(), tmp_path)
    assert found.note.text == "Plan:\nInhaler."
    assert found.remarks[0].startswith("a piece of a document")
