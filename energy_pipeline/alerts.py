"""Alerts: a red blocking check, a new finding on a cell and work given up are announced once, by webhook and log.

What was announced stands in the table `alerts`, so a restart announces nothing twice; a finding that has gone and
comes back is a new one. A webhook that does not answer never fails a run: its alerts are sent with the next one.
Not here: what a finding is (`guards.py`, `compute/cell_health.py`). Next: `alert_post.py`, the sending itself.
"""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from energy_pipeline.alert_post import post_alert
from energy_pipeline.resources.commits import Scope
from energy_pipeline.resources.lake import Lake
from energy_pipeline.schemas.operation import ALERTS
from energy_pipeline.settings import OperationSettings, Settings

CHECK, CELL, RUN = "check", "cell", "run"
GAVE_UP = "gave_up"
# Findings of `cell_health` in words; an unknown code is announced by its name.
WORDS = {
    "stuck_sensor": "its voltage stands still while its neighbours move",
    "outlier": "its voltage has left its own course",
    "offset_falling": "its voltage at the end of charge falls against the other cells",
    "offset_rising": "its voltage at the end of charge rises against the other cells",
    "weak_cell": "it runs empty before the others",
    "resistance_high": "its resistance is higher than that of the others",
    "offset": "its voltage lies steadily apart from the others",
}
Send = Callable[[OperationSettings, Mapping[str, object]], str | None]


@dataclass(frozen=True)
class Found:
    """A finding that lasts: what it is about, its code, and the words for it."""

    subject: str
    finding: str
    text: str


def announce_checks(lake: Lake, settings: Settings, device: str, send: Send = post_alert) -> list[str]:
    """Announce and send the red blocking checks of a device; return what is new, as lines for a log."""
    red = lake.scan("check_results", device).filter(~pl.col("passed") & pl.col("blocking")).collect()
    found = [
        Found(
            row["table"], row["check"],
            f"{device}: check {row['check']} on {row['table']} is red ({row['failed_rows']} rows); what follows on "
            f"this device waits. {row['advice']}",
        )
        for row in red.sort("table", "check").iter_rows(named=True)
    ]
    fresh = _announce(lake, device, CHECK, found)
    # What was not taken earlier is left to `send_pending`, so that a dead webhook does not cost its patience per check.
    return [*fresh, *_send(lake, settings, device, CHECK, send)] if fresh else []


def announce_cells(lake: Lake, device: str) -> list[str]:
    """Announce the findings on a battery's cells; `send_pending` sends them. Returns what is new, for a log."""
    cells = lake.scan("cell_health", device).filter(pl.col("finding").is_not_null()).collect()
    found = [
        Found(
            f"P{row['pack']}C{row['cell']}", row["finding"],
            f"{device}: cell P{row['pack']}C{row['cell']}: {WORDS.get(row['finding'], row['finding'])} "
            f"({row['finding']}); see the page of its pack",
        )
        for row in cells.sort("pack", "cell").iter_rows(named=True)
    ]
    return _announce(lake, device, CELL, found)


def announce_runs(
    lake: Lake, settings: Settings, given_up: Mapping[str, list[Found]], send: Send = post_alert
) -> list[str]:
    """Announce and send the work that is given up, per device; what is tried again or done is closed. Returns lines."""
    known = lake.scan("alerts").filter((pl.col("kind") == RUN) & pl.col("closed_ts").is_null())
    lines: list[str] = []
    for device in sorted({*given_up, *known.select("device").collect()["device"]}):
        fresh = _announce(lake, device, RUN, given_up.get(device, []))
        lines += [*fresh, *_send(lake, settings, device, RUN, send)] if fresh else []
    return lines


def send_pending(lake: Lake, settings: Settings, send: Send = post_alert) -> list[str]:
    """Send what the webhook has not taken yet; return lines about what still cannot be sent."""
    lines: list[str] = []
    pending = lake.scan("alerts").filter(_unsent()).select("device", "kind").unique().sort("device", "kind").collect()
    for device, kind in pending.iter_rows():
        lines.extend(_send(lake, settings, device, kind, send))
        if lines:
            break  # it does not answer now: the others would only wait as long
    return lines


def opened_since(lake: Lake, moment: datetime) -> list[str]:
    """Return the words of the alerts that were opened at or after a moment."""
    rows = lake.scan("alerts").filter(pl.col("opened_ts") >= moment).sort("opened_ts", "device", "subject").collect()
    return rows["text"].to_list()


def _announce(lake: Lake, device: str, kind: str, found: list[Found]) -> list[str]:
    lasting = {(f.subject, f.finding): f for f in found}
    known = _open_ones(lake.read("alerts", device), kind)
    fresh = [f.text for key, f in lasting.items() if key not in known]
    if fresh or known - lasting.keys():
        now = datetime.now(UTC)
        lake.replace(
            "alerts", Scope(device), lambda: _update(lake.read("alerts", device), device, kind, lasting, now), {}
        )
    return [f"alert: {text}" for text in fresh]


def _open_ones(rows: pl.DataFrame, kind: str) -> set[tuple[str, str]]:
    lasting = rows.filter((pl.col("kind") == kind) & pl.col("closed_ts").is_null())
    return set(lasting.select("subject", "finding").iter_rows())


def _update(
    rows: pl.DataFrame, device: str, kind: str, lasting: Mapping[tuple[str, str], Found], now: datetime
) -> pl.DataFrame:
    """Close what lasts no longer and open what is new."""
    known = _open_ones(rows, kind)
    gone = pl.DataFrame(
        sorted(known - lasting.keys()), schema={"subject": pl.String, "finding": pl.String}, orient="row"
    ).with_columns(pl.lit(kind).alias("kind"), pl.lit(now).alias("gone_ts"))
    closed = rows.join(gone, on=["kind", "subject", "finding"], how="left", maintain_order="left").with_columns(
        pl.coalesce("closed_ts", "gone_ts").alias("closed_ts")
    ).drop("gone_ts")
    opened = [
        {"device": device, "kind": kind, "subject": f.subject, "finding": f.finding, "text": f.text, "opened_ts": now}
        for key, f in lasting.items() if key not in known
    ]
    return pl.concat([closed, pl.DataFrame(opened, schema=ALERTS.polars_schema)])


def _unsent() -> pl.Expr:
    return pl.col("sent_ts").is_null() & pl.col("closed_ts").is_null()


def _send(lake: Lake, settings: Settings, device: str, kind: str, send: Send) -> list[str]:
    """Send what is open and not sent yet, and remember it one by one; stop where the webhook does not answer."""
    if not settings.operation.webhook:
        return []
    with _only_sender(lake):
        waiting = lake.scan("alerts", device).filter((pl.col("kind") == kind) & _unsent()).collect()
        for row in waiting.iter_rows(named=True):
            problem = send(settings.operation, _body(row))
            if problem is not None:
                return [f"an alert could not be sent and will be tried with the next run: {problem}"]
            _remember(lake, device, row)
    return []


@contextmanager
def _only_sender(lake: Lake) -> Iterator[None]:
    """Wait until no other run on this machine sends alerts of this lake: two would both find one unsent.

    Rejected: marking an alert as sent before it is sent. A process killed in between would lose it; a lock goes with
    its process.
    """
    name = hashlib.blake2b(lake.url.encode(), digest_size=8).hexdigest()
    with (Path(tempfile.gettempdir()) / f"energy-pipeline-{os.getuid()}-{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _body(row: Mapping[str, object]) -> dict[str, object]:
    """The message: `text` is what chat programs show, the rest is for programs."""
    opened = row["opened_ts"]
    return {
        "text": row["text"], "device": row["device"], "kind": row["kind"], "subject": row["subject"],
        "finding": row["finding"], "opened": opened.isoformat() if isinstance(opened, datetime) else None,
    }


def _remember(lake: Lake, device: str, sent: Mapping[str, object]) -> None:
    now = datetime.now(UTC)

    def marked() -> pl.DataFrame:
        same = pl.all_horizontal(pl.col(c) == pl.lit(sent[c]) for c in ("kind", "subject", "finding", "opened_ts"))
        return lake.read("alerts", device).with_columns(
            pl.when(same).then(pl.lit(now)).otherwise(pl.col("sent_ts")).alias("sent_ts")
        )

    lake.replace("alerts", Scope(device), marked, {})
