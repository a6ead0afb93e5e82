"""Trend of the measured capacity and the projection of lifetime; where the data do not allow one, the reason.

Reads `degradation_fits` (capacity of the system) and `capacity`. Next: `fit_texts.py` for the words of a fit.
"""

from collections.abc import Awaitable

import numpy as np
import polars as pl

from energy_pipeline.settings import BatterySettings
from viewer.catalog import DeviceInfo
from viewer.components import html
from viewer.components.datatable import Field, small_table
from viewer.components.figures import bokeh_pane
from viewer.components.fit_chart import Slope, fit_figure
from viewer.components.panel import NoData, Panel
from viewer.fit_texts import per_year, slope_text, status_of
from viewer.pages.packpulse.data import ESTABLISHED
from viewer.projections import TARGETS, may_be_said, taken_projection, unsaid
from viewer.session import Session
from viewer.store import TableMissing
from viewer.texts import DASH, Texts


class LifePanel:
    """The panel with the fit of the capacity."""

    def __init__(self, session: Session, device: DeviceInfo, panel: Panel) -> None:
        self.session, self.device, self.panel = session, device, panel

    def fill(self) -> Awaitable[None]:
        """Load fit and capacity."""
        return self.panel.fill(self._load, self._render)

    def _load(self) -> tuple[dict, pl.DataFrame]:
        store, where = self.session.store, {"device": self.device.name}
        fits = store.frame("degradation_fits", where=where)
        found = fits.filter((pl.col("level") == "system") & (pl.col("quantity") == "capacity_percent"))
        if found.is_empty():
            raise NoData(self.session.texts("life.none"))
        try:
            rows = store.frame("capacity", where=where).sort("day")
        except TableMissing:
            rows = pl.DataFrame()
        return found.row(0, named=True), rows

    def _render(self, data: tuple[dict, pl.DataFrame]) -> list[object]:
        t, (fit, rows) = self.session.texts, data
        battery = self.session.settings.battery_of(self.device.name)
        shown: list[object] = [html.pane(html.cards(life_cards(fit, t)), margin=(0, 0, 12, 0))]
        if not rows.is_empty() and rows["q_anchor_ah"].is_not_null().any():
            shown.append(bokeh_pane(_figure(fit, rows, t, battery)))
        table = pl.DataFrame(projection_table(fit, t, battery.projection_max_ratio))
        fields = [Field(n, t(f"projection.{n}")) for n in ("cycles", "level", "interval", "ratio")]
        taken = taken_projection(fit, t, battery.projection_max_ratio)
        return [*shown, *small_table(table, fields, t, f"lifetime_{self.device.name}", taken=taken)]


def life_cards(fit: dict, t: Texts) -> list[html.Card]:
    """Return verdict, trend, end of life with its interval (or why there is none), and how much was measured."""
    missing = fit["days_missing"] or 0
    days = t("life.days_note" if missing else "life.enough_note", span=fit["span_days"] or 0, missing=missing)
    slope = DASH if fit["slope_per_year"] is None else t.number(fit["slope_per_year"], 2, sign=True)
    return [
        html.Card(
            t("verdict.title"), t.code("verdict", fit["verdict"]), "", t("quantity.capacity_percent"),
            status_of(fit["verdict"]),
        ),
        html.Card(t("life.trend"), slope, per_year(fit, t) if fit["slope_per_year"] is not None else "",
                  slope_text(fit, t)),
        _end_of_life(fit, t),
        html.Card(t("life.days"), t.number(fit["n_days"], 0), "", days, "none" if missing else "ok"),
    ]  # fmt: skip


def _end_of_life(fit: dict, t: Texts) -> html.Card:
    cycles, low, high = (fit.get(f"end_of_life_{n}") for n in ("cycles", "low", "high"))
    if cycles is None:
        reason = fit.get("end_of_life_reason")
        if fit["verdict"] == "insufficient_data":
            why = t.code("verdict", "insufficient_data")
        else:
            why = t.code("end_of_life_reason", reason or "no_established_fall")
        return html.Card(t("life.end"), t("life.not_yet"), "", why, "none")
    low_text = t.number(low, 0)
    note = t("life.open", low=low_text) if high is None else t("life.interval", low=low_text, high=t.number(high, 0))
    return html.Card(t("life.end"), t.number(cycles, 0), t("life.cycles"), note, "warn")


def projection_table(fit: dict, t: Texts, max_ratio: float) -> list[dict[str, str]]:
    """Return the capacity at 5,000 and 10,000 cycles with its interval, or the word that stands in its place."""
    out = []
    for target in TARGETS:
        value, ratio = fit[f"projection_{target}"], fit[f"extrapolation_ratio_{target}"]
        bounds = (fit[f"projection_{target}_low"], fit[f"projection_{target}_high"])
        if may_be_said(value, ratio, max_ratio):
            level, interval = f"{t.number(value, 1)} %", " … ".join(t.number(b, 1) for b in bounds) + " %"
        else:
            level, interval = unsaid(fit["verdict"], t), DASH
        times = DASH if ratio is None else t("life.ratio", ratio=t.number(ratio, 1))
        out.append({"cycles": t.number(target, 0), "level": level, "interval": interval, "ratio": times})
    return out


def _figure(fit: dict, rows: pl.DataFrame, t: Texts, battery: BatterySettings) -> object:
    values = 100 * rows["q_anchor_ah"].cast(pl.Float64).to_numpy() / battery.nameplate_ah
    slope = None
    if fit["slope_per_year"] is not None:
        slope = Slope(fit["slope_per_year"], fit["slope_low"], fit["slope_high"], fit["verdict"] in ESTABLISHED)
    return fit_figure(
        rows["day"].to_list(),
        values,
        np.isfinite(values),
        slope,
        [],
        t,
        y_label=t("capacity.axis"),
        unit="%",
        height=270,
    )
