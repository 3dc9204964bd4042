"""The checker of the lexicon, and that the shipped tables pass it. Expected codes: Tabular List, April 2026."""

import json
from datetime import date

import pytest

from codesuggest.codes import Releases
from codesuggest.errors import InputFormatError
from codesuggest.extract.check import (
    ReviewedException,
    TableEntry,
    ambiguous_terms,
    check_lexicon,
    read_exceptions,
    read_table,
    shipped_entries,
)
from codesuggest.extract.commands import app
from codesuggest.extract.lexicon import LexiconEntry

HEADER = "term\tcode\troot\tkind\tcontext\tsource\n"


@pytest.fixture(scope="module")
def release():
    return Releases().on(date(2026, 5, 4))


def checks(entries, release, **more):
    return [p.check for p in check_lexicon(entries, release, **{"exceptions": (), **more})]


def line(term, code, root="", kind="diagnosis", context="", table="a.tsv"):
    return TableEntry(term, code, root, kind, context, "usage", table, 2)


def test_shipped_tables_have_no_problem(release):
    assert [str(p) for p in check_lexicon(shipped_entries(), release)] == []


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (line("gouty knee", "M10.99"), ["code"]),
        (line("gouty knee", "M10.06"), ["header"]),
        (line("gouty knee", "M10.069", root="M10.0"), []),
        (line("gouty knee", "M10.069", root="M10"), []),
        (line("gouty knee", "M10.069", root="M11"), ["root"]),
        (line("gouty knee", "M10.069", root="M99.99Z"), ["root"]),
        (line("hep a", "B15.9"), ["letter"]),
        (line("hep A", "B15.9"), []),
        (line("gouty knee", "M10.99", kind="context"), []),
        (line("gouty knee", "M10.069", context="near:post-op"), ["condition"]),  # three words to the matcher
        (line("gouty knee", "M10.069", context="near:post_-_op|postop section:hospital_course|pmh age:18-"), []),
        (line("gouty knee", "M10.069", context="notsection:somewhere"), ["condition"]),
        (line("gouty knee", "M10.069", context="sex:W"), ["condition"]),
        (line("gouty knee", "M10.069", context="age:adult"), ["condition"]),
    ],
)
def test_codes_roots_and_letters(entry, expected, release):
    assert checks([entry], release) == expected


@pytest.mark.parametrize(
    ("term", "code", "context", "expected"),
    [
        ("hypertension", "I10", "", []),
        ("ileus by gallstones", "K56.3", "", []),  # title: Gallstone ileus
        ("gallstone ileus", "K80.20", "", ["official"]),
        ("gallstone ileus", "K80.20", "age:0-1", []),  # chosen by context
        ("generalized anxiety disorder", "F41.9", "", ["official"]),  # right category, another code
        ("gestational hypertension", "O13.9", "", []),
    ],
)
def test_official_wording(term, code, context, expected, release):
    assert checks([line(term, code, context=context)], release) == expected


def test_official_code_with_another_beside_it(release):
    pair = [line("hypertensive chronic kidney disease", "I12.9"), line("hypertensive chronic kidney disease", "N18.9")]
    assert checks(pair, release) == []


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # the same words to the matcher: plural, part for adjective, small words
        (line("renal ache", "N23"), line("kidneys ache", "R10.9", table="b.tsv"), ["contradiction"]),
        # one table states the pair
        (line("renal ache", "N23"), line("renal ache", "R10.9"), []),
        # one says the other's side is unspecified
        (line("dvt rle", "I82.401"), line("dvt rle", "I82.409"), ["contradiction"]),
        # G30 "use additional code to identify dementia (F02.-)"
        (line("alzheimer kind of dementia", "G30.9"), line("alzheimer kind of dementia", "F02.80", table="b.tsv"), []),
        # a condition and the drug that caused it
        (line("statin muscle trouble", "G72.0"), line("statin muscle trouble", "T46.6X5A", table="b.tsv"), []),
        # each has its own condition
        (line("MS", "G35.D", context="case"), line("MS", "I05.0", context="case near:valve", table="b.tsv"), []),
        # "not" keeps quiet, it does not choose
        (line("flu bug", "J11.1", context="not:vaccine"), line("flu bug", "J10.1", table="b.tsv"), ["contradiction"]),
        # said twice, and the looser line undoes the guard of the other
        (line("flu bug", "J11.1", context="not:vaccine"), line("flu bug", "J11.1", table="b.tsv"), ["repeat"]),
        (line("flu bug", "J11.1", root="J11"), line("flu bug", "J11.1", table="b.tsv"), ["repeat"]),
        (line("flu bug", "J11.1", context="not:a|b"), line("flu bug", "J11.1", context="not:b|a", table="b.tsv"), []),
        # drugs are no codes of their own
        (line("furosemide", "I50.9", kind="drug"), line("furosemide", "R60.9", kind="drug", table="b.tsv"), []),
    ],
)
def test_contradiction_and_pair(first, second, expected, release):
    assert checks([first, second], release) == expected


def test_exception_excuses_and_an_idle_one_is_reported(release):
    wrong = [line("gallstone ileus", "K80.20")]
    needed = ReviewedException("official", "ileus by gallstones", "K80.20", "tried")
    idle = ReviewedException("official", "gout", "M10.9", "tried")
    assert checks(wrong, release, exceptions=[needed]) == []
    assert checks(wrong, release, exceptions=[needed, idle]) == ["exception"]


def test_exception_of_a_code_holds_for_every_term(release):
    entries = [line("gouty knee", "M10.06"), line("gouty big knee", "M10.06")]
    assert checks(entries, release, exceptions=[ReviewedException("header", "*", "M10.06", "tried")]) == []


def test_index_is_compared(release):
    index = [LexiconEntry("Cough hacking smokers", "J41.0", source="index file")]
    assert checks([line("smoker's hacking cough", "R05.9")], release, index=index) == ["index"]
    assert checks([line("smoker's hacking cough", "J41.0")], release, index=index) == []


def test_ambiguous_terms_say_what_settles_them():
    found = ambiguous_terms(
        [line("RA", "M06.9", context="case"), line("RA", "Z99.81", context="case near:oxygen"), line("gout", "M10.9")]
    )
    assert [(a.term, a.meanings) for a in found] == [("RA", (("M06.9", "case"), ("Z99.81", "case near:oxygen")))]


def test_read_table_keeps_the_line_numbers(tmp_path):
    file = tmp_path / "t.tsv"
    file.write_text(f"# made up\n{HEADER}\ngout\tM10.9\tM10\tdiagnosis\t\tindex\n", encoding="utf-8")
    assert [(e.term, e.table, e.line) for e in read_table(file)] == [("gout", "t.tsv", 4)]


@pytest.mark.parametrize("bad", ["official\tgout\tM10.9\t", "official\tgout\tM10.9", "spelling\tgout\tM10.9\twhy"])
def test_exceptions_need_a_check_and_a_reason(bad, tmp_path):
    file = tmp_path / "e.tsv"
    file.write_text(f"check\tterm\tcode\treason\n{bad}\n", encoding="utf-8")
    with pytest.raises(InputFormatError, match="CS212"):
        read_exceptions(file)


def invoke(*arguments):
    from typer.testing import CliRunner

    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_command_reports_problems_and_ambiguity(tmp_path):
    file = tmp_path / "t.tsv"
    rows = [
        "gallstone ileus\tK80.20\t\tdiagnosis\t\tusage",
        "MS\tG35.D\t\tdiagnosis\tcase\tusage",
        "MS\tI05.0\t\tdiagnosis\tcase near:valve\tusage",
    ]
    file.write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    result = invoke("check", file, "--ambiguous")
    assert result.exit_code == 5
    assert "t.tsv:2: gallstone ileus → K80.20" in result.output
    assert "[case near:valve]" in result.output
    found = json.loads(invoke("check", file, "--json").stdout)
    assert [p["check"] for p in found["problems"]] == ["official"]


def test_command_names_a_file_that_is_no_index(tmp_path):
    file = tmp_path / "i.xml"
    file.write_text("<x/>", encoding="utf-8")
    result = invoke("check", "--index", file)
    assert result.exit_code == 2
    assert "[CS1" in result.output
