"""Queries in the decision log: sent, answered, and what the answers open again.

Decision (2026-11): a query's events stand in the one chain of the decision log, each checked against the state it meets within
the transaction that writes it. An answer takes no decision back by itself: it names the codes that a coder must look at again.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Self

from codesuggest.audit.work import QueryRow
from codesuggest.decisions.events import Chain, Event
from codesuggest.decisions.log import DecisionLog
from codesuggest.errors import ConfigError
from codesuggest.queries.life import ANSWERS, QueryEvent, QueryState, after, replay
from codesuggest.records import Query

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy import Connection, Engine

__all__ = ["QueryLog", "Reopened", "ResponseRow"]

_KIND = "query"


@dataclass(frozen=True, slots=True)
class Reopened:
    """An encounter that an answer opens again.

    Parameters
    ----------
    encounter_id, query_id, topic, status : str
    answered_at : datetime.datetime, UTC
    codes : tuple of str
        Standing codes of the encounter that the answer bears on: those an option of the query leads to, and those of the same
        categories.
    answer_codes : tuple of str
        Codes that the chosen answer leads to; empty when the physician answered in other words.
    """

    encounter_id: str
    query_id: str
    topic: str
    status: str
    answered_at: dt.datetime
    codes: tuple[str, ...]
    answer_codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ResponseRow:
    """How queries were answered, of one physician and topic (or of one of them).

    Parameters
    ----------
    physician, topic : str
        Empty where rows are not told apart by it.
    n_sent, n_answered, n_agreed, n_disagreed, n_withdrawn, n_expired, n_open : int
        Of the queries that were sent.
    response_rate : float or None
        Answered of sent.
    agreement_rate : float or None
        Agreed of agreed and disagreed.
    hours_median : float or None
        From sending to the answer.
    """

    physician: str
    topic: str
    n_sent: int
    n_answered: int
    n_agreed: int
    n_disagreed: int
    n_withdrawn: int
    n_expired: int
    n_open: int
    response_rate: float | None
    agreement_rate: float | None
    hours_median: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the row."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


class QueryLog:
    """The queries of a decision log.

    Parameters
    ----------
    where : DecisionLog, str, Path or sqlalchemy.Engine
        The log, or where it is.

    Examples
    --------
    >>> from codesuggest.querying import find_queries
    >>> from codesuggest.records import Note
    >>> query = find_queries(Note("n1", "HOSPITAL COURSE: Na 121, fluid restriction.", setting="inpatient", encounter_id="e1"))[0]
    >>> at = dt.datetime(2026, 5, 4, 9, tzinfo=dt.UTC)
    >>> with QueryLog("sqlite://") as log:
    ...     log.create(query, who="ann", when=at)
    ...     log.send(query.query_id, physician="dr-b", who="ann", when=at)
    ...     log.answer(query.query_id, "agreed", answer="Hyponatremia", who="dr-b", when=at + dt.timedelta(hours=3))
    ...     [(r.physician, r.n_answered, r.hours_median) for r in log.responses()], log.reopened()[0].answer_codes
    ([('dr-b', 1, 3.0)], ('E87.1',))
    """

    def __init__(self, where: DecisionLog | str | Path | Engine) -> None:
        self.decisions = where if isinstance(where, DecisionLog) else DecisionLog(where)
        self._chain: Chain = self.decisions.chain

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.decisions.close()

    # -- what happens ------------------------------------------------------------------------------------------------

    def create(self, query: Query, *, who: str, when: dt.datetime) -> None:
        """Record a query. It is pending; recording it twice records it once.

        The text is kept as the physician will read it, and so words of the note: the log holds them like the record does.

        Raises
        ------
        DecisionConflictError
            CS505 when the query is there with other content.
        """
        body = {name: value for name, value in query.to_dict().items() if name not in ("query_id", "status", "encounter_id")}
        self._append(query.query_id, query.encounter_id or query.note_id, "created", who, when, body)

    def send(self, query_id: str, *, physician: str, who: str, when: dt.datetime) -> None:
        """Send a pending query to a physician.

        Raises
        ------
        DecisionConflictError
            CS456 when it is not pending; so for the others in the states that `codesuggest.queries.life.TRANSITIONS` gives.
        ConfigError
            CS457 when there is no such query.
        """
        self._append(query_id, None, "sent", who, when, {"physician": physician})

    def reassign(self, query_id: str, *, physician: str, who: str, when: dt.datetime) -> None:
        """Send a query that was sent to another physician."""
        self._append(query_id, None, "reassigned", who, when, {"physician": physician})

    def answer(self, query_id: str, outcome: str, *, answer: str, who: str, when: dt.datetime) -> None:
        """Record a physician's answer.

        Parameters
        ----------
        query_id : str
        outcome : {"answered", "agreed", "disagreed"}
            See `codesuggest.queries.life.ANSWERS`.
        answer : str
            The option chosen, or the physician's words.
        who : str
            The physician who answered.
        when : datetime.datetime, UTC

        Raises
        ------
        ConfigError
            CS458 when the outcome is none of the three.
        """
        if outcome not in ANSWERS:
            raise ConfigError("CS458", f"The outcome is {outcome!r}. Expected {', '.join(ANSWERS)}. Choose one.")
        self._append(query_id, None, outcome, who, when, {"answer": answer})

    def withdraw(self, query_id: str, *, reason: str, who: str, when: dt.datetime) -> None:
        """Withdraw a query that was not answered."""
        self._append(query_id, None, "withdrawn", who, when, {"reason": reason})

    def expire(self, *, before: dt.datetime, who: str, when: dt.datetime) -> tuple[str, ...]:
        """Let queries expire that were sent (or made, and never sent) before a time; return their ids."""
        old = [s.query_id for s in self.states() if s.is_open and (s.sent_at or s.created_at or before) < before]
        for query_id in old:
            self._append(query_id, None, "expired", who, when, {})
        return tuple(old)

    def _append(self, query_id: str, encounter_id: str | None, what: str, who: str, when: dt.datetime, body: dict[str, Any]) -> None:
        if encounter_id is None:
            known = next(self._chain.read(kind=_KIND, subject=query_id), None)
            if known is None:
                raise ConfigError("CS457", f"There is no query {query_id!r}. Expected one that was created. Look at the list of queries.")
            encounter_id = known.encounter_id
        suffix = when.astimezone(dt.UTC).isoformat() if what == "reassigned" else what
        event = Event(f"query:{query_id}:{suffix}", _KIND, encounter_id, who, when, {"what": what, **body}, subject=query_id)

        def check(connection: Connection, new: Sequence[Event]) -> None:
            for one in new:
                state = replay(map(_event, Chain.about(connection, [one.subject], kind=_KIND))).get(one.subject)
                after(state, _event(one))

        self._chain.append([event], check=check)

    # -- what is so --------------------------------------------------------------------------------------------------

    def events(self, *, encounter_id: str | None = None, query_id: str | None = None) -> Iterator[QueryEvent]:
        """Yield what happened, in order."""
        yield from map(_event, self._chain.read(kind=_KIND, encounter_id=encounter_id, subject=query_id))

    def states(self, *, encounter_id: str | None = None) -> tuple[QueryState, ...]:
        """Return what the queries are now, in the order in which they were made."""
        return tuple(replay(self.events(encounter_id=encounter_id)).values())

    def state(self, query_id: str) -> QueryState:
        """Return what a query is now.

        Raises
        ------
        ConfigError
            CS457 when there is no such query.
        """
        found = replay(self.events(query_id=query_id)).get(query_id)
        if found is None:
            raise ConfigError("CS457", f"There is no query {query_id!r}. Expected one that was created. Look at the list of queries.")
        return found

    def reopened(self) -> tuple[Reopened, ...]:
        """Return the encounters whose coding an answer opens again: answered, and not reviewed since.

        The codes to look at are the standing decisions that an answer may change.
        """
        never = dt.datetime.min.replace(tzinfo=dt.UTC)
        reviewed: dict[str, dt.datetime] = {}
        for review in self.decisions.reviews():
            key = review.encounter_id
            reviewed[key] = max(review.finished, reviewed.get(key, never))
        found = []
        for s in self.states():
            if s.answered_at is None or reviewed.get(s.encounter_id, never) > s.answered_at:
                continue
            by_option = (s.query or {}).get("codes_by_option", {})
            codes = {code for option in by_option.values() for code in option}
            categories = {code[:3] for code in codes}
            standing = self.decisions.standing(encounter_id=s.encounter_id).values()
            final = {d.final_code for d in standing if d.final_code}
            concerned = sorted(c for c in final if c in codes or c[:3] in categories)
            found.append(
                Reopened(
                    s.encounter_id, s.query_id, s.topic, s.status, s.answered_at, tuple(concerned), tuple(by_option.get(s.answer, ()))
                )
            )
        return tuple(found)

    def rows(self) -> tuple[QueryRow, ...]:
        """Return the queries as the report of the work counts them (`codesuggest.audit.work_report`)."""
        agreed = {"agreed": True, "disagreed": False}
        return tuple(
            QueryRow(s.encounter_id, s.topic, s.physician, s.sent_at, s.answered_at, agreed.get(s.status))
            for s in self.states()
            if s.sent_at is not None
        )

    def responses(self, *, by: Iterable[str] = ("physician", "topic")) -> tuple[ResponseRow, ...]:
        """Return how queries were answered, by physician and topic, or by one of them.

        Parameters
        ----------
        by : iterable of {"physician", "topic"}
            Nothing: one row for all.
        """
        names = tuple(by)
        groups: dict[tuple[str, str], list[QueryState]] = defaultdict(list)
        for s in self.states():
            if s.sent_at is not None:
                groups[s.physician if "physician" in names else "", s.topic if "topic" in names else ""].append(s)
        return tuple(_response(*key, groups[key]) for key in sorted(groups))


def _response(physician: str, topic: str, states: Sequence[QueryState]) -> ResponseRow:
    statuses = [s.status for s in states]
    answered = [s for s in states if s.answered_at is not None and s.sent_at is not None]
    hours = [(s.answered_at - s.sent_at).total_seconds() / 3600 for s in answered if s.answered_at and s.sent_at]
    n_agreed, n_disagreed = statuses.count("agreed"), statuses.count("disagreed")
    judged = n_agreed + n_disagreed
    return ResponseRow(
        physician,
        topic,
        len(states),
        len(answered),
        n_agreed,
        n_disagreed,
        statuses.count("withdrawn"),
        statuses.count("expired"),
        statuses.count("sent"),
        len(answered) / len(states) if states else None,
        n_agreed / judged if judged else None,
        round(median(hours), 2) if hours else None,
    )


def _event(event: Event) -> QueryEvent:
    body = {name: value for name, value in event.body.items() if name != "what"}
    return QueryEvent(event.subject, event.encounter_id, str(event.body["what"]), event.who, event.when, body)
