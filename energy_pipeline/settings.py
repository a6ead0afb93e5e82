"""Settings of a site: one frozen object, read by one function, shared by Dagster, the command line and the viewer.

What is here: the models with their bounds, units and defaults, and how a file and the environment fill them.
What is not: any computation. Precedence: option > environment > settings file > default.
Next: `signals.py` for the dictionary of signals, `docs/settings.md` for the same in words.
"""

import hashlib
import os
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

# Raised whenever a computation changes what it writes: every month of every device is then due again. A change of a
# table's columns needs no number: `_schema_digest` sees it.
COMPUTE_VERSION = 2
NAME = r"^[A-Za-z0-9._-]+$"
SETTINGS_FILE = "energy.toml"
ENV_SETTINGS, ENV_ROOTS, ENV_LAKE = "ENERGY_SETTINGS", "METER_ROOTS", "ENERGY_LAKE"
ENV_WEBHOOK = "ENERGY_ALERT_WEBHOOK"


class SettingsError(ValueError):
    """A setting is wrong: the message names the key, what was found, and what is allowed."""


_known_zones = cache(available_timezones)  # reads a whole folder each time


def _zone(name: str) -> str:
    if name not in _known_zones():
        msg = f"{name!r} is not a time zone; use a name of the IANA database, e.g. Europe/Berlin or Etc/GMT-8"
        raise ValueError(msg)
    return name


Zone = Annotated[str, AfterValidator(_zone)]
Name = Annotated[str, Field(pattern=NAME)]
Kind = Literal["gauge", "flag", "counter", "net_counter", "interval"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SignalRule(_Model):
    """One entry of the dictionary of signals: a pattern and what a name that matches it means."""

    pattern: str = Field(description="regular expression matched against the whole signal name, without case")
    quantity: str = Field(description="what is measured")
    unit: str = Field("", description="unit of the stored values")
    kind: Kind = "gauge"
    group: str = Field("other", description="battery, cells, pcs, auxiliary, environment, safety, meter or other")
    range: tuple[float, float] | None = Field(None, description="values outside are refused as out_of_range")
    sentinels: tuple[float, ...] = Field((), description="values that mean `no value`, refused as sentinel")
    max_hold_s: float | None = Field(None, gt=0, description="longest time a reading is held [s]")
    p_max_kw: float | None = Field(None, gt=0, description="largest plausible power of a register [kW]")
    modulus: float | None = Field(None, gt=0, description="register rolls over at this value [kWh]")
    label_de: str = ""
    label_en: str = ""


class ColumnRule(_Model):
    """How one column of a foreign file becomes one signal (or several, where `match` is a pattern)."""

    column: str | None = Field(None, description="exact name of the column (or the key's value in a long file)")
    match: str | None = Field(None, description="pattern for several columns; groups are used in `signal` as {1}")
    signal: str = Field(description="name of the signal in the lake")
    factor: float = Field(1.0, description="stored = file × factor × sign + offset")
    offset: float = 0.0
    sign: Literal[1, -1] = 1
    sentinels: tuple[float, ...] = Field((), description="file values that mean `no value`, before factor and offset")
    range: tuple[float, float] | None = Field(None, description="allowed stored values")
    quantity: str | None = None
    unit: str | None = None
    kind: Kind | None = None
    interval_s: float | None = Field(None, gt=0, description="length of an interval row [s]; default: of the source")

    @model_validator(mode="after")
    def _one_of(self) -> "ColumnRule":
        if (self.column is None) == (self.match is None):
            msg = f"give either `column` or `match` for signal {self.signal!r}"
            raise ValueError(msg)
        return self


class Source(_Model):
    """A kind of file: where it lies and how to read it. Not needed for `ts,<signal>` files."""

    name: Name
    glob: str = Field(description="pattern relative to a data root, e.g. 'plant_a/*.csv'")
    device: Name | None = Field(None, description="device the files belong to; default: their folder's name")
    format: Literal["csv", "parquet"] = "csv"
    separator: str = Field(",", min_length=1, max_length=1)
    decimal: Literal[".", ","] = "."
    encoding: str = "utf-8"
    time_column: str = "ts"
    time_format: str = Field("iso", description="iso, epoch_s, epoch_ms, or a strptime format")
    zone: Zone | None = Field(None, description="zone of naive times; default: the device's zone")
    label: Literal["start", "end"] = Field("start", description="does the time name the start or the end of a row?")
    interval_s: float | None = Field(None, gt=0, description="length of a row [s] of interval energy and of end labels")
    midnight: Literal["as_written", "next_day", "reject", "auto"] = Field(
        "auto",
        description="rows at 00:00 that carry the date of the day they end: move to the next day, refuse, or take as "
        "written; auto refuses them where the order of rows shows the fault",
    )
    key_column: str | None = Field(None, description="long files: column that names the signal")
    value_column: str | None = Field(None, description="long files: column with the value")
    factor_column: str | None = Field(None, description="long files: column with a factor per row")
    columns: tuple[ColumnRule, ...] = Field((), description="columns to read; empty: every column but the time")
    max_hold_s: float | None = Field(None, gt=0, description="longest time a reading of this source is held [s]")

    @model_validator(mode="after")
    def _consistent(self) -> "Source":
        if (self.key_column is None) != (self.value_column is None):
            msg = f"source {self.name!r}: a long file needs both `key_column` and `value_column`"
            raise ValueError(msg)
        if self.label == "end" and self.interval_s is None:
            msg = f"source {self.name!r}: label = 'end' needs `interval_s`, the length of a row in seconds"
            raise ValueError(msg)
        return self


class BatterySettings(_Model):
    """Thresholds of the battery science; METRICS in `docs/metrics.md` explain each."""

    chemistry: Literal["LFP", "NMC"] = "LFP"
    nameplate_ah: float = Field(280.0, gt=0, description="assumed capacity of a cell string [Ah]; shown as assumed")
    nameplate_kwh: float = Field(233.0, gt=0, description="assumed energy [kWh]; shown as assumed")
    full_median_cell_v: float | None = Field(None, gt=0, description="median cell of a qualified charge [V]; LFP 3.38")
    empty_cell_v: float | None = Field(None, gt=0, description="lowest cell of an empty end [V]; LFP 3.00")
    sat_window_v: tuple[float, float] | None = Field(None, description="SAT voltages outside are refused [V]")
    min_current_a: float = Field(1.0, gt=0, description="below this |current| is rest [A]")
    min_current_c: float = Field(0.01, gt=0, description="below this C-rate is rest [1/h]")
    delta_offset_mv_per_year: float = Field(3.0, gt=0)
    delta_index_percent_per_year: float = Field(0.3, gt=0)
    delta_capacity_percent_per_year: float = Field(0.5, gt=0)
    regime_min_step_mv: float = Field(10.0, gt=0)
    regime_min_days: int = Field(28, ge=7)
    regime_penalty: float = Field(6.0, gt=0, description="times ln(n) × long-run variance: the price of a step")
    regime_moved_share: float = Field(0.6, gt=0, le=1, description="cells that must move for an operating regime [1]")
    cell_step_mv: float = Field(5.0, gt=0, description="a cell's own offset gets a new level from this step on [mV]")
    cell_finding_mv: float = Field(10.0, gt=0, description="a dated step of one cell is searched for from here on [mV]")
    current_sign: Literal[1, -1] | None = Field(None, description="+1: charging is positive; default: found")
    active_max_hold_s: float = Field(900.0, gt=0, description="longest gap merged inside a segment [s]")
    rest_s: float = Field(600.0, gt=0, description="rest that ends a segment [s]")
    blip_s: float = Field(60.0, ge=0, description="opposite current up to this long does not end a segment [s]")
    segment_min_s: float = Field(1800.0, gt=0, description="shorter segments are dropped [s]")
    segment_max_s: float = Field(86400.0, gt=0, description="longer segments are cut [s]")
    segment_min_soc: float = Field(5.0, gt=0, description="segments with a smaller change of SOC are dropped [points]")
    end_current_s: float = Field(180.0, gt=0, description="time before the end over which the current is averaged [s]")
    zero_within_s: float = Field(86400.0, gt=0, description="rest within this time gives the zero of the current [s]")
    sat_before_s: float = Field(1200.0, gt=0, description="window before the end of a charge [s]")
    sat_after_s: float = Field(300.0, ge=0, description="window after the end of a charge [s]")
    sat_neighbour_mv: float = Field(15.0, gt=0, description="support: this close to the neighbours [mV]")
    sat_second_s: float = Field(120.0, gt=0, description="or to a second reading at most this far away [s]")
    offset_window_s: float = Field(180.0, gt=0, description="common instants lie in this time before the end [s]")
    offset_step_s: float = Field(15.0, gt=0, description="distance of common instants [s]")
    offset_min_instants: int = Field(2, ge=1)
    offset_min_cells: float = Field(0.8, gt=0, le=1, description="share of cells that a common instant needs [1]")
    qualified_delta_soc: float = Field(20.0, ge=0, description="rise of SOC of a qualified charge [points]")
    qualified_soc: float = Field(95.0, gt=0, description="SOC at the end of a qualified charge [%], or p75 − margin")
    qualified_soc_margin: float = Field(2.0, ge=0, description="margin below the system's own 75th percentile [points]")
    qualified_readings: int = Field(3, ge=1)
    qualified_coverage: float = Field(0.9, gt=0, le=1)
    plateau_level_mv: float = Field(15.0, gt=0, description="no segments: a day must reach the usual level [mV]")
    baseline_days: int = Field(30, ge=1)
    baseline_min_days: int = Field(14, ge=1)
    slope_min_days: int = Field(60, ge=10, description="qualified days before a slope is shown")
    slope_min_span_days: int = Field(90, ge=10)
    verdict_min_days: int = Field(120, ge=10, description="qualified days before a verdict is given")
    verdict_min_span_days: int = Field(180, ge=10)
    false_discovery_rate: float = Field(0.05, gt=0, lt=1)
    bootstrap_samples: int = Field(400, ge=0, description="0 leaves the block bootstrap out")
    bootstrap_seed: int = 20240917
    bootstrap_block_days: int = Field(28, ge=2)
    quality_r2: tuple[float, float] = Field((0.95, 0.90), description="very linear, linear from this R² on")
    quality_annual_percent: tuple[float, float] = Field((2.0, 10.0), description="low, moderate annual loss below [%]")
    quality_annual_mv: tuple[float, float] = Field((3.0, 10.0), description="the same for offsets [mV]")
    quality_cycle_percent: tuple[float, float] = Field((0.01, 0.05), description="very good, moderate below [%/cycle]")
    projection_max_ratio: float = Field(3.0, gt=0, description="cycles ahead over cycles seen, beyond: no number")
    end_of_life_percent: float = Field(
        80.0, gt=0, lt=100, description="end of life: capacity at this share of its own start [%]"
    )
    anchor_full_mv: float = Field(5.0, gt=0, description="full: highest cell within this of the month's level [mV]")
    anchor_max_h: float = Field(72.0, gt=0, description="longest way from one anchor to the next [h]")
    anchor_soc_gap: float = Field(2.0, gt=0, description="SOC may change this much between segments [points]")
    anchor_coverage: float = Field(0.98, gt=0, le=1, description="current must cover this share of each segment")
    first_capacity_days: int = Field(30, ge=1, description="own reference of capacity: its first days")
    capacity_days: int = Field(20, ge=1)
    capacity_min_values: int = Field(8, ge=1)
    capacity_soc_points: float = Field(80.0, gt=0)
    current_quantum_a: float = Field(0.1, gt=0, description="step of the current sensor [A]")
    zero_unknown_a: float = Field(
        1.0, ge=0, description="standard uncertainty of the current's zero where none was read at rest [A]"
    )
    voltage_quantum_mv: float = Field(1.0, gt=0, description="step of the cell voltages [mV]")
    round_trip_efc: float = Field(7.0, gt=0)
    round_trip_soc: float = Field(2.0, gt=0, description="windows close within this difference of SOC [points]")
    soc_hysteresis: float = Field(3.0, gt=0, description="turns of SOC smaller than this do not count [points]")
    efc_difference_percent: float = Field(5.0, gt=0, description="counts of cycles that differ by more are flagged [%]")
    efc_compare_from: float = Field(5.0, gt=0, description="full cycles from which the counts are compared [1]")
    soh_flat_days: int = Field(270, ge=30, description="a BMS health that stands still for this long is `flat` [d]")
    soh_flat_efc: float = Field(100.0, gt=0, description="while at least this many full cycles were made [1]")
    soh_jump_points: float = Field(3.0, gt=0, description="a larger change of BMS health in a day is a `jump` [points]")
    soh_difference_points: float = Field(
        5.0, gt=0, description="BMS health and measured capacity, each against its start, `differ` from here [points]"
    )
    comparisons: bool = Field(
        True, description="false leaves out what is only shown beside the fit: Newey-West, Mann-Kendall, intervals of "
        "Theil-Sen, bootstrap, quadratic term"
    )
    recent_days: int = Field(30, ge=1, description="`last 30 days` of the figures of a cell")
    rest_compare_s: float = Field(3600.0, gt=0, description="cells at rest are compared this long after the end [s]")
    outlier_z: float = Field(5.0, gt=0)
    outlier_mv: float = Field(8.0, gt=0)
    left_out_z: float = Field(10.0, gt=0, description="single days beyond this leave the fits (stuck or wrong reading)")
    left_out_half_days: int = Field(7, ge=2, description="half width of the running median they are compared with")
    resistance_ratio: float = Field(1.15, gt=1, description="a cell's resistance over the median that is a finding")
    outlier_median_days: int = Field(90, ge=7)
    outlier_of_days: tuple[int, int] = Field((5, 7), description="outlier on so many of the last so many days")
    offset_static_mv: float = Field(15.0, gt=0, description="a steady offset from here on is listed [mV]")
    spread_rest_mv: tuple[float, float] = Field((20.0, 50.0), description="warn and critical spread at rest [mV]")
    spread_charge_end_mv: tuple[float, float] = Field((50.0, 120.0), description="the same at the end of charge [mV]")
    temperature_spread_k: tuple[float, float] = Field((5.0, 8.0), description="warn and critical spread [K]")
    temperature_limits_c: tuple[float, float] = Field((35.0, 45.0), description="hours above these are counted [°C]")
    stuck_h: float = Field(6.0, gt=0, description="no change for this long while the neighbours move [h]")
    stuck_neighbour_mv: float = Field(30.0, gt=0, description="the median cell must move this much meanwhile [mV]")
    resistance_step_c: float = Field(0.1, gt=0, description="smallest step of the current [1/h]")
    resistance_delay_s: float = Field(90.0, gt=0)
    resistance_min_steps: int = Field(5, ge=1)
    resistance_steps_per_day: int = Field(24, ge=1, description="largest number of steps kept per day")
    resistance_steady_c: float = Field(0.02, gt=0, description="the current may move this much before a step [1/h]")
    explained_min_days: int = Field(60, ge=20, description="qualified days before SAT is explained")
    explained_min_spread: tuple[float, float, float] = Field(
        (0.02, 2.0, 1.0), description="smallest spread (p90 − p10) of current [C], temperature [K], SOC [points]"
    )
    explained_max_vif: float = Field(5.0, gt=1, description="factors that others explain beyond this are not shown")
    soc_bins: tuple[float, float] = Field((20.0, 80.0), description="borders of the SOC bins [%]")
    resistance_min_weeks: int = Field(13, ge=5, description="weekly medians before a trend of resistance is shown")
    resistance_verdict_weeks: int = Field(26, ge=5, description="weekly medians before a verdict on it is given")
    delta_resistance_percent_per_year: float = Field(5.0, gt=0, description="a smaller trend is none [%/year]")
    resistance_min_spread: tuple[float, float, float] = Field(
        (2.0, 5.0, 2.0), description="smallest spread (p90 − p10) of temperature [K], delay [s], SOC [points] to adjust"
    )
    auxiliary_base_c: float = Field(15.0, description="warm and cold days of the auxiliaries count from here [°C]")
    auxiliary_min_days: int = Field(60, ge=20, description="days before the auxiliaries are explained")
    auxiliary_min_spread: tuple[float, float] = Field(
        (3.0, 0.2), description="smallest spread (p90 − p10) of temperature [K] and of throughput [full cycles per day]"
    )
    round_trip_coverage: float = Field(
        0.98, gt=0, le=1, description="data of every day of an AC window must cover this share [1]"
    )
    outside_warmest_h: tuple[float, float] = Field(
        (11.5, 18.5), description="hours of the place's clock in which days are warmest; else the clock is wrong [h]"
    )
    outside_min_swing_k: float = Field(1.0, gt=0, description="days with a smaller daily swing say nothing [K]")
    evidence_min_days: int = Field(20, ge=5, description="days before the clock is judged by temperature")
    schedule_days: int = Field(21, ge=7, description="days before and after a night of change that are compared")
    schedule_min_days: int = Field(6, ge=3, description="days with a first charge needed on either side")

    def voltage(self, name: str) -> float:
        """Return `full_median_cell_v` or `empty_cell_v`, from the settings or the chemistry's default [V]."""
        given = getattr(self, name)
        defaults = {
            "LFP": {"full_median_cell_v": 3.38, "empty_cell_v": 3.00},
            "NMC": {"full_median_cell_v": 4.05, "empty_cell_v": 3.30},
        }
        return given if given is not None else defaults[self.chemistry][name]

    @property
    def sat_limits_v(self) -> tuple[float, float]:
        """Range in which a SAT voltage can lie [V]."""
        return self.sat_window_v or {"LFP": (2.8, 3.8), "NMC": (3.3, 4.4)}[self.chemistry]


class MeterSettings(_Model):
    """Thresholds of the meter figures."""

    p_max_kw: float = Field(1000.0, gt=0, description="largest plausible power of a register [kW]")
    peak_coverage: float = Field(0.9, gt=0, le=1)
    power_factor_limit: float = Field(0.90, gt=0, le=1)
    power_factor_load_share: float = Field(0.10, ge=0, le=1, description="loaded: |P| above this share of its p95")
    balance_limit_percent: float = Field(2.0, gt=0)
    balance_min_kwh: float = Field(1.0, ge=0, description="days with less energy than this are never flagged [kWh]")
    stands_still_kwh: float = Field(
        5.0, gt=0, description="energy by power while a register does not move that is a finding [kWh]"
    )


_CLOCK = r"^([01]\d|2[0-3]):(00|15|30|45)$|^24:00$"


class TariffWindow(_Model):
    """Hours of some weekdays with a price of their own, in local time."""

    price_per_kwh: float = Field(description="price of energy drawn in this window [currency/kWh]")
    start: str = Field("00:00", pattern=_CLOCK, description="first quarter hour, local, HH:MM at 00, 15, 30 or 45")
    end: str = Field("24:00", pattern=_CLOCK, description="end, local; later than `start`, so a night is two windows")
    weekdays: tuple[Annotated[int, Field(ge=1, le=7)], ...] = Field(
        (1, 2, 3, 4, 5, 6, 7), min_length=1, description="1 is Monday, 7 is Sunday; holidays count as their weekday"
    )

    @model_validator(mode="after")
    def _in_order(self) -> "TariffWindow":
        if self.start >= self.end:
            msg = f"a window from {self.start} to {self.end} has no length; write a night as two windows"
            raise ValueError(msg)
        return self

    @property
    def minutes(self) -> tuple[int, int]:
        """Start and end as minutes of the local clock."""
        start, end = (int(t[:2]) * 60 + int(t[3:]) for t in (self.start, self.end))
        return start, end


class Tariff(_Model):
    """What energy and peaks cost. Without this block no cost is computed or shown."""

    price_per_kwh: float = Field(description="price of energy drawn outside all windows [currency/kWh]")
    window: tuple[TariffWindow, ...] = Field((), description="blocks `[[tariff.window]]`; the first that fits counts")
    feed_in_per_kwh: float | None = Field(None, description="paid for energy fed back [currency/kWh]; default: nothing")
    peak_per_kw: float | None = Field(
        None, ge=0, description="price of the month's largest quarter hour [currency/kW]; default: no price"
    )
    currency: str = Field("EUR", min_length=1, max_length=8, description="name of the currency, shown only")
    meters: tuple[Name, ...] = Field((), description="devices that are billed; empty: all with energy")


class Device(_Model):
    """What is set for one device."""

    name: Name
    zone: Zone | None = Field(None, description="zone of its clock and of its local days; default: `zone`")
    battery: BatterySettings | None = None
    site_meter: Name | None = Field(None, description="meter that measures this battery's grid connection")


class OperationSettings(_Model):
    """How the site is watched; nothing here shapes a table."""

    webhook: str = Field(
        "", pattern=r"^(https?://\S+)?$",
        description="address that gets one POST per alert; the environment variable ENERGY_ALERT_WEBHOOK wins, and is "
        "the place for an address that holds a secret; empty: alerts are only logged and kept in `alerts`",
    )
    webhook_timeout_s: float = Field(5.0, gt=0, le=60, description="longest wait for one answer [s]")
    webhook_attempts: int = Field(3, ge=1, le=10, description="attempts per alert and run, with growing pauses")
    fresh_warn_h: float = Field(48.0, gt=0, description="`readings` without a load for so long are shown as late [h]")
    fresh_fail_h: float = Field(96.0, gt=0, description="and as overdue [h]")
    coverage_good: float = Field(0.9, gt=0, le=1, description="share of the time with data that is shown as good [1]")
    coverage_poor: float = Field(0.5, ge=0, le=1, description="and below which it is shown as poor [1]")
    sensor_interval_s: int = Field(30, ge=1, description="shortest time between two looks at the folders [s]")

    @model_validator(mode="after")
    def _in_order(self) -> "OperationSettings":
        if self.fresh_warn_h >= self.fresh_fail_h:
            msg = f"fresh_warn_h = {self.fresh_warn_h} must be smaller than fresh_fail_h = {self.fresh_fail_h}"
            raise ValueError(msg)
        return self


class EventRule(_Model):
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


class Settings(_Model):
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
            self.site_meter_of(device), None if tariff is None else tariff.model_dump(mode="json"), self.zone,
        )


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


def load_settings(
    path: str | Path | None = None, environ: Mapping[str, str] | None = None, **options: Any
) -> Settings:
    """Read the settings: options over environment over file over defaults.

    `path` is the settings file (default: `$ENERGY_SETTINGS`, else `./energy.toml` where it exists). Relative
    roots and lake in a file count from the file's folder. Raises `SettingsError` naming the key, what was found and
    what is allowed.
    """
    env = os.environ if environ is None else environ
    chosen = path or env.get(ENV_SETTINGS) or (SETTINGS_FILE if Path(SETTINGS_FILE).is_file() else None)
    raw: dict[str, Any] = {}
    if chosen is not None:
        raw = _read_file(Path(chosen))
    if env.get(ENV_ROOTS):
        raw["roots"] = [r.strip() for r in env[ENV_ROOTS].split(",") if r.strip()]
    if env.get(ENV_LAKE):
        raw["lake"] = env[ENV_LAKE]
    if env.get(ENV_WEBHOOK) and isinstance(raw.get("operation", {}), dict):
        raw["operation"] = {**raw.get("operation", {}), "webhook": env[ENV_WEBHOOK]}
    raw.update({k: v for k, v in options.items() if v is not None})
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        raise SettingsError(_explain(error, chosen)) from error


def _read_file(path: Path) -> dict[str, Any]:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        msg = f"settings file {path} does not exist; give another with --settings or ENERGY_SETTINGS"
        raise SettingsError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"settings file {path} is not valid TOML: {error}"
        raise SettingsError(msg) from error
    base = path.resolve().parent
    if "roots" in raw and isinstance(raw["roots"], list):
        raw["roots"] = [_from(base, r) for r in raw["roots"]]
    if "lake" in raw:
        raw["lake"] = _from(base, raw["lake"])
    return raw


def _from(base: Path, location: object) -> object:
    if isinstance(location, str) and "://" not in location and not Path(location).is_absolute():
        return str(base / location)
    return location


def _explain(error: ValidationError, path: object) -> str:
    where = f"in {path}" if path else "in the options or the environment"
    lines = [f"wrong settings {where}:"]
    for e in error.errors():
        key = ".".join(str(p) for p in e["loc"]) or "(whole)"
        found = e.get("input")
        if "webhook" in key or (isinstance(found, Mapping) and "webhook" in found):
            found = "(not shown: an address may hold a secret)"
        lines.append(f"  {key}: found {found!r}; {e['msg']}")
    return "\n".join(lines)
