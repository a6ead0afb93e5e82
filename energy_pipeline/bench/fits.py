"""Speed of the verdicts: `sat_daily` to regimes, slopes and verdicts, with and without all comparison methods.

A simulated system of 260 cells over 600 days, the pipeline's own functions, CPU time of this process; medians of three
runs. Next: `measure.py`, the benchmark of files; `compute/degradation_fits.py`, what is measured.
"""

import statistics
import time

CELLS, DAYS, ROUNDS = 260, 600, 3


def measure_fits(cells: int = CELLS, days: int = DAYS, rounds: int = ROUNDS) -> dict[str, object]:
    """Return CPU seconds from `sat_daily` to verdicts: with every comparison method, and without."""
    import numpy as np

    from energy_pipeline.compute.degradation_fits import build_degradation_fits
    from energy_pipeline.compute.regimes import build_regimes
    from energy_pipeline.schemas.battery import CAPACITY, CHARGE_CYCLES
    from energy_pipeline.score.simulate import System, simulate
    from energy_pipeline.settings import BatterySettings

    figures: dict[str, object] = {"cells": cells, "days": days, "rounds": rounds}
    for name, comparisons in (("with_comparisons", True), ("without_comparisons", False)):
        battery = BatterySettings(comparisons=comparisons)
        plan = System(days, cells=cells, steps={days // 2: -24.0}, bad={3: 24.0})
        drawn = simulate(plan, np.random.default_rng(20240917), battery)
        spent = []
        for _ in range(rounds):
            begin = time.process_time()
            regimes = build_regimes(drawn.ctx, drawn.sat_daily)
            build_degradation_fits(drawn.ctx, drawn.sat_daily, regimes, CAPACITY.empty(), CHARGE_CYCLES.empty())
            spent.append(time.process_time() - begin)
        figures[name] = statistics.median(spent)
    return figures


def fits_markdown(figures: dict[str, object]) -> str:
    """Return the figures as a sentence below the table of the benchmark."""
    return (
        f"`sat_daily` to verdicts, {figures['cells']} cells × {figures['days']} days: "
        f"{figures['with_comparisons']:.2f} s CPU with every comparison method, "
        f"{figures['without_comparisons']:.2f} s without."
    )
