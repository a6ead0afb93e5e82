"""From columns to readings: times in UTC, values in the signal's unit, and every refused row with its reason.

The reasons are named in `reasons.py`; a row is counted once per signal, as read, and either accepted or rejected.
Duplicates and conflicts are not known here: they need all rows of a signal. Next: `merge.py`.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_pipeline.compute.layout import Layout, Target
from energy_pipeline.compute.lines import Lines
from energy_pipeline.compute.reader import Columns
from energy_pipeline.compute.reasons import CODES
from energy_pipeline.compute.row_times import utc_times
from energy_pipeline.compute.zones import NOTHING_BEFORE, Before

REJECT_SCHEMA = {
    "signal": pl.String, "line": pl.Int64, "ts": pl.Int64, "value": pl.Float64, "raw": pl.String, "reason": pl.String,
}


@dataclass
class SignalRows:
    """Accepted rows of one signal in one chunk, in file order, and how many rows were read and rejected."""

    target: Target
    ts: NDArray[np.int64]
    value: NDArray[np.float64]
    rows: NDArray[np.int64] | None
    lines: Lines
    rows_read: int
    rows_rejected: int

    def row(self, index: int) -> int:
        """Row of the chunk that an accepted row came from."""
        return index if self.rows is None else int(self.rows[index])


@dataclass
class ParsedChunk:
    """All signals of one chunk with the rejected rows and what the next chunk of a grown file must know.

    `unnamed` counts the rows of a long file per key that no rule names, `torn` those whose key cannot be read.
    """

    signals: dict[str, SignalRows]
    rejects: pl.DataFrame
    end: Before
    unnamed: dict[str, int]
    torn: int = 0


def interpret(
    columns: Columns, layout: Layout, limits_us: tuple[int, int], previous: Before = NOTHING_BEFORE
) -> ParsedChunk:
    """Turn the columns of one chunk into readings and rejected rows.

    Args:
        columns: as read, in file order.
        layout: the plan of the file.
        limits_us: earliest and latest allowed time [µs, UTC]; rows outside are `out_of_time_range`.
        previous: the rows before this chunk, where the file has grown.
    """
    utc, codes, end = utc_times(columns, layout, limits_us, previous)
    for row, reason in columns.broken.items():
        codes[row] = CODES.index(reason)
    clean_time = not codes.any()
    signals: dict[str, SignalRows] = {}
    rejects: list[pl.DataFrame] = []
    for target in layout.targets:
        rows, refused = _signal_rows(columns, layout, target, utc, codes, clean_time)
        signals[target.signal] = rows
        if refused is not None:
            rejects.append(refused)
    torn, unnamed = 0, {}
    if columns.keys is not None:
        unnamed = _unnamed(columns, layout)
        if columns.broken:
            rejects.append(_nameless(columns, layout, utc, codes))
            torn = len(rejects[-1])
    frame = pl.concat(rejects) if rejects else pl.DataFrame(schema=REJECT_SCHEMA)
    return ParsedChunk(signals, frame, end, unnamed, torn)


def _signal_rows(
    columns: Columns, layout: Layout, target: Target, utc: NDArray[np.int64], codes: NDArray[np.uint8],
    clean_time: bool,
) -> tuple[SignalRows, pl.DataFrame | None]:
    name = str(layout.source.value_column) if layout.is_long else target.column
    values, state = columns.values[name], columns.state[name]
    rows: NDArray[np.int64] | None = None
    if layout.is_long:
        rows = np.flatnonzero((columns.keys == target.column).fill_null(False).to_numpy())  # type: ignore[union-attr]
    elif len(layout.value_columns) > 1 and state is not None and (state == 1).any():
        # In a wide file an empty cell is the absence of a reading; a broken row is one reading lost per signal.
        rows = np.flatnonzero((state != 1) | _broken(columns))
    if rows is not None:
        utc, codes, values = utc[rows], codes[rows], values[rows]
        state = None if state is None else state[rows]
    with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite is refused below
        if columns.factors is not None and rows is not None:
            values = values * columns.factors[rows]
        stored = values if target.factor == 1.0 and target.offset == 0.0 else values * target.factor + target.offset
    verdict = _judge(values, stored, state, target, codes, clean_time)
    if target.limits is not None:
        low, high = target.limits
        if len(stored) and not (low <= stored.min() and stored.max() <= high):  # NaN is neither
            verdict = np.zeros(len(values), np.uint8) if verdict is None else verdict
            outside = (stored < low) | (stored > high)
            verdict[outside & (verdict == 0)] = CODES.index("out_of_range")
    if verdict is None:
        return SignalRows(target, utc, stored, rows, columns.lines, len(utc), 0), None
    keep = verdict == 0
    bad = np.flatnonzero(~keep)
    source_rows = np.arange(len(columns)) if rows is None else rows
    kept = SignalRows(
        target, utc[keep], stored[keep], source_rows[keep], columns.lines, len(utc), len(bad)
    )
    refused = _refused(target, bad, source_rows, utc, stored, verdict, columns) if len(bad) else None
    return kept, refused


def _unnamed(columns: Columns, layout: Layout) -> dict[str, int]:
    """Rows per key that no rule names, the most frequent first; torn rows are counted by `_nameless`."""
    keys = columns.keys
    if keys is None or len(keys) == 0:
        return {}
    other = ~keys.is_in([t.column for t in layout.targets]).fill_null(False)
    if columns.broken:
        other &= pl.Series(~_broken(columns))
    counts = keys.filter(other).fill_null("").value_counts(sort=True, name="rows")
    return {str(key): int(rows) for key, rows in counts.iter_rows()}


def _nameless(
    columns: Columns, layout: Layout, utc: NDArray[np.int64], codes: NDArray[np.uint8]
) -> pl.DataFrame:
    """Torn rows of a long file whose key names no signal: refused without one, so that they are not lost."""
    known = {t.column for t in layout.targets}
    rows = np.array([r for r in sorted(columns.broken) if columns.keys[r] not in known], np.int64)  # type: ignore[index]
    nothing = np.full(len(rows), np.nan)
    return _refused(None, np.arange(len(rows)), rows, utc[rows], nothing, codes[rows], columns)


def _broken(columns: Columns) -> NDArray[np.bool_]:
    mask = np.zeros(len(columns), bool)
    mask[list(columns.broken)] = True
    return mask


def _judge(
    values: NDArray[np.float64], stored: NDArray[np.float64], state: NDArray[np.uint8] | None, target: Target,
    codes: NDArray[np.uint8], clean_time: bool,
) -> NDArray[np.uint8] | None:
    """Return a reason code per row, or None where every row is good so far; `stored` is `values` in our unit."""
    verdict: NDArray[np.uint8] | None = None if clean_time else codes.copy()

    def mark(mask: NDArray[np.bool_], reason: str) -> None:
        nonlocal verdict
        if mask.any():
            verdict = np.zeros(len(values), np.uint8) if verdict is None else verdict
            verdict[mask & (verdict == 0)] = CODES.index(reason)

    if state is not None:
        mark(state == 1, "missing_value")
        mark(state == 2, "unparsable_value")
    # Most files hold nothing to refuse: their extremes say so (NaN is contagious), and no row needs a look.
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    largest = max(abs(low), abs(high)) * abs(target.factor) + abs(target.offset)  # NaN is contagious here too
    if not np.isfinite(largest):
        mark(~np.isfinite(stored), "not_finite")
    for sentinel in target.sentinels:
        near = 1e-9 * max(1.0, abs(sentinel))
        if not (sentinel < low - near or sentinel > high + near):
            mark(np.abs(values - sentinel) <= near, "sentinel")
    return verdict


def _refused(
    target: Target | None, bad: NDArray[np.int64], source_rows: NDArray[np.int64], utc: NDArray[np.int64],
    stored: NDArray[np.float64], verdict: NDArray[np.uint8], columns: Columns,
) -> pl.DataFrame:
    rows = source_rows[bad]
    time_known = columns.time_ok[rows] & ~np.isin(
        verdict[bad], [CODES.index("nonexistent_local_time"), CODES.index("ambiguous_local_time"),
                       CODES.index("midnight_label")]
    )
    finite = np.isfinite(stored[bad])
    return pl.DataFrame(
        {
            "signal": [None if target is None else target.signal] * len(bad),
            "line": [columns.lines.number(int(r)) for r in rows],
            "ts": [int(t) if known else None for t, known in zip(utc[bad], time_known, strict=True)],
            "value": [float(v) if ok else None for v, ok in zip(stored[bad], finite, strict=True)],
            "raw": [columns.lines.text(int(r)) for r in rows],
            "reason": [CODES[c] for c in verdict[bad]],
        },
        schema=REJECT_SCHEMA,
    )
