"""The database that decisions, queries and the desk share: SQLite by default, PostgreSQL by URL.

Decision (2026-11): SQLAlchemy Core. It speaks both dialects, pools connections and binds parameters; an object mapper would hide
the one thing that matters here, which statement runs in which transaction. SQLite runs in WAL mode with ``synchronous=FULL``: what
was acknowledged survives a power cut, and readers do not wait for the writer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError

from codesuggest.errors import ConfigError, PrerequisiteError

__all__ = ["open_database", "writing"]

_BUSY_MS = 30_000
_LOCK_KEY = 0x636F6465  # "code": PostgreSQL's advisory lock of this library's writers


def open_database(where: str | Path) -> Engine:
    """Open a database, or make the file of a new one.

    Parameters
    ----------
    where : str or Path
        A file (SQLite), ``sqlite:///FILE``, or ``postgresql://USER@HOST/NAME``.

    Raises
    ------
    ConfigError
        CS503 when the address is not one of these.
    PrerequisiteError
        CS504 when the driver is not installed.

    Examples
    --------
    >>> open_database("sqlite://").dialect.name
    'sqlite'
    """
    address = str(where)
    if "://" not in address:
        address = f"sqlite:///{address}"
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise ConfigError("CS503", "The address of the database cannot be read. Expected a file, or postgresql://USER@HOST/NAME.") from error
    kind = url.get_backend_name()
    if kind == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    elif kind != "sqlite":
        raise ConfigError("CS503", f"The database is of kind {kind!r}. Expected a file (SQLite) or postgresql://USER@HOST/NAME.")
    try:
        engine = create_engine(url, pool_pre_ping=kind == "postgresql")
    except ModuleNotFoundError as error:
        raise PrerequisiteError(
            "CS504", "PostgreSQL needs the package psycopg, which is not installed. Install it: pip install 'codesuggest[postgres]'."
        ) from error
    if kind == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _: object) -> None:
    connection.isolation_level = None # transactions are ours: the driver would begin them too late
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_MS}", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writing") else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction that no other writer of this library shares; it commits at the end, or not at all."""
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        yield connection
