"""Figures on screen equal the tables; planted faults of the battery are where they were put."""

from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from energy_pipeline.settings import Settings
from viewer.catalog import Catalog
from viewer.components.downloads import csv_bytes, excel_bytes
from viewer.components.fit_chart import Slope, fit_segments
from viewer.figures_of_bess import alarms, auxiliary_energy_kwh, group_statistics
from viewer.figures_of_meters import (
    daily_rows,
    load_duration,
    meter_figures,
    quarter_means,
    signal_figures,
    week_map,
    weighted_quantiles,
    window_days,
    window_peaks,
)
from viewer.pages.packpulse.data import cell_levels, day_codes, fit_of, load_fits, load_grid, pack_table, system_cuts
from viewer.store import Store
from viewer.wallclock import day_start

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def window(plan: object) -> tuple:
    return plan.end - timedelta(days=30), plan.end


def test_the_mean_is_weighted_by_time(store: Store, window: tuple) -> None:
    figures = signal_figures(store, "m1", "com_ap", *window)
    daily = store.frame("resolution_1d", where={"device": "m1", "signal": "com_ap"})
    inside = daily.filter((pl.col("ts") >= window[0]) & (pl.col("ts") < window[1]))
    assert figures.mean == pytest.approx(inside["integral"].sum() / inside["covered_s"].sum(), rel=1e-9)
    assert figures.maximum == inside["max"].max()
    assert figures.coverage(*window) == pytest.approx(1.0)


def test_meter_figures_are_sums_of_the_days(store: Store, window: tuple) -> None:
    rows = daily_rows(store, "m1", *window, BERLIN)
    figures = meter_figures(rows)
    assert rows.height == 30
    assert figures.import_kwh == pytest.approx(rows["import_kwh"].sum())
    assert figures.peak_kw == rows["peak_kw"].max()
    assert figures.hours_of_use_h == pytest.approx(figures.import_kwh / figures.peak_kw)


def test_parts_of_a_day_add_up_to_the_day(store: Store, settings: Settings) -> None:
    m1 = Catalog(store, settings).device("m1")
    dawn, noon, night = (day_start(date(2024, 9, 20), BERLIN) + timedelta(hours=h) for h in (0, 12, 24))
    whole, morning, evening = (
        window_days(store, settings, m1, *span) for span in ((dawn, night), (dawn, noon), (noon, night))
    )
    assert (whole.partial, morning.partial, evening.partial) == (False, True, True)
    days, *parts = (meter_figures(w.rows) for w in (whole, morning, evening))
    quarters = store.frame("resolution_15min", where={"device": "m1", "signal": "pos_ae"})
    held = quarters.filter((pl.col("ts") >= dawn) & (pl.col("ts") < night))["increase"].sum()
    assert sum(p.import_kwh for p in parts) == pytest.approx(held, rel=1e-12)
    assert held == pytest.approx(days.import_kwh, rel=1e-3)  # the tables of this lake are made one by one
    assert max(p.peak_kw for p in parts) == pytest.approx(days.peak_kw)
    assert all(dawn <= p.peak_ts < night for p in parts)
    assert parts[0].peak_ts < noon <= parts[1].peak_ts
    assert morning.rows["base_load_kw"].to_list() == [None]  # of half a day there is none


def test_a_window_over_two_nights_counts_both_evenings_in_part_and_the_day_between_as_it_stands(
    store: Store, settings: Settings
) -> None:
    m1 = Catalog(store, settings).device("m1")
    start = day_start(date(2024, 9, 19), BERLIN) + timedelta(hours=18)
    found = window_days(store, settings, m1, start, start + timedelta(hours=36))
    assert found.rows["day"].to_list() == [date(2024, 9, 19), date(2024, 9, 20), date(2024, 9, 21)]
    stored = store.frame("meter_daily", where={"device": "m1"}).filter(pl.col("day").is_in(found.rows["day"].to_list()))
    assert found.rows["import_kwh"][1] == stored.sort("day")["import_kwh"][1]
    assert found.rows["import_kwh"][0] < stored.sort("day")["import_kwh"][0]


def test_the_last_day_is_whole_though_the_last_reading_is_not_at_midnight(store: Store, settings: Settings) -> None:
    m1 = Catalog(store, settings).device("m1")
    start = day_start((m1.last - timedelta(days=2)).astimezone(BERLIN).date(), BERLIN)
    assert not window_days(store, settings, m1, start, m1.last + timedelta(seconds=1)).partial


def test_a_single_day_has_its_ten_highest_quarter_hours(store: Store, settings: Settings) -> None:
    m1 = Catalog(store, settings).device("m1")
    start = day_start(date(2024, 9, 20), BERLIN)
    peaks = window_peaks(store, settings, m1, start, start + timedelta(days=1))
    quarters = quarter_means(store, "m1", "com_ap", start, start + timedelta(days=1)).sort("mean", descending=True)
    assert peaks["power_kw"].to_list() == pytest.approx(quarters["mean"][:10].to_list())
    assert peaks["rank"].to_list() == list(range(1, 11))


def test_peaks_of_a_window_are_ranked_over_its_months(store: Store, settings: Settings, plan: object) -> None:
    peaks = window_peaks(store, settings, Catalog(store, settings).device("m1"), plan.start, plan.end)
    assert peaks["rank"].to_list() == list(range(1, 11))
    assert peaks["power_kw"].is_sorted(descending=True)
    assert peaks["power_kw"][0] == store.frame("meter_peaks", where={"device": "m1"})["power_kw"].max()


def test_the_load_duration_curve_falls_and_covers_the_window(store: Store, window: tuple) -> None:
    hours, values = load_duration(quarter_means(store, "m1", "com_ap", *window))
    assert np.all(np.diff(values) <= 0)
    assert hours[-1] == pytest.approx(30 * 24)


def test_the_week_map_is_local(store: Store, window: tuple) -> None:
    values = week_map(quarter_means(store, "m1", "com_ap", *window), BERLIN)
    assert values.shape == (7, 24)
    assert np.isfinite(values).all()


def test_weighted_quantiles_follow_the_weights() -> None:
    assert weighted_quantiles(np.array([1.0, 2.0, 3.0]), np.array([8.0, 1.0, 1.0]), (0.5, 0.95)) == [1.0, 3.0]


def test_alarms_are_joined_to_spans(store: Store, plan: object) -> None:
    found = alarms(store, plan.bess, ["fa1_smokeflag"], plan.start, plan.end)
    assert len(found) == 3
    assert all(4 < a.hours < 5.1 for a in found)


def test_auxiliary_energy_comes_from_the_register(store: Store, plan: object, window: tuple) -> None:
    signals = store.frame("signals", where={"device": plan.bess})
    kwh = auxiliary_energy_kwh(store, plan.bess, signals, *window)
    rows = store.frame("resolution_1d", where={"device": plan.bess, "signal": "aux_m_pos_ae"})
    inside = rows.filter((pl.col("ts") >= window[0]) & (pl.col("ts") < window[1]))
    assert kwh == pytest.approx(inside["increase"].sum())
    table = group_statistics(store, plan.bess, ["bms1_soc", "aux_m_pos_ae"], *window)
    assert table["signal"].to_list() == ["bms1_soc", "aux_m_pos_ae"] or table.height == 2


class Meters:
    """A store with hours of two auxiliary meters: 0.2 kWh and, while it is there, 0.3 kWh an hour."""

    def __init__(self, start: datetime, hours_of_second: int) -> None:
        hours = {"aux_m1_pos_ae": (24, 0.2), "aux_m2_pos_ae": (hours_of_second, 0.3)}
        self.rows = {
            name: pl.DataFrame({
                "signal": [name] * n, "ts": [start + timedelta(hours=k) for k in range(n)], "covered_s": [3600.0] * n,
                "integral": [None] * n, "increase": [kwh] * n,
            }, schema_overrides={"ts": pl.Datetime("us", "UTC"), "integral": pl.Float64, "increase": pl.Float64})
            for name, (n, kwh) in hours.items()
        }  # fmt: skip

    def frame(self, _: str, columns: list[str], where: dict[str, str]) -> pl.DataFrame:
        return self.rows[where["signal"]].select(columns)


@pytest.mark.parametrize(("hours", "kwh"), [(24, 12.0), (22, 11.0), (12, None), (0, None)])
def test_auxiliary_meters_are_added_up_and_a_part_is_never_the_whole(hours: int, kwh: float | None) -> None:
    start = datetime(2024, 3, 1, tzinfo=UTC)
    signals = pl.DataFrame({"signal": ["aux_m1_pos_ae", "aux_m2_pos_ae"], "quantity": ["auxiliary_energy"] * 2})
    found = auxiliary_energy_kwh(Meters(start, hours), "b", signals, start, start + timedelta(days=1))
    assert found == (None if kwh is None else pytest.approx(kwh))


def test_the_grid_holds_every_cell_and_every_day_and_fills_nothing(store: Store, plan: object) -> None:
    grid = load_grid(store, plan.bess)
    assert grid.sat.shape == (plan.packs * plan.cells, plan.days)
    assert grid.names[0] == "P1C1"
    assert grid.names[-1] == f"P{plan.packs}C{plan.cells}"
    gap = slice(plan.gap_from, plan.gap_from + plan.gap_days)
    assert np.isnan(grid.sat[:, gap]).all()
    codes = day_codes(grid)
    assert codes[plan.gap_from] == "no_data"
    assert {"qualified", "no_charge", "partial_charge"} <= set(codes)


def test_a_part_of_the_grid_is_the_same_values(store: Store, plan: object) -> None:
    grid = load_grid(store, plan.bess)
    part = grid.cut(plan.dates[10], plan.dates[19], pack=2)
    assert part.sat.shape == (plan.cells, 10)
    np.testing.assert_array_equal(part.sat, grid.sat[plan.cells :, 10:20])
    assert part.packs == [2] * plan.cells


def test_the_planted_cells_stand_out(store: Store, plan: object) -> None:
    grid, fits = load_grid(store, plan.bess), load_fits(store, plan.bess)
    levels = cell_levels(grid)
    assert grid.places[int(np.nanargmax(levels))] == plan.offset_cell
    assert fit_of(fits, "cell", "sat_offset_mv", *plan.falling)["verdict"] == "falling"
    assert [d for d, _ in system_cuts(store.frame("regimes", where={"device": plan.bess}))] == [
        plan.dates[plan.step_day]
    ]
    packs = pack_table(grid)
    assert packs["cells"].to_list() == [plan.cells] * plan.packs
    assert packs["spread_mv"].min() > 0


def test_a_fit_is_cut_at_a_step_and_keeps_its_slope() -> None:
    t = np.arange(200.0)
    values = -0.02 * t + np.where(t >= 100, -24.0, 0.0)
    segments = fit_segments(t, values, Slope(-0.02 * 365.25, -8.0, -6.0, established=True), [100.0])
    assert len(segments) == 2
    for s in segments:
        assert (s.line[-1] - s.line[0]) / (s.t[-1] - s.t[0]) == pytest.approx(-0.02)
        inside = (t >= s.t[0]) & (t <= s.t[-1])
        np.testing.assert_allclose(np.interp(t[inside], s.t, s.line), values[inside], atol=1e-9)


def test_downloads_hold_the_values_unrounded() -> None:
    frame = pl.DataFrame({"Tag": ["2025-01-01"], "kWh": [1.23456789012]})
    assert b"1.23456789012" in csv_bytes(frame)
    assert excel_bytes(frame, "a/b")[:2] == b"PK"


def test_text_that_looks_like_a_formula_or_a_link_stays_text_in_excel_and_as_it_is_in_csv() -> None:
    texts = ["=1+1", "+49", "-x", "@a", "http://x.example", "2024"]
    frame = pl.DataFrame({"raw": texts})
    with ZipFile(BytesIO(excel_bytes(frame, "rows"))) as file:
        sheet, shared = (file.read(f"xl/{n}.xml").decode() for n in ("worksheets/sheet1", "sharedStrings"))
    assert "<f>" not in sheet
    assert "hyperlink" not in sheet
    assert all(f">{text}<" in shared for text in texts)
    assert pl.read_csv(csv_bytes(frame), schema_overrides={"raw": pl.String}).equals(frame)
