"""Texts of single fields to times and numbers; what cannot be read is marked, never guessed.

Next: `reader.py`, whose patient path uses them for every field and whose fast path for times of its own formats.
"""

import csv
import io

import numpy as np
import polars as pl
from numpy.typing import NDArray

ISO = r"^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?)?(Z|z|[+-]\d{2}(?::?\d{2})?)?$"
BLANKS = " \t"  # what Arrow trims around numbers, and so everybody else


def epoch_us(
    numbers: NDArray[np.float64], style: str, ok: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return instants [µs, UTC] of epoch seconds or milliseconds, which of them could be read, and that all are UTC."""
    scale = 1e3 if style == "epoch_ms" else 1e6
    micro = numbers * scale
    ok = ok & np.isfinite(micro) & (np.abs(np.where(np.isfinite(micro), micro, np.inf)) < 9e15)
    return np.where(ok, np.round(micro), 0.0).astype(np.int64), ok, np.ones(len(ok), bool)


def quoted_fields(text: str, separator: str) -> list[str]:
    """Return the fields of one line, quotes removed; none where the line cannot be split."""
    try:
        return next(csv.reader(io.StringIO(text), delimiter=separator), [])
    except csv.Error:  # a field beyond the limit of the csv module: the row cannot be split
        return []


def parse_numbers(texts: pl.Series, decimal: str) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Return values (NaN where there is none) and a state per text: 0 a number, 1 empty, 2 not a number."""
    empty = texts == ""
    if decimal == ",":
        texts = pl.select(pl.when(texts.str.contains(".", literal=True)).then(pl.lit("x")).otherwise(texts)).to_series()
        texts = texts.str.replace(",", ".", literal=True)
    numbers = texts.cast(pl.Float64, strict=False)
    state = np.where(empty.to_numpy(), 1, np.where(numbers.is_null().to_numpy(), 2, 0)).astype(np.uint8)
    return numbers.to_numpy().astype(np.float64), state


def parse_times(texts: pl.Series, style: str) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return times [µs], which of them could be read, and which are UTC rather than wall clock."""
    if style in {"epoch_s", "epoch_ms"}:
        numbers = texts.cast(pl.Float64, strict=False)
        return epoch_us(numbers.to_numpy().astype(np.float64), style, ~numbers.is_null().to_numpy())
    if style != "iso":
        parsed = texts.str.to_datetime(style, time_unit="us", strict=False)
        utc = isinstance(parsed.dtype, pl.Datetime) and parsed.dtype.time_zone is not None
        physical = parsed.to_physical()
        ok = ~physical.is_null().to_numpy()
        return _zero_where(physical, ok), ok, np.full(len(ok), utc)
    parts = texts.str.extract_groups(ISO).struct.unnest()
    parts.columns = ["date", "hour", "minute", "second", "fraction", "offset"]
    frame = parts.select(
        pl.concat_str(
            pl.col("date"), pl.lit(" "), pl.col("hour").fill_null("00"), pl.lit(":"), pl.col("minute").fill_null("00"),
            pl.lit(":"), pl.col("second").fill_null("00"),
        ).str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False).alias("naive"),
        pl.col("fraction").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64).fill_null(0).alias("us"),
        pl.col("offset").str.replace(r"^[Zz]$", "+00:00").alias("offset"),
    )
    sign = pl.when(pl.col("offset").str.starts_with("-")).then(-1).otherwise(1)
    minutes = pl.col("offset").str.slice(1, 2).cast(pl.Int64) * 60 + (
        pl.col("offset").str.slice(3).str.strip_chars(":").replace("", "0").cast(pl.Int64, strict=False).fill_null(0)
    )
    frame = frame.select(
        (pl.col("naive").to_physical() + pl.col("us") - (sign * minutes * 60_000_000).fill_null(0)).alias("time"),
        pl.col("offset").is_not_null().alias("utc"),
    )
    ok = ~frame["time"].is_null().to_numpy()
    return _zero_where(frame["time"], ok), ok, frame["utc"].to_numpy()


def _zero_where(times: pl.Series, ok: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Times as integers; rows that could not be read hold 0, are marked in `ok` and never used."""
    out = np.zeros(len(ok), np.int64)
    out[ok] = times.drop_nulls().to_numpy()
    return out
