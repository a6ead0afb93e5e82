"""Measure the time from a dropped file to the new fits in a real `dagster dev`, and take pictures of its UI.

Makes a plant, its lake and a Dagster home of its own in a temporary folder: the last day of the battery's files is held
back, everything before goes through `energy-pipeline run`, then the day is dropped and waited for. The sensor has its
shipped interval. Writes docs/pictures/dagster-*.png and prints the seconds. Run it by
`.venv/bin/python scripts/dagster_pictures.py`.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from browser import CHROMIUM, chromium_path
from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the tests' server is used here too

from energy_pipeline.resources.lake import Lake  # noqa: E402
from energy_pipeline.twin import make_plant, plan_preset  # noqa: E402
from tests.pipeline.dagster_dev import DagsterDev, eventually  # noqa: E402

OUT = ROOT / "docs" / "pictures"
SYSTEM = "ZHPESS232A230002"
DAYS = 45
MOST_BYTES = 200_000


def hold_back_last_day(folder: Path) -> dict[Path, bytes]:
    """Cut the last day off every file of the battery; return what was cut off."""
    cut: dict[Path, bytes] = {}
    for file in sorted((folder / "BESS").rglob("*.csv")):
        lines = file.read_bytes().splitlines(keepends=True)
        day = lines[-1][:10]
        first = next(i for i, line in enumerate(lines) if line.startswith(day))
        file.write_bytes(b"".join(lines[:first]))
        cut[file] = b"".join(lines[first:])
    for file in folder.rglob("*.csv"):
        os.utime(file, (time.time() - 60, time.time() - 60))
    return cut


def measure(lake: Lake, tails: dict[Path, bytes]) -> float:
    """Drop the held back day; return the seconds until fits and overview are made from it."""
    load = lake.number("readings", f"load:{SYSTEM}")
    version = lake.open("degradation_fits").version(), lake.open("fleet_summary").version()
    started = time.monotonic()
    for file, tail in tails.items():
        with file.open("ab") as handle:
            handle.write(tail)

    def renewed() -> bool:
        now = lake.open("degradation_fits").version(), lake.open("fleet_summary").version()
        return lake.number("readings", f"load:{SYSTEM}") > load and now[0] > version[0] and now[1] > version[1]

    eventually("new fits and a new overview", renewed, 900)
    return time.monotonic() - started


def save(page: Page, name: str) -> None:
    """Save a picture of the page with as many colours as a light PNG needs."""
    path = OUT / f"dagster-{name}.png"
    page.screenshot(path=path)
    for colours in (256, 128, 64):
        Image.open(path).convert("RGB").quantize(colours).save(path, optimize=True)
        if path.stat().st_size <= MOST_BYTES:
            return
    sys.exit(f"{path} has {path.stat().st_size} bytes, more than {MOST_BYTES}")


def take(address: str) -> None:
    """Take the pictures that docs/operation.md shows."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium_path(), args=CHROMIUM)
        page = browser.new_page(viewport={"width": 1280, "height": 760})
        page.goto(f"{address}/asset-groups?expanded=*")
        page.get_by_text("ingest", exact=True).first.wait_for()
        page.wait_for_timeout(4000)
        save(page, "graph")
        page.goto(f"{address}/assets/resolution_1d?view=partitions&partition=m1%7C2024-01")
        page.get_by_text("[Show Markdown]").wait_for()
        page.wait_for_timeout(2000)
        save(page, "partitions")
        page.goto(f"{address}/assets/sat_daily?view=partitions&partition={SYSTEM}")
        page.get_by_text("[Show Markdown]").click()
        page.locator("img[src^='data:image/png;base64,']").wait_for()
        page.wait_for_timeout(2000)
        save(page, "picture")
        page.goto(f"{address}/assets/resolution_1d?view=checks")
        page.get_by_text("This is a blocking asset check.").wait_for()
        page.wait_for_timeout(3000)
        save(page, "check")
        browser.close()


def main() -> None:
    """Make the plant, measure, take the pictures, end the server."""
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_plant(folder, plan_preset("demo", meters=2, days=DAYS))
        tails = hold_back_last_day(folder)
        server = DagsterDev(folder)
        environment = {**os.environ, "DAGSTER_HOME": str(server.home)}
        command = [sys.executable, "-m", "energy_pipeline", "run", "--settings", str(folder / "energy.toml")]
        subprocess.run(command, env=environment, check=True)  # noqa: S603 - this interpreter on our own module
        try:
            server.start(180)
            rows = sum(tail.count(b"\n") for tail in tails.values())
            seconds = measure(Lake(str(folder / "lake")), tails)
            load = os.getloadavg()[0]
            sys.stdout.write(
                f"one day of {len(tails)} files ({rows:,} rows) dropped: new fits and overview after {seconds:.0f} s "
                f"({os.cpu_count()} cores, load {load:.1f})\n"
            )
            take(server.address)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
