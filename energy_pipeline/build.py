"""Assembly: everything that Dagster loads, collected and nothing else.

Tests and the command line call `build_definitions` with their own site; `definitions.py` calls it with the one that
the environment describes. Next: `assets/`, `checks/`, `jobs.py`, `sensors.py`.
"""

import warnings

from dagster import Definitions, in_process_executor
from dagster_shared.utils.warnings import BetaWarning

from energy_pipeline.assets.battery import build_battery_devices, build_battery_months
from energy_pipeline.assets.fleet import build_fleet
from energy_pipeline.assets.ingest import build_ingest
from energy_pipeline.assets.meters import build_meters
from energy_pipeline.assets.resolution import build_resolution
from energy_pipeline.checks import build_checks
from energy_pipeline.jobs import build_jobs
from energy_pipeline.partitions import build_partitions
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.schedules import build_schedules
from energy_pipeline.sensors import build_sensors


def build_definitions(site: SiteResource | None = None) -> Definitions:
    """Return all definitions of a site (default: the one that the environment describes)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BetaWarning)  # backfill policies: one run per range is what we want of them
        return _collect(site or SiteResource())


def _collect(site: SiteResource) -> Definitions:
    settings = site.settings()
    parts = build_partitions(settings.first_month, settings.zone)
    groups = {
        "ingest": build_ingest(parts, settings.operation),
        "months": [*build_resolution(parts), *build_meters(parts)],
        "charges": build_battery_months(parts),
        "device": build_battery_devices(parts),
        "fleet": build_fleet(settings.operation),
    }
    jobs = build_jobs(groups)
    return Definitions(
        assets=[asset for assets in groups.values() for asset in assets],
        asset_checks=build_checks(),
        jobs=jobs,
        sensors=build_sensors(jobs, settings.operation.sensor_interval_s),
        schedules=build_schedules(),
        resources={"site": site},
        executor=in_process_executor,
    )
