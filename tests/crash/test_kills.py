"""Processes killed inside a write, at random moments: the next run gives the tables of an undisturbed one.

Run by `make test-crash` (marker `crash`); prints a summary and writes bench-results/crash.json. Every kill is proved by
what the lake shows while the process is frozen (`witness.py`).
"""

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.hunt import Case, Record, nursery, play, until
from tests.crash.witness import ROOT

pytestmark = [pytest.mark.crash, pytest.mark.slow]

SEED = int(os.environ.get("CRASH_SEED", "1"))
SHARE = float(os.environ.get("CRASH_SHARE", "1"))  # a part of the kills, to try the suite itself
KILLS = {"load": 60, "append": 60, "replace": 60, "maintenance": 40}


@pytest.fixture(scope="module")
def record() -> Iterator[Record]:
    made = Record()
    yield made
    name = "crash.json" if SHARE >= 1 else "crash-part.json"
    sys.stdout.write("\n" + made.write(ROOT / "bench-results" / name, SEED) + "\n")


@pytest.mark.parametrize("action", KILLS)
def test_a_process_killed_inside_a_write_is_made_good_by_the_next_run(
    action: str, tmp_path: Path, record: Record
) -> None:
    rng = random.Random(f"{SEED} {action}")  # noqa: S311 - times of kills, not secrets
    case = Case.measured(action, tmp_path)
    with nursery() as children:
        until(max(1, round(KILLS[action] * SHARE)), record, action, lambda: play(case, tmp_path, children, rng, record))
    assert sum(record.kills[action].values()) >= KILLS[action] * SHARE
