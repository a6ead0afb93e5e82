"""Months of a device's `readings` into the four resolution tables, in bounded memory.

Months are read in order, batch by batch; batches are aggregated on all cores, and the 5-min rows are streamed into
their commit while the coarser ones are collected. Plain Python without Dagster: the `resolution` asset calls
`aggregate_months`.
Next: `compute/resolution.py`, the mathematics.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from energy_pipeline.compute import zones
from energy_pipeline.compute.resolution import (
    MonthGrid,
    Series,
    SignalSpec,
    aggregate_month,
    batches,
    cells_table,
    month_grid,
)
from energy_pipeline.memory import give_back
from energy_pipeline.parallel import ordered_map
from energy_pipeline.resources.commits import commit_parts, numbers_of, scan_table
from energy_pipeline.resources.lake import ATTEMPTS, Lake
from energy_pipeline.resources.lake_errors import LakeBusyError
from energy_pipeline.resources.parquet_parts import Part
from energy_pipeline.schemas.resolution import LEVELS, RESOLUTIONS
from energy_pipeline.settings import Settings
from energy_pipeline.work import month_key, month_numbers

BATCH_ROWS = 1_000_000
GROUP_ROWS = 4_000_000
Rows = dict[str, Series]


@dataclass(frozen=True)
class _Device:
    """What all months of a device share: its signals by name, in order, and the readings as of one version."""

    name: str
    specs: dict[str, SignalSpec]
    counts: dict[str, int]  # about how many rows a month of each signal has: to cut batches of a bearable size
    events: pl.DataFrame
    readings: DeltaTable
    stored: list[str]  # months with readings, in order


@dataclass(frozen=True)
class _Batch:
    """Some signals of one month, read and ready to be aggregated."""

    month: str
    grid: MonthGrid
    specs: list[SignalSpec]
    series: list[Series]
    is_last: bool


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
            finally:
                give_back()
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
    rows = {m: dict.fromkeys(LEVELS, 0) for m in months}
    coarse: dict[str, list[Part]] = {level: [] for level in LEVELS[1:]}
    own = _device(lake, device)
    read = _read_batches(own, settings.zone_of(device), months)

    def fine() -> Iterator[Part]:
        for batch, tables in ordered_map(partial(_aggregate, own), read, settings.workers):
            for level, table in tables.items():
                rows[batch.month][level] += table.num_rows
                if level != "5min":
                    coarse[level].append(Part(batch.month, table))
            yield Part(batch.month, tables["5min"])
            if batch.is_last:
                done(batch.month)

    commit_parts(handles["5min"], RESOLUTIONS["5min"], device, fine(), months, numbers)
    for level in LEVELS[1:]:
        commit_parts(handles[level], RESOLUTIONS[level], device, iter(coarse[level]), months, numbers)
    return rows


def _device(lake: Lake, device: str) -> _Device:
    signals = lake.read("signals", device).sort("signal")
    specs = {
        row["signal"]: SignalSpec(
            row["signal"], row["kind"], round(row["max_hold_s"] * zones.SECOND),
            None if row["interval_s"] is None else round(row["interval_s"] * zones.SECOND),
        )
        for row in signals.iter_rows(named=True)
    }
    stored = lake.months(device)
    counts = dict(zip(signals["signal"], (signals["rows_accepted"] // max(1, len(stored)) + 1), strict=True))
    return _Device(device, specs, counts, lake.read("counter_events", device), lake.open("readings"), stored)


def _aggregate(own: _Device, batch: _Batch) -> tuple[_Batch, dict[str, pa.Table]]:
    levels = aggregate_month(batch.specs, batch.series, batch.grid, own.events)
    return batch, {k: cells_table(cells, batch.specs, batch.grid.starts[k]) for k, cells in levels.items()}


def _read_batches(own: _Device, zone: ZoneInfo, months: list[str]) -> Iterator[_Batch]:
    """Read month after month in batches of a bearable size; the end of one month is kept as the edge of the next."""
    kept_of, kept = "", Rows()
    groups = list(batches(own.counts, BATCH_ROWS))
    for month in sorted(months):
        grid = month_grid(zone, month)
        before = [m for m in own.stored if m < month][-1:]
        edges = kept if before == [kept_of] else _edges(own, before, grid)
        kept_of, kept = month, Rows()
        for i, names in enumerate(groups):
            found = _read(own, month, grid, None if len(groups) == 1 else names)
            kept |= {s: _reaching(rows, own.specs[s], grid.end) for s, rows in found.items() if s in own.specs}
            earlier, later = _around(own, month, grid, names, edges)
            series = [_joined([r[s] for r in (earlier, found, later) if s in r]) for s in names]
            yield _Batch(month, grid, [own.specs[s] for s in names], series, i == len(groups) - 1)


def _read(own: _Device, month: str, grid: MonthGrid, signals: list[str] | None) -> Rows:
    """The month's readings of neighbouring signals, or of all.

    Of all, names are left in the code they are stored in, which is a third less work. Of some they are not: Arrow skips
    the row groups of other signals by their statistics only where the column is text, and a batch would read the month.
    """
    coded = {"signal"} if signals is None else set()
    stored = own.readings.to_pyarrow_dataset(
        file_pruning_predicate=[("device", "=", own.name), ("month", "=", month)],
        parquet_read_options=ds.ParquetReadOptions(dictionary_columns=coded),
    )
    name = ds.field("signal")
    wanted = None if signals is None else (name >= signals[0]) & (name <= signals[-1])
    pieces: dict[str, list[Series]] = {}
    for batch in stored.to_batches(columns=["signal", "ts", "value"], filter=wanted):
        column = batch.column("signal") if coded else batch.column("signal").dictionary_encode()
        code, names = column.indices.to_numpy(), column.dictionary
        starts = [0, *(np.flatnonzero(code[1:] != code[:-1]) + 1).tolist()]
        ts, value = batch.column("ts").view(pa.int64()).to_numpy(), batch.column("value").to_numpy()
        for start, stop in zip(starts, [*starts[1:], len(code)], strict=True):
            if stop > start:
                own_rows = Series(ts[start:stop], value[start:stop])
                pieces.setdefault(names[int(code[start])].as_py(), []).append(own_rows)
    return {name: _between(_joined(found), grid.start, grid.end) for name, found in pieces.items()}


def _by_signal(frame: pl.LazyFrame) -> Rows:
    """Readings of each signal in order of time; they lie together, in as many pieces as a month has files."""
    rows = frame.select("signal", pl.col("ts").to_physical(), "value").collect()
    if rows.is_empty():
        return {}
    signal = rows["signal"]
    starts = [0, *(signal != signal.shift(1)).arg_true()]
    ts, value = rows["ts"].to_numpy(), rows["value"].to_numpy()
    pieces: dict[str, list[Series]] = {}
    for name, start, stop in zip(signal.gather(starts), starts, [*starts[1:], len(rows)], strict=True):
        pieces.setdefault(name, []).append(Series(ts[start:stop], value[start:stop]))
    return {name: _joined(found) for name, found in pieces.items()}


def _joined(pieces: list[Series]) -> Series:
    """One series from pieces that share no time; nothing is copied where it is one already."""
    if len(pieces) == 1:
        ts, value = pieces[0].ts, pieces[0].value
    else:
        ts = np.concatenate([p.ts for p in pieces] or [np.empty(0, np.int64)])
        value = np.concatenate([p.value for p in pieces] or [np.empty(0)])
    if bool((ts[1:] > ts[:-1]).all()):
        return Series(ts, value)
    ts, first = np.unique(ts, return_index=True)
    return Series(ts, value[first])


def _between(rows: Series, low: int, high: int) -> Series:
    """The part of a series with low <= time < high [µs]."""
    start, stop = np.searchsorted(rows.ts, (low, high)).tolist()
    return rows if (start, stop) == (0, len(rows.ts)) else Series(rows.ts[start:stop], rows.value[start:stop])


def _reaching(rows: Series, spec: SignalSpec, border: int) -> Series:
    """Copies of the readings before a border that may be held across it."""
    last = _between(rows, border - spec.reach_us, border)
    return Series(last.ts.copy(), last.value.copy())


def _edges(own: _Device, before: list[str], grid: MonthGrid) -> Rows:
    """Readings before the month that may be held into it, looked up in the month before."""
    reach = max((s.reach_us for s in own.specs.values()), default=0)
    found = _outside(own, before, grid.start - reach, grid.start, None)
    return {s: _reaching(rows, own.specs[s], grid.start) for s, rows in found.items() if s in own.specs}


def _outside(own: _Device, months: list[str], low: int, high: int, signals: list[str] | None) -> Rows:
    if not months:
        return {}
    frame = scan_table(own.readings, own.name, months).filter(
        (pl.col("ts") >= zones.from_us(low)) & (pl.col("ts") < zones.from_us(high))
    )
    return _by_signal(frame if signals is None else frame.filter(pl.col("signal").is_in(signals)))


def _around(own: _Device, month: str, grid: MonthGrid, signals: list[str], edges: Rows) -> tuple[Rows, Rows]:
    """Readings before and after the month that its buckets need."""
    earlier = {s: edges[s] for s in signals if s in edges}
    later: Rows = {}
    intervals = [s for s in signals if own.specs[s].kind == "interval"]
    if intervals:  # a row ends at the next one
        reach = max(own.specs[s].reach_us for s in intervals)
        after = [m for m in own.stored if m > month][:1]
        found = _outside(own, after, grid.end, grid.end + reach, intervals)
        later = {s: _between(rows, grid.end, grid.end + own.specs[s].reach_us) for s, rows in found.items()}
    registers = [s for s in signals if own.specs[s].kind in {"counter", "net_counter"}]
    for side, before in ((earlier, True), (later, False)):
        for signal, nearest in _neighbours(own, registers, month, grid, before).items():
            side[signal] = _joined([nearest, side[signal]] if signal in side else [nearest])
    return earlier, later


def _neighbours(own: _Device, registers: list[str], month: str, grid: MonthGrid, before: bool) -> Rows:
    """Per register, the last reading before or the first after the month that no event ignores."""
    found: Rows = {}
    outwards = [m for m in reversed(own.stored) if m <= month] if before else [m for m in own.stored if m >= month]
    for other in outwards:
        missing = [s for s in registers if s not in found]
        if not missing:
            break
        found |= _nearest(own, missing, other, grid, before)
    return found


def _nearest(own: _Device, signals: list[str], month: str, grid: MonthGrid, before: bool) -> Rows:
    """The nearest usable reading of each signal that a month holds outside the grid."""
    border = zones.from_us(grid.start if before else grid.end)
    side = pl.col("ts") < border if before else pl.col("ts") >= border
    near = (
        scan_table(own.readings, own.name, [month])
        .filter(pl.col("signal").is_in(signals) & side)
        .select("signal", "ts", "value")
        .collect()
    )
    ignored = own.events.filter(pl.col("ts_end").is_not_null() & pl.col("signal").is_in(signals))
    for signal, start, end in ignored.select("signal", "ts", "ts_end").iter_rows():
        near = near.filter(~((pl.col("signal") == signal) & pl.col("ts").is_between(start, end)))
    pick = pl.col("ts").max() if before else pl.col("ts").min()
    nearest = near.filter(pl.col("ts") == pick.over("signal"))
    return _by_signal(nearest.sort("signal", "ts").lazy())
