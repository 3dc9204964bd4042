"""Restraint: one query a topic and encounter, the most important first, nothing that is answered; and what a query holds."""

import datetime as dt
import hashlib

import pytest

from codesuggest import find_queries
from codesuggest.errors import ConfigError, InvalidNoteError
from codesuggest.querying import QueryFinder, encounters_of
from codesuggest.records import Failure, Note
from codesuggest.schema import validate
from codesuggest.suggester import load

SODIUM = "HOSPITAL COURSE: Na 121 on arrival, treated with fluid restriction."


@pytest.fixture(scope="module")
def suggester():
    return load()


@pytest.fixture(scope="module")
def finder(suggester):
    return QueryFinder(suggester)


def topics(finder, text, **facts):
    return [q.topic for q in finder.find([Note("n1", text, **{"setting": "inpatient"} | facts)])]


@pytest.mark.parametrize(
    "answer",
    [
        "Hyponatremia.",
        "Probable hyponatremia.",  # codable at discharge, guideline II.H
        "SIADH.",
        "No hyponatremia: the sample was drawn above the infusion.",
        "Low serum sodium from the thiazide.",
    ],
)
def test_what_a_physician_said_is_not_asked(finder, answer):
    assert topics(finder, f"{SODIUM} {answer}") == []


@pytest.mark.parametrize(
    "not_an_answer",
    [
        "FAMILY HISTORY: mother with hyponatremia",
        "DISCHARGE INSTRUCTIONS: come back for signs of hyponatremia",
        "PAST MEDICAL HISTORY: hyponatremia in 2019",
    ],
)
def test_what_is_said_of_others_or_of_another_time_does_not_answer(finder, not_an_answer):
    assert topics(finder, f"{SODIUM}\n{not_an_answer}") == ["sodium"]


def test_a_report_is_not_a_diagnosis(finder):
    text = (
        "IMAGING: Chest X-ray: pneumonia of the right lower lobe with consolidation.\n"
        "HOSPITAL COURSE: Temperature 38.8, WBC 17.2, productive cough. Ceftriaxone and azithromycin."
    )
    assert topics(finder, text) == ["pneumonia"]  # guideline III.B: the provider says what it means


def test_a_dietitian_does_not_answer(finder):
    text = "NUTRITION: Dietitian assessment: severe malnutrition, 12% weight loss.\nHOSPITAL COURSE: Ensure was given."
    assert topics(finder, text) == ["nutrition"]


def test_one_note_of_an_encounter_answers_for_all(finder):
    notes = [
        Note("n1", SODIUM, setting="inpatient", encounter_id="e"),
        Note("n2", "ASSESSMENT: Hyponatremia, resolved.", setting="inpatient", encounter_id="e"),
    ]
    assert [q.topic for q in finder.find(notes[:1])] == ["sodium"]
    assert finder.find(notes) == ()


def test_one_query_a_topic(finder):
    text = f"{SODIUM} On day 3 Na 124, hypertonic saline. Day 5 Na 155 with free water."
    assert topics(finder, text) == ["sodium"]


def test_the_most_important_come_first_and_no_more_than_the_limit(suggester):
    text = (
        f"{SODIUM} K 2.6, potassium repleted. Mg 1.0, magnesium sulfate IV. Creatinine 3.1 from a baseline of 1.0, lisinopril held, "
        "IV fluids. SpO2 80% on room air, RR 34, BiPAP. CK 30,000. Glucose 30, D50 given. BP 230/130, IV labetalol, nicardipine drip."
    )
    queries = QueryFinder(suggester).find([Note("n1", text, setting="inpatient")])
    assert len(queries) == 5
    assert [q.importance for q in queries] == sorted((q.importance for q in queries), reverse=True)
    assert queries[0].topic == "respiratory failure"
    assert len(QueryFinder(suggester, limit=2).find([Note("n1", text, setting="inpatient")])) == 2


def test_an_office_is_not_asked_what_only_a_stay_needs(finder):
    assert topics(finder, "ASSESSMENT: Na 121, fluid restriction.", setting="outpatient") == []
    assert topics(finder, "ASSESSMENT: Na 121, fluid restriction.", setting="professional") == []


def test_the_limits_of_adults_are_not_those_of_children(finder):
    text = "DISCHARGE DIAGNOSIS: Pneumonia.\nHOSPITAL COURSE: T 39.2, HR 150, RR 44, WBC 19, lactate 3, IV ceftriaxone."
    assert topics(finder, text, age_years=40) == ["sepsis"]
    assert topics(finder, text, age_years=2) == []


def test_answers_are_those_that_the_record_supports(finder):
    def options(text):
        note = Note("n1", f"ASSESSMENT: 1. Congestive heart failure. Furosemide. {text}", setting="outpatient")
        return finder.find([note])[0].options

    assert options("") == ()  # open
    with_ef = options("Echo with LVEF 25%.")
    assert any("ystolic" in o for o in with_ef)
    assert not any(o.startswith("Diastolic") for o in with_ef)
    assert with_ef[-2:] == ("Other (please specify): ________", "Unable to determine")


def test_codes_are_those_of_the_date_of_service(finder):
    text = "VITALS: BMI 42\nASSESSMENT: 1. Obesity, semaglutide begun."
    query = finder.find([Note("n1", text, setting="outpatient", date_of_service=dt.date(2026, 5, 4))])[0]
    assert query.codes_by_option["Obesity, class 3"] == ("E66.813",)
    assert "E66" not in query.text


def test_a_query_has_the_same_id_again_and_another_for_another_encounter(finder):
    first, again = (finder.find([Note("n1", SODIUM, setting="inpatient")])[0].query_id for _ in range(2))
    other = finder.find([Note("n1", SODIUM, setting="inpatient", encounter_id="e9")])[0].query_id
    assert first == again != other
    assert first == hashlib.sha256(b"n1\nsodium\nIND-SODIUM-LOW").hexdigest()[:16]


def test_a_query_names_the_note_and_the_day_of_what_it_quotes(finder):
    notes = [
        Note("n1", "LABS 2026-04-02: Na 122", setting="inpatient", kind="progress note", date_of_service=dt.date(2026, 4, 2)),
        Note("n2", "PLAN: fluid restriction", setting="inpatient", kind="progress note", date_of_service=dt.date(2026, 4, 3)),
    ]
    query = finder.find(notes)[0]
    assert [i.note_id for i in query.indicators] == ["n1", "n2"]
    assert "progress note of 2026-04-02" in query.text


def test_a_result_carries_its_queries_and_stays_valid(suggester):
    note = Note("n1", SODIUM, setting="inpatient")
    assert suggester.suggest(note).queries == ()
    result = suggester.suggest(note, queries=True)
    assert [q.topic for q in result.queries] == ["sodium"]
    validate(result.to_dict())


def test_find_queries_takes_a_note_or_several():
    note = Note("n1", SODIUM, setting="inpatient")
    assert find_queries(note) == find_queries([note])
    assert find_queries([]) == ()


def test_a_note_without_text_is_refused(finder):
    with pytest.raises(InvalidNoteError, match="CS150"):
        finder.find([Note("n1", "  ")])


def test_encounters_stay_in_the_place_of_their_first_note():
    day = dt.date(2026, 3, 1)
    notes = [
        Note("a", "x", encounter_id="1", date_of_service=day + dt.timedelta(1)),
        Failure("f", "CS150", "…"),
        Note("b", "x"),
        Note("c", "x", encounter_id="1", date_of_service=day),
    ]
    groups = encounters_of(notes)
    assert [g.note_id if isinstance(g, Failure) else [n.note_id for n in g] for g in groups] == [["c", "a"], "f", ["b"]]


def test_an_organisation_replaces_a_template(suggester, tmp_path):
    (tmp_path / "query.txt.j2").write_text("Dear colleague, {{ question }}{% for o in options %} [{{ o }}]{% endfor %}")
    query = QueryFinder(suggester, templates=tmp_path).find([Note("n1", SODIUM, setting="inpatient")])[0]
    assert query.text.startswith("Dear colleague, Please document the diagnosis, if any")


def test_a_template_for_one_trigger_goes_before_the_others(suggester, tmp_path):
    (tmp_path / "query-IND-SODIUM-LOW.txt.j2").write_text("Sodium only")
    assert QueryFinder(suggester, templates=tmp_path).find([Note("n1", SODIUM, setting="inpatient")])[0].text == "Sodium only\n"


def test_a_template_cannot_reach_beyond_its_values(suggester, tmp_path):
    (tmp_path / "query.txt.j2").write_text("{{ title.__class__.__mro__[1].__subclasses__() }}")
    with pytest.raises(ConfigError, match="CS455"):
        QueryFinder(suggester, templates=tmp_path).find([Note("n1", SODIUM, setting="inpatient")])


def test_a_folder_of_templates_that_is_missing_is_refused(suggester, tmp_path):
    with pytest.raises(ConfigError, match="CS454"):
        QueryFinder(suggester, templates=tmp_path / "none")
