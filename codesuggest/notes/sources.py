"""One way in for collections of notes: a folder, JSON lines, CSV, Parquet, FHIR, C-CDA or HL7 v2, always in the same order."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from codesuggest.errors import CodesuggestError, InputFormatError
from codesuggest.notes.ccda import read_ccda
from codesuggest.notes.columns import Columns
from codesuggest.notes.document import notes_of
from codesuggest.notes.fhir import Facts, gather_facts, read_bundle, read_ndjson
from codesuggest.notes.hl7v2 import read_hl7
from codesuggest.notes.reading import ENDINGS, first_resource, format_of_bytes, read_html
from codesuggest.notes.streams import stem_and_kind
from codesuggest.notes.tables import read_csv, read_json_lines, read_parquet
from codesuggest.notes.text import decode, read_bytes
from codesuggest.records import Failure, Note

__all__ = ["KINDS", "NoteSource"]

KINDS: dict[str, str] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    **ENDINGS,
}
"""Ending to kind of file; a file of any other ending is the text of one note, unless it begins as HL7 v2, C-CDA, HTML or FHIR."""


class NoteSource:
    """The notes of a file or folder, read lazily and in a fixed order.

    Parameters
    ----------
    path : path
        A file, or a folder with files of any of these kinds, read by name, folders inside included. Files and folders whose
        names begin with a dot are left out; everything else is a note or a failure, so that nothing is lost in silence.
    columns : Columns, optional
        Which column is which field, and values for fields that are not given.
    kind : {"text", "jsonl", "csv", "tsv", "parquet", "fhir", "ccda", "hl7", "html"}, optional
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
        self._facts: Facts | None = None
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
                self._facts = None
            kind = self._kind_of(file)
            try:
                size = file.stat().st_size
            except OSError:
                size = 0  # gone since the start: reading it says so
            try:
                start = done

                def move(n: int, start: int = start) -> None:
                    self.position_bytes = start + n

                yield from self._notes(file, kind, name if stems[file.stem] > 1 else name.removesuffix(file.suffix), move)
            finally:
                done += size
                self.position_bytes = done

    def _kind_of(self, file: Path) -> str:
        return self.kind or KINDS.get(stem_and_kind(file)[1], "text")

    def _notes(self, file: Path, kind: str, note_id: str, move: Any) -> Iterator[Note | Failure]:  # noqa: ANN401 - a Position
        if kind == "text":
            note_id = note_id.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            try:
                data = read_bytes(file)
                kind = "text" if self.kind is not None else format_of_bytes(data[:4096])
                if kind == "text":
                    yield Note(note_id, decode(data, name=note_id).text, **_without_text(self.columns.defaults))
                    return
            except CodesuggestError as error:
                yield Failure(note_id, error.error_id, error.message)
                return
        defaults = self.columns.defaults
        if kind == "jsonl" and first_resource(file):
            facts = self._facts_of(file.parent) if self.path.is_dir() else Facts()
            yield from notes_of(read_ndjson(file, defaults, facts=facts, position=move, other=self.columns.note))
        elif kind == "jsonl":
            yield from read_json_lines(file, self.columns, move)
        elif kind == "parquet":
            yield from read_parquet(file, self.columns, move)
        elif kind == "fhir":
            yield from notes_of(read_bundle(file, defaults, move))
        elif kind == "hl7":
            yield from notes_of(read_hl7(file, defaults, move))
        elif kind == "ccda":
            yield from notes_of(read_ccda(file, defaults, note_id))
        elif kind == "html":
            yield from notes_of(read_html(file, defaults, note_id))
        else:
            yield from read_csv(file, self.columns, move, delimiter=self.delimiter or ("\t" if kind == "tsv" else ","))

    def _facts_of(self, folder: Path) -> Facts:
        """Collect the patients, encounters and coverages of a folder's bulk export, once."""
        if self._facts is None:
            self._facts = Facts()
            for file in sorted(folder.iterdir()):
                if self._kind_of(file) == "jsonl" and file.is_file() and first_resource(file) in Facts.TYPES:
                    gather_facts(file, self._facts)
        return self._facts


def _without_text(defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in defaults.items() if k not in ("note_id", "text")}
