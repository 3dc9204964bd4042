"""Results laid out in rows and columns: laboratory reports, flowsheets by date, pipes, tabs, blanks, and their mirror images.

A line is a row when its first field is the name of a quantity and another field a value. What the columns hold is taken from
the heading above, and from the fields themselves where there is none.
"""

# ruff: noqa: E501 - one line a pattern

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from codesuggest.queries.places import DATE, TIME, WHEN, Place, when_of
from codesuggest.queries.quantities import Quantity, Value, unit_of
from codesuggest.queries.reading import (
    LOOKS_LIKE_UNIT,
    NUMBER,
    RANGE,
    Patient,
    Tail,
    bare_unit,
    choose,
    comparator_of,
    flag_of,
    indicator_of,
    number_of,
    read_tail,
)
from codesuggest.queries.spelling import key_of
from codesuggest.queries.values import Indicator
from codesuggest.records import Span

__all__ = ["Cell", "Found", "read_tables"]

Lookup = Callable[[str], Sequence[Quantity]]

_HEADS = {
    "name": "component test tests analyte lab labs name procedure observation parameter examination exam investigation item study|test name|lab test|component name|recent labs|laboratory test|lab name|test description|vital|vitals|vital sign|vital signs|measurement|assay|determination|profile",
    "value": "value values result results current|your value|current result|result value|latest|in range|out of range|your result|today|latest result|latest value|lab value|patient value|observed|reading|finding|res|latest ref rng & units value",
    "unit": "unit units uom|units of measure|unit of measure",
    "flag": "flag flags abn abnormal interpretation indicator h/l l/h status|abnormal flag|abn flag|abnormality|alert|hi/lo|crit|flag/status",
    "reference": "reference ref range normal normals|ref range|reference range|normal range|reference interval|ref. range|ref range & units|standard range|ref interval|normal values|expected range|ref rng|biological reference interval|reference values|ref. interval|ref|reference range & units|normal limits|ref range and units|ref.|lab range|limits|ref ranges|reference ranges|ref value",
    "when": "date time collected collection|date/time|collection time|date time|specimen taken|collected on|date collected|collection date|drawn|taken|resulted|specimen collected|date & time|date of test|lab date",
    "prior": "previous prior|previous result|prior result|previous value|prior value|last result|previous results|prior values",
    "other": "lab loinc site comment comments note notes method specimen location performed verified tech order|performing lab|lab code|status code|source|lab id|order id|# ",
}
_HEAD_OF = {
    word: kind
    for kind, words in _HEADS.items()
    for n, group in enumerate(words.split("|"))
    for word in (group.split() if n == 0 else [group.strip()])
} | {"lab": "name", "status": "other"}
_SPLIT_WIDE = re.compile(r"[ \t]{2,}|\t")
_COLUMN_WHEN = re.compile(
    rf"(?:(?:on|at)\s+)?(?:{WHEN}|admission day|adm(?:it)?|d/c|day of discharge|now|previous|last|hosp day \d+|\d+ (?:hours?|days?|weeks?|months?) ago|[a-z]+day|\d{{1,2}}[ap]m?)(?:\s*\([^)]*\))?\s*(?:labs?)?$"
)
_DATE_TOKEN = re.compile(rf"{DATE}(?:[ ,]+{TIME})?|{TIME}")
_VALUE = re.compile(
    rf"(?:(?P<flag0>\(?(?:HH|LL|CH|CL|H|L|A|C|\*|!|↑|↓)\)?)[ ]*(?=[<>]?\s?\d))?(?P<cmp>[<>≤≥]=?[ ]?|less than |greater than )?(?P<sign>[-−])?(?P<num>{NUMBER})(?P<plural>s)?(?:[ ]?[-–][ ]?(?P<to>\d+(?:\.\d+)?)(?=$|[ ]))?(?![\d/:]|-\d|\.\d)"
)
_RANGE_CELL = re.compile(
    rf"[\[(]?(?:ref(?:erence)?(?: range)?|normal|nl|rr)?[: ]*{RANGE}[ ]*(?P<unit>[x×]?[a-z%µμ0-9^*()/.²³ ]{{0,18}}?)[\])]?$"
)
_FLAG_CELL = re.compile(
    r"[\[(]?(?:\*?HH|\*?LL|\*H|\*L|CH|CL|HC|LC|H\*|L\*|H!|L!|H|L|A|AB|C|N|HI|LO|HIGH|LOW|High|Low|high|low|[Aa]bnormal|ABNORMAL|[Nn]ormal|NORMAL|[Cc]ritical(?: (?:[Hh]igh|[Ll]ow))?|CRITICAL(?: (?:HIGH|LOW))?|CRIT|PANIC|[Pp]anic|(?:HIGH|LOW|[Hh]igh|[Ll]ow) (?:PANIC|[Pp]anic|CRITICAL|[Cc]ritical)|\*{1,3}|!{1,2}|↑{1,2}|↓{1,2}|▲|▼)[\])]?$"
)
_WORD_CELL = re.compile(
    r"(?:positive|negative|pos|neg|trace|small|moderate|large|none(?: seen)?|[1-4]\+|\+{1,4}|few|many|rare|not detected|detected|reactive|non-?reactive|clear|cloudy|turbid|normal|abnormal)(?: \(?(?P<flag>[ahl]|abnormal|\*)\)?)?$"
)
_NAME_CUT = re.compile(
    r"(?:[,;]?[ ]*\b(?:serum|ser/plas|s/p|plasma|blood|bld|whole blood|lvl|level|ser|level serum|in blood|in serum or plasma|auto|automated|manual|calc|calculated|poc|poct|istat|i stat|quant|quantitative|random|venous|arterial|art|lab|result|plas|total ser|s))+$"
)
_NAME_FRONT = re.compile(
    r"^(?:[*•\-–·>#\d.]+[ ]+)?(?:(?:serum|plasma|blood|poc|poct|istat|i stat|lab|random|venous|arterial)[ ,]+)"
)
_LONGEST_NAME = 60
_MARKS = " \t*•·:=_.…|-–>#†‡"


@dataclass(frozen=True, slots=True)
class Cell:
    """A field of a line: offsets into the note and the number of its column."""

    start: int
    end: int
    column: int


@dataclass(slots=True)
class _Header:
    """What the columns hold: kind and, for dates, the words."""

    kinds: dict[int, str] = field(default_factory=dict)
    whens: dict[int, str] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    names: dict[int, Sequence[Quantity]] = field(default_factory=dict)
    pressures: set[int] = field(default_factory=set)
    offset: int = 0


@dataclass(slots=True)
class Found:
    """Indicators of the tables and the character ranges of their lines."""

    indicators: list[Indicator] = field(default_factory=list)
    lines: list[tuple[int, int]] = field(default_factory=list)


def _cells(text: str, start: int, end: int) -> tuple[list[Cell], str]:
    """Fields of a line and how they are parted: "|", tab, blanks; empty when it is running text."""
    line = text[start:end]
    if line.count("|") >= 2 or (line.count("|") == 1 and "  " not in line and "\t" not in line):
        parts, how = re.finditer(r"[^|]*(?:\||$)", line), "|"
    elif "\t" in line:
        parts, how = re.finditer(r"[^\t]*(?:\t|$)", line), "\t"
    elif "  " in line.strip():
        parts, how = re.finditer(r"\S+(?: \S+)*", line), " "
    elif re.search(r"[^\s,],\S", line) and line.count(",") >= 2 and ", " not in line:
        parts, how = re.finditer(r"[^,]*(?:,|$)", line), ","
    else:
        return [], ""
    cells: list[Cell] = []
    for column, m in enumerate(parts):
        raw = m[0].rstrip({"|": "|", "\t": "\t", ",": ","}.get(how, ""))
        stripped = raw.strip()
        if how == "|" and column == 0 and not stripped:
            continue
        if m.start() == len(line) and not stripped:
            continue
        if how == " " and not cells and len(stripped) > _LONGEST_NAME:
            return [], ""
        at = start + m.start() + len(raw) - len(raw.lstrip())
        cells.append(Cell(at, at + len(stripped), column))
    return cells, how


def _name_of(words: str, lookup: Lookup) -> tuple[Sequence[Quantity], str]:
    """Quantities a name cell may mean and the unit written in it."""
    unit = ""
    words = words.strip(_MARKS)
    m = re.match(r"(.+?)[ ]?[(\[,]?[ ]?([^\s(\[,]+(?:/[^\s)\]]+| ?hg)?)[)\]]?$", words)
    quantities = lookup(key_of(words))
    if quantities:
        return quantities, unit
    bracket = re.match(r"(.+?)[ ]*[(\[]([^()\[\]]{1,24})[)\]]\.?$", words)
    if bracket is not None:
        inside = bracket[2].strip()
        quantities = lookup(key_of(bracket[1].strip(_MARKS)))
        if unit_of(inside) is not None and quantities:
            return quantities, inside
        if not quantities:
            quantities = _trimmed(bracket[1], lookup)
        if not quantities and len(inside) > 1:
            quantities = lookup(key_of(inside))
        if quantities:
            return quantities, inside if unit_of(inside) is not None else ""
    if m is not None and unit_of(m[2]) is not None:
        quantities = _trimmed(m[1].strip(_MARKS + ","), lookup)
        if quantities:
            return quantities, m[2]
    return _trimmed(words, lookup), unit


def _trimmed(words: str, lookup: Lookup) -> Sequence[Quantity]:
    key = key_of(words.strip(_MARKS))
    shorter = _NAME_CUT.sub("", key).strip(" ,")
    key, shorter = key.replace(".", ""), shorter.replace(".", "")
    for candidate in (
        key,
        shorter,
        key.replace(",", ""),
        shorter.replace(",", ""),
        key.removeprefix("% "),
        _NAME_FRONT.sub("", key),
        _NAME_FRONT.sub("", shorter),
    ):
        found = lookup(candidate)
        if found:
            return found
    return ()


def _header(place: Place, cells: Sequence[Cell], how: str, lookup: Lookup) -> _Header | None:
    header = _Header(cells=list(cells))
    for cell in cells:
        words = place.lower[cell.start : cell.end].strip(_MARKS + "()[]")
        if not words:
            continue
        kind = _HEAD_OF.get(words)
        if kind is None and _COLUMN_WHEN.match(place.lower[cell.start : cell.end]):
            kind = "column"
        if kind is None and re.search(r"\bref\b|reference|(?:normal|standard|expected) (?:range|values?)", words):
            kind = "reference"
        if kind is not None:
            header.kinds[cell.column] = kind
            if kind == "column" or words == "today":
                header.kinds[cell.column] = "column"
                header.whens[cell.column] = when_of(words, place.service)
        else:
            quantities, _ = _name_of(place.text[cell.start : cell.end], lookup)
            if quantities:
                header.names[cell.column] = quantities
            elif words in _PRESSURE_NAMES:
                header.pressures.add(cell.column)
    n_known = len(header.kinds)
    if how == " " and n_known and len(cells) >= 2:
        header.offset = place.lower.rfind("\n", 0, cells[0].start) + 1
    if len(header.names) >= 2 and len(header.names) + len(header.pressures) + n_known >= len(cells) - 1:
        header.offset = place.lower.rfind("\n", 0, cells[0].start) + 1
        return header
    header.names.clear()
    if (n_known >= 2 or (n_known == 1 and (len(header.whens) == 1 or len(cells) == 1))) and len(cells) - n_known <= max(
        1, n_known
    ):
        return header
    return None


def _column_of(header: _Header | None, cell: Cell, line_start: int, how: str) -> int:
    """Column of the header a field stands under."""
    if header is None or how in "|\t,":
        return cell.column
    left, right = cell.start - line_start, cell.end - line_start
    best, best_distance = cell.column, 10**6
    for head in header.cells:
        a, b = head.start - header.offset, head.end - header.offset
        distance = 0 if left < b and a < right else min(abs(left - b), abs(a - right))
        distance = distance * 1000 + abs((a + b) - (left + right))
        if distance < best_distance:
            best, best_distance = head.column, distance
    return best


@dataclass(slots=True)
class _Row:
    name: Cell
    quantities: Sequence[Quantity]
    unit: str
    values: list[tuple[Cell, re.Match[str], int]] = field(default_factory=list)
    word: Cell | None = None
    flag: str = ""
    reference: re.Match[str] | None = None
    when: str | None = None
    last: int = 0
    unread: int = 0
    flags_by_value: dict[int, str] = field(default_factory=dict)


def _value_cell(place: Place, cell: Cell, quantities: Sequence[Quantity]) -> tuple[re.Match[str], Tail] | None:
    m = _VALUE.match(place.text, cell.start, cell.end)
    if m is None:
        return None
    if m["flag0"] is not None and "(" in m["flag0"] and ")" not in m["flag0"]:
        return None
    tail = read_tail(place, m.end(), quantities, limit=cell.end)
    if place.text[tail.end : cell.end].strip(" \t*.;,|"):
        return None
    if m["flag0"] and not tail.flag:
        tail.flag = flag_of(m["flag0"].strip("()"))
    return m, tail


def _read_row(
    place: Place, patient: Patient, cells: Sequence[Cell], header: _Header | None, line_start: int, how: str, lookup: Lookup
) -> list[Indicator] | None:
    rows: list[_Row] = []
    tails: dict[int, Tail] = {}
    order = _by_order(header, cells, how)
    if place.lower[cells[0].start : cells[0].end].strip(_MARKS) in _PRESSURE_NAMES:
        whens = header.whens if header is not None else {}
        columns = [order[n] if order else _column_of(header, cell, line_start, how) for n, cell in enumerate(cells)]
        return [
            i
            for cell, column in zip(cells[1:], columns[1:], strict=True)
            for i in _pressure(place, patient, cell, whens.get(column), lookup)
        ]
    for n, cell in enumerate(cells):
        words = place.text[cell.start : cell.end]
        if not words:
            continue
        column = order[n] if order else _column_of(header, cell, line_start, how)
        kind = header.kinds.get(column, "") if header is not None else ""
        if not words[0].isdigit() and words[0] not in "<>(" and (not rows or kind in ("", "name")):
            quantities, unit = _name_of(words, lookup)
            if quantities and not (rows and _FLAG_CELL.match(words)) and not (rows and unit_of(words)):
                rows.append(_Row(cell, quantities, unit, last=cell.end))
                continue
        if not rows:
            if n == 0 and kind not in ("when", "other") and not (how == "|" and not words.strip(_MARKS)):
                return None
            continue
        row = rows[-1]
        if kind == "other":
            continue
        _read_cell(place, row, cell, words, kind, column, tails)
    found = []
    for row in rows:
        found += _finish(place, patient, row, tails, header)
    if not rows:
        return None
    return found if found and all(row.unread <= max(1, len(row.values)) for row in rows) else None


def _by_order(header: _Header | None, cells: Sequence[Cell], how: str) -> list[int] | None:
    """Columns by order, when the row has as many fields as the heading and stands in blanks."""
    if header is None or how != " ":
        return None
    columns = [cell.column for cell in header.cells]
    has_name = len(header.kinds) < len(columns) or "name" in header.kinds.values() or len(set(header.kinds.values())) > 1
    if len(cells) == len(columns) + (0 if has_name else 1):
        return columns if has_name else [-1, *columns]
    return None


def _read_cell(place: Place, row: _Row, cell: Cell, words: str, kind: str, column: int, tails: dict[int, Tail]) -> None:
    lowered = place.lower[cell.start : cell.end]
    if kind == "when":
        row.when = when_of(lowered, place.service)
        return
    if kind in ("flag", "", "value", "reference") and _FLAG_CELL.match(words) and (row.values or row.word or kind == "flag"):
        flag = flag_of(words.strip("()[]")) or "N"
        if kind == "" and row.values and len(row.values) > 1:
            row.flags_by_value.setdefault(len(row.values) - 1, flag)
        row.flag = row.flag or flag
        row.last = cell.end
        return
    if kind == "unit" or (kind in ("", "reference") and unit_of(words) is not None and not words[0].isdigit()):
        row.unit = row.unit or words
        row.last = cell.end
        return
    reference = _RANGE_CELL.match(lowered)
    if (
        reference is not None
        and row.reference is None
        and (kind in ("", "reference") and (row.values or row.word or kind == "reference"))
    ):
        row.reference = reference
        if reference["unit"].strip() and unit_of(reference["unit"]) is not None and not row.unit:
            row.unit = reference["unit"].strip()
        row.last = cell.end
        return
    if kind in ("reference", "name"):
        return
    if kind in ("prior",) and not row.values:
        return
    value = _value_cell(place, cell, row.quantities)
    if value is not None and not (not kind and row.values and row.reference is not None):
        m, tail = value
        tails[cell.start] = tail
        row.values.append((cell, m, column))
        row.last = max(row.last, cell.end) if kind != "prior" else row.last
        return
    if _WORD_CELL.match(lowered) and row.word is None and not row.values:
        row.word = cell
        row.last = cell.end
        return
    dated = _DATE_TOKEN.fullmatch(lowered)
    if dated is not None:
        row.when = row.when or when_of(lowered, place.service)
        return
    if LOOKS_LIKE_UNIT.match(lowered) and not row.unit:
        row.unit = words
        return
    row.unread += 1


def _finish(place: Place, patient: Patient, row: _Row, tails: dict[int, Tail], header: _Header | None) -> list[Indicator]:
    found: list[Indicator] = []
    is_single = len(row.values) == 1
    for n, (cell, m, column) in enumerate(row.values):
        tail = tails[cell.start]
        unit = tail.unit or row.unit
        number = number_of(m["num"])
        negative = m["sign"] is not None and any(q.believable[0] < 0 for q in row.quantities)
        chosen = choose(row.quantities, -number if negative else number, unit, is_table=True)
        if chosen is None:
            chosen = row.quantities[0], Value(None)
        quantity, value = chosen
        if not tail.flag and row.flag and (is_single or (n == 0 and len(row.flags_by_value) == 0)):
            tail.flag = "" if row.flag == "N" else row.flag
        if n in row.flags_by_value and not is_single:
            flag = row.flags_by_value[n]
            tail.flag = tail.flag or ("" if flag == "N" else flag)
        if tail.reference is None and row.reference is not None:
            tail.reference = _limits_of(row.reference, unit or bare_unit(quantity, number))
        elif tail.reference is not None and not tail.reference[2]:
            tail.reference = (*tail.reference[:2], unit or bare_unit(quantity, number))
        kind = header.kinds.get(column, "") if header is not None else ""
        when = header.whens.get(column) if header is not None and kind == "column" else None
        if kind == "prior":
            when = "prior"
        first = m.start("cmp") if m["cmp"] else m.start("sign") if negative else m.start("num")
        shown_end = tail.unit_end or m.end("to" if m["to"] else "num")
        span = Span(row.name.start, row.last) if is_single else Span(m.start(), max(tail.end, shown_end))
        indicator = indicator_of(
            place,
            patient,
            quantity,
            value,
            span,
            number=(first, m.end()),
            tail=tail,
            comparator=comparator_of(m["cmp"]),
            when=when or row.when,
            details=(("to", m["to"]),) if m["to"] else (),
        )
        if row.unit and not tail.unit:
            indicator = replace(indicator, given=f"{indicator.given} {row.unit}")
        found.append(indicator)
    if not found and row.word is not None:
        quantity = row.quantities[0]
        words = place.lower[row.word.start : row.word.end]
        flagged = _WORD_CELL.match(words)
        word = re.sub(r" \(?(?:[ahl]|abnormal|\*)\)?$", "", words)
        word = {"pos": "positive", "neg": "negative"}.get(word, word)
        flag = row.flag or (flag_of(flagged["flag"]) if flagged is not None and flagged["flag"] else "")
        is_normal = word in ("negative", "none", "none seen", "not detected", "nonreactive", "non-reactive", "clear", "normal")
        found.append(
            Indicator(
                quantity.name,
                quantity.category,
                Span(row.name.start, row.last),
                given=place.text[row.word.start : row.word.end],
                result=word,
                flag="" if flag == "N" else flag,
                interpretation="normal" if is_normal else "abnormal",
                when=row.when or place.line_when(row.name.start),
                section=place.section(row.name.start),
            )
        )
    return found


def _limits_of(m: re.Match[str], unit: str) -> tuple[float | None, float | None, str] | None:
    written = (m["unit"] or "").strip()
    unit = written if written and unit_of(written) is not None else unit
    if m["limit"]:
        limit = number_of(m["limit"])
        return (None, limit, unit) if m["sign"].strip()[0] in "<≤=lu" and m["sign"].strip() != "=>" else (limit, None, unit)
    low, high = number_of(m["low"].lstrip("-")), number_of(m["high"])
    low = -low if m["low"].startswith("-") else low
    return (low, high, unit) if low < high else None


_SQUASHED = re.compile(
    rf"(?P<name>[A-Za-z][A-Za-z0-9/#%.,()\- ]{{0,30}}?)[: ]+(?P<values>(?:[<>]?{NUMBER}(?:[*!]|[ ]?\((?:H|L|HH|LL|A)\)|[ ](?:H|L|HH|LL)\b)?(?:[ ]+|$)){{2,}})$"
)
_SQUASHED_VALUE = re.compile(
    rf"(?P<cmp>[<>])?(?P<sign>[-−])?(?P<num>{NUMBER})(?P<plural>s)?(?P<to>(?!))?(?:[ ]?(?P<flag>[*!]|\((?:H|L|HH|LL|A)\)|(?:HH|LL|H|L)\b))?"
)


def _read_squashed(place: Place, patient: Patient, start: int, end: int, whens: Sequence[str], lookup: Lookup) -> list[Indicator]:
    """Read "WBC 12.3* 14.5* 18.4*" under a heading of as many dates."""
    m = _SQUASHED.match(place.text, start, end)
    if m is None:
        return []
    quantities, _ = _name_of(m["name"], lookup)
    values = list(_SQUASHED_VALUE.finditer(place.text, m.start("values"), m.end("values")))
    if not quantities or len(values) != len(whens):
        return []
    found = []
    for value, when in zip(values, whens, strict=True):
        number = number_of(value["num"])
        chosen = choose(quantities, number, "", is_table=True)
        if chosen is None:
            continue
        tail = Tail(value.end(), flag=flag_of((value["flag"] or "").strip("()")))
        found.append(
            indicator_of(
                place,
                patient,
                chosen[0],
                chosen[1],
                Span(value.start(), value.end()),
                number=(value.start(), value.end("num")),
                tail=tail,
                comparator=comparator_of(value["cmp"]),
                when=when,
            )
        )
    return found


_PRESSURE_NAMES = frozenset({"bp", "blood pressure", "nibp", "b/p", "abp", "bp (mmhg)"})
_PRESSURE = re.compile(r"(?P<s>\d{2,3})[ ]?/[ ]?(?P<d>\d{2,3})(?:[ ]?mm ?hg)?(?:[ ]?\*|[ ]?\([^()]*\))?$")


def _pressure(place: Place, patient: Patient, cell: Cell, when: str | None, lookup: Lookup) -> list[Indicator]:
    """Read a cell of a blood pressure."""
    m = _PRESSURE.match(place.lower, cell.start, cell.end)
    if m is None:
        return []
    found = []
    for group, name in (("s", "sbp"), ("d", "dbp")):
        chosen = choose(lookup(name), float(m[group]), "", is_table=True)
        if chosen is not None:
            span = Span(cell.start, cell.end)
            tail = Tail(cell.end)
            found.append(indicator_of(place, patient, chosen[0], chosen[1], span, number=m.span(group), tail=tail, when=when))
    return found


def _read_mirrored(
    place: Place, patient: Patient, cells: Sequence[Cell], header: _Header, line_start: int, how: str, lookup: Lookup
) -> list[Indicator]:
    """Read a row of values under a heading of names; a first field that is a date or a label dates the row."""
    found: list[Indicator] = []
    when: str | None = None
    columns = [cell.column for cell in header.cells]
    by_order = dict(zip((cell.start for cell in cells), columns, strict=False)) if len(cells) == len(columns) else None
    if by_order is None and how == " " and len(cells) == len(columns) + 1:
        by_order = dict(zip((cell.start for cell in cells), [-1, *columns], strict=True))
    for cell in cells:
        column = by_order[cell.start] if by_order and how == " " else _column_of(header, cell, line_start, how)
        if column in header.pressures:
            found += _pressure(place, patient, cell, when, lookup)
            continue
        quantities = header.names.get(column)
        if quantities is None:
            lowered = place.lower[cell.start : cell.end]
            if _DATE_TOKEN.fullmatch(lowered) or _COLUMN_WHEN.match(lowered):
                written = when_of(lowered, place.service)
                when = (
                    f"{when}T{written}"
                    if when and re.fullmatch(r"\d\d:\d\d", written) and re.fullmatch(r"[\d-]{10}", when)
                    else written
                )
            continue
        value = _value_cell(place, cell, quantities)
        if value is None:
            continue
        m, tail = value
        number = number_of(m["num"])
        chosen = choose(quantities, number, tail.unit, is_table=True)
        if chosen is None:
            continue
        first = m.start("cmp") if m["cmp"] else m.start("num")
        span = Span(m.start(), max(tail.end, m.end()))
        found.append(
            indicator_of(
                place,
                patient,
                chosen[0],
                chosen[1],
                span,
                number=(first, m.end()),
                tail=tail,
                comparator=comparator_of(m["cmp"]),
                when=when,
            )
        )
    return found


def read_tables(place: Place, patient: Patient, lookup: Lookup) -> Found:
    """Read every results table of the note.

    Parameters
    ----------
    place : Place
    patient : Patient
    lookup : callable
        Quantities a name in comparable form may mean.
    """
    found = Found()
    text = place.text
    header: _Header | None = None
    squashed: list[str] = []
    blank = 0
    start = 0
    for line in text.split("\n"):
        line_start, line_end = start, start + len(line.rstrip("\r"))
        start += len(line) + 1
        stripped = line.strip()
        if not stripped:
            blank += 1
            if blank > 1:
                header, squashed = None, []
            continue
        if not stripped.strip("-=+|_: \t*"):
            continue
        cells, how = _cells(text, line_start, line_end)
        if cells:
            indicators: list[Indicator] | None = None
            if header is not None and header.names:
                indicators = _read_mirrored(place, patient, cells, header, line_start, how, lookup)
            else:
                indicators = _read_row(place, patient, cells, header, line_start, how, lookup)
            if indicators:
                found.indicators += indicators
                found.lines.append((line_start, line_end))
                blank = 0
                continue
            new = _header(place, cells, how, lookup)
            if new is not None:
                header = _merged(header, new, line_start, place) if not blank else new
                found.lines.append((line_start, line_end))
                squashed = [new.whens[column] for column in sorted(new.whens)] or squashed
                blank = 0
                continue
            if not any(text[c.start : c.end][:1].isdigit() for c in cells[1:]):
                blank = 0
                continue
            header = None
        else:
            may_be_dates = len(stripped) < 160 and line.count("/") + line.count(":") + line.count("-") > 1
            dates = [m[0] for m in _DATE_TOKEN.finditer(place.lower, line_start, line_end)] if may_be_dates else []
            if len(dates) >= 2 and not re.search(
                r"[a-z]{4,}.*[a-z]{4,}.*[a-z]{4,}", _DATE_TOKEN.sub("", place.lower[line_start:line_end])
            ):
                squashed = [when_of(date, place.service) for date in dates]
                blank = 0
                continue
            if squashed:
                indicators = _read_squashed(place, patient, line_start, line_end, squashed, lookup)
                if indicators:
                    found.indicators += indicators
                    found.lines.append((line_start, line_end))
                    blank = 0
                    continue
            if len(stripped) > 40:
                header, squashed = None, []
        blank = 0
    return found


def _merged(old: _Header | None, new: _Header, line_start: int, place: Place) -> _Header:
    """Join a second heading line of times to one of dates."""
    if old is None or not old.whens or not new.whens or not all(re.fullmatch(r"\d\d:\d\d", when) for when in new.whens.values()):
        return new
    for cell in new.cells:
        column = cell.column if len(new.cells) == len(old.cells) else _column_of(old, cell, line_start, " ")
        if len(new.cells) == len(old.cells):
            column = old.cells[new.cells.index(cell)].column
        if cell.column in new.whens and column in old.whens:
            old.whens[column] = f"{old.whens[column]}T{new.whens[cell.column]}"
    return old
