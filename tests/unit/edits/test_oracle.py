"""Official lists as the oracle. They are not part of the repository: CODESUGGEST_TABLES names the folder that holds them."""

import csv
import datetime as dt
import os
from collections import defaultdict
from pathlib import Path

import pytest
from examples import tables

from codesuggest.codes.build import compile_release
from codesuggest.codes.release import Release
from codesuggest.edits import Claim, Diagnosis, check
from codesuggest.edits.drg import read_cc_table
from codesuggest.edits.mce import read_mce_lists

FOLDER = os.environ.get("CODESUGGEST_TABLES")
pytestmark = pytest.mark.skipif(not FOLDER, reason="CODESUGGEST_TABLES names no folder of official lists")
DAY = dt.date(2024, 9, 30)
AGES = {"Perinatal": (0, 0), "Pediatric": (0, 17), "Maternity": (9, 64), "Adult": (15, 124)}


@pytest.fixture(scope="module")
def official():
    return Path(FOLDER) / "mce_code_lists_fy2024_v41.1.csv"


@pytest.fixture(scope="module")
def ours(official, tmp_path_factory):
    folder = tmp_path_factory.mktemp("releases")
    release = Release.open(
        compile_release(Path(FOLDER) / "icd10cm_order_2025_april.txt", effective=dt.date(2023, 10, 1), to=folder)
    )
    lists = read_mce_lists(official, version="41.1", first=dt.date(2024, 4, 1), last=DAY)
    return tables().with_(release=release, mce=(lists, *tables().mce))


def test_every_code_of_every_list(official, ours):
    with official.open() as stream:
        rows = list(csv.DictReader(stream))
    lists = defaultdict(set)
    for row in rows:
        lists[row["icd_conflict_rule"]].add(row["icd_code"])
    assert sum(len(codes) for codes in lists.values()) == len(rows)
    unknown, n = set(), 0
    for name, codes in lists.items():
        for code in codes:
            if code not in ours.release or not ours.release.is_billable(code):
                unknown.add(code)
                continue
            n += 1
            if name in ("Male Only", "Female Only"):
                wrong, right = ("F", "M") if name == "Male Only" else ("M", "F")
                assert "MCE-05" in _ids(ours, (code,), sex=wrong), (name, code)
                assert "MCE-05" not in _ids(ours, (code,), sex=right), (name, code)
            elif name.startswith("Manifestation"):
                assert "MCE-06" in _ids(ours, (code, "J18.9")), code
                assert "MCE-06" not in _ids(ours, ("J18.9", code)), code
            else:
                low, high = next(span for word, span in AGES.items() if name.startswith(word))
                for age in (low - 1, high + 1):
                    if 0 <= age <= 124:
                        assert "MCE-04" in _ids(ours, (code,), age_years=age), (name, code, age)
                others = [AGES[w] for w in AGES for m, c in lists.items() if m.startswith(w) and code in c]
                for age in (low, high):
                    if all(a <= age <= b for a, b in others):
                        assert "MCE-04" not in _ids(ours, (code,), age_years=age), (name, code, age)
    assert n > 7800
    assert len(unknown) < 60


def _ids(ours, codes, **fields):
    diagnoses = tuple(Diagnosis(i, c) for i, c in enumerate(codes, 1))
    return [f.rule_id for f in check(Claim(diagnoses, setting="inpatient", **fields), on=DAY, tables=ours)]


def test_the_derived_manifestations_agree_with_the_official_list(official):
    with official.open() as stream:
        listed = {r["icd_code"] for r in csv.DictReader(stream) if r["icd_conflict_rule"].startswith("Manifestation")}
    index, release = tables().index, tables().release
    bit = index.bit[tables().mce[0].name("manifestation")]
    derived = {release.text(i) for i in range(len(release)) if release.billable[i] and index.facts(release.text(i)).mask & bit}
    assert derived <= listed | {c for c in derived if c not in listed and _is_newer(c, official)}
    assert len(derived & listed) > 0.8 * len(listed)


def _is_newer(code, official):
    with (official.parent / "icd10cm_codes_fy2024.csv").open(encoding="utf-8-sig") as stream:
        return not any(line.split(",")[0].strip('"').replace(".", "") == code.replace(".", "") for line in stream)


def test_every_cc_and_mcc_is_read():
    table = read_cc_table(
        Path(FOLDER) / "msdrg_cc_mcc_v41.1.csv", Path(FOLDER) / "msdrg_cc_exclusion_groups_v41.1.csv", version="41.1"
    )
    assert len(table.level) == 18215
    assert table.of("A419", "A419") == ("MCC", True)
    assert table.of("A419", "I10") == ("MCC", False)
