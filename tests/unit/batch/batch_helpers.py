"""Notes and files that the tests of batch scoring share. Every note was written for the project."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

TEXTS = (
    "ASSESSMENT AND PLAN:\n1. Essential hypertension, stable on lisinopril.\n2. Type 2 diabetes mellitus without complications.\n",
    "Chief complaint: cough.\nAssessment: acute bronchitis. No pneumonia.\n",
    "IMPRESSION: Closed fracture of the left distal radius after a fall from a ladder.\n",
    "Diagnosis: acute on chronic systolic heart failure. Mother had breast cancer.\n",
    "Assessment: gout of the right great toe; obesity, BMI 34.2.\n",
    "Plan: return if fever. Assessment – migraine without aura, “classic” history.\n",
)


def rows(n: int) -> list[dict[str, Any]]:
    """Return notes as rows, each text a little different."""
    return [{"note_id": f"n{i:04d}", "text": f"Visit {i}.\n{TEXTS[i % len(TEXTS)]}"} for i in range(n)]


def write_jsonl(path: Path, items: Iterable[Mapping[str, Any] | str]) -> Path:
    path.write_text("".join((i if isinstance(i, str) else json.dumps(i)) + "\n" for i in items), encoding="utf-8")
    return path


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
