"""The columns of a group of files: families, ranges, sentinels, kinds, and the signal that each seems to be.

A family is judged on the values of all its columns in all files read. What one signal says of another (signs, sums,
offsets, units) corrects what the names suggest. Next: `judge.py` puts a group's report together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from energy_pipeline.compute.doctor import relations
from energy_pipeline.compute.doctor.look import FileLook
from energy_pipeline.compute.doctor.names import Family, Meaning, find_families, guess_meaning, unique_signals, words_of
from energy_pipeline.compute.doctor.relations import Series, make_series
from energy_pipeline.compute.doctor.values import Sentinel, ValueStats, describe_values, find_kind, find_sentinels

POOL_ROWS = 3_000_000
FLOW_WORDS = {"bat", "batt", "battery", "batterie", "bms", "pcs", "inverter"}
SUM_WORDS = {"com", "net", "total", "saldo", "sum", "combined"}


@dataclass
class ColumnReport:
    """One family of columns with everything that was found of it."""

    family: Family
    kind: str
    kind_why: str
    stats: ValueStats | None
    meaning: Meaning
    sentinels: list[Sentinel] = field(default_factory=list)
    single: list[float] = field(default_factory=list)
    offset: float = 0.0
    sign: int = 1
    notes: list[str] = field(default_factory=list)


Clock = tuple[NDArray[np.int64], NDArray[np.float64]]


def collect(looks: Sequence[FileLook]) -> dict[str, list[Clock]]:
    """Times [µs] and values of each column over all files; rows without a readable time left out."""
    found: dict[str, list[Clock]] = {}
    for look in looks:
        if look.time is None:
            continue
        ok = look.time.ok
        for name, values in look.numbers.items():
            found.setdefault(name, []).append((look.time.time_us[ok], values[ok]))
    return found


def judge_columns(data: dict[str, list[Clock]], *, regular: bool) -> list[ColumnReport]:
    """Judge every family of columns of a group.

    Args:
        data: per column its times and values by file (`collect`).
        regular: rows come at one step, so that a row may be the energy of an interval.
    """
    reports = []
    for family in find_families(data):
        pooled = np.concatenate([v for name in family.names for _, v in data[name]])
        sentinels, single = find_sentinels(pooled[:: max(1, len(pooled) // POOL_ROWS)])
        stats = describe_values(pooled, tuple(s.value for s in sentinels))
        times, values = _longest(data, family.names, tuple(s.value for s in sentinels))
        kind, why = find_kind(times, values)
        if stats is None:
            empty = Meaning("", "no values", known=False)
            reports.append(ColumnReport(family, "empty", "no values", None, empty))
            continue
        meaning = guess_meaning(family, kind, stats, step_is_regular=regular)
        if kind == "register":
            # A register that starts anew looks as if its old values were far away.
            sentinels = [s for s in sentinels if s.rows > 1]
        reports.append(ColumnReport(family, kind, why, stats, meaning, sentinels, single))
    for report, (_, meaning) in zip(reports, unique_signals([(r.family, r.meaning) for r in reports]), strict=True):
        report.meaning = meaning
    return reports


def _longest(data: dict[str, list[Clock]], names: Sequence[str], sentinels: tuple[float, ...]) -> Clock:
    name = max(names, key=lambda n: sum(len(v) for _, v in data[n]))
    times = np.concatenate([t for t, _ in data[name]])
    values = np.concatenate([v for _, v in data[name]])
    return times, np.where(np.isin(values, sentinels), np.nan, values)


def relate_columns(reports: list[ColumnReport], data: dict[str, list[Clock]]) -> list[str]:
    """Let signals of one device speak of each other; notes are added to the columns that they concern.

    Returns:
        the findings in words, those included that could not be told.
    """
    series = {r.meaning.signal: _series(r, data) for r in reports if not r.family.groups and r.stats is not None}
    by_signal = {r.meaning.signal: r for r in reports}
    said: list[str] = []
    said += _signs(series, by_signal)
    said += _registers(series, by_signal)
    said += _offsets(reports, data, series)
    said += _power_units(series, by_signal)
    return said


def _series(report: ColumnReport, data: dict[str, list[Clock]]) -> Series:
    clocks = data[report.family.names[0]]
    values = np.concatenate([v for _, v in clocks])
    return make_series(
        report.family.names[0], np.concatenate([t for t, _ in clocks]), values,
        tuple(s.value for s in report.sentinels),
    )


def _signs(series: dict[str, Series], by_signal: dict[str, ColumnReport]) -> list[str]:
    soc = next((s for n, s in series.items() if n.endswith("_soc") and len(s.time)), None)
    flows = [
        n for n, r in by_signal.items()
        if n in series and r.kind == "gauge" and r.stats is not None and r.stats.low < 0 < r.stats.high
        and (n.endswith("_c") or n.startswith("pcs") or words_of(r.family.names[0]) & FLOW_WORDS)
        and not n.endswith(("_t", "_v", "_soc", "_soh"))
    ]
    said = []
    for name in flows:
        if soc is None:
            said.append(f"sign of {series[name].name}: cannot be told from these files: no SOC")
            continue
        guess = relations.find_sign(series[name], soc)
        said.append(f"sign: {guess.evidence}")
        if guess.value:
            by_signal[name].notes.append(f"positive is {guess.value}")
    return said


def _registers(series: dict[str, Series], by_signal: dict[str, ColumnReport]) -> list[str]:
    ins = next((n for n in ("pos_ae", "aux_m_pos_ae") if n in series), None)
    outs = next((n for n in ("neg_ae", "aux_m_neg_ae") if n in series), None)
    if ins is None or outs is None:
        return []
    said = []
    for name, report in by_signal.items():
        if name not in series or name in {ins, outs} or report.kind not in {"register", "gauge"}:
            continue
        if not words_of(report.family.names[0]) & SUM_WORDS or not name.endswith("_ae"):
            continue
        guess = relations.find_net(series[name], series[ins], series[outs])
        said.append(f"registers: {guess.evidence}")
        if guess.value:
            report.notes.append("net register" if guess.value == "net" else "monotone sum of both directions")
            report.kind = "net register" if guess.value == "net" else "register"
    return said


def _offsets(
    reports: list[ColumnReport], data: dict[str, list[Clock]], series: dict[str, Series]
) -> list[str]:
    said = []
    known = series.get("bms1_cell_max_t")
    for report in reports:
        if known is None or "_p1_t{" not in report.meaning.signal:
            continue
        sentinels = tuple(s.value for s in report.sentinels)
        family = [
            make_series(n, np.concatenate([t for t, _ in data[n]]), np.concatenate([v for _, v in data[n]]), sentinels)
            for n in report.family.names
        ]
        guess = relations.find_offset(family, known)
        if guess.value:
            report.offset = float(guess.value)
            report.notes.append(f"offset {guess.value}: {guess.evidence}")
            said.append(f"offset of {report.family.title}: {guess.evidence}")
    return said


def _power_units(series: dict[str, Series], by_signal: dict[str, ColumnReport]) -> list[str]:
    register = series.get("pos_ae")
    if register is None:
        return []
    said = []
    for name, report in list(by_signal.items()):
        if report.meaning.known or name not in series or not words_of(report.family.names[0]) & {"grid", "netz"}:
            continue
        guess = relations.find_power_unit(series[name], register, series.get("neg_ae"))
        said.append(f"unit: {guess.evidence}")
        if guess.value and "com_ap" not in by_signal:
            factor = float(guess.value)
            report.sign = 1 if factor > 0 else -1
            report.meaning = replace(
                report.meaning, signal="com_ap", factor=abs(factor), known=True, why="power that the registers follow"
            )
            report.notes.append(guess.evidence)
    return said
