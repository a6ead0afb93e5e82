"""State of the server: `/health`, `/api`, `/cache/validate`, `/cache/clear`. Small answers, always JSON."""

import asyncio
from datetime import UTC, datetime
from functools import partial

import polars as pl
from fastapi import APIRouter, Request, Response

from energy_pipeline import __version__
from viewer.api.errors import NothingToClear
from viewer.api.formats import MEDIA, dump
from viewer.api.models import ApiInfo, CacheState, Health
from viewer.api.responses import problems
from viewer.api.route import table_router
from viewer.api.service import ApiDep
from viewer.api.table_models import COVERAGE_COLUMNS
from viewer.store import Store, TableBroken, TableMissing

CLEAR_REASON = (
    "there is nothing to clear: what is kept in memory belongs to a version of a table, and a new version is seen "
    "within a second; see /cache/validate for the versions"
)

public = APIRouter(tags=["operation"])
router = APIRouter(tags=["operation"])
tables = table_router(tag="operation")


@public.get("/health", response_model=Health, summary="State of the lake")
async def health(api: ApiDep) -> Response:
    """Every table with its version, and the age of the latest reading. Needs no token."""
    body = api.health.body
    if body is None:  # found in a thread, without waiting for a turn: a flood of questions finds it ready
        work = partial(api.health.make, lambda: dump(health_of(api.store)))
        body = await asyncio.get_running_loop().run_in_executor(api.workers, work)
    return Response(body, media_type=MEDIA["json"])


@router.get("/api", response_model=ApiInfo, responses=problems(401), summary="Where to go")
async def root(request: Request, api: ApiDep) -> ApiInfo:
    """All endpoints and formats; `/` is the viewer, `/docs` this description."""
    return ApiInfo(
        title=request.app.title,
        version=__version__,
        endpoints=list(request.app.openapi()["paths"]),
        formats=MEDIA,
        max_rows=api.limits.rows,
    )


@tables.get(
    "/cache/validate", response_model=CacheState, responses=problems(401, 429, 503), summary="What answers rest on"
)
def validate(api: ApiDep) -> Response:
    """Tables, versions and coverage."""
    devices: list[dict[str, object]] = []
    valid = True
    for table in api.store.versions():
        try:
            api.store.version(table)
        except TableMissing:
            continue
        except TableBroken:
            valid = False
    if api.store.exists("fleet_summary"):
        devices = api.store.frame("fleet_summary", list(COVERAGE_COLUMNS)).sort("device").to_dicts()
    state = CacheState(valid=valid, tables=api.store.versions(), devices=devices)
    return Response(dump(state), media_type=MEDIA["json"])


@router.get("/cache/clear", responses=problems(401, 410), status_code=410, summary="Nothing to clear")
async def clear() -> None:
    """Kept for callers of the older tool: always 410, with the reason."""
    raise NothingToClear(CLEAR_REASON)


@router.post("/cache/clear", include_in_schema=False)
@router.delete("/cache/clear", include_in_schema=False)
async def clear_by_other_methods() -> None:
    """As above."""
    raise NothingToClear(CLEAR_REASON)


def health_of(store: Store) -> Health:
    """Return the state of a lake; a lake without tables is an answer, not an error."""
    versions = store.versions()
    last: datetime | None = None
    try:
        last = store.frame("signals", ["last_ts"]).select(pl.col("last_ts").max()).item()
    except (TableMissing, TableBroken):
        last = None
    age = None if last is None else round((datetime.now(UTC) - last).total_seconds() / 3600, 2)
    status = "ok" if versions["signals"] is not None else "no data"
    return Health(status=status, tables=versions, last_reading=last, age_hours=age)
