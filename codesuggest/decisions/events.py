"""The append-only chain of events under the decision log.

Each event holds the hash of the one before it: ``hash = SHA-256(canonical JSON of the previous hash and the event)``. A row that was
changed, taken out, put in or moved breaks the chain at its place; the head that is kept beside the rows shows rows cut off at the
end. Who can write the database can forge the whole chain, so `Chain.head` is worth keeping somewhere else, and `Chain.verify` takes
it.

Decision (2026-11): one table of one chain for every kind of event, with a body in JSON. Decisions, reviews, queries and the desk's
own events then share what is hard (order, idempotence, atomicity, tamper detection), and a new kind needs no migration.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
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
    Select,
    String,
    Table,
    Text,
    insert,
    inspect,
    select,
    text,
    update,
)

from codesuggest.decisions.database import reading, writing
from codesuggest.errors import BundleError, CodesuggestError, ConfigError, DecisionConflictError

__all__ = ["GENESIS", "MAX_ID", "NOT_IN_CHAIN", "Chain", "Check", "Event", "Problem", "events"]

GENESIS = "0" * 64
"""The hash before the first event."""
MAX_ID = 200
"""Longest identifier, in characters."""
_BATCH = 500
_PAGE = 5000

_metadata = MetaData()
events = Table(
    "codesuggest_events",
    _metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("event_id", String(MAX_ID), nullable=False, unique=True),
    Column("kind", String(40), nullable=False),
    Column("encounter_id", String(MAX_ID), nullable=False),
    Column("subject", String(MAX_ID), nullable=False),
    Column("who", String(MAX_ID), nullable=False),
    Column("happened_at", String(40), nullable=False),  # UTC, ISO 8601: sorts as text
    Column("body", Text, nullable=False),  # canonical JSON
    Column("hash", String(64), nullable=False),
    # with the kind in each: SQLite, which keeps no statistics, would read all events of a kind to find those of one encounter
    Index("codesuggest_events_encounter", "encounter_id", "kind", "seq"),
    Index("codesuggest_events_subject", "subject", "kind", "seq"),
    Index("codesuggest_events_kind", "kind", "seq"),
)
_heads = Table(
    "codesuggest_heads",
    _metadata,
    Column("name", String(40), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)
_COLUMNS = ("seq", "event_id", "kind", "encounter_id", "subject", "who", "happened_at", "body")
_CONTENT = _COLUMNS[2:]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as the chain stores it.

    Parameters
    ----------
    event_id : str
        Unique, 1 to 200 characters; recording it again does nothing.
    kind : str
        "decision", "review", "query" …; 1 to 40 characters.
    encounter_id : str
        At most 200 characters.
    who : str
        At most 200 characters.
    when : datetime.datetime
        With a time zone; stored in UTC.
    body : mapping
        JSON values.
    seq : int
        Place in the chain, from 1; 0 before it is recorded.
    subject : str
        What it is about, to be found by: the note of a decision, the id of a query; may be empty. At most 200 characters.
    """

    event_id: str
    kind: str
    encounter_id: str
    who: str
    when: dt.datetime
    body: Mapping[str, Any]
    seq: int = 0
    subject: str = ""


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


Check = Callable[[Connection, Sequence[Event]], None]
"""Called inside the transaction with the events that are new, before they are written; what it raises keeps all of them out."""

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def _stamp(when: dt.datetime) -> str:
    return when.astimezone(dt.UTC).isoformat(timespec="microseconds")


def _link(previous: str, row: Sequence[Any]) -> str:
    """Return the hash of an event, given as the values of ``_COLUMNS``, after the one before it."""
    return hashlib.sha256(_encode([previous, *row]).encode()).hexdigest()


def _row(event: Event) -> tuple[str, ...]:
    """Return the values of an event without its place, or say what in it cannot be stored."""
    for name, value, least, most in (
        ("event_id", event.event_id, 1, MAX_ID),
        ("kind", event.kind, 1, 40),
        ("encounter_id", event.encounter_id, 0, MAX_ID),
        ("subject", event.subject, 0, MAX_ID),
        ("who", event.who, 0, MAX_ID),
    ):
        if not isinstance(value, str) or not least <= len(value) <= most or not _is_storable(value):
            received = f"{len(value):,} characters" if isinstance(value, str) else f"type {type(value).__name__}"
            raise ConfigError(
                "CS502",
                f"The {name} of an event cannot be stored: {received}. Expected {least} to {most} characters, none of them NUL or half "
                "of a surrogate pair. Shorten or clean it.",
            )
    if not isinstance(event.when, dt.datetime) or event.when.utcoffset() is None:
        raise ConfigError("CS502", "The time of an event has no time zone. Expected a datetime in UTC. Use datetime.datetime.now(datetime.UTC).")
    try:
        body = _encode(dict(event.body))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            "CS502", f"The body of the event {event.event_id!r} is not JSON ({type(error).__name__}). Expected plain values. Convert them."
        ) from error
    if not _is_storable(body) or ("\\u0000" in body and _has_nul(event.body)):
        raise ConfigError(
            "CS502",
            f"The event {event.event_id!r} holds a text with NUL or half of a surrogate pair. Expected Unicode text. Clean it.",
        )
    return (event.event_id, event.kind, event.encounter_id, event.subject, event.who, _stamp(event.when), body)


def _conflict(event_id: str) -> DecisionConflictError:
    return DecisionConflictError(
        "CS505",
        f"The event {event_id!r} is already recorded with other content. Expected the same content, or a new id. "
        "Give the new event an id of its own; events are never changed.",
    )


def _is_storable(value: str) -> bool:
    if value.isascii():
        return "\0" not in value
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _has_nul(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_has_nul(k) or _has_nul(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\0" in value


class Chain:
    """The events of a database, in the order in which they were acknowledged.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        From `open_database`. The tables are made when they are not there.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        with reading(engine) as connection:
            names = set(inspect(connection).get_table_names())
            if engine.dialect.name == "postgresql":
                _require_unicode(connection)
        if not {events.name, _heads.name} <= names:
            with writing(engine) as connection:
                _metadata.create_all(connection)

    def append(self, new: Iterable[Event], *, check: Check | None = None) -> int:
        """Record events, all of a call or none, and return how many were new.

        When it returns they are on disk. Events that are there already, with the same content, are passed over.

        Parameters
        ----------
        new : iterable of Event
            Held in memory until they are written: hand over millions in parts.
        check : callable, optional
            ``check(connection, events)`` looks at the new ones before they are written, and keeps all out by raising.

        Raises
        ------
        ConfigError
            CS502 when an id is too long, a time has no zone, or a text is not Unicode.
        DecisionConflictError
            CS505 when an event id is already there with other content.
        PrerequisiteError
            CS508 when the database cannot be written. Nothing of the call was recorded.
        BundleError
            CS509 when the end of the chain was tampered with.
        """
        given = [(event, _row(event)) for event in new]
        if not given:
            return 0
        with writing(self.engine) as connection:
            known = self._known(connection, [row[0] for _, row in given])
            seq, link = self._sound_head(connection)
            is_empty = seq == 0
            fresh: list[Event] = []
            rows: list[dict[str, Any]] = []
            for event, row in given:
                earlier = known.get(row[0])
                if earlier == row[1:]:
                    continue
                if earlier is not None:
                    raise _conflict(row[0])
                seq += 1
                link = _link(link, (seq, *row))
                rows.append({**dict(zip(_COLUMNS, (seq, *row), strict=True)), "hash": link})
                fresh.append(event)
                known[row[0]] = row[1:]
            if rows:
                if check is not None:
                    check(connection, fresh)
                connection.execute(insert(events), rows)
                if is_empty:
                    connection.execute(insert(_heads).values(name="events", seq=seq, hash=link))
                else:
                    connection.execute(update(_heads).where(_heads.c.name == "events").values(seq=seq, hash=link))
        return len(rows)

    @staticmethod
    def _head(connection: Connection) -> tuple[int, str]:
        row = connection.execute(select(_heads.c.seq, _heads.c.hash).where(_heads.c.name == "events")).one_or_none()
        return (int(row.seq), str(row.hash)) if row else (0, GENESIS)

    def refused(self, new: Sequence[Event]) -> dict[int, CodesuggestError]:
        """Return which events of a list `append` would refuse, by their place in it, and why; for who wants the others in."""
        found: dict[int, CodesuggestError] = {}
        rows: dict[int, tuple[str, ...]] = {}
        for i, event in enumerate(new):
            try:
                rows[i] = _row(event)
            except CodesuggestError as error:
                found[i] = error
        with reading(self.engine) as connection:
            known = self._known(connection, [row[0] for row in rows.values()])
        for i, row in rows.items():
            if known.setdefault(row[0], row[1:]) != row[1:]:
                found[i] = _conflict(row[0])
        return found

    def _sound_head(self, connection: Connection) -> tuple[int, str]:
        """Return the head after a look at the last event: nothing is written after a chain whose end was tampered with."""
        head = self._head(connection)
        last = connection.execute(select(events.c.seq, events.c.hash).order_by(events.c.seq.desc()).limit(1)).one_or_none()
        if head != ((int(last.seq), str(last.hash)) if last else (0, GENESIS)):
            raise BundleError(
                "CS509",
                f"The log ends at event {last.seq if last else 0}, its head says {head[0]}: events were taken out or put in. Expected "
                "both the same. Nothing was recorded. See `codesuggest decisions verify`, and go on from a backup or an export.",
            )
        return head

    @staticmethod
    def _known(connection: Connection, ids: list[str]) -> dict[str, tuple[Any, ...]]:
        columns = (events.c.event_id, *(events.c[name] for name in _CONTENT))
        found: dict[str, tuple[Any, ...]] = {}
        for i in range(0, len(ids), _BATCH):
            for row in connection.execute(select(*columns).where(events.c.event_id.in_(ids[i : i + _BATCH]))):
                found[row[0]] = tuple(row[1:])
        return found

    def read(
        self,
        *,
        kind: str | None = None,
        encounter_id: str | None = None,
        subject: str | None = None,
        who: str | None = None,
        since: dt.datetime | None = None,
        after: int = 0,
    ) -> Iterator[Event]:
        """Yield the events in order, lazily, a few thousand in memory at a time.

        Parameters
        ----------
        kind, encounter_id, subject, who : str, optional
            Only these.
        since : datetime.datetime, optional
            Only events that happened then or later; with a time zone.
        after : int, at least 0
            Only events with a greater place in the chain.
        """
        wanted = {"kind": kind, "encounter_id": encounter_id, "subject": subject, "who": who}
        sql = select(*(events.c[name] for name in _COLUMNS)).order_by(events.c.seq).limit(_PAGE)
        for name, value in wanted.items():
            if value is not None:
                sql = sql.where(events.c[name] == value)
        if since is not None:
            sql = sql.where(events.c.happened_at >= _stamp(since))
        while True:
            with reading(self.engine) as connection:
                found = connection.execute(sql.where(events.c.seq > after)).all()
            for row in found:  # parsed one at a time: a page of parsed bodies keeps the garbage collector busy
                yield _event(row)
            if len(found) < _PAGE:
                return
            after = found[-1][0]

    def find(self, event_id: str) -> Event | None:
        """Return an event by its id; None when there is none."""
        with reading(self.engine) as connection:
            found = _events(connection, select(*(events.c[name] for name in _COLUMNS)).where(events.c.event_id == event_id))
        return found[0] if found else None

    @staticmethod
    def about(connection: Connection, subjects: Collection[str], *, kind: str) -> list[Event]:
        """Return the events about some subjects, in order: for a `Check`, which must read what its own transaction sees."""
        ids = sorted(set(subjects))
        sql = select(*(events.c[name] for name in _COLUMNS)).where(events.c.kind == kind)
        found = [
            event
            for i in range(0, len(ids), _BATCH)
            for event in _events(connection, sql.where(events.c.subject.in_(ids[i : i + _BATCH])))
        ]
        return sorted(found, key=lambda event: event.seq)

    def head(self) -> tuple[int, str]:
        """Return the place and the hash of the last event; ``(0, "00…")`` of an empty chain."""
        with reading(self.engine) as connection:
            return self._head(connection)

    def verify(self, *, head: str | None = None) -> tuple[Problem, ...]:
        """Say where the chain does not hold; nothing when it does. Writers go on meanwhile.

        Parameters
        ----------
        head : str, optional
            A hash of `head` that was kept elsewhere; it must still be in the chain.

        Notes
        -----
        A change is located at the event that was changed, or, where its hash was made anew, at the one after it. What it cannot show:
        a chain forged from some event to its end, head and all, unless a head was kept elsewhere.
        """
        problems: list[Problem] = []
        link, expected, seen_head = GENESIS, 1, head in (None, GENESIS)
        with reading(self.engine) as connection:
            sql = select(*(events.c[name] for name in _COLUMNS), events.c.hash).order_by(events.c.seq)
            for *row, stored in connection.execute(sql.execution_options(yield_per=_PAGE)):
                seq = row[0]
                if seq < expected:
                    problems.append(Problem(seq, _shown(row[1]), "an event stands where the chain has none"))
                    continue
                if seq > expected:
                    missing = f"event {expected} is" if seq == expected + 1 else f"events {expected} to {seq - 1} are"
                    problems.append(Problem(expected, "", f"{missing} missing; event {seq} cannot be checked without"))
                elif not _follows(link, row, stored):
                    problems.append(
                        Problem(seq, _shown(row[1]), "the content of this event, or the hash of the one before it, was changed")
                    )
                link, expected = _shown(stored), seq + 1
                seen_head = seen_head or link == head
            last = self._head(connection)
        if last != (expected - 1, link):
            what = f"the chain ends at event {expected - 1}, its head says {last[0]}"
            if last[0] == expected - 1:
                what = f"the head of the chain is not the hash of its last event, {expected - 1}"
            problems.append(Problem(expected - 1, "", what))
        if not seen_head:
            problems.append(Problem(expected - 1, "", NOT_IN_CHAIN))
        return tuple(problems)


NOT_IN_CHAIN = "the head that was kept elsewhere is not in the chain"


def _shown(value: object) -> str:
    return value if isinstance(value, str) else type(value).__name__


def _follows(link: str, row: Sequence[Any], stored: object) -> bool:
    if not all(isinstance(value, str) for value in row[1:]):  # SQLite keeps what it is given, of whatever type
        return False
    try:
        return _link(link, row) == stored
    except UnicodeEncodeError:
        return False


def _events(connection: Connection, sql: Select[Any]) -> list[Event]:
    return [_event(row) for row in connection.execute(sql)]


def _event(row: Sequence[Any]) -> Event:
    seq, event_id, kind, encounter_id, subject, who, happened_at, body = row
    return Event(event_id, kind, encounter_id, who, dt.datetime.fromisoformat(happened_at), json.loads(body), seq, subject)


def _require_unicode(connection: Connection) -> None:
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise ConfigError(
            "CS503",
            f"The PostgreSQL database has the encoding {encoding}. Expected UTF8. Make one: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.",
        )
