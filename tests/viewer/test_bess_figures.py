"""Availability, rainflow, lifetime, spread and alarms of a battery system: planted numbers come back."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from energy_pipeline.settings import BatterySettings, Settings
from tests.viewer.lake_factory import write_table
from viewer.figures_of_bess import alarm_hours, alarm_timeline, availability_months, availability_whole
from viewer.figures_of_meters import quarter_power
from viewer.pages.bess_capacity import _soh
from viewer.pages.bess_cycles import cycles_card, rainflow_figure
from viewer.pages.bess_life import life_cards, projection_table
from viewer.pages.packpulse.condition_data import bins_of, cell_resistance, pack_spreads
from viewer.store import Store
from viewer.texts import Texts

DE, B, BERLIN = Texts("de"), "b1", ZoneInfo("Europe/Berlin")
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


def _days(rows: list[tuple[date, float | None, float]]) -> pl.DataFrame:
    names = {"day": pl.Date, "availability": pl.Float64, "data_share": pl.Float64}
    return pl.DataFrame(rows, schema=names, orient="row")


def test_availability_of_a_month_weighs_days_by_their_data_and_leaves_days_without_a_value_out() -> None:
    rows = _days([(date(2025, 1, 1), 1.0, 1.0), (date(2025, 1, 2), 0.5, 0.5), (date(2025, 1, 3), None, 0.0)])
    month = availability_months(rows, BERLIN).row(0, named=True)
    assert month["availability"] == pytest.approx(1.25 / 1.5)
    assert (month["days"], month["days_below"], month["worst_day"]) == (2, 1, date(2025, 1, 2))
    assert month["hours_lost"] == pytest.approx(6.0)
    assert month["data_share"] == pytest.approx(0.5)


@pytest.mark.parametrize(("day", "hours"), [(date(2025, 3, 30), 23), (date(2025, 10, 26), 25), (date(2025, 6, 1), 24)])
def test_alarm_hours_follow_the_true_length_of_the_local_day(day: date, hours: int) -> None:
    rows = _days([(day, 0.0, 1.0), (day + timedelta(days=1), 1.0, 1.0)])
    for found in (availability_months(rows, BERLIN).row(0, named=True), availability_whole(rows, BERLIN)):
        assert found["hours_lost"] == pytest.approx(hours)
        assert found["availability"] == pytest.approx(24 / (hours + 24))
    assert availability_months(rows, ZoneInfo("UTC"))["hours_lost"][0] == pytest.approx(24)


def test_a_month_without_any_value_has_no_availability_and_no_hour_lost() -> None:
    month = availability_months(_days([(date(2025, 2, 1), None, 0.0)]), BERLIN).row(0, named=True)
    assert (month["availability"], month["hours_lost"], month["worst_day"], month["days"]) == (None, None, None, 0)


def test_counts_of_cycles_that_differ_by_more_than_the_setting_are_marked() -> None:
    rows = pl.DataFrame({"efc_ah": [100.0], "efc_energy": [104.0], "efc_soc": [102.0]})
    assert cycles_card(rows, DE, BatterySettings()).status == "ok"
    strict = cycles_card(rows, DE, BatterySettings(efc_difference_percent=3.0))
    assert strict.status == "warn"
    assert "3" in strict.note


def test_the_rainflow_map_holds_every_class_once() -> None:
    rows = pl.DataFrame(
        {"depth_low": [80.0, 10.0], "depth_high": [90.0, 20.0], "mean_low": [40.0, 20.0], "mean_high": [60.0, 40.0],
         "cycles": [300.0, 12.5], "equivalent_full_cycles": [255.0, 1.9]}
    )  # fmt: skip
    (quad,) = rainflow_figure(rows, DE).renderers
    assert list(quad.data_source.data["cycles"]) == [300.0, 12.5]
    assert quad.data_source.data["mean"] == ["40 … 60 %", "20 … 40 %"]


def _fit(**given: object) -> dict:
    fit = dict.fromkeys(
        ("slope_per_year", "slope_low", "slope_high", "days_missing", "span_days", "reason", "projection_5000",
         "projection_5000_low", "projection_5000_high", "extrapolation_ratio_5000", "projection_10000",
         "projection_10000_low", "projection_10000_high", "extrapolation_ratio_10000")
    )  # fmt: skip
    return fit | {"verdict": "insufficient_data", "unit": "%", "n_days": 26, "preliminary": False} | given


def test_lifetime_is_not_told_before_the_data_allow_it() -> None:
    cards = {c.label: c for c in life_cards(_fit(days_missing=94, span_days=192), DE)}
    assert cards["Ende der Lebensdauer"].value == "noch nicht möglich"
    assert "94" in cards["Messungen der Kapazität"].note
    assert [r["level"] for r in projection_table(_fit(), DE, 3.0)] == ["Daten reichen nicht"] * 2


def test_lifetime_has_its_interval_and_a_projection_beyond_the_reach_has_no_number() -> None:
    fit = _fit(
        verdict="falling", slope_per_year=-2.0, slope_low=-2.4, slope_high=-1.6, end_of_life_cycles=6100.0,
        end_of_life_low=5200.0, end_of_life_high=None, projection_5000=84.0, projection_5000_low=82.0,
        projection_5000_high=86.0, extrapolation_ratio_5000=2.5, projection_10000=70.0, extrapolation_ratio_10000=4.0,
    )  # fmt: skip
    end = next(c for c in life_cards(fit, DE) if c.label == "Ende der Lebensdauer")
    assert end.value == "6.100"
    assert end.note == "95 %: ab 5.200, oben offen"
    rows = projection_table(fit, DE, 3.0)
    assert (rows[0]["level"], rows[0]["interval"]) == ("84,0 %", "82,0 … 86,0 %")
    assert rows[1]["level"] == "außerhalb des Datenbereichs"


def test_the_spread_of_a_pack_is_taken_at_one_instant(tmp_path: Path) -> None:
    def end(minutes: int, pack: int, cell: int, offset: float) -> dict:
        ts = NOON + timedelta(minutes=minutes)
        return {"device": B, "month": "2025-03", "day": NOON.date(), "ts": ts, "kind": "charge_end",
                "signal": f"p{pack}v{cell}", "pack": pack, "cell": cell, "offset_mv": offset}  # fmt: skip

    rows = [end(0, 1, 1, 0.0), end(0, 1, 2, 8.0), end(60, 1, 1, 100.0), end(60, 1, 2, 104.0), end(0, 2, 1, 50.0)]
    write_table(tmp_path, "cell_ends", pl.DataFrame(rows))
    found = pack_spreads(Store(Settings(lake=str(tmp_path))), B)
    assert found.select("pack", "spread_mv").rows() == [(1, 6.0)]


def test_resistance_is_compared_within_a_bin_and_a_cell_without_a_value_stays_empty() -> None:
    rows = pl.DataFrame(
        {"soc_bin": ["high"] * 4 + ["low"], "pack": [1] * 5, "cell": [1, 2, 3, 4, 1],
         "level_mohm": [1.0, 1.0, 1.2, -0.1, 9.0], "verdict": ["stable"] * 5}
    )  # fmt: skip
    assert bins_of(rows) == ["high", "low"]
    assert cell_resistance(rows, "high")["difference_percent"].to_list() == pytest.approx([0.0, 0.0, 20.0, None])


def test_alarms_come_to_the_second_from_the_events_and_count_inside_the_window_only(tmp_path: Path) -> None:
    event = {"device": B, "day": NOON.date(), "signal": "err", "quantity": "error_code", "value": 12.0,
             "start_ts": NOON - timedelta(hours=2), "end_ts": NOON + timedelta(seconds=30), "duration_s": 7230.0,
             "readings": 9, "ended_by": "cleared", "ongoing": False}  # fmt: skip
    write_table(tmp_path, "alarm_events", pl.DataFrame([event]))
    store = Store(Settings(lake=str(tmp_path)))
    (alarm,) = alarm_timeline(store, B, [], NOON, NOON + timedelta(days=1))
    assert (alarm.value, alarm.end) == (12.0, NOON + timedelta(seconds=30))
    assert alarm.hours_within(NOON, NOON + timedelta(days=1)) == pytest.approx(30 / 3600)
    assert alarm_timeline(store, B, [], NOON + timedelta(days=1), NOON + timedelta(days=2)) == []


def test_no_alarm_is_known_only_where_an_alarm_signal_has_data(tmp_path: Path) -> None:
    signals = pl.DataFrame({"signal": ["flag"], "quantity": ["alarm_flag"]})
    hour = {"device": B, "month": NOON.strftime("%Y-%m"), "signal": "flag", "ts": NOON, "n": 1, "covered_s": 3600.0}
    event = {"device": B, "day": NOON.date(), "signal": "flag", "quantity": "alarm_flag", "value": 1.0,
             "start_ts": NOON + timedelta(hours=9), "end_ts": NOON + timedelta(hours=10), "duration_s": 3600.0,
             "readings": 9, "ended_by": "cleared", "ongoing": False}  # fmt: skip
    write_table(tmp_path, "resolution_1h", pl.DataFrame([hour]))
    write_table(tmp_path, "alarm_events", pl.DataFrame([event]))
    store = Store(Settings(lake=str(tmp_path)))
    spans = [(0, 1), (2, 4), (9, 12)]  # data and no alarm; neither; an alarm
    hours = [alarm_hours(store, B, signals, *(NOON + timedelta(hours=h) for h in span)) for span in spans]
    assert hours == [0.0, None, 1.0]


def test_interval_energy_becomes_mean_power_of_its_quarter_hours(tmp_path: Path) -> None:
    signal = {"device": "m9", "signal": "kwh", "quantity": "import_interval_energy", "unit": "kWh", "kind": "interval",
              "group": "meter", "recognised": True, "load": 1}  # fmt: skip
    quarter = {"device": "m9", "month": "2025-03", "signal": "kwh", "n": 1, "covered_s": 900.0, "increase": 0.5}
    rows = [quarter | {"ts": NOON}, quarter | {"ts": NOON + timedelta(minutes=15), "covered_s": 0.0, "increase": None}]
    write_table(tmp_path, "signals", pl.DataFrame([signal]))
    write_table(tmp_path, "resolution_15min", pl.DataFrame(rows))
    found = quarter_power(Store(Settings(lake=str(tmp_path))), "m9", "kwh", NOON, NOON + timedelta(hours=1))
    assert found.select("ts", "power_kw").rows() == [(NOON, 2.0)]


def test_days_without_known_availability_are_neither_good_nor_bad() -> None:
    schema = {"day": pl.Date, "availability": pl.Float64, "data_share": pl.Float64}
    rows = pl.DataFrame({"day": [date(2024, 1, 1)], "availability": [None], "data_share": [None]}, schema=schema)
    found = availability_whole(rows, ZoneInfo("UTC"))
    assert (found["availability"], found["hours_lost"], found["days_below"]) == (None, None, None)


def test_measured_capacity_lies_over_what_the_bms_counts_and_is_full_in_size_and_colour() -> None:
    days = [date(2025, 1, 1) + timedelta(days=i) for i in range(3)]
    values = {"q_anchor_ah": 266.0, "q_anchor_error_ah": 1.0, "soh_nameplate_percent": 95.0, "soh_bms_percent": 99.0}
    rows = pl.DataFrame({"day": days, **{name: [value] * 3 for name, value in values.items()}})
    bms, measured, _ = (renderer.glyph for renderer in _soh(rows, DE, 20, 280.0).renderers)
    assert type(bms).__name__ == "Step"
    assert measured.size >= 7
    assert (measured.fill_alpha, measured.line_alpha) == (1.0, 1.0)
    assert measured.line_color != measured.fill_color  # one of them stands out in the light, one in the dark
