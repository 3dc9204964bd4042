"""Memory of a long run: parent and workers from the first thousand notes to the last. Prints one line of JSON.

Writes its notes (the practice notes cut to a size, each with its number) and scores them with the command in a process of its own.
Budget: the workers and the parent at the last note hold at most 5 % more than after the first 5 % of the notes. Before that the
words of a lexicon that is looked up for the first time still come in.
Exit 1 when it is broken. 200,000 notes take some ten minutes: ``--notes 200000``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from codesuggest.learn.practice import read_practice_notes

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def texts(size: int) -> Iterator[str]:
    """Yield texts of about `size` characters, cut out of the practice notes, again and again."""
    notes = [coded.note.text for coded in read_practice_notes(REPOSITORY / "models" / "practice_notes")]
    number = 0
    while True:
        for text in notes:
            number += 1
            begin = (number * 97) % max(1, len(text) - size)
            yield f"Encounter {number}.\n{text[begin : begin + size]}"


def memory_mb(pid: int) -> tuple[float, float]:
    """Return (resident, of which its own) in MB; zero when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    values = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return values["Rss"] / 1024, (values["Private_Clean"] + values["Private_Dirty"]) / 1024


def workers_of(pid: int) -> list[int]:
    """List the worker processes of a run."""
    try:
        children = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [p for p in children if "loky" in Path(f"/proc/{p}/cmdline").read_text() and memory_mb(p)[0] > 60]
    except OSError:
        return []


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--notes", type=int, default=20_000)
    options.add_argument("--size", type=int, default=600)
    options.add_argument("--workers", type=int, default=2)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "notes.jsonl"), Path(folder, "out.jsonl")
        with source.open("w") as file:
            for i, text in zip(range(given.notes), texts(given.size), strict=False):
                file.write(json.dumps({"note_id": f"n{i}", "text": text}) + "\n")
        begin = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "codesuggest",
            "score",
            str(source),
            "--to",
            str(output),
            "--workers",
            str(given.workers),
        ]
        run = subprocess.Popen(
            [*command, "--no-progress"],
            cwd=REPOSITORY,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        journal = Path(folder, "out.jsonl.parts", "journal")
        samples: list[tuple[int, float, list[float], list[float]]] = []
        while run.poll() is None:
            time.sleep(1)
            if journal.exists():
                n_done = journal.read_bytes().count(b"\n") * 64
                found = [memory_mb(p) for p in workers_of(run.pid)]
                if len(found) == given.workers:
                    samples.append((n_done, memory_mb(run.pid)[0], [m[0] for m in found], [m[1] for m in found]))
        seconds = time.perf_counter() - begin
        n_rows = sum(1 for _ in output.open("rb"))
    early = next(s for s in samples if s[0] >= max(1000, 0.05 * given.notes))
    marks = [next((s for s in samples if s[0] >= n), samples[-1]) for n in (1_000, 5_000, 20_000, 50_000, 100_000, given.notes)]
    late = samples[-1]
    growth = max(late[1] / early[1], max(late[2]) / max(early[2])) - 1
    result = {
        "benchmark": "batch_memory",
        "n_notes": given.notes,
        "note_chars": given.size,
        "n_rows": n_rows,
        "notes_per_s": round(given.notes / seconds, 1),
        "early": {"n_notes": early[0], "parent_mb": round(early[1]), "worker_mb": [round(m) for m in early[2]]},
        "late": {"n_notes": late[0], "parent_mb": round(late[1]), "worker_mb": [round(m) for m in late[2]]},
        "series": {s[0]: [round(s[1]), *(round(m) for m in s[2])] for s in marks},
        "worker_own_mb": [round(m) for m in late[3]],
        "growth": round(growth, 3),
        "exit_code": run.returncode,
    }
    print(json.dumps(result))
    if growth > 0.05 or n_rows != given.notes or run.returncode:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
