"""Local wall clocks and UTC, by a table of transitions instead of one look-up per row.

Here: which instants a zone changes its offset, local readings to UTC (with the repeated and the missing hour), and
the local hours, days and months that UTC buckets belong to. Times are int64 microseconds since 1970 throughout.
Zones come from the IANA database by `zoneinfo`. Next: `reader.py` and `resolution.py`, which use this.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
QUARTER = 15 * MINUTE
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

OK, NONEXISTENT, AMBIGUOUS = 0, 1, 2
CONTEXT_ROWS = 8  # rows on either side of a repeated hour that tell the cadence

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Before:
    """What is known of the rows just before a chunk of a grown file.

    `clocks` are the wall clocks of at most `CONTEXT_ROWS` naive rows in file order [µs] and `utc` the instant of the
    last of them; `written` is the time of the last readable row of any kind, as it stands in the file.
    """

    clocks: tuple[int, ...] = ()
    utc: int | None = None
    written: int | None = None


NOTHING_BEFORE = Before()


@dataclass(frozen=True)
class Transition:
    """A change of offset at the UTC instant `at` from `before` to `after` [µs]."""

    at: int
    before: int
    after: int


def to_us(moment: datetime) -> int:
    """Return an aware datetime as microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    """Return microseconds since 1970 as an aware UTC datetime."""
    return EPOCH + timedelta(microseconds=int(us))


def offset_at(zone: ZoneInfo, us: int) -> int:
    """Return the zone's offset from UTC [µs] at a UTC instant."""
    offset = from_us(us).astimezone(zone).utcoffset()
    if offset is None:  # pragma: no cover - zoneinfo always answers
        msg = f"zone {zone.key} has no offset at {from_us(us)}"
        raise ValueError(msg)
    return offset // timedelta(microseconds=1)


@lru_cache(maxsize=256)
def _transitions_of_year(zone: ZoneInfo, year: int) -> tuple[Transition, ...]:
    start, end = to_us(datetime(year, 1, 1, tzinfo=UTC)), to_us(datetime(year + 1, 1, 1, tzinfo=UTC))
    found = []
    step = 7 * DAY  # no zone has changed twice within a week since 1970 but for Ramadan pauses of four weeks
    left, left_offset = start, offset_at(zone, start)
    while left < end:
        right = min(left + step, end)
        right_offset = offset_at(zone, right)
        if right_offset != left_offset:
            found.append(_bisect(zone, left, right, left_offset, right_offset))
        left, left_offset = right, right_offset
    return tuple(found)


def _bisect(zone: ZoneInfo, left: int, right: int, before: int, after: int) -> Transition:
    while right - left > SECOND:
        middle = (left + right) // (2 * SECOND) * SECOND
        if offset_at(zone, middle) == before:
            left = middle
        else:
            right = middle
    return Transition(right, before, after)


def transitions(zone: ZoneInfo, start: int, end: int) -> list[Transition]:
    """Return the zone's changes of offset with start <= instant < end [µs, UTC], in order."""
    years = range(from_us(start).year, from_us(end).year + 1)
    return [t for year in years for t in _transitions_of_year(zone, year) if start <= t.at < end]


def local_to_utc(
    local: Int, zone: ZoneInfo, previous: Before = NOTHING_BEFORE
) -> tuple[Int, NDArray[np.uint8]]:
    """Turn local wall-clock times, in file order, into UTC.

    Args:
        local: wall clock [µs], in the order of the file; need not be sorted.
        zone: the zone of the clock.
        previous: the rows just before the first one, for the rest of a grown file.

    Returns:
        UTC [µs] and a status per row: OK, NONEXISTENT (inside the hour that spring skips) or AMBIGUOUS (inside the
        repeated hour, where neither order nor cadence tells which pass it is).
    """
    status = np.zeros(len(local), np.uint8)
    if len(local) == 0:
        return local.copy(), status
    low, high = int(local.min()) - 2 * DAY, int(local.max()) + 2 * DAY
    changes = transitions(zone, low, high)
    first_offset = offset_at(zone, low)
    if not changes:
        return local - first_offset, status
    thresholds = np.array([t.at + max(t.before, t.after) for t in changes])
    offsets = np.array([first_offset, *(t.after for t in changes)])
    in_order = bool((local[1:] >= local[:-1]).all())
    if in_order:  # as files are but for the repeated hour: one slice per offset, and no row is looked up by itself
        cuts = [0, *np.searchsorted(local, thresholds).tolist(), len(local)]
        utc = np.empty_like(local)
        for offset, start, stop in zip(offsets.tolist(), cuts, cuts[1:], strict=False):
            np.subtract(local[start:stop], offset, out=utc[start:stop])
    else:
        utc = local - offsets[np.searchsorted(thresholds, local, side="right")]
    for change in changes:
        inside = _rows_between(local, change.at + change.before, change.at + change.after, in_order)
        if len(inside) == 0:
            continue
        if change.after > change.before:
            status[inside] = NONEXISTENT
        else:
            _resolve_repeated(local, utc, status, change, inside, previous)
    return utc, status


def _rows_between(local: Int, one: int, other: int, in_order: bool) -> Int:
    """Positions of the wall-clock times from the smaller to before the larger of two borders."""
    low, high = min(one, other), max(one, other)
    if in_order:
        return np.arange(*np.searchsorted(local, (low, high)))
    return np.flatnonzero((local >= low) & (local < high))


def first_open_row(local: Int, zone: ZoneInfo) -> int:
    """Return where the rows begin whose pass through a repeated hour may only be seen from what is written next.

    That is every visit to the hour with fewer rows behind it than tell the cadence; the number of rows where there is
    none. `local` are the last wall clocks of a file, in its order.
    """
    stop = len(local)
    if stop == 0:
        return 0
    inside = np.zeros(stop, bool)
    for change in transitions(zone, int(local.min()) - 2 * DAY, int(local.max()) + 2 * DAY):
        if change.after < change.before:
            inside |= (local >= change.at + change.after) & (local < change.at + change.before)
    rows = np.flatnonzero(inside)
    while len(rows) and int(rows[-1]) + CONTEXT_ROWS >= stop:
        begins = np.flatnonzero(np.diff(rows) > 1)
        begin = int(begins[-1]) + 1 if len(begins) else 0
        stop, rows = int(rows[begin]), rows[:begin]
    return stop


def _resolve_repeated(
    local: Int, utc: Int, status: NDArray[np.uint8], change: Transition, inside: Int,
    previous: Before,
) -> None:
    """Decide for the rows inside a repeated hour which pass they belong to, and write UTC and status in place."""
    # One visit of the file to the hour = one run of neighbouring rows; each visit is judged by itself.
    for run in np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1):
        start, stop = int(run[0]), int(run[-1]) + 1
        before = int(utc[start - 1]) if start > 0 else previous.utc
        after = int(utc[stop]) if stop < len(local) else None
        around = local[max(0, start - CONTEXT_ROWS) : stop + CONTEXT_ROWS]
        missing = previous.clocks[start - CONTEXT_ROWS :] if start < CONTEXT_ROWS else ()
        cadence = _cadence(np.concatenate([np.array(missing, np.int64), around]) if missing else around)
        # Neighbours further than a day away say nothing about which pass a row belongs to.
        first, second = _price_passes(
            local[start:stop], change, cadence, _near(before, change.at), _near(after, change.at)
        )
        unknown = np.abs(first - second) <= _doubt(cadence, (change.before - change.after) / SECOND)
        utc[start:stop] = local[start:stop] - np.where(first <= second, change.before, change.after)
        status[start:stop][unknown] = AMBIGUOUS


def _doubt(cadence: float, shift: float) -> float:
    """Difference of prices [s] up to which the two passes are not told apart; rows come every `cadence` seconds.

    One gap more or less is no reason: an outage as long as the clock goes back leaves no trace on the wall clock, so
    that two outages may look like one. With a row per pass and fewer there is less to compare than a gap's price.
    """
    return min(2.05 * cadence, (1.1 if cadence <= 1.25 * shift else 1.9) * shift) + 1.0


def _near(neighbour: int | None, at: int) -> int | None:
    return neighbour if neighbour is not None and abs(neighbour - at) < DAY else None


def _cadence(local: Int) -> float:
    """Return the (lower) median forward step [s] of rows around the hour, 0 where there is none."""
    steps = np.diff(local)
    steps = np.sort(steps[(steps > 0) & (steps < DAY)])
    return float(steps[(len(steps) - 1) // 2]) / SECOND if len(steps) else 0.0


def _price_passes(
    run: Int, change: Transition, cadence: float, before: int | None, after: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return per row the price of the most orderly way through the run, with the row in the first or second pass.

    Every way is priced by the disorder it leaves (`_step_price`), at both ends as well where neighbours are known:
    the shortest path over two states per row, forwards and backwards. Rows for which both prices are nearly the
    same could belong to either pass.
    """
    offsets = (change.before, change.after)
    # ways[a][b]: price of the step into a row of pass b from a row of pass a.
    ways = [[_step_price(np.diff(run) - offsets[b] + offsets[a], cadence) for b in (0, 1)] for a in (0, 1)]
    rows = len(run)
    ahead, behind = np.zeros((rows, 2)), np.zeros((rows, 2))
    for state in (0, 1):
        if before is not None:
            ahead[0, state] = _step_price(run[:1] - offsets[state] - before, cadence)[0]
        if after is not None:
            behind[-1, state] = _step_price(after - (run[-1:] - offsets[state]), cadence)[0]
    for i in range(1, rows):
        for state in (0, 1):
            ahead[i, state] = min(ahead[i - 1, a] + ways[a][state][i - 1] for a in (0, 1))
            behind[-1 - i, state] = min(behind[-i, b] + ways[state][b][-i] for b in (0, 1))
    total = ahead + behind
    return total[:, 0], total[:, 1]


def _step_price(steps: Int, cadence: float) -> NDArray[np.float64]:
    """Price of each step [s]: time that runs backwards counts tenfold; a gap costs two cadences, however long it is.

    Were a long gap dearer than a short one, an outage across the hour would be explained away by the nearer pass.
    """
    s = steps / SECOND
    return np.where(s < 0, 10.0 * -s + cadence, np.minimum(np.abs(s - cadence), 2.0 * cadence))


def local_offsets(utc: Int, zone: ZoneInfo) -> Int:
    """Return the zone's offset [µs] at each UTC instant; `utc` must be sorted."""
    if len(utc) == 0:
        return utc.copy()
    changes = transitions(zone, int(utc[0]), int(utc[-1]) + 1)
    offsets = np.array([offset_at(zone, int(utc[0])), *(t.after for t in changes)])
    return offsets[np.searchsorted(np.array([t.at for t in changes], np.int64), utc, side="right")]


def day_start(zone: ZoneInfo, day: date) -> int:
    """Return the first existing instant of a local date [µs, UTC], also where midnight is skipped or repeated."""
    midnight = to_us(datetime(day.year, day.month, day.day, tzinfo=UTC))
    for change in transitions(zone, midnight - 2 * DAY, midnight + 2 * DAY):
        low, high = sorted((change.at + change.before, change.at + change.after))
        if low <= midnight < high:
            skipped = change.after > change.before
            return change.at if skipped else midnight - change.before
    return midnight - offset_at(zone, midnight - offset_at(zone, midnight))


def month_bounds(zone: ZoneInfo, month: str) -> tuple[int, int]:
    """Return start and end [µs, UTC] of a local month 'YYYY-MM'."""
    year, number = int(month[:4]), int(month[5:])
    following = date(year + number // 12, number % 12 + 1, 1)
    return day_start(zone, date(year, number, 1)), day_start(zone, following)


def month_of(zone: ZoneInfo, us: int) -> str:
    """Return the local month 'YYYY-MM' of a UTC instant."""
    return from_us(us).astimezone(zone).strftime("%Y-%m")


def months_between(zone: ZoneInfo, start: int, end: int) -> list[str]:
    """Return the local months that the closed range of UTC instants touches, in order."""
    months, current, last = [], month_of(zone, start), month_of(zone, end)
    while current <= last:
        months.append(current)
        year, number = int(current[:4]), int(current[5:])
        current = f"{year + number // 12:04d}-{number % 12 + 1:02d}"
    return months


def bucket_starts(zone: ZoneInfo, start: int, end: int, level: str) -> Int:
    """Return the UTC starts of all buckets of a level in [start, end), which are local month borders.

    5min and 15min align to UTC. 1h is the local wall-clock hour, so that a repeated hour has two buckets and a
    shift by half an hour cuts one; 1d is the local date from its first existing instant.
    """
    if level in {"5min", "15min"}:
        return np.arange(start, end, 5 * MINUTE if level == "5min" else QUARTER, dtype=np.int64)
    if level == "1d":
        first = from_us(start).astimezone(zone).date()
        days = round((end - start) / DAY) + 2
        starts = np.array([day_start(zone, first + timedelta(days=d)) for d in range(days)], np.int64)
        return starts[(starts >= start) & (starts < end)]
    quarters = np.arange(start, end, QUARTER, dtype=np.int64)
    offsets = local_offsets(quarters, zone)
    hours = (quarters + offsets) // HOUR
    new = np.concatenate([[True], (np.diff(hours) != 0) | (np.diff(offsets) != 0)])
    # A change of offset by whole hours at a full hour starts a bucket anyway; by half an hour it cuts one in two.
    return quarters[new]
