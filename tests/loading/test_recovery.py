"""A load that dies between any two commits, or meets another one, is repaired by the next: tables as if undisturbed."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from signal import SIGKILL

import pytest

from energy_pipeline.loading import commit as commit_module
from energy_pipeline.loading import load as load_module
from energy_pipeline.loading.load import _Load, load_device
from energy_pipeline.resources import lake as lake_module
from tests.conftest import NOW_S, Site, assert_closed, assert_same_tables, csv_text
from tests.crash.plants import copy_of
from tests.crash.witness import ROOT

pytestmark = pytest.mark.filterwarnings("error")

ROWS = {
    "com_ap": [("2024-03-05 00:00:00", 1), ("2024-03-05 00:10:00", 2), ("2024-03-05 00:10:00", 3),
               ("2024-03-05 00:20:00", "x"), ("2024-04-02 00:00:00", 4)],
    "pos_ae": [("2024-03-05 00:00:00", 100), ("2024-03-06 00:00:00", 90), ("2024-04-06 00:00:00", 95)],
}
MORE = {
    "com_ap": [("2024-04-03 00:00:00", 5), ("2024-04-02 00:00:00", 3.5), ("2024-04-03 00:10:00", "")],
    "pos_ae": [("2024-04-06 01:00:00", 1_000_000), ("2024-04-08 00:00:00", 99)],
}


class PowerCutError(BaseException):
    """Not an Exception, as no handler may catch it."""


def fill(plant: Site, stage: str) -> None:
    for signal, rows in (ROWS if stage == "first" else MORE).items():
        if stage == "rewrite":
            plant.write(f"m1/{signal}.csv", csv_text(signal, rows))
        else:
            plant.write(f"m1/{signal}.csv", csv_text(signal, rows, header=stage == "first"), append=True)


def undisturbed(site, stage):
    plant = site()
    fill(plant, "first")
    plant.load()
    plant.aggregate()
    if stage != "first":
        fill(plant, stage)
        plant.load()
        plant.aggregate()
    return plant


def commits(patch, stop_at, after):
    """Count commits of all kinds and die at number `stop_at`, before or right after it took place."""
    seen = []

    def guard(module, name):
        real = getattr(module, name)

        def counted(*args, **kwargs):
            seen.append(name)
            if len(seen) == stop_at and not after:
                raise PowerCutError
            result = real(*args, **kwargs)
            if len(seen) == stop_at and after:
                raise PowerCutError
            return result

        patch.setattr(module, name, counted)

    for module, name in (
        (commit_module, "write_deltalake"), (commit_module, "commit_parts"), (commit_module, "commit_numbers"),
        (lake_module, "commit_frame"),
    ):
        guard(module, name)
    return seen


@pytest.mark.parametrize("stage", ["first", "append", "rewrite"])
def test_a_load_that_dies_at_any_commit_is_repaired_by_the_next(site, stage, monkeypatch):
    expected = undisturbed(site, stage).tables(resolution=False)
    months = ["2024-04"] if stage == "rewrite" else ["2024-03", "2024-04"]
    died = 0
    for stop_at in range(1, 6):
        plant = site()
        fill(plant, "first")
        if stage != "first":
            plant.load()
            fill(plant, stage)
        with monkeypatch.context() as patch:
            commits(patch, stop_at, after=stop_at == 5)
            try:
                plant.load()
            except PowerCutError:
                died += 1
        plant.load()
        assert plant.load().load == 0
        assert_closed(plant)
        assert_same_tables(plant.tables(resolution=False), expected)
        assert plant.due() == months
    assert died == 5


LOAD_TABLES = ("rejected_readings", "readings", "counter_events", "signals", "source_files")


@pytest.mark.slow
def test_ten_processes_killed_at_named_commits_leave_readable_tables_and_are_made_good(site):
    expected = undisturbed(site, "append").tables(resolution=False)
    template = site()
    fill(template, "first")
    template.load()
    fill(template, "append")
    old = template.readings()
    moments = [(table, after) for table in LOAD_TABLES for after in (False, True)]
    plants, killed = [], []
    for table, after in moments:
        plant = copy_of(template.folder, template.folder.parent / f"{table}-{after}")
        process = subprocess.Popen([sys.executable, "-m", "tests.crash.die_at"], cwd=ROOT, stdin=subprocess.PIPE)
        job = {"folder": str(plant.folder), "table": table, "after": after}
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.close()
        plants.append(plant)
        killed.append(process)
        if len(killed) % 2 == 0:
            killed[-2].wait(60)
    assert [process.wait(60) for process in killed] == [-SIGKILL] * 10
    for (table, after), plant in zip(moments, plants, strict=True):
        is_new = (table, after) not in {(LOAD_TABLES[0], False), (LOAD_TABLES[0], True), (LOAD_TABLES[1], False)}
        assert plant.readings().equals(old) != is_new, (table, after)
        plant.load()
        assert plant.load().load == 0
        assert_closed(plant)
        assert_same_tables(plant.tables(resolution=False), expected)


def test_a_repair_parses_nothing_again(site, monkeypatch):
    plant = site()
    fill(plant, "first")
    with monkeypatch.context() as patch:
        seen = commits(patch, 3, after=False)
        with pytest.raises(PowerCutError):
            plant.load()
    assert seen == ["write_deltalake", "commit_parts", "commit_frame"]
    report = plant.load()
    assert report.repaired
    assert report.bytes_parsed == 0
    assert_closed(plant)


def test_a_file_that_changes_between_crash_and_repair_is_read_on(site, monkeypatch):
    plant = site()
    fill(plant, "first")
    with monkeypatch.context() as patch:
        commits(patch, 2, after=True)
        with pytest.raises(PowerCutError):
            plant.load()
    fill(plant, "append")
    plant.load()
    plant.aggregate()
    assert_closed(plant)
    assert_same_tables(plant.tables(), undisturbed(site, "append").tables())


@pytest.mark.parametrize("stage", ["first", "append", "rewrite"])
def test_two_loaders_from_the_same_state_lose_and_double_nothing(site, stage, monkeypatch):
    plant = site()
    fill(plant, "first")
    if stage != "first":
        plant.load()
        plant.aggregate()
        fill(plant, stage)
    real, entered = _Load._commit, []

    def meanwhile(self, spool, due):
        if not entered:
            entered.append(True)
            assert load_device(plant.lake, plant.settings, "m1", plant.files(), NOW_S).load > 0
        return real(self, spool, due)

    with monkeypatch.context() as patch:
        patch.setattr(_Load, "_commit", meanwhile)
        plant.load()
    plant.aggregate()
    assert_closed(plant)
    assert_same_tables(plant.tables(), undisturbed(site, stage).tables())


@pytest.mark.parametrize("slower_saw_more", [False, True])
def test_two_loaders_that_saw_different_files_keep_the_refused_rows_apart(site, monkeypatch, slower_saw_more):
    plant = site()
    fill(plant, "first")
    old_files = plant.files()
    fill(plant, "append")
    new_files = plant.files()
    slower, faster = (new_files, old_files) if slower_saw_more else (old_files, new_files)
    real, entered = _Load._commit, []

    def meanwhile(self, spool, due):
        if not entered:
            entered.append(True)
            load_device(plant.lake, plant.settings, "m1", faster, NOW_S)
        return real(self, spool, due)

    with monkeypatch.context() as patch:
        patch.setattr(_Load, "_commit", meanwhile)
        load_device(plant.lake, plant.settings, "m1", slower, NOW_S)
    plant.load()
    plant.aggregate()
    assert_closed(plant)
    assert_same_tables(plant.tables(), undisturbed(site, "append").tables())


def test_two_threads_load_one_device_at_the_same_time(site):
    plant = site()
    fill(plant, "first")
    plant.lake.open("readings")
    chosen, files = plant.settings, plant.files()
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(load_device, plant.lake, chosen, "m1", files, NOW_S) for _ in range(2)]
    assert sorted(run.result().load for run in runs) == [0, 1]
    plant.load()
    plant.aggregate()
    assert_closed(plant)
    assert_same_tables(plant.tables(), undisturbed(site, "first").tables())


def test_a_device_that_is_always_loaded_by_another_gives_a_clear_error(site, monkeypatch):
    plant = site()
    fill(plant, "first")

    def always(*_):
        raise load_module.CommitFailedError("somebody else was faster")

    monkeypatch.setattr(_Load, "_commit", always)
    with pytest.raises(lake_module.LakeBusyError, match="one loader per device"):
        plant.load()


@pytest.mark.parametrize("stage", ["first", "append", "rewrite"])
def test_a_load_that_begins_while_another_writes_its_ledger_reads_nothing_twice(site, stage, monkeypatch):
    expected = undisturbed(site, stage).tables(resolution=False)
    plant = site()
    fill(plant, "first")
    if stage != "first":
        plant.load()
        fill(plant, stage)
    real, others = load_module.repair_ledger, []

    def overtaken(lake, settings, device):
        done = real(lake, settings, device)
        if not others:  # the other one commits its readings now and has not come to its ledger yet
            others.append(device)
            with monkeypatch.context() as patch, pytest.raises(PowerCutError):
                commits(patch, 3, after=False)
                plant.load()
        return done

    monkeypatch.setattr(load_module, "repair_ledger", overtaken)
    plant.load()
    assert others
    assert_closed(plant)
    assert_same_tables(plant.tables(resolution=False), expected)
