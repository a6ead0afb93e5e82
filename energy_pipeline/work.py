"""What is due: one pure comparison of the numbers in the tables, used by the sensor, `run` and `status` alike.

Each load of a device has a number, recorded with the months it changes. A month is due where a table made from it
carries a lower number; the device's own tables are due after its months; the fleet comes last. State lives in the
lake and nowhere else, so any crash and any order of runs leads to the same end. Next: `sensors.py`, `runner.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from energy_pipeline.loading.load import load_is_due
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.raw_files import RawFile
from energy_pipeline.schemas import TABLES, battery
from energy_pipeline.settings import Settings

INGEST_TABLES = ("source_files", "signals", "readings", "rejected_readings", "counter_events")
UNTRACKED = ("check_results",)
BATTERY_TABLES = tuple(t.name for t in battery.TABLES)
BATTERY_QUANTITIES = {"cell_voltage", "soc", "system_current", "system_power"}
_BY_MONTH = tuple(
    t.name for t in TABLES.values() if t.partition_by == ("device", "month") and t.name not in INGEST_TABLES
)
# Tables of every device, and those that only a device with battery signals has.
MONTH_TABLES = tuple(t for t in _BY_MONTH if t not in BATTERY_TABLES)
CHARGE_TABLES = tuple(t for t in _BY_MONTH if t in BATTERY_TABLES)
DEVICE_TABLES = tuple(
    t.name for t in TABLES.values()
    if t.partition_by == ("device",) and t.name not in INGEST_TABLES and t.name not in UNTRACKED
)
FLEET_TABLE = "fleet_summary"


@dataclass(frozen=True)
class Work:
    """The next thing to do for a device: `ingest`, `months`, `charges`, `device`, or `fleet` for all.

    `months` and `charges` name a contiguous range of months; `charges` and `device` are for battery systems only.

    `number` is the load it brings the tables up to; it names the run, so that the same work is not asked for twice.
    """

    kind: str
    device: str
    number: int
    months: tuple[str, ...] = ()

    @property
    def partition(self) -> str | None:
        """Partition key of a run that does this; None for the fleet."""
        if self.months:
            return f"{self.device}|{self.months[0]}"
        return None if self.kind == "fleet" else self.device


def month_key(device: str, month: str, digest: str) -> str:
    """Name under which a table records the load that a month was computed from."""
    return f"{device}|{month}@{digest}"


def device_key(device: str, digest: str) -> str:
    """Name under which a device table records the load it was computed from."""
    return f"{device}@{digest}"


def due_work(
    lake: Lake, settings: Settings, files: dict[str, list[RawFile]], now_s: float
) -> list[Work]:
    """Return the next work of every device, and that of the fleet where nothing else is left.

    Args:
        lake: the tables.
        settings: for the digests and the present sources.
        files: files of each device as discovered.
        now_s: the present time [s since 1970], to leave young files alone.
    """
    work: list[Work] = []
    for device in sorted({*files, *lake.devices()}):
        if device in files and load_is_due(lake, settings, device, files[device], now_s):
            work.append(Work("ingest", device, _loaded(lake, device) + 1))
        else:
            work.extend(_after_ingest(lake, settings, device))
    if not work:
        work.extend(_fleet(lake, settings))
    return work


def _loaded(lake: Lake, device: str) -> int:
    return lake.number("readings", f"load:{device}")


def _after_ingest(lake: Lake, settings: Settings, device: str) -> list[Work]:
    loaded = _loaded(lake, device)
    if loaded == 0:
        return []
    months = due_months(lake, settings, device, MONTH_TABLES)
    if months:
        return [Work("months", device, loaded, span) for span in _ranges(months)]
    if not is_battery(lake, device):
        return []
    months = due_months(lake, settings, device, CHARGE_TABLES)
    if months:
        return [Work("charges", device, loaded, span) for span in _ranges(months)]
    key = device_key(device, settings.derived_digest(device))
    behind = [t for t in DEVICE_TABLES if lake.number(t, key) < loaded]
    return [Work("device", device, loaded)] if behind else []


def is_battery(lake: Lake, device: str) -> bool:
    """True where a device has signals that the battery tables are made from."""
    found = lake.scan("signals", device).filter(pl.col("quantity").is_in(BATTERY_QUANTITIES)).head(1).collect()
    return not found.is_empty()


def due_months(lake: Lake, settings: Settings, device: str, tables: Iterable[str] = _BY_MONTH) -> list[str]:
    """Return the months of a device for which any of `tables` is behind `readings`, in order."""
    # Months whose readings are gone count as long as a table still has rows of them; none lies before the first month.
    tables = tuple(tables)
    held = {m for table in ("readings", *tables) for m in lake.months(device, table)}
    stored = sorted(m for m in held if m >= settings.first_month)
    if not stored:
        return []
    digest = settings.derived_digest(device)
    # A reading may be held into a month that has none itself, and a register's line crosses months without rows.
    candidates = _all_months(stored[0], _next_month(stored[-1]))
    wanted = month_numbers(lake, device, candidates)
    keys = {m: month_key(device, m, digest) for m in candidates}
    done = [lake.numbers(table, keys.values()) for table in tables]
    return [m for m in candidates if wanted[m] and any(numbers[keys[m]] < wanted[m] for numbers in done)]


def month_numbers(lake: Lake, device: str, months: Iterable[str]) -> dict[str, int]:
    """Return the load number that each month of a device has to be computed from."""
    keys = {m: f"{device}|{m}" for m in months}
    numbers = lake.numbers("readings", keys.values())
    return {m: numbers[key] for m, key in keys.items()}


def _fleet(lake: Lake, settings: Settings) -> list[Work]:
    keys = {d: device_key(d, settings.derived_digest(d)) for d in lake.devices()}
    loads = {d: _loaded(lake, d) for d in keys}
    done = lake.numbers(FLEET_TABLE, keys.values())
    if any(done[keys[d]] < loads[d] for d in keys):
        return [Work("fleet", "", sum(loads.values()))]
    return []


def _next_month(month: str) -> str:
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12:04d}-{number % 12 + 1:02d}"


def _all_months(first: str, last: str) -> list[str]:
    months = [first]
    while months[-1] < last:
        months.append(_next_month(months[-1]))
    return months


def _ranges(months: list[str]) -> list[tuple[str, ...]]:
    """Split sorted months into contiguous ranges."""
    spans: list[list[str]] = []
    for month in months:
        if spans and _next_month(spans[-1][-1]) == month:
            spans[-1].append(month)
        else:
            spans.append([month])
    return [tuple(s) for s in spans]
