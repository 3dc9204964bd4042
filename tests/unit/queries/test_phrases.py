import pytest

from codesuggest.errors import ConfigError
from codesuggest.queries.phrases import PhraseTable, read_words


def found(phrases, text):
    return [text[words.starts[f.first] : words.ends[f.last]] for words in [read_words(text)] for f in PhraseTable({"x": phrases}).find(words)]


@pytest.mark.parametrize(
    ("phrases", "text", "expected"),
    [
        ("hyponatr*", "Hyponatremia; hyponatraemic", ["Hyponatremia", "hyponatraemic"]),
        ("PE", "PE ruled out, pe normal", ["PE"]),
        ("aki", "AKI, aki", ["AKI", "aki"]),
        ("(left/right) hip", "left hip, right hip, sore hip", ["left hip", "right hip"]),
        ("acute (on chronic/) renal", "acute renal; acute on chronic renal", ["acute renal", "acute on chronic renal"]),
        ("acute ..2 failure", "acute left heart failure; acute very sudden left heart failure", ["acute left heart failure"]),
        ("sepsis; -sepsis alert", "sepsis alert called; sepsis confirmed", ["sepsis"]),
        ("# lb", "lost 22 lb", ["22 lb"]),
        ("a1c; spo2", "A1c 7.1, SpO2 90", ["A1c", "SpO2"]),
        ("non st", "non-ST elevation", ["non-ST"]),
        ("heart failure", "heart. Failure to thrive", []),
    ],
)
def test_a_phrase_is_read_as_a_clinician_writes_it(phrases, text, expected):
    assert found(phrases, text) == expected


@pytest.mark.parametrize("phrases", ["", "..3 failure", "a + b", "what?"])
def test_a_phrase_that_says_nothing_is_refused(phrases):
    if not phrases:
        assert found(phrases, "text") == []
        return
    with pytest.raises(ConfigError, match="CS452"):
        PhraseTable({"x": phrases})


def test_a_line_that_is_full_goes_on_and_a_short_one_ends():
    long = "The patient was seen by the nephrologist and was given acute\nrenal failure teaching"
    assert found("acute renal failure", long) == ["acute\nrenal failure"]
    assert found("acute renal failure", "acute\nrenal failure") == []


def test_a_bullet_ends_the_sentence():
    assert read_words("one\n- two\n1. three").sentence == [0, 1, 2]
