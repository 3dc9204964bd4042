import pytest
from hypothesis import given
from hypothesis import strategies as st
from stub_suggester import StubSuggester

from codesuggest.learn.faithfulness import blank, keep_sentences, measure_faithfulness
from codesuggest.records import Note, Span

TEXT = "Seen for cough.\nASSESSMENT\n1. Asthma, mild. Use spacer.\r\n2. GERD\n"


def span(words: str) -> Span:
    return Span(TEXT.index(words), TEXT.index(words) + len(words))


def test_blank_keeps_line_ends_and_everything_else():
    assert blank(TEXT, [Span(5, 20)]) == "Seen           \n    SSMENT\n1. Asthma, mild. Use spacer.\r\n2. GERD\n"


def test_keep_sentences_keeps_the_sentence_in_its_line():
    assert keep_sentences(TEXT, [span("Asthma")]).split() == ["1.", "Asthma,", "mild."]
    assert keep_sentences(TEXT, [span("GERD"), span("spacer")]).split() == ["Use", "spacer.", "2.", "GERD"]


def test_keep_sentences_joins_the_lines_that_a_span_crosses():
    kept = keep_sentences(TEXT, [Span(TEXT.index("cough"), TEXT.index("ASSESSMENT") + 3)])
    assert kept.split() == ["Seen", "for", "cough.", "ASSESSMENT"]


spans = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 6)).map(lambda p: Span(p[0], p[0] + p[1])), max_size=5)


@given(spans)
def test_both_keep_the_length_and_the_line_ends(places):
    for changed in (blank(TEXT, places), keep_sentences(TEXT, places)):
        assert len(changed) == len(TEXT)
        assert all(a == b or a == " " for a, b in zip(changed, TEXT, strict=True))
        assert [c for c in changed if c in "\r\n"] == [c for c in TEXT if c in "\r\n"]


@given(spans)
def test_what_is_kept_holds_the_spans(places):
    kept = keep_sentences(TEXT, places)
    for p in places:
        assert kept[p.start : p.end].split() == TEXT[p.start : p.end].split()


def by_words(note: Note):
    """Probability .8 for asthma, a half more than .4 when the heading stands above."""
    answers = []
    if "Asthma" in note.text:
        start = note.text.index("Asthma")
        answers.append(("J45.909", 0.8 if "ASSESSMENT" in note.text else 0.4, [(start, start + 6)]))
    if "cough" in note.text:
        answers.append(("R05.9", 0.6, [(TEXT.index("Use"), TEXT.index("Use") + 3)]))  # evidence that does not carry it
    return answers


def test_faithfulness_by_hand():
    found = measure_faithfulness(StubSuggester(by_words), [Note("n1", TEXT)])
    assert found is not None
    assert (found.n_notes, found.n_codes) == (1, 2)
    assert found.probability == pytest.approx((0.8 + 0.6) / 2)
    assert found.without_evidence == pytest.approx((0.0 + 0.6) / 2)
    assert found.evidence_alone == pytest.approx((0.4 + 0.0) / 2)
    assert found.comprehensiveness == pytest.approx(0.4)
    assert found.sufficiency == pytest.approx(0.5)
    assert (found.share_withdrawn, found.share_kept) == (0.5, 0.0)


def test_a_note_left_without_words_has_no_probability():
    answers = {"n1": [("J45.909", 0.9, [(0, 6)])]}

    class OnlyWhole(StubSuggester):
        def suggest(self, note):
            return super().suggest(note if note.text.strip() else Note("unreadable", "x"))

    found = measure_faithfulness(OnlyWhole(answers), [Note("n1", "Asthma")])
    assert found is not None
    assert (found.without_evidence, found.evidence_alone) == (0.0, 0.9)


def test_nothing_put_forward_and_no_notes_asked_for_give_nothing():
    assert measure_faithfulness(StubSuggester({"n1": []}), [Note("n1", TEXT)]) is None
    assert measure_faithfulness(StubSuggester(by_words), [Note("n1", TEXT)], n_notes=0) is None
    assert measure_faithfulness(StubSuggester({}), [Note("n1", TEXT)]) is None


def test_the_sample_is_drawn_by_the_seed():
    notes = [Note(f"n{i}", TEXT if i % 2 else "Use. cough") for i in range(20)]
    drawn = [measure_faithfulness(StubSuggester(by_words), notes, n_notes=5, seed=s) for s in (0, 0, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1
