"""Meter tables: energy, power and power factor per local day, the peaks of a month, comparisons and costs.

Made from the resolution tables only. Next: `compute/meters.py`, `compute/meter_balance.py`, `compute/tariff.py`.
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
        Column("balance_percent", pl.Float64, "power integral against register energy, where both cover the day", "%"),
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

METER_BALANCE = Table(
    name="meter_balance",
    grain="one row per (device, local day, comparison, signal) where one energy has two sources",
    description="Two sources of one energy side by side, over the time in which both are measured.",
    key=("device", "day", "comparison", "signal"),
    partition_by=("device", "month"),
    columns=(
        DEVICE,
        MONTH,
        DAY,
        Column(
            "comparison", pl.String, "power_and_register, power_and_interval, register_and_interval, "
            "registers_and_net_register, register_stands_still (a is the power), site_meter_and_inverter or "
            "site_meter_and_battery; the name gives a before b", nullable=False,
        ),
        Column("signal", pl.String, "signals of b, with commas between", nullable=False),
        Column("a_kwh", pl.Float64, "net energy of the first source", "kWh"),
        Column("b_kwh", pl.Float64, "net energy of the second source", "kWh"),
        Column("difference_percent", pl.Float64, "a − b, of the energy in both directions; null where little", "%"),
        Column("compared_h", pl.Float64, "time in which both are measured", "h", nullable=False),
        Column("flagged", pl.Boolean, "true where the difference is a finding", nullable=False),
        Column(
            "reason", pl.String, "why a difference is no finding whatever its size: too_little_covered, "
            "register_too_slow, little_energy, within_resolution, losses_between, sign_unknown, no_site_meter_data",
        ),
    ),
)

_MONEY = "currency"
METER_COSTS = Table(
    name="meter_costs",
    grain="one row per (device, local day) with energy, and one per (device, month), where a tariff is set",
    description="What the energy of a day and the energy and peak of a month cost. Empty without a tariff.",
    key=("device", "month", "kind", "day"),
    partition_by=("device", "month"),
    columns=(
        DEVICE,
        MONTH,
        Column("kind", pl.String, "day or month", nullable=False),
        Column("day", pl.Date, "date of the local calendar; of a month, its first", nullable=False),
        Column("days", pl.Int32, "days with energy in this row", "1", nullable=False),
        Column("import_kwh", pl.Float64, "energy drawn, as in meter_daily", "kWh"),
        Column("import_cost", pl.Float64, "energy drawn times the price of its quarter hours", _MONEY),
        Column("export_kwh", pl.Float64, "energy fed back", "kWh"),
        Column("export_revenue", pl.Float64, "paid for energy fed back; null without such a price", _MONEY),
        Column("peak_kw", pl.Float64, "largest quarter hour; null on days", "kW"),
        Column("peak_ts", UTC_TS, "start of that quarter hour"),
        Column("peak_cost", pl.Float64, "its price; null on days and without such a price", _MONEY),
        Column("cost", pl.Float64, "import_cost + peak_cost − export_revenue, as far as these are known", _MONEY),
        Column("peak_share", pl.Float64, "part of the peak in import_cost + peak_cost; null on days", "1"),
        Column("currency", pl.String, "name of the currency", nullable=False),
    ),
)
TABLES = (METER_DAILY, METER_PEAKS, METER_BALANCE, METER_COSTS)
