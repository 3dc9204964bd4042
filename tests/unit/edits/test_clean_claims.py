"""Claims made of the codes of the practice notes, which coders agreed on: an error on one of them is a defect of the edits."""

from pathlib import Path

import pytest
from examples import DAY, tables

from codesuggest.edits import check, claim_from_dict

FOLDER = Path(__file__).parents[3] / "models" / "practice_notes"
# Findings that are right: the codes of these notes do not follow the Tabular List.
RIGHT = {("e-035", "GUI-927")}  # a stroke scale (R29.7-, code first I63.-) with a hemorrhage


def coded(path):
    head = path.read_text(encoding="utf-8").split("\n---\n", 1)[0]
    facts = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    row = {"claim_id": facts["id"], "codes": facts.get("codes", "").split(), "setting": facts["setting"], "sex": facts.get("sex")}
    return claim_from_dict({**row, "age_years": float(facts["age_years"]) if facts.get("age_years") else None})


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the practice notes are not at hand")
def test_claims_of_the_practice_notes_have_no_error_and_few_warnings():
    claims = [coded(path) for path in sorted(FOLDER.glob("*.md"))]
    assert len(claims) > 100
    found = [(claim.claim_id, f) for claim in claims for f in check(claim, on=DAY, tables=tables())]
    assert [(name, f.message) for name, f in found if f.severity == "error"] == []
    warned = {(name, f.rule_id) for name, f in found if f.severity == "warning"} - RIGHT
    assert len(warned) <= len(claims) // 25, sorted(warned)
