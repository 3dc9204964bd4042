"""Errors of the desk: what the HTTP API answers with when a person or a program may not, or is too late."""

from __future__ import annotations

from typing import Any

from codesuggest.errors import CodesuggestError

__all__ = [
    "DeskError",
    "ForbiddenError",
    "LoginError",
    "MissingChartError",
    "OpenItemsError",
    "RequestError",
    "StateError",
    "TooManyTriesError",
]


class DeskError(CodesuggestError, RuntimeError):
    """Base of the desk's errors; `more` stands beside ``error`` in the answer, `headers` in its head."""

    exit_code = 5
    status = 400

    def __init__(
        self, error_id: str, message: str, *, more: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(error_id, message)
        self.more = more or {}
        self.headers = headers or {}

    __str__ = CodesuggestError.__str__


class LoginError(DeskError):
    """Nobody is logged in, or the name, password or token is wrong."""

    status = 401


class ForbiddenError(DeskError):
    """The role may not do this, or the CSRF token is wrong."""

    status = 403


class MissingChartError(DeskError):
    """No such chart, query, batch or user, or not this person's."""

    exit_code = 3
    status = 404


class StateError(DeskError):
    """The chart's state does not allow it, or somebody else was quicker."""

    status = 409


class OpenItemsError(DeskError):
    """A chart cannot be finished: something is open."""

    status = 409


class TooManyTriesError(DeskError):
    """Too many failed log-ins."""

    status = 429


class RequestError(DeskError):
    """A request that cannot be taken: too large, too slow, wrong host, old revision."""

    def __init__(self, error_id: str, message: str, *, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(error_id, message, headers=headers)
        self.status = status
