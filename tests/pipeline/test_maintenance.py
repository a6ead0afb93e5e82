"""Nightly maintenance: small files become one, a load at the same moment ends nothing, what fails is tried again."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from dagster import DagsterInstance
from deltalake import DeltaTable, write_deltalake
from deltalake.table import TableOptimizer

from energy_pipeline.resources.commits import Scope
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.schedules import maintenance_job, report_job
from energy_pipeline.schemas import TABLES


def event(value: float) -> pl.DataFrame:
    """One register event of m1, null wherever that is allowed."""
    known = {"device": "m1", "signal": "com_ap", "ts": datetime(2024, 3, 1, 12, tzinfo=UTC), "old": value}
    table = TABLES["counter_events"]
    plain = {pl.String: "x", pl.Boolean: False}
    other = {c.name: plain.get(c.dtype, 0) for c in table.columns if not c.nullable and c.name not in known}
    return pl.DataFrame([{**other, **known}], schema=table.polars_schema)


def in_small_files(lake: Lake, name: str, frame: Callable[[int], pl.DataFrame]) -> int:
    """Write four small files into one partition; return how many there are."""
    for k in range(4):
        write_deltalake(lake.open(name), frame(k).to_arrow(), mode="append")
    return len(DeltaTable(lake.path(name)).file_uris())


@pytest.fixture
def site(tmp_path: Path) -> SiteResource:
    (tmp_path / "energy.toml").write_text('lake = "lake"\n', encoding="utf-8")
    return SiteResource(settings_file=str(tmp_path / "energy.toml"))


def alert(k: int) -> pl.DataFrame:
    row = {"device": "m1", "kind": "cell", "subject": f"P1C{k}", "finding": "offset", "text": "t",
           "opened_ts": datetime(2024, 3, 1, k, tzinfo=UTC)}
    return pl.DataFrame([row], schema=TABLES["alerts"].polars_schema)


def test_maintenance_turns_small_files_into_one_and_keeps_every_row(site: SiteResource, tmp_path: Path) -> None:
    lake = site.lake()
    assert in_small_files(lake, "alerts", alert) == 4
    with DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        assert maintenance_job.execute_in_process(instance=instance, resources={"site": site}).success
    assert len(DeltaTable(lake.path("alerts")).file_uris()) == 1
    assert lake.read("alerts")["subject"].sort().to_list() == ["P1C0", "P1C1", "P1C2", "P1C3"]


def test_a_table_that_a_load_changes_meanwhile_is_left_and_the_others_are_done(
    site: SiteResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, honest = site.lake(), TableOptimizer.compact
    in_small_files(lake, "alerts", alert)
    in_small_files(lake, "counter_events", lambda k: event(float(k)))

    def overtaken(self: TableOptimizer, **options: object) -> object:
        if self.table.table_uri.rstrip("/").endswith("counter_events"):
            lake.replace("counter_events", Scope("m1"), lambda: event(9.0), {})  # a load; our handle is older now
        return honest(self, **options)

    monkeypatch.setattr(TableOptimizer, "compact", overtaken)
    done = lake.maintain()
    assert {name: (counts["compacted"], counts["busy"]) for name, counts in done.items()} == {
        "alerts": (4, 0), "counter_events": (0, 1),
    }
    assert lake.read("counter_events")["old"].to_list() == [9.0]


def test_maintenance_that_fails_is_repeated_after_a_pause_and_both_jobs_start_anew_when_killed() -> None:
    policy = maintenance_job.get_node_named("maintain_lake").definition.retry_policy
    assert (policy.max_retries, policy.delay) == (2, 60)
    for job, times in ((maintenance_job, "2"), (report_job, "1")):
        assert job.tags["dagster/max_retries"] == times
    assert json.loads(maintenance_job.tags["dagster/retry_on_asset_or_op_failure"]) is False  # the pauses see to that
