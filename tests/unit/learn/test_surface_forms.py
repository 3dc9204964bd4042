import numpy as np
import pytest

from codesuggest.learn.surface_forms import FormTable, batch_of, expand, is_private
from codesuggest.learn.words import WordReader

NONE = np.zeros(0, np.uint32)


def table(reader, *forms, far=()):
    """Forms by their words; `far` are looked for in the whole note."""
    return FormTable.of([(tuple(reader.read(f).stem.tolist()), f in far) for f in forms], {})


def found(language, forms, *texts, function_words="", far=()):
    """(note, form, level, covered, in order) of every mention."""
    reader = WordReader(language)
    skipped = np.sort(reader.read(function_words).stem)
    batch = batch_of([reader.read(t) for t in texts], skipped)
    m = table(reader, *forms, far=far).find(batch)
    return [
        (int(n), forms[f], int(level), bool(covered), bool(order))
        for n, f, level, covered, order in zip(m.note, m.form, m.level, m.covered, m.in_order, strict=True)
    ]


def test_a_form_is_found_by_its_stems():
    assert found("es", ["fractura costal"], "Presenta fracturas costales.") == [(0, "fractura costal", 0, False, True)]


def test_accents_and_case_do_not_matter():
    assert found("es", ["neumonía bacteriana"], "NEUMONIA BACTERIANA") == [(0, "neumonía bacteriana", 0, False, True)]


def test_any_order_is_found_and_known_as_such():
    assert found("en", ["renal failure"], "Failure, renal.") == [(0, "renal failure", 0, False, False)]


def test_function_words_between_are_no_gap():
    hits = found("es", ["dolor abdomen"], "Dolor en el abdomen.", function_words="en el")
    assert hits == [(0, "dolor abdomen", 0, False, True)]


def test_words_between_make_the_match_weaker():
    assert found("en", ["chest pain"], "Chest wall pain.")[0][2] == 1
    assert found("en", ["chest pain"], "Chest was examined again for reported pain.")[0][2] == 2


def test_a_form_does_not_reach_into_the_next_sentence():
    assert found("en", ["chest pain"], "Clear chest. Pain in the knee.") == []


def test_a_form_does_not_reach_into_the_next_note():
    assert found("en", ["chest pain"], "of the chest", "pain of the knee") == []


def test_a_form_marked_in_pieces_is_found_in_the_whole_note():
    text = "Mass of the bladder. It was seen at once. A resection followed."
    assert found("en", ["resection bladder"], text) == []
    assert found("en", ["resection bladder"], text, far=["resection bladder"])[0][2] == 3


def test_a_longer_form_covers_a_shorter_one():
    hits = found("en", ["pain", "abdominal pain"], "Abdominal pain today. Pain gone tomorrow.")
    assert (0, "pain", 0, True, True) in hits
    assert (0, "pain", 0, False, True) in hits
    assert (0, "abdominal pain", 0, False, True) in hits


def test_a_place_is_found_once_for_a_form_with_a_word_twice():
    assert len(found("en", ["back pain"], "pain, back pain")) >= 1
    reader = WordReader("en")
    batch = batch_of([reader.read("back pain")], NONE)
    assert len(table(reader, "back pain").find(batch)) == 1


def test_no_forms_and_no_words_are_no_mentions():
    assert found("en", [], "Some text") == []
    reader = WordReader("en")
    assert len(table(reader, "pain").find(batch_of([reader.read("...")], NONE))) == 0


def test_places_of_words_are_those_of_the_text():
    reader = WordReader("en")
    tokens = reader.read("Severe chest pain.")
    m = table(reader, "chest pain").find(batch_of([tokens], NONE))
    assert (int(tokens.start[m.first[0]]), int(tokens.end[m.last[0]])) == (7, 17)


def test_expand_gives_every_member_of_every_range():
    owner, value = expand(np.array([3, 0, 7]), np.array([2, 0, 1]))
    assert owner.tolist() == [0, 0, 2]
    assert value.tolist() == [3, 4, 7]


@pytest.mark.parametrize(
    "text", ["seen 12/03/2019", "MRN 4471902", "AB12345", "mail jo@example.org", "2019-03-12", "555 123 4567"]
)
def test_what_may_identify_a_person_is_private(text):
    assert is_private(text)


@pytest.mark.parametrize("text", ["diabetes type 2", "factor VIII", "T4 N0", "stage 3b", "1/2 tablet"])
def test_medical_numbers_are_not_private(text):
    assert not is_private(text)
