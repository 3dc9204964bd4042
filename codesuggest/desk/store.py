"""The charts of the desk in the database: import, queue, who has which, drafts and queries.

Every change of a chart is one short transaction that no other writer shares: it reads the row, asks whether the person may and whether
the state allows it, writes the row and the line of the access log, and commits. So two coders never get the same chart, and what was
answered is on disk.

A claimed chart is kept for its coder for ``lease_minutes``, renewed by every change the coder makes to it. When the lease has run out
the chart is offered to others again; as long as nobody took it, its coder simply goes on. A chart that a manager assigned has no lease.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, bindparam, delete, func, insert, or_, select, update

from codesuggest.decisions.database import reading, writing
from codesuggest.desk.chart import Contents, Document, merge
from codesuggest.desk.errors import ForbiddenError, MissingChartError, RequestError, StateError
from codesuggest.desk.people import Identity, note_access, now
from codesuggest.desk.scorer import Scored
from codesuggest.desk.settings import DeskSettings
from codesuggest.desk.states import OPEN_TO_AUDITORS, OPEN_TO_CODERS, after, stage_of
from codesuggest.desk.tables import charts, create_tables, documents, meta, skips, stamp, users
from codesuggest.desk.worklist import ChartFacts, reasons_of, score_of
from codesuggest.edits.drg import CcTable, read_cc_table
from codesuggest.errors import InvalidNoteError
from codesuggest.records import Note

__all__ = ["EncounterFacts", "Store", "missing_chart"]

_KEPT = 64  # charts whose merged documents are kept in memory
_RESCORED_AT_ONCE = 2000
_HELD = ("in_progress", "in_audit")


@dataclass(frozen=True, slots=True)
class EncounterFacts:
    """What is known of an encounter beside its notes.

    Parameters
    ----------
    admission_type : str
        UB-04 form locator 14 (1 emergency, 2 urgent, 3 elective, 4 newborn, 5 trauma), as number or word; may be empty.
    admitted_on, discharged_on : datetime.date or None
    payer : str or None
        Where the notes do not say.
    """

    admission_type: str = ""
    admitted_on: dt.date | None = None
    discharged_on: dt.date | None = None
    payer: str | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a document: "added", "known" (the same is there already) or "refused", and its chart."""

    chart_id: str
    encounter_id: str
    note_id: str
    outcome: str
    message: str = ""


def missing_chart(chart_id: str) -> MissingChartError:
    """Say that there is no such chart, or that it is not this person's; which of the two is nobody's business."""
    return MissingChartError(
        "CS610",
        f"There is no chart {chart_id[:40]!r} for you. Expected one that you hold, or that your role may read. Look at the worklist.",
    )


def _day(value: str | None) -> dt.date | None:
    return None if value is None else dt.date.fromisoformat(value)


def _iso(value: dt.date | None) -> str | None:
    return None if value is None else value.isoformat()


class Store:
    """The charts of a desk.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    settings : DeskSettings, optional
    clock : callable, optional
        Gives the time in UTC; for tests.
    """

    def __init__(self, engine: Engine, settings: DeskSettings | None = None, *, clock: Callable[[], dt.datetime] = now) -> None:
        self.engine = engine
        self.settings = settings or DeskSettings()
        self.clock = clock
        self._kept: OrderedDict[tuple[str, int], Contents] = OrderedDict()
        self._kept_lock = Lock()
        plain = json.dumps(asdict(self.settings.worklist), sort_keys=True, default=dict)
        self._settings_key = hashlib.sha256(plain.encode()).hexdigest()[:16]
        self._cc: CcTable | None = None
        if self.settings.cc_levels and self.settings.cc_groups:
            self._cc = read_cc_table(self.settings.cc_levels, self.settings.cc_groups, version=self.settings.cc_version)
        create_tables(engine)

    # -- import ------------------------------------------------------------------------------------------------------

    def add(
        self, scored: Iterable[tuple[Note, Scored]], *, who: Identity, facts: Mapping[str, EncounterFacts] | None = None
    ) -> tuple[Imported, ...]:
        """Put notes that were read into the queue, one chart an encounter; a note without encounter is one by itself.

        A document that is there already, unchanged, is passed over. One with the same id and another text is refused: decisions
        point into the text. A new document of a finished chart brings the chart back to its coder.

        Parameters
        ----------
        scored : iterable of (Note, Scored)
        who : Identity
            For the access log.
        facts : mapping of str to EncounterFacts, optional
            By encounter.
        """
        groups: OrderedDict[str, list[tuple[Note, Scored]]] = OrderedDict()
        for note, result in scored:
            groups.setdefault(note.encounter_id or note.note_id, []).append((note, result))
        found: list[Imported] = []
        for encounter_id, group in groups.items():
            with writing(self.engine) as connection:
                found += self._add_encounter(
                    connection, encounter_id, group, (facts or {}).get(encounter_id, EncounterFacts()), who
                )
        return tuple(found)

    def _add_encounter(
        self,
        connection: Connection,
        encounter_id: str,
        group: Sequence[tuple[Note, Scored]],
        facts: EncounterFacts,
        who: Identity,
    ) -> list[Imported]:
        row = connection.execute(select(charts).where(charts.c.encounter_id == encounter_id)).one_or_none()
        chart_id = row.chart_id if row else secrets.token_hex(10)
        there: dict[str, str] = {}
        if row:
            sql = select(documents.c.note_id, documents.c.text_sha256).where(documents.c.chart_id == chart_id)
            there = {r.note_id: r.text_sha256 for r in connection.execute(sql)}
        outcomes: list[Imported] = []
        new: list[dict[str, Any]] = []
        added: list[tuple[Note, Scored]] = []
        for note, scored in group:
            digest = hashlib.sha256(note.text.encode("utf-8", "surrogatepass")).hexdigest()
            problem = _unstorable(note)
            if problem:
                outcomes.append(Imported(chart_id, encounter_id, note.note_id[:200], "refused", problem))
                continue
            if note.note_id in there:
                same = there[note.note_id] == digest
                message = (
                    ""
                    if same
                    else (
                        f"[CS643] The document {note.note_id!r} is there already with another text. Expected the same text: decisions point "
                        "into it. Give an addendum or a corrected note an id of its own."
                    )
                )
                outcomes.append(Imported(chart_id, encounter_id, note.note_id, "known" if same else "refused", message))
                continue
            new.append(
                {
                    "chart_id": chart_id,
                    "position": len(there),
                    "note_id": note.note_id,
                    "kind": note.kind,
                    "date_of_service": _iso(note.date_of_service),
                    "text": note.text,
                    "text_sha256": digest,
                    "n_words": len(note.text.split()),
                    "result": scored.result,
                }
            )
            added.append((note, scored))
            there[note.note_id] = digest
            outcomes.append(Imported(chart_id, encounter_id, note.note_id, "added"))
        if not new:
            return outcomes
        values = self._chart_values(row, added, new, facts)
        if row is None:
            made = {
                "chart_id": chart_id,
                "encounter_id": encounter_id,
                "status": "imported",
                "imported_at": stamp(self.clock()),
                **values,
            }
            connection.execute(insert(charts).values(made))
        else:
            if row.status in ("finished", "audit", "audited"):
                values |= {
                    "status": "assigned" if row.coder else "imported",
                    "assignee": row.coder,
                    "lease_until": None,
                    "finished_at": None,
                }
            connection.execute(update(charts).where(charts.c.chart_id == chart_id).values(**values, version=row.version + 1))
        connection.execute(insert(documents), new)
        note_access(connection, who, "import", encounter_id)
        self.rescore(connection, chart_id)
        return outcomes

    def _chart_values(
        self, row: Row[Any] | None, added: Sequence[tuple[Note, Scored]], new: Sequence[Mapping[str, Any]], facts: EncounterFacts
    ) -> dict[str, Any]:
        """Facts of a chart with its new documents: what was known stays, the latest day counts."""

        def known(name: str) -> Any:  # noqa: ANN401 - a value of a row
            values = [getattr(note, name) for note, _ in added if getattr(note, name) is not None]
            earlier = getattr(row, name) if row is not None else None
            return earlier if earlier is not None else values[0] if values else None

        days = (
            [_iso(note.date_of_service) for note, _ in added]
            + ([row.date_of_service] if row else [])
            + [_iso(facts.discharged_on)]
        )
        kinds = json.loads(row.kinds) if row else []
        kinds += [k for k in dict.fromkeys(note.kind for note, _ in added) if k and k not in kinds]
        n_mcc, n_cc = self._impact(added)
        return {
            "setting": known("setting"),
            "payer": known("payer") or facts.payer,
            "age_years": known("age_years"),
            "sex": known("sex"),
            "kinds": json.dumps(kinds),
            "date_of_service": _iso(facts.discharged_on) or max((d for d in days if d), default=None),
            "admitted_on": _iso(facts.admitted_on) or (row.admitted_on if row else None),
            "discharged_on": _iso(facts.discharged_on) or (row.discharged_on if row else None),
            "admission_type": facts.admission_type[:20] or (row.admission_type if row else ""),
            "n_documents": (row.n_documents if row else 0) + len(new),
            "n_words": (row.n_words if row else 0) + sum(d["n_words"] for d in new),
            "n_near": max([s.n_near for _, s in added] + ([row.n_near] if row else [])),
            "n_mcc": n_mcc if row is None or row.n_mcc is None else max(row.n_mcc, n_mcc or 0),
            "n_cc": n_cc if row is None or row.n_cc is None else max(row.n_cc, n_cc or 0),
        }

    def _impact(self, added: Sequence[tuple[Note, Scored]]) -> tuple[int | None, int | None]:
        """Count the MCC and CC among the codes put forward; None without a table. For the order of the queue alone."""
        if self._cc is None:
            return None, None
        levels = []
        codes = {s["code"] for _, scored in added for s in json.loads(scored.result).get("suggestions", ()) if s["selected"]}
        for code in sorted(codes):
            level = self._cc.of(code.replace(".", ""), "")
            levels.append(level[0] if level else "")
        return levels.count("MCC"), levels.count("CC")

    # -- the queue ---------------------------------------------------------------------------------------------------

    def _facts(self, row: Row[Any]) -> ChartFacts:
        return ChartFacts(
            _day(row.date_of_service),
            row.payer or "",
            row.setting or "",
            row.admission_type,
            row.n_words,
            row.n_documents,
            row.n_near,
            row.n_mcc,
            row.n_cc,
            row.n_queries_open,
            row.n_queries_answered,
        )

    def _scored_key(self) -> str:
        return f"{self.clock().date().isoformat()}:{self._settings_key}"

    def rescore(self, connection: Connection, chart_id: str) -> None:
        """Score one chart anew."""
        row = connection.execute(select(charts).where(charts.c.chart_id == chart_id)).one()
        score = score_of(self._facts(row), self.clock().date(), self.settings.worklist)
        connection.execute(update(charts).where(charts.c.chart_id == chart_id).values(score=score, scored=self._scored_key()))

    def refresh_scores(self) -> int:
        """Score what is not finished anew when the day or the settings have changed; return how many were."""
        key = self._scored_key()
        with reading(self.engine) as connection:
            if connection.execute(select(meta.c.value).where(meta.c.name == "scored")).scalar_one_or_none() == key:
                return 0
        n = 0
        today = self.clock().date()
        stale = and_(charts.c.status.in_((*OPEN_TO_CODERS, *OPEN_TO_AUDITORS)), charts.c.scored != key)
        while True:
            with writing(self.engine) as connection:
                rows = connection.execute(select(charts).where(stale).limit(_RESCORED_AT_ONCE)).all()
                if not rows:
                    connection.execute(delete(meta).where(meta.c.name == "scored"))
                    connection.execute(insert(meta).values(name="scored", value=key))
                    return n
                new = [{"of": r.chart_id, "to": score_of(self._facts(r), today, self.settings.worklist)} for r in rows]
                sql = update(charts).where(charts.c.chart_id == bindparam("of")).values(score=bindparam("to"), scored=key)
                connection.execute(sql, new)
                n += len(rows)

    def _visible(self, who: Identity) -> ColumnElement[bool]:
        """Tell what stands in a person's worklist."""
        if who.role == "manager":
            return charts.c.chart_id.is_not(None)
        when = stamp(self.clock())
        is_free = or_(charts.c.assignee.is_(None), charts.c.lease_until < when)
        if who.role == "coder":
            own = and_(charts.c.assignee == who.user, charts.c.status.in_(OPEN_TO_CODERS))
            return or_(own, and_(charts.c.status == "imported"), and_(charts.c.status == "in_progress", is_free))
        if who.role == "auditor":
            own = and_(charts.c.assignee == who.user, charts.c.status == "in_audit")
            return or_(own, charts.c.status == "audit", and_(charts.c.status == "in_audit", is_free))
        raise _forbidden(who, "see the worklist")

    def worklist(
        self, who: Identity, *, state: str | None = None, limit: int = 50, offset: int = 0
    ) -> tuple[list[dict[str, Any]], int]:
        """Give what a person may work on, best first, and how many there are; a person's own charts come before the others'.

        Raises
        ------
        ForbiddenError
            CS602 for a program.
        """
        self.refresh_scores()
        wanted = self._visible(who)
        if state is not None:
            wanted = and_(wanted, charts.c.status == state)
        own = (
            (charts.c.assignee == who.user).is_(True)
            if self.engine.dialect.name == "postgresql"
            else charts.c.assignee == who.user
        )
        order = (func.coalesce(own, False).desc(), charts.c.score.desc(), charts.c.encounter_id)
        when = stamp(self.clock())
        with reading(self.engine) as connection:
            total = int(connection.execute(select(func.count()).select_from(charts).where(wanted)).scalar_one())
            rows = connection.execute(select(charts).where(wanted).order_by(*order).limit(limit).offset(offset)).all()
            skipped = set(
                connection.execute(select(skips.c.chart_id).where(skips.c.who == who.user, skips.c.until > when)).scalars()
            )
        items = [self.summary(r, who, skipped=r.chart_id in skipped, rank=offset + i) for i, r in enumerate(rows, 1)]
        return items, total

    def summary(self, row: Row[Any], who: Identity, *, skipped: bool = False, rank: int | None = None) -> dict[str, Any]:
        """Give the API's object of a chart."""
        made: dict[str, Any] = {
            "chart_id": row.chart_id,
            "encounter_id": row.encounter_id,
            "status": row.status,
            "stage": stage_of(row.status),
            "assignee": row.assignee,
            "mine": row.assignee == who.user,
            "hold_reason": row.hold_reason,
            "lease_until": row.lease_until,
            "setting": row.setting,
            "payer": row.payer,
            "age_years": row.age_years,
            "sex": row.sex,
            "date_of_service": row.date_of_service,
            "admitted_on": row.admitted_on,
            "discharged_on": row.discharged_on,
            "admission_type": row.admission_type,
            "poa_required": row.setting == "inpatient",
            "kinds": json.loads(row.kinds),
            "n_documents": row.n_documents,
            "n_words": row.n_words,
            "n_queries_open": row.n_queries_open,
            "skipped": skipped,
            "score": row.score,
            "reasons": [r.to_dict() for r in reasons_of(self._facts(row), self.clock().date(), self.settings.worklist)],
        }
        return made if rank is None else {**made, "rank": rank}

    # -- one chart ---------------------------------------------------------------------------------------------------

    def row(self, connection: Connection, chart_id: str) -> Row[Any]:
        """Read a chart's row.

        Raises
        ------
        MissingChartError
            CS610 when there is none.
        """
        found = connection.execute(select(charts).where(charts.c.chart_id == chart_id)).one_or_none()
        if found is None:
            raise missing_chart(chart_id)
        return found

    def chart_id(self, name: str) -> str:
        """Give the id of a chart, by its id or its encounter.

        Raises
        ------
        MissingChartError
            CS610 when there is none.
        """
        with reading(self.engine) as connection:
            sql = select(charts.c.chart_id).where(or_(charts.c.chart_id == name, charts.c.encounter_id == name))
            found = connection.execute(sql.order_by((charts.c.chart_id == name).desc()).limit(1)).scalar_one_or_none()
        if found is None:
            raise missing_chart(name)
        return str(found)

    def require_reader(self, row: Row[Any], who: Identity) -> None:
        """Refuse who may not read the chart.

        Raises
        ------
        MissingChartError
            CS610 for a coder without the chart, and an auditor before it is finished; ForbiddenError, CS602, for a program.
        """
        done = row.status in ("finished", "audit", "in_audit", "audited")
        if who.role == "service":
            raise _forbidden(who, "read charts")
        if who.role == "manager" or (who.role == "auditor" and done) or (who.role == "coder" and row.assignee == who.user):
            return
        if who.role == "coder" and done and row.coder == who.user:
            return
        raise missing_chart(row.chart_id)

    def require_holder(self, row: Row[Any], who: Identity) -> None:
        """Refuse who does not hold the chart.

        Raises
        ------
        MissingChartError, ForbiddenError
            CS610, CS602; the latter for who may read the chart and not change it.
        """
        self.require_reader(row, who)
        if row.assignee != who.user or who.role not in ("coder", "auditor"):
            raise _forbidden(who, "change this chart: it is not in your hands")

    def require_working(self, row: Row[Any], who: Identity) -> None:
        """Refuse who does not hold the chart, or has put it aside (StateError, CS611)."""
        self.require_holder(row, who)
        if row.status not in _HELD:
            raise StateError(
                "CS611",
                f"The chart is {row.status.replace('_', ' ')}. Expected one in progress. Resume it, or look at the worklist again.",
            )

    def change(self, connection: Connection, row: Row[Any], who: Identity, action: str, **values: Any) -> Row[Any]:  # noqa: ANN401 - columns
        """Write a chart's row and the access log; the lease of its holder begins anew."""
        assignee = values.get("assignee", row.assignee)
        if assignee is not None and assignee == who.user and "lease_until" not in values and row.lease_until is not None:
            values["lease_until"] = self._lease()
        mine = and_(charts.c.chart_id == row.chart_id, charts.c.version == row.version)
        done = connection.execute(update(charts).where(mine).values(**values, version=row.version + 1))
        if done.rowcount != 1:
            raise StateError(
                "CS611", "The chart was changed by somebody else meanwhile. Expected it as it was read. Look at it again."
            )
        note_access(connection, who, action, row.encounter_id)
        return self.row(connection, row.chart_id)

    def _lease(self) -> str:
        return stamp(self.clock() + dt.timedelta(minutes=self.settings.worklist.lease_minutes))

    def claim(self, chart_id: str, who: Identity) -> Row[Any]:
        """Take a chart.

        Raises
        ------
        MissingChartError
            CS610 when there is none.
        StateError
            CS611 when somebody has it, or its state does not allow it.
        ForbiddenError
            CS602 for a role that does not code.
        """
        if who.role not in ("coder", "auditor"):
            raise _forbidden(who, "take charts")
        with writing(self.engine) as connection:
            row = self.row(connection, chart_id)
            stage = "audit" if row.status == "finished" else stage_of(row.status)
            if (stage == "audit") != (who.role == "auditor"):
                if who.role == "auditor" or row.coder != who.user:
                    raise missing_chart(chart_id)
                raise StateError("CS611", "The chart is finished. Expected one of the queue. Ask a manager to return it.")
            return self._take(connection, row, who)

    def _take(self, connection: Connection, row: Row[Any], who: Identity) -> Row[Any]:
        is_over = row.lease_until is not None and row.lease_until < stamp(self.clock())
        if row.assignee not in (None, who.user) and not (is_over and row.status in _HELD):
            raise StateError(
                "CS611", "Somebody has the chart already. Expected one that nobody has. Take another, or ask a manager."
            )
        status = after(row.status, "claim")
        if row.assignee == who.user and row.status == status:
            return self.change(connection, row, who, "claim")
        lease = row.lease_until if row.assignee == who.user else self._lease()
        opened = row.opened_at if row.assignee == who.user and row.opened_at else stamp(self.clock())
        return self.change(connection, row, who, "claim", status=status, assignee=who.user, lease_until=lease, opened_at=opened)

    def claim_next(self, who: Identity) -> Row[Any]:
        """Take the best chart that nobody has; one that a manager assigned to the person comes first.

        Raises
        ------
        MissingChartError
            CS612 when there is none.
        ForbiddenError
            CS602 for a role that does not code.
        """
        if who.role not in ("coder", "auditor"):
            raise _forbidden(who, "take charts")
        self.refresh_scores()
        when = stamp(self.clock())
        over = and_(charts.c.lease_until.is_not(None), charts.c.lease_until < when)
        free, held = ("imported", "in_progress") if who.role == "coder" else ("audit", "in_audit")
        given = and_(charts.c.status == "assigned", charts.c.assignee == who.user)
        skipped = select(skips.c.chart_id).where(skips.c.who == who.user, skips.c.until > when)
        with writing(self.engine) as connection:
            for wanted in (given, or_(charts.c.status == free, and_(charts.c.status == held, over))):
                sql = select(charts).where(wanted, charts.c.chart_id.not_in(skipped))
                row = connection.execute(sql.order_by(charts.c.score.desc(), charts.c.encounter_id).limit(1)).one_or_none()
                if row is not None:
                    return self._take(connection, row, who)
        raise MissingChartError("CS612", "The queue is empty. Expected a chart that nobody has. Look again later.")

    def open(self, chart_id: str, who: Identity) -> Row[Any]:
        """Begin to read a chart: the access log says so, and a chart assigned to the person goes in progress."""
        with writing(self.engine) as connection:
            row = self.row(connection, chart_id)
            try:
                self.require_reader(row, who)
            except MissingChartError:
                refused = True
            else:
                refused = False
            if refused:
                note_access(connection, who, "open", row.encounter_id, outcome="denied")
            elif row.assignee == who.user and row.status == "assigned":
                opened = row.opened_at or stamp(self.clock())
                return self.change(connection, row, who, "open", status=after(row.status, "open"), opened_at=opened)
            else:
                note_access(connection, who, "open", row.encounter_id)
        if refused:
            raise missing_chart(chart_id)
        return row

    def release(self, chart_id: str, who: Identity, *, skip: bool = False) -> Row[Any]:
        """Give a chart back to the queue; with `skip` the person is not offered it again for a while."""
        what = "skip" if skip else "release"
        with writing(self.engine) as connection:
            row = self.held_or_managed(connection, chart_id, who)
            status = after(row.status, what)
            if skip:
                self.require_holder(row, who)
                until = stamp(self.clock() + dt.timedelta(hours=self.settings.worklist.skip_hours))
                connection.execute(delete(skips).where(skips.c.chart_id == chart_id, skips.c.who == who.user))
                connection.execute(insert(skips).values(chart_id=chart_id, who=who.user, until=until))
            return self.change(connection, row, who, what, status=status, assignee=None, lease_until=None, hold_reason="")

    def hold(self, chart_id: str, who: Identity, reason: str) -> Row[Any]:
        """Put a chart aside; it stays with its coder, without a lease."""
        with writing(self.engine) as connection:
            row = self.held_or_managed(connection, chart_id, who)
            return self.change(
                connection, row, who, "hold", status=after(row.status, "hold"), hold_reason=reason, lease_until=None
            )

    def resume(self, chart_id: str, who: Identity) -> Row[Any]:
        """Go on with a chart that was put aside."""
        with writing(self.engine) as connection:
            row = self.held_or_managed(connection, chart_id, who)
            return self.change(connection, row, who, "resume", status=after(row.status, "resume"), hold_reason="")

    def return_(self, chart_id: str, who: Identity, reason: str) -> Row[Any]:
        """Give a finished chart back to the one who coded it."""
        with writing(self.engine) as connection:
            row = self.row(connection, chart_id)
            self.require_reader(row, who)
            if who.role not in ("auditor", "manager"):
                raise _forbidden(who, "return charts")
            if row.status == "in_audit" and who.role == "auditor" and row.assignee != who.user:
                raise _forbidden(who, "return a chart that another auditor has")
            status = after(row.status, "return")
            if row.coder is None:
                status = "imported"
            return self.change(
                connection,
                row,
                who,
                "return",
                status=status,
                assignee=row.coder,
                lease_until=None,
                hold_reason=reason,
                finished_at=None,
            )

    def assign(self, chart_id: str, who: Identity, to: str) -> Row[Any]:
        """Give a chart to a person; it has no lease.

        Raises
        ------
        MissingChartError
            CS610, CS631 when there is no such chart or user.
        ForbiddenError
            CS602 for anybody but a manager.
        """
        if who.role != "manager":
            raise _forbidden(who, "assign charts")
        with writing(self.engine) as connection:
            row = self.row(connection, chart_id)
            user = connection.execute(select(users.c.role, users.c.disabled).where(users.c.name == to)).one_or_none()
            role = "auditor" if stage_of(row.status) == "audit" else "coder"
            if user is None or user.disabled or user.role != role:
                raise MissingChartError(
                    "CS631",
                    f"There is no {role} {to[:80]!r}. Expected one of `codesuggest desk user list` who is not disabled. Name another.",
                )
            opened = row.opened_at if row.assignee == to else stamp(self.clock())
            values = {
                "status": after(row.status, "assign"),
                "assignee": to,
                "lease_until": None,
                "hold_reason": "",
                "opened_at": opened,
            }
            return self.change(connection, row, who, f"assign to {to}"[:60], **values)

    def held_or_managed(self, connection: Connection, chart_id: str, who: Identity) -> Row[Any]:
        """Read a chart that the person holds, or manages; else raise as `require_holder`."""
        row = self.row(connection, chart_id)
        self.require_reader(row, who)
        if who.role != "manager":
            self.require_holder(row, who)
        return row

    # -- documents ---------------------------------------------------------------------------------------------------

    def contents(self, row: Row[Any]) -> Contents:
        """Give the merged documents of a chart; kept in memory for a while."""
        key = (str(row.chart_id), int(row.n_documents))
        with self._kept_lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        with reading(self.engine) as connection:
            rows = connection.execute(
                select(documents).where(documents.c.chart_id == row.chart_id).order_by(documents.c.position)
            ).all()
        made = merge(
            [
                Document(r.position, r.note_id, r.text_sha256, r.text, r.kind, r.date_of_service, r.n_words, json.loads(r.result))
                for r in rows
            ]
        )
        with self._kept_lock:
            self._kept[key] = made
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return made

    # -- draft -------------------------------------------------------------------------------------------------------

    def put_draft(self, chart_id: str, who: Identity, revision: int, sequence: Sequence[tuple[str, str, str | None]]) -> Row[Any]:
        """Store sequence and POA as they are now.

        Raises
        ------
        RequestError
            CS613, status 412, when the draft has another revision.
        """
        with writing(self.engine) as connection:
            row = self.row(connection, chart_id)
            self.require_working(row, who)
            draft = json.dumps(list(sequence))
            if row.draft_revision == revision + 1 and row.draft == draft:
                return row  # sent again, because the answer did not arrive
            if row.draft_revision != revision:
                raise RequestError(
                    "CS613",
                    f"The draft has the revision {row.draft_revision}, not {revision}. Expected the latest. Read the chart again.",
                    status=412,
                )
            return self.change(connection, row, who, "draft", draft=draft, draft_revision=revision + 1)


def _forbidden(who: Identity, what: str) -> ForbiddenError:
    role = who.role or "nobody"
    return ForbiddenError("CS602", f"The role {role!r} may not {what}. Expected another role. Ask a manager of the desk.")


def _unstorable(note: Note) -> str:
    for name, value in (
        ("note_id", note.note_id),
        ("encounter_id", note.encounter_id or ""),
        ("payer", note.payer or ""),
        ("kind", note.kind or ""),
    ):
        if len(value) > 200 or "\0" in value:
            error = InvalidNoteError(
                "CS644",
                f"The {name} of a note has {len(value):,} characters. Expected at most 200, none of them NUL. Shorten it.",
            )
            return str(error)
    if "\0" in note.text or any("\ud800" <= c <= "\udfff" for c in note.text if c > "\u07ff"):
        return f"[CS644] The text of {note.note_id!r} holds NUL or half of a surrogate pair. Expected Unicode text. Clean it."
    return ""
