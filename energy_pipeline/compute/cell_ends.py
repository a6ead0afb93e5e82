"""`cell_ends`: each cell against the median of all cells at ends of charge and discharge, and at rest.

What `cell_health.py` needs of readings beyond the SAT voltage. Instants at ends are interpolated as in
`sat_voltage.py`; at rest the cells are compared an hour after the current stopped, where nothing moves any more.
"""

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import SECOND_US, Bool, Float, Int, read_groups, to_utc
from energy_pipeline.compute.charge_cycles import hold_us
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.sat_voltage import at_instants, common_instants, nan_median, offsets_from_median
from energy_pipeline.schemas.battery_parts import CELL_ENDS
from energy_pipeline.settings import BatterySettings


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
    near = common_instants(at, ctx.battery.offset_window_s, 2 * ctx.battery.offset_step_s)
    wide = common_instants(at, ctx.battery.sat_before_s, 8 * ctx.battery.offset_step_s)
    ends, slow = (np.full((len(names), *x.shape), np.nan) for x in (near, wide))
    for name, series in read_groups(readings, names):
        hold = hold_us(ctx, name)
        ends[row[name]] = at_instants(series, near, at, hold)
        slow[row[name]] = at_instants(series, wide, at, hold)
        levels[row[name]] = series.held(at, hold)
    offset, voltage = _compare(ends, slow, levels, resting, ctx.battery)
    emptied = (points["kind"] == "discharge_end").to_numpy()
    lead = np.where(emptied[None], lead_times(slow, wide, at, ctx.battery.offset_min_cells), np.nan)
    return _rows(points, names, offset, voltage, lead, ctx, month)


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


def _compare(
    ends: Float, slow: Float, levels: Float, resting: Bool, battery: BatterySettings
) -> tuple[Float, Float]:
    """Return offset [mV] and voltage [V] of cells × points; at ends over the common instants, at rest as held.

    Where sampling is too slow for instants just before an end, the nearest ones of the wide window stand in.
    """
    cells, need = battery.offset_min_cells, battery.offset_min_instants
    moving, _, used = offsets_from_median(ends, cells, need)
    later, _, used_slow = offsets_from_median(slow, cells, need, need)
    late = used.sum(axis=1) < need
    moving = np.where(late[None], later, moving)
    last = np.where(
        late[None], nan_median(np.where(used_slow[None], slow, np.nan), axis=2),
        nan_median(np.where(used[None], ends, np.nan), axis=2),
    )
    enough = np.isfinite(levels).mean(axis=0) >= cells
    still = 1000.0 * np.where(enough[None], levels - nan_median(levels, axis=0)[None], np.nan)
    return np.where(resting[None], still, moving), np.where(resting[None], levels, last)


def lead_times(levels: Float, instants: Int, end: Int, min_cells: float) -> Float:
    """Return how much earlier each cell stood at the level where the median cell ends [s], cells × points.

    `levels` are voltages at instants before each end, latest first. The lead is measured at the latest instant that
    enough cells have; 0 for cells above the median, NaN where the cell never stood there within the window.
    """
    used = np.isfinite(levels).mean(axis=0) >= min_cells
    latest = np.where(used.any(axis=1), used.argmax(axis=1), 0)
    point = np.arange(len(end))
    aim = nan_median(levels, axis=0)[point, latest]
    back = (instants[point, latest][:, None] - instants) / SECOND_US
    out = np.full(levels.shape[:2], np.nan)
    for k in range(levels.shape[2] - 1):
        now, before = levels[:, :, k], levels[:, :, k + 1]
        with np.errstate(invalid="ignore"):
            crossed = (now < aim) & (before >= aim) & np.isnan(out) & (k >= latest)
        share = (aim - now) / np.where(crossed, before - now, 1.0)
        out = np.where(crossed, back[:, k] + share * (back[:, k + 1] - back[:, k]), out)
    with np.errstate(invalid="ignore"):
        above = levels[:, point, latest] >= aim
    return np.where(used.any(axis=1)[None] & above, 0.0, out)


def _rows(
    points: pl.DataFrame, names: list[str], offset: Float, voltage: Float, lead: Float, ctx: DeviceContext, month: str
) -> pl.DataFrame:
    us: Int = points["us"].to_numpy()
    moments = points.select("day", "kind", "soc").with_columns(to_utc(us).alias("ts"), pl.lit(1).alias("one"))
    places = ctx.signals.select("signal", "pack", "cell")
    cells = pl.DataFrame({"signal": names}).join(places, on="signal", how="left", maintain_order="left")
    frame = cells.join(moments, how="cross").with_columns(
        pl.Series("offset_mv", offset.ravel()).fill_nan(None), pl.Series("voltage_v", voltage.ravel()).fill_nan(None),
        pl.Series("lead_s", lead.ravel()).fill_nan(None), pl.lit(ctx.device).alias("device"),
        pl.lit(month).alias("month"),
    )
    keys = ["ts", "kind", "signal"]
    return CELL_ENDS.conform(frame.drop_nulls("offset_mv").unique(keys).sort(keys))
