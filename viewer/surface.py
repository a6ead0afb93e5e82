"""The 3D surface of cells × days as a page of its own, shown in a frame on demand.

Plotly's script is 4.7 MB: only this page loads it, from this server. Next: `pages/packpulse/heat_map.py`.
"""

import gzip
import json
from functools import cache
from typing import Annotated

import numpy as np
import plotly.graph_objects as go
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, Response
from plotly.offline import get_plotlyjs

from viewer.api.formats import GZIP_MAGIC, accepts_gzip
from viewer.api.route import worked
from viewer.components.figures import hover_date
from viewer.components.heatmap import robust_limits
from viewer.pages.packpulse.data import QUANTITIES, SatGrid, load_grid
from viewer.store import Store
from viewer.surface_address import HEIGHT, PATH, SCRIPT
from viewer.texts import Texts

_PAGE = """<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title>
<script src="plotly.js"></script></head><body style="margin:0;overflow:hidden;font-family:Roboto,sans-serif">
<div id="surface" style="height:{height}px"></div>
<script>const figure = {figure}; Plotly.newPlot("surface", figure.data, figure.layout, {{displaylogo:false,
responsive:true, showSendToCloud:false, locale:"page", locales:{{page:{{dictionary:{words}, format:{{}}}}}}}})</script>
</body></html>"""

_BUTTONS = {  # Plotly's own words
    "Download plot as a PNG": "download.png",
    "Zoom": "tool.wheel",
    "Pan": "tool.pan",
    "Orbital rotation": "surface.turn",
    "Turntable rotation": "surface.turntable",
    "Reset camera to default": "surface.reset",
    "Reset camera to last save": "surface.last",
}


def add_surface(app: FastAPI, store: Store) -> None:
    """Add the page of the surface and its script to the server."""

    @app.get(SCRIPT, include_in_schema=False)
    def script(request: Request) -> Response:
        headers = {"cache-control": "max-age=86400", "vary": "accept-encoding"}
        body = _script(zipped=accepts_gzip(request.headers.get("accept-encoding")))
        if body.startswith(GZIP_MAGIC):
            headers["content-encoding"] = "gzip"
        return Response(body, media_type="text/javascript", headers=headers)

    @app.get(f"{PATH}/view", include_in_schema=False)
    async def view(
        request: Request,
        device: str,
        quantity: str = "sat",
        pack: Annotated[int, Query(ge=0, le=9_999)] = 0,
        first: str = "",
        last: str = "",
        lang: str = "de",
        theme: str = "light",
    ) -> Response:
        if quantity not in QUANTITIES:
            raise HTTPException(422, f"quantity {quantity!r}: use one of {', '.join(QUANTITIES)}")
        span = (first, last)
        return await worked(request, lambda: _page(store, device, quantity, pack, span, Texts(lang), theme == "dark"))


@cache
def _script(*, zipped: bool) -> bytes:
    """Return Plotly's script, read and compressed once."""
    plain = get_plotlyjs().encode()
    return gzip.compress(plain, 6, mtime=0) if zipped else plain


def _page(
    store: Store, device: str, quantity: str, pack: int, span: tuple[str, str], texts: Texts, dark: bool
) -> HTMLResponse:
    grid = load_grid(store, device)
    if grid is None:
        raise HTTPException(404, f"no SAT voltages of {device!r}")
    if pack and pack not in grid.packs:
        raise HTTPException(404, f"{device!r} has no pack {pack}; it has {sorted(set(grid.packs))}")
    days = [d.isoformat() for d in grid.days]
    a, b = (day if day in days else end for day, end in zip(span, (days[0], days[-1]), strict=True))
    if b < a:
        raise HTTPException(422, f"the last day {b} lies before the first {a}")
    cut = grid.cut(grid.days[days.index(a)], grid.days[days.index(b)], pack)
    figure = surface_figure(cut, quantity, texts, dark=dark)
    words = json.dumps({english: texts(key) for english, key in _BUTTONS.items()})
    title = texts("heat.surface_title")
    page = _PAGE.format(lang=texts.lang, title=title, height=HEIGHT, figure=figure.to_json(), words=words)
    return HTMLResponse(page)


def surface_figure(grid: SatGrid, quantity: str, texts: Texts, *, dark: bool) -> go.Figure:
    """Return the surface: every cell, every day; missing days are holes."""
    _, unit, digits = QUANTITIES[quantity]
    values, names = grid.values(quantity), grid.names
    low, high = robust_limits(np.where(grid.qualified, values, np.nan))
    room = (high - low) * 0.3
    starts = [i for i, p in enumerate(grid.packs) if i == 0 or grid.packs[i - 1] != p]
    surface = go.Surface(
        z=np.round(values, digits + 1).astype(np.float32),
        x=[d.isoformat() for d in grid.days],
        y=np.arange(len(names)),
        colorscale="Viridis",
        cmin=low,
        cmax=high,
        colorbar={"title": {"text": unit}, "thickness": 12, "len": 0.7},
        hovertemplate=f"%{{x|{hover_date(texts, clock=False)}}}<br>%{{customdata}}<br>%{{z:.3f}} {unit}<extra></extra>",
        customdata=np.repeat(np.array(names)[:, None], values.shape[1], axis=1),
    )
    figure = go.Figure(surface)
    figure.update_layout(
        template="plotly_dark" if dark else "plotly_white",
        paper_bgcolor="#1b2026" if dark else "#ffffff",
        font={"color": "#e6e9ec" if dark else "#22272c", "size": 12},
        margin={"l": 0, "r": 0, "t": 10, "b": 0},
        separators="".join(texts.separators),
        height=HEIGHT,
        scene=_scene(grid, starts, texts, f"{texts(f'heat.{quantity}')} [{unit}]", (low - room, high + room)),
    )
    return figure


def _date_forms(texts: Texts) -> list[dict]:
    """Return how days are written while less than a month lies between two ticks, and months above that."""
    day, month = ("%d.%m.%y", "%m/%y") if texts.lang == "de" else ("%d %b %y", "%b %y")
    return [{"dtickrange": [None, "M1"], "value": day}, {"dtickrange": ["M1", None], "value": month}]


def _scene(grid: SatGrid, starts: list[int], texts: Texts, title: str, limits: tuple[float, float]) -> dict:
    return {
        "xaxis": {"title": {"text": texts("word.day")}, "tickformatstops": _date_forms(texts)},
        "yaxis": {
            "title": {"text": texts("word.cell")},
            "tickvals": starts,
            "ticktext": [f"Pack {grid.packs[i]}" for i in starts],
        },
        "zaxis": {"title": {"text": title}, "range": list(limits)},
        "aspectratio": {"x": 1.7, "y": 1.2, "z": 0.6},
        "camera": {"eye": {"x": 1.5, "y": -1.6, "z": 0.9}},
    }
