"""Bytes of large files: plain, gzip or zstandard, read in a stream and never as a whole."""

from __future__ import annotations

import gzip
import importlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from codesuggest.errors import InputFormatError, PrerequisiteError
from codesuggest.notes.text import MAX_BYTES, open_file

__all__ = ["COMPRESSED", "Line", "lines_of", "open_stream", "stem_and_kind"]

COMPRESSED = (".gz", ".zst")
"""Endings of compressed files."""

Line = bytes | None
"""A line, or None for one longer than `MAX_BYTES`."""


def stem_and_kind(path: Path) -> tuple[str, str]:
    """Return the name without its endings, and the ending that tells the kind, in lower case.

    Examples
    --------
    >>> stem_and_kind(Path("notes/May.JSONL.gz"))
    ('May', '.jsonl')
    """
    inner = Path(path.stem) if path.suffix.lower() in COMPRESSED else Path(path.name)
    return inner.stem, inner.suffix.lower()


@contextmanager
def open_stream(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open a file for reading: (its bytes after decompression, the file itself, for its position).

    Raises
    ------
    InputFormatError
        CS159 when it cannot be read; CS551 when the compressed data are damaged or cut off.
    PrerequisiteError
        CS559 when the file is zstandard and the extra is not installed.
    """
    kind = path.suffix.lower()
    with open_file(path) as raw:
        try:
            if kind == ".gz":
                with gzip.GzipFile(fileobj=raw, mode="rb") as unzipped:
                    yield cast("BinaryIO", io.BufferedReader(unzipped, 1 << 18)), raw
            elif kind == ".zst":
                with _zstandard(raw) as unpacked:
                    yield unpacked, raw
            else:
                yield raw, raw
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise _damaged(path) from error
        except Exception as error:
            if type(error).__name__ == "ZstdError":
                raise _damaged(path) from error
            raise


def _damaged(path: Path) -> InputFormatError:
    return InputFormatError(
        "CS551",
        f"{str(path)!r} ends early or is damaged: it does not decompress to its end. Expected a whole file. "
        "Copy it again; no output was written.",
    )


@contextmanager
def _zstandard(raw: BinaryIO) -> Iterator[BinaryIO]:
    try:
        zstandard = importlib.import_module("zstandard")
    except ImportError as error:
        raise PrerequisiteError(
            "CS559", "Reading .zst needs the package zstandard, which is not installed. Run: pip install 'codesuggest[zstd]'."
        ) from error
    with _Zstandard(raw, zstandard.ZstdDecompressor) as unpacked:
        yield cast("BinaryIO", io.BufferedReader(unpacked, 1 << 18))


class _Zstandard(io.RawIOBase):
    """Decompressed bytes of one or more frames.

    zstandard's own reader ends quietly where a file was cut off; this one raises. It feeds a kilobyte at a time, so that a
    hostile file cannot make it hold more than some 30 MB.
    """

    def __init__(self, raw: BinaryIO, decompressor: Any) -> None:  # noqa: ANN401 - a class of an optional package
        self._raw = raw
        self._decompressor = decompressor
        self._frame: Any = None
        self._left = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - the type of io.RawIOBase differs between versions of typeshed
        while not self._ready:
            data = self._left or self._raw.read(1024)
            self._left = b""
            if not data:
                if self._frame is not None:
                    raise EOFError
                return 0
            if self._frame is None:
                self._frame = self._decompressor().decompressobj()
            self._ready = memoryview(self._frame.decompress(data))
            if self._frame.eof:
                self._left, self._frame = self._frame.unused_data, None
        n = min(len(buffer), len(self._ready))
        buffer[:n] = self._ready[:n]
        self._ready = self._ready[n:]
        return n


def lines_of(stream: BinaryIO) -> Iterator[Line]:
    """Yield the lines of a stream without their ends; a line longer than `MAX_BYTES` is None, and is passed over.

    A byte order mark before the first line is left out.
    """
    is_first = True
    while line := stream.readline(MAX_BYTES + 2):
        if is_first:
            line = line.removeprefix(b"\xef\xbb\xbf")
            is_first = False
        if len(line) > MAX_BYTES and not line.endswith(b"\n"):
            while (rest := stream.readline(1 << 20)) and not rest.endswith(b"\n"):
                pass
            yield None
            continue
        yield line.rstrip(b"\r\n")
