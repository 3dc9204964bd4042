"""What every rule says of itself: id, severity, family, citation, the dates it holds, and what resolves it.

The engine, ``codesuggest edits --list`` and the page of the documentation all read the same values.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from codesuggest.records import Evidence, Finding

__all__ = ["FAMILIES", "SEVERITIES", "Rule"]

SEVERITIES = ("error", "warning", "advice")
"""Certainly wrong as it stands; wrong unless the record says otherwise; worth a look."""
FAMILIES = ("tabular", "guidelines", "mce", "poa", "drg", "ncci", "modifiers", "policies", "missed", "release")


@dataclass(frozen=True, slots=True)
class Rule:
    """One edit.

    Parameters
    ----------
    id : str
        Stable; never reused.
    family : str
        One of `FAMILIES`.
    severity : str
        One of `SEVERITIES`.
    description : str
        What it finds, in the coder's language.
    citation : str
        Where the rule is written.
    resolution : str
        What would settle a finding.
    first, last : datetime.date or None
        First and last date of service on which it holds; None is open.
    is_information : bool
        Reported only when information is asked for.

    Examples
    --------
    >>> rule = Rule("T1", "tabular", "error", "…", "…", "…", last=dt.date(2024, 9, 30))
    >>> rule.holds(dt.date(2024, 9, 30)), rule.holds(dt.date(2024, 10, 1))
    (True, False)
    """

    id: str
    family: str
    severity: str
    description: str
    citation: str
    resolution: str
    first: dt.date | None = None
    last: dt.date | None = None
    is_information: bool = False

    def holds(self, on: dt.date) -> bool:
        """Whether the rule is in force on a date of service."""
        return (self.first is None or self.first <= on) and (self.last is None or on <= self.last)

    def finding(
        self,
        codes: tuple[str, ...],
        message: str,
        *,
        release: str = "",
        severity: str = "",
        citation: str = "",
        resolution: str = "",
        evidence: tuple[Evidence, ...] = (),
    ) -> Finding:
        """Make a finding of this rule; what is not given comes from the rule."""
        return Finding(
            self.id,
            severity or self.severity,
            codes,
            message,
            citation or self.citation,
            release,
            evidence,
            resolution or self.resolution,
        )
