import datetime as dt

import pytest

from codesuggest.codes.build import compile_release
from codesuggest.codes.release import Release
from codesuggest.edits.policies import read_policy
from codesuggest.edits.release_changes import OpenCode, read_open_codes, report
from codesuggest.errors import ConfigError, InputFormatError


def order(*rows):
    return "".join(f"{i:05d} {code:7} {int(billable)} {title:60} {title}\n" for i, (code, billable, title) in enumerate(rows, 1))


OLD = order(
    ("I10", 1, "Hypertension"), ("E88", 0, "Other"), ("E888", 1, "Other metabolic disorders"), ("E889", 1, "Metabolic disorder")
)
NEW = order(
    ("I10", 1, "Essential hypertension"), ("E88", 0, "Other"), ("E888", 0, "Other metabolic disorders"),
    ("E8881", 1, "Metabolic syndrome"), ("E8889", 1, "Other metabolic disorders, specified"),
)  # fmt: skip


@pytest.fixture
def releases(tmp_path):
    found = []
    for name, text, first in (("old", OLD, dt.date(2025, 10, 1)), ("new", NEW, dt.date(2026, 10, 1))):
        (tmp_path / f"{name}.txt").write_text(text)
        found.append(Release.open(compile_release(tmp_path / f"{name}.txt", effective=first, to=tmp_path / "r")))
    return found


@pytest.mark.parametrize(
    ("code", "rule_id", "words"),
    [
        ("E88.9", "REL-01", "is deleted"),
        ("E88.8", "REL-02", "E88.81"),
        ("I10", "REL-03", "Essential"),
        ("Q99.99", "REL-04", "neither"),
    ],
)
def test_a_code_in_use_is_reported(releases, code, rule_id, words):
    (found,) = report(*releases, charts=[OpenCode(code, "chart 7")])
    assert found.rule_id == rule_id
    assert words in found.message
    assert "chart 7" in found.message


def test_a_code_that_stays_is_silent(releases):
    assert report(*releases, charts=[OpenCode("E88")]) == ()
    assert report(releases[0], releases[0], charts=[OpenCode("E88.9")]) == ()


def test_only_services_from_the_first_day_on_are_concerned(releases):
    assert report(*releases, charts=[OpenCode("E88.9", "a", dt.date(2026, 9, 30))]) == ()
    assert len(report(*releases, charts=[OpenCode("E88.9", "a", dt.date(2026, 10, 1))])) == 1


def test_services_after_the_older_release_expired_are_concerned(releases, tmp_path):
    made = compile_release(
        tmp_path / "old.txt", effective=dt.date(2025, 10, 1), expires=dt.date(2026, 3, 31), to=tmp_path / "expired"
    )
    old = Release.open(made)
    assert report(old, releases[1], charts=[OpenCode("E88.9", "a", dt.date(2026, 3, 31))]) == ()
    assert len(report(old, releases[1], charts=[OpenCode("E88.9", "a", dt.date(2026, 4, 1))])) == 1


def test_the_older_release_comes_first(releases):
    with pytest.raises(ConfigError, match="CS434"):
        report(*reversed(releases))


def test_a_file_of_open_codes_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "packed.csv").write_bytes(b"PK\x03\x04\xff\xfe")
    for path in (tmp_path / "none.csv", tmp_path, tmp_path / "packed.csv"):
        with pytest.raises(InputFormatError, match="CS433"):
            read_open_codes(path)


def test_labels_and_policies_are_reported(releases, tmp_path):
    (tmp_path / "p.toml").write_text(
        '[policy]\nid="P"\npayer="p"\ntitle="t"\nsource="s"\neffective=2026-01-01\n'
        '[[rule]]\nid="1"\nkind="coverage"\ncodes=["G0101"]\nmessage="m"\ndiagnoses="E88"\n'
    )
    found = report(*releases, labels=["E88.9"], policies=[read_policy(tmp_path / "p.toml")])
    assert [f.rule_id for f in found] == ["REL-01", "REL-05"]
    assert "the model's labels" in found[0].message
    assert found[1].codes == ("E88.9", "E88.8")


def test_read_open_codes(tmp_path):
    file = tmp_path / "open.csv"
    file.write_text("I10\ne88.9\n")
    assert read_open_codes(file) == (OpenCode("I10"), OpenCode("E88.9"))
    file.write_text("chart,code,date\n7,I10,2026-10-02\n")
    assert read_open_codes(file) == (OpenCode("I10", "7", dt.date(2026, 10, 2)),)
    for text in ("", "chart,code\n7,\n", "code,date\nI10,soon\n"):
        file.write_text(text)
        with pytest.raises(InputFormatError, match="CS433"):
            read_open_codes(file)
