"""Make a plant: folders of files, `truth.json` and an `energy.toml` with which the pipeline can run at once.

The order of the files does not matter: every file has its own random stream, seeded by plan and name.
Next: `truth.py` for what is written down, `files.py` for how a file is written.
"""

import os
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energy_pipeline.twin.cells import make_cells
from energy_pipeline.twin.extra_signals import CLIMATE_STEP_S, ambient_c, climate, extra_signals
from energy_pipeline.twin.faults import WrongNameplate, ZoneWrongHours, of_kind
from energy_pipeline.twin.files import Clock, Floats, Ints, SignalSpec, fast_grid, sample_times, write_signal
from energy_pipeline.twin.meters import MeterSeries, meter_signals, run_meters
from energy_pipeline.twin.operation import run_system
from energy_pipeline.twin.plan import DAY_S, PlantPlan
from energy_pipeline.twin.signals import System, cell_signals, state_signals
from energy_pipeline.twin.truth import build_truth, write_truth

Progress = Callable[[int, int, str], None]
_FAST_STEP_S = 10


@dataclass(frozen=True)
class _Job:
    """One file and what it shares with the files beside it."""

    path: Path
    spec: SignalSpec
    clock: Clock
    origin_s: int
    fast: Callable[[Ints], NDArray[np.bool_]] | None
    gaps: list[tuple[int, int]]
    seed: tuple[int, int]
    disorder_share: float

    def write(self) -> tuple[str, int]:
        """Write the file and return its name and rows."""
        rng = np.random.default_rng(self.seed)
        t = sample_times(self.spec, rng, self.origin_s, self.fast, self.gaps)
        values = self.spec.values(t, rng)
        disordered = rng.random() < self.disorder_share and len(t) > 3
        swaps = rng.integers(1, len(t) - 1, size=1) if disordered else None
        rows = write_signal(self.path, self.spec, self.clock.local(t), values, swaps)
        return f"{self.path.parent.name}/{self.path.name}", rows


def make_plant(out: Path, plan: PlantPlan, progress: Progress | None = None) -> dict[str, Any]:
    """Write all files of a plant and return its truth.

    Args:
        out: folder to fill; made if it does not exist. Files of the same names are overwritten.
        plan: what to make.
        progress: called with files done, files in all, and the file's name.
    """
    out = Path(out)
    systems = [_make_system(plan, n, name) for n, name in enumerate(plan.system_names)]
    clock = Clock(plan.meter_zone, plan.start_s(plan.meter_zone), plan.end_s(plan.meter_zone) + DAY_S)
    meters = run_meters(plan, _battery_power(systems), _outside(plan), clock)
    jobs = [j for s in systems for j in _system_jobs(out, s)]
    jobs += [j for n, m in enumerate(meters, 1) for j in _meter_jobs(out, plan, n, m, clock)]
    rows: dict[str, int] = {}
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        futures = [pool.submit(j.write) for j in jobs]
        for done, future in enumerate(as_completed(futures), 1):
            name, count = future.result()
            rows[name] = count
            if progress is not None:
                progress(done, len(jobs), name)
    truth = build_truth(plan, systems, meters, clock, rows)
    write_truth(out / "truth.json", truth)
    _write_settings(out / "energy.toml", plan)
    return truth


def _make_system(plan: PlantPlan, number: int, name: str) -> System:
    rng = np.random.default_rng([plan.seed, 1000 + number])
    bank = make_cells(plan, number, rng)
    run = run_system(plan, number, bank, rng)
    return System(plan, number, name, bank, run, *climate(plan, run, number))


def _outside(plan: PlantPlan) -> Callable[[Ints], Floats]:
    first = plan.start_s(plan.bess_zone)
    grid = np.arange(first - DAY_S, first + (plan.days + 2) * DAY_S, CLIMATE_STEP_S, dtype=np.int64)
    values = ambient_c(plan, grid)
    return lambda t: np.interp(t, grid, values)


def _battery_power(systems: list[System]) -> Callable[[Ints], Floats]:
    """Mean AC power of all systems in the minutes that begin at given UTC seconds [kW]."""

    def power(minute: Ints) -> Floats:
        total = np.zeros(len(minute))
        seconds = np.arange(5, 60, 10)
        for s in systems:
            total += sum((s.ac_kw(minute + x) for x in seconds), np.zeros(len(minute))) / len(seconds)
        return total

    return power


def _system_jobs(out: Path, s: System) -> list[_Job]:
    plan = s.plan
    folder = out / "BESS" / s.name
    folder.mkdir(parents=True, exist_ok=True)
    grid = np.arange(s.start_s, s.end_s, _FAST_STEP_S, dtype=np.int64)
    volts = s.mean_cell_v(grid)
    fast = fast_grid((volts < plan.fast_below_v) | (volts > plan.fast_above_v), _FAST_STEP_S)
    hours = sum(z.hours for z in of_kind(plan.faults, ZoneWrongHours, s.number))
    clock = Clock(plan.bess_zone, s.start_s, s.end_s + DAY_S, error_s=round(hours * 3600))
    gaps = plan.gaps(plan.bess_zone, s.number)
    specs = [*cell_signals(s), *state_signals(s), *extra_signals(s)]
    return [_job(folder, plan, x, clock, s.start_s, fast, gaps) for x in specs]


def _meter_jobs(out: Path, plan: PlantPlan, number: int, series: MeterSeries, clock: Clock) -> list[_Job]:
    folder = out / "meter" / series.name
    folder.mkdir(parents=True, exist_ok=True)
    gaps = plan.gaps(plan.meter_zone, None)
    specs = meter_signals(plan, series, number)
    return [_job(folder, plan, x, clock, int(series.minute_s[0]), None, gaps) for x in specs]


def _job(
    folder: Path, plan: PlantPlan, spec: SignalSpec, clock: Clock, origin_s: int,
    fast: Callable[[Ints], NDArray[np.bool_]] | None, gaps: list[tuple[int, int]],
) -> _Job:  # fmt: skip
    seed = (plan.seed, zlib.crc32(f"{folder.name}/{spec.name}".encode()))
    return _Job(folder / f"{spec.name}.csv", spec, clock, origin_s, fast, gaps, seed, plan.disorder_share)


def _write_settings(path: Path, plan: PlantPlan) -> None:
    """Write settings with which this plant can be read; a wrong nameplate is written as planted."""
    roots = [name for name, n in (("meter", plan.meters), ("BESS", plan.systems)) if n]
    wrong = of_kind(plan.faults, WrongNameplate)
    nameplate_ah = wrong[0].nameplate_ah if wrong else plan.nameplate_ah
    nameplate_kwh = nameplate_ah * plan.cells * 3.2 / 1000
    quoted = ", ".join(f'"{r}"' for r in roots)
    lines = [
        "# Settings of a synthetic plant; truth.json holds what is planted in it.",
        f"roots = [{quoted}]", 'lake = "lake"',
        f'first_month = "{plan.start - timedelta(days=1):%Y-%m}"  # earlier rows are refused',
        f'zone = "{plan.meter_zone}"', "", "[battery]",
        f"nameplate_ah = {nameplate_ah}", f"nameplate_kwh = {nameplate_kwh:.1f}",
    ]  # fmt: skip
    for name in plan.system_names:
        lines += ["", "[[device]]", f'name = "{name}"', f'zone = "{plan.bess_zone}"']
        if plan.meters >= 2 and plan.systems == 1:
            lines.append('site_meter = "m2"')
    for name in plan.meter_names[1:]:
        lines += ["", "[[device]]", f'name = "{name}"', f'main_meter = "{plan.meter_names[0]}"']
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
