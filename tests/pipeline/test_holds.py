"""A red blocking check holds its device back, and only that one, until data or settings change or it is green."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable, write_deltalake

from energy_pipeline import guards, work
from energy_pipeline.cli import main
from energy_pipeline.guards import ACCOUNTS, GUARDS, LEVELS_AGREE
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.raw_files import discover
from energy_pipeline.work import Due, plan_work
from tests.pipeline.conftest import Pipeline


def write(folder: Path, device: str, days: range, month: str = "2024-03", age_s: float = 60) -> None:
    file = folder / "raw" / device / f"com_ap_{month}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("ts,com_ap\n" + "".join(f"{month}-{d:02d} 12:00:00,{d}\n" for d in days))
    os.utime(file, (time.time() - age_s, time.time() - age_s))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, pipeline_of: Callable[[Path], Pipeline]) -> Pipeline:
    folder = tmp_path_factory.mktemp("plant")
    for device in ("m1", "m2"):
        write(folder, device, range(1, 9))
    (folder / "energy.toml").write_text('roots = ["raw"]\nlake = "lake"\n', encoding="utf-8")
    made = pipeline_of(folder / "energy.toml")
    assert made.run().ok
    return made


@pytest.fixture
def pipeline(finished: Pipeline, tmp_path: Path, pipeline_of: Callable[[Path], Pipeline]) -> Pipeline:
    """A copy of the finished lake, in which nothing is due."""
    made = finished.copied(tmp_path, pipeline_of)
    assert plan(made) == Due()
    return made


def plan(pipeline: Pipeline) -> Due:
    settings = pipeline.site.settings()
    return plan_work(pipeline.lake, settings, discover(settings).devices, time.time())


def steal_a_reading(pipeline: Pipeline, device: str) -> None:
    """Remove one stored reading behind the project's back, so that the accounting no longer closes."""
    DeltaTable(pipeline.lake.path("readings")).delete(f"device = '{device}' AND value = 5.0")


def run_ingest(pipeline: Pipeline, device: str) -> bool:
    job = pipeline.definitions.resolve_job_def("ingest_job")
    return job.execute_in_process(
        instance=pipeline.instance, partition_key=device, raise_on_error=False
    ).success


def test_the_checks_that_dagster_runs_are_those_that_the_guards_name() -> None:
    from energy_pipeline.checks import build_checks

    found = {
        (spec.name, spec.asset_key.to_user_string(), spec.blocking) for c in build_checks() for spec in c.check_specs
    }
    assert found == {(g.check, g.table, g.blocking) for g in GUARDS}


def test_a_red_accounting_holds_its_device_back_and_the_other_goes_on_to_the_overview(pipeline: Pipeline) -> None:
    steal_a_reading(pipeline, "m1")
    assert not run_ingest(pipeline, "m1")
    for device in ("m1", "m2"):
        pipeline.lake.open("resolution_1d").delete(f"device = '{device}'")
    changed = pipeline.settings_file.read_text() + "[meter]\npower_factor_limit = 0.95\n"
    pipeline.settings_file.write_text(changed)  # all months are due
    summary = pipeline.run()
    assert not summary.ok
    assert [p for p in summary.problems if p.startswith("m1: held back") and ACCOUNTS.check in p]
    assert [(w.kind, w.device) for w in pipeline.started] == [("months", "m2"), ("fleet", "")]
    assert pipeline.read("resolution_1d", "m1").is_empty()
    assert pipeline.read("resolution_1d", "m2").height == 8
    assert [(h.device, h.guard, h.failed_rows) for h in plan(pipeline).holds] == [("m1", ACCOUNTS, 1)]
    again = pipeline.run()
    assert (again.runs, again.ok) == (0, False)  # it waits, and says so each time


def test_new_data_and_a_green_check_let_the_device_go_on(pipeline: Pipeline, tmp_path: Path) -> None:
    steal_a_reading(pipeline, "m1")
    assert not run_ingest(pipeline, "m1")
    assert plan(pipeline).holds
    write(tmp_path, "m1", range(1, 10), age_s=30)
    (tmp_path / "raw" / "m1" / "com_ap_2024-03.csv").touch()
    os.utime(tmp_path / "raw" / "m1" / "com_ap_2024-03.csv", (time.time() - 20, time.time() - 20))
    # A file that has grown is read on from its old end: the lost reading stays lost, and the check stays red.
    assert not pipeline.run().ok
    assert [h.device for h in plan(pipeline).holds] == ["m1"]
    # A rewritten file (other bytes at its head) rebuilds the signal from all its files.
    write(tmp_path, "m1", range(2, 12), age_s=15)
    summary = pipeline.run()
    assert summary.ok, summary.problems
    assert plan(pipeline) == Due()
    assert pipeline.read("resolution_1d", "m1").height == 10


def test_a_red_month_is_not_computed_again_and_the_others_are(pipeline: Pipeline, tmp_path: Path) -> None:
    lake = pipeline.lake
    five = lake.open("resolution_5min")
    wrong = pl.scan_delta(five).filter(pl.col("device") == "m1").collect()
    five.delete("device = 'm1'")
    write_deltalake(lake.open("resolution_5min"), wrong.head(3).to_arrow(), mode="append")
    month = "2024-03"
    _rejudge(pipeline, "m1", month)
    held = plan(pipeline).holds
    assert [(h.device, h.guard, h.scopes) for h in held] == [("m1", LEVELS_AGREE, (month,))]
    write(tmp_path, "m1", range(5, 9), month="2024-06")
    summary = pipeline.run()
    assert [(w.kind, w.months) for w in pipeline.started if w.kind == "months"] == [("months", ("2024-06",))]
    assert not summary.ok
    row = pipeline.read("check_results", "m1").row(by_predicate=pl.col("check") == LEVELS_AGREE.check, named=True)
    assert row["passed"] is False  # the green month does not cover up the red one
    assert {r["month"] for r in json.loads(row["sample"])} == {month}
    _materialise(pipeline, f"m1|{month}")
    assert plan(pipeline).holds == []
    assert pipeline.run().ok


def _rejudge(pipeline: Pipeline, device: str, month: str) -> None:
    """Run the check over the tables as they lie, and store its verdict."""
    from energy_pipeline.checks import _levels
    from energy_pipeline.checks.common import _loads, store

    lake, settings = pipeline.lake, pipeline.site.settings()
    loads = _loads(lake, settings, LEVELS_AGREE, device, [month])
    store(lake, settings, LEVELS_AGREE, device, _levels(lake, settings, device, [month]), loads)


def _materialise(pipeline: Pipeline, key: str) -> None:
    job = pipeline.definitions.resolve_job_def("months_job")
    assert job.execute_in_process(instance=pipeline.instance, partition_key=key).success


@pytest.mark.parametrize("stage", ["ingest", "months"])
def test_a_check_that_a_crash_prevented_is_made_up_for(pipeline: Pipeline, stage: str) -> None:
    guard = guards.guards_of(stage)[0]
    pipeline.lake.open("check_results").delete(f"device = 'm1' AND \"check\" = '{guard.check}'")
    due = plan(pipeline)
    assert [(w.kind, w.device) for w in due.work] == [(stage, "m1")]
    assert pipeline.run().ok
    assert guard.check in set(pipeline.read("check_results", "m1")["check"])
    assert plan(pipeline) == Due()


def test_status_shows_what_is_held_back(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(pipeline.settings_file.parent / "no_home"))
    steal_a_reading(pipeline, "m1")
    assert not run_ingest(pipeline, "m1")
    shown = CliRunner().invoke(main, ["status", "--settings", str(pipeline.settings_file)]).output
    assert "m1: held back by the red check rows_read_are_accepted_rejected_duplicate_or_conflict on readings" in shown
    rows = {line.split()[0]: line for line in shown.splitlines() if "Europe/Berlin" in line}
    assert "held back" in rows["m1"]
    assert "up to date" in rows["m2"]


def test_a_device_that_keeps_failing_does_not_keep_the_overview_from_the_others(pipeline: Pipeline) -> None:
    settings = pipeline.site.settings()
    files = discover(settings).devices
    empty = Lake(f"{pipeline.lake.url}_of_nothing")
    first = plan_work(empty, settings, files, time.time()).work
    assert [w.device for w in first] == ["m1", "m2"]
    left = plan_work(empty, settings, files, time.time(), lambda w: w.device == "m1")
    assert [w.device for w in left.work] == ["m2"]
    broken = {**files, "m3": list(files["m1"])}
    again = work.plan_work(pipeline.lake, settings, broken, time.time(), lambda w: w.device == "m3")
    assert again.work == []


def test_a_file_that_raises_is_set_aside_within_one_command_and_its_device_is_finished(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from energy_pipeline.loading import files as reading

    honest = reading.read_file

    def read(work: reading.FileWork, layout: object, context: object) -> reading.FileResult:
        if "2024-06" in work.file.path:
            msg = "nobody foresaw this"
            raise KeyError(msg)
        return honest(work, layout, context)

    monkeypatch.setattr(reading, "read_file", read)
    for month in ("2024-03", "2024-06"):
        write(tmp_path, "m3", range(1, 9), month)
    summary = pipeline.run()
    assert summary.ok, summary.failures
    assert [w.kind for w in pipeline.started if w.device == "m3"] == ["ingest", "ingest", "ingest", "months"]
    assert pipeline.read("resolution_1d", "m3").height == 8
    row = pipeline.read("check_results", "m3").row(by_predicate=pl.col("check") == guards.FILES.check, named=True)
    assert (row["passed"], row["blocking"]) == (False, False)
    assert "KeyError" in row["sample"]
    assert plan(pipeline) == Due()
