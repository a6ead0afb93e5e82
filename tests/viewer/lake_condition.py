"""Tables of energy, alarms, cycles, spread, resistance and evidence of the test lake; values from formulas."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from tests.viewer.lake_factory import Plan

DAY_BELOW = 20
ALARM_H = 6.0


def tables(plan: "Plan") -> dict[str, pl.DataFrame]:
    """All tables of this module."""
    return {
        "battery_energy": _energy(plan),
        "auxiliary_fit": _auxiliary_fit(plan),
        "alarm_events": _alarms(plan),
        "rainflow": _rainflow(plan),
        "cell_ends": _ends(plan),
        "resistance": _resistance(plan),
        "resistance_trends": _resistance_trends(plan),
        "device_evidence": _evidence(plan),
    }


def _places(plan: "Plan") -> list[tuple[int, int]]:
    return [(p, c) for p in range(1, plan.packs + 1) for c in range(1, plan.cells + 1)]


def _held(plan: "Plan") -> list[tuple[int, object]]:
    return [(i, day) for i, day in enumerate(plan.dates) if not plan.missing(day)]


def _energy(plan: "Plan") -> pl.DataFrame:
    rows = []
    for i, day in _held(plan):
        outside = 12 + 10 * float(np.sin(i / 20))
        auxiliary = 14 + 0.9 * max(outside - 15, 0) + 0.4 * max(15 - outside, 0)
        rows.append(
            {
                "device": plan.bess, "day": day, "dc_in_kwh": 214.0, "dc_out_kwh": 206.0, "ac_in_kwh": 221.0,
                "ac_out_kwh": 198.0, "auxiliary_kwh": auxiliary, "auxiliary_source": "register",
                "auxiliary_share_percent": 100 * auxiliary / 221.0,
                "outside_mean_c": outside,
                "round_trip_ac_percent": 89.6, "round_trip_ac_aux_percent": 83.9, "window_start": day,
                "window_efc": 7.4, "site_meter": "m2", "site_in_kwh": 224.0, "site_out_kwh": 196.0,
                "round_trip_site_percent": 87.5, "site_window_start": day, "site_window_efc": 7.4,
                "data_share": 1.0, "availability": 1 - ALARM_H / 24 if i == DAY_BELOW else 1.0,
            }
        )  # fmt: skip
    return pl.DataFrame(rows)


def _auxiliary_fit(plan: "Plan") -> pl.DataFrame:
    units = {"base": "kWh/day", "warm": "kWh/day/K", "cold": "kWh/day/K", "throughput": "kWh/kWh"}
    values = {"base": 14.0, "warm": 0.9, "cold": 0.4, "throughput": None}
    return pl.DataFrame(
        [
            {
                "device": plan.bess, "factor": f, "unit": u, "coefficient": v,
                "coefficient_low": None if v is None else 0.9 * v, "coefficient_high": None if v is None else 1.1 * v,
                "n_days": plan.days, "r2": 0.93, "reason": "does_not_vary" if v is None else None,
            }
            for (f, u), v in zip(units.items(), values.values(), strict=True)
        ]
    )  # fmt: skip


def _alarms(plan: "Plan") -> pl.DataFrame:
    day = plan.dates[-2]
    start = datetime(day.year, day.month, day.day, 8, 0, 5, tzinfo=UTC)
    end = start + timedelta(hours=ALARM_H)
    return pl.DataFrame(
        [
            {
                "device": plan.bess, "day": day, "signal": "fa1_smokeflag", "quantity": "alarm_flag", "value": 1.0,
                "start_ts": start, "end_ts": end, "duration_s": ALARM_H * 3600, "readings": 40, "ended_by": "cleared",
                "ongoing": False,
            }
        ]
    )  # fmt: skip


def _rainflow(plan: "Plan") -> pl.DataFrame:
    classes = ((80.0, 40.0, 0.9 * plan.days), (10.0, 20.0, 14.5))
    return pl.DataFrame(
        [
            {
                "device": plan.bess, "depth_low": depth, "depth_high": depth + 10, "mean_low": mean,
                "mean_high": mean + 20, "cycles": n, "equivalent_full_cycles": n * (depth + 5) / 100,
            }
            for depth, mean, n in classes
        ]
    )  # fmt: skip


def _ends(plan: "Plan") -> pl.DataFrame:
    rows = []
    for i, day in _held(plan)[::3]:
        ts = datetime(day.year, day.month, day.day, 10, tzinfo=UTC)
        for kind, scale in (("charge_end", 1.0), ("discharge_end", 1.6), ("rest", 0.4)):
            rows += [
                {
                    "device": plan.bess, "month": day.isoformat()[:7], "day": day, "ts": ts, "kind": kind,
                    "signal": f"bms1_p{p}_v{c}", "pack": p, "cell": c, "voltage_v": 3.4,
                    "offset_mv": scale * (c - plan.cells / 2) * (1 + 0.1 * ((i + p) % 4)),
                }
                for p, c in _places(plan)
            ]  # fmt: skip
    return pl.DataFrame(rows)


def _resistance(plan: "Plan") -> pl.DataFrame:
    rows = []
    for week in range(0, plan.days, 7):
        rows += [
            {
                "device": plan.bess, "signal": f"bms1_p{p}_v{c}", "pack": p, "cell": c, "soc_bin": "high",
                "week_start": plan.dates[week], "steps": 12, "r_0_90s_mohm": 0.4 + 0.01 * c + 0.0004 * week,
                "delay_s": 30.0,
            }
            for p, c in _places(plan)
        ]  # fmt: skip
    return pl.DataFrame(rows)


def _resistance_trends(plan: "Plan") -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "device": plan.bess, "signal": f"bms1_p{p}_v{c}", "pack": p, "cell": c, "soc_bin": "high",
                "weeks": plan.days // 7, "span_days": plan.days, "level_mohm": 0.4 + 0.01 * c,
                "slope_percent_per_year": 9.0, "slope_low": 6.0, "slope_high": 12.0,
                "verdict": "rising" if c == plan.cells else "no_established_trend",
            }
            for p, c in _places(plan)
        ]
    )  # fmt: skip


def _evidence(plan: "Plan") -> pl.DataFrame:
    base = {"device": plan.bess}
    return pl.DataFrame(
        [
            base | {"topic": "current_sign", "method": "soc", "verdict": "fits", "declared": None, "found": "+1",
                    "estimate": 1.0, "unit": "1", "n": 200, "reason": None},
            base | {"topic": "zone", "method": "outside_temperature", "verdict": "cannot_tell",
                    "declared": "Europe/Berlin", "found": None, "estimate": None, "unit": "h", "n": 0,
                    "reason": "no_outside_temperature"},
        ]
    )  # fmt: skip
