"""From the decision log to a candidate model, and how it compares: what ``codesuggest retrain`` does.

::

    log + notes ──► training rows ──► encounters held out, for ever ──► figures of the candidate and of the model in use
                          │
                          └────────► the others ──► fit ──► candidate folder (never put in use by itself)

An encounter is held out by the hash of its id, so that the same encounters stay out of every later training, and every candidate is
measured on notes that no version of it has seen.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codesuggest.codes import Release, Releases
from codesuggest.decisions import DecisionLog
from codesuggest.decisions.training import TrainingRow, TrainingRows, notes_of, side_of, training_rows
from codesuggest.errors import ConfigError
from codesuggest.learn.drift import DriftReport, Window, drift
from codesuggest.learn.evaluate import Evaluation, evaluate
from codesuggest.learn.examples import CodedExample, Reference
from codesuggest.learn.practice import CodedNote
from codesuggest.learn.promotion import Bounds, Verdict, judge
from codesuggest.model import in_use, read_manifest
from codesuggest.records import Failure, Note

if TYPE_CHECKING:
    from codesuggest.learn.learned_model import LearnedModel
    from codesuggest.suggester import Suggester

__all__ = ["Retrained", "coded_notes", "drift_since", "held_out_notes", "retrain"]

Notes = Mapping[str, Note | str] | Iterable[Note | Failure] | str | Path
Progress = Callable[[str, int, int], None]

PROFILE = "profile.json"
LEFT_OUT = "left_out.jsonl"


@dataclass(frozen=True, slots=True)
class Retrained:
    """A candidate model and how it compares.

    Parameters
    ----------
    folder : Path
        The candidate's model folder.
    rows : TrainingRows
        What was learned from, and what was left out and why.
    n_learned, n_held_out : int
        Notes on each side.
    evaluation : Evaluation or None
        On the held-out encounters; None when there are none.
    verdict : Verdict or None
        Against the model in use; None when there is none, or nothing is held out.
    seconds : mapping of str to float
        Time of each stage.
    """

    folder: Path
    rows: TrainingRows
    n_learned: int
    n_held_out: int
    evaluation: Evaluation | None
    verdict: Verdict | None
    seconds: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object; it holds ids and codes, never text."""
        return {
            "schema": 1,
            "folder": self.folder.name,
            "counts": self.rows.counts(),
            "n_learned": self.n_learned,
            "n_held_out": self.n_held_out,
            "evaluation": self.evaluation.to_dict() if self.evaluation else None,
            "verdict": self.verdict.to_dict() if self.verdict else None,
            "seconds": {name: round(s, 2) for name, s in self.seconds.items()},
        }


def retrain(
    log: DecisionLog,
    notes: Notes,
    *,
    to: str | Path,
    base: Suggester | None = None,
    update: str | Path | None = None,
    against: Suggester | None = None,
    language: str = "en",
    system: str = "ICD-10-CM",
    releases: Releases | None = None,
    day: dt.date | None = None,
    held_out: int = 20,
    bounds: Bounds | None = None,
    seed: int = 0,
    n_draws: int = 1000,
    progress: Progress | None = None,
) -> Retrained:
    """Learn a candidate model from the decisions of a log. It replaces nothing by itself.

    Parameters
    ----------
    log : DecisionLog
    notes : mapping of note id to text or Note, notes, or a path
        What the decisions are about, as `codesuggest score` reads them.
    to : path
        Folder of the candidate; it must not exist.
    base : Suggester, optional
        A model to build on: its suggestions become candidates. Without it learning begins with an empty lexicon, in any language.
    update : path, optional
        A model that `retrain` wrote: only notes that were first decided about since are learned, without starting over. Its base,
        language, code system and held-out encounters are kept; decisions changed on notes that it had learned wait for a full
        retraining. The same as a full one within a few points of F1, in seconds; the docs say how near.
    against : Suggester, optional
        The model in use, for the comparison; the model updated, or `base`, without it.
    language : str
        Language of the notes, ISO 639-1.
    system : str
        Code system, of which a release is at hand.
    releases : Releases, optional
    day : datetime.date, optional
        Codes are carried across to the release in force on this day; that of the base, or the newest, without it.
    held_out : int, 0 to 90
        Percent of the encounters that are never learned from.
    bounds : Bounds, optional
        What counts as a regression.
    seed : int
    n_draws : int
        Of the intervals.
    progress : callable, optional
        Called with (stage, done, of).

    Returns
    -------
    Retrained

    Raises
    ------
    ConfigError
        CS706 when the folder exists; CS707 when `held_out` is out of range; CS710 when the model cannot be updated; CS524 when too
        little was decided.
    """
    target = Path(to)
    if target.exists():
        raise ConfigError("CS706", f"There is a folder {target.name!r} already. Models are never changed. Name a new folder.")
    if not 0 <= held_out <= 90:
        raise ConfigError("CS707", f"held_out is {held_out}. Expected a percentage from 0 to 90. Correct it.")
    from codesuggest.learn.learned_model import fit
    from codesuggest.suggester import load

    say = progress or (lambda stage, done, of: None)
    clock, seconds = time.perf_counter(), {}

    def lap(stage: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        seconds[stage], clock = now - clock, now

    known_releases = releases or Releases()
    earlier = _open_for_update(update) if update is not None else None
    if earlier is not None:
        base, language, system, held_out = earlier.base, earlier.language, earlier.system, int(earlier.facts["held_out_percent"])
        day = day or earlier.release.effective
    release = _release(known_releases, system, day, base)
    texts = notes_of(notes)
    say("decisions", 0, 1)
    found = _Found(base) if base is not None else None
    rows = training_rows(
        log,
        texts,
        system=system,
        releases=known_releases,
        day=release.effective,
        supported=found.category if found is not None else None,
        names=found.code if found is not None else None,
    )
    lap("decisions")
    learned = [row for row in rows.rows if side_of(row.group, held_out=held_out) == "train"]
    apart = [row for row in rows.rows if side_of(row.group, held_out=held_out) != "train"]
    if earlier is not None:
        known = _notes_before(log, int(earlier.facts["log_events"]))
        new = [row for row in learned if row.note_id not in known]
        model = earlier.update((_example(row, texts[row.note_id]) for row in new), seed=seed)
        model.name = target.name
        n_learned = len(new)
    else:
        model = fit(
            (_example(row, texts[row.note_id]) for row in learned),
            release=release,
            language=language,
            system=system,
            base=base,
            seed=seed,
            progress=progress,
            name=target.name,
        )
        n_learned = len(learned)
    lap("fit")
    model.facts = model.facts | {"held_out_percent": held_out, "log_events": log.chain.head()[0], **_left_out_facts(rows)}
    beside = target.with_name(f".{target.name}.new")  # the candidate appears whole, or not at all
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    _write_json(beside / PROFILE, _window(log, learned, texts, system).to_dict())
    lines = (
        {"reason": x.reason, "note_id": x.note_id, "code": x.code, "event_id": x.event_id, "detail": x.detail}
        for x in rows.left_out
    )
    (beside / LEFT_OUT).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8", newline="\n")
    model.save(beside)
    beside.rename(target)
    lap("save")
    evaluation = verdict = None
    if apart:
        say("evaluation", 0, 1)
        coded = [_coded(row, texts[row.note_id]) for row in apart]
        evaluation = evaluate(
            load(target), coded, name=target.name, release=release, n_faithfulness=0, n_draws=n_draws, seed=seed
        )
        rival = against or (load(update) if update is not None else base)
        if rival is not None:
            current = evaluate(rival, coded, name=rival.model.name, release=release, n_faithfulness=0, n_draws=n_draws, seed=seed)
            verdict = judge(current, evaluation, bounds=bounds, release=release, n_draws=n_draws, seed=seed)
        lap("evaluation")
    return Retrained(target, rows, n_learned, len(apart), evaluation, verdict, seconds)


def coded_notes(
    log: DecisionLog, notes: Notes, *, system: str = "ICD-10-CM", releases: Releases | None = None, day: dt.date | None = None
) -> list[CodedNote]:
    """Return every note of a log with the codes that stand, to measure a model on.

    Parameters
    ----------
    log, notes, system, releases, day
        As of `retrain`.
    """
    return held_out_notes(log, notes, system=system, held_out=100, releases=releases, day=day)


def held_out_notes(
    log: DecisionLog,
    notes: Notes,
    *,
    system: str = "ICD-10-CM",
    held_out: int = 20,
    releases: Releases | None = None,
    day: dt.date | None = None,
) -> list[CodedNote]:
    """Return the coded notes that `retrain` with the same `held_out` never learns from, to compare models on.

    Parameters
    ----------
    log, notes, system, held_out, releases, day
        As of `retrain`.
    """
    texts = notes_of(notes)
    rows = training_rows(log, texts, system=system, releases=releases or Releases(), day=day)
    return [_coded(row, texts[row.note_id]) for row in rows.rows if side_of(row.group, held_out=held_out) != "train"]


def drift_since(
    log: DecisionLog,
    notes: Notes,
    model: str | Path,
    *,
    since: dt.datetime | None = None,
    system: str = "ICD-10-CM",
    seed: int = 0,
) -> DriftReport:
    """Tell whether acceptance, code mix or vocabulary moved away from what a model was trained on.

    Parameters
    ----------
    log : DecisionLog
    notes : as of `retrain`
        Of the window alone, or of everything: notes without a decision in the window are passed over.
    model : path
        A folder that `retrain` wrote, or a registry of versions.
    since : datetime.datetime, UTC, optional
        Decisions from this time on.
    system : str
    seed : int

    Raises
    ------
    ConfigError
        CS708 when the model has no profile of its training.
    """
    folder = in_use(Path(model))
    read_manifest(folder)
    file = folder / PROFILE
    if not file.is_file():
        raise ConfigError(
            "CS708", f"The model {folder.name!r} has no profile of what it was trained on. Expected a model that `retrain` wrote."
        )
    texts = notes_of(notes)
    recent = {d.note_id for d in log.decisions(since=since)}
    rows = [row for row in training_rows(log, texts, system=system).rows if row.note_id in recent]
    return drift(
        Window.from_dict(json.loads(file.read_text(encoding="utf-8"))), _window(log, rows, texts, system, since=since), seed=seed
    )


def _open_for_update(folder: str | Path) -> LearnedModel:
    from codesuggest.learn.learned_model import LearnedModel

    path = in_use(Path(folder))
    manifest, _ = read_manifest(path)
    if "learned" not in manifest.get("parts", ()) or "log_events" not in manifest.get("training", {}):
        raise ConfigError(
            "CS710",
            f"The model {path.name!r} cannot be updated from a log. Expected one that `retrain` wrote. Retrain from the start.",
        )
    return LearnedModel.open(path)


def _notes_before(log: DecisionLog, n_events: int) -> set[str]:
    """Return the notes that the first events of a log are about."""
    found: set[str] = set()
    for event in log.chain.read():
        if event.seq > n_events:
            break
        found.add(event.subject)
        found.update(event.body.get("note_ids", ()))
    return found


class _Found:
    """What a model finds in a note, whether it would put it forward or not."""

    def __init__(self, base: Suggester) -> None:
        self._base = base
        self._note_id = ""
        self._codes: frozenset[str] = frozenset()

    def _look(self, note: Note) -> frozenset[str]:
        if self._note_id != note.note_id:
            self._note_id, self._codes = note.note_id, frozenset(s.code for s in self._base.suggest(note).suggestions)
        return self._codes

    def category(self, note: Note, code: str) -> bool:
        """Say whether anything in the note speaks for the code, or for another of its category."""
        return any(found[:3] == code[:3] for found in self._look(note))

    def code(self, note: Note, code: str) -> bool:
        """Say whether the note speaks of this very code."""
        return code in self._look(note)


def _release(releases: Releases, system: str, day: dt.date | None, base: Suggester | None) -> Release:
    if base is not None and day is None:
        return base.model.release
    return releases.on(day or dt.date.max, system)


def _example(row: TrainingRow, note: Note) -> CodedExample:
    return CodedExample(
        row.note_id,
        note.text,
        row.group,
        {code: tuple(Reference(spans) for spans in references) for code, references in row.positives.items()},
        row.rejected | row.passed_over,
        row.weights,
        row.kind,
        row.coder,
    )


def _coded(row: TrainingRow, note: Note) -> CodedNote:
    evidence = tuple((code, span) for code, references in row.positives.items() for spans in references for span in spans)
    return CodedNote(note, tuple(sorted(row.positives)), evidence, row.coder)


def _window(
    log: DecisionLog, rows: Iterable[TrainingRow], texts: Mapping[str, Note], system: str, *, since: dt.datetime | None = None
) -> Window:
    kept = list(rows)
    wanted = {row.note_id for row in kept}
    decisions = (
        (d.code, d.action)
        for d in log.decisions(since=since)
        if d.note_id in wanted and d.system == system and d.stage == "coder"
    )
    return Window.of(((texts[row.note_id].text, row.positives) for row in kept), decisions)


def _left_out_facts(rows: TrainingRows) -> dict[str, Any]:
    counts = rows.counts()
    return {
        "decisions": counts["decisions"],
        "left_out": sum(n for name, n in counts.items() if name.startswith("left out")),
        "support_checked": rows.support_checked,
    }


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, sort_keys=True) + "\n", encoding="utf-8", newline="\n")
