"""Runs whose process has died without a word: after a kill, or when the power went, they stay `started` for ever.

Such a run would keep its device's place in the queue. Dagster's own monitoring cannot tell, because its default
launcher does not look after its processes; so runs on this machine are watched here, by the process they have named.
Next: `sensors.py` and `runner.py`, which call this first.
"""

import os
import socket
from pathlib import Path

from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, DefaultRunLauncher, RunsFilter

from energy_pipeline.partitions import UNFINISHED

PROCESS_TAG = "energy/process"
ENDED = "the process of this run ended without finishing it; what it left undone is asked for again"


def process_tag() -> dict[str, str]:
    """Tag that names this process on this machine."""
    return {PROCESS_TAG: f"{socket.gethostname()}:{os.getpid()}"}


def close_orphans(instance: DagsterInstance) -> list[str]:
    """Report runs as failed whose process on this machine no longer exists; return their ids."""
    closed = []
    for record in instance.get_run_records(RunsFilter(statuses=UNFINISHED)):
        run = record.dagster_run
        pid, since_s = _process_of(instance, run, record.start_time or record.create_timestamp.timestamp())
        if pid is not None and not lives(pid, since_s):
            instance.report_run_failed(run, ENDED)
            closed.append(run.run_id)
    return closed


def _process_of(instance: DagsterInstance, run: DagsterRun, started_s: float) -> tuple[int | None, float]:
    """Process that executes a run here, and a time at which it existed [s since 1970]; None where it is not known."""
    host, _, pid = run.tags.get(PROCESS_TAG, "").rpartition(":")
    if host:  # on another machine the same number is another process: its run is left to that machine
        return (int(pid) if host == socket.gethostname() and pid.isdigit() else None), started_s
    if run.status != DagsterRunStatus.STARTED or not isinstance(instance.run_launcher, DefaultRunLauncher):
        return None, started_s  # another launcher runs it elsewhere, and watches it itself
    for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT):
        event = entry.get_dagster_event()
        found = event.engine_event_data.metadata.get("pid")
        if found is not None and str(found.value).isdigit():
            return int(str(found.value)), entry.timestamp
    return None, started_s


def lives(pid: int, since_s: float) -> bool:
    """True where the process exists and is not a younger one that has got the same number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it exists, as somebody else's
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        boot_s = next(
            float(line.split()[1]) for line in Path("/proc/stat").read_text(encoding="utf-8").splitlines()
            if line.startswith("btime")
        )
    except OSError:
        return True  # no such files on this system: the number has to do
    if fields[0] == "Z":
        return False
    born_s = boot_s + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return born_s <= since_s + 2.0  # the boot time is known to the second
