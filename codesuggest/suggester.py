"""From a note to ranked codes: extract, then rank, for one note and for many."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from codesuggest import __version__
from codesuggest.codes import Release, Releases
from codesuggest.errors import CodesuggestError, InvalidNoteError
from codesuggest.extract.convert import Extraction
from codesuggest.extract.pipeline import Extractor
from codesuggest.model import Model, default_model_folder, in_use, read_manifest
from codesuggest.rank.candidates import Candidate, CandidateFinder, LeftOut
from codesuggest.rank.features import NoteView, featurize
from codesuggest.rank.rules.tables import Rules
from codesuggest.records import Alternative, Evidence, Failure, Mention, Note, Result, Span, Suggestion, Suppressed

if TYPE_CHECKING:
    from codesuggest.edits import Tables
    from codesuggest.querying import QueryFinder

__all__ = ["Suggester", "check_note", "load"]

_NOT_TEXT = re.compile("[\x00-\x08\x0e-\x1b\x1f\ufffd\ud800-\udfff]")
_WORD = re.compile(r"[^\W_]")
_MAX_SUGGESTIONS = 60
_MAX_EVIDENCE = 100  # places of one code in one note
_MAX_WEIGHED = 8  # of them, those whose contribution is worked out
# Codes that are only reported beside another: prefix, and prefixes of the company (guidelines I.B.14, I.C.4.a.3, I.C.20).
_INJURIES = ("S", "T0", "T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "M84.3", "O9A", "R")
_BESIDE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Z79.4", ("E08", "E09", "E11", "E13", "O24")),
    ("Z79.84", ("E08", "E09", "E10", "E11", "E13", "O24", "R73.03")),
    ("Z79.85", ("E08", "E09", "E10", "E11", "E13", "E66", "R73.03")),
    ("Z68", ("E66", "E4", "R63", "R64", "E88.82", "F50", "O99.21", "Z71.3")),
    ("Y92", _INJURIES),
    ("Y93", _INJURIES),
    ("Y99", _INJURIES),
)
_SECTION_RANK = {
    "discharge_diagnosis": 0,
    "assessment": 1,
    "assessment_plan": 1,
    "plan": 2,
    "hospital_course": 3,
    "problem_list": 4,
    "hpi": 5,
    "chief_complaint": 5,
    "pmh": 6,
}
_REASONS = {
    "absent": "negated",
    "hypothetical": "only a possibility, a risk or an instruction",
    "conditional": "only under a condition",
    "someone_else": "about someone else",
    "section": "stands in a part of the note that does not describe a current condition",
}


def check_note(note: Note) -> None:
    """Refuse a note that holds no text.

    Raises
    ------
    InvalidNoteError
        CS150 when the note is empty or blank, CS158 when it is not text.
    """
    text = note.text
    if not text or text.isspace():
        raise InvalidNoteError(
            "CS150",
            f"Note {note.note_id!r} has no text: {len(text)} characters, all blank. Expected the words of a clinical note. "
            "Check the file or the column it was read from.",
        )
    sample = text[:20000]
    control = len(_NOT_TEXT.findall(sample))
    if control > 0.02 * len(sample):
        raise InvalidNoteError(
            "CS158",
            f"Note {note.note_id!r} is not text: {control} of its first {len(sample)} characters are control or replacement characters. "
            "Expected text. Was a binary file, or a file of another encoding, read?",
        )
    if _WORD.search(text) is None:
        raise InvalidNoteError(
            "CS150",
            f"Note {note.note_id!r} has no words: {len(text)} characters, none a letter or a digit. "
            "Expected the words of a clinical note. Check the file or the column it was read from.",
        )


def load(model: str | Path | None = None) -> Suggester:
    """Open a model and return a suggester.

    Parameters
    ----------
    model : path, optional
        A model folder; the default model that ships with the package when absent.

    Returns
    -------
    Suggester

    Raises
    ------
    BundleError
        When the folder is missing, damaged, or written by a newer library.

    Examples
    --------
    >>> from codesuggest import Note, load
    >>> result = load().suggest(Note("n1", "ASSESSMENT AND PLAN: 1. Essential hypertension, stable."))
    >>> result.suggestions[0].code
    'I10'
    """
    folder = default_model_folder() if model is None else in_use(Path(model))
    if "learned" in read_manifest(folder)[0].get("parts", ()):
        from codesuggest.learn.learned_suggester import LearnedSuggester

        return LearnedSuggester.open(folder)
    return Suggester(Model.open(folder))


class Suggester:
    """Suggests codes with one model.

    Parameters
    ----------
    model : Model
    releases : Releases, optional
        Code releases to choose from by the date of service.

    Attributes
    ----------
    extractor : Extractor
    threshold : float in [0, 1]
        Probability from which a code is put forward; the model's own unless set.
    """

    def __init__(self, model: Model, releases: Releases | None = None) -> None:
        self.model = model
        self.releases = releases or Releases()
        self.extractor = Extractor(model.lexicon, model.release)
        self.finder = CandidateFinder(model.release, model.specificity, Rules.default())
        self.threshold = model.weights.threshold
        self._release_on: dict[dt.date, Release] = {}
        self._last_effective: dt.date | None = None

    # -- one note ----------------------------------------------------------------------------------------------------

    def suggest(self, note: Note, *, queries: bool = False) -> Result:
        """Suggest codes for one note.

        Parameters
        ----------
        note : Note
        queries : bool
            Also find what a physician should be asked (`codesuggest.querying`), the note being an encounter of its own. It
            costs about as much time again as the extraction, and batch scoring leaves it out.

        Returns
        -------
        Result
            Suggestions in the order ``(-probability, code)``; those that reach the threshold have ``selected`` set.

        Raises
        ------
        InvalidNoteError
            When there is no text.
        NoReleaseError
            When no code release is in force on the date of service.
        """
        check_note(note)
        release = self._release(note)
        extraction = self.extractor.extract(note)
        candidates, left_out = self.finder.find(note, extraction)
        suggestions, more = self._rank(note, extraction, candidates, release)
        suppressed = [*self._suppressed(note, extraction, left_out, release), *more]
        suppressed.sort(key=lambda s: (s.code, s.reason, s.evidence[0].span if s.evidence else Span(0, 1)))
        result = Result(
            note_id=note.note_id,
            text=note.text,
            text_sha256=hashlib.sha256(note.text.encode("utf-8", "surrogatepass")).hexdigest(),
            suggestions=tuple(suggestions),
            suppressed=tuple(suppressed),
            versions={"codesuggest": __version__, "model": self.model.sha256, "icd10cm": release.effective.isoformat()},
            sections=extraction.sections,
        )
        result = self._edited(result, note, release)
        return replace(result, queries=self._finder_of_queries.of([(note, extraction)])) if queries else result

    @cached_property
    def _finder_of_queries(self) -> QueryFinder:
        from codesuggest.querying import QueryFinder

        return QueryFinder(self)

    def warm_up(self) -> None:
        """Open what the first note would open: the tables of the edits in force on the release's first day."""
        self.suggest(Note("warm-up", "Assessment: hypertension."))

    def _edited(self, result: Result, note: Note, release: Release) -> Result:
        """Run the edits on the codes put forward; they are imported and opened with the first note."""
        from codesuggest.edits import check_result

        day = note.date_of_service or release.effective
        findings = check_result(result, note, on=day, tables=_tables_on(day))
        return replace(result, findings=findings) if findings else result

    def suggest_many(self, notes: Iterable[Note]) -> Iterator[Result | Failure]:
        """Suggest codes for many notes, lazily and in order; a note that cannot be read is a failure in its place."""
        for note in notes:
            try:
                yield self.suggest(note)
            except CodesuggestError as error:
                yield Failure(note.note_id, error.error_id, error.message)

    # -- parts -------------------------------------------------------------------------------------------------------

    def _title(self, release: Release, code: str) -> str:
        return _title_of(release, code)

    def _release(self, note: Note) -> Release:
        date = note.date_of_service
        if date is None or (date >= self.model.release.effective and self._newest() == self.model.release.effective):
            return self.model.release
        found = self._release_on.get(date)
        if found is None:
            found = self.releases.on(date, self.model.release.system)
            if len(self._release_on) < 4096:
                self._release_on[date] = found
        return found

    def _newest(self) -> dt.date:
        """Return the date from which the newest release is in force; the last date there is when it expires."""
        if self._last_effective is None:
            last = [i for i in self.releases.list() if i.system == self.model.release.system][-1]
            self._last_effective = last.effective if last.expires is None else dt.date.max
        return self._last_effective

    def _rank(
        self, note: Note, extraction: Extraction, candidates: list[Candidate], release: Release
    ) -> tuple[list[Suggestion], list[Suppressed]]:
        if not candidates:
            return [], []
        view = NoteView.of(note, extraction, candidates)
        X = featurize(note, extraction, candidates, view)
        weights = self.model.weights
        scores = weights.logits(X)
        logits: list[float] = scores.tolist()
        probabilities: list[float] = weights.probabilities(scores).tolist()
        order = sorted(range(len(candidates)), key=lambda i: (-probabilities[i], candidates[i].code))
        shown: list[tuple[int, Candidate, tuple[Evidence, ...]]] = []
        suppressed: list[Suppressed] = []
        chosen = self._choose(candidates, probabilities)
        for i in order:
            candidate = candidates[i]
            if not view.inpatient and self._is_uncertain(extraction, candidate):
                mentions = [extraction.mentions[m] for m in candidate.mentions]
                suppressed.append(
                    Suppressed(
                        candidate.code,
                        self._title(self.model.release, candidate.code),
                        "possible",
                        "uncertain diagnoses are not coded in outpatient care (guideline IV.H)",
                        self._evidence(note, extraction, candidate.mentions, "context"),
                        _first_cue(mentions),
                    )
                )
                continue
            if release is not self.model.release and (candidate.code not in release or not release.is_billable(candidate.code)):
                suppressed.append(
                    Suppressed(
                        candidate.code,
                        self._title(self.model.release, candidate.code),
                        "release",
                        f"not a billable code in {release.name}, in force on {note.date_of_service}",
                        self._evidence(note, extraction, candidate.mentions, "context"),
                    )
                )
                continue
            if i not in chosen and candidate.integral_to:
                suppressed.append(
                    Suppressed(
                        candidate.code,
                        self._title(release, candidate.code),
                        "integral",
                        f"integral to {candidate.integral_to} (guideline I.B.5)",
                        self._evidence(note, extraction, candidate.mentions, "supports"),
                    )
                )
                continue
            if len(shown) < _MAX_SUGGESTIONS:
                shown.append((i, candidate, self._evidence(note, extraction, candidate.mentions, "supports")))
        weighed = self._weigh(note, extraction, [(candidate, evidence, logits[i]) for i, candidate, evidence in shown], view)
        suggestions: list[Suggestion] = []
        contributions = weights.contributions(X[[i for i, _, _ in shown]])
        for (i, candidate, _), evidence, parts in zip(shown, weighed, contributions, strict=True):
            probability = probabilities[i]
            alternatives = self._alternatives(candidate, release) if probability >= 0.5 * self.threshold else ()
            hint = f"Combination code ({candidate.citation})" if candidate.origin == "combination" else ""
            if alternatives and alternatives[0].relation == "more specific":
                hint = f"More specific if documented: {', '.join(alternatives[0].missing)} ({alternatives[0].code})"
            suggestions.append(
                Suggestion(
                    rank=len(suggestions) + 1,
                    code=candidate.code,
                    system=release.system,
                    description=self._title(release, candidate.code),
                    probability=probability,
                    selected=i in chosen,
                    billable=True,
                    evidence=evidence,
                    contributions=parts,
                    score=logits[i],
                    alternatives=alternatives,
                    note=hint,
                )
            )
        return suggestions, suppressed

    def _choose(self, candidates: list[Candidate], probabilities: list[float]) -> set[int]:
        """Choose what is put forward: what reaches the threshold, and stands together.

        A code that is only reported beside another (long-term insulin beside diabetes, an organism beside an infection,
        a place beside an injury) is put forward with it or not at all.
        """
        chosen = {i for i, p in enumerate(probabilities) if p >= self.threshold}
        for i in sorted(chosen):
            for prefix, company in _BESIDE:
                if not candidates[i].code.startswith(prefix):
                    continue
                near = [j for j, c in enumerate(candidates) if c.code.startswith(company) and j != i]
                if any(j in chosen for j in near):
                    continue
                likely = [j for j in near if probabilities[j] >= 0.6 * self.threshold]
                if likely:
                    chosen.add(max(likely, key=lambda j: (probabilities[j], candidates[j].code)))
                else:
                    chosen.discard(i)
        return chosen

    @staticmethod
    def _is_uncertain(extraction: Extraction, candidate: Candidate) -> bool:
        """Whether every mention is uncertain ("rule out", "possible", "likely", "consistent with")."""
        return all(
            extraction.mentions[m].assertion == "possible" and extraction.mentions[m].kind in ("diagnosis", "finding", "symptom")
            for m in candidate.mentions
        )

    def _evidence(self, note: Note, extraction: Extraction, mentions: Sequence[int], role: str) -> tuple[Evidence, ...]:
        """Return the words of the mentions, the most telling first, each place once."""
        if len(mentions) == 1:
            mention = extraction.mentions[mentions[0]]
            span = mention.span
            return (Evidence(span, note.text[span.start : span.end], role, mention.section),)
        found: dict[tuple[int, int], tuple[tuple[int, int, int, int], Mention]] = {}
        for index in mentions:
            mention = extraction.mentions[index]
            span = mention.span
            if (span.start, span.end) not in found:
                key = (
                    0 if mention.assertion in ("present", "not_assessed") else 1,
                    0 if mention.is_heading else 1,
                    _SECTION_RANK.get(mention.section, 9),
                    span.start,
                )
                found[span.start, span.end] = key, mention
        ordered = [m for _, m in sorted(found.values(), key=lambda pair: pair[0])][:_MAX_EVIDENCE]
        places = [(m.span.start, m.span.end) for m in ordered]
        return tuple(
            [
                Evidence(mention.span, note.text[start:end], role, mention.section)
                for mention, (start, end) in zip(ordered, places, strict=True)
                # a longer wording at the same place says it all
                if not any([a <= start and end <= b and (a != start or b != end) for a, b in places])
            ]
        )

    def _weigh(
        self,
        note: Note,
        extraction: Extraction,
        shown: Sequence[tuple[Candidate, tuple[Evidence, ...], float]],
        view: NoteView,
    ) -> list[tuple[Evidence, ...]]:
        """Give each span the log-odds that its code loses without it; a single span carries all but the intercept.

        Parameters
        ----------
        shown : sequence of (candidate, its evidence, its log-odds)
        """
        weights = self.model.weights
        without: list[Candidate] = []  # the candidates, each without one span
        for candidate, evidence, _ in shown:
            if len(evidence) > 1:
                for e in evidence[:_MAX_WEIGHED]:
                    rest = [i for i in candidate.mentions if not e.span.overlaps(extraction.mentions[i].span)]
                    without.append(
                        Candidate(
                            candidate.code,
                            rest,
                            candidate.choice,
                            candidate.root,
                            candidate.origin,
                            "",
                            candidate.integral_to,
                            candidate.is_current,
                        )
                    )
        logits = iter(weights.logits(featurize(note, extraction, [c for c in without if c.mentions], view)).tolist())
        less = iter([next(logits) if c.mentions else weights.intercept for c in without])
        weighed: list[tuple[Evidence, ...]] = []
        for _, evidence, logit in shown:
            if len(evidence) == 1:
                weighed.append((_with_contribution(evidence[0], logit - weights.intercept),))
            else:
                weighed.append(
                    (*(_with_contribution(e, logit - next(less)) for e in evidence[:_MAX_WEIGHED]), *evidence[_MAX_WEIGHED:])
                )
        return weighed

    def _alternatives(self, candidate: Candidate, release: Release) -> tuple[Alternative, ...]:
        """List the codes one or two more words would lead to, and the unspecified one."""
        if candidate.choice is None or not candidate.root:
            return ()
        model_release = self.model.release
        table = self.model.specificity
        root = model_release.index(candidate.root)
        found: list[Alternative] = []
        for stem, missing in table.missing_words(root, candidate.choice.code, candidate.context):
            code = self._billable(stem, candidate.code)
            if code in release:
                found.append(Alternative(code, self._title(release, code), "more specific", missing))
        if candidate.choice.matched and not candidate.choice.is_default:
            code = self.finder.default_of(candidate.root)
            if code and code != candidate.code and code in release:
                found.append(Alternative(code, self._title(release, code), "less specific"))
        return tuple(found)

    def _billable(self, stem: int, like: str) -> str:
        from codesuggest.rank.specificity import with_seventh

        allowed = self.model.specificity.seventh(stem)
        return with_seventh(self.model.release.text(stem), allowed, self.model.release, like[-1] if len(like) == 8 else "")

    def _suppressed(self, note: Note, extraction: Extraction, left_out: list[LeftOut], release: Release) -> list[Suppressed]:
        found = []
        for item in left_out:
            if release is not self.model.release and item.code not in release:
                continue
            mentions = [extraction.mentions[i] for i in item.mentions]
            role = "context" if item.reason in ("superseded", "integral") else "contradicts"
            found.append(
                Suppressed(
                    item.code,
                    self._title(release, item.code),
                    item.reason,
                    item.detail or _REASONS.get(item.reason, ""),
                    self._evidence(note, extraction, item.mentions, role),
                    _first_cue(mentions),
                )
            )
        return found


@lru_cache(maxsize=2048)
def _title_of(release: Release, code: str) -> str:
    return release.title(code)


@lru_cache(maxsize=1024)
def _tables_on(day: dt.date) -> Tables:
    from codesuggest.edits import default_tables

    return default_tables(day)


def _first_cue(mentions: list[Mention]) -> Span | None:
    return next((m.cues[0] for m in mentions if m.cues), None)


def _with_contribution(e: Evidence, value: float) -> Evidence:
    return Evidence(e.span, e.excerpt, e.role, e.section, value)
