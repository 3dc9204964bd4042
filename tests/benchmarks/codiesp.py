"""What learning from coded notes is worth on CodiEsp: prints one line of JSON a measurement.

``python tests/benchmarks/codiesp.py FOLDER [--pcs CODES.csv] [--only dev,cv,curve,pcs,english,update] [--model FOLDER]``

FOLDER holds ``codiesp_es_train.jsonl``, ``codiesp_es_dev.jsonl`` and their English twins: one object a line with ``id``,
``text``, ``codes``, ``pcs_codes`` and ``evidence`` (code, system, spans). CODES.csv lists ICD-10-PCS: order number, code,
billable, short title, long title.

Measures, after the evaluation of CLEF eHealth 2020 (Miranda-Escalada et al. 2020): codes without regard to case, each once a
note. MAP is the mean over notes of the average precision of all ranked codes against the note's set of codes. F1 is micro, of
the codes put forward. ``x_all_references`` is the F1 of (note, code, exact ranges), every reference of the gold standard
listed; ``x_one_span`` that of one place a code, right when it equals one of the code's references. ``*_hull`` compares the
first and last character alone, as the shared task does for evidence in several pieces.
"""

import argparse
import csv
import datetime as dt
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from codesuggest import load
from codesuggest.codes import Release, Releases
from codesuggest.codes.build import compile_release
from codesuggest.learn.examples import CodedExample, Reference
from codesuggest.learn.learned_model import LearnedModel, fit
from codesuggest.records import Span

MARKED = 0.2  # chance of being marked from which a place is listed among all references


def read(path, system="ICD-10-CM"):
    """Read one file as coded examples; a range without characters is left out."""
    examples = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        positives = {code: () for code in row["codes" if system == "ICD-10-CM" else "pcs_codes"]}
        for e in row.get("evidence") or ():
            spans = tuple(Span(a, b) for a, b in e["spans"] if a < b)
            if e["system"] == system and e["code"] in positives and spans:
                positives[e["code"]] += (Reference(spans),)
        examples.append(CodedExample(row["id"], row["text"], row["id"], positives))
    return examples


def average_precision(ranked, gold):
    """Average precision of a ranked list of codes against a set."""
    hits, total = 0, 0.0
    for rank, code in enumerate(ranked, 1):
        if code in gold:
            hits += 1
            total += hits / rank
    return total / len(gold)


def f1(right, given, wanted):
    """Harmonic mean of precision and recall from counts."""
    return 2 * right / max(given + wanted, 1)


def spans_of(reference):
    """The ranges of a reference."""
    return tuple((s.start, s.end) for s in reference.spans)


def hull(spans):
    """First and last character."""
    return spans[0][0], spans[-1][1]


def predict(model, examples):
    """Rank the codes of every note, and the milliseconds of processor time a note."""
    start = time.process_time()
    found = [model.predict(e.note()) for e in examples]
    return found, 1000 * (time.process_time() - start) / len(examples)


def measures(predictions, examples):
    """All measures of predictions against the examples that have codes."""
    pairs = [(p, e) for p, e in zip(predictions, examples, strict=True) if e.positives]
    gold = [{c.lower() for c in e.positives} for _, e in pairs]
    ranked = [list(dict.fromkeys(r.code.lower() for r in p)) for p, _ in pairs]
    chosen = [{r.code.lower() for r in p if r.selected} for p, _ in pairs]
    right = sum(len(a & b) for a, b in zip(chosen, gold, strict=True))
    given, wanted = sum(map(len, chosen)), sum(map(len, gold))
    result = {
        "notes": len(pairs),
        "map": np.mean([average_precision(r, g) for r, g in zip(ranked, gold, strict=True)]),
        "f1": f1(right, given, wanted),
        "precision": right / max(given, 1),
        "recall": right / max(wanted, 1),
    }
    marked = {(i, c.lower(), spans_of(r)) for i, (_, e) in enumerate(pairs) for c, rs in e.positives.items() for r in rs}
    if marked:
        rows = [
            (i, r.code.lower(), spans_of(ref), chance, number)
            for i, (p, _) in enumerate(pairs)
            for r in p
            if r.selected
            for number, (ref, chance) in enumerate(zip(r.references, r.marked, strict=True))
        ]
        every = {(i, c, s) for i, c, s, chance, number in rows if chance >= MARKED or number == 0}
        first = [(i, c, s) for i, c, s, _, number in rows if number == 0]
        ends, every_end = {(i, c, hull(s)) for i, c, s in marked}, {(i, c, hull(s)) for i, c, s in every}
        result |= {
            "x_all_references": f1(len(every & marked), len(every), len(marked)),
            "x_one_span": f1(sum(place in marked for place in first), len(first), wanted),
            "x_all_references_hull": f1(len(every_end & ends), len(every_end), len(ends)),
            "x_one_span_hull": f1(sum((i, c, hull(s)) in ends for i, c, s in first), len(first), wanted),
        }
    return {k: round(float(v), 4) for k, v in result.items()}


def trained(train, test, **settings):
    """Fit, predict and measure; with the time of both."""
    wall, start = time.perf_counter(), time.process_time()
    model = fit(train, **settings)
    cost = {"fit_seconds": round(time.perf_counter() - wall, 1), "fit_processor_seconds": round(time.process_time() - start, 1)}
    predictions, each = predict(model, test)
    return model, predictions, {"trained_on": len(train), **measures(predictions, test), **cost, "predict_ms": round(each, 1)}


def show(name, result):
    """Print one line."""
    print(json.dumps({"measurement": name, **result}), flush=True)


def pcs_release(table, folder):
    """Compile a release of ICD-10-PCS from a list of codes, by way of the official layout of an order file."""
    lines = []
    with table.open(encoding="utf-8", newline="") as stream:
        for row in csv.reader(stream):
            if row[0].isdecimal():
                billable = "1" if float(row[2]) else "0"
                lines.append(f"{int(row[0]) % 100000:05d} {row[1]:<7} {billable} {row[3][:60]:<60} {row[4]}")
    order = folder / "icd10pcs_order_2022.txt"
    order.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Release.open(compile_release(order, effective=dt.date(2021, 10, 1), to=folder))


def main():
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pcs", type=Path)
    parser.add_argument("--only", default="dev,curve,cv,pcs,english,update")
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()
    wanted = set(options.only.split(","))
    release = Releases().on(dt.date(2026, 5, 4))
    files = {(lang, part): options.folder / f"codiesp_{lang}_{part}.jsonl" for lang in ("es", "en") for part in ("train", "dev")}
    train, dev = read(files["es", "train"]), read(files["es", "dev"])
    spanish = {"release": release, "language": "es"}
    if "dev" in wanted:
        model, _, result = trained(train, dev, **spanish)
        show("Spanish, diagnosis codes, train -> dev", result)
        with tempfile.TemporaryDirectory() as scratch:
            opened = LearnedModel.open(model.save(Path(scratch) / "model"))
            size = sum(f.stat().st_size for f in Path(scratch).rglob("*") if f.is_file())
            same = [r.code for r in opened.predict(dev[0].note())] == [r.code for r in model.predict(dev[0].note())]
            show("its folder", {"megabytes": round(size / 1e6, 1), "predicts_the_same": same})
    every = train + dev
    fold = np.random.default_rng(0).permutation(len(every)) % options.folds
    if "cv" in wanted:
        predictions = [()] * len(every)
        for k in range(options.folds):
            outside = [e for e, f in zip(every, fold, strict=True) if f != k]
            inside = np.flatnonzero(fold == k).tolist()
            _, found, _ = trained(outside, [every[i] for i in inside], **spanish)
            for i, p in zip(inside, found, strict=True):
                predictions[i] = p
        show(f"Spanish, train and dev, {options.folds} folds", measures(predictions, every))
    if "curve" in wanted:
        order = np.random.default_rng(1).permutation(len(every))
        test = [every[i] for i in order[:100].tolist()]
        rest = [every[i] for i in order[100:].tolist()]
        for n in (50, 100, 250, 500, 650):
            show("learning curve, tested on 100 notes of train and dev", trained(rest[:n], test, **spanish)[2])
    if "update" in wanted:
        order = np.random.default_rng(1).permutation(len(every))
        test = [every[i] for i in order[:100].tolist()]
        rest = [every[i] for i in order[100:].tolist()]
        start = fit(rest[:550], **spanish)
        clock = time.process_time()
        show(
            "550 notes and 100 more, added",
            {**measures(predict(start.update(rest[550:]), test)[0], test), "seconds": round(time.process_time() - clock, 1)},
        )
        show("650 notes, from the start", trained(rest, test, **spanish)[2])
    if "pcs" in wanted and options.pcs is not None:
        with tempfile.TemporaryDirectory() as scratch:
            procedures = pcs_release(options.pcs, Path(scratch))
            parts = [[e for e in read(files["es", part], "ICD-10-PCS")] for part in ("train", "dev")]
            show("Spanish, ICD-10-PCS, train -> dev", trained(*parts, release=procedures, language="es")[2])
    if "english" in wanted:
        parts = [read(files["en", part]) for part in ("train", "dev")]
        base = load()
        for name, with_base in (("alone", None), ("on the default model", base)):
            result = trained(*parts, release=base.model.release, language="en", base=with_base)[2]
            show(f"English, codes of notes without evidence, train -> dev, {name}", result)


if __name__ == "__main__":
    main()
