"""A chart as the log tells it: what was shown, what the coder gave, what the auditor made of it, and how long it took."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from codesuggest.decisions import DecisionLog
from codesuggest.decisions.log import Standing, uncollected
from codesuggest.records import Decision, FinalCode, Review, Shown

__all__ = ["Chart", "charts_of"]


@dataclass(frozen=True, slots=True)
class Chart:
    """One encounter that a coder finished.

    Parameters
    ----------
    encounter_id : str
    note_ids : tuple of str
    coder : str
    coded_at : datetime.datetime, UTC
        When the coder finished; without a finished review, when the last decision was made.
    codes : tuple of FinalCode
        The coder's codes, in sequence where a review gives it, else in the order decided.
    is_sequenced : bool
        Whether the first ICD-10-CM code is the principal (first-listed) diagnosis.
    auditor : str
        Empty when the chart was not audited.
    audited_at : datetime.datetime or None, UTC
    audited_codes : tuple of FinalCode or None
        The auditor's codes: those of the audit's review, else the coder's with the auditor's decisions carried out.
    minutes : float or None
        From opening to finishing, over all passes of the coder; None without a review.
    shown : tuple of Shown
        What was put to the coder.
    decisions : mapping of str to int
        How many of the coder's standing decisions of each action.
    decided : frozenset of (str, str)
        System and code of what the coder decided about.
    confidence : float or None
        Least probability among the suggestions that were accepted, 0 to 1; None when none has one.
    reasons : tuple of (str, str, str)
        The auditor's: code, action, words.
    facts : mapping of str to str
    edits : mapping of str to int
        Findings that were left when the coder finished, by rule.
    """

    encounter_id: str
    note_ids: tuple[str, ...]
    coder: str
    coded_at: dt.datetime
    codes: tuple[FinalCode, ...]
    is_sequenced: bool
    auditor: str = ""
    audited_at: dt.datetime | None = None
    audited_codes: tuple[FinalCode, ...] | None = None
    minutes: float | None = None
    shown: tuple[Shown, ...] = ()
    decisions: Mapping[str, int] = field(default_factory=dict)
    decided: frozenset[tuple[str, str]] = frozenset()
    confidence: float | None = None
    reasons: tuple[tuple[str, str, str], ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    edits: Mapping[str, int] = field(default_factory=dict)

    @property
    def final_codes(self) -> tuple[FinalCode, ...]:
        """The auditor's codes where there are any, else the coder's."""
        return self.codes if self.audited_codes is None else self.audited_codes

    @property
    def principal(self) -> str:
        """The coder's principal diagnosis; empty when the codes have no sequence."""
        return _first_diagnosis(self.codes) if self.is_sequenced else ""

    @property
    def audited_principal(self) -> str:
        """The auditor's principal diagnosis; empty when there is none."""
        return _first_diagnosis(self.audited_codes or ()) if self.is_sequenced else ""


def _first_diagnosis(codes: Iterable[FinalCode]) -> str:
    return next((c.code for c in codes if c.system == "ICD-10-CM"), "")


def charts_of(
    log: DecisionLog, *, since: dt.datetime | None = None, until: dt.datetime | None = None, unfinished: bool = False
) -> tuple[Chart, ...]:
    """Return the charts of a log by the time the coder finished.

    Parameters
    ----------
    log : DecisionLog
    since, until : datetime.datetime, UTC, optional
        Only charts that the coder finished in this half-open time.
    unfinished : bool
        Take charts with decisions and no finished review too, as history brought from another system has them.

    Returns
    -------
    tuple of Chart
    """
    with uncollected():
        return _charts_of(log, since, until, unfinished=unfinished)


def _charts_of(log: DecisionLog, since: dt.datetime | None, until: dt.datetime | None, *, unfinished: bool) -> tuple[Chart, ...]:
    decisions: dict[str, list[Decision]] = {}
    for decision in log.decisions():
        decisions.setdefault(decision.encounter_id or decision.note_id, []).append(decision)
    reviews: dict[str, list[Review]] = {}
    for review in log.reviews():
        reviews.setdefault(review.encounter_id, []).append(review)
    any_review = bool(reviews)
    found = []
    for encounter_id in sorted(decisions.keys() | reviews.keys()):
        passes = reviews.get(encounter_id, [])
        if not any(r.stage == "coder" for r in passes) and any_review and not unfinished:
            continue
        chart = _chart(encounter_id, decisions.get(encounter_id, []), passes)
        if chart is not None and (since is None or chart.coded_at >= since) and (until is None or chart.coded_at < until):
            found.append(chart)
    return tuple(sorted(found, key=lambda c: (c.coded_at, c.encounter_id)))


def _chart(encounter_id: str, decisions: list[Decision], reviews: list[Review]) -> Chart | None:
    by_coder = [r for r in reviews if r.stage == "coder"]
    by_auditor = [r for r in reviews if r.stage == "audit"]
    state = Standing(decisions)
    own = [d for key in state if (d := state.at(key, "coder")) is not None]
    audit = [d for key in state if (d := state.at(key, "audit")) is not None]
    last = by_coder[-1] if by_coder else None
    if last is None and not own:
        return None
    codes = last.codes if last else tuple(dict.fromkeys(FinalCode(d.final_code, d.system) for d in own if d.final_code))
    if by_auditor:
        audited: tuple[FinalCode, ...] | None = by_auditor[-1].codes
    else:
        audited = _carried_out(codes, audit) if audit else None
    latest = max(own, key=lambda d: d.when) if own else None
    confident = [d.probability for d in own if d.action == "accept" and d.probability is not None]
    return Chart(
        encounter_id,
        last.note_ids if last else tuple(dict.fromkeys(d.note_id for d in decisions)),
        last.who if last else latest.who if latest else "",
        last.finished if last else latest.when if latest else dt.datetime.min.replace(tzinfo=dt.UTC),
        codes,
        last is not None,
        by_auditor[-1].who if by_auditor else max(audit, key=lambda d: d.when).who if audit else "",
        by_auditor[-1].finished if by_auditor else max(d.when for d in audit) if audit else None,
        audited,
        sum((r.finished - r.opened).total_seconds() for r in by_coder) / 60 if by_coder else None,
        last.shown if last else (),
        dict(Counter(d.action for d in own)),
        frozenset((d.system, d.code) for d in own),
        min(confident, default=None),
        tuple((d.code, d.action, d.reason) for d in audit if d.reason),
        last.facts if last else {},
        last.edits if last else {},
    )


def _carried_out(codes: tuple[FinalCode, ...], audit: Iterable[Decision]) -> tuple[FinalCode, ...]:
    """Return the coder's codes after the auditor's decisions."""
    standing = {(c.system, c.code): c for c in codes}
    for d in audit:
        key = (d.system, d.code)
        if d.action == "reject":
            standing.pop(key, None)
        elif d.action == "replace" and d.final_code:
            poa = standing[key].poa if key in standing else None
            standing = {
                ((d.system, d.final_code) if k == key else k): (FinalCode(d.final_code, d.system, poa) if k == key else c)
                for k, c in standing.items()
            }
            standing.setdefault((d.system, d.final_code), FinalCode(d.final_code, d.system))
        elif d.action in ("accept", "add"):
            standing.setdefault(key, FinalCode(d.code, d.system))
    return tuple(standing.values())
