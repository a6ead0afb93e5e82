"""The sensor asks for what is due, names the work in the run key, and stops asking for what keeps failing."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    MetadataValue,
    SensorResult,
    SkipReason,
    build_sensor_context,
)
from dagster._core.events import EngineEventData

from energy_pipeline import orphans
from energy_pipeline.build import build_definitions
from energy_pipeline.orphans import PROCESS_TAG, lives, process_tag
from energy_pipeline.partitions import DEVICE_TAG, DEVICES, register_devices
from energy_pipeline.resources.raw_files import discover
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.runner import Observer, run_due
from energy_pipeline.sensors import WORK_TAG
from energy_pipeline.work import due_work


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


def name_of(site: SiteResource, device: str) -> str:
    """Name of the device's next piece of work."""
    settings = site.settings()
    due = due_work(site.lake(), settings, discover(settings).devices, time.time())
    return next(w.name for w in due if w.device == device)


def earlier_run(site: SiteResource, instance: DagsterInstance, status: DagsterRunStatus) -> None:
    """Record a run of the next work of m1."""
    job = build_definitions(site).resolve_job_def("ingest_job")
    instance.create_run_for_job(job, status=status, tags={WORK_TAG: name_of(site, "m1"), DEVICE_TAG: "m1"})


def test_new_devices_are_registered_and_one_run_per_device_is_asked_for(
    site: SiteResource, instance: DagsterInstance
) -> None:
    result = tick(site, instance)
    assert isinstance(result, SensorResult)
    assert [r.partition_keys for r in result.dynamic_partitions_requests] == [["m1", "m2"]]
    assert [(r.job_name, r.partition_key) for r in result.run_requests] == [("ingest_job", "m1"), ("ingest_job", "m2")]
    assert [r.run_key for r in result.run_requests] == [
        f"ingest_job:{name_of(site, d)}:1" for d in ("m1", "m2")
    ]
    assert [r.tags[DEVICE_TAG] for r in result.run_requests] == ["m1", "m2"]


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
    for _ in range(3):
        earlier_run(site, instance, DagsterRunStatus.FAILURE)
    result = tick(site, instance)
    assert isinstance(result, SensorResult)
    assert [r.partition_key for r in result.run_requests] == ["m2"]


def test_the_third_attempt_is_waited_for_before_work_is_given_up(
    site: SiteResource, instance: DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    for status in (DagsterRunStatus.FAILURE, DagsterRunStatus.FAILURE, DagsterRunStatus.STARTED):
        earlier_run(site, instance, status)
    result = tick(site, instance)
    assert isinstance(result, SensorResult)
    assert [r.partition_key for r in result.run_requests] == ["m2"]
    assert "left alone" not in caplog.text


def test_a_failed_run_is_asked_for_again_under_a_new_key(site: SiteResource, instance: DagsterInstance) -> None:
    earlier_run(site, instance, DagsterRunStatus.FAILURE)
    result = tick(site, instance)
    assert isinstance(result, SensorResult)
    assert [r.run_key for r in result.run_requests] == [
        f"ingest_job:{name_of(site, 'm1')}:2", f"ingest_job:{name_of(site, 'm2')}:1"
    ]


def test_a_run_under_way_is_not_asked_for_twice(site: SiteResource, instance: DagsterInstance) -> None:
    earlier_run(site, instance, DagsterRunStatus.STARTED)
    result = tick(site, instance)
    assert isinstance(result, SensorResult)
    assert [r.partition_key for r in result.run_requests] == ["m2"]


def test_work_that_kept_failing_is_tried_again_once_its_file_has_changed(
    site: SiteResource, instance: DagsterInstance, tmp_path: Path
) -> None:
    job = build_definitions(site).resolve_job_def("ingest_job")
    for _ in range(3):
        instance.create_run_for_job(job, status=DagsterRunStatus.FAILURE, tags={WORK_TAG: name_of(site, "m1")})
    file = tmp_path / "raw" / "m1" / "com_ap.csv"
    file.write_text("ts,com_ap\n2024-03-01 12:00:00,7\n")
    os.utime(file, (time.time() - 30, time.time() - 30))
    result = tick(site, instance)
    assert isinstance(result, SensorResult)
    assert [r.partition_key for r in result.run_requests] == ["m1", "m2"]


def test_a_device_with_any_run_under_way_is_left_alone_also_one_started_by_hand(
    site: SiteResource, instance: DagsterInstance
) -> None:
    job = build_definitions(site).resolve_job_def("ingest_job")
    instance.create_run_for_job(job, status=DagsterRunStatus.STARTING, tags={DEVICE_TAG: "m1"})
    result = tick(site, instance)
    assert isinstance(result, SensorResult)
    assert [r.partition_key for r in result.run_requests] == ["m2"]


def test_a_run_of_a_command_that_was_killed_gives_its_device_free(
    site: SiteResource, instance: DagsterInstance
) -> None:
    job = build_definitions(site).resolve_job_def("ingest_job")
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    host = process_tag()[PROCESS_TAG].rpartition(":")[0]
    gone = {PROCESS_TAG: f"{host}:{ended.stdout.decode().strip()}"}
    dead = instance.create_run_for_job(job, status=DagsterRunStatus.STARTED, tags={DEVICE_TAG: "m1", **gone})
    alive = instance.create_run_for_job(
        job, status=DagsterRunStatus.STARTED, tags={DEVICE_TAG: "m2", **process_tag()}
    )
    result = tick(site, instance)
    assert isinstance(result, SensorResult)
    assert [r.partition_key for r in result.run_requests] == ["m1"]
    assert instance.get_run_by_id(dead.run_id).status == DagsterRunStatus.FAILURE
    assert instance.get_run_by_id(alive.run_id).status == DagsterRunStatus.STARTED


def test_a_run_on_another_machine_is_left_to_that_machine(
    site: SiteResource, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "DefaultRunLauncher", type(instance.run_launcher))
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    pid = ended.stdout.decode().strip()
    job = build_definitions(site).resolve_job_def("ingest_job")
    tags = {DEVICE_TAG: "m1", PROCESS_TAG: f"another-machine:{pid}"}
    run = instance.create_run_for_job(job, status=DagsterRunStatus.STARTED, tags=tags)
    instance.report_engine_event("Executing steps in process", run, EngineEventData({"pid": MetadataValue.text(pid)}))
    result = tick(site, instance)
    assert isinstance(result, SensorResult)
    assert [r.partition_key for r in result.run_requests] == ["m2"]
    assert instance.get_run_by_id(run.run_id).status == DagsterRunStatus.STARTED


def test_a_lake_that_has_gone_is_waited_for_and_not_begun_anew(
    site: SiteResource, instance: DagsterInstance, tmp_path: Path
) -> None:
    assert run_due(build_definitions(site), site, instance, Observer(lambda _: None, lambda *_: None)).ok
    lake, away = tmp_path / "lake", tmp_path / "away"
    lake.rename(away)
    result = tick(site, instance)
    assert isinstance(result, SkipReason)
    assert "is gone; nothing is asked for until it is back" in result.skip_message
    assert not lake.exists()
    lake.write_text("a file where the folder was")
    result = tick(site, instance)
    assert isinstance(result, SkipReason)
    assert "it is no folder" in result.skip_message
    lake.unlink()
    away.rename(lake)
    assert tick(site, instance).skip_message == "nothing is due"


def test_a_younger_process_with_the_same_number_is_not_taken_for_the_run() -> None:
    assert lives(os.getpid(), time.time())
    assert not lives(os.getpid(), time.time() - 7 * 86_400)
