import copy
import json

import jsonschema
import pytest

from codesuggest import Evidence, Failure, Finding, Note, Query, Result, Span, Suggestion, load
from codesuggest.cli import sample_note
from codesuggest.errors import InputFormatError
from codesuggest.records import Alternative, QueryIndicator
from codesuggest.schema import FailureObject, ResultObject, json_schema, validate


@pytest.fixture(scope="module")
def real():
    return load().suggest(sample_note()).to_dict()


@pytest.fixture(scope="module")
def checker():
    jsonschema.Draft202012Validator.check_schema(json_schema())
    return jsonschema.Draft202012Validator(json_schema())


def full_result():
    """A result with something in every field, those of later stages included."""
    e = Evidence(Span(0, 6), "Asthma", "supports", "assessment", 1.5)
    s = Suggestion(1, "J45.909", "ICD-10-CM", "Asthma", 0.5, True, True, (e,), {"intercept": 0.0}, 0.0)
    near = (Alternative("J45.40", "Moderate persistent asthma", "more specific", ("moderate",)),)
    return Result(
        "n",
        "Asthma",
        "0" * 64,
        (Suggestion(**{f: getattr(s, f) for f in s.__dataclass_fields__} | {"alternatives": near}),),
        (),
        (Finding("R1", "advice", ("J45.909",), "Say how severe.", "I.B.2", "2026", (e,)),),
        (
            Query(
                "q1",
                "asthma",
                "How severe?",
                ("mild", "other", "unable to determine"),
                (QueryIndicator(Span(0, 6), "Asthma", "assessment", "2026-04-12", "n", "asthma"),),
                kind="specificity",
                rule_id="SP-ASTHMA",
                title="Asthma",
                text="How severe is the asthma?",
                importance=30,
                codes_by_option={"mild": ("J45.30",)},
                note_id="n",
            ),
        ),
        ("edits: no table",),
        {"codesuggest": "0.1.0"},
    ).to_dict()


def test_a_real_result_is_valid(real, checker):
    assert isinstance(validate(real), ResultObject)
    checker.validate(json.loads(json.dumps(real)))


def test_a_result_with_every_field_is_valid(checker):
    assert isinstance(validate(full_result()), ResultObject)
    checker.validate(full_result())


def test_a_failure_is_valid(checker):
    failure = Failure("n1", "CS150", "The note is empty.").to_dict()
    assert isinstance(validate(failure), FailureObject)
    checker.validate(failure)


def test_validation_keeps_every_field(real):
    assert validate(real).model_dump(by_alias=True) == real


def _set(path, value):
    def change(row):
        for key in path[:-1]:
            row = row[key]
        row[path[-1]] = value

    return change


CHANGES = {
    "a field too many": _set(["hospital"], "x"),
    "a field too many inside": _set(["suggestions", 0, "evidence", 0, "text"], "x"),
    "another version": _set(["schema"], 2),
    "no evidence": _set(["suggestions", 0, "evidence"], []),
    "probability over one": _set(["suggestions", 0, "probability"], 1.5),
    "probability as text": _set(["suggestions", 0, "probability"], "0.5"),
    "rank zero": _set(["suggestions", 0, "rank"], 0),
    "another role": _set(["suggestions", 0, "evidence", 0, "role"], "proves"),
    "a hash that is none": _set(["text_sha256"], "abc"),
    "null for a list": _set(["suppressed"], None),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_differs_is_refused_by_both(change, checker):
    row = full_result()
    change(row)
    with pytest.raises(InputFormatError, match="CS170"):
        validate(row)
    assert not checker.is_valid(row)


def test_every_field_is_required(checker):
    for name in full_result():
        row = full_result()
        del row[name]
        with pytest.raises(InputFormatError, match="CS170"):
            validate(row)
        assert not checker.is_valid(row)


def test_an_excerpt_has_the_length_of_its_offsets():
    row = full_result()
    row["suggestions"][0]["evidence"][0]["end"] += 1
    with pytest.raises(InputFormatError, match="length of excerpt"):
        validate(row)


def test_the_message_repeats_no_value():
    row = copy.deepcopy(full_result())
    row["suggestions"][0]["evidence"][0]["start"] = "Mrs Terrazas"
    with pytest.raises(InputFormatError) as error:
        validate(row)
    assert "Terrazas" not in str(error.value)
    assert "suggestions.0.evidence.0.start" in str(error.value)


def test_many_notes_are_valid(suggester):
    notes = [Note("a", "Asthma."), Note("b", " "), Note("c", "Mother had a stroke. No fever. Return for chest pain.")]
    kinds = [type(validate(found.to_dict())) for found in suggester.suggest_many(notes)]
    assert kinds == [ResultObject, FailureObject, ResultObject]
