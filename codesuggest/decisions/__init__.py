"""What people decide about codes: an append-only log, and the training rows made from it."""

from codesuggest.decisions.log import DecisionLog

__all__ = ["DecisionLog"]
