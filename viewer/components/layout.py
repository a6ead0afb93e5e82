"""Rows that wrap and pairs that stack on narrow screens, by CSS alone.

Panel's FlexBox is a template that lays its figures out at zero size now and then; these are plain columns and rows.
"""

import panel as pn

_PAIR = """
:host { display:grid !important; grid-template-columns:minmax(0, 1fr) minmax(0, 1fr); gap:0 14px; align-items:start; }
@media (max-width: 1000px) { :host { grid-template-columns:minmax(0, 1fr); } }
"""
_WRAP = ":host { display:flex !important; flex-wrap:wrap; align-items:center; row-gap:2px; }"


def side_by_side(*views: pn.viewable.Viewable) -> pn.Column:
    """Return views in columns of equal width, below each other where the screen is narrow."""
    return pn.Column(*views, sizing_mode="stretch_width", margin=0, stylesheets=[_PAIR])


def wrapping_row(*views: object, **options: object) -> pn.Row:
    """Return a row that wraps."""
    options.setdefault("margin", 0)
    return pn.Row(*views, sizing_mode="stretch_width", stylesheets=[_WRAP], **options)
