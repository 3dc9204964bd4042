"""What takes more than one value to see: a rise, a fall, a ratio. Each gives the values it rests on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from codesuggest.queries.case import Case
from codesuggest.queries.values import Indicator

__all__ = ["DERIVED", "RESTS_ON"]

_MOST = 300  # values of one quantity that are compared with each other
_Values = list[tuple[int, Indicator]]


def _series(case: Case, *names: str) -> _Values:
    """Return the values of a quantity in the order of the notes and of the text."""
    found = [
        (n, i)
        for name in names
        for n, i in case.indicators.get(name, ())
        if i.value is not None and i.asserted in ("present", "historical") and not i.comparator and i.section != "family_history"
    ]
    return sorted(found, key=lambda f: (f[0], f[1].span))[:_MOST]


def _value(pair: tuple[int, Indicator]) -> float:
    return pair[1].value or 0.0


def _hours_apart(a: Indicator, b: Indicator) -> float | None:
    """Return the hours between two values with an ISO date, None when one has none."""
    try:
        first, second = (dt.datetime.fromisoformat((i.when or "")[:16]) for i in (a, b))
    except ValueError:
        return None
    return abs((first - second).total_seconds()) / 3600


def creatinine_rise(case: Case) -> _Values:
    """Find acute kidney injury by KDIGO 2012, 2.1.1: to 1.5 times the baseline, or by 0.3 mg/dL within 48 hours.

    The baseline is the stated one, else the lowest value of the record; a value that only falls (2.3 on arrival, 1.2 at
    discharge) shows that it had risen. A rise of 0.3 counts when both values are dated, or the baseline is stated. Below
    1.0 mg/dL a ratio says little and does not count.
    """
    values = _series(case, "creatinine")
    if len(values) < 2:
        return []
    stated = [v for v in values if v[1].when == "baseline"]
    others = [v for v in values if v[1].when != "baseline" and v[1].asserted == "present"]
    if not others:
        return []
    lowest = min(stated or values, key=_value)
    peak = max(others, key=_value)
    rise = _value(peak) - _value(lowest)
    if _value(peak) >= 1.2 and _value(peak) >= 1.5 * _value(lowest) and rise >= 0.3:
        return [lowest, peak]
    if rise >= 0.3 and _value(peak) >= 1.2 and not stated:
        for i, a in enumerate(others):
            for b in others[i + 1 :]:
                hours = _hours_apart(a[1], b[1])
                if hours is not None and hours <= 48 and abs(_value(a) - _value(b)) >= 0.3:
                    return sorted([a, b], key=_value)
    return []


def creatinine_doubled(case: Case) -> _Values:
    """Find a rise to twice the baseline or more: stage 2 of KDIGO, which counts whether or not the note says what was done."""
    found = creatinine_rise(case)
    return found if found and _value(found[1]) >= 2 * _value(found[0]) else []


def creatinine_steady(case: Case) -> _Values:
    """Find at least two creatinine values that do not meet KDIGO, or one that is not raised."""
    values = _series(case, "creatinine")
    if not values or creatinine_rise(case):
        return []
    low, high = min(values, key=_value), max(values, key=_value)
    steady = len(values) >= 2 and _value(high) - _value(low) < 0.3
    return [low, high] if steady or _value(high) <= 1.2 else []


def hemoglobin_drop(case: Case) -> _Values:
    """Find a fall of haemoglobin by 2 g/dL or more to below 10 (below the WHO limit of anaemia in any case)."""
    values = _series(case, "hemoglobin")
    if len(values) < 2:
        return []
    for i, later in enumerate(values):
        if later[1].when == "baseline" or _value(later) >= 10:
            continue
        before = [v for k, v in enumerate(values) if (k < i or v[1].when == "baseline") and _value(v) - _value(later) >= 2]
        if before:
            high = max(before, key=_value)
            low = min(values[i:], key=_value)
            return [high, low]
    return []


def hemoglobin_steady(case: Case) -> _Values:
    """Find haemoglobin at least twice, never lower than 11 g/dL nor 1.5 g/dL below its first value."""
    values = _series(case, "hemoglobin")
    if len(values) < 2 or min(map(_value, values)) < 11 or max(map(_value, values)) - min(map(_value, values)) >= 1.5:
        return []
    return [values[0], values[-1]]


_TROPONINS = ("troponin_i", "hs_troponin_i", "troponin_t", "hs_troponin_t", "hs_troponin")


def troponin_high(case: Case) -> _Values:
    """Find a troponin above its limit."""
    return [v for v in _series(case, *_TROPONINS) if v[1].interpretation in ("high", "critical_high")]


def troponin_change(case: Case) -> _Values:
    """Find a troponin above its limit that rises or falls by a fifth or more (Fourth Universal Definition, 2018)."""
    values = _series(case, *_TROPONINS)
    high = [v for v in values if v[1].interpretation in ("high", "critical_high")]
    for v in high:
        for w in values:
            if w[1].name == v[1].name and w[1].span != v[1].span and abs(_value(v) - _value(w)) >= 0.2 * min(_value(v), _value(w)):
                return sorted([v, w], key=lambda p: (p[0], p[1].span))
    return []


def troponin_flat(case: Case) -> _Values:
    """Find two troponins or more above the limit that stay the same."""
    high = troponin_high(case)
    return high[:2] if len(high) >= 2 and not troponin_change(case) else []


def troponin_normal(case: Case) -> _Values:
    """Find that every troponin of the record is within its limit."""
    values = [(n, i) for name in _TROPONINS for n, i in case.indicators.get(name, ()) if i.asserted == "present"]
    return values if values and all(i.interpretation == "normal" or i.result == "negative" for _, i in values) else []


def sodium_steady(case: Case) -> _Values:
    """Find that every sodium of the record lies from 135 to 145."""
    values = _series(case, "sodium")
    return values[:2] if values and all(135 <= _value(v) <= 145 for v in values) else []


_TOGETHER = 900  # characters within which signs count as of one time, where none is dated


def _together(criteria: list[_Values], n: int) -> _Values:
    """Return the values of at least `n` criteria that stand near each other in one note."""
    placed = sorted(((note, i.span.start, k, i) for k, found in enumerate(criteria) for note, i in found), key=lambda p: p[:3])
    for a, (note, start, _, _) in enumerate(placed):
        near: dict[int, tuple[int, Indicator]] = {}
        for other, at, k, i in placed[a:]:
            if other != note or at - start > _TOGETHER:
                break
            near.setdefault(k, (other, i))
        if len(near) >= n:
            return [near[k] for k in sorted(near)]
    return []


def _beyond(case: Case, name: str, low: float | None, high: float | None) -> _Values:
    return [
        (n, i)
        for n, i in case.indicators.get(name, ())
        if i.value is not None
        and i.asserted == "present"
        and i.when not in ("baseline", "discharge")
        and i.section not in ("instructions", "medications")
        and ((low is not None and i.value < low and i.comparator[:1] != ">") or (high is not None and i.value > high and i.comparator[:1] != "<"))
    ]


def _inflamed(case: Case, temperature: float, rate: float, breaths: float, cells: float, bands: float) -> list[_Values]:
    return [
        _beyond(case, "temperature", 36.0, temperature),
        [*_beyond(case, "wbc", 4.0, cells), *_beyond(case, "bands", None, bands)],
        _beyond(case, "heart_rate", None, rate),
        _beyond(case, "respiratory_rate", None, breaths),
    ]


def systemic_response(case: Case) -> _Values:
    """Find two signs of a systemic inflammatory response at one time, temperature or white cells among them (Bone 1992)."""
    criteria = _inflamed(case, 38.0, 90, 20, 12, 10)
    return _together(criteria, 2) if criteria[0] or criteria[1] else []


def marked_systemic_response(case: Case) -> _Values:
    """Find three signs at one time that are well beyond the limits."""
    return _together(_inflamed(case, 38.3, 100, 22, 15, 10), 3)


def counts_low_together(case: Case) -> _Values:
    """Find white cells below 3.5, haemoglobin below 10 and platelets below 100 at one time."""
    criteria = [_beyond(case, "wbc", 3.5, None), _beyond(case, "hemoglobin", 10, None), _beyond(case, "platelets", 100, None)]
    return _together(criteria, 3)


def airway_organism(case: Case) -> _Values:
    """Find a culture of the airways with an organism that is not flora."""
    return [
        (n, i)
        for n, i in case.indicators.get("respiratory_culture", ())
        if i.asserted == "present" and i.detail("organism") and not any(w in i.detail("organism").lower() for w in ("flora", "yeast", "candida"))
    ]


def high_oxygen_need(case: Case) -> _Values:
    """Find 5 litres of oxygen a minute or more, or half of the inspired gas."""
    found = []
    for name in ("spo2", "nasal_cannula", "supplemental_oxygen"):
        for n, i in case.indicators.get(name, ()):
            flow = i.detail("flow_l_min") or i.detail("dose").partition(" L")[0]
            share = i.detail("fio2")
            if i.asserted == "present" and i.setting != "home" and (_number(flow) >= 5 or _number(share) >= 50):
                found.append((n, i))
    return [*found, *_beyond(case, "fio2", None, 49)]


def _number(written: str) -> float:
    try:
        return float(written.rstrip("%"))
    except ValueError:
        return 0.0


DERIVED: dict[str, Callable[[Case], _Values]] = {
    f.__name__: f
    for f in (
        creatinine_rise,
        creatinine_doubled,
        creatinine_steady,
        hemoglobin_drop,
        hemoglobin_steady,
        troponin_high,
        troponin_change,
        troponin_flat,
        troponin_normal,
        sodium_steady,
        systemic_response,
        marked_systemic_response,
        counts_low_together,
        airway_organism,
        high_oxygen_need,
    )
}

_SIGNS = ("temperature", "wbc", "bands", "heart_rate", "respiratory_rate")
RESTS_ON: dict[str, tuple[str, ...]] = {
    **{name: _TROPONINS if name.startswith("troponin") else (name.partition("_")[0],) for name in DERIVED},
    "systemic_response": _SIGNS,
    "marked_systemic_response": _SIGNS,
    "airway_organism": ("respiratory_culture",),
    "high_oxygen_need": ("spo2", "nasal_cannula", "supplemental_oxygen", "fio2"),
    "counts_low_together": ("wbc", "hemoglobin", "platelets"),
}
"""The indicators that each of them looks at."""
