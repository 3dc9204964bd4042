"""From matches and scopes to the plain values that leave this room."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from codesuggest.codes import Release
from codesuggest.extract.assertion import REACH, Scope, decide
from codesuggest.extract.measures import RECEPTOR, Measure
from codesuggest.extract.sections import RawSection
from codesuggest.extract.sentences import Layout
from codesuggest.extract.terms import Match, TermMatcher, WordNumbers
from codesuggest.extract.tokens import Tokens
from codesuggest.records import Mention, Section, Span

__all__ = ["Extraction", "to_extraction"]

_cue_start = attrgetter("cue_start")


@dataclass(frozen=True, slots=True)
class Extraction:
    """Everything that was read from one note.

    Parameters
    ----------
    mentions : tuple of Mention
        By position.
    token_spans : tuple of tuple of int, length n_mentions
        The tokens of each mention.
    sections : tuple of Section
    tokens : Tokens
    numbers : WordNumbers
    layout : Layout
    scopes : tuple of Scope
    negated : bool array, length n_tokens
        Tokens that stand in the scope of an absent, hypothetical or someone else's cue.
    cue_words : tuple of str, length n_mentions
        Lower-case words of the deciding cue, empty when there is none.
    """

    mentions: tuple[Mention, ...]
    token_spans: tuple[tuple[int, ...], ...]
    sections: tuple[Section, ...]
    tokens: Tokens
    numbers: WordNumbers
    layout: Layout
    scopes: tuple[Scope, ...]
    negated: NDArray[np.bool_]
    cue_words: tuple[str, ...]


def _assess(
    match: Match, kind: str, scopes: Sequence[Scope], section: str, tokens: Tokens, lowers: Sequence[str]
) -> tuple[str, Scope | None]:
    """Decide the assertion of one match."""
    first, last = match.first, match.last
    assertion, scope = decide(
        [
            s
            for s in scopes
            if (
                (s.start <= first and last < s.end)
                or (s.cue_start < first < s.cue_end and s.assertion in ("absent", "someone_else"))
                or (s.start <= first < s.end and s.assertion == "absent" and last >= s.end and last - s.end < 2)
            )
            # a cue that is part of the term itself does not speak about it
            and not (s.cue_start in match.tokens and s.cue_end - 1 in match.tokens)
        ]
    )
    # "3/7 hx of cough", "20-year history of diabetes": a duration, not the past
    if scope is not None and assertion == "historical" and _is_duration(lowers, scope.cue_start):
        assertion, scope = "present", None
    # "cellulitis, resolved" among the diagnoses of a stay: it ended in the stay
    if (
        scope is not None
        and assertion == "historical"
        and "resolved" in lowers[scope.cue_start : scope.cue_end]
        and section in _STAY
    ):
        assertion, scope = "present", None
    # "?UTI", "? fracture"
    if assertion == "present" and first > 0 and lowers[first - 1] == "?":
        return "possible", Scope("possible", first, last + 1, first - 1, first)
    if section == "family_history" and kind not in ("social", "status", "encounter") and assertion != "absent":
        return "someone_else", scope
    if section == "allergies" and assertion == "present" and kind not in ("status", "history"):
        return "conditional", scope
    if section == "instructions" and assertion in ("present",) and kind in ("symptom", "finding"):
        return "hypothetical", scope
    if kind in ("family", "history") and scope is not None and scope.assertion in ("someone_else", "historical"):
        return ("someone_else" if kind == "history" and scope.assertion == "someone_else" else "present"), scope
    return assertion, scope


_UNITS = frozenset(
    "day days week weeks month months year years hour hours wk wks yr yrs mo mos d h longstanding long standing lifelong chronic strong".split()
)


_STAY = frozenset({"discharge_diagnosis", "hospital_course", "assessment", "assessment_plan"})
_DECIDED = frozenset(
    {"assessment", "assessment_plan", "discharge_diagnosis", "hospital_course", "imaging", "labs", "medications"}
)
_ONSET = frozenset({"diagnosed", "diagnosis", "dx", "dx'd", "since", "onset"})  # "diagnosed with CLL in 2008" has it still
_YEAR = re.compile(r"(?:19[3-9]\d|20[0-4]\d)$")


def _year_after(tokens: Tokens, last: int, year: int | None) -> int:
    """Return the token of a past year just after a mention ("MI 2019", "TIA in 2021"), 0 when there is none."""
    for t in range(last + 1, min(last + 4, len(tokens))):
        word = tokens.word(t)
        if _YEAR.match(word):
            return t if year is None or int(word) < year else 0
        if word not in ("in", "(", ",", "of", "back") and not word.isalpha():
            return 0
        if word.lower() not in (
            "in",
            "of",
            "back",
            "(",
            ",",
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
            "early",
            "late",
            "spring",
            "summer",
            "fall",
            "winter",
        ):
            return 0
    return 0


def _is_duration(lowers: Sequence[str], cue_start: int) -> bool:
    """Whether the words before "history of" say for how long, so that the condition is current."""
    before = lowers[max(0, cue_start - 4) : cue_start]
    return any(w in _UNITS for w in before) or (
        len(before) >= 3 and before[-2] == "/" and before[-3].isdigit() and before[-1].isdigit()
    )


def to_extraction(
    tokens: Tokens,
    numbers: WordNumbers,
    layout: Layout,
    raw_sections: Sequence[RawSection],
    matches: Sequence[Match],
    scopes: Sequence[Scope],
    matcher: TermMatcher,
    release: Release,
    measures: Sequence[Measure] = (),
    year: int | None = None,
) -> Extraction:
    """Build the plain values of one note.

    Returns
    -------
    Extraction
        Every span lies in the text, and its end is greater than its start.
    """
    starts, ends = tokens.starts, tokens.ends
    sections = tuple(
        Section(s.name, Span(s.start, s.end), Span(s.start, s.body) if s.body > s.start else None)
        for s in raw_sections
        if s.end > s.start
    )
    sentence, block = layout.list_of("sentence"), layout.list_of("block")
    section_of, heading = layout.list_of("section"), layout.list_of("heading")
    by_sentence: dict[int, list[Scope]] = {}
    for s in sorted(scopes, key=_cue_start):
        by_sentence.setdefault(sentence[s.cue_start], []).append(s)

    def near(first: int, last: int) -> Sequence[Scope]:
        """Scopes of the same sentence whose cue stands within their longest reach."""
        own = by_sentence.get(sentence[first])
        return [s for s in own if first - REACH <= s.cue_start < last + REACH] if own is not None else ()

    negated = np.zeros(len(tokens), np.bool_)
    for s in scopes:
        if s.assertion in ("absent", "hypothetical", "someone_else"):
            negated[s.start : s.end] = True
    mentions: list[Mention] = []
    spans: list[tuple[int, ...]] = []
    cue_words: list[str] = []
    for match in matches:
        term, code, root, kind, source = matcher.describe(match.term)
        first, last = match.tokens[0], match.tokens[-1]
        section = raw_sections[section_of[first]].name
        assertion, scope = _assess(match, kind, near(first, last), section, tokens, numbers.lowers)
        cue: tuple[Span, ...] = ()
        words = ""
        if assertion == "present" and kind in ("diagnosis", "procedure") and section not in _DECIDED:
            dated = _year_after(tokens, last, year)
            if dated and _ONSET.isdisjoint(numbers.lowers[max(0, first - 3) : dated]):
                assertion, scope = "historical", Scope("historical", first, last + 1, dated, dated + 1)
                words = "years ago"
        if scope is not None:
            cue = (Span(starts[scope.cue_start], ends[scope.cue_end - 1]),)
            words = words or " ".join(numbers.lowers[scope.cue_start : scope.cue_end])
        mentions.append(
            Mention(
                Span(starts[first], ends[last]),
                term,
                code,
                root,
                kind,
                assertion,
                section,
                cue,
                match.quality,
                sentence[first],
                block[first],
                heading[first] == 1,
                source,
            )
        )
        spans.append(match.tokens)
        cue_words.append(words)
    for measure in measures:
        first = bisect_left(starts, measure.start)
        last = bisect_left(ends, measure.end)
        if first >= len(starts) or starts[first] != measure.start or last >= len(ends) or ends[last] != measure.end:
            continue
        if measure.code not in release:
            continue
        match = Match(-1, tuple(range(first, last + 1)), 1.0, last + 1 - first)
        section = raw_sections[section_of[first]].name
        assertion, scope = _assess(match, measure.kind, near(first, last), section, tokens, numbers.lowers)
        mentions.append(
            Mention(
                span=Span(measure.start, measure.end),
                term=measure.term,
                code=measure.code,
                root=measure.code,
                kind=measure.kind,
                assertion="present"
                if assertion in ("possible", "conditional", "historical") or measure.term == RECEPTOR
                else assertion,
                section=section,
                sentence=sentence[first],
                block=block[first],
                is_heading=heading[first] == 1,
                source="lexicon",
            )
        )
        spans.append(match.tokens)
        cue_words.append("")
    return Extraction(tuple(mentions), tuple(spans), sections, tokens, numbers, layout, tuple(scopes), negated, tuple(cue_words))
