import numpy as np
import pytest

from codesuggest.learn.document_classifier import NgramCounts, ngrams
from codesuggest.learn.surface_forms import batch_of
from codesuggest.learn.titles import Meanings, TitleIndex, Translation, latin
from codesuggest.learn.token_tagger import TokenTagger
from codesuggest.learn.trees import BoostedTrees
from codesuggest.learn.words import WordReader, word_hash

NONE = np.zeros(0, np.uint32)


# -- trees ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 4))
    return X, (X[:, 0] * X[:, 1] > 0) | (X[:, 2] > 1.2)


def test_stored_trees_give_what_scikit_learn_gives(rows):
    from sklearn.ensemble import HistGradientBoostingClassifier

    X, y = rows
    model = HistGradientBoostingClassifier(max_iter=30, random_state=0, early_stopping=False).fit(X, y)
    assert np.allclose(BoostedTrees.of(model).logits(X), model.decision_function(X), atol=1e-9)


def test_trees_come_back_from_their_arrays(rows):
    X, y = rows
    trees = BoostedTrees.fit(X, y)
    again = BoostedTrees.from_arrays("a", trees.arrays("a"))
    assert np.array_equal(trees.logits(X), again.logits(X))


def test_weights_of_rows_count(rows):
    X, y = rows
    more = BoostedTrees.fit(X, y, np.where(y, 3.0, 1.0))
    assert more.logits(X).mean() > BoostedTrees.fit(X, y).logits(X).mean()


def test_one_class_needs_no_tree(rows):
    X, _ = rows
    assert (BoostedTrees.fit(X, np.zeros(len(X), bool)).logits(X) < 0).all()


# -- counts -----------------------------------------------------------------------------------------------------------


def counted(texts, codes, n_codes, **settings):
    reader = WordReader("en")
    X = ngrams(batch_of([reader.read(t) for t in texts], NONE))
    Y = (
        np.array([i for i, row in enumerate(codes) for _ in row], np.int32),
        np.array([c for row in codes for c in sorted(row)], np.int32),
    )
    return NgramCounts.fit(X, Y, len(texts), n_codes, **settings)


TEXTS = ["asthma flare today", "asthma flare again", "gout of the toe", "gout of the knee", "well child", "asthma and gout"]
CODES = [[0], [0], [1], [1], [], [0, 1]]


def scores(counts, text):
    batch = batch_of([WordReader("en").read(text)], NONE)
    note, code, values = counts.scores(ngrams(batch))
    assert set(note.tolist()) <= {0}
    return dict(zip(code.tolist(), values[:, 0].tolist(), strict=True))


def test_the_words_of_a_code_speak_for_it():
    found = scores(counted(TEXTS, CODES, 2), "a bad asthma flare")
    assert found[0] > 0.8 > found.get(1, 0)


def test_words_never_seen_speak_for_nothing():
    assert scores(counted(TEXTS, CODES, 2), "broken wrist") == {}


def test_an_ngram_of_one_note_is_not_kept():
    batch = batch_of([WordReader("en").read("child")], NONE)
    assert not np.isin(ngrams(batch)[1], counted(TEXTS, CODES, 2).bucket).any()


def test_added_counts_are_those_of_all_notes_at_once():
    reader = WordReader("en")
    more, more_codes = ["asthma flare and gout", "gout of the toe"], [[0, 1], [1]]
    X = ngrams(batch_of([reader.read(t) for t in more], NONE))
    Y = (np.array([0, 0, 1], np.int32), np.array([0, 1, 1], np.int32))
    others = [f"visit {i}" for i in range(10)]  # an n-gram of more than half of the notes is not kept
    added = counted(TEXTS + others, CODES + [[]] * 10, 2).added(X, Y, 2)
    whole = counted(TEXTS + others + more, CODES + [[]] * 10 + more_codes, 2)
    assert added.code_notes.tolist() == whole.code_notes.tolist()
    text = "gout; asthma"  # n-grams known before: one that stood in one note before and one now is not known yet
    assert scores(added, text) == pytest.approx(scores(whole, text))


def test_the_most_telling_ngram_is_where_the_words_are():
    batch = batch_of([WordReader("en").read("he has an asthma flare")], NONE)
    low, n = counted(TEXTS, CODES, 2).most_telling(batch, [0])[0]
    words = batch.tokens.surface[batch.content[low : low + n]].tolist()
    assert word_hash("asthma") in words or word_hash("flare") in words


def test_evidence_is_guessed_from_ngrams_of_two_notes():
    counts = counted(TEXTS, CODES, 2)
    batch = batch_of([WordReader("en").read("asthma flare today")], NONE)
    guessed = list(counts.telling(batch, [[0]]))
    assert {(note, code) for note, code, _ in guessed} == {(0, 0)}
    assert list(counts.telling(batch, [[1]])) == []


# -- titles -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def titles():
    # titles of ICD-10-CM: J93.9, N20.0, S72.001A cut short, A23.9
    return TitleIndex.build(
        {
            0: ["Pneumothorax, unspecified"],
            1: ["Calculus of kidney"],
            2: ["Fracture of right femur"],
            3: ["Brucellosis, unspecified"],
        },
        4,
    )


def nearest(titles, meanings, text):
    reader = WordReader("es")
    bag = meanings.bag([(word_hash(s), s) for s in reader.stems(text)])
    rows, _ = titles.retrieve([bag])[0]
    return [int(titles.code[r]) for r in rows]


def test_greek_and_latin_spellings_are_one():
    assert latin("fisiologia") == latin("physiologia")
    assert latin("leukorrhea")[:4] == latin("leucorrea")[:4]


@pytest.mark.parametrize(("text", "code"), [("neumotórax", 0), ("brucelosis", 3)])
def test_a_word_of_another_language_is_known_by_its_spelling(titles, text, code):
    assert nearest(titles, Meanings(titles, Translation.empty()), text)[0] == code


def test_evidence_teaches_what_words_mean(titles):
    reader = WordReader("es")
    pairs = [("cálculo renal", 1), ("litiasis renal", 1), ("fractura de fémur derecho", 2), ("litiasis del riñón", 1)]
    spelling = {word_hash(s): s for text, _ in pairs for s in reader.stems(text)}
    learned = Translation.fit([([word_hash(s) for s in reader.stems(t)], c) for t, c in pairs], titles, spelling)
    assert nearest(titles, Meanings(titles, learned), "riñón")[0] == 1


def test_what_means_nothing_finds_nothing(titles):
    assert nearest(titles, Meanings(titles, Translation.empty()), "xyzzy") == []


# -- tagger -----------------------------------------------------------------------------------------------------------


def test_a_tagger_without_evidence_says_nothing():
    reader = WordReader("en")
    batch = batch_of([reader.read("cough and fever")], NONE)
    assert not TokenTagger.empty().logits(batch, np.zeros(3, np.uint8)).any()


def test_negation_is_learned():
    from codesuggest.learn.token_tagger import token_features

    reader = WordReader("en")
    texts = ["has cough today", "no cough today", "has rash today", "no rash today", "has fever now", "no fever now"] * 8
    batch = batch_of([reader.read(t) for t in texts], NONE)
    known = np.unique(batch.tokens.stem)
    marked = np.array([word_hash(t.split()[1]) == s and t[:2] != "no" for t in texts for s in reader.read(t).surface.tolist()])
    alike = np.zeros(len(batch.tokens), np.uint8)
    tagger = TokenTagger.fit(token_features(batch, known, alike), marked, marked, known)
    test = batch_of([reader.read("has rash now"), reader.read("no rash now")], NONE)
    inside = tagger.logits(test, np.zeros(6, np.uint8))[0]
    assert inside[1] > 0 > inside[4]
