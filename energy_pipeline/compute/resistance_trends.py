"""`resistance_trends`: how the resistance proxy of each signal moves within one SOC bin, adjusted for its conditions.

The proxy falls with temperature and grows with the delay of the voltage reading, so both stand beside time in the
model, with SOC within the bin; what hardly varied is left out and named by its absence. Weekly medians; the interval
is that of `gls.py` (noise estimated, pooled over the cells of a bin). It stays a proxy: ohmic resistance and fast
polarisation together, and near the ends of the curve the run of the voltage itself.
Next: `verdicts.py` for what slope and interval mean.
"""

from typing import Any

import numpy as np
import polars as pl

from energy_pipeline.compute import student_t
from energy_pipeline.compute.battery_series import Float
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.fit_levels import DAYS_PER_YEAR
from energy_pipeline.compute.gls import Problem, average, fit_grid, grid_weights
from energy_pipeline.compute.verdicts import FALLING, INSUFFICIENT, RISING, decide, p_beyond
from energy_pipeline.schemas.battery_energy import RESISTANCE_TRENDS
from energy_pipeline.settings import BatterySettings

CONDITIONS = (("temperature", "temperature_c", "per_kelvin_percent"), ("delay", "delay_s", "per_second_percent"),
              ("soc", "soc", "per_soc_percent"))
SMALLEST = 1e-4
Row = dict[str, Any]


def build_resistance_trends(ctx: DeviceContext, resistance: pl.DataFrame) -> pl.DataFrame:
    """Build one row per signal and SOC bin that has weekly medians, with a slope [%/year of its median] or a reason.

    Valid from `resistance_min_weeks` weeks over `slope_min_span_days` on; a verdict needs `resistance_verdict_weeks`
    over `verdict_min_span_days`. Series of one bin and kind (cells, system) are judged together.
    """
    rows: list[Row] = []
    kind = pl.col("cell").is_not_null().alias("is_cell")
    for (_, _), part in resistance.with_columns(kind).sort("soc_bin", "signal", "week_start").group_by(
        "soc_bin", "is_cell", maintain_order=True
    ):
        rows += _family(part, ctx.battery)
    if not rows:
        return RESISTANCE_TRENDS.empty()
    schema = {k: v for k, v in RESISTANCE_TRENDS.polars_schema.items() if k != "device"}
    frame = pl.DataFrame(rows, schema=schema).with_columns(
        pl.lit(ctx.device).alias("device"), pl.col(pl.Float64).fill_nan(None)
    )
    return RESISTANCE_TRENDS.conform(frame.sort("soc_bin", "pack", "cell", "signal"))


def _family(part: pl.DataFrame, battery: BatterySettings) -> list[Row]:
    """Return the rows of one bin and kind of signal."""
    start = part["week_start"].min()
    weeks = part["week_start"].unique().sort()
    t = (weeks - start).dt.total_days().to_numpy().astype(np.float64)
    rows, problems, fitted = [], [], []
    for _, one in part.group_by("signal", maintain_order=True):
        row, y = _start(one, battery)
        rows.append(row)
        if row["reason"] not in {"not_positive", "few_weeks", "short_span"}:
            at = np.searchsorted(weeks.to_numpy(), one["week_start"].to_numpy())
            years = t[at] / DAYS_PER_YEAR
            x, names = _regressors(one, years, battery)
            row["adjusted_for"] = ", ".join(n for n, _, _ in names)
            row["raw_percent_per_year"] = float(np.polyfit(years, y, 1)[0])
            problems.append(Problem(at, y, x))
            fitted.append((row, names))
    if not problems:
        return rows
    fits = fit_grid(t, problems, _floor(part, battery))
    weights = grid_weights(fits, pooled=bool(part["is_cell"][0]))
    for (row, names), fit, weight in zip(fitted, fits, weights, strict=True):
        e = average(fit, weight)
        slope, se = float(e.beta[-1]), float(np.sqrt(e.cov[-1, -1]))
        half = float(student_t.quantile(0.975, e.df)) * se
        row.update(slope_percent_per_year=slope, slope_low=slope - half, slope_high=slope + half, slope_se=se,
                   slope_df=e.df)
        row.update({column: float(e.beta[1 + k]) for k, (_, _, column) in enumerate(names)})
    ready = [row for row, _ in fitted if row["reason"] is None]
    _judge(ready, battery)
    _withhold_what_all_share(ready, battery, of_cells=bool(part["is_cell"][0]))
    return rows


def _start(one: pl.DataFrame, battery: BatterySettings) -> tuple[Row, Float]:
    """Return the row without a slope, and the weekly medians as difference from their own median [%]."""
    r = one["r_0_90s_mohm"].to_numpy()
    level = float(np.median(r))
    span = (one["week_start"].max() - one["week_start"].min()).days + 7  # type: ignore[operator]
    reason = None
    if level <= 0:
        reason = "not_positive"
    elif len(one) < battery.resistance_min_weeks:
        reason = "few_weeks"
    elif span < battery.slope_min_span_days:
        reason = "short_span"
    elif len(one) < battery.resistance_verdict_weeks or span < battery.verdict_min_span_days:
        reason = "preliminary"
    row: Row = {
        "signal": one["signal"][0], "pack": one["pack"][0], "cell": one["cell"][0], "soc_bin": one["soc_bin"][0],
        "weeks": len(one), "span_days": span, "level_mohm": level, "verdict": INSUFFICIENT, "reason": reason,
    }
    return row, 100.0 * (r / max(level, 1e-12) - 1.0)


def _regressors(
    one: pl.DataFrame, years: Float, battery: BatterySettings
) -> tuple[Float, list[tuple[str, str, str]]]:
    """Return level, the conditions that varied (centred) and time (centred, last), and which conditions these are."""
    columns, names = [np.ones(len(years))], []
    for (name, column, target), least in zip(CONDITIONS, battery.resistance_min_spread, strict=True):
        if one[column].null_count():
            continue
        v = one[column].to_numpy().astype(np.float64)
        if np.quantile(v, 0.9) - np.quantile(v, 0.1) >= least:
            columns.append(v - v.mean())
            names.append((name, column, target))
    columns.append(years - years.mean())
    return np.column_stack(columns), names


def _floor(part: pl.DataFrame, battery: BatterySettings) -> float:
    """Return the smallest variance of a weekly median that the step of the cell voltages allows [%²]."""
    if not part["is_cell"][0]:
        return SMALLEST
    known = part.filter((pl.col("delta_i_a") > 0) & (pl.col("r_0_90s_mohm") > 0))
    if known.is_empty():
        return SMALLEST
    mohm = battery.voltage_quantum_mv / (np.sqrt(12.0) * known["delta_i_a"].to_numpy())
    relative = 100.0 * mohm / (known["r_0_90s_mohm"].to_numpy() * np.sqrt(known["steps"].to_numpy()))
    return max(float(np.median(relative**2)), SMALLEST)


def _judge(ready: list[Row], battery: BatterySettings) -> None:
    if not ready:
        return
    slope, se, df = (np.array([r[c] for r in ready]) for c in ("slope_percent_per_year", "slope_se", "slope_df"))
    delta = battery.delta_resistance_percent_per_year
    p = p_beyond(slope, se, df, delta)
    for row, word, one_p in zip(
        ready, decide(slope, se, df, p, delta, battery.false_discovery_rate, ()), p, strict=True
    ):
        row.update(verdict=word, p_value=float(one_p))


def _withhold_what_all_share(ready: list[Row], battery: BatterySettings, *, of_cells: bool) -> None:
    """Take verdicts back that tell of conditions: of cells that move together, and of a system whose resistance falls.

    A cell that ages moves alone. Where many of one bin move one way, SOC, temperature or rest before the steps differ
    from what the model holds, or the whole system ages, which its own row says; and no ageing makes a system's
    resistance fall.
    """
    for word in (RISING, FALLING):
        alike = [row for row in ready if row["verdict"] == word]
        common = len(alike) > battery.resistance_common_share * len(ready) and len(alike) > 1
        if common if of_cells else word == FALLING:
            for row in alike:
                row.update(verdict=INSUFFICIENT, reason="common_change" if of_cells else "system_falls")
