"""What a real browser draws: peaks at every zoom, points for the plot's width, the 3D surface, a cell's charges."""

from collections.abc import Iterator

import polars as pl
import pytest

from tests.conftest import chromium_path
from tests.viewer.conftest import Tab, Viewer
from tests.viewer.lake_factory import ZONE, Plan
from viewer.store import Store

pytestmark = pytest.mark.browser

HOUR_MS = 3_600_000.0
_FIND_JS = """
const models = [...Bokeh.documents[0]._all_models.values()]
const source = models.find((m) => m.type === 'ColumnDataSource' && m.columns().includes('low'))
const figure = models.find((m) => m.type === 'Figure' && m.renderers.some((r) => r.data_source === source))
"""
SHOWN_JS = f"""() => {{ {_FIND_JS}
const [x, high] = ['x', 'high'].map((name) => [...source.get_column(name)].map(Number))
return {{
  first: x[0], last: x.at(-1), points: x.length, high: Math.max(...high.filter(Number.isFinite)),
  bottom: figure.y_range.start, top: figure.y_range.end, width: figure.inner_width,
}} }}"""
ZOOM_JS = f"([start, end]) => {{ {_FIND_JS} figure.x_range.setv({{start, end}}) }}"


def shown(tab: Tab) -> dict[str, float]:
    """Return what the first chart of the page has drawn."""
    return tab.page.evaluate(SHOWN_JS)


def zoomed(tab: Tab, start: float, end: float) -> dict[str, float]:
    """Bring the first chart to a window (wall clock, ms) and return what it shows when its points are there."""
    tab.page.evaluate(ZOOM_JS, [start, end])
    for _ in range(100):
        tab.page.wait_for_timeout(100)
        found = shown(tab)
        if start <= found["first"] and found["last"] <= end:
            return found
    raise AssertionError(f"the chart still shows {found} after 10 s")


def test_a_peak_never_disappears_while_zooming(tab: Tab, store: Store) -> None:
    fine = store.frame("resolution_5min", ["ts", "max"], where={"device": "m1", "signal": "com_ap"}).drop_nulls()
    ts, peak = fine.row(fine["max"].arg_max())
    at = ts.astimezone(ZONE).replace(tzinfo=ts.tzinfo).timestamp() * 1000
    tab.open("?page=meter&device=m1&signal=com_ap&range=all")
    assert shown(tab)["high"] == peak
    levels = set()
    for hours in (24 * 90, 24 * 30, 24 * 10, 24 * 3, 30):
        found = zoomed(tab, at - hours * HOUR_MS * 0.4, at + hours * HOUR_MS * 0.6)
        assert found["high"] == peak, f"{hours} h"
        assert found["bottom"] < peak < found["top"]
        tab.page.wait_for_timeout(500)  # the line of status comes behind the points
        levels.add(tab.page.locator(".lod-status").first.inner_text().split("·")[0].strip())
    assert len(levels) >= 3, levels


def test_the_points_follow_the_width_of_the_plot(tab: Tab, context: object, viewer: Viewer) -> None:
    wide = tab.open("?page=meter&device=m1&range=30d") and shown(tab)
    assert wide["width"] > 800
    small = Tab(context, viewer.url, phone=True).open("?page=meter&device=m1&range=30d")
    for _ in range(50):
        narrow = shown(small)
        if narrow["points"] < 600:
            break
        small.page.wait_for_timeout(100)
    assert narrow["width"] < 400
    assert 200 < narrow["points"] < 600 < wide["points"]
    assert small.faults == []
    small.page.close()


def test_the_conditions_of_a_picked_cell_stand_below_its_sat_voltage(tab: Tab, store: Store, plan: Plan) -> None:
    text = tab.open("?page=packpulse&tab=heat&cell=P1C2").until("Bedingungen am Ladeende")
    rows = store.frame("sat_voltage", where={"device": plan.bess}).filter((pl.col("pack") == 1) & (pl.col("cell") == 2))
    last = rows.sort("charge_end_ts").row(-1, named=True)
    assert "P1C2 · Bedingungen am Ladeende" in text
    for value, digits in ((last["sat_voltage_v"], 3), (last["temperature_end_c"], 1), (last["current_end_a"], 1)):
        assert f"{value:.{digits}f}".replace(".", ",") in text, value


@pytest.fixture
def drawing_browser(playwright: object) -> Iterator[object]:
    """Return a browser that draws WebGL by its processor."""
    options = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
    browser = playwright.chromium.launch(executable_path=chromium_path(), args=options)
    yield browser
    browser.close()


def test_the_surface_draws_every_cell_and_day_and_leaves_missing_days_as_holes(
    drawing_browser: object, viewer: Viewer, plan: Plan
) -> None:
    context = drawing_browser.new_context(viewport={"width": 1200, "height": 1400}, reduced_motion="reduce")
    tab = Tab(context, viewer.url).open("?page=packpulse&tab=heat")
    tab.page.get_by_role("button", name="3D-Fläche zeigen").click()
    frame = tab.page.frame_locator("iframe[title='3D-Fläche']")
    frame.locator("#surface .gl-container canvas").first.wait_for(state="attached", timeout=60_000)
    drawn = frame.locator("#surface").evaluate(
        "(e) => { const s = e._fullData[0]; const z = s.z.map((row) => [...row]);"
        " return {cells: z.length, days: z[0].length, holes: z.flat().filter((v) => !Number.isFinite(v)).length} }"
    )
    assert (drawn["cells"], drawn["days"]) == (plan.packs * plan.cells, plan.days)
    assert drawn["holes"] >= plan.gap_days * plan.packs * plan.cells
    pixels = frame.locator("#surface .gl-container canvas").first.screenshot()
    assert len(pixels) > 10_000  # an empty canvas compresses to less
    assert tab.faults == []
    context.close()
