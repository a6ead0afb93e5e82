"""Take the pictures of the documentation: every page of the viewer, both themes, wide and as on a phone.

Starts the viewer on the lake of the settings (`make demo VIEW=0` makes one), opens Debian's Chromium, and writes PNG
files to docs/pictures. Run it by `make screenshots`.
"""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
from browser import CHROMIUM, chromium_path
from playwright.sync_api import Page, sync_playwright

OUT = Path(__file__).resolve().parents[1] / "docs" / "pictures"
SYSTEM = "ZHPESS232A230002"
PAGES = {
    "overview": "?page=overview",
    "meter": "?page=meter&device=m1&range=30d",
    "compare": "?page=compare&device=m1&device2=m4&range=30d",
    "bess": f"?page=bess&device={SYSTEM}&range=7d",
    "bess_energy": f"?page=bess&device={SYSTEM}&tab=energy&range=90d",
    "bess_cycles": f"?page=bess&device={SYSTEM}&tab=cycles",
    "bess_capacity": f"?page=bess&device={SYSTEM}&tab=capacity",
    "bess_safety": f"?page=bess&device={SYSTEM}&tab=safety&range=all",
    "packpulse_sat": f"?page=packpulse&device={SYSTEM}",
    "packpulse_heatmap": f"?page=packpulse&device={SYSTEM}&tab=heat&cell=P3C17",
    "packpulse_trends": f"?page=packpulse&device={SYSTEM}&tab=trends",
    "packpulse_degradation": f"?page=packpulse&device={SYSTEM}&tab=degradation",
    "packpulse_condition": f"?page=packpulse&device={SYSTEM}&tab=condition&cell=P3C17",
    "quality": "?page=quality&device=m1",
}
HEIGHTS = {  # what lies below the first screen belongs to the page
    "meter": 1500, "bess_capacity": 1300, "packpulse_sat": 1500, "packpulse_heatmap": 1900, "packpulse_trends": 1300,
    "packpulse_degradation": 2600, "packpulse_condition": 1600, "quality": 1700,
}


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(address: str, seconds: float = 60) -> None:
    """Wait until the viewer answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if httpx.get(f"{address}/health", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.3)
    sys.exit(f"the viewer at {address} did not answer within {seconds:.0f} s")


def need_devices(address: str) -> None:
    """End with a sentence where the lake has none of the devices that are shown."""
    found = set(httpx.get(f"{address}/meters", timeout=30).json().get("meters", []))
    if missing := sorted({SYSTEM, "m1", "m4"} - found):
        sys.exit(f"the lake has no {', '.join(missing)}; run `make demo VIEW=0` first, which makes the plant shown")


def take(page: Page, address: str, name: str, query: str) -> None:
    """Open a page, let it settle, and save its picture."""
    page.goto(f"{address}/{query}")
    page.locator(".ep-panel").first.wait_for(state="attached", timeout=60_000)
    page.wait_for_function("() => !window.Bokeh.documents.some((doc) => !doc.is_idle)", timeout=60_000)
    quiet = 0
    for _ in range(300):
        page.wait_for_timeout(200)
        quiet = 0 if page.locator(".skeleton:visible").count() else quiet + 1
        if quiet == 10:
            break
    else:
        sys.exit(f"{name}: something still loads after a minute")
    page.screenshot(path=OUT / f"{name}.png")


def main() -> None:
    """Start the viewer, take all pictures, end the viewer."""
    OUT.mkdir(parents=True, exist_ok=True)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "energy_pipeline", "view", "--port", str(port)]
    viewer = subprocess.Popen(command, env=os.environ.copy())  # noqa: S603 - this interpreter on our own module
    try:
        wait_for(address)
        need_devices(address)
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=chromium_path(), args=CHROMIUM)
            wide = browser.new_page(viewport={"width": 1440, "height": 1000})
            for theme in ("light", "dark"):
                for name, query in PAGES.items():
                    wide.set_viewport_size({"width": 1440, "height": HEIGHTS.get(name, 1000)})
                    take(wide, address, f"{name}_{theme}", f"{query}&theme={theme}")
            wide.set_viewport_size({"width": 1440, "height": 1000})
            take(wide, address, "overview_english", "?page=overview&lang=en")
            phone = browser.new_page(viewport={"width": 390, "height": 844})
            for name in ("overview", "meter", "bess_energy", "packpulse_degradation", "packpulse_condition"):
                take(phone, address, f"{name}_phone", PAGES[name])
            browser.close()
    finally:
        viewer.terminate()
        viewer.wait(timeout=20)


if __name__ == "__main__":
    main()
