"""Series to fit: which days a series has, and which level (intercept) each of them belongs to.

A common slope with one level per operating regime; for offsets a level of its own only where the cell's own offset
steps (METRICS G). Days of levels that are too short to be fitted are left out, and the count of days says so.
Next: `gls.py` and `robust_fits.py`, which fit these series; `degradation_fits.py`, which makes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import Bool, Float, Int
from energy_pipeline.compute.change_points import running_median
from energy_pipeline.compute.day_matrix import DayMatrix
from energy_pipeline.compute.gls import Problem
from energy_pipeline.compute.regimes import CELL_STEP, OPERATING
from energy_pipeline.compute.sat_voltage import nan_median
from energy_pipeline.settings import BatterySettings

DAYS_PER_YEAR = 365.25
TOGETHER = 64  # series looked at together: their windows fit into the cache


@dataclass(frozen=True)
class FitSeries:
    """One series: `rows` of the common time line, values `y` there, `level` number per row, and who it is."""

    rows: Int
    y: Float
    level: Int
    pack: int | None
    cell: int | None
    quantity: str
    grade: str
    left_out: int = 0
    signal: str | None = None

    @property
    def levels(self) -> int:
        """Number of levels."""
        return int(self.level.max()) + 1 if len(self.level) else 0


def cut_rows(days: Sequence[date], steps: Sequence[date]) -> Int:
    """Return the first row of each new level on the time line `days`."""
    return np.unique(np.searchsorted(np.array(days, dtype="datetime64[D]"), np.array(steps, dtype="datetime64[D]")))


def levels_of(rows: Int, cuts: Int, minimum: int) -> tuple[Int, Int]:
    """Return the rows that stay and their level numbers; levels below `minimum` rows are dropped unless alone."""
    if not len(cuts):
        return rows, np.zeros(len(rows), dtype=np.int64)
    raw = np.searchsorted(cuts, rows, side="right")
    count = np.bincount(raw, minlength=1)
    keep = (count > 0) & (count >= min(minimum, count.max()))
    number = np.cumsum(keep) - 1
    stay = keep[raw]
    return rows[stay], number[raw][stay].astype(np.int64)


def system_steps(regimes: pl.DataFrame) -> list[date]:
    """Return the days of operating regimes; suspected ones cut no trend."""
    return regimes.filter((pl.col("scope") == "system") & (pl.col("kind") == OPERATING))["day"].sort().to_list()


def cell_steps(regimes: pl.DataFrame) -> dict[str | None, list[date]]:
    """Return the days of each cell's own steps by its signal: pack and number need not be unique."""
    out: dict[str | None, list[date]] = {}
    for signal, day in regimes.filter(pl.col("kind") == CELL_STEP).select("signal", "day").iter_rows():
        out.setdefault(signal, []).append(day)
    return out


def moved_at(matrix: DayMatrix, common: Int, battery: BatterySettings) -> Bool:
    """Return which rows moved by `cell_step_mv` or more at each common cut, by medians on both sides: rows × cuts."""
    width = battery.regime_min_days
    out = np.zeros((len(matrix.values), len(common)), dtype=np.bool_)
    at = np.arange(len(matrix.t))
    for k, cut in enumerate(common):
        near = np.abs(matrix.t - matrix.t[min(cut, len(matrix.t) - 1)]) <= width
        before, after = near & (at < cut), near & (at >= cut)
        if before.any() and after.any():
            step = nan_median(matrix.values[:, after], axis=1) - nan_median(matrix.values[:, before], axis=1)
            out[:, k] = np.abs(np.nan_to_num(step)) >= battery.cell_step_mv
    return out


def own_steps(matrix: DayMatrix, common: Int, moved: Bool, mine: Sequence[date]) -> Int:
    """Return the rows at which an offset gets a new level: its own steps (`mine`), and common ones that `moved` it."""
    found = [int(k) for k in common[moved]]
    if mine:
        found.extend(int(k) for k in cut_rows(matrix.days, mine))
    return np.unique(np.array(found, dtype=np.int64))


def series_of(
    y: Float, cuts: Int, battery: BatterySettings, *, quantity: str, grade: str,
    pack: int | None = None, cell: int | None = None, signal: str | None = None, wild: Bool | None = None,
) -> FitSeries:
    """Make the series of one row of a day matrix with its levels; `grade` is cell, pack or system.

    `wild` are its days that leave the fit, where they are known already (`wild_days`).
    """
    if wild is None:
        wild = wild_days(y[None], battery, percent=quantity != "sat_offset_mv")[0]
    known = np.isfinite(y)
    kept = np.flatnonzero(known & ~wild)
    rows, level = levels_of(kept, cuts, battery.regime_min_days)
    return FitSeries(rows, y[rows], level, pack, cell, quantity, grade, int(known.sum()) - len(kept), signal)


def wild_days(values: Float, battery: BatterySettings, *, percent: bool) -> Bool:
    """Return single days far off the running median of their neighbours: a stuck sensor, a wrong reading.

    Beyond both the set number of robust deviations and the smallest outlier in mV (in percent of a full cell for the
    index). One such day would decide a slope; a trend or a lasting step is in its own running median and stays.
    `values` are series × days, NaN where missing; series that have the same days are looked at together.
    """
    out = np.zeros(values.shape, dtype=np.bool_)
    finite = np.isfinite(values)
    groups: dict[bytes, list[int]] = {}
    for row in range(len(values)):
        groups.setdefault(finite[row].tobytes(), []).append(row)
    for members in groups.values():
        known = np.flatnonzero(finite[members[0]])
        if len(known) < 2 * battery.left_out_half_days + 1:
            continue
        for k in range(0, len(members), TOGETHER):
            rows = np.ix_(members[k : k + TOGETHER], known)
            out[rows] = _wild(values[rows], battery, percent=percent)
    return out


def _wild(y: Float, battery: BatterySettings, *, percent: bool) -> Bool:
    off = np.abs(y - running_median(y, battery.left_out_half_days))
    least = battery.outlier_mv * (0.1 / battery.voltage("full_median_cell_v") if percent else 1.0)
    limit = np.maximum(battery.left_out_z * 1.4826 * np.median(off, axis=1), least)
    return np.asarray(off > limit[:, None], dtype=np.bool_)


def regressors(series: FitSeries, x: Float) -> Float:
    """Return one indicator per level and the centred regressor `x` (given on the series' rows)."""
    indicator = (series.level[:, None] == np.arange(series.levels)[None, :]).astype(np.float64)
    return np.column_stack([indicator, x - x.mean()])


def problem_of(series: FitSeries, t: Float) -> Problem:
    """Return the fit of a common slope per year with one level per regime."""
    return Problem(series.rows, series.y, regressors(series, t[series.rows] / DAYS_PER_YEAR))
