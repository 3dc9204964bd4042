"""The append-only chain of events under the decision log.

Each event holds the hash of the one before it: ``hash = SHA-256(previous hash, canonical JSON of the event)``. A row that was
changed, taken out or put in breaks the chain at its place; the head that is kept beside the rows shows rows cut off at the end. Who
can write the database can forge the whole chain, so `Chain.head` is worth keeping somewhere else, and `Chain.verify` takes it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
    select,
    update,
)

from codesuggest.decisions.database import writing
from codesuggest.errors import DecisionConflictError

__all__ = ["Chain", "Event", "Problem", "events"]

GENESIS = "0" * 64
_BATCH = 500

_metadata = MetaData()
events = Table(
    "codesuggest_events",
    _metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("event_id", String(200), nullable=False, unique=True),
    Column("kind", String(40), nullable=False),
    Column("encounter_id", String(200), nullable=False),
    Column("who", String(200), nullable=False),
    Column("happened_at", String(40), nullable=False),  # UTC, ISO 8601: sorts as text
    Column("body", Text, nullable=False),  # canonical JSON
    Column("hash", String(64), nullable=False),
    Index("codesuggest_events_encounter", "encounter_id", "seq"),
    Index("codesuggest_events_kind", "kind", "seq"),
)
_heads = Table(
    "codesuggest_heads",
    _metadata,
    Column("name", String(40), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as the chain stores it.

    Parameters
    ----------
    event_id : str
        Unique; recording it again does nothing.
    kind : str
        "decision", "review", "query" …
    encounter_id : str
    who : str
    when : datetime.datetime, UTC
    body : mapping
        JSON values.
    seq : int
        Place in the chain, from 1; 0 before it is recorded.
    """

    event_id: str
    kind: str
    encounter_id: str
    who: str
    when: dt.datetime
    body: Mapping[str, Any]
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """A place where the chain does not hold.

    Parameters
    ----------
    seq : int
        Place in the chain.
    event_id : str
        Empty when the event is missing.
    what : str
    """

    seq: int
    event_id: str
    what: str


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _stamp(when: dt.datetime) -> str:
    return when.astimezone(dt.UTC).isoformat(timespec="microseconds")


def _link(previous: str, row: Mapping[str, Any]) -> str:
    parts = [previous, row["seq"], row["event_id"], row["kind"], row["encounter_id"], row["who"], row["happened_at"], row["body"]]
    return hashlib.sha256(_canonical(parts).encode()).hexdigest()


class Chain:
    """The events of a database, in the order in which they were acknowledged.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        From `open_database`. The tables are made when they are not there.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        with writing(engine) as connection:
            _metadata.create_all(connection)

    def append(self, new: Iterable[Event]) -> int:
        """Record events, all of a call or none, and return how many were new.

        Raises
        ------
        DecisionConflictError
            CS505 when an event id is already there with other content.
        """
        made = [
            {
                "event_id": e.event_id,
                "kind": e.kind,
                "encounter_id": e.encounter_id,
                "who": e.who,
                "happened_at": _stamp(e.when),
                "body": _canonical(dict(e.body)),
            }
            for e in new
        ]
        if not made:
            return 0
        with writing(self.engine) as connection:
            known = self._known(connection, [str(row["event_id"]) for row in made])
            head = connection.execute(select(_heads.c.seq, _heads.c.hash).where(_heads.c.name == "events")).one_or_none()
            seq, link = (int(head.seq), str(head.hash)) if head else (0, GENESIS)
            rows: list[dict[str, Any]] = []
            for row in made:
                content = (row["kind"], row["encounter_id"], row["who"], row["happened_at"], row["body"])
                earlier = known.get(str(row["event_id"]))
                if earlier == content:
                    continue
                if earlier is not None:
                    raise DecisionConflictError(
                        "CS505",
                        f"The event {row['event_id']!r} is already recorded with other content. Expected the same content, or a new "
                        "id. Give the new event an id of its own; events are never changed.",
                    )
                seq += 1
                full = {"seq": seq, **row}
                link = _link(link, full)
                rows.append({**full, "hash": link})
                known[str(row["event_id"])] = content
            if rows:
                connection.execute(insert(events), rows)
                if head:
                    connection.execute(update(_heads).where(_heads.c.name == "events").values(seq=seq, hash=link))
                else:
                    connection.execute(insert(_heads).values(name="events", seq=seq, hash=link))
        return len(rows)

    @staticmethod
    def _known(connection: Connection, ids: list[str]) -> dict[str, tuple[Any, ...]]:
        columns = (events.c.event_id, events.c.kind, events.c.encounter_id, events.c.who, events.c.happened_at, events.c.body)
        found: dict[str, tuple[Any, ...]] = {}
        for i in range(0, len(ids), _BATCH):
            for row in connection.execute(select(*columns).where(events.c.event_id.in_(ids[i : i + _BATCH]))):
                found[row[0]] = tuple(row[1:])
        return found

    def read(self, *, kind: str | None = None, encounter_id: str | None = None, after: int = 0) -> Iterator[Event]:
        """Yield the events in order, lazily.

        Parameters
        ----------
        kind, encounter_id : str, optional
            Only these.
        after : int, at least 0
            Only events with a greater place in the chain.
        """
        while True:
            sql = select(events).where(events.c.seq > after).order_by(events.c.seq).limit(5000)
            if kind is not None:
                sql = sql.where(events.c.kind == kind)
            if encounter_id is not None:
                sql = sql.where(events.c.encounter_id == encounter_id)
            with self.engine.connect() as connection:
                rows = connection.execute(sql).all()
            for row in rows:
                yield Event(
                    row.event_id,
                    row.kind,
                    row.encounter_id,
                    row.who,
                    dt.datetime.fromisoformat(row.happened_at),
                    json.loads(row.body),
                    int(row.seq),
                )
            if len(rows) < 5000:
                return
            after = int(rows[-1].seq)

    def head(self) -> tuple[int, str]:
        """Return the place and the hash of the last event; ``(0, "00…")`` of an empty chain."""
        with self.engine.connect() as connection:
            row = connection.execute(select(_heads.c.seq, _heads.c.hash).where(_heads.c.name == "events")).one_or_none()
        return (int(row.seq), str(row.hash)) if row else (0, GENESIS)

    def verify(self, *, head: str | None = None) -> tuple[Problem, ...]:
        """Say where the chain does not hold; nothing when it does.

        Parameters
        ----------
        head : str, optional
            A hash of `head` that was kept elsewhere; it must still be in the chain.
        """
        problems: list[Problem] = []
        link, expected, seen_head = GENESIS, 1, head in (None, GENESIS)
        with self.engine.connect() as connection:
            for row in connection.execute(select(events).order_by(events.c.seq)).yield_per(5000).mappings():
                if row["seq"] != expected:
                    problems.append(Problem(expected, "", f"events {expected} to {row['seq'] - 1} are missing"))
                if _link(link, dict(row)) != row["hash"]:
                    problems.append(
                        Problem(int(row["seq"]), str(row["event_id"]), "the content or the order does not match the hash")
                    )
                link, expected = str(row["hash"]), int(row["seq"]) + 1
                seen_head = seen_head or link == head
            last = connection.execute(select(_heads.c.seq, _heads.c.hash).where(_heads.c.name == "events")).one_or_none()
        stored = (int(last.seq), str(last.hash)) if last else (0, GENESIS)
        if stored != (expected - 1, link):
            problems.append(Problem(stored[0], "", f"the chain ends at {expected - 1}, its head says {stored[0]}"))
        if not seen_head:
            problems.append(Problem(expected - 1, "", "the head that was kept elsewhere is not in the chain"))
        return tuple(problems)
