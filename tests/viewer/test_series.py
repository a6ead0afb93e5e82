"""Thinning never loses a peak, the level fits the span, and local time is right on the days the clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from viewer import series_thinning
from viewer.series import (
    EmptyWindow,
    UnknownSignal,
    choose_level,
    envelope_runs,
    load_series,
    to_us,
)
from viewer.series_blocks import as_if, blocks_of, joined
from viewer.series_thinning import Columns, extremes, thin
from viewer.store import Store
from viewer.wallclock import day_start, from_wall_ms, local_to_utc, to_wall, wall_ms

BERLIN = ZoneInfo("Europe/Berlin")
STEP_US = 300_000_000


def columns(n: int, seed: int = 3) -> Columns:
    rng = np.random.default_rng(seed)
    mean = rng.normal(0, 1, n)
    return Columns(np.arange(n, dtype=np.int64) * STEP_US, mean, mean - 1, mean + 1)


@pytest.mark.parametrize("place", [0, 1, 777, 49_998, 49_999])
def test_no_single_reading_peak_vanishes_however_few_points_are_kept(place: int) -> None:
    data = columns(50_000)
    data.high[place], data.low[place] = 500.0, -500.0
    for points in (100, 400, 1600):
        found = thin(data, points, 1.5 * STEP_US)
        assert np.nanmax(found.high) == 500.0
        assert np.nanmin(found.low) == -500.0


def test_thinning_keeps_first_and_last_point_and_about_the_points_wanted() -> None:
    data = columns(50_000)
    found = thin(data, 1600, 1.5 * STEP_US)
    assert found.ts[0] == data.ts[0]
    assert found.ts[-1] == data.ts[-1]
    assert found.shown <= 1602
    assert found.gaps == 0


def test_a_gap_breaks_the_line_and_the_envelope() -> None:
    data = columns(3000)
    data.ts[1000:] += 3 * 86_400_000_000
    found = thin(data, 500, 1.5 * STEP_US)
    assert found.gaps == 1
    assert np.isnan(found.mean).sum() == 1
    broken = int(np.flatnonzero(np.isnan(found.mean))[0])
    assert data.ts[999] <= found.ts[broken] < data.ts[1000]
    assert np.all(np.diff(found.ts) > 0)


def test_the_envelope_holds_the_extremes_in_one_piece_per_run(store: Store, plan: object) -> None:
    start = plan.start
    result = load_series(store, "m1", "com_ap", start, start + timedelta(days=plan.days), 400)
    runs = envelope_runs(result, 200)
    assert len(runs) == 2
    assert max(np.nanmax(high) for _, _, high in runs) == np.nanmax(result.high)
    assert min(np.nanmin(low) for _, low, _ in runs) == np.nanmin(result.low)


@pytest.mark.parametrize(
    ("days", "kind", "level"),
    [
        (1, "gauge", "raw"),
        (7, "gauge", "5min"),
        (30, "gauge", "15min"),
        (90, "gauge", "1h"),
        (900, "gauge", "1d"),
        (1, "interval", "5min"),
    ],
)
def test_the_level_is_the_finest_that_is_not_too_much(days: float, kind: str, level: str) -> None:
    assert choose_level(days * 86_400, 1600, kind) == level


def test_a_level_holds_the_peak_of_the_finer_one(store: Store, plan: object) -> None:
    start, end = plan.start, plan.end
    fine, coarse = (load_series(store, "m1", "com_ap", start, end, 10**6, level=level) for level in ("5min", "1d"))
    assert np.nanmax(coarse.high) == np.nanmax(fine.high)
    assert coarse.points_held < fine.points_held


def test_raw_readings_equal_the_table(store: Store, plan: object) -> None:
    end = plan.end
    result = load_series(store, "m1", "com_ap", end - timedelta(hours=5), end, 10_000)
    assert result.resolution == "raw"
    assert result.points_shown == result.points_held == 600


def test_a_window_is_a_slice_of_the_level_that_nobody_can_change(store: Store, plan: object) -> None:
    day = timedelta(days=1)
    whole = load_series(store, "m1", "com_ap", plan.start, plan.end, 10**6, level="5min")
    part = load_series(store, "m1", "com_ap", plan.start + 3 * day, plan.start + 5 * day, 10**6, level="5min")
    inside = (whole.ts >= to_us(plan.start + 3 * day)) & (whole.ts < to_us(plan.start + 5 * day))
    assert part.ts.size == 2 * 288
    for name in ("ts", "mean", "low", "high"):
        assert np.array_equal(getattr(part, name), getattr(whole, name)[inside], equal_nan=True)
    with pytest.raises(ValueError, match="read-only"):
        part.blocks.parts[0].points.mean[0] = 0.0


@pytest.mark.parametrize("max_points", [120, 500, 1600, 3000])
def test_a_picture_that_is_moved_keeps_its_points(store: Store, plan: object, max_points: int) -> None:
    day, moved = timedelta(days=1), timedelta(minutes=35)
    start, end = plan.start + 3 * day, plan.start + 33 * day
    one, other = (
        load_series(store, "m1", "com_ap", start + m, end + m, max_points, level="5min") for m in (0 * moved, moved)
    )
    inner = 8 * (one.points_held // max_points + 1) * STEP_US  # a few points at the ends are made anew
    a, b = to_us(start + moved) + inner, to_us(end) - inner
    points = [set(zip(r.ts.tolist(), r.low.tolist(), r.high.tolist(), strict=True)) for r in (one, other)]
    kept = [{p for p in found if a <= p[0] < b} for found in points]
    assert len(kept[0]) > max_points / 2
    assert kept[0] == kept[1]
    assert 0.85 * max_points <= one.points_shown <= max_points + 4


@given(
    first=st.integers(0, 9000), span=st.integers(1, 9000), max_points=st.integers(100, 20_000),
    spike=st.integers(0, 8999), gap=st.integers(1, 8999),
)
@example(first=0, span=8640, max_points=100, spike=8639, gap=512)
def test_a_window_holds_every_extreme_and_every_gap_wherever_its_blocks_end(
    store: Store, first: int, span: int, max_points: int, spike: int, gap: int
) -> None:
    data = columns(9001)
    data.high[spike], data.low[spike] = 500.0, -500.0
    data.ts[gap:] += 86_400_000_000
    stop = min(first + span, 9001)
    found = joined(blocks_of(store, "resolution_5min", data, (first, stop), max_points, 1.5 * STEP_US))
    assert np.all(np.diff(found.ts) > 0)
    assert (found.ts[0], found.ts[-1]) == (data.ts[first], data.ts[stop - 1])
    assert np.nanmax(found.high) == data.high[first:stop].max()
    assert np.nanmin(found.low) == data.low[first:stop].min()
    assert found.gaps == np.isnan(found.mean).sum() == (first < gap < stop)
    assert found.shown == np.isfinite(found.mean).sum() <= max(max_points, 3) + 4


def test_a_picture_that_is_moved_over_a_gap_keeps_its_ratio_and_its_points(store: Store) -> None:
    data = columns(9001)
    data.ts[4000:] += 250 * STEP_US
    room = 3000

    def window(start: int) -> tuple[int, int, int, set[int]]:
        rows = np.searchsorted(data.ts, (start * STEP_US, (start + room) * STEP_US)).tolist()
        found = blocks_of(store, "resolution_5min", data, rows, 1000, 1.5 * STEP_US, room + 1)
        return rows[1] - rows[0], found.step, found.size, set(joined(found).ts.tolist())

    before, over = window(990), window(2400)
    assert before[0] - over[0] == 250
    assert before[1:3] == over[1:3]
    common = range(2450 * STEP_US, 3950 * STEP_US)
    assert {ts for ts in before[3] if ts in common} == {ts for ts in over[3] if ts in common}


@given(rows=st.integers(1, 100_000), room=st.integers(0, 100_000))
def test_missing_rows_cost_at_most_a_fifth_of_the_points(rows: int, room: int) -> None:
    assert rows <= as_if(rows, room) <= max(rows / 0.8 + 1, rows)


def test_a_window_without_values_is_empty_and_not_an_error(store: Store, plan: object) -> None:
    gap = day_start(plan.gap[0], BERLIN)
    result = load_series(store, "m1", "com_ap", gap + timedelta(hours=4), gap + timedelta(hours=60))
    assert result.points_held == 0
    assert result.actual_start is None


def test_wrong_windows_and_signals_say_what_to_do(store: Store, plan: object) -> None:
    with pytest.raises(EmptyWindow, match="swap"):
        load_series(store, "m1", "com_ap", plan.start, plan.start)
    with pytest.raises(UnknownSignal, match="com_ap"):
        load_series(store, "m1", "nothing", plan.start, plan.start + timedelta(days=1))


def test_wall_clock_skips_an_hour_in_spring_and_repeats_one_in_autumn() -> None:
    spring = datetime(2025, 3, 30, 0, 30, tzinfo=UTC)
    wall = to_wall(np.array([to_us(spring), to_us(spring + timedelta(hours=1))]), BERLIN)
    assert wall[1] - wall[0] == np.timedelta64(2, "h")
    autumn = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    wall = to_wall(np.array([to_us(autumn), to_us(autumn + timedelta(hours=1))]), BERLIN)
    assert wall[1] == wall[0]


def test_the_way_back_takes_the_first_of_two_hours_and_moves_a_missing_one_forward() -> None:
    twice = datetime(2025, 10, 26, 2, 30)  # noqa: DTZ001 - wall clock
    assert local_to_utc(twice, BERLIN) == datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    missing = datetime(2025, 3, 30, 2, 30)  # noqa: DTZ001 - wall clock
    assert local_to_utc(missing, BERLIN) == datetime(2025, 3, 30, 1, 30, tzinfo=UTC)
    moment = datetime(2025, 7, 1, 10, 15, tzinfo=UTC)
    assert from_wall_ms(wall_ms(moment, BERLIN), BERLIN) == moment


@pytest.mark.parametrize(("rows", "points"), [(8640, 6000), (8640, 4000), (8640, 1000), (3000, 100), (500, 600)])
@pytest.mark.parametrize("short_part", [series_thinning.SHORT_PART, 0, 10**6])
def test_the_row_of_an_extreme_is_the_first_that_holds_it(
    monkeypatch: pytest.MonkeyPatch, rows: int, points: int, short_part: int
) -> None:
    monkeypatch.setattr(series_thinning, "SHORT_PART", short_part)
    data = columns(rows)
    rng = np.random.default_rng(5)
    for values in (data.mean, data.low, data.high):
        values[rng.integers(0, rows, rows // 5)] = np.nan
        values[200:290] = np.nan
    data.low[300:400], data.high[300:400] = -7.0, 7.0
    starts = np.unique(np.append(rng.integers(0, rows, min(points, rows - 1)), 0))
    lows, highs = extremes(data, starts)
    for start, stop, low, high in zip(starts, [*starts[1:].tolist(), rows], lows, highs, strict=True):
        part = slice(start, stop)
        for values, row, argument in ((data.low, low, np.nanargmin), (data.high, high, np.nanargmax)):
            empty = np.isnan(values[part]).all()
            assert row == start + (0 if empty else argument(values[part]))
