"""A desk for tests: an application without a socket, a few people, and notes written for the project."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import itertools
import json
import os
import tempfile
import threading
import uuid
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from codesuggest import Note
from codesuggest.codes import Releases
from codesuggest.decisions.database import open_database
from codesuggest.desk.app import Services, create_app
from codesuggest.desk.batches import Batches
from codesuggest.desk.lookup import Lookup
from codesuggest.desk.people import Identity
from codesuggest.desk.scorer import Scored, n_near_threshold
from codesuggest.desk.settings import DeskSettings, WorklistSettings
from codesuggest.errors import CodesuggestError
from codesuggest.records import Failure

PASSWORD = "correct horse battery"  # noqa: S105 - of people who do not exist
DAY = dt.date(2026, 5, 4)
FEEDER = Identity("feeder", "service", "test")
POSTGRES = os.environ.get("CODESUGGEST_TEST_POSTGRES")
DATABASES = [
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.skipif(not POSTGRES, reason="CODESUGGEST_TEST_POSTGRES is not set")),
]

SUMMARY = """DISCHARGE SUMMARY

HOSPITAL COURSE: Treated for pneumonia with ceftriaxone. No evidence of pulmonary embolism. Blood pressure was controlled.

DISCHARGE DIAGNOSES:
1. Pneumonia.
2. Essential hypertension.
"""
PROGRESS = """PROGRESS NOTE

ASSESSMENT AND PLAN:
1. Pneumonia, improving on ceftriaxone.
2. Type 2 diabetes mellitus, continue metformin.
"""


@functools.cache
def _lookup():
    return Lookup(Releases())  # its index takes two seconds to make


class Clock:
    """A time that tests can move."""

    def __init__(self):
        self.now = dt.datetime(2026, 5, 20, 8, 0, tzinfo=dt.UTC)

    def __call__(self):
        self.now += dt.timedelta(microseconds=1)
        return self.now

    def forward(self, **by):
        self.now += dt.timedelta(**by)


class Client:
    """Requests to an application without a socket, from any thread."""

    _loop = None

    def __init__(self, app, *, host="localhost", address="127.0.0.1"):
        if Client._loop is None:
            Client._loop = asyncio.new_event_loop()
            threading.Thread(target=Client._loop.run_forever, daemon=True).start()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 50000))
        self.client = httpx.AsyncClient(transport=transport, base_url=f"http://{host}", timeout=30)
        self.headers = {}

    def request(self, method, path, **more):
        more["headers"] = {**self.headers, **more.get("headers", {})}
        return asyncio.run_coroutine_threadsafe(self.client.request(method, path, **more), Client._loop).result(timeout=60)

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.request("POST", path, **({} if body is None else {"json": body}), **more)

    def put(self, path, body=None, **more):
        return self.request("PUT", path, json=body, **more)

    def delete(self, path, **more):
        return self.request("DELETE", path, **more)


class InProcess:
    """A scorer without processes; `test_desk_scorer.py` is about those."""

    def __init__(self, suggester):
        self.suggester = suggester

    def score(self, note):
        try:
            result = self.suggester.suggest(note)
        except CodesuggestError as error:
            return Scored(json.dumps(Failure(note.note_id, error.error_id, error.message).to_dict()), 0, True, error.status)
        near = n_near_threshold([s.probability for s in result.suggestions], self.suggester.threshold)
        return Scored(json.dumps(result.to_dict()), near, False, 200)

    def score_many(self, notes):
        return map(self.score, notes)

    def with_queries(self, scored):
        return list(scored)

    def close(self):
        pass


class Desk:
    """An application with users: ann and ben (coders), eve (auditor), max (manager), and the service feeder."""

    tokens: ClassVar[dict[str, str]] = {}
    people = (("ann", "coder"), ("ben", "coder"), ("eve", "auditor"), ("max", "manager"))

    def __init__(self, settings, suggester):
        self.clock = Clock()
        opened = Services.open(settings, clock=self.clock)
        scorer = InProcess(suggester)
        batches = Batches(opened.store, scorer, opened.metrics)
        self.services = replace(opened, lookup=_lookup(), scorer=scorer, batches=batches)
        people = self.services.people
        people._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # tests would spend their time here
        people._nobody = people._hasher.hash("nobody's password")
        self.tokens = dict(Desk.tokens)
        if not people.users():
            for name, role in self.people:
                people.add_user(name, role, PASSWORD)
            self.tokens = {name: people.create_token(name, role)[1] for name, role in (*self.people, ("feeder", "service"))}

    @functools.cached_property
    def app(self):
        return create_app(services=self.services, warm_up=False)

    @property
    def store(self):
        return self.services.store

    @property
    def coding(self):
        return self.services.coding

    def who(self, name):
        return Identity(name, dict(self.people)[name], "test")

    def client(self, name=None, **more):
        """Give a client with the token of a person."""
        client = Client(self.app, **more)
        if name is not None:
            client.headers["Authorization"] = f"Bearer {self.tokens[name]}"
        return client

    def browser(self, name, **more):
        """Give a client with a session, and its CSRF token in `csrf`."""
        client = Client(self.app, **more)
        answer = client.post("/api/v1/session", {"username": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.csrf = {"X-CSRF-Token": answer.json()["csrf_token"]}
        return client

    def score(self, note):
        return self.services.scorer.score(note)

    def add(self, *notes, facts=None):
        """Put notes into the queue, and give the id of the last one's chart."""
        done = self.store.add([(n, self.score(n)) for n in notes], who=FEEDER, facts=facts)
        assert [d.outcome for d in done] == ["added"] * len(notes), done
        return done[-1].chart_id

    def chart(self, encounter_id="E-1", **more):
        """Put a chart of two documents into the queue, and give its id."""
        notes = (
            note(f"{encounter_id}-1", encounter_id=encounter_id, **more),
            note(f"{encounter_id}-2", PROGRESS, encounter_id=encounter_id, **more),
        )
        return self.add(*notes)

    def close(self):
        self.services.scorer.close()
        self.services.engine.dispose()


_numbers = itertools.count()


def note(note_id=None, words=SUMMARY, **more):
    more = {"kind": "discharge summary", "setting": "inpatient", "date_of_service": DAY, "age_years": 70, "sex": "F", **more}
    return Note(note_id or f"note-{next(_numbers)}", words, **more)


def event_id():
    return str(uuid.uuid4())


@functools.cache
def _with_people():
    """Give the bytes of a database with the people in it: made once, copied for every test."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "people.sqlite"
        made = Desk(DeskSettings(database=str(file)), None)
        made.close()
        Desk.tokens = made.tokens
        return file.read_bytes()


@contextmanager
def database(kind, tmp_path):
    """Give the address of an empty database."""
    if kind == "sqlite":
        file = tmp_path / "desk.sqlite"
        file.write_bytes(_with_people())
        yield str(file)
        return
    schema = f"test_{uuid.uuid4().hex[:12]}"
    engine = open_database(POSTGRES)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    try:
        yield POSTGRES + ("&" if "?" in POSTGRES else "?") + f"options={quote(f'-csearch_path={schema}')}"
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        engine.dispose()


@contextmanager
def open_desk(tmp_path, suggester, *, kind="sqlite", worklist=None, **settings):
    """Open a desk; nothing goes to audit unless the settings say so."""
    order = replace(WorklistSettings(), **{"audit_share": 0.0, **(worklist or {})})
    with database(kind, tmp_path) as address:
        desk = Desk(DeskSettings(database=address, worklist=order, **settings), suggester)
        try:
            yield desk
        finally:
            desk.close()
