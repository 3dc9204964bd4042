"""The order of the components: sections, sentences, terms, assertion.

:class:`Extractor` runs them on a note. For spaCy users each is a pipeline factory as well, and what it finds appears in
``doc.spans`` under ``codesuggest_sections``, ``codesuggest_sentences`` and ``codesuggest_terms``::

    nlp = spacy.blank("en")
    for name in ("codesuggest_sections", "codesuggest_sentences", "codesuggest_terms", "codesuggest_assertion"):
        nlp.add_pipe(name)

Decision (2026-11): the library itself runs the four steps on a plain table of tokens and builds no ``Doc``. The steps are
the same functions; a ``Doc`` for each note costs time, and its string store grows with the notes of a long run
(spaCy issue 10012). What would change our mind: a component that needs spaCy's own annotations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codesuggest.codes import Release
from codesuggest.errors import PrerequisiteError
from codesuggest.extract.assertion import CLOSERS, CueTable, find_scopes
from codesuggest.extract.convert import Extraction, to_extraction
from codesuggest.extract.drug_effects import find_drug_effects, medicines
from codesuggest.extract.lexicon import Lexicon
from codesuggest.extract.measures import find_measures, flags_of
from codesuggest.extract.patient import infer_age_years, infer_sex
from codesuggest.extract.sections import RawSection, find_sections
from codesuggest.extract.sentences import MARKS, Layout, segment
from codesuggest.extract.terms import Match, NoteFacts, TermMatcher, WordNumbers, is_shouting
from codesuggest.extract.tokens import Tokens, tokens_of
from codesuggest.extract.words import (
    ALIAS,
    ASKED,
    CLOSES,
    CUE,
    CUE_FIRST,
    CUE_SECOND,
    ENDS,
    LETTER_A,
    MEDICINE,
    REPAIRED,
    SHORT_NUMBER,
    WordTable,
)
from codesuggest.records import Note

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

__all__ = ["Extractor", "make_assertion", "make_sections", "make_sentences", "make_terms"]


class Extractor:
    """Reads notes with one lexicon.

    Parameters
    ----------
    lexicon : Lexicon
    release : Release
        The release the lexicon was compiled against.
    cues : CueTable, optional
        Defaults to the table that ships with the package.
    """

    def __init__(self, lexicon: Lexicon, release: Release, cues: CueTable | None = None) -> None:
        self.release = release
        self.matcher = TermMatcher(lexicon, release)
        self.cues = cues or CueTable.default()
        self.words = WordTable(self._describe)
        self._flags: dict[str, int] = {}
        for flag, words in (
            (ENDS, MARKS),
            (CLOSES, CLOSERS),
            (CUE, self.cues.single),
            (CUE_FIRST, {first for first, _ in self.cues.longer}),
            (CUE_SECOND, {second for _, second in self.cues.longer}),
            (ALIAS, lexicon.aliases),
            (MEDICINE, medicines()),
        ):
            for word in words:
                self._flags[word] = self._flags.get(word, 0) | flag

    def _describe(self, low: str) -> tuple[int, int]:
        """Return the number of a word in lower case in the lexicon, and the flags of the steps it concerns."""
        number, is_repaired = self.matcher.number_of(low)
        flags = self._flags.get(low, 0) | flags_of(low)
        if is_repaired:
            flags |= REPAIRED
        if self.matcher.is_asked(low):
            flags |= ASKED
        if len(low) <= 2 and low.isdigit():
            flags |= SHORT_NUMBER
        if low == "a":
            flags |= LETTER_A
        return number, flags

    def extract(self, note: Note) -> Extraction:
        """Read one note: sections, sentences, terms, assertion.

        Parameters
        ----------
        note : Note

        Returns
        -------
        Extraction
        """
        tokens = self.words.read(note.text)
        sections = find_sections(note.text)
        layout = segment(tokens, sections)
        age = note.age_years
        if age is None or age == 0:  # a whole number of years says little of an infant
            stated = infer_age_years(note.text)
            age = stated if stated is not None and (age is None or stated < 2) else age
        facts = NoteFacts(note.sex or infer_sex(note.text), age, note.setting, is_shouting(note.text))
        scene = self.matcher.scene(tokens, layout, sections, facts)
        numbers = self.matcher.numbers(scene)
        matches = self.matcher.match(scene, numbers)
        scopes = find_scopes(tokens, numbers.lowers, layout, self.cues)
        year = note.date_of_service.year if note.date_of_service else None
        measures = list(find_measures(note.text, note.age_years, tokens))
        measures.extend(find_drug_effects(tokens, numbers.lowers, layout, [s.name for s in sections]))
        return to_extraction(tokens, numbers, layout, sections, matches, scopes, self.matcher, self.release, measures, year)


# ---------------------------------------------------------------------------------------------------------------------
# spaCy components


@dataclass(slots=True)
class _State:
    """What the components have found so far, kept in ``doc.user_data``."""

    tokens: Tokens
    index: list[int]
    sections: list[RawSection]
    layout: Layout | None = None
    numbers: WordNumbers | None = None
    matches: list[Match] | None = None


_KEY = "codesuggest"


def _state(doc: Doc, needs: str, after: str) -> _State:
    state = doc.user_data.get(_KEY)
    if not isinstance(state, _State) or (needs and getattr(state, needs) is None):
        raise PrerequisiteError(
            "CS202",
            f"The component found no result of {after!r} on the document. Expected it earlier in the pipeline. "
            f"Call nlp.add_pipe({after!r}) before this component.",
        )
    return state


def _extractor(model: str | None) -> Extractor:
    from codesuggest.suggester import load

    return load(model).extractor


def make_sections(nlp: Language, name: str) -> Callable[[Doc], Doc]:
    """Make the component that finds the sections: ``doc.spans["codesuggest_sections"]``."""

    def component(doc: Doc) -> Doc:
        tokens, index = tokens_of(doc)
        state = _State(tokens, index, find_sections(doc.text))
        doc.user_data[_KEY] = state
        spans = []
        for s in state.sections:
            span = doc.char_span(s.start, s.end, label=s.name, alignment_mode="expand")
            if span is not None:
                spans.append(span)
        doc.spans["codesuggest_sections"] = spans
        return doc

    return component


def make_sentences(nlp: Language, name: str) -> Callable[[Doc], Doc]:
    """Make the component that finds the sentences: ``doc.spans["codesuggest_sentences"]`` and ``token.is_sent_start``."""

    def component(doc: Doc) -> Doc:
        state = _state(doc, "", "codesuggest_sections")
        state.layout = segment(state.tokens, state.sections)
        spans = []
        numbers = state.layout.sentence.tolist()
        begin = 0
        for i in range(1, len(numbers) + 1):
            if i == len(numbers) or numbers[i] != numbers[begin]:
                spans.append(doc[state.index[begin] : state.index[i - 1] + 1])
                begin = i
        doc.spans["codesuggest_sentences"] = spans
        return doc

    return component


def make_terms(nlp: Language, name: str, model: str | None = None) -> Callable[[Doc], Doc]:
    """Make the component that finds the terms: ``doc.spans["codesuggest_terms"]``, labelled with the code."""
    extractor = _extractor(model)

    def component(doc: Doc) -> Doc:
        state = _state(doc, "layout", "codesuggest_sentences")
        assert state.layout is not None  # noqa: S101 - narrows the type for the checker
        state.tokens = extractor.words.describe(state.tokens)
        text = state.tokens.text
        facts = NoteFacts(infer_sex(text), infer_age_years(text), is_shouting=is_shouting(text))
        matcher = extractor.matcher
        scene = matcher.scene(state.tokens, state.layout, state.sections, facts)
        state.numbers = matcher.numbers(scene)
        state.matches = matcher.match(scene, state.numbers)
        _write_terms(doc, state, extractor)
        return doc

    return component


def make_assertion(nlp: Language, name: str, model: str | None = None) -> Callable[[Doc], Doc]:
    """Make the component that decides assertion: ``span._.codesuggest_mention`` holds the :class:`Mention` of each term."""
    from spacy.tokens import Span as SpacySpan

    extractor = _extractor(model)
    if not SpacySpan.has_extension("codesuggest_mention"):
        SpacySpan.set_extension("codesuggest_mention", default=None)

    def component(doc: Doc) -> Doc:
        state = _state(doc, "matches", "codesuggest_terms")
        assert state.layout is not None  # noqa: S101 - narrows the type for the checker
        assert state.numbers is not None  # noqa: S101 - narrows the type for the checker
        scopes = find_scopes(state.tokens, state.numbers.lowers, state.layout, extractor.cues)
        found = to_extraction(
            state.tokens,
            state.numbers,
            state.layout,
            state.sections,
            state.matches or [],
            scopes,
            extractor.matcher,
            extractor.release,
        )
        for span, mention in zip(doc.spans["codesuggest_terms"], found.mentions, strict=True):
            span._.codesuggest_mention = mention
        return doc

    return component


def _write_terms(doc: Doc, state: _State, extractor: Extractor) -> None:
    from spacy.tokens import Span as SpacySpan

    spans = []
    for match in state.matches or []:
        code = extractor.matcher.describe(match.term)[1]
        spans.append(SpacySpan(doc, state.index[match.first], state.index[match.last] + 1, label=code))
    doc.spans["codesuggest_terms"] = spans
