"""Cures for faults of the stack, each with the version in which it was seen. Nothing else patches a library.

Seen in panel 1.9, panel-material-ui 0.16, bokeh-fastapi 0.1.8. Each cure checks that what it changes is still there and
does nothing otherwise. `apply_once` is called when the server is composed, never at import; cures that are longer stand
by themselves in `model_defaults.py`, `drawing.py` and `quiet.py`.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from importlib import import_module
from typing import Any

from bokeh.document import Document
from bokeh.models import CustomJS
from bokeh.protocol.exceptions import ProtocolError
from bokeh.util.token import get_session_id
from bokeh.util.warnings import BokehUserWarning
from panel.io.state import state
from panel.links import Callback

from viewer.connection import SESSION_ENDED
from viewer.cure import SOCKET, replace
from viewer.drawing import wait_at_the_socket
from viewer.model_defaults import quicken_walk, remember_defaults
from viewer.quiet import collect_when_quiet

_BACK_JS = """
const here = () => window.location.pathname + window.location.search + window.location.hash
if (window.__energy_back) { return }
window.__energy_back = true
const roots = () => window.Bokeh.documents.flatMap((doc) => doc.roots())
const close_drawer = () => {
  if (window.innerWidth >= 600) { return }
  for (const root of roots()) {
    if (root.data !== undefined && root.data.sidebar_open === true) { root.data.sidebar_open = false }
  }
}
close_drawer()
const speak = () => {
  document.documentElement.lang = new URLSearchParams(window.location.search).get("lang") === "en" ? "en" : "de"
}
const push = window.history.pushState.bind(window.history)
window.history.pushState = (data, title, url) => {
  if (url !== here()) { push(data, title, url); close_drawer(); speak() }
}
window.addEventListener("popstate", () => {
  speak()
  const model = roots().find((root) => root.type === "panel.models.location.Location")
  if (model === undefined) { window.location.reload() } else { model.search = window.location.search }
})
"""
REGISTERS = ("_onload", "_locations", "_change_callbacks", "_session_outputs", "_templates", "_stylesheets")
_done: list[str] = []


def apply_once() -> list[str]:
    """Apply the cures that concern the whole process and return their names."""
    if not _done:
        cures = (
            _free_lost_sessions(), _drop_late_messages(), _clean_busy_outside_sessions(), _remember_resources(),
            _name_fonts_once(), collect_when_quiet(), remember_defaults(), quicken_walk(), wait_at_the_socket(),
        )  # fmt: skip
        _done.extend(name for name in cures if name)
        # Panel 1.9 sends a component's `stylesheets` back with models that the server holds already; nothing is lost.
        warnings.filterwarnings("ignore", message="reference already known", category=BokehUserWarning)
    return list(_done)


def _free_lost_sessions() -> str:
    """bokeh-fastapi 0.1: a session whose socket breaks off without a close frame stays for ever.

    A socket that asks for a session that has ended gets a new one, which fails with Panel 1.9 (its request has no
    protocol) and would not fit the page: it is closed, and the page loads again (`connection.py`).
    """

    def cure(original: Any) -> Any:
        async def ws_connect(self: Any, websocket: Any) -> None:
            if not _session_lives(self, websocket):
                await websocket.accept("bokeh")
                await websocket.close(SESSION_ENDED, "the session has ended; load the page again")
                return
            try:
                await original(self, websocket)
            finally:
                if self.connection is not None:
                    self.application.client_lost(self.connection)

        return ws_connect

    return replace(f"{SOCKET}.ws_connect", cure)


def _session_lives(handler: Any, websocket: Any) -> bool:
    """Whether the session named by a socket is there; also True where none is named, which bokeh-fastapi refuses."""
    protocols = websocket.scope.get("subprotocols", [])
    if len(protocols) != 2 or protocols[0] != "bokeh":
        return True
    try:
        handler.application_context.get_session(get_session_id(protocols[1]))
    except (ProtocolError, ValueError, KeyError):
        return False
    return True


def _drop_late_messages() -> str:
    """bokeh-fastapi 0.1: what a closed page had still sent is handled without a session, an error in the log each."""

    def cure(original: Any) -> Any:
        async def _handle(self: Any, message: Any) -> Any:
            if getattr(self.connection, "_session", None) is None:
                return None
            return await original(self, message)

        return _handle

    return replace(f"{SOCKET}._handle", cure)


def _clean_busy_outside_sessions() -> str:
    """Panel 1.9: the task that clears the busy flag runs in the context of the first session and holds its document."""

    def cure(original: Any) -> Any:
        def schedule(self: Any) -> None:
            Context().run(original, self)

        return schedule

    return replace("panel.io.state:_state._schedule_busy_cleanup", cure)


def _remember_resources() -> str:
    """Panel 1.9: each page looks for the files of all components on the disk anew, before the browser gets a word."""
    found: dict[tuple[object, ...], list[str]] = {}

    def cure(original: Any) -> Any:
        def extra_resources(self: Any, resources: list[str], resource_type: str) -> None:
            known = getattr(state, "_extensions", None)
            key = (resource_type, self.mode, state.rel_path, None if known is None else frozenset(known))
            if key not in found:
                original(self, files := [], resource_type)
                found[key] = files
            resources.extend(file for file in found[key] if file not in resources)

        return extra_resources

    return replace("panel.io.resources:Resources.extra_resources", cure)


def _name_fonts_once() -> str:
    """panel-material-ui 0.16: a second list names Roboto's parts without the letters that each has.

    The browser fetches all of them, one after the other, until it has the last: so long no text is seen, and each has
    the whole page laid out anew. The bundle's own style sheet names the same fonts with their letters.
    """
    base = import_module("panel_material_ui.base")
    bundle = base.DIST_PATH / "panel-material-ui.bundle.css"
    if not getattr(base, "FONT_CSS", None) or not bundle.is_file():
        return ""
    text = bundle.read_text(encoding="utf-8")
    if not all(sign in text for sign in ("font-family:Roboto", "font-family:Material Icons", "unicode-range:U+0000")):
        return ""
    base.FONT_CSS = []
    return "panel_material_ui.base:FONT_CSS"


def follow_back_button(doc: Document) -> None:
    """Panel 1.9: nothing answers the browser's back button; write the URL's query back to the Location model.

    On narrow screens the drawer of panel-material-ui 0.16 starts open over the page: close it, also after a pick.
    """
    doc.js_on_event("document_ready", CustomJS(code=_BACK_JS))


def forget_document(doc: Document, page: object) -> Callable[[object], None]:
    """panel-material-ui 0.16: the page's busy watcher and panel's registers keep a closed document alive."""

    def forget(_context: object) -> None:
        views = getattr(state, "_views", {})
        for ref in [r for r, entry in list(views.items()) if entry[2] is doc]:
            views.pop(ref, None)
        for watcher in _busy_watchers(page):
            state.param.unwatch(watcher)
        for register in REGISTERS:
            getattr(state, register, {}).pop(doc, None)

    return forget


def _busy_watchers(page: object) -> list[Any]:
    private = getattr(state, "_param__private", None)
    watchers = getattr(private, "watchers", {}).get("busy", {}).get("value", [])
    return [w for w in watchers if getattr(getattr(w.fn, "__self__", None), "self", None) is page]


@contextmanager
def at_once(doc: Document) -> Iterator[None]:
    """Panel 1.9 puts every change off while no browser has drawn the document; what is built ahead must be in it now.

    For callbacks that hold the document's lock. A change put off would reach the browser in the middle of its drawing.
    """
    register = getattr(state, "_connected", None)
    if register is None or register.get(doc):
        yield
        return
    register[doc] = True
    try:
        yield
    finally:
        register.pop(doc, None)


@contextmanager
def as_one(doc: Document) -> Iterator[None]:
    """Bokeh 3.9 walks all models of a document after each change of one; here once, before the browser is told.

    For callbacks that hold the document's lock. `panel.io.hold(freeze=True)` tells the browser first: models that are
    not known to the document yet would be sent again with the next change.
    """
    if doc.callbacks.hold_value is not None:
        yield
        return
    doc.hold("combine")
    try:
        with doc.models.freeze():
            yield
    finally:
        doc.unhold()


def forget_callbacks(view: object) -> None:
    """Panel 1.9: its register keeps for ever what a JS callback names; the page has the script by now."""
    Callback.registry.pop(view, None)
