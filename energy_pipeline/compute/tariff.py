"""Costs by a tariff: energy of quarter hours times the price of their local time, and the peak of the month.

One pure function of tables of one device and month. What the energy is, `meters.py` has decided: the source of each
day is the one that `meter_daily` names, so that a day's priced energy is the energy shown. Next: `assets/meters.py`.
"""

from datetime import date

import polars as pl

from energy_pipeline.compute import meter_quarters as mq
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.schemas.meters import METER_COSTS
from energy_pipeline.settings import Tariff

ENERGIES = ("import_kwh", "export_kwh")


def build_meter_costs(
    ctx: DeviceContext, month: str, quarter: pl.DataFrame, daily: pl.DataFrame, peaks: pl.DataFrame
) -> pl.DataFrame:
    """Build `meter_costs`: a row per day with energy, and one for the month; empty without a tariff.

    Args:
        ctx: device, zone, signals and tariff.
        month: local month, YYYY-MM.
        quarter: `resolution_15min` of the device and month.
        daily: `meter_daily` of the same.
        peaks: `meter_peaks` of the same.
    """
    tariff = ctx.tariff
    known = daily.filter(pl.col("import_kwh").is_not_null() | pl.col("export_kwh").is_not_null())
    if tariff is None or known.is_empty():
        return METER_COSTS.empty()
    priced = _local(ctx, quarter_energies(ctx, quarter)).with_columns(price_per_kwh(tariff).alias("price"))
    wanted = known.select("day", pl.col("energy_source").alias("source"), *(pl.col(e).alias(f"_{e}") for e in ENERGIES))
    rows = priced.join(wanted, on=["day", "source"], how="inner")
    feed_in = pl.lit(tariff.feed_in_per_kwh, pl.Float64)
    days = rows.group_by("day").agg(
        *(pl.when(pl.col(f"_{e}").first().is_not_null()).then(pl.col(e).sum()).alias(e) for e in ENERGIES),
        (pl.col("import_kwh") * pl.col("price")).sum().alias("import_cost"),
    ).sort("day").with_columns(
        pl.when(pl.col("import_kwh").is_not_null()).then("import_cost").alias("import_cost"),
        (pl.col("export_kwh") * feed_in).alias("export_revenue"),
        pl.lit(1).alias("days"), pl.lit("day").alias("kind"), pl.lit(None, pl.Float64).alias("peak_cost"),
        pl.lit(None, pl.Float64).alias("peak_kw"), pl.lit(None, pl.Datetime("us", "UTC")).alias("peak_ts"),
    )
    both = pl.concat([days, _month_row(tariff, month, days, peaks)], how="diagonal_relaxed")
    drawn = pl.col("import_cost").fill_null(0.0) + pl.col("peak_cost").fill_null(0.0)
    is_month = pl.col("kind") == "month"
    return METER_COSTS.conform(
        both.with_columns(
            pl.lit(ctx.device).alias("device"), pl.lit(month).alias("month"),
            pl.lit(tariff.currency).alias("currency"),
            (drawn - pl.col("export_revenue").fill_null(0.0)).alias("cost"),
            pl.when(is_month & (drawn > 0)).then(pl.col("peak_cost") / drawn).alias("peak_share"),
        )
    )


def price_per_kwh(tariff: Tariff) -> pl.Expr:
    """Price by `weekday` (1 Monday) and `minute` of the local clock; the first window that fits [currency/kWh]."""
    price = pl.lit(tariff.price_per_kwh)
    for window in reversed(tariff.window):
        start, end = window.minutes
        inside = pl.col("weekday").is_in(list(window.weekdays)) & pl.col("minute").is_between(start, end, closed="left")
        price = pl.when(inside).then(pl.lit(window.price_per_kwh)).otherwise(price)
    return price


def quarter_energies(ctx: DeviceContext, quarter: pl.DataFrame) -> pl.DataFrame:
    """Import and export per quarter hour from every source that `meter_daily` may choose.

    Unlike `pair_energy`, each signal counts where it has energy: the day has been decided to be complete, and phases
    whose rows do not begin together are still the same day's energy.

    Returns: `ts`, `source` (register, interval, power), `import_kwh`, `export_kwh` (0 where there is none).
    """
    if ctx.names(mq.REGISTERS[0]) or ctx.names(mq.REGISTERS[1]):
        register = _sum_sides(ctx, quarter, mq.REGISTERS)
    else:
        register = mq.split_net(ctx, quarter).select("ts", *ENERGIES)
    power = mq.sum_power(quarter, ctx.names(mq.POWER[0]))
    kwh = pl.col("mean_kw") * pl.col("covered_s") / 3600
    sources = {
        "register": register,
        "interval": _sum_sides(ctx, quarter, mq.INTERVALS),
        "power": power.select(
            "ts", kwh.clip(lower_bound=0.0).alias("import_kwh"), (-kwh).clip(lower_bound=0.0).alias("export_kwh")
        ),
    }
    return pl.concat(
        f.with_columns(pl.lit(name).alias("source"), pl.col(*ENERGIES).fill_null(0.0)) for name, f in sources.items()
    )


def _sum_sides(ctx: DeviceContext, quarter: pl.DataFrame, quantities: tuple[str, str]) -> pl.DataFrame:
    sides = [pl.col("signal").is_in(ctx.names(q)) for q in quantities]
    rows = quarter.filter(pl.any_horizontal(sides) & pl.col("increase").is_not_null())
    return rows.group_by("ts").agg(
        pl.col("increase").filter(side).sum().alias(name) for side, name in zip(sides, ENERGIES, strict=True)
    )


def _local(ctx: DeviceContext, frame: pl.DataFrame) -> pl.DataFrame:
    local = pl.col("ts").dt.convert_time_zone(ctx.zone.key)
    return frame.with_columns(
        local.dt.date().alias("day"), local.dt.weekday().alias("weekday"),
        (local.dt.hour().cast(pl.Int32) * 60 + local.dt.minute()).alias("minute"),
    )


def _month_row(tariff: Tariff, month: str, days: pl.DataFrame, peaks: pl.DataFrame) -> pl.DataFrame:
    sums = [
        pl.when(pl.col(c).count() > 0).then(pl.col(c).sum()).alias(c)
        for c in (*ENERGIES, "import_cost", "export_revenue")
    ]
    top = peaks.filter(pl.col("rank") == 1)
    peak_kw = top["power_kw"][0] if len(top) else None
    unpriced = peak_kw is None or tariff.peak_per_kw is None
    return days.select(*sums, pl.len().alias("days")).with_columns(
        pl.lit("month").alias("kind"), pl.lit(date(int(month[:4]), int(month[5:]), 1)).alias("day"),
        pl.lit(peak_kw, pl.Float64).alias("peak_kw"),
        pl.lit(top["ts"][0] if len(top) else None, pl.Datetime("us", "UTC")).alias("peak_ts"),
        pl.lit(None if unpriced else peak_kw * tariff.peak_per_kw, pl.Float64).alias("peak_cost"),
    )
