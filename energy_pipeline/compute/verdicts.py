"""What a slope with its interval means: verdicts over all cells of a system, quality words, smallest visible slope.

A fall or rise is said only where |slope| ≤ δ is refuted with the false discovery rate controlled over all cells
(Benjamini and Hochberg 1995), and GLS, OLS and Theil–Sen agree in sign. `stable` needs the 90 % interval inside ± δ
(two one-sided tests). A slope keeps its sign everywhere: a rise is never a loss. Texts are in `verdict_texts.py`.
"""

import numpy as np

from energy_pipeline.compute.battery_series import Bool, Float
from energy_pipeline.compute.student_t import quantile, survival

FALLING, RISING, STABLE = "falling", "rising", "stable"
NO_TREND, INSUFFICIENT = "no_established_trend", "insufficient_data"
ESTABLISHED = (FALLING, RISING)


def p_beyond(slope: Float, se: Float, df: Float, delta: float) -> Float:
    """Return the p value of |slope| ≤ delta, analytic, from the t distribution."""
    safe = np.maximum(se, 1e-300)
    return np.asarray(
        np.minimum(survival((np.abs(slope) - delta) / safe, df) + survival((np.abs(slope) + delta) / safe, df), 1.0)
    )


def benjamini_hochberg(p: Float, rate: float) -> Bool:
    """Return which hypotheses are rejected at the false discovery rate (step-up procedure of 1995)."""
    m = len(p)
    rejected = np.zeros(m, dtype=np.bool_)
    if not m:
        return rejected
    order = np.argsort(p, kind="stable")
    below = np.flatnonzero(p[order] <= rate * np.arange(1, m + 1) / m)
    if len(below):
        rejected[order[: below[-1] + 1]] = True
    return rejected


def decide(
    slope: Float, se: Float, df: Float, p: Float, delta: float, rate: float, signs: tuple[Float, ...]
) -> list[str]:
    """Return the verdict of each series of one family (all cells of a system, or all packs)."""
    rejected = benjamini_hochberg(p, rate)
    agree = np.ones(len(slope), dtype=np.bool_)
    for other in signs:
        agree &= np.sign(other) == np.sign(slope)
    inside = np.abs(slope) + quantile(0.95, df) * se < delta
    falls, rises = rejected & agree & (slope < 0), rejected & agree & (slope > 0)
    return [
        FALLING if f else RISING if r else STABLE if s else NO_TREND
        for f, r, s in zip(falls, rises, inside, strict=True)
    ]


def smallest_detectable(se: Float, df: Float, delta: float, family: int) -> Float:
    """Return the smallest slope that these data would establish with a power of 80 %, in a family of that size."""
    return np.asarray(delta + (quantile(1 - 0.05 / (2 * max(family, 1)), df) + quantile(0.8, df)) * se)


def linearity_word(r2: float | None, limits: tuple[float, float]) -> str | None:
    """Return the seed's word on R²; it measures signal against noise, not linearity."""
    if r2 is None or not np.isfinite(r2):
        return None
    return "very_linear" if r2 > limits[0] else "linear" if r2 > limits[1] else "not_linear"


def annual_word(slope: float, limits: tuple[float, float]) -> str:
    """Return the word on the annual loss (low, moderate, high); a rise is `no_loss`. Limits in the slope's unit."""
    if slope >= 0:
        return "no_loss"
    return "low" if -slope < limits[0] else "moderate" if -slope < limits[1] else "high"


def cycle_word(slope: float, limits: tuple[float, float]) -> str:
    """Return the word on the loss per cycle [%]; a rise is `no_loss`."""
    if slope >= 0:
        return "no_loss"
    return "very_good" if -slope < limits[0] else "moderate" if -slope < limits[1] else "high"
