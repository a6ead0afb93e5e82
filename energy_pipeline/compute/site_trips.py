"""Round trips at the meter of a battery's grid connection: everything that is lost behind that meter is in them.

The meter's quarter hours are summed over the battery's local days, so that the clocks of the two need not agree. A
meter that shows less going in, or more coming out, than the battery's own DC terminals measures something else: no
figure then, but a reason. Next: `round_trips.py`, the windows; `site_balance.py`, the same two devices day by day.
"""

import numpy as np
import polars as pl

from energy_pipeline.compute import meter_quarters as mq
from energy_pipeline.compute.battery_series import Float
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.round_trips import numbers, windows
from energy_pipeline.compute.site_balance import QUARTER_H, SiteMeter

TRIPS = {
    "day": pl.Date, "round_trip_site_percent": pl.Float64, "site_window_start": pl.Date, "site_window_efc": pl.Float64,
    "site_disagrees": pl.Boolean,
}


def add_site_meter(ctx: DeviceContext, days: pl.DataFrame, site: SiteMeter | None) -> pl.DataFrame:
    """Add name, energies, round trip of the site meter, and the reason where there is none.

    Args:
        ctx: the battery.
        days: its days, sorted, with their DC energies, SOC at the end and length.
        site: the meter that the settings name, with its quarter hours; None where they name none.
    """
    days = days.join(_site_days(ctx, site), on="day", how="left")
    days = days.join(_site_trips(ctx, days), on="day", how="left")
    reason = (
        pl.when(pl.lit(ctx.site_meter is None)).then(pl.lit("no_site_meter"))
        .when(pl.lit(ctx.site_meter_shared)).then(pl.lit("site_meter_shared"))
        .when(pl.col("site_in_kwh").is_null()).then(pl.lit("no_site_meter_data"))
        .when(pl.col("soc_end").is_null()).then(pl.lit("no_soc"))
        .when(pl.col("site_disagrees").fill_null(value=False)).then(pl.lit("site_meter_disagrees"))
        .when(pl.col("round_trip_site_percent").is_null()).then(pl.lit("no_closed_window"))
    )
    return days.with_columns(pl.lit(ctx.site_meter, pl.String).alias("site_meter"), reason.alias("site_reason"))


def _site_days(ctx: DeviceContext, site: SiteMeter | None) -> pl.DataFrame:
    """Energy through the meter per local day of the battery, and the hours of it that are measured.

    One source per day: energies of registers are telescoping sums, which a change of source within the day would
    break. Registers, unless power covers more of the day.
    """
    if site is None or ctx.site_meter_shared:
        return _NO_DAYS
    day = pl.col("ts").dt.convert_time_zone(ctx.zone.key).dt.date().alias("day")
    days = pl.concat([_register_days(site, day), _power_days(site, day)], how="vertical_relaxed")
    days = days.sort("hours_site", descending=True, maintain_order=True)
    return days.unique("day", keep="first", maintain_order=True)


_NO_DAYS = pl.DataFrame(
    schema={"day": pl.Date} | dict.fromkeys(("site_in_kwh", "site_out_kwh", "hours_site"), pl.Float64)
)


def _register_days(site: SiteMeter, day: pl.Expr) -> pl.DataFrame:
    """Days by registers; measured are the clock hours in which each of them was read, however far apart."""
    names = [n for q in mq.REGISTERS for n in site.ctx.names(q)] or site.ctx.names(mq.NET)
    read = site.quarter.filter(pl.col("signal").is_in(names) & (pl.col("n") > 0))
    hours = read.group_by(pl.col("ts").dt.truncate("1h")).agg(pl.col("signal").n_unique().alias("signals"))
    hours = hours.filter(pl.col("signals") == len(names)).group_by(day).agg(
        pl.len().cast(pl.Float64).alias("hours_site")
    )
    energy = mq.register_energy(site.ctx, site.quarter).drop_nulls(["import_kwh", "export_kwh"]).group_by(day).agg(
        pl.col("import_kwh").sum().alias("site_in_kwh"), pl.col("export_kwh").sum().alias("site_out_kwh")
    )
    return energy.join(hours, on="day").select(_NO_DAYS.columns)


def _power_days(site: SiteMeter, day: pl.Expr) -> pl.DataFrame:
    """Days by power, netted within quarter hours; measured are those that it covers."""
    rows = mq.sum_power(site.quarter, site.ctx.names(mq.POWER[0]))
    kwh = pl.col("mean_kw") * QUARTER_H
    return rows.filter(pl.col("covered_s") >= site.ctx.meter.peak_coverage * mq.QUARTER_S).group_by(day).agg(
        kwh.clip(lower_bound=0.0).sum().alias("site_in_kwh"), (-kwh).clip(lower_bound=0.0).sum().alias("site_out_kwh"),
        (pl.len() * QUARTER_H).alias("hours_site"),
    )


def _site_trips(ctx: DeviceContext, days: pl.DataFrame) -> pl.DataFrame:
    names = ("site_in_kwh", "site_out_kwh", "energy_in_kwh", "energy_out_kwh")
    into, out, dc_in, dc_out = (numbers(days, c) for c in names)
    sums = np.cumsum(np.nan_to_num(np.column_stack([into, out, dc_in, dc_out])), axis=0)
    known = np.cumsum(~(np.isfinite(dc_in) & np.isfinite(dc_out)))
    slack = ctx.meter.balance_limit_percent / 100.0
    rows = []
    for window in windows(days, ctx.battery, into, out, numbers(days, "hours_site")):
        part = sums[window.last] - sums[window.start]
        compared = known[window.last] == known[window.start]
        wrong = part[0] <= 0 or (compared and _disagrees(part, slack))
        rows.append({
            "day": days["day"][window.last],
            "round_trip_site_percent": None if wrong else 100.0 * float(part[1]) / float(part[0]),
            "site_window_start": None if wrong else days["day"][window.start + 1],
            "site_window_efc": None if wrong else window.cycles, "site_disagrees": bool(wrong),
        })
    return pl.DataFrame(rows, schema=TRIPS)


def _disagrees(part: Float, slack: float) -> bool:
    """True where the meter saw less go in, or more come out, than the DC terminals behind it."""
    site_in, site_out, dc_in, dc_out = part
    return bool(site_in < dc_in * (1.0 - slack) or site_out > dc_out * (1.0 + slack))
