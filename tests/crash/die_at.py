"""A process that kills itself (SIGKILL) before or after a named commit of a load: one line of JSON on its input.

Only here are the commit functions of a load wrapped, to know the moment; which table a commit is for is read from its
handle. `test_recovery.py` names the moments; `test_kills.py` kills from outside, at moments that nobody named.
"""

import json
import os
import signal
import sys
from pathlib import Path

from deltalake import DeltaTable

from energy_pipeline.loading import commit as commit_module
from energy_pipeline.resources import lake as lake_module
from tests.crash.plants import Plant

COMMITS = ("write_deltalake", "commit_parts", "commit_numbers", "commit_frame")


def arm(table: str, after: bool) -> None:
    """Die at the first commit to `table`."""

    def wrap(module: object, name: str) -> None:
        real = getattr(module, name)

        def guarded(handle: DeltaTable, *args: object, **options: object) -> object:
            ours = handle.table_uri.rstrip("/").rsplit("/", 1)[-1] == table
            if ours and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(handle, *args, **options)
            if ours:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(module, name, guarded)

    for module in (commit_module, lake_module):
        for name in COMMITS:
            if hasattr(module, name):
                wrap(module, name)


def main() -> None:
    """Load a device and die on the way; reaching the end is an error of the test."""
    job = json.loads(sys.stdin.readline())
    arm(job["table"], job["after"])
    Plant(Path(job["folder"])).load()
    sys.exit("the load ended: it never committed to this table")


if __name__ == "__main__":
    main()
