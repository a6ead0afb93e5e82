"""State of the server: `/health`, `/api`, `/cache/validate`, `/cache/clear`. Small answers, always JSON."""

from datetime import UTC, datetime

import polars as pl
from fastapi import APIRouter, Request

from energy_pipeline import __version__
from viewer.api.errors import NothingToClear
from viewer.api.formats import MEDIA
from viewer.api.models import ApiInfo, CacheState, Health
from viewer.api.responses import problems
from viewer.api.service import ApiDep
from viewer.api.table_models import COVERAGE_COLUMNS
from viewer.store import Store, TableBroken, TableMissing

CLEAR_REASON = (
    "there is nothing to clear: what is kept in memory belongs to a version of a table, and a new version is seen "
    "within a second; see /cache/validate for the versions"
)

public = APIRouter(tags=["operation"])
router = APIRouter(tags=["operation"])


@public.get("/health", response_model=Health, summary="State of the lake")
def health(api: ApiDep) -> Health:
    """Every table with its version, and the age of the latest reading. Needs no token."""
    return health_of(api.store)


@router.get("/api", response_model=ApiInfo, responses=problems(401), summary="Where to go")
def root(request: Request, api: ApiDep) -> ApiInfo:
    """All endpoints and formats; `/` is the viewer, `/docs` this description."""
    return ApiInfo(
        title=request.app.title,
        version=__version__,
        endpoints=list(request.app.openapi()["paths"]),
        formats=MEDIA,
        max_rows=api.limits.rows,
    )


@router.get("/cache/validate", response_model=CacheState, responses=problems(401), summary="What answers rest on")
def validate(api: ApiDep) -> CacheState:
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
    return CacheState(valid=valid, tables=api.store.versions(), devices=devices)


@router.get("/cache/clear", responses=problems(401, 410), status_code=410, summary="Nothing to clear")
def clear() -> None:
    """Kept for callers of the older tool: always 410, with the reason."""
    raise NothingToClear(CLEAR_REASON)


@router.post("/cache/clear", include_in_schema=False)
@router.delete("/cache/clear", include_in_schema=False)
def clear_by_other_methods() -> None:
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
