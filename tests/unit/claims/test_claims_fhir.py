"""FHIR R4 of a finished chart, validated against the models of fhir.resources (R4B)."""

import datetime as dt
import json

import pytest

from codesuggest.claims import FinalDiagnosis, FinalProcedure, FinishedChart, Patient, PhysicianQuery, Quote, fhir_bundle
from codesuggest.claims.fhir import EVIDENCE, validate_bundle
from codesuggest.errors import CodesuggestError

pytest.importorskip("fhir.resources")
DONE = dt.datetime(2026, 5, 5, 12, tzinfo=dt.UTC)


@pytest.fixture
def chart():
    return FinishedChart(
        "E1",
        (
            FinalDiagnosis(
                "i5023",
                "Y",
                (Quote("n1", 10, 22, "heart failur"), Quote("note 2/b", 3, 9)),
                "coder-7",
                DONE,
                "Heart failure",
                {"model": "m1"},
            ),
            FinalDiagnosis("S72.001A", "N"),
            FinalDiagnosis("Z79.4"),
            FinalDiagnosis("W01.0XXA", "Y"),
        ),
        (
            FinalProcedure("0FT44ZZ", "ICD-10-PCS", dt.date(2026, 4, 29)),
            FinalProcedure("G0101", modifiers=("25",), revenue_code="0510"),
        ),
        setting="inpatient",
        patient=Patient("P1", age_years=70, sex="M"),
        admission_date=dt.date(2026, 4, 28),
        discharge_date=dt.date(2026, 5, 4),
        discharge_status="01",
        type_of_bill="0111",
        payer="Medicare",
        admitting_diagnosis="R06.00",
        queries=(
            PhysicianQuery("q1", "agreed", "anemia", "Please clarify.", "Agreed", "dr-2", DONE, DONE),
            PhysicianQuery("q2", "withdrawn"),
        ),
        finished_by="coder-7",
        finished_at=DONE,
        versions={"codesuggest": "0.1.0"},
    )


def of_type(bundle, kind):
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


def test_the_bundle_validates(chart):
    validate_bundle(fhir_bundle(chart, checked=True))


def test_what_does_not_validate_is_refused_without_its_values(chart):
    bundle = fhir_bundle(chart, checked=True)
    of_type(bundle, "Claim")[0]["status"] = ["Zebrafish"]
    with pytest.raises(CodesuggestError, match="CS665") as caught:
        validate_bundle(bundle)
    assert "Zebrafish" not in str(caught.value)


def test_each_diagnosis_is_a_condition_with_its_evidence(chart):
    first = of_type(fhir_bundle(chart, checked=True), "Condition")[0]
    assert first["category"][0]["coding"][0]["code"] == "encounter-diagnosis"
    assert first["code"]["coding"][0] == {
        "system": "http://hl7.org/fhir/sid/icd-10-cm",
        "code": "I50.23",
        "display": "Heart failure",
    }
    span = first["evidence"][0]["extension"][0]
    assert span["url"] == EVIDENCE
    assert [tuple(e.values()) for e in span["extension"]] == [("start", 10), ("end", 22), ("quote", "heart failur")]
    assert [e["detail"][0] for e in first["evidence"]] == [
        {"reference": "DocumentReference/n1"},
        {"type": "DocumentReference", "identifier": {"value": "note 2/b"}},
    ]


def test_provenance_says_who_decided_when_and_with_what(chart):
    bundle = fhir_bundle(chart, checked=True)
    first, condition = of_type(bundle, "Provenance")[0], of_type(bundle, "Condition")[0]
    assert first["target"] == [{"reference": f"urn:uuid:{condition['id']}"}]
    assert first["recorded"] == "2026-05-05T12:00:00Z"
    assert [a["who"]["display"] for a in first["agent"]] == ["coder-7", "codesuggest 0.1.0; model m1"]


def test_the_claim_says_type_and_presence_on_admission(chart):
    (claim,) = of_type(fhir_bundle(chart, checked=True), "Claim")

    def first(concept):
        return concept["coding"][0]["code"] if concept else None

    rows = [(first(d["diagnosisCodeableConcept"]), first(d["type"][0]), first(d.get("onAdmission"))) for d in claim["diagnosis"]]
    assert rows == [
        ("I50.23", "principal", "y"),
        ("S72.001A", "other", "n"),
        ("Z79.4", "other", None),
        ("W01.0XXA", "externalcauseofinjury", "y"),
        ("R06.00", "admitting", None),
    ]
    assert claim["billablePeriod"] == {"start": "2026-04-28", "end": "2026-05-04"}
    assert claim["procedure"][0]["date"] == "2026-04-29"
    assert claim["item"][0]["revenue"]["coding"][0]["code"] == "0510"


def test_queries_are_tasks(chart):
    first, second = of_type(fhir_bundle(chart, checked=True), "Task")
    assert (first["status"], second["status"]) == ("completed", "cancelled")
    assert first["output"][0]["valueString"] == "Agreed"


def test_the_same_chart_makes_the_same_bundle(chart):
    assert json.dumps(fhir_bundle(chart, checked=True)) == json.dumps(fhir_bundle(chart, checked=True))


@pytest.mark.parametrize("setting", ["professional", "outpatient", "emergency", "inpatient"])
def test_a_bare_chart_validates_in_any_setting(setting):
    bare = FinishedChart(
        "visit of 4 May",
        (FinalDiagnosis("E11.9", "Y"),),
        (FinalProcedure("G0101"),),
        setting=setting,
        service_date=dt.date(2026, 5, 4),
        discharge_date=dt.date(2026, 5, 4),
        finished_by="c",
        finished_at=DONE,
    )
    validate_bundle(fhir_bundle(bare))


def test_what_is_left_out_is_named_on_the_claim():
    codes = tuple(FinalDiagnosis(f"R{i}") for i in range(10, 23))
    (claim,) = of_type(
        fhir_bundle(FinishedChart("E", codes, setting="professional", finished_at=DONE), overflow="leave-out", checked=True),
        "Claim",
    )
    assert "R22" in claim["supportingInfo"][0]["valueString"]
