"""The command `energy-pipeline`: each command reads its options, makes one call, and shows what came back.

No computation is here. Next: `runner.py` for `run`, `work.py` for `status`.
"""

import json
import os
import sys
import time
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path

import click
from dotenv import load_dotenv
from rich.console import Console
from rich.table import Table as RichTable

from energy_pipeline import __version__
from energy_pipeline.settings import SettingsError

OUT = Console(soft_wrap=True)
ERR = Console(stderr=True, soft_wrap=True)
SETTINGS = click.option("--settings", "settings_file", type=click.Path(dir_okay=False), help="Settings file (TOML).")
LAKE = click.option("--lake", help="Folder or URL of the lake.")
ROOTS = click.option("--roots", help="Data roots, separated by commas.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="energy-pipeline")
def main() -> None:
    """Analytics for smart meters and battery storage: from folders of CSV to verdicts with their uncertainty.

    Options win over the environment (ENERGY_SETTINGS, METER_ROOTS, ENERGY_LAKE), which wins over ./energy.toml.
    """
    load_dotenv(Path.cwd() / ".env")


def _site(settings_file: str | None, roots: str | None, lake: str | None):
    from energy_pipeline.resources.site import SiteResource

    site = SiteResource(
        settings_file=settings_file or "", roots=[r.strip() for r in (roots or "").split(",") if r.strip()],
        lake_url=lake or "",
    )
    try:
        settings = site.settings()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    return site, settings


def _instance():
    from dagster import DagsterInstance

    home = Path(os.environ.setdefault("DAGSTER_HOME", str(Path.cwd() / ".dagster_home")))
    home.mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(home.resolve())
    return DagsterInstance.get()


def _home_exists() -> bool:
    """True where there is a Dagster instance to look into: `status` begins none."""
    return Path(os.environ.get("DAGSTER_HOME", str(Path.cwd() / ".dagster_home"))).is_dir()


@main.command()
@SETTINGS
@ROOTS
@LAKE
@click.option("--workers", type=click.IntRange(1), help="Parser threads; default: all cores.")
def run(settings_file: str | None, roots: str | None, lake: str | None, workers: int | None) -> None:
    """Do everything that is due: read new files, recompute what changed, end with a summary."""
    from energy_pipeline.build import build_definitions
    from energy_pipeline.runner import run_due
    from energy_pipeline.show import RunDisplay, print_summary

    site, settings = _site(settings_file, roots, lake)
    if not settings.roots:
        msg = "no data roots: give --roots, METER_ROOTS or `roots` in a settings file"
        raise click.ClickException(msg)
    if workers:
        site = site.model_copy(update={"workers": workers})
    with _instance() as instance, RunDisplay(ERR) as display:
        summary = run_due(build_definitions(site), site, instance, display.observer)
    print_summary(OUT, summary)
    if not summary.ok:
        sys.exit(1)


@main.group(invoke_without_command=True)
@SETTINGS
@ROOTS
@LAKE
@click.pass_context
def devices(ctx: click.Context, settings_file: str | None, roots: str | None, lake: str | None) -> None:
    """Find devices below the data roots, register them as partitions, and list them."""
    if ctx.invoked_subcommand is not None:
        return
    from energy_pipeline.partitions import register_devices
    from energy_pipeline.resources.raw_files import discover

    _, settings = _site(settings_file, roots, lake)
    found = discover(settings)
    with _instance() as instance:
        fresh = register_devices(instance, found.devices)
    table = RichTable("device", "files", "MB", "zone", "registered", box=None)
    for name, files in found.devices.items():
        size = sum(f.size for f in files) / 1e6
        registered = "now" if name in fresh else "yes"
        table.add_row(name, str(len(files)), f"{size:.1f}", settings.zone_of(name).key, registered)
    OUT.print(table)
    for problem in found.problems:
        ERR.print(f"[red]problem[/red] {problem.message}", highlight=False)
    if not found.devices:
        ERR.print("no devices found: a device is a folder with CSV files directly in it, below a data root")
    if found.problems or not found.devices:
        sys.exit(1)


@main.command()
@SETTINGS
@ROOTS
@LAKE
def status(settings_file: str | None, roots: str | None, lake: str | None) -> None:
    """Show devices, what is due or given up, the last runs, failing checks and the lake's size; no server is needed."""
    from energy_pipeline.resources.raw_files import discover
    from energy_pipeline.show_status import print_status, read_status

    site, settings = _site(settings_file, roots, lake)
    found = discover(settings)
    with _instance() if _home_exists() else nullcontext() as instance:
        print_status(OUT, site.lake(), settings, found, read_status(site.lake(), settings, found, instance))


@main.command()
@SETTINGS
@ROOTS
@LAKE
@click.option("--device", "only", multiple=True, help="Only this device; may be repeated.")
def verify(settings_file: str | None, roots: str | None, lake: str | None, only: tuple[str, ...]) -> None:
    """Read every raw file again and prove that the lake holds exactly that; exit code 1 where it does not."""
    from energy_pipeline.show_verify import print_verification
    from energy_pipeline.verify import verify_lake

    site, settings = _site(settings_file, roots, lake)
    if not settings.roots:
        msg = "no data roots: give --roots, METER_ROOTS or `roots` in a settings file"
        raise click.ClickException(msg)
    report = verify_lake(site.lake(), settings, only, progress=lambda d: ERR.print(f"reading {d}", highlight=False))
    print_verification(OUT, report)
    if not report.ok:
        sys.exit(1)


@main.command()
@SETTINGS
@LAKE
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=5006, show_default=True, type=click.IntRange(1, 65535))
@click.option("--open", "open_browser", is_flag=True, help="Open the address in the browser.")
@click.option(
    "--log-level", default="warning", show_default=True, type=click.Choice(["debug", "info", "warning", "error"]),
    help="How much is written to the error output; `debug`: also how long each chart took to answer.",
)
def view(
    settings_file: str | None, lake: str | None, host: str, port: int, open_browser: bool, log_level: str
) -> None:
    """Open the viewer on the finished tables (read-only)."""
    from viewer.app import serve
    from viewer.environment import AccessUnclear

    def say(_address: str) -> None:
        OUT.print(f"viewer on http://{host}:{port} (end with Ctrl+C)", highlight=False)

    _, settings = _site(settings_file, None, lake)
    try:
        serve(settings, host=host, port=port, open_browser=open_browser, say=say, log_level=log_level)
    except AccessUnclear as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
def doctor(path: Path) -> None:
    """Look at a folder (or one file) that nobody has described: what is in it, and settings that read it."""
    from energy_pipeline.doctor import NothingFoundError, examine
    from energy_pipeline.show_doctor import print_report

    try:
        report = examine(path)
    except NothingFoundError as error:
        raise click.ClickException(str(error)) from error
    print_report(OUT, report)


@main.group()
def twin() -> None:
    """The synthetic plant: known truth for demos, tests and benchmarks."""


@twin.command("make")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--preset", type=click.Choice(["tiny", "demo", "planted_drift", "full"]), default="demo", show_default=True
)
@click.option("--systems", type=click.IntRange(0), default=1, show_default=True, help="Battery systems.")
@click.option("--meters", type=click.IntRange(0, 6), default=6, show_default=True)
@click.option("--days", type=click.IntRange(1), help="Length; default: that of the preset.")
@click.option("--seed", type=int, default=7, show_default=True)
def twin_make(out: Path, preset: str, systems: int, meters: int, days: int | None, seed: int) -> None:
    """Write a plant's CSV files, its settings and its truth to the folder OUT."""
    from energy_pipeline.show import bar
    from energy_pipeline.twin import make_plant, plan_preset

    started = time.monotonic()
    plan = plan_preset(preset, systems=systems, meters=meters, days=days, seed=seed)
    with bar(ERR, "writing the plant") as advance:
        make_plant(out, plan, progress=advance)
    OUT.print(f"plant written to {out} in {time.monotonic() - started:.1f} s: settings {out / 'energy.toml'}, "
              f"truth {out / 'truth.json'}", highlight=False)


@twin.command("score")
@click.option("--quick", is_flag=True, help="Few systems: seconds instead of minutes.")
@click.option("--seed", type=int, default=20240917, show_default=True)
@click.option("--plant", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Score the finished tables of this plant (made by `twin make`, then `run`) against its truth.")
@click.option("--part", "parts", type=click.Choice(["verdicts", "cells", "plants", "variants"]), multiple=True,
              help="Only this part; may be repeated. Default: verdicts, cells, plants.")
def twin_score(quick: bool, seed: int, plant: Path | None, parts: tuple[str, ...]) -> None:
    """Say how good the verdicts are: simulated systems, weak cells, and six plants from CSV through the pipeline."""
    from energy_pipeline.score.report import plant_markdown
    from energy_pipeline.score.whole import score_parts

    if plant is None:
        for text in score_parts(parts, seed, quick, lambda line: ERR.print(line, highlight=False)):
            OUT.print(f"{text}\n", highlight=False, markup=False)
        return
    from energy_pipeline.score.plants import score_folder

    rows = score_folder(plant)
    for device in dict.fromkeys(row["system"] for row in rows):
        OUT.print(f"\n{device}\n", highlight=False)
        OUT.print(plant_markdown(r for r in rows if r["system"] == device), highlight=False, markup=False)


@main.command()
@click.option("--system", "systems", multiple=True, metavar="NAME", help="A system or meter; several may be given.")
@click.option("--all", "every", is_flag=True, help="Every device that has tables.")
@click.option(
    "--as-of", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE",
    help="The tables as they stood at the end of that day (UTC), YYYY-MM-DD; default: as they stand now.",
)
@click.option("--lang", type=click.Choice(["de", "en"]), default="de", show_default=True)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("reports"), show_default=True
)
@SETTINGS
@LAKE
def report(
    systems: tuple[str, ...], every: bool, as_of: datetime | None, lang: str, out: Path, settings_file: str | None,
    lake: str | None,
) -> None:
    """Write the evidence pack of a system: one HTML file with pictures, and the tables behind it as CSV.

    The same versions of the tables give the same bytes.
    """
    from viewer.report.content import UnknownDevice
    from viewer.report.pack import make_pack, write_pack
    from viewer.report.snapshot import Snapshot, SnapshotGone
    from viewer.store import TableBroken

    _, settings = _site(settings_file, None, lake)
    day = None if as_of is None else as_of.date()
    try:
        names = Snapshot(settings, day).devices() if every else list(systems)
        if not names:
            raise click.UsageError("name a system with --system, or take --all; `energy-pipeline devices` lists them")
        for name in names:
            started = time.monotonic()
            folder = write_pack(make_pack(settings, name, day, lang), out)
            OUT.print(f"{folder / 'report.html'} ({time.monotonic() - started:.1f} s)", highlight=False, soft_wrap=True)
    except (SnapshotGone, TableBroken, UnknownDevice) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        msg = f"cannot write below {out}: {error.strerror or error}; choose another --out"
        raise click.ClickException(msg) from error


@main.command()
@click.option(
    "--size", type=click.Choice(["quick", "full", "large"]), default="full", show_default=True,
    help="quick: small files, a minute; full: ten files of 600,000 rows beside other tools; large: a device of 600 "
    "files (12 GB of free disk, a quarter of an hour).",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("bench-results"), show_default=True
)
def bench(size: str, out: Path) -> None:
    """Measure speed and memory on this machine; prints measured figures only, and writes them as JSON."""
    from energy_pipeline.bench.benchmark import as_markdown, run_benchmark
    from energy_pipeline.bench.fits import fits_markdown, measure_fits

    figures = run_benchmark(size, lambda text: ERR.print(text, highlight=False))
    OUT.print(as_markdown(figures), highlight=False, markup=False)
    if size != "large":
        figures["verdicts"] = verdicts = measure_fits()
        OUT.print(f"\n{fits_markdown(verdicts)}", highlight=False, markup=False)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{size}.json"
    path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    OUT.print(f"\nwritten to {path}", highlight=False)


if __name__ == "__main__":
    main()
