"""Who may read: token, password, foreign origins; and a flood from one client does not starve another."""

import asyncio
import base64
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from energy_pipeline.cli import main
from energy_pipeline.settings import Settings
from tests.api.conftest import BASE
from tests.viewer.conftest import start_viewer
from viewer.api.errors import Overloaded, TooManyRequests
from viewer.api.gate import Gate
from viewer.app import create_app
from viewer.environment import Access, AccessUnclear

TOKEN, USER, PASSWORD = "ENERGY_API_TOKEN", "ENERGY_VIEWER_USER", "ENERGY_VIEWER_PASSWORD"
UNUSUAL = "s3cret-t\u00f6ken"


def served(settings: Settings, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> TestClient:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return TestClient(create_app(settings), base_url=BASE)


def bearer(token: str) -> dict[str, bytes]:
    return {"authorization": f"Bearer {token}".encode()}


def test_without_a_token_set_everybody_on_this_host_reads(client: TestClient) -> None:
    assert client.get("/meters").status_code == 200


def test_with_a_token_set_only_its_bearer_reads(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = served(settings, monkeypatch, {TOKEN: "abc"})
    others = ({"authorization": "Basic abc"}, {"authorization": b"Bearer \xff\xfe"})
    for headers in ({}, bearer("abd"), bearer(""), *others):
        answer = guarded.get("/meters", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "abc" not in answer.text
    assert guarded.get("/meters", headers=bearer("abc")).status_code == 200
    assert guarded.get("/health").status_code == 200


def test_the_token_is_read_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = served(settings, monkeypatch, {TOKEN: "abc"})
    monkeypatch.delenv("ENERGY_API_TOKEN")
    assert guarded.get("/meters").status_code == 401


def test_a_token_may_hold_any_character(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = served(settings, monkeypatch, {TOKEN: UNUSUAL, USER: "anna", PASSWORD: "x"})
    assert guarded.get("/meters", headers=bearer(UNUSUAL)).status_code == 200


def test_token_and_password_are_two_doors_to_the_api_and_the_password_is_the_one_to_the_pages(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded = served(settings, monkeypatch, {TOKEN: "abc", USER: "anna", PASSWORD: "geheim"})
    basic = {"authorization": f"Basic {base64.b64encode(b'anna:geheim').decode()}"}
    assert guarded.get("/meters").status_code == 401
    assert guarded.get("/meters", headers=bearer("abc")).status_code == 200
    assert guarded.get("/meters", headers=basic).status_code == 200
    assert guarded.get("/", headers=basic).status_code == 200
    assert guarded.get("/").status_code == 401


def test_no_other_site_may_read_answers(client: TestClient) -> None:
    answer = client.get("/meters", headers={"origin": "http://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/meters", headers={"host": "evil.example"}).status_code == 400


def test_a_flood_of_one_client_costs_another_one_turn() -> None:
    async def story() -> int:
        gate, order = Gate(running=1, per_client=50, waiting=100, patience_s=5), []
        came: dict[str, int] = {}

        async def request(client: str) -> None:
            came[client] = len(order)
            await gate.enter(client)
            await asyncio.sleep(0)
            order.append(client)
            gate.leave()

        flood = [asyncio.create_task(request("flood")) for _ in range(40)]
        await asyncio.sleep(0)
        quiet = asyncio.create_task(request("quiet"))
        await asyncio.gather(*flood, quiet)
        return order.index("quiet") - came["quiet"]

    assert asyncio.run(story()) <= 2  # the one that runs, and the one whose turn it already was


def test_a_flood_from_one_address_neither_refuses_nor_holds_up_another(settings: Settings) -> None:
    """Real sockets: 80 connections of 127.0.0.1 ask without a pause, 127.0.0.2 asks one question after the other."""
    server = start_viewer(settings.lake)
    port = int(server.url.rpartition(":")[2])
    statuses: dict[str, list[int]] = {"flood": [], "quiet": []}
    overtaken: list[int] = []

    async def ask(name: str, address: str, questions: Iterator[int]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
        for i in questions:
            before = len(statuses["flood"])
            writer.write(
                f"GET /series?device=m1&signal=com_ap&start=2024-10-01T00:00:{i % 60:02}&max_points={100 + i // 60} "
                f"HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
            )
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            await reader.readexactly(int(head.partition("content-length:")[2].split("\r\n")[0]))
            statuses[name].append(int(head.split()[1]))
            if statuses[name][-1] == 429:
                await asyncio.sleep(0.05)
            if name == "quiet":
                overtaken.append(statuses["flood"][before:].count(200))
        writer.close()

    async def story() -> None:
        numbers = iter(range(20_000))  # shared: the flood ends, whatever happens
        flood = [asyncio.create_task(ask("flood", "127.0.0.1", numbers)) for _ in range(80)]
        while len(statuses["flood"]) < 200:
            await asyncio.sleep(0.01)
        await ask("quiet", "127.0.0.2", iter(range(30_000, 30_020)))
        assert not any(task.done() for task in flood), "the flood ended before the other address had its answers"
        for task in flood:
            task.cancel()
        await asyncio.gather(*flood, return_exceptions=True)

    try:
        asyncio.run(asyncio.wait_for(story(), 60))
    finally:
        server.process.terminate()
        server.process.wait(10)
    assert 429 in statuses["flood"]
    assert statuses["quiet"] == [200] * 20
    # Without turns, all 64 waiting requests of the flood would come first.
    assert sorted(overtaken)[len(overtaken) // 2] <= 16, overtaken


def test_too_many_waiting_requests_are_told_to_come_again() -> None:
    async def story() -> None:
        gate = Gate(running=1, per_client=2, waiting=3, patience_s=0.05)
        await gate.enter("a")
        waiting = [asyncio.create_task(gate.enter(c)) for c in ("a", "a", "b")]
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests):
            await gate.enter("a")
        with pytest.raises(Overloaded):
            await gate.enter("c")
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(r, Overloaded) for r in results)
        gate.leave()
        await asyncio.wait_for(gate.enter("d"), 1)

    asyncio.run(story())


def test_a_client_that_goes_away_leaves_its_place() -> None:
    async def story() -> None:
        gate = Gate(running=1, per_client=5, waiting=5, patience_s=5)
        await gate.enter("a")
        gone = asyncio.create_task(gate.enter("b"))
        late = asyncio.create_task(gate.enter("b"))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        gate.leave()
        await asyncio.wait_for(late, 1)
        gate.leave()
        await asyncio.wait_for(gate.enter("c"), 1)

    asyncio.run(story())


def test_an_endpoint_that_fails_gives_its_turn_back(client: TestClient) -> None:
    for _ in range(20):
        assert client.get("/series?device=m1&signal=nothing").status_code == 404
    assert client.get("/series?device=m1&signal=pf").status_code == 200


SET = {USER: "anna", PASSWORD: "geheim", TOKEN: "abc", "ENERGY_VIEWER_SECRET": "0123456789abcdef"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({PASSWORD: None}, (USER, PASSWORD, "set both, or neither")),
        ({USER: None}, (USER, PASSWORD, "set both, or neither")),
        ({PASSWORD: ""}, (PASSWORD, "empty", "unset")),
        ({USER: " "}, (USER, "empty")),
        ({USER: "", PASSWORD: ""}, (USER, "empty")),
        ({USER: "anna:b"}, (USER, "colon")),
        ({TOKEN: ""}, (TOKEN, "empty")),
        ({"ENERGY_VIEWER_SECRET": ""}, ("ENERGY_VIEWER_SECRET", "empty")),
        ({"ENERGY_VIEWER_SECRET": "short"}, ("ENERGY_VIEWER_SECRET", "5 characters", "16", "openssl rand")),
    ],
)
def test_a_server_does_not_start_where_it_is_said_by_half_who_may_read(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str | None], words: tuple[str, ...]
) -> None:
    for name, value in (SET | changed).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(AccessUnclear) as refused:
        create_app(settings)
    assert all(word in str(refused.value) for word in words), refused.value
    shown = CliRunner().invoke(main, ["view", "--lake", settings.lake])
    assert shown.exit_code == 1
    assert words[0] in shown.output
    assert "Traceback" not in shown.output
    assert "geheim" not in shown.output


def test_what_is_said_in_full_is_taken_and_nothing_said_is_open_to_this_machine() -> None:
    full = Access.read(SET)
    assert (full.credentials, full.token, full.secret) == (("anna", "geheim"), "abc", "0123456789abcdef")
    one, two = Access.read({}), Access.read({})
    assert (one.credentials, one.token) == (None, None)
    assert len(one.secret) == len(two.secret) == 64
    assert one.secret != two.secret
