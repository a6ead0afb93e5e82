"""`energy-pipeline doctor`: reads a folder that nobody has described and says what it sees.

Here files are found, grouped by what their headers share, sampled and handed to the finders in `compute/doctor`; the
block that comes out is tried on the rows that were read. Nothing is written. Next: `show_doctor.py` prints the report.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from energy_pipeline.compute import zones
from energy_pipeline.compute.doctor import clock
from energy_pipeline.compute.doctor.judge import GroupReport, judge_group
from energy_pipeline.compute.doctor.look import FileLook, look_at_csv, look_at_parquet
from energy_pipeline.compute.doctor.names import template_of
from energy_pipeline.compute.doctor.proposal import name_of, write_block, write_signal
from energy_pipeline.compute.doctor.sniff import Dialect, NotATableError, as_plain, find_dialect
from energy_pipeline.compute.doctor.times import parse_times
from energy_pipeline.doctor_files import (
    Sample,
    UnreadableError,
    block_at,
    is_candidate,
    parquet_names,
    peek,
    read_parquet_sample,
    read_sample,
)
from energy_pipeline.doctor_try import try_block
from energy_pipeline.signals import describe_signal

MAX_FILES = 50  # files read per group
NIGHT_FILES = 3  # long files whose nights of change are looked up
FIRST_QUANTITIES = {"soc", "system_current", "pcs_power", "net_energy", "import_energy", "export_energy",
                    "active_power", "cell_temperature_extreme"}


class NothingFoundError(ValueError):
    """There is no such path, or nothing in it that could hold a table."""


@dataclass
class Report:
    """Everything that was found below a path."""

    root: Path
    groups: list[GroupReport] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Head:
    path: str
    location: Path
    dialect: Dialect | None
    columns: tuple[str, ...]
    plain: bool


def examine(path: Path, progress: Callable[[str], None] = lambda _: None) -> Report:
    """Look at a folder or one file.

    Args:
        path: a folder, which becomes the data root, or a file, whose folder does.
        progress: told which group is being read.

    Raises:
        NothingFoundError: the path does not exist, or holds no file that could be a table.
    """
    if not path.exists():
        msg = f"{path} does not exist"
        raise NothingFoundError(msg)
    root = path if path.is_dir() else path.parent
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    report = Report(root)
    heads = _heads(files, root, report)
    groups = _grouped(heads)
    if not groups and not report.unreadable:
        msg = f"{path} holds no file that could be a table (CSV, text, gzip, zip or Parquet); found {len(files)} files"
        raise NothingFoundError(msg)
    homes = Counter(str(Path(members[0].path).parent) for members in groups)
    taken: set[str] = set()
    for members in groups:
        progress(members[0].path)
        try:
            report.groups += _judge(members, root, homes, taken)
        except (NotATableError, UnreadableError) as error:
            report.unreadable += [(h.path, str(error)) for h in members]
    return report


def _heads(files: list[Path], root: Path, report: Report) -> list[_Head]:
    heads = []
    for file in files:
        relative = file.relative_to(root).as_posix()
        if any(part.startswith(".") for part in Path(relative).parts) or not is_candidate(file):
            report.ignored.append(relative)
            continue
        try:
            heads.append(_head(relative, file))
        except (NotATableError, UnreadableError) as error:
            if file.suffix.lower() == ".txt":  # licences and notes
                report.ignored.append(f"{relative} ({error})")
            else:
                report.unreadable.append((relative, str(error)))
    return heads


def _head(relative: str, file: Path) -> _Head:
    if file.name.lower().endswith(".parquet"):
        return _Head(relative, file, None, parquet_names(file), plain=False)
    data = peek(file)
    dialect = find_dialect(data)
    try:
        look = look_at_csv(relative, 0, [data[: data.rfind(b"\n") + 1 or None]], dialect, complete=False)
    except NotATableError:
        return _Head(relative, file, dialect, dialect.columns, plain=False)
    return _Head(relative, file, dialect, dialect.columns, look.needs_nothing)


def _grouped(heads: list[_Head]) -> list[list[_Head]]:
    """Group files of one folder whose headers differ in numbers and single letters only."""
    groups: dict[tuple[object, ...], list[_Head]] = defaultdict(list)
    for head in heads:
        folder = str(Path(head.path).parent)
        if head.plain:
            groups[folder, "plain"].append(head)
            continue
        d = head.dialect
        shape = tuple(dict.fromkeys(template_of(c) for c in head.columns))
        written = (d.separator, d.decimal, d.encoding) if d else ("parquet",)
        groups[folder, written, shape].append(head)
    return list(groups.values())


def _chosen(members: list[_Head]) -> list[_Head]:
    """At most 50 files: those that others are compared with first, then evenly over the rest."""
    if len(members) <= MAX_FILES:
        return members

    def wanted(head: _Head) -> bool:
        return any(describe_signal(c.lower()).rule.quantity in FIRST_QUANTITIES for c in head.columns)

    first = [h for h in members if wanted(h)][: MAX_FILES // 2]
    rest = [h for h in members if h not in first]
    return first + [rest[int(i)] for i in np.linspace(0, len(rest) - 1, MAX_FILES - len(first))]


def _judge(members: list[_Head], root: Path, homes: Counter[str], taken: set[str]) -> list[GroupReport]:
    chosen = _chosen(members)
    looks, raws = [], []
    for number, head in enumerate(chosen):
        look, raw = _look(head, nights=number < NIGHT_FILES)
        looks.append(look)
        raws.append(raw)
    plain = members[0].plain
    if not plain and len(members) > 1 and _several_devices(members, looks):
        return [_report([h], [k], [r], root, taken, alone=False, plain=False)
                for h, k, r in zip(chosen, looks, raws, strict=True)]
    alone = homes[str(Path(members[0].path).parent)] == 1
    return [_report(members, looks, raws, root, taken, alone=alone, plain=plain)]


def _several_devices(members: list[_Head], looks: list[FileLook]) -> bool:
    """True where files have the same columns and overlap in time: they cannot be one device."""
    if len({h.columns for h in members}) > 1:
        return False
    spans = sorted(
        (int(k.time.time_us[k.time.ok].min()), int(k.time.time_us[k.time.ok].max()))
        for k in looks if k.time is not None and k.time.ok.any()
    )
    return any(b[0] < a[1] - (a[1] - a[0]) // 2 for a, b in pairwise(spans))


def _report(
    members: list[_Head], looks: list[FileLook], raws: list[object], root: Path, taken: set[str], *, alone: bool,
    plain: bool,
) -> GroupReport:
    paths = [h.path for h in members]
    parent = Path(paths[0]).parent
    home = parent.name if str(parent) != "." else (root.resolve().name or "root")
    stem = re.sub(r"(\.(csv|txt|tsv|zip|gz|parquet))+$", "", Path(paths[0]).name, flags=re.IGNORECASE)
    device = name_of(home if alone else stem)
    if device in taken:  # two blocks of one device would be read as one
        device = name_of(re.sub(r"[/.]+", "-", paths[0] if not alone else str(parent)))
    taken.add(device)
    report = GroupReport(
        f"{parent.as_posix()}/: {len(members)} file{'s' if len(members) > 1 else ''}", paths, len(looks)
    )
    judge_group(report, looks, device, _glob(paths, parent, alone=alone), plain=plain)
    if report.plan is not None:
        report.block = write_block(report.plan)
        report.tried = try_block(report.block, looks, raws)
    elif plain and not report.problems:
        report.block = _corrections(report, device)
    return report


def _glob(paths: list[str], parent: Path, *, alone: bool) -> str:
    folder = "" if str(parent) == "." else parent.as_posix() + "/"
    if len(paths) == 1:
        return re.sub(r"([\[*?])", r"[\1]", paths[0])
    names = [Path(p).name for p in paths]
    suffix = re.search(r"(\.csv|\.txt|\.tsv)?(\.gz|\.zip|\.parquet)?$", names[0])
    ending = suffix.group(0) if suffix else ""
    if alone:
        return f"{folder}*{ending}"
    common = names[0]
    while common and not all(n.startswith(common) for n in names):
        common = common[:-1]
    return f"{folder}{common}*{ending}"


def _corrections(report: GroupReport, device: str) -> str | None:
    """What settings should say of files that are read without a description: the zone, a register's kind."""
    parts = []
    zone = dict(report.facts).get("zone", "").split(":")[0]
    if zone in clock.FAMILIES:
        parts.append(f'[[device]]\nname = "{device}"\nzone = "{zone}"\n')
    for column in report.columns:
        info = describe_signal(column.meaning.signal)
        if info.rule.kind == "net_counter" and "monotone sum of both directions" in column.notes:
            remark = "the sum of import and export, not their balance"
            parts.append(write_signal(column.meaning.signal, "counter", remark))
    return "\n".join(parts) or None


def _look(head: _Head, *, nights: bool) -> tuple[FileLook, object]:
    """Sample one file; return what it holds, and the rows as read (to try the block on)."""
    if head.dialect is None:
        table, complete, rows = read_parquet_sample(head.location)
        return look_at_parquet(head.path, head.location.stat().st_size, table, complete=complete, rows=rows), table
    sample = read_sample(head.location)
    dialect = head.dialect
    if dialect.encoding == "utf-16":  # cannot be continued in the middle
        sample.pieces, sample.complete = sample.pieces[:1], len(sample.pieces) == 1
    sample.pieces[0], dialect = as_plain(sample.pieces[0], dialect)
    look = look_at_csv(head.path, sample.size, sample.pieces, dialect, complete=sample.complete)
    if nights and sample.offsets and not sample.complete and look.time is not None and not look.time.is_utc:
        sample.pieces = _with_nights(head, sample, look)
        look = look_at_csv(head.path, sample.size, sample.pieces, dialect, complete=False)
    return look, sample.pieces


def _with_nights(head: _Head, sample: Sample, look: FileLook) -> list[bytes]:
    """Add blocks around the nights of change that lie in the unread part of a long file."""
    time, dialect = look.time, look.dialect
    if time is None or dialect is None:
        return sample.pieces
    place = dialect.columns.index(time.name)

    def time_of(line: bytes) -> int | None:
        cells = line.decode(dialect.encoding, errors="replace").strip("\r").split(dialect.separator)
        if place >= len(cells):
            return None
        us, ok, _ = parse_times(pl.Series([cells[place].strip(' "')]), time.format)
        return int(us[0]) if ok[0] else None

    good = time.time_us[time.ok]
    instants = {c.at + max(c.before, c.after)
                for changes in clock.family_changes(int(good.min()), int(good.max())).values() for c in changes}
    have = np.sort(good)
    blocks = []
    for at in sorted(instants):
        near = int(np.searchsorted(have, at + zones.HOUR) - np.searchsorted(have, at - 3 * zones.HOUR))
        if near < 4 and int(good.min()) < at < int(good.max()):
            blocks.append((at, block_at(head.location, sample, time_of, at)))
    return [*sample.pieces[:1], *(b for _, b in blocks if b), *sample.pieces[1:]]
