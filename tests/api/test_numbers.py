"""Every number of an answer is that of a table, and what is missing there is null here."""

import statistics
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from fastapi.testclient import TestClient

from energy_pipeline.settings import Settings
from tests.api.conftest import BASE, copied, table
from tests.viewer.lake_condition import ALARM_H
from tests.viewer.lake_factory import write_table
from viewer.api import energy, models, pack_models
from viewer.app import create_app
from viewer.series import load_series
from viewer.store import Store

Get = Callable[..., dict]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_degradation_3d_has_exactly_the_shape_of_the_older_tool(get: Get, plan: object) -> None:
    answer = get(f"/cell/system/{plan.bess}/degradation-3d", time_resolution="1d")
    assert {"degradation_3d", "time_range", "total_cells"} <= answer.keys()
    names = [f"pack_{p}_cell_{c}" for p in range(1, plan.packs + 1) for c in range(1, plan.cells + 1)]
    assert list(answer["degradation_3d"]) == names
    assert answer["total_cells"] == len(names)
    for points in answer["degradation_3d"].values():
        assert [set(p) for p in points] == [{"timestamp", "health_percentage"}] * plan.days
        assert [p["timestamp"] for p in points] == [d.isoformat() for d in plan.dates]
    last = plan.dates[-1]
    assert answer["time_range"] == {"start": "2024-09-15T00:00:00+02:00", "end": f"{last}T23:59:59+01:00"}


def test_degradation_3d_equals_the_table_and_is_null_on_days_that_do_not_qualify(
    get: Get, plan: object, settings: Settings
) -> None:
    answer = get(f"/cell/system/{plan.bess}/degradation-3d")["degradation_3d"]
    nulls = 0
    for row in table(settings.lake, "sat_daily").iter_rows(named=True):
        day = (row["day"] - plan.first_day).days
        got = answer[f"pack_{row['pack']}_cell_{row['cell']}"][day]["health_percentage"]
        assert got == (row["sat_index_percent"] if row["qualified"] else None)
        nulls += got is None
    assert nulls > 0


def test_a_week_is_the_median_of_its_qualified_days(get: Get, plan: object) -> None:
    days = get(f"/cell/system/{plan.bess}/degradation-3d")["degradation_3d"]["pack_1_cell_2"]
    weeks = get(f"/cell/system/{plan.bess}/degradation-3d", time_resolution="1w")["degradation_3d"]["pack_1_cell_2"]
    for week in weeks:
        monday = date.fromisoformat(week["timestamp"])
        assert monday.weekday() == 0
        inside = [
            d["health_percentage"] for d in days
            if monday <= date.fromisoformat(d["timestamp"]) < monday + timedelta(days=7)
        ]
        known = [v for v in inside if v is not None]
        assert week["health_percentage"] == (pytest.approx(statistics.median(known)) if known else None)
    assert len(weeks) == len({d.isocalendar()[:2] for d in plan.dates})
    span = get(f"/cell/system/{plan.bess}/degradation-3d", time_resolution="1w")["time_range"]
    assert (span["start"][:10], span["end"][:10]) == (weeks[0]["timestamp"], plan.dates[-1].isoformat())


def test_one_hour_is_a_point_per_charge_and_agrees_with_the_day(get: Get, plan: object, settings: Settings) -> None:
    charges = table(settings.lake, "sat_voltage").filter((pl.col("pack") == 2) & (pl.col("cell") == 3)).sort("day")
    points = get(f"/cell/system/{plan.bess}/degradation-3d", time_resolution="1h")["degradation_3d"]["pack_2_cell_3"]
    days = get(f"/cell/system/{plan.bess}/degradation-3d")["degradation_3d"]["pack_2_cell_3"]
    by_day = {d["timestamp"]: d["health_percentage"] for d in days}
    assert [at(p["timestamp"]) for p in points] == charges["charge_end_ts"].to_list()
    for point, day in zip(points, charges["day"].to_list(), strict=True):
        assert point["health_percentage"] == pytest.approx(by_day[day.isoformat()])


def test_a_partial_charge_has_no_health(tmp_path: object, settings: Settings, store: Store, plan: object) -> None:
    from viewer.api.cell_points import charge_points
    from viewer.api.params import DaysQuery

    class Partial:
        def frame(self, name: str, *args: object, **kwargs: object) -> pl.DataFrame:
            rows = store.frame(name, *args, **kwargs)
            if name != "sat_voltage":
                return rows
            low = pl.col("day") == plan.dates[3]
            return rows.with_columns(pl.when(low).then(12.0).otherwise(pl.col("delta_soc")).alias("delta_soc"))

    battery, zone = settings.battery_of(plan.bess), settings.zone_of(plan.bess)
    found = charge_points(Partial(), plan.bess, "health_percentage", DaysQuery(), battery, zone)
    missing = found.filter(pl.col("health_percentage").is_null())["day"].unique().to_list()
    assert missing == [plan.dates[3]]


def test_the_matrix_says_the_same_as_the_points(get: Get, plan: object) -> None:
    points = get(f"/cell/system/{plan.bess}/degradation-3d", pack=1)["degradation_3d"]
    matrix = get(f"/cell/system/{plan.bess}/degradation-3d", pack=1, form="matrix")
    assert matrix["cells"] == list(points)
    for name, values in zip(matrix["cells"], matrix["health_percentage"], strict=True):
        assert values == [p["health_percentage"] for p in points[name]]
        assert matrix["timestamps"] == [p["timestamp"] for p in points[name]]


def test_real_sat_voltage_equals_the_table(get: Get, plan: object, settings: Settings) -> None:
    answer = get(f"/cell/system/{plan.bess}/real-sat-voltage", pack=2)["sat_voltage"]
    rows = table(settings.lake, "sat_daily").filter((pl.col("pack") == 2) & (pl.col("cell") == 5)).sort("day")
    expected = [v if q else None for v, q in rows.select("sat_voltage_v", "qualified").iter_rows()]
    assert [p["sat_voltage_v"] for p in answer["pack_2_cell_5"]] == expected


def test_series_is_the_one_that_the_viewer_draws(get: Get, store: Store, settings: Settings, plan: object) -> None:
    end = plan.start + timedelta(days=20)
    window = {"start": plan.start.isoformat(), "end": end.isoformat()}
    answer = get("/series", meter="m1", signal="com_ap", max_points=500, **window)
    drawn = load_series(store, "m1", "com_ap", plan.start, end, 500, zone=settings.zone_of("m1"))
    assert answer["resolution"] == drawn.resolution
    assert answer["count"] == len(answer["data"]) == drawn.ts.size
    assert [p["value"] for p in answer["data"] if p["value"] is not None] == [v for v in drawn.mean.tolist() if v == v]
    assert max(p["max"] for p in answer["data"] if p["max"] is not None) == drawn.high[drawn.high == drawn.high].max()
    assert at(answer["actual_start"]) == drawn.actual_start
    assert at(answer["actual_end"]) == drawn.actual_end


def test_a_gap_is_a_null_and_not_a_line(get: Get, plan: object) -> None:
    answer = get("/series", device="m1", signal="com_ap")
    assert answer["gaps"] == 1
    broken = [at(p["timestamp"]).date() for p in answer["data"] if p["value"] is None]
    assert len(broken) == 1
    assert plan.gap[0] - timedelta(days=1) <= broken[0] <= plan.gap[1]


@pytest.mark.parametrize("max_points", [100, 1000, 20_000])
def test_the_energy_of_a_register_sums_to_its_difference(get: Get, settings: Settings, max_points: int) -> None:
    own = (pl.col("device") == "m1") & (pl.col("signal") == "pos_ae")
    register = table(settings.lake, "resolution_5min").filter(own).sort("ts")
    difference = register["last"][-1] - register["first"][0]
    answer = get("/series", device="m1", signal="pos_ae", max_points=max_points)
    assert answer["count"] <= max_points
    assert sum(p["value"] for p in answer["data"]) == pytest.approx(difference, rel=1e-9)
    assert answer["total"] == pytest.approx(register["increase"].sum(), rel=1e-12)
    assert answer["data"][-1]["register"] == register["last"][-1]


def test_a_window_of_a_register_holds_the_buckets_that_start_in_it(get: Get, settings: Settings, plan: object) -> None:
    a, b = plan.start + timedelta(hours=30), plan.start + timedelta(hours=54)
    answer = get("/series", device="m1", signal="pos_ae", start=a.isoformat(), end=b.isoformat())
    rows = table(settings.lake, "resolution_5min").filter(
        (pl.col("device") == "m1") & (pl.col("signal") == "pos_ae") & (pl.col("ts") >= a) & (pl.col("ts") < b)
    )
    assert answer["resolution"] == "5min"
    assert answer["total"] == pytest.approx(rows["increase"].sum())
    assert (at(answer["actual_start"]), at(answer["actual_end"])) == (a, b)


def test_joined_days_begin_at_local_midnight_in_winter_too(store: Store, settings: Settings, plan: object) -> None:
    found = energy.load_energy(store, "m1", "pos_ae", plan.start, plan.end, 30, settings.zone_of("m1"))
    assert found.resolution == "3d"
    assert found.rows["timestamp"].dt.convert_time_zone("Europe/Berlin").dt.hour().unique().to_list() == [0]


def test_a_bundle_is_its_series(get: Get) -> None:
    both = get("/bundle", device="m1", signals="com_ap,pos_ae", max_points=300)
    for name in ("com_ap", "pos_ae"):
        assert both["series"][name] == get("/series", device="m1", signal=name, max_points=300)
    assert both["count"] == sum(s["count"] for s in both["series"].values())


def test_kpis_equal_the_daily_table(get: Get, settings: Settings, plan: object) -> None:
    answer = get("/kpis", device="m1", start=plan.dates[10].isoformat(), end=plan.dates[20].isoformat())
    rows = table(settings.lake, "meter_daily").filter(
        (pl.col("device") == "m1") & pl.col("day").is_between(plan.dates[10], plan.dates[19])
    )
    assert answer["days"] == rows.height == 10
    assert answer["import_kwh"] == pytest.approx(rows["import_kwh"].sum())
    assert answer["peak_kw"] == rows["peak_kw"].max()
    assert at(answer["peak_ts"]) == rows.sort("peak_kw")["peak_ts"][-1]
    models.Kpis.model_validate(answer)


def test_kpis_without_data_are_null_and_not_zero(get: Get, plan: object) -> None:
    answer = get("/kpis", device="m1", start="2020-01-01", end="2020-01-02")
    assert answer["days"] == 0
    assert answer["import_kwh"] is None
    assert answer["mean_kw"] is None


def test_bess_kpis_equal_the_tables(get: Get, settings: Settings, plan: object) -> None:
    answer = get("/bess_kpis", device=plan.bess)
    boundaries = ("round_trip_ac_percent", "round_trip_ac_aux_percent", "round_trip_site_percent", "site_meter")
    assert [answer[b] for b in boundaries] == [89.6, 83.9, 87.5, "m2"]
    cycles = table(settings.lake, "charge_cycles").filter(pl.col("kind") == "charge")
    capacity = table(settings.lake, "capacity").sort("day")
    assert answer["charge_count"] == cycles.height
    days = table(settings.lake, "battery_energy")
    assert answer["charge_kwh"] == pytest.approx(days["dc_in_kwh"].sum())
    assert answer["discharge_kwh"] == pytest.approx(days["dc_out_kwh"].sum())
    assert answer["auxiliary_kwh"] == pytest.approx(days["auxiliary_kwh"].sum())
    noon = {"start": f"{plan.dates[3]}T12:00", "end": f"{plan.dates[5]}T12:00"}
    zone = settings.zone_of(plan.bess)
    moments = [datetime.fromisoformat(noon[k]).replace(tzinfo=zone).astimezone(UTC) for k in ("start", "end")]
    inside = cycles.filter(pl.col("end_ts").is_between(*moments, closed="left"))
    assert get("/bess_kpis", device=plan.bess, **noon)["charge_kwh"] == pytest.approx(inside["energy_kwh"].sum())
    assert answer["efc_ah"] == capacity["efc_ah"][-1]
    assert answer["coulombic_percent"] is None
    assert answer["cells_falling"] == 1
    models.BessKpis.model_validate(answer)


def test_alarm_hours_are_those_of_the_bess_page_inside_the_window(get: Get, plan: object) -> None:
    day = plan.dates[-2]

    def hours(**window: object) -> float:
        return get("/bess_kpis", device=plan.bess, **window)["alarm_hours"]

    assert hours() == pytest.approx(ALARM_H)  # to the second, where 5-minute buckets would say more
    assert hours(start=f"{day}T08:30:05Z", end=f"{day}T09:00:05Z") == pytest.approx(0.5)
    assert hours(end=day) == 0


def test_an_error_code_alone_counts_as_an_alarm(settings: Settings, tmp_path: Path, plan: object) -> None:
    spoilt = copied(settings, tmp_path)
    signals = table(spoilt.lake, "signals").filter(pl.col("quantity") != "alarm_flag")
    code = signals.filter(pl.col("device") == plan.bess).head(1)
    code = code.with_columns(signal=pl.lit("pcs1_err"), quantity=pl.lit("error_code"))
    write_table(Path(spoilt.lake), "signals", pl.concat([signals, code]))
    events = table(spoilt.lake, "alarm_events")
    names = {"signal": pl.lit("pcs1_err"), "quantity": pl.lit("error_code"), "value": pl.lit(17.0)}
    write_table(Path(spoilt.lake), "alarm_events", events.with_columns(**names))
    answer = TestClient(create_app(spoilt), base_url=BASE).get("/bess_kpis", params={"device": plan.bess})
    assert answer.json()["alarm_hours"] == pytest.approx(ALARM_H)


def test_the_level_of_packs_and_cells_rests_on_as_many_days_as_the_setting_says(
    settings: Settings, plan: object
) -> None:
    short = settings.model_copy(update={"battery": settings.battery.model_copy(update={"recent_days": 3})})
    client = TestClient(create_app(short), base_url=BASE)
    rows = table(short.lake, "sat_daily").filter(pl.col("qualified") & (pl.col("pack") == 2))
    last = rows["day"].unique().sort()[-3:]
    level = rows.filter(pl.col("day").is_in(last.implode())).group_by("cell").agg(pl.col("sat_voltage_v").median())
    known = level.sort("cell")["sat_voltage_v"]
    cells = client.get(f"/cell/pack/{plan.bess}/2/cells").json()["cells"]
    assert [c["sat_voltage_v"] for c in cells] == pytest.approx(known.to_list())
    packs = client.get(f"/cell/system/{plan.bess}/comparison").json()["packs"]
    assert packs[1]["mean"] == pytest.approx(known.mean())


def test_pack_answers_equal_the_tables(get: Get, settings: Settings, plan: object) -> None:
    pack = f"/cell/pack/{plan.bess}/2"
    cells = get(f"{pack}/cells")
    known = table(settings.lake, "cell_health").filter(pl.col("pack") == 2).sort("cell")
    assert [c["weakness_rank"] for c in cells["cells"]] == known["weakness_rank"].to_list()
    pack_models.PackCells.model_validate(cells)
    health = get(f"{pack}/health")
    fits = table(settings.lake, "degradation_fits").filter((pl.col("level") == "pack") & (pl.col("pack") == 2))
    index = fits.filter(pl.col("quantity") == "sat_index_percent").row(0, named=True)
    assert (health["slope_per_year"], health["verdict"]) == (index["slope_per_year"], index["verdict"])
    assert sum(health["verdicts"].values()) == plan.cells
    pack_models.PackHealth.model_validate(health)
    side = get(f"/cell/system/{plan.bess}/comparison")
    assert side["packs"][1] == {k: v for k, v in health.items() if k in side["packs"][1]}
    pack_models.Comparison.model_validate(side)


def test_anomalies_name_the_planted_cells_in_both_languages(get: Get, plan: object) -> None:
    first = get(f"/cell/pack/{plan.bess}/1/anomalies")
    assert {(a["cell"], a["code"]) for a in first["anomalies"]} == {(4, "offset"), (4, "cell_step")}
    second = get(f"/cell/pack/{plan.bess}/2/anomalies")["anomalies"]
    named = [(a["name"], a["code"], a["text_de"]) for a in second]
    assert named == [("P2C3", "outlier", "weicht vom eigenen Verlauf ab")]
    assert second[0]["since"] == plan.dates[-9].isoformat()
    pack_models.Anomalies.model_validate(first)


def test_heat_map_cycles_and_timeline_equal_the_tables(get: Get, settings: Settings, plan: object) -> None:
    pack = f"/cell/pack/{plan.bess}/1"
    heat = get(f"{pack}/heatmap", quantity="offset", start=plan.dates[5].isoformat(), end=plan.dates[9].isoformat())
    rows = table(settings.lake, "sat_daily").filter(
        (pl.col("pack") == 1) & pl.col("day").is_between(plan.dates[5], plan.dates[9])
    ).sort("cell", "day")
    assert [v for line in heat["values"] for v in line] == rows["sat_offset_mv"].to_list()
    pack_models.Heatmap.model_validate(heat)
    cycles = get(f"{pack}/cycles")
    assert cycles["count"] == table(settings.lake, "charge_cycles").height
    pack_models.Cycles.model_validate(cycles)
    every = get(f"{pack}/cycles/3d")
    first = (pl.col("pack") == 1) & (pl.col("cell") == 1)
    sat = table(settings.lake, "sat_voltage").filter(first).sort("charge_end_ts")
    assert [c["sat_voltage_v"] for c in every["cycles_3d"]["pack_1_cell_1"]] == sat["sat_voltage_v"].to_list()
    pack_models.Cycles3D.model_validate(every)
    line = get(f"{pack}/degradation-timeline")
    day = table(settings.lake, "sat_daily").filter((pl.col("pack") == 1) & (pl.col("day") == plan.dates[1]))
    assert line["timeline"][1]["sat_voltage_v"] == pytest.approx(day["sat_voltage_v"].median())
    assert line["regimes"][0]["step_mv"] == plan.step_mv
    pack_models.Timeline.model_validate(line)


def test_the_voltage_of_a_cell_goes_down_to_single_readings(get: Get, settings: Settings, plan: object) -> None:
    end = plan.end
    start = end - timedelta(hours=3)
    answer = get(
        f"/cell/system/{plan.bess}/raw-voltage-plot", pack=1, cell=2, start=start.isoformat(), end=end.isoformat()
    )
    rows = table(settings.lake, "readings").filter(
        (pl.col("signal") == "bms1_p1_v2") & (pl.col("ts") >= start) & (pl.col("ts") < end)
    ).sort("ts")
    assert answer["resolution"] == "raw"
    assert [p["value"] for p in answer["data"] if p["value"] is not None] == rows["value"].to_list()
    assert answer["statistics"]["minimum"] is not None
    models.RawVoltage.model_validate(answer)


def test_devices_are_those_of_the_table(get: Get, settings: Settings, plan: object) -> None:
    names = get("/meters")["meters"]
    assert set(names) == {*plan.meters, plan.bess}
    kinds = get("/meters/classified")
    assert [d["name"] for d in kinds["bess"]] == [plan.bess]
    info = get("/meters/m1/info")
    rows = table(settings.lake, "signals").filter(pl.col("device") == "m1")
    assert {s["signal"] for s in info["signals"]} == set(rows["signal"])
    models.DeviceDetails.model_validate(info)


def test_the_state_of_the_lake_names_tables_versions_and_coverage(get: Get, plan: object) -> None:
    state = get("/cache/validate")
    assert state["valid"]
    assert state["tables"]["sat_daily"] == 0
    assert {d["device"]: d["coverage_30d"] for d in state["devices"]}[plan.bess] == 0.97
