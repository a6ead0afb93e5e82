"""The times of rows: wall clocks and midnight labels to UTC, and which rows of a growing file are still open.

Times are int64 microseconds. What the next chunk of a grown file must know is returned as `Before`, so that a file
read in parts gives the times of the whole. Next: `zones.py` for the zones, `rows.py`, which uses this.
"""

from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_pipeline.compute import zones
from energy_pipeline.compute.layout import Layout
from energy_pipeline.compute.reader import Columns
from energy_pipeline.compute.reasons import CODES
from energy_pipeline.compute.zones import Before
from energy_pipeline.settings import is_zone

OPEN_ROWS = 20_000  # more rows than two hours at one a second hold
FAR_US = 3 * zones.DAY  # further outside the allowed times than this, no zone has to be asked


def _label_shift(layout: Layout) -> int:
    source = layout.source
    return round(source.interval_s * zones.SECOND) if source.label == "end" and source.interval_s is not None else 0


def utc_times(
    columns: Columns, layout: Layout, limits_us: tuple[int, int], previous: Before
) -> tuple[NDArray[np.int64], NDArray[np.uint8], Before]:
    """Return per row the instant [µs, UTC] and a code of `CODES` (0: good), and what the next chunk must know."""
    codes = np.zeros(len(columns), np.uint8)
    codes[~columns.time_ok] = CODES.index("unparsable_time")
    times = columns.time_us
    if layout.source.midnight != "as_written":
        times = _midnight(times, columns, layout, codes, previous.written)
    low, high = limits_us
    earliest, latest = _ends(times)
    near = times
    if earliest < low - FAR_US or latest > high + FAR_US:
        near = np.clip(times, low - FAR_US, high + FAR_US)
    utc = near
    naive = columns.time_ok & ~columns.is_utc
    if columns.zones is not None:
        utc = _by_zone(near, naive, columns.zones, codes)
    elif naive.all():
        utc, status = zones.local_to_utc(near, layout.zone, previous)
        _mark_zone(codes, status)
    elif naive.any():
        utc = near.copy()
        part, status = zones.local_to_utc(near[naive], layout.zone, previous)
        utc[naive] = part
        full = np.zeros(len(columns), np.uint8)
        full[naive] = status
        _mark_zone(codes, full)
    end = _end(columns, near, naive, utc, previous)
    if near is not times:
        utc = utc + (times - near)
    if shift := _label_shift(layout):
        utc = utc - shift
    earliest, latest = _ends(utc)
    if earliest < low or latest > high:
        codes[((utc < low) | (utc > high)) & (codes == 0)] = CODES.index("out_of_time_range")
    return utc, codes, end


def _by_zone(
    near: NDArray[np.int64], naive: NDArray[np.bool_], names: pl.Series, codes: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Turn naive rows into UTC, each by the zone that its row names; rows of one zone are judged in their order."""
    utc = near.copy()
    names = names.fill_null("")
    for name in names.filter(pl.Series(naive)).unique().to_list():
        rows = np.flatnonzero(naive & (names == name).to_numpy())
        if not is_zone(name):
            codes[rows] = CODES.index("unparsable_time")
            continue
        utc[rows], status = zones.local_to_utc(near[rows], ZoneInfo(name))
        full = np.zeros(len(codes), np.uint8)
        full[rows] = status
        _mark_zone(codes, full)
    return utc


def _end(
    columns: Columns, near: NDArray[np.int64], naive: NDArray[np.bool_], utc: NDArray[np.int64], previous: Before
) -> Before:
    """What the next chunk must know: it depends on the rows alone, never on where chunks were cut."""
    clocks = _last(naive, zones.CONTEXT_ROWS)
    readable = _last(columns.time_ok, 1)
    return Before(
        (*previous.clocks, *near[clocks].tolist())[-zones.CONTEXT_ROWS :],
        int(utc[clocks[-1]]) if len(clocks) else previous.utc,
        # As written, before a midnight label or an end label is moved.
        int(columns.time_us[readable[-1]]) if len(readable) else previous.written,
    )


def _last(mask: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """Positions of the last true values, looked for from the end, as they mostly stand there."""
    for reach in (64, len(mask)):
        start = max(0, len(mask) - reach)
        found = np.flatnonzero(mask[start:]) + start
        if len(found) >= count or start == 0:
            break
    return found[-count:]


def settled_rows(columns: Columns, layout: Layout, limits_us: tuple[int, int], previous: Before) -> int:
    """Number of rows from the first on whose times no later row can change.

    Open are rows in a repeated hour that too few rows follow, and a row at 00:00 that may carry the date of the day
    it ends: only its follower tells. Looked for in the last rows alone.
    """
    start, stop = max(0, len(columns) - OPEN_ROWS), len(columns)
    low, high = limits_us
    times = columns.time_us
    if layout.source.midnight == "next_day":  # a moved row may come to stand in a repeated hour that begins at 00:00
        times = _midnight(times, columns, layout, np.zeros(len(columns), np.uint8), previous.written)
    times = np.clip(times[start:], low - FAR_US, high + FAR_US)
    readable = np.flatnonzero(columns.time_ok[start:])
    naive = np.flatnonzero(columns.time_ok[start:] & ~columns.is_utc[start:])
    while True:
        clocks = naive[naive < stop - start]
        first = zones.first_open_row(times[clocks], layout.zone)
        settled = stop if first == len(clocks) else start + int(clocks[first])
        rows = readable[readable < settled - start][-2:].tolist()
        before = int(columns.time_us[start + rows[0]]) if len(rows) == 2 else previous.written if start == 0 else None
        if rows and before is not None and layout.source.midnight in {"auto", "reject"}:
            last = int(columns.time_us[start + rows[-1]])
            if last % zones.DAY == 0 and -zones.DAY < last - before <= -zones.DAY // 2:
                settled = start + rows[-1]
        if settled == stop:
            return stop
        stop = settled


def _ends(times: NDArray[np.int64]) -> tuple[int, int]:
    """Smallest and largest, (0, 0) of none: two passes that need no memory, where a mask of all rows would."""
    return (int(times.min()), int(times.max())) if len(times) else (0, 0)


def _mark_zone(codes: NDArray[np.uint8], status: NDArray[np.uint8]) -> None:
    if status.any():
        codes[(status == zones.NONEXISTENT) & (codes == 0)] = CODES.index("nonexistent_local_time")
        codes[(status == zones.AMBIGUOUS) & (codes == 0)] = CODES.index("ambiguous_local_time")


def _midnight(
    times: NDArray[np.int64], columns: Columns, layout: Layout, codes: NDArray[np.uint8], before_us: int | None
) -> NDArray[np.int64]:
    """Find rows at 00:00 that carry the date of the day they end, and move or refuse them as the settings say.

    Such a row follows a later time of its own day: the file jumps back by more than half a day. Where nobody has said
    that the file is so (`next_day`), it must also jump forward by more than a day. Each row is judged by its readable
    neighbours alone, so that the rest of a grown file is judged as the whole would be.
    """
    readable = None if columns.time_ok.all() else np.flatnonzero(columns.time_ok)
    seen = times if readable is None else times[readable]
    if len(seen) == 0:
        return times
    back = np.flatnonzero(seen[1:] - seen[:-1] <= -zones.DAY // 2) + 1
    if before_us is not None and seen[0] - before_us <= -zones.DAY // 2:
        back = np.concatenate([[0], back])
    found = back[seen[back] % zones.DAY == 0]
    if len(found) == 0:
        return times
    before = seen[found] - np.where(found > 0, seen[found - 1], seen[0] if before_us is None else before_us)
    following = np.where(found + 1 < len(seen), seen[np.minimum(found + 1, len(seen) - 1)], seen[found] + zones.DAY)
    moves = layout.source.midnight == "next_day"
    wrong = found[(before > -zones.DAY) & (moves | (following - seen[found] >= zones.DAY))]
    if len(wrong) == 0:
        return times
    if readable is not None:
        wrong = readable[wrong]
    if moves:
        moved = times.copy()
        moved[wrong] += zones.DAY
        return moved
    codes[wrong] = CODES.index("midnight_label")
    return times
