import datetime as dt

import pytest

from codesuggest.decisions.log import DecisionLog
from codesuggest.errors import ConfigError, DecisionConflictError
from codesuggest.queries.life import ANSWERS, STATES, TRANSITIONS, QueryEvent, after, replay
from codesuggest.query_log import QueryLog
from codesuggest.querying import find_queries
from codesuggest.records import Decision, Note, Review

AT = dt.datetime(2026, 5, 4, 9, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def event(what, at=AT, **body):
    return QueryEvent("q1", "e1", what, "ann", at, body)


CREATED = after(None, event("created", topic="sodium"))
SENT = after(CREATED, event("sent", physician="dr-b"))


def test_the_states_are_those_of_the_table():
    assert {to for _, to in TRANSITIONS.items()} == set(STATES)


@pytest.mark.parametrize("what", ANSWERS)
def test_only_a_sent_query_is_answered(what):
    done = after(SENT, event(what, AT + HOUR, answer="Hyponatremia"))
    assert (done.status, done.answer, done.answered_at, done.is_open) == (what, "Hyponatremia", AT + HOUR, False)
    with pytest.raises(DecisionConflictError, match="CS456"):
        after(CREATED, event(what))


@pytest.mark.parametrize("what", ["withdrawn", "expired"])
@pytest.mark.parametrize("state", [CREATED, SENT])
def test_an_open_query_is_withdrawn_or_expires(state, what):
    assert after(state, event(what)).status == what


@pytest.mark.parametrize("last", [*ANSWERS, "withdrawn", "expired"])
def test_nothing_happens_to_a_closed_query(last):
    closed = after(SENT, event(last))
    for what in {w for _, w in TRANSITIONS}:
        with pytest.raises(DecisionConflictError, match="CS456"):
            after(closed, event(what))


def test_a_query_is_reassigned_to_another_physician():
    again = after(SENT, event("reassigned", physician="dr-c"))
    assert (again.physician, again.n_reassigned, again.sent_at) == ("dr-c", 1, AT)


def test_replay_refuses_what_does_not_follow():
    with pytest.raises(DecisionConflictError, match="CS456"):
        replay([event("sent")])


@pytest.fixture
def log():
    with QueryLog("sqlite://") as made:
        yield made


@pytest.fixture(scope="module")
def query():
    return find_queries(Note("n1", "HOSPITAL COURSE: Na 121, fluid restriction.", setting="inpatient", encounter_id="e1"))[0]


def send(log, query, physician="dr-b", at=AT):
    log.create(query, who="ann", when=at)
    log.send(query.query_id, physician=physician, who="ann", when=at)


def test_the_log_keeps_the_query_as_it_was_sent(log, query):
    log.create(query, who="ann", when=AT)
    log.create(query, who="ann", when=AT)  # twice is once
    state = log.state(query.query_id)
    assert (state.status, state.topic, state.encounter_id, state.query["text"]) == ("pending", "sodium", "e1", query.text)
    assert len(list(log.events())) == 1


def test_an_answer_before_sending_is_refused_and_not_recorded(log, query):
    log.create(query, who="ann", when=AT)
    with pytest.raises(DecisionConflictError, match="CS456"):
        log.answer(query.query_id, "agreed", answer="Hyponatremia", who="dr-b", when=AT)
    assert log.state(query.query_id).status == "pending"
    assert log.decisions.verify() == ()


def test_a_second_answer_is_refused(log, query):
    send(log, query)
    log.answer(query.query_id, "agreed", answer="Hyponatremia", who="dr-b", when=AT + HOUR)
    with pytest.raises(DecisionConflictError, match=r"CS456|CS505"):
        log.answer(query.query_id, "disagreed", answer="No", who="dr-b", when=AT + HOUR)
    assert log.state(query.query_id).status == "agreed"


def test_an_unknown_query_and_an_unknown_outcome_are_refused(log, query):
    with pytest.raises(ConfigError, match="CS457"):
        log.send("nobody", physician="dr-b", who="ann", when=AT)
    with pytest.raises(ConfigError, match="CS457"):
        log.state("nobody")
    send(log, query)
    with pytest.raises(ConfigError, match="CS458"):
        log.answer(query.query_id, "perhaps", answer="", who="dr-b", when=AT)


def test_old_queries_expire(log, query):
    send(log, query)
    assert log.expire(before=AT - HOUR, who="system", when=AT + HOUR) == ()
    assert log.expire(before=AT + HOUR, who="system", when=AT + 2 * HOUR) == (query.query_id,)
    assert log.state(query.query_id).status == "expired"


def test_an_answer_opens_the_encounter_again_until_it_is_reviewed(query):
    with DecisionLog("sqlite://") as decisions:
        log = QueryLog(decisions)
        decisions.record(
            Decision("n1", "E87.8", "accept", "coder", "ann", AT, encounter_id="e1"),
            Decision("n1", "I10", "accept", "coder", "ann", AT, encounter_id="e1"),
            Review("e1", ("n1",), "coder", "ann", AT, AT),
        )
        send(log, query)
        assert log.reopened() == ()
        log.answer(query.query_id, "agreed", answer="Hyponatremia", who="dr-b", when=AT + HOUR)
        (opened,) = log.reopened()
        assert (opened.encounter_id, opened.answer_codes, opened.codes) == ("e1", ("E87.1",), ("E87.8",))
        decisions.record(Review("e1", ("n1",), "coder", "ann", AT + HOUR, AT + 3 * HOUR))
        assert log.reopened() == ()


def test_responses_by_physician_and_topic(log):
    for number, (physician, outcome, hours) in enumerate(
        [("dr-b", "agreed", 2), ("dr-b", "disagreed", 6), ("dr-b", "", 0), ("dr-c", "answered", 10)]
    ):
        note = Note(f"n{number}", "HOSPITAL COURSE: Na 121, fluid restriction.", setting="inpatient", encounter_id=f"e{number}")
        one = find_queries(note)[0]
        send(log, one, physician)
        if outcome:
            log.answer(one.query_id, outcome, answer="…", who=physician, when=AT + hours * HOUR)
    first, second = log.responses()
    assert (first.physician, first.topic, first.n_sent, first.n_answered, first.n_open) == ("dr-b", "sodium", 3, 2, 1)
    assert (first.response_rate, first.agreement_rate, first.hours_median) == (2 / 3, 0.5, 4.0)
    assert (second.agreement_rate, second.hours_median) == (None, 10.0)
    (whole,) = log.responses(by=())
    assert (whole.physician, whole.n_sent, whole.hours_median) == ("", 4, 6.0)
    assert [(r.physician, r.is_agreed) for r in log.rows()] == [("dr-b", True), ("dr-b", False), ("dr-b", None), ("dr-c", None)]
