"""Traps of this field, each with planted data that goes the whole way from charges to verdicts.

Steps of all cells, constant series, thirty equal cycles and the perfect line have their tests in
`test_degradation_fits`, `test_regimes` and `test_capacity`.
"""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from plants import Charger, context, signals_table
from test_sat_daily import charges

from energy_pipeline.compute.capacity import build_capacity
from energy_pipeline.compute.cell_ends import build_cell_ends
from energy_pipeline.compute.charge_cycles import build_charge_cycles
from energy_pipeline.compute.day_matrix import day_matrix
from energy_pipeline.compute.degradation_fits import build_degradation_fits
from energy_pipeline.compute.regimes import build_regimes
from energy_pipeline.compute.sat_daily import build_sat_daily
from energy_pipeline.compute.sat_voltage import build_sat_voltage
from energy_pipeline.schemas.battery import CAPACITY, CHARGE_CYCLES
from energy_pipeline.schemas.resolution import RESOLUTIONS
from energy_pipeline.settings import BatterySettings

QUICK = BatterySettings(bootstrap_samples=0)
CELLS = 3


def verdicts(rows: list[dict[str, object]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Ledger and fits of charges given by day."""
    sat = charges(rows, CELLS)
    first, last = sat["charge_end_ts"].min(), sat["charge_end_ts"].max()
    names = {f"bms1_p1_v{c}": "cell_voltage" for c in range(1, CELLS + 1)}
    ctx = context(signals_table(names, first, last), QUICK)
    days = build_sat_daily(ctx, sat, CHARGE_CYCLES.empty())
    return days, build_degradation_fits(
        ctx, days, build_regimes(ctx, days), CAPACITY.empty(), CHARGE_CYCLES.empty()
    )


def test_an_incomplete_first_day_and_a_rise_are_never_a_loss() -> None:
    rng = np.random.default_rng(3)
    rise = [3.43 + 0.04 * k / 365 + 0.0005 * rng.standard_normal() for k in range(300)]
    rows: list[dict[str, object]] = [{"day": k, "sat": v} for k, v in enumerate(rise)]
    rows[0] = {"day": 0, "soc": 60.0, "delta": 50.0, "sat": 3.36}
    days, fits = verdicts(rows)
    assert days.filter(pl.col("day") == date(2024, 1, 1))["qualified"].to_list() == [False] * CELLS
    system = fits.filter(pl.col("level") == "system").to_dicts()[0]
    assert (system["verdict"], system["quality_annual"]) == ("rising", "no_loss")
    assert system["slope_per_year"] == pytest.approx(100 * 0.04 / 3.43, rel=0.05)
    assert "falling" not in fits["verdict"].to_list()


def test_a_daily_maximum_that_follows_partial_charging_gives_no_fit() -> None:
    # Charges end lower from week to week: 90, 89, … per cent, and the maximum falls with them.
    soc = [90.0 - k / 10 for k in range(300)]
    rows: list[dict[str, object]] = [
        {"day": k, "soc": s, "delta": s - 10, "sat": 3.33 + 0.0005 * (s - 60)} for k, s in enumerate(soc)
    ]
    days, fits = verdicts(rows)
    assert not days["qualified"].any()
    assert days["reason"].unique().to_list() == ["partial_charge"]
    assert days["sat_voltage_v"].null_count() == 0  # what was measured is kept
    assert fits["slope_per_year"].null_count() == len(fits)
    assert fits["verdict"].unique().to_list() == ["insufficient_data"]


@pytest.mark.parametrize("days", [300, 600, 900])
def test_without_soc_charges_that_end_lower_and_lower_give_no_fit(days: int) -> None:
    # 3.45 V falling to 3.39 V: above the voltage of a full charge all the while, and each day like its neighbours.
    rng = np.random.default_rng(4)
    rows: list[dict[str, object]] = [
        {"day": k, "soc": None, "sat": 3.45 - 0.06 * k / days + 0.002 * rng.standard_normal()} for k in range(days)
    ]
    ledger, fits = verdicts(rows)
    assert not ledger["qualified"].any()
    assert fits["slope_per_year"].null_count() == len(fits)
    assert fits["verdict"].unique().to_list() == ["insufficient_data"]


def test_without_soc_a_fall_to_a_lower_level_is_no_trend() -> None:
    rng = np.random.default_rng(4)
    rows: list[dict[str, object]] = [
        {"day": k, "soc": None, "sat": max(3.45 - 0.06 * k / 150, 3.39) + 0.002 * rng.standard_normal()}
        for k in range(600)
    ]
    ledger, fits = verdicts(rows)
    assert set(fits["verdict"]) <= {"stable", "no_established_trend", "insufficient_data"}
    assert ledger.filter("qualified")["sat_voltage_v"].max() < 3.42


def test_without_soc_a_steady_level_gives_verdicts() -> None:
    rng = np.random.default_rng(4)
    rows: list[dict[str, object]] = [
        {"day": k, "soc": None, "sat": 3.43 + 0.002 * rng.standard_normal()} for k in range(400)
    ]
    ledger, fits = verdicts(rows)
    assert ledger["qualified"].mean() > 0.95
    assert fits.filter(pl.col("level") == "system")["verdict"].to_list()[0] in ("stable", "no_established_trend")


def test_a_missing_cell_day_stays_missing_in_every_table() -> None:
    plant = Charger(days=5)
    missing = "bms1_p1_v2"
    day3 = pl.col("ts").dt.convert_time_zone("Europe/Berlin").dt.day() == 3
    readings = plant.frame().filter(~((pl.col("signal") == missing) & day3)).lazy()
    cycles = build_charge_cycles(plant.ctx, "2024-03", readings)
    sat = build_sat_voltage(plant.ctx, "2024-03", readings, cycles)
    ends = build_cell_ends(plant.ctx, "2024-03", readings, cycles)
    days = build_sat_daily(plant.ctx, sat, cycles)
    here = (pl.col("signal") == missing) & (pl.col("day") == date(2024, 3, 3))
    assert sat.filter(here)["sat_voltage_v"].null_count() == len(sat.filter(here)) == 1
    assert ends.filter(here).is_empty()
    assert days.filter(here).select("qualified", "sat_voltage_v", "sat_offset_mv", "sat_index_percent").rows() == [
        (False, None, None, None)
    ]
    matrix = day_matrix(days, "sat_offset_mv")
    assert matrix is not None
    assert np.isnan(matrix.values).sum() == 1
    assert np.isnan(matrix.values[1, matrix.days.index(date(2024, 3, 3))])
    fits = build_degradation_fits(plant.ctx, days, build_regimes(plant.ctx, days), CAPACITY.empty(), cycles)
    cell = fits.filter((pl.col("level") == "cell") & (pl.col("quantity") == "sat_offset_mv"))
    assert cell.sort("cell")["n_days"].to_list() == [5, 4, 5, 5, 5, 5]


def test_sampling_that_changes_at_3_45_v_does_not_change_sat() -> None:
    plant = Charger(days=3, cell_step_s=10.0, offsets_mv=dict.fromkeys(range(6), 60.0) | {1: 66.0})
    dense = plant.frame()
    cell = pl.col("signal").str.contains("_p1_v")
    assert dense.filter(cell & (pl.col("value") > 3.45)).height > 100
    slow = dense.filter(~cell | (pl.col("value") > 3.45) | (pl.int_range(pl.len()).over("signal") % 6 == 0))

    def sat(frame: pl.DataFrame) -> pl.DataFrame:
        cycles = build_charge_cycles(plant.ctx, "2024-03", frame.lazy())
        return build_sat_voltage(plant.ctx, "2024-03", frame.lazy(), cycles)

    a, b = sat(dense), sat(slow)
    assert a["sat_voltage_v"].min() > 3.45
    assert np.abs(a["sat_voltage_v"] - b["sat_voltage_v"]).max() <= 0.001
    assert np.abs(a["sat_offset_mv"] - b["sat_offset_mv"]).max() <= 0.6


def test_thirty_equal_cycles_of_any_depth_count_thirty_times_that_depth() -> None:
    for low, depth in ((2.0, 0.95), (52.0, 0.45)):
        plant = Charger(days=30, soc_low=low)
        readings = plant.readings()
        cycles = build_charge_cycles(plant.ctx, "2024-03", readings)
        sat = build_sat_voltage(plant.ctx, "2024-03", readings, cycles)
        last = build_capacity(plant.ctx, cycles, sat, RESOLUTIONS["1d"].empty()).to_dicts()[-1]
        assert last["efc_ah"] == pytest.approx(30 * depth, rel=0.01)
        assert last["efc_energy"] == pytest.approx(30 * depth, rel=0.01)


def test_comparison_methods_left_out_change_no_verdict_and_say_so() -> None:
    rng = np.random.default_rng(5)
    rows: list[dict[str, object]] = [
        {"day": k, "sat": 3.43 - 0.03 * k / 365 + 0.0005 * rng.standard_normal()} for k in range(260)
    ]
    sat = charges(rows, CELLS)
    names = {f"bms1_p1_v{c}": "cell_voltage" for c in range(1, CELLS + 1)}
    start = sat["charge_end_ts"].min()
    tables = []
    for settings in (QUICK, QUICK.model_copy(update={"comparisons": False})):
        ctx = context(signals_table(names, start, start + timedelta(days=259)), settings)
        days = build_sat_daily(ctx, sat, CHARGE_CYCLES.empty())
        regimes = build_regimes(ctx, days)
        tables.append(build_degradation_fits(ctx, days, regimes, CAPACITY.empty(), CHARGE_CYCLES.empty()))
    full, lean = tables
    same = ["verdict", "slope_per_year", "slope_low", "slope_high", "theil_sen_slope_per_year", "quality_linearity"]
    assert full.select(same).equals(lean.select(same))
    fitted = lean.filter(pl.col("slope_per_year").is_not_null())
    assert fitted["comparison_reason"].unique().to_list() == ["left_out"]
    for name in ("newey_west_se", "theil_sen_low", "mann_kendall_p", "quadratic_p", "bootstrap_low"):
        assert fitted[name].null_count() == len(fitted)
    assert full["comparison_reason"].null_count() == len(full)
    assert full.filter(pl.col("slope_per_year").is_not_null())["mann_kendall_p"].null_count() == 0
