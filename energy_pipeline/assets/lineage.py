"""Which columns a column is made from, where a name alone does not say it; the Dagster UI shows it per column.

Only numbers that people act on: energies and peaks of meters, SAT voltages, fits, and the overview. A test holds every
name here against the schemas. Next: `common.py`, which attaches this to each materialisation.
"""

from dagster import AssetKey, TableColumnDep, TableColumnLineage

# Table → column → the columns that it is computed from, as `table.column`.
COLUMNS: dict[str, dict[str, tuple[str, ...]]] = {
    "resolution_5min": {
        "covered_s": ("readings.ts", "signals.max_hold_s"),
        "integral": ("readings.ts", "readings.value", "signals.max_hold_s"),
        "min": ("readings.value",),
        "max": ("readings.value",),
        "increase": ("readings.ts", "readings.value", "counter_events.booked_kwh"),
    },
    **{
        f"resolution_{coarse}": {
            c: (f"resolution_{fine}.{c}",) for c in ("covered_s", "integral", "min", "max", "increase")
        }
        for fine, coarse in (("5min", "15min"), ("15min", "1h"), ("15min", "1d"))
    },
    "meter_daily": {
        "import_kwh": ("resolution_1d.increase", "resolution_15min.increase", "resolution_15min.integral"),
        "export_kwh": ("resolution_1d.increase", "resolution_15min.increase", "resolution_15min.integral"),
        "mean_kw": ("resolution_1d.integral", "resolution_1d.covered_s"),
        "peak_kw": ("resolution_15min.integral", "resolution_15min.covered_s", "resolution_15min.increase"),
    },
    "meter_peaks": {"power_kw": ("resolution_15min.integral", "resolution_15min.increase")},
    "sat_voltage": {
        "charge_end_ts": ("charge_cycles.end_ts",),
        "sat_voltage_v": ("readings.value", "readings.ts", "charge_cycles.end_ts"),
        "sat_offset_mv": ("readings.value", "readings.ts", "charge_cycles.end_ts"),
    },
    "sat_daily": {
        "sat_voltage_v": ("sat_voltage.sat_voltage_v",),
        "sat_offset_mv": ("sat_voltage.sat_offset_mv",),
        "qualified": ("sat_voltage.delta_soc", "sat_voltage.soc_end", "sat_voltage.readings", "sat_voltage.coverage"),
    },
    "degradation_fits": {
        "slope_per_year": ("sat_daily.sat_offset_mv", "sat_daily.sat_index_percent", "sat_daily.qualified",
                           "regimes.day", "capacity.q_anchor_ah"),
        "verdict": ("sat_daily.sat_offset_mv", "regimes.day"),
    },
    "cell_health": {
        "offset_charge_end_mv": ("sat_daily.sat_offset_mv",),
        "verdict": ("degradation_fits.verdict",),
        "finding": ("degradation_fits.verdict", "sat_daily.sat_offset_mv", "cell_ends.offset_mv",
                    "resistance_steps.r_0_90s_mohm", "cell_months.stuck_hours"),
    },
    "fleet_summary": {
        "import_kwh_30d": ("meter_daily.import_kwh",),
        "peak_kw_30d": ("meter_daily.peak_kw",),
        "cells_falling": ("degradation_fits.verdict",),
        "cells_rising": ("degradation_fits.verdict",),
        "cells_with_finding": ("cell_health.finding",),
    },
}


def column_lineage(name: str) -> TableColumnLineage | None:
    """Return the column lineage of a table; None where names say enough."""
    columns = COLUMNS.get(name)
    if columns is None:
        return None
    return TableColumnLineage(
        {
            column: [
                TableColumnDep(asset_key=AssetKey(source.partition(".")[0]), column_name=source.partition(".")[2])
                for source in sources
            ]
            for column, sources in columns.items()
        }
    )
