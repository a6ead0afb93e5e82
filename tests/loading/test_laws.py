"""Laws of loading on real lakes: whatever way the rows take into the lake, the tables are those of one load."""

import random
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_pipeline import aggregation
from energy_pipeline.loading import load as loading
from tests.conftest import Site, assert_closed, assert_same_tables

pytestmark = pytest.mark.filterwarnings("error")

STARTS = ["2024-01-30 20:00:00", "2024-02-28 22:00:00", "2024-03-31 00:10:00", "2024-10-27 00:05:00",
          "2024-10-26 21:00:00", "2024-11-30 23:00:00"]
BAD = ["{t},text", "{t}", "{t},1,2", ",5", "2024-03-31 02:30:00,1", "2017-01-01 00:00:00,1", "{t},nan", "", '{t},"7"',
       "{t},", "\ufffd", "2024-02-30 00:00:00,1"]
SIGNALS = ("com_ap", "pos_ae", "com_ae", "import_interval_a", "neg_ae", "own_a")
INTERVALS = '[[source]]\nname = "i"\nglob = "m1/import_interval*.csv"\ninterval_s = 900\n'


def wall_clock(start, steps, zone):
    """Wall clock of a logger that counts in UTC, as a file shows it."""
    moment = datetime.fromisoformat(start).replace(tzinfo=zone).astimezone(ZoneInfo("UTC"))
    for step in steps:
        moment += timedelta(minutes=step)
        yield moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


@st.composite
def lines_of_a_signal(draw, signal):
    """Lines of one signal: steady time, here and there a gap, a repeat, another value, a swap or a broken row."""
    count = draw(st.integers(5, 25))
    step = draw(st.sampled_from([5, 10, 15]))
    rng = random.Random(draw(st.integers(0, 1 << 32)))  # noqa: S311
    steps = [rng.choice([step] * 40 + [step * 30, 60 * 24 * 40]) for _ in range(count)]
    lines, register = [], 1000.0
    for t in wall_clock(draw(st.sampled_from(STARTS)), steps, ZoneInfo("Europe/Berlin")):
        register += rng.choice([0.0, 0.25, 1.5])
        value = register if signal in ("pos_ae", "com_ae", "neg_ae") else rng.randint(-20, 20) / 4
        if signal == "pos_ae" and rng.random() < 0.06:
            value = rng.choice([0.0, register - 0.1, register + 995, register * 2])
        if signal == "import_interval_a":
            value = abs(value)
        lines.append(f"{t},{value}")
        if rng.random() < 0.05:
            lines.append(f"{t},{value}")
        if rng.random() < 0.05:
            lines.append(f"{t},{value + rng.choice([-1, 1])}")
        if rng.random() < 0.05:
            lines.append(rng.choice(BAD).format(t=t))
    return lines


# Each signal is a case of its own, with its own night, gaps and cuts: six of them share the commits of one lake.
DEVICE = st.fixed_dictionaries({s: lines_of_a_signal(s) for s in SIGNALS})
SETTINGS = settings(max_examples=settings.default.max_examples // 33)


def text(signal, lines):
    return "".join(f"{line}\n" for line in [f"ts,{signal}", *lines])


def whole(folder, found):
    plant = Site(folder / "whole", INTERVALS)
    for signal, lines in found.items():
        plant.write(f"m1/{signal}.csv", text(signal, lines))
    plant.load()
    plant.aggregate()
    assert_closed(plant)
    return plant


@SETTINGS
@given(DEVICE, st.lists(st.floats(0, 1), min_size=1, max_size=3), st.booleans())
def test_many_appends_are_one_load(found, cuts, half_lines):
    with TemporaryDirectory() as folder:
        plant = Site(Path(folder) / "grown", INTERVALS)
        done = dict.fromkeys(found, 0)
        for share in [*sorted(cuts), 1.0]:
            parsed = 0
            for number, (signal, lines) in enumerate(found.items()):
                data = text(signal, lines).encode()
                end = max(done[signal], round(share ** (1 + number / 4) * len(data)))
                if not half_lines:
                    end = len(data) if share == 1.0 else data.rfind(b"\n", 0, end) + 1
                if end > done[signal]:
                    plant.write(f"m1/{signal}.csv", data[done[signal] : end], append=True, age_s=1)
                    done[signal] = end
                parsed += end
            plant.load()
            plant.aggregate()
            assert_closed(plant)
        plant.load(now_s=plant.now_s + 4 * 3600)  # a file that ends inside the repeated hour is read at last
        plant.aggregate()
        assert plant.load(now_s=plant.now_s + 4 * 3600).load == 0
        other = whole(Path(folder), found)
        other.load(now_s=plant.now_s + 4 * 3600)
        other.aggregate()
        assert_same_tables(plant.tables(), other.tables())


@SETTINGS
@given(DEVICE, st.integers(1, 3), st.randoms(use_true_random=False))
def test_several_files_in_any_order_are_one_load(found, parts, random):
    with TemporaryDirectory() as folder:
        one, many = Site(Path(folder) / "one", INTERVALS), Site(Path(folder) / "many", INTERVALS)
        pieces = []
        for signal, lines in found.items():
            for i in range(parts):
                low, high = i * len(lines) // parts, (i + 1) * len(lines) // parts
                pieces.append((f"m1/{signal}_{i}.csv", text(signal, lines[low:high])))
        for path, content in pieces:
            one.write(path, content)
        one.load(now_s=one.now_s + 4 * 3600)
        one.aggregate()
        random.shuffle(pieces)
        for i in range(0, len(pieces), 4):
            for path, content in pieces[i : i + 4]:
                many.write(path, content)
            many.load(now_s=one.now_s + 4 * 3600)
            many.aggregate()
        assert_closed(many)
        assert_same_tables(many.tables(), one.tables())


@SETTINGS
@given(DEVICE, DEVICE)
def test_rewritten_files_leave_nothing_of_what_they_were(before, after):
    with TemporaryDirectory() as folder:
        plant = whole(Path(folder) / "first", before)
        for signal, lines in after.items():
            plant.write(f"m1/{signal}.csv", text(signal, lines))
        plant.load()
        plant.aggregate()
        assert_closed(plant)
        assert_same_tables(plant.tables(), whole(Path(folder), after).tables())


@settings(max_examples=settings.default.max_examples // 50)
@given(DEVICE, st.sampled_from(["Asia/Shanghai", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu"]))
def test_another_zone_reads_all_again_as_if_it_had_always_been_so(found, zone):
    with TemporaryDirectory() as folder:
        plant = whole(Path(folder), found)
        plant.toml = f'zone = "{zone}"\n{INTERVALS}'
        plant.load()
        plant.aggregate()
        fresh = Site(Path(folder) / "fresh", plant.toml)
        for signal, lines in found.items():
            fresh.write(f"m1/{signal}.csv", text(signal, lines))
        fresh.load()
        fresh.aggregate()
        assert_closed(plant)
        assert_same_tables(plant.tables(), fresh.tables())


@SETTINGS
@given(DEVICE)
def test_incremental_months_equal_months_from_scratch(found):
    with TemporaryDirectory() as folder:
        plant = Site(Path(folder) / "plant", INTERVALS)
        for signal, lines in found.items():
            plant.write(f"m1/{signal}_late.csv", text(signal, lines[::2]))
        plant.load()
        plant.aggregate()
        for signal, lines in found.items():
            plant.write(f"m1/{signal}.csv", text(signal, lines[1::2]))
        plant.load()
        plant.aggregate()
        incremental = plant.tables()
        plant.toml = "[battery]\nnameplate_ah = 99.0\n" + INTERVALS  # every month is due, from the same readings
        assert plant.load().load == 0
        plant.aggregate()
        assert_same_tables(incremental, plant.tables())


@SETTINGS
@given(DEVICE, st.integers(1, 60), st.integers(1, 200), st.integers(1, 4), st.integers(0, 4000))
def test_the_size_of_batches_and_the_number_of_workers_change_nothing(found, batch, group, workers, memory):
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        other = whole(Path(folder), found)
        patch.setattr(aggregation, "BATCH_ROWS", batch)
        patch.setattr(aggregation, "GROUP_ROWS", group)
        patch.setattr(loading, "Spool", partial(loading.Spool, memory_bytes=memory))
        plant = Site(Path(folder) / "small", INTERVALS, workers=workers)
        for signal, lines in found.items():
            plant.write(f"m1/{signal}.csv", text(signal, lines))
        plant.load()
        plant.aggregate()
        assert_closed(plant)
        assert_same_tables(plant.tables(), other.tables())
