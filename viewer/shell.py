"""The frame around the pages: bar, menu, language, theme, and which page is open.

`open_session` answers a request with an empty frame; pages are built when the browser has it. One page is open at a
time; what changes in the selection is handed to it. Next: `pages/`.
"""

import asyncio
import logging

import panel as pn
import panel_material_ui as pmui

from energy_pipeline.settings import Settings
from viewer import stack_fixes
from viewer.components import html
from viewer.components.panel import problem
from viewer.pages import PAGES
from viewer.pages.base import Page
from viewer.selection import FIELDS, Selection
from viewer.session import Session
from viewer.store import Store, TableBroken, TableMissing
from viewer.theme import PAGE_SX, THEME

ICONS = {
    "overview": "dashboard",
    "meter": "bolt",
    "compare": "stacked_line_chart",
    "bess": "battery_charging_full",
    "packpulse": "monitor_heart",
    "quality": "verified",
}
VERSION_CHECK_S = 20.0
SKELETON = '<div class="skeleton"'
log = logging.getLogger(__name__)
SIDEBAR_WIDTH = 220
BODY_CSS = """
:host { padding:16px 18px 40px; box-sizing:border-box; }
@media (max-width:560px) { :host { padding:10px 8px 40px; } }
"""


class Shell:
    """Frame of one session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._page: Page | None = None
        self._laid_out, self._pending = False, set()
        self._opened_versions: dict[str, int | None] = {}
        self._refused: list[str] = []
        self._fault, self._offered = "", False
        t = session.texts
        self._menu = pmui.MenuList(items=[], sizing_mode="stretch_width", margin=(8, 0))
        self._menu.param.watch(self._menu_picked, "active")
        self._language = pmui.Button(
            label="",
            icon="translate",
            variant="text",
            size="small",
            on_click=self._switch_language,
            sx={"color": "#ffffff"},
            margin=(0, 4),
            width=74,
        )
        self._notes = pn.Column(sizing_mode="stretch_width", margin=0)
        self._news = pn.Column(sizing_mode="stretch_width", margin=0)
        self._main = pn.Column(sizing_mode="stretch_width", margin=0)
        self._body = pn.Column(
            self._news,
            self._notes,
            self._main,
            sizing_mode="stretch_width",
            margin=0,
            css_classes=["ep-body"],
            stylesheets=[BODY_CSS],
        )
        self.view = pmui.Page(
            title=t("app.title"),
            main=[self._body],
            sidebar=[self._menu],
            header=[pn.Spacer(sizing_mode="stretch_width"), self._language],
            sidebar_width=SIDEBAR_WIDTH,
            sidebar_resizable=False,
            theme_config=THEME,
            sx=PAGE_SX,
            dark_theme=session.dark,
            busy_indicator="linear",
            site_url="./",
            meta_name=t("app.title"),
        )
        self.view.param.watch(self._theme_toggled, "dark_theme")
        self._label()
        session.selection.param.watch(self._changed, list(FIELDS), what="value")

    def open_page(self) -> None:
        """Open the selected page."""
        self.session.cancel("")
        page = PAGES[self.session.selection.page](self.session)
        page.announce = self._announce
        self._page, self._laid_out, self._pending = page, False, set()
        self.session.spawn("page", self._build(page))
        self.session.spawn("watch", self._watch())

    async def _build(self, page: Page) -> None:
        """Build a page; whatever fails ends as a message on it, never as areas that load for ever."""
        (outcome,) = await asyncio.gather(self._built(page), return_exceptions=True)
        if isinstance(outcome, TableMissing | TableBroken) and not self._laid_out:
            markup = problem(outcome, self.session.texts)
            await self.session.apply(lambda: self._show_instead(markup))
        elif isinstance(outcome, Exception):
            log.error("page %s failed", self.session.selection.page, exc_info=outcome)
            await self.session.apply(lambda: self._failed("error.part"))
        elif isinstance(outcome, BaseException):
            raise outcome

    async def _built(self, page: Page) -> None:
        self._opened_versions = await self.session.read(self.session.store.versions)
        await self.session.read(page.prepare)
        await self.session.apply(lambda: self._show(page.layout()))
        if not page.light:
            self.session.frame_first()
        await page.fill()

    def _show(self, content: object) -> None:
        self._news.objects, self._offered, self._fault = [], False, ""
        self._main.objects = [content]
        self._laid_out = True
        self._announce()

    def _show_instead(self, markup: str) -> None:
        """Show a message in the page's place; the next change of the selection opens the page anew."""
        self._main.objects = [html.pane(markup)]
        self._laid_out = False

    def _failed(self, key: str) -> None:
        t = self.session.texts
        text = html.message(t("error.page"), t("error.failed_text"), "bad")
        if not self._laid_out:
            self._show_instead(text)
            return
        self._end_loading()
        self._fault = html.message(t(key), t("error.failed_text"), "bad")
        self._announce()

    def _end_loading(self) -> None:
        """Put a message where an area would load for ever."""
        t = self.session.texts
        markup = html.message(t("error.failed"), t("error.failed_text"), "bad")
        for area in self._main.select(pn.pane.HTML):
            if str(area.object).startswith(SKELETON):
                area.object = markup

    def _announce(self) -> None:
        """Show what the address asked for and could not have, and a fault of the last change."""
        t, notes = self.session.texts, []
        self._refused = self.session.selection.refused
        if self._refused:
            notes.append(html.message(t("url.refused"), ", ".join(self._refused), "warn"))
        notes += [*(self._page.notices() if self._page is not None and self._laid_out else []), self._fault]
        self._notes.objects = [html.pane(n, margin=(0, 0, 14, 0)) for n in notes if n]

    def _label(self) -> None:
        t, active = self.session.texts, list(PAGES).index(self.session.selection.page)
        self._menu.items = [{"label": t(f"page.{p}"), "icon": ICONS[p]} for p in PAGES]
        if self._menu.active != (active,):
            self._menu.active = (active,)
        self._language.label = "EN" if t.lang == "de" else "DE"
        self._language.description = t("app.other_language")
        self.view.title = t("app.title")

    def _menu_picked(self, event: object) -> None:
        active = event.new
        index = active[0] if isinstance(active, tuple | list) and active else active
        if isinstance(index, int) and list(PAGES)[index] != self.session.selection.page:
            self.session.carried.add(self.session.selection.device)
            self.session.selection.param.update(page=list(PAGES)[index], tab="", signal="", low="", high="", zoom="")

    def _switch_language(self, _event: object) -> None:
        selection = self.session.selection
        selection.lang = "en" if selection.lang == "de" else "de"

    def _theme_toggled(self, event: object) -> None:
        self.session.selection.theme = "dark" if event.new else "light"

    def _changed(self, *events: object) -> None:
        names = {e.name for e in events}
        if self.session.selection.refused is self._refused:  # what was refused stood in an earlier address
            self.session.selection.refused = []
        location = pn.state.location
        query = self.session.selection.query()
        if location is not None and location.search != query:
            location.search = query
        if "theme" in names and self.view.dark_theme != self.session.dark:
            self.view.dark_theme = self.session.dark
        if names & {"page", "lang"}:
            self._label()
            self.open_page()
        elif self._page is not None and names - {"theme"}:
            self._follow(names)
        elif self._page is not None and "theme" in names:
            self.session.spawn("change", self._page.themed())

    def _follow(self, names: set[str]) -> None:
        if not self._laid_out:
            self.open_page()
            return
        if self.session.running("page"):
            self.session.cancel("page")
            names = names | set(FIELDS)
        self._pending |= names
        self.session.spawn("change", self._change())

    async def _change(self) -> None:
        names, self._fault = set(self._pending), ""
        (outcome,) = await asyncio.gather(self._page.changed(names), return_exceptions=True)
        if isinstance(outcome, Exception):
            log.error("change of %s failed", ", ".join(sorted(names)), exc_info=outcome)
            await self.session.apply(lambda: self._failed("error.change"))
        elif isinstance(outcome, BaseException):
            raise outcome
        else:
            await self.session.apply(self._announce)
        self._pending -= names

    async def _watch(self) -> None:
        # Not panel's periodic callback: its task outlives the session and keeps the document alive.
        while not self.session.closed:
            await asyncio.sleep(VERSION_CHECK_S)
            now = await self.session.read(self.session.store.versions)
            if self._opened_versions and now != self._opened_versions and not self._offered:
                await self.session.apply(self._offer)

    def _offer(self) -> None:
        t = self.session.texts
        button = pmui.Button(label=t("news.reload"), size="small", variant="contained", margin=(0, 0, 0, 12), width=130)
        button.on_click(lambda _e: self.open_page())
        text = html.pane(f'<span class="b info">{html.escape(t("news.text"))}</span>', sizing_mode=None, margin=(6, 0))
        self._news.objects, self._offered = [pn.Row(text, button, margin=(0, 0, 14, 0))], True


def open_session(store: Store, settings: Settings) -> pmui.Page:
    """Return the frame for a new browser session."""
    selection = Selection()
    location = pn.state.location
    if location is not None:
        selection.read_query(location.search or "")
    doc = pn.state.curdoc
    session = Session(store, settings, selection, doc)
    shell = Shell(session)
    if location is not None:
        location.param.watch(lambda e: _followed(selection, e.new), "search")
    stack_fixes.follow_back_button(doc)
    forget = stack_fixes.forget_document(doc, shell.view)

    def ended(context: object) -> None:
        session.close()
        forget(context)

    pn.state.on_session_destroyed(ended)
    pn.state.onload(session.drawn)
    shell.open_page()
    return shell.view


def _followed(selection: Selection, search: str) -> None:
    if search != selection.query():
        selection.read_query(search or "")
