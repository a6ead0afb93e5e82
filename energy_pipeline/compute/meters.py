"""Meter tables: what a meter did on each local day, and the ten largest quarter hours of a month.

Two pure functions of the resolution rows of one device and month; definitions in `docs/metrics.md` (Meters). Energy
comes from registers, else interval rows, else power, decided per day. Missing stays null.
Next: `meter_quarters.py` for the quarter hours, `meter_views.py` for load duration, maps and periods.
"""

from datetime import timedelta

import polars as pl

from energy_pipeline.compute import meter_quarters as mq
from energy_pipeline.compute import zones
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.schemas.meters import METER_DAILY, METER_PEAKS

PEAKS = 10
BASE_LOAD_QUANTILE = 0.05
LOAD_QUANTILE = 0.95
NIGHT_HOURS = (1, 2, 3, 4)
HOUR_S = 3600.0


def build_meter_daily(
    ctx: DeviceContext, month: str, quarter: pl.DataFrame, daily: pl.DataFrame
) -> pl.DataFrame:
    """Build `meter_daily`: one row per local day with power or energy data.

    Args:
        ctx: device, zone, thresholds and signals.
        month: local month, YYYY-MM.
        quarter: `resolution_15min` of the device and month.
        daily: `resolution_1d` of the device and month.

    Phases of interval energy (and tariffs of registers) add up only on days on which all of them have data; else the
    figure is null. `balance_percent` is 100 x (power - register) / (import + export) over the quarter hours in which
    both are measured, null unless these cover `peak_coverage` of the day. Base and night load need the same share of
    the day and of the night. Power factors are magnitudes (the sign is the direction), averaged per quarter hour.
    """
    names = [n for q in mq.QUANTITIES for n in ctx.names(q)]
    days = _days(ctx, daily.filter(pl.col("signal").is_in(names)))
    if days.is_empty():
        return METER_DAILY.empty()
    quarter = quarter.filter(pl.col("signal").is_in(names))
    load = _local(ctx, mq.quarter_load(ctx, quarter))
    parts = (
        _power_days(ctx, daily), _energy_days(ctx, quarter, daily), _peak_days(load), _load_days(ctx, load, days),
        _power_factor_days(ctx, quarter), _balance_days(ctx, quarter, days),
    )  # fmt: skip
    for part in parts:
        days = days.join(part, on="day", how="left")
    length = pl.col("day_length_s")
    days = days.with_columns(
        pl.lit(ctx.device).alias("device"),
        pl.lit(month).alias("month"),
        (pl.col("power_covered_s") / length).alias("power_coverage"),
        (pl.col("energy_covered_s") / length).alias("register_coverage"),
        pl.when(pl.col("peak_kw") > 0).then(pl.col("import_kwh") / pl.col("peak_kw")).alias("hours_of_use_h"),
        pl.when(pl.col("peak_kw") > 0).then(pl.col("import_mean_kw") / pl.col("peak_kw")).alias("load_factor"),
    )
    return METER_DAILY.conform(days.sort("day"))


def build_meter_peaks(ctx: DeviceContext, month: str, quarter: pl.DataFrame) -> pl.DataFrame:
    """Build `meter_peaks`: the ten largest quarter hours of import in a month, the earlier first among equals.

    Args:
        ctx: device, zone, thresholds and signals.
        month: local month, YYYY-MM.
        quarter: `resolution_15min` of the device and month.
    """
    load = mq.quarter_load(ctx, quarter).filter(pl.col("import_kw") > 0)
    top = load.sort(["import_kw", "ts"], descending=[True, False]).head(PEAKS)
    if top.is_empty():
        return METER_PEAKS.empty()
    quanta = {s: mq.quantum_kw(ctx, quarter, s) for s in top["source"].unique().to_list()}
    return METER_PEAKS.conform(
        top.with_columns(
            pl.lit(ctx.device).alias("device"),
            pl.lit(month).alias("month"),
            pl.int_range(1, pl.len() + 1).alias("rank"),
            pl.col("import_kw").alias("power_kw"),
            pl.col("source").replace_strict(quanta, return_dtype=pl.Float64).alias("quantum_kw"),
        )
    )


def _local(ctx: DeviceContext, frame: pl.DataFrame) -> pl.DataFrame:
    local = pl.col("ts").dt.convert_time_zone(ctx.zone.key)
    return frame.with_columns(local.dt.date().alias("day"), local.dt.hour().alias("hour"))


def _days(ctx: DeviceContext, daily: pl.DataFrame) -> pl.DataFrame:
    """Local days with data: `day`, `ts` of their first instant, length and length of the night [s]."""
    found = _local(ctx, daily.select("ts").unique())["day"].sort().to_list()
    starts = [zones.day_start(ctx.zone, d) for d in found]
    ends = [zones.day_start(ctx.zone, d + timedelta(days=1)) for d in found]
    frame = pl.DataFrame(
        {
            "day": pl.Series(found, dtype=pl.Date),
            "ts": pl.Series(starts, dtype=pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            "day_length_s": [(e - s) / zones.SECOND for s, e in zip(starts, ends, strict=True)],
        }
    )
    grid = [t for s, e in zip(starts, ends, strict=True) for t in range(s, e, zones.QUARTER)]
    quarters = _local(ctx, pl.DataFrame({"ts": pl.Series(grid, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))}))
    night = quarters.filter(pl.col("hour").is_in(NIGHT_HOURS)).group_by("day").agg(pl.len().alias("night_quarters"))
    return frame.join(night, on="day", how="left")


def _power_days(ctx: DeviceContext, daily: pl.DataFrame) -> pl.DataFrame:
    power = _local(ctx, mq.sum_power(daily, ctx.names(mq.POWER[0])))
    return power.select(
        "day", "mean_kw", "min_kw", "max_kw", pl.col("covered_s").alias("power_covered_s"),
        (pl.col("mean_kw") * pl.col("covered_s") / HOUR_S).alias("power_net_kwh"),
    )  # fmt: skip


def _energy_days(ctx: DeviceContext, quarter: pl.DataFrame, daily: pl.DataFrame) -> pl.DataFrame:
    """Energy per day from the first source that has any: register, interval, power."""
    if ctx.names(mq.REGISTERS[0]) or ctx.names(mq.REGISTERS[1]):
        register = _local(ctx, mq.pair_energy(ctx, daily, mq.REGISTERS))
    else:
        register = _sum_days(_local(ctx, mq.split_net(ctx, quarter)))
    interval = _local(ctx, mq.pair_energy(ctx, daily, mq.INTERVALS))
    unknown = pl.lit(None, pl.Float64)
    columns = ["day", "import_kwh", "export_kwh", "net_kwh", "estimated_kwh", "covered_s"]
    sources = {
        "register": register.select(columns),
        "interval": interval.select(columns),
        "power": _energy_by_power(ctx, quarter).with_columns(
            unknown.alias("estimated_kwh"), unknown.alias("covered_s")
        ).select(columns),
    }  # fmt: skip
    rows = pl.concat([f.with_columns(pl.lit(name).alias("energy_source")) for name, f in sources.items()])
    known = pl.col("import_kwh").is_not_null() | pl.col("export_kwh").is_not_null()
    return (
        rows.filter(known)
        .unique("day", keep="first", maintain_order=True)
        .rename({"covered_s": "energy_covered_s"})
    )


def _sum_days(energy: pl.DataFrame) -> pl.DataFrame:
    """Sum quarter hours to days; a direction without any value stays null."""
    sums = [
        pl.when(pl.col(c).count() > 0).then(pl.col(c).sum()).alias(c)
        for c in ("import_kwh", "export_kwh", "net_kwh", "estimated_kwh", "covered_s")
    ]
    return energy.group_by("day").agg(sums)


def _energy_by_power(ctx: DeviceContext, quarter: pl.DataFrame) -> pl.DataFrame:
    """Import and export as the positive and negative quarter-hour integrals of power, as far as covered [kWh]."""
    power = _local(ctx, mq.sum_power(quarter, ctx.names(mq.POWER[0])))
    kwh = pl.col("mean_kw") * pl.col("covered_s") / HOUR_S
    return power.group_by("day").agg(
        kwh.clip(lower_bound=0.0).sum().alias("import_kwh"),
        (-kwh).clip(lower_bound=0.0).sum().alias("export_kwh"),
        kwh.sum().alias("net_kwh"),
    )


def _peak_days(load: pl.DataFrame) -> pl.DataFrame:
    """Largest quarter hour of import per day, its start and source, and the mean import power."""
    ordered = load.sort(["import_kw", "ts"], descending=[True, False])
    return ordered.group_by("day", maintain_order=True).agg(
        pl.col("import_kw").first().alias("peak_kw"),
        pl.col("ts").first().alias("peak_ts"),
        pl.col("source").first().alias("peak_source"),
        pl.col("import_kw").mean().alias("import_mean_kw"),
    )


def _load_days(ctx: DeviceContext, load: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Base load and night load; null where too little of the day or of the night is known."""
    night = pl.col("hour").is_in(NIGHT_HOURS)
    found = load.group_by("day").agg(
        pl.col("mean_kw").quantile(BASE_LOAD_QUANTILE, interpolation="linear").alias("base_load_kw"),
        pl.col("mean_kw").filter(night).median().alias("night_load_kw"),
        pl.len().alias("quarters"),
        night.sum().alias("quarters_at_night"),
    )
    need = ctx.meter.peak_coverage
    joined = found.join(days.select("day", "day_length_s", "night_quarters"), on="day")
    return joined.select(
        "day",
        pl.when(pl.col("quarters") * mq.QUARTER_S >= need * pl.col("day_length_s")).then("base_load_kw"),
        pl.when(pl.col("quarters_at_night") >= need * pl.col("night_quarters")).then("night_load_kw"),
    )


def _power_factor_days(ctx: DeviceContext, quarter: pl.DataFrame) -> pl.DataFrame:
    """Power factor weighted by time and by energy, and the share of loaded time in which it is low."""
    names = ctx.names("power_factor")
    factor = quarter.filter(pl.col("signal").is_in(names) & (pl.col("covered_s") > 0)).group_by("ts").agg(
        (pl.col("integral").sum() / pl.col("covered_s").sum()).abs().alias("factor"), pl.col("covered_s").mean()
    )
    power = mq.sum_power(quarter, ctx.names(mq.POWER[0])).select("ts", pl.col("mean_kw").abs().alias("size_kw"))
    typical = power["size_kw"].quantile(LOAD_QUANTILE, interpolation="linear")
    rows = _local(ctx, factor.join(power, on="ts", how="left"))
    time = pl.col("covered_s")
    energy = pl.when(pl.col("size_kw").is_not_null()).then(pl.col("size_kw") * time)
    loaded = (pl.col("size_kw") >= ctx.meter.power_factor_load_share * (typical or 0.0)) & (pl.col("size_kw") > 0)
    low = loaded & (pl.col("factor") < ctx.meter.power_factor_limit)
    weighted = rows.group_by("day").agg(
        ((pl.col("factor") * time).sum() / time.sum()).alias("power_factor_time"),
        ((pl.col("factor") * energy).sum() / energy.sum()).alias("power_factor_energy"),
        (time.filter(low).sum() / time.filter(loaded).sum()).alias("power_factor_low_share"),
    )
    return weighted.with_columns(pl.col("power_factor_energy", "power_factor_low_share").fill_nan(None))


def _balance_days(ctx: DeviceContext, quarter: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Power against register (or interval) energy over the quarter hours in which both are measured [%]."""
    need = ctx.meter.peak_coverage
    power = mq.sum_power(quarter, ctx.names(mq.POWER[0])).filter(pl.col("covered_s") >= need * mq.QUARTER_S)
    energy = mq.register_energy(ctx, quarter)
    if energy.is_empty():
        energy = mq.pair_energy(ctx, quarter, mq.INTERVALS)
    total = pl.sum_horizontal("import_kwh", "export_kwh")
    both = energy.join(power.select("ts", "mean_kw", "min_kw"), on="ts").filter(
        (pl.col("covered_s") >= need * mq.QUARTER_S) & (pl.col("estimated_kwh") <= (1 - need) * total + 1e-9)
    )
    # Without an export register the net is the import, but only where no power reading shows a feed-in.
    net = pl.coalesce("net_kwh", pl.when(pl.col("min_kw") >= 0).then("import_kwh"))
    rows = _local(ctx, both.with_columns(net.alias("net"), total.alias("total")).drop_nulls("net"))
    by_power = pl.col("mean_kw").sum() * mq.QUARTER_S / HOUR_S
    found = rows.group_by("day").agg(
        pl.when(pl.col("total").sum() > 0)
        .then(100 * (by_power - pl.col("net").sum()) / pl.col("total").sum())
        .alias("balance_percent"),
        (pl.len() * mq.QUARTER_S).alias("both_s"),
    )
    joined = found.join(days.select("day", "day_length_s"), on="day")
    enough = pl.col("both_s") >= need * pl.col("day_length_s")
    return joined.select("day", pl.when(enough).then("balance_percent"))
