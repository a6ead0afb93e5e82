"""Every signal of a battery system: name, sampling, decimals and values.

Cells come from `cells.py`, the state from `operation.py`; here are the sensors: their signs, zero errors, quanta and
planted faults. Next: `extra_signals.py` for the climate, safety and inverter signals.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from energy_pipeline.twin import faults as f
from energy_pipeline.twin.cells import CellBank
from energy_pipeline.twin.files import Floats, Ints, SignalSpec
from energy_pipeline.twin.operation import Trajectory
from energy_pipeline.twin.plan import DAY_S, YEAR_S, PlantPlan

Rng = np.random.Generator
Values = Callable[[Ints, Rng], Floats]
READING_NOISE_V = 0.00015


@dataclass(frozen=True)
class System:
    """One battery system ready to be recorded; times in UTC seconds, temperatures in degC."""

    plan: PlantPlan
    number: int
    name: str
    bank: CellBank
    run: Trajectory
    climate_s: Ints
    ambient_c: Floats
    battery_c: Floats

    @property
    def start_s(self) -> int:
        """First second of the plan."""
        return self.bank.start_s

    @property
    def end_s(self) -> int:
        """Second after the last day of the plan."""
        return self.start_s + self.plan.days * DAY_S

    def ambient(self, t: Ints) -> Floats:
        """Outside temperature [degC]."""
        return np.interp(t, self.climate_s, self.ambient_c)

    def warm(self, t: Ints) -> Floats:
        """Mean cell temperature [degC]."""
        return np.interp(t, self.climate_s, self.battery_c)

    def mean_cell_v(self, t: Ints) -> Floats:
        """Voltage of the mean cell [V]."""
        return _mean_bank(self.bank).voltage(0, t, self.run.state(t))

    def ac_kw(self, t: Ints) -> Floats:
        """AC power at the inverter [kW], charge positive."""
        dc = self.mean_cell_v(t) * self.plan.cells * self.run.current(t) / 1000
        return np.where(dc > 0, dc / self.plan.conversion, dc * self.plan.conversion)


def _mean_bank(bank: CellBank) -> CellBank:
    one = np.ones(1)
    return replace(
        bank, capacity_ah=one * bank.capacity_ah.mean(), resistance=one * bank.resistance.mean(),
        resistance_per_s=one * bank.resistance_per_s.mean(), leak_per_s=one * bank.leak_per_s.mean(),
        offset_mv=bank.offset_mv.mean(axis=1, keepdims=True),
    )  # fmt: skip


def cell_signals(s: System) -> list[SignalSpec]:
    """Voltages of all cells and the temperature sensors."""
    plan, specs = s.plan, []
    span = _spans(s, 3600)
    for c in range(plan.cells):
        name = f"bms1_p{s.bank.pack[c]}_v{s.bank.cell[c]}"
        specs.append(
            SignalSpec(name, plan.cell_period_s, 3, _cell(s, c), *span(), fast_period_s=plan.cell_fast_period_s)
        )
    sensors = [(p, n) for p in range(1, plan.packs + 1) for n in range(1, plan.temperatures_per_pack + 1)]
    specs += [
        SignalSpec(f"bms1_p{p}_t{n}", plan.slow_period_s, 0, _temperature(s, p, n), *span()) for p, n in sensors
    ]
    return [_with_sentinels(s, x) for x in specs]


def state_signals(s: System) -> list[SignalSpec]:
    """SOC, SOH, voltage, current and the BMS's own statistics of the cells."""
    plan = s.plan
    period, slow = plan.state_period_s, plan.slow_period_s
    soc_period = max(60, period)
    span = _spans(s, 6 * 3600)
    n = plan.cells

    def soh(t: Ints, _: Rng) -> Floats:
        return 100 - plan.soh_percent_per_year * (t - s.start_s) / YEAR_S

    specs = [
        SignalSpec("bms1_soc", soc_period, 0, lambda t, _: s.run.bms_soc(t), *span()),
        SignalSpec("bms1_soh", slow, 0, soh, *span()),
        SignalSpec("bms1_v", period, 1, lambda t, _: s.mean_cell_v(t) * n, *span()),
        SignalSpec("bms1_c", period, 1, _current(s), *span()),
        SignalSpec("bms1_cell_ave_v", period, 3, lambda t, _: s.mean_cell_v(t), *span()),
        SignalSpec("bms1_cell_max_v", period, 3, _extreme(s, np.maximum), *span()),
        SignalSpec("bms1_cell_min_v", period, 3, _extreme(s, np.minimum), *span()),
        SignalSpec("bms1_cell_ave_t", slow, 0, lambda t, _: s.warm(t), *span()),
        SignalSpec("pcs1_p", period, 1, lambda t, _: s.ac_kw(t), *span()),
    ]
    return [_with_sentinels(s, x) for x in specs]


def _spans(s: System, spread_s: int) -> Callable[[], tuple[int, int]]:
    """Return a function that draws start and end of the next signal: each its own."""
    rng = np.random.default_rng([s.plan.seed, 4000 + s.number, spread_s])

    def draw() -> tuple[int, int]:
        return s.start_s + int(rng.integers(0, spread_s)), s.end_s - int(rng.integers(0, spread_s))

    return draw


def _cell(s: System, c: int) -> Values:
    stuck = [
        x
        for x in f.of_kind(s.plan.faults, f.StuckSensor, s.number)
        if (x.pack, x.cell) == (s.bank.pack[c], s.bank.cell[c])
    ]

    def values(t: Ints, rng: Rng) -> Floats:
        volts = s.bank.voltage(c, t, s.run.state(t)) + READING_NOISE_V * rng.standard_normal(len(t))
        for x in stuck:
            begin = s.start_s + x.start_day * DAY_S + x.start_hour * 3600
            inside = (t >= begin) & (t < begin + x.hours * 3600)
            if inside.any():
                volts[inside] = volts[inside][0]
        return volts

    return values


def _temperature(s: System, pack: int, sensor: int) -> Values:
    shift = float(np.random.default_rng([s.plan.seed, 5000 + s.number, pack, sensor]).normal(0, 0.8)) + 0.3 * pack
    return lambda t, _: s.warm(t) + shift


def _current(s: System) -> Values:
    flips = f.of_kind(s.plan.faults, f.CurrentSignFlipped, s.number)

    def values(t: Ints, rng: Rng) -> Floats:
        seen = s.run.current(t) + s.plan.current_zero_a + 0.1 * rng.standard_normal(len(t))
        for x in flips:
            seen = np.where(t >= s.start_s + x.from_day * DAY_S, -seen, seen)
        return seen

    return values


def _extreme(s: System, pick: np.ufunc) -> Values:
    """Highest or lowest cell among those that can be it; 0.1 V steps in the first 40 % of the plan."""
    high = pick is np.maximum
    offset, capacity = s.bank.offset_mv.mean(axis=0), s.bank.capacity_ah
    drop = s.bank.resistance
    ranks = (offset, -drop, capacity, -s.bank.leak_per_s) if not high else (-offset, -drop, capacity, s.bank.leak_per_s)
    chosen = sorted({int(c) for r in ranks for c in np.argsort(r, kind="stable")[:2]})

    def values(t: Ints, _: Rng) -> Floats:
        state = s.run.state(t)
        best = s.bank.voltage(chosen[0], t, state)
        for c in chosen[1:]:
            best = pick(best, s.bank.voltage(c, t, state))
        coarse = t < s.start_s + 0.4 * s.plan.days * DAY_S
        return np.where(coarse, np.round(best, 1), best)

    return values


def _with_sentinels(s: System, spec: SignalSpec) -> SignalSpec:
    spikes = [x for x in f.of_kind(s.plan.faults, f.SentinelSpikes, s.number) if x.signal == spec.name]
    if not spikes:
        return spec

    def values(t: Ints, rng: Rng) -> Floats:
        seen = spec.values(t, rng)
        for x in spikes:
            rows = rng.choice(len(t), size=min(x.count, len(t)), replace=False)
            seen[rows] = x.value
        return seen

    return replace(spec, values=values)
