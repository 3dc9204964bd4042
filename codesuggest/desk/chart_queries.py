"""The queries of a chart: written at the desk, kept in the decision log, as `codesuggest.query_log` reads them.

A query's event and what it does to its chart (waiting, or its coder's again) are one transaction.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from codesuggest.decisions import DecisionLog
from codesuggest.decisions.database import reading
from codesuggest.decisions.events import Chain, Event, events
from codesuggest.desk.chart import Contents
from codesuggest.desk.errors import MissingChartError
from codesuggest.desk.people import Identity
from codesuggest.desk.states import after as chart_after
from codesuggest.desk.store import Store
from codesuggest.queries.life import ANSWERS, QueryEvent, QueryState, after, replay
from codesuggest.queries.linter import lint_query

__all__ = ["ChartQueries"]

_KIND = "query"


class ChartQueries:
    """Queries of the charts of a desk.

    Parameters
    ----------
    store : Store
    log : DecisionLog
        On the same database.
    """

    def __init__(self, store: Store, log: DecisionLog) -> None:
        self.store = store
        self.log = log

    def of_chart(self, row: Row[Any]) -> list[dict[str, Any]]:
        """Give the queries of a chart as the API does, in the order written."""
        happened = [_life(e) for e in self.log.chain.read(kind=_KIND, encounter_id=row.encounter_id)]
        if not happened:
            return []
        contents = self.store.contents(row)
        reasons = {e.query_id: str(e.body.get("reason", "")) for e in happened if e.what == "withdrawn"}
        writers = {e.query_id: e.who for e in happened if e.what == "created"}
        return [_shown(s, contents, writers[s.query_id], reasons.get(s.query_id, "")) for s in replay(happened).values()]

    def write(
        self,
        chart_id: str,
        who: Identity,
        topic: str,
        question: str,
        options: Sequence[str],
        places: Sequence[tuple[int, int, int]],
    ) -> dict[str, Any]:
        """Write a query to the physician, with the words of the documents that it quotes; it is not sent yet.

        What the linter has to say of the wording stands in ``problems``; a person still decides whether to send it.

        Raises
        ------
        InvalidSpanError
            CS618 when a range is outside its document; else as `Store.require_working`.
        """
        with reading(self.store.engine) as connection:
            row = self.store.row(connection, chart_id)
            self.store.require_working(row, who)
        contents = self.store.contents(row)
        indicators = [_quoted(contents, *place) for place in places]
        text = "\n".join([question, *(f'"{i["excerpt"]}"' for i in indicators)])
        record = "\n\n".join(d.text for d in contents.documents)
        found = lint_query(text, note_text=record, options=options, title=topic)
        body = {
            "topic": topic,
            "question": question,
            "options": list(options),
            "indicators": indicators,
            "text": text,
            "note_id": contents.documents[places[0][0] if places else 0].note_id,
            "problems": [{"rule": f.rule, "severity": f.severity, "message": f.message} for f in found],
        }
        query_id = secrets.token_hex(10)
        self._append(chart_id, who, self._event(query_id, row.encounter_id, "created", who.user, body))
        return self._one(row, query_id)

    def move(self, chart_id: str, query_id: str, who: Identity, what: str, **body: str) -> dict[str, Any]:
        """Send, answer or withdraw a query.

        Parameters
        ----------
        what : str
            sent, withdrawn, or one of `codesuggest.queries.life.ANSWERS`.
        body : str
            physician of one that is sent; answer and answered_by; reason of a withdrawal.

        Raises
        ------
        MissingChartError
            CS610, CS614 when there is no such chart or query.
        DecisionConflictError
            CS456 when the query's state does not allow it.
        """
        with reading(self.store.engine) as connection:
            row = self.store.held_or_managed(connection, chart_id, who)
        known = next(self.log.chain.read(kind=_KIND, subject=query_id), None)
        if known is None or known.encounter_id != row.encounter_id:
            raise MissingChartError(
                "CS614", f"The chart has no query {query_id[:40]!r}. Expected one of its queries. Look at the chart."
            )
        event = self._event(query_id, row.encounter_id, what, body.pop("answered_by", who.user), body)
        after(replay(map(_life, self.log.chain.read(kind=_KIND, subject=query_id)))[query_id], _life(event))
        self._append(chart_id, who, event)
        return self._one(row, query_id)

    def _one(self, row: Row[Any], query_id: str) -> dict[str, Any]:
        return next(q for q in self.of_chart(row) if q["query_id"] == query_id)

    def _event(self, query_id: str, encounter_id: str, what: str, by: str, body: Mapping[str, Any]) -> Event:
        return Event(
            f"query:{query_id}:{what}", _KIND, encounter_id, by, self.store.clock(), {"what": what, **body}, subject=query_id
        )

    def _append(self, chart_id: str, who: Identity, event: Event) -> None:
        def check(connection: Connection, _: Sequence[Event]) -> None:
            earlier = Chain.about(connection, self._ids(connection, event.encounter_id), kind=_KIND)
            states = replay(map(_life, earlier))
            states[event.subject] = after(states.get(event.subject), _life(event))
            self._change_chart(connection, chart_id, who, str(event.body["what"]), [s.status for s in states.values()])

        self.log.chain.append([event], check=check)

    @staticmethod
    def _ids(connection: Connection, encounter_id: str) -> set[str]:
        sql = select(events.c.subject).where(events.c.encounter_id == encounter_id, events.c.kind == _KIND)
        return set(connection.execute(sql.distinct()).scalars())

    def _change_chart(self, connection: Connection, chart_id: str, who: Identity, what: str, statuses: Sequence[str]) -> None:
        store = self.store
        if what == "created":
            row = store.row(connection, chart_id)
            store.require_working(row, who)
        else:
            row = store.held_or_managed(connection, chart_id, who)
        n_open = statuses.count("sent")
        changes: dict[str, Any] = {}
        if what == "sent" and row.status in ("in_progress", "query_open"):
            changes = {"status": chart_after(row.status, "send query"), "lease_until": None}
        elif what in (*ANSWERS, "withdrawn") and not n_open and row.status == "query_open":
            changes = {"status": chart_after(row.status, "answer")}
        n_answered = sum(s in ANSWERS for s in statuses)
        store.change(connection, row, who, f"query {what}", n_queries_open=n_open, n_queries_answered=n_answered, **changes)
        store.rescore(connection, chart_id)


def _quoted(contents: Contents, position: int, start: int, end: int) -> dict[str, Any]:
    document = contents.document(position, start, end)
    return {
        "note_id": document.note_id,
        "start": start,
        "end": end,
        "excerpt": document.text[start:end],
        "section": "other",
        "when": document.date_of_service or "",
        "name": "",
    }


def _life(event: Event) -> QueryEvent:
    body = {name: value for name, value in event.body.items() if name != "what"}
    return QueryEvent(event.subject, event.encounter_id, str(event.body["what"]), event.who, event.when, body)


def _shown(state: QueryState, contents: Contents, writer: str, reason: str) -> dict[str, Any]:
    query = state.query or {}
    positions = {d.note_id: d.position for d in contents.documents}
    indicators = [
        {"document": positions[i["note_id"]], "start": i["start"], "end": i["end"], "excerpt": i["excerpt"]}
        for i in query.get("indicators", ())
        if i["note_id"] in positions
    ]

    def iso(when: dt.datetime | None) -> str | None:
        return None if when is None else when.isoformat()

    return {
        "query_id": state.query_id,
        "status": state.status,
        "topic": state.topic,
        "question": str(query.get("question", "")),
        "options": list(query.get("options", ())),
        "indicators": indicators,
        "problems": list(query.get("problems", ())),
        "physician": state.physician,
        "created_by": writer,
        "created_at": iso(state.created_at),
        "sent_at": iso(state.sent_at),
        "answered_at": iso(state.answered_at),
        "answer": state.answer,
        "answered_by": state.answered_by,
        "reason": reason,
    }
