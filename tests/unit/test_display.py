import html
import io
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from codesuggest import Evidence, Finding, Note, Result, Span, Suggestion, Suppressed
from codesuggest.display import Mark, find_marks, marked_note_html, printable, result_html, rich_table


def suggestion(code, *spans, text, rank=1, selected=True):
    evidence = tuple(Evidence(Span(a, b), text[a:b], "supports", "assessment") for a, b in spans)
    return Suggestion(rank, code, "ICD-10-CM", f"Title of {code}", 0.9 if selected else 0.1, selected, True, evidence)


def suppressed(code, span, *, text, role="contradicts"):
    evidence = (Evidence(Span(*span), text[slice(*span)], role, "hpi"),)
    return Suppressed(code, f"Title of {code}", "absent", "negated", evidence, Span(0, 2))


def text_of(page):
    """The text of a page without its tags and mark labels."""
    page = re.sub(r'<span style="font-size:0\.75em[^>]*>[^<]*</span>', "", page)
    return html.unescape(re.sub(r"<[^>]*>", "", page.replace("<br>", "\n")))


TEXT = "No pneumonia. Type 2 diabetes with chronic kidney disease."


def test_overlapping_support_is_one_mark_with_every_code():
    found = Result(
        "n",
        TEXT,
        "",
        (suggestion("E11.22", (14, 29), (35, 57), text=TEXT), suggestion("N18.9", (30, 57), text=TEXT, rank=2)),
    )
    assert find_marks(found) == [
        Mark(Span(14, 29), "supports", ("E11.22",)),
        Mark(Span(30, 57), "supports", ("E11.22", "N18.9")),
    ]


def test_support_wins_over_what_speaks_against():
    found = Result(
        "n",
        TEXT,
        "",
        (suggestion("E11.22", (14, 29), text=TEXT), suggestion("J18.9", (3, 12), text=TEXT, rank=2, selected=False)),
        tuple(suppressed(code, span, text=TEXT) for code, span in (("J18.9", (3, 12)), ("N18.9", (35, 57)), ("E11.9", (19, 29)))),
    )
    assert [(m.role, m.codes) for m in find_marks(found)] == [
        ("below", ("J18.9",)),
        ("supports", ("E11.22",)),
        ("contradicts", ("N18.9",)),
    ]


def test_context_is_not_marked():
    found = Result("n", TEXT, "", (), (suppressed("J18.9", (3, 12), text=TEXT, role="context"),))
    assert find_marks(found) == []


def test_the_page_holds_the_note_the_codes_and_what_was_left_out():
    found = Result(
        "n",
        TEXT,
        "",
        (suggestion("E11.22", (14, 29), text=TEXT),),
        (suppressed("J18.9", (3, 12), text=TEXT),),
        (Finding("R1", "warning", ("E11.22",), "Check <this>.", "I.C.4"),),
        skipped=("payer edits: no table",),
        versions={"codesuggest": "0.1.0", "model": "ab" * 32},
    )
    page = result_html(found)
    assert TEXT in text_of(page)
    for words in ("E11.22", "0.90", "Left out (1)", "negated (“No”)", "Check &lt;this&gt;.", "payer edits", "abababababab"):
        assert words in page
    assert re.search(r'<mark[^>]*background:#bfe3c6[^>]*>Type 2 diabetes<span[^>]*>E11\.22</span></mark>', page)
    assert re.search(r'<mark[^>]*background:#f2c4c0[^>]*>pneumonia<span[^>]*>J18\.9</span></mark>', page)


def test_nothing_of_a_note_is_markup_and_nothing_is_fetched(suggester):
    text = 'Assessment: <script>alert("x")</script> <img src=http://x> essential hypertension & "asthma".'
    page = result_html(suggester.suggest(Note("n", text)))
    assert "<script" not in page
    assert "<img" not in page
    assert not re.search(r"(?:src|href|url)\s*[=(]", re.sub(r"src=http://x", "", page))
    assert text in text_of(page)


def test_an_empty_result_says_so():
    assert "No term that leads to a code" in result_html(Result("n", "Fair weather.", "", ()))


def test_a_notebook_shows_the_page(suggester):
    result = suggester.suggest(Note("n", "Assessment: essential hypertension."))
    assert result._repr_html_() == result_html(result)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=200), st.data())
def test_escaped_html_without_tags_is_the_text(text, data):
    places = data.draw(st.lists(st.tuples(st.integers(0, len(text) - 1), st.integers(1, 20)), max_size=4))
    spans = [(a, min(a + n, len(text))) for a, n in places]
    found = Result("n", text, "", tuple(suggestion(f"A0{i}.1", s, text=text, rank=i + 1) for i, s in enumerate(spans)))
    marks = find_marks(found)
    assert all(a.span.end <= b.span.start for a, b in itertools.pairwise(marks))
    assert text_of(marked_note_html(text, marks)) == text


def table_text(result, **options):
    console = Console(file=io.StringIO(), width=options.pop("width", 200), color_system=None)
    console.print(rich_table(result, **options))
    return console.file.getvalue()


def test_table_marks_the_codes_put_forward():
    found = Result(
        "n",
        TEXT,
        "",
        (suggestion("E11.22", (14, 29), text=TEXT), suggestion("J18.9", (3, 12), text=TEXT, rank=2, selected=False)),
    )
    lines = table_text(found).splitlines()
    assert re.search(r"1\s+●\s+E11\.22\s+Title of E11\.22\s+0\.90\s+“Type 2 diabetes”\s+assessment", "\n".join(lines))
    assert not any("●" in line for line in lines if "J18.9" in line)


def test_table_shows_five_below_the_threshold_unless_all():
    rows = tuple(suggestion(f"A0{i}.1", (14, 29), text=TEXT, rank=i + 1, selected=i == 0) for i in range(9))
    found = Result("n", TEXT, "", rows)
    assert "3 more below the threshold" in table_text(found)
    assert "A08.1" not in table_text(found)
    assert "A08.1" in table_text(found, show_all=True)


def test_table_names_findings_and_parts_that_could_not_run():
    found = Result(
        "n", TEXT, "", (), findings=(Finding("R1", "error", ("A00.0",), "Not together.", "I.A.12"),), skipped=("edits: no table",)
    )
    assert "error: Not together. I.A.12" in table_text(found)
    assert "could not run: edits: no table" in table_text(found)


@pytest.mark.parametrize(
    ("text", "printed"),
    [("a\r\n b", "a b"), ("\x1b]0;x\x07", "�]0;x�"), ("\ud800x", "�x"), ("\u202eabc", "�abc"), ("👩\u200d⚕️", "👩\u200d⚕️")],
)
def test_printable_leaves_nothing_that_moves_a_terminal(text, printed):
    assert printable(text) == printed


def test_table_fits_a_narrow_terminal(suggester):
    result = suggester.suggest(Note("n", "Assessment: type 2 diabetes with hyperglycemia. Essential hypertension. No pneumonia."))
    assert max(map(len, table_text(result, width=80).splitlines())) <= 80
