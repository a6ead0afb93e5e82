"""Change points of a series that may have a trend: a straight line per segment, priced by the long-run variance.

Optimal partitioning with the penalty of PELT (Killick, Fearnhead, Eckley 2012, JASA 107:1590,
doi:10.1080/01621459.2012.737745); for the lengths met here (days) the exact recursion needs no pruning. A cost with a
line per segment leaves trends uncut; a cost with a constant per segment would cut them to pieces.
Next: `regimes.py`, which gives the changes their meaning.
"""

from dataclasses import dataclass

import numpy as np
import scipy

from energy_pipeline.compute.battery_series import Float
from energy_pipeline.compute.sat_voltage import nan_median

BARTLETT_LAGS = 14
BLOCK_ROWS = 32
TREND_HALF_WIDTH = 28


@dataclass(frozen=True)
class Change:
    """A change at row `index` (first of the new level), with rows that fit nearly as well, and its size."""

    index: int
    low: int
    high: int
    step: float
    length_before: int
    length_after: int


def running_median(y: Float, half: int) -> Float:
    """Return the median over columns k − half … k + half of the last axis, shorter at the ends."""
    n = y.shape[-1]
    out = np.empty(y.shape)
    if n > 2 * half and y.ndim == 1 and np.isfinite(y).all():
        out[half : n - half] = scipy.ndimage.median_filter(y, 2 * half + 1)[half : n - half]  # five times as quick
    elif n > 2 * half:
        window = np.lib.stride_tricks.sliding_window_view(y, 2 * half + 1, axis=-1)
        out[..., half : n - half] = np.partition(window, half, axis=-1)[..., half]
    ends = np.unique(np.concatenate([np.arange(min(half, n)), np.arange(max(0, n - half), n)]))
    if len(ends):
        padded = np.pad(y.astype(np.float64), [(0, 0)] * (y.ndim - 1) + [(half, half)], constant_values=np.nan)
        window = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, axis=-1)[..., ends, :]
        out[..., ends] = nan_median(window, axis=-1)
    return out


def long_run_variance(y: Float, floor: float) -> float:
    """Return the Bartlett long-run variance (14 lags) of residuals from a running median of 57 rows [unit²].

    Residuals beyond four robust standard deviations are drawn in, so that a step does not price itself out.
    """
    n = len(y)
    r = y - running_median(y, min(TREND_HALF_WIDTH, max(1, (n - 1) // 2)))
    limit = 4.0 * 1.4826 * float(np.median(np.abs(r))) + 1.0
    r = np.clip(r, -limit, limit)
    r = r - r.mean()
    lags = min(BARTLETT_LAGS, n - 1)
    gamma = [float(r[k:] @ r[: n - k]) / n for k in range(lags + 1)]
    total = gamma[0] + 2.0 * sum((1 - k / (lags + 1)) * gamma[k] for k in range(1, lags + 1))
    return max(total, gamma[0], floor)


class LineCost:
    """Residual sum of squares of a straight line over rows [a, b), for all pairs at once.

    What depends on time alone is computed once and shared by all series on the same days.
    """

    def __init__(self, t: Float) -> None:
        self.t = t - t.mean()
        size = len(t) + 1
        self.cost = np.zeros((size, size))
        self.room = np.empty((4, BLOCK_ROWS * size))  # fresh pages cost more than the sums
        totals = [_sums(v) for v in (np.ones_like(self.t), self.t, self.t * self.t)]
        self.blocks = [_Block.of(slice(k, min(k + BLOCK_ROWS, size)), *totals) for k in range(0, size, BLOCK_ROWS)]

    def matrix(self, y: Float) -> Float:
        """Return the costs as a matrix [b, a], valid until the next call; only a < b has a meaning.

        A block of rows at a time, and of its columns a < b alone: half the work, in memory near the processor.
        """
        yc = y - y.mean()
        totals = [_sums(v) for v in (yc, self.t * yc, yc * yc)]
        for block in self.blocks:
            shape = block.share.shape
            sy, cross, cost, product = (r[: block.share.size].reshape(shape) for r in self.room)
            for room, total in zip((sy, cross, cost), totals, strict=True):
                np.subtract(total[block.rows, None], total[None, : block.rows.stop], out=room)
            np.multiply(block.mean_t, sy, out=product)
            cross -= product
            cross *= cross
            cross *= block.inverse
            sy *= sy
            sy *= block.share
            cost -= sy
            cost -= cross
            np.maximum(cost, 0.0, out=self.cost[block.rows, : block.rows.stop])
        return self.cost


@dataclass(frozen=True)
class _Block:
    """What depends on time alone in some rows [b] of the costs and their columns a < b."""

    rows: slice
    share: Float
    mean_t: Float
    inverse: Float

    @classmethod
    def of(cls, rows: slice, *totals: Float) -> "_Block":
        n, st, stt = (total[rows, None] - total[None, : rows.stop] for total in totals)
        n = np.maximum(n, 1.0)
        mean_t = st / n
        spread = stt - st * mean_t
        return cls(rows, 1.0 / n, mean_t, np.where(spread > 1e-9, 1.0 / np.maximum(spread, 1e-9), 0.0))


def _sums(v: Float) -> Float:
    """Return the sum of the values before each row, and of all."""
    return np.concatenate([[0.0], np.cumsum(v)])


def best_partition(cost: Float, penalty: float, minimum: int) -> list[int]:
    """Return the first rows of all segments but the first, by exact optimal partitioning of a cost matrix."""
    n = len(cost) - 1
    if n < 2 * minimum:
        return []
    best = np.full(n + 1, np.inf)
    best[0] = -penalty
    before = np.zeros(n + 1, dtype=np.int64)
    for end in range(minimum, n + 1):
        value = best[: end - minimum + 1] + cost[end, : end - minimum + 1]
        k = int(value.argmin())
        best[end], before[end] = value[k] + penalty, k
    cuts: list[int] = []
    at = n
    while before[at] > 0:
        at = int(before[at])
        cuts.append(at)
    return cuts[::-1]


def find_changes(
    t: Float, y: Float, *, minimum: int, penalty: float, floor: float, smooth: int = 1, line: LineCost | None = None
) -> list[Change]:
    """Return the changes of level of `y` over days `t`, dated on the raw series.

    `penalty` is multiplied by ln(n) and the long-run variance. `smooth` is the half width of the running median on
    which the changes are searched. `low` and `high` are rows where the two lines fit within the 95 % limit of the
    likelihood ratio (3.84 × variance) of the best row. `line` may be given for series on the same days.
    """
    n = len(y)
    if n < 2 * minimum:
        return []
    variance = long_run_variance(y, floor)
    line = line or LineCost(t)
    cuts = best_partition(line.matrix(running_median(y, smooth)), penalty * np.log(n) * variance, minimum)
    if not cuts:
        return []
    borders = [0, *cuts, n]
    cost = line.matrix(y)
    out = []
    for k in range(1, len(borders) - 1):
        a, b = borders[k - 1], borders[k + 1]
        near = np.arange(max(a + 3, borders[k] - minimum // 2), min(b - 3, borders[k] + minimum // 2) + 1)
        price = cost[near, a] + cost[b, near]
        index = int(near[np.argmin(price)])
        good = near[price <= price.min() + 3.84 * variance]
        step = _line_at(t, y, index, b, index) - _line_at(t, y, a, index, index)
        out.append(Change(index, int(good.min()), int(good.max()), step, index - a, b - index))
        borders[k] = index
    return out


def _line_at(t: Float, y: Float, a: int, b: int, at: int) -> float:
    return float(np.polyfit(t[a:b] - t[at], y[a:b], 1)[1])
