"""Six plants from CSV through the real pipeline, scored against their truth: every planted fault, cycles, efficiency.

Each plant is written as files, run by the command `energy-pipeline run` in a process of its own, and read back from its
lake; nothing is handed over but the folder. Small systems (two packs of sixteen cells), a year or less.
Next: `plant_score.py`, which judges the tables; `detection.py`, which says after how many days.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from energy_pipeline.parallel import ordered_map
from energy_pipeline.score.detection import detection_days
from energy_pipeline.score.plant_score import score_plant
from energy_pipeline.twin import faults as f
from energy_pipeline.twin.make import make_plant
from energy_pipeline.twin.noise import CLASSES
from energy_pipeline.twin.plan import PlantPlan

Row = dict[str, Any]
TIMEOUT_S = 1200
AT_ONCE = 2  # plants under way: each is a process of its own


def plans(seed: int = 7) -> dict[str, PlantPlan]:
    """Return the plants of the score by name; between them they hold every fault that a battery can have here."""
    base = PlantPlan(
        packs=2, cells_per_pack=16, meters=0, days=300, start=date(2024, 1, 1), cell_period_s=600,
        cell_fast_period_s=60, fast_below_v=3.15, fast_above_v=3.38, state_period_s=60, outside_sensor=True, seed=seed,
        noise=CLASSES,
    )
    return {
        "healthy": replace(base, name="healthy", days=365, meters=2, register_period_s=900, seed=seed + 1),
        "ageing": replace(
            base, name="ageing", fade_percent_per_year=3.0, capacity_ah=271.0, seed=seed + 2, cell_period_s=60,
            cell_fast_period_s=20, state_period_s=30,
            faults=(f.WeakCapacity(1, 5, 0.03), f.RisingResistance(2, 9, 60.0)),
        ),
        "offsets": replace(
            base, name="offsets", days=365, seed=seed + 3,
            faults=(
                f.DriftingOffset(1, 7, 24.0), f.DriftingOffset(2, 3, -24.0), f.SensorOffsetStep(2, 12, 150, 15.0),
                f.RegimeStep(230, -24.0),
            ),
        ),
        "sensors": replace(
            base, name="sensors", seed=seed + 4,
            faults=(
                f.StuckSensor(1, 3, 60, 30.0, 6.0), f.SentinelSpikes("bms1_p1_v8", 65.535, 5),
                f.SentinelSpikes("bms1_p2_t1", 255.0, 4), f.SelfDischarge(2, 14, 0.15), f.MissingDays(100, 40),
            ),
        ),
        "operation": replace(
            base, name="operation", seed=seed + 5,
            faults=(f.PartialCharges(80, 110), f.CurrentSignFlipped(0), f.WrongNameplate(310.0)),
        ),
        "clock": replace(
            base, name="clock", days=240, seed=seed + 6, faults=(f.ZoneWrongHours(7.0), f.CurrentSignFlipped(105)),
        ),
    }


def run_plants(
    chosen: Mapping[str, PlantPlan], tell: Callable[[str], None], folder: Path | None = None
) -> list[Row]:
    """Make, run and score the plants; return the rows of all, each with the plant's name and its seconds.

    Raises `RuntimeError` with the end of the command's output where a run fails.
    """
    with tempfile.TemporaryDirectory(prefix="energy-score-", dir=folder) as place:

        def one(item: tuple[str, PlantPlan]) -> list[Row]:
            name, plan = item
            begin = time.monotonic()
            out = Path(place) / name
            make_plant(out, plan)
            tell(f"plant {name}: written in {time.monotonic() - begin:.0f} s")
            _run(out)
            found = score_folder(out)
            tell(f"plant {name}: scored after {time.monotonic() - begin:.0f} s")
            return [{"plant": name, **row} for row in found]

        return [row for rows in ordered_map(one, chosen.items(), AT_ONCE) for row in rows]


def _run(out: Path) -> None:
    home = out / "dagster"
    home.mkdir()
    done = subprocess.run(  # noqa: S603 - this interpreter on the project's own command
        [sys.executable, "-m", "energy_pipeline", "run", "--settings", str(out / "energy.toml")],
        env={**os.environ, "DAGSTER_HOME": str(home)}, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )
    if done.returncode:
        msg = f"the plant in {out} did not run: {(done.stdout + done.stderr)[-2000:]}"
        raise RuntimeError(msg)


def score_folder(out: Path) -> list[Row]:
    """Return the score of every system of a finished plant, with the days until each fault was found."""
    from energy_pipeline.resources.site import SiteResource
    from energy_pipeline.schemas import battery

    truth = json.loads((out / "truth.json").read_text(encoding="utf-8"))
    site = SiteResource(settings_file=str(out / "energy.toml"))
    lake = site.lake()
    names = [*(t.name for t in battery.TABLES), "resolution_1d", "rejected_readings"]
    rows = []
    for device in truth["systems"]:
        tables = {name: lake.read(name, device) for name in names}
        ctx = site.context(device)
        days = detection_days(ctx, truth, device, tables)
        rows += [{"system": device, "days": days.get((r["fault"], r["place"])), **r}
                 for r in score_plant(truth, device, tables, ctx.battery.nameplate_ah)]
    return rows


def summarise_plants(rows: Iterable[Row]) -> list[Row]:
    """Return one row per kind of fault or total: planted, found, largest and median error, days to detection."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["fault"], []).append(row)
    return [_summary(kind, members) for kind, members in groups.items()]


def _summary(kind: str, rows: list[Row]) -> Row:
    judged = [r for r in rows if r["found"] is not None]
    numbers = [(r["estimate"], r["truth"]) for r in judged]
    errors = [a - b for a, b in numbers if isinstance(a, int | float) and isinstance(b, int | float)]
    days = [r["days"] for r in judged if r.get("days") is not None]
    return {
        "fault": kind, "planted": len(judged), "found": sum(bool(r["found"]) for r in judged),
        "largest_error": max(errors, key=abs) if errors else None, "unit": rows[0]["unit"],
        "days": max(days) if days else None,
    }
