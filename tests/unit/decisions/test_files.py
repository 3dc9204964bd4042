"""Files of decisions: an export reads back as it was; an import takes in what it can and keeps the rest aside."""

import csv
import datetime as dt
import gzip
import io
import json
import stat

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesuggest.decisions import DecisionLog
from codesuggest.decisions.events import Event
from codesuggest.decisions.files import export_events, import_file
from codesuggest.decisions.rows import FIELDS, RowReader, row_of, row_schema
from codesuggest.errors import CodesuggestError, ConfigError, InputFormatError
from codesuggest.records import Decision, FinalCode, Review, Shown, Span

NOON = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)
ENDINGS = ("jsonl", "jsonl.gz", "csv", "csv.gz", "tsv", "parquet")
NASTY = ("=1+1", "'=x", "'tis", "+1", "-1", "@a", "a,b;c\td", 'say "no"', "two\nlines", "cr\r\nlf", "lone\rcr", " padded ", "é 高 😀", "''=")


@pytest.fixture
def log(tmp_path):
    with DecisionLog(tmp_path / "log.sqlite") as log:
        yield log


@pytest.fixture
def full_log(log):
    """Return a log with events of every kind, and texts that files like to break."""
    log.record(
        Decision(
            "n1",
            "E11.9",
            "replace",
            "audit",
            "eve",
            NOON.replace(microsecond=123456),
            final_code="E11.65",
            evidence=((Span(3, 9), Span(20, 24)), (Span(30, 31),)),
            encounter_id="e1",
            probability=0.1 + 0.2,
            text_sha256="ab" * 32,
            versions={"model": "m", "icd10cm": "2026-04-01"},
            event_id="d0",
        ),
        Review(
            "e1",
            ("n1",),
            "coder",
            "ann",
            NOON,
            NOON + dt.timedelta(minutes=5),
            (Shown("n1", "I10", 1, 0.875, selected=False),),
            (FinalCode("I10", poa="Y"), FinalCode("J1815", "HCPCS")),
            {"payer": "p"},
            edits={"TAB-10": 1},
            versions={"model": "m"},
            event_id="r1",
        ),
        *(
            Decision("n2", "I10", action, "coder", text, NOON, reason=text, event_id=f"d{i}-{action}")
            for i, text in enumerate(NASTY, 1)
            for action in ("accept", "defer")
        ),
        revises=None,
    )
    log.chain.append([Event("q1", "query", "e1", "ann", NOON, {"state": "sent", "n": [1, None, True]}, subject="query-1")])
    return log


def rejects(done):
    return [json.loads(line) for line in done.rejects.read_text(encoding="ascii").splitlines()]


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


class TestRoundTrip:
    @pytest.mark.parametrize("ending", ENDINGS)
    def test_an_export_reads_back_as_it_was(self, full_log, tmp_path, ending):
        file = tmp_path / f"log.{ending}"
        n = export_events(full_log.chain.read(), file)
        with DecisionLog(tmp_path / "other.sqlite") as other:
            done = import_file(other, file)
            assert (done.n_rows, done.n_new, done.n_rejected, done.unread) == (n, n, 0, ())
            assert list(other.chain.read()) == list(full_log.chain.read())
            assert other.chain.head() == full_log.chain.head()

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_importing_again_records_nothing(self, full_log, tmp_path, ending):
        file = tmp_path / f"log.{ending}"
        n = export_events(full_log.chain.read(), file)
        done = import_file(full_log, file)
        assert (done.n_new, done.n_known) == (0, n)

    @settings(max_examples=15)
    @given(
        st.lists(
            st.tuples(
                st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
                st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(str.strip),
                st.none() | st.floats(0, 1),
            ),
            min_size=1,
            max_size=5,
        )
    )
    @pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
    def test_any_text_reads_back(self, tmp_path, ending, rows):
        made = [
            Decision(name, "I10", "accept", "coder", name, NOON, reason=reason, probability=p, event_id=f"e{i}")
            for i, (reason, name, p) in enumerate(rows)
        ]
        file = tmp_path / f"log.{ending}"
        with DecisionLog("sqlite://") as log, DecisionLog("sqlite://") as other:
            log.record(*made, revises=None)
            export_events(log.chain.read(), file)
            import_file(other, file)
            assert list(other.decisions()) == made

    def test_no_cell_of_a_csv_runs_as_a_formula(self, full_log, tmp_path):
        file = tmp_path / "log.csv"
        export_events(full_log.chain.read(), file)
        with file.open(encoding="utf-8", newline="") as stream:
            assert not [c for row in csv.reader(stream) for c in row if c.startswith(("=", "+", "-", "@", "\t", "\r"))]

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_a_review_of_many_suggestions_reads_back(self, log, tmp_path, ending):
        shown = tuple(Shown("n1", "E11.65", i, 1 / i) for i in range(1, 5000))
        log.record(Review("e1", ("n1",), "coder", "ann", NOON, NOON, shown, event_id="r1"))
        export_events(log.chain.read(), tmp_path / f"log.{ending}")
        with DecisionLog(tmp_path / "other.sqlite") as other:
            import_file(other, tmp_path / f"log.{ending}")
            assert next(other.reviews()).shown == shown

    def test_every_line_of_an_export_keeps_the_schema(self, full_log):
        validator = jsonschema.Draft202012Validator(row_schema())
        for event in full_log.chain.read():
            validator.validate(row_of(event))

    def test_the_schema_is_sound_and_refuses_what_is_no_decision(self, full_log):
        jsonschema.Draft202012Validator.check_schema(row_schema())
        row = row_of(next(full_log.chain.read(kind="decision")))
        for change in ({"action": "maybe"}, {"evidence": [[[3]]]}, {"extra": 1}, {"probability": 2}):
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate({**row, **change}, row_schema())

    def test_columns_of_csv_and_parquet_are_the_published_ones(self, full_log, tmp_path):
        import pyarrow.parquet

        export_events(full_log.chain.read(), tmp_path / "log.csv")
        export_events(full_log.chain.read(), tmp_path / "log.parquet")
        assert (tmp_path / "log.csv").read_text(encoding="utf-8").splitlines()[0].split(",") == list(FIELDS)
        assert pyarrow.parquet.read_schema(tmp_path / "log.parquet").names == list(FIELDS)

    def test_a_file_appears_whole_or_not_at_all(self, full_log, tmp_path):
        def broken():
            yield next(full_log.chain.read())
            raise RuntimeError

        file = write(tmp_path / "log.jsonl", "as it was")
        with pytest.raises(RuntimeError):
            export_events(broken(), file)
        assert file.read_text() == "as it was"
        assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []

    @pytest.mark.parametrize(
        ("name", "error"),
        [("log.xlsx", "CS535"), ("log.jsonl.zst", "CS535"), ("log.parquet.gz", "CS535"), ("none/log.csv", "CS537")],
    )
    def test_where_nothing_can_be_written(self, full_log, tmp_path, name, error):
        with pytest.raises(ConfigError, match=error):
            export_events(full_log.chain.read(), tmp_path / name)


COLUMNS = {"who": "CODER", "when": "DAY", "note_id": "DOC", "code": "SUGGESTED", "final_code": "FINAL"}
HEADER = "CODER,DAY,DOC,SUGGESTED,FINAL,WHY\n"


class TestForeignFiles:
    def test_columns_of_any_name_and_codes_in_any_spelling(self, log, tmp_path):
        file = write(tmp_path / "a.csv", HEADER + "ann,2026-05-04,n1,e119,E1165,because\n")
        done = import_file(log, file, reader=RowReader({**COLUMNS, "reason": "WHY"}))
        assert (done.n_new, done.unread) == (1, ())
        (d,) = log.decisions()
        assert (d.code, d.action, d.final_code, d.reason, d.stage, d.encounter_id) == ("E11.9", "replace", "E11.65", "because", "coder", None)

    @pytest.mark.parametrize(
        ("suggested", "final", "action", "code"),
        [("I10", "i10", "accept", "I10"), ("E11.9", "E11.65", "replace", "E11.9"), ("", "I10", "add", "I10"), ("I10", "", "reject", "I10")],
    )
    def test_an_action_follows_from_the_two_codes(self, log, tmp_path, suggested, final, action, code):
        file = write(tmp_path / "a.csv", HEADER + f"ann,2026-05-04,n1,{suggested},{final},\n")
        import_file(log, file, reader=RowReader(COLUMNS))
        assert [(d.action, d.code) for d in log.decisions()] == [(action, code)]

    def test_codes_alone_need_an_action_for_all(self, log, tmp_path):
        file = write(tmp_path / "a.csv", "note_id,code,who,when\nn1,I10,ann,2026-05-04\n")
        done = import_file(log, file)
        assert (done.n_new, [r.error_id for r in done.first]) == (0, ["CS532"])
        assert import_file(log, file, reader=RowReader(defaults={"action": "add"})).n_new == 1

    def test_years_of_final_codes_by_encounter(self, log, tmp_path):
        file = write(tmp_path / "a.csv", "encounter_id,final_code,when\ne1,I10,2019-05-04\ne1,E1165,2019-05-04\n")
        import_file(log, file, reader=RowReader(defaults={"who": "billing"}))
        assert [(d.encounter_id, d.note_id, d.action, d.final_code) for d in log.decisions()] == [
            ("e1", "e1", "add", "I10"),
            ("e1", "e1", "add", "E11.65"),
        ]

    @pytest.mark.parametrize(
        ("given", "timezone", "time_format", "utc"),
        [
            ("2026-05-04T12:00:00Z", "UTC", None, NOON),
            ("2026-05-04T08:00:00-04:00", "Europe/Madrid", None, NOON),
            ("2026-05-04 08:00", "America/New_York", None, NOON),
            ("05/04/2026 8:00 AM", "America/New_York", "%m/%d/%Y %I:%M %p", NOON),
            ("2026-05-04", "UTC", None, NOON.replace(hour=0)),
        ],
    )
    def test_times(self, given, timezone, time_format, utc):
        reader = RowReader(timezone=timezone, time_format=time_format)
        row = {"note_id": "n1", "code": "I10", "action": "add", "who": "ann", "when": given}
        assert reader.event(row).when == utc

    @pytest.mark.parametrize(
        ("given", "spans"),
        [
            ("12-20", (((12, 20),),)),
            ("12-20;30-35+40-44", (((12, 20),), ((30, 35), (40, 44)))),
            ("[[12, 20]]", (((12, 20),),)),
            ("[[[12, 20], [30, 35]]]", (((12, 20), (30, 35)),)),
            ([[[12, 20]], [[30, 35]]], (((12, 20),), ((30, 35),))),
            ([12, 20], (((12, 20),),)),
            ([{"start": 12, "end": 20}], (((12, 20),),)),
            ([{"code": "I10", "spans": [[12, 20], [30, 35]]}], (((12, 20), (30, 35)),)),
            ("", ()),
            (None, ()),
            ([], ()),
        ],
    )
    def test_evidence(self, given, spans):
        row = {"note_id": "n1", "code": "I10", "action": "add", "who": "ann", "when": "2026-05-04", "evidence": given}
        expected = [[list(piece) for piece in reference] for reference in spans]
        assert RowReader().event(row).body["evidence"] == expected

    @pytest.mark.parametrize("given", ["ICD10CM", "icd-10-cm", "http://hl7.org/fhir/sid/icd-10-cm", "ICD-10"])
    def test_names_of_code_systems(self, given):
        row = {"note_id": "n1", "code": "I10", "action": "add", "who": "ann", "when": "2026-05-04", "system": given}
        assert RowReader().event(row).body["system"] == "ICD-10-CM"

    def test_another_systems_column_called_kind_does_no_harm(self):
        row = {"note_id": "n1", "code": "I10", "action": "add", "who": "ann", "when": "2026-05-04", "kind": "discharge summary"}
        assert RowReader().event(row).kind == "decision"

    def test_words_of_another_system(self, log, tmp_path):
        file = write(tmp_path / "a.csv", "note_id,code,who,when,action,stage\nn1,I10,ann,2026-05-04,OK,Auditor\nn1,R059,ann,2026-05-04,Rejected,\n")
        import_file(log, file, reader=RowReader(values={"action:ok": "accept"}))
        assert [(d.action, d.stage) for d in log.decisions()] == [("accept", "audit"), ("reject", "coder")]

    def test_ids_that_are_numbers(self, log, tmp_path):
        import pyarrow as pa
        import pyarrow.parquet

        table = pa.table({"note_id": [7.0, None], "code": ["I10", "I10"], "who": [1, 2], "when": [NOON, NOON], "action": ["add", "add"]})
        pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
        done = import_file(log, tmp_path / "a.parquet")
        assert [(d.note_id, d.who) for d in log.decisions()] == [("7", "1")]
        assert [(r.line, r.error_id) for r in done.first] == [(2, "CS532")]

    def test_ids_follow_from_the_content_whatever_the_file(self, tmp_path):
        rows = [{"note_id": "n1", "code": "I10", "action": "add", "who": "ann", "when": "2026-05-04"}]
        write(tmp_path / "a.jsonl", json.dumps(rows[0]) + "\n")
        write(tmp_path / "b.csv", "when,who,action,code,note_id\n2026-05-04T00:00:00Z,ann,Added,i10,n1\n")
        with DecisionLog(tmp_path / "log.sqlite") as log:
            assert [import_file(log, tmp_path / name).n_new for name in ("a.jsonl", "b.csv", "a.jsonl")] == [1, 0, 0]

    def test_a_file_saved_by_a_spreadsheet(self, log, tmp_path):
        file = write(tmp_path / "a.csv", "note_id;code;who;when;action;reason\r\nn1;I10;José;2026-05-04;add;sí\r\n", "cp1252")
        done = import_file(log, file, delimiter=";")
        assert (done.n_windows, [(d.who, d.reason) for d in log.decisions()]) == (1, [("José", "sí")])

    def test_a_byte_order_mark_is_no_part_of_the_header(self, log, tmp_path):
        file = write(tmp_path / "a.csv", "\ufeffnote_id,code,who,when,action\nn1,I10,ann,2026-05-04,add\n")
        assert import_file(log, file).n_new == 1

    @pytest.mark.parametrize(
        ("text", "error"),
        [
            ("note_id,code,when\nn1,I10,2026-05-04\n", "CS531.*'who'"),
            ("The patient says her chest hurts\nn1,I10\n", "CS531.*none that reads like a name"),
            ("code,code,who,when,note_id\n", "CS536"),
        ],
    )
    def test_a_header_that_will_not_do(self, log, tmp_path, text, error):
        with pytest.raises(CodesuggestError, match=error) as caught:
            import_file(log, write(tmp_path / "a.csv", text))
        assert "chest" not in str(caught.value)

    @pytest.mark.parametrize("ending", ["parquet", "csv.gz"])
    def test_a_damaged_file(self, log, tmp_path, ending):
        with pytest.raises(InputFormatError, match="CS5"):
            import_file(log, write(tmp_path / f"a.{ending}", "this is something else altogether"))

    def test_a_file_that_is_not_there(self, log, tmp_path):
        for name in ("none.csv", "none.parquet", "none.jsonl"):
            with pytest.raises(InputFormatError, match="CS159"):
                import_file(log, tmp_path / name)

    @pytest.mark.parametrize("facts", [{"columns": {"coder": "X"}}, {"defaults": {"x": "1"}}, {"values": {"a:b": "c"}}, {"timezone": "Mars/Base"}])
    def test_settings_that_are_none(self, facts):
        with pytest.raises(ConfigError, match="CS530"):
            RowReader(**facts)


GOOD = {"note_id": "n1", "code": "I10", "action": "accept", "who": "ann", "when": "2026-05-04"}


class TestRejects:
    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"code": "the patient said so"}, "CS100"),
            ({"code": None}, "CS532"),
            ({"who": ""}, "CS532"),
            ({"note_id": None}, "CS532"),
            ({"when": "yesterday"}, "CS533"),
            ({"when": 20260504}, "CS533"),
            ({"when": "0001-01-01T00:00:00+14:00"}, "CS533"),
            ({"action": "perhaps"}, "CS533"),
            ({"stage": "boss"}, "CS533"),
            ({"system": "SNOMED"}, "CS533"),
            ({"probability": "high"}, "CS533"),
            ({"probability": 1.5}, "CS501"),
            ({"final_code": "E11.9"}, "CS501"),
            ({"action": "replace"}, "CS501"),
            ({"evidence": "chest pain"}, "CS534"),
            ({"evidence": [[[9, 3]]]}, "CS151"),
            ({"evidence": [[]]}, "CS534"),
            ({"evidence": [[[1, 2, 3]]]}, "CS534"),
            ({"evidence": 7}, "CS534"),
            ({"versions": "m1"}, "CS534"),
            ({"note_id": "x" * 201}, "CS533"),
            ({"note_id": ["n1"]}, "CS533"),
            ({"who": True}, "CS533"),
            ({"reason": "a\0b"}, "CS502"),
            ({"reason": "half \ud83d"}, "CS502"),
            ({"kind": "review"}, "CS53"),
            ({"kind": "query", "code": None}, "CS534"),
        ],
    )
    def test_a_row_that_cannot_be_read_is_kept_aside_and_the_rest_goes_in(self, log, tmp_path, change, error):
        rows = [{**GOOD, "note_id": "a"}, {**GOOD, **change}, {**GOOD, "note_id": "b"}]
        done = import_file(log, write(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows)))
        assert [d.note_id for d in log.decisions()] == ["a", "b"]
        assert [r.line for r in done.first] == [2]
        assert done.first[0].error_id.startswith(error)
        assert rejects(done)[0]["row"] == {**GOOD, **change}
        for value in change.values():
            assert not isinstance(value, str) or len(value) < 8 or value not in done.first[0].message

    def test_an_event_id_taken_by_other_content(self, log, tmp_path):
        rows = [{**GOOD, "event_id": "x"}, {**GOOD, "event_id": "x", "code": "E11.9"}, {**GOOD, "event_id": "y"}]
        done = import_file(log, write(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows)))
        assert (done.n_new, [(r.line, r.error_id) for r in done.first]) == (2, [(2, "CS505")])

    def test_lines_that_are_no_json(self, log, tmp_path):
        text = json.dumps(GOOD) + '\n{"note_id": \n\n[1]\n\udcff\n'
        file = tmp_path / "a.jsonl"
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
        done = import_file(log, file)
        assert (done.n_rows, done.n_new, [r.line for r in done.first]) == (4, 1, [2, 4, 5])

    def test_a_missing_quote_costs_its_own_line(self, log, tmp_path):
        lines = [f'n{i},I10,ann,2026-05-04,add,"why, {i}"' for i in range(6)]
        lines[2] = lines[2][:-1]
        file = write(tmp_path / "a.csv", "note_id,code,who,when,action,reason\n" + "\n".join(lines) + "\n")
        done = import_file(log, file)
        assert [(r.line, r.error_id) for r in done.first] == [(4, "CS536")]
        assert [d.note_id for d in log.decisions()] == ["n0", "n1", "n3", "n4", "n5"]

    def test_a_row_with_too_few_cells(self, log, tmp_path):
        file = write(tmp_path / "a.csv", "note_id,code,who,when,action\nn1,I10\n\nn2,I10,ann,2026-05-04,add\n")
        done = import_file(log, file)
        assert ([r.line for r in done.first], done.n_new) == ([2], 1)

    def test_lines_are_counted_through_cells_of_several_lines(self, log, tmp_path):
        file = write(tmp_path / "a.csv", 'note_id,code,who,when,action,reason\nn1,I10,ann,2026-05-04,add,"a\n\nb"\nn2,?,ann,2026-05-04,add,\n')
        assert [r.line for r in import_file(log, file).first] == [5]

    def test_rows_kept_aside_go_in_when_they_are_corrected(self, log, tmp_path):
        done = import_file(log, write(tmp_path / "a.jsonl", json.dumps({**GOOD, "code": "?"}) + "\n"))
        entry = rejects(done)[0]
        entry["row"]["code"] = "I10"
        assert import_file(log, write(tmp_path / "again.jsonl", json.dumps(entry) + "\n")).n_new == 1

    def test_the_rejects_are_for_their_owner_alone(self, log, tmp_path):
        done = import_file(log, write(tmp_path / "a.jsonl", "?\n"), rejects=tmp_path / "aside.jsonl")
        assert done.rejects == tmp_path / "aside.jsonl"
        assert stat.S_IMODE(done.rejects.stat().st_mode) == 0o600

    def test_no_file_of_rejects_when_there_are_none(self, log, tmp_path):
        done = import_file(log, write(tmp_path / "a.jsonl", json.dumps(GOOD) + "\n"))
        assert done.rejects is None
        assert not (tmp_path / "a.jsonl.rejects.jsonl").exists()

    def test_nowhere_to_keep_them(self, log, tmp_path):
        with pytest.raises(ConfigError, match="CS537"):
            import_file(log, write(tmp_path / "a.jsonl", "?\n"), rejects=tmp_path / "none" / "aside.jsonl")

    @settings(max_examples=30)
    @given(st.binary(max_size=300))
    @pytest.mark.parametrize("ending", ["csv", "jsonl"])
    def test_any_bytes_are_read_or_refused(self, tmp_path, ending, data):
        file = tmp_path / f"a.{ending}"
        file.write_bytes((b"note_id,code,who,when,action\n" if ending == "csv" else b"") + data)
        with DecisionLog("sqlite://") as log:
            try:
                done = import_file(log, file)
            except CodesuggestError:
                return
            assert done.n_new + done.n_known + done.n_rejected == done.n_rows
            assert log.verify() == ()


def test_compressed_exports_are_compressed(full_log, tmp_path):
    export_events(full_log.chain.read(), tmp_path / "log.jsonl.gz")
    with gzip.open(tmp_path / "log.jsonl.gz") as stream:
        assert json.loads(io.TextIOWrapper(stream, "utf-8").readline())["event_id"] == "d0"
