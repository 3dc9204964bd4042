import dataclasses

import pytest

from codesuggest.errors import ConfigError, InputFormatError
from codesuggest.learn.evaluate import evaluate
from codesuggest.learn.practice import CodedNote
from codesuggest.learn.promotion import Bounds, judge
from codesuggest.records import Evidence, Note, Result, Span, Suggestion


class Fixed:
    """Suggests for each note the codes it was given."""

    threshold = 0.5

    def __init__(self, codes):
        self.codes = codes

    def suggest(self, note):
        made = []
        for rank, (code, p) in enumerate(sorted(self.codes[note.note_id].items(), key=lambda r: (-r[1], r[0])), 1):
            evidence = (Evidence(Span(0, 4), note.text[:4]),)
            made.append(Suggestion(rank, code, "ICD-10-CM", code, p, p >= self.threshold, True, evidence))
        return Result(note.note_id, note.text, "0" * 64, tuple(made))


def coded(n, *, coder="a", kind="visit note"):
    return [CodedNote(Note(f"n{i}", "Some text.", kind=kind), ("I10", "E11.9"), coder=coder if i % 2 else "b") for i in range(n)]


def measured(notes, answers, name):
    return evaluate(Fixed(answers), notes, name=name, n_faithfulness=0, n_draws=50)


RIGHT = {"I10": 0.9, "E11.9": 0.8}
HALF = {"I10": 0.9, "E11.9": 0.3}
NOTES = coded(40)


def pair(old, new, **bounds):
    before = measured(NOTES, {n.note.note_id: old for n in NOTES}, "old")
    after = measured(NOTES, {n.note.note_id: new for n in NOTES}, "new")
    return judge(before, after, bounds=Bounds(**bounds), n_draws=50)


def test_the_same_model_is_no_regression():
    verdict = pair(RIGHT, RIGHT)
    assert verdict.ok
    assert (verdict.n_better, verdict.n_worse) == (0, 0)


def test_lost_codes_are_a_regression_and_are_named():
    verdict = pair(RIGHT, HALF)
    assert not verdict.ok
    assert any("F1" in reason for reason in verdict.regressions)
    assert {(x.code, x.what) for x in verdict.worse} == {("E11.9", "lost")}
    assert verdict.n_worse == 40
    assert (verdict.worse[0].before, verdict.worse[0].after) == (0.8, 0.3)


def test_found_codes_are_better():
    verdict = pair(HALF, RIGHT, overall=("micro_f1", "micro_precision", "map"))
    assert verdict.ok
    assert {x.what for x in verdict.better} == {"found"}


def test_a_fall_within_the_bound_passes_and_just_beyond_it_does_not():
    answers = {n.note.note_id: RIGHT for n in NOTES}
    worse = answers | {"n0": HALF}
    before, after = measured(NOTES, answers, "old"), measured(NOTES, worse, "new")
    fall = before["micro_f1"] - after["micro_f1"]
    overall = ("micro_f1",)
    assert judge(before, after, bounds=Bounds(max_drop=fall + 1e-6, overall=overall), n_draws=50).ok
    assert not judge(before, after, bounds=Bounds(max_drop=fall - 1e-6, overall=overall), n_draws=50).ok


def test_a_coder_for_whom_it_got_worse_is_found_though_the_whole_holds():
    notes = coded(200)
    before = {n.note.note_id: HALF for n in notes}
    after = {n.note.note_id: RIGHT if n.coder == "b" else {"I10": 0.3, "E11.9": 0.3} for n in notes}
    verdict = judge(
        measured(notes, before, "old"), measured(notes, after, "new"), bounds=Bounds(max_drop=1.0, overall=("micro_f1",)), n_draws=50
    )
    assert [r for r in verdict.regressions if "coder 'a'" in r]
    assert not [r for r in verdict.regressions if "coder 'b'" in r]


def test_a_small_group_is_not_judged():
    verdict = pair(RIGHT, HALF, max_drop=1.0, max_group_drop=0.0, min_group_codes=1000)
    assert verdict.ok


def test_other_notes_are_refused():
    a = measured(NOTES, {n.note.note_id: RIGHT for n in NOTES}, "old")
    fewer = NOTES[:-1]
    b = measured(fewer, {n.note.note_id: RIGHT for n in fewer}, "new")
    with pytest.raises(InputFormatError, match="CS516"):
        judge(a, b)


@pytest.mark.parametrize("wrong", [{"max_drop": -0.1}, {"max_group_drop": 2.0}, {"min_group_codes": 0}, {"overall": ("f2",)}])
def test_bounds_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match="CS700"):
        Bounds(**wrong)


def test_the_report_holds_no_text():
    verdict = pair(RIGHT, HALF)
    assert "Some text" not in str(verdict.to_dict())
    assert dataclasses.asdict(verdict.bounds)["max_drop"] == verdict.to_dict()["bounds"]["max_drop"]
