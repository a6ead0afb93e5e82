"""From the name of a signal to what it means: unit, kind, range, pack and cell.

The dictionary is data (`signals.toml`); settings may put entries in front of it. A name that matches nothing is
taken in as a gauge and reported, never dropped. Next: `compute/reader.py`, which uses it.
"""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from energy_pipeline.settings import SignalRule

UNKNOWN = SignalRule(pattern=".*", quantity="unknown", label_de="Unbekanntes Signal", label_en="Unknown signal")


@dataclass(frozen=True)
class SignalInfo:
    """One signal: its name, the rule that describes it, and its place where it is a cell's."""

    signal: str
    rule: SignalRule
    recognised: bool
    pack: int | None = None
    cell: int | None = None

    @property
    def is_register(self) -> bool:
        """True for cumulative energy registers."""
        return self.rule.kind in {"counter", "net_counter"}


@cache
def shipped_rules() -> tuple[SignalRule, ...]:
    """Return the dictionary that comes with the package, in order."""
    text = resources.files("energy_pipeline").joinpath("signals.toml").read_text(encoding="utf-8")
    return tuple(SignalRule.model_validate(s) for s in tomllib.loads(text)["signal"])


def describe_signal(signal: str, extra: tuple[SignalRule, ...] = ()) -> SignalInfo:
    """Return what `signal` means; `extra` rules (from settings) come before the shipped ones."""
    for rule in (*extra, *shipped_rules()):
        found = re.fullmatch(rule.pattern, signal, flags=re.IGNORECASE)
        if found:
            place = found.groupdict()
            pack, cell = place.get("pack"), place.get("cell")
            return SignalInfo(signal, rule, True, int(pack) if pack else None, int(cell) if cell else None)
    return SignalInfo(signal, UNKNOWN, False)
