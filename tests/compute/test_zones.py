"""Local wall clocks come back as the instants they were made from, on every change day of the six zones."""

from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_pipeline.compute.zones import (
    AMBIGUOUS,
    DAY,
    HOUR,
    MINUTE,
    NONEXISTENT,
    OK,
    SECOND,
    Before,
    bucket_starts,
    day_start,
    first_open_row,
    local_offsets,
    local_to_utc,
    month_bounds,
    month_of,
    months_between,
    offset_at,
    to_us,
    transitions,
)

pytestmark = pytest.mark.filterwarnings("error")

ZONES = ("Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Havana", "Asia/Shanghai")
CHANGING = ("Europe/Berlin", "Australia/Lord_Howe", "America/Havana")
BERLIN = ZoneInfo("Europe/Berlin")
YEAR = (to_us(datetime(2024, 1, 1, tzinfo=UTC)), to_us(datetime(2025, 1, 1, tzinfo=UTC)))


def local_of(utc, zone):
    return utc + np.array([offset_at(zone, int(u)) for u in utc], np.int64)


def clock(*texts, day="2024-10-27"):
    return np.array([to_us(datetime.fromisoformat(f"{day}T{t}+00:00")) for t in texts], np.int64)


def autumn(zone):
    return next(t for t in transitions(zone, *YEAR) if t.after < t.before)


def spring(zone):
    return next(t for t in transitions(zone, *YEAR) if t.after > t.before)


def days_of_change(name):
    zone = ZoneInfo(name)
    return [t.at for t in transitions(zone, *YEAR)] or [to_us(datetime(2024, 3, 31, 1, tzinfo=UTC))]


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize("cadence", [30 * SECOND, 5 * MINUTE, 7 * MINUTE, 15 * MINUTE, 20 * MINUTE, HOUR])
def test_every_instant_around_a_change_comes_back_through_its_wall_clock(name, cadence):
    zone = ZoneInfo(name)
    for at in days_of_change(name):
        for phase in (0, cadence // 3, cadence // 2, cadence - SECOND):
            utc = np.arange(at - DAY // 4 + phase, at + DAY // 4, cadence, dtype=np.int64)
            back, status = local_to_utc(local_of(utc, zone), zone)
            assert (status == OK).all()
            assert (back == utc).all()


@pytest.mark.parametrize("name", CHANGING)
def test_the_hour_that_spring_skips_does_not_exist_and_its_neighbours_do(name):
    zone = ZoneInfo(name)
    change = spring(zone)
    gap = np.arange(change.at + change.before, change.at + change.after, 5 * MINUTE)
    around = np.array([gap[0] - SECOND, gap[0], gap[-1], change.at + change.after])
    _, status = local_to_utc(gap, zone)
    assert (status == NONEXISTENT).all()
    utc, status = local_to_utc(around, zone)
    assert status.tolist() == [OK, NONEXISTENT, NONEXISTENT, OK]
    assert utc[[0, 3]].tolist() == [change.at - SECOND, change.at]


@pytest.mark.parametrize("name", CHANGING)
@pytest.mark.parametrize("cadence", [MINUTE, 5 * MINUTE, 10 * MINUTE])
def test_rows_swapped_inside_the_repeated_hour_are_still_known(name, cadence):
    zone = ZoneInfo(name)
    change = autumn(zone)
    utc = np.arange(change.at - 3 * HOUR, change.at + 3 * HOUR, cadence, dtype=np.int64)
    local = local_of(utc, zone)
    inside = np.flatnonzero((local >= change.at + change.after) & (local < change.at + change.before))
    for i in range(inside[0] - 2, inside[-1] + 2):
        order = np.arange(len(utc))
        order[[i, i + 1]] = order[[i + 1, i]]
        back, status = local_to_utc(local[order], zone)
        good = status == OK
        assert (back[good] == utc[order][good]).all()
        # Six rows in the hour are too few to tell a swap at its edge from a gap: then they are refused.
        few = name == "Australia/Lord_Howe" and cadence == 10 * MINUTE
        assert good.all() or few, f"swap at {i - inside[0]} of {len(inside)}"


@settings(max_examples=60)
@given(
    cadence=st.sampled_from([10, 30, 60, 300]), share=st.floats(0.05, 0.6), seed=st.integers(0, 10_000),
    missing=st.sampled_from(["none", "first", "second"]), name=st.sampled_from(CHANGING),
)
def test_an_irregular_clock_gives_the_right_pass_or_none_at_all(cadence, share, seed, missing, name):
    zone = ZoneInfo(name)
    change = autumn(zone)
    rng = np.random.default_rng(seed)
    steps = cadence * (1 + share * rng.uniform(-1, 1, 8 * 3600 // cadence))
    utc = change.at - 4 * HOUR + np.cumsum(np.maximum(steps, 1).round()).astype(np.int64) * SECOND
    shift = change.before - change.after
    if missing == "first":
        utc = utc[(utc < change.at - shift) | (utc >= change.at)]
    if missing == "second":
        utc = utc[(utc < change.at) | (utc >= change.at + shift)]
    back, status = local_to_utc(local_of(utc, zone), zone)
    good = status == OK
    assert (back[good] == utc[good]).all()
    if missing == "none":
        assert good.all()
    else:
        assert (status == AMBIGUOUS).sum() >= 0.6 * shift / (cadence * SECOND)


GAPS = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 150)), min_size=1, max_size=4)


@settings(max_examples=200)
@given(gaps=GAPS, phase=st.floats(0, 1), cadence=st.sampled_from([60, 300, 600, 900, 1200, 1800]),
       name=st.sampled_from(["Europe/Berlin", "America/Havana"]))
def test_several_outages_around_the_repeated_hour_never_give_a_wrong_time(gaps, phase, cadence, name):
    zone = ZoneInfo(name)
    change = autumn(zone)
    first = change.at - 4 * HOUR + int(phase * cadence) * SECOND
    utc = np.arange(first, change.at + 4 * HOUR, cadence * SECOND, dtype=np.int64)
    for start, length in gaps:
        low = change.at - 3 * HOUR + start * MINUTE
        utc = utc[(utc < low) | (utc >= low + length * MINUTE)]
    back, status = local_to_utc(local_of(utc, zone), zone)
    good = status == OK
    assert (back[good] == utc[good]).all()


def test_a_single_row_of_the_second_pass_after_an_outage_as_long_as_the_hour_is_refused():
    _, status = local_to_utc(clock("01:45:00", "02:00:00", "02:15:00", "03:45:00", "04:00:00"), BERLIN)
    assert status.tolist() == [OK, AMBIGUOUS, AMBIGUOUS, OK, OK]
    _, status = local_to_utc(clock("01:45:00", "02:00:00", "02:15:00"), BERLIN)
    assert status.tolist() == [OK, AMBIGUOUS, AMBIGUOUS]


@pytest.mark.parametrize("cadence", [60, 300, 900])
def test_an_outage_inside_the_hour_costs_no_row_where_the_clock_is_seen_to_go_back(cadence):
    change = autumn(BERLIN)
    utc = np.arange(change.at - 4 * HOUR, change.at + 4 * HOUR, cadence * SECOND, dtype=np.int64)
    utc = utc[(utc < change.at - 30 * MINUTE) | (utc >= change.at)]
    back, status = local_to_utc(local_of(utc, BERLIN), BERLIN)
    assert (status == OK).all()
    assert (back == utc).all()


def test_one_pass_alone_cannot_be_told_and_is_ambiguous():
    local = clock("01:45:00", "02:00:00", "02:15:00", "02:30:00", "02:45:00", "03:00:00")
    _, status = local_to_utc(local, BERLIN)
    assert status.tolist() == [OK, AMBIGUOUS, AMBIGUOUS, AMBIGUOUS, AMBIGUOUS, OK]


def test_a_file_that_holds_nothing_but_the_hour_is_ambiguous_unless_the_clock_jumps_back():
    _, status = local_to_utc(clock("02:00:00", "02:20:00", "02:40:00"), BERLIN)
    assert (status == AMBIGUOUS).all()
    utc, status = local_to_utc(clock("02:20:00", "02:40:00", "02:00:00", "02:20:00"), BERLIN)
    assert (status == OK).all()
    assert np.diff(utc).tolist() == [20 * MINUTE] * 3


def test_a_gap_before_an_open_end_inside_the_hour_leaves_it_open():
    _, status = local_to_utc(clock("01:00:00", "01:05:00", "01:10:00", "02:40:00", "02:45:00"), BERLIN)
    assert status.tolist() == [OK, OK, OK, AMBIGUOUS, AMBIGUOUS]


def test_a_start_or_an_end_inside_the_hour_is_refused_since_an_outage_as_long_as_it_would_look_the_same():
    _, status = local_to_utc(clock("02:40:00", "02:50:00", "03:00:00", "03:10:00"), BERLIN)
    assert status.tolist() == [AMBIGUOUS, AMBIGUOUS, OK, OK]
    utc, status = local_to_utc(clock("02:40:00", "02:50:00", "02:00:00", "02:10:00"), BERLIN)
    assert (status == OK).all()
    assert np.diff(utc).tolist() == [10 * MINUTE] * 3


def test_hourly_rows_of_both_passes_are_known():
    utc, status = local_to_utc(clock("00:30:00", "01:30:00", "02:30:00", "02:30:00", "03:30:00"), BERLIN)
    assert (status == OK).all()
    assert np.diff(utc).tolist() == [HOUR] * 4


def test_the_rest_of_a_grown_file_goes_on_from_the_row_before():
    change = autumn(BERLIN)
    utc = np.arange(change.at - HOUR, change.at + 2 * HOUR, 5 * MINUTE, dtype=np.int64)
    local = local_of(utc, BERLIN)
    previous = Before((int(local[0]) - 5 * MINUTE,), int(utc[0]) - 5 * MINUTE, int(local[0]) - 5 * MINUTE)
    back, status = local_to_utc(local, BERLIN, previous)
    assert (status == OK).all()
    assert (back == utc).all()


def test_rows_far_away_in_the_file_do_not_disturb_the_hour():
    local = np.concatenate([clock("12:00:00", day="2024-01-05"), clock("01:50:00", "02:00:00", "02:10:00", "02:20:00",
                            "02:30:00", "02:40:00", "02:50:00", "02:00:00", "02:10:00"),
                            clock("12:00:00", day="2024-12-05")])
    utc, status = local_to_utc(local, BERLIN)
    assert (status == OK).all()
    assert np.diff(utc[1:10]).tolist() == [10 * MINUTE] * 8


def test_the_open_part_of_a_file_starts_with_the_unfinished_hour():
    assert first_open_row(clock("01:50:00", "02:00:00", "02:10:00"), BERLIN) == 1
    assert first_open_row(clock("01:50:00", "02:00:00", "02:50:00", "02:00:00"), BERLIN) == 1
    behind = [f"03:{m}:00" for m in range(10, 18)]
    assert first_open_row(clock("01:50:00", "02:00:00", "02:10:00", *behind[:7]), BERLIN) == 1
    assert first_open_row(clock("01:50:00", "02:00:00", "02:10:00", *behind), BERLIN) == 11
    late = clock("01:50:00", "02:00:00", "02:10:00", *behind[:3], "02:20:00", *behind[3:])
    assert first_open_row(late, BERLIN) == 1
    assert first_open_row(clock("02:10:00", day="2024-06-01"), BERLIN) == 1
    assert first_open_row(clock(), BERLIN) == 0


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [("Europe/Berlin", date(2024, 3, 31), 23), ("Europe/Berlin", date(2024, 10, 27), 25),
     ("Europe/Berlin", date(2024, 6, 1), 24), ("Australia/Lord_Howe", date(2024, 4, 7), 24.5),
     ("Australia/Lord_Howe", date(2024, 10, 6), 23.5), ("America/Havana", date(2024, 3, 10), 23),
     ("America/Havana", date(2024, 11, 3), 25), ("Asia/Kathmandu", date(2024, 3, 31), 24),
     ("Asia/Kolkata", date(2024, 3, 31), 24), ("Asia/Shanghai", date(2024, 10, 27), 24)],
)
def test_a_local_day_has_its_own_length(name, day, hours):
    zone = ZoneInfo(name)
    start = day_start(zone, day)
    end = day_start(zone, date.fromordinal(day.toordinal() + 1))
    assert (end - start) / HOUR == hours
    first = datetime.fromtimestamp(start / SECOND, zone)
    assert first.date() == day
    assert datetime.fromtimestamp(start / SECOND - 1, zone).date() < day


def test_midnight_that_is_skipped_or_repeated_starts_the_day_at_its_first_instant():
    havana = ZoneInfo("America/Havana")
    assert datetime.fromtimestamp(day_start(havana, date(2024, 3, 10)) / SECOND, havana).hour == 1
    both = datetime.fromtimestamp(day_start(havana, date(2024, 11, 3)) / SECOND, havana)
    assert (both.hour, both.fold) == (0, 0)


@pytest.mark.parametrize("name", ZONES)
def test_months_follow_each_other_without_hole_and_their_buckets_fill_them(name):
    zone = ZoneInfo(name)
    months = months_between(zone, YEAR[0] - 40 * DAY, YEAR[1])
    for month, following in pairwise(months):
        start, end = month_bounds(zone, month)
        assert end == month_bounds(zone, following)[0]
        assert month_of(zone, start) == month
        assert month_of(zone, end - SECOND) == month
        for level in ("5min", "15min", "1h", "1d"):
            starts = bucket_starts(zone, start, end, level)
            assert starts[0] == start
            assert (np.diff(starts) > 0).all()
            assert starts[-1] < end
        quarters = bucket_starts(zone, start, end, "15min")
        for level in ("1h", "1d"):
            assert np.isin(bucket_starts(zone, start, end, level), quarters).all()


@pytest.mark.parametrize("name", ZONES)
def test_an_hour_bucket_is_one_wall_clock_hour(name):
    zone = ZoneInfo(name)
    for at in days_of_change(name):
        start, end = month_bounds(zone, month_of(zone, at))
        hours = bucket_starts(zone, start, end, "1h")
        minutes = np.arange(start, end, 15 * MINUTE)
        bucket = np.searchsorted(hours, minutes, side="right")
        wall = [(datetime.fromtimestamp(m / SECOND, zone).strftime("%d %H"), offset_at(zone, int(m))) for m in minutes]
        assert len(set(zip(bucket.tolist(), wall, strict=True))) == len(set(bucket.tolist())) == len(set(wall))


def test_the_repeated_hour_has_two_buckets_and_half_an_hour_cuts_one():
    start, end = month_bounds(BERLIN, "2024-10")
    assert len(bucket_starts(BERLIN, start, end, "1h")) == 31 * 24 + 1
    island = ZoneInfo("Australia/Lord_Howe")
    start, end = month_bounds(island, "2024-04")
    lengths = np.diff([*bucket_starts(island, start, end, "1h"), end])
    assert sorted(set((lengths / MINUTE).tolist())) == [30, 60]
    assert lengths.sum() == 30 * DAY + 30 * MINUTE


def test_offsets_of_sorted_instants_agree_with_the_zone():
    utc = np.arange(*YEAR, 6 * HOUR + 7 * MINUTE)
    for name in ZONES:
        zone = ZoneInfo(name)
        assert (local_offsets(utc, zone) == local_of(utc, zone) - utc).all()
    assert len(local_offsets(utc[:0], BERLIN)) == 0
