"""Which charts an auditor looks at: drawn at random, or aimed at where errors cost most."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from codesuggest.audit.charts import Chart
from codesuggest.errors import ConfigError

__all__ = ["STRATEGIES", "Sampled", "sample"]

STRATEGIES = ("random", "low confidence", "high impact", "changed")


@dataclass(frozen=True, slots=True)
class Sampled:
    """A chart to audit, and why it.

    Parameters
    ----------
    encounter_id : str
    note_ids : tuple of str
    coder : str
        Leave it out of what a blinded auditor gets: `worksheet`.
    why : str
    probability : float or None
        Of being drawn, 0 to 1, for weighting a random sample back to all charts; None for a targeted one, which stands for itself.
    """

    encounter_id: str
    note_ids: tuple[str, ...]
    coder: str
    why: str
    probability: float | None

    def worksheet(self) -> dict[str, object]:
        """Return what a blinded auditor gets: the chart, without coder, codes or reason."""
        return {"encounter_id": self.encounter_id, "note_ids": list(self.note_ids), "who": "", "codes": []}


def sample(
    charts: Iterable[Chart],
    n: int,
    *,
    strategy: str = "random",
    per_coder: bool = False,
    coder: str | None = None,
    code: str | None = None,
    impact: Collection[str] | None = None,
    audited: bool = False,
    seed: int = 0,
) -> tuple[Sampled, ...]:
    """Choose charts to audit. The choice does not depend on their order, and a later draw with the same seed holds the earlier ones.

    Parameters
    ----------
    charts : iterable of Chart
    n : int, at least 1
        Charts, or charts of each coder with `per_coder`.
    strategy : {"random", "low confidence", "high impact", "changed"}
        ``low confidence``: the least probable accepted suggestion first. ``high impact``: most codes of `impact` first. ``changed``:
        most suggestions replaced, rejected or added first.
    per_coder : bool
        As many of every coder.
    coder : str, optional
        Only this coder's charts.
    code : str, optional
        Only charts with this code, or a code below it (``"E11"`` takes all of them).
    impact : collection of str, optional
        Codes that weigh, such as those of the CC and MCC lists; needed for ``high impact``. It chooses what is looked at, never
        what is coded.
    audited : bool
        Take charts that were audited before.
    seed : int

    Returns
    -------
    tuple of Sampled
        In the order to work through; fewer when there are not enough.

    Raises
    ------
    ConfigError
        CS720 when a setting is out of range.

    References
    ----------
    Random samples: simple, or stratified by coder, without replacement (Cochran, Sampling Techniques, 1977, chapters 2 and 5).
    """
    if n < 1 or strategy not in STRATEGIES or (strategy == "high impact" and not impact):
        raise ConfigError(
            "CS720",
            f"A sample of {n} charts by {strategy!r} {'without' if not impact else 'with'} codes that weigh cannot be drawn. Expected n of "
            f"at least 1, one of {', '.join(STRATEGIES)}, and a list of codes for 'high impact'. Change the settings.",
        )
    pool = [
        c
        for c in charts
        if (audited or c.audited_codes is None)
        and (coder is None or c.coder == coder)
        and (code is None or any(_is_below(f.code, code) for f in c.codes))
    ]
    strata: dict[str, list[Chart]] = defaultdict(list)
    for chart in pool:
        strata[chart.coder if per_coder else ""].append(chart)
    chosen = []
    for name in sorted(strata):
        group = sorted(strata[name], key=_order(strategy, frozenset(impact or ()), seed))[:n]
        share = len(group) / len(strata[name])
        chosen += [
            Sampled(c.encounter_id, c.note_ids, c.coder, _why(c, strategy, impact), share if strategy == "random" else None)
            for c in group
        ]
    return tuple(sorted(chosen, key=lambda s: _draw(s.encounter_id, seed)) if strategy == "random" else chosen)


def _draw(encounter_id: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{encounter_id}".encode()).digest()


def _order(strategy: str, impact: frozenset[str], seed: int) -> Callable[[Chart], tuple[float, bytes]]:
    def key(chart: Chart) -> tuple[float, bytes]:
        value = 0.0
        if strategy == "low confidence":
            value = 1.0 if chart.confidence is None else chart.confidence
        elif strategy == "high impact":
            value = -float(sum(c.code in impact for c in chart.codes))
        elif strategy == "changed":
            value = -float(_n_changed(chart))
        return value, _draw(chart.encounter_id, seed)

    return key


def _n_changed(chart: Chart) -> int:
    return sum(chart.decisions.get(action, 0) for action in ("reject", "replace", "add"))


def _why(chart: Chart, strategy: str, impact: Collection[str] | None) -> str:
    if strategy == "low confidence":
        return (
            "no accepted suggestion has a probability"
            if chart.confidence is None
            else f"least probability {chart.confidence:.2f}"
        )
    if strategy == "high impact":
        weighing: Sequence[str] = [c.code for c in chart.codes if c.code in (impact or ())]
        return f"codes that weigh: {', '.join(weighing)}" if weighing else "no code that weighs"
    if strategy == "changed":
        return f"{_n_changed(chart)} suggestions rejected, replaced or added to"
    return "drawn at random"


def _is_below(code: str, head: str) -> bool:
    return code.replace(".", "").startswith(head.upper().replace(".", ""))
