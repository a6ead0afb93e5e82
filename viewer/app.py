"""Composition of the server: store, guard, REST API and the pages on one FastAPI app.

`create_app` composes, `serve` runs it. One worker only: sessions live in the process. Nothing is opened at import.
"""

import os
import secrets
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
from viewer.api.access import ENV_TOKEN
from viewer.bundle import add_bundle
from viewer.connection import add_way_back
from viewer.security import Guard
from viewer.shell import open_session
from viewer.store import Store
from viewer.surface import add_surface

TITLE = "Energie-Leitstand"
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
ENV_HOSTS, ENV_USER, ENV_PASSWORD, ENV_SECRET = (
    "ENERGY_VIEWER_HOSTS",
    "ENERGY_VIEWER_USER",
    "ENERGY_VIEWER_PASSWORD",
    "ENERGY_VIEWER_SECRET",
)


SESSION_LIFETIME_S, SESSION_CHECK_S = 15.0, 10.0


def create_app(
    settings: Settings,
    hosts: tuple[str, ...] = (),
    session_lifetime_s: float = SESSION_LIFETIME_S,
    session_check_s: float = SESSION_CHECK_S,
) -> FastAPI:
    """Return the server for one lake: the pages at `/`, the REST API beside them, described at `/docs`.

    A session without a socket lives `session_lifetime_s`, so that a short loss of the network keeps the view.
    """
    stack_fixes.apply_once()
    silence(EMPTY_LAYOUT)
    pn.extension("tabulator", notifications=False, console_output="disable")
    store = Store(settings)
    app = FastAPI(title=TITLE, docs_url=None, redoc_url=None)
    token = os.environ.get(ENV_TOKEN) or None
    add_api(app, store, settings, token)
    add_surface(app, store)
    add_way_back(app)
    add_bundle(app)
    add_applications(
        {"/": lambda: open_session(store, settings)},
        app=app,
        title=TITLE,
        sign_sessions=True,
        secret_key=os.environ.get(ENV_SECRET, secrets.token_hex(32)).encode(),
        unused_session_lifetime_milliseconds=round(1000 * session_lifetime_s),
        check_unused_sessions_milliseconds=round(1000 * session_check_s),
    )
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    extra = tuple(h.strip() for h in os.environ.get(ENV_HOSTS, "").split(",") if h.strip())
    app.add_middleware(Guard, hosts=(*LOCAL_HOSTS, *hosts, *extra), credentials=_credentials(), token=token)
    app.state.store = store
    return app


def serve(
    settings: Settings,
    host: str = "127.0.0.1",
    port: int = 5006,
    open_browser: bool = False,
    say: Callable[[str], None] | None = None,
) -> None:
    """Serve the viewer until it is stopped; `say` is told the address."""
    app = create_app(settings, hosts=(host,))
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - only compared
    url = f"http://{shown}:{port}/"
    if say is not None:
        say(url)
    if open_browser:
        webbrowser.open(url)
    config = uvicorn.Config(app, host=host, port=port, log_level="warning", workers=1, ws="auto")
    uvicorn.Server(config).run()


def _credentials() -> tuple[str, str] | None:
    user, password = os.environ.get(ENV_USER), os.environ.get(ENV_PASSWORD)
    return (user, password) if user and password else None
