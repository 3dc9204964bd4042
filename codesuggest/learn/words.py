"""Words of a note in any language, as numbers: case and accents folded, cut to the stem where the language has a stemmer.

A word becomes the CRC-32 of its stem, so that a model needs no list of the words of the notes it was fitted to. Stems are
those of Snowball (Porter 2001), in pure Python, so that they are the same on every machine. A language without a stemmer
keeps whole words; scripts written without blanks (Chinese, Japanese, Thai, Lao, Khmer, Burmese) are read a character at a
time, and the n-grams of the model put them together again.
"""

from __future__ import annotations

import importlib
import re
import unicodedata
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["STEMMERS", "Tokens", "WordReader", "fold", "word_hash"]

STEMMERS = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "ne": "nepali",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}
"""Languages with a Snowball stemmer, by ISO 639-1 code."""

BLANK, COMMA, COLON, SENTENCE, LINE = range(5)
"""What stands before a word; from `SENTENCE` on it begins a sentence."""

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(
    rf"(?P<w>[{_UNSPACED}]|(?:(?![{_UNSPACED}_])\w)+)|(?P<l>\n)|(?P<s>[.!?\u3002\uff01\uff1f\u0964](?=\s|$|[\u3400-\u9fff]))"
    r"|(?P<c>[:;])|(?P<k>[,()\[\]/+\u3001\uff0c])"
)
_BREAKS = {"l": LINE, "s": SENTENCE, "c": COLON, "k": COMMA}

Hashes = NDArray[np.uint32]
_Known = tuple[int, int, int, int, int, str]  # hashes of stem, word, head and tail; shape; the stem


def fold(word: str) -> str:
    """Return a word in lower case and without accents.

    Examples
    --------
    >>> fold("Riñón")
    'rinon'
    """
    if word.isascii():
        return word.lower()
    return "".join(c for c in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(c))


def word_hash(word: str) -> int:
    """Return the CRC-32 of a word; never 0, which fills empty places."""
    return zlib.crc32(word.encode("utf-8", "surrogatepass")) or 1


@dataclass(frozen=True, slots=True)
class Tokens:
    """The words of one note, each array of the same length.

    Parameters
    ----------
    stem, surface, head, tail : uint32 arrays
        Hashes of the stem, of the folded word, of its first five and of its last four letters.
    start, end : int32 arrays
        Half-open range of characters.
    before : uint8 array
        What stands before the word: `BLANK`, `COMMA`, `COLON`, `SENTENCE` or `LINE`.
    shape : uint8 array
        1 first letter upper case, 2 all upper case (two letters or more), 4 holds a digit.
    """

    stem: Hashes
    surface: Hashes
    head: Hashes
    tail: Hashes
    start: NDArray[np.int32]
    end: NDArray[np.int32]
    before: NDArray[np.uint8]
    shape: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.stem)

    @property
    def sentence(self) -> NDArray[np.int32]:
        """Number of the sentence of each word."""
        return np.cumsum(self.before >= SENTENCE, dtype=np.int32)


class WordReader:
    """Cuts notes of one language into words.

    Parameters
    ----------
    language : str
        ISO 639-1 code such as ``"es"``.

    Attributes
    ----------
    spelling : dict of int to str
        The stem of each hash that was read.

    Examples
    --------
    >>> reader = WordReader("es")
    >>> reader.stem("Hepáticas") == reader.stem("hepatico")
    True
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._stem = _stemmer(language)
        self._known: dict[str, _Known] = {}
        self.spelling: dict[int, str] = {}

    def _look_up(self, word: str) -> _Known:
        lower = word.lower()
        plain = fold(word) or lower
        # Latin script without its accents first, so that "neumonía" and "NEUMONIA" have one stem; others need theirs to be cut
        stem = (self._stem(plain) if plain.isascii() else fold(self._stem(lower))) or plain
        shape = (1 if word[0].isupper() else 0) | (2 if len(word) > 1 and word.isupper() else 0)
        shape |= 4 if any(c.isdigit() for c in word) else 0
        found = word_hash(stem), word_hash(plain), word_hash(plain[:5]), word_hash(plain[-4:]), shape, stem
        if len(self._known) < 2_000_000:
            self._known[word] = found
            self.spelling[found[0]] = stem
        return found

    def stem(self, word: str) -> str:
        """Return the folded stem of one word."""
        return (self._known.get(word) or self._look_up(word))[-1]

    def stems(self, text: str) -> list[str]:
        """Return the folded stems of the words of a text, in order."""
        known, look_up = self._known, self._look_up
        return [(known.get(m.group()) or look_up(m.group()))[-1] for m in _TOKEN.finditer(text) if m.lastgroup == "w"]

    def read(self, text: str) -> Tokens:
        """Return the words of a text."""
        known, look_up = self._known, self._look_up
        rows: list[tuple[int, ...]] = []
        before = LINE
        for match in _TOKEN.finditer(text):
            kind = match.lastgroup
            if kind == "w":
                word = match.group()
                rows.append((*(known.get(word) or look_up(word))[:5], *match.span(), before))
                before = BLANK
            else:
                before = max(before, _BREAKS[str(kind)])
        table = np.array(rows, np.int64).reshape(-1, 8)
        hashes: list[NDArray[Any]] = [table[:, i].astype(np.uint32) for i in range(4)]
        return Tokens(*hashes, *(table[:, i].astype(np.int32) for i in (5, 6)), *(table[:, i].astype(np.uint8) for i in (7, 4)))


def _stemmer(language: str) -> Callable[[str], str]:
    name = STEMMERS.get(language)
    if name is None:
        return _whole
    # The class itself, not `snowballstemmer.stemmer`: that takes PyStemmer where it is installed, which may be of another version.
    module = importlib.import_module(f"snowballstemmer.{name}_stemmer")
    stem: Callable[[str], str] = getattr(module, f"{name.capitalize()}Stemmer")().stemWord
    return stem


def _whole(word: str) -> str:
    return word
