"""What a computation must know about a device besides its readings.

A plain value, filled by the assets from settings and the `signals` table, so that every function under `compute/`
stays a function of its arguments. Next: any module that builds a table, e.g. `charge_cycles.py`.
"""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import polars as pl

from energy_pipeline.settings import BatterySettings, MeterSettings, Tariff


@dataclass(frozen=True)
class DeviceContext:
    """A device, the zone of its local calendar, its thresholds, and its rows of the `signals` table.

    `site_meter` names the meter at a battery's grid connection, `tariff` what the device's energy costs, `place` is the
    zone of the place where the devices stand (a recorder's clock may run in another one). `site_meter_shared` is true
    where the settings name the same meter for another battery too.
    """

    device: str
    zone: ZoneInfo
    battery: BatterySettings
    meter: MeterSettings
    signals: pl.DataFrame
    site_meter: str | None = None
    tariff: Tariff | None = None
    place: ZoneInfo | None = None
    site_meter_shared: bool = False

    def names(self, quantity: str) -> list[str]:
        """Return the names of the device's signals that measure `quantity`, sorted."""
        return self.signals.filter(pl.col("quantity") == quantity)["signal"].sort().to_list()

    def name(self, quantity: str) -> str | None:
        """Return the first signal that measures `quantity`, or None."""
        return next(iter(self.names(quantity)), None)
