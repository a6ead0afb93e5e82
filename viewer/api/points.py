"""The points of a thinned series as a table and as JSON, the latter from texts that are kept. Pure but for the store.

Formatting 6,000 points costs most of what a window costs, and windows of one signal share their points: so the texts of
a level are made in pieces, when a window first touches them, and kept in the store beside the level. An answer picks
and joins: Arrow copies the wanted texts one behind the other, outside the interpreter's lock, and what it has written
is the answer. It is what `write_json` gives for the table, byte for byte.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from viewer.series import SeriesResult, Trace
from viewer.store import Store

PIECE = 2048
PARTS = 3
ROWS_PER_POINT = 8  # where more rows stand behind a point, formatting the few points takes less than their neighbours
_END = ord("\n")  # stands behind each text until they are cut; no text holds one
_SEPARATORS = ((b',"min":', b',"min":\n'), (b',"max":', b',"max":\n'), (b"}\n", b"},\n"))


@dataclass(frozen=True)
class Texts:
    """Three texts per point: start of the row up to its smallest value, that value, the largest value and the end."""

    parts: pa.BinaryArray
    nbytes: int


def points_frame(result: SeriesResult, zone: str) -> pl.DataFrame:
    """Return (timestamp, value, min, max) in `zone`, null where there is no value."""
    return _frame(result.ts, result.mean, result.low, result.high, zone)


def points_json(store: Store, result: SeriesResult, zone: str) -> bytes:
    """Return the rows of `points_frame` as a JSON array of objects."""
    trace = result.trace
    if trace is None or not 0 < result.points_held <= ROWS_PER_POINT * trace.chosen.size:
        return points_frame(result, zone).write_json().encode()
    found = (trace.chosen, trace.low, trace.high)
    first, last = int(trace.chosen[0]) // PIECE, max(int(rows[-1]) for rows in found) // PIECE
    kept = [_texts(store, trace, zone, number).parts for number in range(first, last + 1)]
    wanted = np.empty((trace.chosen.size, PARTS), dtype=np.int64)
    for part, rows in enumerate(found):
        wanted[:, part] = PARTS * rows + (part - PARTS * PIECE * first)
    if trace.places.size:
        broken = trace.places + np.arange(trace.places.size)
        gaps = _cut(*(v[broken] for v in (result.ts, result.mean, result.low, result.high)), zone).parts
        own = sum(map(len, kept)) + np.arange(len(gaps)).reshape(-1, PARTS)
        wanted = np.insert(wanted, trace.places, own, axis=0)
        kept.append(gaps)
    return _joined(pa.chunked_array(kept).take(pa.array(wanted.ravel())))


def _joined(texts: pa.ChunkedArray) -> bytes:
    """Return the texts as one array; they lie one behind the other in memory."""
    chunks = []
    for chunk in texts.chunks:
        _, offsets, data = chunk.buffers()
        ends = np.frombuffer(offsets, dtype=np.int32)[[chunk.offset, chunk.offset + len(chunk)]]
        chunks.append(memoryview(data)[ends[0] : ends[1]])
    chunks[-1] = chunks[-1][:-1]  # no comma after the last row
    return b"".join([b"[", *chunks, b"]"])


def _texts(store: Store, trace: Trace, zone: str, number: int) -> Texts:
    whole, piece = trace.columns, slice(number * PIECE, (number + 1) * PIECE)
    return store.derived(
        trace.table,
        ("texts", whole.serial, zone, number),
        lambda: _cut(whole.ts[piece], whole.mean[piece], whole.low[piece], whole.high[piece], zone),
        lambda texts: texts.nbytes,
    )


def _cut(ts: np.ndarray, mean: np.ndarray, low: np.ndarray, high: np.ndarray, zone: str) -> Texts:
    text = _frame(ts, mean, low, high, zone).write_ndjson().encode()
    for found, put in _SEPARATORS:
        text = text.replace(found, put)
    ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == _END)
    offsets = np.zeros(ends.size + 1, dtype=np.int32)
    offsets[1:] = ends - np.arange(ends.size)
    data = text.replace(b"\n", b"")
    parts = pa.BinaryArray.from_buffers(pa.binary(), ends.size, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    return Texts(parts, len(data) + offsets.nbytes)


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
