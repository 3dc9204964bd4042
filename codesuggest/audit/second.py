"""A second coding made without sight of the first: read it, set it beside the coder's, and put the auditor's word into the log."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from codesuggest.audit.charts import Chart
from codesuggest.decisions import DecisionLog
from codesuggest.decisions.log import normal_code
from codesuggest.errors import CodesuggestError, InputFormatError
from codesuggest.records import Decision, FinalCode, Review

__all__ = ["SecondCoding", "beside", "read_second", "record_second"]


@dataclass(frozen=True, slots=True)
class SecondCoding:
    """An auditor's codes for a chart.

    Parameters
    ----------
    encounter_id : str
    who : str
    codes : tuple of FinalCode
        In sequence.
    reason : str
    """

    encounter_id: str
    who: str
    codes: tuple[FinalCode, ...]
    reason: str = ""


def read_second(path: Path | str) -> tuple[SecondCoding, ...]:
    """Read a worksheet that was filled in: JSON lines with encounter_id, who and codes.

    A code is a text (``"I50.23"``) or an object with code, and optionally system and poa.

    Raises
    ------
    InputFormatError
        CS723 with the line that cannot be read.
    """
    made = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            codes = tuple(_code(c) for c in row["codes"])
            encounter_id, who = str(row["encounter_id"]), str(row["who"])
            if not encounter_id or not who:
                raise ValueError("encounter_id and who")
        except (ValueError, KeyError, TypeError, AttributeError, CodesuggestError) as error:
            what = error.message if isinstance(error, CodesuggestError) else type(error).__name__
            raise InputFormatError(
                "CS723",
                f"{Path(path).name}, line {number}: {what}. Expected a JSON object with encounter_id, who (the auditor) and codes, a list "
                "of codes in sequence. Mend the line.",
            ) from error
        made.append(SecondCoding(encounter_id, who, codes, str(row.get("reason", ""))))
    return tuple(made)


def _code(value: str | Mapping[str, str]) -> FinalCode:
    if isinstance(value, str):
        return FinalCode(normal_code(value))
    system = value.get("system", "ICD-10-CM")
    return FinalCode(normal_code(value["code"], system), system, value.get("poa"))


def beside(charts: Iterable[Chart], second: Iterable[SecondCoding]) -> tuple[tuple[Chart, ...], tuple[str, ...]]:
    """Set second codings beside the coder's.

    Returns
    -------
    charts : tuple of Chart
        Those with a second coding, as audited by it.
    unknown : tuple of str
        Encounters of second codings that no coder finished.
    """
    known = {c.encounter_id: c for c in charts}
    found = []
    unknown = []
    for s in second:
        chart = known.get(s.encounter_id)
        if chart is None:
            unknown.append(s.encounter_id)
        else:
            found.append(dataclasses.replace(chart, auditor=s.who, audited_codes=s.codes))
    return tuple(found), tuple(unknown)


def record_second(
    log: DecisionLog, charts: Iterable[Chart], second: Iterable[SecondCoding], *, when: dt.datetime | None = None
) -> int:
    """Put the auditor's word into the log: a review of the audit, and a decision about every code of either.

    Recording the same second coding again adds nothing.

    Parameters
    ----------
    log : DecisionLog
    charts : iterable of Chart
        As the coders finished them.
    second : iterable of SecondCoding
        Those of unknown encounters are passed over; see `beside`.
    when : datetime.datetime, UTC, optional
        Now without it.

    Returns
    -------
    int
        Events that were new.
    """
    moment = when or dt.datetime.now(dt.UTC)
    known = {c.encounter_id: c for c in charts}
    n = 0
    for s in second:
        chart = known.get(s.encounter_id)
        if chart is None:
            continue
        earlier = {r.event_id for r in log.reviews(encounter_id=s.encounter_id)}
        review_id = _event_id("review", s)
        if review_id in earlier:
            continue
        note_id = chart.note_ids[0] if chart.note_ids else chart.encounter_id
        coded = {(c.system, c.code): c for c in chart.codes}
        audited = {(c.system, c.code): c for c in s.codes}
        made: list[Decision | Review] = []
        for key in dict.fromkeys([*coded, *audited]):
            action = "accept" if key in coded and key in audited else "reject" if key in coded else "add"
            made.append(
                Decision(
                    note_id,
                    key[1],
                    action,
                    "audit",
                    s.who,
                    moment,
                    system=key[0],
                    encounter_id=s.encounter_id,
                    reason=s.reason,
                    event_id=_event_id(f"{key[0]} {key[1]}", s),
                )
            )
        made.append(
            Review(
                s.encounter_id, chart.note_ids or (note_id,), "audit", s.who, moment, moment, codes=s.codes, event_id=review_id
            )
        )
        n += log.record(*made, revises=None)
    return n


def _event_id(what: str, s: SecondCoding) -> str:
    content = json.dumps([what, s.encounter_id, s.who, [[c.system, c.code, c.poa] for c in s.codes]])
    return "second-" + hashlib.sha256(content.encode()).hexdigest()[:32]
