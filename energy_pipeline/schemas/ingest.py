"""Tables written by `ingest`: the ledger of files, the readings, what was refused, and register events.

`readings` is the system of record: everything to its right can be dropped and rebuilt from it.
Next: `schemas/resolution.py`, the first tables made from `readings`.
"""

import polars as pl

from energy_pipeline.schemas.base import CELL, DEVICE, MONTH, PACK, SIGNAL, UTC_TS, Column, Table

LOAD = Column("load", pl.Int64, "number of the load of this device that wrote the row, from 1", nullable=False, ge=1)

SOURCE_FILES = Table(
    name="source_files",
    grain="one row per (device, file, signal in it)",
    description="The ledger: which bytes of which file were read, when, and what became of their rows.",
    key=("device", "path", "signal"),
    columns=(
        DEVICE,
        Column("path", pl.String, "file, relative to its data root, with the root's name in front", nullable=False),
        Column("signal", pl.String, "signal read from the file; null where none was recognised or rows have none"),
        LOAD,
        Column("status", pl.String, "read, pending, empty, unreadable, vanished or moved", nullable=False),
        Column("reason", pl.String, "why the file is not `read`, or which rows belong to no signal, in words"),
        Column("source", pl.String, "settings block that described the file", nullable=False),
        Column("size_bytes", pl.Int64, "size when it was read", "B", nullable=False),
        Column("mtime_ns", pl.Int64, "modification time when it was read", "ns", nullable=False),
        Column("head_digest", pl.String, "BLAKE2b of the first 64 KiB, to recognise growth and renames"),
        Column("tail_digest", pl.String, "BLAKE2b of the 64 KiB before `read_bytes`"),
        Column("read_bytes", pl.Int64, "bytes read so far, up to the last complete line", "B", nullable=False),
        Column("lines_read", pl.Int64, "lines read so far, header included", nullable=False),
        Column("rows_read", pl.Int64, "rows of this signal seen in the file", nullable=False, ge=0),
        Column("rows_rejected", pl.Int64, "rows of this signal refused with a reason", nullable=False, ge=0),
        Column("first_ts", UTC_TS, "earliest accepted time in the file"),
        Column("last_ts", UTC_TS, "latest accepted time in the file"),
        Column("end_local_us", pl.Int64, "time of the last readable row as written, context for the next append", "us"),
        Column("end_ts", UTC_TS, "UTC of the last row with a naive time, context for the next append"),
        Column("end_clocks", pl.String, "wall clocks [us] of the last rows with naive times, for the next append"),
        Column("settings_digest", pl.String, "digest of the settings that shaped the reading", nullable=False),
    ),
)

SIGNALS = Table(
    name="signals",
    grain="one row per (device, signal)",
    description="What each signal is, and its rows: read = accepted + rejected + duplicates + conflicts.",
    key=("device", "signal"),
    columns=(
        DEVICE,
        SIGNAL,
        Column("quantity", pl.String, "what is measured, e.g. cell_voltage", nullable=False),
        Column("unit", pl.String, "unit of the values in `readings`", nullable=False),
        Column("kind", pl.String, "gauge, flag, counter, net_counter or interval", nullable=False),
        Column("group", pl.String, "battery, cells, pcs, auxiliary, environment, safety, meter, other", nullable=False),
        PACK,
        CELL,
        Column("recognised", pl.Boolean, "false: not in the dictionary, taken in as a gauge", nullable=False),
        Column("max_hold_s", pl.Float64, "longest time a reading is held", "s", nullable=False),
        Column("interval_s", pl.Float64, "length of an interval row; null for other kinds", "s"),
        Column("rows_read", pl.Int64, "rows seen in files", nullable=False, ge=0),
        Column("rows_accepted", pl.Int64, "rows that stand in `readings`", nullable=False, ge=0),
        Column("rows_rejected", pl.Int64, "rows refused with a reason", nullable=False, ge=0),
        Column("rows_duplicate", pl.Int64, "rows that repeat time and value", nullable=False, ge=0),
        Column("rows_conflict", pl.Int64, "rows that lost to a smaller value at the same time", nullable=False, ge=0),
        Column("first_ts", UTC_TS, "first accepted reading"),
        Column("last_ts", UTC_TS, "last accepted reading"),
        LOAD,
    ),
)

READINGS = Table(
    name="readings",
    grain="one row per (device, signal, ts)",
    description="Every accepted reading, in UTC, with the sign of the file. The system of record.",
    key=("device", "signal", "ts"),
    partition_by=("device", "month"),
    counted=True,
    columns=(
        DEVICE,
        MONTH,
        SIGNAL,
        Column("ts", UTC_TS, "time of the reading", nullable=False),
        Column("value", pl.Float64, "value in the signal's unit", "unit of the signal", nullable=False),
    ),
)

REJECTED_READINGS = Table(
    name="rejected_readings",
    grain="one row per refused row",
    description="Quarantine: each row that did not become a reading, with file, line, text and reason.",
    key=("device", "load", "path", "line", "signal", "reason", "ts", "value"),
    counted=True,
    columns=(
        DEVICE,
        LOAD,
        Column("signal", pl.String, "signal the row belongs to; null where it could not be told"),
        Column("path", pl.String, "file; null for a reading displaced by a later file"),
        Column("line", pl.Int64, "line in the file, from 1; null for Parquet rows displaced later"),
        Column("ts", UTC_TS, "time, where it could be read"),
        Column("value", pl.Float64, "value, where it could be read"),
        Column("raw", pl.String, "the row as it stands in the file, at most 200 characters"),
        Column("reason", pl.String, "why it was refused (see docs/data-path.md)", nullable=False),
    ),
)

COUNTER_EVENTS = Table(
    name="counter_events",
    grain="one row per (device, signal, ts)",
    description="Audit of cumulative registers: every fall or impossible rise, how it was judged and what was booked.",
    key=("device", "signal", "ts"),
    columns=(
        DEVICE,
        SIGNAL,
        Column("ts", UTC_TS, "reading at which the register left its course", nullable=False),
        Column("ts_end", UTC_TS, "last reading that is ignored; null where none is"),
        Column("kind", pl.String, "dip, spike, rollover, reset, rebase or jump", nullable=False),
        Column("old", pl.Float64, "register before", "kWh", nullable=False),
        Column("new", pl.Float64, "register after", "kWh", nullable=False),
        Column("booked_kwh", pl.Float64, "energy booked for the step", "kWh", nullable=False),
        Column("provisional", pl.Boolean, "true while later readings may change the judgement", nullable=False),
        Column("overruled", pl.Boolean, "true where the settings decided", nullable=False),
    ),
)
TABLES = (SOURCE_FILES, SIGNALS, READINGS, REJECTED_READINGS, COUNTER_EVENTS)
