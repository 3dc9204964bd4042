"""The ranker keeps scikit-learn's estimator contract, and the four steps of extraction keep spaCy's component contract."""

import numpy as np
import pytest
import spacy
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from codesuggest.errors import PrerequisiteError
from codesuggest.extract.tokens import ClinicalTokenizer
from codesuggest.rank.estimator import CodeRanker


def exceptions(estimator):
    """Name the checks that cannot hold, each with its reason."""
    return {
        "check_sample_weight_equivalence_on_dense_data": "the calibration folds are made of notes, and a repeated row "
        "without groups is a note of its own, so repetition changes the folds; see test_weight_is_as_good_as_repetition",
    }


@parametrize_with_checks([CodeRanker()], expected_failed_checks=exceptions)
def test_ranker_keeps_the_contract(estimator, check):
    check(estimator)


def rows(n_notes=40, n_each=5):
    """Candidates of notes: the first feature tells, the second is noise."""
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, n_notes * n_each)
    X = np.column_stack([y + rng.normal(0, 0.7, len(y)), rng.normal(0, 1, len(y))])
    return X, y, np.repeat(np.arange(n_notes), n_each)


def test_probabilities_are_calibrated_log_odds():
    X, y, groups = rows()
    ranker = CodeRanker().fit(X, y, groups=groups)
    logits = X @ ranker.coef_ + ranker.intercept_
    np.testing.assert_allclose(ranker.decision_function(X), logits)
    np.testing.assert_allclose(ranker.predict_proba(X)[:, 1], 1 / (1 + np.exp(-(ranker.slope_ * logits + ranker.offset_))))


def test_no_note_is_on_both_sides_of_a_fold():
    X, y, groups = rows()
    shuffled = np.random.default_rng(5).permutation(len(y))
    in_order = CodeRanker().fit(X, y, groups=groups)
    mixed = CodeRanker().fit(X[shuffled], y[shuffled], groups=groups[shuffled])
    np.testing.assert_allclose(mixed.out_of_fold_, in_order.out_of_fold_[shuffled], atol=0.02)


def test_weight_is_as_good_as_repetition():
    X, y, groups = rows()
    weight = np.where(groups % 2 == 0, 2.0, 1.0)
    twice = np.flatnonzero(weight == 2)
    weighted = CodeRanker().fit(X, y, groups=groups, sample_weight=weight)
    repeated = CodeRanker().fit(np.vstack([X, X[twice]]), np.r_[y, y[twice]], groups=np.r_[groups, groups[twice]])
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-3)


def test_labels_may_be_words():
    X, y, groups = rows()
    names = np.array(["rejected", "confirmed"])[1 - y]
    ranker = clone(CodeRanker()).fit(X, names, groups=groups)
    assert ranker.classes_.tolist() == ["confirmed", "rejected"]
    assert set(ranker.predict(X)) == {"confirmed", "rejected"}


FACTORIES = ("codesuggest_sections", "codesuggest_sentences", "codesuggest_terms", "codesuggest_assertion")
TEXT = "HISTORY OF PRESENT ILLNESS\nDenies chest pain.\n\nASSESSMENT AND PLAN\n1. Essential hypertension, stable.\n"


@pytest.fixture(scope="module")
def nlp():
    made = spacy.blank("en")
    if not all(made.has_factory(name) for name in FACTORIES):
        pytest.skip("the package is not installed: pip install -e .")
    for name in FACTORIES:
        made.add_pipe(name)
    return made


def test_components_write_into_spans(nlp):
    doc = nlp(TEXT)
    assert [s.label_ for s in doc.spans["codesuggest_sections"]] == ["hpi", "assessment_plan"]
    assert len(doc.spans["codesuggest_sentences"]) >= 2
    found = {s.text.lower(): s for s in doc.spans["codesuggest_terms"]}
    assert found["essential hypertension"].label_ == "I10"
    assert found["essential hypertension"]._.codesuggest_mention.assertion == "present"
    assert found["chest pain"]._.codesuggest_mention.assertion == "absent"


def test_components_find_what_the_library_finds(nlp, suggester):
    from codesuggest import Note

    mentions = suggester.extractor.extract(Note("n", TEXT)).mentions
    doc = nlp(TEXT)
    assert [s._.codesuggest_mention for s in doc.spans["codesuggest_terms"]] == list(mentions)


def test_components_take_the_clinical_tokenizer(nlp):
    other = spacy.blank("en")
    other.tokenizer = ClinicalTokenizer(other.vocab)
    for name in FACTORIES:
        other.add_pipe(name)
    by_other, by_stock = other(TEXT), nlp(TEXT)
    assert [(s.text, s.label_) for s in by_other.spans["codesuggest_terms"]] == [
        (s.text, s.label_) for s in by_stock.spans["codesuggest_terms"]
    ]


def test_components_run_on_a_stream(nlp):
    docs = list(nlp.pipe([TEXT, "", "Asthma."], batch_size=2))
    assert [len(doc.spans["codesuggest_terms"]) > 0 for doc in docs] == [True, False, True]


@pytest.mark.parametrize("missing", FACTORIES[:-1])
def test_a_component_without_the_one_before_it_raises(nlp, missing):
    broken = spacy.blank("en")
    for name in FACTORIES:
        if name != missing:
            broken.add_pipe(name)
    with pytest.raises(PrerequisiteError, match="CS202"):
        broken(TEXT)


def test_components_in_the_wrong_order_raise(nlp):
    broken = spacy.blank("en")
    for name in reversed(FACTORIES):
        broken.add_pipe(name)
    with pytest.raises(PrerequisiteError, match="CS202"):
        broken(TEXT)
