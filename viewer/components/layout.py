"""Rows that wrap and pairs that stack on narrow screens, by CSS alone.

Figures stand in columns with a grid (in Panel's FlexBox they come out at zero size now and then); pickers stand in a
FlexBox, because a Row of fixed widths would set the least width of the page.
"""

import panel as pn

# Bokeh caps a column at the height of what it stands in, here the window: what is taller lay over what follows it. Not
# lifted for the body as a whole: its height would follow its content, and every change of a tab lay the page out anew.
UNCAPPED = ":host, .bk-panel-models-layout-Column { max-height:none !important; }"
_PAIR = """
:host { display:grid !important; grid-template-columns:minmax(0, 1fr) minmax(0, 1fr); gap:0 14px; align-items:start;
  contain:inline-size; }
@media (max-width: 1000px) { :host { grid-template-columns:minmax(0, 1fr); } }
"""
_TILES = """
:host { display:grid !important; grid-template-columns:repeat(auto-fit, minmax(min(280px, 100%), 1fr)); gap:0 14px;
  align-items:start; contain:inline-size; }
"""


def side_by_side(*views: pn.viewable.Viewable) -> pn.Column:
    """Return views in columns of equal width, below each other where the screen is narrow."""
    return pn.Column(*views, sizing_mode="stretch_width", margin=0, stylesheets=[_PAIR, UNCAPPED])


def tiles(*views: pn.viewable.Viewable) -> pn.Column:
    """Return small views side by side, as many in a line as there is room for."""
    return pn.Column(*views, sizing_mode="stretch_width", margin=0, stylesheets=[_TILES, UNCAPPED])


def wrapping_row(*views: object, **options: object) -> pn.FlexBox:
    """Return a row of pickers that wraps."""
    options.setdefault("margin", 0)
    return pn.FlexBox(*views, sizing_mode="stretch_width", align_items="center", **options)
