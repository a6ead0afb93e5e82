"""One device and month of `readings` into the four resolution tables, in bounded memory.

Signals go through in batches on all cores; the 5-min rows are streamed into their commit while the coarser ones are
collected. Plain Python without Dagster: the `resolution` asset calls `aggregate_device_month`.
Next: `compute/resolution.py`, the mathematics.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from numpy.typing import NDArray

from energy_pipeline.compute import zones
from energy_pipeline.compute.resolution import (
    MonthGrid,
    SignalSpec,
    aggregate_month,
    batches,
    cells_frame,
    month_grid,
)
from energy_pipeline.parallel import ordered_map
from energy_pipeline.resources.lake import (
    ATTEMPTS,
    Lake,
    LakeBusyError,
    Scope,
    commit_frame,
    commit_stream,
    numbers_of,
    scan_table,
)
from energy_pipeline.schemas.resolution import LEVELS, RESOLUTIONS
from energy_pipeline.settings import Settings
from energy_pipeline.work import month_key, month_numbers

BATCH_ROWS = 1_000_000
Frames = dict[str, pl.DataFrame]


@dataclass(frozen=True)
class _Task:
    """What the batches of one month share."""

    device: str
    month: str
    months: tuple[str, ...]
    grid: MonthGrid
    specs: dict[str, SignalSpec]
    events: pl.DataFrame
    readings: DeltaTable


def aggregate_device_month(lake: Lake, settings: Settings, device: str, month: str) -> dict[str, int]:
    """Compute a month of a device at all levels and replace it in the four tables; return the rows per level.

    Raises `LakeBusyError` where another process kept replacing the same month.
    """
    for _ in range(ATTEMPTS):
        handles = {level: lake.open(RESOLUTIONS[level].name) for level in LEVELS}
        number = month_numbers(lake, device, [month])[month]
        numbers = {month_key(device, month, settings.derived_digest(device)): number}
        stored = [numbers_of(handles[level], numbers) for level in LEVELS]
        if any(s[k] > n for s in stored for k, n in numbers.items()):
            return dict.fromkeys(LEVELS, -1)
        try:
            return _write(lake, settings, device, month, handles, numbers)
        except CommitFailedError:
            continue
    msg = f"{device} {month}: another process replaced this month {ATTEMPTS} times; run one writer per device"
    raise LakeBusyError(msg)


def _write(
    lake: Lake, settings: Settings, device: str, month: str, handles: dict[str, DeltaTable], numbers: dict[str, int]
) -> dict[str, int]:
    scope = Scope(device, (month,))
    coarse: dict[str, list[pl.DataFrame]] = {level: [] for level in LEVELS[1:]}
    rows = dict.fromkeys(LEVELS, 0)

    def fine() -> Iterator[pa.RecordBatch]:
        for frames in _frames(lake, settings, device, month):
            for level, frame in frames.items():
                rows[level] += len(frame)
                if level != "5min":
                    coarse[level].append(frame)
            yield from _plain(frames["5min"]).to_batches()

    batches_of_5min = fine()
    first = next((b for b in batches_of_5min if b.num_rows), None)
    table = RESOLUTIONS["5min"]
    if first is None:
        commit_frame(handles["5min"], table, table.empty(), scope, numbers)
    else:
        stream = pa.RecordBatchReader.from_batches(first.schema, _chain(first, batches_of_5min))
        commit_stream(handles["5min"], table, stream, scope, numbers)
    for level in LEVELS[1:]:
        table = RESOLUTIONS[level]
        frame = pl.concat(coarse[level]) if coarse[level] else table.empty()
        commit_frame(handles[level], table, frame, scope, numbers)
    return rows


def _chain(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest


def _plain(frame: pl.DataFrame) -> pa.Table:
    """Arrow with plain strings, as the writer wants them."""
    table = frame.to_arrow()
    fields = [f.with_type(pa.string()) if pa.types.is_large_string(f.type) else f for f in table.schema]
    return table.cast(pa.schema(fields))


def _frames(lake: Lake, settings: Settings, device: str, month: str) -> Iterator[Frames]:
    zone = settings.zone_of(device)
    grid = month_grid(zone, month)
    signals = lake.read("signals", device)
    specs = {
        row["signal"]: SignalSpec(
            row["signal"], row["kind"], round(row["max_hold_s"] * zones.SECOND),
            None if row["interval_s"] is None else round(row["interval_s"] * zones.SECOND),
        )
        for row in signals.iter_rows(named=True)
    }
    known = lake.months(device)
    earlier = tuple(m for m in known if m < month)[-1:]
    task = _Task(
        device, month, (*earlier, *((month,) if month in known else ())), grid, specs,
        lake.read("counter_events", device), lake.open("readings"),
    )
    counts = _rows_per_signal(task)
    # A register without a reading in this month may still have its line across it.
    counts |= {s: 1 for s, spec in specs.items() if spec.has_energy and s not in counts}
    yield from ordered_map(lambda b: _batch(task, b), batches(counts, BATCH_ROWS), settings.workers)


def _window(task: _Task) -> pl.Expr:
    hold = max((max(s.hold_us, s.interval_us or 0) for s in task.specs.values()), default=0)
    start, end = zones.from_us(task.grid.start - hold), zones.from_us(task.grid.end)
    return (pl.col("ts") >= start) & (pl.col("ts") < end)


def _rows_per_signal(task: _Task) -> dict[str, int]:
    frame = (
        scan_table(task.readings, task.device, task.months).filter(_window(task)).group_by("signal").len().collect()
    )
    return dict(zip(frame["signal"].to_list(), frame["len"].to_list(), strict=True))


def _batch(task: _Task, signals: list[str]) -> Frames:
    rows = (
        scan_table(task.readings, task.device, task.months)
        .filter(pl.col("signal").is_between(pl.lit(signals[0]), pl.lit(signals[-1])) & _window(task))
        .select("signal", pl.col("ts").to_physical(), "value")
        .collect()
    )
    rows = rows.filter(pl.col("signal").is_in(signals)).sort("signal", "ts")
    registers = [s for s in signals if task.specs[s].kind in {"counter", "net_counter"}]
    if registers:
        rows = _with_neighbours(task, rows, registers)
    specs = [task.specs[s] for s in signals]
    bounds = _bounds(rows["signal"], signals)
    ts, value = rows["ts"].to_numpy(), rows["value"].to_numpy()
    levels = aggregate_month(specs, bounds, ts, value, task.grid, task.events)
    return {
        level: cells_frame(cells, task.device, task.month, specs, task.grid.starts[level], level)
        for level, cells in levels.items()
    }


def _bounds(sorted_signals: pl.Series, signals: list[str]) -> NDArray[np.int64]:
    ends = sorted_signals.search_sorted(pl.Series(signals), side="right").to_numpy()
    return np.concatenate([[0], ends]).astype(np.int64)


def _with_neighbours(task: _Task, rows: pl.DataFrame, registers: list[str]) -> pl.DataFrame:
    """Add, per register, the last reading before and the first after the month that no event ignores."""
    found = [rows]
    for signal in registers:
        own = rows.filter(pl.col("signal") == signal)
        kept = _not_ignored(task, signal)
        for before in (True, False):
            extra = _neighbour(task, signal, before, kept)
            if extra is not None:
                found.append(extra.join(own, on=["signal", "ts"], how="anti"))
    return pl.concat(found).sort("signal", "ts")


def _not_ignored(task: _Task, signal: str) -> pl.Expr:
    keep = pl.lit(True)
    for start, end in (
        task.events.filter((pl.col("signal") == signal) & pl.col("ts_end").is_not_null())
        .select("ts", "ts_end").iter_rows()
    ):
        keep &= ~pl.col("ts").is_between(start, end)
    return keep


def _neighbour(task: _Task, signal: str, before: bool, keep: pl.Expr) -> pl.DataFrame | None:
    """Look month by month, outwards, for the nearest usable reading."""
    stored = sorted({p["month"] for p in task.readings.partitions([("device", "=", task.device)])})
    months = [m for m in reversed(stored) if m <= task.month] if before else [m for m in stored if m >= task.month]
    border = zones.from_us(task.grid.start if before else task.grid.end)
    side = pl.col("ts") < border if before else pl.col("ts") >= border
    for month in months:
        frame = (
            scan_table(task.readings, task.device, [month])
            .filter((pl.col("signal") == signal) & side & keep)
            .select("signal", "ts", "value")
            .collect()
            .sort("ts")
        )
        if len(frame):
            nearest = frame.tail(1) if before else frame.head(1)
            return nearest.with_columns(pl.col("ts").to_physical())
    return None
