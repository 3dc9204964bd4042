import json
import re
import sys
from html.parser import HTMLParser

import pytest
from stub_suggester import StubSuggester, coded

from codesuggest.errors import PrerequisiteError
from codesuggest.learn.evaluate import FIGURES, compare, evaluate
from codesuggest.learn.guarantee import fit_guarantee
from codesuggest.learn.report import Report, plain_tables, report_html

TEXT = "Unmistakable words of a note, <b>marked</b> & more."
NOTES = [
    coded(
        f"n<{i}>",
        ["I10", "Z79.4"] if i % 3 else ["E11.9"],
        text=TEXT,
        evidence=[("I10", 0, 12)] if i % 3 else [("E11.9", 3, 9)],
        kind="a & b",
    )
    for i in range(40)
]
ANSWERS = {n.note.note_id: [("I10", 0.9, [(0, 12)]), ("E11.9", 0.4, [(3, 9)]), ("R05.9", 0.1, [(5, 9)])] for n in NOTES}
OTHER = {n.note.note_id: [("I10", 0.8, [(0, 12)]), ("R05.9", 0.7, [(5, 9)])] for n in NOTES}


@pytest.fixture(scope="module")
def report():
    a, b = (evaluate(StubSuggester(x), NOTES, name=name, n_draws=20) for x, name in ((OTHER, "old <1>"), (ANSWERS, "new <2>")))
    return Report(b, "notes <file>", a, compare(a, b, n_draws=20, n_swaps=50), fit_guarantee(b, 0.4))


@pytest.fixture(scope="module")
def html(report):
    pytest.importorskip("matplotlib")
    return report_html(report)


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.sources, self.words = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.sources += [v for k, v in attrs if k in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_is_whole_and_fetches_nothing(html):
    page = Tags()
    page.feed(html)
    assert page.open == []
    assert not {"script", "link", "iframe", "object", "form"} & set(page.seen)
    assert page.sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert not re.search(r"https?://", html)


def test_the_page_holds_no_text_of_a_note(html):
    assert "nmistakable" not in html


def test_names_and_ids_are_escaped(html):
    assert "n&lt;1&gt;" in html
    assert "new &lt;2&gt;" in html
    assert "notes &lt;file&gt;" in html
    assert "<b>marked" not in html
    assert "<1>" not in html


def test_the_page_shows_every_figure_of_both_models(html, report):
    page = Tags()
    page.feed(html)
    for figure in FIGURES:
        assert figure.label in page.words
    assert f"{report.evaluation['micro_f1']:.3f}" in page.words
    assert f"{report.against['micro_f1']:.3f}" in page.words


def test_the_same_report_gives_the_same_page(html, report):
    assert report_html(report) == html


def test_a_page_of_an_evaluation_without_codes_put_forward():
    pytest.importorskip("matplotlib")
    found = evaluate(StubSuggester({}), NOTES[:2], n_draws=5)
    page = report_html(Report(found, no_guarantee="[CS518] too few"))
    assert "2 notes could not be read" in page
    assert "[CS518] too few" in page
    assert "nan" not in re.sub(r"base64,[^\"]*", "", page)


def test_without_matplotlib_the_page_is_refused_with_the_way_out(monkeypatch, report):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(PrerequisiteError, match=r"CS520.*pip install \"codesuggest\[plots\]\""):
        report_html(report)


def test_the_tables_hold_what_the_evaluation_holds(report):
    tables = {t.title: t for t in plain_tables(report)}
    figures = tables[""].rows if tables[""].head[0] == "" else plain_tables(report)[0].rows
    assert len(plain_tables(report)[0].rows) == len(FIGURES) + 5
    assert all(len(row) == len(t.head) for t in plain_tables(report) for row in t.rows)
    assert figures
    assert [row[0] for row in tables["Precision asked for"].rows][:1] == ["Threshold"]
    false = [e for e in report.evaluation.errors if e.kind == "false"]
    assert tables["Costliest codes put forward wrongly"].rows[0][:2] == (false[0].note_id, false[0].code)


def test_the_json_is_plain(report):
    again = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert again["evaluation"]["figures"]["micro_f1"]["value"] == pytest.approx(report.evaluation["micro_f1"], abs=1e-6)
    assert again["comparison"]["figures"][0]["name"] == FIGURES[0].name
    assert again["guarantee"]["target_precision"] == 0.4
    assert "nmistakable" not in json.dumps(again)
