"""The HTTP API of the desk: FastAPI routes over the store, and nothing more.

Every route that touches a chart leaves a line in the access log, in the transaction of what it does.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, FastAPI, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from sqlalchemy import Engine, func, select
from starlette.exceptions import HTTPException

from codesuggest.codes import Releases
from codesuggest.decisions import DecisionLog
from codesuggest.decisions.database import open_database, reading
from codesuggest.desk import models as m
from codesuggest.desk.batches import Batches
from codesuggest.desk.coding import Acknowledged, Coding, Wanted
from codesuggest.desk.errors import DeskError, ForbiddenError, RequestError
from codesuggest.desk.guard import Guard, cookie_name, error_body, fault_reference
from codesuggest.desk.lookup import Lookup
from codesuggest.desk.metrics import CONTENT_TYPE, Metrics
from codesuggest.desk.people import Identity, People, now
from codesuggest.desk.scorer import Scorer
from codesuggest.desk.settings import DeskSettings
from codesuggest.desk.store import EncounterFacts, Store
from codesuggest.desk.tables import charts
from codesuggest.edits import default_tables
from codesuggest.errors import CodesuggestError

__all__ = ["Services", "create_app"]

_log = logging.getLogger("codesuggest.desk")
_MAX_WAITING = 64  # notes of POST /suggest; more are told to come again
_REVISION = r'^"[0-9]{1,9}"$'
_STATUS = {
    400: "The Host header is not one of this server.",
    401: "Nobody is logged in, or name, password or token is wrong.",
    403: "Not for this role, or the CSRF token is wrong.",
    404: "No such thing, or not yours.",
    405: "Not this method.",
    408: "The request took too long to arrive.",
    409: "The state does not allow it, somebody was quicker, or something is open.",
    412: "The draft has another revision.",
    413: "The request is too large.",
    415: "Not JSON.",
    422: "A field is wrong.",
    428: "If-Match is missing.",
    429: "Too many failed log-ins.",
    431: "The head of the request is too large.",
    500: "A fault of the program.",
    503: "Too busy, or the database cannot be used.",
}


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes work with.

    Parameters
    ----------
    settings : DeskSettings
    engine : sqlalchemy.Engine
    people : People
    store : Store
    coding : Coding
    scorer : Scorer
    batches : Batches
    lookup : Lookup
    metrics : Metrics
    """

    settings: DeskSettings
    engine: Engine
    people: People
    store: Store
    coding: Coding
    scorer: Scorer
    batches: Batches
    lookup: Lookup
    metrics: Metrics

    @classmethod
    def open(cls, settings: DeskSettings, *, clock: Callable[[], dt.datetime] = now) -> Services:
        """Open the database and everything on it; no process is started yet."""
        engine = open_database(settings.database)
        people = People(engine, settings, clock=clock)
        store = Store(engine, settings, clock=clock)
        releases = Releases()
        scorer, metrics = Scorer(settings), Metrics()
        return cls(
            settings,
            engine,
            people,
            store,
            Coding(store, DecisionLog(engine), releases),
            scorer,
            Batches(store, scorer, metrics),
            Lookup(releases, settings.model),
            metrics,
        )


def _responses(kind: type[Any] | None, *statuses: int, ok: int = 200) -> dict[int | str, dict[str, Any]]:
    """Describe the answers of a route; those of the guard are everywhere."""
    good: dict[str, Any] = {"description": "Done."} if kind is None else {"model": kind, "description": "Done."}
    everywhere = (400, 401, 403, 404, 408, 409, 413, 422, 431, 500, 503)
    return {ok: good, **{s: {"model": m.ErrorOut, "description": _STATUS[s]} for s in sorted({*everywhere, *statuses})}}


def _json(value: Any, status: int = 200, **headers: str) -> Response:  # noqa: ANN401 - JSON values
    body = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return Response(body, status, headers, "application/json")


def _who(request: Request) -> Identity:
    identity: Identity = request.state.identity
    return identity


def _role(*roles: str) -> Any:  # noqa: ANN401 - what FastAPI calls a dependency
    def check(request: Request) -> Identity:
        who = _who(request)
        if who.role not in roles:
            desk: Services = request.app.state.desk
            desk.people.note(who, f"{request.method} {_template(request)}"[:60], outcome="denied")
            raise ForbiddenError(
                "CS602", f"The role {who.role!r} may not do this. Expected {' or '.join(roles)}. Ask a manager of the desk."
            )
        return who

    return Depends(check)


def _template(request: Request) -> str:
    return str(getattr(request.scope.get("route"), "path", ""))


Reader = Annotated[Identity, _role("coder", "auditor", "manager")]
Worker = Annotated[Identity, _role("coder", "auditor")]
Returner = Annotated[Identity, _role("auditor", "manager")]
Manager = Annotated[Identity, _role("manager")]
Feeder = Annotated[Identity, _role("service", "manager")]
Anybody = Annotated[Identity, _role("coder", "auditor", "manager", "service")]
ChartId = Annotated[str, Path(pattern=r"^[0-9a-f]{20}$")]
QueryId = Annotated[str, Path(pattern=r"^[0-9a-f]{20}$")]
Limit = Annotated[int, Query(ge=1, le=200)]
Offset = Annotated[int, Query(ge=0, le=10_000_000)]
System = Literal["ICD-10-CM", "ICD-10-PCS", "HCPCS"]
State = Literal["imported", "assigned", "in_progress", "on_hold", "query_open", "finished", "audit", "in_audit", "audited"]
On = Annotated[dt.date | None, Query(description="Date of service; the newest release without it.")]


def create_app(settings: DeskSettings | None = None, *, services: Services | None = None, warm_up: bool = True) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    settings : DeskSettings, optional
    services : Services, optional
        Made of the settings without it.
    warm_up : bool
        Open the model, the index of the search and the tables when the server starts, and not with the first request.

    Returns
    -------
    FastAPI
        Its ``state.desk`` holds the services. Processes are started with the server, not before.
    """
    desk = services or Services.open(settings or DeskSettings())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = desk.settings.threads
        if warm_up:
            threading.Thread(target=_warm_up, args=(desk,), name="warm-up", daemon=True).start()
        desk.batches.start()
        try:
            yield
        finally:
            await to_thread.run_sync(desk.batches.stop)
            await to_thread.run_sync(desk.scorer.close)
            desk.engine.dispose()

    app = FastAPI(
        title="codesuggest desk",
        version="1",
        description="Worklist, suggestions with evidence, decisions. Only a person makes a code final.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
    )
    app.state.desk = desk
    app.add_middleware(Guard, settings=desk.settings, people=desk.people, metrics=desk.metrics)
    _add_handlers(app)
    _add_session(app, desk)
    _add_worklist(app, desk)
    _add_chart(app, desk)
    _add_queries(app, desk)
    _add_library(app, desk)
    _add_operation(app, desk)
    from codesuggest.desk.page import add_page

    add_page(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # as FastAPI's documentation does it
    return app


def _warm_up(desk: Services) -> None:
    """Open what the first requests would wait for; what cannot be opened is said to the one who asks for it."""
    try:
        desk.scorer.warm_up()
        desk.lookup.warm_up()
        day = desk.lookup.release("ICD-10-CM", None).effective
        _ = default_tables(day).index
        desk.store.refresh_scores()
    except Exception as error:
        reference, places = fault_reference(error)
        _log.warning("warm-up broken off (%s): %s at %s", reference, type(error).__name__, places)


# ---------------------------------------------------------------------------------------------------------------------
# errors and the description


def _add_handlers(app: FastAPI) -> None:
    @app.exception_handler(CodesuggestError)
    async def known(request: Request, error: Exception) -> Response:
        if not isinstance(error, CodesuggestError):
            raise error
        more: dict[str, Any] = error.more if isinstance(error, DeskError) else {}
        headers: dict[str, str] = error.headers if isinstance(error, DeskError) else {}
        if error.status < 500:
            return _json(error_body(error.error_id, error.message, **more), error.status, **headers)
        if error.error_id == "CS508":  # the database: full, locked, not reachable
            return _json(
                error_body("CS508", "The database cannot be used now. Nothing was recorded. Try again."),
                503,
                **{"Retry-After": "5"},
            )
        reference, _ = fault_reference(error)
        return _json(
            error_body(error.error_id, f"The server cannot do this as it is set up (reference {reference}). Tell its operator."),
            500,
        )

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        fields = [
            {"place": ".".join(str(part)[:60] for part in e["loc"]), "message": str(e["msg"])[:300]} for e in error.errors()[:20]
        ]
        missing = [f for f in error.errors() if f["type"] == "missing" and tuple(f["loc"]) == ("header", "if-match")]
        if missing and len(fields) == 1:
            return _json(
                error_body("CS605", 'If-Match is missing. Expected the revision of the draft, as If-Match: "4". Send it.'), 428
            )
        first = f"{fields[0]['place']}: {fields[0]['message']}" if fields else "body"
        return _json(
            error_body("CS621", f"A field is wrong: {first}. Expected what the description says. Correct it.", fields=fields), 422
        )

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        words = {
            404: "There is nothing at this address. Expected one of the description. Check it.",
            405: "This method is not allowed here.",
        }
        ids = {404: "CS622", 405: "CS623"}
        text = words.get(error.status_code, "The request cannot be taken. Expected one of the description. Correct it.")
        return _json(error_body(ids.get(error.status_code, "CS624"), text), error.status_code, **dict(error.headers or {}))


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        made.setdefault("components", {})["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "session": {"type": "apiKey", "in": "cookie", "name": cookie_name(app.state.desk.settings)},
        }
        made["security"] = [{"bearer": []}, {"session": []}]
        for path, methods in made["paths"].items():
            for method, operation in methods.items():
                if (path, method) in (("/api/v1/session", "post"), ("/api/v1/health", "get")):
                    operation["security"] = []
        app.openapi_schema = made
    return app.openapi_schema


# ---------------------------------------------------------------------------------------------------------------------
# log-in


def _add_session(app: FastAPI, desk: Services) -> None:
    name = cookie_name(desk.settings)
    slow = CapacityLimiter(2)  # Argon2 takes 64 MB each

    def shown(who: Identity) -> dict[str, str]:
        return {"user": who.user, "role": who.role, "csrf_token": who.csrf_token, "expires_at": who.expires_at}

    @app.post("/api/v1/session", responses=_responses(m.SessionOut, 429), tags=["session"])
    async def log_in(request: Request, given: m.LoginIn) -> Response:
        """Log in; the answer sets the session's cookie."""
        address = request.client.host if request.client else ""
        session = await to_thread.run_sync(desk.people.log_in, given.username, given.password, address, limiter=slow)
        made = _json(shown(session.identity))
        made.set_cookie(name, session.key, path="/", secure=desk.settings.is_secure, httponly=True, samesite="strict")
        return made

    @app.get("/api/v1/session", responses=_responses(m.SessionOut), tags=["session"])
    def who_am_i(who: Anybody) -> Response:
        """Say who is logged in."""
        return _json(shown(who))

    @app.delete("/api/v1/session", status_code=204, responses=_responses(None, ok=204), tags=["session"])
    def log_out(request: Request, who: Anybody) -> Response:
        """Log out."""
        key = getattr(request.state, "session_key", None)
        if key is not None:
            desk.people.log_out(key, who)
        made = Response(status_code=204)
        made.delete_cookie(name, path="/", secure=desk.settings.is_secure, httponly=True, samesite="strict")
        return made


# ---------------------------------------------------------------------------------------------------------------------
# the worklist


def _add_worklist(app: FastAPI, desk: Services) -> None:
    store = desk.store

    @app.get("/api/v1/worklist", responses=_responses(m.WorklistOut), tags=["worklist"])
    def worklist(who: Reader, state: State | None = None, limit: Limit = 50, offset: Offset = 0) -> Response:
        """Give what the person may work on, best first."""
        items, total = store.worklist(who, state=state, limit=limit, offset=offset)
        return _json({"items": items, "total": total, "limit": limit, "offset": offset})

    @app.post("/api/v1/worklist/next", responses=_responses(m.ChartOut), tags=["worklist"])
    def claim_next(who: Worker) -> Response:
        """Claim the best chart that nobody has."""
        return _json(store.summary(store.claim_next(who), who))

    @app.post("/api/v1/charts/{chart_id}/claim", responses=_responses(m.ChartOut), tags=["worklist"])
    def claim(chart_id: ChartId, who: Worker) -> Response:
        """Claim this chart."""
        return _json(store.summary(store.claim(chart_id, who), who))

    @app.post("/api/v1/charts/{chart_id}/release", responses=_responses(m.ChartOut), tags=["worklist"])
    def release(chart_id: ChartId, who: Reader) -> Response:
        """Give a chart back to the queue."""
        return _json(store.summary(store.release(chart_id, who), who))

    @app.post("/api/v1/charts/{chart_id}/skip", responses=_responses(m.ChartOut), tags=["worklist"])
    def skip(chart_id: ChartId, who: Worker) -> Response:
        """Give a chart back, and not be offered it again for a while."""
        return _json(store.summary(store.release(chart_id, who, skip=True), who, skipped=True))

    @app.post("/api/v1/charts/{chart_id}/hold", responses=_responses(m.ChartOut), tags=["worklist"])
    def hold(chart_id: ChartId, given: m.ReasonIn, who: Reader) -> Response:
        """Put a chart aside."""
        return _json(store.summary(store.hold(chart_id, who, given.reason), who))

    @app.post("/api/v1/charts/{chart_id}/resume", responses=_responses(m.ChartOut), tags=["worklist"])
    def resume(chart_id: ChartId, who: Reader) -> Response:
        """Go on with a chart that was put aside."""
        return _json(store.summary(store.resume(chart_id, who), who))

    @app.post("/api/v1/charts/{chart_id}/return", responses=_responses(m.ChartOut), tags=["worklist"])
    def give_back(chart_id: ChartId, given: m.ReasonIn, who: Returner) -> Response:
        """Give a finished chart back to the one who coded it."""
        return _json(store.summary(store.return_(chart_id, who, given.reason), who))

    @app.post("/api/v1/charts/{chart_id}/assign", responses=_responses(m.ChartOut), tags=["worklist"])
    def assign(chart_id: ChartId, given: m.AssignIn, who: Manager) -> Response:
        """Give a chart to a person."""
        return _json(store.summary(store.assign(chart_id, who, given.user), who))


# ---------------------------------------------------------------------------------------------------------------------
# one chart


def _add_chart(app: FastAPI, desk: Services) -> None:
    store, coding = desk.store, desk.coding

    @app.get("/api/v1/charts/{chart_id}", responses=_responses(m.WholeChartOut), tags=["chart"])
    def chart(chart_id: ChartId, who: Reader) -> Response:
        """Give a whole chart: documents, codes with evidence, decisions, findings."""
        row = store.open(chart_id, who)
        return _json(coding.chart(row, who), ETag=f'"{row.draft_revision}"')

    @app.get("/api/v1/charts/{chart_id}/decisions", responses=_responses(m.DecisionsOut), tags=["chart"])
    def decisions(chart_id: ChartId, who: Reader) -> Response:
        """Give every decision in the order made."""
        return _json({"items": coding.history(store.open(chart_id, who))})

    @app.post("/api/v1/charts/{chart_id}/decisions", responses=_responses(m.DecidedOut), tags=["chart"])
    def decide(chart_id: ChartId, given: m.DecisionIn, who: Worker) -> Response:
        """Decide about a code; sent twice it is recorded once."""
        if (given.final_code is not None) != (given.action == "replace"):
            raise RequestError(
                "CS625",
                f"final_code does not go with {given.action!r}. Expected it with 'replace' alone. Correct the request.",
                status=422,
            )
        evidence = None if given.evidence is None else tuple((e.document, e.start, e.end) for e in given.evidence)
        wanted = Wanted(given.event_id, given.action, given.code, given.system, given.final_code, evidence, given.reason)
        return _json(coding.decide(chart_id, who, wanted))

    @app.put("/api/v1/charts/{chart_id}/draft", responses=_responses(m.StateOut, 412, 428), tags=["chart"])
    def draft(chart_id: ChartId, given: m.DraftIn, who: Worker, if_match: Annotated[str, Header(pattern=_REVISION)]) -> Response:
        """Store sequence and POA."""
        sequence = [(c.system, c.code, c.poa) for c in given.sequence]
        row = store.put_draft(chart_id, who, int(if_match.strip('"')), sequence)
        return _json(coding.state(row), ETag=f'"{row.draft_revision}"')

    @app.get("/api/v1/charts/{chart_id}/edits", responses=_responses(m.EditsOut), tags=["chart"])
    def edits(chart_id: ChartId, who: Reader) -> Response:
        """Run the edits on the codes that stand now."""
        return _json(coding.edits(store.open(chart_id, who)))

    @app.post("/api/v1/charts/{chart_id}/finish", responses=_responses(m.FinishedOut), tags=["chart"])
    def finish(chart_id: ChartId, given: m.FinishIn, who: Worker) -> Response:
        """Finish a chart, or say what is open."""
        let = [Acknowledged(a.rule_id, tuple(a.codes), a.reason) for a in given.acknowledged]
        row, codes = coding.finish(chart_id, who, given.event_id, let)
        review = {"event_id": given.event_id, "codes": [{"system": c.system, "code": c.code, "poa": c.poa} for c in codes]}
        return _json({"chart": store.summary(row, who), "review": review})


def _add_queries(app: FastAPI, desk: Services) -> None:
    store, queries = desk.store, desk.coding.queries

    @app.get("/api/v1/charts/{chart_id}/queries", responses=_responses(m.QueriesOut), tags=["queries"])
    def list_queries(chart_id: ChartId, who: Reader) -> Response:
        """Give the queries of a chart."""
        return _json({"items": queries.of_chart(store.open(chart_id, who))})

    @app.post("/api/v1/charts/{chart_id}/queries", status_code=201, responses=_responses(m.QueryOut, ok=201), tags=["queries"])
    def write_query(chart_id: ChartId, given: m.QueryIn, who: Worker) -> Response:
        """Write a query; it is not sent yet."""
        places = [(i.document, i.start, i.end) for i in given.indicators]
        return _json(queries.write(chart_id, who, given.topic, given.question, tuple(given.options), places), 201)

    @app.post("/api/v1/charts/{chart_id}/queries/{query_id}/send", responses=_responses(m.QueryOut), tags=["queries"])
    def send_query(chart_id: ChartId, query_id: QueryId, who: Reader, given: m.SendIn | None = None) -> Response:
        """Send a query; to whom may be said."""
        return _json(queries.move(chart_id, query_id, who, "sent", physician=given.physician if given else ""))

    @app.post("/api/v1/charts/{chart_id}/queries/{query_id}/answer", responses=_responses(m.QueryOut), tags=["queries"])
    def answer_query(chart_id: ChartId, query_id: QueryId, given: m.AnswerIn, who: Reader) -> Response:
        """Note what the physician answered."""
        return _json(queries.move(chart_id, query_id, who, given.outcome, answer=given.answer, answered_by=given.answered_by))

    @app.post("/api/v1/charts/{chart_id}/queries/{query_id}/withdraw", responses=_responses(m.QueryOut), tags=["queries"])
    def withdraw_query(chart_id: ChartId, query_id: QueryId, given: m.ReasonIn, who: Reader) -> Response:
        """Withdraw a query."""
        return _json(queries.move(chart_id, query_id, who, "withdrawn", reason=given.reason))


# ---------------------------------------------------------------------------------------------------------------------
# the library: suggest, batches, codes


def _add_library(app: FastAPI, desk: Services) -> None:
    turns = CapacityLimiter(desk.settings.workers * 2)
    waiting = 0

    @app.post("/api/v1/suggest", responses=_responses(None), tags=["library"])
    async def suggest(given: m.NoteIn, who: Anybody) -> Response:
        """Suggest codes for one note; the answer is the object of `codesuggest schema`. Nothing is stored."""
        nonlocal waiting
        if waiting >= _MAX_WAITING:
            raise RequestError(
                "CS640",
                "Too many notes are waiting. Expected fewer at once. Try again.",
                status=503,
                headers={"Retry-After": "1"},
            )
        waiting += 1
        try:
            scored = await to_thread.run_sync(desk.scorer.score, given.note(), limiter=turns)
        finally:
            waiting -= 1
        desk.metrics.note(failed=scored.failed)
        if not scored.failed:
            return _json(scored.result.encode())
        return _json({"error": json.loads(scored.result)["error"]}, scored.status)

    @app.post("/api/v1/batch", status_code=202, responses=_responses(m.SubmittedOut, ok=202), tags=["library"])
    def batch(given: m.BatchIn, who: Feeder) -> Response:
        """Hand in many notes; they are read one after another, and kept over a restart."""
        facts = {
            e.encounter_id: EncounterFacts(e.admission_type, e.admitted_on, e.discharged_on, e.payer) for e in given.encounters
        }
        batch_id = desk.batches.submit([n.note() for n in given.notes], who, queue=given.queue, facts=facts)
        return _json({"batch_id": batch_id, "n_notes": len(given.notes)}, 202)

    @app.get("/api/v1/batch/{batch_id}", responses=_responses(m.BatchOut), tags=["library"])
    def batch_state(batch_id: ChartId, who: Feeder, limit: Limit = 100, offset: Offset = 0) -> Response:
        """Say how far a batch is, with its results."""
        return _json(desk.batches.get(batch_id, who, limit=limit, offset=offset))

    @app.get("/api/v1/codes/search", responses=_responses(m.SearchOut), tags=["codes"])
    def search(
        who: Anybody,
        q: Annotated[str, Query(min_length=1, max_length=200)],
        system: System = "ICD-10-CM",
        on: On = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> Response:
        """Find codes while typing: by code, or by words of titles, inclusion terms and the lexicon."""
        return _json(desk.lookup.search(q, system=system, on=on, limit=limit))

    @app.get("/api/v1/codes/{code}", responses=_responses(m.CardOut), tags=["codes"])
    def card(
        code: Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9.]{0,9}$")],
        who: Anybody,
        system: System = "ICD-10-CM",
        on: On = None,
    ) -> Response:
        """Give everything known of one code."""
        return _json(desk.lookup.card(code, system=system, on=on))


# ---------------------------------------------------------------------------------------------------------------------
# operation


def _add_operation(app: FastAPI, desk: Services) -> None:
    @app.get("/api/v1/access", responses=_responses(m.AccessesOut), tags=["operation"])
    def accesses(
        who: Manager,
        chart_id: Annotated[str | None, Query(pattern=r"^[0-9a-f]{20}$")] = None,
        user: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
        after: Offset = 0,
        limit: Limit = 200,
    ) -> Response:
        """Read who saw which chart."""
        encounter_id = None
        with reading(desk.engine) as connection:
            if chart_id is not None:
                encounter_id = desk.store.row(connection, chart_id).encounter_id
        desk.people.note(who, "read access log", encounter_id)
        found = desk.people.accesses(encounter_id=encounter_id, who=user, after=after, limit=limit)
        return _json({"items": [asdict(a) for a in found]})

    @app.get("/api/v1/health", responses=_responses(m.HealthOut), tags=["operation"])
    def health() -> Response:
        """Say whether the server can work."""
        with reading(desk.engine) as connection:
            connection.execute(select(1))
        return _json({"status": "ok"})

    @app.get("/api/v1/openapi.json", include_in_schema=False)
    def description(who: Anybody) -> Response:
        return _json(app.openapi())

    @app.get(
        "/metrics",
        responses={
            **_responses(None),
            200: {"description": "Prometheus text.", "content": {"text/plain": {"schema": {"type": "string"}}}},
        },
        response_class=Response,
        tags=["operation"],
    )
    def metrics(who: Feeder) -> Response:
        """Give the metrics."""
        with reading(desk.engine) as connection:
            rows = connection.execute(select(charts.c.status, func.count()).group_by(charts.c.status)).all()
        return Response(desk.metrics.text({status: n for status, n in rows}), media_type=CONTENT_TYPE)
