"""The word table: the same words as the tokenizer, and what is known of them, however often it forgets."""

import random

import pytest

from codesuggest.extract.tokens import tokenize
from codesuggest.extract.words import WordTable

LETTERS = "abZ1.2'’ _-\n\t,.;9.éİſß\u00a0\U0001f600٣²"


def number_of(low: str) -> tuple[int, int]:
    return len(low) - 2, ord(low[0]) % 1000


def texts() -> list[str]:
    rng = random.Random(7)  # noqa: S311 - awkward texts, not secrets
    return ["".join(rng.choice(LETTERS) for _ in range(rng.randrange(60))) for _ in range(2_000)]


def test_read_finds_the_words_of_the_tokenizer() -> None:
    table = WordTable(number_of)
    for text in texts():
        found, expected = table.read(text), tokenize(text)
        assert (found.starts, found.ends) == (expected.starts, expected.ends), text
        assert found.lowers == expected.lowers
        assert found.line_ends.tolist() == expected.line_ends.tolist()


def test_read_knows_every_word() -> None:
    table = WordTable(number_of)
    for text in texts():
        for tokens in (table.read(text), table.describe(tokenize(text))):
            assert list(zip(tokens.numbers.tolist(), tokens.flags.tolist(), strict=True)) == [number_of(w) for w in tokens.lowers]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A1c 7.2%", ["A1c", "7.2", "%"]),
        ("7.2mg", ["7.2", "mg"]),
        ("1.2.3 x", ["1.2.3", "x"]),
        ("3b.2", ["3b", ".", "2"]),
        ("x'2.5", ["x'2", ".", "5"]),
        ("7.2's", ["7.2", "'", "s"]),
        ("don't d'", ["don't", "d", "'"]),
        ("a_b", ["a", "_", "b"]),
        (" \n", []),
        ("", []),
    ],
)
def test_read_numbers_and_apostrophes(text: str, words: list[str]) -> None:
    assert WordTable(number_of).read(text).words == words == tokenize(text).words


def test_more_words_than_it_keeps() -> None:
    table = WordTable(number_of)
    for begin in range(0, 200_000, 20_000):
        tokens = table.read(" ".join(f"w{i}" for i in range(begin, begin + 20_000)))
        assert tokens.numbers.tolist() == [len(w) - 2 for w in tokens.lowers]
    assert len(table) <= 100_000


def test_words_of_any_length() -> None:
    text = "x" * 63 + " " + "x" * 64 + " " + "x" * 65 + " " + "x" * 5_000
    table = WordTable(number_of)
    for _ in range(2):
        assert table.read(text).numbers.tolist() == [61, 62, 63, 4_998]


def test_a_word_is_described_once() -> None:
    asked: list[str] = []

    def describe(low: str) -> tuple[int, int]:
        asked.append(low)
        return 1, 0

    table = WordTable(describe)
    table.read("Pain and pain.\nPAIN")
    table.read("pain and")
    assert asked == ["pain", "and", "."]
