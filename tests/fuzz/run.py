"""A long run of the fuzzer: `python -m tests.fuzz.run --count 100000 --seed 1` prints what became of the files."""

import argparse
import faulthandler
import random
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.judge import judge
from tests.fuzz.mutate import make_case

BLOCK = 500
SHOWN = 5
HANG_S = 120.0  # by the clock: a file that takes so long hangs


def run_block(
    seed: int, start: int, stop: int, hang_s: float = HANG_S
) -> tuple[Counter[str], list[tuple[int, str]], float]:
    """Judge cases [start, stop); return counts, failures (number, trace) and the longest time of the processor [s].

    A file that hangs ends the process with the place where it hangs, and so fails the run.
    """
    found: Counter[str] = Counter()
    failures = []
    longest = 0.0
    with TemporaryDirectory(prefix="fuzz-") as folder:
        for number in range(start, stop):
            began = time.process_time()
            faulthandler.dump_traceback_later(hang_s, exit=True)
            try:
                found += judge(make_case(seed, number), Path(folder), random.Random(number))  # noqa: S311
            except Exception:  # noqa: BLE001 - whatever it is, it is the finding
                failures.append((number, traceback.format_exc()))
            finally:
                faulthandler.cancel_dump_traceback_later()
            longest = max(longest, time.process_time() - began)
    return found, failures, longest


def run(count: int, seed: int, workers: int) -> tuple[Counter[str], list[tuple[int, str]], float]:
    """Judge `count` cases on several processes."""
    found: Counter[str] = Counter()
    failures: list[tuple[int, str]] = []
    longest = 0.0
    with ProcessPoolExecutor(workers) as pool:
        jobs = [pool.submit(run_block, seed, i, min(i + BLOCK, count)) for i in range(0, count, BLOCK)]
        for job in jobs:
            counts, failed, slowest = job.result()
            found += counts
            failures += failed
            longest = max(longest, slowest)
    return found, failures, longest


def main() -> int:
    """Run from the command line; 1 where any file broke a promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="how many mutated files")
    parser.add_argument("--seed", type=int, default=1, help="names the run; the same seed gives the same files")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    options = parser.parse_args()
    began = time.perf_counter()
    found, failures, longest = run(options.count, options.seed, options.workers)
    out = [f"{options.count} mutated files, seed {options.seed}: {len(failures)} broke a promise"]
    out += [f"  {name:14} {number:10}" for name, number in sorted(found.items())]
    out += [f"  {time.perf_counter() - began:.0f} s, longest file {longest:.3f} s"]
    for number, trace in failures[:SHOWN]:
        out += [f"--- file {number}: make_case({options.seed}, {number})", trace]
    sys.stdout.write("\n".join(out) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
