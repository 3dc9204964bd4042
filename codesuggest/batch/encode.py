"""The bytes of results: JSON lines, Arrow batches on their way to Parquet, or flat CSV rows.

What is written for a note depends on that note alone, so neither chunk size nor workers can show in the output.
"""

from __future__ import annotations

import csv
import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from codesuggest.batch.tables import FLAT_COLUMNS, arrow_schema, flat_rows, for_spreadsheet, to_batch
from codesuggest.errors import ConfigError
from codesuggest.notes.tables import arrow

__all__ = ["ENDINGS", "Encoding", "header_of", "json_line", "write_parquet"]

ENDINGS: dict[str, str] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet", ".csv": "csv"}
_LENGTH = struct.Struct("<Q")
_ROWS_A_GROUP = 1000


class Encoding:
    """How results become bytes.

    Parameters
    ----------
    kind : {"jsonl", "parquet", "csv"}
    flat : bool
        One row a suggestion.
    """

    __slots__ = ("flat", "kind")

    def __init__(self, kind: str, *, flat: bool) -> None:
        self.kind = kind
        self.flat = flat

    @classmethod
    def for_output(cls, path: Path, *, flat: bool) -> Encoding:
        """Choose by the ending of the output.

        Raises
        ------
        ConfigError
            CS570 when the ending is not known, or CSV is asked for without `flat`.
        """
        kind = ENDINGS.get(path.suffix.lower())
        if kind is None:
            raise ConfigError(
                "CS570", f"The output {path.name!r} has an unknown ending. Expected {', '.join(ENDINGS)}. Give it one of them."
            )
        if kind == "csv" and not flat:
            raise ConfigError("CS570", "CSV has no nested values. Expected --flat with .csv, or .jsonl or .parquet. Add --flat.")
        return cls(kind, flat=flat)

    def encode(self, rows: list[dict[str, Any]]) -> bytes:
        """Return the bytes of the JSON objects of some notes."""
        if self.kind == "parquet":
            return _framed(to_batch(rows, flat=self.flat))
        if self.kind == "csv":
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            for result in rows:
                for row in flat_rows(result):
                    writer.writerow([for_spreadsheet(row[name]) for name, _ in FLAT_COLUMNS])
            return text.getvalue().encode("utf-8", "replace")
        if self.flat:
            rows = [row for result in rows for row in flat_rows(result)]
        return b"".join(map(json_line, rows))


def header_of(encoding: Encoding) -> bytes:
    """Return what stands before the first row."""
    if encoding.kind == "csv":
        return (",".join(name for name, _ in FLAT_COLUMNS) + "\n").encode()
    return b""


def json_line(row: dict[str, Any]) -> bytes:
    r"""Return a JSON object and a line end, in ASCII, as the command ``suggest --json`` prints it.

    Examples
    --------
    >>> json_line({"note_id": "é"})
    b'{"note_id": "\\u00e9"}\n'
    """
    return json.dumps(row).encode() + b"\n"


def _framed(batch: Any) -> bytes:  # noqa: ANN401 - a pyarrow.RecordBatch
    pa = arrow("pyarrow")
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    data = sink.getvalue()
    return _LENGTH.pack(len(data)) + data


def _batches(spooled: BinaryIO) -> Iterator[Any]:
    pa = arrow("pyarrow")
    while head := spooled.read(_LENGTH.size):
        with pa.ipc.open_stream(spooled.read(_LENGTH.unpack(head)[0])) as reader:
            yield from reader


def write_parquet(spooled: Path, output: Path, *, flat: bool) -> None:
    """Make a Parquet file of spooled batches, in row groups of a fixed size, so that the chunks leave no trace."""
    pa = arrow("pyarrow")
    parquet = arrow("pyarrow.parquet")
    schema = arrow_schema(flat=flat)
    with spooled.open("rb") as source, parquet.ParquetWriter(output, schema, compression="zstd") as writer:
        waiting: list[Any] = []
        n_waiting = 0
        for batch in _batches(source):
            waiting.append(batch)
            n_waiting += batch.num_rows
            while n_waiting >= _ROWS_A_GROUP:
                table = pa.Table.from_batches(waiting, schema)
                writer.write_table(table.slice(0, _ROWS_A_GROUP).combine_chunks(), row_group_size=_ROWS_A_GROUP)
                rest = table.slice(_ROWS_A_GROUP)
                waiting, n_waiting = rest.to_batches(), rest.num_rows
        if n_waiting:
            writer.write_table(pa.Table.from_batches(waiting, schema).combine_chunks(), row_group_size=_ROWS_A_GROUP)
