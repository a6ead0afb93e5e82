"""Long files: one column names the signal of a row, one holds the value, and one may hold a factor.

Recognised by the names of the columns and few distinct keys; each key is then judged like a column of its own.
Next: `columns.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from energy_pipeline.compute.doctor.columns import Clock, ColumnReport, judge_columns
from energy_pipeline.compute.doctor.look import FileLook
from energy_pipeline.compute.doctor.names import Family, words_of

KEY_WORDS = {"code", "key", "signal", "channel", "obis", "variable", "parameter", "measurement", "metric", "tag",
             "sensor", "register", "quantity", "name"}
VALUE_WORDS = {"value", "wert", "reading", "val", "stand", "messwert"}
FACTOR_WORDS = {"factor", "faktor", "scale", "multiplier"}
MAX_KEYS = 1000


@dataclass(frozen=True)
class LongShape:
    """The columns of a long file."""

    key: str
    value: str
    factor: str | None


def find_long(look: FileLook) -> LongShape | None:
    """Tell whether a file is long; None where it is wide."""
    keys = [n for n, t in look.texts.items() if words_of(n) & KEY_WORDS and t.n_unique() <= MAX_KEYS]
    values = [n for n in look.numbers if words_of(n) & VALUE_WORDS]
    if len(keys) != 1 or len(values) != 1:
        return None
    factor = next((n for n in look.numbers if words_of(n) & FACTOR_WORDS), None)
    return LongShape(keys[0], values[0], factor)


def split_long(looks: Sequence[FileLook], shape: LongShape) -> dict[str, list[Clock]]:
    """Times and values (times their factor) of each key by file."""
    found: dict[str, list[Clock]] = {}
    for look in looks:
        if look.time is None or shape.key not in look.texts:
            continue
        keys, values = look.texts[shape.key], look.numbers[shape.value]
        if shape.factor:
            values = values * look.numbers[shape.factor]
        for key in keys.unique(maintain_order=True):
            rows = (keys == key).to_numpy() & look.time.ok
            found.setdefault(str(key), []).append((look.time.time_us[rows], values[rows]))
    return found


def judge_long(looks: Sequence[FileLook], shape: LongShape, data: dict[str, list[Clock]]) -> list[ColumnReport]:
    """Judge each key as a column; a key whose factor is negative counts the other way.

    A factor of 0.001 or 1000 on a register speaks of Wh or MWh; its direction is not told by the file.
    """
    reports = []
    for key, clocks in data.items():
        report = judge_columns({key: clocks}, regular=False)[0]
        report.family = Family(None, (key,), 0)
        factor = _factor(looks, shape, key)
        if not report.meaning.known and report.kind == "register" and factor is not None:
            report.meaning = replace(
                report.meaning, signal="pos_ae", known=True, why="a register with a factor per row",
                remark=f"factor {factor:g} taken as to kWh; the direction cannot be told: import assumed",
            )
        elif not report.meaning.known and factor is not None and factor < 0 and report.kind in {"register", "constant"}:
            report.sign = -1
            report.meaning = replace(
                report.meaning, signal="neg_ae", known=True, why="its factor is negative: counts the other way",
                remark=f"factor {factor:g} is negative: counts the other way, export assumed ({report.kind_why})",
            )
        reports.append(report)
    seen: set[str] = set()
    for report in reports:
        if report.meaning.signal in seen:
            name = report.family.names[0].lower()
            report.meaning = replace(report.meaning, signal=f"{report.meaning.signal}_{name}", kind="counter")
        seen.add(report.meaning.signal)
    return reports


def _factor(looks: Sequence[FileLook], shape: LongShape, key: str) -> float | None:
    if shape.factor is None:
        return None
    for look in looks:
        rows = (look.texts.get(shape.key, pl.Series([], dtype=pl.String)) == key).to_numpy()
        if rows.any():
            return float(np.nanmedian(look.numbers[shape.factor][rows]))
    return None
