"""Segments of current: what ends them, what is passed over, and the cut at 24 h."""

import numpy as np

from energy_pipeline.compute.battery_series import SECOND_US, HeldIntegral, Series, product_integral
from energy_pipeline.compute.segments import find_segments
from energy_pipeline.settings import BatterySettings

HOLD = 900 * SECOND_US


def current(minutes: list[tuple[float, float]], step_s: float = 30.0) -> Series:
    """Readings of a current that takes each value for so many minutes."""
    value = np.concatenate([np.full(round(m * 60 / step_s), a) for m, a in minutes])
    return Series((np.arange(len(value)) * step_s * SECOND_US).astype(np.int64), value)


def test_ten_minutes_of_rest_end_a_segment_and_nine_do_not() -> None:
    joined = find_segments(current([(40, 100.0), (9, 0.0), (40, 100.0), (20, 0.0)]), BatterySettings(), HOLD)
    split = find_segments(current([(40, 100.0), (11, 0.0), (40, 100.0), (20, 0.0)]), BatterySettings(), HOLD)
    assert [(s.end - s.start) / SECOND_US / 60 for s in joined] == [89.0]
    assert [(s.end - s.start) / SECOND_US / 60 for s in split] == [40.0, 40.0]


def test_a_change_of_direction_ends_a_segment_but_a_single_opposite_reading_does_not() -> None:
    turned = find_segments(current([(40, 100.0), (40, -100.0), (20, 0.0)]), BatterySettings(), HOLD)
    spiked = find_segments(current([(40, 100.0), (0.5, -300.0), (40, 100.0), (20, 0.0)]), BatterySettings(), HOLD)
    assert [s.direction for s in turned] == [1, -1]
    assert len(spiked) == 1


def test_segments_below_thirty_minutes_are_dropped() -> None:
    assert find_segments(current([(29, 100.0), (20, 0.0)]), BatterySettings(), HOLD) == []


def test_current_below_a_hundredth_of_c_is_rest() -> None:
    assert find_segments(current([(60, 2.7), (20, 0.0)]), BatterySettings(), HOLD) == []
    assert len(find_segments(current([(60, 2.9), (20, 0.0)]), BatterySettings(), HOLD)) == 1


def test_a_gap_longer_than_fifteen_minutes_ends_a_segment() -> None:
    series = current([(40, 100.0)])
    later = Series(series.ts + (40 * 60 + 1000) * SECOND_US, series.value)
    both = Series(np.concatenate([series.ts, later.ts]), np.concatenate([series.value, later.value]))
    assert len(find_segments(both, BatterySettings(), HOLD)) == 2


def test_a_segment_of_thirty_hours_is_cut_once_and_marked() -> None:
    found = find_segments(current([(30 * 60, 50.0), (20, 0.0)], 300.0), BatterySettings(), HOLD)
    assert [(s.end - s.start) / SECOND_US / 3600 for s in found] == [24.0, 6.0]
    assert all(s.cut for s in found)
    assert found[0].end == found[1].start


def test_a_reading_holds_to_the_next_one_and_at_most_its_limit() -> None:
    ts = np.array([0, 60, 10_000], dtype=np.int64) * SECOND_US
    held = HeldIntegral.of(Series(ts, np.array([2.0, 3.0, 1.0])), HOLD)
    at = np.array([30, 60, 960, 5000, 10_000], dtype=np.int64) * SECOND_US
    assert held.at(at).tolist() == [60.0, 120.0, 120.0 + 2700.0, 2820.0, 2820.0]


def test_power_is_integrated_only_where_both_signals_hold() -> None:
    ampere = Series(np.array([0, 600], dtype=np.int64) * SECOND_US, np.array([10.0, 10.0]))
    volt = Series(np.array([300], dtype=np.int64) * SECOND_US, np.array([800.0]))
    energy = product_integral(ampere, volt, HOLD).at(np.array([10_000 * SECOND_US]))
    assert energy[0] == 10.0 * 800.0 * 900.0
