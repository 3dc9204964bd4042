"""What the queries are worth on notes written for the project: prints one line of JSON a set, with the time a note.

A note's header names the planted gaps (topics that an expert would ask about) and what else would be a fair question.
``python tests/benchmarks/queries.py [FOLDER] [--show]``
"""

import argparse
import dataclasses
import datetime as dt
import json
import statistics
import time
from collections import defaultdict
from pathlib import Path

from codesuggest.queries.linter import lint_query
from codesuggest.querying import QueryFinder
from codesuggest.records import Note

FOLDER = Path(__file__).parent.parent / "data" / "queries" / "notes"


@dataclasses.dataclass(frozen=True)
class Planted:
    """A note, the topics that must be raised, and those that may be."""

    note: Note
    gaps: frozenset[str]
    fine: frozenset[str]


def topics(line: str) -> frozenset[str]:
    return frozenset(t.strip() for t in line.split(";") if t.strip())


def read(path: Path) -> Planted:
    header, _, text = path.read_text(encoding="utf-8").partition("\n---\n")
    facts = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in header.splitlines())}
    note = Note(
        facts["id"],
        text,
        kind=facts.get("kind") or None,
        setting=facts.get("setting") or None,
        age_years=float(facts["age_years"]) if facts.get("age_years") else None,
        sex=facts.get("sex") or None,
        date_of_service=dt.date.fromisoformat(facts["date_of_service"]) if facts.get("date_of_service") else None,
        encounter_id=facts.get("encounter_id") or None,
    )
    return Planted(note, topics(facts.get("gaps", "")), topics(facts.get("fine", "")))


def measure(planted: list[list[Planted]], *, show: bool = False) -> dict[str, object]:
    """Measure encounters: each a list of notes."""
    finder = QueryFinder()
    raised = wanted = found = fair = leading = 0
    times = []
    for encounter in planted:
        gaps = frozenset().union(*(p.gaps for p in encounter))
        fine = frozenset().union(*(p.fine for p in encounter))
        extracted = [(p.note, finder.suggester.extractor.extract(p.note)) for p in encounter]
        finder.of(extracted)
        start = time.process_time()
        queries = finder.of(extracted)
        times.append((time.process_time() - start) * 1000 / len(encounter))
        asked = {q.topic for q in queries}
        raised += len(queries)
        wanted += len(gaps)
        found += len(gaps & asked)
        fair += len(asked & (gaps | fine))
        text = "\n".join(p.note.text for p in encounter)
        for query in queries:
            problems = [f for f in lint_query(query.text, note_text=text) if f.severity != "advice"]
            leading += any(f.severity == "error" for f in problems)
            if show and problems:
                print(encounter[0].note.note_id, query.rule_id, [(f.rule, query.text[f.start : f.end]) for f in problems])
        if show and (gaps - asked or asked - gaps - fine):
            unfair = [q.rule_id for q in queries if q.topic not in gaps | fine]
            print(f"{encounter[0].note.note_id}: missed {sorted(gaps - asked)}, not fair {unfair}")
    return {
        "encounters": len(planted),
        "queries": raised,
        "fair_share": round(fair / raised, 3) if raised else None,
        "planted": wanted,
        "found_share": round(found / wanted, 3) if wanted else None,
        "not_compliant": leading,
        "ms_a_note_median": round(statistics.median(times), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--show", action="store_true", help="name what was missed and what was not fair")
    arguments = parser.parse_args()
    sets: dict[str, dict[str, list[Planted]]] = defaultdict(dict)
    for path in sorted(arguments.folder.glob("*.md")):
        planted = read(path)
        sets[path.stem[0]].setdefault(planted.note.encounter_id or planted.note.note_id, []).append(planted)
    for name, encounters in sets.items():
        print(json.dumps({"set": name, **measure(list(encounters.values()), show=arguments.show)}))


if __name__ == "__main__":
    main()
