"""Five real data sets, described by settings alone, give the numbers that a correct reader finds."""

import importlib.util
import os
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from energy_pipeline.loading.load import load_device
from energy_pipeline.resources.raw_files import discover
from energy_pipeline.runner import RunSummary
from tests.pipeline.conftest import Pipeline

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def real(
    tmp_path_factory: pytest.TempPathFactory, pipeline_of: Callable[[Path], Pipeline]
) -> tuple[Pipeline, RunSummary]:
    if not DATA.is_dir():
        message = f"the real data sets are missing: {DATA} is not there"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    settings = tmp_path_factory.mktemp("real") / "energy.toml"
    blocks = Path(__file__).with_name("real_sets.toml").read_text(encoding="utf-8")
    settings.write_text(f'roots = ["{DATA}"]\nlake = "lake"\n{blocks}', encoding="utf-8")
    pipeline = pipeline_of(settings)
    return pipeline, pipeline.run()


def accounts(pipeline: Pipeline, device: str) -> dict[str, dict[str, int]]:
    return {row["signal"]: row for row in pipeline.read("signals", device).iter_rows(named=True)}


def test_all_five_sets_load_without_a_failure(real: tuple[Pipeline, RunSummary]) -> None:
    pipeline, summary = real
    assert summary.failures == []
    assert summary.problems == []
    assert pipeline.lake.devices() == ["car1", "car2", "emo", "givenergy", "shelly", "steel"]


def test_the_accounting_of_every_signal_closes(real: tuple[Pipeline, RunSummary]) -> None:
    pipeline, summary = real
    checks = pipeline.read("check_results").filter(pl.col("check").str.starts_with("rows_read"))
    assert checks.height == 6
    assert checks["passed"].all()
    counts = summary.counts
    assert counts["rows_read"] == sum(
        counts[f"rows_{name}"] for name in ("accepted", "rejected", "duplicate", "conflict")
    )


@pytest.mark.parametrize(("phase", "duplicates"), [("a", 4_320), ("b", 11_947), ("c", 0)])
def test_shelly_loses_exactly_its_repeated_rows(
    real: tuple[Pipeline, RunSummary], phase: str, duplicates: int
) -> None:
    row = accounts(real[0], "shelly")[f"import_interval_{phase}"]
    assert row["rows_duplicate"] == duplicates
    assert row["rows_conflict"] == row["rows_rejected"] == 0


def test_shelly_energy_of_days_is_that_of_its_distinct_rows(real: tuple[Pipeline, RunSummary]) -> None:
    pipeline, _ = real
    kwh = 0.0
    for phase in "ABC":
        file = DATA / "shelly_MIT" / f"em_data_phase{phase}.csv"
        kwh += pl.read_csv(file).unique()[f"Active energy Wh ({phase})"].sum() / 1000
    days = pipeline.read("resolution_1d", "shelly").filter(pl.col("signal").str.starts_with("import"))
    assert days["increase"].sum() == pytest.approx(kwh, abs=1e-3)  # 1e-4 kWh per signal and month at the most
    complete = pipeline.read("meter_daily", "shelly").drop_nulls("import_kwh")
    assert complete["energy_source"].unique().to_list() == ["interval"]
    assert complete.filter(pl.col("day") == date(2024, 10, 27))["day_length_s"].to_list() == [25 * 3600]
    assert complete.filter(pl.col("day") == date(2025, 3, 30))["day_length_s"].to_list() == [23 * 3600]


def test_emo_resolves_every_local_time_as_its_epoch_column_says(real: tuple[Pipeline, RunSummary]) -> None:
    file = pl.read_csv(DATA / "emo_MIT" / "elec_2025_noid.csv", separator=";").filter(pl.col("code") == "ellm")
    epoch = file.select(pl.col("moment") * 1_000_000).to_series()
    readings = real[0].read("readings", "emo").filter(pl.col("signal") == "pos_ae").sort("ts")
    assert readings.height == 34_943
    assert readings["ts"].to_physical().to_list() == epoch.sort().to_list()


def test_emo_increases_sum_to_the_difference_of_the_register(real: tuple[Pipeline, RunSummary]) -> None:
    pipeline, _ = real
    readings = pipeline.read("readings", "emo").filter(pl.col("signal") == "pos_ae").sort("ts")
    difference = readings["value"][-1] - readings["value"][0]
    for level in ("5min", "15min", "1h", "1d"):
        table = pipeline.read(f"resolution_{level}", "emo").filter(pl.col("signal") == "pos_ae")
        assert table["increase"].sum() == pytest.approx(difference, abs=1e-6)
    assert pipeline.read("counter_events", "emo").is_empty()


def test_steel_midnight_rows_end_the_day_they_belong_to(real: tuple[Pipeline, RunSummary]) -> None:
    readings = real[0].read("readings", "steel").filter(pl.col("signal") == "import_interval").sort("ts")
    assert readings.height == 35_040
    assert readings["ts"].diff().drop_nulls().unique().to_list() == [timedelta(minutes=15)]
    assert readings["ts"][0] == datetime(2017, 12, 31, 15, 0, tzinfo=UTC)  # midnight in Seoul, start of the row
    rows = pl.read_csv(DATA / "steel_CCBY4" / "Steel_industry_data.csv", infer_schema_length=None)
    days = real[0].read("meter_daily", "steel")
    assert days.height == 365
    assert days["import_kwh"].sum() == pytest.approx(rows["Usage_kWh"].sum(), abs=0.01)
    last = rows.filter(pl.col("date").str.starts_with("31/12/2018"))["Usage_kWh"].sum()
    assert days.filter(pl.col("day") == date(2018, 12, 31))["import_kwh"][0] == pytest.approx(last, abs=1e-3)


def test_steel_power_factor_is_that_of_the_rows(real: tuple[Pipeline, RunSummary]) -> None:
    rows = pl.read_csv(DATA / "steel_CCBY4" / "Steel_industry_data.csv", infer_schema_length=None)
    first = rows.filter(pl.col("date").str.starts_with("01/02/2018"))
    day = real[0].read("meter_daily", "steel").filter(pl.col("day") == date(2018, 2, 1))
    assert day["power_factor_time"][0] == pytest.approx(first["Lagging_Current_Power_Factor"].mean() / 100, abs=1e-6)


def test_without_the_setting_steel_midnights_are_refused_with_their_reason(
    tmp_path: Path, pipeline_of: Callable[[Path], Pipeline], real: tuple[Pipeline, RunSummary]
) -> None:
    del real  # only there so that a missing folder is reported once
    settings = tmp_path / "energy.toml"
    settings.write_text(
        f"""roots = ["{DATA}"]
lake = "lake"
zone = "Asia/Seoul"
[[source]]
name = "steel"
glob = "steel_CCBY4/*.csv"
device = "steel"
time_column = "date"
time_format = "%d/%m/%Y %H:%M"
zone = "Asia/Seoul"
interval_s = 900
columns = [{{ column = "Usage_kWh", signal = "import_interval" }}]
""",
        encoding="utf-8",
    )
    pipeline = pipeline_of(settings)
    found = discover(pipeline.site.settings()).devices["steel"]
    later = time.time() + 86_400  # the last row is such a midnight: it waits for what might follow it
    load_device(pipeline.lake, pipeline.site.settings(), "steel", found, now_s=later)
    refused = pipeline.read("rejected_readings", "steel").filter(pl.col("signal") == "import_interval")
    assert refused["reason"].unique().to_list() == ["midnight_label"]
    assert refused.height == 365
    assert refused["raw"].str.contains(" 00:00,").all()


def test_the_cars_sentinels_are_refused_and_reach_no_sat_voltage(real: tuple[Pipeline, RunSummary]) -> None:
    pipeline, _ = real
    car1 = pipeline.read("rejected_readings", "car1").filter(pl.col("reason") == "sentinel")
    car2 = pipeline.read("rejected_readings", "car2").filter(pl.col("reason") == "sentinel")
    assert (car1.height, car2.height) == (1_537, 463)
    for car in ("car1", "car2"):
        readings = pipeline.lake.scan("readings", car).filter(pl.col("signal").str.contains("_v\\d")).collect()
        assert readings["value"].is_between(2.0, 4.5).all()
        sat = pipeline.read("sat_voltage", car)["sat_voltage_v"].drop_nulls()
        assert sat.is_between(3.0, 4.4).all()


def test_the_car_that_only_drives_has_no_qualified_day_and_says_why(real: tuple[Pipeline, RunSummary]) -> None:
    days = real[0].read("sat_daily", "car2")
    assert days.height > 0
    assert not days["qualified"].any()
    assert days["reason"].is_not_null().all()
    fits = real[0].read("degradation_fits", "car2").filter(pl.col("level") == "cell")
    assert fits["verdict"].unique().to_list() == ["insufficient_data"]


def test_givenergy_discharges_with_positive_power_and_the_table_says_so(real: tuple[Pipeline, RunSummary]) -> None:
    cycles = real[0].read("charge_cycles", "givenergy")
    assert set(cycles["kind"].unique()) == {"charge", "discharge"}
    assert cycles["file_sign"].unique().to_list() == [-1]
    assert cycles["energy_kwh"].min() > 0
    assert cycles["charge_ah"].null_count() == cycles.height
    row = accounts(real[0], "givenergy")["bat_power"]
    assert row["rows_duplicate"] + row["rows_conflict"] == 32


def test_the_table_of_real_meters_in_the_docs_is_what_the_tables_hold(real: tuple[Pipeline, RunSummary]) -> None:
    root = Path(__file__).resolve().parents[2]
    spec = importlib.util.spec_from_file_location("meter_results", root / "scripts" / "meter_results.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    shown = script.between_markers((root / "docs" / "meters.md").read_text(encoding="utf-8"))
    assert shown == script.results(real[0].read, DATA)


def test_energy_of_every_register_is_conserved_at_every_level(real: tuple[Pipeline, RunSummary]) -> None:
    checks = real[0].read("check_results").filter(pl.col("check") == "increases_sum_to_the_registers_difference")
    assert checks["passed"].all()
    assert dict(checks.select("device", "checked_rows").iter_rows())["emo"] >= 12 * 4


def test_power_and_registers_of_givenergy_agree_but_for_their_sampling(real: tuple[Pipeline, RunSummary]) -> None:
    rows = real[0].read("meter_balance", "givenergy")
    assert rows["comparison"].unique().to_list() == ["power_and_register"]
    assert rows["flagged"].sum() == 4
    assert rows.filter(pl.col("flagged"))["difference_percent"].abs().max() < 5.1


def test_a_second_run_finds_nothing_to_do(real: tuple[Pipeline, RunSummary]) -> None:
    pipeline, _ = real
    again = pipeline.run()
    assert again.runs == 0
    assert again.counts["bytes_parsed"] == 0
