"""Speed of the edits: claims of 12 diagnoses and 6 procedures. Prints one line of JSON; fails on a budget.

    python tests/benchmarks/edits.py [--claims 100000] [--pairs 2500000]

Loaded: ICD-10-CM with its notes, the guidelines, the integral symptoms, the modifiers and the lists of the Medicare Code Editor
and of POA that come with the library; pairs, units and add-on codes of NCCI made up in CMS's layouts (2,500,000 pairs, 12,000
codes). Not loaded: CMS's own lists of the Medicare Code Editor, POA and CC, ICD-10-PCS, a HCPCS file, payer policies.

Times are processor time of one core; those of claims are the median of five parts of the claims.

- ``claims_per_s``: the checks, the facts of codes never seen before included. ``bare_per_s``: a loop over the same claims that only
  looks each diagnosis up. ``times_bare``: how many such loops a check costs, both measured in turn in the same run.
- ``lookup_us``: pairs among six codes. ``open_s``: pairs opened (wall time). ``tables_ms``, ``index_ms``: the library's tables opened, and
  made ready, which the first check does; ``again_us``: asked for again.
- ``result_us``: `check_result` of a note with ten codes put forward, tables given.
"""

import argparse
import datetime as dt
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from codesuggest.edits import Claim, Diagnosis, Procedure, check, check_result, default_tables
from codesuggest.edits.ncci import AddOn, AddOnTable, Mue, MueTable, PtpTable, compile_ptp
from codesuggest.records import Evidence, Note, Result, Span, Suggestion

DAY = dt.date(2026, 5, 4)
FIRST = dt.date(2026, 4, 1)
BUDGET = {"claims_per_s": 5000, "open_s": 2.0, "lookup_us": 50, "result_us": 1000}
SELECTED = "I11.0 I50.23 N18.30 E11.22 E11.65 J44.1 J96.01 K21.9 Z79.4 Z87.891".split()


def made_up_codes(n, rng):
    return sorted({f"{rng.choice('ABCDGHJKLMPQRSTV')}{rng.randrange(10000):04d}" for _ in range(n)})


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--claims", type=int, default=100_000)
    options.add_argument("--pairs", type=int, default=2_500_000)
    given = options.parse_args()
    rng = random.Random(6)  # noqa: S311 - made-up claims, not secrets
    codes = made_up_codes(12_000, rng)
    result = {"n_claims": given.claims, "n_pairs": given.pairs}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = np.random.default_rng(6).integers(0, len(codes), (given.pairs, 2))
        with (folder / "ptp.txt").open("w") as stream:
            for a, b in made.tolist():
                stream.write(f"{codes[a]}\t{codes[b]}\t\t20200101\t*\t{(a + b) % 2}\tMisuse of column two code\n")
        start = time.perf_counter()
        compile_ptp([folder / "ptp.txt"], folder / "ptp", kind="practitioner", quarter="2026Q2", first=FIRST)
        result["compile_s"] = round(time.perf_counter() - start, 2)
        start = time.perf_counter()
        ptp = PtpTable.open(folder / "ptp")
        result["open_s"] = round(time.perf_counter() - start, 3)
        lines = [[codes[rng.randrange(len(codes))] for _ in range(6)] for _ in range(20_000)]
        start = time.process_time()
        for six in lines:
            ptp.pairs(six, DAY)
        result["lookup_us"] = round((time.process_time() - start) / len(lines) * 1e6, 1)
        mue = MueTable("practitioner", "2026Q2", FIRST, None, {c: Mue(4, 1 + i % 3, "") for i, c in enumerate(codes)})
        add_on = AddOnTable("2026Q2", FIRST, None, {c: AddOn(1, ((codes[0], 0, 9_999_999),)) for c in codes[::40]})
        result |= opening()
        tables = default_tables(DAY).with_(ptp=(ptp,), mue=(mue,), add_on=(add_on,))
        release = tables.index.release
        billable = [release.text(i) for i in np.flatnonzero(release.billable).tolist()]
        everyday = rng.sample(billable, 4000)
        claims = [make(rng, everyday if k % 10 else billable, codes, k) for k in range(given.claims)]
        checked, bare, n_findings = [], [], 0
        start = time.perf_counter()
        for part in (claims[k::5] for k in range(5)):
            seconds, n = timed(lambda part=part: sum(len(check(claim, on=DAY, tables=tables)) for claim in part))
            checked.append(seconds / len(part))
            n_findings += n
            seconds, _ = timed(lambda part=part: look_up(part, tables.index.facts))
            bare.append(seconds / len(part))
        wall = time.perf_counter() - start
    result["findings_per_claim"] = round(n_findings / given.claims, 2)
    result["claims_per_s"] = round(1 / statistics.median(checked))
    result["bare_per_s"] = round(1 / statistics.median(bare))
    result["times_bare"] = round(statistics.median(c / b for c, b in zip(checked, bare, strict=True)), 1)
    result["wall_s"] = round(wall, 1)
    result["result_us"] = note_us()
    failed = [k for k, v in BUDGET.items() if (result[k] < v if k == "claims_per_s" else result[k] > v)]
    print(json.dumps({**result, "failed": failed}))
    return 1 if failed else 0


def timed(work):
    start = time.process_time()
    made = work()
    return time.process_time() - start, made


def look_up(claims, facts):
    for claim in claims:
        for diagnosis in claim.diagnoses:
            facts(diagnosis.code)


def opening():
    seconds, tables = timed(lambda: default_tables(DAY))
    made, _ = timed(lambda: tables.index)
    again, _ = timed(lambda: [default_tables(DAY) for _ in range(1000)])
    return {"tables_ms": round(seconds * 1000, 1), "index_ms": round(made * 1000, 1), "again_us": round(again * 1000, 1)}


def note_us():
    tables = default_tables(DAY)
    text = "x " * len(SELECTED)
    words = [(Evidence(Span(2 * i, 2 * i + 1), "x"),) for i in range(len(SELECTED))]
    title = tables.release.title
    rows = (Suggestion(i + 1, code, "ICD-10-CM", title(code), 0.9, True, True, words[i]) for i, code in enumerate(SELECTED))
    result = Result("n", text, "", tuple(rows))
    note = Note("n", text, date_of_service=DAY, setting="inpatient", age_years=71, sex="F")
    times = [timed(lambda: [check_result(result, note, tables=tables) for _ in range(50)])[0] / 50 for _ in range(21)]
    return round(statistics.median(times) * 1e6, 1)


def make(rng, diagnoses, codes, k):
    setting = ("professional", "outpatient", "inpatient")[k % 3]
    poa = "Y" if setting == "inpatient" else None
    return Claim(
        tuple(Diagnosis(i + 1, rng.choice(diagnoses), poa) for i in range(12)),
        tuple(Procedure(i + 1, rng.choice(codes), rng.choice(((), ("59",), ("LT",))), rng.randrange(1, 4)) for i in range(6)),
        setting=setting,
        age_years=rng.randrange(20, 90),
        sex=rng.choice("FM"),
        service_date=DAY,
    )


if __name__ == "__main__":
    sys.exit(main())
