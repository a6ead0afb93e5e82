"""Buckets agree with a slow, plain reference, coarse levels with direct aggregation, and months with the whole."""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_pipeline.compute.registers import events_frame
from energy_pipeline.compute.resolution import Series, SignalSpec, aggregate_month, batches, cells_table, month_grid
from energy_pipeline.compute.zones import DAY, HOUR, MINUTE, SECOND, to_us
from energy_pipeline.schemas.resolution import RESOLUTIONS
from tests.conftest import assert_closed

pytestmark = pytest.mark.filterwarnings("error")

BERLIN = ZoneInfo("Europe/Berlin")
NONE = events_frame("m1", "x", [])
HOLD = 15 * MINUTE
SUMS, EXACT = ("covered_s", "integral", "integral_sq"), ("n", "min", "max", "first", "last")


def reference(rows, hold, borders):
    """Statistics per bucket by one plain loop over readings and buckets: {bucket: dict}."""
    found = {}

    def cell(i):
        return found.setdefault(i, {"n": 0, "covered_s": 0.0, "integral": 0.0, "integral_sq": 0.0, "values": []})

    for k, (t, v) in enumerate(rows):
        i = bisect_right(borders, t) - 1
        if 0 <= i < len(borders) - 1:
            cell(i)["n"] += 1
            cell(i)["values"].append(v)
        end = t + hold
        if k + 1 < len(rows):
            end = min(end, rows[k + 1][0])
        for j in range(max(i, 0), len(borders) - 1):
            low, high = max(t, borders[j]), min(end, borders[j + 1])
            if borders[j] >= end:
                break
            if high > low:
                seconds = (high - low) / SECOND
                cell(j)["covered_s"] += seconds
                cell(j)["integral"] += v * seconds
                cell(j)["integral_sq"] += v * v * seconds
    return found


def check(frame, starts, rows, hold, end):
    borders = [*starts.tolist(), end]
    expected = reference(rows, hold, borders)
    assert frame["ts"].to_physical().to_list() == [borders[i] for i in sorted(expected)]
    for row, (_, want) in zip(frame.iter_rows(named=True), sorted(expected.items()), strict=True):
        values = want["values"]
        assert row["n"] == want["n"]
        for name, value in (("min", min(values, default=None)), ("max", max(values, default=None)),
                            ("first", values[0] if values else None), ("last", values[-1] if values else None)):
            assert row[name] == value, name
        for name in SUMS:
            assert row[name] == pytest.approx(want[name], rel=1e-9, abs=1e-6), name


def aggregate(specs, rows_by_signal, zone, month, events=NONE):
    grid = month_grid(zone, month)
    series = [
        Series(np.array([t for t, _ in rows], np.int64), np.array([v for _, v in rows], float))
        for rows in rows_by_signal
    ]
    levels = aggregate_month(specs, series, grid, events)
    frames = {
        k: pl.DataFrame(cells_table(cells, specs, grid.starts[k])).with_columns(
            pl.lit("m1").alias("device"), pl.lit(month).alias("month")
        )
        for k, cells in levels.items()
    }
    return grid, {k: RESOLUTIONS[k].conform(frame) for k, frame in frames.items()}


CHANGES = [
    ("Europe/Berlin", "2024-03", 30 * DAY), ("Europe/Berlin", "2024-10", 26 * DAY), ("Europe/Berlin", "2024-02", 0),
    ("Asia/Kathmandu", "2024-05", 0), ("Asia/Kolkata", "2024-05", 30 * DAY), ("Asia/Shanghai", "2024-05", DAY),
    ("Australia/Lord_Howe", "2024-04", 6 * DAY), ("Australia/Lord_Howe", "2024-10", 5 * DAY),
    ("America/Havana", "2024-03", 9 * DAY), ("America/Havana", "2024-11", 2 * DAY),
]
STEPS = st.lists(
    st.tuples(st.sampled_from([1, 7, 30, 60, 299, 300, 600, 900, 1800, 7200]), st.integers(-4000, 4000)),
    min_size=1, max_size=60,
)


def steps(grid, offset, found):
    ts = grid.start + offset - HOUR + np.cumsum([s for s, _ in found]) * SECOND
    return [(int(t), v / 1000) for t, (_, v) in zip(ts, found, strict=True) if t < grid.end]


@settings(max_examples=60)
@given(st.sampled_from(CHANGES), STEPS, STEPS, st.sampled_from([30, 300, 900, 4000]))
def test_every_level_agrees_with_the_plain_reference(change, one, two, hold_s):
    name, month, offset = change
    zone = ZoneInfo(name)
    grid = month_grid(zone, month)
    rows = [steps(grid, offset, one), steps(grid, offset + 11 * SECOND, two)]
    specs = [SignalSpec("a", "gauge", hold_s * SECOND), SignalSpec("b", "gauge", hold_s * SECOND)]
    _, frames = aggregate(specs, rows, zone, month)
    for level, frame in frames.items():
        for spec, own in zip(specs, rows, strict=True):
            check(frame.filter(pl.col("signal") == spec.signal), grid.starts[level], own, hold_s * SECOND, grid.end)


@settings(max_examples=30)
@given(
    st.sampled_from(CHANGES), st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 2000)), min_size=1, max_size=40)
)
def test_registers_have_the_same_energy_at_every_level(change, found):
    name, month, offset = change
    zone = ZoneInfo(name)
    grid = month_grid(zone, month)
    ts = grid.start + offset - HOUR + np.cumsum([s for s, _ in found]) * 60 * SECOND
    value = np.cumsum([k for _, k in found]) / 1000
    rows = list(zip(ts.tolist(), value.tolist(), strict=True))
    _, frames = aggregate([SignalSpec("pos_ae", "counter", HOLD)], [rows], zone, month)
    sums = {level: round(frame["increase"].sum() * 1e4) for level, frame in frames.items()}
    low, high = np.clip([grid.start, grid.end], ts[0], ts[-1])
    at = np.round(np.interp([low - ts[0], high - ts[0]], ts - ts[0], value) * 1e4)
    assert set(sums.values()) == {round(at[1] - at[0])}
    guesses = {round(frame["increase_estimated"].sum() * 1e4) for frame in frames.values()}
    assert len(guesses) == 1
    for frame in frames.values():
        assert frame["integral"].null_count() == len(frame)


def test_signals_without_rows_between_others_stay_empty():
    grid = month_grid(BERLIN, "2024-05")
    specs = [SignalSpec(s, "gauge", HOLD) for s in "abc"]
    _, frames = aggregate(specs, [[], [(grid.start, 1.0)], []], BERLIN, "2024-05")
    assert frames["1d"]["signal"].to_list() == ["b"]
    _, frames = aggregate(specs, [[], [], []], BERLIN, "2024-05")
    assert frames["5min"].is_empty()


def test_batches_hold_every_signal_once_in_order():
    counts = {f"s{i}": i * 10 for i in range(20)}
    found = list(batches(counts, 100))
    assert [s for b in found for s in b] == sorted(counts)
    assert all(sum(counts[s] for s in b) <= 100 or len(b) == 1 for b in found)


# Through a lake: months are computed one by one and must add up to what the whole history gives ---------------------


def stamps(start, step_s, count):
    return [(datetime.fromisoformat(start) + timedelta(seconds=i * step_s)).strftime("%Y-%m-%d %H:%M:%S")
            for i in range(count)]


def text(signal, times, values):
    return f"ts,{signal}\n" + "".join(f"{t},{v}\n" for t, v in zip(times, values, strict=True))


def energy_steps(plant, level, signal):
    return round(plant.level(level, signal)["increase"].sum() * 1e4)


UTC_TOML = 'zone = "UTC"\n'


def test_a_reading_is_held_across_the_border_of_a_month(site):
    plant = site({"m1/com_ap.csv": text("com_ap", ["2024-05-31 23:55:00"], [4])}, UTC_TOML)
    plant.load()
    assert plant.aggregate() == ["2024-05", "2024-06"]
    fine = plant.level("5min")
    assert fine["covered_s"].to_list() == [300, 300, 300]
    assert fine["month"].to_list() == ["2024-05", "2024-06", "2024-06"]
    assert plant.level("1d")["n"].to_list() == [1, 0]


def test_interval_energy_keeps_its_sum_where_rows_are_shorter_than_their_interval_at_a_border(site):
    toml = UTC_TOML + '[[source]]\nname = "i"\nglob = "m1/*.csv"\ninterval_s = 600.0\n'
    plant = site({"m1/x.csv": text("import_interval_a", stamps("2024-05-31 23:50:00", 60, 20), [0.1] * 20)}, toml)
    plant.load()
    plant.aggregate()
    assert energy_steps(plant, "1d", "import_interval_a") == 20_000
    assert plant.level("1d")["increase"].to_list() == [1.0, 1.0]
    assert_closed(plant)


def test_a_register_crosses_months_without_rows_and_keeps_its_energy(site):
    times = [*stamps("2024-01-30 00:00:00", 900, 10), *stamps("2024-03-16 06:00:00", 900, 10)]
    values = [1000 + i * 0.01 for i in range(10)] + [1500.123 + i * 0.01 for i in range(10)]
    plant = site({"m1/pos_ae.csv": text("pos_ae", times, values)}, UTC_TOML)
    plant.load()
    assert plant.aggregate() == ["2024-01", "2024-02", "2024-03"]
    total = round((values[-1] - values[0]) * 1e4)
    for level in ("5min", "15min", "1h", "1d"):
        assert energy_steps(plant, level, "pos_ae") == total
        guessed = round(plant.level(level)["increase_estimated"].sum() * 1e4)
        assert guessed == round((values[10] - values[9]) * 1e4)
    february = plant.level("1d").filter(pl.col("month") == "2024-02")
    assert february.height == 29
    assert february["increase"].max() - february["increase"].min() <= 2e-4


@pytest.mark.parametrize(
    ("kind", "values", "booked"),
    [("dip", [100, 101, 100.9, 100.8, 102, 103], 3), ("spike", [100, 101, 1095, 1096, 102, 103], 3),
     ("rollover", [999_997, 999_999, 1, 2, 3, 4], 7), ("reset", [5000, 5001, 2, 3, 4, 5], 6),
     ("rebase", [5000, 5001, 4990, 4991, 4992, 4993], 4), ("jump", [100, 101, 91_010, 91_011, 91_012, 91_013], 4)],
)
@pytest.mark.parametrize("border_at", [1, 2, 3, 4, 5])
def test_an_event_at_the_border_of_a_month_conserves_energy(site, kind, values, booked, border_at):
    times = stamps("2024-06-01 00:10:00", 1800, 12)[: len(values) - border_at]
    times = [*stamps("2024-05-31 23:40:00", -1800, border_at)[::-1], *times]
    plant = site({"m1/pos_ae.csv": text("pos_ae", times, values)}, UTC_TOML)
    plant.load()
    plant.aggregate()
    assert plant.lake.read("counter_events")["kind"].to_list() == [kind]
    assert {energy_steps(plant, level, "pos_ae") for level in ("5min", "15min", "1h", "1d")} == {booked * 10_000}


def test_events_that_show_up_only_later_make_every_month_of_their_line_due(site):
    times = ["2024-01-05 00:00:00", "2024-01-05 01:00:00", "2024-04-10 00:00:00", "2024-04-10 01:00:00",
             "2024-04-10 02:00:00", "2024-04-11 00:00:00"]
    values = [100, 101, 2_000_000, 103, 104, 105]
    step = 2
    plant = site({"m1/pos_ae.csv": text("pos_ae", times[:step], values[:step])}, UTC_TOML)
    plant.load()
    plant.aggregate()
    for t, v in zip(times[step:], values[step:], strict=True):
        plant.write("m1/pos_ae.csv", f"{t},{v}\n", append=True)
        plant.load()
        plant.aggregate()
    fresh = site({"m1/pos_ae.csv": text("pos_ae", times, values)}, UTC_TOML)
    fresh.load()
    fresh.aggregate()
    for level in ("5min", "15min", "1h", "1d"):
        assert plant.level(level).equals(fresh.level(level)), level
    assert energy_steps(fresh, "1d", "pos_ae") == 50_000


def test_a_late_reading_between_ignored_ones_changes_the_line_across_all_months_before_it(site):
    times = ["2024-01-05 00:00:00", "2024-04-10 00:00:00", "2024-04-10 00:30:00", "2024-04-10 00:40:00"]
    values = [100, 2_000_000, 2_000_001, 103]
    plant = site({"m1/a.csv": text("pos_ae", times, values)}, UTC_TOML)
    plant.load()
    plant.aggregate()
    plant.write("m1/b.csv", text("pos_ae", ["2024-04-10 00:35:00"], [102]))
    plant.load()
    plant.aggregate()
    fresh = site({"m1/a.csv": text("pos_ae", [*times, "2024-04-10 00:35:00"], [*values, 102])}, UTC_TOML)
    fresh.load()
    fresh.aggregate()
    for level in ("5min", "1d"):
        assert plant.level(level).equals(fresh.level(level)), level


def test_coarse_levels_of_a_lake_equal_the_reference_over_a_change_day(site):
    times = stamps("2024-10-26 23:00:00", 600, 13)
    second = stamps("2024-10-27 02:00:00", 600, 30)
    values = [((i * 37) % 101) / 10 for i in range(len(times) + 6 + len(second))]
    local = [*times, *stamps("2024-10-27 01:10:00", 600, 11), *second][: len(values)]
    plant = site({"m1/com_ap.csv": text("com_ap", local, values[: len(local)])})
    plant.load()
    plant.aggregate()
    rows = [(int(t), v) for t, v in plant.readings().select(pl.col("ts").to_physical(), "value").iter_rows()]
    grid = month_grid(BERLIN, "2024-10")
    for level in ("5min", "15min", "1h", "1d"):
        check(plant.level(level), grid.starts[level], rows, HOLD, grid.end)
    day = plant.level("1d").row(1, named=True)
    assert day["ts"] == datetime(2024, 10, 26, 22, tzinfo=UTC)
    assert to_us(day["ts"]) in grid.starts["1d"].tolist()
