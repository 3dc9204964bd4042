import json

import pytest
from batch_helpers import read_jsonl, rows, write_jsonl
from batch_loaders import poisoned

from codesuggest.batch import score


def with_poison(tmp_path, words, n=20, at=7):
    items = rows(n)
    items.insert(at, {"note_id": "poison", "text": f"{words} Patient Jane Roe has gout."})
    return write_jsonl(tmp_path / "in.jsonl", items)


def scored(source, tmp_path, **options):
    report = score(source, to=tmp_path / "out.jsonl", loader=poisoned, chunk_notes=4, **options)
    return report, read_jsonl(tmp_path / "out.jsonl")


@pytest.mark.parametrize(
    ("words", "error_id"), [("EXIT", "CS562"), ("RAISE", "CS560"), ("MEMORY", "CS562"), ("SLEEP", "CS561"), ("HANG", "CS562")]
)
def test_poisonous_note_is_the_only_failure(tmp_path, words, error_id):
    report, found = scored(with_poison(tmp_path, words), tmp_path, workers=2, timeout_s=1.0)
    assert [row["note_id"] for row in found if "error" in row] == ["poison"]
    assert found[7]["error"]["id"] == error_id
    assert len(found) == 21
    assert report.exit_code == 1
    for file in tmp_path.iterdir():
        if file.name != "in.jsonl":
            assert "Jane Roe" not in file.read_text()


def test_worker_killed_by_chance_leaves_no_trace(tmp_path, monkeypatch):
    monkeypatch.setenv("BATCH_TEST_MARKER", str(tmp_path / "marker"))
    source = with_poison(tmp_path, "KILL-ONCE")
    report, found = scored(source, tmp_path, workers=2)
    assert (tmp_path / "marker").exists()
    assert report.n_failures == 0
    again, same = scored(source, tmp_path, workers=1)
    assert again.n_failures == 0
    assert json.dumps(found) == json.dumps(same)


def test_several_poisonous_notes_each_fail_alone(tmp_path):
    items = rows(12)
    for at in (0, 5, 6, 13):
        items.insert(at, {"note_id": f"p{at}", "text": "EXIT"})
    report, found = scored(write_jsonl(tmp_path / "in.jsonl", items), tmp_path, workers=2)
    assert [row["note_id"] for row in found] == [item["note_id"] for item in items]
    assert report.failures_by_id == {"CS562": 4}


def test_time_limit_holds_where_there_are_no_signals(tmp_path):
    import threading

    source = with_poison(tmp_path, "SLOW " * 3)
    done = []
    thread = threading.Thread(target=lambda: done.append(scored(source, tmp_path, workers=0, timeout_s=0.02)))
    thread.start()
    thread.join(60)
    assert done[0][0].failures_by_id.get("CS561", 0) >= 1
