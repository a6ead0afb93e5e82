"""Every page: it opens without an error, axe-core finds nothing that keeps people out, keys reach it.

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
CONTRAST = ["color-contrast"]  # the only rule that depends on colours
VISITS = (
    ("Überblick", ("Geräte", "Ist es sicher?", "Speichersysteme")),
    ("Einzelzähler", ("Energie je Tag", "Dauerlinie", "Ortszeit Europe/Berlin", "Die zehn höchsten")),
    ("Vergleich", ("Zahlen im Paar", "Unterschied")),
    ("BESS-Übersicht", ("SOH laut BMS", "Statistik der Signale")),
    ("Sicherheit", ("Meldungen im Zeitverlauf",)),
    ("Energie", ("Verfügbarkeit", "Wirkungsgrad je Messgrenze", "Hilfsbetriebe gegen Außentemperatur", "Grundlast")),
    ("Zyklen", ("Rainflow", "drei Wege einig", "Klassen als Tabelle")),
    ("Kapazität", ("Kapazität gemessen", "Prognose für Lebensdauer", "Ende der Lebensdauer")),
    ("PackPulse", ("Verteilung der SAT-Spannung", "Pack 1", "Auffällige Zellen")),
    ("Pack-Trends", ("Verlauf je Pack", "95 % von")),
    (
        "Degradationsanalyse",
        (
            "Degradation Statistiken",
            "Zyklen-Hochrechnung",
            "Qualitätsbewertung",
            "Gesamtbewertung",
            "kein gesicherter Trend",
        ),
    ),
    ("Heatmap & 3D", ("Alle Zellen, alle Tage", "Noch keine Zelle gewählt")),
    ("Spreizung & Widerstand", ("Spreizung je Pack", "Widerstand je Zelle", "hoher SOC", "Packs: Spreizung")),
    ("Datenqualität", ("geht auf", "Rücksetzung", "bestanden")),
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


_BROKEN = """(headings) => headings.filter((h) => h.checkVisibility()).flatMap((heading) => {
  const text = heading.firstChild, broken = []
  if (text?.nodeType !== Node.TEXT_NODE) { return broken }
  for (const word of text.data.matchAll(/\\S+/g)) {
    const part = document.createRange()
    part.setStart(text, word.index)
    part.setEnd(text, word.index + word[0].length)
    if (part.getClientRects().length > 1) { broken.push(word[0]) }
  }
  return broken
})"""


def broken_words(tab: Tab) -> list[str]:
    """Return the words in headings of tables that are cut, one part on the next line."""
    return tab.page.locator(".tabulator-col-title, th").evaluate_all(_BROKEN)


def toggled(tab: Tab, theme: str) -> None:
    """Change the theme of the open page to `theme`."""
    tab.page.get_by_role("button", name="Toggle theme").click()
    tab.page.wait_for_url(lambda url: ("theme=dark" in url) == (theme == "dark"), timeout=10_000)
    tab.settled(0.1)


@pytest.mark.slow
def test_every_page_and_tab_opens_without_errors_keeps_nobody_out_and_cuts_no_word(tab: Tab) -> None:
    """Half of the pages in the light theme, half in the dark one."""
    tab.open()
    found, cut = {}, {}
    for number, (click, words) in enumerate(VISITS):
        if number == len(VISITS) // 2:
            toggled(tab, "dark")
        visited(tab, click, words)
        found[click], cut[click] = grave_violations(tab), broken_words(tab)
    assert {page: places for page, places in found.items() if places} == {}
    assert {page: words for page, words in cut.items() if words} == {}


def test_a_word_that_is_cut_is_found(tab: Tab) -> None:
    tab.open("?page=meter&device=m1").until("Bezug [kWh]")
    assert broken_words(tab) == []
    titles = tab.page.locator(".tabulator-col-title")
    titles.evaluate_all("(all) => all.forEach((t) => { t.style.width = '24px'; t.style.overflowWrap = 'anywhere' })")
    assert "[kWh]" in broken_words(tab)


@pytest.mark.long
def test_the_colours_of_every_page_can_be_read_in_both_themes(tab: Tab) -> None:
    tab.open()
    found, theme = {}, "light"
    for click, words in VISITS:
        visited(tab, click, words)
        for _ in range(2):
            found[click, theme] = grave_violations(tab, CONTRAST)
            if found[click, theme]:  # colours of the component library fade into each other
                tab.page.wait_for_timeout(1500)
                found[click, theme] = grave_violations(tab, CONTRAST)
            theme = "dark" if theme == "light" else "light"
            toggled(tab, theme)
    assert {page: places for page, places in found.items() if places} == {}


def visited(tab: Tab, click: str, words: tuple[str, ...]) -> None:
    """Go to a page by its name in the menu or on its tab, and find its words there."""
    tab.page.get_by_text(click, exact=True).first.click()
    text = tab.until(words[0])
    for word in words:
        assert word in text, (click, word)
    assert "konnte nicht gezeichnet werden" not in text


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
