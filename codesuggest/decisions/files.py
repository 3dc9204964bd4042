"""Files of decisions: JSON lines, CSV and Parquet, in and out, a row at a time; memory does not grow with the file."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import tempfile
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO, TextIO

from codesuggest.decisions.events import Event
from codesuggest.decisions.log import DecisionLog
from codesuggest.decisions.rows import FIELDS, RowReader, row_of
from codesuggest.errors import CodesuggestError, CodesuggestWarning, ConfigError, DecisionConflictError, InputFormatError
from codesuggest.notes.streams import lines_of, open_stream, stem_and_kind
from codesuggest.notes.text import MAX_BYTES

__all__ = ["FORMATS", "Imported", "Rejected", "export_events", "import_file", "open_log"]

FORMATS: dict[str, str] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""Ending to format; text formats may end in ``.gz`` as well (reading: ``.zst`` too)."""

_BATCH = 2000
_MAX_LINES = 1000
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was kept aside.

    Parameters
    ----------
    line : int
        Line of a text file (the first one of the row), or row of a Parquet file; from 1.
    error_id, message : str
        Without anything that stands in the row.
    """

    line: int
    error_id: str
    message: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did.

    Parameters
    ----------
    n_rows, n_new, n_known, n_rejected : int
        Rows read; recorded now; there already (or twice in the file); kept aside.
    rejects : Path or None
        Where the rows that were kept aside are, with their lines and reasons.
    first : tuple of Rejected
        The first ten of them.
    reasons : mapping of str to int
        Error id to count.
    unread : tuple of str
        Columns that were not read.
    n_windows : int
        Lines that were not UTF-8 and were read as Windows-1252.
    """

    n_rows: int
    n_new: int
    n_known: int
    n_rejected: int
    rejects: Path | None
    first: tuple[Rejected, ...]
    reasons: Mapping[str, int]
    unread: tuple[str, ...]
    n_windows: int


def format_of(path: Path, given: str | None = None) -> str:
    """Return the format of a file; raise CS535 when its ending does not tell."""
    found = given or FORMATS.get(stem_and_kind(path)[1])
    if found is None or found not in FORMATS.values():
        raise ConfigError(
            "CS535",
            f"The format of {path.name!r} is not known. Expected an ending {', '.join(FORMATS)}, or --format jsonl, csv, tsv or "
            "parquet. Say which it is.",
        )
    return found


def open_log(path: Path) -> DecisionLog:
    """Open the SQLite file of a log, or read an exported one (by its ending) into memory.

    Raises
    ------
    ConfigError
        CS503 when there is no such file.

    Warns
    -----
    CodesuggestWarning
        How many rows of an exported log could not be read, and where they are.
    """
    if stem_and_kind(path)[1] not in FORMATS:
        return DecisionLog(path, must_exist=True)
    if not path.is_file():
        raise ConfigError(
            "CS503", f"There is no file {path.name!r}. Expected a decision log, or an exported one. Check the path."
        )
    log = DecisionLog("sqlite://")
    done = import_file(log, path)
    if done.n_rejected:
        where = done.rejects.name if done.rejects is not None else "no file"
        warnings.warn(
            f"{done.n_rejected} rows of {path.name} could not be read; they are in {where}", CodesuggestWarning, stacklevel=2
        )
    return log


# ---------------------------------------------------------------------------------------------------------------------
# in


def import_file(
    log: DecisionLog,
    path: str | Path,
    *,
    reader: RowReader | None = None,
    file_format: str | None = None,
    delimiter: str | None = None,
    rejects: str | Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """Bring decisions from a file into a log.

    Rows go in by the thousand. A row that cannot be read is kept aside, with its line and the reason; the rest goes in. A row without
    an event id gets one that follows from its content, so importing a file again, or after an interruption, records nothing twice.
    Conflicts between people are not looked for: this is history, and of several decisions at a stage the latest stands.

    Parameters
    ----------
    log : DecisionLog
    path : path
    reader : RowReader, optional
        Which column is which field, and what words mean.
    file_format : {"jsonl", "csv", "tsv", "parquet"}, optional
        Where the ending does not tell.
    delimiter : str, optional
        Between the cells of a CSV file.
    rejects : path, optional
        JSON lines with the rows kept aside: line, error and the row as it was. ``FILE.rejects.jsonl`` in the file's folder without
        it. Written when there are any, readable by its owner alone, since rows may hold what patients are known by.
    progress : callable, optional
        Called with the number of rows now and then.

    Returns
    -------
    Imported

    Raises
    ------
    ConfigError
        CS531 when a column is missing; CS535 when the format is not known.
    InputFormatError
        CS536 when the file is damaged as a whole. What stood before the damage is in.
    """
    path = Path(path)
    reader = reader or RowReader()
    kind = format_of(path, file_format)
    target = Path(rejects) if rejects is not None else path.with_name(f"{path.name}.rejects.jsonl")
    source = _Source(path, kind, delimiter or ("\t" if kind == "tsv" else ","), reader)
    n_rows = n_new = n_known = 0
    with _Rejects(target) as aside:
        rows = iter(source)
        while batch := list(islice(rows, _BATCH)):
            n_rows += len(batch)
            events: list[Event] = []
            lines: list[tuple[int, Any]] = []
            for line, row, problem in batch:
                if problem is None:
                    try:
                        event = reader.event(row)
                    except CodesuggestError as error:
                        problem = error
                if problem is None:
                    events.append(event)
                    lines.append((line, row))
                else:
                    aside.add(line, row, problem)
            n_recorded, refused = _record(log, events)
            n_new += n_recorded
            n_known += len(events) - n_recorded - len(refused)
            for i in sorted(refused):
                aside.add(*lines[i], refused[i])
            if progress is not None:
                progress(n_rows)
    return Imported(
        n_rows,
        n_new,
        n_known,
        aside.n,
        target if aside.n else None,
        tuple(aside.first),
        dict(sorted(aside.reasons.items())),
        source.unread,
        source.n_windows,
    )


def _record(log: DecisionLog, events: list[Event]) -> tuple[int, dict[int, CodesuggestError]]:
    """Record what can be; return how many were new, and what was refused, by place."""
    try:
        return log.chain.append(events), {}
    except (ConfigError, DecisionConflictError):
        refused = log.chain.refused(events)
        return log.chain.append(event for i, event in enumerate(events) if i not in refused), refused


class _Rejects:
    """The file of rows kept aside; it appears when the import is over, in the place of one from an earlier try."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.n = 0
        self.first: deque[Rejected] = deque()
        self.reasons: Counter[str] = Counter()
        self._file: IO[str] | None = None

    def __enter__(self) -> _Rejects:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            Path(self._file.name).replace(self.target)

    def add(self, line: int, row: object, error: CodesuggestError) -> None:
        if self._file is None:
            try:
                self._file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed in __exit__; its mode is 0600
                    "w", encoding="ascii", dir=self.target.parent, prefix=f".{self.target.name}.", delete=False
                )
            except OSError as problem:
                raise ConfigError(
                    "CS537",
                    f"{str(self.target)!r} cannot be written: {(problem.strerror or type(problem).__name__).lower()}. Expected a place for "
                    "the rows that are kept aside. Name one with --rejects.",
                ) from problem
        self.n += 1
        self.reasons[error.error_id] += 1
        if len(self.first) < 10:
            self.first.append(Rejected(line, error.error_id, error.message))
        entry = {"line": line, "error": error.error_id, "message": error.message, "row": row}
        self._file.write(json.dumps(entry, default=str) + "\n")


_Row = tuple[int, Any, CodesuggestError | None]
"""Line, the row (or its raw text), and why it is none."""


class _Source:
    """The rows of a file."""

    def __init__(self, path: Path, kind: str, delimiter: str, reader: RowReader) -> None:
        self.path = path
        self.kind = kind
        self.delimiter = delimiter
        self.reader = reader
        self.unread: tuple[str, ...] = ()
        self.n_windows = 0

    def __iter__(self) -> Iterator[_Row]:
        if self.kind == "parquet":
            return self._parquet()
        return self._jsonl() if self.kind == "jsonl" else self._csv()

    def _jsonl(self) -> Iterator[_Row]:
        unread: set[str] = set()
        known = {self.reader.column_of(field) for field in FIELDS} | {
            "note_ids",
            "opened",
            "finished",
            "shown",
            "codes",
            "facts",
            "edits",
        }
        with open_stream(self.path) as (stream, _):
            for number, line in enumerate(lines_of(stream), 1):
                if line is None:
                    yield (
                        number,
                        None,
                        InputFormatError("CS536", "The line is too long. Expected at most some megabytes. Look at it."),
                    )
                    continue
                if not line.strip():
                    continue
                try:
                    row = json.loads(line.decode("utf-8"))
                except (ValueError, RecursionError) as error:
                    where = f", column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
                    problem = InputFormatError(
                        "CS536", f"The line is not JSON in UTF-8{where}. Expected an object a line. Correct it."
                    )
                    yield number, line.decode("utf-8", "backslashreplace"), problem
                    continue
                if not isinstance(row, dict):
                    yield number, row, InputFormatError("CS536", "The line is no JSON object. Expected one a line. Correct it.")
                    continue
                if row.keys() == {"line", "error", "message", "row"} and isinstance(row["row"], dict):
                    row = row["row"]  # a row kept aside by an earlier import, corrected
                unread.update(row.keys() - known)
                self.reader.has_final_column = self.reader.column_of("final_code") in row
                yield number, row, None
        self.unread = tuple(sorted(k for k in unread if k.isidentifier() and len(k) <= 40))

    def _csv(self) -> Iterator[_Row]:
        csv.field_size_limit(MAX_BYTES)
        header: list[str] | None = None
        with open_stream(self.path) as (stream, _):
            for number, cells, raw in _records(self._lines(stream), self.delimiter):
                if cells is not None and not any(cells):
                    continue
                if header is None:
                    header = [c.strip() for c in cells or ()]
                    doubled = [name for name, n in Counter(header).items() if n > 1 and name]
                    if doubled or not header:
                        raise InputFormatError(
                            "CS536",
                            f"{self.path.name!r} has {len(doubled)} column names twice, or no header. Expected a first line with the name "
                            "of each column, once. Correct the header.",
                        )
                    self.unread = self.reader.check_columns(header)
                elif cells is None or len(cells) != len(header):
                    has = "quotes that do not pair" if cells is None else f"{len(cells)} cells"
                    yield (
                        number,
                        raw,
                        InputFormatError(
                            "CS536", f"The row has {has}, the header {len(header)} cells. Expected as many. Is a quote missing?"
                        ),
                    )
                else:
                    yield number, {k: _unguarded(v) for k, v in zip(header, cells, strict=True)}, None

    def _lines(self, stream: BinaryIO) -> Iterator[str]:
        is_first = True
        while line := stream.readline(MAX_BYTES):
            if is_first:
                if line.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise InputFormatError(
                        "CS536", f'{self.path.name!r} is UTF-16. Expected UTF-8. Save it as UTF-8 ("CSV UTF-8" in a spreadsheet).'
                    )
                line = line.removeprefix(b"\xef\xbb\xbf")
                is_first = False
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError:
                self.n_windows += 1
                yield line.decode("cp1252", "replace")

    def _parquet(self) -> Iterator[_Row]:
        from codesuggest.notes.tables import arrow

        pa, parquet = arrow("pyarrow"), arrow("pyarrow.parquet")
        try:
            file = parquet.ParquetFile(self.path)
        except FileNotFoundError as error:
            raise InputFormatError(
                "CS159", f"{str(self.path)!r} cannot be read: no such file. Expected a table. Check the path."
            ) from error
        except (pa.ArrowException, OSError) as error:
            raise self._damaged() from error
        with file:
            names = file.schema_arrow.names
            self.unread = self.reader.check_columns(names)
            number = 0
            batches = file.iter_batches(batch_size=1000, columns=[n for n in names if n not in self.unread], use_threads=False)
            while True:
                try:
                    batch = next(batches, None)
                except (pa.ArrowException, OSError) as error:
                    raise self._damaged() from error
                if batch is None:
                    return
                for row in batch.to_pylist():
                    number += 1
                    yield number, row, None

    def _damaged(self) -> InputFormatError:
        return InputFormatError(
            "CS536",
            f"{self.path.name!r} cannot be read as Parquet: it is damaged or another kind of file. Expected a whole table. Copy it again.",
        )


def _records(lines: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str] | None, str]]:
    """Yield (first line, cells, text) of each record of a CSV; cells is None where quotes do not pair.

    The csv module reads on to the next quote, however far; here a quote that is missing costs its own line, and the next ones are
    read as what they are.
    """
    source = iter(lines)
    waiting: deque[str] = deque()
    number = 0  # lines taken for good
    while True:
        held: list[str] = []
        n_quotes = size = 0
        cells: list[str] | None = None
        while line := waiting.popleft() if waiting else next(source, ""):
            held.append(line)
            size += len(line)
            n_quotes += line.count('"')
            if n_quotes % 2 == 0:
                cells = _cells("".join(held), delimiter)
                break
            if len(held) >= _MAX_LINES or size > MAX_BYTES:
                break
        if not held:
            return
        if cells is None and len(held) > 1:  # the first line is at fault: look at the others again
            waiting.extendleft(reversed(held[1:]))
            del held[1:]
        yield number + 1, cells, "".join(held)
        number += len(held)


def _cells(text: str, delimiter: str) -> list[str] | None:
    if '"' not in text:
        return text.rstrip("\r\n").split(delimiter)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


# ---------------------------------------------------------------------------------------------------------------------
# out


def export_events(events: Iterable[Event], path: str | Path, *, file_format: str | None = None) -> int:
    """Write events to a file that reads back as it was; return how many.

    The file appears whole or not at all. CSV cells that a spreadsheet would run as a formula get an apostrophe, which reading takes
    off again.

    Parameters
    ----------
    events : iterable of Event
    path : path
        ``.jsonl``, ``.csv``, ``.tsv`` (each also with ``.gz``) or ``.parquet``.
    file_format : {"jsonl", "csv", "tsv", "parquet"}, optional
        Where the ending does not tell.

    Raises
    ------
    ConfigError
        CS535 when the format is not known, CS537 when the file cannot be written.
    """
    path = Path(path)
    kind = format_of(path, file_format)
    if path.suffix.lower() == ".zst" or (path.suffix.lower() == ".gz" and kind == "parquet"):
        raise ConfigError(
            "CS535",
            f"{path.name!r} cannot be written in that compression. Expected .gz for text, or Parquet, which compresses by itself. "
            "Name it so.",
        )
    with _whole(path) as temporary:
        if kind == "parquet":
            return _write_parquet(events, temporary)
        opened: Any = gzip.open if path.suffix.lower() == ".gz" else open
        with opened(temporary, "wt", encoding="utf-8", newline="") as file:
            return _write_text(events, file, kind)


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _not_writable(path, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise _not_writable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _not_writable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        "CS537",
        f"{str(path)!r} cannot be written: {(error.strerror or type(error).__name__).lower()}. Expected a place with room. Name another.",
    )


def _write_text(events: Iterable[Event], file: TextIO, kind: str) -> int:
    n = 0
    writer = csv.writer(file, delimiter="\t" if kind == "tsv" else ",", lineterminator="\r\n")
    if kind != "jsonl":
        writer.writerow(FIELDS)
    for event in events:
        n += 1
        if kind == "jsonl":
            file.write(json.dumps(row_of(event), ensure_ascii=False) + "\n")
        else:
            row = row_of(event, flat=True)
            writer.writerow([_guarded(_as_cell(row.get(field))) for field in FIELDS])
    return n


def _as_cell(value: object) -> str:
    if value is None or value in ([], {}):
        return ""
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return value if isinstance(value, str) else repr(value)


def _guarded(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _write_parquet(events: Iterable[Event], path: Path) -> int:
    from codesuggest.notes.tables import arrow

    pa, parquet = arrow("pyarrow"), arrow("pyarrow.parquet")
    texts = pa.string()
    types = dict.fromkeys(FIELDS, texts) | {
        "when": pa.timestamp("us", tz="UTC"),
        "probability": pa.float64(),
        "evidence": pa.list_(pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64())]))),
        "versions": pa.map_(texts, texts),
    }
    schema = pa.schema([(field, types[field]) for field in FIELDS], metadata={"codesuggest.decisions": "1"})
    source = iter(events)
    n = 0
    with parquet.ParquetWriter(path, schema) as writer:
        while batch := list(islice(source, 10_000)):
            n += len(batch)
            writer.write_batch(pa.RecordBatch.from_pylist([_arrow_row(event) for event in batch], schema=schema))
    return n


def _arrow_row(event: Event) -> dict[str, Any]:
    row = row_of(event, flat=True)
    row["when"] = event.when
    if "evidence" in row:
        row["evidence"] = [[{"start": start, "end": end} for start, end in spans] for spans in row["evidence"]]
        row["versions"] = list(row["versions"].items())
    if "body" in row:
        row["body"] = json.dumps(row["body"], ensure_ascii=False)
    return row
