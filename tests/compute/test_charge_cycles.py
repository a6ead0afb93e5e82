"""Charges and discharges: direction from SOC, energy, sign, zero of the current, months."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from plants import START, Charger, microseconds

from energy_pipeline.compute.charge_cycles import build_charge_cycles
from energy_pipeline.schemas.battery import CHARGE_CYCLES
from energy_pipeline.settings import BatterySettings


@pytest.mark.parametrize("sign", [1, -1])
def test_direction_comes_from_soc_whatever_the_sign_of_the_file(sign: int) -> None:
    plant = Charger(sign=sign, days=3)
    rows = build_charge_cycles(plant.ctx, "2024-03", plant.readings())
    assert rows["kind"].to_list() == ["charge", "discharge"] * 3
    assert rows["file_sign"].unique().to_list() == [sign]
    assert not rows["sign_contradiction"].any()


def test_charge_energy_and_conditions_come_back_as_planted() -> None:
    plant = Charger(days=3, current_a=140.0)
    rows = build_charge_cycles(plant.ctx, "2024-03", plant.readings()).filter(pl.col("kind") == "charge")
    assert rows["charge_ah"].to_list() == pytest.approx([0.92 * 280] * 3, rel=2e-3)
    assert rows["energy_kwh"].to_list() == pytest.approx([0.92 * 280 * 3.34 * 6 / 1000] * 3, rel=5e-3)
    assert rows["soc_end"].to_list() == [97.0] * 3
    assert rows["current_end_a"].to_list() == [140.0] * 3
    assert rows["temperature_end_c"].to_list() == [25.0] * 3
    assert rows["coverage_soc"].min() == pytest.approx(1.0)


def test_the_zero_of_the_current_is_read_at_rest_with_the_files_sign() -> None:
    plant = Charger(days=2, sign=-1, zero_a=0.5)
    rows = build_charge_cycles(plant.ctx, "2024-03", plant.readings())
    assert rows["zero_current_a"].to_list() == pytest.approx([0.5] * 4)


def test_without_soc_the_voltage_decides_and_says_so() -> None:
    plant = Charger(days=2, with_soc=False)
    rows = build_charge_cycles(plant.ctx, "2024-03", plant.readings())
    assert rows["kind"].to_list() == ["charge", "discharge"] * 2
    assert rows["method"].unique().to_list() == ["voltage"]
    assert rows["delta_soc"].null_count() == 4


def test_a_device_without_current_gives_an_empty_table_and_no_error() -> None:
    plant = Charger(days=2, with_current=False)
    rows = build_charge_cycles(plant.ctx, "2024-03", plant.readings())
    assert rows.is_empty()
    assert rows.schema == CHARGE_CYCLES.polars_schema


def test_a_charge_over_midnight_of_the_last_day_belongs_to_the_next_month_only() -> None:
    plant = Charger(days=4, charge_hour=23.0, discharge_hour=10.0, start=START.replace(month=3, day=30))
    march = build_charge_cycles(plant.ctx, "2024-03", plant.readings())
    april = build_charge_cycles(plant.ctx, "2024-04", plant.readings())
    days = april.filter(pl.col("kind") == "charge")["day"].to_list()
    assert date(2024, 4, 1) in days
    assert march["day"].max() <= date(2024, 3, 31)
    assert not set(march["end_ts"]) & set(april["end_ts"])
    assert len(march) + len(april) == 9  # four of each, and the charge that runs when the readings begin


def test_a_flipped_segment_is_kept_by_soc_and_marked_as_contradiction() -> None:
    plant = Charger(days=5)
    frame = plant.frame()
    flip = (pl.col("signal") == "bms1_c") & (pl.col("ts") > (START + timedelta(days=4)).astimezone(UTC))
    flipped = frame.with_columns(pl.when(flip).then(-pl.col("value")).otherwise("value").alias("value"))
    rows = build_charge_cycles(plant.ctx, "2024-03", flipped.lazy())
    assert rows["kind"].to_list() == ["charge", "discharge"] * 5
    assert rows["sign_contradiction"].to_list() == [False] * 8 + [True] * 2


def test_a_sign_in_the_settings_overrules_what_was_found() -> None:
    plant = Charger(days=2, sign=-1, battery=BatterySettings(current_sign=1))
    rows = build_charge_cycles(plant.ctx, "2024-03", plant.readings())
    assert rows["file_sign"].unique().to_list() == [1]
    assert rows["sign_contradiction"].all()
    assert rows["kind"].to_list() == ["charge", "discharge"] * 2


def test_swings_below_five_points_are_no_segments() -> None:
    plant = Charger(days=2, soc_low=50.0, soc_high=54.0, current_a=20.0)
    assert build_charge_cycles(plant.ctx, "2024-03", plant.readings()).is_empty()


@pytest.mark.parametrize("first_hour", [0.0, 5.5, 23.9, 47.9])
@pytest.mark.parametrize("hours", [50.0, 72.0, 72.2, 120.0])
def test_a_segment_of_days_over_the_end_of_a_month_is_counted_once(first_hour: float, hours: float) -> None:
    start = START - timedelta(days=5)
    begin = START - timedelta(hours=49) + timedelta(hours=first_hour)
    lead = (begin - start).total_seconds() / 3600
    plant = Charger(days=13, start=start, charge_hour=lead % 24, soc_low=5.0, soc_high=95.0)
    step = np.arange(0.0, 13 * 24, 1 / 12)
    flow = ((step >= lead) & (step < lead + hours)).astype(float)
    soc = 5 + 90 * np.clip((step - lead) / hours, 0, 1)
    us = microseconds(start) + np.round(step * 3.6e9).astype(np.int64)
    ts = pl.Series(us).cast(pl.Datetime("us", "UTC"))
    readings = pl.concat([
        pl.DataFrame({"signal": name, "ts": ts, "value": value})
        for name, value in (("bms1_c", 10.0 * flow), ("bms1_soc", soc), ("bms1_v", 20 + 0.01 * soc))
    ])

    def month(name: str, low: datetime, high: datetime) -> pl.DataFrame:
        seen = [(t + timedelta(hours=h)).astimezone(UTC) for t, h in ((low, -48), (high, 48))]
        view = readings.filter(pl.col("ts").is_between(*seen))
        return build_charge_cycles(plant.ctx, name, view.lazy())

    parts = pl.concat([month("2024-02", START - timedelta(days=29), START),
                       month("2024-03", START, START + timedelta(days=31))]).sort("start_ts")
    assert parts["charge_ah"].sum() == pytest.approx(10.0 * hours, rel=2e-3)
    assert (parts["start_ts"][1:] == parts["end_ts"][:-1]).all()
    assert parts["cut"].all()
    assert parts["duration_s"].max() <= 24.5 * 3600
