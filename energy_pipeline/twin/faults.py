"""Faults that can be planted, each a frozen value with its parameters and units.

A fault says what is wrong, never how it is simulated: cells, operation, meters and files look for the kinds that
concern them. Days count from 0, the first day of the plan; `system` and `meter` count from 0 and 1 like the names.
Next: `plan.py`, which holds them; `truth.py`, which writes them down.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, TypeVar


@dataclass(frozen=True)
class Fault:
    """Anything planted; `kind` is its name in `truth.json`."""

    kind: ClassVar[str] = "fault"

    def describe(self) -> dict[str, Any]:
        """Return kind and parameters as plain values."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True)
class DriftingOffset(Fault):
    """A cell's reading moves steadily against its neighbours [mV/year]."""

    kind: ClassVar[str] = "drifting_offset"
    pack: int
    cell: int
    mv_per_year: float
    system: int = 0


@dataclass(frozen=True)
class SensorOffsetStep(Fault):
    """A cell's reading steps once, at the start of `day` [mV]."""

    kind: ClassVar[str] = "sensor_offset_step"
    pack: int
    cell: int
    day: int
    mv: float
    system: int = 0


@dataclass(frozen=True)
class RegimeStep(Fault):
    """The operator moves the set point of the highest cell from `day` on [mV]: all SAT voltages step at once."""

    kind: ClassVar[str] = "regime_step"
    day: int
    mv: float
    system: int | None = None


@dataclass(frozen=True)
class WeakCapacity(Fault):
    """A cell lacks a fraction of its capacity, e.g. 0.03."""

    kind: ClassVar[str] = "weak_capacity"
    pack: int
    cell: int
    fraction: float
    system: int = 0


@dataclass(frozen=True)
class RisingResistance(Fault):
    """A cell's resistance grows [%/year of its first value]."""

    kind: ClassVar[str] = "rising_resistance"
    pack: int
    cell: int
    percent_per_year: float
    system: int = 0


@dataclass(frozen=True)
class SelfDischarge(Fault):
    """A cell loses state of charge against its neighbours [%/month of 30.4375 days]."""

    kind: ClassVar[str] = "self_discharge"
    pack: int
    cell: int
    percent_per_month: float
    system: int = 0


@dataclass(frozen=True)
class StuckSensor(Fault):
    """A cell's reading stands still for `hours` from the start of `start_day` plus `start_hour`."""

    kind: ClassVar[str] = "stuck_sensor"
    pack: int
    cell: int
    start_day: int
    hours: float
    start_hour: float = 0.0
    system: int = 0


@dataclass(frozen=True)
class SentinelSpikes(Fault):
    """`count` rows of a signal carry a value that means `no value`."""

    kind: ClassVar[str] = "sentinel_spikes"
    signal: str
    value: float
    count: int
    system: int = 0


@dataclass(frozen=True)
class PartialCharges(Fault):
    """Charges stop at `soc_percent` (as the BMS counts) from `from_day` until before `to_day`."""

    kind: ClassVar[str] = "partial_charges"
    from_day: int
    to_day: int
    soc_percent: float = 70.0
    system: int | None = None


@dataclass(frozen=True)
class MissingDays(Fault):
    """No rows of any signal of a system (all systems if None) for `days` from `from_day`; operation goes on."""

    kind: ClassVar[str] = "missing_days"
    from_day: int
    days: int
    system: int | None = None
    meters: bool = False


@dataclass(frozen=True)
class ZoneWrongHours(Fault):
    """The recorder's clock is ahead of the declared zone by `hours`."""

    kind: ClassVar[str] = "zone_wrong_hours"
    hours: float
    system: int = 0


@dataclass(frozen=True)
class CurrentSignFlipped(Fault):
    """From `from_day` on, charging is negative in `bms1_c`."""

    kind: ClassVar[str] = "current_sign_flipped"
    from_day: int = 0
    system: int = 0


@dataclass(frozen=True)
class WrongNameplate(Fault):
    """The settings name a capacity that the cells do not have [Ah]."""

    kind: ClassVar[str] = "wrong_nameplate"
    nameplate_ah: float


@dataclass(frozen=True)
class RegisterReset(Fault):
    """A register falls to 0 at the start of `day` and counts on."""

    kind: ClassVar[str] = "register_reset"
    meter: int
    signal: str
    day: int


@dataclass(frozen=True)
class RegisterDip(Fault):
    """A register reads `kwh` too low for `hours`, then returns to its course."""

    kind: ClassVar[str] = "register_dip"
    meter: int
    signal: str
    day: int
    hours: float
    kwh: float


@dataclass(frozen=True)
class RegisterSpike(Fault):
    """A register reads `kwh` too high for `hours`, then returns to its course."""

    kind: ClassVar[str] = "register_spike"
    meter: int
    signal: str
    day: int
    hours: float
    kwh: float


@dataclass(frozen=True)
class RegisterRollover(Fault):
    """A register passes `modulus` at the start of `day` and begins again at 0 [kWh]."""

    kind: ClassVar[str] = "register_rollover"
    meter: int
    signal: str
    day: int
    modulus: float = 1e6


@dataclass(frozen=True)
class RegisterJump(Fault):
    """A register rises by `kwh` that nobody used, and stays there."""

    kind: ClassVar[str] = "register_jump"
    meter: int
    signal: str
    day: int
    kwh: float


F = TypeVar("F", bound=Fault)


def of_kind(faults: Iterable[Fault], wanted: type[F], system: int | None = None) -> list[F]:
    """Return the faults of one kind; with `system`, those of that system or of all systems."""
    found = [f for f in faults if isinstance(f, wanted)]
    if system is None:
        return found
    return [f for f in found if getattr(f, "system", None) in (None, system)]
