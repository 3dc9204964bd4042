"""Throughput by size of note and by number of workers, and the time of each stage. Prints one line of JSON.

The texts are the practice notes of the checkout, joined and cut to each size. Every figure stands beside that of
``spacy.blank("en")`` tokenising the same texts in the same run, in turn with it: compare ratios. Times are of the processor
(``time.process_time``), so that other work on the machine does not count, except for the runs with workers, which are by the clock.
Budget: per character, notes of 50,000 characters take at most 20 % longer than notes of 2,000; two workers are at least 1.5 times one
(on a machine with two free cores 1.8). Exit 1 when it is broken.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import spacy

import codesuggest as cs
from codesuggest.batch import score
from codesuggest.learn.practice import read_practice_notes

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SIZES = (500, 2_000, 6_000, 20_000, 50_000)
STAGES = (
    ("codesuggest.extract.pipeline", "find_sections"),
    ("codesuggest.extract.pipeline", "segment"),
    ("codesuggest.extract.pipeline", "find_scopes"),
    ("codesuggest.extract.pipeline", "find_measures"),
    ("codesuggest.extract.pipeline", "find_drug_effects"),
    ("codesuggest.extract.pipeline", "to_extraction"),
)


def texts_of(size: int, n_chars: int) -> list[str]:
    """Cut the practice notes, joined, into texts of one size, to about `n_chars` characters in all."""
    joined = "\n\n".join(coded.note.text for coded in read_practice_notes(REPOSITORY / "models" / "practice_notes"))
    while len(joined) < n_chars:
        joined += "\n\n" + joined
    return [joined[i : i + size] for i in range(0, n_chars - size + 1, size)]


def medians(works: dict[str, Callable[[], object]], n_runs: int) -> dict[str, float]:
    """Time pieces of work in turn: seconds of the median run of each."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(n_runs):
        for name, work in works.items():
            begin = time.process_time()
            work()
            times[name].append(time.process_time() - begin)
    return {name: statistics.median(found) for name, found in times.items()}


def by_size(suggester: cs.Suggester, n_runs: int, n_chars: int) -> dict[str, Any]:
    """Measure notes of each size against the tokenizer."""
    nlp = spacy.blank("en")
    nlp.max_length = 10_000_000
    rows = {}
    for size in SIZES:
        texts = texts_of(size, max(n_chars, 2 * size))
        notes = [cs.Note(str(i), text) for i, text in enumerate(texts)]
        list(suggester.suggest_many(notes))  # once before it counts
        works = {
            "suggest": lambda n=notes: list(suggester.suggest_many(n)),
            "spacy": lambda t=texts: [nlp.make_doc(x) for x in t],
        }
        found = medians(works, n_runs)
        total = sum(map(len, texts))
        rows[str(size)] = {
            "notes_per_s": round(len(texts) / found["suggest"], 1),
            "chars_per_s": round(total / found["suggest"]),
            "spacy_blank_chars_per_s": round(total / found["spacy"]),
            "times_spacy_blank": round(found["suggest"] / found["spacy"], 2),
        }
    return rows


def latency(suggester: cs.Suggester) -> dict[str, float]:
    """Measure single warm notes of 6,000 characters."""
    notes = [cs.Note(str(i), text) for i, text in enumerate(texts_of(6_000, 600_000))]
    times = []
    for _ in range(3):
        for note in notes:
            begin = time.process_time()
            suggester.suggest(note)
            times.append(1000 * (time.process_time() - begin))
    times.sort()
    return {"median_ms": round(statistics.median(times), 2), "p99_ms": round(times[int(len(times) * 0.99)], 2)}


def by_stage(suggester: cs.Suggester) -> dict[str, float]:
    """Share of the time of each stage, in percent, without a profiler."""
    import importlib

    spent: dict[str, float] = {}
    undo = []

    def watch(owner: Any, name: str, label: str) -> None:
        inner = getattr(owner, name, None)
        if inner is None:
            return

        def timed(*args: Any, **options: Any) -> Any:
            begin = time.process_time()
            try:
                found = inner(*args, **options)
                return list(found) if isinstance(found, Iterator) else found
            finally:
                spent[label] = spent.get(label, 0.0) + time.process_time() - begin

        undo.append((owner, name, inner))
        setattr(owner, name, timed)

    for module, name in STAGES:
        watch(importlib.import_module(module), name, name)
    matcher = type(suggester.extractor.matcher)
    watch(type(suggester.extractor.words), "read", "words")
    watch(matcher, "numbers", "numbers")
    watch(matcher, "match", "match")
    watch(type(suggester.finder), "find", "candidates")
    watch(type(suggester), "_rank", "rank and explain")
    watch(type(suggester), "_suppressed", "suppressed")
    watch(type(suggester), "_edited", "edits")
    notes = [cs.Note(str(i), text) for i, text in enumerate(texts_of(6_000, 300_000))]
    begin = time.process_time()
    results = [suggester.suggest(note) for note in notes]
    total = time.process_time() - begin
    for owner, name, inner in reversed(undo):
        setattr(owner, name, inner)
    begin = time.process_time()
    for result in results:
        json.dumps(result.to_dict())
    spent["to json"] = time.process_time() - begin
    total += spent["to json"]
    spent["other"] = total - sum(spent.values())
    return {name: round(100 * s / total, 1) for name, s in sorted(spent.items(), key=lambda pair: -pair[1])}


def by_workers(n_notes: int) -> dict[str, Any]:
    """Measure whole runs of the command's twin with one worker and with two; the start of the workers is measured apart."""
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for n in (8, n_notes):
            files[n] = Path(folder, f"{n}.jsonl")
            texts = (texts_of(2_000, 2_000 * 400) * (n // 400 + 1))[:n]
            files[n].write_text("".join(json.dumps({"note_id": str(i), "text": t}) + "\n" for i, t in enumerate(texts)))
        seconds = {}
        for workers in (1, 2):
            start = score(files[8], to=Path(folder, "start.jsonl"), workers=workers, chunk_notes=2).seconds
            seconds[workers] = score(files[n_notes], to=Path(folder, "out.jsonl"), workers=workers).seconds - start
    return {
        "notes_per_s": {str(w): round(n_notes / s, 1) for w, s in seconds.items()},
        "two_against_one": round(seconds[1] / seconds[2], 2),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--chars", type=int, default=400_000)
    options.add_argument("--notes", type=int, default=2_000)
    given = options.parse_args()
    suggester = cs.load()
    sizes = by_size(suggester, given.runs, given.chars)
    per_char = {size: row["times_spacy_blank"] for size, row in sizes.items()}
    workers = by_workers(given.notes)
    result = {
        "benchmark": "batch_throughput",
        "by_size": sizes,
        "per_char_50000_to_2000": round(sizes["2000"]["chars_per_s"] / sizes["50000"]["chars_per_s"], 2),
        "times_spacy_blank": per_char,
        "note_of_6000_chars": latency(suggester),
        "by_workers": workers,
        "stages_percent": by_stage(suggester),
    }
    print(json.dumps(result))
    if result["per_char_50000_to_2000"] > 1.2 or workers["two_against_one"] < 1.5:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
