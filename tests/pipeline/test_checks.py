"""The checks in Dagster: every table has one, a planted fault turns it red, and the clock asks for silence."""

import json
import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from dagster import AssetCheckKey, AssetKey
from deltalake import write_deltalake

from energy_pipeline import guards
from energy_pipeline.checks.freshness import record_silence
from energy_pipeline.guards import FRESH, GUARDS, ONE_BATTERY, SAT_RANGE, Guard
from energy_pipeline.schemas import TABLES
from energy_pipeline.work import UNTRACKED
from tests.pipeline.conftest import Pipeline
from tests.pipeline.test_holds import plan, write

SCHEMA_OF = {g.table: g for group in guards.SCHEMAS.values() for g in group}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, pipeline_of: Callable[[Path], Pipeline]) -> Pipeline:
    folder = tmp_path_factory.mktemp("plant")
    write(folder, "m1", range(5, 9))
    write(folder, "m1", range(5, 9), month="2024-06")
    (folder / "energy.toml").write_text('roots = ["raw"]\nlake = "lake"\n', encoding="utf-8")
    made = pipeline_of(folder / "energy.toml")
    assert made.run().ok
    return made


@pytest.fixture
def pipeline(finished: Pipeline, tmp_path: Path) -> Pipeline:
    """A copy of the finished lake, to be spoilt."""
    shutil.copytree(finished.settings_file.parent, tmp_path, dirs_exist_ok=True)
    return Pipeline(tmp_path / "energy.toml", finished.instance)


def ask(pipeline: Pipeline, guard: Guard) -> bool:
    """Run one check alone over the tables of all devices as they lie; return its verdict."""
    key = AssetCheckKey(AssetKey(guard.table), guard.check)
    whole = pipeline.definitions.resolve_implicit_global_asset_job_def()
    job = whole.get_subset(asset_selection=set(), asset_check_selection={key})
    result = job.execute_in_process(instance=pipeline.instance, raise_on_error=False)
    return result.get_asset_check_evaluations()[0].passed


def stored(pipeline: Pipeline, guard: Guard) -> dict[str, object]:
    same = (pl.col("table") == guard.table) & (pl.col("check") == guard.check)
    return pipeline.read("check_results", "m1").row(by_predicate=same, named=True)


def test_every_table_that_is_an_asset_has_a_check_of_its_schema() -> None:
    assert set(SCHEMA_OF) == set(TABLES) - set(UNTRACKED)
    assert len({g.key for g in GUARDS}) == len(GUARDS)


def test_all_tables_of_a_meter_are_judged_green_by_one_run_of_each_kind(pipeline: Pipeline) -> None:
    rows = pipeline.read("check_results", "m1").filter(pl.col("check") == "rows_fit_the_schema")
    meter = [g.table for name in ("ingest", "resolution", "meters", "fleet") for g in guards.SCHEMAS[name]]
    assert set(rows["table"]) == set(meter)
    assert rows["passed"].all()
    assert dict(rows.select("table", "checked_rows").iter_rows())["readings"] == 8


@pytest.mark.parametrize(
    ("table", "column", "rule"), [("resolution_1h", "covered_s", "below 0"), ("signals", "rows_rejected", "below 0")]
)
def test_a_row_out_of_its_bounds_turns_the_check_red_and_holds_the_device_back(
    pipeline: Pipeline, table: str, column: str, rule: str
) -> None:
    guard = SCHEMA_OF[table]
    assert ask(pipeline, guard)
    row = pipeline.read(table, "m1").head(1).with_columns(pl.lit("another").alias("signal"), pl.col(column) * 0 - 1)
    write_deltalake(pipeline.lake.open(table), row.to_arrow(), mode="append")
    assert not ask(pipeline, guard)
    verdict = stored(pipeline, guard)
    assert [(r["column"], r["rule"], r["rows"]) for r in json.loads(verdict["sample"])] == [(column, rule, 1)]
    assert [(h.device, h.guard) for h in plan(pipeline).holds] == [("m1", guard)]


def test_a_row_that_stands_twice_turns_the_check_red_and_holds_the_device_back(pipeline: Pipeline) -> None:
    guard = SCHEMA_OF["signals"]
    assert ask(pipeline, guard)
    write_deltalake(pipeline.lake.open("signals"), pipeline.read("signals", "m1").head(1).to_arrow(), mode="append")
    assert not ask(pipeline, guard)
    (found,) = json.loads(stored(pipeline, guard)["sample"])
    assert (found["column"], found["rule"], found["rows"]) == ("device, signal", "as in another row", 1)
    assert [h.guard for h in plan(pipeline).holds] == [guard]


def test_two_batteries_in_one_folder_are_said_and_become_two_devices_by_two_settings(
    tmp_path: Path, pipeline_of: Callable[[Path], Pipeline]
) -> None:
    for name in ("bms1_soc", "bms2_soc", "bms1_p1_v1", "bms2_p1_v1"):
        rows = "".join(f"2024-05-05 {hour:02}:00:00,{3 + hour / 100}\n" for hour in range(24))
        file = tmp_path / "raw" / "c7" / f"{name}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"ts,{name}\n{rows}", encoding="utf-8")
    settings = tmp_path / "energy.toml"
    settings.write_text('roots = ["raw"]\nlake = "lake"\n', encoding="utf-8")
    pipeline = pipeline_of(settings)
    assert pipeline.run().ok  # it is said, and holds nothing back

    def red() -> dict[str, int]:
        rows = pipeline.read("check_results").filter(pl.col("check") == ONE_BATTERY.check)
        return dict(rows.select("device", "failed_rows").iter_rows())

    assert red() == {"c7": 2}
    with settings.open("a", encoding="utf-8") as more:
        more.write('[[source]]\nname = "second"\nglob = "c7/bms2_*.csv"\ndevice = "c7-b"\n')
    assert pipeline.run().ok
    assert red() == {"c7": 0, "c7-b": 0}
    assert sorted(pipeline.read("fleet_summary")["device"]) == ["c7", "c7-b"]
    named = pipeline.read("signals").filter(pl.col("rows_accepted") > 0)
    assert named.group_by("device").agg(pl.col("signal").sort()).sort("device").rows() == [
        ("c7", ["bms1_p1_v1", "bms1_soc"]), ("c7-b", ["bms2_p1_v1", "bms2_soc"]),
    ]


def test_of_readings_only_the_months_of_a_new_load_are_looked_at(pipeline: Pipeline, tmp_path: Path) -> None:
    write(tmp_path, "m1", range(10, 13), month="2024-08", age_s=30)
    assert pipeline.run().ok
    assert stored(pipeline, SCHEMA_OF["readings"])["checked_rows"] == 3
    assert ask(pipeline, SCHEMA_OF["readings"])  # by hand: all of them
    assert stored(pipeline, SCHEMA_OF["readings"])["checked_rows"] == 11


def test_a_sentinel_in_sat_voltage_holds_the_fits_back() -> None:
    assert SAT_RANGE.blocking
    loads, digest = {"2024-03": 1}, "d"
    found = {SAT_RANGE.key: {"2024-03": guards.Verdict(1, digest, 2)}}
    assert [h.guard for h in guards.holds(found, "b1", guards.CHARGES, loads, digest)] == [SAT_RANGE]


def test_the_clock_finds_a_device_that_has_gone_silent_and_one_that_came_back(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    assert stored(pipeline, FRESH)["passed"]  # an archive
    now = datetime.now(UTC)
    file = tmp_path / "raw" / "m1" / "com_ap_now.csv"
    day = (now - timedelta(hours=60)).strftime("%Y-%m-%d %H:%M:%S")
    file.write_text(f"ts,com_ap\n{day},7\n", encoding="utf-8")
    os.utime(file, (time.time() - 30, time.time() - 30))
    summary = pipeline.run()
    assert summary.ok  # late is a finding, and holds nothing back
    assert [n for n in summary.notes if n.startswith("m1: late, the last reading is of ")]
    verdict = stored(pipeline, FRESH)
    assert (verdict["passed"], verdict["blocking"]) == (False, False)
    assert json.loads(verdict["sample"])[0]["state"] == "late"
    settings = pipeline.site.settings()
    version = pipeline.lake.open("check_results").version()
    record_silence(pipeline.lake, settings, ["m1"])
    assert pipeline.lake.open("check_results").version() == version  # nothing new, nothing written
    record_silence(pipeline.lake, settings, ["m1"], now + timedelta(hours=60))
    assert json.loads(stored(pipeline, FRESH)["sample"])[0]["state"] == "overdue"


def test_the_schedules_job_judges_all_devices_at_once(pipeline: Pipeline) -> None:
    pipeline.lake.open("check_results").delete(f"\"check\" = '{FRESH.check}'")
    job = pipeline.definitions.resolve_job_def("freshness_job")
    assert job.execute_in_process(instance=pipeline.instance).success
    assert stored(pipeline, FRESH)["passed"]
