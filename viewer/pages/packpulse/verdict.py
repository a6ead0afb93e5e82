"""Fits in words: verdict, loss with interval, what the data could show, days still needed, quality, the naive number.

A loss is minus the slope; a rise is no loss. Quality words stand on established trends only.
"""

from energy_pipeline.settings import BatterySettings
from viewer.components import html
from viewer.fit_texts import digits_of, per_year, status_of
from viewer.projections import TARGETS, may_be_said, unsaid
from viewer.texts import Texts


def verdict_cards(fit: dict, t: Texts) -> list[html.Card]:
    """Return the cards of a verdict."""
    d, unit = digits_of(fit), per_year(fit, t)
    loss = None if fit["slope_per_year"] is None else -fit["slope_per_year"]
    interval = (
        DASHES
        if loss is None
        else t(
            "verdict.interval",
            low=t.number(-fit["slope_high"], d, sign=True),
            high=t.number(-fit["slope_low"], d, sign=True),
        )
    )
    missing = fit["days_missing"] or 0
    return [
        html.Card(
            t("verdict.title"),
            t.code("verdict", fit["verdict"]),
            "",
            t("verdict.days", n=fit["n_days"], span=fit["span_days"] or 0),
            status_of(fit["verdict"]),
        ),
        html.Card(t("verdict.loss"), t.number(loss, d, sign=True), unit, interval),
        html.Card(t("verdict.mds"), t.number(fit["minimum_detectable_slope"], d), unit, t("verdict.mds_note")),
        html.Card(
            t("verdict.missing"),
            t.number(missing, 0),
            t("word.days") if missing else "",
            t("verdict.missing_note") if missing else t("verdict.enough"),
            "none" if missing else "ok",
        ),
        html.Card(t("verdict.naive"), t.number(fit["naive_per_year"], d), unit, t("verdict.naive_note")),
    ]


def statistics_rows(fit: dict, t: Texts) -> list[tuple[str, object, str]]:
    """Return the rows of „Degradation Statistiken“: label, number, unit."""
    unit, year = fit["unit"], per_year(fit, t)

    def minus(value: float | None) -> float | None:
        return None if value is None else -value

    month = f"{unit}/{t('word.month_short')}"
    return [
        (t("stat.loss_year"), minus(fit["slope_per_year"]), year),
        (t("stat.loss_low"), minus(fit["slope_high"]), year),
        (t("stat.loss_high"), minus(fit["slope_low"]), year),
        (t("stat.loss_month"), minus(fit["slope_per_month"]), month),
        (t("stat.loss_cycle"), minus(fit["slope_per_cycle"]), f"{unit}/{t('word.cycle')}"),
        (t("stat.r2"), fit["ols_r2"], ""),
        (t("stat.days_since"), fit["span_days"], t("word.days")),
        (t("stat.qualified"), fit["n_days"], t("word.days")),
        (t("stat.levels"), fit["intercepts"], ""),
        (t("stat.ols"), minus(fit["ols_slope_per_year"]), year),
        (t("stat.theil_sen"), minus(fit["theil_sen_slope_per_year"]), year),
        (t("stat.mk"), fit["mann_kendall_p"], ""),
        (t("stat.rmse"), fit["ols_rmse"], unit),
        (t("stat.naive"), fit["naive_per_year"], year),
    ]


def projection_rows(fit: dict, t: Texts, max_ratio: float) -> list[tuple[str, str, str, str]]:
    """Return the rows of „Zyklen-Hochrechnung“: cycles, level, interval, ratio of extrapolation."""
    d, out = digits_of(fit), []
    for cycles in TARGETS:
        value, ratio = fit[f"projection_{cycles}"], fit[f"extrapolation_ratio_{cycles}"]
        low, high = fit[f"projection_{cycles}_low"], fit[f"projection_{cycles}_high"]
        if may_be_said(value, ratio, max_ratio):
            level, interval = (
                f"{t.number(value, d)} {fit['unit']}",
                f"{t.number(low, d)} … {t.number(high, d)} {fit['unit']}",
            )
        else:
            level, interval = unsaid(fit["verdict"], t), DASHES
        out.append((t.number(cycles, 0), level, interval, f"{t.number(ratio, 1)} ×" if ratio is not None else DASHES))
    return out


def quality_rows(fit: dict, t: Texts, battery: BatterySettings) -> list[tuple[str, str, str]]:
    """Return the rows of „Qualitätsbewertung“: what, word, rule."""
    out = []
    annual_mv = fit["unit"] == "mV"
    for key, group, limits in (
        ("quality_linearity", "linearity", battery.quality_r2),
        ("quality_annual", "annual", battery.quality_annual_mv if annual_mv else battery.quality_annual_percent),
        ("quality_cycle", "cycle", battery.quality_cycle_percent),
    ):
        word = t.code(f"quality.{group}", fit[key]) if fit[key] else t("quality.not_established")
        scale = f"quality.rule.{group}_mv" if group == "annual" and annual_mv else f"quality.rule.{group}"
        rule = t(scale, a=t.number(limits[0]), b=t.number(limits[1]))
        out.append((t(f"quality.{group}"), word, rule))
    return out


def overall(fit: dict, t: Texts) -> tuple[str, str, str]:
    """Return „Gesamtbewertung“: status, title, sentence."""
    verdict = fit["verdict"]
    d = digits_of(fit)
    fields = {
        "value": t.number(fit["slope_per_year"], d, sign=True),
        "unit": per_year(fit, t),
        "low": t.number(fit["slope_low"], d, sign=True),
        "high": t.number(fit["slope_high"], d, sign=True),
        "mds": t.number(fit["minimum_detectable_slope"], d),
        "missing": fit["days_missing"] or 0,
        "n": fit["n_days"],
    }
    return status_of(verdict), t.code("verdict", verdict), t(f"overall.{verdict}", **fields)


DASHES = "–"
