"""Wrong requests get 404, 410 or 422 with what exists or is allowed; names never reach the disk; nothing is a 500."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from energy_pipeline.cli import main
from energy_pipeline.settings import Settings
from tests.api.conftest import BASE, copied
from tests.viewer.lake_factory import Plan
from viewer.app import create_app

BESS = Plan().bess
PATHS = (
    "/meters", "/meters/classified", "/meters/m1/info", "/series?device=m1&signal=pf", "/bundle?device=m1",
    "/kpis?device=m1", f"/bess_kpis?device={BESS}", f"/cell/system/{BESS}/degradation-3d",
    f"/cell/system/{BESS}/real-sat-voltage", f"/cell/system/{BESS}/raw-voltage-plot?pack=1&cell=1",
    f"/cell/system/{BESS}/comparison",
    *(f"/cell/pack/{BESS}/1/{w}" for w in ("health", "cells", "anomalies", "heatmap", "cycles", "cycles/3d")),
    f"/cell/pack/{BESS}/1/degradation-timeline",
)  # fmt: skip

DAY_NAMES = {"start", "end", "as_of"}
NEEDED = {
    "/series": {"device": "m1", "signal": "pf"}, "/bundle": {"device": "m1"}, "/kpis": {"device": "m1"},
    "/bess_kpis": {"device": BESS}, "/cell/system/{s}/raw-voltage-plot": {"pack": 1, "cell": 1},
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "status", "error", "words"),
    [
        ("/meters/m9/info", 404, "unknown_device", ("m9", "m1, m2")),
        ("/series?device=m1&signal=nothing", 404, "unknown_signal", ("com_ap",)),
        ("/bundle?device=m1&signals=com_ap,nothing", 404, "unknown_signal", ("nothing",)),
        ("/cell/system/m1/degradation-3d", 404, "unknown_device", (BESS,)),
        (f"/cell/pack/{BESS}/7/health", 404, "unknown_part", ("1 to 2",)),
        (f"/cell/system/{BESS}/raw-voltage-plot?pack=1&cell=99", 404, "unknown_part", ("1 to 6",)),
        (f"/cell/pack/{BESS}/1/heatmap?start=2001-01-01&end=2001-01-02", 404, "no_data", ("2024-09-15",)),
        ("/series?device=m1&signal=pf&max_points=99", 422, "invalid_parameter", ("100",)),
        ("/series?device=m1&signal=pf&max_points=20001", 422, "invalid_parameter", ("20000",)),
        ("/series?device=m1&signal=pf&maxpoints=200", 422, "invalid_parameter", ("maxpoints", "max_points")),
        ("/series?signal=pf", 422, "invalid_parameter", ("device", "meter")),
        ("/series?device=m1&meter=m1&signal=pf", 422, "invalid_parameter", ("either",)),
        ("/series?device=m1&signal=pf&start=yesterday", 422, "invalid_parameter", ("start",)),
        ("/series?device=m1&signal=pf&start=2024-02-30", 422, "invalid_parameter", ("2024-02-30",)),
        ("/series?device=m1&signal=pf&start=0001-01-01", 422, "invalid_parameter", ("1970",)),
        ("/series?device=m1&signal=pf&start=2024-10-02&end=2024-10-01", 422, "empty_window", ("not after",)),
        (f"/cell/system/{BESS}/degradation-3d?time_resolution=1m", 422, "invalid_parameter", ("1h", "1d", "1w")),
        (f"/cell/system/{BESS}/degradation-3d?start=2024-10-02&end=2024-10-01", 422, "invalid_parameter", ("before",)),
        (f"/cell/pack/{BESS}/0/health", 422, "invalid_parameter", ("p",)),
        (f"/cell/pack/{BESS}/99999999999999999999/health", 422, "invalid_parameter", ("p",)),
        ("/meters?format=xml", 422, "invalid_parameter", ("json", "csv")),
        ("/bundle?device=m1&signals=,", 422, "invalid_parameter", ("1 to 24",)),
        ("/cache/clear", 410, "nothing_to_clear", ("version",)),
    ],
)
def test_an_error_says_what_was_found_and_what_is_allowed(
    client: TestClient, path: str, status: int, error: str, words: tuple[str, ...]
) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert all(word in answer.text for word in words), answer.text


def test_what_is_allowed_is_listed_in_full(client: TestClient, tmp_path: Path) -> None:
    signals = [s["signal"] for s in client.get(f"/meters/{BESS}/info").json()["signals"]]
    assert len(signals) > 12  # the message names a dozen
    unknown = client.get(f"/series?device={BESS}&signal=nothing").json()
    assert set(unknown["allowed"]) <= set(signals)
    assert len(unknown["allowed"]) == min(len(signals), 50)
    empty = TestClient(create_app(Settings(lake=str(tmp_path / "none"))), base_url=BASE)
    assert empty.get("/meters").json()["allowed"] == []


def test_a_missing_table_names_those_that_exist(settings: Settings, tmp_path: Path) -> None:
    settings = copied(settings, tmp_path)
    shutil.rmtree(Path(settings.lake) / "sat_daily")
    answer = TestClient(create_app(settings), base_url=BASE).get(f"/cell/system/{BESS}/degradation-3d").json()
    assert answer["error"] == "table_missing"
    assert {"signals", "readings"} <= set(answer["allowed"])
    assert "sat_daily" not in answer["allowed"]


def test_a_path_or_a_method_that_does_not_exist_is_a_problem_like_any_other(client: TestClient) -> None:
    for path in ("/nothing", "/cell", "/report", "/docs/files/nothing.js", "/components/nothing"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found"), path
        assert path in answer.json()["detail"]
        assert "/series" in answer.json()["allowed"]
    refused = client.post("/series")
    assert (refused.status_code, refused.json()["error"]) == (405, "method_not_allowed")
    assert refused.json()["allowed"] == ["GET", "HEAD"]
    assert refused.headers["allow"] == "GET, HEAD"
    surface = client.get("/surface/view?device=nobody").json()
    assert surface["error"] == "not_found"
    assert "nobody" in surface["detail"]


@pytest.mark.parametrize("path", [*PATHS, "/health", "/api", "/openapi.json", "/docs", "/meters/m9/info"])
def test_head_is_get_without_the_body(client: TestClient, path: str) -> None:
    plain = {"accept-encoding": "identity"}
    full, head = client.get(path, headers=plain), client.head(path, headers=plain)
    assert head.content == b""
    assert head.status_code == full.status_code
    assert dict(head.headers) == dict(full.headers)


EVIL = (
    "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "....//", "m1%00", "m1%0a", "m1'--", "m1%20OR%201=1",
    "%C0%AE%C0%AE", "%ff", "x" * 5000, "m1;drop", "${jndi:x}", "<script>", "*", "%", "device=m1",
)  # fmt: skip


@pytest.mark.parametrize("name", EVIL)
def test_names_that_are_no_names_find_nothing_and_break_nothing(client: TestClient, name: str) -> None:
    for path in (
        f"/meters/{name}/info", f"/series?device={name}&signal=pf", f"/series?device=m1&signal={name}",
        f"/bundle?device=m1&signals={name}", f"/cell/system/{name}/degradation-3d", f"/cell/pack/{name}/1/health",
        f"/cell/pack/{BESS}/{name}/health", f"/kpis?meter={name}",
    ):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code in {404, 422}, (path, answer.status_code)
        assert "root:" not in answer.text
        assert answer.headers["content-type"] == "application/json"


def test_a_name_of_two_dots_is_a_name_that_does_not_exist(client: TestClient) -> None:
    assert client.get("/series", params={"device": "..", "signal": "pf"}).json()["error"] == "unknown_device"


def test_only_reading_is_possible(client: TestClient) -> None:
    for path in PATHS:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert client.request(method, path).status_code == 405, (method, path)
    assert client.post("/cache/clear").status_code == client.delete("/cache/clear").status_code == 410


def test_requests_leave_the_lake_as_it_was(client: TestClient, settings: Settings) -> None:
    def state() -> dict[Path, tuple[int, int]]:
        return {p: (p.stat().st_size, p.stat().st_mtime_ns) for p in Path(settings.lake).rglob("*") if p.is_file()}

    before = state()
    for path in PATHS:
        assert client.get(path).status_code == 200, path
    assert state() == before


def test_an_empty_lake_says_what_to_run(tmp_path: Path) -> None:
    empty = TestClient(create_app(Settings(lake=str(tmp_path / "none"))), base_url=BASE)
    for path in PATHS:
        answer = empty.get(path)
        assert answer.status_code == 404
        assert "energy-pipeline run" in answer.json()["detail"]
    assert empty.get("/health").json()["status"] == "no data"
    assert empty.get("/cache/validate").json()["devices"] == []


def test_a_lake_with_only_the_first_tables_never_fails(settings: Settings, tmp_path: Path) -> None:
    settings = copied(settings, tmp_path)
    for folder in Path(settings.lake).iterdir():
        if folder.name not in {"signals", "readings", "resolution_5min", "resolution_1h", "sat_daily"}:
            folder.rename(tmp_path / folder.name)
    part = TestClient(create_app(settings), base_url=BASE)
    for path in PATHS:
        answer = part.get(path)
        assert answer.status_code in {200, 404}, answer.text
        assert answer.status_code == 200 or answer.json()["error"] in {"table_missing", "no_data"}


def test_a_table_that_cannot_be_read_is_503_and_named(settings: Settings, tmp_path: Path) -> None:
    settings = copied(settings, tmp_path)
    for file in (Path(settings.lake) / "sat_daily").rglob("*.parquet"):
        file.write_bytes(b"no parquet")
    broken = TestClient(create_app(settings), base_url=BASE).get(f"/cell/system/{BESS}/degradation-3d")
    assert broken.status_code == 503
    assert broken.json()["error"] == "table_broken"
    assert "sat_daily" in broken.json()["detail"]


def test_a_log_that_cannot_be_read_is_503_in_the_report_too(settings: Settings, tmp_path: Path) -> None:
    settings = copied(settings, tmp_path)
    client = TestClient(create_app(settings), base_url=BASE)
    for file in (Path(settings.lake) / "meter_daily" / "_delta_log").glob("*.json"):
        file.write_text("no log")
    for path in ("/report/m1", "/report/m1?as_of=2100-01-01", "/kpis?device=m1"):
        broken = client.get(path)
        assert (broken.status_code, broken.json()["error"]) == (503, "table_broken"), path
        assert "meter_daily" in broken.json()["detail"]
    told = CliRunner().invoke(main, ["report", "--system", "m1", "--lake", settings.lake, "--out", str(tmp_path / "o")])
    assert told.exit_code == 1
    assert "meter_daily cannot be read" in told.output


def test_the_first_and_the_last_day_of_the_calendar_are_refused_or_answered(client: TestClient) -> None:
    seen = 0
    for path, operation in client.get("/openapi.json").json()["paths"].items():
        dates = [p["name"] for p in operation.get("get", {}).get("parameters", []) if p["name"] in DAY_NAMES]
        known = path.replace("{m}", "m1").replace("{s}", BESS).replace("{p}", "1")
        for name in dates:
            for day in ("0001-01-01", "0001-01-02", "9999-12-30", "9999-12-31"):
                answer = client.get(known, params={**NEEDED.get(path, {}), name: day})
                assert answer.status_code in {200, 404, 422}, (known, name, day, answer.text)
                seen += 1
    assert seen > 60


def test_a_report_of_a_year_that_cannot_be_names_the_years_that_can(client: TestClient) -> None:
    answer = client.get("/report/m1?as_of=9999-12-31")
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_parameter")
    assert "2199" in answer.json()["detail"]


HOSTS = (
    "[", "[::1", "a]b", "]", "[]", "[::1]evil", "127.0.0.1/evil", "evil@127.0.0.1", "127.0.0.1:port", ":", "",
    "127.0.0.1 evil", "127.0.0.1#", "[::ffff:127.0.0.1", "\xff",
)  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_is_no_host_is_refused(client: TestClient, host: str) -> None:
    assert client.get("/health", headers={"host": host.encode("latin-1")}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:5006", "LOCALHOST", "[::1]", "[::1]:5006"])
def test_a_host_of_this_machine_is_let_in(client: TestClient, host: str) -> None:
    assert client.get("/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "[", "null", "", "http://127.0.0.1:5006@evil.example"])
def test_an_origin_that_is_none_may_not_write(client: TestClient, origin: str) -> None:
    assert client.post("/cache/clear", headers={"origin": origin}).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/surface/view", f"/surface/view?device={BESS}&pack=99", f"/surface/view?device={BESS}&pack=x",
        f"/surface/view?device={BESS}&pack=-1", f"/surface/view?device={BESS}&first=2024-10-10&last=2024-09-20",
        "/surface/view?device=m1", "/components/nothing", "/components/../x", "/?bokeh-session-id=nothing",
        "/?page=%00&device=..", "/static/nothing.js", "/nothing", "/cell", "/report", "/%ff", "/ws",
    ],
)  # fmt: skip
def test_no_address_beside_the_api_is_a_server_error(settings: Settings, path: str) -> None:
    lenient = TestClient(create_app(settings), base_url=BASE, raise_server_exceptions=False)
    assert lenient.get(path).status_code < 500


def test_a_plus_that_was_not_escaped_is_understood(client: TestClient) -> None:
    plain = client.get("/series?device=m1&signal=pf&start=2024-09-20T00:00:00+02:00&end=2024-09-21").json()
    assert plain["start"] == "2024-09-20T00:00:00+02:00"


def test_a_time_without_offset_is_on_the_clock_of_the_device(client: TestClient) -> None:
    answer = client.get("/series?device=m1&signal=pf&start=2024-10-27T00:00&end=2024-10-28").json()
    assert (answer["start"], answer["end"]) == ("2024-10-27T00:00:00+02:00", "2024-10-28T00:00:00+01:00")


@pytest.mark.parametrize("form", ["cells", "matrix"])
@pytest.mark.parametrize("resolution", ["1h", "1d", "1w"])
@pytest.mark.parametrize("wanted", ["json", "csv", "arrow"])
def test_days_without_data_are_an_empty_answer(client: TestClient, form: str, resolution: str, wanted: str) -> None:
    params = {"start": "0001-01-01", "end": "2001-01-01", "form": form, "time_resolution": resolution, "format": wanted}
    answer = client.get(f"/cell/system/{BESS}/degradation-3d", params=params)
    assert answer.status_code == 200
    if wanted == "json":
        assert answer.json()["total_cells"] == 0
        assert answer.json()["time_range"] == {"start": None, "end": None}
