"""The fleet's line of a battery: alarms of error codes alone, energy of the last days, what is held."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from plants import context, signals_table

from energy_pipeline.assets.fleet import READS
from energy_pipeline.compute.alarms import hours_set
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.fleet import build_fleet_row
from energy_pipeline.schemas import TABLES

FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 3, 31, 12, tzinfo=UTC)
SIGNALS = {"bms1_soc": "soc", "pcs1_errcode": "error_code"}


def ctx(names: dict[str, str] | None = None) -> DeviceContext:
    return context(signals_table(SIGNALS if names is None else names, FIRST, LAST))


def events(*spans: tuple[datetime, datetime]) -> pl.DataFrame:
    times = {"start_ts": [a for a, _ in spans], "end_ts": [b for _, b in spans]}
    frame = pl.DataFrame(times, schema={n: pl.Datetime("us", "UTC") for n in times})
    return frame.with_columns(ongoing=pl.col("end_ts") > LAST)


def row(ctx_: DeviceContext, **tables: pl.DataFrame) -> dict:
    return build_fleet_row(ctx_, {n: TABLES[n].empty() for n in READS} | tables).to_dicts()[0]


def test_an_error_code_alone_counts_as_an_alarm_and_only_inside_the_last_thirty_days() -> None:
    border = LAST - timedelta(days=30)
    found = row(ctx(), alarm_events=events(
        (FIRST, FIRST + timedelta(days=2)),
        (border - timedelta(hours=5), border + timedelta(hours=3)),
        (LAST - timedelta(hours=4), LAST + timedelta(minutes=15)),
    ))  # fmt: skip
    assert found["alarm_hours_30d"] == pytest.approx(3 + 4)
    assert found["alarms_open"] == 1


def test_two_alarms_at_once_count_their_time_once() -> None:
    at = [FIRST + timedelta(hours=h) for h in range(12)]
    spans = events((at[1], at[6]), (at[2], at[3]), (at[5], at[8]), (at[10], at[11]))
    assert hours_set(spans, at[0], at[11]) == pytest.approx(7 + 1)
    assert hours_set(spans, at[4], at[7]) == pytest.approx(3)
    assert hours_set(spans.clear(), at[0], at[11]) == 0.0


def test_a_system_without_an_alarm_signal_has_no_alarm_hours_rather_than_none_at_all() -> None:
    found = row(ctx({"bms1_soc": "soc"}))
    assert (found["alarm_hours_30d"], found["alarms_open"]) == (None, None)


def test_alarm_signals_that_fell_silent_before_the_last_days_say_nothing_about_them() -> None:
    old = signals_table(SIGNALS, FIRST, LAST).with_columns(
        last_ts=pl.when(pl.col("signal") == "pcs1_errcode").then(pl.lit(LAST - timedelta(days=40))).otherwise("last_ts")
    )
    assert row(context(old))["alarm_hours_30d"] is None


def test_energy_of_the_last_thirty_days_comes_from_the_terminals_else_from_the_inverter() -> None:
    days = [LAST.date() - timedelta(days=k) for k in range(40)]
    names = ("dc_in_kwh", "dc_out_kwh", "ac_in_kwh", "ac_out_kwh")
    flows = pl.DataFrame({"day": days} | dict(zip(names, ([10.0] * 40, [9.0] * 40, [11.0] * 40, [8.0] * 40),
                                                  strict=True)))  # fmt: skip
    found = row(ctx(), battery_energy=flows)
    assert (found["charged_kwh_30d"], found["discharged_kwh_30d"], found["energy_boundary"]) == (300.0, 270.0, "dc")
    without = flows.with_columns(pl.lit(None, pl.Float64).alias(c) for c in names[:2])
    found = row(ctx(), battery_energy=without)
    assert (found["charged_kwh_30d"], found["discharged_kwh_30d"], found["energy_boundary"]) == (330.0, 240.0, "ac")
    assert row(ctx())["charged_kwh_30d"] is None


def test_what_is_held_follows_from_deep_discharges_and_the_last_state_of_charge() -> None:
    end = LAST.date()
    cycles = pl.DataFrame({
        "kind": ["discharge", "discharge", "discharge", "charge"],
        "day": [end, end, end - timedelta(days=45), end], "delta_soc": [90.0, 30.0, 90.0, 90.0],
        "energy_kwh": [180.0, 90.0, 900.0, 200.0], "coverage_current": [1.0] * 4, "coverage_voltage": [1.0] * 4,
    })  # fmt: skip
    soc = pl.DataFrame(
        {"ts": [LAST - timedelta(hours=12)], "signal": ["bms1_soc"], "last": [25.0], "max": [100.0],
         "covered_s": [86_400.0]},
        schema_overrides={"ts": pl.Datetime("us", "UTC")},
    )  # fmt: skip
    found = row(ctx(), charge_cycles=cycles, resolution_1d=soc)
    assert found["energy_full_kwh"] == pytest.approx(200.0)
    assert found["energy_held_kwh"] == pytest.approx(50.0)
    assert row(ctx(), charge_cycles=cycles)["energy_held_kwh"] is None
    assert row(ctx(), resolution_1d=soc)["energy_full_kwh"] is None


def test_the_thirty_days_of_a_meter_end_with_its_last_reading_and_not_with_the_day_it_is_held_into() -> None:
    days = [LAST.date() + timedelta(days=1 - k) for k in range(41)]  # the first: a power held past midnight
    rows = pl.DataFrame({"day": days, "import_kwh": [0.2, *[10.0] * 40], "peak_kw": [900.0, *[5.0] * 40]})
    found = row(ctx({"com_ap": "active_power"}), meter_daily=rows.with_columns(export_kwh=pl.lit(None, pl.Float64)))
    assert found["import_kwh_30d"] == pytest.approx(300.0)
    assert found["peak_kw_30d"] == 5.0
