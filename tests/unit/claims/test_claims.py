"""The hand-off: what may become a claim, what a claim holds (005010X222A1, 005010X223A2), and what is refused by name."""

import datetime as dt
import json

import jsonschema
import pytest

from codesuggest.claims import (
    FinalDiagnosis,
    FinalProcedure,
    FinishedChart,
    Patient,
    PhysicianQuery,
    UnfinishedChartError,
    chart_from_dict,
    claim_objects,
    open_items,
    read_chart,
)
from codesuggest.claims.chart import Acknowledged, claim_of, to_dict
from codesuggest.claims.edi import divide
from codesuggest.claims.schema import ClaimObject, chart_schema, claim_schema
from codesuggest.edits import claim_from_dict
from codesuggest.errors import ConfigError, InputFormatError

# Thirty diagnoses that may stand on one claim of a man of 70.
CODES = (
    "I50.23 E78.5 K21.9 M81.0 H40.9 G47.33 F41.1 N40.0 L40.9 D50.9 J45.909 E03.9 M10.9 K57.30 I73.9 G43.909 H91.90 K58.9 L30.9 "
    "M17.9 N20.0 K80.20 H35.30 G25.81 K44.9 M54.2 R73.03 L20.9 Z87.891 Z79.4"
).split()
DONE = dt.datetime(2026, 5, 5, 12, tzinfo=dt.UTC)
DAY = dt.date(2026, 5, 4)


def chart(n=2, setting="inpatient", **more):
    inpatient = setting == "inpatient"
    given = {
        "diagnoses": tuple(FinalDiagnosis(c, "Y" if inpatient and c[0] != "Z" else None) for c in CODES[:n]),
        "setting": setting,
        "patient": Patient("P1", age_years=70, sex="M"),
        "admission_date": dt.date(2026, 4, 28) if inpatient else None,
        "discharge_date": DAY if inpatient else None,
        "service_date": None if inpatient else DAY,
        "finished_by": "coder-7",
        "finished_at": DONE,
        **more,
    }
    return FinishedChart("E1", **given)


def elements(claim, qualifier):
    return [e for segment in claim["loop_2300"]["HI"] for e in segment["elements"] if e["qualifier"] == qualifier]


# -- limits -------------------------------------------------------------------------------------------------------------


def test_a_professional_claim_holds_12_diagnoses():
    (claim,) = claim_objects(chart(12, "professional"))
    assert claim["transaction"] == "005010X222A1"
    assert len(claim["loop_2300"]["HI"]) == 1
    assert [e["qualifier"] for e in claim["loop_2300"]["HI"][0]["elements"]] == ["ABK", *["ABF"] * 11]
    assert claim["left_out"] == []


def test_the_13th_diagnosis_of_a_professional_claim_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"CS663.*holds 12 diagnoses.*has 13: M10\.9 would be left out"):
        claim_objects(chart(13, "professional"))


def test_an_institutional_claim_holds_25_diagnoses():
    (claim,) = claim_objects(chart(25))
    assert claim["transaction"] == "005010X223A2"
    assert len(elements(claim, "ABK")) == 1
    assert len(elements(claim, "ABF")) == 24
    assert [len(s["elements"]) for s in claim["loop_2300"]["HI"]] == [1, 12, 12]


def test_the_26th_diagnosis_of_an_institutional_claim_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"CS663.*holds 25 diagnoses.*has 26: M54\.2"):
        claim_objects(chart(26))


@pytest.mark.parametrize(("setting", "n", "limit"), [("professional", 13, 12), ("inpatient", 26, 25), ("outpatient", 28, 25)])
def test_what_is_left_out_on_demand_is_named(setting, n, limit):
    (claim,) = claim_objects(chart(n, setting), overflow="leave-out")
    kept = elements(claim, "ABK") + elements(claim, "ABF")
    assert len(kept) == limit
    assert [row["code"] for row in claim["left_out"]] == CODES[limit:n]
    assert f"holds {limit}" in claim["left_out"][0]["reason"]


def test_external_causes_have_their_own_place_on_an_institutional_claim():
    more = (*chart(25).diagnoses[:24], FinalDiagnosis("S72.001A", "Y"), FinalDiagnosis("W01.0XXA", "Y"))
    (part,) = divide(chart(diagnoses=more))
    assert (len(part.diagnoses), [d.code for _, d in part.external]) == (25, ["W01.0XXA"])


def test_a_13th_external_cause_is_refused():
    causes = tuple(FinalDiagnosis(f"W{i}.0XXA") for i in range(10, 23))
    with pytest.raises(ConfigError, match="12 external causes"):
        divide(chart(diagnoses=(FinalDiagnosis("S72.001A"), *causes)))


def test_a_stay_is_not_split():
    with pytest.raises(ConfigError, match="a stay is one claim"):
        divide(chart(26), overflow="split")


def test_a_professional_claim_is_split_by_its_lines():
    lines = (FinalProcedure("G0101", pointers=(1, 2)), FinalProcedure("G0102", pointers=(13, 14)))
    first, second = claim_objects(chart(14, "professional", procedures=lines), overflow="split")
    assert first["continuation"] == {"number": 1, "of": 2}
    assert [e["code"] for e in elements(second, "ABK") + elements(second, "ABF")] == ["M109", "K5730"]
    assert [line["SV1"]["pointers"] for line in (*first["loop_2400"], *second["loop_2400"])] == [[1, 2], [1, 2]]
    sent = {e["code"] for c in (first, second) for e in elements(c, "ABK") + elements(c, "ABF")}
    assert len(sent) == 14
    assert second["loop_2300"]["CLM"]["patient_control_number"] == "E1-2"


def test_a_claim_without_lines_cannot_be_split():
    with pytest.raises(ConfigError, match="no service line"):
        divide(chart(13, "professional"), overflow="split")


def test_leaving_out_the_diagnosis_of_a_line_is_refused():
    line = FinalProcedure("G0101", pointers=(13,))
    with pytest.raises(ConfigError, match="G0101"):
        divide(chart(13, "professional", procedures=(line,)), overflow="leave-out")


def test_an_overflow_policy_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="CS664"):
        divide(chart(), overflow="drop")


def test_procedures_of_a_stay_have_their_own_segments():
    stay = tuple(FinalProcedure("0FT44ZZ", "ICD-10-PCS", dt.date(2026, 4, 29)) for _ in range(3))
    (part,) = divide(chart(procedures=stay))
    assert len(part.procedures) == 3
    (claim,) = claim_objects(chart(procedures=stay[:2]))
    assert [e["qualifier"] for e in elements(claim, "BBR") + elements(claim, "BBQ")] == ["BBR", "BBQ"]
    assert elements(claim, "BBR")[0]["date"] == "20260429"


# -- content ------------------------------------------------------------------------------------------------------------


def test_codes_go_without_the_dot_and_with_their_poa():
    (claim,) = claim_objects(chart(2))
    assert elements(claim, "ABK") == [{"qualifier": "ABK", "code": "I5023", "poa": "Y", "date": None}]


def test_an_exempt_code_has_no_poa_on_the_claim():
    codes = (FinalDiagnosis("I50.23", "Y"), FinalDiagnosis("Z87.891", "1"))
    (claim,) = claim_objects(chart(diagnoses=codes))
    assert elements(claim, "ABF")[0]["poa"] is None


@pytest.mark.parametrize("setting", ["professional", "outpatient"])
def test_poa_is_for_stays_alone(setting):
    (claim,) = claim_objects(chart(setting=setting, diagnoses=(FinalDiagnosis("E11.9", "Y"),)))
    assert elements(claim, "ABK")[0]["poa"] is None


def test_admitting_diagnosis_and_reasons_for_the_visit():
    (stay,) = claim_objects(chart(admitting_diagnosis="R06.00"))
    (visit,) = claim_objects(chart(setting="outpatient", reasons_for_visit=("R06.00", "R05.9")))
    assert [e["code"] for e in elements(stay, "ABJ")] == ["R0600"]
    assert [e["code"] for e in elements(visit, "APR")] == ["R0600", "R059"]


def test_a_fourth_reason_for_the_visit_is_refused():
    with pytest.raises(ConfigError, match="3 reasons"):
        claim_objects(chart(setting="outpatient", reasons_for_visit=("R06.00", "R05.9", "R07.9", "R10.9")))


def test_pointers_are_places_on_the_claim():
    lines = (FinalProcedure("G0101", modifiers=("25",), units=2, pointers=(2, 1), place_of_service="11"),)
    (claim,) = claim_objects(chart(4, "professional", procedures=lines))
    assert claim["loop_2400"] == [
        {
            "LX": 1,
            "SV1": {
                "procedure": {"qualifier": "HC", "code": "G0101", "modifiers": ["25"]},
                "unit": "UN",
                "quantity": 2,
                "place_of_service": "11",
                "pointers": [2, 1],
            },
            "SV2": None,
            "DTP": [{"qualifier": "472", "format": "D8", "value": "20260504"}],
        }
    ]


def test_a_line_without_pointers_points_to_all_of_four_diagnoses():
    (claim,) = claim_objects(chart(4, "professional", procedures=(FinalProcedure("G0101"),)))
    assert claim["loop_2400"][0]["SV1"]["pointers"] == [1, 2, 3, 4]


def test_dates_of_a_stay():
    (claim,) = claim_objects(chart())
    assert [(d["qualifier"], d["value"]) for d in claim["loop_2300"]["DTP"]] == [
        ("434", "20260428-20260504"),
        ("435", "20260428"),
    ]


def test_what_the_biller_has_to_add_is_named():
    (claim,) = claim_objects(chart())
    assert "admitting diagnosis (HI ABJ)" in claim["missing"]
    assert any("charges" in words for words in claim["missing"])


@pytest.mark.parametrize("setting", ["inpatient", "outpatient", "emergency", "professional"])
@pytest.mark.parametrize("n", [1, 12, 25])
def test_a_claim_fits_its_schema(setting, n):
    lines = (FinalProcedure("G0101", pointers=(1,)),)
    for claim in claim_objects(chart(n, setting, procedures=lines), overflow="leave-out"):
        jsonschema.validate(claim, claim_schema())
        ClaimObject.model_validate(claim)


def test_the_same_chart_makes_the_same_claim():
    assert json.dumps(claim_objects(chart(20))) == json.dumps(claim_objects(chart(20)))


# -- open items ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "kind", "word"),
    [
        ({"finished_at": None}, "not finished", "nobody finished"),
        ({"finished_by": ""}, "not finished", "nobody finished"),
        ({"diagnoses": ()}, "no principal diagnosis", "principal diagnosis"),
        ({"discharge_date": None}, "no date", "the stay has not ended"),
        ({"queries": (PhysicianQuery("q1", "sent", "anemia"),)}, "query", "query q1 (anemia) is sent"),
        ({"queries": (PhysicianQuery("q1", "response received"),)}, "query", "q1"),
        ({"open_items": ("K21.9 was put off",)}, "open", "K21.9 was put off"),
        ({"diagnoses": (FinalDiagnosis("I50.23"),)}, "poa", "I50.23 has no POA indicator"),
        ({"diagnoses": (FinalDiagnosis("I50.2", "Y"),)}, "edit", "I50.2"),
        ({"diagnoses": (FinalDiagnosis("I50.23", "Y"), FinalDiagnosis("I50.23", "Y"))}, "edit", "I50.23"),
        (
            {"setting": "professional", "service_date": DAY, "procedures": (FinalProcedure("G0101", pointers=(9,)),)},
            "pointer",
            "diagnosis 9",
        ),
        ({"procedures": (FinalProcedure("G0101", modifiers=("25", "59", "76", "77", "LT")),)}, "modifier", "5 modifiers"),
    ],
)
def test_what_is_open_is_named_and_nothing_is_written(more, kind, word):
    items = open_items(chart(**more))
    assert kind in [item.kind for item in items]
    assert any(word in item.words for item in items)
    with pytest.raises(UnfinishedChartError) as caught:
        claim_objects(chart(**more))
    assert word in str(caught.value)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("n", [5, 13])
def test_a_professional_line_says_which_diagnoses_justify_it(n):
    line = FinalProcedure("G0101", pointers=tuple(range(1, 6)) if n == 13 else ())
    assert "pointer" in [i.kind for i in open_items(chart(n, "professional", procedures=(line,)))]


def test_five_pointers_are_one_too_many():
    (item,) = open_items(chart(6, "professional", procedures=(FinalProcedure("G0101", pointers=(1, 2, 3, 4, 5)),)))
    assert "5 diagnoses; a line holds 4 pointers" in item.words


def test_an_exempt_code_needs_no_poa():
    assert open_items(chart(diagnoses=(FinalDiagnosis("I50.23", "Y"), FinalDiagnosis("Z79.4")))) == ()


@pytest.mark.parametrize("status", ["answered", "agreed", "expired", "completed", "Withdrawn", "deleted", "deactivated"])
def test_a_closed_query_is_not_open(status):
    assert open_items(chart(queries=(PhysicianQuery("q1", status),))) == ()


def test_an_error_that_a_person_let_stand_is_not_open_and_stands_on_the_claim():
    double = (FinalDiagnosis("I50.23", "Y"), FinalDiagnosis("I50.23", "Y"))
    found = open_items(chart(diagnoses=double))
    let = tuple(Acknowledged(i.words.split(":")[0], tuple(i.code.split()), "checked with the lead") for i in found)
    (claim,) = claim_objects(chart(diagnoses=double, acknowledged=let))
    assert claim["acknowledged"][0]["reason"] == "checked with the lead"


def test_an_outpatient_chart_needs_no_poa():
    assert open_items(chart(setting="outpatient")) == ()


# -- JSON ---------------------------------------------------------------------------------------------------------------


def test_a_chart_survives_its_json(tmp_path):
    original = chart(
        3, procedures=(FinalProcedure("0FT44ZZ", "ICD-10-PCS", DAY),), queries=(PhysicianQuery("q", "answered", sent=DONE),)
    )
    (tmp_path / "c.json").write_text(json.dumps(to_dict(original)))
    assert read_chart(tmp_path / "c.json") == original
    jsonschema.validate(to_dict(original), chart_schema())


def test_the_claim_of_the_edits_survives_its_json():
    claim = claim_of(chart(3, procedures=(FinalProcedure("G0101", pointers=(1,)),)))
    assert claim_from_dict(to_dict(claim)) == claim


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"encounter_id": ""},
        {"encounter_id": "E", "what": 1},
        {"encounter_id": "E", "setting": "home"},
        {"encounter_id": "E", "diagnoses": [{"code": "I10", "poa": "Q"}]},
        {"encounter_id": "E", "diagnoses": "I10"},
        {"encounter_id": "E", "finished_at": "2026-05-05T10:00:00"},
        {"encounter_id": "E", "procedures": [{"code": "G0101", "units": 0}]},
        {"encounter_id": "E", "procedures": [{"code": "G0101", "pointers": [0]}]},
        {"encounter_id": "E", "discharge_date": "soon"},
        {"encounter_id": "E", "acknowledged": [{"rule_id": "TAB-01", "reason": ""}]},
    ],
)
def test_a_chart_that_is_none_is_refused(row):
    with pytest.raises(InputFormatError, match="CS660"):
        chart_from_dict(row)


def test_an_error_does_not_repeat_values():
    with pytest.raises(InputFormatError) as caught:
        chart_from_dict({"encounter_id": "E", "patient": {"age_years": "Zebrafish"}})
    assert "Zebrafish" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff\xfe"])
def test_a_file_that_is_no_json_object_is_refused(tmp_path, data):
    (tmp_path / "c.json").write_bytes(data)
    with pytest.raises(InputFormatError, match="CS661"):
        read_chart(tmp_path / "c.json")
