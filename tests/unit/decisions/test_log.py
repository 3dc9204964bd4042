"""The log: what is recorded is kept, in order, once; what stands follows from it. The same on SQLite and PostgreSQL."""

import datetime as dt
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesuggest.decisions import DecisionLog, database
from codesuggest.decisions.events import Event
from codesuggest.decisions.log import Standing, decision_of, normal_code, review_of, to_event
from codesuggest.errors import ConfigError, DecisionConflictError, InvalidCodeError, PrerequisiteError
from codesuggest.records import Decision, FinalCode, Review, Shown, Span

NOON = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)


def decision(code="I10", action="accept", who="ann", minute=0, **facts):
    facts = {"note_id": "n1", "stage": "coder", "event_id": uuid.uuid4().hex, **facts}
    return Decision(code=code, action=action, who=who, when=NOON + dt.timedelta(minutes=minute), **facts)


def review(**facts):
    given = {
        "encounter_id": "e1",
        "note_ids": ("n1", "n2"),
        "stage": "coder",
        "who": "ann",
        "opened": NOON,
        "finished": NOON + dt.timedelta(minutes=5),
        "shown": (Shown("n1", "I10", 1, 0.9), Shown("n2", "0DTJ4ZZ", 2, 0.25, selected=False, system="ICD-10-PCS")),
        "codes": (FinalCode("I10", poa="Y"), FinalCode("J1815", "HCPCS")),
        "facts": {"payer": "p"},
        "edits": {"TAB-10": 1},
        "event_id": "r1",
    }
    return Review(**{**given, **facts})


@pytest.fixture
def log(database_url):
    with DecisionLog(database_url) as log:
        yield log


class TestRecording:
    def test_what_is_recorded_comes_back_in_order(self, log):
        made = [
            decision(evidence=((Span(3, 9), Span(20, 24)), (Span(30, 31),)), probability=0.5, encounter_id="e1", reason="sí — 高血圧"),
            decision("E11.9", "replace", final_code="E11.65", versions={"model": "m"}, text_sha256="ab"),
            decision("R05.9", "reject"),
        ]
        assert log.record(*made) == 3
        assert list(log.decisions()) == made

    def test_a_review_comes_back(self, log):
        log.record(review())
        assert list(log.reviews()) == [review()]

    def test_the_same_event_twice_is_recorded_once(self, log):
        one = decision()
        assert (log.record(one), log.record(one), log.record(one, one)) == (1, 0, 0)
        assert len(list(log.decisions())) == 1

    def test_an_event_id_with_other_content_is_refused(self, log):
        log.record(decision(event_id="x"))
        with pytest.raises(DecisionConflictError, match="CS505"):
            log.record(decision("E11.9", event_id="x"))

    def test_a_call_is_recorded_as_a_whole_or_not_at_all(self, log):
        log.record(decision(event_id="x"))
        with pytest.raises(DecisionConflictError):
            log.record(decision("J45.909"), decision("E11.9", event_id="x"))
        assert [d.code for d in log.decisions()] == ["I10"]

    def test_codes_are_stored_in_capitals_with_the_dot(self, log):
        log.record(decision("e119", "replace", final_code="e1165"))
        assert [(d.code, d.final_code) for d in log.decisions()] == [("E11.9", "E11.65")]

    def test_a_code_of_the_wrong_format_is_refused(self, log):
        with pytest.raises(InvalidCodeError, match="CS100"):
            log.record(decision("hypertension"))

    def test_ids_of_two_hundred_characters_of_any_script_fit(self, log):
        note_id = "記" * 200
        log.record(decision(note_id=note_id, event_id="é" * 200))
        assert next(log.decisions(note_id=note_id)).note_id == note_id

    @pytest.mark.parametrize("field", ["event_id", "note_id", "who", "encounter_id"])
    @pytest.mark.parametrize("value", ["x" * 201, "a\0b", "half \ud83d"])
    def test_an_id_that_no_database_can_hold_is_refused_before_it_is_sent(self, log, field, value):
        with pytest.raises(ConfigError, match="CS502"):
            log.record(decision(**{field: value}))

    @pytest.mark.parametrize("value", ["a\0b", "half \ud83d", "\ude00"])
    def test_a_reason_that_is_no_unicode_text_is_refused(self, log, value):
        with pytest.raises(ConfigError, match="CS502"):
            log.record(decision(reason=value))

    def test_a_reason_that_spells_an_escape_is_text(self, log):
        log.record(decision(reason=r"\u0000 and \x00"))
        assert next(log.decisions()).reason == r"\u0000 and \x00"

    def test_composed_and_decomposed_ids_are_two_ids_and_come_back_as_given(self, log):
        log.record(decision(note_id="caf\u00e9"), decision(note_id="cafe\u0301"))
        assert [d.note_id for d in log.decisions()] == ["caf\u00e9", "cafe\u0301"]

    def test_a_time_of_another_zone_is_stored_in_utc(self, log):
        cest = dt.timezone(dt.timedelta(hours=2))
        log.chain.append([Event("q1", "query", "e1", "ann", dt.datetime(2026, 5, 4, 14, tzinfo=cest), {"state": "sent"})])
        assert next(log.chain.read(kind="query")).when == NOON

    def test_a_time_without_a_zone_is_refused(self, log):
        with pytest.raises(ConfigError, match="CS502"):
            log.chain.append([Event("q1", "query", "e1", "ann", dt.datetime(2026, 5, 4), {})])  # noqa: DTZ001 - the point

    @pytest.mark.parametrize("body", [{"p": float("nan")}, {"x": object()}, {"when": NOON}])
    def test_a_body_that_is_not_json_is_refused(self, log, body):
        with pytest.raises(ConfigError, match="CS502"):
            log.chain.append([Event("q1", "query", "e1", "ann", NOON, body)])

    def test_numpy_numbers_are_stored_as_plain_ones(self, log):
        import numpy as np

        one = decision(probability=np.float32(0.5), evidence=((Span(np.int64(1), np.int64(4)),),), event_id="x")
        log.record(one)
        assert log.record(decision(probability=0.5, evidence=((Span(1, 4),),), event_id="x")) == 0

    def test_other_kinds_share_the_chain(self, log):
        log.chain.append([Event("q1", "query", "e1", "ann", NOON, {"state": "sent"}, subject="query-1")])
        log.record(decision())
        assert [e.seq for e in log.chain.read()] == [1, 2]
        assert next(log.chain.read(subject="query-1")).body == {"state": "sent"}
        assert len(list(log.decisions())) == 1
        assert log.verify() == ()

    def test_more_than_a_page_is_read_whole(self, log):
        log.record(*(decision(note_id=f"n{i}", event_id=f"e{i}") for i in range(5003)), revises=None)
        assert [d.event_id for d in log.decisions()] == [f"e{i}" for i in range(5003)]

    def test_events_are_found_by_person_and_time(self, log):
        log.record(decision(who="ann"), decision("E11.9", who="ben", minute=10))
        assert [d.who for d in log.decisions(who="ben")] == ["ben"]
        assert [d.who for d in log.decisions(since=NOON + dt.timedelta(minutes=10))] == ["ben"]

    def test_an_empty_encounter_is_none(self, log):
        log.record(decision(encounter_id=""))
        assert next(log.decisions()).encounter_id is None


class TestStanding:
    def test_the_auditor_stands_over_the_coder_whenever_they_decide(self, log):
        log.record(decision(action="reject", stage="audit", who="eve"), decision(minute=60))
        assert log.standing()["n1", "ICD-10-CM", "I10"].action == "reject"

    def test_the_latest_of_a_stage_stands(self, log):
        log.record(decision(), decision(action="reject", minute=1))
        assert log.standing()["n1", "ICD-10-CM", "I10"].action == "reject"

    def test_history_imported_later_does_not_undo_today(self, log):
        log.record(decision(minute=60))
        log.record(decision(action="reject", who="old system"), revises=None)
        assert log.standing()["n1", "ICD-10-CM", "I10"].action == "accept"

    def test_of_the_very_same_time_the_one_recorded_later_stands(self, log):
        log.record(decision(), decision(action="reject"))
        assert log.standing()["n1", "ICD-10-CM", "I10"].action == "reject"

    def test_a_retracted_decision_does_not_stand(self, log):
        log.record(decision(), decision(action="retract", minute=1))
        assert log.standing() == {}

    def test_what_the_auditor_takes_back_leaves_the_coders(self, log):
        log.record(decision(), decision(action="reject", stage="audit"), decision(action="retract", stage="audit", minute=1))
        assert log.standing()["n1", "ICD-10-CM", "I10"].stage == "coder"

    def test_notes_systems_and_codes_stand_apart(self, log):
        log.record(decision(), decision(note_id="n2"), decision("E11.9"), decision("J1815", system="HCPCS"))
        assert len(log.standing()) == 4

    def test_one_encounter_alone(self, log):
        log.record(decision(encounter_id="e1"), decision("E11.9", note_id="n2", encounter_id="e2"))
        assert [key[0] for key in log.standing(encounter_id="e2")] == ["n2"]


class TestConflicts:
    def test_another_person_must_say_that_the_first_is_revised(self, log):
        log.record(decision(event_id="first"))
        with pytest.raises(DecisionConflictError, match=r"CS506.*'ann' \(accept, event 'first'\)") as caught:
            log.record(decision(action="reject", who="ben", minute=1))
        assert (caught.value.status, caught.value.exit_code) == (409, 5)
        assert len(list(log.decisions())) == 1

    def test_naming_the_first_revises_it(self, log):
        log.record(decision(event_id="first"))
        assert log.record(decision(action="reject", who="ben", minute=1), revises=["first"]) == 1

    def test_naming_one_that_does_not_stand_any_more_is_not_enough(self, log):
        log.record(decision(event_id="first"))
        log.record(decision(action="reject", minute=1))
        with pytest.raises(DecisionConflictError, match="CS506"):
            log.record(decision(action="accept", who="ben", minute=2), revises=["first"])

    def test_the_same_person_may_think_again(self, log):
        log.record(decision())
        assert log.record(decision(action="reject", minute=1)) == 1

    def test_the_auditor_needs_no_leave_of_the_coder(self, log):
        log.record(decision())
        assert log.record(decision(action="reject", stage="audit", who="eve")) == 1

    @pytest.mark.parametrize("open_", ["defer", "retract"])
    def test_what_is_deferred_or_taken_back_is_open_to_everybody(self, log, open_):
        log.record(decision(), decision(action=open_, minute=1))
        assert log.record(decision(who="ben", minute=2)) == 1

    def test_sending_the_first_again_is_no_conflict(self, log):
        first = decision()
        log.record(first)
        log.record(decision(action="reject", who="ben", minute=1), revises=[first.event_id])
        assert log.record(first) == 0

    def test_a_revision_dated_before_what_it_revises_is_refused(self, log):
        log.record(decision(event_id="first", minute=5))
        with pytest.raises(DecisionConflictError, match=r"CS506.*clocks"):
            log.record(decision(action="reject", who="ben"), revises=["first"])

    def test_two_people_in_one_call_conflict_too(self, log):
        with pytest.raises(DecisionConflictError, match="CS506"):
            log.record(decision(), decision(action="reject", who="ben", minute=1))

    def test_history_is_not_looked_at(self, log):
        log.record(decision(), decision(action="reject", who="ben", minute=1), revises=None)
        assert log.standing()["n1", "ICD-10-CM", "I10"].who == "ben"

    def test_the_written_form_of_the_code_does_not_matter(self, log):
        log.record(decision("E11.65"))
        with pytest.raises(DecisionConflictError, match="CS506"):
            log.record(decision("e1165", "reject", who="ben", minute=1))


class TestCodes:
    @pytest.mark.parametrize(
        ("given", "system", "stored"),
        [
            (" e11.65 ", "ICD-10-CM", "E11.65"),
            ("0dtj4zz", "ICD-10-PCS", "0DTJ4ZZ"),
            ("bw03", "ICD-10-PCS", "BW03"),
            ("j1815", "HCPCS", "J1815"),
            ("0001f", "CPT", "0001F"),
        ],
    )
    def test_normal_form(self, given, system, stored):
        assert normal_code(given, system) == stored

    @pytest.mark.parametrize(("given", "system"), [("BI03", "ICD-10-PCS"), ("BW", "ICD-10-PCS"), ("I1", "ICD-10-CM"), ("99", "CPT")])
    def test_what_is_no_code(self, given, system):
        with pytest.raises(InvalidCodeError, match="CS100"):
            normal_code(given, system)


class TestOpening:
    @pytest.mark.parametrize("where", ["mysql://host/db", "nonsense://", "://"])
    def test_an_address_that_is_none(self, where):
        with pytest.raises(ConfigError, match="CS503"):
            DecisionLog(where)

    def test_a_reader_makes_no_file(self, tmp_path):
        with pytest.raises(ConfigError, match="CS503"):
            DecisionLog(tmp_path / "none.sqlite", must_exist=True)
        assert list(tmp_path.iterdir()) == []

    def test_a_file_that_is_no_database(self, tmp_path):
        file = tmp_path / "log.sqlite"
        file.write_bytes(b"This is a letter, not a database. " * 40)
        with pytest.raises(PrerequisiteError, match=r"CS508.*not a database"):
            DecisionLog(file)

    def test_a_folder_that_is_not_there(self, tmp_path):
        with pytest.raises(PrerequisiteError, match="CS508"):
            DecisionLog(tmp_path / "none" / "log.sqlite")

    def test_a_server_that_is_not_there(self, tmp_path):
        with pytest.raises(PrerequisiteError, match="CS508") as caught:
            DecisionLog(f"postgresql://ann:secret@/x?host={tmp_path}")
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("name", ["a b.sqlite", "100%.sqlite", "what?.sqlite", "c#.sqlite"])
    def test_a_file_of_any_name(self, tmp_path, name):
        with DecisionLog(tmp_path / name) as log:
            log.record(decision())
        assert (tmp_path / name).is_file()

    def test_a_full_disk_keeps_what_was_acknowledged_and_nothing_else(self, tmp_path):
        with DecisionLog(tmp_path / "log.sqlite") as log:
            log.record(decision(event_id="kept"))
            with log.chain.engine.connect() as connection:
                pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
                connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
            with pytest.raises(PrerequisiteError, match=r"CS508.*full"):
                log.record(*(decision(note_id=f"n{i}", reason="x" * 500) for i in range(500)))
            assert [d.event_id for d in log.decisions()] == ["kept"]
            assert log.verify() == ()

    def test_an_error_of_the_database_holds_no_values(self, tmp_path):
        with DecisionLog(tmp_path / "log.sqlite") as log:
            with log.chain.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA query_only=ON")
            with pytest.raises(PrerequisiteError) as caught:
                log.record(decision(reason="SECRET REASON"))
        assert "SECRET" not in str(caught.value) + str(caught.value.__cause__)

    def test_two_logs_of_one_file_see_each_other(self, database_url):
        with DecisionLog(database_url) as one, DecisionLog(database_url) as two:
            one.record(decision(event_id="a"))
            two.record(decision("E11.9", event_id="b"))
            assert [d.event_id for d in one.decisions()] == ["a", "b"]

    def test_a_writer_waits_for_another_and_gives_up_in_the_end(self, database_url, monkeypatch):
        monkeypatch.setattr(database, "_BUSY_MS", 200)
        with DecisionLog(database_url) as one, DecisionLog(database_url) as two:
            with database.writing(one.chain.engine), pytest.raises(PrerequisiteError, match="CS508"):
                two.record(decision())
            assert two.record(decision()) == 1

    def test_what_a_writer_was_told_is_written_is_waited_for(self, log):
        with database.writing(log.chain.engine) as connection:
            kind = log.chain.engine.dialect.name
            sql = "PRAGMA synchronous" if kind == "sqlite" else "SELECT current_setting('synchronous_commit')"
            assert connection.exec_driver_sql(sql).scalar_one() in (2, "on")

    def test_a_reader_sees_one_moment_while_a_writer_goes_on(self, log):
        log.record(*(decision(note_id=f"n{i}", event_id=f"a{i}") for i in range(3)))
        reader = log.decisions()
        next(reader)
        log.record(decision(event_id="later"))
        assert log.verify() == ()
        reader.close()


ids = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(str.strip)
times = st.datetimes(timezones=st.just(dt.UTC))
spans = st.tuples(st.integers(0, 5000), st.integers(1, 50)).map(lambda p: Span(p[0], p[0] + p[1]))
references = st.lists(st.lists(spans, min_size=1, max_size=3).map(tuple), max_size=3).map(tuple)
codes = st.sampled_from(["I10", "E11.65", "E11.9", "J45.909", "R05.9"])


@st.composite
def decisions(draw, note_ids=ids):
    action = draw(st.sampled_from(["accept", "reject", "replace", "add", "defer", "retract"]))
    return Decision(
        note_id=draw(note_ids),
        code=draw(codes),
        action=action,
        stage=draw(st.sampled_from(["coder", "audit"])),
        who=draw(ids),
        when=draw(times),
        final_code=draw(codes) if action == "replace" else None,
        evidence=draw(references),
        encounter_id=draw(st.none() | ids),
        reason=draw(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)),
        probability=draw(st.none() | st.floats(0, 1)),
        versions=draw(st.dictionaries(ids, ids, max_size=2)),
        event_id=uuid.uuid4().hex,
    )


@settings(max_examples=60)
@given(decisions())
def test_an_event_of_a_decision_gives_the_decision(made):
    assert decision_of(to_event(made)) == made


def test_an_event_of_a_review_gives_the_review():
    assert review_of(to_event(review())) == review()


@settings(max_examples=25)
@given(st.lists(decisions(st.sampled_from(["n1", "n2"])), max_size=12))
def test_replaying_the_log_gives_the_state(made):
    with DecisionLog("sqlite://") as log:
        for one in made:
            log.record(one, revises=None)
        assert log.verify() == ()
        state = log.standing()
    expected = {}
    for key in {(d.note_id, d.system, d.code) for d in made}:
        for stage in ("audit", "coder"):
            of_stage = [d for d in made if (d.note_id, d.system, d.code) == key and d.stage == stage]
            latest = max(enumerate(of_stage), key=lambda pair: (pair[1].when, pair[0]), default=(0, None))[1]
            if latest is not None and latest.action != "retract":
                expected[key] = latest
                break
    assert state == expected


@settings(max_examples=25)
@given(st.lists(decisions(st.sampled_from(["n1", "n2"])), max_size=12), st.randoms(use_true_random=False))
def test_what_stands_does_not_depend_on_the_order_of_recording(made, random):
    distinct = list({d.when: d for d in made}.values())
    shuffled = random.sample(distinct, len(distinct))
    one, two = Standing(distinct), Standing(shuffled)
    assert {key: one.of(key) for key in one} == {key: two.of(key) for key in two}
