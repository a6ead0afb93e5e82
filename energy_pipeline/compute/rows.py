"""From columns to readings: times in UTC, values in the signal's unit, and every refused row with its reason.

The reasons are named in `REASONS`; a row is counted once per signal, as read, and either accepted or rejected.
Duplicates and conflicts are not known here: they need all rows of a signal. Next: `merge.py`.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_pipeline.compute import zones
from energy_pipeline.compute.layout import Layout, Target
from energy_pipeline.compute.lines import Lines
from energy_pipeline.compute.reader import Columns

REASONS = {
    "unparsable_time": "the time could not be read",
    "nonexistent_local_time": "the local time falls into the hour that spring skips",
    "ambiguous_local_time": "the local time falls into the repeated hour and nothing tells which pass it is",
    "out_of_time_range": "earlier than first_month, or more than a day ahead of the clock",
    "midnight_label": "a row at 00:00 carries the date of the day that it ends (setting `midnight` moves it)",
    "missing_value": "the value is empty",
    "unparsable_value": "the value is not a number",
    "not_finite": "the value is NaN or infinite",
    "sentinel": "the value is one that means `no value`",
    "out_of_range": "the value lies outside the signal's range",
    "wrong_field_count": "the row has more or fewer fields than the header",
    "bad_encoding": "the row is not text in the file's encoding",
    "conflict": "another reading of the same signal and time has a smaller value",
}
_CODES = ["", *REASONS]
REJECT_SCHEMA = {
    "signal": pl.String, "line": pl.Int64, "ts": pl.Int64, "value": pl.Float64, "raw": pl.String, "reason": pl.String,
}
FAR_US = 3 * zones.DAY  # further outside the allowed times than this, no zone has to be asked


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
    """All signals of one chunk with the rejected rows and what the next chunk of a grown file must know."""

    signals: dict[str, SignalRows]
    rejects: pl.DataFrame
    end_local_us: int | None
    end_ts_us: int | None


def interpret(
    columns: Columns, layout: Layout, limits_us: tuple[int, int], previous: tuple[int, int] | None = None
) -> ParsedChunk:
    """Turn the columns of one chunk into readings and rejected rows.

    Args:
        columns: as read, in file order.
        layout: the plan of the file.
        limits_us: earliest and latest allowed time [µs, UTC]; rows outside are `out_of_time_range`.
        previous: wall clock and UTC [µs] of the row before this chunk, where the file has grown.
    """
    utc, codes = _utc_times(columns, layout, limits_us, previous)
    for row, reason in columns.broken.items():
        codes[row] = _CODES.index(reason)
    clean_time = not codes.any()
    signals: dict[str, SignalRows] = {}
    rejects: list[pl.DataFrame] = []
    for target in layout.targets:
        rows, refused = _signal_rows(columns, layout, target, utc, codes, clean_time)
        signals[target.signal] = rows
        if refused is not None:
            rejects.append(refused)
    if columns.keys is not None and columns.broken:
        rejects.append(_nameless(columns, layout, utc, codes))
    frame = pl.concat(rejects) if rejects else pl.DataFrame(schema=REJECT_SCHEMA)
    good = np.flatnonzero(codes == 0)
    if len(good) == 0:
        return ParsedChunk(signals, frame, None, None)
    last = int(good[-1])
    # The context of the next append is the clock as written, before an end label is moved to the start.
    return ParsedChunk(signals, frame, int(columns.time_us[last]), int(utc[last]) + _label_shift(layout))


def _label_shift(layout: Layout) -> int:
    source = layout.source
    return round(source.interval_s * zones.SECOND) if source.label == "end" and source.interval_s is not None else 0


def _utc_times(
    columns: Columns, layout: Layout, limits_us: tuple[int, int], previous: tuple[int, int] | None
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    codes = np.zeros(len(columns), np.uint8)
    codes[~columns.time_ok] = _CODES.index("unparsable_time")
    times = columns.time_us
    if layout.source.midnight != "as_written":
        times = _midnight(times, columns, layout, codes, previous)
    low, high = limits_us
    earliest, latest = _ends(times)
    near = times
    if earliest < low - FAR_US or latest > high + FAR_US:
        near = np.clip(times, low - FAR_US, high + FAR_US)
    utc = near
    naive = columns.time_ok & ~columns.is_utc
    if naive.all():
        utc, status = zones.local_to_utc(near, layout.zone, previous)
        _mark_zone(codes, status)
    elif naive.any():
        utc = near.copy()
        part, status = zones.local_to_utc(near[naive], layout.zone, previous)
        utc[naive] = part
        full = np.zeros(len(columns), np.uint8)
        full[naive] = status
        _mark_zone(codes, full)
    if near is not times:
        utc = utc + (times - near)
    if shift := _label_shift(layout):
        utc = utc - shift
    earliest, latest = _ends(utc)
    if earliest < low or latest > high:
        codes[((utc < low) | (utc > high)) & (codes == 0)] = _CODES.index("out_of_time_range")
    return utc, codes


def _ends(times: NDArray[np.int64]) -> tuple[int, int]:
    """Smallest and largest, (0, 0) of none: two passes that need no memory, where a mask of all rows would."""
    return (int(times.min()), int(times.max())) if len(times) else (0, 0)


def _mark_zone(codes: NDArray[np.uint8], status: NDArray[np.uint8]) -> None:
    if status.any():
        codes[(status == zones.NONEXISTENT) & (codes == 0)] = _CODES.index("nonexistent_local_time")
        codes[(status == zones.AMBIGUOUS) & (codes == 0)] = _CODES.index("ambiguous_local_time")


def _midnight(
    times: NDArray[np.int64], columns: Columns, layout: Layout, codes: NDArray[np.uint8],
    previous: tuple[int, int] | None,
) -> NDArray[np.int64]:
    """Find rows at 00:00 that carry the date of the day they end, and move or refuse them as the settings say.

    Such a row follows a later time of its own day and is followed by the next day: the file jumps back by more than
    half a day and then forward by more than one. Each row is judged by its neighbours alone, so that the rest of a
    grown file is judged as the whole would be.
    """
    if len(times) == 0:
        return times
    back = np.flatnonzero(times[1:] - times[:-1] <= -zones.DAY // 2) + 1
    if previous is not None and times[0] - previous[0] <= -zones.DAY // 2:
        back = np.concatenate([[0], back])
    found = back[(times[back] % zones.DAY == 0) & columns.time_ok[back]]
    if len(found) == 0:
        return times
    first_before = times[0] if previous is None else previous[0]
    before = times[found] - np.where(found > 0, times[found - 1], first_before)
    following = np.where(found + 1 < len(times), times[np.minimum(found + 1, len(times) - 1)], times[found] + zones.DAY)
    wrong = found[(before > -zones.DAY) & (following - times[found] >= zones.DAY)]
    if len(wrong) == 0:
        return times
    if layout.source.midnight == "next_day":
        moved = times.copy()
        moved[wrong] += zones.DAY
        return moved
    codes[wrong] = _CODES.index("midnight_label")
    return times


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
            verdict[outside & (verdict == 0)] = _CODES.index("out_of_range")
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
            verdict[mask & (verdict == 0)] = _CODES.index(reason)

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
        verdict[bad], [_CODES.index("nonexistent_local_time"), _CODES.index("ambiguous_local_time"),
                       _CODES.index("midnight_label")]
    )
    finite = np.isfinite(stored[bad])
    return pl.DataFrame(
        {
            "signal": [None if target is None else target.signal] * len(bad),
            "line": [columns.lines.number(int(r)) for r in rows],
            "ts": [int(t) if known else None for t, known in zip(utc[bad], time_known, strict=True)],
            "value": [float(v) if ok else None for v, ok in zip(stored[bad], finite, strict=True)],
            "raw": [columns.lines.text(int(r)) for r in rows],
            "reason": [_CODES[c] for c in verdict[bad]],
        },
        schema=REJECT_SCHEMA,
    )
