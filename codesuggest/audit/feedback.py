"""What a coder is told after an audit: how the codes stood, what to look at again, on which charts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from codesuggest.audit.agreement import Agreement, Disagreement, agree
from codesuggest.audit.charts import Chart
from codesuggest.errors import ConfigError
from codesuggest.learn.evaluate import as_json

__all__ = ["Feedback", "Pattern", "feedback_for", "feedback_markdown"]

_N_CHARTS = 5
_WORDS = {
    "missed": "documented, not coded",
    "not supported": "coded, not supported",
    "other code": "another code of the category",
    "principal": "another principal diagnosis",
    "POA": "another POA indicator",
}


@dataclass(frozen=True, slots=True)
class Pattern:
    """A disagreement that came up, perhaps more than once.

    Parameters
    ----------
    kind : {"missed", "not supported", "other code", "principal", "POA"}
    coded, audited : str
        The coder's and the auditor's code; empty when there is none.
    n : int
    encounter_ids : tuple of str
        At most five, to look up.
    reasons : tuple of str
        The auditor's words, each once.
    """

    kind: str
    coded: str
    audited: str
    n: int
    encounter_ids: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Feedback:
    """One coder's audit.

    Parameters
    ----------
    agreement : Agreement
        Of this coder.
    peers : Agreement
        Of all audited charts, this coder's among them.
    patterns : tuple of Pattern
        Most frequent first.
    """

    agreement: Agreement
    peers: Agreement
    patterns: tuple[Pattern, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {"schema": 1, **{f.name: as_json(getattr(self, f.name)) for f in fields(self)}}


def feedback_for(charts: Iterable[Chart], coder: str, *, n_draws: int = 1000, seed: int = 0) -> Feedback:
    """Gather what the audits say about one coder.

    Parameters
    ----------
    charts : iterable of Chart
        Of all coders; those that were not audited are passed over.
    coder : str
    n_draws, seed
        Of the intervals.

    Raises
    ------
    ConfigError
        CS722 when no chart of this coder was audited.
    """
    audited = [c for c in charts if c.audited_codes is not None]
    own = [c for c in audited if c.coder == coder]
    if not own:
        known = sorted({c.coder for c in audited})
        raise ConfigError(
            "CS722",
            f"No chart of the coder {coder!r} was audited. Expected one of: {', '.join(known[:20]) or 'none at all'}. Check the name, or "
            "the time asked for.",
        )
    agreement = agree(own, name=coder, n_draws=n_draws, seed=seed)
    groups: dict[tuple[str, str, str], list[Disagreement]] = defaultdict(list)
    for d in agreement.disagreements:
        groups[d.kind, d.coded, d.audited].append(d)
    patterns = [
        Pattern(
            kind,
            coded,
            theirs,
            len(found),
            tuple(d.encounter_id for d in found[:_N_CHARTS]),
            tuple(dict.fromkeys(d.reason for d in found if d.reason)),
        )
        for (kind, coded, theirs), found in groups.items()
    ]
    patterns.sort(key=lambda p: (-p.n, p.kind != "principal", p.kind, p.coded, p.audited))
    return Feedback(agreement, agree(audited, n_draws=n_draws, seed=seed), tuple(patterns))


def feedback_markdown(made: Feedback, *, titles: Mapping[str, str] | None = None, n_patterns: int = 20) -> str:
    """Return the feedback as a page of Markdown that can be sent as it is.

    Parameters
    ----------
    made : Feedback
    titles : mapping of str to str, optional
        Titles of the codes.
    n_patterns : int
        Disagreements shown.
    """
    a, peers, known = made.agreement, made.peers, titles or {}
    lines = [
        f"# Coding feedback for {a.name}",
        "",
        f"{a.n_charts} audited charts, {a.n_coded} codes given, {a.n_audited} by the auditor, {a.n_both} the same.",
        "",
        "| | you | 95 % interval | all coders |",
        "|---|---|---|---|",
    ]
    for label, mine, theirs in (
        ("Precision (codes that stood)", a.precision, peers.precision),
        ("Recall (codes that were found)", a.recall, peers.recall),
        ("F1", a.f1, peers.f1),
        ("Kappa", a.kappa, peers.kappa),
    ):
        lines.append(f"| {label} | {mine.value:.2f} | {mine.low:.2f} to {mine.high:.2f} | {theirs.value:.2f} |")
    if a.n_principal:
        share = f"{peers.principal_accuracy:.2f}" if peers.n_principal else ""
        lines.append(
            f"| Principal diagnosis | {a.principal_accuracy:.2f} | {a.n_principal_right} of {a.n_principal} charts | {share} |"
        )
    if a.n_poa:
        lines.append(f"| POA indicators | {a.n_poa_right / a.n_poa:.2f} | {a.n_poa_right} of {a.n_poa} codes | |")
    lines += (
        ["", "## To look at again", ""]
        if made.patterns
        else ["", "Nothing to look at again: the auditor gave the same codes.", ""]
    )
    for p in made.patterns[:n_patterns]:
        codes = " → ".join(f"**{code}** {known.get(code, '')}".strip() for code in (p.coded, p.audited) if code)
        lines.append(f"- {_WORDS[p.kind]}: {codes} ({p.n} time{'s' if p.n > 1 else ''}; {', '.join(p.encounter_ids)})")
        lines += [f"  - {reason}" for reason in p.reasons[:3]]
    if len(made.patterns) > n_patterns:
        lines.append(f"- … and {len(made.patterns) - n_patterns} more")
    return "\n".join(lines) + "\n"
