"""HEAD is GET without the body, for every address: status and headers are those that a GET would have.

Next: `page_door.py`, which builds no page for it.
"""

from collections.abc import MutableMapping
from typing import Any

from viewer.security import App, Receive, Scope, Send

ASKED_BY_HEAD = "energy.head"


class Head:
    """ASGI middleware that asks the app for a GET and keeps the body back."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET", ASKED_BY_HEAD: True}, receive, without_body)
