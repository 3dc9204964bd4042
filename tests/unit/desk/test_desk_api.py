"""The HTTP API from outside: who may do what, and the attacks that must not get through."""

import json
import logging

import pytest
from desk_helpers import PASSWORD, PROGRESS, SUMMARY, event_id, note, open_desk

from codesuggest.decisions import DecisionLog
from codesuggest.desk.people import Identity
from codesuggest.errors import ConfigError


@pytest.fixture
def desk(tmp_path, suggester):
    with open_desk(tmp_path, suggester, body_bytes=60_000, batch_bytes=100_000) as made:
        made.id = made.chart(setting="outpatient")
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory, suggester):
    """Give a desk for tests that leave nothing behind that another would see; `made.id` is a chart of ann."""
    with open_desk(tmp_path_factory.mktemp("shared"), suggester, body_bytes=60_000, batch_bytes=100_000) as made:
        made.id = made.chart("shared", setting="outpatient")
        made.store.claim(made.id, made.who("ann"))
        yield made


@pytest.fixture
def claimed(desk):
    desk.store.claim(desk.id, desk.who("ann"))
    return desk


def accept(code="J18.9", **more):
    return {"event_id": event_id(), "action": "accept", "code": code, **more}


def error_id(answer):
    return answer.json()["error"]["id"]


# -- roles ----------------------------------------------------------------------------------------------------------------

ROLES = ("ann", "eve", "max", "feeder")
MATRIX = [
    # method, path, body, what coder, auditor, manager and service are answered (a chart that ann has not claimed)
    ("GET", "/api/v1/session", None, (200, 200, 200, 200)),
    ("GET", "/api/v1/worklist", None, (200, 200, 200, 403)),
    ("POST", "/api/v1/worklist/next", None, (200, 404, 403, 403)),
    ("GET", "/api/v1/charts/{id}", None, (404, 404, 200, 403)),
    ("POST", "/api/v1/charts/{id}/claim", None, (200, 404, 403, 403)),
    ("POST", "/api/v1/charts/{id}/release", None, (404, 404, 409, 403)),
    ("POST", "/api/v1/charts/{id}/skip", None, (404, 404, 403, 403)),
    ("POST", "/api/v1/charts/{id}/hold", {"reason": "why"}, (404, 404, 409, 403)),
    ("POST", "/api/v1/charts/{id}/resume", None, (404, 404, 409, 403)),
    ("POST", "/api/v1/charts/{id}/return", {"reason": "why"}, (403, 404, 409, 403)),
    ("POST", "/api/v1/charts/{id}/assign", {"user": "ben"}, (403, 403, 200, 403)),
    ("GET", "/api/v1/charts/{id}/decisions", None, (404, 404, 200, 403)),
    ("POST", "/api/v1/charts/{id}/decisions", {"event_id": "event-000", "action": "accept", "code": "I10"}, (404, 404, 403, 403)),
    ("GET", "/api/v1/charts/{id}/edits", None, (404, 404, 200, 403)),
    ("POST", "/api/v1/charts/{id}/finish", {"event_id": "event-000"}, (404, 404, 403, 403)),
    ("GET", "/api/v1/charts/{id}/queries", None, (404, 404, 200, 403)),
    ("POST", "/api/v1/charts/{id}/queries", {"topic": "t", "question": "Please clarify."}, (404, 404, 403, 403)),
    ("GET", "/api/v1/codes/I10", None, (200, 200, 200, 200)),
    ("GET", "/api/v1/batch/" + "0" * 20, None, (403, 403, 404, 404)),
    ("GET", "/api/v1/access", None, (403, 403, 200, 403)),
    ("GET", "/metrics", None, (403, 403, 200, 200)),
    ("GET", "/api/v1/openapi.json", None, (200, 200, 200, 200)),
    ("GET", "/api/v1/health", None, (200, 200, 200, 200)),
]


@pytest.mark.parametrize(("method", "path", "body", "expected"), MATRIX)
def test_roles(shared, method, path, body, expected):
    found = []
    for name in ROLES:
        with_fresh = path.replace("{id}", shared.chart(f"{method}-{path}-{name}"[:60], setting="outpatient"))
        found.append(shared.client(name).request(method, with_fresh, **({"json": body} if body else {})).status_code)
    assert tuple(found) == expected


@pytest.mark.parametrize(("method", "path"), [(m, p) for m, p, *_ in MATRIX if not p.endswith("/health")])
def test_nobody_gets_nothing(shared, method, path):
    answer = shared.client().request(method, path.replace("{id}", shared.id))
    assert (answer.status_code, error_id(answer)) == (401, "CS601")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_role_that_was_refused_is_on_record(shared):
    shared.client("ann").get("/api/v1/access")
    last = shared.services.people.accesses()[-1]
    assert (last.who, last.outcome) == ("ann", "denied")


# -- log-in, sessions, tokens ---------------------------------------------------------------------------------------------


def test_the_cookie_is_for_the_server_alone(shared):
    answer = shared.client().post("/api/v1/session", {"username": "ann", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.casefold()


def test_with_tls_the_cookie_is_bound_to_it(tmp_path, suggester):
    with open_desk(tmp_path, suggester, behind_proxy=True) as desk:
        cookie = desk.client().post("/api/v1/session", {"username": "ann", "password": PASSWORD}).headers["set-cookie"]
        assert cookie.startswith("__Host-")
        assert "Secure" in cookie
        assert "strict-transport-security" in desk.client().get("/api/v1/health").headers


@pytest.mark.parametrize("given", [{"username": "ann", "password": "wrong"}, {"username": "nobody", "password": PASSWORD}])
def test_a_wrong_name_and_a_wrong_password_are_answered_alike(shared, given):
    answer = shared.client().post("/api/v1/session", given)
    assert (answer.status_code, error_id(answer)) == (401, "CS601")


def test_guessing_is_stopped_and_the_right_password_does_not_help_then(desk):
    client = desk.client()
    for _ in range(5):
        assert client.post("/api/v1/session", {"username": "ann", "password": "wrong"}).status_code == 401
    answer = client.post("/api/v1/session", {"username": "ann", "password": PASSWORD})
    assert (answer.status_code, error_id(answer), answer.headers["retry-after"]) == (429, "CS604", "300")
    assert desk.client(address="10.0.0.9").post("/api/v1/session", {"username": "ann", "password": PASSWORD}).status_code == 200


def test_a_password_that_was_typed_as_a_name_is_not_kept_for_longer_than_a_name(desk):
    desk.client().post("/api/v1/session", {"username": "x" * 64, "password": "wrong"})
    assert desk.services.people.accesses()[-1].who == "x" * 64
    assert desk.client().post("/api/v1/session", {"username": "x" * 65, "password": "wrong"}).status_code == 422


def test_a_session_ends_by_log_out(desk):
    browser = desk.browser("ann")
    kept = dict(browser.client.cookies)
    assert browser.delete("/api/v1/session", headers=browser.csrf).status_code == 204
    browser.client.cookies.update(kept)
    assert browser.get("/api/v1/worklist").status_code == 401


@pytest.mark.parametrize("by", [{"minutes": 31}, {"hours": 13}])
def test_a_session_ends_when_idle_or_old(desk, by):
    browser = desk.browser("ann")
    desk.clock.forward(**by)
    assert browser.get("/api/v1/worklist").status_code == 401


def test_a_session_in_use_goes_on_until_it_is_old(desk):
    browser = desk.browser("ann")
    for _ in range(3):
        desk.clock.forward(minutes=25)
        assert browser.get("/api/v1/worklist").status_code == 200


def test_a_disabled_user_is_out_at_once(desk):
    browser = desk.browser("ann")
    desk.services.people.disable("ann")
    assert browser.get("/api/v1/worklist").status_code == 401
    assert desk.client("ann").get("/api/v1/worklist").status_code == 401
    assert desk.client().post("/api/v1/session", {"username": "ann", "password": PASSWORD}).status_code == 401


@pytest.mark.parametrize("token", ["", "cs_", "cs_" + "A" * 43, "x" * 5000, "' OR 1=1 --", "é"])
def test_a_forged_token_is_nobody(shared, token):
    answer = shared.client().get("/api/v1/worklist", headers={"Authorization": f"Bearer {token}".encode()})
    assert answer.status_code == 401


def test_a_token_that_is_not_valid_is_not_made_up_for_by_a_cookie(shared):
    browser = shared.browser("ann")
    assert browser.get("/api/v1/worklist", headers={"Authorization": "Bearer cs_wrong"}).status_code == 401


def test_a_token_ends_at_its_date(desk):
    desk.clock.forward(days=91)
    assert desk.client("feeder").get("/api/v1/session").status_code == 401


def test_a_revoked_token_is_nobody_at_once(desk):
    made = next(t for t in desk.services.people.tokens() if t.name == "feeder")
    desk.services.people.revoke_token(made.token_id)
    assert desk.client("feeder").get("/api/v1/session").status_code == 401


def test_no_secret_is_stored(desk, tmp_path):
    desk.browser("ann")
    desk.services.engine.dispose()
    stored = b"".join(f.read_bytes() for f in tmp_path.glob("desk.sqlite*"))
    assert desk.tokens["feeder"].encode() not in stored
    assert PASSWORD.encode() not in stored


def test_a_service_cannot_take_the_name_of_a_person(shared):
    with pytest.raises(ConfigError, match="CS633"):
        shared.services.people.create_token("Ann", "service")
    with pytest.raises(ConfigError, match="CS633"):
        shared.services.people.create_token("ann", "manager")


# -- CSRF -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, {"X-CSRF-Token": "0" * 64}, {"X-CSRF-Token": ""}])
def test_a_change_by_cookie_needs_the_csrf_token(shared, headers):
    answer = shared.browser("ann").post(f"/api/v1/charts/{shared.id}/claim", headers=headers)
    assert (answer.status_code, error_id(answer)) == (403, "CS603")


def test_the_csrf_token_of_another_session_does_not_do(shared):
    other = shared.browser("ben").csrf
    assert shared.browser("ann").post(f"/api/v1/charts/{shared.id}/claim", headers=other).status_code == 403


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_change_from_another_site_is_refused_even_with_the_token(shared, headers):
    browser = shared.browser("ann")
    assert browser.post(f"/api/v1/charts/{shared.id}/claim", headers={**browser.csrf, **headers}).status_code == 403
    assert browser.post("/api/v1/session", {"username": "ann", "password": PASSWORD}, headers=headers).status_code == 403


def test_with_the_token_a_change_goes_through(desk):
    browser = desk.browser("ann")
    answer = browser.post(f"/api/v1/charts/{desk.id}/claim", headers={**browser.csrf, "Origin": "http://localhost"})
    assert (answer.status_code, answer.json()["assignee"]) == (200, "ann")


# -- other people's charts, replay ----------------------------------------------------------------------------------------


def test_a_chart_of_another_coder_is_as_if_it_were_not_there(claimed):
    theirs = claimed.client("ben").get(f"/api/v1/charts/{claimed.id}")
    none = claimed.client("ben").get(f"/api/v1/charts/{'0' * 20}")
    assert (theirs.status_code, none.status_code) == (404, 404)
    assert theirs.json()["error"]["message"].replace(claimed.id, "") == none.json()["error"]["message"].replace("0" * 20, "")
    assert claimed.client("ben").post(f"/api/v1/charts/{claimed.id}/decisions", accept()).status_code == 404


def test_a_chart_that_somebody_has_cannot_be_claimed(claimed):
    answer = claimed.client("ben").post(f"/api/v1/charts/{claimed.id}/claim")
    assert (answer.status_code, error_id(answer)) == (409, "CS611")


def test_a_replayed_decision_is_one_decision_and_a_changed_one_is_refused(claimed):
    client, body = claimed.client("ann"), accept()
    answers = [client.post(f"/api/v1/charts/{claimed.id}/decisions", body) for _ in range(3)]
    assert [(a.status_code, a.json()["recorded"]) for a in answers] == [(200, True), (200, False), (200, False)]
    changed = client.post(f"/api/v1/charts/{claimed.id}/decisions", {**body, "action": "reject"})
    assert (changed.status_code, error_id(changed)) == (409, "CS505")
    assert len(list(DecisionLog(claimed.services.engine).decisions())) == 2  # one for each document


def test_the_event_of_another_person_is_not_taken_for_ones_own(claimed):
    body = accept()
    claimed.client("ann").post(f"/api/v1/charts/{claimed.id}/decisions", body)
    other = claimed.chart("E-7", setting="outpatient")
    claimed.store.claim(other, claimed.who("ben"))
    answer = claimed.client("ben").post(f"/api/v1/charts/{other}/decisions", body)
    assert (answer.status_code, error_id(answer)) == (409, "CS505")


# -- odd requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2f..%2fsettings.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/../../etc/passwd",
        "/charts/..%2f..%2fetc%2fpasswd",
        "/api/v1/charts/../../metrics",
        "/api/v1/codes/..%2f..%2fetc",
    ],
)
def test_no_path_leads_out(shared, path):
    answer = shared.client("ann").get(path)
    assert answer.status_code in (401, 403, 404, 422)
    assert b"root:" not in answer.content
    assert b"import" not in answer.content


@pytest.mark.parametrize("q", ["' OR 1=1 --", '"; DROP TABLE desk_users; --', "%", "_", "\\", "a" * 200, "☃", "<script>"])
def test_sql_in_a_search_is_words(shared, q):
    answer = shared.client("ann").get("/api/v1/codes/search", params={"q": q})
    assert answer.status_code == 200
    assert len(shared.services.people.users()) == 4
    assert shared.client("max").get("/api/v1/access", params={"user": q[:64]}).json()["items"] == []


def test_a_body_that_is_too_large_is_refused_by_its_length_and_in_pieces(shared):
    large = b'{"note_id": "n", "text": "' + b"x" * 70_000 + b'"}'

    async def pieces():
        for i in range(0, len(large), 1000):
            yield large[i : i + 1000]

    for content in (large, pieces()):
        answer = shared.client("ann").request(
            "POST", "/api/v1/suggest", content=content, headers={"Content-Type": "application/json"}
        )
        assert (answer.status_code, error_id(answer)) == (413, "CS607")


def test_nobody_sends_more_than_a_log_in_needs(shared):
    answer = shared.client().request(
        "POST", "/api/v1/session", content=b"x" * 20_000, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413


def test_a_body_that_does_not_arrive_is_given_up(tmp_path, suggester):
    import asyncio

    async def slow():
        yield b'{"note_id":'
        await asyncio.sleep(30)
        yield b'"n"}'

    with open_desk(tmp_path, suggester, request_seconds=0.2) as desk:
        answer = desk.client("ann").request(
            "POST", "/api/v1/suggest", content=slow(), headers={"Content-Type": "application/json"}
        )
        assert (answer.status_code, error_id(answer)) == (408, "CS608")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "127.0.0.1.evil.example"])
def test_another_host_name_is_refused(shared, host):
    answer = shared.client("ann").get("/api/v1/session", headers={"Host": host})
    assert (answer.status_code, error_id(answer)) == (400, "CS606")


@pytest.mark.parametrize("host", ["localhost:8765", "127.0.0.1", "[::1]:8765", "LOCALHOST"])
def test_loopback_names_are_this_server(shared, host):
    assert shared.client("ann").get("/api/v1/session", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"event_id": "event-000", "action": "accept"}',
        b'{"event_id": "event-000", "action": "delete", "code": "I10"}',
        b'{"event_id": "short", "action": "accept", "code": "I10"}',
        b'{"event_id": "event-000#2", "action": "accept", "code": "I10"}',
        b'{"event_id": "event-000", "action": "accept", "code": "I10", "who": "max"}',
        b'{"event_id": "event-000", "action": "accept", "code": "I10", "final_code": "I11.9"}',
        b'{"event_id": "event-000", "action": "replace", "code": "I10"}',
        b'{"event_id": "event-000", "action": "accept", "code": "I10", "reason": "a\\u0000b"}',
        b'{"event_id": "event-000", "action": "accept", "code": "I10", "reason": "\\ud800"}',
        b'{"event_id": "event-000", "action": "accept", "code": "I10", "evidence": [{"document": 0, "start": "0", "end": 5}]}',
        b'{"event_id": "event-000", "action": "accept", "code": "I10", "evidence": [{"document": 9, "start": 0, "end": 5}]}',
        b'{"event_id": "event-000", "action": "accept", "code": "I10", "evidence": [{"document": 0, "start": 0, "end": 99999}]}',
        b'{"event_id": "event-000", "action": "add", "code": "DROP"}',
    ],
)
def test_a_wrong_body_is_refused_and_nothing_is_recorded(shared, body):
    answer = shared.client("ann").request(
        "POST", f"/api/v1/charts/{shared.id}/decisions", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422, answer.text
    assert list(DecisionLog(shared.services.engine).decisions()) == []


def test_what_a_form_of_another_site_can_send_is_not_taken(shared):
    body = json.dumps(accept()).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        path = f"/api/v1/charts/{shared.id}/decisions"
        assert shared.client("ann").request("POST", path, content=body, headers={"Content-Type": kind}).status_code == 422


def test_headers_protect_every_answer(shared):
    for path in ("/", "/login", "/api/v1/health", "/api/v1/worklist", "/nothing", "/static/nothing"):
        headers = shared.client().get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] in ("no-store", "no-cache")


def test_patient_data_is_never_cached(shared):
    for path in ("", "/decisions", "/edits", "/queries"):
        assert shared.client("ann").get(f"/api/v1/charts/{shared.id}{path}").headers["cache-control"] == "no-store"


def test_html_in_a_note_stays_text(desk):
    words = "ASSESSMENT: Pneumonia <script>alert(1)</script><img src=x onerror=alert(2)>"
    chart_id = desk.add(note("html", words, encounter_id="E-<b>", setting="outpatient"))
    desk.store.claim(chart_id, desk.who("ann"))
    answer = desk.client("ann").get(f"/api/v1/charts/{chart_id}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["documents"][0]["text"] == words
    assert "alert(" not in desk.browser("ann").get(f"/charts/{chart_id}").text


# -- no text of a note leaves by a side door ------------------------------------------------------------------------------


def test_a_fault_is_a_reference_and_no_text(claimed, monkeypatch, caplog):
    def broken(*_):
        raise ValueError("Mrs Terrazas has pneumonia")

    monkeypatch.setattr(claimed.services.coding, "chart", broken)
    with caplog.at_level(logging.DEBUG):
        answer = claimed.client("ann").get(f"/api/v1/charts/{claimed.id}")
    assert (answer.status_code, error_id(answer)) == (500, "CS600")
    assert "Terrazas" not in answer.text
    assert "Terrazas" not in caplog.text
    reference = answer.json()["error"]["message"].partition("reference ")[2][:8]
    assert reference in caplog.text


def test_no_text_of_a_note_is_logged_measured_or_repeated(claimed, caplog):
    with caplog.at_level(logging.DEBUG):
        client = claimed.client("ann")
        client.get(f"/api/v1/charts/{claimed.id}")
        client.post(f"/api/v1/charts/{claimed.id}/decisions", accept())
        wrong = client.post("/api/v1/suggest", {"note_id": "n", "text": SUMMARY, "setting": "ceftriaxone"})
        client.get("/api/v1/codes/search", params={"q": "ceftriaxone"})
        metrics = claimed.client("max").get("/metrics").text
    assert wrong.status_code == 422
    logged = " ".join(
        r.getMessage() for r in caplog.records if not r.name.startswith("httpx")
    )  # which is the client of this test
    assert "GET /api/v1/codes/search 200" in logged
    for text in (logged, metrics, wrong.text):
        assert "ceftriaxone" not in text
        assert "E-1" not in text


def test_metrics_count_requests_by_route_and_charts_by_state(claimed):
    claimed.client("ann").get(f"/api/v1/charts/{claimed.id}")
    text = claimed.client("max").get("/metrics").text
    assert 'codesuggest_requests_total{method="GET",route="/api/v1/charts/{chart_id}",status="200"} 1.0' in text
    assert 'codesuggest_charts{status="in_progress"} 1.0' in text
    assert claimed.id not in text


# -- the day of a coder ---------------------------------------------------------------------------------------------------


def test_a_chart_from_the_queue_to_the_review(desk):
    ann = desk.browser("ann")

    def post(path, body=None):
        answer = ann.post(path, body, headers=ann.csrf)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    assert ann.get("/api/v1/worklist").json()["total"] == 1
    chart_id = post("/api/v1/worklist/next")["chart_id"]
    chart = ann.get(f"/api/v1/charts/{chart_id}").json()
    for code in chart["codes"]:
        if code["selected"]:
            state = post(f"/api/v1/charts/{chart_id}/decisions", accept(code["code"]))
    codes = [c["code"] for c in state["final_codes"]]
    order = [{"code": code, "poa": None} for code in ("J18.9", *(c for c in codes if c != "J18.9"))]
    assert [o["code"] for o in order] != codes
    path = f"/api/v1/charts/{chart_id}/draft"
    assert ann.put(path, {"sequence": order}, headers=ann.csrf).status_code == 428
    assert ann.put(path, {"sequence": order}, headers={**ann.csrf, "If-Match": '"7"'}).status_code == 412
    saved = ann.put(path, {"sequence": order}, headers={**ann.csrf, "If-Match": '"0"'})
    assert (saved.status_code, saved.headers["etag"]) == (200, '"1"')
    done = post(f"/api/v1/charts/{chart_id}/finish", {"event_id": "finish-01"})
    assert [c["code"] for c in done["review"]["codes"]] == [c["code"] for c in order]
    assert ann.get("/api/v1/worklist").json()["total"] == 0
    empty = ann.post("/api/v1/worklist/next", headers=ann.csrf)
    assert (empty.status_code, error_id(empty)) == (404, "CS612")


def test_finish_says_what_is_open(claimed):
    answer = claimed.client("ann").post(f"/api/v1/charts/{claimed.id}/finish", {"event_id": "finish-01"})
    assert (answer.status_code, error_id(answer)) == (409, "CS620")
    assert {
        "kind": "undecided",
        "code": "J18.9",
        "rule_id": None,
        "finding": None,
        "words": "J18.9 has no decision",
    } in answer.json()["open"]


def test_the_manager_sees_who_saw_a_chart(claimed):
    claimed.client("ann").get(f"/api/v1/charts/{claimed.id}")
    found = claimed.client("max").get("/api/v1/access", params={"chart_id": claimed.id}).json()["items"]
    assert ("ann", "open", "127.0.0.1") in [(a["who"], a["action"], a["address"]) for a in found]


# -- suggest and batches --------------------------------------------------------------------------------------------------


def test_suggest_is_the_json_of_the_library(shared):
    from codesuggest.schema import validate

    answer = shared.client("feeder").post("/api/v1/suggest", {"note_id": "n1", "text": SUMMARY, "setting": "inpatient"})
    assert answer.status_code == 200
    validate(answer.json())
    refused = shared.client("feeder").post("/api/v1/suggest", {"note_id": "n1", "text": "x", "date_of_service": "1990-01-01"})
    assert (refused.status_code, error_id(refused)) == (404, "CS103")


def test_a_batch_becomes_charts_and_is_gone_on_with_after_a_restart(desk):
    notes = [{"note_id": f"b{i}", "text": PROGRESS, "encounter_id": "B-1", "setting": "outpatient"} for i in range(3)]
    notes.append({"note_id": "bad", "text": ". . ."})
    body = {
        "notes": notes,
        "queue": True,
        "encounters": [{"encounter_id": "B-1", "payer": "medicare", "discharged_on": "2026-05-04"}],
    }
    taken = desk.client("feeder").post("/api/v1/batch", body)
    assert taken.status_code == 202
    path = f"/api/v1/batch/{taken.json()['batch_id']}"
    assert desk.client("feeder").get(path).json()["state"] == "running"
    desk.services.batches.work()  # what the server's thread does, also with what an earlier run left
    done = desk.client("feeder").get(path, params={"limit": 2}).json()
    assert (done["state"], done["n_done"], done["n_failed"], len(done["results"])) == ("done", 4, 1, 2)
    found = next(i for i in desk.store.worklist(desk.who("max"))[0] if i["encounter_id"] == "B-1")
    assert (found["n_documents"], found["payer"]) == (3, "medicare")
    other = desk.services.people.create_token("other", "service")[1]
    assert desk.client().get(path, headers={"Authorization": f"Bearer {other}"}).status_code == 404


def test_old_batches_are_deleted(desk):
    batch_id = desk.services.batches.submit([note("b")], Identity("feeder", "service"), queue=False)
    desk.services.batches.work()
    desk.clock.forward(days=8)
    desk.services.batches.work()
    assert desk.client("feeder").get(f"/api/v1/batch/{batch_id}").status_code == 404
