"""Charge and energy per day, faults, and turning points that join over months."""

from datetime import UTC, timedelta

import numpy as np
import polars as pl
import pytest
from plants import START, Charger, context, signals_table

from energy_pipeline.compute.battery_days import build_battery_days, build_soc_turning_points, merge_spans
from energy_pipeline.compute.capacity import build_capacity
from energy_pipeline.compute.charge_cycles import build_charge_cycles
from energy_pipeline.schemas.battery import SAT_VOLTAGE
from energy_pipeline.schemas.resolution import RESOLUTIONS
from energy_pipeline.settings import BatterySettings


@pytest.mark.parametrize(("sign", "zero"), [(1, 0.0), (-1, 1.5)])
def test_charge_and_energy_of_a_day_come_back_without_the_zero_of_the_sensor(sign: int, zero: float) -> None:
    plant = Charger(days=3, sign=sign, zero_a=zero)
    readings = plant.readings()
    rows = build_battery_days(plant.ctx, "2024-03", readings, build_charge_cycles(plant.ctx, "2024-03", readings))
    assert rows["charge_in_ah"].to_list() == pytest.approx([0.92 * 280] * 3, rel=5e-3)
    assert rows["charge_out_ah"].to_list() == pytest.approx([0.92 * 280] * 3, rel=5e-3)
    assert (rows["energy_in_kwh"] > rows["energy_out_kwh"]).all()
    assert rows["rest_current_a"].to_list() == pytest.approx([zero] * 3, abs=1e-9)
    assert rows["hours_day"].to_list() == [24.0] * 3


def test_swings_that_are_no_segments_still_count_as_cycles() -> None:
    plant = Charger(days=12, soc_low=50.0, soc_high=54.0, current_a=28.0)
    readings = plant.readings()
    cycles = build_charge_cycles(plant.ctx, "2024-03", readings)
    assert cycles.is_empty()
    large = Charger(days=12, current_a=140.0)
    signed = build_charge_cycles(large.ctx, "2024-03", large.readings())
    days = build_battery_days(plant.ctx, "2024-03", readings, signed)
    points = build_soc_turning_points(plant.ctx, "2024-03", readings)
    table = build_capacity(plant.ctx, cycles, SAT_VOLTAGE.empty(), RESOLUTIONS["1d"].empty(), days, points)
    assert table["efc_ah"].max() == pytest.approx(12 * 0.04, rel=0.02)


def test_hours_with_a_fault_are_counted_once_when_flags_overlap() -> None:
    plant = Charger(days=2)
    names = dict(zip(plant.ctx.signals["signal"], plant.ctx.signals["quantity"], strict=True))
    ctx = context(signals_table(names | {"fa1_a_flag": "alarm_flag", "fa1_b_flag": "alarm_flag"}, START, START))
    begin = START.astimezone(UTC)
    minutes = pl.Series([begin + timedelta(minutes=m) for m in range(0, 2880, 10)])
    flag = pl.DataFrame({"ts": minutes.cast(pl.Datetime("us", "UTC")), "k": range(288)})
    parts = [
        flag.select(pl.lit(name).alias("signal"), pl.col("k").is_between(*on).cast(pl.Float64).alias("value"), "ts")
        for name, on in (("fa1_a_flag", (12, 23)), ("fa1_b_flag", (18, 29)))
    ]
    readings = pl.concat([plant.frame(), *parts]).lazy()
    rows = build_battery_days(ctx, "2024-03", readings, build_charge_cycles(ctx, "2024-03", readings))
    assert rows["hours_fault"].to_list() == pytest.approx([3.0, 0.0])


def test_spans_merge() -> None:
    spans = np.array([[5, 7], [0, 2], [1, 3], [6, 6]])
    assert merge_spans(spans).tolist() == [[0, 3], [5, 7]]
    assert merge_spans(np.empty((0, 2), np.int64)).tolist() == []


def test_a_battery_that_gives_power_has_energy_and_no_charge() -> None:
    plant = Charger(days=12, soc_low=2.0)
    frame = plant.frame()
    power = frame.filter(pl.col("signal") == "bms1_c").with_columns(
        pl.lit("bms1_p").alias("signal"), pl.col("value") * 20.0 / 1000.0
    )
    names = dict(zip(plant.ctx.signals["signal"], plant.ctx.signals["quantity"], strict=True))
    names |= {"bms1_p": "system_power"}
    names = {k: v for k, v in names.items() if v not in {"system_current", "system_voltage"}}
    ctx = context(signals_table(names, START, START), BatterySettings(nameplate_kwh=5.6))
    readings = pl.concat([frame.filter(~pl.col("signal").is_in(["bms1_c", "bms1_v"])), power]).lazy()
    cycles = build_charge_cycles(ctx, "2024-03", readings)
    days = build_battery_days(ctx, "2024-03", readings, cycles)
    assert days["charge_in_ah"].null_count() == 12
    assert days["energy_in_kwh"].to_list() == pytest.approx([0.95 * 5.6] * 12, rel=0.01)
    table = build_capacity(ctx, cycles, SAT_VOLTAGE.empty(), RESOLUTIONS["1d"].empty(), days)
    assert table["round_trip_percent"].drop_nulls().to_list()[-1] == pytest.approx(100.0, abs=0.5)
    assert table["q_anchor_ah"].null_count() == len(table)
    assert table["efc_ah"].null_count() == len(table)
    assert table["efc_energy"].max() == pytest.approx(12 * 0.95, rel=0.01)
