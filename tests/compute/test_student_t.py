"""Student's t without `scipy.stats` has the numbers of `scipy.stats`."""

import numpy as np
import pytest
from scipy import stats

from energy_pipeline.compute import student_t


def test_survival_and_quantile_are_those_of_scipy_for_all_degrees_of_freedom() -> None:
    rng = np.random.default_rng(4)
    df, t = rng.uniform(1.2, 900.0, 2000), rng.normal(0.0, 8.0, 2000)
    assert np.array_equal(student_t.survival(t, df), stats.t.sf(t, df))
    for p in (0.8, 0.95, 0.975, 1 - 0.05 / 520):
        assert np.array_equal(student_t.quantile(p, df), stats.t.ppf(p, df))


@pytest.mark.parametrize("df", [np.nan, 0.0, -1.0])
def test_degrees_of_freedom_that_do_not_exist_have_no_number(df: float) -> None:
    assert np.isnan(student_t.survival(1.0, df))
    assert np.isnan(student_t.quantile(0.975, df))
