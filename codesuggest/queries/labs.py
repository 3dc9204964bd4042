"""Laboratory values and other named numbers of a note, in every way charts write them."""

# ruff: noqa: E501 - one line a pattern

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from codesuggest.queries.layouts import read_tables
from codesuggest.queries.places import Place
from codesuggest.queries.quantities import Quantity, load_quantities, measure, names_of
from codesuggest.queries.reading import (
    NUMBER,
    Patient,
    Tail,
    after_link,
    indicator_of,
    is_goal,
    number_of,
    read_tail,
    read_values,
    read_word,
)
from codesuggest.queries.spelling import Names, key_of
from codesuggest.queries.values import Indicator
from codesuggest.records import Span

__all__ = ["read_quantities"]

# Orders in which charts write a panel without names.
_PANELS: dict[str, tuple[tuple[str, ...], ...]] = {
    "bmp": (
        ("sodium", "potassium", "chloride", "bicarbonate", "bun", "creatinine", "glucose"),
        ("sodium", "chloride", "bun", "glucose", "potassium", "bicarbonate", "creatinine"),
        ("sodium", "potassium", "chloride", "bicarbonate", "bun", "creatinine"),
        ("sodium", "chloride", "bun", "potassium", "bicarbonate", "creatinine"),
        ("sodium", "potassium", "chloride", "bicarbonate"),
        ("sodium", "potassium", "bun", "creatinine"),
    ),
    "cbc": (
        ("wbc", "hemoglobin", "hematocrit", "platelets"),
        ("wbc", "hemoglobin", "platelets"),
        ("hemoglobin", "hematocrit"),
    ),
    "abg": (
        ("ph", "pco2", "po2", "bicarbonate_arterial", "base_excess"),
        ("ph", "pco2", "po2", "bicarbonate_arterial", "sao2"),
        ("ph", "pco2", "po2", "bicarbonate_arterial"),
        ("ph", "pco2", "po2"),
        ("ph", "pco2"),
    ),
    "lfts": (("ast", "alt", "alkaline_phosphatase", "bilirubin_total"), ("ast", "alt")),
    "coags": (("pt", "inr", "aptt"), ("pt", "aptt", "inr"), ("pt", "inr")),
    "h/h": (("hemoglobin", "hematocrit"),),
}
_PANEL_NAMES = {
    "bmp": "bmp;chem 7;chem7;chem-7;chem 10;chem10;chem panel;basic metabolic panel;lytes;electrolytes;chemistry;chemistries;bmp was;renal panel;sma-7;sma 7;chem",
    "cbc": "cbc;complete blood count;blood count",
    "abg": "abg;vbg;arterial blood gas;venous blood gas;blood gas;abgs;vbgs;gas;initial gas;repeat gas",
    "lfts": "lfts;lft;liver panel",
    "coags": "coags;coag;coagulation",
    "h/h": "h/h;h&h;h and h;h+h;hgb/hct;hb/hct;hh",
}
_PANEL_OF = {key_of(name): panel for panel, names in _PANEL_NAMES.items() for name in names.split(";")}
_PARTS = re.compile(rf"[<>]?{NUMBER}(?:[ ]?[/|\\><,;][ ]?[-−]?{NUMBER}){{1,7}}|7\.\d\d(?:[ ]?[/|,][ ]?[-−]?{NUMBER}){{2,4}}")
_FISHBONE = re.compile(
    r"(?<![\d./-])(?P<bmp>1[0-7]\d[ ]?/[ ]?\d{1,2}\.\d[ ]?/[ ]?\d{2,3}[ ]?/[ ]?\d{1,2}[ ]?/[ ]?\d{1,3}[ ]?/[ ]?\d{1,2}(?:\.\d{1,2})?(?:[ ]?[<(/][ ]?\d{2,4})?(?!\d|/|\.\d))"
    r"|(?<![\d./-])(?P<abg>[67]\.\d{2,3}[ ]?/[ ]?\d{2,3}(?:\.\d)?[ ]?/[ ]?\d{2,3}(?:\.\d)?(?:[ ]?/[ ]?[-−]?\d{1,2}(?:\.\d)?){0,2}(?![\d/]))"
    r"|(?<![\d./-])(?P<cbc>\d{1,3}(?:\.\d{1,2})?[ ]?[>\\/][ ]?\d{1,2}(?:\.\d)?[ ]?/[ ]?\d{2}(?:\.\d)?[ ]?[<\\/][ ]?\d{1,4}(?!\d|/|\.\d))"
)
_DRAWN = re.compile(
    r"(?P<na>1\d\d)[ \t]*\|[ \t]*(?P<cl>\d{2,3})[ \t]*\|[ \t]*(?P<bun>\d{1,3})[ \t]*[/\\]?[ \t]*(?:(?:<|\\|/)?[ \t]*(?P<glu1>\d{2,4}))?[^\n\d]*\n(?:[ \t]*[-—_+|=]{3,}[-—_+|= \t]*(?:[<\\/>]*[ \t]*(?P<glu2>\d{2,4}))?[^\n\d]*\n)?"
    r"[ \t]*(?P<k>\d{1,2}(?:\.\d)?)[ \t]*\|[ \t]*(?P<co2>\d{1,2})[ \t]*\|[ \t]*(?P<cr>\d{1,2}(?:\.\d{1,2})?)"
)
_DRAWN_NAMES = {
    "na": "sodium",
    "cl": "chloride",
    "bun": "bun",
    "glu1": "glucose",
    "glu2": "glucose",
    "k": "potassium",
    "co2": "bicarbonate",
    "cr": "creatinine",
}
_JOIN = re.compile(r"[ ]?[/&][ ]?|,?[ ]and[ ]|,[ ]")
_RUN_VALUES = re.compile(
    rf"(?:[<>]?{NUMBER})(?:[ ]?%|[ ]?[a-z]{{1,5}}/[a-z]{{1,3}})?(?:[ ]?/[ ]?[<>]?{NUMBER}(?:[ ]?%)?)+|{NUMBER}(?:,?[ ](?:and[ ])?{NUMBER})+(?=[ ]|[,.;)\n]|$)"
)
_SALTS = frozenset("phosphate chloride bicarbonate bicarb phos phosphorus".split())
_SALT_OF = re.compile(r"\b(?:potassium|sodium|calcium|magnesium|k|na)[ -]$")
_DIFFERENTIAL = frozenset(
    {"bands", "neutrophils_percent", "lymphocytes_percent", "monocytes_percent", "eosinophils_percent", "basophils_percent"}
)
_PERCENT_BEFORE = re.compile(r"(\d{1,3}(?:\.\d+)?)[ ]?%[ ]?(?:were |of )?$")
_SATURATION_BEFORE = re.compile(r"(\d{2,3})[ ]?%?[ ]$")
_AIMED = re.compile(r"[ ]?(?:[<>≥≤]|at least)")
_ALSO_AIMED = re.compile(r"[ ]?(?:[<>≥≤]=?|at least)[ ]?[\d.]+[ ]?%?(?:[ ]?[a-z]{1,5}/[a-z]{1,3})?(?:,|;|/|[ ]?and|[ ]?&)?[ ]*$")
_NO_SECTIONS = frozenset({"allergies", "family_history"})
_SINGLE = frozenset("p r t".split())
_VITAL_NEAR = re.compile(
    r"\b(?:bp|hr|spo2|sp02|rr|temp|pulse|resp|sats?|o2|vs|vitals?|map|t\d|sao2)\b|\bt[ :]*\d\d|\bp[ :]*\d\d|\br[ :]*\d\d"
)
_DIRECT = re.compile(r"[ ]?(?:[:=]|of|is|was)?[ ]?\d")
_DOSE_BEFORE = re.compile(r"\d[ ]?$")


@lru_cache(maxsize=1)
def _lexicon() -> tuple[Names, dict[str, list[tuple[str, str, Quantity]]], dict[str, Quantity]]:
    quantities = load_quantities()
    names = names_of(quantities)
    first: dict[str, Quantity] = {}
    for quantity in quantities:
        first.setdefault(quantity.name, quantity)
    return Names([*names, *_PANEL_OF]), names, first


def _lookup(key: str) -> list[Quantity]:
    """Quantities that a name cell of a table may mean: there, letter case says nothing."""
    return [quantity for mark, _, quantity in _lexicon()[1].get(key, ()) if mark != "~"]


@dataclass(slots=True)
class _Hit:
    """A name of quantities at a place. Empty quantities: the name of a panel."""

    start: int
    end: int
    key: str
    quantities: Sequence[Quantity] = ()
    needs_connector: bool = False
    needs_unit: bool = False
    may_be_word: bool = False
    is_loose: bool = False


def _hits(place: Place, taken: Sequence[tuple[int, int]]) -> list[_Hit]:
    finder, names, _ = _lexicon()
    hits = []
    lines = iter(taken)
    line = next(lines, None)
    for m in finder.find(place.lower, place.words):
        start, end = m.span()
        while line is not None and line[1] <= start:
            line = next(lines, None)
        if line is not None and line[0] <= start:
            continue
        key = key_of(m[0])
        if key in _PANEL_OF:
            hits.append(_Hit(start, end, key))
            if key not in names:
                continue
        written = place.text[start:end]
        entries = [(mark, quantity) for mark, spelling, quantity in names.get(key, ()) if mark != "=" or written == spelling]
        is_loose = not entries and written.islower() and (len(key) > 1 or key == "k")
        if is_loose:  # notes typed without capitals: "na 128 k 3.1 cr 1.2"
            entries = [(mark, quantity) for mark, _, quantity in names[key]]
        if not entries:
            continue
        if key in _SINGLE and not _VITAL_NEAR.search(place.lower, max(0, start - 60), min(len(place.lower), end + 60)):
            continue
        marks = {mark for mark, _ in entries}
        hits.append(
            _Hit(
                start,
                end,
                key,
                [quantity for _, quantity in entries],
                needs_connector=marks == {"~"},
                needs_unit=marks == {"!"},
                may_be_word=key != "cholesterol" and ("" in marks or any(quantity.is_qualitative for _, quantity in entries)),
                is_loose=is_loose,
            )
        )
    return hits


def _plain(
    place: Place,
    patient: Patient,
    name: str,
    m: tuple[int, int],
    details: tuple[tuple[str, str], ...] = (),
    tail: Tail | None = None,
) -> Indicator | None:
    """Make the indicator of a bare number at a place, by the name of its quantity."""
    quantity = _lexicon()[2][name]
    written = place.text[m[0] : m[1]].lstrip("<> ")
    number = number_of(written.lstrip("-−"))
    value = measure(quantity, -number if written[0] in "-−" else number, tail.unit if tail else "")
    if value is None or value.value is None:
        return None
    end = tail.end if tail else m[1]
    return indicator_of(place, patient, quantity, value, Span(m[0], end), number=m, tail=tail or Tail(m[1]), details=details)


def _panel(
    place: Place,
    patient: Patient,
    orders: Sequence[Sequence[str]],
    start: int,
    end: int,
    details: tuple[tuple[str, str], ...] = (),
) -> list[Indicator]:
    """Read numbers parted by strokes as the first order of quantities in which every number is believable."""
    numbers = [m.span() for m in re.compile(rf"[-−]?{NUMBER}").finditer(place.lower, start, end)]
    numbers = [(a + 1, b) if place.text[a] in "-−" and place.text[a - 1 : a].isdigit() else (a, b) for a, b in numbers]
    for order in orders:
        if len(order) != len(numbers):
            continue
        found = [_plain(place, patient, name, number, details) for name, number in zip(order, numbers, strict=True)]
        read = [indicator for indicator in found if indicator is not None]
        if len(read) == len(order):
            return read
    return []


def _specimen(place: Place, start: int) -> tuple[tuple[str, str], ...]:
    before = place.lower[max(0, start - 40) : start]
    kinds = list(re.finditer(r"\b(?:abg|vbg|arterial|venous)", before))
    if not kinds:
        return ()
    return (("specimen", "venous" if kinds[-1][0] in ("vbg", "venous") else "arterial"),)


def _run(
    place: Place, patient: Patient, hits: Sequence[_Hit], n: int, starts: frozenset[int]
) -> tuple[list[Indicator], int, int] | None:
    """Read "BUN/Cr 45/2.3" and "AST and ALT were 120 and 98": names in a row, then as many numbers."""
    last = n
    while (
        last + 1 < len(hits) and hits[last + 1].quantities and _JOIN.fullmatch(place.lower, hits[last].end, hits[last + 1].start)
    ):
        last += 1
    if last == n:
        return None
    values = _RUN_VALUES.match(place.lower, after_link(place.lower, hits[last].end))
    if values is None:
        return None
    numbers = list(re.compile(rf"[<>]?{NUMBER}").finditer(place.lower, values.start(), values.end()))
    count = last - n + 1
    if len(numbers) != count:
        return None
    found = []
    for hit, number in zip(hits[n : last + 1], numbers, strict=True):
        is_last = number is numbers[-1]
        tail = read_tail(place, number.end(), hit.quantities, starts) if is_last else Tail(number.end())
        if is_last and tail.is_dose:
            tail = Tail(number.end())
        for quantity in hit.quantities:
            value = measure(quantity, number_of(number[0].lstrip("<>")), tail.unit)
            if value is None or value.value is None:
                value = measure(quantity, number_of(number[0].lstrip("<>")), "")
            if value is not None and value.value is not None:
                found.append(
                    indicator_of(
                        place,
                        patient,
                        quantity,
                        value,
                        Span(number.start(), tail.end),
                        number=number.span(),
                        tail=tail,
                        comparator=number[0][0] if number[0][0] in "<>" else "",
                    )
                )
                break
    if len(found) != count or is_goal(place, hits[n].start, ""):
        return None
    return found, values.end(), last


def read_quantities(place: Place, patient: Patient) -> tuple[list[Indicator], list[tuple[int, int]]]:
    """Read every laboratory value, vital sign and score that has a name.

    Returns
    -------
    list of Indicator
    list of (int, int)
        Lines that are rows of a table, in order.
    """
    tables = read_tables(place, patient, _lookup)
    found = list(tables.indicators)
    drawn = _read_drawn(place, patient)
    found = [i for i in found if not any(a <= i.span.start < b for _, (a, b) in drawn)]
    taken = sorted([*tables.lines, *(span for _, span in drawn)])
    for indicators, _ in drawn:
        found += indicators
    hits = _hits(place, taken)
    starts = frozenset(hit.start for hit in hits)
    used = aimed = 0
    n = 0
    while n < len(hits):
        hit = hits[n]
        n += 1
        if aimed and _ALSO_AIMED.match(place.lower, aimed, hit.start) and _AIMED.match(place.lower, hit.end):
            aimed = hit.end
            continue
        aimed = hit.end if is_goal(place, hit.start, ">" if _AIMED.match(place.lower, hit.end) else "") else 0
        if hit.start < used or place.section(hit.start) in _NO_SECTIONS:
            continue
        if not hit.quantities:
            used = max(used, _read_panel(place, patient, hit, found))
            continue
        run = _run(place, patient, hits, n - 1, starts)
        if run is not None:
            found += run[0]
            used, n = run[1], run[2] + 1
            continue
        if hit.key in _SALTS and _SALT_OF.search(place.lower, max(0, hit.start - 12), hit.start):
            continue
        if hit.is_loose and not _has_neighbour(place, hits, n - 1):
            continue
        if _is_thousands(place, hit, used):
            continue
        before = _percent_before(place, patient, hit, used)
        if before is not None:
            found.append(before)
            used = hit.end
            continue
        values = read_values(
            place,
            patient,
            hit.quantities,
            hit.start,
            hit.end,
            starts,
            needs_connector=hit.needs_connector,
            needs_unit=hit.needs_unit,
        )
        if values:
            found += [indicator for indicator, _ in values]
            used = values[-1][1]
        elif hit.may_be_word and hit.quantities[0].category == "laboratory":
            word = read_word(place, hit.quantities[0], hit.start, hit.end)
            if word is not None:
                found.append(word)
                used = max(used, word.span.end)
    found += _read_fishbones(place, patient, found)
    return found, taken


def _has_neighbour(place: Place, hits: Sequence[_Hit], n: int) -> bool:
    """Whether another value stands close by on the line: only then are two small letters a quantity."""
    hit = hits[n]
    if not _DIRECT.match(place.lower, hit.end):
        return False
    near = [other for other in (*hits[max(0, n - 1) : n], *hits[n + 1 : n + 2]) if _DIRECT.match(place.lower, other.end)]
    return any(
        min(abs(other.start - hit.end), abs(hit.start - other.end)) < 14
        and "\n" not in place.lower[min(hit.start, other.start) : max(hit.end, other.end)]
        for other in near
    )


def _is_thousands(place: Place, hit: _Hit, used: int) -> bool:
    """Whether "K" or "Mg" after a number is a unit: "45 K", "5 Mg"."""
    if hit.key not in ("k", "mg", "l", "g", "u"):
        return False
    m = _DOSE_BEFORE.search(place.lower, max(0, hit.start - 2), hit.start)
    return m is not None and used < hit.start - 1


def _percent_before(place: Place, patient: Patient, hit: _Hit, used: int) -> Indicator | None:
    """Read "12% bands"."""
    quantity = next((q for q in hit.quantities if q.name in _DIFFERENTIAL or q.name == "spo2"), None)
    if quantity is None:
        return None
    m = _PERCENT_BEFORE.search(place.lower, max(0, hit.start - 12), hit.start)
    if m is None or m.start() < used or (quantity.name == "spo2" and re.match(r"[ :]*\d", place.lower[hit.end : hit.end + 4])):
        return None
    value = measure(quantity, float(m[1]), "%")
    if value is None:
        return None
    return indicator_of(
        place,
        patient,
        quantity,
        value,
        Span(m.start(1), hit.end),
        number=(m.start(1), m.start(1) + len(m[0].rstrip())),
        tail=Tail(hit.end),
    )


def _read_panel(place: Place, patient: Patient, hit: _Hit, found: list[Indicator]) -> int:
    values = _PARTS.match(place.lower, after_link(place.lower, hit.end))
    if values is None:
        return 0
    panel = _PANEL_OF[hit.key]
    details = _specimen(place, hit.end) if panel == "abg" else ()
    read = _panel(place, patient, _PANELS[panel], values.start(), values.end(), details)
    found += read
    return values.end() if read else 0


def _read_fishbones(place: Place, patient: Patient, found: Sequence[Indicator]) -> list[Indicator]:
    """Read the strings of numbers that need no name."""
    taken = {indicator.span.start for indicator in found}
    read: list[Indicator] = []
    for m in _fishbones(place.lower):
        kind = m.lastgroup or ""
        if kind == "cbc" and not re.search(r"[<>\\]", m[0]):
            continue
        indicators = _panel(
            place, patient, _PANELS[kind], m.start(kind), m.end(kind), _specimen(place, m.start()) if kind == "abg" else ()
        )
        if not any(i.span.start in taken or any(a.span.start <= i.span.start < a.span.end for a in found) for i in indicators):
            read += indicators
    return read


def _fishbones(lower: str) -> Iterator[re.Match[str]]:
    """Yield the strings of the lines that have strokes enough for one."""
    start = 0
    for line in lower.split("\n"):
        if line.count("/") > 1 or (">" in line and "<" in line):
            yield from _FISHBONE.finditer(lower, start, start + len(line))
        start += len(line) + 1


def _read_drawn(place: Place, patient: Patient) -> list[tuple[list[Indicator], tuple[int, int]]]:
    """Read the cross that charts draw for a metabolic panel, in two lines."""
    drawn = []
    if "|" not in place.text:
        return []
    for m in _DRAWN.finditer(place.text):
        found = [
            _plain(place, patient, _DRAWN_NAMES[group], m.span(group))
            for group in sorted(_DRAWN_NAMES, key=m.start)
            if m[group] is not None
        ]
        read = [indicator for indicator in found if indicator is not None]
        if len(read) == len(found):
            drawn.append((read, m.span()))
    return drawn
