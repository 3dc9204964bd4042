"""One encounter as the triggers see it: the words of its notes, who says what about which condition, and the indicators."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from codesuggest.queries.phrases import Found, PhraseTable, Words, read_words
from codesuggest.queries.values import Indicator
from codesuggest.records import Mention, Note, Section, Span

__all__ = ["Case", "Reading", "Statement", "setting_of"]

# Parts where a physician decides.
DECIDED = frozenset({"assessment", "assessment_plan", "plan", "discharge_diagnosis", "hospital_course", "admission_diagnosis"})
# Parts whose words are not a diagnosis of the treating physician (guideline III.B; Coding Clinic 1Q 2013 p. 28, imaging).
NOT_A_DIAGNOSIS = frozenset({"imaging", "labs", "vitals", "family_history", "medications", "allergies"})
# Parts that do not speak of this encounter.
ELSEWHERE = frozenset({"family_history", "instructions", "allergies"})
_NOT_AN_ANSWER = NOT_A_DIAGNOSIS | {"instructions", "pmh", "ros"}

_INPATIENT = re.compile(
    r"discharge summary|hospital course|hospital day|\bHD ?#? ?\d|admission date|date of admission|admitted to|inpatient|"
    r"\bICU\b|progress note|\bPOD ?#?\d|history and physical|\bH&P\b|day of admission|discharge diagnos|admitting diagnos",
    re.IGNORECASE,
)
_OFFICE = re.compile(
    r"office visit|clinic (?:visit|note)|follow[- ]up visit|annual (?:physical|wellness)|wellness visit|return to clinic|"
    r"telehealth|outpatient visit|new patient|established patient|chief complaint:? (?:follow|f/u|annual|med)",
    re.IGNORECASE,
)
_KINDS = {
    "discharge summary": "inpatient",
    "progress note": "inpatient",
    "h&p": "inpatient",
    "history and physical": "inpatient",
    "consult": "inpatient",
    "visit note": "outpatient",
    "office visit": "outpatient",
    "clinic note": "outpatient",
    "telephone note": "outpatient",
    "ed note": "emergency",
    "emergency department note": "emergency",
}


def setting_of(note: Note) -> str:
    """Return where the patient was seen: as given, by the kind of note, else by what the text says of itself.

    Examples
    --------
    >>> setting_of(Note("n", "HOSPITAL COURSE: …")), setting_of(Note("n", "Office visit. …"))
    ('inpatient', 'outpatient')
    """
    if note.setting is not None:
        return "outpatient" if note.setting == "professional" else note.setting
    known = _KINDS.get((note.kind or "").lower())
    if known is not None:
        return known
    inside, outside = _INPATIENT.search(note.text), _OFFICE.search(note.text[:3000])
    if inside is not None and (outside is None or inside.start() < outside.start()):
        return "inpatient"
    if outside is None and re.search(r"\bemergency department\b|\bED (?:course|note|triage)\b", note.text[:3000]):
        return "emergency"
    return "outpatient"


@dataclass(frozen=True, slots=True)
class Statement:
    """What a note says about one name of the table of words.

    Parameters
    ----------
    name : str
    span : Span
    assertion : {"present", "absent", "possible", "hypothetical", "historical", "someone_else", "retracted"}
        Retracted: what was thought at first, or what another's list says ("was taken for pneumonia", "CHF" in quotation marks).
    section : str
    note : int
        Which note of the case.
    sentence : int
    first, last : int
        Words of the note.
    is_provider : bool
        False when the sentence gives it as the finding of a dietitian or a nurse.
    """

    name: str
    span: Span
    assertion: str
    section: str
    note: int
    sentence: int
    first: int
    last: int
    is_provider: bool = True


_NO = frozenset({"no", "not", "denies", "denied", "without", "negative", "never", "neither", "nor", "absent", "non"})
_MAYBE = frozenset(
    {"possible", "possibly", "probable", "probably", "likely", "suspected", "suspect", "suspicion", "concern", "concerning"}
    | {"concerned", "question", "questionable", "presumed", "presumptive", "may", "might", "could", "consider", "considered"}
)
_RISK = frozenset({"risk", "prevent", "prevention", "prophylaxis", "ppx", "if", "screen", "screening", "avoid", "precautions", "protocol"})
_PAST = frozenset({"history", "hx", "prior", "previous", "previously", "remote"})
_BREAK = frozenset(
    {"but", "however", "although", "though", "except", "found", "developed", "has", "had", "which", "then", "received", "remains"}
    | {"treated", "given", "admitted", "presented", "with", "noted", "due", "because", "is", "are"}
)
_DISBELIEF = re.compile(
    r"\b(?:not|never|n't)\s+(?:believe|think|feel|suspect|consider|felt|thought|believed)"
    r"(?:\s+(?:that|this|it|there|he|she|the|patient|to|be|have|was|is|has|had|represents?|an?|acute|true|any|these|findings))*\s*$",
    re.IGNORECASE,
)
_AFTER_NO = re.compile(
    r"\W*(?:(?:was|is|were|has been|have been|now|felt|to|be)\s+){0,4}"
    r"(?:ruled out|excluded|unlikely|not (?:present|felt|thought|likely|identified|seen|found|supported|considered)|absent|negative|none|: no\b)",
    re.IGNORECASE,
)


_HERE_AND_NOW = frozenset(
    "presents presented presenting admitted came comes developed arrived found now today referred complaining consulted seen "
    "transferred brought started who treated hospitalized current currently new acute".split()
)
_MARKS = ('"', "“", "”")
_ABOUT_SENTENCES = frozenset({"not_a_provider", "retracted"})


class Reading:
    """One note of a case.

    Parameters
    ----------
    note : Note
    index : int
        Its place in the case.
    table : PhraseTable
    sections : sequence of Section
    mentions : sequence of Mention
        What extraction found; their assertion goes before the one worked out here.
    indicators : sequence of Indicator
    """

    def __init__(
        self,
        note: Note,
        index: int,
        table: PhraseTable,
        sections: Sequence[Section],
        mentions: Sequence[Mention],
        indicators: Sequence[Indicator],
    ) -> None:
        self.note = note
        self.index = index
        self.words: Words = read_words(note.text)
        self.sections = sections
        self.indicators = indicators
        self._section_starts = [s.span.start for s in sections]
        self.mentions = sorted((m for m in mentions if m.assertion != "not_assessed"), key=lambda m: m.span)
        self._mention_starts = [m.span.start for m in self.mentions]
        self.has_decided = any(s.name in DECIDED for s in sections)
        found = table.find(self.words)
        self._others = {self.words.sentence[f.first] for f in found if f.name == "not_a_provider"}
        self._retracted = {self.words.sentence[f.first] for f in found if f.name == "retracted"}
        self._found: dict[str, list[Found]] = {}
        for f in found:
            if f.name not in _ABOUT_SENTENCES:
                self._found.setdefault(f.name, []).append(f)

    @property
    def statements(self) -> list[Statement]:
        """What the note says, in the order of the text."""
        return sorted((s for name in self._found for s in self.said_of(name)), key=lambda s: (s.span, s.name))

    def said_of(self, name: str) -> list[Statement]:
        """Return what the note says of one name."""
        return [self._statement(f) for f in self._found.get(name, ())]

    def section_at(self, position: int) -> str:
        """Return the name of the section at a character."""
        i = bisect_right(self._section_starts, position) - 1
        return self.sections[i].name if i >= 0 else "other"

    def _statement(self, found: Found) -> Statement:
        words = self.words
        span = Span(words.starts[found.first], words.ends[found.last])
        section = self.section_at(span.start)
        sentence = words.sentence[found.first]
        assertion = self._by_mention(span) or self._by_words(found)
        if assertion in ("present", "possible") and _DISBELIEF.search(self.note.text, max(0, span.start - 70), span.start):
            assertion = "absent"
        if assertion in ("present", "possible") and self._is_listed_as_past(found):
            assertion = "historical"
        if section == "family_history":
            assertion = "someone_else"
        elif assertion in ("present", "possible") and (sentence in self._retracted or self._is_quoted(span)):
            assertion = "retracted"
        return Statement(
            found.name,
            span,
            assertion,
            section,
            self.index,
            sentence,
            found.first,
            found.last,
            sentence not in self._others and not section.startswith("nurs"),
        )

    def _is_listed_as_past(self, found: Found) -> bool:
        """Whether a list that "a history of" opens reaches the words: "a history of gout, infarction and diabetes"."""
        lowers, sentences = self.words.lowers, self.words.sentence
        for i in range(found.first - 1, max(-1, found.first - 31), -1):
            if sentences[i] != sentences[found.first] or lowers[i] in _HERE_AND_NOW:
                return False
            if lowers[i] in ("history", "hx", "pmh", "pmhx") and (i == 0 or lowers[i - 1] not in ("no", "day", "year", "week", "month")):
                return lowers[i + 1] in ("of", "included", "includes", "including", "significant", "notable", "positive")
        return False

    def _is_quoted(self, span: Span) -> bool:
        """Whether the note puts a term between quotation marks: the label of somebody else."""
        text = self.note.text
        return text[max(0, span.start - 1) : span.start] in _MARKS and text[span.end : span.end + 2].strip(",.")[:1] in _MARKS

    def _by_mention(self, span: Span) -> str:
        """Return the assertion of the mention that shares most of a span, empty without one."""
        start, end = span.start, span.end
        i = bisect_right(self._mention_starts, end - 1)
        best, most = "", 0
        for mention in self.mentions[max(0, i - 6) : i]:
            if mention.span.end <= start:
                continue
            shared = min(mention.span.end, end) - max(mention.span.start, start)
            if shared > most:
                best, most = mention.assertion, shared
        return "hypothetical" if best == "conditional" else best

    def _by_words(self, found: Found) -> str:
        words = self.words
        lowers = words.lowers
        sentence = words.sentence[found.first]
        clause = words.clause[found.first]
        uncertain = ""
        for i in range(found.first - 1, max(-1, found.first - 13), -1):
            if words.sentence[i] != sentence:
                break
            word = lowers[i]
            if word in _BREAK:
                if words.clause[i] == clause and found.first - i > 2:
                    break
                if word not in ("with", "is", "are", "due"):
                    break
                continue
            near = words.clause[i] == clause
            if word in _NO or (word == "o" and i and lowers[i - 1] == "w"):
                if word == "not" and (not near or found.first - i > 5):
                    continue
                return "absent"
            if word == "out" and i and lowers[i - 1] in ("ruled", "rules"):
                return "absent"
            if not near or found.first - i > 7:
                continue
            if word in _MAYBE or (word == "out" and i and lowers[i - 1] == "rule"):
                uncertain = uncertain or "possible"
            elif word in _RISK:
                uncertain = uncertain or "hypothetical"
            elif word in _PAST and found.first - i <= 4:
                uncertain = uncertain or "historical"
        end = words.ends[found.last]
        if _AFTER_NO.match(self.note.text, end, min(len(self.note.text), end + 60)):
            return "absent"
        return uncertain or "present"


@dataclass(slots=True)
class Case:
    """The notes of one encounter, read together.

    Parameters
    ----------
    readings : list of Reading
    """

    readings: list[Reading]
    _said: dict[str, list[Statement]] = field(init=False)
    indicators: dict[str, list[tuple[int, Indicator]]] = field(init=False)
    setting: str = field(init=False)
    age_years: float | None = field(init=False)
    sex: str | None = field(init=False)

    def __post_init__(self) -> None:
        self._said = {}
        self.indicators = {}
        for reading in self.readings:
            for indicator in reading.indicators:
                self.indicators.setdefault(indicator.name, []).append((reading.index, indicator))
        settings = [setting_of(r.note) for r in self.readings]
        self.setting = "inpatient" if "inpatient" in settings else settings[0]
        self.age_years = next((r.note.age_years for r in self.readings if r.note.age_years is not None), None)
        self.sex = next((r.note.sex for r in self.readings if r.note.sex is not None), None)

    def said_of(self, name: str) -> list[Statement]:
        """Return what the notes say of a name; worked out when it is first asked for, which most names never are."""
        found = self._said.get(name)
        if found is None:
            found = self._said[name] = [s for reading in self.readings for s in reading.said_of(name)]
        return found

    def text_of(self, statement: Statement) -> str:
        """Return the words of a statement."""
        return self.readings[statement.note].note.text[statement.span.start : statement.span.end]

    def documented(self, name: str) -> list[Statement]:
        """Return where a physician speaks of a condition now: as present, uncertain or excluded."""
        return [
            s
            for s in self.said_of(name)
            if s.is_provider
            and s.section not in NOT_A_DIAGNOSIS
            and s.section != "instructions"
            and s.assertion in ("present", "possible", "absent", "retracted")
            and not (s.assertion == "absent" and s.section == "ros")
        ]

    def coded(self, prefixes: tuple[str, ...], besides: Sequence[tuple[int, Span]]) -> bool:
        """Whether the lexicon found a diagnosis of these codes in a physician's words, other than at some places.

        The lexicon knows wordings and abbreviations that the table of words does not.
        """
        return any(
            m.code.startswith(prefixes)
            and m.kind == "diagnosis"
            and m.assertion in ("present", "possible", "absent")
            and m.section not in _NOT_AN_ANSWER
            and not any(note == reading.index and span.overlaps(m.span) for note, span in besides)
            for reading in self.readings
            for m in reading.mentions
        )

    def mentioned(self, name: str) -> list[Statement]:
        """Return where anybody but the family is said to have a condition, now or before, wherever in the record."""
        return [
            s
            for s in self.said_of(name)
            if s.assertion in ("present", "possible", "absent", "historical", "retracted") and s.section not in ("family_history", "ros")
        ]

    def present(self, name: str) -> list[Statement]:
        """Return where a note says of this encounter that something is so."""
        return [s for s in self.said_of(name) if s.assertion == "present" and s.section not in ELSEWHERE]

    def addressed(self, name: str) -> list[Statement]:
        """Return where a physician gives a condition as a diagnosis of this encounter."""
        statements = self.said_of(name)
        if any(s.assertion == "retracted" for s in statements):
            return []
        allowed = ("present", "possible") if self.setting == "inpatient" else ("present",)
        return [
            s
            for s in statements
            if s.assertion in allowed
            and s.is_provider
            and (
                s.section in DECIDED
                or (s.section == "other" and self.setting == "inpatient")
                or (not self.readings[s.note].has_decided and s.section in ("other", "hpi", "problem_list"))
            )
        ]

    def known(self, name: str) -> list[Statement]:
        """Return where a condition is given as present, now or among those known before."""
        return [
            s
            for s in self.said_of(name)
            if s.assertion in ("present", "historical") and s.section not in ELSEWHERE and s.is_provider
        ]
