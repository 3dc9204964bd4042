import datetime as dt
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codesuggest.batch import anchor, anchor_decisions, anchor_excerpts
from codesuggest.errors import InvalidSpanError
from codesuggest.records import Decision, Span

NOTE = "HISTORY:\nLong-standing gout.\n\nASSESSMENT:\n1. Acute bronchitis, improving.\n2. Type 2 diabetes.\n"


def span_of(text: str, words: str) -> Span:
    assert text.count(words) == 1
    start = text.index(words)
    return Span(start, start + len(words))


@pytest.mark.parametrize("words", ["gout", "Acute bronchitis", "Type 2 diabetes"])
def test_anchor_addendum_after_the_note_leaves_places_alone(words):
    found = anchor(NOTE, NOTE + "\nADDENDUM: culture negative.\n", [span_of(NOTE, words)])[0]
    assert (found.new, found.how) == (found.old, "same")


def test_anchor_addendum_before_the_note_shifts_places():
    new = "ADDENDUM: culture negative.\n\n" + NOTE
    found = anchor(NOTE, new, [span_of(NOTE, "Acute bronchitis")])[0]
    assert found.new == span_of(new, "Acute bronchitis")
    assert found.how == "same"


def test_anchor_changed_line_keeps_words_that_stand_and_says_so():
    new = NOTE.replace("Acute bronchitis, improving", "Probable pneumonia or acute viral illness, Acute bronchitis, resolved")
    found = anchor(NOTE, new, [span_of(NOTE, "Acute bronchitis"), span_of(NOTE, "improving")])
    assert found[0].new == span_of(new, "Acute bronchitis")
    assert found[0].how == "edited"
    assert (found[1].new, found[1].how) == (None, "lost")


def test_anchor_deleted_line_is_lost():
    assert anchor(NOTE, NOTE.replace("1. Acute bronchitis, improving.\n", ""), [span_of(NOTE, "bronchitis")])[0].new is None


def test_anchor_moved_line_is_found_once():
    line = "2. Type 2 diabetes.\n"
    new = line + NOTE.replace(line, "")
    found = anchor(NOTE, new, [span_of(NOTE, "Type 2 diabetes"), span_of(NOTE, "gout")])
    assert {a.how for a in found} <= {"same", "moved"}
    assert [new[a.new.start : a.new.end] for a in found if a.new] == ["Type 2 diabetes", "gout"]


def test_anchor_line_that_stands_twice_is_not_guessed():
    old = "a b\nx: gout\nc d\n"
    new = "x: gout\nq q\nx: gout\nz z\n"
    found = anchor(old, new.replace("q q", "a").replace("x: gout", "y gout"), [Span(4, 11)])[0]
    assert found.new is None


def test_anchor_part_of_a_word_does_not_stand():
    assert anchor("Has colitis.", "Has colic.", [Span(4, 11)])[0].new is None


def test_anchor_refuses_a_span_beyond_the_text():
    with pytest.raises(InvalidSpanError, match="CS585"):
        anchor("abc", "abc", [Span(2, 9)])


def test_anchor_long_notes_take_little_time():
    old = "".join(f"Line {i} with some words about day {i % 7} of the stay.\n" for i in range(1500))
    new = old.replace("day 3", "third day") + "Addendum.\n"
    began = time.perf_counter()
    anchor(old, new, [Span(i * 40, i * 40 + 5) for i in range(500)])
    assert time.perf_counter() - began < 5


_TEXT = st.text(alphabet="ab c\n.é\U0001f600", max_size=60)


@given(old=_TEXT, new=_TEXT, data=st.data())
def test_anchor_words_at_the_new_place_are_the_old_words(old, new, data):
    spans = data.draw(
        st.lists(st.tuples(st.integers(0, 59), st.integers(1, 20)).filter(lambda p: p[0] + p[1] <= len(old)), max_size=5)
    )
    for a in anchor(old, new, [Span(s, s + n) for s, n in spans]):
        assert (a.new is None) == (a.how == "lost")
        if a.new is not None:
            assert new[a.new.start : a.new.end] == old[a.old.start : a.old.end]


_LINES = st.lists(st.text(alphabet="ab c.é", max_size=20), min_size=1, max_size=5)


@given(before=_LINES, lines=_LINES, after=_LINES, data=st.data())
def test_anchor_whole_lines_added_around_lose_nothing(before, lines, after, data):
    added = [["+" + line for line in part] for part in (before, after)]
    old = "\n".join(lines)
    new = "\n".join([*added[0], *lines, *added[1]])
    for match in re.finditer(r"[^\n]+", old):
        start = data.draw(st.integers(match.start(), match.end() - 1))
        span = Span(start, data.draw(st.integers(start + 1, match.end())))
        found = anchor(old, new, [span])[0]
        shift = len("\n".join(added[0])) + 1
        assert (found.new, found.how) == (Span(span.start + shift, span.end + shift), "same")


def test_anchor_excerpts_without_the_earlier_text():
    new = "ADDENDUM: none.\n" + NOTE
    earlier = [(NOTE.index(w), w) for w in ("gout", "Acute bronchitis", "Type 2 diabetes")]
    found = anchor_excerpts(new, [*earlier, (5, "sepsis")])
    assert [new[a.new.start : a.new.end] for a in found[:3]] == ["gout", "Acute bronchitis", "Type 2 diabetes"]
    assert (found[3].new, found[3].how) == (None, "lost")


def test_anchor_excerpts_choose_no_place_among_equals():
    assert anchor_excerpts("gout ... gout", [(2, "gout")])[0].new is None


def test_anchor_decisions_carries_over_and_lists_the_rest():
    when = dt.datetime(2026, 5, 4, tzinfo=dt.UTC)
    kept = Decision("n1", "M10.9", "accept", "coder", "jd", when, evidence=((span_of(NOTE, "gout"),),))
    gone = Decision("n1", "J20.9", "accept", "coder", "jd", when, evidence=((span_of(NOTE, "bronchitis"),), (span_of(NOTE, "gout"),)))
    new = "Addendum.\n" + NOTE.replace("bronchitis", "pneumonia")
    standing, lost = anchor_decisions([kept, gone], old_text=NOTE, new_text=new)
    assert [(d.code, d.evidence) for d in standing] == [("M10.9", ((span_of(new, "gout"),),))]
    assert lost == ((gone, (span_of(NOTE, "bronchitis"),)),)
