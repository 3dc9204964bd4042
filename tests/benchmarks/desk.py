"""Fifty coders at once at a desk that is served as it would be: times by action, and what is left after the server was killed.

    python tests/benchmarks/desk.py                      50 coders, 30 seconds, a second of thought between two actions
    python tests/benchmarks/desk.py --kill 3             the server is ended by SIGKILL three times meanwhile and started again

Prints one line of JSON: median and 95th percentile in milliseconds by action, as the client measures them, and processor time of the
server. With ``--kill`` a client that got no answer sends the same request again; at the end every decision that was acknowledged must
be in the log exactly once. Exit status 1 when a budget or that is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import httpx

from codesuggest.cli import sample_note
from codesuggest.decisions import DecisionLog
from codesuggest.decisions.database import open_database
from codesuggest.desk.importing import import_notes
from codesuggest.desk.people import Identity, People
from codesuggest.desk.settings import DeskSettings

PAGE_MS, SUGGEST_MS = 150.0, 300.0
TYPED = ("h", "he", "hea", "heart f", "heart failure", "pneu", "kidney st", "type 2 diab", "I50", "E11.6", "fracture of fem")
STARTUP_S = 60


def notes(n_charts: int) -> list[dict[str, object]]:
    """Charts of one to three documents, and one in twenty of eight documents and 30,000 words."""
    base = sample_note()
    facts = {"kind": base.kind, "setting": "inpatient", "date_of_service": "2026-05-04", "age_years": 74, "sex": "F"}
    found = []
    for i in range(n_charts):
        n_documents, copies = (8, 30_000 // 8 // len(base.text.split())) if i % 20 == 0 else (1 + i % 3, 1)
        found += [
            {"note_id": f"c{i}-{d}", "encounter_id": f"E-{i}", "text": "\n\n".join([base.text] * copies), **facts}
            for d in range(n_documents)
        ]
    return found


class Server:
    """The desk in a process of its own."""

    def __init__(self, database: Path, port: int) -> None:
        self.database, self.port = database, port
        self.user_s = 0.0
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "codesuggest", "desk", "serve", "--port", str(self.port), "--db", str(self.database)]
        with (self.database.parent / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log)
        until = time.monotonic() + STARTUP_S
        while time.monotonic() < until:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/api/v1/health", timeout=1).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise SystemExit("the server did not start")

    def processor_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)


class Coder:
    """One person: takes a chart, looks, decides, searches, puts in sequence, finishes, and takes the next."""

    def __init__(self, name: str, token: str, port: int, options: argparse.Namespace, seen: Seen) -> None:
        self.name, self.options, self.seen = name, options, seen
        self.random = random.Random(name)  # noqa: S311 - which chart, when: no secret
        headers = {"Authorization": f"Bearer {token}"}
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30)

    async def ask(self, action: str, method: str, path: str, body: object = None, **more: object) -> httpx.Response:
        """Send a request until it is answered; only the answers that came at once are timed."""
        await asyncio.sleep(self.random.expovariate(1 / self.options.think) if self.options.think else 0)
        tries = 0
        while True:
            begun = time.perf_counter()
            try:
                answer = await self.client.request(method, path, **({} if body is None else {"json": body}), **more)
            except httpx.HTTPError:
                tries += 1
                await asyncio.sleep(0.2)
                continue
            if not tries:
                self.seen.times[action].append(1000 * (time.perf_counter() - begun))
            self.seen.retried += bool(tries)
            self.seen.statuses[f"{action} {answer.status_code}"] += 1
            return answer

    async def work(self, until: float) -> None:
        while time.monotonic() < until:
            await self.ask("worklist", "GET", "/api/v1/worklist")
            taken = await self.ask("next", "POST", "/api/v1/worklist/next")
            if taken.status_code != 200:
                return
            await self.chart(f"/api/v1/charts/{taken.json()['chart_id']}", until)

    async def chart(self, path: str, until: float) -> None:
        whole = (await self.ask("open", "GET", path)).json()
        state = {"draft": whole["draft"], "final_codes": []}
        for code in whole["codes"]:
            if time.monotonic() > until:
                return
            if not code["selected"]:
                continue
            if self.random.random() < 0.3:
                await self.ask("search", "GET", "/api/v1/codes/search", params={"q": self.random.choice(TYPED)})
            body = {"event_id": str(uuid.UUID(int=self.random.getrandbits(128))), "action": "accept", "code": code["code"]}
            answer = await self.ask("decide", "POST", f"{path}/decisions", body)
            if answer.status_code == 200:
                self.seen.acknowledged.append(body["event_id"])
                state = answer.json()
            else:
                self.seen.refused.append(answer.text[:200])
        sequence = [{"code": c["code"], "poa": "Y" if c["poa_needed"] else None} for c in state["final_codes"]]
        if sequence:
            headers = {"If-Match": f'"{state["draft"]["revision"]}"'}
            await self.ask("draft", "PUT", f"{path}/draft", {"sequence": sequence}, headers=headers)
        await self.ask("edits", "GET", f"{path}/edits")
        if self.random.random() < 0.5:
            note = sample_note()
            await self.ask("suggest", "POST", "/api/v1/suggest", {"note_id": "n", "text": note.text, "setting": "inpatient"})
        done = {"event_id": str(uuid.UUID(int=self.random.getrandbits(128))), "acknowledged": []}
        answer = await self.ask("finish", "POST", f"{path}/finish", done)
        if answer.status_code == 409:
            let = [
                {"rule_id": o["rule_id"], "codes": o["finding"]["codes"], "reason": "looked at"}
                for o in answer.json()["open"]
                if o["kind"] == "finding"
            ]
            answer = await self.ask("finish", "POST", f"{path}/finish", {**done, "acknowledged": let})
        if answer.status_code == 200:
            self.seen.finished.append(done["event_id"])


class Seen:
    """What the clients saw."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)
        self.statuses: Counter[str] = Counter()
        self.acknowledged: list[str] = []
        self.finished: list[str] = []
        self.refused: list[str] = []
        self.retried = 0


async def load(server: Server, tokens: dict[str, str], options: argparse.Namespace) -> Seen:
    seen = Seen()
    until = time.monotonic() + options.seconds
    people = [Coder(name, token, server.port, options, seen) for name, token in tokens.items()]

    async def killer() -> None:
        for _ in range(options.kill):
            await asyncio.sleep(options.seconds / (options.kill + 1))
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)

    await asyncio.gather(killer(), *(p.work(until) for p in people))
    for p in people:
        await p.client.aclose()
    return seen


def check_log(database: Path, seen: Seen) -> dict[str, object]:
    """Compare what was acknowledged with what is in the log."""
    engine = open_database(str(database))
    log = DecisionLog(engine)
    recorded = Counter(d.event_id.partition("#")[0] for d in log.decisions())
    documents = Counter((d.event_id.partition("#")[0], d.note_id) for d in log.decisions())
    reviews = Counter(r.event_id for r in log.reviews())
    finished = Counter(r.encounter_id for r in log.reviews())
    holders = defaultdict(set)
    for a in People(engine).accesses(limit=1_000_000):
        if a.action == "claim":
            holders[a.encounter_id].add(a.who)
    return {
        "decisions_acknowledged": len(seen.acknowledged),
        "decisions_lost": sum(e not in recorded for e in seen.acknowledged),
        "decisions_doubled": sum(n > 1 for n in documents.values()),
        "finishes_acknowledged": len(seen.finished),
        "finishes_lost": sum(e not in reviews for e in seen.finished),
        "charts_finished_twice": sum(n > 1 for n in finished.values()),
        "charts_of_two_coders": sum(len(h) > 1 for h in holders.values()),
        "problems_of_the_chain": len(log.verify()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--coders", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--think", type=float, default=1.0, help="mean seconds between two actions of a person")
    parser.add_argument("--kill", type=int, default=0)
    parser.add_argument("--settle", type=float, default=5.0, help="seconds for the server to open model, search and tables")
    parser.add_argument("--charts", type=int, default=150)
    parser.add_argument("--port", type=int, default=18765)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "desk.sqlite"
        settings = replace(DeskSettings(), database=str(database))
        file = Path(folder) / "notes.jsonl"
        file.write_text("".join(json.dumps(n) + "\n" for n in notes(options.charts)), encoding="utf-8")
        import_notes(settings, file, who=Identity("benchmark", "service"))
        people = People(open_database(str(database)), settings)
        people._hash = lambda _: "!"  # nobody logs in by password here
        tokens = {}
        for i in range(options.coders):
            people.add_user(f"coder-{i}", "coder", "not used")
            tokens[f"coder-{i}"] = people.create_token(f"coder-{i}", "coder")[1]
        server = Server(database, options.port)
        warm = next(iter(tokens.values()))
        httpx.get(
            f"http://127.0.0.1:{options.port}/api/v1/codes/search",
            params={"q": "sepsis"},
            headers={"Authorization": f"Bearer {warm}"},
            timeout=60,
        )
        note = {"note_id": "n", "text": "Assessment: asthma."}
        httpx.post(
            f"http://127.0.0.1:{options.port}/api/v1/suggest", json=note, headers={"Authorization": f"Bearer {warm}"}, timeout=60
        )
        time.sleep(options.settle)
        before, begun = server.processor_s(), time.monotonic()
        try:
            seen = asyncio.run(load(server, tokens, options))
            seconds = time.monotonic() - begun
            used = server.processor_s() - (0 if options.kill else before)
        finally:
            server.stop()
        result = check_log(database, seen)
        lines = (Path(folder) / "server.log").read_text(encoding="utf-8").splitlines()
        for line in [line for line in lines if " ERROR " in line or " WARNING " in line][:20]:
            print(line, file=sys.stderr)
    figures = {
        action: {
            "n": len(ms),
            "p50_ms": round(statistics.median(ms), 1),
            "p95_ms": round(sorted(ms)[int(0.95 * (len(ms) - 1))], 1),
        }
        for action, ms in sorted(seen.times.items())
    }
    pages = [ms for action, all_ms in seen.times.items() if action != "suggest" for ms in all_ms]
    p95 = round(sorted(pages)[int(0.95 * (len(pages) - 1))], 1)
    refused = {s: n for s, n in seen.statuses.items() if not s.endswith((" 200", " finish 409"))}
    print(
        json.dumps(
            {
                "coders": options.coders,
                "think_s": options.think,
                "seconds": round(seconds, 1),
                "requests": sum(seen.statuses.values()),
                "kills": options.kill,
                "retried": seen.retried,
                "pages_p95_ms": p95,
                "load_average": round(os.getloadavg()[0], 1),
                "server_processor_s": round(used, 1),
                "actions": figures,
                "other_statuses": refused,
                **result,
            }
        )
    )
    bad = [name for name in result if name.endswith(("_lost", "_doubled", "_twice", "_chain", "_of_two_coders")) and result[name]]
    slow = [] if options.kill else [a for a, f in figures.items() if f["p95_ms"] > (SUGGEST_MS if a == "suggest" else PAGE_MS)]
    for problem in (*bad, *slow):
        print(f"missed: {problem}", file=sys.stderr)
    return 1 if bad or slow else 0


if __name__ == "__main__":
    raise SystemExit(main())
