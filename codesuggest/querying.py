"""Queries of whole encounters: extraction tells what is meant, the triggers ask, the release says which codes there are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from codesuggest.codes import Release, Releases
from codesuggest.queries.engine import NoteFacts, raise_queries
from codesuggest.queries.wording import Wording
from codesuggest.records import Failure, Note, Query, Result

if TYPE_CHECKING:
    from codesuggest.extract.convert import Extraction
    from codesuggest.suggester import Suggester

__all__ = ["QueryFinder", "encounters_of", "find_queries"]


class QueryFinder:
    """Finds the queries of encounters.

    Parameters
    ----------
    suggester : Suggester, optional
        Whose extraction reads the notes; that of the default model without it.
    templates : path, optional
        Folder of templates that go before those of the library.
    limit : int, optional
        Most queries of one encounter; by setting without it.

    Raises
    ------
    ConfigError
        CS454 when the folder of templates is missing.
    """

    def __init__(
        self, suggester: Suggester | None = None, *, templates: Path | str | None = None, limit: int | None = None
    ) -> None:
        if suggester is None:
            from codesuggest.suggester import load

            suggester = load()
        self.suggester = suggester
        self.limit = limit
        self._wording = Wording(templates)
        self._releases = Releases()

    def find(self, notes: Sequence[Note]) -> tuple[Query, ...]:
        """Find the queries of one encounter.

        Parameters
        ----------
        notes : sequence of Note
            In order of time.

        Raises
        ------
        InvalidNoteError
            CS150 or CS158 when a note has no text or is not text.
        NoReleaseError
            When no code release is in force on the date of service.
        """
        from codesuggest.suggester import check_note

        for note in notes:
            check_note(note)
        return self.of([(note, self.suggester.extractor.extract(note)) for note in notes])

    def of(self, notes: Sequence[tuple[Note, Extraction]]) -> tuple[Query, ...]:
        """Find the queries of one encounter whose notes are extracted already."""
        day = max((note.date_of_service for note, _ in notes if note.date_of_service), default=None)
        model_release = self.suggester.model.release
        release = model_release if day is None else self._releases.on(day, model_release.system)
        return raise_queries(
            [NoteFacts(note, extraction.sections, extraction.mentions) for note, extraction in notes],
            wording=self._wording,
            is_billable=lambda code: code in release and release.is_billable(code),
            neighbour=lambda code, old, new: neighbour(release, code, old, new),
            limit=self.limit,
        )

    def onto(self, result: Result, note: Note) -> Result:
        """Return a result with the queries of its note, taken as an encounter of its own."""
        return replace(result, queries=self.find([note]))


@lru_cache(maxsize=4096)
def neighbour(release: Release, code: str, old: str, new: str) -> str:
    """Return the billable code whose title is that of a code with other words in the last place of some, empty without one.

    Examples
    --------
    >>> import datetime as dt
    >>> release = Releases().on(dt.date(2026, 5, 4))
    >>> neighbour(release, "L89.159", "unspecified stage", "stage 3"), neighbour(release, "L89.153", "unspecified stage", "stage 3")
    ('L89.153', '')
    """
    if code not in release:
        return ""
    before, found, behind = release.title(code).lower().rpartition(old)
    if not found:
        return ""
    wanted = f"{before}{new}{behind}"
    first, stop = release.subtree_range(release.index(code[:3]))
    for i in range(first, stop):
        other = release.text(i)
        if release.title(other).lower() == wanted and release.is_billable(other):
            return other
    return ""


@lru_cache(maxsize=1)
def _default() -> QueryFinder:
    return QueryFinder()


def find_queries(
    notes: Note | Iterable[Note],
    *,
    suggester: Suggester | None = None,
    templates: Path | str | None = None,
    limit: int | None = None,
) -> tuple[Query, ...]:
    """Find what a physician should be asked about one note, or about the notes of one encounter.

    Parameters
    ----------
    notes : Note or iterable of Note
        Several are the notes of one encounter, in order of time: what one answers is not asked about another.
    suggester : Suggester, optional
        Whose extraction reads the notes; that of the default model without it.
    templates : path, optional
        Folder of Jinja2 templates that go before those of the library.
    limit : int, optional
        Most queries; 5 for a stay, 3 elsewhere without it.

    Returns
    -------
    tuple of Query
        One a topic, by falling importance. Each names the codes that its answers lead to in ``codes_by_option``, which is
        not for the physician.

    Raises
    ------
    InvalidNoteError
        CS150 or CS158 when a note has no text or is not text.
    ConfigError
        CS454, CS455 when the templates are missing or cannot be rendered.

    References
    ----------
    AHIMA/ACDIS, Guidelines for Achieving a Compliant Query Practice (2022 Update).

    Examples
    --------
    >>> import codesuggest as cs
    >>> note = cs.Note("n1", "HOSPITAL COURSE: Na 121 on arrival, treated with fluid restriction.", setting="inpatient")
    >>> query = find_queries(note)[0]
    >>> query.title, query.options[0], query.codes_by_option["Hyponatremia"]
    ('Serum sodium', 'Hyponatremia', ('E87.1',))
    """
    is_default = suggester is None and templates is None and limit is None
    finder = _default() if is_default else QueryFinder(suggester, templates=templates, limit=limit)
    return finder.find([notes] if isinstance(notes, Note) else list(notes))


def encounters_of(notes: Iterable[Note | Failure]) -> list[list[Note] | Failure]:
    """Put the notes of one encounter together, each encounter at the place of its first note, by date within it.

    A note without an encounter stands for itself.
    """
    places: dict[str, list[Note]] = {}
    result: list[list[Note] | Failure] = []
    for note in notes:
        if isinstance(note, Failure):
            result.append(note)
        elif note.encounter_id and note.encounter_id in places:
            places[note.encounter_id].append(note)
        else:
            group = [note]
            if note.encounter_id:
                places[note.encounter_id] = group
            result.append(group)
    for group in places.values():
        group.sort(key=lambda n: n.date_of_service or dt.date.min)
    return result

