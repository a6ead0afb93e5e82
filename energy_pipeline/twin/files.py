"""Files as a recorder writes them: `ts,<signal>`, naive local wall clock, fixed decimals.

Rows are built as byte matrices, never row by row: timestamps come from two look-up tables (dates, seconds of the
day), digits from integer arithmetic. What the values are is the matter of `signals.py` and `meters.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from energy_pipeline.twin.plan import DAY_S

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_GRID_S = 900


@dataclass(frozen=True)
class SignalSpec:
    """One file to be made: sampling, decimals and the function that gives its values at UTC seconds."""

    name: str
    period_s: int
    decimals: int
    values: Callable[[Ints, np.random.Generator], Floats]
    start_s: int
    end_s: int
    fast_period_s: int | None = None


class Clock:
    """A recorder's wall clock: UTC seconds to local seconds, with an error of its setting."""

    def __init__(self, zone: str, first_s: int, last_s: int, error_s: int = 0) -> None:
        """Tabulate the zone's offsets every 15 min from `first_s` to `last_s`."""
        self.first = first_s - first_s % _GRID_S - _GRID_S
        steps = np.arange(self.first, last_s + 2 * _GRID_S, _GRID_S)
        tz = ZoneInfo(zone)
        self.offset = np.array([_offset_s(int(s), tz) for s in steps], dtype=np.int64) + error_s

    def local(self, t: Ints) -> Ints:
        """Local wall-clock seconds (counted as if they were UTC) of UTC seconds `t`."""
        return t + self.offset[(t - self.first) // _GRID_S]


def _offset_s(second: int, tz: ZoneInfo) -> int:
    shift = datetime.fromtimestamp(second, tz=UTC).astimezone(tz).utcoffset()
    return int(shift.total_seconds()) if shift is not None else 0


def fast_grid(is_fast: NDArray[np.bool_], step_s: int) -> Callable[[Ints], NDArray[np.bool_]]:
    """Return a function that tells for seconds since the start whether sampling is fast there."""

    def look_up(elapsed: Ints) -> NDArray[np.bool_]:
        return is_fast[np.clip(elapsed // step_s, 0, len(is_fast) - 1)]

    return look_up


def sample_times(
    spec: SignalSpec,
    rng: np.random.Generator,
    origin_s: int,
    fast: Callable[[Ints], NDArray[np.bool_]] | None,
    gaps: list[tuple[int, int]],
) -> Ints:
    """Instants at which a signal is recorded: its own phase, a jitter of one second, fast where `fast` says so."""
    step = spec.fast_period_s or spec.period_s
    first = spec.start_s + int(rng.integers(0, spec.period_s))
    t = np.arange(first, spec.end_s - 1, step, dtype=np.int64)
    if spec.fast_period_s is not None and fast is not None:
        ratio = spec.period_s // step
        keep = fast(t - origin_s)
        keep[::ratio] = True
        t = t[keep]
    t[1:] += rng.integers(-1, 2, size=max(len(t) - 1, 0))
    for start, end in gaps:
        t = t[(t < start) | (t >= end)]
    return t


def encode_rows(local_s: Ints, scaled: Ints, decimals: int) -> bytes:
    """Rows `YYYY-MM-DD HH:MM:SS,<value>` as bytes.

    Args:
        local_s: wall-clock seconds.
        scaled: values times 10**decimals.
        decimals: digits behind the point; 0 writes whole numbers.
    """
    if len(local_s) == 0:
        return b""
    magnitude = np.abs(scaled)
    small = magnitude.max() < 2**31
    magnitude = magnitude.astype(np.int32 if small else np.int64)
    digits = max(len(str(int(magnitude.max()))), decimals + 1)
    point = int(decimals > 0)
    signed = bool((scaled < 0).any())
    out = np.empty((len(local_s), 20 + signed + digits + point + 1), dtype=np.uint8)
    _stamp(out, local_s)
    if signed:
        out[:, 20] = np.where(scaled < 0, ord("-"), 0)
    column = out.shape[1] - 2
    out[:, -1] = ord("\n")
    for k in range(digits):
        if point and k == decimals:
            out[:, column] = ord(".")
            column -= 1
        rest = magnitude // 10
        digit = (magnitude - rest * 10 + ord("0")).astype(np.uint8)
        if k > decimals:
            digit[magnitude == 0] = 0
        out[:, column] = digit
        magnitude = rest
        column -= 1
    padded = signed or not out[:, 20].all() or digits > decimals + 1
    return out[out != 0].tobytes() if padded else out.tobytes()


_SECONDS = np.frombuffer(
    b"".join(f"{h:02d}:{m:02d}:{s:02d},".encode() for h in range(24) for m in range(60) for s in range(60)), dtype="V9"
)


def _stamp(out: NDArray[np.uint8], local_s: Ints) -> None:
    """Write 20 bytes of time and comma at the start of each row."""
    day = local_s // DAY_S
    first = int(day.min())
    dates = np.arange(first, int(day.max()) + 1).astype("datetime64[D]").astype("S10")
    table = np.char.add(dates, b" ").astype("S11").view("V11")
    stamps = np.empty(len(local_s), dtype=[("d", "V11"), ("s", "V9")])
    stamps["d"] = table[day - first]
    stamps["s"] = _SECONDS[local_s - day * DAY_S]
    out[:, :20] = stamps.view(np.uint8).reshape(-1, 20)


def write_signal(path: Path, spec: SignalSpec, local_s: Ints, values: Floats, swaps: Ints | None = None) -> int:
    """Write one file and return its rows; `swaps` are rows that change places with the next one."""
    scaled = np.rint(values * 10**spec.decimals).astype(np.int64)
    if swaps is not None:
        for i in swaps:
            local_s[[i, i + 1]], scaled[[i, i + 1]] = local_s[[i + 1, i]], scaled[[i + 1, i]]
    with path.open("wb") as file:
        file.write(f"ts,{spec.name}\n".encode())
        file.write(encode_rows(local_s, scaled, spec.decimals))
    return len(local_s)
