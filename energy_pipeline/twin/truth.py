"""The truth of a plant, written beside its files: what is planted, what every cell and meter really is and did.

Tests and `twin score` compare results with it; nothing of the pipeline may read it.
"""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from energy_pipeline.twin.cells import cell_index, noise_of_cells
from energy_pipeline.twin.extra_signals import CLIMATE_STEP_S, auxiliary_kw
from energy_pipeline.twin.faults import DriftingOffset, SensorOffsetStep, of_kind
from energy_pipeline.twin.files import Clock
from energy_pipeline.twin.meters import MeterSeries
from energy_pipeline.twin.plan import DAY_S, PlantPlan
from energy_pipeline.twin.signals import System

FORMAT = 1


def build_truth(
    plan: PlantPlan, systems: list[System], meters: list[MeterSeries], clock: Clock, rows: dict[str, int]
) -> dict[str, Any]:
    """Collect the truth as plain values; energies in kWh, times in ISO 8601 UTC."""
    settings = {k: v for k, v in asdict(plan).items() if k not in {"faults", "noise"}}
    return {
        "format": FORMAT,
        "plan": {**settings, "start": plan.start.isoformat(), "noise": [asdict(n) for n in plan.noise]},
        "seed": plan.seed,
        "zones": {"bess": plan.bess_zone, "meter": plan.meter_zone},
        "faults": [x.describe() for x in plan.faults],
        "systems": {s.name: _system(s) for s in systems},
        "meters": {m.name: _meter(m, clock) for m in meters},
        "rows": dict(sorted(rows.items())),
    }


def write_truth(path: Path, truth: dict[str, Any]) -> None:
    """Write the truth as JSON."""
    path.write_text(json.dumps(truth, indent=1), encoding="utf-8")


def _iso(second: float) -> str:
    return datetime.fromtimestamp(round(second), tz=UTC).isoformat()


def _system(s: System) -> dict[str, Any]:
    plan, bank = s.plan, s.bank
    charges = [
        {"start_ts": _iso(c["start_ts_s"]), "end_ts": _iso(c["end_ts_s"])}
        | {k: v for k, v in c.items() if not k.endswith("_ts_s")}
        for c in s.run.charges
    ]
    return {
        "zone": plan.bess_zone,
        "current_sign_in_file": 1,
        "capacity_ah": plan.capacity_ah,
        "fade_percent_per_year": plan.fade_percent_per_year,
        "efc": float(s.run.throughput_ah / (2 * plan.nameplate_ah)),
        "throughput_ah": float(s.run.throughput_ah),
        "current_zero_a": plan.current_zero_a,
        **_energy(s),
        "cells": _cells(s),
        "sat_offset_static_mv_median": round(float(np.median(bank.offset_mv)), 4),
        "charges": charges,
    }


def _cells(s: System) -> list[dict[str, Any]]:
    """One entry per cell: capacity, resistance factor, offset at the first and last half day, planted trend."""
    plan, bank = s.plan, s.bank
    drift = np.zeros(plan.cells)
    for d in of_kind(plan.faults, DriftingOffset, s.number):
        drift[cell_index(plan, d.pack, d.cell)] += d.mv_per_year
    step = np.zeros(plan.cells)
    for x in of_kind(plan.faults, SensorOffsetStep, s.number):
        step[cell_index(plan, x.pack, x.cell)] += x.mv
    noise = noise_of_cells(plan, s.number)
    centre = np.median(bank.offset_mv, axis=1, keepdims=True)
    mean = (bank.offset_mv - centre).mean(axis=0)
    return [
        {
            "pack": int(bank.pack[c]), "cell": int(bank.cell[c]),
            "capacity_ah": round(float(bank.capacity_ah[c]), 4),
            "resistance_factor": round(float(bank.resistance[c]), 5),
            "offset_mean_mv": round(float(mean[c]), 4),
            "offset_mv_per_year": float(drift[c]), "offset_step_mv": float(step[c]),
            "noise": noise[c].name,
        }
        for c in range(plan.cells)
    ]  # fmt: skip


def _energy(s: System) -> dict[str, float]:
    """DC and AC energy in and out and that of the auxiliaries over the plan, integrated on 10 s [kWh]."""
    t = np.arange(s.start_s, s.end_s, 10, dtype=np.int64) + 5
    power = s.mean_cell_v(t) * s.plan.cells * s.run.current(t) / 1000
    inverter = np.where(power > 0, power / s.plan.conversion, power * s.plan.conversion)
    return {
        f"{side}_{way}_kwh": float(np.maximum(sign * value, 0).sum() / 360)
        for side, value in (("dc", power), ("ac", inverter)) for way, sign in (("in", 1), ("out", -1))
    } | {"auxiliary_kwh": float(auxiliary_kw(s)[np.clip((t - s.climate_s[0]) // CLIMATE_STEP_S, 0, None)].sum() / 360)}


def _meter(m: MeterSeries, clock: Clock) -> dict[str, Any]:
    imported, exported = np.maximum(m.power_kw, 0) / 60, np.maximum(-m.power_kw, 0) / 60
    day = clock.local(m.minute_s) // DAY_S
    first = int(day[0])
    per_day = {
        "import_kwh": np.bincount(day - first, weights=imported),
        "export_kwh": np.bincount(day - first, weights=exported),
    }
    quarter = m.power_kw[: len(m.power_kw) // 15 * 15].reshape(-1, 15)
    means = np.maximum(quarter, 0).mean(axis=1)
    best = int(np.argmax(means))
    return {
        "role": m.role,
        "quantum_kwh": m.quantum_kwh,
        "com_ae": "pos_minus_neg",
        "import_kwh": float(imported.sum()),
        "export_kwh": float(exported.sum()),
        "peak_kw": float(means[best]),
        "peak_ts": _iso(int(m.minute_s[best * 15])),
        "first_day": str(np.datetime64(first, "D")),
        "per_day": {k: [round(float(x), 6) for x in v] for k, v in per_day.items()},
    }
