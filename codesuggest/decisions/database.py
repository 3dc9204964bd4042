"""The database that decisions, queries and the desk share: SQLite by default, PostgreSQL by URL.

Decision (2026-11): SQLAlchemy Core. It speaks both dialects, pools connections and binds parameters; an object mapper would hide
the one thing that matters here, which statement runs in which transaction. SQLite runs in WAL mode with ``synchronous=FULL``: what
was acknowledged survives a power cut, and readers do not wait for the writer. On PostgreSQL a server that was told to acknowledge
before it has written (``synchronous_commit = off``) is told to wait, for the transactions of this library alone.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from weakref import WeakKeyDictionary

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, ProgrammingError

from codesuggest.errors import ConfigError, PrerequisiteError

__all__ = ["DATABASE_VARIABLE", "default_database", "open_database", "reading", "writing"]

DATABASE_VARIABLE = "CODESUGGEST_DB"
"""Environment variable that names the database where a command is not told one."""

_BUSY_MS = 30_000
_LOCK_KEY = 0x636F6465  # "code": PostgreSQL's advisory lock of this library's writers


def default_database() -> str:
    """Return the database of a command that was not told one: ``$CODESUGGEST_DB``, else ``codesuggest.sqlite`` in this folder."""
    return os.environ.get(DATABASE_VARIABLE) or "codesuggest.sqlite"


def open_database(where: str | Path, *, must_exist: bool = False) -> Engine:
    """Open a database, or make the file of a new one.

    Parameters
    ----------
    where : str or Path
        A file (SQLite), ``sqlite:///FILE``, or ``postgresql://USER@HOST/NAME``.
    must_exist : bool
        Refuse a file that is not there, for who only wants to read.

    Raises
    ------
    ConfigError
        CS503 when the address is not one of these, or the file must exist and does not.
    PrerequisiteError
        CS504 when the driver is not installed.

    Examples
    --------
    >>> open_database("sqlite://").dialect.name
    'sqlite'
    """
    url = _url(str(where))
    kind = url.get_backend_name()
    if kind == "sqlite":
        in_memory = not url.database or url.database == ":memory:" or url.database.startswith("file:")
        if must_exist and not in_memory and not Path(str(url.database)).is_file():
            raise ConfigError(
                "CS503",
                f"There is no database {str(url.database)!r}. Expected the file of a decision log. Name it with --db or "
                f"${DATABASE_VARIABLE}; recording or importing the first decision makes it.",
            )
        engine = create_engine(url, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        return create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args={"client_encoding": "utf8"})
    except ModuleNotFoundError as error:
        raise PrerequisiteError(
            "CS504", "PostgreSQL needs the package psycopg, which is not installed. Install it: pip install 'codesuggest[postgres]'."
        ) from error


def _url(address: str) -> URL:
    if "://" not in address:
        return URL.create("sqlite", database=str(Path(address).expanduser()))
    try:
        url = make_url(address)
    except (ArgumentError, ValueError) as error:
        raise ConfigError(
            "CS503", "The address of the database cannot be read. Expected a file, or postgresql://USER@HOST/NAME. Correct it."
        ) from error
    kind = url.get_backend_name()
    if kind in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise ConfigError(
            "CS503", f"The database is of kind {kind!r}. Expected a file (SQLite) or postgresql://USER@HOST/NAME. Name one of these."
        )
    return url


def _prepare_sqlite(connection: DBAPIConnection, _: object) -> None:
    connection.isolation_level = None  # transactions are ours: the driver would begin them too late
    connection.text_factory = _as_text
    cursor = connection.cursor()
    try:
        for pragma in (f"busy_timeout={_BUSY_MS}", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        _use_wal(cursor)
    except sqlite3.Error:  # the pool never gets to close what it never got
        connection.close()
        raise
    cursor.close()


def _as_text(data: bytes) -> str:
    """Decode what SQLite holds as text; bytes that somebody else wrote there must not keep the rest from being read."""
    return data.decode("utf-8", "surrogateescape")


def _use_wal(cursor: DBAPICursor) -> None:
    """Switch to WAL mode; of several processes that open a new file at once SQLite lets one do it and turns the others away."""
    until = time.monotonic() + _BUSY_MS / 1000
    while cursor.execute("PRAGMA journal_mode").fetchone()[0] not in ("wal", "memory"):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                return  # a file that may only be read, or a file system without shared memory: as it is
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writing") else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction that no other writer of this library shares; it commits at the end, or not at all.

    Raises
    ------
    PrerequisiteError
        CS508 when the database cannot be written: disk full, no permission, not reachable, locked for half a minute.
    """
    with _named_errors(engine), _turn(engine), engine.connect() as fresh:
        connection = fresh.execution_options(writing=True)
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="READ COMMITTED")
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(_LOCK, {"key": _LOCK_KEY, "wait": f"{_BUSY_MS}ms"})
            yield connection


_turns: WeakKeyDictionary[Engine, Lock] = WeakKeyDictionary()


def _turn(engine: Engine) -> AbstractContextManager[object]:
    """Let the threads of this process write one after the other: SQLite's own waiting is a sleep that grows to 0.1 s and knows no order."""
    return _turns.setdefault(engine, Lock()) if engine.dialect.name == "sqlite" else nullcontext()


_LOCK = text(
    "SELECT set_config('lock_timeout', :wait, true), pg_advisory_xact_lock(:key), set_config('synchronous_commit', "
    "CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true)"
)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection that sees the database as it was at one moment, whatever is written meanwhile.

    Raises
    ------
    PrerequisiteError
        CS508 when the database cannot be read.
    """
    with _named_errors(engine), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


@contextmanager
def _named_errors(engine: Engine) -> Iterator[None]:
    """Turn what the machine under the database does (not what a caller did wrong) into an error of the library."""
    try:
        yield
    except (IntegrityError, ProgrammingError, DataError):
        raise
    except DBAPIError as error:
        name = engine.url.database if engine.dialect.name == "sqlite" else engine.url.render_as_string(hide_password=True)
        reason = str(error.orig).strip().partition("\n")[0]
        raise PrerequisiteError(
            "CS508",
            f"The database {name!r} cannot be used: {reason}. Expected one that can be read and written. Nothing of this step was "
            "recorded; look at disk space, permissions and connection, and do it again.",
        ) from error
