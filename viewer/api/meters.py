"""Devices: `/meters`, `/meters/classified`, `/meters/{m}/info`. Everything comes from the table `signals`."""

from typing import Annotated, Any

import polars as pl
from fastapi import Query, Request, Response

from viewer.api.formats import Answer, dump, in_zone, rows_answer
from viewer.api.models import Classified, DeviceDetails, Meters
from viewer.api.params import DevicePath, FormatQuery
from viewer.api.responses import table_responses
from viewer.api.route import table_router
from viewer.api.service import Api, ApiDep
from viewer.api.table_models import SIGNAL_COLUMNS
from viewer.catalog import DeviceInfo, natural

GROUPS = {"meters": "meter", "bess": "bess", "other": "other"}

router = table_router(tag="devices")


@router.get("/meters", response_model=Meters, responses=table_responses(), summary="Names of all devices")
def meters(api: ApiDep, request: Request, query: Annotated[FormatQuery, Query()]) -> Response:
    """Meters and battery systems with readings."""

    def build() -> Answer:
        names = [d.name for d in api.devices()]
        return Answer(lambda: dump({"meters": names, "count": len(names)}), lambda: _table(api.devices()), len(names))

    return api.respond(request, query, ("signals",), build)


@router.get(
    "/meters/classified", response_model=Classified, responses=table_responses(), summary="All devices by kind"
)
def classified(api: ApiDep, request: Request, query: Annotated[FormatQuery, Query()]) -> Response:
    """Meters, battery systems and others, with zone and span of the readings."""

    def build() -> Answer:
        found = api.devices()
        grouped = {g: [_device(d) for d in found if d.kind == kind] for g, kind in GROUPS.items()}
        return Answer(lambda: dump(grouped), lambda: _table(found), len(found))

    return api.respond(request, query, ("signals",), build)


@router.get(
    "/meters/{m}/info", response_model=DeviceDetails, responses=table_responses(), summary="A device and its signals"
)
def info(m: DevicePath, api: ApiDep, request: Request, query: Annotated[FormatQuery, Query()]) -> Response:
    """Kind, zone and span of a device, and of every signal its unit, kind, place and the accounting of its rows."""
    device = api.device(m)

    def build() -> Answer:
        rows = in_zone(_signals(api, device.name), device.zone.key)
        return rows_answer(_device(device), "signals", rows)

    return api.respond(request, query, ("signals",), build)


def _signals(api: Api, device: str) -> pl.DataFrame:
    rows = api.rows("signals", device, SIGNAL_COLUMNS)
    order = sorted(range(rows.height), key=lambda i: natural(rows["signal"][i]))
    return rows[order]


def _device(device: DeviceInfo) -> dict[str, Any]:
    first, last = (t.astimezone(device.zone) if t else None for t in (device.first, device.last))
    return {"name": device.name, "kind": device.kind, "zone": device.zone.key, "first": first, "last": last}


def _table(devices: list[DeviceInfo]) -> pl.DataFrame:
    """Return the devices as a table; its times are UTC, for each device has its own zone."""
    utc = pl.Datetime("us", "UTC")
    return pl.DataFrame(
        [(d.name, d.kind, d.zone.key, d.first, d.last) for d in devices],
        schema={"name": pl.String, "kind": pl.String, "zone": pl.String, "first": utc, "last": utc},
        orient="row",
    )
