"""Every page in both themes under axe-core: no violation that keeps people out; the keyboard reaches what a mouse does.

`ALLOWED` lists what the component library brings along and a page cannot mend, each with its reason.
"""

from pathlib import Path

import axe_playwright_python
import pytest

from tests.viewer.conftest import Tab
from tests.viewer.lake_factory import Plan

pytestmark = pytest.mark.browser

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
GRAVE = {"serious", "critical"}
ALLOWED = {
    "aria-progressbar-name": "busy bar of panel-material-ui's Page, drawn by its React code; it takes no name",
    "tabulator-table-body": "Tabulator: header and pager lie inside its role=grid; every grid also has its CSV",
}
VIEWS = (
    "?page=overview",
    "?page=meter&device=m1",
    "?page=compare",
    "?page=bess",
    "?page=bess&tab=safety",
    "?page=bess&tab=energy",
    "?page=bess&tab=cycles",
    "?page=bess&tab=capacity",
    "?page=packpulse",
    "?page=packpulse&tab=heat",
    "?page=packpulse&tab=trends",
    "?page=packpulse&tab=degradation",
    "?page=packpulse&tab=condition",
    "?page=quality",
)
_RUN = """async (only) => {
  const found = await axe.run(document, {resultTypes: ['violations'], ...(only ? {runOnly: only} : {})})
  return found.violations.map((v) => [v.id, v.impact, v.nodes.map((n) => n.target.flat(9).join(' ') + ' | ' +
    n.html.slice(0, 160) + ' | ' + (n.any[0] || n.all[0] || n.none[0] || {message: ''}).message)])
}"""


def grave_violations(tab: Tab, only: list[str] | None = None) -> list[str]:
    """Return what axe finds of grave violations on the open page, by all rules or by some, each with its places."""
    if not tab.page.evaluate("() => 'axe' in window"):
        tab.page.evaluate(AXE)
    found = tab.page.evaluate(_RUN, only)
    return [
        f"{rule} ({impact}): {place}"
        for rule, impact, places in found
        if impact in GRAVE
        for place in places
        if not any(key in f"{rule} {place}" for key in ALLOWED)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("theme", "rules"), [("light", None), ("dark", ["color-contrast"])], ids=["light", "dark"])
def test_no_page_keeps_people_out(tab: Tab, theme: str, rules: list[str] | None) -> None:
    """Every rule in the light theme; in the dark one the only rule that depends on colours."""
    tab.open(f"{VIEWS[0]}&theme={theme}")
    found = {VIEWS[0]: grave_violations(tab, rules)}
    for view in VIEWS[1:]:
        tab.go(f"{view}&theme={theme}")
        found[view] = grave_violations(tab, rules)
    assert {view: places for view, places in found.items() if places} == {}


def test_a_page_with_a_picture_without_text_is_found(tab: Tab) -> None:
    tab.open()
    assert grave_violations(tab) == []
    tab.page.evaluate("() => { const i = document.createElement('img'); i.src = 'data:,'; document.body.append(i) }")
    assert any("image-alt" in v for v in grave_violations(tab))


def test_the_keyboard_reaches_menu_language_and_the_pickers_of_a_page(tab: Tab, plan: Plan) -> None:
    tab.open(f"?page=packpulse&device={plan.bess}")
    reached = set()
    for _ in range(60):
        tab.page.keyboard.press("Tab")
        reached.add(
            tab.page.evaluate(
                "() => { let e = document.activeElement; while (e && e.shadowRoot && e.shadowRoot.activeElement)"
                " e = e.shadowRoot.activeElement; return e ? (e.getAttribute('aria-label') || e.innerText || e.id ||"
                " '').trim().slice(0, 60) : '' }"
            )
        )
    words = " · ".join(reached)
    for wanted in ("Datenqualität", "Switch to English", "24 h", "SAT-Übersicht", "CSV"):
        assert wanted in words, (wanted, words)
