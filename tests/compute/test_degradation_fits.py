"""Verdicts on planted plants: what is there is found, what is not is not said, and a rise stays a rise."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from plants import SatPlant, cell_names, correlated, sat_daily_frame

from energy_pipeline.compute.degradation_fits import build_degradation_fits
from energy_pipeline.compute.regimes import build_regimes
from energy_pipeline.schemas.battery import CAPACITY, CHARGE_CYCLES, DEGRADATION_FITS, SAT_DAILY
from energy_pipeline.settings import BatterySettings

QUICK = BatterySettings(bootstrap_samples=0)


def fits(plant: SatPlant, frame: pl.DataFrame | None = None, cycles: pl.DataFrame | None = None) -> pl.DataFrame:
    days = plant.frame() if frame is None else frame
    return build_degradation_fits(
        plant.ctx, days, build_regimes(plant.ctx, days), CAPACITY.empty(),
        CHARGE_CYCLES.empty() if cycles is None else cycles,
    )


def offsets(table: pl.DataFrame) -> pl.DataFrame:
    return table.filter((pl.col("level") == "cell") & (pl.col("quantity") == "sat_offset_mv"))


def cycles_of(plant: SatPlant, per_day: float) -> pl.DataFrame:
    """Charge cycles that move `per_day` equivalent full cycles a day."""
    days = plant.frame()["day"].unique().sort()
    ts = days.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    ah = per_day * 2 * plant.battery.nameplate_ah
    frame = pl.DataFrame({"day": days, "start_ts": ts, "end_ts": ts.dt.offset_by("2h")}).with_columns(
        device=pl.lit("plant"), month=pl.lit("2024-01"), kind=pl.lit("charge"), duration_s=pl.lit(7200.0),
        method=pl.lit("soc"), cut=pl.lit(False), charge_ah=pl.lit(ah),
    )
    missing = [c for c in CHARGE_CYCLES.column_names if c not in frame.columns]
    return CHARGE_CYCLES.conform(frame.with_columns(pl.lit(None).alias(c) for c in missing))


def test_the_drifting_cell_rises_no_other_cell_does_and_the_common_step_is_no_ageing() -> None:
    plant = SatPlant(days=270, slopes={100: 24.0}, steps=[(140, -24.0)], gaps=[(60, 9)], battery=QUICK)
    table = fits(plant)
    found = offsets(table)
    assert found.filter(pl.col("verdict").is_in(["falling", "rising"])).select("pack", "cell", "verdict").rows() == [
        (2, 49, "rising")
    ]
    bad = found.filter((pl.col("pack") == 2) & (pl.col("cell") == 49)).to_dicts()[0]
    assert bad["slope_low"] < 24.0 < bad["slope_high"]
    assert bad["quality_annual"] == "no_loss"
    system = table.filter(pl.col("level") == "system").to_dicts()[0]
    assert system["verdict"] != "falling"
    assert system["intercepts"] == 2


def test_a_fall_keeps_its_sign() -> None:
    plant = SatPlant(days=365, packs=1, cells=30, slopes={3: -24.0}, battery=QUICK)
    row = offsets(fits(plant)).filter(pl.col("verdict") != "stable").to_dicts()
    assert [(r["cell"], r["verdict"]) for r in row] == [(4, "falling")]
    assert row[0]["slope_per_year"] == pytest.approx(-24.0, abs=1.5)
    assert row[0]["naive_per_year"] > 0


def test_a_rising_series_after_a_first_incomplete_charge_is_never_a_loss() -> None:
    plant = SatPlant(days=300, packs=1, cells=12, common_slope=40.0, battery=QUICK)
    frame = plant.frame()
    low_first = frame.with_columns(
        pl.when(pl.col("day") == date(2024, 1, 1)).then(pl.col("sat_voltage_v") - 0.1).otherwise("sat_voltage_v")
        .alias("sat_voltage_v")
    )
    table = fits(plant, low_first)
    assert "falling" not in table["verdict"].to_list()
    system = table.filter(pl.col("level") == "system").to_dicts()[0]
    assert system["verdict"] == "rising"
    assert system["slope_per_year"] > 0
    assert system["quality_annual"] == "no_loss"


def test_a_perfect_line_of_minus_480_mv_in_200_days_comes_back_as_minus_2_4_mv_per_day() -> None:
    t = np.arange(201.0)
    names = cell_names(1, 4)
    offset = np.zeros((4, 201))
    offset[0] = -2.4 * t
    frame = sat_daily_frame(date(2024, 1, 1), names, offset, 3.43 + offset / 1000, np.ones(201, bool))
    plant = SatPlant(days=201, packs=1, cells=4, battery=QUICK)
    row = offsets(fits(plant, frame)).filter(pl.col("cell") == 1).to_dicts()[0]
    assert row["slope_per_year"] / 365.25 == pytest.approx(-2.4, rel=1e-6)
    assert row["ols_r2"] == pytest.approx(1.0)
    assert row["intercepts"] == 1
    assert row["verdict"] == "falling"
    assert row["quality_linearity"] == "very_linear"
    assert row["quality_annual"] == "high"


def test_a_constant_series_has_no_r2_of_noise() -> None:
    frame = sat_daily_frame(date(2024, 1, 1), cell_names(1, 3), np.zeros((3, 250)), np.full((3, 250), 3.43),
                            np.ones(250, bool))
    plant = SatPlant(days=250, packs=1, cells=3, battery=QUICK)
    rows = offsets(fits(plant, frame))
    assert rows["ols_r2"].null_count() == 3
    assert rows["verdict"].to_list() == ["stable"] * 3
    assert rows["slope_per_year"].abs().max() < 1e-9


def test_one_wild_day_decides_no_slope_and_is_counted() -> None:
    plant = SatPlant(days=240, packs=1, cells=30, battery=QUICK)
    frame = plant.frame()
    wild = (pl.col("cell") == 4) & (pl.col("day") == date(2024, 7, 18))
    stuck = frame.with_columns(
        pl.when(wild).then(pl.col("sat_offset_mv") - 90).otherwise("sat_offset_mv").alias("sat_offset_mv")
    )
    row = offsets(fits(plant, stuck)).filter(pl.col("cell") == 4).to_dicts()[0]
    assert row["days_left_out"] == 1
    assert row["slope_high"] - row["slope_low"] < 4.0
    assert offsets(fits(plant, frame))["days_left_out"].sum() == 0


def test_too_few_days_say_what_is_missing() -> None:
    short = offsets(fits(SatPlant(days=50, packs=1, cells=3, battery=QUICK)))
    assert short["slope_per_year"].null_count() == 3
    assert short["reason"].unique().to_list() == ["few_days"]
    assert short["days_missing"].unique().to_list() == [130]
    early = offsets(fits(SatPlant(days=150, packs=1, cells=3, battery=QUICK)))
    assert early["preliminary"].all()
    assert early["verdict"].unique().to_list() == ["insufficient_data"]
    assert early["reason"].unique().to_list() == ["short_span"]
    assert early["slope_per_year"].null_count() == 0


def test_a_step_of_a_cells_own_offset_is_no_trend() -> None:
    plant = SatPlant(days=365, packs=1, cells=40, cell_steps={5: (180, 15.0)}, battery=QUICK)
    rows = offsets(fits(plant))
    assert rows.filter(pl.col("verdict").is_in(["rising", "falling"])).is_empty()
    assert rows.filter(pl.col("cell") == 6)["intercepts"].to_list() == [2]


def test_days_without_a_baseline_say_so() -> None:
    plant = SatPlant(days=10, packs=1, cells=3, battery=QUICK)
    table = fits(plant).filter(pl.col("level") == "cell")
    reasons = dict(table.select("quantity", "reason").unique().iter_rows())
    assert reasons == {"sat_offset_mv": "few_days", "sat_index_percent": "no_baseline"}


def test_every_cell_has_a_row_per_quantity_even_without_any_data() -> None:
    plant = SatPlant(days=100, packs=1, cells=3, gaps=[(0, 100)], battery=QUICK)
    table = fits(plant)
    cells = table.filter(pl.col("level") == "cell")
    assert len(cells) == 6
    assert cells["reason"].unique().to_list() == ["no_data"]
    assert build_degradation_fits(
        plant.ctx, SAT_DAILY.empty(), build_regimes(plant.ctx, SAT_DAILY.empty()), CAPACITY.empty(),
        CHARGE_CYCLES.empty(),
    ).schema == DEGRADATION_FITS.polars_schema


def test_the_slope_per_cycle_is_fitted_against_measured_cycles() -> None:
    plant = SatPlant(days=365, packs=1, cells=30, slopes={3: -24.0}, battery=QUICK)
    row = offsets(fits(plant, cycles=cycles_of(plant, 2.0))).filter(pl.col("cell") == 4).to_dicts()[0]
    assert row["slope_per_cycle"] == pytest.approx(-24.0 / 365.25 / 2.0, rel=0.05)
    assert row["extrapolation_ratio_5000"] > 3
    assert row["projection_5000"] is None


def test_a_projection_needs_an_established_trend_and_a_reach_of_at_most_three() -> None:
    plant = SatPlant(days=365, packs=1, cells=30, slopes={3: -24.0}, battery=QUICK)
    rows = offsets(fits(plant, cycles=cycles_of(plant, 4.0)))
    row = rows.filter(pl.col("cell") == 4).to_dicts()[0]
    assert row["extrapolation_ratio_5000"] == pytest.approx(2.43, abs=0.05)
    expected = row["level_last"] + row["slope_per_cycle"] * (5000 - 365 * 4)
    assert row["projection_5000"] == pytest.approx(expected, abs=3)
    assert row["projection_5000_low"] < row["projection_5000"] < row["projection_5000_high"]
    assert row["projection_10000"] is None
    assert rows.filter(pl.col("verdict") == "stable")["projection_5000"].null_count() == 29


def test_missing_days_of_single_cells_do_not_move_the_others() -> None:
    plant = SatPlant(days=270, packs=1, cells=24, slopes={2: 24.0}, battery=QUICK)
    frame = plant.frame()
    holes = frame.with_columns(
        pl.when((pl.col("cell") == 7) & (pl.col("day").dt.ordinal_day() % 5 == 0)).then(False).otherwise("qualified")
        .alias("qualified")
    )
    a, b = offsets(fits(plant, frame)), offsets(fits(plant, holes))
    same = a["cell"] != 7
    assert np.allclose(a.filter(same)["slope_per_year"], b.filter(same)["slope_per_year"], atol=0.05)
    assert b.filter(pl.col("cell") == 7)["n_days"][0] == 216


def test_slow_noise_of_the_common_mode_is_no_trend_of_hundreds_of_cells() -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        common = correlated(365, 1, 6.0, 20.0, rng)[0]
        own = rng.normal(0, 0.7, (60, 365))
        frame = sat_daily_frame(
            date(2024, 1, 1), cell_names(1, 60), own, 3.43 + (common[None] + own) / 1000, np.ones(365, bool)
        )
        plant = SatPlant(days=365, packs=1, cells=60, battery=QUICK)
        table = fits(plant, frame).filter(pl.col("quantity") == "sat_index_percent")
        assert table.filter(pl.col("verdict").is_in(["falling", "rising"])).is_empty()


def capacity_rows(per_cycle: float, days: int = 400, per_day: float = 2.0, noise: float = 0.2) -> pl.DataFrame:
    """Capacity that starts at 270 Ah and falls by `per_cycle` percent of it per full cycle."""
    rng = np.random.default_rng(2)
    k = np.arange(days)
    value = 270.0 * (1 - per_cycle / 100 * per_day * (k + 1)) * (1 + noise / 100 * rng.standard_normal(days))
    frame = pl.DataFrame({"device": "plant", "day": [date(2024, 1, 1) + timedelta(days=int(x)) for x in k],
                          "q_anchor_ah": value, "q_anchor_values": 1})
    return CAPACITY.conform(
        frame.with_columns(pl.lit(None).alias(c) for c in CAPACITY.column_names if c not in frame.columns)
    )


def life(capacity: pl.DataFrame) -> dict[str, object]:
    plant = SatPlant(days=400, packs=1, cells=4, battery=QUICK)
    table = build_degradation_fits(
        plant.ctx, plant.frame(), build_regimes(plant.ctx, plant.frame()), capacity, cycles_of(plant, 2.0)
    )
    return table.filter(pl.col("quantity") == "capacity_percent").to_dicts()[0]


def test_the_end_of_life_comes_from_capacity_with_its_interval() -> None:
    row = life(capacity_rows(0.01))
    assert row["verdict"] == "falling"
    assert row["end_of_life_cycles"] == pytest.approx(2000.0, rel=0.02)
    assert row["end_of_life_low"] < 2000.0 < row["end_of_life_high"]
    assert row["end_of_life_reason"] is None


def test_full_cycles_have_one_owner_the_table_of_capacity() -> None:
    capacity = capacity_rows(0.01)  # falls by 0.01 % per cycle at two cycles a day
    counted = capacity.with_columns((3.0 * pl.int_range(1, pl.len() + 1)).alias("efc_ah"))
    row = life(counted)  # the segments say two a day, the table says three: small swings are in it too
    assert row["end_of_life_cycles"] == pytest.approx(3000.0, rel=0.02)
    assert row["slope_per_cycle"] == pytest.approx(life(capacity)["slope_per_cycle"] * 2 / 3, rel=1e-6)


def test_there_is_no_end_of_life_without_a_fall_or_beyond_the_reach_of_the_data() -> None:
    assert life(capacity_rows(0.0))["end_of_life_reason"] == "no_established_fall"
    slow = life(capacity_rows(0.003, noise=0.05))
    assert slow["verdict"] == "falling"
    assert (slow["end_of_life_cycles"], slow["end_of_life_reason"]) == (None, "outside_data")
    plant = SatPlant(days=400, packs=1, cells=4, slopes={1: -24.0}, battery=QUICK)
    cells = offsets(fits(plant, cycles=cycles_of(plant, 2.0)))
    assert cells["end_of_life_cycles"].null_count() == cells["end_of_life_reason"].null_count() == len(cells)
