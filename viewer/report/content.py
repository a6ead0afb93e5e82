"""The parts of a report in order: four questions, verdicts, cells, capacity, energy, alarms, data, evidence.

A figure that no table holds is a dash, never a guess. Next: `pack.py`, which writes the report.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from energy_pipeline.schemas import TABLES
from energy_pipeline.settings import Settings
from viewer.check_texts import with_words
from viewer.report import battery, meter
from viewer.report.blocks import Figure, Grid, Question, Section
from viewer.report.common import last_known
from viewer.report.snapshot import Snapshot
from viewer.texts import Texts

# The tables that a report stands on; the long ones (readings, 5 min to 1 h, single charges) stay in the lake.
EVIDENCE = (
    "fleet_summary", "signals", "source_files", "rejected_readings", "counter_events", "resolution_1d", "meter_daily",
    "meter_peaks", "meter_balance", "meter_costs", "charge_cycles", "sat_daily", "sat_explained", "regimes",
    "degradation_fits", "capacity", "cell_health", "battery_days", "battery_energy", "auxiliary_fit", "rainflow",
    "resistance", "resistance_trends", "alarm_events", "device_evidence", "check_results",
)


class UnknownDevice(LookupError):  # noqa: N818 - named as states
    """The tables of that date know no such device; the message names those that there are."""


@dataclass(frozen=True)
class Report:
    """A report before it is written: its head, its sections, and the tables behind it."""

    device: str
    title: str
    subtitle: str
    sections: list[Section]
    tables: dict[str, pl.DataFrame]


def compile_report(snapshot: Snapshot, settings: Settings, device: str, lang: str) -> Report:
    """Gather everything that the tables say of a device.

    Raises:
        UnknownDevice: there is no such device at that date.
        SnapshotGone: a table of that date cannot be read any more.
    """
    t, zone = Texts(lang), settings.zone_of(device)
    signals = snapshot.read("signals", device)
    if signals.is_empty():
        raise UnknownDevice(_known_devices(snapshot, device))
    tables = {name: snapshot.read(name, device) for name in EVIDENCE}
    tables = {name: rows for name, rows in tables.items() if len(rows)} | {"signals": signals}

    def rows(name: str) -> pl.DataFrame:
        return tables[name] if name in tables else _empty(name)

    sections = [Section(t("report.questions"), questions=_questions(tables, t))]
    if rows("fleet_summary")["device_kind"].to_list() == ["bess"] or "sat_daily" in tables:
        fits = rows("degradation_fits")
        sections += [
            battery.degradation(fits, t), battery.cells(rows("cell_health"), fits, t),
            battery.cell_map(rows("sat_daily"), device, t), battery.regimes(rows("regimes"), t),
            battery.capacity(rows("capacity"), settings.battery_of(device), t),
            battery.energy(rows("battery_energy"), device, t), battery.alarms(rows("alarm_events"), t, zone),
        ]
    if "meter_daily" in tables:
        sections.append(meter.energy(tables["meter_daily"], rows("meter_peaks"), device, t, zone))
    sections.append(_data(tables, t))
    subtitle = t(
        "report.subtitle", first=t.date(_day(signals["first_ts"].min(), zone)),
        last=t.date(_day(signals["last_ts"].max(), zone)), zone=zone.key, written=t.datetime(snapshot.written),
    )
    return Report(device, t("report.title", device=device), subtitle, sections, tables)


def evidence_section(files: Mapping[str, tuple[int, str]], snapshot: Snapshot, lang: str) -> Section:
    """The files behind the report with rows and digests, and the versions they were read from."""
    t = Texts(lang)
    body = [
        [f"tables/{name}.csv", t.number(count, 0), str(snapshot.versions[name].number),
         t.datetime(snapshot.versions[name].written), digest]
        for name, (count, digest) in files.items()
    ]
    header = [t("report.file"), t("report.row_count"), t("report.version"), t("report.written"), "SHA-256"]
    return Section(
        t("report.evidence"), grids=[Grid(header, body, frozenset({1, 2}), frozenset({4}))],
        notes=[t("report.evidence_note")],
    )


def _known_devices(snapshot: Snapshot, device: str) -> str:
    known = snapshot.devices()
    return f"there is no device {device!r}" + (f" by {snapshot.as_of}" if snapshot.as_of else "") + (
        f"; there are {', '.join(known)}" if known else "; there is none"
    )


def _empty(name: str) -> pl.DataFrame:
    return TABLES[name].empty()


def _day(moment: Any, zone: ZoneInfo) -> date | None:
    return None if moment is None else moment.astimezone(zone).date()


def _questions(tables: Mapping[str, pl.DataFrame], t: Texts) -> list[Question]:
    summary = tables.get("fleet_summary")
    line = summary.row(0, named=True) if summary is not None and len(summary) else {}
    working = Question(t("report.working"), _working(tables, line, t))
    if line.get("device_kind") != "bess":
        return [working]
    return [
        Question(t("report.safe"), _safe(line, t)), working, Question(t("report.energy"), _energy(tables, line, t)),
        Question(t("report.trend"), _trend(tables, line, t)),
    ]


def _safe(line: Mapping, t: Texts) -> list[Figure]:
    opened, findings = line["alarms_open"], line["cells_with_finding"]
    return [
        Figure(
            t("report.alarms_open"), t.number(opened, 0),
            t("report.alarm_hours", hours=t.number(line["alarm_hours_30d"], 1)), _state(opened),
        ),
        Figure(t("report.hottest"), _unit(t.number(line["temperature_max_30d_c"], 1), "°C")),
        Figure(
            t("report.findings"), t.number(findings, 0), t("report.of_cells", n=line["cells"] or 0),
            _state(findings),
        ),
    ]


def _working(tables: Mapping[str, pl.DataFrame], line: Mapping, t: Texts) -> list[Figure]:
    figures = [Figure(t("report.coverage"), t.percent(line.get("coverage_30d"), 1))]
    if line.get("availability_30d") is not None:
        figures.insert(0, Figure(
            t("report.available"), t.percent(line["availability_30d"], 1), t("report.available_note"),
        ))
    checks = tables.get("check_results")
    if checks is not None:
        passed = int(checks["passed"].sum())
        state = "ok" if passed == len(checks) else "bad"
        figures.append(Figure(t("report.checks"), f"{passed} / {len(checks)}", "", state))
    return figures


def _energy(tables: Mapping[str, pl.DataFrame], line: Mapping, t: Texts) -> list[Figure]:
    days = tables.get("capacity", _empty("capacity")).sort("day")
    bms = t.number(line["soh_bms_percent"], 1)
    return [
        Figure(
            t("report.capacity"), _unit(t.number(line["capacity_percent"], 2), "%"),
            t("report.capacity_note", bms=_unit(bms, "%")),
        ),
        Figure(
            t("report.efc"), t.number(last_known(days, "efc_ah"), 1),
            t("report.efc_note", energy=t.number(last_known(days, "efc_energy"), 1),
              soc=t.number(last_known(days, "efc_soc"), 1)),
        ),
        Figure(
            t("report.round_trip"),
            _unit(t.number(last_known(days, "round_trip_percent"), 1), "%"), t("report.round_trip_note"),
        ),
        *_ac_round_trips(tables, t),
    ]


def _ac_round_trips(tables: Mapping[str, pl.DataFrame], t: Texts) -> list[Figure]:
    """One figure per AC boundary that is measured; the meter's own name stands beside its boundary."""
    days = tables.get("battery_energy", _empty("battery_energy")).sort("day")
    figures = []
    for column, boundary in (
        ("round_trip_ac_percent", "ac"), ("round_trip_ac_aux_percent", "ac_aux"), ("round_trip_site_percent", "site"),
    ):
        value = last_known(days, column)
        if value is not None:
            meter = days["site_meter"].drop_nulls()[-1] if boundary == "site" else None
            note = t("report.boundary", boundary=t(f"energy.{boundary}"), meter=f" {meter}" if meter else "")
            figures.append(Figure(t("report.round_trip_ac"), _unit(t.number(value, 1), "%"), note))
    return figures


def _trend(tables: Mapping[str, pl.DataFrame], line: Mapping, t: Texts) -> list[Figure]:
    fits = tables.get("degradation_fits", _empty("degradation_fits"))
    system = fits.filter((pl.col("level") == "system") & (pl.col("quantity") == "sat_index_percent"))
    verdict = t.code("verdict", system["verdict"][0]) if len(system) else t.code("verdict", None)
    counts = " / ".join(t.number(line[f"cells_{k}"], 0) for k in ("falling", "rising", "stable"))
    rest = t(
        "report.cells_open", none=t.number(line["cells_no_trend"], 0), few=t.number(line["cells_insufficient"], 0)
    )
    slope = battery.slope_text(system.row(0, named=True), t) if len(system) else ""
    return [
        Figure(t("report.system_verdict"), verdict, slope),
        Figure(t("report.cells_by_verdict"), counts, rest),
    ]


def _state(count: float | None) -> str:
    return "" if count is None else "ok" if count == 0 else "warn"


def _unit(text: str, unit: str) -> str:
    return text if text == "–" else f"{text} {unit}"


def _data(tables: Mapping[str, pl.DataFrame], t: Texts) -> Section:
    section, signals = Section(t("report.data")), tables["signals"]
    places = ("read", "accepted", "rejected", "duplicate", "conflict")
    counts = {n: t.number(signals[f"rows_{n}"].sum(), 0) for n in places}
    section.text.append(t("report.rows", **counts))
    if "counter_events" in tables:
        section.text.append(t("report.events", n=len(tables["counter_events"])))
    if "rejected_readings" in tables:
        reasons = tables["rejected_readings"].group_by("reason").len().sort("len", "reason", descending=[True, False])
        body = [[t.code("reject", r["reason"]), t.number(r["len"], 0)] for r in reasons.iter_rows(named=True)]
        section.grids.append(Grid([t("word.reason"), t("quality.rows")], body, frozenset({1})))
    failed = tables.get("check_results", _empty("check_results")).filter(~pl.col("passed")).sort("table", "check")
    if len(failed):
        body = [
            [
                r["table"], r["check"], t.number(r["failed_rows"], 0), r["limit"], r["advice"],
            ]
            for r in with_words(failed, t).iter_rows(named=True)
        ]
        section.text.append(t("report.failed_checks"))
        header = [t("word.table"), t("quality.check"), t("quality.failed_rows"), t("word.value"), t("quality.advice")]
        section.grids.append(Grid(header, body, frozenset({2})))
    return section
