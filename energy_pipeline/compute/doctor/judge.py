"""A group of files that look alike: its report in words, and the plan of the block that reads it.

Everything is stated with its evidence; what the files do not tell is said to be unknown and never filled in silently.
Next: `proposal.py` writes the plan as TOML.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from energy_pipeline.compute.doctor import clock
from energy_pipeline.compute.doctor.clock import Guess, Sampling
from energy_pipeline.compute.doctor.columns import Clock, ColumnReport, collect, judge_columns, relate_columns
from energy_pipeline.compute.doctor.long_files import LongShape, find_long, judge_long, split_long
from energy_pipeline.compute.doctor.look import FileLook
from energy_pipeline.compute.doctor.proposal import ColumnPlan, SourcePlan, name_of
from energy_pipeline.compute.doctor.times import says_utc
from energy_pipeline.compute.zones import from_us

REGULAR_SHARE = 0.9


@dataclass
class GroupReport:
    """What was found in one group of files."""

    title: str
    files: list[str]
    read: int
    facts: list[tuple[str, str]] = field(default_factory=list)
    columns: list[ColumnReport] = field(default_factory=list)
    relations: list[str] = field(default_factory=list)
    ignored: list[tuple[str, str]] = field(default_factory=list)
    plan: SourcePlan | None = None
    block: str | None = None
    tried: str = ""
    problems: list[str] = field(default_factory=list)


def judge_group(report: GroupReport, looks: Sequence[FileLook], device: str, glob: str, *, plain: bool) -> GroupReport:
    """Fill a group's report from its sampled files, and plan its block unless the files need none."""
    first = looks[0]
    _state_format(report, looks)
    time = first.time
    if time is None:
        report.problems.append("no time column found: the reader cannot take these files" + "".join(
            f"; {r}" for r in first.remarks))
        return report
    report.ignored += [(n, "text, not numbers") for n in first.texts]
    report.ignored += [(t.name, f"a second time beside {time.name!r}") for t in first.times[1:]]
    report.ignored += [("other", r) for r in first.remarks]
    shape = find_long(first)
    data = split_long(looks, shape) if shape else collect(looks)
    if not data:
        report.problems.append("no column of numbers beside the time: there is nothing to read")
        return report
    sampled = _sampling(looks, data if shape else None)
    regular = bool(sampled and _regular(data, sampled.median_s))
    report.facts.append(("time", f"{time.name!r}, {time.format}: {time.evidence}"))
    _state_sampling(report, sampled)
    zone, device_zone = _state_zone(report, looks)
    report.columns = judge_long(looks, shape, data) if shape else judge_columns(data, regular=regular)
    report.relations = relate_columns(report.columns, data)
    interval = any("_interval" in c.meaning.signal for c in report.columns)
    label = _state_label(report, looks, sampled, interval=interval)
    for column in [c for c in report.columns if c.stats is None]:
        report.ignored.append((column.family.title, "empty"))
    usable = [c for c in report.columns if c.stats is not None]
    if shape:
        report.ignored = [i for i in report.ignored if i[0] != shape.key]
        report.ignored += [(n, f"a long file: the value is {shape.value!r}") for n in first.numbers
                           if n not in {shape.value, shape.factor}]
    if not usable or (plain and not interval):  # the reader knows the layout, the length of an interval is in no file
        return report
    report.plan = _plan(looks, report, usable, shape, (device, glob), zone, device_zone)
    _plan_label(report.plan, label, sampled, interval=interval)
    return report


def _state_format(report: GroupReport, looks: Sequence[FileLook]) -> None:
    d = looks[0].dialect
    if d is None:
        report.facts.append(("format", "Parquet"))
    else:
        report.facts.append(("format", f"CSV, {d.encoding}; " + "; ".join(d.evidence)))
        if d.preamble:
            report.problems.append(f"{d.preamble} lines stand above the header: the reader takes the first line as the "
                                   "header and cannot skip lines; remove them")
    partial = sum(not look.complete for look in looks)
    if partial:
        report.facts.append(("read", f"{partial} of {len(looks)} files only in part: both ends, blocks between them "
                                     "and nights of change; what happens elsewhere is not seen"))


def _sampling(looks: Sequence[FileLook], keyed: dict[str, list[Clock]] | None) -> Sampling | None:
    if keyed:
        longest = max(keyed.values(), key=lambda v: sum(len(t) for t, _ in v))
        return clock.find_sampling(np.concatenate([t for t, _ in longest]))
    found = []
    for look in looks:
        if look.time is not None:
            sampled = clock.find_sampling(look.time.time_us[look.time.ok], look.starts if look.time.ok.all() else ())
            if sampled is not None:
                found.append(sampled)
    if not found:
        return None
    return Sampling(
        sum(s.rows for s in found), min(s.first_us for s in found), max(s.last_us for s in found),
        float(np.median([s.median_s for s in found])), float(np.median([s.p95_s for s in found])),
        max(s.longest_s for s in found), sum(s.gaps for s in found), sum(s.backward for s in found),
        sum(s.repeated for s in found),
    )


def _regular(data: dict[str, list[Clock]], step_s: float) -> bool:
    """True where rows come at one step, as the energy of intervals must."""
    times = np.unique(next(iter(data.values()))[0][0])
    steps = np.diff(times)
    return bool(len(steps) and (np.abs(steps - step_s * 1e6) < 1e6).mean() > REGULAR_SHARE and step_s >= 60)


def _state_sampling(report: GroupReport, s: Sampling | None) -> None:
    if s is None:
        return
    report.facts.append(("span", f"{from_us(s.first_us):%Y-%m-%d %H:%M:%S} to {from_us(s.last_us):%Y-%m-%d %H:%M:%S} "
                                 f"as written, {s.rows:,} rows read"))
    report.facts.append(("sampling", f"median {s.median_s:g} s, p95 {s.p95_s:g} s, {s.gaps} gaps of over 5 × the "
                                     f"median (longest {s.longest_s:,.0f} s); {s.backward} steps back, "
                                     f"{s.repeated} rows repeat a time"))


def _state_zone(report: GroupReport, looks: Sequence[FileLook]) -> tuple[str | None, str | None]:
    """State the zone of the clock; return (zone of the source, zone of the device where an instant proves it)."""
    time = looks[0].time
    if time is None:
        return None, None
    if time.is_utc:
        beside = next((t for t in looks[0].times[1:] if not t.is_utc), None)
        said = f"{time.name!r} names instants ({time.format}), nothing to guess"
        if time.offsets:
            said += "; offsets written: " + ", ".join(f"{k} × {n}" for k, n in sorted(time.offsets.items()))
        if beside is None:
            report.facts.append(("zone", said + "; the zone of the device's local days cannot be told"))
            return None, None
        both = time.ok & beside.ok
        guess, _ = clock.compare_clocks(time.time_us[both], beside.time_us[both])
        report.facts.append(("zone", f"{said}; {beside.name!r} beside it: {guess.evidence}"))
        return None, guess.value
    if says_utc(time.name):
        report.facts.append(("zone", f"UTC: the header says so ({time.name!r})"))
        return "UTC", None
    guess = clock.find_zone(_clocks(looks))
    report.facts.append(("zone", (f"{guess.value}: " if guess.value else "") + guess.evidence))
    return guess.value, None


def _clocks(looks: Sequence[FileLook]) -> list[tuple[np.ndarray, float]]:
    found = []
    for look in looks:
        if look.time is not None and not look.time.is_utc:
            local = look.time.time_us[look.time.ok]
            sampled = clock.find_sampling(local, look.starts if look.time.ok.all() else ())
            if sampled is not None:
                found.append((local, sampled.median_s))
    return found


def _state_label(
    report: GroupReport, looks: Sequence[FileLook], sampled: Sampling | None, *, interval: bool
) -> Guess:
    time = looks[0].time
    if time is None or sampled is None:
        return Guess(None, "")
    local = time.time_us[time.ok]
    wrong = clock.count_old_midnights(local)
    if not interval and not wrong:
        return Guess(None, "")
    guess = clock.find_label(local, sampled.median_s)
    report.facts.append(("label", f"{guess.value or 'cannot be told'}: {guess.evidence}"))
    return guess


def _plan(
    looks: Sequence[FileLook], report: GroupReport, usable: Sequence[ColumnReport], shape: LongShape | None,
    place: tuple[str, str], zone: str | None, device_zone: str | None,
) -> SourcePlan:
    first, (device, glob) = looks[0], place
    d, time = first.dialect, first.time
    plan = SourcePlan(
        name=name_of(device), glob=glob, device=device, columns=[plan_column(c) for c in usable],
        format="parquet" if d is None else "csv", zone=zone, device_zone=device_zone,
        time_column=time.name if time else "ts", time_format=time.format if time else "iso",
    )
    if d is not None:
        plan.separator, plan.decimal, plan.encoding = d.separator, d.decimal, d.encoding
    if shape is not None:
        plan.key_column, plan.value_column, plan.factor_column = shape.key, shape.value, shape.factor
    said = dict(report.facts).get("zone", "")
    if zone is None and time is not None and not time.is_utc:
        plan.remarks["zone"] = f"{said}. Set it: until then the device's zone counts, by default Europe/Berlin"
    elif zone:
        plan.remarks["zone"] = said
    if time is not None and "CANNOT BE TOLD" in time.evidence:
        plan.remarks["time_format"] = time.evidence
    return plan


def plan_column(column: ColumnReport) -> ColumnPlan:
    """Turn a judged family into a line of the block."""
    m = column.meaning
    remark = "; ".join(x for x in (m.remark, *column.notes) if x)
    return ColumnPlan(
        m.signal, None if column.family.groups else column.family.names[0], column.family.pattern, m.factor,
        column.offset, column.sign, tuple(s.value for s in column.sentinels), m.kind, remark,
    )


def _plan_label(plan: SourcePlan, label: Guess, sampled: Sampling | None, *, interval: bool) -> None:
    if sampled is not None and (interval or label.value == "end"):
        plan.interval_s = float(round(sampled.median_s))
    if label.value == "end":
        plan.label = "end"
        plan.remarks["label"] = label.evidence
        if "00:00 carry" in label.evidence:
            plan.midnight = "next_day"
    elif interval:
        plan.remarks["label"] = label.evidence if label.value else f"cannot be told ({label.evidence}): start taken"
