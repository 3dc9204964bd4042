"""What is known of each written word, worked out once and looked up for every further place it stands.

A note is split by one compiled regular expression into words with the blanks before them; each such piece, in lower case, is a key
of one table. What is known stands in one number: the lengths (from which the offsets follow by addition), the number of the
word in the lexicon, and flags that tell every later step which few words concern it. No later step walks over all the words.
One number a word, and nothing else, because the words of a note lie scattered in memory and every further place costs.

Decision (2026-11): splitting at blanks alone and keeping the words of each chunk was tried: faster on notes read before,
slower on new ones, of which every fifth chunk is new. What would change our mind: a measurement on notes nobody has read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from codesuggest.extract.tokens import PIECE, Tokens, tokenize

__all__ = [
    "ALIAS",
    "ASKED",
    "CLOSES",
    "CUE",
    "CUE_FIRST",
    "CUE_SECOND",
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
CUE = 1 << 2  # a cue by itself
ALIAS = 1 << 3  # an abbreviation
ASKED = 1 << 4  # begins as a word does that a condition of a term asks for
REPAIRED = 1 << 5  # the spelling was repaired
SHORT_NUMBER = 1 << 6  # one or two digits
LETTER_A = 1 << 7  # "a", which may be a letter when it is large ("hepatitis A")
MEDICINE = 1 << 8  # a drug with codes of its own, or a word for any medicine
MEASURED = 1 << 9  # may begin a measure
OBSTETRIC = 1 << 10  # may speak of a pregnancy
CUE_FIRST = 1 << 11  # the first word of a longer cue
CUE_SECOND = 1 << 12  # the second

_KEPT = 24_576  # pieces remembered; a table that has grown beyond forgets all before the next note
# The parts of an entry: place of the lowest bit, and greatest value.
_FLAGS, _NUMBER, _LINES, _LEAD, _LENGTH = (0, 0xFFFF), (16, 0xFFFFF), (36, 0x3), (38, 0xFFF), (50, 0xFFF)


class WordTable(dict[str, int]):
    """Pieces of text (a word in lower case and the blanks before it) to what is known of them.

    Parameters
    ----------
    describe : callable
        Word in lower case to (its number in the lexicon, -2 or more; its flags); asked once for each word.
    """

    def __init__(self, describe: Callable[[str], tuple[int, int]]) -> None:
        super().__init__()
        self._describe = describe
        self._known: dict[str, int] = {}

    def __missing__(self, piece: str) -> int:
        low = piece.lstrip()
        known = self._known.get(low)
        if known is None:
            number, flags = self._describe(low)
            known = self._known[low] = (number + 2 << _NUMBER[0]) | flags
        length = len(low)
        lead = len(piece) - length
        if lead > _LEAD[1] or length > _LENGTH[1]:
            raise _TooLongError
        if lead:
            known |= (min(piece.count("\n", 0, lead), 2) << _LINES[0]) | (lead << _LEAD[0])
        self[piece] = entry = known | (length << _LENGTH[0])
        return entry

    def read(self, text: str) -> Tokens:
        """Split a text into words, as :func:`~codesuggest.extract.tokens.tokenize` does, with all that is known of them.

        Parameters
        ----------
        text : str

        Returns
        -------
        Tokens
        """
        lower = text.lower()
        if len(lower) == len(text):  # a letter may become two: then the words are found first
            pieces = PIECE.findall(lower)
            try:
                entries = self._entries(pieces)
            except _TooLongError:
                return self.describe(tokenize(text))
            lengths = (entries >> _LENGTH[0]) & _LENGTH[1]
            ends = np.cumsum(((entries >> _LEAD[0]) & _LEAD[1]) + lengths)
            starts = ends - lengths
            lines = ((entries >> _LINES[0]) & _LINES[1]).astype(np.int32)
            numbers, flags = _unpacked(entries)
            return Tokens(text, starts.tolist(), ends.tolist(), list(map(str.lstrip, pieces)), numbers, flags, starts, lines)
        return self.describe(tokenize(text))

    def describe(self, tokens: Tokens) -> Tokens:
        """Add what is known of the words to tokens that another tokenizer made."""
        entries = self._entries([low[: _LENGTH[1]] for low in tokens.lowers])
        return Tokens(
            tokens.text,
            tokens.starts,
            tokens.ends,
            tokens.lowers,
            *_unpacked(entries),
            tokens.starts_array,
            tokens.line_ends,
        )

    def _entries(self, pieces: Sequence[str]) -> NDArray[np.int64]:
        if len(self) > _KEPT:
            self.clear()
            self._known.clear()
        return np.fromiter(map(self.__getitem__, pieces), np.int64, len(pieces))


class _TooLongError(Exception):
    """A word, or a run of blanks, that does not fit into an entry."""


def _unpacked(entries: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return numbers and flags."""
    numbers = ((entries >> _NUMBER[0]) & _NUMBER[1]) - 2
    return numbers.astype(np.int32), (entries & _FLAGS[1]).astype(np.int32)
