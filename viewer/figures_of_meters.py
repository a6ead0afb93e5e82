"""Figures of a signal and of a meter over a window, from the resolution and meter tables.

Means are weighted by time; median and 95th percentile are those of 5-min means weighted by covered time. Energy comes
from `meter_daily`; a day that the window holds in part is made anew from its quarter hours. Used by pages and API.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from energy_pipeline.compute import meter_quarters as mq
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.meter_views import power_frame
from energy_pipeline.compute.meters import PEAKS, build_meter_daily, build_meter_peaks
from energy_pipeline.schemas import TABLES
from energy_pipeline.settings import Settings
from viewer.catalog import DeviceInfo
from viewer.series import signal_row
from viewer.store import Store
from viewer.wallclock import day_start, months_of

QUARTER_S = 900.0


@dataclass(frozen=True)
class SignalFigures:
    """Statistics of one signal in a window; None where there is no data."""

    mean: float | None
    minimum: float | None
    maximum: float | None
    median: float | None
    p95: float | None
    deviation: float | None
    last: float | None
    covered_s: float
    increase: float | None
    increase_estimated: float | None

    def coverage(self, start: datetime, end: datetime) -> float:
        """Return the covered share of the window."""
        return self.covered_s / max((end - start).total_seconds(), 1.0)


@dataclass(frozen=True)
class WindowDays:
    """Rows as of `meter_daily` for the days of a window, and whether the first or last of them is a part of a day."""

    rows: pl.DataFrame
    partial: bool


@dataclass(frozen=True)
class MeterFigures:
    """Energy and power of a meter over a window."""

    days: int
    import_kwh: float | None
    export_kwh: float | None
    net_kwh: float | None
    estimated_kwh: float | None
    peak_kw: float | None
    peak_ts: datetime | None
    base_load_kw: float | None
    hours_of_use_h: float | None
    load_factor: float | None
    power_factor: float | None
    balance_percent: float | None
    partial: bool = False  # the first or last day counts in part


def signal_figures(store: Store, device: str, signal: str, start: datetime, end: datetime) -> SignalFigures:
    """Return the statistics of a signal between two moments, from 5-min buckets."""
    names = ["ts", "covered_s", "integral", "integral_sq", "min", "max", "last", "increase", "increase_estimated"]
    rows = store.frame("resolution_5min", names, where={"device": device, "signal": signal})
    rows = rows.filter((pl.col("ts") >= start) & (pl.col("ts") < end))
    held = rows.filter((pl.col("covered_s") > 0) & pl.col("integral").is_not_null())
    covered = float(held["covered_s"].sum())
    mean = median = p95 = deviation = None
    if covered > 0:
        mean = float(held["integral"].sum()) / covered
        deviation = float(np.sqrt(max(float(held["integral_sq"].sum()) / covered - mean**2, 0.0)))
        values = (held["integral"] / held["covered_s"]).to_numpy()
        median, p95 = weighted_quantiles(values, held["covered_s"].to_numpy(), (0.5, 0.95))
    last = rows.drop_nulls("last").sort("ts")["last"]
    return SignalFigures(
        mean,
        rows["min"].min(),
        rows["max"].max(),
        median,
        p95,
        deviation,
        last[-1] if len(last) else None,
        float(rows["covered_s"].sum()),
        _sum(rows["increase"]),
        _sum(rows["increase_estimated"]),
    )


def weighted_quantiles(values: np.ndarray, weights: np.ndarray, shares: tuple[float, ...]) -> list[float]:
    """Return quantiles of `values` weighted by `weights`."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return [float(values[order][min(np.searchsorted(reached, s), values.size - 1)]) for s in shares]


def daily_rows(store: Store, device: str, start: datetime, end: datetime, zone: ZoneInfo) -> pl.DataFrame:
    """Return the rows of `meter_daily` whose local day the window touches."""
    first, last = local_days(start, end, zone)
    rows = store.frame("meter_daily", where={"device": device})
    return rows.filter(pl.col("day").is_between(first, last)).sort("day")


def window_days(store: Store, settings: Settings, device: DeviceInfo, start: datetime, end: datetime) -> WindowDays:
    """Return rows as of `meter_daily` for the days of a window; of a day that lies in it in part, that part.

    Quarter hours count that begin inside the window. A day is whole that holds the first or last reading and nothing
    of it lies outside.
    """
    rows = daily_rows(store, device.name, start, end, device.zone)
    parts = [d for d in sorted(set(local_days(start, end, device.zone))) if not is_whole_day(d, device, start, end)]
    if not parts:
        return WindowDays(rows, partial=False)
    own = _context(store, settings, device)
    made = [_part_of_day(store, own, day, start, end) for day in parts]
    return WindowDays(pl.concat([rows.filter(~pl.col("day").is_in(parts)), *made]).sort("day"), partial=True)


def _context(store: Store, settings: Settings, device: DeviceInfo) -> DeviceContext:
    signals = store.frame("signals", where={"device": device.name})
    return DeviceContext(device.name, device.zone, settings.battery_of(device.name), settings.meter, signals)


def is_whole_day(day: date, device: DeviceInfo, start: datetime, end: datetime) -> bool:
    """Return whether a window holds all of a day that the device has readings of."""
    dawn, night = day_start(day, device.zone), day_start(day + timedelta(days=1), device.zone)
    first, last = device.first or dawn, device.last or night
    return start <= max(dawn, first) and end >= min(night, last)


def _part_of_day(store: Store, own: DeviceContext, day: date, start: datetime, end: datetime) -> pl.DataFrame:
    quarter = _quarters(
        store, own, max(start, day_start(day, own.zone)), min(end, day_start(day + timedelta(days=1), own.zone))
    )
    sums = ("n", "covered_s", "integral", "increase", "increase_estimated")
    daily = quarter.group_by("signal").agg(
        pl.col("ts").min(),
        *(pl.when(pl.col(c).is_not_null().any()).then(pl.col(c).sum()).alias(c) for c in sums),
        pl.col("min").min(),
        pl.col("max").max(),
    )
    first = pl.lit(day_start(day, own.zone)).cast(quarter.schema["ts"])
    return build_meter_daily(own, day.strftime("%Y-%m"), quarter, daily.with_columns(first.alias("ts")))


def _quarters(store: Store, own: DeviceContext, start: datetime, end: datetime) -> pl.DataFrame:
    """Return the rows of `resolution_15min` of a meter's signals in a window."""
    names = own.signals.filter(pl.col("quantity").is_in(mq.QUANTITIES))["signal"].to_list()
    rows = [store.frame("resolution_15min", where={"device": own.device, "signal": n}) for n in names]
    empty = TABLES["resolution_15min"].empty()
    found = pl.concat(rows) if rows else empty
    return found.filter((pl.col("ts") >= start) & (pl.col("ts") < end))


def local_days(start: datetime, end: datetime, zone: ZoneInfo) -> tuple[date, date]:
    """Return first and last local day that a window touches."""
    last = max(end - timedelta(microseconds=1), start)
    return start.astimezone(zone).date(), last.astimezone(zone).date()


def meter_figures(rows: pl.DataFrame, *, partial: bool = False) -> MeterFigures:
    """Return the figures of some rows of `meter_daily`; `partial` where a first or last day counts in part."""
    taken, peak = _sum(rows["import_kwh"]), rows["peak_kw"].max()
    peak_row = rows.filter(pl.col("peak_kw") == peak).head(1) if peak is not None else rows.head(0)
    hours = float((rows["day_length_s"] * rows["power_coverage"].fill_null(1.0)).sum()) / 3600
    usable = taken is not None and peak is not None and peak > 0
    return MeterFigures(
        rows.height,
        taken,
        _sum(rows["export_kwh"]),
        _sum(rows["net_kwh"]),
        _sum(rows["estimated_kwh"]),
        peak,
        peak_row["peak_ts"][0] if peak_row.height else None,
        rows["base_load_kw"].median(),
        taken / peak if usable else None,
        taken / peak / hours if usable and hours > 0 else None,
        _weighted(rows, "power_factor_energy", "import_kwh"),
        rows["balance_percent"].median(),
        partial,
    )


@dataclass(frozen=True)
class LoadHabits:
    """What a meter does at night and how much of the time its power factor is low; medians of the days."""

    night_load_kw: float | None
    power_factor_low_share: float | None


def load_habits(rows: pl.DataFrame) -> LoadHabits:
    """Return night load and share of low power factor of some rows of `meter_daily`."""
    return LoadHabits(rows["night_load_kw"].median(), rows["power_factor_low_share"].median())


def quarter_means(store: Store, device: str, signal: str, start: datetime, end: datetime) -> pl.DataFrame:
    """Return quarter hours (ts, mean, covered_s) of a signal in a window."""
    return quarter_power(store, device, signal, start, end).rename({"power_kw": "mean"})


def quarter_power(store: Store, device: str, signal: str, start: datetime, end: datetime) -> pl.DataFrame:
    """Return quarter hours (ts, covered_s, power_kw) of a power, or of an interval energy as its mean power."""
    names = ["ts", "covered_s", "integral", "increase"]
    rows = store.frame("resolution_15min", names, where={"device": device, "signal": signal})
    rows = rows.filter((pl.col("ts") >= start) & (pl.col("ts") < end))
    if signal_row(store, device, signal)["kind"] == "interval":
        held = rows.filter(pl.col("increase").is_not_null() & (pl.col("covered_s") > 0)).sort("ts")
        return held.select("ts", "covered_s", power_kw=pl.col("increase") * 3600 / pl.col("covered_s"))
    return power_frame(rows).select("ts", "covered_s", "power_kw")


def load_duration(quarters: pl.DataFrame, points: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Return (hours, value): for how many hours the value was at least that high."""
    ordered = quarters.sort("mean", descending=True)
    hours = np.cumsum(ordered["covered_s"].to_numpy()) / 3600
    values = ordered["mean"].to_numpy()
    if values.size > points:
        pick = np.unique(np.linspace(0, values.size - 1, points).astype(int))
        hours, values = hours[pick], values[pick]
    return hours, values


def week_map(quarters: pl.DataFrame, zone: ZoneInfo) -> np.ndarray:
    """Return mean values as weekday × hour (7 × 24) in local time; NaN where there is none."""
    local = pl.col("ts").dt.convert_time_zone(zone.key)
    cells = quarters.group_by(local.dt.weekday().alias("d"), local.dt.hour().alias("h")).agg(
        ((pl.col("mean") * pl.col("covered_s")).sum() / pl.col("covered_s").sum()).alias("v")
    )
    out = np.full((7, 24), np.nan)
    out[cells["d"].to_numpy() - 1, cells["h"].to_numpy()] = cells["v"].to_numpy()
    return out


def window_peaks(
    store: Store, settings: Settings, device: DeviceInfo, start: datetime, end: datetime, count: int = PEAKS
) -> pl.DataFrame:
    """Return the largest quarter hours of a window: of whole months from `meter_peaks`, of others made anew.

    Among the ten of a month may be fewer than ten of its last days, or none of a single one.
    """
    stored = store.frame("meter_peaks", where={"device": device.name})
    edges = sorted(set(months_of(start, end - timedelta(microseconds=1), device.zone)))
    parts = [m for m in edges if not _is_whole_month(m, device, start, end)]
    inside = (pl.col("ts") >= start) & (pl.col("ts") < end)
    found = [stored.filter(inside & ~pl.col("month").is_in(parts))]
    if parts:
        own = _context(store, settings, device)
        quarter = _quarters(store, own, start, end)
        found += [build_meter_peaks(own, m, quarter.filter(pl.col("month") == m)) for m in parts]
    ranked = pl.concat(found).sort("power_kw", "ts", descending=[True, False]).head(count)
    return ranked.with_columns((pl.int_range(pl.len()) + 1).alias("rank"))


def _is_whole_month(month: str, device: DeviceInfo, start: datetime, end: datetime) -> bool:
    first = date.fromisoformat(f"{month}-01")
    following = (first + timedelta(days=31)).replace(day=1)
    dawn, night = day_start(first, device.zone), day_start(following, device.zone)
    return start <= max(dawn, device.first or dawn) and end >= min(night, device.last or night)


def _sum(values: pl.Series) -> float | None:
    kept = values.drop_nulls()
    return float(kept.sum()) if len(kept) else None


def _weighted(rows: pl.DataFrame, column: str, weight: str) -> float | None:
    held = rows.drop_nulls([column, weight])
    total = float(held[weight].sum()) if held.height else 0.0
    return float((held[column] * held[weight]).sum()) / total if total > 0 else None
