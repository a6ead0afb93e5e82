"""The answers of one device's line: is it safe, is it working, how much energy, which trends. Pure.

`overview.py` lays them out. A device is judged by the age of its own last reading; a lake that ended long ago as a
whole is an archive, where a device is compared with the others instead of with the clock.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from energy_pipeline.settings import OperationSettings, Settings
from viewer.texts import DASH, Texts

FRESH, LATE, STALE = range(3)


@dataclass(frozen=True)
class Status:
    """A word, how serious it is, and what it rests on."""

    word: str
    level: str
    detail: str = ""


@dataclass(frozen=True)
class Clock:
    """By which moment the age of a device counts, and whether the whole lake is an archive."""

    now: datetime
    reference: datetime
    archive: bool
    limits: OperationSettings

    def lateness(self, last: datetime | None) -> int:
        """Return FRESH, LATE or STALE."""
        if last is None:
            return FRESH
        hours = (self.reference - last).total_seconds() / 3600
        return (hours >= self.limits.fresh_warn_h) + (hours >= self.limits.fresh_fail_h)

    def age_hours(self, last: datetime | None) -> float | None:
        """Return the age of a reading on the wall [h]."""
        return None if last is None else (self.now - last).total_seconds() / 3600


def clock_of(fleet: pl.DataFrame, limits: OperationSettings, now: datetime | None = None) -> Clock:
    """Return the clock by which a fleet's devices are judged."""
    now = now or datetime.now(UTC)
    newest: datetime | None = fleet["last_ts"].max()  # type: ignore[assignment]
    archive = newest is not None and now - newest > timedelta(days=limits.archive_days)
    return Clock(now, newest if archive and newest is not None else now, archive, limits)


def safety(row: dict, t: Texts, settings: Settings, clock: Clock) -> Status:
    """Answer: is it safe?"""
    alarm, opened, hottest = row["alarm_hours_30d"], row["alarms_open"], row["temperature_max_30d_c"]
    if row["device_kind"] != "bess":
        return Status(t("status.not_applicable"), "none")
    detail = [] if hottest is None else [t("status.hottest", value=t.number(hottest, 0))]
    if alarm:
        detail.insert(0, t("status.alarm_hours", value=t.number(alarm, 1)))
    if opened:
        return Status(t("status.alarm_open"), "bad", " · ".join([t("status.alarms_open", n=opened), *detail]))
    warm, hot = settings.battery_of(row["device"]).temperature_limits_c
    if hottest is not None and hottest >= hot:
        return Status(t("status.hot"), "bad", " · ".join(detail))
    if alarm:
        return Status(t("status.alarm"), "warn", " · ".join([*detail, t("status.alarm_past")]))
    if hottest is not None and hottest >= warm:
        return Status(t("status.warm"), "warn", " · ".join(detail))
    if alarm is None and opened is not None:
        return Status(t("status.unknown"), "none", " · ".join([t("status.alarm_unknown"), *detail]))
    if alarm is None and hottest is None:
        return Status(t("status.unknown"), "none", t("status.no_signals"))
    text = " · ".join([t("status.no_alarm"), *detail] if alarm is not None else detail)
    if not clock.archive and clock.lateness(row["last_ts"]) == STALE:
        return Status(t("status.last_safe"), "none", text)
    return Status(t("status.safe"), "ok", text)


def working(row: dict, checks: pl.DataFrame | None, t: Texts, clock: Clock) -> Status:
    """Answer: is it working, and do we see it? The worst of the age of its data, coverage and checks."""
    coverage, limits, failed = row["coverage_30d"], clock.limits, 0
    if checks is not None:
        failed = checks.filter((pl.col("device") == row["device"]) & ~pl.col("passed")).height
    parts = [t("status.coverage", value=t.percent(coverage))]
    if failed:
        parts.append(t("status.failed_checks", n=failed))
    if coverage is None or row["last_ts"] is None:
        return Status(t("status.unknown"), "none", t("status.no_data"))
    late = clock.lateness(row["last_ts"])
    if clock.archive:
        day = t.date(row["last_ts"].astimezone(ZoneInfo(row["zone"])).date())
        parts.insert(0, t("status.archive_until", day=day))
    elif late:
        parts.insert(0, t("status.last_reading", age=t.age(clock.age_hours(row["last_ts"]))))
        word, level = ("status.stale", "bad") if late == STALE else ("status.late", "warn")
        return Status(t(word), level, " · ".join(parts))
    detail = " · ".join(parts)
    if coverage < limits.coverage_poor:
        return Status(t("status.poor_data"), "bad", detail)
    if clock.archive and late:
        days = round((clock.reference - row["last_ts"]).total_seconds() / 86_400)
        return Status(t("status.ended_early", n=days), "warn", detail)
    if coverage < limits.coverage_good or failed:
        return Status(t("status.look"), "warn", detail)
    return Status(t("status.archive"), "none", detail) if clock.archive else Status(t("status.working"), "ok", detail)


def trend(row: dict, t: Texts) -> Status:
    """Answer: which trends? The counts of the verdicts add up to the cells."""
    if row["device_kind"] != "bess":
        return Status(t("status.not_applicable"), "none")
    falling, finding, cells = row["cells_falling"], row["cells_with_finding"], row["cells"]
    if not cells or falling is None:
        return Status(t("status.unknown"), "none", t("status.no_cells"))
    counts = {
        "status.falling_cells": falling,
        "status.rising_cells": row["cells_rising"] or 0,
        "status.no_trend_cells": row["cells_no_trend"] or 0,
        "status.insufficient_cells": row["cells_insufficient"] or 0,
    }
    stable = row["cells_stable"] or 0
    counts["status.unjudged_cells"] = cells - stable - sum(counts.values())
    parts = [t("status.stable_cells", n=stable, m=cells), *(t(k, n=n) for k, n in counts.items() if n > 0)]
    if finding:
        parts.append(t("status.finding_cells", n=finding))
    detail = " · ".join(parts)
    if falling:
        return Status(t("status.cells_falling", n=falling), "warn", detail)
    if finding:
        return Status(t("status.findings", n=finding), "warn", detail)
    if row["cells_insufficient"] == cells:
        return Status(t("verdict.insufficient_data"), "none", detail)
    return Status(t("status.no_falling"), "ok", detail)


def energy_text(row: dict, t: Texts) -> tuple[str, str]:
    """Return the energy of 30 days and a line below: of a battery what went in and out, and what it holds."""
    if row["charged_kwh_30d"] is not None or row["discharged_kwh_30d"] is not None:
        main, below = _battery_energy(row, t)
    else:
        main, below = _meter_energy(row, t)
    if row["energy_full_kwh"] is not None:
        full = t.with_unit(row["energy_full_kwh"], "kWh", 0)
        held = row["energy_held_kwh"]
        below.append(
            t("overview.full", full=full)
            if held is None
            else t("overview.held", value=t.with_unit(held, "kWh", 0), full=full)
        )
    if row["efc"] is not None:
        below.append(t("overview.efc_so_far", n=t.number(row["efc"], 0)))
    return main or DASH, " · ".join(below)


def _battery_energy(row: dict, t: Texts) -> tuple[str, list[str]]:
    main = t("overview.charged", value=t.with_unit(row["charged_kwh_30d"], "kWh"))
    out = t("overview.discharged", value=t.with_unit(row["discharged_kwh_30d"], "kWh"))
    return main, [f"{out} {t.code('overview.boundary', row['energy_boundary'])}"]


def _meter_energy(row: dict, t: Texts) -> tuple[str, list[str]]:
    main = "" if row["import_kwh_30d"] is None else f"{t.with_unit(row['import_kwh_30d'], 'kWh')} {t('word.import')}"
    below = [f"{t.with_unit(row['export_kwh_30d'], 'kWh')} {t('word.export')}"] if row["export_kwh_30d"] else []
    if row["peak_kw_30d"] is not None:
        below.append(f"{t('word.peak')} {t.with_unit(row['peak_kw_30d'], 'kW')}")
    if not main and below:
        main = below.pop(0)
    return main, below
