"""`sat_voltage`: the highest voltage of every cell at the end of every charge of a month (METRICS E).

Computed from readings, never from buckets: a bucket cannot tell a lone spike from a peak. The offset against the
median cell is taken at common instants before the end, so that neither sampling nor set point moves it.
Which charge stands for a day is decided in `sat_daily.py`. Next: `cell_ends.py`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_pipeline.compute.battery_series import (
    SECOND_US,
    Bool,
    Float,
    Int,
    Series,
    covered,
    local_days,
    read_groups,
)
from energy_pipeline.compute.cell_temperatures import temperatures_at
from energy_pipeline.compute.charge_cycles import hold_us
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.daily_plateau import find_daily_plateaus
from energy_pipeline.schemas.battery import SAT_VOLTAGE
from energy_pipeline.settings import BatterySettings

SUPPORTED, MEDIAN3, PLATEAU = "supported", "median3", "daily_plateau"


@dataclass(frozen=True)
class Charges:
    """Ends of charges: `start`, `end`, `active_end` [µs UTC], and their rows of conditions."""

    start: Int
    end: Int
    active_end: Int
    rows: pl.DataFrame

    def __len__(self) -> int:
        return len(self.end)


@dataclass(frozen=True)
class Windows:
    """Readings of one cell in all windows: index of the charge, time, value, and support by neighbours."""

    charge: Int
    ts: Int
    value: Float
    supported: Bool
    middle: Float


def build_sat_voltage(
    ctx: DeviceContext, month: str, readings: pl.LazyFrame, charge_cycles: pl.DataFrame
) -> pl.DataFrame:
    """Build one row per charge of the month and cell.

    Cells are read in groups and only their windows are kept, so memory stays bounded. Without segments (no current
    and no power) the daily maximum stands in. Where SOC does not say whether a charge was full, `method` is
    `daily_plateau`: `sat_daily.py` then asks for the usual level.
    """
    names = ctx.names("cell_voltage")
    charges = _charges(ctx, month, readings, charge_cycles) if names else None
    if charges is None or not len(charges):
        return SAT_VOLTAGE.empty()
    instants = common_instants(charges.active_end, ctx.battery.offset_window_s, ctx.battery.offset_step_s)
    wide = common_instants(charges.active_end, ctx.battery.sat_before_s, 4 * ctx.battery.offset_step_s)
    levels, wide_levels, parts = [], [], []
    for name in names:
        levels.append(np.full(instants.shape, np.nan))
        wide_levels.append(np.full(wide.shape, np.nan))
        parts.append(_without_readings(name, len(charges)))
    row = {name: k for k, name in enumerate(names)}
    for name, series in read_groups(readings, names):
        good = _within(series, ctx.battery.sat_limits_v)
        hold = hold_us(ctx, name)
        levels[row[name]] = at_instants(good, instants, charges.active_end, hold)
        wide_levels[row[name]] = at_instants(good, wide, charges.active_end, hold)
        parts[row[name]] = _cell_rows(name, series, good, charges, ctx.battery, hold)
    frame = pl.concat(parts).with_columns(
        _offsets(np.stack(levels), instants, np.stack(wide_levels), wide, charges, ctx.battery)
    )
    return _finish(frame, charges, ctx, month, readings)


def _charges(
    ctx: DeviceContext, month: str, readings: pl.LazyFrame, charge_cycles: pl.DataFrame
) -> Charges | None:
    flows = ctx.name("system_current") is not None or ctx.name("system_power") is not None
    if not flows or (ctx.name("soc") is None and charge_cycles.is_empty()):
        rows = find_daily_plateaus(ctx, month, readings)
    else:
        rows = charge_cycles.filter(pl.col("kind") == "charge").sort("end_ts")
    if rows.is_empty():
        return None
    us = rows.select(pl.col("start_ts", "end_ts", "active_end_ts").dt.timestamp("us"))
    active = us["active_end_ts"].fill_null(us["end_ts"])
    return Charges(us["start_ts"].to_numpy(), us["end_ts"].to_numpy(), active.to_numpy(), rows)


def common_instants(end: Int, window_s: float, step_s: float) -> Int:
    """Return instants before each end [µs]: charges × instants, latest first."""
    back = np.arange(0.0, window_s + step_s / 2, step_s) * SECOND_US
    return np.asarray(end[:, None] - back[None, :], dtype=np.int64)


def at_instants(series: Series, instants: Int, end: Int, gap_us: int) -> Float:
    """Return the cell's voltage at common instants, from readings up to each end only [V]."""
    before = np.repeat(end, instants.shape[1])
    return series.interpolated(instants.ravel(), gap_us, before).reshape(instants.shape)


def _within(series: Series, limits: tuple[float, float]) -> Series:
    good = (series.value >= limits[0]) & (series.value <= limits[1])
    return Series(series.ts[good], series.value[good])


def _window_index(ts: Int, charges: Charges, battery: BatterySettings) -> tuple[Int, Int]:
    """Return for every reading in a window the index of its charge, and the index of the reading."""
    start = np.maximum(charges.start, charges.end - int(battery.sat_before_s * SECOND_US))
    first = np.searchsorted(ts, start, side="left")
    last = np.searchsorted(ts, charges.end + int(battery.sat_after_s * SECOND_US), side="right")
    count = np.maximum(last - first, 0)
    charge = np.repeat(np.arange(len(charges)), count)
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return charge, np.repeat(first, count) + offset


def take_windows(series: Series, charges: Charges, battery: BatterySettings) -> Windows:
    """Return the readings in all windows, with the test of support.

    Supported: within the set voltage of both neighbours, or of a second reading close in time (METRICS E).
    """
    charge, k = _window_index(series.ts, charges, battery)
    n, ts, v = len(series), series.ts, series.value
    limit, near = battery.sat_neighbour_mv / 1000.0 + 1e-9, battery.sat_second_s * SECOND_US
    if n == 0:
        return Windows(charge, ts, v, np.empty(0, np.bool_), v)
    before, after = np.maximum(k - 1, 0), np.minimum(k + 1, n - 1)
    both = (k > 0) & (k < n - 1) & (np.abs(v[k] - v[before]) <= limit) & (np.abs(v[k] - v[after]) <= limit)
    second = np.zeros(len(k), dtype=np.bool_)
    for shift in (-2, -1, 1, 2):
        other = np.clip(k + shift, 0, n - 1)
        second |= (other != k) & (np.abs(ts[other] - ts[k]) <= near) & (np.abs(v[other] - v[k]) <= limit)
    middle = np.median(np.stack([v[before], v[k], v[after]]), axis=0)
    return Windows(charge, ts[k], v[k], both | second, middle)


def _cell_rows(
    name: str, series: Series, good: Series, charges: Charges, battery: BatterySettings, hold: int
) -> pl.DataFrame:
    """Return the rows of one cell: SAT voltage, raw maximum, sampling and coverage per charge."""
    w = take_windows(good, charges, battery)
    refused = np.bincount(_window_index(series.ts, charges, battery)[0], minlength=len(charges)) - np.bincount(
        w.charge, minlength=len(charges)
    )
    frame = pl.DataFrame(
        {"charge": w.charge, "us": w.ts, "value": w.value, "supported": w.supported, "middle": w.middle}
    )
    best = pl.col("value").filter(pl.col("supported")).max()
    rows = frame.group_by("charge").agg(
        best.fill_null(pl.col("middle").max()).alias("sat_voltage_v"),
        pl.when(best.is_not_null()).then(pl.lit(SUPPORTED)).otherwise(pl.lit(MEDIAN3)).alias("method"),
        pl.col("value").max().alias("raw_max_v"),
        pl.col("us").filter(pl.col("value") == pl.col("value").max()).first().alias("raw_max_us"),
        pl.len().cast(pl.Int32).alias("readings"),
        (pl.col("us").diff().median() / SECOND_US).alias("sampling_s"),
    )
    back = np.maximum(charges.start, charges.end - int(battery.sat_before_s * SECOND_US))
    share = _held_share(good, back, charges.end, hold)
    empty = _without_readings(name, len(charges)).select("signal", "charge")
    return empty.join(rows, on="charge", how="left", maintain_order="left").with_columns(
        pl.col("method").fill_null(SUPPORTED), pl.col("readings").fill_null(0),
        pl.Series("coverage", share), pl.Series("refused_readings", refused.astype(np.int32)),
    )


def _held_share(series: Series, start: Int, end: Int, hold: int) -> Float:
    return covered(series, hold).over(start, end) / np.maximum((end - start) / SECOND_US, 1e-9)


def _without_readings(name: str, n: int) -> pl.DataFrame:
    return pl.DataFrame({"signal": [name] * n, "charge": np.arange(n)}).with_columns(
        pl.lit(None, pl.Float64).alias("sat_voltage_v"), pl.lit(SUPPORTED).alias("method"),
        pl.lit(None, pl.Float64).alias("raw_max_v"), pl.lit(None, pl.Int64).alias("raw_max_us"),
        pl.lit(0, pl.Int32).alias("readings"), pl.lit(None, pl.Float64).alias("sampling_s"),
        pl.lit(0.0).alias("coverage"), pl.lit(0, pl.Int32).alias("refused_readings"),
    )


def offsets_from_median(
    levels: Float, min_cells: float, min_instants: int, most: int = 99
) -> tuple[Float, Int, Bool]:
    """Return each cell's offset from the median cell, over common instants [mV].

    `levels` is cells × charges × instants [V]. An instant counts when at least `min_cells` of the cells have a value;
    a cell needs `min_instants` of them. Only the `most` instants nearest to the end are used. Returns offset and
    number of instants per cell × charge, and the instants used.
    """
    known = np.isfinite(levels)
    used = known.mean(axis=0) >= min_cells
    used &= np.cumsum(used, axis=1) <= most
    usable = np.where(used[None], levels, np.nan)
    middle = nan_median(usable, axis=0)
    difference = usable - middle[None]
    count = np.isfinite(difference).sum(axis=2)
    offset = np.where(count >= min_instants, nan_median(difference, axis=2), np.nan)
    return offset * 1000.0, count, used


def nan_median(values: NDArray[np.floating[Any]], axis: int) -> Float:
    """Return the median over `axis` ignoring NaN, NaN where nothing is left, without warnings."""
    ordered = np.sort(values, axis=axis)
    count = np.isfinite(values).sum(axis=axis, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0), axis=axis)
    high = np.take_along_axis(ordered, np.minimum(count // 2, values.shape[axis] - 1), axis=axis)
    return np.asarray(np.squeeze(np.where(count > 0, (low + high) / 2, np.nan), axis=axis), dtype=np.float64)


def _offsets(
    levels: Float, instants: Int, wide_levels: Float, wide: Int, charges: Charges, battery: BatterySettings
) -> list[pl.Series]:
    """Return offset, number of instants and lag as columns, cell by cell; the wide window where the short one fails."""
    need = battery.offset_min_instants
    offset, count, used = offsets_from_median(levels, battery.offset_min_cells, need)
    lag = _lag(used, instants, charges)
    offset2, count2, used2 = offsets_from_median(wide_levels, battery.offset_min_cells, need, need + 3)
    use_wide = used.sum(axis=1) < need
    offset = np.where(use_wide[None], offset2, offset)
    count = np.where(use_wide[None], count2, count)
    lag = np.where(use_wide, _lag(used2, wide, charges), lag)
    lags = np.where(np.isfinite(offset), lag[None], np.nan)
    return [
        pl.Series("sat_offset_mv", offset.ravel()).fill_nan(None),
        pl.Series("offset_instants", np.where(np.isfinite(offset), count, 0).ravel().astype(np.int16)),
        pl.Series("offset_lag_s", lags.ravel()).fill_nan(None),
    ]


def _lag(used: Bool, instants: Int, charges: Charges) -> Float:
    back = (charges.active_end[:, None] - instants) / SECOND_US
    return np.asarray(np.where(used, back, 0.0).sum(axis=1) / np.maximum(used.sum(axis=1), 1), dtype=np.float64)


def _finish(
    frame: pl.DataFrame, charges: Charges, ctx: DeviceContext, month: str, readings: pl.LazyFrame
) -> pl.DataFrame:
    """Add the conditions of the charge, the temperature of each cell, and the keys."""
    rows = charges.rows
    conditions = pl.DataFrame(
        {
            "charge": np.arange(len(charges)), "charge_end_ts": rows["end_ts"],
            "day": local_days(charges.end, ctx.zone),
            **{c: rows[c] for c in ("current_end_a", "soc_end", "delta_soc", "duration_s")},
        }
    )
    places = ctx.signals.select("signal", "pack", "cell")
    warm = temperatures_at(ctx, readings, charges.active_end)
    out = frame.join(conditions, on="charge", how="left").join(places, on="signal", how="left")
    out = out.join(warm, on=["signal", "charge"], how="left")
    method = pl.when(pl.col("delta_soc").is_null()).then(pl.lit(PLATEAU)).otherwise("method")
    return SAT_VOLTAGE.conform(
        out.with_columns(
            pl.lit(ctx.device).alias("device"), pl.lit(month).alias("month"), method.alias("method"),
            pl.col("raw_max_us").cast(pl.Datetime("us", "UTC")).alias("raw_max_ts"),
        ).sort("charge_end_ts", "signal")
    )
