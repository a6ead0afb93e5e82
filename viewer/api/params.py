"""Parameters of the endpoints, each described once; an unknown parameter is an error, not something to ignore.

Names are checked here by pattern and in `service.py` by existence; nothing of a request ever becomes a path.
"""

from datetime import date
from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, model_validator

from energy_pipeline.settings import NAME
from viewer.api.formats import Format

_CLOCK = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?([Zz]|[+ -][0-9]{2}:[0-9]{2})?"
MOMENT = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([Tt ]{_CLOCK})?$"
MAX_POINTS = (100, 20_000)
DEFAULT_POINTS = 6_000
MAX_SIGNALS = 24

Name = Annotated[str, Field(pattern=NAME, max_length=120)]
Moment = Annotated[str, Field(pattern=MOMENT, max_length=40)]
Signal = Annotated[str, Field(min_length=1, max_length=200)]
DevicePath = Annotated[
    str, Path(pattern=NAME, max_length=120, description="name of a meter or battery system", examples=["m1"])
]
SystemPath = Annotated[
    str, Path(pattern=NAME, max_length=120, description="name of a battery system", examples=["ZHPESS232A230002"])
]
PackPath = Annotated[int, Path(ge=1, le=9_999, description="number of the pack, from 1", examples=[1])]
Points = Annotated[
    int, Field(ge=MAX_POINTS[0], le=MAX_POINTS[1], description="about how many points the answer may have")
]
Resolution = Literal["1h", "1d", "1w"]


class FormatQuery(BaseModel):
    """How the answer leaves."""

    model_config = ConfigDict(extra="forbid")

    format: Format | None = Field(None, description="json, arrow (IPC file), arrow_stream or csv; wins over `Accept`")
    decimal: Literal[".", ","] = Field(".", description="CSV only: with a comma, semicolons separate the columns")


class WindowQuery(FormatQuery):
    """A device and a window of time."""

    device: Name | None = Field(None, description="name of the device, see `/meters`", examples=["m1"])
    meter: Name | None = Field(None, description="the same under its older name", examples=["m1"])
    start: Moment | None = Field(
        None,
        description="first moment, ISO 8601; without offset on the device clock; default: day of the first reading",
        examples=["2024-07-01"],
    )
    end: Moment | None = Field(
        None, description="end, excluded; default: just after the last reading", examples=["2024-07-08T00:00:00+02:00"]
    )

    @model_validator(mode="after")
    def _one_device(self) -> "WindowQuery":
        if (self.device is None) == (self.meter is None):
            msg = "give either `device` or `meter`"
            raise ValueError(msg)
        return self

    @property
    def name(self) -> str:
        """Name of the device, whichever parameter it came by."""
        return self.device or self.meter or ""


class SeriesQuery(WindowQuery):
    """One signal of a device."""

    signal: Signal = Field(description="name of the signal, see `/meters/{m}/info`", examples=["com_ap"])
    max_points: Points = DEFAULT_POINTS
    resolution: Literal["auto", "5min", "15min", "1h", "1d"] = Field(
        "auto", description="auto: the finest that suits the window; single readings up to 26 hours"
    )


class BundleQuery(WindowQuery):
    """Several signals of a device."""

    signals: str | None = Field(
        None,
        max_length=4_000,
        description=f"names separated by commas, at most {MAX_SIGNALS}; default: the device's main signals",
        examples=["com_ap,pos_ae"],
    )
    max_points: Points = 1_000


class DaysQuery(FormatQuery):
    """Local days, both ends included."""

    start: date | None = Field(None, description="first local day; default: the first of the table")
    end: date | None = Field(None, description="last local day, included; default: the last of the table")

    @model_validator(mode="after")
    def _in_order(self) -> "DaysQuery":
        if self.start and self.end and self.end < self.start:
            msg = "end lies before start"
            raise ValueError(msg)
        return self


class PackDaysQuery(DaysQuery):
    """Local days and, where wanted, one pack."""

    pack: int | None = Field(None, ge=1, le=9_999, description="one pack; default: all")


class CellPointsQuery(PackDaysQuery):
    """Cells over time."""

    time_resolution: Resolution = Field(
        "1d", description="1h: a point per charge, 1d: per local day, 1w: median of the qualified days of an ISO week"
    )
    form: Literal["cells", "matrix"] = Field(
        "cells", description="cells: a list of points per cell; matrix: one list of times, one row of values per cell"
    )


class HeatmapQuery(DaysQuery):
    """Cells × days of one quantity."""

    quantity: Literal["sat", "offset", "index"] = Field(
        "sat", description="sat: SAT voltage [V]; offset: against the system's median [mV]; index: SAT index [%]"
    )


class CellVoltageQuery(FormatQuery):
    """The voltage of one cell."""

    pack: int = Field(ge=1, le=9_999, description="number of the pack, from 1", examples=[1])
    cell: int = Field(ge=1, le=9_999, description="number of the cell in its pack, from 1", examples=[24])
    start: Moment | None = Field(None, description="first moment; default: 7 days before the last reading")
    end: Moment | None = Field(None, description="end, excluded; default: just after the last reading")
    max_points: Points = DEFAULT_POINTS
