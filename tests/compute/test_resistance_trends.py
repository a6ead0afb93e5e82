"""Trend of resistance: a planted rise comes back free of temperature and delay; what cannot be told has a reason."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from plants import START, cell_names, context, signals_table

from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.resistance_trends import build_resistance_trends
from energy_pipeline.schemas.battery_energy import RESISTANCE_TRENDS
from energy_pipeline.schemas.battery_parts import RESISTANCE

CELLS = 30


def ctx() -> DeviceContext:
    return context(signals_table(dict.fromkeys(cell_names(1, CELLS), "cell_voltage"), START, START))


def weeks(
    n: int = 52, rises: dict[int, float] | None = None, *, per_kelvin: float = -1.5, per_second: float = 0.2,
    warming_k: float = 0.0, spread_k: float = 6.0, noise: float = 1.0, seed: int = 4, level: float = 0.3,
) -> pl.DataFrame:
    """Weekly medians of 30 cells: percent of 0.3 mΩ with a rise per year, −1.5 %/K, +0.2 %/s and noise of 1 %."""
    rng = np.random.default_rng(seed)
    k = np.arange(n)
    heat = 25 + spread_k * np.sin(2 * np.pi * k / 52) + warming_k * k / 52
    parts = []
    for cell in range(1, CELLS + 1):
        delay = rng.uniform(20, 60, n)
        percent = (rises or {}).get(cell, 0.0) * k * 7 / 365.25 + per_kelvin * (heat - 25) + per_second * (delay - 40)
        value = level * (1 + (percent + noise * rng.standard_normal(n)) / 100)
        parts.append(pl.DataFrame({
            "device": "plant", "signal": f"bms1_p1_v{cell}", "pack": 1, "cell": cell, "soc_bin": "high",
            "week_start": [date(2024, 1, 1) + timedelta(weeks=int(x)) for x in k], "steps": 12, "r_0_90s_mohm": value,
            "r_error_mohm": 0.01, "delay_s": delay, "temperature_c": heat, "soc": 95.0, "delta_i_a": 112.0,
        }))
    return RESISTANCE.conform(pl.concat(parts))


def row_of(table: pl.DataFrame, cell: int) -> dict[str, object]:
    return table.filter(pl.col("cell") == cell).to_dicts()[0]


def test_a_planted_rise_is_found_and_no_other_cell_is_called_rising() -> None:
    table = build_resistance_trends(ctx(), weeks(rises={7: 20.0}))
    said = table.filter(pl.col("verdict").is_in(["rising", "falling"]))
    assert said.select("cell", "verdict").rows() == [(7, "rising")]
    row = row_of(table, 7)
    share = 0.3 / row["level_mohm"]  # percentages refer to the median over the weeks
    assert row["slope_percent_per_year"] == pytest.approx(20.0 * share, abs=2.0)
    assert row["adjusted_for"] == "temperature, delay"
    assert row["per_kelvin_percent"] == pytest.approx(-1.5 * share, abs=0.15)
    assert row["per_second_percent"] == pytest.approx(0.2 * share, abs=0.05)
    assert row["per_soc_percent"] is None


def test_cells_that_move_together_tell_of_conditions_and_get_no_verdict() -> None:
    together = build_resistance_trends(ctx(), weeks(rises=dict.fromkeys(range(1, 9), -25.0)))
    assert not together["verdict"].is_in(["rising", "falling"]).any()
    assert set(together.filter(pl.col("cell") <= 8)["reason"]) == {"common_change"}
    assert together.filter(pl.col("cell") > 8)["reason"].null_count() == CELLS - 8
    few = build_resistance_trends(ctx(), weeks(rises=dict.fromkeys(range(1, 6), 25.0)))
    assert set(few.filter(pl.col("cell") <= 5)["verdict"]) == {"rising"}


@pytest.mark.parametrize(("rise", "verdict"), [(25.0, "rising"), (-25.0, "insufficient_data")])
def test_the_resistance_of_a_system_may_rise_and_does_not_fall(rise: float, verdict: str) -> None:
    one = weeks(rises={1: rise}).filter(pl.col("cell") == 1)
    nowhere = [pl.lit(None).cast(pl.Int16).alias(c) for c in ("pack", "cell")]
    system = one.with_columns(pl.lit("bms1_v").alias("signal"), *nowhere)
    (row,) = build_resistance_trends(ctx(), system).to_dicts()
    assert (row["verdict"], row["reason"]) == (verdict, "system_falls" if rise < 0 else None)


def test_a_plant_that_warms_up_does_not_look_as_if_its_resistance_fell() -> None:
    table = build_resistance_trends(ctx(), weeks(warming_k=12.0, spread_k=3.0, noise=0.5))
    assert table["raw_percent_per_year"].median() < -8.0
    assert abs(table["slope_percent_per_year"].median()) < 1.5
    assert not table["verdict"].is_in(["rising", "falling"]).any()


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    inside = total = 0
    for seed in range(6):
        table = build_resistance_trends(ctx(), weeks(seed=seed))
        inside += int(((table["slope_low"] <= 0) & (table["slope_high"] >= 0)).sum())
        total += len(table)
    assert 0.92 <= inside / total <= 1.0


def test_few_weeks_and_values_that_make_no_sense_have_a_reason() -> None:
    few = build_resistance_trends(ctx(), weeks(10))
    assert few["reason"].unique().to_list() == ["few_weeks"]
    assert few["slope_percent_per_year"].null_count() == CELLS
    early = build_resistance_trends(ctx(), weeks(20))
    assert early["reason"].unique().to_list() == ["preliminary"]
    assert early["slope_percent_per_year"].null_count() == 0
    assert early["verdict"].unique().to_list() == ["insufficient_data"]
    negative = build_resistance_trends(ctx(), weeks(level=-0.05))
    assert negative["reason"].unique().to_list() == ["not_positive"]
    assert build_resistance_trends(ctx(), RESISTANCE.empty()).schema == RESISTANCE_TRENDS.polars_schema
