import warnings
from datetime import date

import pytest
from official_tables import EXTENSIONS, HCPCS, INDEX, NEOPLASM, ORDER, TABULAR, hcpcs_line, order_line, write

from codesuggest.codes import readers
from codesuggest.errors import CodesuggestWarning, InputFormatError


@pytest.fixture
def tabular(tmp_path):
    return readers.read_tabular(write(tmp_path, "tabular.xml", TABULAR))


def by_code(tabular):
    return {entry.code: entry for entry in tabular.codes}


def test_read_tabular_gives_every_code_in_order(tabular):
    codes = [entry.code for entry in tabular.codes]
    assert codes == sorted(codes)
    assert codes[:7] == ["E10", "E109", "E11", "E116", "E1165", "E119", "H54"]
    assert tabular.version == "2026"


def test_read_tabular_adds_seventh_characters(tabular):
    entry = by_code(tabular)["S72001A"]
    assert entry.title == "Fracture of unspecified part of neck of right femur, initial encounter for closed fracture"
    assert entry.billable
    assert entry.added == "initial encounter for closed fracture"
    assert not by_code(tabular)["S72001"].billable


@pytest.mark.parametrize("code", ["W19XXXA", "T148XXD", "T360X1S", "S061X0S"])
def test_read_tabular_fills_with_the_placeholder(tabular, code):
    assert code in by_code(tabular)


def test_read_tabular_lets_a_deeper_definition_override(tabular):
    codes = by_code(tabular)
    assert codes["S72471A"].title == "Torus fracture of lower end of right femur, initial encounter for fracture"
    assert "S72471B" not in codes


def test_read_tabular_obeys_the_note_on_seventh_characters(tabular):
    codes = by_code(tabular)
    assert [code for code in codes if code.startswith("S061X7")] == ["S061X7", "S061X7A"]
    assert codes["S061X7"].seventh == (("A", "initial encounter"),)


def test_read_tabular_takes_definitions_from_section_and_chapter(tmp_path):
    text = TABULAR.replace(
        "<desc>Slipping, tripping, stumbling and falls (W00-W19)</desc>", "<desc>Falls (W00-W19)</desc>" + EXTENSIONS
    )
    text = text.replace(f"<desc>Unspecified fall</desc>{EXTENSIONS}", "<desc>Unspecified fall</desc>")
    assert "W19XXXA" in by_code(readers.read_tabular(write(tmp_path, "section.xml", text)))
    text = text.replace("<desc>Falls (W00-W19)</desc>" + EXTENSIONS, "<desc>Falls (W00-W19)</desc>")
    text = text.replace(
        "<desc>External causes of morbidity (V00-Y99)</desc>", "<desc>External causes (V00-Y99)</desc>" + EXTENSIONS
    )
    assert "W19XXXD" in by_code(readers.read_tabular(write(tmp_path, "chapter.xml", text)))


def test_read_tabular_leaves_a_listed_seven_character_code_alone(tmp_path):
    text = TABULAR.replace("<name>S72.001</name>", "<name>S72.001K</name>")
    codes = by_code(readers.read_tabular(write(tmp_path, "t.xml", text)))
    assert codes["S72001K"].billable
    assert codes["S72001K"].title == "Fracture of unspecified part of neck of right femur"
    assert "S72001A" not in codes


def test_read_tabular_warns_of_a_restriction_in_unknown_words(tmp_path):
    text = TABULAR.replace("7th characters D and S do not apply to codes", "7th characters after C do not apply to some codes")
    with pytest.warns(CodesuggestWarning, match="CS125"):
        readers.read_tabular(write(tmp_path, "t.xml", text))


def test_read_tabular_keeps_notes_and_forgives_empty_ones(tabular):
    assert by_code(tabular)["E11"].notes == (
        ("includes", "diabetes NOS"),
        ("excludes1", "type 1 diabetes mellitus (E10.-)"),
        ("excludes1", "gestational diabetes (O24.4-)"),
        ("use_additional_code", "code to identify control using:"),
        ("use_additional_code", "insulin (Z79.4)"),
    )
    assert ("seventh_note", "initial encounter for open fracture NOS") in by_code(tabular)["S72"].notes


def test_read_tabular_writes_the_table_of_visual_impairment_as_notes(tabular):
    assert by_code(tabular)["H548"].notes == (
        (
            "note",
            "Category 1 of visual impairment: visual acuity with best possible correction less than 6/18 or 20/70, "
            "equal to or better than 6/60 or 20/200",
        ),
        ("note", "Category 5 of visual impairment: No light perception"),
    )


def test_read_tabular_nests_blocks(tabular):
    found = {(block.first, block.last): block for block in tabular.blocks}
    wide = list(found).index(("T07", "T88"))
    assert found["T14", "T14"].parent == wide
    assert found["T36", "T50"].parent == wide
    assert found["S70", "S79"].parent == -1
    assert found["T14", "T14"].title == "Injury of unspecified body region"
    chapter = tabular.chapters[0]
    assert (chapter.number, chapter.first, chapter.last) == (4, "E00", "E89")


def test_read_tabular_accepts_a_plain_doctype(tmp_path):
    text = TABULAR.replace("<!-- a comment -->", "<!DOCTYPE ICD10CM.tabular>")
    assert readers.read_tabular(write(tmp_path, "t.xml", text)).codes


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
EXTERNAL = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("change", "error_id"),
    [
        (lambda t: "", "CS110"),
        (lambda t: "  \n ", "CS110"),
        (lambda t: t[: len(t) // 2], "CS111"),
        (lambda t: "E11\tType 2 diabetes\n", "CS111"),
        (lambda t: t.replace("<!-- a comment -->", BOMB), "CS112"),
        (lambda t: t.replace("<!-- a comment -->", EXTERNAL), "CS112"),
        (lambda t: INDEX, "CS113"),
        (lambda t: "<html></html>", "CS113"),
        (lambda t: t.replace("<name>E11.9</name>", "<name>E11.65</name>"), "CS119"),
        (lambda t: t.replace("<name>E11.9</name>", "<name>E1.19</name>"), "CS119"),
        (lambda t: t.replace("<name>E11.9</name>", ""), "CS119"),
        (lambda t: t.replace("<desc>Unspecified fall</desc>", ""), "CS119"),
        (lambda t: t.replace("<name>19</name>", "<name>nineteen</name>"), "CS119"),
        (lambda t: "<ICD10CM.tabular/>", "CS119"),
    ],
)
def test_read_tabular_refuses_what_is_not_the_tabular_list(tmp_path, change, error_id):
    path = write(tmp_path, "t.xml", change(TABULAR))
    with pytest.raises(InputFormatError) as caught:
        readers.read_tabular(path)
    assert caught.value.error_id == error_id


def test_read_tabular_refuses_deep_nesting_without_recursion(tmp_path):
    deep = "<diag><name>E11</name><desc>x</desc>" * 5000 + "</diag>" * 5000
    text = TABULAR.replace("<diag><name>E10</name>", deep + "<diag><name>E10</name>")
    with pytest.raises(InputFormatError, match=r"CS119|CS111"):
        readers.read_tabular(write(tmp_path, "t.xml", text))


@pytest.mark.parametrize(
    "data", [b"\x7fELF\x00\x01\x02", b"PK\x03\x04 zipped", TABULAR.encode("utf-8").replace("ö".encode(), b"\xf6")]
)
def test_read_tabular_refuses_binary_and_wrong_encoding(tmp_path, data):
    path = tmp_path / "t.xml"
    path.write_bytes(data)
    with pytest.raises(InputFormatError, match=r"CS111|CS114"):
        readers.read_tabular(path)


def test_readers_name_a_file_that_is_not_there(tmp_path):
    for read in (readers.read_tabular, readers.read_index, readers.read_order, readers.read_code_list, readers.read_hcpcs):
        with pytest.raises(InputFormatError, match="CS117"):
            read(tmp_path / "absent.xml")


def test_read_order_reads_the_columns(tmp_path):
    rows = readers.read_order(write(tmp_path, "order.txt", ORDER))
    assert rows[2] == readers.OrderRow("E1165", True, *["Type 2 diabetes mellitus with hyperglycemia"] * 2)
    assert [row.billable for row in rows] == [False, False, True, True]


@pytest.mark.parametrize(
    ("text", "error_id"),
    [
        (ORDER + "garbage\n", "CS115"),
        (ORDER.replace("E119  ", "E11.9 "), "CS115"),
        (ORDER + order_line(9, "E119", 1, "again"), "CS116"),
        (TABULAR, "CS115"),
    ],
)
def test_read_order_names_the_line_it_refuses(tmp_path, text, error_id):
    with pytest.raises(InputFormatError, match="Line") as caught:
        readers.read_order(write(tmp_path, "order.txt", text))
    assert caught.value.error_id == error_id


def test_read_order_refuses_another_encoding(tmp_path):
    path = tmp_path / "order.txt"
    path.write_bytes(order_line(1, "M35", 0, "Sjögren").encode("latin-1"))
    with pytest.raises(InputFormatError, match="CS114"):
        readers.read_order(path)


def test_read_code_list_leaves_chapters_and_blocks_out(tmp_path):
    path = write(tmp_path, "codes.txt", "1\nA00-A09\nA00\nA000\nB20\nB20\nE11.65\t1\ttext\n")
    assert readers.read_code_list(path) == ("A00", "A000", "B20", "E1165")


def test_read_code_list_refuses_other_text(tmp_path):
    with pytest.raises(InputFormatError, match="Line 2"):
        readers.read_code_list(write(tmp_path, "codes.txt", "A00\nnot a code\n"))


def test_read_index_reads_terms_modifiers_and_codes(tmp_path):
    entries = readers.read_index(write(tmp_path, "index.xml", INDEX))
    first = entries[0]
    assert (first.terms, first.modifiers) == (("Diabetes, diabetic NEC",), ("mellitus", "sugar"))
    assert first.code == readers.IndexCode("E11.9", needs_more=False)
    amyotrophy = entries[3]
    assert amyotrophy.terms == ("Diabetes, diabetic NEC", "with", "amyotrophy")
    assert amyotrophy.code == readers.IndexCode("E11.4", needs_more=True)
    assert amyotrophy.manifestation == readers.IndexCode("G73.3", needs_more=False)
    assert (entries[4].see, entries[4].see_also) == (("Hemochromatosis",), ("Disease, iron",))
    assert entries[5].see == ("category T71", "subcategory T75.0")


def test_read_index_reads_the_table_of_neoplasms(tmp_path):
    main, abdomen = readers.read_index(write(tmp_path, "neoplasm.xml", NEOPLASM))
    assert main.cells == (("Malignant Primary", readers.IndexCode("C80.1", needs_more=False)),)
    assert abdomen.cells[1] == ("Malignant Secondary", readers.IndexCode("C79.8", needs_more=True))
    assert (abdomen.remark, abdomen.manifestation) == ("words", None)


def test_read_index_refuses_a_tabular_list(tmp_path):
    with pytest.raises(InputFormatError, match=r"CS113.*a Tabular List"):
        readers.read_index(write(tmp_path, "index.xml", TABULAR))


def test_read_index_refuses_a_column_without_heading(tmp_path):
    with pytest.raises(InputFormatError, match="CS119"):
        readers.read_index(write(tmp_path, "n.xml", NEOPLASM.replace('<cell col="3">-', '<cell col="9">-')))


def test_read_hcpcs_joins_lines_and_reads_dates(tmp_path):
    modifier, transport, ended = readers.read_hcpcs(write(tmp_path, "hcpcs.txt", HCPCS))
    assert (modifier.code, modifier.is_modifier) == ("A1", True)
    assert transport.title == "Non-emergency transportation, per mile (individual or organization)"
    assert (transport.coverage, transport.betos, transport.action) == ("C", "D1A", "N")
    assert (transport.added, transport.effective, transport.terminated) == (date(1982, 1, 1), date(1996, 1, 1), None)
    assert ended.terminated == date(2010, 12, 31)


@pytest.mark.parametrize(
    ("text", "error_id"),
    [
        ("A0080 some text\n", "CS119"),
        (hcpcs_line("A0080", 200, 4, "a continuation"), "CS115"),
        (hcpcs_line("A0080", 100, 3, "x", "x", ("20021399", "", "")), "CS115"),
    ],
)
def test_read_hcpcs_refuses_other_files(tmp_path, text, error_id):
    with pytest.raises(InputFormatError) as caught:
        readers.read_hcpcs(write(tmp_path, "hcpcs.txt", text))
    assert caught.value.error_id == error_id


@pytest.mark.parametrize(
    ("text", "layout"),
    [(TABULAR, "tabular"), (INDEX, "index"), (NEOPLASM, "index"), (ORDER, "order"), (HCPCS, "hcpcs"), ("A00\nA000\n", "list")],
)
def test_detect_goes_by_the_content(tmp_path, text, layout):
    assert readers.detect(write(tmp_path, "file", text)) == layout


@pytest.mark.parametrize("text", ["# A heading\n", "<html></html>", "code,billable,description\nA00,0,Cholera\n"])
def test_detect_refuses_the_rest(tmp_path, text):
    with pytest.raises(InputFormatError, match="CS118"):
        readers.detect(write(tmp_path, "file", text))


def test_reading_the_plain_fixture_warns_of_nothing(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        readers.read_tabular(write(tmp_path, "t.xml", TABULAR))
