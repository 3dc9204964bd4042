"""How learning grows: made-up notes, as many as asked for, to a model and then some more; prints one line of JSON a stage.

``python tests/benchmarks/learning_scale.py [--notes 100000] [--codes 10000] [--more 1000] [--evidence 0.5] [--words 120]``

Each code has some made-up wordings; a note has 3 to 10 codes, by a long-tailed frequency, each in one of its wordings among
filler words, one in ten of the wordings negated and not coded. Seconds are of the wall and of the processor; memory is the
greatest resident size of the process.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from codesuggest.codes import Releases
from codesuggest.codes.release import Release
from codesuggest.learn.examples import CodedExample, Reference
from codesuggest.learn.learned_model import LearnedModel, fit
from codesuggest.records import Span

SYLLABLES = (
    "ba ce di fo gu la me ni po ru sa te vi xo za bre cri dol fen gra hin jus kel lom mar nes pra quo rin sto tul ven".split()
)


def words(n, rng):
    """Make words of two to four syllables."""
    made = {}
    while len(made) < n:
        made.setdefault("".join(rng.choice(SYLLABLES, size=rng.integers(2, 5))), None)
    return list(made)


class Notes:
    """A source of coded notes, the same for the same seed."""

    def __init__(self, codes, length, evidence, seed=0):
        rng = np.random.default_rng(seed)
        self.codes, self.length, self.evidence = codes, length, evidence
        self.filler = words(20_000, rng)
        self.weight = 1 / np.arange(1, len(self.filler) + 1)
        self.weight = np.cumsum(self.weight / self.weight.sum())
        terms = words(12_000, rng)
        self.forms = [[" ".join(rng.choice(terms, size=rng.integers(1, 4))) for _ in range(rng.integers(1, 4))] for _ in codes]
        frequency = 1 / np.arange(1, len(codes) + 1) ** 0.7
        self.frequency = np.cumsum(frequency / frequency.sum())

    def make(self, first, n):
        """Yield `n` notes, numbered from `first`."""
        for number in range(first, first + n):
            rng = np.random.default_rng((7, number))
            chosen = np.unique(np.searchsorted(self.frequency, rng.random(rng.integers(3, 11))))
            filler = [self.filler[i] for i in np.searchsorted(self.weight, rng.random(self.length)).tolist()]
            step = max(1, self.length // (len(chosen) + 1))
            parts, positives, at = [], {}, 0
            marks = rng.random() < self.evidence
            for k, code in enumerate(chosen.tolist()):
                lead = " ".join(filler[k * step : (k + 1) * step]) + " "
                negated = rng.random() < 0.1
                form = self.forms[code][int(rng.integers(len(self.forms[code])))]
                lead += "no " if negated else ""
                start = at + len(lead)
                parts.append(f"{lead}{form}. ")
                at += len(parts[-1])
                if not negated:
                    positives[self.codes[code]] = (Reference((Span(start, start + len(form)),)),) if marks else ()
            yield CodedExample(f"n{number}", "".join(parts), f"e{number}", positives)


def peak():
    """Greatest resident size so far, in gigabytes."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)


def timed(stage, work):
    """Run and print."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    row = {
        "stage": stage,
        "seconds": round(time.perf_counter() - wall, 1),
        "processor_seconds": round(time.process_time() - processor, 1),
        "peak_gb": peak(),
    }
    print(json.dumps(row), flush=True)
    return result


def main():
    """Fit, save, open, predict, add."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notes", type=int, default=100_000)
    parser.add_argument("--codes", type=int, default=10_000)
    parser.add_argument("--more", type=int, default=1_000)
    parser.add_argument("--evidence", type=float, default=0.5)
    parser.add_argument("--words", type=int, default=120)
    parser.add_argument("--stages", action="store_true", help="print when each stage begins")
    options = parser.parse_args()
    release = Release.open([i for i in Releases().list() if i.system == "ICD-10-CM"][-1].path)
    billable = [release.text(i) for i in np.flatnonzero(release.billable)]
    codes = [billable[i] for i in np.random.default_rng(3).permutation(len(billable))[: options.codes].tolist()]
    notes = Notes(codes, options.words, options.evidence)
    begin = time.perf_counter()

    def progress(stage, done, of):
        if options.stages and done % 20_000 == 0:
            print(
                json.dumps({"begins": stage, "done": done, "at": round(time.perf_counter() - begin, 1), "peak_gb": peak()}),
                flush=True,
            )

    timed("making the notes alone", lambda: sum(1 for _ in notes.make(0, options.notes)))
    model = timed(
        f"{options.notes} notes to a model",
        lambda: fit(notes.make(0, options.notes), release=release, language="xx", progress=progress),
    )
    more = list(notes.make(options.notes, options.more))
    newer = timed(f"{options.more} notes added", lambda: model.update(more))
    with tempfile.TemporaryDirectory() as scratch:
        timed("saved", lambda: newer.save(Path(scratch) / "model"))
        size = sum(f.stat().st_size for f in Path(scratch).rglob("*") if f.is_file())
        opened = timed("opened", lambda: LearnedModel.open(Path(scratch) / "model"))
        test = list(notes.make(options.notes + options.more, 200))
        found = timed("200 notes predicted", lambda: [opened.predict(e.note()) for e in test])
    chosen = [{r.code for r in p if r.selected} for p in found]
    right = sum(len(c & e.positives.keys()) for c, e in zip(chosen, test, strict=True))
    total = sum(map(len, chosen)) + sum(len(e.positives) for e in test)
    print(
        json.dumps(
            {"f1_of_unseen_notes": round(2 * right / total, 3), "megabytes_of_the_model": round(size / 1e6), **model.facts}
        )
    )


if __name__ == "__main__":
    main()
