"""What the server has to tell while a browser draws waits at the socket, and messages do not mix."""

import asyncio
import gc
from types import SimpleNamespace
from typing import Any
from weakref import ref

from bokeh.document import Document
from bokeh_fastapi.handler import WSHandler

from viewer import drawing, stack_fixes

PARTS = 3


class Socket:
    """A socket on which every part of a message takes a while."""

    def __init__(self) -> None:
        self.application_state = SimpleNamespace(name="CONNECTED")
        self.parts: list[str] = []

    async def send_text(self, text: str) -> None:
        for _ in range(PARTS):
            await asyncio.sleep(0)
        self.parts.append(text)


class Message:
    """A message of `PARTS` parts that say whose they are."""

    _buffers = ()

    def __init__(self, msgtype: str, name: str) -> None:
        self.msgtype = msgtype
        self.header_json, self.metadata_json, self.content_json = (f"{name}{i}" for i in range(PARTS))


def handler_of(doc: Document) -> Any:
    """Return a socket's handler whose session shows `doc`."""
    stack_fixes.apply_once()
    found = object.__new__(WSHandler)
    found._socket = Socket()
    found.connection = SimpleNamespace(_session=SimpleNamespace(document=doc))
    return found


def parts(*names: str) -> list[str]:
    """Return the parts of whole messages in their order."""
    return [f"{name}{i}" for name in names for i in range(PARTS)]


def test_two_messages_at_once_leave_one_after_the_other() -> None:
    handler = handler_of(Document())

    async def send() -> None:
        await asyncio.gather(*(handler.send_message(Message("OK", name)) for name in "ab"))

    asyncio.run(send())
    assert handler._socket.parts == parts("a", "b")


def test_changes_wait_until_the_browser_has_drawn_and_keep_their_order_while_answers_pass() -> None:
    doc = Document()
    handler, told = handler_of(doc), []
    followed = drawing.follow(doc)
    followed.when_begun = lambda: told.append("begun")

    async def draw() -> None:
        await handler.send_message(Message("PATCH-DOC", "early"))
        await handler.send_message(Message("PULL-DOC-REPLY", "document"))
        for name in "abc":
            await handler.send_message(Message("PATCH-DOC", name))
        await handler.send_message(Message("OK", "answer"))
        assert handler._socket.parts == parts("early", "document", "answer")
        followed.end()
        while not followed.done:  # what comes while the first ones leave goes behind them
            await asyncio.sleep(0)
            if "a2" in handler._socket.parts and "late" not in told:
                told.append("late")
                await handler.send_message(Message("PATCH-DOC", "d"))
        await handler.send_message(Message("PATCH-DOC", "e"))

    asyncio.run(draw())
    assert handler._socket.parts == parts("early", "document", "answer", *"abcde")
    assert told == ["begun", "late"]


def test_a_document_that_is_gone_is_not_kept_by_who_waits_for_its_drawing() -> None:
    doc = Document()
    followed = drawing.follow(doc)
    followed.when_begun = doc.clear
    assert drawing.follow(doc) is followed
    kept = ref(doc)
    del doc, followed
    gc.collect()
    assert kept() is None
