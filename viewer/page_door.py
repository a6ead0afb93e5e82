"""How many pages are built at a time: a flood of requests for pages leaves room for everybody else.

A page costs a session, a document and what its panels read, long before a browser shows it. So few are built at once,
clients take turns (`api/gate.py`), and each client may have a dozen pages that no browser has drawn yet. Who asks for
more gets a small page that comes again by itself: a browser that opens twenty tabs at once shows all of them, some a
little later. Next: `app.py` composes, `shell.py` opens the session.
"""

import secrets
import time
from collections.abc import Callable, MutableMapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qs

import panel as pn
from starlette.responses import HTMLResponse, Response

from viewer.api.errors import Overloaded, TooManyRequests
from viewer.api.gate import Gate
from viewer.head import ASKED_BY_HEAD
from viewer.security import App, Receive, Scope, Send
from viewer.texts import LANGUAGES, Texts

PATH = "/"
RETRY_S = 3
BUILDING, UNSEEN_PER_CLIENT, UNSEEN, PATIENCE_S = 2, 12, 48, 10.0
_LANG_OF_TEMPLATE = b'<html lang="en"'
_client: ContextVar[str] = ContextVar("client of a page", default="")
_BUSY = """<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="refresh" content="{seconds}"><meta name="viewport" content="width=device-width"></head>
<body style="font-family:Roboto,system-ui,sans-serif;margin:15vh auto;max-width:34em;padding:0 1em;color:#22272c">
<h1 style="font-size:1.3em">{title}</h1><p>{text}</p></body></html>"""


class Pages:
    """Pages that are being built, and those that no browser has drawn yet, per client. Lives in the event loop."""

    def __init__(
        self,
        lifetime_s: float,
        building: int = BUILDING,
        per_client: int = UNSEEN_PER_CLIENT,
        most: int = UNSEEN,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.gate = Gate(building, per_client, most, PATIENCE_S)
        self._lifetime_s, self._per_client, self._most, self._clock = lifetime_s, per_client, most, clock
        self._unseen: dict[str, tuple[str, float]] = {}

    def room_for(self, client: str) -> bool:
        """Return whether `client` may have another page."""
        now = self._clock()
        self._unseen = {k: v for k, v in self._unseen.items() if now - v[1] < self._lifetime_s}
        own = sum(who == client for who, _ in self._unseen.values())
        return own < self._per_client and len(self._unseen) < self._most

    def opened(self, session: str, client: str) -> None:
        """Note that a page was built for `client`."""
        self._unseen[session] = (client, self._clock())

    def seen(self, session: str) -> None:
        """Note that a browser has drawn the page, or that its session has ended."""
        self._unseen.pop(session, None)

    def follow(self) -> None:
        """Follow the page that is being built, from now until a browser has drawn it."""
        session = pn.state.curdoc.session_context.id
        self.opened(session, _client.get())
        pn.state.onload(lambda: self.seen(session))
        pn.state.on_session_destroyed(lambda _context: self.seen(session))


class PageDoor:
    """ASGI middleware in front of the pages; everything else passes."""

    def __init__(self, app: App, pages: Callable[[], Pages], early_files: bytes = b"") -> None:
        self._app, self._pages, self._early_files = app, pages, early_files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Build the page when it is its turn, then send it; a slow reader holds up nobody."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        lang = _language(scope)
        if scope.get(ASKED_BY_HEAD):
            await Response(media_type="text/html; charset=utf-8")(scope, receive, send)
            return
        try:
            messages = await self._built(scope, receive)
        except (TooManyRequests, Overloaded):
            await _busy(lang)(scope, receive, send)
            return
        for message in messages:
            if message["type"] == "http.response.start" and self._early_files:
                message["headers"] = [*message["headers"], (b"link", self._early_files)]
            if "body" in message:  # as long as before, so that the length in the head stays true
                message["body"] = message["body"].replace(_LANG_OF_TEMPLATE, f'<html lang="{lang}"'.encode(), 1)
            await send(message)

    async def _built(self, scope: Scope, receive: Receive) -> list[MutableMapping[str, Any]]:
        pages, client = self._pages(), scope["client"][0] if scope.get("client") else ""
        if not pages.room_for(client):
            raise TooManyRequests("too many pages of this client wait for their browser")
        messages: list[MutableMapping[str, Any]] = []

        async def keep(message: MutableMapping[str, Any]) -> None:
            messages.append(message)

        async with pages.gate.turn(client):
            if not pages.room_for(client):
                raise TooManyRequests("too many pages of this client wait for their browser")
            known, place = _client.set(client), secrets.token_hex(8)
            pages.opened(place, client)  # counts while it is built; then its session does
            try:
                await self._app(scope, receive, keep)
            finally:
                pages.seen(place)
                _client.reset(known)
        return messages


def _language(scope: Scope) -> str:
    """Return the language that the address asks for; the first where it names none."""
    wanted = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("lang", [""])[-1]
    return wanted if wanted in LANGUAGES else LANGUAGES[0]


def _busy(lang: str) -> Response:
    t = Texts(lang)
    page = _BUSY.format(lang=lang, title=t("busy.title"), text=t("busy.text", seconds=RETRY_S), seconds=RETRY_S)
    return HTMLResponse(page, 503, headers={"retry-after": str(RETRY_S), "cache-control": "no-store"})
