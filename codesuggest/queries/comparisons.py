"""Statements of one condition held against each other: present and absent, left and right, early and late."""

from __future__ import annotations

import re
from collections.abc import Callable

from codesuggest.queries.case import DECIDED, Case, Statement

__all__ = ["COMPARISONS"]

_EXCLUDED = re.compile(
    r"\bruled out\b|\bno (?:clinical |radiographic )?evidence\b|\bexcluded\b|\bunlikely\b|\bdoubt\b|\bnegative for\b|"
    r"\b(?:does|did|do) not (?:have|believe|think|feel)\b|\bnot\b|\bno\b",
    re.IGNORECASE,
)
_LATER = re.compile(
    r"\b(?:repeat|resolved|resolution|cleared|improv\w+|follow[- ]?up|no longer|since|initial\w*|at first|recurrent|new|another|"
    r"prior|previous|history)\b",
    re.IGNORECASE,
)
_DAY = re.compile(
    r"\b(?:hospital day|HD|hosp day|day of (?:stay|admission))\s*(?:#|number|no\.?)?\s*(\d{1,2})\b|"
    r"\bon day\s*(\d{1,2})\b|\bday\s*(\d{1,2})\s+of\b|\b(\d{1,2})(?:st|nd|rd|th)\s+hospital day\b",
    re.IGNORECASE,
)
_SIDES = {"left": "left", "lt": "left", "right": "right", "rt": "right"}
_LETTERS = {"L": "left", "R": "right"}
# Words of a site, and the site: two bones may be broken on two sides.
_SITES = {
    **dict.fromkeys(("hip", "femur", "femoral", "intertrochanteric", "subtrochanteric"), "hip"),
    **dict.fromkeys(("radius", "radial", "wrist", "colles"), "wrist"),
    **dict.fromkeys(("tibia", "tibial", "fibula", "fibular", "ankle", "bimalleolar", "trimalleolar"), "ankle"),
    **dict.fromkeys(("tka", "tkr", "knee", "patella"), "knee"),
    **dict.fromkeys(("tha", "thr"), "hip"),
}
_BOTH_SIDES = frozenset({"bilateral", "bilaterally", "both"})
_EARLY = frozenset({"hpi", "chief_complaint", "admission_diagnosis", "exam", "pmh", "problem_list", "ros"})
_EARLY_DAYS = 2
_LONG = 80  # words of a sentence to either side that are looked at


def _sentence(case: Case, s: Statement) -> str:
    """Return the words of a statement's sentence."""
    reading = case.readings[s.note]
    words = reading.words
    first, last = s.first, s.last
    while first > 0 and words.sentence[first - 1] == s.sentence and s.first - first < _LONG:
        first -= 1
    while last + 1 < len(words.sentence) and words.sentence[last + 1] == s.sentence and last - s.last < _LONG:
        last += 1
    return reading.note.text[words.starts[first] : words.ends[last]]


def both(case: Case, name: str) -> list[Statement]:
    """Return one statement that a condition is present and one that it is not, both a physician's and of the same time.

    The first must stand among the diagnoses; the second must say so in words ("ruled out", "not felt to be") and not speak
    of an earlier or later state ("resolved on repeat film").
    """
    all_of = case.said_of(name)
    # What is negated in one breath with several others ("no PE or pneumonia") is weighed like a single one.
    denied = [
        s
        for s in all_of
        if s.assertion == "absent"
        and s.is_provider
        and s.section in DECIDED | {"other", "hpi"}
        and _EXCLUDED.search(sentence := _sentence(case, s))
        and not _LATER.search(sentence)
    ]
    if not denied:
        return []
    affirmed = [s for s in case.addressed(name) if s.assertion == "present" and not any(_same_place(s, d) for d in denied)]
    named = [s for s in affirmed if s.section in ("discharge_diagnosis", "assessment", "assessment_plan", "admission_diagnosis")]
    firm = [s for s in named if s.section != "admission_diagnosis"]
    if not firm:
        return []
    return [firm[0], denied[-1]]


def _same_place(a: Statement, b: Statement) -> bool:
    return a.note == b.note and a.sentence == b.sentence


def _side_of(case: Case, s: Statement) -> str:
    """Return the side said of a statement: left, right, both, or nothing."""
    words = case.readings[s.note].words
    found = set()
    for i in range(max(0, s.first - 4), min(len(words.lowers), s.last + 4)):
        if words.sentence[i] != s.sentence or (words.clause[i] != words.clause[s.first] and i < s.first):
            continue
        word = words.lowers[i]
        if word in _SIDES or words.given[i] in _LETTERS:
            found.add(_SIDES.get(word) or _LETTERS[words.given[i]])
        elif word in _BOTH_SIDES:
            return "both"
    return "both" if len(found) == 2 else next(iter(found), "")


def sides(case: Case, name: str) -> list[Statement]:
    """Return a statement for the left and one for the right, when nothing says that both sides are meant.

    Each side must be the only one of the sections it stands in, so that a patient with two conditions is not asked about.
    """
    found: dict[str, tuple[list[Statement], list[Statement]]] = {}
    for s in case.said_of(name):
        if s.assertion not in ("present", "possible") or s.section in ("pmh", "psh", "family_history", "instructions", "problem_list"):
            continue
        side = _side_of(case, s)
        if side == "both":
            return []
        if side:
            left, right = found.setdefault(_site_of(case, s), ([], []))
            (left if side == "left" else right).append(s)
    for left, right in found.values():
        shared = {(s.note, s.section) for s in left} & {(s.note, s.section) for s in right}
        if left and right and not (shared and len(left) > 1 and len(right) > 1):
            return [left[0], right[0]]
    return []


def _site_of(case: Case, s: Statement) -> str:
    inside = case.readings[s.note].words.lowers[s.first : s.last + 1]
    known = next((_SITES[w] for w in inside if w in _SITES), None)
    return known or " ".join(w for w in inside if w not in _SIDES and not w.startswith(("fract", "fx")))


def sideless(case: Case, name: str) -> list[Statement]:
    """Return the statements of a condition when none of them, and no picture of it, gives a side."""
    given = [s for s in case.said_of(name) if s.assertion in ("present", "possible", "historical")]
    if not given or any(_side_of(case, s) for s in given):
        return []
    for reading in case.readings:  # a side anywhere in a sentence that speaks of the fracture or the limb answers
        wanted = {s.sentence for s in given if s.note == reading.index}
        words = reading.words
        if any((w.lower() in _SIDES or w in _LETTERS) and words.sentence[i] in wanted for i, w in enumerate(words.given)):
            return []
    if any(w in _SIDES for r in case.readings for w in r.words.lowers):
        return []
    return given


def differs(case: Case, name: str) -> list[Statement]:
    """Return two statements whose stage differs, of one site, both of them of this encounter."""
    numbers = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "unstageable": "unstageable"}
    seen: dict[str, dict[str, Statement]] = {}
    for s in case.said_of(name):
        if s.assertion != "present" or not s.is_provider:
            continue
        words = case.readings[s.note].words
        inside = words.lowers[s.first : s.last + 1]
        stage = next((numbers.get(w, w) for w in inside if w in numbers or (w.isdigit() and w in "1234")), "")
        near = words.lowers[max(0, s.first - 4) : s.last + 6]
        site = next((w[:5] for w in near if w[:4] in ("sacr", "cocc", "heel", "isch", "troc", "butt")), "")
        site = {"coccy": "sacra", "sacru": "sacra"}.get(site, site)
        if stage and site:
            seen.setdefault(site, {}).setdefault(stage, s)
    for stages in seen.values():
        if len(stages) > 1:
            return sorted(stages.values(), key=lambda s: (s.note, s.span))[:2]
    return []


def _day_of(case: Case, s: Statement) -> int:
    """Return the hospital day that a statement's sentence names, 0 when it names none."""
    m = _DAY.search(_sentence(case, s))
    if m is not None:
        return int(next(g for g in m.groups() if g))
    first = min((r.note.date_of_service for r in case.readings if r.note.date_of_service), default=None)
    own = case.readings[s.note].note.date_of_service
    if first is not None and own is not None and len(case.readings) > 1:
        return (own - first).days + 1
    return 0


_CAME_LATER = re.compile(
    r"\b(?:develop\w*|acquired|nosocomial|new[- ]onset|new|onset|complicated by|post-?op\w*|ventilator-associated|hospital-acquired|"
    r"occurred|suffered|worsen\w*|resol\w+|recover\w*|improv\w*)\b",
    re.IGNORECASE,
)
_THERE_BEFORE = re.compile(
    r"\b(?:on admission|POA|on arrival|prior to (?:admission|arrival)|at presentation|on presentation|community[- ]acquired|chronic|"
    r"known|came in with|admitted (?:with|for))\b",
    re.IGNORECASE,
)


def late(case: Case, name: str) -> list[Statement]:
    """Return where a condition is first documented after the second day, when nothing says whether it was there before."""
    given = [s for s in case.said_of(name) if s.assertion in ("present", "possible")]
    if not given or any(s.section in _EARLY for s in given):
        return []
    sentences = [_sentence(case, s) for s in given]
    if any(_CAME_LATER.search(text) or _THERE_BEFORE.search(text) for text in sentences):
        return []
    dated = [(s, _day_of(case, s)) for s in given]
    if not any(day > _EARLY_DAYS for _, day in dated):
        return []
    undated_elsewhere = [s for s, day in dated if day == 0 and s.section not in ("discharge_diagnosis", "assessment", "instructions", "plan")]
    early = [s for s, day in dated if 0 < day <= _EARLY_DAYS]
    if early or (undated_elsewhere and min(s.span for s in undated_elsewhere) < min(s.span for s, day in dated if day > _EARLY_DAYS)):
        return []
    return [s for s, day in dated if day > _EARLY_DAYS][:2]


def undated(case: Case, name: str) -> list[Statement]:
    """Return the diagnoses of a condition when no part of the record speaks of its beginning."""
    given = [s for s in case.said_of(name) if s.assertion in ("present", "possible")]
    if case.setting != "inpatient" or not case.addressed(name) or any(s.section in _EARLY for s in given):
        return []
    sentences = [_sentence(case, s) for s in given]
    if any(_CAME_LATER.search(t) or _THERE_BEFORE.search(t) or _DAY.search(t) for t in sentences):
        return []
    return case.addressed(name)[:2]


COMPARISONS: dict[str, Callable[[Case, str], list[Statement]]] = {
    f.__name__: f for f in (both, sides, sideless, differs, late, undated)
}
