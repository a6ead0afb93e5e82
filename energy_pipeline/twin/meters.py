"""Meters: power of six kinds of load, and registers that hold its real integral.

Power is constant within each UTC minute; `cumulative` is its exact integral, and register files are that integral
rounded down to the register's quantum (0.01 x CT x PT). m1 is the grid connection of the site: the sum of the others
and its own base load. Next: `files.py`, which writes what `meter_signals` describes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from energy_pipeline.twin import faults as f
from energy_pipeline.twin.files import Clock, Floats, Ints, SignalSpec
from energy_pipeline.twin.plan import PlantPlan

ROLES = ("site", "battery", "photovoltaics", "industry", "office", "cooling")
QUANTUM_KWH = (1.2, 0.8, 0.4, 1.0, 0.4, 0.6)
REGISTERS = ("com_ae", "pos_ae", "neg_ae")


@dataclass(frozen=True)
class MeterSeries:
    """Truth of one meter on the minute grid."""

    name: str
    role: str
    quantum_kwh: float
    minute_s: Ints
    power_kw: Floats
    power_factor: Floats
    base_kwh: dict[str, float]

    def at(self, t: Ints) -> Ints:
        """Index of the minute that holds at UTC seconds `t`."""
        return np.clip((t - self.minute_s[0]) // 60, 0, len(self.minute_s) - 1)

    def cumulative(self, signal: str) -> Floats:
        """Integral since the start at minute borders [kWh], one entry more than minutes."""
        part = {
            "pos_ae": np.maximum(self.power_kw, 0), "neg_ae": np.maximum(-self.power_kw, 0), "com_ae": self.power_kw,
        }[signal]  # fmt: skip
        return np.concatenate([[0.0], np.cumsum(part) / 60])


def run_meters(
    plan: PlantPlan, battery_kw: Callable[[Ints], Floats], ambient_c: Callable[[Ints], Floats], clock: Clock
) -> list[MeterSeries]:
    """Make the truth of all meters.

    Args:
        plan: the plant.
        battery_kw: AC power of all battery systems at UTC minutes [kW], charge positive.
        ambient_c: outside temperature at UTC seconds [degC].
        clock: local wall clock of the meters.
    """
    minute = np.arange(plan.start_s(plan.meter_zone), plan.end_s(plan.meter_zone), 60, dtype=np.int64)
    local = clock.local(minute)
    powers: dict[int, Floats] = {}
    for n in range(1, plan.meters):
        role = ROLES[n] if n < len(ROLES) else "industry"
        rng = np.random.default_rng([plan.seed, 2000 + n])
        size = 1.0 if n < len(ROLES) else float(rng.uniform(0.3, 1.5))
        powers[n] = battery_kw(minute) if role == "battery" else size * _load(role, local, ambient_c(minute), rng)
    if plan.meters:
        rng = np.random.default_rng([plan.seed, 2000])
        powers[0] = 6.0 + 2 * _wander(rng, len(minute), 45.0) + sum(powers.values(), np.zeros(len(minute)))
    return [_series(plan, n, minute, powers[n]) for n in range(plan.meters)]


def _series(plan: PlantPlan, n: int, minute: Ints, power: Floats) -> MeterSeries:
    rng = np.random.default_rng([plan.seed, 3000 + n])
    reactive = np.abs(power) * rng.uniform(0.15, 0.45) + rng.uniform(0.5, 2.0)
    factor = power / np.hypot(power, reactive)
    factor[int(rng.integers(0, len(minute)))] = 1.043
    base = {s: float(np.round(rng.uniform(2e4, 4e5))) for s in REGISTERS}
    return MeterSeries(
        name=f"m{n + 1}", role=ROLES[n] if n < len(ROLES) else "industry", quantum_kwh=QUANTUM_KWH[n % 6],
        minute_s=minute, power_kw=power, power_factor=factor, base_kwh=base,
    )  # fmt: skip


def _wander(rng: np.random.Generator, n: int, minutes: float) -> Floats:
    """Unit-variance noise that is correlated over `minutes`."""
    keep = np.exp(-1 / minutes)
    return lfilter([np.sqrt(1 - keep**2)], [1, -keep], rng.standard_normal(n))


def _load(role: str, local: Ints, ambient: Floats, rng: np.random.Generator) -> Floats:
    """Power of a load or a feed-in at local minutes [kW]."""
    hour, day = (local % 86_400) / 3600, local // 86_400
    weekday = (day + 3) % 7
    n = len(local)
    if role == "photovoltaics":
        season = np.cos((day % 365.25 - 172) * 2 * np.pi / 365.25)
        height = np.sin(0.66 + 0.37 * season) * np.cos((hour - 12.6) * np.pi / (12.0 + 4.2 * season))
        height = np.where(np.abs(hour - 12.6) < (6.0 + 2.1 * season), np.maximum(height, 0), 0)
        cloud = np.clip(_wander(rng, n, 700.0) * 0.4 + 0.6 + 0.1 * _wander(rng, n, 6.0), 0.06, 1.0)
        return 0.08 - 120 * height * cloud
    if role == "industry":
        shift = (hour >= 6) & (hour < 22) & (weekday < 5)
        saturday = (hour >= 6) & (hour < 14) & (weekday == 5)
        level = np.where(shift, 95.0, np.where(saturday, 55.0, 14.0))
        cyclic = np.where((local // 60) % 11 < 4, 1.18, 0.92)
        return np.maximum(level * np.where(shift, cyclic, 1.0) * (1 + 0.08 * _wander(rng, n, 20.0)), 2.0)
    if role == "office":
        bell = np.exp(-(((hour - 12.5) / 4.0) ** 4)) * (weekday < 5)
        return np.maximum(3.5 + 28 * bell * (1 + 0.1 * _wander(rng, n, 60.0)) + 0.4 * _wander(rng, n, 15.0), 0.5)
    duty = (local // 60 + 7) % 24 < np.clip(6 + 0.55 * np.maximum(ambient, 0), 4, 22)
    return 1.2 + 17 * duty + 0.3 * np.abs(_wander(rng, n, 10.0))


def meter_signals(plan: PlantPlan, series: MeterSeries, number: int) -> list[SignalSpec]:
    """Describe the five files of a meter."""
    start, end = plan.start_s(plan.meter_zone), plan.end_s(plan.meter_zone)

    def power(t: Ints, _: np.random.Generator) -> Floats:
        return series.power_kw[series.at(t)]

    def factor(t: Ints, _: np.random.Generator) -> Floats:
        return series.power_factor[series.at(t)]

    specs = [
        SignalSpec("com_ap", plan.power_period_s, 1, power, start, end),
        SignalSpec("pf", plan.register_period_s, 3, factor, start, end),
    ]
    period = plan.register_period_s
    specs += [SignalSpec(s, period, 1, _register(plan, series, number, s), start, end) for s in REGISTERS]
    return specs


def _register(
    plan: PlantPlan, series: MeterSeries, number: int, signal: str
) -> Callable[[Ints, np.random.Generator], Floats]:
    total = series.cumulative(signal)
    start, zone = int(series.minute_s[0]), plan.meter_zone
    planted = [x for x in plan.faults if getattr(x, "meter", None) == number and getattr(x, "signal", "") == signal]

    def true_at(t: Ints | float) -> Floats:
        return np.interp((np.asarray(t) - start) / 60, np.arange(len(total)), total)

    def values(t: Ints, _: np.random.Generator) -> Floats:
        register = series.base_kwh[signal] + true_at(t)
        for x in planted:
            register = _apply(x, register, t, true_at, series.base_kwh[signal], plan.day_s(x.day, zone))
        return np.floor(register / series.quantum_kwh + 1e-9) * series.quantum_kwh

    return values


def _apply(
    x: f.Fault, register: Floats, t: Ints, true_at: Callable[[Ints | float], Floats], base: float, at_s: int
) -> Floats:
    """Return the register with one fault that begins at UTC second `at_s`."""
    since = t >= at_s
    if isinstance(x, f.RegisterReset):
        return np.where(since, register - base - true_at(at_s), register)
    if isinstance(x, f.RegisterRollover):
        return np.mod(register - base - true_at(at_s) + x.modulus, x.modulus)
    if isinstance(x, f.RegisterJump):
        return np.where(since, register + x.kwh, register)
    if isinstance(x, f.RegisterDip | f.RegisterSpike):
        inside = since & (t < at_s + x.hours * 3600)
        sign = -1.0 if isinstance(x, f.RegisterDip) else 1.0
        return np.where(inside, register + sign * x.kwh, register)
    return register
