"""Cold start: import, load and first note in a fresh process, against ``import spacy`` alone. Prints one line of JSON.

Budget: at most twice ``import spacy``, at most 400 MB. Exit 1 when it is broken.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

PEAK = "\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
FIRST_NOTE = """
import codesuggest as cs
from pathlib import Path
text = (Path(cs.__file__).parent / "data" / "sample_discharge_summary.txt").read_text(encoding="utf-8")
assert cs.load().suggest(cs.Note("n", text)).selected
"""
SOURCES = {"python": "", "import_numpy": "import numpy", "import_spacy": "import spacy", "first_suggestion": FIRST_NOTE}


def run(source: str) -> tuple[float, float]:
    """Run a source in a fresh process: seconds, and peak memory in MB."""
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", source + PEAK], capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - begin
    return seconds, int(done.stdout) / (1024 if sys.platform != "darwin" else 1024**2)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=7)
    n_runs = options.parse_args().runs
    for source in SOURCES.values():
        run(source)  # the first reads from the disk
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in SOURCES}
    for _ in range(n_runs):
        for name, source in SOURCES.items():  # in turn, so that a slow moment of the machine meets all
            rows[name].append(run(source))
    seconds = {name: statistics.median(s for s, _ in found) for name, found in rows.items()}
    peak = {name: max(mb for _, mb in found) for name, found in rows.items()}
    ratio = seconds["first_suggestion"] / seconds["import_spacy"]
    result = {
        "benchmark": "cold_start",
        "n_runs": n_runs,
        "seconds": {name: round(s, 3) for name, s in seconds.items()},
        "peak_mb": {name: round(mb) for name, mb in peak.items()},
        "ratio_to_import_spacy": round(ratio, 2),
    }
    print(json.dumps(result))
    if ratio > 2 or peak["first_suggestion"] > 400:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
