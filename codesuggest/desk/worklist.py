"""How the queue is ordered: a sum of named components, each of which says why. Pure; the store keeps the numbers.

A component gives a value from 0 to 1, multiplied by its weight. Nothing here changes a suggestion: CC and MCC order the queue and
are seen by nobody who suggests a code.

Decision (2026-11): a sum of weighted components and not a learned order. A manager must be able to say why a chart comes first, and
to change it in one line of the settings. What would change our mind: a record of charts written off for want of time, to learn from.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Any

from codesuggest.desk.settings import WorklistSettings

__all__ = ["ChartFacts", "Reason", "is_sampled", "reasons_of", "score_of"]

# UB-04 form locator 14 (priority of the visit): code or word -> value.
_URGENCY = {
    "1": (1.0, "emergency"),
    "emergency": (1.0, "emergency"),
    "5": (1.0, "trauma"),
    "trauma": (1.0, "trauma"),
    "2": (0.7, "urgent"),
    "urgent": (0.7, "urgent"),
    "4": (0.4, "newborn"),
    "newborn": (0.4, "newborn"),
    "3": (0.2, "elective"),
    "elective": (0.2, "elective"),
}
_SETTING = {"inpatient": 0.5, "emergency": 0.4, "outpatient": 0.2, "professional": 0.1}


@dataclass(frozen=True, slots=True)
class ChartFacts:
    """What the order of the queue rests on.

    Parameters
    ----------
    service_day : datetime.date or None
        Discharge date of a stay, else the day of the visit.
    payer, setting, admission_type : str
        Empty when not known.
    n_words, n_documents : int
    n_near : int
        Codes whose probability is near the threshold.
    n_mcc, n_cc : int or None
        None without a table.
    n_queries_open, n_queries_answered : int
    """

    service_day: dt.date | None = None
    payer: str = ""
    setting: str = ""
    admission_type: str = ""
    n_words: int = 0
    n_documents: int = 1
    n_near: int = 0
    n_mcc: int | None = None
    n_cc: int | None = None
    n_queries_open: int = 0
    n_queries_answered: int = 0


@dataclass(frozen=True, slots=True)
class Reason:
    """One component of a score.

    Parameters
    ----------
    component : str
    value : float
        As measured, in `unit`.
    unit : str
    weight : float
        Most points it can give.
    points : float
        What it gives, 0 to `weight`.
    words : str
    """

    component: str
    value: float
    unit: str
    weight: float
    points: float
    words: str

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the reason."""
        return {
            "component": self.component,
            "value": self.value,
            "unit": self.unit,
            "weight": self.weight,
            "points": self.points,
            "words": self.words,
        }


def _count(n: int, noun: str, plural: str = "") -> str:
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def reasons_of(facts: ChartFacts, today: dt.date, settings: WorklistSettings) -> tuple[Reason, ...]:
    """Say what each component gives, the most first; components whose facts are not known are left out.

    Examples
    --------
    >>> facts = ChartFacts(dt.date(2026, 5, 4), "medicare", "inpatient", "emergency", 1200)
    >>> first = reasons_of(facts, dt.date(2026, 5, 24), WorklistSettings())[0]
    >>> first.component, first.words, round(first.points, 1)
    ('ageing', '20 days since discharge', 13.3)
    """
    weights = settings.weights
    found: list[Reason] = []

    def add(component: str, share: float, value: float, unit: str, words: str) -> None:
        weight: float = getattr(weights, component)
        if weight:
            found.append(Reason(component, value, unit, weight, round(weight * min(max(share, 0.0), 1.0), 2), words))

    if facts.service_day is not None:
        age = (today - facts.service_day).days
        event = "discharge" if facts.setting == "inpatient" else "the visit"
        add("ageing", age / settings.ageing_full_days, age, "days", f"{_count(max(age, 0), 'day')} since {event}")
        payer = facts.payer.casefold()
        limit = settings.filing_limit_days.get(payer, settings.default_filing_limit_days)
        left = limit - age
        words = (
            f"{left} of {_count(limit, 'day')} left to file"
            if left >= 0
            else f"filing limit of {_count(limit, 'day')} passed {_count(-left, 'day')} ago"
        )
        add(
            "deadline",
            1 - left / settings.deadline_window_days,
            left,
            "days left",
            f"{words} with {facts.payer or 'an unnamed payer'}",
        )
    urgency = _URGENCY.get(facts.admission_type.casefold())
    if urgency is not None:
        add("urgency", urgency[0], urgency[0], "share", f"{urgency[1]} admission")
    elif facts.setting in _SETTING:
        add(
            "urgency",
            _SETTING[facts.setting],
            _SETTING[facts.setting],
            "share",
            f"{facts.setting}, priority of the visit not given",
        )
    if facts.n_mcc is not None and facts.n_cc is not None:
        n_mcc, n_cc = facts.n_mcc, facts.n_cc
        words = f"{_count(n_mcc, 'code')} put forward {'is' if n_mcc == 1 else 'are'} MCC, {n_cc} CC"
        add("impact", 1.0 if n_mcc else 0.5 if n_cc else 0.0, n_mcc + n_cc, "codes", words)
    share = max(facts.n_words / settings.complexity_full_words, facts.n_documents / settings.complexity_full_documents)
    add(
        "complexity", share, facts.n_words, "words", f"{_count(facts.n_words, 'word')} in {_count(facts.n_documents, 'document')}"
    )
    add(
        "uncertainty",
        facts.n_near / settings.uncertainty_full_codes,
        facts.n_near,
        "codes",
        f"{_count(facts.n_near, 'code')} near the threshold",
    )
    if facts.n_queries_answered:
        words = f"{_count(facts.n_queries_answered, 'query', 'queries')} answered"
        add("queries", 1.0, facts.n_queries_answered, "answers", words)
    elif facts.n_queries_open:
        words = f"{_count(facts.n_queries_open, 'query', 'queries')} waiting for an answer"
        add("queries", 0.0, facts.n_queries_open, "open", words)
    return tuple(sorted(found, key=lambda r: (-r.points, r.component)))


def score_of(facts: ChartFacts, today: dt.date, settings: WorklistSettings) -> float:
    """Sum the points of all components.

    Examples
    --------
    >>> score_of(ChartFacts(n_documents=8), dt.date(2026, 5, 4), WorklistSettings())
    10.0
    """
    return round(sum(r.points for r in reasons_of(facts, today, settings)), 2)


def is_sampled(encounter_id: str, settings: WorklistSettings) -> bool:
    """Whether a finished chart goes to an auditor: the hash of seed and encounter, so that nobody can choose.

    Examples
    --------
    >>> is_sampled("E-1", WorklistSettings(audit_share=1.0)), is_sampled("E-1", WorklistSettings(audit_share=0.0))
    (True, False)
    """
    digest = hashlib.sha256(f"{settings.audit_seed}\0{encounter_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < settings.audit_share * 2**64
