"""The log of the work: volume, accuracy, turnaround, acceptance and effort, by day, coder or kind of note."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from statistics import median, quantiles
from typing import Any

from codesuggest.audit.charts import Chart
from codesuggest.errors import ConfigError
from codesuggest.learn.evaluate import as_json

__all__ = ["COLUMNS", "GROUPS", "QueryRow", "WorkReport", "WorkRow", "work_report"]

GROUPS = ("day", "coder", "kind", "setting", "payer")


@dataclass(frozen=True, slots=True)
class QueryRow:
    """A physician query as the report counts it.

    Parameters
    ----------
    encounter_id, topic, physician : str
    sent_at : datetime.datetime or None, UTC
    answered_at : datetime.datetime or None, UTC
    is_agreed : bool or None
        Whether the physician's answer changed the record as the indicators had it; None before an answer.
    """

    encounter_id: str
    topic: str
    physician: str
    sent_at: dt.datetime | None
    answered_at: dt.datetime | None
    is_agreed: bool | None


@dataclass(frozen=True, slots=True)
class WorkRow:
    """The work of one group.

    Parameters
    ----------
    name : str
        The day, coder, kind …; "all" for the whole.
    n_charts, n_documents, n_codes : int
        Charts finished, their documents, their final codes.
    minutes_median, minutes_p90 : float
        A chart, from opening to finishing; NaN where no chart has times.
    turnaround_median, turnaround_p90 : float
        Days from the date of service to finishing.
    n_accepted, n_edited, n_rejected, n_deferred, n_added, n_passed_over : int
        Suggestions taken as they were, replaced by another code, rejected, put off; codes added; suggestions put forward that nobody
        decided about and that are not among the codes.
    acceptance : float
        Accepted of accepted, edited and rejected.
    untouched : float
        Share of the charts' codes that were suggestions accepted as they were.
    model_precision, model_recall : float
        Of the suggestions put forward, against the final codes (the auditor's where there are any).
    n_audited : int
    coder_precision, coder_recall, principal_accuracy : float
        Of the coder against the auditor, on audited charts.
    query_rate : float
        Queries sent a chart.
    query_response : float
        Share of sent queries that were answered.
    query_hours_median : float
        From sending to the answer.
    query_agreement : float
        Share of the answers that agreed.
    n_edits : int
        Findings left at finishing.
    """

    name: str
    n_charts: int
    n_documents: int
    n_codes: int
    minutes_median: float
    minutes_p90: float
    turnaround_median: float
    turnaround_p90: float
    n_accepted: int
    n_edited: int
    n_rejected: int
    n_deferred: int
    n_added: int
    n_passed_over: int
    acceptance: float
    untouched: float
    model_precision: float
    model_recall: float
    n_audited: int
    coder_precision: float
    coder_recall: float
    principal_accuracy: float
    query_rate: float
    query_response: float
    query_hours_median: float
    query_agreement: float
    n_edits: int


COLUMNS: Mapping[str, str] = {
    "name": "",
    "n_charts": "charts",
    "n_documents": "documents",
    "n_codes": "codes",
    "minutes_median": "minutes a chart",
    "minutes_p90": "minutes, 90th percentile",
    "turnaround_median": "days to finish",
    "turnaround_p90": "days, 90th percentile",
    "n_accepted": "accepted",
    "n_edited": "edited",
    "n_rejected": "rejected",
    "n_deferred": "deferred",
    "n_added": "added",
    "n_passed_over": "passed over",
    "acceptance": "acceptance",
    "untouched": "codes untouched",
    "model_precision": "model precision",
    "model_recall": "model recall",
    "n_audited": "audited charts",
    "coder_precision": "coder precision",
    "coder_recall": "coder recall",
    "principal_accuracy": "principal diagnosis right",
    "query_rate": "queries a chart",
    "query_response": "queries answered",
    "query_hours_median": "hours to an answer",
    "query_agreement": "answers that agree",
    "n_edits": "findings left",
}
"""What each column of a report is called."""


@dataclass(frozen=True, slots=True)
class WorkReport:
    """A report of the work.

    Parameters
    ----------
    by : str
        One of `GROUPS`.
    total : WorkRow
    rows : tuple of WorkRow
        Days and names in order.
    edits : tuple of (str, int, int)
        Rule, findings left, charts; most first.
    changed : tuple of (str, str, int)
        Suggested code, the coder's code in its place ("" when it was rejected or passed over, and the first empty when it was added),
        charts; most first, at most 30.
    first, last : datetime.datetime or None, UTC
        When the first and the last chart were finished.
    """

    by: str
    total: WorkRow
    rows: tuple[WorkRow, ...]
    edits: tuple[tuple[str, int, int], ...]
    changed: tuple[tuple[str, str, int], ...]
    first: dt.datetime | None
    last: dt.datetime | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object; None for a number that is not defined."""
        times = {"first": self.first.isoformat() if self.first else None, "last": self.last.isoformat() if self.last else None}
        return {"schema": 1, **{f.name: as_json(getattr(self, f.name)) for f in fields(self)}, **times}


def work_report(charts: Iterable[Chart], *, by: str = "day", queries: Iterable[QueryRow] = ()) -> WorkReport:
    """Count the work.

    Parameters
    ----------
    charts : iterable of Chart
    by : {"day", "coder", "kind", "setting", "payer"}
        Days are UTC.
    queries : iterable of QueryRow
        Those of other encounters are passed over.

    Raises
    ------
    ConfigError
        CS724 when `by` is none of these.
    """
    if by not in GROUPS:
        raise ConfigError("CS724", f"A report cannot be made by {by!r}. Expected one of {', '.join(GROUPS)}. Choose one.")
    every = list(charts)
    asked: dict[str, list[QueryRow]] = defaultdict(list)
    for query in queries:
        asked[query.encounter_id].append(query)
    groups: dict[str, list[Chart]] = defaultdict(list)
    for chart in every:
        groups[_group(chart, by)].append(chart)
    return WorkReport(
        by,
        _row("all", every, asked),
        tuple(_row(name, groups[name], asked) for name in sorted(groups)),
        _edits(every),
        _changed(every),
        min((c.coded_at for c in every), default=None),
        max((c.coded_at for c in every), default=None),
    )


def _group(chart: Chart, by: str) -> str:
    if by == "day":
        return chart.coded_at.date().isoformat()
    return (chart.coder if by == "coder" else chart.facts.get(by, "")) or "not stated"


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _spread(values: Sequence[float]) -> tuple[float, float]:
    """Return median and 90th percentile."""
    if not values:
        return math.nan, math.nan
    return median(values), quantiles(values, n=10, method="inclusive")[-1] if len(values) > 1 else values[0]


def _turnaround(charts: Iterable[Chart]) -> list[float]:
    days = []
    for chart in charts:
        try:
            served = dt.date.fromisoformat(chart.facts.get("date_of_service", ""))
        except ValueError:
            continue
        days.append(float((chart.coded_at.date() - served).days))
    return days


def _sums(charts: Iterable[Chart], count: Callable[[Chart], tuple[int, int, int]]) -> tuple[int, int, int]:
    both = first = second = 0
    for chart in charts:
        a, b, c = count(chart)
        both, first, second = both + a, first + b, second + c
    return both, first, second


def _sets(a: set[tuple[str, str]], b: set[tuple[str, str]]) -> tuple[int, int, int]:
    return len(a & b), len(a - b), len(b - a)


def _keys(codes: Iterable[Any]) -> set[tuple[str, str]]:
    return {(c.system, c.code) for c in codes}


def _put_forward(chart: Chart) -> set[tuple[str, str]]:
    return {(s.system, s.code) for s in chart.shown if s.selected}


def _row(name: str, charts: Sequence[Chart], asked: Mapping[str, Sequence[QueryRow]]) -> WorkRow:
    actions: Counter[str] = Counter()
    for chart in charts:
        actions.update(chart.decisions)
    shown = [c for c in charts if c.shown]
    passed = sum(len(_put_forward(c) - _keys(c.codes) - c.decided) for c in shown)
    n_codes = sum(len(c.final_codes) for c in charts)
    right, false, missed = _sums(shown, lambda c: _sets(_put_forward(c), _keys(c.final_codes)))
    audited = [c for c in charts if c.audited_codes is not None]
    held, wrong, lacking = _sums(audited, lambda c: _sets(_keys(c.codes), _keys(c.audited_codes or ())))
    principal = [c.principal == c.audited_principal for c in audited if c.principal and c.audited_principal]
    queries = [q for c in charts for q in asked.get(c.encounter_id, ()) if q.sent_at]
    answered = [q for q in queries if q.answered_at]
    hours = [(q.answered_at - q.sent_at).total_seconds() / 3600 for q in answered if q.answered_at and q.sent_at]
    judged = [q.is_agreed for q in answered if q.is_agreed is not None]
    return WorkRow(
        name,
        len(charts),
        sum(len(c.note_ids) for c in charts),
        n_codes,
        *_spread([c.minutes for c in charts if c.minutes is not None]),
        *_spread(_turnaround(charts)),
        actions["accept"],
        actions["replace"],
        actions["reject"],
        actions["defer"],
        actions["add"],
        passed,
        _share(actions["accept"], actions["accept"] + actions["replace"] + actions["reject"]),
        _share(actions["accept"], actions["accept"] + actions["replace"] + actions["add"]),
        _share(right, right + false),
        _share(right, right + missed),
        len(audited),
        _share(held, held + wrong),
        _share(held, held + lacking),
        _share(sum(principal), len(principal)),
        _share(len(queries), len(charts)),
        _share(len(answered), len(queries)),
        median(hours) if hours else math.nan,
        _share(sum(judged), len(judged)),
        sum(sum(c.edits.values()) for c in charts),
    )


def _edits(charts: Iterable[Chart]) -> tuple[tuple[str, int, int], ...]:
    found: Counter[str] = Counter()
    where: Counter[str] = Counter()
    for chart in charts:
        for rule, n in chart.edits.items():
            found[rule] += n
            where[rule] += 1
    return tuple(sorted(((rule, n, where[rule]) for rule, n in found.items()), key=lambda r: (-r[1], r[0])))


def _changed(charts: Iterable[Chart]) -> tuple[tuple[str, str, int], ...]:
    """Where what was put forward and the final codes differ, paired within a category."""
    counts: Counter[tuple[str, str]] = Counter()
    for chart in charts:
        if not chart.shown:
            continue
        final = [c.code for c in chart.final_codes]
        extra = [s.code for s in chart.shown if s.selected and s.code not in final]
        added = [c for c in final if c not in {s.code for s in chart.shown if s.selected}]
        for code in extra:
            partner = next((c for c in added if c[:3] == code[:3]), "")
            if partner:
                added.remove(partner)
            counts[code, partner] += 1
        counts.update(("", code) for code in added)
    return tuple((a, b, n) for (a, b), n in sorted(counts.items(), key=lambda r: (-r[1], r[0]))[:30])
