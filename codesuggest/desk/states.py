"""The states of a chart and what may happen in each.

::

    imported ─► assigned ─► in_progress ─► finished ─► audit ─► in_audit ─► audited
       ▲            │          │    ▲                   (sampled)
       └─ release ──┴──────────┤    └── resume, answer
                               ├─► on_hold
                               └─► query_open

A finished or audited chart may be returned to its coder. What is not in the table does not happen.
"""

from __future__ import annotations

from codesuggest.desk.errors import StateError

__all__ = ["OPEN_TO_AUDITORS", "OPEN_TO_CODERS", "STATES", "TRANSITIONS", "after", "stage_of"]

STATES: tuple[str, ...] = (
    "imported",
    "assigned",
    "in_progress",
    "on_hold",
    "query_open",
    "finished",
    "audit",
    "in_audit",
    "audited",
)
TRANSITIONS: dict[tuple[str, str], str] = {
    ("imported", "claim"): "in_progress",
    ("imported", "assign"): "assigned",
    ("assigned", "assign"): "assigned",
    ("assigned", "claim"): "in_progress",
    ("assigned", "open"): "in_progress",
    ("assigned", "hold"): "on_hold",
    ("assigned", "release"): "imported",
    ("assigned", "skip"): "imported",
    ("in_progress", "open"): "in_progress",
    ("in_progress", "claim"): "in_progress",
    ("in_progress", "assign"): "assigned",
    ("in_progress", "release"): "imported",
    ("in_progress", "skip"): "imported",
    ("in_progress", "hold"): "on_hold",
    ("in_progress", "send query"): "query_open",
    ("in_progress", "finish"): "finished",
    ("in_progress", "sample"): "audit",
    ("on_hold", "resume"): "in_progress",
    ("on_hold", "release"): "imported",
    ("on_hold", "assign"): "assigned",
    ("query_open", "resume"): "in_progress",
    ("query_open", "send query"): "query_open",
    ("query_open", "answer"): "assigned",
    ("query_open", "release"): "imported",
    ("query_open", "assign"): "assigned",
    ("finished", "return"): "assigned",
    ("finished", "sample"): "audit",
    ("audit", "claim"): "in_audit",
    ("audit", "assign"): "in_audit",
    ("audit", "return"): "assigned",
    ("in_audit", "open"): "in_audit",
    ("in_audit", "claim"): "in_audit",
    ("in_audit", "assign"): "in_audit",
    ("in_audit", "release"): "audit",
    ("in_audit", "skip"): "audit",
    ("in_audit", "return"): "assigned",
    ("in_audit", "finish"): "audited",
    ("audited", "return"): "assigned",
}
OPEN_TO_CODERS: tuple[str, ...] = ("imported", "assigned", "in_progress", "on_hold", "query_open")
OPEN_TO_AUDITORS: tuple[str, ...] = ("audit", "in_audit")


def after(state: str, what: str) -> str:
    """Give the state that follows.

    Raises
    ------
    StateError
        CS611 when it may not happen in this state.

    Examples
    --------
    >>> after("imported", "claim")
    'in_progress'
    """
    found = TRANSITIONS.get((state, what))
    if found is None:
        allowed = ", ".join(sorted({w for s, w in TRANSITIONS if s == state})) or "nothing"
        raise StateError(
            "CS611",
            f"The chart is {state.replace('_', ' ')}, where {what!r} cannot happen. Expected {allowed}. Look at the chart again.",
        )
    return found


def stage_of(state: str) -> str:
    """Say whose pass it is: "coder" or "audit".

    Examples
    --------
    >>> stage_of("in_audit")
    'audit'
    """
    return "audit" if state in ("audit", "in_audit", "audited") else "coder"
