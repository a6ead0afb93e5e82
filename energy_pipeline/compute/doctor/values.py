"""What a column of numbers seems to be: its range, values that mean `no value`, a register, a flag or a gauge.

A finder says what it saw, not what is true: a value is called a sentinel only where it is extreme, repeated and far
from all others. Next: `relations.py` for what one signal says of another.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
Float = NDArray[np.float64]
# Full scale of 8 to 16 bits, with the usual decimals, and the nines of loggers.
FULL_SCALE = {0.0, 127.0, 128.0, 255.0, 511.0, 1023.0, 4095.0, 32767.0, 65535.0, 6553.5, 655.35, 65.535, 66.535, 6.5535,
              999.0, 9999.0, 99999.0}
FAR = 2.0  # so many times the width of all other values (0.5 to 99.5 %) lies between a sentinel and its neighbour
MAX_SHARE = 0.5
MAX_PER_SIDE = 3


@dataclass(frozen=True)
class Sentinel:
    """A value that seems to mean `no value`."""

    value: float
    rows: int
    evidence: str


@dataclass(frozen=True)
class ValueStats:
    """The range of a column without its likely sentinels."""

    rows: int
    empty: int
    distinct: int
    low: float
    p01: float
    median: float
    p99: float
    high: float


def describe_values(values: Float, sentinels: tuple[float, ...] = ()) -> ValueStats | None:
    """Return the range of the finite values that are no sentinels; None where there are none."""
    finite = values[np.isfinite(values)]
    good = finite[~np.isin(finite, sentinels)] if sentinels else finite
    if len(good) == 0:
        return None
    p01, median, p99 = np.percentile(good, (1, 50, 99))
    return ValueStats(
        len(values), len(values) - len(finite), len(np.unique(good)), float(good.min()), float(p01), float(median),
        float(p99), float(good.max()),
    )


def find_sentinels(values: Float) -> tuple[list[Sentinel], list[float]]:
    """Find extreme values far from all others.

    Returns:
        those that repeat (or are the full scale of an integer), and single far values, which may be real.
    """
    distinct, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    found: list[Sentinel] = []
    single: list[float] = []
    total = int(counts.sum())
    for side in ("high", "low"):
        for _ in range(MAX_PER_SIDE):
            if len(distinct) < 10:
                break
            at, near, rest = (-1, -2, slice(None, -1)) if side == "high" else (0, 1, slice(1, None))
            value, rows = float(distinct[at]), int(counts[at])
            width = _width(distinct[rest], counts[rest])
            gap = abs(value - float(distinct[near]))
            if gap <= FAR * width or rows > MAX_SHARE * total:
                break
            if rows >= 2 or abs(value) in FULL_SCALE:
                found.append(Sentinel(value, rows, f"{rows} rows; the next value is {distinct[near]:g}, "
                                                   f"99 % of all others span {width:g}"))
            else:
                single.append(value)
            distinct, counts = distinct[rest], counts[rest]
    return found, single


def _width(distinct: Float, counts: Int) -> float:
    """Width that holds 99 % of the rows; of all of them where nearly all are one value."""
    share = np.cumsum(counts) / counts.sum()
    low = distinct[np.searchsorted(share, 0.005)]
    width = float(distinct[min(np.searchsorted(share, 0.995), len(distinct) - 1)] - low)
    return width or float(distinct[-1] - distinct[0])


def find_kind(times: Int, values: Float) -> tuple[str, str]:
    """Say what a column behaves like: constant, flag, register, daily (a count that starts anew), or gauge.

    Args:
        times: time of each row [µs], any order.
        values: values without sentinels; NaN where absent.
    """
    good = np.isfinite(values)
    times, values = times[good], values[good]
    distinct = np.unique(values)
    if len(distinct) < 2:
        return "constant", f"always {distinct[0]:g}" if len(distinct) else "no values"
    _, first = np.unique(times, return_index=True)
    steps = np.diff(values[first])
    rises, falls = int((steps > 0).sum()), int((steps < 0).sum())
    if len(distinct) >= 8 and rises >= 8:
        if falls <= 0.002 * len(steps) and rises > 200 * falls:
            return "register", f"rises {rises}×, falls {falls}× in {len(steps)} steps"
        resets = values[first][1:][steps < 0]
        floor = distinct[0] + 0.05 * (distinct[-1] - distinct[0])
        if falls >= 1 and rises > 5 * falls and falls <= 0.02 * len(steps) and (resets <= floor).all():
            return "daily", f"rises {rises}×, falls to its lowest {falls}×: a count that starts anew"
    if len(distinct) <= 8 and np.array_equal(distinct, np.round(distinct)) and np.abs(distinct).max() < 256:
        return "flag", f"{len(distinct)} whole numbers: {', '.join(f'{v:g}' for v in distinct)}"
    return "gauge", f"rises {rises}×, falls {falls}×"
