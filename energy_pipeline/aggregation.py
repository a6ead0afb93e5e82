"""Months of a device's `readings` into the four resolution tables, in bounded memory.

Signals go through in batches on all cores; the 5-min rows are streamed into their commit while the coarser ones are
collected. Plain Python without Dagster: the `resolution` asset calls `aggregate_months`.
Next: `compute/resolution.py`, the mathematics.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

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
from energy_pipeline.parallel import ordered_map, prefetched
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
GROUP_ROWS = 4_000_000
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


def aggregate_months(
    lake: Lake, settings: Settings, device: str, months: list[str], done: Callable[[str], None] = lambda _: None
) -> dict[str, dict[str, int]]:
    """Compute months of a device at all levels and replace them in the four tables.

    Small months share a commit. Returns the rows per month and level, -1 where a newer load was there before.
    Raises `LakeBusyError` where another process kept replacing the same months.
    """
    rows: dict[str, dict[str, int]] = {}
    for group in _groups(lake.rows_per_month("readings", device), months):
        for _ in range(ATTEMPTS):
            try:
                rows |= _replace(lake, settings, device, group, done)
            except CommitFailedError:
                continue
            break
        else:
            msg = f"{device} {group[0]}: another process replaced it {ATTEMPTS} times; run one writer per device"
            raise LakeBusyError(msg)
    return rows


def _groups(stored: dict[str, int], months: list[str]) -> Iterator[list[str]]:
    group: list[str] = []
    held = 0
    for month in sorted(months):
        if group and held + stored.get(month, 0) > GROUP_ROWS:
            yield group
            group, held = [], 0
        group.append(month)
        held += stored.get(month, 0)
    if group:
        yield group


def _replace(
    lake: Lake, settings: Settings, device: str, months: list[str], done: Callable[[str], None]
) -> dict[str, dict[str, int]]:
    handles = {level: lake.open(RESOLUTIONS[level].name) for level in LEVELS}
    digest = settings.derived_digest(device)
    numbers = {month_key(device, m, digest): n for m, n in month_numbers(lake, device, months).items()}
    stored = [numbers_of(handles[level], numbers) for level in LEVELS]
    if any(s[k] > n for s in stored for k, n in numbers.items()):
        return {m: dict.fromkeys(LEVELS, -1) for m in months}
    scope = Scope(device, tuple(months))
    coarse: dict[str, list[pl.DataFrame]] = {level: [] for level in LEVELS[1:]}
    rows = {m: dict.fromkeys(LEVELS, 0) for m in months}
    # Every table is opened before the stream starts: the writer's own threads drive it and must not open one.
    tasks = [_task(lake, settings, device, m) for m in months]

    def fine() -> Iterator[pa.RecordBatch]:
        for task, counts in tasks:
            for frames in ordered_map(partial(_batch, task), batches(counts, BATCH_ROWS), settings.workers):
                for level, frame in frames.items():
                    rows[task.month][level] += len(frame)
                    if level != "5min":
                        coarse[level].append(frame)
                yield from _plain(frames["5min"]).to_batches()
            done(task.month)

    batches_of_5min = prefetched(fine())
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


def _task(lake: Lake, settings: Settings, device: str, month: str) -> tuple[_Task, dict[str, int]]:
    """Return what a month needs, and the rows per signal that it will read."""
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
    earlier = [m for m in known if m < month][-1:]
    later = [m for m in known if m > month][:1] if any(s.kind == "interval" for s in specs.values()) else []
    task = _Task(
        device, month, (*earlier, *((month,) if month in known else ()), *later), grid, specs,
        lake.read("counter_events", device), lake.open("readings"),
    )
    counts = _rows_per_signal(task)
    # A register without a reading in this month may still have its line across it.
    counts |= {s: 1 for s, spec in specs.items() if spec.has_energy and s not in counts}
    return task, counts


def _window(task: _Task) -> pl.Expr:
    hold = max((max(s.hold_us, s.interval_us or 0) for s in task.specs.values()), default=0)
    # An interval row ends early where the next one begins, even if that lies in the next month.
    reach = max((s.interval_us or 0 for s in task.specs.values() if s.kind == "interval"), default=0)
    start, end = zones.from_us(task.grid.start - hold), zones.from_us(task.grid.end + reach)
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
    for before in (True, False):
        missing = list(registers)
        for month in _outwards(task, before):
            if not missing:
                break
            nearest = _nearest(task, missing, month, before)
            found.append(nearest)
            missing = [s for s in missing if s not in set(nearest["signal"])]
    return pl.concat(found).unique(["signal", "ts"]).sort("signal", "ts")


def _outwards(task: _Task, before: bool) -> list[str]:
    """Stored months from this one outwards."""
    own = [("device", "=", task.device)]
    stored = sorted({p["month"] for p in task.readings.partitions(file_pruning_predicate=own)})
    if before:
        return [m for m in reversed(stored) if m <= task.month]
    return [m for m in stored if m >= task.month]


def _nearest(task: _Task, signals: list[str], month: str, before: bool) -> pl.DataFrame:
    """The nearest usable reading of each signal that a month holds outside the task's month."""
    border = zones.from_us(task.grid.start if before else task.grid.end)
    side = pl.col("ts") < border if before else pl.col("ts") >= border
    near = (
        scan_table(task.readings, task.device, [month])
        .filter(pl.col("signal").is_in(signals) & side)
        .select("signal", "ts", "value")
        .collect()
    )
    ignored = task.events.filter(pl.col("ts_end").is_not_null() & pl.col("signal").is_in(signals))
    for signal, start, end in ignored.select("signal", "ts", "ts_end").iter_rows():
        near = near.filter(~((pl.col("signal") == signal) & pl.col("ts").is_between(start, end)))
    pick = pl.col("ts").max() if before else pl.col("ts").min()
    return near.filter(pl.col("ts") == pick.over("signal")).with_columns(pl.col("ts").to_physical())
