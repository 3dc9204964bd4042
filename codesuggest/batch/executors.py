"""Where chunks are scored: processes of this machine, a Dask cluster, or this process.

All three are executors of `concurrent.futures`; the run (`codesuggest.batch.run`) submits chunks and takes results in order, and
knows of no scheduler of its own. They differ in what is done about a process that ends:

- loky says which chunks were under way. They are tried again, one at a time in a fresh process; a chunk that ends it again is tried
  note by note, and a note that ends a process of its own twice is a failure (CS562).
- Dask itself hands the tasks of a lost worker to another one. Only when a chunk has ended several workers does it give up on it;
  its notes are then submitted one by one, and the one that Dask gives up on is the failure.

Decision (2026-11): loky (as joblib ships it) and not multiprocessing's own pool: it survives a worker that is killed, needs no
``if __name__ == "__main__"`` in the caller's script, and starts fresh interpreters, so no lock is inherited half-way. And not
``joblib.Parallel``: its generator hands out work as fast as workers finish, however late the results are taken, so that one slow note
lets all the results after it pile up in memory. What would change our mind: a bound on results not yet taken.
"""

from __future__ import annotations

import importlib
import os
import threading
import time
import uuid
from concurrent.futures import BrokenExecutor, Future
from typing import Any, Protocol

from codesuggest.batch.report import Counts
from codesuggest.batch.work import Chunk, ChunkResult, Task, failed, score_chunk
from codesuggest.errors import CodesuggestError, ConfigError, PrerequisiteError

__all__ = ["Executor", "open_executor"]

_KILLER = (
    "Note {note_id!r} ended the process that scored it, alone in a fresh one, more than once. The other notes are done. "
    "Did memory run out, or is it a fault of compiled code? Report it with the size and kind of the note."
)


class Executor(Protocol):
    """Scores chunks, any number at a time."""

    n_workers: int

    def submit(self, chunk: Chunk) -> Future[ChunkResult]:
        """Start a chunk."""

    def lost(self, error: BaseException) -> bool:
        """Whether an error says that a process ended, and not that scoring raised."""

    def again(self, chunk: Chunk) -> ChunkResult:
        """Score a chunk whose process ended, so that one note cannot end the run."""

    def renew(self) -> None:
        """Be ready for new chunks after `lost`."""

    def close(self, *, is_done: bool) -> None:
        """End the workers; at once when the run is not done."""


class _LocalExecutor:
    """Scoring in the caller's process: no isolation, no start-up."""

    n_workers = 1

    def __init__(self, task: Task) -> None:
        self._task = task

    def submit(self, chunk: Chunk) -> Future[ChunkResult]:
        future: Future[ChunkResult] = Future()
        try:
            future.set_result(score_chunk(self._task, chunk))
        except CodesuggestError as error:
            future.set_exception(error)
        return future

    def lost(self, error: BaseException) -> bool:
        return False

    def again(self, chunk: Chunk) -> ChunkResult:
        return score_chunk(self._task, chunk)

    def renew(self) -> None:
        pass

    def close(self, *, is_done: bool) -> None:
        pass


def _in_own_process(task: Task, chunk: Chunk) -> ChunkResult:
    return score_chunk(task, chunk, is_own_process=True)


class _ProcessExecutor:
    """Processes of this machine."""

    def __init__(self, task: Task, n_workers: int) -> None:
        self.n_workers = n_workers
        self._task = task
        self._pool: Any = _pool(n_workers)
        self._single: Any = None

    def submit(self, chunk: Chunk) -> Future[ChunkResult]:
        try:
            future: Future[ChunkResult] = self._pool.submit(_in_own_process, self._task, chunk)
        except BrokenExecutor as error:
            future = Future()
            future.set_exception(error)
        return future

    def lost(self, error: BaseException) -> bool:
        return isinstance(error, BrokenExecutor)

    def again(self, chunk: Chunk) -> ChunkResult:
        found = self._alone(chunk)
        return found if found is not None else _joined([self._again_note(single) for single in _singles(chunk)])

    def _again_note(self, single: Chunk) -> ChunkResult:
        for _ in range(2):
            found = self._alone(single)
            if found is not None:
                return found
        return failed(self._task, single, "CS562", _KILLER)

    def _alone(self, chunk: Chunk) -> ChunkResult | None:
        """Score a chunk in a process of its own; None when it ends the process."""
        if self._single is None:
            self._single = _pool(1)
        try:
            result: ChunkResult = self._single.submit(_in_own_process, self._task, chunk).result()
        except BrokenExecutor:
            self._single.shutdown(wait=True, kill_workers=True)
            self._single = None
            return None
        return result

    def renew(self) -> None:
        self.close(is_done=False)
        self._pool = _pool(self.n_workers)

    def close(self, *, is_done: bool) -> None:
        for pool in (self._pool, self._single):
            if pool is not None:
                pool.shutdown(wait=True, kill_workers=not is_done)
        self._single = None


def _pool(n_workers: int) -> Any:  # noqa: ANN401 - a class of a package without types
    loky = importlib.import_module("joblib.externals.loky")
    return loky.ProcessPoolExecutor(max_workers=n_workers, timeout=None, initializer=_end_with, initargs=(os.getpid(),))


def _end_with(parent: int) -> None:
    """End this worker when the process that started it is gone, however it went: loky's own workers would wait for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _singles(chunk: Chunk) -> list[Chunk]:
    return [Chunk(chunk.first + i, (item,)) for i, item in enumerate(chunk.items)]


def _joined(results: list[ChunkResult]) -> ChunkResult:
    counts = Counts()
    for result in results:
        counts.add(result.counts)
    return ChunkResult(
        b"".join(r.rows for r in results),
        b"".join(r.failures for r in results),
        b"".join(r.index for r in results),
        b"".join(r.changes for r in results),
        counts,
    )


class _DaskExecutor:
    """The workers of a Dask cluster that runs already.

    Raises
    ------
    PrerequisiteError
        CS559 when the extra is not installed; CS577 when nobody answers, or the cluster has no workers.
    """

    def __init__(self, task: Task, address: str) -> None:
        try:
            distributed = importlib.import_module("distributed")
        except ImportError as error:
            raise PrerequisiteError(
                "CS559",
                "A Dask cluster needs the package distributed, which is not installed. Run: pip install 'codesuggest[cluster]'.",
            ) from error
        self._task = task
        self._run = uuid.uuid4().hex[:8]  # names tasks only; nothing of it reaches the output
        self._killed: type[BaseException] = importlib.import_module("distributed.scheduler").KilledWorker
        try:
            self._client: Any = distributed.Client(address, timeout=15, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise _unreachable(address, type(error).__name__) from error
        self.n_workers = sum(self._client.nthreads().values())
        if not self.n_workers:
            self._client.close()
            raise _unreachable(address, "it has no workers")
        self._address = address
        self._n_tries = 0

    def submit(self, chunk: Chunk) -> Future[ChunkResult]:
        self._n_tries += 1
        future: Future[ChunkResult] = self._client.submit(
            score_chunk, self._task, chunk, key=f"codesuggest-{self._run}-{self._n_tries}", pure=False
        )
        return future

    def lost(self, error: BaseException) -> bool:
        if isinstance(error, self._killed):
            return True
        if type(error).__module__.partition(".")[0] in ("distributed", "asyncio", "concurrent"):
            raise _unreachable(self._address, type(error).__name__) from error
        return False

    def again(self, chunk: Chunk) -> ChunkResult:
        results = []
        for single in _singles(chunk):
            try:
                results.append(self.submit(single).result())
            except BaseException as error:
                if not self.lost(error):
                    raise
                results.append(failed(self._task, single, "CS562", _KILLER))
        return _joined(results)

    def renew(self) -> None:
        pass

    def close(self, *, is_done: bool) -> None:
        self._client.close()


def _unreachable(address: str, reason: str) -> PrerequisiteError:
    return PrerequisiteError(
        "CS577",
        f"The Dask cluster at {address!r} does not answer: {reason}. Expected a scheduler with workers. "
        "Check the address; what is done is kept, and the same command goes on.",
    )


def open_executor(task: Task, *, n_workers: int | None, dask: str | None) -> Executor:
    """Open the executor a run asks for.

    Parameters
    ----------
    task : Task
    n_workers : int or None
        Processes; 0 for this process; None for one a core.
    dask : str or None
        Address of a scheduler.
    """
    if dask is not None:
        return _DaskExecutor(task, dask)
    if n_workers is None:
        n_workers = int(importlib.import_module("joblib.externals.loky").cpu_count())
    if n_workers < 0:
        raise ConfigError("CS575", f"workers is {n_workers}. Expected 0 (this process) or more. Leave it out for one a core.")
    return _LocalExecutor(task) if n_workers == 0 else _ProcessExecutor(task, n_workers)
