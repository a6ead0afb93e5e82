"""LFP cells: open-circuit voltage, resistance, and what makes one cell differ from the next.

A cell's reading is OCV(own SOC) + relaxing excess + R·I + polarisation + offset of its sensor. Cells are balanced
at the top: at `BALANCED_SOC` all stand at the same SOC, so that capacity shows at the empty end only and offsets at
the end of charge stay what was planted. No time series of the plant lives here: see `operation.py`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from energy_pipeline.twin import faults as f
from energy_pipeline.twin.noise import NoiseClass
from energy_pipeline.twin.plan import DAY_S, MONTH_S, YEAR_S, PlantPlan

Array = NDArray[np.float64]
# The curve is straight where charges end (3.38 to 3.475 V), so that a change of the set point moves all readings by
# the same amount, however sparsely they are sampled.
BALANCED_SOC = 0.995
R0_OHM, R1_OHM = 0.25e-3, 0.15e-3
POLARISATION_S, RELAXATION_S = 480.0, 720.0
SLOT_S = DAY_S // 2
SLOT_SHIFT_S = 4.5 * 3600
_LOW, _STEP = -0.05, 1e-4
_FULL_CURVE = {
    -0.05: 2.0, 0.0: 2.5, 0.005: 2.72, 0.01: 2.84, 0.02: 2.97, 0.03: 3.05, 0.05: 3.13, 0.08: 3.185, 0.1: 3.205,
    0.15: 3.235, 0.2: 3.255, 0.3: 3.285, 0.4: 3.29, 0.5: 3.295, 0.6: 3.305, 0.65: 3.318, 0.7: 3.326, 0.8: 3.331,
    0.9: 3.337, 0.94: 3.341, 0.97: 3.348, 0.98: 3.357, 0.985: 3.370, 0.9875: 3.385, 0.99: 3.4, 0.9925: 3.415,
    0.995: 3.43, 0.9975: 3.445, 1.0: 3.46, 1.0025: 3.475, 1.01: 3.55, 1.05: 3.9,
}  # fmt: skip


def _tables() -> tuple[Array, Array]:
    soc = np.arange(_LOW, 1.05 + _STEP / 2, _STEP)
    total = PchipInterpolator(list(_FULL_CURVE), list(_FULL_CURVE.values()))(soc)
    rested = np.where(soc > 0.94, 3.341 + (soc - 0.94) * 0.1, total)
    rested = np.minimum(rested, total)
    return rested, total - rested


_RESTED, _EXCESS = _tables()
_D_RESTED, _D_EXCESS = np.diff(_RESTED), np.diff(_EXCESS)


def open_circuit_v(soc: Array, excess: Array | float = 1.0) -> Array:
    """Open-circuit voltage of an LFP cell [V].

    Args:
        soc: state of charge, valid from -0.05 to 1.05 (clipped beyond).
        excess: part of the steep upper end that has not yet relaxed, 1 while charging, towards 0 at rest.
    """
    x = np.clip((soc - _LOW) * (1 / _STEP), 0, len(_D_RESTED) - 1e-6)
    i = x.astype(np.int32)
    x = x - i
    return _RESTED[i] + x * _D_RESTED[i] + excess * (_EXCESS[i] + x * _D_EXCESS[i])


@dataclass(frozen=True)
class CellBank:
    """All cells of one system: one entry per cell in file order, offsets per half day and cell."""

    pack: NDArray[np.int64]
    cell: NDArray[np.int64]
    capacity_ah: Array
    resistance: Array
    resistance_per_s: Array
    leak_per_s: Array
    offset_mv: Array
    fade_per_s: float
    start_s: int

    def slot(self, t: NDArray[np.int64] | Array | float) -> NDArray[np.int64]:
        """Row of `offset_mv` that holds at UTC seconds `t`."""
        row = np.floor_divide(np.asarray(t) - self.start_s - SLOT_SHIFT_S, SLOT_S).astype(np.int64) + 1
        return np.clip(row, 0, len(self.offset_mv) - 1)

    def voltage(self, cells: int | slice, t: Array | float, state: "CellState") -> Array:
        """Voltage of one cell at many instants, or of all cells at one instant [V]."""
        age = t - self.start_s
        soc = BALANCED_SOC - state.deficit_ah / (self.capacity_ah[cells] * (1 - self.fade_per_s * age))
        soc = soc - self.leak_per_s[cells] * age
        drop = self.resistance[cells] * (1 + self.resistance_per_s[cells] * age)
        drop = drop * (state.current_a * R0_OHM + state.polarisation_v)
        return open_circuit_v(soc, state.excess) + drop + self.offset_mv[self.slot(t), cells] / 1000


@dataclass(frozen=True)
class CellState:
    """What all cells of a string share at some instants: charge missing to balance, current, relaxation."""

    deficit_ah: Array | float
    current_a: Array | float
    polarisation_v: Array | float
    excess: Array | float


def make_cells(plan: PlantPlan, system: int, rng: np.random.Generator) -> CellBank:
    """Draw the cells of a system and plant what concerns single cells."""
    n = plan.cells
    pack, cell = np.divmod(np.arange(n), plan.cells_per_pack)
    spread = np.clip(rng.standard_normal(n), -2.5, 2.5)
    capacity = plan.capacity_ah * (1 + plan.capacity_spread * spread)
    resistance = 1 + plan.resistance_spread * np.clip(rng.standard_normal(n), -2.5, 2.5)
    rise, leak = np.zeros(n), np.zeros(n)

    def at(x: f.WeakCapacity | f.RisingResistance | f.SelfDischarge) -> int:
        return cell_index(plan, x.pack, x.cell)

    for w in f.of_kind(plan.faults, f.WeakCapacity, system):
        capacity[at(w)] = plan.capacity_ah * (1 - w.fraction)
    for r in f.of_kind(plan.faults, f.RisingResistance, system):
        rise[at(r)] = r.percent_per_year / 100 / YEAR_S
    for s in f.of_kind(plan.faults, f.SelfDischarge, system):
        leak[at(s)] = s.percent_per_month / 100 / MONTH_S
    return CellBank(
        pack=pack + 1, cell=cell + 1, capacity_ah=capacity, resistance=resistance, resistance_per_s=rise,
        leak_per_s=leak, offset_mv=_offsets(plan, system, rng), start_s=plan.start_s(plan.bess_zone),
        fade_per_s=plan.fade_percent_per_year / 100 / YEAR_S,
    )  # fmt: skip


def cell_index(plan: PlantPlan, pack: int, cell: int) -> int:
    """Position of a cell in file order; raises `ValueError` outside the plan."""
    if not (1 <= pack <= plan.packs and 1 <= cell <= plan.cells_per_pack):
        msg = f"pack {pack} cell {cell} is outside {plan.packs} packs of {plan.cells_per_pack} cells"
        raise ValueError(msg)
    return (pack - 1) * plan.cells_per_pack + cell - 1


def noise_of_cells(plan: PlantPlan, system: int) -> list[NoiseClass]:
    """Return the class of noise of each cell in file order, drawn from the plan's seed alone."""
    if not plan.noise:
        return [NoiseClass("plan", plan.white_mv, plan.slow_mv, plan.slow_days, 1.0)] * plan.cells
    share = np.array([c.share for c in plan.noise])
    drawn = np.random.default_rng([plan.seed, 3000, system]).choice(len(share), plan.cells, p=share / share.sum())
    return [plan.noise[k] for k in drawn]


def _offsets(plan: PlantPlan, system: int, rng: np.random.Generator) -> Array:
    """Offsets per half day and cell [mV]: static, white, slow wander, and what is planted."""
    slots, n = 2 * plan.days + 2, plan.cells
    noise = noise_of_cells(plan, system)
    white_mv, slow_mv, tau = (np.array([getattr(c, a) for c in noise]) for a in ("white_mv", "slow_mv", "tau_days"))
    static = plan.offset_spread_mv * np.clip(rng.standard_normal(n), -2.2, 2.2)
    white = white_mv * np.clip(rng.standard_normal((slots, n)), -3, 3)
    slow = np.empty((slots, n))
    keep = np.exp(-0.5 / tau)
    shocks = slow_mv * rng.standard_normal((slots, n))
    slow[0] = shocks[0]
    for k in range(1, slots):
        slow[k] = keep * slow[k - 1] + np.sqrt(1 - keep**2) * shocks[k]
    days = np.arange(slots) / 2
    planted = np.zeros((slots, n))
    for d in f.of_kind(plan.faults, f.DriftingOffset, system):
        c = cell_index(plan, d.pack, d.cell)
        whole = d.mv_per_year * plan.days * DAY_S / YEAR_S
        static[c] = -max(whole, 0.0)  # a drifting cell that became the highest would pull all others down
        planted[:, c] += d.mv_per_year * days * DAY_S / YEAR_S
    for s in f.of_kind(plan.faults, f.SensorOffsetStep, system):
        planted[:, cell_index(plan, s.pack, s.cell)] += np.where(days >= s.day, s.mv, 0.0)
    return static + white + slow + planted
