"""An answer is as new as its tables: whatever an endpoint reads is part of its ETag, and a new version changes both."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from fastapi.testclient import TestClient

from energy_pipeline.settings import Settings
from tests.api.conftest import BASE, copied
from tests.viewer.lake_factory import Plan, write_table
from viewer import app as server
from viewer.store import Store

BESS = Plan().bess
SERIES, CELLS, PACK = "/series?device=", f"/cell/system/{BESS}", f"/cell/pack/{BESS}/1"
PATHS = (
    "/meters", "/meters/classified", "/meters/m1/info", f"/bundle?device={BESS}", "/bundle?device=m1",
    *(f"{SERIES}m1&signal={s}&resolution={r}" for s in ("com_ap", "pos_ae") for r in ("auto", "1h", "1d")),
    f"{SERIES}m1&signal=pos_ae&resolution=15min&max_points=20000",
    f"{SERIES}m1&signal=com_ap&start=2024-10-01&end=2024-10-02", "/kpis?device=m1", f"/bess_kpis?device={BESS}",
    *(f"/{w}&start=2024-10-01T06:00&end=2024-10-02T18:00" for w in ("kpis?device=m1", f"bess_kpis?device={BESS}")),
    *(f"{CELLS}/{w}?time_resolution={r}" for w in ("degradation-3d", "real-sat-voltage") for r in ("1h", "1d", "1w")),
    f"{CELLS}/raw-voltage-plot?pack=1&cell=1", f"{CELLS}/comparison",
    *(f"{PACK}/{w}" for w in ("health", "cells", "anomalies", "heatmap", "cycles", "cycles/3d")),
    f"{PACK}/degradation-timeline",
)  # fmt: skip


class Recorder(Store):
    """A store that notes which tables are asked for their version as part of a tag, and which for anything else."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.tagged: set[str] = set()
        self.read: set[str] = set()
        self._tagging = False

    def edition(self, table: str) -> str:
        self.tagged.add(table)
        self._tagging = True
        try:
            return super().edition(table)
        finally:
            self._tagging = False

    def _handle(self, table: str) -> object:
        if not self._tagging:
            self.read.add(table)
        return super()._handle(table)


@pytest.fixture
def recorder(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[TestClient, Recorder]]:
    """Return a client of a server whose store notes what is read, one request at a time."""
    monkeypatch.setattr(server, "Store", Recorder)
    app = server.create_app(settings)
    yield TestClient(app, base_url=BASE), app.state.store


def test_the_tables_that_an_endpoint_reads_are_those_of_its_etag(recorder: tuple[TestClient, Recorder]) -> None:
    client, store = recorder
    for path in PATHS:
        for wanted in ("json", "csv"):
            store.tagged, store.read = set(), set()
            answer = client.get(f"{path}{'&' if '?' in path else '?'}format={wanted}")
            assert answer.status_code == 200, (path, answer.text)
            assert store.read, f"{path}: the answer came from somewhere else, nothing was recorded"
            assert store.read <= store.tagged, f"{path} reads {store.read - store.tagged}, which its ETag leaves out"


def test_no_endpoint_with_tables_is_left_out_of_that(client: TestClient) -> None:
    known = {
        p.partition("?")[0].replace(BESS, "{s}").replace("/1/", "/{p}/").replace("/m1/", "/{m}/") for p in PATHS
    }
    document = client.get("/openapi.json").json()["paths"]
    assert {path for path, does in document.items() if "304" in does["get"]["responses"]} == known


@pytest.mark.parametrize(
    "case",
    [
        ("battery_energy", "round_trip_ac_percent", 71.5, "round_trip_ac_percent"),
        ("alarm_events", "", 0, "alarm_hours"),
    ],
)
def test_figures_of_a_battery_follow_every_table_they_come_from(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: tuple[str, str, float, str]
) -> None:
    table, column, value, field = case
    monkeypatch.setattr("viewer.store.RECHECK_S", 0.0)
    settings = copied(settings, tmp_path)
    client = TestClient(server.create_app(settings), base_url=BASE)
    before = client.get("/bess_kpis", params={"device": BESS})
    rows = pl.read_delta(f"{settings.lake}/{table}")
    changed = rows.with_columns(pl.lit(value).alias(column)) if column else rows.clear()
    write_table(Path(settings.lake), table, changed)
    after = client.get("/bess_kpis", params={"device": BESS}, headers={"if-none-match": before.headers["etag"]})
    assert after.status_code == 200
    assert before.json()[field] != after.json()[field] == value
