"""Codes as values: parse, print and order them. Format only; whether a code exists is a `Release`'s question.

Codes are stored without the dot and shown with it, after the third character of an ICD-10-CM code.

References
----------
ICD-10-CM Official Guidelines for Coding and Reporting, section I.A.2 (format and structure) and I.A.4–5 (placeholder X,
seventh characters). ICD-10-PCS Official Guidelines A1 and A3 (seven characters; the letters I and O are not used). CMS
HCPCS Level II coding procedures (a letter and four digits). The category QA0, in the releases since October 2025, is the
first whose second character is a letter, so the format admits ``A`` and a digit after the first letter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from codesuggest.errors import InvalidCodeError

__all__ = ["CPT", "HCPCS", "ICD10CM", "ICD10PCS", "SYSTEMS", "Code"]

ICD10CM = "ICD-10-CM"
ICD10PCS = "ICD-10-PCS"
HCPCS = "HCPCS"
CPT = "CPT"

_FORMATS: dict[str, tuple[re.Pattern[str], str]] = {
    ICD10CM: (
        re.compile(r"[A-Z](?:[0-9][0-9A-Z]|A[0-9])[0-9A-Z]{0,4}"),
        "a letter, two more characters and up to four after the dot, such as I10 or E11.65",
    ),
    ICD10PCS: (
        re.compile(r"[0-9A-HJ-NP-Z]{7}"),
        "seven characters, digits and letters but I and O, such as 0DTJ4ZZ",
    ),
    HCPCS: (re.compile(r"[A-Z][0-9]{4}"), "a letter and four digits, such as J1815"),
    CPT: (re.compile(r"[0-9]{4}[0-9A-Z]"), "five digits, or four digits and a letter"),
}
SYSTEMS = tuple(_FORMATS)
"""Names of the code systems, as they stand in `Code.system`."""

_DOTTED = re.compile(r"([0-9A-Z]{3})\.([0-9A-Z]+)")
_SHOWN_CHARACTERS = 16


def shown(value: object) -> str:
    """Give a value as an error message may show it: quoted and short, so that no note text gets in."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS + 2 else f"{text[:_SHOWN_CHARACTERS]}…{text[0]}"


def without_dot(text: str, system: str = ICD10CM) -> str:
    """Bring a code text to the stored form without judging it: no blanks around, capitals, no dot in its place.

    A text that cannot be brought to the form comes back as it was, so that the look-up or the format check refuses it.
    """
    bare = text.strip()
    if not bare.isascii():  # str.upper would turn a dotless i into I, and a long s into S
        return text
    bare = bare.upper()
    match = _DOTTED.fullmatch(bare) if system == ICD10CM else None
    return match[1] + match[2] if match else bare


def with_dot(text: str, system: str = ICD10CM) -> str:
    """Print a stored code as it is written: ``E1165`` becomes ``E11.65``."""
    return f"{text[:3]}.{text[3:]}" if system == ICD10CM and len(text) > 3 else text


@dataclass(frozen=True, slots=True, order=True)
class Code:
    """A code of one code system, in the right format. It need not exist in any release.

    Parameters
    ----------
    system : str
        One of `SYSTEMS`: ``"ICD-10-CM"``, ``"ICD-10-PCS"``, ``"HCPCS"``, ``"CPT"``.
    text : str
        The code without the dot, in capitals: 3 to 7 characters for ICD-10-CM, 7 for ICD-10-PCS, 5 for the others.

    Raises
    ------
    InvalidCodeError
        If the system is not known (CS101) or the text has not its format (CS100).

    Notes
    -----
    Codes order by system, then by text: the order of the official files.

    References
    ----------
    ICD-10-CM Official Guidelines, section I.A.2. See the module.

    Examples
    --------
    >>> Code("ICD-10-CM", "E1165")
    Code(system='ICD-10-CM', text='E1165')
    >>> sorted([Code.parse("I10"), Code.parse("E11.9")])[0].text
    'E119'
    """

    system: str
    text: str

    def __post_init__(self) -> None:
        if self.system not in _FORMATS:
            known = ", ".join(SYSTEMS)
            msg = f"Unknown code system: {shown(self.system)}. Expected one of {known}. Name one of these."
            raise InvalidCodeError("CS101", msg)
        pattern, description = _FORMATS[self.system]
        if not isinstance(self.text, str) or not pattern.fullmatch(self.text):
            msg = f"Not an {self.system} code: {shown(self.text)}. Expected {description}. Correct the code."
            raise InvalidCodeError("CS100", msg)

    @classmethod
    def parse(cls, text: str, system: str = ICD10CM) -> Self:
        """Read a code as people write it: with or without the dot, in any case, with blanks around.

        Parameters
        ----------
        text : str
            The code. A dot is accepted only after the third character of an ICD-10-CM code.
        system : str
            One of `SYSTEMS`.

        Returns
        -------
        Code
            The code in its stored form.

        Raises
        ------
        InvalidCodeError
            If the text has not the format of the system (CS100), or the system is not known (CS101).

        Examples
        --------
        >>> Code.parse(" e11.65 ").text
        'E1165'
        >>> str(Code.parse("0dtj4zz", "ICD-10-PCS"))
        '0DTJ4ZZ'
        """
        return cls(system, without_dot(text, system) if isinstance(text, str) else text)

    def __str__(self) -> str:
        return with_dot(self.text, self.system)

    @property
    def category(self) -> str:
        """The first three characters, the category of an ICD-10-CM code.

        Examples
        --------
        >>> Code.parse("E11.65").category
        'E11'
        """
        return self.text[:3]
