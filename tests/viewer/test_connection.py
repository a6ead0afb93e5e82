"""A page that lost its server, or came too late for its session, says so and finds its way back by itself."""

import html
import time
import urllib.request

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from energy_pipeline.settings import Settings
from tests.viewer.conftest import Tab, start_viewer
from tests.viewer.lake_factory import Plan
from tests.viewer.live_sessions import TOKEN, LiveServer, living, living_after
from viewer.connection import SESSION_ENDED
from viewer.session import Session


def test_a_socket_that_comes_after_the_end_of_its_session_is_told_so(settings: Settings) -> None:
    before = living(Session)
    with LiveServer(settings, lifetime_s=0.3) as server:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=30) as answer:
            token = TOKEN.search(html.unescape(answer.read().decode())).group(1)
        assert living_after(Session, 20, before) == before
        url = f"ws://127.0.0.1:{server.port}/ws"
        with connect(url, subprotocols=["bokeh", token]) as ws, pytest.raises(ConnectionClosed) as closed:
            ws.recv(timeout=20)
        assert closed.value.rcvd.code == SESSION_ENDED
        assert living(Session) == before


@pytest.mark.browser
def test_a_page_waits_for_its_server_and_comes_back_where_it_was(
    settings: Settings, plan: Plan, context: object
) -> None:
    first = start_viewer(settings.lake)
    port = int(first.url.rsplit(":", 1)[1])
    tab = Tab(context, first.url)
    try:
        tab.open("?page=packpulse&tab=trends&lang=en")
        first.process.kill()
        first.process.wait(10)
        bar = tab.page.locator("#ep-connection")
        bar.wait_for(state="visible", timeout=10_000)
        assert "No connection" in bar.inner_text()
        assert bar.get_attribute("role") == "alert"
        second = start_viewer(settings.lake, port)
        try:
            bar.wait_for(state="detached", timeout=30_000)
            assert "tab=trends" in tab.settled().page.url
            assert plan.bess in tab.text()
        finally:
            second.process.terminate()
            second.process.wait(10)
    finally:
        first.process.kill()
        tab.page.close()


@pytest.mark.browser
def test_a_page_whose_session_ended_before_its_socket_came_loads_again(settings: Settings, context: object) -> None:
    with LiveServer(settings, lifetime_s=10.0) as server:
        page = context.new_page()
        held: list[object] = []

        def late(route: object) -> None:
            held.append(route)
            time.sleep(12)
            route.continue_()

        page.route("**/bokeh.min.js*", late, times=1)  # the first page waits for its script until its session is gone
        try:
            page.goto(f"http://127.0.0.1:{server.port}/?page=quality")
            page.locator(".ep-panel").first.wait_for(state="attached", timeout=60_000)
            assert held
        finally:
            page.close()


@pytest.mark.browser
def test_a_page_that_cannot_come_back_stops_and_offers_a_button(settings: Settings, context: object) -> None:
    page = context.new_page()
    with LiveServer(settings) as server:
        page.route_web_socket("**/ws*", lambda ws: ws.close(code=1011))
        try:
            page.goto(f"http://127.0.0.1:{server.port}/")
            button = page.locator("#ep-connection button")
            button.wait_for(state="visible", timeout=60_000)
            loads = page.evaluate("performance.timeOrigin")
            time.sleep(3)
            assert page.evaluate("performance.timeOrigin") == loads
        finally:
            page.close()
