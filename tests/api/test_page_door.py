"""Pages are built a few at a time: whoever asks for many comes again a little later, and nobody else notices."""

import asyncio
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from energy_pipeline.settings import Settings
from tests.api.conftest import BASE
from viewer.app import create_app
from viewer.page_door import RETRY_S, PageDoor, Pages

Message = dict[str, object]


def scope_of(client: str, path: str = "/", query: bytes = b"") -> dict[str, object]:
    return {
        "type": "http", "method": "GET", "path": path, "query_string": query, "headers": [], "client": (client, 5000),
    }  # fmt: skip


async def nothing() -> Message:
    return {"type": "http.request", "body": b""}


class Builder:
    """An app that notes how many pages it builds at once, each of them seen by no browser."""

    def __init__(self, pages: Pages) -> None:
        self.pages, self.running, self.most, self.built = pages, 0, 0, 0

    async def __call__(self, scope: dict, _receive: object, send: Callable) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.001)
        self.running -= 1
        self.built += 1
        self.pages.opened(str(self.built), scope["client"][0])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'<!DOCTYPE html>\n<html lang="en" data-x="1">'})


async def asked(door: PageDoor, client: str, **more: object) -> tuple[int, bytes]:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    await door(scope_of(client, **more), nothing, send)
    return messages[0]["status"], messages[-1]["body"]


def test_of_a_flood_of_pages_a_dozen_are_built_two_at_a_time_and_another_client_has_its_page() -> None:
    async def story() -> None:
        pages = Pages(lifetime_s=25, building=2, per_client=12, most=48)
        inner = Builder(pages)
        door = PageDoor(inner, lambda: pages)
        flood = [asyncio.create_task(asked(door, "flood")) for _ in range(100)]
        await asyncio.sleep(0)
        assert (await asked(door, "quiet"))[0] == 200
        statuses = [status for status, _ in await asyncio.gather(*flood)]
        assert statuses.count(200) == 12
        assert statuses.count(503) == 88
        assert inner.most == 2
        assert inner.built == 13

    asyncio.run(story())


def test_pages_that_a_browser_has_drawn_or_that_ended_make_room() -> None:
    now = [0.0]
    pages = Pages(lifetime_s=25, per_client=2, most=3, clock=lambda: now[0])
    pages.opened("one", "a")
    pages.opened("two", "a")
    assert not pages.room_for("a")
    assert pages.room_for("b")
    pages.seen("one")
    assert pages.room_for("a")
    pages.opened("three", "a")
    pages.opened("four", "b")
    assert not pages.room_for("c")  # a full house
    now[0] = 25.0
    assert pages.room_for("a")  # whatever happened to their browsers, their sessions have ended
    assert pages.room_for("c")


def test_a_client_that_reads_slowly_holds_up_nobody() -> None:
    async def story() -> None:
        pages = Pages(lifetime_s=25, building=1)
        door = PageDoor(Builder(pages), lambda: pages)
        slow, let_go = asyncio.Event(), asyncio.Event()

        async def send(_message: Message) -> None:
            slow.set()
            await let_go.wait()

        reader = asyncio.create_task(door(scope_of("slow"), nothing, send))
        await slow.wait()
        assert (await asyncio.wait_for(asked(door, "quick"), 2))[0] == 200
        let_go.set()
        await reader

    asyncio.run(story())


def test_the_language_of_the_page_stands_in_its_first_element() -> None:
    pages = Pages(lifetime_s=25)
    door = PageDoor(Builder(pages), lambda: pages)
    for query, lang in ((b"", b"de"), (b"lang=en", b"en"), (b"page=bess&lang=de", b"de"), (b"lang=xx", b"de")):
        assert asyncio.run(asked(door, "a", query=query))[1].endswith(b'<html lang="%s" data-x="1">' % lang)


@pytest.fixture
def busy(settings: Settings) -> TestClient:
    """Return a client of a server that builds one page and then waits for its browser."""
    app = create_app(settings)
    app.state.pages = Pages(lifetime_s=60, per_client=1)
    return TestClient(app, base_url=BASE)


def test_whoever_asks_for_too_many_pages_is_told_to_come_again_in_the_language_of_the_page(busy: TestClient) -> None:
    first = busy.get("/?lang=en")
    assert first.status_code == 200
    assert '<html lang="en"' in first.text
    for address, lang, words in (("/", "de", "viele Seiten"), ("/?lang=en&page=bess", "en", "Many pages")):
        answer = busy.get(address)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == str(RETRY_S)
        assert f'http-equiv="refresh" content="{RETRY_S}"' in answer.text
        assert f'<html lang="{lang}"' in answer.text
        assert words in answer.text
    assert busy.get("/meters").status_code == 200
    other = TestClient(busy.app, base_url=BASE, client=("192.0.2.7", 4000))
    assert '<html lang="de"' in other.get("/").text


def test_head_builds_no_page(busy: TestClient) -> None:
    for _ in range(5):
        answer = busy.head("/")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"].startswith("text/html")
    assert busy.get("/").status_code == 200


def test_the_script_of_the_surface_is_compressed_once_and_the_surface_waits_its_turn(busy: TestClient) -> None:
    plain, zipped = (busy.get("/surface/plotly.js", headers={"accept-encoding": e}) for e in ("identity", "gzip"))
    assert "content-encoding" not in plain.headers
    assert zipped.headers["content-encoding"] == "gzip"
    assert plain.content == zipped.content
    entered = []

    class Counting(type(busy.app.state.api.gate)):
        async def enter(self, client: str) -> None:
            entered.append(client)
            await super().enter(client)

    busy.app.state.api.gate = Counting(2, 2, 2, 1.0)
    assert busy.get("/surface/view?device=ZHPESS232A230002").status_code == 200
    assert busy.get("/cache/validate").status_code == 200
    assert entered == ["testclient", "testclient"]
