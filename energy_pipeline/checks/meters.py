"""The checks of meters: energy is conserved, registers move, sources agree, decisions meet their event.

Thin over `compute/meter_findings.py`; here only what they read from the lake. Next: `checks/common.py`.
"""

from dataclasses import replace

import polars as pl

from energy_pipeline import guards
from energy_pipeline.checks.common import Rule
from energy_pipeline.compute import meter_findings as mf
from energy_pipeline.compute import zones
from energy_pipeline.compute.findings import Finding
from energy_pipeline.resources.lake import Lake
from energy_pipeline.schemas.resolution import LEVELS
from energy_pipeline.settings import Settings


def _conserved(lake: Lake, settings: Settings, device: str, months: list[str]) -> Finding:
    compared = compare_registers(lake, settings, device, months)
    return replace(mf.unconserved_registers(compared), figures=mf.conservation_numbers(compared))


def _registers_move(lake: Lake, _: Settings, device: str, months: list[str]) -> Finding:
    return mf.standing_registers(lake.read("meter_balance", device, months))


def _sources_agree(lake: Lake, _: Settings, device: str, months: list[str]) -> Finding:
    return mf.sources_that_disagree(lake.read("meter_balance", device, months))


def _decisions(lake: Lake, settings: Settings, device: str, _: list[str]) -> Finding:
    made = {e.signal: settings.decisions_of(device, e.signal) for e in settings.event if e.device == device}
    return mf.decisions_without_event(lake.read("counter_events", device), made)


RULES = (
    Rule(guards.DECISIONS, "No decision of the settings is without effect.", _decisions),
    Rule(guards.CONSERVED, "Energy is neither lost nor invented at any level.", _conserved),
    Rule(guards.REGISTERS_MOVE, "No register is stuck.", _registers_move),
    Rule(guards.SOURCES_AGREE, "Where one energy is measured twice, both say the same.", _sources_agree),
)


def compare_registers(lake: Lake, settings: Settings, device: str, months: list[str]) -> pl.DataFrame:
    """Sums of all levels beside the differences of the registers, read from the lake, for months of a device."""
    signals = lake.read("signals", device).filter(pl.col("kind").is_in(["counter", "net_counter"]))
    kinds = dict(signals.select("signal", "kind").iter_rows())
    events = lake.read("counter_events", device)
    zone = settings.zone_of(device)
    spans = {m: zones.month_bounds(zone, m) for m in months}
    readings = _readings(lake, device, sorted(months), list(kinds), events) if kinds else _plain(lake, device, [], [])
    sums = [
        lake.scan(f"resolution_{level}", device, months)
        .filter(pl.col("signal").is_in(list(kinds)) & pl.col("increase").is_not_null())
        .group_by("signal", "month").agg(pl.col("increase").sum().alias("increase_kwh"))
        .with_columns(pl.lit(level).alias("level")).collect()
        for level in LEVELS
    ]
    differences = mf.register_differences(readings, events, kinds, spans)
    return mf.compare_with_registers(pl.concat(sums), differences)


def _plain(lake: Lake, device: str, months: list[str], names: list[str]) -> pl.DataFrame:
    rows = lake.scan("readings", device, months).filter(pl.col("signal").is_in(names))
    return rows.select("signal", "ts", "value").collect()


def _readings(lake: Lake, device: str, months: list[str], names: list[str], events: pl.DataFrame) -> pl.DataFrame:
    """Readings of the months and, outwards, of as many months as each register needs for a reading that counts."""
    stored = lake.months(device)
    found = [_plain(lake, device, [m for m in stored if months[0] <= m <= months[-1]], names)]
    for outwards in ([m for m in reversed(stored) if m < months[0]], [m for m in stored if m > months[-1]]):
        missing = set(names)
        for month in outwards:
            if not missing:
                break
            part = _plain(lake, device, [month], sorted(missing))
            found.append(part)
            missing -= set(_counting(part, events)["signal"])
    return pl.concat(found)


def _counting(readings: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    for signal, start, end in events.drop_nulls("ts_end").select("signal", "ts", "ts_end").iter_rows():
        readings = readings.filter(~((pl.col("signal") == signal) & pl.col("ts").is_between(start, end)))
    return readings
