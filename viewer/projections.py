"""What a fit says of later full cycles, as numbers for the downloads; a number that may not be said is null.

The pages write the same in words: `pages/packpulse/verdict.py`, `pages/bess_life.py`. Pure; without widgets.
"""

import polars as pl

from viewer.components.datatable import Field, Taken
from viewer.texts import Texts

TARGETS = (5000, 10_000)  # full cycles
TREND = {"falling", "rising"}
NUMBERS = ("level", "low", "high", "ratio")


def may_be_said(value: float | None, ratio: float | None, max_ratio: float) -> bool:
    """Return whether a projected value lies within reach: cycles ahead over cycles seen, where that is known."""
    return value is not None and (ratio is None or ratio <= max_ratio)


def unsaid(verdict: str, t: Texts) -> str:
    """Return the words in the place of a number that may not be said."""
    return t("projection.outside") if verdict in TREND else t.code("verdict", verdict)


def taken_projection(fit: dict, t: Texts, max_ratio: float) -> Taken:
    """Return the projection as its download holds it: a column per number, its unit in the heading."""
    rows = []
    for cycles in TARGETS:
        value, ratio = fit[f"projection_{cycles}"], fit[f"extrapolation_ratio_{cycles}"]
        said = may_be_said(value, ratio, max_ratio)
        bounds = [fit[f"projection_{cycles}_{end}"] if said else None for end in ("low", "high")]
        rows.append((cycles, value if said else None, *bounds, ratio, None if said else unsaid(fit["verdict"], t)))
    schema = {"cycles": pl.Int64, **dict.fromkeys(NUMBERS, pl.Float64), "why": pl.String}
    unit = f"[{fit['unit']}]"
    fields = [
        Field("cycles", t("projection.cycles"), "number", 0),
        Field("level", f"{t('projection.level')} {unit}", "number"),
        Field("low", f"{t('projection.interval')}, {t('word.from').lower()} {unit}", "number"),
        Field("high", f"{t('projection.interval')}, {t('word.to').lower()} {unit}", "number"),
        Field("ratio", f"{t('projection.ratio')} [×]", "number"),
        Field("why", t("word.reason")),
    ]
    return Taken(pl.DataFrame(rows, schema=schema, orient="row"), fields)
