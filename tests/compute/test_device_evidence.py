"""Evidence on sign and clock: planted errors contradict, healthy plants fit, and what cannot be told says why."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from plants import START, Charger, context, microseconds, signals_table

from energy_pipeline.compute.battery_days import build_battery_days
from energy_pipeline.compute.capacity import build_capacity
from energy_pipeline.compute.charge_cycles import build_charge_cycles
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.device_evidence import build_device_evidence
from energy_pipeline.compute.findings import contradicted_settings
from energy_pipeline.compute.sat_voltage import build_sat_voltage
from energy_pipeline.compute.verdict_texts import evidence_text
from energy_pipeline.schemas.battery import CHARGE_CYCLES
from energy_pipeline.schemas.battery_energy import DEVICE_EVIDENCE
from energy_pipeline.schemas.battery_parts import BATTERY_DAYS
from energy_pipeline.schemas.resolution import RESOLUTIONS
from energy_pipeline.settings import BatterySettings

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")


def evidence(
    ctx: DeviceContext, cycles: pl.DataFrame, days: pl.DataFrame, topic: str, method: str
) -> dict[str, object]:
    table = build_device_evidence(ctx, cycles, days)
    return table.filter((pl.col("topic") == topic) & (pl.col("method") == method)).to_dicts()[0]


def weather(days: int, ahead_h: float, seed: int = 2) -> pl.DataFrame:
    """Outside temperature every 10 min, warmest at 13:30 UTC, with weather; the clock is ahead by `ahead_h`."""
    rng = np.random.default_rng(seed)
    h = np.arange(0, days * 24, 1 / 6)
    slow = np.interp(h, np.arange(0, days * 24 + 48, 36), rng.normal(0, 3, len(np.arange(0, days * 24 + 48, 36))))
    start_h = microseconds(START) / 3.6e9
    value = 9 + 4 * np.cos(2 * np.pi * (h + start_h - ahead_h - 13.5) / 24) + slow + 0.3 * rng.standard_normal(len(h))
    us = microseconds(START) + (h * 3.6e9).astype(np.int64)
    ts = pl.Series(us).cast(pl.Datetime("us", "UTC"))
    return pl.DataFrame({"signal": "env1_outside_t", "value": value, "ts": ts})


def clock(ahead_h: float, zone: ZoneInfo = SHANGHAI, days: int = 31) -> dict[str, object]:
    plant = Charger(days=days)
    names = dict(zip(plant.ctx.signals["signal"], plant.ctx.signals["quantity"], strict=True))
    ctx = context(signals_table(names | {"env1_outside_t": "outside_temperature"}, START, START), zone=zone)
    ctx = replace(ctx, place=BERLIN)
    readings = pl.concat([plant.frame().select("signal", "value", "ts"), weather(days, ahead_h)]).lazy()
    cycles = build_charge_cycles(ctx, "2024-03", readings)
    return evidence(ctx, cycles, build_battery_days(ctx, "2024-03", readings, cycles), "zone", "outside_temperature")


@pytest.mark.parametrize("ahead_h", [7.0, -7.0, 12.0])
def test_a_clock_that_is_hours_off_contradicts_the_afternoon(ahead_h: float) -> None:
    row = clock(ahead_h)
    assert row["verdict"] == "contradicts"
    off = (row["estimate"] - ahead_h + 12) % 24 - 12
    assert abs(off) < 1.0
    assert row["low"] < row["estimate"] < row["high"]
    assert row["declared"] == "Asia/Shanghai"


@pytest.mark.parametrize("ahead_h", [0.0, 1.0])
def test_a_right_clock_and_one_that_is_an_hour_off_fit(ahead_h: float) -> None:
    assert clock(ahead_h)["verdict"] == "fits"


def test_few_days_say_nothing_about_the_clock() -> None:
    row = clock(7.0, days=10)
    assert (row["verdict"], row["reason"], row["estimate"]) == ("cannot_tell", "few_days", None)


def charges(zone: str, hour: float, days: int = 300) -> pl.DataFrame:
    """One charge a day at `hour` of the wall clock of `zone`, from February on."""
    rows = []
    rng = np.random.default_rng(1)
    for k in range(days):
        day = date(2024, 2, 1) + timedelta(days=k)
        start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)) + timedelta(hours=hour)
        start += timedelta(minutes=float(rng.uniform(-10, 10)))
        begin = start.astimezone(UTC)
        rows.append({"day": day, "start_ts": begin, "end_ts": begin + timedelta(hours=2)})
    frame = pl.DataFrame(rows).with_columns(
        pl.col("start_ts", "end_ts").cast(pl.Datetime("us", "UTC")), device=pl.lit("plant"), month=pl.lit("2024-02"),
        kind=pl.lit("charge"), duration_s=pl.lit(7200.0), method=pl.lit("soc"), cut=pl.lit(False),
    )
    missing = [c for c in CHARGE_CYCLES.column_names if c not in frame.columns]
    return CHARGE_CYCLES.conform(frame.with_columns(pl.lit(None).alias(c) for c in missing))


@pytest.mark.parametrize(
    ("clock_zone", "schedule", "verdict", "jump", "reason"),
    [
        ("Asia/Shanghai", "Europe/Berlin", "fits", -1.0, "schedule_in_summer_time"),
        ("Asia/Shanghai", "Asia/Shanghai", "fits", 0.0, None),
        ("Europe/Berlin", "Europe/Berlin", "fits", 0.0, None),
        ("Europe/Berlin", "Asia/Shanghai", "fits", 1.0, "clock_in_summer_time"),
    ],
)
def test_the_schedule_tells_who_follows_summer_time(
    clock_zone: str, schedule: str, verdict: str, jump: float, reason: str | None
) -> None:
    plant = Charger(days=2)
    ctx = replace(context(plant.ctx.signals, zone=ZoneInfo(clock_zone)), place=BERLIN)
    row = evidence(ctx, charges(schedule, 10.0), BATTERY_DAYS.empty(), "zone", "schedule")
    assert (row["verdict"], row["reason"], row["n"]) == (verdict, reason, 2)
    assert row["estimate"] == pytest.approx(jump, abs=0.2)


def test_a_steady_clock_that_is_declared_as_summer_time_is_contradicted_by_the_schedule() -> None:
    # The recorder writes 17:00 in winter and 16:00 in summer, for it is on China time; somebody declared Berlin.
    plant = Charger(days=2)
    ctx = replace(context(plant.ctx.signals, zone=BERLIN), place=BERLIN)
    seen = charges("Europe/Berlin", 10.0)
    summer = pl.col("day").is_between(date(2024, 3, 31), date(2024, 10, 26))
    shifted = seen.with_columns(
        pl.when(summer).then(pl.col(c).dt.offset_by("-1h")).otherwise(c).alias(c) for c in ("start_ts", "end_ts")
    )
    row = evidence(ctx, shifted, BATTERY_DAYS.empty(), "zone", "schedule")
    assert (row["verdict"], row["reason"]) == ("contradicts", "schedule_in_summer_time")


@pytest.mark.parametrize("sign", [1, -1])
def test_the_sign_of_the_current_is_found_with_its_share(sign: int) -> None:
    plant = Charger(days=6, sign=sign)
    cycles = build_charge_cycles(plant.ctx, "2024-03", plant.readings())
    row = evidence(plant.ctx, cycles, BATTERY_DAYS.empty(), "current_sign", "soc")
    assert (row["verdict"], row["found"], row["estimate"], row["n"]) == ("fits", f"{sign:+d}", 1.0, 12)


def test_a_sign_that_the_settings_get_wrong_or_that_changes_is_contradicted() -> None:
    plant = Charger(days=6, sign=-1, battery=BatterySettings(current_sign=1))
    cycles = build_charge_cycles(plant.ctx, "2024-03", plant.readings())
    row = evidence(plant.ctx, cycles, BATTERY_DAYS.empty(), "current_sign", "soc")
    assert (row["verdict"], row["declared"], row["found"]) == ("contradicts", "+1", "-1")
    one, other = Charger(days=6), Charger(days=6, sign=-1, start=START + timedelta(days=6))
    both = pl.concat([build_charge_cycles(p.ctx, "2024-03", p.readings()) for p in (one, other)])
    row = evidence(one.ctx, both, BATTERY_DAYS.empty(), "current_sign", "soc")
    assert (row["verdict"], row["reason"]) == ("contradicts", "sign_changes")


def test_a_contradiction_is_a_finding_with_advice() -> None:
    plant = Charger(days=6, sign=-1, battery=BatterySettings(current_sign=1))
    cycles = build_charge_cycles(plant.ctx, "2024-03", plant.readings())
    finding = contradicted_settings(build_device_evidence(plant.ctx, cycles, BATTERY_DAYS.empty()))
    assert finding.failed["topic"].to_list() == ["current_sign"]
    assert "current_sign" in finding.advice
    right = Charger(days=6, sign=-1)
    assert contradicted_settings(build_device_evidence(right.ctx, cycles, BATTERY_DAYS.empty())).passed


def test_every_row_has_a_sentence_in_both_languages() -> None:
    plant = Charger(days=4)
    cycles = build_charge_cycles(plant.ctx, "2024-03", plant.readings())
    table = build_device_evidence(plant.ctx, cycles, BATTERY_DAYS.empty())
    assert len(table) == 5
    for row in [*table.to_dicts(), clock(7.0)]:
        for language in ("de", "en"):
            assert len(evidence_text(row, language)) > 10
    assert "100.0%" in evidence_text(table.row(by_predicate=pl.col("topic") == "current_sign", named=True), "en")
    empty = build_device_evidence(plant.ctx, CHARGE_CYCLES.empty(), BATTERY_DAYS.empty())
    assert empty.schema == DEVICE_EVIDENCE.polars_schema


def measured(nameplate_ah: float, capacity_ah: float = 280.0, with_soc: bool = True) -> dict[str, object]:
    plant = Charger(days=14, soc_low=2.0, capacity_ah=capacity_ah, with_soc=with_soc,
                    battery=BatterySettings(nameplate_ah=nameplate_ah))
    readings = plant.readings()
    cycles = build_charge_cycles(plant.ctx, "2024-03", readings)
    sat = build_sat_voltage(plant.ctx, "2024-03", readings, cycles)
    capacity = build_capacity(plant.ctx, cycles, sat, RESOLUTIONS["1d"].empty())
    table = build_device_evidence(plant.ctx, cycles, BATTERY_DAYS.empty(), sat, capacity)
    row = table.filter(pl.col("topic") == "nameplate").to_dicts()[0]
    assert contradicted_settings(table).passed == (row["verdict"] != "contradicts")
    for language in ("de", "en"):
        assert f"{nameplate_ah:g} Ah" in evidence_text(row, language) or row["verdict"] == "cannot_tell"
    return row


@pytest.mark.parametrize(("declared", "verdict"), [(280.0, "fits"), (288.0, "fits"), (310.0, "contradicts"),
                                                   (250.0, "contradicts")])
def test_a_nameplate_that_the_cells_do_not_have_is_contradicted_by_the_charge_between_anchors(
    declared: float, verdict: str
) -> None:
    row = measured(declared)
    assert (row["verdict"], row["found"]) == (verdict, "280 Ah")
    assert row["estimate"] == pytest.approx(280.0 / declared, rel=5e-3)
    assert row["low"] <= row["estimate"] <= row["high"]


def test_without_soc_less_than_the_nameplate_proves_nothing_and_more_does() -> None:
    assert measured(310.0, with_soc=False)["verdict"] == "fits"
    row = measured(240.0, with_soc=False)
    assert (row["verdict"], row["method"]) == ("contradicts", "anchors_only")
    assert row["estimate"] == pytest.approx(0.95 * 280 / 240, rel=0.01)


def test_few_anchored_ways_say_nothing_about_the_nameplate() -> None:
    plant = Charger(days=3, soc_low=2.0, battery=BatterySettings(nameplate_ah=400.0))
    cycles = build_charge_cycles(plant.ctx, "2024-03", plant.readings())
    row = evidence(plant.ctx, cycles, BATTERY_DAYS.empty(), "nameplate", "anchors")
    assert (row["verdict"], row["reason"]) == ("cannot_tell", "few_anchored")
