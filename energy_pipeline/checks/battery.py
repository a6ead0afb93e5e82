"""The checks of charges, fits, capacity and evidence; thin over `compute/findings.py`. Next: `checks/common.py`."""

import polars as pl

from energy_pipeline import guards
from energy_pipeline.checks.common import Rule
from energy_pipeline.compute import findings
from energy_pipeline.compute.findings import Finding
from energy_pipeline.resources.lake import Lake
from energy_pipeline.settings import Settings


def _one_battery(lake: Lake, _: Settings, device: str, __: list[str]) -> Finding:
    return findings.batteries_in_one_device(lake.read("signals", device))


def _sat_range(lake: Lake, settings: Settings, device: str, months: list[str]) -> Finding:
    limits = settings.battery_of(device).sat_limits_v
    return findings.sat_outside_chemistry(lake.read("sat_voltage", device, months), limits)


def _fits(lake: Lake, _: Settings, device: str, __: list[str]) -> Finding:
    cells = lake.read("signals", device).filter(
        (pl.col("quantity") == "cell_voltage") & (pl.col("rows_accepted") > 0)
    ).select("pack", "cell")
    return findings.cells_without_fit(cells, lake.read("degradation_fits", device))


def _cycles(lake: Lake, settings: Settings, device: str, _: list[str]) -> Finding:
    allowed = settings.battery_of(device).efc_difference_percent
    return findings.cycle_counts_that_disagree(lake.read("capacity", device), allowed)


def _health(lake: Lake, _: Settings, device: str, __: list[str]) -> Finding:
    return findings.implausible_health(lake.read("capacity", device))


def _evidence(lake: Lake, _: Settings, device: str, __: list[str]) -> Finding:
    return findings.contradicted_settings(lake.read("device_evidence", device))


RULES = (
    Rule(guards.ONE_BATTERY, "No second battery hides behind the signals of the first.", _one_battery),
    Rule(guards.SAT_RANGE, "No sentinel or spike has become a SAT voltage.", _sat_range),
    Rule(guards.FITS, "No cell is passed over in silence.", _fits),
    Rule(guards.CYCLES, "Cycles counted by charge, by energy and by SOC are the same cycles.", _cycles),
    Rule(guards.HEALTH, "The state of health that the battery reports moves as a state of health does.", _health),
    Rule(
        guards.EVIDENCE, "The clock and the sign of the current are what the settings say, as far as data can tell.",
        _evidence,
    ),
)
