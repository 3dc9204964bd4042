"""The server as a process: where it listens, slow clients, and what is left when it is killed."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest
from desk_helpers import event_id, note, open_desk

from codesuggest.decisions import DecisionLog
from codesuggest.decisions.database import open_database
from codesuggest.desk.people import People
from codesuggest.desk.server import check_address
from codesuggest.desk.settings import DeskSettings
from codesuggest.errors import ConfigError

WAIT_S = 90


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_loopback_needs_no_tls(host):
    check_address(DeskSettings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "desk.example.org", ""])  # noqa: S104 - what must be refused
def test_elsewhere_needs_tls_or_a_proxy(host, tmp_path):
    with pytest.raises(ConfigError, match="CS650"):
        check_address(DeskSettings(host=host))
    check_address(DeskSettings(host=host, behind_proxy=True))
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    check_address(DeskSettings(host=host, tls_certificate=str(tmp_path / "c.pem"), tls_key=str(tmp_path / "k.pem")))


@pytest.mark.parametrize(
    "given", [{"tls_certificate": "c.pem"}, {"tls_key": "k.pem"}, {"tls_certificate": "none.pem", "tls_key": "none.pem"}]
)
def test_tls_needs_both_files(given):
    with pytest.raises(ConfigError, match="CS651"):
        check_address(replace(DeskSettings(), **given))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextmanager
def served(folder, port, config=""):
    """Serve the database of a folder in a process of its own; give the process."""
    (folder / "desk.toml").write_text(f"[desk]\n{config}\n", encoding="utf-8")
    command = [sys.executable, "-m", "codesuggest", "desk", "serve", "--port", str(port)]
    command += ["--db", str(folder / "desk.sqlite"), "--config", str(folder / "desk.toml")]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until = time.monotonic() + WAIT_S
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/api/v1/health", timeout=5)
                break
            except httpx.HTTPError:
                assert process.poll() is None, (folder / "log").read_text(encoding="utf-8")
                assert time.monotonic() < until, "the server did not start"
                time.sleep(0.1)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=30)


def test_killed_under_load_and_started_again_it_has_every_decision_once(tmp_path, suggester):
    """Every decision that was acknowledged is in the log once; sent again after the restart, the others are too."""
    n_coders, n_each = 4, 40
    with open_desk(tmp_path, suggester) as desk:
        people = People(open_database(str(tmp_path / "desk.sqlite")))
        people._hash = lambda _: "!"
        work = []
        for i in range(n_coders):
            chart_id = desk.add(note(f"n{i}", encounter_id=f"E-{i}", setting="outpatient"))
            people.add_user(f"c{i}", "coder", "not used here")
            desk.store.assign(chart_id, desk.who("max"), f"c{i}")
            desk.people = (*desk.people, (f"c{i}", "coder"))
            desk.store.claim(chart_id, desk.who(f"c{i}"))
            work.append((chart_id, people.create_token(f"c{i}", "coder")[1]))
        people.engine.dispose()
    port = free_port()
    bodies = [
        [{"event_id": event_id(), "action": a, "code": "J18.9"} for a in ("accept", "reject") * (n_each // 2)] for _ in work
    ]
    acknowledged = set()

    def send(number):
        chart_id, token = work[number]
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}, timeout=20
        ) as client:
            for body in bodies[number]:
                until = time.monotonic() + WAIT_S
                while time.monotonic() < until:
                    try:
                        answer = client.post(f"/api/v1/charts/{chart_id}/decisions", json=body)
                    except httpx.HTTPError:
                        time.sleep(0.05)
                        continue
                    assert answer.status_code == 200, answer.text
                    acknowledged.add(body["event_id"])
                    break

    threads = [threading.Thread(target=send, args=(i,)) for i in range(n_coders)]
    with served(tmp_path, port) as first:
        for t in threads:
            t.start()
        while len(acknowledged) < n_coders * n_each // 4:
            time.sleep(0.005)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        before = set(acknowledged)
        log = DecisionLog(str(tmp_path / "desk.sqlite"))
        assert before <= {d.event_id for d in log.decisions()}
        log.close()
        with served(tmp_path, port):
            for t in threads:
                t.join(timeout=WAIT_S)
    log = DecisionLog(str(tmp_path / "desk.sqlite"))
    recorded = Counter(d.event_id for d in log.decisions())
    assert log.verify() == ()
    log.close()
    assert len(before) < n_coders * n_each
    assert recorded == Counter(b["event_id"] for each in bodies for b in each)


def test_a_client_that_sends_its_head_too_slowly_is_cut_off_and_others_are_served(tmp_path, suggester):
    with open_desk(tmp_path, suggester):
        pass
    port = free_port()
    with served(tmp_path, port, "request_seconds = 1.0"):
        slow = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(20)]
        for s in slow[10:]:
            s.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        begun = time.monotonic()
        assert httpx.get(f"http://127.0.0.1:{port}/api/v1/health", timeout=10).status_code == 200
        for s in slow:
            try:
                while s.recv(4096):
                    pass
            except ConnectionResetError:
                pass
            s.close()
        assert time.monotonic() - begun < 15
        head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: " + b"x" * 100_000 + b"\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port), timeout=20) as s:
            try:
                s.sendall(head)
                answer = s.recv(4096)
            except ConnectionError:
                answer = b""
        assert not answer or answer.split(b" ")[1] in (b"400", b"431")
        assert httpx.get(f"http://127.0.0.1:{port}/api/v1/health", timeout=10).status_code == 200
    assert "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")
