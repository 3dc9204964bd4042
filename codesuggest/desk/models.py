"""What the HTTP API takes and gives, as pydantic models: the limits of every field, and the OpenAPI description.

What comes in is strict: unknown fields, wrong types and texts that no database stores are refused. What goes out is described here and
written by the store; the tests compare the two.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from codesuggest.records import Note

__all__ = ["ErrorOut"]


def _storable(text: str) -> str:
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("holds half of a surrogate pair")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is blank")
    return text


_ANY = r"^[^\x00]*$"  # no database stores NUL
_SOME = r"^[^\x00]*[^\s\x00][^\x00]*$"
Id = Annotated[str, Field(min_length=1, max_length=200, pattern=_SOME), AfterValidator(_storable), AfterValidator(_not_blank)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=_SOME), AfterValidator(_storable), AfterValidator(_not_blank)]
Words = Annotated[str, Field(max_length=2000, pattern=_ANY), AfterValidator(_storable)]
Given = Annotated[str, Field(min_length=3, max_length=2000, pattern=_SOME), AfterValidator(_storable), AfterValidator(_not_blank)]
EventId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{8,100}$", description="Chosen by the sender, such as a UUID.")]
ChartId = Annotated[str, Field(pattern=r"^[0-9a-f]{20}$")]
System = Literal["ICD-10-CM", "ICD-10-PCS", "HCPCS", "CPT"]
CodeText = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.]{1,9}$")]
Poa = Literal["Y", "N", "U", "W", "1"]
Setting = Literal["inpatient", "outpatient", "professional", "emergency"]


def _whole(value: object) -> object:
    """Take 5.0 for 5, as JSON Schema does."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Place = Annotated[int, Field(ge=0, le=100_000_000), BeforeValidator(_whole)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class LoginIn(_In):
    """Name and password."""

    username: Name
    password: Annotated[str, Field(min_length=1, max_length=1000, pattern=_ANY), AfterValidator(_storable)]


class ReasonIn(_In):
    """Why."""

    reason: Given


class AssignIn(_In):
    """To whom."""

    user: Name


class RangeIn(_In):
    """Characters of a document."""

    document: Place
    start: Place
    end: Place


class DecisionIn(_In):
    """A decision about a code."""

    event_id: EventId
    action: Literal["accept", "reject", "replace", "add", "defer", "retract"]
    code: CodeText
    system: System = "ICD-10-CM"
    final_code: CodeText | None = None
    evidence: Annotated[list[RangeIn], Field(max_length=200)] | None = None
    reason: Words = ""


class SequencedIn(_In):
    """A code of the sequence."""

    system: System = "ICD-10-CM"
    code: CodeText
    poa: Poa | None = None


class DraftIn(_In):
    """Sequence and POA."""

    sequence: Annotated[list[SequencedIn], Field(max_length=300)]


class AcknowledgedIn(_In):
    """A finding that stands, and why."""

    rule_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,80}$")]
    codes: Annotated[list[CodeText], Field(max_length=100)] = []
    reason: Given


class FinishIn(_In):
    """Finish a chart."""

    event_id: EventId
    acknowledged: Annotated[list[AcknowledgedIn], Field(max_length=200)] = []


class QueryIn(_In):
    """A query to the physician."""

    topic: Id
    question: Given
    options: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=400, pattern=_ANY), AfterValidator(_storable)]], Field(max_length=20)
    ] = []
    indicators: Annotated[list[RangeIn], Field(max_length=50)] = []


class SendIn(_In):
    """To whom a query goes."""

    physician: Annotated[str, Field(max_length=200, pattern=_ANY), AfterValidator(_storable)] = ""


class AnswerIn(_In):
    """What the physician answered."""

    answer: Given
    outcome: Literal["agreed", "disagreed", "answered"]
    answered_by: Id


class NoteIn(_In):
    """A note."""

    note_id: Id
    text: Annotated[str, Field(min_length=1, max_length=1_500_000, pattern=_ANY), AfterValidator(_storable)]
    kind: Annotated[str, Field(max_length=200, pattern=_ANY), AfterValidator(_storable)] | None = None
    encounter_id: Id | None = None
    date_of_service: Annotated[dt.date, Field(strict=False)] | None = None
    setting: Setting | None = None
    age_years: Annotated[float, Field(ge=0, le=130)] | None = None
    sex: Literal["F", "M", "X"] | None = None
    payer: Id | None = None

    def note(self) -> Note:
        """Return the library's value."""
        return Note(**self.model_dump())


class EncounterIn(_In):
    """What is known of an encounter beside its notes."""

    encounter_id: Id
    admission_type: Annotated[str, Field(max_length=20, pattern=r"^[A-Za-z0-9 ]*$")] = ""
    admitted_on: Annotated[dt.date, Field(strict=False)] | None = None
    discharged_on: Annotated[dt.date, Field(strict=False)] | None = None
    payer: Id | None = None


class BatchIn(_In):
    """Many notes."""

    notes: Annotated[list[NoteIn], Field(min_length=1, max_length=500)]
    encounters: Annotated[list[EncounterIn], Field(max_length=500)] = []
    queue: Annotated[bool, Field(description="Put the notes into the worklist when they are read.")] = False


# ---------------------------------------------------------------------------------------------------------------------
# what goes out


class _Out(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ProblemOut(_Out):
    """What is wrong, what was received, what was expected, what to do."""

    id: Annotated[str, Field(pattern=r"^CS\d{3}$")]
    message: str


class FieldOut(_Out):
    """A field that is wrong; its value is not repeated."""

    place: str
    message: str


class FindingOut(_Out):
    """What an edit found."""

    rule_id: str
    severity: Literal["error", "warning", "advice"]
    codes: list[str]
    message: str
    citation: str
    release: str
    evidence: list[dict[str, Any]]
    resolution: str


class OpenOut(_Out):
    """Something that keeps a chart from being finished."""

    kind: Literal["undecided", "deferred", "no_codes", "poa", "finding", "query"]
    code: str | None
    rule_id: str | None
    finding: FindingOut | None
    words: str


class ErrorOut(_Out):
    """An error."""

    error: ProblemOut
    fields: list[FieldOut] | None = None
    open: list[OpenOut] | None = None


class SessionOut(_Out):
    """Who is logged in."""

    user: str
    role: Literal["coder", "auditor", "manager", "service"]
    csrf_token: str
    expires_at: str


class ReasonOut(_Out):
    """One component of a chart's score."""

    component: str
    value: float
    unit: str
    weight: float
    points: float
    words: str


class ChartOut(_Out):
    """A chart in the worklist."""

    chart_id: ChartId
    encounter_id: str
    status: str
    stage: Literal["coder", "audit"]
    assignee: str | None
    mine: bool
    hold_reason: str
    lease_until: str | None
    setting: str | None
    payer: str | None
    age_years: float | None
    sex: str | None
    date_of_service: str | None
    admitted_on: str | None
    discharged_on: str | None
    admission_type: str
    poa_required: bool
    kinds: list[str]
    n_documents: int
    n_words: int
    n_queries_open: int
    skipped: bool
    score: float
    reasons: list[ReasonOut]
    rank: int | None = None


class WorklistOut(_Out):
    """The worklist."""

    items: list[ChartOut]
    total: int
    limit: int
    offset: int


class PlaceOut(_Out):
    """Characters of a document."""

    document: int
    start: int
    end: int


class EvidenceOut(PlaceOut):
    """Words of a document that bear on a code."""

    excerpt: str
    section: str
    role: str
    contribution: float


class DecisionOut(_Out):
    """A decision."""

    event_id: str
    action: Literal["accept", "reject", "replace", "add", "defer", "retract"]
    code: str
    system: System
    final_code: str | None
    stage: Literal["coder", "audit"]
    who: str
    when: str
    reason: str
    evidence: list[PlaceOut]


class DecisionsOut(_Out):
    """All decisions of a chart."""

    items: list[DecisionOut]


class FinalCodeOut(_Out):
    """A code that stands."""

    system: System
    code: str
    description: str
    poa: str | None
    poa_exempt: bool
    poa_needed: bool


class RevisionOut(_Out):
    """The draft's revision."""

    revision: int


class StateOut(_Out):
    """What changes with a draft."""

    final_codes: list[FinalCodeOut]
    findings: list[FindingOut]
    draft: RevisionOut


class DecidedOut(StateOut):
    """What became of a decision."""

    recorded: bool
    decision: DecisionOut | None


class DocumentOut(_Out):
    """A document with its text."""

    document: int
    note_id: str
    kind: str | None
    date_of_service: str | None
    text: str
    text_sha256: str
    n_words: int
    error: ProblemOut | None


class OwnOut(_Out):
    """What one document says of a code."""

    document: int
    rank: int
    probability: float
    selected: bool


class AlternativeOut(_Out):
    """A neighbouring code."""

    code: str
    description: str
    relation: str
    missing: list[str]


class ChartCodeOut(_Out):
    """A code of a chart, of all its documents."""

    system: System
    code: str
    description: str
    probability: float | None
    selected: bool
    billable: bool
    rank: int | None
    status: str
    note: str
    n_evidence: int
    evidence: list[EvidenceOut]
    alternatives: list[AlternativeOut]
    by_document: list[OwnOut]
    findings: list[int]
    decision: DecisionOut | None


class SuppressedOut(_Out):
    """A code that was seen and left out."""

    code: str
    description: str
    reason: str
    detail: str
    evidence: list[EvidenceOut]
    cue: PlaceOut | None


class QuotedOut(PlaceOut):
    """Words that a query quotes."""

    excerpt: str


class LintOut(_Out):
    """What is wrong with the wording of a query."""

    rule: str
    severity: Literal["error", "warning", "advice"]
    message: str


class QueryOut(_Out):
    """A query."""

    query_id: str
    status: Literal["pending", "sent", "agreed", "disagreed", "answered", "withdrawn", "expired"]
    topic: str
    question: str
    options: list[str]
    indicators: list[QuotedOut]
    problems: list[LintOut]
    physician: str
    created_by: str
    created_at: str
    sent_at: str | None
    answered_at: str | None
    answer: str
    answered_by: str
    reason: str


class QueriesOut(_Out):
    """The queries of a chart."""

    items: list[QueryOut]


class WholeChartOut(_Out):
    """A whole chart."""

    chart: ChartOut
    documents: list[DocumentOut]
    codes: list[ChartCodeOut]
    suppressed: list[SuppressedOut]
    findings: list[FindingOut]
    decisions: list[DecisionOut]
    final_codes: list[FinalCodeOut]
    draft: RevisionOut
    queries: list[QueryOut]
    proposed_queries: list[dict[str, Any]]
    skipped: list[str]
    skipped_edits: list[str]
    versions: dict[str, str]


class EditsOut(_Out):
    """Findings for the codes that stand."""

    findings: list[FindingOut]
    skipped: list[str]


class ReviewCodeOut(_Out):
    """A code of a finished chart."""

    system: System
    code: str
    poa: str | None


class ReviewOut(_Out):
    """The review of a finished chart."""

    event_id: str
    codes: list[ReviewCodeOut]


class FinishedOut(_Out):
    """A chart that was finished."""

    chart: ChartOut
    review: ReviewOut


class MatchOut(_Out):
    """A code that fits what was typed."""

    system: str
    code: str
    title: str
    billable: bool
    matched: str


class SearchOut(_Out):
    """Codes that fit what was typed."""

    items: list[MatchOut]
    release: str


class ChildOut(_Out):
    """A code below another."""

    code: str
    title: str
    billable: bool


class TabularNoteOut(_Out):
    """A note of the Tabular List."""

    kind: str
    text: str
    code: str


class CardOut(_Out):
    """Everything known of a code."""

    system: str
    release: str
    code: str
    title: str
    billable: bool
    ancestors: list[str]
    children: list[ChildOut]
    chapter: str | None
    block: str | None
    notes: list[TabularNoteOut]
    seventh_characters: dict[str, str]


class SubmittedOut(_Out):
    """A batch that was taken in."""

    batch_id: str
    n_notes: int


class BatchOut(_Out):
    """How far a batch is, and its results in order."""

    batch_id: str
    state: Literal["running", "done"]
    queue: bool
    n_notes: int
    n_done: int
    n_failed: int
    results: list[dict[str, Any]]


class AccessOut(_Out):
    """A line of the access log."""

    seq: int
    at: str
    who: str
    role: str
    action: str
    encounter_id: str | None
    outcome: str
    address: str


class AccessesOut(_Out):
    """Lines of the access log."""

    items: list[AccessOut]


class HealthOut(_Out):
    """Whether the server can work."""

    status: Literal["ok"]
