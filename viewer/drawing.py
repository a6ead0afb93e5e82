"""What the server has to tell a browser that is drawing the document waits at the socket until that is drawn.

A browser that has got the document draws it for some tenths of a second, and a change that comes meanwhile meets half
of it (Bokeh 3.9). Here its messages are kept back, in their order, and sent when the browser says that it is ready, so
that the server can make the next panel meanwhile. And messages leave one after the other: bokeh-fastapi 0.1 sends the
parts of each by themselves, so that those of two can mix. Next: `session.py`, which decides what is made meanwhile.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, ref

from bokeh.document import Document

from viewer.cure import SOCKET, replace

CHANGE, DOCUMENT = "PATCH-DOC", "PULL-DOC-REPLY"


class Drawing:
    """How far the browser is with one document: not asked for it yet, drawing it, done."""

    def __init__(self) -> None:
        self.begun = self.done = False
        self.when_begun: Callable[[], None] = lambda: None
        self._waiting: list[tuple[Callable[[Any], Any], Any]] = []
        self._sending: asyncio.Task | None = None

    def begin(self) -> None:
        """Note that the document is on its way."""
        if not self.begun:
            self.begun = True
            self.when_begun()

    def end(self) -> None:
        """Note that the document is drawn: what waited is sent. Called inside the event loop."""
        if self._sending is None and not self.done:
            self._sending = asyncio.get_running_loop().create_task(self._send())

    def keeps(self, send: Callable[[Any], Any], message: Any) -> bool:
        """Return whether a message waits; then it is sent later by `send`."""
        if not self.begun or self.done or message.msgtype != CHANGE:
            return False
        self._waiting.append((send, message))
        return True

    async def _send(self) -> None:
        try:
            while self._waiting:
                send, message = self._waiting.pop(0)
                await send(message)
        finally:  # a socket that breaks takes its messages along; nothing waits for it
            self._waiting.clear()
            self.begun = self.done = True


_followed: WeakKeyDictionary[Document, ref[Drawing]] = WeakKeyDictionary()  # weak too: who waits knows the document


def follow(doc: Document) -> Drawing:
    """Return the drawing of a document, which is followed as long as somebody holds it."""
    drawing = _drawing_of(doc)
    if drawing is None:
        drawing = Drawing()
        _followed[doc] = ref(drawing)
    return drawing


def _drawing_of(doc: Document) -> Drawing | None:
    held = _followed.get(doc)
    return None if held is None else held()


def wait_at_the_socket() -> str:
    """Have every socket of bokeh-fastapi do so; return what was replaced."""

    def cure(original: Any) -> Any:
        async def send_now(self: Any, message: Any) -> int:
            turn = self.__dict__.setdefault("_turn", asyncio.Lock())
            async with turn:
                return await original(self, message)

        async def send_message(self: Any, message: Any) -> int:
            session = getattr(getattr(self, "connection", None), "_session", None)
            drawing = None if session is None else _drawing_of(session.document)
            if drawing is None:
                return await send_now(self, message)
            if drawing.keeps(lambda kept: send_now(self, kept), message):
                return 0
            sent = await send_now(self, message)
            if message.msgtype == DOCUMENT:
                drawing.begin()
            return sent

        return send_message

    return replace(f"{SOCKET}.send_message", cure)
