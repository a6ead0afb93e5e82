"""Thresholds of the meter figures, and tariffs. Next: `compute/meters.py`, `compute/tariff.py`."""


from typing import Annotated

from pydantic import Field, model_validator

from energy_pipeline.settings.base import Model, Name


class MeterSettings(Model):
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


class TariffWindow(Model):
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


class Tariff(Model):
    """What energy and peaks cost. Without this block no cost is computed or shown."""

    price_per_kwh: float = Field(description="price of energy drawn outside all windows [currency/kWh]")
    window: tuple[TariffWindow, ...] = Field((), description="blocks `[[tariff.window]]`; the first that fits counts")
    feed_in_per_kwh: float | None = Field(None, description="paid for energy fed back [currency/kWh]; default: nothing")
    peak_per_kw: float | None = Field(
        None, ge=0, description="price of the month's largest quarter hour [currency/kW]; default: no price"
    )
    currency: str = Field("EUR", min_length=1, max_length=8, description="name of the currency, shown only")
    meters: tuple[Name, ...] = Field((), description="devices that are billed; empty: all with energy")
