"""Charges and discharges: direction from SOC, energy, sign, zero of the current, months."""

from datetime import UTC, date, timedelta

import polars as pl
import pytest
from plants import START, Charger

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
