"""How a system is run: schedule, charge to the set point of the highest cell, discharge to the lowest cell.

The result is exact between breakpoints of constant current; any instant can be asked for. Charge is positive here;
signs of files are the matter of `signals.py`.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from energy_pipeline.twin.cells import (
    POLARISATION_S,
    R1_OHM,
    RELAXATION_S,
    Array,
    CellBank,
    CellState,
)
from energy_pipeline.twin.faults import PartialCharges, of_kind
from energy_pipeline.twin.plan import DAY_S, PlantPlan

CYCLES_H = ((8.0, 13.0), (18.0, 21.5))
FULL_PERCENT = 97.0
LIMIT_S = 4.5 * 3600
DERATE_MARGIN_V = 0.003


@dataclass
class Trajectory:
    """Breakpoints of a system's operation: from each on, `current_a` holds until the next."""

    t: Array
    current_a: Array
    deficit_ah: Array
    polarisation_v: Array
    excess: Array
    soc_percent: Array
    plan: PlantPlan
    zero_a: float
    charges: list[dict[str, Any]]
    throughput_ah: float

    def _at(self, t: NDArray[np.int64] | Array) -> tuple[NDArray[np.intp], Array, Array]:
        k = np.clip(np.searchsorted(self.t, t, side="right") - 1, 0, len(self.t) - 1)
        return k, np.maximum(t - self.t[k], 0.0), self.current_a[k]

    def state(self, t: NDArray[np.int64] | Array) -> CellState:
        """State that all cells share at UTC seconds `t`."""
        k, dt, current = self._at(t)
        decay = np.exp(-dt / POLARISATION_S)
        excess = np.where(current > 0, 1.0, self.excess[k] * np.exp(-dt / RELAXATION_S))
        return CellState(
            deficit_ah=self.deficit_ah[k] - current * dt / 3600,
            current_a=current,
            polarisation_v=self.polarisation_v[k] * decay + current * R1_OHM * (1 - decay),
            excess=excess,
        )

    def current(self, t: NDArray[np.int64] | Array) -> Array:
        """True current at UTC seconds `t`, charge positive [A]."""
        return self._at(t)[2]

    def bms_soc(self, t: NDArray[np.int64] | Array) -> Array:
        """State of charge as the BMS counts it, 0..100 [%]."""
        k, dt, current = self._at(t)
        seen = np.where(current == 0, 0.0, current + self.zero_a)
        rate = 100 / 3600 / (self.plan.bms_capacity_factor * self.plan.capacity_ah)
        return np.clip(self.soc_percent[k] + seen * dt * rate, 0.0, 100.0)


@dataclass
class _Run:
    """State of the simulation and the breakpoints so far."""

    plan: PlantPlan
    bank: CellBank
    t: float
    deficit_ah: float
    polarisation_v: float = 0.0
    excess: float = 0.0
    soc: float = 3.0
    throughput_ah: float = 0.0
    rows: list[tuple[float, ...]] = field(default_factory=list)

    def after(self, current: float, dt: float) -> CellState:
        """State after `dt` seconds of `current`."""
        decay = float(np.exp(-dt / POLARISATION_S))
        excess = 1.0 if current > 0 else self.excess * float(np.exp(-dt / RELAXATION_S))
        polarisation = self.polarisation_v * decay + current * R1_OHM * (1 - decay)
        return CellState(self.deficit_ah - current * dt / 3600, current, polarisation, excess)

    def hold(self, current: float, dt: float) -> None:
        """Hold `current` for `dt` seconds and record it."""
        if dt <= 0:
            return
        self.rows.append((self.t, current, self.deficit_ah, self.polarisation_v, self.excess, self.soc))
        state = self.after(current, dt)
        self.deficit_ah, self.polarisation_v = float(state.deficit_ah), float(state.polarisation_v)
        self.excess = float(state.excess)
        seen = current + self.plan.current_zero_a if current else 0.0
        counted = seen * dt / 36 / (self.plan.bms_capacity_factor * self.plan.capacity_ah)
        self.soc = float(np.clip(self.soc + counted, 0.5, 99.5))
        self.throughput_ah += abs(current) * dt / 3600
        self.t += dt

    def until(self, current: float, level_v: float) -> float:
        """Seconds of `current` until the highest (charge) or lowest (discharge) cell reads `level_v`."""
        extreme, sign = (np.max, 1.0) if current > 0 else (np.min, -1.0)

        def beyond(dt: float) -> float:
            volts = self.bank.voltage(slice(None), self.t + dt, self.after(current, dt))
            return sign * (float(extreme(volts)) - level_v)

        if beyond(0.0) >= 0:
            return 0.0
        if beyond(LIMIT_S) <= 0:
            return LIMIT_S
        return float(brentq(beyond, 0.0, LIMIT_S, xtol=0.05))


def run_system(plan: PlantPlan, system: int, bank: CellBank, rng: np.random.Generator) -> Trajectory:
    """Run one system over the whole plan."""
    run = _Run(plan, bank, t=float(bank.start_s), deficit_ah=0.95 * float(bank.capacity_ah.min()))
    charges: list[dict[str, Any]] = []
    partial = of_kind(plan.faults, PartialCharges, system)
    weekday = plan.start.weekday()
    for day in range(plan.days):
        jitter = rng.uniform(-600, 600, size=4)
        speed = rng.uniform(0.97, 1.03)
        noise = rng.normal(0, plan.common_noise_mv, size=2) / 1000
        if plan.idle_sundays and (weekday + day) % 7 == 6:
            continue
        goal = next((p.soc_percent for p in partial if p.from_day <= day < p.to_day), None)
        cycles = CYCLES_H if day < plan.two_cycles_until_day else CYCLES_H[:1]
        for i, (charge_h, discharge_h) in enumerate(cycles):
            midnight = bank.start_s + day * DAY_S
            _rest_until(run, midnight + charge_h * 3600 + jitter[2 * i])
            level = plan.set_point(day, system) + float(np.clip(noise[i], -0.002, 0.002))
            charges.append({"day": day, "cycle": i + 1, **_charge(run, level, speed, goal)})
            _rest_until(run, midnight + discharge_h * 3600 + jitter[2 * i + 1])
            current = -plan.discharge_c * plan.capacity_ah * speed
            run.hold(current, run.until(current, plan.empty_v))
    _rest_until(run, bank.start_s + plan.days * DAY_S)
    run.rows.append((run.t, 0.0, run.deficit_ah, run.polarisation_v, run.excess, run.soc))
    columns = [np.array(c) for c in zip(*run.rows, strict=True)]
    return Trajectory(*columns, plan, plan.current_zero_a, charges, run.throughput_ah)


def _rest_until(run: _Run, t: float) -> None:
    run.hold(0.0, max(t - run.t, 900.0 if run.rows and run.rows[-1][1] else 0.0))


def _charge(run: _Run, level_v: float, speed: float, goal: float | None) -> dict[str, Any]:
    """Charge to the set point (or to `goal` percent) and return the truth of this charge."""
    plan, start, before = run.plan, run.t, run.deficit_ah
    current = plan.charge_c * plan.capacity_ah * speed
    if goal is not None:
        wanted = max(goal - run.soc, 0.0) * 36 * plan.bms_capacity_factor * plan.capacity_ah
        run.hold(current, wanted / (current + plan.current_zero_a))
    else:
        run.hold(current, run.until(current, level_v - DERATE_MARGIN_V))
        current = plan.derated_c * plan.capacity_ah
        run.hold(current, run.until(current, level_v))
    volts = run.bank.voltage(slice(None), run.t, run.after(current, 0.0))
    if goal is None:
        run.soc = FULL_PERCENT
    return {
        "start_ts_s": round(start), "end_ts_s": round(run.t), "complete": goal is None,
        "charge_ah": round(before - run.deficit_ah, 4), "sat_median_v": round(float(np.median(volts)), 5),
        "sat_max_v": round(float(volts.max()), 5), "set_point_v": round(level_v, 5),
    }  # fmt: skip
