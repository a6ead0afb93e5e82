"""`sat_daily`: one SAT voltage per cell and local day, from one charge for all cells, or the reason why there is none.

Which charge stands for a day is decided for the whole system (METRICS E), so that cells of one day are comparable.
A missing cell-day stays missing: nothing is carried forward. Next: `regimes.py` and `degradation_fits.py`.
"""

from datetime import date

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import Bool, local_days
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.sat_voltage import PLATEAU
from energy_pipeline.schemas.battery import SAT_DAILY
from energy_pipeline.settings import BatterySettings

REASONS = ("no_charge", "partial_charge", "few_readings", "gap", "sentinel", "no_data")
LOCAL_WEEKS = 9


def build_sat_daily(
    ctx: DeviceContext,
    sat_voltage: pl.DataFrame,
    charge_cycles: pl.DataFrame,
    daily: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Build the day ledger of every cell from the device's first to its last day.

    `daily` (the `resolution_1d` rows of the device) tells a day without readings (`no_data`) from one without a charge
    (`no_charge`); without it both are `no_charge`. `charge_cycles` is part of the table's inputs: what it says about
    the charges stands in the rows of `sat_voltage` already.
    """
    del charge_cycles
    places = ctx.signals.filter(pl.col("quantity") == "cell_voltage").select("signal", "pack", "cell")
    cells = places.sort("pack", "cell", "signal")
    span = device_days(ctx)
    if cells.is_empty() or span is None:
        return SAT_DAILY.empty()
    charges = judge_charges(sat_voltage, ctx.battery)
    chosen = choose_charge_of_day(charges)
    days = pl.DataFrame({"day": pl.date_range(*span, "1d", eager=True)})
    grid = cells.join(days, how="cross").join(chosen, on="day", how="left")
    rows = sat_voltage.select(
        "charge_end_ts", "signal", "sat_voltage_v", "method", "readings", "refused_readings", "coverage",
        "sat_offset_mv", "temperature_end_c",
    )
    frame = grid.join(rows, on=["charge_end_ts", "signal"], how="left")
    by_level = pl.col("plateau") & pl.col("method").is_not_null()
    frame = frame.with_columns(pl.when(by_level).then(pl.lit(PLATEAU)).otherwise("method").alias("method"))
    frame = frame.with_columns(_reason(ctx.battery, _known_days(ctx, daily, days)).alias("reason"))
    frame = frame.with_columns(pl.col("reason").is_null().alias("qualified"))
    return SAT_DAILY.conform(_add_index(frame, ctx.battery).with_columns(pl.lit(ctx.device).alias("device")))


def device_days(ctx: DeviceContext) -> tuple[date, date] | None:
    """Return the first and last local day with readings of any cell, or None without cells."""
    rows = ctx.signals.filter(pl.col("quantity") == "cell_voltage").drop_nulls(["first_ts", "last_ts"])
    if rows.is_empty():
        return None
    us = [rows["first_ts"].dt.timestamp("us").to_numpy().min(), rows["last_ts"].dt.timestamp("us").to_numpy().max()]
    first, last = local_days(np.asarray(us, dtype=np.int64), ctx.zone).to_list()
    return first, last


def judge_charges(sat_voltage: pl.DataFrame, battery: BatterySettings) -> pl.DataFrame:
    """Return one row per charge with `full`: does it qualify as a charge, whatever single cells say.

    A charge whose SOC is not known counts only at the usual level (`at_plateau`), and `plateau` is true.
    """
    charges = sat_voltage.group_by("charge_end_ts").agg(
        pl.col("day", "soc_end", "delta_soc", "current_end_a").first(),
        pl.col("sat_voltage_v").median().alias("median_v"), pl.col("sat_voltage_v").max().alias("top_v"),
        (pl.col("method") == PLATEAU).any().alias("plateau"),
    ).sort("charge_end_ts")
    least = soc_limit(charges, battery)
    blind = pl.col("plateau") | pl.col("delta_soc").is_null() | pl.col("soc_end").is_null()
    by_soc = (pl.col("delta_soc") >= battery.qualified_delta_soc) & (pl.col("soc_end") >= least)
    high = pl.col("median_v") >= battery.voltage("full_median_cell_v")
    charges = charges.with_columns(blind.alias("plateau"), high.fill_null(value=False).alias("high"))
    level = pl.Series(at_plateau(charges, battery))
    full = pl.when("plateau").then(level).otherwise(by_soc.fill_null(value=False))
    return charges.with_columns((full & pl.col("high")).alias("full")).drop("high", "top_v")


def at_plateau(charges: pl.DataFrame, battery: BatterySettings) -> Bool:
    """Return which charges without SOC reach the level at which the system's charges usually end.

    Charges that end earlier from week to week look like ageing, and each of them like its neighbours. The level is
    therefore that of the whole history: the highest cell must lie within `plateau_level_mv` of the 75th percentile of
    all high charges. And it must be one: where it moves by more than that in the history, no charge counts. The move is
    the median slope between weeks at most nine apart, so that a step of the set point is none.
    """
    high = charges.filter(pl.col("high") & pl.col("top_v").is_not_null())
    blind = high.filter("plateau")
    if blind.is_empty() or _level_moves(blind, battery):
        return np.zeros(len(charges), dtype=np.bool_)
    usual = float(np.quantile(high["top_v"].to_numpy(), 0.75))
    off = (charges["top_v"].cast(pl.Float64).fill_null(np.inf).to_numpy() - usual) * 1000.0
    return np.asarray(np.abs(off) <= battery.plateau_level_mv, dtype=np.bool_)


def _level_moves(charges: pl.DataFrame, battery: BatterySettings) -> bool:
    number = charges["day"].cast(pl.Int32)
    span = int(number.max()) - int(number.min()) + 1  # type: ignore[arg-type]
    if span < battery.slope_min_span_days:
        return False
    weeks = charges.group_by((number - number.min()) // 7).agg(pl.col("top_v").median()).sort("day")
    week, mv = weeks["day"].to_numpy().astype(np.float64), 1000.0 * weeks["top_v"].to_numpy()
    i, j = np.triu_indices(len(week), 1)
    near = week[j] - week[i] <= LOCAL_WEEKS
    i, j = i[near], j[near]
    if not len(i):
        return False
    slope = float(np.median((mv[j] - mv[i]) / (week[j] - week[i])))
    return abs(slope) * span / 7.0 > battery.plateau_level_mv


def soc_limit(charges: pl.DataFrame, battery: BatterySettings) -> float:
    """Return the SOC that a qualified charge must reach [%]: the set one, or the system's own 75th percentile − 2."""
    real = charges.filter(pl.col("delta_soc") >= battery.qualified_delta_soc)["soc_end"].drop_nulls()
    if real.is_empty():
        return battery.qualified_soc
    own = float(np.quantile(real.to_numpy(), 0.75))
    return min(battery.qualified_soc, own - battery.qualified_soc_margin)


def choose_charge_of_day(charges: pl.DataFrame) -> pl.DataFrame:
    """Return one charge per local day: highest SOC at the end, then largest rise, then the latest."""
    keys = ["day", "soc_end", "delta_soc", "charge_end_ts"]
    ordered = charges.sort(keys, descending=[False, True, True, True], nulls_last=True)
    return ordered.unique("day", keep="first", maintain_order=True)


def _known_days(ctx: DeviceContext, daily: pl.DataFrame | None, days: pl.DataFrame) -> pl.DataFrame:
    """Return (signal, day) pairs with readings; without `daily`, null stands for not known."""
    if daily is None or daily.is_empty():
        return days.with_columns(pl.lit(None, pl.String).alias("signal"))
    cells = ctx.names("cell_voltage")
    rows = daily.filter(pl.col("signal").is_in(cells) & (pl.col("n") > 0))
    day = rows["ts"].dt.convert_time_zone(ctx.zone.key).dt.date().alias("day")
    return rows.select("signal", day)


def _reason(battery: BatterySettings, known: pl.DataFrame) -> pl.Expr:
    """Return the reason of every (signal, day), null where the day qualifies; the first that applies."""
    listed = known.drop_nulls("signal")
    if listed.is_empty():
        silent = pl.lit(value=False)
    else:
        keys = listed.select(pl.concat_str("signal", pl.col("day").cast(pl.String), separator="|")).to_series()
        pair = pl.concat_str("signal", pl.col("day").cast(pl.String), separator="|")
        silent = ~pair.is_in(keys.implode())
    few = pl.col("readings") < battery.qualified_readings
    return (
        pl.when(silent).then(pl.lit("no_data"))
        .when(pl.col("charge_end_ts").is_null()).then(pl.lit("no_charge"))
        .when(~pl.col("full")).then(pl.lit("partial_charge"))
        .when(pl.col("readings").is_null()).then(pl.lit("no_data"))
        .when((pl.col("refused_readings") > 0) & few).then(pl.lit("sentinel"))
        .when(pl.col("readings") == 0).then(pl.lit("gap"))
        .when(few).then(pl.lit("few_readings"))
        .when(pl.col("coverage") < battery.qualified_coverage).then(pl.lit("gap"))
        .when(pl.col("sat_voltage_v").is_null()).then(pl.lit("few_readings"))
        .otherwise(pl.lit(None, pl.String))
    )


def _add_index(frame: pl.DataFrame, battery: BatterySettings) -> pl.DataFrame:
    """Add the baseline (median of the first qualified days, never the first alone) and the index in percent of it."""
    first = (
        frame.filter("qualified").sort("day").group_by("signal", maintain_order=True).head(battery.baseline_days)
        .group_by("signal").agg(
            pl.when(pl.len() >= battery.baseline_min_days).then(pl.col("sat_voltage_v").median()).alias("baseline_v")
        )
    )
    joined = frame.join(first, on="signal", how="left").sort("pack", "cell", "day")
    index = pl.when("qualified").then(100.0 * pl.col("sat_voltage_v") / pl.col("baseline_v"))
    return joined.with_columns(index.alias("sat_index_percent"))
