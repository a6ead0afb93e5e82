"""Planted data for the battery tests: readings of charges, and frames like `sat_daily`, with known truth.

Everything is seeded by the caller. The voltages are a simple monotone function of SOC: enough to plant what a test
wants back, and nothing more; the physics of a whole plant is in `energy_pipeline/twin`.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.schemas.battery import SAT_DAILY
from energy_pipeline.schemas.ingest import SIGNALS
from energy_pipeline.settings import BatterySettings, MeterSettings

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2024, 3, 1, tzinfo=BERLIN)


def microseconds(moment: datetime) -> int:
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6)


def signals_table(names: dict[str, str], first: datetime, last: datetime, device: str = "plant") -> pl.DataFrame:
    """Rows of `signals` for name → quantity; pack and cell are read from names like bms1_p2_v14."""
    rows = []
    for name, quantity in names.items():
        m = re.fullmatch(r"bms1_p(\d+)_[vt](\d+)", name)
        rows.append(
            {
                "device": device, "signal": name, "quantity": quantity, "unit": "", "kind": "gauge", "group": "battery",
                "pack": int(m[1]) if m else None, "cell": int(m[2]) if m else None, "recognised": True,
                "max_hold_s": 900.0, "interval_s": None, "rows_read": 1, "rows_accepted": 1, "rows_rejected": 0,
                "rows_duplicate": 0, "rows_conflict": 0, "first_ts": first, "last_ts": last, "load": 1,
            }
        )
    return SIGNALS.conform(pl.DataFrame(rows, schema=SIGNALS.polars_schema))


def cell_names(packs: int, cells: int) -> list[str]:
    return [f"bms1_p{p}_v{c}" for p in range(1, packs + 1) for c in range(1, cells + 1)]


def context(signals: pl.DataFrame, battery: BatterySettings | None = None, zone: ZoneInfo = BERLIN) -> DeviceContext:
    return DeviceContext("plant", zone, battery or BatterySettings(), MeterSettings(), signals)


# --- frames like sat_daily -----------------------------------------------------------------------------------------


def correlated(days: int, cells: int, sd: float, tau: float, rng: np.random.Generator) -> np.ndarray:
    """Exponentially correlated noise, cells × days."""
    a = np.exp(-1.0 / tau)
    out = np.empty((cells, days))
    out[:, 0] = rng.standard_normal(cells)
    for k in range(1, days):
        out[:, k] = a * out[:, k - 1] + np.sqrt(1 - a * a) * rng.standard_normal(cells)
    return sd * out


@dataclass
class SatPlant:
    """A system of cells with known slopes; `frame()` gives its `sat_daily`, `ctx` its context."""

    days: int = 270
    packs: int = 5
    cells: int = 52
    seed: int = 1
    white_mv: float = 0.7
    slow_mv: float = 0.0
    tau_days: float = 35.0
    slopes: dict[int, float] = field(default_factory=dict)
    common_slope: float = 0.0
    common_white_mv: float = 2.0
    steps: list[tuple[int, float]] = field(default_factory=list)
    cell_steps: dict[int, tuple[int, float]] = field(default_factory=dict)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    quantum_mv: float = 0.0
    level_v: float = 3.43
    start: date = date(2024, 1, 1)
    battery: BatterySettings = field(default_factory=BatterySettings)

    @property
    def n(self) -> int:
        return self.packs * self.cells

    @property
    def ctx(self) -> DeviceContext:
        first = datetime(self.start.year, self.start.month, self.start.day, 12, tzinfo=UTC)
        names = dict.fromkeys(cell_names(self.packs, self.cells), "cell_voltage")
        return context(signals_table(names, first, first + timedelta(days=self.days - 1)), self.battery)

    def offsets(self) -> np.ndarray:
        rng = np.random.default_rng(self.seed)
        t = np.arange(self.days)
        out = rng.normal(0, 4, self.n)[:, None] + self.white_mv * rng.standard_normal((self.n, self.days))
        if self.slow_mv:
            out += correlated(self.days, self.n, self.slow_mv, self.tau_days, rng)
        for cell, slope in self.slopes.items():
            out[cell] += slope / 365.25 * t
        for cell, (day, step) in self.cell_steps.items():
            out[cell] += step * (t >= day)
        return out

    def frame(self) -> pl.DataFrame:
        rng = np.random.default_rng(self.seed + 1000)
        t = np.arange(self.days)
        common = 1000 * self.level_v + self.common_slope / 365.25 * t
        common = common + self.common_white_mv * rng.standard_normal(len(t))
        for day, step in self.steps:
            common = common + step * (t >= day)
        offset = self.offsets()
        if self.quantum_mv:
            offset = np.round(offset / self.quantum_mv) * self.quantum_mv
        sat = common[None] + offset
        good = np.ones(self.days, bool)
        for first, length in self.gaps:
            good[first : first + length] = False
        offset = offset - np.median(offset, axis=0)[None]
        return sat_daily_frame(self.start, cell_names(self.packs, self.cells), offset, sat / 1000, good)


def sat_daily_frame(
    start: date, names: list[str], offset: np.ndarray, sat_v: np.ndarray, good: np.ndarray
) -> pl.DataFrame:
    """Make `sat_daily` of cells × days; days with `good` false are `no_charge`."""
    m, n = offset.shape
    keep = np.broadcast_to(good, (m, n)) & np.isfinite(offset)
    base = np.array([np.median(sat_v[i][keep[i]][:30]) if keep[i].sum() >= 14 else np.nan for i in range(m)])
    days = [start + timedelta(days=k) for k in range(n)]
    ends = [datetime(d.year, d.month, d.day, 14, tzinfo=UTC) for d in days]
    pack = [int(s.split("_p")[1].split("_")[0]) for s in names]
    cell = [int(s.split("_v")[1]) for s in names]
    flat = keep.ravel()
    sat = np.where(flat, sat_v.ravel(), np.nan)
    frame = pl.DataFrame(
        {
            "device": ["plant"] * (m * n), "day": days * m, "signal": np.repeat(names, n).tolist(),
            "pack": np.repeat(pack, n), "cell": np.repeat(cell, n), "qualified": flat,
            "reason": [None if q else "no_charge" for q in flat], "charge_end_ts": ends * m,
            "method": ["supported"] * (m * n), "sat_voltage_v": sat,
            "sat_offset_mv": np.where(flat, offset.ravel(), np.nan),
            "sat_index_percent": 100 * sat / np.repeat(base, n), "baseline_v": np.repeat(base, n),
            "soc_end": [97.0] * (m * n), "delta_soc": [90.0] * (m * n), "current_end_a": [140.0] * (m * n),
            "temperature_end_c": [25.0] * (m * n),
        }
    ).with_columns(pl.col(pl.Float64).fill_nan(None))
    return SAT_DAILY.conform(frame)


# --- readings ------------------------------------------------------------------------------------------------------


@dataclass
class Charger:
    """A battery that is charged and discharged once a day, as readings; the sign and the sampling can be chosen."""

    days: int = 4
    packs: int = 1
    cells: int = 6
    capacity_ah: float = 280.0
    current_a: float = 140.0
    sign: int = 1
    zero_a: float = 0.0
    soc_low: float = 5.0
    soc_high: float = 97.0
    charge_hour: float = 8.0
    discharge_hour: float = 17.0
    start: datetime = START
    cell_step_s: float = 60.0
    current_step_s: float = 30.0
    soc_step_s: float = 60.0
    offsets_mv: dict[int, float] = field(default_factory=dict)
    with_soc: bool = True
    with_current: bool = True
    noise_mv: float = 0.0
    seed: int = 3
    battery: BatterySettings = field(default_factory=BatterySettings)

    def _phase(self, hours: np.ndarray) -> tuple[float, np.ndarray, float]:
        """Length of a charge, hours since its start, and hours from its start to that of the discharge."""
        length = (self.soc_high - self.soc_low) / 100 * self.capacity_ah / self.current_a
        return length, (hours - self.charge_hour) % 24.0, (self.discharge_hour - self.charge_hour) % 24.0

    def soc_at(self, hours: np.ndarray) -> np.ndarray:
        """True SOC [%] at hours since the start."""
        length, since, pause = self._phase(hours)
        up, down = np.clip(since / length, 0, 1), np.clip((since - pause) / length, 0, 1)
        return self.soc_low + (self.soc_high - self.soc_low) * (up - down)

    def current_at(self, hours: np.ndarray) -> np.ndarray:
        """True current [A], charging positive."""
        length, since, pause = self._phase(hours)
        charge, drain = since < length, (since >= pause) & (since < pause + length)
        return self.current_a * (charge.astype(float) - drain.astype(float))

    def voltage_at(self, hours: np.ndarray) -> np.ndarray:
        """Voltage of the median cell [V]: flat plateau, rise above 95 %, fall below 8 %, and a drop by resistance."""
        s = self.soc_at(hours)
        return (
            3.30 + 0.0004 * (s - 50) + 0.11 * np.exp((s - 97) / 1.5) - 0.30 * np.exp((5 - s) / 2.0)
            + 0.00025 * self.current_at(hours)
        )

    def hours(self, step_s: float, phase_s: float) -> np.ndarray:
        return (np.arange(0, self.days * 86400 - step_s, step_s) + phase_s) / 3600.0

    @property
    def names(self) -> list[str]:
        return cell_names(self.packs, self.cells)

    @property
    def ctx(self) -> DeviceContext:
        names = dict.fromkeys(self.names, "cell_voltage")
        names |= {"bms1_v": "system_voltage", "bms1_p1_t1": "cell_temperature"}
        if self.with_soc:
            names["bms1_soc"] = "soc"
        if self.with_current:
            names["bms1_c"] = "system_current"
        return context(signals_table(names, self.start, self.start + timedelta(days=self.days)), self.battery)

    def frame(self) -> pl.DataFrame:
        """Readings of all signals: signal, ts, value."""
        rng = np.random.default_rng(self.seed)
        parts = []

        def add(name: str, hours: np.ndarray, value: np.ndarray) -> None:
            us = microseconds(self.start) + np.round(hours * 3600).astype(np.int64) * 1_000_000
            parts.append(pl.DataFrame({"signal": [name] * len(us), "us": us, "value": value.astype(float)}))

        h = self.hours(self.current_step_s, 7)
        if self.with_current:
            add("bms1_c", h, np.round((self.sign * self.current_at(h) + self.zero_a) * 10) / 10)
        h = self.hours(self.current_step_s, 11)
        add("bms1_v", h, self.voltage_at(h) * self.packs * self.cells)
        h = self.hours(self.soc_step_s, 3)
        if self.with_soc:
            add("bms1_soc", h, np.round(self.soc_at(h)))
        add("bms1_p1_t1", self.hours(60, 5), np.full(len(self.hours(60, 5)), 25.0))
        for k, name in enumerate(self.names):
            h = self.hours(self.cell_step_s, (13 + 7 * k) % self.cell_step_s)
            noise = self.noise_mv / 1000 * rng.standard_normal(len(h))
            add(name, h, np.round(self.voltage_at(h) + self.offsets_mv.get(k, 0.0) / 1000 + noise, 3))
        return pl.concat(parts).with_columns(pl.col("us").cast(pl.Datetime("us", "UTC")).alias("ts")).drop("us")

    def readings(self) -> pl.LazyFrame:
        return self.frame().lazy()
