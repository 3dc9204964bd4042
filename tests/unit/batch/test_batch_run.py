import csv
import io
import json
import os
import resource
import signal
import subprocess
import sys
import time

import pytest
from batch_helpers import read_jsonl, rows, write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st

from codesuggest.batch import arrow_schema, score
from codesuggest.batch.commands import score_command
from codesuggest.errors import CodesuggestError, ConfigError, InputFormatError, PrerequisiteError
from codesuggest.records import Note

BAD = [
    {"note_id": "empty", "text": "  "},
    {"note_id": "no-text"},
    "{not json",
    {"note_id": "sex", "text": "Gout.", "sex": "patient says gout"},
]


@pytest.fixture
def notes(tmp_path):
    return write_jsonl(tmp_path / "notes.jsonl", rows(40))


def single_lines(suggester, items):
    return [json.dumps(suggester.suggest(Note(**row)).to_dict()) for row in items]


def test_score_lines_are_those_of_single_notes_in_order(notes, tmp_path, suggester):
    report = score(notes, to=tmp_path / "out.jsonl", workers=0)
    assert (tmp_path / "out.jsonl").read_text().splitlines() == single_lines(suggester, rows(40))
    assert (report.n_notes, report.n_failures, report.exit_code) == (40, 0, 0)
    assert report.codes_per_note > 0
    assert not (tmp_path / "out.jsonl.parts").exists()
    assert not (tmp_path / "out.jsonl.failures.jsonl").exists()


def test_score_does_not_depend_on_workers_or_chunk_size(notes, tmp_path):
    outputs = []
    for i, (workers, size) in enumerate([(0, 64), (1, 7), (2, 1), (3, 11)]):
        score(notes, to=tmp_path / f"out{i}.jsonl", workers=workers, chunk_notes=size)
        outputs.append((tmp_path / f"out{i}.jsonl").read_bytes())
    assert len(set(outputs)) == 1


def test_score_parquet_does_not_depend_on_workers_or_chunk_size(notes, tmp_path):
    outputs = set()
    for i, (workers, size) in enumerate([(0, 64), (2, 3)]):
        score(notes, to=tmp_path / f"out{i}.parquet", workers=workers, chunk_notes=size)
        outputs.add((tmp_path / f"out{i}.parquet").read_bytes())
    assert len(outputs) == 1


@settings(max_examples=15)
@given(
    picks=st.lists(st.one_of(st.sampled_from(rows(6)), st.sampled_from(BAD), st.text(max_size=30)), max_size=12),
    size=st.integers(1, 5),
)
def test_score_batch_equals_single_for_any_chunk_size(picks, size, tmp_path, suggester):
    items = [
        {"note_id": f"t{i}", "text": p} if isinstance(p, str) and not p.startswith("{not") else p for i, p in enumerate(picks)
    ]
    source = write_jsonl(tmp_path / "any.jsonl", items)
    score(source, to=tmp_path / "any-out.jsonl", workers=0, chunk_notes=size, restart=True)
    found = read_jsonl(tmp_path / "any-out.jsonl")
    assert len(found) == len(items)
    for item, row in zip(items, found, strict=True):
        if "error" in row:
            continue
        assert row == json.loads(json.dumps(suggester.suggest(Note(item["note_id"], item["text"])).to_dict()))


def test_score_bad_notes_are_failures_in_their_place_and_aside(tmp_path):
    items = [rows(3)[0], *BAD[:2], rows(3)[1], *BAD[2:]]
    report = score(write_jsonl(tmp_path / "in.jsonl", items), to=tmp_path / "out.jsonl", workers=0)
    found = read_jsonl(tmp_path / "out.jsonl")
    assert [row.get("error", {}).get("id") for row in found] == [None, "CS150", "CS164", None, "CS164", "CS156"]
    aside = read_jsonl(tmp_path / "out.jsonl.failures.jsonl")
    assert [(row["number"], row["error"]["id"]) for row in aside] == [(2, "CS150"), (3, "CS164"), (5, "CS164"), (6, "CS156")]
    assert report.failures_by_id == {"CS150": 1, "CS156": 1, "CS164": 2}
    assert report.exit_code == 2
    assert "patient says" not in (tmp_path / "out.jsonl.failures.jsonl").read_text()


def test_score_removes_the_failures_of_an_earlier_run(tmp_path):
    source = write_jsonl(tmp_path / "in.jsonl", BAD)
    score(source, to=tmp_path / "out.jsonl", workers=0)
    write_jsonl(source, rows(2))
    assert score(source, to=tmp_path / "out.jsonl", workers=0).failures_file is None
    assert not (tmp_path / "out.jsonl.failures.jsonl").exists()


def test_score_parquet_holds_what_the_lines_hold(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    source = write_jsonl(tmp_path / "in.jsonl", [*rows(5), *BAD])
    score(source, to=tmp_path / "out.jsonl", workers=0)
    score(source, to=tmp_path / "out.parquet", workers=0)
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.schema.equals(arrow_schema())
    assert parquet.read_schema(tmp_path / "out.parquet").metadata[b"codesuggest.schema"] == b"1"
    for line, row in zip(read_jsonl(tmp_path / "out.jsonl"), table.to_pylist(), strict=True):
        if "error" in line:
            assert row["error"] == line["error"]
            continue
        assert row.pop("error") is None
        row["versions"] = dict(row["versions"])
        for s in row["suggestions"]:
            s["contributions"] = dict(s["contributions"])
        assert row == line


def test_arrow_schema_has_every_field_of_a_result(suggester):
    row = suggester.suggest(Note(**rows(1)[0])).to_dict()
    schema = arrow_schema()
    assert set(row) | {"error"} == set(schema.names)
    suggestion = schema.field("suggestions").type.value_type
    assert {f.name for f in suggestion} == set(row["suggestions"][0])
    assert {f.name for f in suggestion.field("evidence").type.value_type} == set(row["suggestions"][0]["evidence"][0])


def test_score_parquet_takes_half_a_surrogate_pair(tmp_path):
    pytest.importorskip("pyarrow")
    text = "Assessment: gout \ud83d noted. " + "He is well today and will come again in a year. " * 3
    source = write_jsonl(tmp_path / "in.jsonl", [{"note_id": "n", "text": text}])
    assert score(source, to=tmp_path / "out.parquet", workers=0).n_failures == 0


def test_score_flat_gives_a_row_a_suggestion(tmp_path):
    source = write_jsonl(tmp_path / "in.jsonl", [rows(1)[0], {"note_id": "=1+1", "text": "Lorem ipsum."}, BAD[0]])
    score(source, to=tmp_path / "out.csv", workers=0, flat=True)
    table = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text(encoding="utf-8"))))
    first = [row for row in table if row["note_id"] == "n0000"]
    assert [row["rank"] for row in first] == [str(i + 1) for i in range(len(first))]
    assert {row["code"] for row in first} >= {"I10", "E11.9"}
    assert first[0]["evidence_spans"].split(";")[0].count("-") == 1
    assert [(row["note_id"], row["code"], row["error_id"]) for row in table[len(first) :]] == [
        ("'=1+1", "", ""),
        ("empty", "", "CS150"),
    ]


def test_score_refuses_csv_without_flat(notes, tmp_path):
    with pytest.raises(ConfigError, match="CS570"):
        score(notes, to=tmp_path / "out.csv")


@pytest.mark.parametrize("name", ["out.xlsx", "missing/out.jsonl", "notes.jsonl"])
def test_score_refuses_an_output_it_cannot_write(notes, tmp_path, name):
    with pytest.raises(ConfigError, match="CS570"):
        score(notes, to=tmp_path / name)


def test_score_refuses_an_output_inside_the_input(tmp_path):
    (tmp_path / "a.txt").write_text("Gout.")
    with pytest.raises(ConfigError, match="CS570"):
        score(tmp_path, to=tmp_path / "out.jsonl")


@pytest.mark.parametrize(
    "option", [{"workers": -1}, {"chunk_notes": 0}, {"timeout_s": 0}, {"threshold": 2}, {"columns": {"x": "y"}}]
)
def test_score_refuses_an_option_out_of_range(notes, tmp_path, option):
    with pytest.raises(ConfigError, match="CS575"):
        score(notes, to=tmp_path / "out.jsonl", **option)


# ---------------------------------------------------------------------------------------------------------------------
# interruption


def start(*arguments, limit_bytes=None):
    code = "import typer; from codesuggest.batch.commands import score_command; typer.run(score_command)"

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit if limit_bytes else None,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.02)


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_score_killed_and_called_again_gives_the_same_bytes(tmp_path, ending):
    source = write_jsonl(tmp_path / "notes.jsonl", [*rows(900), BAD[0], *rows(300)])
    whole, out = tmp_path / f"whole.{ending}", tmp_path / f"out.{ending}"
    score(source, to=whole, workers=0)
    journal = tmp_path / f"out.{ending}.parts" / "journal"
    for n_lines in (3, 30):
        run = start(source, "--to", out, "--workers", 1, "--chunk-notes", 4)
        wait_for(lambda: run.poll() is not None or (journal.exists() and journal.read_bytes().count(b"\n") >= n_lines))  # noqa: B023
        assert run.poll() is None, run.communicate()
        run.send_signal(signal.SIGKILL)
        run.communicate()
        assert not out.exists()
    report = score(source, to=out, workers=2, chunk_notes=50)
    assert report.n_resumed >= 120
    assert report.n_notes == 1201
    assert out.read_bytes() == whole.read_bytes()
    for side in ("failures", "index"):
        assert (tmp_path / f"out.{ending}.{side}.jsonl").read_bytes() == (tmp_path / f"whole.{ending}.{side}.jsonl").read_bytes()
    assert not journal.parent.exists()


def test_score_killed_run_leaves_no_workers_behind(tmp_path):
    source = write_jsonl(tmp_path / "notes.jsonl", rows(3000))
    run = start(source, "--to", tmp_path / "out.jsonl", "--workers", 2, "--chunk-notes", 2)
    journal = tmp_path / "out.jsonl.parts" / "journal"
    wait_for(lambda: run.poll() is not None or (journal.exists() and journal.read_bytes().count(b"\n") >= 2))
    workers = [p for p in children_of(run.pid) if is_alive(p)]
    assert workers
    run.send_signal(signal.SIGKILL)
    run.communicate()
    wait_for(lambda: not any(is_alive(p) for p in workers), seconds=20)


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:  # noqa: PTH123 - not a path of ours
        return [int(p) for p in file.read().split()]


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - not a path of ours
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_score_full_disk_says_so_and_goes_on_when_there_is_room(tmp_path):
    source = write_jsonl(tmp_path / "notes.jsonl", rows(200))
    score(source, to=tmp_path / "whole.jsonl", workers=0)
    out = tmp_path / "out.jsonl"
    run = start(source, "--to", out, "--workers", 1, "--chunk-notes", 5, limit_bytes=100_000)
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 4
    assert errors.startswith("[CS574]")
    assert "Traceback" not in errors
    assert not out.exists()
    report = score(source, to=out, workers=0)
    assert report.n_resumed > 0
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


class StoppedError(Exception):
    pass


def interrupt_after(monkeypatch, n):
    """Let a run end by itself after n chunks, as a kill between two chunks would end it."""
    from codesuggest.batch.spool import Spool

    add = Spool.add
    done = []

    def limited(self, result):
        if len(done) == n:
            raise StoppedError
        done.append(result)
        add(self, result)

    monkeypatch.setattr(Spool, "add", limited)


def test_score_another_command_may_not_go_on_with_the_work(notes, tmp_path, monkeypatch):
    out = tmp_path / "out.jsonl"
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        with pytest.raises(StoppedError):
            score(notes, to=out, workers=0, chunk_notes=4)
    with pytest.raises(ConfigError, match=r"CS571.*threshold"):
        score(notes, to=out, workers=0, threshold=0.9)
    assert score(notes, to=out, workers=0, threshold=0.9, restart=True).n_resumed == 0


def test_score_torn_bytes_after_the_last_whole_chunk_are_cut_off(notes, tmp_path, monkeypatch):
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    score(notes, to=whole, workers=0)
    parts = tmp_path / "out.jsonl.parts"
    with monkeypatch.context() as patch:
        interrupt_after(patch, 3)
        with pytest.raises(StoppedError):
            score(notes, to=out, workers=0, chunk_notes=4)
    with (parts / "rows").open("ab") as file:
        file.write(b'{"schema": 1, "note_id": "n00')
    with (parts / "journal").open("ab") as file:
        file.write(b'{"sizes": {"rows": 99')
    assert score(notes, to=out, workers=0).n_resumed == 12
    assert out.read_bytes() == whole.read_bytes()


def test_score_chunk_lost_with_the_power_is_done_again(notes, tmp_path, monkeypatch):
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    score(notes, to=whole, workers=0)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 3)
        with pytest.raises(StoppedError):
            score(notes, to=out, workers=0, chunk_notes=4)
    spooled = tmp_path / "out.jsonl.parts" / "rows"
    data = spooled.read_bytes()
    spooled.write_bytes(data[:-40] + b"\0" * 40)
    assert score(notes, to=out, workers=0).n_resumed == 8
    assert out.read_bytes() == whole.read_bytes()


def test_score_two_runs_on_one_output_are_refused(notes, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    parts = tmp_path / "out.jsonl.parts"
    parts.mkdir()
    with (parts / "lock").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CodesuggestError, match="CS572"):
            score(notes, to=tmp_path / "out.jsonl", workers=0)


def test_score_damaged_input_gives_no_output(tmp_path):
    import gzip

    data = gzip.compress("".join(json.dumps(row) + "\n" for row in rows(500)).encode())
    source = tmp_path / "notes.jsonl.gz"
    source.write_bytes(data[:-200])
    with pytest.raises(InputFormatError, match="CS551"):
        score(source, to=tmp_path / "out.jsonl", workers=0)
    assert not (tmp_path / "out.jsonl").exists()


# ---------------------------------------------------------------------------------------------------------------------
# since


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_score_since_scores_only_what_changed(tmp_path, ending):
    source = write_jsonl(tmp_path / "notes-may.jsonl", rows(20))
    score(source, to=tmp_path / f"may.{ending}", workers=0)
    changed = rows(21)
    changed[3]["text"] += "\nADDENDUM: culture negative.\n"
    changed[5]["sex"] = "F"
    later = write_jsonl(tmp_path / "notes-june.jsonl", changed)
    report = score(later, to=tmp_path / f"june.{ending}", since=tmp_path / f"may.{ending}", workers=0, chunk_notes=6)
    assert (report.n_reused, report.n_changed) == (18, 2)
    score(later, to=tmp_path / f"fresh.{ending}", workers=0)
    assert (tmp_path / f"june.{ending}").read_bytes() == (tmp_path / f"fresh.{ending}").read_bytes()
    changes = read_jsonl(report.changes_file)
    assert [(c["number"], c["reasons"]) for c in changes] == [(4, ["text"]), (6, ["facts"])]
    assert changes[0]["evidence_standing"]
    assert not changes[0]["evidence_lost"]
    assert all(e["start"] == e["new_start"] for e in changes[0]["evidence_standing"])


def test_score_since_lists_evidence_that_does_not_stand(tmp_path):
    first = {"note_id": "n", "text": "Assessment: gout of the right great toe. Essential hypertension.\n"}
    second = {"note_id": "n", "text": "ADDENDUM.\nAssessment: pain. Essential hypertension.\n"}
    score(write_jsonl(tmp_path / "a.jsonl", [first]), to=tmp_path / "a-out.jsonl", workers=0)
    b = write_jsonl(tmp_path / "b.jsonl", [second])
    report = score(b, to=tmp_path / "b-out.jsonl", since=tmp_path / "a-out.jsonl", workers=0)
    change = read_jsonl(report.changes_file)[0]
    assert "I10" in {e["code"] for e in change["evidence_standing"]}
    assert {e["code"][:3] for e in change["evidence_lost"]} == {"M10"}
    assert any(code.startswith("M10") for code in change["codes_gone"])
    assert "gout" not in report.changes_file.read_text()


def test_score_since_other_threshold_scores_again(tmp_path):
    source = write_jsonl(tmp_path / "in.jsonl", rows(4))
    score(source, to=tmp_path / "a.jsonl", workers=0)
    report = score(source, to=tmp_path / "b.jsonl", since=tmp_path / "a.jsonl", workers=0, threshold=0.9)
    assert report.n_reused == 0


def test_score_since_other_model_scores_again(tmp_path):
    source = write_jsonl(tmp_path / "in.jsonl", rows(4))
    score(source, to=tmp_path / "a.jsonl", workers=0)
    text = (tmp_path / "a.jsonl").read_text()
    model = json.loads(text.splitlines()[0])["versions"]["model"]
    (tmp_path / "a.jsonl").write_text(text.replace(model, "0" * 64))
    report = score(source, to=tmp_path / "b.jsonl", since=tmp_path / "a.jsonl", workers=0)
    assert (report.n_reused, report.n_changed) == (0, 4)


def test_score_since_refuses_what_is_no_output(notes, tmp_path):
    with pytest.raises(InputFormatError, match="CS580"):
        score(notes, to=tmp_path / "out.jsonl", since=notes, workers=0)


# ---------------------------------------------------------------------------------------------------------------------
# the command


def test_score_command_prints_a_summary_and_is_quiet_otherwise(notes, tmp_path):
    run = start(notes, "--to", tmp_path / "out.jsonl", "--workers", 1)
    output, errors = run.communicate(timeout=120)
    assert run.returncode == 0
    assert errors == ""
    assert output.startswith("40 notes in ")
    assert "notes/s" in output
    assert "codes a note" in output


def test_score_command_exit_status_tells_of_failures(tmp_path):
    run = start(write_jsonl(tmp_path / "in.jsonl", BAD), "--to", tmp_path / "out.jsonl", "--workers", 0)
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 2
    assert "CS164 × 2" in output


def test_score_command_missing_input_is_one_message(tmp_path):
    run = start(tmp_path / "nothing", "--to", tmp_path / "out.jsonl")
    output, errors = run.communicate(timeout=120)
    assert (run.returncode, output) == (2, "")
    assert errors.startswith("[CS550]")


def test_score_command_documents_its_options():
    assert "INPUT" not in (score_command.__doc__ or "")
    assert "Exit status" in (score_command.__doc__ or "")


def test_score_progress_needs_a_terminal(notes, tmp_path, capsys):
    score(notes, to=tmp_path / "out.jsonl", workers=0)
    assert capsys.readouterr() == ("", "")
    score(notes, to=tmp_path / "out.jsonl", workers=0, progress=True)
    assert "notes" in capsys.readouterr().err


def test_score_missing_extra_is_said(notes, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PrerequisiteError, match="CS559"):
        score(notes, to=tmp_path / "out.parquet", workers=0)
