"""Assertion on marked text: the mention in <m a=…> must get that assertion. Expected values are what a clinician reads."""

import re

import pytest

from codesuggest import Note, load

_MARK = re.compile(r"<m (\w+)>(.*?)</m>")


def read(marked: str) -> tuple[str, list[tuple[int, int, str]]]:
    """Return the plain text and the marked spans; refuse text without a mark or with an unbalanced one."""
    text, spans, position = "", [], 0
    for m in _MARK.finditer(marked):
        text += marked[position : m.start()]
        spans.append((len(text), len(text) + len(m.group(2)), m.group(1)))
        text += m.group(2)
        position = m.end()
    text += marked[position:]
    if not spans or "<m" in text or "</m>" in text:
        raise ValueError("The example has no mark, or one that is not balanced.")
    return text, spans


EXAMPLES = [
    # scope ends where it should
    "No <m absent>fever</m> but <m present>cough</m>.",
    "Denies <m absent>chest pain</m>, <m absent>dyspnea</m>, or <m absent>syncope</m>. Has <m present>vertigo</m>.",
    "No evidence of <m absent>pneumonia</m>; <m present>bronchitis</m> is present.",
    "He denies <m absent>nausea</m> and reports <m present>diarrhea</m>.",
    "<m absent>Pulmonary embolism</m> was ruled out.",
    "Workup was negative for <m absent>deep vein thrombosis</m>.",
    "No change in her <m present>psoriasis</m>.",
    "The <m present>hypertension</m> is not well controlled.",
    "Without <m absent>hematuria</m>.",
    "Patient has <m present>asthma</m>. No <m absent>wheezing</m>.",
    # uncertain
    "Rule out <m possible>pulmonary embolism</m>.",
    "<m possible>Pneumonia</m> versus <m possible>bronchitis</m>.",
    "Probable <m possible>gout</m>.",
    "Imp: ?<m possible>UTI</m>",
    "Findings concerning for <m possible>appendicitis</m>.",
    "Cannot exclude <m possible>endocarditis</m>.",
    # a question mark asks about what it touches; "vs" reaches back to the comma
    "Assessment: <m present>Dyspnea</m>, ?<m possible>COPD</m>.",
    "<m possible>NSTEMI</m> ?; <m present>pulmonary embolism</m>.",
    "Assessment: <m present>Back pain</m>, <m possible>muscle strain</m> vs <m possible>sciatica</m>.",
    # "non" denies the next word alone
    "SH: Non-<m absent>smoker</m>, social alcohol.",
    "<m present>Non-sustained ventricular tachycardia</m>.",
    "<m present>Non-Hodgkin lymphoma</m>.",
    # the year of the diagnosis is not the year it ended
    "She was diagnosed with <m present>chronic lymphocytic leukemia</m> in May 2008.",
    # someone else
    "Her grandmother had <m someone_else>pancreatitis</m>.",
    "Her mother had <m someone_else>rheumatoid arthritis</m>.",
    "FH: <m someone_else>colon cancer</m> in an uncle.",
    # past and course of time
    "3/7 hx of <m present>cough</m>.",
    "A 20-year history of <m present>psoriasis</m>.",
    "Had <m historical>pancreatitis</m> many years ago.",
    # hypothetical
    "Return if you develop <m hypothetical>fever</m>.",
    "Monitor for <m hypothetical>seizures</m>.",
    "Call for worsening symptoms such as <m hypothetical>vomiting</m>.",
    # other words of negation
    "Nil <m absent>dysuria</m>.",
    "ROS: <m absent>Fever</m> denied.",
    "There is no <m absent>ascites</m> or <m absent>jaundice</m>.",
]


@pytest.mark.parametrize("marked", EXAMPLES)
def test_assertion_of_marked_mention(marked: str) -> None:
    text, spans = read(marked)
    mentions = load_extractor().extract(Note("n", text)).mentions
    for start, end, expected in spans:
        found = {m.assertion for m in mentions if m.span.start <= start and end <= m.span.end and m.kind != "drug"}
        assert expected in found, (text[start:end], found)


_CACHE: list = []


def load_extractor():
    if not _CACHE:
        _CACHE.append(load().extractor)
    return _CACHE[0]


@pytest.mark.parametrize("broken", ["No fever.", "No <m absent>fever.", "No fever</m>."])
def test_read_refuses_example_without_balanced_mark(broken: str) -> None:
    with pytest.raises(ValueError, match="mark"):
        read(broken)


def test_deciding_cue_is_kept() -> None:
    text = "She denies chest pain."
    mention = next(m for m in load_extractor().extract(Note("n", text)).mentions if m.code == "R07.9")
    assert [text[c.start : c.end] for c in mention.cues] == ["denies"]
