"""The plant score finds what the tables show, and says what they cannot."""

from datetime import date
from typing import Any

import polars as pl

from energy_pipeline.schemas.base import Table
from energy_pipeline.schemas.battery import CAPACITY, CELL_HEALTH, CHARGE_CYCLES, DEGRADATION_FITS, REGIMES, SAT_DAILY
from energy_pipeline.schemas.battery_energy import BATTERY_ENERGY, DEVICE_EVIDENCE, RESISTANCE_TRENDS
from energy_pipeline.schemas.ingest import REJECTED_READINGS
from energy_pipeline.score.plant_score import score_plant

SYSTEM = {"efc": 100.0, "dc_in_kwh": 1000.0, "dc_out_kwh": 970.0}


def one(table: Table, **values: Any) -> pl.DataFrame:
    """One row of a table, null where nothing is given; not validated, for only the columns used matter."""
    return pl.DataFrame([values], schema_overrides=dict(table.polars_schema)).select(
        pl.col(c) if c in values else pl.lit(None, table.polars_schema[c]).alias(c) for c in table.column_names
    )


def tables(**changed: pl.DataFrame) -> dict[str, pl.DataFrame]:
    empty = {
        "degradation_fits": DEGRADATION_FITS, "regimes": REGIMES, "cell_health": CELL_HEALTH, "sat_daily": SAT_DAILY,
        "charge_cycles": CHARGE_CYCLES, "capacity": CAPACITY, "device_evidence": DEVICE_EVIDENCE,
        "resistance_trends": RESISTANCE_TRENDS, "battery_energy": BATTERY_ENERGY,
        "rejected_readings": REJECTED_READINGS,
    }
    return {k: t.empty() for k, t in empty.items()} | changed


def score(faults: list[dict[str, Any]], found: dict[str, pl.DataFrame]) -> dict[str, dict[str, Any]]:
    truth = {"plan": {"start": "2024-01-01"}, "systems": {"a": SYSTEM}, "faults": faults}
    return {r["fault"]: r for r in score_plant(truth, "a", found)}


def test_a_drift_counts_only_with_the_right_sign() -> None:
    fault = {"kind": "drifting_offset", "pack": 1, "cell": 2, "mv_per_year": 24.0, "system": 0}
    fit = {"level": "cell", "pack": 1, "cell": 2, "quantity": "sat_offset_mv", "slope_per_year": 23.0}
    right = tables(degradation_fits=one(DEGRADATION_FITS, **fit, verdict="rising"))
    wrong = tables(degradation_fits=one(DEGRADATION_FITS, **fit, verdict="falling"))
    assert score([fault], right)["drifting_offset"]["found"] is True
    assert score([fault], wrong)["drifting_offset"]["found"] is False
    assert score([fault], tables())["drifting_offset"]["found"] is False


def test_a_step_counts_within_three_days() -> None:
    fault = {"kind": "regime_step", "day": 140, "mv": -24.0, "system": None}
    step = {"scope": "system", "step_mv": -23.5, "kind": "operating_regime"}
    near = tables(regimes=one(REGIMES, **step, day=date(2024, 5, 22)))
    far = tables(regimes=one(REGIMES, **step, day=date(2024, 5, 28)))
    assert score([fault], near)["regime_step"]["estimate"] == -23.5
    assert score([fault], near)["regime_step"]["found"] is True
    assert score([fault], far)["regime_step"]["found"] is False


def test_a_finding_that_nobody_planted_is_counted() -> None:
    found = tables(cell_health=one(CELL_HEALTH, pack=1, cell=9, finding="weak_cell"))
    weak = {"kind": "weak_capacity", "pack": 1, "cell": 9, "fraction": 0.03, "system": 0}
    assert score([weak], found)["findings_without_a_fault"]["found"] is True
    assert score([], found)["findings_without_a_fault"]["estimate"] == 1


def test_a_trend_of_resistance_that_nobody_planted_is_counted_once_per_cell() -> None:
    rising = {"pack": 1, "cell": 9, "verdict": "rising", "slope_percent_per_year": 60.0, "soc_bin": "high"}
    found = tables(resistance_trends=one(RESISTANCE_TRENDS, **rising))
    fault = {"kind": "rising_resistance", "pack": 1, "cell": 9, "percent_per_year": 60.0, "system": 0}
    assert score([fault], found)["resistance_trends_without_a_fault"]["found"] is True
    assert score([], found)["resistance_trends_without_a_fault"]["estimate"] == 1
    stable = tables(resistance_trends=one(RESISTANCE_TRENDS, **rising | {"verdict": "stable"}))
    assert score([], stable)["resistance_trends_without_a_fault"]["found"] is True


def test_what_the_tables_cannot_show_stays_open() -> None:
    row = score([{"kind": "register_reset", "meter": 1, "signal": "pos_ae", "day": 3, "system": 0}], tables())
    assert row["register_reset"]["found"] is None


def test_a_wrong_zone_counts_where_the_hours_are_right_and_unplanted_contradictions_are_counted() -> None:
    wrong = {"topic": "zone", "method": "outside_temperature", "verdict": "contradicts"}
    fault = {"kind": "zone_wrong_hours", "hours": 7.0, "system": 0}
    near = tables(device_evidence=one(DEVICE_EVIDENCE, **wrong, estimate=6.6))
    far = tables(device_evidence=one(DEVICE_EVIDENCE, **wrong, estimate=-6.6))
    assert score([fault], near)["zone_wrong_hours"]["found"] is True
    assert score([fault], far)["zone_wrong_hours"]["found"] is False
    assert score([fault], tables())["zone_wrong_hours"]["found"] is False
    assert score([], near)["contradictions_without_a_fault"]["estimate"] == 1
    assert score([fault], near)["contradictions_without_a_fault"]["found"] is True


def test_totals_are_judged_by_their_targets_and_not_over_a_gap() -> None:
    good = tables(capacity=one(CAPACITY, efc_ah=100.9, round_trip_percent=97.9))
    bad = tables(capacity=one(CAPACITY, efc_ah=101.1, round_trip_percent=98.1))
    assert [score([], t)["efc_ah"]["found"] for t in (good, bad, tables())] == [True, False, False]
    assert [score([], t)["round_trip_dc"]["found"] for t in (good, bad)] == [True, False]
    gap = {"kind": "missing_days", "from_day": 10, "days": 5, "system": 0}
    assert score([gap], good)["efc_ah"]["found"] is None


def test_the_worst_window_of_a_round_trip_is_judged_and_not_their_median() -> None:
    day = {"efc_ah": 100.0}
    rows = pl.concat([one(CAPACITY, **day, round_trip_percent=v) for v in (97.0, 97.1, 96.9, 87.0)])
    row = score([], tables(capacity=rows))["round_trip_dc"]
    assert (row["found"], row["estimate"]) == (False, 87.0)


def test_faults_count_as_found_only_by_the_finding_that_names_them() -> None:
    place = {"pack": 1, "cell": 9}
    rising = {"kind": "rising_resistance", **place, "percent_per_year": 60.0, "system": 0}
    leaking = {"kind": "self_discharge", **place, "percent_per_month": 0.15, "system": 0}
    days = one(SAT_DAILY, day=date(2024, 1, 1))
    other = tables(cell_health=one(CELL_HEALTH, **place, finding="offset_rising", verdict="rising"), sat_daily=days)
    assert score([rising, leaking], other)["rising_resistance"]["found"] is False
    assert score([rising, leaking], other)["self_discharge"]["found"] is False
    high = tables(cell_health=one(CELL_HEALTH, **place, finding="resistance_high"), sat_daily=days)
    assert score([rising], high)["rising_resistance"]["found"] is True
    falls = tables(cell_health=one(CELL_HEALTH, **place, finding="outlier", verdict="falling"), sat_daily=days)
    assert score([leaking], falls)["self_discharge"]["found"] is True


def test_a_wrong_nameplate_is_found_by_the_evidence_alone() -> None:
    fault = {"kind": "wrong_nameplate", "nameplate_ah": 310.0}
    says = {"topic": "nameplate", "method": "anchors", "estimate": 0.92}
    seen = tables(device_evidence=one(DEVICE_EVIDENCE, **says, verdict="contradicts"))
    unseen = tables(device_evidence=one(DEVICE_EVIDENCE, **says, verdict="fits"),
                    capacity=one(CAPACITY, q_soc_ah=285.0))
    assert score([fault], seen)["wrong_nameplate"]["found"] is True
    assert score([fault], unseen)["wrong_nameplate"]["found"] is False
    assert score([fault], seen)["contradictions_without_a_fault"]["found"] is True
    assert score([], seen)["contradictions_without_a_fault"]["found"] is False
