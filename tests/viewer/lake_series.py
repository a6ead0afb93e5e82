"""Readings, resolution and meter tables of the test lake."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from energy_pipeline.signals import describe_signal

if TYPE_CHECKING:
    from tests.viewer.lake_factory import Plan

STEP = {"5min": 300, "15min": 900, "1h": 3600}
ZONE = ZoneInfo("Europe/Berlin")
METER_SIGNALS = ("com_ap", "pos_ae", "neg_ae", "pf")
BESS_SIGNALS = (
    "bms1_soc",
    "bms1_soh",
    "bms1_v",
    "bms1_c",
    "bms1_cell_max_v",
    "bms1_cell_min_v",
    "bms1_cell_ave_t",
    "pcs1_ap",
    "pcs1_t_igbt",
    "aux_m_pos_ae",
    "aux_m_ap",
    "ac1_outt",
    "dh1_humidity",
    "dh1_temp",
    "fa1_smokeflag",
    "fa1_co",
)


def cell_signals(plan: "Plan", kind: str = "v") -> list[str]:
    """Names of the cells' signals."""
    return [f"bms1_p{p}_{kind}{c}" for p in range(1, plan.packs + 1) for c in range(1, plan.cells + 1)]


def tables(plan: "Plan", rng: np.random.Generator) -> dict[str, pl.DataFrame]:
    """All tables that are made of series."""
    fine = pl.concat([_series(plan, d, s, rng) for d, s in _all_signals(plan)])
    levels = {"5min": fine, "15min": _coarser(fine, "15m"), "1h": _coarser(fine, "1h")}
    levels["1d"] = _daily(levels["15min"])
    out = {f"resolution_{k}": v for k, v in levels.items()}
    out["readings"] = _readings(plan, fine, rng)
    out["signals"] = _signals(plan)
    out["meter_daily"] = pl.concat([_meter_daily(levels, m) for m in (*plan.meters, plan.bess)])
    out["meter_peaks"] = _peaks(levels["15min"], plan.meters)
    out |= _ledger(plan)
    return out


def _all_signals(plan: "Plan") -> list[tuple[str, str]]:
    cells = cell_signals(plan)[:8]
    return [(m, s) for m in plan.meters for s in METER_SIGNALS] + [(plan.bess, s) for s in (*BESS_SIGNALS, *cells)]


def _instants(plan: "Plan") -> np.ndarray:
    start = np.datetime64(plan.start.replace(tzinfo=None), "s")
    ts = np.arange(start, np.datetime64(plan.end.replace(tzinfo=None), "s"), np.timedelta64(300, "s"))
    a, b = plan.gap
    return ts[(ts < np.datetime64(a)) | (ts >= np.datetime64(b + timedelta(days=1)))]


def _soc(hour: np.ndarray) -> np.ndarray:
    return np.interp(hour, [0, 4, 8, 16, 20, 24], [6, 6, 95, 93, 6, 6])


def _shape(signal: str, ts: np.ndarray, device: str, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Mean per 5 min and half width of its envelope."""
    hour = ((ts - ts.astype("datetime64[D]")).astype("timedelta64[s]").astype(float) / 3600 + 1) % 24
    day = (ts - ts[0]).astype("timedelta64[s]").astype(float) / 86_400
    noise = rng.normal(0, 1, ts.size)
    bell = np.exp(-(((hour - 13) / 3.4) ** 2))
    scale = {"m1": 80.0, "m2": 55.0}.get(device, 70.0)
    charge = np.where((hour > 4) & (hour < 8), 1.0, np.where((hour > 16) & (hour < 20), -1.1, 0.0))
    known = {
        "com_ap": (6 + scale * bell * (1 + 0.2 * np.sin(day / 9)) + noise, 9.0),
        "pf": (np.clip(0.86 + 0.1 * bell + noise * 0.004, -1, 1), 0.02),
        "bms1_soc": (_soc(hour), 0.4),
        "bms1_soh": (99.5 - day * 0.008, 0.0),
        "bms1_v": (790 + 0.5 * _soc(hour), 0.8),
        "bms1_c": (charge * 70 + noise, 4.0),
        "bms1_cell_max_v": (3.2 + 0.0025 * _soc(hour), 0.002),
        "bms1_cell_min_v": (3.18 + 0.0024 * _soc(hour), 0.002),
        "bms1_cell_ave_t": (25 + 3 * np.abs(charge) + noise, 1),
        "pcs1_ap": (charge * 55 + noise * 2, 18.0),
        "pcs1_t_igbt": (38 + 9 * np.abs(charge) + noise, 2.0),
        "aux_m_ap": (2.1 + 0.7 * bell + noise * 0.05, 0.3),
        "ac1_outt": (14 + 8 * bell + noise * 0.3, 0.5),
        "dh1_humidity": (52 + 5 * np.sin(day) + noise, 1.0),
        "dh1_temp": (22 + 2 * bell, 0.4),
        "fa1_co": (noise**2, 0.5),
        "fa1_smokeflag": (np.where((day % 30 > 12) & (day % 30 < 12.2), 1.0, 0.0), 0.0),
    }
    if signal in known:
        return known[signal]
    if "_v" in signal:
        return 3.2 + 0.0024 * _soc(hour) + noise * 0.0007, 0.002
    return np.zeros(ts.size), 0.0


def _series(plan: "Plan", device: str, signal: str, rng: np.random.Generator) -> pl.DataFrame:
    ts = _instants(plan)
    rule = describe_signal(signal).rule
    if rule.kind == "counter":
        power = _shape("com_ap" if device in plan.meters else "aux_m_ap", ts, device, rng)[0]
        rise = np.round(np.maximum(power, 0) / 12, 4) * (0.0 if signal == "neg_ae" else 1.0)
        register = 1000 + np.cumsum(rise)
        values = {
            "integral": None,
            "integral_sq": None,
            "min": register - rise,
            "max": register,
            "first": register - rise,
            "last": register,
            "increase": rise,
            "increase_estimated": 0.0 * rise,
        }
    else:
        mean, width = _shape(signal, ts, device, rng)
        spread = np.abs(rng.normal(1, 0.3, ts.size)) * width
        values = {
            "integral": mean * 300,
            "integral_sq": mean**2 * 300,
            "min": mean - spread,
            "max": mean + spread,
            "first": mean,
            "last": mean,
            "increase": None,
            "increase_estimated": None,
        }
    columns = {
        k: pl.Series(k, v, dtype=pl.Float64) if v is not None else pl.lit(None, pl.Float64).alias(k)
        for k, v in values.items()
    }
    frame = pl.DataFrame({"ts": pl.Series(ts.astype("datetime64[us]")).dt.replace_time_zone("UTC")})
    return _with_month(
        frame.with_columns(
            pl.lit(device).alias("device"),
            pl.lit(signal).alias("signal"),
            pl.lit(10, pl.Int32).alias("n"),
            pl.lit(300.0).alias("covered_s"),
            *columns.values(),
        )
    )


def _with_month(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("ts").dt.convert_time_zone(ZONE.key).dt.strftime("%Y-%m").alias("month"))


_SUMS = ("n", "covered_s", "integral", "integral_sq", "increase", "increase_estimated")


def _aggregates() -> list[pl.Expr]:
    sums = [pl.when(pl.col(c).is_not_null().any()).then(pl.col(c).sum()).otherwise(None).alias(c) for c in _SUMS]
    return [*sums, pl.col("min").min(), pl.col("max").max(), pl.col("first").first(), pl.col("last").last()]


def _coarser(fine: pl.DataFrame, every: str) -> pl.DataFrame:
    grouped = fine.sort("ts").group_by_dynamic("ts", every=every, group_by=["device", "signal"]).agg(_aggregates())
    return _with_month(grouped)


def _daily(quarter: pl.DataFrame) -> pl.DataFrame:
    local = quarter.with_columns(pl.col("ts").dt.convert_time_zone(ZONE.key)).sort("ts")
    grouped = local.group_by_dynamic("ts", every="1d", group_by=["device", "signal"]).agg(_aggregates())
    return _with_month(grouped.with_columns(pl.col("ts").dt.convert_time_zone("UTC")))


def _readings(plan: "Plan", fine: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    last = fine["ts"].max() - timedelta(days=plan.raw_days)
    base = fine.filter(pl.col("ts") >= last)
    parts = []
    for k in range(10):
        value = pl.when(pl.lit(k == 3)).then(pl.col("max")).when(pl.lit(k == 6)).then(pl.col("min")).otherwise("last")
        parts.append(base.select("device", "month", "signal", pl.col("ts") + timedelta(seconds=30 * k), value=value))
    return pl.concat(parts).sort("device", "signal", "ts").drop_nulls("value")


def _signals(plan: "Plan") -> pl.DataFrame:
    every = [(m, s) for m in plan.meters for s in METER_SIGNALS]
    every += [(plan.bess, s) for s in (*BESS_SIGNALS, *cell_signals(plan), *cell_signals(plan, "t"))]
    first, last = plan.start, plan.end - timedelta(seconds=30)
    rows = []
    for i, (device, signal) in enumerate(every):
        info = describe_signal(signal)
        bad, dup, lost = (17, 120, 3) if i % 7 == 0 else (0, 0, 0)
        rows.append(
            {
                "device": device,
                "signal": signal,
                "quantity": info.rule.quantity,
                "unit": info.rule.unit,
                "kind": info.rule.kind,
                "group": info.rule.group,
                "pack": info.pack,
                "cell": info.cell,
                "recognised": info.recognised,
                "max_hold_s": 900.0,
                "rows_read": 500_000 + bad + dup + lost,
                "rows_accepted": 500_000,
                "rows_rejected": bad,
                "rows_duplicate": dup,
                "rows_conflict": lost,
                "first_ts": first,
                "last_ts": last,
                "load": 1,
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def _meter_daily(levels: dict[str, pl.DataFrame], device: str) -> pl.DataFrame:
    power = "com_ap" if device.startswith("m") else "pcs1_ap"
    own = levels["1d"].filter((pl.col("device") == device) & (pl.col("signal") == power))
    quarter = levels["15min"].filter((pl.col("device") == device) & (pl.col("signal") == power))
    mean = pl.col("integral") / pl.col("covered_s")
    local = quarter.with_columns(pl.col("ts").dt.convert_time_zone(ZONE.key).dt.date().alias("day"), p=mean)
    peak = (
        local.sort("p", descending=True)
        .group_by("day")
        .agg(
            pl.col("p").first().alias("peak_kw"),
            pl.col("ts").first().alias("peak_ts"),
            pl.col("p").quantile(0.05).alias("base_load_kw"),
            (pl.col("p").clip(0) / 4).sum().alias("import_kwh"),
            (-(pl.col("p").clip(None, 0)) / 4).sum().alias("export_kwh"),
        )
    )
    days = own.with_columns(pl.col("ts").dt.convert_time_zone(ZONE.key).dt.date().alias("day"))
    return days.join(peak, on="day").select(
        "device",
        "month",
        "day",
        "ts",
        "import_kwh",
        "export_kwh",
        "peak_kw",
        "peak_ts",
        "base_load_kw",
        pl.lit(86_400.0).alias("day_length_s"),
        pl.lit("register").alias("energy_source"),
        (pl.col("import_kwh") - pl.col("export_kwh")).alias("net_kwh"),
        pl.lit(0.0).alias("estimated_kwh"),
        (pl.col("integral") / 3600).alias("power_net_kwh"),
        pl.lit(0.3).alias("balance_percent"),
        mean.alias("mean_kw"),
        pl.col("min").alias("min_kw"),
        pl.col("max").alias("max_kw"),
        pl.lit("power").alias("peak_source"),
        pl.col("base_load_kw").alias("night_load_kw"),
        (pl.col("import_kwh") / pl.col("peak_kw")).alias("hours_of_use_h"),
        pl.lit(0.4).alias("load_factor"),
        pl.lit(0.93).alias("power_factor_time"),
        pl.lit(0.94).alias("power_factor_energy"),
        pl.lit(0.11).alias("power_factor_low_share"),
        (pl.col("covered_s") / 86_400).alias("power_coverage"),
        pl.lit(1.0).alias("register_coverage"),
    )


def _peaks(quarter: pl.DataFrame, meters: tuple[str, ...]) -> pl.DataFrame:
    power = quarter.filter(pl.col("device").is_in(list(meters)) & (pl.col("signal") == "com_ap"))
    ranked = (
        power.with_columns(
            (pl.col("integral") / pl.col("covered_s")).alias("power_kw"),
            pl.lit(1.0).alias("coverage"),
            pl.lit("power").alias("source"),
        )
        .sort("power_kw", descending=True)
        .with_columns((pl.int_range(pl.len()) + 1).over("device", "month").cast(pl.Int16).alias("rank"))
    )
    return ranked.filter(pl.col("rank") <= 10).select("device", "month", "rank", "ts", "power_kw", "coverage", "source")


def _ledger(plan: "Plan") -> dict[str, pl.DataFrame]:
    first, last = plan.start, plan.start + timedelta(days=plan.days)
    devices = (*plan.meters, plan.bess)
    files = pl.DataFrame(
        [
            {
                "device": d,
                "path": f"meter/{d}/{s}.csv",
                "signal": s,
                "load": 1,
                "status": status,
                "reason": reason,
                "source": "default",
                "size_bytes": 15_000_000,
                "mtime_ns": 1_700_000_000_000_000_000,
                "read_bytes": 15_000_000,
                "lines_read": 500_141,
                "rows_read": 500_140,
                "rows_rejected": 17,
                "first_ts": first,
                "last_ts": last,
                "settings_digest": "0",
            }
            for d in devices
            for s, status, reason in (
                ("com_ap", "read", None),
                ("pf", "read", None),
                (None, "unreadable", "no time column"),
            )
        ],
        infer_schema_length=None,
    )
    rejected = pl.DataFrame(
        [
            {
                "device": d,
                "load": 1,
                "signal": "com_ap",
                "path": f"meter/{d}/com_ap.csv",
                "line": 100 + i,
                "ts": first + timedelta(hours=i),
                "value": None if i % 3 else 1.04,
                "raw": f"2024-09-15 0{i % 9}:00:00,x",
                "reason": ("not_a_number", "out_of_range", "conflict")[i % 3],
            }
            for d in devices
            for i in range(20)
        ],
        infer_schema_length=None,
    )
    events = pl.DataFrame(
        [
            {
                "device": d,
                "signal": "pos_ae",
                "ts": first + timedelta(days=20),
                "kind": "reset",
                "old": 8123.4,
                "new": 0.0,
                "booked_kwh": 0.0,
                "provisional": False,
                "overruled": False,
            }
            for d in plan.meters
        ]
    )
    checks = pl.DataFrame(
        [
            {
                "device": d,
                "table": t,
                "check": c,
                "passed": ok,
                "blocking": b,
                "failed_rows": 0 if ok else 3,
                "checked_rows": 1000,
                "limit": "0",
                "sample": "[]",
                "advice": a,
                "checked_ts": datetime(2025, 3, 1, tzinfo=UTC),
            }
            for d in devices
            for t, c, ok, b, a in (
                ("readings", "every_row_read_is_accounted_for", True, True, ""),
                ("resolution_5min", "coarse_sums_equal_fine_sums", True, True, ""),
                (
                    "meter_daily",
                    "power_and_register_agree_within_two_percent",
                    d != "m2",
                    False,
                    "see the balance table",
                ),
            )
        ]
    )
    return {"source_files": files, "rejected_readings": rejected, "counter_events": events, "check_results": checks}
