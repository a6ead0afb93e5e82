"""SAT index or SAT voltage of cells over time as a table of (pack, cell, timestamp, value). Pure but for the store.

Only qualified days and charges have a value: the SAT voltage of a partial charge is no measure of health. The rule for
charges is that of `compute/sat_daily.py`; nothing is decided anew here.
"""

from zoneinfo import ZoneInfo

import polars as pl

from energy_pipeline.compute.sat_daily import judge_charges
from energy_pipeline.settings import BatterySettings
from viewer.api.formats import TIME_FORMAT
from viewer.api.params import DaysQuery
from viewer.api.service import in_days
from viewer.store import Store

VALUES = {"health_percentage": "sat_index_percent", "sat_voltage_v": "sat_voltage_v"}


def daily_points(store: Store, system: str, value: str, query: DaysQuery) -> pl.DataFrame:
    """Return one row per cell and local day; null where the day does not qualify."""
    rows = store.frame("sat_daily", where={"device": system})
    found = pl.when(pl.col("qualified")).then(pl.col(VALUES[value])).alias(value)
    return in_days(rows, query).select("pack", "cell", "day", pl.col("day").cast(pl.String).alias("timestamp"), found)


def weekly_points(store: Store, system: str, value: str, query: DaysQuery) -> pl.DataFrame:
    """Return one row per cell and ISO week (its Monday): the median of the qualified days, null without any."""
    days = daily_points(store, system, value, query)
    monday = pl.col("day").dt.truncate("1w").cast(pl.String).alias("timestamp")
    return days.drop("timestamp").group_by("pack", "cell", monday).agg(pl.col("day").max(), pl.col(value).median())


def charge_points(
    store: Store, system: str, value: str, query: DaysQuery, battery: BatterySettings, zone: ZoneInfo
) -> pl.DataFrame:
    """Return one row per cell and charge; null where the charge does not qualify for this cell."""
    names = [
        "day", "charge_end_ts", "pack", "cell", "signal", "sat_voltage_v", "method", "readings", "coverage", "soc_end",
        "delta_soc", "current_end_a",
    ]  # fmt: skip
    rows = store.frame("sat_voltage", names, where={"device": system})
    full = judge_charges(rows, battery).select("charge_end_ts", "full")
    baseline = store.frame("sat_daily", ["signal", "baseline_v"], where={"device": system}).unique("signal")
    joined = in_days(rows, query).join(full, on="charge_end_ts", how="left").join(baseline, on="signal", how="left")
    fine = (
        pl.col("full")
        & (pl.col("readings") >= battery.qualified_readings)
        & (pl.col("coverage") >= battery.qualified_coverage)
    )
    measured = pl.col("sat_voltage_v")
    if value == "health_percentage":
        measured = 100.0 * measured / pl.col("baseline_v")
    moment = pl.col("charge_end_ts").dt.convert_time_zone(zone.key).dt.to_string(TIME_FORMAT)
    return joined.select(
        "pack", "cell", "day", "charge_end_ts", moment.alias("timestamp"), pl.when(fine).then(measured).alias(value)
    )


def named_cells(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame in numeric order of the cells, with `key` = pack_1_cell_1."""
    key = pl.format("pack_{}_cell_{}", "pack", "cell").alias("key")
    return frame.sort("pack", "cell", "timestamp").with_columns(key)


def points_json(frame: pl.DataFrame, columns: list[str]) -> bytes:
    """Return {key: [{column: value, …}, …], …} for a frame with `key`."""
    parts = []
    for key, rows in frame.partition_by("key", maintain_order=True, as_dict=True, include_key=False).items():
        parts.append(b'"%s":%s' % (str(key[0]).encode(), rows.select(columns).write_json().encode()))
    return b"{" + b",".join(parts) + b"}"


def wide(frame: pl.DataFrame, value: str) -> pl.DataFrame:
    """Return one row per timestamp and one column per cell."""
    return frame.pivot(on="key", index="timestamp", values=value, sort_columns=False).sort("timestamp")
