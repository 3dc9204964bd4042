"""What a note says that a physician's diagnosis can rest on: one value, sign, treatment or report at one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from codesuggest.records import Span

__all__ = ["CATEGORIES", "INTERPRETATIONS", "Category", "Indicator", "Interpretation"]

Category = Literal["laboratory", "vital", "imaging", "microbiology", "medication", "treatment", "examination", "score"]
CATEGORIES: tuple[str, ...] = (
    "laboratory",
    "vital",
    "imaging",
    "microbiology",
    "medication",
    "treatment",
    "examination",
    "score",
)
Interpretation = Literal["low", "high", "critical_low", "critical_high", "abnormal", "normal", ""]
INTERPRETATIONS: tuple[str, ...] = ("low", "high", "critical_low", "critical_high", "abnormal", "normal", "")


@dataclass(frozen=True, slots=True)
class Indicator:
    """One clinical indicator and the exact words that say it.

    Parameters
    ----------
    name : str
        Key of the table: ``"sodium"``, ``"spo2"``, ``"norepinephrine"``, ``"blood_culture"``, ``"chest_imaging:consolidation"``.
    category : {"laboratory", "vital", "imaging", "microbiology", "medication", "treatment", "examination", "score"}
    span : Span
        The words of the note, from the name (or, in a table and in a trend, from the value) to the end of value, unit and flag.
    value : float, optional
        In the unit of the table; None when it is not a number or its unit is not known.
    unit : str
        Unit of `value`, that of the table.
    given : str
        Value and unit as written: ``"7.2 g/dL"``.
    comparator : {"<", ">", "<=", ">=", ""}
        As written before the value: ``"<0.01"`` has value 0.01 and comparator ``"<"``.
    result : str
        In words when it is not a number: ``"positive"``, ``"negative"``, ``"3+"``, ``"growth"``, ``"no growth"``.
    flag : {"L", "H", "LL", "HH", "A", ""}
        As written in the note ("critical low" is LL).
    interpretation : {"low", "high", "critical_low", "critical_high", "abnormal", "normal", ""}
        By the reference range written beside the value, else by the table's for age and sex; empty when neither is known.
    reference : (float or None, float or None), optional
        The range as written, in the unit of the table.
    when : str, optional
        ISO date or date and time, else as written: ``"06:30"``, ``"hospital day 2"``, ``"admission"``, ``"discharge"``,
        ``"baseline"``, ``"peak"``.
    section : str
        Name of the section it stands in, as handed in.
    asserted : {"present", "absent", "possible", "historical"}
        "no vasopressors" is absent, "possible infiltrate" possible, "history of intubation" historical.
    setting : {"home", "inpatient", "discharge", ""}
        Where a treatment was given, when the note says it.
    details : tuple of (str, str)
        What else is written, in order: route, dose, device, organism, source, site, side, stage, trend …

    Examples
    --------
    >>> culture = Indicator("blood_culture", "microbiology", Span(0, 9), result="growth", details=(("organism", "E. coli"),))
    >>> culture.detail("organism"), culture.detail("susceptibility")
    ('E. coli', '')
    """

    name: str
    category: Category
    span: Span
    value: float | None = None
    unit: str = ""
    given: str = ""
    comparator: str = ""
    result: str = ""
    flag: str = ""
    interpretation: Interpretation = ""
    reference: tuple[float | None, float | None] | None = None
    when: str | None = None
    section: str = ""
    asserted: Literal["present", "absent", "possible", "historical"] = "present"
    setting: Literal["home", "inpatient", "discharge", ""] = ""
    details: tuple[tuple[str, str], ...] = ()

    def detail(self, key: str) -> str:
        """Return a detail by its name, empty when it is not written."""
        return next((value for name, value in self.details if name == key), "")
