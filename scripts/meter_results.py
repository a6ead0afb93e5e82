"""Writes the table of real meters in docs/meters.md: energy of the tables beside that of the rows themselves.

Reads four public data sets through the pipeline into a lake of its own, which is removed again; `--check` only
compares. The right-hand sums are made from the files with polars alone, without any code of the pipeline.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import polars as pl

from energy_pipeline import work
from energy_pipeline.aggregation import aggregate_months
from energy_pipeline.compute.meters import build_meter_daily
from energy_pipeline.loading.load import load_device
from energy_pipeline.resources.raw_files import discover
from energy_pipeline.resources.site import SiteResource

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "meters.md"
BLOCKS = ROOT / "tests" / "pipeline" / "real_sets.toml"
BEGIN, END = "<!-- real meters: begin -->", "<!-- real meters: end -->"
DEVICES = ("shelly", "emo", "steel", "givenergy")
Read = Callable[[str, str], pl.DataFrame]
Sums = dict[str, tuple[float, float | None]]
HEAD = (
    "| data set | days | energy from | direction | tables, all rows | the rows themselves | difference | `meter_daily` "
    "| largest 15 min |\n| --- | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: |"
)


def of_shelly(data: Path) -> dict[str, float]:
    """Sum of the distinct rows of three phases [kWh]."""
    total = {"import": 0.0, "export": 0.0}
    for phase in "ABC":
        rows = pl.read_csv(data / "shelly_MIT" / f"em_data_phase{phase}.csv").unique()
        total["import"] += rows[f"Active energy Wh ({phase})"].sum() / 1000
        total["export"] += rows[f"Returned energy Wh ({phase})"].sum() / 1000
    return total


def of_emo(data: Path) -> dict[str, float]:
    """Last reading of the register minus the first [kWh]."""
    rows = pl.read_csv(data / "emo_MIT" / "elec_2025_noid.csv", separator=";").filter(pl.col("code") == "ellm")
    rows = rows.sort("moment")
    return {"import": float(rows["value"][-1] - rows["value"][0]) / 1000}


def of_steel(data: Path) -> dict[str, float]:
    """Sum of all quarter hours [kWh]."""
    rows = pl.read_csv(data / "steel_CCBY4" / "Steel_industry_data.csv", infer_schema_length=None)
    return {"import": float(rows["Usage_kWh"].sum())}


def of_givenergy(data: Path) -> dict[str, float]:
    """Last reading of each register minus the first [kWh]."""
    rows = pl.read_parquet(data / "givenergy_MIT" / "givenergy.parquet").sort("t")
    return {side: float(rows[c][-1] - rows[c][0]) for side, c in (("import", "imp"), ("export", "exp"))}


FROM_ROWS: dict[str, Callable[[Path], dict[str, float]]] = {
    "shelly": of_shelly, "emo": of_emo, "steel": of_steel, "givenergy": of_givenergy,
}
QUANTITIES = {
    "import": ("import_energy", "import_interval_energy"), "export": ("export_energy", "export_interval_energy"),
}


def results(read: Read, data: Path) -> str:
    """Return the table.

    Args:
        read: rows of a table and device.
        data: folder of the data sets.
    """
    lines = [HEAD]
    for device in DEVICES:
        signals, levels, days = (read(t, device) for t in ("signals", "resolution_1d", "meter_daily"))
        known = days.drop_nulls("energy_source")
        peak = days.sort("peak_kw", descending=True, nulls_last=True).row(0, named=True)
        for side, truth in FROM_ROWS[device](data).items():
            names = signals.filter(pl.col("quantity").is_in(QUANTITIES[side]))["signal"].to_list()
            total = levels.filter(pl.col("signal").is_in(names))["increase"].sum()
            shown = f"{peak['peak_kw']:.2f} kW ({peak['peak_source']})" if side == "import" else ""
            lines.append(
                f"| {device} | {known.height} | {', '.join(sorted(known['energy_source'].unique()))} | {side} "
                f"| {total:,.3f} | {truth:,.3f} | {abs(total - truth):.4f} | {known[f'{side}_kwh'].sum():,.3f} "
                f"| {shown} |"
            )
    return "\n".join(lines)


def through_the_pipeline(data: Path, folder: Path) -> Read:
    """Load and aggregate the data sets into a lake in `folder`, without Dagster."""
    settings_file = folder / "energy.toml"
    blocks = BLOCKS.read_text(encoding="utf-8")
    settings_file.write_text(f'roots = ["{data}"]\nlake = "lake"\n{blocks}', encoding="utf-8")
    site = SiteResource(settings_file=str(settings_file))
    lake, settings = site.lake(), site.settings()
    for device in DEVICES:
        load_device(lake, settings, device, discover(settings).devices[device])
        aggregate_months(lake, settings, device, work.due_months(lake, settings, device, ["resolution_1d"]))

    def read(table: str, device: str) -> pl.DataFrame:
        if table != "meter_daily":
            return lake.read(table, device)
        months = [
            build_meter_daily(
                site.context(device), m, *(lake.read(f"resolution_{x}", device, [m]) for x in ("15min", "1d"))
            )
            for m in lake.months(device, "resolution_1d")
        ]
        return pl.concat(months).sort("day")

    return read


def between_markers(page: str) -> str:
    """Return the table that a page holds."""
    return page.partition(BEGIN)[2].partition(END)[0].strip()


def main() -> int:
    """Write the table, or check it."""
    parser = argparse.ArgumentParser(description="Write the table of real meters in docs/meters.md.")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of the data sets")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the table is out of date")
    given = parser.parse_args()
    if not given.data.is_dir():
        sys.stderr.write(f"{given.data} is not a folder; give the folder of the data sets with --data\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        wanted = results(through_the_pipeline(given.data.resolve(), Path(folder)), given.data)
    page = TARGET.read_text(encoding="utf-8")
    if not given.check:
        before, _, rest = page.partition(BEGIN)
        TARGET.write_text(f"{before}{BEGIN}\n\n{wanted}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
        return 0
    if between_markers(page) == wanted:
        return 0
    sys.stderr.write("docs/meters.md is out of date: run scripts/meter_results.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
