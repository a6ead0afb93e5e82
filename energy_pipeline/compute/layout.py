"""From a file's header and its settings block to a plan of how to read its columns.

A `Layout` says which column is the time, how it is written, and which columns become which signals. Problems of a
whole file (no time column, a column that the settings name and the file lacks) are `LayoutError`s that say what was
found and what is allowed. Next: `reader.py` turns bytes into columns by a layout.
"""

import csv
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from energy_pipeline.settings import ColumnRule, SignalRule, Source
from energy_pipeline.signals import SignalInfo, describe_signal

DEFAULT_SOURCE = Source(name="ts-signal", glob="**/*.csv")
TIME_NAMES = ("ts", "timestamp", "time", "datetime", "date")


class LayoutError(ValueError):
    """A file cannot be read as a whole; the message says what was found, what is allowed and what to do."""


class IntervalLengthError(LayoutError):
    """Interval energy without the length of its rows; `layout` is the plan as it would be but for that."""

    def __init__(self, message: str, layout: "Layout") -> None:
        """Keep the plan, so that whoever has the rows can say how far apart they are."""
        super().__init__(message)
        self.layout = layout


@dataclass(frozen=True)
class Target:
    """One signal to be read: from which column (or key), and how its values are turned into stored ones."""

    column: str
    info: SignalInfo
    factor: float = 1.0
    offset: float = 0.0
    sentinels: tuple[float, ...] = ()
    limits: tuple[float, float] | None = None
    interval_s: float | None = None

    @property
    def signal(self) -> str:
        """Name of the signal in the lake."""
        return self.info.signal


@dataclass(frozen=True)
class Layout:
    """How to read one file: its columns in file order, the time, and the targets."""

    source: Source
    columns: tuple[str, ...]
    zone: ZoneInfo
    targets: tuple[Target, ...]

    @property
    def is_long(self) -> bool:
        """True where a key column names the signal of each row."""
        return self.source.key_column is not None

    @property
    def value_columns(self) -> tuple[str, ...]:
        """Columns that hold values."""
        if self.source.value_column is not None:
            return (self.source.value_column,)
        return tuple(dict.fromkeys(t.column for t in self.targets))


def split_header(line: str, source: Source) -> tuple[str, ...]:
    """Return the column names of a header line, without byte-order mark, quotes and surrounding blanks."""
    try:
        cells = next(csv.reader([line.lstrip("\ufeff")], delimiter=source.separator), [])
    except csv.Error as error:
        msg = f"the header line cannot be split into names: {error}; it begins with {line[:80]!r}"
        raise LayoutError(msg) from error
    return tuple(cell.strip() for cell in cells)


def resolve_layout(
    columns: tuple[str, ...], source: Source, zone: ZoneInfo, extra: tuple[SignalRule, ...] = ()
) -> Layout:
    """Plan how a file with these columns is read.

    Args:
        columns: names in file order.
        source: the settings block of the file (`DEFAULT_SOURCE` for `ts,<signal>`).
        zone: zone of naive times where the block names none.
        extra: rules of the settings that come before the shipped dictionary of signals.

    Raises:
        LayoutError: there is no time column, no value column, a named column is missing, two columns (or keys) give
            one signal, or interval energy has no length.
    """
    time_column = _find_time(columns, source)
    if time_column != source.time_column:
        source = source.model_copy(update={"time_column": time_column})
    clock = ZoneInfo(source.zone) if source.zone else zone
    if source.zone_column is not None:
        _require(columns, source, source.zone_column, "zone_column")
    targets = _long_targets(columns, source, extra) if source.key_column else _wide_targets(columns, source, extra)
    doubled = sorted({t.signal for t in targets if [o.signal for o in targets].count(t.signal) > 1})
    if doubled:
        kind = "keys" if source.key_column else "columns"
        names = ", ".join(repr(t.column) for t in targets if t.signal in doubled)
        msg = (
            f"several {kind} give the same signal {', '.join(doubled)}: {names}; give each its own name in "
            f"source.columns"
        )
        raise LayoutError(msg)
    layout = Layout(source, columns, clock, tuple(targets))
    endless = [t.signal for t in targets if t.info.rule.kind == "interval" and t.interval_s is None]
    if endless:
        msg = (
            f"source {source.name!r}: kind \"interval\" needs interval_s, the length of a row in seconds; "
            f"{', '.join(endless)} has none; write interval_s in the file's [[source]] block"
        )
        raise IntervalLengthError(msg, layout)
    return layout


def _find_time(columns: tuple[str, ...], source: Source) -> str:
    if source.time_column in columns:
        return source.time_column
    for name in columns:
        if source.name == DEFAULT_SOURCE.name and name.lower() in TIME_NAMES:
            return name
    allowed = " or ".join(TIME_NAMES) if source.name == DEFAULT_SOURCE.name else repr(source.time_column)
    msg = (
        f"no time column: found {_shown(columns)}, allowed {allowed}; "
        f"describe the file by a [[source]] block with time_column (`energy-pipeline doctor` proposes one)"
    )
    raise LayoutError(msg)


def _require(columns: tuple[str, ...], source: Source, name: str, key: str) -> None:
    if name not in columns:
        msg = f"source {source.name!r}: {key} = {name!r} is not in the file; found {_shown(columns)}"
        raise LayoutError(msg)


def _long_targets(columns: tuple[str, ...], source: Source, extra: tuple[SignalRule, ...]) -> list[Target]:
    _require(columns, source, str(source.key_column), "key_column")
    _require(columns, source, str(source.value_column), "value_column")
    if source.factor_column is not None:
        _require(columns, source, source.factor_column, "factor_column")
    return [_target(r.column or "", r.signal.lower(), r, source, extra) for r in source.columns]


def _wide_targets(columns: tuple[str, ...], source: Source, extra: tuple[SignalRule, ...]) -> list[Target]:
    named = [r.column for r in source.columns if r.column is not None]
    absent = [c for c in named if c not in columns]
    if absent and len(absent) < len(named):
        msg = (
            f"source {source.name!r}: columns {', '.join(map(repr, absent))} are not in the file; found "
            f"{_shown(columns)}; correct the names in source.columns, or use `match` for columns that may be missing"
        )
        raise LayoutError(msg)
    values = [c for c in columns if c not in {source.time_column, source.zone_column}]
    if not source.columns:
        targets = [_target(c, c.lower(), None, source, extra) for c in values if c]
    else:
        pairs = [(c, s, r) for r in source.columns for c in values if (s := _signal_of(r, c)) is not None]
        targets = [_target(c, s.lower(), r, source, extra) for c, s, r in pairs]
    if not targets:
        wanted = ", ".join(repr(r.column or r.match) for r in source.columns) or "any column beside the time"
        msg = f"no value column: found {_shown(columns)}; source {source.name!r} reads {wanted}"
        raise LayoutError(msg)
    return targets


def _signal_of(rule: ColumnRule, column: str) -> str | None:
    """Name of the signal that a rule makes of a column; None where it does not name the column."""
    if rule.column is not None:
        return rule.signal if rule.column == column else None
    match = re.fullmatch(rule.match or "", column)
    # A group that takes no part in the match is an empty piece of the name.
    return rule.signal.format("", *match.groups(default="")) if match else None


def _target(
    column: str, signal: str, rule: ColumnRule | None, source: Source, extra: tuple[SignalRule, ...]
) -> Target:
    info = describe_signal(signal, extra)
    change: dict[str, object] = {}
    if rule is not None:
        change = {
            k: v for k, v in (("quantity", rule.quantity), ("unit", rule.unit), ("kind", rule.kind)) if v is not None
        }
    if source.max_hold_s is not None and info.rule.max_hold_s is None:
        change["max_hold_s"] = source.max_hold_s
    known = info.rule.model_copy(update=change) if change else info.rule
    info = SignalInfo(signal, known, info.recognised or bool(rule and rule.quantity), info.pack, info.cell)
    if rule is None:
        interval = source.interval_s if known.kind == "interval" else None
        return Target(column, info, sentinels=known.sentinels, limits=known.range, interval_s=interval)
    interval = rule.interval_s or source.interval_s if known.kind == "interval" else None
    return Target(
        column, info, rule.factor * rule.sign, rule.offset, rule.sentinels or known.sentinels,
        rule.range or known.range, interval,
    )


def _shown(columns: tuple[str, ...]) -> str:
    names = ", ".join(repr(c) for c in columns[:8]) or "nothing"
    return names + (f" and {len(columns) - 8} more" if len(columns) > 8 else "")
