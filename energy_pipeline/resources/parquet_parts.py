"""Long tables written as Parquet files of our own and committed to the Delta log by name.

The general writer sorts every batch by its partition columns; here the rows come partition by partition already, so
they go straight into one file per month: three times less CPU. Rows are validated before they are written.
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

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction
from numpy.typing import NDArray

from energy_pipeline.parallel import ordered_map
from energy_pipeline.schemas import Table

ROW_GROUP = 131_072
WAITING_BYTES = 96 << 20
LOW_CARDINALITY = ("signal", "value", "n", "covered_s", "min", "max", "first", "last", "increase_estimated")
WITH_STATISTICS = ("signal", "ts")  # what readers skip row groups by; those of values cost more than they save
SIGNAL_TYPE = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class Part:
    """Rows of one month, without the partition columns, in storage order; `signal` is text or a dictionary of it."""

    month: str
    rows: pa.Table


def signal_column(names: list[str], codes: NDArray[np.int32]) -> pa.DictionaryArray:
    """Positions in `names` as a column of names, which are neither copied nor compared row by row."""
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names, pa.string()))


@dataclass
class _File:
    """One Parquet file being written, and what the log must know of it."""

    path: str
    location: Path
    table: Table
    schema: pa.Schema
    waiting: list[pa.Table] = field(default_factory=list)
    bytes_waiting: int = 0
    rows: int = 0
    low: dict[str, object] = field(default_factory=dict)
    high: dict[str, object] = field(default_factory=dict)
    nulls: dict[str, int] = field(default_factory=dict)
    writer: pq.ParquetWriter | None = None

    def add(self, rows: pa.Table) -> int:
        """Keep rows for the next flush; return their size [B]."""
        if rows.schema.field("signal").type != SIGNAL_TYPE:
            coded = rows.column("signal").cast(pa.string()).combine_chunks().dictionary_encode()
            rows = rows.set_column(rows.schema.get_field_index("signal"), "signal", coded)
        self.waiting.append(rows)
        self.bytes_waiting += rows.nbytes
        return rows.nbytes

    def take(self) -> pa.Table:
        """Rows waiting, in the schema of the file; they wait no longer."""
        rows = pa.concat_tables(self.waiting or [self.schema.empty_table()]).cast(self.schema)
        self.waiting, self.bytes_waiting = [], 0
        return rows

    def write(self, rows: pa.Table) -> None:
        """Write rows that are valid."""
        if rows.num_rows == 0:
            return
        rows = rows.unify_dictionaries()
        if self.writer is None:
            self.location.parent.mkdir(parents=True, exist_ok=True)
            self.writer = pq.ParquetWriter(
                self.location, self.schema, compression="zstd", compression_level=1, store_schema=False,
                use_dictionary=[c for c in self.schema.names if c in LOW_CARDINALITY],
                column_encoding={c: "DELTA_BINARY_PACKED" for c in self.schema.names if c == "ts"},
                write_statistics=[c for c in self.schema.names if c in WITH_STATISTICS],
            )
        self.writer.write_table(rows, row_group_size=ROW_GROUP)
        self._note(rows)

    def _note(self, rows: pa.Table) -> None:
        self.rows += rows.num_rows
        for name in rows.column_names:
            self.nulls[name] = self.nulls.get(name, 0) + rows.column(name).null_count
        signals = sorted({name for chunk in rows.column("signal").chunks for name in _names_in(chunk)})
        times = pc.min_max(rows.column("ts")).as_py()
        for name, low, high in (("signal", signals[0], signals[-1]), ("ts", times["min"], times["max"])):
            self.low[name] = min(self.low.get(name, low), low)  # type: ignore[type-var]
            self.high[name] = max(self.high.get(name, high), high)  # type: ignore[type-var]

    def close(self) -> None:
        """End the file."""
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


def _names_in(chunk: pa.DictionaryArray) -> list[str]:
    used = np.flatnonzero(np.bincount(chunk.indices.to_numpy()))
    return chunk.dictionary.take(pa.array(used)).to_pylist()


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
    waiting = 0
    try:
        for part in parts:
            if part.rows.num_rows == 0:
                continue
            if part.month not in files:
                path = f"device={device}/month={part.month}/part-{uuid.uuid4()}.zstd.parquet"
                files[part.month] = _File(path, root / path, table, schema)
            waiting += files[part.month].add(part.rows)
            while waiting > WAITING_BYTES:
                largest = max(files.values(), key=lambda f: f.bytes_waiting)
                waiting -= largest.bytes_waiting
                largest.write(validated(table, [largest.take()])[0])
        rest = validated(table, [file.take() for file in files.values()])
        for _ in ordered_map(_finish, zip(files.values(), rest, strict=True)):
            pass
    except BaseException:
        for file in files.values():
            if file.writer is not None:
                file.writer.close()
            file.location.unlink(missing_ok=True)
        raise
    return [file.action(device, month) for month, file in sorted(files.items())]


def _finish(last: tuple[_File, pa.Table]) -> None:
    file, rows = last
    file.write(rows)
    file.close()


def validated(table: Table, pieces: list[pa.Table]) -> list[pa.Table]:
    """The same pieces, looked at in one go: the cost is one per call, hardly one per row."""
    if not pieces:
        return pieces
    frame = pl.from_arrow(pa.concat_tables(pieces).unify_dictionaries())
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table never becomes a series
    if len(frame):
        table.validate_file(frame)
    return pieces


def file_arrow_schema(table: Table) -> pa.Schema:
    """Arrow schema of a table's rows as they are written: all columns but those of the partition."""
    fields = []
    for f in table.empty().to_arrow().schema:
        if f.name in table.partition_by:
            continue
        kind = SIGNAL_TYPE if f.name == "signal" else f.type
        fields.append(pa.field(f.name, kind))  # pandera says which columns may not be null, and says it better
    return pa.schema(fields)


def as_batches(device: str, parts: Iterable[Part]) -> Iterator[pa.RecordBatch]:
    """The same rows with their partition columns, for the general writer."""
    for part in parts:
        size = part.rows.num_rows
        named = part.rows.set_column(
            part.rows.schema.get_field_index("signal"), "signal", part.rows.column("signal").cast(pa.string())
        )
        full = named.add_column(0, "month", pa.repeat(pa.scalar(part.month), size))
        full = full.add_column(0, "device", pa.repeat(pa.scalar(device), size))
        yield from full.to_batches()

