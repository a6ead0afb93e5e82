"""Which auxiliary meters a system has, and what they measure together: a sum over all of them, or nothing.

Signals of one meter share the name in front of the measure: `aux_m1_com_ap` and `aux_m1_pos_ae` are both of `aux_m1`.
Several registers of one meter (net, import) hold the same energy and are never added up; several meters are.
Next: `battery_energy.py` for days, `viewer/figures_of_bess.py` for windows.
"""

from dataclasses import dataclass

import polars as pl

ENERGY, POWER = "auxiliary_energy", "auxiliary_power"
KWH = 3600.0
# Words at the end of a signal's name that say what is measured, not by which meter.
MEASURES = frozenset({
    "ac", "active", "ae", "ap", "com", "consumption", "counter", "e", "energy", "imp", "import", "kw", "kwh", "net",
    "p", "pos", "power", "register", "total", "w", "wh",
})  # fmt: skip


@dataclass(frozen=True)
class AuxiliaryMeter:
    """A meter of auxiliaries: its name, its register [kWh] and its power [kW], as far as it has them."""

    name: str
    register: str | None
    power: str | None


def auxiliary_meters(signals: pl.DataFrame) -> list[AuxiliaryMeter]:
    """Return the auxiliary meters of a device in the order of their names.

    Args:
        signals: its rows of `signals`. Of several registers of a meter, the import register is taken.
    """
    found: dict[str, dict[str, list[str]]] = {}
    rows = signals.filter(pl.col("quantity").is_in([ENERGY, POWER])).select("signal", "quantity").sort("signal")
    for signal, quantity in rows.iter_rows():
        found.setdefault(meter_of(signal), {}).setdefault(quantity, []).append(signal)
    return [
        AuxiliaryMeter(name, _import_first(kinds.get(ENERGY, [])), next(iter(kinds.get(POWER, [])), None))
        for name, kinds in sorted(found.items())
    ]


def meter_of(signal: str) -> str:
    """Return the meter that a signal belongs to: its name without the words that say what is measured."""
    words = signal.split("_")
    while len(words) > 1 and words[-1].lower() in MEASURES:
        words.pop()
    return "_".join(words)


def _import_first(registers: list[str]) -> str | None:
    return next((n for n in registers if "pos" in n), next(iter(registers), None))


def meter_energies(buckets: pl.DataFrame, meters: list[AuxiliaryMeter], least_covered_s: float) -> pl.DataFrame:
    """Return the energy of each meter per bucket: `ts`, `meter`, `kwh`, `source` (register or power).

    From the register, else from the integral of the power where that covers `least_covered_s` of the bucket. A meter
    without either has no row.

    Args:
        buckets: rows of a resolution table of the device.
        meters: its auxiliary meters.
        least_covered_s: time that power must cover [s].
    """
    parts = [_NO_ENERGY]
    for m in meters:
        register = buckets.filter((pl.col("signal") == (m.register or "")) & pl.col("increase").is_not_null())
        power = buckets.filter(
            (pl.col("signal") == (m.power or "")) & (pl.col("covered_s") >= least_covered_s)
            & pl.col("integral").is_not_null()
        )
        both = pl.concat([
            register.select("ts", pl.col("increase").alias("kwh"), pl.lit("register").alias("source")),
            power.select("ts", (pl.col("integral") / KWH).alias("kwh"), pl.lit("power").alias("source")),
        ]).unique("ts", keep="first", maintain_order=True)
        parts.append(both.select("ts", pl.lit(m.name).alias("meter"), "kwh", "source"))
    return pl.concat(parts)


_NO_ENERGY = pl.DataFrame(
    schema={"ts": pl.Datetime("us", "UTC"), "meter": pl.String, "kwh": pl.Float64, "source": pl.String}
)


def sum_of_meters(energies: pl.DataFrame, meters: list[AuxiliaryMeter], by: str) -> pl.DataFrame:
    """Return the sum over all meters per `by`, null where one of them is missing: a part is never shown as the whole.

    Returns `by`, `auxiliary_kwh`, `auxiliary_source` (register, power, or mixed), `auxiliary_missing` (names of meters
    without data, by commas; null where none is missing). One row per value of `by` in which a meter has data.
    """
    names = pl.DataFrame({"names": [[m.name for m in meters]]}, schema={"names": pl.List(pl.String)})
    rows = energies.group_by(by).agg(
        pl.col("kwh").sum(), pl.col("source").unique().sort().alias("sources"), pl.col("meter").unique().alias("held")
    ).join(names, how="cross")
    missing = pl.col("names").list.set_difference("held").list.sort().list.join(", ")
    whole = missing == ""
    return rows.select(
        by,
        pl.when(whole).then("kwh").alias("auxiliary_kwh"),
        pl.when(whole & (pl.col("sources").list.len() > 1)).then(pl.lit("mixed"))
        .when(whole).then(pl.col("sources").list.first()).alias("auxiliary_source"),
        pl.when(~whole).then(missing).alias("auxiliary_missing"),
    ).sort(by)
