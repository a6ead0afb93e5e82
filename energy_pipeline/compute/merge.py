"""Rows of one signal from any number of files and loads become one strictly increasing series.

The identity of a reading is (device, signal, ts). Among different values at one time the smallest wins: that
depends on the values alone, never on what came first, and never raises a maximum. Losers are conflicts, once per
value; repeats are duplicates. Next: `loading/load.py` calls this per signal.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int, Float = NDArray[np.int64], NDArray[np.float64]


@dataclass
class Merged:
    """Outcome of a merge.

    `ts`, `value`: new rows to add, strictly increasing. `duplicates`: rows that repeat one that is known.
    `conflicts`: positions (in the input) of new rows that lost. `displaced_ts`, `displaced_value`: stored readings
    that a new, smaller value replaces; they become conflicts.
    """

    ts: Int
    value: Float
    duplicates: int
    conflicts: Int
    displaced_ts: Int
    displaced_value: Float


_NO_INT: Int = np.empty(0, np.int64)
_NO_FLOAT: Float = np.empty(0, np.float64)


def merge_rows(
    ts: Int,
    value: Float,
    known: tuple[Int, Float] = (_NO_INT, _NO_FLOAT),
    lost: tuple[Int, Float] = (_NO_INT, _NO_FLOAT),
) -> Merged:
    """Merge new rows of one signal with what is stored.

    Args:
        ts: times of the new rows [µs], any order.
        value: their values, finite.
        known: stored readings in the range of the new rows, strictly increasing.
        lost: conflicts that are already recorded (time, value), any order.
    """
    if len(ts) == 0:
        return Merged(ts, value, 0, _NO_INT, _NO_INT, _NO_FLOAT)
    if len(known[0]) == 0 and len(lost[0]) == 0:
        steps = ts[1:] > ts[:-1]
        if steps.all():
            return Merged(ts, value, 0, _NO_INT, _NO_INT, _NO_FLOAT)
        return _merge_new(ts, value)
    return _merge_known(ts, value, known, lost)


def _merge_new(ts: Int, value: Float) -> Merged:
    order = np.lexsort((value, ts))
    t, v = ts[order], value[order]
    new_time = np.concatenate([[True], t[1:] != t[:-1]])
    new_pair = new_time | np.concatenate([[True], v[1:] != v[:-1]])
    losers = new_pair & ~new_time
    return Merged(
        t[new_time], v[new_time], int((~new_pair).sum()), np.sort(order[losers]), _NO_INT, _NO_FLOAT
    )


def _merge_known(ts: Int, value: Float, known: tuple[Int, Float], lost: tuple[Int, Float]) -> Merged:
    # origin: 0 stored reading, 1 recorded conflict, 2 new row; within equal pairs the known ones come first.
    t = np.concatenate([known[0], lost[0], ts])
    v = np.concatenate([known[1], lost[1], value])
    origin = np.concatenate(
        [np.zeros(len(known[0]), np.int8), np.ones(len(lost[0]), np.int8), np.full(len(ts), 2, np.int8)]
    )
    order = np.lexsort((origin, v, t))
    t, v, origin = t[order], v[order], origin[order]
    source = order - (len(known[0]) + len(lost[0]))
    new_time = np.concatenate([[True], t[1:] != t[:-1]])
    new_pair = new_time | np.concatenate([[True], v[1:] != v[:-1]])
    fresh = origin == 2
    duplicates = int((fresh & ~new_pair).sum())
    winners = fresh & new_time
    losers = fresh & new_pair & ~new_time
    displaced = (origin == 0) & ~new_time
    return Merged(
        t[winners], v[winners], duplicates, np.sort(source[losers]), t[displaced], v[displaced]
    )
