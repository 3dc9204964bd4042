"""A run: notes in, chunks to the workers, results in order, one output at the end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codesuggest import __version__
from codesuggest.batch.earlier import Earlier, index_file
from codesuggest.batch.encode import Encoding, header_of, json_line, write_parquet
from codesuggest.batch.executors import Executor, open_executor
from codesuggest.batch.progress import Meter, progress_meter
from codesuggest.batch.report import ScoreReport
from codesuggest.batch.spool import Spool, cannot_write
from codesuggest.batch.tables import SCHEMA_VERSION
from codesuggest.batch.work import Chunk, ChunkResult, Item, Task, facts_digest
from codesuggest.errors import ConfigError
from codesuggest.notes.columns import Columns
from codesuggest.notes.sources import NoteSource
from codesuggest.records import Failure, Note

if TYPE_CHECKING:
    from codesuggest.suggester import Suggester

__all__ = ["score"]

_MAX_CHARACTERS = 400_000
_AHEAD = 2
"""Chunks under way for each worker: one that is scored, one that waits."""


def score(
    source: str | Path,
    *,
    to: str | Path,
    workers: int | None = None,
    model: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
    kind: str | None = None,
    delimiter: str | None = None,
    flat: bool = False,
    threshold: float | None = None,
    since: str | Path | None = None,
    dask: str | None = None,
    timeout_s: float = 60.0,
    chunk_notes: int = 64,
    restart: bool = False,
    progress: bool | None = None,
    loader: Callable[[str | None], Suggester] | None = None,
) -> ScoreReport:
    """Score every note of a folder or file, and write the results whole or not at all.

    An interrupted run goes on where it was when the same call is made again; the output is then byte for byte that of a run
    without interruption. It does not depend on `workers`, `dask` or `chunk_notes`.

    Parameters
    ----------
    source : path
        A folder of notes, or a file: JSON lines (also ``.gz``, ``.zst``), CSV, Parquet, a FHIR bundle or bulk export.
    to : path
        ``.jsonl``, ``.parquet``, or ``.csv`` with `flat`. Failures go to ``TO.failures.jsonl`` too, with reasons.
    workers : int, optional
        Processes; one a core when absent; 0 scores in this process, where a note that ends it ends the run.
    model : path, optional
        Model folder; the default model when absent.
    columns : mapping of str to str, optional
        Field of `Note` to the name of its column.
    defaults : mapping, optional
        Values of fields of `Note` that the input does not give, such as ``setting``.
    kind : {"text", "jsonl", "csv", "tsv", "parquet", "fhir"}, optional
        Of the input, where its ending does not tell.
    delimiter : str, optional
        Between the cells of a CSV file.
    flat : bool
        One row a suggestion, for spreadsheets.
    threshold : float in [0, 1], optional
        Probability from which a code is put forward; the model's own when absent.
    since : path, optional
        An earlier output: a note whose text, facts, model and tables are the same keeps its result.
    dask : str, optional
        Address of a Dask scheduler that runs already.
    timeout_s : float, greater than 0
        Longest time for one note, in seconds.
    chunk_notes : int, at least 1
        Notes a worker gets at a time.
    restart : bool
        Throw away the work of an unfinished run instead of going on with it.
    progress : bool, optional
        Show a bar; when absent, if standard error is a terminal.
    loader : callable, optional
        Opens the model in a worker; for models of your own kind.

    Returns
    -------
    ScoreReport

    Raises
    ------
    InputFormatError
        When the input cannot be read to its end (CS550 to CS558) or the earlier output cannot (CS580).
    ConfigError
        CS552, CS570, CS571, CS575 when a column, the output, the work folder or an option does not fit.
    PrerequisiteError
        CS559, CS574, CS577 when an extra, room on the disk, or the cluster is missing.

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "notes.jsonl").write_text('{"note_id": "n1", "text": "Assessment: gout."}')
    ...     report = score(f"{folder}/notes.jsonl", to=f"{folder}/out.jsonl", workers=0)
    ...     json.loads(Path(folder, "out.jsonl").read_text())["suggestions"][0]["code"]
    'M10.9'
    """
    from codesuggest.model import default_model_folder, read_manifest

    began = time.monotonic()
    _check(timeout_s=timeout_s, chunk_notes=chunk_notes, threshold=threshold)
    output = Path(to)
    encoding = Encoding.for_output(output, flat=flat)
    _check_output(output, Path(source))
    notes = NoteSource(source, columns=Columns(columns, defaults), kind=kind, delimiter=delimiter)
    manifest, digest = read_manifest(Path(model) if model is not None else default_model_folder())
    task = Task(
        str(Path(model).resolve()) if model is not None else None,
        digest,
        threshold,
        encoding.kind,
        flat,
        timeout_s,
        **({"loader": loader} if loader is not None else {}),
    )
    settings = {"schema": SCHEMA_VERSION, "threshold": threshold}
    identity = {
        **settings,
        "codesuggest": __version__,
        "model": digest,
        "releases": _releases(manifest["release"]["system"]),
        "input": notes.digest,
        "columns": notes.columns.names,
        "defaults": {k: str(v) for k, v in notes.columns.defaults.items()},
        "kind": kind,
        "delimiter": delimiter,
        "output": [encoding.kind, flat],
        "timeout_s": timeout_s,
        "since": _identity_of(since),
    }
    folder = output.with_name(output.name + ".parts")
    with Spool(folder, identity, header=header_of(encoding), restart=restart) as spool:
        n_resumed = spool.counts.n_notes
        n_workers = 0
        if not spool.is_finished:
            earlier = Earlier(Path(since), settings, folder / "earlier.sqlite") if since is not None else None
            executor = open_executor(task, n_workers=workers, dask=dask)
            n_workers = executor.n_workers
            try:
                with progress_meter(wanted=progress, n_resumed=n_resumed) as show:
                    run = _Run(notes, spool, executor, chunk_notes, earlier, show)
                    run.go()
            except BaseException:
                executor.close(is_done=False)
                raise
            finally:
                if earlier is not None:
                    earlier.close()
            executor.close(is_done=True)
            if encoding.kind == "parquet":
                try:
                    write_parquet(folder / "rows", folder / "output", flat=flat)
                except OSError as error:
                    raise cannot_write(folder, error) from error
            spool.finish()
        return _publish(spool, output, encoding, settings, n_resumed=n_resumed, n_workers=n_workers, began=began, since=since)


def _check(*, timeout_s: float, chunk_notes: int, threshold: float | None) -> None:
    if not timeout_s > 0:
        raise ConfigError("CS575", f"The time limit of a note is {timeout_s} s. Expected more than 0. Raise it.")
    if chunk_notes < 1:
        raise ConfigError("CS575", f"chunk_notes is {chunk_notes}. Expected 1 or more. Raise it, or leave it out.")
    if threshold is not None and not 0 <= threshold <= 1:
        raise ConfigError("CS575", f"The threshold is {threshold}. Expected a probability from 0 to 1. Choose one.")


def _check_output(output: Path, source: Path) -> None:
    if output.is_dir():
        raise ConfigError("CS570", f"The output {str(output)!r} is a folder. Expected a file. Name one in it.")
    if not output.parent.is_dir():
        raise ConfigError("CS570", f"The folder of the output {str(output)!r} does not exist. Expected one. Make it first.")
    inside = source.resolve() in output.resolve().parents if source.is_dir() else source.resolve() == output.resolve()
    if inside:
        raise ConfigError(
            "CS570",
            f"The output {str(output)!r} lies in the input {str(source)!r}. Expected another place: it would be read as notes.",
        )


def _identity_of(path: str | Path | None) -> list[int] | None:
    if path is None or not Path(path).is_file():
        return None
    facts = Path(path).stat()
    return [facts.st_size, facts.st_mtime_ns]


def _releases(system: str) -> list[list[str]]:
    from codesuggest.codes import Releases

    return [[i.name, i.sha256] for i in Releases().list() if i.system == system]


def _publish(
    spool: Spool,
    output: Path,
    encoding: Encoding,
    settings: Mapping[str, Any],
    *,
    n_resumed: int,
    n_workers: int,
    began: float,
    since: str | Path | None,
) -> ScoreReport:
    """Move the finished files to their places, the output last, so that whoever sees it sees the others."""
    _with_header(spool, settings)
    failures = output.with_name(output.name + ".failures.jsonl")
    changes = output.with_name(output.name + ".changes.jsonl")
    has_failures = spool.move("failures", failures, keep_empty=False)
    has_changes = spool.move("changes", changes, keep_empty=False)
    spool.move("index.whole", index_file(output), keep_empty=True)
    spool.move("output" if encoding.kind == "parquet" else "rows", output, keep_empty=True)
    counts = spool.counts
    spool.remove()
    return ScoreReport(
        output=output,
        n_notes=counts.n_notes,
        n_failures=counts.n_failures,
        failures_by_id=dict(sorted(counts.failures_by_id.items())),
        failures_file=failures if has_failures else None,
        changes_file=changes if has_changes and since is not None else None,
        n_codes=counts.n_codes,
        n_reused=counts.n_reused,
        n_changed=counts.n_changed,
        n_resumed=n_resumed,
        n_characters=counts.n_characters,
        seconds=time.monotonic() - began,
        n_workers=n_workers,
    )


def _with_header(spool: Spool, settings: Mapping[str, Any]) -> None:
    """Put the settings before the index, so that a later run knows what the output was made with."""
    source, whole = spool.folder / "index", spool.folder / "index.whole"
    if not source.is_file():
        return
    try:
        with source.open("rb") as lines, whole.open("wb") as file:
            file.write(json_line({"schema": 1, "settings": dict(settings)}))
            while block := lines.read(1 << 20):
                file.write(block)
    except OSError as error:
        raise cannot_write(whole, error) from error


@dataclass(slots=True)
class _Waiting:
    """A chunk under way, and how much of the input had been read with it."""

    chunk: Chunk
    share: float
    future: Future[ChunkResult]


@dataclass(slots=True)
class _Run:
    """The loop: as many chunks under way as the workers need, results taken in order."""

    notes: NoteSource
    spool: Spool
    executor: Executor
    chunk_notes: int
    earlier: Earlier | None
    show: Meter
    waiting: deque[_Waiting] = field(default_factory=deque)

    def go(self) -> None:
        """Score every note that is not done yet."""
        first = self.spool.counts.n_notes
        ahead = max(1, _AHEAD * self.executor.n_workers)
        for chunk in self._chunks(islice(iter(self.notes), first, None), first):
            while len(self.waiting) >= ahead:
                self._take()
            share = self.notes.position_bytes / self.notes.size_bytes if self.notes.size_bytes else 1.0
            self.waiting.append(_Waiting(chunk, min(share, 1.0), self.executor.submit(chunk)))
        while self.waiting:
            self._take()

    def _chunks(self, notes: Iterable[Note | Failure], first: int) -> Iterator[Chunk]:
        items: list[Item] = []
        n_characters = 0
        for note in notes:
            item = self.earlier.item(note) if self.earlier is not None else Item(note, facts_digest(note))
            items.append(item)
            n_characters += len(note.text) if isinstance(note, Note) else 0
            if len(items) >= self.chunk_notes or n_characters >= _MAX_CHARACTERS:
                yield Chunk(first, tuple(items))
                first += len(items)
                items, n_characters = [], 0
        if items:
            yield Chunk(first, tuple(items))

    def _take(self) -> None:
        """Keep the results of the chunk that is next in order."""
        head = self.waiting.popleft()
        try:
            result = head.future.result()
        except Exception as error:
            if not self.executor.lost(error):
                raise
            self._recover(head)
            return
        self._keep(head, result)

    def _keep(self, item: _Waiting, result: ChunkResult) -> None:
        self.spool.add(result)
        counts = self.spool.counts
        self.show(share=item.share, n_notes=counts.n_notes, n_failures=counts.n_failures)

    def _recover(self, head: _Waiting) -> None:
        """Go on after a process has ended: the chunks it took along one at a time, then all the workers again."""
        under_way = [head, *self.waiting]
        self.waiting.clear()
        errors = [item.future.exception() for item in under_way]  # waits: a broken pool answers for each of them
        for item, error in zip(under_way, errors, strict=True):
            if error is None:
                self._keep(item, item.future.result())
            elif self.executor.lost(error):
                self._keep(item, self.executor.again(item.chunk))
            else:
                raise error
        self.executor.renew()
