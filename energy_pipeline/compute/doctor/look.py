"""One sampled file as columns of times, numbers and texts, before anything is concluded from several of them.

Next: `columns.py` for what the columns of a group of files are.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from energy_pipeline.compute.doctor.sniff import Dialect, as_numbers, as_plain, split_table
from energy_pipeline.compute.doctor.times import TIME_WORD, TimeColumn, find_times, says_utc
from energy_pipeline.compute.layout import TIME_NAMES

NUMBER_SHARE = 0.9


@dataclass
class FileLook:
    """What one file holds, as far as it was read."""

    path: str
    size: int
    dialect: Dialect | None
    columns: tuple[str, ...]
    times: list[TimeColumn]
    remarks: list[str]
    numbers: dict[str, NDArray[np.float64]]
    texts: dict[str, pl.Series]
    starts: list[int]
    complete: bool
    rows: int

    @property
    def time(self) -> TimeColumn | None:
        """The column to read the time from: an instant where there is one; None where the file has no time."""
        return self.times[0] if self.times else None

    @property
    def needs_nothing(self) -> bool:
        """True for `ts,<signal>` files and their like, which are read without a `[[source]]` block."""
        if self.time is None or self.time.format != "iso" or self.time.name.lower() not in TIME_NAMES or self.texts:
            return False
        if says_utc(self.time.name) or len(self.times) > 1:
            return False
        d = self.dialect
        plain = d is None or (d.separator == "," and d.decimal == "." and d.encoding == "utf-8" and not d.preamble)
        return plain and len(self.columns) == 2


def look_at_csv(path: str, size: int, pieces: list[bytes], dialect: Dialect, *, complete: bool) -> FileLook:
    """Split a sampled CSV file and sort its columns into times, numbers and texts.

    Raises:
        NotATableError: there is a header and nothing below it.
    """
    first, dialect = as_plain(pieces[0], dialect)
    lines = first.replace(b"\r\n", b"\n").split(b"\n", dialect.header_line)
    rest = lines[dialect.header_line] if len(lines) > dialect.header_line else b""
    table, starts = split_table([rest, *pieces[1:]], dialect)
    times, remarks = find_times(table, dialect.decimal)
    numbers: dict[str, NDArray[np.float64]] = {}
    texts: dict[str, pl.Series] = {}
    doubled = {c for c in dialect.columns if not c or dialect.columns.count(c) > 1}
    remarks += [f"column {c!r} has no name, or one that stands in the header twice: left out" for c in sorted(doubled)]
    taken = {t.name for t in times} | doubled
    for name in table.columns:
        if name in taken or "\x00" in name:
            continue
        values, share = as_numbers(table[name], dialect.decimal)
        if share >= NUMBER_SHARE or (share == 0.0 and (table[name] == "").all()):
            numbers[name] = values
        else:
            texts[name] = table[name]
    return FileLook(path, size, dialect, dialect.columns, times, remarks, numbers, texts, starts, complete,
                    table.height)


def look_at_parquet(path: str, size: int, table: pa.Table, *, complete: bool, rows: int) -> FileLook:
    """Sort the columns of a Parquet file into times, numbers and texts."""
    frame = pl.DataFrame(pl.from_arrow(table))
    times: list[TimeColumn] = []
    numbers: dict[str, NDArray[np.float64]] = {}
    texts: dict[str, pl.Series] = {}
    for name, kind in frame.schema.items():
        column = frame[name]
        if isinstance(kind, pl.Datetime):
            ok = column.is_not_null().to_numpy()
            us = column.cast(pl.Datetime("us", kind.time_zone)).to_physical().fill_null(0).to_numpy()
            why = f"timestamps with zone {kind.time_zone}: instants" if kind.time_zone else "timestamps without a zone"
            times.append(TimeColumn(name, "iso", us, ok, kind.time_zone is not None, why, {}))
        elif kind.is_numeric() or kind == pl.Boolean:
            numbers[name] = column.cast(pl.Float64).to_numpy()
        else:
            texts[name] = column.cast(pl.String, strict=False).fill_null("")
    if not times:
        for name in [n for n in numbers if TIME_WORD.search(n)]:
            found, _ = find_times(frame.select(pl.col(name).cast(pl.String).fill_null("")), ".")
            if found:
                times += found
                del numbers[name]
    times.sort(key=lambda t: not t.is_utc)
    return FileLook(path, size, None, tuple(frame.columns), times, [], numbers, texts, [0], complete, rows)
