"""Which events of a log a person asks for: by encounter, note, coder, code, stage, action and time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from codesuggest.decisions.events import Chain, Event

__all__ = ["Selection"]


@dataclass(frozen=True, slots=True)
class Selection:
    """What to pick; nothing given picks everything.

    Parameters
    ----------
    kind : str, optional
        "decision", "review", "query" …
    encounter_id, note_id, who, stage, action : str, optional
        Only these; the last two and `note_id` and `code` pick decisions alone.
    code : str, optional
        A code or the beginning of codes, with or without the dot: the code that was put to the person, or the final one.
    since, until : datetime.datetime, optional
        From the first, up to but not including the second; with a time zone.

    Examples
    --------
    >>> Selection(code="e11.6").beginning
    'E116'
    """

    kind: str | None = None
    encounter_id: str | None = None
    note_id: str | None = None
    who: str | None = None
    code: str | None = None
    stage: str | None = None
    action: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    @property
    def beginning(self) -> str:
        """What a code must begin with, without the dot."""
        return "".join((self.code or "").split()).replace(".", "").upper()

    def events(self, chain: Chain) -> Iterator[Event]:
        """Yield the events picked, in the order recorded, lazily."""
        kind = self.kind
        if kind is None and (self.note_id or self.code or self.stage or self.action):
            kind = "decision"
        for event in chain.read(
            kind=kind, encounter_id=self.encounter_id, subject=self.note_id, who=self.who, since=self.since
        ):
            if self._fits(event):
                yield event

    def _fits(self, event: Event) -> bool:
        body: Any = event.body
        if self.until is not None and event.when >= self.until:
            return False
        if self.stage is not None and body.get("stage") != self.stage:
            return False
        if self.action is not None and body.get("action") != self.action:
            return False
        return not self.code or any(
            (body.get(name) or "").replace(".", "").startswith(self.beginning) for name in ("code", "final_code")
        )
