"""Dates and ages as messages give them."""

from __future__ import annotations

import datetime as dt
import re

__all__ = ["age_on", "day_of_fhir", "day_of_hl7"]

_FHIR = re.compile(r"\d{4}-\d\d-\d\d(?=T|$)")
_HL7 = re.compile(r"\d{8}(?=\d|[.+-]|$)")


def day_of_fhir(value: object) -> dt.date | None:
    """Return the day of a FHIR date or time as written, in its own time zone; None when it names no single day.

    Examples
    --------
    >>> day_of_fhir("2026-05-04T23:30:00-05:00"), day_of_fhir("2026-05")
    (datetime.date(2026, 5, 4), None)
    """
    found = _FHIR.match(value) if isinstance(value, str) else None
    try:
        return dt.date.fromisoformat(found.group()) if found else None
    except ValueError:
        return None


def day_of_hl7(value: object) -> dt.date | None:
    """Return the day of an HL7 time stamp, such as ``20260504101500-0500``; None when it names no single day.

    Examples
    --------
    >>> day_of_hl7("20260504101500-0500"), day_of_hl7("2026"), day_of_hl7("20261399")
    (datetime.date(2026, 5, 4), None, None)
    """
    found = _HL7.match(value) if isinstance(value, str) else None
    try:
        return dt.datetime.strptime(found.group(), "%Y%m%d").date() if found else None  # noqa: DTZ007 - a day, no time
    except ValueError:
        return None


def age_on(born: dt.date | None, day: dt.date | None) -> float | None:
    """Return the age in completed years; None when either day is unknown or the age is none.

    Examples
    --------
    >>> age_on(dt.date(1952, 5, 5), dt.date(2026, 5, 4))
    73.0
    """
    if born is None or day is None or born > day:
        return None
    years = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
    return float(years) if years <= 130 else None
