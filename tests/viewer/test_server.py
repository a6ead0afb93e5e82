"""The server answers its own host only, tells the state of the lake, and the viewer keeps out of the pipeline."""

import ast
import base64
import re
from pathlib import Path

import pytest
from fastapi import WebSocketDisconnect
from fastapi.testclient import TestClient

from energy_pipeline.settings import Settings
from viewer.app import create_app
from viewer.components.panel import NoData, problem
from viewer.security import Guard
from viewer.series import UnknownSignal
from viewer.store import TableBroken, TableMissing
from viewer.texts import Texts

VIEWER = Path(__file__).parents[2] / "viewer"
ALLOWED = {"schemas", "settings", "signals", "compute", "plots"}


@pytest.fixture(scope="module")
def client(settings: Settings) -> TestClient:
    return TestClient(create_app(settings), base_url="http://127.0.0.1:5006")


def test_health_names_tables_and_versions(client: TestClient) -> None:
    answer = client.get("/health").json()
    assert answer["status"] == "ok"
    assert answer["tables"]["sat_daily"] == 0
    assert answer["age_hours"] > 0


def test_health_of_an_empty_lake_is_an_answer(tmp_path: Path) -> None:
    empty = TestClient(create_app(Settings(lake=str(tmp_path / "none"))), base_url="http://localhost")
    assert empty.get("/health").json()["status"] == "no data"


def test_every_page_is_given_the_script_that_starts_it_sooner_and_where_the_components_lie(client: TestClient) -> None:
    assert 'src="bundle.js"' in client.get("/").text
    answer = client.get("/bundle.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    named = re.search(r'const bundle = "([^"]+)"', answer.text)
    assert named is not None, answer.text[:400]
    assert client.get("/" + named.group(1)).status_code == 200


def test_the_head_of_a_page_names_what_it_needs_soon_and_that_is_there(client: TestClient) -> None:
    answer = client.get("/")
    links = dict(re.findall(r"<([^>]+)>; rel=(\w+)", answer.headers["link"]))
    assert list(links.values()) == ["modulepreload", "preload", "preload", "preload"]
    assert {client.get("/" + address).status_code for address in links} == {200}
    assert "material-icons.css" not in answer.text
    assert "link" not in client.get("/health").headers


def test_a_foreign_host_is_refused(client: TestClient) -> None:
    assert client.get("/health", headers={"host": "evil.example"}).status_code == 400


def test_a_foreign_origin_may_not_write_nor_open_a_socket(client: TestClient) -> None:
    assert client.post("/health", headers={"origin": "http://evil.example"}).status_code == 403
    evil = {"origin": "http://evil.example"}
    with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect("/ws", headers=evil):
        pass
    assert closed.value.code == 1008


def test_answers_forbid_framing_by_others(client: TestClient) -> None:
    assert client.get("/health").headers["x-frame-options"] == "SAMEORIGIN"


def test_a_password_is_asked_for_where_one_is_set() -> None:
    async def inner(_scope: object, _receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    guarded = TestClient(Guard(inner, ["testserver"], ("anna", "geheim:ja")))
    assert guarded.get("/").status_code == 401
    token = base64.b64encode(b"anna:geheim:ja").decode()
    assert guarded.get("/", headers={"authorization": f"Basic {token}"}).status_code == 200
    assert guarded.get("/", headers={"authorization": "Basic ???"}).status_code == 401


def test_the_surface_answers_for_known_systems_only(client: TestClient, plan: object) -> None:
    surface = client.get(f"/surface/view?device={plan.bess}").text
    assert "Plotly.newPlot" in surface
    assert "showSendToCloud:false" in surface  # its button would send the values to a server elsewhere
    assert '"Reset camera to default": "Ausgangsansicht"' in surface
    assert client.get("/surface/view?device=nobody").status_code == 404
    assert client.get(f"/surface/view?device={plan.bess}&quantity=x").status_code == 422


def test_the_viewer_imports_nothing_of_the_orchestration() -> None:
    for file in VIEWER.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert not name.startswith("dagster"), file
                if name.startswith("energy_pipeline."):
                    assert name.split(".")[1] in ALLOWED, (file, name)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TableMissing("capacity", "lake"), ("capacity", "energy-pipeline run")),
        (TableBroken("capacity", "file is gone <b>"), ("file is gone &lt;b&gt;", "energy-pipeline run")),
        (UnknownSignal("m1 has no signal x"), ("ignal", "msg warn")),
        (NoData("nothing here"), ("nothing here",)),
    ],
)
def test_a_panel_says_why_it_is_empty_and_what_to_do(error: Exception, words: tuple[str, ...]) -> None:
    for lang in ("de", "en"):
        markup = problem(error, Texts(lang))
        assert all(word in markup for word in words)
