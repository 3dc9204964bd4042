"""Reads files of notes into the queue, one chart an encounter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codesuggest.decisions.database import open_database
from codesuggest.desk.people import Identity
from codesuggest.desk.scorer import Scored, Scorer
from codesuggest.desk.settings import DeskSettings
from codesuggest.desk.store import EncounterFacts, Imported, Store
from codesuggest.notes.columns import Columns
from codesuggest.notes.sources import NoteSource
from codesuggest.records import Failure, Note

__all__ = ["ImportReport", "import_notes"]

_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of the notes of an import.

    Parameters
    ----------
    n_added, n_known : int
        Documents.
    n_charts : int
        Charts that have new documents.
    problems : tuple of str
        A message for each note that could not be read or was refused.
    """

    n_added: int
    n_known: int
    n_charts: int
    problems: tuple[str, ...]


def import_notes(
    settings: DeskSettings,
    source: str | Path,
    *,
    who: Identity,
    columns: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
    facts: Mapping[str, EncounterFacts] | None = None,
) -> ImportReport:
    """Read a file or folder of notes into the queue of a desk.

    Notes are scored as they are read; a hundred at a time become charts, so that an import that is broken off is gone on with by
    giving the same command again.

    Parameters
    ----------
    settings : DeskSettings
        Its database and model.
    source : path
        As `codesuggest.score` takes it.
    who : Identity
        For the access log.
    columns : mapping of str to str, optional
        Field to column.
    defaults : mapping, optional
        Fields of `Note` where the input does not say.
    facts : mapping of str to EncounterFacts, optional
        By encounter.

    Raises
    ------
    InputFormatError
        CS550 when there is nothing to read.
    """
    known = {k: v for k, v in (defaults or {}).items() if v is not None}
    notes = NoteSource(source, columns=Columns(dict(columns or {}), known))
    store = Store(open_database(settings.database), settings)
    scorer = Scorer(settings)
    problems: list[str] = []
    outcomes: list[Imported] = []
    part: list[tuple[Note, Scored]] = []

    def read() -> Iterator[Note]:
        for item in notes:
            if isinstance(item, Failure):
                problems.append(f"[{item.error_id}] {item.message}")
            else:
                waiting.append(item)
                yield item

    waiting: list[Note] = []
    try:
        for scored in scorer.score_many(read()):
            part.append((waiting.pop(0), scored))
            if len(part) >= _AT_ONCE:
                outcomes += store.add(scorer.with_queries(part), who=who, facts=facts)
                part = []
        outcomes += store.add(scorer.with_queries(part), who=who, facts=facts)
    finally:
        scorer.close()
        store.engine.dispose()
    problems += [o.message for o in outcomes if o.outcome == "refused"]
    added = [o for o in outcomes if o.outcome == "added"]
    return ImportReport(
        len(added), sum(o.outcome == "known" for o in outcomes), len({o.chart_id for o in added}), tuple(problems)
    )
