r"""HL7 v2: documents of MDM and reports of ORU messages, however they are framed (HL7 v2.5.1, chapters 2, 7 and 9)."""

import base64
import datetime as dt
import time

import pytest

from codesuggest.notes import Document, PassedOver, read_documents
from codesuggest.records import Failure

MSH = r"MSH|^~\&|A|B|C|D|20260504||{}|M1|P|2.5.1"
PATIENT = "PID|1||P1||QUIST^ALMA||19510830|F"
VISIT = "PV1|1|I|" + "|" * 15 + "|V77|" + "|" * 24 + "20260428|20260504"


def mdm(*segments, event="T02", msh=MSH):
    return "\r".join([msh.format(f"MDM^{event}"), PATIENT, "TXA|1|DS|TX|20260504||||||||D1|||||||AV", *segments])


def oru(*segments):
    return "\r".join([MSH.format("ORU^R01"), PATIENT, *segments])


@pytest.fixture
def read(tmp_path):
    def read_data(data, **more):
        (tmp_path / "m.hl7").write_bytes(data if isinstance(data, bytes) else data.encode())
        return list(read_documents(tmp_path / "m.hl7", **more))

    return read_data


def texts(readings):
    return [r.note.text if isinstance(r, Document) else r.error_id if isinstance(r, Failure) else r.reason for r in readings]


def test_an_mdm_document_with_its_facts(repository):
    (found,) = read_documents(repository / "tests/data/messages/mdm_t02.hl7")
    note = found.note
    assert note.text == (
        "HOSPITAL COURSE:\nAdmitted with acute on chronic systolic heart failure & fluid overload.\n\nDISCHARGE DIAGNOSES:\n"
        "1. Heart failure\n2. Type 2 diabetes\n3. Hypertension"
    )
    assert (note.note_id, note.kind, note.encounter_id, note.setting) == ("DOC-12", "discharge summary", "V77", "inpatient")
    assert (note.date_of_service, note.age_years, note.sex) == (dt.date(2026, 5, 4), 74.0, "F")


def test_a_batch_gives_each_report_and_names_the_rest(repository):
    lab, film, adt = read_documents(repository / "tests/data/messages/oru_batch.hl7")
    assert lab.note.text == (
        "RESULTS: Basic metabolic panel\nComment: Fasting specimen\nSodium: 128 mmol/L (reference 136-145) L\n"
        "eGFR: <15 mL/min/1.73m2 (reference >60) L\nComment: Called to ward\nPotassium: 4.1 mmol/L (reference 3.5-5.1)"
    )
    assert film.note.text == "XR Chest 2 Views\nXR Chest:\nHeart is enlarged.\nImpression:\nPulmonary edema."
    assert [film.note.text[p.span.start : p.span.end] for p in film.parts][1] == "Impression:\nPulmonary edema."
    assert (lab.note.kind, film.note.kind) == ("laboratory report", "radiology report")
    assert "PDF" in film.remarks[0]
    assert isinstance(adt, PassedOver)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_any_line_end(read, end):
    assert texts(read(mdm("OBX|1|TX|||Asthma", "OBX|2|TX|||Gout").replace("\r", end) + end)) == ["Asthma\nGout"]


@pytest.mark.parametrize("frames", ["\x0b{}\x1c\r", "\x0b{}\r\x1c\r\x0b{}\r\x1c\r", "\x0b{}\x1c"])
def test_mllp_frames(read, frames):
    n = frames.count("{}")
    assert texts(read(frames.replace("{}", mdm("OBX|1|TX|||Asthma")))) == ["Asthma"] * n


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (r"a\.br\b", "a\nb"),
        (r"a\.BR\b", "a\nb"),
        (r"\F\\S\\T\\R\\E\ ", r"|^&~" + "\\"),
        (r"38\XC2B0\C", "38°C"),
        (r"38\XB0\C", "38°C"),
        (r"a\.sp2\b", "a\n\nb"),
        (r"a\.sk3\b", "a   b"),
        (r"\H\bold\N\ text", "bold text"),
        (r"a\.in+4\b\.ti-2\c", "abc"),
        (r"C:\temp\new", r"C:\temp\new"),
        (r"lone \ backslash", r"lone \ backslash"),
        ("a~b", "a\nb"),
        ("BP 120^80 & stable", "BP 120^80 & stable"),
    ],
)
def test_escapes_and_repetitions_of_text(read, raw, text):
    assert texts(read(mdm(f"OBX|1|FT|||{raw}|"))) == [text]


def test_separators_of_the_sender(read):
    message = mdm("OBX|1|TX|||a|b").replace("|", "#").replace("^", "*")
    found = read(message.replace("~\\&", "~!%").replace("a#b", "a!F!b!T!c"))
    assert texts(found) == ["a#b%c"]


@pytest.mark.parametrize("marks", ["", "^", "^^~\\", "abcd", "^~\\&%$#"])
def test_separators_that_are_none_are_refused(read, marks):
    assert texts(read(f"MSH|{marks}|A|B\rOBX|1|TX|||Asthma")) == ["CS178"]


def test_a_message_that_begins_with_letters_is_none(read):
    assert texts(read("MSHxA|B\rOBX|1|TX|||Asthma")) == ["CS178"]


def test_line_ends_inside_a_field_are_kept(read):
    assert texts(read(mdm("OBX|1|TX|||Assessment:\nCHF\n\nPlan: diuresis"))) == ["Assessment:\nCHF\n\nPlan: diuresis"]


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("UNICODE UTF-8", "utf-8"),
        ("8859/1", "latin-1"),
        ("", "utf-8"),
        ("", "cp1252"),
        ("ASCII", "utf-8"),
        ("8859/15", "iso8859-15"),
    ],
)
def test_character_sets(read, charset, encoding):
    message = mdm("OBX|1|TX|||Température 38° today", msh=MSH + "||||||" + charset)
    assert texts(read(message.encode(encoding))) == ["Température 38° today"]


def test_an_unknown_character_set_is_refused_by_name(read):
    found = read(mdm("OBX|1|TX|||x", msh=MSH + "||||||ISO IR87"))
    assert texts(found) == ["CS177"]
    assert "ISO IR87" in found[0].message


def test_utf_16_with_its_mark(read):
    assert texts(read(mdm("OBX|1|TX|||Asthma").encode("utf-16"))) == ["Asthma"]


def test_segments_out_of_order_are_put_in_order(read):
    (found,) = read(mdm("OBX|2|TX|||second", "OBX|1|TX|||first", "PV1|1|E"))
    assert found.note.text == "first\nsecond"
    assert found.note.setting == "emergency"
    assert "out of order" in found.remarks[0]


def ed(data, group="AP", subtype="", encoding="Base64"):
    shown = base64.b64encode(data).decode() if encoding == "Base64" else data.hex() if encoding == "Hex" else data.decode()
    return f"OBX|1|ED|||^{group}^{subtype}^{encoding}^{shown}"


@pytest.mark.parametrize(
    ("segment", "found"),
    [
        (ed(b"Asthma.", "TEXT", "PLAIN"), "Asthma."),
        (ed(b"<p>Asthma</p><p>Gout</p>", "TEXT", "HTML"), "Asthma\nGout"),
        (ed(b"Asthma.", "TEXT", "PLAIN", "Hex"), "Asthma."),
        (ed(b"Asthma.", "TEXT", "PLAIN", "A"), "Asthma."),
        (ed(b"%PDF-1.4"), "CS160"),
        (ed(b"%PDF-1.4", "AP", "PDF"), "CS555"),
        (ed(b"{\\rtf1 Asthma}", "TEXT", "RTF"), "CS555"),
        (ed(b"\xff\xd8\xff\xe0", "IM", "JPEG"), "CS555"),
        ("OBX|1|ED|||^TEXT^PLAIN^Base64^!!!!", "CS556"),
        ("OBX|1|ED|||^TEXT^PLAIN^rot13^abc", "CS556"),
        ("OBX|1|RP|||//server/doc.pdf", "CS555"),
        ("OBX|1|TX|||", "CS171"),
    ],
)
def test_encapsulated_documents(read, segment, found):
    assert texts(read(mdm(segment))) == [found]


def test_a_ccda_inside_a_message_is_read(read, repository):
    data = (repository / "tests/data/messages/ccda_discharge_summary.xml").read_bytes()
    (found,) = read(mdm(ed(data, "TEXT", "XML")))
    assert found.source == "HL7 v2 MDM^T02, C-CDA"
    assert found.note.note_id == "D1"


def test_withdrawn_documents_are_not_read(read):
    assert texts(read(mdm("OBX|1|TX|||x", event="T11"))) == ["CS557"]
    assert texts(read(mdm("OBX|1|TX|||x").replace("||AV", "||CA"))) == ["CS557"]


def test_a_notification_is_passed_over_and_the_file_says_that_it_holds_nothing(read):
    found = read(mdm(event="T01"))
    assert isinstance(found[0], PassedOver)
    assert found[1].error_id == "CS179"


def test_results_deleted_or_wrong_are_left_out(read):
    (found,) = read(oru("OBR|1||F1|^BMP", "OBX|1|NM|^Sodium||128|mmol/L", "OBX|2|NM|^Potassium||9.9|mmol/L|||||W"))
    assert found.note.text == "RESULTS: BMP\nSodium: 128 mmol/L"
    assert found.remarks == ("OBX 2 was left out: posted as wrong (OBX-11)",)


def test_reports_with_one_id_keep_their_own_notes(read):
    found = read(oru("OBR|1||F1|^A", "OBX|1|TX|||one", "OBR|2||F1|^B", "OBX|1|TX|||two"))
    assert [r.note.note_id for r in found] == ["F1", "F1#2"]


def test_an_order_without_results_is_named(read):
    found = read(oru("OBR|1||F1|^A"))
    assert texts(found) == ["an order without results", "CS182"]


def test_a_batch_that_is_short_of_messages_says_so(read):
    found = read("BHS|^~\\&\r" + mdm("OBX|1|TX|||x") + "\rBTS|5\r")
    assert texts(found) == ["x", "CS180"]


def test_segments_before_any_message_are_a_failure(read):
    assert texts(read("PID|1\r" + mdm("OBX|1|TX|||x"))) == ["x", "CS178"]


@pytest.mark.parametrize("data", [b"", b"hello", b"\x00\x01\x02", b"MSH", b"%PDF-1.4"])
def test_what_is_no_message_is_refused(read, data):
    assert texts(read(data)) == ["CS178"]


def test_a_message_cut_off_gives_what_is_there(read):
    whole = mdm("OBX|1|TX|||Asthma", "OBX|2|TX|||Gout and more")
    assert texts(read(whole[:-9])) == ["Asthma\nGout"]


def test_ten_thousand_segments_are_one_text(read):
    begin = time.process_time()
    (found,) = read(mdm(*(f"OBX|{i}|TX|||line {i}" for i in range(1, 10_001))))
    assert found.note.text.count("\n") == 9_999
    assert time.process_time() - begin < 8


def test_a_text_file_that_is_a_message_is_read_as_one(tmp_path):
    (tmp_path / "m.txt").write_text(mdm("OBX|1|TX|||Asthma"))
    assert texts(read_documents(tmp_path / "m.txt")) == ["Asthma"]
    assert next(iter(read_documents(tmp_path / "m.txt", kind="text"))).note.text.startswith("MSH|")


def test_the_text_never_enters_a_log(read, caplog):
    read(mdm(r"OBX|1|FT|||Zebrafish \Q9\ syndrome \C2842\ \Zab\ \\ x"))
    assert "Zebrafish" not in caplog.text


def test_strings_that_are_lines_of_a_report_are_its_text(read):
    (found,) = read(oru("OBR|1||F1|^XR CHEST", "OBX|1|ST|^XR CHEST||Heart is large.", "OBX|2|ST|^XR CHEST||No effusion."))
    assert found.note.text == "XR CHEST\nHeart is large.\nNo effusion."


def test_a_string_that_is_a_result_keeps_its_name(read):
    (found,) = read(oru("OBR|1||F1|^CULTURE", "OBX|1|ST|^Organism||MRSA"))
    assert found.note.text == "RESULTS: CULTURE\nOrganism: MRSA"
