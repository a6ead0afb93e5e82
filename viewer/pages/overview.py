"""Overview: one line per device and the four questions. Is it safe, is it working, how much energy, which trends.

Reads `fleet_summary` and `check_results`. Next: the page of a device, by its link.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import panel as pn
import polars as pl

from energy_pipeline.settings import OperationSettings, Settings
from viewer.components import html
from viewer.components.datatable import Field, small_table
from viewer.components.downloads import download_buttons
from viewer.components.panel import Panel
from viewer.pages.base import Page
from viewer.store import TableMissing
from viewer.texts import DASH, Texts


@dataclass(frozen=True)
class Status:
    """A word, how serious it is, and what it rests on."""

    word: str
    level: str
    detail: str = ""


class Overview(Page):
    """One line per device."""

    def layout(self) -> pn.viewable.Viewable:
        """Return cards, the table of devices and failed checks."""
        t = self.texts
        self._cards = html.pane("", margin=(0, 0, 14, 0))
        self._devices = Panel(self.session, t("overview.devices"), t("overview.devices_note"), 260)
        self._checks = Panel(self.session, t("overview.checks"), t("overview.checks_note"))
        return pn.Column(self._cards, self._devices.view, self._checks.view, sizing_mode="stretch_width", margin=0)

    async def fill(self) -> None:
        """Load the fleet, then the checks."""
        await self._devices.fill(self._load, self._render)
        await self._checks.fill(lambda: self.session.store.frame("check_results"), self._render_checks)

    def _load(self) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        fleet = self.session.store.frame("fleet_summary").sort("device_kind", "device")
        try:
            checks = self.session.store.frame("check_results")
        except TableMissing:
            checks = None
        return fleet, checks

    def _render(self, data: tuple[pl.DataFrame, pl.DataFrame | None]) -> list[object]:
        fleet, checks = data
        self._cards.object = html.cards(fleet_cards(fleet, checks, self.texts))
        markup = "".join(
            device_line(row, checks, self.texts, self.session.selection.query(), self.session.settings)
            for row in fleet.to_dicts()
        )
        buttons = download_buttons(lambda: fleet, "fleet_summary", self.texts)
        return [html.pane(f"<style>{_CSS}</style>{markup}", margin=(0, 0, 10, 0)), buttons]

    def _render_checks(self, checks: pl.DataFrame) -> list[object]:
        t = self.texts
        failed = checks.filter(~pl.col("passed"))
        if failed.is_empty():
            return [html.pane(str(html.badge(t("overview.all_green", n=checks.height), "ok").markup))]
        fields = [
            Field("device", t("word.device")),
            Field("table", t("word.table")),
            Field("check", t("quality.check")),
            Field("failed_rows", t("quality.failed_rows"), "number", 0),
            Field("advice", t("quality.advice")),
            Field("checked_ts", t("quality.checked"), "time"),
        ]
        return small_table(
            failed.with_columns(pl.col("check").str.replace_all("_", " ")),
            fields,
            t,
            "checks",
            ZoneInfo(self.session.settings.zone),
        )


def fleet_cards(fleet: pl.DataFrame, checks: pl.DataFrame | None, t: Texts) -> list[html.Card]:
    """Return the figures over all devices."""
    kinds = fleet["device_kind"].to_list()
    failed = 0 if checks is None else checks.filter(~pl.col("passed")).height
    alarm = fleet["alarm_hours_30d"].sum() or 0.0
    falling = int(fleet["cells_falling"].sum() or 0)
    last = fleet["last_ts"].max()
    return [
        html.Card(t("overview.systems"), str(kinds.count("bess")), "", t("overview.meters", n=kinds.count("meter"))),
        html.Card(
            t("overview.import30"), *t.split(t.with_unit(fleet["import_kwh_30d"].sum(), "kWh")), t("overview.days30")
        ),
        html.Card(t("overview.alarm"), t.number(alarm, 1), "h", t("overview.days30"), "warn" if alarm else "ok"),
        html.Card(
            t("overview.falling"),
            str(falling),
            "",
            t("overview.of_cells", n=int(fleet["cells"].sum() or 0)),
            "warn" if falling else "ok",
        ),
        html.Card(
            t("overview.failed_checks"),
            str(failed),
            "",
            t("word.none") if not failed else t("overview.see_below"),
            "bad" if failed else "ok",
        ),
        html.Card(t("overview.age"), t.age(_age_hours(last)), "", t.datetime(last, ZoneInfo("UTC")) + " UTC"),
    ]


def safety(row: dict, t: Texts, settings: Settings) -> Status:
    """Answer: is it safe?"""
    alarm, hottest = row["alarm_hours_30d"], row["temperature_max_30d_c"]
    if row["device_kind"] != "bess":
        return Status(t("status.not_applicable"), "none")
    detail = [] if hottest is None else [t("status.hottest", value=t.number(hottest, 0))]
    if alarm:
        detail.insert(0, t("status.alarm_hours", value=t.number(alarm, 1)))
        return Status(t("status.alarm"), "bad", " · ".join(detail))
    warm, hot = settings.battery_of(row["device"]).temperature_limits_c
    if hottest is not None and hottest >= warm:
        return Status(
            t("status.hot" if hottest >= hot else "status.warm"),
            "bad" if hottest >= hot else "warn",
            " · ".join(detail),
        )
    if alarm is None and hottest is None:
        return Status(t("status.unknown"), "none", t("status.no_signals"))
    return Status(t("status.safe"), "ok", " · ".join([t("status.no_alarm"), *detail] if alarm is not None else detail))


def working(row: dict, checks: pl.DataFrame | None, t: Texts, limits: OperationSettings) -> Status:
    """Answer: is it working, and do we see it?"""
    coverage, failed = row["coverage_30d"], 0
    if checks is not None:
        failed = checks.filter((pl.col("device") == row["device"]) & ~pl.col("passed")).height
    detail = t("status.coverage", value=t.percent(coverage))
    if failed:
        detail += " · " + t("status.failed_checks", n=failed)
    if coverage is None:
        return Status(t("status.unknown"), "none", t("status.no_data"))
    if coverage < limits.coverage_poor:
        return Status(t("status.poor_data"), "bad", detail)
    if coverage < limits.coverage_good or failed:
        return Status(t("status.look"), "warn", detail)
    return Status(t("status.working"), "ok", detail)


def trend(row: dict, t: Texts) -> Status:
    """Answer: which trends?"""
    if row["device_kind"] != "bess":
        return Status(t("status.not_applicable"), "none")
    falling, finding = row["cells_falling"], row["cells_with_finding"]
    if row["cells"] is None or falling is None:
        return Status(t("status.unknown"), "none", t("status.no_cells"))
    parts = [
        t("status.stable_cells", n=row["cells_stable"] or 0, m=row["cells"]),
        t("status.no_trend_cells", n=row["cells_no_trend"] or 0),
    ]
    if row["cells_insufficient"]:
        parts.append(t("status.insufficient_cells", n=row["cells_insufficient"]))
    if finding:
        parts.append(t("status.finding_cells", n=finding))
    if falling:
        return Status(t("status.cells_falling", n=falling), "warn", " · ".join(parts))
    if row["cells_insufficient"] == row["cells"]:
        return Status(t("verdict.insufficient_data"), "none", " · ".join(parts))
    return Status(t("status.no_falling"), "ok", " · ".join(parts))


def energy_text(row: dict, t: Texts) -> tuple[str, str]:
    """Return the energy of 30 days and a line below."""
    main = "" if row["import_kwh_30d"] is None else f"{t.with_unit(row['import_kwh_30d'], 'kWh')} {t('word.import')}"
    below = [f"{t.with_unit(row['export_kwh_30d'], 'kWh')} {t('word.export')}"] if row["export_kwh_30d"] else []
    if row["peak_kw_30d"] is not None:
        below.append(f"{t('word.peak')} {t.with_unit(row['peak_kw_30d'], 'kW')}")
    if row["efc"] is not None:
        below.append(f"{t.number(row['efc'], 0)} {t('bess.efc_short')}")
    if not main and below:
        main = below.pop(0)
    return main or DASH, " · ".join(below)


def device_line(row: dict, checks: pl.DataFrame | None, t: Texts, query: str, settings: Settings) -> str:
    """Return one device's line: name and the four answers."""
    page = "bess" if row["device_kind"] == "bess" else "meter"
    kept = {k: v for k, v in (p.split("=") for p in query.lstrip("?").split("&") if "=" in p) if k in {"lang", "theme"}}
    link = "?" + urlencode({"page": page, "device": row["device"], **kept})
    zone = ZoneInfo(row["zone"])
    until = t("overview.until", moment=t.datetime(row["last_ts"], zone), age=t.age(_age_hours(row["last_ts"])))
    main, below = energy_text(row, t)
    cells = [
        _answer(t("question.safe"), safety(row, t, settings)),
        _answer(t("question.working"), working(row, checks, t, settings.operation)),
        f'<div class="q"><div class="t">{escape(t("question.energy"))}</div><div class="w">{escape(main)}</div>'
        f'<div class="d">{escape(below)}</div></div>',
        _answer(t("question.trend"), trend(row, t)),
    ]
    if row["soc_percent"] is not None:
        until = f"SOC {t.number(row['soc_percent'], 0)} % · SOH (BMS) {t.number(row['soh_bms_percent'], 0)} % · {until}"
    kind = t(f"kind.{row['device_kind']}")
    return (
        f'<section class="dev" aria-label="{escape(row["device"])}"><div class="name"><a href="{escape(link)}">'
        f'{escape(row["device"])}</a><div class="d">{escape(kind)}</div><div class="d">{escape(until)}</div></div>'
        f"{''.join(cells)}</section>"
    )


def _answer(question: str, status: Status) -> str:
    word = html.badge(status.word, status.level).markup
    return (
        f'<div class="q"><div class="t">{escape(question)}</div><div class="w">{word}'
        f'</div><div class="d">{escape(status.detail)}</div></div>'
    )


def _age_hours(last: datetime | None) -> float | None:
    return None if last is None else (datetime.now(UTC) - last).total_seconds() / 3600


_CSS = """
.dev { display:grid; grid-template-columns:minmax(190px, 1.25fr) repeat(4, minmax(150px, 1fr)); gap:14px;
  padding:14px 4px;
  border-bottom:1px solid var(--line); }
.dev:last-child { border-bottom:none; }
.dev .name a { font-weight:600; font-size:16px; } .dev .t { font-size:12px; color:var(--mute); margin-bottom:2px; }
.dev .w { font-weight:600; } .dev .d { font-size:12.5px; color:var(--mute); }
@media (max-width: 1000px) { .dev { grid-template-columns:repeat(2, minmax(0, 1fr)); } .dev .name {
  grid-column:1 / -1; } }
"""
