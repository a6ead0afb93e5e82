"""What the answers look like: fields with meaning, unit and example, for people at /docs and for programs.

Rows that come straight from a table are in `table_models.py`. Every value may be null where there is no data.
"""

from datetime import date, datetime

from pydantic import BaseModel, Field

from viewer.api import table_models as rows

START = Field(description="start of the window, with the offset of the device's zone")
END = Field(description="end of the window, excluded")


class Health(BaseModel):
    """State of the lake."""

    status: str = Field(description="ok, or no data", examples=["ok"])
    tables: dict[str, int | None] = Field(description="version of every table; null: missing or not readable")
    last_reading: datetime | None = Field(description="time of the latest reading, UTC")
    age_hours: float | None = Field(description="age of the latest reading [h]", examples=[0.4])


class ApiInfo(BaseModel):
    """Where to go."""

    title: str
    version: str
    endpoints: list[str] = Field(description="all paths")
    formats: dict[str, str] = Field(description="values of `format` and their media types")
    max_rows: int = Field(description="most rows of one answer")


class CacheState(BaseModel):
    """What answers rest on: caches follow the versions of the tables, so they cannot be stale."""

    valid: bool = Field(description="true where every table that exists can be read")
    tables: dict[str, int | None] = Field(description="version of every table; null: missing or not readable")
    devices: list[rows.row_model("Coverage", "fleet_summary", rows.COVERAGE_COLUMNS)]  # type: ignore[misc]


class Meters(BaseModel):
    """Names of all devices."""

    meters: list[str] = Field(description="meters and battery systems with readings", examples=[["m1", "m2"]])
    count: int = Field(description="how many")


class Device(BaseModel):
    """A meter or battery system."""

    name: str = Field(examples=["m1"])
    kind: str = Field(description="meter, bess or other", examples=["meter"])
    zone: str = Field(description="zone of its clock and local days", examples=["Europe/Berlin"])
    first: datetime | None = Field(description="first reading")
    last: datetime | None = Field(description="last reading")


class Classified(BaseModel):
    """All devices by kind."""

    meters: list[Device]
    bess: list[Device]
    other: list[Device]


class DeviceDetails(Device):
    """A device with its signals."""

    signals: list[rows.row_model("SignalRow", "signals", rows.SIGNAL_COLUMNS)]  # type: ignore[misc]


class SeriesPoint(BaseModel):
    """A point: of a gauge or flag `value`, `min`, `max`; of an energy register `value`, `estimated`, `register`."""

    timestamp: datetime = Field(
        description="start of the bucket, or time of the reading", examples=["2024-07-01T00:00:00+02:00"]
    )
    value: float | None = Field(
        description="mean weighted by time [unit], null in a gap; of a register: energy of the bucket [kWh]"
    )
    min: float | None = Field(None, description="smallest reading up to the next point [unit]")
    max: float | None = Field(None, description="largest reading up to the next point [unit]")
    estimated: float | None = Field(None, description="part of `value` that is spread over gaps [kWh]")
    register_: float | None = Field(None, alias="register", description="reading of the register at the end [kWh]")


class Series(BaseModel):
    """A signal over a window, thinned so that no peak is lost."""

    device: str
    signal: str
    unit: str = Field(description="unit of `value`", examples=["kW"])
    kind: str = Field(description="gauge, flag, counter, net_counter or interval")
    resolution: str = Field(description="raw, 5min, 15min, 1h, 1d, or a number of days such as 3d", examples=["15min"])
    start: datetime = START
    end: datetime = END
    actual_start: datetime | None = Field(description="first point; null without data")
    actual_end: datetime | None = Field(description="last point; of a register the end of the last bucket")
    points_held: int = Field(description="readings or buckets in the window before thinning")
    gaps: int = Field(description="places at which the line breaks")
    total: float | None = Field(description="registers: sum of `value`, the rise of the register [kWh]")
    count: int = Field(description="length of `data`")
    data: list[SeriesPoint]


class Bundle(BaseModel):
    """Several signals over one window."""

    device: str
    start: datetime = START
    end: datetime = END
    count: int = Field(description="points of all series")
    series: dict[str, Series] = Field(description="by name of the signal")


class Kpis(BaseModel):
    """Figures of a meter in a window; a first or last day counts with the quarter hours that begin inside."""

    device: str
    start: datetime = START
    end: datetime = END
    first_day: date = Field(description="first local day counted")
    last_day: date = Field(description="last local day counted, included")
    days: int = Field(description="local days with data")
    partial: bool = Field(description="true where the first or last day lies in the window in part")
    import_kwh: float | None = Field(description="energy drawn [kWh]")
    export_kwh: float | None = Field(description="energy fed back [kWh]")
    net_kwh: float | None = Field(description="import minus export [kWh]")
    estimated_kwh: float | None = Field(description="part that is spread over gaps [kWh]")
    peak_kw: float | None = Field(description="largest 15-min mean [kW]")
    peak_ts: datetime | None = Field(description="start of that quarter hour")
    base_load_kw: float | None = Field(description="median of the days' base loads [kW]")
    hours_of_use_h: float | None = Field(description="import divided by peak [h]")
    load_factor: float | None = Field(description="mean import power divided by peak [1]")
    power_factor: float | None = Field(description="mean weighted by imported energy [1]")
    balance_percent: float | None = Field(description="power integral against register, median of the days [%]")
    mean_kw: float | None = Field(description="mean power, weighted by time [kW]")
    min_kw: float | None = Field(description="smallest power reading [kW]")
    max_kw: float | None = Field(description="largest power reading [kW]")
    power_coverage: float | None = Field(description="share of the window covered by power readings [1]")


class _BessWindow(BaseModel):
    """Figures of a battery system: of the window, and the latest ones of the tables."""

    device: str
    start: datetime = START
    end: datetime = END
    charge_kwh: float | None = Field(
        description="energy charged at the DC terminals: sum of whole days, else of the charges that end inside [kWh]"
    )
    discharge_kwh: float | None = Field(description="energy discharged at the DC terminals, likewise [kWh]")
    charge_count: int | None = Field(description="charges that end in the window")
    discharge_count: int | None = Field(description="discharges that end in the window")
    auxiliary_kwh: float | None = Field(description="energy of the auxiliaries in the window [kWh]")
    alarm_hours: float | None = Field(
        description="time with a flag or an error code set, inside the window, each signal counted (`alarm_events`) [h]"
    )
    capacity_day: date | None = Field(description="day of the figures of capacity")


_CAPACITY = rows.row_model("CapacityLast", "capacity", rows.CAPACITY_LAST)
_ENERGY = rows.row_model("EnergyLast", "battery_energy", rows.ENERGY_LAST)
_FLEET = rows.row_model("FleetBattery", "fleet_summary", rows.FLEET_BATTERY)


class BessKpis(_BessWindow, _CAPACITY, _ENERGY, _FLEET):  # type: ignore[misc,valid-type]
    """Figures of a battery system: of the window, and the latest ones of the tables."""


class TimeRange(BaseModel):
    """Span of the answer in whole local days."""

    start: datetime | None = Field(examples=["2024-09-01T00:00:00+02:00"])
    end: datetime | None = Field(examples=["2025-06-30T23:59:59+02:00"])


class HealthPoint(BaseModel):
    """SAT index of a cell."""

    timestamp: str = Field(description="local day (1w: its Monday), or end of the charge", examples=["2024-09-01"])
    health_percentage: float | None = Field(description="SAT index [%]; null where there is none", examples=[99.83])


class _CellPoints(BaseModel):
    system: str
    time_resolution: str = Field(description="1h (a point per charge), 1d or 1w")
    unit: str
    time_range: TimeRange
    total_cells: int = Field(description="cells in the answer", examples=[260])


class Degradation3D(_CellPoints):
    """SAT index of every cell over time."""

    degradation_3d: dict[str, list[HealthPoint]] = Field(description="by cell, pack_1_cell_1 and so on")


class DegradationMatrix(_CellPoints):
    """The same as a matrix."""

    cells: list[str] = Field(description="names of the rows", examples=[["pack_1_cell_1"]])
    timestamps: list[str] = Field(description="names of the columns")
    health_percentage: list[list[float | None]] = Field(description="one row per cell [%]")


class SatPoint(BaseModel):
    """SAT voltage of a cell."""

    timestamp: str = Field(description="local day (1w: its Monday), or end of the charge", examples=["2024-09-01"])
    sat_voltage_v: float | None = Field(description="SAT voltage of qualified days or charges [V]", examples=[3.442])


class RealSatVoltage(_CellPoints):
    """SAT voltage of every cell over time."""

    sat_voltage: dict[str, list[SatPoint]] = Field(description="by cell, pack_1_cell_1 and so on")


class SatMatrix(_CellPoints):
    """The same as a matrix."""

    cells: list[str]
    timestamps: list[str]
    sat_voltage_v: list[list[float | None]] = Field(description="one row per cell [V]")


class Figures(BaseModel):
    """Statistics of a signal over a window, from 5-min buckets."""

    mean: float | None = Field(description="weighted by time [unit]")
    minimum: float | None = Field(description="smallest reading [unit]")
    maximum: float | None = Field(description="largest reading [unit]")
    median: float | None = Field(description="of the 5-min means, weighted by time [unit]")
    p95: float | None = Field(description="95th percentile of the same [unit]")
    deviation: float | None = Field(description="standard deviation, weighted by time [unit]")
    last: float | None = Field(description="last reading [unit]")
    covered_s: float = Field(description="time held by readings [s]")


class RawVoltage(Series):
    """Voltage of one cell."""

    pack: int
    cell: int
    statistics: Figures
