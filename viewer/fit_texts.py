"""A fit in words: its slope with the interval, the unit of a slope, how a verdict is marked. Pure; without widgets.

Used by PackPulse and by the report. A slope keeps its sign here; where a loss is shown, it is minus the slope.
Next: `pages/packpulse/verdict.py`, `report/battery.py`.
"""

from viewer.texts import Texts

STATUS = {
    "falling": "warn",
    "rising": "info",
    "stable": "ok",
    "no_established_trend": "none",
    "insufficient_data": "none",
}


def status_of(verdict: str | None) -> str:
    """Return how a verdict is marked."""
    return STATUS.get(verdict or "", "none")


def digits_of(fit: dict) -> int:
    """Return the digits that suit the unit."""
    return 1 if fit["unit"] == "mV" else 2


def per_year(fit: dict, t: Texts) -> str:
    """Return the unit of a slope."""
    return f"{fit['unit']}/{t('word.year_short')}"


def slope_text(fit: dict, t: Texts) -> str:
    """Return the slope with its interval in words."""
    if fit["slope_per_year"] is None:
        return t.code("fit_reason", fit["reason"]) if fit["reason"] else t("fit.no_slope")
    d = digits_of(fit)
    text = t(
        "fit.slope",
        value=t.number(fit["slope_per_year"], d, sign=True),
        unit=per_year(fit, t),
        low=t.number(fit["slope_low"], d, sign=True),
        high=t.number(fit["slope_high"], d, sign=True),
    )
    return f"{text} · {t('fit.preliminary')}" if fit["preliminary"] else text
