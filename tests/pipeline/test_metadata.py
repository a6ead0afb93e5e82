"""What a person sees of an asset in Dagster: a picture per partition, tables, lineage that names real columns."""

import base64
import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dagster import AssetKey, AssetRecordsFilter, FreshnessPolicy, MultiPartitionsDefinition
from PIL import Image

from energy_pipeline.assets.lineage import COLUMNS
from energy_pipeline.assets.pictures import coverage_calendar
from energy_pipeline.coordinator import device_of_tags
from energy_pipeline.plots import bars, heat_map
from energy_pipeline.schemas import TABLES
from energy_pipeline.twin import make_plant, plan_preset
from energy_pipeline.work import UNTRACKED
from tests.pipeline.conftest import Pipeline

START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
SYSTEM = "ZHPESS232A230002"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, pipeline_of: Callable[[Path], Pipeline]) -> Pipeline:
    folder = tmp_path_factory.mktemp("plant")
    make_plant(folder, plan_preset("tiny", meters=1, days=36))
    (folder / "meter" / "m1" / "wattage.csv").write_text("ts,wattage\n2024-01-03 00:00:00,7\n")
    (folder / "meter" / "m1" / "no_time.csv").write_text("when,neg_ae\n2024-01-01 00:00:00,1\n")
    for file in folder.rglob("*.csv"):
        os.utime(file, (time.time() - 60, time.time() - 60))
    pipeline = pipeline_of(folder / "energy.toml")
    assert pipeline.run().ok
    return pipeline


def metadata(pipeline: Pipeline, asset: str, partition: str | None) -> dict[str, object]:
    records = pipeline.instance.fetch_materializations(
        AssetRecordsFilter(AssetKey(asset), asset_partitions=[partition] if partition else None), limit=1
    ).records
    return records[0].asset_materialization.metadata


def picture(value: object) -> Image.Image:
    head, _, data = value.value.partition("base64,")
    assert head.startswith("![")
    return Image.open(io.BytesIO(base64.b64decode(data.rstrip(")"))))


@pytest.mark.parametrize(
    ("asset", "partition"),
    [
        ("resolution_1d", f"{SYSTEM}|2024-01"), ("resolution_1d", "m1|2024-02"), ("sat_voltage", f"{SYSTEM}|2024-01"),
        ("meter_daily", "m1|2024-01"), ("readings", "m1"), ("sat_daily", SYSTEM),
    ],
)
def test_a_partition_shows_its_own_small_picture(done: Pipeline, asset: str, partition: str) -> None:
    value = metadata(done, asset, partition)["picture"]
    assert picture(value).size[0] > 200
    assert len(value.value) < 60_000
    other = {"m1|2024-02": "m1|2024-01", f"{SYSTEM}|2024-01": f"{SYSTEM}|2024-02"}.get(partition)
    if other:
        assert metadata(done, asset, other)["picture"].value != value.value


def test_each_month_of_a_range_shows_its_own_rows(done: Pipeline) -> None:
    stored = done.lake.rows_per_month("resolution_1d", SYSTEM)
    assert len(stored) == 2
    for month, rows in stored.items():
        assert metadata(done, "resolution_1d", f"{SYSTEM}|{month}")["dagster/row_count"].value == rows


def test_source_files_shows_what_was_not_read_and_not_recognised(done: Pipeline) -> None:
    shown = metadata(done, "source_files", "m1")
    unread = {r.data["path"]: r.data["reason"] for r in shown["files_not_read"].records}
    assert "no time column" in unread["meter/m1/no_time.csv"]
    assert [r.data["signal"] for r in shown["signals_not_recognised"].records] == ["wattage"]
    assert {r.data["status"] for r in shown["files_by_status"].records} == {"read", "unreadable"}


def test_fits_and_cells_are_summed_up_in_tables(done: Pipeline) -> None:
    fits = metadata(done, "degradation_fits", SYSTEM)["fits"].records
    counted = sum(int(r.data["len"]) for r in fits)
    assert counted == done.read("degradation_fits", SYSTEM).height
    assert "cells_with_findings" in metadata(done, "cell_health", SYSTEM)


def test_lineage_names_columns_that_exist_and_is_shown(done: Pipeline) -> None:
    for table, columns in COLUMNS.items():
        assert set(columns) <= set(TABLES[table].column_names), table
        for source in (s for sources in columns.values() for s in sources):
            name, _, column = source.partition(".")
            assert column in TABLES[name].column_names, source
    lineage = metadata(done, "sat_daily", SYSTEM)["dagster/column_lineage"].value
    assert [d.column_name for d in lineage.deps_by_column["sat_offset_mv"]] == ["sat_offset_mv"]


def test_both_ends_of_the_way_say_when_no_new_data_comes(done: Pipeline) -> None:
    specs = {s.key.to_user_string(): s for s in done.definitions.resolve_all_asset_specs()}
    with_policy = {name: s.freshness_policy for name, s in specs.items() if s.freshness_policy}
    assert set(with_policy) == {"readings", "fleet_summary"}
    assert all(isinstance(p, FreshnessPolicy) for p in with_policy.values())


def test_tags_say_whose_a_table_is_and_what_a_partition_of_it_is(done: Pipeline) -> None:
    specs = {s.key.to_user_string(): s for s in done.definitions.resolve_all_asset_specs()}
    assert set(specs) == set(TABLES) - set(UNTRACKED)
    for spec in specs.values():
        assert {"domain", "grain", "source"} <= set(spec.tags), spec.key
        assert spec.owners, spec.key
        assert spec.description, spec.key
        by_month = isinstance(spec.partitions_def, MultiPartitionsDefinition)
        assert (spec.tags["grain"] == "device-month") is by_month, spec.key
    of = {name: tuple(specs[name].tags[t] for t in ("domain", "grain", "source")) for name in specs}
    assert of["readings"] == ("common", "device", "files")
    assert of["sat_voltage"] == ("battery", "device-month", "tables")
    assert of["meter_costs"] == ("meter", "device-month", "tables")
    assert of["fleet_summary"] == ("common", "fleet", "tables")


def test_a_calendar_paints_covered_days_and_leaves_missing_ones_grey(done: Pipeline) -> None:
    image = Image.open(io.BytesIO(coverage_calendar(done.lake, done.site.context("m1"), "2024-02")))
    cells = np.asarray(image)
    assert (cells == 2).any()  # the plant ends on the fifth of February
    assert (cells >= 16 + 239).any()
    assert coverage_calendar(done.lake, done.site.context("m1"), "2030-01") is None


def test_what_does_not_fit_into_a_picture_is_left_out_by_name() -> None:
    values = np.zeros((600, 900))
    image = Image.open(io.BytesIO(heat_map(values, ["r"] * 600, ["c"] * 900, "t", "V")))
    assert image.size[0] < 1000
    assert image.size[1] < 700
    nothing = heat_map(np.full((2, 3), np.nan), ["a", "b"], ["1", "2", "3"], "t", "V")
    assert (np.asarray(Image.open(io.BytesIO(nothing)))[24:34, 20:40] == 2).any()
    assert Image.open(io.BytesIO(bars({"x": np.array([1.0, np.nan, -2.0])}, ["1", "2", "3"], "t", "kWh"))).size[1] > 100


@pytest.mark.parametrize(
    ("tags", "device"),
    [
        ({"dagster/partition": "m1|2024-03"}, "m1"), ({"dagster/partition": "m1"}, "m1"), ({}, None),
        ({START: "m1|2024-01", END: "m1|2024-06"}, "m1"), ({START: "m1", END: "m3"}, None),
    ],
)
def test_the_queue_reads_the_device_of_a_run_started_by_hand(tags: dict[str, str], device: str | None) -> None:
    assert device_of_tags(tags) == device
