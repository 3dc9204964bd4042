"""What may be learned from the log: for each note the codes that stand, the codes that do not, and how much each counts.

Everything that is left out is listed with the reason; nothing is dropped in silence, and no list holds note text.

Decision (2026-11): a code that was shown and passed over, or rejected, on one document of an encounter and stands on another is
neither learned as right nor as wrong for the first: coders code a chart, not a document, and take a code once. What would change our
mind: a site whose coders reject by document.

Decision (2026-11): the weights are judgement, not measured. An auditor has the coder's work before the eyes and decides with more
time, so the word counts double; passing over says less than rejecting, since a suggestion may not have been read at all.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from codesuggest.codes.code import ICD10CM
from codesuggest.decisions.carrying import Carrier, Fate
from codesuggest.decisions.log import DecisionLog, Standing, uncollected
from codesuggest.errors import ConfigError
from codesuggest.records import Decision, Failure, Note, Review, Span

if TYPE_CHECKING:
    from datetime import date

    from codesuggest.codes.releases import Releases

__all__ = ["REASONS", "WEIGHTS", "Carried", "LeftOut", "TrainingRow", "TrainingRows", "notes_of", "side_of", "training_rows"]

WEIGHTS: Mapping[str, float] = {"audit": 2.0, "coder": 1.0, "passed over": 0.25}
"""How much a decision counts, by stage; a code that was shown and passed over counts its own weight, at either stage."""

REASONS: Mapping[str, str] = {
    "overruled": "a later decision of its stage, or the auditor's, stands in its place",
    "undecided": "the code was deferred, or the decision taken back",
    "no note": "the note is not among those handed in, or cannot be read",
    "note not known": "the code belongs to an encounter of several notes, and nothing tells which of them holds it",
    "unsupported": "coded with no evidence, and nothing in the note speaks for it",
    "not carried": "the code is not in the release that is learned for, and no one successor stands for it",
    "elsewhere": "not coded here, but coded from another document of the same encounter",
    "contradiction": "the code stands and is rejected for the same note, by way of a replacement or a carried code: what stands is kept",
    "text changed": "evidence alone: it points into another version of the text",
    "outside the text": "evidence alone: it ends after the end of the text",
}
"""Why something is left out. The last two leave the code in, without the evidence."""

References = tuple[tuple[Span, ...], ...]
Anchor = Callable[[Decision, Note], References | None]
"""Finds a decision's evidence, which points into another version of the text, in the note as it is; None when it does not stand."""


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """What people decided about one note.

    Parameters
    ----------
    note_id : str
    group : str
        The encounter, or the note where none is known: rows of one group belong on one side of a split.
    positives : mapping of str to references
        Codes that stand, with their evidence: references of one or more ranges each; empty where nobody marked any.
    rejected, passed_over : frozenset of str
        Codes a person refused (or replaced); codes that were shown in a finished review and not taken.
    weights : mapping of str to float
        Of each code above.
    kind : str or None
        Kind of the note.
    coder : str or None
        Who decided most of it; of equals the first by name.
    """

    note_id: str
    group: str
    positives: Mapping[str, References]
    rejected: frozenset[str] = frozenset()
    passed_over: frozenset[str] = frozenset()
    weights: Mapping[str, float] = field(default_factory=dict)
    kind: str | None = None
    coder: str | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that is not learned.

    Parameters
    ----------
    reason : str
        A key of `REASONS`.
    note_id, code : str
    event_id : str
        The decision or review it came from.
    detail : str
        Such as the candidates of a split code; never note text.
    """

    reason: str
    note_id: str
    code: str
    event_id: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Carried:
    """A code of an older release that was learned as another, or a header that was learned as it is.

    Parameters
    ----------
    old, new : str
        The same for a header.
    relation : str
        As `codesuggest.codes.changes.Successor.relation`; ``"not billable"`` for a header.
    n : int
        Notes.
    """

    old: str
    new: str
    relation: str
    n: int


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Rows to learn from, and what was left out.

    Parameters
    ----------
    system : str
    release : str
        Name of the release that codes were carried to; empty when they were left as they are.
    rows : tuple of TrainingRow
        By note id.
    left_out : tuple of LeftOut
        In a total order.
    carried : tuple of Carried
    n_decisions : int
        Decisions of the system in the log.
    support_checked : bool
        Whether codes without evidence were looked for in their notes; when not, they are all taken.
    """

    system: str
    release: str
    rows: tuple[TrainingRow, ...]
    left_out: tuple[LeftOut, ...]
    carried: tuple[Carried, ...]
    n_decisions: int
    support_checked: bool

    def counts(self) -> dict[str, int]:
        """Return how many codes are learned, and of what was left out, how many for each reason."""
        positives = sum(len(row.positives) for row in self.rows)
        with_evidence = sum(1 for row in self.rows for references in row.positives.values() if references)
        return {
            "decisions": self.n_decisions,
            "notes": len(self.rows),
            "encounters": len({row.group for row in self.rows}),
            "positives": positives,
            "positives with evidence": with_evidence,
            "rejected": sum(len(row.rejected) for row in self.rows),
            "passed over": sum(len(row.passed_over) for row in self.rows),
            "carried": sum(c.n for c in self.carried if c.new != c.old),
            "not billable": sum(c.n for c in self.carried if c.new == c.old),
            **{f"left out: {reason}": n for reason, n in sorted(Counter(item.reason for item in self.left_out).items())},
        }


def side_of(group: str, *, held_out: int = 20, purpose: str = "") -> str:
    """Return the side of a split that an encounter is on, by the hash of its id: once and for ever, whatever comes later.

    Parameters
    ----------
    group : str
        As `TrainingRow.group`.
    held_out : int, 0 to 100
        Percent that are held out.
    purpose : str
        Splits of different purposes are independent of each other.

    Examples
    --------
    >>> side_of("encounter-1"), side_of("encounter-12")
    ('train', 'held out')
    """
    if not 0 <= held_out <= 100:
        raise ConfigError("CS539", f"held_out is {held_out!r}. Expected a percentage from 0 to 100. Correct it.")
    place = int(hashlib.sha256(f"{purpose}\0{group}".encode("utf-8", "surrogatepass")).hexdigest()[:8], 16) % 100
    return "held out" if place < held_out else "train"


def notes_of(source: Mapping[str, Note | str] | Iterable[Note | Failure] | str | Path) -> dict[str, Note]:
    """Return notes by id, of a mapping (texts or notes), of notes, or of a file or folder as `codesuggest score` reads them.

    Notes that cannot be read are left out: `training_rows` lists what was decided about them under "no note".

    Examples
    --------
    >>> notes_of({"n1": "Asthma."})["n1"].text
    'Asthma.'
    """
    if isinstance(source, Mapping):
        return {i: note if isinstance(note, Note) else Note(i, note) for i, note in source.items()}
    if isinstance(source, str | Path):
        from codesuggest.notes.sources import NoteSource

        source = NoteSource(source)
    return {note.note_id: note for note in source if isinstance(note, Note)}


def training_rows(
    log: DecisionLog,
    notes: Mapping[str, Note | str] | Iterable[Note | Failure] | str | Path,
    *,
    system: str = ICD10CM,
    releases: Releases | None = None,
    day: date | None = None,
    supported: Callable[[Note, str], bool] | None = None,
    names: Callable[[Note, str], bool] | None = None,
    anchor: Anchor | None = None,
    weights: Mapping[str, float] = WEIGHTS,
) -> TrainingRows:
    """Work out what may be learned from a log.

    Parameters
    ----------
    log : DecisionLog
    notes : mapping of note id to text or Note, notes, or a path
        What the decisions are about; see `notes_of`.
    system : str
        Code system; one at a time.
    releases : Releases, optional
        Carry codes across to the release of `day`; without it codes are left as they are.
    day : datetime.date, optional
        Day of service that is learned for; the newest release without it.
    supported : callable, optional
        ``supported(note, code)``: whether anything in the note speaks for the code. Codes coded without evidence are learned only
        where it says so, and listed otherwise. Without it they are all taken.
    names : callable, optional
        ``names(note, code)``: whether the note speaks of this very code. It chooses among the successors of a split code.
    anchor : callable, optional
        ``anchor(decision, note)``: the decision's evidence in the note as it is now, where its text hash is another.
    weights : mapping
        As `WEIGHTS`.

    Returns
    -------
    TrainingRows

    Raises
    ------
    ConfigError
        CS539 when a weight is missing or not greater than 0.
    NoReleaseError
        CS103 when codes are to be carried and there is no release of the system.

    Notes
    -----
    Of decisions about one code of a note the auditor's stands over the coder's, and within a stage the latest. Where the auditor took
    the coder's code and marked no evidence, the coder's evidence is kept. The order in which notes or decisions come makes no
    difference to the result, except that of two decisions of one stage and the very same time the one recorded later stands.

    Examples
    --------
    >>> import datetime as dt
    >>> log = DecisionLog("sqlite://")
    >>> when = dt.datetime(2026, 5, 4, tzinfo=dt.UTC)
    >>> _ = log.record(Decision("n1", "J45.909", "accept", "coder", "ann", when, evidence=((Span(0, 6),),)))
    >>> rows = training_rows(log, {"n1": "Asthma."})
    >>> rows.rows[0].positives
    {'J45.909': ((Span(start=0, end=6),),)}
    >>> log.close()
    """
    bad = [name for name in WEIGHTS if not (isinstance(w := weights.get(name), int | float) and w > 0)]
    if bad:
        raise ConfigError("CS539", f"The weight of {bad[0]!r} is {weights.get(bad[0])!r}. Expected a number greater than 0. Give one.")
    made = _Rows(
        notes_of(notes),
        Carrier(releases, system, day) if releases is not None else None,
        supported,
        names,
        anchor,
        weights,
    )
    made.read(log, system)
    return made.done(system)


@dataclass(slots=True)
class _Place:
    """What is known of one note so far."""

    positives: dict[str, list[tuple[Span, ...]]] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)  # code to event
    shown: dict[str, str] = field(default_factory=dict)
    undecided: set[str] = field(default_factory=set)
    weights: dict[str, float] = field(default_factory=dict)
    encounters: set[str] = field(default_factory=set)
    people: Counter[str] = field(default_factory=Counter)


class _Rows:
    """The work of `training_rows`, step by step."""

    def __init__(
        self,
        notes: dict[str, Note],
        carrier: Carrier | None,
        supported: Callable[[Note, str], bool] | None,
        names: Callable[[Note, str], bool] | None,
        anchor: Anchor | None,
        weights: Mapping[str, float],
    ) -> None:
        self.notes = notes
        self.carrier = carrier
        self.supported = supported
        self.names = names
        self.anchor = anchor
        self.weights = weights
        self.places: dict[str, _Place] = defaultdict(_Place)
        self.left_out: list[LeftOut] = []
        self.carried: Counter[tuple[str, str, str]] = Counter()
        self.n_decisions = 0
        self._hashes: dict[str, str] = {}
        self.of_encounter: dict[str, list[str]] = defaultdict(list)
        for note in notes.values():
            if note.encounter_id:
                self.of_encounter[note.encounter_id].append(note.note_id)

    # the log, decision by decision

    def read(self, log: DecisionLog, system: str) -> None:
        last: dict[str, Review] = {}
        for review in log.reviews():
            self._show(review, system)
            earlier = last.get(review.encounter_id)
            if earlier is None or (review.stage == "audit", review.finished) >= (earlier.stage == "audit", earlier.finished):
                last[review.encounter_id] = dataclasses.replace(review, shown=())
        state = Standing()
        retracted: list[Decision] = []
        with uncollected():
            for decision in log.decisions():
                if decision.system == system:
                    self.n_decisions += 1
                    over = state.add(decision)
                    if over is not None:
                        self._leave("overruled", over)
                    if decision.action == "retract":
                        retracted.append(decision)
        for decision in retracted:
            if state.of((decision.note_id, system, decision.code)) is None:
                self._leave("undecided", decision)
                if decision.note_id in self.notes:
                    self.places[decision.note_id].undecided.add(self._today(decision.code))
        for key in sorted(state):  # note by note: `supported` may read a note anew each time
            self._decide(state.at(key, "coder"), state.at(key, "audit"))
        for review in last.values():
            self._bill(review, system)

    def _decide(self, coder: Decision | None, audit: Decision | None) -> None:
        if audit is None:
            if coder is not None:
                self._take(coder, coder)
            return
        evidence = audit
        if coder is not None:
            self._leave("overruled", coder)
            if not audit.evidence and audit.final_code and audit.final_code == coder.final_code:
                evidence = coder
        self._take(audit, evidence)

    def _leave(self, reason: str, decision: Decision, detail: str = "") -> None:
        self.left_out.append(LeftOut(reason, decision.note_id, decision.code, decision.event_id, detail))

    def _take(self, decision: Decision, evidence: Decision) -> None:
        notes = self._notes_about(decision)
        if not notes:
            self._leave("no note" if decision.note_id not in self.of_encounter else "note not known", decision)
            return
        if decision.action == "defer":
            self._leave("undecided", decision)
            for note in notes:
                self.places[note.note_id].undecided.add(self._today(decision.code))
            return
        for note in notes:
            place = self.places[note.note_id]
            if decision.encounter_id:
                place.encounters.add(decision.encounter_id)
            place.people[decision.who] += 1
            weight = self.weights[decision.stage]
            if decision.action in ("reject", "replace") and decision.code != decision.final_code:
                code = self._carry(decision.code, note, decision.event_id)
                if code is not None:
                    place.rejected.setdefault(code, decision.event_id)
                    place.weights.setdefault(code, weight)
            if decision.final_code is not None:
                self._add(place, note, decision, evidence, weight)

    def _notes_about(self, decision: Decision) -> list[Note]:
        """Return the note of a decision; of a decision about a whole encounter the notes that hold the code."""
        note = self.notes.get(decision.note_id)
        if note is not None:
            return [note]
        code = decision.final_code or decision.code
        return self._holders(decision.note_id, code)

    def _holders(self, encounter_id: str, code: str) -> list[Note]:
        notes = [self.notes[i] for i in sorted(set(self.of_encounter.get(encounter_id, ())))]
        if len(notes) > 1:
            notes = [n for n in notes if self.supported is not None and self.supported(n, code)]
        return notes

    def _add(self, place: _Place, note: Note, decision: Decision, evidence: Decision, weight: float) -> None:
        assert decision.final_code is not None  # noqa: S101 - for the type checker; the caller looked
        code = self._carry(decision.final_code, note, decision.event_id)
        if code is None:
            return
        references = self._evidence(evidence, note)
        if not references and self.supported is not None and not self.supported(note, code):
            self._leave("unsupported", decision)
            place.undecided.add(code)  # shown and passed over it was not
            return
        held = place.positives.setdefault(code, [])
        held += [r for r in references if r not in held]
        place.weights[code] = max(weight, place.weights.get(code, 0.0))

    def _evidence(self, decision: Decision, note: Note) -> References:
        if not decision.evidence or decision.note_id != note.note_id:
            return ()
        references = decision.evidence
        if decision.text_sha256 and decision.text_sha256 != self._hash(note):
            found = self.anchor(decision, note) if self.anchor is not None else None
            if found is None:
                self._leave("text changed", decision)
                return ()
            references = found
        size = len(note.text)
        inside = tuple(spans for spans in references if max(span.end for span in spans) <= size)
        if len(inside) < len(references):
            self._leave("outside the text", decision, f"{len(references) - len(inside)} of {len(references)} references")
        return inside

    def _hash(self, note: Note) -> str:
        if note.note_id not in self._hashes:
            self._hashes[note.note_id] = hashlib.sha256(note.text.encode("utf-8", "surrogatepass")).hexdigest()
        return self._hashes[note.note_id]

    def _carry(self, code: str, note: Note, event_id: str) -> str | None:
        if self.carrier is None:
            return code
        names = self.names
        fate: Fate = self.carrier.fate(code, None if names is None else lambda successor: names(note, successor))
        if fate.code is None:
            some = ", ".join(fate.candidates[:8]) + (" …" if len(fate.candidates) > 8 else "")
            detail = f"{fate.relation}: {some}" if some else fate.relation
            self.left_out.append(LeftOut("not carried", note.note_id, code, event_id, detail))
        elif fate.relation != "same":
            self.carried[code, fate.code, fate.relation] += 1
        return fate.code

    def _today(self, code: str) -> str:
        return code if self.carrier is None else self.carrier.fate(code).code or code

    # finished reviews: what was shown and not taken, and what was coded without a decision

    def _show(self, review: Review, system: str) -> None:
        for shown in review.shown:
            note = self.notes.get(shown.note_id)
            if shown.system != system or note is None:
                continue
            code = self._today(shown.code)
            place = self.places[shown.note_id]
            place.encounters.add(review.encounter_id)
            place.shown.setdefault(code, review.event_id)

    def _bill(self, review: Review, system: str) -> None:
        """Take in the codes of a finished chart that nobody decided about."""
        known = [i for i in review.note_ids if i in self.notes]
        for note_id in known:
            self.places[note_id].encounters.add(review.encounter_id)
        taken = {code for i in known for code in self.places[i].positives}
        for final in review.codes:
            if final.system == system and self._today(final.code) not in taken:
                about = known[0] if len(known) == 1 else review.encounter_id
                decision = Decision(
                    about,
                    final.code,
                    "add",
                    review.stage,
                    review.who,
                    review.finished,
                    system=system,
                    encounter_id=review.encounter_id,
                    event_id=review.event_id,
                )
                self._bill_one(decision, known)

    def _bill_one(self, decision: Decision, known: list[str]) -> None:
        if any(self._today(decision.code) in self.places[i].undecided for i in known):
            return  # listed already
        if len(known) == 1:
            notes = [self.notes[known[0]]]
        else:
            notes = [self.notes[i] for i in known if self.supported is not None and self.supported(self.notes[i], decision.code)]
        if not notes:
            self._leave("note not known" if known else "no note", decision)
        for note in notes:
            place = self.places[note.note_id]
            place.people[decision.who] += 1
            self._add(place, note, decision, decision, self.weights[decision.stage])

    # all together

    def done(self, system: str) -> TrainingRows:
        groups = {i: self._group(i, place) for i, place in self.places.items()}
        coded: dict[str, set[str]] = defaultdict(set)
        for i, place in self.places.items():
            coded[groups[i]].update(place.positives)
        rows = tuple(self._row(i, self.places[i], groups[i], coded[groups[i]]) for i in sorted(self.places))
        return TrainingRows(
            system,
            self.carrier.target.name if self.carrier is not None else "",
            rows,
            tuple(sorted(set(self.left_out), key=lambda x: (x.reason, x.note_id, x.code, x.event_id, x.detail))),
            tuple(Carried(old, new, relation, n) for (old, new, relation), n in sorted(self.carried.items())),
            self.n_decisions,
            self.supported is not None,
        )

    def _group(self, note_id: str, place: _Place) -> str:
        return self.notes[note_id].encounter_id or min(place.encounters, default="") or note_id

    def _row(self, note_id: str, place: _Place, group: str, coded: set[str]) -> TrainingRow:
        rejected = frozenset(self._not_coded(note_id, place, place.rejected, coded, "contradiction"))
        shown = {code: event for code, event in place.shown.items() if code not in place.rejected and code not in place.undecided}
        passed_over = frozenset(self._not_coded(note_id, place, shown, coded, ""))
        weights = {c: place.weights[c] for c in (*place.positives, *rejected)} | dict.fromkeys(passed_over, self.weights["passed over"])
        return TrainingRow(
            note_id,
            group,
            {code: tuple(place.positives[code]) for code in sorted(place.positives)},
            rejected,
            passed_over,
            {code: weights[code] for code in sorted(weights)},
            self.notes[note_id].kind,
            min(place.people, key=lambda who: (-place.people[who], who), default=None),
        )

    def _not_coded(
        self, note_id: str, place: _Place, codes: Mapping[str, str], coded: set[str], here: str
    ) -> Iterator[str]:
        for code, event_id in codes.items():
            if code in place.positives:
                if here:
                    self.left_out.append(LeftOut(here, note_id, code, event_id))
            elif code in coded:
                self.left_out.append(LeftOut("elsewhere", note_id, code, event_id))
            else:
                yield code
