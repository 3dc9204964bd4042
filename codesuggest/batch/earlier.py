"""An earlier output, looked up by note: what ``--since`` compares with.

Its rows go into an SQLite file in the work folder, so that memory does not grow with it.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from codesuggest.batch.encode import ENDINGS
from codesuggest.batch.work import Item, facts_digest
from codesuggest.errors import InputFormatError
from codesuggest.notes.streams import lines_of, open_stream
from codesuggest.notes.tables import arrow
from codesuggest.records import Failure, Note

__all__ = ["Earlier", "index_file"]


def index_file(output: Path) -> Path:
    """Return the file beside an output that holds the ids and facts of its notes.

    Examples
    --------
    >>> index_file(Path("may.parquet")).name
    'may.parquet.index.jsonl'
    """
    return output.with_name(output.name + ".index.jsonl")


class Earlier:
    """The results of an earlier run.

    Parameters
    ----------
    output : Path
        JSON lines or Parquet, nested.
    settings : dict
        Of the run now; an output made with others is scored again as a whole.
    store : Path
        SQLite file to make.

    Attributes
    ----------
    has_index : bool
        Whether the output's index was found. Without it facts such as age and sex cannot be compared: then only notes without any
        are taken over.

    Raises
    ------
    InputFormatError
        CS580 when the output cannot be read.
    """

    def __init__(self, output: Path, settings: dict[str, Any], store: Path) -> None:
        store.unlink(missing_ok=True)
        self._database = sqlite3.connect(store)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA cache_size = -8000")
        self._database.execute("CREATE TABLE result (note_id TEXT PRIMARY KEY, facts TEXT, row BLOB) WITHOUT ROWID")
        index = index_file(output)
        self.has_index = index.is_file()
        facts = _lines(index) if self.has_index else iter(())
        header = next(facts, None)
        self.same_settings = header is None or header.get("settings") == json.loads(json.dumps(settings))
        with self._database:
            self._database.executemany(
                "INSERT OR REPLACE INTO result VALUES (?, ?, ?)",
                (
                    (_key(row["note_id"]), about.get("facts") if about else None, zlib.compress(json.dumps(row).encode(), 1))
                    for row, about in _paired(_rows(output), facts if self.has_index else None)
                ),
            )

    def item(self, note: Note | Failure) -> Item:
        """Return a note to score, with its earlier result where there is one."""
        facts = facts_digest(note)
        found = self._database.execute("SELECT facts, row FROM result WHERE note_id = ?", (_key(note.note_id),)).fetchone()
        if found is None:
            return Item(note, facts)
        known = found[0] if found[0] is not None else _NO_FACTS
        return Item(note, facts, zlib.decompress(found[1]), self.same_settings and known == facts)

    def close(self) -> None:
        """Close the store."""
        self._database.close()


_NO_FACTS = facts_digest(Note("n", ""))


def _key(note_id: str) -> str:
    return json.dumps(note_id)  # a lone surrogate is no text to SQLite


def _paired(
    rows: Iterator[dict[str, Any]], facts: Iterator[dict[str, Any]] | None
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    if facts is None:
        yield from ((row, None) for row in rows)
        return
    for row, about in zip_longest(rows, facts):
        if row is None or about is None or about.get("note_id") != row["note_id"]:
            raise InputFormatError(
                "CS580",
                "The earlier output and its index are not of one run. Expected both as they were written. Move the index away.",
            )
        yield row, about


def _unreadable(output: Path, problem: str) -> InputFormatError:
    return InputFormatError(
        "CS580",
        f"The earlier output {str(output)!r} cannot be used: {problem}. "
        "Expected what `codesuggest score` wrote as .jsonl or .parquet, without --flat. Check the path, or leave --since out.",
    )


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with open_stream(path) as (stream, _):
        for line in lines_of(stream):
            try:
                row = json.loads(line or b"")
            except (ValueError, RecursionError) as error:
                raise _unreadable(path, "a line is not JSON") from error
            if not isinstance(row, dict):
                raise _unreadable(path, "a line is not an object")
            yield row


def _rows(output: Path) -> Iterator[dict[str, Any]]:
    kind = ENDINGS.get(output.suffix.lower())
    if not output.is_file() or kind not in ("jsonl", "parquet"):
        raise _unreadable(output, "there is no such file" if not output.is_file() else "its ending is another")
    for row in _lines(output) if kind == "jsonl" else _table(output):
        if not isinstance(row.get("note_id"), str) or ("error" not in row and not isinstance(row.get("suggestions"), list)):
            raise _unreadable(output, "a row is not a result")
        yield row


def _table(output: Path) -> Iterator[dict[str, Any]]:
    pa = arrow("pyarrow")
    parquet = arrow("pyarrow.parquet")
    try:
        with parquet.ParquetFile(output) as file:
            for batch in file.iter_batches(batch_size=100, use_threads=False):
                for row in batch.to_pylist():
                    yield _as_json(row)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(output, "it is not Parquet") from error


def _as_json(row: dict[str, Any]) -> dict[str, Any]:
    """Turn a row of the table into the object of the JSON lines."""
    if row.get("error") is not None:
        return {"schema": row["schema"], "note_id": row["note_id"], "error": row["error"]}
    row.pop("error", None)
    row["versions"] = dict(row.get("versions") or ())
    for s in row.get("suggestions") or ():
        s["contributions"] = dict(s["contributions"])
    return row
