"""The browser draws the frame of a page first; nothing reaches a document that is being drawn."""

import html
import json
import time
import urllib.request

import pytest
from websockets.sync.client import connect

from energy_pipeline.settings import Settings
from tests.viewer.live_sessions import _READY, TOKEN, LiveServer, _send, _take
from viewer.texts import Texts

QUERY, SILENCE_S, FIGURE = "?page=packpulse", 0.8, '"name":"Figure"'
PANELS = [Texts("de")(f"sat.{key}") for key in ("distribution", "offsets", "packs", "findings", "explained")]


def _read_page(server: LiveServer, query: str = QUERY) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/{query}", timeout=30) as answer:
        return TOKEN.search(html.unescape(answer.read().decode())).group(1)


def _document(ws: object) -> str:
    """Ask for the document; return it with whatever comes until the socket is silent."""
    _take(ws)
    _send(ws, "PULL-DOC-REQ", {})
    return "".join(_take(ws)) + _received(ws, SILENCE_S)


def _received(ws: object, silence_s: float, enough: int = 0) -> str:
    """Return what comes until the socket is silent; with `enough`, wait up to 20 s for so many figures."""
    text, deadline = "", time.monotonic() + 20
    while True:
        try:
            part = ws.recv(timeout=silence_s)
        except TimeoutError:
            if text.count(FIGURE) >= enough or time.monotonic() > deadline:
                return text
        else:
            text += part if isinstance(part, str) else ""


@pytest.mark.parametrize("pause_s", [0.0, 0.1, 0.25, 2.5])
def test_no_change_crosses_the_drawing_and_none_is_lost(settings: Settings, pause_s: float) -> None:
    with LiveServer(settings) as server:
        token = _read_page(server)
        time.sleep(pause_s)
        url = f"ws://127.0.0.1:{server.port}/ws{QUERY}"
        with connect(url, subprotocols=["bokeh", token], max_size=None) as ws:
            document = _document(ws)
            assert "PULL-DOC-REPLY" in document
            assert "PATCH-DOC" not in document
            _send(ws, "PATCH-DOC", {"events": [_READY]})
            rest = _received(ws, SILENCE_S, 2 - document.count(FIGURE))
    for name in PANELS:
        assert json.dumps(name)[1:-1] in document + rest, name
    assert (document + rest).count(FIGURE) == 2


def test_the_frame_is_drawn_without_its_pictures_however_long_the_page_had_time(settings: Settings) -> None:
    with LiveServer(settings) as server:
        token = _read_page(server)
        time.sleep(4.0)
        with connect(f"ws://127.0.0.1:{server.port}/ws{QUERY}", subprotocols=["bokeh", token], max_size=None) as ws:
            frame = _document(ws)
            _send(ws, "PATCH-DOC", {"events": [_READY]})
            rest = _received(ws, SILENCE_S, 2)
    assert json.dumps(Texts("de")("tab.heat"))[1:-1] in frame
    assert [frame.count(FIGURE), rest.count(FIGURE)] == [0, 2]


def test_the_overview_comes_whole_with_its_frame(settings: Settings) -> None:
    with LiveServer(settings) as server:
        token = _read_page(server, "")
        time.sleep(4.0)
        with connect(f"ws://127.0.0.1:{server.port}/ws", subprotocols=["bokeh", token], max_size=None) as ws:
            document = _document(ws)
    assert "class=&quot;dev" in document
    assert "skeleton&quot;" not in document
