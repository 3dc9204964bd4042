"""The JSON of a finished chart and of an 837-ready claim as pydantic models: the published JSON Schemas, and the check of what comes in."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from codesuggest.claims.chart import (
    Acknowledged,
    FinalDiagnosis,
    FinalProcedure,
    FinishedChart,
    Patient,
    PhysicianQuery,
    Quote,
)

__all__ = ["ChartObject", "ClaimObject", "chart_schema", "claim_schema"]

_Code = Annotated[str, Field(min_length=1, max_length=20)]
_Id = Annotated[str, Field(min_length=1, max_length=200)]
_Poa = Literal["Y", "N", "U", "W", "1", ""]


class _Object(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class QuoteObject(_Object):
    """Words of a note that a code rests on: half-open offsets into its text."""

    note_id: _Id
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=1)]
    excerpt: str = ""


class DiagnosisObject(_Object):
    """A final diagnosis."""

    code: _Code
    poa: _Poa | None = None
    evidence: list[QuoteObject] = []
    who: str = ""
    when: AwareDatetime | None = None
    description: str = ""
    versions: dict[str, str] = {}

    def to_value(self) -> FinalDiagnosis:
        """Return the plain value."""
        quotes = tuple(Quote(q.note_id, q.start, q.end, q.excerpt) for q in self.evidence)
        return FinalDiagnosis(self.code, self.poa or None, quotes, self.who, _utc(self.when), self.description, self.versions)


class ProcedureObject(_Object):
    """A procedure of a stay, or a service line."""

    code: _Code
    system: Literal["HCPCS", "CPT", "ICD-10-PCS"] = "HCPCS"
    date: dt.date | None = None
    modifiers: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9]{2}$")]] = []
    units: Annotated[float, Field(gt=0, lt=1e9)] = 1
    pointers: Annotated[list[Annotated[int, Field(ge=1)]], Field(description="Places of diagnoses, from 1.")] = []
    place_of_service: str = ""
    revenue_code: str = ""
    provider: str = ""

    def to_value(self) -> FinalProcedure:
        """Return the plain value."""
        given = self.model_dump()
        return FinalProcedure(**{**given, "modifiers": tuple(self.modifiers), "pointers": tuple(self.pointers)})


class QueryObject(_Object):
    """A query to the physician."""

    query_id: _Id
    status: Annotated[str, Field(min_length=1, max_length=40)]
    topic: str = ""
    question: str = ""
    answer: str = ""
    recipient: str = ""
    sent: AwareDatetime | None = None
    answered: AwareDatetime | None = None


class AcknowledgedObject(_Object):
    """A finding of the edits that a person let stand."""

    rule_id: _Id
    codes: list[_Code] = []
    reason: Annotated[str, Field(min_length=1)]


class PatientObject(_Object):
    """Who was treated."""

    patient_id: str = ""
    birth_date: dt.date | None = None
    age_years: Annotated[float, Field(ge=0, le=130)] | None = None
    sex: Literal["F", "M", "X"] | None = None


class ChartObject(_Object):
    """A finished chart. Diagnoses stand in sequence, the principal (first-listed) first; a bare code is short for one."""

    encounter_id: _Id
    diagnoses: list[DiagnosisObject] = []
    procedures: list[ProcedureObject] = []
    setting: Literal["inpatient", "outpatient", "professional", "emergency"] = "outpatient"
    claim_type: Literal["professional", "institutional", ""] = ""
    patient: PatientObject = PatientObject()
    admission_date: dt.date | None = None
    service_date: dt.date | None = None
    discharge_date: dt.date | None = None
    discharge_status: Annotated[str, Field(pattern=r"^(\d\d)?$")] = ""
    type_of_bill: Annotated[str, Field(pattern=r"^(0?\d{2}[0-9A-Z])?$")] = ""
    admission_type: str = ""
    admission_source: str = ""
    payer: str = ""
    plan: str = ""
    provider: str = ""
    admitting_diagnosis: str = ""
    reasons_for_visit: list[_Code] = []
    queries: list[QueryObject] = []
    acknowledged: list[AcknowledgedObject] = []
    open_items: list[str] = []
    finished_by: str = ""
    finished_at: AwareDatetime | None = None
    note_ids: list[_Id] = []
    versions: dict[str, str] = {}

    @field_validator("diagnoses", mode="before")
    @classmethod
    def _bare_codes(cls, value: Any) -> Any:  # noqa: ANN401 - whatever the file holds
        return [{"code": d} if isinstance(d, str) else d for d in value] if isinstance(value, list) else value

    def to_chart(self) -> FinishedChart:
        """Return the plain value."""
        plain = {
            name: getattr(self, name)
            for name in type(self).model_fields
            if name not in ("diagnoses", "procedures", "patient", "queries", "acknowledged", "finished_at")
        }
        for name in ("reasons_for_visit", "open_items", "note_ids"):
            plain[name] = tuple(plain[name])
        return FinishedChart(
            **plain,
            diagnoses=tuple(d.to_value() for d in self.diagnoses),
            procedures=tuple(p.to_value() for p in self.procedures),
            patient=Patient(**self.patient.model_dump()),
            queries=tuple(PhysicianQuery(**q.model_dump()) for q in self.queries),
            acknowledged=tuple(Acknowledged(a.rule_id, tuple(a.codes), a.reason) for a in self.acknowledged),
            finished_at=_utc(self.finished_at),
        )


def _utc(when: dt.datetime | None) -> dt.datetime | None:
    return when.astimezone(dt.UTC) if when is not None else None


# ---------------------------------------------------------------------------------------------------------------------
# the claim


class HiElement(_Object):
    """One composite of an HI segment (C022)."""

    qualifier: Literal["ABK", "ABF", "ABJ", "APR", "ABN", "BBR", "BBQ"]
    code: Annotated[str, Field(pattern=r"^[A-Z0-9]{3,7}$", description="Without the dot.")]
    poa: Annotated[Literal["Y", "N", "U", "W"] | None, Field(description="Institutional stays; none for an exempt code.")] = None
    date: Annotated[str | None, Field(pattern=r"^\d{8}$", description="Of a procedure, CCYYMMDD.")] = None


class HiSegment(_Object):
    """An HI segment: at most 12 composites."""

    elements: Annotated[list[HiElement], Field(min_length=1, max_length=12)]


class DtpSegment(_Object):
    """A date: 434 statement, 435 admission, 472 service."""

    qualifier: Literal["434", "435", "472"]
    format: Literal["D8", "RD8"]
    value: Annotated[str, Field(pattern=r"^\d{8}(-\d{8})?$")]


class ClmSegment(_Object):
    """The claim itself."""

    patient_control_number: _Id
    facility_code: Annotated[str | None, Field(description="First digits of the type of bill, or the place of service.")]
    frequency_code: str


class Cl1Segment(_Object):
    """Institutional: type and source of admission, patient status."""

    admission_type: str | None
    admission_source: str | None
    patient_status: str | None


class Loop2300(_Object):
    """Claim information."""

    CLM: ClmSegment
    DTP: list[DtpSegment]
    CL1: Cl1Segment | None
    HI: list[HiSegment]


class ServiceProcedure(_Object):
    """SV101 or SV202."""

    qualifier: Literal["HC"]
    code: Annotated[str, Field(pattern=r"^[A-Z0-9]{4,7}$")]
    modifiers: Annotated[list[str], Field(max_length=4)]


class Sv1Segment(_Object):
    """Professional service: at most 4 pointers to diagnoses of loop 2300, 1 to 12."""

    procedure: ServiceProcedure
    unit: Literal["UN"]
    quantity: float
    place_of_service: str | None
    pointers: Annotated[list[Annotated[int, Field(ge=1, le=12)]], Field(min_length=1, max_length=4)]


class Sv2Segment(_Object):
    """Institutional service."""

    revenue_code: str | None
    procedure: ServiceProcedure
    unit: Literal["UN"]
    quantity: float


class Loop2400(_Object):
    """A service line."""

    LX: Annotated[int, Field(ge=1)]
    SV1: Sv1Segment | None = None
    SV2: Sv2Segment | None = None
    DTP: list[DtpSegment]


class LeftOut(_Object):
    """A code of the chart that is not on the claim, and why."""

    code: str
    reason: str


class Finished(_Object):
    """Who finished the chart, and when."""

    who: str
    when: str


class Continuation(_Object):
    """Which of how many claims of one chart this is."""

    number: Annotated[int, Field(ge=1)]
    of: Annotated[int, Field(ge=1)]


class ClaimObject(_Object):
    """What an 837 holds of a chart, by the names of its loops and segments; the biller adds who is billed and what is charged."""

    schema_: Annotated[Literal[1], Field(alias="schema")]
    kind: Literal["837-ready claim"]
    transaction: Annotated[Literal["005010X222A1", "005010X223A2"], Field(description="837P, 837I.")]
    encounter_id: _Id
    continuation: Continuation
    payer: str | None
    loop_2300: Loop2300
    loop_2400: list[Loop2400]
    left_out: list[LeftOut]
    missing: Annotated[list[str], Field(description="What the biller has to add before it can be sent.")]
    acknowledged: list[AcknowledgedObject]
    finished: Finished
    versions: dict[str, str]


def chart_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a finished chart.

    Examples
    --------
    >>> chart_schema()["required"]
    ['encounter_id']
    """
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "version": 1, **ChartObject.model_json_schema()}


def claim_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of an 837-ready claim.

    Examples
    --------
    >>> claim_schema()["properties"]["transaction"]["enum"]
    ['005010X222A1', '005010X223A2']
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "version": 1,
        **ClaimObject.model_json_schema(by_alias=True),
    }
