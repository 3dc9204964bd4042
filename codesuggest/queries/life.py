"""The life of a query: from pending to an answer, as events that are added and never changed.

::

    pending ─► sent ─► answered │ agreed │ disagreed
       │        │ ▲
       │        │ └── reassigned
       └────────┴──► withdrawn │ expired

The state is what the events make it; nothing else is kept. The events stand in the decision log (`codesuggest.query_log`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from codesuggest.errors import DecisionConflictError

__all__ = ["ANSWERS", "STATES", "TRANSITIONS", "QueryEvent", "QueryState", "after", "replay"]

STATES = ("pending", "sent", "answered", "agreed", "disagreed", "withdrawn", "expired")
ANSWERS = ("answered", "agreed", "disagreed")
"""Answered in words of the physician's own or with "other" or "unable to determine"; agreed: a diagnosis that the indicators
support; disagreed: the physician said that there is none, or that it was ruled out."""
TRANSITIONS: dict[tuple[str, str], str] = {
    ("", "created"): "pending",
    ("pending", "sent"): "sent",
    ("sent", "reassigned"): "sent",
    ("sent", "answered"): "answered",
    ("sent", "agreed"): "agreed",
    ("sent", "disagreed"): "disagreed",
    ("pending", "withdrawn"): "withdrawn",
    ("sent", "withdrawn"): "withdrawn",
    ("pending", "expired"): "expired",
    ("sent", "expired"): "expired",
}


@dataclass(frozen=True, slots=True)
class QueryEvent:
    """Something that happened to a query.

    Parameters
    ----------
    query_id, encounter_id : str
    what : str
        created, sent, reassigned, answered, agreed, disagreed, withdrawn or expired.
    who : str
        Who did it: the coder who sent it, the physician who answered.
    when : datetime.datetime, UTC
    body : mapping
        ``topic`` and the rest of the query when it is created; ``physician`` when it is sent or reassigned; ``answer`` (the
        words or the option chosen) when it is answered; ``reason`` when it is withdrawn.
    """

    query_id: str
    encounter_id: str
    what: str
    who: str
    when: dt.datetime
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class QueryState:
    """What the events of a query make of it.

    Parameters
    ----------
    query_id, encounter_id, topic : str
    status : str
        One of `STATES`.
    physician : str
        Whom it was sent to last.
    created_at, sent_at, answered_at, closed_at : datetime.datetime or None, UTC
        `closed_at` is the time of the answer, the withdrawal or the expiry.
    answer, answered_by : str
    n_reassigned : int
    query : mapping
        What was recorded when it was created.
    """

    query_id: str
    encounter_id: str
    topic: str
    status: str
    physician: str = ""
    created_at: dt.datetime | None = None
    sent_at: dt.datetime | None = None
    answered_at: dt.datetime | None = None
    closed_at: dt.datetime | None = None
    answer: str = ""
    answered_by: str = ""
    n_reassigned: int = 0
    query: Mapping[str, Any] | None = None

    @property
    def is_open(self) -> bool:
        """Whether something may still happen to it."""
        return self.status in ("pending", "sent")


def after(state: QueryState | None, event: QueryEvent) -> QueryState:
    """Return the state that follows an event.

    Raises
    ------
    DecisionConflictError
        CS456 when the event may not happen in this state.

    Examples
    --------
    >>> at = dt.datetime(2026, 5, 4, 9, tzinfo=dt.UTC)
    >>> made = after(None, QueryEvent("q1", "e1", "created", "ann", at, {"topic": "sodium"}))
    >>> sent = after(made, QueryEvent("q1", "e1", "sent", "ann", at, {"physician": "dr-b"}))
    >>> after(sent, QueryEvent("q1", "e1", "agreed", "dr-b", at, {"answer": "Hyponatremia"})).status
    'agreed'
    """
    before = state.status if state is not None else ""
    status = TRANSITIONS.get((before, event.what))
    if status is None:
        allowed = ", ".join(sorted(what for was, what in TRANSITIONS if was == before)) or "nothing"
        raise DecisionConflictError(
            "CS456",
            f"The query {event.query_id!r} is {before or 'not there yet'}, where {event.what!r} cannot happen. Expected {allowed}. "
            "Look at the query again.",
        )
    if state is None:
        topic = str(event.body.get("topic", ""))
        return QueryState(event.query_id, event.encounter_id, topic, status, created_at=event.when, query=event.body)
    if event.what == "sent":
        return replace(state, status=status, sent_at=event.when, physician=str(event.body.get("physician", "")))
    if event.what == "reassigned":
        return replace(state, physician=str(event.body.get("physician", "")), n_reassigned=state.n_reassigned + 1)
    if event.what in ANSWERS:
        return replace(
            state,
            status=status,
            answered_at=event.when,
            closed_at=event.when,
            answer=str(event.body.get("answer", "")),
            answered_by=event.who,
        )
    return replace(state, status=status, closed_at=event.when)


def replay(events: Iterable[QueryEvent]) -> dict[str, QueryState]:
    """Return the state of each query after its events, in the order in which the queries were made.

    Raises
    ------
    DecisionConflictError
        CS456 when the events do not follow from each other.
    """
    states: dict[str, QueryState] = {}
    for event in events:
        states[event.query_id] = after(states.get(event.query_id), event)
    return states
