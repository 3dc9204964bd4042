"""Readers of tables of notes: JSON lines, CSV and Parquet, a row at a time; memory does not grow with the table."""

from __future__ import annotations

import csv
import importlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from codesuggest.errors import InputFormatError, PrerequisiteError
from codesuggest.notes.columns import Columns
from codesuggest.notes.document import notes_of
from codesuggest.notes.fhir import readings_of_resource
from codesuggest.notes.streams import lines_of, open_stream
from codesuggest.notes.text import MAX_BYTES
from codesuggest.records import Failure, Note

__all__ = ["arrow", "read_csv", "read_json_lines", "read_parquet"]

Position = Callable[[int], None]
"""Called now and then with the number of bytes of the file that have been read."""


def read_json_lines(path: Path, columns: Columns, position: Position) -> Iterator[Note | Failure]:
    """Read notes, one JSON object a line; an object with ``resourceType`` is read as a FHIR resource.

    Raises
    ------
    InputFormatError
        CS159, CS551 when the file cannot be read to its end. A line that cannot be read is a failure in its place.
    """
    with open_stream(path) as (stream, raw):
        for number, line in enumerate(lines_of(stream), 1):
            position(raw.tell())
            place = f"{path.name}:{number}"
            if line is None:
                yield Failure(place, "CS162", f"{place} is too large for one note: more than {MAX_BYTES:,} bytes. Split it.")
                continue
            if not line.strip():
                continue
            row = _parse(line, place)
            if isinstance(row, Failure):
                yield row
            elif "resourceType" in row:
                yield from notes_of(readings_of_resource(row, place, columns.defaults))
            else:
                yield _note_of_json(row, place, columns)


def _parse(line: bytes, place: str) -> dict[str, Any] | Failure:
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else type(error).__name__
        return Failure(
            place, "CS164", f"{place} is not JSON in UTF-8 ({reason}). Expected an object with note_id and text on each line."
        )
    if not isinstance(row, dict):
        return Failure(place, "CS164", f"{place} lacks an object. Expected an object with note_id and text on each line.")
    return row


def _note_of_json(row: dict[str, Any], place: str, columns: Columns) -> Note | Failure:
    note = columns.note(row, place)
    if isinstance(note, Failure):
        missing = [columns.column_of(f) for f in ("note_id", "text") if row.get(columns.column_of(f)) is None]
        if missing:
            message = f"{place} lacks {', '.join(missing)}. Expected an object with note_id and text on each line."
            return Failure(note.note_id, "CS164", message)
    return note


def read_csv(path: Path, columns: Columns, position: Position, *, delimiter: str = ",") -> Iterator[Note | Failure]:
    r"""Read notes from a table with a header; line ends inside quoted cells are part of the text.

    A cell that is not UTF-8 is read as a text file would be: Windows-1252 when it looks like a note, otherwise a failure.

    Raises
    ------
    ConfigError
        CS552 when a column is missing.
    InputFormatError
        CS554 when quotes are not balanced, for then nobody knows where the notes end.
    """
    csv.field_size_limit(MAX_BYTES)
    with open_stream(path) as (stream, raw):
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
        rows = csv.reader(text, delimiter=delimiter, strict=True)
        header: list[str] | None = None
        while True:
            try:
                cells = next(rows)
            except StopIteration:
                break
            except csv.Error as error:
                raise InputFormatError(
                    "CS554",
                    f"{str(path)!r} cannot be read as a table beyond line {rows.line_num:,}: {error}. "
                    "Expected cells with quotes in pairs, a quote inside a cell written twice. Export it again.",
                ) from error
            position(raw.tell())
            if not cells:
                continue
            if header is None:
                header = [c.strip() for c in cells]
                columns.chosen(header)
                continue
            yield _note_of_cells(header, cells, f"{path.name}:{rows.line_num}", columns)
        text.detach()


def _note_of_cells(header: list[str], cells: list[str], place: str, columns: Columns) -> Note | Failure:
    if len(cells) != len(header):
        return Failure(
            place,
            "CS553",
            f"{place} ends a row of {len(cells)} cells where the header has {len(header)}. Expected as many. Is a quote missing?",
        )
    row: dict[str, Any] = dict(zip(header, cells, strict=True))
    column = columns.column_of("text")
    if not row[column].isascii():
        row[column] = _as_given(row[column])
    return columns.note(row, place)


def _as_given(text: str) -> str | bytes:
    """Return the bytes of a cell when it was not UTF-8, so that they are decoded like those of a text file."""
    data = text.encode("utf-8", "surrogateescape")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data
    return text


def arrow(module: str) -> Any:  # noqa: ANN401 - a module of an optional package
    """Import a module of pyarrow, or say which extra holds it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise PrerequisiteError(
            "CS559", "Parquet needs the package pyarrow, which is not installed. Run: pip install 'codesuggest[parquet]'."
        ) from error


def read_parquet(path: Path, columns: Columns, position: Position) -> Iterator[Note | Failure]:
    """Read notes from a Parquet file, a row group at a time and a few hundred rows of it at once.

    Raises
    ------
    ConfigError
        CS552 when a column is missing.
    InputFormatError
        CS554 when the file is damaged.
    PrerequisiteError
        CS559 when pyarrow is not installed.
    """
    pa = arrow("pyarrow")
    parquet = arrow("pyarrow.parquet")
    try:
        file = parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise _not_parquet(path) from error
    with file:
        wanted = columns.chosen(file.schema_arrow.names)
        size = path.stat().st_size
        n_rows = max(1, file.metadata.num_rows)
        batches = file.iter_batches(batch_size=256, columns=wanted, use_threads=False)
        number = 0
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                break
            except (pa.ArrowException, OSError) as error:
                raise _not_parquet(path) from error
            for row in batch.to_pylist():
                number += 1
                position(size * number // n_rows)
                yield columns.note(row, f"{path.name}:{number}")


def _not_parquet(path: Path) -> InputFormatError:
    return InputFormatError(
        "CS554",
        f"{str(path)!r} cannot be read as Parquet: it is damaged or another kind of file. Expected a whole table. Copy it again.",
    )
