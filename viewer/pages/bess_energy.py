"""Energy of a battery system: per day at DC, AC and auxiliaries; round trips; availability; auxiliaries and weather.

Reads `battery_energy`, `auxiliary_fit` and, for the DC round trip, `capacity`.
Next: `figures_of_bess.py` for availability per month, `bess_cycles.py` for cycles.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

import numpy as np
import polars as pl
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from viewer.catalog import DeviceInfo
from viewer.components import html
from viewer.components.bars import DAY_MS, daily_bars, day_ms
from viewer.components.datatable import Field, grid, month_start, small_table
from viewer.components.figures import add_hover, axis_label, base_figure, bokeh_pane, legend_below, time_figure
from viewer.components.panel import NoData, Panel
from viewer.figures_of_bess import availability_months, availability_whole
from viewer.figures_of_meters import local_days
from viewer.session import Session
from viewer.store import TableMissing
from viewer.texts import Texts, span_of
from viewer.theme import SERIES, STATUS

FLOWS = ("dc_in", "dc_out", "ac_in", "ac_out", "site_in", "site_out", "auxiliary")
ROUND_TRIPS = (
    ("round_trip_percent", "dc"), ("round_trip_ac_percent", "ac"), ("round_trip_ac_aux_percent", "ac_aux"),
    ("round_trip_site_percent", "site"),
)  # fmt: skip


def energy_panels(
    session: Session, device: DeviceInfo, start: datetime, end: datetime
) -> tuple[list[Panel], Callable[[], list[Awaitable[None]]]]:
    """Return the panels of the days that a window touches and a function that gives the work to fill them."""
    t = session.texts
    parts = EnergyParts(session, device, start, end)
    names = ("availability", "daily", "round_trip", "aux", "table")
    panels = {n: Panel(session, t(f"energy.{n}"), "" if n == "table" else t(f"energy.{n}_note"), 250) for n in names}

    def work() -> list[Awaitable[None]]:
        return [
            panels["availability"].fill(parts.days, parts.availability),
            panels["daily"].fill(parts.days, parts.daily),
            panels["round_trip"].fill(parts.round_trips, parts.round_trip),
            panels["aux"].fill(parts.auxiliaries, parts.auxiliary),
            panels["table"].fill(parts.days, parts.table),
        ]

    return list(panels.values()), work


class EnergyParts:
    """What the panels read and how they draw it."""

    def __init__(self, session: Session, device: DeviceInfo, start: datetime, end: datetime) -> None:
        self.session, self.device, self.t = session, device, session.texts
        self._first, self._last = local_days(start, end, device.zone)

    def days(self) -> pl.DataFrame:
        """Return the rows of `battery_energy` in the window."""
        rows = self.session.store.frame("battery_energy", where={"device": self.device.name})
        inside = rows.filter(pl.col("day").is_between(self._first, self._last)).sort("day")
        if inside.is_empty():
            first, last = rows["day"].min(), rows["day"].max()
            raise NoData(self.t("energy.none") + span_of(first, last, self.t))
        return inside

    def availability(self, rows: pl.DataFrame) -> list[object]:
        """Draw availability and share of data per day, and the table per month."""
        t = self.t
        if rows["availability"].is_null().all():
            reasons = rows["availability_reason"].drop_nulls()
            reason = t.code("energy_reason", reasons[-1]) if len(reasons) else t("word.no_data")
            raise NoData(t("energy.no_availability", reason=reason))
        months = availability_months(rows, self.device.zone)
        fields = [
            Field("month", t("table.month"), "month"),
            Field("days", t("energy.days"), "number", 0),
            Field("availability", t("energy.availability"), "percent", 2),
            Field("days_below", t("energy.days_below"), "number", 0),
            Field("hours_lost", t("energy.hours_lost"), "number", 1),
            Field("worst_day", t("energy.worst"), "date"),
            Field("data_share", t("energy.data_share"), "percent", 1),
        ]
        return [
            html.pane(html.cards(self._availability_cards(rows)), margin=(0, 0, 12, 0)),
            bokeh_pane(availability_figure(rows, t)),
            *small_table(months.reverse().with_columns(month_start()), fields, t, f"availability_{self.device.name}"),
        ]

    def _availability_cards(self, rows: pl.DataFrame) -> list[html.Card]:
        t = self.t
        whole = availability_whole(rows, self.device.zone)
        below = whole["days_below"]
        return [
            html.Card(
                t("energy.availability"), t.percent(whole["availability"], 2), "",
                f"{t('energy.hours_lost')}: {t.number(whole['hours_lost'], 1)}",
                "none" if below is None else "warn" if below else "ok",
            ),
            html.Card(t("energy.days_below"), t.number(below, 0), "", t("pack.of", n=rows.height)),
            html.Card(t("energy.data_share"), t.percent(whole["data_share"], 1)),
        ]  # fmt: skip

    def daily(self, rows: pl.DataFrame) -> list[object]:
        """Draw the flows of each day, in upwards and out downwards."""
        t = self.t
        pick = "ac" if rows["ac_in_kwh"].is_not_null().any() and rows["dc_in_kwh"].is_null().all() else "dc"
        groups = [
            (t(f"energy.{pick}_in"), rows[f"{pick}_in_kwh"].to_list(), SERIES[0]),
            (t(f"energy.{pick}_out"), (-rows[f"{pick}_out_kwh"]).to_list(), SERIES[2]),
            (t("energy.auxiliary"), rows["auxiliary_kwh"].to_list(), SERIES[1]),
        ]
        shown = [g for g in groups if any(v is not None for v in g[1])]
        return [
            bokeh_pane(daily_bars(rows["day"].to_list(), shown, t, unit="kWh", y_label=t("word.energy"), height=260))
        ]

    def round_trips(self) -> pl.DataFrame:
        """Return the round trips per day: DC of `capacity`, AC of `battery_energy`."""
        rows = self.days()
        try:
            dc = self.session.store.frame("capacity", where={"device": self.device.name})
        except TableMissing:
            return rows.with_columns(pl.lit(None, pl.Float64).alias("round_trip_percent"))
        return rows.join(dc.select("day", "round_trip_percent"), on="day", how="left").sort("day")

    def round_trip(self, rows: pl.DataFrame) -> list[object]:
        """Draw the round trips; a card each says the last value or why there is none."""
        t, cards = self.t, []
        for column, name in ROUND_TRIPS:
            held = rows.drop_nulls(column)
            if held.is_empty():
                reasons = rows["site_reason" if name == "site" else "ac_reason"].drop_nulls() if name != "dc" else []
                note = t.code("energy_reason", reasons[-1]) if len(reasons) else t("energy.no_round_trip")
                cards.append(html.Card(t(f"energy.{name}"), t.number(None), "", note))
                continue
            last = held.row(-1, named=True)
            window, of = t.date(last["day"]), "site_window" if name == "site" else "window"
            if name != "dc" and last[f"{of}_start"] is not None:
                window = t("energy.window", efc=t.number(last[f"{of}_efc"], 1), start=t.date(last[f"{of}_start"]))
            cards.append(html.Card(t(f"energy.{name}"), t.number(last[column], 1), "%", window))
        shown = [html.pane(html.cards(cards), margin=(0, 0, 12, 0))]
        if any(rows[c].is_not_null().any() for c, _ in ROUND_TRIPS):
            shown.append(bokeh_pane(round_trip_figure(rows, t)))
        return shown

    def auxiliaries(self) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        """Return all days and the fit of the auxiliaries; None where the fit does not exist yet."""
        where = {"device": self.device.name}
        rows = self.session.store.frame("battery_energy", where=where).sort("day")
        try:
            return rows, self.session.store.frame("auxiliary_fit", where=where)
        except TableMissing:
            return rows, None

    def auxiliary(self, data: tuple[pl.DataFrame, pl.DataFrame | None]) -> list[object]:
        """Draw the auxiliaries against the temperature; the table says what each factor costs, or why it is open."""
        t, (rows, fit) = self.t, data
        held = rows.drop_nulls(["outside_mean_c", "auxiliary_kwh"])
        shown: list[object] = [] if held.is_empty() else [bokeh_pane(auxiliary_figure(held, t))]
        if fit is None or fit.is_empty():
            if not shown:
                reasons = rows["auxiliary_reason"].drop_nulls()
                raise NoData(t.code("energy_reason", reasons[-1]) if len(reasons) else t("energy.no_aux"))
            return shown
        fields = [
            Field("factor", t("energy.factor"), codes="auxiliary"),
            Field("unit", t("word.unit"), codes="unit"),
            Field("coefficient", t("energy.coefficient"), "number", 2),
            Field("coefficient_low", t("energy.low"), "number", 2),
            Field("coefficient_high", t("energy.high"), "number", 2),
            Field("n_days", t("energy.days_used"), "number", 0),
            Field("r2", "R²", "number", 2),
            Field("reason", t("word.reason"), codes="energy_reason"),
        ]
        return [*shown, *small_table(fit, fields, t, f"auxiliary_fit_{self.device.name}")]

    def table(self, rows: pl.DataFrame) -> list[object]:
        """Return the table of days."""
        t = self.t
        fields = [
            Field("day", t("word.day"), "date"),
            *(Field(f"{c}_kwh", f"{t(f'energy.{c}')} [kWh]", "number", 1) for c in FLOWS),
            Field("auxiliary_share_percent", t("energy.share"), "number", 1),
            Field("outside_mean_c", t("energy.outside_short"), "number", 1),
            Field("availability", t("energy.availability"), "percent", 2),
            Field("data_share", t("energy.data_share"), "percent", 1),
        ]
        return grid(rows.reverse(), fields, t, f"battery_energy_{self.device.name}", page_size=10)


def availability_figure(rows: pl.DataFrame, t: Texts) -> figure:
    """Return a bar per day for the availability and a line for the share of data."""
    fig = time_figure(t, height=220, y_label=axis_label(t("energy.availability"), "%"))
    x = np.array([day_ms(d) + DAY_MS / 2 for d in rows["day"]])
    value, share = (100 * rows[c].cast(pl.Float64).to_numpy() for c in ("availability", "data_share"))
    colors = [STATUS["ok"] if v >= 100 else STATUS["warn"] for v in np.nan_to_num(value, nan=0.0)]
    source = ColumnDataSource({"x": x, "y": value, "share": share, "color": colors})
    drawn = fig.vbar(x="x", top="y", width=DAY_MS * 0.84, source=source, fill_color="color", line_color=None,
                     legend_label=t("energy.availability"))  # fmt: skip
    fig.line("x", "share", source=source, color=SERIES[2], line_width=1.6, legend_label=t("energy.data_share"))
    tips = [(t("word.day"), "time:x"), (f"{t('energy.availability')} [%]", "y"), (t("energy.data_share"), "share")]
    add_hover(fig, t, tips, renderers=[drawn], clock=False, digits=2)
    fig.y_range.start, fig.y_range.end = 0, 104
    legend_below(fig)
    return fig


def round_trip_figure(rows: pl.DataFrame, t: Texts) -> figure:
    """Return a line per boundary."""
    fig = time_figure(t, height=240, y_label=axis_label(t("capacity.round_trip"), "%"))
    x = np.array([day_ms(d) + DAY_MS / 2 for d in rows["day"]])
    for (column, name), dash, color in zip(ROUND_TRIPS, ("solid", "dashed", "dotted", "dotdash"), SERIES, strict=False):
        if rows[column].is_null().all():
            continue
        source = ColumnDataSource({"x": x, "y": rows[column].cast(pl.Float64).to_numpy()})
        label = t(f"energy.{name}")
        line = fig.line("x", "y", source=source, color=color, line_width=2.2, line_dash=dash, legend_label=label)
        add_hover(fig, t, [(t("word.day"), "time:x"), (f"{label} [%]", "y")], renderers=[line], clock=False, digits=1)
    legend_below(fig)
    return fig


def auxiliary_figure(rows: pl.DataFrame, t: Texts) -> figure:
    """Return a point per day: energy of the auxiliaries against the outside temperature."""
    fig = base_figure(
        t,
        height=260,
        x_label=axis_label(t("energy.outside"), "°C"),
        y_label=axis_label(t("energy.per_day"), "kWh"),
    )
    source = ColumnDataSource(
        {
            "x": rows["outside_mean_c"].to_numpy(),
            "y": rows["auxiliary_kwh"].to_numpy(),
            "day": [day_ms(d) for d in rows["day"]],
        }
    )
    drawn = fig.scatter("x", "y", source=source, size=6, color=SERIES[0], alpha=0.6)
    add_hover(
        fig, t, [(t("word.day"), "time:day"), ("°C", "x"), ("kWh", "y")], renderers=[drawn], clock=False, digits=1
    )
    return fig
