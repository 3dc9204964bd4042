"""A large JSON file in a stream: the items of one list, one at a time, with limits on what may be held at once.

ijson parses; `Guarded` stands between it and the file and refuses what would make it hold too much: values nested too deep, a text
that is too long, an item of too many values, or a file that decompresses without end.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from codesuggest.errors import CodesuggestError, InputFormatError, PrerequisiteError
from codesuggest.notes.streams import open_stream
from codesuggest.notes.text import MAX_BYTES

__all__ = ["MAX_DEPTH", "MAX_FILE_BYTES", "MAX_STRING", "MAX_VALUES", "Guarded", "check_json", "items", "top_level"]

MAX_DEPTH = 100
"""Lists and objects inside one another; deeply nested FHIR resources reach some 20."""
MAX_STRING = MAX_BYTES * 3 // 2
"""Longest text, in bytes: a note of the largest size in base64."""
MAX_VALUES = 2_000_000
"""Most values of one item."""
MAX_FILE_BYTES = 4 * 1024**3
"""Largest file, decompressed."""

_CHUNK = 1 << 22  # the parser reads a text again from its start with every piece, so that small pieces make long texts slow
_STRINGS = re.compile(rb'"(?:[^"\\]+|\\.)*+"', re.DOTALL)
_REST_OF_STRING = re.compile(rb'(?:[^"\\]+|\\.)*+', re.DOTALL)
_STRUCTURE = bytes(set(range(256)) - set(b"[]{},"))
_STEP = np.zeros(256, np.int8)
_STEP[[0x5B, 0x7B]] = 1
_STEP[[0x5D, 0x7D]] = -1


class Guarded:
    """The bytes of a JSON file, without a byte order mark, refused where they would take too much memory.

    Parameters
    ----------
    stream : binary stream
    name : str
        What messages call the file.

    Examples
    --------
    >>> import io
    >>> Guarded(io.BytesIO(b"[" * 101), "x.json").read(200)
    Traceback (most recent call last):
    codesuggest.errors.InputFormatError: [CS173] 'x.json' has more than 100 lists and objects inside one another. ...
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self._is_start = True
        self._depth = 0
        self._n_values = 0
        self._n_bytes = 0
        self._in_string = False
        self._is_escaped = False
        self._string_length = 0

    def read(self, n: int = -1) -> bytes:
        """Read at most `n` bytes."""
        data = self._stream.read(n)
        if self._is_start and data:
            self._is_start = False
            data = data.removeprefix(b"\xef\xbb\xbf") or self._stream.read(n)
        self._look_at(data)
        return data

    def _look_at(self, data: bytes) -> None:
        self._n_bytes += len(data)
        if self._n_bytes > MAX_FILE_BYTES:
            raise self._refused(f"more than {MAX_FILE_BYTES:,} bytes")
        position = 0
        if self._in_string and data:
            position = 1 if self._is_escaped else 0
            self._is_escaped = False
            found = _REST_OF_STRING.match(data, position)
            end = found.end() if found else position
            self._string_length += end
            if self._string_length > MAX_STRING:
                raise self._refused(f"a text of more than {MAX_STRING:,} bytes")
            if end >= len(data):
                return
            if data[end : end + 1] == b"\\":
                self._is_escaped = True
                return
            self._in_string = False
            position = end + 1
        rest = _STRINGS.sub(b"", data[position:])
        start = rest.find(b'"')
        if start >= 0:
            self._in_string = True
            self._string_length = len(rest) - start
            self._is_escaped = (len(rest) - len(rest.rstrip(b"\\"))) % 2 == 1
            rest = rest[:start]
        marks = np.frombuffer(rest.translate(None, _STRUCTURE), np.uint8)
        if not marks.size:
            return
        depths = self._depth + np.cumsum(_STEP[marks], dtype=np.int64)
        if depths.max() > MAX_DEPTH:
            raise self._refused(f"more than {MAX_DEPTH} lists and objects inside one another")
        shallow = np.flatnonzero(depths <= 2)
        self._n_values = marks.size + (self._n_values if not shallow.size else -int(shallow[-1]))
        if self._n_values > MAX_VALUES:
            raise self._refused(f"more than {MAX_VALUES:,} values in one item")
        self._depth = int(depths[-1])

    def _refused(self, what: str) -> InputFormatError:
        return InputFormatError(
            "CS173", f"{self._name!r} has {what}. Expected an ordinary export. Is the file what it should be?"
        )


def check_json(data: bytes, name: str) -> None:
    """Refuse JSON that would take too much memory when it is parsed at once.

    Raises
    ------
    InputFormatError
        CS173.
    """
    import io

    Guarded(io.BytesIO(data), name).read()


def items(path: Path, prefix: str) -> Iterator[tuple[Any, int]]:
    """Yield the values at a prefix, such as ``entry.item``, each with the number of bytes of the file read so far.

    Raises
    ------
    InputFormatError
        CS164 when the file is not JSON up to its end; CS173 as `Guarded`; CS551 when it does not decompress.
    PrerequisiteError
        CS169 when ijson is not installed.
    """
    ijson = _ijson()
    with open_stream(path) as (stream, raw):
        found = ijson.items(Guarded(stream, path.name), prefix, use_float=True, buf_size=_CHUNK)
        while True:
            try:
                value = next(found)
            except StopIteration:
                return
            except CodesuggestError:
                raise
            except (ijson.JSONError, ValueError, OverflowError) as error:
                raise InputFormatError(
                    "CS164",
                    f"{path.name!r} is not JSON in UTF-8 to its end ({type(error).__name__}, near byte {raw.tell():,}). "
                    "Is it cut off or damaged? Export it again.",
                ) from error
            yield value, raw.tell()


def top_level(path: Path, key: str) -> Any:  # noqa: ANN401 - a JSON value
    """Return the value of a key of the object that a file holds; None when it is not there.

    Raises
    ------
    InputFormatError
        As `items`.
    """
    return next((value for value, _ in items(path, key)), None)


def _ijson() -> Any:  # noqa: ANN401 - a module of an optional package
    try:
        return importlib.import_module("ijson")
    except ImportError as error:
        raise PrerequisiteError(
            "CS169",
            "Reading a FHIR bundle needs the package ijson, which is not installed. Run: pip install 'codesuggest[messages]'.",
        ) from error
