"""What nobody can beat: the recall of a test that knows the noise of every cell exactly.

With known covariance the slope's standard error is that of generalised least squares; the test against |slope| ≤ δ at
the threshold of Benjamini and Hochberg has a closed form. A target above this bound is out of reach for these systems,
whatever the method. Next: `statistical.py`, which sets the measured recall beside it.
"""

import numpy as np
from scipy import stats

from energy_pipeline.score.simulate import CLASSES, DAYS_PER_YEAR, Float, NoiseClass, qualified_days

QUANTUM_VARIANCE = 1.0 / 12.0


def slope_error(days: Float, noise: NoiseClass) -> float:
    """Return the standard error of the slope [mV/year] with known noise, on the given days."""
    x = np.column_stack([np.ones(len(days)), days / DAYS_PER_YEAR])
    apart = np.abs(days[:, None] - days[None, :])
    cov = noise.slow_mv**2 * np.exp(-apart / noise.tau_days)
    cov += (noise.white_mv**2 + QUANTUM_VARIANCE) * np.eye(len(days))
    return float(np.sqrt(np.linalg.inv(x.T @ np.linalg.solve(cov, x))[1, 1]))


def oracle_by_class(
    days: int, bad: int, slope: float, delta: float, rate: float, cells: int, seed: int
) -> dict[str, float]:
    """Return the expected recall of each noise class, with all `bad` cells rejected setting the threshold."""
    good = np.flatnonzero(qualified_days(days, np.random.default_rng(seed))).astype(np.float64)
    limit = stats.norm.isf(rate * bad / cells)
    return {c.name: float(stats.norm.sf(limit - (slope - delta) / slope_error(good, c))) for c in CLASSES}


def oracle_recall(days: int, bad: int, slope: float, delta: float, rate: float, cells: int, seed: int) -> float:
    """Return the expected recall over the noise classes by their shares."""
    power = oracle_by_class(days, bad, slope, delta, rate, cells, seed)
    return float(np.average([power[c.name] for c in CLASSES], weights=[c.share for c in CLASSES]))
