"""Settings of a site: one frozen object, read by one function, shared by Dagster, the command line and the viewer.

What is here: the models with their bounds, units and defaults, and how a file and the environment fill them.
What is not: any computation. Precedence: option > environment > settings file > default.
Next: `signals.py` for the dictionary of signals, `docs/settings.md` for the same in words.
"""

import hashlib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

NAME = r"^[A-Za-z0-9._-]+$"
SETTINGS_FILE = "energy.toml"
ENV_SETTINGS, ENV_ROOTS, ENV_LAKE = "ENERGY_SETTINGS", "METER_ROOTS", "ENERGY_LAKE"


class SettingsError(ValueError):
    """A setting is wrong: the message names the key, what was found, and what is allowed."""


def _zone(name: str) -> str:
    if name not in available_timezones():
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
    power_factor_load_share: float = Field(0.10, ge=0, le=1, description="loaded: |P| above this share of the month's p95")
    balance_limit_percent: float = Field(2.0, gt=0)


class Device(_Model):
    """What is set for one device."""

    name: Name
    zone: Zone | None = Field(None, description="zone of its clock and of its local days; default: `zone`")
    battery: BatterySettings | None = None
    site_meter: Name | None = Field(None, description="meter that measures this battery's grid connection")


class EventRule(_Model):
    """A person's decision on one counter event."""

    device: Name
    signal: str
    ts: str = Field(description="UTC time of the event as shown in counter_events, ISO 8601")
    decision: Literal["accepted", "ignored"] = Field(description="accepted: book the full step; ignored: book nothing")


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

    def reading_digest(self, device: str) -> str:
        """Digest of everything that shapes a device's `readings`; a change reads the device again."""
        return _digest(
            self.zone_of(device).key, self.first_month, self.max_hold_s,
            [s.model_dump(mode="json") for s in self.source], [s.model_dump(mode="json") for s in self.signal],
        )

    def derived_digest(self, device: str) -> str:
        """Digest of everything that shapes a device's derived tables; a change makes all its months due."""
        return _digest(
            self.zone_of(device).key, self.battery_of(device).model_dump(mode="json"),
            self.meter.model_dump(mode="json"), self.reading_digest(device),
        )


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
        lines.append(f"  {key}: found {e.get('input')!r}; {e['msg']}")
    return "\n".join(lines)
