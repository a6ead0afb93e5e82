"""Thinning of one signal so that no peak is lost: pure numpy, no store and no clock.

The line is MinMaxLTTB of the means; `low` and `high` are the smallest and largest reading between a shown point and the
next, so every extreme is in the answer. Next: `series_blocks.py`, which thins a level in blocks that are kept.
"""

import itertools
from dataclasses import dataclass, field

import numpy as np
from tsdownsample import MinMaxLTTBDownsampler

LEAST_POINTS = 3  # below this there is nothing to choose: the first and the last row
GAP_POINT_US = 1  # how far behind a point the one stands that says that a gap follows: no rows are as close
SHORT_PART = 5  # rows; above this the extremes of all parts at once take less time than one step after the other
_SERIAL = itertools.count()


@dataclass(frozen=True)
class Columns:
    """What a level holds of a signal in a window, before thinning."""

    ts: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    serial: int = field(default_factory=_SERIAL.__next__, compare=False)  # names what is derived from these arrays

    @property
    def nbytes(self) -> int:
        """Bytes of the four arrays; one that stands in two places counts twice."""
        return self.ts.nbytes + self.mean.nbytes + self.low.nbytes + self.high.nbytes

    def window(self, first: int, stop: int) -> "Columns":
        """Return the rows from `first` up to `stop`, excluded, without a copy."""
        rows = slice(first, stop)
        return Columns(self.ts[rows], self.mean[rows], self.low[rows], self.high[rows])


@dataclass(frozen=True)
class Thinned:
    """What is left of columns. The points have a NaN in `mean`, `low` and `high` at every visible gap.

    `gaps` counts the gaps of the columns, shown or not; `shown` the points without those that stand for a gap.
    """

    ts: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    gaps: int
    shown: int

    @property
    def nbytes(self) -> int:
        """Bytes of the four arrays."""
        return self.ts.nbytes + self.mean.nbytes + self.low.nbytes + self.high.nbytes

    @property
    def count(self) -> int:
        """Points with those that stand for a gap."""
        return self.ts.size

    @property
    def first(self) -> "Thinned":
        """The points themselves, as `Blocks.first` gives those of the first block."""
        return self

    last = first


def thin(columns: Columns, max_points: int, gap_us: float) -> Thinned:
    """Return about `max_points` points; a step in time of more than `gap_us` is a gap."""
    if columns.ts.size == 0:
        return Thinned(columns.ts, columns.mean, columns.low, columns.high, 0, 0)
    chosen = _chosen_points(columns.ts, columns.mean, max_points)
    lows, highs = extremes(columns, chosen)
    points = columns.ts.take(chosen), columns.mean.take(chosen), columns.low.take(lows), columns.high.take(highs)
    breaks = np.flatnonzero(np.diff(columns.ts) > gap_us)
    if breaks.size:
        places = np.flatnonzero(np.diff(np.searchsorted(breaks, chosen)) > 0) + 1
        nan = np.full(places.size, np.nan)
        inserted = points[0][places - 1] + GAP_POINT_US, nan, nan, nan
        points = tuple(np.insert(a, places, b) for a, b in zip(points, inserted, strict=True))
    return Thinned(*points, int(breaks.size), int(chosen.size))


def _chosen_points(ts: np.ndarray, mean: np.ndarray, max_points: int) -> np.ndarray:
    if ts.size <= max_points:
        return np.arange(ts.size, dtype=np.int64)
    if max_points < LEAST_POINTS:
        return np.unique([0, ts.size - 1])
    finite = np.isfinite(mean)
    if not finite.all():
        mean = np.where(finite, mean, mean[finite].mean() if finite.any() else 0.0)
    taken = np.zeros(ts.size, dtype=bool)  # marks sort and drop repetitions at a tenth of the cost of np.unique
    taken[MinMaxLTTBDownsampler().downsample(ts, mean, n_out=max_points)] = True
    taken[0] = taken[-1] = True
    return np.flatnonzero(taken)


def extremes(columns: Columns, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first rows with the smallest `low` and the largest `high` of each part, from one start to the next.

    A part without any value is represented by its start.
    """
    sizes = np.diff(starts, append=columns.ts.size)
    if sizes.max() <= SHORT_PART:
        lows = _by_steps(columns.low, starts, sizes, np.less_equal)
        return lows, _by_steps(columns.high, starts, sizes, np.greater_equal)
    part = np.repeat(np.arange(starts.size), sizes)
    return _by_parts(columns.low, starts, part, np.fmin), _by_parts(columns.high, starts, part, np.fmax)


def _by_steps(values: np.ndarray, starts: np.ndarray, sizes: np.ndarray, as_good: np.ufunc) -> np.ndarray:
    """Compare the best row so far with the second row of each part, then the third: quick where parts are short."""
    found = starts.copy()
    for step in range(1, int(sizes.max())):
        longer = np.flatnonzero(sizes > step)
        rows = starts.take(longer) + step
        new, old = values.take(rows), values.take(found.take(longer))
        better = ~as_good(old, new) & ~np.isnan(new)
        found[longer[better]] = rows[better]
    return found


def _by_parts(values: np.ndarray, starts: np.ndarray, part: np.ndarray, extreme: np.ufunc) -> np.ndarray:
    """Take the extreme of every part at once and look where it stands: the same cost however long the parts are."""
    hits = np.flatnonzero(values == extreme.reduceat(values, starts).take(part))
    found = starts.copy()
    found[part[hits][::-1]] = hits[::-1]  # the first of equals comes last and stays
    return found
