"""The guard in front of the server: who may talk to it, as pure ASGI.

A request with a foreign Host is refused (400), a websocket or form with a foreign Origin too (403); bokeh-fastapi
checks neither. HTTP Basic can be switched on by `ENERGY_VIEWER_USER` and `ENERGY_VIEWER_PASSWORD`; plain requests
may bring the API's token instead. Every answer carries headers that forbid framing and content guessing.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Bokeh makes functions of texts, Panel imports its components from blobs: scripts of other servers stay out, no more.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; frame-src 'self'; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
HOST = re.compile(r"(\[[0-9a-f:.]+\]|[0-9a-z._-]+)(?::[0-9]{1,5})?", re.IGNORECASE)
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class Guard:
    """ASGI middleware: Host and Origin allow-lists, optional Basic authentication, security headers."""

    def __init__(
        self, app: App, hosts: Iterable[str], credentials: tuple[str, str] | None = None, token: str | None = None
    ) -> None:
        self._app, self._hosts = app, {h.lower() for h in hosts}
        self._token = token.encode() if token else None
        self._expected = None if credentials is None else ":".join(credentials).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})
        else:
            await _refuse(send, *refusal)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        host = _host_of(headers.get("host", ""))
        if host not in self._hosts:
            return 400, "unknown host; start the viewer with this name as --host"
        origin = headers.get("origin")
        writes = scope["type"] == "websocket" or scope.get("method") not in SAFE_METHODS
        if writes and origin is not None and _host_and_port(origin) != headers["host"].lower():
            return 403, "foreign origin"
        if self._expected is None:
            return None
        given = headers.get("authorization", "")
        if self._authorised(given):
            scope["energy.user_known"] = True
            return None
        if scope["type"] == "http" and self._bears_token(given):
            return None
        return 401, "user and password needed"

    def _bears_token(self, header: str) -> bool:
        scheme, _, token = header.partition(" ")
        known = self._token is not None and scheme.lower() == "bearer"
        return known and hmac.compare_digest(token.strip().encode("latin-1"), self._token or b"")

    def _authorised(self, header: str) -> bool:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(token, validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(given, self._expected or b"")


def _host_of(header: str) -> str:
    """Return the name or address in a Host header, nothing where it is no host."""
    found = HOST.fullmatch(header.strip())
    return found[1].strip("[]").lower() if found else ""


def _host_and_port(origin: str) -> str:
    """Return host and port of an Origin header, nothing where it has none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # a bracket without its other
        return ""


def _with_headers(send: Send) -> Send:
    async def wrapped(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            present = {k.lower() for k, _ in message.get("headers", [])}
            message["headers"] = [*message.get("headers", []), *(h for h in HEADERS if h[0] not in present)]
        await send(message)

    return wrapped


async def _refuse(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="energy", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
