"""Guideline and billing edits: a claim in, findings out, each with its source and what resolves it."""

from codesuggest.edits.catalogue import Rule
from codesuggest.edits.claim import Claim, Diagnosis, Procedure, claim_from_dict, claim_from_text, read_claims
from codesuggest.edits.engine import Tables, catalogue, check, default_tables
from codesuggest.edits.missed import check_result

__all__ = [
    "Claim",
    "Diagnosis",
    "Procedure",
    "Rule",
    "Tables",
    "catalogue",
    "check",
    "check_result",
    "claim_from_dict",
    "claim_from_text",
    "default_tables",
    "read_claims",
]
