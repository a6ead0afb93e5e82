"""The lake keeps its promises: a replacement touches its scope only, numbers travel with rows, columns may be added."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from pandera.errors import SchemaError

from energy_pipeline.resources import lake as lake_module
from energy_pipeline.resources.commits import Scope, commit_frame, commit_parts
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.parquet_parts import Part
from energy_pipeline.schemas import TABLES
from energy_pipeline.schemas.base import Table


def peaks(month: str, power_kw: float, rows: int = 1) -> pl.DataFrame:
    frame = pl.DataFrame(
        {
            "device": ["m1"] * rows, "month": [month] * rows, "rank": list(range(1, rows + 1)),
            "ts": [datetime(2024, 1, 1, tzinfo=UTC)] * rows, "power_kw": [power_kw] * rows, "coverage": [1.0] * rows,
            "source": ["power"] * rows, "quantum_kw": [None] * rows,
        }
    )
    return TABLES["meter_peaks"].conform(frame)


def replace(lake: Lake, month: str, frame: pl.DataFrame, number: int) -> int:
    return lake.replace("meter_peaks", Scope("m1", (month,)), lambda: frame, {f"m1|{month}": number})


def test_a_replacement_touches_its_month_only_and_records_its_number(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    replace(lake, "2024-01", peaks("2024-01", 1.0), 1)
    replace(lake, "2024-02", peaks("2024-02", 2.0, rows=2), 1)
    replace(lake, "2024-01", peaks("2024-01", 9.0), 2)
    assert lake.read("meter_peaks").sort("month", "rank")["power_kw"].to_list() == [9.0, 2.0, 2.0]
    assert lake.numbers("meter_peaks", ["m1|2024-01", "m1|2024-02"]) == {"m1|2024-01": 2, "m1|2024-02": 1}


def test_a_reader_follows_what_others_commit_and_asks_the_log_only_when_something_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = Lake(str(tmp_path)), Lake(str(tmp_path))
    asked: list[int] = []
    honest = DeltaTable.update_incremental
    monkeypatch.setattr(DeltaTable, "update_incremental", lambda table: (asked.append(table.version()), honest(table)))
    for number in (1, 2, 3):
        replace(writer, "2024-01", peaks("2024-01", float(number)), number)
        assert [reader.read("meter_peaks")["power_kw"].item() for _ in range(5)] == [float(number)] * 5
    assert len(asked) == 2  # the first look opens the table


def test_a_reader_sees_a_table_that_was_removed_and_made_anew(tmp_path: Path) -> None:
    reader, writer = Lake(str(tmp_path)), Lake(str(tmp_path))
    for number in (1, 2, 3):
        replace(writer, "2024-01", peaks("2024-01", float(number)), number)
    assert reader.read("meter_peaks")["power_kw"].to_list() == [3.0]
    shutil.move(reader.path("meter_peaks"), tmp_path / "old")
    assert reader.read("meter_peaks").height == 0
    replace(Lake(str(tmp_path)), "2024-02", peaks("2024-02", 7.0), 1)
    assert reader.read("meter_peaks")["power_kw"].to_list() == [7.0]


def test_a_reader_that_slept_while_the_log_was_shortened_finds_the_present(tmp_path: Path) -> None:
    reader, writer = Lake(str(tmp_path)), Lake(str(tmp_path))
    replace(writer, "2024-01", peaks("2024-01", 1.0), 1)
    assert reader.read("meter_peaks")["power_kw"].to_list() == [1.0]
    for number in (2, 3):
        replace(writer, "2024-01", peaks("2024-01", float(number)), number)
    table = writer.open("meter_peaks")
    table.create_checkpoint()
    log = Path(reader.path("meter_peaks")) / "_delta_log"
    for version in range(table.version()):
        (log / f"{version:020}.json").unlink()
    assert reader.read("meter_peaks")["power_kw"].to_list() == [3.0]


def test_an_empty_result_empties_its_month_and_still_records_its_number(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    replace(lake, "2024-01", peaks("2024-01", 1.0), 1)
    replace(lake, "2024-02", peaks("2024-02", 2.0), 1)
    replace(lake, "2024-01", TABLES["meter_peaks"].empty(), 2)
    replace(lake, "2024-03", TABLES["meter_peaks"].empty(), 1)
    assert lake.read("meter_peaks")["month"].to_list() == ["2024-02"]
    assert lake.numbers("meter_peaks", ["m1|2024-01", "m1|2024-03"]) == {"m1|2024-01": 2, "m1|2024-03": 1}


def test_a_commit_older_than_what_is_stored_is_dropped(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    replace(lake, "2024-01", peaks("2024-01", 5.0), 5)
    assert replace(lake, "2024-01", peaks("2024-01", 4.0), 4) == -1
    assert lake.read("meter_peaks")["power_kw"].to_list() == [5.0]


def test_of_two_writers_with_one_starting_point_the_second_is_refused(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    replace(lake, "2024-01", peaks("2024-01", 1.0), 1)
    first, second = lake.open("meter_peaks"), lake.open("meter_peaks")
    scope = Scope("m1", ("2024-01",))
    commit_frame(first, TABLES["meter_peaks"], peaks("2024-01", 2.0), scope, {"a": 1})
    with pytest.raises(CommitFailedError):
        commit_frame(second, TABLES["meter_peaks"], peaks("2024-01", 3.0), scope, {"b": 1})
    assert lake.read("meter_peaks")["power_kw"].to_list() == [2.0]


def test_the_same_guard_holds_for_long_tables(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))

    def part(value: float) -> Part:
        ts = pa.array([datetime(2024, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC"))
        return Part("2024-01", pa.table({"signal": ["x"], "ts": ts, "value": [value]}))

    first, second = lake.open("readings"), lake.open("readings")
    commit_parts(first, TABLES["readings"], "m1", iter([part(1.0)]), None, {"load:m1": 1})
    with pytest.raises(CommitFailedError):
        commit_parts(second, TABLES["readings"], "m1", iter([part(2.0)]), None, {"load:m1": 1})
    third = lake.open("readings")
    commit_parts(third, TABLES["readings"], "m1", iter([part(3.0)]), ["2024-01"], {"load:m1": 2})
    assert lake.read("readings")["value"].to_list() == [3.0]


def test_rows_that_break_the_schema_are_refused_and_leave_no_file(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    handle = lake.open("readings")
    broken = pa.table(
        {"signal": ["x"], "ts": pa.array([datetime(2024, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC")),
         "value": pa.array([None], pa.float64())}
    )
    with pytest.raises(SchemaError):
        commit_parts(handle, TABLES["readings"], "m1", iter([Part("2024-01", broken)]), None, {"load:m1": 1})
    assert lake.read("readings").is_empty()
    assert list(tmp_path.rglob("*.parquet")) == []


def test_a_column_that_a_table_gains_is_added_to_an_existing_lake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = TABLES["meter_peaks"]
    narrow = Table(table.name, table.grain, table.description, table.columns[:-1], table.key, table.partition_by)
    old = peaks("2024-01", 1.0).drop("quantum_kw")
    monkeypatch.setitem(lake_module.TABLES, "meter_peaks", narrow)
    Lake(str(tmp_path)).replace("meter_peaks", Scope("m1", ("2024-01",)), lambda: old, {"m1|2024-01": 1})
    monkeypatch.setitem(lake_module.TABLES, "meter_peaks", table)
    lake = Lake(str(tmp_path))
    replace(lake, "2024-02", peaks("2024-02", 2.0).with_columns(quantum_kw=pl.lit(0.5)), 1)
    assert lake.read("meter_peaks").sort("month").select("power_kw", "quantum_kw").rows() == [(1.0, None), (2.0, 0.5)]


def test_maintenance_keeps_every_row(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for month in ("2024-01", "2024-02", "2024-03"):
        replace(lake, month, peaks(month, 1.0, rows=10), 1)
        replace(lake, month, peaks(month, 2.0, rows=9), 2)
    before = lake.read("meter_peaks").sort("month", "rank")
    done = lake.maintain(retention_hours=0, full=True)
    assert done["meter_peaks"]["removed"] > 0
    assert Lake(str(tmp_path)).read("meter_peaks").sort("month", "rank").equals(before)
    assert Lake(str(tmp_path)).number("meter_peaks", "m1|2024-02") == 2
