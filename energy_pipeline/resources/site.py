"""The Dagster resource of a site: its settings and its lake, as plain objects.

The environment is read here and nowhere else under `assets/`. Next: `resources/lake.py`.
"""

from functools import lru_cache
from zoneinfo import ZoneInfo

from dagster import ConfigurableResource
from pydantic import Field

from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.resources.lake import Lake
from energy_pipeline.settings import Settings, load_settings


def lake_of(settings: Settings) -> Lake:
    """Return the lake of these settings; the same object for the same lake, so that its tables stay open."""
    return _lake(settings.lake, tuple(sorted(settings.storage_options.items())))


@lru_cache(maxsize=8)
def _lake(url: str, options: tuple[tuple[str, str], ...]) -> Lake:
    return Lake(url, dict(options))


class SiteResource(ConfigurableResource):
    """Settings file, data roots and lake; whatever is empty comes from the environment or the default."""

    settings_file: str = Field("", description="settings file; default ENERGY_SETTINGS, else ./energy.toml")
    roots: list[str] = Field([], description="data roots; default METER_ROOTS or the settings file")
    lake_url: str = Field("", description="folder or URL of the lake; default ENERGY_LAKE or the settings file")
    workers: int = Field(0, description="parser threads; default: of the settings file, else all cores")

    def settings(self) -> Settings:
        """Load the settings; `SettingsError` says what is wrong."""
        return load_settings(
            self.settings_file or None, roots=tuple(self.roots) or None, lake=self.lake_url or None,
            workers=self.workers or None,
        )

    def lake(self) -> Lake:
        """Return the lake of these settings."""
        return lake_of(self.settings())

    def context(self, device: str) -> DeviceContext:
        """Return what computations must know of a device."""
        settings = self.settings()
        signals = lake_of(settings).read("signals", device)
        return DeviceContext(
            device, settings.zone_of(device), settings.battery_of(device), settings.meter, signals,
            settings.site_meter_of(device), settings.tariff_of(device), ZoneInfo(settings.zone),
            settings.site_meter_is_shared(device),
        )
