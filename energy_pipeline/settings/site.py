"""The settings of a site as a whole, what a device overrides, and the digests that say when tables are due again.

Next: `load.py`, which fills it; `work.py`, which compares the digests.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from energy_pipeline.settings.base import Model, Name, Zone
from energy_pipeline.settings.battery import BatterySettings
from energy_pipeline.settings.meters import MeterSettings, Tariff
from energy_pipeline.settings.sources import SignalRule, Source

# Raised whenever a computation changes what it writes: every month of every device is then due again. A change of a
# table's columns needs no number: `_schema_digest` sees it.
COMPUTE_VERSION = 4


METER_KEYS = {  # of a device that name a meter, and what is missing while no device has that name
    "site_meter": "without it the battery has no figures at the site meter",
    "main_meter": "until then sums over devices count this one's energy beside all others",
}


class Device(Model):
    """What is set for one device."""

    name: Name
    zone: Zone | None = Field(None, description="zone of its clock and of its local days; default: `zone`")
    battery: BatterySettings | None = None
    site_meter: Name | None = Field(
        None, description="meter that measures this battery's grid connection, and nothing else"
    )
    main_meter: Name | None = Field(
        None, description="meter upstream, which counts this device's energy too: sums over devices leave this one out"
    )

    @model_validator(mode="after")
    def _another(self) -> "Device":
        for key in METER_KEYS:
            if getattr(self, key) == self.name:
                msg = f"{key} = {self.name!r} is the device itself; allowed: the meter in front of it, or none"
                raise ValueError(msg)
        return self


class OperationSettings(Model):
    """How the site is watched; nothing here shapes a table."""

    webhook: str = Field(
        "", pattern=r"^(https?://\S+)?$",
        description="address that gets one POST per alert; the environment variable ENERGY_ALERT_WEBHOOK wins, and is "
        "the place for an address that holds a secret; empty: alerts are only logged and kept in `alerts`",
    )
    webhook_timeout_s: float = Field(5.0, gt=0, le=60, description="longest wait for one answer [s]")
    webhook_attempts: int = Field(3, ge=1, le=10, description="attempts per alert and run, with growing pauses")
    fresh_warn_h: float = Field(
        48.0, gt=0, description="`readings` without a load, devices without a reading for so long are shown as late [h]"
    )
    fresh_fail_h: float = Field(96.0, gt=0, description="and as overdue [h]")
    archive_days: float = Field(
        30.0, gt=0, description="a lake whose newest reading is older is an archive, not one gone silent [days]"
    )
    coverage_good: float = Field(0.9, gt=0, le=1, description="share of the time with data that is shown as good [1]")
    coverage_poor: float = Field(0.5, ge=0, le=1, description="and below which it is shown as poor [1]")
    reports: str = Field(
        "reports", description="folder for the weekly reports, from the settings file's folder; empty: none are written"
    )
    report_language: Literal["de", "en"] = Field("de", description="language of the weekly reports")
    sensor_interval_s: int = Field(30, ge=1, description="shortest time between two looks at the folders [s]")
    retry_pause_s: float = Field(
        60.0, ge=0, description="pause before failed work is tried again; every further one is five times longer [s]"
    )

    @model_validator(mode="after")
    def _in_order(self) -> "OperationSettings":
        if self.fresh_warn_h >= self.fresh_fail_h:
            msg = f"fresh_warn_h = {self.fresh_warn_h} must be smaller than fresh_fail_h = {self.fresh_fail_h}"
            raise ValueError(msg)
        return self


class EventRule(Model):
    """A person's decision on one counter event."""

    device: Name
    signal: str
    ts: str = Field(description="UTC time of the event as shown in counter_events, ISO 8601")
    decision: Literal["accepted", "ignored"] = Field(
        description="accepted: book the full step (a dip or spike counts as it stands); ignored: book nothing"
    )

    @field_validator("ts")
    @classmethod
    def _is_time(cls, value: str) -> str:
        _utc(value)
        return value


class Settings(Model):
    """All settings of a site."""

    roots: tuple[str, ...] = Field((), description="folders that hold one folder per device, or device folders")
    lake: str = Field("lake", description="folder or URL of the lake")
    zone: Zone = Field("Europe/Berlin", description="default zone of clocks and local days")
    first_month: str = Field("2018-01", pattern=r"^\d{4}-(0[1-9]|1[0-2])$", description="earlier rows are refused")
    max_hold_s: float = Field(900.0, gt=0, description="longest time a reading is held [s]")
    workers: int | None = Field(None, ge=1, description="parser threads; default: all cores")
    levels: tuple[str, ...] = Field(("5min", "15min", "1h", "1d"), description="resolution tables")
    battery: BatterySettings = BatterySettings()
    meter: MeterSettings = MeterSettings()
    tariff: Tariff | None = Field(None, description="block `[tariff]`; without it there are no costs")
    operation: OperationSettings = OperationSettings()
    device: tuple[Device, ...] = ()
    source: tuple[Source, ...] = ()
    signal: tuple[SignalRule, ...] = ()
    event: tuple[EventRule, ...] = ()
    storage_options: Mapping[str, str] = Field(default_factory=dict, description="options of an object store")

    @field_validator("first_month")
    @classmethod
    def _since_epoch(cls, value: str) -> str:
        if value < "1970-01":
            msg = f"{value!r} is too early; allowed are months from 1970-01 on, as times count from there"
            raise ValueError(msg)
        return value

    @field_validator("device")
    @classmethod
    def _in_a_tree(cls, value: tuple[Device, ...]) -> tuple[Device, ...]:
        main = {d.name: d.main_meter for d in value if d.main_meter is not None}
        for name in main:
            way = _upstream(name, main)
            if name in way:
                msg = f"main_meter: {' behind '.join([name, *way])}; allowed: a meter that is not behind the device"
                raise ValueError(msg)
        return value

    @field_validator("levels")
    @classmethod
    def _levels(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if tuple(value) != ("5min", "15min", "1h", "1d"):
            msg = "only 5min, 15min, 1h, 1d are supported, in this order"
            raise ValueError(msg)
        return value

    def zone_of(self, device: str) -> ZoneInfo:
        """Return the zone of a device's clock and local days."""
        return ZoneInfo(next((d.zone for d in self.device if d.name == device and d.zone), self.zone))

    def battery_of(self, device: str) -> BatterySettings:
        """Return the battery settings of a device."""
        return next((d.battery for d in self.device if d.name == device and d.battery), self.battery)

    def site_meter_of(self, device: str) -> str | None:
        """Return the meter at the grid connection of a battery system, where it is set."""
        return next((d.site_meter for d in self.device if d.name == device), None)

    def main_meter_of(self, device: str) -> str | None:
        """Return the meter upstream that counts a device's energy too, where it is set."""
        return next((d.main_meter for d in self.device if d.name == device), None)

    def site_meter_is_shared(self, device: str) -> bool:
        """True where the settings name a battery's site meter for another battery too."""
        meter = self.site_meter_of(device)
        return meter is not None and sum(d.site_meter == meter for d in self.device) > 1

    def unknown_meters(self, devices: Iterable[str]) -> list[str]:
        """Return a sentence per `site_meter` or `main_meter` that names none of the devices with files or tables."""
        known = sorted(devices)
        return [
            f'device "{d.name}", {key}: found "{meter}"; no device has this name; allowed: '
            f"{', '.join(n for n in known if n != d.name) or 'none yet, since no other device has files'}; {effect}"
            for d in self.device if d.name in known
            for key, effect in METER_KEYS.items()
            if (meter := getattr(d, key)) is not None and meter not in known
        ]

    def sub_meters(self, devices: Iterable[str]) -> set[str]:
        """Return those of the devices whose energy another one of them, somewhere upstream, counts too."""
        among, main = set(devices), {d.name: d.main_meter for d in self.device if d.main_meter is not None}
        return {name for name in among if any(m in among for m in _upstream(name, main))}

    def unknown_devices(self, devices: Iterable[str]) -> list[str]:
        """Return a sentence per `[[device]]` and `[[event]]` that names none of the devices with files or tables."""
        known = sorted(devices)
        allowed = ", ".join(known) or "none yet, since no device has files"
        names = [("[[device]]", d.name, "until then the device that is meant has the zone and thresholds of the site")
                 for d in self.device]
        names += [("[[event]]", e.device, "the decision is not used") for e in self.event]
        return [
            f'{block}: found "{name}"; no device has this name; allowed: {allowed}'
            + (f'; did you mean "{near[0]}"?' if (near := get_close_matches(name, known, 1)) else "") + f"; {effect}"
            for block, name, effect in dict.fromkeys(names) if name not in known
        ]

    def tariff_of(self, device: str) -> Tariff | None:
        """Return the tariff by which a device is billed; None where there is none."""
        if self.tariff is None or (self.tariff.meters and device not in self.tariff.meters):
            return None
        return self.tariff

    def decisions_of(self, device: str, signal: str) -> dict[int, str]:
        """Return a person's decisions on counter events of a signal, by time [µs, UTC]."""
        return {
            (_utc(e.ts) - _EPOCH) // timedelta(microseconds=1): e.decision
            for e in self.event
            if e.device == device and e.signal == signal
        }

    def decisions_digest(self, device: str) -> str:
        """Digest of the decisions on a device's counter events; a change judges its registers again."""
        return _digest(
            [e.model_dump(mode="json") for e in self.event if e.device == device], self.meter.p_max_kw,
        )

    def reading_digest(self, device: str) -> str:
        """Digest of everything that shapes a device's `readings`; a change reads the device again."""
        return _digest(
            self.zone_of(device).key, self.first_month, self.max_hold_s,
            [s.model_dump(mode="json") for s in self.source], [s.model_dump(mode="json") for s in self.signal],
        )

    def derived_digest(self, device: str) -> str:
        """Digest of everything that shapes a device's derived tables; a change makes all its months due."""
        tariff = self.tariff_of(device)
        return _digest(
            self.zone_of(device).key, self.battery_of(device).model_dump(mode="json"),
            self.meter.model_dump(mode="json"), self.reading_digest(device), COMPUTE_VERSION, _schema_digest(),
            self.site_meter_of(device), self.site_meter_is_shared(device),
            None if tariff is None else tariff.model_dump(mode="json"), self.zone,
        )


def _upstream(device: str, main: Mapping[str, str]) -> list[str]:
    """Return the meters upstream of a device, the nearest first; ends where a name comes again."""
    way: list[str] = []
    while (device := main.get(device, "")) and device not in way:
        way.append(device)
    return way


@cache
def _schema_digest() -> str:
    """Digest of all tables' columns and types: a table that gains a column is computed again."""
    from energy_pipeline.schemas import TABLES  # settings are read before pandera is needed

    return _digest([(t.name, [(c.name, str(c.dtype)) for c in t.columns]) for t in TABLES.values()])


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _digest(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=5).hexdigest()
