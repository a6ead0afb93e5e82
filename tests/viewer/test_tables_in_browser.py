"""Tables and panels on a screen: they fit where there is room, and where they do not it can be seen that they go on."""

from itertools import pairwise

import pytest

from tests.viewer.conftest import Tab
from tests.viewer.lake_factory import Plan

pytestmark = pytest.mark.browser

_HIDDEN = "(holders) => holders.map((h) => h.scrollWidth - h.clientWidth)"
_CUT = """(cells) => cells.map((cell) => cell.firstElementChild).filter((text) =>
  text !== null && text.scrollWidth > text.clientWidth).map((text) => text.textContent)"""
_PLACES = """(panels) => panels.filter((p) => p.checkVisibility()).map((p) => ({...p.getBoundingClientRect().toJSON(),
  held: p.scrollHeight})).sort((a, b) => a.top - b.top)"""
_MASK = "(holders) => holders.map((h) => getComputedStyle(h).maskImage.split('(')[0])"
_CELL = """(cell) => { const text = cell.firstElementChild, style = getComputedStyle(text)
  return [text.scrollWidth > text.clientWidth, style.textOverflow, style.overflowX] }"""


@pytest.mark.parametrize("tab_and_words", [("page=bess&tab=energy", "Energie je Tag als Tabelle"),
                                           ("page=packpulse&tab=degradation", "Alle Zellen")])  # fmt: skip
def test_the_widest_tables_fit_on_a_screen_of_1440_pixels_and_fade_out_on_a_narrow_one(
    tab: Tab, plan: Plan, tab_and_words: tuple[str, str]
) -> None:
    query, words = tab_and_words  # the browser of the tests has no scroll bar, which takes 15 pixels
    tab.page.set_viewport_size({"width": 1425, "height": 900})
    tab.open(f"?{query}&device={plan.bess}").until(words)
    holder = tab.page.locator(".tabulator-tableholder")
    assert holder.evaluate_all(_HIDDEN) == [0]
    assert [c for c in tab.page.locator(".tabulator-cell").evaluate_all(_CUT) if c] == []
    assert holder.evaluate_all(_MASK) == ["none"]
    tab.page.set_viewport_size({"width": 390, "height": 800})
    tab.page.wait_for_timeout(1500)
    assert holder.evaluate_all(_HIDDEN)[0] > 100
    assert holder.evaluate_all(_MASK) == ["linear-gradient"]
    holder.evaluate_all("(holders) => holders.forEach((h) => { h.scrollLeft = h.scrollWidth })")
    tab.page.wait_for_timeout(300)
    assert holder.evaluate_all(_MASK) == ["none"]


@pytest.mark.parametrize("query", ["page=packpulse&tab=degradation", "page=meter&device=m1"])
def test_no_panel_lies_over_another_on_a_phone(tab: Tab, query: str) -> None:
    tab.page.set_viewport_size({"width": 390, "height": 700})
    tab.open(f"?{query}")
    tab.page.wait_for_timeout(1500)
    panels = tab.page.locator(".ep-panel").evaluate_all(_PLACES)
    assert len(panels) > 5
    assert [p for p, after in pairwise(panels) if after["top"] < p["bottom"]] == []
    assert [p for p in panels if p["held"] > p["bottom"] - p["top"]] == []


def test_a_small_table_fades_out_where_it_goes_on_and_nowhere_else(tab: Tab, plan: Plan) -> None:
    tab.open(f"?page=packpulse&tab=trends&device={plan.bess}").until("95 % von")
    table = tab.page.locator(".scroll")
    assert set(table.evaluate_all(_MASK)) == {"none"}
    tab.page.set_viewport_size({"width": 390, "height": 800})
    tab.page.wait_for_timeout(1500)
    assert table.evaluate_all(_HIDDEN)[0] > 100
    assert table.evaluate_all(_MASK) == ["linear-gradient"]


def test_a_text_that_its_column_cuts_ends_in_an_ellipsis(tab: Tab) -> None:
    tab.page.set_viewport_size({"width": 390, "height": 800})
    tab.open("?page=quality&device=m1").until("Dateien")
    cell = tab.page.locator(".tabulator-cell[tabulator-field=path]").first
    cell.evaluate("(cell) => { cell.firstElementChild.textContent = 'a name that is much too long for it'.repeat(9) }")
    assert cell.evaluate(_CELL) == [True, "ellipsis", "hidden"]
