"""The points of a thinned series as a table and as JSON, the latter in pieces that are kept. Pure but for the store.

Writing and compressing 6,000 points costs most of what a window costs, and windows of one signal share their blocks: so
text and compressed text of a block are made once and kept in the store beside it; an answer strings them together. Its
text is what `write_json` gives for the table, byte for byte.
"""

import numpy as np
import polars as pl

from viewer.api.pieces import COMMA, Piece, kept_piece
from viewer.series import SeriesResult
from viewer.series_blocks import Block, gap_point
from viewer.series_thinning import Thinned
from viewer.store import Store

TEXT_BYTES = 130  # of a point, with its compressed text


def points_frame(result: SeriesResult, zone: str) -> pl.DataFrame:
    """Return (timestamp, value, min, max) in `zone`, null where there is no value."""
    return _frame(result.ts, result.mean, result.low, result.high, zone)


def points_json(store: Store, result: SeriesResult, zone: str) -> list[Piece]:
    """Return the rows of `points_frame` as a JSON array of objects, in pieces."""
    blocks = result.blocks
    if blocks is None or not blocks.parts:
        return [Piece(points_frame(result, zone).write_json().encode())]
    fresh, book_of = _fresh_rows(blocks.parts, zone), blocks.books(store, ("texts", zone), TEXT_BYTES)
    pieces = [Piece(b"[")]
    for number, block in enumerate(blocks.parts):
        if block.after_gap:
            pieces += [COMMA, Piece(_rows(gap_point(blocks.parts[number - 1].points), zone))]
        pieces += [COMMA] if number else []
        if block.number is None:
            pieces.append(Piece(fresh[number]))
            continue
        book = book_of(block.number)
        if block.number not in book:
            book[block.number] = kept_piece(_rows(block.kept, zone))
        kept = book[block.number]
        pieces.append(kept if block.cut is None else Piece(_part(kept.text, *block.cut)))
    return [*pieces, Piece(b"]")]


def _part(text: bytes, first: int, stop: int) -> bytes:
    """Return the rows from `first` up to `stop` of a block; a brace opens each."""
    opens = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("{"))
    return text[opens[first] : opens[stop] - 1 if stop < opens.size else None]


def _fresh_rows(parts: list[Block], zone: str) -> dict[int, bytes]:
    """Return the rows of the blocks that nobody keeps, written by one call."""
    places = [i for i, block in enumerate(parts) if block.number is None]
    points = [parts[i].points for i in places]
    if not points:
        return {}
    arrays = (np.concatenate([getattr(p, name) for p in points]) for name in ("ts", "mean", "low", "high"))
    rows = _rows(Thinned(*arrays, 0, 0), zone)[1:-1].split(b"},{")
    ends = np.cumsum([p.ts.size for p in points]).tolist()
    return {
        i: b"{%s}" % b"},{".join(rows[end - p.ts.size : end]) for i, p, end in zip(places, points, ends, strict=True)
    }


def _rows(points: Thinned, zone: str) -> bytes:
    """Return the rows as JSON objects with commas between them."""
    return _frame(points.ts, points.mean, points.low, points.high, zone).write_json().encode()[1:-1]


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
