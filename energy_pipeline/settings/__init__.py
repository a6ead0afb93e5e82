"""Settings of a site: one frozen object, read by one function, shared by Dagster, the command line and the viewer.

What is here: the models with their bounds, units and defaults, and how a file and the environment fill them.
What is not: any computation. Next: `site.py`; `signals.py` for the dictionary of signals, `docs/settings.md` for the
same in words.
"""

from energy_pipeline.settings.base import NAME, SettingsError, is_zone
from energy_pipeline.settings.battery import BatterySettings
from energy_pipeline.settings.load import load_settings
from energy_pipeline.settings.meters import MeterSettings, Tariff, TariffWindow
from energy_pipeline.settings.site import COMPUTE_VERSION, Device, EventRule, OperationSettings, Settings
from energy_pipeline.settings.sources import ColumnRule, SignalRule, Source

__all__ = [
    "COMPUTE_VERSION", "NAME", "BatterySettings", "ColumnRule", "Device", "EventRule", "MeterSettings",
    "OperationSettings", "Settings", "SettingsError", "SignalRule", "Source", "Tariff", "TariffWindow", "is_zone",
    "load_settings",
]
