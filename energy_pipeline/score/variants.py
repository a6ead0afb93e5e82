"""Other rules than the one in use, tried on the same simulated systems: what they would find, and what they would cost.

Two changes, alone and together: the scale of the noise pooled over the cells (nonparametric empirical Bayes over scale
and correlation, after Kiefer and Wolfowitz 1956, Ann. Math. Stat. 27:887), and p values averaged over all slopes within
the tolerance instead of taken at its edge. None of this decides anything in the pipeline. Next: `statistical.py`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from energy_pipeline.compute.day_matrix import day_matrix
from energy_pipeline.compute.degradation_fits import OFFSET
from energy_pipeline.compute.fit_levels import problem_of, series_of
from energy_pipeline.compute.gls import EM_STEPS, GridFit, average, fit_grid, grid_weights
from energy_pipeline.compute.verdicts import benjamini_hochberg
from energy_pipeline.score.simulate import CLASSES, Float, Simulated, System, simulate
from energy_pipeline.score.statistical import BAD_SLOPE, CELLS, binomial_interval
from energy_pipeline.settings import BatterySettings

DAYS, BAD = 274, 5
SCALES_MV = np.geomspace(0.15, 8.0, 24)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(32)
RULES = ("in use", "scale pooled", "averaged over the tolerance", "both")


def score_variants(seed: int, systems: int) -> list[dict[str, Any]]:
    """Return recall, false alarms and coverage of each rule: five bad cells of 260 after nine months.

    The condition that three estimators agree in sign is left out for all rules alike.
    """
    rng = np.random.default_rng(seed)
    battery = BatterySettings(bootstrap_samples=0, comparisons=False)
    rows = {r: {"rule": r, "found": 0, "bad": 0, "alarms": 0, "healthy": 0, "inside": []} for r in RULES}
    for _ in range(systems):
        cells = rng.choice(CELLS, BAD, replace=False)
        bad = {int(k): BAD_SLOPE * float(s) for k, s in zip(cells, np.sign(rng.standard_normal(BAD)), strict=True)}
        drawn = simulate(System(DAYS, bad=bad), rng, battery)
        isbad = np.isin(np.arange(CELLS), list(bad))
        for rule, (slope, se, df, edge) in _rules(drawn, battery).items():
            p = _p_value(np.abs(slope), se, df, battery.delta_offset_mv_per_year, edge=edge)
            said = benjamini_hochberg(p, battery.false_discovery_rate)
            row = rows[rule]
            row["found"] += int((said & isbad & (np.sign(slope) == np.sign(drawn.slope))).sum())
            row["bad"] += BAD
            row["alarms"] += int((said & ~isbad).sum())
            row["healthy"] += CELLS - BAD
            inside = np.abs(slope - drawn.slope) <= stats.t.ppf(0.975, df) * se
            row["inside"].append(np.column_stack([drawn.noise, inside]))
    return [_summary(row) for row in rows.values()]


def _summary(row: dict[str, Any]) -> dict[str, Any]:
    inside = np.concatenate(row.pop("inside"))
    low, high = binomial_interval(row["found"], row["bad"])
    cover = {c.name: float(inside[inside[:, 0] == k, 1].mean()) for k, c in enumerate(CLASSES)}
    return row | {"low": low, "high": high, "coverage": float(inside[:, 1].mean()), "by_noise": cover}


def _rules(drawn: Simulated, battery: BatterySettings) -> dict[str, tuple[Float, Float, Float, bool]]:
    """Return slope, standard error, df and whether p is taken at the edge of the tolerance, per rule."""
    matrix = day_matrix(drawn.sat_daily, OFFSET)
    if matrix is None:
        msg = "the simulated system has no qualified day; ask for more days"
        raise ValueError(msg)
    none = np.empty(0, np.int64)
    series = [series_of(y, none, battery, quantity=OFFSET, grade="cell") for y in matrix.values]
    fits = fit_grid(matrix.t, [problem_of(s, matrix.t) for s in series], battery.voltage_quantum_mv**2 / 12.0)
    used = [average(f, w) for f, w in zip(fits, grid_weights(fits, pooled=True), strict=True)]
    slope = np.array([e.beta[-1] for e in used])
    se, df = np.array([np.sqrt(e.cov[-1, -1]) for e in used]), np.array([e.df for e in used])
    pooled, wide = pool_scale(fits)
    many = np.array([float(f.n - 2) for f in fits])
    return {
        RULES[0]: (slope, se, df, True), RULES[1]: (pooled, wide, many, True), RULES[2]: (slope, se, df, False),
        RULES[3]: (pooled, wide, many, False),
    }


def pool_scale(fits: Sequence[GridFit]) -> tuple[Float, Float]:
    """Return slope and standard error with weights over correlation and scale that all series share."""
    free = np.array([f.n - f.beta.shape[1] for f in fits], dtype=np.float64)[:, None, None]
    own = np.stack([f.variance for f in fits])[:, :, None]
    shape = np.stack([f.loglik for f in fits])[:, :, None] + 0.5 * free * (np.log(own) + 1.0)
    scale = SCALES_MV**2
    loglik = (shape - 0.5 * free * (np.log(scale) + own / scale)).reshape(len(fits), -1)
    like = np.exp(loglik - loglik.max(axis=1, keepdims=True))
    prior = np.full(like.shape[1], 1.0 / like.shape[1])
    for _ in range(EM_STEPS):
        prior = prior * (like / (like @ prior)[:, None]).mean(axis=0)
    weight = (like * prior / (like @ prior)[:, None]).reshape(len(fits), -1, len(scale))
    beta = np.stack([f.beta[:, -1] for f in fits])
    unit = np.stack([f.cov[:, -1, -1] / f.variance for f in fits])
    over = weight.sum(axis=2)
    slope = (over * beta).sum(axis=1)
    variance = (weight * unit[:, :, None] * scale).sum(axis=(1, 2)) + (over * (beta - slope[:, None]) ** 2).sum(axis=1)
    return slope, np.sqrt(variance)


def _p_value(size: Float, se: Float, df: Float, delta: float, *, edge: bool) -> Float:
    """Return p of |slope| <= delta: at its edge, or as the mean over slopes that lie anywhere within it."""
    at, weight = (np.array([delta]), np.ones(1)) if edge else (delta * NODES, WEIGHTS / 2.0)
    both = stats.t.sf((size[None] - at[:, None]) / se, df) + stats.t.sf((size[None] + at[:, None]) / se, df)
    return np.asarray(np.minimum(weight @ both, 1.0), dtype=np.float64)


def variants_markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Return the comparison as a Markdown table."""
    head = "| rule | found | recall | 95 % interval | false alarms per 1,000 | coverage | least covered noise |"
    lines = [head, "|" + " --- |" * 7]
    for r in rows:
        name, least = min(r["by_noise"].items(), key=lambda item: item[1])
        lines.append(
            f"| {r['rule']} | {r['found']} of {r['bad']} | {r['found'] / r['bad']:.2f} | {r['low']:.2f} to "
            f"{r['high']:.2f} | {1000 * r['alarms'] / r['healthy']:.2f} ({r['alarms']} of {r['healthy']:,}) | "
            f"{100 * r['coverage']:.1f} % | {name} {100 * least:.1f} % |"
        )
    return "\n".join(lines)
