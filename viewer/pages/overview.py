"""Overview: one line per device and the four questions. Is it safe, is it working, how much energy, which trends.

Reads `fleet_summary` and `check_results`. Next: `overview_answers.py`, then the page of a device, by its link.
"""

from collections.abc import Collection
from html import escape
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import panel as pn
import polars as pl

from energy_pipeline.settings import Settings
from viewer.check_texts import with_words
from viewer.components import html
from viewer.components.datatable import Field, small_table
from viewer.components.downloads import download_buttons
from viewer.components.panel import Panel
from viewer.pages.base import Page
from viewer.pages.overview_answers import STALE, Clock, Status, clock_of, energy_text, safety, trend, working
from viewer.store import TableMissing
from viewer.texts import Texts


class Overview(Page):
    """One line per device."""

    light = True

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
        clock = clock_of(fleet, self.session.settings.operation)
        left_out = self.session.settings.sub_meters(imported(fleet)["device"])
        self._cards.object = html.cards(fleet_cards(fleet, checks, self.texts, clock, left_out))
        markup = "".join(
            device_line(row, checks, self.texts, self.session.selection.query(), self.session.settings, clock)
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
            with_words(failed, t),
            fields,
            t,
            "checks",
            ZoneInfo(self.session.settings.zone),
        )


def imported(fleet: pl.DataFrame) -> pl.DataFrame:
    """Return the devices that know how much energy they drew."""
    return fleet.filter(pl.col("import_kwh_30d").is_not_null())


def fleet_cards(
    fleet: pl.DataFrame, checks: pl.DataFrame | None, t: Texts, clock: Clock, sub_meters: Collection[str] = ()
) -> list[html.Card]:
    """Return the figures over all devices; the energy of `sub_meters` is in that of others."""
    kinds = fleet["device_kind"].to_list()
    failed = 0 if checks is None else checks.filter(~pl.col("passed")).height
    falling = int(fleet["cells_falling"].sum() or 0)
    return [
        html.Card(t("overview.systems"), str(kinds.count("bess")), "", t("overview.meters", n=kinds.count("meter"))),
        _import_card(imported(fleet), t, sub_meters),
        _alarm_card(fleet, t),
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
        _age_card(fleet, t, clock),
    ]


def _import_card(meters: pl.DataFrame, t: Texts, sub_meters: Collection[str]) -> html.Card:
    """Return the energy drawn, of each kilowatt-hour once as far as the settings say which meter is behind which."""
    counted = meters.filter(~pl.col("device").is_in(list(sub_meters)))
    kwh = counted["import_kwh_30d"].sum() if counted.height else None
    n, left_out = counted.height, meters.height - counted.height
    notes = [t("overview.days30")]
    if left_out:
        notes.insert(0, t("overview.no_sub_meters", n=n, left_out=left_out))
    elif n > 1:
        notes.insert(0, t("overview.sum_of_meters", n=n))
    title = ", ".join(counted["device"])
    return html.Card(t("overview.import30"), *t.split(t.with_unit(kwh, "kWh")), " · ".join(notes), title=title)


def _alarm_card(fleet: pl.DataFrame, t: Texts) -> html.Card:
    hours, opened = fleet["alarm_hours_30d"], int(fleet["alarms_open"].sum() or 0)
    known = hours.null_count() < len(hours)
    note = t("overview.open_now", n=opened) if opened else t("overview.days30")
    level = "bad" if opened else "none" if not known else "warn" if hours.sum() else "ok"
    return html.Card(t("overview.alarm"), t.number(hours.sum() if known else None, 1), "h", note, level)


def _age_card(fleet: pl.DataFrame, t: Texts, clock: Clock) -> html.Card:
    """Return the age of the newest reading, and below it the device that has been silent for longest."""
    held = fleet.drop_nulls("last_ts").sort("last_ts", "device")
    if held.is_empty():
        return html.Card(t("overview.age"), t.age(None), "", t("status.no_data"))
    newest, oldest = held["last_ts"][-1], held.row(0, named=True)
    title = t.datetime(newest, ZoneInfo("UTC")) + " UTC"
    late = clock.lateness(oldest["last_ts"])
    if clock.archive and not late:
        note, level = t("overview.archive_cards", day=t.date(newest.date())), "none"
    else:
        note = t("overview.oldest", device=oldest["device"], age=t.age(clock.age_hours(oldest["last_ts"])))
        level = "ok" if not late else "bad" if late == STALE and not clock.archive else "warn"
    return html.Card(t("overview.age"), t.age(clock.age_hours(newest)), "", note, level, title)


def device_line(
    row: dict, checks: pl.DataFrame | None, t: Texts, query: str, settings: Settings, clock: Clock
) -> str:
    """Return one device's line: name and the four answers."""
    page = "bess" if row["device_kind"] == "bess" else "meter"
    kept = {k: v for k, v in (p.split("=") for p in query.lstrip("?").split("&") if "=" in p) if k in {"lang", "theme"}}
    link = "?" + urlencode({"page": page, "device": row["device"], **kept})
    zone = ZoneInfo(row["zone"])
    until = t("overview.until", moment=t.datetime(row["last_ts"], zone), age=t.age(clock.age_hours(row["last_ts"])))
    main, below = energy_text(row, t)
    cells = [
        _answer(t("question.safe"), safety(row, t, settings, clock)),
        _answer(t("question.working"), working(row, checks, t, clock)),
        f'<div class="q"><div class="t">{escape(t("question.energy"))}</div><div class="w">{escape(html.glued(main))}'
        f'</div><div class="d">{escape(html.glued(below))}</div></div>',
        _answer(t("question.trend"), trend(row, t)),
    ]
    if row["soc_percent"] is not None:
        until = f"SOC {t.number(row['soc_percent'], 0)} % · SOH (BMS) {t.number(row['soh_bms_percent'], 0)} % · {until}"
    kind, main_meter = t(f"kind.{row['device_kind']}"), settings.main_meter_of(row["device"])
    if main_meter is not None:
        kind = f"{kind} · {t('overview.behind', meter=main_meter)}"
    return (
        f'<section class="dev" aria-label="{escape(row["device"])}"><div class="name"><a href="{escape(link)}">'
        f'{escape(row["device"])}</a><div class="d">{escape(kind)}</div><div class="d">{escape(until)}</div></div>'
        f"{''.join(cells)}</section>"
    )


def _answer(question: str, status: Status) -> str:
    word = html.badge(status.word, status.level).markup
    return (
        f'<div class="q"><div class="t">{escape(question)}</div><div class="w">{word}'
        f'</div><div class="d">{escape(html.glued(status.detail))}</div></div>'
    )


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
