"""Capacity of a battery system: measured capacity beside the BMS's SOH, its trend, end of life, values per day.

Reads `capacity`. What the BMS counts by itself is drawn as what it is.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

import numpy as np
import polars as pl
from bokeh.models import ColumnDataSource, Whisker

from energy_pipeline.settings import BatterySettings
from viewer.catalog import DeviceInfo
from viewer.components import html
from viewer.components.bars import DAY_MS, day_ms
from viewer.components.datatable import Field, grid
from viewer.components.figures import add_hover, axis_label, bokeh_pane, legend_below, time_figure
from viewer.components.panel import NoData, Panel
from viewer.pages.bess_cycles import cycles_card
from viewer.pages.bess_life import LifePanel
from viewer.session import Session
from viewer.texts import Texts
from viewer.theme import ACCENT_DARK, ACCENT_LIGHT, SERIES


def capacity_panels(
    session: Session, device: DeviceInfo, start: datetime, end: datetime
) -> tuple[list[Panel], Callable[[], list[Awaitable[None]]]]:
    """Return the panels and a function that gives the work to fill them. The whole history is shown."""
    t, battery = session.texts, session.settings.battery_of(device.name)
    del start, end
    panels = [
        Panel(session, t("capacity.soh"), t("capacity.soh_note"), 280),
        Panel(session, t("life.title"), t("life.note", percent=t.number(battery.end_of_life_percent, 0)), 280),
        Panel(session, t("capacity.table"), "", 200),
    ]
    life = LifePanel(session, device, panels[1])

    def load() -> pl.DataFrame:
        rows = session.store.frame("capacity", where={"device": device.name}).sort("day")
        if rows.is_empty():
            raise NoData(t("capacity.none"))
        return rows

    def work() -> list[Awaitable[None]]:
        return [
            panels[0].fill(
                load,
                lambda r: [
                    html.pane(html.cards(_cards(r, t, battery)), margin=(0, 0, 12, 0)),
                    bokeh_pane(_soh(r, t, battery.capacity_days, battery.nameplate_ah)),
                ],
            ),
            life.fill(),
            panels[2].fill(load, lambda r: _table(r, t, device.name)),
        ]

    return panels, work


def _x(rows: pl.DataFrame) -> np.ndarray:
    return np.array([day_ms(d) + DAY_MS / 2 for d in rows["day"]])


def _cards(rows: pl.DataFrame, t: Texts, battery: BatterySettings) -> list[html.Card]:
    def last(column: str) -> float | None:
        values = rows[column].drop_nulls()
        return float(values[-1]) if len(values) else None

    q, error = last("q_anchor_median_ah"), last("q_anchor_error_ah")
    reasons = rows["reason"].drop_nulls()
    note = (
        f"± {t.number(error, 1)} Ah"
        if error is not None
        else t.code("capacity_reason", reasons[-1])
        if len(reasons)
        else ""
    )
    return [
        html.Card(t("capacity.q"), t.number(q, 1), "Ah", note),
        html.Card(t("capacity.nameplate"), t.number(last("soh_nameplate_percent"), 1), "%", t("capacity.assumed")),
        html.Card(
            t("capacity.first", n=battery.first_capacity_days),
            t.number(last("soh_first_percent"), 1),
            "%",
            t("capacity.first_note"),
        ),
        html.Card(t("capacity.bms"), t.number(last("soh_bms_percent"), 0), "%", *_bms_note(rows, t)),
        cycles_card(rows, t, battery),
        html.Card(
            t("capacity.round_trip"), t.number(last("round_trip_percent"), 1), "%", t("capacity.round_trip_note")
        ),
    ]


def _bms_note(rows: pl.DataFrame, t: Texts) -> tuple[str, str]:
    found = rows["soh_bms_finding"].drop_nulls() if "soh_bms_finding" in rows.columns else pl.Series([])
    return (t.code("health_finding", found[-1]), "warn") if len(found) else (t("capacity.bms_note"), "")


def _soh(rows: pl.DataFrame, t: Texts, days: int, nameplate_ah: float) -> object:
    fig = time_figure(t, height=290, y_label=axis_label(t("capacity.axis"), "%"))
    x = _x(rows)
    factor = 100 / nameplate_ah
    error = rows["q_anchor_error_ah"].to_numpy() * factor
    middle = rows["soh_nameplate_percent"].to_numpy()
    fig.step(
        x,
        rows["soh_bms_percent"].to_numpy(),
        color=SERIES[1],
        line_width=1.5,
        line_dash="dashed",
        legend_label=t("capacity.bms"),
        mode="after",
    )
    if rows["q_anchor_ah"].is_not_null().any():  # over what the BMS counts: they are what is measured
        single = fig.scatter(
            x,
            rows["q_anchor_ah"].to_numpy() * factor,
            size=7,
            fill_color=ACCENT_DARK,
            line_color=ACCENT_LIGHT,
            legend_label=t("capacity.single"),
        )
        add_hover(fig, t, [(t("word.day"), "time:x"), ("%", "y")], renderers=[single], clock=False)
    source = ColumnDataSource({"x": x, "y": middle, "a": middle - error, "b": middle + error})
    line = fig.line(
        "x", "y", source=source, color=SERIES[0], line_width=2.4, legend_label=t("capacity.measured", n=days)
    )
    every = max(len(x) // 40, 1)
    whisker = ColumnDataSource({k: np.asarray(v)[::every] for k, v in source.data.items()})
    fig.add_layout(
        Whisker(
            base="x",
            upper="b",
            lower="a",
            source=whisker,
            line_color=SERIES[0],
            line_alpha=0.6,
            upper_head=None,
            lower_head=None,
        )
    )
    add_hover(fig, t, [(t("word.day"), "time:x"), ("%", "y"), ("−", "a"), ("+", "b")], renderers=[line], clock=False)
    legend_below(fig)
    return fig


def _table(rows: pl.DataFrame, t: Texts, device: str) -> list[object]:
    numbers = (
        ("q_anchor_ah", 1),
        ("q_anchor_median_ah", 1),
        ("q_anchor_error_ah", 1),
        ("q_soc_ah", 1),
        ("soh_nameplate_percent", 1),
        ("soh_first_percent", 1),
        ("soh_bms_percent", 0),
        ("efc_ah", 1),
        ("round_trip_percent", 1),
    )
    fields = [
        Field("day", t("word.day"), "date"),
        *(Field(c, t(f"capacity.col.{c}"), "number", d) for c, d in numbers),
        Field("reason", t("word.reason"), codes="capacity_reason"),
    ]
    return grid(rows.reverse(), fields, t, f"capacity_{device}", page_size=8)
