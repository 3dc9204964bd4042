"""The codes an instructional note names: ``(E08-E13 with .51-.52)``, ``(I20.-)``, ``(T36-T50 with fifth or sixth character 5)``.

Decision (April 2026 tables): when a note names codes in parentheses only those count, because codes outside them describe the
condition ("pneumoconiosis with tuberculosis, any type in A15 (J65)" excludes J65, not A15). A restriction that cannot be
read ("with ketoacidosis" can, "with complications" could not) drops its codes instead of widening them: an Excludes edit that
fires on a wrong pair costs more than one named in `InstructionalNote.text` alone. Another look is due when a release brings a
wording that `tests/unit/codes/test_ranges.py` does not hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from codesuggest.codes.code import with_dot, without_dot

__all__ = ["CodeRange", "find_ranges"]


@dataclass(frozen=True, slots=True, order=True)
class CodeRange:
    """All codes from one code or category to another, both with everything below them.

    Parameters
    ----------
    first, last : str
        Codes without the dot; equal for a single code or category.
    pattern : str
        A regular expression the whole stored code must match from its beginning, or ``""``: the restriction
        "with fifth character 4" is ``.{4}4``.

    References
    ----------
    ICD-10-CM Official Guidelines, section I.A.6–9 (punctuation and the point dash) and I.A.12 (Excludes notes).

    Examples
    --------
    >>> "E11.65" in CodeRange("E08", "E13")
    True
    >>> str(CodeRange("I20", "I20")), str(CodeRange("E08", "E13"))
    ('I20', 'E08-E13')
    """

    first: str
    last: str
    pattern: str = ""

    def __contains__(self, code_text: object) -> bool:
        if not isinstance(code_text, str):
            return False
        text = without_dot(code_text)
        if text[: len(self.first)] < self.first or text[: len(self.last)] > self.last:
            return False
        return not self.pattern or re.match(self.pattern, text) is not None

    def __str__(self) -> str:
        name = with_dot(self.first) if self.first == self.last else f"{with_dot(self.first)}-{with_dot(self.last)}"
        return f"{name} matching {self.pattern}" if self.pattern else name


_CODE = r"(?<![0-9A-Za-z/.])([A-Z](?:[0-9][0-9A-Z]|A[0-9])(?:\.[0-9A-Z]{1,4})?)(?![0-9A-Z])"
_DASH = r"(?:\.?-|\.)?"
_RANGE = re.compile(rf"{_CODE}(?:{_DASH}(?:-|\s+-\s*|\s+to\s+){_CODE}{_DASH}|{_DASH})")
_PARENTHESES = re.compile(r"\([^()]*(?:\)|\}|$)")
_SENTENCE = re.compile(r";|\s-\s?(?=code|see)|(?<=-)(?=code )")

_ORDINALS = {"fourth": 4, "fifth": 5, "sixth": 6, "six": 6, "seventh": 7, "4th": 4, "5th": 5, "6th": 6, "7th": 7}
_ORDINAL = "|".join(_ORDINALS)
_AT = re.compile(rf"({_ORDINAL})(?: (or|to) ({_ORDINAL}))?[ -]characters? (.+)")
_FINAL = re.compile(r"final characters? (.+)")
_INTENT = re.compile(rf"(?:{_ORDINAL})(?: or (?:{_ORDINAL}))? character to indicate intent")
_OPEN_FRACTURE = "BCEFHJMNQR"  # the seventh characters whose definitions begin with or contain "open fracture"


def _values(text: str) -> str | None:
    """``.17, .27, .97``, ``1-4 or 6``, ``B or C``, ``-23``: the alternatives as a regular expression."""
    alternatives = []
    for part in re.split(r"\s*(?:,|\.\s|\bor\b)\s*", text.strip(" .)")):
        match = re.fullmatch(r"[.-]?([0-9A-Z]{1,4})(?:-\.?([0-9A-Z]{1,4}))?-?", part)
        if match is None:
            return None
        first, last = match[1], match[2] or match[1]
        if first.isdigit() and last.isdigit() and len(first) == len(last):
            alternatives += [str(n).zfill(len(first)) for n in range(int(first), int(last) + 1)]
        elif first == last:
            alternatives.append(first)
        else:
            return None
    return "(?:" + "|".join(alternatives) + ")" if alternatives else None


def _restriction(text: str) -> str | None:
    """Turn the words after "with" into a regular expression; None when they are not understood."""
    text = text.strip(" ,()")
    if _INTENT.match(text):
        return ""
    if text == "open fracture 7th character":
        return f".{{6}}[{_OPEN_FRACTURE}]"
    if text.startswith("ketoacidosis"):  # E08.1, E09.1, E10.1, E11.1, E13.1
        return ".{3}1"
    if text.startswith("."):
        values = _values(text)
        return values and ".{3}" + values
    if match := _AT.match(text):
        values, place = _values(match[4]), _ORDINALS[match[1]]
        if values is None or match[2] == "to":
            return values and f".{{{place - 1}}}{values}"
        if match[2] is None:
            return f".{{{place - 1}}}{values}"
        # "fifth or sixth": the last of them that is not the placeholder X carries the meaning
        return f"(?:.{{5}}{values}|.{{4}}{values}(?:X|$))"
    if match := _FINAL.match(text):
        values = _values(match[1])
        if values is None:
            return None
        if match[1].startswith("."):
            return f".{{3}}{values}$"
        if re.fullmatch(r"\(\?:[0-9]\)", values):  # the final character before the seventh
            return f"(?:.{{5}}{values}|.{{4}}{values}(?:X|$))"
        return f".{{4}}{values}$"  # "I69. with final characters -23": the dash stands for the fourth
    return None


def _ranges_of(segment: str) -> list[CodeRange]:
    matches = list(_RANGE.finditer(segment))
    if not matches:
        return []
    words = segment[matches[-1].end() :].lstrip(" ,")
    pattern = _restriction(words.removeprefix("with ")) if words.startswith("with ") else ""
    if pattern is None:
        return []
    ends = [(without_dot(m[1]), without_dot(m[2] or m[1])) for m in matches]
    return [CodeRange(first, last, pattern) for first, last in ends if first <= last]


def find_ranges(text: str) -> tuple[CodeRange, ...]:
    """Find the codes that the text of an instructional note names.

    Parameters
    ----------
    text : str
        Text of one note of the Tabular List.

    Returns
    -------
    tuple of CodeRange
        In the order of the text, without repeats. Empty when the note names no code.

    Notes
    -----
    A misprint of the official text is read as printed: ``I69.01-I69.11-`` is a range.

    References
    ----------
    The notes of the Tabular List, ICD-10-CM April 2026, CDC/NCHS.

    Examples
    --------
    >>> [str(r) for r in find_ranges("angina pectoris (I20.-), sequelae (I69.0-I69.2)")]
    ['I20', 'I69.0-I69.2']
    >>> "E11.52" in find_ranges("gangrene in diabetes mellitus (E08-E13 with .52)")[0]
    True
    """
    inside = [part for part in _PARENTHESES.findall(text) if _RANGE.search(part)]
    segments = inside or _SENTENCE.split(text)
    found = [r for segment in segments for r in _ranges_of(segment)]
    return tuple(dict.fromkeys(found))
