"""What a new release does to open charts, to a model's labels and to policies.

References
----------
CMS and CDC/NCHS: ICD-10-CM releases of 1 October and 1 April; the code set follows the date of discharge or service. What
changed, and where a deleted code may have gone, is worked out by `codesuggest.codes.changes`.
"""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from codesuggest.codes import Release, Releases, diff
from codesuggest.codes.changes import Successor
from codesuggest.codes.code import ICD10CM, without_dot
from codesuggest.edits.catalogue import Rule
from codesuggest.edits.index import places_of
from codesuggest.edits.policies import Policy
from codesuggest.errors import ConfigError, InputFormatError
from codesuggest.records import Finding

__all__ = ["RULES", "OpenCode", "day_text", "read_open_codes", "release_of", "report"]

_CITATION = "ICD-10-CM release in force on the date of discharge or service, CMS and CDC/NCHS"
GONE = Rule(
    "REL-01",
    "release",
    "error",
    "A code that the newer release does not hold.",
    _CITATION,
    "Recode services on or after its first day.",
)
SPLIT = Rule(
    "REL-02",
    "release",
    "error",
    "A code that the newer release divides and no longer lets be billed.",
    _CITATION,
    "Choose one of the codes below it for services on or after its first day.",
)
RETITLED = Rule(
    "REL-03", "release", "advice", "A code whose title changed.", _CITATION, "Check that it still says what the record says."
)
NEVER_WAS = Rule("REL-04", "release", "warning", "A code that neither release holds.", _CITATION, "Correct the code.")
POLICY = Rule(
    "REL-05",
    "release",
    "warning",
    "Codes of a policy that the newer release does not hold.",
    _CITATION,
    "Revise the policy before its next day of service.",
)
RULES = (GONE, SPLIT, RETITLED, NEVER_WAS, POLICY)


@dataclass(frozen=True, slots=True, order=True)
class OpenCode:
    """A code in use: where (a chart, a model, a list) and since when the service is, if that is known."""

    code: str
    where: str = ""
    on: dt.date | None = None


def read_open_codes(path: str | Path) -> tuple[OpenCode, ...]:
    """Read codes in use: a code in each line, or CSV with the columns code, and optionally chart (or note_id) and date.

    Raises
    ------
    InputFormatError
        CS433 when it cannot be read, holds no code, or a date is none.

    Examples
    --------
    >>> read_open_codes("open.csv")  # doctest: +SKIP
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = [[cell.strip() for cell in row] for row in csv.reader(stream) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{path.name!r} cannot be read: {type(error).__name__}. Expected a UTF-8 text file of codes. Check the path."
        raise InputFormatError("CS433", msg) from error
    head = [cell.casefold() for cell in rows[0]] if rows else []
    found = []
    has_head = "code" in head
    code_at = head.index("code") if has_head else 0
    where_at = next((head.index(n) for n in ("chart", "note_id", "claim_id", "where") if n in head), None)
    date_at = next((head.index(n) for n in ("date", "date_of_service", "service_date") if n in head), None)
    for number, row in enumerate(rows[has_head:], 1 + has_head):
        if code_at >= len(row) or not re.fullmatch(r"[A-Za-z][0-9A-Za-z.]{2,8}", row[code_at]):
            msg = f"Row {number} of {path.name!r} holds no code. Expected such as E11.65. Correct the file."
            raise InputFormatError("CS433", msg)
        text = row[date_at] if date_at is not None and date_at < len(row) else ""
        try:
            day = dt.date.fromisoformat(text) if text else None
        except ValueError as error:
            msg = f"Row {number} of {path.name!r} holds no date. Expected YYYY-MM-DD. Correct the file."
            raise InputFormatError("CS433", msg) from error
        where = row[where_at] if where_at is not None and where_at < len(row) else ""
        found.append(OpenCode(row[code_at].upper(), where, day))
    if not found:
        raise InputFormatError("CS433", f"{path.name!r} holds no code. Expected one in each line. Check the file.")
    return tuple(found)


def day_text(text: str) -> str:
    """Turn a fiscal year into its last day of service; leave anything else.

    Examples
    --------
    >>> day_text("2026"), day_text("2026-05-04")
    ('2026-09-30', '2026-05-04')
    """
    return f"{text}-09-30" if re.fullmatch(r"20\d\d", text) else text


def release_of(text: str, releases: Releases, system: str = ICD10CM) -> Release:
    """Open the release named by a fiscal year (``2026``), a date of service, or a folder.

    Examples
    --------
    >>> release_of("2026", Releases()).name
    'ICD-10-CM 2026-04-01'
    """
    try:
        day = dt.date.fromisoformat(day_text(text))
    except ValueError:
        return Release.open(text)
    return releases.on(day, system)


def _towards(successors: Sequence[Successor]) -> str:
    if not successors:
        return "nothing resembles it"
    return "perhaps " + ", ".join(f"{s.code} ({s.title})" for s in successors[:4])


def report(
    old: Release,
    new: Release,
    *,
    charts: Iterable[OpenCode] = (),
    labels: Iterable[str] = (),
    policies: Iterable[Policy] = (),
) -> tuple[Finding, ...]:
    """Say what the newer release does to codes in use.

    Parameters
    ----------
    old, new : Release
        Of ICD-10-CM, the older first.
    charts : iterable of OpenCode
        A code dated before the newer release's first day is not concerned, unless the older one had expired by then.
    labels : iterable of str
        Codes a model can suggest.
    policies : iterable of Policy

    Returns
    -------
    tuple of Finding
        In the order of severity, rule, code and place; empty when nothing in use changed.

    Raises
    ------
    ConfigError
        CS434 when the first release is the newer one.

    Examples
    --------
    >>> release = Releases().on(dt.date(2026, 5, 4))
    >>> report(release, release, charts=[OpenCode("I10")])
    ()
    """
    if new.effective < old.effective:
        msg = f"{old.name} is newer than {new.name}. Expected the older release first. Change their order."
        raise ConfigError("CS434", msg)
    changes = diff(old, new)
    deleted = {without_dot(c.code): c for c in changes.deleted}
    split = {without_dot(c.code): c for c in changes.became_header}
    retitled = {without_dot(c.code): c for c in changes.retitled}
    span = f"{old.name} to {new.name}"
    found: list[Finding] = []
    used = [(c.code, c.where, c.on) for c in charts] + [(code, "the model's labels", None) for code in labels]
    for code, where, day in used:
        if day is not None and day < new.effective and (old.expires is None or day <= old.expires):
            continue
        key, place = without_dot(code), f" in {where}" if where else ""
        if key in deleted:
            gone = deleted[key]
            message = f"{gone.code} ({gone.title}){place} is deleted: {_towards(gone.successors)}."
            found.append(GONE.finding((gone.code, *(s.code for s in gone.successors[:4])), message, release=span))
        elif key in split:
            header = split[key]
            message = f"{header.code} ({header.title}){place} is divided: {_towards(header.successors)}."
            found.append(SPLIT.finding((header.code, *(s.code for s in header.successors[:4])), message, release=span))
        elif key in retitled:
            new_name = retitled[key]
            message = f"{new_name.code}{place}: {new_name.old_title!r} is now {new_name.new_title!r}."
            found.append(RETITLED.finding((new_name.code,), message, release=span))
        elif code not in new:
            found.append(NEVER_WAS.finding((code,), f"{code}{place} is a code of neither release.", release=span))
    for policy in policies:
        for expression in sorted(policy.expressions()):
            places = places_of(old, expression)
            lost = [old.text(i) for i in places.nonzero()[0].tolist() if old.billable[i] and old.text(i) not in new]
            lost += [c for c in (h.code for h in changes.became_header) if places[old.index(c)]]
            if lost:
                shown = ", ".join(lost[:12]) + (" …" if len(lost) > 12 else "")
                found.append(
                    POLICY.finding(tuple(lost), f"The policy {policy.id} names codes that are gone: {shown}.", release=span)
                )
    rank = {"error": 0, "warning": 1, "advice": 2}
    return tuple(dict.fromkeys(sorted(found, key=lambda f: (rank[f.severity], f.rule_id, f.codes, f.message))))
