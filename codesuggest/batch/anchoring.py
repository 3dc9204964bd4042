"""Where earlier evidence stands in a note that was changed since, for example by an addendum.

A place is given only where the words still stand; everything else is listed as lost, for a person to look at. Nothing is guessed
from similar words.

Decision (2026-11): lines are compared first, then the words of lines that changed (difflib, without its junk rule, which drops
frequent words). A character diff of two long notes takes seconds and anchors letters, not words. What would change our mind: notes
without line ends of more than a few thousand words, where the words are compared all with all.
"""

from __future__ import annotations

import dataclasses
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from codesuggest.errors import InvalidSpanError
from codesuggest.records import Decision, Span

__all__ = ["Anchored", "anchor", "anchor_decisions", "anchor_excerpts"]

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_WORD = re.compile(r"\w+|[^\w]")
_MAX_PAIRS = 30_000_000


@dataclass(frozen=True, slots=True)
class Anchored:
    """An earlier place and where it is now.

    Parameters
    ----------
    old : Span
    new : Span or None
        None when the words do not stand any more, or nobody can tell which of several places is meant.
    how : {"same", "edited", "moved", "lost"}
        ``same``: in a line that did not change. ``edited``: the words stand, other words of their line changed, so read it again.
        ``moved``: the whole line stands elsewhere. ``lost``: no place.
    """

    old: Span
    new: Span | None
    how: str


@dataclass(frozen=True, slots=True)
class _Block:
    """A range of the old text that stands in the new one."""

    old: int
    new: int
    length: int
    how: str


def anchor(old_text: str, new_text: str, spans: Iterable[Span]) -> tuple[Anchored, ...]:
    r"""Find earlier spans in the text as it is now.

    Parameters
    ----------
    old_text, new_text : str
    spans : iterable of Span
        Places in `old_text`.

    Returns
    -------
    tuple of Anchored, in the order of `spans`
        Where `new` is given, ``new_text[new.start:new.end] == old_text[old.start:old.end]``.

    Raises
    ------
    InvalidSpanError
        CS585 when a span ends beyond `old_text`.

    Examples
    --------
    >>> old = "Assessment: asthma.\nPlan: inhaler.\n"
    >>> new = "Addendum: no fever.\nAssessment: severe asthma.\n"
    >>> [(a.new, a.how) for a in anchor(old, new, [Span(12, 18), Span(26, 33)])]
    [(Span(start=39, end=45), 'edited'), (None, 'lost')]
    """
    wanted = list(spans)
    for span in wanted:
        if span.end > len(old_text):
            raise InvalidSpanError(
                "CS585",
                f"The span ({span.start}, {span.end}) ends beyond the earlier text, which has {len(old_text)} characters. "
                "Expected offsets into that text. Is it the text the evidence was found in?",
            )
    old_lines, new_lines = _LINE.findall(old_text), _LINE.findall(new_text)
    blocks = _standing(old_lines, new_lines)
    starts = [b.old for b in blocks]
    lines = _Lines(old_lines, new_lines)
    found = []
    for span in wanted:
        place = bisect_right(starts, span.start) - 1
        block = blocks[place] if place >= 0 else None
        if block is not None and span.end <= block.old + block.length:
            shift = block.new - block.old
            found.append(Anchored(span, Span(span.start + shift, span.end + shift), block.how))
        else:
            found.append(lines.find(span))
    return tuple(found)


def _standing(old_lines: Sequence[str], new_lines: Sequence[str]) -> list[_Block]:
    """List the ranges of the old text that stand in the new one, by position."""
    old_at, new_at = _offsets(old_lines), _offsets(new_lines)
    # the same line but for its end counts as the same
    old_keys, new_keys = [line.rstrip() for line in old_lines], [line.rstrip() for line in new_lines]
    blocks: list[_Block] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old_keys, new_keys, autojunk=False).get_opcodes():
        if tag == "equal":
            for i, j in zip(range(i1, i2), range(j1, j2), strict=True):
                n = len(old_keys[i])
                length = n + _common(old_lines[i][n:], new_lines[j][n:])
                last = blocks[-1] if blocks else None
                if last and last.how == "same" and last.old + last.length == old_at[i] and last.new + last.length == new_at[j]:
                    blocks[-1] = dataclasses.replace(last, length=last.length + length)
                else:
                    blocks.append(_Block(old_at[i], new_at[j], length, "same"))
        elif tag == "replace":
            blocks += _standing_words("".join(old_lines[i1:i2]), "".join(new_lines[j1:j2]), old_at[i1], new_at[j1])
    return blocks


def _standing_words(old: str, new: str, old_start: int, new_start: int) -> list[_Block]:
    """Compare lines that changed word by word."""
    prefix = _common(old, new)
    suffix = _common(old[prefix:][::-1], new[prefix:][::-1])
    old_words = _WORD.findall(old[prefix : len(old) - suffix])
    new_words = _WORD.findall(new[prefix : len(new) - suffix])
    blocks = [_Block(old_start, new_start, prefix, "edited")] if prefix else []
    if len(old_words) * len(new_words) <= _MAX_PAIRS:
        old_at, new_at = _offsets(old_words), _offsets(new_words)
        for i, j, n in SequenceMatcher(None, old_words, new_words, autojunk=False).get_matching_blocks():
            if n:
                begin = old_start + prefix + old_at[i]
                blocks.append(_Block(begin, new_start + prefix + new_at[j], old_at[i + n] - old_at[i], "edited"))
    if suffix:
        blocks.append(_Block(old_start + len(old) - suffix, new_start + len(new) - suffix, suffix, "edited"))
    joined: list[_Block] = []
    for block in blocks:
        last = joined[-1] if joined else None
        if last and last.old + last.length == block.old and last.new + last.length == block.new:
            joined[-1] = dataclasses.replace(last, length=last.length + block.length)
        else:
            joined.append(block)
    return joined


def _common(a: str, b: str) -> int:
    """Count the characters that two texts share at their beginning, up to the last whole word."""
    n = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    if n < len(a) or n < len(b):
        while n and a[n - 1].isalnum():
            n -= 1
    return n


def _offsets(pieces: Sequence[str]) -> list[int]:
    """Return where each piece begins, and where the last one ends."""
    offsets = [0]
    for piece in pieces:
        offsets.append(offsets[-1] + len(piece))
    return offsets


class _Lines:
    """Finds lines that were moved as a whole."""

    def __init__(self, old_lines: Sequence[str], new_lines: Sequence[str]) -> None:
        self._old_at = _offsets(old_lines)
        self._old = [line.strip() for line in old_lines]
        self._pad = [len(line) - len(line.lstrip()) for line in old_lines]
        self._n_old = Counter(self._old)
        self._new: dict[str, int] = {}
        self._n_new: Counter[str] = Counter()
        for start, line in zip(_offsets(new_lines), new_lines, strict=False):
            self._new[line.strip()] = start + len(line) - len(line.lstrip())
            self._n_new[line.strip()] += 1

    def find(self, span: Span) -> Anchored:
        """Anchor a span whose line stands, once, elsewhere."""
        i = bisect_right(self._old_at, span.start) - 1
        line = self._old[i] if i < len(self._old) else ""
        offset = span.start - self._old_at[i] - (self._pad[i] if line else 0)
        if line and offset >= 0 and offset + span.length <= len(line) and self._n_old[line] == self._n_new[line] == 1:
            start = self._new[line] + offset
            return Anchored(span, Span(start, start + span.length), "moved")
        return Anchored(span, None, "lost")


def anchor_excerpts(new_text: str, evidence: Iterable[tuple[int, str]]) -> tuple[Anchored, ...]:
    """Find earlier evidence when the earlier text is not at hand, only its places and excerpts.

    Parameters
    ----------
    new_text : str
    evidence : iterable of (int, str)
        Earlier start and the words that stood there.

    Returns
    -------
    tuple of Anchored, in the order of `evidence`
        ``same`` where the words stand at their old place; ``moved`` where they stand shifted as at least one other excerpt is, or
        stand only once; otherwise ``lost``.

    Examples
    --------
    >>> [a.how for a in anchor_excerpts("ADDENDUM. Asthma, gout.", [(0, "Asthma"), (8, "gout"), (20, "COPD")])]
    ['moved', 'moved', 'lost']
    """
    wanted = [(start, excerpt) for start, excerpt in evidence if excerpt]
    places = {excerpt: _places(new_text, excerpt) for _, excerpt in wanted}
    votes = Counter(shift for shift, _ in {(p - start, e) for start, e in wanted for p in places[e]})
    found = []
    for start, excerpt in wanted:
        old = Span(start, start + len(excerpt))
        there = places[excerpt]
        if start in there:
            found.append(Anchored(old, old, "same"))
            continue
        shared = sorted({p - start for p in there if votes[p - start] > 1}, key=lambda s: (-votes[s], abs(s), s))
        if shared and (len(shared) == 1 or votes[shared[0]] > votes[shared[1]]):
            place = start + shared[0]
        elif len(there) == 1:
            place = there[0]
        else:
            found.append(Anchored(old, None, "lost"))
            continue
        found.append(Anchored(old, Span(place, place + len(excerpt)), "moved"))
    return tuple(found)


def _places(text: str, excerpt: str) -> list[int]:
    """List where whole words stand; at most some hundred places."""
    pattern = re.compile(rf"(?<!\w){re.escape(excerpt)}(?!\w)")
    places = []
    for match in pattern.finditer(text):
        places.append(match.start())
        if len(places) == 200:
            break
    return places


def anchor_decisions(
    decisions: Iterable[Decision], *, old_text: str, new_text: str
) -> tuple[tuple[Decision, ...], tuple[tuple[Decision, tuple[Span, ...]], ...]]:
    r"""Carry earlier decisions over to the changed text of their note.

    Parameters
    ----------
    decisions : iterable of Decision
        Whose evidence are places in `old_text`.
    old_text, new_text : str

    Returns
    -------
    standing : tuple of Decision
        With evidence in `new_text`; every place of theirs still stands.
    lost : tuple of (Decision, tuple of Span)
        As they were, with the places that do not stand. A person looks at them again.

    Examples
    --------
    >>> import datetime as dt
    >>> d = Decision("n1", "J45.909", "accept", "coder", "jd", dt.datetime(2026, 5, 4, tzinfo=dt.UTC), evidence=((Span(0, 6),),))
    >>> standing, lost = anchor_decisions([d], old_text="Asthma.", new_text="Addendum.\nAsthma.")
    >>> standing[0].evidence, lost
    (((Span(start=10, end=16),),), ())
    """
    standing: list[Decision] = []
    lost: list[tuple[Decision, tuple[Span, ...]]] = []
    for decision in decisions:
        places = {p.old: p.new for p in anchor(old_text, new_text, [span for spans in decision.evidence for span in spans])}
        gone = tuple(old for old, new in places.items() if new is None)
        if gone:
            lost.append((decision, gone))
        else:
            moved = tuple(tuple(new for span in spans if (new := places[span]) is not None) for spans in decision.evidence)
            standing.append(dataclasses.replace(decision, evidence=moved))
    return tuple(standing), tuple(lost)
