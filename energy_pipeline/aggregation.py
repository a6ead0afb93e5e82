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
    commit_parts,
    numbers_of,
    scan_table,
)
from energy_pipeline.resources.parquet_parts import Part
from energy_pipeline.schemas.resolution import LEVELS, RESOLUTIONS
from energy_pipeline.settings import Settings
from energy_pipeline.work import month_key, month_numbers

BATCH_ROWS = 1_000_000
GROUP_ROWS = 4_000_000
Frames = dict[str, pl.DataFrame]
Int, Float = NDArray[np.int64], NDArray[np.float64]
ROW_SCHEMA = {"signal": pl.String, "ts": pl.Int64, "value": pl.Float64}


@dataclass(frozen=True)
class _Task:
    """What the batches of one month share."""

    device: str
    month: str
    grid: MonthGrid
    specs: dict[str, SignalSpec]
    events: pl.DataFrame
    readings: DeltaTable
    edges: pl.DataFrame  # readings outside the month that reach into it: signal, ts [µs], value


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
    tasks = [_task(lake, settings, device, m) for m in months]

    def fine() -> Iterator[Part]:
        for task, counts in tasks:
            for frames in ordered_map(partial(_batch, task), batches(counts, BATCH_ROWS), settings.workers):
                for level, frame in frames.items():
                    rows[task.month][level] += len(frame)
                    if level != "5min":
                        coarse[level].append(frame)
                yield Part(task.month, frames["5min"].drop("device", "month").to_arrow())
            done(task.month)

    commit_parts(handles["5min"], RESOLUTIONS["5min"], device, fine(), months, numbers)
    for level in LEVELS[1:]:
        table = RESOLUTIONS[level]
        frame = table.conform(pl.concat(coarse[level])) if coarse[level] else table.empty()
        commit_frame(handles[level], table, frame, scope, numbers)
    return rows


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
    readings = lake.open("readings")
    edges = _edges(readings, lake.months(device), device, month, grid, specs)
    task = _Task(device, month, grid, specs, lake.read("counter_events", device), readings, edges)
    # Only to cut batches of a bearable size; a signal without a reading may still be held, or cross as a register.
    months = max(1, len(lake.months(device)))
    counts = dict(zip(signals["signal"], (signals["rows_accepted"] // months + 1), strict=True))
    return task, counts


def _edges(
    readings: DeltaTable, known: list[str], device: str, month: str, grid: MonthGrid, specs: dict[str, SignalSpec]
) -> pl.DataFrame:
    """Readings before the month that may be held into it, and after it where an interval row ends at the next."""
    hold = max((max(s.hold_us, s.interval_us or 0) for s in specs.values()), default=0)
    reach = max((s.interval_us or 0 for s in specs.values() if s.kind == "interval"), default=0)
    spans = [([m for m in known if m < month][-1:], grid.start - hold, grid.start)]
    if reach:
        spans.append(([m for m in known if m > month][:1], grid.end, grid.end + reach))
    frames = [
        scan_table(readings, device, months)
        .filter((pl.col("ts") >= zones.from_us(low)) & (pl.col("ts") < zones.from_us(high)))
        .select("signal", pl.col("ts").to_physical(), "value")
        .collect()
        for months, low, high in spans
        if months
    ]
    return pl.concat([pl.DataFrame(schema=ROW_SCHEMA), *frames])


def _batch(task: _Task, signals: list[str]) -> Frames:
    rows = (
        scan_table(task.readings, task.device, [task.month])
        .filter(pl.col("signal").is_between(pl.lit(signals[0]), pl.lit(signals[-1])))
        .select("signal", pl.col("ts").to_physical(), "value")
        .collect()
    )
    code, ts, value = _in_order(_coded(rows, signals))
    registers = [s for s in signals if task.specs[s].kind in {"counter", "net_counter"}]
    around = task.edges if not registers else pl.concat([task.edges, *_neighbours(task, registers)])
    ts, value, bounds = _insert(code, ts, value, _coded(around.unique(["signal", "ts"]), signals), len(signals), task)
    specs = [task.specs[s] for s in signals]
    levels = aggregate_month(specs, bounds, ts, value, task.grid, task.events)
    return {
        level: cells_frame(cells, task.device, task.month, specs, task.grid.starts[level])
        for level, cells in levels.items()
    }


def _coded(rows: pl.DataFrame, signals: list[str]) -> pl.DataFrame:
    """Replace the names of signals by their position in `signals`; rows of others are left out."""
    coded = rows.with_columns(pl.col("signal").cast(pl.Enum(signals), strict=False).to_physical().alias("code"))
    return coded.filter(pl.col("code").is_not_null()) if coded["code"].null_count() else coded


def _in_order(coded: pl.DataFrame) -> tuple[Int, Int, Float]:
    """Codes, times and values by signal and time; a month in one file is in order already."""
    code, ts = coded["code"].to_numpy().astype(np.int64), coded["ts"].to_numpy()
    if not bool(((code[1:] > code[:-1]) | ((code[1:] == code[:-1]) & (ts[1:] > ts[:-1]))).all()):
        coded = coded.sort("code", "ts")
        code, ts = coded["code"].to_numpy().astype(np.int64), coded["ts"].to_numpy()
    return code, ts, coded["value"].to_numpy()


def _insert(
    code: Int, ts: Int, value: Float, around: pl.DataFrame, signals: int, task: _Task
) -> tuple[Int, Float, Int]:
    """Put the readings around the month before and after those in it; return times, values and row bounds."""
    starts = np.searchsorted(code, np.arange(signals + 1))
    if around.is_empty():
        return ts, value, starts
    around = around.sort("code", "ts")
    which, when = around["code"].to_numpy().astype(np.int64), around["ts"].to_numpy()
    place = np.where(when < task.grid.start, starts[which], starts[which + 1])
    ts, value = np.insert(ts, place, when), np.insert(value, place, around["value"].to_numpy())
    return ts, value, starts + np.searchsorted(which, np.arange(signals + 1))


def _neighbours(task: _Task, registers: list[str]) -> list[pl.DataFrame]:
    """Per register, the last reading before and the first after the month that no event ignores."""
    found = []
    for before in (True, False):
        missing = list(registers)
        for month in _outwards(task, before):
            if not missing:
                break
            nearest = _nearest(task, missing, month, before)
            found.append(nearest)
            missing = [s for s in missing if s not in set(nearest["signal"])]
    return found


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
