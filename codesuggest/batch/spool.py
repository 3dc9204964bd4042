"""What a run has done so far, in a folder beside the output; safe against a kill at any moment.

::

    OUT.parts/
      run.json      what the run is: input, model, options. Another run may not go on with it.
      rows          results so far, in order
      failures      notes that failed so far
      index         id and facts of each note so far
      changes       earlier evidence of changed notes so far
      journal       one line a chunk: how long the files are with it, and its sums
      lock          held while a run works

A chunk counts when its journal line is whole. Bytes beyond the last line are cut off when the run goes on, so a note is there once or
not yet. Results arrive in order: what is done is always the first so many notes, whatever the chunk size was.

Decision (2026-11): files that grow, and not one file a chunk: no thousands of files, and the finished output is moved, not copied
(a disk need not hold it twice). What would change our mind: results that arrive out of order.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO

from codesuggest.batch.report import Counts
from codesuggest.batch.work import ChunkResult
from codesuggest.errors import BundleError, ConfigError, DecisionConflictError, PrerequisiteError

__all__ = ["STREAMS", "Spool"]

STREAMS = ("rows", "failures", "index", "changes")
_FORMAT = 1


class Spool:
    """The work folder of a run.

    Parameters
    ----------
    folder : Path
    run : mapping
        What decides the output: the same for the run that goes on as for the one that was interrupted.
    header : bytes
        What the output begins with.
    restart : bool
        Throw away what another run left.

    Attributes
    ----------
    counts : Counts
        Of the notes that are done.
    is_finished : bool
        Whether every note is done and only the move is left.

    Raises
    ------
    ConfigError
        CS571 when the folder belongs to another run.
    DecisionConflictError
        CS572 when a run works on it.
    BundleError
        CS573 when it is damaged.
    PrerequisiteError
        CS574 when it cannot be written.
    """

    def __init__(self, folder: Path, run: Mapping[str, Any], *, header: bytes = b"", restart: bool = False) -> None:
        self.folder = folder
        self.counts = Counts()
        self.is_finished = False
        self._files: dict[str, BinaryIO] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock: IO[bytes] | None = _locked(folder / "lock")
        except OSError as error:
            raise cannot_write(folder, error) from error
        try:
            self._open({"format": _FORMAT, **run}, header, restart=restart)
        except OSError as error:
            self.close()
            raise cannot_write(folder, error) from error
        except BaseException:
            self.close()
            raise

    def _open(self, run: Mapping[str, Any], header: bytes, *, restart: bool) -> None:
        manifest = self.folder / "run.json"
        if restart:
            for name in ("run.json", "journal", "output", *STREAMS):
                (self.folder / name).unlink(missing_ok=True)
        if manifest.is_file():
            self._check(manifest, run)
        else:
            for name in ("journal", *STREAMS):
                (self.folder / name).unlink(missing_ok=True)
            whole = self.folder / "run.json.new"
            whole.write_text(json.dumps(run, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            _sync(whole)
            whole.replace(manifest)
        sizes = self._read_journal(header)
        if self.is_finished:
            return
        for name in STREAMS:
            path = self.folder / name
            path.touch()
            if path.stat().st_size < sizes[name]:
                raise _damaged(self.folder, f"{name} is shorter than its journal says")
            os.truncate(path, sizes[name])
            self._files[name] = path.open("ab", buffering=0)
        self._files["journal"] = (self.folder / "journal").open("ab", buffering=0)
        if header and sizes["rows"] == 0:
            self._write("rows", header)

    def _check(self, manifest: Path, run: Mapping[str, Any]) -> None:
        try:
            found = json.loads(manifest.read_bytes())
        except ValueError as error:
            raise _damaged(self.folder, "run.json is not readable") from error
        wanted = json.loads(json.dumps(run))
        if found != wanted:
            names = sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k))
            raise ConfigError(
                "CS571",
                f"{str(self.folder)!r} belongs to an unfinished run with another {', '.join(names)}. Expected the same command. "
                "Finish that run with its own command, or add --restart to throw its work away.",
            )

    def _read_journal(self, header: bytes) -> dict[str, int]:
        """Read the journal up to its last whole line whose chunk is whole; cut off the rest, and return the sizes."""
        path = self.folder / "journal"
        path.touch()
        data = path.read_bytes()
        lines: list[tuple[int, dict[str, Any]]] = []
        end = 0
        for line in data.splitlines(keepends=True):
            end += len(line)
            try:
                entry = json.loads(line)
                if not line.endswith(b"\n"):
                    break
            except ValueError:
                if end < len(data):
                    raise _damaged(self.folder, "its journal has a line that is not readable") from None
                break
            if "finished" in entry:
                self.is_finished = True
                continue
            lines.append((end, entry))
        while lines and not self.is_finished and not self._is_whole(lines, header):
            lines.pop()
        for _, entry in lines:
            self.counts.add(Counts.from_dict(entry["counts"]))
        if not self.is_finished:
            os.truncate(path, lines[-1][0] if lines else 0)
        return {name: lines[-1][1]["sizes"][name] if lines else 0 for name in STREAMS}

    def _is_whole(self, lines: list[tuple[int, dict[str, Any]]], header: bytes) -> bool:
        """Whether the bytes of the last chunk are those that were written: a machine that lost power may not have them."""
        entry = lines[-1][1]
        start = lines[-2][1]["sizes"]["rows"] if len(lines) > 1 else len(header)
        try:
            with (self.folder / "rows").open("rb") as rows:
                rows.seek(start)
                data = rows.read(entry["sizes"]["rows"] - start)
        except FileNotFoundError:
            return False
        return len(data) == int(entry["sizes"]["rows"]) - start and zlib.crc32(data) == int(entry["crc32"])

    def add(self, result: ChunkResult) -> None:
        """Keep the results of the next chunk.

        Raises
        ------
        PrerequisiteError
            CS574 when they cannot be written, for example on a full disk; what was done before stays.
        """
        try:
            for name in STREAMS:
                self._write(name, getattr(result, name))
            os.fsync(self._files["rows"].fileno())
            entry = {
                "sizes": {name: self._files[name].tell() for name in STREAMS},
                "crc32": zlib.crc32(result.rows),
                "counts": result.counts.to_dict(),
            }
            self._write("journal", json.dumps(entry).encode() + b"\n")
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        self.counts.add(result.counts)

    def _write(self, name: str, data: bytes) -> None:
        file, left = self._files[name], memoryview(data)
        while left:
            left = left[file.write(left) :]

    def finish(self) -> None:
        """Say that every note is done: from here on only the move is left."""
        try:
            for name in STREAMS:
                os.fsync(self._files[name].fileno())
            self._write("journal", b'{"finished": true}\n')
            os.fsync(self._files["journal"].fileno())
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        self.is_finished = True

    def move(self, name: str, target: Path, *, keep_empty: bool) -> bool:
        """Move a finished file to its place in one step; return whether there is one at its place.

        Parameters
        ----------
        name : str
        target : Path
        keep_empty : bool
            Whether an empty file is moved too. Otherwise it is removed, with what an earlier run left at `target`.
        """
        source = self.folder / name
        try:
            if source.is_file():
                if source.stat().st_size or keep_empty:
                    source.replace(target)
                else:
                    target.unlink(missing_ok=True)
                    source.unlink()
        except OSError as error:
            raise cannot_write(target, error) from error
        return target.is_file()

    def remove(self) -> None:
        """Remove the folder; nothing of it is needed any more."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Close the files; the work stays."""
        for file in self._files.values():
            with contextlib.suppress(OSError):
                file.close()
        self._files = {}
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _locked(path: Path) -> IO[bytes]:
    """Open a file and hold a lock on it that ends with the process, however that ends."""
    file = path.open("ab")
    try:
        fcntl = importlib.import_module("fcntl")
    except ImportError:  # Windows: two runs on one output are the user's own affair there
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        if isinstance(error, BlockingIOError):
            raise DecisionConflictError(
                "CS572",
                f"Another run writes to {str(path.parent)!r} now. Expected one at a time. Wait for it, or choose another output.",
            ) from error
        raise
    return file


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def cannot_write(path: Path, error: OSError) -> PrerequisiteError:
    """Say that a file could not be written, and why."""
    reason = (error.strerror or type(error).__name__).lower()
    return PrerequisiteError(
        "CS574",
        f"{str(path)!r} cannot be written: {reason}. Expected room and permission to write. "
        "Make room; what is done is kept, and the same command goes on. The output itself was not touched.",
    )


def _damaged(folder: Path, problem: str) -> BundleError:
    return BundleError(
        "CS573",
        f"The work in {str(folder)!r} cannot go on: {problem}. Expected it as a run left it. Add --restart to begin again.",
    )
