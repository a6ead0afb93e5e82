"""The battery assets: per month the segments, SAT voltages and ends; per device days, regimes, fits and health.

Each asset is one call into `compute`; what it reads is its `deps`. Next: `compute/charge_cycles.py`.
"""

from collections.abc import Callable
from datetime import timedelta

import polars as pl
from dagster import AssetsDefinition

from energy_pipeline.assets.common import MonthBuild, device_asset, month_asset
from energy_pipeline.compute import zones
from energy_pipeline.compute.capacity import build_capacity
from energy_pipeline.compute.cell_ends import build_cell_ends
from energy_pipeline.compute.cell_health import build_cell_health
from energy_pipeline.compute.charge_cycles import build_charge_cycles
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.degradation_fits import build_degradation_fits
from energy_pipeline.compute.regimes import build_regimes
from energy_pipeline.compute.sat_daily import build_sat_daily
from energy_pipeline.compute.sat_voltage import build_sat_voltage
from energy_pipeline.partitions import Partitions
from energy_pipeline.resources.lake import Lake

CHARGES, CELLS = "charges", "cells"
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

    return [
        month_asset(parts, "charge_cycles", ["readings", "signals"], CHARGES, from_readings(build_charge_cycles)),
        month_asset(parts, "sat_voltage", ["readings", "charge_cycles"], CHARGES, from_segments(build_sat_voltage)),
        month_asset(parts, "cell_ends", ["readings", "charge_cycles"], CHARGES, from_segments(build_cell_ends)),
    ]


def build_battery_devices(parts: Partitions) -> list[AssetsDefinition]:
    """Return the assets of the tables that need a system's whole history."""
    return [
        device_asset(
            parts, "sat_daily", ["sat_voltage", "charge_cycles", "resolution_1d"], CELLS,
            lambda lake, ctx: build_sat_daily(
                ctx, lake.read("sat_voltage", ctx.device), lake.read("charge_cycles", ctx.device),
                lake.read("resolution_1d", ctx.device),
            ),
        ),
        device_asset(
            parts, "regimes", ["sat_daily"], CELLS,
            lambda lake, ctx: build_regimes(ctx, lake.read("sat_daily", ctx.device)),
        ),
        device_asset(
            parts, "capacity", ["charge_cycles", "sat_voltage", "resolution_1d"], CELLS,
            lambda lake, ctx: build_capacity(
                ctx, lake.read("charge_cycles", ctx.device), lake.read("sat_voltage", ctx.device),
                lake.read("resolution_1d", ctx.device),
            ),
        ),
        device_asset(
            parts, "degradation_fits", ["sat_daily", "regimes", "capacity", "charge_cycles"], CELLS,
            lambda lake, ctx: build_degradation_fits(
                ctx, lake.read("sat_daily", ctx.device), lake.read("regimes", ctx.device),
                lake.read("capacity", ctx.device), lake.read("charge_cycles", ctx.device),
            ),
        ),
        device_asset(
            parts, "cell_health", ["sat_daily", "charge_cycles", "cell_ends", "degradation_fits", "resolution_1d"],
            CELLS,
            lambda lake, ctx: build_cell_health(
                ctx, lake.read("sat_daily", ctx.device), lake.read("charge_cycles", ctx.device),
                lake.read("cell_ends", ctx.device), lake.read("degradation_fits", ctx.device),
                lake.read("resolution_1d", ctx.device),
            ),
        ),
    ]
