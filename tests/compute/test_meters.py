"""Meter tables return the energy, power and peaks that were planted in the quarter hours."""

from datetime import UTC, date, datetime

import polars as pl
import pytest
from meter_rows import BERLIN, PHASES, build, context, energy, gauge, quarters_of

from energy_pipeline.compute.meter_views import (
    day_hour_map,
    hour_weekday_map,
    load_duration,
    meter_periods,
    power_frame,
)
from energy_pipeline.compute.meters import build_meter_peaks
from energy_pipeline.schemas.meters import METER_DAILY, METER_PEAKS


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2024, 3, 31), 23), (date(2024, 1, 9), 24), (date(2024, 10, 27), 25)]
)
def test_a_day_of_constant_power_has_the_energy_of_its_23_24_or_25_hours(day: date, hours: int) -> None:
    times = quarters_of(day)
    row = build(context("com_ap"), gauge("com_ap", times, [8.0] * len(times))).row(0, named=True)
    assert row["day"] == day
    assert row["ts"] == times[0]
    assert row["day_length_s"] == hours * 3600
    assert row["energy_source"] == "power"
    assert row["import_kwh"] == row["net_kwh"] == row["power_net_kwh"] == pytest.approx(8.0 * hours)
    assert row["export_kwh"] == 0.0
    assert row["hours_of_use_h"] == pytest.approx(hours)
    assert row["load_factor"] == pytest.approx(1.0)
    assert row["base_load_kw"] == row["night_load_kw"] == pytest.approx(8.0)
    assert row["power_coverage"] == pytest.approx(1.0)
    assert row["register_coverage"] is None
    assert row["balance_percent"] is None


def test_negative_power_is_export_and_never_lowers_the_import_or_the_peak() -> None:
    times = quarters_of(date(2024, 1, 9))
    power = [-20.0 if 40 <= k < 60 else 4.0 for k in range(96)]
    row = build(context("com_ap"), gauge("com_ap", times, power)).row(0, named=True)
    assert row["import_kwh"] == pytest.approx(76)
    assert row["export_kwh"] == pytest.approx(100)
    assert row["net_kwh"] == pytest.approx(-24)
    assert row["peak_kw"] == 4.0
    assert row["peak_ts"] == times[0]
    assert row["min_kw"] == -20.0
    assert row["load_factor"] == pytest.approx(76 / 24 / 4)


def test_missing_quarter_hours_stay_missing() -> None:
    times = quarters_of(date(2024, 1, 9))
    row = build(context("com_ap"), gauge("com_ap", times[:48], [6.0] * 48)).row(0, named=True)
    assert row["import_kwh"] == pytest.approx(72)
    assert row["power_coverage"] == pytest.approx(0.5)
    assert row["base_load_kw"] is None
    assert row["night_load_kw"] == pytest.approx(6.0)
    assert row["load_factor"] == pytest.approx(1.0)


def test_a_half_covered_quarter_hour_makes_no_peak() -> None:
    times = quarters_of(date(2024, 1, 9))
    high = gauge("com_ap", times[10:11], [90.0], covered_s=450.0)
    rest = gauge("com_ap", times[11:], [5.0] * 85)
    row = build(context("com_ap"), high, rest).row(0, named=True)
    assert row["peak_kw"] == 5.0
    assert row["max_kw"] == 90.0


def test_base_load_is_the_5th_percentile_and_night_load_the_median_from_1_to_5() -> None:
    times = quarters_of(date(2024, 1, 9))
    power = [10.0 + k for k in range(96)]
    row = build(context("com_ap"), gauge("com_ap", times, power)).row(0, named=True)
    assert row["base_load_kw"] == pytest.approx(10 + 0.05 * 95)
    assert row["night_load_kw"] == pytest.approx(10 + (4 + 19) / 2)


def test_registers_go_before_power_and_the_balance_shows_the_difference() -> None:
    times = quarters_of(date(2024, 1, 9))
    frames = [
        gauge("com_ap", times, [10.0] * 48 + [-4.0] * 48),
        energy("pos_ae", times, [2.5 * 1.05] * 48 + [0.0] * 48),
        energy("neg_ae", times, [0.0] * 48 + [1.0] * 48),
    ]
    row = build(context("com_ap", "pos_ae", "neg_ae"), *frames).row(0, named=True)
    assert row["energy_source"] == "register"
    assert row["import_kwh"] == pytest.approx(126)
    assert row["export_kwh"] == pytest.approx(48)
    assert row["net_kwh"] == pytest.approx(78)
    assert row["power_net_kwh"] == pytest.approx(72)
    assert row["balance_percent"] == pytest.approx(100 * (72 - 78) / 174)
    assert row["register_coverage"] == pytest.approx(1.0)
    assert (row["peak_kw"], row["peak_source"]) == (10.0, "power")


def test_a_day_without_register_readings_falls_back_to_power() -> None:
    first, second = quarters_of(date(2024, 1, 9)), quarters_of(date(2024, 1, 10))
    frames = [gauge("com_ap", first + second, [4.0] * 192), energy("pos_ae", first, [1.1] * 96)]
    rows = build(context("com_ap", "pos_ae"), *frames)
    assert rows["energy_source"].to_list() == ["register", "power"]
    assert rows["import_kwh"].to_list() == pytest.approx([105.6, 96.0])
    assert rows["net_kwh"].to_list() == [None, pytest.approx(96.0)]


def test_a_register_alone_gives_energy_peaks_and_its_quantum() -> None:
    times = quarters_of(date(2024, 1, 9))
    kwh = [0.4, 1.2] * 48
    kwh[70] = 6.0
    ctx = context("pos_ae")
    frame = energy("pos_ae", times, kwh)
    row = build(ctx, frame).row(0, named=True)
    assert row["import_kwh"] == pytest.approx(sum(kwh))
    assert row["export_kwh"] is None
    assert row["net_kwh"] is None
    assert row["mean_kw"] is None
    assert (row["peak_kw"], row["peak_ts"], row["peak_source"]) == (pytest.approx(24.0), times[70], "register")
    peaks = build_meter_peaks(ctx, "2024-01", frame)
    assert peaks["rank"].to_list() == list(range(1, 11))
    assert peaks["power_kw"].to_list() == pytest.approx([24.0] + [4.8] * 9)
    assert peaks["ts"][1] == times[1]
    assert peaks["quantum_kw"].unique().to_list() == [pytest.approx(1.6)]
    assert set(peaks["source"]) == {"register"}


def test_an_estimated_quarter_hour_is_energy_but_no_peak() -> None:
    times = quarters_of(date(2024, 1, 9))
    kwh, guessed = [1.0] * 96, [0.0] * 96
    kwh[20], guessed[20] = 9.0, 8.0
    kwh[30], guessed[30] = 5.0, 0.4
    ctx, frame = context("pos_ae"), energy("pos_ae", times, kwh, estimated=guessed)
    row = build(ctx, frame).row(0, named=True)
    assert row["import_kwh"] == pytest.approx(94 + 14)
    assert row["estimated_kwh"] == pytest.approx(8.4)
    assert (row["peak_kw"], row["peak_ts"]) == (pytest.approx(20.0), times[30])
    peaks = build_meter_peaks(ctx, "2024-01", frame)
    assert peaks["coverage"][0] == pytest.approx(0.92)


def test_a_signed_net_register_alone_is_split_by_quarter_hours_and_a_monotone_one_is_import() -> None:
    times = quarters_of(date(2024, 1, 9))
    frame = energy("com_ae", times, [1.0] * 60 + [-0.5] * 36)
    row = build(context("com_ae"), frame).row(0, named=True)
    assert (row["import_kwh"], row["export_kwh"], row["net_kwh"]) == pytest.approx((60.0, 18.0, 42.0))
    rising = energy("com_ae", times, [1.0] * 96)
    row = build(context("com_ae", net_kind="counter"), rising).row(0, named=True)
    assert (row["import_kwh"], row["export_kwh"], row["net_kwh"]) == (pytest.approx(96.0), None, None)


def test_three_phases_add_up_and_a_day_without_one_of_them_has_no_sum() -> None:
    first, second = quarters_of(date(2024, 1, 9)), quarters_of(date(2024, 1, 10))
    ctx = context(*PHASES)
    frames = [
        energy(PHASES[0], first + second, [0.1] * 192, levels=[0.1, 0.102] * 96),
        energy(PHASES[1], first + second, [0.2] * 192, levels=[0.2] * 192),
        energy(PHASES[2], first, [0.3] * 96, levels=[0.3] * 96),
    ]
    rows = build(ctx, *frames)
    assert rows["day"].to_list() == [date(2024, 1, 9), date(2024, 1, 10)]
    assert rows["import_kwh"].to_list() == [pytest.approx(57.6), None]
    assert rows["energy_source"].to_list() == ["interval", None]
    assert rows["peak_kw"].to_list() == [pytest.approx(2.4), None]
    peaks = build_meter_peaks(ctx, "2024-01", pl.concat(frames))
    assert set(peaks["source"]) == {"interval"}
    assert peaks["quantum_kw"][0] == pytest.approx(0.008)


def test_hourly_interval_rows_give_energy_but_no_quarter_hour_peak() -> None:
    times = quarters_of(date(2024, 1, 9))
    ctx, frame = context(PHASES[0], interval_s=3600.0), energy(PHASES[0], times, [0.5] * 96)
    row = build(ctx, frame).row(0, named=True)
    assert row["import_kwh"] == pytest.approx(48.0)
    assert row["peak_kw"] is None
    assert build_meter_peaks(ctx, "2024-01", frame).is_empty()


def test_the_power_factor_is_weighted_by_time_and_by_energy_and_low_only_under_load() -> None:
    times = quarters_of(date(2024, 1, 9))
    power = [100.0] * 48 + [20.0] * 24 + [1.0] * 24
    factor = [0.98] * 48 + [-0.80] * 24 + [0.10] * 24
    ctx = context("com_ap", "pf")
    row = build(ctx, gauge("com_ap", times, power), gauge("pf", times, factor)).row(0, named=True)
    assert row["power_factor_time"] == pytest.approx((0.98 * 48 + 0.80 * 24 + 0.10 * 24) / 96)
    weight = 100 * 48 + 20 * 24 + 24
    assert row["power_factor_energy"] == pytest.approx((0.98 * 4800 + 0.80 * 480 + 0.10 * 24) / weight)
    assert row["power_factor_low_share"] == pytest.approx(24 / 72)


def test_peaks_are_ranked_by_size_then_by_time() -> None:
    times = quarters_of(date(2024, 1, 9))
    power = [1.0] * 96
    power[50], power[10], power[80] = 40.0, 30.0, 40.0
    peaks = build_meter_peaks(context("com_ap"), "2024-01", gauge("com_ap", times, power))
    assert peaks["ts"].to_list()[:4] == [times[50], times[80], times[10], times[0]]
    assert peaks["power_kw"].to_list()[:3] == [40.0, 40.0, 30.0]
    assert peaks["quantum_kw"].null_count() == 10
    assert peaks.height == 10


def test_a_device_without_meter_signals_has_empty_tables_of_the_right_shape() -> None:
    times = quarters_of(date(2024, 1, 9))
    ctx, frame = context("bms1_soc"), gauge("bms1_soc", times, [50.0] * 96)
    daily = build(ctx, frame)
    assert daily.is_empty()
    assert daily.schema == METER_DAILY.polars_schema
    peaks = build_meter_peaks(ctx, "2024-01", frame)
    assert peaks.is_empty()
    assert peaks.schema == METER_PEAKS.polars_schema


def test_the_load_duration_curve_weighs_by_time() -> None:
    start = datetime(2024, 1, 9, tzinfo=UTC)
    parts = [gauge("com_ap", [start], [9.0], covered_s=100.0), gauge("com_ap", [start], [3.0], covered_s=300.0)]
    frame = pl.concat(parts)
    curve = load_duration(power_frame(frame))
    assert curve["power_kw"].to_list() == [9.0, 3.0]
    assert curve["share"].to_list() == [0.25, 1.0]


def test_maps_use_local_hours_and_merge_the_repeated_one() -> None:
    times = quarters_of(date(2024, 10, 27))
    power = power_frame(gauge("com_ap", times, [float(k) for k in range(100)]))
    weekly = hour_weekday_map(power, BERLIN)
    assert weekly["weekday"].unique().to_list() == [7]
    assert weekly.filter(pl.col("hour") == 2)["power_kw"].item() == pytest.approx(sum(range(8, 16)) / 8)
    daily = day_hour_map(power, BERLIN)
    assert daily.height == 24
    assert daily["day"].unique().to_list() == [date(2024, 10, 27)]
    assert daily.filter(pl.col("hour") == 2)["covered_s"].item() == 7200.0
    assert daily.filter(pl.col("hour") == 23)["power_kw"].item() == pytest.approx(97.5)


def test_periods_follow_the_local_calendar_and_count_their_days() -> None:
    days = [date(2023, 12, 30), date(2024, 1, 1), date(2024, 1, 7), date(2024, 1, 8)]
    frames = [gauge("com_ap", quarters_of(d), [float(k + 1)] * 96) for k, d in enumerate(days)]
    daily = build(context("com_ap"), *frames)
    weeks = meter_periods(daily, "week")
    assert weeks["label"].to_list() == ["2023-W52", "2024-W01", "2024-W02"]
    assert weeks["days_covered"].to_list() == [1, 2, 1]
    assert weeks["import_kwh"].to_list() == pytest.approx([24.0, 120.0, 96.0])
    assert weeks["peak_kw"].to_list() == [1.0, 3.0, 4.0]
    assert weeks["hours_of_use_h"][1] == pytest.approx(40.0)
    months = meter_periods(daily, "month")
    assert months["label"].to_list() == ["2023-12", "2024-01"]
    assert months["days"].to_list() == [31, 31]
    years = meter_periods(daily, "year")
    assert (years["label"].to_list(), years["days"].to_list()) == (["2023", "2024"], [365, 366])
    with pytest.raises(ValueError, match="choose week, month or year"):
        meter_periods(daily, "day")  # type: ignore[arg-type]
