"""The sign of charging at every instant of a month, from the nearest segment: a file's sign may change within it.

A segment alone against both neighbours is taken for an error of its SOC, not for two changes of the sign. The settings
overrule (`battery.current_sign`). Next: `battery_days.py` and `resistance.py`, which turn the current with it.
"""

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import Float, Int
from energy_pipeline.compute.context import DeviceContext

MIXED = 0.8
QUIET = 0.05


def charge_signs(ctx: DeviceContext, charge_cycles: pl.DataFrame, ts: Int) -> Int:
    """Return +1 where charging is positive in the file, -1 where negative, 0 where no segment can tell.

    `charge_cycles` are the month's segments, `ts` instants [µs UTC]. Between two segments that differ nobody knows when
    the sign changed: what flows there has none.
    """
    if ctx.battery.current_sign is not None:
        return np.full(len(ts), ctx.battery.current_sign, dtype=np.int64)
    rows = charge_cycles.filter((pl.col("method") == "soc") & pl.col("file_sign").is_not_null()).sort("start_ts")
    if rows.is_empty():
        return np.zeros(len(ts), dtype=np.int64)
    turned = rows["sign_contradiction"].fill_null(value=False).to_numpy()
    own = np.where(turned, -1, 1) * rows["file_sign"].cast(pl.Int64).to_numpy()
    sign = _without_single(own)
    start, end = (rows[c].dt.timestamp("us").to_numpy() for c in ("start_ts", "end_ts"))
    after = np.minimum(np.searchsorted(start, ts, side="right"), len(sign) - 1)  # first segment that starts later
    before = np.maximum(np.searchsorted(start, ts, side="right") - 1, 0)
    same = (ts < end[before]) | (sign[before] == sign[after])
    return np.asarray(np.where(same, sign[before], 0), dtype=np.int64)


def _without_single(sign: Int) -> Int:
    """Return signs in which none stands alone between two others: the majority of each and its two neighbours."""
    if len(sign) < 3:
        return sign
    out = sign.copy()
    out[1:-1] = np.sign(sign[:-2] + sign[1:-1] + sign[2:])
    return out


def daily_signs(product: Float, size: Float) -> Int:
    """Return the sign per day of two powers that should go together, from ∫ P·I and ∫ |P·I|; 0 where a day is mixed.

    A day on which little flowed takes the sign of the nearest day on which enough did.
    """
    out = np.zeros(len(product), dtype=np.int64)
    strong = size > QUIET * max(float(size.max(initial=0.0)), 1e-9)
    known = np.flatnonzero(strong)
    if not len(known):
        return out
    share = product[known] / size[known]
    own = np.where(np.abs(share) >= MIXED, np.sign(share), 0).astype(np.int64)
    day = np.arange(len(product))
    nearest = np.abs(day[:, None] - known[None, :]).argmin(axis=1)
    return np.asarray(own[nearest], dtype=np.int64)
