"""Age and sex of the patient as the note's first lines tell them, for terms whose code depends on them."""

from __future__ import annotations

import re

__all__ = ["infer_age_years", "infer_sex"]

_AGE = re.compile(
    r"\b(\d{1,3})(?:\.\d)?[\s-]*(?:(years?|yrs?|y)[\s/.-]*(?:o|old)\b|(months?|mos?|m)[\s/.-]*(?:o|old)\b"
    r"|(weeks?|wks?)[\s/.-]*(?:o|old)\b|(days?|d)[\s/.-]*(?:o|old)\b|(?:y/?o)\b|(?=[MF]\b))",
    re.IGNORECASE,
)
_NEWBORN = re.compile(r"\b(?:newborn|neonate|neonatal|day of life|DOL|nursery|NICU)\b", re.IGNORECASE)
_FEMALE = re.compile(r"\b(?:she|her|hers|woman|female|lady|girl|mrs|ms)\b", re.IGNORECASE)
_MALE = re.compile(r"\b(?:he|his|him|man|male|gentleman|boy|mr)\b", re.IGNORECASE)


def infer_age_years(text: str) -> float | None:
    """Return the age a note states, in years; None when it states none.

    Examples
    --------
    >>> [infer_age_years(t) for t in ("A 62-year-old man", "6-month-old girl", "72F with CHF", "3 y/o", "cough")]
    [62.0, 0.5, 72.0, 3.0, None]
    """
    m = _AGE.search(text[:3000])
    if m is None:
        return 0.0 if _NEWBORN.search(text[:400]) else None
    value = float(m.group(1))
    if m.group(3):
        value /= 12
    elif m.group(4):
        value /= 52
    elif m.group(5):
        value /= 365
    return value if value <= 120 else None


def infer_sex(text: str) -> str | None:
    """Return "F" or "M" when the words of a note speak clearly for one.

    Examples
    --------
    >>> infer_sex("She is a 40-year-old woman."), infer_sex("Cough.")
    ('F', None)
    """
    sample = text[:4000]
    women, men = len(_FEMALE.findall(sample)), len(_MALE.findall(sample))
    if women > 2 * men and women:
        return "F"
    if men > 2 * women and men:
        return "M"
    return None
