"""Instants of several series, each once and in order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from energy_pipeline.compute.battery_series import merged

ASCENDING = st.lists(st.integers(0, 60), max_size=40).map(lambda v: np.array(sorted(v), dtype=np.int64))


@given(st.lists(ASCENDING, min_size=1, max_size=5))
def test_merged_instants_are_the_union_of_all(parts: list[np.ndarray]) -> None:
    assert np.array_equal(merged(parts), np.unique(np.concatenate(parts)))
