"""Regimes: common steps are operation, steps of one cell a finding, trends are not cut."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from plants import SatPlant, correlated

from energy_pipeline.compute.change_points import find_changes, long_run_variance
from energy_pipeline.compute.day_matrix import day_matrix
from energy_pipeline.compute.fit_levels import cut_rows
from energy_pipeline.compute.regimes import build_regimes
from energy_pipeline.schemas.battery import REGIMES, SAT_DAILY

DAY0 = date(2024, 1, 1)


def test_a_step_of_all_cells_is_an_operating_regime_with_date_and_size() -> None:
    plant = SatPlant(days=270, cells=10, steps=[(140, -24.0)], gaps=[(60, 9)])
    rows = build_regimes(plant.ctx, plant.frame())
    assert rows["kind"].to_list() == ["operating_regime"]
    assert abs((rows["day"][0] - (DAY0 + timedelta(days=140))).days) <= 1
    assert rows["step_mv"][0] == pytest.approx(-24.0, abs=2.0)
    assert rows["moved_share"][0] == 1.0
    assert rows["day_low"][0] <= rows["day"][0] <= rows["day_high"][0]


@pytest.mark.parametrize("after", [0, 3, 8])
def test_a_step_inside_a_gap_is_dated_at_the_middle_of_the_gap_and_its_limits_span_it(after: int) -> None:
    plant = SatPlant(days=270, cells=10, steps=[(120 + after, -40.0)], gaps=[(120, 9)])
    frame = plant.frame()
    row = build_regimes(plant.ctx, frame).row(0, named=True)
    assert row["kind"] == "operating_regime"
    assert [(row[c] - DAY0).days for c in ("day_low", "day", "day_high")] == [120, 125, 129]
    assert row["step_mv"] == pytest.approx(-40.0, abs=2.0)
    matrix = day_matrix(frame, "sat_voltage_v")
    assert matrix is not None
    first_new = (matrix.days[int(cut_rows(matrix.days, [row["day"]])[0])] - DAY0).days
    assert first_new == 129  # trends are cut between the same two charges, wherever in the gap the date lies


@pytest.mark.parametrize(("idle", "dated"), [((), 120), ((119,), 120), ((119, 120), 120), ((120,), 121)])
def test_a_step_beside_single_idle_days_is_dated_to_the_day(idle: tuple[int, ...], dated: int) -> None:
    plant = SatPlant(days=270, cells=10, steps=[(120, -40.0)], gaps=[(day, 1) for day in idle])
    rows = build_regimes(plant.ctx, plant.frame())
    assert rows["kind"].to_list() == ["operating_regime"]
    assert (rows["day"][0] - DAY0).days == dated


def test_a_trend_is_not_cut() -> None:
    for slope in (24.0, 60.0, -876.0):
        plant = SatPlant(days=200, packs=1, cells=10, common_slope=slope, common_white_mv=1.0)
        assert build_regimes(plant.ctx, plant.frame()).filter(pl.col("kind") == "operating_regime").is_empty()


def test_a_perfect_line_of_480_mv_is_not_cut() -> None:
    t = np.arange(200.0)
    assert find_changes(t, 3430.0 - 2.4 * t, minimum=28, penalty=6.0, floor=1 / 12) == []


def test_a_small_step_is_suspected_and_a_common_one_needs_most_cells() -> None:
    small = SatPlant(days=270, packs=1, cells=20, steps=[(140, -8.0)], common_white_mv=0.5)
    assert build_regimes(small.ctx, small.frame())["kind"].to_list() == ["suspected"]


def test_white_noise_has_no_steps() -> None:
    rng = np.random.default_rng(5)
    t = np.arange(600.0)
    found = [len(find_changes(t, rng.normal(3430, 4.5, 600), minimum=28, penalty=6.0, floor=1 / 12)) for _ in range(20)]
    assert sum(found) == 0


def test_a_step_of_one_cell_is_a_finding_about_that_cell() -> None:
    plant = SatPlant(days=270, cells=10, cell_steps={7: (120, 15.0)})
    rows = build_regimes(plant.ctx, plant.frame())
    assert rows.select("scope", "pack", "cell", "kind").to_dicts() == [
        {"scope": "cell", "pack": 1, "cell": 8, "kind": "cell_step"}
    ]
    assert abs((rows["day"][0] - (DAY0 + timedelta(days=120))).days) <= 1


def test_the_long_run_variance_grows_with_correlation_and_keeps_the_quantum_as_floor() -> None:
    rng = np.random.default_rng(2)
    white = rng.normal(0, 3, 600)
    slow = correlated(600, 1, 3.0, 5.0, rng)[0]
    assert long_run_variance(slow, 1 / 12) > 3 * long_run_variance(white, 1 / 12)
    assert long_run_variance(np.full(100, 3430.0), 1 / 12) == pytest.approx(1 / 12)


def test_nothing_to_judge_gives_an_empty_table() -> None:
    plant = SatPlant(days=20, packs=1, cells=3)
    assert build_regimes(plant.ctx, SAT_DAILY.empty()).schema == REGIMES.polars_schema
    assert build_regimes(plant.ctx, plant.frame()).is_empty()
