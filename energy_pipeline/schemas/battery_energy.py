"""Battery tables about energy, alarms and evidence: AC side, auxiliaries, alarm timeline, resistance trends, clock.

`alarm_spans` is per month and keeps what `alarm_events` joins over months; the rest needs the whole history.
Next: `compute/battery_energy.py`, `compute/alarms.py`, `compute/device_evidence.py`.
"""

import polars as pl

from energy_pipeline.schemas.base import CELL, DAY, DEVICE, MONTH, PACK, SIGNAL, UTC_TS, Column, Table

F = pl.Float64
_VALUE = Column("value", F, "value of the flag or code while it is set", nullable=False)
ALARM_SPANS = Table(
    name="alarm_spans",
    grain="one row per (device, month, signal, run of equal values other than 0)",
    description="Times in which a flag or error code is set, cut at the borders of the month.",
    key=("device", "signal", "start_ts"),
    partition_by=("device", "month"),
    columns=(
        DEVICE,
        MONTH,
        SIGNAL,
        _VALUE,
        Column("start_ts", UTC_TS, "first reading that is set, or the start of the month", nullable=False),
        Column("end_ts", UTC_TS, "until when it holds, at most the end of the month", nullable=False),
        Column("readings", pl.Int64, "readings in it", nullable=False, ge=0),
        Column("ended_by", pl.String, "cleared, changed, no_data or month_end", nullable=False),
    ),
)

ALARM_EVENTS = Table(
    name="alarm_events",
    grain="one row per (device, signal, event)",
    description="The alarm timeline: from when to when a flag or an error code was set.",
    key=("device", "signal", "start_ts"),
    columns=(
        DEVICE,
        DAY,
        SIGNAL,
        Column("quantity", pl.String, "alarm_flag or error_code", nullable=False),
        _VALUE,
        Column("start_ts", UTC_TS, "first reading that is set", nullable=False),
        Column("end_ts", UTC_TS, "until when it holds", nullable=False),
        Column("duration_s", F, "end minus start", "s", nullable=False, ge=0),
        Column("readings", pl.Int64, "readings in it", nullable=False, ge=0),
        Column("ended_by", pl.String, "cleared, changed (to another code) or no_data (readings stop)", nullable=False),
        Column("ongoing", pl.Boolean, "true where the signal's last reading is still set", nullable=False),
    ),
)

BATTERY_ENERGY = Table(
    name="battery_energy",
    grain="one row per (device, local day)",
    description="Energy of a day at DC terminals, inverter, site meter and auxiliaries; AC round trips; availability.",
    key=("device", "day"),
    columns=(
        DEVICE,
        DAY,
        Column("dc_in_kwh", F, "DC energy put in", "kWh"),
        Column("dc_out_kwh", F, "DC energy taken out", "kWh"),
        Column("ac_in_kwh", F, "AC energy put in, at the inverter", "kWh"),
        Column("ac_out_kwh", F, "AC energy taken out, at the inverter", "kWh"),
        Column("site_in_kwh", F, "AC energy drawn through the site meter", "kWh"),
        Column("site_out_kwh", F, "AC energy fed in through the site meter", "kWh"),
        Column("auxiliary_kwh", F, "energy of all auxiliary meters together; null where one has no data", "kWh"),
        Column("auxiliary_source", pl.String, "register, power or mixed: where auxiliary_kwh comes from"),
        Column("auxiliary_meters", pl.Int32, "auxiliary meters that the system has", "1", ge=0),
        Column("auxiliary_missing", pl.String, "those of several auxiliary meters that have no data, by commas"),
        Column("auxiliary_share_percent", F, "100 × auxiliaries / energy put in (AC, else DC)", "%"),
        Column("outside_mean_c", F, "outside temperature, weighted by time", "°C"),
        Column("round_trip_ac_percent", F, "AC energy out / in at the inverter, window closed at equal SOC", "%"),
        Column("round_trip_ac_aux_percent", F, "the same with the auxiliaries counted as energy put in", "%"),
        Column("window_start", DAY.dtype, "first day of that window"),
        Column("window_efc", F, "equivalent full cycles in that window", "1"),
        Column("ac_reason", pl.String, "why there is no AC round trip at the inverter"),
        Column("site_meter", pl.String, "meter at the battery's grid connection, from the settings"),
        Column("round_trip_site_percent", F, "AC energy out / in at that meter, window closed at equal SOC", "%"),
        Column("site_window_start", DAY.dtype, "first day of that window"),
        Column("site_window_efc", F, "equivalent full cycles in that window", "1"),
        Column("site_reason", pl.String, "why there is no round trip at the site meter"),
        Column("auxiliary_reason", pl.String, "why there is no energy of the auxiliaries"),
        Column("data_share", F, "share of the day in which current (or power), SOC and cells have data", "1"),
        Column("availability", F, "share of that time without an alarm flag or error code", "1"),
        Column("availability_reason", pl.String, "why there is no availability"),
    ),
)

AUXILIARY_FIT = Table(
    name="auxiliary_fit",
    grain="one row per (device, factor)",
    description="What the auxiliaries' energy of a day depends on: warm and cold days, throughput, base.",
    key=("device", "factor"),
    columns=(
        DEVICE,
        Column("factor", pl.String, "base, warm, cold or throughput", nullable=False),
        Column("unit", pl.String, "unit of the coefficient", nullable=False),
        Column("temperature_signal", pl.String, "sensor of the outside temperature"),
        Column("coefficient", F, "energy of the auxiliaries per day and unit of the factor", "unit"),
        Column("coefficient_se", F, "its standard error, allowing for autocorrelation", "unit"),
        Column("coefficient_low", F, "lower end of its 95 % interval", "unit"),
        Column("coefficient_high", F, "upper end of its 95 % interval", "unit"),
        Column("base_temperature_c", F, "warm and cold days are counted from here", "°C"),
        Column("n_days", pl.Int32, "days used", "d", nullable=False),
        Column("r2", F, "share of the variance that all factors explain together", "1"),
        Column("reason", pl.String, "why there is no number"),
    ),
)

RESISTANCE_TRENDS = Table(
    name="resistance_trends",
    grain="one row per (device, signal, SOC bin) with weekly medians",
    description="Trend of the resistance proxy within one SOC bin, adjusted for temperature, SOC and sampling delay.",
    key=("device", "signal", "soc_bin"),
    columns=(
        DEVICE,
        SIGNAL,
        PACK,
        CELL,
        Column("soc_bin", pl.String, "low, middle, high or unknown", nullable=False),
        Column("weeks", pl.Int32, "weekly medians used", "weeks", nullable=False),
        Column("span_days", pl.Int32, "days from the first to the last week", "d", nullable=False),
        Column("level_mohm", F, "median over the weeks, to which percentages refer", "mΩ"),
        Column("slope_percent_per_year", F, "trend with its sign, adjusted", "%/year"),
        Column("slope_low", F, "lower end of its 95 % interval", "%/year"),
        Column("slope_high", F, "upper end of its 95 % interval", "%/year"),
        Column("slope_se", F, "standard error", "%/year"),
        Column("slope_df", F, "effective degrees of freedom", ""),
        Column("raw_percent_per_year", F, "ordinary least squares without any adjustment, for comparison", "%/year"),
        Column("per_kelvin_percent", F, "change with temperature that was found; null where it hardly varied", "%/K"),
        Column("per_second_percent", F, "change with the sampling delay; null where it hardly varied", "%/s"),
        Column("per_soc_percent", F, "change with SOC within the bin; null where it hardly varied", "%/point"),
        Column("adjusted_for", pl.String, "what the slope is adjusted for, by commas; empty: nothing varied"),
        Column("p_value", F, "p of |slope| <= delta", ""),
        Column("verdict", pl.String, "falling, rising, stable, no_established_trend or insufficient_data",
               nullable=False),
        Column("reason", pl.String, "why there is no slope or no verdict"),
    ),
)

DEVICE_EVIDENCE = Table(
    name="device_evidence",
    grain="one row per (device, topic, method)",
    description="What the data say about signs, the zone of the clock and the nameplate, beside what is set.",
    key=("device", "topic", "method"),
    columns=(
        DEVICE,
        Column("topic", pl.String, "current_sign, power_sign, zone or nameplate", nullable=False),
        Column(
            "method", pl.String, "soc, current, outside_temperature, schedule, anchors or anchors_only", nullable=False
        ),
        Column("verdict", pl.String, "fits, contradicts or cannot_tell", nullable=False),
        Column("declared", pl.String, "what the settings say; null where they leave it open"),
        Column("found", pl.String, "what the data say"),
        Column("estimate", F, "share (signs), hours the clock seems ahead (zone), or ratio to nameplate", "unit"),
        Column("low", F, "lower end of its 95 % interval", "unit"),
        Column("high", F, "upper end of its 95 % interval", "unit"),
        Column("unit", pl.String, "unit of the estimate"),
        Column("n", pl.Int32, "segments, days, nights of change or ways behind it", nullable=False),
        Column("reason", pl.String, "why it cannot be told"),
    ),
)
MONTH_TABLES = (ALARM_SPANS,)
DEVICE_TABLES = (ALARM_EVENTS, BATTERY_ENERGY, AUXILIARY_FIT, RESISTANCE_TRENDS, DEVICE_EVIDENCE)
TABLES = (*MONTH_TABLES, *DEVICE_TABLES)
