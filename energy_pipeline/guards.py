"""The checks as guards: which table each looks at, behind which stage it stands, and what its last verdict covers.

A verdict says for which load and settings it holds (`covers` in `check_results`), per month where the table has
months. So a check that never ran because its process died is found missing, and a red one holds its device back until
data or settings change, or until it is green. No Dagster here. Next: `work.py`, which asks; `checks/`, which judge.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from energy_pipeline.resources.lake import Lake
from energy_pipeline.schemas import Table, battery, ingest, meters, operation, resolution
from energy_pipeline.settings import COMPUTE_VERSION, Settings

ALL = "all"
INGEST, MONTHS, CHARGES, DEVICE, FLEET = "ingest", "months", "charges", "device", "fleet"
CLOCK = "clock"  # judged by the clock as well as behind a load: no work waits for it


@dataclass(frozen=True)
class Guard:
    """A check: its name is the sentence that is true when it is green; `blocking` holds the later stages back."""

    check: str
    table: str
    stage: str
    blocking: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Table and name, which are one check's alone: several tables have a check of the same name."""
        return self.table, self.check

    @property
    def by_month(self) -> bool:
        """True where verdicts hold for single months."""
        return self.stage in {MONTHS, CHARGES}


@dataclass(frozen=True)
class Verdict:
    """What a check said of a month, or of a device's whole table: for which load and settings, and failing rows."""

    load: int
    digest: str
    failed: int


@dataclass(frozen=True)
class Hold:
    """A red check that holds back what comes after it."""

    device: str
    guard: Guard
    scopes: tuple[str, ...]
    failed_rows: int

    @property
    def text(self) -> str:
        """The same in words: what holds, and what ends it."""
        where = "" if self.scopes == (ALL,) else f" in {', '.join(self.scopes[:6])}" + (
            f" and {len(self.scopes) - 6} more" if len(self.scopes) > 6 else ""
        )
        return (
            f"{self.device}: held back by the red check {self.guard.check} on {self.guard.table}{where} "
            f"({self.failed_rows} rows); it goes on when its data or settings change, or when "
            f"{self.guard.table} is materialised again and the check is green"
        )


ACCOUNTS = Guard("rows_read_are_accepted_rejected_duplicate_or_conflict", "readings", INGEST, blocking=True)
TIMES = Guard("times_lie_between_first_month_and_tomorrow", "readings", INGEST, blocking=True)
FILES = Guard("every_file_could_be_read", "source_files", INGEST)
DECISIONS = Guard("every_decision_meets_an_event", "counter_events", INGEST)
ONE_BATTERY = Guard("each_device_is_one_battery", "signals", INGEST)
LEVELS_AGREE = Guard("days_equal_five_minutes", "resolution_1d", MONTHS, blocking=True)
# Blocking: what a wrong sum would reach are bills.
CONSERVED = Guard("increases_sum_to_the_registers_difference", "resolution_1d", MONTHS, blocking=True)
COVERED = Guard("signals_have_data_in_most_of_the_month", "resolution_1d", MONTHS)
REGISTERS_MOVE = Guard("registers_move_while_power_flows", "meter_balance", MONTHS)
SOURCES_AGREE = Guard("two_sources_of_one_energy_agree", "meter_balance", MONTHS)
# Blocking: the refusal of such readings is part of `sat_voltage`, so that what stands there can only be a fault.
SAT_RANGE = Guard("sat_voltages_lie_within_the_chemistry", "sat_voltage", CHARGES, blocking=True)
FITS = Guard("every_cell_has_a_fit_or_a_reason", "degradation_fits", DEVICE)
CYCLES = Guard("three_ways_of_counting_cycles_agree", "capacity", DEVICE)
HEALTH = Guard("the_health_that_the_bms_reports_is_plausible", "capacity", DEVICE)
EVIDENCE = Guard("data_fit_the_declared_zone_and_sign", "device_evidence", DEVICE)
FRESH = Guard("new_readings_come_in_time", "readings", CLOCK)


def _schemas(tables: Iterable[Table], stage: str, blocking: bool) -> tuple[Guard, ...]:
    return tuple(Guard("rows_fit_the_schema", t.name, stage, blocking) for t in tables)


# One step of a run judges all checks of a group of tables. Blocking where no table of the group is made from another of
# it: a step that blocks stands before everything behind any of its tables.
_MONTHLY = [t for t in battery.TABLES if "month" in t.partition_by]
SCHEMAS = {
    "ingest": _schemas(ingest.TABLES, INGEST, blocking=True),
    "resolution": _schemas(resolution.TABLES, MONTHS, blocking=True),
    "meters": _schemas(meters.TABLES, MONTHS, blocking=False),
    "segments": _schemas([t for t in _MONTHLY if t.name == "charge_cycles"], CHARGES, blocking=True),
    "charges": _schemas([t for t in _MONTHLY if t.name != "charge_cycles"], CHARGES, blocking=True),
    "cells": _schemas([t for t in battery.TABLES if t not in _MONTHLY], DEVICE, blocking=False),
    "fleet": _schemas([operation.FLEET_SUMMARY], FLEET, blocking=False),
}
GUARDS = (
    ACCOUNTS, TIMES, FILES, DECISIONS, ONE_BATTERY, LEVELS_AGREE, CONSERVED, COVERED, REGISTERS_MOVE, SOURCES_AGREE,
    SAT_RANGE, FITS, CYCLES, HEALTH, EVIDENCE, FRESH, *(guard for group in SCHEMAS.values() for guard in group),
)
Verdicts = Mapping[tuple[str, str], Mapping[str, Verdict]]


def judged_digest(settings: Settings, device: str, stage: str) -> str:
    """Digest of the settings that a stage's verdicts hold for; readings do not change with those of derived tables."""
    if stage in {INGEST, CLOCK}:
        return f"{settings.reading_digest(device)}.{COMPUTE_VERSION}"
    return settings.derived_digest(device)


def guards_of(stage: str) -> list[Guard]:
    """Return the checks of a stage."""
    return [g for g in GUARDS if g.stage == stage]


def verdicts(lake: Lake, device: str) -> dict[tuple[str, str], dict[str, Verdict]]:
    """Return what every check last said of a device, by its key and month (`all` where there are no months)."""
    rows = lake.scan("check_results", device).select("table", "check", "covers").collect()
    return {(table, check): unpack(covers) for table, check, covers in rows.iter_rows()}


def pack(scopes: Mapping[str, Verdict]) -> str:
    """Verdicts as text for the column `covers`."""
    return json.dumps({s: [v.load, v.digest, v.failed] for s, v in sorted(scopes.items())})


def unpack(text: str | None) -> dict[str, Verdict]:
    """Return the verdicts that `pack` made; none for a row of an earlier version."""
    return {s: Verdict(*values) for s, values in json.loads(text).items()} if text else {}


def is_current(found: Verdicts, guard: Guard, scope: str, load: int, digest: str) -> bool:
    """True where the check has judged this load under these settings."""
    verdict = found.get(guard.key, {}).get(scope)
    return verdict is not None and verdict.load >= load and verdict.digest == digest


def holds(found: Verdicts, device: str, stage: str, loads: Mapping[str, int], digest: str) -> list[Hold]:
    """Return the blocking checks of a stage that are red for the present loads and settings.

    Args:
        found: what the checks said.
        device: the device.
        stage: ingest, months, charges or device.
        loads: the load that each month (or `all`) has to stand at.
        digest: of the settings.
    """
    result = []
    for guard in guards_of(stage):
        said = found.get(guard.key, {})
        red = {
            s: said[s].failed for s, load in loads.items()
            if is_current(found, guard, s, load, digest) and said[s].failed
        }
        if guard.blocking and red:
            result.append(Hold(device, guard, tuple(sorted(red)), sum(red.values())))
    return result


def merge_rows(fresh: pl.DataFrame, earlier_sample: str | None, months: set[str], most: int) -> str:
    """Return failing rows as JSON: those of now, and of earlier those of `months`, which this run did not look at."""
    kept = [
        row for row in json.loads(earlier_sample or "[]") if isinstance(row, dict) and row.get("month") in months
    ]
    rows = json.loads(fresh.head(most).write_json())
    return json.dumps([*rows, *kept][:most])
