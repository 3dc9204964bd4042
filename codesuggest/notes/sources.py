"""One way in for collections of notes: a folder, JSON lines, CSV, Parquet or FHIR, always in the same order."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from codesuggest.errors import CodesuggestError, InputFormatError
from codesuggest.notes.columns import Columns
from codesuggest.notes.fhir import read_fhir_json
from codesuggest.notes.streams import stem_and_kind
from codesuggest.notes.tables import read_csv, read_json_lines, read_parquet
from codesuggest.notes.text import decode, read_bytes
from codesuggest.records import Failure, Note

__all__ = ["KINDS", "NoteSource"]

KINDS: dict[str, str] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".json": "fhir",
}
"""Ending to kind of file; a file of any other ending is the text of one note."""


class NoteSource:
    """The notes of a file or folder, read lazily and in a fixed order.

    Parameters
    ----------
    path : path
        A file, or a folder with files of any of these kinds, read by name, folders inside included. Files and folders whose
        names begin with a dot are left out; everything else is a note or a failure, so that nothing is lost in silence.
    columns : Columns, optional
        Which column is which field, and values for fields that are not given.
    kind : {"text", "jsonl", "csv", "tsv", "parquet", "fhir"}, optional
        Read every file as this kind, whatever its ending.
    delimiter : str, optional
        Between the cells of a CSV file.

    Attributes
    ----------
    size_bytes : int
        Of all files.
    n_files : int
    position_bytes : int
        How much of them has been read.
    digest : str
        Of names, sizes and times of change: two runs with the same digest read the same notes.

    Raises
    ------
    InputFormatError
        CS550 when there is nothing to read at the path.
    """

    def __init__(
        self, path: str | Path, *, columns: Columns | None = None, kind: str | None = None, delimiter: str | None = None
    ) -> None:
        self.path = Path(path)
        self.columns = columns or Columns()
        self.kind = kind
        self.delimiter = delimiter
        self.position_bytes = 0
        if not self.path.exists():
            raise InputFormatError(
                "CS550", f"{str(self.path)!r} does not exist. Expected a folder of notes, or a file of them. Check the path."
            )
        digest = hashlib.sha256()
        self.size_bytes = 0
        self.n_files = 0
        for file, name in self._files():
            facts = file.stat()
            self.size_bytes += facts.st_size
            self.n_files += 1
            digest.update(f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
        self.digest = digest.hexdigest()
        if not self.n_files:
            raise InputFormatError(
                "CS550",
                f"The folder {str(self.path)!r} holds no files. Expected text files, or .jsonl, .csv, .parquet or FHIR .json.",
            )

    def _files(self) -> Iterator[tuple[Path, str]]:
        """Yield (file, path relative to the source) in order; a folder at a time, so that memory stays flat."""
        if not self.path.is_dir():
            yield self.path, self.path.name
            return
        waiting = [self.path]
        while waiting:
            folder = waiting.pop()
            with os.scandir(folder) as found:
                entries = sorted((e.name, e.is_dir(follow_symlinks=False)) for e in found if not e.name.startswith("."))
            for name, is_folder in entries:
                if not is_folder:
                    file = folder / name
                    yield file, file.relative_to(self.path).as_posix()
            waiting += [folder / name for name, is_folder in reversed(entries) if is_folder]

    def __iter__(self) -> Iterator[Note | Failure]:
        done = 0
        folder: Path | None = None
        stems: Counter[str] = Counter()
        for file, name in self._files():
            if self.path.is_dir() and file.parent != folder:
                folder = file.parent
                stems = Counter(Path(n).stem for n in os.listdir(folder))  # noqa: PTH208 - names alone are needed
            kind = self._kind_of(file)
            try:
                size = file.stat().st_size
            except OSError:
                size = 0  # gone since the start: reading it says so
            try:
                if kind == "text":
                    yield self._text(file, name if stems[file.stem] > 1 else name.removesuffix(file.suffix))
                else:
                    start = done

                    def move(n: int, start: int = start) -> None:
                        self.position_bytes = start + n

                    yield from self._table(file, kind, move)
            finally:
                done += size
                self.position_bytes = done

    def _kind_of(self, file: Path) -> str:
        return self.kind or KINDS.get(stem_and_kind(file)[1], "text")

    def _table(self, file: Path, kind: str, move: Any) -> Iterator[Note | Failure]:  # noqa: ANN401 - a Position
        if kind == "jsonl":
            return read_json_lines(file, self.columns, move)
        if kind == "parquet":
            return read_parquet(file, self.columns, move)
        if kind == "fhir":
            return read_fhir_json(file, self.columns.defaults)
        return read_csv(file, self.columns, move, delimiter=self.delimiter or ("\t" if kind == "tsv" else ","))

    def _text(self, file: Path, note_id: str) -> Note | Failure:
        note_id = note_id.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        try:
            return Note(note_id, decode(read_bytes(file), name=note_id).text, **_without_text(self.columns.defaults))
        except CodesuggestError as error:
            return Failure(note_id, error.error_id, error.message)


def _without_text(defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in defaults.items() if k not in ("note_id", "text")}
