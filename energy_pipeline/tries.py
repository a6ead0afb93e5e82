"""How often a piece of work was tried, when it is tried again, and when it is given up: asked of Dagster's runs.

The pause grows fivefold with each attempt, from `operation.retry_pause_s` on (1, 5, 25, 125 min), so that a disk that
is full or a store that is away for a while needs no hand; work that fails every time is given up, and announced.
Rejected: Dagster's own run retries, which follow at once and know nothing of the work. Next: `sensors.py`, `alerts.py`.
"""

from dataclasses import dataclass

from dagster import DagsterEventType, DagsterInstance, RunRecord, RunsFilter

from energy_pipeline.alerts import GAVE_UP, Found
from energy_pipeline.partitions import DEVICE_TAG, UNFINISHED
from energy_pipeline.work import Work

ATTEMPTS_TAG = "energy/attempt"
WORK_TAG = "energy/work"
FLEET = "fleet"
MOST_ATTEMPTS = 5
GROWTH = 5
WHAT_TO_DO = "mend the cause, then `energy-pipeline run` (or start its run by hand)"
FAILURES = {DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE}


@dataclass(frozen=True)
class Tried:
    """The attempts at a piece of work: how many, whether one is under way, when and as which run the last one ended."""

    work: Work
    attempts: int
    under_way: bool = False
    ended_s: float = 0.0
    run_id: str = ""

    @property
    def gave_up(self) -> bool:
        """True where it failed so often that nothing asks for it any more."""
        return self.attempts >= MOST_ATTEMPTS and not self.under_way

    def again_s(self, pause_s: float) -> float:
        """Earliest time of the next attempt [s since 1970]."""
        return self.ended_s + pause_s * GROWTH ** (self.attempts - 1) if self.attempts else 0.0


class Tries:
    """What the instance's runs say: which devices are busy, and what became of each piece of work."""

    def __init__(self, instance: DagsterInstance, pause_s: float, now_s: float) -> None:
        """`pause_s` lies between the first attempt and the second [s]; `now_s` is the present time [s since 1970]."""
        self._instance, self._pause_s, self._now_s = instance, pause_s, now_s
        unfinished = instance.get_runs(RunsFilter(statuses=UNFINISHED))
        self._busy = {run.tags[DEVICE_TAG] for run in unfinished if DEVICE_TAG in run.tags}
        self._known: dict[str, Tried] = {}

    def is_free(self, work: Work) -> bool:
        """True where no run of its device is under way."""
        return owner(work) not in self._busy

    def left_alone(self, work: Work) -> bool:
        """True where the work is given up, or where its next attempt has to wait."""
        tried = self.of(work)
        return tried.gave_up or (not tried.under_way and tried.again_s(self._pause_s) > self._now_s)

    def of(self, work: Work) -> Tried:
        """Return the attempts at a piece of work."""
        if work.name not in self._known:
            self._known[work.name] = self._look_up(work)
        return self._known[work.name]

    @property
    def given_up(self) -> list[Tried]:
        """The work that is given up, of all that was asked about."""
        return [t for t in self._known.values() if t.gave_up]

    @property
    def waiting(self) -> dict[str, float]:
        """Names of the work whose next attempt has to wait, and until when [s since 1970]."""
        again = {n: t.again_s(self._pause_s) for n, t in self._known.items() if not t.gave_up and not t.under_way}
        return {name: until for name, until in again.items() if until > self._now_s}

    def _look_up(self, work: Work) -> Tried:
        records = self._instance.get_run_records(RunsFilter(tags={WORK_TAG: work.name}), limit=MOST_ATTEMPTS)
        if not records:
            return Tried(work, 0)
        under_way = any(r.dagster_run.status in UNFINISHED for r in records)
        return Tried(work, len(records), under_way, max(map(ended, records)), records[0].dagster_run.run_id)


def attempts_at(instance: DagsterInstance, work: Work) -> int:
    """How often a piece of work was tried, as far as it matters."""
    return len(instance.get_runs(RunsFilter(tags={WORK_TAG: work.name}), limit=MOST_ATTEMPTS))


def owner(work: Work) -> str:
    """The device of a piece of work, or the fleet."""
    return work.device or FLEET


def ended(record: RunRecord) -> float:
    """When a run ended; where that is not known, when it was created [s since 1970]."""
    return record.end_time or record.create_timestamp.timestamp()


def as_finding(instance: DagsterInstance, tried: Tried) -> Found:
    """Work that is given up as a finding that is announced once: what, how often, why, and what to do."""
    what = " ".join([tried.work.kind, *sorted({*tried.work.months[:1], *tried.work.months[-1:]})])
    text = (
        f"{owner(tried.work)}: gave up {what} after {tried.attempts} attempts; the last one: "
        f"{cause_of(instance, tried.run_id)}; {WHAT_TO_DO}"
    )
    return Found(what, GAVE_UP, text)


def cause_of(instance: DagsterInstance, run_id: str) -> str:
    """Why a run failed, in the words of the error at the root; where there is none, of its last failure."""
    words = "its log says nothing; look at the run in the Dagster UI"
    for entry in instance.all_logs(run_id, of_type=FAILURES):
        event = entry.get_dagster_event()
        error = getattr(event.event_specific_data, "error", None)
        if error is None:
            words = event.message or words
            continue
        while error.cause is not None:
            error = error.cause
        return error.message.strip().splitlines()[0]
    return words
