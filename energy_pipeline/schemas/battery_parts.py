"""Battery tables between readings and verdicts: ends of segments, resistance steps, days, turning points, rainflow.

Month tables here keep what the device tables need of `readings`, so that those never read it again.
Next: `schemas/battery.py`, the tables that screens show first.
"""

import polars as pl

from energy_pipeline.schemas.base import CELL, DAY, DEVICE, MONTH, PACK, SIGNAL, UTC_TS, Column, Table

F = pl.Float64
CELL_ENDS = Table(
    name="cell_ends",
    grain="one row per (device, end of a segment or rest after it, cell)",
    description="Each cell against the median of all cells at ends of charge, ends of discharge and at rest.",
    key=("device", "ts", "kind", "signal"),
    partition_by=("device", "month"),
    columns=(
        DEVICE,
        MONTH,
        Column("day", pl.Date, "local day of the segment", nullable=False),
        Column("ts", UTC_TS, "instant of the comparison", nullable=False),
        Column("kind", pl.String, "charge_end, discharge_end or rest", nullable=False),
        SIGNAL,
        PACK,
        CELL,
        Column("voltage_v", F, "cell voltage at that instant (interpolated, or held at rest)", "V"),
        Column("offset_mv", F, "cell minus the median of all cells at that instant", "mV"),
        Column("lead_s", F, "at ends of discharge: how much earlier it stood where the median cell ends", "s"),
        Column("soc", F, "state of charge at the end of the segment", "%"),
    ),
)

RESISTANCE_STEPS = Table(
    name="resistance_steps",
    grain="one row per (device, step of the current, signal with a voltage before and after it)",
    description="Voltage change over current change within 90 s of a step: a proxy of resistance, with its delay.",
    key=("device", "step_ts", "signal"),
    partition_by=("device", "month"),
    columns=(
        DEVICE,
        MONTH,
        Column("day", pl.Date, "local day of the step", nullable=False),
        Column("step_ts", UTC_TS, "first current reading after the step", nullable=False),
        SIGNAL,
        PACK,
        CELL,
        Column("delta_i_a", F, "change of the current, charging positive", "A", nullable=False),
        Column("delta_v_mv", F, "change of the voltage", "mV", nullable=False),
        Column("r_0_90s_mohm", F, "delta_v / delta_i", "mΩ", nullable=False),
        Column("delay_s", F, "voltage reading after the step minus time of the step", "s", nullable=False),
        Column("soc", F, "state of charge before the step", "%"),
        Column("soc_bin", pl.String, "low (< 20 %), middle, high (> 80 %), or null without SOC"),
        Column("temperature_c", F, "median of the first cell temperatures", "°C"),
        Column("from_rest", pl.Boolean, "true where at least 10 min of rest came before", nullable=False),
    ),
)

CELL_MONTHS = Table(
    name="cell_months",
    grain="one row per (device, month, cell)",
    description="What a whole month of a cell's readings says: stuck sensor, temperature and hours above limits.",
    key=("device", "month", "signal"),
    partition_by=("device", "month"),
    columns=(
        DEVICE,
        MONTH,
        SIGNAL,
        PACK,
        CELL,
        Column("readings", pl.Int64, "voltage readings in the month", nullable=False, ge=0),
        Column("stuck_hours", F, "longest time without change while the median cell moved", "h"),
        Column("stuck_start_ts", UTC_TS, "its start"),
        Column("stuck_end_ts", UTC_TS, "its end"),
        Column("temperature_signal", pl.String, "sensor used: its own, else the warmest of its pack"),
        Column("temperature_max_c", F, "highest temperature of that sensor", "°C"),
        Column("temperature_mean_c", F, "mean weighted by time", "°C"),
        Column("hours_above_warm", F, "time above the first limit (35 °C)", "h"),
        Column("hours_above_hot", F, "time above the second limit (45 °C)", "h"),
        Column("hours_covered", F, "time with a temperature", "h"),
    ),
)

SOC_TURNING_POINTS = Table(
    name="soc_turning_points",
    grain="one row per (device, turning point of SOC, or first and last reading of the month)",
    description="SOC where it turns by at least the hysteresis; ends of months are kept so that months join exactly.",
    key=("device", "ts"),
    partition_by=("device", "month"),
    columns=(
        DEVICE,
        MONTH,
        Column("ts", UTC_TS, "time of the reading", nullable=False),
        Column("soc", F, "state of charge", "%", nullable=False),
    ),
)

BATTERY_DAYS = Table(
    name="battery_days",
    grain="one row per (device, local day with current or SOC)",
    description="Charge and energy that went in and out on a day, whether in a kept segment or not, and availability.",
    key=("device", "day"),
    partition_by=("device", "month"),
    columns=(
        DEVICE,
        MONTH,
        DAY,
        Column("charge_in_ah", F, "charge put in (direction from SOC over the month)", "Ah"),
        Column("charge_out_ah", F, "charge taken out", "Ah"),
        Column("energy_in_kwh", F, "DC energy put in", "kWh"),
        Column("energy_out_kwh", F, "DC energy taken out", "kWh"),
        Column("voltage_mean_v", F, "mean pack voltage while current flows, weighted by time", "V"),
        Column("rest_current_a", F, "mean current at rest, with the file's sign: the sensor's zero", "A"),
        Column("hours_active", F, "time with current above rest", "h"),
        Column("hours_current", F, "time covered by readings of the current", "h"),
        Column("hours_soc", F, "time covered by readings of SOC", "h"),
        Column("hours_cells", F, "time covered by readings of the first cell", "h"),
        Column("hours_fault", F, "time with an alarm flag or error code set", "h"),
        Column("hours_day", F, "length of the local day", "h", nullable=False),
        Column("hours_valid", F, "time in which current (or power), SOC and cells have data, as far as measured", "h"),
        Column("hours_available", F, "part of that time without an alarm flag or error code; null without flags", "h"),
        Column("soc_end", F, "state of charge at the end of the day", "%"),
        Column("ac_in_kwh", F, "AC energy put in, at the inverter", "kWh"),
        Column("ac_out_kwh", F, "AC energy taken out, at the inverter", "kWh"),
        Column("hours_ac", F, "time covered by readings of the inverter's power", "h"),
        Column("ac_sign", pl.Int8, "+1: charging is positive in the inverter's power, -1: negative, null: not known"),
        Column("outside_mean_c", F, "outside temperature, weighted by time", "°C"),
        Column("outside_swing_k", F, "half the daily swing of the outside temperature (first harmonic)", "K"),
        Column("outside_warmest_h", F, "UTC hour of that harmonic's maximum", "h"),
    ),
)

RAINFLOW = Table(
    name="rainflow",
    grain="one row per (device, class of depth, class of mean SOC) that holds cycles",
    description="Rainflow count of SOC (four-point method), the residue as half cycles.",
    key=("device", "depth_low", "mean_low"),
    columns=(
        DEVICE,
        Column("depth_low", F, "lower end of the class of depth", "%", nullable=False),
        Column("depth_high", F, "upper end (included)", "%", nullable=False),
        Column("mean_low", F, "lower end of the class of mean SOC", "%", nullable=False),
        Column("mean_high", F, "upper end", "%", nullable=False),
        Column("cycles", F, "full cycles plus half of the half cycles", "1", nullable=False),
        Column("equivalent_full_cycles", F, "sum of depth / 100 % over those cycles", "1", nullable=False),
    ),
)

SAT_EXPLAINED = Table(
    name="sat_explained",
    grain="one row per (device, factor)",
    description="What explains today's SAT level against the baseline: current, temperature, SOC, set point, rest.",
    key=("device", "factor"),
    columns=(
        DEVICE,
        Column("factor", pl.String, "current, temperature, soc, regime, remainder or total", nullable=False),
        Column("unit", pl.String, "unit of the factor", nullable=False),
        Column("coefficient_mv", F, "SAT per unit of the factor", "mV/unit"),
        Column("coefficient_se", F, "its standard error, allowing for autocorrelation", "mV/unit"),
        Column("baseline_value", F, "median of the factor in the baseline", "unit"),
        Column("today_value", F, "median of the factor over the last 30 qualified days", "unit"),
        Column("share_mv", F, "contribution to today's difference from baseline", "mV"),
        Column("share_low_mv", F, "lower end of its 95 % interval", "mV"),
        Column("share_high_mv", F, "upper end of its 95 % interval", "mV"),
        Column("n_days", pl.Int32, "days used", "d", nullable=False),
        Column("r2", F, "share of the variance that all factors explain together", "1"),
        Column("reason", pl.String, "why there is no number"),
    ),
)

RESISTANCE = Table(
    name="resistance",
    grain="one row per (device, signal, SOC bin, 7-day window with at least 5 steps)",
    description="Median resistance proxy per week and SOC bin; compare only within a bin.",
    key=("device", "signal", "soc_bin", "week_start"),
    columns=(
        DEVICE,
        SIGNAL,
        PACK,
        CELL,
        Column("soc_bin", pl.String, "low, middle, high or unknown", nullable=False),
        Column("week_start", pl.Date, "first local day of the 7 days", nullable=False),
        Column("steps", pl.Int32, "steps used", nullable=False),
        Column("r_0_90s_mohm", F, "median over the steps", "mΩ", nullable=False),
        Column("r_error_mohm", F, "standard error of the median", "mΩ"),
        Column("delay_s", F, "median delay of the voltage reading", "s", nullable=False),
        Column("temperature_c", F, "median temperature", "°C"),
        Column("soc", F, "median state of charge before the steps", "%"),
        Column("delta_i_a", F, "median |step of the current|", "A"),
    ),
)
TABLES = (
    CELL_ENDS,
    RESISTANCE_STEPS,
    CELL_MONTHS,
    SOC_TURNING_POINTS,
    BATTERY_DAYS,
    RAINFLOW,
    SAT_EXPLAINED,
    RESISTANCE,
)
