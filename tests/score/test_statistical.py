"""The score counts what it should, is deterministic, and its quick form meets the targets that it can judge."""

import numpy as np
import polars as pl
import pytest

from energy_pipeline.score.oracle import oracle_recall, slope_error
from energy_pipeline.score.report import as_markdown
from energy_pipeline.score.simulate import CLASSES, System, simulate
from energy_pipeline.score.statistical import (
    Scenario,
    _counts_by_length,
    judge,
    poisson_interval,
    run_scenario,
    summarise,
)
from energy_pipeline.settings import BatterySettings

QUICK = BatterySettings(bootstrap_samples=0)


def test_the_poisson_interval_is_exact() -> None:
    assert poisson_interval(0) == pytest.approx((0.0, 3.688879))
    assert poisson_interval(5) == pytest.approx((1.623486, 11.668332), rel=1e-5)


def test_a_simulated_system_holds_its_planted_slope_and_step() -> None:
    rng = np.random.default_rng(1)
    drawn = simulate(System(400, cells=50, bad={7: 24.0}, steps={200: -24.0}, classes=CLASSES[:1]), rng, QUICK)
    rows = drawn.sat_daily.filter("qualified")
    cell = rows.filter((pl.col("pack") == 1) & (pl.col("cell") == 8)).sort("day")
    slope = np.polyfit(cell["day"].cast(pl.Int32).to_numpy(), cell["sat_offset_mv"].to_numpy(), 1)[0] * 365.25
    assert slope == pytest.approx(24.0, abs=2.0)
    level = rows.group_by("day").agg(pl.col("sat_voltage_v").median()).sort("day")["sat_voltage_v"].to_numpy()
    assert 1000 * (np.median(level[-60:]) - np.median(level[:60])) == pytest.approx(-24.0, abs=4.0)


def test_a_scenario_is_counted_in_full_and_is_deterministic() -> None:
    scenario = Scenario("five bad", 2, 365, bad_cells=5)
    rows = [summarise(scenario, run_scenario(scenario, np.random.default_rng(3), QUICK), QUICK) for _ in range(2)]
    assert rows[0] == rows[1]
    assert rows[0]["healthy_verdicts"] == 2 * 255
    assert rows[0]["bad_cells"] == 10
    assert rows[0]["false_alarms"] <= 2
    assert rows[0]["recall"] >= 0.8
    assert 0.93 <= rows[0]["coverage"] <= 0.99


def test_noise_that_has_to_be_estimated_costs_little_against_noise_that_is_known() -> None:
    rng = np.random.default_rng(11)
    ratio = []
    for _ in range(4):
        drawn = simulate(System(274), rng, QUICK)
        cells, _ = judge(drawn)
        half = ((cells["slope_high"] - cells["slope_low"]) / 2).to_numpy()
        days = np.flatnonzero(drawn.sat_daily.filter(pl.col("signal") == "bms1_p1_v1")["qualified"].to_numpy())
        known = {k: 1.96 * slope_error(days.astype(float), CLASSES[k]) for k in set(drawn.noise)}
        ratio.append(half / [known[k] for k in drawn.noise])
    assert 1.0 < np.mean(ratio) <= 1.22


def test_nobody_can_find_what_the_noise_hides() -> None:
    days = np.arange(270.0)
    assert slope_error(days, CLASSES[0]) < slope_error(days, CLASSES[1]) < slope_error(days, CLASSES[3])
    assert oracle_recall(274, 5, 24.0, 3.0, 0.05, 260, 0) < 0.95 < oracle_recall(365, 5, 24.0, 3.0, 0.05, 260, 0)


def test_the_report_gives_every_share_its_count_and_interval_and_coverage_per_length_and_noise() -> None:
    scenario = {
        "scenario": "healthy", "days": 274, "systems": 1, "healthy_verdicts": 260, "false_alarms": 0, "bad_cells": 0,
        "found": 0, "recall": None, "recall_bound": None, "median_error_mv_per_year": None,
        "half_width_mv_per_year": 5.0, "stable_share": 0.15,
        "coverage_counts": {"quiet": (95, 100), "hard": (90, 100)},
    }
    longer = scenario | {"days": 600, "coverage_counts": {"quiet": (99, 100), "hard": (0, 0)}}
    figures = {
        "scenarios": [scenario, scenario, longer],
        "steps": {"repeats": 30, "found": {"15 mV": 1.0, "no step": None}, "false": {"15 mV": 0.0, "no step": 0.0}},
        "detection": {"repeats": 20, "found_share": {6: 0.55}},
        "total": {
            "healthy_verdicts": 780, "false_alarms": 0, "per_1000": 0.0, "per_1000_low": 0.0, "per_1000_high": 4.7,
            "coverage": 0.94, "coverage_by_noise": {"quiet": 0.95}, "recall_by_noise": {}, "bound_by_noise": {},
            "coverage_by_length": _counts_by_length([scenario, scenario, longer]),
        },
    }
    text = as_markdown(figures)
    assert "| 274 | 92.5 % | 95.0 % | 90.0 % | 400 |" in text
    assert "| 600 | 99.0 % | 99.0 % | – | 100 |" in text
    assert "| 15 mV | 30 of 30 | 0.88 to 1.00 | 0.00 |" in text
    assert "| no step | – | – | 0.00 |" in text
    assert "| 6 | 11 of 20 | 0.55 | 0.32 to 0.77 |" in text
