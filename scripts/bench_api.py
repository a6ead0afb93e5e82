"""Measure the REST API on loopback: latency of many clients at once, with bounded loops.

    .venv/bin/python scripts/bench_api.py                # a lake of 260 cells × 600 days and a server of its own
    .venv/bin/python scripts/bench_api.py --port 5006    # a server that runs already

Each client keeps one connection and sends its next request when the answer is complete, without a pause. Every
scenario is warmed by one request, then measured. Meanwhile one more client asks /health, to see what a flood costs
others. With --runs each is done that often, with a server of its own, and figures are medians: the machine's own speed
changes from minute to minute. Prints measured figures only and writes them to bench-results/api.json.
Next: `bench_server.py`.
"""

import argparse
import asyncio
import gzip
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench_server import Running, make_lake, serving

OUT = Path("bench-results") / "api.json"
WINDOW_DAYS, LAKE_DAYS = 30, 600
POINTS = (6000, 3000, 2000, 1000)
HEAD_BYTES, ROOM_BYTES = 2**14, 2**22  # of an answer: where its head ends at the latest, and what it may have at most


@dataclass(frozen=True)
class Reply:
    """An answer as it came, and the time from the first byte sent to the last one received."""

    status: int
    headers: dict[str, str]
    body: bytes
    ms: float


class Client(asyncio.BufferedProtocol):
    """One connection, one request at a time. The socket writes into its buffer: what the client costs is small."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._room = memoryview(bytearray(ROOM_BYTES))

    async def __aenter__(self) -> "Client":
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()

    async def get(self, path: str, tag: str = "") -> Reply:
        """Return the answer.

        Raises:
            ConnectionError: the server closed the connection, or the answer is larger than `ROOM_BYTES`.
        """
        condition = f"If-None-Match: {tag}\r\n" if tag else ""
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nAccept-Encoding: gzip\r\n{condition}\r\n"
        self._held, self._stop = 0, 0
        self._answer: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        begun = time.perf_counter()
        self._transport.write(head.encode())
        ended = await self._answer
        return Reply(self._status, self._headers, bytes(self._room[self._start : self._stop]), 1000 * (ended - begun))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to the server."""
        self._transport = transport

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Return where the next bytes go; none are left if the answer is too large, which closes the connection."""
        return self._room[self._held :]

    def buffer_updated(self, count: int) -> None:
        """Note the time when the answer is complete."""
        self._held += count
        if not self._stop:
            end = bytes(self._room[: min(self._held, HEAD_BYTES)]).find(b"\r\n\r\n")
            if end < 0:
                return
            lines = bytes(self._room[:end]).decode("latin-1").split("\r\n")
            self._headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
            self._status, self._start = int(lines[0].split()[1]), end + 4
            self._stop = self._start + int(self._headers.get("content-length", 0))
        if self._held >= self._stop:
            self._answer.set_result(time.perf_counter())

    def connection_lost(self, error: Exception | None) -> None:
        """Tell who waits."""
        if hasattr(self, "_answer") and not self._answer.done():
            self._answer.set_exception(error or ConnectionError("the server closed the connection"))


async def get_json(port: int, path: str) -> dict:
    """Return one answer as an object."""
    async with Client(port) as client:
        reply = await client.get(path)
    return json.loads(gzip.decompress(reply.body) if reply.headers.get("content-encoding") == "gzip" else reply.body)


async def measure(
    server: Running, paths: Callable[[int], str], clients: int, requests: int, tag: str = ""
) -> dict:
    """Return the figures of one scenario; `paths` gives the path of request number i."""
    port = server.port
    async with Client(port) as warm:
        first_ms = (await warm.get(paths(0))).ms
    times, sizes, wrong, probes = [], [], 0, []
    numbers, running = iter(range(1, requests + 1)), True

    async def work(client: Client) -> None:
        nonlocal wrong
        for i in numbers:
            reply = await client.get(paths(i), tag)
            times.append(reply.ms)
            sizes.append(len(reply.body))
            wrong += reply.status not in {200, 304}

    async def probe(client: Client) -> None:
        while running:
            probes.append((await client.get("/health")).ms)
            await asyncio.sleep(0.05)

    async with AsyncExitStack() as connections:
        *workers, prober = [await connections.enter_async_context(Client(port)) for _ in range(clients + 1)]
        watcher = asyncio.create_task(probe(prober))
        busy_before, own_before = server.cpu_ms(), time.process_time()
        begun = time.perf_counter()
        await asyncio.gather(*(work(client) for client in workers))
        spent = time.perf_counter() - begun
        busy_after, own = server.cpu_ms(), 1000 * (time.process_time() - own_before)
        running = False
        await watcher
    busy = None if busy_before is None or busy_after is None else round((busy_after - busy_before) / len(times), 2)
    return {
        "clients": clients, "requests": len(times), "not_ok": wrong, "p50_ms": quantile(times, 0.5),
        "p95_ms": quantile(times, 0.95), "max_ms": round(max(times), 1), "requests_per_s": round(len(times) / spent, 1),
        "bytes_sent": round(statistics.median(sizes)), "health_p95_ms": quantile(probes, 0.95),
        "first_ms": round(first_ms, 1), "server_cpu_ms": busy, "client_cpu_ms": round(own / len(times), 2),
    }  # fmt: skip


def quantile(values: list[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 1)


async def run(server: Running, clients: int, requests: int) -> dict:
    """Run every scenario on the first battery system and the first meter of the lake."""
    port = server.port
    devices = await get_json(port, "/meters/classified")
    meter, system = devices["meters"][0], devices["bess"][0]["name"]
    cells = f"/cell/system/{system}/degradation-3d"
    async with Client(port) as client:
        unprepared = await client.get(cells)
    tag = unprepared.headers["etag"]
    shape = await get_json(port, f"{cells}?form=matrix")
    first, last = (datetime.fromisoformat(meter[k]) for k in ("first", "last"))
    room_s = max((last - first - timedelta(days=WINDOW_DAYS + 1)).total_seconds(), 1.0)
    shift_s = time.time_ns() // 1000 % 86_400  # windows of an earlier run must not be found in the server's memory

    def window(i: int) -> str:
        start = (first + timedelta(seconds=round(room_s * i / (requests + 1)) + shift_s)).astimezone(UTC)
        span = (start, start + timedelta(days=WINDOW_DAYS))
        a, b = (t.strftime("%Y-%m-%dT%H:%M:%SZ") for t in span)
        return f"/series?device={meter['name']}&signal=com_ap&start={a}&end={b}"

    scenarios = {
        "degradation_3d": (lambda _: cells, ""),
        "degradation_3d_matrix": (lambda _: f"{cells}?form=matrix", ""),
        "degradation_3d_not_modified": (lambda _: cells, tag),
        "series_same_window": (lambda _: window(0), ""),
        **{f"series_new_window_{n}_points": (lambda i, n=n: f"{window(i)}&max_points={n}", "") for n in POINTS},
    }
    figures = {name: await measure(server, paths, clients, requests, sent) for name, (paths, sent) in scenarios.items()}
    one = await measure(server, lambda i: f"{window(i)}&max_points=5999", 1, max(requests // 4, 1))
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processors": os.cpu_count(), "load_average": [round(v, 1) for v in os.getloadavg()],
        "cells": shape["total_cells"], "days": len(shape["timestamps"]), "window_days": WINDOW_DAYS,
        "degradation_3d_first_ms": round(unprepared.ms, 1),
        "scenarios": {**figures, "series_new_window_one_client": one},
    }  # fmt: skip


def measured(options: argparse.Namespace) -> dict:
    """Return the figures of a server that runs, or of one that is started for them."""
    if options.port is not None:
        return asyncio.run(run(Running(options.port, options.pid), options.clients, options.requests))
    with tempfile.TemporaryDirectory() as scratch:
        settings = options.settings or make_lake(options.lake or Path(scratch) / "bench", options.days)
        with serving(settings.resolve()) as server:
            return asyncio.run(run(server, options.clients, options.requests))


def medians(runs: list[dict]) -> dict:
    """Return the figures of several runs as medians, beside p95 the smallest and the largest of all runs."""
    names = runs[0]["scenarios"]
    scenarios = {}
    for name in names:
        found = [run["scenarios"][name] for run in runs]
        scenarios[name] = {k: _median([f[k] for f in found]) for k in found[0]}
        scenarios[name]["p95_ms_of_runs"] = sorted(f["p95_ms"] for f in found)
        scenarios[name]["not_ok"] = sum(f["not_ok"] for f in found)
    first_ms = _median([run["degradation_3d_first_ms"] for run in runs])
    return {**runs[0], "runs": len(runs), "degradation_3d_first_ms": first_ms, "scenarios": scenarios}


def _median(values: list[float | None]) -> float | None:
    return None if None in values else round(statistics.median(values), 2)


def main() -> int:
    """Run, print a table, write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, help="measure a server that runs already")
    parser.add_argument("--pid", type=int, default=0, help="its process, for processor time per request")
    parser.add_argument("--settings", type=Path, help="serve the lake of this settings file instead of a made one")
    parser.add_argument("--lake", type=Path, help="folder for the made lake, kept; default: thrown away")
    parser.add_argument("--days", type=int, default=LAKE_DAYS, help="length of the made lake")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--requests", type=int, default=600, help="per scenario")
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    found = medians([measured(options) for _ in range(max(options.runs, 1))])
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    load = found["load_average"]
    lines = [
        f"{found['cells']} cells × {found['days']} days, {found['processors']} processors, load {load}, "
        f"medians of {found['runs']} runs",
        f"first answer of degradation_3d: {found['degradation_3d_first_ms']} ms",
    ]
    lines += [
        f"{name:36} {f['clients']:2} clients  p50 {f['p50_ms']:6} ms  p95 {f['p95_ms']:6} ms "
        f"({f['p95_ms_of_runs'][0]} to {f['p95_ms_of_runs'][-1]})  "
        f"{f['requests_per_s']:6}/s  "
        f"{f['bytes_sent']:7} B  not ok {f['not_ok']}  /health p95 {f['health_p95_ms']:5} ms  "
        f"first {f['first_ms']:6} ms  processor ms per request: server {f['server_cpu_ms']}, "
        f"client {f['client_cpu_ms']}"
        for name, f in found["scenarios"].items()
    ]
    sys.stdout.write("\n".join([*lines, f"written to {OUT}", ""]))
    return 1 if any(f["not_ok"] for f in found["scenarios"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())
