from datetime import UTC, date, datetime

import pytest
from official_tables import ORDER, TABULAR, write

from codesuggest.codes import Releases, user_folder
from codesuggest.errors import NoReleaseError


@pytest.fixture
def releases(tmp_path):
    found = Releases([tmp_path / "shipped", tmp_path / "own"])
    found.add(write(tmp_path, "order.txt", ORDER), effective=date(2025, 4, 1), expires=date(2025, 9, 30))
    found.add(write(tmp_path, "tabular.xml", TABULAR), effective=date(2026, 4, 1))
    return found


@pytest.mark.parametrize(
    ("day", "effective"),
    [
        (date(2025, 4, 1), date(2025, 4, 1)),
        (date(2025, 9, 30), date(2025, 4, 1)),
        (date(2026, 4, 1), date(2026, 4, 1)),
        (date(2031, 1, 1), date(2026, 4, 1)),
    ],
)
def test_on_gives_the_release_in_force(releases, day, effective):
    assert releases.on(day).effective == effective


@pytest.mark.parametrize("day", [date(2025, 3, 31), date(2025, 10, 1), date(2026, 3, 31)])
def test_on_refuses_a_day_without_release_and_names_those_at_hand(releases, day):
    with pytest.raises(NoReleaseError) as caught:
        releases.on(day)
    assert caught.value.error_id == "CS103"
    assert "ICD-10-CM 2025-04-01 (from 2025-04-01 to 2025-09-30)" in caught.value.message
    assert day.isoformat() in caught.value.message


def test_on_refuses_a_system_without_release(releases):
    with pytest.raises(NoReleaseError, match="at hand: none"):
        releases.on(date(2026, 4, 1), "HCPCS")


def test_on_takes_the_date_of_a_moment(releases):
    assert releases.on(datetime(2026, 4, 1, 23, 59, tzinfo=UTC)).effective == date(2026, 4, 1)


def test_on_opens_a_release_once(releases):
    assert releases.on(date(2026, 4, 1)) is releases.on(date(2026, 5, 1))


def test_list_is_in_order_of_system_and_date(releases):
    assert [(info.system, info.effective) for info in releases.list()] == [
        ("ICD-10-CM", date(2025, 4, 1)),
        ("ICD-10-CM", date(2026, 4, 1)),
    ]
    assert releases.list()[0].n_billable == 2


def test_add_writes_into_the_last_folder(releases):
    assert [info.path.parent.name for info in releases.list()] == ["own", "own"]


def test_the_later_folder_wins(releases, tmp_path):
    shipped = Releases(tmp_path / "shipped")
    shipped.add(write(tmp_path, "x.xml", TABULAR.replace("Unspecified fall", "Fall")), effective=date(2026, 4, 1))
    assert releases.on(date(2026, 4, 1)).title("W19") == "Unspecified fall"
    assert len(releases.list()) == 2


def test_a_release_replaced_meanwhile_is_opened_anew(releases, tmp_path):
    before = releases.on(date(2026, 4, 1))
    other = Releases(tmp_path / "own")
    other.add(write(tmp_path, "x.xml", TABULAR.replace("Unspecified fall", "Fall")), effective=date(2026, 4, 1), replace=True)
    assert releases.on(date(2026, 4, 1)).title("W19") == "Fall"
    assert before.title("W19") == "Unspecified fall"


def test_folders_that_do_not_exist_are_empty(tmp_path):
    assert Releases(tmp_path / "nowhere").list() == ()


def test_user_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("CODESUGGEST_HOME", str(tmp_path))
    assert user_folder() == tmp_path / "releases"
    monkeypatch.delenv("CODESUGGEST_HOME")
    assert user_folder().parts[-4:] == (".local", "share", "codesuggest", "releases")


def test_default_folders_are_the_shipped_and_the_own(monkeypatch, tmp_path):
    monkeypatch.setenv("CODESUGGEST_HOME", str(tmp_path))
    releases = Releases()
    assert releases.folders[1] == tmp_path / "releases"
    assert releases.on(date(2026, 5, 4)).name == "ICD-10-CM 2026-04-01"
