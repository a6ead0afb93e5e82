"""The 3D surface of cells × days, drawn by Plotly on demand."""

import numpy as np
import panel as pn
import plotly.graph_objects as go

from viewer.components.heatmap import robust_limits
from viewer.pages.packpulse.data import SatGrid
from viewer.texts import Texts


def surface_pane(values: np.ndarray, grid: SatGrid, texts: Texts, *, unit: str, title: str, dark: bool) -> pn.pane.Plotly:
    """Return the surface: every cell, every day; missing days are holes."""
    low, high = robust_limits(np.where(grid.qualified, values, np.nan))
    room = (high - low) * 0.3
    names = grid.names
    starts = [i for i, p in enumerate(grid.packs) if i == 0 or grid.packs[i - 1] != p]
    color = "#e6e9ec" if dark else "#22272c"
    figure = go.Figure(go.Surface(
        z=np.round(values, 4).astype(np.float32), x=[d.isoformat() for d in grid.days], y=np.arange(len(names)),
        colorscale="Viridis", cmin=low, cmax=high, colorbar={"title": {"text": unit}, "thickness": 12, "len": 0.7},
        hovertemplate="%{x}<br>%{customdata}<br>%{z:.3f} " + unit + "<extra></extra>",
        customdata=np.repeat(np.array(names)[:, None], values.shape[1], axis=1),
    ))
    figure.update_layout(
        template="plotly_dark" if dark else "plotly_white", paper_bgcolor="rgba(0,0,0,0)", font={"color": color, "size": 12},
        margin={"l": 0, "r": 0, "t": 10, "b": 0}, separators=",." if texts.lang == "de" else ".,", height=540,
        scene={
            "xaxis": {"title": {"text": texts("word.day")}},
            "yaxis": {"title": {"text": texts("word.cell")}, "tickvals": starts, "ticktext": [f"Pack {grid.packs[i]}" for i in starts]},
            "zaxis": {"title": {"text": f"{title} [{unit}]"}, "range": [low - room, high + room]},
            "aspectratio": {"x": 1.7, "y": 1.2, "z": 0.6}, "camera": {"eye": {"x": 1.5, "y": -1.6, "z": 0.9}},
        },
    )
    return pn.pane.Plotly(figure, sizing_mode="stretch_width", height=540, config={"displaylogo": False, "responsive": True}, margin=0)
