"""Meter tables: energy, power and power factor per local day, and the peaks of a month.

Made from the resolution tables only. Next: `compute/meters.py`.
"""

import polars as pl

from energy_pipeline.schemas.base import DAY, DEVICE, MONTH, UTC_TS, Column, Table

METER_DAILY = Table(
    name="meter_daily",
    grain="one row per (device, local day) with power or energy data",
    description="What a meter did on a local day. Null where the day holds no data for a figure.",
    key=("device", "day"),
    partition_by=("device", "month"),
    columns=(
        DEVICE,
        MONTH,
        DAY,
        Column("ts", UTC_TS, "start of the local day", nullable=False),
        Column("day_length_s", pl.Float64, "length of the local day (23, 24 or 25 h)", "s", nullable=False),
        Column("energy_source", pl.String, "register, interval or power: where import and export come from"),
        Column("import_kwh", pl.Float64, "energy drawn", "kWh"),
        Column("export_kwh", pl.Float64, "energy fed back", "kWh"),
        Column("net_kwh", pl.Float64, "import minus export", "kWh"),
        Column("estimated_kwh", pl.Float64, "part of import plus export spread over gaps", "kWh"),
        Column("power_net_kwh", pl.Float64, "time integral of active power", "kWh"),
        Column("balance_percent", pl.Float64, "power integral against net register energy, where both cover the day", "%"),
        Column("mean_kw", pl.Float64, "mean power, weighted by time", "kW"),
        Column("min_kw", pl.Float64, "smallest power reading", "kW"),
        Column("max_kw", pl.Float64, "largest power reading", "kW"),
        Column("peak_kw", pl.Float64, "largest 15-min mean of import power with coverage of at least 0.9", "kW"),
        Column("peak_ts", UTC_TS, "start of that quarter hour"),
        Column("peak_source", pl.String, "power, register or interval"),
        Column("base_load_kw", pl.Float64, "5th percentile of the 15-min means", "kW"),
        Column("night_load_kw", pl.Float64, "median of the 15-min means from 01:00 to 05:00 local", "kW"),
        Column("hours_of_use_h", pl.Float64, "import divided by peak", "h"),
        Column("load_factor", pl.Float64, "mean import power divided by peak", "1"),
        Column("power_factor_time", pl.Float64, "power factor weighted by time", "1"),
        Column("power_factor_energy", pl.Float64, "power factor weighted by energy", "1"),
        Column("power_factor_low_share", pl.Float64, "share of loaded time with |power factor| below the limit", "1"),
        Column("power_coverage", pl.Float64, "share of the day covered by power readings", "1"),
        Column("register_coverage", pl.Float64, "share of the day covered by register or interval readings", "1"),
    ),
)

METER_PEAKS = Table(
    name="meter_peaks",
    grain="one row per (device, month, rank 1..10)",
    description="The ten largest quarter hours of a month, clock-aligned, with coverage of at least 0.9.",
    key=("device", "month", "rank"),
    partition_by=("device", "month"),
    columns=(
        DEVICE,
        MONTH,
        Column("rank", pl.Int16, "1 is the largest", nullable=False, ge=1, le=10),
        Column("ts", UTC_TS, "start of the quarter hour", nullable=False),
        Column("power_kw", pl.Float64, "mean import power", "kW", nullable=False),
        Column("coverage", pl.Float64, "share of the quarter hour covered by readings", "1", nullable=False),
        Column("source", pl.String, "power, register or interval", nullable=False),
        Column("quantum_kw", pl.Float64, "smallest step of the source as power; null for power readings", "kW"),
    ),
)
TABLES = (METER_DAILY, METER_PEAKS)
