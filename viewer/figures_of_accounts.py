"""Costs per month and the comparison of two sources of one energy, from `meter_costs` and `meter_balance`.

Next: `pages/meter_accounts.py` for the panels, docs/meters.md for what the tables mean.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

import polars as pl

from viewer.figures_of_meters import local_days
from viewer.store import Store, TableBroken, TableMissing


def month_costs(store: Store, device: str, start: datetime, end: datetime, zone: ZoneInfo) -> pl.DataFrame:
    """Return the months of `meter_costs` that a window touches, each whole, the newest first."""
    first, last = (f"{d:%Y-%m}" for d in local_days(start, end, zone))
    rows = store.frame("meter_costs", where={"device": device, "kind": "month"})
    return rows.filter(pl.col("month").is_between(pl.lit(first), pl.lit(last))).sort("month", descending=True)


def has_costs(store: Store, device: str) -> bool:
    """Return whether the lake holds costs of a device, or a table of costs that must say why it cannot be read."""
    try:
        return not store.frame("meter_costs", where={"device": device, "kind": "month"}).is_empty()
    except TableMissing:
        return False
    except TableBroken:
        return True


def balance_rows(store: Store, device: str, start: datetime, end: datetime, zone: ZoneInfo) -> pl.DataFrame:
    """Return the rows of `meter_balance` whose local day the window touches."""
    first, last = local_days(start, end, zone)
    rows = store.frame("meter_balance", where={"device": device})
    return rows.filter(pl.col("day").is_between(first, last)).sort("day", "comparison", "signal")


def compared_sources(rows: pl.DataFrame) -> pl.DataFrame:
    """Sum rows of `meter_balance` per pair of sources.

    Returns `comparison`, `signal`, `days`, `a_kwh`, `b_kwh` (sums over the days that have both), `median_percent`
    (median difference of the days judged by size), `flagged_days` and `reasons` (reason: number of days).
    """
    both = pl.col("a_kwh").is_not_null() & pl.col("b_kwh").is_not_null()
    sums = [pl.when(both.any()).then(pl.col(c).filter(both).sum()).alias(c) for c in ("a_kwh", "b_kwh")]
    keys = ["comparison", "signal"]
    found = rows.group_by(keys).agg(
        pl.len().cast(pl.Int64).alias("days"),
        *sums,
        pl.col("difference_percent").filter(pl.col("reason").is_null()).median().alias("median_percent"),
        pl.col("flagged").sum().cast(pl.Int64).alias("flagged_days"),
        pl.col("reason").drop_nulls().value_counts(sort=True).alias("reasons"),
    )
    return found.sort(["flagged_days", *keys], descending=[True, False, False])


def days_to_look_at(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the flagged days and those with a reason; the flagged ones first, the newest first."""
    kept = rows.filter(pl.col("flagged") | pl.col("reason").is_not_null())
    return kept.sort("flagged", "day", descending=[True, True])
