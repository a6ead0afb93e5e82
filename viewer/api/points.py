"""The points of a thinned series as a table and as JSON, the latter in pieces that are kept. Pure but for the store.

Writing and compressing 6,000 points costs most of what a window costs, and windows of one signal share their blocks: so
text and compressed text of a block are made once and kept in the store beside it; an answer strings them together. Its
text is what `write_json` gives for the table, byte for byte.
"""

from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from viewer.api.formats import dump
from viewer.api.pieces import COMMA, Piece, kept_piece
from viewer.series import SeriesResult, from_us
from viewer.series_blocks import gap_point
from viewer.series_thinning import Thinned
from viewer.store import Store

FEW = 24  # rows
TEXT_BYTES = 130  # of a point, with its compressed text


def points_frame(result: SeriesResult, zone: str) -> pl.DataFrame:
    """Return (timestamp, value, min, max) in `zone`, null where there is no value."""
    return _frame(result.ts, result.mean, result.low, result.high, zone)


def points_json(store: Store, result: SeriesResult, zone: str) -> list[Piece]:
    """Return the rows of `points_frame` as a JSON array of objects, in pieces."""
    blocks = result.blocks
    if blocks is None or not blocks.parts:
        return [Piece(points_frame(result, zone).write_json().encode())]
    book_of = blocks.books(store, ("texts", zone), TEXT_BYTES)
    pieces = [Piece(b"[")]
    for number, block in enumerate(blocks.parts):
        if block.after_gap:
            pieces += [COMMA, Piece(_rows(gap_point(blocks.parts[number - 1].points), zone))]
        pieces += [COMMA] if number else []
        if block.number is None:
            pieces.append(Piece(_rows(block.points, zone)))
            continue
        book = book_of(block.number)
        if block.number not in book:
            store.spend(block.kept.ts.size)
            book[block.number] = kept_piece(_rows(block.kept, zone))
        kept = book[block.number]
        pieces.append(kept if block.cut is None else Piece(_part(kept.text, *block.cut)))
    return [*pieces, Piece(b"]")]


def _part(text: bytes, first: int, stop: int) -> bytes:
    """Return the rows from `first` up to `stop` of a block; a brace opens each."""
    opens = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("{"))
    return text[opens[first] : opens[stop] - 1 if stop < opens.size else None]


def _rows(points: Thinned, zone: str) -> bytes:
    """Return the rows as JSON objects with commas between them."""
    if points.ts.size <= FEW:
        return _few_rows(points, zone)
    return _frame(points.ts, points.mean, points.low, points.high, zone).write_json().encode()[1:-1]


def _few_rows(points: Thinned, zone: str) -> bytes:
    """Return the same text without a table, which for a few rows would take most of the time."""
    local = ZoneInfo(zone)
    columns = (points.ts.tolist(), points.mean.tolist(), points.low.tolist(), points.high.tolist())
    rows = [
        {"timestamp": _moment(ts, local), "value": value, "min": low, "max": high}
        for ts, value, low, high in zip(*columns, strict=True)
    ]
    return dump(rows)[1:-1]


def _moment(ts_us: int, zone: ZoneInfo) -> str:
    moment = from_us(ts_us).astimezone(zone)
    whole_ms = moment.microsecond and moment.microsecond % 1000 == 0  # three digits, as polars writes them
    return moment.isoformat(timespec="milliseconds" if whole_ms else "auto")


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
