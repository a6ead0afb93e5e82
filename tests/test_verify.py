"""`energy-pipeline verify` is green on a lake that holds its files, and names the damage where one is planted."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable, write_deltalake

from energy_pipeline.cli import main
from energy_pipeline.compute.comparison import compare_readings, rows_apart
from energy_pipeline.verify import DeviceReport, verify_lake
from tests.conftest import NOW_S, Site, csv_text

POWER = [("2024-03-05 00:00:00", 1), ("2024-03-05 00:10:00", 2), ("2024-03-05 00:10:00", 3),
         ("2024-03-05 00:20:00", "x"), ("2024-04-02 00:00:00", 4), ("2024-04-02 00:10:00", 5)]
REGISTER = [("2024-03-05 00:00:00", 100), ("2024-03-06 00:00:00", 110), ("2024-04-06 00:00:00", 120)]
MORE = [("2024-04-03 00:00:00", 5), ("2024-04-02 00:00:00", 3.5), ("2024-04-03 00:10:00", "")]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plant with refused rows, conflicts, a displaced reading and an append, fully loaded."""
    made = Site(tmp_path_factory.mktemp("verify"))
    made.write("m1/com_ap.csv", csv_text("com_ap", POWER))
    made.write("m1/pos_ae.csv", csv_text("pos_ae", REGISTER))
    bring_up(made)
    made.write("m1/com_ap.csv", csv_text("com_ap", MORE, header=False), append=True)
    bring_up(made)
    return made.folder


@pytest.fixture
def plant(template: Path, tmp_path: Path) -> Site:
    """A plant of its own for each test."""
    return Site(Path(shutil.copytree(template, tmp_path / "plant")), _clock=1_000_000)


def bring_up(plant: Site) -> None:
    plant.load()
    plant.aggregate()


def verify(plant: Site) -> DeviceReport:
    report = verify_lake(plant.lake, plant.settings, now_s=NOW_S)
    assert report.ok == (not any(d.differences for d in report.devices))
    return report.devices[0]


def change(plant: Site, table: str, rows: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Write a table of m1 changed, as no part of the product would."""
    handle = DeltaTable(plant.lake.path(table))
    frame = rows(plant.lake.read(table, "m1"))
    write_deltalake(handle, frame.to_arrow(), mode="overwrite", predicate="device = 'm1'")


def test_a_lake_that_holds_its_files_is_green_and_says_what_was_compared(plant: Site) -> None:
    found = verify(plant)
    assert [str(d) for d in found.differences] == []
    assert (found.files, found.readings, found.months, found.notes) == (2, 8, 2, [])


def test_a_reading_that_was_taken_out_is_named_with_device_month_signal_and_file(plant: Site) -> None:
    gone = (pl.col("signal") == "com_ap") & (pl.col("value") == 2)
    change(plant, "readings", lambda rows: rows.filter(~gone))
    texts = [str(d) for d in verify(plant).differences]
    assert any(t.startswith("m1 2024-03 com_ap: 1 readings of the files are missing in the lake, the first at "
                            "2024-03-04 23:10:00 UTC (raw/m1/com_ap.csv)") for t in texts), texts
    assert any("accounting does not close" in t for t in texts)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda rows: rows.with_columns(pl.col("value") + 1e-9), "have another value than in the files"),
        (lambda rows: pl.concat([rows, rows.head(1)]), "stand more than once"),
        (lambda rows: pl.concat([rows, rows.head(1).with_columns(pl.col("ts").dt.offset_by("1s"))]), "in no file"),
        (lambda rows: rows.with_columns(pl.col("ts").dt.offset_by("1us")), "missing in the lake"),
    ],
)
def test_every_kind_of_changed_reading_is_found(
    plant: Site, damage: Callable[[pl.DataFrame], pl.DataFrame], words: str
) -> None:
    change(plant, "readings", damage)
    assert any(words in str(d) for d in verify(plant).differences)


def test_a_refused_row_that_was_taken_out_is_found(plant: Site) -> None:
    change(plant, "rejected_readings", lambda rows: rows.filter(pl.col("reason") != "missing_value"))
    assert any("1 rows of those refused rows differ" in str(d) for d in verify(plant).differences)


def test_a_forged_count_in_the_ledger_names_its_file(plant: Site) -> None:
    change(plant, "source_files", lambda rows: rows.with_columns(rows_read=pl.col("rows_read") + 1))
    texts = [str(d) for d in verify(plant).differences]
    assert any("the ledger has (10, 2), the file gives (9, 2) (raw/m1/com_ap.csv)" in t for t in texts), texts


@pytest.mark.parametrize("level", ["5min", "15min", "1h", "1d"])
def test_a_changed_bucket_is_found_at_every_level(plant: Site, level: str) -> None:
    first = (pl.col("signal") == "com_ap") & (pl.col("integral") != 0)
    change(plant, f"resolution_{level}",
           lambda rows: rows.with_columns(pl.when(first).then(pl.col("integral") * 1.001).otherwise("integral")))
    texts = [str(d) for d in verify(plant).differences]
    assert any(f"rows of resolution_{level} are not what the files give" in t for t in texts), texts
    if level in {"5min", "1d"}:
        assert any("days do not say the same as five minutes" in t for t in texts)


def test_energy_that_was_added_to_all_levels_alike_is_no_longer_the_difference_of_the_register(plant: Site) -> None:
    for level in ("5min", "15min", "1h", "1d"):
        change(plant, f"resolution_{level}", lambda rows: rows.with_columns(pl.col("increase") * 2))
    texts = [str(d) for d in verify(plant).differences]
    assert any("is not the difference of the register" in t for t in texts)


def test_a_byte_that_changed_behind_the_ledgers_back_is_found(plant: Site) -> None:
    file = plant.root / "m1" / "pos_ae.csv"
    before = file.stat()
    file.write_bytes(file.read_bytes().replace(b"110", b"111"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert plant.load().load == 0
    texts = [str(d) for d in verify(plant).differences]
    assert any("m1 2024-03 pos_ae: 1 readings have another value than in the files" in t for t in texts), texts


def test_files_that_wait_to_be_loaded_are_named_and_nothing_else(plant: Site) -> None:
    plant.write("m1/com_ap.csv", "2024-04-04 00:00:00,1\n", append=True)
    found = verify(plant)
    assert [str(d) for d in found.differences] == [
        "m1: files were never read as they are now; `energy-pipeline run`, then verify again (raw/m1/com_ap.csv)"
    ]
    assert found.readings == 0
    plant.load()
    texts = [str(d) for d in verify(plant).differences]
    assert texts == ["m1 2024-04: 1 months are behind the readings; `energy-pipeline run`, then verify again"]


def test_a_file_that_has_gone_is_a_note_and_its_readings_are_kept(plant: Site) -> None:
    (plant.root / "m1" / "com_ap.csv").unlink()
    assert [d.files for d in verify(plant).differences] == [("raw/m1/com_ap.csv",)]
    bring_up(plant)
    found = verify(plant)
    assert [str(d) for d in found.differences] == []
    assert len(found.notes) == 1
    assert "1 files have gone; what they held cannot be compared: com_ap" in found.notes[0]


def test_rows_that_only_the_clock_kept_out_are_a_note_once_their_time_has_come(site: Callable[..., Site]) -> None:
    plant = site({"m1/com_ap.csv": csv_text("com_ap", [("2025-01-01 00:00:00", 1), ("2025-02-01 00:00:00", 2)])})
    plant.load()
    plant.aggregate()
    later = verify_lake(plant.lake, plant.settings, now_s=NOW_S + 60 * 86_400)
    assert later.ok
    assert "1 rows lay in the future" in later.devices[0].notes[0]


def test_the_command_ends_with_1_where_something_differs_and_with_0_where_nothing_does(plant: Site) -> None:
    plant.write("m2/com_ap.csv", csv_text("com_ap", POWER))
    plant.load("m2")
    plant.aggregate("m2")
    settings = str(plant.folder / "energy.toml")
    green = CliRunner().invoke(main, ["verify", "--settings", settings])
    assert green.exit_code == 0, green.output
    assert "the lake holds exactly what the files say" in green.output
    change(plant, "readings", lambda rows: rows.filter(pl.col("value") != 110))
    red = CliRunner().invoke(main, ["verify", "--settings", settings, "--device", "m1"])
    assert red.exit_code == 1
    assert "m1 2024-03 pos_ae: 1 readings of the files are missing" in red.output
    assert "m2" not in red.output
    assert "what to do: `touch`" in red.output
    unknown = CliRunner().invoke(main, ["verify", "--settings", settings, "--device", "m9"])
    assert unknown.exit_code == 1
    assert "no device is called 'm9'; there are: m1, m2" in unknown.output


def test_verifying_writes_nothing_to_the_lake(plant: Site) -> None:
    before = {f: f.stat().st_mtime_ns for f in sorted(Path(plant.folder / "lake").rglob("*")) if f.is_file()}
    verify(plant)
    assert before == {f: f.stat().st_mtime_ns for f in sorted(Path(plant.folder / "lake").rglob("*")) if f.is_file()}


def test_tables_that_are_equal_in_another_order_are_equal() -> None:
    rows = pl.DataFrame({"signal": ["a", "b", "b"], "ts": [1, 1, 2], "value": [1.0, 2.0, None]})
    assert compare_readings(rows, rows.reverse()) == []
    assert rows_apart(rows, rows.reverse()) == []
    assert rows_apart(rows, pl.concat([rows, rows.head(1)])) == [("a", 1)]
