"""Figures of a battery system: last values, statistics of a group of signals, alarm spans, energy of the auxiliaries.

Pure but for the store. Used by the BESS page and by the API.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from energy_pipeline.compute.alarms import hours_set
from energy_pipeline.compute.auxiliary_meters import auxiliary_meters, meter_energies, sum_of_meters
from viewer.catalog import DeviceInfo
from viewer.figures_of_meters import is_whole_day, local_days
from viewer.store import Store, TableMissing
from viewer.wallclock import day_start

GROUPS = ("battery", "pcs", "auxiliary", "environment", "safety")
STATISTICS_LEVEL = "resolution_1h"
WHOLE_SHARE = 0.9  # of the hours with data, in which all auxiliary meters must have some
KEY_QUANTITIES = ("soc", "soh", "pcs_power", "cell_temperature_extreme", "system_voltage", "system_current")


@dataclass(frozen=True)
class BatteryFigures:
    """Energies [kWh] of a window, and how many charges and discharges end in it; None where they are not known."""

    charged_kwh: float | None
    discharged_kwh: float | None
    auxiliary_kwh: float | None
    charges: int | None
    discharges: int | None


@dataclass(frozen=True)
class Alarm:
    """A span in which a flag or an error code was set; `ended_by` is a code of `alarm_events`, None if not known."""

    signal: str
    start: datetime
    end: datetime
    value: float | None = None
    ended_by: str | None = None
    ongoing: bool = False

    @property
    def hours(self) -> float:
        """Length in hours."""
        return (self.end - self.start).total_seconds() / 3600

    def hours_within(self, start: datetime, end: datetime) -> float:
        """Length inside a window in hours."""
        return max((min(self.end, end) - max(self.start, start)).total_seconds(), 0.0) / 3600


def group_statistics(store: Store, device: str, signals: list[str], start: datetime, end: datetime) -> pl.DataFrame:
    """Return one row per signal: mean weighted by time, extremes, last value, covered share, increase."""
    names = ["signal", "ts", "covered_s", "integral", "min", "max", "last", "increase"]
    rows = pl.concat([store.frame(STATISTICS_LEVEL, names, where={"device": device, "signal": s}) for s in signals])
    rows = rows.filter((pl.col("ts") >= start) & (pl.col("ts") < end)).sort("ts")
    length = max((end - start).total_seconds(), 1.0)
    return rows.group_by("signal", maintain_order=True).agg(
        (pl.col("integral").sum() / pl.col("covered_s").filter(pl.col("integral").is_not_null()).sum())
        .fill_nan(None)
        .alias("mean"),
        pl.col("min").min(),
        pl.col("max").max(),
        pl.col("last").drop_nulls().last(),
        (pl.col("covered_s").sum() / length).clip(0, 1).alias("coverage"),
        pl.when(pl.col("increase").is_not_null().any()).then(pl.col("increase").sum()).alias("increase"),
    )


def last_values(store: Store, device: str, signals: pl.DataFrame) -> dict[str, tuple[float, str, str]]:
    """Return quantity → (last daily value, unit, signal) of the key quantities."""
    found: dict[str, tuple[float, str, str]] = {}
    for row in signals.filter(pl.col("quantity").is_in(list(KEY_QUANTITIES))).to_dicts():
        if row["quantity"] in found:
            continue
        days = store.frame("resolution_1d", ["ts", "last"], where={"device": device, "signal": row["signal"]})
        values = days.sort("ts")["last"].drop_nulls()
        if len(values):
            found[row["quantity"]] = (float(values[-1]), row["unit"], row["signal"])
    return found


def alarms(store: Store, device: str, signals: list[str], start: datetime, end: datetime) -> list[Alarm]:
    """Return the spans in which one of the flags was set, from 5-min buckets, joined where they touch."""
    spans: list[Alarm] = []
    for signal in signals:
        rows = store.frame("resolution_5min", ["ts", "max"], where={"device": device, "signal": signal})
        hit = (
            rows.filter((pl.col("ts") >= start) & (pl.col("ts") < end) & (pl.col("max") > 0)).sort("ts")["ts"].to_list()
        )
        for ts in hit:
            if spans and spans[-1].signal == signal and ts - spans[-1].end <= timedelta(0):
                spans[-1] = Alarm(signal, spans[-1].start, ts + timedelta(minutes=5))
            else:
                spans.append(Alarm(signal, ts, ts + timedelta(minutes=5)))
    return sorted(spans, key=lambda a: a.start)


def alarm_timeline(store: Store, device: str, flags: list[str], start: datetime, end: datetime) -> list[Alarm]:
    """Return the events that touch a window, to the second, with error codes.

    Before the lake has `alarm_events`, the spans of the flags come from 5-min buckets.
    """
    try:
        rows = store.frame("alarm_events", where={"device": device})
    except TableMissing:
        return alarms(store, device, flags, start, end)
    inside = rows.filter((pl.col("end_ts") > start) & (pl.col("start_ts") < end)).sort("start_ts", "signal")
    return [
        Alarm(r["signal"], r["start_ts"], r["end_ts"], r["value"], r["ended_by"], r["ongoing"])
        for r in inside.iter_rows(named=True)
    ]


def hours_with_alarm(found: Sequence[Alarm], start: datetime, end: datetime) -> float:
    """Return how long at least one of the alarms stood within a window [h], as `fleet_summary.alarm_hours_30d` does."""
    schema = {"start_ts": pl.Datetime("us", "UTC"), "end_ts": pl.Datetime("us", "UTC")}
    spans = {"start_ts": [a.start for a in found], "end_ts": [a.end for a in found]}
    return hours_set(pl.DataFrame(spans, schema=schema), start, end)


def known_alarms(
    store: Store, device: str, signals: pl.DataFrame, start: datetime, end: datetime
) -> list[Alarm] | None:
    """Return the alarms that touch a window; None where none does and no flag or error code has data in it."""
    flags = signals.filter(pl.col("quantity") == "alarm_flag")["signal"].to_list()
    codes = signals.filter(pl.col("quantity") == "error_code")["signal"].to_list()
    if not flags and not codes:
        return None
    found = alarm_timeline(store, device, flags, start, end)
    return found if found or any(_has_data(store, device, n, start, end) for n in (*flags, *codes)) else None


def _has_data(store: Store, device: str, signal: str, start: datetime, end: datetime) -> bool:
    rows = store.frame(STATISTICS_LEVEL, ["ts", "covered_s"], where={"device": device, "signal": signal})
    inside = rows.filter((pl.col("ts") > start - timedelta(hours=1)) & (pl.col("ts") < end))
    return bool(inside["covered_s"].sum() > 0)


def alarm_hours(
    store: Store, device: str, signals: pl.DataFrame, start: datetime, end: datetime
) -> float | None:
    """Return the hours with a flag or an error code set inside a window; None where nobody knows."""
    found = known_alarms(store, device, signals, start, end)
    return None if found is None else hours_with_alarm(found, start, end)


def auxiliary_energy_kwh(
    store: Store, device: str, signals: pl.DataFrame, start: datetime, end: datetime
) -> float | None:
    """Return the energy of all auxiliary meters in a window, each from its register, else from power.

    Summed over the hours in which every meter has data. None without a meter, and where these are fewer than 0.9 of
    the hours in which any of them has data: a part is never shown as the whole.
    """
    meters = auxiliary_meters(signals)
    names = [n for m in meters for n in (m.register, m.power) if n is not None]
    if not names:
        return None
    columns = ["signal", "ts", "covered_s", "integral", "increase"]
    rows = pl.concat([store.frame("resolution_1h", columns, where={"device": device, "signal": n}) for n in names])
    rows = rows.filter((pl.col("ts") >= start) & (pl.col("ts") < end))
    hours = sum_of_meters(meter_energies(rows, meters, 0.0), meters, "ts")
    whole = hours["auxiliary_kwh"].drop_nulls()
    return float(whole.sum()) if len(whole) and len(whole) >= WHOLE_SHARE * len(hours) else None


def battery_figures(
    store: Store, device: DeviceInfo, signals: pl.DataFrame, start: datetime, end: datetime
) -> BatteryFigures:
    """Return the figures of a window: the sums of its days, which Compare and the tab Energy show as well."""
    energy, cycles = window_energy(store, device, start, end), cycle_figures(store, device.name, start, end)
    auxiliary = energy["auxiliary_kwh"]
    if not _holds_days(store, device, start, end):
        auxiliary = auxiliary_energy_kwh(store, device.name, signals, start, end)
    counts = [None if cycles.get(k) is None else int(cycles[k]) for k in ("charge_count", "discharge_count")]
    return BatteryFigures(energy["dc_in_kwh"], energy["dc_out_kwh"], auxiliary, *counts)


def _holds_days(store: Store, device: DeviceInfo, start: datetime, end: datetime) -> bool:
    """Return whether a window is made of whole days that `battery_energy` holds the energies of."""
    days = local_days(start, end, device.zone)
    return store.exists("battery_energy") and all(is_whole_day(d, device, start, end) for d in days)


def window_energy(store: Store, device: DeviceInfo, start: datetime, end: datetime) -> dict[str, float | None]:
    """Return the energies of a window: sums of whole days; where it holds a day in part, at the DC terminals alone.

    Those are the energies of the charges and discharges that end in it, for `battery_energy` knows whole days.
    """
    days = local_days(start, end, device.zone)
    if all(is_whole_day(d, device, start, end) for d in days):
        return energy_sums(energy_days(store, device.name, *days))
    cycles = cycle_figures(store, device.name, start, end)
    known = {"dc_in_kwh": cycles.get("charge_kwh"), "dc_out_kwh": cycles.get("discharge_kwh")}
    return dict.fromkeys(ENERGY_COLUMNS) | known


def cycle_figures(store: Store, device: str, start: datetime, end: datetime) -> dict[str, float | None]:
    """Return charged and discharged energy and counts of segments in a window."""
    try:
        rows = store.frame("charge_cycles", ["kind", "end_ts", "energy_kwh", "charge_ah"], where={"device": device})
    except TableMissing:
        return {}
    rows = rows.filter((pl.col("end_ts") >= start) & (pl.col("end_ts") < end))
    out: dict[str, float | None] = {}
    for kind in ("charge", "discharge"):
        own = rows.filter(pl.col("kind") == kind)
        out[f"{kind}_kwh"] = float(own["energy_kwh"].sum()) if own["energy_kwh"].is_not_null().any() else None
        out[f"{kind}_count"] = float(own.height)
    return out


def availability_months(rows: pl.DataFrame, zone: ZoneInfo) -> pl.DataFrame:
    """Return per month of `battery_energy`: availability over the time with data, days below 100 %, alarm hours.

    Days weigh by their time with data, by the clock of `zone`: the days of a change have 23 or 25 hours. Months and
    days without a value give null, never 100 %.
    """
    return _availability(rows, pl.col("day").dt.strftime("%Y-%m"), zone).sort("month")


def availability_whole(rows: pl.DataFrame, zone: ZoneInfo) -> dict[str, object]:
    """Return the same of all rows together; `month` says nothing."""
    return _availability(rows, pl.lit(""), zone).row(0, named=True)


def _availability(rows: pl.DataFrame, month: pl.Expr, zone: ZoneInfo) -> pl.DataFrame:
    edges = [(day_start(d, zone), day_start(d + timedelta(days=1), zone)) for d in rows["day"]]
    lengths = [(end - start).total_seconds() / 3600 for start, end in edges]
    held = pl.col("availability").is_not_null()
    hours = (pl.col("data_share") * pl.col("day_hours")).filter(held)
    available = pl.col("availability").filter(held)
    return (
        rows.with_columns(pl.Series("day_hours", lengths, pl.Float64))
        .group_by(month.alias("month"), maintain_order=True)
        .agg(
            pl.col("day").filter(held).count().alias("days"),
            ((available * hours).sum() / hours.sum()).fill_nan(None).alias("availability"),
            (pl.col("availability") < 1).sum().alias("days_below"),
            ((1 - available) * hours).sum().alias("hours_lost"),
            pl.col("day")
            .sort_by("availability", nulls_last=True)
            .filter(pl.col("availability").min() < 1)
            .first()
            .alias("worst_day"),
            pl.col("data_share").mean(),
        )
        .with_columns(pl.when(pl.col("days") > 0).then(name).alias(name) for name in ("hours_lost", "days_below"))
    )


ENERGY_COLUMNS = ("dc_in_kwh", "dc_out_kwh", "ac_in_kwh", "ac_out_kwh", "auxiliary_kwh")


def energy_days(store: Store, device: str, first: date, last: date) -> pl.DataFrame:
    """Return day and energies of a battery system's days; from `battery_days` (DC only) before `battery_energy` exists.

    Empty where neither table holds the device.
    """
    try:
        rows = store.frame("battery_energy", ["day", *ENERGY_COLUMNS], where={"device": device})
    except TableMissing:
        try:
            days = store.frame("battery_days", ["day", "energy_in_kwh", "energy_out_kwh"], where={"device": device})
        except TableMissing:
            return pl.DataFrame(schema={"day": pl.Date} | dict.fromkeys(ENERGY_COLUMNS, pl.Float64))
        rows = days.rename({"energy_in_kwh": "dc_in_kwh", "energy_out_kwh": "dc_out_kwh"}).with_columns(
            pl.lit(None, pl.Float64).alias(c) for c in ENERGY_COLUMNS[2:]
        )
    return rows.filter(pl.col("day").is_between(first, last)).sort("day")


def energy_sums(rows: pl.DataFrame) -> dict[str, float | None]:
    """Return the sum of each energy; None where no day has it."""
    return {c: float(rows[c].sum()) if rows[c].is_not_null().any() else None for c in ENERGY_COLUMNS}
