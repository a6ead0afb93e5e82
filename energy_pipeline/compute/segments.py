"""Segments of charge and discharge in a series of current readings.

Here: runs of one direction, what ends them, and the cut at 24 h. Which of the two directions is a charge is decided
in `charge_cycles.py` from SOC, never here and never from the sign of the current.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from energy_pipeline.compute.battery_series import SECOND_US, Int, Series
from energy_pipeline.settings import BatterySettings

VIEW_US = 48 * 3600 * SECOND_US  # how far a month sees beyond its borders


@dataclass(frozen=True)
class Segment:
    """A run of current in one direction; times in µs UTC.

    `direction` is the sign in the file. `active_end` is the last reading that still flows, `end` the moment until
    which that reading holds.
    """

    start: int
    end: int
    active_end: int
    direction: int
    cut: bool = False


def rest_threshold(battery: BatterySettings) -> float:
    """Return the |current| up to which the battery is at rest [A]."""
    return max(battery.min_current_a, battery.min_current_c * battery.nameplate_ah)


def current_states(current: Series, battery: BatterySettings) -> Int:
    """Return −1, 0 or 1 per reading: flowing in one direction, at rest, or in the other."""
    flowing = np.abs(current.value) > rest_threshold(battery)
    return (np.sign(current.value) * flowing).astype(np.int64)


def find_segments(current: Series, battery: BatterySettings, hold_us: int) -> list[Segment]:
    """Return all segments of at least the minimum length, cut every 24 h.

    A segment ends after the set time at rest, at a change of direction (an opposite run up to `blip_s` is passed
    over), or at a gap longer than the set one.
    """
    if len(current) < 2:
        return []
    state = current_states(current, battery)
    found = _join_runs(current.ts, state, battery, hold_us)
    return [p for s in found for p in _cut(s, battery) if p.end - p.start >= battery.segment_min_s * SECOND_US]


def _runs(ts: Int, state: Int, gap_us: int) -> tuple[Int, Int]:
    """Return the first and last index of each run of equal state without a gap."""
    border = np.flatnonzero((np.diff(state) != 0) | (np.diff(ts) > gap_us))
    return np.append(0, border + 1), np.append(border, len(ts) - 1)


def _join_runs(ts: Int, state: Int, battery: BatterySettings, hold_us: int) -> list[Segment]:
    gap_us = int(battery.active_max_hold_s * SECOND_US)
    rest_us, blip_us = int(battery.rest_s * SECOND_US), int(battery.blip_s * SECOND_US)
    first, last = _runs(ts, state, gap_us)
    nxt = np.append(ts[1:], ts[-1])
    out: list[Segment] = []
    open_: Segment | None = None
    rested = 0
    for a, b in zip(first, last, strict=True):
        sign, start = int(state[a]), int(ts[a])
        follows = int(nxt[b])
        end = follows if follows - ts[b] <= min(gap_us, hold_us) else int(ts[b])
        if open_ is not None and start - open_.end > gap_us:
            out.append(open_)
            open_ = None
        if sign == 0:
            rested += end - start
            if open_ is not None and rested >= rest_us:
                out.append(open_)
                open_ = None
        elif open_ is None or sign == open_.direction:
            fresh = Segment(start, end, int(ts[b]), sign)
            open_ = fresh if open_ is None else replace(open_, end=end, active_end=int(ts[b]))
            rested = 0
        elif end - start > blip_us:
            out.append(open_)
            open_, rested = Segment(start, end, int(ts[b]), sign), 0
    return out if open_ is None else [*out, open_]


def _cut(segment: Segment, battery: BatterySettings) -> list[Segment]:
    """Cut a long segment every 24 h from its start, or at fixed instants where it is longer than a month's view.

    A month sees 48 h beyond its borders. Of a longer segment two months would see different starts, and cuts from
    these would overlap; so it is cut at multiples of 24 h of UTC. A piece too short to keep stays with its neighbour.
    """
    step = int(battery.segment_max_s * SECOND_US)
    if segment.end - segment.start <= step:
        return [segment]
    long = segment.end - segment.start > VIEW_US
    first = (segment.start // step + 1) * step if long else segment.start + step
    least = int(battery.segment_min_s * SECOND_US)
    inner = [c for c in range(first, segment.end, step) if c - segment.start >= least and segment.end - c >= least]
    borders = [segment.start, *inner, segment.end]
    return [
        Segment(a, b, min(b, segment.active_end), segment.direction, cut=True) for a, b in pairwise(borders)
    ]
