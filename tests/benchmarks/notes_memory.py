"""Memory and time of reading large and hostile messages. Prints one line of JSON a case.

Each file is written to a folder that is removed, and read by ``codesuggest.notes.read_documents`` in a process of its own. Budgets: a
FHIR bundle of 200 MB takes at most 300 MB at its peak; a hostile file is refused, or read, within 500 MB. Exit 1 when one is broken.
The 200 MB take about half a minute: ``--megabytes 20`` is quick.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

READ = """
import json, sys, time
from collections import Counter
from codesuggest.notes import read_documents
begin = time.process_time()
counts = Counter()
for reading in read_documents(sys.argv[1]):
    name = type(reading).__name__
    counts[name] += 1
    if name == "Failure":
        counts[reading.error_id] += 1
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))  # that of this program alone
print(json.dumps({**counts, "cpu_s": round(time.process_time() - begin, 2),
                  "peak_mb": peak // 1024}))
"""
NOTE = "Assessment: acute on chronic systolic heart failure, improved with furosemide. " * 60


def bundle(path: Path, size: int) -> None:
    """Write a transaction bundle: fifty results to each note."""
    with path.open("w") as file:
        file.write('{"resourceType":"Bundle","type":"transaction","entry":[')
        number = 0
        while file.tell() < size:
            for _ in range(50):
                number += 1
                resource = {
                    "resourceType": "Observation",
                    "id": f"o{number}",
                    "status": "final",
                    "code": {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": "Hemoglobin"}]},
                    "subject": {"reference": "urn:uuid:p1"},
                    "valueQuantity": {"value": number % 200 / 10, "unit": "g/dL"},
                }
                file.write(json.dumps({"fullUrl": f"urn:uuid:o{number}", "resource": resource}, indent=1) + ",")
            data = base64.b64encode(f"{number} {NOTE}".encode()).decode()
            content = [{"attachment": {"contentType": "text/plain", "data": data}}]
            document = {"resourceType": "DocumentReference", "id": f"d{number}", "status": "current", "content": content}
            file.write(json.dumps({"resource": document}) + ",")
        file.write('{"resource":{"resourceType":"Patient","id":"p1"}}]}')


def hostile() -> dict[str, Callable[[Path], object]]:
    """Name the cases and how each is written; the ending of the name is that of the file."""
    entry = b'{"resourceType":"Bundle","entry":['

    def bomb(path: Path) -> None:
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(entry + b'{"resource":{"id":"')
            for _ in range(300):
                file.write(b"A" * 1_000_000)

    entities = b"".join(b'<!ENTITY e%d "%s">' % (i, b"&e%d;" % (i - 1) * 10 if i else b"x" * 10) for i in range(12))
    return {
        "deep.json": lambda p: p.write_bytes(entry + b'{"a":' * 5_000_000),
        "wide.json": lambda p: p.write_bytes(entry + b"[" + b"{}," * 20_000_000),
        "one_text.json": lambda p: p.write_bytes(entry + b'"' + b"a" * 150_000_000),
        "bomb.json.gz": bomb,
        "entities.xml": lambda p: p.write_bytes(
            b"<!DOCTYPE x [" + entities + b']><ClinicalDocument xmlns="urn:hl7-org:v3">&e11;'
        ),
        "deep.xml": lambda p: p.write_bytes(b"<a>" * 5_000_000),
        "deep.html": lambda p: p.write_bytes(b"<div>" * 1_000_000),
        "attributes.html": lambda p: p.write_bytes(b"<a " * 5_000_000),
        "long_segment.hl7": lambda p: p.write_bytes(b"MSH|^~\\&|A|B|C|D|2026||MDM^T02|1\rOBX|1|TX|||" + b"x" * 100_000_000),
        "many_segments.hl7": lambda p: p.write_bytes(b"MSH|^~\\&|A|B|C|D|2026||MDM^T02|1\r" + b"NTE|1||x\r" * 100_000),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--megabytes", type=int, default=200)
    given = options.parse_args()
    broken = False
    with tempfile.TemporaryDirectory() as folder:
        cases: dict[str, tuple[Callable[[Path], object], int]] = {
            f"bundle_{given.megabytes}_mb.json": (lambda p: bundle(p, given.megabytes * 1_000_000), 300),
            **{name: (write, 500) for name, write in hostile().items()},
        }
        for name, (write, budget_mb) in cases.items():
            path = Path(folder, name)
            write(path)
            size = path.stat().st_size
            done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True)
            path.unlink()
            row = json.loads(done.stdout)
            ok = row["peak_mb"] <= budget_mb and row.get("Document", 0) + row.get("Failure", 0) > 0
            broken |= not ok
            print(
                json.dumps({"case": name, "file_mb": round(size / 1e6, 1), **row, "budget_mb": budget_mb, "ok": ok}), flush=True
            )
    if broken:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
