"""Sections of a note: which part is history, which is the physician's assessment.

A heading is a known phrase at the start of a line, or after a full stop, that is followed by a colon or stands alone.
Names of body systems inside a review of systems or an examination do not open a section of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from codesuggest.extract.patterns.headings import HEADINGS, SUBHEADINGS, SYSTEMS

__all__ = ["RawSection", "find_sections"]

# Line heading: optional number or bullet, up to 60 characters, then a colon, a dash, or the end of the line.
_LINE = re.compile(
    r"^[^\S\n]*+(?:[#*=_~>\-–—•·]+[^\S\n]*+)?(?:\(?(?:\d{1,2}|[IVX]{1,4}|[A-Z])[.)][^\S\n]*+)?(?:\*\*|__)?"
    r"([A-Za-z][A-Za-z0-9/&',. ()\-]{0,58}?)(?:\*\*|__)?[^\S\n]*+(:|[-–—](?=[^\S\n])|(?=[=_*#\-]*[^\S\n]*+$))",
    re.MULTILINE,
)
# Inline heading: after a sentence end or a semicolon, always with a colon.
_INLINE = re.compile(r"[.;\])][^\S\n]++([A-Z][A-Za-z0-9/&' ]{1,40}):")
_SQUEEZE = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class RawSection:
    """A section as found: normalised name, heading and extent in characters.

    Parameters
    ----------
    name : str
    start : int
        First character of the heading.
    body : int
        First character after the heading.
    end : int
        Start of the next section.
    """

    name: str
    start: int
    body: int
    end: int


@lru_cache(maxsize=1024)
def _key(heading: str) -> str:
    return _SQUEEZE.sub(" ", heading.lower().replace("&", " and ")).strip()


# Parts in which a heading nobody listed names a problem or a system, and opens no part of its own.
_KEEPS = frozenset(
    {"assessment_plan", "plan", "assessment", "discharge_diagnosis", "problem_list", "hospital_course", "ros", "exam"}
)


def find_sections(text: str) -> list[RawSection]:
    r"""Divide a text into sections that cover it without gaps.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of RawSection
        In order. Text before the first heading is ``"other"``.

    Examples
    --------
    >>> [(s.name, s.start) for s in find_sections("PMH: asthma\nAssessment and Plan:\nAsthma.")]
    [('pmh', 0), ('assessment_plan', 12)]
    """
    found: list[tuple[int, int, str]] = []
    for m in _LINE.finditer(text):
        heading = m.group(1)
        separator = m.group(2)
        key = _key(heading)
        name = HEADINGS.get(key)
        if key == "pe" and separator != ":":
            continue  # "7. PE -" in a list is an embolism
        if name is None:
            name = _compound(key)
        if name is None and (separator == ":" or not separator) and (heading.isupper() or not separator or len(key.split()) > 1):
            guess = _guess(key)
            if guess is not None and (heading.isupper() or heading.istitle()) and _alone_or_colon(text, m, heading, separator):
                found.append((m.start(), m.end(), "~" + guess if not heading.isupper() else guess))
                continue
        if name is None:
            if separator == ":" or not separator:
                letters = heading.replace(" ", "")
                if letters.isupper() and len(letters) > 4 and len(heading.split()) <= 6 and key not in SYSTEMS:
                    found.append((m.start(), m.end(), "?" + key))
            continue
        if separator and separator != ":" and not heading.isupper():
            continue  # "Plan - follow up": only capitals carry a dash
        if not separator and not _alone(text, m.start(), m.end(), heading):
            continue
        found.append((m.start(), m.end(), name))
    for m in _INLINE.finditer(text):
        name = HEADINGS.get(_key(m.group(1)))
        if name is not None:
            found.append((m.start(1), m.end(), name))
    found.sort()
    sections: list[RawSection] = []
    cuts: list[tuple[int, int, str]] = []
    current = "other"
    capitals = False
    for start, body, name in found:
        if cuts and start < cuts[-1][1]:
            continue
        if name.startswith("?"):
            # An unknown heading in capitals: a problem's name inside a plan, otherwise a section of its own.
            if current in _KEEPS:
                continue
            name = "other"
        if name.startswith("~"):
            # A guess at a heading in small letters: never inside a part that lists problems.
            if current in _KEEPS:
                continue
            name = name[1:]
        if name == current or (
            current in ("assessment_plan", "plan", "hospital_course")
            and _key(text[start:body]) in SUBHEADINGS
            and not (capitals and text[start:body].isupper())
        ):
            continue  # a label inside the part that is already open
        cuts.append((start, body, name))
        current = name
        capitals = text[start:body].isupper()
    if not cuts or cuts[0][0] > 0:
        cuts.insert(0, (0, 0, "other"))
    cuts = _end_short_parts(text, cuts)
    for i, (start, body, name) in enumerate(cuts):
        end = cuts[i + 1][0] if i + 1 < len(cuts) else len(text)
        sections.append(RawSection(name, start, body, max(end, start)))
    return [s for s in sections if s.end > s.start] or [RawSection("other", 0, 0, len(text))]


# Parts that are a line or a list; prose after a blank line is no longer theirs.
_SHORT = frozenset(
    {"medications", "allergies", "social_history", "family_history", "vitals", "psh", "pmh", "exam", "labs", "imaging", "ros"}
)
_BLANK = re.compile(r"\n[^\S\n]*\n\s*")
_SYSTEM_START = re.compile(r"[^\S\n]*[-•*]?[^\S\n]*([A-Za-z][A-Za-z/ ]{0,24}):")
_DECIDED = frozenset({"assessment", "assessment_plan", "plan", "discharge_diagnosis"})


def _end_short_parts(text: str, cuts: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """End a part written on its heading's line at the next blank line that prose follows; name what the end of a note is."""
    result: list[tuple[int, int, str]] = []
    for i, (start, body, name) in enumerate(cuts):
        result.append((start, body, name))
        end = cuts[i + 1][0] if i + 1 < len(cuts) else len(text)
        if name not in _SHORT or body == start:
            continue
        line_end = text.find("\n", body, end)
        if line_end < 0 or not text[body:line_end].strip(" :*_-\t\r"):
            continue
        for m in _BLANK.finditer(text, line_end, end):
            paragraph_end = text.find("\n", m.end(), end)
            paragraph = text[m.end() : paragraph_end if paragraph_end >= 0 else end]
            system = _SYSTEM_START.match(paragraph)
            if len(paragraph.split()) >= 12 and not (system and _key(system.group(1)) in SYSTEMS):
                result.append((m.end(), m.end(), "other"))
                break
    if not any(name in _DECIDED for _, _, name in result):
        # No assessment is headed: what follows the findings at the end of the note is one.
        for i in range(len(result) - 1, 0, -1):
            start, body, name = result[i]
            if name == "other" and start == body and start > 0.3 * len(text) and result[i - 1][2] in _SHORT:
                result[i] = (start, body, "assessment_plan")
                break
            if name not in ("instructions", "plan", "other"):
                break
    return result


def _alone(text: str, start: int, end: int, heading: str) -> bool:
    """Whether a heading without a colon stands on its own line and looks like one."""
    line_end = text.find("\n", end)
    rest = text[end : line_end if line_end >= 0 else len(text)]
    if rest.strip(" =_*#-\t\r"):
        return False
    words = heading.split()
    if heading.isupper() or len(words) <= 2:
        return heading[0].isupper()
    return sum(w[0].isupper() for w in words if len(w) > 3) >= sum(len(w) > 3 for w in words) - 1


_GUESSES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"\bfamily\b", "family_history"),
        (r"\bsocial\b|\bhabits\b", "social_history"),
        (r"\bsurg\w*\b.*\bhist|\bpast surg", "psh"),
        (r"\breview of systems\b", "ros"),
        (
            r"\b(?:past|medical|psychiatric|obstetric\w*|gyn\w*|oncolog\w*|cardiac|ocular|birth)\b.*\bhist|\bpast (?:medical|psychiatric)|\bcomorbid",
            "pmh",
        ),
        (r"\b(?:assessment|impression|diagnos[ei]s)\b.*\bplan\b|\bplan\b.*\bproblem", "assessment_plan"),
        (r"\b(?:admi\w+|pre ?op\w*)\b.*\bdiagnos", "admission_diagnosis"),
        (
            r"\b(?:discharge|secondary|principal|primary|final|other|additional|active)\b.*\bdiagnos|\binjur(?:y|ies)\b(?: list)?$|\bcomplications\b",
            "discharge_diagnosis",
        ),
        (r"\bdiagnos[ei]s\b|\bassessment\b|\bimpression\b|\bconclusion", "assessment"),
        (r"\bcourse\b|\bdecision making\b", "hospital_course"),
        (r"\bexam(?:ination)?\b|\bmental status\b", "exam"),
        (r"\bvital", "vitals"),
        (r"\bmedications?\b|\bmeds\b", "medications"),
        (r"\ballerg", "allergies"),
        (r"\bcomplaint|\breason for\b", "chief_complaint"),
        (r"\bhistory\b|\bmechanism\b|\bsubjective\b", "hpi"),
        (r"\bprocedures?\b|\boperati(?:on|ve)\b", "procedures"),
        (r"\binstructions?\b|\bfollow ?up\b|\baftercare\b|\bappointments?\b|\bprecautions\b", "instructions"),
        (r"\bimaging\b|\bradiolog|\bx ?rays?\b|\bct\b|\bmri\b|\bultrasound\b|\becho", "imaging"),
        (r"\blabs?\b|\blaborator|\bresults?\b|\bdata\b|\bstudies\b|\binvestigations\b|\bmicrobiology\b", "labs"),
        (r"\bplan\b|\brecommendations?\b|\bdisposition\b", "plan"),
        (r"^medical$|^past psychiatric$", "pmh"),
        (r"^surgical$", "psh"),
    )
)


@lru_cache(maxsize=1024)
def _guess(key: str) -> str | None:
    """Guess the section of a heading nobody listed, by its words."""
    if len(key.split()) > 8:
        return None
    for pattern, name in _GUESSES:
        if pattern.search(key):
            return name
    return None


def _alone_or_colon(text: str, m: re.Match[str], heading: str, separator: str) -> bool:
    return separator == ":" or _alone(text, m.start(), m.end(), heading)


@lru_cache(maxsize=1024)
def _compound(key: str) -> str | None:
    """Resolve "history of present illness and interval events" and the like by their known beginning."""
    words = key.split()
    if 2 < len(words) <= 7:
        for n in range(min(len(words) - 1, 5), 1, -1):
            name = HEADINGS.get(" ".join(words[:n]))
            if name is not None and words[n] in ("and", "including", "with", "by", "on", "at", "as", "for", "s", "list", "see"):
                return name
    return None


def is_subheading(words: str) -> bool:
    """Whether a label inside a plan ("Medical reasoning", "Additional testing") is not the name of a problem."""
    return _key(words) in SUBHEADINGS
