"""A real `dagster dev`: files are dropped, the fits appear by themselves, and a browser sees how it went.

One module, because one server serves all of its tests. What happens when it is killed: `tests/crash/`.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from energy_pipeline.resources.lake import Lake
from energy_pipeline.schedules import build_schedules
from energy_pipeline.twin import make_plant, plan_preset
from tests.pipeline.dagster_dev import QUICK_SENSOR, DagsterDev, eventually

SYSTEM = "ZHPESS232A230002"
CHAIN = ["ingest_job", "months_job", "charges_job", "device_job", "fleet_job"]
SCHEDULED = {schedule.job_name for schedule in build_schedules()}  # their hour may come while the test runs
LAUNCH = """mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""

pytestmark = pytest.mark.slow


@dataclass
class Dropped:
    """A running Dagster whose chain has gone through after files were dropped."""

    server: DagsterDev
    lake: Lake


@pytest.fixture(scope="module")
def dropped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dropped]:
    folder = tmp_path_factory.mktemp("dagster_dev")
    make_plant(folder / "plant", plan_preset("tiny", meters=0, days=12))
    (folder / "raw").mkdir()
    (folder / "energy.toml").write_text(f'roots = ["raw"]\nlake = "lake"\n{QUICK_SENSOR}', encoding="utf-8")
    server, lake = DagsterDev(folder), Lake(str(folder / "lake"))
    try:
        server.start()
        source = next(p for p in (folder / "plant").rglob(SYSTEM) if p.is_dir())
        shutil.copytree(source, folder / "raw" / SYSTEM, copy_function=shutil.copyfile)

        def finished() -> bool:
            runs = server.runs()
            failed = [r for r in runs if r["status"] in {"FAILURE", "CANCELED"}]
            assert not failed, (failed, server.log())
            return lake.read("fleet_summary").height == 1 and all(r["status"] == "SUCCESS" for r in runs)

        eventually("the chain has gone through", finished, 240, pause_s=2)
        yield Dropped(server, lake)
    finally:
        server.stop()
    assert server.processes() == []


@pytest.fixture
def page(dropped: Dropped, context: BrowserContext) -> Iterator[Page]:
    made = context.new_page()
    made.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)
    yield made
    made.close()


def test_dropped_files_become_fits_without_a_hand_by_one_run_per_step(dropped: Dropped) -> None:
    fits = dropped.lake.read("degradation_fits", SYSTEM)
    assert fits.filter(fits["level"] == "cell").select("pack", "cell").unique().height == 8
    runs = [r for r in reversed(dropped.server.runs()) if r["jobName"] not in SCHEDULED]
    assert [r["jobName"] for r in runs] == CHAIN
    assert [r["tags"]["energy/device"] for r in runs] == [SYSTEM] * 4 + ["fleet"]
    assert set(dropped.lake.read("check_results", SYSTEM)["passed"]) == {True}


def test_a_run_started_by_hand_carries_its_device(dropped: Dropped) -> None:
    params = {
        "selector": {
            "pipelineName": "months_job", "repositoryName": "__repository__",
            "repositoryLocationName": "energy_pipeline.definitions",
        },
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": f"{SYSTEM}|2024-01"}]}, "mode": "default",
    }
    answer = dropped.server.ask(LAUNCH, params=params)["launchPipelineExecution"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    started = next(r for r in dropped.server.runs() if r["runId"] == answer["run"]["runId"])
    assert started["tags"]["energy/device"] == SYSTEM

    def ended() -> bool:
        own = next(r for r in dropped.server.runs() if r["runId"] == started["runId"])
        assert own["status"] != "FAILURE", dropped.server.log()
        return own["status"] == "SUCCESS"

    eventually("the run by hand has ended", ended, 90)


@pytest.mark.browser
def test_the_browser_shows_the_graph_the_partition_its_picture_and_the_check(dropped: Dropped, page: Page) -> None:
    address = dropped.server.address
    page.goto(f"{address}/asset-groups")
    for group in ("ingest", "resolution", "charges", "cells", "fleet"):
        expect(page.get_by_text(group, exact=True).first).to_be_visible()
    page.goto(f"{address}/assets/resolution_1d?view=partitions&partition={SYSTEM}%7C2024-01")
    expect(page.get_by_text(f"{SYSTEM}|2024-01").first).to_be_visible()
    expect(page.get_by_text("Materialized", exact=True).first).to_be_visible()
    page.get_by_text("[Show Markdown]").click()
    picture = page.locator("img[src^='data:image/png;base64,']")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 200
    page.goto(f"{address}/assets/readings?view=checks")
    page.get_by_text("rows_read_are_").first.click()
    expect(page.get_by_text("This is a blocking asset check.")).to_be_visible()
    expect(page.get_by_text("Passed", exact=True).first).to_be_visible()
    expect(page.get_by_text("rows read = accepted + rejected + duplicates + conflicts")).to_be_visible()
