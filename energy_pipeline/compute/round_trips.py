"""Windows of whole local days over which a round trip closes: at equal SOC, without a gap, with enough full cycles.

Shared by all AC boundaries; the boundary's energies and its coverage are arguments. Nothing here knows where they were
measured. Next: `battery_energy.py` (inverter), `site_trips.py` (site meter).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from energy_pipeline.compute.battery_series import Bool, Float, Int
from energy_pipeline.settings import BatterySettings


@dataclass(frozen=True)
class Window:
    """Days after row `start` up to row `last`, and the full cycles in them."""

    start: int
    last: int
    cycles: float


def windows(
    days: pl.DataFrame, battery: BatterySettings, into: Float, out: Float, hours: Float
) -> Iterator[Window]:
    """Yield per day the shortest window that ends with it, where there is one.

    A window runs from the end of one local day to the end of a later one at equal SOC (within `round_trip_soc`), holds
    at least `round_trip_efc` full cycles, has no day missing, and the boundary covers each of its days to
    `round_trip_coverage`.

    Args:
        days: rows per local day, sorted: day, soc_end, hours_day, charges and DC energies.
        battery: thresholds.
        into: energy put in at the boundary per day [kWh], NaN where not measured.
        out: energy taken out [kWh].
        hours: time of the day that the boundary covers [h].
    """
    soc, number = numbers(days, "soc_end"), days["day"].cast(pl.Int32).to_numpy()
    good = np.isfinite(into) & np.isfinite(out) & (hours >= battery.round_trip_coverage * numbers(days, "hours_day"))
    cycle = np.cumsum(np.nan_to_num(_cycles(days, into, out, battery)))
    run = _runs(number, good)
    for k in range(1, len(days)):
        start = _start(soc, cycle, int(run[k]), k, battery)
        if start is not None:
            yield Window(start, k, float(cycle[k] - cycle[start]))


def numbers(days: pl.DataFrame, name: str) -> Float:
    """Return a column as floats, NaN for null."""
    return days[name].cast(pl.Float64).fill_null(np.nan).to_numpy()


def _cycles(days: pl.DataFrame, into: Float, out: Float, battery: BatterySettings) -> Float:
    """Return the full cycles of each day: by charge, else by DC energy, else by AC energy against the nameplate."""
    charge = (numbers(days, "charge_in_ah") + numbers(days, "charge_out_ah")) / (2.0 * battery.nameplate_ah)
    direct = numbers(days, "energy_in_kwh") + numbers(days, "energy_out_kwh")
    energy = np.where(np.isfinite(direct), direct, into + out) / (2.0 * battery.nameplate_kwh)
    return np.where(np.isfinite(charge), charge, energy)


def _runs(number: Int, good: Bool) -> Int:
    """Return the first day index of the run of neighbouring, covered days that each day belongs to.

    The start day of a window only lends its last moment: it need not be covered itself, but must be the day before.
    """
    start = np.zeros(len(number), dtype=np.int64)
    for k in range(1, len(number)):
        joined = good[k] and number[k] - number[k - 1] == 1
        start[k] = start[k - 1] if joined else k
    return start


def _start(soc: Float, cycle: Float, first: int, k: int, battery: BatterySettings) -> int | None:
    if first >= k or not np.isfinite(soc[k]):
        return None
    closes = np.abs(soc[first:k] - soc[k]) <= battery.round_trip_soc
    found = np.flatnonzero(closes & (cycle[k] - cycle[first:k] >= battery.round_trip_efc))
    return first + int(found[-1]) if len(found) else None
