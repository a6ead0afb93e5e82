"""Figures of a battery system: last values, statistics of a group of signals, alarm spans, energy of the auxiliaries.

Pure but for the store. Used by the BESS page and by the API.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from viewer.store import Store, TableMissing

GROUPS = ("battery", "pcs", "auxiliary", "environment", "safety")
STATISTICS_LEVEL = "resolution_1h"
KEY_QUANTITIES = ("soc", "soh", "pcs_power", "cell_temperature_extreme", "system_voltage", "system_current")


@dataclass(frozen=True)
class Alarm:
    """A span in which a flag was set."""

    signal: str
    start: datetime
    end: datetime

    @property
    def hours(self) -> float:
        """Length in hours."""
        return (self.end - self.start).total_seconds() / 3600


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


def auxiliary_energy_kwh(
    store: Store, device: str, signals: pl.DataFrame, start: datetime, end: datetime
) -> float | None:
    """Return the energy of the auxiliaries in a window: from the register, else from power; None without either."""
    for quantity in ("auxiliary_energy", "auxiliary_power"):
        names = signals.filter(pl.col("quantity") == quantity)["signal"].to_list()
        if not names:
            continue
        rows = store.frame(
            "resolution_1h", ["ts", "integral", "increase"], where={"device": device, "signal": names[0]}
        )
        rows = rows.filter((pl.col("ts") >= start) & (pl.col("ts") < end))
        column = rows["increase"] if quantity == "auxiliary_energy" else rows["integral"] / 3600
        values = column.drop_nulls()
        if len(values):
            return float(values.sum())
    return None


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
