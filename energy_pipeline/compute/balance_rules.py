"""When a difference between two sources of one energy is a finding, and the reason where it is none.

Shared by `meter_balance.py` (sources of one device) and `site_balance.py` (a battery and its site meter).
"""

import polars as pl

from energy_pipeline.compute import meter_quarters as mq
from energy_pipeline.compute import zones
from energy_pipeline.compute.context import DeviceContext

# A register is read at one instant of either end of a day: each may be one step of its own short.
STEPS_AT_THE_ENDS = 2


def day_hours(ctx: DeviceContext, days: pl.Series) -> pl.DataFrame:
    """Length of local days: `day`, `day_h` (23, 24 or 25)."""
    found = days.unique().sort()
    ends = found.dt.offset_by("1d")
    lengths = [
        (zones.day_start(ctx.zone, e) - zones.day_start(ctx.zone, d)) / zones.HOUR
        for d, e in zip(found.to_list(), ends.to_list(), strict=True)
    ]
    return pl.DataFrame({"day": found, "day_h": pl.Series(lengths, dtype=pl.Float64)})


def judge(
    ctx: DeviceContext, rows: pl.DataFrame, comparison: str, signal: str, reason: str | None = None
) -> pl.DataFrame:
    """Decide which differences are findings.

    Args:
        ctx: thresholds.
        rows: day, day_h, a, b, size [kWh], h [h], resolution [kWh], seldom.
        comparison: name of the comparison.
        signal: signals of b.
        reason: why none of them can be a finding.
    """
    difference = pl.col("a") - pl.col("b")
    percent = pl.when((pl.col("size") > 0) & (pl.col("size") >= ctx.meter.balance_min_kwh)).then(
        100 * difference / pl.col("size")
    )
    above = percent.abs() > ctx.meter.balance_limit_percent
    why = (
        pl.when(pl.col("seldom")).then(pl.lit("register_too_slow"))
        .when(pl.col("h") < ctx.meter.peak_coverage * pl.col("day_h")).then(pl.lit("too_little_covered"))
        .when(pl.lit(reason, pl.String).is_not_null()).then(pl.lit(reason, pl.String))
        .when(percent.is_null()).then(pl.lit("little_energy"))
        .when(above & (difference.abs() <= pl.col("resolution"))).then(pl.lit("within_resolution"))
    )
    return rows.with_columns(percent.alias("difference_percent"), why.alias("reason"), above.alias("above")).select(
        "day", pl.lit(comparison).alias("comparison"), pl.lit(signal).alias("signal"),
        pl.col("a").round(4).alias("a_kwh"), pl.col("b").round(4).alias("b_kwh"), "difference_percent",
        pl.col("h").alias("compared_h"),
        (pl.col("above").fill_null(False) & pl.col("reason").is_null()).alias("flagged"),
        "reason",
    )


def quantum_kwh(quarter: pl.DataFrame, names: list[str]) -> float:
    """Sum of the smallest steps of registers or interval rows in these rows; 0 where none moves [kWh]."""
    total = 0.0
    for name in names:
        rows = quarter.filter((pl.col("signal") == name) & (pl.col("n") > 0))
        readings = pl.concat([rows[c] for c in ("min", "max", "first", "last")]).drop_nulls().unique().sort()
        jumps = readings.diff().drop_nulls()
        jumps = jumps.filter(jumps > mq.READING_STEP / 2)
        total += float(jumps.min()) if len(jumps) else 0.0  # type: ignore[arg-type]
    return total
