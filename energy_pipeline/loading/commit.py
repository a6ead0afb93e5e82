"""What a load writes: refused rows, readings month by month, and the ledger; and the repair of one that died between.

The order of the commits makes a crash harmless: refused rows first, then `readings`, whose commit carries the ledger
itself. Next: `load.py`, which decides what is written.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from numpy.typing import NDArray

from energy_pipeline.compute.rows import REJECT_SCHEMA
from energy_pipeline.loading.due_months import MonthIndex
from energy_pipeline.loading.events import NOTHING, events_key, judge_events, stored_rows
from energy_pipeline.loading.ledger import META_DEVICE, META_FILES, META_LOAD, META_SIGNALS, unpack
from energy_pipeline.loading.plan import LoadPlan
from energy_pipeline.loading.spool import Spool
from energy_pipeline.resources.commits import Scope, commit_numbers, commit_parts, scan_table
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.lake_errors import LakeBusyError, storage
from energy_pipeline.resources.parquet_parts import Part, signal_column
from energy_pipeline.schemas import TABLES
from energy_pipeline.settings import Settings

Int, Float = NDArray[np.int64], NDArray[np.float64]


def repair_ledger(lake: Lake, settings: Settings, device: str) -> bool:
    """Finish a load whose process died after the commit of `readings`; True where there was one."""
    key = f"load:{device}"
    number = lake.number("readings", key)
    if number == 0 or lake.number("source_files", key) == number:
        return False
    found = None
    for commit in lake.open("readings").history():
        if commit.get(META_DEVICE) == device and commit.get(META_LOAD) == str(number):
            found = commit
            break
    if found is None:
        msg = (
            f"load {number} of {device} died before its ledger, and the log of readings no longer holds it; "
            f"set `lake` to a new folder and run again: all files are read anew"
        )
        raise LakeBusyError(msg)
    signals = unpack(found[META_SIGNALS])
    events = judge_events(lake.open("readings"), settings, device, signals, {})
    write_ledger(lake, settings, device, number, unpack(found[META_FILES]), signals, events)
    return True


def write_ledger(
    lake: Lake, settings: Settings, device: str, number: int, files: pl.DataFrame, signals: pl.DataFrame,
    events: pl.DataFrame,
) -> None:
    """Replace a device's register events, signals and files, in this order; the last says that the load is whole."""
    numbers = {f"load:{device}": number}
    lake.replace("counter_events", Scope(device), lambda: events, {**numbers, events_key(settings, device): number})
    lake.replace("signals", Scope(device), lambda: signals, numbers)
    lake.replace("source_files", Scope(device), lambda: files, numbers)


@dataclass
class LoadCommit:
    """One load's way into the lake; both handles are as the tables were before anything was read."""

    lake: Lake
    device: str
    number: int
    plan: LoadPlan
    index: MonthIndex
    handle: DeltaTable
    refused_handle: DeltaTable
    refused: list[pl.DataFrame] = field(default_factory=list)
    displaced: dict[str, Int] = field(default_factory=dict)  # times of stored readings that a smaller value replaces

    def write_refused(self) -> None:
        """Put this load's refused rows in the place of those of an attempt that failed."""
        self._replace_refused(self.refused_handle)

    def write_readings(self, spool: Spool, numbers: Mapping[str, int], metadata: Mapping[str, str]) -> None:
        """Append the new rows; months in which stored rows change are written anew as a whole.

        Raises `CommitFailedError` where another load of the same device was faster.
        """
        table, rewritten = TABLES["readings"], self._months_to_rewrite()
        if rewritten:
            months = sorted(rewritten | {m for _, ts, _ in spool for m in self.index.months_of(ts)})
            commit_parts(
                self.handle, table, self.device, self._merged_parts(spool, months), months, numbers, metadata
            )
        elif spool.rows:
            commit_parts(self.handle, table, self.device, self._new_parts(spool), None, numbers, metadata)
        else:
            commit_numbers(self.handle, numbers, metadata)

    def keep_refused(self) -> None:
        """Write the refused rows again where a slower load, which has failed since, put its own in their place."""
        handle = self.lake.open("rejected_readings")
        own = scan_table(handle, self.device, None).filter(pl.col("load") == self.number)
        if own.select(pl.len()).collect().item() != sum(len(r) for r in self.refused):
            self._replace_refused(handle)

    def _replace_refused(self, handle: DeltaTable) -> None:
        table = TABLES["rejected_readings"]
        condition = f"device = '{self.device}' AND (load = {self.number}"
        if self.plan.rebuild:
            condition += f" OR signal IN ({_quoted(self.plan.rebuild)})"
        if self.plan.forget:  # torn rows of long files belong to no signal
            condition += f" OR (signal IS NULL AND path IN ({_quoted(self.plan.forget)}))"
        condition += ")"
        with storage(table.name, handle.table_uri):
            if not self.refused:
                if handle.file_uris(file_pruning_predicate=[("device", "=", self.device)]):
                    handle.delete(condition)
                return
            frame = pl.concat([r.select(*REJECT_SCHEMA, "path") for r in self.refused]).with_columns(
                pl.lit(self.device).alias("device"), pl.lit(self.number).alias("load"),
                pl.from_epoch("ts", time_unit="us").dt.replace_time_zone("UTC"),
            )
            write_deltalake(handle, table.conform(frame).to_arrow(), mode="overwrite", predicate=condition)

    def _months_to_rewrite(self) -> set[str]:
        months: set[str] = set()
        for ts in self.displaced.values():
            months |= self.index.months_of(ts)
        if self.plan.rebuild:
            # As stored: a new zone or first month may put the same rows into other months.
            old = scan_table(self.handle, self.device, None).filter(pl.col("signal").is_in(sorted(self.plan.rebuild)))
            months |= set(old.select(pl.col("month").unique()).collect()["month"])
        return months

    def _new_parts(self, spool: Spool) -> Iterator[Part]:
        for signal, ts, value in spool:
            yield from self._parts(signal, ts, value)

    def _merged_parts(self, spool: Spool, months: list[str]) -> Iterator[Part]:
        """All rows of the given months: stored ones that stay, and new ones, signal by signal."""
        stored = set(
            scan_table(self.handle, self.device, months).select(pl.col("signal").unique()).collect()["signal"]
        )
        for signal in sorted(stored | set(spool.signals())):
            ts, value = spool.get(signal)
            if signal in stored and signal not in self.plan.rebuild:
                old_ts, old_value = stored_rows(self.handle, self.device, signal, months)
                keep = ~np.isin(old_ts, self.displaced.get(signal, NOTHING[0]))
                ts, value = np.concatenate([old_ts[keep], ts]), np.concatenate([old_value[keep], value])
                order = np.argsort(ts, kind="stable")
                ts, value = ts[order], value[order]
            yield from self._parts(signal, ts, value)

    def _parts(self, signal: str, ts: Int, value: Float) -> Iterator[Part]:
        for month, part in self.index.slices(ts):
            columns = {
                "signal": signal_column([signal], np.zeros(part.stop - part.start, np.int32)),
                "ts": pa.array(ts[part]).view(pa.timestamp("us", "UTC")),
                "value": pa.array(value[part]),
            }
            yield Part(month, pa.table(columns))


def _quoted(texts: Iterable[str]) -> str:
    """Texts as a list of SQL literals."""
    return ", ".join("'" + t.replace("'", "''") + "'" for t in sorted(texts))
