"""A real `dagster dev` that is killed, loses a run, or loses its lake: the chain completes by itself, tables equal.

The truth is the same plant through `energy-pipeline run` without any fault. Next: `tests/pipeline/dagster_dev.py`.
"""

import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from dagster import DagsterInstance
from polars.testing import assert_frame_equal

from energy_pipeline.build import build_definitions
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.raw_files import discover
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.runner import Observer, run_due
from energy_pipeline.schemas import TABLES
from energy_pipeline.settings import load_settings
from energy_pipeline.twin import make_plant, plan_preset
from energy_pipeline.work import Due, plan_work
from tests.pipeline.dagster_dev import QUICK_SENSOR, DagsterDev, eventually

pytestmark = [pytest.mark.crash, pytest.mark.slow]
WITH_CLOCK = {"check_results", "alerts"}  # they say when a check ran
PATIENCE_S = 420


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plant")
    make_plant(folder, plan_preset("tiny", meters=1, days=36))
    for file in folder.rglob("*.csv"):
        os.utime(file, (time.time() - 60, time.time() - 60))
    return folder


@pytest.fixture(scope="module")
def undisturbed(plant: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pl.DataFrame]:
    site = SiteResource(settings_file=str(plant / "energy.toml"))
    with DagsterInstance.ephemeral(tempdir=str(tmp_path_factory.mktemp("instance"))) as instance:
        assert run_due(build_definitions(site), site, instance, Observer(lambda _: None, lambda *_: None)).ok
    return tables(site.lake())


@pytest.fixture
def server(plant: Path, tmp_path: Path) -> Iterator[DagsterDev]:
    for root in ("meter", "BESS"):
        shutil.copytree(plant / root, tmp_path / root)  # with the times of change
    text = (plant / "energy.toml").read_text(encoding="utf-8")
    (tmp_path / "energy.toml").write_text(text + QUICK_SENSOR, encoding="utf-8")
    made = DagsterDev(tmp_path)
    yield made
    made.stop()


def tables(lake: Lake) -> dict[str, pl.DataFrame]:
    return {
        name: lake.read(name).sort(table.key, nulls_last=True) for name, table in TABLES.items()
        if name not in WITH_CLOCK
    }


def lake_of(server: DagsterDev) -> Lake:
    return Lake(str(server.folder / "lake"))


def in_job(server: DagsterDev, job: str) -> Callable[[], dict[str, object] | None]:
    return lambda: next((r for r in server.runs() if r["jobName"] == job and r["status"] == "STARTED"), None)


def assert_completed(server: DagsterDev, truth: dict[str, pl.DataFrame]) -> None:
    lake, settings = lake_of(server), load_settings(server.folder / "energy.toml", environ={})

    def finished() -> bool:
        busy = [r for r in server.runs() if r["status"] not in {"SUCCESS", "FAILURE", "CANCELED"}]
        return not busy and plan_work(lake, settings, discover(settings).devices, time.time()) == Due()

    eventually("the chain has completed by itself", finished, PATIENCE_S, 1.0)
    found = tables(lake)
    for name, wanted in truth.items():
        # Sums over threads may differ in the last bit from one process to the next; everything else is exact.
        assert_frame_equal(found[name], wanted, check_exact=False, rel_tol=1e-13, abs_tol=1e-13)


def test_all_of_it_killed_in_mid_chain_goes_on_after_a_restart(
    server: DagsterDev, undisturbed: dict[str, pl.DataFrame]
) -> None:
    server.start()
    eventually("months are being computed", in_job(server, "months_job"), PATIENCE_S, 0.2)
    server.kill()
    assert server.processes() == []
    assert lake_of(server).read("fleet_summary").is_empty()
    server.start()
    assert_completed(server, undisturbed)


def test_a_run_that_is_killed_is_noticed_and_done_again(
    server: DagsterDev, undisturbed: dict[str, pl.DataFrame]
) -> None:
    server.start()

    def worker() -> int | None:
        log = (server.folder / "dagster.log").read_text(errors="replace")
        found = re.search(r"ingest_job - \S+ - (\d+) - ENGINE_EVENT - Executing steps in process", log)
        return int(found[1]) if found else None

    pid = eventually("a run has started", worker, PATIENCE_S, 0.1)
    assert pid in server.processes()
    os.kill(pid, signal.SIGKILL)
    assert_completed(server, undisturbed)
    assert "FAILURE" in {r["status"] for r in server.runs()}


def test_a_lake_out_of_reach_for_a_while_is_waited_for(
    server: DagsterDev, undisturbed: dict[str, pl.DataFrame]
) -> None:
    server.start()
    eventually("months are being computed", in_job(server, "months_job"), PATIENCE_S, 0.2)
    lake, away = server.folder / "lake", server.folder / "away"
    lake.rename(away)
    lake.write_text("what is here is no lake")
    waits = "the lake .* cannot be reached: it is no folder"
    eventually(
        "the sensor says that the lake cannot be reached",
        lambda: re.search(waits, (server.folder / "dagster.log").read_text(errors="replace")), 90,
    )
    lake.unlink()
    away.rename(lake)
    assert_completed(server, undisturbed)
