"""Cumulative energy registers: which steps are real, and the energy between any two instants.

A monotone register may never fall and never rise faster than `p_max`. Every departure is judged over the whole
history of the register and becomes an audit row; the corrected register R(t) is linear between readings. The
increase over any span is the difference of R rounded once to 1e-4 kWh, so that sums telescope exactly.
Next: `resolution.py` spreads the corrected register over buckets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_pipeline.compute.zones import DAY, HOUR
from energy_pipeline.schemas.ingest import COUNTER_EVENTS

Int, Float = NDArray[np.int64], NDArray[np.float64]
STEP_KWH = 1e-4
RETURN_WITHIN_US = DAY
SPIKE_READINGS = 3
RESET_SHARE = 0.9


@dataclass(frozen=True)
class Event:
    """One judged step of a register; see the table `counter_events`."""

    ts: int
    ts_end: int | None
    kind: str
    old: float
    new: float
    booked_kwh: float
    provisional: bool = False
    overruled: bool = False

    @property
    def correction_kwh(self) -> float:
        """What is added to the register from this reading on, rounded to 1e-4 so that months telescope [kWh]."""
        return round(self.booked_kwh - (self.new - self.old), 4)


def judge_register(
    ts: Int, value: Float, p_max_kw: float, modulus: float | None = None,
    decisions: Mapping[int, str] | None = None,
) -> list[Event]:
    """Judge every fall and every impossible rise of a monotone register.

    In this order: dip (the old value is reached again within 24 h: the low readings are ignored), spike (one of the
    three readings before is not above the new value: the high readings are ignored), rollover (at `modulus`, or at
    the power of ten above), reset (to less than 0.9 of the old value), rebase. A rise faster than `p_max_kw`
    that is not taken back books nothing: jump.

    Args:
        ts: times [µs], strictly increasing, whole history.
        value: register [kWh].
        p_max_kw: largest plausible power [kW].
        modulus: value at which the register rolls over [kWh], where it is known.
        decisions: per event time [µs] 'accepted' (book the full step) or 'ignored' (book nothing).

    Returns:
        Events in order of time. Those within 24 h of the last reading are provisional.
    """
    decisions = decisions or {}
    suspects = np.flatnonzero(_implausible(ts, value, p_max_kw)) + 1
    events: list[Event] = []
    done = 0  # readings before this position are settled
    i_list = suspects.tolist()
    position = 0
    ignored: set[int] = set()
    while position < len(i_list):
        i = i_list[position]
        position += 1
        if i < done:
            continue
        event, next_free = _judge_step(ts, value, i, p_max_kw, modulus, ignored)
        if event is None:
            continue
        event = replace(event, provisional=int(ts[-1]) - event.ts < RETURN_WITHIN_US)
        events.append(_overrule(event, decisions.get(event.ts)))
        done = max(done, next_free)
    return events


def _implausible(ts: Int, value: Float, p_max_kw: float) -> NDArray[np.bool_]:
    rise = np.diff(value)
    return (rise < 0) | (rise > _limit(np.diff(ts), p_max_kw))


def _limit(dt_us: Int | int, p_max_kw: float) -> Float:
    return np.asarray(p_max_kw * np.asarray(dt_us, float) / HOUR + STEP_KWH)


def _judge_step(
    ts: Int, value: Float, i: int, p_max_kw: float, modulus: float | None, ignored: set[int]
) -> tuple[Event | None, int]:
    last = i - 1
    while last in ignored:
        last -= 1
    if last < 0:
        return None, i
    old, new = float(value[last]), float(value[i])
    if new - old > _limit(int(ts[i] - ts[last]), p_max_kw):
        end = _taken_back(ts, value, i, old)
        if end is not None:
            ignored.update(range(i, end))
            return Event(int(ts[i]), int(ts[end - 1]), "spike", old, new, 0.0), end
        return Event(int(ts[i]), None, "jump", old, new, 0.0), i + 1
    if new >= old:
        return None, i
    end = _reached_again(ts, value, i, old, p_max_kw, int(ts[last]))
    if end is not None:
        ignored.update(range(i, end))
        return Event(int(ts[i]), int(ts[end - 1]), "dip", old, new, 0.0), end
    start = _rise_before(value, last, new, ignored)
    if start is not None:
        ignored.update(range(start, i))
        base = float(value[start - 1])
        return Event(int(ts[start]), int(ts[i - 1]), "spike", base, old, 0.0), i
    kind, booked = _fall(old, new, int(ts[i] - ts[last]), p_max_kw, modulus)
    return Event(int(ts[i]), None, kind, old, new, booked), i + 1


def _taken_back(ts: Int, value: Float, i: int, old: float) -> int | None:
    """Position of the reading that takes an impossible rise back (falls below the risen level to the old course)."""
    stop = int(np.searchsorted(ts, ts[i] + RETURN_WITHIN_US, side="right"))
    falls = np.flatnonzero(np.diff(value[i:stop]) < 0) + i + 1
    for j in falls.tolist():
        if old <= value[j] < value[i]:
            return int(j)
    return None


def _reached_again(ts: Int, value: Float, i: int, old: float, p_max_kw: float, last_ts: int) -> int | None:
    """Position of the first reading within 24 h that is back at `old`; only if it is plausibly just above it."""
    stop = int(np.searchsorted(ts, ts[i] + RETURN_WITHIN_US, side="right"))
    back = np.flatnonzero(value[i:stop] >= old)
    if len(back) == 0:
        return None
    j = i + int(back[0])
    if value[j] - old > _limit(int(ts[j]) - last_ts, p_max_kw):
        return None
    steps = np.diff(value[i:j])
    # The step back to the old course may be of any size (a glitch to zero comes back at once); those below may not.
    return j if bool((steps <= _limit(np.diff(ts[i:j]), p_max_kw)).all()) else None


def _rise_before(value: Float, last: int, new: float, ignored: set[int]) -> int | None:
    """Start of the high readings before a fall: one of the three readings before is not above `new`."""
    for back in range(1, SPIKE_READINGS + 1):
        k = last - back
        if k < 0 or k in ignored:
            return None
        if value[k] <= new:
            return k + 1
    return None


def _fall(old: float, new: float, dt_us: int, p_max_kw: float, modulus: float | None) -> tuple[str, float]:
    limit = float(_limit(dt_us, p_max_kw))
    top = modulus if modulus is not None else 10.0 ** np.ceil(np.log10(old)) if old > 0 else None
    if top is not None and new >= 0 and 0 <= top - old + new <= limit:
        return "rollover", round(top - old + new, 4)
    if 0 <= new < RESET_SHARE * old:
        return "reset", round(new, 4) if new <= limit else 0.0
    return "rebase", 0.0


def _overrule(event: Event, decision: str | None) -> Event:
    if decision is None:
        return event
    if decision == "ignored":
        # The readings of a dip or spike stay left out: booking nothing for the step alone would book its way back.
        return replace(event, booked_kwh=0.0, overruled=True, provisional=False)
    return replace(event, ts_end=None, booked_kwh=round(event.new - event.old, 4), overruled=True, provisional=False)


def correct_register(ts: Int, value: Float, events: pl.DataFrame) -> tuple[Int, Float, Int]:
    """Apply the events of one register to (part of) its readings.

    Ignored readings (dip, spike) are left out; from each other event on, a correction is added. Corrections are
    counted from the first reading, in whole steps of 1e-4 kWh and beside the values, so that parts of a history can
    be corrected independently and give the same energy to the last digit.

    Args:
        ts: times [µs], strictly increasing.
        value: register [kWh].
        events: rows of `counter_events` of this signal.

    Returns:
        Times, values as read, and corrections [1e-4 kWh] of the readings that count.
    """
    shift = np.zeros(len(ts), np.int64)
    if events.is_empty() or len(ts) == 0:
        return ts, value, shift
    keep = np.ones(len(ts), bool)
    for row in events.select(
        pl.col("ts").to_physical(), pl.col("ts_end").to_physical(), "old", "new", "booked_kwh"
    ).iter_rows():
        start, end, old, new, booked = row
        if end is not None:
            keep[(ts >= start) & (ts <= end)] = False
        elif start > ts[0]:
            shift[ts >= start] += round((booked - (new - old)) / STEP_KWH)
    return ts[keep], value[keep], shift[keep]


def register_energy(ts: Int, value: Float, shift: Int, borders: Int, hold_us: int) -> tuple[Float, Float]:
    """Energy of a corrected register between neighbouring borders.

    Args:
        ts: times [µs].
        value: register as read [kWh].
        shift: its corrections [1e-4 kWh].
        borders: bucket borders [µs], increasing.
        hold_us: intervals longer than this are estimated.

    Returns:
        Increase and its estimated part [kWh] per bucket, NaN outside the register's first and last reading.
    """
    if len(ts) < 2:
        nothing = np.full(len(borders) - 1, np.nan)
        return nothing, nothing.copy()
    clipped = np.clip(borders, ts[0], ts[-1])
    left = np.searchsorted(ts, clipped, side="right") - 1
    right = np.minimum(left + 1, len(ts) - 1)
    # R at a border follows from the two readings around it alone, so it is the same in every part of the history.
    rise = value[right] - value[left] + (shift[right] - shift[left]) * STEP_KWH
    share = (clipped - ts[left]) / np.maximum(ts[right] - ts[left], 1)
    at_border = np.round((value[left] + rise * share) / STEP_KWH).astype(np.int64) + shift[left]
    at_reading = np.round(value / STEP_KWH).astype(np.int64) + shift
    long = np.diff(ts) > hold_us
    guessed = np.concatenate([[0], np.cumsum(np.where(long, np.diff(at_reading), 0))])[left]
    guessed += np.where(np.append(long, False)[left], at_border - at_reading[left], 0)
    inside = clipped[1:] > clipped[:-1]
    return (
        np.where(inside, np.diff(at_border) * STEP_KWH, np.nan).round(4),
        np.where(inside, np.diff(guessed) * STEP_KWH, np.nan).round(4),
    )


def interval_energy(ts: Int, energy: Float, interval_us: int, borders: Int) -> tuple[Float, Float]:
    """Energy of interval rows between neighbouring borders.

    A row's energy is spread evenly over [ts, ts + L), L the interval or the time to the next row if that is
    shorter; where rows leave a gap, there is no energy and no bucket.

    Args:
        ts: starts of the rows [µs], strictly increasing.
        energy: their energy [kWh].
        interval_us: L [µs].
        borders: bucket borders [µs].

    Returns:
        Energy per bucket [kWh] (NaN where no row reaches into it), and zeros for the estimated part.
    """
    buckets = len(borders) - 1
    if len(ts) == 0:
        return np.full(buckets, np.nan), np.full(buckets, np.nan)
    ends = np.minimum(ts + interval_us, np.concatenate([ts[1:], [np.iinfo(np.int64).max]]))
    grid = np.empty(2 * len(ts), np.int64)
    grid[0::2], grid[1::2] = ts, ends
    level = np.empty(2 * len(ts))
    sums = np.cumsum(energy)
    level[0::2], level[1::2] = sums - energy, sums
    covered = np.empty(2 * len(ts))
    held = np.cumsum(ends - ts).astype(float)
    covered[0::2], covered[1::2] = held - (ends - ts), held
    x, points = (grid - grid[0]).astype(float), (borders - grid[0]).astype(float)
    total = np.round(np.interp(points, x, level) / STEP_KWH)
    inside = np.diff(np.interp(points, x, covered)) > 0
    increase = np.where(inside, np.diff(total) * STEP_KWH, np.nan).round(4)
    return increase, np.where(inside, 0.0, np.nan)


def events_frame(device: str, signal: str, events: list[Event]) -> pl.DataFrame:
    """Return events as rows of `counter_events`."""
    frame = pl.DataFrame(
        {
            "device": [device] * len(events),
            "signal": [signal] * len(events),
            "ts": [e.ts for e in events],
            "ts_end": [e.ts_end for e in events],
            "kind": [e.kind for e in events],
            "old": [e.old for e in events],
            "new": [e.new for e in events],
            "booked_kwh": [e.booked_kwh for e in events],
            "provisional": [e.provisional for e in events],
            "overruled": [e.overruled for e in events],
        },
        schema={c.name: pl.Int64 if c.name.startswith("ts") else c.dtype for c in COUNTER_EVENTS.columns},
    )
    return COUNTER_EVENTS.conform(
        frame.with_columns(pl.from_epoch("ts", time_unit="us").dt.replace_time_zone("UTC"),
                           pl.from_epoch("ts_end", time_unit="us").dt.replace_time_zone("UTC"))
    )
