"""`cell_ends`: each cell against the median of all cells at ends of charge and discharge, and at rest.

What `cell_health.py` needs of readings beyond the SAT voltage. Instants at ends are interpolated as in
`sat_voltage.py`; at rest the cells are compared an hour after the current stopped, where nothing moves any more.
"""

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import SECOND_US, Float, Int, read_groups, to_utc
from energy_pipeline.compute.charge_cycles import hold_us
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.sat_voltage import at_instants, common_instants, nan_median
from energy_pipeline.schemas.battery_parts import CELL_ENDS


def build_cell_ends(
    ctx: DeviceContext, month: str, readings: pl.LazyFrame, charge_cycles: pl.DataFrame
) -> pl.DataFrame:
    """Build one row per end of a segment (and rest after it) and cell; an instant needs the set share of cells."""
    names = ctx.names("cell_voltage")
    if not names or charge_cycles.is_empty():
        return CELL_ENDS.empty()
    points = _points(ctx, charge_cycles)
    at = points["us"].to_numpy()
    resting = (points["kind"] == "rest").to_numpy()
    levels = np.full((len(names), len(at)), np.nan)
    row = {name: k for k, name in enumerate(names)}
    instants = common_instants(at, ctx.battery.offset_window_s, 2 * ctx.battery.offset_step_s)
    ends = np.full((len(names), *instants.shape), np.nan)
    for name, series in read_groups(readings, names):
        hold = hold_us(ctx, name)
        ends[row[name]] = at_instants(series, instants, at, hold)
        levels[row[name]] = series.held(at, hold)
    offset, voltage = _compare(ends, levels, resting, ctx.battery.offset_min_cells)
    return _rows(points, names, offset, voltage, ctx, month)


def _points(ctx: DeviceContext, charge_cycles: pl.DataFrame) -> pl.DataFrame:
    """Return the instants to compare at: ends of segments, and the rest after those that one follows."""
    cycles = charge_cycles.sort("start_ts")
    wait = int(ctx.battery.rest_compare_s * SECOND_US)
    ends = cycles.select(
        pl.col("active_end_ts").fill_null(pl.col("end_ts")).dt.timestamp("us").alias("us"),
        pl.col("end_ts").dt.timestamp("us").alias("end"),
        pl.col("start_ts").dt.timestamp("us").shift(-1).alias("next"),
        (pl.col("kind") + "_end").alias("kind"), "day", pl.col("soc_end").alias("soc"),
    )
    rests = ends.filter(pl.col("next") - pl.col("end") > wait).with_columns(
        (pl.col("end") + wait).alias("us"), pl.lit("rest").alias("kind")
    )
    return pl.concat([ends, rests]).sort("us", "kind")


def _compare(ends: Float, levels: Float, resting: np.ndarray, min_cells: float) -> tuple[Float, Float]:
    """Return offset [mV] and voltage [V] of cells × points; at ends over the common instants, at rest as held."""
    known = np.isfinite(ends).mean(axis=0) >= min_cells
    usable = np.where(known[None], ends, np.nan)
    moving = nan_median(usable - nan_median(usable, axis=0)[None], axis=2)
    last = nan_median(usable, axis=2)
    enough = np.isfinite(levels).mean(axis=0) >= min_cells
    still = np.where(enough[None], levels - nan_median(levels, axis=0)[None], np.nan)
    return 1000.0 * np.where(resting[None], still, moving), np.where(resting[None], levels, last)


def _rows(
    points: pl.DataFrame, names: list[str], offset: Float, voltage: Float, ctx: DeviceContext, month: str
) -> pl.DataFrame:
    us: Int = points["us"].to_numpy()
    moments = points.select("day", "kind", "soc").with_columns(to_utc(us).alias("ts"), pl.lit(1).alias("one"))
    places = ctx.signals.select("signal", "pack", "cell")
    cells = pl.DataFrame({"signal": names}).join(places, on="signal", how="left", maintain_order="left")
    frame = cells.join(moments, how="cross").with_columns(
        pl.Series("offset_mv", offset.ravel()).fill_nan(None), pl.Series("voltage_v", voltage.ravel()).fill_nan(None),
        pl.lit(ctx.device).alias("device"), pl.lit(month).alias("month"),
    )
    keys = ["ts", "kind", "signal"]
    return CELL_ENDS.conform(frame.drop_nulls("offset_mv").unique(keys).sort(keys))
