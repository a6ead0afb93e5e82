"""The README's commands do what it says, run as they stand there on a fresh lake."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from dagster._cli import create_dagster_cli

from energy_pipeline.cli import main
from energy_pipeline.resources.lake import Lake
from energy_pipeline.twin import make_plant, plan_preset

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"<!-- commands: run by [^>]*-->\s*```sh\n(.*?)```", re.DOTALL)


def commands() -> list[str]:
    found = BLOCK.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found is not None, "the README has no block of commands for this test"
    return [line for line in found.group(1).splitlines() if line.strip()]


def run(line: str) -> str:
    """Run a line as its own command would, in this process: starting Python and Dagster anew takes most of the time."""
    name, *words = shlex.split(line)
    program = {"energy-pipeline": main, "dagster": create_dagster_cli()}[name]
    done = CliRunner().invoke(program, words)
    assert done.exit_code == 0, f"{line}\n{done.output[-4000:]}\n{done.exception!r}"
    return done.output


@pytest.mark.slow
def test_the_commands_of_the_readme_run_verbatim_and_fill_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plant(tmp_path / "plant", plan_preset("tiny", meters=1, days=36))
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text((ROOT / ".dagster_home" / "dagster.yaml").read_text(encoding="utf-8"))
    monkeypatch.setenv("ENERGY_SETTINGS", str(tmp_path / "plant" / "energy.toml"))
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    outputs = [run(line) for line in commands()]
    lake = Lake(str(tmp_path / "plant" / "lake"))
    for table in ("readings", "resolution_5min", "resolution_1d", "charge_cycles", "sat_voltage", "sat_daily",
                  "degradation_fits", "cell_health"):
        assert lake.read(table, "ZHPESS232A230002").height > 0, table
    assert lake.read("fleet_summary").height >= 1
    assert "rows read" in outputs[-1]  # the last command does the rest: the meters
    assert lake.read("meter_daily", "m1").height > 30
