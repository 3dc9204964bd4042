"""Numbers that are codes of their own: body mass index, weeks of gestation, stroke and coma scales.

They may be taken from the notes of clinicians other than the provider (guideline I.B.14); the diagnosis they go with
must be the provider's, and is looked for when the candidates are made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from codesuggest.extract.tokens import Tokens
from codesuggest.extract.words import MEASURED, OBSTETRIC

__all__ = ["RECEPTOR", "Measure", "find_measures"]

_BMI = re.compile(
    r"\b(?:BMI|body mass index)(?:\s*\(BMI\))?(?:\s+(?:of|is|was|today|now|currently))*\s*[:=~]?\s*(\d{2}(?:\.\d{1,2})?)\b",
    re.IGNORECASE,
)
_OBSTETRIC = re.compile(
    r"gestation|pregnan|\bE?GA\b|\bIUP\b|\bG\d ?P\d|obstet|labor|cesarean|antenatal|prenatal|trimester|partum", re.IGNORECASE
)
_WEEKS = re.compile(
    r"\b(?:(\d{1,2})\s*(?:w(?:ee)?ks?)?\s*(?:and\s*|\+\s*|,\s*)?(?:(?:[0-6]\s*(?:d(?:ays?)?))|(?:[0-6]/7))?\s*(?:gestation\b|of gestation\b|pregnan\w+|gestational age)"
    r"|(?:IUP|GA|EGA|gestation(?:al age)?|pregnan(?:t|cy))(?:\s+(?:of|at|is|was))*\s*[:=]?\s*(\d{1,2})\s*(?:w|weeks?|\+|/7|\s)"
    r"|\b(?:at|@)\s+(\d{1,2})(?:\s*w(?:eeks?|ks?)?\s*\+?\s*[0-6]?\s*d?(?:ays?)?|\s*[+]\s*[0-6]|\s+[0-6]/7)\s*(?:weeks?)?)",
    re.IGNORECASE,
)
_WEEKS_DAYS = re.compile(r"\b(\d{2})\s*(?:w|wks?|weeks?)\s*(?:and\s*|,\s*|\+\s*)?[0-6]\s*(?:d|days?)\b", re.IGNORECASE)
_NIHSS = re.compile(
    r"\bNIHSS(?:\s+(?:score|total))?(?:\s+(?:of|is|was|on arrival|on admission|initially))*\s*[:=]?\s*(\d{1,2})\b", re.IGNORECASE
)


RECEPTOR = "receptor status"
_RECEPTOR = re.compile(r"\b(?:(?:ER|PR|HER2)[+-](?![\w+-])|(ER|PR)[ :]{1,2}(\d{1,3}) ?%)")
_RECEPTORS = {
    "ER+": "Z17.0",
    "ER-": "Z17.1",
    "PR+": "Z17.21",
    "PR-": "Z17.22",
    "HER2+": "Z17.31",
    "HER2-": "Z17.32",
}
# Words without which none of these is found, in lower case.
_TELLING = re.compile(
    rf"(bmi|^body$|nihss|^her2$)|{_OBSTETRIC.pattern.replace('E?GA', 'e?ga').replace('IUP', 'iup').lower()}|^g\d"
)


def flags_of(low: str) -> int:
    """Return what a word in lower case says of the measures a note may hold."""
    m = _TELLING.search(low)
    return 0 if m is None else MEASURED if m.group(1) else OBSTETRIC


@dataclass(frozen=True, slots=True)
class Measure:
    """A number in the note and its code.

    Parameters
    ----------
    start, end : int
        Characters.
    code : str
    kind : str
        Kind of term, as in the lexicon.
    term : str
        What was measured.
    """

    start: int
    end: int
    code: str
    kind: str
    term: str


def bmi_code(value: float) -> str:
    """Return the adult code of a body mass index in kg/m².

    Raises
    ------
    ValueError
        If the value is not from 10 to 99.

    References
    ----------
    ICD-10-CM Tabular List, category Z68.

    Examples
    --------
    >>> [bmi_code(v) for v in (19.9, 20, 39.95, 40, 44.9, 70)]
    ['Z68.1', 'Z68.20', 'Z68.39', 'Z68.41', 'Z68.41', 'Z68.45']
    """
    if not 10 <= value <= 99:
        raise ValueError(f"A body mass index of {value} is out of range. Expected 10 to 99 kg/m².")
    if value < 20:
        return "Z68.1"
    if value < 40:
        return f"Z68.{int(value)}"
    for limit, code in ((45, "Z68.41"), (50, "Z68.42"), (60, "Z68.43"), (70, "Z68.44")):
        if value < limit:
            return code
    return "Z68.45"


def find_measures(text: str, age_years: float | None, tokens: Tokens | None = None) -> Iterator[Measure]:
    """Find the measures of a note.

    Parameters
    ----------
    text : str
    age_years : float or None
        Body mass index codes by value are for adults of 20 years and more.
    tokens : Tokens, optional
        The words of the text with their flags (:func:`flags_of`): only there is looked. Without them the text is searched.

    Examples
    --------
    >>> [(m.code, m.term) for m in find_measures("BMI 33.5. G2P1 at 39w2d. NIHSS 15", 30)]
    [('Z68.33', 'body mass index'), ('Z3A.39', 'weeks of gestation'), ('R29.715', 'NIHSS score')]
    """
    starts: list[int] | None = None
    flags = OBSTETRIC
    if tokens is not None and tokens.flags is not None:
        flags = tokens.all_flags()
        starts = [tokens.starts[i] for i in tokens.places(MEASURED, ())] if flags & MEASURED else []
    if age_years is None or age_years >= 20:
        for m in _found(_BMI, text, starts):
            value = float(m.group(1))
            if 10 <= value <= 99:
                yield Measure(m.start(), m.end(), bmi_code(value), "status", "body mass index")
    if (starts is None or starts) and "HER2" in text:  # "ER-" alone may be a room
        for m in _RECEPTOR.finditer(text):
            # positive from 1 % of the nuclei (ASCO/CAP 2020)
            sign = m.group(0) if m.group(2) is None else m.group(1) + ("+" if int(m.group(2)) else "-")
            yield Measure(m.start(), m.end(), _RECEPTORS[sign], "status", RECEPTOR)
    taken: list[tuple[int, int]] = []
    is_obstetric = flags & OBSTETRIC and _OBSTETRIC.search(text) is not None
    for m in _WEEKS.finditer(text) if is_obstetric else ():
        weeks = int(next(g for g in m.groups() if g))
        if 8 <= weeks <= 42:
            end = m.end()
            while end > m.start() and text[end - 1].isspace():
                end -= 1
            loose = m.group(3) is not None and not re.search(r"\d\s*(?:d|/7)|\+", m.group(0))
            term = "weeks, perhaps of gestation" if loose else "weeks of gestation"
            taken.append((m.start(), end))
            yield Measure(m.start(), end, f"Z3A.{weeks:02d}", "status", term)
    for m in _WEEKS_DAYS.finditer(text) if is_obstetric else ():
        if any(a <= m.start() < b for a, b in taken):
            continue
        if 8 <= int(m.group(1)) <= 42:
            yield Measure(m.start(), m.end(), f"Z3A.{m.group(1)}", "status", "weeks of gestation")
    for m in _found(_NIHSS, text, starts):
        score = int(m.group(1))
        if score <= 42:
            yield Measure(m.start(), m.end(), f"R29.7{score:02d}", "status", "NIHSS score")


def _found(pattern: re.Pattern[str], text: str, starts: list[int] | None) -> Iterable[re.Match[str]]:
    """Search a text, or look only where a match may begin."""
    if starts is None:
        return pattern.finditer(text)
    return filter(None, (pattern.match(text, start) for start in starts))
