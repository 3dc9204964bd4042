import datetime as dt

import pytest
from examples import DAY, tables

from codesuggest.edits import Claim, Procedure, check, claim_from_text
from codesuggest.edits.ncci import PtpTable, compile_ptp, read_add_on, read_mue
from codesuggest.errors import BundleError, InputFormatError, PrerequisiteError

# HCPCS Level II and made-up codes only: CPT is the AMA's.
PTP = """CPT only copyright. All rights reserved.\t\t\t\t\t\t
Column1/Column2 Edits\t\t\t\t\t\t
Column 1\tColumn 2\t*=in existence prior to 1996\tEffective Date\tDeletion Date *=no data\tModifier 0=not allowed\tPTP Edit Rationale
G0101\tG0102\t\t20200101\t*\t1\tMisuse of column two code with column one code
G0104\tG0105\t*\t19960101\t*\t0\tMore extensive procedure
Q0111\tQ0112\t\t20200101\t20260331\t0\tMutually exclusive
Q0111\tQ0112\t\t20260701\t*\t0\tMutually exclusive
Q0113\tQ0114\t\t20200101\t20200101\t9\tDeleted
"""
FIRST = dt.date(2026, 4, 1)
LAST = dt.date(2026, 6, 30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ncci")
    (folder / "ptp.txt").write_text(PTP)
    return folder


@pytest.fixture(scope="module")
def with_ncci(folder):
    made = [
        compile_ptp([folder / "ptp.txt"], folder / k, kind=k, quarter="2026Q2", first=FIRST) for k in ("practitioner", "hospital")
    ]
    (folder / "mue.csv").write_text(
        '"HCPCS/CPT Code","Practitioner Services MUE Values","MUE Adjudication Indicator","MUE Rationale"\n'
        '"G0108",6,"1 Line Edit","Nature"\n"G0109",1,"2 Date of Service Edit: Policy","CMS Policy"\n'
        '"J0131",4,"3 Date of Service Edit: Clinical","Clinical: Data"\n'
    )
    (folder / "aoc.txt").write_text(
        "Add-On Code\tPrimary\tEffective\tDeletion\tType\nG0499\tG0101\t20200101\t\t1\nG0499\tG0104\t2020001\t2026090\t1\n"
        "G2211\tCCCCC\t01/01/2024\t\t2\n"
    )
    quarter = {"quarter": "2026Q2", "first": FIRST, "last": LAST}
    return tables().with_(
        ptp=tuple(PtpTable.open(p) for p in made),
        mue=(read_mue(folder / "mue.csv", kind="practitioner", **quarter),),
        add_on=(read_add_on(folder / "aoc.txt", **quarter),),
    )


def ids(text, with_ncci, on=DAY):
    return [f.rule_id for f in check(claim_from_text(text), on=on, tables=with_ncci) if f.rule_id.startswith("NCCI")]


def test_a_pair_never_paid_together_names_its_columns(with_ncci):
    claim = claim_from_text("+G0105-59 +G0104 setting=professional")
    (found,) = [f for f in check(claim, on=DAY, tables=with_ncci) if f.rule_id == "NCCI-01"]
    assert found.codes == ("G0104", "G0105")
    assert "G0105 (column 2) is part of G0104 (column 1)" in found.message
    assert "practitioner PTP edits, 2026Q2" in found.citation
    assert ids("+G0105 +G0101 setting=professional", with_ncci) == []


def test_a_pair_with_indicator_1_is_bypassed_by_a_modifier(with_ncci):
    claim = claim_from_text("+G0101 +G0102 setting=outpatient")
    (found,) = [f for f in check(claim, on=DAY, tables=with_ncci) if f.rule_id == "NCCI-02"]
    assert "59" in found.message
    assert "XS" in found.message
    assert "hospital" in found.citation
    for modifier in ("59", "XS", "LT", "F3"):
        assert ids(f"+G0101 +G0102-{modifier} setting=outpatient", with_ncci) == []
    assert ids("+G0101 +G0102-GA setting=outpatient", with_ncci) == ["NCCI-02"]
    assert ids("+G0101-59 +G0102 setting=outpatient", with_ncci) == []
    assert ids("+G0101 +G0102 setting=inpatient", with_ncci) == []


def test_a_pair_needs_one_day_and_one_provider(with_ncci):
    assert ids("+G0104@2026-05-03 +G0105@2026-05-04 setting=professional", with_ncci) == []
    assert ids("+G0104@2026-05-04 +G0105@2026-05-04 setting=professional", with_ncci) == ["NCCI-01"]


@pytest.mark.parametrize(
    ("day", "in_force"),
    [
        ("2026-03-31", True),
        ("2026-04-01", False),
        ("2026-06-30", False),
        ("2026-07-01", True),
        ("2019-12-31", False),
        ("2020-01-01", True),
    ],
)
def test_a_pair_holds_between_its_dates(folder, with_ncci, day, in_force):
    assert with_ncci.ptp
    table = PtpTable.open(folder / "practitioner")
    found = table.pairs(["Q0111", "Q0112"], dt.date.fromisoformat(day))
    assert bool(found) == in_force


def test_a_quarter_begins_on_its_day(with_ncci):
    assert ids("+G0104 +G0105 setting=professional", with_ncci, on=FIRST) == ["NCCI-01"]
    assert ids("+G0104 +G0105 setting=professional", with_ncci, on=dt.date(2026, 3, 31)) == []


def test_59_on_the_column_1_code_counts_since_july_2019(tmp_path):
    row = "G0101\tG0102\t\t20150101\t*\t1\tx\n"
    (tmp_path / "ptp.txt").write_text(row)
    made = compile_ptp([tmp_path / "ptp.txt"], tmp_path / "old", kind="hospital", quarter="x", first=dt.date(1996, 1, 1))
    from codesuggest.edits.ncci import _bypasses

    modifiers = tables().bypass_on(DAY)
    assert PtpTable.open(made).pairs(["G0102", "G0101"], dt.date(2015, 1, 1))
    assert not _bypasses("59", modifiers, dt.date(2019, 6, 30))
    assert _bypasses("59", modifiers, dt.date(2019, 7, 1))
    assert _bypasses("LT", modifiers, dt.date(2019, 6, 30))


def test_x_modifiers_begin_with_2015():
    assert "XS" not in tables().bypass_on(dt.date(2014, 12, 31))
    assert "XS" in tables().bypass_on(dt.date(2015, 1, 1))


@pytest.mark.parametrize(
    ("fires", "silent", "rule_id"),
    [
        ("+G0108*7", "+G0108*6", "NCCI-10"),
        ("+G0108*7", "+G0108*6 +G0108-76*6", "NCCI-10"),
        ("+G0109 +G0109-76", "+G0109", "NCCI-11"),
        ("+J0131*4 +J0131*1", "+J0131*4", "NCCI-12"),
        ("+G0499 +G0102", "+G0499 +G0101", "NCCI-20"),
        ("+G0499@2026-04-01 +G0104@2026-04-01", "+G0499@2026-04-01 +G0101@2026-04-01", "NCCI-20"),
        ("+G2211", "+G2211 +Q0111", "NCCI-21"),
    ],
)
def test_units_and_add_on_codes(with_ncci, fires, silent, rule_id):
    assert rule_id in ids(f"{fires} setting=professional", with_ncci)
    assert ids(f"{silent} setting=professional", with_ncci) == []


def test_one_side_on_both_codes_does_not_tell_them_apart(with_ncci):
    assert ids("+G0101-RT +G0102-RT setting=professional", with_ncci) == ["NCCI-03"]
    assert ids("+G0101-RT +G0102-LT setting=professional", with_ncci) == []
    assert ids("+G0101-RT +G0102-RT-59 setting=professional", with_ncci) == []
    assert ids("+G0101-59 +G0102-RT setting=professional", with_ncci) == []


@pytest.mark.parametrize(("setting", "shown", "left_out"), [("professional", "57", "27"), ("outpatient", "27", "57")])
def test_the_legal_modifiers_are_those_of_the_setting(tmp_path, setting, shown, left_out):
    (tmp_path / "ptp.txt").write_text("39990\t99400\t\t20200101\t*\t1\tx\n")
    made = [
        compile_ptp([tmp_path / "ptp.txt"], tmp_path / k, kind=k, quarter="q", first=FIRST) for k in ("practitioner", "hospital")
    ]
    ours = tables().with_(ptp=tuple(PtpTable.open(p) for p in made))
    (found,) = check(claim_from_text(f"+39990 +99400 setting={setting}"), on=DAY, tables=ours)
    listed = found.message.partition(" on 99400 ")[2].split(", ")
    assert shown in listed
    assert left_out not in listed


def test_a_hospital_is_one_provider(with_ncci):
    def claim(setting):
        lines = (Procedure(1, "G0104", provider="a"), Procedure(2, "G0105", provider="b"))
        return [f.rule_id for f in check(Claim(procedures=lines, setting=setting), on=DAY, tables=with_ncci)]

    assert claim("outpatient") == ["NCCI-01"]
    assert claim("professional") == []


def test_add_on_codes_follow_a_heading_that_names_the_columns(tmp_path):
    file = tmp_path / "aoc.txt"
    file.write_bytes(
        "Add-on Code Edits – CPT only copyright\t\t\t\t\t\t\t\n"
        "AOC_Edit_Type\tPrimary_Code\tAddOn_Code\tAddOn_Code_EffDT\tAddOn_Code_DelDT\tAOC_Edit_EffDT\tAOC_Edit_DelDT\tNotes\n"
        "1\tG0101\tG0499\t20190101\t\t20200101\t\t\n1\tG0104\tG0499\t20190101\t20301231\t20200101\t20251231\tSee “notes”\n"
        "2\tCCCCC\tG2211\t20240101\t\t20240101\t\t\n\n".encode("cp1252")
    )
    table = read_add_on(file, quarter="q", first=FIRST)
    begins = dt.date(2020, 1, 1).toordinal()
    assert table.codes["G0499"].primaries == (
        ("G0101", begins, dt.date.max.toordinal()),
        ("G0104", begins, dt.date(2025, 12, 31).toordinal()),
    )
    assert (table.codes["G2211"].type, table.codes["G2211"].primaries) == (2, ())


def test_a_packed_file_and_a_broken_workbook_are_refused(tmp_path):
    for name in ("pairs.txt", "pairs.zip"):
        (tmp_path / name).write_bytes(b"PK\x03\x04" + bytes(99))
        with pytest.raises(InputFormatError, match=r"CS422.*Unpack"):
            compile_ptp([tmp_path / name], tmp_path / "t", kind="hospital", quarter="x", first=FIRST)
    pytest.importorskip("openpyxl")
    (tmp_path / "pairs.xlsx").write_bytes(b"PK\x03\x04" + bytes(99))
    with pytest.raises(InputFormatError, match=r"CS422.*no workbook"):
        compile_ptp([tmp_path / "pairs.xlsx"], tmp_path / "t", kind="hospital", quarter="x", first=FIRST)


def test_an_add_on_code_obeys_the_dates_of_its_primary(with_ncci):
    codes = with_ncci.add_on[0].codes["G0499"]
    assert codes.primaries[1][0] == "G0104"
    assert dt.date.fromordinal(codes.primaries[1][2]) == dt.date(2026, 3, 31)  # 2026090, the 90th day


def test_tables_of_fixed_columns(tmp_path):
    file = tmp_path / "aoc.txt"
    file.write_text("ADD-ON CODE EDITS 2026\nG0499G0101 2020001         1\nG0499G0104 2020001 2026090 1\n")
    table = read_add_on(file, quarter="q", first=FIRST)
    assert [p[0] for p in table.codes["G0499"].primaries] == ["G0101", "G0104"]


@pytest.mark.parametrize(
    ("text", "error_id"),
    [
        ("G0101\tG0102\t\t2020-13-01\t*\t1\tx\n", "CS421"),
        ("G0101\tG0102\t\t20200101\t*\t7\tx\n", "CS421"),
        ("G0101\tG0102\t\t*\t*\t1\tx\n", "CS421"),
        ("only words\n", "CS422"),
    ],
)
def test_compile_ptp_names_the_line_that_is_wrong(tmp_path, text, error_id):
    file = tmp_path / "ptp.txt"
    file.write_text(text)
    with pytest.raises(InputFormatError, match=error_id):
        compile_ptp([file], tmp_path / "out", kind="hospital", quarter="x", first=FIRST)


def test_other_readers_refuse_other_files(tmp_path):
    file = tmp_path / "x.txt"
    file.write_text("nothing\n")
    with pytest.raises(InputFormatError, match="CS422"):
        read_mue(file, kind="hospital", quarter="x", first=FIRST)
    with pytest.raises(InputFormatError, match="CS422"):
        read_add_on(file, quarter="x", first=FIRST)
    with pytest.raises(InputFormatError, match="CS422"):
        compile_ptp([], tmp_path, kind="home", quarter="x", first=FIRST)
    file.write_text("G0108,6,4 Something,x\n")
    with pytest.raises(InputFormatError, match="CS421"):
        read_mue(file, kind="hospital", quarter="x", first=FIRST)


def test_a_damaged_table_of_pairs_is_refused(folder, with_ncci, tmp_path):
    assert with_ncci.ptp
    made = compile_ptp([folder / "ptp.txt"], tmp_path / "t", kind="hospital", quarter="x", first=FIRST)
    data = (made / "keys.npy").read_bytes()
    (made / "keys.npy").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BundleError, match="CS423"):
        PtpTable.open(made)
    with pytest.raises(BundleError, match="CS423"):
        PtpTable.open(tmp_path)


def test_a_workbook_reads_as_the_text(folder, with_ncci, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for line in PTP.splitlines():
        cells = line.split("\t")
        book.active.append([int(c) if c.isdigit() and len(c) == 8 else c for c in cells])
    book.save(tmp_path / "ptp.xlsx")
    made = compile_ptp([tmp_path / "ptp.xlsx"], tmp_path / "x", kind="hospital", quarter="2026Q2", first=FIRST)
    assert (made / "keys.npy").read_bytes() == (folder / "hospital" / "keys.npy").read_bytes()
    assert with_ncci.ptp


def test_a_workbook_without_openpyxl_says_what_to_install(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "openpyxl", None)
    (tmp_path / "ptp.xlsx").write_bytes(b"PK")
    with pytest.raises(PrerequisiteError, match="CS420"):
        compile_ptp([tmp_path / "ptp.xlsx"], tmp_path / "x", kind="hospital", quarter="x", first=FIRST)
