"""A finished chart in FHIR R4: Claim, Conditions with their evidence, Provenance of each decision, and Tasks for the queries.

Resources point to the patient, encounter and notes of the EHR by the identifiers it gave; none of those is made anew. Ids are
derived from the encounter, so that the same chart makes the same bundle.

References
----------
HL7 FHIR R4 (4.0.1), Claim, Condition, Provenance, Task; CARIN Blue Button for the types of diagnoses and the NUBC codes of an
institutional claim.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib
import re
import uuid
from collections.abc import Mapping
from typing import Any

from codesuggest.claims.chart import FinalDiagnosis, FinalProcedure, FinishedChart, PhysicianQuery
from codesuggest.claims.edi import ClaimPart, divide
from codesuggest.claims.open_items import require_finished
from codesuggest.codes.code import ICD10CM, ICD10PCS, Code
from codesuggest.edits.engine import Tables
from codesuggest.errors import CodesuggestError, InvalidCodeError, PrerequisiteError

__all__ = ["fhir_bundle", "validate_bundle"]

_SYSTEMS = {
    ICD10CM: "http://hl7.org/fhir/sid/icd-10-cm",
    ICD10PCS: "http://www.cms.gov/Medicare/Coding/ICD10",
    "HCPCS": "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "CPT": "http://www.ama-assn.org/go/cpt",
}
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_CARIN = "http://hl7.org/fhir/us/carin-bb/CodeSystem"
_NUBC = "https://www.nubc.org/CodeSystem"
_SPACE = uuid.UUID("6d6f2c2e-5a0b-5d7e-9a53-7d0c5f3b8e11")
EVIDENCE = "urn:codesuggest:evidence-span"
"""Extension of Condition.evidence: start, end and the quoted words."""
_TASKS = {
    "pending": "draft",
    "sent": "requested",
    "reassigned": "requested",
    "response received": "in-progress",
    "answered": "completed",
    "agreed": "completed",
    "disagreed": "completed",
    "completed": "completed",
    "closed": "completed",
    "expired": "failed",
}
_FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")

Resource = dict[str, Any]


def fhir_bundle(
    chart: FinishedChart, *, overflow: str = "refuse", tables: Tables | None = None, checked: bool = False
) -> Resource:
    """Make the FHIR R4 bundle of a finished chart.

    Parameters
    ----------
    chart : FinishedChart
    overflow : {"refuse", "leave-out", "split"}
        What to do when a claim holds fewer codes than the chart has; see `codesuggest.claims.edi.divide`.
    tables : Tables, optional
        What the edits compare the claim with.
    checked : bool
        Whether `require_finished` has been asked already.

    Returns
    -------
    dict
        A Bundle of type collection. It is validated against the R4 models where the extra ``fhir`` is installed.

    Raises
    ------
    UnfinishedChartError
        CS662 when something is open.
    ConfigError
        CS663 when a limit is exceeded.
    CodesuggestError
        CS665 when the bundle does not validate, which is a fault of the program.
    """
    if not checked:
        require_finished(chart, tables=tables)
    maker = _Maker(chart)
    resources: list[Resource] = []
    for place, diagnosis in enumerate(chart.diagnoses, 1):
        resources += [maker.condition(place, diagnosis), maker.provenance(place, diagnosis)]
    resources += [maker.claim(part) for part in divide(chart, overflow=overflow)]
    resources += [maker.task(query) for query in chart.queries]
    bundle: Resource = {
        "resourceType": "Bundle",
        "id": maker.own_id("Bundle"),
        "type": "collection",
        "entry": [{"fullUrl": f"urn:uuid:{r['id']}", "resource": r} for r in resources],
    }
    if chart.finished_at is not None:
        bundle["timestamp"] = _instant(chart.finished_at)
    with contextlib.suppress(PrerequisiteError):  # what it writes does not depend on the extra
        validate_bundle(bundle)
    return bundle


def validate_bundle(bundle: Mapping[str, Any]) -> None:
    """Validate a bundle and the resources in it against the models of fhir.resources (R4B, the nearest it has to R4).

    Raises
    ------
    PrerequisiteError
        CS659 when fhir.resources is not installed.
    CodesuggestError
        CS665 when something does not validate; the message names places, not values.
    """
    try:
        models = importlib.import_module("fhir.resources.R4B")
    except ImportError as error:
        raise PrerequisiteError(
            "CS659",
            "Validating FHIR needs the package fhir.resources, which is not installed. Run: pip install 'codesuggest[fhir]'.",
        ) from error
    try:
        models.get_fhir_model_class("Bundle").model_validate(dict(bundle))
    except ValueError as error:  # pydantic's ValidationError is one
        found = [".".join(map(str, e["loc"])) for e in getattr(error, "errors", lambda **_: [])(include_input=False)]
        raise CodesuggestError(
            "CS665",
            f"The FHIR bundle does not validate against R4 at {', '.join(found[:6]) or 'an unknown place'}. Report this fault.",
        ) from None


class _Maker:
    """Makes the resources of one chart."""

    def __init__(self, chart: FinishedChart) -> None:
        self.chart = chart
        self.subject = _pointer("Patient", chart.patient.patient_id)
        self.encounter = _pointer("Encounter", chart.encounter_id)

    def own_id(self, *names: object) -> str:
        return str(uuid.uuid5(_SPACE, "|".join([self.chart.encounter_id, *map(str, names)])))

    def condition(self, place: int, d: FinalDiagnosis) -> Resource:
        made: Resource = {
            "resourceType": "Condition",
            "id": self.own_id("Condition", place, d.code),
            "clinicalStatus": _concept(f"{_TERMINOLOGY}/condition-clinical", "active"),
            "verificationStatus": _concept(f"{_TERMINOLOGY}/condition-ver-status", "confirmed"),
            "category": [_concept(f"{_TERMINOLOGY}/condition-category", "encounter-diagnosis")],
            "code": _coded(ICD10CM, d.code, d.description),
            "subject": self.subject,
            "encounter": self.encounter,
        }
        if d.when or self.chart.finished_at:
            made["recordedDate"] = _instant(d.when or self.chart.finished_at)
        if d.who or self.chart.finished_by:
            made["recorder"] = _named("Practitioner", d.who or self.chart.finished_by)
        if d.evidence:
            made["evidence"] = [
                {
                    "extension": [
                        {
                            "url": EVIDENCE,
                            "extension": [
                                {"url": "start", "valueUnsignedInt": q.start},
                                {"url": "end", "valueUnsignedInt": q.end},
                                *([{"url": "quote", "valueString": q.excerpt}] if q.excerpt.strip() else []),
                            ],
                        }
                    ],
                    "detail": [_pointer("DocumentReference", q.note_id)],
                }
                for q in d.evidence
            ]
        return made

    def provenance(self, place: int, d: FinalDiagnosis) -> Resource:
        condition = self.own_id("Condition", place, d.code)
        when = d.when or self.chart.finished_at
        versions = {**self.chart.versions, **d.versions}
        made: Resource = {
            "resourceType": "Provenance",
            "id": self.own_id("Provenance", place, d.code),
            "target": [{"reference": f"urn:uuid:{condition}"}],
            "recorded": _instant(when),
            "activity": _concept(f"{_TERMINOLOGY}/v3-DataOperation", "CREATE"),
            "agent": [
                {
                    "type": _concept(f"{_TERMINOLOGY}/provenance-participant-type", "author"),
                    "who": _named("Practitioner", d.who or self.chart.finished_by),
                }
            ],
        }
        if versions:
            made["agent"].append(
                {
                    "type": _concept(f"{_TERMINOLOGY}/provenance-participant-type", "assembler"),
                    "who": {
                        "type": "Device",
                        "display": "; ".join(f"{name} {value}" for name, value in sorted(versions.items())),
                    },
                }
            )
        return made

    def claim(self, part: ClaimPart) -> Resource:
        chart = self.chart
        kind = "institutional" if chart.is_institutional else "professional"
        diagnoses = sorted([*part.diagnoses, *part.external])
        numbers = {place: i for i, (place, _) in enumerate(diagnoses, 1)}
        made: Resource = {
            "resourceType": "Claim",
            "id": self.own_id("Claim", part.number),
            "identifier": [{"value": f"{chart.encounter_id}{f'-{part.number}' if part.of > 1 else ''}"}],
            "status": "active",
            "type": _concept(f"{_TERMINOLOGY}/claim-type", kind),
            "use": "claim",
            "patient": self.subject,
            "created": _instant(chart.finished_at),
            "provider": _named("Organization", chart.provider),
            "priority": _concept(f"{_TERMINOLOGY}/processpriority", "normal"),
            "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": chart.payer or "not given"}}],
            "diagnosis": [
                self._claim_diagnosis(numbers[place], place, d, is_external=(place, d) in part.external) for place, d in diagnoses
            ],
        }
        if chart.date_of_service is not None:
            first = (chart.admission_date if chart.setting == "inpatient" else chart.service_date) or chart.date_of_service
            last = max(first, chart.discharge_date or chart.date_of_service)
            made["billablePeriod"] = {"start": first.isoformat(), "end": last.isoformat()}
        for number, code in enumerate(self._own_codes(part), len(diagnoses) + 1):
            made["diagnosis"].append({"sequence": number, **code})
        information = self._information(part)
        if information:
            made["supportingInfo"] = [{"sequence": i, **one} for i, one in enumerate(information, 1)]
        if part.procedures:
            made["procedure"] = [
                {
                    "sequence": i,
                    "type": [_concept(f"{_TERMINOLOGY}/ex-procedure-type", "primary" if i == 1 else "secondary")],
                    **({"date": day.isoformat()} if (day := p.date or chart.date_of_service) else {}),
                    "procedureCodeableConcept": _coded(ICD10PCS, p.code),
                }
                for i, p in enumerate(part.procedures, 1)
            ]
        if part.lines:
            made["item"] = [self._item(i, line, part) for i, line in enumerate(part.lines, 1)]
        return made

    def _claim_diagnosis(self, number: int, place: int, d: FinalDiagnosis, *, is_external: bool) -> Resource:
        kinds = f"{_CARIN}/C4BBClaimDiagnosisType"
        if place == 1:
            kind = _concept(f"{_TERMINOLOGY}/ex-diagnosistype", "principal")
        elif is_external:
            kind = _concept(kinds, "externalcauseofinjury")
        else:
            kind = _concept(kinds, "other" if self.chart.is_institutional else "secondary")
        made: Resource = {"sequence": number, "diagnosisCodeableConcept": _coded(ICD10CM, d.code, d.description), "type": [kind]}
        if self.chart.is_inpatient and d.poa in ("Y", "N", "U", "W"):
            made["onAdmission"] = _concept(f"{_TERMINOLOGY}/ex-diagnosis-on-admission", d.poa.lower())
        return made

    def _own_codes(self, part: ClaimPart) -> list[Resource]:
        """Return the admitting diagnosis and the reasons for the visit."""
        chart = self.chart
        if not chart.is_institutional:
            return []
        if chart.setting == "inpatient":
            given = (
                [(chart.admitting_diagnosis, f"{_TERMINOLOGY}/ex-diagnosistype", "admitting")]
                if chart.admitting_diagnosis
                else []
            )
        else:
            given = [(code, f"{_CARIN}/C4BBClaimDiagnosisType", "patientreasonforvisit") for code in part.reasons]
        return [{"diagnosisCodeableConcept": _coded(ICD10CM, c), "type": [_concept(system, kind)]} for c, system, kind in given]

    def _information(self, part: ClaimPart) -> list[Resource]:
        chart = self.chart
        categories = f"{_CARIN}/C4BBSupportingInfoType"
        found: list[Resource] = []
        if chart.is_institutional:
            for name, system, value in (
                ("typeofbill", "TypeOfBill", chart.type_of_bill),
                ("discharge-status", "PatDischargeStatus", chart.discharge_status),
                ("admtype", "PriorityTypeOfAdmitOrVisit", chart.admission_type),
                ("pointoforigin", "PointOfOrigin", chart.admission_source),
            ):
                if value:
                    found.append({"category": _concept(categories, name), "code": _concept(f"{_NUBC}/{system}", value)})
            if chart.setting == "inpatient" and chart.admission_date is not None:
                period = {"start": chart.admission_date.isoformat()}
                if chart.discharge_date is not None:
                    period["end"] = chart.discharge_date.isoformat()
                found.append({"category": _concept(categories, "admissionperiod"), "timingPeriod": period})
        for code, reason in part.left_out:
            found.append(
                {
                    "category": _concept(f"{_TERMINOLOGY}/claiminformationcategory", "info"),
                    "valueString": f"left out: {code} ({reason})",
                }
            )
        return found

    def _item(self, number: int, line: FinalProcedure, part: ClaimPart) -> Resource:
        made: Resource = {
            "sequence": number,
            "productOrService": _coded(line.system, line.code),
            "quantity": {"value": line.units},
            "encounter": [self.encounter],
        }
        pointers = list(part.pointers_of(line)) if not self.chart.is_institutional or line.pointers else []
        if pointers:
            made["diagnosisSequence"] = pointers
        if line.modifiers:
            made["modifier"] = [_concept(_SYSTEMS["HCPCS"], m.upper()) for m in line.modifiers]
        day = line.date or self.chart.date_of_service
        if day is not None:
            made["servicedDate"] = day.isoformat()
        if line.revenue_code:
            made["revenue"] = _concept(f"{_NUBC}/RevenueCodes", line.revenue_code)
        if line.place_of_service:
            system = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set"
            made["locationCodeableConcept"] = _concept(system, line.place_of_service)
        return made

    def task(self, query: PhysicianQuery) -> Resource:
        status = _TASKS.get(query.status.strip().lower(), "cancelled" if not query.is_open else "requested")
        made: Resource = {
            "resourceType": "Task",
            "id": self.own_id("Task", query.query_id),
            "identifier": [{"value": query.query_id}],
            "status": status,
            "intent": "order",
            "code": {"text": "physician query"},
            "for": self.subject,
            "encounter": self.encounter,
            "businessStatus": {"text": query.status},
        }
        if query.topic or query.question:
            made["description"] = query.topic or query.question
        if query.sent is not None:
            made["authoredOn"] = _instant(query.sent)
        if query.answered is not None:
            made["lastModified"] = _instant(query.answered)
        if query.recipient:
            made["owner"] = _named("Practitioner", query.recipient)
        if query.question:
            made["input"] = [{"type": {"text": "question"}, "valueString": query.question}]
        if query.answer:
            made["output"] = [{"type": {"text": "answer"}, "valueString": query.answer}]
        return made


def _instant(when: dt.datetime | None) -> str:
    return "" if when is None else when.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def _coded(system: str, code: str, description: str = "") -> Resource:
    try:
        written = str(Code.parse(code, system)) if system in (ICD10CM, ICD10PCS) else code.strip().upper()
    except InvalidCodeError:
        written = code.strip().upper()
    coding = {"system": _SYSTEMS[system], "code": written}
    if description.strip():
        coding["display"] = description.strip()
    return {"coding": [coding]}


def _pointer(kind: str, given: str) -> Resource:
    """Point to a resource of the EHR: by its id when that is one of FHIR, else by identifier."""
    if not given:
        return {"type": kind, "display": "not given"}
    if _FHIR_ID.fullmatch(given):
        return {"reference": f"{kind}/{given}"}
    return {"type": kind, "identifier": {"value": given}}


def _named(kind: str, name: str) -> Resource:
    """Point to somebody by the identifier the EHR knows."""
    return {"type": kind, "identifier": {"value": name}, "display": name} if name else {"type": kind, "display": "not given"}
