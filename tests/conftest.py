"""Shared fixtures: `site`, a small plant on disk with its settings and lake, and the profile of hypothesis.

A test writes files, loads, and compares tables; times are fixed, so nothing depends on the clock of the machine.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, settings

from energy_pipeline import work
from energy_pipeline.aggregation import aggregate_months
from energy_pipeline.loading.load import LoadReport, load_device
from energy_pipeline.loading.owners import owners_of
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.raw_files import RawFile, discover
from energy_pipeline.schemas.resolution import LEVELS
from energy_pipeline.settings import Settings, load_settings

LONG = ("slow", "realdata")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests first, so that no process is left alone at the end; those with a browser last.

    Playwright leaves an event loop in its process, in which `asyncio.run` of later tests would fail.
    """
    long = {item.path for item in items if any(item.get_closest_marker(mark) for mark in LONG)}
    browser = {item.path for item in items if item.get_closest_marker("browser")}
    items.sort(key=lambda item: 2 if item.path in browser else 0 if item.path in long else 1)


# Settings of whoever runs the tests must not reach them.
for _name in ("ENERGY_SETTINGS", "METER_ROOTS", "ENERGY_LAKE"):
    os.environ.pop(_name, None)

settings.register_profile(
    "short", deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
settings.register_profile("hunt", settings.get_profile("short"), derandomize=False, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))  # `hunt` looks for new counterexamples

NOW_S = datetime(2025, 1, 15, tzinfo=UTC).timestamp()
RESOLUTION_TABLES = tuple(f"resolution_{level}" for level in LEVELS)


@dataclass
class Site:
    """A data root, a lake and the settings between them."""

    folder: Path
    toml: str = ""
    now_s: float = NOW_S
    workers: int = 2
    _clock: int = field(default=0)

    @property
    def root(self) -> Path:
        """The data root."""
        return self.folder / "raw"

    @property
    def settings(self) -> Settings:
        """Settings as the file gives them now."""
        self.root.mkdir(parents=True, exist_ok=True)
        path = self.folder / "energy.toml"
        path.write_text(f'roots = ["raw"]\nlake = "lake"\nworkers = {self.workers}\n{self.toml}', encoding="utf-8")
        return load_settings(path, environ={})

    @property
    def lake(self) -> Lake:
        """The lake."""
        return Lake(str(self.folder / "lake"))

    def write(self, path: str, content: str | bytes, *, append: bool = False, age_s: float = 3600.0) -> Path:
        """Write or extend a file below the root; its time of change is `age_s` before now and never repeats."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        with target.open("ab" if append else "wb") as handle:
            handle.write(data)
        self.touch(path, age_s)
        return target

    def touch(self, path: str, age_s: float = 3600.0) -> None:
        """Set a file's time of change, one microsecond later than the last time."""
        self._clock += 1000
        moment = int((self.now_s - age_s) * 1e9) + self._clock
        os.utime(self.root / path, ns=(moment, moment))

    def files(self, device: str = "m1") -> list[RawFile]:
        """The device's files as discovered."""
        return discover(self.settings).devices.get(device, [])

    def load(self, device: str = "m1", now_s: float | None = None) -> LoadReport:
        """Load what is new."""
        devices = discover(self.settings).devices
        now = self.now_s if now_s is None else now_s
        return load_device(
            self.lake, self.settings, device, devices.get(device, []), now, owners=owners_of(self.lake, devices)
        )

    def due(self, device: str = "m1") -> list[str]:
        """Months for which a resolution table is behind the readings."""
        return work.due_months(self.lake, self.settings, device, RESOLUTION_TABLES)

    def aggregate(self, device: str = "m1") -> list[str]:
        """Compute every resolution month that is due; return them."""
        months = self.due(device)
        if months:
            aggregate_months(self.lake, self.settings, device, months)
        return months

    def readings(self, signal: str | None = None, device: str = "m1") -> pl.DataFrame:
        """Stored readings in order."""
        frame = self.lake.read("readings", device).sort("signal", "ts")
        return frame if signal is None else frame.filter(pl.col("signal") == signal)

    def rejects(self, device: str = "m1") -> pl.DataFrame:
        """Refused rows in order of file and line."""
        return self.lake.read("rejected_readings", device).sort("path", "line", "signal", "ts", "value")

    def account(self, signal: str, device: str = "m1") -> dict[str, object]:
        """The row of `signals`."""
        return self.lake.read("signals", device).row(by_predicate=pl.col("signal") == signal, named=True)

    def level(self, level: str, signal: str | None = None, device: str = "m1") -> pl.DataFrame:
        """Rows of a resolution table in order."""
        frame = self.lake.read(f"resolution_{level}", device).sort("signal", "ts")
        return frame if signal is None else frame.filter(pl.col("signal") == signal)

    def tables(self, device: str = "m1", *, resolution: bool = True) -> dict[str, pl.DataFrame]:
        """Everything that must not depend on the way the files took, in a comparable form."""
        found = {
            "readings": self.readings(device=device),
            "rejects": self.rejects(device).filter(pl.col("reason") != "conflict")
            .select("signal", "ts", "value", "raw", "reason").sort(pl.all()),
            "conflicts": self.rejects(device).filter(pl.col("reason") == "conflict")
            .select("signal", "ts", "value").sort(pl.all()),
            "signals": self.lake.read("signals", device).drop("load").sort("signal"),
            "counter_events": self.lake.read("counter_events", device).sort("signal", "ts"),
        }
        if resolution:
            found |= {name: self.lake.read(name, device).sort("signal", "ts") for name in RESOLUTION_TABLES}
        return found


def assert_same_tables(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame]) -> None:
    """Fail with the table's name and the rows that only one side has."""
    assert one.keys() == other.keys()
    for name, left in one.items():
        right = other[name]
        if left.equals(right):
            continue
        only_left = left.join(right, on=left.columns, how="anti", nulls_equal=True)
        only_right = right.join(left, on=left.columns, how="anti", nulls_equal=True)
        raise AssertionError(
            f"{name}: {len(left)} and {len(right)} rows\nonly in the first:\n{only_left.head(5).to_dicts()}\n"
            f"only in the second:\n{only_right.head(5).to_dicts()}"
        )


def assert_closed(site: Site, device: str = "m1") -> None:
    """The accounting of every signal closes and agrees with the tables."""
    signals = site.lake.read("signals", device)
    readings = site.readings(device=device)
    assert readings.select("signal", "ts").is_duplicated().sum() == 0
    stored = dict(readings.group_by("signal").len().iter_rows())
    for row in signals.iter_rows(named=True):
        parts = row["rows_accepted"] + row["rows_rejected"] + row["rows_duplicate"] + row["rows_conflict"]
        assert row["rows_read"] == parts, row
        assert row["rows_accepted"] == stored.get(row["signal"], 0), row
    refused = site.rejects(device)
    lost = dict(refused.filter(pl.col("reason") == "conflict").group_by("signal").len().iter_rows())
    bad = dict(refused.filter(pl.col("reason") != "conflict").group_by("signal").len().iter_rows())
    for row in signals.iter_rows(named=True):
        assert row["rows_conflict"] == lost.get(row["signal"], 0), row
        assert row["rows_rejected"] == bad.get(row["signal"], 0), row


def csv_text(signal: str, rows: Iterable[tuple[str, object]], *, header: bool = True) -> str:
    """Rows of (time, value) as a file of the default layout."""
    head = f"ts,{signal}\n" if header else ""
    return head + "".join(f"{ts},{value}\n" for ts, value in rows)


@pytest.fixture
def site(tmp_path: Path) -> Callable[..., Site]:
    """Return a factory: `site(files={path: text}, toml=…)` gives a new `Site` each time."""

    def build(files: dict[str, str | bytes] | None = None, toml: str = "") -> Site:
        made = Site(Path(tempfile.mkdtemp(dir=tmp_path)), toml)
        for path, content in (files or {}).items():
            made.write(path, content)
        return made

    return build


def chromium_path() -> str | None:
    """Return where the system keeps its Chromium."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def playwright() -> Iterator[object]:
    """Return Playwright."""
    with pytest.importorskip("playwright.sync_api").sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def context(playwright: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Return a headless Chromium with a profile of its own, as a user has one; fails where the system has none.

    One browser with one cache for all pages of a process, also for those in a phone's size.
    """
    made = playwright.chromium.launch_persistent_context(
        tmp_path_factory.mktemp("chromium"), executable_path=chromium_path(),
        # No page of these tests needs WebGL; emulating it would cost a core.
        args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        viewport={"width": 1400, "height": 1500}, accept_downloads=True,
        reduced_motion="reduce",  # else every waiting panel's shimmer is drawn by the processor that it waits for
    )
    yield made
    made.close()
