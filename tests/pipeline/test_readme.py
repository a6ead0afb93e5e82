"""The README's commands do what it says, run as they stand there on a fresh lake."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from energy_pipeline.resources.lake import Lake
from energy_pipeline.twin import make_plant, plan_preset

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"<!-- commands: run by [^>]*-->\s*```sh\n(.*?)```", re.DOTALL)


def commands() -> list[str]:
    found = BLOCK.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found is not None, "the README has no block of commands for this test"
    return [line for line in found.group(1).splitlines() if line.strip()]


@pytest.mark.slow
def test_the_commands_of_the_readme_run_verbatim_and_fill_the_tables(tmp_path: Path) -> None:
    make_plant(tmp_path / "plant", plan_preset("tiny", meters=1, days=36))
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text((ROOT / ".dagster_home" / "dagster.yaml").read_text(encoding="utf-8"))
    environment = {
        **os.environ, "ENERGY_SETTINGS": str(tmp_path / "plant" / "energy.toml"), "DAGSTER_HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    outputs = []
    for command in commands():
        done = subprocess.run(  # noqa: S602 - the README's own lines, as a shell reads them
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        outputs.append(done.stdout)
    lake = Lake(str(tmp_path / "plant" / "lake"))
    for table in ("readings", "resolution_5min", "resolution_1d", "charge_cycles", "sat_voltage", "sat_daily",
                  "degradation_fits", "cell_health"):
        assert lake.read(table, "ZHPESS232A230002").height > 0, table
    assert lake.read("fleet_summary").height >= 1
    assert "rows read" in outputs[-1]  # the last command does the rest: the meters
    assert lake.read("meter_daily", "m1").height > 30
