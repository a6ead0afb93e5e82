"""Models of rows that come straight from a table of the lake, made from its columns.

Type, unit and meaning stand once, in `energy_pipeline/schemas/`; here only a choice of columns is made.
"""

from datetime import date, datetime

import polars as pl
from pydantic import BaseModel, Field, create_model

from energy_pipeline.schemas import TABLES, Column

_TYPES: dict[object, type] = {pl.String: str, pl.Boolean: bool, pl.Date: date, pl.Float64: float}


def row_model(title: str, table: str, columns: tuple[str, ...] = (), **extra: object) -> type[BaseModel]:
    """Return a model of the rows of `table`, of all columns or some; `extra` are further fields as pydantic takes them.

    Raises:
        KeyError: the table has no such column.
    """
    source = TABLES[table]
    chosen = [source.column(c) for c in columns] if columns else list(source.columns)
    fields: dict[str, object] = {c.name: (_type(c), Field(description=_description(c))) for c in chosen}
    return create_model(title, __doc__=source.description, **{**fields, **extra})  # type: ignore[call-overload]


def _type(column: Column) -> object:
    if isinstance(column.dtype, pl.Datetime):
        found: type = datetime
    elif column.dtype.is_integer():
        found = int
    else:
        found = _TYPES[column.dtype if isinstance(column.dtype, type) else type(column.dtype)]
    return found | None if column.nullable else found


def _description(column: Column) -> str:
    unit = f" [{column.unit}]" if column.unit and column.unit != "1" else ""
    return f"{column.description}{unit}"


CYCLE_COLUMNS = (
    "kind", "day", "start_ts", "end_ts", "duration_s", "soc_start", "soc_end", "delta_soc", "charge_ah", "energy_kwh",
    "voltage_mean_v", "current_mean_a", "current_end_a", "temperature_end_c", "cell_max_end_v", "cell_min_end_v",
    "coverage_current", "method", "cut",
)  # fmt: skip
SIGNAL_COLUMNS = (
    "signal", "quantity", "unit", "kind", "group", "pack", "cell", "recognised", "rows_read", "rows_accepted",
    "rows_rejected", "rows_duplicate", "rows_conflict", "first_ts", "last_ts",
)  # fmt: skip
FIT_COLUMNS = (
    "quantity", "unit", "n_days", "span_days", "first_day", "last_day", "slope_per_year", "slope_low", "slope_high",
    "p_value", "verdict", "preliminary", "reason", "days_missing", "minimum_detectable_slope", "ols_slope_per_year",
    "ols_r2", "naive_per_year", "slope_per_month", "slope_per_cycle", "level_first", "level_last",
)  # fmt: skip
CELL_COLUMNS = tuple(c for c in TABLES["cell_health"].column_names if c != "device")
FLEET_BATTERY = (
    "packs", "cells", "soc_percent", "soh_bms_percent", "capacity_percent", "efc", "cells_falling", "cells_rising",
    "cells_stable", "cells_no_trend", "cells_insufficient", "cells_with_finding", "regimes", "temperature_max_30d_c",
    "alarm_hours_30d", "coverage_30d",
)  # fmt: skip
CAPACITY_LAST = (
    "soh_nameplate_percent", "soh_first_percent", "q_anchor_median_ah", "q_anchor_error_ah", "efc_ah", "efc_energy",
    "efc_soc", "round_trip_percent", "coulombic_percent",
)  # fmt: skip
ENERGY_LAST = ("round_trip_ac_percent", "round_trip_ac_aux_percent", "round_trip_site_percent", "site_meter")
REGIME_COLUMNS = ("day", "day_low", "day_high", "step_mv", "moved_share", "kind")
COVERAGE_COLUMNS = ("device", "device_kind", "zone", "first_ts", "last_ts", "signals", "rows_accepted", "coverage_30d")
