"""`energy-pipeline run` on small plants: once, again, after a day has been appended, and with things that are wrong."""

import os
import shutil
import time
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from energy_pipeline.cli import main
from energy_pipeline.twin import make_plant, plan_preset
from energy_pipeline.work import due_work
from tests.pipeline.conftest import Pipeline

SYSTEM = "ZHPESS232A230002"


def age(folder: Path, seconds: float = 60) -> None:
    moment = time.time() - seconds
    for file in folder.rglob("*.csv"):
        os.utime(file, (moment, moment))


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plant")
    make_plant(folder, plan_preset("tiny", meters=2, days=24))
    age(folder)
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, plant: Path, pipeline_of: Callable[[Path], Pipeline]) -> Pipeline:
    """The finished lake of the plant; the files of m1 end on the 19th of January, in the middle of a month."""
    folder = tmp_path_factory.mktemp("done")
    shutil.copytree(plant, folder, dirs_exist_ok=True)
    for file in (folder / "meter" / "m1").glob("*.csv"):
        file.write_bytes(b"".join(before_the_20th(file)))
    age(folder)
    pipeline = pipeline_of(folder / "energy.toml")
    assert pipeline.run().ok
    return pipeline


def before_the_20th(file: Path) -> list[bytes]:
    return list(takewhile(lambda line: not line.startswith(b"2024-01-20"), file.read_bytes().splitlines(keepends=True)))


def day_of_the_20th(file: Path) -> bytes:
    lines = file.read_bytes().splitlines(keepends=True)
    return b"".join(line for line in lines if line.startswith(b"2024-01-20"))


def test_every_table_of_a_battery_and_its_meters_is_filled(done: Pipeline) -> None:
    for table in ("source_files", "signals", "readings", "resolution_5min", "resolution_1d"):
        assert set(done.read(table)["device"].unique()) == {SYSTEM, "m1", "m2"}, table
    for table in ("charge_cycles", "sat_voltage", "cell_ends", "sat_daily", "degradation_fits", "cell_health",
                  "battery_days", "soc_turning_points", "cell_months"):
        assert done.read(table, SYSTEM).height > 0, table
    assert set(done.read("meter_daily")["device"].unique()) >= {"m1", "m2"}
    assert done.read("fleet_summary")["device"].to_list() == [SYSTEM, "m1", "m2"]


def test_a_second_run_finds_nothing_to_do(done: Pipeline) -> None:
    again = done.run()
    assert (again.runs, again.counts["bytes_parsed"]) == (0, 0)
    assert done.started == []


def test_a_day_appended_to_one_meter_reads_its_bytes_and_one_month_and_leaves_the_rest(
    tmp_path: Path, plant: Path, done: Pipeline, pipeline_of: Callable[[Path], Pipeline]
) -> None:
    pipeline = done.copied(tmp_path, pipeline_of)
    before = pipeline.read("readings", "m2")
    appended = 0
    for file in (tmp_path / "meter" / "m1").glob("*.csv"):
        tail = day_of_the_20th(plant / "meter" / "m1" / file.name)
        assert tail
        appended += len(tail)
        with file.open("ab") as handle:
            handle.write(tail)
        os.utime(file, (time.time() - 30,) * 2)
    summary = pipeline.run()
    assert summary.ok
    assert summary.counts["bytes_parsed"] >= appended
    own = [w for w in pipeline.started if w.device == "m1"]
    assert [(w.kind, w.months) for w in own] == [("ingest", ()), ("months", ("2024-01",))]
    assert {w.device for w in pipeline.started} == {"m1", ""}
    assert pipeline.read("readings", "m2").sort("signal", "ts").equals(before.sort("signal", "ts"))


def test_a_missing_root_and_doubled_device_names_are_named_and_the_others_are_read(
    tmp_path: Path, plant: Path, pipeline_of: Callable[[Path], Pipeline]
) -> None:
    for place in ("a/m1", "b/m1", "a/m2"):
        shutil.copytree(plant / "meter" / place[-2:], tmp_path / place)
    (tmp_path / "energy.toml").write_text('roots = ["a", "b", "nowhere"]\nlake = "lake"\n', encoding="utf-8")
    age(tmp_path)
    pipeline = pipeline_of(tmp_path / "energy.toml")
    summary = pipeline.run()
    assert not summary.ok
    text = "\n".join(summary.problems)
    assert "nowhere" in text
    assert "does not exist" in text
    assert "'m1'" in text
    assert str(tmp_path / "a" / "m1") in text
    assert str(tmp_path / "b" / "m1") in text
    assert pipeline.lake.devices() == ["m2"]


def test_bad_files_are_reported_and_the_good_rows_beside_them_are_kept(
    tmp_path: Path, pipeline_of: Callable[[Path], Pipeline]
) -> None:
    folder = tmp_path / "raw" / "m1"
    folder.mkdir(parents=True)
    (folder / "empty.csv").write_bytes(b"")
    (folder / "header_only.csv").write_text("ts,pos_ae\n")
    (folder / "no_time.csv").write_text("when,neg_ae\n2024-01-01 00:00:00,1\n")
    (folder / "com_ap.csv").write_bytes(
        b"\xef\xbb\xbfts,com_ap\n2024-01-01 00:00:00,1.5\n2024-01-01 00:05:00,many\n2024-01-01 00:10:00,2,3\n"
        b"yesterday,1\n2024-01-01 00:15:00,\xff\xfe\n2024-01-01 00:20:00,2.5\n"
    )
    (folder / "wattage.csv").write_text("ts,wattage\n2024-01-01 00:00:00,7\n")
    (tmp_path / "energy.toml").write_text('roots = ["raw"]\nlake = "lake"\n', encoding="utf-8")
    age(tmp_path)
    pipeline = pipeline_of(tmp_path / "energy.toml")
    summary = pipeline.run()
    notes = "\n".join(summary.notes)
    assert "no_time.csv: no time column: found 'when', 'neg_ae'" in notes
    assert "empty.csv: the file is empty" in notes
    assert "header_only.csv: header only" in notes
    assert "`wattage`: taken in as a gauge" in notes
    readings = pipeline.read("readings", "m1")
    assert readings.filter(pl.col("signal") == "com_ap")["value"].sort().to_list() == [1.5, 2.5]
    assert readings.filter(pl.col("signal") == "wattage")["value"].to_list() == [7.0]
    refused = pipeline.read("rejected_readings", "m1").sort("line")
    assert refused.select("path", "line", "reason").rows() == [
        ("raw/m1/com_ap.csv", 3, "unparsable_value"),
        ("raw/m1/com_ap.csv", 4, "wrong_field_count"),
        ("raw/m1/com_ap.csv", 5, "unparsable_time"),
        ("raw/m1/com_ap.csv", 6, "bad_encoding"),
    ]
    checks = pipeline.read("check_results", "m1").filter(pl.col("check") == "every_file_could_be_read")
    assert checks["failed_rows"].to_list() == [1]


def test_the_command_ends_with_a_summary_and_then_with_nothing_to_do(plant: Path, tmp_path: Path) -> None:
    shutil.copytree(plant / "meter" / "m1", tmp_path / "meter" / "m1")
    (tmp_path / "energy.toml").write_text('roots = ["meter"]\nlake = "lake"\n', encoding="utf-8")
    age(tmp_path)
    environment = {"DAGSTER_HOME": str(tmp_path / "home"), "ENERGY_SETTINGS": str(tmp_path / "energy.toml")}
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    runner = CliRunner(env=environment)
    first = runner.invoke(main, ["run"])
    assert first.exit_code == 0, first.output
    for word in ("devices", "rows read", "accepted", "rejected", "duplicates", "conflicts", "months computed",
                 "seconds"):
        assert word in first.output
    second = runner.invoke(main, ["run"])
    assert second.exit_code == 0
    assert "nothing is due: all 1 devices are up to date" in second.output
    status = runner.invoke(main, ["status"])
    assert "up to date" in status.output
    assert "no check fails" in status.output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('zone = "Europe/Berlín"', ["zone", "Europe/Berlín", "IANA"]),
        ("max_hold_s = -1", ["max_hold_s", "-1", "greater than 0"]),
        ("colour = 1", ["colour", "no such key", "allowed: battery", "zone"]),
        ("[[source]]\nname = 's'\nglob = '*'\nseperator = ';'", ["source.0.seperator", "did you mean separator?"]),
        ("[[source]]\nname = 's'\nglob = '*'\ncolumns = [{ colum = 'a', signal = 'b' }]",
         ["source.0.columns.0.colum", "did you mean column?"]),
        ("[battery]\nnameplate = 3", ["battery.nameplate", "did you mean nameplate_ah?"]),
        ("roots = [", ["not valid TOML"]),
    ],
)
def test_a_wrong_setting_names_the_key_what_was_found_and_what_is_allowed(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    (tmp_path / "energy.toml").write_text(text + "\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["status", "--settings", str(tmp_path / "energy.toml")])
    assert result.exit_code == 1
    for word in words:
        assert word in result.output


def test_what_is_due_is_a_function_of_the_tables_alone(done: Pipeline) -> None:
    settings = done.site.settings()
    from energy_pipeline.resources.raw_files import discover

    assert due_work(done.lake, settings, discover(settings).devices, time.time()) == []
    changed = settings.model_copy(
        update={"meter": settings.meter.model_copy(update={"power_factor_limit": 0.95})}
    )
    due = due_work(done.lake, changed, discover(changed).devices, time.time())
    assert {(w.kind, w.device) for w in due} == {("months", SYSTEM), ("months", "m1"), ("months", "m2")}
