"""Each trigger fires on its note and is silent on the nearest other one; what the table may hold."""

import datetime as dt
import functools
import tomllib
from pathlib import Path

import pytest

from codesuggest.codes import Releases
from codesuggest.errors import ConfigError
from codesuggest.queries.conditions import parse
from codesuggest.queries.docs import page
from codesuggest.queries.linter import lint_query
from codesuggest.queries.triggers import KINDS, TriggerTable, default_triggers
from codesuggest.querying import QueryFinder
from codesuggest.records import Note

DATA = Path(__file__).parents[2] / "data" / "queries"
CASES = tomllib.loads((DATA / "triggers.toml").read_text(encoding="utf-8"))
TABLE = default_triggers()
RELEASE = Releases().on(dt.date(2026, 5, 4))


@pytest.fixture(scope="module")
def raised():
    """The note of a case and its queries, each found once."""
    finder = QueryFinder(limit=9)

    @functools.cache
    def find(rule_id, which):
        case = CASES[rule_id]
        note = Note("n1", case[which], setting=case.get("setting", TABLE.trigger(rule_id).settings[0]))
        return note, finder.find([note])

    return find


def test_every_trigger_has_its_two_notes():
    assert {t.id for t in TABLE.triggers} == set(CASES)


@pytest.mark.parametrize("rule_id", CASES)
def test_a_trigger_fires(raised, rule_id):
    assert rule_id in [q.rule_id for q in raised(rule_id, "fires")[1]]


@pytest.mark.parametrize("rule_id", CASES)
def test_a_trigger_is_silent_on_the_nearest_note(raised, rule_id):
    assert rule_id not in [q.rule_id for q in raised(rule_id, "silent")[1]]


@pytest.mark.parametrize("rule_id", CASES)
def test_what_is_written_is_compliant(raised, rule_id):
    note, queries = raised(rule_id, "fires")
    for query in queries:
        assert [f for f in lint_query(query.text, note_text=note.text) if f.severity != "advice"] == [], query.text


@pytest.mark.parametrize("rule_id", CASES)
def test_a_query_is_short_and_quotes_exactly(raised, rule_id):
    note, queries = raised(rule_id, "fires")
    for query in queries:
        assert len([line for line in query.text.splitlines() if line.strip()]) <= 17
        assert query.indicators
        for i in query.indicators:
            assert note.text[i.span.start : i.span.end] == i.excerpt


@pytest.mark.parametrize("trigger", TABLE.triggers, ids=lambda t: t.id)
def test_every_code_of_an_answer_is_billable(trigger):
    for option in trigger.options:
        for code in option.codes:
            assert RELEASE.is_billable(code), code


@pytest.mark.parametrize("trigger", TABLE.triggers, ids=lambda t: t.id)
def test_no_code_stands_in_words_for_the_physician(trigger):
    words = " ".join([trigger.title, trigger.question, *(o.text for o in trigger.options)])
    assert not [f for f in lint_query(words) if f.rule in ("LINT-MONEY", "LINT-QUALITY", "LINT-IMPACT", "LINT-LEADING")]


def test_every_kind_has_triggers():
    assert {t.kind for t in TABLE.triggers} == set(KINDS)


def test_the_page_is_made_from_the_table():
    assert (Path(__file__).parents[3] / "docs" / "queries.md").read_text(encoding="utf-8") == page(), (
        "docs/queries.md is stale: write codesuggest.queries.docs.page() to it"
    )


@pytest.mark.parametrize(
    "line", ["sodium <", "no_such_name", "sodium = purple", "dx no_such_name", "2 of:", "not", "sodium < low"]
)
def test_a_condition_that_is_not_understood_is_refused(line):
    with pytest.raises((ConfigError, ValueError), match=r"CS451|float"):
        parse(line, frozenset({"sodium"}), where="T")


ROW = '[[trigger]]\nid="T"\nkind="conflict"\ntopic="t"\ntitle="T"\nimportance=5\nneeds=["dx aki"]\nsource="S"\n'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "words.toml").write_text('acute = ""\n[diagnoses]\naki = "aki"\n[findings]\nx = "x"\n')
    return tmp_path


@pytest.mark.parametrize(
    ("rows", "error_id"),
    [
        (ROW.replace('title="T"\n', ""), "CS450"),
        (ROW + 'colour="red"\n', "CS450"),
        (ROW.replace("conflict", "opinion"), "CS450"),
        (ROW.replace("importance=5", "importance=500"), "CS450"),
        (ROW + ROW, "CS450"),
        (ROW + 'answered="nobody"\n', "CS451"),
        (ROW + 'options="no arrow"\n', "CS451"),
    ],
)
def test_a_row_that_is_wrong_is_refused(folder, rows, error_id):
    (folder / "triggers.toml").write_text(f'released="2026"\npractice="p"\n{rows}')
    with pytest.raises(ConfigError) as caught:
        TriggerTable.read(folder, ())
    assert caught.value.error_id == error_id


def test_a_table_of_ones_own_is_read(folder):
    (folder / "triggers.toml").write_text(f'released="2026"\npractice="p"\n{ROW}')
    assert [t.id for t in TriggerTable.read(folder, ()).triggers] == ["T"]


def test_an_unknown_trigger_is_refused():
    with pytest.raises(ConfigError, match="CS453"):
        TABLE.trigger("NOBODY")
