from datetime import date

import pytest
from official_tables import HCPCS, ORDER, order_line, write

from codesuggest.codes import Release, diff
from codesuggest.codes.build import compile_release
from codesuggest.errors import ConfigError

OLD = [
    ("E11", 0, "Type 2 diabetes mellitus"),
    ("E119", 1, "Type 2 diabetes mellitus without complications"),
    ("M35", 0, "Other systemic involvement of connective tissue"),
    ("M350", 1, "Sjogren syndrome"),
    ("M351", 1, "Other overlap syndromes of rare tissue"),
    ("M352", 1, "Behcet's disease"),
    ("N18", 0, "Chronic kidney disease"),
    ("N180", 1, "Wholly unlike anything"),
    ("S30", 0, "Superficial injury of abdomen"),
    ("S301", 0, "Contusion of abdominal wall"),
    ("S301XXA", 1, "Contusion of abdominal wall, initial encounter"),
    ("S301XXD", 1, "Contusion of abdominal wall, subsequent encounter"),
    ("Z91", 0, "Personal risk factors"),
    ("Z911", 0, "Noncompliance with treatment"),
    ("Z9111", 1, "Noncompliance with dietary regimen"),
]
NEW = [
    ("E11", 0, "Type 2 diabetes mellitus"),
    ("E119", 0, "Type 2 diabetes mellitus without complications"),
    ("E1190", 1, "Type 2 diabetes mellitus without complications, unspecified"),
    ("E1191", 1, "Remission of it"),
    ("M35", 0, "Other systemic involvement of connective tissue"),
    ("M350", 1, "Sjögren syndrome"),
    ("M352", 1, "Behçet's disease, renamed"),
    ("M358", 1, "Overlap syndromes of rare tissue, other"),
    ("N18", 0, "Chronic kidney disease"),
    ("N181", 1, "Chronic kidney disease, stage 1"),
    ("S30", 0, "Superficial injury of abdomen"),
    ("S301", 0, "Contusion of abdominal wall"),
    ("S3011", 0, "Contusion of abdominal wall"),
    ("S3011XA", 1, "Contusion of abdominal wall, initial encounter"),
    ("S3011XD", 1, "Contusion of abdominal wall, subsequent encounter"),
    ("Z91", 0, "Personal risk factors"),
    ("Z911", 1, "Noncompliance with treatment"),
]


def release(folder, rows, day):
    text = "\n".join(order_line(i, *row) for i, row in enumerate(rows, start=1))
    return Release.open(compile_release(write(folder, f"{day}.txt", text), effective=day, to=folder))


@pytest.fixture
def changes(tmp_path):
    return diff(release(tmp_path, OLD, date(2025, 4, 1)), release(tmp_path, NEW, date(2026, 4, 1)))


def deleted(changes, code):
    return next(gone for gone in changes.deleted if gone.code == code)


def test_added_codes_are_listed_with_titles(changes):
    assert [c.code for c in changes.added] == ["E11.90", "E11.91", "M35.8", "N18.1", "S30.11", "S30.11XA", "S30.11XD"]
    assert [c.code for c in changes.added if not c.billable] == ["S30.11"]


def test_retitled_means_more_than_accents(changes):
    assert [(c.code, c.new_title) for c in changes.retitled] == [("M35.2", "Behçet's disease, renamed")]


def test_a_split_code_names_its_children_best_first(changes):
    (header,) = changes.became_header
    assert (header.code, [s.code for s in header.successors]) == ("E11.9", ["E11.90", "E11.91"])
    assert {s.relation for s in header.successors} == {"child"}
    assert header.successors[0].score > header.successors[1].score


def test_a_deleted_code_goes_to_the_most_similar_title(changes):
    (best,) = deleted(changes, "M35.1").successors
    assert (best.code, best.relation) == ("M35.8", "title")
    assert best.score == 1.0


def test_a_deleted_code_keeps_its_seventh_character(changes):
    assert [(s.code, s.relation) for s in deleted(changes, "S30.1XXA").successors] == [("S30.11XA", "child")]
    assert [(s.code, s.relation) for s in deleted(changes, "S30.1XXD").successors] == [("S30.11XD", "child")]


def test_a_deleted_code_may_be_taken_up_by_its_parent(changes):
    assert [(s.code, s.relation) for s in deleted(changes, "Z91.11").successors] == [("Z91.1", "parent")]
    assert changes.became_billable == ("Z91.1",)


def test_nothing_is_invented_for_a_code_that_resembles_none(changes):
    assert deleted(changes, "N18.0").successors == ()


def test_scores_lie_between_nought_and_one(changes):
    successors = [s for gone in changes.deleted + changes.became_header for s in gone.successors]
    assert successors
    assert all(0 <= s.score <= 1 for s in successors)


def test_a_release_has_not_changed_against_itself(tmp_path):
    one = release(tmp_path, OLD, date(2025, 4, 1))
    assert diff(one, one).is_empty


def test_two_systems_are_not_compared(tmp_path):
    icd = Release.open(compile_release(write(tmp_path, "o.txt", ORDER), effective=date(2025, 4, 1), to=tmp_path))
    hcpcs = Release.open(compile_release(write(tmp_path, "h.txt", HCPCS), effective=date(2019, 1, 1), to=tmp_path))
    with pytest.raises(ConfigError, match="CS122"):
        diff(icd, hcpcs)
