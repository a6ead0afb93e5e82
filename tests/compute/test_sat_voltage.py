"""SAT voltage per charge and cell: support, spikes, sampling, offsets at common instants."""

import numpy as np
import polars as pl
import pytest
from plants import START, Charger, context, signals_table

from energy_pipeline.compute.battery_series import SECOND_US, Series
from energy_pipeline.compute.charge_cycles import build_charge_cycles
from energy_pipeline.compute.sat_voltage import Charges, build_sat_voltage, take_windows
from energy_pipeline.settings import BatterySettings


def sat(plant: Charger, frame: pl.DataFrame | None = None) -> pl.DataFrame:
    readings = (plant.frame() if frame is None else frame).lazy()
    return build_sat_voltage(plant.ctx, "2024-03", readings, build_charge_cycles(plant.ctx, "2024-03", readings))


def test_every_charge_and_cell_has_a_row_and_the_planted_offset_comes_back() -> None:
    plant = Charger(days=3, offsets_mv={2: 12.0, 4: -7.0})
    rows = sat(plant)
    assert len(rows) == 3 * 6
    middle = rows.group_by("signal").agg(pl.col("sat_offset_mv").median()).sort("signal")["sat_offset_mv"].to_list()
    assert middle == pytest.approx([0, 0, 12.0, 0, -7.0, 0], abs=0.7)


def test_a_lone_spike_is_never_the_sat_voltage() -> None:
    plant = Charger(days=2, cell_step_s=20.0)
    clean = sat(plant)
    frame = plant.frame()
    at = frame.filter((pl.col("signal") == "bms1_p1_v1") & (pl.col("value") > 3.36))["ts"][3]
    spike = (pl.col("signal") == "bms1_p1_v1") & (pl.col("ts") == at)
    rows = sat(plant, frame.with_columns(pl.when(spike).then(3.70).otherwise("value").alias("value")))
    first = rows.filter(pl.col("signal") == "bms1_p1_v1")
    assert first["raw_max_v"].max() == 3.70
    assert first["sat_voltage_v"].to_list() == clean.filter(pl.col("signal") == "bms1_p1_v1")["sat_voltage_v"].to_list()


def test_sampling_that_changes_near_full_does_not_change_sat() -> None:
    plant = Charger(days=3, cell_step_s=10.0, offsets_mv={1: 6.0})
    dense = plant.frame()
    is_cell = pl.col("signal").str.contains("_p1_v")
    slow = dense.filter(~is_cell | (pl.col("value") > 3.39) | (pl.int_range(pl.len()).over("signal") % 6 == 0))
    a, b = sat(plant, dense), sat(plant, slow)
    assert np.abs(a["sat_voltage_v"] - b["sat_voltage_v"]).max() <= 0.001
    assert np.abs(a["sat_offset_mv"] - b["sat_offset_mv"]).max() <= 0.6


def test_the_offset_does_not_follow_the_phase_of_sampling() -> None:
    plant = Charger(days=3, cells=40, cell_step_s=60.0)
    rows = sat(plant)
    assert rows["sat_offset_mv"].abs().max() < 1.0
    assert rows["sat_voltage_v"].max() - rows["sat_voltage_v"].min() > 0.005  # single maxima do


def test_values_outside_the_limits_are_counted_and_never_used() -> None:
    plant = Charger(days=2)
    frame = plant.frame()
    bad = (pl.col("signal") == "bms1_p1_v1") & (pl.col("value") > 3.38)
    rows = sat(plant, frame.with_columns(pl.when(bad).then(4.9).otherwise("value").alias("value")))
    first = rows.filter(pl.col("signal") == "bms1_p1_v1")
    assert first["refused_readings"].min() > 0
    assert first["raw_max_v"].max() < 3.9


def test_a_cell_without_readings_keeps_its_row_without_a_value() -> None:
    plant = Charger(days=2)
    rows = sat(plant, plant.frame().filter(pl.col("signal") != "bms1_p1_v3"))
    gone = rows.filter(pl.col("signal") == "bms1_p1_v3")
    assert gone["readings"].to_list() == [0, 0]
    assert gone["sat_voltage_v"].null_count() == 2
    assert gone["sat_offset_mv"].null_count() == 2


def test_support_needs_both_neighbours_or_one_close_in_time() -> None:
    battery = BatterySettings()
    ts = np.array([0, 300, 600, 610, 1200, 1500], dtype=np.int64) * SECOND_US
    series = Series(ts, np.array([3.40, 3.41, 3.45, 3.452, 3.50, 3.41]))
    ends = Charges(np.array([0]), np.array([1400 * SECOND_US]), np.array([1400 * SECOND_US]), pl.DataFrame())
    found = take_windows(series, ends, battery)
    kept = dict(zip((found.ts // SECOND_US).tolist(), found.supported.tolist(), strict=True))
    assert kept == {300: False, 600: True, 610: True, 1200: False, 1500: False}


def test_without_current_the_daily_plateau_stands_in_and_partial_days_are_left_out() -> None:
    full = Charger(days=6, with_current=False, with_soc=False, current_a=60.0, charge_hour=2.0, discharge_hour=12.0)
    part = Charger(days=6, with_current=False, with_soc=False, current_a=60.0, charge_hour=2.0, discharge_hour=12.0,
                   soc_high=80.0)
    day = pl.col("ts").dt.convert_time_zone("Europe/Berlin").dt.day()
    frame = pl.concat([full.frame().filter(day != 3), part.frame().filter(day == 3)])
    rows = sat(full, frame)
    assert rows["method"].unique().to_list() == ["daily_plateau"]
    assert sorted({d.day for d in rows["day"]}) == [1, 2, 4, 5, 6]
    assert rows["soc_end"].null_count() == len(rows)


def test_current_without_soc_gives_charges_that_say_how_they_are_judged() -> None:
    plant = Charger(days=3, with_soc=False)
    rows = sat(plant)
    assert len(rows) == 3 * 6
    assert rows["method"].unique().to_list() == ["daily_plateau"]
    assert rows["current_end_a"].null_count() == 0


def test_a_battery_that_gives_power_and_soc_has_its_sat_from_segments() -> None:
    plant = Charger(days=3)
    frame = plant.frame()
    power = frame.filter(pl.col("signal") == "bms1_c").with_columns(
        pl.lit("bms1_p").alias("signal"), pl.col("value") * 20.0 / 1000.0
    )
    names = dict(zip(plant.ctx.signals["signal"], plant.ctx.signals["quantity"], strict=True))
    names = {k: v for k, v in names.items() if v != "system_current"} | {"bms1_p": "system_power"}
    ctx = context(signals_table(names, START, START), BatterySettings(nameplate_kwh=5.6))
    readings = pl.concat([frame.filter(pl.col("signal") != "bms1_c"), power]).lazy()
    rows = build_sat_voltage(ctx, "2024-03", readings, build_charge_cycles(ctx, "2024-03", readings))
    assert len(rows) == 3 * 6
    assert rows["method"].unique().to_list() == ["supported"]
    assert rows["soc_end"].to_list() == pytest.approx([97.0] * 18, abs=1.0)
