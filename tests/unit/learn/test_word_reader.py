import pytest

from codesuggest.learn.words import COMMA, LINE, SENTENCE, STEMMERS, WordReader, fold, word_hash


def test_words_keep_their_places():
    text = "Fiebre de 38,5 y tos."
    tokens = WordReader("es").read(text)
    assert [text[a:b] for a, b in zip(tokens.start, tokens.end, strict=True)] == ["Fiebre", "de", "38", "5", "y", "tos"]


def test_inflected_words_have_one_stem():
    reader = WordReader("es")
    assert len({reader.stem(w) for w in ("hepático", "hepática", "Hepáticos", "HEPATICAS")}) == 1


def test_a_language_without_a_stemmer_keeps_whole_words():
    assert WordReader("xx").stems("Zażółć gęślą") == ["zazołc", "gesla"]


def test_scripts_without_blanks_are_read_by_the_character():
    assert WordReader("zh").stems("急性肺炎 CT") == ["急", "性", "肺", "炎", "ct"]


def test_what_stands_before_a_word_is_kept():
    before = WordReader("en").read("Cough, fever. No rash\nWell").before.tolist()
    assert before == [LINE, COMMA, SENTENCE, 0, LINE]


def test_a_decimal_point_ends_no_sentence():
    assert WordReader("en").read("INR 2.5 today").before.tolist()[2] < SENTENCE


@pytest.mark.parametrize("language", sorted(STEMMERS))
def test_every_stemmer_named_exists(language):
    assert WordReader(language).stem("a") == "a" or language not in ("en", "es")


def test_folding_takes_case_and_accents():
    assert fold("ÁÑÜß") == "anuss"


def test_no_word_has_the_number_of_an_empty_place():
    assert word_hash("") != 0


def test_an_empty_text_has_no_words():
    assert len(WordReader("en").read(" \n ")) == 0
