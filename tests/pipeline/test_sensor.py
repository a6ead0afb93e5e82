"""The sensor asks for what is due, names the work in the run key, and stops asking for what keeps failing."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus, SensorResult, SkipReason, build_sensor_context

from energy_pipeline.build import build_definitions
from energy_pipeline.partitions import DEVICES, register_devices
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.runner import Observer, run_due
from energy_pipeline.sensors import WORK_TAG


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral(tempdir=str(tmp_path)) as made:
        yield made


@pytest.fixture
def site(tmp_path: Path) -> SiteResource:
    for device in ("m1", "m2"):
        folder = tmp_path / "raw" / device
        folder.mkdir(parents=True)
        file = folder / "com_ap.csv"
        file.write_text("ts,com_ap\n" + "".join(f"2024-03-0{d} 12:00:00,{d}\n" for d in range(1, 9)))
        os.utime(file, (time.time() - 60, time.time() - 60))
    (tmp_path / "energy.toml").write_text('roots = ["raw"]\nlake = "lake"\n', encoding="utf-8")
    return SiteResource(settings_file=str(tmp_path / "energy.toml"))


def tick(site: SiteResource, instance: DagsterInstance) -> SensorResult | SkipReason:
    definitions = build_definitions(site)
    sensor = definitions.resolve_sensor_def("new_data")
    with build_sensor_context(
        instance=instance, resources={"site": site}, repository_def=definitions.get_repository_def()
    ) as context:
        return sensor(context)


def test_new_devices_are_registered_and_one_run_per_device_is_asked_for(
    site: SiteResource, instance: DagsterInstance
) -> None:
    result = tick(site, instance)
    assert isinstance(result, SensorResult)
    assert [r.partition_keys for r in result.dynamic_partitions_requests] == [["m1", "m2"]]
    assert [(r.job_name, r.partition_key) for r in result.run_requests] == [("ingest_job", "m1"), ("ingest_job", "m2")]
    assert [r.run_key for r in result.run_requests] == ["ingest_job:ingest:m1:1:1", "ingest_job:ingest:m2:1:1"]


def test_the_same_work_has_the_same_run_key_at_every_tick(site: SiteResource, instance: DagsterInstance) -> None:
    first, second = tick(site, instance), tick(site, instance)
    assert [r.run_key for r in first.run_requests] == [r.run_key for r in second.run_requests]


def test_young_files_are_left_alone(site: SiteResource, instance: DagsterInstance, tmp_path: Path) -> None:
    for file in (tmp_path / "raw").rglob("*.csv"):
        os.utime(file, None)
    result = tick(site, instance)
    assert isinstance(result, SensorResult)
    assert result.run_requests == []


def test_when_all_is_done_the_sensor_skips(site: SiteResource, instance: DagsterInstance) -> None:
    summary = run_due(build_definitions(site), site, instance, Observer(lambda _: None, lambda *_: None))
    assert summary.ok
    assert set(instance.get_dynamic_partitions(DEVICES)) == {"m1", "m2"}
    result = tick(site, instance)
    assert isinstance(result, SkipReason)
    assert result.skip_message == "nothing is due"


def test_work_that_failed_three_times_is_left_alone_and_does_not_block_the_other_device(
    site: SiteResource, instance: DagsterInstance
) -> None:
    register_devices(instance, ["m1", "m2"])
    job = build_definitions(site).resolve_job_def("ingest_job")
    for _ in range(3):
        instance.create_run_for_job(job, status=DagsterRunStatus.FAILURE, tags={WORK_TAG: "ingest:m1:1"})
    result = tick(site, instance)
    assert isinstance(result, SensorResult)
    assert [r.partition_key for r in result.run_requests] == ["m2"]


def test_a_failed_run_is_asked_for_again_under_a_new_key(site: SiteResource, instance: DagsterInstance) -> None:
    job = build_definitions(site).resolve_job_def("ingest_job")
    instance.create_run_for_job(job, status=DagsterRunStatus.FAILURE, tags={WORK_TAG: "ingest:m1:1"})
    result = tick(site, instance)
    assert isinstance(result, SensorResult)
    assert [r.run_key for r in result.run_requests] == ["ingest_job:ingest:m1:1:2", "ingest_job:ingest:m2:1:1"]


def test_a_run_under_way_is_not_asked_for_twice(site: SiteResource, instance: DagsterInstance) -> None:
    job = build_definitions(site).resolve_job_def("ingest_job")
    instance.create_run_for_job(job, status=DagsterRunStatus.STARTED, tags={WORK_TAG: "ingest:m1:1"})
    result = tick(site, instance)
    assert isinstance(result, SensorResult)
    assert [r.partition_key for r in result.run_requests] == ["m2"]
