"""Simulated systems at the level of `sat_daily`: offsets with the noise of real cells, and planted truth.

The classes of noise are those of `twin/noise.py`. All seeded; 1 mV quantum. Next: `statistical.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.schemas.battery import SAT_DAILY
from energy_pipeline.schemas.ingest import SIGNALS
from energy_pipeline.settings import BatterySettings, MeterSettings
from energy_pipeline.twin.noise import CLASSES, NoiseClass

Float = NDArray[np.float64]
START = date(2024, 1, 1)
DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class System:
    """What is planted: length, slopes of bad cells by index [mV/year], steps of the common level by day [mV]."""

    days: int
    cells: int = 260
    packs: int = 5
    bad: Mapping[int, float] = field(default_factory=dict)
    steps: Mapping[int, float] = field(default_factory=dict)
    cell_steps: Mapping[int, tuple[int, float]] = field(default_factory=dict)
    healthy_sd_mv_per_year: float = 1.5
    common_white_mv: float = 3.0
    common_slow_mv: float = 2.0
    classes: tuple[NoiseClass, ...] = CLASSES


@dataclass(frozen=True)
class Simulated:
    """A simulated system: its `sat_daily`, its context, the true slope and the noise class of each cell."""

    ctx: DeviceContext
    sat_daily: pl.DataFrame
    slope: Float
    noise: NDArray[np.int64]


def correlated(rows: int, days: int, sd: float, tau: float, rng: np.random.Generator) -> Float:
    """Return exponentially correlated noise, rows × days."""
    a = np.exp(-1.0 / tau)
    e = rng.standard_normal((rows, days))
    out = np.empty((rows, days))
    out[:, 0] = e[:, 0]
    for k in range(1, days):
        out[:, k] = a * out[:, k - 1] + np.sqrt(1.0 - a * a) * e[:, k]
    return sd * out


def qualified_days(days: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which days qualify: most Sundays idle, and a gap of nine days in longer histories."""
    good = np.ones(days, dtype=np.bool_)
    sundays = np.arange(6, days, 7)
    good[sundays] = rng.random(len(sundays)) > 0.4
    if days > 120:
        start = int(rng.integers(20, days - 30))
        good[start : start + 9] = False
    return good


def simulate(system: System, rng: np.random.Generator, battery: BatterySettings | None = None) -> Simulated:
    """Draw one system. True slopes of healthy cells are normal, bounded to ± δ, so that none of them is a change."""
    n, d = system.cells, system.days
    t = np.arange(float(d))
    share = np.array([c.share for c in system.classes])
    noise = rng.choice(len(system.classes), n, p=share / share.sum())
    limit = (battery or BatterySettings()).delta_offset_mv_per_year
    slope = np.clip(rng.normal(0.0, system.healthy_sd_mv_per_year, n), -limit, limit)
    for cell, value in system.bad.items():
        slope[cell] = value
    offset = rng.normal(0.0, 4.0, n)[:, None] + slope[:, None] / DAYS_PER_YEAR * t[None]
    for k, c in enumerate(system.classes):
        rows = np.flatnonzero(noise == k)
        offset[rows] += c.white_mv * rng.standard_normal((len(rows), d))
        if c.slow_mv:
            offset[rows] += correlated(len(rows), d, c.slow_mv, c.tau_days, rng)
    for cell, (day, step) in system.cell_steps.items():
        offset[cell] += step * (t >= day)
    common = 3430.0 + system.common_white_mv * rng.standard_normal(d)
    common += correlated(1, d, system.common_slow_mv, 20.0, rng)[0] if system.common_slow_mv else 0.0
    for day, step in system.steps.items():
        common += step * (t >= day)
    level = np.round(common[None] + offset)
    return _finish(system, level, qualified_days(d, rng), slope, noise, battery or BatterySettings())


def _finish(
    system: System, level: Float, good: NDArray[np.bool_], slope: Float, noise: NDArray[np.int64],
    battery: BatterySettings,
) -> Simulated:
    n, d = level.shape
    names, pack, cell = places(system.packs, system.cells // system.packs)
    offset = level - np.median(level, axis=0)[None]
    base = np.median(level[:, good][:, :30], axis=1)
    keep = np.tile(good, n)
    days = [START + timedelta(days=k) for k in range(d)]
    frame = pl.DataFrame(
        {
            "device": ["sim"] * (n * d), "day": days * n, "signal": np.repeat(names, d).tolist(),
            "pack": np.repeat(pack, d), "cell": np.repeat(cell, d), "qualified": keep,
            "sat_voltage_v": np.where(keep, level.ravel() / 1000.0, np.nan),
            "sat_offset_mv": np.where(keep, offset.ravel(), np.nan),
            "sat_index_percent": np.where(keep, 100.0 * (level / base[:, None]).ravel(), np.nan),
            "baseline_v": np.repeat(base / 1000.0, d),
        }
    ).with_columns(
        pl.col(pl.Float64).fill_nan(None), pl.when(~pl.col("qualified")).then(pl.lit("no_charge")).alias("reason")
    )
    missing = [c for c in SAT_DAILY.column_names if c not in frame.columns]
    frame = SAT_DAILY.conform(frame.with_columns(pl.lit(None).alias(c) for c in missing))
    first = datetime(START.year, START.month, START.day, 12, tzinfo=UTC)
    ctx = DeviceContext("sim", ZoneInfo("Europe/Berlin"), battery, MeterSettings(),
                        signals_frame(names, pack, cell, first, first + timedelta(days=d - 1)))
    return Simulated(ctx, frame, slope, noise)


def places(packs: int, per: int) -> tuple[list[str], list[int], list[int]]:
    """Return name, pack and cell of all cells of a system with `per` cells in each pack."""
    pack = [1 + k // per for k in range(per * packs)]
    cell = [1 + k % per for k in range(per * packs)]
    return [f"bms1_p{p}_v{c}" for p, c in zip(pack, cell, strict=True)], pack, cell


def signals_frame(names: list[str], pack: list[int], cell: list[int], first: datetime, last: datetime) -> pl.DataFrame:
    """Return rows of `signals` for cells."""
    n = len(names)
    values = {"device": "sim", "quantity": "cell_voltage", "unit": "V", "kind": "gauge", "group": "cells",
              "recognised": True, "max_hold_s": 900.0, "load": 1, "first_ts": first, "last_ts": last}
    counts = dict.fromkeys(("rows_read", "rows_accepted", "rows_rejected", "rows_duplicate", "rows_conflict"), 0)
    same = {k: [v] * n for k, v in (values | counts).items()}
    frame = pl.DataFrame({"signal": names, "pack": pack, "cell": cell, **same})
    return SIGNALS.conform(frame.with_columns(pl.lit(None, pl.Float64).alias("interval_s")))
