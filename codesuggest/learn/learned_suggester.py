"""A learned model behind the interface of a suggester, so that suggest, score, evaluate and the edits run with it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from codesuggest import __version__
from codesuggest.codes import Release, Releases
from codesuggest.learn.learned_model import LearnedModel, Ranked
from codesuggest.records import Evidence, Note, Result, Section, Span, Suggestion, Suppressed
from codesuggest.suggester import Suggester, check_note

__all__ = ["LearnedSuggester"]

_MAX_SUGGESTIONS = 60


class LearnedSuggester(Suggester):
    """Suggests codes with a learned model.

    Parameters
    ----------
    learned : LearnedModel
    releases : Releases, optional
    """

    def __init__(self, learned: LearnedModel, releases: Releases | None = None) -> None:
        self.learned = learned
        self.model: Any = learned
        self.releases = releases or Releases()
        self.threshold = learned.threshold
        self._release_on = {}
        self._titles: dict[str, dict[str, str]] = {}
        self._last_effective = None
        if learned.base is not None:
            self.extractor = learned.base.extractor
            self.finder = learned.base.finder

    @classmethod
    def open(cls, folder: str | Path) -> LearnedSuggester:
        """Open a learned model folder."""
        return cls(LearnedModel.open(folder))

    def suggest(self, note: Note, *, queries: bool = False) -> Result:
        """Suggest codes for one note; see :meth:`Suggester.suggest`."""
        check_note(note)
        release = self._release(note)
        suggestions: list[Suggestion] = []
        suppressed: list[Suppressed] = []
        for ranked in self.learned.predict(note, top=_MAX_SUGGESTIONS):
            title, billable, known = self._described(ranked.code, release)
            evidence = self._evidence_of(note, ranked)
            if not known and release is not self.model.release and ranked.code in self.model.release:
                detail = f"not a code in {release.name}, in force on {note.date_of_service}"
                suppressed.append(Suppressed(ranked.code, title, "release", detail, evidence, None))
                continue
            if len(suggestions) < _MAX_SUGGESTIONS:
                suggestions.append(
                    Suggestion(
                        rank=len(suggestions) + 1,
                        code=ranked.code,
                        system=release.system,
                        description=title,
                        probability=ranked.probability,
                        selected=ranked.probability >= self.threshold,
                        billable=billable,
                        evidence=evidence,
                        contributions=self.learned.ranker.contributions(ranked.features) if len(suggestions) < 20 else {},
                        score=ranked.score,
                    )
                )
        sections: tuple[Section, ...] = ()
        if self.learned.base is not None:
            base = self.learned.base.suggest(note)
            named = {s.code for s in suggestions if s.selected} | {s.code for s in suppressed}
            suppressed += [s for s in base.suppressed if s.code not in named]
            sections = base.sections
        suppressed.sort(key=lambda s: (s.code, s.reason, s.evidence[0].span if s.evidence else Span(0, 1)))
        key = release.system.lower().replace("-", "")
        result = Result(
            note_id=note.note_id,
            text=note.text,
            text_sha256=hashlib.sha256(note.text.encode("utf-8", "surrogatepass")).hexdigest(),
            suggestions=tuple(suggestions),
            suppressed=tuple(suppressed),
            versions={"codesuggest": __version__, "model": self.model.sha256, key: release.effective.isoformat()},
            sections=sections,
        )
        if release.system == "ICD-10-CM":
            result = self._edited(result, note, release)
        return self._finder_of_queries.onto(result, note) if queries else result

    def _described(self, code: str, release: Release) -> tuple[str, bool, bool]:
        """Title, whether billable, whether known; a code cut short has the title of the nearest code."""
        for source in (release, self.model.release):
            if code in source:
                return self._title(source, code), source.is_billable(code), source is release
        return self._cut_title(code), False, False

    def _cut_title(self, code: str) -> str:
        rows = self.learned.knowledge.titles.rows_of(self.learned.place_of(code))
        if not len(rows):
            return code
        titles = self.learned.knowledge.titles
        return " ".join(titles.words[w] for w in titles.members[int(rows[0])].tolist() if w >= 0)

    @staticmethod
    def _evidence_of(note: Note, ranked: Ranked) -> tuple[Evidence, ...]:
        """One item for each range of each place, the likeliest place first."""
        found: dict[Span, Evidence] = {}
        for number, reference in enumerate(ranked.references):
            for span in reference.spans:
                contribution = ranked.score if number == 0 and len(reference.spans) == 1 and len(ranked.references) == 1 else 0.0
                found.setdefault(span, Evidence(span, note.text[span.start : span.end], "supports", "", contribution))
        return tuple(found.values())
