import datetime as dt

import pytest
from examples import findings, ids, tables

from codesuggest.edits.drg import read_cc_table
from codesuggest.edits.poa import read_poa_exempt
from codesuggest.errors import InputFormatError


@pytest.mark.parametrize(
    ("fires", "silent", "rule_id"),
    [
        ("J18.9/Y I10", "J18.9/Y I10/Y", "POA-01"),
        ("J18.9/Y I10/", "J18.9 I10", "POA-01"),
        ("J18.9/Y I25.2/Y", "J18.9/Y I25.2/", "POA-02"),
        ("J18.9/Y S72.001D/N", "J18.9/Y S72.001A/N", "POA-02"),
        ("J18.9/X", "J18.9/W", "POA-03"),
        ("J18.9/1", "I25.2/1", "POA-04"),
        ("J18.9/N", "J18.9/U", "POA-05"),
        ("J18.9/Y E11.9/N", "J18.9/Y N17.9/N", "POA-06"),
    ],
)
def test_a_poa_edit_fires_and_stays_silent(fires, silent, rule_id):
    assert rule_id in ids(f"{fires} setting=inpatient")
    assert rule_id not in ids(f"{silent} setting=inpatient")
    assert not [r for r in ids(fires) if r.startswith("POA")]  # outpatient claims have no POA


def test_poa_is_not_asked_where_nobody_collected_it():
    assert ids("J18.9 I10 setting=inpatient") == []


@pytest.mark.parametrize("code", ["Z37.0", "Z38.00", "Z66", "Z68.35", "Z79.4", "Z85.3", "Z86.73", "Z89.511", "Z93.1", "Z95.1"])
def test_statuses_and_histories_are_exempt(code):
    assert "POA-02" in ids(f"J18.9/Y {code}/Y setting=inpatient")
    assert "POA-01" not in ids(f"J18.9/Y {code}/ setting=inpatient")


def test_codes_whose_exemption_is_not_known_give_no_finding():
    for poa in ("Y", "1", ""):
        assert ids(f"J18.9/Y Z91.120/{poa} E11.9/Y setting=inpatient") == []


def test_the_official_list_makes_errors(tmp_path):
    file = tmp_path / "exempt.txt"
    file.write_text("Code\tDescription\nI252\tOld myocardial infarction\nZ79.4\tx\n")
    ours = tables().with_(poa=(read_poa_exempt(file, first=dt.date(2025, 10, 1)), *tables().poa))
    (found,) = findings("J18.9/Y I25.2/Y setting=inpatient", with_tables=ours)
    assert (found.rule_id, found.severity) == ("POA-02", "error")
    assert "POA-01" in ids("J18.9/Y Z72.0/ setting=inpatient", with_tables=ours)
    (found,) = findings("J18.9/Y I25.2/Y setting=inpatient", with_tables=ours, on=dt.date(2025, 9, 30))
    assert found.severity == "warning"
    file.write_text("nothing here\n")
    with pytest.raises(InputFormatError, match="CS415"):
        read_poa_exempt(file)


@pytest.fixture
def with_cc(tmp_path):
    (tmp_path / "cc.csv").write_text("icd_code,cc_mcc,pdx_group\nJ96.01,MCC,0001\nN17.9,CC,0002\nD89.833,CC,No Excl\n")
    (tmp_path / "pdx.csv").write_text("pdx_group,pdx_icd\n0001,J96.00\n0002,N17.0\n")
    table = read_cc_table(tmp_path / "cc.csv", tmp_path / "pdx.csv", version="41.1", last=dt.date(2026, 9, 30))
    return tables().with_(cc=(table,))


def test_cc_and_mcc_are_information_with_exclusions(with_cc):
    text = "N17.0 J96.01 N17.9 I10 setting=inpatient"
    assert "DRG-01" not in ids(text, with_tables=with_cc)
    (found,) = [f for f in findings(text, with_tables=with_cc, information=True) if f.rule_id == "DRG-01"]
    assert found.severity == "advice"
    assert found.codes == ("J96.01", "N17.9")
    assert found.message == "MCC: J96.01; excluded by the principal diagnosis N17.0: N17.9."
    assert "DRG-01" not in ids("I10 E78.5 setting=inpatient", with_tables=with_cc, information=True)
    assert "DRG-01" not in ids(text, with_tables=with_cc, information=True, on=dt.date(2026, 10, 1))


def test_read_cc_table_refuses_another_file(tmp_path):
    (tmp_path / "cc.csv").write_text("a,b\n")
    with pytest.raises(InputFormatError, match="CS416"):
        read_cc_table(tmp_path / "cc.csv", tmp_path / "cc.csv", version="1")
