"""Charts in the database: import, claims, states, leases; on SQLite and, where there is one, on PostgreSQL."""

import dataclasses
import threading

import pytest
from desk_helpers import DATABASES, DAY, FEEDER, PROGRESS, note, open_desk
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DatabaseError

from codesuggest.decisions.database import reading, writing
from codesuggest.desk.errors import ForbiddenError, MissingChartError, StateError
from codesuggest.desk.states import STATES, TRANSITIONS, after
from codesuggest.desk.store import EncounterFacts, Store
from codesuggest.desk.tables import access, charts
from codesuggest.errors import CodesuggestError


@pytest.fixture(params=DATABASES)
def desk(request, tmp_path, suggester):
    with open_desk(tmp_path, suggester, kind=request.param) as made:
        yield made


@pytest.fixture
def lite(tmp_path, suggester):
    with open_desk(tmp_path, suggester) as made:
        yield made


def row(desk, chart_id):
    with reading(desk.services.engine) as connection:
        return desk.store.row(connection, chart_id)


# -- import ---------------------------------------------------------------------------------------------------------------


def test_notes_of_an_encounter_are_one_chart(desk):
    one = desk.add(note("a", encounter_id="E-1"), note("b", PROGRESS, encounter_id="E-1"))
    other = desk.add(note("c"))
    assert (row(desk, one).n_documents, row(desk, one).encounter_id) == (2, "E-1")
    assert (row(desk, other).n_documents, row(desk, other).encounter_id) == (1, "c")


def test_the_same_import_again_adds_nothing(desk):
    n = note("a", encounter_id="E-1")
    desk.add(n)
    again = desk.store.add([(n, desk.score(n))], who=FEEDER)
    assert [a.outcome for a in again] == ["known"]


def test_a_document_with_another_text_is_refused(desk):
    desk.add(note("a", encounter_id="E-1"))
    other = note("a", PROGRESS, encounter_id="E-1")
    refused = desk.store.add([(other, desk.score(other))], who=FEEDER)
    assert [(r.outcome, r.message[:7]) for r in refused] == [("refused", "[CS643]")]


@pytest.mark.parametrize(("field", "value"), [("note_id", "x" * 201), ("payer", "p" * 201), ("encounter_id", "e\0")])
def test_what_no_database_stores_is_refused(lite, field, value):
    bad = dataclasses.replace(note("a"), **{field: value})
    assert [r.message[:7] for r in lite.store.add([(bad, lite.score(note("a")))], who=FEEDER)] == ["[CS644]"]


def test_a_new_document_brings_a_finished_chart_back_to_its_coder(desk):
    chart_id = desk.chart("E-1")
    desk.store.claim(chart_id, desk.who("ann"))
    with writing(desk.services.engine) as connection:
        connection.execute(update(charts).values(status="finished", coder="ann", assignee=None))
    desk.add(note("late", encounter_id="E-1"))
    assert (row(desk, chart_id).status, row(desk, chart_id).assignee, row(desk, chart_id).n_documents) == ("assigned", "ann", 3)


def test_facts_of_the_encounter_come_with_the_import(desk):
    import datetime as dt

    facts = {"E-1": EncounterFacts("1", dt.date(2026, 5, 1), dt.date(2026, 5, 9), "medicare")}
    chart_id = desk.add(note("a", encounter_id="E-1"), facts=facts)
    found = row(desk, chart_id)
    assert (found.admission_type, found.admitted_on, found.discharged_on, found.payer) == (
        "1",
        "2026-05-01",
        "2026-05-09",
        "medicare",
    )
    assert found.date_of_service == "2026-05-09"  # the discharge date chooses the release


def test_impact_counts_cc_and_mcc_of_the_codes_put_forward(lite, tmp_path):
    """With the user's table; J18.9 is an MCC and E11.9 nothing in MS-DRG v41, here as a table of two lines."""
    (tmp_path / "cc.csv").write_text("icd_code,cc_mcc,pdx_group\nJ189,MCC,No Excl\nN179,CC,No Excl\n", encoding="utf-8")
    (tmp_path / "groups.csv").write_text("pdx_group,pdx_icd\n", encoding="utf-8")
    tables = {"cc_levels": str(tmp_path / "cc.csv"), "cc_groups": str(tmp_path / "groups.csv"), "cc_version": "41"}
    store = Store(lite.services.engine, dataclasses.replace(lite.services.settings, **tables), clock=lite.clock)
    n = note("a", encounter_id="E-1")
    store.add([(n, lite.score(n))], who=FEEDER)
    impact = next(r for r in store.worklist(lite.who("ann"))[0][0]["reasons"] if r["component"] == "impact")
    assert (impact["points"], impact["words"]) == (10.0, "1 code put forward is MCC, 0 CC")


# -- the queue ------------------------------------------------------------------------------------------------------------


def test_the_queue_is_in_the_order_of_the_scores_and_says_why(desk):
    import datetime as dt

    low = desk.add(note("new", date_of_service=dt.date(2026, 5, 19)))
    high = desk.add(note("old", date_of_service=dt.date(2026, 4, 1)))
    items, total = desk.store.worklist(desk.who("ann"))
    assert ([i["chart_id"] for i in items], total) == ([high, low], 2)
    for item in items:
        assert item["score"] == pytest.approx(sum(r["points"] for r in item["reasons"]))
        assert all(r["words"] for r in item["reasons"])


def test_scores_are_made_anew_when_the_day_changes(desk):
    desk.chart()
    before = desk.store.worklist(desk.who("ann"))[0][0]["score"]
    desk.clock.forward(days=3)
    assert desk.store.refresh_scores() == 1
    assert desk.store.refresh_scores() == 0
    assert desk.store.worklist(desk.who("ann"))[0][0]["score"] > before


def test_another_weight_changes_the_order(desk):
    desk.chart()
    settings = desk.services.settings
    weights = dataclasses.replace(settings.worklist.weights, ageing=0.0)
    other = Store(
        desk.services.engine,
        dataclasses.replace(settings, worklist=dataclasses.replace(settings.worklist, weights=weights)),
        clock=desk.clock,
    )
    assert other.refresh_scores() == 1


def test_a_coder_sees_what_is_free_and_the_own(desk):
    free, own, others = desk.chart("E-1"), desk.chart("E-2"), desk.chart("E-3")
    desk.store.claim(own, desk.who("ann"))
    desk.store.claim(others, desk.who("ben"))
    items, total = desk.store.worklist(desk.who("ann"))
    assert ([i["chart_id"] for i in items], total) == ([own, free], 2)
    assert desk.store.worklist(desk.who("max"))[1] == 3
    assert desk.store.worklist(desk.who("eve"))[1] == 0


def test_states_survive_a_restart(desk):
    one, two = desk.chart("E-1"), desk.chart("E-2")
    desk.store.claim(one, desk.who("ann"))
    desk.store.claim(two, desk.who("ben"))
    desk.store.hold(two, desk.who("ben"), "missing operative report")
    again = Store(desk.services.engine, desk.services.settings, clock=desk.clock)
    with reading(desk.services.engine) as connection:
        found = again.row(connection, one), again.row(connection, two)
    assert [(f.status, f.assignee, f.hold_reason) for f in found] == [
        ("in_progress", "ann", ""),
        ("on_hold", "ben", "missing operative report"),
    ]


# -- who gets which chart -------------------------------------------------------------------------------------------------


def test_coders_who_claim_at_once_never_get_the_same_chart(desk):
    n = 12
    for i in range(n):
        desk.add(note(f"n{i}"))
    names = [f"c{i}" for i in range(6)]
    desk.people = tuple((name, "coder") for name in names)
    got, failures = [], []

    def take(name):
        try:
            while True:
                got.append(desk.store.claim_next(desk.who(name)).chart_id)
        except MissingChartError:
            pass
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=take, args=(name,)) for name in names]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert failures == []
    assert len(got) == len(set(got)) == n


def test_of_two_coders_who_claim_the_same_chart_one_is_told_no(desk):
    chart_id = desk.chart()
    outcomes = []
    barrier = threading.Barrier(2)

    def take(name):
        barrier.wait()
        try:
            desk.store.claim(chart_id, desk.who(name))
            outcomes.append("taken")
        except StateError as error:
            outcomes.append(error.error_id)

    threads = [threading.Thread(target=take, args=(name,)) for name in ("ann", "ben")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(outcomes) == ["CS611", "taken"]


def test_a_chart_whose_lease_ran_out_is_offered_to_others(desk):
    chart_id = desk.chart()
    desk.store.claim(chart_id, desk.who("ann"))
    with pytest.raises(MissingChartError, match="CS612"):
        desk.store.claim_next(desk.who("ben"))
    desk.clock.forward(minutes=121)
    assert desk.store.claim_next(desk.who("ben")).assignee == "ben"
    with pytest.raises(MissingChartError, match="CS610"):
        desk.store.hold(chart_id, desk.who("ann"), "mine")


def test_whoever_works_on_keeps_the_lease(desk):
    chart_id = desk.chart()
    desk.store.claim(chart_id, desk.who("ann"))
    for revision in range(3):
        desk.clock.forward(minutes=100)
        desk.store.put_draft(chart_id, desk.who("ann"), revision, [])
    with pytest.raises(StateError, match="CS611"):
        desk.store.claim(chart_id, desk.who("ben"))


def test_a_chart_that_a_manager_assigned_has_no_lease(desk):
    chart_id = desk.chart()
    desk.store.assign(chart_id, desk.who("max"), "ann")
    desk.clock.forward(days=30)
    with pytest.raises(StateError, match="CS611"):
        desk.store.claim(chart_id, desk.who("ben"))
    assert desk.store.claim_next(desk.who("ann")).chart_id == chart_id


def test_a_skipped_chart_is_offered_to_others_and_later_again(desk):
    chart_id = desk.chart()
    desk.store.claim(chart_id, desk.who("ann"))
    desk.store.release(chart_id, desk.who("ann"), skip=True)
    with pytest.raises(MissingChartError, match="CS612"):
        desk.store.claim_next(desk.who("ann"))
    assert desk.store.worklist(desk.who("ann"))[0][0]["skipped"] is True
    assert desk.store.claim_next(desk.who("ben")).chart_id == chart_id
    desk.store.release(chart_id, desk.who("ben"))
    desk.clock.forward(hours=9)
    assert desk.store.claim_next(desk.who("ann")).chart_id == chart_id


@pytest.mark.parametrize("to", ["eve", "max", "nobody"])
def test_a_chart_to_code_is_assigned_to_coders_alone(lite, to):
    with pytest.raises(MissingChartError, match="CS631"):
        lite.store.assign(lite.chart(), lite.who("max"), to)


def test_a_disabled_coder_gets_nothing_assigned(lite):
    lite.services.people.disable("ann")
    with pytest.raises(MissingChartError, match="CS631"):
        lite.store.assign(lite.chart(), lite.who("max"), "ann")


@pytest.mark.parametrize("name", ["ann", "eve"])
def test_only_a_manager_assigns(lite, name):
    with pytest.raises(ForbiddenError, match="CS602"):
        lite.store.assign(lite.chart(), lite.who(name), "ben")


def test_a_manager_gives_a_chart_of_one_coder_to_another(desk):
    chart_id = desk.chart()
    desk.store.claim(chart_id, desk.who("ann"))
    desk.store.assign(chart_id, desk.who("max"), "ben")
    with pytest.raises(MissingChartError, match="CS610"):
        desk.store.put_draft(chart_id, desk.who("ann"), 0, [])


def test_hold_and_resume(desk):
    chart_id = desk.chart()
    desk.store.claim(chart_id, desk.who("ann"))
    held = desk.store.hold(chart_id, desk.who("ann"), "waiting for pathology")
    assert (held.status, held.assignee, held.lease_until) == ("on_hold", "ann", None)
    with pytest.raises(StateError, match="CS611"):
        desk.store.put_draft(chart_id, desk.who("ann"), 0, [])
    assert desk.store.resume(chart_id, desk.who("ann")).status == "in_progress"


# -- states ---------------------------------------------------------------------------------------------------------------


def test_every_state_can_be_reached_and_left():
    assert {s for s, _ in TRANSITIONS} | set(TRANSITIONS.values()) == set(STATES)
    assert {s for s, _ in TRANSITIONS} == set(STATES)


@pytest.mark.parametrize(
    ("state", "what"),
    [("imported", "finish"), ("finished", "claim"), ("on_hold", "finish"), ("audited", "finish"), ("imported", "hold")],
)
def test_what_is_not_in_the_table_does_not_happen(state, what):
    with pytest.raises(StateError, match="CS611"):
        after(state, what)


# -- the access log -------------------------------------------------------------------------------------------------------


def test_who_opened_a_chart_is_on_record_and_who_was_refused(desk):
    chart_id = desk.chart()
    desk.store.claim(chart_id, desk.who("ann"))
    desk.store.open(chart_id, desk.who("ann"))
    with pytest.raises(MissingChartError):
        desk.store.open(chart_id, desk.who("ben"))
    found = [(a.who, a.action, a.outcome) for a in desk.services.people.accesses(encounter_id="E-1")]
    assert found == [
        ("feeder", "import", "allowed"),
        ("ann", "claim", "allowed"),
        ("ann", "open", "allowed"),
        ("ben", "open", "denied"),
    ]


@pytest.mark.parametrize("statement", [update(access).values(who="nobody"), delete(access)])
def test_the_access_log_cannot_be_rewritten(desk, statement):
    desk.chart()
    with pytest.raises((CodesuggestError, DatabaseError)), writing(desk.services.engine) as connection:
        connection.execute(statement)
    assert desk.services.people.accesses()[-1].who == "feeder"


def test_text_of_notes_stands_in_the_documents_alone(lite):
    chart_id = lite.add(note("a", "ASSESSMENT: Pneumonia of Mrs Terrazas.", encounter_id="E-1"))
    lite.store.claim(chart_id, lite.who("ann"))
    lite.store.open(chart_id, lite.who("ann"))
    with reading(lite.services.engine) as connection:
        names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
        holding = [n for n in names if any("Terrazas" in str(r) for r in connection.execute(text(f'SELECT * FROM "{n}"')))]  # noqa: S608
    assert holding == ["desk_documents"]


def test_a_second_writer_of_the_same_row_is_told(lite):
    chart_id = lite.chart()
    lite.store.claim(chart_id, lite.who("ann"))
    with writing(lite.services.engine) as connection:
        old = lite.store.row(connection, chart_id)
        lite.store.change(connection, old, lite.who("ann"), "draft")
        with pytest.raises(StateError, match="CS611"):
            lite.store.change(connection, old, lite.who("ann"), "draft")


def test_dates_are_stored_as_days(lite):
    chart_id = lite.chart()
    with reading(lite.services.engine) as connection:
        assert connection.execute(select(charts.c.date_of_service)).scalar_one() == DAY.isoformat()
    assert lite.store.chart_id("E-1") == chart_id
    with pytest.raises(MissingChartError, match="CS610"):
        lite.store.chart_id("E-2")
