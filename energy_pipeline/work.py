"""What is due: one pure comparison of the numbers in the tables, used by the sensor, `run` and `status` alike.

Each load of a device has a number, recorded with the months it changes. A month is due where a table made from it
carries a lower number, or a check of it has not judged that number; the device's own tables are due after its months
and after those of its site meter; the fleet comes last. A red blocking check holds back what comes after it on its
device. State lives in the lake and nowhere else, so any crash and any order of runs leads to the same end.
Next: `guards.py`, `sensors.py`, `runner.py`.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from energy_pipeline.guards import (
    ALL,
    CHARGES,
    DEVICE,
    INGEST,
    MONTHS,
    Hold,
    Verdicts,
    guards_of,
    holds,
    is_current,
    judged_digest,
)
from energy_pipeline.guards import verdicts as read_verdicts
from energy_pipeline.loading.load import load_is_due
from energy_pipeline.loading.owners import owners_of
from energy_pipeline.loading.plan import MOVED
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.raw_files import RawFile
from energy_pipeline.schemas import TABLES, battery
from energy_pipeline.settings import Settings

INGEST_TABLES = ("source_files", "signals", "readings", "rejected_readings", "counter_events")
UNTRACKED = ("check_results", "alerts")
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
SITE_TABLES = ("resolution_15min",)  # of its site meter, which a battery's own tables read


@dataclass(frozen=True)
class Work:
    """The next thing to do for a device: `ingest`, `months`, `charges`, `device`, or `fleet` for all.

    `months` and `charges` name a contiguous range of months; `charges` and `device` are for battery systems only.

    `number` is the load it brings the tables up to. `state` tells settings and files apart, so that work which failed
    too often is tried again once one of them has changed.
    """

    kind: str
    device: str
    number: int
    months: tuple[str, ...] = ()
    state: str = ""

    @property
    def name(self) -> str:
        """What, for which device and months, up to which load, from which settings and files."""
        span = f":{self.months[0]}..{self.months[-1]}" if self.months else ""
        return f"{self.kind}:{self.device}{span}:{self.number}@{self.state}"

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


def site_key(device: str, digest: str, meter: str) -> str:
    """Name under which a device table records the load of the site meter that it was computed with."""
    return f"{device}@{digest}|site:{meter}"


@dataclass
class Due:
    """The next work of every device, the checks that hold devices back, and settings that name no device."""

    work: list[Work] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def due_work(lake: Lake, settings: Settings, files: dict[str, list[RawFile]], now_s: float) -> list[Work]:
    """Return the next work of every device (see `plan_work`)."""
    return plan_work(lake, settings, files, now_s).work


def plan_work(
    lake: Lake, settings: Settings, files: dict[str, list[RawFile]], now_s: float,
    left_alone: Callable[[Work], bool] = lambda _: False,
) -> Due:
    """Return the next work of every device, that of the fleet where nothing else is left, and what is held back.

    Args:
        lake: the tables.
        settings: for the digests and the present sources.
        files: files of each device as discovered.
        now_s: the present time [s since 1970], to leave young files alone.
        left_alone: true for work that has failed too often; it is not returned, and the fleet does not wait for it.
    """
    known, owners = sorted({*files, *lake.devices()}), owners_of(lake, files)
    due = Due(problems=[*settings.unknown_devices(known), *settings.unknown_meters(known)])
    for device in known:
        own = files.get(device, [])
        asked = device in files or _has_lost_files(lake, device, owners)  # else its folder may only be away
        if asked and load_is_due(lake, settings, device, own, now_s, owners):
            state = _files_state(settings.reading_digest(device), own)
            due.work.append(Work("ingest", device, _loaded(lake, device) + 1, state=state))
            continue
        after = _after_ingest(lake, settings, device)
        due.work.extend(after.work)
        due.holds.extend(after.holds)
    due.work = [w for w in due.work if not left_alone(w)]
    if not due.work:
        due.work = [w for w in _fleet(lake, settings) if not left_alone(w)]
    return due


def _has_lost_files(lake: Lake, device: str, owners: Mapping[str, str]) -> bool:
    """True where files whose rows a device holds are other devices' by now."""
    held = lake.scan("source_files", device).filter(pl.col("status") != MOVED).select("path").collect()["path"]
    return not owners.keys().isdisjoint(held)


def _files_state(digest: str, files: list[RawFile]) -> str:
    seen = sorted((f.path, f.size, f.mtime_ns) for f in files)
    return hashlib.blake2b(repr((digest, seen)).encode(), digest_size=5).hexdigest()


def _loaded(lake: Lake, device: str) -> int:
    return lake.number("readings", f"load:{device}")


def _after_ingest(lake: Lake, settings: Settings, device: str) -> Due:
    """Work behind the load of a device, one stage at a time: a stage waits for the one before it."""
    loaded, digest = _loaded(lake, device), settings.derived_digest(device)
    if loaded == 0:
        return Due()
    found = read_verdicts(lake, device)
    whole = {ALL: loaded}
    read = judged_digest(settings, device, INGEST)
    if any(not is_current(found, g, ALL, loaded, read) for g in guards_of(INGEST)):
        return Due([Work("ingest", device, loaded, state=read)])
    red = holds(found, device, INGEST, whole, read)
    if red:
        return Due(holds=red)
    battery = is_battery(lake, device)
    for stage, tables in ((MONTHS, MONTH_TABLES), (CHARGES, CHARGE_TABLES if battery else ())):
        if not tables:
            continue
        months, red = _due_months(lake, settings, device, stage, tables, found)
        if months or red:
            return Due([Work(stage, device, loaded, span, digest) for span in _ranges(months)], red)
    if not battery:
        return Due()
    numbers = device_numbers(lake, settings, device)
    done = [lake.numbers(t, numbers) for t in DEVICE_TABLES]
    behind = any(stored[key] < number for stored in done for key, number in numbers.items())
    if behind or any(not is_current(found, g, ALL, loaded, digest) for g in guards_of(DEVICE)):
        red = holds(found, device, DEVICE, whole, digest)
        state = ".".join([digest, *(str(n) for key, n in numbers.items() if key != device_key(device, digest))])
        return Due(holds=red) if red else Due([Work("device", device, loaded, state=state)])
    return Due()


def device_numbers(lake: Lake, settings: Settings, device: str) -> dict[str, int]:
    """Return the loads that a device's own tables have to stand at: its own, and that of its site meter.

    The meter counts only once its months stand at its last load, so that nothing is recorded that was not read; until
    then the tables are made with what there is, and again behind the meter's months.
    """
    digest, meter = settings.derived_digest(device), settings.site_meter_of(device)
    numbers = {device_key(device, digest): _loaded(lake, device)}
    if meter is not None:
        loaded = _loaded(lake, meter)
        if loaded and not due_months(lake, settings, meter, SITE_TABLES):
            numbers[site_key(device, digest, meter)] = loaded
    return numbers


def is_finished(lake: Lake, settings: Settings, device: str) -> bool:
    """True where a device's tables stand at its last load, and no check holds it back."""
    after = _after_ingest(lake, settings, device)
    return not after.work and not after.holds


def is_battery(lake: Lake, device: str) -> bool:
    """True where a device has signals that the battery tables are made from, or rows of those it had in the tables."""
    found = lake.scan("signals", device).filter(pl.col("quantity").is_in(BATTERY_QUANTITIES)).head(1).collect()
    return not found.is_empty() or any(lake.holds(table, device) for table in BATTERY_TABLES)


def due_months(lake: Lake, settings: Settings, device: str, tables: Iterable[str] = _BY_MONTH) -> list[str]:
    """Return the months of a device for which any of `tables` is behind `readings`, in order."""
    wanted, behind = _months_behind(lake, settings, device, tuple(tables))
    return [m for m in wanted if m in behind]


def months_behind(lake: Lake, settings: Settings, device: str) -> list[str]:
    """Return the months of a device that any of the tables it has is behind with, in order."""
    return due_months(lake, settings, device, _BY_MONTH if is_battery(lake, device) else MONTH_TABLES)


def _due_months(
    lake: Lake, settings: Settings, device: str, stage: str, tables: tuple[str, ...], found: Verdicts
) -> tuple[list[str], list[Hold]]:
    """Months of a stage that are due, and what is red in the others: a red month is not computed a second time."""
    digest = settings.derived_digest(device)
    wanted, behind = _months_behind(lake, settings, device, tables)
    red = holds(found, device, stage, wanted, digest)
    held = {m for hold in red for m in hold.scopes}
    stale = {m for m, n in wanted.items() for g in guards_of(stage) if not is_current(found, g, m, n, digest)}
    return [m for m in wanted if m not in held and (m in behind or m in stale)], red


def _months_behind(
    lake: Lake, settings: Settings, device: str, tables: tuple[str, ...]
) -> tuple[dict[str, int], set[str]]:
    """Load that each month has to stand at, in order of months, and the months for which a table does not."""
    # Months whose readings are gone count as long as a table still has rows of them; none lies before the first month.
    held = {m for table in ("readings", *tables) for m in lake.months(device, table)}
    stored = sorted(m for m in held if m >= settings.first_month)
    if not stored:
        return {}, set()
    digest = settings.derived_digest(device)
    # A reading may be held into a month that has none itself, and a register's line crosses months without rows.
    candidates = _all_months(stored[0], _next_month(stored[-1]))
    wanted = {m: n for m, n in month_numbers(lake, device, candidates).items() if n}
    keys = {m: month_key(device, m, digest) for m in wanted}
    done = [lake.numbers(table, keys.values()) for table in tables]
    return wanted, {m for m, n in wanted.items() if any(numbers[keys[m]] < n for numbers in done)}


def month_numbers(lake: Lake, device: str, months: Iterable[str]) -> dict[str, int]:
    """Return the load number that each month of a device has to be computed from."""
    keys = {m: f"{device}|{m}" for m in months}
    numbers = lake.numbers("readings", keys.values())
    return {m: numbers[key] for m, key in keys.items()}


def _fleet(lake: Lake, settings: Settings) -> list[Work]:
    """Work for the overview, where it is behind a finished device; the others will ask for it when they are done."""
    numbers = fleet_numbers(lake, settings)
    done = lake.numbers(FLEET_TABLE, numbers)
    if any(done[key] < load for key, load in numbers.items()):
        state = hashlib.blake2b(repr(sorted(numbers)).encode(), digest_size=5).hexdigest()
        return [Work("fleet", "", sum(numbers.values()), state=state)]
    return []


def fleet_numbers(lake: Lake, settings: Settings) -> dict[str, int]:
    """Return the loads of the finished devices, as the overview records them."""
    return {
        device_key(d, settings.derived_digest(d)): _loaded(lake, d)
        for d in lake.devices() if is_finished(lake, settings, d)
    }


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
