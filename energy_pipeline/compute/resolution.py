"""Readings to exact statistics per 5 min, 15 min, local hour and local day.

A reading holds until the next one of its signal, at most `max_hold`; held time is cut exactly at bucket borders.
Coarser levels come from the finer one. One call handles a batch of signals of one device and month; a signal's
month is short enough to stay in the processor's cache, and its readings are in order, so that each bucket is one run
of neighbours. Next: `aggregation.py` loops over batches.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pyarrow as pa
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
    def reach_us(self) -> int:
        """How far a reading may reach into what follows [µs]."""
        return max(self.hold_us, self.interval_us or 0)

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


@dataclass(frozen=True)
class Series:
    """Readings of one signal: times [µs], strictly increasing, and values in the signal's unit."""

    ts: Int
    value: Float


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
    specs: list[SignalSpec], series: list[Series], grid: MonthGrid, events: pl.DataFrame
) -> dict[str, Cells]:
    """Aggregate a batch of signals over one month at all levels.

    Args:
        specs: the signals.
        series: per signal the month's readings, those up to `max_hold` before, and for registers the last reading
            before and the first after the month.
        grid: buckets of the month.
        events: `counter_events` of the device.
    """
    fine = _empty(len(specs), len(grid.starts["5min"]))
    for i, (spec, rows) in enumerate(zip(specs, series, strict=True)):
        if len(rows.ts):
            _one_signal(fine, i, spec, rows, grid)
            if spec.has_energy:
                _energy(fine, i, spec, rows, grid, events)
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


def _one_signal(cells: Cells, i: int, spec: SignalSpec, rows: Series, grid: MonthGrid) -> None:
    """Fill one signal's 5-min buckets: readings are counted where they lie, time where they are held."""
    first, end = np.searchsorted(rows.ts, (grid.start, grid.end)).tolist()
    hold = spec.interval_us if spec.kind == "interval" and spec.interval_us else spec.hold_us
    over_from, over_us, over_value = _inside(cells, i, spec, rows, first, end, grid, hold)
    if first:  # the last reading before the month may be held into it
        until = int(rows.ts[first - 1]) + hold
        if first < len(rows.ts):
            until = min(until, int(rows.ts[first]))
        if until > grid.start:
            over_from = np.concatenate([[grid.start], over_from])
            over_us = np.concatenate([[until - grid.start], over_us])
            over_value = np.concatenate([rows.value[first - 1 : first], over_value])
    _spread(cells, i, spec, grid, over_from, over_us, over_value)
    if spec.has_energy:
        cells.integral[i] = np.nan
        cells.integral_sq[i] = np.nan


def _inside(
    cells: Cells, i: int, spec: SignalSpec, rows: Series, first: int, end: int, grid: MonthGrid, hold: int
) -> tuple[Int, Int, Float]:
    """Fill in the month's own readings; return what is held beyond its bucket: from [µs], for how long [µs], value."""
    if first == end:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    ts, value = rows.ts[first:end], rows.value[first:end]
    bucket = (ts - grid.start) // FINE_US
    runs = np.flatnonzero(np.concatenate([[True], bucket[1:] != bucket[:-1]]))
    lasts = np.append(runs[1:], end - first) - 1
    buckets = bucket[runs]
    where = _span(buckets)
    cells.n[i, where] = lasts + 1 - runs
    cells.min[i, where] = np.minimum.reduceat(value, runs)
    cells.max[i, where] = np.maximum.reduceat(value, runs)
    cells.first[i, where] = value[runs]
    cells.last[i, where] = value[lasts]
    held = np.full(len(ts), hold)
    held[:-1] = ts[1:]
    held[:-1] -= ts[:-1]
    if end < len(rows.ts):
        held[-1] = rows.ts[end] - ts[-1]
    np.minimum(held, hold, out=held)
    # Within a run the next reading cuts the time before the bucket's edge; only a run's last reading can cross it.
    edge = grid.start + (buckets + 1) * FINE_US
    beyond = ts[lasts] + held[lasts] - edge
    crossing = np.flatnonzero(beyond > 0)
    held[lasts[crossing]] -= beyond[crossing]
    cells.covered_s[i, where] = np.add.reduceat(held, runs) / zones.SECOND
    if not spec.has_energy:
        weighted = held / zones.SECOND
        weighted *= value
        cells.integral[i, where] = np.add.reduceat(weighted, runs)
        weighted *= value
        cells.integral_sq[i, where] = np.add.reduceat(weighted, runs)
    return edge[crossing], beyond[crossing], value[lasts[crossing]]


def _span(buckets: Int) -> Int | slice:
    """Increasing positions, as a slice where none is left out: that is copied as a block."""
    if len(buckets) and int(buckets[-1]) - int(buckets[0]) + 1 == len(buckets):
        return slice(int(buckets[0]), int(buckets[-1]) + 1)
    return buckets


def _spread(
    cells: Cells, i: int, spec: SignalSpec, grid: MonthGrid, start: Int, length: Int, value: Float
) -> None:
    """Add time held from borders of buckets on, cut at every further border and at the end of the month."""
    length = np.minimum(length, grid.end - start)
    held = length > 0
    start, length, value = start[held], length[held], value[held]
    spans = -(-length // FINE_US)
    if len(spans) and spans.max() > 1:
        origin = np.repeat(np.arange(len(spans)), spans)
        step = np.arange(len(origin)) - np.repeat(np.cumsum(spans) - spans, spans)
        start = start[origin] + step * FINE_US
        length = np.minimum(length[origin] - step * FINE_US, FINE_US)
        value = value[origin]
    bucket = _span((start - grid.start) // FINE_US)  # each at most once: readings are held until the next one only
    seconds = length / zones.SECOND
    cells.covered_s[i, bucket] += seconds
    if not spec.has_energy:
        cells.integral[i, bucket] += value * seconds
        cells.integral_sq[i, bucket] += value * seconds * value


def _energy(
    cells: Cells, i: int, spec: SignalSpec, rows: Series, grid: MonthGrid, events: pl.DataFrame
) -> None:
    ts, value = rows.ts, rows.value
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


def cells_table(cells: Cells, specs: list[SignalSpec], starts: Int) -> pa.Table:
    """Return the buckets that hold anything as rows of a resolution table, without the columns of its partition."""
    keep = (cells.n > 0) | (cells.covered_s > 0) | ~np.isnan(cells.increase)
    flat = np.flatnonzero(keep)
    full = len(flat) == keep.size
    row = np.repeat(np.arange(len(specs), dtype=np.int32), np.count_nonzero(keep, axis=1))
    columns: dict[str, pa.Array] = {
        "signal": pa.DictionaryArray.from_arrays(row, pa.array([s.signal for s in specs], pa.string())),
        "ts": pa.array(starts[flat % len(starts)]).view(pa.timestamp("us", "UTC")),
    }
    for field in fields(cells):
        values = getattr(cells, field.name).reshape(-1)
        columns[field.name] = pa.array(values if full else values[flat], from_pandas=True)  # NaN becomes null
    return pa.table(columns)


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
