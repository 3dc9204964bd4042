"""Sentences, clauses, problem blocks and problem headings of a note.

Clinical text has missing full stops, wrapped lines, lists, and shorthand such as "q.i.d." and "3/7 hx". A sentence ends
at a full stop that is followed by a new beginning, at a list mark, at a blank line, and at a line end unless the line was
only wrapped. A problem block is what the physician writes under one problem of an assessment or a plan.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from codesuggest.extract.patterns.headings import PROBLEM_SECTIONS
from codesuggest.extract.sections import RawSection, is_subheading
from codesuggest.extract.tokens import Tokens
from codesuggest.extract.words import ENDS

__all__ = ["Layout", "segment"]

_NO_STOP = frozenset(
    "dr mr mrs ms st vs approx pt pts fig dept inc e.g i.e eg ie etc hx dx rx tx b.i.d t.i.d q.i.d p.o al jr sr ext temp resp vol wt ht".split()
)
MARKS = frozenset(".?!;:")
# A line that ends in one of these goes on in the next.
_GOES_ON = frozenset({"and", "or", "with", "of", "the", "for", "to", "no"})
_BULLET = re.compile(r"[^\S\n]*(?:([#*•·>\-–—]+)|(\(?(?:\d{1,2}|[a-zA-Z]|[ivxIVX]{1,4})[.)])(?=[^\S\n]))[^\S\n]*")
_HEAD_END = re.compile(r"\.(?=\s|$)|:|;|[^\S\n]?[-–—]+(?=[^\S\n])|[–—]|\n|$")
# Words of an order or a sentence: a line that has one does not name a problem.
_VERBISH = frozenset(
    "is are was were has have had will would should may can report reports state states denies present presents presented continues "
    "continue start started return call recommend recommended follow given discussed reviewed ordered check advise advised increase "
    "decrease refer schedule patient we i he she they her his received underwent repeat obtain take hold stop resume monitor avoid "
    "consider encourage encouraged counsel counseled agrees apply use add keep lives appointment".split()
)
_WORDS = re.compile(r"\w+")


@dataclass(slots=True)
class Layout:
    """Where each token stands.

    Parameters
    ----------
    sentence : int32 array, length n_tokens
        Index of the sentence.
    clause : int32 array, length n_tokens
        Index of the clause: a sentence, cut at semicolons, colons and brackets.
    block : int32 array, length n_tokens
        Index of the problem block, list item or paragraph.
    section : int32 array, length n_tokens
        Index into the list of sections.
    heading : uint8 array, length n_tokens
        1 for the name of a problem, 2 for a section heading, otherwise 0.
    """

    sentence: NDArray[np.int32]
    clause: NDArray[np.int32]
    block: NDArray[np.int32]
    section: NDArray[np.int32]
    heading: NDArray[np.uint8]
    _lists: dict[str, list[int]] = field(default_factory=dict, repr=False)
    _edges: dict[str, list[int]] = field(default_factory=dict, repr=False)

    def list_of(self, part: str) -> list[int]:
        """Return one of the arrays as a list, which is faster to look into."""
        found = self._lists.get(part)
        if found is None:
            found = self._lists[part] = getattr(self, part).tolist()
        return found

    def edges(self, part: str) -> list[int]:
        """Return the first token of every sentence (or block, section), and the number of tokens at the end."""
        found = self._edges.get(part)
        if found is None:
            numbers = getattr(self, part)
            n = int(numbers[-1]) + 2 if len(numbers) else 1
            found = self._edges[part] = numbers.searchsorted(np.arange(n)).tolist()
        return found


def _problem_heads(text: str, section: RawSection) -> list[tuple[int, int, bool]]:
    """Find the lines that name a problem: (start, end of the name, whether a block begins)."""
    lines: list[tuple[int, int, str, int]] = []  # start after the mark, end, mark, words
    position = section.body
    first = True
    while position < section.end:
        stop = text.find("\n", position, section.end)
        if stop < 0:
            stop = section.end
        m = _BULLET.match(text, position, stop)
        begin = m.end() if m else position
        mark = (m.group(1) or m.group(2) or "") if m else ""
        while begin < stop and text[begin] in " \t\r:*_":
            begin += 1
        if begin < stop:
            lines.append((begin, stop, mark, first))
            first = False
        position = stop + 1
    name = section.name
    listing = name in ("discharge_diagnosis", "admission_diagnosis", "problem_list", "assessment")
    candidates: list[tuple[int, int, str, bool]] = []
    for begin, stop, mark, _ in lines:
        m = _HEAD_END.search(text, begin, stop)
        end = m.start() if m else stop
        if end - begin > 110 or len(text[begin:end].split()) > 14:
            comma = text.find(",", begin, end)
            if not (mark or listing) or comma < 0 or len(text[begin:comma].split()) > 8:
                candidates.append((begin, begin, mark, False))
                continue
            end = comma
        head = text[begin:end].strip()
        words = head.split()
        terminated = end < stop and text[end] in ":.;–—- "
        alone = not text[end:stop].strip(" .:;\r")
        ok = (
            bool(words)
            and len(words) <= 14
            and (head[0].isupper() or head[0].isdigit() or bool(mark) or listing or head[0] == "?")
        )
        if ok and is_subheading(head):
            ok = False
        if (
            ok
            and not _VERBISH.isdisjoint(_WORDS.findall(head.lower()))
            and not (name == "discharge_diagnosis" and len(words) <= 8)
        ):
            ok = False
        if ok and not (
            mark or listing or alone or (terminated and text[end : end + 1] == ":") or (terminated and len(words) <= 5)
        ):
            ok = False
        candidates.append((begin, begin + len(text[begin:end].rstrip()), mark, ok))
    # Bullets are details when other lines already name the problems.
    bullets = "#*•·>-–—"
    strong = any(ok and not (mark and mark[0] in "*•·>-–—") for _, _, mark, ok in candidates)
    heads: list[tuple[int, int, bool]] = []
    for begin, end, mark, ok in candidates:
        is_detail = strong and not listing and mark != "" and mark[0] in bullets and mark[0] != "#"
        if ok and not is_detail and end > begin:
            heads.append((begin, end, True))
    return heads


def segment(tokens: Tokens, sections: list[RawSection]) -> Layout:
    """Divide a note into sentences, clauses and blocks.

    Parameters
    ----------
    tokens : Tokens
    sections : list of RawSection

    Returns
    -------
    Layout

    Examples
    --------
    >>> from codesuggest.extract.sections import find_sections
    >>> from codesuggest.extract.tokens import tokenize
    >>> text = "Takes it q.i.d. with food. No fever"
    >>> segment(tokenize(text), find_sections(text)).sentence.tolist()
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]
    """
    text, lowers, starts, ends = tokens.text, tokens.lowers, tokens.starts, tokens.ends
    n = len(lowers)
    sentence = np.zeros(n, np.int32)
    clause = np.zeros(n, np.int32)
    block = np.zeros(n, np.int32)
    heading = np.zeros(n, np.uint8)
    section_starts = [s.start for s in sections]
    section = (np.searchsorted(np.asarray(section_starts), tokens.starts_array, side="right") - 1).astype(np.int32)
    if n == 0:
        return Layout(sentence, clause, block, section, heading)

    heads: list[tuple[int, int, bool]] = []
    problem = [s.name in PROBLEM_SECTIONS for s in sections]
    for i, s in enumerate(sections):
        if problem[i]:
            heads.extend(_problem_heads(text, s))
    # the tokens at which something may begin: after a mark, after a line end, at a heading, at the name of a problem
    head_tokens = {bisect_left(starts, h[0]) for h in heads}
    cut_tokens = {bisect_left(starts, offset) for s in sections for offset in (s.start, s.body)}
    line_ends = tokens.line_ends.copy()
    line_ends[0] = 0
    at_line_ends = np.flatnonzero(line_ends)
    n_line_ends = dict(zip(at_line_ends.tolist(), line_ends[at_line_ends].tolist(), strict=True))
    lines = text.split("\n")
    longest = max(len(lines[-1]), max(map(len, lines[:-1]), default=-1) + 1)
    wrapped = longest <= 140
    events = {i + 1 for i in tokens.places(ENDS, MARKS)}
    events.update(n_line_ends, head_tokens, cut_tokens)

    body_by_section = [s.body for s in sections]
    section_of = section.tolist()
    for i in sorted(events):
        if not 0 < i < n:
            continue
        start = starts[i]
        word = lowers[i]
        before = lowers[i - 1]
        is_problem = problem[section_of[i]]
        new_sentence = new_clause = new_block = False
        if i in n_line_ends:
            previous_end = ends[i - 1]
            blank = n_line_ends[i] > 1
            length = previous_end - text.rfind("\n", 0, previous_end) - 1
            begins_item = word in "-•*#·>–—" or (
                i + 1 < n and (word.isdigit() or len(word) == 1) and lowers[i + 1] in ".)" and ends[i] == starts[i + 1]
            )
            if blank or begins_item or before in ".?!:;":
                new_sentence = True
            elif text[start].islower() or before in ",/&(" or before in _GOES_ON:
                new_sentence = length < 25 and not (before == "," or before in _GOES_ON)
            else:
                new_sentence = not (wrapped and length >= 60 and length >= 0.7 * longest)
            new_block = blank or begins_item or (new_sentence and not is_problem)
            new_clause = begins_item
        elif before in ".?!" and start > ends[i - 1]:
            new_sentence = before != "." or _is_full_stop(tokens, i)
        elif before in ";:":
            new_clause = True
        named = i in head_tokens or i in cut_tokens
        if named:
            new_sentence = new_block = True
        elif is_problem and new_block:
            # Inside a plan only a new problem opens a block, or a blank line where problems are not named.
            new_block = not any_head_between(heads, body_by_section[section_of[i]], start)
        if new_sentence:
            sentence[i] = clause[i] = 1
        elif new_clause:
            clause[i] = 1
        if new_block:
            block[i] = 1
    np.cumsum(sentence, out=sentence)
    np.cumsum(clause, out=clause)
    np.cumsum(block, out=block)
    for begin, end, _ in heads:
        a, b = bisect_left(starts, begin), bisect_left(starts, end)
        heading[a:b] = 1
    for s in sections:
        if s.body > s.start:
            a, b = bisect_left(starts, s.start), bisect_left(starts, s.body)
            heading[a:b] = 2
    return Layout(sentence, clause, block, section, heading)


def _is_full_stop(tokens: Tokens, i: int) -> bool:
    """Whether the stop before token `i` ends a sentence: not one of an abbreviation, an initial or a list number."""
    text, lowers, starts, ends = tokens.text, tokens.lowers, tokens.starts, tokens.ends
    first = text[starts[i]]
    prior = lowers[i - 2] if i > 1 else ""
    glued = i > 1 and ends[i - 2] == starts[i - 1]
    if prior.isdigit() and glued and (i == 2 or "\n" in text[ends[i - 3] : starts[i - 2]]):
        return False
    if prior in _NO_STOP and glued:
        return False
    if len(prior) == 1 and prior.isalpha() and i > 2 and lowers[i - 3] == ".":
        return first.isupper() and ends[i] - starts[i] > 1
    if first.isupper() or first.isdigit() or lowers[i] in "-•*#([\"'":
        return not (first.isdigit() and prior in ("no", "approx"))
    return len(prior) > 2 and prior.isalpha() and first.isalpha()


def any_head_between(heads: list[tuple[int, int, bool]], low: int, high: int) -> bool:
    """Whether a problem was named between two offsets of the same section."""
    i = bisect_left(heads, (low, 0, False))
    return i < len(heads) and heads[i][0] < high
