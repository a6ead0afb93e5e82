"""Writes the evidence pack: `report.html`, `tables/*.csv` and `manifest.json` in a folder of its own.

The folder is named by the device and the date that the tables stand for. It is written beside its place and moved
there when it is whole; a pack that is there already is replaced by the same bytes. Next: `content.py`.
"""

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from energy_pipeline.settings import Settings
from viewer.report.content import Report, compile_report, evidence_section
from viewer.report.snapshot import Snapshot

FORMAT = "energy report 1"


@dataclass(frozen=True)
class Pack:
    """A finished report: its page, and its tables as the bytes of CSV files."""

    device: str
    day: date
    html: str
    csvs: dict[str, bytes]
    manifest: dict[str, object]


def make_pack(settings: Settings, device: str, as_of: date | None = None, lang: str = "de") -> Pack:
    """Compile the report of a device as of the end of a date (UTC), or of the present tables.

    Raises:
        SnapshotGone: the tables of that date cannot be read.
        UnknownDevice: there is no such device.
    """
    snapshot = Snapshot(settings, as_of)
    report = compile_report(snapshot, settings, device, lang)
    csvs = {name: _csv(rows) for name, rows in report.tables.items()}
    files = {name: (len(report.tables[name]), hashlib.sha256(body).hexdigest()) for name, body in csvs.items()}
    report.sections.append(evidence_section(files, snapshot, lang))
    manifest: dict[str, object] = {
        "format": FORMAT, "device": device, "as_of": None if as_of is None else as_of.isoformat(), "language": lang,
        "tables": {
            name: {
                "file": f"tables/{name}.csv", "rows": count, "sha256": digest,
                "version": snapshot.versions[name].number, "written": snapshot.versions[name].written.isoformat(),
            }
            for name, (count, digest) in files.items()
        },
    }
    return Pack(device, as_of or snapshot.written.date(), render(report, lang), csvs, manifest)


def write_pack(pack: Pack, out: Path) -> Path:
    """Write a pack below `out` and return its folder.

    Raises:
        OSError: the folder cannot be written; what was there before is untouched.
    """
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{pack.device}-{pack.day.isoformat()}"
    made = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=out))
    try:
        (made / "tables").mkdir()
        (made / "report.html").write_text(pack.html, encoding="utf-8")
        for name, body in pack.csvs.items():
            (made / "tables" / f"{name}.csv").write_bytes(body)
        (made / "manifest.json").write_text(json.dumps(pack.manifest, indent=2) + "\n", encoding="utf-8")
        made.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        made.rename(target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return target


def render(report: Report, lang: str) -> str:
    """Return the page of a report."""
    return _template().render(
        lang=lang, title=report.title, subtitle=report.subtitle, sections=report.sections
    )


@cache
def _template() -> Template:
    loader = PackageLoader("viewer", "report")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.j2")


def _csv(rows: pl.DataFrame) -> bytes:
    return rows.write_csv(datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ").encode()
