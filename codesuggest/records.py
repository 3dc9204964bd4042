"""The values that travel through the library: plain, frozen, standard library only.

Offsets are half-open and count characters (Unicode code points) of :attr:`Note.text`, which is never altered.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from codesuggest.errors import ConfigError, InvalidNoteError, InvalidSpanError

__all__ = [
    "ACTIONS",
    "ASSERTIONS",
    "CODE_SYSTEMS",
    "SETTINGS",
    "STAGES",
    "Alternative",
    "Decision",
    "Evidence",
    "Failure",
    "FinalCode",
    "Finding",
    "Mention",
    "Note",
    "Query",
    "QueryIndicator",
    "Result",
    "Review",
    "Section",
    "Shown",
    "Span",
    "Suggestion",
    "Suppressed",
]

Assertion = Literal["present", "absent", "possible", "conditional", "hypothetical", "someone_else", "historical", "not_assessed"]
ASSERTIONS: tuple[str, ...] = (
    "present",
    "absent",
    "possible",
    "conditional",
    "hypothetical",
    "someone_else",
    "historical",
    "not_assessed",
)
SETTINGS: tuple[str, ...] = ("inpatient", "outpatient", "professional", "emergency")
ACTIONS: tuple[str, ...] = ("accept", "reject", "replace", "add", "defer", "retract")
STAGES: tuple[str, ...] = ("coder", "audit")
CODE_SYSTEMS: tuple[str, ...] = ("ICD-10-CM", "ICD-10-PCS", "HCPCS", "CPT")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open range of characters.

    Parameters
    ----------
    start, end : int
        ``0 <= start < end``.

    Raises
    ------
    InvalidSpanError
        CS151 when the range is empty, negative or reversed.

    Examples
    --------
    >>> Span(2, 5).length
    3
    """

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise InvalidSpanError(
                "CS151",
                f"The span ({self.start}, {self.end}) is not a range of characters. "
                "Expected 0 <= start < end. Pass offsets into the text of the note.",
            )

    @property
    def length(self) -> int:
        """Number of characters."""
        return self.end - self.start

    def overlaps(self, other: Span) -> bool:
        """Whether the two ranges share a character."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Note:
    """One clinical document.

    Parameters
    ----------
    note_id : str
        Identifier that may appear in logs; never the patient's name.
    text : str
        The note as received. It is never altered, and no error or log repeats it.
    kind : str, optional
        "discharge summary", "visit note", "progress note", "radiology report" …
    encounter_id : str, optional
        The stay or visit the note belongs to.
    date_of_service : datetime.date, optional
        Discharge date for an inpatient stay, otherwise the day of the visit. It chooses the code release.
    setting : {"inpatient", "outpatient", "professional", "emergency"}, optional
        Decides whether uncertain diagnoses are coded (guidelines II.H, III.C against IV.H). Read from `kind` when absent.
    age_years : float, optional
        Age on the date of service, 0 to 130.
    sex : {"F", "M", "X"}, optional
        Administrative sex.
    payer : str, optional
        Payer identifier.

    Raises
    ------
    InvalidNoteError
        CS152 to CS156 when a field has the wrong type or range.

    Examples
    --------
    >>> Note("n1", "Asthma.").text
    'Asthma.'
    """

    note_id: str
    text: str = field(repr=False)
    kind: str | None = None
    encounter_id: str | None = None
    date_of_service: dt.date | None = None
    setting: str | None = None
    age_years: float | None = None
    sex: str | None = None
    payer: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.note_id, str) or not self.note_id:
            raise InvalidNoteError(
                "CS152", f"note_id has type {type(self.note_id).__name__}. Expected a non-empty str. Give each note an id."
            )
        if not isinstance(self.text, str):
            raise InvalidNoteError(
                "CS153",
                f"The text of note {self.note_id!r} has type {type(self.text).__name__}. Expected str. "
                "Decode bytes first, for example data.decode('utf-8').",
            )
        if self.date_of_service is not None and (
            not isinstance(self.date_of_service, dt.date) or isinstance(self.date_of_service, dt.datetime)
        ):
            raise InvalidNoteError(
                "CS154",
                f"date_of_service of note {self.note_id!r} has type {type(self.date_of_service).__name__}. "
                "Expected datetime.date. Use datetime.date.fromisoformat('2026-05-04').",
            )
        if self.setting is not None and self.setting not in SETTINGS:
            raise InvalidNoteError(
                "CS155",
                f"setting of note {self.note_id!r} is {self.setting!r}. Expected one of {', '.join(SETTINGS)}, or None.",
            )
        if self.sex is not None and self.sex not in ("F", "M", "X"):
            raise InvalidNoteError("CS156", f"sex of note {self.note_id!r} is {self.sex!r}. Expected 'F', 'M', 'X' or None.")
        if self.age_years is not None and (
            isinstance(self.age_years, bool) or not isinstance(self.age_years, (int, float)) or not 0 <= self.age_years <= 130
        ):
            raise InvalidNoteError(
                "CS157", f"age_years of note {self.note_id!r} is {self.age_years!r}. Expected a number from 0 to 130, or None."
            )


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the note under one heading.

    Parameters
    ----------
    name : str
        Normalised name such as ``"assessment_plan"``; ``"other"`` when no heading was recognised.
    span : Span
        From the heading's first character to the start of the next section.
    heading : Span or None
        The heading itself.
    """

    name: str
    span: Span
    heading: Span | None = None


@dataclass(frozen=True, slots=True)
class Mention:
    """A term of the lexicon found in the note.

    Parameters
    ----------
    span : Span
        From the first to the last word of the term.
    term : str
        The lexicon's wording.
    code : str
        Default billable code of the term, dotted.
    root : str
        Header under which a more specific code may be chosen; equal to `code` when the code is final.
    kind : str
        diagnosis, symptom, status, history, family, encounter, social, external, finding, procedure or drug.
    assertion : str
        One of :data:`ASSERTIONS`.
    section : str
        Name of the section the mention stands in.
    cues : tuple of Span
        The words that decided the assertion; empty when nothing did.
    quality : float in (0, 1]
        1 for the lexicon's own words in order and together; less for gaps, changed order, repaired spelling.
    sentence, block : int
        Index of the sentence and of the problem block.
    is_heading : bool
        Whether the mention is (part of) the name of a problem in an assessment or a diagnosis list.
    """

    span: Span
    term: str
    code: str
    root: str
    kind: str
    assertion: str = "not_assessed"
    section: str = "other"
    cues: tuple[Span, ...] = ()
    quality: float = 1.0
    sentence: int = 0
    block: int = 0
    is_heading: bool = False
    source: str = "title"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Words of the note that bear on a code.

    Parameters
    ----------
    span : Span
        Where the words stand.
    excerpt : str
        Exactly ``text[span.start:span.end]``.
    role : {"supports", "contradicts", "context"}
    section : str
    contribution : float
        Log-odds that the mention at this span adds to the suggestion.
    """

    span: Span
    excerpt: str = field(repr=False)
    role: str = "supports"
    section: str = "other"
    contribution: float = 0.0


@dataclass(frozen=True, slots=True)
class Alternative:
    """A neighbouring code and what the record would have to say for it.

    Parameters
    ----------
    code : str
    description : str
    relation : {"more specific", "less specific", "sibling"}
    missing : tuple of str
        Words that would lead to it (empty for a less specific one).
    """

    code: str
    description: str
    relation: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A code put to the coder, with the words that support it.

    Parameters
    ----------
    rank : int, from 1
    code : str
        Dotted code of `system`.
    system : str
        "ICD-10-CM" …
    description : str
        Title in the release in force on the date of service.
    probability : float in [0, 1]
        Calibrated probability that a coder confirms the code, by the model named in the result's versions.
    selected : bool
        Whether the probability reaches the model's threshold, and so the code is put forward.
    billable : bool
    evidence : tuple of Evidence, at least one
    contributions : mapping of str to float
        Feature (or "intercept") to log-odds before calibration; they sum to `score`.
    score : float
        Log-odds before calibration.
    alternatives : tuple of Alternative
    status : {"suggested", "needs query"}
    note : str
        One line for the coder, such as which word would make the code more specific; may be empty.
    """

    rank: int
    code: str
    system: str
    description: str
    probability: float
    selected: bool
    billable: bool
    evidence: tuple[Evidence, ...]
    contributions: Mapping[str, float] = field(default_factory=dict, repr=False)
    score: float = 0.0
    alternatives: tuple[Alternative, ...] = ()
    status: str = "suggested"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A code that was seen and left out, and why.

    Parameters
    ----------
    code : str
    description : str
    reason : str
        ``absent``, ``someone_else``, ``hypothetical``, ``conditional``, ``possible``, ``historical``, ``integral``,
        ``superseded``, ``section`` or ``context``.
    detail : str
        The rule or code that decided, for example ``"integral to I50.23 (guideline I.B.5)"``.
    evidence : tuple of Evidence
    cue : Span or None
        The words that decided.
    """

    code: str
    description: str
    reason: str
    detail: str = ""
    evidence: tuple[Evidence, ...] = ()
    cue: Span | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What an edit found.

    Parameters
    ----------
    rule_id : str
    severity : {"error", "warning", "advice"}
    codes : tuple of str
    message : str
    citation : str
        Guideline section, MCE edit, NCCI table and quarter …
    release : str
    evidence : tuple of Evidence
    resolution : str
        What would settle it; may be empty.
    """

    rule_id: str
    severity: str
    codes: tuple[str, ...]
    message: str
    citation: str
    release: str = ""
    evidence: tuple[Evidence, ...] = ()
    resolution: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the finding."""
        return {
            "rule_id": self.rule_id,
            "severity": self.severity,
            "codes": list(self.codes),
            "message": self.message,
            "citation": self.citation,
            "release": self.release,
            "evidence": [_evidence_dict(e) for e in self.evidence],
            "resolution": self.resolution,
        }


@dataclass(frozen=True, slots=True)
class QueryIndicator:
    """Words of the record that a query quotes.

    Parameters
    ----------
    span : Span
        Where the words stand in the text of `note_id`.
    excerpt : str
        Exactly ``text[span.start:span.end]``.
    section : str
        Name of the part of the note.
    when : str
        Date or time as the note gives it, an ISO date where it can be told; empty when it gives none.
    note_id : str
    name : str
        What it is, as in the tables: ``"sodium"``, ``"fluid_restriction"``.
    """

    span: Span
    excerpt: str = field(repr=False)
    section: str = "other"
    when: str = ""
    note_id: str = ""
    name: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the indicator."""
        return {
            "note_id": self.note_id,
            "start": self.span.start,
            "end": self.span.end,
            "excerpt": self.excerpt,
            "section": self.section,
            "when": self.when,
            "name": self.name,
        }


@dataclass(frozen=True, slots=True)
class Query:
    """A question to the physician about unclear documentation.

    Parameters
    ----------
    query_id : str
        The same for the same encounter (or note), topic and rule.
    topic : str
        There is one query a topic and encounter.
    question : str
        What is asked.
    options : tuple of str
        The answers offered, "Other" and "Unable to determine" last; empty when the question is open.
    indicators : tuple of QueryIndicator, at least one
        What the query quotes, in the order of the text.
    status : str
        ``pending`` when it is made; its life is in the decision log.
    kind : {"missing diagnosis", "clinical validation", "specificity", "conflict", "present on admission"}
    rule_id : str
        The trigger of the table.
    title : str
        Neutral: it names what was measured or what is documented, never a diagnosis that is not.
    text : str
        The query as the physician reads it.
    importance : int, 0 to 100
        Clinical importance, by the table.
    citation : str
        Source of the criteria.
    codes_by_option : mapping of str to tuple of str
        The billable codes that an answer would lead to. Not in `text`, and not for the physician.
    note_id, encounter_id : str
        The note it is about (the first one quoted), and its encounter; empty when not known.
    recipients : tuple of str
        Roles it goes to: ``attending``, ``consultant``.
    """

    query_id: str
    topic: str
    question: str
    options: tuple[str, ...]
    indicators: tuple[QueryIndicator, ...]
    status: str = "pending"
    kind: str = "missing diagnosis"
    rule_id: str = ""
    title: str = ""
    text: str = field(default="", repr=False)
    importance: int = 0
    citation: str = ""
    codes_by_option: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    note_id: str = ""
    encounter_id: str = ""
    recipients: tuple[str, ...] = ("attending",)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the query."""
        return {
            "query_id": self.query_id,
            "topic": self.topic,
            "question": self.question,
            "options": list(self.options),
            "indicators": [i.to_dict() for i in self.indicators],
            "status": self.status,
            "kind": self.kind,
            "rule_id": self.rule_id,
            "title": self.title,
            "text": self.text,
            "importance": self.importance,
            "citation": self.citation,
            "codes_by_option": {option: list(codes) for option, codes in self.codes_by_option.items()},
            "note_id": self.note_id,
            "encounter_id": self.encounter_id,
            "recipients": list(self.recipients),
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about a code. Only this makes a code final.

    Parameters
    ----------
    note_id, code : str
        The note, and the code that was put to the person (for ``add`` the code that was added).
    action : {"accept", "reject", "replace", "add", "defer", "retract"}
        ``retract`` takes an earlier decision back: the code is undecided again.
    stage : {"coder", "audit"}
        The auditor's word stands over the coder's.
    who : str
        Identifier of the person, not the name of a patient.
    when : datetime.datetime, UTC
    final_code : str or None
        The code that stands after ``accept``, ``replace`` and ``add``; None after the others. Filled in for ``accept`` and ``add``.
    system : str
        "ICD-10-CM", "ICD-10-PCS", "HCPCS" or "CPT".
    evidence : tuple of tuple of Span
        The references that the person kept or drew: each one or more ranges of the note's text, which may stand apart.
    encounter_id : str or None
        The stay or visit; the note stands for itself without it.
    reason : str
        The person's words. Not for text of the note.
    probability : float or None
        What the suggestion said, 0 to 1; None when nothing was suggested.
    text_sha256 : str
        Hash of the text that the evidence points into; empty when not known.
    versions : mapping of str to str
        Library, model and releases that the suggestion came from.
    event_id : str
        Chosen by the caller so that sending it twice records it once; a random UUID without it.

    Raises
    ------
    ConfigError
        CS501 when the action, stage, code system or time is not one of the above.

    Examples
    --------
    >>> when = dt.datetime(2026, 5, 4, 9, 30, tzinfo=dt.UTC)
    >>> Decision("n1", "I10", "accept", "coder", "coder-7", when).final_code
    'I10'
    """

    note_id: str
    code: str
    action: str
    stage: str
    who: str
    when: dt.datetime
    final_code: str | None = None
    system: str = "ICD-10-CM"
    evidence: tuple[tuple[Span, ...], ...] = ()
    encounter_id: str | None = None
    reason: str = ""
    probability: float | None = None
    text_sha256: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    event_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def __post_init__(self) -> None:
        for name, value in (("note_id", self.note_id), ("code", self.code), ("who", self.who), ("event_id", self.event_id)):
            if not isinstance(value, str) or not value:
                raise ConfigError("CS501", f"The {name} of a decision is {value!r}. Expected a non-empty str. Give each decision one.")
        for name, value, expected in (
            ("action", self.action, ACTIONS),
            ("stage", self.stage, STAGES),
            ("system", self.system, CODE_SYSTEMS),
        ):
            if value not in expected:
                raise ConfigError("CS501", f"The {name} of a decision is {value!r}. Expected one of {', '.join(expected)}.")
        _require_utc(self.when, "when")
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise ConfigError("CS501", f"The probability of a decision is {self.probability!r}. Expected a number from 0 to 1, or None.")
        if self.action in ("accept", "add"):
            if self.final_code not in (None, self.code):
                raise ConfigError(
                    "CS501",
                    f"The decision to {self.action} {self.code!r} has the final code {self.final_code!r}. Expected the same code, or "
                    "none. Use the action 'replace' where another code stands in its place.",
                )
            object.__setattr__(self, "final_code", self.code)
        elif self.action == "replace":
            if not self.final_code:
                raise ConfigError("CS501", f"The decision to replace {self.code!r} has no final code. Expected one. Name it.")
        elif self.final_code is not None:
            raise ConfigError(
                "CS501", f"The decision to {self.action} {self.code!r} has the final code {self.final_code!r}. Expected none. Leave it out."
            )


@dataclass(frozen=True, slots=True)
class Shown:
    """A suggestion as it was put to a person.

    Parameters
    ----------
    note_id, code : str
    rank : int, from 1
    probability : float in [0, 1]
    selected : bool
    system : str
    """

    note_id: str
    code: str
    rank: int
    probability: float
    selected: bool = True
    system: str = "ICD-10-CM"


@dataclass(frozen=True, slots=True)
class FinalCode:
    """A code of a finished chart.

    Parameters
    ----------
    code : str
    system : str
    poa : {"Y", "N", "U", "W", "1"} or None
        Present on admission (guidelines, Appendix I); "1" and None: exempt or not reported.
    """

    code: str
    system: str = "ICD-10-CM"
    poa: str | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """A chart that a person finished: what was shown, and the codes that stand, in sequence.

    Parameters
    ----------
    encounter_id : str
    note_ids : tuple of str
        The documents of the chart.
    stage : {"coder", "audit"}
    who : str
    opened, finished : datetime.datetime, UTC
        When the person opened the chart for this pass, and finished it.
    shown : tuple of Shown
        Every suggestion that was put to the person; those without a decision were passed over.
    codes : tuple of FinalCode
        In sequence: the first of the ICD-10-CM codes is the principal (first-listed) diagnosis.
    facts : mapping of str to str
        Such as kind, setting, payer, date_of_service (ISO), physician. No text of the note.
    edits : mapping of str to int
        Rule id of each edit that still had findings when the chart was finished, and how many.
    versions : mapping of str to str
    event_id : str

    Raises
    ------
    ConfigError
        CS501 when the stage or a time is not one of the above, or the chart ends before it begins.
    """

    encounter_id: str
    note_ids: tuple[str, ...]
    stage: str
    who: str
    opened: dt.datetime
    finished: dt.datetime
    shown: tuple[Shown, ...] = ()
    codes: tuple[FinalCode, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    edits: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    event_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def __post_init__(self) -> None:
        for name, value in (("encounter_id", self.encounter_id), ("who", self.who), ("event_id", self.event_id)):
            if not isinstance(value, str) or not value:
                raise ConfigError("CS501", f"The {name} of a review is {value!r}. Expected a non-empty str. Give each review one.")
        if self.stage not in STAGES:
            raise ConfigError("CS501", f"The stage of a review is {self.stage!r}. Expected one of {', '.join(STAGES)}.")
        _require_utc(self.opened, "opened")
        _require_utc(self.finished, "finished")
        if self.finished < self.opened:
            raise ConfigError(
                "CS501",
                f"The review of {self.encounter_id!r} is finished at {self.finished.isoformat()}, before it was opened at "
                f"{self.opened.isoformat()}. Expected opened <= finished. Check the clock that gave them.",
            )


def _require_utc(when: object, name: str) -> None:
    if not isinstance(when, dt.datetime) or when.utcoffset() != dt.timedelta(0):
        received = when.isoformat() if isinstance(when, dt.datetime) else type(when).__name__
        raise ConfigError(
            "CS501", f"The time {name!r} is {received}. Expected a datetime in UTC. Use datetime.datetime.now(datetime.UTC)."
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """A note that could not be read, in its place among the results.

    Parameters
    ----------
    note_id : str
    error_id : str
        Such as ``"CS150"``.
    message : str
        Without note text.
    """

    note_id: str
    error_id: str
    message: str

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the failure."""
        return {"schema": 1, "note_id": self.note_id, "error": {"id": self.error_id, "message": self.message}}


@dataclass(frozen=True, slots=True)
class Result:
    """What the library has to say about one note.

    Parameters
    ----------
    note_id : str
    text : str
        The note's text, for display only: it is not part of the JSON.
    text_sha256 : str
    suggestions : tuple of Suggestion
        In a total order: ``(-probability, code)``.
    suppressed : tuple of Suppressed
    findings : tuple of Finding
    queries : tuple of Query
    skipped : tuple of str
        Parts that could not run, each with its reason.
    versions : mapping of str to str
        ``codesuggest``, ``model`` (sha256) and the code release.
    sections : tuple of Section
    """

    note_id: str
    text: str = field(repr=False)
    text_sha256: str
    suggestions: tuple[Suggestion, ...]
    suppressed: tuple[Suppressed, ...] = ()
    findings: tuple[Finding, ...] = ()
    queries: tuple[Query, ...] = ()
    skipped: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    sections: tuple[Section, ...] = field(default=(), repr=False)

    @property
    def selected(self) -> tuple[Suggestion, ...]:
        """The suggestions put forward."""
        return tuple(s for s in self.suggestions if s.selected)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the result; ``codesuggest schema`` prints its JSON Schema."""
        return {
            "schema": 1,
            "note_id": self.note_id,
            "text_sha256": self.text_sha256,
            "suggestions": [_suggestion_dict(s) for s in self.suggestions],
            "suppressed": [
                {
                    "code": s.code,
                    "description": s.description,
                    "reason": s.reason,
                    "detail": s.detail,
                    "evidence": [_evidence_dict(e) for e in s.evidence],
                    "cue": [s.cue.start, s.cue.end] if s.cue else None,
                }
                for s in self.suppressed
            ],
            "findings": [f.to_dict() for f in self.findings],
            "queries": [q.to_dict() for q in self.queries],
            "skipped": list(self.skipped),
            "versions": dict(self.versions),
        }

    def _repr_html_(self) -> str:
        from codesuggest.display import result_html

        return result_html(self)


def _evidence_dict(e: Evidence) -> dict[str, Any]:
    return {
        "start": e.span.start,
        "end": e.span.end,
        "excerpt": e.excerpt,
        "section": e.section,
        "role": e.role,
        "contribution": round(e.contribution, 4),
    }


def _suggestion_dict(s: Suggestion) -> dict[str, Any]:
    return {
        "rank": s.rank,
        "code": s.code,
        "system": s.system,
        "description": s.description,
        "probability": round(s.probability, 4),
        "selected": s.selected,
        "billable": s.billable,
        "evidence": [_evidence_dict(e) for e in s.evidence],
        "contributions": {k: round(v, 4) for k, v in s.contributions.items()},
        "score": round(s.score, 4),
        "alternatives": [a.code for a in s.alternatives],
        "specificity": [
            {"code": a.code, "description": a.description, "relation": a.relation, "missing": list(a.missing)}
            for a in s.alternatives
        ],
        "status": s.status,
        "note": s.note,
    }
