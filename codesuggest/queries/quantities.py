"""Quantities that charts give a number to: their names, units, reference ranges and critical limits, from tables.

A value is kept in the unit of the table. A unit that is not known, or a number no living patient has, leaves the words and
no value: nothing is read silently in the wrong unit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from codesuggest.errors import ConfigError
from codesuggest.queries.spelling import key_of, read_table
from codesuggest.queries.values import Category, Interpretation

__all__ = ["Limits", "Quantity", "Unit", "Value", "interpret", "load_quantities", "measure", "unit_of"]

Limits = tuple[float | None, float | None]

_TABLES = resources.files("codesuggest.queries").joinpath("tables")
_DAYS = {"d": 1.0, "w": 7.0, "m": 30.4375, "y": 365.25}
_RANGE_ROW = re.compile(
    r"(?:(?P<sex>[FM])\s+|(?P<from>[\d.]+)(?P<from_unit>[dwmy]?)-(?P<to>[\d.]+)(?P<to_unit>[dwmy])\s+)?"
    r"(?:(?P<none>none|negative)|(?P<sign>[<>]=?)(?P<limit>-?[\d.]+)|(?P<low>-?[\d.]+)-(?P<high>-?[\d.]+))$"
)
_POWER = re.compile(r"^[x×]?10(?:\^|\*\*?|e|\()?([369]|12|0[369])\)?(?=/|$|[a-z])")
_SUPER = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹µμ", "0123456789uu", "^()[] \t\xa0\n.")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit and how it converts within its kind."""

    name: str
    kind: str
    factor: float


@dataclass(frozen=True, slots=True)
class Range:
    """A reference range of one sex or age."""

    limits: Limits
    sex: str = ""
    days: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Quantity:
    """One row of `laboratory.tsv` or `vitals.tsv`.

    Parameters
    ----------
    name, category, loinc, title, unit, source : str
        As in the table.
    names : tuple of str
        With their marks ("=", "!", "~").
    factors : dict of str to (float, float)
        Name of a unit to factor and offset into `unit`.
    bare : tuple of (unit, low, high)
        What a number without a unit means.
    ranges : tuple of Range
    critical : (float or None, float or None)
        At or beyond these values.
    believable : (float, float)
    is_qualitative : bool
        Whether its normal result is the word "negative".
    """

    name: str
    category: Category
    loinc: str
    title: str
    unit: str
    names: tuple[str, ...]
    factors: dict[str, tuple[float, float]]
    bare: tuple[tuple[str, float, float], ...]
    ranges: tuple[Range, ...]
    critical: tuple[str, float, str, float] | None
    believable: tuple[float, float]
    is_qualitative: bool
    source: str


@dataclass(frozen=True, slots=True)
class Value:
    """A number in the unit of its quantity; `value` is None when the unit is not known or the number not believable."""

    value: float | None
    unit: str = ""


def _normal_unit(written: str) -> str:
    unit = (
        written.lower()
        .replace(" per ", "/")
        .translate(_SUPER)
        .replace("×", "x")
        .replace("*", "")
        .replace("mcl", "ul")
        .replace("mcg", "ug")
        .replace("mcmol", "umol")
        .replace("mciu", "uiu")
    )
    unit = unit.removesuffix("feu")
    m = _POWER.match(unit)
    if m:
        unit = f"10{int(m.group(1))}{unit[m.end() :]}"
    return unit


@lru_cache(maxsize=1)
def _units() -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for row in read_table(_TABLES.joinpath("units.tsv").read_text(encoding="utf-8")):
        unit = Unit(row["unit"], row["kind"], float(row["factor"]))
        for spelling in (row["unit"], *filter(None, row["also"].split(";"))):
            units.setdefault(_normal_unit(spelling), unit)
    return units


@lru_cache(maxsize=4096)
def unit_of(written: str) -> Unit | None:
    """Return the unit a spelling means, None when it is not known.

    Examples
    --------
    >>> [unit_of(u).name for u in ("mcg/dL", "K/uL", "x10(3)/mcL", "µmol/l", "mL/min/1.73 m²")]
    ['ug/dL', '10^9/L', '10^9/L', 'umol/L', 'mL/min/1.73m2']
    >>> unit_of("furlongs") is None
    True
    """
    return _units().get(_normal_unit(written))


def _limits(sign: str, limit: float) -> Limits:
    return (None, limit) if sign.startswith("<") else (limit, None)


def _range(row: str) -> Range | None:
    m = _RANGE_ROW.match(row.strip())
    if m is None:
        raise ConfigError(
            "CS459",
            f"The reference range {row!r} of a table of indicators cannot be read. Expected low-high, <limit or >limit, "
            "with F, M or an age such as 1y-2y before it. Correct the table.",
        )
    days = None
    if m["to"]:
        days = (float(m["from"]) * _DAYS[m["from_unit"] or m["to_unit"]], float(m["to"]) * _DAYS[m["to_unit"]])
    if m["none"]:
        return Range((None, None), "", days) if days else None
    limits = _limits(m["sign"], float(m["limit"])) if m["sign"] else (float(m["low"]), float(m["high"]))
    return Range(limits, m["sex"] or "", days)


def _factors(name: str, convert: str) -> dict[str, tuple[float, float]]:
    """Factor and offset of every known unit that can become `name`."""
    units = _units()
    own = units[_normal_unit(name)] if name else None
    factors: dict[str, tuple[float, float]] = {}
    mass, charge = 0.0, 0.0
    given: dict[str, tuple[float, float]] = {}
    for part in convert.split():
        if part.startswith("M="):
            mass = float(part[2:])
        elif part.startswith("z="):
            charge = float(part[2:])
        else:
            unit, factor, *offset = part.rsplit(":", 2) if part.count(":") == 2 else part.rsplit(":", 1)
            known = units[_normal_unit(unit)].name
            given[known] = (float(factor), float(offset[0]) if offset else 0.0)
    if own is None:
        return factors
    moles = {
        "amount concentration": 1.0,
        "charge concentration": 1 / charge if charge else 0.0,
        "mass concentration": 1 / mass if mass else 0.0,
    }
    for known_unit in units.values():
        if known_unit.kind == own.kind and not own.kind.startswith("temperature"):
            factors[known_unit.name] = (known_unit.factor / own.factor, 0.0)
        elif known_unit.kind in moles and own.kind in moles and moles[known_unit.kind] and moles[own.kind]:
            factors[known_unit.name] = (known_unit.factor * moles[known_unit.kind] / (own.factor * moles[own.kind]), 0.0)
    return factors | {own.name: (1.0, 0.0)} | given


def _critical(written: str) -> tuple[str, float, str, float] | None:
    low = re.search(r"<(=?)(-?[\d.]+)", written)
    high = re.search(r">(=?)(-?[\d.]+)", written)
    if not written:
        return None
    return (
        "<" + low[1] if low else "",
        float(low[2]) if low else 0.0,
        ">" + high[1] if high else "",
        float(high[2]) if high else 0.0,
    )


def _quantity(row: dict[str, str]) -> Quantity:
    low, high = re.match(r"(-?[\d.]+)-(-?[\d.]+)$", row["believable"]).groups()  # type: ignore[union-attr]  # a table of ours
    unit = _units()[_normal_unit(row["unit"])].name if row["unit"] else ""
    bare = []
    for part in filter(None, (p.strip() for p in row["bare"].split(";"))):
        if part != "none":
            written, bounds = part.split()
            a, b = re.match(r"(-?[\d.]+)-(-?[\d.]+)$", bounds).groups()  # type: ignore[union-attr]  # a table of ours
            bare.append((_units()[_normal_unit(written)].name, float(a), float(b)))
    if not row["bare"]:
        bare.append((unit, float(low), float(high)))
    ranges = [_range(part) for part in row["range"].split(";") if part.strip()]
    return Quantity(
        name=row["name"],
        category=row.get("category", "laboratory"),  # type: ignore[arg-type]  # a table of ours
        loinc=row["loinc"],
        title=row["title"],
        unit=row["unit"],
        names=tuple(filter(None, row["names"].split(";"))),
        factors=_factors(row["unit"], row["convert"]),
        bare=tuple(bare),
        ranges=tuple(r for r in ranges if r is not None),
        critical=_critical(row["critical"]),
        believable=(float(low), float(high)),
        is_qualitative="negative" in row["range"],
        source=row["source"],
    )


@lru_cache(maxsize=1)
def load_quantities() -> tuple[Quantity, ...]:
    """Read the tables of laboratory quantities and of vital signs.

    Returns
    -------
    tuple of Quantity
        In the order of the tables, laboratory first. Two rows may share a name: one quantity under two conventions.

    Examples
    --------
    >>> [(q.loinc, q.unit) for q in load_quantities() if q.name == "sodium"]
    [('2951-2', 'mmol/L')]
    """
    return tuple(
        _quantity(row)
        for table in ("laboratory.tsv", "vitals.tsv")
        for row in read_table(_TABLES.joinpath(table).read_text(encoding="utf-8"))
    )


def rounded(value: float) -> float:
    """Four significant digits, so that a converted value reads as one.

    Examples
    --------
    >>> rounded(150 / 88.42), rounded((101.2 - 32) / 1.8)
    (1.696, 38.44)
    """
    return float(f"{value:.4g}")


def _converted(number: float, factor: tuple[float, float]) -> float:
    return number if factor == (1.0, 0.0) else rounded(number * factor[0] + factor[1])


def measure(quantity: Quantity, number: float, unit: str, *, is_table: bool = False) -> Value | None:
    """Return a number in the unit of the table.

    Parameters
    ----------
    quantity : Quantity
    number : float
        As written.
    unit : str
        As written, empty when none is.
    is_table : bool
        A cell of a results table is a result, whatever it says; in running text an unlikely number is something else.

    Returns
    -------
    Value or None
        None when the number is not a value of this quantity (a dose, another quantity's unit); a value of None when it is,
        but cannot be read.

    Examples
    --------
    >>> creatinine = next(q for q in load_quantities() if q.name == "creatinine")
    >>> measure(creatinine, 150, "umol/L"), measure(creatinine, 150, ""), measure(creatinine, 1.7, "furlong/L")
    (Value(value=1.697, unit='mg/dL'), Value(value=1.697, unit='mg/dL'), Value(value=None, unit=''))
    >>> measure(creatinine, 20, "mg") is None
    True
    """
    low, high = quantity.believable
    if unit:
        known = unit_of(unit)
        if known is None:
            return Value(None)
        factor = quantity.factors.get(known.name)
        if factor is None:
            is_result = is_table or known.kind.endswith("concentration")
            return Value(None) if is_result and known.kind != "dose" else None
        value = _converted(number, factor)
        return Value(value, quantity.unit) if low <= value <= high else Value(None)
    for bare, least, most in quantity.bare:
        if least <= number <= most:
            factor = quantity.factors.get(bare, (1.0, 0.0))
            return Value(_converted(number, factor), quantity.unit)
    return Value(None) if is_table else None


def reference_of(quantity: Quantity, age_years: float | None, sex: str | None) -> Limits | None:
    """Return the reference range of the table for age and sex; without a sex the widest, so that nothing is flagged too soon."""
    if age_years is not None and age_years < 20:
        days = age_years * 365.25
        for row in quantity.ranges:
            if row.days and row.days[0] <= days < row.days[1]:
                return row.limits
        if age_years < 18 and any(row.days for row in quantity.ranges):
            return None
    adult = [row for row in quantity.ranges if row.days is None]
    own = [row for row in adult if row.sex == sex] or [row for row in adult if not row.sex] or adult
    if not own:
        return None
    lows = [row.limits[0] for row in own]
    highs = [row.limits[1] for row in own]
    low = None if None in lows else min(v for v in lows if v is not None)
    high = None if None in highs else max(v for v in highs if v is not None)
    return low, high


def interpret(
    quantity: Quantity,
    value: float,
    *,
    reference: Limits | None = None,
    flag: str = "",
    age_years: float | None = None,
    sex: str | None = None,
) -> Interpretation:
    """Say on which side of its reference range a value lies.

    The range written in the note decides, then the laboratory's flag, then the table. Critical limits are the table's, for
    adults and for values that are outside the range.

    Examples
    --------
    >>> sodium = next(q for q in load_quantities() if q.name == "sodium")
    >>> interpret(sodium, 128), interpret(sodium, 118), interpret(sodium, 140), interpret(sodium, 134, reference=(133, 146))
    ('low', 'critical_low', 'normal', 'normal')
    """
    written = reference
    side: Interpretation = ""
    if written is None and flag in ("L", "LL", "H", "HH"):
        side = "low" if flag[0] == "L" else "high"
    else:
        limits = written if written is not None else reference_of(quantity, age_years, sex)
        if limits is not None and limits != (None, None):
            side = "low" if limits[0] is not None and value < limits[0] else "normal"
            if limits[1] is not None and value > limits[1]:
                side = "high"
            if limits[1] is not None and limits[0] is None and value == limits[1] and written is None and quantity.is_qualitative:
                side = "normal"
        elif limits is None and flag == "A":
            return "abnormal"
    if quantity.critical is not None and side in ("low", "high") and (age_years is None or age_years >= 18):
        low_sign, low, high_sign, high = quantity.critical
        if side == "low" and low_sign and (value < low or (low_sign == "<=" and value == low)):
            return "critical_low"
        if side == "high" and high_sign and (value > high or (high_sign == ">=" and value == high)):
            return "critical_high"
    if side in ("low", "high") and flag in ("LL", "HH"):
        return "critical_low" if side == "low" else "critical_high"
    return side


def names_of(quantities: Sequence[Quantity]) -> dict[str, list[tuple[str, str, Quantity]]]:
    """Every name of the quantities by its key, with its mark and its spelling."""
    names: dict[str, list[tuple[str, str, Quantity]]] = {}
    for quantity in quantities:
        for written in quantity.names:
            mark, spelling = (written[0], written[1:]) if written[0] in "=!~" else ("", written)
            entries = names.setdefault(key_of(spelling), [])
            if not any(known is quantity and not known_mark for known_mark, _, known in entries):
                entries.append((mark, spelling, quantity))
    return names
