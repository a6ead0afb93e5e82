"""What the answers about packs look like. Rows of tables are made from the tables' own columns."""

from datetime import date

from pydantic import BaseModel, Field

from viewer.api import table_models as rows
from viewer.api.models import SatPoint, TimeRange

Fit = rows.row_model("Fit", "degradation_fits", rows.FIT_COLUMNS)
Cycle = rows.row_model("Cycle", "charge_cycles", rows.CYCLE_COLUMNS)
Regime = rows.row_model("Regime", "regimes", rows.REGIME_COLUMNS)
RECENT = "the last qualified days, as many as the setting `battery.recent_days` says (30)"
CELL_FIELDS = {
    "name": (str, Field(description="name of the cell", examples=["P1C24"])),
    "sat_voltage_v": (float | None, Field(description=f"SAT voltage, median of {RECENT} [V]")),
    "sat_index_percent": (float | None, Field(description="SAT index of the last day that has one [%]")),
}
CellRow = rows.row_model("CellRow", "cell_health", rows.CELL_COLUMNS, **CELL_FIELDS)


class PackLevel(BaseModel):
    """SAT voltages of a pack's cells, medians of the last qualified days (`battery.recent_days`); what stands out."""

    pack: int
    cells: int = Field(description="cells of the pack")
    with_value: int = Field(description="cells with a SAT voltage")
    mean: float | None = Field(description="mean SAT voltage of the cells [V]")
    min: float | None = Field(description="lowest cell [V]")
    max: float | None = Field(description="highest cell [V]")
    spread_mv: float | None = Field(description="highest minus lowest cell [mV]")
    p95_p5_mv: float | None = Field(description="95th minus 5th percentile of the cells [mV]")
    health_percentage: float | None = Field(description="median SAT index of the cells on `health_day` [%]")
    health_day: date | None = Field(description="last qualified day with a SAT index")
    imbalance: str | None = Field(description="ok, warn or critical")
    pack_spread_rest_mv: float | None = Field(description="spread of its cells at rest, median of 30 days [mV]")
    pack_spread_charge_end_mv: float | None = Field(description="the same at the end of charge [mV]")
    temperature_max_c: float | None = Field(description="highest temperature of its cells [°C]")
    cells_with_finding: int = Field(description="cells with something to look at")
    slope_per_year: float | None = Field(description="trend of the pack's SAT index; a rise is positive [%/year]")
    slope_low: float | None = Field(description="lower end of its 95 % interval [%/year]")
    slope_high: float | None = Field(description="upper end of its 95 % interval [%/year]")
    verdict: str | None = Field(description="falling, rising, stable, no_established_trend or insufficient_data")


class Comparison(BaseModel):
    """The packs of a system side by side."""

    system: str
    count: int
    packs: list[PackLevel]


class PackHealth(PackLevel):
    """One pack: level, imbalance, trend and the verdicts of its cells."""

    system: str
    verdicts: dict[str, int] = Field(description="cells per verdict on their offset", examples=[{"stable": 52}])
    fits: list[Fit]  # type: ignore[valid-type]


class PackCells(BaseModel):
    """The cells of a pack."""

    system: str
    pack: int
    count: int
    cells: list[CellRow]  # type: ignore[valid-type]


class Anomaly(BaseModel):
    """Something that stands out about a cell."""

    pack: int
    cell: int
    name: str = Field(examples=["P1C24"])
    source: str = Field(description="cell_health (present finding) or regimes (dated step)")
    code: str = Field(description="what it is, as a code", examples=["offset"])
    text_de: str = Field(description="the same in German", examples=["feste Abweichung"])
    text_en: str = Field(description="the same in English", examples=["static offset"])
    since: date | None = Field(description="first day, where it is known")
    offset_charge_end_mv: float | None = Field(description="offset at the end of charge, last 30 qualified days [mV]")
    robust_z: float | None = Field(description="deviation from its own course, in robust standard deviations")
    stuck_hours: float | None = Field(description="longest time without change while its neighbours moved [h]")
    step_mv: float | None = Field(description="height of a dated step [mV]")


class Anomalies(BaseModel):
    """What stands out about the cells of a pack; empty where nothing does."""

    system: str
    pack: int
    count: int
    anomalies: list[Anomaly]


class Heatmap(BaseModel):
    """Cells × local days."""

    system: str
    pack: int
    quantity: str
    unit: str
    cells: list[str] = Field(description="names of the rows", examples=[["P1C1", "P1C2"]])
    days: list[date] = Field(description="names of the columns")
    values: list[list[float | None]] = Field(description="one row per cell; null where there is no value")
    qualified: list[list[bool]] = Field(description="whether the day counts for fits, in the same shape")


class Cycles(BaseModel):
    """Charges and discharges. The packs of a system are in series: the segments are those of the whole system."""

    system: str
    pack: int
    scope: str = Field(description="always `system`", examples=["system"])
    efc: float | None = Field(description="equivalent full cycles so far, by charge [1]")
    count: int
    cycles: list[Cycle]  # type: ignore[valid-type]


class CyclePoint(SatPoint):
    """SAT voltage of a cell at the end of one charge."""

    cycle: int = Field(description="number of the charge in the table, from 1")


class Cycles3D(BaseModel):
    """SAT voltage of each cell of a pack at the end of every charge, partial ones included."""

    system: str
    pack: int
    time_range: TimeRange
    total_cells: int
    count: int = Field(description="charges")
    cycles_3d: dict[str, list[CyclePoint]] = Field(description="by cell, pack_1_cell_1 and so on")


class TimelineDay(BaseModel):
    """A pack on a local day: medians over its cells, on qualified days only."""

    day: date
    health_percentage: float | None = Field(description="SAT index [%]")
    sat_voltage_v: float | None = Field(description="SAT voltage [V]")
    sat_offset_mv: float | None = Field(description="offset against the system's median [mV]")
    cells: int = Field(description="cells with a SAT voltage")


class Timeline(BaseModel):
    """A pack over time, with its fits and the dated steps of the system."""

    system: str
    pack: int
    count: int
    timeline: list[TimelineDay]
    fits: list[Fit]  # type: ignore[valid-type]
    regimes: list[Regime]  # type: ignore[valid-type]
