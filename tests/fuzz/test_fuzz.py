"""Two thousand mutated files break no promise of the reader."""

import subprocess
import sys

import pytest

from tests.fuzz.mutate import make_case
from tests.fuzz.run import run_block

pytestmark = pytest.mark.filterwarnings("error")


def test_two_thousand_mutated_files_break_no_promise():
    found, failures, longest = run_block(seed=20240917, start=0, stop=2000)
    assert not failures, "\n".join(f"make_case(20240917, {n}): {trace}" for n, trace in failures[:3])
    assert found["accepted"] > 20_000
    assert found["rejected"] > 1000
    assert found["files_unreadable"] > 100
    assert longest < 5


def test_a_case_follows_from_its_seed_alone():
    assert make_case(3, 14) == make_case(3, 14)
    assert make_case(3, 14) != make_case(3, 15)


def test_a_file_that_hangs_ends_the_run_and_shows_where():
    script = (
        "import time\nfrom tests.fuzz import run\n"
        "run.judge = lambda *_: time.sleep(600)\nrun.run_block(1, 0, 1, hang_s=0.2)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr
    assert "run_block" in ended.stderr
