"""One row for every (note, candidate code): what its mentions, the whole note and the other candidates say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codesuggest.learn.knowledge import Knowledge
from codesuggest.learn.mentions import MENTION_FEATURES, MentionRows, rivals

__all__ = ["NO_MENTION", "PAIR_FEATURES", "PairRows", "pair_rows"]

_OF_PAIR = (
    "best_chance",
    "second_chance",
    "any_chance",
    "log_mentions",
    "best_marked",
    "any_marked",
    "note_share",
    "note_greatest",
    "note_log_found",
    "note_log_grams",
    "log_code_notes",
    "log_category_notes",
    "log_chapter_notes",
    "rival_chance",
    "category_chance",
    "is_best_of_category",
    "chance_in_note",
    "has_mention",
    "base_probability",
    "base_log_rank",
)
PAIR_FEATURES = _OF_PAIR + tuple(f"best_{name}" for name in MENTION_FEATURES)
NO_MENTION = -99.0
"""Value of the features of the best mention where there is none."""
_FROM_NOTE = 30  # codes of the document classifier that become candidates


@dataclass(frozen=True, slots=True)
class PairRows:
    """Candidates of a batch, ascending by (note, code).

    Parameters
    ----------
    note, code : int32 arrays
    best : int64 array
        The row of the mention that speaks most for the code, -1 where there is none.
    X : float64 array of shape (n, len(PAIR_FEATURES))
    """

    note: NDArray[np.int32]
    code: NDArray[np.int32]
    best: NDArray[np.int64]
    X: NDArray[np.float64]


def pair_rows(
    knowledge: Knowledge,
    rows: MentionRows,
    chance: NDArray[np.float64],
    marked: NDArray[np.float64],
    note_scores: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]],
    families: tuple[NDArray[np.int32], NDArray[np.int32]],
    base: dict[tuple[int, int], tuple[float, int]] | None = None,
    n_tokens: int = 0,
) -> PairRows:
    """Return the candidates of a batch.

    Parameters
    ----------
    knowledge : Knowledge
    rows : MentionRows
    chance, marked : float arrays, length n_rows
        Chance that the code of a row is given in the note; that a coder marks this very place.
    note_scores
        As :meth:`NgramCounts.scores` returns them.
    families : (category, chapter) of every code, as numbers
    base : mapping of (note, code) to (probability, rank), optional
        What the model that is built on says.
    """
    n_codes = knowledge.n_codes
    mention_key = rows.note.astype(np.int64) * n_codes + rows.code
    note_key = note_scores[0] * n_codes + note_scores[1]
    value = note_scores[2]
    order = np.lexsort((note_key, -value[:, 0], note_scores[0])) if len(note_key) else np.zeros(0, np.int64)
    begin = np.searchsorted(note_scores[0][order], note_scores[0][order]) if len(order) else order
    top = order[np.arange(len(order)) - begin < _FROM_NOTE]
    base = base or {}
    base_key = np.array(sorted(n * n_codes + c for n, c in base), np.int64)
    key = np.unique(np.concatenate([mention_key, note_key[top], base_key]))
    col = {name: i for i, name in enumerate(PAIR_FEATURES)}
    X = np.zeros((len(key), len(PAIR_FEATURES)))
    X[:, len(_OF_PAIR) :] = NO_MENTION
    note, code = key // n_codes, key % n_codes

    by = np.lexsort((-chance, mention_key))
    place = np.searchsorted(key, mention_key[by])
    rank = np.arange(len(by)) - np.searchsorted(place, place)
    best = np.full(len(key), -1, np.int64)
    best[place[rank == 0]] = by[rank == 0]
    X[place[rank == 0], col["best_chance"]] = chance[by[rank == 0]]
    X[place[rank == 1], col["second_chance"]] = chance[by[rank == 1]]
    none = np.bincount(place, np.log1p(-np.minimum(chance[by], 0.9999)), minlength=len(key))
    X[:, col["any_chance"]] = 1 - np.exp(none)
    X[:, col["log_mentions"]] = np.log1p(np.bincount(place, minlength=len(key)))
    np.maximum.at(X[:, col["best_marked"]], place, marked[by])
    X[:, col["any_marked"]] = 1 - np.exp(np.bincount(place, np.log1p(-np.minimum(marked[by], 0.9999)), minlength=len(key)))
    with_mention = best >= 0
    X[with_mention, len(_OF_PAIR) :] = rows.X[best[with_mention]]
    X[:, col["has_mention"]] = with_mention
    if len(note_key):
        at = np.minimum(np.searchsorted(note_key, key), len(note_key) - 1)
        hit = note_key[at] == key
        for i, name in enumerate(("note_share", "note_greatest", "note_log_found", "note_log_grams")):
            X[hit, col[name]] = value[at[hit], i]
    notes_of = knowledge.ngrams.code_notes
    X[:, col["log_code_notes"]] = np.log1p(notes_of[code])
    for family, name in zip(families, ("log_category_notes", "log_chapter_notes"), strict=True):
        total = np.bincount(family, notes_of)
        X[:, col[name]] = np.log1p(total[family[code]])
    X[with_mention, col["rival_chance"]] = rivals(rows.first, rows.last, rows.code, chance, n_tokens)[best[with_mention]]
    family_key = note * (int(families[0].max(initial=0)) + 1) + families[0][code]
    _, inverse = np.unique(family_key, return_inverse=True)
    leading, other = _two_greatest(X[:, col["any_chance"]], inverse)
    mine = X[:, col["any_chance"]]
    X[:, col["category_chance"]] = np.where(mine >= leading[inverse], other[inverse], leading[inverse])
    X[:, col["is_best_of_category"]] = mine >= leading[inverse]
    X[:, col["chance_in_note"]] = np.bincount(note, mine)[note]
    for i in np.flatnonzero(np.isin(key, base_key)).tolist():
        probability, place_in_base = base[int(note[i]), int(code[i])]
        X[i, col["base_probability"]] = probability
        X[i, col["base_log_rank"]] = 1 / (1 + place_in_base)
    return PairRows(note.astype(np.int32), code.astype(np.int32), best, X)


def _two_greatest(value: NDArray[np.float64], group: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n = int(group.max(initial=-1)) + 1
    first, second = np.zeros(n), np.zeros(n)
    order = np.lexsort((-value, group))
    rank = np.arange(len(order)) - np.searchsorted(group[order], group[order])
    first[group[order[rank == 0]]] = value[order[rank == 0]]
    second[group[order[rank == 1]]] = value[order[rank == 1]]
    return first, second
