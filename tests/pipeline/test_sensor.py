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

from energy_pipeline import orphans, sensors
from energy_pipeline.build import build_definitions
from energy_pipeline.orphans import PROCESS_TAG, lives, process_tag
from energy_pipeline.partitions import DEVICE_TAG, DEVICES, register_devices
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.lake_errors import LakeError
from energy_pipeline.resources.raw_files import discover
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.runner import Observer, run_due
from energy_pipeline.sensors import WORK_TAG
from energy_pipeline.tries import MOST_ATTEMPTS, Tried
from energy_pipeline.work import Work, due_work


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
    patient(tmp_path, 0)
    return SiteResource(settings_file=str(tmp_path / "energy.toml"))


def patient(folder: Path, pause_s: float) -> None:
    """Write the settings, with a pause between the first attempt and the second."""
    text = f'roots = ["raw"]\nlake = "lake"\n[operation]\nretry_pause_s = {pause_s}\n'
    (folder / "energy.toml").write_text(text, encoding="utf-8")


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


def test_work_that_failed_too_often_is_left_alone_and_does_not_block_the_other_device(
    site: SiteResource, instance: DagsterInstance
) -> None:
    register_devices(instance, ["m1", "m2"])
    for _ in range(MOST_ATTEMPTS):
        earlier_run(site, instance, DagsterRunStatus.FAILURE)
    result = tick(site, instance)
    assert isinstance(result, SensorResult)
    assert [r.partition_key for r in result.run_requests] == ["m2"]


def test_the_last_attempt_is_waited_for_before_work_is_given_up(
    site: SiteResource, instance: DagsterInstance
) -> None:
    for status in [*[DagsterRunStatus.FAILURE] * (MOST_ATTEMPTS - 1), DagsterRunStatus.STARTED]:
        earlier_run(site, instance, status)
    result = tick(site, instance)
    assert isinstance(result, SensorResult)
    assert [r.partition_key for r in result.run_requests] == ["m2"]
    assert site.lake().read("alerts").is_empty()


def test_the_pause_between_attempts_grows_from_a_minute_to_hours() -> None:
    work = Work("ingest", "m1", 1)
    pauses = [Tried(work, n, ended_s=1000.0).again_s(60.0) - 1000.0 for n in range(1, MOST_ATTEMPTS)]
    assert pauses == [60.0, 300.0, 1500.0, 7500.0]


def test_failed_work_waits_for_its_pause_and_the_tick_says_until_when(
    site: SiteResource, instance: DagsterInstance, tmp_path: Path
) -> None:
    patient(tmp_path, 60)
    register_devices(instance, ["m1", "m2"])
    earlier_run(site, instance, DagsterRunStatus.FAILURE)
    result = tick(site, instance)
    assert isinstance(result, SensorResult)
    assert [r.partition_key for r in result.run_requests] == ["m2"]
    (tmp_path / "raw" / "m2" / "com_ap.csv").unlink()
    result = tick(site, instance)
    assert isinstance(result, SkipReason)
    assert "1 pieces of work have failed and are tried again, the first at" in result.skip_message


def test_work_given_up_is_announced_once_with_its_cause_and_closed_when_it_is_tried_again(
    site: SiteResource, instance: DagsterInstance, tmp_path: Path
) -> None:
    for _ in range(MOST_ATTEMPTS):
        earlier_run(site, instance, DagsterRunStatus.STARTED)
    for run in instance.get_runs():
        instance.report_run_failed(run, "the disk is full")
    for _ in range(2):
        tick(site, instance)
    alerts = site.lake().read("alerts")
    assert alerts.select("device", "kind", "subject", "finding").rows() == [("m1", "run", "ingest", "gave_up")]
    assert "gave up ingest after 5 attempts; the last one: the disk is full; mend the cause, then" in alerts["text"][0]
    assert alerts["closed_ts"].to_list() == [None]
    file = tmp_path / "raw" / "m1" / "com_ap.csv"
    os.utime(file, (time.time() - 30, time.time() - 30))
    assert [r.partition_key for r in tick(site, instance).run_requests] == ["m1", "m2"]
    assert site.lake().read("alerts")["closed_ts"].null_count() == 0


def test_a_lake_that_takes_no_alert_does_not_keep_the_sensor_from_its_work(
    site: SiteResource, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> list[str]:
        msg = "cannot write table alerts: the disk is full"
        raise LakeError(msg)

    monkeypatch.setattr(sensors, "announce_runs", refuse)
    for _ in range(MOST_ATTEMPTS):
        earlier_run(site, instance, DagsterRunStatus.FAILURE)
    assert [r.partition_key for r in tick(site, instance).run_requests] == ["m2"]


def test_a_store_that_does_not_answer_is_waited_for(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        msg = "connection refused"
        raise OSError(msg)

    monkeypatch.setattr(Lake, "latest", away)
    problem = sensors.lake_problem(Lake("s3://bucket/lake"), instance)
    assert problem == (
        "the lake s3://bucket/lake cannot be reached (connection refused); nothing is asked for until it is back"
    )


def test_a_burst_of_1700_files_is_one_run_per_device(
    site: SiteResource, instance: DagsterInstance, tmp_path: Path
) -> None:
    old = time.time() - 60
    for k in range(1700):
        file = tmp_path / "raw" / f"b{k % 3}" / f"bms1_p1_v{k}.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"ts,bms1_p1_v{k}\n2024-03-01 12:00:00,3.3\n", encoding="utf-8")
        os.utime(file, (old, old))
    first, second = tick(site, instance), tick(site, instance)
    assert [r.partition_key for r in first.run_requests] == ["b0", "b1", "b2", "m1", "m2"]
    assert {r.job_name for r in first.run_requests} == {"ingest_job"}
    assert [r.run_key for r in second.run_requests] == [r.run_key for r in first.run_requests]


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
    for _ in range(MOST_ATTEMPTS):
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
