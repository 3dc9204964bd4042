"""Throughput in one process, against ``spacy.blank("en")`` tokenising the same texts. Prints one line of JSON.

The texts are the practice notes of the checkout and the sample summary. Budget: at most 15 ms for a note of 6,000 characters.
Exit 1 when it is broken.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import spacy

import codesuggest as cs
from codesuggest.cli import sample_note
from codesuggest.learn.practice import read_practice_notes

PRACTICE = Path(__file__).resolve().parent.parent.parent / "models" / "practice_notes"
NOTE_CHARS = 6_000


def seconds_of(work: Callable[[], object], n_runs: int) -> float:
    """Median time of the processor for a piece of work; other work on the machine does not count."""
    times = []
    for _ in range(n_runs):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return statistics.median(times)


def note_of(size: int) -> cs.Note:
    """Return the sample, cut or filled with more sections of itself to a size in characters."""
    note = sample_note()
    text = note.text
    while len(text) < size:
        text += "\n\n" + note.text[note.text.index("HOSPITAL COURSE") :]
    return cs.Note("long", text[:size], kind=note.kind, setting=note.setting, date_of_service=note.date_of_service)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=5)
    n_runs = options.parse_args().runs
    suggester = cs.load()
    nlp = spacy.blank("en")
    notes = [sample_note(), *(coded.note for coded in read_practice_notes(PRACTICE))]
    n_chars = sum(len(note.text) for note in notes)
    long = note_of(NOTE_CHARS)
    for _ in suggester.suggest_many(notes):
        pass  # once before it counts: words are looked up once
    spacy_s = seconds_of(lambda: [nlp.make_doc(note.text) for note in notes], n_runs)
    suggest_s = seconds_of(lambda: list(suggester.suggest_many(notes)), n_runs)
    long_ms = 1000 * seconds_of(lambda: suggester.suggest(long), 5 * n_runs)
    result = {
        "benchmark": "throughput",
        "n_notes": len(notes),
        "n_chars": n_chars,
        "chars_per_s": round(n_chars / suggest_s),
        "notes_per_s": round(len(notes) / suggest_s, 1),
        "spacy_blank_chars_per_s": round(n_chars / spacy_s),
        "ratio_to_spacy_blank": round(suggest_s / spacy_s, 2),
        "note_of_6000_chars_ms": round(long_ms, 2),
    }
    print(json.dumps(result))
    if long_ms > 15:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
