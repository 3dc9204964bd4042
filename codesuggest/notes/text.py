"""Text files of unknown origin, decoded without altering a character.

UTF-8 first; UTF-16 and UTF-32 when the file begins with their byte order mark; Windows-1252 only when what comes out looks
like a note, and then the caller is told. Anything else is refused by name. Line ends stay as they are, so offsets count the
characters of the decoded file; a byte order mark is no part of the text.

Decision (2026-11): no guessing library. Clinical exports are UTF-8 or Windows-1252; a statistical guess among forty encodings
turns a damaged file into plausible nonsense. What would change our mind: users with notes in other single-byte encodings.
"""

from __future__ import annotations

import codecs
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from codesuggest.errors import InputFormatError

__all__ = ["MAX_BYTES", "DecodedText", "decode", "read_text"]

MAX_BYTES = 64 * 1024 * 1024
"""Largest file read as one note, in bytes."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "an RTF document"),
    (b"PK\x03\x04", "a zip archive or an Office document"),
    (b"PK\x05\x06", "a zip archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"PAR1", "a Parquet table"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90\x00", "a program"),
    (b"\x93NUMPY", "a NumPy array"),
)
# The longer mark first: that of UTF-32 begins with that of UTF-16.
_MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Signs of Windows-1252 that clinical text holds besides letters.
_SIGNS = frozenset("\u00a0°±µ½¼¾²³¹·×÷–—‘’‚“”„•…®™©§¿¡«»‹›ºª‰†‡£€¥¢¬¶\u00ad")
_MAX_SHARE_HIGH = 0.25


@dataclass(frozen=True, slots=True)
class DecodedText:
    """A text and how it was read.

    Parameters
    ----------
    text : str
    encoding : str
        Name of the codec.
    warning : str
        What the reader should know, with its id; empty when nothing.
    """

    text: str = field(repr=False)
    encoding: str
    warning: str = ""


def decode(data: bytes, *, name: str = "note") -> DecodedText:
    r"""Decode the bytes of a note.

    Parameters
    ----------
    data : bytes
    name : str
        What messages call it.

    Returns
    -------
    DecodedText

    Raises
    ------
    InputFormatError
        CS160 when the bytes are those of another kind of file; CS161 when they are text in no known encoding; CS162 when
        there are more than `MAX_BYTES`.

    Examples
    --------
    >>> decode("Crohn’s disease\r\n".encode()).text
    'Crohn’s disease\r\n'
    >>> decode(b"Temp 38.2\xb0C").encoding
    'cp1252'
    """
    if len(data) > MAX_BYTES:
        raise InputFormatError(
            "CS162",
            f"{name!r} is too large for one note: more than {MAX_BYTES:,} bytes. Expected one note a file. "
            "Split it, or give the notes as JSON lines.",
        )
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            raise InputFormatError(
                "CS160", f"{name!r} is {kind}, not text. Expected a text file. Export or convert its text to UTF-8 first."
            )
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode_as(data, encoding, name)
    n_nul = data.count(0)
    if n_nul > 0.02 * len(data):
        few, many = sorted((data[0::2].count(0), data[1::2].count(0)))
        if many > 0.3 * len(data) / 2 and few < 0.1 * many:
            problem = "looks like UTF-16 without a byte order mark"
        else:
            problem = f"is a binary file: {n_nul:,} of its {len(data):,} bytes are NUL"
        raise InputFormatError("CS160", f"{name!r} {problem}. Expected a text file in UTF-8. Convert it first.")
    try:
        return DecodedText(data.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as error:
        text = _windows(data)
        if text is None:
            raise InputFormatError(
                "CS161",
                f"{name!r} is not UTF-8: byte {error.start:,} does not belong there ({error.reason}), and the file does not read "
                "as Windows-1252 either. Expected UTF-8. Is it damaged, cut off, or in another encoding? Convert it first.",
            ) from error
        warning = f"[CS166] {name!r} is not UTF-8 and was read as Windows-1252. Convert it to UTF-8 if letters come out wrong."
        return DecodedText(text, "cp1252", warning)


def _decode_as(data: bytes, encoding: str, name: str) -> DecodedText:
    try:
        return DecodedText(data.decode(encoding), encoding)
    except UnicodeDecodeError as error:
        raise InputFormatError(
            "CS161",
            f"{name!r} begins as {encoding.upper().removesuffix('-SIG')} and breaks at byte {error.start:,} ({error.reason}). "
            "Expected a whole file in one encoding. Is it damaged or cut off?",
        ) from error


def _windows(data: bytes) -> str | None:
    """Decode as Windows-1252 when the result looks like a note in a Latin script; otherwise None."""
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return None
    high = [c for c in text if c > "\x7f"]
    if len(high) > _MAX_SHARE_HIGH * len(text) or not all(c.isalpha() or c in _SIGNS for c in high):
        return None
    # Whole multi-byte characters mean a damaged UTF-8 file, not another encoding.
    loose = data.decode("utf-8", "replace")
    n_whole = sum(1 for c in loose if c > "\x7f" and c != "\ufffd")
    return None if n_whole > 0.1 * loose.count("\ufffd") else text


def read_text(path: str | Path) -> DecodedText:
    """Read a text file; ``-`` is standard input.

    Raises
    ------
    InputFormatError
        CS159 when there is no such file or it cannot be read; CS160 to CS162 as `decode`.

    Examples
    --------
    >>> read_text("no-such-note.txt")
    Traceback (most recent call last):
    codesuggest.errors.InputFormatError: [CS159] 'no-such-note.txt' cannot be read: no such file. ...
    """
    return decode(read_bytes(path), name="standard input" if str(path) == "-" else str(path))


def read_bytes(path: str | Path) -> bytes:
    """Read the bytes of a file or of standard input, at most one more than `MAX_BYTES`."""
    if str(path) == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    with open_file(Path(path)) as file:
        return file.read(MAX_BYTES + 1)


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading bytes.

    Raises
    ------
    InputFormatError
        CS159 when there is no such file, it is a folder, or it may not be read.
    """
    try:
        return path.open("rb")
    except (OSError, ValueError) as error:
        reason = "it is a folder" if isinstance(error, IsADirectoryError) else "no such file"
        if not isinstance(error, (IsADirectoryError, FileNotFoundError)):
            reason = (getattr(error, "strerror", None) or type(error).__name__).lower()
        raise InputFormatError(
            "CS159", f"{str(path)!r} cannot be read: {reason}. Expected a text file. Check the path and your permissions."
        ) from error
