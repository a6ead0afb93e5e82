"""The points of a thinned series as a table and as JSON, the latter from texts that are kept. Pure but for the store.

Formatting 6,000 points costs most of what a window costs, and windows of one signal share their points: so the texts of
a level are made in pieces, when a window first touches them, and kept in the store beside the level. An answer picks
and joins. It is what `write_json` gives for the table, byte for byte.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from viewer.series import Columns, SeriesResult, Trace
from viewer.store import Store

PIECE = 2048
_OBJECT_BYTES = 41  # head of a bytes object and the pointer to it
_SEPARATORS = ((b',"min":', b',"min":\n'), (b',"max":', b',"max":\n'), (b"}\n", b"},\n"))


@dataclass(frozen=True)
class Texts:
    """Three texts per point: start of the row up to its smallest value, that value, the largest value and the end."""

    parts: np.ndarray
    nbytes: int


def points_frame(result: SeriesResult, zone: str) -> pl.DataFrame:
    """Return (timestamp, value, min, max) in `zone`, null where there is no value."""
    return _frame(result.ts, result.mean, result.low, result.high, zone)


def points_json(store: Store, result: SeriesResult, zone: str) -> bytes:
    """Return the rows of `points_frame` as a JSON array of objects."""
    trace = result.trace
    if trace is None or not trace.chosen.size:
        return points_frame(result, zone).write_json().encode()
    first = int(trace.chosen[0]) // PIECE
    last = max(int(a[-1]) for a in (trace.chosen, trace.low, trace.high)) // PIECE
    parts = np.concatenate([_texts(store, trace, zone, number).parts for number in range(first, last + 1)])
    wanted = np.empty((trace.chosen.size, 3), dtype=np.int64)
    for column, rows in enumerate((trace.chosen, trace.low, trace.high)):
        wanted[:, column] = 3 * (rows - first * PIECE) + column
    flat = parts[wanted.ravel()]
    if trace.places.size:
        broken = trace.places + np.arange(trace.places.size)
        gaps = list(_lines(points_frame(result, zone)[broken]))
        flat = np.insert(flat, 3 * trace.places, np.array(gaps, dtype=object))
    texts = flat.tolist()
    texts[-1] = texts[-1][:-1] + b"]"  # no comma after the last row
    return b"".join([b"[", *texts])


def _texts(store: Store, trace: Trace, zone: str, number: int) -> Texts:
    whole = trace.columns
    return store.derived(
        trace.table,
        ("texts", whole.serial, zone, number),
        lambda: _make(whole, slice(number * PIECE, (number + 1) * PIECE), zone),
        lambda texts: texts.nbytes,
    )


def _make(whole: Columns, piece: slice, zone: str) -> Texts:
    text = _frame(whole.ts[piece], whole.mean[piece], whole.low[piece], whole.high[piece], zone).write_ndjson().encode()
    for found, put in _SEPARATORS:
        text = text.replace(found, put)
    parts = np.array(text.split(b"\n")[:-1], dtype=object)
    return Texts(parts, len(text) + parts.size * _OBJECT_BYTES)


def _lines(frame: pl.DataFrame) -> Iterator[bytes]:
    for line in frame.write_ndjson().encode().splitlines():
        yield line + b","


def _frame(ts: np.ndarray, mean: np.ndarray, low: np.ndarray, high: np.ndarray, zone: str) -> pl.DataFrame:
    """Return the table, made of finished columns.

    A polars expression would pass through its thread pool, which costs more than the work itself where many requests
    share few processors.
    """
    values = {"value": mean, "min": low, "max": high}
    return pl.DataFrame(
        [
            pl.Series("timestamp", ts, dtype=pl.Int64).cast(pl.Datetime("us", zone)),
            *(pl.Series(n, v, dtype=pl.Float64, nan_to_null=True) for n, v in values.items()),
        ]
    )
