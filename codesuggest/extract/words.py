"""What is known of each written word, worked out once and looked up for every further place it stands.

A note is split by one compiled regular expression into words with the blanks before them; each such piece is a key of one
table, whose rows hold the lengths (from which the offsets follow by addition), the number of the word in the lexicon, and
flags that tell every later step which few words concern it. No later step walks over all the words.

Decision (2026-11): splitting at blanks alone and keeping the words of each chunk was tried: faster on notes read before,
slower on new ones, of which every fifth chunk is new. What would change our mind: a measurement on notes nobody has read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from codesuggest.extract.tokens import PIECE, Tokens

__all__ = [
    "ALIAS",
    "ASKED",
    "CLOSES",
    "CUE",
    "ENDS",
    "LETTER_A",
    "MEASURED",
    "MEDICINE",
    "OBSTETRIC",
    "REPAIRED",
    "SHORT_NUMBER",
    "WordTable",
]

ENDS = 1 << 0  # a mark after which a sentence or a clause may begin
CLOSES = 1 << 1  # a mark that may end the reach of a cue
CUE = 1 << 2  # the first word of a cue
ALIAS = 1 << 3  # an abbreviation
ASKED = 1 << 4  # begins as a word does that a condition of a term asks for
REPAIRED = 1 << 5  # the spelling was repaired
SHORT_NUMBER = 1 << 6  # one or two digits
LETTER_A = 1 << 7  # "A", which may be a letter ("hepatitis A") or a small word
MEDICINE = 1 << 8  # a drug with codes of its own, or a word for any medicine
MEASURED = 1 << 9  # may begin a measure
OBSTETRIC = 1 << 10  # may speak of a pregnancy

_KEPT = 32_768  # pieces remembered; a table that has grown beyond forgets all before the next note
_LEAD, _LENGTH, _LINES, _NUMBER, _FLAGS = range(5)


class WordTable(dict[str, tuple[int, str, str]]):
    """Pieces of text (a word and the blanks before it) to row, word as written, and word in lower case.

    Parameters
    ----------
    describe : callable
        Word as written, and in lower case, to (its number in the lexicon, its flags); asked once for each word.
    """

    def __init__(self, describe: Callable[[str, str], tuple[int, int]]) -> None:
        super().__init__()
        self._describe = describe
        self._known: dict[str, tuple[str, str, int, int]] = {}
        self._new: list[tuple[int, int, int, int, int]] = []
        self._rows: NDArray[np.int32] = np.zeros((_KEPT + 4096, 5), np.int32)

    def __missing__(self, piece: str) -> tuple[int, str, str]:
        written = piece.lstrip() or piece
        known = self._known.get(written)
        if known is None:
            low = written.lower()
            if low == written:
                low = written
            known = self._known[written] = (written, low, *self._describe(written, low))
        word, low, number, flags = known
        length = len(word)
        lead = len(piece) - length
        entry = self[piece] = (len(self), word, low)
        self._new.append((lead, length, piece.count("\n", 0, lead) if lead else 0, number, flags))
        return entry

    def _forget(self) -> None:
        self.clear()
        self._known.clear()
        self._rows = self._rows[: _KEPT + 4096].copy()

    def read(self, text: str) -> Tokens:
        """Split a text into words, as :func:`~codesuggest.extract.tokens.tokenize` does, with all that is known of them.

        Parameters
        ----------
        text : str

        Returns
        -------
        Tokens
        """
        return self._tokens(text, PIECE.findall(text), None)

    def describe(self, tokens: Tokens) -> Tokens:
        """Add what is known of the words to tokens that another tokenizer made."""
        return self._tokens(tokens.text, tokens.words, tokens)

    def _tokens(self, text: str, pieces: Sequence[str], made: Tokens | None) -> Tokens:
        if len(self) > _KEPT:
            self._forget()
        if not pieces:
            return Tokens(text, [], [], [], [], np.zeros(0, np.int32), np.zeros(0, np.int32))
        places, words, lowers = map(list, zip(*map(self.__getitem__, pieces), strict=True))
        if self._new:
            n = len(self)
            if n > len(self._rows):
                self._rows = np.concatenate([self._rows, np.zeros((n, 5), np.int32)])
            self._rows[n - len(self._new) : n] = self._new
            self._new.clear()
        rows = self._rows.take(places, axis=0)
        numbers, flags = rows[:, _NUMBER].copy(), rows[:, _FLAGS].copy()
        if made is not None:
            return Tokens(text, words, made.starts, made.ends, lowers, numbers, flags)
        lengths = rows[:, _LENGTH]
        ends = np.cumsum(rows[:, _LEAD] + lengths, dtype=np.int64)
        starts = ends - lengths
        return Tokens(text, words, starts.tolist(), ends.tolist(), lowers, numbers, flags, starts, rows[:, _LINES].copy())
