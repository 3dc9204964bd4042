"""The readers against the files as published. They are not part of the project: CODESUGGEST_TABLES names their folder.

The April 2026 Tabular List is taken from the package simple-icd-10-cm where that is installed.
"""

import importlib.util
import os
from datetime import date
from pathlib import Path

import pytest

from codesuggest.codes import Release, diff, shipped_folder
from codesuggest.codes.build import compile_release
from codesuggest.codes.compare import compare
from codesuggest.codes.readers import read_hcpcs, read_index


def official(name):
    folder = os.environ.get("CODESUGGEST_TABLES")
    if folder is None:
        pytest.skip("CODESUGGEST_TABLES is not set")
    path = Path(folder) / name
    if not path.is_file():
        pytest.skip(f"no {name}")
    return path


def of_april_2026(name):
    spec = importlib.util.find_spec("simple_icd_10_cm")
    if spec is None or spec.origin is None:
        pytest.skip("simple-icd-10-cm is not installed")
    return Path(spec.origin).parent / "data" / name


def test_january_2021_expands_to_the_order_file():
    found = compare(official("icd10cm_tabular_2021.xml"), official("icd10cm_order_2021_january.txt"))
    assert found.is_same
    assert found.titles == ()
    assert (found.n_codes, found.n_billable, len(found.accents)) == (95_358, 72_621, 134)


def test_april_2026_expands_to_the_code_list():
    found = compare(of_april_2026("icd10c-tabular-April-1-2026.xml"), of_april_2026("code-list-April-2026.txt"))
    assert found.is_same
    assert found.n_codes == 98_186


def test_shipped_release_is_what_the_tabular_list_compiles_to(tmp_path):
    file = of_april_2026("icd10c-tabular-April-1-2026.xml")
    folder = compile_release(file, effective=date(2026, 4, 1), to=tmp_path)
    shipped = shipped_folder() / folder.name
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {p.name: p.read_bytes() for p in shipped.iterdir()}


def test_changes_from_april_2025_to_april_2026(tmp_path):
    file = official("icd10cm_order_2025_april.txt")
    old = Release.open(compile_release(file, effective=date(2025, 4, 1), to=tmp_path))
    changes = diff(old, Release.open(shipped_folder() / "icd10cm-2026-04-01"))
    assert (len(changes.added), len(changes.deleted), len(changes.became_header)) == (614, 12, 16)
    gone = {code.code: code.successors for code in changes.deleted}
    assert {s.code[-1] for s in gone["S30.1XXD"]} == {"D"}


def test_indexes_are_read_whole():
    assert len(read_index(official("icd10cm_eindex_2026_april.xml"))) == 314 + 7_776
    assert len(read_index(official("icd10cm_neoplasm_2026_april.xml"))) == 1 + 1_939
    drugs = read_index(official("icd10cm_drug_2026_april.xml"))
    assert sum(len(entry.terms) == 1 for entry in drugs) == 5_179


def test_hcpcs_records_are_read_whole():
    records = read_hcpcs(official("hcpcs_level2_2019_record_layout.txt"))
    assert (len(records), sum(record.is_modifier for record in records)) == (6_800, 360)
