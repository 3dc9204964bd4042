"""Every place in a note that may support a code, with what is known of it: the rows of the mention model.

A place comes from a form (`surface_forms`), or from a stretch of words that the tagger would mark: then from a form spelt
like it, or from a title that means it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesuggest.learn.knowledge import Knowledge, alike
from codesuggest.learn.surface_forms import MAX_STEMS, Batch, expand
from codesuggest.learn.words import COLON

__all__ = ["MENTION_FEATURES", "MentionRows", "mention_rows", "rivals"]

MENTION_FEATURES = (
    "from_form",
    "from_spelling",
    "from_title",
    "share_as_found",
    "share_of_form",
    "log_found",
    "log_right",
    "log_marked",
    "share_marked",
    "codes_of_form",
    "words",
    "gap",
    "level",
    "covered",
    "in_order",
    "likeness",
    "inside_mean",
    "inside_min",
    "begins",
    "inside_before",
    "inside_after",
    "title_covered",
    "words_covered",
    "note_share",
    "note_greatest",
    "log_code_notes",
    "position",
    "mentions_of_form",
    "competitor_share",
    "title_rank",
    "title_lead",
)

_SEGMENT = (-0.5, -2.0, -3.5)  # log-odds of a word from which it is taken into a stretch
_PER_SEGMENT = 3
_LONGEST = 12
_TITLES_PER_SEGMENT = 8


@dataclass(frozen=True, slots=True)
class MentionRows:
    """(place, code) pairs of a batch.

    Parameters
    ----------
    note, code : int32 arrays
    words : int64 array of shape (n, MAX_STEMS)
        Places of the words in the batch, filled up with -1.
    first, last : int64 arrays
    X : float64 array of shape (n, len(MENTION_FEATURES))
    """

    note: NDArray[np.int32]
    code: NDArray[np.int32]
    words: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    X: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.note)


def segments(batch: Batch, inside: NDArray[np.float32], begins: NDArray[np.float32]) -> list[NDArray[np.int64]]:
    """Return the stretches of words that the tagger would mark, as places of their content words; each once."""
    found = {(int(s[0]), int(s[-1])): s for floor in _SEGMENT for s in _stretches(batch, inside, begins, floor)}
    return [found[k] for k in sorted(found)]


def _stretches(batch: Batch, inside: NDArray[np.float32], begins: NDArray[np.float32], floor: float) -> list[NDArray[np.int64]]:
    on = inside > floor
    starts = on.copy()
    starts[1:] &= (
        ~on[:-1]
        | (batch.tokens.before[1:] >= COLON)
        | ((begins[1:] > 0) & (batch.tokens.before[1:] > 0))
        | (batch.note[1:] != batch.note[:-1])
    )
    number = np.cumsum(starts)
    content = batch.content[on[batch.content]]
    if not len(content):
        return []
    cut = np.flatnonzero(np.diff(number[content])) + 1
    return [s for s in np.split(content, cut) if len(s) <= MAX_STEMS]


def mention_rows(
    knowledge: Knowledge,
    batch: Batch,
    spelling: Mapping[int, str],
    note_scores: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]],
) -> MentionRows:
    """Return the rows of a batch; `note_scores` as :meth:`NgramCounts.scores` returns them."""
    counts, forms = knowledge.counts, knowledge.forms
    inside, begins = knowledge.tagger.logits(batch, alike(batch.tokens.stem, knowledge.titles, spelling))
    found = forms.find(batch)
    owner, pair = expand(counts.first[found.form], counts.first[found.form + 1] - counts.first[found.form])
    n = len(owner)
    X = np.zeros((n, len(MENTION_FEATURES)))
    col = {name: i for i, name in enumerate(MENTION_FEATURES)}
    _fill_form(X, col, knowledge, found.form[owner], pair, found.kind[owner])
    X[:, col["from_form"]] = 1
    X[:, col["gap"]] = np.minimum(found.gap[owner], 30)
    X[:, col["level"]] = found.level[owner]
    X[:, col["covered"]] = found.covered[owner]
    X[:, col["in_order"]] = found.in_order[owner]
    X[:, col["likeness"]] = 1
    same = found.note.astype(np.int64) * max(len(forms), 1) + found.form
    _, inverse, number = np.unique(same, return_inverse=True, return_counts=True)
    X[:, col["mentions_of_form"]] = np.minimum(number[inverse], 20)[owner]
    note, code, words = found.note[owner], counts.code[pair], found.words[owner]
    first, last = found.first[owner], found.last[owner]

    more = _from_segments(knowledge, batch, spelling, segments(batch, inside, begins), col)
    if more is not None:
        place, codes, extra = more
        X = np.concatenate([X, extra])
        note = np.concatenate([note, batch.note[place[:, 0]]])
        code = np.concatenate([code, codes])
        words = np.concatenate([words, place])
        first = np.concatenate([first, place[:, 0]])
        last = np.concatenate([last, place.max(axis=1)])
    # a place has a code once: by form before by spelling before by title
    order = np.lexsort((np.arange(len(note)), last, first, code, note))
    columns: list[NDArray[Any]] = [note, code, words, first, last, X]
    note, code, words, first, last, X = (a[order] for a in columns)
    again = np.zeros(len(note), bool)
    again[1:] = (note[1:] == note[:-1]) & (code[1:] == code[:-1]) & (first[1:] == first[:-1]) & (last[1:] == last[:-1])
    columns = [note, code, words, first, last, X]
    note, code, words, first, last, X = (a[~again] for a in columns)

    filled = words >= 0
    size = filled.sum(axis=1)
    at = np.where(filled, words, 0)
    logit = np.where(filled, inside[at], 0.0)
    X[:, col["words"]] = size
    X[:, col["inside_mean"]] = logit.sum(axis=1) / np.maximum(size, 1)
    X[:, col["inside_min"]] = np.where(filled, inside[at], 99.0).min(axis=1, initial=99.0)
    X[:, col["begins"]] = begins[first]
    padded = np.concatenate([[np.float32(-6)], inside, [np.float32(-6)]])
    X[:, col["inside_before"]] = padded[first]
    X[:, col["inside_after"]] = padded[last + 2]
    _fill_titles(X, col, knowledge, batch, spelling, code, words)
    _fill_note(X, col, knowledge, note, code, note_scores)
    length = np.diff(batch.first)
    X[:, col["position"]] = (first - batch.first[note]) / np.maximum(length[note], 1)
    X[:, col["competitor_share"]] = rivals(first, last, code, X[:, col["share_as_found"]], len(batch.tokens))
    return MentionRows(note.astype(np.int32), code.astype(np.int32), words, first, last, X)


def _fill_form(
    X: NDArray[np.float64],
    col: dict[str, int],
    knowledge: Knowledge,
    form: NDArray[np.int32],
    pair: NDArray[np.int64],
    kind: NDArray[np.int64],
) -> None:
    counts = knowledge.counts
    found, right = counts.found[form].sum(axis=1), counts.right[pair].sum(axis=1)
    share = (right + 0.3) / (found + 1.0)
    X[:, col["share_of_form"]] = share
    X[:, col["share_as_found"]] = (counts.right[pair, kind] + 1.5 * share) / (counts.found[form, kind] + 1.5)
    X[:, col["log_found"]] = np.log1p(found)
    X[:, col["log_right"]] = np.log1p(right)
    marked = counts.marked[pair]
    X[:, col["log_marked"]] = np.log1p(marked)
    every = np.bincount(counts.form, counts.marked, minlength=len(knowledge.forms))
    X[:, col["share_marked"]] = marked / np.maximum(every[form], 1)
    X[:, col["codes_of_form"]] = counts.first[form + 1] - counts.first[form]


def _from_segments(
    knowledge: Knowledge,
    batch: Batch,
    spelling: Mapping[int, str],
    stretches: list[NDArray[np.int64]],
    col: dict[str, int],
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]] | None:
    places: list[NDArray[np.int64]] = []
    codes: list[int] = []
    values: list[tuple[int, float, int]] = []  # form or -1, likeness, source
    ranks: list[tuple[int, float]] = []
    bags: list[dict[int, float]] = []
    place_of: list[NDArray[np.int64]] = []
    counts = knowledge.counts
    tokens = batch.tokens
    for stretch in stretches:
        stems = [spelling.get(s, "") for s in tokens.stem[stretch].tolist()]
        place = np.full(MAX_STEMS, -1, np.int64)
        place[: len(stretch)] = stretch
        for near, likeness in knowledge.near.of(" ".join(stems), _PER_SEGMENT + 1):
            if likeness < 0.4 or likeness > 0.9999:
                continue
            for p in range(int(counts.first[near]), int(counts.first[near + 1])):
                places.append(place)
                codes.append(int(counts.code[p]))
                values.append((p, likeness, 1))
                ranks.append((0, 0.0))
        bags.append(knowledge.meanings.bag(zip(tokens.stem[stretch].tolist(), stems, strict=True)))
        place_of.append(place)
    for place, (rows, cosine) in zip(place_of, knowledge.titles.retrieve(bags, top=_TITLES_PER_SEGMENT), strict=True):
        for rank, (row, likeness) in enumerate(zip(rows.tolist(), cosine.tolist(), strict=True)):
            if likeness >= 0.3:
                places.append(place)
                codes.append(int(knowledge.titles.code[row]))
                values.append((-1, likeness, 2))
                ranks.append((rank, likeness - (float(cosine[1 - min(rank, 1)]) if len(cosine) > 1 else 0.0)))
    if not places:
        return None
    X = np.zeros((len(places), len(col)))
    pair = np.array([v[0] for v in values])
    source = np.array([v[2] for v in values])
    known = np.flatnonzero(pair >= 0)
    part = X[known]
    _fill_form(part, col, knowledge, counts.form[pair[known]], pair[known], np.zeros(len(known), np.int64))
    X[known] = part
    X[:, col["likeness"]] = [v[1] for v in values]
    X[:, [col["title_rank"], col["title_lead"]]] = ranks
    X[:, col["from_spelling"]] = source == 1
    X[:, col["from_title"]] = source == 2
    return np.stack(places), np.array(codes, np.int32), X


def _fill_titles(
    X: NDArray[np.float64],
    col: dict[str, int],
    knowledge: Knowledge,
    batch: Batch,
    spelling: Mapping[int, str],
    code: NDArray[np.int32],
    words: NDArray[np.int64],
) -> None:
    """Fill in how much of the best title of the code the words mean, and how many of the words mean something in it."""
    titles, tokens = knowledge.titles, batch.tokens
    if not len(titles.words) or not len(code):
        return
    used = np.unique(words[words >= 0])
    stems, inverse = np.unique(tokens.stem[used], return_inverse=True)
    stem_of = np.full(len(tokens), -1, np.int64)
    stem_of[used] = inverse
    keys, weights = [], []
    n_words = len(titles.words)
    for s, stem in enumerate(stems.tolist()):
        meant = knowledge.meanings.of(stem, spelling.get(stem, ""))
        for word in sorted(meant):
            keys.append(s * n_words + word)
            weights.append(meant[word])
    if not keys:
        return
    key, weight = np.array(keys, np.int64), np.array(weights)
    stem_rows = np.where(words >= 0, stem_of[np.where(words >= 0, words, 0)], -1)
    owner, entry = expand(titles.code_first[code], np.minimum(titles.code_first[code + 1] - titles.code_first[code], 12))
    row = titles.by_code[entry]
    for low in range(0, len(owner), 20000):
        part, title = owner[low : low + 20000], row[low : low + 20000]
        members = titles.members[title]
        mine = stem_rows[part]
        wanted = mine[:, :, None] * n_words + members[:, None, :]
        place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        hit = (key[place] == wanted) & (mine[:, :, None] >= 0) & (members[:, None, :] >= 0)
        value = np.where(hit, weight[place], 0.0)
        rarity = np.where(members >= 0, titles.rarity[members], 0.0)
        title_share = (value.max(axis=1) * rarity).sum(axis=1) / np.maximum(titles.mass[title], 1e-9)
        word_share = value.max(axis=2).sum(axis=1) / np.maximum((mine >= 0).sum(axis=1), 1)
        np.maximum.at(X[:, col["title_covered"]], part, title_share)
        np.maximum.at(X[:, col["words_covered"]], part, word_share)


def _fill_note(
    X: NDArray[np.float64],
    col: dict[str, int],
    knowledge: Knowledge,
    note: NDArray[np.int32],
    code: NDArray[np.int32],
    note_scores: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]],
) -> None:
    key = note_scores[0] * knowledge.n_codes + note_scores[1]
    wanted = note.astype(np.int64) * knowledge.n_codes + code
    if len(key):
        place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        hit = key[place] == wanted
        X[:, col["note_share"]] = np.where(hit, note_scores[2][place, 0], 0.0)
        X[:, col["note_greatest"]] = np.where(hit, note_scores[2][place, 1], 0.0)
    X[:, col["log_code_notes"]] = np.log1p(knowledge.ngrams.code_notes[code])


def rivals(
    first: NDArray[np.int64], last: NDArray[np.int64], code: NDArray[np.int32], value: NDArray[np.float64], n_tokens: int
) -> NDArray[np.float64]:
    """Return for each place the greatest value of another code at one of its words; places over a dozen words are left out."""
    out = np.zeros(len(first))
    near = np.flatnonzero(last - first <= _LONGEST)
    if not len(near):
        return out
    owner, token = expand(first[near], last[near] - first[near] + 1)
    row = near[owner]
    order = np.lexsort((code[row], -value[row], token))
    by_token, by_row = token[order], row[order]
    begin = np.searchsorted(by_token, by_token)
    # the greatest value at each word and its code; the greatest of another code
    lead, other = np.zeros(n_tokens), np.zeros(n_tokens)
    lead_code = np.full(n_tokens, -1, np.int64)
    lead[by_token] = value[by_row[begin]]
    lead_code[by_token] = code[by_row[begin]]
    differs = code[by_row] != lead_code[by_token]
    np.maximum.at(other, by_token[differs], value[by_row[differs]])
    np.maximum.at(out, row, np.where(lead_code[token] == code[row], other[token], lead[token]))
    return out
