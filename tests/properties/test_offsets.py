"""Whatever the text: excerpts are slices, sections cover, marks of a page do not overlap, and the same note gives the same result."""

import dataclasses
import itertools
import json
import math

from hypothesis import given
from hypothesis import strategies as st

from codesuggest import InvalidNoteError, Note
from codesuggest.cli import sample_note
from codesuggest.display import find_marks
from codesuggest.records import SETTINGS
from codesuggest.schema import validate

WORDS = (
    "Assessment and Plan:", "PAST MEDICAL HISTORY", "Family History:", "essential hypertension", "pneumonia", "type 2 diabetes",
    "CKD stage 3a", "left", "right", "no evidence of", "denies", "mother with", "history of", "rule out", "asthma", "chest pain",
    "1.", "•", ",", ".", ";", ":", "\n", "\r\n", "\n\n", "\t", "\u00a0", "\u2028", "\ufeff", "\u202e", "😀", "喘息", "צהבת", "é", "e\u0301",
    "ﬁbrosis", "İ", "ß", "\0", "\x1b[1m", "A1c 7.2%", "38.2°C", "q.i.d.", "___", "**", "<b>", "&amp;", "ASTHMA", "d/t", "2/2", "w/o",
)  # fmt: skip
clinical = st.lists(st.sampled_from(WORDS), min_size=1, max_size=40).flatmap(
    lambda words: st.lists(st.sampled_from([" ", " ", "", "\n"]), min_size=len(words), max_size=len(words)).map(
        lambda gaps: "".join(w + g for w, g in zip(words, gaps, strict=True))
    )
)
anything = st.text(st.characters(codec="utf-8"), max_size=300) | clinical | st.tuples(clinical, st.text(max_size=50)).map("".join)


def suggest(suggester, note):
    try:
        return suggester.suggest(note)
    except InvalidNoteError:
        return None


@given(text=anything)
def test_every_excerpt_is_the_slice(suggester, text):
    result = suggest(suggester, Note("n", text))
    if result is None:
        return
    for item in (*result.suggestions, *result.suppressed):
        for e in item.evidence:
            assert e.excerpt == text[e.span.start : e.span.end]
            assert e.excerpt.strip() == e.excerpt
    for item in result.suppressed:
        assert item.cue is None or item.cue.end <= len(text)


@given(text=anything)
def test_sections_cover_the_text_without_gaps(suggester, text):
    result = suggest(suggester, Note("n", text))
    if result is None:
        return
    spans = [s.span for s in result.sections]
    assert all(a.end == b.start for a, b in itertools.pairwise(spans))
    assert (spans[0].start, spans[-1].end) == (0, len(text))


@given(text=anything)
def test_a_result_is_ordered_explained_and_valid(suggester, text):
    result = suggest(suggester, Note("n", text))
    if result is None:
        return
    validate(json.loads(json.dumps(result.to_dict())))
    keys = [(-s.probability, s.code) for s in result.suggestions]
    assert keys == sorted(keys)
    assert [s.rank for s in result.suggestions] == list(range(1, len(keys) + 1))
    assert len({s.code for s in result.suggestions}) == len(keys)
    for s in result.suggestions:
        assert s.evidence
        assert s.selected == (s.probability >= suggester.threshold)
        assert math.isclose(sum(s.contributions.values()), s.score, abs_tol=1e-9)
    marks = find_marks(result, show_all=True)
    assert all(a.span.end <= b.span.start for a, b in itertools.pairwise(marks))


@given(
    text=clinical,
    setting=st.sampled_from([None, *SETTINGS]),
    sex=st.sampled_from([None, "F", "M", "X"]),
    age_years=st.none() | st.floats(0, 130),
    kind=st.none() | st.sampled_from(["discharge summary", "radiology report", "visit note", "tea"]),
)
def test_the_same_note_gives_the_same_result(suggester, text, setting, sex, age_years, kind):
    note = Note("n", text, kind=kind, setting=setting, sex=sex, age_years=age_years)
    first, again = suggest(suggester, note), suggest(suggester, dataclasses.replace(note))
    assert first == again


@given(texts=st.lists(clinical | st.just(""), max_size=5), data=st.data())
def test_many_notes_are_as_good_as_one_by_one_in_any_order(suggester, texts, data):
    notes = data.draw(st.permutations([Note(f"n{i}", text) for i, text in enumerate(texts)]))
    together = [found.to_dict() for found in suggester.suggest_many(notes)]
    alone = [next(iter(suggester.suggest_many([note]))).to_dict() for note in notes]
    assert together == alone


@given(st.integers(0, len(sample_note().text)), st.sampled_from(["😀", "\r\n", "\0", "\u202e", "é", " ", "喘息"]))
def test_a_character_anywhere_in_the_sample_moves_no_offset(suggester, place, inserted):
    sample = sample_note()
    text = sample.text[:place] + inserted + sample.text[place:]
    result = suggester.suggest(dataclasses.replace(sample, text=text))
    assert all(text[e.span.start : e.span.end] == e.excerpt for s in (*result.suggestions, *result.suppressed) for e in s.evidence)
