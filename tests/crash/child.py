"""A process that imports the product, says `ready`, and does one action per line on its input.

Lines are JSON: {"do": "load" | "maintenance" | …, "folder": …, "device": …}, or {"do": "cli", "argv": […],
"environ": {…}}. It answers `begin` and then `end` with what came of it. It holds no hook: whoever kills it looks at
the lake (`witness.py`).
"""

import json
import os
import sys
import traceback
from pathlib import Path

from energy_pipeline.resources.lake_errors import LakeBusyError, LakeError
from tests.crash.plants import Plant, act


def say(word: str, **more: object) -> None:
    """Write one line of JSON to the parent."""
    sys.stdout.write(json.dumps({"say": word, **more}) + "\n")
    sys.stdout.flush()


def do(job: dict[str, object]) -> dict[str, object]:
    """Carry out a job; return what the parent wants to know."""
    if job["do"] == "cli":
        os.environ.update(job["environ"])  # type: ignore[arg-type]
        return {"code": run_command([str(a) for a in job["argv"]])}  # type: ignore[union-attr]
    plant = Plant(Path(str(job["folder"])))
    if "device" not in job:
        act(str(job["do"]), plant)
        return {}
    device = str(job["device"])
    report = plant.load(device)
    plant.aggregate(device)
    return {"load": report.load, "rows": dict(report.rows)}


def run_command(argv: list[str]) -> int:
    """Run the command line as a shell would; return its exit code."""
    from energy_pipeline.cli import main

    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)  # what the command prints is not for the parent
    try:
        main.main(args=argv, prog_name="energy-pipeline")
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    return 0


def serve() -> None:
    """Answer until the input ends."""
    if "--with-dagster" in sys.argv:
        import energy_pipeline.build
        import energy_pipeline.runner
        import energy_pipeline.show  # noqa: F401
    say("ready")
    for line in sys.stdin:
        job = json.loads(line)
        say("begin")
        try:
            result = do(job)
        except (LakeBusyError, LakeError, OSError) as error:
            say("end", error=type(error).__name__, message=str(error), trace=traceback.format_exc())
        else:
            say("end", error=None, **result)


if __name__ == "__main__":
    serve()
