"""A small lake, a running viewer and a browser for the tests of the viewer."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from energy_pipeline.settings import Settings
from tests.viewer.lake_factory import Plan, write_lake
from viewer.store import Store

ROOT = Path(__file__).parents[2]
SERVE = (
    "import sys; from energy_pipeline.settings import Settings; from viewer.app import serve; "
    "serve(Settings(lake=sys.argv[1]), port=int(sys.argv[2]))"
)
PLAN = Plan(days=130)


@pytest.fixture(scope="session")
def plan() -> Plan:
    """Return what is planted in the lake."""
    return PLAN


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return the settings of the small lake."""
    return write_lake(tmp_path_factory.mktemp("viewer") / "lake", PLAN)


@pytest.fixture
def store(settings: Settings) -> Store:
    """Return a store on the small lake."""
    return Store(settings)


@dataclass
class Viewer:
    """A running viewer."""

    url: str
    process: subprocess.Popen = field(repr=False)


@pytest.fixture(scope="session")
def viewer(settings: Settings) -> Iterator[Viewer]:
    """Serve the small lake."""
    running = start_viewer(settings.lake)
    yield running
    running.process.terminate()
    running.process.wait(10)


def start_viewer(lake: str, port: int | None = None) -> Viewer:
    """Start a viewer, on a free port unless one is given, and wait until it answers."""
    if port is None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", SERVE, lake, str(port)], cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{url}/health", timeout=1).close()  # noqa: S310 - our own address
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return Viewer(url, process)
    process.terminate()
    msg = "the viewer did not answer within 60 s"
    raise TimeoutError(msg)


class Tab:
    """One page of the browser that notes everything that went wrong; `phone`: in a phone's size."""

    def __init__(self, context: object, url: str, *, phone: bool = False) -> None:
        self.url, self.page, self.faults = url, context.new_page(), []
        if phone:
            self.page.set_viewport_size({"width": 390, "height": 800})
        self.page.on("pageerror", lambda e: self.faults.append(str(e)))
        self.page.on("console", lambda m: self.faults.append(m.text) if m.type == "error" else None)
        self.page.on("response", lambda r: self.faults.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        self.page.on("requestfailed", lambda r: self.faults.append(f"failed {r.url}"))

    def open(self, query: str = "") -> "Tab":
        """Open an address and wait until every panel is filled."""
        self.page.goto(f"{self.url}/{query}")
        return self.settled()

    def go(self, query: str) -> "Tab":
        """Change the address as the back button does, without loading the page again."""
        self.page.evaluate(
            "(q) => { history.pushState({}, '', q); window.dispatchEvent(new PopStateEvent('popstate')) }", query
        )
        self.page.wait_for_timeout(250)
        return self.settled(0.1)

    def settled(self, pause: float = 0.3) -> "Tab":
        """Wait until no panel is loading."""
        self.page.locator(".ep-panel, .msg").first.wait_for(state="attached", timeout=30_000)
        deadline = time.monotonic() + 30
        quiet = 0
        while quiet < 3 and time.monotonic() < deadline:
            quiet = 0 if self.page.locator(".skeleton:visible").count() else quiet + 1
            self.page.wait_for_timeout(120)
        self.page.wait_for_timeout(pause * 1000)
        return self

    def until(self, words: str, seconds: float = 15) -> str:
        """Wait until `words` stand on the page and nothing loads; return the text."""
        deadline = time.monotonic() + seconds
        while words not in self.text() and time.monotonic() < deadline:
            self.page.wait_for_timeout(250)  # the browser draws while nobody asks
        return self.settled(0.1).text()

    def text(self) -> str:
        """Return all visible text, also that of shadow roots."""
        return self.page.evaluate(
            "() => { const out = []; const walk = (n) => { for (const c of n.childNodes) {"
            " if (c.nodeType === 3) { const s = c.textContent.trim(); if (s) out.push(s) }"
            " else if (c.nodeType === 1 && c.tagName !== 'STYLE' && c.tagName !== 'SCRIPT') {"
            " if (c.shadowRoot) walk(c.shadowRoot); walk(c) } } }; walk(document.body); return out.join(' ') }"
        )


@pytest.fixture
def tab(context: object, viewer: Viewer) -> Iterator[Tab]:
    """Return a fresh page; any error in the console or an answer of 400 and above fails the test."""
    opened = Tab(context, viewer.url)
    yield opened
    opened.page.close()
    assert opened.faults == []
