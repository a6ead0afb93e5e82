"""The frame of PackPulse: system, pack, range, the figures on top and the tabs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import panel as pn
import panel_material_ui as pmui
import polars as pl

from viewer.catalog import DeviceInfo
from viewer.components import html
from viewer.components.layout import UNCAPPED
from viewer.components.panel import problem
from viewer.components.toolbar import Toolbar
from viewer.fit_texts import status_of
from viewer.pages.base import DevicePage, together
from viewer.pages.packpulse.condition import Condition
from viewer.pages.packpulse.data import (
    SatGrid,
    cell_levels,
    fit_of,
    load_fits,
    load_grid,
)
from viewer.pages.packpulse.degradation import Degradation
from viewer.pages.packpulse.heat_map import HeatMapTab
from viewer.pages.packpulse.pack_trends import PackTrends
from viewer.pages.packpulse.sat_overview import SatOverview
from viewer.pages.packpulse.tab import Context, Read, Tab
from viewer.selection import cell_name
from viewer.stack_fixes import forget_callbacks
from viewer.store import TableBroken, TableMissing

TABS: dict[str, type[Tab]] = {
    "sat": SatOverview,
    "heat": HeatMapTab,
    "trends": PackTrends,
    "degradation": Degradation,
    "condition": Condition,
}
DRAWING = {"quantity", "low", "high", "spread"}
# A bar alone, and the areas below it switched in the browser: tabs of panel-material-ui 0.16 that hold their content
# build its elements anew whenever it appears, half a second for a tab with pictures.
SHOWN, HIDDEN = {"content-visibility": "visible"}, {"content-visibility": "hidden"}
_SHOW_JS = "; ".join(
    f"area{i}.styles = {{'content-visibility': source.active === {i} ? 'visible' : 'hidden'}}" for i in range(len(TABS))
)


@dataclass(frozen=True)
class Loaded:
    """What the header and all tabs share."""

    grid: SatGrid
    fits: Read
    regimes: Read
    health: Read


class PackPulse(DevicePage):
    """SAT voltages of one system."""

    kinds = ("bess",)
    default_range = "all"
    zooms = False  # the zoom is that of a cell's raw voltage alone

    def layout(self) -> pn.viewable.Viewable:
        """Return toolbar, figures and tabs."""
        t, device = self.texts, self.device()
        if device is None:
            return html.pane(html.message(t("bess.none"), t("bess.none_text"), "info"))
        self.toolbar = bar = Toolbar(self.session)
        bar.pick("device", t("word.system"), [d.name for d in self.devices], device.name)
        self._pack_pick = bar.pick("pack", t("pack.pick"), {t("pack.all"): 0}, 0, 130)
        bar.ranges(self.shown, self.default_range)
        self._cards = html.pane("", margin=(0, 0, 12, 0))
        self._current: Context | None = None
        self._whole: SatGrid | None = None
        self._tabs = {name: kind(self.session) for name, kind in TABS.items()}
        self._areas = {
            n: pn.Column(
                styles=SHOWN if n == self._tab() else HIDDEN, sizing_mode="stretch_width", margin=0,
                stylesheets=[UNCAPPED],
            )
            for n in self._tabs
        }
        nothing = pn.Spacer(height=0)  # one for all tabs: another one would be drawn at each change
        self._tab_bar = pmui.Tabs(
            *[(t(f"tab.{n}"), nothing) for n in self._tabs],
            active=list(TABS).index(self._tab()),
            sizing_mode="stretch_width",
            margin=(0, 0, 14, 0),
        )
        self._tab_bar.jscallback(active=_SHOW_JS, args={f"area{i}": a for i, a in enumerate(self._areas.values())})
        self._tab_bar.param.watch(self._tab_picked, "active")
        views = (bar.view, self._cards, self._tab_bar, *self._areas.values())
        return pn.Column(*views, sizing_mode="stretch_width", margin=0)

    def choices(self) -> dict[str, list[object]]:
        """Return the tabs and, once they are read, the packs."""
        packs = {} if self._whole is None else {"pack": sorted(set(self._whole.packs))}
        return {"tab": list(TABS), **packs}

    def limited(self) -> bool:
        """Return whether the heat map is open, whose colours the limits are."""
        return self._tab() == "heat"

    def notices(self) -> list[str]:
        """Say as well from when to when there are SAT voltages, where the range holds none."""
        t, grid, device = self.texts, self._whole, self.device()
        found = super().notices()
        if grid is None or device is None or _touches(grid, *self._days(device)):
            return found
        text = t("range.whole", first=t.date(grid.first_day), last=t.date(grid.days[-1]), zone=device.zone.key)
        return [*found, html.message(t("pack.outside"), text, "warn")]

    async def fill(self) -> None:
        """Load what all tabs share, then the open tab."""
        forget_callbacks(self._tab_bar)
        device = self.device()
        if device is None:
            return
        loaded = await self.session.read(self._load, device)
        if isinstance(loaded, str):
            self._current = self._whole = None
            await self.session.apply(lambda: self._show_problem(loaded))
            return
        self._whole = loaded.grid
        self._current = self._context(device, loaded)
        await together(
            self._fill_head(loaded, self.session.settings.battery_of(device.name).recent_days),
            self._open_tab(self._current),
        )

    async def changed(self, names: set[str]) -> None:
        """Follow the selection; a picked cell changes the open tab only, a tab that is loaded just appears."""
        await self.session.apply(self._sync)
        if self._current is None or names - {"cell", "tab", "zoom"} - DRAWING:
            await self.fill()
        elif (tab := self._tabs[self._tab()]).filled is not self._current:
            await self._open_tab(self._current)
        else:
            await self._touch(tab)
            await tab.zoom_changed()

    async def _touch(self, tab: Tab) -> None:
        """Bring a tab that is filled to the picked cell and to how it is to be drawn."""
        if tab.shown != tab.drawing():
            tab.shown = tab.drawing()
            await tab.drawing_changed()
        if tab.cell != self.session.selection.cell:
            tab.cell = self.session.selection.cell
            await tab.cell_changed()

    async def _open_tab(self, context: Context) -> None:
        name = self._tab()
        tab = self._tabs[name]
        tab.filled, tab.cell, tab.shown = None, self.session.selection.cell, tab.drawing()
        await self.session.apply(lambda: self._place(name, tab, context))
        await tab.fill(context)
        tab.filled = context

    async def themed(self) -> None:
        """Hand the change of the theme to the open tab."""
        await self._tabs[self._tab()].themed()

    def _tab(self) -> str:
        return self.session.selection.tab if self.session.selection.tab in TABS else next(iter(TABS))

    def _tab_picked(self, event: object) -> None:
        name = list(TABS)[event.new]
        if name != self._tab():
            self.session.selection.tab = name

    def _days(self, device: DeviceInfo) -> tuple[date, date]:
        start, end, _ = self.window(device)
        return start.astimezone(device.zone).date(), end.astimezone(device.zone).date()

    def _pack(self, grid: SatGrid) -> int:
        """Return the picked pack, 0 for all where it does not exist."""
        return self.session.selection.pack if self.session.selection.pack in grid.packs else 0

    def _sync(self) -> None:
        self.toolbar.sync()
        self.announce()
        index = list(TABS).index(self._tab())
        if self._tab_bar.active != index:
            self._tab_bar.active = index
        for name, area in self._areas.items():
            area.styles = SHOWN if name == self._tab() else HIDDEN
        if (
            self._pack_pick.value != self.session.selection.pack
            and self.session.selection.pack in self._pack_pick.options.values()
        ):
            self._pack_pick.value = self.session.selection.pack

    def _load(self, device: DeviceInfo) -> Loaded | str:
        store = self.session.store
        try:
            grid = load_grid(store, device.name)
        except (TableMissing, TableBroken) as error:
            return problem(error, self.texts)
        if grid is None:
            return html.message(self.texts("pack.no_sat"), self.texts("pack.no_sat_text"), "info")
        return Loaded(
            grid,
            _read(lambda: load_fits(store, device.name)),
            _read(lambda: store.frame("regimes", where={"device": device.name})),
            _read(lambda: store.frame("cell_health", where={"device": device.name})),
        )

    def _show_problem(self, markup: str) -> None:
        self._cards.object = markup

    def _context(self, device: DeviceInfo, loaded: Loaded) -> Context:
        first, last = self._days(device)
        grid, pack = loaded.grid, self._pack(loaded.grid)
        if not _touches(grid, first, last):
            first, last = grid.first_day, grid.days[-1]
        return Context(
            device,
            grid,
            grid.cut(first, last, pack),
            loaded.fits,
            loaded.regimes,
            loaded.health,
            self.session.settings.battery_of(device.name),
            pack,
            first,
            last,
        )

    def _place(self, name: str, tab: Tab, context: Context) -> None:
        column = self._areas[name]
        if not tab.placed or tab.context is None or tab.context.device.name != context.device.name:
            column.objects = [tab.layout(context)]
            tab.placed = True
        tab.context = context

    async def _fill_head(self, loaded: Loaded, recent_days: int) -> None:
        markup = await self.session.read(lambda: html.cards(self._figures(loaded, recent_days)))
        await self.session.apply(lambda: self._head(loaded.grid, markup))

    def _head(self, grid: SatGrid, markup: str) -> None:
        packs = sorted(set(grid.packs))
        options = {self.texts("pack.all"): 0, **{f"Pack {p}": p for p in packs}}
        if self._pack_pick.options != options:
            self._pack_pick.param.update(options=options, value=self._pack(grid))
        self._cards.object = markup
        self.announce()

    def _figures(self, loaded: Loaded, recent_days: int) -> list[html.Card]:
        t, grid = self.texts, loaded.grid
        pack = self._pack(grid)
        own = grid if pack == 0 else grid.cut(grid.first_day, grid.days[-1], pack)
        level = cell_levels(own, recent_days)
        fine = level[np.isfinite(level)]
        qualified = int((own.qualified.mean(axis=0) > 0.5).sum())
        out = [
            html.Card(
                t("pack.sat"),
                t.number(float(np.median(fine)) if fine.size else None, 3),
                "V",
                t("pack.sat_note", n=recent_days),
            ),
            html.Card(
                t("pack.spread"),
                t.number(1000 * float(fine.max() - fine.min()) if fine.size else None, 1),
                "mV",
                t("pack.spread_note"),
            ),
        ]
        if isinstance(loaded.fits, pl.DataFrame):
            out += self._fit_figures(loaded.fits, pack)
        last = _last_qualified(own)
        out.append(
            html.Card(
                t("pack.days"),
                t.number(qualified, 0),
                "",
                t("pack.days_note", n=own.qualified.shape[1], last=t.date(last)),
            )
        )
        return out

    def _fit_figures(self, fits: pl.DataFrame, pack: int) -> list[html.Card]:
        t = self.texts
        cells = fits.filter((pl.col("level") == "cell") & (pl.col("quantity") == "sat_offset_mv"))
        cells = cells if pack == 0 else cells.filter(pl.col("pack") == pack)
        falling = cells.filter(pl.col("verdict") == "falling").height
        known = cells.drop_nulls("slope_per_year").sort("slope_per_year")
        out = [
            html.Card(
                t("pack.falling"),
                str(falling),
                t("pack.of", n=cells.height),
                t("verdict.falling") if falling else t("pack.none_falling"),
                "warn" if falling else "ok",
            )
        ]
        if known.height:
            row = known.row(0, named=True)
            level = "warn" if row["verdict"] == "falling" else "none"
            rate = f"{t.number(row['slope_per_year'], 1, sign=True)} mV/{t('word.year_short')}"
            out.append(
                html.Card(
                    t("pack.weakest"),
                    cell_name(row["pack"], row["cell"]),
                    "",
                    f"{rate} · {t.code('verdict', row['verdict'])}",
                    level,
                )
            )
        system = fit_of(fits, "system", "sat_index_percent")
        if system is not None and pack == 0:
            out.append(
                html.Card(
                    t("pack.system_trend"),
                    t.number(system["slope_per_year"], 2, sign=True),
                    f"%/{t('word.year_short')}",
                    t.code("verdict", system["verdict"]),
                    status_of(system["verdict"]),
                )
            )
        return out


def _read(load: Callable[[], pl.DataFrame]) -> Read:
    """Return the rows, None where their table does not exist, the fault where it cannot be read."""
    try:
        return load()
    except TableMissing:
        return None
    except TableBroken as fault:
        return fault


def _touches(grid: SatGrid, first: date, last: date) -> bool:
    return first <= grid.days[-1] and last >= grid.first_day


def _last_qualified(grid: SatGrid) -> date | None:
    held = np.flatnonzero(grid.qualified.any(axis=0))
    return grid.first_day + timedelta(days=int(held[-1])) if held.size else None
