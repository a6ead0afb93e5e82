"""The comparison methods against their definitions: OLS, Newey–West, Theil–Sen, Mann–Kendall, bootstrap."""

import numpy as np
import pytest
from plants import correlated
from scipy import stats

from energy_pipeline.compute.robust_fits import compare, theil_sen, weekly_medians

YEARS = np.arange(280.0) / 365.25
ONE = np.zeros(280, dtype=np.int64)


def test_ordinary_least_squares_equals_scipy() -> None:
    y = np.random.default_rng(1).normal(0, 2, (3, 280)) + 10 * YEARS
    found = compare(YEARS, ONE, y, samples=0, block_days=28, seed=1)
    for k in range(3):
        want = stats.linregress(YEARS, y[k])
        assert found.ols[k] == pytest.approx(want.slope)
        assert found.r2[k] == pytest.approx(want.rvalue**2)
        assert found.p[k] == pytest.approx(want.pvalue, rel=1e-6)
    assert np.isnan(found.boot_low).all()


def test_theil_sen_on_weekly_medians_equals_scipy_and_survives_outliers() -> None:
    y = np.random.default_rng(2).normal(0, 1, (1, 280)) + 20 * YEARS
    y[0, ::50] += 500
    when, _, medians = weekly_medians(YEARS, ONE, y)
    assert len(when) == 40
    sen, low, high, p = theil_sen(YEARS, ONE, y)
    assert sen[0] == pytest.approx(stats.theilslopes(medians[0], when).slope)
    assert low[0] < 20 < high[0]
    assert p[0] < 1e-6


def test_a_step_between_two_levels_is_no_slope() -> None:
    level = (np.arange(280) >= 140).astype(np.int64)
    y = np.random.default_rng(3).normal(0, 1, (1, 280)) - 24.0 * level
    found = compare(YEARS, level, y, samples=200, block_days=28, seed=1)
    assert abs(found.ols[0]) < 2.0
    assert abs(found.sen[0]) < 2.5
    assert found.boot_low[0] < 0 < found.boot_high[0]


def test_autocorrelation_widens_every_interval_that_claims_to_know_it() -> None:
    rng = np.random.default_rng(4)
    white = rng.normal(0, 2, (200, 280))
    slow = correlated(280, 200, 2.0, 10.0, rng)
    a = compare(YEARS, ONE, white, samples=200, block_days=28, seed=1)
    b = compare(YEARS, ONE, slow, samples=200, block_days=28, seed=1)
    assert np.median(b.newey_west) > 1.5 * np.median(a.newey_west)
    assert np.median(b.boot_high - b.boot_low) > 1.5 * np.median(a.boot_high - a.boot_low)
    assert np.mean(a.mann_kendall_p < 0.05) < 0.12
    assert np.mean(b.mann_kendall_p < 0.05) < 0.45


def test_the_bootstrap_is_seeded() -> None:
    y = np.random.default_rng(5).normal(0, 1, (2, 280))
    one, two, other = (compare(YEARS, ONE, y, samples=100, block_days=28, seed=s) for s in (1, 1, 2))
    assert one.boot_low == pytest.approx(two.boot_low)
    assert one.boot_low != pytest.approx(other.boot_low)


def test_a_constant_series_has_no_r2_and_no_p() -> None:
    found = compare(YEARS, ONE, np.full((1, 280), 3.43), samples=50, block_days=28, seed=1)
    assert np.isnan(found.r2[0])
    assert np.isnan(found.p[0])
    assert found.ols[0] == pytest.approx(0.0, abs=1e-12)
