"""The twin behaves as the data it stands for, and its truth is what its files hold."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from energy_pipeline.settings import load_settings
from energy_pipeline.twin import PlantPlan, make_plant, plan_preset
from energy_pipeline.twin import faults as f
from energy_pipeline.twin.cells import make_cells, noise_of_cells, open_circuit_v
from energy_pipeline.twin.noise import CLASSES

SYSTEM = "ZHPESS232A230002"
SHANGHAI_S = 8 * 3600
START_S = 19_723 * 86_400  # wall clock 2024-01-01 00:00
Plant = tuple[Path, dict[str, Any]]


def read(out: Path, device: str, signal: str) -> pl.DataFrame:
    """One file with wall-clock seconds and values."""
    folder = out / ("meter" if device.startswith("m") else "BESS") / device
    frame = pl.read_csv(folder / f"{signal}.csv", schema={"ts": pl.String, signal: pl.Float64})
    return frame.select(
        pl.col("ts").str.to_datetime("%Y-%m-%d %H:%M:%S").dt.epoch("s").alias("s"), pl.col(signal).alias("v")
    )


def at(frame: pl.DataFrame, s: np.ndarray) -> np.ndarray:
    """Values at wall-clock seconds, linear between readings."""
    return np.interp(s, frame["s"].to_numpy(), frame["v"].to_numpy())


def ends(truth: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Wall-clock seconds (Asia/Shanghai) and days of the ends of complete charges."""
    done = [c for c in truth["systems"][SYSTEM]["charges"] if c["complete"]]
    s = np.array([datetime.fromisoformat(c["end_ts"]).timestamp() + SHANGHAI_S for c in done])
    return s, np.array([c["day"] for c in done])


def offsets_mv(out: Path, truth: dict[str, Any], packs: int, cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Days, offsets against the median of all cells [mV] and median level [V] near the ends of charges."""
    end, day = ends(truth)
    at_s = end[:, None] - np.array([150, 120, 90, 60, 30])
    volts = np.stack(
        [
            at(read(out, SYSTEM, f"bms1_p{p}_v{c}"), at_s.ravel()).reshape(at_s.shape)
            for p in range(1, packs + 1)
            for c in range(1, cells + 1)
        ],
        axis=-1,
    )
    middle = np.median(volts, axis=2)
    return day, 1000 * np.median(volts - middle[:, :, None], axis=1), middle[:, -1]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """A tiny plant without faults."""
    out = tmp_path_factory.mktemp("tiny")
    return out, make_plant(out, plan_preset("tiny"))


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Plant]:
    """Make a tiny plant with faults and changed fields."""

    def make(*planted: f.Fault, **changes: Any) -> Plant:
        plan = replace(plan_preset("tiny"), faults=planted, **changes)
        return tmp_path, make_plant(tmp_path, plan)

    return make


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        make_plant(tmp_path / name, plan_preset("tiny", days=4, seed=seed))
    files = [p.relative_to(tmp_path / "a") for p in sorted((tmp_path / "a").rglob("*.*"))]
    assert len(files) > 40
    assert all((tmp_path / "a" / p).read_bytes() == (tmp_path / "b" / p).read_bytes() for p in files)
    voltage = Path("BESS") / SYSTEM / "bms1_p1_v1.csv"
    assert (tmp_path / "a" / voltage).read_bytes() != (tmp_path / "c" / voltage).read_bytes()


def test_every_file_has_the_header_and_the_rows_of_a_recorder(tiny: Plant) -> None:
    out, truth = tiny
    row = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,-?\d+(\.\d+)?")
    paths = sorted(out.glob("*/*/*.csv"))
    assert len(paths) == len(truth["rows"])
    for path in paths:
        lines = path.read_text().split("\n")
        assert lines[0] == f"ts,{path.stem}"
        assert lines[-1] == ""
        assert truth["rows"][f"{path.parent.name}/{path.name}"] == len(lines) - 2
        assert all(row.fullmatch(x) for x in lines[1:-1:97])


def test_cells_read_in_millivolts_faster_near_full_and_on_their_own_second(tiny: Plant) -> None:
    out, truth = tiny
    frames = [read(out, SYSTEM, f"bms1_p1_v{c}") for c in (1, 2)]
    assert frames[0]["s"][0] != frames[1]["s"][0]
    assert frames[0]["v"].is_between(2.7, 3.6).all()
    assert ((frames[0]["v"] * 1000).round() - frames[0]["v"] * 1000).abs().max() < 1e-6
    end, _ = ends(truth)
    near = [frames[0].filter(pl.col("s").is_between(e - 900, e)).height for e in end]
    idle = frames[0].filter(pl.col("s").is_between(end[0] - 9000, end[0] - 5400)).height
    assert min(near) >= 12
    assert idle <= 7


def test_a_charge_ends_when_the_highest_cell_reaches_the_set_point(tiny: Plant) -> None:
    out, truth = tiny
    charges = truth["systems"][SYSTEM]["charges"]
    assert all(abs(c["sat_max_v"] - c["set_point_v"]) < 1e-4 for c in charges)
    frames = [read(out, SYSTEM, f"bms1_p{p}_v{c}") for p in (1, 2) for c in (1, 2, 3, 4)]
    end, _ = ends(truth)
    for e in end[:20]:
        highest = max(x.filter(pl.col("s").is_between(e - 600, e + 120))["v"].max() for x in frames)
        assert 3.435 < highest < 3.4545


def test_the_battery_rests_on_sundays(tiny: Plant) -> None:
    _, truth = tiny
    days = {c["day"] for c in truth["systems"][SYSTEM]["charges"]}
    assert not days & {6, 13, 20, 27, 34}
    assert days == set(range(40)) - {6, 13, 20, 27, 34}


def test_soc_is_a_whole_number_between_0_and_100_and_nearly_spans_it(tiny: Plant) -> None:
    soc = read(tiny[0], SYSTEM, "bms1_soc")["v"]
    assert (soc == soc.round()).all()
    assert soc.min() >= 0
    assert soc.min() <= 8
    assert 95 <= soc.max() < 100


def test_current_is_positive_while_soc_rises_and_negative_after_the_flip(made: Callable[..., Plant]) -> None:
    out, _ = made(f.CurrentSignFlipped(from_day=6), days=12)
    soc, current = read(out, SYSTEM, "bms1_soc"), read(out, SYSTEM, "bms1_c")
    start = current["s"][0] // 86400 * 86400
    rising = at(soc, current["s"].to_numpy() + 300) - at(soc, current["s"].to_numpy() - 300)
    moving = current.with_columns(rise=pl.Series(rising)).filter((pl.col("v").abs() > 50) & (pl.col("rise").abs() > 3))
    same = (moving["v"] * moving["rise"]).sign()
    before = moving["s"] < start + 6 * 86400
    assert (same.filter(before) > 0).all()
    assert (same.filter(~before) < 0).all()


def test_registers_hold_the_integral_of_the_true_power_up_to_their_quantum(tiny: Plant) -> None:
    out, truth = tiny
    for name, m in truth["meters"].items():
        power = read(out, name, "com_ap")
        held = power["v"].to_numpy()[:-1] * np.diff(power["s"].to_numpy()) / 3600
        for signal, true in (("pos_ae", m["import_kwh"]), ("neg_ae", m["export_kwh"])):
            register = read(out, name, signal)["v"]
            assert (register.diff().drop_nulls() >= 0).all()
            last = register[-1] - register[0]
            part = held[held > 0].sum() if signal == "pos_ae" else -held[held < 0].sum()
            assert last == pytest.approx(true, abs=2 * m["quantum_kwh"] + 30)  # up to a quarter hour at each end
            assert last == pytest.approx(part, rel=0.003, abs=2 * m["quantum_kwh"] + 30)
        assert sum(m["per_day"]["import_kwh"]) == pytest.approx(m["import_kwh"], rel=1e-6)


def test_the_battery_meter_shows_an_ac_round_trip_near_85_percent(tiny: Plant) -> None:
    m = tiny[1]["meters"]["m2"]
    assert 0.81 < m["export_kwh"] / m["import_kwh"] < 0.88


def test_meters_write_the_wall_clock_of_berlin_with_its_repeated_hour(tmp_path: Path) -> None:
    plan = replace(plan_preset("tiny", systems=0, days=4, start=date(2024, 10, 25)), disorder_share=0.0)
    make_plant(tmp_path, plan)
    power = read(tmp_path, "m1", "com_ap")
    hours = power.with_columns(h=pl.from_epoch("s").dt.truncate("1h")).group_by("h").len()
    assert hours.filter(pl.col("h") == pl.datetime(2024, 10, 27, 2))["len"].item() == pytest.approx(120, abs=1)
    assert (power["s"].diff().drop_nulls() < 0).sum() == 1


def test_a_planted_drift_and_set_point_step_are_in_the_files_and_nothing_else(tmp_path: Path) -> None:
    base = replace(plan_preset("planted_drift", meters=0, days=150), packs=2, cells_per_pack=12)
    planted = (f.DriftingOffset(pack=2, cell=5, mv_per_year=24.0), f.RegimeStep(day=80, mv=-24.0))
    truth = make_plant(tmp_path, replace(base, faults=planted))
    day, offset, level = offsets_mv(tmp_path, truth, 2, 12)
    slope = np.polyfit(day / 365.25, offset, 1)[0]
    assert slope[16] == pytest.approx(24.0, abs=4.0)
    assert np.abs(np.delete(slope, 16)).max() < 7.0
    noise = (offset - np.polyfit(day, offset, 1)[0] * day[:, None]).std(axis=0)
    assert np.median(noise) < 1.0
    after = day >= 80
    assert 1000 * (np.median(level[after]) - np.median(level[~after])) == pytest.approx(-24.0, abs=1.0)
    moved = np.delete(offset[after].mean(axis=0) - offset[~after].mean(axis=0), 16)
    assert np.abs(moved).max() < 1.5


def test_with_classes_of_noise_the_cells_move_as_real_ones_do_and_the_truth_names_the_class() -> None:
    plan = PlantPlan(days=400, packs=4, cells_per_pack=50, noise=CLASSES, offset_spread_mv=0.0, seed=3)
    bank = make_cells(plan, 0, np.random.default_rng(1))
    names = np.array([c.name for c in noise_of_cells(plan, 0)])
    assert set(names) == {c.name for c in CLASSES}
    for c in CLASSES:
        offset = bank.offset_mv[:, names == c.name]
        assert offset.std() == pytest.approx(np.hypot(0.99 * c.white_mv, c.slow_mv), rel=0.25)
        apart = offset[60:] - offset[:-60]  # 30 days
        left = 1 - np.exp(-30 / c.tau_days)
        assert apart.std() == pytest.approx(np.sqrt(2 * (c.white_mv**2 + c.slow_mv**2 * left)), rel=0.25)


def test_a_stepping_sensor_a_stuck_sensor_and_sentinels_are_in_the_files(made: Callable[..., Plant]) -> None:
    out, truth = made(
        f.SensorOffsetStep(pack=1, cell=2, day=20, mv=9.0),
        f.StuckSensor(pack=2, cell=3, start_day=10, hours=12),
        f.SentinelSpikes(signal="bms1_p1_v4", value=65.535, count=3),
        offset_spread_mv=0.5,
    )
    day, offset, _ = offsets_mv(out, truth, 2, 3)
    before = (day < 20) & (day != 10)  # a cell stands still on day 10
    step = offset[day >= 20].mean(axis=0) - offset[before].mean(axis=0)
    assert step[1] == pytest.approx(9.0, abs=1.5)
    assert np.abs(np.delete(step, 1)).max() < 1.5
    begin = START_S + 10 * 86400
    stuck = read(out, SYSTEM, "bms1_p2_v3").filter(pl.col("s").is_between(begin, begin + 12 * 3600 - 1))
    assert stuck["v"].n_unique() == 1
    assert (read(out, SYSTEM, "bms1_p1_v4")["v"] == 65.535).sum() == 3


def test_a_weak_cell_empties_first_and_lowers_what_the_string_can_give(made: Callable[..., Plant]) -> None:
    out, truth = made(f.WeakCapacity(pack=1, cell=3, fraction=0.08), days=5)
    weak = next(c for c in truth["systems"][SYSTEM]["cells"] if (c["pack"], c["cell"]) == (1, 3))
    assert weak["capacity_ah"] == pytest.approx(280 * 0.92)
    lowest = {c: read(out, SYSTEM, f"bms1_p1_v{c}")["v"].min() for c in (1, 2, 3, 4)}
    assert min(lowest, key=lowest.__getitem__) == 3
    full = truth["systems"][SYSTEM]["charges"][1]["charge_ah"]
    assert full < 280 * 0.93


def test_partial_charges_stop_below_and_missing_days_leave_no_row(made: Callable[..., Plant]) -> None:
    out, truth = made(f.PartialCharges(from_day=5, to_day=10, soc_percent=60), f.MissingDays(from_day=15, days=3))
    charges = truth["systems"][SYSTEM]["charges"]
    assert {c["day"] for c in charges if not c["complete"]} == {5, 7, 8, 9}
    start = START_S
    for signal in ("bms1_soc", "bms1_p1_v1", "dh1_temp"):
        frame = read(out, SYSTEM, signal)
        assert frame.filter(pl.col("s").is_between(start + 15 * 86400, start + 18 * 86400 - 2)).is_empty()
    soc = read(out, SYSTEM, "bms1_soc").filter(pl.col("s").is_between(start + 5.3 * 86400, start + 5.9 * 86400))
    assert 59 <= soc["v"].max() <= 61


def test_register_faults_are_in_the_files(made: Callable[..., Plant]) -> None:
    out, _ = made(
        f.RegisterReset(meter=1, signal="pos_ae", day=3),
        f.RegisterDip(meter=2, signal="pos_ae", day=3, hours=2, kwh=50),
        f.RegisterSpike(meter=2, signal="neg_ae", day=4, hours=1, kwh=995),
        f.RegisterRollover(meter=1, signal="neg_ae", day=5, modulus=10000.0),
        f.RegisterJump(meter=1, signal="com_ae", day=5, kwh=50000),
        days=8,
        systems=1,
    )
    start = START_S
    reset = read(out, "m1", "pos_ae")
    fall = reset.filter(reset["v"].diff() < 0)
    assert fall["s"].item() == pytest.approx(start + 3 * 86400, abs=1000)
    assert fall["v"].item() < 50
    for signal, size in (("pos_ae", 50), ("neg_ae", 995)):
        step = read(out, "m2", signal)["v"].diff().drop_nulls()
        assert (step < 0).sum() == 1
        assert -step.min() == pytest.approx(size, abs=30)
    rolled = read(out, "m1", "neg_ae")["v"]
    assert rolled.max() < 10000
    assert rolled[-1] < rolled[0]
    assert read(out, "m1", "com_ae")["v"].diff().max() == pytest.approx(50000, abs=60)


def test_the_wrong_zone_moves_the_wall_clock_and_the_settings_can_be_loaded(made: Callable[..., Plant]) -> None:
    out, truth = made(f.ZoneWrongHours(hours=-6), f.WrongNameplate(nameplate_ah=314.0), days=5)
    first = read(out, SYSTEM, "bms1_p1_v1")["s"][0]
    assert first < START_S - 4 * 3600
    settings = load_settings(out / "energy.toml", environ={})
    assert settings.zone_of(SYSTEM).key == truth["zones"]["bess"] == "Asia/Shanghai"
    assert settings.battery.nameplate_ah == 314.0
    assert [Path(r).name for r in settings.roots] == ["meter", "BESS"]


def test_the_truth_names_every_cell_meter_and_fault(made: Callable[..., Plant]) -> None:
    planted = (f.RisingResistance(pack=1, cell=1, percent_per_year=30), f.SelfDischarge(1, 2, percent_per_month=0.2))
    out, truth = made(*planted, days=6)
    assert json.loads((out / "truth.json").read_text()) == truth
    assert [x["kind"] for x in truth["faults"]] == ["rising_resistance", "self_discharge"]
    system = truth["systems"][SYSTEM]
    assert [(c["pack"], c["cell"]) for c in system["cells"]] == [(p, c) for p in (1, 2) for c in (1, 2, 3, 4)]
    assert system["efc"] == pytest.approx(sum(c["charge_ah"] for c in system["charges"]) / 280, abs=0.05)
    assert system["dc_out_kwh"] < system["dc_in_kwh"]
    assert list(truth["meters"]) == ["m1", "m2"]
    assert truth["seed"] == 7


def test_presets_have_the_size_they_promise_and_unknown_ones_say_what_exists() -> None:
    demo, full = plan_preset("demo"), plan_preset("full", systems=4)
    assert (demo.days, demo.cells, demo.meters, demo.systems) == (270, 260, 6, 1)
    assert {x.kind for x in demo.faults} >= {"drifting_offset", "regime_step", "weak_capacity", "register_dip"}
    assert {x.kind for x in plan_preset("planted_drift").faults} == {"drifting_offset", "regime_step"}
    assert (full.days, full.cell_period_s, full.cell_fast_period_s) == (600, 60, 10)
    assert full.system_names == [SYSTEM, "ZHPESS232A230003", "ZHPESS232A230007", "ZHPESS232A230008"]
    assert not any(isinstance(x, f.RegimeStep) for x in plan_preset("demo", days=100).faults)
    with pytest.raises(ValueError, match="choose one of tiny, demo"):
        plan_preset("huge")
    with pytest.raises(ValueError, match="days is 0; it must be at least 1"):
        PlantPlan(days=0)


def test_progress_is_told_once_per_file(tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    make_plant(tmp_path, plan_preset("tiny", days=2), lambda done, total, what: seen.append((done, total, what)))
    assert [done for done, _, _ in seen] == list(range(1, len(seen) + 1))
    assert {total for _, total, _ in seen} == {len(seen)}


def test_the_open_circuit_voltage_rises_with_soc_and_is_flat_in_the_middle() -> None:
    soc = np.linspace(0, 1, 501)
    assert (np.diff(open_circuit_v(soc)) > 0).all()
    ends_v = open_circuit_v(np.array([0.0, 0.3, 0.7, 1.0]))
    assert ends_v[2] - ends_v[1] < 0.05
    assert ends_v[1] - ends_v[0] > 0.5
    assert ends_v[3] - ends_v[2] > 0.1


def test_the_outside_sensor_and_the_energy_of_both_sides_are_true(tmp_path: Path) -> None:
    plan = replace(plan_preset("tiny", meters=0, days=6), outside_sensor=True, disorder_share=0.0)
    truth = make_plant(tmp_path, plan)["systems"][SYSTEM]
    seen = read(tmp_path, SYSTEM, "env1_outside_t")
    hour = (seen["s"].to_numpy() - SHANGHAI_S) % 86_400 / 3600
    warm = [float(seen.filter(pl.Series(np.abs(hour - h) < 1))["v"].mean() or 0.0) for h in (1.5, 13.5)]
    assert warm[1] - warm[0] > 5
    assert truth["dc_in_kwh"] / truth["ac_in_kwh"] == pytest.approx(plan.conversion)
    assert truth["ac_out_kwh"] / truth["dc_out_kwh"] == pytest.approx(plan.conversion)
    power = read(tmp_path, SYSTEM, "aux_m_com_ap")
    assert truth["auxiliary_kwh"] == pytest.approx(float(power["v"].mean() or 0.0) * 24 * plan.days, rel=0.02)


def test_without_the_outside_sensor_the_other_files_stay_the_same(tmp_path: Path) -> None:
    plan = replace(plan_preset("tiny", meters=0, days=2), disorder_share=0.0)
    make_plant(tmp_path / "a", plan)
    make_plant(tmp_path / "b", replace(plan, outside_sensor=True))
    names = {p.name for p in (tmp_path / "a" / "BESS" / SYSTEM).iterdir()}
    assert {p.name for p in (tmp_path / "b" / "BESS" / SYSTEM).iterdir()} - names == {"env1_outside_t.csv"}
    for name in ("bms1_p1_v1.csv", "aux_m_com_ap.csv", "dh1_temp.csv"):
        a, b = ((tmp_path / x / "BESS" / SYSTEM / name).read_bytes() for x in ("a", "b"))
        assert a == b
