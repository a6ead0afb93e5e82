"""Stuck sensors and hours in the heat, from a month of readings."""

from datetime import UTC, timedelta

import polars as pl
import pytest
from plants import START, Charger

from energy_pipeline.compute.cell_months import build_cell_months


def test_a_stuck_sensor_is_found_with_its_span_and_idle_cells_are_not() -> None:
    plant = Charger(days=4, cell_step_s=120.0)
    frame = plant.frame()
    begin = (START + timedelta(days=1, hours=5)).astimezone(UTC)
    end = begin + timedelta(hours=9)
    held = (pl.col("signal") == "bms1_p1_v3") & pl.col("ts").is_between(begin, end)
    rows = build_cell_months(
        plant.ctx, "2024-03", frame.with_columns(pl.when(held).then(3.3).otherwise("value").alias("value")).lazy()
    )
    assert rows.filter(pl.col("stuck_hours").is_not_null())["cell"].to_list() == [3]
    row = rows.filter(pl.col("cell") == 3).to_dicts()[0]
    assert row["stuck_hours"] == pytest.approx(9.0, abs=0.1)
    assert abs(row["stuck_start_ts"] - begin) < timedelta(minutes=5)


def test_hours_above_the_limits_come_back_and_the_packs_sensor_stands_for_cells_without_one() -> None:
    plant = Charger(days=4, cell_step_s=300.0)
    frame = plant.frame()
    warm = (pl.col("signal") == "bms1_p1_t1") & (pl.col("ts").dt.day() == 2)
    hot = warm & (pl.col("ts").dt.hour() < 3)
    value = pl.when(hot).then(47.0).when(warm).then(38.0).otherwise("value").alias("value")
    rows = build_cell_months(plant.ctx, "2024-03", frame.with_columns(value).lazy())
    assert rows["hours_above_warm"].to_list() == pytest.approx([24.0] * 6, abs=0.05)
    assert rows["hours_above_hot"].to_list() == pytest.approx([3.0] * 6, abs=0.05)
    assert rows["temperature_max_c"].to_list() == [47.0] * 6
    assert rows["temperature_signal"].unique().to_list() == ["bms1_p1_t1"]
