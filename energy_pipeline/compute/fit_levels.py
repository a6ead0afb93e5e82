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
from energy_pipeline.settings import BatterySettings

DAYS_PER_YEAR = 365.25


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
    names, place, count = np.unique(raw, return_inverse=True, return_counts=True)
    keep = count >= min(minimum, count.max())
    number = np.cumsum(keep) - 1
    stay = keep[place]
    del names
    return rows[stay], number[place][stay].astype(np.int64)


def system_steps(regimes: pl.DataFrame) -> list[date]:
    """Return the days of operating regimes; suspected ones cut no trend."""
    return regimes.filter((pl.col("scope") == "system") & (pl.col("kind") == OPERATING))["day"].sort().to_list()


def cell_steps(regimes: pl.DataFrame) -> dict[str | None, list[date]]:
    """Return the days of each cell's own steps by its signal: pack and number need not be unique."""
    out: dict[str | None, list[date]] = {}
    for signal, day in regimes.filter(pl.col("kind") == CELL_STEP).select("signal", "day").iter_rows():
        out.setdefault(signal, []).append(day)
    return out


def own_steps(
    matrix: DayMatrix, row: int, common: Int, mine: Sequence[date], battery: BatterySettings
) -> Int:
    """Return the rows at which an offset gets a new level: its own steps (`mine`), and common ones that moved it."""
    width = battery.regime_min_days
    y = matrix.values[row]
    found = []
    for cut in common:
        near = np.abs(matrix.t - matrix.t[min(cut, len(matrix.t) - 1)]) <= width
        at = np.arange(len(y))
        before, after = y[near & (at < cut) & np.isfinite(y)], y[near & (at >= cut) & np.isfinite(y)]
        if len(before) and len(after) and abs(np.median(after) - np.median(before)) >= battery.cell_step_mv:
            found.append(int(cut))
    if mine:
        found.extend(int(k) for k in cut_rows(matrix.days, mine))
    return np.unique(np.array(found, dtype=np.int64))


def series_of(
    y: Float, cuts: Int, battery: BatterySettings, *, quantity: str, grade: str,
    pack: int | None = None, cell: int | None = None, signal: str | None = None,
) -> FitSeries:
    """Make the series of one row of a day matrix with its levels; `grade` is cell, pack or system."""
    known = np.flatnonzero(np.isfinite(y))
    kept = known[~wild_days(y[known], battery, percent=quantity != "sat_offset_mv")]
    rows, level = levels_of(kept, cuts, battery.regime_min_days)
    return FitSeries(rows, y[rows], level, pack, cell, quantity, grade, len(known) - len(kept), signal)


def wild_days(y: Float, battery: BatterySettings, *, percent: bool) -> Bool:
    """Return single days far off the running median of their neighbours: a stuck sensor, a wrong reading.

    Beyond both the set number of robust deviations and the smallest outlier in mV (in percent of a full cell for the
    index). One such day would decide a slope; a trend or a lasting step is in its own running median and stays.
    """
    if len(y) < 2 * battery.left_out_half_days + 1:
        return np.zeros(len(y), dtype=np.bool_)
    off = np.abs(y - running_median(y, battery.left_out_half_days))
    least = battery.outlier_mv * (0.1 / battery.voltage("full_median_cell_v") if percent else 1.0)
    limit = max(battery.left_out_z * 1.4826 * float(np.median(off)), least)
    return np.asarray(off > limit, dtype=np.bool_)


def regressors(series: FitSeries, x: Float) -> Float:
    """Return one indicator per level and the centred regressor `x` (given on the series' rows)."""
    indicator = (series.level[:, None] == np.arange(series.levels)[None, :]).astype(np.float64)
    return np.column_stack([indicator, x - x.mean()])


def problem_of(series: FitSeries, t: Float) -> Problem:
    """Return the fit of a common slope per year with one level per regime."""
    return Problem(series.rows, series.y, regressors(series, t[series.rows] / DAYS_PER_YEAR))
