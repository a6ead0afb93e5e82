"""Composition of the API: one call adds it to the server. No logic."""

from fastapi import Depends, FastAPI

from energy_pipeline.settings import Settings
from viewer.api import cells, meters, operation, pack_cycles, packs, report, series
from viewer.api.access import require_token
from viewer.api.docs_page import add_docs
from viewer.api.errors import add_handlers
from viewer.api.service import Api, Limits
from viewer.store import Store


def add_api(
    app: FastAPI, store: Store, settings: Settings, token: str | None = None, limits: Limits | None = None
) -> None:
    """Add all endpoints, their error answers and their description at `/docs` to `app`.

    Args:
        app: the server; pages that take `/` are added after this.
        store: the tables.
        settings: zones and thresholds.
        token: bearer token that requests must bring; None: open.
        limits: bounds of size and concurrency.
    """
    app.state.api = Api(store, settings, token, limits or Limits())
    add_handlers(app)
    app.include_router(operation.public)
    parts = (series, meters, cells, operation, packs, pack_cycles, report)  # a request looks through them in this order
    for router in (*(part.router for part in parts), operation.tables):
        app.include_router(router, dependencies=[Depends(require_token)])
    add_docs(app)
