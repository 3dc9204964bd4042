"""Batches of notes that programs hand in: kept in the database, read one after another, gone on with after a restart."""

from __future__ import annotations

import datetime as dt
import json
import logging
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from codesuggest.decisions.database import reading, writing
from codesuggest.desk.errors import MissingChartError
from codesuggest.desk.guard import fault_reference
from codesuggest.desk.metrics import Metrics
from codesuggest.desk.people import Identity
from codesuggest.desk.scorer import Scorer
from codesuggest.desk.store import EncounterFacts, Store
from codesuggest.desk.tables import batch_items, batches, stamp
from codesuggest.records import Note

__all__ = ["Batches"]

_log = logging.getLogger("codesuggest.desk")
_AT_ONCE = 50


class Batches:
    """The batches of a desk.

    Parameters
    ----------
    store : Store
    scorer : Scorer
    metrics : Metrics

    Notes
    -----
    The text of a note is taken out of the batch when its result is there; results are deleted after ``batch_keep_days``.
    """

    def __init__(self, store: Store, scorer: Scorer, metrics: Metrics) -> None:
        self.store, self.scorer, self.metrics = store, scorer, metrics
        self._wake = threading.Event()
        self._stop = False
        self._thread: threading.Thread | None = None

    # -- for the API -------------------------------------------------------------------------------------------------

    def submit(
        self, notes: Sequence[Note], who: Identity, *, queue: bool, facts: Mapping[str, EncounterFacts] | None = None
    ) -> str:
        """Take notes in; return the batch's id. They are on disk then."""
        batch_id = secrets.token_hex(10)
        rows = [
            {"batch_id": batch_id, "position": i, "note": json.dumps(_note_fields(n)), "failed": False}
            for i, n in enumerate(notes)
        ]
        known = {encounter: {k: v for k, v in _plain(f).items() if v} for encounter, f in (facts or {}).items()}
        rows.append({"batch_id": batch_id, "position": -1, "note": json.dumps(known), "failed": False})
        made = stamp(self.store.clock())
        with writing(self.store.engine) as connection:
            connection.execute(insert(batch_items), rows)
            connection.execute(
                insert(batches).values(
                    batch_id=batch_id, who=f"{who.role}:{who.user}", created_at=made, queue=queue, n_notes=len(notes)
                )
            )
        self._wake.set()
        return batch_id

    def get(self, batch_id: str, who: Identity, *, limit: int, offset: int) -> dict[str, Any]:
        """Say how far a batch is, with some of its results.

        Raises
        ------
        MissingChartError
            CS619 when there is none of the person's.
        """
        with reading(self.store.engine) as connection:
            row = connection.execute(select(batches).where(batches.c.batch_id == batch_id)).one_or_none()
            if row is None or (who.role != "manager" and row.who != f"{who.role}:{who.user}"):
                raise MissingChartError(
                    "CS619", f"There is no batch {batch_id[:40]!r} of yours. Expected one you handed in. Check its id."
                )
            mine = (batch_items.c.batch_id == batch_id, batch_items.c.position >= 0)
            count = select(func.count()).select_from(batch_items).where(*mine)
            n_done = connection.execute(count.where(batch_items.c.result.is_not(None))).scalar_one()
            n_failed = connection.execute(count.where(batch_items.c.failed.is_(True))).scalar_one()
            sql = select(batch_items.c.result).where(*mine, batch_items.c.result.is_not(None)).order_by(batch_items.c.position)
            results = connection.execute(sql.limit(limit).offset(offset)).scalars().all()
        return {
            "batch_id": batch_id,
            "state": "running" if row.finished_at is None else "done",
            "queue": bool(row.queue),
            "n_notes": row.n_notes,
            "n_done": n_done,
            "n_failed": n_failed,
            "results": [json.loads(r) for r in results if r],
        }

    # -- the work ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to work, with what an earlier run left undone."""
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)
        self._thread.start()
        self._wake.set()

    def stop(self) -> None:
        """Stop after the notes under way; the rest stays for the next run."""
        self._stop = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stop:
            self._wake.wait(timeout=3600)
            self._wake.clear()
            try:
                self.work()
            except Exception as error:
                reference, places = fault_reference(error)
                _log.error("fault %s in a batch: %s at %s", reference, type(error).__name__, places)
                if not self._stop:
                    threading.Event().wait(5)
                    self._wake.set()

    def work(self) -> None:
        """Read what is there to read, and delete what is old."""
        old = stamp(self.store.clock() - dt.timedelta(days=self.store.settings.batch_keep_days))
        with writing(self.store.engine) as connection:
            gone = select(batches.c.batch_id).where(batches.c.finished_at < old)
            connection.execute(delete(batch_items).where(batch_items.c.batch_id.in_(gone)))
            connection.execute(delete(batches).where(batches.c.finished_at < old))
        while not self._stop:
            with reading(self.store.engine) as connection:
                sql = select(batches).where(batches.c.finished_at.is_(None)).order_by(batches.c.created_at, batches.c.batch_id)
                row = connection.execute(sql.limit(1)).one_or_none()
            if row is None:
                return
            role, _, user = row.who.partition(":")
            self._read_batch(row.batch_id, Identity(user, role, "batch"), queue=bool(row.queue))

    def _read_batch(self, batch_id: str, who: Identity, *, queue: bool) -> None:
        mine = batch_items.c.batch_id == batch_id
        with reading(self.store.engine) as connection:
            sql = select(batch_items.c.note).where(mine, batch_items.c.position == -1)
            facts = {e: _facts(f) for e, f in json.loads(connection.execute(sql).scalar_one()).items()}
        while not self._stop:
            with reading(self.store.engine) as connection:
                sql = select(batch_items.c.position, batch_items.c.note).where(
                    mine, batch_items.c.position >= 0, batch_items.c.result.is_(None)
                )
                rows = connection.execute(sql.order_by(batch_items.c.position).limit(_AT_ONCE)).all()
            if not rows:
                break
            notes = [_note(json.loads(r.note)) for r in rows]
            done = list(zip(rows, notes, self.scorer.score_many(iter(notes)), strict=True))
            for _, _, scored in done:
                self.metrics.note(failed=scored.failed)
            if queue:
                self.store.add(self.scorer.with_queries((note, scored) for _, note, scored in done), who=who, facts=facts)
            with writing(self.store.engine) as connection:
                for row, _, scored in done:
                    here = (mine, batch_items.c.position == row.position)
                    connection.execute(
                        update(batch_items).where(*here).values(result=scored.result, failed=scored.failed, note=None)
                    )
        else:
            return
        with writing(self.store.engine) as connection:
            connection.execute(
                update(batches).where(batches.c.batch_id == batch_id).values(finished_at=stamp(self.store.clock()))
            )


def _note_fields(note: Note) -> dict[str, Any]:
    names = ("note_id", "text", "kind", "encounter_id", "setting", "age_years", "sex", "payer")
    fields = {name: getattr(note, name) for name in names if getattr(note, name) is not None}
    return fields if note.date_of_service is None else {**fields, "date_of_service": note.date_of_service.isoformat()}


def _note(fields: Mapping[str, Any]) -> Note:
    day = fields.get("date_of_service")
    return Note(**{**fields, "date_of_service": None if day is None else dt.date.fromisoformat(day)})


def _plain(facts: EncounterFacts) -> dict[str, Any]:
    return {k: v.isoformat() if isinstance(v, dt.date) else v for k, v in asdict(facts).items()}


def _facts(fields: Mapping[str, Any]) -> EncounterFacts:
    days = {k: dt.date.fromisoformat(fields[k]) for k in ("admitted_on", "discharged_on") if k in fields}
    return EncounterFacts(
        fields.get("admission_type", ""), days.get("admitted_on"), days.get("discharged_on"), fields.get("payer")
    )
