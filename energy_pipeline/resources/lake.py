"""The lake: every table in one folder or bucket, written with the guarantees that the rest relies on.

Here: creating, scanning and replacing tables, the numbers that say what a table was built from, and maintenance.
Not here: what the rows mean. Rules: a table is opened before its input is read and written through that handle, so
that a concurrent replacement raises; one commit per change; an empty frame never deletes by accident.
Next: `loading/load.py` and the assets, its users; `work.py`, which reads the numbers.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
from deltalake import (
    DeltaTable,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from energy_pipeline.parallel import ordered_map
from energy_pipeline.resources.commits import Scope, commit_frame, numbers_of, scan_table, writer_properties
from energy_pipeline.resources.lake_errors import LakeBusyError, LakeError, storage
from energy_pipeline.schemas import TABLES, Table

ATTEMPTS = 5
RETENTION_HOURS = 7 * 24
COMMIT_ROWS = 500_000


@dataclass(frozen=True)
class _Log:
    """What tells a log from another one in its place, and whether its older commits may have been taken away.

    Versions have no gaps, so a commit behind a known one has the next number: its file is there, or nothing happened.
    """

    folder: Path
    number: int  # of the folder
    checkpoint_ns: int


class Lake:
    """All tables below one folder or URL."""

    def __init__(self, url: str, storage_options: Mapping[str, str] | None = None) -> None:
        """Remember where the lake is; nothing is touched until a table is used."""
        self.url = url.rstrip("/")
        self.options = dict(storage_options) if storage_options else None
        self._readers: dict[str, tuple[DeltaTable, _Log | None]] = {}
        self._numbers: dict[str, tuple[tuple[str, int], dict[str, int]]] = {}
        self._holders: dict[str, tuple[tuple[str, int], set[str]]] = {}

    def path(self, name: str) -> str:
        """Folder or URL of a table."""
        return f"{self.url}/{name}"

    def exists(self, name: str) -> bool:
        """True where the table has been created."""
        return self.latest(name) is not None

    def latest(self, name: str) -> DeltaTable | None:
        """Return the present version of a table for reading; None where it has not been created.

        The object is kept and brought up to date, which is ten times faster than opening it again; where the folder of
        the log shows that nothing was committed since, even that is left out. It is never written through: a writer
        needs a handle of its own that stays at the version it began with.
        """
        (table, seen), log = self._readers.get(name, (None, None)), self._log(name)
        remote = "://" in self.url
        if table is not None and (remote or (log and seen and log.number == seen.number)):
            if remote or log != seen or (log.folder / f"{table.version() + 1:020}.json").exists():
                table.update_incremental()
                self._readers[name] = table, log
            return table
        try:
            table = DeltaTable(self.path(name), storage_options=self.options)
        except TableNotFoundError:
            self._readers.pop(name, None)
            return None
        self._readers[name] = table, log
        return table

    def _log(self, name: str) -> "_Log | None":
        """Look at the log of a local table, which may not be there."""
        if "://" in self.url:
            return None
        folder = Path(self.path(name)) / "_delta_log"
        try:
            number = folder.stat().st_ino
        except (FileNotFoundError, NotADirectoryError):
            return None
        checkpoint = folder / "_last_checkpoint"
        return _Log(folder, number, checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0)

    def open(self, name: str) -> DeltaTable:
        """Open a table, creating it first where it does not exist."""
        path = self.path(name)
        try:
            return _with_all_columns(DeltaTable(path, storage_options=self.options), TABLES[name])
        except TableNotFoundError:
            pass
        table = TABLES[name]
        if "://" not in path:
            try:
                Path(path).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                msg = f"cannot create {path}: {error.strerror}; check the setting `lake` and its permissions"
                raise LakeError(msg) from error
        with storage(name, path):
            try:
                return DeltaTable.create(
                    path, schema=_arrow_schema(table), mode="ignore", partition_by=list(table.partition_by),
                    description=f"{table.description} {table.grain}.", storage_options=self.options,
                    # Every reader of this lake is ours or reads snapshots; a week of versions answers `as of`.
                    configuration={"delta.deletedFileRetentionDuration": f"interval {RETENTION_HOURS} hours"},
                )
            except CommitFailedError:  # another process has created it at the same moment
                return DeltaTable(path, storage_options=self.options)

    def scan(self, name: str, device: str | None = None, months: Iterable[str] | None = None) -> pl.LazyFrame:
        """Scan a table, restricted to a device and months by partition; empty where the table does not exist."""
        table = self.latest(name)
        return TABLES[name].empty().lazy() if table is None else scan_table(table, device, months)

    def read(self, name: str, device: str | None = None, months: Iterable[str] | None = None) -> pl.DataFrame:
        """Read a table (see `scan`) into memory."""
        return self.scan(name, device, months).collect()

    def number(self, name: str, app_id: str) -> int:
        """Return the number recorded under `app_id` in a table's log; 0 where there is none."""
        return self.numbers(name, [app_id])[app_id]

    def numbers(self, name: str, app_ids: Iterable[str]) -> dict[str, int]:
        """Return the numbers recorded under several app ids; 0 where there is none."""
        table, wanted = self.latest(name), list(app_ids)
        if table is None:
            return dict.fromkeys(wanted, 0)
        version = (table.metadata().id, table.version())
        if self._numbers.get(name, (None,))[0] != version:
            self._numbers[name] = (version, {})
        known = self._numbers[name][1]
        known.update(numbers_of(table, [app for app in wanted if app not in known]))
        return {app: known[app] for app in wanted}

    def months(self, device: str, name: str = "readings") -> list[str]:
        """Return the months in which a table has rows of a device, in order."""
        table = self.latest(name)
        own = [("device", "=", device)]
        return [] if table is None else sorted({p["month"] for p in table.partitions(file_pruning_predicate=own)})

    def holds(self, name: str, device: str) -> bool:
        """True where a table has rows of a device; the devices of a version are listed once."""
        table = self.latest(name)
        if table is None:
            return False
        version = (table.metadata().id, table.version())
        if self._holders.get(name, (None,))[0] != version:
            self._holders[name] = version, {p["device"] for p in table.partitions()}
        return device in self._holders[name][1]

    def rows_per_month(self, name: str, device: str) -> dict[str, int]:
        """Return the rows of a device per month, from the table's log alone."""
        table = self.latest(name)
        if table is None:
            return {}
        actions = pl.DataFrame(table.get_add_actions(flatten=True))
        own = actions.filter(pl.col("partition.device") == device)
        sums = own.group_by("partition.month").agg(pl.col("num_records").sum())
        return dict(sums.sort("partition.month").iter_rows())

    def devices(self) -> list[str]:
        """Return the devices with a ledger of files, in order of name."""
        table = self.latest("source_files")
        return [] if table is None else sorted({p["device"] for p in table.partitions()})

    def size_bytes(self) -> dict[str, int]:
        """Return the size of every table's present version [B]."""
        sizes = {}
        for name in TABLES:
            table = self.latest(name)
            if table is not None:
                sizes[name] = int(pl.DataFrame(table.get_add_actions(flatten=True))["size_bytes"].sum())
        return sizes

    def replace(
        self, name: str, scope: Scope, compute: Callable[[], pl.DataFrame], numbers: Mapping[str, int],
        metadata: Mapping[str, str] | None = None,
    ) -> int:
        """Replace the rows of `scope` by what `compute` returns, as one commit that records `numbers`.

        The table is opened before `compute` reads its input. If another writer changed the same rows meanwhile, all
        is computed again, at most five times. A commit older than what is stored is dropped.

        Returns:
            The number of rows written, or -1 where the commit was dropped.

        Raises:
            LakeBusyError: five attempts met a concurrent change.
            LakeError: the storage refused the write.
        """
        for _ in range(ATTEMPTS):
            handle = self.open(name)
            stored = numbers_of(handle, numbers)
            if any(stored[app] > number for app, number in numbers.items()):
                return -1
            frame = TABLES[name].conform(compute())
            try:
                commit_frame(handle, TABLES[name], frame, scope, numbers, metadata)
            except CommitFailedError:
                continue
            return len(frame)
        msg = (
            f"table {name}: {scope.predicate() or 'all rows'} was changed by another process {ATTEMPTS} times; "
            f"run one writer per device at a time, then run again"
        )
        raise LakeBusyError(msg)

    def replace_months(
        self, name: str, device: str, compute: Callable[[str], pl.DataFrame], numbers: Mapping[str, tuple[str, int]],
        done: Callable[[str], None] = lambda _: None,
    ) -> dict[str, int]:
        """Replace several months of a device, several to a commit while they are small; months run side by side.

        Args:
            name: the table.
            device: the device.
            compute: returns the rows of a month, in the table's columns; they are validated before they are written.
            numbers: per month, in order, the app id and the number to record.
            done: called with each month that has been computed.

        Returns:
            Rows per month.
        """
        rows: dict[str, int] = {}
        held: dict[str, pl.DataFrame] = {}

        def flush() -> None:
            if held:
                frame = pl.concat(held.values())
                recorded = dict(numbers[m] for m in held)
                self.replace(name, Scope(device, tuple(held)), lambda: frame, recorded)
                held.clear()

        for month, frame in zip(numbers, ordered_map(compute, numbers), strict=True):
            held[month] = frame
            rows[month] = len(held[month])
            done(month)
            if sum(len(f) for f in held.values()) > COMMIT_ROWS:
                flush()
        flush()
        return rows

    def maintain(self, retention_hours: int = RETENTION_HOURS, full: bool = False) -> dict[str, dict[str, int]]:
        """Compact small files and remove files that no version within the retention uses.

        `full` also sweeps files that no version ever named (left by a killed writer): only when nothing writes.
        A table that a load changes meanwhile is left as it is (`busy` = 1): its files are compacted the next time.
        """
        done: dict[str, dict[str, int]] = {}
        for name in TABLES:
            if not self.exists(name):
                continue
            table = DeltaTable(self.path(name), storage_options=self.options)
            with storage(name, self.path(name)):
                compacted = _compact(table, TABLES[name])
                removed = table.vacuum(
                    retention_hours=retention_hours, dry_run=False, enforce_retention_duration=retention_hours >= 168,
                    full=full,
                )
                if full and "://" not in self.url:
                    _sweep_unfinished_commits(Path(self.path(name)) / "_delta_log", retention_hours)
            done[name] = {"compacted": compacted or 0, "removed": len(removed), "busy": int(compacted is None)}
        return done


def _compact(table: DeltaTable, schema: Table) -> int | None:
    """Rewrite small files as large ones; return how many were replaced, None where another writer was faster."""
    try:
        metrics = table.optimize.compact(writer_properties=writer_properties(schema))
    except CommitFailedError:
        return None
    return int(metrics["numFilesRemoved"])


def _sweep_unfinished_commits(log: Path, retention_hours: int) -> None:
    """Remove what a killed writer left of a commit: the storage writes `<commit>.json#<number>`, then links it.

    Vacuum does not look into the log. Younger files than the retention may belong to a commit under way.
    """
    latest = time.time() - retention_hours * 3600
    for file in log.glob("*.json#*"):
        with suppress(FileNotFoundError):  # a commit under way takes its file away by itself
            if file.stat().st_mtime <= latest:
                file.unlink()


def _with_all_columns(handle: DeltaTable, table: Table) -> DeltaTable:
    """Bring a table of an earlier version up to the present columns.

    Gained columns are null in old rows until these are recomputed (a change of columns makes them due); a table that
    cannot hold null there, or that has lost a column, starts empty. `readings` are never touched: without the right
    columns they cannot be read, and the message says so.
    """
    stored = {f.name for f in handle.schema().fields}
    wanted = {c.name: c for c in table.columns}
    if stored == set(wanted):
        return handle
    if table.name == "readings":
        msg = f"{table.name} has columns {sorted(stored)}, this version needs {sorted(wanted)}; load into a new lake"
        raise LakeError(msg)
    keep = stored < set(wanted) and all(wanted[c].nullable for c in set(wanted) - stored)
    rows = pl.scan_delta(handle).collect() if keep else table.empty()
    rows = rows.with_columns(pl.lit(None, wanted[c].dtype).alias(c) for c in wanted if c not in rows.columns)
    write_deltalake(
        handle, table.conform(rows).to_arrow(), mode="overwrite", schema_mode="overwrite",
        partition_by=list(table.partition_by) or None, writer_properties=writer_properties(table),
    )
    return handle


def _arrow_schema(table: Table) -> pa.Schema:
    fields: Sequence[pa.Field] = [
        pa.field(f.name, _plain(f.type), nullable=table.column(f.name).nullable,
                 metadata={"comment": table.column(f.name).description})
        for f in table.empty().to_arrow().schema
    ]
    return pa.schema(fields)


def _plain(kind: pa.DataType) -> pa.DataType:
    """Strings as Delta knows them."""
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind
