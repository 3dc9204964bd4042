"""Settings of the desk, read from the table ``[desk]`` of a TOML file.

::

    [desk]
    session_idle_minutes = 30

    [desk.worklist.weights]
    deadline = 40.0

    [desk.worklist.filing_limit_days]
    medicare = 365
    "blue plan" = 180
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Gt, Le

from codesuggest.config import STRICT, read_settings

__all__ = ["DeskSettings", "Weights", "WorklistSettings", "read_desk_settings"]

_Share = Annotated[float, Ge(0), Le(1)]
_Weight = Annotated[float, Ge(0), Le(1000)]
_Count = Annotated[int, Ge(1)]


@dataclass(frozen=True, slots=True)
class Weights:
    """Most points that each component of the worklist's score can give; 0 leaves it out.

    Examples
    --------
    >>> Weights().deadline
    30.0
    """

    __pydantic_config__ = STRICT

    deadline: _Weight = 30.0
    ageing: _Weight = 20.0
    urgency: _Weight = 10.0
    impact: _Weight = 10.0
    complexity: _Weight = 10.0
    uncertainty: _Weight = 10.0
    queries: _Weight = 10.0


@dataclass(frozen=True, slots=True)
class WorklistSettings:
    """How the queue is ordered and how long charts are kept for a person.

    Parameters
    ----------
    weights : Weights
    filing_limit_days : mapping of str to int
        Payer (small letters) to days from the date of service until a claim must be filed. Medicare: one calendar year (42 CFR 424.44).
    default_filing_limit_days : int
        For every other payer.
    deadline_window_days : int
        From so many days before the limit the points begin to rise.
    ageing_full_days : int
        Days since discharge after which ageing has all its points.
    complexity_full_words, complexity_full_documents : int
        Length of a chart that has all the points of complexity.
    uncertainty_full_codes : int
        Codes near the threshold for all the points of uncertainty.
    lease_minutes : int
        How long a claimed chart is kept for its coder without a sign of life.
    skip_hours : int
        How long a skipped chart is not offered again to the one who skipped it.
    audit_share : float in [0, 1]
        Share of finished charts that go to an auditor.
    audit_seed : str
        Which ones: a hash of it and the encounter.

    Examples
    --------
    >>> WorklistSettings().filing_limit_days["medicare"]
    365
    """

    __pydantic_config__ = STRICT

    weights: Weights = field(default_factory=Weights)
    filing_limit_days: Mapping[str, _Count] = field(default_factory=lambda: {"medicare": 365})
    default_filing_limit_days: _Count = 90
    deadline_window_days: _Count = 45
    ageing_full_days: _Count = 30
    complexity_full_words: _Count = 10_000
    complexity_full_documents: _Count = 8
    uncertainty_full_codes: _Count = 10
    lease_minutes: _Count = 120
    skip_hours: _Count = 8
    audit_share: _Share = 0.05
    audit_seed: str = "audit-1"


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """Everything a desk is run with.

    Parameters
    ----------
    database : str
        A file (SQLite) or ``postgresql://USER@HOST/NAME``.
    model : str or None
        Model folder; the default model without it.
    workers : int
        Processes that read notes.
    suggest_seconds : float
        Longest time for one note.
    host, port
        Where the server listens.
    tls_certificate, tls_key : str or None
        Files; the server needs them on an address other people can reach.
    behind_proxy : bool
        A proxy in front of the server ends TLS: the server may listen in the clear, and cookies are marked secure.
    trusted_proxies : tuple of str
        Addresses whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed.
    allowed_hosts : tuple of str
        Names by which the server may be called, beside loopback.
    body_bytes, batch_bytes : int
        Largest request; largest batch.
    request_seconds : float
        Longest time a client may take to send its request.
    connections : int
        Most at once; further ones are told 503.
    session_idle_minutes, session_hours : int
        A session ends after so long without a request, and after so long at all.
    login_tries, login_minutes : int
        Failed log-ins of one name from one address within so many minutes, after which further ones are refused.
    batch_keep_days : int
        Finished batches are deleted after so long.
    threads : int
        Requests that are worked on at once.
    cc_levels, cc_groups, cc_version : str or None
        CC and MCC table (`codesuggest.edits.drg.read_cc_table`), for the worklist's impact alone.
    worklist : WorklistSettings

    Examples
    --------
    >>> DeskSettings().host
    '127.0.0.1'
    """

    __pydantic_config__ = STRICT

    database: str = "codesuggest.sqlite"
    model: str | None = None
    workers: Annotated[int, Ge(1), Le(64)] = 1
    suggest_seconds: Annotated[float, Gt(0), Le(600)] = 30.0
    host: str = "127.0.0.1"
    port: Annotated[int, Ge(0), Le(65535)] = 8765
    tls_certificate: str | None = None
    tls_key: str | None = None
    behind_proxy: bool = False
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    allowed_hosts: tuple[str, ...] = ()
    body_bytes: Annotated[int, Ge(1024)] = 2_000_000
    batch_bytes: Annotated[int, Ge(1024)] = 32_000_000
    request_seconds: Annotated[float, Gt(0), Le(600)] = 15.0
    connections: Annotated[int, Ge(8)] = 1000
    session_idle_minutes: _Count = 30
    session_hours: _Count = 12
    login_tries: _Count = 5
    login_minutes: _Count = 5
    batch_keep_days: _Count = 7
    threads: Annotated[int, Ge(1), Le(200)] = 12
    cc_levels: str | None = None
    cc_groups: str | None = None
    cc_version: str = ""
    worklist: WorklistSettings = field(default_factory=WorklistSettings)

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach the server by TLS, and so cookies are for TLS alone."""
        return self.behind_proxy or self.tls_certificate is not None


def read_desk_settings(path: str | Path | None = None) -> DeskSettings:
    """Read the settings of the desk; the defaults without a file. Raises as `codesuggest.config.read_settings`.

    Examples
    --------
    >>> read_desk_settings().port
    8765
    """
    return read_settings(path, "desk", DeskSettings)
