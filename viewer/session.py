"""One browser session: its store, selection, texts, and how work reaches the document.

Data is read in threads, models are made only inside the document's own callbacks: `apply` brings a function there
(together with what else waits), `spawn` runs a coroutine outside the document's lock and replaces an older one of the
same name. The browser draws the frame of a page first: it is made while the scripts load, the next panels while the
browser draws (`drawing.py`), and whatever comes later as it comes.
Next: `shell.py` (the frame around the pages) and `pages/`.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from bokeh.document import Document
from panel.io.state import set_curdoc

from energy_pipeline.settings import Settings
from viewer import drawing
from viewer.catalog import Catalog
from viewer.quiet import quiet
from viewer.selection import Selection
from viewer.stack_fixes import as_one, at_once
from viewer.store import Store
from viewer.texts import Texts

T = TypeVar("T")
CHART_POINTS = 1600
TOGETHER_S, AHEAD_S = 0.03, 0.3
log = logging.getLogger(__name__)


class Session:
    """What every page of one browser session shares."""

    def __init__(self, store: Store, settings: Settings, selection: Selection, doc: Document) -> None:
        self.store, self.settings, self.selection, self.doc = store, settings, selection, doc
        self.catalog = Catalog(store, settings)
        self.closed = False
        self.carried: set[str] = set()  # devices that the menu took along to a page that may not know them
        self.chart_points = CHART_POINTS  # of a line; the first chart that is drawn says what the screen is worth
        self._tasks: dict[str, asyncio.Task] = {}
        self._due, self._awake = [], False
        self._frame_first = self._drawn = False
        self._ahead_s = 0.0
        self._drawing = drawing.follow(doc)
        self._drawing.when_begun = self._wake

    @property
    def texts(self) -> Texts:
        """Texts of the chosen language."""
        return Texts(self.selection.lang)

    @property
    def dark(self) -> bool:
        """True where the dark theme is chosen."""
        return self.selection.theme == "dark"

    async def read(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a reading function in a thread."""
        quiet.asked()
        return await asyncio.to_thread(function, *arguments)

    async def apply(self, function: Callable[[], T]) -> T:
        """Run `function` inside the document's lock and return what it returns."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def run() -> None:
            if future.cancelled():
                return
            # What fails belongs to who awaits it: escaping here as well, it would be a trace in the log for each empty
            # state.
            with suppress(Exception):
                try:
                    future.set_result(function())
                finally:
                    if not future.done():
                        future.set_exception(sys.exception() or asyncio.CancelledError())

        if self.closed:
            raise asyncio.CancelledError
        quiet.asked()
        self._due.append(run)
        self._wake()
        return await future

    def frame_first(self) -> None:
        """Let the browser draw what the document holds by now; what comes later reaches it after that."""
        self._frame_first = True

    def drawn(self) -> None:
        """Note that the browser has drawn the document: what waited for that reaches it now."""
        self._drawn = True
        self._drawing.end()
        self._wake()

    def _wake(self) -> None:
        if self._due and not self._awake:
            self._awake = True
            self.doc.add_next_tick_callback(self._run_due)

    def _run_due(self) -> None:
        """Run what is due, together as far as it is quick: Bokeh walks over the whole document after each change.

        What takes long is sent before the next begins, so that the first picture waits for no other.
        """
        self._awake = False
        if not self._may_run():
            return  # `_wake` comes back when the browser is further
        begun = time.monotonic()
        with set_curdoc(self.doc), at_once(self.doc), as_one(self.doc):
            while self._due:
                self._due.pop(0)()
                if time.monotonic() > begun + TOGETHER_S:
                    break
        if self._drawing.begun:
            self._ahead_s += time.monotonic() - begun
        self._wake()

    def _may_run(self) -> bool:
        """Return whether the document may change now.

        Until a browser comes: what belongs to the frame. While it draws that: `AHEAD_S` of work more, whose
        messages wait at the socket. Then everything.
        """
        if self._drawn:
            return True
        if self._drawing.begun:
            return self._ahead_s < AHEAD_S
        return not self._frame_first and not self._is_connected()

    def _is_connected(self) -> bool:
        """Return whether a browser has come for the document: it is about to ask for it."""
        context = self.doc.session_context
        session = None if context is None else context.session
        return session is not None and session.connection_count > 0

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in the background; a running one of the same name is cancelled."""
        self.cancel(name)
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[name] = task
        task.add_done_callback(lambda done: self._finished(name, done))

    def running(self, name: str) -> bool:
        """Return whether background work of this name runs."""
        return name in self._tasks

    def cancel(self, prefix: str) -> None:
        """Cancel background work whose name starts with `prefix`."""
        for name in [n for n in self._tasks if n.startswith(prefix)]:
            self._tasks.pop(name).cancel()

    def close(self) -> None:
        """End the session: nothing more reaches the document."""
        self.closed = True
        self.cancel("")
        self._due = []

    def _finished(self, name: str, task: asyncio.Task) -> None:
        if self._tasks.get(name) is task:
            del self._tasks[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background work %s failed", name, exc_info=error)
