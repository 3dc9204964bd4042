"""What a person does with a chart: decide about codes, put them in sequence, finish. Everything goes into the decision log.

A code of a chart may be suggested for several of its documents. A decision about it is recorded once for each of them, so that every
decision points into the text it is about, and nothing that was decided looks passed over; the caller's event id stands for all of them.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from codesuggest.codes import Release, Releases
from codesuggest.decisions import DecisionLog
from codesuggest.decisions.database import reading
from codesuggest.decisions.events import Event
from codesuggest.decisions.log import normal_code, to_event
from codesuggest.desk.chart import Contents, Held, Standings, base_id, described, final_codes, findings_of
from codesuggest.desk.chart_queries import ChartQueries
from codesuggest.desk.errors import OpenItemsError, StateError
from codesuggest.desk.people import Identity
from codesuggest.desk.states import after, stage_of
from codesuggest.desk.store import Store
from codesuggest.desk.tables import stamp
from codesuggest.desk.worklist import is_sampled
from codesuggest.edits import Tables, default_tables
from codesuggest.errors import CodesuggestError, DecisionConflictError, InvalidCodeError
from codesuggest.records import Decision, FinalCode, Review, Span

__all__ = ["Acknowledged", "Coding", "Wanted"]

_ICD10CM = "ICD-10-CM"
_LOOK_AGAIN_S = 60
_MAX_DAYS = 4000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A decision as a person sends it.

    Parameters
    ----------
    event_id : str
        Chosen by the sender, without ``#``.
    action, code, system : str
    final_code : str or None
    evidence : tuple of (int, int, int), or None
        Document, start and end of each range; None keeps the suggestion's own.
    reason : str
    """

    event_id: str
    action: str
    code: str
    system: str = _ICD10CM
    final_code: str | None = None
    evidence: tuple[tuple[int, int, int], ...] | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A finding that a person lets stand, and why."""

    rule_id: str
    codes: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class _Now:
    """A chart as it stands."""

    row: Row[Any]
    contents: Contents
    standing: dict[tuple[str, str], Held]
    final: tuple[FinalCode, ...]
    findings: tuple[dict[str, Any], ...]
    skipped: tuple[str, ...]


class Coding:
    """Decisions on the charts of a desk.

    Parameters
    ----------
    store : Store
    log : DecisionLog
        On the same database.
    releases : Releases, optional

    Attributes
    ----------
    queries : ChartQueries
    """

    def __init__(self, store: Store, log: DecisionLog, releases: Releases | None = None) -> None:
        self.store = store
        self.log = log
        self.releases = releases or Releases()
        self.queries = ChartQueries(store, log)
        self._opened: dict[dt.date, tuple[float, Release | None, Tables | None]] = {}

    # -- reading -----------------------------------------------------------------------------------------------------

    def chart(self, row: Row[Any], who: Identity) -> bytes:
        """Give the JSON of a whole chart. The caller has opened it with `Store.open`."""
        now = self._now(row)
        positions = _positions(now.contents)
        places: dict[str, list[int]] = {}
        for i, finding in enumerate(now.findings):
            for code in finding["codes"]:
                places.setdefault(code, []).append(i)
        decisions = {key: _decision_object(held, positions) for key, held in now.standing.items()}
        codes = [
            {**c, "findings": places.get(c["code"], []), "decision": decisions.get(key)} for key, c in now.contents.codes.items()
        ]
        release, _ = self._release(row)
        for system, code in now.standing:
            if (system, code) not in now.contents.codes:
                codes.append(_added(system, code, decisions[system, code], release, now.contents, places.get(code, [])))
        moving = {
            "chart": self.store.summary(row, who),
            "codes": codes,
            "findings": now.findings,
            "decisions": list(decisions.values()),
            "final_codes": self._described(now),
            "draft": {"revision": row.draft_revision},
            "queries": self.queries.of_chart(row),
            "skipped_edits": now.skipped,
        }
        return b"{" + json.dumps(moving, separators=(",", ":"))[1:-1].encode() + b"," + now.contents.head + b"}"

    def edits(self, row: Row[Any]) -> dict[str, Any]:
        """Give the findings for the codes that stand now."""
        now = self._now(row)
        return {"findings": now.findings, "skipped": now.skipped}

    def state(self, row: Row[Any]) -> dict[str, Any]:
        """Give what changes with a draft."""
        return self._state(self._now(row))

    def _state(self, now: _Now) -> dict[str, Any]:
        return {"final_codes": self._described(now), "findings": now.findings, "draft": {"revision": now.row.draft_revision}}

    def history(self, row: Row[Any]) -> list[dict[str, Any]]:
        """Give every decision of a chart in the order recorded, one object a decision."""
        positions = _positions(self.store.contents(row))
        groups: dict[str, list[Decision]] = {}
        for d in self.log.decisions(encounter_id=row.encounter_id):
            groups.setdefault(base_id(d.event_id), []).append(d)
        return [_decision_object(Held(g[0], tuple(g), 0), positions) for g in groups.values()]

    def _now(self, row: Row[Any], made: Iterable[Decision] | None = None) -> _Now:
        contents = self.store.contents(row)
        standing = Standings(self.log.decisions(encounter_id=row.encounter_id) if made is None else made).standing()
        final = final_codes(standing, json.loads(row.draft))
        if final:
            findings, skipped = findings_of(final, dict(row._mapping), self._day(row), self._release(row)[1])
        else:
            findings, skipped = contents.findings, ()
        return _Now(row, contents, standing, final, findings, skipped)

    def _day(self, row: Row[Any]) -> dt.date:
        if row.date_of_service is not None:
            return dt.date.fromisoformat(row.date_of_service)
        return max(i.effective for i in self.releases.list() if i.system == _ICD10CM)

    def _release(self, row: Row[Any]) -> tuple[Release | None, Tables | None]:
        """Open the codes and edits of a chart's date; looked for anew once a minute, so that a release that was added is seen."""
        day = self._day(row)
        known = self._opened.get(day)
        if known is None or known[0] < time.monotonic() - _LOOK_AGAIN_S:
            try:
                known = (time.monotonic(), self.releases.on(day), default_tables(day, releases=self.releases))
            except CodesuggestError:
                known = (time.monotonic(), None, None)
            if len(self._opened) > _MAX_DAYS:
                self._opened.clear()
            self._opened[day] = known
        return known[1], known[2]

    def _described(self, now: _Now) -> list[dict[str, Any]]:
        release, tables = self._release(now.row)
        day = self._day(now.row)
        return [described(code, release, tables, day) for code in now.final]

    # -- deciding ----------------------------------------------------------------------------------------------------

    def decide(self, chart_id: str, who: Identity, wanted: Wanted) -> dict[str, Any]:
        """Record a decision.

        Returns
        -------
        dict
            ``recorded``: whether it is new; ``decision``: what stands about the code; and the chart's final codes, findings and draft.

        Raises
        ------
        MissingChartError, ForbiddenError, StateError
            As `Store.require_working`; CS616 when there is nothing to take back.
        InvalidCodeError
            CS100 when a code has not the format of its system; CS617 when it is not in the release or not billable; CS618 when
            a range is outside its document.
        DecisionConflictError
            CS505 when the event id is there with other content.
        """
        with reading(self.store.engine) as connection:
            row = self.store.row(connection, chart_id)
            self.store.require_holder(row, who)
        stage = stage_of(row.status)
        contents = self.store.contents(row)
        code = normal_code(wanted.code, wanted.system)
        final = None if wanted.final_code is None else normal_code(wanted.final_code, wanted.system)
        spans = self._spans(contents, wanted.evidence)
        earlier = list(self.log.decisions(encounter_id=row.encounter_id))
        if self._is_replay(row, who, stage, wanted, code, final, spans):
            return self._decided(row, (wanted.system, code), earlier, recorded=False)
        if final is not None or wanted.action in ("add", "accept"):
            self._require_billable(row, final or code, wanted.system)
        made = self._decisions(row, contents, who, stage, wanted, code, final, spans, Standings(earlier))
        changed: list[Row[Any]] = []

        def check(connection: Connection, _: Sequence[Event]) -> None:
            fresh = self.store.row(connection, chart_id)
            self.store.require_working(fresh, who)
            changed.append(self.store.change(connection, fresh, who, f"decide {wanted.action}"))

        try:
            self.log.chain.append([to_event(d) for d in made], check=check)
        except DecisionConflictError:
            if self._is_replay(row, who, stage, wanted, code, final, spans):  # sent twice at once
                return self._decided(row, (wanted.system, code), None, recorded=False)
            raise
        return self._decided(changed[0] if changed else row, (wanted.system, code), [*earlier, *made], recorded=bool(changed))

    def _decided(self, row: Row[Any], key: tuple[str, str], made: Iterable[Decision] | None, *, recorded: bool) -> dict[str, Any]:
        now = self._now(row, made)
        held = now.standing.get(key)
        decision = None if held is None else _decision_object(held, _positions(now.contents))
        return {"recorded": recorded, "decision": decision, **self._state(now)}

    def _decisions(
        self,
        row: Row[Any],
        contents: Contents,
        who: Identity,
        stage: str,
        wanted: Wanted,
        code: str,
        final: str | None,
        spans: Mapping[int, tuple[tuple[Span, ...], ...]] | None,
        standings: Standings,
    ) -> list[Decision]:
        key = (wanted.system, code)
        positions = _positions(contents)
        here = [positions[n] for n in standings.note_ids(key, stage) if n in positions]
        suggested = contents.codes.get(key)
        p_of = {one["document"]: one["probability"] for one in suggested["by_document"]} if suggested else {}
        if wanted.action == "retract":
            targets = sorted(here)
            if not targets:
                raise StateError(
                    "CS616",
                    f"There is no decision about {code} to take back at this stage. Expected one that stands. Look at the chart again.",
                )
        else:
            elsewhere = [positions[n] for s in ("coder", "audit") for n in standings.note_ids(key, s) if n in positions]
            targets = sorted({*p_of, *here, *elsewhere, *(spans or ())}) or [0]
        keeps = wanted.action in ("accept", "replace", "add")
        when = self.store.clock()
        made = []
        for i, position in enumerate(targets):
            document = contents.documents[position]
            evidence = contents.own_evidence(key, position) if spans is None and keeps else (spans or {}).get(position, ())
            made.append(
                Decision(
                    document.note_id,
                    code,
                    wanted.action,
                    stage,
                    who.user,
                    when,
                    final_code=final if wanted.action == "replace" else None,
                    system=wanted.system,
                    evidence=evidence,
                    encounter_id=row.encounter_id,
                    reason=wanted.reason,
                    probability=p_of.get(position),
                    text_sha256=document.text_sha256,
                    versions=contents.versions,
                    event_id=wanted.event_id if i == 0 else f"{wanted.event_id}#{i + 1}",
                )
            )
        return made

    def _is_replay(
        self,
        row: Row[Any],
        who: Identity,
        stage: str,
        wanted: Wanted,
        code: str,
        final: str | None,
        spans: Mapping[int, tuple[tuple[Span, ...], ...]] | None,
    ) -> bool:
        """Whether this very decision is recorded already.

        Raises
        ------
        DecisionConflictError
            CS505 when another one has its event id.
        """
        event = self.log.chain.find(wanted.event_id)
        if event is None:
            return False
        body = event.body
        stands = {"replace": final, "accept": code, "add": code}.get(wanted.action)
        sent = (row.encounter_id, who.user, "decision", wanted.action, stage, wanted.system, code, stands, wanted.reason)
        names = ("action", "stage", "system", "code", "final_code", "reason")
        same = sent == (event.encounter_id, event.who, event.kind, *(body.get(name) for name in names))
        if same and spans is not None:
            positions = _positions(self.store.contents(row))
            recorded = {
                positions[d.note_id]: d.evidence
                for d in self.log.decisions(encounter_id=row.encounter_id)
                if base_id(d.event_id) == wanted.event_id and d.evidence
            }
            same = recorded == {p: s for p, s in spans.items() if s}
        if same:
            return True
        raise DecisionConflictError(
            "CS505",
            f"The event {wanted.event_id!r} is already recorded with other content. Expected the same content, or a new id. "
            "Give the new event an id of its own; events are never changed.",
        )

    def _spans(
        self, contents: Contents, evidence: tuple[tuple[int, int, int], ...] | None
    ) -> dict[int, tuple[tuple[Span, ...], ...]] | None:
        if evidence is None:
            return None
        found: dict[int, tuple[tuple[Span, ...], ...]] = {}
        for position, start, end in evidence:
            contents.document(position, start, end)
            found[position] = (*found.get(position, ()), (Span(start, end),))
        return found

    def _require_billable(self, row: Row[Any], code: str, system: str) -> None:
        if system == _ICD10CM:
            release = self._release(row)[0]
        else:
            try:
                release = self.releases.on(self._day(row), system)
            except CodesuggestError:
                release = None
        if release is None:
            return  # HCPCS, CPT, PCS without a release: nothing to compare with
        if code not in release or not release.is_billable(code):
            children = ", ".join(release.children(code)[:6]) if code in release else ""
            problem = f"not billable; below it: {children}" if children else f"not a code of {release.name}"
            raise InvalidCodeError(
                "CS617", f"{code} is {problem}. Expected a billable code of the date of service. Choose another."
            )

    # -- finishing ---------------------------------------------------------------------------------------------------

    def finish(
        self, chart_id: str, who: Identity, event_id: str, acknowledged: Sequence[Acknowledged] = ()
    ) -> tuple[Row[Any], tuple[FinalCode, ...]]:
        """Run the edits, refuse with what is open, or record the review; return the chart's row and its codes.

        Raises
        ------
        OpenItemsError
            CS620, with the list of what is open.
        MissingChartError, ForbiddenError, StateError
            As `Store.require_working`.
        DecisionConflictError
            CS505 when the event id belongs to something else.
        """
        with reading(self.store.engine) as connection:
            row = self.store.row(connection, chart_id)
            event = self.log.chain.find(event_id)
            if event is not None:
                return row, self._finished(row, who, event)
            self.store.require_working(row, who)
        now = self._now(row)
        still_open = self._open(now, self.queries.of_chart(row), acknowledged)
        if still_open:
            raise OpenItemsError(
                "CS620",
                f"The chart cannot be finished: {len(still_open)} open. Expected every code decided and every finding resolved or acknowledged. "
                "See what is open.",
                more={"open": still_open},
            )
        finished = self.store.clock()
        stage = stage_of(row.status)
        opened = dt.datetime.fromisoformat(row.opened_at) if row.opened_at else finished
        facts = {
            name: str(value)
            for name, value in (
                ("kind", ", ".join(json.loads(row.kinds))),
                ("setting", row.setting),
                ("payer", row.payer),
                ("date_of_service", row.date_of_service),
                ("admission_type", row.admission_type),
                *((f"acknowledged {a.rule_id} {' '.join(a.codes)}".strip(), a.reason) for a in acknowledged),
            )
            if value
        }
        review = Review(
            encounter_id=row.encounter_id,
            note_ids=tuple(d.note_id for d in now.contents.documents),
            stage=stage,
            who=who.user,
            opened=min(opened, finished),
            finished=finished,
            shown=now.contents.shown(),
            codes=now.final,
            facts=facts,
            edits=Counter(f["rule_id"] for f in now.findings),
            versions=now.contents.versions,
            event_id=event_id,
        )
        to_audit = stage == "coder" and is_sampled(row.encounter_id, self.store.settings.worklist)
        status = after(row.status, "sample" if to_audit else "finish")
        values: dict[str, Any] = {"status": status, "lease_until": None, "finished_at": stamp(finished), "hold_reason": ""}
        if stage == "coder":
            values |= {"coder": who.user, "assignee": None}
        changed: list[Row[Any]] = []

        def check(connection: Connection, _: Sequence[Event]) -> None:
            fresh = self.store.row(connection, chart_id)
            self.store.require_working(fresh, who)
            if fresh.version != row.version:
                raise StateError("CS611", "The chart was changed meanwhile. Expected it as it was checked. Look at it again.")
            changed.append(self.store.change(connection, fresh, who, "finish", **values))

        self.log.chain.append([to_event(review)], check=check)
        return (changed[0], now.final) if changed else (row, now.final)

    def _finished(self, row: Row[Any], who: Identity, event: Event) -> tuple[FinalCode, ...]:
        """Give the codes of a review that was recorded before; the same request was sent twice."""
        if event.kind != "review" or event.encounter_id != row.encounter_id or event.who != who.user:
            raise DecisionConflictError(
                "CS505",
                f"The event {event.event_id!r} is already recorded with other content. Expected the same content, or a new id. "
                "Give the new event an id of its own; events are never changed.",
            )
        return tuple(FinalCode(code, system, poa) for system, code, poa in event.body["codes"])

    def _open(
        self, now: _Now, queries: Sequence[Mapping[str, Any]], acknowledged: Sequence[Acknowledged]
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []

        def add(kind: str, words: str, code: str | None = None, finding: Mapping[str, Any] | None = None) -> None:
            found.append(
                {
                    "kind": kind,
                    "code": code,
                    "rule_id": finding["rule_id"] if finding else None,
                    "finding": finding,
                    "words": words,
                }
            )

        for key, code in now.contents.codes.items():
            held = now.standing.get(key)
            if held is None and code["selected"]:
                add("undecided", f"{key[1]} has no decision", key[1])
            elif held is not None and held.decision.action == "defer":
                add("deferred", f"{key[1]} was put off", key[1])
        if not any(c.system == _ICD10CM for c in now.final):
            add("no_codes", "No diagnosis code stands")
        if now.row.setting == "inpatient":
            for c in self._described(now):
                if c["poa_needed"] and c["poa"] is None:
                    add("poa", f"{c['code']} has no POA indicator", c["code"])
        let = {(a.rule_id, tuple(sorted(a.codes))) for a in acknowledged}
        for finding in now.findings if now.final else ():
            if finding["severity"] != "advice" and (finding["rule_id"], tuple(sorted(finding["codes"]))) not in let:
                add("finding", finding["message"], finding=finding)
        found += [
            {"kind": "query", "code": None, "rule_id": None, "finding": None, "words": f"Query not answered: {q['topic']}"}
            for q in queries
            if q["status"] == "sent"
        ]
        return found


def _positions(contents: Contents) -> dict[str, int]:
    return {d.note_id: d.position for d in contents.documents}


def _decision_object(held: Held, positions: Mapping[str, int]) -> dict[str, Any]:
    d = held.decision
    return {
        "event_id": base_id(d.event_id),
        "action": d.action,
        "code": d.code,
        "system": d.system,
        "final_code": d.final_code,
        "stage": d.stage,
        "who": d.who,
        "when": d.when.isoformat(),
        "reason": d.reason,
        "evidence": [
            {"document": positions[one.note_id], "start": span.start, "end": span.end}
            for one in held.decisions
            if one.note_id in positions
            for spans in one.evidence
            for span in spans
        ],
    }


def _added(
    system: str, code: str, decision: Mapping[str, Any], release: Release | None, contents: Contents, findings: list[int]
) -> dict[str, Any]:
    """Give a code that a person added, in the form of a suggestion."""
    known = release if system == _ICD10CM and release is not None and code in release else None
    own = {"section": "", "role": "supports", "contribution": 0.0}
    evidence = [
        {**place, "excerpt": contents.documents[place["document"]].text[place["start"] : place["end"]], **own}
        for place in decision["evidence"]
    ]
    return {
        "system": system,
        "code": code,
        "description": known.title(code) if known else "",
        "probability": None,
        "selected": False,
        "billable": bool(known and known.is_billable(code)),
        "rank": None,
        "status": "added",
        "note": "",
        "n_evidence": len(evidence),
        "evidence": evidence,
        "alternatives": [],
        "by_document": [],
        "findings": findings,
        "decision": decision,
    }
