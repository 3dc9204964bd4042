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

This page is made from the catalogue, which `codesuggest edits --list` prints.
"""


def all_rules() -> tuple[Rule, ...]:
    """Every rule that comes with the library, by family.

    Examples
    --------
    >>> len({rule.id for rule in all_rules()}) == len(all_rules()) > 120
    True
    """
    rows = read_guidelines(TABLES_FOLDER / "guidelines.toml").rows
    return (*catalogue(), *(row.rule for row in rows), *missed.RULES, *release_changes.RULES)


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
        parts.append(
            f"\n## {title}\n\n| Rule | Severity | What it finds | What resolves it | Source | In force |\n|---|---|---|---|---|---|\n"
        )
        for rule in rules:
            if rule.family == family:
                severity = f"{rule.severity} (information)" if rule.is_information else rule.severity
                span = f"{rule.first or ''} to {rule.last or ''}".strip() if rule.first or rule.last else "any date"
                cells = (rule.id, severity, rule.description, rule.resolution, rule.citation, span)
                parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return "".join(parts)
