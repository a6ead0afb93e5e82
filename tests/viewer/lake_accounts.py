"""Costs and comparisons of the test lake, made from its own `meter_daily`.

The first meter has a tariff; the second has none. Both compare power and register: one day is flagged, one is excused.
"""

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from tests.viewer.lake_factory import Plan

PRICE, PEAK_PRICE = 0.25, 10.0
FLAGGED_FROM_END, EXCUSED_FROM_END = 5, 8


def tables(plan: "Plan", daily: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return `meter_costs` and `meter_balance`."""
    return {"meter_costs": _costs(plan, daily), "meter_balance": _balance(plan, daily)}


def _costs(plan: "Plan", daily: pl.DataFrame) -> pl.DataFrame:
    own = daily.filter(pl.col("device") == plan.meters[0]).sort("day")
    priced = (pl.col("import_kwh") * PRICE).alias("import_cost")
    days = own.select(
        "device", "month", "day", "import_kwh", "export_kwh", priced,
        pl.lit("day").alias("kind"), pl.lit(1).alias("days"),
    )  # fmt: skip
    months = own.group_by("device", "month").agg(
        pl.col("day").min().dt.truncate("1mo"), pl.col("import_kwh", "export_kwh").sum(), priced.sum(),
        pl.lit("month").alias("kind"), pl.len().alias("days"), pl.col("peak_kw").max(),
        pl.col("peak_ts").sort_by("peak_kw").last(),
    )  # fmt: skip
    months = months.with_columns((pl.col("peak_kw") * PEAK_PRICE).alias("peak_cost"))
    total = pl.col("import_cost") + pl.col("peak_cost").fill_null(0)
    both = pl.concat([days, months], how="diagonal_relaxed")
    return both.with_columns(
        total.alias("cost"), (pl.col("peak_cost") / total).alias("peak_share"), pl.lit("EUR").alias("currency")
    )


def _balance(plan: "Plan", daily: pl.DataFrame) -> pl.DataFrame:
    back = (pl.col("day").max() - pl.col("day")).dt.total_days()
    flagged, excused = back == FLAGGED_FROM_END, back == EXCUSED_FROM_END
    b = pl.col("import_kwh") * pl.when(flagged | excused).then(0.9).otherwise(0.999)
    own = daily.filter(pl.col("device").is_in(list(plan.meters)))
    return own.select(
        "device", "month", "day", pl.lit("power_and_register").alias("comparison"), pl.lit("pos_ae").alias("signal"),
        pl.col("import_kwh").alias("a_kwh"), b.alias("b_kwh"),
        (100 * (pl.col("import_kwh") - b) / pl.col("import_kwh")).alias("difference_percent"),
        pl.when(excused).then(6.0).otherwise(24.0).alias("compared_h"), flagged.alias("flagged"),
        pl.when(excused).then(pl.lit("too_little_covered")).alias("reason"),
    )  # fmt: skip
