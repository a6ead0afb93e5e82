"""The report of a device as one HTML file: `/report/{m}`. The content is that of `viewer/report/`."""

from datetime import date
from typing import Annotated, Literal

from fastapi import Query, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from viewer.api.errors import NoData
from viewer.api.params import DevicePath
from viewer.api.responses import problems
from viewer.api.route import table_router
from viewer.api.service import YEARS, ApiDep
from viewer.report.content import UnknownDevice
from viewer.report.pack import make_pack
from viewer.report.snapshot import SnapshotGone

router = table_router(tag="report")


class ReportQuery(BaseModel):
    """Which report."""

    model_config = ConfigDict(extra="forbid")

    lang: Literal["de", "en"] = Field("de", description="language of the report")
    as_of: date | None = Field(
        None, ge=date(YEARS[0], 1, 1), le=date(YEARS[1], 12, 31),
        description="tables as of the end of that day (UTC); default: the present ones",
    )  # fmt: skip
    download: bool = Field(False, description="true: offered as a file instead of shown")


@router.get(
    "/report/{m}", response_model=None, summary="The report of a device as one HTML file",
    responses={
        200: {"content": {"text/html": {}}, "description": "a page that needs no other file"},
        **problems(401, 404, 422, 429, 503),
    },
)
def report(m: DevicePath, api: ApiDep, query: Annotated[ReportQuery, Query()]) -> Response:
    """Four questions, verdicts with intervals, cells, capacity, energy, alarms, data quality, digests of the tables.

    `energy-pipeline report` writes the same page with the tables behind it as CSV.
    """
    device = api.device(m)
    try:
        pack = make_pack(api.settings, device.name, query.as_of, query.lang)
    except (SnapshotGone, UnknownDevice) as error:
        raise NoData(str(error)) from error
    name = f"{device.name}-{pack.day.isoformat()}.html"
    headers = {"content-disposition": f'attachment; filename="{name}"'} if query.download else {}
    return HTMLResponse(pack.html, headers={"cache-control": "private, no-cache", **headers})
