"""The release that comes with the library. Expected values are from the Tabular List of April 2026."""

import subprocess
import sys
from datetime import date

import pytest

from codesuggest.codes import Release, Releases, shipped_folder


@pytest.fixture(scope="module")
def release():
    return Releases(shipped_folder()).on(date(2026, 4, 1))


def test_it_is_whole(release):
    release.verify()
    assert (len(release), int(release.billable.sum())) == (98_186, 74_719)
    assert len(release.chapters) == 22


def test_it_is_small():
    assert sum(path.stat().st_size for path in shipped_folder().rglob("*") if path.is_file()) < 12_000_000


@pytest.mark.parametrize("code", ["B20", "F99", "P84", "R99", "Z66"])
def test_categories_without_subdivision_are_billable(release, code):
    assert release.is_billable(code)


def test_every_title_is_there_and_clean(release):
    titles = [release.title_at(i) for i in range(len(release))]
    assert all(title and title == " ".join(title.split()) for title in titles)


def test_every_code_has_a_chapter_that_holds_it(release):
    for i in range(0, len(release), 97):
        code = release.text(i)
        chapter = release.chapter(code)
        assert chapter.first <= code[:3] <= chapter.last


def test_death_before_waking_takes_the_initial_encounter_alone(release):
    assert release.children("S06.1X7") == ("S06.1X7A",)
    assert release.children("S06.5X8") == ("S06.5X8A",)


@pytest.mark.parametrize(
    ("code", "other"),
    [("E11.65", "E10.9"), ("E10.9", "E11.9"), ("E11.9", "O24.419"), ("I10", "O10.011")],
)
def test_excludes1_reaches_the_other_code(release, code, other):
    assert any(other in codes for codes in release.excludes1(code))


def test_a_trailing_word_does_not_widen_an_exclusion(release):
    acidosis = release.excludes1("E87.20")
    assert any("E11.10" in codes for codes in acidosis)
    assert not any("E11.9" in codes for codes in acidosis)


def test_importing_codes_stays_light():
    source = (
        "import sys, codesuggest.codes; "
        "print([m for m in ('defusedxml', 'typer', 'rich', 'spacy', 'sklearn', 'scipy') if m in sys.modules])"
    )
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    result = subprocess.run([sys.executable, "-c", source], check=True, env=environment, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


def test_it_opens_with_and_without_hashing():
    path = shipped_folder() / "icd10cm-2026-04-01"
    assert Release.open(path, check_hashes=False).sha256 == Release.open(path).sha256
