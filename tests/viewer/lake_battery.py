"""Battery tables of the test lake: charges, SAT voltages, regimes, fits, capacity, cells, fleet."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from tests.viewer.lake_factory import Plan

NOISE_MV = 1.2


def tables(plan: "Plan", rng: np.random.Generator) -> dict[str, pl.DataFrame]:
    """All tables of the battery and the fleet."""
    daily = _sat_daily(plan, rng)
    return {
        "sat_daily": daily,
        "sat_voltage": _sat_voltage(daily),
        "charge_cycles": _cycles(plan),
        "regimes": _regimes(plan),
        "degradation_fits": _fits(plan),
        "capacity": _capacity(plan, rng),
        "cell_health": _cell_health(plan),
        "fleet_summary": _fleet(plan),
    }


def _places(plan: "Plan") -> list[tuple[int, int]]:
    return [(p, c) for p in range(1, plan.packs + 1) for c in range(1, plan.cells + 1)]


def _reason(plan: "Plan", i: int) -> str | None:
    day = plan.dates[i]
    if plan.missing(day):
        return "no_data"
    if day.weekday() == 6:
        return "no_charge"
    return "partial_charge" if i % 23 == 5 else None


def _sat_daily(plan: "Plan", rng: np.random.Generator) -> pl.DataFrame:
    days = np.arange(plan.days)
    common = 3.432 + 0.004 * np.sin(days / 25) + np.where(days >= plan.step_day, plan.step_mv / 1000, 0.0)
    parts = []
    for p, c in _places(plan):
        offset = ((p * 7 + c * 13) % 11 - 5) * 0.6
        offset += 14.0 if (p, c) == plan.offset_cell else 0.0
        drift = plan.falling_mv_per_year * days / 365.25 if (p, c) == plan.falling else 0.0
        mv = offset + drift + rng.normal(0, NOISE_MV, plan.days)
        sat = common + mv / 1000
        reasons = [_reason(plan, i) for i in range(plan.days)]
        fine = np.array([r is None for r in reasons])
        partial = np.array([r == "partial_charge" for r in reasons])
        kept = np.where(fine, sat, np.where(partial, sat - 0.06, np.nan))
        parts.append(
            pl.DataFrame(
                {
                    "device": plan.bess,
                    "day": plan.dates,
                    "signal": f"bms1_p{p}_v{c}",
                    "pack": p,
                    "cell": c,
                    "qualified": fine,
                    "reason": reasons,
                    "method": "supported",
                    "sat_voltage_v": kept,
                    "sat_offset_mv": np.where(fine, mv, np.nan),
                    "sat_index_percent": np.where(fine, 100 * sat / sat[0], np.nan),
                    "baseline_v": sat[0],
                    "soc_end": np.where(fine, 95.0, 70.0),
                    "delta_soc": np.where(fine, 90.0, 15.0),
                    "current_end_a": 12.0 + days % 5,
                    "temperature_end_c": 25 + 4 * np.sin(days / 40),
                }
            ).with_columns(pl.col(pl.Float64).fill_nan(None))
        )
    return pl.concat(parts)


def _sat_voltage(daily: pl.DataFrame) -> pl.DataFrame:
    some = daily.filter(pl.col("qualified"))
    return some.with_columns(
        pl.col("day").cast(pl.String).str.slice(0, 7).alias("month"),
        pl.col("day").cast(pl.Datetime("us", "UTC")).alias("charge_end_ts"),
        pl.col("sat_voltage_v").alias("raw_max_v"),
        pl.lit(9).alias("readings"),
        pl.lit(3).alias("offset_instants"),
        pl.lit(1.0).alias("coverage"),
    )


def _cycles(plan: "Plan") -> pl.DataFrame:
    rows = []
    for i, day in enumerate(plan.dates):
        if _reason(plan, i) in {"no_data", "no_charge"}:
            continue
        base = datetime(day.year, day.month, day.day, 4, tzinfo=UTC)
        for kind, hours, energy in (("charge", 0, 214.0), ("discharge", 12, 196.0)):
            start = base + timedelta(hours=hours)
            rows.append(
                {
                    "device": plan.bess,
                    "month": day.isoformat()[:7],
                    "day": day,
                    "kind": kind,
                    "start_ts": start,
                    "end_ts": start + timedelta(hours=4),
                    "duration_s": 14_400.0,
                    "method": "soc",
                    "cut": False,
                    "soc_start": 6.0,
                    "soc_end": 95.0,
                    "delta_soc": 89.0,
                    "charge_ah": 249.0,
                    "energy_kwh": energy,
                    "voltage_mean_v": 830.0,
                    "current_mean_a": 62.0,
                    "current_end_a": 12.0,
                    "file_sign": 1,
                    "sign_contradiction": False,
                    "temperature_end_c": 27.0,
                    "cell_max_end_v": 3.45,
                    "cell_min_end_v": 3.42,
                    "coverage_voltage": 1.0,
                    "coverage_current": 1.0,
                    "coverage_soc": 1.0,
                }
            )
    return pl.DataFrame(rows)


def _regimes(plan: "Plan") -> pl.DataFrame:
    day = plan.dates[plan.step_day]
    common = {"device": plan.bess, "day_low": day - timedelta(days=1), "day_high": day + timedelta(days=2)}
    p, c = plan.offset_cell
    return pl.DataFrame(
        [
            {
                **common,
                "scope": "system",
                "pack": None,
                "cell": None,
                "day": day,
                "step_mv": plan.step_mv,
                "moved_share": 0.98,
                "kind": "operating_regime",
            },
            {
                **common,
                "scope": "system",
                "pack": None,
                "cell": None,
                "day": day + timedelta(days=40),
                "step_mv": 6.0,
                "moved_share": 0.71,
                "kind": "suspected",
            },
            {
                **common,
                "scope": "cell",
                "pack": p,
                "cell": c,
                "day": day + timedelta(days=10),
                "step_mv": 6.2,
                "moved_share": None,
                "kind": "cell_step",
            },
        ],
        infer_schema_length=None,
    )


def _fit(
    plan: "Plan", level: str, pack: int | None, cell: int | None, quantity: str, slope: float, verdict: str
) -> dict:
    unit = {"sat_offset_mv": "mV"}.get(quantity, "%")
    se = 1.1 if unit == "mV" else 0.12
    fell = verdict in {"falling", "rising"}
    return {
        "device": plan.bess,
        "level": level,
        "pack": pack,
        "cell": cell,
        "quantity": quantity,
        "unit": unit,
        "n_days": plan.days * 6 // 7,
        "span_days": plan.days,
        "first_day": plan.dates[0],
        "last_day": plan.dates[-1],
        "intercepts": 2,
        "slope_per_year": slope,
        "slope_low": slope - 2 * se,
        "slope_high": slope + 2 * se,
        "slope_se": se,
        "slope_df": 18.0,
        "p_value": 1e-6 if fell else 0.4,
        "verdict": verdict,
        "preliminary": False,
        "reason": None if verdict != "insufficient_data" else "too_few_days",
        "days_missing": 0 if verdict != "insufficient_data" else 34,
        "minimum_detectable_slope": 4.9 if unit == "mV" else 0.6,
        "ols_slope_per_year": slope * 1.05,
        "ols_r2": 0.96 if fell else 0.03,
        "ols_p": 0.01,
        "ols_rmse": 1.3,
        "newey_west_se": se * 0.8,
        "theil_sen_slope_per_year": slope * 0.97,
        "theil_sen_low": slope - se * 2.3,
        "theil_sen_high": slope + se * 2.3,
        "mann_kendall_p": 0.02,
        "bootstrap_low": slope - se * 1.4,
        "bootstrap_high": slope + se * 1.4,
        "quadratic_p": 0.4,
        "naive_per_year": abs(slope) + 17.4,
        "slope_per_month": slope * 30.4375 / 365.25,
        "slope_per_cycle": slope / 500,
        "quality_linearity": "very_linear" if fell else None,
        "quality_annual": ("high" if slope < -10 else "low") if fell else None,
        "quality_cycle": "moderate" if fell else None,
        "projection_5000": -210.0 if fell else None,
        "projection_5000_low": -260.0 if fell else None,
        "projection_5000_high": -160.0 if fell else None,
        "extrapolation_ratio_5000": 17.0,
        "extrapolation_ratio_10000": 34.0,
        "level_first": 0.0,
        "level_last": slope * plan.days / 365.25,
    }


def _fits(plan: "Plan") -> pl.DataFrame:
    rows = []
    for p, c in _places(plan):
        slope = plan.falling_mv_per_year if (p, c) == plan.falling else ((p * 5 + c * 3) % 7 - 3) * 0.35
        verdict = "falling" if (p, c) == plan.falling else ("no_established_trend", "stable")[(p + c) % 2]
        if (p, c) == (1, 1):
            verdict = "insufficient_data"
        rows.append(_fit(plan, "cell", p, c, "sat_offset_mv", slope, verdict))
        rows.append(_fit(plan, "cell", p, c, "sat_index_percent", slope / 30, "no_established_trend"))
    for p in range(1, plan.packs + 1):
        rows.append(_fit(plan, "pack", p, None, "sat_offset_mv", -0.4 * p, "no_established_trend"))
        rows.append(_fit(plan, "pack", p, None, "sat_index_percent", -0.05 * p, "stable"))
    rows.append(_fit(plan, "system", None, None, "sat_index_percent", -0.12, "no_established_trend"))
    rows.append(_fit(plan, "system", None, None, "capacity_percent", -2.6, "falling"))
    return pl.DataFrame(rows, infer_schema_length=None)


def _capacity(plan: "Plan", rng: np.random.Generator) -> pl.DataFrame:
    days = np.arange(plan.days)
    q = 279.0 - days * 0.02 + rng.normal(0, 0.8, plan.days)
    return pl.DataFrame(
        {
            "device": plan.bess,
            "day": plan.dates,
            "q_anchor_ah": q,
            "q_anchor_median_ah": 279.0 - days * 0.02,
            "q_anchor_error_ah": np.full(plan.days, 1.6),
            "q_soc_ah": q * 1.01,
            "soh_nameplate_percent": (279 - days * 0.02) / 2.8,
            "soh_first_percent": 100 - days * 0.007,
            "soh_bms_percent": 99.5 - np.floor(days * 0.01),
            "efc_ah": days * 0.9,
            "efc_energy": days * 0.89,
            "efc_soc": days * 0.91,
            "round_trip_percent": np.full(plan.days, 91.6),
        }
    )


def _cell_health(plan: "Plan") -> pl.DataFrame:
    rows = []
    for rank, (p, c) in enumerate(_places(plan), start=1):
        odd = (p, c) == plan.offset_cell
        rows.append(
            {
                "device": plan.bess,
                "signal": f"bms1_p{p}_v{c}",
                "pack": p,
                "cell": c,
                "offset_charge_end_mv": 14.0 if odd else 0.6,
                "offset_discharge_end_mv": -2.0 * (c % 3),
                "offset_rest_mv": 0.2,
                "robust_z": 1.0,
                "outlier": (p, c) == plan.falling,
                "outlier_since": plan.dates[-9] if (p, c) == plan.falling else None,
                "stuck_hours": 0.0,
                "stuck": False,
                "first_full_share": 0.1,
                "first_empty_share": 0.05,
                "weakness_rank": rank,
                "weakness_rank_low": max(rank - 2, 1),
                "weakness_rank_high": rank + 3,
                "temperature_max_c": 31.0,
                "hours_above_35c": 0.0,
                "hours_above_45c": 0.0,
                "pack_spread_charge_end_mv": 17.0 + 10 * p,
                "pack_spread_rest_mv": 4.0,
                "pack_spread_discharge_end_mv": 60.0,
                "finding": "offset" if odd else "outlier" if (p, c) == plan.falling else None,
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def _fleet(plan: "Plan") -> pl.DataFrame:
    last = plan.start + timedelta(days=plan.days)
    common = {
        "zone": "Europe/Berlin",
        "first_ts": plan.start,
        "last_ts": last,
        "rows_rejected": 41,
        "coverage_30d": 0.97,
        "import_kwh_30d": 18_700.0,
        "export_kwh_30d": 0.0,
        "peak_kw_30d": 111.3,
    }
    rows = [
        {**common, "device": m, "device_kind": "meter", "signals": 4, "rows_accepted": 2_000_000} for m in plan.meters
    ]
    cells = plan.packs * plan.cells
    rows.append(
        {
            **common,
            "device": plan.bess,
            "device_kind": "bess",
            "signals": 2 * cells + 16,
            "rows_accepted": 290_000_000,
            "export_kwh_30d": 15_900.0,
            "packs": plan.packs,
            "cells": cells,
            "soc_percent": 93.0,
            "soh_bms_percent": 98.0,
            "capacity_percent": 98.6,
            "efc": plan.days * 0.9,
            "cells_falling": 1,
            "cells_rising": 0,
            "cells_stable": cells // 2 - 1,
            "cells_no_trend": cells - cells // 2 - 1,
            "cells_insufficient": 1,
            "cells_with_finding": 2,
            "regimes": 1,
            "temperature_max_30d_c": 34.0,
            "alarm_hours_30d": 4.8,
        }
    )
    return pl.DataFrame(rows, infer_schema_length=None)
