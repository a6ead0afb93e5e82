"""Resistance proxy: steps of the current, delay, sign, and weekly medians per SOC bin."""

from datetime import UTC, timedelta

import numpy as np
import polars as pl
import pytest
from plants import Charger

from energy_pipeline.compute.battery_series import SECOND_US, Series
from energy_pipeline.compute.charge_cycles import build_charge_cycles
from energy_pipeline.compute.resistance import build_resistance, build_resistance_steps, find_steps
from energy_pipeline.settings import BatterySettings


def steps_of(plant: Charger) -> pl.DataFrame:
    readings = plant.readings()
    return build_resistance_steps(plant.ctx, "2024-03", readings, build_charge_cycles(plant.ctx, "2024-03", readings))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_planted_resistance_comes_back_at_starts_from_rest_whatever_the_sign(sign: int) -> None:
    plant = Charger(days=14, sign=sign, soc_low=30.0, soc_high=70.0, cell_step_s=20.0)
    rows = steps_of(plant).filter(pl.col("from_rest") & pl.col("cell").is_not_null())
    assert rows["r_0_90s_mohm"].median() == pytest.approx(0.25, abs=0.02)
    assert rows["soc_bin"].unique().to_list() == ["middle"]
    assert rows["delay_s"].max() <= 90.0
    system = steps_of(plant).filter(pl.col("signal") == "bms1_v")
    assert system["r_0_90s_mohm"].median() == pytest.approx(6 * 0.25, abs=0.05)


def test_a_sign_that_flips_inside_the_month_leaves_no_negative_resistance() -> None:
    plant = Charger(days=20, soc_low=30.0, soc_high=70.0, cell_step_s=20.0)
    moment = plant.start.astimezone(UTC) + timedelta(days=8)
    turned = (pl.col("signal") == "bms1_c") & (pl.col("ts") >= moment)
    frame = plant.frame().with_columns(pl.when(turned).then(-pl.col("value")).otherwise("value").alias("value"))
    cycles = build_charge_cycles(plant.ctx, "2024-03", frame.lazy())
    steps = build_resistance_steps(plant.ctx, "2024-03", frame.lazy(), cycles)
    rows = steps.filter(pl.col("from_rest") & pl.col("cell").is_not_null())
    late = pl.col("step_ts") >= moment
    for part in (rows.filter(~late), rows.filter(late)):
        assert part["r_0_90s_mohm"].median() == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(("mv_per_minute", "counted"), [(0.0, True), (1.0, True), (18.0, False)])
def test_a_step_counts_only_where_the_current_moved_the_voltage_and_not_its_own_run(
    mv_per_minute: float, counted: bool
) -> None:
    plant = Charger(days=14, soc_low=30.0, soc_high=70.0, cell_step_s=20.0)
    frame = plant.frame()
    minute = (pl.col("ts") - pl.lit(plant.start.astimezone(UTC))).dt.total_microseconds() / 60e6
    away = 10.0 - (minute % 20.0 - 10.0).abs()  # up for ten minutes, down for ten
    cell = pl.col("signal").str.contains(r"_p\d+_v\d+$")
    run = pl.when(cell).then(away * mv_per_minute / 1000.0).otherwise(0.0)
    moving = frame.with_columns((pl.col("value") + run).alias("value")).lazy()
    cycles = build_charge_cycles(plant.ctx, "2024-03", frame.lazy())
    rows = build_resistance_steps(plant.ctx, "2024-03", moving, cycles).filter(pl.col("cell").is_not_null())
    stops = rows.filter(~pl.col("from_rest"))
    assert rows.filter("from_rest").height > 0
    assert (stops.height > 0) == counted
    if counted:
        assert stops["r_0_90s_mohm"].median() == pytest.approx(0.25, abs=0.03)


def test_weeks_need_five_steps_in_a_bin() -> None:
    plant = Charger(days=14, soc_low=30.0, soc_high=70.0, cell_step_s=20.0)
    rows = build_resistance(plant.ctx, steps_of(plant))
    assert rows["steps"].min() >= 5
    assert rows["r_0_90s_mohm"].median() == pytest.approx(0.25, abs=0.03)
    assert build_resistance(plant.ctx, steps_of(plant).head(10)).is_empty()


def test_small_or_unsteady_changes_are_no_steps() -> None:
    value = np.array([0.0, 0.0, 20.0, 20.0, 60.0, 100.0, 140.0, 140.0])
    series = Series((np.arange(8) * 30 * SECOND_US).astype(np.int64), value)
    found = find_steps(series, BatterySettings(), (0, 10**12))
    assert found.after.tolist() == [4 * 30 * SECOND_US]  # 20 → 60 A after a steady pair; the ramp after it is not


def test_without_a_known_sign_there_is_no_resistance() -> None:
    plant = Charger(days=2, with_soc=False)
    readings = plant.readings()
    cycles = build_charge_cycles(plant.ctx, "2024-03", readings)
    assert build_resistance_steps(plant.ctx, "2024-03", readings, cycles).is_empty()
