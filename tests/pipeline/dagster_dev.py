"""A real `dagster dev` for tests and pictures: webserver, daemon and code server on a home and a lake of their own.

Next: `test_dagster_dev.py` and `tests/crash/test_dagster_faults.py`.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")
QUICK_SENSOR = "\n[operation]\nsensor_interval_s = 2\nretry_pause_s = 1\n"
RUNS = "{ runsOrError(limit: 50) { ... on Runs { results { runId status jobName tags { key value } } } } }"


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(what: str, ask: Callable[[], T], seconds: float, pause_s: float = 0.5) -> T:
    """Return the first answer that is true; fail with what was waited for."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = ask()
        if answer:
            return answer
        time.sleep(pause_s)
    msg = f"{what}: not within {seconds:.0f} s"
    raise AssertionError(msg)


class DagsterDev:
    """`dagster dev` in a folder with an `energy.toml`; its home has the `dagster.yaml` that is shipped."""

    def __init__(self, folder: Path) -> None:
        """Prepare the home; nothing is started yet."""
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)
        shutil.copy(ROOT / ".dagster_home" / "dagster.yaml", self.home)
        self.address = ""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float = 90) -> "DagsterDev":
        """Start it and wait until its webserver answers."""
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        environment = {
            **os.environ, "DAGSTER_HOME": str(self.home), "ENERGY_SETTINGS": str(self.folder / "energy.toml"),
            "PYTHONUNBUFFERED": "1",
        }
        with (self.folder / "dagster.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(Path(sys.executable).with_name("dagster")), "dev", "-w", str(ROOT / "workspace.yaml"),
                 "-h", "127.0.0.1", "-p", str(port)],
                cwd=self.folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )
        eventually("the webserver answers", self._answers, seconds)
        return self

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise AssertionError(f"dagster dev has ended:\n{self.log()}")
        try:
            return httpx.get(f"{self.address}/server_info", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def log(self) -> str:
        """The last lines that it wrote."""
        return "\n".join((self.folder / "dagster.log").read_text(errors="replace").splitlines()[-40:])

    def ask(self, query: str, **variables: object) -> dict[str, object]:
        """Ask its GraphQL interface."""
        answer = httpx.post(f"{self.address}/graphql", json={"query": query, "variables": variables}, timeout=30)
        body = answer.json()
        assert "errors" not in body, body["errors"]
        return body["data"]

    def runs(self) -> list[dict[str, object]]:
        """All runs, the newest first, with their tags as a dictionary."""
        runs = self.ask(RUNS)["runsOrError"]["results"]
        return [{**r, "tags": {t["key"]: t["value"] for t in r["tags"]}} for r in runs]

    def processes(self) -> list[int]:
        """Ids of all processes of its session: webserver, daemon, code server and the runs."""
        if self._process is None:
            return []
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if int(fields[3]) == self._process.pid and fields[0] != "Z":
                    found.append(int(entry.name))
        return found

    def command(self, pid: int) -> str:
        """Command line of a process; empty where it has ended."""
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return ""

    def kill(self) -> None:
        """SIGKILL to every process of it at once, as when the power goes."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self._process is not None:
            self._process.wait(timeout=20)
            self._process = None

    def stop(self) -> None:
        """End it in good order, and what is left of it by force."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=30)
        self.kill()
