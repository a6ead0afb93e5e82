"""Tables about the whole: one line per device for the overview, the verdicts of checks, and what was announced.

Next: `compute/fleet.py`, `checks/` and `alerts.py`.
"""

import polars as pl

from energy_pipeline.schemas.base import DEVICE, UTC_TS, Column, Table

F = pl.Float64
FLEET_SUMMARY = Table(
    name="fleet_summary",
    grain="one row per device",
    description="The four questions per device: is it safe, is it working, how much energy, where is it heading.",
    key=("device",),
    partition_by=(),
    columns=(
        DEVICE,
        Column("device_kind", pl.String, "bess, meter or other", nullable=False),
        Column("zone", pl.String, "time zone of the device", nullable=False),
        Column("first_ts", UTC_TS, "first reading"),
        Column("last_ts", UTC_TS, "last reading"),
        Column("signals", pl.Int32, "signals with readings", nullable=False),
        Column("rows_accepted", pl.Int64, "readings", nullable=False),
        Column("rows_rejected", pl.Int64, "refused rows and conflicts", nullable=False),
        Column("coverage_30d", F, "median over signals of the share of the last 30 days covered", "1"),
        Column("import_kwh_30d", F, "energy drawn in the last 30 days of data", "kWh"),
        Column("export_kwh_30d", F, "energy fed back in the last 30 days of data", "kWh"),
        Column("peak_kw_30d", F, "largest quarter hour of the last 30 days", "kW"),
        Column("packs", pl.Int16, "packs with cell voltages"),
        Column("cells", pl.Int32, "cells with voltages"),
        Column("soc_percent", F, "last state of charge", "%"),
        Column("soh_bms_percent", F, "last state of health of the BMS", "%"),
        Column("capacity_percent", F, "measured capacity against nameplate (assumed)", "%"),
        Column("efc", F, "equivalent full cycles so far", "1"),
        Column("cells_falling", pl.Int32, "cells with verdict falling"),
        Column("cells_rising", pl.Int32, "cells with verdict rising"),
        Column("cells_stable", pl.Int32, "cells with verdict stable"),
        Column("cells_no_trend", pl.Int32, "cells without an established trend"),
        Column("cells_insufficient", pl.Int32, "cells with too little data"),
        Column("cells_with_finding", pl.Int32, "cells with a finding in cell_health"),
        Column("regimes", pl.Int32, "operating regimes found"),
        Column("temperature_max_30d_c", F, "highest cell temperature of the last 30 days", "°C"),
        Column("alarm_hours_30d", F, "time with an alarm flag or error code set in the last 30 days", "h"),
        Column("availability_30d", F, "time with data and without an alarm over time with data, last 30 days", "1"),
        Column("alarms_open", pl.Int32, "alarm flags and error codes that the last reading still shows as set"),
        Column("charged_kwh_30d", F, "energy put into the battery in the last 30 days of data", "kWh"),
        Column("discharged_kwh_30d", F, "energy taken out of the battery in the last 30 days of data", "kWh"),
        Column("energy_boundary", pl.String, "where these two are measured: dc (terminals) or ac (inverter)"),
        Column("energy_full_kwh", F, "DC energy of a full discharge: median of energy / change of SOC, 30 days", "kWh"),
        Column("energy_held_kwh", F, "energy_full_kwh × last state of charge; depends on the BMS", "kWh"),
    ),
)

CHECK_RESULTS = Table(
    name="check_results",
    grain="one row per (device, table, check)",
    description="The latest verdict of every check, with the rows that failed.",
    key=("device", "table", "check"),
    columns=(
        DEVICE,
        Column("table", pl.String, "table that was checked", nullable=False),
        Column("check", pl.String, "the sentence that is true when the check is green", nullable=False),
        Column("passed", pl.Boolean, "verdict", nullable=False),
        Column("blocking", pl.Boolean, "true where a failure stops the run", nullable=False),
        Column("failed_rows", pl.Int64, "exact number of rows that fail", nullable=False),
        Column("checked_rows", pl.Int64, "rows looked at", nullable=False),
        Column("limit", pl.String, "what is allowed"),
        Column("sample", pl.String, "up to 20 failing rows as JSON"),
        Column("advice", pl.String, "what to do"),
        Column("checked_ts", UTC_TS, "when the check ran", nullable=False),
        Column("covers", pl.String, "JSON: per month (`all` without months) load, settings digest and failed rows"),
    ),
)

ALERTS = Table(
    name="alerts",
    grain="one row per (device, kind, subject, finding, opened_ts)",
    description="What was announced, once per finding: failing blocking checks, findings on cells, work given up.",
    key=("device", "kind", "subject", "finding", "opened_ts"),
    columns=(
        DEVICE,
        Column("kind", pl.String, "check, cell or run", nullable=False),
        Column("subject", pl.String, "table that was checked, the cell, e.g. P3C17, or the work", nullable=False),
        Column("finding", pl.String, "name of the check, code of `cell_health`, or gave_up", nullable=False),
        Column("text", pl.String, "the announcement in words", nullable=False),
        Column("opened_ts", UTC_TS, "when it was first found", nullable=False),
        Column("closed_ts", UTC_TS, "when it was found no more; null while it lasts"),
        Column("sent_ts", UTC_TS, "when the webhook took it; null where none is set, or while it does not answer"),
    ),
)
TABLES = (FLEET_SUMMARY, CHECK_RESULTS, ALERTS)
