"""The desk's own tables, in the database of the decision log. Text of notes is here and nowhere else.

Times are UTC as ISO 8601 with microseconds, so that they sort as text in both dialects.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
)

from codesuggest.decisions.database import writing

__all__ = [
    "access",
    "batch_items",
    "batches",
    "charts",
    "create_tables",
    "documents",
    "meta",
    "sessions",
    "skips",
    "stamp",
    "tokens",
    "users",
]

metadata = MetaData()
_ID = String(200)
_TIME = String(40)
_SERIAL = BigInteger().with_variant(Integer, "sqlite")

charts = Table(
    "desk_charts",
    metadata,
    Column("chart_id", String(40), primary_key=True),
    Column("encounter_id", _ID, nullable=False, unique=True),
    Column("status", String(20), nullable=False),
    Column("assignee", _ID),
    Column("coder", _ID),  # who finished it, and gets it back
    Column("lease_until", _TIME),  # None: assigned by a manager, kept until given back
    Column("hold_reason", Text, nullable=False, default=""),
    Column("setting", String(20)),
    Column("payer", _ID),
    Column("age_years", Float),
    Column("sex", String(1)),
    Column("kinds", Text, nullable=False),  # JSON list
    Column("date_of_service", String(10)),
    Column("admitted_on", String(10)),
    Column("discharged_on", String(10)),
    Column("admission_type", String(20), nullable=False, default=""),
    Column("n_documents", Integer, nullable=False),
    Column("n_words", Integer, nullable=False),
    Column("n_near", Integer, nullable=False, default=0),  # codes near the threshold
    Column("n_mcc", Integer),  # None: no table
    Column("n_cc", Integer),
    Column("n_queries_open", Integer, nullable=False, default=0),
    Column("n_queries_answered", Integer, nullable=False, default=0),
    Column("imported_at", _TIME, nullable=False),
    Column("opened_at", _TIME),  # when this pass began
    Column("finished_at", _TIME),
    Column("score", Float, nullable=False, default=0.0),
    Column("scored", String(80), nullable=False, default=""),  # date and settings the score is of
    Column("draft", Text, nullable=False, default="[]"),  # JSON list of [system, code, poa]
    Column("draft_revision", Integer, nullable=False, default=0),
    Column("version", Integer, nullable=False, default=0),  # counts every change: compare and set
    Index("desk_charts_queue", "status", "score", "encounter_id"),
    Index("desk_charts_assignee", "assignee", "status"),
)
documents = Table(
    "desk_documents",
    metadata,
    Column("chart_id", String(40), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("note_id", _ID, nullable=False),
    Column("kind", _ID),
    Column("date_of_service", String(10)),
    Column("text", Text, nullable=False),
    Column("text_sha256", String(64), nullable=False),
    Column("n_words", Integer, nullable=False),
    Column("result", Text),  # JSON of the result, or of the failure in its place
    UniqueConstraint("chart_id", "note_id"),
)
skips = Table(
    "desk_skips",
    metadata,
    Column("chart_id", String(40), primary_key=True),
    Column("who", _ID, primary_key=True),
    Column("until", _TIME, nullable=False),
)
users = Table(
    "desk_users",
    metadata,
    Column("name", _ID, primary_key=True),
    Column("role", String(20), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("created_at", _TIME, nullable=False),
)
tokens = Table(
    "desk_tokens",
    metadata,
    Column("token_id", String(40), primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("name", _ID, nullable=False),
    Column("role", String(20), nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("expires_at", _TIME, nullable=False),
    Column("revoked_at", _TIME),
)
sessions = Table(
    "desk_sessions",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("name", _ID, nullable=False, index=True),
    Column("created_at", _TIME, nullable=False),
    Column("seen_at", _TIME, nullable=False),
    Column("expires_at", _TIME, nullable=False),
)
access = Table(
    "desk_access",
    metadata,
    Column("seq", _SERIAL, primary_key=True, autoincrement=True),
    Column("at", _TIME, nullable=False),
    Column("who", _ID, nullable=False),
    Column("role", String(20), nullable=False),
    Column("action", String(60), nullable=False),
    Column("encounter_id", _ID),
    Column("outcome", String(20), nullable=False),
    Column("address", String(60), nullable=False),
    Index("desk_access_encounter", "encounter_id", "seq"),
    Index("desk_access_who", "who", "at"),
)
batches = Table(
    "desk_batches",
    metadata,
    Column("batch_id", String(40), primary_key=True),
    Column("who", _ID, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("finished_at", _TIME),
    Column("queue", Boolean, nullable=False),
    Column("n_notes", Integer, nullable=False),
)
batch_items = Table(
    "desk_batch_items",
    metadata,
    Column("batch_id", String(40), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("note", Text),  # JSON; taken away when the result is there
    Column("result", Text),
    Column("failed", Boolean, nullable=False, default=False),
)
meta = Table("desk_meta", metadata, Column("name", String(60), primary_key=True), Column("value", Text, nullable=False))

# Nobody rewrites who saw what, short of taking the trigger away.
for _what in ("UPDATE", "DELETE"):
    event.listen(
        access,
        "after_create",
        DDL(  # type: ignore[no-untyped-call]  # SQLAlchemy left it without types
            f"CREATE TRIGGER desk_access_no_{_what.lower()} BEFORE {_what} ON desk_access "
            "BEGIN SELECT RAISE(ABORT, 'the access log is append-only'); END"
        ).execute_if(dialect="sqlite"),
    )
event.listen(
    access,
    "after_create",
    DDL(  # type: ignore[no-untyped-call]  # SQLAlchemy left it without types
        "CREATE OR REPLACE FUNCTION desk_access_kept() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RAISE EXCEPTION ''the access log is append-only''; END'"
    ).execute_if(dialect="postgresql"),
)
event.listen(
    access,
    "after_create",
    DDL(  # type: ignore[no-untyped-call]  # SQLAlchemy left it without types
        "CREATE TRIGGER desk_access_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON desk_access "
        "FOR EACH STATEMENT EXECUTE FUNCTION desk_access_kept()"
    ).execute_if(dialect="postgresql"),
)


def create_tables(engine: Engine) -> None:
    """Make the tables that are not there."""
    with writing(engine) as connection:
        metadata.create_all(connection)


def stamp(when: dt.datetime) -> str:
    """Write a time as it is stored.

    Examples
    --------
    >>> stamp(dt.datetime(2026, 5, 4, 9, 30, tzinfo=dt.UTC))
    '2026-05-04T09:30:00.000000+00:00'
    """
    return when.astimezone(dt.UTC).isoformat(timespec="microseconds")
