"""Register events of a device: judged over its whole history, as the last step of a load.

A person's decisions in the settings count as well: a change of them makes a load due although no file changed.
Next: `compute/registers.py`, the judgement itself.
"""

import numpy as np
import polars as pl
from deltalake import DeltaTable
from numpy.typing import NDArray

from energy_pipeline.compute import zones
from energy_pipeline.compute.registers import events_frame, judge_register
from energy_pipeline.resources.commits import scan_table
from energy_pipeline.resources.lake import Lake
from energy_pipeline.schemas import TABLES
from energy_pipeline.settings import Settings
from energy_pipeline.signals import describe_signal

Int, Float = NDArray[np.int64], NDArray[np.float64]
NOTHING: tuple[Int, Float] = (np.empty(0, np.int64), np.empty(0))


def events_are_current(lake: Lake, settings: Settings, device: str) -> bool:
    """False where somebody has decided on register events since they were last judged."""
    loaded = lake.number("readings", f"load:{device}")
    return loaded == 0 or lake.number("counter_events", events_key(settings, device)) == loaded


def events_key(settings: Settings, device: str) -> str:
    """Name under which `counter_events` records the load and the decisions it was judged from."""
    return f"events:{device}@{settings.decisions_digest(device)}"


def judge_events(
    handle: DeltaTable, settings: Settings, device: str, signals: pl.DataFrame,
    fresh: dict[str, tuple[Int, Float]],
) -> pl.DataFrame:
    """Judge all monotone registers of a device: stored readings, or those in `fresh` where a signal has them."""
    frames = [TABLES["counter_events"].empty()]
    for signal in signals.filter(pl.col("kind") == "counter")["signal"]:
        ts, value = fresh[signal] if signal in fresh else stored_rows(handle, device, signal)
        if len(ts) < 2:
            continue
        rule = describe_signal(signal, settings.signal).rule
        p_max = rule.p_max_kw or settings.meter.p_max_kw
        events = judge_register(ts, value, p_max, rule.modulus, settings.decisions_of(device, signal))
        frames.append(events_frame(device, signal, events))
    return pl.concat(frames).sort("signal", "ts")


def stored_rows(
    handle: DeltaTable, device: str, signal: str, months: list[str] | None = None,
    span: tuple[int, int] | None = None,
) -> tuple[Int, Float]:
    """Stored readings of a signal, in order of time [µs], within a closed span."""
    rows = scan_table(handle, device, months).filter(pl.col("signal") == signal)
    if span is not None:
        rows = rows.filter(pl.col("ts").is_between(*(zones.from_us(s) for s in span)))
    frame = rows.select(pl.col("ts").to_physical(), "value").collect().sort("ts")
    return frame["ts"].to_numpy(), frame["value"].to_numpy()
