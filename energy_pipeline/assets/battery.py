"""The battery assets: per month the segments, SAT voltages and ends; per device days, regimes, fits and health.

Each asset is one call into `compute`; what it reads is its `deps`. Next: `compute/charge_cycles.py`.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import polars as pl
from dagster import AssetsDefinition

from energy_pipeline.assets.common import DeviceBuild, MonthBuild, device_asset, month_asset
from energy_pipeline.compute import zones
from energy_pipeline.compute.alarms import build_alarm_events, build_alarm_spans
from energy_pipeline.compute.auxiliary_fit import build_auxiliary_fit
from energy_pipeline.compute.battery_days import build_battery_days, build_soc_turning_points
from energy_pipeline.compute.battery_energy import build_battery_energy
from energy_pipeline.compute.capacity import build_capacity
from energy_pipeline.compute.cell_ends import build_cell_ends
from energy_pipeline.compute.cell_health import build_cell_health
from energy_pipeline.compute.cell_months import build_cell_months
from energy_pipeline.compute.charge_cycles import build_charge_cycles
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.degradation_fits import build_degradation_fits
from energy_pipeline.compute.device_evidence import build_device_evidence
from energy_pipeline.compute.meter_quarters import NET, POWER, REGISTERS
from energy_pipeline.compute.rainflow import build_rainflow
from energy_pipeline.compute.regimes import build_regimes
from energy_pipeline.compute.resistance import build_resistance, build_resistance_steps
from energy_pipeline.compute.resistance_trends import build_resistance_trends
from energy_pipeline.compute.sat_daily import build_sat_daily
from energy_pipeline.compute.sat_explained import build_sat_explained
from energy_pipeline.compute.sat_voltage import build_sat_voltage
from energy_pipeline.compute.site_balance import SiteMeter
from energy_pipeline.partitions import Partitions
from energy_pipeline.resources.lake import Lake

CHARGES, CELLS = "charges", "cells"
SITE_METER = "resolution_15min of the site meter"
MARGIN = timedelta(hours=48)


def readings_around(lake: Lake, ctx: DeviceContext, month: str) -> pl.LazyFrame:
    """Readings of a local month and 48 h on either side: signal, ts, value."""
    start, end = (zones.from_us(us) for us in zones.month_bounds(ctx.zone, month))
    low, high = start - MARGIN, end + MARGIN
    months = zones.months_between(ctx.zone, zones.to_us(low), zones.to_us(high))
    return (
        lake.scan("readings", ctx.device, months)
        .filter((pl.col("ts") >= low) & (pl.col("ts") < high))
        .select("signal", "ts", "value")
    )


def build_battery_months(parts: Partitions) -> list[AssetsDefinition]:
    """Return the assets of the month tables of battery systems."""

    def from_readings(build: Callable[[DeviceContext, str, pl.LazyFrame], pl.DataFrame]) -> MonthBuild:
        return lambda lake, ctx, month: build(ctx, month, readings_around(lake, ctx, month))

    def from_segments(build: Callable[[DeviceContext, str, pl.LazyFrame, pl.DataFrame], pl.DataFrame]) -> MonthBuild:
        return lambda lake, ctx, month: build(
            ctx, month, readings_around(lake, ctx, month), lake.read("charge_cycles", ctx.device, [month])
        )

    both = ["readings", "charge_cycles"]
    return [
        month_asset(parts, "charge_cycles", ["readings", "signals"], CHARGES, from_readings(build_charge_cycles)),
        month_asset(parts, "sat_voltage", both, CHARGES, from_segments(build_sat_voltage)),
        month_asset(parts, "cell_ends", both, CHARGES, from_segments(build_cell_ends)),
        month_asset(parts, "resistance_steps", both, CHARGES, from_segments(build_resistance_steps)),
        month_asset(parts, "battery_days", both, CHARGES, from_segments(build_battery_days)),
        month_asset(parts, "soc_turning_points", ["readings"], CHARGES, from_readings(build_soc_turning_points)),
        month_asset(parts, "cell_months", ["readings"], CHARGES, from_readings(build_cell_months)),
        month_asset(parts, "alarm_spans", ["readings"], CHARGES, from_readings(build_alarm_spans)),
    ]


# Device tables in the order in which they are made: name, how it is computed, and the tables that it reads. Each
# function takes the device's context and these tables' rows, in this order.
DEVICE_TABLES: tuple[tuple[str, Callable[..., pl.DataFrame], tuple[str, ...]], ...] = (
    ("sat_daily", build_sat_daily, ("sat_voltage", "charge_cycles", "resolution_1d")),
    ("regimes", build_regimes, ("sat_daily",)),
    (
        "capacity", build_capacity,
        ("charge_cycles", "sat_voltage", "resolution_1d", "battery_days", "soc_turning_points"),
    ),
    ("degradation_fits", build_degradation_fits, ("sat_daily", "regimes", "capacity", "charge_cycles")),
    (
        "cell_health", build_cell_health,
        ("sat_daily", "charge_cycles", "cell_ends", "degradation_fits", "resolution_1d", "resistance_steps",
         "cell_months"),
    ),
    ("rainflow", build_rainflow, ("soc_turning_points",)),
    ("resistance", build_resistance, ("resistance_steps",)),
    ("sat_explained", build_sat_explained, ("sat_daily", "regimes")),
    ("resistance_trends", build_resistance_trends, ("resistance",)),
    ("battery_energy", build_battery_energy, ("battery_days", "resolution_1d", SITE_METER)),
    ("auxiliary_fit", build_auxiliary_fit, ("battery_energy",)),
    ("alarm_events", build_alarm_events, ("alarm_spans",)),
    ("device_evidence", build_device_evidence, ("charge_cycles", "battery_days", "sat_voltage", "capacity")),
)


def build_battery_devices(parts: Partitions) -> list[AssetsDefinition]:
    """Return the assets of the tables that need a system's whole history."""

    def of(build: Callable[..., pl.DataFrame], reads: tuple[str, ...]) -> DeviceBuild:
        return lambda lake, ctx: build(
            ctx, *(site_meter(lake, ctx) if name == SITE_METER else lake.read(name, ctx.device) for name in reads)
        )

    return [
        device_asset(parts, name, [r.partition(" ")[0] for r in reads], CELLS, of(build, reads))
        for name, build, reads in DEVICE_TABLES
    ]


def site_meter(lake: Lake, ctx: DeviceContext) -> SiteMeter | None:
    """Return the meter at a battery's grid connection with the quarter hours of all its months; None without one."""
    if ctx.site_meter is None:
        return None
    meter = replace(ctx, device=ctx.site_meter, signals=lake.read("signals", ctx.site_meter), site_meter=None)
    names = [n for q in (*POWER, *REGISTERS, NET) for n in meter.names(q)]
    return SiteMeter(meter, lake.scan("resolution_15min", meter.device).filter(pl.col("signal").is_in(names)).collect())
