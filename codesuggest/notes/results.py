"""Results of tests as lines of text: name, value, unit, reference range and flag, as laboratory reports print them."""

from __future__ import annotations

__all__ = ["result_line"]

# HL7 table 0078 and the FHIR value set observation-interpretation, as far as a report prints them.
_FLAGS = frozenset(("H", "HH", "L", "LL", "A", "AA", "POS", "NEG", "S", "I", "R", "HU", "LU", "<", ">", "U", "D", "B", "W"))


def result_line(name: str, value: str, unit: str = "", reference: str = "", flags: str = "") -> str:
    """Write one result.

    Parameters
    ----------
    name, value, unit, reference : str
        Empty where they are not known.
    flags : str
        Codes of HL7 table 0078; "N" for normal is not printed, nor anything that is no flag.

    Examples
    --------
    >>> result_line("Sodium", "128", "mmol/L", "136-145", "L")
    'Sodium: 128 mmol/L (reference 136-145) L'
    """
    measured = f"{value} {unit}".strip()
    parts = [f"{name}: {measured}" if name and measured else name or measured]
    if reference:
        parts.append(f"(reference {reference})")
    if measured and flags.strip().upper() in _FLAGS:
        parts.append(flags.strip().upper())
    return " ".join(p for p in parts if p)
