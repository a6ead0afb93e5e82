"""Cycles of a battery system: equivalent full cycles three ways, and the rainflow count of its state of charge.

Reads `capacity` and `rainflow`. Next: `bess_capacity.py` for what the cycles do to the capacity.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

import numpy as np
import polars as pl
from bokeh.models import ColumnDataSource, LinearColorMapper, Range1d
from bokeh.palettes import Viridis256
from bokeh.plotting import figure

from energy_pipeline.settings import BatterySettings
from viewer.catalog import DeviceInfo
from viewer.components import html
from viewer.components.bars import DAY_MS, color_bar, day_ms
from viewer.components.datatable import Field, small_table
from viewer.components.figures import add_hover, axis_label, base_figure, bokeh_pane, legend_below, time_figure
from viewer.components.panel import NoData, Panel
from viewer.session import Session
from viewer.texts import Texts
from viewer.theme import SERIES

COUNTS = ("efc_ah", "efc_energy", "efc_soc")


def cycle_panels(
    session: Session, device: DeviceInfo, start: datetime, end: datetime
) -> tuple[list[Panel], Callable[[], list[Awaitable[None]]]]:
    """Return the panels and a function that gives the work to fill them. The whole history is shown."""
    del start, end
    t, battery = session.texts, session.settings.battery_of(device.name)
    limit = t.number(battery.efc_difference_percent)
    panels = [
        Panel(session, t("capacity.cycles"), t("capacity.cycles_note", limit=limit), 240),
        Panel(session, t("rainflow.title"), t("rainflow.note"), 300),
        Panel(session, t("rainflow.table"), "", 160),
    ]

    def rows(table: str, none: str) -> pl.DataFrame:
        found = session.store.frame(table, where={"device": device.name})
        if found.is_empty():
            raise NoData(t(none))
        return found

    def render_counts(found: pl.DataFrame) -> list[object]:
        cards = html.cards([cycles_card(found.sort("day"), t, battery)])
        return [html.pane(cards, margin=(0, 0, 12, 0)), bokeh_pane(_counts(found.sort("day"), t))]

    def work() -> list[Awaitable[None]]:
        return [
            panels[0].fill(lambda: rows("capacity", "capacity.none"), render_counts),
            panels[1].fill(lambda: rows("rainflow", "rainflow.none"), lambda r: _map(r, t)),
            panels[2].fill(lambda: rows("rainflow", "rainflow.none"), lambda r: _table(r, t, device.name)),
        ]

    return panels, work


def cycles_card(rows: pl.DataFrame, t: Texts, battery: BatterySettings) -> html.Card:
    """Return the card of full cycles: the count by charge, and whether the three counts agree within the limit."""
    last = {c: _last(rows, c) for c in (*COUNTS, "efc_difference_percent")}
    known = [last[c] for c in COUNTS if last[c]]
    apart = last["efc_difference_percent"]
    if apart is None and len(known) > 1:
        apart = 100 * (max(known) - min(known)) / (sum(known) / len(known))
    shown = next((last[c] for c in COUNTS if last[c] is not None), None)
    if apart is None:
        reasons = rows["efc_reason"].drop_nulls() if "efc_reason" in rows.columns else []
        return html.Card(
            t("capacity.efc"), t.number(shown, 0), "", t.code("efc_reason", reasons[-1]) if len(reasons) else ""
        )
    limit = battery.efc_difference_percent
    words = t("capacity.efc_differ", limit=t.number(limit)) if apart > limit else t("capacity.efc_agree")
    return html.Card(t("capacity.efc"), t.number(shown, 0), "", words, "warn" if apart > limit else "ok")


def _last(rows: pl.DataFrame, column: str) -> float | None:
    values = rows[column].drop_nulls() if column in rows.columns else pl.Series([])
    return float(values[-1]) if len(values) else None


def _counts(rows: pl.DataFrame, t: Texts) -> figure:
    fig = time_figure(t, height=240, y_label=t("capacity.efc"))
    x = np.array([day_ms(d) + DAY_MS / 2 for d in rows["day"]])
    for column, dash, color in zip(COUNTS, ("solid", "dashed", "dotted"), SERIES, strict=False):
        source = ColumnDataSource({"x": x, "y": rows[column].to_numpy()})
        name = t(f"capacity.{column}")
        line = fig.line("x", "y", source=source, color=color, line_width=2, line_dash=dash, legend_label=name)
        add_hover(fig, t, [(t("word.day"), "time:x"), (name, "y")], renderers=[line], clock=False, digits=1)
    legend_below(fig)
    return fig


def rainflow_figure(rows: pl.DataFrame, t: Texts) -> figure:
    """Return the classes of depth and mean SOC as rectangles, coloured by their cycles; empty classes stay empty."""
    fig = base_figure(
        t,
        height=300,
        x_label=axis_label(t("rainflow.mean"), "%"),
        y_label=axis_label(t("rainflow.depth"), "%"),
        x_range=Range1d(0, 100),
        y_range=Range1d(0, 100),
        tools="save",
        active_scroll=None,
    )
    mapper = LinearColorMapper(palette=Viridis256, low=0, high=max(float(rows["cycles"].max()), 1.0))
    source = ColumnDataSource(
        {c: rows[c].to_numpy() for c in ("depth_low", "depth_high", "mean_low", "mean_high", "cycles")}
        | {
            "efc": rows["equivalent_full_cycles"].to_numpy(),
            "depth": [
                f"{t.number(a, 0)} … {t.number(b, 0)} %" for a, b in rows.select("depth_low", "depth_high").rows()
            ],
            "mean": [f"{t.number(a, 0)} … {t.number(b, 0)} %" for a, b in rows.select("mean_low", "mean_high").rows()],
        }
    )
    drawn = fig.quad(
        left="mean_low",
        right="mean_high",
        bottom="depth_low",
        top="depth_high",
        source=source,
        fill_color={"field": "cycles", "transform": mapper},
        line_color="#80808080",
    )
    tips = [
        (t("rainflow.depth"), "text:depth"),
        (t("rainflow.mean"), "text:mean"),
        (t("rainflow.cycles"), "cycles"),
        (t("rainflow.efc"), "efc"),
    ]
    add_hover(fig, t, tips, renderers=[drawn], digits=1)
    fig.add_layout(color_bar(mapper, t, t("rainflow.cycles")), "right")
    return fig


def _map(rows: pl.DataFrame, t: Texts) -> list[object]:
    cycles, efc = float(rows["cycles"].sum()), float(rows["equivalent_full_cycles"].sum())
    note = t(
        "rainflow.sum",
        cycles=t.number(cycles, 0),
        efc=t.number(efc, 0),
        depth=t.number(100 * efc / cycles if cycles else None, 0),
    )
    return [
        html.pane(f'<div class="note">{html.escape(note)}</div>', margin=(0, 0, 4, 0)),
        bokeh_pane(rainflow_figure(rows, t)),
    ]


def _table(rows: pl.DataFrame, t: Texts, device: str) -> list[object]:
    frame = rows.sort("cycles", descending=True).with_columns(
        (pl.col("cycles") / pl.col("cycles").sum()).alias("share")
    )
    fields = [
        Field("depth_low", t("rainflow.depth_from"), "number", 0),
        Field("depth_high", t("rainflow.depth_to"), "number", 0),
        Field("mean_low", t("rainflow.mean_from"), "number", 0),
        Field("mean_high", t("rainflow.mean_to"), "number", 0),
        Field("cycles", t("rainflow.cycles"), "number", 1),
        Field("equivalent_full_cycles", t("rainflow.efc"), "number", 1),
        Field("share", t("rainflow.share"), "percent", 1),
    ]
    return small_table(frame, fields, t, f"rainflow_{device}")
