import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codesuggest.codes import Code
from codesuggest.errors import InvalidCodeError

cm_texts = st.from_regex(r"[A-Z](?:[0-9][0-9A-Z]|A[0-9])[0-9A-Z]{0,4}", fullmatch=True)


@given(cm_texts)
def test_parse_of_the_printed_code_is_the_code(text):
    code = Code("ICD-10-CM", text)
    assert Code.parse(str(code)) == code
    assert Code.parse(f" {str(code).lower()}\t") == code


@given(st.text(max_size=12))
def test_parse_accepts_or_refuses_with_its_own_error(text):
    try:
        code = Code.parse(text)
    except InvalidCodeError:
        return
    assert Code.parse(str(code)) == code


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("e11.65", "E11.65"),
        ("E1165", "E11.65"),
        (" i10 ", "I10"),
        ("s72.001a", "S72.001A"),
        ("W19xxxA", "W19.XXXA"),
        ("O9A.11", "O9A.11"),
    ],
)
def test_parse_reads_what_people_write(text, printed):
    assert str(Code.parse(text)) == printed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "E1",
        "E1.165",
        "E11.",
        "E11.65.1",
        "E11 65",
        "E11.65123",
        "1E1",
        "E11.-",
        "E11.6é",
        "ſ72",
        "ı10",
        "I٠0",
        "HELLO",
        "E11\n.6",
    ],
)
def test_parse_refuses_what_is_no_icd10cm_code(text):
    with pytest.raises(InvalidCodeError, match=r"\[CS100\] Not an ICD-10-CM code"):
        Code.parse(text)


def test_parse_accepts_the_category_with_two_letters():
    assert str(Code.parse("qa00")) == "QA0.0"  # in the Tabular List since October 2025


@pytest.mark.parametrize(
    ("text", "system", "stored"),
    [("0dtj4zz", "ICD-10-PCS", "0DTJ4ZZ"), ("j1815", "HCPCS", "J1815"), ("99213", "CPT", "99213"), ("0001a", "CPT", "0001A")],
)
def test_parse_knows_the_other_systems(text, system, stored):
    code = Code.parse(text, system)
    assert (code.text, str(code)) == (stored, stored)


@pytest.mark.parametrize(
    ("text", "system"),
    [
        ("0DTI4ZZ", "ICD-10-PCS"),
        ("0DTO4ZZ", "ICD-10-PCS"),
        ("0DT", "ICD-10-PCS"),
        ("12345", "HCPCS"),
        ("J181", "HCPCS"),
        ("A0001", "CPT"),
    ],
)
def test_parse_refuses_wrong_formats_of_the_other_systems(text, system):
    with pytest.raises(InvalidCodeError):
        Code.parse(text, system)


def test_unknown_system_is_refused_with_the_known_ones():
    with pytest.raises(InvalidCodeError, match=r"CS101.*ICD-10-PCS"):
        Code.parse("E11", "ICD-9")


def test_error_shows_no_long_text():
    text = "Mr Example was admitted with chest pain"
    with pytest.raises(InvalidCodeError) as caught:
        Code.parse(text)
    assert "chest" not in str(caught.value)


def test_not_a_string_is_refused():
    with pytest.raises(InvalidCodeError):
        Code.parse(None)  # type: ignore[arg-type]


def test_codes_order_by_system_then_text():
    codes = [Code.parse("I10"), Code.parse("E11.9"), Code.parse("99213", "CPT"), Code.parse("E11")]
    assert [code.text for code in sorted(codes)] == ["99213", "E11", "E119", "I10"]


def test_codes_are_frozen_and_travel_between_processes():
    code = Code.parse("E11.65")
    with pytest.raises(AttributeError):
        code.text = "I10"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(code)) == code  # noqa: S301 - our own bytes
