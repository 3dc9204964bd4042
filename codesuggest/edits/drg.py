"""CC and MCC with their principal-diagnosis exclusions: information about impact, never a reason to code.

References
----------
CMS, MS-DRG Definitions Manual, Appendix C (complications or comorbidities exclusion list), by version.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codesuggest.codes.code import without_dot
from codesuggest.edits.catalogue import Rule
from codesuggest.errors import InputFormatError

if TYPE_CHECKING:
    from codesuggest.edits.engine import View
    from codesuggest.records import Finding

__all__ = ["RULES", "CcTable", "check", "read_cc_table"]

SEVERITY = Rule(
    "DRG-01",
    "drg",
    "advice",
    "Secondary diagnoses that are a CC or MCC, and those the principal diagnosis excludes.",
    "CMS, MS-DRG Definitions Manual, Appendix C",
    "Nothing to resolve: information. Check that each is documented and meets section III.",
    is_information=True,
)
RULES = (SEVERITY,)


@dataclass(frozen=True)
class CcTable:
    """CC and MCC of one version.

    Parameters
    ----------
    version : str
    level : mapping of str to (str, str)
        Code without the dot to ("CC" or "MCC", exclusion group or "").
    excluded_by : mapping of str to frozenset of str
        Exclusion group to the principal diagnoses, without dots, that take the CC or MCC away.
    first, last : datetime.date or None

    Examples
    --------
    >>> table = CcTable("x", {"N179": ("CC", "1")}, {"1": frozenset({"N170"})})
    >>> table.of("N179", "I10"), table.of("N179", "N170")
    (('CC', False), ('CC', True))
    """

    version: str
    level: Mapping[str, tuple[str, str]]
    excluded_by: Mapping[str, frozenset[str]]
    first: dt.date | None = None
    last: dt.date | None = None

    def holds(self, on: dt.date) -> bool:
        """Whether the version covers a discharge date."""
        return (self.first is None or self.first <= on) and (self.last is None or on <= self.last)

    def of(self, key: str, principal: str) -> tuple[str, bool] | None:
        """Level of a secondary diagnosis, and whether the principal diagnosis excludes it; None when it is neither CC nor MCC."""
        found = self.level.get(key)
        if found is None:
            return None
        return found[0], principal in self.excluded_by.get(found[1], ())


def read_cc_table(
    levels: str | Path, groups: str | Path, *, version: str, first: dt.date | None = None, last: dt.date | None = None
) -> CcTable:
    """Read the CC/MCC list and the exclusion groups from CSV files.

    Parameters
    ----------
    levels : str or Path
        Columns ``icd_code``, ``cc_mcc`` (CC or MCC), ``pdx_group`` ("No Excl" for none).
    groups : str or Path
        Columns ``pdx_group``, ``pdx_icd``.
    version : str

    Raises
    ------
    InputFormatError
        CS416 when a column is missing.

    Examples
    --------
    >>> read_cc_table("cc.csv", "groups.csv", version="41.1")  # doctest: +SKIP
    """
    level: dict[str, tuple[str, str]] = {}
    for row in _rows(Path(levels), ("icd_code", "cc_mcc", "pdx_group")):
        group = row["pdx_group"].strip()
        level[without_dot(row["icd_code"])] = (row["cc_mcc"].strip().upper(), "" if group.startswith("No") else group)
    members: dict[str, set[str]] = {}
    for row in _rows(Path(groups), ("pdx_group", "pdx_icd")):
        members.setdefault(row["pdx_group"].strip(), set()).add(without_dot(row["pdx_icd"]))
    return CcTable(version, level, {group: frozenset(codes) for group, codes in members.items()}, first, last)


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        missing = [c for c in columns if c not in (reader.fieldnames or ())]
        if missing:
            msg = f"{path.name!r} has no column {missing[0]!r}. Expected {', '.join(columns)}. Check the file."
            raise InputFormatError("CS416", msg)
        return list(reader)


def check(view: View, add: Callable[[Finding], None]) -> None:
    """Run the family on a claim."""
    table = view.tables.cc_on(view.on)
    if table is None or not view.information or not view.is_inpatient or view.principal is None:
        return
    counted: dict[str, list[str]] = {"MCC": [], "CC": []}
    excluded: list[str] = []
    for facts in view.known[1:]:
        found = table.of(facts.key, view.principal.key)
        if found is not None:
            (excluded if found[1] else counted.setdefault(found[0], [])).append(facts.text)
    parts = [f"{level}: {', '.join(codes)}" for level, codes in counted.items() if codes]
    if excluded:
        parts.append(f"excluded by the principal diagnosis {view.principal.text}: {', '.join(excluded)}")
    if parts:
        codes = tuple(f.text for f in view.known[1:] if table.level.get(f.key))
        add(SEVERITY.finding(codes, f"{'; '.join(parts)}.", citation=f"{SEVERITY.citation}, v{table.version}"))
