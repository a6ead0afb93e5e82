"""Measure the viewer by a real browser: pages, tabs, zoom and memory on a lake of 260 cells × 600 days.

    .venv/bin/python scripts/bench_viewer.py                 # a lake and a server of its own
    .venv/bin/python scripts/bench_viewer.py --lake FOLDER   # keeps the lake there for the next time

The browser is Debian's Chromium on the same machine, with a profile as a user has one, its cache warm. A page counts
as shown when its first picture (of the overview: its first line of a device) is painted, counted from the start of the
navigation; a tab when its first picture is painted, counted from the click. A clock in the page tells both
(`page_clock.js`). In turn with the first page the emptiest page of the same libraries is opened (`bench_floor.py`), and
a loop of Python is timed before each opening of them: the machine's speed changes from hour to hour. The answer to
a zoom is measured twice, without the pause in which the viewer waits for the wheel to rest: in the server, as its log
tells it, and in the browser, from its last message to the arrival of the data, which waits for the drawing on the same
processors. Writes bench-results/viewer.json.
Next: `bench_server.py`.
"""

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench_server import Running, make_lake, serving, serving_floor
from browser import CHROMIUM, chromium_path
from playwright.sync_api import Browser, BrowserContext, BrowserType, Page, sync_playwright

OUT = Path("bench-results") / "viewer.json"
SYSTEM, METER, DAYS = "ZHPESS232A230002", "m1", 600
PICTURE, LINE, LOADING = "canvas", ".dev", ".skeleton:visible"
CLOCK = (Path(__file__).with_name("page_clock.js")).read_text(encoding="utf-8")
TARGETS_MS = {"first_page": 1500, "packpulse": 2000, "tab": 300, "zoom_on_server": 150}
TABS = {
    "Pack-Trends": "Verlauf je Pack",
    "Heatmap & 3D": "Alle Zellen, alle Tage",
    "Degradationsanalyse": "Verlauf und Anpassung",
    "SAT-Übersicht": "Verteilung der SAT-Spannung",
}
OPEN_TAB = "SAT-Übersicht"
PAUSE_MS, ANSWER_BYTES, WHEELS, HELD, SESSIONS = 120.0, 600, 40, 5, 50
FREED_AFTER_S = 45.0
_ANSWERED = re.compile(r"lod:\S* answered in ([\d.]+) ms")
_LOG = """
window.__frames = []
const Real = window.WebSocket
window.WebSocket = class extends Real {
  constructor(...a) { super(...a); this.addEventListener('message', (e) =>
    window.__frames.push(['in', performance.now(), e.data.length || e.data.byteLength || 0])) }
  send(data) { window.__frames.push(['out', performance.now(), data.length || 0]); super.send(data) }
}
"""


def shown_ms(page: Page, address: str, sign: str) -> float:
    """Return the time from the start of asking for an address to the frame after its first sign is painted [ms]."""
    page.add_init_script(f"{CLOCK}\npage_clock.sign({json.dumps(sign)})")
    page.goto(address, wait_until="commit")
    return _seen(page, sign)


def _seen(page: Page, name: str) -> float:
    page.wait_for_function("(name) => page_clock.seen[name] !== undefined", arg=name, timeout=60_000, polling=100)
    return page.evaluate("(name) => page_clock.seen[name]", name)


def settled(page: Page) -> None:
    """Wait until nothing loads, and a little more."""
    for _ in range(600):
        page.wait_for_timeout(100)
        if not page.locator(LOADING).count():
            break
    page.wait_for_timeout(500)


def opened(context: BrowserContext, root: str, query: str, sign: str) -> float:
    """Return how long a page took in a new tab of the browser [ms]."""
    page = context.new_page()
    spent = shown_ms(page, f"{root}/{query}", sign)
    page.close()
    return spent


def pages(context: BrowserContext, root: str, query: str, sign: str, times: int) -> list[float]:
    """Return how long each opening of a page took [ms]; one before them fills the caches."""
    return [opened(context, root, query, sign) for _ in range(times + 1)][1:]


def loop_ms() -> float:
    """Return the processor time of a million turns of a loop of Python, as a measure of the machine [ms]."""
    begun, total = time.process_time(), 0
    for i in range(1_000_000):
        total += i * i
    return 1000 * (time.process_time() - begun)


def beside_the_floor(context: BrowserContext, root: str, times: int) -> dict[str, list[float]]:
    """Return how long the loop, the emptiest page and the viewer's first page took in turn [ms]."""
    found: dict[str, list[float]] = {"machine": [], "floor": [], "first_page": []}
    with serving_floor() as floor:
        for _ in range(times + 1):
            found["machine"].append(loop_ms())
            found["floor"].append(opened(context, floor.root, "", PICTURE))
            found["first_page"].append(opened(context, root, "", LINE))
    return {name: values[1:] for name, values in found.items()}


def tab_changes(context: BrowserContext, root: str, rounds: int) -> tuple[dict[str, list[float]], list[float]]:
    """Return per tab of PackPulse the times of its later openings, and the times of the first ones of all tabs.

    The tab that the page opens with is loaded already at its first change.
    """
    page = context.new_page()
    shown_ms(page, f"{root}/?page=packpulse&device={SYSTEM}", PICTURE)
    settled(page)
    found: dict[str, list[float]] = {name: [] for name in TABS}
    first: list[float] = []
    for turn in range(rounds + 1):
        for name in found:
            page.evaluate("(title) => page_clock.tab(title)", TABS[name])
            page.get_by_role("tab", name=name).click()
            spent = _seen(page, TABS[name]) - page.evaluate("() => page_clock.clicked")
            settled(page)
            if turn:
                found[name].append(spent)
            elif name != OPEN_TAB:
                first.append(spent)
    page.close()
    return found, first


def zooms(context: BrowserContext, root: str, log: Path) -> tuple[list[float], list[float]]:
    """Return how long the answers to turns of the wheel over a meter's chart took, in the server and in the browser."""
    page = context.new_page()
    page.add_init_script(_LOG)
    page.goto(f"{root}/?page=meter&device={METER}&range=all")
    page.locator(PICTURE).first.wait_for(state="visible", timeout=60_000)
    settled(page)
    box = page.locator(".bk-Figure").first.bounding_box()
    found = []
    written = log.stat().st_size
    for i in range(WHEELS):
        page.mouse.move(box["x"] + box["width"] * (0.3 + 0.01 * i), box["y"] + box["height"] * 0.5)
        page.evaluate("() => { window.__frames.length = 0 }")
        page.mouse.wheel(0, -240 if i % 12 < 8 else 480)
        page.wait_for_timeout(900)
        frames = page.evaluate("() => window.__frames")
        answers = [t for way, t, size in frames if way == "in" and size > ANSWER_BYTES]
        asked = [t for way, t, _ in frames if way == "out" and answers and t < answers[0]]
        if answers and asked:
            found.append(max(answers[0] - max(asked) - PAUSE_MS, 0.0))
    page.close()
    told = _ANSWERED.findall(log.read_bytes()[written:].decode())
    return [float(ms) for ms in told], found


def memory(browser: Browser, server: Running) -> dict[str, float]:
    """Return the server's memory per open session, and before and after `SESSIONS` that are opened and closed [MB]."""

    def opened() -> BrowserContext:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{server.root}/?page=packpulse&device={SYSTEM}&tab=heat")
        page.locator(PICTURE).first.wait_for(state="visible", timeout=60_000)
        settled(page)
        return context

    warm = _resident_mb(server)
    held = [opened() for _ in range(HELD)]
    full = _resident_mb(server)
    for context in held:
        context.close()
    time.sleep(FREED_AFTER_S)
    before = _resident_mb(server)
    for _ in range(SESSIONS):
        opened().close()
    time.sleep(FREED_AFTER_S)
    after = _resident_mb(server)
    return {
        "per_session_mb": round((full - warm) / HELD, 1), "sessions": SESSIONS, "before_mb": round(before, 1),
        "after_mb": round(after, 1), "growth_percent": round(100 * (after / before - 1), 1),
    }  # fmt: skip


def _resident_mb(server: Running) -> float:
    fields = Path(f"/proc/{server.pid}/status").read_text(encoding="ascii").split("VmRSS:")[1].split()
    return int(fields[0]) / 1024


def quantile(values: list[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def figures(values: list[float]) -> dict[str, float]:
    """Return median and 95th percentile."""
    return {
        "n": len(values),
        "median_ms": round(statistics.median(values), 1) if values else None,
        "p95_ms": round(quantile(values, 0.95), 1) if values else None,
    }


def time_pages(context: BrowserContext, server: Running, times: int, note: Callable[[str, list[float]], None]) -> None:
    """Measure pages, tabs and zoom and note the times of each."""
    root = server.root
    for name, values in beside_the_floor(context, root, times).items():
        note(name, values)
    note("single_meter", pages(context, root, f"?page=meter&device={METER}&range=30d", PICTURE, times))
    note("bess", pages(context, root, f"?page=bess&device={SYSTEM}", PICTURE, times))
    note("packpulse", pages(context, root, f"?page=packpulse&device={SYSTEM}", PICTURE, times))
    note("heat_map", pages(context, root, f"?page=packpulse&device={SYSTEM}&tab=heat", PICTURE, times))
    changes, openings = tab_changes(context, root, max(times // 2, 2))
    for name, values in changes.items():
        note(f"tab: {name}", values)
    note("tab", [v for values in changes.values() for v in values])
    note("tab_first", openings)
    on_server, in_browser = zooms(context, root, server.log)
    note("zoom_on_server", on_server)
    note("zoom_in_browser", in_browser)


def run(server: Running, chromium: BrowserType, times: int, say: Callable[[str], None]) -> dict:
    """Run every measurement; of the sessions' memory alone where no page is to be opened for its time."""
    start = {"executable_path": chromium_path(), "args": CHROMIUM}
    load = [round(v, 1) for v in os.getloadavg()]
    found: dict[str, dict] = {}

    def note(name: str, values: list[float]) -> None:
        found[name] = figures(values)
        say(f"{name:32} n {len(values):3}  median {found[name]['median_ms']} ms  p95 {found[name]['p95_ms']} ms")

    if times:
        with tempfile.TemporaryDirectory() as profile:
            context = chromium.launch_persistent_context(profile, viewport={"width": 1440, "height": 1000}, **start)
            time_pages(context, server, times, note)
            context.close()
    browser = chromium.launch(**start)
    used = memory(browser, server)
    browser.close()
    say(f"memory: {used}")
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"), "processors": os.cpu_count(),
        "load_average": {"before": load, "after": [round(v, 1) for v in os.getloadavg()]},
        "cells": 260, "days": DAYS, "targets_ms": TARGETS_MS, "figures": found, "memory": used,
    }  # fmt: skip


def main() -> int:
    """Run, print, write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lake", type=Path, help="folder for the made lake, kept; default: thrown away")
    parser.add_argument("--times", type=int, default=10, help="openings of each page; 0: memory alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as play:
        settings = make_lake(options.lake or Path(scratch) / "bench", DAYS)
        with serving(settings.resolve(), log_level="debug") as server:
            found = run(server, play.chromium, options.times, lambda line: sys.stdout.write(f"{line}\n"))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"load {found['load_average']}; written to {OUT}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
