"""Notes are read in processes of their own, and a process that ends is made anew."""

import json
import os
import signal
import time

import pytest
from desk_helpers import SUMMARY, note

from codesuggest.desk.scorer import Scorer, n_near_threshold
from codesuggest.desk.settings import DeskSettings


@pytest.fixture(scope="module")
def scorer():
    made = Scorer(DeskSettings())
    made.warm_up()
    yield made
    made.close()


def test_the_result_is_that_of_the_library(scorer, suggester):
    n = note("n1")
    scored = scorer.score(n)
    assert json.loads(scored.result) == json.loads(json.dumps(suggester.suggest(n).to_dict()))
    assert (scored.failed, scored.status) == (False, 200)


def test_a_note_that_cannot_be_read_is_a_failure_in_its_place(scorer):
    scored = scorer.score(note("n1", " "))
    assert (json.loads(scored.result)["error"]["id"], scored.failed, scored.status) == ("CS150", True, 422)


def test_many_notes_come_back_in_order(scorer):
    notes = [note(f"n{i}", SUMMARY * (1 + i % 3)) for i in range(9)]
    assert [json.loads(s.result)["note_id"] for s in scorer.score_many(iter(notes))] == [n.note_id for n in notes]


def test_queries_are_of_the_encounter_and_not_of_one_document(scorer):
    low = "HOSPITAL COURSE: Na 121, fluid restriction 1 L.\nASSESSMENT: Pneumonia.\n"
    notes = [
        note("a1", low, encounter_id="A", setting="inpatient"),
        note("b1", low, encounter_id="B", setting="inpatient"),
        note("b2", "DISCHARGE DIAGNOSES: Pneumonia. Hyponatremia, SIADH.\n", encounter_id="B", setting="inpatient"),
        note("c1", " ", encounter_id="C"),
    ]
    done = scorer.with_queries(zip(notes, scorer.score_many(iter(notes)), strict=True))
    assert [n.note_id for n, _ in done] == ["a1", "b1", "b2", "c1"]
    topics = {n.note_id: [q["topic"] for q in json.loads(s.result).get("queries", ())] for n, s in done}
    assert topics == {"a1": ["sodium"], "b1": [], "b2": [], "c1": []}


def test_a_process_that_was_killed_is_made_anew(scorer):
    for pid in list(scorer._executor()._processes):
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.1)
    assert scorer.score(note("n1")).failed is False


@pytest.mark.parametrize(("threshold", "n"), [(0.5, 2), (0.0, 0), (1.0, 0)])
def test_near_the_threshold(threshold, n):
    assert n_near_threshold([0.99, 0.7, 0.3, 0.1, 0.0, 1.0], threshold) == n
