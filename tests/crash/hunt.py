"""Rounds of the kill suite: copy a plant, kill its process inside a write, run normally, compare, maintain, look again.

A round that the process survives is repeated with other times. What was found is collected in a `Record`, printed and
written as JSON. Next: `test_kills.py`, which says how many rounds of what.
"""

import json
import os
import random
import shutil
import subprocess
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from energy_pipeline.resources.lake import Lake
from tests.conftest import assert_same_tables
from tests.crash.plants import BEFORE, Plant, act, copy_of, orphans_of, tables_of
from tests.crash.witness import ROOT, Child, Hunter, Proof, Witness, commits_between

SECOND_KILL_EVERY = 4  # in every fourth round the process that repairs is killed as well
ONLY_FILES_SHARE = 0.8
AHEAD = 2


def present_commit() -> str | None:
    """Short name of the commit that is checked out; None outside a repository."""
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True,
                           check=False)
    return found.stdout.strip() or None


@dataclass
class Record:
    """What the suite has seen so far."""

    kills: dict[str, Counter[str]] = field(default_factory=dict)
    tables: dict[str, Counter[str]] = field(default_factory=dict)
    rounds: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)
    began_s: float = field(default_factory=time.monotonic)
    commit: str | None = field(default_factory=present_commit)

    def add(self, action: str, proof: Proof) -> None:
        """Count one kill."""
        self.kills.setdefault(action, Counter())[proof.kind] += 1
        self.tables.setdefault(action, Counter()).update(proof.where)

    @property
    def total(self) -> int:
        """All kills."""
        return sum(sum(c.values()) for c in self.kills.values())

    def as_dict(self, seed: int) -> dict[str, object]:
        """Everything as plain values."""
        return {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"), "commit": self.commit, "seed": seed,
            "processors": os.cpu_count(), "seconds": round(time.monotonic() - self.began_s, 1), "kills": self.total,
            "proofs": {a: dict(c) for a, c in sorted(self.kills.items())},
            "tables": {a: dict(c.most_common()) for a, c in sorted(self.tables.items())},
            "rounds": dict(self.rounds), "survived": dict(self.survived),
        }

    def write(self, path: Path, seed: int) -> str:
        """Write the record as JSON; return it as a table for people."""
        found = self.as_dict(seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        lines = [f"{found['kills']} SIGKILLs in {found['seconds']} s, seed {seed}, each inside a write:"]
        for action, proofs in sorted(self.kills.items()):
            parts = ", ".join(f"{number} {kind}" for kind, number in proofs.most_common())
            lines.append(f"  {action:12} {sum(proofs.values()):4}  {parts}")
        lines.append(f"  written to {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}")
        return "\n".join(lines)


class Nursery:
    """Children that import while others work, so that a round does not wait for it."""

    def __init__(self, *options: str) -> None:
        """Start the first ones."""
        self.options = options
        self.waiting: deque[Child] = deque()

    def take(self) -> Child:
        """Return a child, and start another."""
        while len(self.waiting) < AHEAD:
            self.waiting.append(Child(*self.options))
        return self.waiting.popleft()

    def close(self) -> None:
        """End all that wait."""
        while self.waiting:
            self.waiting.popleft().close()


@contextmanager
def nursery(*options: str) -> Iterator[Nursery]:
    """A nursery that is closed at the end."""
    made = Nursery(*options)
    try:
        yield made
    finally:
        made.close()


@dataclass
class Case:
    """One action on one kind of plant: what stands before, what stands after, and what it takes undisturbed."""

    action: str
    template: Path
    before: dict[str, pl.DataFrame]
    after: dict[str, pl.DataFrame]
    commits: int
    seconds: float

    @classmethod
    def measured(cls, action: str, folder: Path) -> "Case":
        """Build the plant and carry the action out once, undisturbed."""
        template = Plant(folder / action)
        _ = template.settings  # writes the settings file
        BEFORE[action](template)
        plant = copy_of(template.folder, folder / f"{action}-undisturbed")
        witness = Witness(plant.folder / "lake")
        start = witness.look()
        before = tables_of(plant.lake)
        child = Child()
        child.wait_until_ready()
        began = time.perf_counter()  # in a fresh process, as those that are killed
        child.start(do=action, folder=str(plant.folder))
        said = child.finish()
        seconds = time.perf_counter() - began
        child.close()
        assert said["error"] is None, said
        commits = commits_between(start, witness.look())
        return cls(action, template.folder, before, tables_of(plant.lake), commits, seconds)


def kill_once(
    case: Case, lake: Path, children: Nursery, rng: random.Random, job: dict[str, object]
) -> Proof | None:
    """Let a child do a job and kill it inside a write; None where it was too fast."""
    child = children.take()
    try:
        hunter = Hunter(lake, case.commits, rng, rng.random() < ONLY_FILES_SHARE)
        child.start(**job)
        return hunter.kill(child, rng.uniform(0, case.seconds))
    finally:
        child.close()


def play(case: Case, folder: Path, children: Nursery, rng: random.Random, record: Record) -> None:
    """One round: kill (every fourth time twice), read everything, run, compare, maintain, compare."""
    number = record.rounds[case.action]
    plant = copy_of(case.template, folder / f"{case.action}-{number}-{record.survived[case.action]}")
    lake = plant.folder / "lake"
    job: dict[str, object] = {"do": case.action, "folder": str(plant.folder)}
    proof = kill_once(case, lake, children, rng, job)
    if proof is None:
        record.survived[case.action] += 1
        shutil.rmtree(plant.folder)
        return
    record.add(case.action, proof)
    assert_readable_and_whole(case, plant)
    if number % SECOND_KILL_EVERY == SECOND_KILL_EVERY - 1:
        again = kill_once(case, lake, children, rng, job)
        if again is not None:
            record.add(case.action, again)
            assert_readable_and_whole(case, plant)
    act(case.action, plant)
    assert_same_tables(tables_of(plant.lake), case.after)
    settle_and_sweep(case, plant, record)
    record.rounds[case.action] += 1
    shutil.rmtree(plant.folder)


def settle_and_sweep(case: Case, plant: Plant, record: Record) -> None:
    """After maintenance nothing is left that no version names, the tables are the same, and nothing is due."""
    plant.lake.maintain(retention_hours=0, full=True)
    assert orphans_of(plant.folder / "lake") == []
    assert_same_tables(tables_of(plant.lake), case.after)
    for device in plant.lake.devices():
        assert plant.load(device).load == 0
        assert plant.due(device) == []


def assert_readable_and_whole(case: Case, plant: Plant) -> None:
    """Right after a kill every table can be read, and the readings of a device are the old ones or the new ones."""
    found = tables_of(Lake(plant.lake.url))
    readings = found.get("readings", case.after["readings"].clear())
    old = case.before.get("readings", readings.clear())
    for device in readings["device"].unique():
        own = pl.col("device") == device
        now = readings.filter(own)
        assert now.equals(old.filter(own)) or now.equals(case.after["readings"].filter(own)), (
            f"after the kill, the readings of {device} are neither those before nor those after: {len(now)} rows"
        )


Attempt = Callable[[], None]


def until(count: int, record: Record, action: str, attempt: Attempt) -> None:
    """Repeat an attempt until an action has been killed `count` times, within four times as many attempts."""
    for _ in range(4 * count + 8):
        if sum(record.kills.get(action, Counter()).values()) >= count:
            return
        attempt()
    raise AssertionError(f"{action}: only {record.kills.get(action)} of {count} kills hit a write")
