"""What follows the name of a quantity in running text: number, unit, flag, reference range, date, and the numbers of a trend."""

# ruff: noqa: E501 - one line a pattern

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from codesuggest.queries.places import DATE, MONTH, TIME, WHEN, Place, when_of
from codesuggest.queries.quantities import Limits, Quantity, Value, interpret, measure, unit_of
from codesuggest.queries.values import Indicator
from codesuggest.records import Span

__all__ = ["NUMBER", "Patient", "Tail", "after_link", "indicator_of", "number_of", "read_tail", "read_values", "read_word"]

NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d])|\d+(?:[.,]\d+)?|\.\d+)"

_LINK_WORD = (
    r"(?:levels?|lvl|value|values|count|counts|conc(?:entration)?|serum|plasma|blood|result(?:ed|s)?|reading|readings|was|is|are|were|of|at|to|as|now|today|currently|again|still|only|just|about|"
    r"around|approximately|approx|roughly|nearly|over|noted|found|measured|reported|returned|came|back|elevated|low|high|critically|slightly|mildly|moderately|markedly|significantly|severely|"
    r"down|up|trending|trended|downtrending|uptrending|peaked|peaking|peak|drifted|drifting|slid|slipped|sank|rose|rising|rise|risen|increased|increasing|decreased|decreasing|dropped|dropping|drop|fell|falling|fallen|improved|improving|"
    r"worsened|worsening|declined|declining|remained|remains|stable|went|going|has|had|have|been|be|being|initially|initial|from|repeat|repeated|rechecked|recheck|most recent|latest|nadir|last|random|fasting|"
    r"a|an|the|his|her|their|with|in|by|which|that|closed|opened|corrected|cleared|normali[sz]ed|recovered|bumped|jumped|climbed|hovering|plateaued|spiked|settled|measuring|nadired|this morning|yesterday|overnight|tonight|on (?:admission|arrival|presentation|discharge|transfer|recheck|repeat|room air|ra)|at (?:admission|arrival|presentation|discharge|baseline|triage|bedside)|"
    r"in the (?:ed|er|icu|field)|in (?:ed|er|clinic)|admission|discharge|baseline|prior|previous|previously|usual|current|"
    r"(?:on |at |from |@ ?)?(?:hospital day|hd|pod|day) ?#?\d{1,2}|\d{1,2} (?:days?|weeks?|months?|hours?|hrs?) (?:ago|prior|earlier|later)|acutely|chronically|stably|max|tmax|min|maximum|lowest|highest|"
    r"q ?\d{1,2} ?h(?:rs?)?|serial|serially|q ?am|mostly|ranging|ranged|between|near|normal|deficiency|score|total|scale|quant|auto|calc|calculated|est|arterial|venous|abg|vbg|poc|hs|lvl)"
)
_LINK = re.compile(
    rf"(?:[ \t]*+\n(?=[ \t]*+(?:was|of|is|at|to)\b|[ \t]*+\d[\d.,]*(?<![.)])(?![.)]?[ \t][A-Za-z]*[a-z]{{3}}|[.)])))?(?:[ \t:=~≈*_,]{{0,3}}(?:{_LINK_WORD}(?![a-z])|\[[^\]\n]{{1,44}}\]|\((?:[^()\d\n]{{1,24}}|{DATE}(?:[ ,]+{TIME})?|{TIME})\)|(?:on |at |@ ?|from )?{DATE}(?:[ ,]+(?:at )?{TIME})?(?=[\s:)])|[↑↓▲▼]{{1,3}}|@ ?{TIME}))"
    r"{0,9}[ \t]*+(?:[:=~≈]|-{1,2}>?|–|—|→|\.{2,}|\|)?[ \t]*+(?P<paren>\()?[ \t]*+"
)
_NUMBER = re.compile(
    rf"(?P<cmp>(?:[<>≤≥]=?|less than|greater than|more than|below|above)[ \t]*+)?(?P<sign>[-−+])?(?P<num>{NUMBER})(?P<plural>'?s(?![a-z]))?(?:[ \t]?[-–][ \t]?(?P<to>\d+(?:\.\d+)?)'?s?(?![\d/]))?"
)
_UNIT = re.compile(
    r"[ \t]{0,2}(?P<unit>%|[x×]?[ ]?10[ ]?(?:\^|\*{1,2}|e|\()?[ ]?(?:12|0?[369]|[³⁶⁹])\)?(?:[ ]?/?[ ]?(?:cells/)?(?:[µμu]l|mcl|l|mm\^?3|mm³|cumm|ml))"
    r"|mm ?hg|cm ?h2o|(?:[°º]|degrees? |deg\.? ?)?[cf](?![a-z/])|/[ ]?(?:[µμu]l|mcl|mm\^?3|mm³|cu ?mm|hpf|lpf|min)"
    r"|[a-zµμ]{1,12}(?:(?:[ ]?/[ ]?|[ ]per[ ])[a-z0-9µμ.]{1,10}[²³]?(?:\^\d)?){1,3}(?:[ ]m(?:\^?2|²))?(?:[ ]?(?:feu|ddu))?|[a-zµμ]{1,13}%?|[°º])(?![a-z0-9])"
)
LOOKS_LIKE_UNIT = re.compile(r"[a-zµμ%0-9^*]{1,8}/(?:[munpfdkcµμ]{0,2}(?:l|g|mol|m)|kg|hr?|min|mm\^?3|mm³|day|sec|mm2|furlong)$")
_FLAG_WORDS = (
    r"\*HH|\*LL|\*H|\*L|HH|LL|CH|CL|HC|LC|H\*|L\*|H!|L!|H|L|HI|LO|HIGH|LOW|High|Low|CRIT(?:ICAL)?(?:[ -](?:HIGH|LOW|H|L))?|[Cc]rit(?:ical(?:ly)?)?(?:[ -](?:[Hh]igh|[Ll]ow|H|L))?"
    r"|(?:HIGH|LOW|[Hh]igh|[Ll]ow)[ -](?:PANIC|[Pp]anic|CRITICAL|[Cc]ritical)|PANIC|[Pp]anic(?: (?:[Hh]igh|[Ll]ow))?|ABN|Abn|[Aa]bnormal|ABNORMAL|AB"
)
_FLAG_PAREN = re.compile(rf"(?:{_FLAG_WORDS}|A|C|N|high|low|elevated|[Nn]ormal|NORMAL|NL|nl|WNL|wnl|\*+|!+|↑+|↓+|▲|▼|\+)$")
_FLAG_BARE = re.compile(
    rf"[ \t]{{0,4}}(?:(?<=[\s\d%)lL3])(?P<word>{_FLAG_WORDS}|high|low|critical|A|C(?=[ \t]{{2}}|[ \t]*[(\[]))(?![\w/*-])|(?P<sign>\*{{1,3}}(?!\*)|!{{1,2}}|↑{{1,3}}|↓{{1,3}}|▲|▼|\^(?!\d)))"
)
_FLAG_END = re.compile(
    r"[ \t]*+(?:$|[,;.)\]|\n\r(\[→/]|-+>|[ \t]{2}|[\d<>]|and\b|to\b|on\b|from\b|at\b|then\b|now\b|ref|normal|nl\b|baseline)"
)
_REF_WORD = r"(?:(?:ref(?:erence)?\.?|normal|normals|nl|nml|rr|range|ri|expected|lab normal)(?:[ ]*+(?:range|interval|values?|limits?|int|rng|is))*[ ]*+[:=]?[ ]*+)"
RANGE = r"(?:(?P<low>-?\d+(?:[.,]\d+)?)[ ]*+(?:-|–|—|to)[ ]*+(?P<high>-?\d+(?:[.,]\d+)?)|(?P<sign><=?|>=?|≤|≥|=<|=>|less than |greater than |up to |under |over )[ ]*+(?P<limit>\d+(?:[.,]\d+)?))"
_RANGE_UNIT = r"[ ]*+(?P<unit>[x×]?[a-z%µμ0-9^*()/.²³ ]{0,18}?)"
_REF_PART = re.compile(rf"(?P<word>{_REF_WORD})?{RANGE}{_RANGE_UNIT}$")
_REF_BARE = re.compile(rf"[ \t]{{0,3}}[,;]?[ \t]{{0,2}}{_REF_WORD}[\[(]?{RANGE}(?![\d/])\)?\]?")
_PAREN = re.compile(r"[ \t]{0,3}[(\[](?P<inner>[^()\[\]\n]{1,64}(?:\(\d+\)[^()\[\]\n]{0,16})?)[)\]]")
_WHEN_PART = re.compile(rf"(?:on |at |@ ?|from |upon )?(?:the )?(?P<when>{WHEN})$")
_WHEN_BARE = re.compile(
    rf"[ \t]*+,?[ \t]*+(?:(?:on|at|@|from|as of)[ \t]*+(?:the[ ])?(?P<when>{WHEN})|(?P<bare>{DATE}(?:[ ,]+(?:at )?{TIME})?|this morning|yesterday|today|overnight|(?:pre|post)-?op(?:eratively)?|initially|(?:at|after|within|over) \d{{1,2}} (?:hours?|hrs?|h|days?|weeks?)|in {MONTH}(?: \d{{4}})?|last (?:week|month|year)|(?:a|one|two|three|\d+) (?:hours?|days?|weeks?|months?|years?) (?:ago|prior|earlier|later|before)))(?![\w/])"
)
_VERB = (
    r"(?:trend|improv|worsen|increas|decreas|declin|clear|normali[sz]|peak|recover|downtrend|uptrend|correct|drift|climb|jump|bump|spik|stabili[sz]|plateau|settl|nadir|respond|return)(?:ed|ing|d|s|es)?"
    r"|rose|risen|rises|rising|fell|fallen|falling|dropp(?:ed|ing)|went|came|slid|sank|up|down"
)
_CHAIN = re.compile(
    rf"[ \t]*+(?:-{{1,2}}>|=+>|→|⟶|➔|➜|»|>{{1,3}}|↑|↓|…|\.{{3}}"
    rf"|[,;]?[ \t]*+(?:(?:and|which|that|it)[ ])*(?:(?:was|were|has|have|had|been|since|later|subsequently|slowly|gradually|quickly|steadily|eventually|then|further|repeat|repeated)[ ])*"
    rf"(?:then|now|currently|today|(?:{_VERB})(?:[ ](?:down|up|back|slowly|gradually|further|again|appropriately))*|with(?:[ ]a)? (?:peak|nadir)|peak|nadir|followed by|(?:on )?(?:repeat|recheck(?:ed)?)(?: was)?|later|to)"
    rf"(?:[ \t]+(?:to|at|of|was|is|a|around|about|peak|nadir|new|high|low))*|(?:,[ ])?(?:and|then|&)(?=[ ][\d<>.])|,(?=[ ]\d|\d))[ \t]*+:?[ \t]*+"
    rf"(?:\(?(?P<when>{DATE}(?:[ ,]+{TIME})?)\)?:[ \t]*+)?"
)
_CHAIN_END = re.compile(
    r"[ \t]*+(?:$|[,;.()\n|\[→*↑↓]|-{1,2}>|=+>|>|\bto\b|\bon\b|\band\b|\bby\b|\bat\b|\bthen\b|\bthis\b|\btoday|\byesterday|\bafter\b|\bwith\b|\bnow\b|\bprior\b|\bs/p\b|\bpost|\bp\b|\bw/|\bsince\b|\buntil\b|\bduring\b|\bover\b|\bonce\b|\bif\b|\bfor\b|\bbut\b|\bwhich\b|\bbefore\b|\bovernight\b|\bin\b|\bwhile\b|\bfrom\b|\bfollowing\b)"
)
_BASE = re.compile(
    r"[ \t]*+[,;]?[ \t]*+[(\[]?[ \t]*+(?:up|down|increased|decreased|risen|fallen|dropped|rise|drop|(?:an )?increase|(?:a )?decrease)?[ ]*+(?P<word>at baseline|from|(?:his|her|their|pt'?s?|patient's|known )?[ ]?baseline|b/l|bl|was|prior|previously|previous|prev|last|compared (?:to|with)|vs\.?|versus|usual(?:ly)?|normally|base)"
    r"(?:[ ]+(?:of|is|was|at|cr|creatinine|hgb|hb|hemoglobin|a|an|his|her|their|the|to|with|known|baseline|value|prior|previous|level|admission|discharge|around|about|approximately|approx|outpatient|in))*[ ]*+[:=~≈]?[ ]*+"
    rf"(?:\(?(?P<when>{DATE})\)?:[ ]*+)?"
)
_REJECT = re.compile(
    r"[ \t]?(?:x(?![\w])|x\d|times?\b|/\s?\d|[-–]?\s?(?:days?|weeks?|wks?|months?|mos?|years?|yrs?|y/?o|hours?|hrs?(?![ ]?[:=]?[ ]?\d)|minutes?|mins?|doses?|tab(?:let)?s?|pills?|cycles?|points?|sessions?|visits?|packs?|pack-years?|refills?|caps?(?:ules?)?|puffs?|drops)\b(?! (?:ago|prior|later|earlier))|:\d\d\b|(?:st|nd|rd|th)\b|\w?-?hydroxy|-\d{3}-)"
)
_GOAL = re.compile(
    r"(?:\b(?:goals?|target(?:s|ing)?|keep(?:ing)?|maintain(?:ing)?|titrat\w*|aim(?:ing)?|until|unless|threshold|notify|call(?: \w+)? (?:if|for)|hold (?:for|if)|if|parameters?|prn|to achieve|hold parameters|trigger)\b[^.;:,\n]{0,28}|\bto keep (?:the )?)$"
)
_PART = re.compile(NUMBER)
_STROKES = re.compile(rf"{NUMBER}(?:[ ]?/[ ]?{NUMBER}){{2,8}}(?![\d/%])")
_NEXT_VALUE = re.compile(r"[ \t]{1,2}(?P<name>mg|k)[ ]?[:=]?[ ]?\d")
_SCALED = re.compile(
    r"[ \t:=~]*(?:(?:score|of|is|was|at|rated|level|scale|currently|now)[ \t:=]*){0,3}(?P<num>\d{1,2})[ ]?(?:/|out of)[ ]?(?:4|10|15|30|42)\b"
)
_GOAL_WEAK = re.compile(r"\b(?:for|when|once|while|in case of|should|except)\b[^.;:,\n]{0,20}$")
_CHANGE = re.compile(r"\b(?:down|up|by|in)\b(?!.*\b(?:to|at|now)\b)")
_GOAL_AFTER = re.compile(r"[ \t]*+(?:goals?|targets?|threshold|parameters?|cut-?off|range)\b")
_NOT_A_VALUE_AFTER = re.compile(
    r"[ \t]*+(?:checks?|monitoring|diet|restriction|restricted|supplement\w*|replacement|repletion|chloride|citrate|phosphate|gluconate|carbonate|oxide|sulfate|bicarbonate|sliding|binders?|tablets?|blockers?|channel|antagonists?|nodes?|diameter|wave|nodal)\b"
)
_WHEN_BEFORE = re.compile(
    r"\b(baseline|birth|admission|admit(?:ting)?|initial|repeat|peak|nadir|discharge|presenting|arrival|most recent|latest|current|today'?s|yesterday'?s|prior|previous|post-?op|pre-?op|this morning'?s|am|morning|follow-?up|triage|highest|lowest|max|first|last)\s+(?:labs?\s+|measured\s+)?(?:serum\s+|venous\s+|arterial\s+|blood\s+)?$"
)
_WHEN_WORD = re.compile(
    rf"{DATE}(?:[ ,]+(?:at )?{TIME})?|@ ?{TIME}|\({TIME}\)|\b(?:baseline|admission|presentation|arrival|discharge|peak\w*|nadir|initial|initially|repeat|today|yesterday|this morning|overnight|now|prior|previous(?:ly)?|from|usual|hospital day #?\d+|hd ?#?\d+|pod ?#?\d+|day #?\d+|\d+ (?:days?|weeks?|months?|hours?|hrs?) (?:ago|prior|earlier|later)|transfer|triage|in the ed|in ed|most recent|latest|last|lowest|highest|tmax|max)\b"
)
_WHEN_NAMES = {
    "arrival": "admission",
    "presentation": "admission",
    "initially": "initial",
    "from": "prior",
    "previously": "prior",
    "previous": "prior",
    "peaked": "peak",
    "peaking": "peak",
    "usual": "baseline",
    "highest": "peak",
    "max": "peak",
    "tmax": "peak",
    "lowest": "nadir",
    "admitting": "admission",
    "admit": "admission",
    "presenting": "admission",
    "triage": "admission",
}
_QUALITY = re.compile(
    r"(?:[ \t:=*]{0,3}(?:is|was|were|are|came back|returned|remains?|remained|levels?|also|within|now|again|initially|mildly|markedly|slightly|significantly|persistently|notably|found to be|for|\(?qualitative\)?|screen)(?![a-z])){0,3}[ \t:=(]{0,3}"
    r"(?P<word>positive|pos\b|negative|neg\b|trace|small|moderate|large|[1-4]\+|\+{1,4}|not detected|undetectable|none seen|few|many|rare|elevated|normal limits|normal|wnl|unremarkable|high|low|raised|increased|decreased|[↑↓]{1,3})(?![\w/])"
)
_QUALITY_BEFORE = re.compile(
    r"(?:\b(?P<word>elevated|raised|high|low|normal|positive|negative|undetectable|increased|decreased|rising|falling|trace|moderate|large|small)|(?P<sign>[↑↓]{1,3}))\s*$"
)
_POSITIVE = {"positive", "pos", "trace", "small", "moderate", "large", "few", "many", "rare"}
_NEGATIVE = {"negative", "neg", "not detected", "undetectable", "none seen"}
_UP = {"elevated", "high", "raised", "increased", "rising"}
_DOWN = {"low", "decreased", "falling"}
_FLAG_OF = {
    "HI": "H",
    "HIGH": "H",
    "ELEVATED": "H",
    "LO": "L",
    "LOW": "L",
    "CH": "HH",
    "CL": "LL",
    "HC": "HH",
    "LC": "LL",
    "H*": "HH",
    "L*": "LL",
    "H!": "HH",
    "L!": "LL",
    "H": "H",
    "L": "L",
    "HH": "HH",
    "LL": "LL",
    "A": "A",
    "AB": "A",
    "ABN": "A",
    "ABNORMAL": "A",
    "▲": "H",
    "▼": "L",
    "^": "H",
    "+": "A",
}


@dataclass(frozen=True, slots=True)
class Patient:
    """What chooses a reference range."""

    age_years: float | None = None
    sex: str | None = None


@dataclass(slots=True)
class Tail:
    """What stands after a number. `end` is the last character that belongs to the value."""

    end: int
    unit: str = ""
    unit_end: int = 0
    flag: str = ""
    reference: tuple[float | None, float | None, str] | None = None
    when: str | None = None
    next: int = 0
    is_dose: bool = False


def number_of(written: str) -> float:
    """Return the number, with a decimal comma or commas between thousands.

    Examples
    --------
    >>> [number_of(n) for n in ("7,2", "45,000", "1,234.5", ".45", "0,045")]
    [7.2, 45000.0, 1234.5, 0.45, 0.045]
    """
    if "," in written:
        is_thousands = re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", written) is not None
        written = written.replace(",", "" if is_thousands else ".")
    return float(written)


def flag_of(written: str) -> str:
    """Return the flag that a laboratory's sign or word means: L, H, LL, HH, A, "C" for critical without a side, or none.

    Examples
    --------
    >>> [flag_of(f) for f in ("low", "Critical High", "*", "↓", "normal", "crit")]
    ['L', 'HH', 'A', 'L', '', 'C']
    """
    word = written.strip().upper()
    word = word[1:] if len(word) > 1 and word[0] == "*" and word[1] in "HL" else word
    if word in _FLAG_OF:
        return _FLAG_OF[word]
    if word.startswith(("C", "PANIC")) or word.endswith(("PANIC", "CRITICAL")):
        return "HH" if re.search(r"HIGH|\bH$", word) else "LL" if re.search(r"LOW|\bL$", word) else "C"
    if word and word[0] in "*!":
        return "A"
    if word and word[0] in "↑↓":
        return "H" if word[0] == "↑" else "L"
    return ""


def _converts(unit: str, quantities: Sequence[Quantity]) -> bool:
    known = unit_of(unit)
    return known is not None and any(known.name in quantity.factors for quantity in quantities)


def _unit(lower: str, at: int, stop: int, quantities: Sequence[Quantity], is_table: bool) -> tuple[str, int] | None:
    """Return the unit written at a place and its end; a dose has end 0."""
    m = _UNIT.match(lower, at, stop)
    if m is None:
        return None
    unit = m["unit"]
    if _converts(unit, quantities):
        return unit, m.end()
    if " " in unit or "/" in unit:
        first = re.match(r"[a-z%µμ]+", unit)
        if first and unit_of(unit) is None and _converts(first[0], quantities) and unit[first.end() : first.end() + 1] in " ":
            return first[0], m.start("unit") + first.end()
    known = unit_of(unit)
    if known is None:
        return (unit, m.end()) if LOOKS_LIKE_UNIT.match(unit) else None
    if known.kind == "dose":
        return (unit, 0) if unit not in ("u", "cap", "d") else None
    if unit == "%":
        return unit, 0 if not is_table else m.end()
    return (unit, m.end()) if "/" in unit and unit[0] != "/" else None


def _reference(m: re.Match[str], quantities: Sequence[Quantity]) -> tuple[float | None, float | None, str] | None:
    groups = m.groupdict()
    unit = (groups.get("unit") or "").strip()
    if unit and unit_of(unit) is None:
        return None
    if m["limit"]:
        limit = number_of(m["limit"])
        is_upper = m["sign"].strip()[0] in "<≤=lu" and m["sign"].strip() != "=>"
        return (None, limit, unit) if is_upper else (limit, None, unit)
    low, high = number_of(m["low"].lstrip("-")), number_of(m["high"])
    low = -low if m["low"].startswith("-") else low
    return (low, high, unit) if low < high else None


def read_tail(
    place: Place, at: int, quantities: Sequence[Quantity], starts: frozenset[int] = frozenset(), *, limit: int | None = None
) -> Tail:
    """Read unit, flag, reference range and date after a number, in any order, each once.

    A `limit` is the end of the cell of a table.
    """
    text, lower = place.text, place.lower
    is_table = limit is not None
    stop = len(text) if limit is None else limit
    tail = Tail(at)
    is_laboratory = quantities[0].category == "laboratory"
    for _ in range(6):
        if not tail.unit:
            unit = _unit(lower, tail.end, stop, quantities, is_table)
            if unit is not None and unit[0] in ("mg", "k") and _names_next(lower, tail.end, starts):
                unit = None
            if unit is not None:
                tail.unit = unit[0]
                if not unit[1]:
                    tail.is_dose = True
                    return tail
                tail.end = tail.unit_end = unit[1]
                continue
        if tail.end < stop and text[tail.end] != "\n":
            if not tail.flag and is_laboratory:
                m = _FLAG_BARE.match(text, tail.end, stop)
                if m is not None and _is_flag(text, lower, m, stop, quantities, starts, is_table):
                    tail.flag = flag_of(m["word"] or m["sign"])
                    tail.end = m.end()
                    continue
            m = _PAREN.match(text, tail.end, stop)
            if m is not None and _read_paren(place, m, tail, quantities):
                continue
            if tail.reference is None:
                m = _REF_BARE.match(lower, tail.end, stop)
                if m is not None:
                    tail.reference = _reference(m, quantities)
                    tail.end = m.end()
                    continue
            if tail.when is None:
                m = _WHEN_BARE.match(lower, tail.end, stop)
                if m is not None:
                    tail.when = when_of(m["when"] or m["bare"], place.service)
                    tail.next = m.end()
                    if is_table:
                        tail.end = m.end()
                        continue
        break
    return tail


def _names_next(lower: str, at: int, starts: frozenset[int]) -> bool:
    """Whether "Mg" or "K" after a number is the name of the next value: "Cr 1.4 Mg 1.5"."""
    m = _NEXT_VALUE.match(lower, at)
    return m is not None and m.start("name") in starts


def _is_flag(
    text: str, lower: str, m: re.Match[str], stop: int, quantities: Sequence[Quantity], starts: frozenset[int], is_table: bool
) -> bool:
    if m["sign"]:
        after = re.match(r"[ \t]*+[\d.]", text[m.end() : m.end() + 6])
        return m["sign"][0] not in "↑↓^" or after is None
    if m["word"] == "A" and not is_table:
        return False
    if _FLAG_END.match(text, m.end(), stop) is not None:
        return True
    after = re.match(r"[ \t]*+", text[m.end() : m.end() + 12])
    follows = m.end() + (after.end() if after else 0)
    if any(start in starts for start in (follows, follows + 1)):
        return True
    unit = _unit(lower, m.end(), stop, quantities, is_table)
    return unit is not None and unit[1] > 0


def _read_paren(place: Place, m: re.Match[str], tail: Tail, quantities: Sequence[Quantity]) -> bool:
    """Read "(L, ref 135-145)" and the like. False when the bracket says something else."""
    flag, reference, when, unit = "", None, None, ""
    is_laboratory = quantities[0].category == "laboratory"
    for part in re.split(r"[,;]|\s{2,}|(?<=[LHA])\s+(?=\d|[Rr]ef)", m["inner"]):
        words = part.strip()
        lowered = words.lower()
        if not words:
            continue
        if not flag and _FLAG_PAREN.match(words):
            flag = flag_of(words) or "N"
            continue
        ref = _REF_PART.match(lowered)
        if ref is not None and reference is None and (is_laboratory or ref["word"]):
            reference = _reference(ref, quantities)
            if reference is not None:
                continue
        dated = _WHEN_PART.match(lowered)
        if dated is not None:
            when = when_of(dated["when"], place.service)
            continue
        if not unit and not tail.unit and _converts(lowered, quantities):
            unit = lowered
            continue
        if flag or reference or unit:
            break
        return False
    else:
        tail.end = m.end()
    if not (flag or reference or when or unit):
        return False
    if flag and tail.flag and not (reference or when or unit):
        return False
    tail.flag = tail.flag or ("" if flag == "N" else flag)
    tail.reference = tail.reference or reference
    tail.when = tail.when or when
    if unit:
        tail.unit = unit
    return tail.end == m.end()


def indicator_of(
    place: Place,
    patient: Patient,
    quantity: Quantity,
    value: Value,
    span: Span,
    *,
    number: tuple[int, int],
    tail: Tail,
    comparator: str = "",
    when: str | None = None,
    details: tuple[tuple[str, str], ...] = (),
) -> Indicator:
    """Put what was read together, with the side of the reference range it lies on."""
    reference: Limits | None = None
    if tail.reference is not None:
        low, high, unit = tail.reference
        converted = [_into(quantity, limit, unit or tail.unit, number, place) for limit in (low, high)]
        reference = (converted[0], converted[1])
    flag = "" if tail.flag == "C" else tail.flag
    interpretation = (
        ""
        if value.value is None
        else interpret(quantity, value.value, reference=reference, flag=flag, age_years=patient.age_years, sex=patient.sex)
    )
    if comparator.startswith("<") and interpretation == "high":
        interpretation = ""
    if comparator == ">" and interpretation == "low":
        interpretation = ""
    if tail.flag == "C":
        flag = "LL" if interpretation.endswith("low") else "HH" if interpretation.endswith("high") else "A"
        if interpretation in ("low", "high"):
            interpretation = "critical_low" if interpretation == "low" else "critical_high"
    end = max(number[1], tail.unit_end)
    given = place.text[number[0] : end] if end - number[1] <= 24 else place.text[number[0] : number[1]]
    return Indicator(
        quantity.name,
        quantity.category,
        span,
        value=value.value,
        unit=value.unit if value.value is not None else "",
        given=given.strip(),
        comparator=comparator,
        flag=flag,
        interpretation=interpretation,
        reference=reference,
        when=tail.when or when or place.line_when(span.start),
        section=place.section(span.start),
        details=details,
    )


def _into(quantity: Quantity, limit: float | None, unit: str, number: tuple[int, int], place: Place) -> float | None:
    """Convert a limit of a written range into the table's unit; without a unit, as the number beside it was read."""
    if limit is None:
        return None
    if not unit:
        unit = (
            bare_unit(quantity, number_of(place.text[number[0] : number[1]].lstrip("<>≤≥=-−+ \t") or "0"))
            if number[1] > number[0]
            else ""
        )
    known = unit_of(unit) if unit else None
    factor = quantity.factors.get(known.name) if known else None
    return limit if factor is None else float(f"{limit * factor[0] + factor[1]:.4g}")


def bare_unit(quantity: Quantity, number: float) -> str:
    return next((unit for unit, low, high in quantity.bare if low <= number <= high), "")


_COMPARATORS = {"less than": "<", "below": "<", "greater than": ">", "more than": ">", "above": ">", "≤": "<=", "≥": ">="}


def after_link(lower: str, at: int) -> int:
    """Return where the words that may stand between a name and its number end: "sodium [level on admission was ]118"."""
    link = _LINK.match(lower, at)
    return link.end() if link else at


def comparator_of(written: str | None) -> str:
    """One of "<", ">", "<=", ">=" or nothing."""
    words = (written or "").strip()
    return _COMPARATORS.get(words, words)


def choose(quantities: Sequence[Quantity], number: float, unit: str, *, is_table: bool = False) -> tuple[Quantity, Value] | None:
    """Return the first of the quantities a name may mean that the number and unit fit; else the first that keeps the words."""
    if len(quantities) > 1 and unit:
        known = unit_of(unit)
        quantities = sorted(quantities, key=lambda q: known is None or unit_of(q.unit) != known)  # the assay that reports so
    kept: tuple[Quantity, Value] | None = None
    for quantity in quantities:
        value = measure(quantity, number, unit, is_table=is_table)
        if value is not None and value.value is not None:
            return quantity, value
        if value is not None and kept is None:
            kept = quantity, value
    return kept


def is_goal(place: Place, start: int, comparator: str) -> bool:
    """Whether the number is aimed at or waited for: "goal K > 4", "transfuse for Hgb < 7"."""
    before = place.lower[max(0, start - 44) : start]
    return _GOAL.search(before) is not None or (bool(comparator) and _GOAL_WEAK.search(before) is not None)


def read_values(
    place: Place,
    patient: Patient,
    quantities: Sequence[Quantity],
    start: int,
    end: int,
    starts: frozenset[int],
    *,
    needs_connector: bool = False,
    needs_unit: bool = False,
) -> list[tuple[Indicator, int]]:
    """Read the values after a name at ``[start, end)``: one, or all of a trend. Each with the place reading stopped."""
    lower = place.lower
    if _GOAL_AFTER.match(lower, end) or _NOT_A_VALUE_AFTER.match(lower, end):
        return []
    scaled = _SCALED.match(lower, end) if quantities[0].category == "score" else None
    m = _NUMBER.match(lower, scaled.start("num") if scaled else after_link(lower, end))
    if m is None:
        return []
    words = lower[end : m.start()]
    if (
        needs_connector
        and not re.search(r"\b(?:of|to|at|with|in)\b|[(:]", words)
        and not lower[m.end() : m.end() + 2].lstrip().startswith("%")
    ):
        return []
    if "goal" in words or "target" in words or is_goal(place, start, m["cmp"] or ""):
        return []
    if m["cmp"] and re.search(r"\bto[ ]*+$", words):  # "replete K to > 4"
        return []
    if quantities[0].name == "weight" and _CHANGE.search(words):  # "weight is down by 30 pounds"
        return []
    is_level = re.search(r"level|lvl|trough|random|conc", words) is not None
    found: list[tuple[Indicator, int]] = []
    when = _when_in(place, start, words)
    strokes = _STROKES.match(lower, m.start())
    if strokes is not None and strokes[0].count(".") > 1:
        return _read_strokes(place, patient, quantities, strokes, when)
    first = _one(place, patient, quantities, m, start, starts, when=when, needs_unit=needs_unit and not is_level)
    if first is None:
        return []
    indicator, tail, unit, chosen = first
    found.append((indicator, max(tail.end, tail.next)))
    for _ in range(12):
        following = _next(place, patient, chosen, unit, found[-1][1], starts, is_first=len(found) == 1)
        if following is None:
            break
        found.append(following)
    return [(_with_trend(found, n), stop) for n, (_, stop) in enumerate(found)]


def _read_strokes(
    place: Place, patient: Patient, quantities: Sequence[Quantity], strokes: re.Match[str], when: str | None
) -> list[tuple[Indicator, int]]:
    """Read "lactates 6.2/4.0/1.9": three numbers or more of one quantity."""
    found = []
    for m in _PART.finditer(place.lower, strokes.start(), strokes.end()):
        chosen = choose(quantities, number_of(m[0]), "")
        if chosen is None or chosen[1].value is None:
            return []
        span = Span(m.start(), m.end())
        tail = Tail(m.end())
        found.append((indicator_of(place, patient, *chosen, span, number=m.span(), tail=tail, when=when), strokes.end()))
    return [(_with_trend(found, n), stop) for n, (_, stop) in enumerate(found)]


def _with_trend(found: Sequence[tuple[Indicator, int]], n: int) -> Indicator:
    indicator = found[n][0]
    if n == 0 or indicator.when in ("prior", "baseline") or indicator.value is None:
        return indicator
    before = found[n - 1][0].value
    if before is None or before == indicator.value:
        return indicator
    return replace(indicator, details=(*indicator.details, ("trend", "rising" if indicator.value > before else "falling")))


def _when_in(place: Place, start: int, words: str) -> str | None:
    m = None
    for m in _WHEN_WORD.finditer(words):
        if m[0] == "baseline":
            return "baseline"
    if m is not None:
        written = m[0].strip("()@ ")
        return _WHEN_NAMES.get(written) or when_of(written, place.service)
    before = _WHEN_BEFORE.search(place.lower[max(0, start - 40) : start])
    if before is not None:
        return _WHEN_NAMES.get(before[1], before[1])
    return None


def _one(
    place: Place,
    patient: Patient,
    quantities: Sequence[Quantity],
    m: re.Match[str],
    start: int,
    starts: frozenset[int],
    *,
    when: str | None,
    needs_unit: bool,
    is_first: bool = True,
) -> tuple[Indicator, Tail, str, Quantity] | None:
    lower = place.lower
    stop = m.end()
    if quantities[0].category == "score":
        scale = re.compile(r"[ \t]*+(?:/|out of)[ \t]*+\d{1,2}\b").match(lower, stop)
        stop = scale.end() if scale else stop
    tail = read_tail(place, stop, quantities, starts)
    if not tail.flag and "(!)" in lower[start : m.start()]:
        tail.flag = "A"
    if tail.is_dose or (needs_unit and not tail.unit):
        return None
    if not tail.unit and not tail.flag and _REJECT.match(lower, stop):
        return None
    number = number_of(m["num"])
    sign = m.start("sign") if m["sign"] else m.start() - 1
    negative = lower[sign] in "-−" and any(q.believable[0] < 0 for q in quantities) and lower[sign - 1] in " :=(\t"
    if m["sign"] and not negative and m["sign"] != "+" and lower[m.start("sign") - 1 : m.start("sign")].isalnum():
        return None
    chosen = choose(quantities, -number if negative else number, tail.unit)
    if chosen is None:
        return None
    quantity, value = chosen
    details: tuple[tuple[str, str], ...] = ()
    if m["to"]:
        details = (("to", m["to"]),)
    first = m.start("cmp") if m["cmp"] else sign if negative else m.start("num")
    shown = (first, stop)
    indicator = indicator_of(
        place,
        patient,
        quantity,
        value,
        Span(start, tail.end),
        number=shown,
        tail=tail,
        comparator=comparator_of(m["cmp"]),
        when=when,
        details=details,
    )
    return indicator, tail, tail.unit or bare_unit(quantity, number), quantity


def _next(
    place: Place, patient: Patient, quantity: Quantity, unit: str, at: int, starts: frozenset[int], *, is_first: bool
) -> tuple[Indicator, int] | None:
    """Read the next number of a trend, or the baseline it is compared with."""
    lower = place.lower
    link = _BASE.match(lower, at)
    m = _NUMBER.match(lower, link.end()) if link else None
    is_base = m is not None
    if m is None:
        link = _CHAIN.match(lower, at)
        m = _NUMBER.match(lower, link.end()) if link else None
    if link is None or m is None or (m["to"] and not is_base and link[0].strip() == ","):
        return None
    tail = read_tail(place, m.end(), [quantity], starts)
    if tail.is_dose or (not tail.unit and _REJECT.match(lower, m.end())):
        return None
    if not tail.unit and not tail.flag and tail.end == m.end() and _CHAIN_END.match(lower, m.end()) is None:
        return None
    value = measure(quantity, number_of(m["num"]), tail.unit or unit)
    if value is None or value.value is None:
        return None
    when = link["when"]
    if when is not None:
        when = when_of(when, place.service)
    elif is_base:
        when = "baseline" if re.search(r"base|b/?l\b|usual|normally", link[0]) else "prior"
    else:
        said = _WHEN_WORD.search(link[0])
        when = (_WHEN_NAMES.get(said[0]) or said[0]) if said else None
    first = m.start("cmp") if m["cmp"] else m.start("num")
    span = Span(first, tail.end)
    indicator = indicator_of(
        place, patient, quantity, value, span, number=(first, m.end()), tail=tail, comparator=comparator_of(m["cmp"]), when=when
    )
    if link["when"] is None and tail.when is None and when is None:
        indicator = replace(indicator, when=place.line_when(first) if is_first else indicator.when)
    closing = re.compile(r"[ \t]*+\)").match(lower, tail.end) if is_base and "(" in link[0] else None
    return indicator, closing.end() if closing else max(tail.end, tail.next)


def read_word(place: Place, quantity: Quantity, start: int, end: int) -> Indicator | None:
    """Read a result in words: "nitrite positive", "elevated troponin"."""
    lower = place.lower
    if _NOT_A_VALUE_AFTER.match(lower, end) or _GOAL_AFTER.match(lower, end):
        return None
    m = _QUALITY.match(lower, end)
    first, last = start, end
    if m is not None:
        word, last = m["word"], m.end("word")
    else:
        m = _QUALITY_BEFORE.search(lower, max(0, start - 24), start)
        if m is None:
            return None
        word, first = m["word"] or m["sign"], m.start()
    if is_goal(place, first, ""):
        return None
    word = word.strip()
    interpretation = ""
    result = word
    if word in _POSITIVE or word[0].isdigit() or word[0] == "+":
        interpretation = "abnormal"
        result = "positive" if word == "pos" else word
    elif word in _NEGATIVE:
        interpretation, result = "normal", "negative" if word == "neg" else word
    elif word in _UP or word[0] == "↑":
        interpretation = "high"
    elif word in _DOWN or word[0] == "↓":
        interpretation = "low"
    else:
        interpretation, result = "normal", "normal"
    return Indicator(
        quantity.name,
        quantity.category,
        Span(first, last),
        given=word,
        result=result,
        interpretation=interpretation,  # type: ignore[arg-type]  # one of the words above
        when=place.line_when(first),
        section=place.section(first),
    )
