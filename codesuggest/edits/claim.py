"""A coded encounter as the edits see it: plain, frozen, and the reader of its JSON.

The order of diagnoses is their ``sequence``, never their place in a tuple, so that the findings do not depend on how a
claim was put together.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from codesuggest.errors import InputFormatError
from codesuggest.records import SETTINGS

__all__ = ["DOCUMENTED_BY", "POA_VALUES", "Claim", "Diagnosis", "Procedure", "claim_from_dict", "claim_from_text", "read_claims"]

POA_VALUES = ("Y", "N", "U", "W", "1", "")
"""Present on admission: yes, no, unknown, clinically undetermined, exempt (1 or left empty)."""
DOCUMENTED_BY = ("provider", "clinician", "patient", "laboratory", "radiology", "pathology")
"""Who wrote what a diagnosis rests on; guideline I.B.14 lets clinicians other than the provider document a few things."""


def _refuse(error_id: str, problem: str, received: object, expected: str, remedy: str) -> InputFormatError:
    shown = repr(received)
    shown = shown if len(shown) <= 24 else f"{shown[:23]}…"
    return InputFormatError(error_id, f"{problem}: {shown}. Expected {expected}. {remedy}")


def _check_date(where: str, value: object) -> None:
    if value is not None and (not isinstance(value, dt.date) or isinstance(value, dt.datetime)):
        raise _refuse("CS401", f"{where} is no date", value, "datetime.date or None", "Give a date without a time.")


@dataclass(frozen=True, slots=True, order=True)
class Diagnosis:
    """One diagnosis of a claim.

    Parameters
    ----------
    sequence : int, from 1
        1 is the principal (inpatient) or first-listed (outpatient) diagnosis.
    code : str
        ICD-10-CM, with or without the dot. It need not exist: that is what the edits find out.
    poa : str
        One of `POA_VALUES`, or anything else, which the POA edits report; None where it was not collected.
    documented_by : str
        One of `DOCUMENTED_BY`.
    is_uncertain : bool
        Whether the record only says "probable", "suspected", "likely" or the like.

    Examples
    --------
    >>> Diagnosis(1, "I10").poa is None
    True
    """

    sequence: int
    code: str
    poa: str | None = None
    documented_by: str = "provider"
    is_uncertain: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.sequence, bool) or not isinstance(self.sequence, int) or self.sequence < 1:
            raise _refuse(
                "CS402", "The sequence of a diagnosis is wrong", self.sequence, "an int from 1", "Number the diagnoses."
            )
        if not isinstance(self.code, str) or not self.code.strip():
            raise _refuse("CS403", "A diagnosis has no code", self.code, "a code such as 'E11.65'", "Give the code.")
        if self.poa is not None and not isinstance(self.poa, str):
            raise _refuse("CS408", "The POA indicator of a diagnosis is no text", self.poa, "such as 'Y', or None", "Quote it.")
        if not isinstance(self.is_uncertain, bool):
            raise _refuse(
                "CS408", "is_uncertain of a diagnosis is no truth value", self.is_uncertain, "true or false", "Correct it."
            )
        if self.documented_by not in DOCUMENTED_BY:
            expected = f"one of {', '.join(DOCUMENTED_BY)}"
            raise _refuse("CS404", "Unknown source of a diagnosis", self.documented_by, expected, "Name one of these.")


@dataclass(frozen=True, slots=True, order=True)
class Procedure:
    """One service line, or one ICD-10-PCS procedure of a stay.

    Parameters
    ----------
    line : int, from 1
    code : str
        HCPCS Level II, CPT or ICD-10-PCS.
    modifiers : tuple of str
        In the order of the line.
    units : float
        Above 0.
    date : datetime.date or None
        Day of the service; None means the claim's date of service.
    pointers : tuple of int
        Sequences of the diagnoses that justify the line; empty means all.
    place_of_service : str
        Two digits, such as ``"11"``; may be empty.
    provider : str
        Who rendered it; bundling edits compare lines of one provider.

    Examples
    --------
    >>> Procedure(1, "G0101", ("25",)).units
    1
    """

    line: int
    code: str
    modifiers: tuple[str, ...] = ()
    units: float = 1
    date: dt.date | None = None
    pointers: tuple[int, ...] = ()
    place_of_service: str = ""
    provider: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.line, bool) or not isinstance(self.line, int) or self.line < 1:
            raise _refuse("CS402", "The line of a procedure is wrong", self.line, "an int from 1", "Number the lines.")
        if not isinstance(self.code, str) or not self.code.strip():
            raise _refuse("CS403", "A procedure has no code", self.code, "a code such as 'G0101'", "Give the code.")
        if isinstance(self.units, bool) or not isinstance(self.units, int | float) or not 0 < self.units < 1e9:
            raise _refuse("CS405", "Units of a procedure are wrong", self.units, "a number above 0", "Give the units billed.")
        if not all(isinstance(p, int) and not isinstance(p, bool) and p > 0 for p in self.pointers):
            expected = "sequences of diagnoses, each an int from 1"
            raise _refuse("CS408", "The pointers of a procedure are wrong", self.pointers, expected, "Correct the pointers.")
        for name in ("place_of_service", "provider"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise _refuse("CS408", f"{name} of a procedure is no text", value, "a text", "Quote it.")
        _check_date("The date of a procedure", self.date)


@dataclass(frozen=True, slots=True)
class Claim:
    """Everything the edits look at. Only diagnoses or procedures are needed; a rule that lacks a fact stays silent.

    Parameters
    ----------
    diagnoses : tuple of Diagnosis
    procedures : tuple of Procedure
    claim_id : str
        May appear in reports; never the patient's name.
    setting : str
        "inpatient", "outpatient", "professional" or "emergency".
    age_years : float or None
        On admission for a stay, else on the day of the service.
    sex : str or None
        "F", "M", "X" or None.
    admission_date, service_date, discharge_date : datetime.date or None
    discharge_status : str
        Two digits of the UB-04, such as ``"01"``; may be empty.
    payer, plan : str
    authorizations : tuple of str
        Procedure codes the payer has authorised.
    history : tuple of Procedure
        Services billed before, each with its date, for frequency limits.

    Examples
    --------
    >>> claim = Claim((Diagnosis(1, "I10"),), setting="outpatient", service_date=dt.date(2026, 5, 4))
    >>> claim.date_of_service
    datetime.date(2026, 5, 4)
    """

    diagnoses: tuple[Diagnosis, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    claim_id: str = ""
    setting: str = "outpatient"
    age_years: float | None = None
    sex: str | None = None
    admission_date: dt.date | None = None
    service_date: dt.date | None = None
    discharge_date: dt.date | None = None
    discharge_status: str = ""
    payer: str = ""
    plan: str = ""
    authorizations: tuple[str, ...] = ()
    history: tuple[Procedure, ...] = ()

    def __post_init__(self) -> None:
        if self.setting not in SETTINGS:
            expected = f"one of {', '.join(SETTINGS)}"
            raise _refuse("CS406", "Unknown setting of a claim", self.setting, expected, "Name one of these.")
        sequences = [d.sequence for d in self.diagnoses]
        if len(set(sequences)) != len(sequences):
            raise _refuse("CS407", "Two diagnoses have one sequence", sorted(sequences), "different numbers", "Number them anew.")
        for name in ("admission_date", "service_date", "discharge_date"):
            _check_date(name, getattr(self, name))
        if self.admission_date and self.discharge_date and self.discharge_date < self.admission_date:
            problem = f"The discharge is before the admission on {self.admission_date}"
            raise _refuse("CS401", problem, self.discharge_date.isoformat(), "a day from the admission on", "Correct the dates.")

    @property
    def date_of_service(self) -> dt.date | None:
        """The discharge date for a stay, else the day of the service; it chooses every table."""
        if self.setting == "inpatient":
            return self.discharge_date or self.service_date or self.admission_date
        return self.service_date or self.discharge_date or self.admission_date


def _date(where: str, value: object) -> dt.date | None:
    if value is None or value == "":
        return None
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError as error:
        raise _refuse("CS401", f"{where} is no date", value, "YYYY-MM-DD", "Correct the date.") from error


def _keys(where: str, row: object, allowed: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(row, Mapping):
        raise _refuse("CS408", f"{where} is not an object", type(row).__name__, "a JSON object", "Correct the claim.")
    unknown = sorted(str(k) for k in row if k not in allowed)
    if unknown:
        raise _refuse("CS409", f"{where} has an unknown key", unknown[0], f"some of {', '.join(allowed)}", "Correct the key.")
    return row


def _rows(name: str, value: object) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, list | tuple):
        raise _refuse("CS408", f"{name} is not a list", type(value).__name__, "a list", "Correct the claim.")
    return list(value)


_DIAGNOSIS_KEYS = tuple(f.name for f in fields(Diagnosis))
_PROCEDURE_KEYS = tuple(f.name for f in fields(Procedure))
_CLAIM_KEYS = (*(f.name for f in fields(Claim)), "codes")


def _diagnosis(number: int, row: object) -> Diagnosis:
    if isinstance(row, str):
        return Diagnosis(number, row)
    given = dict(_keys(f"Diagnosis {number}", row, _DIAGNOSIS_KEYS))
    return Diagnosis(**{"sequence": number, "code": "", **given})


def _procedure(number: int, row: object) -> Procedure:
    if isinstance(row, str):
        return Procedure(number, row)
    given = dict(_keys(f"Procedure {number}", row, _PROCEDURE_KEYS))
    for name in ("modifiers", "pointers"):
        given[name] = tuple(_rows(f"{name} of procedure {number}", given.get(name)))
    if not all(isinstance(m, str) for m in given["modifiers"]):
        raise _refuse("CS408", f"A modifier of procedure {number} is no text", given["modifiers"], "texts", "Quote it.")
    given["date"] = _date(f"date of procedure {number}", given.get("date"))
    return Procedure(**{"line": number, "code": "", **given})


def claim_from_dict(row: Mapping[str, Any]) -> Claim:
    """Make a claim of a JSON object.

    Parameters
    ----------
    row : mapping
        The fields of `Claim`. Diagnoses and procedures may be objects or bare codes; without ``sequence`` their place in the
        list counts. ``codes`` is short for diagnoses that are bare codes. Dates are ``YYYY-MM-DD``.

    Returns
    -------
    Claim

    Raises
    ------
    InputFormatError
        CS401 to CS409, naming the field.

    Examples
    --------
    >>> claim = claim_from_dict({"codes": ["I10"], "setting": "professional", "service_date": "2026-05-04"})
    >>> claim.diagnoses[0].code, claim.service_date.year
    ('I10', 2026)
    """
    given = dict(_keys("The claim", row, _CLAIM_KEYS))
    if "codes" in given and "diagnoses" in given:
        raise _refuse("CS409", "A claim has both codes and diagnoses", "codes", "one of them", "Leave one out.")
    listed = _rows("diagnoses", given.pop("diagnoses", given.pop("codes", None)))
    given["diagnoses"] = tuple(_diagnosis(i, d) for i, d in enumerate(listed, 1))
    for name in ("procedures", "history"):
        given[name] = tuple(_procedure(i, p) for i, p in enumerate(_rows(name, given.get(name)), 1))
    given["authorizations"] = tuple(str(a) for a in _rows("authorizations", given.get("authorizations")))
    for name in ("admission_date", "service_date", "discharge_date"):
        given[name] = _date(name, given.get(name))
    age = given.get("age_years")
    if age is not None and (isinstance(age, bool) or not isinstance(age, int | float) or not math.isfinite(age)):
        raise _refuse("CS408", "age_years is no number", age, "a number of years or null", "Correct the age.")
    for name in ("claim_id", "setting", "sex", "discharge_status", "payer", "plan"):
        value = given.get(name)
        if value is not None and not isinstance(value, str):
            raise _refuse("CS408", f"{name} is no text", value, "a text", "Quote it.")
        if value is None and name != "sex":
            given.pop(name, None)
    return Claim(**given)


def claim_from_text(text: str) -> Claim:
    """Make a claim of one line, as the examples of rules and policies are written.

    Diagnoses stand in sequence: ``CODE``, ``CODE/POA``, with ``?`` behind it when uncertain and ``@laboratory`` when not the
    provider's. Procedures begin with ``+``: ``+G0101-25-59*2`` is two units with two modifiers; ``#2`` behind it points to
    diagnosis 2 and ``@2026-05-04`` gives its day. ``name=value`` sets a field of the claim.

    Raises
    ------
    InputFormatError
        As `claim_from_dict`.

    Examples
    --------
    >>> claim = claim_from_text("I11.0 I50.23/Y +G0101-25*2#1 setting=inpatient age_years=71 sex=F")
    >>> claim.diagnoses[1].poa, claim.procedures[0].modifiers, claim.procedures[0].units, claim.age_years
    ('Y', ('25',), 2.0, 71.0)
    """
    row: dict[str, Any] = {"diagnoses": [], "procedures": []}
    for token in text.split():
        name, equals, value = token.partition("=")
        if equals:
            if name == "age_years":
                row[name] = _number(name, value)
            elif name == "authorizations":
                row[name] = value.split(",")
            elif name == "history":
                row[name] = [_line_of(part) for part in value.split(",")]
            else:
                row[name] = value
        elif token.startswith("+"):
            row["procedures"].append(_line_of(token[1:]))
        else:
            token, _, source = token.partition("@")
            uncertain = token.endswith("?")
            code, slash, poa = token.removesuffix("?").partition("/")
            row["diagnoses"].append(
                {
                    "code": code,
                    "poa": poa if slash else None,
                    "is_uncertain": uncertain,
                    "documented_by": source or "provider",
                }
            )
    return claim_from_dict(row)


def _number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise _refuse("CS408", f"{name} is no number", value, "a number", "Correct it.") from error


def _line_of(token: str) -> dict[str, Any]:
    token, _, day = token.partition("@")
    token, _, pointers = token.partition("#")
    token, _, units = token.partition("*")
    code, *modifiers = token.split("-")
    return {
        "code": code,
        "modifiers": modifiers,
        "units": _number("units", units) if units else 1,
        "date": day or None,
        "pointers": [int(p) for p in pointers.split("#") if p.isdecimal()],
    }


def read_claims(path: str | Path) -> Iterator[Claim]:
    """Read claims from a JSON file (an object or a list of them) or from JSON lines, one at a time.

    Raises
    ------
    InputFormatError
        CS410 when the file cannot be read or is not JSON, with the line; CS401 to CS409 for a claim, with its number.

    Examples
    --------
    >>> list(read_claims("claims.jsonl"))  # doctest: +SKIP
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _refuse(
            "CS410", "A file of claims cannot be read", path.name or str(path), "a UTF-8 text file", "Check the path."
        ) from error
    if not text.strip():
        raise _refuse(
            "CS410", f"{path.name!r} holds no claim", "", "a JSON object, a list of them, or JSON lines", "Check the path."
        )
    rows: Iterator[tuple[int, Any]]
    try:
        whole = json.loads(text)
    except ValueError:
        rows = _json_lines(path, text)
    else:
        rows = iter(enumerate(whole if isinstance(whole, list) else [whole], 1))
    for number, row in rows:
        try:
            claim = claim_from_dict(row)
        except InputFormatError as error:
            raise InputFormatError(error.error_id, f"Claim {number} of {path.name!r}: {error.message}") from error
        yield claim


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                problem = f"Line {number} of {path.name!r} is not JSON"
                raise _refuse("CS410", problem, type(error).__name__, "a JSON object a line", "Correct the line.") from error
            yield number, row
