"""Colours and the Material theme, chosen once: readable in the dark, safe for colour-blind eyes.

Words always stand beside colours. Figures use `SERIES` in order (Okabe and Ito); verdicts use `STATUS`.
"""

ACCENT = "#12a594"
ACCENT_LIGHT, ACCENT_DARK = "#0f766e", "#2dd4bf"
SERIES = ("#12a594", "#e69f00", "#4f8fdb", "#cc79a7", "#d55e00", "#8c9b2f", "#9b7bd4", "#7f8c8d")
STATUS = {"ok": "#2e9e5b", "warn": "#d98a00", "bad": "#d9483b", "none": "#8a939c", "info": "#3f86d6"}
MISSING = "#80808059"
BAR = "#11302f"

_TYPOGRAPHY = {"button": {"textTransform": "none"}, "fontSize": 14, "h3": {"fontSize": "1.3rem", "fontWeight": 600}}
THEME = {
    "light": {
        "palette": {
            "primary": {"main": ACCENT_LIGHT},
            "background": {"default": "#f6f7f8", "paper": "#ffffff"},
        },
        "typography": _TYPOGRAPHY,
        "shape": {"borderRadius": 8},
    },
    "dark": {
        "palette": {
            "primary": {"main": ACCENT_DARK},
            "background": {"default": "#14181d", "paper": "#1b2026"},
        },
        "typography": _TYPOGRAPHY,
        "shape": {"borderRadius": 8},
    },
}
PAGE_SX = {
    "& .MuiAppBar-root.header": {
        "backgroundColor": f"{BAR} !important",
        "backgroundImage": "none !important",
        "boxShadow": "none",
        "color": "#ffffff",
    },
    "& .MuiAppBar-root.header .MuiIconButton-root": {"color": "#ffffff"},
    "& .title": {"whiteSpace": "nowrap"},
    "& .main-content": {"overflowX": "hidden"},
}
