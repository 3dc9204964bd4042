"""The JSON of a result as pydantic models: the published JSON Schema, and the check of objects that come from outside.

`Result.to_dict` writes the object; these models say what it may hold and refuse everything else. They stand apart from the
records so that making a suggestion needs no pydantic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from codesuggest.errors import InputFormatError

__all__ = ["FailureObject", "ResultObject", "json_schema", "validate"]

_Text = Annotated[str, Field(min_length=1)]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Range = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]


class _Object(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class EvidenceObject(_Object):
    """Words of the note that bear on a code."""

    start: Annotated[int, Field(ge=0, description="First character, counted in Unicode code points of the text.")]
    end: Annotated[int, Field(ge=1, description="One past the last character; greater than start.")]
    excerpt: Annotated[str, Field(min_length=1, description="Exactly text[start:end].")]
    section: str
    role: Literal["supports", "contradicts", "context"]
    contribution: Annotated[float, Field(description="Log-odds that the words at this place add to the suggestion.")]

    @model_validator(mode="after")
    def _ordered(self) -> EvidenceObject:
        if self.end - self.start != len(self.excerpt):
            raise ValueError("end - start is not the length of excerpt")
        return self


class SpecificityObject(_Object):
    """A neighbouring code, and the words that would lead to it."""

    code: _Text
    description: str
    relation: Literal["more specific", "less specific", "sibling"]
    missing: list[str]


class SuggestionObject(_Object):
    """A code put to the coder."""

    rank: Annotated[int, Field(ge=1)]
    code: Annotated[str, Field(min_length=3, description="With the dot.")]
    system: Annotated[str, Field(min_length=1, description="Code system, for example ICD-10-CM.")]
    description: Annotated[str, Field(description="Title in the release in force on the date of service.")]
    probability: Annotated[float, Field(ge=0, le=1, description="Calibrated, by the model named in versions.")]
    selected: Annotated[bool, Field(description="Whether the probability reaches the threshold: the code is put forward.")]
    billable: bool
    evidence: Annotated[list[EvidenceObject], Field(min_length=1)]
    contributions: Annotated[dict[str, float], Field(description="Feature to log-odds; they sum to score.")]
    score: Annotated[float, Field(description="Log-odds before calibration.")]
    alternatives: Annotated[list[str], Field(description="Codes of specificity.")]
    specificity: list[SpecificityObject]
    status: Literal["suggested", "needs query"]
    note: Annotated[str, Field(description="One line for the coder; may be empty.")]


class SuppressedObject(_Object):
    """A code that was seen in the note and left out."""

    code: _Text
    description: str
    reason: Annotated[str, Field(pattern=r"^[a-z_]+$", description="For example absent, someone_else, hypothetical, integral.")]
    detail: str
    evidence: list[EvidenceObject]
    cue: Annotated[_Range | None, Field(description="Start and end of the words that decided; null when no words did.")]


class FindingObject(_Object):
    """What an edit found."""

    rule_id: _Text
    severity: Literal["error", "warning", "advice"]
    codes: list[str]
    message: _Text
    citation: str
    release: str
    evidence: list[EvidenceObject]
    resolution: Annotated[str, Field(description="What would settle it; may be empty.")]


class QueryIndicatorObject(_Object):
    """Words of the record that a query quotes."""

    note_id: str
    start: Annotated[int, Field(ge=0, description="First character, counted in Unicode code points of the text.")]
    end: Annotated[int, Field(ge=1, description="One past the last character; greater than start.")]
    excerpt: Annotated[str, Field(min_length=1, description="Exactly text[start:end] of the note.")]
    section: str
    when: Annotated[str, Field(description="Date or time; empty when the note gives none.")]
    name: str

    @model_validator(mode="after")
    def _ordered(self) -> QueryIndicatorObject:
        if self.end - self.start != len(self.excerpt):
            raise ValueError("end - start is not the length of excerpt")
        return self


class QueryObject(_Object):
    """A question to the physician."""

    query_id: _Text
    topic: _Text
    question: _Text
    options: Annotated[list[str], Field(description="Empty when the question is open.")]
    indicators: Annotated[list[QueryIndicatorObject], Field(min_length=1)]
    status: str
    kind: Literal["missing diagnosis", "clinical validation", "specificity", "conflict", "present on admission"]
    rule_id: _Text
    title: _Text
    text: Annotated[str, Field(min_length=1, description="As the physician reads it.")]
    importance: Annotated[int, Field(ge=0, le=100)]
    citation: str
    codes_by_option: Annotated[dict[str, list[str]], Field(description="Codes that an answer leads to; not for the physician.")]
    note_id: str
    encounter_id: str
    recipients: list[str]


class ResultObject(_Object):
    """What the library has to say about one note."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    note_id: _Text
    text_sha256: Annotated[_Sha256, Field(description="Of the text in UTF-8.")]
    suggestions: Annotated[list[SuggestionObject], Field(description="By falling probability, then by code.")]
    suppressed: list[SuppressedObject]
    findings: list[FindingObject]
    queries: list[QueryObject]
    skipped: Annotated[list[str], Field(description="Parts that could not run.")]
    versions: Annotated[dict[str, str], Field(description="codesuggest, model (sha256) and the code release in force.")]


class ErrorObject(_Object):
    """Why a note was not read."""

    id: Annotated[str, Field(pattern=r"^CS\d{3}$")]
    message: _Text


class FailureObject(_Object):
    """Stands in the place of a note that could not be read."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    note_id: _Text
    error: ErrorObject


_RESULT = TypeAdapter(ResultObject)
_FAILURE = TypeAdapter(FailureObject)
_EITHER: TypeAdapter[ResultObject | FailureObject] = TypeAdapter(ResultObject | FailureObject)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one output object: a result, or the failure in its place.

    Examples
    --------
    >>> json_schema()["title"]
    'codesuggest result, version 1'
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:codesuggest:result:1",
        "title": "codesuggest result, version 1",
        "description": "One object a note: what `codesuggest suggest --json` prints.",
        **_EITHER.json_schema(by_alias=True),
    }


def validate(value: Mapping[str, Any]) -> ResultObject | FailureObject:
    """Check an object against the schema, and return it as a model.

    Parameters
    ----------
    value : mapping
        What `Result.to_dict` or `Failure.to_dict` returned, or what was read from its JSON.

    Raises
    ------
    InputFormatError
        CS170, with the places that differ. Values are not repeated: they may be note text.

    Examples
    --------
    >>> from codesuggest import Failure
    >>> validate(Failure("n1", "CS150", "The note is empty.").to_dict()).note_id
    'n1'
    """
    adapter: TypeAdapter[Any] = _FAILURE if isinstance(value, Mapping) and "error" in value else _RESULT
    try:
        return adapter.validate_python(value)  # type: ignore[no-any-return]
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc'])) or 'object'}: {e['msg']}" for e in error.errors(include_input=False)]
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise InputFormatError(
            "CS170",
            f"The object is not a result of schema version 1: {'; '.join(problems[:5])}{more}. "
            "Expected what `codesuggest schema` describes.",
        ) from None
