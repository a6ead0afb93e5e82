"""How good are the verdicts? Recall, false alarms, coverage and dated steps on simulated systems.

Enters at the level of `sat_daily` and runs the very functions that the pipeline runs (`build_regimes`,
`build_degradation_fits`). Every figure comes with its count; false alarms with the exact Poisson interval.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from energy_pipeline.compute.degradation_fits import build_degradation_fits
from energy_pipeline.compute.regimes import OPERATING, build_regimes
from energy_pipeline.schemas.battery import CAPACITY, CHARGE_CYCLES
from energy_pipeline.score.oracle import oracle_by_class, oracle_recall
from energy_pipeline.score.simulate import CLASSES, START, Simulated, System, simulate
from energy_pipeline.settings import BatterySettings

CELLS = 260
BAD_SLOPE = 24.0


COMMON_NOISE = (("white 3 mV", 3.0, 0.0), ("white 3 mV and slow 2 mV over 20 days", 3.0, 2.0))
STEP_SIZES = (0.0, 15.0, 24.0, 40.0)
DETECTION_MONTHS = (6, 7, 8, 9, 10, 12)


@dataclass(frozen=True)
class Scenario:
    """Systems of one kind: how many, how long, how many bad cells, and the common step (day as share of the span)."""

    name: str
    systems: int
    days: int
    bad_cells: int = 0
    step_mv: float | None = None
    slope: float = BAD_SLOPE


@dataclass
class Tally:
    """Counts of one scenario."""

    healthy: int = 0
    false_alarms: int = 0
    bad: int = 0
    found: int = 0
    found_by_noise: dict[int, list[bool]] = field(default_factory=dict)
    stable: int = 0
    covered: list[NDArray[np.bool_]] = field(default_factory=list)
    noise: list[NDArray[np.int64]] = field(default_factory=list)
    error: list[float] = field(default_factory=list)
    half_width: list[float] = field(default_factory=list)
    smallest: list[float] = field(default_factory=list)


FULL = (
    Scenario("healthy, 9 months", 12, 274),
    Scenario("healthy, 20 months", 40, 600),  # many: the cells of one system share what its median does
    Scenario("healthy with a step of -24 mV, 12 months", 8, 365, step_mv=-24.0),
    Scenario("one bad cell of 260, 9 months", 40, 274, bad_cells=1),
    Scenario("five bad cells of 260, 9 months", 120, 274, bad_cells=5),
    Scenario("one bad cell of 260, 12 months", 40, 365, bad_cells=1),
    Scenario("five bad cells of 260, 12 months", 12, 365, bad_cells=5),
    Scenario("one bad cell of 260, 6 months", 12, 183, bad_cells=1),
)
HARDEST = "five bad cells of 260, 9 months"
QUICK = (
    Scenario("healthy, 9 months", 1, 274),
    Scenario("healthy with a step of -24 mV, 12 months", 1, 365, step_mv=-24.0),
    Scenario("five bad cells of 260, 12 months", 2, 365, bad_cells=5),
)


def poisson_interval(count: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact (Garwood) interval of a Poisson mean."""
    alpha = 1.0 - level
    low = 0.0 if count == 0 else float(stats.chi2.ppf(alpha / 2, 2 * count) / 2)
    return low, float(stats.chi2.ppf(1 - alpha / 2, 2 * count + 2) / 2)


def binomial_interval(count: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact (Clopper–Pearson) interval of a share."""
    alpha = 1.0 - level
    low = 0.0 if count == 0 else float(stats.beta.ppf(alpha / 2, count, n - count + 1))
    high = 1.0 if count == n else float(stats.beta.ppf(1 - alpha / 2, count + 1, n - count))
    return low, high


def judge(simulated: Simulated) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Run the pipeline's functions on a simulated system; return cell fits in the order of cells, and regimes."""
    regimes = build_regimes(simulated.ctx, simulated.sat_daily)
    fits = build_degradation_fits(
        simulated.ctx, simulated.sat_daily, regimes, CAPACITY.empty(), CHARGE_CYCLES.empty()
    )
    cells = fits.filter((pl.col("level") == "cell") & (pl.col("quantity") == "sat_offset_mv")).sort("pack", "cell")
    return cells, regimes


def run_scenario(scenario: Scenario, rng: np.random.Generator, battery: BatterySettings) -> Tally:
    """Draw and judge all systems of a scenario."""
    tally = Tally()
    for _ in range(scenario.systems):
        places = rng.choice(CELLS, scenario.bad_cells, replace=False)
        signs = np.sign(rng.standard_normal(scenario.bad_cells))
        bad = {int(k): float(scenario.slope * s) for k, s in zip(places, signs, strict=True)}
        steps = {} if scenario.step_mv is None else {scenario.days // 2: scenario.step_mv}
        system = simulate(System(scenario.days, bad=bad, steps=steps), rng, battery)
        cells, _ = judge(system)
        _count(tally, system, cells, np.array(sorted(bad), dtype=np.int64))
    return tally


def _count(tally: Tally, system: Simulated, cells: pl.DataFrame, bad: NDArray[np.int64]) -> None:
    verdict = cells["verdict"].to_numpy()
    alarm = np.isin(verdict, ["falling", "rising"])
    right = ((verdict == "rising") & (system.slope > 0)) | ((verdict == "falling") & (system.slope < 0))
    healthy = np.ones(len(cells), dtype=np.bool_)
    healthy[bad] = False
    tally.healthy += int(healthy.sum())
    tally.false_alarms += int((alarm & healthy).sum())
    tally.bad += len(bad)
    tally.found += int((right & ~healthy).sum())
    for k in bad:
        tally.found_by_noise.setdefault(int(system.noise[k]), []).append(bool(right[k]))
    tally.stable += int(((verdict == "stable") & healthy).sum())
    low, high = (cells[c].cast(pl.Float64).fill_null(np.nan).to_numpy() for c in ("slope_low", "slope_high"))
    tally.covered.append((low <= system.slope) & (system.slope <= high))
    tally.noise.append(system.noise)
    tally.error += (cells["slope_per_year"].to_numpy() - system.slope)[bad].tolist()
    tally.half_width.append(float(np.nanmedian((high - low) / 2)))
    least = cells["minimum_detectable_slope"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    tally.smallest.append(float(np.nanmedian(least)) if np.isfinite(least).any() else np.nan)


def summarise(scenario: Scenario, tally: Tally, battery: BatterySettings) -> dict[str, Any]:
    """Return the figures of a scenario as plain numbers; `recall_bound` is what perfect knowledge of noise gives."""
    bound = None
    if scenario.bad_cells:
        bound = oracle_recall(
            scenario.days, scenario.bad_cells, scenario.slope, battery.delta_offset_mv_per_year,
            battery.false_discovery_rate, CELLS, seed=0,
        )
    covered, noise = np.concatenate(tally.covered), np.concatenate(tally.noise)
    low, high = poisson_interval(tally.false_alarms)
    least, most = binomial_interval(tally.found, tally.bad) if tally.bad else (None, None)
    return {
        "scenario": scenario.name, "days": scenario.days, "systems": scenario.systems,
        "healthy_verdicts": tally.healthy, "false_alarms": tally.false_alarms,
        "false_alarms_low": low, "false_alarms_high": high, "bad_cells": tally.bad, "found": tally.found,
        "recall": tally.found / tally.bad if tally.bad else None, "recall_bound": bound,
        "recall_low": least, "recall_high": most,
        "recall_by_noise": {CLASSES[k].name: float(np.mean(v)) for k, v in sorted(tally.found_by_noise.items())},
        "median_error_mv_per_year": float(np.median(np.abs(tally.error))) if tally.error else None,
        "stable_share": tally.stable / max(tally.healthy, 1), "coverage": float(covered.mean()),
        "coverage_by_noise": {
            c.name: float(covered[noise == k].mean()) for k, c in enumerate(CLASSES) if (noise == k).any()
        },
        "coverage_counts": {
            c.name: (int(covered[noise == k].sum()), int((noise == k).sum())) for k, c in enumerate(CLASSES)
        },
        "half_width_mv_per_year": float(np.mean(tally.half_width)),
        "smallest_detectable_mv_per_year": float(np.nanmean(tally.smallest)),
    }


def score_steps(rng: np.random.Generator, battery: BatterySettings, repeats: int, days: int = 400) -> dict[str, Any]:
    """Score common steps: found and dated within 3 days, per size and kind of the common noise; false steps."""
    out: dict[str, Any] = {"repeats": repeats, "found": {}, "false": {}}
    for name, white, slow in COMMON_NOISE:
        for size in STEP_SIZES:
            drawn = [_one_step(rng, battery, days, size, white, slow) for _ in range(repeats)]
            key = f"{name}, {size:g} mV" if size else f"{name}, no step"
            out["found"][key] = sum(d[0] for d in drawn) / repeats if size else None
            out["false"][key] = sum(d[1] for d in drawn) / repeats
    return out


def _one_step(
    rng: np.random.Generator, battery: BatterySettings, days: int, size: float, white: float, slow: float
) -> tuple[bool, int]:
    """Return whether the planted step was dated within 3 days, and how many steps there were besides."""
    at = int(rng.integers(60, days - 60))
    sign = float(np.sign(rng.standard_normal()))
    system = System(
        days, cells=50, steps={at: sign * size} if size else {}, common_white_mv=white, common_slow_mv=slow,
        classes=CLASSES[:1],
    )
    drawn = simulate(system, rng, battery)
    found = build_regimes(drawn.ctx, drawn.sat_daily).filter(pl.col("kind") == OPERATING)["day"].to_list()
    near = [d for d in found if abs((d - (START + timedelta(days=at))).days) <= 3]
    return bool(near) and size > 0, len(found) - (1 if near and size else 0)


def months_to_detection(rng: np.random.Generator, battery: BatterySettings, repeats: int) -> dict[str, Any]:
    """Return how long a drift of 24 mV/year in one cell of 260 stays unseen: the share found after each month."""
    found = dict.fromkeys(DETECTION_MONTHS, 0)
    for _ in range(repeats):
        cell = int(rng.integers(0, CELLS))
        drawn = simulate(System(round(max(DETECTION_MONTHS) * 30.4375), bad={cell: BAD_SLOPE}), rng, battery)
        for months in DETECTION_MONTHS:
            until = START + timedelta(days=round(months * 30.4375))
            early = replace(drawn, sat_daily=drawn.sat_daily.filter(pl.col("day") < until))
            found[months] += judge(early)[0]["verdict"][cell] == "rising"
    return {"repeats": repeats, "found_share": {m: k / repeats for m, k in found.items()}}


def run_statistical_score(seed: int = 20240917, quick: bool = False) -> dict[str, Any]:
    """Run all scenarios and return the figures. Deterministic for a seed; `quick` takes seconds, not minutes."""
    rng = np.random.default_rng(seed)
    battery = BatterySettings(bootstrap_samples=0, comparisons=False)  # what is only shown beside changes no verdict
    scenarios = QUICK if quick else FULL
    rows = [summarise(s, run_scenario(s, rng, battery), battery) for s in scenarios]
    steps = score_steps(rng, battery, 3 if quick else 30)
    healthy = sum(r["healthy_verdicts"] for r in rows)
    alarms = sum(r["false_alarms"] for r in rows)
    low, high = poisson_interval(alarms)
    hardest = next((r for r in rows if r["bad_cells"] and r["scenario"] == HARDEST), rows[-1])
    return {
        "seed": seed, "quick": quick, "scenarios": rows, "steps": steps,
        "detection": months_to_detection(rng, battery, 1 if quick else 20),
        "total": {
            "healthy_verdicts": healthy, "false_alarms": alarms, "per_1000": 1000.0 * alarms / healthy,
            "per_1000_low": 1000.0 * low / healthy, "per_1000_high": 1000.0 * high / healthy,
            "coverage": _pooled(rows, "coverage"), "coverage_by_noise": _pooled_by_noise(rows),
            "coverage_by_length": _counts_by_length(rows),
            "recall_by_noise": hardest["recall_by_noise"],
            "bound_by_noise": oracle_by_class(
                hardest["days"], max(hardest["bad_cells"] // hardest["systems"], 1), BAD_SLOPE,
                battery.delta_offset_mv_per_year, battery.false_discovery_rate, CELLS, seed=0,
            ),
        },
    }


def _counts_by_length(rows: list[dict[str, Any]]) -> dict[int, dict[str, tuple[int, int]]]:
    """Return covered and all intervals per length [d] and class of noise, over all scenarios of that length."""
    out: dict[int, dict[str, tuple[int, int]]] = {}
    for r in rows:
        here = out.setdefault(r["days"], {})
        for name, (covered, n) in r["coverage_counts"].items():
            before = here.get(name, (0, 0))
            here[name] = (before[0] + covered, before[1] + n)
    return dict(sorted(out.items()))


def _pooled_by_noise(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the coverage of each noise class over all scenarios, weighted by their number of systems."""
    out = {}
    for c in CLASSES:
        pairs = [(r["coverage_by_noise"][c.name], r["systems"]) for r in rows if c.name in r["coverage_by_noise"]]
        if pairs:
            out[c.name] = float(np.average([p[0] for p in pairs], weights=[p[1] for p in pairs]))
    return out


def _pooled(rows: Iterable[dict[str, Any]], name: str) -> float:
    pairs = [(r[name], r["systems"]) for r in rows]
    return float(np.average([p[0] for p in pairs], weights=[p[1] for p in pairs]))
