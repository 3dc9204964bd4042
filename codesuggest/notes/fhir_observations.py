"""Observations of FHIR as the lines of a report."""

from __future__ import annotations

from codesuggest.notes.fhir_facts import Json, as_list, as_map, codes_of, name_of
from codesuggest.notes.results import result_line

__all__ = ["WITHDRAWN", "is_narrative", "observation_lines"]

WITHDRAWN = frozenset({"entered-in-error", "superseded", "cancelled"})
"""Status of resources whose content must not be used."""
_LONG = 40  # characters of a string value that may be a narrative


def observation_lines(resource: Json) -> list[str]:
    """Write an observation as the lines of a report; none for one that was withdrawn or has no value."""
    if str(resource.get("status")) in WITHDRAWN:
        return []
    lines = []
    name = name_of(resource.get("code"))
    value, unit = _value(resource)
    flags = next(iter(codes_of(resource.get("interpretation"))), "")
    line = result_line(name, value, unit, _reference_range(resource), flags) if value else ""
    if line:
        lines.append(line)
    for component in map(as_map, as_list(resource.get("component"))):
        value, unit = _value(component)
        if value:
            flags = next(iter(codes_of(component.get("interpretation"))), "")
            lines.append(result_line(name_of(component.get("code")), value, unit, _reference_range(component), flags))
    for note in map(as_map, as_list(resource.get("note"))):
        text = note.get("text")
        if isinstance(text, str) and text.strip():
            lines.append(f"Comment: {text.strip()}")
    return lines


def _quantity(given: object) -> tuple[str, str]:
    """Return the number of a Quantity, with its comparator, and its unit."""
    quantity = as_map(given)
    number = quantity.get("value")
    if not isinstance(number, int | float) or isinstance(number, bool):
        return "", ""
    comparator = quantity.get("comparator")
    unit = quantity.get("unit") or quantity.get("code")
    unit = unit if isinstance(unit, str) and unit != "1" else ""
    return f"{comparator if isinstance(comparator, str) else ''}{number:.10g}", unit


def _value(resource: Json) -> tuple[str, str]:
    """Return the value of an observation and its unit, as text."""
    measured = _quantity(resource.get("valueQuantity"))
    if measured[0]:
        return measured
    for name in ("valueString", "valueDateTime", "valueTime"):
        given = resource.get(name)
        if isinstance(given, str) and given.strip():
            return given.strip(), ""
    for name in ("valueInteger", "valueBoolean"):
        given = resource.get(name)
        if isinstance(given, bool):
            return ("yes" if given else "no"), ""
        if isinstance(given, int):
            return str(given), ""
    concept = name_of(resource.get("valueCodeableConcept"))
    if concept:
        return concept, ""
    for name, keys in (("valueRange", ("low", "high")), ("valueRatio", ("numerator", "denominator"))):
        ends = [_quantity(as_map(resource.get(name)).get(k)) for k in keys]
        if all(v for v, _ in ends):
            return ("-" if name == "valueRange" else ":").join(v for v, _ in ends), ends[1][1]
    return "", ""


def _reference_range(resource: Json) -> str:
    for given in map(as_map, as_list(resource.get("referenceRange"))):
        text = given.get("text")
        if isinstance(text, str) and text.strip():
            return " ".join(text.split())
        low, high = (_quantity(given.get(k))[0] for k in ("low", "high"))
        if low and high:
            return f"{low}-{high}"
        if low or high:
            return f">={low}" if low else f"<={high}"
    return ""


def is_narrative(resource: Json) -> bool:
    """Whether an observation is a text on its own: a report in a string, not a value."""
    if str(resource.get("status")) in WITHDRAWN:
        return False
    given = resource.get("valueString")
    notes = [as_map(n).get("text") for n in as_list(resource.get("note"))]
    return any(isinstance(t, str) and len(t) >= _LONG and len(t.split()) >= 6 for t in (given, *notes))
