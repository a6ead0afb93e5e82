"""Files with known properties for the tests of the doctor, and the way from a proposed block to loaded readings."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from energy_pipeline.compute.doctor.judge import GroupReport
from energy_pipeline.doctor import Report
from energy_pipeline.loading.load import load_device
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.raw_files import discover
from energy_pipeline.settings import Settings, load_settings

NOW_S = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def wall_clock(zone: str, start: str, days: int, step_s: int = 900) -> list[datetime]:
    """Naive local times of a logger that runs through, in order of time."""
    first = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    steps = range(days * 86400 // step_s)
    return [(first + timedelta(seconds=i * step_s)).astimezone(ZoneInfo(zone)).replace(tzinfo=None) for i in steps]


def as_us(times: Iterable[datetime]) -> NDArray[np.int64]:
    """Naive times as microseconds since 1970."""
    return np.array([int(t.replace(tzinfo=UTC).timestamp()) * 1_000_000 for t in times], np.int64)


def write(path: Path, header: str, rows: Iterable[str], encoding: str = "utf-8") -> Path:
    """Write a text table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(("\n".join([header, *rows]) + "\n").encode(encoding))
    return path


def only_group(report: Report) -> GroupReport:
    """The one group of a report."""
    assert len(report.groups) == 1, [g.title for g in report.groups]
    return report.groups[0]


def fact(group: GroupReport, name: str) -> str:
    """A fact of a group."""
    return dict(group.facts)[name]


def paste(folder: Path, root: Path, block: str, more: str = "") -> Settings:
    """Write a proposed block into a settings file and read it back."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "energy.toml"
    path.write_text(f'roots = ["{root.resolve()}"]\nlake = "lake"\n{block}{more}', encoding="utf-8")
    return load_settings(path, environ={})


def load(settings: Settings, device: str, now_s: float = NOW_S) -> tuple[Lake, int]:
    """Load a device by settings; return the lake and how many rows were rejected."""
    found = discover(settings)
    assert found.problems == []
    lake = Lake(settings.lake)
    load_device(lake, settings, device, found.devices[device], now_s)
    return lake, int(lake.read("signals", device)["rows_rejected"].sum())
