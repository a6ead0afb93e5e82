"""Long tables written as Parquet files of our own and committed to the Delta log by name.

The general writer sorts every batch by its partition columns; here the rows come partition by partition already, so
they go straight into one file per month: three times less CPU. Every flushed row group is validated by pandera first.
A commit names the files and, for a replacement, the partitions whose files they replace; the log's own conflict
check then guards both. On an object store the general writer is used. Next: `lake.py`, which calls this.
"""

import json
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from energy_pipeline.schemas import Table

ROW_GROUP = 131_072
LOW_CARDINALITY = ("signal", "value", "n", "covered_s", "min", "max", "first", "last", "increase_estimated")


@dataclass(frozen=True)
class Part:
    """Rows of one month, without the partition columns, in storage order."""

    month: str
    rows: pa.Table


@dataclass
class _File:
    """One Parquet file being written, and what the log must know of it."""

    path: str
    location: Path
    table: Table
    schema: pa.Schema
    waiting: list[pa.Table] = field(default_factory=list)
    rows_waiting: int = 0
    rows: int = 0
    low: dict[str, object] = field(default_factory=dict)
    high: dict[str, object] = field(default_factory=dict)
    nulls: dict[str, int] = field(default_factory=dict)
    writer: pq.ParquetWriter | None = None

    def add(self, rows: pa.Table) -> None:
        self.waiting.append(rows)
        self.rows_waiting += rows.num_rows
        if self.rows_waiting >= ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        if not self.waiting:
            return
        rows = pa.concat_tables(self.waiting).cast(self.schema)
        self.waiting, self.rows_waiting = [], 0
        frame = pl.from_arrow(rows)
        assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table never becomes a series
        self.table.file_schema.validate(frame)
        if self.writer is None:
            self.location.parent.mkdir(parents=True, exist_ok=True)
            self.writer = pq.ParquetWriter(
                self.location, self.schema, compression="zstd", compression_level=1,
                use_dictionary=[c for c in self.schema.names if c in LOW_CARDINALITY],
                column_encoding={c: "DELTA_BINARY_PACKED" for c in self.schema.names if c == "ts"},
            )
        self.writer.write_table(rows, row_group_size=ROW_GROUP)
        self._note(rows)

    def _note(self, rows: pa.Table) -> None:
        self.rows += rows.num_rows
        for name in rows.column_names:
            self.nulls[name] = self.nulls.get(name, 0) + rows.column(name).null_count
        for name in ("signal", "ts"):
            ends = pc.min_max(rows.column(name)).as_py()
            self.low[name] = min(self.low.get(name, ends["min"]), ends["min"])  # type: ignore[type-var]
            self.high[name] = max(self.high.get(name, ends["max"]), ends["max"])  # type: ignore[type-var]

    def close(self) -> None:
        self.flush()
        if self.writer is not None:
            self.writer.close()

    def action(self, device: str, month: str) -> AddAction:
        stats = {
            "numRecords": self.rows, "nullCount": self.nulls,
            "minValues": {k: _text(v) for k, v in self.low.items()},
            "maxValues": {k: _text(v) for k, v in self.high.items()},
        }
        size = self.location.stat().st_size
        values = {"device": device, "month": month}
        return AddAction(self.path, size, values, time.time_ns() // 1_000_000, True, json.dumps(stats))


def _text(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value


def write_parts(root: Path, table: Table, device: str, parts: Iterable[Part]) -> list[AddAction]:
    """Write one file per month below the table's folder and return what the log must name.

    Args:
        root: folder of the table.
        table: its schema; the partition columns are device and month.
        device: device of all rows.
        parts: rows, month by month or mixed; within a month in storage order.

    Raises:
        pandera.errors.SchemaError: rows break the schema; nothing is left behind.
        OSError: the disk refuses; nothing is left behind.
    """
    files: dict[str, _File] = {}
    schema = file_arrow_schema(table)
    try:
        for part in parts:
            if part.rows.num_rows == 0:
                continue
            if part.month not in files:
                path = f"device={device}/month={part.month}/part-{uuid.uuid4()}.zstd.parquet"
                files[part.month] = _File(path, root / path, table, schema)
            files[part.month].add(part.rows)
        for file in files.values():
            file.close()
    except BaseException:
        for file in files.values():
            if file.writer is not None:
                file.writer.close()
            file.location.unlink(missing_ok=True)
        raise
    return [file.action(device, month) for month, file in sorted(files.items())]


def file_arrow_schema(table: Table) -> pa.Schema:
    """Arrow schema of a table's files: all columns but those of the partition, with plain strings."""
    fields = []
    for f in table.empty().to_arrow().schema:
        if f.name in table.partition_by:
            continue
        kind = pa.string() if pa.types.is_large_string(f.type) or pa.types.is_string_view(f.type) else f.type
        fields.append(pa.field(f.name, kind))  # pandera says which columns may not be null, and says it better
    return pa.schema(fields)


def as_batches(device: str, parts: Iterable[Part]) -> Iterator[pa.RecordBatch]:
    """The same rows with their partition columns, for the general writer."""
    for part in parts:
        size = part.rows.num_rows
        full = part.rows.add_column(0, "month", pa.repeat(pa.scalar(part.month), size))
        full = full.add_column(0, "device", pa.repeat(pa.scalar(device), size))
        yield from full.to_batches()

