"""HTML and the narrative of C-CDA as text: what a reader of the page would see, line by line."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codesuggest.errors import InvalidNoteError
from codesuggest.notes.markup import MAX_DEPTH, html_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Asthma.</p><p>Gout.</p>", "Asthma.\nGout."),
        ("<div>Asthma<br/>Gout<br><br>COPD</div>", "Asthma\nGout\n\nCOPD"),
        ("<p>Seen  for\n   asthma <b>today</b>, again</p>", "Seen for asthma today, again"),
        ("<h2>Plan</h2><ul><li>Insulin</li><li>Diet</li></ul>", "Plan\n- Insulin\n- Diet"),
        ("<ol><li>one<ul><li>a<li>b</ul></li><li>two</ol>", "1. one\n  - a\n  - b\n2. two"),
        ("<ul><li></li><li>x</li></ul>", "- x"),
        ("<table><tr><th>Test<th>Value<tr><td>Na<td>128</table>", "Test | Value\nNa | 128"),
        ("<table><tr><td>Na</td><td></td><td>128</td><td></td></tr></table>", "Na |  | 128"),
        ("<table><tr><td>Na<br>(serum)</td><td>128</td></tr></table>", "Na; (serum) | 128"),
        ("<table><tr><td><p>A whole page</p><p>in one cell</p></td></tr></table>", "A whole page\nin one cell"),
        ("<table><tr><td><table><tr><td>a<td>b</table><td>c</table>", "a | b | c"),
        ("<pre>Na   128\n  K  4.1</pre>", "Na   128\n  K  4.1"),
        ('<div style="white-space: pre-wrap">Na  128\nK 4</div>', "Na  128\nK 4"),
        ("<div>HPI:\ncough\n\nAssessment:\npneumonia</div>", "HPI:\ncough\n\nAssessment:\npneumonia"),
        ("<p>5 &lt; 6 &amp;&nbsp;7&#176;</p>", "5 < 6 & 7°"),
        ("<p>a<script>alert('x')</script><style>p{}</style><!-- c -->b</p>", "ab"),
        ('<p>a<span style="display: none">hidden</span><span hidden>x</span></p>', "a"),
        ("<input type=checkbox checked>Asthma<br><input type=checkbox>Gout", "[x] Asthma\n[ ] Gout"),
        ("plain words", "plain words"),
        ("", ""),
        ("<p>soft\u00adhyphen and\u200bzero</p>", "softhyphen andzero"),
    ],
)
def test_text_of(html, text):
    assert html_text(html)[0] == text


def test_struck_out_text_is_left_out_and_counted():
    found = html_text("<p>No <del>pneumonia</del><s>gout</s> <span style='text-decoration:line-through'>copd</span>asthma</p>")
    assert found == ("No asthma", 3)


def test_a_long_cell_of_several_lines_is_a_part_of_the_page():
    cell = "<p>" + "</p><p>".join(["The patient has asthma and came in."] * 8) + "</p>"
    text, _ = html_text(f"<table><tr><td>Plan</td><td>{cell}</td></tr></table>")
    assert text.split("\n") == ["Plan", *["The patient has asthma and came in."] * 8]


@pytest.mark.parametrize(
    "unit", ["<", "<!--", "<a ", "<![CDATA[", "&#", "<a b='", "</", "<script>", "<x/", "<p></div>", "<ul><li>", "<td>"]
)
def test_hostile_markup_takes_linear_time(unit):
    begin = time.process_time()
    with contextlib.suppress(InvalidNoteError):  # too deep
        html_text(unit * 20_000)
    assert time.process_time() - begin < 2


def test_markup_too_deep_is_refused():
    with pytest.raises(InvalidNoteError, match="CS173"):
        html_text("<div>" * (MAX_DEPTH + 10) + "x")


def test_tables_inside_tables_are_read_to_the_end():
    assert html_text("<table><tr><td>" * 300 + "asthma" + "</table>" * 300)[0] == "asthma"


@given(st.text(alphabet="ab <>/&;\"'=!-\n\t", max_size=80))
def test_any_text_gives_a_text(html):
    text, n = html_text(html)
    assert isinstance(text, str)
    assert n >= 0


@given(
    st.lists(
        st.sampled_from(["<p>", "</p>", "<table>", "<tr>", "<td>", "</td>", "</table>", "<ul>", "<li>", "</ul>", "w ", "<pre>"])
    )
)
def test_no_word_is_lost_in_unbalanced_markup(tokens):
    assert html_text("".join(tokens))[0].count("w") == sum(t == "w " for t in tokens)
