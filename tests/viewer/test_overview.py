"""The four questions: alarms that stand, devices that fell silent, archives, counts that add up, energy that went."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from energy_pipeline.schemas import TABLES
from energy_pipeline.settings import OperationSettings, Settings
from viewer.components.html import Card
from viewer.pages.overview import device_line, fleet_cards, imported
from viewer.pages.overview_answers import Clock, clock_of, energy_text, safety, trend, working
from viewer.texts import Texts

DE, EN, SETTINGS, LIMITS = Texts("de"), Texts("en"), Settings(lake="unused"), OperationSettings()
NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
AGO = {"hours": NOW - timedelta(hours=2), "days": NOW - timedelta(days=12), "months": NOW - timedelta(days=200)}


def fleet(*rows: dict) -> pl.DataFrame:
    """A table of devices; what a row does not say is missing."""
    common = {"device_kind": "bess", "zone": "Europe/Berlin", "last_ts": AGO["hours"], "coverage_30d": 0.99,
              "signals": 1, "rows_accepted": 1, "rows_rejected": 0}  # fmt: skip
    frame = [{"device": f"b{i}", **common, **row} for i, row in enumerate(rows)]
    return pl.DataFrame(frame, schema=TABLES["fleet_summary"].polars_schema)


METERS = ({"device": "m1", "import_kwh_30d": 900.0}, {"device": "m2", "import_kwh_30d": 300.0},
          {"device": "m3", "import_kwh_30d": 200.0}, {"device": "m4"}, {"device": "b1"})  # fmt: skip


def import_card(main_meters: dict[str, str], *rows: dict) -> Card:
    """The tile of the energy drawn by `rows`, with the settings' word on which meter is behind which."""
    found = fleet(*rows)
    site = Settings(device=tuple({"name": n, "main_meter": m} for n, m in main_meters.items()))
    left_out = site.sub_meters(imported(found)["device"])
    return fleet_cards(found, None, DE, clock_of(found, LIMITS, NOW), left_out)[1]


def test_energy_that_two_meters_count_is_in_the_sum_once() -> None:
    card = import_card({"m2": "m1", "m3": "m2"}, *METERS)
    assert (card.value, card.unit, card.title) == ("900", "kWh", "m1")
    assert card.note == "1 Zähler, ohne 2 Unterzähler · letzte 30 Tage mit Daten"


def test_energy_behind_a_meter_that_knows_none_is_not_lost() -> None:
    assert import_card({"m2": "m4", "m3": "m2"}, *METERS).title == "m1, m2"
    assert import_card({"m2": "m4", "m3": "m4"}, *METERS).title == "m1, m2, m3"
    assert import_card({"m3": "m4", "m4": "m1"}, *METERS).title == "m1, m2"


def test_a_sum_says_of_how_many_meters_it_is_and_without_any_there_is_none() -> None:
    card = import_card({}, *METERS)
    assert (card.value, card.unit) == ("1.400", "kWh")
    assert card.note == "Summe von 3 Zählern · letzte 30 Tage mit Daten"
    assert import_card({}, METERS[0]).note == "letzte 30 Tage mit Daten"
    assert import_card({}, *METERS[3:]).value == "–"


def test_the_line_of_a_sub_meter_names_the_meter_in_front_of_it() -> None:
    row, clock = one(device="m2", device_kind="meter")
    site = Settings(device=({"name": "m2", "main_meter": "m1"},))
    assert "Zähler · hinter m1" in device_line(row, None, DE, "", site, clock)
    assert "hinter" not in device_line(row, None, DE, "", SETTINGS, clock)


def one(**row: object) -> tuple[dict, Clock]:
    found = fleet(row)
    return found.row(0, named=True), clock_of(found, LIMITS, NOW)


def test_an_open_alarm_is_never_nothing_unusual_even_without_alarm_hours() -> None:
    row, clock = one(alarm_hours_30d=0.0, alarms_open=3, temperature_max_30d_c=25.0)
    answer = safety(row, DE, SETTINGS, clock)
    assert (answer.word, answer.level) == ("Meldung steht an", "bad")
    assert "3 Meldungen stehen an" in answer.detail


def test_an_alarm_that_has_ended_is_seen_but_is_not_one_that_stands() -> None:
    row, clock = one(alarm_hours_30d=4.8, alarms_open=0)
    answer = safety(row, DE, SETTINGS, clock)
    assert (answer.word, answer.level) == ("Meldung", "warn")
    assert "4,8 h mit Meldung" in answer.detail


def test_alarm_signals_without_data_are_not_known_and_a_hot_cell_is_hot_beside_an_old_alarm() -> None:
    row, clock = one(alarm_hours_30d=None, alarms_open=0, temperature_max_30d_c=25.0)
    assert safety(row, DE, SETTINGS, clock).level == "none"
    row, clock = one(alarm_hours_30d=1.0, alarms_open=0, temperature_max_30d_c=80.0)
    assert safety(row, DE, SETTINGS, clock).word == "heiß"


@pytest.mark.parametrize(("hours", "word", "level"), [(2, "läuft", "ok"), (60, "Daten verspätet", "warn"),
                                                      (12 * 24, "Daten veraltet", "bad")])  # fmt: skip
def test_a_device_that_fell_silent_does_not_run(hours: float, word: str, level: str) -> None:
    found = fleet({"last_ts": NOW - timedelta(hours=hours)}, {"last_ts": NOW})
    answer = working(found.row(0, named=True), None, DE, clock_of(found, LIMITS, NOW))
    assert (answer.word, answer.level) == (word, level)
    if level == "bad":
        assert "letzter Messwert vor 12 Tagen" in answer.detail


def test_the_state_of_a_silent_system_is_its_last_known_one() -> None:
    row, clock = one(alarm_hours_30d=0.0, alarms_open=0, last_ts=AGO["days"])
    assert (safety(row, DE, SETTINGS, clock).word, safety(row, DE, SETTINGS, clock).level) == (
        "zuletzt unauffällig", "none",
    )  # fmt: skip


def test_a_lake_that_ended_long_ago_as_a_whole_is_an_archive_and_no_alarm() -> None:
    found = fleet({"last_ts": AGO["months"]}, {"last_ts": AGO["months"] - timedelta(days=20)})
    clock = clock_of(found, LIMITS, NOW)
    whole, shorter = (working(r, None, DE, clock) for r in found.to_dicts())
    assert (whole.word, whole.level) == ("Archiv", "none")
    assert "Daten enden am 12.12.2025" in whole.detail
    assert (shorter.word, shorter.level) == ("endet 20 Tage vor den anderen", "warn")
    assert safety(fleet({"alarm_hours_30d": 0.0, "last_ts": AGO["months"]}).row(0, named=True), DE, SETTINGS,
                  clock).level == "ok"  # fmt: skip


def test_an_archive_still_says_where_its_data_are_poor() -> None:
    row, clock = one(last_ts=AGO["months"], coverage_30d=0.2)
    assert working(row, None, DE, clock).word == "zu wenig Daten"


def test_the_cards_name_the_device_that_is_silent_for_longest() -> None:
    found = fleet({}, {"device": "m9", "device_kind": "meter", "last_ts": AGO["days"]})
    card = fleet_cards(found, None, DE, clock_of(found, LIMITS, NOW))[-1]
    assert (card.value, card.note, card.status) == ("vor 2 h", "am längsten still: m9, vor 12 Tagen", "bad")
    found = fleet({"last_ts": AGO["months"]})
    card = fleet_cards(found, None, DE, clock_of(found, LIMITS, NOW))[-1]
    assert (card.note, card.status) == ("Archiv, Daten enden am 12.12.2025", "none")


def test_the_card_of_alarms_shows_those_that_stand_and_knows_nothing_without_signals() -> None:
    found = fleet({"alarm_hours_30d": 0.0, "alarms_open": 2})
    card = fleet_cards(found, None, DE, clock_of(found, LIMITS, NOW))[2]
    assert (card.value, card.note, card.status) == ("0,0", "2 stehen an", "bad")
    found = fleet({})
    card = fleet_cards(found, None, DE, clock_of(found, LIMITS, NOW))[2]
    assert (card.value, card.status) == ("–", "none")


def test_the_counts_of_cells_add_up_to_all_of_them() -> None:
    row, _ = one(cells=260, cells_falling=1, cells_rising=2, cells_stable=200, cells_no_trend=50, cells_insufficient=4)
    answer = trend(row, DE)
    assert answer.detail == (
        "200 von 260 stabil · 1 fallend · 2 steigend · 50 ohne gesicherten Trend · 4 mit zu wenig Daten · 3 ohne Urteil"
    )
    assert answer.level == "warn"


def test_a_cell_with_a_finding_colours_the_answer_though_none_falls() -> None:
    row, _ = one(cells=4, cells_falling=0, cells_stable=4, cells_with_finding=2)
    assert (trend(row, DE).word, trend(row, DE).level) == ("2 Zellen auffällig", "warn")


def test_the_energy_of_a_battery_is_what_went_in_and_out_and_what_it_holds() -> None:
    row, _ = one(charged_kwh_30d=6100.0, discharged_kwh_30d=5600.0, energy_boundary="dc", energy_full_kwh=214.0,
                 energy_held_kwh=199.0, efc=117.2)  # fmt: skip
    main, below = energy_text(row, DE)
    assert main == "6.100 kWh geladen"
    assert below == (
        "5.600 kWh entladen an den DC-Klemmen · Inhalt jetzt ≈ 199 kWh von 214 kWh · 117 Vollzyklen seit Beginn"
    )
    row, _ = one(efc=117.2)
    assert energy_text(row, DE) == ("–", "117 Vollzyklen seit Beginn")
    row, _ = one(import_kwh_30d=18_700.0, device_kind="meter")
    assert energy_text(row, EN) == ("18.70 MWh imported", "")


def test_a_line_holds_all_four_answers() -> None:
    found = fleet({"alarms_open": 1, "cells": 2, "cells_falling": 0})
    line = device_line(found.row(0, named=True), None, DE, "", SETTINGS, clock_of(found, LIMITS, NOW))
    assert all(DE(f"question.{q}") in line for q in ("safe", "working", "energy", "trend"))
    assert "Meldung steht an" in line
