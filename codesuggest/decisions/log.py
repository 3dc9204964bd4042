"""The log of what coders and auditors decided."""

from __future__ import annotations

import datetime as dt
import gc
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine

from codesuggest.codes.code import ICD10CM, ICD10PCS, Code, without_dot
from codesuggest.decisions.database import open_database
from codesuggest.decisions.events import Chain, Event, Problem
from codesuggest.errors import DecisionConflictError
from codesuggest.records import STAGES, Decision, FinalCode, Review, Shown, Span

__all__ = ["DecisionLog", "Key", "Standing", "decision_of", "normal_code", "review_of", "to_event", "uncollected"]

Key = tuple[str, str, str]
"""``(note_id, system, code)``: what a decision is about."""


class DecisionLog:
    """An append-only log of decisions and finished reviews.

    Parameters
    ----------
    where : str, Path or sqlalchemy.Engine
        A file (SQLite), ``postgresql://USER@HOST/NAME``, or a database that is open.
    must_exist : bool
        Refuse a file that is not there instead of making it.

    Examples
    --------
    >>> when = dt.datetime(2026, 5, 4, 9, 30, tzinfo=dt.UTC)
    >>> with DecisionLog("sqlite://") as log:
    ...     log.record(Decision("n1", "I10", "accept", "coder", "coder-7", when, event_id="e1"))
    ...     [d.final_code for d in log.decisions()], log.verify()
    1
    (['I10'], ())
    """

    def __init__(self, where: str | Path | Engine, *, must_exist: bool = False) -> None:
        self.chain = Chain(where if isinstance(where, Engine) else open_database(where, must_exist=must_exist))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections; the log can be used again."""
        self.chain.engine.dispose()

    def record(self, *made: Decision | Review, revises: Collection[str] | None = ()) -> int:
        """Record decisions and reviews, all of a call or none; return how many were new. When it returns they are on disk.

        A person who decides what another person has decided at the same stage must have seen it: two coders with the same chart
        open do not overwrite each other unawares. Deferred and retracted codes are open to everybody, and the stages are apart:
        an auditor needs no leave of the coder.

        Parameters
        ----------
        made : Decision or Review
            Codes may be written with or without the dot and in any case; they are stored as ``E11.65``.
        revises : collection of str, or None
            Event ids of the other people's decisions that these are meant to take the place of. None, for history brought from
            elsewhere, checks nothing: of several decisions at a stage the latest stands.

        Raises
        ------
        ConfigError
            CS502 when an id is too long, or a text is not Unicode.
        InvalidCodeError
            CS100 when a code has not the format of its code system.
        DecisionConflictError
            CS505 when an event id is already there with other content; CS506 when another person decided, and `revises` does not
            name that decision, or it is dated after the one that should revise it.
        PrerequisiteError
            CS508 when the database cannot be written.

        Examples
        --------
        >>> when = dt.datetime(2026, 5, 4, 9, 30, tzinfo=dt.UTC)
        >>> log = DecisionLog("sqlite://")
        >>> _ = log.record(Decision("n1", "I10", "accept", "coder", "ann", when, event_id="e1"))
        >>> second = Decision("n1", "I10", "reject", "coder", "ben", when, event_id="e2")
        >>> log.record(second)
        Traceback (most recent call last):
        codesuggest.errors.DecisionConflictError: [CS506] I10 of note 'n1' was decided at stage 'coder' by 'ann' (accept, event 'e1') ...
        >>> log.record(second, revises=["e1"])
        1
        >>> log.close()
        """
        allowed = None if revises is None else frozenset(revises)

        def check(connection: Connection, new: Sequence[Event]) -> None:
            if allowed is not None:
                _refuse_conflicts(connection, new, allowed)

        return self.chain.append((to_event(one) for one in made), check=check)

    def decisions(
        self,
        *,
        encounter_id: str | None = None,
        note_id: str | None = None,
        who: str | None = None,
        since: dt.datetime | None = None,
    ) -> Iterator[Decision]:
        """Yield every decision in the order recorded, lazily."""
        shared: dict[str, dict[str, str]] = {}
        for event in self.chain.read(kind="decision", encounter_id=encounter_id, subject=note_id, who=who, since=since):
            yield decision_of(event, shared)

    def reviews(self, *, encounter_id: str | None = None) -> Iterator[Review]:
        """Yield every finished review in the order recorded, lazily."""
        for event in self.chain.read(kind="review", encounter_id=encounter_id):
            yield review_of(event)

    def standing(self, *, encounter_id: str | None = None) -> dict[Key, Decision]:
        """Return the decision that stands for each ``(note_id, system, code)``; see `Standing`."""
        with uncollected():
            state = Standing(self.decisions(encounter_id=encounter_id))
        return {key: decision for key in state if (decision := state.of(key)) is not None}

    def verify(self, *, head: str | None = None) -> tuple[Problem, ...]:
        """Say where the chain does not hold; see `Chain.verify`."""
        return self.chain.verify(head=head)


class Standing:
    """What stands after a sequence of decisions.

    The auditor's word stands over the coder's. Within a stage the latest by its time stands, of equal times the one that came later,
    so that history imported after today's decisions does not undo them; ``retract`` takes back what its stage had decided.

    Parameters
    ----------
    decisions : iterable of Decision
        In the order recorded.

    Examples
    --------
    >>> day = [dt.datetime(2026, 5, d, tzinfo=dt.UTC) for d in range(1, 4)]
    >>> coder = Decision("n1", "I10", "accept", "coder", "ann", day[1])
    >>> auditor = Decision("n1", "I10", "reject", "audit", "eve", day[0])
    >>> Standing([auditor, coder]).of(("n1", "ICD-10-CM", "I10")).action
    'reject'
    """

    def __init__(self, decisions: Iterable[Decision] = ()) -> None:
        self._latest: dict[str, dict[Key, Decision]] = {stage: {} for stage in STAGES}
        for decision in decisions:
            self.add(decision)

    def __iter__(self) -> Iterator[Key]:
        """Every code that anything was decided about, in the order it first was at its stage."""
        coder, audit = self._latest["coder"], self._latest["audit"]
        yield from coder
        yield from (key for key in audit if key not in coder)

    def add(self, decision: Decision) -> Decision | None:
        """Take in the next decision; return the one of its stage that does not stand any more: an earlier one, or this one itself."""
        latest = self._latest[decision.stage]
        key = (decision.note_id, decision.system, decision.code)
        earlier = latest.get(key)
        if earlier is not None and earlier.when > decision.when:
            return decision
        latest[key] = decision
        return earlier

    def at(self, key: Key, stage: str) -> Decision | None:
        """Return what stands at one stage; None where nothing was decided or it was taken back."""
        found = self._latest[stage].get(key)
        return found if found is not None and found.action != "retract" else None

    def of(self, key: Key) -> Decision | None:
        """Return what stands: the auditor's decision, else the coder's."""
        return self.at(key, "audit") or self.at(key, "coder")


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the garbage collector from walking, again and again, a growing crowd that lives on: half the time of 100,000 decisions."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _refuse_conflicts(connection: Connection, new: Sequence[Event], revises: frozenset[str]) -> None:
    decisions = [decision_of(event) for event in new if event.kind == "decision"]
    if not decisions:
        return
    state = Standing(decision_of(event) for event in Chain.about(connection, [d.note_id for d in decisions], kind="decision"))
    for decision in decisions:
        earlier = state.at((decision.note_id, decision.system, decision.code), decision.stage)
        if earlier is not None and earlier.who != decision.who and earlier.action != "defer":
            which = (
                f"{decision.code} of note {decision.note_id!r} was decided at stage {decision.stage!r} by {earlier.who!r} "
                f"({earlier.action}, event {earlier.event_id!r})"
            )
            if earlier.event_id not in revises:
                raise DecisionConflictError(
                    "CS506",
                    f"{which} before {decision.who!r}. Expected one decision at a stage, or a person who has seen the other's. Show "
                    "it, and record with revises=[…] naming that event if it is to be revised.",
                )
            if earlier.when > decision.when:
                raise DecisionConflictError(
                    "CS506",
                    f"{which} at {earlier.when.isoformat()}, later than the {decision.when.isoformat()} of the decision that should "
                    "revise it. Expected a later time. Check the clocks of the machines.",
                )
        state.add(decision)


@lru_cache(maxsize=100_000)
def normal_code(code: str, system: str = ICD10CM) -> str:
    """Return a code as it is stored in the log: capitals, with the dot.

    Raises
    ------
    InvalidCodeError
        CS100 when the text has not the format of its code system. ICD-10-PCS codes may be cut short to three characters or more, as
        some collections hold them (the table without the rows).

    Examples
    --------
    >>> normal_code("e1165"), normal_code("bw03", "ICD-10-PCS")
    ('E11.65', 'BW03')
    """
    if system == ICD10PCS and 3 <= len(code.strip()) < 7:
        stored = without_dot(code, system)
        Code(system, stored.ljust(7, "Z"))  # raises for characters that ICD-10-PCS has not
        return stored
    return str(Code.parse(code, system))


def to_event(made: Decision | Review) -> Event:
    """Return the event that records a decision or a review.

    Raises
    ------
    InvalidCodeError
        CS100 when a code has not the format of its code system.
    """
    if isinstance(made, Decision):
        body: dict[str, Any] = {
            "note_id": made.note_id,
            "code": normal_code(made.code, made.system),
            "action": made.action,
            "stage": made.stage,
            "final_code": None if made.final_code is None else normal_code(made.final_code, made.system),
            "system": made.system,
            "evidence": [[[int(s.start), int(s.end)] for s in spans] for spans in made.evidence],
            "reason": made.reason,
            "probability": None if made.probability is None else float(made.probability),
            "text_sha256": made.text_sha256,
            "versions": _plain(made.versions),
            "in_encounter": bool(made.encounter_id),
        }
        return Event(made.event_id, "decision", made.encounter_id or made.note_id, made.who, made.when, body, subject=made.note_id)
    body = {
        "note_ids": list(made.note_ids),
        "stage": made.stage,
        "opened": made.opened.astimezone(dt.UTC).isoformat(),
        "shown": [
            [s.note_id, s.system, normal_code(s.code, s.system), int(s.rank), float(s.probability), bool(s.selected)] for s in made.shown
        ],
        "codes": [[c.system, normal_code(c.code, c.system), c.poa] for c in made.codes],
        "facts": _plain(made.facts),
        "edits": {rule: int(n) for rule, n in made.edits.items()},
        "versions": _plain(made.versions),
    }
    return Event(made.event_id, "review", made.encounter_id, made.who, made.finished, body, subject=made.encounter_id)


def _plain(mapping: Mapping[str, str]) -> dict[str, str]:
    return {str(key): str(value) for key, value in mapping.items()}


def decision_of(event: Event, shared: dict[str, dict[str, str]] | None = None) -> Decision:
    """Return the decision that an event records.

    Parameters
    ----------
    event : Event
    shared : dict, optional
        Versions met so far, by their text: decisions of one model then hold one mapping among them.
    """
    body: Mapping[str, Any] = event.body
    versions = body["versions"]
    if shared is not None:
        versions = shared.setdefault(repr(versions), versions)
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
        versions=versions,
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
        edits=body.get("edits", {}),
        versions=body["versions"],
        event_id=event.event_id,
    )
