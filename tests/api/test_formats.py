"""JSON, Arrow and CSV say the same; an unchanged table costs no bytes; large answers are compressed and bounded."""

import gzip
import io
import json
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from fastapi.testclient import TestClient

from energy_pipeline.settings import Settings
from tests.api.conftest import BASE, copied, limited
from tests.viewer.lake_factory import Plan, write_table
from viewer.api.errors import NotAcceptable
from viewer.api.formats import accepts_gzip, negotiate
from viewer.app import create_app

BESS = Plan().bess
TABLES = {
    "/meters/m1/info": "signals",
    "/series?device=m1&signal=com_ap&max_points=300": "data",
    "/series?device=m1&signal=pos_ae&max_points=300": "data",
    f"/cell/system/{BESS}/comparison": "packs",
    f"/cell/pack/{BESS}/1/cells": "cells",
    f"/cell/pack/{BESS}/2/anomalies": "anomalies",
    f"/cell/pack/{BESS}/1/cycles": "cycles",
    f"/cell/pack/{BESS}/1/degradation-timeline": "timeline",
}


def shown(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def moments(frame: pl.DataFrame) -> pl.DataFrame:
    """Times as UTC, whatever zone or text they came in."""
    for name, kind in frame.schema.items():
        if isinstance(kind, pl.Datetime):
            frame = frame.with_columns(pl.col(name).dt.convert_time_zone("UTC"))
        elif kind == pl.String and name in {"timestamp", "start_ts", "end_ts", "first_ts", "last_ts"}:
            frame = frame.with_columns(pl.col(name).str.to_datetime(time_unit="us", time_zone="UTC", strict=True))
    return frame


@pytest.mark.parametrize("path", TABLES)
def test_arrow_and_csv_hold_what_json_holds(client: TestClient, path: str) -> None:
    join = "&" if "?" in path else "?"
    rows = json.loads(client.get(path).content)[TABLES[path]]
    arrow = pl.read_ipc(io.BytesIO(client.get(f"{path}{join}format=arrow").content))
    stream = pl.from_arrow(pa.ipc.open_stream(client.get(f"{path}{join}format=arrow_stream").content).read_all())
    assert moments(arrow).equals(moments(stream))
    assert [set(r) for r in rows] == [set(arrow.columns)] * arrow.height
    as_json = pl.read_json(io.BytesIO(json.dumps(rows).encode()), infer_schema_length=None)
    for name in arrow.columns:
        if not isinstance(arrow.schema[name], pl.Datetime):
            assert as_json[name].to_list() == [shown(v) for v in arrow[name].to_list()], name
    times = [n for n, t in arrow.schema.items() if isinstance(t, pl.Datetime)]
    csv = pl.read_csv(io.BytesIO(client.get(f"{path}{join}format=csv").content), infer_schema_length=None)
    for name in times:
        assert moments(as_json.select(name)).equals(moments(arrow.select(name)), null_equal=True), name
        assert moments(csv.select(name)).equals(moments(arrow.select(name)), null_equal=True), name
    for name, kind in arrow.schema.items():
        if kind.is_float():
            assert csv[name].cast(pl.Float64).to_list() == arrow[name].to_list(), name


def test_every_form_of_degradation_3d_holds_the_same_values(client: TestClient) -> None:
    path = f"/cell/system/{BESS}/degradation-3d"
    points = json.loads(client.get(path).content)["degradation_3d"]
    flat = [(k, p["timestamp"], p["health_percentage"]) for k, ps in points.items() for p in ps]
    long = pl.read_ipc(io.BytesIO(client.get(path, params={"format": "arrow"}).content))
    assert list(long.select("name", "timestamp", "health_percentage").iter_rows()) == flat
    wide = pl.read_csv(io.BytesIO(client.get(path, params={"format": "csv", "form": "matrix"}).content))
    assert wide["pack_2_cell_6"].to_list() == [p["health_percentage"] for p in points["pack_2_cell_6"]]


def test_a_spreadsheet_with_decimal_comma_reads_the_same_numbers(client: TestClient) -> None:
    path = "/series?device=m1&signal=com_ap&max_points=200&format=csv"
    point = pl.read_csv(io.BytesIO(client.get(path).content))
    comma = pl.read_csv(io.BytesIO(client.get(f"{path}&decimal=,").content), separator=";", decimal_comma=True)
    assert comma["value"].to_list() == point["value"].to_list()


@pytest.mark.parametrize(
    ("wanted", "accept", "chosen"),
    [
        (None, None, "json"),
        (None, "*/*", "json"),
        (None, "text/html,application/xhtml+xml,*/*;q=0.8", "json"),
        (None, "text/csv", "csv"),
        (None, "text/csv;q=0.5, application/vnd.apache.arrow.stream", "arrow_stream"),
        (None, "application/vnd.apache.arrow.file", "arrow"),
        (None, "application/json;q=0, */*", "arrow"),
        ("csv", "application/json", "csv"),
    ],
)
def test_format_wins_over_accept_and_accept_is_weighed(wanted: str | None, accept: str | None, chosen: str) -> None:
    assert negotiate(wanted, accept) == chosen


@pytest.mark.parametrize("accept", ["image/png", "text/html", "application/json;q=0", ";;;,=", "text/csv;q=x"])
def test_an_accept_without_any_format_is_refused(accept: str, client: TestClient) -> None:
    with pytest.raises(NotAcceptable):
        negotiate(None, accept)
    answer = client.get("/meters", headers={"accept": accept})
    assert answer.status_code == 406
    assert "application/json" in answer.json()["allowed"]


def test_gzip_is_sent_to_those_who_take_it(client: TestClient) -> None:
    path = f"/cell/system/{BESS}/degradation-3d"
    with client.stream("GET", path, headers={"accept-encoding": "gzip"}) as answer:
        zipped = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
    plain = client.get(path, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(zipped) == plain.content
    assert not accepts_gzip("gzip;q=0, br")
    assert accepts_gzip("*")


def test_an_unchanged_table_answers_304_without_a_body(client: TestClient) -> None:
    path = f"/cell/system/{BESS}/degradation-3d"
    tag = client.get(path).headers["etag"]
    again = client.get(path, headers={"if-none-match": f'"other", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(f"{path}?pack=1", headers={"if-none-match": tag}).status_code == 200
    assert client.get(f"{path}?format=csv", headers={"if-none-match": tag}).status_code == 200


def test_a_new_version_of_a_table_changes_the_tag_and_the_numbers(settings: Settings, tmp_path: Path) -> None:
    settings = copied(settings, tmp_path)
    changing = TestClient(create_app(settings), base_url=BASE)
    path = f"/cell/system/{BESS}/degradation-3d"
    before = changing.get(path)
    rows = pl.read_delta(f"{settings.lake}/sat_daily").with_columns(pl.col("sat_index_percent") - 1.0)
    write_table(Path(settings.lake), "sat_daily", rows)
    changing.app.state.store._open["sat_daily"].checked = 0.0  # as a second later
    after = changing.get(path, headers={"if-none-match": before.headers["etag"]})
    assert after.status_code == 200
    assert after.headers["etag"] != before.headers["etag"]
    old, new = (a.json()["degradation_3d"]["pack_1_cell_1"][1]["health_percentage"] for a in (before, after))
    assert new == pytest.approx(old - 1.0)


def test_rows_appended_to_a_table_are_in_the_next_answer_of_a_series(settings: Settings, tmp_path: Path) -> None:
    settings = copied(settings, tmp_path)
    changing = TestClient(create_app(settings), base_url=BASE)
    own = (pl.col("device") == "m1") & (pl.col("signal") == "com_ap")
    last = pl.read_delta(f"{settings.lake}/resolution_5min").filter(own).sort("ts").tail(1)
    start, peak_kw = last["ts"][0] - timedelta(days=2), 4321.5
    query = {
        "device": "m1", "signal": "com_ap", "resolution": "5min", "start": start.isoformat(),
        "end": (start + timedelta(days=3)).isoformat(),
    }  # fmt: skip
    before = changing.get("/series", params=query)
    assert changing.get("/series", params=query, headers={"if-none-match": before.headers["etag"]}).status_code == 304
    later = last.with_columns(
        pl.col("ts") + timedelta(minutes=5), pl.lit(peak_kw).alias("max"), pl.lit(peak_kw).alias("last")
    )
    write_deltalake(f"{settings.lake}/resolution_5min", later.to_arrow(), mode="append")
    changing.app.state.store._open["resolution_5min"].checked = 0.0  # as a second later
    after = changing.get("/series", params=query, headers={"if-none-match": before.headers["etag"]})
    assert after.status_code == 200
    assert after.headers["content-encoding"] == "gzip"
    assert after.headers["etag"] != before.headers["etag"]
    old, new = before.json()["data"], after.json()["data"]
    assert new[: len(old)] == old
    assert [p["max"] for p in new[len(old) :]] == [peak_kw]
    plain = changing.get("/series", params=query, headers={"accept-encoding": "identity"})
    assert plain.content == after.content
    assert changing.get("/series", params=query, headers={"if-none-match": after.headers["etag"]}).status_code == 304


def test_the_same_question_has_the_same_tag(client: TestClient) -> None:
    first = client.get("/meters")
    assert client.get("/meters").headers["etag"] == first.headers["etag"]


def test_an_answer_that_would_be_too_large_is_refused_with_a_way_out(settings: Settings) -> None:
    small = limited(settings, rows=500)
    path = f"/cell/system/{BESS}/degradation-3d"
    answer = small.get(path)
    assert answer.status_code == 413
    assert "500" in answer.json()["detail"]
    assert "pack" in answer.json()["detail"]
    start = Plan().dates[0].isoformat()
    assert small.get(path, params={"start": start, "end": start}).status_code == 200


def test_a_register_at_a_given_resolution_is_refused_rather_than_thinned(client: TestClient) -> None:
    answer = client.get("/series?device=m1&signal=pos_ae&resolution=5min&max_points=100")
    assert answer.status_code == 413
    assert "not thinned" in answer.json()["detail"]
