"""Laws of the merge: any split into loads and any order give the series of one load, and all rows are counted."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_pipeline.compute.merge import merge_rows

pytestmark = pytest.mark.filterwarnings("error")

ROWS = st.lists(st.tuples(st.integers(0, 12), st.integers(-3, 3)), min_size=1, max_size=40)


class Store:
    """What a lake keeps of one signal: readings, conflicts, and the count of duplicates."""

    def __init__(self):
        self.readings = {}
        self.lost = set()
        self.read = self.duplicates = self.conflicts = 0

    def load(self, rows):
        ts = np.array([t for t, _ in rows], np.int64)
        value = np.array([float(v) for _, v in rows])
        inside = sorted(t for t in self.readings if ts.min() <= t <= ts.max()) if len(ts) else []
        known = (np.array(inside, np.int64), np.array([self.readings[t] for t in inside], float))
        lost = (np.array([t for t, _ in self.lost], np.int64), np.array([v for _, v in self.lost], float))
        merged = merge_rows(ts, value, known, lost)
        assert (np.diff(merged.ts) > 0).all()
        self.read += len(rows)
        self.duplicates += merged.duplicates
        self.conflicts += len(merged.conflicts) + len(merged.displaced_ts)
        for i in merged.conflicts:
            self.lost.add((int(ts[i]), float(value[i])))
        for t, v in zip(merged.displaced_ts, merged.displaced_value, strict=True):
            assert self.readings.pop(int(t)) == v
            self.lost.add((int(t), float(v)))
        for t, v in zip(merged.ts, merged.value, strict=True):
            assert int(t) not in self.readings
            self.readings[int(t)] = float(v)

    def state(self):
        return self.readings, self.lost, self.read, self.duplicates, self.conflicts


def truth(rows):
    readings, pairs = {}, set()
    for t, v in rows:
        pairs.add((t, float(v)))
        readings[t] = min(readings.get(t, np.inf), float(v))
    lost = {(t, v) for t, v in pairs if v != readings[t]}
    return readings, lost, len(rows), len(rows) - len(pairs), len(lost)


@settings(max_examples=150)
@given(ROWS)
def test_one_load_keeps_the_smallest_value_and_counts_every_row(rows):
    store = Store()
    store.load(rows)
    assert store.state() == truth(rows)
    _, _, read, duplicates, conflicts = store.state()
    assert read == len(store.readings) + duplicates + conflicts


@settings(max_examples=200)
@given(ROWS, st.lists(st.integers(0, 40), max_size=5), st.randoms(use_true_random=False))
def test_any_split_and_any_order_of_loads_is_one_load(rows, cuts, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    store, borders = Store(), sorted({0, *cuts, len(rows)})
    for low, high in pairwise(borders):
        if shuffled[low:high]:
            store.load(shuffled[low:high])
    assert store.state() == truth(rows)


def test_nothing_new_is_nothing():
    none = np.empty(0, np.int64), np.empty(0)
    merged = merge_rows(*none, (np.array([1]), np.array([2.0])))
    assert len(merged.ts) == merged.duplicates == len(merged.conflicts) == len(merged.displaced_ts) == 0


def test_a_clean_series_is_passed_through_unchanged():
    ts, value = np.array([1, 2, 3]), np.array([5.0, 4.0, 6.0])
    merged = merge_rows(ts, value)
    assert merged.ts is ts
    assert merged.value is value


def test_positions_of_conflicts_point_at_the_rows_that_lost():
    merged = merge_rows(np.array([5, 1, 5, 5, 1]), np.array([3.0, 9.0, 2.0, 3.0, 9.0]))
    assert merged.conflicts.tolist() == [0]
    assert merged.duplicates == 2
    assert merged.value.tolist() == [9.0, 2.0]
