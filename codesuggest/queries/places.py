"""Where in a note something stands: its section, the date that covers it, and whether it is denied, past or only considered."""

# ruff: noqa: E501 - one line a pattern

from __future__ import annotations

import datetime as dt
import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Literal

from codesuggest.queries.spelling import folded, words_of
from codesuggest.records import Section

__all__ = ["DATE", "TIME", "WHEN", "Place", "when_of"]

MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)[a-z]*"
DATE = (
    r"(?:(?<![\d./])(?:(?:19|20)\d\d-[01]\d-[0-3]\d|(?:0?[1-9]|[12]\d|3[01])/(?:0?[1-9]|[12]\d|3[01])(?:/(?:(?:19|20)\d\d|\d\d))?(?!\d|/|\.\d|%))"
    rf"|\d{{1,2}}[- ]{MONTH}\.?(?:[- ,]+\d{{2,4}})?(?![\w])|{MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?(?:, ?\d{{4}})?(?![\d.])|\d{{1,2}}\.\d{{1,2}}\.\d{{4}})"
)
TIME = r"(?:[0-2]?\d:[0-5]\d(?::[0-5]\d)?(?:\s?[ap]\.?m\.?)?|(?:[01]\d|2[0-3])[0-5]\d(?:\s?h(?:rs?|ours?)?)?(?![\d/.])|\d{1,2}\s?[ap]m\b)"
_DAY = r"(?:hospital day\s?#?\s?\d{1,2}|hd\s?#?\s?\d{1,2}|pod\s?#?\s?\d{1,2}|icu day\s?#?\s?\d{1,2}|day\s?#?\s?\d{1,2}|post-?op(?:erative)? day\s?#?\s?\d{1,2})"
_WORD = r"(?:admission|admit|discharge|baseline|today|yesterday|initial|repeat|arrival|presentation|this morning|tonight|overnight|peak|nadir|most recent|latest|current|prior|previous|follow-?up|post-?op|pre-?op|in ed|in the ed|ed)"
WHEN = rf"(?:{DATE}(?:[,;]?\s*+(?:(?:at|@)\s*+)?{TIME})?|{TIME}|{_DAY}|{_WORD})"

_DATE_TIME = re.compile(rf"(?P<date>{DATE})?[,;]?\s*+(?:(?:at|@)\s*+)?(?P<time>{TIME})?\s*$")
_LINE_DATE = re.compile(
    rf"\s*[-*•#]?\s*(?:\[|\()?\s*(?:(?P<front>{DATE}(?:[,;]?\s*+(?:(?:at|@)\s*+)?{TIME})?|{_DAY})\s*(?:\]|\))?\s*(?:labs?|labwork|vitals?|results)?\s*[:\-–—]"
    rf"|(?P<word>admission|admit|discharge|initial|presenting|baseline|repeat|ed|today'?s?|am|morning|yesterday'?s?|most recent|latest|follow-?up)\s+(?:labs?|labwork|laboratory|laboratories|vitals?|vs|results|data|cbc|bmp|cmp)[^:\n]{{0,40}}:"
    rf"|(?:(?:pertinent|key|relevant|recent|significant|last|laboratory|serum|selected)\s+)*(?:labs?|labwork|laborator\w+|lab (?:results|data|values)|vitals?|vital signs|vs|results|bmp|cbc|cmp|lfts?|chem(?:istry|-?7)?|abg|vbg|bloods|component|collected|specimen|blood gas|obs|observations)\b[^:\n]{{0,24}}?(?:on|from|at|of|\(|-|:|@|,)?\s*(?P<late>{DATE}(?:[,;]?\s*+(?:(?:at|@)\s*+)?{TIME})?|{_DAY}|(?:on |at |upon )?(?:admission|discharge|presentation|arrival)\b)"
    rf"|(?P<alone>{DATE}(?:[,;]?\s*+(?:(?:at|@)\s*+)?{TIME})?|{_DAY})\s*:?\s*$)"
)
_MAY_BE_DATED = re.compile(
    r"\d|admi|disch|arriv|present|initial|repeat|baseline|today|yester|morning|recent|latest|follow|^\W*(?:ed|am) "
)
_MONTHS = {name: n for n, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)}
_CLAUSE = re.compile(
    r"[.;!?]\s|[\n•]|,\s*(?:but|and then|then|now|however)\b|\b(?:but|however|although|though|except|other than|apart from|aside from|until|requiring|required|now on|secondary to|due to)\b"
)
_RELATIVE = re.compile(
    r"\b(?:father|mother|brother|sister|aunt|uncle|grand(?:father|mother|parents?)|family history|fhx?|cousin|parents?|sibling)\b(?!'s? (?:reports?|states?|says))[^.;\n]{0,50}$"
)
_REACH = 9  # words a denial reaches over, as in lists: "no fever, chills, night sweats or weight loss"
_BREAK = re.compile(
    r",[^,]*\b(?:started|received|receiving|was|were|given|gave|treated|placed|required|requires|is|are|has|had|got|remained|remains|will|continued?|continues|found|showed|shows|seen|with|she|he|they|"
    r"patient|pt|admitted|noted|developed|underwent|reports|transferred|intubated|transfused|on)\b|\b(?:which|who|she|he|patient|pt|improvement|relief|response|benefit|success|showed|shows|revealed|demonstrated|demonstrates|and (?:was|were|is|started|received|given|has|had|on|now|treated))\b|:"
)
_ABSENT = re.compile(
    r"\b(?:no (?:known |prior |past |personal )*(?:history|hx) of|no evidence of|no longer|no need for|no|not|non|nil|without|w/o|denies|denied|never|neither|nor|negative for|neg for|free of|absence of|absent|lack of|lacks|ruled out|r/o'd|"
    r"(?:did|does|do|was|is|has|had|were|will) not(?: (?:require|need|receive|have|show|get|been))?|didn't|doesn't|wasn't|isn't|weren't|hasn't|no need for|no longer|not requiring|"
    r"no evidence of|no signs? of|no acute|no new|resolved|resolution of|refus\w+|declin\w+|defer\w*|avoid\w*|contraindicat\w+|allerg\w+(?: to)?|hypersensitiv\w+(?: to)?|intoleran\w+(?: to)?|instead of|rather than|spared)\b"
)
_PAST = re.compile(
    r"\b(?:off|weaned off|weaned from|wean(?:ed)? (?:off|from)|stopped|discontinu\w+|d/c'?d|dc'd|(?<!day )(?<!days )(?<!week )(?<!weeks )(?<!month )(?<!months )(?<!hour )(?<!hours )history of|h/o|(?<!day )(?<!days )(?<!week )(?<!weeks )hx of|prior|previous|previously|past|status post|s/p|"
    r"remote|held|holding|hold|last year|years? ago|completed|finished|came off|liberated from|extubated from|in \d{4}|during (?:prior|previous|last) admission)\b"
)
_POSSIBLE = re.compile(
    r"\b(?:possible|possibly|probable|probably|likely|suspect\w*|concern\w* for|concerning for|may|might|could|cannot exclude|can't exclude|cannot rule out|cannot be excluded|"
    r"questionable|\?|consider\w*|would|if|versus|vs|rule out|r/o|evaluate for|eval for|low threshold (?:for|to)|plan for possible|discuss\w*|looking for|search for|to (?:exclude|evaluate|assess|look)|assess for|evaluation (?:for|of)|work-?up for|candidate for|recommend\w*|suggest\w* (?:of|that)?|suggestive of|suspicious for|equivocal|threshold)\b|\?"
)
_AFTER = re.compile(
    r"[ ]?:[ ]*(?P<none>none|no\b|denie[sd]|negative|absent|n/a|nil)\b|[^.;\n,]{0,30}?\b(?P<absent>(?:was|were|is|are)?\s*(?:not (?:given|started|needed|required|indicated|seen|identified|present|appreciated|performed|done|used)|never (?:given|started|required)|refused|declined|deferred|ruled out|absent|unremarkable|negative))\b"
    r"|[^.;\n,]{0,30}?\b(?P<past>(?:was|were|has been|have been)?\s*(?:stopped|discontinued|d/c'?d|weaned off|weaned|held|completed|resolved|removed))\b"
    r"|\s*(?:is |was |were |are )?(?P<possible>cannot be excluded|not excluded|can not be excluded|suspected|possible|if needed|may be needed|considered|would be)"
)


def _year(month: int, day: int, service: dt.date | None) -> int | None:
    """Return the year that puts a date without one on or before the date of service (two weeks of grace for a late note)."""
    if service is None:
        return None
    try:
        same = dt.date(service.year, month, day)
    except ValueError:
        return None
    return service.year if same <= service + dt.timedelta(days=14) else service.year - 1


def _iso_date(written: str, service: dt.date | None) -> str | None:
    m = re.match(r"(\d{4})-(\d{2})-(\d{2})$", written)
    if m:
        return written
    year: int | None
    m = re.match(r"(\d{1,2})/(\d{1,2})(?:/(\d{2,4}))?$", written)
    if m:
        month, day = int(m[1]), int(m[2])
        if month > 12:
            month, day = day, month
        year = int(m[3]) if m[3] else _year(month, day, service)
    else:
        m = re.match(rf"(?:(\d{{1,2}})[- ])?({MONTH})\.?(?:[- ,]+(\d{{1,4}}))?(?:st|nd|rd|th)?(?:, ?(\d{{4}}))?$", written)
        if m is None:
            return None
        month = _MONTHS[m[2][:3]]
        day = int(m[1] or m[3] or 0)
        later = m[3] if m[1] else m[4]
        year = int(later) if later else _year(month, day, service)
    if year is None:
        return None
    if year < 100:
        year += 2000
    try:
        return dt.date(year, month, day).isoformat()
    except ValueError:
        return None


def _iso_time(written: str) -> str | None:
    m = re.match(r"(\d{1,2}):?(\d{2})?(?::\d{2})?\s?([ap])?", written)
    if m is None:
        return None
    hour, minute = int(m[1]), int(m[2] or 0)
    if m[3] == "p" and hour < 12:
        hour += 12
    elif m[3] == "a" and hour == 12:
        hour = 0
    return f"{hour:02d}:{minute:02d}" if hour < 24 and minute < 60 else None


def when_of(written: str, service: dt.date | None = None) -> str:
    """Date and time in ISO form where they can be known, else the words as written, in lower case.

    Parameters
    ----------
    written : str
        "3/14/26 0630", "14-Mar", "hospital day 2".
    service : datetime.date, optional
        Date of service: gives a date without a year the last year that does not put it in the future.

    Examples
    --------
    >>> import datetime as dt
    >>> when_of("3/14/26 0630"), when_of("12/30", dt.date(2026, 1, 4)), when_of("HD 2"), when_of("06:30 AM")
    ('2026-03-14T06:30', '2025-12-30', 'hd 2', '06:30')
    """
    words = folded(written).strip(" \t()[]:,;-@")
    m = _DATE_TIME.match(words)
    if m is None or not m.group().strip():
        return re.sub(r"^(?:on|at|upon)\s+", "", words)
    date = _iso_date(m["date"], service) if m["date"] else None
    time = _iso_time(m["time"]) if m["time"] else None
    if m["date"] and date is None:
        return words
    if date and time:
        return f"{date}T{time}"
    return date or time or words


def _reaches(between: str) -> bool:
    """Whether a denial carries over these words: a few, or a list of short items, and no new statement."""
    if _BREAK.search(between):
        return False
    return between.count(" ") <= _REACH or all(item.strip().count(" ") < 4 for item in between.split(","))


class Place:
    """A note with what is needed to place a range of its characters.

    Parameters
    ----------
    text : str
    sections : sequence of Section
        In order of the text.
    service : datetime.date, optional
    """

    def __init__(self, text: str, sections: Sequence[Section] = (), service: dt.date | None = None) -> None:
        self.text = text
        self.lower = folded(text)
        self.words = words_of(self.lower)
        self.service = service
        self._sections = sections
        self._section_starts = [section.span.start for section in sections]
        self._line_starts: list[int] = []
        self._line_when: list[str | None] = []
        self._read_lines()

    def _read_lines(self) -> None:
        when: str | None = None
        blank = False
        start = 0
        for line in self.lower.split("\n"):
            if not line.strip():
                blank = True
            else:
                m = _LINE_DATE.match(line) if _MAY_BE_DATED.search(line, 0, 90) else None
                if m is not None:
                    written = m["front"] or m["late"] or m["alone"] or m["word"]
                    when = when_of(written, self.service)
                    self._line_when.append(when)
                else:
                    if blank or (line[0].isalpha() and line.rstrip().endswith(":")):
                        when = None
                    self._line_when.append(when)
                self._line_starts.append(start)
                blank = False
            start += len(line) + 1

    def line_when(self, start: int) -> str | None:
        """Date that opens the line or its paragraph, None when there is none."""
        at = bisect_right(self._line_starts, start) - 1
        return self._line_when[at] if at >= 0 else None

    def section(self, start: int) -> str:
        """Name of the section, empty when there is none."""
        at = bisect_right(self._section_starts, start) - 1
        return self._sections[at].name if at >= 0 and start < self._sections[at].span.end else ""

    def heading(self, start: int) -> str:
        """Words of the section's heading in lower case, empty when it has none."""
        at = bisect_right(self._section_starts, start) - 1
        if at < 0 or start >= self._sections[at].span.end:
            return ""
        heading = self._sections[at].heading
        return "" if heading is None else self.lower[heading.start : heading.end]

    def before(self, start: int, n: int = 80) -> str:
        """Return the clause before a place, in lower case, at most `n` characters."""
        window = self.lower[max(0, start - n) : start]
        cut = 0
        for m in _CLAUSE.finditer(window):
            cut = m.end()
        return window[cut:]

    def is_relative(self, start: int) -> bool:
        """Whether the clause before a place speaks of a relative."""
        return _RELATIVE.search(self.before(start)) is not None

    def asserted(self, start: int, end: int) -> Literal["present", "absent", "possible", "historical"]:
        """Whether what stands there is said to be so: by the words of its clause."""
        before = self.before(start, 200)
        last: tuple[int, Literal["absent", "possible", "historical"]] | None = None
        rules: tuple[tuple[re.Pattern[str], Literal["absent", "possible", "historical"]], ...] = (
            (_ABSENT, "absent"),
            (_PAST, "historical"),
            (_POSSIBLE, "possible"),
        )
        for pattern, name in rules:
            for m in pattern.finditer(before):
                if (last is None or m.start() >= last[0]) and _reaches(before[m.end() :]):
                    last = (m.end(), name)
        if last is not None:
            return last[1]
        after = _AFTER.match(self.lower, end)
        if after is not None:
            return "absent" if after["absent"] or after["none"] else "historical" if after["past"] else "possible"
        return "present"
