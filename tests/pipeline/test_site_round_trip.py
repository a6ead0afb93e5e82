"""A battery's round trip at its site meter: planted losses come back, and new rows of the meter alone make it due."""

import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from energy_pipeline.settings import Settings, SettingsError, load_settings
from tests.conftest import csv_text
from tests.pipeline.conftest import Pipeline

START = datetime(2024, 1, 29)  # noqa: DTZ001
DAYS, PER_DAY, CYCLE = 6, 144, 36
BATTERY, METER = "bess1", "m2"
CHARGE_KW, DISCHARGE_KW, BEHIND_KW = 50.0, 42.0, 3.0  # at the inverter, and what else hangs behind the meter
SETTINGS = """roots = ["raw"]
lake = "lake"
zone = "UTC"
[[device]]
name = "bess1"
site_meter = "{meter}"
"""
# Half of the time in, half of it out: what is behind the meter is drawn in both halves.
TRUE_INVERTER = 100.0 * DISCHARGE_KW / CHARGE_KW
TRUE_SITE = 100.0 * (DISCHARGE_KW - BEHIND_KW) / (CHARGE_KW + BEHIND_KW)


def charging(k: int) -> bool:
    return k % CYCLE < CYCLE // 2


def write(folder: Path, device: str, signal: str, values: list[float]) -> None:
    file = folder / "raw" / device / f"{signal}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(csv_text(signal, [(f"{START + timedelta(minutes=10 * k)}", v) for k, v in enumerate(values)]))
    os.utime(file, (time.time() - 60,) * 2)


def write_meter(folder: Path, days: int) -> None:
    power = [CHARGE_KW + BEHIND_KW if charging(k) else BEHIND_KW - DISCHARGE_KW for k in range(days * PER_DAY)]
    write(folder, METER, "com_ap", power)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, pipeline_of: Callable[[Path], Pipeline]) -> tuple[Pipeline, Path]:
    folder = tmp_path_factory.mktemp("site")
    steps = range(DAYS * PER_DAY)
    write(folder, BATTERY, "bms1_soc", [20 + 2 * (k % CYCLE if charging(k) else CYCLE - k % CYCLE) for k in steps])
    write(folder, BATTERY, "pcs1_p", [CHARGE_KW if charging(k) else -DISCHARGE_KW for k in steps])
    write(folder, BATTERY, "bms1_v", [800.0 for _ in steps])
    write(folder, BATTERY, "bms1_c", [60.0 if charging(k) else -55.0 for k in steps])
    write_meter(folder, 2)
    settings = folder / "energy.toml"
    settings.write_text(SETTINGS.format(meter=METER), encoding="utf-8")
    pipeline = pipeline_of(settings)
    summary = pipeline.run()
    assert summary.ok, summary
    return pipeline, folder


def test_new_rows_of_the_meter_alone_bring_the_round_trip_of_its_battery(chain: tuple[Pipeline, Path]) -> None:
    pipeline, folder = chain
    before = pipeline.read("battery_energy", BATTERY).sort("day")
    assert before["round_trip_site_percent"].count() == 0
    assert set(before["site_reason"]) == {"no_closed_window", "no_site_meter_data"}
    assert before["round_trip_ac_percent"].drop_nulls().to_list()[-1] == pytest.approx(TRUE_INVERTER, abs=0.2)
    write_meter(folder, DAYS)
    assert pipeline.run().ok
    again = [(w.kind, w.device) for w in pipeline.started if w.device == BATTERY]
    assert again == [("device", BATTERY)]
    rows = pipeline.read("battery_energy", BATTERY).sort("day").drop_nulls("round_trip_site_percent")
    assert rows["round_trip_site_percent"].to_list() == pytest.approx([TRUE_SITE] * len(rows), abs=0.2)
    assert rows["site_meter"].unique().to_list() == [METER]
    assert rows["site_window_efc"].min() >= 7
    assert pipeline.run().runs == 0


def test_a_site_meter_that_nobody_has_is_named_with_what_is_allowed(chain: tuple[Pipeline, Path]) -> None:
    pipeline, folder = chain
    settings = folder / "energy.toml"
    settings.write_text(SETTINGS.format(meter="m9"), encoding="utf-8")
    summary = pipeline.run()
    assert not summary.ok
    assert [p for p in summary.problems if 'site_meter: found "m9"' in p and "allowed: m2" in p], summary.problems
    rows = pipeline.read("battery_energy", BATTERY)
    assert rows["site_reason"].unique().to_list() == ["no_site_meter_data"]
    assert rows.filter(pl.col("round_trip_ac_percent").is_not_null()).height > 0
    assert pipeline.run().runs == 0


def test_a_battery_is_not_its_own_site_meter(tmp_path: Path) -> None:
    file = tmp_path / "energy.toml"
    file.write_text(SETTINGS.format(meter=BATTERY), encoding="utf-8")
    with pytest.raises(SettingsError, match=r"(?s)device\.0.*site_meter = 'bess1' is the device itself; allowed: "):
        load_settings(file, environ={})


def test_a_meter_that_two_batteries_name_belongs_to_neither() -> None:
    both = Settings(device=({"name": "a", "site_meter": "m2"}, {"name": "b", "site_meter": "m2"}, {"name": "c"}))
    assert [both.site_meter_is_shared(n) for n in "abc"] == [True, True, False]
    one = Settings(device=({"name": "a", "site_meter": "m2"}, {"name": "b"}))
    assert not one.site_meter_is_shared("a")
    assert one.derived_digest("a") != both.derived_digest("a")
    assert one.unknown_meters(["a", "b"]) == [
        'device "a", site_meter: found "m2"; no device has this name; allowed: b; '
        "without it the battery has no figures at the site meter"
    ]
    assert one.unknown_meters(["a", "m2"]) == one.unknown_meters(["b"]) == []
