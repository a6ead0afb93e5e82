"""Cells that leave their own course: today's offset against the cell's own 90-day median, in robust deviations.

A static difference is no alarm here (`cell_health.py` lists it as `offset`). Next: `cell_health.py`.
"""

import polars as pl

from energy_pipeline.settings import BatterySettings

SCALE_FLOOR_MV = 0.5
MIN_SAMPLES = 20


def find_outliers(sat_daily: pl.DataFrame, battery: BatterySettings) -> pl.DataFrame:
    """Return per signal `robust_z` (median of its last days), `outlier`, `outlier_since`.

    deviation = offset − median of the cell's own offsets over the 90 days before, minus the median deviation of all
    cells that day; scale = 1.4826 × median |deviation| over the same days. An outlier exceeds both limits on five of
    the last seven qualified days.
    """
    window = f"{battery.outlier_median_days}d"
    rows = sat_daily.filter(pl.col("qualified") & pl.col("sat_offset_mv").is_not_null()).sort("signal", "day")
    own = pl.col("sat_offset_mv").rolling_median_by("day", window, min_samples=MIN_SAMPLES, closed="left")
    rows = rows.with_columns((pl.col("sat_offset_mv") - own.over("signal")).alias("deviation"))
    rows = rows.with_columns(pl.col("deviation") - pl.col("deviation").median().over("day"))
    spread = pl.col("deviation").abs().rolling_median_by("day", window, min_samples=MIN_SAMPLES, closed="left")
    scale = pl.max_horizontal(1.4826 * spread.over("signal"), pl.lit(SCALE_FLOOR_MV))
    rows = rows.with_columns(
        pl.when(spread.over("signal").is_not_null()).then(pl.col("deviation") / scale).alias("z")
    ).with_columns(
        ((pl.col("z").abs() > battery.outlier_z) & (pl.col("deviation").abs() >= battery.outlier_mv))
        .fill_null(value=False).alias("beyond")
    )
    need, of = battery.outlier_of_days
    recent = pl.col("beyond").cast(pl.Int32).rolling_sum(of, min_samples=1).over("signal")
    rows = rows.with_columns((recent >= need).alias("on"))
    last_off = pl.col("day").filter(~pl.col("on")).max()
    since = pl.col("day").filter(pl.col("on") & (last_off.is_null() | (pl.col("day") > last_off))).min()
    return rows.group_by("signal").agg(
        pl.col("z").tail(of).median().alias("robust_z"), pl.col("on").last().alias("outlier"),
        since.alias("outlier_since"),
    )
