"""The viewer in a real browser: it reacts, follows the address and stays free of errors.

Every page is opened in `test_accessibility.py`.
"""

import csv
import re
import shutil
from io import StringIO
from pathlib import Path

import polars as pl
import pytest

from energy_pipeline.settings import Settings
from tests.viewer.conftest import Tab
from tests.viewer.lake_factory import Plan, write_table
from tests.viewer.live_sessions import LiveServer
from viewer.store import Store

pytestmark = pytest.mark.browser
WIDTHS = """() => [...Bokeh.documents[0]._all_models.values()].filter((m) => m.type === 'Figure')
  .map((m) => m.inner_width).filter((width) => width > 0)"""


def test_a_tap_on_the_heat_map_opens_the_cell(tab: Tab, plan: Plan) -> None:
    tab.open("?page=packpulse&tab=heat")
    canvas = tab.page.locator(".bk-Figure").first.bounding_box()
    tab.page.mouse.click(canvas["x"] + canvas["width"] * 0.4, canvas["y"] + canvas["height"] * 0.3)
    tab.page.wait_for_url("**cell=P*", timeout=10_000)
    text = tab.settled().text()
    cell = tab.page.url.split("cell=")[1].split("&")[0]
    assert f"{cell} · Abstand zum System" in text


def test_a_cell_has_statistics_beside_its_raw_voltage(tab: Tab, store: Store, plan: Plan) -> None:
    text = tab.open("?page=packpulse&tab=heat&cell=P1C1").until("P1C1 · Rohspannung")
    rows = store.frame("resolution_5min", ["ts", "max"], where={"device": plan.bess, "signal": "bms1_p1_v1"})
    week = rows.filter(pl.col("ts") >= rows["ts"].max() - pl.duration(days=7))
    highest = f"{week['max'].max():.3f}".replace(".", ",")
    assert all(word in text for word in ("nach Zeit gewichtet", "Median", "Abdeckung", highest)), (highest, text)


def test_the_button_of_the_surface_stands_below_the_last_panel_of_the_picked_cell(tab: Tab) -> None:
    tab.open("?page=packpulse&tab=heat&cell=P1C1").until("P1C1 · Rohspannung")
    last = tab.page.locator(".ep-panel").last.bounding_box()
    button = tab.page.get_by_role("button", name="3D-Fläche zeigen").bounding_box()
    assert button["y"] >= last["y"] + last["height"]


def test_zooming_in_loads_single_readings(tab: Tab) -> None:
    tab.open("?page=meter&device=m1&range=7d")
    status = tab.page.locator(".lod-status").first
    assert "5 min" in status.inner_text()
    box = tab.page.locator(".bk-Figure").first.bounding_box()
    tab.page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.5)
    for _ in range(14):
        tab.page.mouse.wheel(0, -240)
        tab.page.wait_for_timeout(60)
    tab.page.wait_for_function(
        "() => { const f = (n) => { for (const c of n.querySelectorAll('*')) { if (c.classList.contains('lod-status'))"
        " return c; if (c.shadowRoot) { const r = f(c.shadowRoot); if (r) return r } } return null };"
        " return f(document).textContent.includes('Einzelwerte') }",
        timeout=10_000,
    )


def test_a_hover_of_what_was_drawn_before_is_gone_when_single_readings_are_there(tab: Tab) -> None:
    tab.open("?page=meter&device=m1&range=7d")
    box = tab.page.locator(".bk-Figure").first.bounding_box()
    tab.page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.5)
    tip = tab.page.locator(".bk-Tooltip:visible")
    tip.first.wait_for()
    for _ in range(40):
        tab.page.mouse.wheel(0, -240)
        tab.page.wait_for_timeout(40)
    tab.until("Punkte · Lücken: 0")
    tab.page.wait_for_timeout(800)
    assert tab.page.locator(".lod-status").first.inner_text().startswith("Auflösung: Einzelwerte · 2 Punkte")
    shown = tip.evaluate_all("(tips) => tips.map((e) => (e.shadowRoot ?? e).textContent)")
    ends = re.findall(r"Min:\s*([−\d.,]+)\s*Max:\s*([−\d.,]+)", " ".join(shown))
    assert [low == high for low, high in ends] == [True] * len(shown)  # so it is with a single reading


def test_language_and_theme_switch_and_stay_in_the_address(tab: Tab) -> None:
    tab.open("?page=compare")
    assert tab.page.evaluate("document.documentElement.lang") == "de"
    tab.page.locator("button").filter(has_text="EN").first.click()
    tab.page.wait_for_url("**lang=en*", timeout=10_000)
    tab.page.wait_for_function("document.documentElement.lang === 'en'", timeout=5_000)
    tab.until("Pairs of figures")
    tab.page.get_by_role("button", name="Toggle theme").click()
    tab.page.wait_for_url("**theme=dark*", timeout=10_000)
    tab.page.wait_for_timeout(500)
    again = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert again != "rgb(255, 255, 255)"


def test_the_back_button_returns_to_the_page_before(tab: Tab) -> None:
    tab.open("?page=quality&device=m2")
    tab.page.get_by_text("Überblick", exact=True).click()
    tab.page.wait_for_url(lambda url: "page=" not in url, timeout=10_000)
    tab.until("Speichersysteme")
    tab.page.go_back()
    tab.page.wait_for_url("**page=quality&device=m2*", timeout=10_000)
    assert "Buchführung je Signal" in tab.until("Buchführung je Signal")


def test_a_deep_link_opens_the_cell_in_english(tab: Tab, plan: Plan) -> None:
    name = f"P{plan.falling[0]}C{plan.falling[1]}"
    text = tab.open(f"?page=packpulse&tab=degradation&cell={name}&lang=en").until("Falls by")
    assert f"Cell {name}" in text
    assert "Falls by −24.0 mV/year" in text


def test_a_downloaded_csv_equals_the_table(tab: Tab, settings: Settings, tmp_path: Path) -> None:
    tab.open("?page=meter&device=m1").until("Bezug [kWh]")
    button = tab.page.locator("button", has_text="CSV").first
    button.wait_for(state="visible", timeout=30_000)
    tab.page.wait_for_timeout(1000)  # a button that has just come takes no click yet
    with tab.page.expect_download() as waiting:
        button.click()
    rows = list(csv.DictReader(StringIO(Path(waiting.value.path()).read_text(encoding="utf-8-sig"))))
    stored = Store(settings).frame("meter_daily", where={"device": "m1"}).sort("day", descending=True)
    assert len(rows) >= 30
    assert rows[0]["Tag"] == stored["day"][0].isoformat()
    taken = stored.filter(pl.col("day") == pl.lit(rows[3]["Tag"]).str.to_date())["import_kwh"][0]
    assert float(rows[3]["Bezug [kWh]"]) == taken


def test_strange_addresses_are_answered_not_crashed(tab: Tab) -> None:
    assert "page=nonsense" in tab.open("?page=nonsense&cell=X&device=m1").text()
    tab.go("?page=compare&device=m99")
    assert "m1, m2" in tab.until("Das Gerät „m99“ gibt es nicht.")
    tab.go("?page=packpulse&tab=heat&cell=P9C9")
    assert "Die Zelle P9C9 gibt es nicht." in tab.until("Die Zelle P9C9")
    tab.go("?page=meter&device=m1&range=custom&start=2025-01-09T00:00&end=2025-01-02T00:00")
    assert "Das Ende liegt vor dem Anfang." in tab.until("Das Ende liegt")


def test_new_data_is_offered_and_loaded_by_one_click(
    context: object, settings: Settings, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("viewer.shell.VERSION_CHECK_S", 2.0)
    lake = shutil.copytree(settings.lake, tmp_path / "lake")
    with LiveServer(Settings(lake=str(lake)), lifetime_s=60) as server:
        tab = Tab(context, server.url).open("?page=quality&device=m1")
        assert "Es gibt neue Daten" not in tab.text()
        row = {"device": "m1", "table": "readings", "check": "a_check_that_came_later", "passed": True}
        checked = row | {"blocking": False, "failed_rows": 0, "checked_rows": 7, "checked_ts": plan.end}
        write_table(lake, "check_results", pl.DataFrame([checked]))
        tab.page.get_by_role("button", name="Neu laden").click(timeout=45_000)
        assert "a check that came later" in tab.until("a check that came later")
        assert not tab.page.get_by_role("button", name="Neu laden").count()
        assert tab.faults == []
        tab.page.close()


def test_two_sessions_do_not_disturb_each_other(tab: Tab, context: object) -> None:
    tab.open("?page=packpulse&tab=heat")
    other = Tab(context, tab.url).open("?page=packpulse&tab=heat&lang=en")
    assert "All cells, all days" in other.text()
    assert "Alle Zellen, alle Tage" in tab.text()
    assert other.faults == []
    other.page.close()


def test_a_phone_shows_the_page_and_not_the_drawer(context: object, viewer: object) -> None:
    tab = Tab(context, viewer.url, phone=True).open("?page=meter&device=m1")
    width = tab.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 392
    assert not tab.page.get_by_text("Datenqualität", exact=True).is_visible()
    assert tab.faults == []
    tab.page.close()


def test_a_page_fetches_the_parts_of_its_fonts_whose_letters_it_shows_and_no_others(tab: Tab) -> None:
    tab.open("?page=packpulse")
    fonts = tab.page.evaluate(
        "() => [...document.fonts].filter((f) => f.status === 'loaded').map((f) => [f.family, f.unicodeRange])"
    )
    families = {family.strip('"') for family, _ in fonts}
    assert {"Roboto", "Material Icons"} <= families
    ranges = {letters for family, letters in fonts if "Roboto" in family}
    assert any(letters.startswith("U+0-FF") for letters in ranges)
    assert not [letters for letters in ranges if "U+400-45F" in letters or letters == "U+0-10FFFF"]


def test_changes_that_come_together_lay_the_page_out_once_and_a_new_width_reaches_every_picture(tab: Tab) -> None:
    tab.open("?page=meter&device=m1")
    before = tab.page.evaluate(WIDTHS)
    assert len(before) > 3
    layouts = tab.page.evaluate(
        "async () => { const root = [...Bokeh.index.roots].find((v) => v.invalidate_layout); let n = 0;"
        " const honest = root.update_layout.bind(root); root.update_layout = () => { n += 1; honest() };"
        " const figures = [...Bokeh.documents[0]._all_models.values()].filter((m) => m.type === 'Figure');"
        " for (const f of figures) { Bokeh.index.find_one_by_id(f.id)?.invalidate_layout() }"
        " await new Promise((done) => setTimeout(done, 1500)); return n }"
    )
    assert layouts == 1
    tab.page.set_viewport_size({"width": 1000, "height": 1500})
    tab.page.wait_for_timeout(1500)
    after = tab.page.evaluate(WIDTHS)
    assert max(after) < max(before), (before, after)
    assert all(a != b for a, b in zip(before, after, strict=True)), (before, after)


def test_an_empty_lake_says_what_to_run(context: object, tmp_path: Path) -> None:
    with LiveServer(Settings(lake=str(tmp_path / "nothing")), lifetime_s=60) as server:
        tab = Tab(context, server.url)
        assert "energy-pipeline run" in tab.open().text()
        for page in ("meter", "packpulse", "quality"):
            assert "energy-pipeline run" in tab.go(f"?page={page}").text()
        assert tab.faults == []
        tab.page.close()
