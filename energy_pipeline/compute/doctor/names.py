"""What the name of a column suggests, together with what its values look like: families, units and signals.

A name is weak evidence: every answer says why, and what a name does not tell (a unit, a direction) is written as a
remark that ends in the proposed block. Next: `proposal.py`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from energy_pipeline.compute.doctor.values import ValueStats
from energy_pipeline.signals import describe_signal

UNIT = re.compile(r"(?<![A-Za-z])(MWh|kWh|Wh|MW|kW|W|kvarh|kvar|mV|V|mA|A|Ah|°C|%|Hz)(?![A-Za-z])", re.IGNORECASE)
ENERGY = {"wh": 0.001, "kwh": 1.0, "mwh": 1000.0}
POWER = {"w": 0.001, "kw": 1.0, "mw": 1000.0}
IN = {"import", "imp", "imported", "bezug", "pos", "usage", "consumption", "verbrauch", "delivered", "active", "load"}
OUT = {"export", "exp", "exported", "returned", "return", "neg", "einspeisung", "lieferung", "feed", "injection"}
VOLT, AMP = {"voltage", "volt", "spannung"}, {"current", "curr", "strom"}
TEMP, SYSTEM = {"temp", "temperature", "temperatur"}, {"battery", "bms", "pack", "system", "batterie", "batt"}
HIGH, LOW = {"max", "high", "highest"}, {"min", "low", "lowest"}
SOC_OF = {"soc", "ladezustand"}


@dataclass(frozen=True)
class Family:
    """Columns whose names differ in a number or a single letter only; one column is a family of its own."""

    pattern: str | None
    names: tuple[str, ...]
    groups: int

    @property
    def title(self) -> str:
        """Name for people: `V_1 … V_96 (96)`."""
        first, last = self.names[0], self.names[-1]
        return first if len(self.names) == 1 else f"{first} … {last} ({len(self.names)})"


@dataclass(frozen=True)
class Meaning:
    """The signal that a family seems to be, and how its values are to be turned into stored ones."""

    signal: str
    why: str
    factor: float = 1.0
    remark: str = ""
    known: bool = True
    kind: str | None = None


def template_of(name: str) -> str:
    """Return a name with its numbers as `#`, or, where it has none, its single letters as `@`."""
    if re.search(r"\d", name):
        return re.sub(r"\d+", "#", name)
    if len(name) < 3:
        return name
    return re.sub(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])", "@", name)


def find_families(names: Iterable[str]) -> list[Family]:
    """Group names that share a template, in order of their first appearance."""
    grouped: dict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(names):
        grouped[template_of(name)].append(name)
    families = []
    for template, members in grouped.items():
        if len(members) == 1:
            families.append(Family(None, (members[0],), 0))
            continue
        plain = re.escape(template).replace(r"\#", "#").replace(r"\ ", " ")
        pattern = plain.replace("#", r"(\d+)").replace("@", r"(\w)")
        families.append(Family(pattern, tuple(members), pattern.count(r"(\d+)") + pattern.count(r"(\w)")))
    return families


def words_of(name: str) -> set[str]:
    """Words of a name, lower case, split at signs and at capitals."""
    return {w.lower() for w in re.findall(r"[A-Z]?[a-zäöü]+|[A-Z]+(?![a-z])|\d+", name)}


def slug_of(name: str) -> str:
    """Name of a signal made from the name of a column."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "column"


def guess_meaning(family: Family, kind: str, stats: ValueStats, *, step_is_regular: bool) -> Meaning:
    """Say which signal a family seems to be.

    Args:
        family: the columns.
        kind: what the values behave like (`values.find_kind`).
        stats: their range without sentinels.
        step_is_regular: rows come at one step, so that a row may be the energy of an interval.
    """
    name = family.names[0]
    tail = "".join(f"_{{{i + 1}}}" for i in range(family.groups))
    if describe_signal(name.lower()).recognised:
        parts = re.split(r"#", template_of(name.lower()))
        own = "".join(f"{part}{{{i + 1}}}" for i, part in enumerate(parts[:-1])) + parts[-1]
        return Meaning(own if family.groups else name.lower(), "the dictionary of signals knows the name")
    unit = next((u.lower() for u in UNIT.findall(name)), "")
    words = words_of(UNIT.sub(" ", name) if unit in {*ENERGY, *POWER} else name)
    for finder in (_battery, _energy, _power):
        found = finder(family, words, unit, kind, stats, step_is_regular)
        if found is not None:
            return found
    if kind == "register":
        remark = "only rises: where it is energy, add kind = \"counter\" and a factor to kWh"
        return Meaning(slug_of(_stem(family)) + tail, "unknown name", remark=remark, known=False)
    if kind == "daily":
        return Meaning(slug_of(_stem(family)) + tail, "unknown name", remark="starts anew each day", known=False)
    return Meaning(slug_of(_stem(family)) + tail, "unknown name", known=False)


def _stem(family: Family) -> str:
    """Name of a family without what differs."""
    return re.sub(r"[#@]", " ", template_of(family.names[0])) if family.groups else family.names[0]


def _battery(
    family: Family, words: set[str], unit: str, kind: str, stats: ValueStats, _: bool
) -> Meaning | None:
    one = not family.groups
    if one and words & SOC_OF and stats.low >= 0 and stats.high <= 100:
        return Meaning("bms1_soc", f"named SOC, {stats.low:g} to {stats.high:g}", 100.0 if stats.high <= 1 else 1.0)
    if one and "soh" in words and stats.high <= 110:
        return Meaning("bms1_soh", "named SOH", 100.0 if stats.high <= 1.1 else 1.0)
    last, said = f"{{{family.groups}}}", f"{len(family.names)} columns of {stats.p01:g} to {stats.p99:g}"
    if len(family.names) >= 4 and words & {"v", "u", "cell", "zelle", *VOLT} and not words & TEMP:
        for factor in (1.0, 0.001):
            if stats.p01 * factor >= 1.0 and stats.p99 * factor <= 5.0:
                return Meaning(f"bms1_p1_v{last}", said, factor)
    if len(family.names) >= 2 and words & {"t", *TEMP} and -60 <= stats.p01 <= stats.p99 <= 150:
        return Meaning(f"bms1_p1_t{last}", said)
    if not one or kind in {"flag", "constant"}:
        return None
    if words & VOLT and "cell" in words and words & (HIGH | LOW) and 1 <= stats.median <= 5:
        return Meaning(f"bms1_cell_{'max' if words & HIGH else 'min'}_v", "named the highest or lowest cell")
    if words & VOLT and words & SYSTEM and "cell" not in words and stats.median > 8:
        return Meaning("bms1_v", f"named the battery's voltage, about {stats.median:g}")
    if words & AMP and words & SYSTEM:
        return Meaning("bms1_c", "named the battery's current", 0.001 if unit == "ma" else 1.0)
    if words & TEMP and words & SYSTEM and words & (HIGH | LOW):
        return Meaning(f"bms1_cell_{'max' if words & HIGH else 'min'}_t", "named the highest or lowest temperature")
    return None


def _energy(
    family: Family, words: set[str], unit: str, kind: str, stats: ValueStats, regular: bool
) -> Meaning | None:
    tail = "".join(f"_{{{i + 1}}}" for i in range(family.groups))
    way_in, way_out = bool(words & IN), bool(words & OUT)
    if kind == "register" and (unit in ENERGY or way_in or way_out):
        remark = "" if unit else "the name tells no unit: kWh assumed"
        if not way_in and not way_out:
            remark = (remark + "; " if remark else "") + "the direction cannot be told: import assumed"
        return Meaning(("neg_ae" if way_out else "pos_ae") + tail, f"a register{f' in {unit}' if unit else ''}",
                       ENERGY.get(unit, 1.0), remark, kind="counter" if tail else None)
    if kind in {"gauge", "constant", "flag"} and unit in ENERGY and regular and stats.low >= 0 and "today" not in words:
        remark = "" if way_in or way_out else "the direction cannot be told: import assumed"
        return Meaning(("export_interval" if way_out else "import_interval") + tail,
                       f"{unit} that rises and falls at one step: energy of the interval", ENERGY[unit], remark)
    return None


def _power(
    family: Family, words: set[str], unit: str, kind: str, stats: ValueStats, _: bool
) -> Meaning | None:
    tail = "".join(f"_{{{i + 1}}}" for i in range(family.groups))
    named = "pf" in words or {"power", "factor"} <= words or {"cos", "phi"} <= words
    if named and stats.low >= -101 and stats.high <= 101:
        percent = max(abs(stats.p01), abs(stats.p99)) > 1.5
        return Meaning("pf" + tail, "named power factor" + (", in %" if percent else ""), 0.01 if percent else 1.0)
    if kind in {"register", "daily"}:
        return None
    grid = words & {"grid", "netz", "meter", "active", "wirkleistung", "site"}
    if unit in POWER and grid:
        return Meaning("com_ap" + tail, f"power at the grid in {unit}", POWER[unit], "check that import is positive")
    return None


def unique_signals(meanings: Sequence[tuple[Family, Meaning]]) -> list[tuple[Family, Meaning]]:
    """Give the second family of one signal a name of its own, as a source may give each signal once."""
    seen: set[str] = set()
    out = []
    for family, meaning in meanings:
        chosen = meaning
        if meaning.signal in seen:
            own = slug_of(_stem(family)) + "".join(f"_{{{i + 1}}}" for i in range(family.groups))
            while own in seen:
                own += "_2"
            remark = f"like {family.title}, another column is {meaning.signal}; kept under its own name"
            chosen = Meaning(own, meaning.why, meaning.factor, remark, known=False)
        seen.add(chosen.signal)
        out.append((family, chosen))
    return out
