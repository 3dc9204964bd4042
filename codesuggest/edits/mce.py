"""Edits of the Medicare Code Editor, for inpatient claims: its code lists by version, and the checks around them.

Decision: a list is data with a version and dates. Where the version in force was not handed in, a list worked out from the
Tabular List takes its place, its findings are warnings instead of errors, and their citation says so.

References
----------
CMS, "Definitions of Medicare Code Edits" (ICD-10 MCE), by version: chapter 1, edits 1 to 20.
"""

from __future__ import annotations

import csv
import datetime as dt
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codesuggest.codes.code import ICD10PCS, without_dot
from codesuggest.edits.catalogue import Rule
from codesuggest.errors import ConfigError, InputFormatError

if TYPE_CHECKING:
    from codesuggest.edits.engine import View
    from codesuggest.edits.index import CodeFacts
    from codesuggest.records import Finding

__all__ = ["DISCHARGE_STATUS", "LISTS", "RULES", "ListBits", "MceLists", "check", "derived_lists", "lists_on", "read_mce_lists"]

_MCE = "CMS, Definitions of Medicare Code Edits"
EXTERNAL = Rule(
    "MCE-02",
    "mce",
    "error",
    "External cause of morbidity as principal diagnosis.",
    f"{_MCE}, edit 2",
    "Choose the injury or condition as principal diagnosis.",
)
DUPLICATE = Rule(
    "MCE-03",
    "mce",
    "error",
    "A secondary diagnosis that repeats the principal diagnosis.",
    f"{_MCE}, edit 3",
    "Leave the repeated code out.",
)
AGE = Rule(
    "MCE-04",
    "mce",
    "error",
    "A diagnosis that does not go with the patient's age: newborn 0; pediatric 0-17; maternity 9-64; adult 15-124.",
    f"{_MCE}, edit 4",
    "Check the age and the code.",
)
SEX = Rule(
    "MCE-05",
    "mce",
    "error",
    "A diagnosis that does not go with the patient's sex.",
    f"{_MCE}, edit 5 (deactivated for discharges from 1 October 2024)",
    "Check the sex and the code.",
    last=dt.date(2024, 9, 30),
)
MANIFESTATION = Rule(
    "MCE-06",
    "mce",
    "error",
    "A manifestation code as principal diagnosis.",
    f"{_MCE}, edit 6",
    "Sequence the underlying condition first.",
)
QUESTIONABLE = Rule(
    "MCE-08",
    "mce",
    "warning",
    "A principal diagnosis that is usually no reason for an acute inpatient stay.",
    f"{_MCE}, edit 8",
    "Check that the record supports the admission.",
)
UNACCEPTABLE = Rule(
    "MCE-09",
    "mce",
    "error",
    "A code that is not acceptable as principal diagnosis.",
    f"{_MCE}, edit 9",
    "Choose the condition that was the reason for the admission.",
)
REQUIRES_SECONDARY = Rule(
    "MCE-10",
    "mce",
    "error",
    "A principal diagnosis that is acceptable only with a secondary diagnosis.",
    f"{_MCE}, edit 9 (requires secondary diagnosis)",
    "Add the secondary diagnosis.",
)
INVALID_PROCEDURE = Rule(
    "MCE-01",
    "mce",
    "error",
    "An ICD-10-PCS code the release in force does not hold.",
    f"{_MCE}, edit 1 (invalid procedure code)",
    "Check the code and the discharge date.",
)
INVALID_AGE = Rule(
    "MCE-14",
    "mce",
    "error",
    "An age outside 0 to 124 years.",
    f"{_MCE}, edit 14",
    "Correct the birth date or the date of admission.",
)
INVALID_SEX = Rule(
    "MCE-15", "mce", "error", "A sex other than those the claim form knows.", f"{_MCE}, edit 15", "Correct the sex."
)
INVALID_STATUS = Rule(
    "MCE-16",
    "mce",
    "error",
    "A discharge status that an inpatient claim does not know.",
    f"{_MCE}, edit 16; UB-04 form locator 17",
    "Correct the patient discharge status.",
)
WRONG_PROCEDURE = Rule(
    "MCE-18",
    "mce",
    "error",
    "A code that says a wrong procedure was performed, or on the wrong patient or body part.",
    f"{_MCE}, edit 18",
    "Bill it as the payer's rule on wrong procedures asks.",
)
STAY_TOO_SHORT = Rule(
    "MCE-19",
    "mce",
    "error",
    "Ventilation of more than 96 consecutive hours in a stay of under 4 days.",
    f"{_MCE}, edit 19 (procedure inconsistent with length of stay)",
    "Check the hours of ventilation and the dates.",
)
UNSPECIFIED_SIDE = Rule(
    "MCE-20",
    "mce",
    "warning",
    "A CC or MCC of an unspecified side.",
    f"{_MCE}, edit 20 (unspecified code), discharges from 1 April 2022",
    "Use the code of the side; where the record cannot say, add the billing note the payer asks for.",
    first=dt.date(2022, 4, 1),
)
RULES = (
    INVALID_PROCEDURE,
    EXTERNAL,
    DUPLICATE,
    AGE,
    SEX,
    MANIFESTATION,
    QUESTIONABLE,
    UNACCEPTABLE,
    REQUIRES_SECONDARY,
    INVALID_AGE,
    INVALID_SEX,
    INVALID_STATUS,
    WRONG_PROCEDURE,
    STAY_TOO_SHORT,
    UNSPECIFIED_SIDE,
)
LISTS = (
    "newborn",
    "pediatric",
    "maternity",
    "adult",
    "female",
    "male",
    "manifestation",
    "external_cause",
    "unacceptable",
    "requires_secondary",
    "questionable",
    "unspecified",
)
"""Names of the lists this family reads."""
_STATUS = "01 02 03 04 05 06 07 20 21 30 40 41 42 43 50 51 61 62 63 64 65 66 69 70"
DISCHARGE_STATUS = frozenset((*_STATUS.split(), *(str(n) for n in range(81, 96))))
"""Patient discharge status codes of an inpatient claim."""
_AGES = {"newborn": (0, 0), "pediatric": (0, 17), "maternity": (9, 64), "adult": (15, 124)}
_WORDS = {
    "newborn": "newborn",
    "perinatal": "newborn",
    "pediatric": "pediatric",
    "maternity": "maternity",
    "adult": "adult",
    "female": "female",
    "male": "male",
    "manifestation": "manifestation",
    "external": "external_cause",
    "unacceptable": "unacceptable",
    "requires secondary": "requires_secondary",
    "questionable": "questionable",
    "unspecified": "unspecified",
}
_VENTILATION = "5A1955Z"


@dataclass(frozen=True)
class MceLists:
    """The diagnosis lists of one version of the Medicare Code Editor.

    Parameters
    ----------
    version : str
    first, last : datetime.date or None
        Discharge dates it covers.
    codes : mapping of str to tuple of str
        List to codes, dotted; a list that is not here is not known.
    expressions : mapping of str to str
        List to code expression, for lists worked out.
    source : str
    is_official : bool

    Examples
    --------
    >>> derived_lists().is_official
    False
    """

    version: str
    first: dt.date | None
    last: dt.date | None
    codes: Mapping[str, tuple[str, ...]]
    expressions: Mapping[str, str]
    source: str
    is_official: bool

    def holds(self, on: dt.date) -> bool:
        """Whether the version covers a discharge date."""
        return (self.first is None or self.first <= on) and (self.last is None or on <= self.last)

    def name(self, list_name: str) -> str:
        """Name under which the index knows a list of this version."""
        return f"mce {self.version} {list_name}"


def read_mce_lists(path: str | Path, *, version: str, first: dt.date | None = None, last: dt.date | None = None) -> MceLists:
    """Read lists of the Medicare Code Editor from a CSV file.

    Parameters
    ----------
    path : str or Path
        Columns ``icd_code`` and ``icd_conflict_rule`` (such as "Maternity (Ages 9-64)"); others are passed over.
    version : str
        Such as ``"41.1"``; it stands in the citation of a finding.
    first, last : datetime.date, optional
        Discharge dates the version covers.

    Raises
    ------
    InputFormatError
        CS414 when a column is missing, or no row names a list this library knows.

    Examples
    --------
    >>> read_mce_lists("mce.csv", version="41.1").codes["newborn"]  # doctest: +SKIP
    ('A33', ...)
    """
    path = Path(path)
    found: dict[str, list[str]] = {}
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        head = set(reader.fieldnames or ())
        if not {"icd_code", "icd_conflict_rule"} <= head:
            msg = f"{path.name!r} has the columns {', '.join(sorted(head))[:80]}. Expected icd_code and icd_conflict_rule. "
            raise InputFormatError("CS414", msg + "Give the lists of the Medicare Code Editor.")
        for row in reader:
            rule = (row["icd_conflict_rule"] or "").casefold()
            name = next((known for word, known in _WORDS.items() if rule.startswith(word)), None)
            if name is not None and row["icd_code"]:
                found.setdefault(name, []).append(row["icd_code"].strip())
    if not found:
        msg = (
            f"{path.name!r} names no list of the Medicare Code Editor. Expected such as 'Maternity (Ages 9-64)'. Check the file."
        )
        raise InputFormatError("CS414", msg)
    codes = {name: tuple(sorted(set(members))) for name, members in found.items()}
    return MceLists(version, first, last, codes, {}, f"{_MCE} v{version}", True)


def derived_lists(path: str | Path | None = None) -> MceLists:
    """Read the lists worked out from the Tabular List, for versions whose own lists are not at hand.

    Examples
    --------
    >>> "newborn" in derived_lists().expressions
    True
    """
    path = Path(path) if path is not None else Path(__file__).parent / "tables" / "mce_derived.toml"
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    unknown = sorted(set(data["lists"]) - set(LISTS))
    if unknown:
        raise ConfigError("CS414", f"{path.name!r} has a list {unknown[0]!r}. Expected {', '.join(LISTS)}. Correct the name.")
    return MceLists("derived", None, None, {}, data["lists"], data["source"], False)


class ListBits:
    """Bits of the lists in force on a date: the official ones first, the worked-out ones where a list is missing."""

    __slots__ = ("bits", "sources", "union")

    def __init__(self, versions: tuple[MceLists, ...], bit: Mapping[str, int], on: dt.date) -> None:
        self.bits: dict[str, int] = {}
        self.sources: dict[str, MceLists] = {}
        for name in LISTS:
            for lists in versions:
                if lists.holds(on) and (name in lists.codes or name in lists.expressions):
                    self.bits[name], self.sources[name] = bit[lists.name(name)], lists
                    break
            else:
                self.bits[name] = 0
        self.union = 0
        for bits in self.bits.values():
            self.union |= bits


def lists_on(versions: tuple[MceLists, ...], bit: Mapping[str, int], on: dt.date) -> ListBits:
    """Choose the lists in force on a discharge date."""
    return ListBits(versions, bit, on)


def check(view: View, add: Callable[[Finding], None]) -> None:
    """Run the family on a claim."""
    if not view.is_inpatient:
        return
    lists = view.tables.mce_on(view.on)
    _claim(view, add)
    principal = view.principal
    union = view.union & lists.union

    def told(rule: Rule, name: str, facts: CodeFacts, message: str) -> None:
        source = lists.sources[name]
        add(
            rule.finding(
                (facts.text,),
                message,
                release=view.index.release.name,
                severity="" if source.is_official else "warning",
                citation=f"{rule.citation}; {'list of v' + source.version if source.is_official else source.source}",
            )
        )

    if principal is not None:
        mask = principal.mask
        if mask & lists.bits["external_cause"]:
            told(
                EXTERNAL,
                "external_cause",
                principal,
                f"{principal.text} is an external cause and cannot be the principal diagnosis.",
            )
        if mask & lists.bits["manifestation"]:
            told(
                MANIFESTATION,
                "manifestation",
                principal,
                f"{principal.text} is a manifestation and cannot be the principal diagnosis.",
            )
        if mask & lists.bits["unacceptable"]:
            told(UNACCEPTABLE, "unacceptable", principal, f"{principal.text} is not acceptable as principal diagnosis.")
        if mask & lists.bits["questionable"]:
            told(QUESTIONABLE, "questionable", principal, f"{principal.text} is usually no reason for an acute inpatient stay.")
        if mask & lists.bits["requires_secondary"] and len(view.diagnoses) == 1:
            told(
                REQUIRES_SECONDARY,
                "requires_secondary",
                principal,
                f"{principal.text} is acceptable only with a secondary diagnosis.",
            )
    if view.diagnoses:
        first = view.diagnoses[0][1].text
        if any(facts.text == first for _, facts in view.diagnoses[1:]):
            add(
                DUPLICATE.finding(
                    (first,), f"{first} is the principal and a secondary diagnosis.", release=view.index.release.name
                )
            )
    if not union:
        return
    age, sex = view.claim.age_years, view.claim.sex
    if age is not None and 0 <= age < 125:
        years = int(age)
        for name, (low, high) in _AGES.items():
            if not low <= years <= high and union & lists.bits[name]:
                span = f"{low}" if low == high else f"{low}-{high}"
                for facts in view.known:
                    if facts.mask & lists.bits[name]:
                        told(AGE, name, facts, f"{facts.text} is a {name} diagnosis (age {span}); the patient is {years}.")
    if sex in ("F", "M") and SEX.holds(view.on):
        name, other = ("male", "female") if sex == "F" else ("female", "male")
        if union & lists.bits[name]:
            for facts in view.known:
                if facts.mask & lists.bits[name] and not facts.mask & lists.bits[other]:
                    told(SEX, name, facts, f"{facts.text} is a {name}-only diagnosis; the patient's sex is {sex}.")
    if UNSPECIFIED_SIDE.holds(view.on) and union & lists.bits["unspecified"]:
        for facts in view.known:
            if facts.mask & lists.bits["unspecified"]:
                told(UNSPECIFIED_SIDE, "unspecified", facts, f"{facts.text} does not name the side.")


def _claim(view: View, add: Callable[[Finding], None]) -> None:
    """Look at what is not a diagnosis: age, sex, status, wrong procedures, length of stay, procedure codes."""
    claim = view.claim
    if claim.age_years is not None and not 0 <= claim.age_years < 125:
        add(INVALID_AGE.finding((), f"The age is {claim.age_years:g} years; expected 0 to 124."))
    if claim.sex is not None and claim.sex not in ("F", "M", "X", "U"):
        add(INVALID_SEX.finding((), f"The sex is {claim.sex[:8]!r}; expected F or M."))
    if claim.discharge_status and claim.discharge_status not in DISCHARGE_STATUS:
        add(INVALID_STATUS.finding((), f"The discharge status {claim.discharge_status[:4]!r} is not one of an inpatient claim."))
    if view.union & view.bits["wrong_procedure"]:
        for facts in view.known:
            if facts.mask & view.bits["wrong_procedure"]:
                add(WRONG_PROCEDURE.finding((facts.text,), f"{facts.text} ({facts.title}) marks a wrong procedure."))
    for procedure in view.procedures:
        code = without_dot(procedure.code, ICD10PCS)
        if code == _VENTILATION and claim.admission_date is not None and claim.discharge_date is not None:
            days = (claim.discharge_date - claim.admission_date).days
            if days < 4:
                message = f"{code}: more than 96 consecutive hours of ventilation, in a stay of {days} days."
                add(STAY_TOO_SHORT.finding((code,), message))
        pcs = view.tables.pcs
        if pcs is not None and len(code) == 7 and (code not in pcs or not pcs.is_billable(code)):
            add(INVALID_PROCEDURE.finding((code,), f"{code} is not a code of {pcs.name}.", release=pcs.name))
