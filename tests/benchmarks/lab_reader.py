"""How much of the written reports the reader gets right: quantity, value, unit, flag and place, each and together.

Run ``python tests/benchmarks/lab_reader.py [FILE …]``; without files, every file of tests/data/lab_reports. ``--misses`` shows
what went wrong; ``--time`` adds the processor time of a 6,000-character note made of the snippets. Prints one line of JSON a file.
"""

import json
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from codesuggest.queries.indicators import find_indicators
from codesuggest.queries.quantities import load_quantities

DATA = Path(__file__).parents[1] / "data" / "lab_reports"
NUMBERS = ("laboratory", "vital", "score")
UNITS = {quantity.name: quantity.unit for quantity in load_quantities()} | {"weight_loss": "kg", "weight_loss_percent": "%"}


@dataclass(frozen=True)
class Expected:
    name: str
    value: float | None
    flag: str
    start: int
    end: int


def snippets(path):
    """Name, text and expected values of each snippet."""
    blocks = path.read_text(encoding="utf-8").split("\n== ")[1:]
    for block in blocks:
        name, _, rest = block.partition("\n")
        text, _, answers = rest.partition("\n--\n")
        expected, at = [], 0
        for line in answers.strip().splitlines():
            if line == "(none)" or line.startswith("#"):
                continue
            quantity, value, flag, *written = line.split(" ", 3)
            quote = written[0] if written else value
            start = text.index(quote, at)
            while text[start - 1 : start].isdigit() or text[start + len(quote) : start + len(quote) + 1].isdigit():
                start = text.index(quote, start + 1)
            at = start + len(quote)
            expected.append(Expected(quantity, None if value == "?" else float(value), "" if flag == "-" else flag, start, at))
        yield name, text, expected


def is_same(got, want):
    """Equal to one part in a thousand: converted values are rounded."""
    return got is want if got is None or want is None else abs(got - want) <= 0.001 * abs(want)


def compare(text, expected):
    """Counts of what is right, what was missed and what was read that is not there."""
    found = [i for i in find_indicators(text) if i.category in NUMBERS]
    counts = dict.fromkeys(("expected", "found", "value", "unit", "flag", "place", "right"), 0)
    notes, used = [], set()
    for want in expected:
        counts["expected"] += 1
        same = [
            n
            for n, i in enumerate(found)
            if n not in used and i.name == want.name and i.span.start <= want.start and want.end <= i.span.end
        ]
        if not same:
            near = [n for n, i in enumerate(found) if n not in used and i.name == want.name and is_same(i.value, want.value)]
            if near:
                used.add(near[0])
                counts["found"] += 1
                counts["value"] += 1
            notes.append(("missed", text[want.start : want.end], want, [found[n] for n in near]))
            continue
        best = next((n for n in same if is_same(found[n].value, want.value)), same[0])
        used.add(best)
        got = found[best]
        value = is_same(got.value, want.value)
        unit = got.unit == (UNITS[want.name] if got.value is not None else "")
        flag = got.flag == want.flag
        counts["found"] += 1
        counts["value"] += value
        counts["unit"] += unit
        counts["flag"] += flag
        counts["place"] += 1
        counts["right"] += value and unit and flag
        if not (value and unit and flag):
            notes.append(("wrong", text[want.start : want.end], want, got))
    spurious = [found[n] for n in range(len(found)) if n not in used]
    notes += [("spurious", text[i.span.start : i.span.end], None, i) for i in spurious]
    counts["spurious"] = len(spurious)
    return counts, notes


def main(arguments):
    paths = [Path(a) for a in arguments if not a.startswith("--")] or sorted(DATA.glob("*.txt"))
    texts = []
    for path in paths:
        total = {}
        n = 0
        for name, text, expected in snippets(path):
            counts, notes = compare(text, expected)
            total = {key: total.get(key, 0) + value for key, value in counts.items()}
            n += 1
            texts.append(text)
            if "--misses" in arguments:
                for note in notes:
                    print(name, *note, sep=" | ")
        share = total["right"] / total["expected"]
        strict = total["right"] / (total["expected"] + total["spurious"])
        print(
            json.dumps(
                {
                    "file": path.name,
                    "snippets": n,
                    **total,
                    "share_right": round(share, 4),
                    "share_right_of_all": round(strict, 4),
                }
            )
        )
    if "--time" in arguments:
        note = "\n\n".join(texts)[:6000]
        times = []
        for _ in range(30):
            start = time.process_time()
            find_indicators(note)
            times.append(1000 * (time.process_time() - start))
        print(json.dumps({"characters": len(note), "ms_median": round(statistics.median(times[5:]), 2)}))


if __name__ == "__main__":
    main(sys.argv[1:])
