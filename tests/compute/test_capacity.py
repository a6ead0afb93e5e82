"""Capacity by anchors, cycles three ways, round trip; and what is missing stays missing with a reason."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from plants import START, Charger, context, signals_table

from energy_pipeline.compute.anchors import with_true_charge
from energy_pipeline.compute.battery_days import build_battery_days
from energy_pipeline.compute.capacity import build_capacity
from energy_pipeline.compute.charge_cycles import build_charge_cycles
from energy_pipeline.compute.sat_voltage import build_sat_voltage
from energy_pipeline.schemas.battery import CAPACITY, CHARGE_CYCLES, SAT_VOLTAGE
from energy_pipeline.schemas.resolution import RESOLUTIONS
from energy_pipeline.settings import BatterySettings

DAILY = RESOLUTIONS["1d"].empty()


def capacity(plant: Charger, daily: pl.DataFrame = DAILY) -> pl.DataFrame:
    readings = plant.readings()
    cycles = build_charge_cycles(plant.ctx, "2024-03", readings)
    return build_capacity(plant.ctx, cycles, build_sat_voltage(plant.ctx, "2024-03", readings, cycles), daily)


def test_capacity_between_anchors_comes_back_within_two_percent_whatever_sign_and_zero() -> None:
    for sign, zero in ((1, 0.0), (-1, 1.5), (1, -1.5)):
        plant = Charger(days=12, soc_low=2.0, capacity_ah=261.0, sign=sign, zero_a=zero)
        rows = capacity(plant)
        last = rows.to_dicts()[-1]
        assert last["q_anchor_median_ah"] == pytest.approx(0.95 * 261.0, rel=5e-3)
        assert last["q_soc_ah"] == pytest.approx(261.0, rel=3e-3)
        assert last["soh_nameplate_percent"] == pytest.approx(100 * 0.95 * 261.0 / 280.0, rel=5e-3)
        assert last["soh_first_percent"] == pytest.approx(100.0, abs=0.2)


def test_thirty_equal_cycles_give_thirty_times_depth_within_a_percent_in_all_three_counts() -> None:
    plant = Charger(days=30, soc_low=2.0, capacity_ah=280.0)
    last = capacity(plant).to_dicts()[-1]
    for name in ("efc_ah", "efc_energy", "efc_soc"):
        assert last[name] == pytest.approx(30 * 0.95, rel=0.01)


def test_the_round_trip_closes_at_equal_soc_and_holds_seven_cycles() -> None:
    plant = Charger(days=20, soc_low=2.0)
    rows = capacity(plant)
    known = rows.drop_nulls("round_trip_percent")
    hours = plant.hours(30.0, 0)
    current, volts = plant.current_at(hours), plant.voltage_at(hours)
    truth = -100 * (volts * np.minimum(current, 0)).sum() / (volts * np.maximum(current, 0)).sum()
    assert known["round_trip_percent"][-1] == pytest.approx(truth, abs=0.3)
    assert known["efc_ah"].min() > 7.0


def _true_round_trip(plant: Charger) -> float:
    hours = plant.hours(30.0, 0)
    current, volts = plant.current_at(hours), plant.voltage_at(hours)
    return float(-100 * (volts * np.minimum(current, 0)).sum() / (volts * np.maximum(current, 0)).sum())


def _without(plant: Charger, signals: list[str], day: int, first_hour: float, last_hour: float) -> pl.DataFrame:
    """Capacity of a plant whose `signals` have no readings between two hours of a day (all signals if none named)."""
    begin = plant.start.astimezone(UTC) + timedelta(days=day, hours=first_hour)
    end = plant.start.astimezone(UTC) + timedelta(days=day, hours=last_hour)
    gone = pl.col("ts").is_between(begin, end) & (pl.col("signal").is_in(signals) if signals else pl.lit(value=True))
    readings = plant.frame().filter(~gone).lazy()
    cycles = build_charge_cycles(plant.ctx, "2024-03", readings)
    sat = build_sat_voltage(plant.ctx, "2024-03", readings, cycles)
    return build_capacity(plant.ctx, cycles, sat, DAILY, build_battery_days(plant.ctx, "2024-03", readings, cycles))


@pytest.mark.parametrize(
    ("signals", "first", "last"),
    [([], 16.0, 20.0), ([], 17.2, 18.0), (["bms1_soc"], 18.0, 20.0), (["bms1_v"], 17.2, 18.0), (["bms1_c"], 8.5, 9.5)],
    ids=["outage of four hours", "outage of 48 minutes", "no SOC at the end", "no pack voltage", "no current"],
)
def test_no_round_trip_window_closes_over_a_gap(signals: list[str], first: float, last: float) -> None:
    plant = Charger(days=24, soc_low=2.0)
    rows = _without(plant, signals, 10, first, last)
    known = rows.drop_nulls("round_trip_percent")
    truth = _true_round_trip(plant)
    assert len(known) >= 7
    assert (known["round_trip_percent"] - truth).abs().max() < 0.3
    assert (known["coulombic_percent"] - 100.0).abs().max() < 0.3
    gap = rows.filter(pl.col("day") == plant.start.date() + timedelta(days=13))
    assert gap["round_trip_percent"].to_list() == [None]
    assert gap["round_trip_reason"].to_list() == ["gap"]


def test_a_day_without_a_round_trip_says_why() -> None:
    rows = capacity(Charger(days=9, soc_low=2.0))
    assert rows["round_trip_reason"].to_list()[:7] == ["few_cycles"] * 7
    blind = capacity(Charger(days=9, soc_low=2.0, with_soc=False))
    assert blind["round_trip_reason"].unique().to_list() == ["no_soc"]
    assert rows.filter(pl.col("round_trip_percent").is_not_null())["round_trip_reason"].null_count() > 0


def test_without_soc_a_way_between_anchors_must_be_covered_by_current_throughout() -> None:
    plant = Charger(days=12, soc_low=2.0, with_soc=False)
    whole = 0.95 * 280.0
    rows = _without(plant, [], 5, 17.3, 17.3 + 40 / 60)
    known = rows.drop_nulls("q_anchor_ah")
    assert len(known) >= 11
    assert known["q_anchor_ah"].to_list() == pytest.approx([whole] * len(known), rel=0.01)
    assert known["q_discharge_ah"].drop_nulls().to_list() == pytest.approx([whole] * known["q_discharge_ah"].count(),
                                                                           rel=0.01)


def test_without_soc_current_that_no_segment_holds_is_no_way_between_anchors() -> None:
    # A discharge that pauses for twelve minutes after its first twenty: the first piece is too short for a segment.
    plant = Charger(days=12, soc_low=2.0, with_soc=False)
    frame = plant.frame()
    begin = plant.start.astimezone(UTC) + timedelta(days=5, hours=17, minutes=20)
    pause = (pl.col("signal") == "bms1_c") & pl.col("ts").is_between(begin, begin + timedelta(minutes=12))
    readings = frame.with_columns(pl.when(pause).then(0.0).otherwise("value").alias("value")).lazy()
    cycles = build_charge_cycles(plant.ctx, "2024-03", readings)
    rows = build_capacity(plant.ctx, cycles, build_sat_voltage(plant.ctx, "2024-03", readings, cycles), DAILY)
    assert rows["q_discharge_ah"].drop_nulls().min() == pytest.approx(0.95 * 280.0, rel=0.01)


def test_a_month_of_partial_charges_anchors_no_full_end() -> None:
    rows = capacity(Charger(days=12, soc_low=2.0, soc_high=70.0))
    assert rows["q_anchor_ah"].null_count() == len(rows)
    assert rows["reason"].unique().to_list() == ["no_full_end"]


def test_days_that_are_never_full_or_empty_say_so() -> None:
    never_empty = capacity(Charger(days=5, soc_low=20.0))
    assert never_empty["q_anchor_ah"].null_count() == 5
    assert never_empty["reason"].unique().to_list() == ["no_empty_end"]
    assert never_empty["efc_soc"].null_count() == 5


def test_without_voltage_anchors_of_enough_number_there_is_no_median() -> None:
    rows = capacity(Charger(days=3, soc_low=2.0))
    assert rows["q_anchor_ah"].null_count() == 0
    assert rows["q_anchor_median_ah"].null_count() == 3


def test_the_bms_health_stands_beside_with_the_last_reading_of_the_day() -> None:
    plant = Charger(days=3, soc_low=2.0)
    day = datetime(2024, 3, 1, 23, tzinfo=UTC).replace(day=1)
    daily = DAILY.vstack(
        RESOLUTIONS["1d"].conform(
            pl.DataFrame(
                [{"device": "plant", "month": "2024-03", "signal": "bms1_soh", "ts": day, "n": 5, "covered_s": 9.0,
                  "last": 97.0}], schema=RESOLUTIONS["1d"].polars_schema
            )
        )
    )
    names = dict(zip(plant.ctx.signals["signal"], plant.ctx.signals["quantity"], strict=True)) | {"bms1_soh": "soh"}
    ctx = context(signals_table(names, START, START))
    readings = plant.readings()
    cycles = build_charge_cycles(ctx, "2024-03", readings)
    rows = build_capacity(ctx, cycles, SAT_VOLTAGE.empty(), daily)
    assert rows.drop_nulls("soh_bms_percent").select("day", "soh_bms_percent").rows()[0][1] == 97.0


def test_the_zero_is_taken_off_with_the_segments_own_sign() -> None:
    rows = pl.DataFrame(
        {
            "start_ts": [START.astimezone(UTC)] * 2, "kind": ["charge", "discharge"], "file_sign": [-1, -1],
            "sign_contradiction": [False, False], "zero_current_a": [1.0, 1.0], "duration_s": [7200.0, 7200.0],
            "charge_ah": [198.0, 202.0], "energy_kwh": [198.0 * 0.8, 202.0 * 0.8], "voltage_mean_v": [800.0, 800.0],
        }
    )
    assert with_true_charge(rows)["true_ah"].to_list() == [200.0, 200.0]
    assert with_true_charge(rows)["true_kwh"].to_list() == pytest.approx([160.0, 160.0])


def test_nothing_gives_an_empty_table() -> None:
    ctx = context(signals_table({"com_ap": "active_power"}, START, START), BatterySettings())
    assert build_capacity(ctx, CHARGE_CYCLES.empty(), SAT_VOLTAGE.empty(), DAILY).schema == CAPACITY.polars_schema
