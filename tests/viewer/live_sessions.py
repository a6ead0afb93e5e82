"""A server in this process and clients that behave like a browser's socket: open, load, close; what stays is counted.

No browser: a session gets the page, opens the websocket with its token, says that it is ready and takes what comes.
"""

import gc
import html
import itertools
import json
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from energy_pipeline.settings import Settings
from viewer.app import create_app

QUIET_S = 0.4
_LOCATION = re.compile(r'"name":\s*"panel.models.location.Location",\s*"id":\s*"([^"]+)"')
_READY = {
    "kind": "MessageSent",
    "msg_type": "bokeh_event",
    "msg_data": {"type": "event", "name": "document_ready", "values": {"type": "map", "entries": []}},
}
_SERIAL = itertools.count(1)
TOKEN = re.compile(r'"token":\s*"([^"]+)"')


class LiveServer:
    """The viewer in a thread of this process; its sessions end `lifetime_s` after their socket, or when none comes."""

    def __init__(self, settings: Settings, lifetime_s: float = 60.0) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        app = create_app(settings, session_lifetime_s=lifetime_s, session_check_s=0.3)
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="error")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> "LiveServer":
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            if time.monotonic() > deadline:
                msg = "the server did not start within 20 s"
                raise TimeoutError(msg)
            time.sleep(0.05)
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.should_exit = True
        self._thread.join(15)

    def visit(self, *queries: str, seconds: float = 20.0, filled: Callable[[], bool] = lambda: True) -> "Visit":
        """Open a page, go to each further address as the browser's history does, and close it.

        A page is left when its socket is quiet and `filled` says so too, or when the time is up.
        """
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{queries[0]}", timeout=30) as answer:
            page = html.unescape(answer.read().decode())
        found = TOKEN.search(page)
        if found is None:
            msg = "the page holds no session token"
            raise ValueError(msg)
        url = f"ws://127.0.0.1:{self.port}/ws{queries[0]}"
        with connect(url, subprotocols=["bokeh", found.group(1)], max_size=None) as ws:
            _take(ws)
            _send(ws, "PULL-DOC-REQ", {})
            document = "".join(_take(ws))  # what was ready by now is in it already
            place = _LOCATION.search(document)
            _send(ws, "PATCH-DOC", {"events": [_READY]})
            visit = _listen(ws, seconds, filled, document)
            for query in queries[1:]:
                change = {"kind": "ModelChanged", "model": {"id": place.group(1)}, "attr": "search", "new": query}
                _send(ws, "PATCH-DOC", {"events": [change]})
                visit = _listen(ws, seconds, filled)
            return visit


@dataclass(frozen=True)
class Visit:
    """What a session received."""

    patches: int
    text: str


def living(kind: type) -> int:
    """Return how many objects of a type are alive after a full collection."""
    gc.collect()
    return sum(type(o) is kind for o in gc.get_objects())


def living_after(kind: type, seconds: float, allowed: int) -> int:
    """Wait until at most `allowed` objects of a type live, at most `seconds`; return how many do."""
    deadline = time.monotonic() + seconds
    while (count := living(kind)) > allowed and time.monotonic() < deadline:
        time.sleep(0.3)
    return count


def _send(ws: object, kind: str, content: dict) -> None:
    for part in ({"msgid": str(next(_SERIAL)), "msgtype": kind}, {}, content):
        ws.send(json.dumps(part))


def _take(ws: object) -> list[str]:
    return [ws.recv(timeout=30) for _ in range(3)]


def _listen(ws: object, seconds: float, filled: Callable[[], bool], before: str = "") -> Visit:
    """Take fragments until the page, with what came before, has its panels and the socket is quiet."""
    deadline, patches, parts = time.monotonic() + seconds, 0, [before]
    while time.monotonic() < deadline:
        try:
            fragment = ws.recv(timeout=QUIET_S)
        except TimeoutError:
            text = "".join(parts)
            if ("ep-panel" in text or 'class=\\"msg' in text) and filled():
                break
            continue
        except ConnectionClosed:
            break
        if isinstance(fragment, str):
            patches += '"PATCH-DOC"' in fragment
            parts.append(fragment)
    return Visit(patches, "".join(parts))
