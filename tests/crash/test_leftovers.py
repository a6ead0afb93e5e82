"""What a killed or overtaken writer leaves behind, planted by hand: maintenance removes it, the next writer goes on."""

from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from energy_pipeline.resources import lake as lake_module
from energy_pipeline.resources.commits import Scope
from energy_pipeline.resources.lake import Lake
from tests.crash.plants import orphans_of
from tests.crash.test_processes import event


def written(folder: Path) -> Lake:
    """A lake with one small table."""
    lake = Lake(str(folder))
    lake.replace("counter_events", Scope("m1"), lambda: event(1), {"events:m1": 1})
    return lake


def test_the_full_sweep_removes_parquet_files_that_no_version_names(tmp_path: Path) -> None:
    lake = written(tmp_path)
    event(2).write_parquet(tmp_path / "counter_events" / "device=m1" / "part-left-behind.parquet")
    assert orphans_of(tmp_path) == ["counter_events/device=m1/part-left-behind.parquet"]
    lake.maintain(retention_hours=0, full=True)
    assert orphans_of(tmp_path) == []
    assert lake.read("counter_events")["old"].to_list() == [1.0]


def test_the_full_sweep_removes_commits_that_were_never_finished(tmp_path: Path) -> None:
    lake = written(tmp_path)
    log = tmp_path / "counter_events" / "_delta_log"
    (log / "00000000000000000002.json#1").write_text('{"commitInfo":{}}', encoding="utf-8")
    assert orphans_of(tmp_path) == ["counter_events/_delta_log/00000000000000000002.json#1"]
    lake.maintain(retention_hours=0, full=True)
    assert orphans_of(tmp_path) == []
    assert lake.read("counter_events")["old"].to_list() == [1.0]


def test_of_two_processes_that_create_a_table_at_one_moment_both_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = DeltaTable.create

    def overtaken(*args: object, **options: object) -> DeltaTable:
        real(*args, **options)  # the other process; ours then finds its commit taken
        msg = "Failed to commit transaction: Protocol changed since last commit: protocol changed"
        raise CommitFailedError(msg)

    monkeypatch.setattr(lake_module.DeltaTable, "create", overtaken)
    lake = written(tmp_path)
    assert lake.read("counter_events").select(pl.col("old")).item() == 1.0
