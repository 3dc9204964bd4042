"""The finished chart of an encounter, from the decision log and, where there is one, the desk beside it.

What stands is what the last finishing event (review) of the encounter lists. Everything that speaks against it is an open item: a code
put forward that nobody decided on, one put off, a decision made after the chart was finished, an audit that has begun, a query
without an answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codesuggest.claims.chart import (
    Acknowledged,
    FinalDiagnosis,
    FinalProcedure,
    FinishedChart,
    Patient,
    PhysicianQuery,
    Quote,
    chart_from_dict,
    to_dict,
)
from codesuggest.codes.code import ICD10CM
from codesuggest.errors import InputFormatError
from codesuggest.records import SETTINGS, Decision, Review

if TYPE_CHECKING:
    from codesuggest.decisions import DecisionLog

__all__ = ["chart_from_log", "with_facts"]

_ACKNOWLEDGED = "acknowledged "
_DESK_DONE = ("finished", "audited")
_LISTS = ("diagnoses", "queries", "open_items", "acknowledged", "finished_by", "finished_at", "encounter_id")


def chart_from_log(log: DecisionLog, encounter_id: str) -> FinishedChart:
    """Make the chart of an encounter out of what people decided.

    Parameters
    ----------
    log : DecisionLog
    encounter_id : str
        Of the encounter; of a note that stands for itself, its id.

    Returns
    -------
    FinishedChart
        With `open_items` where something speaks against its being finished.

    Raises
    ------
    InputFormatError
        CS666 when nothing is recorded about the encounter.
    """
    decisions = list(log.decisions(encounter_id=encounter_id))
    reviews = list(log.reviews(encounter_id=encounter_id))
    desk = _Desk(log, encounter_id)
    if not decisions and not reviews and desk.row is None:
        raise InputFormatError(
            "CS666",
            f"Nothing is recorded about the encounter {encounter_id!r}. Expected one of the log's. Check the id and the database.",
        )
    standing = log.standing(encounter_id=encounter_id)
    review = reviews[-1] if reviews else None
    finals: dict[tuple[str, str], list[Decision]] = {}
    for decision in standing.values():
        if decision.final_code is not None:
            finals.setdefault((decision.system, decision.final_code), []).append(decision)
    facts = dict(review.facts) if review is not None else {}
    setting = facts.get("setting") or desk.text("setting") or "outpatient"
    day = _day(facts.get("date_of_service") or desk.text("date_of_service"))
    inpatient = setting == "inpatient"
    listed = [(c.system, c.code, c.poa) for c in review.codes] if review is not None else [(*key, None) for key in finals]
    diagnoses = tuple(_diagnosis(code, poa, finals.get((system, code), [])) for system, code, poa in listed if system == ICD10CM)
    procedures = tuple(FinalProcedure(code, system, day) for system, code, _ in listed if system != ICD10CM)
    return FinishedChart(
        encounter_id,
        diagnoses,
        procedures,
        setting=setting if setting in SETTINGS else "outpatient",
        patient=Patient(age_years=desk.number("age_years"), sex=desk.text("sex") or None),
        admission_date=_day(desk.text("admitted_on")),
        service_date=None if inpatient else day,
        discharge_date=(_day(desk.text("discharged_on")) or day) if inpatient else None,
        payer=facts.get("payer") or desk.text("payer"),
        queries=_queries(log, encounter_id),
        acknowledged=_acknowledged(facts),
        open_items=(*_open(decisions, standing, finals, review), *desk.open_items()),
        finished_by=review.who if review is not None else "",
        finished_at=review.finished if review is not None else None,
        note_ids=review.note_ids if review is not None else tuple(dict.fromkeys(d.note_id for d in decisions)),
        versions=dict(review.versions) if review is not None else {},
    )


def with_facts(chart: FinishedChart, facts: Mapping[str, Any]) -> FinishedChart:
    """Add what the log does not hold: the patient, dates, payer, procedures … as the fields of a chart's JSON.

    Raises
    ------
    InputFormatError
        CS660 when a field is not as expected; CS667 when it is one that only the log can give.

    Examples
    --------
    >>> with_facts(FinishedChart("E1", (FinalDiagnosis("I10"),)), {"discharge_status": "01"}).discharge_status
    '01'
    """
    forbidden = [name for name in _LISTS if name in facts]
    if forbidden:
        raise InputFormatError(
            "CS667",
            f"The facts give {forbidden[0]!r}. Expected only what the decision log does not hold: codes and who finished come from the log. "
            "Leave it out.",
        )
    given = chart_from_dict({**facts, "encounter_id": chart.encounter_id})
    changes = {name: getattr(given, name) for name in facts if name not in ("patient", "procedures")}
    if "patient" in facts:
        mine, theirs = to_dict(chart.patient), to_dict(given.patient)
        changes["patient"] = replace(chart.patient, **{k: getattr(given.patient, k) for k in {**mine, **theirs} if k in theirs})
    if "procedures" in facts:
        changes["procedures"] = given.procedures
    return replace(chart, **changes)


def _diagnosis(code: str, poa: str | None, decisions: list[Decision]) -> FinalDiagnosis:
    latest = max(decisions, key=lambda d: d.when, default=None)
    quotes = tuple(Quote(d.note_id, s.start, s.end) for d in decisions for spans in d.evidence for s in spans)
    if latest is None:
        return FinalDiagnosis(code, poa)
    return FinalDiagnosis(code, poa, tuple(dict.fromkeys(quotes)), latest.who, latest.when, versions=dict(latest.versions))


def _open(
    decisions: list[Decision],
    standing: Mapping[tuple[str, str, str], Decision],
    finals: Mapping[tuple[str, str], list[Decision]],
    review: Review | None,
) -> list[str]:
    """Name what speaks against the chart's being finished."""
    found = [f"{code} was put off by {d.who}: decide" for (_, _, code), d in standing.items() if d.action == "defer"]
    if review is None:
        n = sum(d.final_code is not None for d in standing.values())
        return [*found, f"{n} codes are decided, and nobody finished the chart"]
    decided = {(system, code) for _, system, code in standing}
    undecided = dict.fromkeys(s.code for s in review.shown if s.selected and (s.system, s.code) not in decided)
    found += [f"{code} was put forward and nobody decided on it" for code in undecided]
    later = [d for d in decisions if d.when > review.finished]
    if later:
        codes = ", ".join(dict.fromkeys(d.code for d in later))
        found.append(f"{len(later)} decisions were made after the chart was finished ({codes}): finish it again")
    elif decisions:
        listed = {(c.system, c.code) for c in review.codes}
        for _, code in sorted(listed - finals.keys()):
            found.append(f"{code} is among the codes of the finished chart and no decision stands for it")
        for _, code in sorted(finals.keys() - listed):
            found.append(f"{code} was decided and is not among the codes of the finished chart")
    return found


def _acknowledged(facts: Mapping[str, str]) -> tuple[Acknowledged, ...]:
    """Read the findings that were let stand, which the review keeps among its facts by rule and codes."""
    found = []
    for name, reason in facts.items():
        if name.startswith(_ACKNOWLEDGED):
            rule, *codes = name.removeprefix(_ACKNOWLEDGED).split()
            found.append(Acknowledged(rule, tuple(codes), reason))
    return tuple(found)


def _day(text: str | None) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        return None


class _Desk:
    """The desk's chart of an encounter, when the database has one."""

    def __init__(self, log: DecisionLog, encounter_id: str) -> None:
        from codesuggest.desk.tables import charts

        self.row: Mapping[str, Any] | None = None
        engine = log.chain.engine
        with engine.connect() as connection:
            if not engine.dialect.has_table(connection, charts.name):
                return
            found = connection.execute(charts.select().where(charts.c.encounter_id == encounter_id)).mappings().first()
            if found is None:
                return
            self.row = dict(found)

    def text(self, name: str) -> str:
        return str(self.row[name]) if self.row is not None and self.row.get(name) else ""

    def number(self, name: str) -> float | None:
        value = self.row.get(name) if self.row is not None else None
        return float(value) if value is not None else None

    def open_items(self) -> list[str]:
        status = self.text("status")
        if not status or status in _DESK_DONE:
            return []
        return [f"the chart is {status.replace('_', ' ')} at the desk"]


def _queries(log: DecisionLog, encounter_id: str) -> tuple[PhysicianQuery, ...]:
    from codesuggest.query_log import QueryLog

    return tuple(
        PhysicianQuery(
            s.query_id,
            s.status,
            topic=s.topic,
            question=str((s.query or {}).get("question", "")),
            answer=s.answer,
            recipient=s.physician,
            sent=s.sent_at,
            answered=s.answered_at,
        )
        for s in QueryLog(log).states(encounter_id=encounter_id)
    )
