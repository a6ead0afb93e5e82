"""What moved the common SAT level: planted coefficients come back, and what cannot be told gets a reason."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from plants import SatPlant, cell_names, sat_daily_frame

from energy_pipeline.compute.regimes import build_regimes
from energy_pipeline.compute.sat_explained import build_sat_explained


def plant_with(conditions: dict[str, np.ndarray], effect: np.ndarray, days: int) -> tuple[SatPlant, pl.DataFrame]:
    rng = np.random.default_rng(4)
    sat = 3.43 + (effect + rng.normal(0, 1.0, days))[None] / 1000 + np.zeros((5, 1))
    frame = sat_daily_frame(date(2024, 1, 1), cell_names(1, 5), np.zeros((5, days)), sat, np.ones(days, bool))
    order = frame.sort("signal", "day")
    for name, value in conditions.items():
        order = order.with_columns(pl.Series(name, np.tile(value, 5)))
    return SatPlant(days=days, packs=1, cells=5), order


def test_planted_shares_of_temperature_current_and_set_point_come_back() -> None:
    rng = np.random.default_rng(8)
    t = np.arange(300)
    heat = 25 - 10 * np.cos(2 * np.pi * t / 365) + rng.normal(0, 1, 300)
    amps = 140 + rng.normal(0, 12, 300) + 20 * (t > 200)
    effect = -1.2 * (heat - 25) + 0.1 * (amps - 140) + 20.0 * (t >= 150)
    plant, frame = plant_with({"temperature_end_c": heat, "current_end_a": amps}, effect, 300)
    rows = {r["factor"]: r for r in build_sat_explained(plant.ctx, frame, build_regimes(plant.ctx, frame)).to_dicts()}
    assert rows["temperature"]["coefficient_mv"] == pytest.approx(-1.2, abs=0.1)
    assert rows["current"]["coefficient_mv"] == pytest.approx(0.1, abs=0.02)
    assert rows["regime"]["share_mv"] == pytest.approx(20.0, abs=2.0)
    assert rows["soc"]["reason"] == "does_not_vary"
    assert rows["soc"]["share_mv"] is None
    parts = sum(rows[f]["share_mv"] or 0.0 for f in ("current", "temperature", "soc", "regime", "remainder"))
    assert parts == pytest.approx(rows["total"]["share_mv"])
    assert abs(rows["remainder"]["share_mv"]) < 2.5
    heat_row = rows["temperature"]
    assert heat_row["share_low_mv"] < heat_row["share_mv"] < heat_row["share_high_mv"]


def test_two_factors_that_go_together_are_not_told_apart() -> None:
    rng = np.random.default_rng(8)
    heat = 25 + 5 * np.sin(np.arange(200) / 20)
    amps = 140 + 6 * (heat - 25) + rng.normal(0, 0.5, 200)
    plant, frame = plant_with({"temperature_end_c": heat, "current_end_a": amps}, -heat, 200)
    rows = build_sat_explained(plant.ctx, frame, build_regimes(plant.ctx, frame))
    assert "not_separable" in rows["reason"].to_list()


def test_too_few_days_say_so() -> None:
    plant = SatPlant(days=40, packs=1, cells=5)
    frame = plant.frame()
    rows = build_sat_explained(plant.ctx, frame, build_regimes(plant.ctx, frame))
    assert rows["reason"].unique().to_list() == ["few_days"]
    assert rows["share_mv"].null_count() == len(rows)
