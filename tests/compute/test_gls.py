"""The deciding slope: equal to the textbook formula, honest coverage, empirical Bayes, and verdict rules."""

import numpy as np
import pytest
from plants import correlated
from scipy import stats

from energy_pipeline.compute.gls import GRID, Problem, average, fit_grid, grid_weights
from energy_pipeline.compute.verdicts import annual_word, benjamini_hochberg, decide, p_beyond, smallest_detectable


def problems(y: np.ndarray, t: np.ndarray) -> list[Problem]:
    x = np.column_stack([np.ones(len(t)), (t - t.mean()) / 365.25])
    return [Problem(np.arange(len(t)), row, x) for row in y]


def test_the_recursion_equals_generalised_least_squares_with_the_full_matrix() -> None:
    rng = np.random.default_rng(1)
    t = np.sort(rng.choice(200, 90, replace=False)).astype(float)
    y = rng.normal(0, 2, 90)
    x = np.column_stack([np.ones(90), (t - t.mean()) / 365.25])
    fit = fit_grid(t, [Problem(np.arange(90), y, x)], 0.0)[0]
    for g, (lam, tau) in enumerate(zip(GRID.lam, GRID.tau, strict=True)):
        v = lam * np.exp(-np.abs(t[:, None] - t[None]) / tau) + (1 - lam) * np.eye(90)
        w = np.linalg.inv(v)
        cov = np.linalg.inv(x.T @ w @ x)
        beta = cov @ x.T @ w @ y
        rss = (y - x @ beta) @ w @ (y - x @ beta)
        ll = -0.5 * (np.linalg.slogdet(v)[1] - np.linalg.slogdet(cov)[1] + 88 * np.log(rss / 88) + 88)
        assert fit.beta[g] == pytest.approx(beta)
        assert fit.cov[g] == pytest.approx(cov * rss / 88)
        assert fit.loglik[g] == pytest.approx(ll)


def test_series_with_holes_of_their_own_give_the_same_as_alone() -> None:
    rng = np.random.default_rng(2)
    t = np.arange(150.0)
    x = np.column_stack([np.ones(150), (t - t.mean()) / 365.25])
    rows = [np.sort(rng.choice(150, 140, replace=False)) for _ in range(5)]
    many = [Problem(r, rng.normal(0, 2, 140), x[r]) for r in rows]
    together = fit_grid(t, many, 0.0)
    for problem, fit in zip(many, together, strict=True):
        own = Problem(np.arange(140), problem.y, problem.x)
        alone = fit_grid(t[problem.rows], [own] * 20, 0.0)[0]
        assert fit.beta == pytest.approx(alone.beta)
        assert fit.loglik == pytest.approx(alone.loglik)


@pytest.mark.parametrize(("white", "slow", "tau"), [(1.5, 1.5, 35.0), (4.5, 0.0, 1.0), (1.5, 3.5, 40.0)])
def test_the_interval_covers_the_truth_as_often_as_it_says(white: float, slow: float, tau: float) -> None:
    rng = np.random.default_rng(7)
    t = np.arange(270.0)
    y = np.round(white * rng.standard_normal((400, 270)) + correlated(270, 400, slow, tau, rng))
    fits = fit_grid(t, problems(y, t), 1 / 12)
    found = [average(f, w) for f, w in zip(fits, grid_weights(fits, pooled=True), strict=True)]
    half = np.array([stats.t.ppf(0.975, e.df) * e.cov[1, 1] ** 0.5 for e in found])
    covered = np.mean(np.abs([e.beta[1] for e in found]) <= half)
    assert 0.90 <= covered <= 0.995


def test_below_twenty_series_the_weights_do_not_borrow() -> None:
    rng = np.random.default_rng(3)
    t = np.arange(100.0)
    fits = fit_grid(t, problems(rng.normal(0, 1, (10, 100)), t), 0.0)
    assert grid_weights(fits, pooled=True) == pytest.approx(grid_weights(fits, pooled=False))


def test_verdicts_follow_the_rules() -> None:
    slope = np.array([24.0, -24.0, 0.5, 4.0, 24.0])
    se, df = np.array([2.0, 2.0, 0.5, 3.0, 2.0]), np.full(5, 50.0)
    p = p_beyond(slope, se, df, 3.0)
    other = np.array([20.0, -20.0, 0.1, 4.0, -1.0])
    words = decide(slope, se, df, p, 3.0, 0.05, (other,))
    assert words == ["rising", "falling", "stable", "no_established_trend", "no_established_trend"]


def test_benjamini_hochberg_steps_up() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.5])
    assert benjamini_hochberg(p, 0.05).tolist() == [True, False, False, False]
    assert benjamini_hochberg(np.array([0.01, 0.02, 0.03, 0.04]), 0.05).tolist() == [True] * 4
    assert benjamini_hochberg(np.empty(0), 0.05).tolist() == []


def test_the_smallest_detectable_slope_grows_with_noise_and_number_of_cells() -> None:
    one = smallest_detectable(np.array([2.0]), np.array([40.0]), 3.0, 1)[0]
    assert one == pytest.approx(3.0 + (stats.t.ppf(0.975, 40) + stats.t.ppf(0.8, 40)) * 2.0)
    assert smallest_detectable(np.array([2.0]), np.array([40.0]), 3.0, 260)[0] > one


def test_a_rise_is_never_called_a_loss() -> None:
    assert annual_word(5.0, (2.0, 10.0)) == "no_loss"
    assert [annual_word(-v, (2.0, 10.0)) for v in (1.0, 5.0, 12.0)] == ["low", "moderate", "high"]
