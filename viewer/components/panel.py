"""A bordered area with title, note and body that loads by itself and fails alone.

`fill` reads in a thread and renders in the document. A missing or broken table, an unknown signal or a reversed range
becomes a message in this panel, and so does a fault that nobody foresaw (its trace goes to the log); the rest of the
page stands and fills.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

import panel as pn

from viewer.components import html
from viewer.components.exports import name_exports
from viewer.series import EmptyWindow, UnknownSignal
from viewer.session import Session
from viewer.store import TableBroken, TableMissing
from viewer.texts import Texts

T = TypeVar("T")
log = logging.getLogger(__name__)
_CSS = """
:host { border:1px solid color-mix(in srgb, currentColor 16%, transparent); border-radius:10px;
  padding:14px 16px 12px; box-sizing:border-box;
  min-width:0; max-height:none !important; contain:inline-size; }
@media (max-width: 560px) { :host { padding:10px 8px 8px; } }
"""
GAP = (0, 0, 14, 0)


class NoData(Exception):  # noqa: N818 - a state of a panel, not a fault
    """There is nothing to draw; the message says why, in the user's language."""


class Panel:
    """One area of a page."""

    def __init__(self, session: Session, title: str, note: str = "", height: int = 120) -> None:
        self._session, self._title, self._height = session, title, height
        self._head = html.pane(_heading(title, note), margin=(0, 0, 8, 0))
        self._body = pn.Column(self._skeleton(), sizing_mode="stretch_width", margin=0)
        self.view = pn.Column(
            self._head,
            self._body,
            sizing_mode="stretch_width",
            stylesheets=[_CSS],
            margin=GAP,
            css_classes=["ep-panel"],
        )

    def set_heading(self, title: str, note: str = "") -> None:
        """Replace title and note."""
        self._title = title
        self._head.object = _heading(title, note)

    def show(self, *objects: object) -> None:
        """Show objects in the body; pictures among them can be saved under the name of this panel."""
        selection = self._session.selection
        name_exports(objects, self._title, selection.device or "", Texts(selection.lang))
        self._body.objects = list(objects)

    async def fill(self, load: Callable[[], T], render: Callable[[T], object]) -> None:
        """Read with `load` in a thread, then show what `render` makes of it; whatever fails ends as a message here.

        Never raises but when it is cancelled: the panels filled after this one get their turn.
        """
        texts = self._session.texts
        (outcome,) = await asyncio.gather(self._fill(load, render), return_exceptions=True)
        if isinstance(outcome, (TableMissing, TableBroken, UnknownSignal, EmptyWindow, NoData)):
            markup = problem(outcome, texts)
        elif isinstance(outcome, Exception):
            log.error("panel %r failed", self._title, exc_info=outcome)
            markup = html.message(texts("error.failed"), texts("error.failed_text"), "bad")
        elif isinstance(outcome, BaseException):
            raise outcome
        else:
            return
        await self._session.apply(lambda: self.show(html.pane(markup)))

    async def _fill(self, load: Callable[[], T], render: Callable[[T], object]) -> None:
        data = await self._session.read(load)
        await self._session.apply(lambda: self._show_rendered(render(data)))

    def _show_rendered(self, rendered: object) -> None:
        self.show(*(rendered if isinstance(rendered, list | tuple) else [rendered]))

    def _skeleton(self) -> pn.pane.HTML:
        return html.pane(f'<div class="skeleton" style="--h:{self._height}px" role="status" aria-busy="true"></div>')


def problem(error: Exception, texts: Texts) -> str:
    """Return the message for something that keeps a panel empty."""
    if isinstance(error, TableMissing):
        return html.message(
            texts("error.missing", table=error.table), texts("error.missing_text"), "info", error.command
        )
    if isinstance(error, TableBroken):
        text = texts("error.broken_text", cause=error.cause)
        return html.message(texts("error.broken", table=error.table), text, "bad", error.command)
    if isinstance(error, UnknownSignal):
        return html.message(texts("error.signal"), texts("error.signal_text"), "warn")
    if isinstance(error, EmptyWindow):
        return html.message(texts("range.reversed"), "", "warn")
    return html.message(texts("state.nothing"), str(error), "info")


def _heading(title: str, note: str) -> str:
    below = f'<div class="note">{html.escape(note)}</div>' if note else ""
    return f"<h2>{html.escape(title)}</h2>{below}" if title else below
