"""PackPulse: the SAT voltage of every cell. One page with four tabs; each tab is a module.

`page.py` is the frame, `data.py` what is read; then `sat_overview.py`, `heat_map.py`, `pack_trends.py`,
`degradation.py`.
"""

from viewer.pages.packpulse.page import PackPulse

__all__ = ["PackPulse"]
