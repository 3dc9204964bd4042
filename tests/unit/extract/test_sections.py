from itertools import pairwise

import pytest

from codesuggest.extract.sections import find_sections
from codesuggest.extract.sentences import segment
from codesuggest.extract.tokens import tokenize


def names(text: str) -> list[str]:
    return [s.name for s in find_sections(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CHIEF COMPLAINT\nCough.\nHPI\nTwo days.", ["chief_complaint", "hpi"]),
        ("PMH: asthma. Meds: none. FH: father MI.", ["pmh", "medications", "family_history"]),
        ("1. Assessment:\nGout.\n2. Plan:\nColchicine.", ["assessment", "plan"]),
        ("**Assessment and Plan**\n- Gout", ["assessment_plan"]),
        ("S: cough\nO: clear\nA: bronchitis\nP: rest", ["hpi", "exam", "assessment", "plan"]),
        ("DISCHARGE DIAGNOSES:\n1. CHF\nHOSPITAL COURSE:\nDiuresed.", ["discharge_diagnosis", "hospital_course"]),
        ("PAST PSYCHIATRIC HISTORY: none", ["pmh"]),
        ("Cough for two days.", ["other"]),
    ],
)
def test_sections_of_real_headings(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_system_names_do_not_open_sections_in_a_review() -> None:
    assert names("REVIEW OF SYSTEMS\nCardiovascular: no chest pain.\nRespiratory: no cough.") == ["ros"]


def test_plan_labels_stay_in_the_plan() -> None:
    text = "ASSESSMENT AND PLAN\nGout.\nMedical Reasoning: flare.\nTreatment: colchicine.\n"
    assert names(text) == ["assessment_plan"]


def test_sections_cover_the_text() -> None:
    text = "Intro\nPMH: x\n\nPlan: y\n"
    sections = find_sections(text)
    assert sections[0].start == 0
    assert sections[-1].end == len(text)
    assert all(a.end == b.start for a, b in pairwise(sections))


def sentences(text: str) -> list[str]:
    tokens = tokenize(text)
    layout = segment(tokens, find_sections(text))
    found: dict[int, list[str]] = {}
    for word, number in zip(tokens.words, layout.sentence.tolist(), strict=True):
        found.setdefault(number, []).append(word)
    return [" ".join(ws) for ws in found.values()]


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("Takes it q.i.d. with food. No fever", 2),
        ("- fever\n- cough\n- rash", 3),
        ("Seen by Dr. Smith today. Stable.", 2),
        ("no fever. has cough", 2),
        ("3/7 hx of cough\nNo fever", 2),
        ("1. Gout\n2. Asthma", 2),
    ],
)
def test_sentences_of_clinical_style(text: str, n: int) -> None:
    assert len(sentences(text)) == n, sentences(text)


def test_wrapped_line_is_one_sentence() -> None:
    line = "The patient is a 60-year-old man with a long history of high blood\npressure who comes in for a check of his medication and feels well."
    assert len(sentences(line)) == 1


def test_problem_names_are_headings() -> None:
    text = "Assessment and Plan:\n1. Type 2 diabetes: continue metformin.\n2. Gout\nStart colchicine today.\n"
    tokens = tokenize(text)
    layout = segment(tokens, find_sections(text))
    heads = [w for w, h in zip(tokens.words, layout.heading.tolist(), strict=True) if h == 1]
    assert heads == ["Type", "2", "diabetes", "Gout"]
