"""Vital signs with a writing of their own: blood pressure, oxygen and how it is given, coma scale, loss of weight."""

# ruff: noqa: E501 - one line a pattern

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from codesuggest.queries.places import Place
from codesuggest.queries.quantities import Quantity, Value, load_quantities, measure
from codesuggest.queries.reading import Patient, Tail, indicator_of, is_goal
from codesuggest.queries.values import Indicator
from codesuggest.records import Span

__all__ = ["read_vitals", "with_oxygen"]

_PRESSURE = re.compile(
    r"(?P<s>\d\d(?<![\d/.]\d\d)|\d{3}(?<![\d/.]\d{3}))s?[ ]?/[ ]?(?P<d>\d{2,3})(?P<ds>s)?(?![\d/%]|\.\d)(?:[ ]?mm ?hg)?(?:[ ]?\((?:map[ :]*)?(?P<map>\d{2,3})\))?"
)
_PRESSURE_NAME = re.compile(
    r"(?<![\w/])(?:n?i?bp|abp|b/p|blood pressures?|hypotensi(?:ve|on)|hypertensi(?:ve|on))[ \t]*(?:\((?:!|[^()\d]{1,16})\)|was|is|of|to|at|in|the|on|arrival|admission|presentation|initially|initial|low|as|down|around|noted|be|found|recorded|triage|ed|ranging|from|now|today|today's|[:=~,@]|[ \t])*$"
)
_AT_FIRST = re.compile(r"arrival|admission|presentation|triage|initial")
_VITALS_FOLLOW = re.compile(r"[ ,;]+(?:hr|p|pulse|rr|r)\b")
_OTHER_FRACTION = re.compile(
    r"\b(?:ast|alt|h/h|inr|cr|hgb|pt|bun|vision|acuity|strength|insulin|humulin|novolin|mix|lasix)\W{0,3}$"
)
_LINE_OF_VITALS = re.compile(
    r"\b(?:bp|vs|vss|vitals?|vital signs|hr|pulse|rr|resp|spo2|o2 sats?|afebrile|tmax|t[:= ]*\d\d|p[:= ]*\d\d)\b"
)
_STRING = re.compile(
    r"\b(?:vs|vitals?|vital signs)[^\d\n]{0,16}(?P<t>\d{2,3}\.\d)[ ,/]+(?:hr )?(?P<p>\d{2,3})[ ,]+(?P<s>\d{2,3})/(?P<d>\d{2,3})[ ,]+(?P<r>\d{1,2})[ ,]+(?P<o>\d{2,3})[ ]?%?(?=[ ,;\n]|$)"
)
_SATURATION = re.compile(
    r"(?P<value>[3-9]\d(?<![\d./-]\d\d)|100(?<![\d./-]100))[ ]?%[ ,]*(?:(?:sat(?:uration)?s? )?(?:on|with|via)[ ]|(?=ra\b|room air))(?=(?:\d{1,2}(?:\.\d)?[ ]?l|ra\b|room air|nrb|non-?rebreather|nc\b|nasal|hfnc|high[ -]?flow|bipap|cpap|vent|bvm|o2\b|oxygen|face ?mask|venti|supplemental|oxymizer|trach))"
)
_DEVICE = re.compile(
    r"[ \t,;:(]{0,3}(?:(?:on|via|with|while on|to|requiring|needing|placed on|breathing)[ ]){0,2}(?P<all>(?:(?P<flow>\d{1,2}(?:\.\d)?)(?:[ ]?-[ ]?\d{1,2})?[ ]?(?:l(?:iters?|pm)?(?:/min)?)(?:[ ](?:of[ ])?(?:o2|oxygen))?[ ]?(?:by |via |per |on )?)?(?P<device>ra\b|room air|nc\b|nasal cannula|n/c|nrb\b|nrbm\b|non-?rebreather(?: mask)?|hfnc\b|hhfnc\b|high[ -]?flow(?: nasal cannula)?|bipap|bi-pap|cpap|nippv|niv\b|vent(?:ilator)?\b|mechanical ventilation|trach(?:eostomy)? collar|trach mask|face ?mask|simple mask|fm\b|venti(?:[ -]?mask)?|venturi(?: mask)?|vm\b|oxymizer|bvm|ett\b|aerosol mask|supplemental (?:o2|oxygen)|o2\b|oxygen)?)"
    r"(?:[ ,/@]*(?:at )?(?P<flow2>\d{1,2}(?:\.\d)?)[ ]?l(?:iters?|pm)?(?:/min)?\b)?(?:[ ,/@]*(?:at |with )?(?:fio2[ :=of]*)?(?P<fio2>\d{2,3})[ ]?%(?:[ ]fio2)?)?"
)
_DEVICES = {
    "ra": "room air", "room air": "room air", "nc": "nasal cannula", "n/c": "nasal cannula", "nasal cannula": "nasal cannula", "nrb": "non-rebreather",
    "nrbm": "non-rebreather", "hfnc": "high-flow nasal cannula", "hhfnc": "high-flow nasal cannula", "bipap": "BiPAP", "bi-pap": "BiPAP", "cpap": "CPAP",
    "nippv": "BiPAP", "niv": "BiPAP", "vent": "ventilator", "ventilator": "ventilator", "mechanical ventilation": "ventilator", "ett": "ventilator",
    "fm": "face mask", "vm": "Venturi mask", "o2": "oxygen", "oxygen": "oxygen",
}  # fmt: skip
_COMA = re.compile(r"e(?<![a-z]e)(?P<e>[1-4])[ ,/]*v(?P<v>[1-5])t?[ ,/]*m(?P<m>[1-6])(?![\d])")
_LOSS = re.compile(
    r"(?:(?P<percent>\d{1,2}(?:\.\d)?)[ ]?%[ ](?:unintentional |involuntary |body )?weight loss"
    r"|(?:weight loss|loss of weight|lost(?: about| approximately| around| over)?|wt loss)[ ](?:of )?(?:about |approximately |~ ?|over |> ?)?(?:(?P<percent2>\d{1,2}(?:\.\d)?)[ ]?%|(?P<amount>\d{1,3}(?:\.\d)?)[ ]?-?(?P<unit>lbs?|pounds|kg|kilograms|kgs)\b(?:[ ]?\((?P<percent3>\d{1,2}(?:\.\d)?)[ ]?%)?)"
    r"|(?P<amount2>\d{1,3}(?:\.\d)?)[ -]?(?P<unit2>lbs?|pounds?|kg|kgs)\b[ ](?:unintentional |involuntary )?weight loss)"
    r"(?:[^.;\n]{0,40}?\b(?:in|over|within|during|x|past|last)[ ](?:the )?(?:past |last )?(?P<time>(?:\d{1,2}|one|two|three|four|six|several|few)?[ ]?(?:days?|weeks?|months?|mos?|years?)))?"
)
_FOOT = re.compile(
    r"\b(?:ht|height)[: ]+(?P<ft>\d)['’′ ]+(?:ft )?[ ]?(?P<in>\d{1,2})(?:\.\d+)?(?:[\"”″]|''| in)?(?:[ ]?\((?P<m>\d\.\d+)[ ]?m\)|[ ]?\((?P<cm>\d{3}(?:\.\d+)?)[ ]?cm\))?"
)


def _quantities() -> dict[str, Quantity]:
    return {quantity.name: quantity for quantity in reversed(load_quantities()) if quantity.category in ("vital", "score")}


def _number(
    place: Place,
    patient: Patient,
    quantity: Quantity,
    m: re.Match[str],
    group: str,
    start: int,
    end: int,
    flag: str = "",
    when: str | None = None,
) -> Iterator[Indicator]:
    value = measure(quantity, float(m[group]), "")
    if value is None or value.value is None:
        return
    written = m.end(group) + (1 if place.lower[m.end(group) : m.end(group) + 1] == "s" else 0)
    yield indicator_of(
        place, patient, quantity, value, Span(start, end), number=(m.start(group), written), tail=Tail(end, flag=flag), when=when
    )


def _pressures(place: Place, patient: Patient, quantities: dict[str, Quantity]) -> Iterator[Indicator]:
    lower = place.lower
    for m in _PRESSURE.finditer(lower):
        if int(m["s"]) <= int(m["d"]) or not 40 <= int(m["s"]) <= 300 or not 15 <= int(m["d"]) <= 180:
            continue
        name = _PRESSURE_NAME.search(lower, max(0, m.start() - 60), m.start())
        if name is None and not _is_pressure(lower, m):
            continue
        start = name.start() if name else m.start()
        said = lower[start : m.start()]
        if is_goal(place, start, "") or "goal" in said or "target" in said:
            continue
        flag = "A" if "(!)" in said else ""
        when = "admission" if _AT_FIRST.search(lower, max(0, start - 20), m.start()) else None
        end = m.end("ds") if m["ds"] else m.end("d")
        yield from _number(place, patient, quantities["systolic_bp"], m, "s", start, end, flag, when)
        yield from _number(place, patient, quantities["diastolic_bp"], m, "d", start, end, flag, when)
        if m["map"]:
            yield from _number(place, patient, quantities["map"], m, "map", m.start("map"), m.end("map"), "", when)


def _is_pressure(lower: str, m: re.Match[str]) -> bool:
    """Whether a fraction without a name stands among vital signs."""
    line = lower[lower.rfind("\n", 0, m.start()) + 1 : m.start()]
    if "mm" not in m[0] and not _LINE_OF_VITALS.search(line[-80:]) and not _VITALS_FOLLOW.match(lower, m.end()):
        return False
    return _OTHER_FRACTION.search(line) is None


def _strings(place: Place, patient: Patient, quantities: dict[str, Quantity]) -> Iterator[Indicator]:
    for m in _STRING.finditer(place.lower):
        for group, name in (("t", "temperature"), ("p", "heart_rate"), ("r", "respiratory_rate"), ("o", "spo2")):
            end = m.end() if group == "o" else m.end(group)
            yield from _number(place, patient, quantities[name], m, group, m.start(group), end)


def _comas(place: Place, patient: Patient, quantities: dict[str, Quantity], found: Sequence[Indicator]) -> Iterator[Indicator]:
    scored = [i.span for i in found if i.name == "gcs"]
    for m in _COMA.finditer(place.lower):
        if any(abs(span.end - m.start()) < 6 or span.overlaps(Span(m.start(), m.end())) for span in scored):
            continue
        total = float(int(m["e"]) + int(m["v"]) + int(m["m"]))
        before = re.search(r"\bgcs\b[^\n.;]{0,12}$", place.lower[max(0, m.start() - 18) : m.start()])
        span = Span(m.start() - len(before[0]) if before else m.start(), m.end())
        yield indicator_of(
            place, patient, quantities["gcs"], Value(total, "1"), span, number=(m.start(), m.end()), tail=Tail(m.end())
        )


def _losses(place: Place) -> Iterator[Indicator]:
    if "loss" not in place.lower and "lost" not in place.lower:
        return
    for m in _LOSS.finditer(place.lower):
        percent = m["percent"] or m["percent2"] or m["percent3"]
        amount, unit = (m["amount"], m["unit"]) if m["amount"] else (m["amount2"], m["unit2"])
        asserted = place.asserted(m.start(), m.end())
        details = (("over", m["time"].strip()),) if m["time"] else ()
        section = place.section(m.start())
        first = m.start()
        if amount:
            kilograms = float(amount) * (1.0 if unit.startswith("k") else 0.453592)
            yield Indicator(
                "weight_loss", "vital", Span(first, m.end()), value=round(kilograms, 1), unit="kg", given=f"{amount} {unit}", asserted=asserted,
                section=section, details=details,
            )  # fmt: skip
        if percent:
            yield Indicator(
                "weight_loss_percent", "vital", Span(first, m.end()), value=float(percent), unit="%", given=f"{percent}%", asserted=asserted,
                section=section, details=details,
            )  # fmt: skip


def _heights(place: Place, patient: Patient, quantity: Quantity) -> Iterator[Indicator]:
    for m in _FOOT.finditer(place.lower):
        centimetres = float(m["cm"]) if m["cm"] else float(m["m"]) * 100 if m["m"] else (int(m["ft"]) * 12 + int(m["in"])) * 2.54
        value = Value(round(centimetres, 1), quantity.unit)
        yield indicator_of(
            place, patient, quantity, value, Span(m.start(), m.end()), number=(m.start("ft"), m.end()), tail=Tail(m.end())
        )


def with_oxygen(place: Place, indicator: Indicator) -> Indicator:
    """Add to an oxygen saturation how the oxygen is given: device, litres a minute and fraction."""
    m = _DEVICE.match(place.lower, indicator.span.end)
    if m is None or not (m["device"] or m["flow"]) or not m["all"].strip():
        return indicator
    words = m["device"] or ""
    device = _DEVICES.get(words) or (
        "non-rebreather"
        if words.startswith("non")
        else "high-flow nasal cannula"
        if words.startswith("h")
        else "Venturi mask"
        if words.startswith("vent")
        else words
    )
    details = list(indicator.details)
    if device:
        details.append(("device", device))
    flow = m["flow"] or m["flow2"]
    if flow:
        details.append(("flow_l_min", flow))
    if m["fio2"]:
        details.append(("fio2_percent", m["fio2"]))
    return replace(
        indicator, details=tuple(details), span=Span(indicator.span.start, max(m.end("all"), m.end("fio2"), m.end("flow2")))
    )


def read_vitals(place: Place, patient: Patient, found: Iterable[Indicator]) -> list[Indicator]:
    """Read what the reader of named numbers leaves, and tell how oxygen was given.

    Parameters
    ----------
    place : Place
    patient : Patient
    found : iterable of Indicator
        What was read so far.

    Returns
    -------
    list of Indicator
        `found` and the new ones.
    """
    quantities = _quantities()
    read = list(found)
    taken = [i.span for i in read]
    more = [
        *_pressures(place, patient, quantities),
        *_strings(place, patient, quantities),
        *_comas(place, patient, quantities, read),
    ]
    for m in _SATURATION.finditer(place.lower):
        span = Span(m.start("value"), place.lower.index("%", m.start("value")) + 1)
        if not any(span.overlaps(other) for other in taken) and not is_goal(place, m.start(), ""):
            value = Value(float(m["value"]), "%")
            more.append(
                indicator_of(place, patient, quantities["spo2"], value, span, number=(span.start, span.end), tail=Tail(span.end))
            )
    read += [
        i
        for i in more
        if not any(i.span.overlaps(other) and i.name == known.name for other, known in zip(taken, read, strict=False))
    ]
    read += [*_losses(place), *_heights(place, patient, quantities["height"])]
    return [with_oxygen(place, i) if i.name == "spo2" else i for i in read]
