"""Against medspaCy: the same notes, the same terms, in one run. Prints one line of JSON.

medspaCy pins an older spaCy, so it lives in an environment of its own: ``--python PATH/TO/ITS/bin/python``. There it runs its
tokenizer, PyRuSH sentences, target matcher (terms of our lexicon as literal rules), ConText and sectionizer; here the whole path to
ranked codes runs. Both take turns, and processor time counts, so that other work on the machine does not. Budget: at least ten times
medspaCy. Exit 1 when it is broken.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PIPES = ("tokenizer", "pyrush", "target_matcher", "context", "sectionizer")
REPOSITORY = Path(__file__).resolve().parent.parent.parent


def inside(file: Path) -> None:
    """Run in medspaCy's environment: one line of JSON a round, when a line arrives on standard input."""
    import medspacy
    from medspacy.ner import TargetRule

    given = json.loads(file.read_text())
    begin = time.process_time()
    nlp = medspacy.load(
        medspacy_enable=[
            "medspacy_tokenizer",
            "medspacy_pyrush",
            "medspacy_target_matcher",
            "medspacy_context",
            "medspacy_sectionizer",
        ]
    )
    nlp.get_pipe("medspacy_target_matcher").add([TargetRule(term, "PROBLEM") for term in given["terms"]])
    loaded = time.process_time() - begin
    nlp("Assessment: gout.")
    for _ in sys.stdin:
        begin = time.process_time()
        n_entities = sum(len(nlp(text).ents) for text in given["texts"])
        print(json.dumps({"seconds": time.process_time() - begin, "load_s": loaded, "n_entities": n_entities}), flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--python", help="Python of the environment that has medspaCy.")
    options.add_argument("--terms", type=int, default=20_000)
    options.add_argument("--notes", type=int, default=60)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--inside", type=Path)
    given = options.parse_args()
    if given.inside:
        inside(given.inside)
        return
    if not given.python:
        options.error("--python is needed")
    sys.path.insert(0, str(REPOSITORY))
    import codesuggest as cs
    from codesuggest.learn.practice import read_practice_notes

    begin = time.process_time()
    suggester = cs.load()
    load_s = time.process_time() - begin
    lexicon = suggester.model.lexicon
    n_terms = len(lexicon.term_code)
    step = max(1, n_terms // given.terms)
    terms = sorted({lexicon.term_text(i) for i in range(0, n_terms, step)})[: given.terms]
    notes = [coded.note for coded in read_practice_notes(REPOSITORY / "models" / "practice_notes")][: given.notes]
    n_chars = sum(len(note.text) for note in notes)
    list(suggester.suggest_many(notes))
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "given.json")
        file.write_text(json.dumps({"terms": terms, "texts": [note.text for note in notes]}))
        peer = subprocess.Popen(
            [given.python, "-W", "ignore", __file__, "--inside", str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"PATH": "/usr/bin:/bin"},
        )
        assert peer.stdin is not None
        assert peer.stdout is not None
        answer: dict[str, float] = {}
        for _ in range(given.runs):
            begin = time.process_time()
            list(suggester.suggest_many(notes))
            ours.append(time.process_time() - begin)
            peer.stdin.write("go\n")
            peer.stdin.flush()
            answer = json.loads(next(line for line in peer.stdout if line.startswith("{")))
            theirs.append(answer["seconds"])
        peer.stdin.close()
        peer.wait()
    mine, other = statistics.median(ours), statistics.median(theirs)
    result = {
        "benchmark": "medspacy_compare",
        "n_notes": len(notes),
        "n_chars": n_chars,
        "codesuggest": {
            "chars_per_s": round(n_chars / mine),
            "notes_per_s": round(len(notes) / mine, 1),
            "n_terms": n_terms,
            "load_s": round(load_s, 2),
        },
        "medspacy": {
            "chars_per_s": round(n_chars / other),
            "notes_per_s": round(len(notes) / other, 1),
            "n_terms": len(terms),
            "load_s": round(answer["load_s"], 2),
        },
        "times_faster": round(other / mine, 1),
    }
    print(json.dumps(result))
    if other / mine < 10:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
