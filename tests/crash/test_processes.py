"""Several processes at once: four on different devices, two on one; no row is lost, and errors are clear.

Which of two processes is faster differs from run to run; what stands in the tables must not.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from energy_pipeline.resources.commits import Scope
from energy_pipeline.resources.lake import ATTEMPTS, Lake
from energy_pipeline.resources.lake_errors import LakeBusyError
from energy_pipeline.schemas import TABLES
from tests.conftest import assert_same_tables, csv_text
from tests.crash.plants import Plant, copy_of, orphans_of, rows_of, tables_of
from tests.crash.witness import Child

FOUR = ("m1", "m2", "m3", "m4")


def plant_of(folder: Path, devices: tuple[str, ...]) -> Plant:
    """Files of several devices and no lake."""
    plant = Plant(folder)
    _ = plant.settings
    for i, device in enumerate(devices):
        for signal in ("com_ap", "pos_ae"):
            plant.write(f"{device}/{signal}.csv", csv_text(signal, rows_of(signal, 0, 1000 + 50 * i)))
    return plant


def one_after_the_other(plant: Plant, devices: tuple[str, ...]) -> dict[str, pl.DataFrame]:
    """Tables where nobody is in anybody's way."""
    for device in devices:
        plant.load(device)
        plant.aggregate(device)
    return tables_of(plant.lake)


def at_once(children: list[Child], plant: Plant, devices: list[str]) -> list[dict[str, object]]:
    """Load devices in processes that begin together; return what each says at its end."""
    for child in children:
        child.wait_until_ready()
    for child, device in zip(children, devices, strict=True):
        child.start(do="load", folder=str(plant.folder), device=device)
    return [child.finish() for child in children]


def but_for_load_numbers(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Tables without the number of the load that wrote a row: one that was overtaken and began again has a higher."""
    return {name: table.drop("load", strict=False) for name, table in tables.items()}


@contextmanager
def processes(count: int) -> Iterator[list[Child]]:
    """Several processes that can load."""
    children = [Child() for _ in range(count)]
    try:
        yield children
    finally:
        for child in children:
            child.close()


def test_four_processes_load_four_devices_into_a_lake_that_did_not_exist(tmp_path: Path) -> None:
    template = plant_of(tmp_path / "template", FOUR)
    expected = one_after_the_other(copy_of(template.folder, tmp_path / "alone"), FOUR)
    plant = copy_of(template.folder, tmp_path / "together")
    with processes(4) as children:
        said = at_once(children, plant, list(FOUR))
    assert [s["error"] for s in said] == [None] * 4, said
    assert_same_tables(tables_of(plant.lake), expected)


@pytest.mark.parametrize("rounds", [2, pytest.param(25, marks=[pytest.mark.crash, pytest.mark.slow])])
def test_two_processes_on_one_device_lose_no_row_and_one_of_them_may_say_so_clearly(
    tmp_path: Path, rounds: int
) -> None:
    template = plant_of(tmp_path / "template", ("m1",))
    expected = one_after_the_other(copy_of(template.folder, tmp_path / "alone"), ("m1",))
    with processes(2) as children:
        for number in range(rounds):
            plant = copy_of(template.folder, tmp_path / f"together-{number}")
            said = at_once(children, plant, ["m1", "m1"])
            for word in said:
                if word["error"] is not None:
                    assert word["error"] == "LakeBusyError", word
                    assert "run one" in str(word["message"]), word
            assert None in [w["error"] for w in said], said
            plant.load()
            plant.aggregate()
            assert_same_tables(but_for_load_numbers(tables_of(plant.lake)), but_for_load_numbers(expected))
            plant.lake.maintain(retention_hours=0, full=True)
            assert orphans_of(plant.folder / "lake") == []


def test_a_writer_that_is_always_overtaken_gives_up_after_five_attempts_and_says_what_to_do(tmp_path: Path) -> None:
    lake, other = Lake(str(tmp_path)), Lake(str(tmp_path))
    table, scope = TABLES["counter_events"], Scope("m1")
    times = itertools.count(1)

    def overtaken() -> pl.DataFrame:
        # The other writer commits between the opening of the table and the commit that follows this.
        other.replace(table.name, scope, lambda: event(next(times)), {})
        return event(0)

    with pytest.raises(LakeBusyError, match=r"counter_events: device = 'm1' was changed by another process 5 times; "
                                            r"run one writer per device at a time, then run again"):
        lake.replace(table.name, scope, overtaken, {})
    assert next(times) == ATTEMPTS + 1
    assert lake.read(table.name)["old"].to_list() == [float(ATTEMPTS)]


def event(old: int) -> pl.DataFrame:
    """One register event that names its writer in `old`."""
    return TABLES["counter_events"].conform(
        pl.DataFrame({
            "device": ["m1"], "signal": ["pos_ae"], "ts": [0], "ts_end": [None], "kind": ["reset"], "old": [float(old)],
            "new": [0.0], "booked_kwh": [0.0], "provisional": [False], "overruled": [False],
        }).with_columns(pl.from_epoch("ts", time_unit="us").dt.replace_time_zone("UTC"))
    )
