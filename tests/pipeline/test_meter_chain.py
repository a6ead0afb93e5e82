"""Meters through `energy-pipeline run`: checks with their number, an event overruled, costs, a battery's site meter."""

import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import csv_text
from tests.pipeline.conftest import Pipeline

START = datetime(2024, 1, 30)  # noqa: DTZ001
STEPS = 4 * 144 + 1  # four days of ten minutes, over the border of a month
JUMP = 200  # reading at which the ratio was edited
BATTERY, METER = "bess1", "m2"  # in this order: the battery is computed before its meter
CHECKS = {
    "increases_sum_to_the_registers_difference", "registers_move_while_power_flows",
    "two_sources_of_one_energy_agree", "every_decision_meets_an_event",
}
SETTINGS = """roots = ["raw"]
lake = "lake"
zone = "UTC"
[[device]]
name = "bess1"
site_meter = "m2"
"""
TARIFF = '[tariff]\nprice_per_kwh = 0.5\npeak_per_kw = 10\nmeters = ["m1"]\n'
EVENT = '[[event]]\ndevice = "m1"\nsignal = "pos_ae"\nts = "{ts}"\ndecision = "accepted"\n'


def charging(k: int) -> bool:
    return k % 36 < 18


def write(folder: Path, device: str, signal: str, values: list[float]) -> None:
    file = folder / "raw" / device / f"{signal}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(csv_text(signal, [(f"{START + timedelta(minutes=10 * k)}", v) for k, v in enumerate(values)]))
    os.utime(file, (time.time() - 60,) * 2)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, pipeline_of: Callable[[Path], Pipeline]) -> tuple[Pipeline, Path]:
    folder = tmp_path_factory.mktemp("chain")
    steps = range(STEPS)
    write(folder, "m1", "com_ap", [6.0] * STEPS)
    write(folder, "m1", "pos_ae", [round(1000 + k + (25_000 if k >= JUMP else 0), 3) for k in steps])
    write(folder, "m3", "com_ap", [60.0] * STEPS)
    write(folder, "m3", "pos_ae", [5000.0 + 9 * min(k, 300) for k in steps])  # 10 % off, and stuck from reading 300 on
    write(folder, BATTERY, "bms1_soc", [20 + 2 * (k % 36 if charging(k) else 36 - k % 36) for k in steps])
    write(folder, BATTERY, "pcs1_p", [-50.0 if charging(k) else 40.0 for k in steps])
    write(folder, METER, "com_ap", [50.0 if charging(k) else -40.0 for k in steps])
    settings = folder / "energy.toml"
    settings.write_text(SETTINGS, encoding="utf-8")
    pipeline = pipeline_of(settings)
    summary = pipeline.run()
    assert summary.ok, summary
    return pipeline, settings


def verdicts(pipeline: Pipeline, device: str) -> dict[str, bool]:
    rows = pipeline.read("check_results", device).filter(pl.col("check").is_in(CHECKS))
    return dict(rows.select("check", "passed").iter_rows())


def test_the_checks_are_green_on_a_sound_meter_and_name_their_number(chain: tuple[Pipeline, Path]) -> None:
    pipeline, _ = chain
    assert verdicts(pipeline, "m1") == dict.fromkeys(CHECKS, True)
    row = pipeline.read("check_results", "m1").row(
        by_predicate=pl.col("check") == "increases_sum_to_the_registers_difference", named=True
    )
    assert row["checked_rows"] == 2 * 4
    assert "largest difference found 0.000000 kWh" in row["limit"]


def test_a_register_that_reads_too_little_and_then_stands_still_makes_both_checks_red(
    chain: tuple[Pipeline, Path],
) -> None:
    pipeline, _ = chain
    assert verdicts(pipeline, "m3") == dict.fromkeys(CHECKS, True) | {
        "registers_move_while_power_flows": False, "two_sources_of_one_energy_agree": False,
    }
    rows = pipeline.read("meter_balance", "m3").filter(pl.col("flagged")).sort("day", "comparison")
    still = rows.filter(pl.col("comparison") == "register_stands_still")
    assert still["a_kwh"].sum() == pytest.approx(60 * (STEPS - 1 - 300) / 6, abs=15)
    first = rows.filter(pl.col("comparison") == "power_and_register").row(0, named=True)
    assert first["difference_percent"] == pytest.approx(100 / 9)


def test_the_battery_is_compared_with_its_meter_although_the_meter_came_later(chain: tuple[Pipeline, Path]) -> None:
    rows = chain[0].read("meter_balance", BATTERY).sort("day")
    assert rows["comparison"].unique().to_list() == ["site_meter_and_inverter"]
    assert rows["a_kwh"].head(4).to_list() == pytest.approx([24 * 5.0] * 4, abs=10)
    assert rows["difference_percent"].head(4).to_list() == pytest.approx([0] * 4, abs=1e-6)
    assert not rows["flagged"].any()
    assert chain[0].read("meter_balance", METER).is_empty()


def test_a_tariff_brings_costs_for_its_meters_alone_and_a_decision_that_names_no_event_is_reported(
    chain: tuple[Pipeline, Path],
) -> None:
    pipeline, settings = chain
    assert pipeline.read("meter_costs").is_empty()
    settings.write_text(SETTINGS + TARIFF + EVENT.format(ts="2024-01-01T00:00:00Z"), encoding="utf-8")
    assert pipeline.run().ok
    assert {w.device for w in pipeline.started if w.kind != "fleet"} == {"m1"}
    costs = pipeline.read("meter_costs")
    assert costs["device"].unique().to_list() == ["m1"]
    days = costs.filter(pl.col("kind") == "day").sort("day")
    assert days["import_cost"].head(1).to_list() == pytest.approx([72])
    months = costs.filter(pl.col("kind") == "month").sort("month")
    assert months["peak_cost"].to_list() == pytest.approx([60, 60])
    energy = pipeline.read("meter_daily", "m1").sort("day")["import_kwh"].drop_nulls()
    assert days["import_kwh"].to_list() == pytest.approx(energy.to_list())
    assert verdicts(pipeline, "m1")["every_decision_meets_an_event"] is False
    assert pipeline.read("counter_events", "m1")["overruled"].to_list() == [False]


def test_an_event_accepted_in_the_settings_changes_its_month_alone(chain: tuple[Pipeline, Path]) -> None:
    pipeline, settings = chain
    before = pipeline.read("meter_daily", "m1").sort("day")
    event = pipeline.read("counter_events", "m1")
    assert event.select("kind", "booked_kwh", "overruled").rows() == [("jump", 0.0, False)]
    settings.write_text(SETTINGS + TARIFF + EVENT.format(ts=event["ts"][0].isoformat()), encoding="utf-8")
    assert pipeline.run().ok
    months = [w for w in pipeline.started if w.kind == "months"]
    assert [(w.device, w.months) for w in months] == [("m1", ("2024-01",))]
    row = pipeline.read("counter_events", "m1").row(0, named=True)
    assert (row["kind"], row["overruled"], row["booked_kwh"]) == ("jump", True, 25_001)
    after = pipeline.read("meter_daily", "m1").sort("day")
    gain = (after["import_kwh"] - before["import_kwh"]).fill_null(0.0)
    assert gain.to_list() == pytest.approx([0, 25_001, 0, 0, 0][: len(gain)])
    assert verdicts(pipeline, "m1")["increases_sum_to_the_registers_difference"]
    assert pipeline.run().runs == 0
