"""What screens and the API derive from quarter hours and days of a meter: duration curve, maps, periods.

Pure functions without thresholds. A "power frame" has one row per quarter hour: `ts` (UTC), `power_kw` (mean,
weighted by time) and `covered_s`; `power_frame` makes one from rows of a resolution table.
"""

from typing import Literal
from zoneinfo import ZoneInfo

import polars as pl

Period = Literal["week", "month", "year"]
_TRUNCATE = {"week": "1w", "month": "1mo", "year": "1y"}
_LABEL = {"week": "%G-W%V", "month": "%Y-%m", "year": "%Y"}


def power_frame(resolution: pl.DataFrame) -> pl.DataFrame:
    """Turn rows of a resolution table (one power signal) into a power frame."""
    covered = resolution.filter((pl.col("covered_s") > 0) & pl.col("integral").is_not_null())
    return covered.select("ts", (pl.col("integral") / pl.col("covered_s")).alias("power_kw"), "covered_s").sort("ts")


def load_duration(power: pl.DataFrame) -> pl.DataFrame:
    """Load duration curve, weighted by time.

    Returns one row per quarter hour, the largest power first: `share` of the covered time in which power is at least
    `power_kw`, above 0 and up to 1.
    """
    ordered = power.sort("power_kw", descending=True)
    weight = pl.col("covered_s")
    return ordered.select((weight.cum_sum() / weight.sum()).alias("share"), "power_kw")


def hour_weekday_map(power: pl.DataFrame, zone: ZoneInfo) -> pl.DataFrame:
    """Mean power per local weekday (1 Monday .. 7 Sunday) and hour (0..23), weighted by time.

    Returns `weekday`, `hour`, `power_kw`, `covered_s`; hours without data have no row.
    """
    return _map(power, zone, pl.col("local").dt.weekday().alias("weekday"))


def day_hour_map(power: pl.DataFrame, zone: ZoneInfo) -> pl.DataFrame:
    """Mean power per local date and hour (0..23), weighted by time; the repeated hour of autumn is one cell.

    Returns `day`, `hour`, `power_kw`, `covered_s`; hours without data have no row.
    """
    return _map(power, zone, pl.col("local").dt.date().alias("day"))


def _map(power: pl.DataFrame, zone: ZoneInfo, row: pl.Expr) -> pl.DataFrame:
    local = power.with_columns(pl.col("ts").dt.convert_time_zone(zone.key).alias("local"))
    keyed = local.select(row, pl.col("local").dt.hour().alias("hour"), "power_kw", "covered_s")
    keys = keyed.columns[:2]
    weighted = (pl.col("power_kw") * pl.col("covered_s")).sum() / pl.col("covered_s").sum()
    return keyed.group_by(keys).agg(weighted.alias("power_kw"), pl.col("covered_s").sum()).sort(keys)


def meter_periods(meter_daily: pl.DataFrame, period: Period) -> pl.DataFrame:
    """Sum `meter_daily` to ISO weeks, months or years of the local calendar.

    Returns one row per device and period: `device`, `start` (first date), `label` (2024-W05, 2024-05, 2024), `days`
    (calendar days of the period), `days_covered` (days with energy), `import_kwh`, `export_kwh`, `net_kwh`,
    `estimated_kwh`, `power_net_kwh`, `peak_kw`, `peak_ts`, `hours_of_use_h` (import / peak). Sums are over the days
    that have the figure, null where none has it.

    Raises:
        ValueError: `period` is none of week, month, year.
    """
    if period not in _TRUNCATE:
        msg = f"period is {period!r}; choose week, month or year"
        raise ValueError(msg)
    start = pl.col("day").dt.truncate(_TRUNCATE[period])
    keyed = meter_daily.with_columns(start.alias("start")).sort(["device", "day"])
    sums = [
        pl.when(pl.col(c).count() > 0).then(pl.col(c).sum()).alias(c)
        for c in ("import_kwh", "export_kwh", "net_kwh", "estimated_kwh", "power_net_kwh")
    ]
    has_energy = pl.col("import_kwh").is_not_null() | pl.col("export_kwh").is_not_null()
    highest = pl.col("peak_ts").filter(pl.col("peak_kw") == pl.col("peak_kw").max())
    found = keyed.group_by("device", "start").agg(
        has_energy.sum().cast(pl.Int32).alias("days_covered"), *sums, pl.col("peak_kw").max(),
        highest.first().alias("peak_ts"),
    )  # fmt: skip
    first = pl.col("start")
    length = (first.dt.offset_by(_TRUNCATE[period]) - first).dt.total_days().cast(pl.Int32)
    use = pl.when(pl.col("peak_kw") > 0).then(pl.col("import_kwh") / pl.col("peak_kw"))
    labelled = found.with_columns(
        first.dt.strftime(_LABEL[period]).alias("label"), length.alias("days"), use.alias("hours_of_use_h")
    )
    order = [
        "device", "start", "label", "days", "days_covered", "import_kwh", "export_kwh", "net_kwh", "estimated_kwh",
        "power_net_kwh", "peak_kw", "peak_ts", "hours_of_use_h",
    ]  # fmt: skip
    return labelled.select(order).sort("device", "start")
