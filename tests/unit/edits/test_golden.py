"""Whole findings of some claims, reviewed like code. Renew with CODESUGGEST_RENEW=1 and read the difference."""

import json
import os
from pathlib import Path

from examples import DAY, tables

from codesuggest.edits import check, claim_from_text

FILE = Path(__file__).parents[2] / "golden" / "edits.json"
CLAIMS = (
    "I10 I50.9 N18.30 setting=outpatient",
    "E10.9 E11.9",
    "F02.80 G30.9 setting=inpatient",
    "N18.30 I12.9",
    "S72.001 T14.91A E11",
    "R65.20 A41.9 J18.9 setting=inpatient",
    "O99.513 J45.909 Z3A.20",
    "J18.9? R05.1 setting=professional",
    "J18.9/Y I10/ I25.2/Y setting=inpatient",
    "M17.12 +39990-RT-50 setting=professional",
    "I11.0 I50.22 E11.22 N18.30",
    "Z79.4 E11.9",
)


def test_findings_are_those_that_were_reviewed():
    found = {text: [f.to_dict() for f in check(claim_from_text(text), on=DAY, tables=tables())] for text in CLAIMS}
    if os.environ.get("CODESUGGEST_RENEW"):
        FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert found == json.loads(FILE.read_text(encoding="utf-8"))
