"""A file whose reading raises what nobody foresaw is tried three times, then set aside; its device goes on."""

from collections.abc import Callable

import polars as pl
import pytest

from energy_pipeline.loading import files as reading
from energy_pipeline.loading.attempts import FilesFailedError
from energy_pipeline.loading.load import load_device, load_is_due
from tests.conftest import Site, assert_closed, csv_text

ROWS = [("2024-03-01 12:00:00", 1.0), ("2024-03-01 12:15:00", 2.0)]


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Parts of names of the files whose reading raises."""
    names: list[str] = []
    honest = reading.read_file

    def read(work: reading.FileWork, layout: object, context: object) -> reading.FileResult:
        if any(n in work.file.path for n in names):
            msg = "an index that nobody foresaw"
            raise IndexError(msg)
        return honest(work, layout, context)

    monkeypatch.setattr(reading, "read_file", read)
    return names


def two_files(site: Callable[..., Site]) -> Site:
    return site({"m1/com_ap.csv": csv_text("com_ap", ROWS), "m1/com_rp.csv": csv_text("com_rp", ROWS)})


def test_the_third_attempt_sets_the_file_aside_and_loads_the_rest(
    site: Callable[..., Site], poisoned: list[str]
) -> None:
    plant = two_files(site)
    poisoned.append("com_rp")
    for attempt in (1, 2):
        with pytest.raises(FilesFailedError, match=rf"com_rp.csv: IndexError: .*attempt {attempt} of 3"):
            plant.load()
        assert plant.readings().is_empty()  # a load is whole or nothing
    plant.load()
    assert plant.readings("com_ap")["value"].to_list() == [1.0, 2.0]
    entry = plant.lake.read("source_files", "m1").row(by_predicate=pl.col("path") == "raw/m1/com_rp.csv", named=True)
    assert entry["status"] == "unreadable"
    assert entry["reason"].startswith("set aside: reading it failed 3 times with IndexError")
    assert not load_is_due(plant.lake, plant.settings, "m1", plant.files(), plant.now_s)
    assert_closed(plant)


def test_a_file_set_aside_is_tried_again_once_it_has_changed(site: Callable[..., Site], poisoned: list[str]) -> None:
    plant = two_files(site)
    poisoned.append("com_rp")
    for _ in range(2):
        with pytest.raises(FilesFailedError):
            plant.load()
    plant.load()
    poisoned.clear()
    plant.write("m1/com_rp.csv", csv_text("com_rp", [*ROWS, ("2024-03-01 12:30:00", 3.0)]))
    plant.load()
    assert plant.readings("com_rp")["value"].to_list() == [1.0, 2.0, 3.0]


def test_two_poisoned_files_are_counted_together(site: Callable[..., Site], poisoned: list[str]) -> None:
    plant = two_files(site)
    poisoned.extend(["com_rp", "com_ap"])
    for _ in range(2):
        with pytest.raises(FilesFailedError, match=r"com_ap\.csv.*com_rp\.csv|com_rp\.csv.*com_ap\.csv"):
            plant.load()
    plant.load()
    assert plant.lake.read("source_files", "m1")["status"].to_list() == ["unreadable", "unreadable"]


def test_what_was_read_of_a_grown_file_before_stays(site: Callable[..., Site], poisoned: list[str]) -> None:
    plant = two_files(site)
    plant.load()
    poisoned.append("com_rp")
    plant.write("m1/com_rp.csv", "2024-03-01 12:30:00,3\n", append=True)
    for _ in range(2):
        with pytest.raises(FilesFailedError):
            plant.load()
    plant.load()
    assert plant.readings("com_rp")["value"].to_list() == [1.0, 2.0]
    assert_closed(plant)


class Killed(BaseException):
    """Stands for a process that is gone: nothing of the project catches it."""


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Parts of names of the files whose reading ends the process."""
    names: list[str] = []
    honest = reading.read_file

    def read(work: reading.FileWork, layout: object, context: object) -> reading.FileResult:
        if any(n in work.file.path for n in names):
            raise Killed(work.file.path)
        return honest(work, layout, context)

    monkeypatch.setattr(reading, "read_file", read)
    return names


def again(plant: Site) -> None:
    load_device(plant.lake, plant.settings, "m1", plant.files(), plant.now_s, careful=True)


def test_a_file_in_which_three_processes_ended_is_set_aside_and_the_rest_is_loaded(
    site: Callable[..., Site], deadly: list[str]
) -> None:
    plant = two_files(site)
    deadly.append("com_ap")
    with pytest.raises(Killed):
        plant.load()
    for _ in range(2):
        with pytest.raises(Killed):
            again(plant)
    again(plant)
    assert plant.readings("com_rp")["value"].to_list() == [1.0, 2.0]
    entry = plant.lake.read("source_files", "m1").row(by_predicate=pl.col("path") == "raw/m1/com_ap.csv", named=True)
    assert entry["status"] == "unreadable"
    assert entry["reason"].startswith("set aside: 3 times the process ended while it was read")
    assert not load_is_due(plant.lake, plant.settings, "m1", plant.files(), plant.now_s)
    deadly.clear()
    plant.write("m1/com_ap.csv", csv_text("com_ap", [*ROWS, ("2024-03-01 12:30:00", 3.0)]))
    plant.load()
    assert plant.readings("com_ap")["value"].to_list() == [1.0, 2.0, 3.0]
    assert_closed(plant)


def test_kills_in_different_files_or_after_all_were_read_set_none_aside(
    site: Callable[..., Site], deadly: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = two_files(site)
    for name in ("com_ap", "com_rp"):
        deadly[:] = [name]
        with pytest.raises(Killed):
            again(plant)
    deadly.clear()
    for _ in range(3):
        with monkeypatch.context() as patched:
            patched.setattr("energy_pipeline.loading.load._Load._commit", _end)
            with pytest.raises(Killed):
                again(plant)
    again(plant)
    assert plant.lake.read("source_files", "m1")["status"].to_list() == ["read", "read"]
    assert_closed(plant)


def _end(*_: object) -> None:
    raise Killed
