"""Reads notes in processes of their own, so that a long chart does not hold up fifty coders who turn a page.

A note that ends its process, or takes too long, is a failure; the process is made anew and the server goes on.
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
import logging
import math
import os
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from codesuggest.desk.settings import DeskSettings
from codesuggest.errors import CodesuggestError
from codesuggest.records import Failure, Note

if TYPE_CHECKING:
    from codesuggest.suggester import Suggester

__all__ = ["Scored", "Scorer", "n_near_threshold"]

_log = logging.getLogger("codesuggest.desk")
_suggester: Suggester | None = None  # of a worker process


@dataclass(frozen=True, slots=True)
class Scored:
    """What was said about one note.

    Parameters
    ----------
    result : str
        JSON of the result, or of the failure in its place.
    n_near : int
        Codes near the threshold.
    failed : bool
    status : int
        What the API answers with: 200, or that of the error.
    """

    result: str
    n_near: int
    failed: bool
    status: int


def n_near_threshold(probabilities: Iterable[float], threshold: float) -> int:
    """Count the codes whose odds are within a factor e of the threshold's: those that a little more or less would turn.

    Examples
    --------
    >>> n_near_threshold([0.99, 0.55, 0.4, 0.1], 0.5)
    2
    """

    def logit(p: float) -> float:
        return math.log(p / (1 - p))

    inside = (p for p in probabilities if 0 < p < 1)
    return sum(abs(logit(p) - logit(threshold)) < 1 for p in inside) if 0 < threshold < 1 else 0


def _start(parent: int, model: str | None) -> None:
    """Open the model, and end this process when the server is gone, however it went."""
    global _suggester

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    from codesuggest.suggester import load

    _suggester = load(model)
    _suggester.warm_up()


def _score(note: Note) -> Scored:
    if _suggester is None:  # the initializer did not run: not a state that loky leaves us in
        raise RuntimeError("no model")
    try:
        result = _suggester.suggest(note)
    except CodesuggestError as error:
        return Scored(json.dumps(Failure(note.note_id, error.error_id, error.message).to_dict()), 0, True, error.status)
    near = n_near_threshold((s.probability for s in result.suggestions), _suggester.threshold)
    return Scored(json.dumps(result.to_dict(), separators=(",", ":")), near, False, 200)


def _queries(notes: list[Note]) -> dict[str, list[dict[str, Any]]]:
    """Return what a physician should be asked about an encounter, by the note that raises it."""
    if _suggester is None:
        raise RuntimeError("no model")
    from codesuggest.querying import QueryFinder

    found: dict[str, list[dict[str, Any]]] = {}
    try:
        for query in QueryFinder(_suggester).find(notes):
            found.setdefault(query.note_id, []).append(query.to_dict())
    except CodesuggestError:
        return {}  # said already in the note's own place
    return found


def _ready() -> bool:
    return _suggester is not None


class Scorer:
    """A pool of processes that hold the model.

    Parameters
    ----------
    settings : DeskSettings
        `workers`, `model`, `suggest_seconds`.

    Notes
    -----
    Safe to use from several threads. A request waits its turn; it does not wait longer than `suggest_seconds` plus the time
    until its turn.
    """

    def __init__(self, settings: DeskSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._pool: Any = None

    def _executor(self) -> Any:  # noqa: ANN401 - a class of a package without types
        with self._lock:
            if self._pool is None:
                loky = importlib.import_module("joblib.externals.loky")
                self._pool = loky.ProcessPoolExecutor(
                    max_workers=self.settings.workers,
                    timeout=None,
                    initializer=_start,
                    initargs=(os.getpid(), self.settings.model),
                )
            return self._pool

    def warm_up(self) -> None:
        """Start the processes and open the model."""
        self._executor().submit(_ready).result()

    def submit(self, note: Note) -> Future[Scored]:
        """Start to read a note."""
        for _ in range(2):
            pool = self._executor()
            try:
                future: Future[Scored] = pool.submit(_score, note)
            except (BrokenExecutor, RuntimeError):
                self._renew(pool)
            else:
                return future
        return self._executor().submit(_score, note)  # type: ignore[no-any-return]

    def score(self, note: Note) -> Scored:
        """Read a note. What goes wrong is in the result, never raised."""
        for last in (False, True):
            pool = self._executor()
            future = self.submit(note)
            try:
                return future.result(timeout=self.settings.suggest_seconds * 2)
            except FutureTimeoutError:
                self._renew(pool)
                return _failure(note, "CS641", f"took longer than {self.settings.suggest_seconds * 2:g} seconds to read")
            except (BrokenExecutor, RuntimeError) as error:  # perhaps by another note, or the pool was made anew meanwhile
                _log.warning("a process that reads notes ended: %s", type(error).__name__)
                self._renew(pool)
                if last:
                    return _failure(note, "CS642", "ended the process that read it")
        raise AssertionError("unreachable")

    def score_many(self, notes: Iterable[Note]) -> Iterator[Scored]:
        """Read notes, in order, a few at a time."""
        waiting: list[tuple[Note, Future[Scored]]] = []

        def first() -> Scored:
            note, future = waiting.pop(0)
            try:
                return future.result(timeout=self.settings.suggest_seconds * 2)
            except (FutureTimeoutError, BrokenExecutor, RuntimeError):
                future.cancel()
                return self.score(note)

        for note in notes:
            waiting.append((note, self.submit(note)))
            if len(waiting) > 2 * self.settings.workers:
                yield first()
        while waiting:
            yield first()

    def with_queries(self, scored: Iterable[tuple[Note, Scored]]) -> list[tuple[Note, Scored]]:
        """Add to the results what a physician should be asked, the notes of an encounter read together, in order of time.

        A query is raised where no document of the encounter answers it; one that comes later may. A chart whose documents cannot
        be read in time has none.
        """
        part = list(scored)
        encounters: dict[str, list[Note]] = {}
        for note, done in part:
            if not done.failed:
                encounters.setdefault(note.encounter_id or note.note_id, []).append(note)
        asked = []
        for notes in encounters.values():
            notes.sort(key=lambda n: (n.date_of_service is None, n.date_of_service or dt.date.min))
            asked.append(self._executor().submit(_queries, notes))
        found: dict[str, list[dict[str, Any]]] = {}
        for future in asked:
            try:
                found |= future.result(timeout=self.settings.suggest_seconds * 2)
            except (FutureTimeoutError, BrokenExecutor, RuntimeError) as error:
                _log.warning("no queries for a chart: %s", type(error).__name__)
        return [
            (
                note,
                replace(
                    done, result=json.dumps({**json.loads(done.result), "queries": found[note.note_id]}, separators=(",", ":"))
                ),
            )
            if note.note_id in found
            else (note, done)
            for note, done in part
        ]

    def _renew(self, old: Any) -> None:  # noqa: ANN401 - see _executor
        with self._lock:
            if self._pool is not old:
                return
            self._pool = None
        old.shutdown(wait=False, kill_workers=True)

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, kill_workers=True)


def _failure(note: Note, error_id: str, what: str) -> Scored:
    message = f"Note {note.note_id!r} {what}. Expected a clinical note of ordinary length. Report it with its size and kind."
    return Scored(json.dumps(Failure(note.note_id, error_id, message).to_dict()), 0, True, 500)
