"""Registers: every planted event is judged as what it is, and energy is neither lost nor invented at any level."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_pipeline.compute.registers import (
    correct_register,
    events_frame,
    interval_energy,
    judge_register,
    register_energy,
)
from energy_pipeline.compute.zones import HOUR, MINUTE

pytestmark = pytest.mark.filterwarnings("error")

NONE = events_frame("m1", "pos_ae", [])


def hourly(values, step=HOUR):
    return np.arange(len(values), dtype=np.int64) * step, np.array(values, float)


def judged(values, p_max=1000.0, step=HOUR, **kwargs):
    ts, value = hourly(values, step)
    return [(e.kind, e.ts // step, None if e.ts_end is None else e.ts_end // step, e.booked_kwh)
            for e in judge_register(ts, value, p_max, **kwargs)]


def energy(values, step=HOUR, p_max=1000.0, **kwargs):
    ts, value = hourly(values, step)
    events = events_frame("m1", "pos_ae", judge_register(ts, value, p_max, **kwargs))
    borders = np.arange(0, ts[-1] + step, step, dtype=np.int64)
    return register_energy(*correct_register(ts, value, events), borders, 2 * step)[0].round(4).tolist()


def test_a_rising_register_has_no_events():
    assert judged([100, 101, 101, 150, 1150]) == []
    assert energy([100, 101, 101, 150]) == [1, 0, 49]


def test_a_dip_of_a_tenth_is_ignored_and_its_energy_kept():
    assert judged([100.0, 101.0, 100.9, 101.5, 102]) == [("dip", 2, 2, 0.0)]
    assert sum(energy([100.0, 101.0, 100.9, 101.5, 102])) == 2


def test_a_glitch_to_zero_is_a_dip():
    assert judged([100, 101, 0, 0, 102, 103]) == [("dip", 2, 3, 0.0)]
    assert sum(energy([100, 101, 0, 0, 102, 103])) == 3


@pytest.mark.parametrize("height", [995, 5000])
def test_a_spike_that_is_taken_back_is_ignored_whatever_its_size(height):
    assert judged([100, 101, 101 + height, 102, 103]) == [("spike", 2, 2, 0.0)]
    assert sum(energy([100, 101, 101 + height, 102, 103])) == 3


def test_three_high_readings_are_a_spike():
    assert judged([100, 1090, 1091, 1092, 101, 102]) == [("spike", 1, 3, 0.0)]
    assert sum(energy([100, 1090, 1091, 1092, 101, 102])) == 2


def test_a_rollover_books_the_way_over_the_top():
    assert judged([999_999.0, 999_999.5, 0.25, 1]) == [("rollover", 2, None, 0.75)]
    assert sum(energy([999_999.0, 999_999.5, 0.25, 1])) == 2
    assert judged([4999.0, 4999.5, 0.5, 1], modulus=5000) == [("rollover", 2, None, 1.0)]


def test_a_reset_books_what_the_new_register_shows_if_that_is_plausible():
    assert judged([5000, 5001, 2, 3]) == [("reset", 2, None, 2.0)]
    assert sum(energy([5000, 5001, 2, 3])) == 4
    assert judged([50_000, 50_001, 30_000, 30_001]) == [("reset", 2, None, 0.0)]


def test_a_small_fall_for_good_is_a_rebase_that_books_nothing():
    assert judged([5000, 5001, 4990, 4991]) == [("rebase", 2, None, 0.0)]
    assert sum(energy([5000, 5001, 4990, 4991])) == 2


def test_a_jump_that_stays_books_nothing():
    assert judged([100, 101, 9101, 9102]) == [("jump", 2, None, 0.0)]
    assert sum(energy([100, 101, 9101, 9102])) == 2


def test_a_register_that_doubles_with_its_transformer_ratio_is_a_jump():
    assert judged([40_000, 40_001, 80_002, 80_004]) == [("jump", 2, None, 0.0)]
    assert sum(energy([40_000, 40_001, 80_002, 80_004])) == 3


def test_a_decision_of_a_person_overrules():
    assert judged([100, 101, 9101, 9102], decisions={2 * HOUR: "accepted"}) == [("jump", 2, None, 9000.0)]
    assert sum(energy([100, 101, 9101, 9102], decisions={2 * HOUR: "accepted"})) == 9002


def test_events_of_the_last_day_are_provisional():
    ts, value = hourly([100, 101, 50, *range(51, 80)])
    assert [e.provisional for e in judge_register(ts, value, 1000.0)] == [False]
    assert [e.provisional for e in judge_register(ts[:20], value[:20], 1000.0)] == [True]


def test_a_gap_of_1100_hours_is_spread_over_its_time_and_marked_estimated():
    ts = np.array([0, 1100 * HOUR], np.int64)
    borders = np.arange(-2, 1103, dtype=np.int64) * HOUR
    rise, guessed = register_energy(ts, np.array([10.0, 120.0]), np.zeros(2, np.int64), borders, HOUR // 4)
    assert np.isnan(rise[:2]).all()
    assert np.isnan(rise[-2:]).all()
    assert rise[2:-2].tolist() == [0.1] * 1100
    assert guessed[2:-2].tolist() == [0.1] * 1100


REGISTER = st.lists(
    st.tuples(st.integers(1, 5000), st.one_of(st.integers(0, 3000), st.sampled_from([0, 1, 12_345_678]))),
    min_size=2, max_size=30,
)


def build(found):
    ts = np.cumsum([s for s, _ in found]).astype(np.int64) * MINUTE
    return ts, np.cumsum([k for _, k in found]) / 1000


@settings(max_examples=100)
@given(REGISTER, st.integers(1, 60))
def test_increases_telescope_to_the_last_digit_over_any_borders(found, step):
    ts, value = build(found)
    grid = np.arange(ts[0] - 7 * MINUTE, ts[-1] + step * 37 * MINUTE, step * 37 * MINUTE, dtype=np.int64)
    zero = np.zeros(len(ts), np.int64)
    fine, guess = register_energy(ts, value, zero, grid, HOUR)
    total = round(np.nansum(fine) * 1e4)
    low, high = np.clip(grid[[0, -1]], ts[0], ts[-1])
    assert total == round(np.interp(high, ts, value) * 1e4) - round(value[0] * 1e4)
    assert np.nansum(guess) <= np.nansum(fine) + 1e-9
    assert (np.nan_to_num(guess) <= np.nan_to_num(fine) + 1e-9).all()
    coarse, _ = register_energy(ts, value, zero, np.unique(grid[[0, *range(0, len(grid), 3), -1]]), HOUR)
    assert round(np.nansum(coarse) * 1e4) == total
    assert low >= ts[0]


FALLING = st.lists(
    st.tuples(st.integers(1, 400), st.one_of(st.integers(0, 900), st.integers(-40_000, 40_000), st.just(99_000_000))),
    min_size=3, max_size=25,
)


@settings(max_examples=200)
@given(FALLING, st.integers(1, 24))
def test_parts_of_a_history_give_the_energy_of_the_whole_through_every_event(found, cut):
    ts = np.cumsum([s for s, _ in found]).astype(np.int64) * MINUTE
    value = np.abs(np.cumsum([k for _, k in found])) / 1000
    events = events_frame("m1", "pos_ae", judge_register(ts, value, 10.0))
    grid = np.arange(ts[0] // (15 * MINUTE), ts[-1] // (15 * MINUTE) + 2, dtype=np.int64) * 15 * MINUTE
    whole, guess = register_energy(*correct_register(ts, value, events), grid, HOUR)
    assert np.nanmin(np.append(whole, 0)) >= 0, "a corrected register never falls"
    middle = grid[min(cut * len(grid) // 25, len(grid) - 1)]
    kept = correct_register(ts, value, events)[0]
    before, after = kept[kept < middle], kept[kept >= middle]
    parts = []
    for borders, chosen in (
        (grid[grid <= middle], (ts < middle) | (ts == (after[0] if len(after) else -1))),
        (grid[grid >= middle], (ts >= middle) | (ts == (before[-1] if len(before) else -1))),
    ):
        if len(borders) > 1:
            parts.append(register_energy(*correct_register(ts[chosen], value[chosen], events), borders, HOUR))
    assert np.array_equal(np.concatenate([p[0] for p in parts]), whole, equal_nan=True)
    assert np.array_equal(np.concatenate([p[1] for p in parts]), guess, equal_nan=True)


@settings(max_examples=100)
@given(FALLING)
def test_judging_ends_and_leaves_a_register_that_never_falls(found):
    ts = np.cumsum([s for s, _ in found]).astype(np.int64) * MINUTE
    value = np.abs(np.cumsum([k for _, k in found])) / 1000
    events = judge_register(ts, value, 10.0)
    assert [e.ts for e in events] == sorted({e.ts for e in events})
    _, kept, shift = correct_register(ts, value, events_frame("m1", "pos_ae", events))
    assert (np.diff(np.round(kept * 1e4) + shift) >= -1).all()


INTERVALS = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5000)), min_size=1, max_size=40)


@settings(max_examples=100)
@given(INTERVALS, st.sampled_from([5, 10, 15, 60]))
def test_interval_energy_keeps_the_sum_and_leaves_gaps_empty(found, length):
    ts = np.cumsum([s for s, _ in found]).astype(np.int64) * MINUTE
    rows = np.array([k for _, k in found]) / 1000
    borders = np.arange(0, ts[-1] // (5 * MINUTE) + length // 5 + 2, dtype=np.int64) * 5 * MINUTE
    increase, estimated = interval_energy(ts, rows, length * MINUTE, borders)
    assert round(np.nansum(increase), 4) == round(rows.sum(), 4)
    assert np.nan_to_num(estimated).sum() == 0
    ends = np.minimum(ts + length * MINUTE, np.append(ts[1:], np.iinfo(np.int64).max))
    for i, low in enumerate(borders[:-1]):
        covered = ((ts < low + 5 * MINUTE) & (ends > low)).any()
        assert covered != np.isnan(increase[i])


def test_an_empty_register_and_a_single_reading_have_no_energy():
    none = np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64)
    borders = np.array([0, HOUR], np.int64)
    assert np.isnan(register_energy(*none, borders, HOUR)[0]).all()
    assert judge_register(none[0], none[1], 10.0) == []
    one = np.array([5], np.int64), np.array([1.0]), np.zeros(1, np.int64)
    assert np.isnan(register_energy(*one, borders, HOUR)[0]).all()
    assert isinstance(NONE, pl.DataFrame)
