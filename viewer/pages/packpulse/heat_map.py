"""Tab heat maps: all cells × all days; a tap opens the cell. The 3D surface waits behind its button."""

import numpy as np
import panel as pn
import panel_material_ui as pmui

from viewer.components import html
from viewer.components.downloads import download_buttons
from viewer.components.figures import bokeh_pane
from viewer.components.heatmap import HeatMap, robust_limits
from viewer.components.layout import wrapping_row
from viewer.components.panel import NoData, Panel
from viewer.components.toolbar import KEEP_WIDTH, ONE_LINE
from viewer.pages.packpulse.cell_view import CellView
from viewer.pages.packpulse.data import QUANTITIES
from viewer.pages.packpulse.heat_table import heat_download
from viewer.pages.packpulse.tab import Context, Tab
from viewer.selection import cell_name, limit_text
from viewer.surface_address import HEIGHT, surface_url


class HeatMapTab(Tab):
    """The map and the picked cell."""

    def layout(self, context: Context) -> pn.viewable.Viewable:
        """Return the map, the cell's panels and the button of the surface."""
        del context
        t = self.texts
        self._drawn = ""  # quantity of the map
        self._map: HeatMap | None = None
        self._panel = Panel(self.session, t("heat.title"), t("heat.note"), 460)
        self._pick = pmui.RadioButtonGroup(
            options={t(f"heat.{q}"): q for q in QUANTITIES},
            value=self._quantity,
            size="small",
            margin=(0, 16, 8, 0),
            sizing_mode=None,
            styles=KEEP_WIDTH,
            sx=ONE_LINE,
        )
        self._pick.param.watch(self._quantity_picked, "value")
        self._shown, self._writing = (0.0, 1.0), False
        self._limits = [
            pmui.TextInput(label=t(f"heat.limit_{end}"), value="", width=150, size="small", margin=(0, 10, 8, 0))
            for end in ("low", "high")
        ]
        for field in self._limits:
            field.param.watch(self._limits_typed, "value")
        self._cell = CellView(self.session)
        self._button = pmui.Button(
            label=t("heat.surface"),
            icon="view_in_ar",
            variant="outlined",
            size="small",
            width=200,
            margin=(0, 0, 14, 0),
        )
        self._button.on_click(lambda _e: self.session.spawn("surface", self._open_surface()))
        self._surface = pn.Column(sizing_mode="stretch_width", margin=0)
        return pn.Column(
            self._panel.view, self._cell.layout(), self._button, self._surface, sizing_mode="stretch_width", margin=0
        )

    async def fill(self, context: Context) -> None:
        """Draw the map, then the picked cell."""
        await self._panel.fill(lambda: self._values(context), lambda v: self._render(context, v))
        if self._surface.objects:
            await self._open_surface()
        await self.cell_changed()

    @property
    def _quantity(self) -> str:
        return self.session.selection.quantity

    def drawing(self) -> tuple:
        """Return quantity and limits."""
        selection = self.session.selection
        return selection.quantity, selection.low, selection.high

    async def drawing_changed(self) -> None:
        """Draw another quantity; other limits recolour the map."""
        if self._map is None or self._drawn != self._quantity:
            await self.fill(self.context)
        else:
            await self.session.apply(self._recolour)

    async def zoom_changed(self) -> None:
        """Follow another part of the picked cell's raw voltage."""
        await self._cell.zoom_changed()

    async def cell_changed(self) -> None:
        """Mark and open the picked cell."""
        place, context = self.session.selection.cell_place(), self.context
        if self._map is not None:
            await self.session.apply(lambda: self._map.select(context.grid.row(place)))
        await self._cell.fill(context, place)

    async def themed(self) -> None:
        """Plotly takes no theme from the page: draw the surface again."""
        if self._surface.objects:
            await self._open_surface()

    def _values(self, context: Context) -> np.ndarray:
        values = context.grid.values(self._quantity)
        if not np.isfinite(values).any():
            raise NoData(context.no_days(self.texts))
        return values

    def _render(self, context: Context, values: np.ndarray) -> list[object]:
        t, grid = self.texts, context.grid
        _, unit, digits = QUANTITIES[self._quantity]
        self._pick.value, self._drawn = self._quantity, self._quantity
        self._robust = robust_limits(np.where(grid.qualified, values, np.nan))
        shown = self.session.selection.limits() or self._robust
        self._map = HeatMap(
            values,
            grid.names,
            grid.packs,
            grid.first_day,
            t,
            unit=unit,
            limits=shown,
            digits=digits,
            on_tap=self._tapped,
        )
        self._map.select(grid.row(self.session.selection.cell_place()))
        self._write_limits(shown)
        missing = int((~np.isfinite(values)).sum())
        note = t("heat.count", cells=len(grid.places), days=values.shape[1], missing=t.number(missing, 0))
        return [
            wrapping_row(self._pick, *self._limits),
            html.pane(f'<div class="note">{html.escape(note)}</div>', margin=(0, 0, 4, 0)),
            bokeh_pane(self._map.figure),
            download_buttons(lambda: heat_download(grid, self._quantity, t), f"{grid.device}_{self._quantity}", t),
        ]

    def _tapped(self, row: int, _day: int) -> None:
        self.session.selection.cell = cell_name(*self.context.grid.places[row])

    def _quantity_picked(self, event: object) -> None:
        if event.new != self._quantity:
            self.session.selection.param.update(quantity=event.new, low="", high="")

    def _recolour(self) -> None:
        shown = self.session.selection.limits() or self._robust
        self._write_limits(shown)
        self._map.set_limits(*shown)

    def _limits_typed(self, _event: object) -> None:
        if self._writing:
            return
        given = [self.texts.parsed(field.value) for field in self._limits]
        if self._map is None or None in given or given[0] >= given[1]:
            self._write_limits(self._shown)
        elif tuple(given) != self._shown:
            self.session.selection.param.update(low=limit_text(given[0]), high=limit_text(given[1]))

    def _write_limits(self, limits: tuple[float, float]) -> None:
        digits = QUANTITIES[self._quantity][2]
        self._shown = tuple(round(v, digits) for v in limits)
        self._writing = True
        try:
            for field, value in zip(self._limits, self._shown, strict=True):
                field.value = self.texts.number(value, digits)
        finally:
            self._writing = False

    async def _open_surface(self) -> None:
        t, context = self.texts, self.context
        panel = Panel(self.session, t("heat.surface_title"), t("heat.surface_note"), HEIGHT)
        theme = "dark" if self.session.dark else "light"
        url = surface_url(
            context.device.name, self._quantity, context.pack, str(context.first), str(context.last), t.lang, theme
        )
        title = html.escape(t("heat.surface_title"))
        frame = (
            f'<iframe src="{html.escape(url)}" title="{title}" height="{HEIGHT}" style="width:100%;border:0"></iframe>'
        )
        await self.session.apply(lambda: setattr(self._surface, "objects", [panel.view]))
        await self.session.apply(lambda: panel.show(html.pane(frame, height=HEIGHT + 6)))
