"""Runs the desk with uvicorn: on loopback, or elsewhere with TLS or behind a proxy that ends it.

Decision (2026-11): one process that answers and processes of their own that read notes. Fifty coders make some tens of requests a
second, of a few milliseconds each; more server processes would cost memory and win nothing on the machine this is for.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from asyncio import TimerHandle
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codesuggest.desk.settings import DeskSettings
from codesuggest.errors import ConfigError, PrerequisiteError

if TYPE_CHECKING:
    import uvicorn

__all__ = ["check_address", "make_server", "serve"]

_MAX_HEAD_BYTES = 32_768


def check_address(settings: DeskSettings) -> None:
    """Refuse to listen where others can reach the server in the clear.

    Raises
    ------
    ConfigError
        CS650 without TLS or a proxy on an address other than loopback; CS651 when certificate or key is missing.

    Examples
    --------
    >>> check_address(DeskSettings())
    >>> check_address(DeskSettings(host="0.0.0.0"))
    Traceback (most recent call last):
    codesuggest.errors.ConfigError: [CS650] The server would listen on '0.0.0.0' without TLS. ...
    """
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise ConfigError("CS651", "TLS has a certificate or a key, not both. Expected both files. Name the other one too.")
    for name, file in (("certificate", settings.tls_certificate), ("key", settings.tls_key)):
        if file is not None and not Path(file).is_file():
            raise ConfigError("CS651", f"The TLS {name} {file!r} is not a file. Expected one in PEM format. Check the path.")
    try:
        is_loopback = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        is_loopback = settings.host == "localhost"
    if not (is_loopback or settings.is_secure):
        raise ConfigError(
            "CS650",
            f"The server would listen on {settings.host!r} without TLS. Expected loopback, a certificate and key, or a proxy that ends TLS. "
            "Give --tls-certificate and --tls-key, or --behind-proxy.",
        )


def _protocol(seconds: float) -> type[asyncio.Protocol]:
    """HTTP/1.1 of uvicorn, which ends a connection whose client is too slow with the head of its request.

    A connection that is open and says nothing falls to uvicorn's keep-alive time only after its first answer; until then this does.
    """
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class TimedProtocol(H11Protocol):
        _head: TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - as uvicorn has it
            super().connection_made(transport)
            self._wait_for_head()

        def data_received(self, data: bytes) -> None:
            if self._head is None and (self.cycle is None or self.cycle.response_complete):
                self._wait_for_head()
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._head_is_here()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head_is_here()
            super().connection_lost(exc)

        def on_response_complete(self) -> None:
            self._head_is_here()
            super().on_response_complete()

        def _wait_for_head(self) -> None:
            self._head_is_here()
            self._head = asyncio.get_running_loop().call_later(seconds, self._too_slow)

        def _head_is_here(self) -> None:
            if self._head is not None:
                self._head.cancel()
                self._head = None

        def _too_slow(self) -> None:
            self._head = None
            if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
                self.transport.close()

    return TimedProtocol


def make_server(settings: DeskSettings) -> uvicorn.Server:
    """Make the server; ``run()`` it.

    Raises
    ------
    ConfigError
        As `check_address`.
    PrerequisiteError
        CS632 when the extra is not installed.
    """
    check_address(settings)
    try:
        import uvicorn

        from codesuggest.desk.app import create_app
    except ModuleNotFoundError as error:
        raise PrerequisiteError(
            "CS632",
            f"The desk needs the package {error.name}, which is not installed. Install it: pip install 'codesuggest[desk]'.",
        ) from error
    logging.getLogger("codesuggest.desk").setLevel(logging.INFO)
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        http=_protocol(settings.request_seconds),
        ws="none",
        access_log=False,  # the guard writes a line a request, without query strings
        server_header=False,
        proxy_headers=settings.behind_proxy,
        forwarded_allow_ips=list(settings.trusted_proxies),
        limit_concurrency=settings.connections,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
        backlog=256,
    )
    return uvicorn.Server(config)


def serve(settings: DeskSettings, **changes: Any) -> None:  # noqa: ANN401 - fields of the settings
    """Run the desk until it is told to stop.

    Parameters
    ----------
    settings : DeskSettings
    changes
        Fields that differ.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.WARNING)
    make_server(replace(settings, **changes)).run()
