"""Does the lake hold exactly what the raw files say? The command `energy-pipeline verify`.

Every file is read again as a whole into a lake of its own, and that one is compared with the real one: readings,
refused rows, accounting per file and signal, register events, all four resolutions. Nothing is written to the real
lake, and nothing is believed that it says of itself. Not here: how two tables are compared (`compute/comparison.py`).
Next: `loading/load.py`, which both lakes were filled by.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from energy_pipeline.aggregation import aggregate_months
from energy_pipeline.checks.meters import compare_registers
from energy_pipeline.compute import comparison, findings, meter_findings, zones
from energy_pipeline.loading.load import load_device
from energy_pipeline.loading.owners import owners_of
from energy_pipeline.loading.plan import MOVED, ledger_entries, plan_load
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.raw_files import RawFile, discover
from energy_pipeline.schemas.base import UTC_TS
from energy_pipeline.schemas.resolution import LEVELS, RESOLUTIONS
from energy_pipeline.settings import Settings
from energy_pipeline.work import due_months

CHUNK_ROWS = 2_000_000
SHOWN_FILES = 3
RESOLUTION_TABLES = tuple(RESOLUTIONS[level].name for level in LEVELS)
DAY_S = 86_400
COUNTS = ("rows_read", "rows_accepted", "rows_rejected", "rows_duplicate", "rows_conflict")


@dataclass(frozen=True)
class Difference:
    """One thing in which lake and files differ; `rows` is how many rows it concerns."""

    device: str
    what: str
    rows: int = 0
    month: str | None = None
    signal: str | None = None
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The difference in one line."""
        place = " ".join(p for p in (self.device, self.month, self.signal) if p)
        more = f" and {len(self.files) - SHOWN_FILES} more" if len(self.files) > SHOWN_FILES else ""
        names = f" ({', '.join(self.files[:SHOWN_FILES])}{more})" if self.files else ""
        return f"{place}: {self.what}{names}"


@dataclass
class DeviceReport:
    """What was compared of a device, what differs, and what could not be compared."""

    device: str
    files: int = 0
    readings: int = 0
    months: int = 0
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class VerifyReport:
    """Outcome for all devices; `problems` kept folders from being looked at."""

    devices: list[DeviceReport] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True where everything was compared and nothing differs."""
        return not self.problems and not any(d.differences for d in self.devices)


def verify_lake(
    lake: Lake, settings: Settings, only: Iterable[str] = (), now_s: float | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> VerifyReport:
    """Compare the lake with the raw files of all devices, or of those named in `only`.

    Args:
        lake: the lake to be judged; it is only read.
        settings: roots, zones, sources and limits.
        only: names of devices; empty for all.
        now_s: the present time [s since 1970]; default: the clock.
        progress: called with the name of each device before it is read.
    """
    found = discover(settings)
    report = VerifyReport(problems=[p.message for p in found.problems])
    wanted, owners = set(only), owners_of(lake, found.devices)
    names = sorted({*found.devices, *lake.devices()})
    report.problems += [f"no device is called {d!r}; there are: {', '.join(names) or 'none'}"
                        for d in sorted(wanted - set(names))]
    for device in names:
        if not wanted or device in wanted:
            progress(device)
            now = time.time() if now_s is None else now_s
            own = found.devices.get(device, [])
            report.devices.append(_Verification(lake, settings, device, own, now, owners).run())
    return report


class _Verification:
    """One device: its lake beside a fresh one."""

    def __init__(
        self, lake: Lake, settings: Settings, device: str, files: list[RawFile], now_s: float, owners: Mapping[str, str]
    ) -> None:
        self.owners = owners
        self.lake, self.settings, self.device, self.files, self.now_s = lake, settings, device, files, now_s
        self.report = DeviceReport(device, len(files))
        self.ledger = lake.read("source_files", device)
        self.signals = lake.read("signals", device)
        self.loose: set[str] = set()  # signals that the files alone cannot give back
        self.early = pl.DataFrame(schema={"signal": pl.String, "ts": UTC_TS})  # rows that the clock kept out

    def run(self) -> DeviceReport:
        if self._is_behind():
            return self.report
        self._own_sums()
        self._find_loose()
        with tempfile.TemporaryDirectory(prefix="energy-verify-") as folder:
            fresh = Lake(str(Path(folder) / "lake"))
            load_device(fresh, self.settings, self.device, self.files, self.now_s)
            self._accounts(fresh)
            self._readings(fresh)
            self._refused(fresh)
            self._resolutions(fresh)
        return self.report

    def _differs(self, what: str, rows: int = 0, **where: object) -> None:
        self.report.differences.append(Difference(self.device, what, rows, **where))  # type: ignore[arg-type]

    # Before anything is read -----------------------------------------------------------------------------------

    def _is_behind(self) -> bool:
        """Say which files the lake has not taken in as they are now; comparing rows would only repeat it."""
        key = f"load:{self.device}"
        if self.lake.number("readings", key) != self.lake.number("source_files", key):
            self._differs("a load died before its end; `energy-pipeline run` repairs it, then verify again")
            return True
        digest = self.settings.reading_digest(self.device)
        plan = plan_load(self.files, ledger_entries(self.ledger), digest, self.now_s, owners=self.owners)
        changed = sorted({*(w.file.path for w in plan.read), *(f.path for f in plan.renamed.values())})
        if changed:
            self._differs("files were never read as they are now; `energy-pipeline run`, then verify again",
                          files=tuple(changed))
        if plan.vanished:
            self._differs("files have gone since the last load; `energy-pipeline run`, then verify again",
                          files=tuple(plan.vanished))
        if plan.moved:
            self._differs("files belong to another device by now; `energy-pipeline run`, then verify again",
                          files=tuple(sorted(plan.moved)))
        months = due_months(self.lake, self.settings, self.device, RESOLUTION_TABLES)
        if months and not plan.is_empty:
            return True
        if months:
            self._differs(f"{len(months)} months are behind the readings; `energy-pipeline run`, then verify again",
                          month=months[0])
        return bool(changed or plan.vanished or plan.moved or months)

    def _find_loose(self) -> None:
        """Signals with a file that has gone, or with rows that the clock alone kept out: note them and go easy."""
        gone = self.ledger.filter(pl.col("status") == "vanished")
        lost = set(gone["signal"].drop_nulls())
        if len(gone):
            self.report.notes.append(
                f"{gone['path'].n_unique()} files have gone; what they held cannot be compared: "
                f"{_names(sorted(lost))}"
            )
        zone = self.settings.zone_of(self.device)
        first = zones.month_bounds(zone, self.settings.first_month)[0]
        inside = pl.col("ts").is_between(zones.from_us(first), zones.from_us(int((self.now_s + DAY_S) * zones.SECOND)))
        early = self.lake.read("rejected_readings", self.device).filter(
            (pl.col("reason") == "out_of_time_range") & inside
        )
        if len(early):
            self.report.notes.append(
                f"{len(early)} rows lay in the future when they were read and would count today; touch their files "
                f"and run: {_names(sorted(set(early['path'].drop_nulls())))}"
            )
        self.loose = lost | set(early["signal"].drop_nulls())
        self.early = early.select("signal", "ts")

    # What the lake says of itself ------------------------------------------------------------------------------

    def _own_sums(self) -> None:
        accepted = (
            self.lake.scan("readings", self.device).group_by("signal").agg(pl.len().cast(pl.Int64).alias("accepted"))
            .collect()
        )
        conflict = pl.col("reason") == "conflict"
        refused = self.lake.scan("rejected_readings", self.device).group_by("signal").agg(
            (~conflict).sum().cast(pl.Int64).alias("rejected"), conflict.sum().cast(pl.Int64).alias("conflicts")
        ).collect()
        for signal in findings.open_accounts(self.signals, accepted, refused).failed["signal"]:
            self._differs("the accounting does not close: rows read are not accepted + rejected + duplicates + "
                          "conflicts as they stand in the tables", signal=signal, files=self._files_of(signal))
        months = self.lake.months(self.device, RESOLUTION_TABLES[0])
        for month in months:
            fine, *_, coarse = (self.lake.scan(t, self.device, [month]) for t in RESOLUTION_TABLES)
            for signal in sorted(set(findings.coarse_unlike_fine(fine, coarse).failed["signal"])):
                self._differs("days do not say the same as five minutes", month=month, signal=signal)
        if not months:
            return
        compared = compare_registers(self.lake, self.settings, self.device, months)
        for signal, month, level in meter_findings.unconserved_registers(compared).failed.select(
            "signal", "month", "level"
        ).iter_rows():
            self._differs(f"the energy at level {level} is not the difference of the register", month=month,
                          signal=signal)

    # The lake beside the files ---------------------------------------------------------------------------------

    def _accounts(self, fresh: Lake) -> None:
        away = pl.col("status").is_in(["vanished", MOVED])
        here = self.ledger.filter(~away).select("path", "signal", "rows_read", "rows_rejected")
        there = fresh.read("source_files", self.device).select(here.columns)
        for key, one, other in comparison.changed_rows(here, there, ["path", "signal"]):
            if key["signal"] not in self.loose:
                self._differs(f"rows read and rejected: the ledger has {one}, the file gives {other}",
                              signal=key["signal"], files=(str(key["path"]),))
        mine, fresh_signals = (t.select("signal", *COUNTS) for t in (self.signals, fresh.read("signals", self.device)))
        for key, one, other in comparison.changed_rows(mine, fresh_signals, ["signal"]):
            if key["signal"] not in self.loose:
                self._differs(f"rows read, accepted, rejected, duplicate, in conflict: the lake has {one}, the files "
                              f"give {other}", signal=key["signal"], files=self._files_of(key["signal"]))
        events = [t.read("counter_events", self.device).filter(~pl.col("signal").is_in(list(self.loose)))
                  for t in (self.lake, fresh)]
        for signal, rows in comparison.rows_apart(*events):
            self._differs(f"{rows} register events differ", rows, signal=signal)

    def _readings(self, fresh: Lake) -> None:
        for month in sorted({*self.lake.months(self.device), *fresh.months(self.device)}):
            self.report.months += 1
            for signals in self._chunks(fresh):
                mine, theirs = (
                    t.scan("readings", self.device, [month]).filter(pl.col("signal").is_in(signals))
                    .select("signal", "ts", "value").collect() for t in (self.lake, fresh)
                )
                theirs = theirs.join(self.early, on=["signal", "ts"], how="anti")
                self.report.readings += len(theirs)
                for found in comparison.compare_readings(mine, theirs):
                    if found.signal in self.loose and found.kind != "missing":
                        continue
                    when = f"{found.first:%Y-%m-%d %H:%M:%S} UTC"
                    self._differs(
                        f"{found.rows} readings {comparison.KINDS[found.kind]}, the first at {when}", found.rows,
                        month=month, signal=found.signal, files=self._files_of(found.signal, found.first, found.last),
                    )

    def _refused(self, fresh: Lake) -> None:
        is_loose = pl.col("signal").is_in(list(self.loose)).fill_null(False)
        for conflicts, columns in ((False, ["path", "line", "raw", "reason"]), (True, ["ts", "value"])):
            mine, theirs = (
                t.read("rejected_readings", self.device).filter(((pl.col("reason") == "conflict") == conflicts)
                                                                & ~is_loose).select("signal", *columns)
                for t in (self.lake, fresh)
            )
            name = "lost to a smaller value" if conflicts else "refused rows"
            for signal, rows in comparison.rows_apart(mine, theirs):
                self._differs(f"{rows} rows of those {name} differ", rows, signal=signal,
                              files=() if signal is None else self._files_of(signal))

    def _resolutions(self, fresh: Lake) -> None:
        months = due_months(fresh, self.settings, self.device, RESOLUTION_TABLES)
        if months:
            aggregate_months(fresh, self.settings, self.device, months)
        exact = ~pl.col("signal").is_in(list(self.loose))
        for name in RESOLUTION_TABLES:
            for month in sorted({*self.lake.months(self.device, name), *fresh.months(self.device, name)}):
                mine, theirs = (t.scan(name, self.device, [month]).filter(exact).collect() for t in (self.lake, fresh))
                for signal, rows in comparison.rows_apart(mine, theirs):
                    self._differs(f"{rows} rows of {name} are not what the files give", rows, month=month,
                                  signal=signal)

    def _chunks(self, fresh: Lake) -> Iterator[list[str]]:
        """Signals of both lakes, as many at a time as a month of them fits into memory."""
        months = max(1, len(fresh.months(self.device)))
        both = pl.concat([t.select("signal", "rows_accepted") for t in
                          (self.signals, fresh.read("signals", self.device))])
        held, rows = [], 0
        stored = self.lake.scan("readings", self.device).select(pl.col("signal").unique()).collect()["signal"]
        sizes = dict(both.group_by("signal").agg(pl.col("rows_accepted").max()).iter_rows())
        for signal in sorted({*sizes, *stored}):
            held.append(signal)
            rows += sizes.get(signal, 0) // months
            if rows > CHUNK_ROWS:
                yield held
                held, rows = [], 0
        if held:
            yield held

    def _files_of(self, signal: str, first: object = None, last: object = None) -> tuple[str, ...]:
        """Files of the ledger that hold a signal, in a span where one is given."""
        own = self.ledger.filter(pl.col("signal") == signal)
        if first is not None:
            own = own.filter((pl.col("first_ts") <= last) & (pl.col("last_ts") >= first))
        return tuple(sorted(set(own["path"])))


def _names(names: list[str], shown: int = 5) -> str:
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")
