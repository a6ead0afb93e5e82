"""The conditions under which a cell reached its SAT voltages: current, SOC and temperature at the end of each charge.

A SAT voltage moves with all three; who doubts a course looks here first. Used by `cell_view.py`.
"""

from zoneinfo import ZoneInfo

import numpy as np
import panel as pn
import polars as pl
from bokeh.models import ColumnDataSource, Range1d

from viewer.components import html
from viewer.components.datatable import Field, grid
from viewer.components.figures import add_hover, axis_label, bokeh_pane, padded, time_figure
from viewer.components.layout import tiles
from viewer.components.panel import NoData
from viewer.pages.packpulse.tab import Context
from viewer.store import Store
from viewer.texts import Texts
from viewer.theme import SERIES
from viewer.wallclock import to_wall

COLUMNS = (
    "charge_end_ts", "day", "sat_voltage_v", "sat_offset_mv", "current_end_a", "soc_end", "delta_soc",
    "temperature_end_c", "duration_s", "coverage", "readings", "refused_readings",
)  # fmt: skip
SHOWN = (("current_end_a", "A", 1), ("temperature_end_c", "°C", 1), ("soc_end", "%", 1))
HEIGHT = 200


def load_conditions(store: Store, context: Context, signal: str, texts: Texts) -> pl.DataFrame:
    """Return the charges of a cell in the range, the newest first; raise `NoData` where there is none."""
    rows = store.frame("sat_voltage", COLUMNS, where={"device": context.device.name, "signal": signal})
    inside = rows.filter(pl.col("day").is_between(context.first, context.last))
    if inside.is_empty():
        raise NoData(context.no_days(texts))
    return inside.sort("charge_end_ts", descending=True)


def show_conditions(rows: pl.DataFrame, zone: ZoneInfo, texts: Texts, name: str) -> list[object]:
    """Return one small picture per condition that was measured, what was not, and the table of the charges."""
    measured = [c for c in SHOWN if rows[c[0]].is_not_null().any()]
    wall = to_wall(rows["charge_end_ts"].cast(pl.Int64).to_numpy(), zone).astype(np.int64).astype(float)
    day = 86_400_000.0
    shared = Range1d(float(wall.min()) - day, float(wall.max()) + day)
    pictures = [_picture(rows, wall, shared, *c, color, texts) for c, color in zip(measured, SERIES, strict=False)]
    out: list[object] = [tiles(*pictures)] if pictures else []
    missing = [texts(f"cell.{column}") for column, *_ in SHOWN if column not in {c[0] for c in measured}]
    if missing:
        note = texts("cell.not_measured", names=", ".join(missing))
        out.append(html.pane(f'<div class="note">{html.escape(note)}</div>', margin=(0, 0, 8, 0)))
    return [*out, *grid(_written(rows), _fields(texts), texts, name, zone, page_size=5)]


def _picture(
    rows: pl.DataFrame, wall: np.ndarray, shared: Range1d, column: str, unit: str, digits: int, color: str, texts: Texts
) -> pn.pane.Bokeh:
    word = texts(f"cell.{column}")
    fig = time_figure(texts, height=HEIGHT, y_label=axis_label(word, unit), x_range=shared)
    values = rows[column].cast(pl.Float64).fill_null(np.nan).to_numpy()
    drawn = fig.scatter("x", "y", source=ColumnDataSource({"x": wall, "y": values}), size=4, color=color, alpha=0.7)
    add_hover(fig, texts, [(texts("cell.charge_end"), "time:x"), (unit, "y")], renderers=[drawn], digits=digits)
    fine = values[np.isfinite(values)]
    fig.y_range.start, fig.y_range.end = padded(float(fine.min()), float(fine.max()), 0.12)
    return bokeh_pane(fig)


def _written(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns((pl.col("duration_s") / 3600.0).alias("hours"))


def _fields(texts: Texts) -> list[Field]:
    return [
        Field("charge_end_ts", texts("cell.charge_end"), "time"),
        Field("sat_voltage_v", "SAT [V]", "number", 3),
        Field("sat_offset_mv", texts("sat.offset_axis"), "number", 1),
        Field("current_end_a", f"{texts('cell.current_end_a')} [A]", "number", 1),
        Field("temperature_end_c", f"{texts('cell.temperature_end_c')} [°C]", "number", 1),
        Field("soc_end", f"{texts('cell.soc_end')} [%]", "number", 1),
        Field("delta_soc", f"{texts('cell.delta_soc')} [%]", "number", 1),
        Field("hours", f"{texts('cell.duration')} [h]", "number", 2),
        Field("coverage", texts("cell.coverage"), "percent", 0),
        Field("readings", texts("cell.readings"), "number", 0),
        Field("refused_readings", texts("cell.refused"), "number", 0),
    ]
