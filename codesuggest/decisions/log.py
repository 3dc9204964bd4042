"""The log of what coders and auditors decided."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from codesuggest.decisions.database import open_database
from codesuggest.decisions.events import Chain, Event, Problem
from codesuggest.records import Decision, FinalCode, Review, Shown, Span

__all__ = ["DecisionLog"]


class DecisionLog:
    """An append-only log of decisions and finished reviews.

    Parameters
    ----------
    where : str, Path or sqlalchemy.Engine
        A file (SQLite), ``postgresql://USER@HOST/NAME``, or a database that is open.

    Examples
    --------
    >>> log = DecisionLog("sqlite://")
    >>> when = dt.datetime(2026, 5, 4, 9, 30, tzinfo=dt.UTC)
    >>> log.record(Decision("n1", "I10", "accept", "coder", "coder-7", when, event_id="e1"))
    1
    >>> [d.final_code for d in log.decisions()], log.verify()
    (['I10'], ())
    """

    def __init__(self, where: str | Path | Engine) -> None:
        self.chain = Chain(where if isinstance(where, Engine) else open_database(where))

    def record(self, *made: Decision | Review) -> int:
        """Record decisions and reviews, all of a call or none; return how many were new.

        Raises
        ------
        DecisionConflictError
            CS505 when an event id is already there with other content.
        """
        return self.chain.append(to_event(one) for one in made)

    def decisions(self, *, encounter_id: str | None = None) -> Iterator[Decision]:
        """Yield every decision in the order recorded, lazily."""
        for event in self.chain.read(kind="decision", encounter_id=encounter_id):
            yield decision_of(event)

    def reviews(self, *, encounter_id: str | None = None) -> Iterator[Review]:
        """Yield every finished review in the order recorded, lazily."""
        for event in self.chain.read(kind="review", encounter_id=encounter_id):
            yield review_of(event)

    def standing(self, *, encounter_id: str | None = None) -> dict[tuple[str, str, str], Decision]:
        """Return the decision that stands for each ``(note_id, system, code)``.

        The auditor's word stands over the coder's; within a stage the last one recorded stands, and ``retract`` takes it back.
        """
        by_stage: dict[tuple[str, str, str], dict[str, Decision]] = {}
        for decision in self.decisions(encounter_id=encounter_id):
            stages = by_stage.setdefault((decision.note_id, decision.system, decision.code), {})
            if decision.action == "retract":
                stages.pop(decision.stage, None)
            else:
                stages[decision.stage] = decision
        return {key: stages.get("audit") or stages["coder"] for key, stages in by_stage.items() if stages}

    def verify(self, *, head: str | None = None) -> tuple[Problem, ...]:
        """Say where the chain does not hold; see `Chain.verify`."""
        return self.chain.verify(head=head)


def to_event(made: Decision | Review) -> Event:
    """Return the event that records a decision or a review."""
    if isinstance(made, Decision):
        body: dict[str, Any] = {
            "note_id": made.note_id,
            "code": made.code,
            "action": made.action,
            "stage": made.stage,
            "final_code": made.final_code,
            "system": made.system,
            "evidence": [[[s.start, s.end] for s in spans] for spans in made.evidence],
            "reason": made.reason,
            "probability": made.probability,
            "text_sha256": made.text_sha256,
            "versions": dict(made.versions),
            "in_encounter": made.encounter_id is not None,
        }
        return Event(made.event_id, "decision", made.encounter_id or made.note_id, made.who, made.when, body)
    body = {
        "note_ids": list(made.note_ids),
        "stage": made.stage,
        "opened": made.opened.isoformat(),
        "shown": [[s.note_id, s.system, s.code, s.rank, s.probability, s.selected] for s in made.shown],
        "codes": [[c.system, c.code, c.poa] for c in made.codes],
        "facts": dict(made.facts),
        "versions": dict(made.versions),
    }
    return Event(made.event_id, "review", made.encounter_id, made.who, made.finished, body)


def decision_of(event: Event) -> Decision:
    """Return the decision that an event records."""
    body: Mapping[str, Any] = event.body
    return Decision(
        note_id=body["note_id"],
        code=body["code"],
        action=body["action"],
        stage=body["stage"],
        who=event.who,
        when=event.when,
        final_code=body["final_code"],
        system=body["system"],
        evidence=tuple(tuple(Span(start, end) for start, end in spans) for spans in body["evidence"]),
        encounter_id=event.encounter_id if body["in_encounter"] else None,
        reason=body["reason"],
        probability=body["probability"],
        text_sha256=body["text_sha256"],
        versions=body["versions"],
        event_id=event.event_id,
    )


def review_of(event: Event) -> Review:
    """Return the review that an event records."""
    body: Mapping[str, Any] = event.body
    return Review(
        encounter_id=event.encounter_id,
        note_ids=tuple(body["note_ids"]),
        stage=body["stage"],
        who=event.who,
        opened=dt.datetime.fromisoformat(body["opened"]),
        finished=event.when,
        shown=tuple(Shown(note_id, code, rank, p, selected, system) for note_id, system, code, rank, p, selected in body["shown"]),
        codes=tuple(FinalCode(code, system, poa) for system, code, poa in body["codes"]),
        facts=body["facts"],
        versions=body["versions"],
        event_id=event.event_id,
    )
