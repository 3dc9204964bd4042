"""Dates, sections and denials."""

import datetime as dt

import pytest

from codesuggest.queries.indicators import find_indicators
from codesuggest.queries.places import Place, when_of
from codesuggest.records import Section, Span


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("3/14/2026", "2026-03-14"),
        ("3/14/26 0630", "2026-03-14T06:30"),
        ("2026-03-14 6:30 PM", "2026-03-14T18:30"),
        ("14-Mar-2026", "2026-03-14"),
        ("March 14, 2026", "2026-03-14"),
        ("3/14", "2026-03-14"),
        ("12/30", "2025-12-30"),
        ("hospital day 2", "hospital day 2"),
        ("13/45", "13/45"),
    ],
)
def test_a_date_becomes_iso_where_it_can(written, expected):
    assert when_of(written, dt.date(2026, 3, 20)) == expected


def test_a_date_without_a_year_stays_as_written_when_the_date_of_service_is_not_known():
    assert when_of("3/14") == "3/14"


def test_the_date_before_a_line_covers_it():
    text = "3/14/2026: Na 131, K 3.0\nLabs on admission:\nCr 2.1\n"
    assert [(i.name, i.when) for i in find_indicators(text)] == [
        ("sodium", "2026-03-14"),
        ("potassium", "2026-03-14"),
        ("creatinine", "admission"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Given naloxone with improvement.", "present"),
        ("No naloxone was needed.", "absent"),
        ("She did not require naloxone.", "absent"),
        ("Denies chest pain, cough, fever, chills or naloxone.", "absent"),
        ("No fever, started on naloxone.", "present"),
        ("Naloxone was stopped.", "historical"),
        ("Off naloxone.", "historical"),
        ("History of naloxone.", "historical"),
        ("No history of naloxone.", "absent"),
        ("2 day history of naloxone.", "present"),
        ("Consider naloxone.", "possible"),
        ("Naloxone if needed.", "possible"),
        ("NALOXONE: none.", "absent"),
    ],
)
def test_what_is_denied_past_or_considered(text, expected):
    (found,) = find_indicators(text)
    assert found.asserted == expected


def test_a_relative_is_not_the_patient():
    assert find_indicators("His father had asterixis.") == ()


def test_sections_handed_in_name_the_place_and_allergies_are_not_given():
    text = "ALLERGIES: ceftriaxone\nCOURSE: ceftriaxone given"
    sections = (Section("allergies", Span(0, 23)), Section("hospital_course", Span(23, len(text))))
    assert [(i.name, i.section) for i in find_indicators(text, sections=sections)] == [("ceftriaxone", "hospital_course")]


def test_letters_that_grow_in_lower_case_move_no_offset():
    text = "İİİ Na 128"
    (found,) = find_indicators(text)
    assert text[found.span.start : found.span.end] == "Na 128"
    assert len(Place(text).lower) == len(text)
