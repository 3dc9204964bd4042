"""A finished chart: the plain value that becomes a claim, and the reader of its JSON."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from codesuggest.edits.claim import Claim, Diagnosis, Procedure
from codesuggest.errors import InputFormatError

__all__ = [
    "CLAIM_TYPES",
    "CLOSED",
    "Acknowledged",
    "FinalDiagnosis",
    "FinalProcedure",
    "FinishedChart",
    "Patient",
    "PhysicianQuery",
    "Quote",
    "chart_from_dict",
    "claim_of",
    "read_chart",
    "read_object",
    "to_dict",
]

CLAIM_TYPES: tuple[str, ...] = ("professional", "institutional")
CLOSED: tuple[str, ...] = (
    "answered",
    "agreed",
    "disagreed",
    "expired",
    "completed",
    "closed",
    "withdrawn",
    "deleted",
    "deactivated",
    "cancelled",
)
"""Status of queries that wait for nobody any more."""


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of a note that a code rests on.

    Parameters
    ----------
    note_id : str
    start, end : int
        Half-open offsets into the text of the note.
    excerpt : str
        Exactly those words; empty when only their place is handed on.
    """

    note_id: str
    start: int
    end: int
    excerpt: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class FinalDiagnosis:
    """A diagnosis code that a person decided on.

    Parameters
    ----------
    code : str
        ICD-10-CM, with or without the dot.
    poa : {"Y", "N", "U", "W", "1"} or None
        Present on admission; "1" and None: exempt or not reported.
    evidence : tuple of Quote
    who : str
        Who decided.
    when : datetime.datetime or None
        UTC.
    description : str
    versions : mapping of str to str
        Library, model and releases that the suggestion came from.
    """

    code: str
    poa: str | None = None
    evidence: tuple[Quote, ...] = ()
    who: str = ""
    when: dt.datetime | None = None
    description: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FinalProcedure:
    """A procedure of a stay (ICD-10-PCS) or a service line (HCPCS, CPT).

    Parameters
    ----------
    code : str
    system : {"HCPCS", "CPT", "ICD-10-PCS"}
    date : datetime.date or None
        The chart's day of service without it.
    modifiers : tuple of str
        At most 4 of them fit a line.
    units : float
    pointers : tuple of int
        Places of the diagnoses that justify a line, from 1; at most 4. Needed on a professional line when there are more than 4
        diagnoses.
    place_of_service, revenue_code, provider : str
    """

    code: str
    system: str = "HCPCS"
    date: dt.date | None = None
    modifiers: tuple[str, ...] = ()
    units: float = 1
    pointers: tuple[int, ...] = ()
    place_of_service: str = ""
    revenue_code: str = ""
    provider: str = ""


@dataclass(frozen=True, slots=True)
class PhysicianQuery:
    """A question to the physician and how it ended.

    Parameters
    ----------
    query_id : str
    status : str
        It is open unless it is one of `CLOSED`.
    topic, question, answer, recipient : str
    sent, answered : datetime.datetime or None
    """

    query_id: str
    status: str
    topic: str = ""
    question: str = ""
    answer: str = ""
    recipient: str = ""
    sent: dt.datetime | None = None
    answered: dt.datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do something."""
        return self.status.strip().lower() not in CLOSED


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A finding of the edits that a person let stand, and why."""

    rule_id: str
    codes: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """Who was treated.

    Parameters
    ----------
    patient_id : str
        Identifier in the EHR; empty when not known.
    birth_date : datetime.date or None
    age_years : float or None
        On admission for a stay, else on the day of the service.
    sex : {"F", "M", "X"} or None
    """

    patient_id: str = ""
    birth_date: dt.date | None = None
    age_years: float | None = None
    sex: str | None = None


@dataclass(frozen=True, slots=True)
class FinishedChart:
    """Everything billing gets of an encounter.

    Parameters
    ----------
    encounter_id : str
    diagnoses : tuple of FinalDiagnosis
        In sequence: the first is the principal (inpatient) or first-listed diagnosis.
    procedures : tuple of FinalProcedure
    setting : {"inpatient", "outpatient", "professional", "emergency"}
    claim_type : {"professional", "institutional"}
        By the setting when it is empty.
    patient : Patient
    admission_date, service_date, discharge_date : datetime.date or None
        `service_date` is the day, or the first day, of an outpatient service.
    discharge_status, type_of_bill, admission_type, admission_source : str
        Codes of the UB-04 (NUBC); empty when not known.
    payer, plan, provider : str
    admitting_diagnosis : str
        Code; institutional stays.
    reasons_for_visit : tuple of str
        Codes of the patient's reasons; institutional outpatient claims, at most 3.
    queries : tuple of PhysicianQuery
    acknowledged : tuple of Acknowledged
    open_items : tuple of str
        What the source says is still open.
    finished_by : str
    finished_at : datetime.datetime or None
        UTC. A chart without it is not finished.
    note_ids : tuple of str
    versions : mapping of str to str

    Examples
    --------
    >>> chart = FinishedChart("E1", (FinalDiagnosis("I10"),), setting="professional", service_date=dt.date(2026, 5, 4))
    >>> chart.is_institutional, chart.date_of_service
    (False, datetime.date(2026, 5, 4))
    """

    encounter_id: str
    diagnoses: tuple[FinalDiagnosis, ...] = ()
    procedures: tuple[FinalProcedure, ...] = ()
    setting: str = "outpatient"
    claim_type: str = ""
    patient: Patient = field(default_factory=Patient)
    admission_date: dt.date | None = None
    service_date: dt.date | None = None
    discharge_date: dt.date | None = None
    discharge_status: str = ""
    type_of_bill: str = ""
    admission_type: str = ""
    admission_source: str = ""
    payer: str = ""
    plan: str = ""
    provider: str = ""
    admitting_diagnosis: str = ""
    reasons_for_visit: tuple[str, ...] = ()
    queries: tuple[PhysicianQuery, ...] = ()
    acknowledged: tuple[Acknowledged, ...] = ()
    open_items: tuple[str, ...] = ()
    finished_by: str = ""
    finished_at: dt.datetime | None = None
    note_ids: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_institutional(self) -> bool:
        """Whether the claim is a facility's (837I) and not a professional one (837P)."""
        return (self.claim_type or ("professional" if self.setting == "professional" else "institutional")) == "institutional"

    @property
    def is_inpatient(self) -> bool:
        """Whether it is a facility's claim for a stay, which is where POA is reported."""
        return self.is_institutional and self.setting == "inpatient"

    @property
    def date_of_service(self) -> dt.date | None:
        """The discharge date for a stay, else the day of the service; it chooses every table."""
        if self.setting == "inpatient":
            return self.discharge_date or self.service_date
        return self.service_date or self.discharge_date or self.admission_date


def claim_of(chart: FinishedChart) -> Claim:
    """Make the claim that the edits look at.

    Examples
    --------
    >>> claim_of(FinishedChart("E1", (FinalDiagnosis("I10", "Y"),))).diagnoses[0].poa
    'Y'
    """
    day = chart.date_of_service
    return Claim(
        tuple(Diagnosis(i, d.code, d.poa) for i, d in enumerate(chart.diagnoses, 1)),
        tuple(
            Procedure(i, p.code, p.modifiers, p.units, p.date or day, p.pointers, p.place_of_service, p.provider)
            for i, p in enumerate(chart.procedures, 1)
        ),
        claim_id=chart.encounter_id,
        setting=chart.setting,
        age_years=chart.patient.age_years,
        sex=chart.patient.sex,
        admission_date=chart.admission_date,
        service_date=chart.service_date or day,
        discharge_date=chart.discharge_date,
        discharge_status=chart.discharge_status,
        payer=chart.payer,
        plan=chart.plan,
    )


def chart_from_dict(row: Mapping[str, Any]) -> FinishedChart:
    """Make a chart of a JSON object; ``codesuggest claim --schema chart`` prints its JSON Schema.

    Raises
    ------
    InputFormatError
        CS660 naming the field, without its value.

    Examples
    --------
    >>> chart_from_dict({"encounter_id": "E1", "diagnoses": ["I10"], "service_date": "2026-05-04"}).diagnoses[0].code
    'I10'
    """
    from pydantic import ValidationError

    from codesuggest.claims.schema import ChartObject

    try:
        given = ChartObject.model_validate(row)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'the chart'}: {e['msg']}" for e in error.errors(include_input=False)[:6]
        )
        raise InputFormatError(
            "CS660",
            f"The chart is not as expected in {error.error_count()} places: {problems}. Expected the fields that `codesuggest claim "
            "--schema chart` prints. Correct the file.",
        ) from error
    return given.to_chart()


def read_chart(path: str | Path) -> FinishedChart:
    """Read a chart from a JSON file.

    Raises
    ------
    InputFormatError
        CS660 when it is not as expected; CS661 when the file cannot be read or is not JSON.
    """
    return chart_from_dict(read_object(path))


def read_object(path: str | Path) -> Mapping[str, Any]:
    """Read a JSON object from a file.

    Raises
    ------
    InputFormatError
        CS661 when the file cannot be read or holds none.
    """
    path = Path(path)
    try:
        row = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        what = f"{path.name!r} cannot be read as JSON ({type(error).__name__}). Expected a JSON object in UTF-8. Check the file."
        raise InputFormatError("CS661", what) from error
    if not isinstance(row, dict):
        raise InputFormatError("CS661", f"{path.name!r} holds a {type(row).__name__}. Expected a JSON object. Check the file.")
    return row


def to_dict(value: Any) -> Any:  # noqa: ANN401 - JSON of any of the values above
    """Return the JSON of a chart or a part of it, without fields that are empty.

    Examples
    --------
    >>> to_dict(FinalDiagnosis("I10", "Y"))
    {'code': 'I10', 'poa': 'Y'}
    """
    if is_dataclass(value) and not isinstance(value, type):
        made = {f.name: to_dict(getattr(value, f.name)) for f in fields(value)}
        return {k: v for k, v in made.items() if v not in (None, "", [], {})}
    if isinstance(value, list | tuple):
        return [to_dict(v) for v in value]
    if isinstance(value, Mapping):
        return {k: to_dict(v) for k, v in value.items()}
    if isinstance(value, dt.date):
        return value.isoformat()
    return value
