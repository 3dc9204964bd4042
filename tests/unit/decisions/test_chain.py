"""The chain: nothing acknowledged is lost, nothing half is kept, writers do not get in each other's way, and tampering shows."""

import datetime as dt
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from codesuggest.decisions import DecisionLog
from codesuggest.decisions.events import GENESIS, NOT_IN_CHAIN
from codesuggest.errors import BundleError
from codesuggest.records import Decision

WRITER = Path(__file__).parent / "writer.py"
NOON = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)


def start(url, name, count):
    return subprocess.Popen([sys.executable, WRITER, url, name, str(count)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def log(database_url):
    """Return a log of ten events."""
    with DecisionLog(database_url) as log:
        for i in range(10):
            log.record(Decision(f"n{i}", "I10", "accept", "coder", "ann", NOON, encounter_id=f"e{i}", event_id=f"d{i}"))
        yield log


def change(log, sql, **values):
    """Change the database behind the log's back."""
    with log.chain.engine.connect().execution_options(writing=True) as connection, connection.begin():
        connection.execute(text(sql), values)


class TestWriters:
    def test_what_was_acknowledged_survives_kill_9_and_nothing_is_half_there(self, database_url):
        rng = random.Random(7)  # noqa: S311 - for moments, not for secrets
        acknowledged = set()
        for turn in range(3):
            process = start(database_url, f"w{turn}", 100_000)
            lines = [process.stdout.readline() for _ in range(rng.randrange(1, 25))]
            time.sleep(rng.random() / 100)
            process.kill()
            rest = process.communicate()[0]
            done = [line for line in "".join([*lines, rest]).splitlines(keepends=True) if line.endswith("\n")]
            acknowledged |= {f"w{turn}-{int(line)}" for line in done}
        with DecisionLog(database_url) as log:
            assert log.verify() == ()
            found = [d.note_id for d in log.decisions()]
            log.record(Decision("after", "I10", "accept", "coder", "ann", NOON))
            assert log.verify() == ()
        assert acknowledged
        assert acknowledged <= set(found)
        assert all(found.count(note_id) == 2 for note_id in set(found))
        assert len(set(found)) <= len(acknowledged) + 3  # at most the last of each, written and not yet told

    def test_processes_that_make_the_database_at_once_write_one_chain(self, database_url):
        processes = [start(database_url, f"w{i}", 15) for i in range(3)]
        errors = [process.communicate(timeout=120)[1] for process in processes]
        assert errors == [""] * 3
        with DecisionLog(database_url) as log:
            assert log.verify() == ()
            assert log.chain.head()[0] == 3 * 15 * 2
            for i in range(3):
                assert [d.note_id for d in log.decisions(who=f"w{i}")] == [f"w{i}-{k}" for k in range(15) for _ in "12"]

    def test_the_same_events_from_two_processes_are_recorded_once(self, database_url):
        processes = [start(database_url, "same", 15) for _ in range(2)]
        assert [process.communicate(timeout=120)[1] for process in processes] == ["", ""]
        with DecisionLog(database_url) as log:
            assert log.chain.head()[0] == 30
            assert log.verify() == ()


COLUMNS = {
    "event_id": "other",
    "kind": "query",
    "encounter_id": "e99",
    "subject": "n99",
    "who": "eve",
    "happened_at": "2020-01-01T00:00:00.000000+00:00",
    "body": "{}",
}


class TestTampering:
    def test_an_untouched_chain_holds(self, log):
        assert log.verify() == ()
        assert log.verify(head=log.chain.head()[1]) == ()

    @pytest.mark.parametrize("column", COLUMNS)
    def test_a_changed_value_is_found_at_its_event(self, log, column):
        sql = f"UPDATE codesuggest_events SET {column} = :value WHERE seq = 4"  # noqa: S608 - a name of ours
        change(log, sql, value=COLUMNS[column])
        assert [p.seq for p in log.verify()] == [4]

    def test_a_changed_hash_is_found(self, log):
        change(log, "UPDATE codesuggest_events SET hash = :value WHERE seq = 4", value="f" * 64)
        assert [p.seq for p in log.verify()] == [4, 5]

    def test_a_changed_event_with_its_hash_made_anew_is_found_after_it(self, log):
        from codesuggest.decisions.events import _link

        with log.chain.engine.connect() as connection:
            rows = connection.execute(text("SELECT * FROM codesuggest_events WHERE seq IN (3, 4) ORDER BY seq")).all()
        forged = [*rows[1]]
        forged[5] = "eve"
        change(log, "UPDATE codesuggest_events SET who = 'eve', hash = :hash WHERE seq = 4", hash=_link(rows[0].hash, forged[:-1]))
        assert [p.seq for p in log.verify()] == [5]

    def test_deleted_events_are_found(self, log):
        change(log, "DELETE FROM codesuggest_events WHERE seq IN (4, 5)")
        problems = log.verify()
        assert [p.seq for p in problems] == [4]
        assert "events 4 to 5 are missing" in problems[0].what

    def test_the_first_event_deleted_is_found(self, log):
        change(log, "DELETE FROM codesuggest_events WHERE seq = 1")
        assert "event 1 is missing" in log.verify()[0].what

    def test_events_cut_off_at_the_end_are_found(self, log):
        change(log, "DELETE FROM codesuggest_events WHERE seq > 7")
        assert [(p.seq, "ends at event 7, its head says 10" in p.what) for p in log.verify()] == [(7, True)]

    def test_all_events_deleted_is_found(self, log):
        change(log, "DELETE FROM codesuggest_events")
        assert [p.seq for p in log.verify()] == [0]

    def test_an_inserted_event_is_found(self, log):
        change(log, "UPDATE codesuggest_events SET seq = -1 WHERE seq = 10")
        assert [p.seq for p in log.verify()] == [-1, 9]

    def test_an_event_put_in_the_middle_is_found(self, log):
        change(log, "UPDATE codesuggest_events SET seq = seq + 1000 WHERE seq >= 4")
        change(log, "UPDATE codesuggest_events SET seq = seq - 999 WHERE seq > 1000")
        change(
            log,
            "INSERT INTO codesuggest_events SELECT 4, 'new', kind, encounter_id, subject, who, happened_at, body, hash "
            "FROM codesuggest_events WHERE seq = 3",
        )
        assert log.verify()[0].seq == 4

    def test_events_that_changed_places_are_found(self, log):
        change(log, "UPDATE codesuggest_events SET seq = 100 WHERE seq = 4")
        change(log, "UPDATE codesuggest_events SET seq = 4 WHERE seq = 5")
        change(log, "UPDATE codesuggest_events SET seq = 5 WHERE seq = 100")
        assert {p.seq for p in log.verify()} == {4, 5, 6}

    def test_a_changed_head_is_found(self, log):
        change(log, "UPDATE codesuggest_heads SET hash = :hash", hash="f" * 64)
        assert ["head of the chain" in p.what for p in log.verify()] == [True]

    def test_a_deleted_head_is_found(self, log):
        change(log, "DELETE FROM codesuggest_heads")
        assert [p.seq for p in log.verify()] == [10]

    @pytest.mark.parametrize(
        "sql",
        [
            "DELETE FROM codesuggest_heads",
            "DELETE FROM codesuggest_events WHERE seq = 10",
            "UPDATE codesuggest_heads SET seq = 9",
        ],
    )
    def test_nothing_is_written_after_an_end_that_was_tampered_with(self, log, sql):
        change(log, sql)
        with pytest.raises(BundleError, match="CS509"):
            log.record(Decision("n", "I10", "accept", "coder", "ann", NOON))

    def test_a_chain_made_anew_is_told_by_the_head_that_was_kept(self, log, tmp_path):
        kept = log.chain.head()[1]
        with DecisionLog(tmp_path / "forged.sqlite") as forged:
            for d in log.decisions():
                forged.record(d if d.note_id != "n4" else Decision("n4", "I10", "reject", "coder", "ann", NOON, event_id="d4"))
            assert forged.verify() == ()
            assert [p.what for p in forged.verify(head=kept)] == [NOT_IN_CHAIN]

    def test_a_head_that_was_kept_stays_in_the_chain_as_it_grows(self, log):
        kept = log.chain.head()[1]
        log.record(Decision("n", "I10", "accept", "coder", "ann", NOON))
        assert log.verify(head=kept) == ()
        assert log.verify(head=GENESIS) == ()

    def test_values_of_another_type_are_found_and_not_tripped_over(self, tmp_path):
        with DecisionLog(tmp_path / "log.sqlite") as log:
            for i in range(3):
                log.record(Decision(f"n{i}", "I10", "accept", "coder", "ann", NOON))
            change(log, "UPDATE codesuggest_events SET body = x'ff00' WHERE seq = 1")
            change(log, "UPDATE codesuggest_events SET who = CAST(x'ff61' AS TEXT) WHERE seq = 2")
            change(log, "UPDATE codesuggest_events SET hash = x'00' WHERE seq = 3")
            assert [p.seq for p in log.verify()] == [1, 2, 3, 3]
