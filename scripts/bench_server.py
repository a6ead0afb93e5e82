"""A lake of a given size and a server of its own for `bench_api.py`: made, started, stopped, with an end to everything.

The lake is that of the tests (`tests/viewer/lake_factory.py`): every table, values from formulas and one seed. The
server runs as a user starts it, on 127.0.0.1 and a free port.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKS, CELLS = 10, 26
START_S, STOP_S = 60, 15
SETTINGS = 'lake = "lake"\nzone = "Europe/Berlin"\n'


@dataclass(frozen=True)
class Running:
    """A server: its port, its process, and the file that takes its error output."""

    port: int
    pid: int
    log: Path

    @property
    def root(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self.port}"

    def cpu_ms(self) -> float | None:
        """Return the processor time of the process so far [ms], None where the system does not tell."""
        stat = Path(f"/proc/{self.pid}/stat")
        if not stat.exists():
            return None
        fields = stat.read_text(encoding="ascii").rpartition(")")[2].split()
        return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def make_lake(folder: Path, days: int) -> Path:
    """Write a plant of 260 cells and two meters over `days` days; return its settings file. One that is there stays."""
    settings, done = folder / "energy.toml", folder / f"made-{days}-days"
    if done.exists():
        return settings
    if folder.exists() and any(folder.iterdir()):
        msg = f"{folder} is not empty and holds no finished lake of {days} days; name another folder or remove it"
        raise FileExistsError(msg)
    sys.path.insert(0, str(ROOT))
    from tests.viewer.lake_factory import Plan, write_lake

    write_lake(folder / "lake", Plan(packs=PACKS, cells=CELLS, days=days))
    settings.write_text(SETTINGS, encoding="utf-8")
    done.touch()
    return settings


@contextmanager
def serving(settings: Path, log_level: str = "warning") -> Iterator[Running]:
    """Run a viewer for a settings file as long as the block lasts.

    Raises:
        RuntimeError: the server ended or did not answer within `START_S`.
    """
    program = ["-m", "energy_pipeline.cli", "view", "--log-level", log_level, "--port"]
    with _running(program, os.environ | {"ENERGY_SETTINGS": str(settings)}) as server:
        yield server


@contextmanager
def serving_floor() -> Iterator[Running]:
    """Run the server of the emptiest page (`bench_floor.py`) as long as the block lasts; raises as `serving` does."""
    with _running([str(Path(__file__).with_name("bench_floor.py"))], dict(os.environ)) as server:
        yield server


@contextmanager
def _running(program: list[str], environ: dict[str, str]) -> Iterator[Running]:
    port = _free_port()
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, *program, str(port)], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=log
        )
        try:
            _wait(process, port)
            yield Running(port, process.pid, Path(log.name))
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_S)
            _repeat(Path(log.name))


def _repeat(log: Path) -> None:
    """Write what the server said, but for its notes of every answer."""
    notes = (" DEBUG ", "INFO:")
    lines = log.read_text(encoding="utf-8").splitlines()
    sys.stderr.writelines(f"{line}\n" for line in lines if not any(note in line for note in notes))


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait(process: subprocess.Popen, port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    msg = f"the server on port {port} did not answer within {START_S} s (exit status {process.poll()})"
    raise RuntimeError(msg)
