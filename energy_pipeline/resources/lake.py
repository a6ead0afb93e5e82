"""The lake: every table in one folder or bucket, written with the guarantees that the rest relies on.

Here: creating, scanning and replacing tables, the numbers that say what a table was built from, and maintenance.
Not here: what the rows mean. Rules: a table is opened before its input is read and written through that handle, so
that a concurrent replacement raises; one commit per change; an empty frame never deletes by accident.
Next: `loading/load.py` and the assets, its users; `work.py`, which reads the numbers.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from energy_pipeline.schemas import TABLES, Table

ATTEMPTS = 5
COMMIT_RETRIES = 100  # a slow object store ran out of the default 15
ROW_GROUP = 131_072
RETENTION_HOURS = 7 * 24


class LakeBusyError(RuntimeError):
    """Another writer kept changing the same partition; the message says which, and what to do."""


class LakeError(RuntimeError):
    """The lake cannot be read or written; the message says where and what to check."""


@dataclass(frozen=True)
class Scope:
    """Rows that one commit replaces: a device's, or those of some of its months, or the whole table."""

    device: str | None = None
    months: tuple[str, ...] | None = None

    def predicate(self) -> str | None:
        """SQL condition that names exactly these rows; None for the whole table."""
        if self.device is None:
            return None
        text = f"device = '{self.device}'"
        if self.months is not None:
            quoted = ", ".join(f"'{m}'" for m in self.months)
            text += f" AND month IN ({quoted})"
        return text


class Lake:
    """All tables below one folder or URL."""

    def __init__(self, url: str, storage_options: Mapping[str, str] | None = None) -> None:
        """Remember where the lake is; nothing is touched until a table is used."""
        self.url = url.rstrip("/")
        self.options = dict(storage_options) if storage_options else None

    def path(self, name: str) -> str:
        """Folder or URL of a table."""
        return f"{self.url}/{name}"

    def exists(self, name: str) -> bool:
        """True where the table has been created."""
        return DeltaTable.is_deltatable(self.path(name), storage_options=self.options)

    def open(self, name: str) -> DeltaTable:
        """Open a table, creating it first where it does not exist."""
        path = self.path(name)
        try:
            return DeltaTable(path, storage_options=self.options)
        except TableNotFoundError:
            pass
        table = TABLES[name]
        if "://" not in path:
            try:
                Path(path).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                msg = f"cannot create {path}: {error.strerror}; check the setting `lake` and its permissions"
                raise LakeError(msg) from error
        return DeltaTable.create(
            path, schema=_arrow_schema(table), mode="ignore", partition_by=list(table.partition_by),
            description=f"{table.description} {table.grain}.", storage_options=self.options,
            # Every reader of this lake is ours or reads snapshots; a week of versions answers `as of`.
            configuration={"delta.deletedFileRetentionDuration": f"interval {RETENTION_HOURS} hours"},
        )

    def scan(self, name: str, device: str | None = None, months: Iterable[str] | None = None) -> pl.LazyFrame:
        """Scan a table, restricted to a device and months by partition; empty where the table does not exist."""
        if not self.exists(name):
            return TABLES[name].empty().lazy()
        return scan_table(DeltaTable(self.path(name), storage_options=self.options), device, months)

    def read(self, name: str, device: str | None = None, months: Iterable[str] | None = None) -> pl.DataFrame:
        """Read a table (see `scan`) into memory."""
        return self.scan(name, device, months).collect()

    def number(self, name: str, app_id: str) -> int:
        """Return the number recorded under `app_id` in a table's log; 0 where there is none."""
        if not self.exists(name):
            return 0
        return numbers_of(DeltaTable(self.path(name), storage_options=self.options), [app_id])[app_id]

    def months(self, device: str) -> list[str]:
        """Return the months in which a device has readings, in order."""
        if not self.exists("readings"):
            return []
        table = DeltaTable(self.path("readings"), storage_options=self.options)
        return sorted({p["month"] for p in table.partitions([("device", "=", device)])})

    def devices(self) -> list[str]:
        """Return the devices with a ledger of files, in order of name."""
        if not self.exists("source_files"):
            return []
        table = DeltaTable(self.path("source_files"), storage_options=self.options)
        return sorted({p["device"] for p in table.partitions()})

    def size_bytes(self) -> dict[str, int]:
        """Return the size of every table's present version [B]."""
        sizes = {}
        for name in TABLES:
            if self.exists(name):
                actions = DeltaTable(self.path(name), storage_options=self.options).get_add_actions()
                sizes[name] = int(sum(pa.array(actions.column("size_bytes")).to_pylist()))
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
            except OSError as error:
                msg = f"cannot write table {name} at {self.path(name)}: {error}"
                raise LakeError(msg) from error
            return len(frame)
        msg = (
            f"table {name}: {scope.predicate() or 'all rows'} was changed by another process {ATTEMPTS} times; "
            f"run one writer per device at a time, then run again"
        )
        raise LakeBusyError(msg)

    def maintain(self, retention_hours: int = RETENTION_HOURS, full: bool = False) -> dict[str, dict[str, int]]:
        """Compact small files and remove files that no version within the retention uses.

        `full` also sweeps files that no version ever named (left by a killed writer): only when nothing writes.
        """
        done: dict[str, dict[str, int]] = {}
        for name in TABLES:
            if not self.exists(name):
                continue
            table = DeltaTable(self.path(name), storage_options=self.options)
            metrics = table.optimize.compact(writer_properties=writer_properties(TABLES[name]))
            removed = table.vacuum(
                retention_hours=retention_hours, dry_run=False, enforce_retention_duration=retention_hours >= 168,
                full=full,
            )
            done[name] = {"compacted": int(metrics["numFilesRemoved"]), "removed": len(removed)}
        return done


def scan_table(table: DeltaTable, device: str | None, months: Iterable[str] | None) -> pl.LazyFrame:
    """Scan an open table, restricted by partition."""
    frame = pl.scan_delta(table)
    if device is not None:
        frame = frame.filter(pl.col("device") == device)
    if months is not None:
        frame = frame.filter(pl.col("month").is_in(list(months)))
    return frame


def numbers_of(table: DeltaTable, app_ids: Iterable[str]) -> dict[str, int]:
    """Return the number recorded under each app id; 0 where there is none."""
    return {app: table.transaction_version(app) or 0 for app in app_ids}


def commit_frame(
    handle: DeltaTable, table: Table, frame: pl.DataFrame, scope: Scope, numbers: Mapping[str, int],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Replace the rows of `scope` by `frame` through `handle`, recording `numbers`, as one commit."""
    properties = commit_properties(numbers, metadata)
    predicate = scope.predicate()
    if frame.is_empty():
        _erase(handle, scope, properties)
        return
    if scope.months is not None:
        # The predicate names exactly the months in the frame: others would be emptied without a word.
        present = tuple(sorted(frame["month"].unique().to_list()))
        absent = sorted(set(scope.months) - set(present))
        if absent:
            msg = f"{table.name}: months {absent} bring no rows; replace or erase them one by one"
            raise ValueError(msg)
    write_deltalake(
        handle, frame.to_arrow(), mode="overwrite", predicate=predicate, commit_properties=properties,
        writer_properties=writer_properties(table),
    )


def commit_stream(
    handle: DeltaTable, table: Table, batches: pa.RecordBatchReader, scope: Scope | None,
    numbers: Mapping[str, int], metadata: Mapping[str, str] | None = None,
) -> None:
    """Append a stream of rows (`scope` None) or replace the rows of `scope` by it, as one commit."""
    predicate = scope.predicate() if scope is not None else None
    write_deltalake(
        handle, batches, mode="append" if scope is None else "overwrite", predicate=predicate,
        commit_properties=commit_properties(numbers, metadata), writer_properties=writer_properties(table),
    )


def commit_numbers(
    handle: DeltaTable, numbers: Mapping[str, int], metadata: Mapping[str, str] | None = None
) -> None:
    """Record numbers in a table's log without changing a row."""
    handle.create_write_transaction(
        [], "append", handle.schema(), commit_properties=commit_properties(numbers, metadata)
    )


def _erase(handle: DeltaTable, scope: Scope, properties: CommitProperties) -> None:
    filters: list[tuple[str, str, str | list[str]]] = []
    if scope.device is not None:
        filters.append(("device", "=", scope.device))
    if scope.months is not None:
        filters.append(("month", "in", list(scope.months)))
    if handle.file_uris(filters or None):
        handle.delete(scope.predicate(), commit_properties=properties)
        return
    handle.create_write_transaction([], "append", handle.schema(), commit_properties=properties)


def commit_properties(numbers: Mapping[str, int], metadata: Mapping[str, str] | None) -> CommitProperties:
    """Commit properties that carry numbers and metadata."""
    return CommitProperties(
        custom_metadata=dict(metadata) if metadata else None, max_commit_retries=COMMIT_RETRIES,
        app_transactions=[Transaction(app, number) for app, number in numbers.items()],
    )


def writer_properties(table: Table) -> WriterProperties:
    """Parquet settings: long tables compress times by differences and keep row groups small enough to skip."""
    columns = {}
    if "ts" in table.column_names:
        columns["ts"] = ColumnProperties(encoding="DELTA_BINARY_PACKED", dictionary_enabled=False)
    return WriterProperties(
        compression="ZSTD", compression_level=1, max_row_group_size=ROW_GROUP, column_properties=columns or None
    )


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
