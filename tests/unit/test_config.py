"""Settings from TOML: what is unknown or out of range is refused, and the message names it."""

import pytest

from codesuggest.desk.settings import DeskSettings, read_desk_settings
from codesuggest.errors import ConfigError


@pytest.fixture
def read(tmp_path):
    def read(text):
        file = tmp_path / "desk.toml"
        file.write_text(text, encoding="utf-8")
        return read_desk_settings(file)

    return read


def test_without_a_file_the_defaults_hold():
    assert read_desk_settings(None) == DeskSettings()


def test_a_file_without_the_table_gives_the_defaults(read):
    assert read("[other]\nx = 1\n") == DeskSettings()


def test_nested_tables_and_lists_are_read(read):
    found = read(
        '[desk]\nallowed_hosts = ["coding.example.org"]\n[desk.worklist.weights]\ndeadline = 40\n[desk.worklist.filing_limit_days]\n"blue" = 180\n'
    )
    assert found.allowed_hosts == ("coding.example.org",)
    assert found.worklist.weights.deadline == 40.0
    assert found.worklist.filing_limit_days == {"blue": 180}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("[desk]\nhots = 'x'\n", "desk.hots"),
        ("[desk.worklist]\nlease = 5\n", "desk.worklist.lease"),
        ("[desk.worklist.weights]\ndeadlin = 5\n", "desk.worklist.weights.deadlin"),
        ("[desk]\nport = 99999\n", "desk.port"),
        ("[desk]\nport = '8765'\n", "desk.port"),
        ("[desk]\nbehind_proxy = 1\n", "desk.behind_proxy"),
        ("[desk.worklist]\naudit_share = 1.1\n", "desk.worklist.audit_share"),
        ("[desk.worklist]\nlease_minutes = 0\n", "desk.worklist.lease_minutes"),
        ("desk = 5\n", "desk"),
    ],
)
def test_what_is_unknown_or_wrong_is_named(read, text, name):
    with pytest.raises(ConfigError, match=rf"\[CS354\] The setting '{name}'"):
        read(text)


@pytest.mark.parametrize("text", ["[desk\n", "x = \n"])
def test_what_is_not_toml_is_refused(read, text):
    with pytest.raises(ConfigError, match="CS353"):
        read(text)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="CS353"):
        read_desk_settings(tmp_path / "none.toml")
