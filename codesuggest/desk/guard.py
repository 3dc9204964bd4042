"""What stands before every request: host, size and time limits, who asks, CSRF, headers, metrics; and what stands behind every fault.

Decision (2026-11): one ASGI middleware of our own in the place of a stack of them. The order is what protects (nobody's body is read
before it is known who sends it), and it can be read here from top to bottom.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import re
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from anyio import to_thread

from codesuggest.desk.metrics import Metrics
from codesuggest.desk.people import Identity, People
from codesuggest.desk.settings import DeskSettings

__all__ = ["Guard", "cookie_name", "error_body", "fault_reference"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = logging.getLogger("codesuggest.desk")
_SAFE = ("GET", "HEAD", "OPTIONS")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LOGIN = "/api/v1/session"
_PUBLIC = ("/api/v1/health",)
_LOGIN_BYTES = 16_384
_HEAD_BYTES = 32_768
_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
_PLAIN_PATH = re.compile(r"[^A-Za-z0-9/._~-]")


def cookie_name(settings: DeskSettings) -> str:
    """Give the name of the session cookie; with TLS one that no other host or plain connection can set."""
    return "__Host-codesuggest" if settings.is_secure else "codesuggest_session"


def error_body(error_id: str, message: str, **more: Any) -> bytes:  # noqa: ANN401 - JSON values
    """Give the JSON of an error."""
    return json.dumps({"error": {"id": error_id, "message": message}, **more}).encode()


def fault_reference(error: BaseException) -> tuple[str, str]:
    """Give the reference of a fault of the program, and the places it passed: no message, which may hold text of a note."""
    package = Path(__file__).parent.parent
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if Path(f.filename).is_relative_to(package)] or frames[-3:]
    places = " > ".join(f"{Path(f.filename).name}:{f.lineno}" for f in own[-5:])
    return hashlib.sha256(f"{type(error).__name__} {places}".encode()).hexdigest()[:8], places


class _Refused(Exception):  # noqa: N818 - an answer, not an error of the program
    def __init__(self, status: int, error_id: str, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(error_id)
        self.status, self.error_id, self.message, self.headers = status, error_id, message, headers


class Guard:
    """ASGI middleware.

    Parameters
    ----------
    app : callable
    settings : DeskSettings
    people : People
    metrics : Metrics
    """

    def __init__(self, app: ASGIApp, *, settings: DeskSettings, people: People, metrics: Metrics) -> None:
        self.app = app
        self.settings = settings
        self.people = people
        self.metrics = metrics
        self.cookie = cookie_name(settings)
        self.hosts = {*_LOOPBACK, *(h.casefold() for h in settings.allowed_hosts)}
        if settings.host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            self.hosts.add(settings.host.casefold())
        self.headers: tuple[tuple[bytes, bytes], ...] = _HEADERS
        if settings.is_secure:
            self.headers = (*_HEADERS, (b"strict-transport-security", b"max-age=31536000; includeSubDomains"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        begun = time.perf_counter()
        started = False
        status = 500
        is_static = scope["path"].startswith("/static/")

        async def send_guarded(message: Message) -> None:
            nonlocal started, status
            if message["type"] == "http.response.start":
                started, status = True, message["status"]
                own = {name for name, _ in message["headers"]}
                extra = [h for h in self.headers if h[0] not in own]
                if b"cache-control" not in own:
                    extra.append((b"cache-control", b"no-cache" if is_static else b"no-store"))
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        try:
            try:
                replay = await self._admit(scope, receive, is_static=is_static)
                await self.app(scope, replay, send_guarded)
            except _Refused as refused:
                await _answer(send_guarded, refused.status, error_body(refused.error_id, refused.message), refused.headers)
            except Exception as error:
                reference, places = fault_reference(error)
                _log.error("fault %s: %s at %s", reference, type(error).__name__, places)
                if started:
                    raise _broken_off() from None
                message = (
                    f"The server failed (reference {reference}). This is a fault of the program. Report it with the reference."
                )
                await _answer(send_guarded, 500, error_body("CS600", message))
        finally:
            route = scope.get("route")
            template = getattr(route, "path", None) or ("/static" if is_static else "other")
            seconds = time.perf_counter() - begun
            self.metrics.request(scope["method"], template, status, seconds)
            if not is_static:
                who = scope.get("state", {}).get("identity")
                path = _PLAIN_PATH.sub("?", scope["path"])[:120]
                _log.info("%s %s %d %.0f ms %s", scope["method"], path, status, seconds * 1000, who.user if who else "-")

    async def _admit(self, scope: Scope, receive: Receive, *, is_static: bool) -> Receive:
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, value)
        if sum(len(name) + len(value) for name, value in scope["headers"]) > _HEAD_BYTES:
            raise _Refused(
                431, "CS609", f"The head of the request is larger than {_HEAD_BYTES:,} bytes. Expected less. Send fewer cookies."
            )
        self._check_host(headers)
        path, method = scope["path"], scope["method"]
        scope.setdefault("state", {})["identity"] = None
        if is_static or path in _PUBLIC:
            return await self._body(scope, receive, headers, 0 if is_static else _LOGIN_BYTES)
        identity, by_cookie = await self._identify(scope, headers)
        scope["state"]["identity"] = identity
        is_login = path == _LOGIN and method == "POST"
        if identity is None and not is_login and (path.startswith("/api/") or path == "/metrics"):
            raise _Refused(
                401,
                "CS601",
                "Nobody is logged in, or the token is not valid (any more). Expected a session or a bearer token. Log in, or get a new token.",
                ((b"www-authenticate", b'Bearer realm="codesuggest"'),),
            )
        if method not in _SAFE and (by_cookie or is_login):
            self._check_origin(headers, scope)
            if by_cookie and not is_login and identity is not None:
                sent = headers.get(b"x-csrf-token", b"")
                if not hmac.compare_digest(sent, identity.csrf_token.encode()):
                    raise _Refused(
                        403,
                        "CS603",
                        "The CSRF token is missing or wrong. Expected that of the session, as X-CSRF-Token. Load the page again.",
                    )
        limit = self.settings.batch_bytes if path == "/api/v1/batch" else self.settings.body_bytes
        return await self._body(scope, receive, headers, _LOGIN_BYTES if identity is None else limit)

    def _check_host(self, headers: dict[bytes, bytes]) -> None:
        host = headers.get(b"host", b"").decode("latin-1").casefold()
        name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
        if name not in self.hosts:
            raise _Refused(
                400,
                "CS606",
                "The Host header is not one of this server. Expected its name. Add it to allowed_hosts in the settings.",
            )

    def _check_origin(self, headers: dict[bytes, bytes], scope: Scope) -> None:
        site = headers.get(b"sec-fetch-site", b"")
        origin = headers.get(b"origin")
        is_other = (
            origin is not None
            and urlsplit(origin.decode("latin-1")).netloc.casefold() != headers.get(b"host", b"").decode("latin-1").casefold()
        )
        if site in (b"cross-site", b"same-site") or is_other:
            raise _Refused(
                403, "CS603", "The request comes from another site. Expected one from the desk's own page. Load the page again."
            )

    async def _identify(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[Identity | None, bool]:
        """Say who asks, and whether a cookie says so; a bearer token that is not valid is not made up for by a cookie."""
        client = scope.get("client")
        address = client[0] if client else ""
        given = headers.get(b"authorization")
        if given is not None:
            scheme, _, token = given.decode("latin-1").partition(" ")
            if scheme.casefold() != "bearer" or not token.strip():
                return None, False
            return await to_thread.run_sync(self.people.of_token, token.strip()[:200], address), False
        raw = headers.get(b"cookie")
        if raw is None:
            return None, False
        try:
            cookies: SimpleCookie = SimpleCookie(raw.decode("latin-1")[:8192])
        except CookieError:
            return None, False
        if self.cookie not in cookies:
            return None, False
        key = cookies[self.cookie].value[:200]
        scope["state"]["session_key"] = key
        return await to_thread.run_sync(self.people.of_session, key, address), True

    async def _body(self, scope: Scope, receive: Receive, headers: dict[bytes, bytes], limit: int) -> Receive:
        """Read the request's body, within its limits, and give it to the application in one piece."""
        try:
            declared = int(headers.get(b"content-length", b"0"))
        except ValueError:
            declared = 0
        if declared > limit:
            raise _too_large(limit)
        parts: list[bytes] = []
        size = 0
        more = True
        try:
            async with asyncio.timeout(self.settings.request_seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        break
                    chunk = message.get("body", b"")
                    size += len(chunk)
                    if size > limit:
                        raise _too_large(limit)
                    parts.append(chunk)
                    more = message.get("more_body", False)
        except TimeoutError:
            raise _Refused(
                408,
                "CS608",
                f"The request took longer than {self.settings.request_seconds:g} seconds to arrive. Send it again, faster.",
                ((b"connection", b"close"),),
            ) from None
        body = b"".join(parts)
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        return replay


def _too_large(limit: int) -> _Refused:
    message = f"The request is larger than {limit:,} bytes. Expected less. Send smaller parts."
    return _Refused(413, "CS607", message, ((b"connection", b"close"),))


def _broken_off() -> RuntimeError:
    return RuntimeError("the answer was broken off")


async def _answer(send: Send, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    own = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": own})
    await send({"type": "http.response.body", "body": body})
