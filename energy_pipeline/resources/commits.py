"""One commit to an open table: rows replaced or appended, numbers recorded, and what is read from an open table.

Everything here works through a handle that its caller has opened, so that a concurrent change raises
`CommitFailedError`. Next: `lake.py`, which opens, retries and maintains; `parquet_parts.py`, which writes long tables.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from urllib.parse import unquote, urlparse

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

from energy_pipeline.parallel import prefetched
from energy_pipeline.resources.lake_errors import storage
from energy_pipeline.resources.parquet_parts import ROW_GROUP, Part, as_batches, write_parts
from energy_pipeline.schemas import Table

COMMIT_RETRIES = 100  # a slow object store ran out of the default 15


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
    with storage(table.name, handle.table_uri):
        if frame.is_empty():
            _erase(handle, scope, properties)
            return
        write_deltalake(
            handle, frame.to_arrow(), mode="overwrite", predicate=predicate, commit_properties=properties,
            writer_properties=writer_properties(table),
        )


def commit_parts(
    handle: DeltaTable, table: Table, device: str, parts: Iterator[Part], months: Iterable[str] | None,
    numbers: Mapping[str, int], metadata: Mapping[str, str] | None = None,
) -> None:
    """Append rows of a device month by month (`months` None), or replace those months by them, as one commit.

    Months that bring no rows are emptied by a replacement. Raises `CommitFailedError` where another writer changed
    the same rows since `handle` was opened.
    """
    properties = commit_properties(numbers, metadata)
    scope = None if months is None else Scope(device, tuple(months))
    with storage(table.name, handle.table_uri):
        if not handle.table_uri.startswith("file:"):
            batches = prefetched(as_batches(device, parts))
            first = next(batches, None)
            if first is not None:
                stream = pa.RecordBatchReader.from_batches(first.schema, chain([first], batches))
                write_deltalake(
                    handle, stream, mode="append" if scope is None else "overwrite",
                    predicate=scope.predicate() if scope else None, commit_properties=properties,
                    writer_properties=writer_properties(table),
                )
                return
            actions = []
        else:
            root = Path(unquote(urlparse(handle.table_uri).path))
            actions = write_parts(root, table, device, parts)
        if scope is None:
            handle.create_write_transaction(
                actions, "append", handle.schema(), list(table.partition_by), commit_properties=properties
            )
        elif actions:
            handle.create_write_transaction(
                actions, "overwrite", handle.schema(), list(table.partition_by),
                partition_filters=[("device", "=", device), ("month", "in", list(scope.months or ()))],
                commit_properties=properties,
            )
        else:
            _erase(handle, scope, properties)


def commit_numbers(
    handle: DeltaTable, numbers: Mapping[str, int], metadata: Mapping[str, str] | None = None
) -> None:
    """Record numbers in a table's log without changing a row."""
    with storage(handle.table_uri.rstrip("/").rsplit("/", 1)[-1], handle.table_uri):
        handle.create_write_transaction(
            [], "append", handle.schema(), commit_properties=commit_properties(numbers, metadata)
        )


def _erase(handle: DeltaTable, scope: Scope, properties: CommitProperties) -> None:
    filters: list[tuple[str, str, str | list[str]]] = []
    if scope.device is not None:
        filters.append(("device", "=", scope.device))
    if scope.months is not None:
        filters.append(("month", "in", list(scope.months)))
    if handle.file_uris(file_pruning_predicate=filters or None):
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
