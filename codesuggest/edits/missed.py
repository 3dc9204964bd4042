"""Missed codes: what the note supports and the claim lacks, and what the claim has and the note does not support.

Decision: over-coding and under-coding are weighed alike (both are advice; both become a warning only when the note says the
contrary), and nothing here can see a payment, a weight or a CC level: they are not among the parameters.

References
----------
ICD-10-CM Official Guidelines, sections I.A.19, I.B.18, III, IV.H and IV.J; AHIMA Standards of Ethical Coding, 3 and 4.
"""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from codesuggest.codes.code import with_dot, without_dot
from codesuggest.edits.catalogue import Rule
from codesuggest.edits.claim import Claim, Diagnosis
from codesuggest.edits.engine import TABLES_FOLDER, Tables, check, day_of, default_tables, sorted_findings
from codesuggest.edits.guidelines import denies
from codesuggest.edits.index import CodeFacts
from codesuggest.records import Evidence, Finding, Note, Result, Span

__all__ = ["RULES", "check_result", "compare_with_note", "modifier_words"]

_SECTION = "ICD-10-CM Official Guidelines, section"
LACKING = Rule(
    "MIS-01",
    "missed",
    "advice",
    "A code that the note supports and the claim lacks.",
    f"{_SECTION} III and IV.J (additional diagnoses)",
    "Add it if the record shows that it was treated, evaluated or monitored.",
)
UNSUPPORTED = Rule(
    "MIS-02",
    "missed",
    "advice",
    "A code on the claim for which no words were found in the note.",
    f"{_SECTION} I.A.19 (code assignment and the provider's statement)",
    "Find the documentation in the record, or leave the code out.",
)
CONTRADICTED = Rule(
    "MIS-03",
    "missed",
    "warning",
    "A code on the claim that the note speaks against: denied, of someone else, or only hypothetical.",
    f"{_SECTION} I.A.19 (code assignment and the provider's statement)",
    "Find other documentation in the record, or leave the code out.",
)
UNCERTAIN = Rule(
    "MIS-04",
    "missed",
    "warning",
    "A code on an outpatient claim that the note only gives as uncertain.",
    f"{_SECTION} IV.H (uncertain diagnosis)",
    "Code the symptoms, signs or results instead.",
)
LESS_SPECIFIC = Rule(
    "MIS-05",
    "missed",
    "warning",
    "An unspecified code where the note says more.",
    f"{_SECTION} I.B.2 and I.B.18 (level of detail; unspecified codes)",
    "Use the more specific code if the record supports it.",
)
CONTRARY = Rule(
    "MIS-06",
    "missed",
    "warning",
    "A code that says the contrary of the one the note supports: without a complication and with it, or the other side.",
    f"{_SECTION} I.A.19 (code assignment and the provider's statement), I.B.2 and I.B.13 (laterality)",
    "Use the code that agrees with the record.",
)
RULES = (LACKING, UNSUPPORTED, CONTRADICTED, UNCERTAIN, LESS_SPECIFIC, CONTRARY)
_AGAINST = {
    "absent": "denied or ruled out",
    "someone_else": "about someone else",
    "hypothetical": "only hypothetical",
    "conditional": "only under a condition",
}
_ORDERED = frozenset(
    "TAB-20 TAB-21 GUI-021 MCE-02 MCE-03 MCE-06 MCE-08 MCE-09 MCE-10 POA-05 DRG-01 TAB-22 TAB-23 GUI-201 GUI-1509 GUI-1512 "
    "GUI-1904".split()
)


def _key(code_text: str) -> str:
    return without_dot(code_text)


def compare_with_note(claim: Claim, result: Result, tables: Tables) -> tuple[Finding, ...]:
    """Compare the codes of a claim with what was found in the note.

    Parameters
    ----------
    claim : Claim
    result : Result
        Of the note the claim is for.
    tables : Tables
        For the titles of the codes.

    Returns
    -------
    tuple of Finding
        With the words of the note as evidence. A claim for several notes has codes that one note does not support.

    Examples
    --------
    >>> compare_with_note(Claim(), Result("n", "", "", ()), default_tables(dt.date(2026, 5, 4)))
    ()
    """
    index, name = tables.index, tables.release.name
    billed = {_key(d.code): d for d in claim.diagnoses}
    suggested = {_key(s.code): s for s in result.suggestions}
    selected = [s for s in result.suggestions if s.selected]
    suppressed = {_key(s.code): s for s in result.suppressed}
    found: list[Finding] = []
    replaced: set[str] = set()
    for key, diagnosis in billed.items():
        facts = index.facts(diagnosis.code)
        if facts.i < 0 or key in suggested:
            continue
        better = [s for s in selected if _key(s.code)[:3] == key[:3] and _key(s.code) not in billed]
        if better and _is_vague(facts.title) and not _is_vague(better[0].description):
            best = better[0]
            replaced.add(_key(best.code))
            message = f"{facts.text} ({facts.title}) is unspecified; the note supports {best.code} ({best.description})."
            found.append(LESS_SPECIFIC.finding((facts.text, best.code), message, release=name, evidence=best.evidence))
        elif key in suppressed:
            left_out = suppressed[key]
            if left_out.reason in _AGAINST:
                message = f"{facts.text} ({facts.title}) is {_AGAINST[left_out.reason]} in the note."
                found.append(CONTRADICTED.finding((facts.text,), message, release=name, evidence=left_out.evidence))
            elif left_out.reason == "possible" and claim.setting != "inpatient":
                message = f"{facts.text} ({facts.title}) is only uncertain in the note."
                found.append(UNCERTAIN.finding((facts.text,), message, release=name, evidence=left_out.evidence))
        elif contrary := [s for s in better if _are_contrary(facts, index.facts(s.code))]:
            best = contrary[0]
            replaced.add(_key(best.code))
            message = f"The claim has {facts.text} ({facts.title}); the note supports {best.code} ({best.description})."
            found.append(CONTRARY.finding((facts.text, best.code), message, release=name, evidence=best.evidence))
        elif not any(other[:3] == key[:3] for other in suggested):
            message = f"No words of the note were found for {facts.text} ({facts.title})."
            found.append(UNSUPPORTED.finding((facts.text,), message, release=name))
    for suggestion in selected:
        key = _key(suggestion.code)
        if key not in billed and key not in replaced and not any(other[:3] == key[:3] for other in billed):
            message = f"The note supports {suggestion.code} ({suggestion.description}), which the claim lacks."
            found.append(LACKING.finding((suggestion.code,), message, release=name, evidence=suggestion.evidence))
    return sorted_findings(found)


def _are_contrary(a: CodeFacts, b: CodeFacts) -> bool:
    """Whether two codes are one condition on different sides, or with and without a complication."""
    other_side = {a.side, b.side} == {"left", "right"} and a.base == b.base
    return other_side or denies(a, b) or denies(b, a)


def _is_vague(title: str) -> bool:
    return re.search(r"\bunspecified\b", title) is not None


def modifier_words(note: Note, *, path: str | Path | None = None) -> tuple[tuple[str, Evidence], ...]:
    """Find words of a note that bear on a modifier, such as "separate incision" for XS.

    Examples
    --------
    >>> modifier_words(Note("n", "Excised through a separate incision."))[0][0]
    'XS'
    """
    found = []
    with Path(path or TABLES_FOLDER / "modifier_words.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            for match in re.finditer(row["pattern"], note.text, re.IGNORECASE):
                evidence = Evidence(Span(match.start(), match.end()), match[0], role="context")
                found.append((row["modifier"], evidence))
    return tuple(sorted(found, key=lambda pair: (pair[1].span, pair[0])))


def _with_words(findings: Iterable[Finding], note: Note) -> list[Finding]:
    """Show beside a pair that a modifier may bypass the words that bear on one."""
    words: tuple[tuple[str, Evidence], ...] | None = None
    out = []
    for finding in findings:
        if finding.rule_id == "NCCI-02":
            words = modifier_words(note) if words is None else words
            if words:
                names = ", ".join(dict.fromkeys(m for m, _ in words))
                finding = replace(
                    finding,
                    message=f"{finding.message} The note has words that bear on {names}.",
                    evidence=tuple(e for _, e in words),
                )
        out.append(finding)
    return out


def check_result(
    result: Result,
    note: Note,
    *,
    on: dt.date | None = None,
    tables: Tables | None = None,
    claim: Claim | None = None,
    information: bool = False,
) -> tuple[Finding, ...]:
    """Run the edits on what was suggested for a note, or on a claim beside the note.

    Parameters
    ----------
    result : Result
    note : Note
    on, tables, information
        As `codesuggest.edits.check`; without `on` the note's date of service counts.
    claim : Claim, optional
        What is to be billed. Without it the suggestions put forward are checked; they have no order yet, so edits of the order
        stay silent.

    Returns
    -------
    tuple of Finding
        With the words of the note that support the codes concerned.

    Raises
    ------
    PrerequisiteError, NoReleaseError
        As `codesuggest.edits.check`.

    Examples
    --------
    >>> check_result(Result("n", "", "", ()), Note("n", "x"), on=dt.date(2026, 5, 4))
    ()
    """
    day = on or note.date_of_service or day_of(claim)
    tables = default_tables(day) if tables is None else tables
    if claim is not None:
        found = list(_with_words(check(claim, on=day, tables=tables, information=information), note))
        found += compare_with_note(claim, result, tables)
    else:
        codes = [s.code for s in result.suggestions if s.selected and s.system == "ICD-10-CM"]
        made = Claim(
            tuple(Diagnosis(i, code) for i, code in enumerate(codes, 1)),
            setting=note.setting or "outpatient",
            age_years=note.age_years,
            sex=note.sex,
            service_date=day,
        )
        of_order = tables.guidelines.of_order
        found = [
            f
            for f in check(made, on=day, tables=tables, information=information)
            if f.rule_id not in _ORDERED and f.rule_id not in of_order
        ]
    if not found:
        return ()
    supports = {s.code: s.evidence for s in result.suggestions}
    shown = []
    for finding in found:
        if not finding.evidence:
            words = tuple(e for code in finding.codes for e in supports.get(with_dot(_key(code)), ())[:1])
            finding = replace(finding, evidence=words) if words else finding
        shown.append(finding)
    return sorted_findings(shown)
