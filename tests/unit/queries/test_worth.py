"""The goals of the queries, held on the notes written for the project (tests/benchmarks/queries.py prints the figures)."""

import importlib.util
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("queries_benchmark", ROOT / "benchmarks" / "queries.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_queries_are_worth_sending_and_gaps_are_found(benchmark):
    encounters = defaultdict(list)
    for path in sorted((ROOT / "data" / "queries" / "notes").glob("*.md")):
        planted = benchmark.read(path)
        encounters[planted.note.encounter_id or planted.note.note_id].append(planted)
    figures = benchmark.measure(list(encounters.values()))
    assert figures["encounters"] == 88
    assert figures["fair_share"] >= 0.9
    assert figures["found_share"] >= 0.9
    assert figures["not_compliant"] == 0
