"""Composition of the server: store, guard, REST API and the pages on one FastAPI app.

`create_app` composes, `serve` runs it. One worker only: sessions live in the process. Nothing is opened at import.
"""

import gc
import logging
import os
import webbrowser
from collections.abc import Callable

import panel as pn
import panel_material_ui  # noqa: F401 - registers its resources before the first document
import uvicorn
from bokeh.core.validation import silence
from bokeh.core.validation.warnings import EMPTY_LAYOUT
from fastapi import FastAPI
from panel.io.fastapi import add_applications
from starlette.middleware.gzip import GZipMiddleware

from energy_pipeline.settings import Settings
from viewer import stack_fixes
from viewer.api import add_api
from viewer.bundle import add_bundle, early_files
from viewer.connection import add_way_back
from viewer.environment import Access
from viewer.head import Head
from viewer.page_door import PageDoor, Pages
from viewer.security import Guard
from viewer.shell import open_session
from viewer.store import Store
from viewer.surface import add_surface

TITLE = "Energie-Leitstand"
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
SESSION_LIFETIME_S, SESSION_CHECK_S = 15.0, 10.0


def create_app(
    settings: Settings,
    hosts: tuple[str, ...] = (),
    session_lifetime_s: float = SESSION_LIFETIME_S,
    session_check_s: float = SESSION_CHECK_S,
) -> FastAPI:
    """Return the server for one lake: the pages at `/`, the REST API beside them, described at `/docs`.

    A session without a socket lives `session_lifetime_s`, so that a short loss of the network keeps the view.

    Raises:
        AccessUnclear: the environment says only by half who may read.
    """
    access = Access.read(os.environ)
    stack_fixes.apply_once()
    silence(EMPTY_LAYOUT)
    pn.extension("tabulator", notifications=False, console_output="disable")
    store = Store(settings)
    app = FastAPI(title=TITLE, docs_url=None, redoc_url=None)
    add_api(app, store, settings, access.token)
    add_surface(app, store)
    add_way_back(app)
    add_bundle(app)
    app.state.pages = Pages(session_lifetime_s + session_check_s)

    def page() -> object:
        app.state.pages.follow()
        return open_session(store, settings)

    add_applications(
        {"/": page},
        app=app,
        title=TITLE,
        sign_sessions=True,
        secret_key=access.secret.encode(),
        unused_session_lifetime_milliseconds=round(1000 * session_lifetime_s),
        check_unused_sessions_milliseconds=round(1000 * session_check_s),
    )
    app.add_middleware(PageDoor, pages=lambda: app.state.pages, early_files=early_files())
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    app.add_middleware(Head)
    known = (*LOCAL_HOSTS, *hosts, *access.hosts)
    app.add_middleware(Guard, hosts=known, credentials=access.credentials, token=access.token)
    app.state.store = store
    return app


def serve(
    settings: Settings,
    host: str = "127.0.0.1",
    port: int = 5006,
    open_browser: bool = False,
    say: Callable[[str], None] | None = None,
    log_level: str = "warning",
) -> None:
    """Serve the viewer until it is stopped; `say` is told the address, `log_level` is that of viewer and server."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("viewer").setLevel(log_level.upper())
    app = create_app(settings, hosts=(host,))
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - only compared
    url = f"http://{shown}:{port}/"
    if say is not None:
        say(url)
    if open_browser:
        webbrowser.open(url)
    gc.collect()
    gc.freeze()  # modules stay: the full collection after a session, which stops all others, need not look at them
    of_server = "info" if log_level == "debug" else log_level  # its own `debug` writes every frame of every socket
    config = uvicorn.Config(app, host=host, port=port, log_level=of_server, workers=1, ws="auto")
    uvicorn.Server(config).run()
