"""`status` shows all that is due, how far behind each device is, the last runs, and what was given up and why."""

import io
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from dagster import DagsterInstance, DagsterRunStatus
from rich.console import Console

from energy_pipeline.cli import main
from energy_pipeline.partitions import DEVICE_TAG, register_devices
from energy_pipeline.resources.raw_files import discover
from energy_pipeline.show_status import print_status, read_status
from energy_pipeline.tries import MOST_ATTEMPTS, WORK_TAG
from energy_pipeline.work import due_work
from tests.pipeline.conftest import Pipeline
from tests.pipeline.test_holds import run_ingest, write


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    for month in ("2024-01", "2024-02", "2024-07"):
        write(tmp_path, "m1", range(5, 9), month)
    write(tmp_path, "m2", range(1, 9))
    (tmp_path / "energy.toml").write_text('roots = ["raw"]\nlake = "lake"\n', encoding="utf-8")
    with DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        register_devices(instance, ["m1", "m2"])
        yield Pipeline(tmp_path / "energy.toml", instance)


def shown(pipeline: Pipeline, instance: DagsterInstance | None) -> str:
    settings, out = pipeline.site.settings(), io.StringIO()
    found = discover(settings)
    console = Console(file=out, width=400)
    print_status(console, pipeline.lake, settings, found, read_status(pipeline.lake, settings, found, instance))
    return out.getvalue()


def row_of(text: str, device: str) -> list[str]:
    """Cells of a device's line, which stand at least two spaces apart."""
    line = next(line for line in text.splitlines() if line.split()[:1] == [device])
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_all_ranges_that_are_due_are_shown_with_the_count_of_months_behind(pipeline: Pipeline) -> None:
    assert run_ingest(pipeline, "m1")
    cells = row_of(shown(pipeline, pipeline.instance), "m1")
    assert cells[-2:] == ["3", "months 2024-01 … 2024-02, 2024-07"]


def test_the_last_runs_are_shown_and_a_failed_one_with_its_cause(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    from energy_pipeline.assets import ingest

    assert run_ingest(pipeline, "m1")

    def fail(*_: object, **__: object) -> None:
        msg = "the disk is full"
        raise OSError(msg)

    monkeypatch.setattr(ingest, "load_device", fail)
    assert not run_ingest(pipeline, "m2")
    lines = [line.split() for line in shown(pipeline, pipeline.instance).splitlines() if "ingest_job" in line]
    assert [(cells[3], cells[4]) for cells in lines] == [("m2", "failure"), ("m1", "success")]
    assert " ".join(lines[0]).endswith("OSError: the disk is full")


def test_work_that_was_given_up_is_named_with_what_to_do(pipeline: Pipeline) -> None:
    settings = pipeline.site.settings()
    due = due_work(pipeline.lake, settings, discover(settings).devices, time.time())
    name = next(w.name for w in due if w.device == "m1")
    job = pipeline.definitions.resolve_job_def("ingest_job")
    tags = {WORK_TAG: name, DEVICE_TAG: "m1"}
    for n in range(MOST_ATTEMPTS):
        run = pipeline.instance.create_run_for_job(job, status=DagsterRunStatus.STARTED, tags=tags)
        pipeline.instance.report_run_failed(run, "the lake was away")
        text = shown(pipeline, pipeline.instance)
        assert (f"reading files; tried {n + 1} of 5 times, again at" in row_of(text, "m1")[-1]) is (n < 4)
    assert row_of(text, "m1")[-1] == "gave up"
    assert row_of(text, "m2")[-1] == "reading files"
    assert "m1: gave up ingest after 5 attempts; the last one: the lake was away; mend the cause, then" in text


def test_without_a_dagster_home_the_rest_is_shown_and_none_is_begun(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "nowhere"))
    result = CliRunner().invoke(main, ["status", "--settings", str(pipeline.settings_file)])
    assert result.exit_code == 0, result.output
    assert "last runs: none known; DAGSTER_HOME names no folder" in result.output
    assert not (tmp_path / "nowhere").exists()


def test_the_runs_of_an_earlier_command_are_read_from_its_home(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    shutil.rmtree(tmp_path / "raw" / "m2")
    assert CliRunner().invoke(main, ["run", "--settings", str(pipeline.settings_file)]).exit_code == 0
    output = CliRunner().invoke(main, ["status", "--settings", str(pipeline.settings_file)]).output
    assert "fleet_job" in output
    assert "m1|2024-01 … 2024-02" in output
