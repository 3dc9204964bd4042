"""Whether the text of a physician query is compliant: ours or anybody's.

Each finding has a rule, a severity, a message, the place and the source, so that a machine can act on it.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from codesuggest.queries.case import Case, Reading
from codesuggest.queries.indicators import find_indicators
from codesuggest.queries.triggers import Trigger, TriggerTable, default_triggers
from codesuggest.records import Note

__all__ = ["LINT_RULES", "LintFinding", "lint_query"]

_TABLE = Path(__file__).parent / "tables" / "lint.toml"
_BRIEF = "Practice brief 2022"
_MULTIPLE = f"{_BRIEF}, multiple choice format"
_BOOLEAN = f"{_BRIEF}, yes/no format"
LINT_RULES: dict[str, tuple[str, str, str]] = {
    "LINT-NO-INDICATORS": (
        "error",
        "No clinical indicator of the record is quoted.",
        f"{_BRIEF}: every query includes relevant clinical indicators",
    ),
    "LINT-NOT-IN-NOTE": ("error", "What is quoted does not stand in the note.", f"{_BRIEF}: indicators come from the current record"),
    "LINT-UNSUPPORTED": ("error", "An answer has no indicator in the query.", f"{_BRIEF}: options are supported by clinical indicators"),
    "LINT-NEW-DIAGNOSIS": (
        "error",
        "A diagnosis is named that the record does not document.",
        f"{_BRIEF}: a new diagnosis stands only among answers that indicators support",
    ),
    "LINT-TITLE": ("error", "The title names a diagnosis that is not documented.", f"{_BRIEF}: a title must not lead"),
    "LINT-NO-OTHER": ("error", 'The list of answers has no "other".', _MULTIPLE),
    "LINT-NO-UNDETERMINED": ("error", 'The list of answers has no "unable to determine".', _MULTIPLE),
    "LINT-YES-NO": ("error", "A yes/no question about a diagnosis that is not documented.", f"{_BOOLEAN}: not for a new diagnosis"),
    "LINT-YES-NO-ESCAPE": ("warning", 'A yes/no question without "other" or "unable to determine".', _BOOLEAN),
    "LINT-SINGLE": ("advice", "One clinical answer only: allowed only when no other is supported.", _MULTIPLE),
    "LINT-NO-QUESTION": ("warning", "Nothing is asked.", f"{_BRIEF}: a query asks a question"),
    "LINT-LONG": ("advice", "More than 30 lines: a physician reads short queries.", f"{_BRIEF}: clear and concise"),
}
"""Rules beyond the patterns of ``tables/lint.toml``: severity, message, citation."""

_OPTION = re.compile(
    r"^[^\S\n]*(?:\[[ xX_]?\]|☐|□|◯|○|o(?=\s)|\(\s?\)|_{2,}|[-*•](?=\s*(?:Yes|No|Other|Unable|Undetermined|Clinically)\b)|"
    r"\(?[a-hA-H1-9][.)])[^\S\n]*(?P<text>\S.*)$",
    re.MULTILINE,
)
_OTHER = re.compile(r"\bother\b|\bnone of (?:the above|these)\b|\banother\b", re.IGNORECASE)
_UNDETERMINED = re.compile(
    r"\b(?:unable|not able|cannot|can't)\b[\w ]{0,20}\bdetermine|\bundetermin\w+|\bindeterminate|\bunknown\b|"
    r"\bunable to (?:say|tell|answer|clarify)",
    re.IGNORECASE,
)
_NOT_CLINICAL = re.compile(
    r"^\W*(?:yes|no|other|unable|clinically (?:undetermined|insignificant|unable)|undetermined|none|not clinically|unknown|n/?a)\b|"
    r"without clinical significance|\bno (?:clinical(?:ly)? )?(?:significan\w+|additional|further|related|diagnosis)\b|\bnot\b.*\bsignifican",
    re.IGNORECASE,
)
_YES_NO = re.compile(r"^\W*(?:yes|no)\b", re.IGNORECASE)
_ASKS_YES_NO = re.compile(
    r"\b(?:is|was|does|did|do|has|have|are|were|can|could|would)\s+(?:the|this|these|your|it|you|there|patient|he|she|his|her)\b"
    r"[^.?\n]{0,200}\?",
    re.IGNORECASE,
)
_YES_NO_ALLOWED = re.compile(
    r"\bpresent (?:on|at the time of)\b[\w ]{0,20}admission|\bPOA\b|\bcaused by\b|"
    r"\b(?:due|secondary|related|attributable|linked|a (?:result|complication|consequence)) (?:to|of)\b|"
    r"\b(?:patholog|radiolog|biops|imaging|echocardiogra|CT|MRI|x-ray)\w*\b[^?]{0,120}\b(?:agree|confirm|clinical(?:ly)? significan)|"
    r"\bconflict\w*|\b(?:documented|listed)\b[^?]{0,80}\b(?:still|resolved|ruled out|confirmed)\b",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"\?|\b(?:please|kindly)\b[^.\n]{0,80}\b(?:clarif\w+|document|specify|indicate|provide|describe|give|state|address|respond)\b|"
    r"\bclarif\w+ (?:is )?(?:needed|requested)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“](?P<words>[^\"”\n]{3,300})[\"”]")
_RULED_OUT = re.compile(r"\b(?:ruled out|without|no |not |rather than)\b", re.IGNORECASE)
_DOCUMENTED = re.compile(
    r"\b(?:documented|documents|documentation of|diagnos(?:is|ed) (?:of|with)|noted in|listed|states?|per the)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, order=True)
class LintFinding:
    """What the linter found in a query.

    Parameters
    ----------
    start, end : int
        Characters of the query's text; both 0 for what is missing.
    rule : str
    severity : {"error", "warning", "advice"}
        Not compliant; probably not; worth a look.
    message : str
    citation : str
    """

    start: int
    end: int
    rule: str
    severity: str
    message: str
    citation: str

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object of the finding."""
        return {name: getattr(self, name) for name in ("rule", "severity", "message", "start", "end", "citation")}


@dataclass(frozen=True, slots=True)
class _Rule:
    id: str
    severity: str
    message: str
    citation: str
    patterns: tuple[re.Pattern[str], ...]


@functools.cache
def _rules() -> tuple[_Rule, ...]:
    rows = tomllib.loads(_TABLE.read_text(encoding="utf-8"))["rule"]
    return tuple(
        _Rule(
            row["id"],
            row["severity"],
            row["message"],
            row["citation"],
            tuple(re.compile(line, re.IGNORECASE if not line.startswith("\\b(?:MS") else 0) for line in row["pattern"].split("\n") if line),
        )
        for row in rows
    )


def lint_query(
    text: str,
    *,
    note_text: str | None = None,
    options: Sequence[str] | None = None,
    title: str | None = None,
    table: TriggerTable | None = None,
) -> tuple[LintFinding, ...]:
    """Check the text of a query against the practice brief.

    Parameters
    ----------
    text : str
        The whole query: title, indicators, question and answers.
    note_text : str, optional
        The record it is about. With it, quotations are looked for and a diagnosis counts as documented when the record has it.
    options : sequence of str, optional
        The answers, when they do not stand in the text as a list with boxes, dashes or letters.
    title : str, optional
        Without it the first line of the text, when it is short and no sentence.
    table : TriggerTable, optional
        Which diagnosis needs which indicators; the one that ships with the library without it.

    Returns
    -------
    tuple of LintFinding
        By place. Empty when nothing was found.

    Notes
    -----
    A diagnosis is known to the linter when a trigger asks for it; answers that no trigger knows are not judged. The linter
    reads words, not intent: a person still decides.

    References
    ----------
    AHIMA/ACDIS, Guidelines for Achieving a Compliant Query Practice (2022 Update).

    Examples
    --------
    >>> [f.rule for f in lint_query("Please document sepsis so that the DRG reflects severity.")]
    ['LINT-NO-INDICATORS', 'LINT-LEADING', 'LINT-MONEY']
    """
    table = table or default_triggers()
    found = [*_pattern_findings(text)]
    listed = _listed(text)
    answers = [(o, 0, 0) for o in options] if options is not None else listed
    question_part = _without(text, [(s, e) for _, s, e in listed])
    body = _Body(question_part, note_text, table)

    if not body.has_indicators:
        found.append(_finding("LINT-NO-INDICATORS"))
    if _QUESTION.search(text) is None:
        found.append(_finding("LINT-NO-QUESTION"))
    found.extend(_quotation_findings(text, note_text))
    found.extend(_answer_findings(answers, question_part, body))
    first = _title(text) if title is None else title
    found.extend(_naming_findings(first, text.find(first), question_part, body))
    if sum(1 for line in text.splitlines() if line.strip()) > 30:
        found.append(_finding("LINT-LONG"))
    return tuple(sorted(set(found)))


def _finding(rule: str, start: int = 0, end: int = 0, detail: str = "") -> LintFinding:
    severity, message, citation = LINT_RULES[rule]
    return LintFinding(start, end, rule, severity, f"{message} {detail}".strip(), citation)


def _title(text: str) -> str:
    """Return the first line of a text, empty when it is a sentence or the only line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if len(lines) > 1 and len(lines[0].split()) <= 14 and lines[0][-1] not in ".?," else ""


def _without(text: str, places: Iterable[tuple[int, int]]) -> str:
    """Return a text with some places blanked, so that offsets stay."""
    for start, end in places:
        text = text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
    return text


def _listed(text: str) -> list[tuple[str, int, int]]:
    """Return the answers of a list: lines with a box, a blank to fill, a letter or a number."""
    found = [(m.group("text").strip(), m.start("text"), m.end()) for m in _OPTION.finditer(text)]
    return [f for f in found if not f[0].startswith('"')]


def _pattern_findings(text: str) -> Iterator[LintFinding]:
    plain = _without(text, [m.span() for m in _QUOTED.finditer(text)])
    for rule in _rules():
        taken: list[tuple[int, int]] = []
        for pattern in rule.patterns:
            for m in pattern.finditer(plain):
                if any(m.start() < e and s < m.end() for s, e in taken):
                    continue
                taken.append(m.span())
                yield LintFinding(m.start(), m.end(), rule.id, rule.severity, rule.message, rule.citation)


def _squeezed(text: str) -> str:
    return re.sub(r"[\s,;]+", " ", text).strip(" .…").lower()


def _quotation_findings(text: str, note_text: str | None) -> Iterator[LintFinding]:
    if note_text is None:
        return
    note = _squeezed(note_text)
    for m in _QUOTED.finditer(text):
        if any(part and _squeezed(part) not in note for part in re.split(r"\s*(?:\.\.\.|…)\s*", m.group("words"))):
            yield _finding("LINT-NOT-IN-NOTE", m.start("words"), m.end("words"))
    if not _QUOTED.search(text):  # a value that is given without quotation marks must be one of the note
        given = {(i.name, i.value) for i in find_indicators(note_text) if i.value is not None}
        for i in find_indicators(_without(text, [(s, e) for _, s, e in _listed(text)])):
            if i.value is not None and given and (i.name, i.value) not in given:
                yield _finding("LINT-NOT-IN-NOTE", i.span.start, i.span.end)


class _Body:
    """What a query says outside its answers, read as a note is."""

    def __init__(self, text: str, note_text: str | None, table: TriggerTable) -> None:
        self.table = table
        note = Note("query", text or " ", setting="inpatient")
        indicators = find_indicators(text)
        self.case = Case([Reading(note, 0, table.phrases, (), (), indicators)])
        self.quoted = [m.span() for m in _QUOTED.finditer(text)]
        named = {at for name in table.diagnoses for s in self.case.said_of(name) for at in range(s.span.start, s.span.end)}
        findings = (s.span for name in sorted(table.findings - _WEAK) for s in self.case.said_of(name))
        self.has_indicators = bool(
            self.quoted or indicators or any(named.isdisjoint(range(f.start, f.end)) for f in findings)
        )
        self.note_case: Case | None = None
        if note_text:
            known = find_indicators(note_text)
            self.note_case = Case([Reading(Note("note", note_text, setting="inpatient"), 0, table.phrases, (), (), known)])
        # "pneumonia is documented in the progress note"
        self.says_documented = _DOCUMENTED.search(text)

    def is_documented(self, name: str) -> bool:
        """Whether the record documents a diagnosis: in the note when it is given, else as the query says."""
        if self.note_case is not None:
            return bool(self.note_case.mentioned(name))
        statements = self.case.said_of(name)
        return bool(statements) and (
            self.says_documented is not None or any(s <= x.span.start < e for x in statements for s, e in self.quoted)
        )

    def supports(self, trigger: Trigger) -> bool:
        """Whether the query shows something of half of what a trigger needs."""
        met = sum(any(self.case.said_of(n) or self.case.indicators.get(n) for n in names) for names in trigger.evidence)
        return met >= max(1, len(trigger.evidence) // 2)


# Findings that say little by themselves.
_WEAK = frozenset({"present_on_admission", "consultant", "hospital_acquired", "progression", "not_a_provider", "echo"})


def _diagnoses_in(text: str, body: _Body) -> list[tuple[str, int, int]]:
    """Return the diagnoses that a text names as present, with their places."""
    reading = Reading(Note("part", text or " "), 0, body.table.phrases, (), (), ())
    return [(s.name, s.span.start, s.span.end) for s in reading.statements if s.name in body.table.diagnoses and s.assertion != "absent"]


def _answer_findings(answers: Sequence[tuple[str, int, int]], question: str, body: _Body) -> Iterator[LintFinding]:
    texts = [a[0] for a in answers]
    yes_no = [a for a in answers if _YES_NO.match(a[0])]
    has_other = any(_OTHER.search(t) for t in texts)
    has_undetermined = any(_UNDETERMINED.search(t) for t in texts)
    asks = _ASKS_YES_NO.search(_without(question, [m.span() for m in _QUOTED.finditer(question)]))
    if yes_no or (asks and not answers):
        named = _diagnoses_in(asks.group() if asks else question, body)
        is_new = any(not body.is_documented(name) for name, _, _ in named)
        if asks and not (_YES_NO_ALLOWED.search(asks.group()) and not is_new):
            if is_new or not named:
                yield _finding("LINT-YES-NO", asks.start(), asks.end())
        elif not asks and is_new and not _YES_NO_ALLOWED.search(question):
            yield _finding("LINT-YES-NO", yes_no[0][1], yes_no[0][2])
        if yes_no and not (has_other or has_undetermined):
            yield _finding("LINT-YES-NO-ESCAPE")
        if len(yes_no) == len([t for t in texts if not _OTHER.search(t) and not _UNDETERMINED.search(t)]):
            return
    if not answers:
        return
    if not has_other:
        yield _finding("LINT-NO-OTHER")
    if not has_undetermined:
        yield _finding("LINT-NO-UNDETERMINED")
    clinical = [a for a in answers if not _NOT_CLINICAL.search(a[0]) and not _UNDETERMINED.search(a[0])]
    if len(clinical) == 1 and len(answers) <= 3:
        yield _finding("LINT-SINGLE", clinical[0][1], clinical[0][2])
    for answer, start, end in clinical:
        if _RULED_OUT.search(answer):
            continue
        offered = {name for name, _, _ in _diagnoses_in(answer, body)}
        judged = [t for t in body.table.triggers if t.kind == "missing diagnosis" and offered & set(t.names)]
        if judged and not any(body.supports(t) for t in judged) and not any(body.is_documented(n) for n in offered):
            yield _finding("LINT-UNSUPPORTED", start, end)


def _naming_findings(title: str, at: int, question: str, body: _Body) -> Iterator[LintFinding]:
    for name, start, end in _diagnoses_in(title, body) if title else ():
        if not body.is_documented(name) or (body.note_case is None and not _elsewhere(name, title, body)):
            yield _finding("LINT-TITLE", at + start, at + end)
            break
    if body.note_case is None:
        return
    reading = body.case.readings[0]
    for s in reading.statements:
        if s.name not in body.table.diagnoses or s.span.start < max(0, at) + len(title) or body.is_documented(s.name):
            continue
        if s.assertion in ("present", "possible") and not any(a <= s.span.start < b for a, b in body.quoted):
            yield _finding("LINT-NEW-DIAGNOSIS", s.span.start, s.span.end)
            return


def _elsewhere(name: str, title: str, body: _Body) -> bool:
    """Whether a diagnosis of the title is said again in the body, as documented or quoted."""
    end = body.case.readings[0].note.text.find(title) + len(title)
    return any(s.span.start >= end for s in body.case.said_of(name))
