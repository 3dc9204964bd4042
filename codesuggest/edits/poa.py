"""Present on admission: required, exempt, and combinations that are worth a look; inpatient claims only.

References
----------
ICD-10-CM Official Guidelines, Appendix I (Present on Admission Reporting Guidelines); CMS, yearly list of POA exempt codes.
"""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codesuggest.edits.catalogue import Rule
from codesuggest.errors import InputFormatError

if TYPE_CHECKING:
    from codesuggest.edits.engine import View
    from codesuggest.records import Finding

__all__ = ["RULES", "PoaExempt", "check", "derived_exempt", "read_poa_exempt"]

_APPENDIX = "ICD-10-CM Official Guidelines, Appendix I (POA reporting)"
REQUIRED = Rule(
    "POA-01",
    "poa",
    "error",
    "A diagnosis without a POA indicator, though it is not exempt and others on the claim have one.",
    _APPENDIX,
    "Add Y, N, U or W as documented.",
)
EXEMPT = Rule(
    "POA-02",
    "poa",
    "error",
    "A POA indicator on an exempt code.",
    _APPENDIX,
    "Leave the indicator empty (or 1 where the payer asks for it).",
)
INVALID = Rule(
    "POA-03", "poa", "error", "A POA indicator that does not exist.", _APPENDIX, "Use Y, N, U, W, or 1 or nothing when exempt."
)
NOT_EXEMPT = Rule(
    "POA-04",
    "poa",
    "error",
    "The indicator 1 (exempt) on a code that is not exempt.",
    _APPENDIX,
    "Use Y, N, U or W as documented.",
)
PRINCIPAL_N = Rule(
    "POA-05",
    "poa",
    "warning",
    "A principal diagnosis that was not present on admission.",
    f"{_APPENDIX}; section II (definition of principal diagnosis)",
    "Check the indicator or the sequence: the principal diagnosis occasioned the admission. Obstetric stays may differ.",
)
CHRONIC_N = Rule(
    "POA-06",
    "poa",
    "warning",
    "A chronic condition that is said to have arisen after admission.",
    f"{_APPENDIX}: chronic conditions, even when diagnosed after admission, are Y",
    "Use Y.",
)
RULES = (REQUIRED, EXEMPT, INVALID, NOT_EXEMPT, PRINCIPAL_N, CHRONIC_N)


@dataclass(frozen=True)
class PoaExempt:
    """Which codes are exempt from POA reporting.

    Parameters
    ----------
    exempt, unsure, chronic : str
        Code expressions; no finding about exemption rests on a code of `unsure`.
    codes : tuple of str
        The official list, where it was handed in; then `exempt` and `unsure` are not looked at.
    source : str
    first, last : datetime.date or None
    is_official : bool
    """

    exempt: str
    unsure: str
    chronic: str
    codes: tuple[str, ...]
    source: str
    first: dt.date | None = None
    last: dt.date | None = None
    is_official: bool = False

    def holds(self, on: dt.date) -> bool:
        """Whether the list covers a discharge date."""
        return (self.first is None or self.first <= on) and (self.last is None or on <= self.last)


def derived_exempt(path: str | Path | None = None) -> PoaExempt:
    """Read what the guidelines' categories say of exemption.

    Examples
    --------
    >>> derived_exempt().is_official
    False
    """
    path = Path(path) if path is not None else Path(__file__).parent / "tables" / "poa_exempt.toml"
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    return PoaExempt(data["exempt"], data["unsure"], data["chronic"], (), data["source"])


def read_poa_exempt(path: str | Path, *, first: dt.date | None = None, last: dt.date | None = None) -> PoaExempt:
    """Read CMS's list of POA exempt codes: a text or CSV file with a code in each line.

    Raises
    ------
    InputFormatError
        CS415 when no line holds a code.

    Examples
    --------
    >>> read_poa_exempt("poa_exempt_2026.txt").codes[0]  # doctest: +SKIP
    'B900'
    """
    path = Path(path)
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    codes = sorted(set(re.findall(r"(?m)^\s*(?:\d+[\t,; ]+)?\"?([A-Z]\d[0-9A-Z]\.?[0-9A-Z]{0,4})\"?(?=[\s,;]|$)", text)))
    if not codes:
        msg = f"{path.name!r} holds no ICD-10-CM code at the head of a line. Expected CMS's list of exempt codes. Check the file."
        raise InputFormatError("CS415", msg)
    return PoaExempt("", "", derived_exempt().chronic, tuple(codes), f"CMS POA exempt list {path.stem}", first, last, True)


def check(view: View, add: Callable[[Finding], None]) -> None:
    """Run the family on a claim."""
    if not view.is_inpatient or all(d.poa is None for d, _ in view.diagnoses):
        return
    exempt, unsure, chronic, official, source = view.tables.poa_on(view.on)
    name = view.index.release.name

    def told(rule: Rule, code: str, message: str) -> None:
        add(
            rule.finding(
                (code,), message, release=name, severity="" if official else "warning", citation=f"{rule.citation}; {source}"
            )
        )

    for place, (diagnosis, facts) in enumerate(view.diagnoses):
        poa, mask = diagnosis.poa, facts.mask
        value = "" if poa is None else poa.strip().upper()
        if value not in ("Y", "N", "U", "W", "1", ""):
            add(INVALID.finding((facts.text,), f"{facts.text} has the POA indicator {value[:4]!r}.", release=name))
            continue
        if facts.i < 0:
            continue
        is_exempt, is_unsure = bool(mask & exempt), bool(mask & unsure)
        if value == "" and not is_exempt and not is_unsure:
            told(REQUIRED, facts.text, f"{facts.text} has no POA indicator and is not exempt.")
        elif value == "1" and not is_exempt and not is_unsure:
            told(NOT_EXEMPT, facts.text, f"{facts.text} has the POA indicator 1 (exempt) and is not exempt.")
        elif value in ("Y", "N", "U", "W") and is_exempt and not is_unsure:
            told(EXEMPT, facts.text, f"{facts.text} is exempt from POA reporting and has the indicator {value}.")
        if value == "N":
            if place == 0 and not facts.key.startswith(("O", "P", "Z")):
                message = f"{facts.text} is the principal diagnosis and is said not to have been present on admission."
                add(PRINCIPAL_N.finding((facts.text,), message, release=name))
            elif mask & chronic:
                message = f"{facts.text} ({facts.title}) is a chronic condition and is said to have arisen after admission."
                add(CHRONIC_N.finding((facts.text,), message, release=name))
