"""Weak cells found after so many days: the twin's physics at the ends of charge and discharge, without files.

Each system is run by the twin (260 cells, one or two full cycles a day), its cells are read at the ends of segments and
at rest as sensors give them, and the pipeline's own `build_cell_health` judges. Many systems in seconds, where files
would take hours. Next: `plants.py`, which goes through files.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from energy_pipeline.compute.cell_health import build_cell_health
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.schemas.battery import CHARGE_CYCLES, DEGRADATION_FITS, SAT_DAILY
from energy_pipeline.schemas.battery_parts import CELL_ENDS
from energy_pipeline.schemas.resolution import RESOLUTIONS
from energy_pipeline.score.simulate import places, signals_frame
from energy_pipeline.score.statistical import binomial_interval
from energy_pipeline.settings import BatterySettings, MeterSettings
from energy_pipeline.twin.cells import CellBank, CellState, make_cells
from energy_pipeline.twin.faults import WeakCapacity
from energy_pipeline.twin.noise import CLASSES
from energy_pipeline.twin.operation import Trajectory, run_system
from energy_pipeline.twin.plan import PlantPlan

QUANTUM_MV, READING_NOISE_MV = 1.0, 0.15
REST_S, BEFORE_S = 3600.0, 60.0
LOOKS = (7, 14, 30, 60)
PER_SYSTEM = 4


def score_weak_cells(
    seed: int, systems: int, fraction: float = 0.03, days: int = LOOKS[-1], battery: BatterySettings | None = None
) -> dict[str, Any]:
    """Return how many of the planted weak cells are found after each number of days, and how many others are called so.

    `recall_low`, `recall_high`: exact (Clopper–Pearson) 95 % interval of the recall after all days.
    """
    rng = np.random.default_rng(seed)
    settings = battery or BatterySettings()
    found = dict.fromkeys([d for d in LOOKS if d <= days], 0)
    planted = alarms = healthy = 0
    for _ in range(systems):
        plan, bad = _plan(rng, fraction, days)
        ends, ctx = cell_ends_of(plan, settings, np.random.default_rng(plan.seed))
        for look in found:
            early = ends.filter(pl.col("day") < plan.start + timedelta(days=look))
            weak = _weak(ctx, early)
            found[look] += len(weak & bad)
        planted += len(bad)
        healthy += plan.cells - len(bad)
        alarms += len(weak - bad)
    last = found[max(found)]
    low, high = binomial_interval(last, planted)
    return {
        "systems": systems, "planted": planted, "fraction": fraction, "found": found, "recall": last / planted,
        "recall_low": low, "recall_high": high, "healthy": healthy, "false_alarms": alarms,
    }


def _plan(rng: np.random.Generator, fraction: float, days: int) -> tuple[PlantPlan, set[tuple[int, int]]]:
    """Return a plan with weak cells at random places."""
    base = PlantPlan(
        days=days, meters=0, seed=int(rng.integers(1, 2**31)), two_cycles_until_day=days // 2, noise=CLASSES
    )
    cells = rng.choice(base.cells, PER_SYSTEM, replace=False)
    bad = {(1 + int(k) // base.cells_per_pack, 1 + int(k) % base.cells_per_pack) for k in cells}
    planted = tuple(WeakCapacity(p, c, fraction) for p, c in sorted(bad))
    return replace(base, faults=planted), bad


def cell_ends_of(
    plan: PlantPlan, battery: BatterySettings, rng: np.random.Generator
) -> tuple[pl.DataFrame, DeviceContext]:
    """Return `cell_ends` of a planned system as its sensors give it, and its context."""
    bank = make_cells(plan, 0, np.random.default_rng([plan.seed, 1000]))
    run = run_system(plan, 0, bank, np.random.default_rng([plan.seed, 1001]))
    moments = _moments(run, plan)
    parts = [_read(bank, run, plan, *m, rng) for m in moments]
    names, pack, cell = places(plan.packs, plan.cells_per_pack)
    frame = pl.concat(parts).with_columns(
        pl.lit("sim").alias("device"), pl.col("day").dt.strftime("%Y-%m").alias("month"),
        pl.lit(None, pl.Float64).alias("lead_s"),
    )
    first = datetime(plan.start.year, plan.start.month, plan.start.day, 12, tzinfo=UTC)
    ctx = DeviceContext("sim", ZoneInfo(plan.bess_zone), battery, MeterSettings(),
                        signals_frame(names, pack, cell, first, first + timedelta(days=plan.days - 1)))
    return CELL_ENDS.conform(frame), ctx


def _moments(run: Trajectory, plan: PlantPlan) -> list[tuple[float, str, float]]:
    """Return instant [s], kind and SOC of all ends of charge and discharge, and of rests an hour after a charge."""
    out: list[tuple[float, str, float]] = []
    for k in range(1, len(run.t)):
        before, now = run.current_a[k - 1], run.current_a[k]
        if before and not now:
            kind = "charge_end" if before > 0 else "discharge_end"
            out.append((float(run.t[k]) - 1.0, kind, float(run.soc_percent[k])))
            if k + 1 < len(run.t) and run.t[k + 1] - run.t[k] > REST_S:
                out.append((float(run.t[k]) + REST_S, "rest", float(run.soc_percent[k])))
    del plan
    return out


def _read(
    bank: CellBank, run: Trajectory, plan: PlantPlan, second: float, kind: str, soc: float, rng: np.random.Generator
) -> pl.DataFrame:
    """Return one instant of all cells: true voltage, noise of reading and quantum; near ends a moment before them."""
    at = second if kind == "rest" else second - float(rng.uniform(0.0, BEFORE_S))
    state = run.state(np.array([at]))
    shared = (state.deficit_ah, state.current_a, state.polarisation_v, state.excess)
    one = CellState(*(np.asarray(v)[0] for v in shared))
    volts = 1000.0 * np.asarray(bank.voltage(slice(None), at, one))
    seen = np.round((volts + READING_NOISE_MV * rng.standard_normal(len(volts))) / QUANTUM_MV) * QUANTUM_MV
    names, pack, cell = places(plan.packs, plan.cells_per_pack)
    moment = datetime.fromtimestamp(round(second), tz=UTC)
    day: date = moment.astimezone(ZoneInfo(plan.bess_zone)).date()
    return pl.DataFrame(
        {"signal": names, "pack": pack, "cell": cell, "voltage_v": seen / 1000.0, "offset_mv": seen - np.median(seen)}
    ).with_columns(
        pl.lit(day).alias("day"), pl.lit(moment).cast(pl.Datetime("us", "UTC")).alias("ts"), pl.lit(kind).alias("kind"),
        pl.lit(soc).alias("soc"),
    )


def _weak(ctx: DeviceContext, ends: pl.DataFrame) -> set[tuple[int, int]]:
    health = build_cell_health(
        ctx, SAT_DAILY.empty(), CHARGE_CYCLES.empty(), ends, DEGRADATION_FITS.empty(), RESOLUTIONS["1d"].empty()
    )
    return set(health.filter(pl.col("finding") == "weak_cell").select("pack", "cell").rows())
