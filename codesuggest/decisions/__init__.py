"""What people decide about codes: an append-only log, and the training rows made from it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codesuggest.decisions.log import DecisionLog

__all__ = ["DecisionLog"]


def __getattr__(name: str) -> object:
    """Import the log when it is first asked for: SQLAlchemy takes longer to start than a note to read."""
    if name != "DecisionLog":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from codesuggest.decisions.log import DecisionLog

    return DecisionLog
