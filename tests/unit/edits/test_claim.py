import datetime as dt
import json

import pytest

from codesuggest.edits.claim import Claim, Diagnosis, claim_from_dict, claim_from_text, read_claims
from codesuggest.errors import InputFormatError


def test_date_of_service_of_a_stay_is_its_discharge():
    row = {"codes": ["I10"], "admission_date": "2026-01-30", "discharge_date": "2026-02-04", "service_date": "2026-02-01"}
    assert claim_from_dict({**row, "setting": "inpatient"}).date_of_service == dt.date(2026, 2, 4)
    assert claim_from_dict({**row, "setting": "outpatient"}).date_of_service == dt.date(2026, 2, 1)


def test_sequence_is_the_place_unless_given():
    claim = claim_from_dict({"diagnoses": ["I10", {"code": "E11.9", "sequence": 5}]})
    assert [d.sequence for d in claim.diagnoses] == [1, 5]


@pytest.mark.parametrize(
    ("row", "error_id"),
    [
        ({"codes": ["I10"], "service_date": "4 May"}, "CS401"),
        ({"diagnoses": [{"code": "I10", "sequence": 0}]}, "CS402"),
        ({"diagnoses": [{"code": ""}]}, "CS403"),
        ({"diagnoses": [{"code": "I10", "documented_by": "neighbour"}]}, "CS404"),
        ({"procedures": [{"code": "G0101", "units": 0}]}, "CS405"),
        ({"codes": ["I10"], "setting": "home"}, "CS406"),
        ({"diagnoses": [{"code": "I10", "sequence": 1}, {"code": "I11.9", "sequence": 1}]}, "CS407"),
        ({"diagnoses": "I10"}, "CS408"),
        ({"codes": ["I10"], "age_years": "old"}, "CS408"),
        ({"codes": [7]}, "CS408"),
        ({"codes": ["I10"], "age_years": float("nan")}, "CS408"),
        ({"diagnoses": [{"code": "I10", "poa": 1}]}, "CS408"),
        ({"diagnoses": [{"code": "I10", "is_uncertain": "no"}]}, "CS408"),
        ({"procedures": [{"code": "G0101", "pointers": ["A"]}]}, "CS408"),
        ({"procedures": [{"code": "G0101", "place_of_service": 11}]}, "CS408"),
        ({"procedures": [{"code": "G0101", "provider": 11}]}, "CS408"),
        ({"codes": ["I10"], "admission_date": "2026-05-04", "discharge_date": "2026-05-03"}, "CS401"),
        ({"kodes": ["I10"]}, "CS409"),
        ({"codes": ["I10"], "diagnoses": ["I10"]}, "CS409"),
    ],
)
def test_claim_from_dict_names_what_is_wrong(row, error_id):
    with pytest.raises(InputFormatError) as caught:
        claim_from_dict(row)
    assert caught.value.error_id == error_id


def test_claim_from_text_reads_every_mark():
    claim = claim_from_text("I10/Y J18.9?@radiology +G0101-25-59*2#1@2026-05-04 age_years=4 setting=inpatient")
    first, second = claim.diagnoses
    assert (first.poa, second.is_uncertain, second.documented_by, second.poa) == ("Y", True, "radiology", None)
    line = claim.procedures[0]
    assert (line.code, line.modifiers, line.units) == ("G0101", ("25", "59"), 2)
    assert (line.pointers, line.date) == ((1,), dt.date(2026, 5, 4))


def test_read_claims_takes_an_object_a_list_and_lines(tmp_path):
    row = {"codes": ["I10"]}
    for text, n in ((json.dumps(row), 1), (json.dumps([row, row]), 2), (f"{json.dumps(row)}\n\n{json.dumps(row)}\n", 2)):
        file = tmp_path / "claims"
        file.write_text(text)
        assert list(read_claims(file)) == [Claim((Diagnosis(1, "I10"),))] * n


def test_read_claims_names_the_line_or_the_claim(tmp_path):
    file = tmp_path / "claims.jsonl"
    file.write_text('{"codes": ["I10"]}\nnot json\n')
    with pytest.raises(InputFormatError, match=r"Line 2 .* is not JSON"):
        list(read_claims(file))
    file.write_text('[{"codes": ["I10"]}, {"codes": [""]}]')
    with pytest.raises(InputFormatError, match=r"Claim 2 of 'claims.jsonl'"):
        list(read_claims(file))
    with pytest.raises(InputFormatError, match="CS410"):
        list(read_claims(tmp_path / "none.json"))


def test_an_empty_file_holds_no_claim(tmp_path):
    file = tmp_path / "claims.json"
    file.write_text(" \n")
    with pytest.raises(InputFormatError, match=r"CS410.*no claim"):
        list(read_claims(file))
    file.write_text("[]")
    assert list(read_claims(file)) == []


def test_a_stay_of_one_day_is_a_stay():
    row = {"codes": ["I10"], "admission_date": "2026-05-04", "discharge_date": "2026-05-04"}
    assert claim_from_dict(row).discharge_date == dt.date(2026, 5, 4)
