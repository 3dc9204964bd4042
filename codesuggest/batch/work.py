"""What a worker does: score the notes of a chunk and return the bytes of their results.

A note that cannot be scored is a failure in its place: CS560 for a fault of the program, CS561 for a note that takes too long. No
message holds text of a note. What stops the whole process (a fault in compiled code, memory that runs out) is met by
`codesuggest.batch.executors`, which tries the notes of the chunk alone.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import hashlib
import json
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from codesuggest.batch.anchoring import anchor_excerpts
from codesuggest.batch.encode import Encoding, json_line
from codesuggest.batch.report import Counts
from codesuggest.errors import BundleError, CodesuggestError
from codesuggest.records import Failure, Note

if TYPE_CHECKING:
    from codesuggest.suggester import Suggester

__all__ = [
    "Chunk",
    "ChunkResult",
    "Item",
    "Task",
    "facts_digest",
    "failed",
    "fault",
    "open_suggester",
    "score_chunk",
    "score_notes",
    "score_one",
]


def _load(model: str | None) -> Suggester:
    from codesuggest.suggester import load

    suggester = load(model)
    suggester.warm_up()  # so that no note pays for the edits' tables within its time limit
    return suggester


@dataclass(frozen=True, slots=True)
class Task:
    """What every worker of a run has to know.

    Parameters
    ----------
    model : str or None
        Folder of the model, as a worker sees it.
    model_sha256 : str
        A worker that finds another model there refuses.
    threshold : float or None
    kind : str
        Of the output: jsonl, parquet or csv.
    flat : bool
    timeout_s : float
        Longest time for one note.
    loader : callable
        Opens the model.
    """

    model: str | None
    model_sha256: str
    threshold: float | None = None
    kind: str = "jsonl"
    flat: bool = False
    timeout_s: float = 60.0
    loader: Callable[[str | None], Suggester] = field(default=_load, repr=False)


@dataclass(frozen=True, slots=True)
class Item:
    """A note to score.

    Parameters
    ----------
    note : Note or Failure
    facts : str
        Digest of everything about the note but its text.
    earlier : bytes or None
        JSON of the result in an earlier output.
    same_facts : bool
        Whether that result was made from the same facts and settings.
    """

    note: Note | Failure
    facts: str = ""
    earlier: bytes | None = field(default=None, repr=False)
    same_facts: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive notes; `first` counts from 0 in the whole input."""

    first: int
    items: tuple[Item, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """The bytes that a chunk adds to each file of the run, and its sums."""

    rows: bytes = field(repr=False)
    failures: bytes = field(repr=False)
    index: bytes = field(repr=False)
    changes: bytes = field(repr=False)
    counts: Counts


def facts_digest(note: Note | Failure) -> str:
    """Return a digest of what is known of a note besides its text.

    Examples
    --------
    >>> facts_digest(Note("n1", "a")) == facts_digest(Note("n1", "b")) != facts_digest(Note("n1", "b", sex="F"))
    True
    """
    if isinstance(note, Failure):
        return ""
    facts = [note.kind, note.encounter_id, str(note.date_of_service), note.setting, note.age_years, note.sex, note.payer]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


_open: dict[tuple[object, ...], Suggester] = {}
_opening = threading.Lock()


def _suggester(task: Task, *, is_own_process: bool) -> Suggester:
    """Open the model once a process; its arrays are mapped from the file, so the processes of a machine share them."""
    key = (task.loader, task.model, task.model_sha256, task.threshold)
    with _opening:
        found = _open.get(key)
        if found is None:
            found = task.loader(task.model)
            if found.model.sha256 != task.model_sha256:
                raise BundleError(
                    "CS576",
                    f"This worker has the model {found.model.sha256[:12]}, and the run uses {task.model_sha256[:12]}. "
                    "Expected the same on every machine. Install the same codesuggest there, or copy the model folder.",
                )
            if task.threshold is not None:
                found.threshold = task.threshold
            _open.clear()
            _versions_of.clear()
            _open[key] = found
            if is_own_process:
                gc.collect()
                gc.freeze()  # what a model holds stays: the collector need not walk it for each note
    return found


def score_chunk(task: Task, chunk: Chunk, *, is_own_process: bool = False) -> ChunkResult:
    """Score the notes of a chunk.

    Parameters
    ----------
    task : Task
    chunk : Chunk
    is_own_process : bool
        Whether the process serves this run alone, so that it may be ended when compiled code does not come back.

    Raises
    ------
    BundleError
        When the model cannot be opened, or is another one (CS576).
    MemoryError
        In a process of its own, which is then no longer to be trusted.
    """
    suggester = _suggester(task, is_own_process=is_own_process)
    rows = []
    index, changes = [], []
    counts = Counts()
    with _clock(task.timeout_s, is_own_process=is_own_process) as limit:
        for i, item in enumerate(chunk.items):
            row = None
            if item.earlier is not None:
                row = _still_good(suggester, item)
                counts.n_reused += row is not None
            if row is None:
                row = score_one(suggester, item.note, limit, task.timeout_s, is_own_process=is_own_process)
                if item.earlier is not None:
                    counts.n_changed += 1
                    changes.append(json_line(_changes(item, row, chunk.first + i + 1)))
            if isinstance(item.note, Note):
                counts.n_characters += len(item.note.text)
            index.append(json_line({"note_id": row["note_id"], "facts": item.facts}))
            rows.append(row)
    return _pack(task, chunk, rows, index, changes, counts)


def open_suggester(model: str | None, threshold: float | None = None) -> Suggester:
    """Open a model, with another threshold where one is given."""
    suggester = _load(model)
    if threshold is not None:
        suggester.threshold = threshold
    return suggester


def score_notes(suggester: Suggester, notes: Iterable[Note | Failure], *, timeout_s: float) -> list[dict[str, Any]]:
    """Return the JSON objects of some notes, in order."""
    with _clock(timeout_s, is_own_process=False) as limit:
        return [score_one(suggester, note, limit, timeout_s) for note in notes]


def failed(task: Task, chunk: Chunk, error_id: str, message: str) -> ChunkResult:
    """Return the result of a chunk whose notes all failed for one reason."""
    rows = [Failure(item.note.note_id, error_id, message.format(note_id=item.note.note_id)).to_dict() for item in chunk.items]
    index = [json_line({"note_id": item.note.note_id, "facts": item.facts}) for item in chunk.items]
    counts = Counts(n_characters=sum(len(i.note.text) for i in chunk.items if isinstance(i.note, Note)))
    return _pack(task, chunk, rows, index, [], counts)


def _pack(
    task: Task, chunk: Chunk, rows: list[dict[str, Any]], index: list[bytes], changes: list[bytes], counts: Counts
) -> ChunkResult:
    failures = []
    counts.n_notes = len(rows)
    for number, row in enumerate(rows, chunk.first + 1):
        if "error" in row:
            failures.append(json_line({"schema": 1, "number": number, "note_id": row["note_id"], "error": row["error"]}))
            error_id = row["error"]["id"]
            counts.failures_by_id[error_id] = counts.failures_by_id.get(error_id, 0) + 1
            counts.n_failures += 1
        else:
            counts.n_suggestions += len(row["suggestions"])
            counts.n_codes += sum(1 for s in row["suggestions"] if s["selected"])
    data = Encoding(task.kind, flat=task.flat).encode(rows)
    return ChunkResult(data, b"".join(failures), b"".join(index), b"".join(changes), counts)


def score_one(
    suggester: Suggester, note: Note | Failure, limit: _Limit, timeout_s: float, *, is_own_process: bool = False
) -> dict[str, Any]:
    """Return the JSON object of one note: its result, or the failure in its place."""
    if isinstance(note, Failure):
        return note.to_dict()
    try:
        limit.start()
        try:
            return suggester.suggest(note).to_dict()
        finally:
            limit.stop()
    except CodesuggestError as error:
        return Failure(note.note_id, error.error_id, error.message).to_dict()
    except TooLongError:
        message = f"Note {note.note_id!r} was given up after {timeout_s:g} s ({len(note.text):,} characters). Raise --timeout, or split it."
        return Failure(note.note_id, "CS561", message).to_dict()
    except Exception as error:
        if is_own_process and isinstance(error, MemoryError):
            os._exit(70)  # what else was lost nobody knows: the notes are tried alone in a fresh process
        return Failure(note.note_id, "CS560", f"Note {note.note_id!r}: {fault(error)}").to_dict()


def fault(error: BaseException) -> str:
    """Describe a fault of the program without its message, which may hold text of a note."""
    package = Path(__file__).parent.parent
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if Path(f.filename).is_relative_to(package)]
    places = " > ".join(f"{Path(f.filename).relative_to(package).as_posix()}:{f.lineno}" for f in own[-3:])
    reference = hashlib.sha256(f"{type(error).__name__} {places}".encode()).hexdigest()[:8]
    return (
        f"codesuggest failed: {type(error).__name__} at {places} (reference {reference}). "
        "This is a fault of the program, not of the note. Report it with this line; it holds no text of the note."
    )


# ---------------------------------------------------------------------------------------------------------------------
# earlier results


def _still_good(suggester: Suggester, item: Item) -> dict[str, Any] | None:
    """Return the earlier result when text, facts, model and tables are the same."""
    earlier: dict[str, Any] = json.loads(item.earlier or b"{}")
    note = item.note
    if isinstance(note, Failure) or "error" in earlier or not item.same_facts:
        return None
    if earlier.get("text_sha256") != _sha256(note.text) or earlier.get("versions") != _versions(suggester, note):
        return None
    return earlier


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _versions(suggester: Suggester, note: Note) -> dict[str, str] | None:
    """Return the versions that a result of the note would carry: they depend on its date alone."""
    known: dict[object, dict[str, str] | None] = _versions_of.setdefault(id(suggester), {})
    day = note.date_of_service
    if day not in known:
        try:
            known[day] = dict(suggester.suggest(Note("versions", "Asthma.", date_of_service=day)).versions)
        except CodesuggestError:
            known[day] = None
    return known[day]


_versions_of: dict[int, dict[object, dict[str, str] | None]] = {}


def _changes(item: Item, row: dict[str, Any], number: int) -> dict[str, Any]:
    """Say what became of an earlier result: codes that came and went, and evidence that stands or does not; offsets alone."""
    earlier: dict[str, Any] = json.loads(item.earlier or b"{}")
    reasons = []
    if "error" in earlier:
        reasons.append("failed earlier")
    else:
        if earlier.get("text_sha256") != row.get("text_sha256"):
            reasons.append("text")
        if earlier.get("versions") != row.get("versions") and "versions" in row:
            reasons.append("versions")
        if not item.same_facts:
            reasons.append("facts")
    before = [s for s in earlier.get("suggestions", ()) if s["selected"]]
    after = {s["code"] for s in row.get("suggestions", ()) if s["selected"]}
    text = item.note.text if isinstance(item.note, Note) else ""
    evidence = [(s["code"], e) for s in before for e in s["evidence"]]
    places = anchor_excerpts(text, [(e["start"], e["excerpt"]) for _, e in evidence])
    standing, lost = [], []
    for (code, _), place in zip(evidence, places, strict=True):
        old = {"code": code, "start": place.old.start, "end": place.old.end}
        if place.new is None:
            lost.append(old)
        else:
            standing.append({**old, "new_start": place.new.start, "new_end": place.new.end})
    codes = {s["code"] for s in before}
    return {
        "schema": 1,
        "number": number,
        "note_id": row["note_id"],
        "reasons": reasons,
        "codes_added": sorted(after - codes),
        "codes_gone": sorted(codes - after),
        "evidence_standing": standing,
        "evidence_lost": lost,
    }


# ---------------------------------------------------------------------------------------------------------------------
# the time limit of a note


class TooLongError(BaseException):
    """Raised inside the scoring of a note when its time is up; no `except Exception` on the way holds it up."""


class _Limit:
    """A clock for one note after the other; this one has no limit."""

    def start(self) -> None:
        """Start the time of a note."""

    def stop(self) -> None:
        """End it."""


class _SignalLimit(_Limit):
    """By the alarm signal: it also interrupts a regular expression that backtracks. Needs the main thread."""

    def __init__(self, timeout_s: float, quiet: IO[bytes] | None) -> None:
        self._timeout_s = timeout_s
        self._is_on = False
        self._quiet = quiet

    def fire(self, *_: object) -> None:
        if self._is_on:
            raise TooLongError

    def start(self) -> None:
        self._is_on = True
        if self._quiet is not None:  # compiled code that does not come back sees no signal: end the process
            faulthandler.dump_traceback_later(2 * self._timeout_s + 1, exit=True, file=self._quiet)
        signal.setitimer(signal.ITIMER_REAL, self._timeout_s)

    def stop(self) -> None:
        self._is_on = False
        signal.setitimer(signal.ITIMER_REAL, 0)


class _ThreadLimit(_Limit):
    """By an exception set from another thread, where there is no main thread to signal (a Dask worker)."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._note = 0
        self._timer: threading.Timer | None = None

    def start(self) -> None:
        self._note += 1
        self._timer = threading.Timer(self._timeout_s, self._fire, (self._note, threading.get_ident()))
        self._timer.daemon = True
        self._timer.start()

    def _fire(self, note: int, thread: int) -> None:
        with self._lock:
            if note == self._note:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(TooLongError))

    def stop(self) -> None:
        with self._lock:
            self._note += 1
        if self._timer is not None:
            self._timer.cancel()


@contextmanager
def _clock(timeout_s: float, *, is_own_process: bool) -> Iterator[_Limit]:
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield _ThreadLimit(timeout_s)
        return
    quiet = Path(os.devnull).open("wb") if is_own_process else None  # noqa: SIM115 - closed below
    limit = _SignalLimit(timeout_s, quiet)
    before = signal.signal(signal.SIGALRM, limit.fire)
    try:
        yield limit
    finally:
        limit.stop()
        signal.signal(signal.SIGALRM, before)
        if quiet is not None:
            faulthandler.cancel_dump_traceback_later()
            quiet.close()
