import json
import math

import numpy as np
import pytest

from codesuggest.errors import ConfigError
from codesuggest.learn.drift import Window, drift

WORDS = "fever cough chest pain asthma gout stroke renal failure edema lisinopril warfarin fracture wound rash nausea".split()
CODES = ["I10", "E11.9", "J45.909", "M10.9", "N18.30", "I50.9", "J44.9", "K21.9"]


def window(n, *, seed, codes=CODES, words=WORDS, accepted=0.8):
    rng = np.random.default_rng(seed)
    notes = [(" ".join(rng.choice(words, 12)), rng.choice(codes, 3)) for _ in range(n)]
    made = [(str(c), "accept" if rng.random() < accepted else "reject") for c in rng.choice(codes, 3 * n)]
    return Window.of([(t, [str(c) for c in f]) for t, f in notes], made)


def by_name(report):
    return {m.name: m for m in report.measured}


@pytest.mark.parametrize("seed", range(5))
def test_another_sample_of_the_same_work_has_not_moved(seed):
    assert not drift(window(1000, seed=100), window(120, seed=seed)).has_moved


def test_fewer_accepted():
    found = by_name(drift(window(1000, seed=1), window(300, seed=2, accepted=0.6)))
    assert found["acceptance"].has_moved
    assert found["acceptance"].value == pytest.approx(-0.2, abs=0.05)
    assert not found["code mix"].has_moved


def test_other_codes():
    report = drift(window(1000, seed=1), window(300, seed=2, codes=[*CODES[:2], "O80", "Z37.0"]))
    assert by_name(report)["code mix"].has_moved
    assert {c for c, _ in report.unseen_codes} == {"O80", "Z37.0"}


def test_other_words():
    assert by_name(drift(window(1000, seed=1), window(300, seed=2, words=[w + "x" for w in WORDS])))["vocabulary"].has_moved


def test_nothing_decided_is_not_measured_and_says_so():
    found = by_name(drift(window(100, seed=1), Window.of([("cough", ["J20.9"])])))
    assert math.isnan(found["acceptance"].value)
    assert "no decisions" in found["acceptance"].note


def test_the_same_answer_twice_and_json_of_it():
    a, b = window(200, seed=1), window(50, seed=2)
    first = json.dumps(drift(a, b).to_dict(), allow_nan=False)
    assert first == json.dumps(drift(a, b).to_dict(), allow_nan=False)


def test_a_window_is_kept_and_read_again_without_words():
    a = window(50, seed=1)
    kept = json.dumps(a.to_dict())
    assert Window.from_dict(json.loads(kept)) == a
    assert not any(w in kept for w in WORDS)


@pytest.mark.parametrize("wrong", [{}, {"n_notes": 1}, {**Window.of([]).to_dict(), "words": [1]}, {**Window.of([]).to_dict(), "codes": 3}])
def test_what_is_no_profile_is_refused(wrong):
    with pytest.raises(ConfigError, match="CS708"):
        Window.from_dict(wrong)
