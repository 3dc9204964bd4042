"""How far a coder and an auditor agree on the codes of the same charts."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesuggest.audit.charts import Chart
from codesuggest.errors import ConfigError
from codesuggest.learn import metrics
from codesuggest.learn.evaluate import as_json
from codesuggest.learn.resampling import Interval, Measure, bootstrap

__all__ = ["Agreement", "CodeAgreement", "Disagreement", "agree", "kappa"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A code on which coder and auditor differ.

    Parameters
    ----------
    encounter_id, coder, auditor : str
    kind : {"missed", "not supported", "other code", "principal", "POA"}
        ``missed``: the auditor's alone. ``not supported``: the coder's alone. ``other code``: each has another code of the same
        category. ``principal``: both have the sequence, and it begins otherwise.
    coded, audited : str
        The coder's and the auditor's code (or POA); empty when there is none.
    reason : str
        The auditor's words.
    """

    encounter_id: str
    coder: str
    auditor: str
    kind: str
    coded: str
    audited: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CodeAgreement:
    """Agreement on one code.

    Parameters
    ----------
    code : str
    n_both, n_coder, n_auditor : int
        Charts on which both gave it; the coder alone; the auditor alone.
    kappa : float
        Over all charts; NaN when both gave it always or never.
    """

    code: str
    n_both: int
    n_coder: int
    n_auditor: int
    kappa: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """Coder against auditor on charts that both coded.

    Parameters
    ----------
    name : str
        Of the coder, or "all".
    n_charts, n_coded, n_audited, n_both : int
        Charts; the coder's codes; the auditor's; those that both gave.
    precision, recall, f1 : Interval
        Of the coder, the auditor's word being right; over all codes of all charts (micro).
    three_f1 : Interval
        The same at three characters.
    kappa : Interval
        Cohen's, over the table of charts by codes that either gave anywhere. With many codes the empty cells carry it close to F1.
    n_principal, n_principal_right : int
        Charts with a sequence from both, and with the same principal diagnosis: counted apart.
    n_poa, n_poa_right : int
        Codes with a POA indicator from both, and the same one.
    by_code : tuple of CodeAgreement
        Codes with a disagreement, most first.
    disagreements : tuple of Disagreement
    level : float
        Of the intervals.
    """

    name: str
    n_charts: int
    n_coded: int
    n_audited: int
    n_both: int
    precision: Interval
    recall: Interval
    f1: Interval
    three_f1: Interval
    kappa: Interval
    n_principal: int
    n_principal_right: int
    n_poa: int
    n_poa_right: int
    by_code: tuple[CodeAgreement, ...]
    disagreements: tuple[Disagreement, ...]
    level: float

    @property
    def principal_accuracy(self) -> float:
        """Share of charts with the auditor's principal diagnosis, 0 to 1; NaN without any."""
        return self.n_principal_right / self.n_principal if self.n_principal else math.nan

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {"schema": 1, **{f.name: as_json(getattr(self, f.name)) for f in fields(self)}}


def kappa(both: float, first: float, second: float, neither: float) -> float:
    """Return Cohen's kappa of two raters who each say yes or no.

    Parameters
    ----------
    both, first, second, neither : float, at least 0
        Cases on which both said yes, only the first, only the second, and neither.

    Returns
    -------
    float in [-1, 1]
        NaN when both always said the same one thing.

    References
    ----------
    Cohen, A coefficient of agreement for nominal scales (1960).

    Examples
    --------
    >>> round(kappa(20, 5, 10, 15), 3)
    0.4
    """
    return float(_kappa(np.array([both]), np.array([first]), np.array([second]), np.array([neither]))[0])


def _kappa(both: Floats, first: Floats, second: Floats, neither: Floats) -> Floats:
    n = both + first + second + neither
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = (both + neither) / n
        chance = ((both + first) * (both + second) + (neither + second) * (neither + first)) / n**2
        result: Floats = np.where(chance < 1, (observed - chance) / (1 - chance), np.nan)
    return result


def agree(charts: Iterable[Chart], *, name: str = "all", n_draws: int = 1000, seed: int = 0, level: float = 0.95) -> Agreement:
    """Compare coder and auditor on the charts that were audited.

    Parameters
    ----------
    charts : iterable of Chart
        Those without an audit are passed over.
    name : str
    n_draws, seed, level
        Of the bootstrap over charts.

    Raises
    ------
    ConfigError
        CS721 when no chart was audited.
    """
    audited = [c for c in charts if c.audited_codes is not None]
    if not audited:
        raise ConfigError(
            "CS721", "No chart has an audit. Expected charts coded by both. Record the auditor's decisions, or give --second."
        )
    sets = [({f.code for f in c.codes}, {f.code for f in c.audited_codes or ()}) for c in audited]
    universe = set().union(*(a | b for a, b in sets))
    rows = np.array([[len(a & b), len(a - b), len(b - a)] for a, b in sets], np.float64)
    three = np.array([[len(a & b), len(a - b), len(b - a)] for a, b in ((_heads(a), _heads(b)) for a, b in sets)], np.float64)
    table = np.column_stack([rows, len(universe) - rows.sum(axis=1)])
    found = bootstrap(
        [
            Measure("precision", rows, metrics.precision),
            Measure("recall", rows, metrics.recall),
            Measure("f1", rows, metrics.f1),
            Measure("three_f1", three, metrics.f1),
            Measure("kappa", table, lambda sums: _kappa(*sums.T)),
        ],
        n_draws=n_draws,
        seed=seed,
        level=level,
    )
    disagreements = tuple(d for chart in audited for d in _disagreements(chart))
    principal = [(c.principal, c.audited_principal) for c in audited if c.principal and c.audited_principal]
    poa = [pair for c in audited for pair in _poa_pairs(c)]
    return Agreement(
        name,
        len(audited),
        sum(len(a) for a, _ in sets),
        sum(len(b) for _, b in sets),
        int(rows[:, 0].sum()),
        found["precision"],
        found["recall"],
        found["f1"],
        found["three_f1"],
        found["kappa"],
        len(principal),
        sum(a == b for a, b in principal),
        len(poa),
        sum(a == b for _, a, b in poa),
        _by_code(sets),
        disagreements,
        level,
    )


def _heads(codes: set[str]) -> set[str]:
    return {metrics.category(c) for c in codes}


def _by_code(sets: Sequence[tuple[set[str], set[str]]]) -> tuple[CodeAgreement, ...]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for coded, audited in sets:
        for code in coded | audited:
            counts[code]["both" if code in coded and code in audited else "coder" if code in coded else "auditor"] += 1
    made = []
    for code, c in counts.items():
        if c["coder"] or c["auditor"]:
            neither = len(sets) - c.total()
            made.append(
                CodeAgreement(code, c["both"], c["coder"], c["auditor"], kappa(c["both"], c["coder"], c["auditor"], neither))
            )
    return tuple(sorted(made, key=lambda c: (-(c.n_coder + c.n_auditor), c.code)))


def _poa_pairs(chart: Chart) -> list[tuple[str, str, str]]:
    mine = {c.code: c.poa for c in chart.codes}
    return [
        (c.code, str(mine[c.code]), c.poa)
        for c in chart.audited_codes or ()
        if c.poa is not None and mine.get(c.code) is not None
    ]


def _disagreements(chart: Chart) -> list[Disagreement]:
    coded, audited = [f.code for f in chart.codes], [f.code for f in chart.audited_codes or ()]
    extra, missing = [c for c in coded if c not in audited], [c for c in audited if c not in coded]
    reasons = {code: words for code, _, words in chart.reasons}
    made = []

    def note(kind: str, mine: str, theirs: str) -> None:
        reason = reasons.get(mine) or reasons.get(theirs) or ""
        made.append(Disagreement(chart.encounter_id, chart.coder, chart.auditor, kind, mine, theirs, reason))

    for code in extra:
        partner = next((c for c in missing if metrics.category(c) == metrics.category(code)), "")
        if partner:
            missing.remove(partner)
        note("other code" if partner else "not supported", code, partner)
    for code in missing:
        note("missed", "", code)
    if chart.principal and chart.audited_principal and chart.principal != chart.audited_principal:
        note("principal", chart.principal, chart.audited_principal)
    for code, a, b in _poa_pairs(chart):
        if a != b:
            note("POA", f"{code} {a}", f"{code} {b}")
    return made
