"""What is known of each word, worked out once and looked up for every further place it stands.

The characters of a note are looked at all at once: their classes give the bounds of the words, and each word a hash of 64 bits.
The hashes lead to one number a word, which holds the number of the word in the lexicon and flags that tell every later step
which few words concern it. No later step walks over all the words.

Decision (2026-11): arrays of hashes instead of a dictionary of strings. The words of a note lie scattered in memory and the
strings of a dictionary do so too, and it grows for hundreds of notes; the arrays have their size from the start. Two words of
one hash are not told apart: with 65,000 words remembered that is to be expected once in thousands of millions of tables.
What would change our mind: a look-up of strings in numpy itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from codesuggest.extract.tokens import PLAIN, Tokens

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

_SLOT_BITS = 17
_KEPT = 1 << (_SLOT_BITS - 1)  # words remembered; a table that has grown beyond forgets all before the next note
_PROBES = 4  # slots a word may stand in
_LONGEST = 64  # longer words are described anew each time
# Classes of characters.
_SPACE, _LETTER, _DIGIT, _APOSTROPHE, _DOT, _LINE_END, _KNOWN = (1 << i for i in range(7))
_WORD = _LETTER | _DIGIT
_FLAG_BITS = 16
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


def _weights() -> NDArray[np.uint64]:
    """Return an odd number for each place in a word, by the steps of splitmix64."""
    z = np.arange(1, _LONGEST + 1, dtype=np.uint64) * _SPREAD
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (z ^ (z >> np.uint64(31))) | np.uint64(1)


def _class_of(character: str) -> int:
    if character.isspace():
        return _KNOWN | _SPACE | (_LINE_END if character == "\n" else 0)
    if character.isdecimal():
        return _KNOWN | _DIGIT
    if character.isalnum():
        return _KNOWN | _LETTER
    return _KNOWN | (_APOSTROPHE if character in "'’" else _DOT if character == "." else 0)


class WordTable:
    """Splits texts into words, with all that is known of the words.

    Parameters
    ----------
    describe : callable
        Word in lower case to (its number in the lexicon, its flags); asked once for each word.
    """

    def __init__(self, describe: Callable[[str], tuple[int, int]]) -> None:
        self._describe = describe
        self._classes = np.zeros(0x110000, np.uint8)  # of characters, filled in as they are met
        self._weights = _weights()
        self._n_known = 0
        n_slots = (1 << _SLOT_BITS) + _PROBES
        self._hashes = np.full(n_slots, 0, np.uint64)  # written, so that the memory is there from the start
        self._entries = np.full(n_slots, 0, np.int64)

    def __len__(self) -> int:
        return self._n_known

    def read(self, text: str) -> Tokens:
        """Split a text into words, as :func:`~codesuggest.extract.tokens.tokenize` does, with all that is known of them.

        Parameters
        ----------
        text : str

        Returns
        -------
        Tokens
        """
        codes, lower = _codes(text)
        starts, ends, line_ends = self._bounds(text, codes)
        start_list, end_list = starts.tolist(), ends.tolist()
        if lower:
            lowers = [lower[a:b] for a, b in zip(start_list, end_list, strict=True)]
        else:
            lowers = [text[a:b].lower() for a, b in zip(start_list, end_list, strict=True)]
        numbers, flags = self._look_up(codes, starts, ends, lowers)
        return Tokens(text, start_list, end_list, lowers, numbers, flags, starts, line_ends)

    def describe(self, tokens: Tokens) -> Tokens:
        """Add what is known of the words to tokens that another tokenizer made."""
        ends = np.array(tokens.ends, np.int64)
        numbers, flags = self._look_up(_codes(tokens.text)[0], tokens.starts_array, ends, tokens.lowers)
        return Tokens(
            tokens.text, tokens.starts, tokens.ends, tokens.lowers, numbers, flags, tokens.starts_array, tokens.line_ends
        )

    def _bounds(self, text: str, codes: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
        """Find the words: their starts, ends, and the number of line ends before each."""
        kinds = self._classes.take(codes)
        if not kinds.all():
            for code in set(codes[kinds == 0].tolist()):
                self._classes[code] = _class_of(chr(code))
            kinds = self._classes.take(codes)
        padded = np.zeros(len(kinds) + 2, np.uint8)
        padded[1:-1] = kinds
        word = (padded & _WORD) != 0
        # an apostrophe between two letters joins them
        joins = np.flatnonzero(kinds & _APOSTROPHE) + 1
        if len(joins):
            word[joins[word[joins - 1] & word[joins + 1]]] = True
        goes_on = word[:-1] & word[1:]  # from a character to the next
        seen = (kinds & _SPACE) == 0
        begins, finishes = seen & ~goes_on[:-1], seen & ~goes_on[1:]
        dots = np.flatnonzero(kinds & _DOT)
        done = 0
        for dot in dots[((padded[dots] & _DIGIT) != 0) & ((padded[dots + 2] & _DIGIT) != 0)].tolist():
            if dot >= done:  # "7.2": the words around it anew
                low, done = text.rfind(" ", 0, dot) + 1, text.find(" ", dot)
                done = done if done >= 0 else len(text)
                begins[low:done] = finishes[low:done] = False
                for m in PLAIN.finditer(text, low, done):
                    begins[m.start()] = finishes[m.end() - 1] = True
        starts, ends = np.flatnonzero(begins), np.flatnonzero(finishes) + 1
        lines = np.flatnonzero(kinds & _LINE_END).searchsorted(starts)
        lines[1:] -= lines[:-1].copy()
        return starts, ends, lines.astype(np.int32)

    def _look_up(
        self, codes: NDArray[np.uint32], starts: NDArray[np.int64], ends: NDArray[np.int64], lowers: list[str]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the numbers and the flags of words."""
        if self._n_known > _KEPT:
            self._n_known = 0
            self._hashes.fill(0)
        if not lowers:
            return np.zeros(0, np.int32), np.zeros(0, np.int32)
        lengths = ends - starts
        offsets = lengths.cumsum() - lengths
        within = np.arange(int(offsets[-1] + lengths[-1])) - offsets.repeat(lengths)
        characters = codes[within + starts.repeat(lengths)] + np.uint64(1)
        hashes = np.add.reduceat(characters * self._weights.take(within, mode="clip"), offsets)
        slots = ((hashes * _SPREAD) >> np.uint64(64 - _SLOT_BITS)).astype(np.int64)
        entries = self._entries[slots]
        missing = np.flatnonzero((self._hashes[slots] != hashes) | (lengths > _LONGEST)).tolist()
        for i in missing:
            entries[i] = self._find(int(hashes[i]), int(slots[i]), lowers[i], is_kept=lengths[i] <= _LONGEST)
        return (entries >> _FLAG_BITS).astype(np.int32), (entries & ((1 << _FLAG_BITS) - 1)).astype(np.int32)

    def _find(self, key: int, slot: int, low: str, *, is_kept: bool) -> int:
        """Return the number and the flags of one word, packed, that does not stand in the first slot."""
        stored = self._hashes[slot : slot + _PROBES].tolist()
        if is_kept and key in stored:
            return int(self._entries[slot + stored.index(key)])
        number, flags = self._describe(low)
        entry = (number << _FLAG_BITS) | flags
        if is_kept and 0 in stored:
            place = slot + stored.index(0)
            self._hashes[place], self._entries[place] = key, entry
            self._n_known += 1
        return entry


def _codes(text: str) -> tuple[NDArray[np.uint32], str]:
    """Return the code points of a text in lower case, and the lower case; of the text itself where one letter becomes two."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = ""
    return np.frombuffer((lower or text).encode("utf-32-le", "surrogatepass"), np.uint32), lower
