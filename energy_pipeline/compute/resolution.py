"""Readings to exact statistics per 5 min, 15 min, local hour and local day.

A reading holds until the next one of its signal, at most `max_hold`; held time is cut exactly at bucket borders.
Coarser levels come from the finer one. One call handles a batch of signals of one device and month on dense
arrays (signal × bucket), which is what makes it fast. Next: `assets/resolution.py` loops over batches.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_pipeline.compute import registers, zones
from energy_pipeline.schemas.resolution import LEVELS

Int, Float = NDArray[np.int64], NDArray[np.float64]
FINE_US = 5 * zones.MINUTE


@dataclass(frozen=True)
class SignalSpec:
    """What the aggregation must know of a signal: its kind, how long a reading holds, how long an interval is."""

    signal: str
    kind: str
    hold_us: int
    interval_us: int | None = None

    @property
    def has_energy(self) -> bool:
        """True for registers and interval energy."""
        return self.kind in {"counter", "net_counter", "interval"}


@dataclass(frozen=True)
class MonthGrid:
    """The buckets of one local month: borders of 5 min, and how coarser levels group the finer ones."""

    start: int
    end: int
    starts: dict[str, Int]
    groups: dict[str, Int]


@dataclass
class Cells:
    """Statistics of a batch at one level: arrays of shape (signals, buckets); NaN where there is none."""

    n: NDArray[np.int32]
    covered_s: Float
    integral: Float
    integral_sq: Float
    min: Float
    max: Float
    first: Float
    last: Float
    increase: Float
    increase_estimated: Float


@lru_cache(maxsize=64)
def month_grid(zone: ZoneInfo, month: str) -> MonthGrid:
    """Return the bucket starts of a local month for every level [µs, UTC]."""
    start, end = zones.month_bounds(zone, month)
    starts = {level: zones.bucket_starts(zone, start, end, level) for level in LEVELS}
    groups = {
        "15min": np.searchsorted(starts["5min"], starts["15min"]),
        "1h": np.searchsorted(starts["15min"], starts["1h"]),
        "1d": np.searchsorted(starts["15min"], starts["1d"]),
    }
    return MonthGrid(start, end, starts, groups)


def aggregate_month(
    specs: list[SignalSpec], bounds: Int, ts: Int, value: Float, grid: MonthGrid, events: pl.DataFrame,
) -> dict[str, Cells]:
    """Aggregate a batch of signals over one month at all levels.

    Args:
        specs: the signals, in the order of the rows.
        bounds: row range of each signal: signal i has rows bounds[i]:bounds[i + 1].
        ts: times [µs], strictly increasing within a signal: the month's readings, those up to `max_hold` before,
            and for registers the last reading before and the first after the month.
        value: values in the signal's unit.
        grid: buckets of the month.
        events: `counter_events` of the device.
    """
    fine = _held(specs, bounds, ts, value, grid)
    _readings(fine, bounds, ts, value, grid)
    for i, spec in enumerate(specs):
        if spec.has_energy:
            part = slice(int(bounds[i]), int(bounds[i + 1]))
            _energy(fine, i, spec, ts[part], value[part], grid, events)
    levels = {"5min": fine}
    levels["15min"] = _coarsen(fine, grid.groups["15min"])
    levels["1h"] = _coarsen(levels["15min"], grid.groups["1h"])
    levels["1d"] = _coarsen(levels["15min"], grid.groups["1d"])
    return levels


def _empty(signals: int, buckets: int) -> Cells:
    shape = (signals, buckets)
    nan = np.full(shape, np.nan)
    return Cells(
        np.zeros(shape, np.int32), np.zeros(shape), np.zeros(shape), np.zeros(shape),
        nan, nan.copy(), nan.copy(), nan.copy(), nan.copy(), nan.copy(),
    )


def _hold_ends(specs: list[SignalSpec], bounds: Int, ts: Int) -> Int:
    ends = np.empty_like(ts)
    ends[:-1] = ts[1:]
    counts = np.diff(bounds)
    ends[bounds[1:][counts > 0] - 1] = np.iinfo(np.int64).max
    holds = np.array([s.interval_us if s.kind == "interval" and s.interval_us else s.hold_us for s in specs])
    return np.minimum(ends, ts + np.repeat(holds, counts))


def _held(specs: list[SignalSpec], bounds: Int, ts: Int, value: Float, grid: MonthGrid) -> Cells:
    """Time and integrals held in each 5-min bucket."""
    buckets = len(grid.starts["5min"])
    cells = _empty(len(specs), buckets)
    if len(ts) == 0:
        return cells
    row = np.repeat(np.arange(len(specs)), np.diff(bounds))
    low = np.maximum(ts, grid.start)
    high = np.minimum(_hold_ends(specs, bounds, ts), grid.end)
    held = high > low
    if not held.all():
        row, low, high, value = row[held], low[held], high[held], value[held]
    if len(low) == 0:
        return cells
    first = (low - grid.start) // FINE_US
    edge = grid.start + (first + 1) * FINE_US
    _add_held(cells, row * buckets + first, (np.minimum(high, edge) - low) / zones.SECOND, value)
    over = np.flatnonzero(high > edge)
    if len(over):
        # The few readings that are held across a border: one piece for every further bucket that they reach.
        spans = (high[over] - 1 - grid.start) // FINE_US - first[over]
        origin = np.repeat(over, spans)
        inside = np.arange(int(spans.sum())) - np.repeat(np.cumsum(spans) - spans, spans)
        bucket = first[origin] + 1 + inside
        begin = grid.start + bucket * FINE_US
        seconds = (np.minimum(high[origin], begin + FINE_US) - begin) / zones.SECOND
        _add_held(cells, row[origin] * buckets + bucket, seconds, value[origin])
    for i, spec in enumerate(specs):
        if spec.has_energy:
            cells.integral[i] = np.nan
            cells.integral_sq[i] = np.nan
    return cells


def _add_held(cells: Cells, key: Int, seconds: Float, value: Float) -> None:
    """Add held time and integrals to the buckets `key` (flat positions)."""
    size = cells.n.size
    weighted = value * seconds
    cells.covered_s.reshape(-1)[:] += np.bincount(key, seconds, size)
    cells.integral.reshape(-1)[:] += np.bincount(key, weighted, size)
    cells.integral_sq.reshape(-1)[:] += np.bincount(key, weighted * value, size)


def _readings(cells: Cells, bounds: Int, ts: Int, value: Float, grid: MonthGrid) -> None:
    """Count, extremes, first and last of the readings whose time lies in each 5-min bucket."""
    inside = (ts >= grid.start) & (ts < grid.end)
    if not inside.any():
        return
    row = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    if not inside.all():
        row, ts, value = row[inside], ts[inside], value[inside]
    key = row * cells.n.shape[1] + (ts - grid.start) // FINE_US
    new = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    where = key[new]
    counts = np.diff(np.concatenate([new, [len(key)]]))
    cells.n.reshape(-1)[where] = counts
    cells.min.reshape(-1)[where] = np.minimum.reduceat(value, new)
    cells.max.reshape(-1)[where] = np.maximum.reduceat(value, new)
    cells.first.reshape(-1)[where] = value[new]
    cells.last.reshape(-1)[where] = value[new + counts - 1]


def _energy(
    cells: Cells, i: int, spec: SignalSpec, ts: Int, value: Float, grid: MonthGrid, events: pl.DataFrame
) -> None:
    borders = np.concatenate([grid.starts["5min"], [grid.end]])
    if spec.kind == "interval":
        length = spec.interval_us or spec.hold_us
        cells.increase[i], cells.increase_estimated[i] = registers.interval_energy(ts, value, length, borders)
        return
    own = events.filter((pl.col("signal") == spec.signal) & (spec.kind == "counter"))
    kept = registers.correct_register(ts, value, own)
    cells.increase[i], cells.increase_estimated[i] = registers.register_energy(*kept, borders, spec.hold_us)


def _coarsen(fine: Cells, starts: Int) -> Cells:
    buckets = fine.n.shape[1]

    def total(array: NDArray) -> NDArray:
        return np.add.reduceat(array, starts, axis=1)

    position = np.arange(buckets)
    has = fine.n > 0
    first_at = np.minimum.reduceat(np.where(has, position, buckets - 1), starts, axis=1)
    last_at = np.maximum.reduceat(np.where(has, position, 0), starts, axis=1)
    n = total(fine.n)
    some = n > 0
    known = ~np.isnan(fine.increase)
    has_increase = np.logical_or.reduceat(known, starts, axis=1)

    def energy(array: Float) -> Float:
        return np.where(has_increase, total(np.where(known, array, 0.0)).round(4), np.nan)

    return Cells(
        n.astype(np.int32), total(fine.covered_s), total(fine.integral), total(fine.integral_sq),
        np.fmin.reduceat(fine.min, starts, axis=1), np.fmax.reduceat(fine.max, starts, axis=1),
        np.where(some, np.take_along_axis(fine.first, first_at, 1), np.nan),
        np.where(some, np.take_along_axis(fine.last, last_at, 1), np.nan),
        energy(fine.increase), energy(fine.increase_estimated),
    )


def cells_frame(
    cells: Cells, device: str, month: str, specs: list[SignalSpec], starts: Int
) -> pl.DataFrame:
    """Return the buckets that hold anything as rows of a resolution table; they are validated when written."""
    keep = (cells.n > 0) | (cells.covered_s > 0) | ~np.isnan(cells.increase)
    row, bucket = np.nonzero(keep)
    flat = row * keep.shape[1] + bucket
    names = pl.Series("signal", [s.signal for s in specs], dtype=pl.String)

    def column(array: Float) -> pl.Series:
        return pl.Series(array.reshape(-1)[flat]).fill_nan(None)

    return pl.DataFrame(
        {
            "device": pl.repeat(device, len(flat), eager=True),
            "month": pl.repeat(month, len(flat), eager=True),
            "signal": names.gather(row),
            "ts": pl.Series(starts[bucket]).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            "n": cells.n.reshape(-1)[flat],
            "covered_s": cells.covered_s.reshape(-1)[flat],
            **{
                name: column(getattr(cells, name))
                for name in ("integral", "integral_sq", "min", "max", "first", "last", "increase",
                             "increase_estimated")
            },
        }
    )


def batches(counts: dict[str, int], rows: int) -> Iterator[list[str]]:
    """Group signals, in order of name, into batches of about `rows` readings."""
    batch: list[str] = []
    held = 0
    for signal in sorted(counts):
        if batch and held + counts[signal] > rows:
            yield batch
            batch, held = [], 0
        batch.append(signal)
        held += counts[signal]
    if batch:
        yield batch
