"""The decision log: import, single records, what stands, verify and export, on SQLite and PostgreSQL. Prints one line of JSON.

Made-up decisions, ten a note. Rates are events a second of processor time of this process (``time.process_time``), so that other work
on the machine does not count; beside them the same by the clock, in which the disk and the server are. Each store is measured in a
process of its own, whose peak memory is that of the import alone at the time it is read.
Budget: 100,000 decisions stand within 5 s; the import of a million holds at most 100 MB more than that of its first tenth. Exit 1
when it is broken. PostgreSQL is measured where CODESUGGEST_TEST_POSTGRES holds a URL (of an empty database).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CODES = ("I10", "E11.65", "E11.9", "J45.909", "R05.9", "N18.30", "I50.23", "Z79.4", "E78.5", "K21.9")


def write_rows(file: Path, n: int) -> None:
    """Write decisions as another system would export them."""
    with file.open("w", encoding="utf-8") as stream:
        for i in range(n):
            row = {
                "event_id": f"event-{i}",
                "note_id": f"note-{i // 10}",
                "encounter_id": f"encounter-{i // 30}",
                "code": CODES[i % 10],
                "action": "reject" if i % 7 == 0 else "accept",
                "stage": "audit" if i % 20 == 0 else "coder",
                "who": f"coder-{i // 10 % 25}",
                "when": f"2026-{1 + i // 10 % 12:02}-{1 + i // 10 % 28:02}T{i // 10 % 24:02}:{i % 60:02}:00+00:00",
                "probability": round(i % 100 / 100, 2),
                "evidence": [] if i % 3 == 0 else [[[i % 1000, i % 1000 + 12]]],
                "versions": {"codesuggest": "0.1.0", "model": "a" * 64, "icd10cm": "2026-04-01"},
            }
            stream.write(json.dumps(row) + "\n")


def peak_mb() -> float:
    """Peak memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def measure(store: str, rows: Path, n: int, n_single: int) -> dict[str, Any]:
    """Measure one store."""
    from codesuggest.decisions import DecisionLog
    from codesuggest.decisions.files import export_events, import_file
    from codesuggest.records import Decision

    found: dict[str, Any] = {}

    def rate(name: str, n_events: int, work: Callable[[], object]) -> object:
        processor, clock = time.process_time(), time.perf_counter()
        result = work()
        processor, clock = time.process_time() - processor, time.perf_counter() - clock
        found[name] = {"per_s": round(n_events / processor), "per_s_by_clock": round(n_events / clock), "s": round(processor, 2)}
        return result

    peaks: list[tuple[int, float]] = []
    with DecisionLog(store) as log:
        rate("import", n, lambda: import_file(log, rows, progress=lambda done: peaks.append((done, peak_mb()))))
        tenth = next(mb for done, mb in peaks if done >= n / 10)
        found["import_peak_mb"] = {"first_tenth": round(tenth), "all": round(peaks[-1][1])}
        rate("import_again", n, lambda: import_file(log, rows))
        rate("verify", n, log.verify)
        assert log.verify() == ()
        rate("decisions", n, lambda: sum(1 for _ in log.decisions()))
        rate("export_jsonl", n, lambda: export_events(log.chain.read(), rows.with_name("out.jsonl")))
        when = next(log.decisions()).when
        made = [Decision(f"single-{i}", "I10", "accept", "coder", "ann", when) for i in range(n_single)]
        rate("single_record", n_single, lambda: [log.record(d) for d in made])
        found["standing_s_100000"] = round(n and _standing(log, n), 2)
    return found


def _standing(log: Any, n: int) -> float:
    begin = time.process_time()
    log.standing()
    return (time.process_time() - begin) * 100_000 / n


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=100_000)
    options.add_argument("--single", type=int, default=300)
    options.add_argument("--store", help=argparse.SUPPRESS)
    options.add_argument("--rows", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.store:
        print(json.dumps(measure(given.store, given.rows, given.events, given.single)))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.jsonl"
        write_rows(rows, given.events)
        stores = {"sqlite": str(Path(folder) / "log.sqlite")}
        if os.environ.get("CODESUGGEST_TEST_POSTGRES"):
            stores["postgresql"] = os.environ["CODESUGGEST_TEST_POSTGRES"]
        found: dict[str, Any] = {"events": given.events}
        for name, store in stores.items():
            command = [sys.executable, __file__, "--store", store, "--rows", str(rows), "--events", str(given.events)]
            done = subprocess.run([*command, "--single", str(given.single)], capture_output=True, text=True, check=True)
            found[name] = json.loads(done.stdout)
    found["ok"] = all(
        found[name]["standing_s_100000"] <= 5
        and found[name]["import_peak_mb"]["all"] <= found[name]["import_peak_mb"]["first_tenth"] + 100
        for name in stores
    )
    print(json.dumps(found))
    sys.exit(not found["ok"])


if __name__ == "__main__":
    main()
