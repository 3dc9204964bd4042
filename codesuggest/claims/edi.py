"""The 837-ready claim: what the 837P and 837I hold of a chart, within their limits.

Limits (ASC X12N 005010X222A1 and 005010X223A2): a professional claim holds 12 diagnoses and a line 4 pointers to them; an institutional
claim holds the principal diagnosis and 24 others, 12 external causes, 3 reasons for the visit, the principal procedure and 24 others.
An overflow is refused unless the caller says what to do with it, and what is left out is named on the claim.

Decision (2026-11): a POA indicator of 1 (exempt) is not sent. The 837 5010 has no such value: an exempt code goes without one.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from codesuggest.claims.chart import FinalDiagnosis, FinalProcedure, FinishedChart, to_dict
from codesuggest.claims.open_items import require_finished
from codesuggest.codes.code import ICD10PCS, without_dot
from codesuggest.edits.engine import Tables
from codesuggest.errors import ConfigError

__all__ = ["LIMITS", "OVERFLOWS", "ClaimPart", "claim_objects", "divide"]

LIMITS: dict[str, dict[str, int]] = {
    "professional": {"diagnoses": 12, "pointers": 4, "lines": 50},
    "institutional": {"diagnoses": 25, "external causes": 12, "reasons for the visit": 3, "procedures": 25, "lines": 999},
}
"""What a claim holds."""
OVERFLOWS: tuple[str, ...] = ("refuse", "leave-out", "split")
"""What may be done with more than that: refuse, leave out the last and name them, or go on on another professional claim."""
_IMPLEMENTATION = {"professional": "005010X222A1", "institutional": "005010X223A2"}
_EXTERNAL = ("V", "W", "X", "Y")  # ICD-10-CM chapter 20
_PER_SEGMENT = 12


@dataclass(frozen=True, slots=True)
class ClaimPart:
    """The codes of one claim of a chart.

    Parameters
    ----------
    diagnoses : tuple of (int, FinalDiagnosis)
        With their places in the chart, in sequence; without external causes on an institutional claim.
    external : tuple of (int, FinalDiagnosis)
        External causes of an institutional claim.
    lines : tuple of FinalProcedure
        Service lines.
    procedures : tuple of FinalProcedure
        ICD-10-PCS.
    reasons : tuple of str
    left_out : tuple of (str, str)
        Code and reason.
    number, of : int
    """

    diagnoses: tuple[tuple[int, FinalDiagnosis], ...]
    external: tuple[tuple[int, FinalDiagnosis], ...] = ()
    lines: tuple[FinalProcedure, ...] = ()
    procedures: tuple[FinalProcedure, ...] = ()
    reasons: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    number: int = 1
    of: int = 1

    def pointers_of(self, line: FinalProcedure) -> tuple[int, ...]:
        """Places, among the diagnoses of this claim, that a line points to."""
        places = [place for place, _ in self.diagnoses]
        given = line.pointers or tuple(places[: LIMITS["professional"]["pointers"]])
        return tuple(dict.fromkeys(places.index(p) + 1 for p in given if p in places))


def divide(chart: FinishedChart, *, overflow: str = "refuse") -> tuple[ClaimPart, ...]:
    """Fit the codes of a chart onto one claim, or onto several.

    Parameters
    ----------
    chart : FinishedChart
    overflow : {"refuse", "leave-out", "split"}
        What to do when a limit is exceeded. ``leave-out`` keeps the first in sequence and names the others on the claim. ``split``
        is for professional claims: service lines go on another claim with the diagnoses that they point to.

    Raises
    ------
    ConfigError
        CS663 when a limit is exceeded and nothing says what to do, or a stay should be split; CS664 when `overflow` is none.

    Examples
    --------
    >>> codes = tuple(FinalDiagnosis(f"R{i}") for i in range(10, 23))
    >>> chart = FinishedChart("E1", codes, setting="professional")
    >>> divide(chart)
    Traceback (most recent call last):
    codesuggest.errors.ConfigError: [CS663] A professional claim holds 12 diagnoses and chart 'E1' has 13: R22 would be left out. ...
    >>> divide(chart, overflow="leave-out")[0].left_out
    (('R22', 'diagnosis 13: a professional claim holds 12 diagnoses'),)
    """
    if overflow not in OVERFLOWS:
        raise ConfigError("CS664", f"overflow is {overflow!r}. Expected one of {', '.join(OVERFLOWS)}. Choose one.")
    kind = "institutional" if chart.is_institutional else "professional"
    limits = LIMITS[kind]
    placed = tuple(enumerate(chart.diagnoses, 1))
    lines = tuple(p for p in chart.procedures if p.system != ICD10PCS)
    procedures = tuple(p for p in chart.procedures if p.system == ICD10PCS)
    if kind == "professional":
        if overflow == "split" and (len(placed) > limits["diagnoses"] or len(lines) > limits["lines"]):
            return _split(chart, placed, lines)
        external: tuple[tuple[int, FinalDiagnosis], ...] = ()
        ordinary = placed
    else:
        external = tuple(pair for pair in placed[1:] if pair[1].code.strip().upper().startswith(_EXTERNAL))
        ordinary = tuple(pair for pair in placed if pair not in external)
    left: list[tuple[str, str]] = []

    def fit(name: str, given: Sequence[Any], codes: Sequence[str], first: str) -> tuple[Any, ...]:
        limit = limits[name]
        if len(given) <= limit:
            return tuple(given)
        over = list(codes[limit:])
        if overflow != "leave-out":
            advice = (
                "Shorten the list, or choose leave-out or split (--overflow)."
                if kind == "professional"
                else "Shorten the list, or choose leave-out (--overflow); a stay is one claim and is not split."
            )
            raise ConfigError(
                "CS663",
                f"A{'n' if kind[0] in 'aeiou' else ''} {kind} claim holds {limit} {name} and chart {chart.encounter_id!r} has {len(given)}: "
                f"{', '.join(over)} would be left out. Expected at most {limit}. {advice}",
            )
        place = f"a{'n' if kind[0] in 'aeiou' else ''} {kind} claim holds {limit} {name}"
        left.extend((code, f"{first} {limit + i}: {place}") for i, code in enumerate(over, 1))
        return tuple(given[:limit])

    kept = fit("diagnoses", ordinary, [d.code for _, d in ordinary], "diagnosis")
    causes = fit("external causes", external, [d.code for _, d in external], "external cause") if external else ()
    reasons = (
        fit("reasons for the visit", chart.reasons_for_visit, chart.reasons_for_visit, "reason") if chart.is_institutional else ()
    )
    stay = fit("procedures", procedures, [p.code for p in procedures], "procedure") if chart.is_institutional else ()
    services = fit("lines", lines, [p.code for p in lines], "line")
    part = ClaimPart(kept, causes, services, stay, reasons, tuple(left))
    if kind == "professional":
        unjustified = [line.code for line in part.lines if not part.pointers_of(line)]
        if unjustified:
            raise ConfigError(
                "CS663",
                f"The diagnoses that service line {unjustified[0]} of chart {chart.encounter_id!r} points to would be left out. Expected a "
                "diagnosis for each line. Change the sequence, or split the claim (--overflow split).",
            )
    return (part,)


def _split(
    chart: FinishedChart, placed: tuple[tuple[int, FinalDiagnosis], ...], lines: tuple[FinalProcedure, ...]
) -> tuple[ClaimPart, ...]:
    """Put service lines, in order, on claims that hold the diagnoses they point to; then the other diagnoses where there is room."""
    limits = LIMITS["professional"]
    if not lines:
        raise ConfigError(
            "CS663",
            f"Chart {chart.encounter_id!r} has {len(placed)} diagnoses and no service line. Expected lines to divide: a claim is divided by "
            "its services. Give the lines, or choose leave-out (--overflow).",
        )
    left: list[int] = []
    groups: list[tuple[list[FinalProcedure], set[int]]] = []
    for n_groups in range(math.ceil(len(placed) / limits["diagnoses"]), len(lines) + 1):
        groups = _groups(lines, math.ceil(len(lines) / n_groups))
        pointed = set().union(*(places for _, places in groups))
        left = [place for place, _ in placed if place not in pointed]
        for _, places in groups:
            while left and len(places) < limits["diagnoses"]:
                places.add(left.pop(0))
        if not left:
            break
    if left or not groups:
        names = ", ".join(placed[i - 1][1].code for i in left) or "The diagnoses"
        raise ConfigError(
            "CS663",
            f"{names} of chart {chart.encounter_id!r} fit on none of the claims that its {len(lines)} service lines make. "
            "Expected room for every diagnosis. Add the line that treats them, or choose leave-out (--overflow).",
        )
    return tuple(
        ClaimPart(tuple(pair for pair in placed if pair[0] in places), (), tuple(services), number=i, of=len(groups))
        for i, (services, places) in enumerate(groups, 1)
    )


def _groups(lines: tuple[FinalProcedure, ...], most: int) -> list[tuple[list[FinalProcedure], set[int]]]:
    """Cut the lines, in order, where a claim has `most` of them or would hold too many diagnoses."""
    limits = LIMITS["professional"]
    groups: list[tuple[list[FinalProcedure], set[int]]] = []
    for line in lines:
        needs = set(line.pointers)
        if groups and len(groups[-1][0]) < min(most, limits["lines"]) and len(groups[-1][1] | needs) <= limits["diagnoses"]:
            groups[-1][0].append(line)
            groups[-1][1].update(needs)
        else:
            groups.append(([line], needs))
    return groups


def claim_objects(
    chart: FinishedChart, *, overflow: str = "refuse", tables: Tables | None = None, checked: bool = False
) -> tuple[dict[str, Any], ...]:
    """Make the 837-ready JSON of a finished chart; ``codesuggest claim --schema claim`` prints its JSON Schema.

    Parameters
    ----------
    chart : FinishedChart
    overflow : {"refuse", "leave-out", "split"}
        See `divide`.
    tables : Tables, optional
        What the edits compare the claim with.
    checked : bool
        Whether `require_finished` has been asked already.

    Returns
    -------
    tuple of dict
        One object, or several when the claim was split.

    Raises
    ------
    UnfinishedChartError
        CS662 when something is open.
    ConfigError
        CS663 when a limit is exceeded.
    """
    if not checked:
        require_finished(chart, tables=tables)
    return tuple(_object(chart, part) for part in divide(chart, overflow=overflow))


def _object(chart: FinishedChart, part: ClaimPart) -> dict[str, Any]:
    kind = "institutional" if chart.is_institutional else "professional"
    finished = chart.finished_at.isoformat() if chart.finished_at else ""
    return {
        "schema": 1,
        "kind": "837-ready claim",
        "transaction": _IMPLEMENTATION[kind],
        "encounter_id": chart.encounter_id,
        "continuation": {"number": part.number, "of": part.of},
        "payer": chart.payer or None,
        "loop_2300": {
            "CLM": _clm(chart, part),
            "DTP": _dates(chart),
            "CL1": {
                "admission_type": chart.admission_type or None,
                "admission_source": chart.admission_source or None,
                "patient_status": chart.discharge_status or None,
            }
            if chart.is_institutional
            else None,
            "HI": _health_information(chart, part),
        },
        "loop_2400": [_line(chart, part, i, line) for i, line in enumerate(part.lines, 1)],
        "left_out": [{"code": code, "reason": reason} for code, reason in part.left_out],
        "missing": _missing(chart, part),
        "acknowledged": [{"rule_id": a.rule_id, "codes": list(a.codes), "reason": a.reason} for a in chart.acknowledged],
        "finished": {"who": chart.finished_by, "when": finished},
        "versions": to_dict(chart.versions),
    }


def _clm(chart: FinishedChart, part: ClaimPart) -> dict[str, Any]:
    bill = _type_of_bill(chart)
    facility = bill[:2] if bill else None
    if not chart.is_institutional:
        facility = next((line.place_of_service for line in part.lines if line.place_of_service), None)
    suffix = f"-{part.number}" if part.of > 1 else ""
    frequency = bill[2] if bill else "1"
    return {"patient_control_number": f"{chart.encounter_id}{suffix}", "facility_code": facility, "frequency_code": frequency}


def _type_of_bill(chart: FinishedChart) -> str:
    """Three digits without the leading zero; hospital inpatient or outpatient, admit through discharge, when none is given."""
    if not chart.is_institutional:
        return ""
    given = chart.type_of_bill[-3:]
    return given or ("111" if chart.setting == "inpatient" else "131")


def _d8(day: dt.date) -> str:
    return day.strftime("%Y%m%d")


def _dates(chart: FinishedChart) -> list[dict[str, str]]:
    last = chart.date_of_service
    if last is None:
        return []
    first = (chart.admission_date if chart.setting == "inpatient" else chart.service_date) or last
    found = []
    if chart.is_institutional:
        found.append(
            {"qualifier": "434", "format": "RD8", "value": f"{_d8(first)}-{_d8(max(first, chart.discharge_date or last))}"}
        )
    if chart.admission_date is not None and chart.setting == "inpatient":
        found.append({"qualifier": "435", "format": "D8", "value": _d8(chart.admission_date)})
    return found


def _element(qualifier: str, code: str, poa: str | None = None, date: dt.date | None = None) -> dict[str, Any]:
    return {"qualifier": qualifier, "code": without_dot(code), "poa": poa, "date": _d8(date) if date else None}


def _health_information(chart: FinishedChart, part: ClaimPart) -> list[dict[str, Any]]:
    """HI segments in the order of the implementation guides."""

    def diagnosis(qualifier: str, d: FinalDiagnosis) -> dict[str, Any]:
        return _element(qualifier, d.code, d.poa if chart.is_inpatient and d.poa in ("Y", "N", "U", "W") else None)

    ordinary = [d for _, d in part.diagnoses]
    first, others = [diagnosis("ABK", d) for d in ordinary[:1]], [diagnosis("ABF", d) for d in ordinary[1:]]
    if not chart.is_institutional:
        groups = [first + others]
    else:
        day = chart.date_of_service
        admitting = chart.admitting_diagnosis if chart.setting == "inpatient" else ""
        stay = [_element("BBR" if i == 0 else "BBQ", p.code, date=p.date or day) for i, p in enumerate(part.procedures)]
        groups = [
            first,
            [_element("ABJ", admitting)] if admitting else [],
            [_element("APR", code) for code in part.reasons] if chart.setting != "inpatient" else [],
            [diagnosis("ABN", d) for _, d in part.external],
            others,
            stay[:1],
            stay[1:],
        ]
    return [{"elements": group[i : i + _PER_SEGMENT]} for group in groups for i in range(0, len(group), _PER_SEGMENT)]


def _line(chart: FinishedChart, part: ClaimPart, number: int, line: FinalProcedure) -> dict[str, Any]:
    procedure = {"qualifier": "HC", "code": line.code.strip().upper(), "modifiers": [m.upper() for m in line.modifiers]}
    day = line.date or chart.date_of_service
    dates = [{"qualifier": "472", "format": "D8", "value": _d8(day)}] if day else []
    made: dict[str, Any] = {"LX": number, "SV1": None, "SV2": None, "DTP": dates}
    if chart.is_institutional:
        made["SV2"] = {"revenue_code": line.revenue_code or None, "procedure": procedure, "unit": "UN", "quantity": line.units}
    else:
        made["SV1"] = {
            "procedure": procedure,
            "unit": "UN",
            "quantity": line.units,
            "place_of_service": line.place_of_service or None,
            "pointers": list(part.pointers_of(line)),
        }
    return made


def _missing(chart: FinishedChart, part: ClaimPart) -> list[str]:
    """Name what the 837 needs and a coded chart does not hold, as far as it was not given."""
    found = ["subscriber and payer identifiers (loops 2010BA, 2010BB)", "billing provider (loop 2010AA)", "charges (CLM02)"]
    if not chart.patient.patient_id:
        found.append("patient")
    if not part.lines:
        found.append("service lines (loop 2400)")
    if chart.is_institutional:
        if not chart.type_of_bill:
            found.append(f"type of bill: {_type_of_bill(chart)} was assumed from the setting")
        if not chart.discharge_status:
            found.append("patient discharge status (CL103)")
        if chart.setting == "inpatient":
            found += ["admission date (DTP 435)"] * (chart.admission_date is None)
            found += ["admitting diagnosis (HI ABJ)"] * (not chart.admitting_diagnosis)
            found += ["type of admission (CL101)"] * (not chart.admission_type)
        if any(not line.revenue_code for line in part.lines):
            found.append("revenue codes (SV201)")
    elif any(not line.place_of_service for line in part.lines):
        found.append("place of service (CLM05)")
    return found
