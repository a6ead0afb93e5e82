"""Temperature of each cell: from its own sensor, else the mean of its pack, else the mean of the system.

Next: `sat_voltage.py` and `cell_months.py`, which use it.
"""

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import Float, Int, over_signals
from energy_pipeline.compute.charge_cycles import hold_us
from energy_pipeline.compute.context import DeviceContext


def temperatures_at(ctx: DeviceContext, readings: pl.LazyFrame, at: Int) -> pl.DataFrame:
    """Return `temperature_end_c` [°C] per cell signal and index of the instant (`charge`).

    A cell without a sensor of its own gets the mean of its pack, without one there the mean of all, else null.
    """
    places = ctx.signals.select("signal", "pack", "cell", "quantity").sort("signal")
    cells = places.filter(pl.col("quantity") == "cell_voltage").drop("quantity")
    sensors = places.filter(pl.col("quantity") == "cell_temperature").drop("quantity")
    frame = cells.join(pl.DataFrame({"charge": np.arange(len(at))}), how="cross")
    names = sensors["signal"].to_list()
    if not names:
        extreme = [n for n in ctx.names("cell_temperature_extreme") if "ave" in n][:1]
        heat = over_signals(readings, extreme, lambda s: s.held(at, hold_us(ctx, extreme[0])), len(at))
        return _with_system_mean(frame, heat, len(at))
    hold = hold_us(ctx, names[0])
    heat = over_signals(readings, names, lambda s: s.held(at, hold), len(at))
    long = sensors.drop("signal").join(pl.DataFrame({"charge": np.arange(len(at))}), how="cross").with_columns(
        pl.Series("own", heat.ravel()).fill_nan(None)
    )
    single = long.group_by("pack", "cell", "charge").agg(pl.col("own").mean())
    pack = long.group_by("pack", "charge").agg(pl.col("own").mean().alias("of_pack"))
    every = long.group_by("charge").agg(pl.col("own").mean().alias("of_all"))
    return (
        frame.join(single, on=["pack", "cell", "charge"], how="left")
        .join(pack, on=["pack", "charge"], how="left")
        .join(every, on="charge", how="left")
        .select("signal", "charge", pl.coalesce("own", "of_pack", "of_all").alias("temperature_end_c"))
    )


def _with_system_mean(frame: pl.DataFrame, heat: Float, n: int) -> pl.DataFrame:
    value = heat[0] if len(heat) else np.full(n, np.nan)
    one = pl.DataFrame({"charge": np.arange(n), "temperature_end_c": value}).with_columns(
        pl.col("temperature_end_c").fill_nan(None)
    )
    return frame.join(one, on="charge", how="left").select("signal", "charge", "temperature_end_c")
