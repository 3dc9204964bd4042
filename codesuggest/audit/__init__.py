"""Quality assurance of coding: samples, agreement, feedback, and the reports of the day's work, all from the decision log."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codesuggest.audit.agreement import Agreement, agree
    from codesuggest.audit.charts import Chart, charts_of
    from codesuggest.audit.feedback import Feedback, feedback_for
    from codesuggest.audit.sampling import Sampled, sample
    from codesuggest.audit.work import WorkReport, work_report

__all__ = [
    "Agreement",
    "Chart",
    "Feedback",
    "Sampled",
    "WorkReport",
    "agree",
    "charts_of",
    "feedback_for",
    "sample",
    "work_report",
]

_ROOMS = {
    "agreement": ("Agreement", "agree"),
    "charts": ("Chart", "charts_of"),
    "feedback": ("Feedback", "feedback_for"),
    "sampling": ("Sampled", "sample"),
    "work": ("WorkReport", "work_report"),
}


def __getattr__(name: str) -> object:
    """Import a part when it is first asked for: the command line starts without numpy and SQLAlchemy."""
    from importlib import import_module

    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"codesuggest.audit.{room}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
