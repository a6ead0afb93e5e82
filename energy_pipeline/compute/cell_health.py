"""`cell_health`: what stands out about each cell, from tables only (METRICS H).

Here: medians over the last days, spreads per pack, shares of `first to the limit`, temperatures, and the one finding
that matters most. Outliers are in `cell_outliers.py`, ranks in `weakest_cells.py`. Texts: `verdict_texts.py`.
"""

from datetime import date, timedelta

import numpy as np
import polars as pl

from energy_pipeline.compute.cell_outliers import find_outliers
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.verdicts import FALLING, RISING
from energy_pipeline.compute.weakest_cells import rank_cells, robust_score
from energy_pipeline.schemas.battery import CELL_HEALTH
from energy_pipeline.schemas.battery_parts import CELL_ENDS, CELL_MONTHS, RESISTANCE_STEPS
from energy_pipeline.settings import BatterySettings

RESISTANCE_DAYS = 60
REST_SOC = 50.0


def build_cell_health(
    ctx: DeviceContext,
    sat_daily: pl.DataFrame,
    charge_cycles: pl.DataFrame,
    cell_ends: pl.DataFrame,
    fits: pl.DataFrame,
    daily: pl.DataFrame,
    resistance_steps: pl.DataFrame | None = None,
    cell_months: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Build one row per cell. What a missing table would have given stays null.

    `daily` are the device's `resolution_1d` rows (temperatures). `resistance_steps` and `cell_months` add resistance,
    stuck sensors and hours above the limits of temperature.
    """
    cells = ctx.signals.filter(pl.col("quantity") == "cell_voltage")
    frame = cells.select("signal", "pack", "cell").sort("pack", "cell")
    if frame.is_empty():
        return CELL_HEALTH.empty()
    ends = _rest_when_charged(cell_ends) if not cell_ends.is_empty() else CELL_ENDS.empty()
    steps = resistance_steps if resistance_steps is not None else RESISTANCE_STEPS.empty()
    months = cell_months if cell_months is not None else CELL_MONTHS.empty()
    last = _last_day(sat_daily, ends)
    for part in (
        _charge_end(sat_daily, ctx.battery), _at_ends(ends, last, ctx.battery), find_outliers(sat_daily, ctx.battery),
        _first_to_limit(sat_daily, ends), _resistance(steps, last), _months(months),
    ):
        frame = frame.join(part, on="signal", how="left", maintain_order="left")
    frame = frame.join(_trend(fits), on="signal", how="left", maintain_order="left")
    spreads = _pack_spreads(ends, last, ctx.battery)
    frame = frame.join(spreads, on="pack", how="left", nulls_equal=True, maintain_order="left")
    frame = _temperatures(frame, ctx, daily, last)
    frame = rank_cells(frame).with_columns(
        _weak(frame, ctx.battery), _resistive(frame, ctx.battery),
        (pl.col("stuck_hours") >= ctx.battery.stuck_h).fill_null(value=False).alias("stuck"),
        pl.col("outlier").fill_null(value=False), pl.lit(ctx.device).alias("device"),
        *_energy_lost(charge_cycles, last, ctx.battery), _imbalance(ctx.battery), _temperature_state(ctx.battery),
    )
    return CELL_HEALTH.conform(frame.with_columns(_finding(ctx.battery).alias("finding")))


def _rest_when_charged(ends: pl.DataFrame) -> pl.DataFrame:
    """Leave out rests below half charge, where there are others.

    At rest after a discharge a cell stands on the steep end of its curve: what differs there is charge, not the sensor,
    and it would hide that the cell was empty first.
    """
    rest = pl.col("kind") == "rest"
    if ends.filter(rest & (pl.col("soc") >= REST_SOC)).is_empty():
        return ends
    return ends.filter(~rest | (pl.col("soc") >= REST_SOC))


def _last_day(sat_daily: pl.DataFrame, ends: pl.DataFrame) -> date:
    days = [d for d in (sat_daily.filter("qualified")["day"].max(), ends["day"].max()) if isinstance(d, date)]
    return max(days, default=date(1970, 1, 1))


def _charge_end(sat_daily: pl.DataFrame, battery: BatterySettings) -> pl.DataFrame:
    good = sat_daily.filter(pl.col("qualified") & pl.col("sat_offset_mv").is_not_null()).sort("day")
    return good.group_by("signal").agg(
        pl.col("sat_offset_mv").tail(battery.recent_days).median().alias("offset_charge_end_mv")
    )


def _recent(frame: pl.DataFrame, last: date, days: int) -> pl.DataFrame:
    return frame.filter(pl.col("day") > last - timedelta(days=days))


def _at_ends(ends: pl.DataFrame, last: date, battery: BatterySettings) -> pl.DataFrame:
    """Return median offsets at the end of discharge and at rest, and the standard error of the first [mV]."""
    recent = _recent(ends, last, battery.recent_days)
    empty = pl.col("offset_mv").filter(pl.col("kind") == "discharge_end")
    mad = (empty - empty.median()).abs().median()
    return recent.group_by("signal").agg(
        empty.median().alias("offset_discharge_end_mv"),
        (1.2533 * 1.4826 * mad / empty.count().clip(1).sqrt()).alias("discharge_se"),
        pl.col("offset_mv").filter(pl.col("kind") == "rest").median().alias("offset_rest_mv"),
        pl.col("lead_s").median(),
    )


def _first_to_limit(sat_daily: pl.DataFrame, ends: pl.DataFrame) -> pl.DataFrame:
    """Return the share of charges in which a cell was highest and of discharges in which it was lowest."""
    good = sat_daily.filter(pl.col("qualified") & pl.col("sat_offset_mv").is_not_null())
    top = good.with_columns((pl.col("sat_offset_mv") == pl.col("sat_offset_mv").max().over("day")).alias("first"))
    low = ends.filter(pl.col("kind") == "discharge_end").with_columns(
        (pl.col("offset_mv") == pl.col("offset_mv").min().over("ts")).alias("first")
    )
    full = top.group_by("signal").agg(pl.col("first").mean().alias("first_full_share"))
    empty = low.group_by("signal").agg(pl.col("first").mean().alias("first_empty_share"))
    return full.join(empty, on="signal", how="full", coalesce=True)


def _trend(fits: pl.DataFrame) -> pl.DataFrame:
    """Return the slope, its standard error and the verdict of each cell's offset."""
    rows = fits.filter((pl.col("level") == "cell") & (pl.col("quantity") == "sat_offset_mv"))
    return rows.select("signal", pl.col("slope_per_year").alias("offset_slope_per_year"), "slope_se", "verdict")


def _resistance(steps: pl.DataFrame, last: date) -> pl.DataFrame:
    """Return the median resistance proxy over the last 60 days and its standard error [mΩ].

    Only starts from rest, and only the SOC bin that has most of them: values of other bins are not comparable.
    """
    recent = _recent(steps, last, RESISTANCE_DAYS).filter("from_rest")
    bins = recent.group_by("soc_bin").len().sort("len", "soc_bin", descending=True)
    recent = recent.filter(pl.col("soc_bin").eq_missing(bins["soc_bin"][0])) if len(bins) else recent
    r = pl.col("r_0_90s_mohm")
    mad = (r - r.median()).abs().median()
    return recent.group_by("signal").agg(
        r.median().alias("resistance_mohm"), (1.2533 * 1.4826 * mad / r.count().sqrt()).alias("resistance_se")
    )


def _months(months: pl.DataFrame) -> pl.DataFrame:
    """Return the longest stuck time and the hours above the limits over all months."""
    since = pl.col("stuck_start_ts").sort_by("stuck_hours", nulls_last=False).last()
    return months.sort("month").group_by("signal").agg(
        pl.col("stuck_hours").max(), since.alias("stuck_since_ts"),
        _sum("hours_above_warm").alias("hours_above_35c"), _sum("hours_above_hot").alias("hours_above_45c"),
    )


def _sum(name: str) -> pl.Expr:
    """Return the sum, null where no value is known."""
    return pl.when(pl.col(name).count() > 0).then(pl.col(name).sum())


def _pack_spreads(ends: pl.DataFrame, last: date, battery: BatterySettings) -> pl.DataFrame:
    """Return the median spread (max − min) per pack at each end [mV]."""
    recent = _recent(ends, last, battery.recent_days)
    mv = pl.col("offset_mv")
    each = recent.group_by("pack", "ts", "kind").agg(
        (mv.max() - mv.min()).alias("mv"), (mv.quantile(0.95, "linear") - mv.quantile(0.05, "linear")).alias("p90")
    )

    def of(kind: str, width: str, ending: str) -> pl.Expr:
        return pl.col(width).filter(pl.col("kind") == kind).median().alias(f"pack_spread_{kind}{ending}_mv")

    kinds = ("charge_end", "rest", "discharge_end")
    return each.group_by("pack").agg([of(k, "mv", "") for k in kinds] + [of(k, "p90", "_p90") for k in kinds])


def _temperatures(frame: pl.DataFrame, ctx: DeviceContext, daily: pl.DataFrame, last: date) -> pl.DataFrame:
    """Add the highest temperature (own sensor, else the pack's warmest) and the system's spread of the last days."""
    sensors = ctx.signals.filter(pl.col("quantity") == "cell_temperature").select("signal", "pack", "cell")
    rows = daily.join(sensors, on="signal", how="inner").filter(pl.col("covered_s") > 0)
    own = rows.group_by("pack", "cell").agg(pl.col("max").max().alias("own_max"))
    pack = rows.group_by("pack").agg(pl.col("max").max().alias("pack_max"))
    day = pl.col("ts").dt.convert_time_zone(ctx.zone.key).dt.date().alias("day")
    mean = pl.col("integral") / pl.col("covered_s")
    spread = _recent(rows.with_columns(day, mean.alias("mean")), last, ctx.battery.recent_days)
    spread = spread.group_by("day").agg((pl.col("mean").max() - pl.col("mean").min()).alias("k"))
    value = spread["k"].median() if len(spread) and len(sensors) > 1 else None
    return (
        frame.join(own, on=["pack", "cell"], how="left", maintain_order="left")
        .join(pack, on="pack", how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("own_max", "pack_max").alias("temperature_max_c"),
            pl.lit(value, pl.Float64).alias("temperature_spread_k"),
        )
    )


def _imbalance(battery: BatterySettings) -> pl.Expr:
    rest, end = pl.col("pack_spread_rest_mv"), pl.col("pack_spread_charge_end_mv")

    def beyond(k: int) -> pl.Expr:
        far = (rest >= battery.spread_rest_mv[k]).fill_null(value=False)
        return far | (end >= battery.spread_charge_end_mv[k]).fill_null(value=False)

    known = rest.is_not_null() | end.is_not_null()
    return (
        pl.when(beyond(1)).then(pl.lit("critical")).when(beyond(0)).then(pl.lit("warn")).when(known).then(pl.lit("ok"))
        .alias("imbalance")
    )


def _temperature_state(battery: BatterySettings) -> pl.Expr:
    """Return ok, warn or critical for the spread of temperatures over the system; null without it."""
    warn, critical = battery.temperature_spread_k
    spread = pl.col("temperature_spread_k")
    return (
        pl.when(spread >= critical).then(pl.lit("critical")).when(spread >= warn).then(pl.lit("warn"))
        .when(spread.is_not_null()).then(pl.lit("ok")).alias("temperature_state")
    )


def _energy_lost(charge_cycles: pl.DataFrame, last: date, battery: BatterySettings) -> list[pl.Expr]:
    """Return the energy of a discharge that the first-empty cell leaves usable, loses, and that is there in all [kWh].

    Lost: its lead in time × mean current × mean voltage of the discharges of the last days, which stays in the median
    cell. Usable: the median energy of those of them that went from a high SOC to an empty cell. Recoverable: both, what
    the battery would give if that cell were like the median one. Null for all other cells.
    """
    recent = _recent(charge_cycles.filter(pl.col("kind") == "discharge"), last, battery.recent_days)
    watt = (recent["current_mean_a"] * recent["voltage_mean_v"]).median()
    deep = pl.col("delta_soc").is_null() | (pl.col("delta_soc") >= battery.capacity_soc_points)
    whole = recent.filter(deep & (pl.col("cell_min_end_v") <= battery.voltage("empty_cell_v")))
    usable = pl.lit(whole["energy_kwh"].median(), pl.Float64)
    first = (pl.col("first_empty_share") == pl.col("first_empty_share").max()) & (pl.col("first_empty_share") > 0)
    kwh = pl.col("lead_s") * pl.lit(watt, pl.Float64) / 3.6e6
    known = first & kwh.is_not_null()
    return [
        pl.when(first).then(kwh).alias("energy_lost_kwh"), pl.when(known).then(usable).alias("energy_usable_kwh"),
        pl.when(known).then(usable + kwh).alias("energy_recoverable_kwh"),
    ]


def _weak(frame: pl.DataFrame, battery: BatterySettings) -> pl.Series:
    """Return which cells run empty before the others: low at the end of discharge, but not at rest.

    The difference of the two offsets must lie beyond both limits of an outlier; an offset of the sensor is in both.
    """
    base = pl.coalesce("offset_rest_mv", "offset_charge_end_mv")
    fall = frame.select((pl.col("offset_discharge_end_mv") - base).cast(pl.Float64).fill_null(np.nan)).to_series()
    value = fall.to_numpy()
    z, scale = robust_score(value)
    if not np.isfinite(scale):
        return pl.Series("weak", np.zeros(len(value), dtype=np.bool_))
    return pl.Series("weak", (z < -battery.outlier_z) & (value <= -battery.outlier_mv))


def _resistive(frame: pl.DataFrame, battery: BatterySettings) -> pl.Series:
    """Return which cells have a resistance beyond an outlier's deviations and the set ratio to the median cell."""
    value = frame["resistance_mohm"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    z, scale = robust_score(value)
    if not np.isfinite(scale):
        return pl.Series("resistive", np.zeros(len(value), dtype=np.bool_))
    middle = float(np.nanmedian(value))
    return pl.Series("resistive", (z > battery.outlier_z) & (value >= battery.resistance_ratio * middle))


def _finding(battery: BatterySettings) -> pl.Expr:
    """Return the code of the finding that matters most, null where nothing stands out."""
    static = pl.max_horizontal(pl.col("offset_charge_end_mv").abs(), pl.col("offset_rest_mv").abs())
    return (
        pl.when(pl.col("stuck")).then(pl.lit("stuck_sensor"))
        .when(pl.col("outlier")).then(pl.lit("outlier"))
        .when(pl.col("verdict") == FALLING).then(pl.lit("offset_falling"))
        .when(pl.col("verdict") == RISING).then(pl.lit("offset_rising"))
        .when(pl.col("weak")).then(pl.lit("weak_cell"))
        .when(pl.col("resistive")).then(pl.lit("resistance_high"))
        .when(static >= battery.offset_static_mv).then(pl.lit("offset"))
        .otherwise(pl.lit(None, pl.String))
    )
