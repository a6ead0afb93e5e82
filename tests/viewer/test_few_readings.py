"""Where few readings are in the window, each is seen, its line comes in and goes out, and a gap stays a gap."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from bokeh.plotting import figure

from energy_pipeline.settings import Settings
from tests.viewer.lake_factory import write_table
from viewer.components.lod_chart import ChartSpec, Line, LodChart
from viewer.components.lod_line import FEW, DrawnLine, alone_of
from viewer.series import SeriesResult, load_series
from viewer.series_thinning import Columns, thin
from viewer.store import Store
from viewer.texts import Texts

UTC_ZONE = ZoneInfo("UTC")
NOON = datetime(2024, 10, 1, 12, tzinfo=UTC)
HOLD_S = 120.0
SECONDS = (0, 60, 120, 1000, 1060)  # readings, a gap in the middle; their values are ten times as many


@pytest.fixture
def few(tmp_path: Path) -> Store:
    """Return a store on a lake of one signal with five readings."""
    ts = [NOON + timedelta(seconds=s) for s in SECONDS]
    of = {"device": "m1", "signal": "com_ap", "load": 1}
    rows = pl.DataFrame({"ts": ts, "value": [10.0 * s for s in SECONDS], "month": "2024-10", **of})
    write_table(tmp_path, "readings", rows)
    known = pl.DataFrame({"unit": ["kW"], "kind": "gauge", "max_hold_s": HOLD_S, "last_ts": ts[-1], **of})
    ended = known.with_columns(signal=pl.lit("old"), last_ts=pl.lit(NOON - timedelta(days=2)))
    write_table(tmp_path, "signals", pl.concat([known, ended]))
    return Store(Settings(lake=str(tmp_path)))


def window(store: Store, first: float, last: float) -> SeriesResult:
    start, end = (NOON + timedelta(seconds=s) for s in (first, last))
    return load_series(store, "m1", "com_ap", start, end, zone=UTC_ZONE)


def drawn(result: SeriesResult, points: int = 1600) -> DrawnLine:
    line = DrawnLine(figure(), Texts("de"), "P", "#123456", named=True, digits=1, area=False)
    line.put(result, UTC_ZONE, points)
    return line


def leads(line: DrawnLine) -> list[list[float]]:
    return [list(ys) for ys in line._leads.data["ys"]]


def test_one_reading_is_a_dot_whose_line_leads_to_both_neighbours(few: Store) -> None:
    result = window(few, 30, 90)
    assert (result.points_held, result.points_shown, result.count) == (1, 1, 1)
    assert result.edges == [300.0, 900.0]
    line = drawn(result)
    assert line._alone.indices == [0]
    assert list(line.source.data["y"]) == [600.0]  # what is exported is what is in the window
    assert leads(line) == [[0.0, 600.0], [600.0, 1200.0]]


@pytest.mark.parametrize(
    ("first", "last", "wanted"), [(90, 900, [[600.0, 1200.0]]), (900, 1030, [[10_000.0, 10_600.0]])]
)
def test_no_line_leads_over_a_gap(few: Store, first: float, last: float, wanted: list[list[float]]) -> None:
    result = window(few, first, last)
    assert result.points_held == 1
    assert leads(drawn(result)) == wanted


def test_between_two_readings_runs_their_line_and_in_a_gap_none(few: Store) -> None:
    between, gap = window(few, 10, 20), window(few, 200, 900)
    assert (between.points_held, leads(drawn(between))) == (0, [[0.0, 600.0]])
    assert between.edges == pytest.approx([100.0, 200.0])
    assert (gap.points_held, gap.edges, leads(drawn(gap))) == (0, [], [])


def test_few_readings_are_dots_and_many_are_a_line(few: Store) -> None:
    line = drawn(window(few, -10, 150))
    assert (line._few.indices, line._alone.indices, leads(line)) == ([0, 1, 2], [], [])
    ts = np.arange(FEW + 1, dtype=np.int64)
    many = SeriesResult("m1", "s", "", "gauge", "raw", ts.size, NOON, NOON, thinned(ts))
    assert drawn(many)._few.indices == []


def thinned(ts: np.ndarray) -> object:
    values = ts.astype(float)
    return thin(Columns(ts, values, values, values), 10_000, 1e6)


def test_a_value_between_two_gaps_stands_alone_and_so_does_one_at_an_end() -> None:
    nan = np.nan
    assert np.flatnonzero(alone_of(np.array([1, nan, 2, nan, 3, 4, nan, 5]))).tolist() == [0, 2, 7]
    assert alone_of(np.array([])).tolist() == []


def test_a_line_that_the_legend_hides_takes_its_dots_and_its_envelope_along() -> None:
    fig = figure()
    DrawnLine(fig, Texts("de"), "P", "#123456", named=True, digits=1, area=False)
    line = fig.legend[0].items[0].renderers[0]
    (told,) = line.js_property_callbacks["change:visible"]
    assert {r.id for r in (*told.args["parts"], line)} == {r.id for r in fig.renderers}


@pytest.mark.parametrize(("n", "words"), [("1", "1 Punkt"), ("2", "2 Punkte")])
def test_one_point_is_counted_in_the_singular(n: str, words: str) -> None:
    assert Texts("de")("chart.points", n=n) == words


def test_a_line_of_the_legend_without_values_in_the_window_is_named_with_the_day_it_ended(few: Store) -> None:
    lines = [Line("m1", s, f"the {s}", "#123456") for s in ("com_ap", "old")]
    start, end = NOON - timedelta(seconds=10), NOON + timedelta(seconds=150)
    spec = ChartSpec(lines, start, end, start, end, UTC_ZONE, "")
    chart = LodChart(SimpleNamespace(texts=Texts("de"), store=few, chart_points=1600), "x", spec)
    words = chart._words(chart.load().window)
    assert "3 Punkte · Ohne Werte in diesem Zeitraum: the old (endet am 29.09.2024) · Lücken" in words
    assert "Ohne Werte" not in chart._words([chart._load(lines[0], start, end)] * 2)
