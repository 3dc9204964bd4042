"""The commands of ``codesuggest decisions``."""

import json
import sqlite3

import pytest

from codesuggest.decisions import DecisionLog

ROWS = [
    {"note_id": "n1", "encounter_id": "e1", "code": "I10", "action": "accept", "who": "ann", "when": "2026-05-04T10:00:00Z"},
    {
        "note_id": "n1",
        "encounter_id": "e1",
        "code": "E119",
        "action": "replace",
        "final_code": "E1165",
        "who": "ann",
        "when": "2026-05-04T10:01:00Z",
    },
    {
        "note_id": "n1",
        "encounter_id": "e1",
        "code": "I10",
        "action": "reject",
        "stage": "audit",
        "who": "eve",
        "when": "2026-05-06T10:00:00Z",
        "reason": "not\ntreated",
    },
    {"note_id": "n2", "code": "R059", "action": "defer", "who": "ben", "when": "2026-05-05T10:00:00Z", "event_id": "d4"},
]


@pytest.fixture
def database(tmp_path, run):
    """Return a log with four decisions."""
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    database = tmp_path / "log.sqlite"
    result = run("decisions", "import", file, "--db", database)
    assert (result.exit_code, result.stdout) == (0, "4 rows: 4 recorded, 0 already there, 0 kept aside\n")
    return database


def tamper(database, sql):
    connection = sqlite3.connect(database)
    connection.execute(sql)
    connection.commit()
    connection.close()


class TestVerify:
    def test_a_log_that_holds(self, run, database):
        result = run("decisions", "verify", "--db", database)
        assert result.exit_code == 0
        assert result.stdout.startswith("4 events, nothing was changed. head ")
        head = result.stdout.split()[-1]
        assert run("decisions", "verify", "--db", database, "--head", head).exit_code == 0

    def test_a_log_that_was_changed_says_where(self, run, database):
        tamper(database, "UPDATE codesuggest_events SET who = 'bob' WHERE seq = 2")
        result = run("decisions", "verify", "--db", database)
        assert result.exit_code == 4
        assert result.stdout.startswith("event 2 (row-")

    def test_another_log(self, run, database):
        result = run("decisions", "verify", "--db", database, "--head", "f" * 64)
        assert result.exit_code == 5
        assert "kept elsewhere" in result.stdout

    def test_many_places_are_counted(self, run, database, tmp_path):
        with DecisionLog(database) as log:
            from codesuggest.records import Decision

            first = next(log.decisions())
            log.record(*(Decision(f"n{i}", "I10", "accept", "coder", "ann", first.when) for i in range(30)), revises=None)
        tamper(database, "UPDATE codesuggest_events SET who = 'bob'")
        assert "… and 14 more places" in run("decisions", "verify", "--db", database).stdout


class TestList:
    @pytest.mark.parametrize(
        ("options", "n"),
        [
            ((), 4),
            (("--encounter", "e1"), 3),
            (("--note", "n2"), 1),
            (("--coder", "ann"), 2),
            (("--who", "eve"), 1),
            (("--code", "e11"), 1),
            (("--code", "E11.65"), 1),
            (("--code", "i10"), 2),
            (("--stage", "audit"), 1),
            (("--since", "2026-05-05"), 2),
            (("--since", "2026-05-05", "--until", "2026-05-06"), 1),
            (("--coder", "nobody"), 0),
        ],
    )
    def test_filters(self, run, database, options, n):
        result = run("decisions", "list", "--db", database, *options)
        assert result.exit_code == 0
        assert result.stdout.rstrip().endswith(f"{n} decisions")
        lines = run("decisions", "list", "--db", database, "--json", *options).stdout.splitlines()
        assert len(lines) == n

    def test_the_last_ones_when_there_are_many(self, run, database):
        result = run("decisions", "list", "--db", database, "--limit", 1)
        assert "4 decisions, the last 1 of them here" in result.stdout
        assert "R05.9" in result.stdout
        assert "E11.9" not in result.stdout

    def test_the_database_of_the_environment(self, run, database, monkeypatch):
        monkeypatch.setenv("CODESUGGEST_DB", str(database))
        assert run("decisions", "list").stdout.rstrip().endswith("4 decisions")

    def test_the_database_of_this_folder(self, run, database, monkeypatch, tmp_path):
        monkeypatch.delenv("CODESUGGEST_DB", raising=False)
        monkeypatch.chdir(tmp_path)
        result = run("decisions", "list")
        assert (result.exit_code, "CS503" in result.stderr) == (2, True)
        database.rename(tmp_path / "codesuggest.sqlite")
        assert run("decisions", "list").exit_code == 0


class TestShow:
    def test_an_event(self, run, database):
        assert json.loads(run("decisions", "show", "d4", "--db", database).stdout)["code"] == "R05.9"

    def test_an_encounter_shows_what_stands_and_what_was_before(self, run, database):
        shown = run("decisions", "show", "e1", "--db", database).stdout
        stands, _, before = shown.partition("when (UTC)")
        assert "E11.65 (in the place of E11.9), coder ann" in stands
        assert "not I10, audit eve, not treated" in stands
        assert "accept" in before

    def test_a_note(self, run, database):
        assert "R05.9 is deferred" in run("decisions", "show", "n2", "--db", database).stdout

    def test_json(self, run, database):
        found = json.loads(run("decisions", "show", "e1", "--db", database, "--json").stdout)
        assert (len(found["standing"]), len(found["events"])) == (2, 3)

    def test_nothing_of_that_name(self, run, database):
        result = run("decisions", "show", "the patient", "--db", database)
        assert (result.exit_code, "CS538" in result.stderr, "patient" in result.stderr) == (3, True, False)


class TestFiles:
    @pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
    def test_export_and_import(self, run, database, tmp_path, ending):
        file = tmp_path / f"out.{ending}"
        assert "4 events in" in run("decisions", "export", file, "--db", database).stdout
        other = tmp_path / "other.sqlite"
        assert run("decisions", "import", file, "--db", other).exit_code == 0
        heads = [run("decisions", "verify", "--db", db).stdout for db in (database, other)]
        assert heads[0] == heads[1]

    def test_a_part_of_the_log(self, run, database, tmp_path):
        assert "1 events in" in run("decisions", "export", tmp_path / "a.csv", "--db", database, "--stage", "audit").stdout

    def test_rows_kept_aside_are_told_with_their_lines_and_no_text(self, run, database, tmp_path):
        file = tmp_path / "a.csv"
        file.write_text("DOC,CODE,BY,ON,extra\nn1,I10,ann,05/04/2026,1\nn1,Mrs Terrazas fell,ann,05/04/2026,1\n", encoding="utf-8")
        columns = [x for c in ("note_id=DOC", "code=CODE", "who=BY", "when=ON") for x in ("--column", c)]
        result = run(
            "decisions", "import", file, "--db", database, *columns, "--default", "action=add", "--time-format", "%m/%d/%Y"
        )
        assert result.exit_code == 2
        assert result.stdout == "2 rows: 1 recorded, 0 already there, 1 kept aside\n"
        assert "columns not read: extra" in result.stderr
        assert "line 3: [CS100]" in result.stderr
        assert "Terrazas" not in result.output
        assert "Terrazas" in (tmp_path / "a.csv.rejects.jsonl").read_text()

    @pytest.mark.parametrize("option", ["--column", "--default", "--value"])
    def test_a_pair_that_is_none(self, run, database, tmp_path, option):
        result = run("decisions", "import", tmp_path / "rows.jsonl", "--db", database, option, "who")
        assert (result.exit_code, "CS530" in result.stderr) == (2, True)

    def test_schema(self, run):
        assert json.loads(run("decisions", "schema").stdout)["$schema"].endswith("2020-12/schema")
