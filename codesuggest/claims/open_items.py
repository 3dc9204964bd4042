"""What keeps a chart from becoming a claim, each item in words that say what to do."""

from __future__ import annotations

from dataclasses import dataclass

from codesuggest.claims.chart import FinishedChart, claim_of
from codesuggest.edits.engine import Tables, check, default_tables
from codesuggest.errors import CodesuggestError
from codesuggest.records import Finding

__all__ = ["OpenItem", "UnfinishedChartError", "open_items", "require_finished"]

_POA = ("Y", "N", "U", "W", "1")
MAX_POINTERS = 4
MAX_MODIFIERS = 4


@dataclass(frozen=True, slots=True)
class OpenItem:
    """Something that is open.

    Parameters
    ----------
    kind : {"not finished", "open", "query", "no date", "no principal diagnosis", "poa", "pointer", "modifier", "edit"}
    words : str
        What is open and what would settle it. No text of the note.
    code : str
        The code it is about; may be empty.
    """

    kind: str
    words: str
    code: str = ""


class UnfinishedChartError(CodesuggestError, RuntimeError):
    """The chart is not finished; `items` names what is open."""

    exit_code = 5
    status = 409

    def __init__(self, encounter_id: str, items: tuple[OpenItem, ...]) -> None:
        words = "\n".join(f"  - {item.words}" for item in items)
        super().__init__(
            "CS662",
            f"The chart {encounter_id!r} is not finished: {len(items)} open. Expected a chart that a person finished, with nothing open. "
            f"Settle these first:\n{words}",
        )
        self.items = items


def open_items(chart: FinishedChart, *, tables: Tables | None = None) -> tuple[OpenItem, ...]:
    """Name what is open in a chart.

    Parameters
    ----------
    chart : FinishedChart
    tables : Tables, optional
        What the edits compare the claim with; those of the date of service that come with the library without it.

    Returns
    -------
    tuple of OpenItem
        Empty for a chart that may be handed to billing. Of the edits only errors count, and not those that a person let stand
        with a reason.

    Raises
    ------
    NoReleaseError
        CS103 when no release of the codes is in force on the date of service.

    Examples
    --------
    >>> [item.kind for item in open_items(FinishedChart("E1"))]
    ['not finished', 'no principal diagnosis', 'no date']
    """
    found = [OpenItem("open", words) for words in chart.open_items]
    if chart.finished_at is None or not chart.finished_by:
        found.append(OpenItem("not finished", "nobody finished the chart: who and when are not recorded"))
    found += [
        OpenItem("query", f"query {q.query_id} ({q.topic or 'no topic'}) is {q.status}") for q in chart.queries if q.is_open
    ]
    if not chart.diagnoses:
        what = "principal" if chart.is_inpatient else "first-listed"
        found.append(OpenItem("no principal diagnosis", f"there is no {what} diagnosis: no ICD-10-CM code stands"))
    day = chart.date_of_service
    if day is None:
        what = "discharge date: the stay has not ended" if chart.setting == "inpatient" else "date of service"
        found.append(OpenItem("no date", f"there is no {what}"))
    found += _lines(chart)
    if day is None or not chart.diagnoses:
        return tuple(found)
    tables = tables or default_tables(day)
    if chart.is_inpatient:
        found += _poa(chart, tables)
    missing = {item.code for item in found if item.kind == "poa"}
    for finding in check(claim_of(chart), on=day, tables=tables):
        if finding.severity != "error" or _is_acknowledged(chart, finding):
            continue
        if finding.rule_id.startswith("POA-") and missing & set(finding.codes):
            continue  # named above
        found.append(
            OpenItem("edit", f"{finding.rule_id}: {finding.message} {finding.resolution}".strip(), " ".join(finding.codes))
        )
    return tuple(found)


def _poa(chart: FinishedChart, tables: Tables) -> list[OpenItem]:
    day = chart.date_of_service
    if day is None:
        return []
    exempt, unsure, _, _, _ = tables.poa_on(day)
    found = []
    for d in chart.diagnoses:
        facts = tables.index.facts(d.code)
        if d.poa is None and facts.i >= 0 and not facts.mask & (exempt | unsure):
            found.append(OpenItem("poa", f"{d.code} has no POA indicator and is not exempt", d.code))
        elif d.poa is not None and d.poa not in _POA:
            found.append(OpenItem("poa", f"{d.code} has a POA indicator that is none: expected Y, N, U, W or 1", d.code))
    return found


def _lines(chart: FinishedChart) -> list[OpenItem]:
    """Pointers and modifiers of service lines (837P, SV1: four of each)."""
    found = []
    n = len(chart.diagnoses)
    for number, p in enumerate(chart.procedures, 1):
        name = f"line {number} ({p.code})"
        if len(p.modifiers) > MAX_MODIFIERS:
            found.append(OpenItem("modifier", f"{name} has {len(p.modifiers)} modifiers; a line holds {MAX_MODIFIERS}", p.code))
        if p.system == "ICD-10-PCS":
            if not chart.is_institutional:
                found.append(
                    OpenItem("pointer", f"{name} is an ICD-10-PCS code; these are not billed on a professional claim", p.code)
                )
            continue
        wrong = [i for i in p.pointers if i > n]
        if wrong:
            found.append(OpenItem("pointer", f"{name} points to diagnosis {wrong[0]}, and there are {n}", p.code))
        if not chart.is_institutional:
            if len(set(p.pointers)) > MAX_POINTERS:
                words = f"{name} points to {len(set(p.pointers))} diagnoses; a line holds {MAX_POINTERS} pointers: choose them"
                found.append(OpenItem("pointer", words, p.code))
            elif not p.pointers and n > MAX_POINTERS:
                words = f"{name} does not say which of the {n} diagnoses justify it: give 1 to {MAX_POINTERS} pointers"
                found.append(OpenItem("pointer", words, p.code))
    return found


def _is_acknowledged(chart: FinishedChart, finding: Finding) -> bool:
    codes = {c.replace(".", "").upper() for c in finding.codes}
    return any(
        a.rule_id == finding.rule_id and a.reason.strip() and {c.replace(".", "").upper() for c in a.codes} == codes
        for a in chart.acknowledged
    )


def require_finished(chart: FinishedChart, *, tables: Tables | None = None) -> None:
    """Refuse a chart in which something is open.

    Raises
    ------
    UnfinishedChartError
        CS662, naming each open item.

    Examples
    --------
    >>> require_finished(FinishedChart("E1"))
    Traceback (most recent call last):
    codesuggest.claims.open_items.UnfinishedChartError: [CS662] The chart 'E1' is not finished: 3 open. ...
    """
    items = open_items(chart, tables=tables)
    if items:
        raise UnfinishedChartError(chart.encounter_id, items)
