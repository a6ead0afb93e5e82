"""Cures for faults of the stack, each with the version in which it was seen. Nothing else patches a library.

Seen in panel 1.9, panel-material-ui 0.16, bokeh-fastapi 0.1.8. Each cure checks that what it changes is still there and
does nothing otherwise. `apply_once` is called when the server is composed, never at import.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from bokeh.document import Document
from bokeh.models import CustomJS
from panel.io.state import state

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
const push = window.history.pushState.bind(window.history)
window.history.pushState = (data, title, url) => { if (url !== here()) { push(data, title, url); close_drawer() } }
window.addEventListener("popstate", () => {
  const model = roots().find((root) => root.type === "panel.models.location.Location")
  if (model === undefined) { window.location.reload() } else { model.search = window.location.search }
})
"""
_done: list[str] = []


def apply_once() -> list[str]:
    """Apply the cures that concern the whole process and return their names."""
    if not _done:
        _done.extend(name for name in (_free_lost_sessions(),) if name)
    return list(_done)


def _free_lost_sessions() -> str:
    """bokeh-fastapi 0.1: a session whose socket breaks off without a close frame stays for ever."""
    try:
        handler = import_module("bokeh_fastapi.handler").WSHandler
    except ModuleNotFoundError:
        return ""
    original = getattr(handler, "ws_connect", None)
    if original is None or getattr(original, "_cured", False):
        return ""

    async def ws_connect(self: Any, websocket: Any) -> None:
        try:
            await original(self, websocket)
        finally:
            if self.connection is not None:
                self.application.client_lost(self.connection)

    ws_connect._cured = True
    handler.ws_connect = ws_connect
    return "bokeh_fastapi.handler.WSHandler.ws_connect"


def follow_back_button(doc: Document) -> None:
    """Panel 1.9: nothing answers the browser's back button; write the URL's query back to the Location model.

    On narrow screens the drawer of panel-material-ui 0.16 starts open over the page: close it, also after a pick.
    """
    doc.js_on_event("document_ready", CustomJS(code=_BACK_JS))


def forget_document(doc: Document, page: object) -> Callable[[object], None]:
    """panel-material-ui 0.16: the page's busy watcher and `state._views` keep a closed document alive."""

    def forget(_context: object) -> None:
        views = getattr(state, "_views", {})
        for ref in [r for r, entry in list(views.items()) if entry[2] is doc]:
            views.pop(ref, None)
        watchers = getattr(state, "param", None)
        for watcher in _busy_watchers(page):
            watchers.unwatch(watcher)

    return forget


def _busy_watchers(page: object) -> list[Any]:
    held = getattr(state, "_param_watchers", None) or getattr(state, "_param__private", None)
    registry = held if isinstance(held, dict) else getattr(held, "watchers", {})
    found = registry.get("busy", {}).get("value", []) if isinstance(registry, dict) else []
    return [w for w in found if _belongs_to(w, page)]


def _belongs_to(watcher: Any, page: object) -> bool:
    function = getattr(watcher, "fn", None)
    target = getattr(function, "__self__", None)
    if target is page:
        return True
    inner = getattr(function, "args", ()) or ()
    return any(a is page or getattr(a, "__self__", None) is page for a in inner)
