"""The catalogue of every rule, and the page of the documentation made from it."""

from __future__ import annotations

from codesuggest.edits import missed, release_changes
from codesuggest.edits.catalogue import Rule
from codesuggest.edits.engine import TABLES_FOLDER, catalogue
from codesuggest.edits.guidelines import read_guidelines

__all__ = ["all_rules", "page"]

_TITLES = {
    "tabular": "Tabular List",
    "guidelines": "Official Guidelines",
    "mce": "Medicare Code Editor (inpatient)",
    "poa": "Present on admission (inpatient)",
    "drg": "CC and MCC",
    "ncci": "National Correct Coding Initiative",
    "modifiers": "Modifiers",
    "missed": "Missed and unsupported codes",
    "release": "Release changes",
}
_HEAD = """# Edits

A claim goes in, findings come out: each with a rule, a severity, the codes, a message, its official source and what
would resolve it.

- **error**: wrong as it stands. **warning**: wrong unless the record says otherwise. **advice**: worth a look.
- Rules follow the date of service (the discharge date of a stay). *Information* is reported only when asked for.
- NCCI files hold CPT codes, so you bring CMS's quarterly files; the Medicare Code Editor's and the POA lists are read from CMS's
  files too. Where a list is not at hand one worked out from the Tabular List takes its place, and its findings are warnings.
- Payer policies are TOML files of your own; `codesuggest policies test FOLDER` runs the tests that stand in them.

## Your own tables

| Option of `codesuggest edits FILE` | What it takes |
|---|---|
| `--mce FILE` | lists of the Medicare Code Editor: CSV with icd_code and icd_conflict_rule |
| `--poa FILE` | POA exempt codes, one in each line |
| `--cc FILE --cc-exclusions FILE` | CC and MCC (icd_code, cc_mcc, pdx_group) and their exclusion groups (pdx_group, pdx_icd): information only |
| `--ncci-ptp FILE` | pairs: CMS's files, or the folder that `codesuggest edits compile-ncci FILES --to FOLDER` makes once |
| `--mue FILE`, `--addon FILE` | medically unlikely edits and add-on codes, as CMS publishes them |
| `--modifiers FILE` | a table of modifiers in the place of the shipped one, or CMS's HCPCS file, which says what modifiers exist |
| `--policies FOLDER` | payer policies |
| `--note FILE` | the note of the claim: adds what the note supports and the claim lacks, and the reverse |

All but `--cc`, `--cc-exclusions`, `--policies` and `--note` may be given more than once. A table is used on its own days alone: they
are read from the file's name (`mce_v43.csv`, `ccipra-v321r0-f1.txt`, `MCR_MUE_PractitionerServices_Eff_04-01-2026.csv`, `…FY2026…`,
`…2026Q2…`), or from what stands after `@`: `pairs.txt@practitioner,2026Q2`, `list.csv@2025-10-01..2026-09-30`.

A code that is deleted names its successor when the release that held it is among your releases (`codesuggest codes add`).

This page is made from the catalogue, which `codesuggest edits --list` prints.
"""
_NOTES = {
    "guidelines": """Some sections choose between readings of the record; a claim cannot show them, so no rule judges them:

| Section | What it asks | What a claim shows |
|---|---|---|
| II.B, II.C | two or more diagnoses that are interrelated, or equally meet the definition: any may be first | nothing: any order is right |
| II.D | comparative or contrasting conditions ("either … or"): coded as if confirmed | nothing: the words are in the record |
| II.E | a symptom followed by contrasting diagnoses | deleted from the guidelines from 1 October 2014 |
| II.F | original plan not carried out: the condition stays first | GUI-031: the reason (Z53.-) stands first |
| II.G | complications of surgery are first when they are the reason for the admission | GUI-032: advice, when one was present on admission |
| II.I, II.J, II.K | admission from observation, from outpatient surgery, for rehabilitation | nothing: the course of the stay is in the record |
| I.C.12.a | a pressure ulcer that has healed is not coded | GUI-017, GUI-018: only what two codes say of one site |
| I.C.6.b | G89 first when pain control is the reason for the encounter | nothing: the reason is in the record |

Pairs that the guidelines allow under a condition (an old infarction beside a new one, deficits of an earlier stroke beside a new
one, history beside active COVID-19) are advice: they say what must be true.
""",
}


def all_rules() -> tuple[Rule, ...]:
    """Every rule that comes with the library, by family.

    Examples
    --------
    >>> len({rule.id for rule in all_rules()}) == len(all_rules()) > 120
    True
    """
    rows = read_guidelines(TABLES_FOLDER / "guidelines.toml").rows
    return (*catalogue(), *dict.fromkeys(row.rule for row in rows), *missed.RULES, *release_changes.RULES)


def page() -> str:
    """Write the page of the documentation.

    Examples
    --------
    >>> page().splitlines()[0]
    '# Edits'
    """
    parts = [_HEAD]
    rules = all_rules()
    for family, title in _TITLES.items():
        notes = f"{_NOTES[family]}\n" if family in _NOTES else ""
        parts.append(
            f"\n## {title}\n\n{notes}| Rule | Severity | What it finds | What resolves it | Source | In force |\n|---|---|---|---|---|---|\n"
        )
        for rule in rules:
            if rule.family == family:
                severity = f"{rule.severity} (information)" if rule.is_information else rule.severity
                span = f"{rule.first or ''} to {rule.last or ''}".strip() if rule.first or rule.last else "any date"
                cells = (rule.id, severity, rule.description, rule.resolution, rule.citation, span)
                parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return "".join(parts)
