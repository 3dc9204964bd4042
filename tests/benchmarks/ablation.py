"""What each part of the ranking brings: F1 on the practice notes without it, cross-validated by note. One line of JSON a part.

``python tests/benchmarks/ablation.py [models/practice_notes]``

The notes of the parts train and dev, never test. The ranker is fitted anew each time; a group of features is taken away by making
it constant. F1 is the greatest over thresholds, of all final codes, those that never became candidates counted as missed.
"""

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from codesuggest import load
from codesuggest.learn.build import training_rows
from codesuggest.learn.practice import read_practice_notes, split_of
from codesuggest.rank.features import FEATURE_NAMES

PLACES = ("in_", "only_p", "only_n", "no_assessment", "heading", "first_problem", "log_headings", "is_chronic_list", "note_words")
GROUPS = {
    "where in the note": lambda n: n.startswith(PLACES) or n.endswith(("_heading", "_pmh", "_narrative", "_inpatient", "_unheaded")),
    "assertion and time": lambda n: n in ("share_absent", "only_possible", "only_possible_inpatient", "soft_possible", "only_historical"),
    "kind of term and class of code": lambda n: n.startswith(("kind_", "class_")),
    "how the words match": lambda n: n in ("log_mentions", "quality", "official_only", "words", "single_word", "heading_exact"),
    "specificity": lambda n: n in ("specific_words", "is_default", "narrow_choice", "unmatched", "siblings"),
    "codes beside it": lambda n: n.startswith(("symptom_without", "symptom_beside", "integral"))
    or n in ("combination", "cause_of_injury", "symptom_heading_alone", "required_beside", "drug_support", "from_history", "from_family"),
}


def best(scores, y, total):
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(y[order])
    put_forward = np.arange(1, len(order) + 1)
    f1 = 2 * right / (put_forward + total)
    k = int(f1.argmax())
    return {"f1": round(float(f1[k]), 3), "precision": round(float(right[k] / (k + 1)), 3), "recall": round(float(right[k] / total), 3)}


def cross_validated(X, y, groups, total):
    scores = np.zeros(len(y))
    for inside, outside in GroupKFold(10).split(X, y, groups):
        scale = StandardScaler().fit(X[inside])
        model = LogisticRegression(C=0.1, max_iter=2000).fit(scale.transform(X[inside]), y[inside])
        scores[outside] = model.decision_function(scale.transform(X[outside]))
    return best(scores, y, total)


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "models/practice_notes")
    notes = [n for n in read_practice_notes(folder) if split_of(n.note.note_id) != "test"]
    X, y, groups, total = training_rows(load(), notes)
    whole = cross_validated(X, y, groups, total)
    print(json.dumps({"part": "everything", "notes": len(notes), "codes": total, "candidates": len(y), **whole}))
    print(json.dumps({"part": "no ranker: every candidate put forward", **all_of(y, total)}))
    for name, belongs in GROUPS.items():
        columns = [i for i, n in enumerate(FEATURE_NAMES) if belongs(n)]
        Z = X.copy()
        Z[:, columns] = 0
        print(json.dumps({"part": f"without: {name}", "features": len(columns), **lost(cross_validated(Z, y, groups, total), whole)}))


def all_of(y, total):
    right = int(y.sum())
    return {"f1": round(2 * right / (len(y) + total), 3), "precision": round(right / len(y), 3), "recall": round(right / total, 3)}


def lost(found, whole):
    return {**found, "lost": round(whole["f1"] - found["f1"], 3)}


if __name__ == "__main__":
    main()
