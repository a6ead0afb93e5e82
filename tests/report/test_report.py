"""A report says what the tables say, gives the same bytes for the same versions, and can look back."""

import hashlib
import json
import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable
from fastapi.testclient import TestClient

from energy_pipeline.cli import main
from energy_pipeline.resources.commits import Scope
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.schedules import report_job
from energy_pipeline.settings import Settings
from tests.viewer.lake_factory import Plan, write_lake
from viewer.app import create_app
from viewer.report.content import UnknownDevice
from viewer.report.pack import make_pack, write_pack
from viewer.report.snapshot import Snapshot, SnapshotGone

PLAN = Plan(days=90)
TODAY_OF_LOG = "2024-06-01"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return write_lake(tmp_path_factory.mktemp("report") / "lake", PLAN)


def test_the_same_versions_of_the_tables_give_the_same_bytes(settings: Settings, tmp_path: Path) -> None:
    one, two = (write_pack(make_pack(settings, PLAN.bess), tmp_path / name) for name in ("one", "two"))
    files = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(two) for p in two.rglob("*") if p.is_file())
    for file in files:
        assert (one / file).read_bytes() == (two / file).read_bytes(), file


def test_every_csv_holds_the_rows_of_its_table_and_the_manifest_its_digest(settings: Settings, tmp_path: Path) -> None:
    folder = write_pack(make_pack(settings, PLAN.bess), tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    lake = Lake(settings.lake)
    assert {"signals", "degradation_fits", "sat_daily"} <= set(manifest["tables"])
    for name, entry in manifest["tables"].items():
        body = (folder / entry["file"]).read_bytes()
        assert hashlib.sha256(body).hexdigest() == entry["sha256"]
        stored = lake.read(name, PLAN.bess)
        assert entry["rows"] == len(stored)
        assert pl.read_csv(body, infer_schema=False).height == len(stored)
        assert entry["version"] == DeltaTable(lake.path(name)).version()


def test_numbers_of_the_page_are_those_of_the_tables_in_both_languages(settings: Settings) -> None:
    fits = Lake(settings.lake).read("degradation_fits", PLAN.bess)
    system = fits.filter((pl.col("level") == "system") & (pl.col("quantity") == "sat_index_percent")).row(0, named=True)
    german, english = (make_pack(settings, PLAN.bess, lang=lang).html for lang in ("de", "en"))
    slope = f"{system['slope_per_year']:+.2f}".replace("-", "−")
    assert f"{slope} {system['unit']}/year" in english
    assert f"{slope.replace('.', ',')} {system['unit']}/Jahr" in german
    assert "Vier Fragen" in german
    assert "Four questions" in english


def test_a_meter_has_its_energy_and_no_empty_battery_parts(settings: Settings) -> None:
    page = make_pack(settings, "m1", lang="en").html
    assert "Energy per month" in page
    assert "Degradation statistics" not in page


def test_text_from_files_cannot_become_markup(tmp_path: Path) -> None:
    settings = write_lake(tmp_path / "lake", Plan(days=90))
    lake = Lake(settings.lake)
    checks = lake.read("check_results", "m1").head(1)
    planted = checks.with_columns(pl.lit(False).alias("passed"), pl.lit("<script>alert(1)</script>").alias("advice"))
    rest = lake.read("check_results").filter(pl.col("device") != "m1")
    lake.replace("check_results", Scope(), lambda: pl.concat([rest, planted]), {})
    page = make_pack(settings, "m1").html
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page


def back_date(settings: Settings, name: str, day: str) -> None:
    """Let the present versions of a table have been written on an earlier day, as its log would say it."""
    log = Path(settings.lake) / name / "_delta_log"
    moment = int(pl.Series([day]).str.to_date().dt.epoch("ms")[0])
    for file in log.glob("*.json"):
        lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        for line in lines:
            if "commitInfo" in line:
                line["commitInfo"]["timestamp"] = moment
        file.write_text("\n".join(json.dumps(line) for line in lines) + "\n", "utf-8")


def test_the_report_of_a_past_date_shows_the_tables_as_they_stood_then(tmp_path: Path) -> None:
    settings = write_lake(tmp_path / "lake", Plan(days=90))
    lake = Lake(settings.lake)
    for name in lake.size_bytes():
        back_date(settings, name, TODAY_OF_LOG)
    before = make_pack(settings, PLAN.bess, lang="en")
    rows = lake.read("degradation_fits", PLAN.bess)
    fewer = rows.with_columns(pl.lit(123.0).alias("slope_per_year"))
    lake.replace("degradation_fits", Scope(PLAN.bess), lambda: fewer, {})
    now = make_pack(settings, PLAN.bess, lang="en")
    then = make_pack(settings, PLAN.bess, date.fromisoformat(TODAY_OF_LOG), "en")
    assert then.csvs == before.csvs
    assert now.csvs["degradation_fits"] != before.csvs["degradation_fits"]
    assert "+123.0" in now.html
    assert "+123.0" not in then.html


def test_a_date_before_the_first_table_names_the_first_date(settings: Settings) -> None:
    with pytest.raises(SnapshotGone, match="the log begins on"):
        make_pack(settings, PLAN.bess, date(2020, 1, 1))


def test_a_version_whose_files_were_removed_says_so(tmp_path: Path) -> None:
    settings = write_lake(tmp_path / "lake", Plan(days=90))
    uri = DeltaTable(f"{settings.lake}/signals").file_uris(file_pruning_predicate=[("device", "=", "m1")])[0]
    Path(uri.removeprefix("file://")).unlink()
    with pytest.raises(SnapshotGone, match="no longer kept"):
        make_pack(settings, "m1")


def test_an_unknown_device_names_those_that_exist(settings: Settings) -> None:
    with pytest.raises(UnknownDevice, match=r"there is no device 'm77'; there are .*m1"):
        make_pack(settings, "m77")
    assert Snapshot(settings).devices()[0] == PLAN.bess


def test_the_command_writes_the_pack_and_explains_what_it_needs(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGY_SETTINGS", "")
    out = ["--out", str(tmp_path), "--lake", settings.lake]
    done = CliRunner().invoke(main, ["report", "--system", "m1", *out])
    assert done.exit_code == 0, done.output
    assert list(tmp_path.glob("m1-*/report.html"))
    none = CliRunner().invoke(main, ["report", *out])
    assert none.exit_code == 2
    assert "--all" in none.output
    wrong = CliRunner().invoke(main, ["report", "--system", "m77", *out])
    assert wrong.exit_code == 1
    assert "there are" in wrong.output


def test_the_server_gives_the_same_page_and_refuses_what_it_does_not_know(settings: Settings) -> None:
    client = TestClient(create_app(settings), base_url="http://127.0.0.1:5006")
    answer = client.get(f"/report/{PLAN.bess}", params={"lang": "en", "download": True})
    assert answer.status_code == 200
    assert answer.text == make_pack(settings, PLAN.bess, lang="en").html
    assert answer.headers["content-disposition"].startswith("attachment")
    assert client.get("/report/m77").status_code == 404
    assert client.get("/report/m1", params={"as_of": "2020-01-01"}).json()["error"] == "no_data"
    assert client.get("/report/m1", params={"lang": "fr"}).status_code == 422


def test_the_weekly_job_writes_a_report_of_every_device_and_names_the_one_that_fails(tmp_path: Path) -> None:
    settings = write_lake(tmp_path / "lake", Plan(days=90))
    file = tmp_path / "energy.toml"
    file.write_text('lake = "lake"\n[operation]\nreport_language = "en"\n', "utf-8")
    site = SiteResource(settings_file=str(file))
    done = report_job.execute_in_process(resources={"site": site})
    assert done.success
    devices = Snapshot(settings).devices()
    written = {p.parent.name[:-11] for p in (tmp_path / "reports").glob("*/report.html")}
    assert written == set(devices)
    uri = DeltaTable(f"{settings.lake}/signals").file_uris(file_pruning_predicate=[("device", "=", "m1")])[0]
    Path(uri.removeprefix("file://")).unlink()
    shutil.rmtree(tmp_path / "reports")
    failed = report_job.execute_in_process(resources={"site": site}, raise_on_error=False)
    assert not failed.success
    assert "m1" in failed.failure_data_for_node("write_reports").user_failure_data.description
    assert {p.parent.name[:-11] for p in (tmp_path / "reports").glob("*/report.html")} == set(devices) - {"m1"}


def test_an_empty_folder_in_the_settings_writes_no_report(tmp_path: Path) -> None:
    file = tmp_path / "energy.toml"
    file.write_text('lake = "nothing"\n[operation]\nreports = ""\n', "utf-8")
    assert report_job.execute_in_process(resources={"site": SiteResource(settings_file=str(file))}).success
