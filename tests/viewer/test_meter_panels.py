"""The map of hours, periods, costs and balance of the single meter: numbers equal the tables, the page stays whole."""

import csv
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from energy_pipeline.settings import Settings
from tests.viewer.conftest import Tab
from tests.viewer.lake_accounts import EXCUSED_FROM_END, FLAGGED_FROM_END, PRICE
from tests.viewer.lake_factory import Plan
from tests.viewer.live_sessions import LiveServer
from viewer.catalog import Catalog, DeviceInfo
from viewer.components.day_hour import MISSING_HOUR, carpet, day_hour_chart
from viewer.components.period_bars import period_bars
from viewer.figures_of_accounts import balance_rows, compared_sources, days_to_look_at, has_costs, month_costs
from viewer.figures_of_meters import daily_rows, load_habits, local_days
from viewer.pages.meter_energy import period_rows
from viewer.pages.meter_map import hours_expected, hours_of
from viewer.store import Store, TableMissing
from viewer.texts import Texts

DE = Texts("de")


@pytest.fixture
def meter(store: Store, settings: Settings) -> DeviceInfo:
    return next(d for d in Catalog(store, settings).devices() if d.name == "m1")


@pytest.fixture
def whole(plan: Plan) -> tuple:
    return plan.start, plan.end


@pytest.fixture(scope="module")
def bare(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return a lake without costs and balance."""
    lake = tmp_path_factory.mktemp("bare") / "lake"
    without = shutil.ignore_patterns("meter_costs", "meter_balance")
    shutil.copytree(settings.lake, lake, ignore=without)
    yield str(lake)
    shutil.rmtree(lake)


def test_a_cell_of_the_map_is_the_hour_of_the_table(store: Store, meter: DeviceInfo, whole: tuple) -> None:
    cells = hours_of(store, meter, "com_ap", *whole)
    hours = store.frame("resolution_1h", where={"device": "m1", "signal": "com_ap"})
    local = pl.col("ts").dt.convert_time_zone(meter.zone.key)
    found = hours.filter((local.dt.date() == date(2024, 12, 24)) & (local.dt.hour() == 18))
    cell = cells.filter((pl.col("day") == date(2024, 12, 24)) & (pl.col("hour") == 18))
    assert cell["power_kw"][0] == pytest.approx(found["integral"][0] / found["covered_s"][0])


def test_missing_hours_stay_missing_in_the_map(store: Store, meter: DeviceInfo, plan: Plan, whole: tuple) -> None:
    first, last = local_days(*whole, meter.zone)
    cells = hours_of(store, meter, "com_ap", *whole)
    values = carpet(cells, first, last)
    assert values.shape == (24, plan.days)
    gap = (plan.gap[0] - first).days
    assert np.isnan(values[2:, gap : gap + plan.gap_days]).all()
    missing = hours_expected(meter, first, last) - cells.height
    assert missing == int(np.isnan(values).sum())
    assert 3 * 22 <= missing <= 3 * 24
    image = day_hour_chart(values, first, DE, unit="kW").renderers[0]
    assert image.glyph.color_mapper.nan_color == MISSING_HOUR
    assert MISSING_HOUR not in image.glyph.color_mapper.palette


def test_hours_before_the_first_reading_are_not_missing(meter: DeviceInfo, plan: Plan) -> None:
    early = plan.first_day - timedelta(days=10)
    assert hours_expected(meter, early, plan.first_day) == 24


@pytest.mark.parametrize("period", ["week", "month", "year"])
def test_periods_are_whole_and_sum_the_days(store: Store, meter: DeviceInfo, plan: Plan, period: str) -> None:
    end = plan.end - timedelta(days=20)
    rows = period_rows(store, "m1", end - timedelta(days=30), end, meter.zone, period)
    days = store.frame("meter_daily", where={"device": "m1"})
    for row in rows.to_dicts():
        inside = days.filter(pl.col("day").is_between(row["start"], row["start"] + timedelta(days=row["days"] - 1)))
        assert row["import_kwh"] == pytest.approx(inside["import_kwh"].sum())
        assert row["days_covered"] == inside.height
    assert rows["start"][0] <= (end - timedelta(days=30)).date()
    assert rows.height == {"week": 5, "month": 2, "year": 2}[period] or period == "week"


def test_period_bars_are_as_wide_as_their_period(store: Store, meter: DeviceInfo, whole: tuple) -> None:
    rows = period_rows(store, "m1", *whole, meter.zone, "month")
    fig = period_bars(rows, [("Bezug", rows["import_kwh"].to_list(), "#123456")], DE, unit="kWh", y_label="Energie")
    data = fig.renderers[0].data_source.data
    assert list(data["y"]) == rows["import_kwh"].to_list()
    assert data["width"][1] == pytest.approx(31 * 86_400_000 * 0.86)
    assert data["label"][1] == "2024-10"


def test_costs_are_those_of_the_whole_months(store: Store, meter: DeviceInfo, plan: Plan) -> None:
    rows = month_costs(store, "m1", plan.end - timedelta(days=30), plan.end, meter.zone)
    stored = store.frame("meter_costs", where={"device": "m1", "kind": "month"}).sort("month")
    assert rows["month"].to_list() == stored["month"].to_list()[:-3:-1]
    days = store.frame("meter_daily", where={"device": "m1"}).filter(pl.col("month") == rows["month"][0])
    assert rows["import_cost"][0] == pytest.approx(days["import_kwh"].sum() * PRICE)
    assert rows["peak_share"][0] == pytest.approx(rows["peak_cost"][0] / rows["cost"][0])


def test_only_a_meter_with_a_tariff_has_costs(store: Store, bare: str) -> None:
    assert has_costs(store, "m1")
    assert not has_costs(store, "m2")
    assert not has_costs(Store(Settings(lake=bare)), "m1")


def test_flagged_days_come_first_and_reasons_are_counted(store: Store, meter: DeviceInfo, whole: tuple) -> None:
    rows = balance_rows(store, "m1", *whole, meter.zone)
    days, last = days_to_look_at(rows), rows["day"].max()
    assert days["day"].to_list() == [last - timedelta(days=n) for n in (FLAGGED_FROM_END, EXCUSED_FROM_END)]
    assert days["reason"].to_list() == [None, "too_little_covered"]
    pair = compared_sources(rows).to_dicts()[0]
    assert (pair["days"], pair["flagged_days"]) == (rows.height, 1)
    assert pair["a_kwh"] == pytest.approx(rows["a_kwh"].sum())
    assert pair["b_kwh"] == pytest.approx(rows["b_kwh"].sum())
    assert pair["median_percent"] == pytest.approx(0.1)
    assert pair["reasons"] == [{"reason": "too_little_covered", "count": 1}]


def test_a_missing_table_of_comparisons_is_named(bare: str, meter: DeviceInfo, whole: tuple) -> None:
    with pytest.raises(TableMissing, match="meter_balance"):
        balance_rows(Store(Settings(lake=bare)), "m1", *whole, meter.zone)


def test_night_load_and_low_power_factor_are_medians_of_the_days(store: Store, meter: DeviceInfo, whole: tuple) -> None:
    rows = daily_rows(store, "m1", *whole, meter.zone)
    habits = load_habits(rows)
    assert habits.night_load_kw == rows["night_load_kw"].median()
    assert habits.power_factor_low_share == pytest.approx(0.11)
    assert load_habits(rows.head(0)).night_load_kw is None


@pytest.mark.browser
def test_the_panels_open_without_errors_and_months_are_switched(tab: Tab, settings: Settings) -> None:
    text = tab.open("?page=meter&device=m1").until("Zwei Quellen einer Energie")
    for words in ("Tag × Stunde", "ohne Daten:", "Kosten je Monat", "Anteil der Spitze", "zu wenig abgedeckt"):
        assert words in text
    assert "Nachtlast" in text
    assert "konnte nicht gezeichnet werden" not in text
    tab.page.get_by_text("Monat", exact=True).first.click()
    assert "konnte nicht" not in tab.until("Energie je Monat")
    with tab.page.expect_download() as waiting:
        tab.page.locator("button", has_text="CSV").first.click()
    rows = list(csv.DictReader(StringIO(Path(waiting.value.path()).read_text(encoding="utf-8-sig"))))
    days = Store(settings).frame("meter_daily", where={"device": "m1"})
    taken = days.filter(pl.col("day").dt.strftime("%Y-%m") == rows[0]["Zeitraum"])["import_kwh"].sum()
    assert float(rows[0]["Bezug [kWh]"]) == pytest.approx(taken)


@pytest.mark.browser
def test_missing_tables_are_a_sentence_and_without_costs_there_is_no_panel_for_them(context: object, bare: str) -> None:
    with LiveServer(Settings(lake=bare)) as server:
        opened = Tab(context, server.url).open("?page=meter&device=m1&lang=en")
        assert "Table meter_balance does not exist yet." in opened.until("meter_balance")
        assert not opened.page.get_by_text("Costs per month").is_visible()
        assert opened.faults == []
        opened.page.close()
