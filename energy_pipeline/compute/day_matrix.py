"""Cells × days as one array, with NaN where a day does not qualify: the shape in which everything is fitted.

Next: `regimes.py`, `fit_levels.py`, `degradation_fits.py`.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import Float


@dataclass(frozen=True)
class DayMatrix:
    """`values` is cells × days, NaN where missing; `t` counts days since the first one; all days that any cell has."""

    values: Float
    t: Float
    days: list[date]
    packs: list[int | None]
    cells: list[int | None]
    signals: list[str | None]


def day_matrix(sat_daily: pl.DataFrame, column: str) -> DayMatrix | None:
    """Return the qualified days of one column of `sat_daily`, or None where there is none."""
    keys = sat_daily.select("signal", "pack", "cell").unique().sort("pack", "cell", "signal")
    rows = sat_daily.filter(pl.col("qualified") & pl.col(column).is_not_null()).select("signal", "day", column)
    if rows.is_empty():
        return None
    days = rows["day"].unique().sort()
    row = rows["signal"].cast(pl.Enum(keys["signal"])).to_physical().to_numpy()
    numbers = days.cast(pl.Int32).to_numpy()
    col = np.searchsorted(numbers, rows["day"].cast(pl.Int32).to_numpy())
    values = np.full((len(keys), len(days)), np.nan)
    values[row, col] = rows[column].to_numpy()
    t = (numbers - numbers[0]).astype(np.float64)
    return DayMatrix(values, t, days.to_list(), keys["pack"].to_list(), keys["cell"].to_list(),
                     keys["signal"].to_list())
