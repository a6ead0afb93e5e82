"""What a report says of a battery system: verdicts, cells, map, regimes, capacity, energy, alarms.

Everything is read from finished tables; nothing is computed anew. Next: `content.py`, which puts the parts in order.
"""

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from energy_pipeline.plots import bars, heat_map
from energy_pipeline.settings import BatterySettings
from viewer.fit_texts import digits_of, per_year, slope_text
from viewer.report.blocks import Grid, Picture, Section
from viewer.report.common import by_month, numbers_grid
from viewer.texts import Texts

LATEST_ALARMS = 30
MONTHS_SHOWN = 24


def degradation(fits: pl.DataFrame, t: Texts) -> Section:
    """System and packs: slope with interval, verdict, what the data could show, the naive number."""
    section = Section(t("report.degradation"), notes=[t("report.degradation_note")])
    shown = fits.filter(pl.col("level").is_in(["system", "pack"])).sort(
        pl.col("level") != "system", "quantity", "pack", descending=[False, True, False]
    )
    rows = []
    for fit in shown.iter_rows(named=True):
        digits, unit = digits_of(fit), per_year(fit, t)
        level = t("report.level.system") if fit["level"] == "system" else t("report.level.pack", n=fit["pack"])
        rows.append([
            level, t.code("quantity", fit["quantity"]), t.code("verdict", fit["verdict"]), slope_text(fit, t),
            _in(fit["minimum_detectable_slope"], digits, unit, t), _in(fit["naive_per_year"], digits, unit, t),
            t.number(fit["n_days"], 0),
        ])
    header = [t("report.level"), t("word.quantity"), t("report.verdict"), t("report.slope"), t("report.detectable"),
              t("report.naive"), t("report.days_used")]
    section.grids.append(Grid(header, rows, frozenset({4, 5, 6})))
    return section


def _in(value: float | None, digits: int, unit: str, t: Texts) -> str:
    return t.number(value, digits) if value is None else f"{t.number(value, digits)} {unit}"


def cells(health: pl.DataFrame, fits: pl.DataFrame, t: Texts) -> Section:
    """Cells that stand out, the weakest first, with their trend."""
    section = Section(t("report.cells"))
    found = health.filter(pl.col("finding").is_not_null()).sort("weakness_rank", "pack", "cell", nulls_last=True)
    if found.is_empty():
        section.text.append(t("report.no_cells"))
        return section
    of_cells = fits.filter((pl.col("level") == "cell") & (pl.col("quantity") == "sat_offset_mv"))
    trends = {(f["pack"], f["cell"]): f for f in of_cells.iter_rows(named=True)}
    rows = []
    for cell in found.iter_rows(named=True):
        fit = trends.get((cell["pack"], cell["cell"]))
        rows.append([
            f"P{cell['pack']}C{cell['cell']}", t.code("finding", cell["finding"]),
            t.number(cell["offset_charge_end_mv"], 1, sign=True),
            t.code("verdict", fit["verdict"]) if fit else "", slope_text(fit, t) if fit else "",
        ])
    header = [t("word.cell"), t("report.finding"), t("report.offset"), t("report.verdict"), t("report.slope")]
    section.grids.append(Grid(header, rows, frozenset({2})))
    return section


def cell_map(daily: pl.DataFrame, device: str, t: Texts) -> Section:
    """Heat map of all cells × all days, and what became of the cell-days."""
    section = Section(t("report.map"))
    if daily.is_empty():
        section.text.append(t("word.no_data"))
        return section
    names = daily.select("pack", "cell").unique().sort("pack", "cell")
    first, last = daily["day"].min(), daily["day"].max()
    days = [first + timedelta(days=i) for i in range((last - first).days + 1)]  # type: ignore[operator]
    place = {key: i for i, key in enumerate(names.iter_rows())}
    values = np.full((len(names), len(days)), np.nan)
    good = daily.filter(pl.col("qualified") & pl.col("sat_offset_mv").is_not_null())
    for pack, cell, day, value in good.select("pack", "cell", "day", "sat_offset_mv").iter_rows():
        values[place[pack, cell], (day - first).days] = value
    title = f"{device}: {t('report.map')}"
    picture = heat_map(
        values, [f"P{p}C{c}" for p, c in names.iter_rows()], [d.isoformat() for d in days], title, "mV", "difference",
        missing=t("report.no_value"),
    )
    section.pictures.append(Picture(picture, t("report.map_caption")))
    counts = daily.group_by(pl.when("qualified").then(pl.lit("")).otherwise(pl.col("reason")).alias("reason")).len()
    rows = [
        [t.code("day_reason", r["reason"]) if r["reason"] else t("report.qualified"), t.number(r["len"], 0)]
        for r in counts.sort("len", "reason", descending=[True, False]).iter_rows(named=True)
    ]
    section.grids.append(Grid([t("word.reason"), t("word.days")], rows, frozenset({1})))
    return section


def regimes(found: pl.DataFrame, t: Texts) -> Section:
    """The ledger of dated steps."""
    section = Section(t("report.regimes"))
    if found.is_empty():
        section.text.append(t("report.no_regimes"))
        return section
    rows = [
        [
            t.date(r["day"]), f"{t.date(r['day_low'])} … {t.date(r['day_high'])}",
            t("report.level.system") if r["scope"] == "system" else f"P{r['pack']}C{r['cell']}",
            t.number(r["step_mv"], 1, sign=True), t.percent(r["moved_share"]), t.code("regime_kind", r["kind"]),
        ]
        for r in found.sort("day", "scope", "pack", "cell").iter_rows(named=True)
    ]
    header = [t("word.day"), "95 %", t("report.scope"), t("report.step"), t("regime.share"), t("report.kind")]
    section.grids.append(Grid(header, rows, frozenset({3, 4})))
    return section


def capacity(days: pl.DataFrame, battery: BatterySettings, t: Texts) -> Section:
    """What was measured in each month, and at its end the median with its error, beside the BMS's SOH."""
    section = Section(t("report.capacity_by_month"))
    value, median = pl.col("q_anchor_ah"), pl.col("q_anchor_median_ah")
    known = days.filter(value.is_not_null() | median.is_not_null()).sort("day")
    if known.is_empty():
        section.text.append(t("report.no_capacity"))
        return section
    of_median = ["q_anchor_median_ah", "q_anchor_error_ah", "soh_nameplate_percent"]
    monthly = known.group_by(pl.col("day").dt.strftime("%Y-%m").alias("month")).agg(
        value.count().alias("days"), value.min().alias("least_ah"), value.max().alias("most_ah"),
        pl.col(of_median).filter(median.is_not_null()).last(), pl.col("soh_bms_percent").drop_nulls().last(),
    ).sort("month")
    columns = [("days", "report.days_measured", 0), ("least_ah", "report.least_ah", 1),
               ("most_ah", "report.most_ah", 1)]
    if known["q_anchor_median_ah"].is_null().all():
        least, span = battery.capacity_min_values, battery.capacity_days
        n = t.number(known["q_anchor_ah"].count(), 0)
        section.text.append(t("report.few_capacity", n=n, least=least, days=span))
    else:
        columns += [("q_anchor_median_ah", "report.capacity_ah", 1), ("q_anchor_error_ah", "report.error_ah", 2),
                    ("soh_nameplate_percent", "report.to_nameplate", 2)]
    columns.append(("soh_bms_percent", "capacity.col.soh_bms_percent", 0))
    section.grids.append(numbers_grid(monthly.tail(MONTHS_SHOWN), "month", "report.month", columns, t))
    return section


def energy(days: pl.DataFrame, device: str, t: Texts) -> Section:
    """Energy in and out per month at the DC terminals, and that of the auxiliaries."""
    section = Section(t("report.energy_by_month"))
    names = ["dc_in_kwh", "dc_out_kwh", "auxiliary_kwh"]
    monthly = by_month(days, names)
    if monthly.is_empty() or all(monthly[n].null_count() == len(monthly) for n in names):
        section.text.append(t("report.no_energy"))
        return section
    series = {
        t(key): monthly[name].fill_null(np.nan).to_numpy()
        for name, key in (("dc_in_kwh", "bess.charged"), ("dc_out_kwh", "bess.discharged"))
    }
    section.pictures.append(
        Picture(bars(series, monthly["month"].to_list(), device, "kWh"), t("report.energy_caption"))
    )
    columns = [("dc_in_kwh", "report.charged", 0), ("dc_out_kwh", "report.discharged", 0),
               ("auxiliary_kwh", "report.auxiliary", 0)]
    section.grids.append(numbers_grid(monthly.tail(MONTHS_SHOWN), "month", "report.month", columns, t))
    return section


def alarms(events: pl.DataFrame, t: Texts, zone: ZoneInfo) -> Section:
    """The latest alarms."""
    section = Section(t("report.alarms"))
    if events.is_empty():
        section.text.append(t("report.no_alarms"))
        return section
    latest = events.sort("start_ts", "signal", descending=[True, False]).head(LATEST_ALARMS)
    rows = [
        [
            t.datetime(r["start_ts"], zone), r["signal"], t.number(r["value"], 0),
            t.number(r["duration_s"] / 3600, 2), t("report.ongoing") if r["ongoing"] else t("report.ended"),
        ]
        for r in latest.iter_rows(named=True)
    ]
    header = [t("report.start"), t("word.signal"), t("word.value"), t("report.hours"), t("report.state")]
    section.grids.append(Grid(header, rows, frozenset({2, 3})))
    section.notes.append(t("report.latest_alarms", n=len(latest), all=t.number(len(events), 0)))
    return section
