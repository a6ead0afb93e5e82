"""`cell_months`: what a whole month of a cell's readings says: a stuck sensor, and the time in the heat.

One pass over the cells in groups; only a coarse grid of levels stays in memory. Next: `cell_health.py`.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import (
    SECOND_US,
    Float,
    HeldIntegral,
    Int,
    Series,
    covered,
    month_limits,
    read_groups,
)
from energy_pipeline.compute.charge_cycles import hold_us
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.sat_voltage import nan_median
from energy_pipeline.schemas.battery_parts import CELL_MONTHS
from energy_pipeline.settings import BatterySettings

GRID_S = 300
HOURS = 3600.0


@dataclass(frozen=True)
class Still:
    """Runs of equal readings: start and end [µs]."""

    start: Int
    end: Int


def build_cell_months(ctx: DeviceContext, month: str, readings: pl.LazyFrame) -> pl.DataFrame:
    """Build one row per cell with readings or a sensor in the local month."""
    names = ctx.names("cell_voltage")
    if not names:
        return CELL_MONTHS.empty()
    begin, end = month_limits(month, ctx.zone)
    grid = np.arange(begin, end, GRID_S * SECOND_US)
    levels = np.full((len(names), len(grid)), np.nan, dtype=np.float32)
    runs: dict[str, Still] = {}
    count: dict[str, int] = {}
    row = {name: k for k, name in enumerate(names)}
    for name, series in read_groups(readings, names):
        hold = hold_us(ctx, name)
        part = series.between(begin, end - 1)
        levels[row[name]] = series.held(grid, hold)
        count[name] = len(part)
        runs[name] = still_runs(part, hold, ctx.battery)
    middle = nan_median(levels, axis=0)
    rows = [_stuck(n, runs.get(n), grid, middle, ctx.battery) | {"readings": count.get(n, 0)} for n in names]
    places = ctx.signals.select("signal", "pack", "cell")
    kinds = {"signal": pl.String, "stuck_hours": pl.Float64, "start": pl.Int64, "end": pl.Int64, "readings": pl.Int64}
    frame = pl.DataFrame(rows, schema=kinds).join(places, on="signal", how="left")
    frame = frame.join(_heat(ctx, readings, begin, end), on="signal", how="left").with_columns(
        pl.lit(ctx.device).alias("device"), pl.lit(month).alias("month"),
        pl.col("start").cast(pl.Datetime("us", "UTC")).alias("stuck_start_ts"),
        pl.col("end").cast(pl.Datetime("us", "UTC")).alias("stuck_end_ts"),
    )
    return CELL_MONTHS.conform(frame.sort("pack", "cell", "signal"))


def still_runs(series: Series, hold: int, battery: BatterySettings) -> Still:
    """Return the runs without any change that last at least the set time; a gap ends a run."""
    if len(series) < 2:
        return Still(np.empty(0, np.int64), np.empty(0, np.int64))
    border = np.flatnonzero((np.diff(series.value) != 0) | (np.diff(series.ts) > hold)) + 1
    first, last = np.append(0, border), np.append(border, len(series)) - 1
    start, end = series.ts[first], series.ts[last]
    long = end - start >= battery.stuck_h * HOURS * SECOND_US
    return Still(start[long], end[long])


def _stuck(name: str, still: Still | None, grid: Int, middle: Float, battery: BatterySettings) -> dict[str, object]:
    """Return the longest run in which the median cell moved by the set amount, away from the run's two ends."""
    best: dict[str, object] = {"signal": name, "stuck_hours": None, "start": None, "end": None}
    margin, longest = int(900 * SECOND_US), 0.0
    for a, b in zip(*((still.start, still.end) if still is not None else ((), ())), strict=True):
        inside = middle[np.searchsorted(grid, a + margin) : np.searchsorted(grid, b - margin)]
        inside = inside[np.isfinite(inside)]
        hours = (b - a) / SECOND_US / HOURS
        if len(inside) and 1000.0 * np.ptp(inside) >= battery.stuck_neighbour_mv and hours > longest:
            longest = hours
            best = {"signal": name, "stuck_hours": float(hours), "start": int(a), "end": int(b)}
    return best


def _heat(ctx: DeviceContext, readings: pl.LazyFrame, begin: int, end: int) -> pl.DataFrame:
    """Return maximum, mean and hours above the limits per cell: of its own sensor, else the warmest of its pack."""
    sensors = ctx.signals.filter(pl.col("quantity") == "cell_temperature").select("signal", "pack", "cell")
    a, b = np.array([begin]), np.array([end])
    rows = []
    for name, series in read_groups(readings, sensors["signal"].sort().to_list()):
        hold, part = hold_us(ctx, name), series.between(begin, end - 1)
        time = float(covered(series, hold).over(a, b)[0])
        if not len(part) or time <= 0:
            continue
        above = [
            float(HeldIntegral.of(series, hold, (series.value > limit).astype(np.float64)).over(a, b)[0]) / HOURS
            for limit in ctx.battery.temperature_limits_c
        ]
        mean = float(HeldIntegral.of(series, hold).over(a, b)[0]) / time
        rows.append((name, float(part.value.max()), mean, above[0], above[1], time / HOURS))
    columns = ["temperature_signal", "temperature_max_c", "temperature_mean_c", "hours_above_warm", "hours_above_hot",
               "hours_covered"]
    kinds = {c: pl.String if c == "temperature_signal" else pl.Float64 for c in columns}
    found = pl.DataFrame(rows, schema=kinds, orient="row").join(
        sensors.rename({"signal": "temperature_signal"}), on="temperature_signal"
    )
    cells = ctx.signals.filter(pl.col("quantity") == "cell_voltage").select("signal", "pack", "cell")
    # Numbers of sensors need not be unique (two BMS): the warmest of those with a cell's number stands for it.
    found = found.sort("temperature_mean_c", "temperature_signal", descending=[True, False])
    each = found.unique(["pack", "cell"], keep="first", maintain_order=True)
    own = cells.join(each, on=["pack", "cell"], how="inner").select("signal", *columns)
    warmest = found.unique("pack", keep="first", maintain_order=True)
    rest = cells.join(own, on="signal", how="anti").join(warmest.drop("cell"), on="pack", how="inner")
    return pl.concat([own, rest.select("signal", *columns)])
