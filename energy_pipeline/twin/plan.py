"""What a synthetic plant is: size, calendar, sampling, physics and planted faults, in one frozen value.

The same plan gives the same bytes. No file and no array is made here.
Next: `presets.py` for ready plans, `operation.py` and `meters.py` for what a plan becomes.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from energy_pipeline.twin.faults import Fault, MissingDays, RegimeStep, of_kind
from energy_pipeline.twin.noise import NoiseClass

DAY_S = 86_400
YEAR_S = 365.25 * DAY_S
MONTH_S = 30.4375 * DAY_S
SYSTEM_NAMES = ("ZHPESS232A230002", "ZHPESS232A230003", "ZHPESS232A230007")


@dataclass(frozen=True)
class PlantPlan:
    """A plant to be made; periods in seconds, voltages in volt unless the name says mV.

    With `noise`, each cell draws one of these classes; else all have `white_mv`, `slow_mv` and `slow_days`.
    """

    name: str = "custom"
    start: date = date(2024, 1, 1)
    days: int = 40
    systems: int = 1
    packs: int = 5
    cells_per_pack: int = 52
    meters: int = 6
    seed: int = 7
    bess_zone: str = "Asia/Shanghai"
    meter_zone: str = "Europe/Berlin"

    cell_period_s: int = 600
    cell_fast_period_s: int = 60
    state_period_s: int = 60
    slow_period_s: int = 600
    power_period_s: int = 60
    register_period_s: int = 300
    fast_below_v: float = 3.0
    fast_above_v: float = 3.38
    temperatures_per_pack: int = 1
    many_signals: bool = False
    outside_sensor: bool = False
    disorder_share: float = 0.05

    capacity_ah: float = 280.0
    nameplate_ah: float = 280.0
    capacity_spread: float = 0.003
    resistance_spread: float = 0.04
    offset_spread_mv: float = 1.5
    white_mv: float = 0.7
    slow_mv: float = 0.4
    slow_days: float = 35.0
    noise: tuple[NoiseClass, ...] = ()
    common_noise_mv: float = 0.7
    fade_percent_per_year: float = 0.0
    soh_percent_per_year: float = 0.0
    bms_capacity_factor: float = 1.02
    current_zero_a: float = 0.3

    set_point_v: float = 3.45
    empty_v: float = 2.95
    charge_c: float = 0.40
    derated_c: float = 0.06
    discharge_c: float = 0.42
    two_cycles_until_day: int = 10**6
    idle_sundays: bool = True
    conversion: float = 0.945

    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        """Refuse sizes that make no plant."""
        limits = {"days": 1, "systems": 0, "packs": 1, "cells_per_pack": 1, "meters": 0}
        for field, least in limits.items():
            if getattr(self, field) < least:
                msg = f"{field} is {getattr(self, field)}; it must be at least {least}"
                raise ValueError(msg)
        if self.cell_period_s % self.cell_fast_period_s:
            msg = "cell_period_s must be a multiple of cell_fast_period_s"
            raise ValueError(msg)

    @property
    def cells(self) -> int:
        """Cells of one system."""
        return self.packs * self.cells_per_pack

    @property
    def system_names(self) -> list[str]:
        """Folder names of the battery systems."""
        more = (f"ZHPESS232A23{n:04d}" for n in range(8, 8 + max(0, self.systems - len(SYSTEM_NAMES))))
        return [*SYSTEM_NAMES[: self.systems], *more]

    @property
    def meter_names(self) -> list[str]:
        """Folder names of the meters."""
        return [f"m{n}" for n in range(1, self.meters + 1)]

    def start_s(self, zone: str) -> int:
        """UTC second of the first local midnight in `zone`."""
        return _midnight(self.start, zone)

    def end_s(self, zone: str) -> int:
        """UTC second of the local midnight after the last day in `zone`."""
        return _midnight(self.start + timedelta(days=self.days), zone)

    def day_s(self, day: float, zone: str) -> int:
        """UTC second at which local day number `day` begins; fractions count 24 h."""
        whole = int(day)
        return _midnight(self.start + timedelta(days=whole), zone) + round((day - whole) * DAY_S)

    def set_point(self, day: int, system: int) -> float:
        """Set point of the highest cell on a day [V]."""
        steps = of_kind(self.faults, RegimeStep, system)
        return self.set_point_v + sum(s.mv for s in steps if day >= s.day) / 1000

    def gaps(self, zone: str, system: int | None) -> list[tuple[int, int]]:
        """UTC second ranges without rows, of a system or (None) of the meters."""
        found = of_kind(self.faults, MissingDays)
        own = [g for g in found if (g.meters if system is None else g.system in (None, system))]
        return [(self.day_s(g.from_day, zone), self.day_s(g.from_day + g.days, zone)) for g in own]


def _midnight(day: date, zone: str) -> int:
    local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    return int(local.astimezone(UTC).timestamp())
