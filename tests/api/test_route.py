"""The short way of a request to an endpoint with tables keeps what FastAPI's own way gives: token, checks, errors."""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Annotated

import pytest
from fastapi import FastAPI, Query, Request, Response
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from energy_pipeline.settings import Settings
from tests.api.conftest import BASE, limited
from viewer import store as store_module
from viewer.api import add_api
from viewer.api.gate import Gate
from viewer.api.params import DevicePath, FormatQuery
from viewer.api.route import TableRoute, table_router, worked
from viewer.api.service import ApiDep
from viewer.store import Store

OPEN = {"/health"}


def test_every_path_of_the_api_but_health_asks_for_the_token(store: Store, settings: Settings) -> None:
    app = FastAPI()
    add_api(app, store, settings, token="abc")  # noqa: S106 - a test's own
    guarded, paths = TestClient(app, base_url=BASE), app.openapi()["paths"]
    assert len(paths) > 20
    for path, operations in paths.items():
        refused = guarded.get(path.replace("{p}", "1"))
        assert (refused.status_code == 401) == (path not in OPEN), path
        assert all(("security" in o) == (path not in OPEN) for o in operations.values()), path


def test_what_is_wrong_with_path_and_parameters_is_said_at_once(client: TestClient) -> None:
    answer = client.get("/cell/pack/ZHPESS232A230002/0/heatmap?quantity=colour&form=round")
    assert answer.status_code == 422
    assert all(word in answer.json()["detail"] for word in ("p:", "quantity:", "colour", "form", "start"))


def test_of_a_parameter_that_comes_twice_the_last_counts(client: TestClient) -> None:
    answer = client.get("/series?device=m9&signal=pf&start=2024-10-01&end=2024-10-03&device=m1")
    assert answer.json()["device"] == "m1"


def test_an_endpoint_that_the_route_cannot_serve_is_refused_when_it_is_composed() -> None:
    router = table_router(tag="none")

    async def coroutine(api: ApiDep) -> Response: ...

    def unknown(m: DevicePath, api: ApiDep, more: str) -> Response: ...

    with pytest.raises(TypeError, match="runs in a thread"):
        router.get("/a")(coroutine)
    with pytest.raises(TypeError, match=r"more is <class 'str'>; allowed are"):
        router.get("/b/{m}")(unknown)


def test_the_route_hands_over_what_fastapi_would(settings: Settings) -> None:
    seen: dict[str, object] = {}
    server = limited(settings)

    def endpoint(m: DevicePath, api: ApiDep, request: Request, query: Annotated[FormatQuery, Query()]) -> Response:
        seen[request.url.path] = (m, api, query)
        return Response()

    for path, kind in (("/own", TableRoute), ("/theirs", APIRoute)):
        server.app.router.routes.insert(0, kind(path + "/{m}", endpoint, response_model=None))
        assert server.get(f"{path}/m1?format=csv&decimal=,").status_code == 200
    assert seen["/own/m1"] == seen["/theirs/m1"]


class Counted(ThreadPoolExecutor):
    """Threads that count what they are given."""

    def __init__(self) -> None:
        super().__init__(1)
        self.given = 0

    def submit(self, *given: object, **named: object) -> Future:
        self.given += 1
        return super().submit(*given, **named)


def test_a_window_that_lies_in_memory_is_answered_without_a_thread(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "RECHECK_S", 3600)
    server = limited(settings)
    server.app.state.api.workers = threads = Counted()

    def asked(query: str) -> tuple[int, bytes]:
        before = threads.given
        answer = server.get(f"/series?device=m1&{query}")
        assert answer.status_code == 200, answer.text
        return threads.given - before, answer.content

    window = "signal=com_ap&start=2024-10-01&end=2024-10-15&max_points=500"
    later = "signal=com_ap&start=2024-10-01T00:35&end=2024-10-15T00:35&max_points=500"
    assert asked(window)[0] == 1  # the level has to be read
    handed, found = asked(later)
    assert handed == 0
    assert asked(f"{later}&format=csv")[0] == 1
    assert asked("signal=com_ap&start=2024-10-02&end=2024-10-02T06:00")[0] == 1  # single readings
    assert [asked("signal=pos_ae&start=2024-10-01&end=2024-10-15")[0] for _ in range(2)] == [1, 0]  # made, and kept
    assert asked("signal=com_ap&start=2024-11-01&end=2024-12-15&max_points=500")[0] == 1  # another level
    long = "signal=com_ap&resolution=5min&start=2024-10-01&end=2024-12-29&max_points="
    assert [asked(f"{long}{points}")[0] for points in (20_000, 15_000, 14_999)] == [1, 1, 0]  # read; many blocks; kept
    assert server.get("/series?device=m1&signal=nothing").status_code == 404
    assert limited(settings).get(f"/series?device=m1&{later}").content == found


def test_answers_from_memory_come_in_the_order_of_their_requests_and_let_others_in_between(store: Store) -> None:
    running, clients = 4, 18
    api = SimpleNamespace(gate=Gate(running, clients, clients, 1.0), store=store)
    request = SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(api=api)), client=None)

    async def run() -> list[tuple[int, int]]:
        turns, found = 0, []

        async def ask(number: int) -> None:
            await worked(request, lambda: found.append((turns, number)), quick=True)

        asked = [asyncio.ensure_future(ask(number)) for number in range(clients)]
        while not all(task.done() for task in asked):
            turns += 1  # what else the loop does
            await asyncio.sleep(0)
        return found

    found = asyncio.run(run())
    assert [number for _, number in found] == list(range(clients))
    per_turn = [turn for turn, _ in found]
    assert max(per_turn.count(turn) for turn in per_turn) <= running
