"""The short way of a request to an endpoint with tables keeps what FastAPI's own way gives: token, checks, errors."""

from typing import Annotated

import pytest
from fastapi import FastAPI, Query, Request, Response
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from energy_pipeline.settings import Settings
from tests.api.conftest import BASE, limited
from viewer.api import add_api
from viewer.api.params import DevicePath, FormatQuery
from viewer.api.route import TableRoute, table_router
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
