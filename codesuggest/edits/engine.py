"""The engine: a claim, a date and tables in; findings out. Pure, idempotent, and free of the order things are given in.

Decision: each family is one function over a `View`, which holds the claim with its codes looked up once and the union of their
bits; a rule whose bits are not in the union costs one comparison. That is what makes thousands of claims a second possible
in Python. Nothing here opens a file: `Tables` are handed in, and `default_tables` is a separate, visible step.

References
----------
The sources of the rules stand in each `Rule`; ``codesuggest edits --list`` prints them.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from codesuggest.codes import Release, Releases
from codesuggest.edits import drg, guidelines, mce, modifiers, ncci, poa, policies, tabular
from codesuggest.edits.catalogue import SEVERITIES, Rule
from codesuggest.edits.claim import Claim, Diagnosis, Procedure
from codesuggest.edits.drg import CcTable
from codesuggest.edits.guidelines import CodeRule, GuidelineTable, read_guidelines
from codesuggest.edits.index import CodeFacts, ReleaseIndex
from codesuggest.edits.mce import ListBits, MceLists
from codesuggest.edits.modifiers import ModifierTable, read_modifiers
from codesuggest.edits.ncci import AddOnTable, BypassModifier, MueTable, PtpTable, read_bypass_modifiers
from codesuggest.edits.poa import PoaExempt
from codesuggest.edits.policies import Policy
from codesuggest.errors import ConfigError, PrerequisiteError
from codesuggest.records import Finding

__all__ = ["IntegralRow", "Tables", "View", "catalogue", "check", "day_of", "default_tables", "sorted_findings"]

TABLES_FOLDER = Path(__file__).parent / "tables"
_SEVERITY_RANK = {severity: rank for rank, severity in enumerate(SEVERITIES)}
MANIFESTATION = "manifestation"
_MANIFESTATION_EXPRESSION = "title:classified elsewhere, !B95-B97"


@dataclass(frozen=True, slots=True)
class IntegralRow:
    """Symptoms that are a routine part of diseases, both as code expressions."""

    symptom: str
    disease: str
    words: str
    source: str


def read_integral(path: str | Path) -> tuple[IntegralRow, ...]:
    """Read a table of integral symptoms: TSV with the columns symptom, disease, words, source.

    Raises
    ------
    ConfigError
        CS413 when a column is missing.

    Examples
    --------
    >>> read_integral(TABLES_FOLDER / "integral.tsv")[0].words
    'shortness of breath, wheezing'
    """
    path = Path(path)
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    try:
        return tuple(IntegralRow(r["symptom"], r["disease"], r["words"], r["source"]) for r in rows)
    except KeyError as error:
        msg = f"{path.name!r} has no column {error.args[0]!r}. Expected symptom, disease, words, source. Correct the head."
        raise ConfigError("CS413", msg) from error


@dataclass(frozen=True)
class Tables:
    """Everything the edits compare a claim with, for one date range. Make it once and use it for many claims.

    Parameters
    ----------
    release : Release
        ICD-10-CM in force.
    guidelines : GuidelineTable
    integral : tuple of IntegralRow
    mce : tuple of MceLists
        Versions of the Medicare Code Editor's lists; the first that covers the date and holds the list is used.
    poa : tuple of PoaExempt
        Lists of POA exempt codes, likewise.
    cc : tuple of CcTable
        CC and MCC by version.
    pcs : Release or None
        ICD-10-PCS in force; without it procedure codes of a stay are not looked up.
    ptp, mue, add_on : tuples of PtpTable, MueTable and AddOnTable
        CMS's quarterly NCCI files, compiled or read; the first that covers the day of a service is used.
    bypass : tuple of BypassModifier
        Modifiers that may bypass a pair.
    modifiers : ModifierTable or None
        What modifiers may do.
    releases : Releases or None
        Where a code that is not in force is looked up, to say when it was and what follows it.
    policies : tuple of Policy
        Of any payers; those of the claim's payer and plan are asked.

    Examples
    --------
    >>> tables = default_tables(dt.date(2026, 5, 4))
    >>> tables.release.name
    'ICD-10-CM 2026-04-01'
    """

    release: Release
    guidelines: GuidelineTable
    integral: tuple[IntegralRow, ...] = ()
    mce: tuple[MceLists, ...] = ()
    poa: tuple[PoaExempt, ...] = ()
    cc: tuple[CcTable, ...] = ()
    pcs: Release | None = None
    ptp: tuple[PtpTable, ...] = ()
    mue: tuple[MueTable, ...] = ()
    add_on: tuple[AddOnTable, ...] = ()
    bypass: tuple[BypassModifier, ...] = ()
    modifiers: ModifierTable | None = None
    policies: tuple[Policy, ...] = ()
    releases: Releases | None = None
    _bound: dict[object, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def index(self) -> ReleaseIndex:
        """The release made ready; built at the first use."""
        groups = {**self.guidelines.groups(), **guidelines.GROUPS, MANIFESTATION: _MANIFESTATION_EXPRESSION}
        for row in self.integral:
            groups[row.symptom] = row.symptom
            groups[row.disease] = row.disease
        for policy in self.policies:
            groups.update(policy.expressions())
        lists: dict[str, tuple[str, ...]] = {}
        for version in self.mce:
            groups.update({version.name(name): expression for name, expression in version.expressions.items()})
            lists.update({version.name(name): codes for name, codes in version.codes.items()})
        for i, exempt in enumerate(self.poa):
            groups.update(
                {f"poa {i} exempt": exempt.exempt, f"poa {i} unsure": exempt.unsure, f"poa {i} chronic": exempt.chronic}
            )
            if exempt.codes:
                del groups[f"poa {i} exempt"]
                lists[f"poa {i} exempt"] = exempt.codes
        return ReleaseIndex(self.release, groups, lists)

    def mce_on(self, on: dt.date) -> ListBits:
        """Give the lists of the Medicare Code Editor in force, as bits."""
        key = ("mce", on)
        if key not in self._bound:
            self._bound[key] = mce.lists_on(self.mce, self.index.bit, on)
        found: ListBits = self._bound[key]
        return found

    def poa_on(self, on: dt.date) -> tuple[int, int, int, bool, str]:
        """Bits of exempt, unsure and chronic codes; whether the list is official; its source."""
        for i, exempt in enumerate(self.poa):
            if exempt.holds(on):
                bit = self.index.bit
                bits = bit[f"poa {i} exempt"], bit[f"poa {i} unsure"], bit[f"poa {i} chronic"]
                return (*bits, exempt.is_official, exempt.source)
        return 0, ~0, 0, False, "no list"

    def cc_on(self, on: dt.date) -> CcTable | None:
        """CC and MCC of the version in force, None when it was not handed in."""
        return next((table for table in self.cc if table.holds(on)), None)

    def ncci_on(self, kind: str, day: dt.date) -> tuple[PtpTable | None, MueTable | None, AddOnTable | None]:
        """NCCI tables of a kind (practitioner, hospital) in force on a day."""
        key = ("ncci", kind, day)
        if key not in self._bound:
            self._bound[key] = (
                next((t for t in self.ptp if t.kind == kind and t.holds(day)), None),
                next((t for t in self.mue if t.kind == kind and t.holds(day)), None),
                next((t for t in self.add_on if t.holds(day)), None),
            )
        found: tuple[PtpTable | None, MueTable | None, AddOnTable | None] = self._bound[key]
        return found

    def bypass_on(self, day: dt.date) -> dict[str, str]:
        """Give the modifiers that may bypass a pair on a day, with their kinds."""
        return {
            m.modifier: m.kind for m in self.bypass if (m.first is None or m.first <= day) and (m.last is None or day <= m.last)
        }

    def skipped(self, on: dt.date | None = None, setting: str = "") -> tuple[str, ...]:
        """Name the parts that cannot run, or rest on lists worked out, for want of a table.

        Parameters
        ----------
        on : datetime.date, optional
            Only tables of this day count.
        setting : str, optional
            Only NCCI tables of the kind that claims of this setting are compared with count.

        Examples
        --------
        >>> "NCCI pairs" in " ".join(default_tables(dt.date(2026, 5, 4)).skipped())
        True
        """
        kind = ncci.SETTINGS.get(setting)

        def at_hand(tables: Iterable[Any]) -> list[Any]:
            found = [table for table in tables if on is None or table.holds(on)]
            return [table for table in found if kind is None or getattr(table, "kind", kind) == kind]

        parts = []
        if not self.release.has_notes:
            parts.append(f"notes of the Tabular List: {self.release.name} was compiled without them")
        if not any(lists.is_official for lists in at_hand(self.mce)):
            parts.append("Medicare Code Editor: no official lists; lists worked out from the Tabular List are used")
        absent = [n for n in mce.LISTS if not any(n in lists.codes or n in lists.expressions for lists in at_hand(self.mce))]
        if absent:
            parts.append(f"Medicare Code Editor: no list of {', '.join(absent)}")
        if not any(exempt.is_official for exempt in at_hand(self.poa)):
            parts.append("POA: no official list of exempt codes; the guidelines' categories are used")
        if not at_hand(self.cc):
            parts.append("CC and MCC: no list")
        for name, tables in (("NCCI pairs", self.ptp), ("NCCI units", self.mue), ("NCCI add-on codes", self.add_on)):
            if not at_hand(tables):
                words = " for the date and setting" if setting else " for the date"
                parts.append(f"{name}: no file{words if tables else ''}")
        if self.pcs is None:
            parts.append("ICD-10-PCS: no release, procedure codes of stays are not looked up")
        return tuple(parts)

    def with_(self, **changes: Any) -> Tables:  # noqa: ANN401 - the types are those of the fields
        """Make tables that differ in the named fields; lists handed in are looked at before those that are there.

        Examples
        --------
        >>> default_tables(dt.date(2026, 5, 4)).with_(mce=()).mce
        ()
        """
        return replace(self, **changes)

    @cached_property
    def bound_guidelines(self) -> tuple[int, dict[int, list[tuple[CodeRule, int, int, int]]]]:
        """Bits of every ``when``, and for each of them its rows with the bits of their codes."""
        bit = {"": 0, **self.index.bit}
        rows: dict[int, list[tuple[CodeRule, int, int, int]]] = {}
        union = 0
        for row in self.guidelines.rows:
            union |= bit[row.when]
            rows.setdefault(bit[row.when], []).append((row, bit[row.when], bit[row.with_], bit[row.unless]))
        return union, rows

    @cached_property
    def bound_integral(self) -> list[tuple[int, int, IntegralRow]]:
        """Rows of integral symptoms with the bits of their codes."""
        bit = self.index.bit
        return [(bit[row.symptom], bit[row.disease], row) for row in self.integral]

    def rules(self) -> tuple[Rule, ...]:
        """Rules these tables bring with them."""
        return (
            *dict.fromkeys(row.rule for row in self.guidelines.rows),
            *(r.rule for policy in self.policies for r in policy.rules),
        )


class View:
    """A claim with its codes looked up: what the families of edits read.

    Attributes
    ----------
    diagnoses : list of (Diagnosis, CodeFacts)
        In sequence.
    known, unknown : list of CodeFacts
        Those the release holds, in sequence, and those it does not.
    principal : CodeFacts or None
        Of the first diagnosis, None when there is none or it is not known.
    union, first_mask : int
        Bits of all codes, and of the first.
    """

    __slots__ = (
        "bits",
        "claim",
        "diagnoses",
        "first_mask",
        "has_documentation",
        "has_sides",
        "index",
        "information",
        "is_inpatient",
        "known",
        "on",
        "principal",
        "procedures",
        "tables",
        "union",
        "unknown",
    )

    def __init__(self, claim: Claim, on: dt.date, tables: Tables, *, information: bool) -> None:
        self.claim, self.on, self.tables = claim, on, tables
        self.index = index = tables.index
        self.bits = index.bit
        self.information = information
        self.is_inpatient = claim.setting == "inpatient"
        find = index.facts
        ordered = sorted(claim.diagnoses, key=_sequence)
        self.diagnoses: list[tuple[Diagnosis, CodeFacts]] = [(d, find(d.code)) for d in ordered]
        self.known: list[CodeFacts] = []
        self.unknown: list[CodeFacts] = []
        union = sides = 0
        documented = False
        for diagnosis, facts in self.diagnoses:
            if facts.i < 0:
                self.unknown.append(facts)
            else:
                self.known.append(facts)
                union |= facts.mask
                if facts.side:
                    sides += 1
            if diagnosis.is_uncertain or diagnosis.documented_by != "provider":
                documented = True
        self.union = union
        self.has_sides = sides > 1
        self.has_documentation = documented
        first = self.diagnoses[0][1] if self.diagnoses else None
        self.principal = first if first is not None and first.i >= 0 else None
        self.first_mask = first.mask if first is not None else 0
        self.procedures: list[Procedure] = sorted(claim.procedures, key=_line) if claim.procedures else []


def _sequence(diagnosis: Diagnosis) -> int:
    return diagnosis.sequence


def _line(procedure: Procedure) -> tuple[int, str, tuple[str, ...]]:
    return (procedure.line, procedure.code, procedure.modifiers)


def _order(finding: Finding) -> tuple[int, str, tuple[str, ...], str]:
    return (_SEVERITY_RANK[finding.severity], finding.rule_id, finding.codes, finding.message)


def sorted_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Put findings in their one order, errors first, without repeats.

    Examples
    --------
    >>> sorted_findings([])
    ()
    """
    ordered: list[Finding] = []
    for finding in sorted(findings, key=_order):
        if not ordered or finding != ordered[-1]:
            ordered.append(finding)
    return tuple(ordered)


def check(
    claim: Claim, *, on: dt.date | None = None, tables: Tables | None = None, information: bool = False
) -> tuple[Finding, ...]:
    """Find what a certified coder or a claims scrubber would raise.

    Parameters
    ----------
    claim : Claim
        It is not changed.
    on : datetime.date, optional
        Date of service that chooses the rules; the claim's own without it.
    tables : Tables, optional
        What to compare with; without it those that come with the library for the date (`default_tables`).
    information : bool
        Also report what needs no action: Excludes2, use-additional-code notes, CC and MCC.

    Returns
    -------
    tuple of Finding
        Errors first, in a total order; empty for a clean claim. Errors are certainly wrong; warnings are wrong unless the
        record says otherwise; advice is worth a look.

    Raises
    ------
    PrerequisiteError
        CS400 when neither `on` nor the claim gives a date.
    NoReleaseError
        CS103 when no release is in force on the date.

    Examples
    --------
    >>> from codesuggest.edits import claim_from_text
    >>> findings = check(claim_from_text("I10 I50.9"), on=dt.date(2026, 5, 4))
    >>> [(f.rule_id, f.severity, f.codes) for f in findings]
    [('GUI-901', 'warning', ('I10', 'I50.9'))]
    """
    day = on if on is not None else day_of(claim)
    tables_ = default_tables(day) if tables is None else tables
    view = View(claim, day, tables_, information=information)
    found: list[Finding] = []
    add = found.append
    if claim.diagnoses:
        tabular.check(view, add)
        guidelines.check(view, add)
        mce.check(view, add)
        poa.check(view, add)
        drg.check(view, add)
    if claim.procedures:
        ncci.check(view, add)
        modifiers.check(view, add)
        if tables_.policies:
            policies.check(view, add)
            paid = policies.allowed_pairs(view)
            found[:] = [f for f in found if not (f.rule_id in ("NCCI-01", "NCCI-02") and f.codes in paid)]
    return sorted_findings(found) if found else ()


def day_of(claim: Claim | None) -> dt.date:
    """Give the date of service of a claim.

    Raises
    ------
    PrerequisiteError
        CS400 when it has none.

    Examples
    --------
    >>> day_of(Claim(service_date=dt.date(2026, 5, 4))).year
    2026
    """
    day = claim.date_of_service if claim is not None else None
    if day is None:
        msg = "The claim has no date of service. Expected one, because it chooses every table. Give the claim a date, or on=."
        raise PrerequisiteError("CS400", msg)
    return day


@lru_cache(maxsize=8)
def _tables_of(release: Release, releases: Releases) -> Tables:
    return Tables(
        release,
        read_guidelines(TABLES_FOLDER / "guidelines.toml"),
        read_integral(TABLES_FOLDER / "integral.tsv"),
        mce=(mce.derived_lists(),),
        poa=(poa.derived_exempt(),),
        bypass=read_bypass_modifiers(TABLES_FOLDER / "ptp_modifiers.tsv"),
        modifiers=read_modifiers(TABLES_FOLDER / "modifiers.tsv"),
        releases=releases,
    )


_RELEASES = Releases()


def default_tables(on: dt.date, *, releases: Releases | None = None) -> Tables:
    """Open the tables that come with the library for a date of service.

    Parameters
    ----------
    on : datetime.date
    releases : Releases, optional
        Where to look for the code release; the library's and the user's own without it.

    Raises
    ------
    NoReleaseError
        CS103 when no release is in force on the date.

    Examples
    --------
    >>> default_tables(dt.date(2026, 5, 4)) is default_tables(dt.date(2026, 5, 5))
    True
    """
    where = releases or _RELEASES
    return _tables_of(where.on(on), where)


def catalogue(tables: Tables | None = None) -> tuple[Rule, ...]:
    """Every rule, by family and id; with `tables` also those the tables bring.

    Examples
    --------
    >>> catalogue()[0].id
    'TAB-01'
    """
    brought = tables.rules() if tables is not None else ()
    return (*tabular.RULES, *guidelines.RULES, *brought, *mce.RULES, *poa.RULES, *drg.RULES, *ncci.RULES, *modifiers.RULES)
