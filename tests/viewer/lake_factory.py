"""Writes a small, complete lake straight from the schemas, with known faults planted in it.

One battery system and two meters, a common 3-day gap, a common step of the SAT level (an operating regime), a cell that
falls and a cell that stands out by a constant offset. All values come from formulas and one seeded generator.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from deltalake import write_deltalake

from energy_pipeline.schemas import TABLES, Column
from energy_pipeline.settings import Settings
from tests.viewer import lake_accounts, lake_battery, lake_condition, lake_series

ZONE = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True)
class Plan:
    """Size of the lake and the faults planted in it."""

    packs: int = 2
    cells: int = 6
    days: int = 150
    raw_days: int = 3
    bess: str = "ZHPESS232A230002"
    meters: tuple[str, ...] = ("m1", "m2")
    first_day: date = date(2024, 9, 15)
    gap_from: int = 40
    gap_days: int = 3
    step_day: int = 75
    step_mv: float = -24.0
    falling: tuple[int, int] = (2, 3)
    falling_mv_per_year: float = -24.0
    offset_cell: tuple[int, int] = (1, 4)

    @property
    def dates(self) -> list[date]:
        """All local days of the lake."""
        return [self.first_day + timedelta(days=i) for i in range(self.days)]

    @property
    def start(self) -> datetime:
        """First instant, UTC."""
        d = self.first_day
        return datetime(d.year, d.month, d.day, tzinfo=ZONE).astimezone(UTC)

    @property
    def end(self) -> datetime:
        """First instant after the last day, UTC."""
        d = self.first_day + timedelta(days=self.days)
        return datetime(d.year, d.month, d.day, tzinfo=ZONE).astimezone(UTC)

    @property
    def gap(self) -> tuple[date, date]:
        """First and last day without data."""
        first = self.first_day + timedelta(days=self.gap_from)
        return first, first + timedelta(days=self.gap_days - 1)

    def missing(self, day: date) -> bool:
        """Return whether `day` lies in the gap."""
        return self.gap[0] <= day <= self.gap[1]


def write_lake(folder: Path, plan: Plan | None = None) -> Settings:
    """Write every table and return the settings that point to the lake."""
    plan = plan or Plan()
    rng = np.random.default_rng(7)
    series = lake_series.tables(plan, rng)
    accounts = lake_accounts.tables(plan, series["meter_daily"])
    battery = {**lake_battery.tables(plan, rng), **lake_condition.tables(plan)}
    for name, frame in {**series, **battery, **accounts}.items():
        write_table(folder, name, frame)
    return Settings(lake=str(folder), zone=ZONE.key)


def write_table(folder: Path, name: str, frame: pl.DataFrame) -> None:
    """Write one table with its schema's columns and partitions; absent columns become null, or 0 where that is not."""
    table = TABLES[name]
    filled = frame.with_columns(_absent(c) for c in table.columns if c.name not in frame.columns)
    ordered = table.conform(filled)
    write_deltalake(
        str(folder / name), ordered.to_arrow(), mode="overwrite", partition_by=list(table.partition_by) or None
    )


def _absent(column: Column) -> pl.Expr:
    value = None if column.nullable else "" if column.dtype == pl.String else 0
    return pl.lit(value).cast(column.dtype).alias(column.name)
