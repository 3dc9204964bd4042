"""Whether a mentioned condition is present, and which words decided it.

A cue opens a scope in its direction; the scope ends at the sentence, at a terminator ("but", "presents with"), at the
next cue of another kind, or after the number of words the cue table gives. Where several cues reach a mention the
strongest decides: someone else's, then hypothetical, absent, possible, historical, conditional.

References
----------
Chapman et al. 2001, "A simple algorithm for identifying negated findings" (NegEx).
Harkema et al. 2009, "ConText: an algorithm for determining negation, experiencer, and temporal status".
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources

import numpy as np

from codesuggest.errors import PrerequisiteError
from codesuggest.extract.sentences import Layout
from codesuggest.extract.tokens import Tokens, tokenize
from codesuggest.extract.words import CLOSES, CUE, CUE_FIRST, CUE_SECOND

__all__ = ["Cue", "CueTable", "Scope", "find_scopes"]

_LONGEST_SCOPE = 80  # words a cue reaches at most, however long the sentence
REACH = _LONGEST_SCOPE + 12  # the same, and the words of the cue itself
CLOSERS = frozenset("();,")
# "migraine without aura, hypertension": these deny what follows up to the comma, unless a list goes on with "or"
_SHORT_REACH = frozenset({"without", "w", "not", "free", "lacking"})
# "CAD s/p stent, diabetes": these speak of what follows up to the comma, list or no list
_NEXT_ONLY = frozenset({"s", "sp", "status"})
# "ER positive, HER2 negative": these speak of what stands before them back to the comma
_LAST_ONLY = frozenset({"negative", "neg", "absent", "none", "resolved", "vs", "versus"})
_QUESTION = ("?",)
_STRENGTH = {"someone_else": 6, "hypothetical": 5, "absent": 4, "possible": 3, "historical": 2, "conditional": 1}


@dataclass(frozen=True, slots=True)
class Cue:
    """One line of the cue table.

    Parameters
    ----------
    words : tuple of str
        Lower case.
    assertion : str
        What it makes of a condition, or ``pseudo`` or ``terminator``.
    direction : {"forward", "backward", "both"}
    scope : int
        Number of words it reaches; 0 for the whole sentence.
    """

    words: tuple[str, ...]
    assertion: str
    direction: str
    scope: int


@dataclass(frozen=True, slots=True)
class Scope:
    """Tokens a cue reaches: ``start <= token < end``; the cue itself is ``cue_start <= token < cue_end``."""

    assertion: str
    start: int
    end: int
    cue_start: int
    cue_end: int


@dataclass(slots=True)
class CueTable:
    """The cues: those of one word by the word, longer ones by their first two.

    Examples
    --------
    >>> table = CueTable.default()
    >>> "denies" in table.single, ("history", "of") in table.longer
    (True, True)
    """

    single: dict[str, list[Cue]] = field(default_factory=dict)
    longer: dict[tuple[str, str], list[Cue]] = field(default_factory=dict)

    @classmethod
    def default(cls) -> CueTable:
        """Read the table that ships with the package."""
        table = cls()
        text = resources.files("codesuggest.extract.patterns").joinpath("cues.tsv").read_text(encoding="utf-8")
        for line in text.splitlines()[1:]:
            if line.startswith("#") or line.startswith("cue\t") or not line:
                continue
            phrase, assertion, direction, scope = line.split("\t")
            words = tuple(w.lower() for w in tokenize(phrase).words)
            cue = Cue(words, assertion, direction, int(scope))
            if len(words) == 1:
                table.single.setdefault(words[0], []).append(cue)
            else:
                table.longer.setdefault((words[0], words[1]), []).append(cue)
        for cues in (*table.single.values(), *table.longer.values()):
            cues.sort(key=lambda c: (-len(c.words), c.words, c.assertion, c.direction))
        return table


def find_scopes(tokens: Tokens, lowers: Sequence[str], layout: Layout, table: CueTable) -> list[Scope]:
    """Find every cue of a note and the tokens it reaches.

    Parameters
    ----------
    tokens : Tokens
    lowers : sequence of str, length n_tokens
        The words in lower case.
    layout : Layout
        Sentence boundaries are required.
    table : CueTable

    Returns
    -------
    list of Scope
        In order of the cues.

    Raises
    ------
    PrerequisiteError
        CS201 when the layout does not fit the tokens.
    """
    n = len(tokens)
    if len(layout.sentence) != n:
        raise PrerequisiteError(
            "CS201",
            f"Assertion needs sentence boundaries for {n} tokens and received {len(layout.sentence)}. "
            "Run the sentence component before the assertion component.",
        )
    sentence, heading = layout.list_of("sentence"), layout.list_of("heading")
    found: list[tuple[int, int, Cue]] = []  # start, end, cue; several cues may share a place
    busy = 0
    single, longer = table.single, table.longer
    for i in _places(tokens, table):
        if heading[i] == 2:
            continue
        best = 0
        for cue in longer.get((lowers[i], lowers[i + 1]), ()) if i + 1 < n else ():
            length = len(cue.words)
            if length < best:
                break
            if i + length <= n and tuple(lowers[i : i + length]) == cue.words and sentence[i + length - 1] == sentence[i]:
                best = length
                if i + length > busy:  # a cue inside a longer one ("ruled out" in "not ruled out") says nothing
                    found.append((i, i + length, cue))
        if not best and lowers[i] in single:
            best = 1
            if i >= busy:
                found.extend((i, i + 1, cue) for cue in single[lowers[i]])
        busy = max(busy, i + best)
    closers = tokens.places(CLOSES, CLOSERS)
    scopes: list[Scope] = []
    edges = layout.edges("sentence")
    n_found = len(found)
    for k, (start, end, cue) in enumerate(found):
        if cue.assertion in ("pseudo", "terminator"):
            continue
        if cue.words == _QUESTION and not _asks(tokens, start, cue.direction):
            continue
        s = sentence[start]
        if cue.direction == "forward":
            low, high = end, edges[s + 1]
            high = min(high, end + (cue.scope or _LONGEST_SCOPE))
            j = k + 1
            while j < n_found and found[j][0] < high:
                other_start, _, other = found[j]
                if other_start >= end and (other.assertion == "terminator" or _closes(cue, other)):
                    high = other_start
                    break
                j += 1
            # a closing bracket or a semicolon ends what a cue before it reaches
            at = bisect_left(closers, end)
            first_word = cue.words[0]
            is_short = first_word in _NEXT_ONLY or (first_word in _SHORT_REACH and not _is_list(lowers, end, high))
            stops = ");," if is_short else ");"
            while at < len(closers) and closers[at] < high:
                if lowers[closers[at]] in stops:
                    high = closers[at]
                    break
                at += 1
        else:
            low, high = edges[s], start
            low = max(low, start - (cue.scope or _LONGEST_SCOPE))
            j = k - 1
            while j >= 0 and found[j][1] > low:
                _, other_end, other = found[j]
                if other_end <= start and (
                    other.assertion == "terminator"
                    or (other.direction == "forward" and _closes(cue, other) and other.assertion == "absent")
                ):
                    low = other_end
                    break
                j -= 1
            at = bisect_left(closers, start) - 1
            while at >= 0 and closers[at] >= low:
                if lowers[closers[at]] in (";(," if cue.words[-1] in _LAST_ONLY else ";("):
                    low = closers[at] + 1
                    break
                at -= 1
        if high > low:
            scopes.append(Scope(cue.assertion, low, high, start, end))
    return scopes


def _places(tokens: Tokens, table: CueTable) -> list[int]:
    """Return the places at which a cue may begin."""
    flags = tokens.flags
    if flags is None:
        lowers = tokens.lowers
        pairs = zip(lowers, [*lowers[1:], ""], strict=True)
        return [i for i, (low, after) in enumerate(pairs) if low in table.single or (low, after) in table.longer]
    begins = (flags & CUE) != 0
    begins[:-1] |= ((flags[:-1] & CUE_FIRST) != 0) & ((flags[1:] & CUE_SECOND) != 0)
    return np.flatnonzero(begins).tolist()


def _asks(tokens: Tokens, mark: int, direction: str) -> bool:
    """Whether a question mark asks about what stands on one side of it: "?COPD" and "COPD? Asthma." ask about COPD alone."""
    before = mark > 0 and tokens.ends[mark - 1] == tokens.starts[mark]
    after = mark + 1 < len(tokens) and tokens.ends[mark] == tokens.starts[mark + 1] and tokens.lowers[mark + 1][0].isalnum()
    return before or not after if direction == "backward" else after or not before


def _is_list(lowers: Sequence[str], start: int, end: int) -> bool:
    """Whether a list joined by "or" follows: "without fever, chills or rash"."""
    window = lowers[start : min(end, start + 14)]
    return "," in window and ("or" in window or "nor" in window)


def _closes(cue: Cue, other: Cue) -> bool:
    """Whether a later cue ends the scope of an earlier one."""
    if other.direction != "forward" or other.assertion == "pseudo":
        return False
    if cue.assertion in ("someone_else",) and other.assertion in ("historical", "absent", "possible"):
        return False
    if cue.assertion == "absent" and other.assertion in ("historical", "someone_else", "hypothetical"):
        return False  # "no history of", "denies family history of"
    if cue.assertion in ("hypothetical", "possible") and other.assertion in ("historical",):
        return False
    return other.assertion != cue.assertion


def decide(reaching: Sequence[Scope]) -> tuple[str, Scope | None]:
    """Choose the strongest of the scopes that reach a mention, the first of equals; "present" when there is none."""
    best: Scope | None = None
    for scope in reaching:
        if best is None or _STRENGTH[scope.assertion] > _STRENGTH[best.assertion]:
            best = scope
    return (best.assertion, best) if best else ("present", None)
