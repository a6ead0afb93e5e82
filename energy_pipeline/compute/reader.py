"""From the bytes of a file to columns of times and values, fast where the bytes are clean, patient where not.

The strict path is `pyarrow.csv` with fixed types; any row it cannot read sends that chunk (and only it) through the
lenient path, which finds the bad rows one by one. Both give the same rows for good input. What a row means is not
decided here. Next: `rows.py` turns these columns into readings and rejected rows.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from energy_pipeline.compute.fields import BLANKS, epoch_us, parse_numbers, parse_times, quoted_fields
from energy_pipeline.compute.layout import Layout, LayoutError
from energy_pipeline.compute.lines import Lines, RowNumbers, is_blank

HAS_OFFSET = re.compile(r"\d(Z|z|[+-]\d{2}(:?\d{2})?)$")
MOST_SECONDS = 1e11  # the year 5138: larger numbers are milliseconds
FIRST_FILLED = re.compile(rb"[\r\n]*")


@dataclass
class Columns:
    """The columns of one chunk, row by row as in the file.

    `time_us` is UTC where `is_utc` is true, else the local wall clock [µs]; `time_ok` is false where it could not be
    read. `values` holds per column the value (NaN where absent) and `state`: 0 a number, 1 empty, 2 not a number.
    `broken` gives a reason for rows that could not be split into fields at all; `zones` names the zone of each row,
    where a column of the file does.
    """

    time_us: NDArray[np.int64]
    time_ok: NDArray[np.bool_]
    is_utc: NDArray[np.bool_]
    values: dict[str, NDArray[np.float64]]
    state: dict[str, NDArray[np.uint8] | None]
    keys: pl.Series | None
    factors: NDArray[np.float64] | None
    lines: Lines
    broken: dict[int, str]
    zones: pl.Series | None = None

    def __len__(self) -> int:
        return len(self.time_us)


def read_csv_chunk(data: bytes, layout: Layout, first_line: int) -> Columns:
    """Read complete lines of a CSV file (without its header) into columns."""
    lines = Lines(data, first_line)
    if is_blank(data):
        return _empty(layout, lines)
    if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
        return _read_lenient(data, layout, lines)  # Arrow would end a line at a lone carriage return
    try:
        table = _read_strict(data, layout)
    except (pa.ArrowInvalid, pa.ArrowKeyError, pa.ArrowNotImplementedError):
        return _read_lenient(data, layout, lines)
    lines.is_dense = table.num_rows == lines.ends
    if not lines.is_dense and table.num_rows != lines.count():
        return _read_lenient(data, layout, lines)  # a quote left open has swallowed lines
    return _from_arrow(table, layout, lines)


def _empty(layout: Layout, lines: Lines) -> Columns:
    none = np.empty(0)
    return Columns(
        none.astype(np.int64), none.astype(bool), none.astype(bool), dict.fromkeys(layout.value_columns, none),
        dict.fromkeys(layout.value_columns), pl.Series([], dtype=pl.String) if layout.is_long else None,
        none if layout.source.factor_column else None, lines, {},
        pl.Series([], dtype=pl.String) if layout.source.zone_column else None,
    )


def _first_field(data: bytes, layout: Layout) -> str:
    start = FIRST_FILLED.match(data).end()  # type: ignore[union-attr] - it matches at nothing too
    end = data.find(b"\n", start)
    line = data[start : end if end >= 0 else len(data)].decode("utf-8", errors="replace")
    cells = quoted_fields(line, layout.source.separator)
    index = layout.columns.index(layout.source.time_column)
    return cells[index].strip() if index < len(cells) else ""


def _time_type(data: bytes, layout: Layout) -> pa.DataType:
    style = layout.source.time_format
    if style in {"epoch_s", "epoch_ms"}:
        return pa.float64()
    if style == "iso" and HAS_OFFSET.search(_first_field(data, layout)[10:]):
        return pa.timestamp("us", "UTC")
    # Arrow's strptime takes the 31st of June for the 1st of July: other formats are read as text, then by polars.
    return pa.timestamp("us") if style == "iso" else pa.string()


def _read_strict(data: bytes, layout: Layout) -> pa.Table:
    source = layout.source
    types: dict[str, pa.DataType] = {source.time_column: _time_type(data, layout)}
    types.update({c: pa.float64() for c in layout.value_columns})
    for name in (source.key_column, source.zone_column):
        if name:
            types[name] = pa.string()
    if source.factor_column:
        types[source.factor_column] = pa.float64()
    names = _unique(layout.columns)
    convert = pacsv.ConvertOptions(
        column_types=types, include_columns=list(types), null_values=[""], strings_can_be_null=False,
        decimal_point=source.decimal,
    )
    return pacsv.read_csv(
        pa.BufferReader(data),
        read_options=pacsv.ReadOptions(
            column_names=names, use_threads=False, block_size=1 << 23, encoding=source.encoding
        ),
        parse_options=pacsv.ParseOptions(delimiter=source.separator, newlines_in_values=False),
        convert_options=convert,
    )


def _unique(columns: Iterable[str]) -> list[str]:
    """Make column names unique, as a file may repeat names that nobody reads."""
    seen: dict[str, int] = {}
    names = []
    for column in columns:
        seen[column] = seen.get(column, 0) + 1
        names.append(column if seen[column] == 1 else f"{column}\x00{seen[column]}")
    return names


def _from_arrow(table: pa.Table, layout: Layout, lines: Lines) -> Columns:
    source = layout.source
    times = table.column(source.time_column).combine_chunks()
    if _is_text(times.type):
        time_us, time_ok, is_utc = parse_times(_texts(times), source.time_format)
    else:
        time_us, time_ok, is_utc = _arrow_times(times, source.time_format)
    values: dict[str, NDArray[np.float64]] = {}
    state: dict[str, NDArray[np.uint8] | None] = {}
    for name in layout.value_columns:
        column = _arrow_float(table.column(name))
        values[name] = column.to_numpy()
        state[name] = column.is_null().to_numpy().astype(np.uint8) if column.null_count else None
    keys, zones = (_texts(table.column(c).combine_chunks()) if c else None
                   for c in (source.key_column, source.zone_column))
    factors = _arrow_float(table.column(source.factor_column)).to_numpy() if source.factor_column else None
    return Columns(time_us, time_ok, is_utc, values, state, keys, factors, lines, {}, zones)


def _is_text(kind: pa.DataType) -> bool:
    """True for texts in all their forms; Polars writes large ones, pandas dictionaries."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _texts(column: pa.Array) -> pl.Series:
    return pl.Series(column).cast(pl.String).str.strip_chars(BLANKS)


def _arrow_float(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers and booleans of a Parquet file as floats; anything else raises LayoutError."""
    if column.type == pa.float64():
        return column
    try:
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.int8())
        return column.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        msg = f"a value column is of type {column.type}; allowed are numbers and booleans"
        raise LayoutError(msg) from error


def _arrow_times(
    times: pa.Array, style: str
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    ok = np.ones(len(times), bool) if times.null_count == 0 else ~times.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_date(times.type):
        times = times.cast(pa.timestamp("ms")) if pa.types.is_date64(times.type) else times.cast(pa.timestamp("us"))
    if pa.types.is_timestamp(times.type):
        utc = times.type.tz is not None
        if times.type.unit != "us":
            times = times.cast(pa.timestamp("us", times.type.tz), safe=False)
        raw = times.view(pa.int64())
        if raw.null_count:
            raw = raw.fill_null(0)  # the mask `ok` marks these rows; they are refused, never used
        return raw.to_numpy(), ok, np.full(len(ok), utc)
    try:
        seconds = times.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        msg = (
            f"the time column is of type {times.type}; allowed are timestamps, dates, texts, or numbers with an epoch "
            f"format"
        )
        raise LayoutError(msg) from error
    if style not in {"epoch_s", "epoch_ms"}:
        raise _numbers_for_times(times.type, style, seconds[ok])
    return epoch_us(seconds, style, ok)


def _numbers_for_times(kind: pa.DataType, style: str, numbers: NDArray[np.float64]) -> LayoutError:
    """The error of a time column that holds numbers while the settings say nothing of an epoch."""
    guess = "epoch_ms" if len(numbers) and abs(float(numbers[0])) > MOST_SECONDS else "epoch_s"
    first = f", the first is {numbers[0]:.0f}" if len(numbers) else ""
    return LayoutError(
        f"time_format = {style!r}, but the time column holds numbers ({kind}{first}); allowed for numbers: epoch_s, "
        f'epoch_ms; it looks like time_format = "{guess}"'
    )


def _read_lenient(data: bytes, layout: Layout, lines: Lines) -> Columns:
    source = layout.source
    texts, bad_encoding = _decode_lines(data, source.encoding)
    rows = _split_fields(texts, source.separator)
    broken: dict[int, str] = {}
    width = len(layout.columns)
    index = {c: i for i, c in reversed(list(enumerate(layout.columns)))}
    extra = {source.key_column, source.factor_column, source.zone_column} - {None}
    needed = {source.time_column, *layout.value_columns, *extra}
    fields: dict[str, list[str]] = {str(c): [] for c in needed}
    for i, row in enumerate(rows):
        if len(row) != width:
            broken[i] = "wrong_field_count"
        for name, cells in fields.items():
            position = index[name]
            cells.append(row[position].strip(BLANKS) if position < len(row) else "")
            if i in bad_encoding and "\ufffd" in cells[-1]:  # in a column that nobody reads it does not matter
                broken[i] = "bad_encoding"
    time_us, time_ok, is_utc = parse_times(pl.Series(fields[source.time_column], dtype=pl.String), source.time_format)
    values, state = {}, {}
    for name in layout.value_columns:
        values[name], state[name] = parse_numbers(pl.Series(fields[name], dtype=pl.String), source.decimal)
    factors = None
    if source.factor_column:
        factors, _ = parse_numbers(pl.Series(fields[source.factor_column], dtype=pl.String), source.decimal)
    keys, zones = (pl.Series(fields[c], dtype=pl.String) if c else None
                   for c in (source.key_column, source.zone_column))
    return Columns(time_us, time_ok, is_utc, values, state, keys, factors, lines, broken, zones)


def _decode_lines(data: bytes, encoding: str) -> tuple[list[str], set[int]]:
    texts: list[str] = []
    bad: set[int] = set()
    for line in data.split(b"\n"):
        stripped = line.rstrip(b"\r")
        if not stripped:
            continue
        try:
            texts.append(stripped.decode(encoding))
        except UnicodeDecodeError:
            bad.add(len(texts))
            texts.append(stripped.decode(encoding, errors="replace"))
    return texts, bad


def _split_fields(texts: list[str], separator: str) -> list[list[str]]:
    return [quoted_fields(text, separator) if '"' in text else text.split(separator) for text in texts]


def read_parquet(data: bytes, layout: Layout) -> Columns:
    """Read a whole Parquet file into columns."""
    source = layout.source
    wanted = [source.time_column, *layout.value_columns]
    wanted += [c for c in (source.key_column, source.factor_column, source.zone_column) if c]
    try:
        table = pq.read_table(pa.BufferReader(data), columns=list(dict.fromkeys(wanted)))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable_parquet(error) from error
    return _from_arrow(table, layout, RowNumbers(b"", 1))


def parquet_columns(data: bytes) -> tuple[str, ...]:
    """Return the column names of a Parquet file; LayoutError where it is none."""
    try:
        return tuple(pq.read_schema(pa.BufferReader(data)).names)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable_parquet(error) from error


def _unreadable_parquet(error: Exception) -> LayoutError:
    return LayoutError(f"not a readable Parquet file: {error}; copy it again")
