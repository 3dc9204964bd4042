"""Treatments, imaging, signs and cultures."""

import pytest

from codesuggest.queries.indicators import find_indicators, indicator_names
from codesuggest.queries.terms import load_terms
from codesuggest.queries.values import CATEGORIES, INTERPRETATIONS


def by_name(text):
    return {i.name: i for i in find_indicators(text)}


def test_dose_route_and_class_of_a_medicine():
    found = by_name("IV Lasix 80 mg was given.")["iv_diuretic"]
    assert (found.detail("class"), found.detail("dose"), found.detail("route")) == ("loop diuretic", "80 mg", "iv")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("started on an insulin drip", "insulin_infusion"),
        ("received 30 mL/kg of LR", "fluid_bolus"),
        ("3% saline at 30 mL/hr", "hypertonic_saline"),
        ("1.2 L fluid restriction", "fluid_restriction"),
        ("K 40 mEq PO x1", "potassium_replacement"),
        ("transfused 2 units pRBC", "packed_red_cells"),
        ("levophed at 12 mcg/min", "norepinephrine"),
        ("Started TPN", "parenteral_nutrition"),
        ("placed on BiPAP 12/5", "bipap"),
        ("Narcan 0.4 mg IV", "naloxone"),
        ("sharp debridement of the wound", "debridement"),
    ],
)
def test_treatments_are_found(text, name):
    assert by_name(text)[name].asserted == "present"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("potassium 3.1", "potassium_replacement"),
        ("vancomycin level 18", "vancomycin_treatment"),
        ("insulin-dependent diabetes", "insulin"),
        ("heparin-induced thrombocytopenia", "heparin"),
        ("grew E. coli resistant to ceftriaxone", "ceftriaxone"),
    ],
)
def test_names_that_are_no_treatment(text, name):
    assert name not in by_name(text)


def test_whose_medicines_a_list_holds():
    text = "HOME MEDICATIONS:\nLasix 40 mg daily\nHOSPITAL COURSE:\nReceived cefepime 2 g IV. Discharged on apixaban 5 mg."
    found = by_name(text)
    assert [found[n].setting for n in ("furosemide", "cefepime", "apixaban")] == ["home", "inpatient", "discharge"]


def test_a_finding_needs_its_study():
    assert "chest_imaging:consolidation" in by_name("CXR: right lower lobe consolidation.")
    assert by_name("Likely consolidation of care.") == {}


def test_side_site_and_study_of_a_finding():
    found = by_name("X-ray showed a displaced left femoral neck fracture.")["bone_imaging:fracture"]
    assert [found.detail(k) for k in ("study", "side", "site", "grade")] == ["x-ray", "left", "femoral neck", "displaced"]


def test_a_study_that_denies_and_one_that_doubts():
    found = by_name("CXR: no pneumothorax. Cannot exclude left basilar infiltrate.")
    assert found["chest_imaging:pneumothorax"].asserted == "absent"
    assert found["chest_imaging:infiltrate"].asserted == "possible"


def test_stage_site_and_presence_on_admission_of_a_pressure_injury():
    found = by_name("Stage III sacral pressure ulcer, 3 x 4 cm, present on admission.")["pressure_injury"]
    assert [found.detail(k) for k in ("stage", "site", "size", "present on admission")] == ["3", "sacral", "3 x 4 cm", "yes"]


def test_ejection_fraction_is_a_number():
    found = by_name("TTE: LVEF 20-25%.")["ejection_fraction"]
    assert (found.value, found.detail("to"), found.category) == (20, "25", "imaging")


@pytest.mark.parametrize(
    ("text", "name", "result", "organism"),
    [
        ("Blood cultures 2/2 grew MRSA.", "blood_culture", "growth", "Staphylococcus aureus, methicillin resistant"),
        ("Urine culture: >100,000 CFU/mL E. coli", "urine_culture", "growth", "Escherichia coli"),
        ("Sputum culture with Pseudomonas aeruginosa", "respiratory_culture", "growth", "Pseudomonas aeruginosa"),
        ("BCx NGTD x 48 hours", "blood_culture", "no growth", ""),
        ("Blood cultures pending.", "blood_culture", "pending", ""),
        ("MRSA nares PCR negative", "mrsa_screen", "negative", ""),
        ("C. diff toxin positive", "c_difficile", "positive", ""),
        ("Influenza A positive", "influenza", "positive", ""),
        ("COVID-19 PCR not detected", "sars_cov_2", "negative", ""),
    ],
)
def test_cultures_and_tests_for_organisms(text, name, result, organism):
    found = by_name(text)[name]
    assert (found.result, found.detail("organism")) == (result, organism)


def test_each_source_has_its_own_result():
    found = by_name("Blood cx negative, urine cx positive for Klebsiella, sputum cx no growth.")
    assert [found[n].result for n in ("blood_culture", "urine_culture", "respiratory_culture")] == [
        "no growth",
        "growth",
        "no growth",
    ]


NOTE = (
    "HOSPITAL COURSE: Na 121 -> 134 with 3% saline. Hgb 6.9, transfused. CXR with infiltrate. Blood cultures grew E. coli; ceftriaxone 2 g IV. "
    "BP 84/40, SpO2 88% on RA, GCS 9. Temporal wasting. EF 25%. Lost 30 lb in 2 months."
)


def test_every_indicator_is_of_the_tables_and_in_order():
    found = find_indicators(NOTE)
    assert len(found) > 12
    for indicator in found:
        assert indicator.name in indicator_names()
        assert indicator.category in CATEGORIES
        assert indicator.interpretation in INTERPRETATIONS
        assert 0 <= indicator.span.start < indicator.span.end <= len(NOTE)
    starts = [i.span.start for i in found]
    assert starts == sorted(starts)


def test_a_term_has_names_and_no_two_terms_of_a_table_share_one():
    seen = {}
    for term, names in load_terms():
        assert names
        for name in names:
            key = (term.table, name.lower())
            assert seen.setdefault(key, term) is term, key
