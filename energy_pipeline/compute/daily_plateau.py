"""Ends of charges without current or SOC: the day's highest level of the median cell, where it is a plateau.

A daily maximum alone follows partial charging and looks like ageing. A day therefore counts only when the highest
cell reaches the level at which charges usually end in that month. `method` says `daily_plateau`.
"""

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import (
    SECOND_US,
    Float,
    Int,
    day_limits,
    local_days,
    month_limits,
    over_signals,
    to_utc,
)
from energy_pipeline.compute.context import DeviceContext

GRID_S = 60


def find_daily_plateaus(ctx: DeviceContext, month: str, readings: pl.LazyFrame) -> pl.DataFrame:
    """Return one row per local day whose maximum passes the plateau test, in the shape of charge segments.

    Test: at the day's maximum of the median cell, the highest cell lies within `plateau_level_mv` of the month's 75th
    percentile of such days or above, and the median cell reaches the voltage of a full charge.
    """
    names = ctx.names("cell_voltage")
    begin, end = month_limits(month, ctx.zone)
    grid = np.arange(begin, end, GRID_S * SECOND_US)
    middle, high = _curves(ctx, readings, names, grid)
    day = local_days(grid, ctx.zone).to_numpy()
    frame = pl.DataFrame({"day": day, "us": grid, "middle": middle, "high": high}).with_columns(
        pl.col("middle", "high").fill_nan(None)
    )
    peak = pl.col("middle").arg_max()
    days = frame.drop_nulls("middle").group_by("day").agg(
        pl.col("us").get(peak).alias("us"), pl.col("middle").max(), pl.col("high").get(peak)
    )
    if days.is_empty():
        return _rows(days, ctx)
    usual = float(np.quantile(days["high"].to_numpy(), 0.75))
    reached = pl.col("high") >= usual - ctx.battery.plateau_level_mv / 1000.0
    full = pl.col("middle") >= ctx.battery.voltage("full_median_cell_v")
    return _rows(days.filter(reached & full).sort("day"), ctx)


def _curves(ctx: DeviceContext, readings: pl.LazyFrame, names: list[str], grid: Int) -> tuple[Float, Float]:
    """Return the median and the highest cell on the grid [V]."""
    low, high = ctx.battery.sat_limits_v
    gap = int(900 * SECOND_US)
    levels = over_signals(readings, names, lambda s: s.interpolated(grid, gap), len(grid)).astype(np.float32)
    levels[(levels < low) | (levels > high)] = np.nan
    table = np.sort(levels, axis=0)
    count = np.isfinite(levels).sum(axis=0)
    at = np.arange(len(grid))
    middle = table[np.maximum((count - 1) // 2, 0), at].astype(np.float64)
    top = table[np.maximum(count - 1, 0), at].astype(np.float64)
    return np.where(count > 0, middle, np.nan), np.where(count > 0, top, np.nan)


def _rows(days: pl.DataFrame, ctx: DeviceContext) -> pl.DataFrame:
    us = days["us"].to_numpy().astype(np.int64) if len(days) else np.empty(0, np.int64)
    starts = np.array([day_limits(d, ctx.zone)[0] for d in days["day"]], dtype=np.int64)
    empty = pl.Series([None] * len(us), dtype=pl.Float64)
    return pl.DataFrame(
        {
            "start_ts": to_utc(starts), "end_ts": to_utc(us), "active_end_ts": to_utc(us), "plateau": [True] * len(us),
            "current_end_a": empty, "soc_end": empty, "delta_soc": empty, "duration_s": empty,
        }
    )
