"""Charge and energy per day, faults, and turning points that join over months."""

from datetime import UTC, timedelta

import numpy as np
import polars as pl
import pytest
from plants import START, Charger, context, microseconds, signals_table

from energy_pipeline.compute.battery_days import build_battery_days, build_soc_turning_points, merge_spans
from energy_pipeline.compute.capacity import build_capacity
from energy_pipeline.compute.charge_cycles import build_charge_cycles
from energy_pipeline.compute.device_evidence import build_device_evidence
from energy_pipeline.schemas.battery import CHARGE_CYCLES, SAT_VOLTAGE
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


def _flipped(plant: Charger, day: float, names: tuple[str, ...] = ("bms1_c",)) -> pl.DataFrame:
    """Readings of the plant with the other sign in the file from a day on."""
    moment = plant.start.astimezone(UTC) + timedelta(days=day)
    after = pl.col("signal").is_in(names) & (pl.col("ts") >= moment)
    return plant.frame().with_columns(pl.when(after).then(-pl.col("value")).otherwise("value").alias("value"))


@pytest.mark.parametrize("day", [9.0, 9.36, 20.0], ids=["at rest", "inside a charge", "late"])
def test_a_sign_that_flips_inside_a_month_swaps_nothing(day: float) -> None:
    plant = Charger(days=26, soc_low=2.0, zero_a=0.5)
    readings = _flipped(plant, day).lazy()
    cycles = build_charge_cycles(plant.ctx, "2024-03", readings)
    rows = build_battery_days(plant.ctx, "2024-03", readings, cycles)
    assert rows["charge_in_ah"].to_list() == pytest.approx([0.95 * 280] * 26, rel=0.01)
    assert rows["charge_out_ah"].to_list() == pytest.approx([0.95 * 280] * 26, rel=0.01)
    assert (rows["energy_in_kwh"] > rows["energy_out_kwh"]).all()


def test_a_day_whose_flow_has_no_known_direction_has_no_charge() -> None:
    plant = Charger(days=20, soc_low=2.0)  # the sign flips 18 minutes before the end of a charge: too short a piece
    readings = _flipped(plant, 9.4).lazy()
    rows = build_battery_days(plant.ctx, "2024-03", readings, build_charge_cycles(plant.ctx, "2024-03", readings))
    known = rows.filter(pl.col("charge_in_ah").is_not_null())
    assert known["day"].to_list() == [d for k, d in enumerate(rows["day"].to_list()) if k != 9]
    assert known["charge_in_ah"].to_list() == pytest.approx([0.95 * 280] * 19, rel=0.01)
    assert known["charge_out_ah"].to_list() == pytest.approx([0.95 * 280] * 19, rel=0.01)


def test_a_single_segment_against_the_sign_of_its_neighbours_turns_no_day() -> None:
    # The BMS sets its SOC back during a charge: by SOC that looks like a discharge.
    plant = Charger(days=20, soc_low=2.0)
    at = plant.start.astimezone(UTC) + timedelta(days=9, hours=8, minutes=90)
    wrong = (pl.col("signal") == "bms1_soc") & pl.col("ts").is_between(at, at + timedelta(hours=4))
    frame = plant.frame().with_columns(pl.when(wrong).then(0.0).otherwise("value").alias("value"))
    readings = frame.lazy()
    rows = build_battery_days(plant.ctx, "2024-03", readings, build_charge_cycles(plant.ctx, "2024-03", readings))
    assert rows["charge_in_ah"].to_list() == pytest.approx([0.95 * 280] * 20, rel=0.01)


@pytest.mark.parametrize("names", [("bms1_c",), ("pcs1_p",)], ids=["current", "inverter"])
def test_energy_at_the_inverter_keeps_its_direction_when_a_sign_flips_inside_a_month(names: tuple[str, ...]) -> None:
    plant = Charger(days=26, soc_low=2.0)
    hours = plant.hours(60.0, 2)
    dc = plant.voltage_at(hours) * 6 * plant.current_at(hours) / 1000
    ac = np.where(dc > 0, dc / 0.95, dc * 0.95)
    us = microseconds(plant.start) + np.round(hours * 3600).astype(np.int64) * 1_000_000
    power = pl.DataFrame({"signal": "pcs1_p", "value": ac, "ts": pl.Series(us).cast(pl.Datetime("us", "UTC"))})
    moment = plant.start.astimezone(UTC) + timedelta(days=9)
    after = pl.col("signal").is_in(names) & (pl.col("ts") >= moment)
    frame = pl.concat([plant.frame(), power.select("signal", "value", "ts")]).with_columns(
        pl.when(after).then(-pl.col("value")).otherwise("value").alias("value")
    )
    known = dict(zip(plant.ctx.signals["signal"], plant.ctx.signals["quantity"], strict=True))
    ctx = context(signals_table(known | {"pcs1_p": "pcs_power"}, START, START))
    readings = frame.lazy()
    rows = build_battery_days(ctx, "2024-03", readings, build_charge_cycles(ctx, "2024-03", readings))
    into, out = rows["ac_in_kwh"].sum(), rows["ac_out_kwh"].sum()
    assert into == pytest.approx(np.maximum(ac, 0).sum() / 60, rel=0.01)
    assert out == pytest.approx(-np.minimum(ac, 0).sum() / 60, rel=0.01)
    evidence = build_device_evidence(ctx, CHARGE_CYCLES.empty(), rows).filter(pl.col("topic") == "power_sign")
    flips = names == ("pcs1_p",)
    assert evidence["verdict"].to_list() == ["contradicts" if flips else "fits"]


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
