"""`capacity`: capacity from field data beside what the BMS says, cycles done, and the DC round trip, per local day.

The deciding value is charge between voltage-anchored ends (`anchors.py`); the one by SOC depends on the BMS and is
never evidence alone. It is the charge between the operator's set point and the set voltage of an empty cell, which
need not span the whole cell. Nameplate is an assumption of the settings and is named so. Next: `degradation_fits.py`.
"""

import numpy as np
import polars as pl

from energy_pipeline.compute.anchors import (
    anchored_charges,
    capacity_of_soc,
    highest_cell,
    mark_anchors,
    rolling_capacity,
    with_true_charge,
)
from energy_pipeline.compute.capacity_findings import cycle_difference, health_findings
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.cycle_counts import count_cycles, round_trips
from energy_pipeline.schemas.battery import CAPACITY
from energy_pipeline.settings import BatterySettings


def build_capacity(
    ctx: DeviceContext,
    charge_cycles: pl.DataFrame,
    sat_voltage: pl.DataFrame,
    daily: pl.DataFrame,
    battery_days: pl.DataFrame | None = None,
    soc_turning_points: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Build one row per local day with a segment or a state of health of the BMS.

    `daily` are the device's `resolution_1d` rows. `battery_days` and `soc_turning_points` refine the counts of cycles;
    without them kept segments are counted.
    """
    cycles = mark_anchors(highest_cell(with_true_charge(charge_cycles), sat_voltage), ctx.battery)
    values = anchored_charges(cycles, ctx.battery)
    per_day = _by_day(values)
    medians = rolling_capacity(values, ctx.battery)
    middle = capacity_of_soc(values, ctx.battery.capacity_min_values)
    counts = count_cycles(cycles, battery_days, soc_turning_points, ctx.battery, middle, ctx.zone.key)
    frame = counts
    for part in (per_day, medians, _by_soc(cycles, ctx.battery), _bms(ctx, daily), round_trips(cycles, ctx.battery)):
        frame = frame.join(part, on="day", how="full", coalesce=True)
    if frame.is_empty():
        return CAPACITY.empty()
    first = _first_reference(values, ctx.battery)
    frame = frame.sort("day").join(_reasons(cycles), on="day", how="left")
    median = pl.col("q_anchor_median_ah")
    frame = frame.with_columns(
        pl.lit(ctx.device).alias("device"), pl.col("q_anchor_values").fill_null(0),
        pl.col("efc_ah", "efc_energy", "efc_soc").forward_fill(),
        (100.0 * median / ctx.battery.nameplate_ah).alias("soh_nameplate_percent"),
        (100.0 * median / pl.lit(first, pl.Float64)).alias("soh_first_percent"),
        pl.when(pl.col("q_anchor_ah").is_null()).then(pl.col("reason").fill_null("no_segment")).alias("reason"),
        pl.when(pl.col("round_trip_percent").is_null()).then(pl.col("round_trip_reason").fill_null("no_segment"))
        .alias("round_trip_reason"),
    )
    return CAPACITY.conform(
        frame.with_columns(*cycle_difference(ctx.battery), health_findings(frame, ctx.battery))
    )


def _by_day(values: pl.DataFrame) -> pl.DataFrame:
    """Return charge, discharge and their mean per day; where one direction is missing the other stands alone."""
    up = pl.col("q_ah").filter(pl.col("kind") == "charge").mean().alias("q_charge_ah")
    down = pl.col("q_ah").filter(pl.col("kind") == "discharge").mean().alias("q_discharge_ah")
    return values.group_by("day").agg(up, down).with_columns(
        pl.mean_horizontal("q_charge_ah", "q_discharge_ah").alias("q_anchor_ah")
    )


def _by_soc(cycles: pl.DataFrame, battery: BatterySettings) -> pl.DataFrame:
    large = cycles.filter(
        (pl.col("delta_soc") >= battery.capacity_soc_points) & (pl.col("coverage_current") >= battery.anchor_coverage)
    )
    return large.group_by("day").agg((100.0 * pl.col("true_ah") / pl.col("delta_soc")).mean().alias("q_soc_ah"))


def _bms(ctx: DeviceContext, daily: pl.DataFrame) -> pl.DataFrame:
    """Return the BMS's state of health per day: the last reading of the day [%]."""
    name = ctx.name("soh")
    rows = daily.filter((pl.col("signal") == (name or "")) & pl.col("last").is_not_null())
    day = pl.col("ts").dt.convert_time_zone(ctx.zone.key).dt.date().alias("day")
    return rows.sort("ts").select(day, pl.col("last").alias("soh_bms_percent")).unique("day", keep="last")


def _first_reference(values: pl.DataFrame, battery: BatterySettings) -> float | None:
    """Return the median capacity of the first days with values [Ah], or None with too few."""
    if values.is_empty():
        return None
    start = values["day"].min()
    early = values.filter(pl.col("day") < pl.lit(start) + pl.duration(days=battery.first_capacity_days))
    if len(early) < battery.capacity_min_values:
        return None
    return float(np.mean([np.median(g["q_ah"].to_numpy()) for _, g in early.group_by("kind", maintain_order=True)]))


def _reasons(cycles: pl.DataFrame) -> pl.DataFrame:
    """Return why a day with segments has no anchored capacity."""
    return cycles.group_by("day").agg(
        pl.when(pl.col("charge_ah").is_null().all()).then(pl.lit("no_current"))
        .when(pl.col("top_v").is_null().all() & pl.col("cell_min_end_v").is_null().all()).then(pl.lit("no_cells"))
        .when((pl.col("anchor") == 1).sum() + (pl.col("anchor") == -1).sum() == 0).then(pl.lit("no_anchored_end"))
        .when((pl.col("anchor") == 1).sum() == 0).then(pl.lit("no_full_end"))
        .when((pl.col("anchor") == -1).sum() == 0).then(pl.lit("no_empty_end"))
        .otherwise(pl.lit("way_not_covered")).alias("reason")
    )
