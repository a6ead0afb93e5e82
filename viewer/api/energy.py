"""Energy of a register per bucket: never thinned, so the buckets sum to the rise of the register.

The level is the finest whose buckets number at most the points wanted; where even days are too many, several local days
become one. Pure but for the store. Gauges and flags take `viewer.series.load_series`, as the pages do.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from viewer.series import STEP_S
from viewer.store import Store
from viewer.wallclock import day_start

REGISTERS = {"counter", "net_counter", "interval"}


@dataclass(frozen=True)
class EnergyBuckets:
    """Rows of (timestamp, value [kWh], estimated [kWh], register [kWh]) in time order."""

    resolution: str
    rows: pl.DataFrame
    held: int
    actual_end: datetime | None

    @property
    def total_kwh(self) -> float | None:
        """Sum of the buckets, None without any."""
        known = self.rows["value"].drop_nulls()
        return float(known.sum()) if len(known) else None


def load_energy(
    store: Store,
    device: str,
    signal: str,
    start: datetime,
    end: datetime,
    max_points: int,
    zone: ZoneInfo,
    level: str | None = None,
) -> EnergyBuckets:
    """Return the buckets that start between two aware moments; those of a given `level` are not joined."""
    chosen = level or _level((end - start).total_seconds(), max_points)
    names = ["ts", "increase", "increase_estimated", "last"]
    rows = store.frame(f"resolution_{chosen}", names, where={"device": device, "signal": signal})
    rows = rows.filter((pl.col("ts") >= start) & (pl.col("ts") < end)).sort("ts")
    last = rows["ts"].max() if rows.height else None
    stop = None if last is None else _bucket_end(last, chosen, zone)  # type: ignore[arg-type]
    held, days = rows.height, 1
    if chosen == "1d" and level is None and held > max_points:
        local = rows["ts"].dt.convert_time_zone(zone.key).dt.date()
        days = -(-((local.max() - local.min()).days + 1) // max_points)  # type: ignore[operator]
        rows = _join_days(rows, days, zone)
    named = rows.rename({"ts": "timestamp", "increase": "value", "increase_estimated": "estimated", "last": "register"})
    return EnergyBuckets(chosen if days == 1 else f"{days}d", named, held, stop)


def _level(span_s: float, max_points: int) -> str:
    return next((name for name, step in STEP_S.items() if span_s / step <= max_points), "1d")


def _bucket_end(ts: datetime, level: str, zone: ZoneInfo) -> datetime:
    if level != "1d":
        return ts + timedelta(seconds=STEP_S[level])
    return day_start(ts.astimezone(zone).date() + timedelta(days=1), zone)


def _join_days(rows: pl.DataFrame, days: int, zone: ZoneInfo) -> pl.DataFrame:
    local = pl.col("ts").dt.convert_time_zone(zone.key).dt.date()
    slot = ((local - local.min()).dt.total_days() // days).alias("slot")
    names = ("increase", "increase_estimated")
    sums = [pl.when(pl.col(c).is_not_null().any()).then(pl.col(c).sum()).alias(c) for c in names]
    joined = rows.with_columns(slot).group_by("slot", maintain_order=True).agg(
        pl.col("ts").first(), *sums, pl.col("last").drop_nulls().last()
    )
    return joined.drop("slot")
