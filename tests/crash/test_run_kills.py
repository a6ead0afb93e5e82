"""`energy-pipeline run` itself killed inside a write, Dagster and its instance included; the next `run` completes it.

All tables are compared but `check_results`: a check is not repeated for its own sake (docs/architecture.md).
"""

import random
import shutil
import time

import polars as pl
import pytest
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from tests.conftest import assert_same_tables
from tests.crash.hunt import Nursery, nursery
from tests.crash.plants import Plant, copy_of, orphans_of, start_files, tables_of
from tests.crash.witness import Child, Hunter, Proof, Witness, commits_between

pytestmark = [pytest.mark.crash, pytest.mark.slow]
KILLS = 10


def command(plant: Plant) -> dict[str, object]:
    """The job `energy-pipeline run` on a plant, with a Dagster instance of its own."""
    settings, home = plant.folder / "energy.toml", plant.folder / "home"
    return {"do": "cli", "argv": ["run", "--settings", str(settings)], "environ": {"DAGSTER_HOME": str(home)}}


def run(child: Child, plant: Plant) -> None:
    """Run to the end."""
    child.start(**command(plant))
    said = child.finish()
    assert (said["error"], said.get("code")) == (None, 0), said


def compared(plant: Plant) -> dict[str, pl.DataFrame]:
    return {name: frame for name, frame in tables_of(plant.lake).items() if name != "check_results"}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Proof], list[int]]:
    """Kill runs and let the next ones complete them: the proofs, and how many runs Dagster holds to be going on."""
    folder = tmp_path_factory.mktemp("runs")
    template = Plant(folder / "template")
    _ = template.settings
    start_files(template, (0, 1400))
    (template.folder / "home").mkdir()
    (template.folder / "home" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    undisturbed = copy_of(template.folder, folder / "undisturbed")
    rng, proofs, going_on = random.Random(1), [], []  # noqa: S311 - times of kills, not secrets
    with nursery("--with-dagster") as children:
        commits, seconds = measured(children, undisturbed)
        expected = compared(undisturbed)
        assert {"meter_daily", "fleet_summary"} <= set(expected)
        for number in range(3 * KILLS):
            plant = copy_of(template.folder, folder / f"plant-{number}")
            proof = killed(children, plant, commits, rng, rng.uniform(0, seconds))
            if proof is not None:
                proofs.append(proof)
                assert_completed(children, plant, expected)
                going_on.append(started_runs(plant))
            shutil.rmtree(plant.folder)
            if len(proofs) == KILLS:
                break
    return proofs, going_on


def test_a_run_killed_inside_a_write_is_completed_by_the_next_run(outcome: tuple[list[Proof], list[int]]) -> None:
    assert len(outcome[0]) == KILLS


def test_after_the_next_run_dagster_holds_no_killed_run_to_be_going_on(
    outcome: tuple[list[Proof], list[int]]
) -> None:
    assert outcome[1] == [0] * KILLS


def measured(children: Nursery, plant: Plant) -> tuple[int, float]:
    """Run undisturbed; return the commits it makes and the time it takes [s]."""
    witness, child = Witness(plant.folder / "lake"), children.take()
    start = witness.look()
    child.wait_until_ready()
    began = time.perf_counter()
    run(child, plant)
    seconds = time.perf_counter() - began
    child.close()
    return commits_between(start, witness.look()), seconds


def assert_completed(children: Nursery, plant: Plant, expected: dict[str, pl.DataFrame]) -> None:
    """Every table can be read; after the next run, and after maintenance, all are as undisturbed."""
    tables_of(plant.lake)
    child = children.take()
    run(child, plant)
    child.close()
    assert_same_tables(compared(plant), expected)
    plant.lake.maintain(retention_hours=0, full=True)
    assert [name for name in orphans_of(plant.folder / "lake") if "/_delta_log/" not in name] == []
    assert_same_tables(compared(plant), expected)


def started_runs(plant: Plant) -> int:
    """Runs that Dagster holds to be going on."""
    with DagsterInstance.from_config(str(plant.folder / "home")) as instance:
        return len(instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED])))


def killed(children: Nursery, plant: Plant, commits: int, rng: random.Random, delay_s: float) -> Proof | None:
    """Start a run and kill it inside a write; None where it ended before."""
    child = children.take()
    try:
        hunter = Hunter(plant.folder / "lake", commits, rng, only_files=False)
        child.start(**command(plant))
        return hunter.kill(child, delay_s)
    finally:
        child.close()

