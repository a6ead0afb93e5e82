"""Other rules than the one in use, tried on the same simulated systems: what they would find, and what they would cost.

The former, coarser grid of noise; the scale of the noise pooled over the cells (nonparametric empirical Bayes over
scale and correlation, after Kiefer and Wolfowitz 1956, Ann. Math. Stat. 27:887), with one interval or with a p value
that is the mean of exact normal tests over all noises; p values averaged over all slopes within the tolerance instead
of taken at its edge; two-stage false discovery rate (Benjamini, Krieger and Yekutieli 2006, Biometrika 93:491). None of
this decides anything in the pipeline. Next: `statistical.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from energy_pipeline.compute.day_matrix import day_matrix
from energy_pipeline.compute.degradation_fits import OFFSET
from energy_pipeline.compute.fit_levels import problem_of, series_of
from energy_pipeline.compute.gls import EM_STEPS, GridFit, NoiseGrid, average, fit_grid, grid_weights
from energy_pipeline.compute.verdicts import benjamini_hochberg
from energy_pipeline.score.simulate import CLASSES, Float, Simulated, System, simulate
from energy_pipeline.score.statistical import BAD_SLOPE, CELLS, binomial_interval
from energy_pipeline.settings import BatterySettings

DAYS, BAD = 274, 5
SCALES_MV = np.geomspace(0.3, 9.0, 60)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(32)
FORMER, FORMER_STEPS = NoiseGrid.of((1.5, 5.0, 12.0, 25.0, 50.0, 90.0), (0.15, 0.3, 0.5, 0.7, 0.9)), 30
RULES = (
    "in use", "former grid (31 points)", "two-stage rate", "scale pooled", "scale pooled, mean of normal tests",
    "averaged over the tolerance", "scale pooled and averaged",
)


@dataclass(frozen=True)
class Said:
    """What a rule says of the cells of a system: slope, its standard error and df, and the p value of no drift."""

    slope: Float
    se: Float
    df: Float
    p: Float


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
        for rule, said_of in _rules(drawn, battery).items():
            slope, se, df = said_of.slope, said_of.se, said_of.df
            reject = two_stage if rule == RULES[2] else benjamini_hochberg
            said = reject(said_of.p, battery.false_discovery_rate)
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


def _rules(drawn: Simulated, battery: BatterySettings) -> dict[str, Said]:
    """Return what each rule says of the cells of a system."""
    matrix = day_matrix(drawn.sat_daily, OFFSET)
    if matrix is None:
        msg = "the simulated system has no qualified day; ask for more days"
        raise ValueError(msg)
    none = np.empty(0, np.int64)
    series = [series_of(y, none, battery, quantity=OFFSET, grade="cell") for y in matrix.values]
    problems, floor = [problem_of(s, matrix.t) for s in series], battery.voltage_quantum_mv**2 / 12.0
    delta = battery.delta_offset_mv_per_year
    fits = fit_grid(matrix.t, problems, floor)
    coarse = fit_grid(matrix.t, problems, floor, FORMER)
    used, former = _averaged(fits, EM_STEPS), _averaged(coarse, FORMER_STEPS)
    slope, se, mean_p = pool_scale(fits, delta)
    many = np.array([float(f.n - 2) for f in fits])

    def said(values: tuple[Float, Float, Float], *, edge: bool = True) -> Said:
        return Said(*values, _p_value(np.abs(values[0]), values[1], values[2], delta, edge=edge))

    pooled = slope, se, many
    found = (
        said(used), said(former), said(used), said(pooled), Said(*pooled, mean_p), said(used, edge=False),
        said(pooled, edge=False),
    )
    return dict(zip(RULES, found, strict=True))


def _averaged(fits: Sequence[GridFit], steps: int) -> tuple[Float, Float, Float]:
    found = [average(f, w) for f, w in zip(fits, grid_weights(fits, pooled=True, steps=steps), strict=True)]
    return (
        np.array([e.beta[-1] for e in found]), np.array([np.sqrt(e.cov[-1, -1]) for e in found]),
        np.array([e.df for e in found]),
    )


def two_stage(p: Float, rate: float) -> NDArray[np.bool_]:
    """Return which hypotheses are rejected at the rate with the number of true ones estimated in a first stage."""
    first = rate / (1.0 + rate)
    rejected = int(benjamini_hochberg(p, first).sum())
    if rejected in {0, len(p)}:
        return benjamini_hochberg(p, first)
    return benjamini_hochberg(p, first * len(p) / (len(p) - rejected))


def pool_scale(fits: Sequence[GridFit], delta: float) -> tuple[Float, Float, Float]:
    """Return slope, standard error, and mean p of |slope| <= delta, weighted over correlation and scale.

    The weights are those of each series under a distribution of noises that all of them share; p is the mean of exact
    normal tests, one per noise.
    """
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
    size, error = np.abs(beta)[:, :, None], np.sqrt(unit[:, :, None] * scale)
    tails = stats.norm.sf((size - delta) / error) + stats.norm.sf((size + delta) / error)
    return slope, np.sqrt(variance), np.minimum((weight * tails).sum(axis=(1, 2)), 1.0)


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
