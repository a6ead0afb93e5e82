"""Which devices and signals there are: short answers that several pages and the API share.

Next: `pages/`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl

from energy_pipeline.settings import Settings
from energy_pipeline.signals import describe_signal
from viewer.store import Store


@dataclass(frozen=True)
class DeviceInfo:
    """A device, what kind it is, its zone and the time its readings span."""

    name: str
    kind: str
    zone: ZoneInfo
    first: datetime | None
    last: datetime | None

    @property
    def is_bess(self) -> bool:
        """True for battery systems."""
        return self.kind == "bess"

    def wall_span(self) -> tuple[datetime, datetime]:
        """Return first and last reading on the device's wall clock, naive."""
        first, last = self.first or datetime.now(UTC), self.last or datetime.now(UTC)
        return tuple(t.astimezone(self.zone).replace(tzinfo=None) for t in (first, last))


class Catalog:
    """Devices and signals of a lake."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings = store, settings

    def devices(self) -> list[DeviceInfo]:
        """Return all devices with readings, battery systems and meters by name."""
        rows = self._store.frame("signals", ["device", "quantity", "group", "first_ts", "last_ts"])
        spans = rows.group_by("device").agg(
            pl.col("first_ts").min(),
            pl.col("last_ts").max(),
            pl.col("quantity").is_in(["cell_voltage", "soc"]).any().alias("bess"),
            (pl.col("group") == "meter").any().alias("meter"),
        )
        return [
            DeviceInfo(
                r["device"],
                "bess" if r["bess"] else "meter" if r["meter"] else "other",
                self._settings.zone_of(r["device"]),
                r["first_ts"],
                r["last_ts"],
            )
            for r in sorted(spans.to_dicts(), key=lambda r: natural(r["device"].lower()))
        ]

    def device(self, name: str) -> DeviceInfo | None:
        """Return one device, None where it is not known."""
        return next((d for d in self.devices() if d.name == name), None)

    def signals(self, device: str) -> pl.DataFrame:
        """Return the device's rows of the `signals` table, in natural order of the names."""
        rows = self._store.frame("signals", where={"device": device})
        order = sorted(range(rows.height), key=lambda i: natural(rows["signal"][i]))
        return rows[order]

    def label(self, signal: str, lang: str, *, with_name: bool = True) -> str:
        """Return a signal's name for people; several signals of one quantity keep their own name beside it."""
        rule = describe_signal(signal, self._settings.signal).rule
        label = rule.label_de if lang == "de" else rule.label_en
        if not label:
            return signal
        return f"{label} · {signal}" if with_name else label


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts P1C2 before P1C10."""
    key, digits, word = [], "", ""
    for char in f"{name}\0":
        if char.isdigit():
            if word:
                key.append((1, 0, word))
                word = ""
            digits += char
            continue
        if digits:
            key.append((0, int(digits), ""))
            digits = ""
        word += char
    return [*key, (1, 0, word)]
