"""Registers with planted faults, from the file to `meter_daily`: bad steps are events, never energy.

Every register counts 6 kWh an hour; whatever is planted in it, each day is 144 kWh, at every level, and the sums are
those of the corrected register.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from energy_pipeline.checks.meters import compare_registers
from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.meter_findings import decisions_without_event, unconserved_registers
from energy_pipeline.compute.meters import build_meter_daily
from energy_pipeline.schemas.resolution import LEVELS
from tests.conftest import Site, csv_text

START = datetime(2024, 2, 28, tzinfo=UTC)
ZONE = 'zone = "UTC"\n'
Rows = list[tuple[datetime, float]]


def course(hours: float = 72, step_min: int = 10, base: float = 1000.0, start: datetime = START) -> Rows:
    """A register that rises by 6 kWh an hour, over the border of a month."""
    return [
        (start + timedelta(minutes=k), base + 0.1 * k) for k in range(0, round(hours * 60) + step_min, step_min)
    ]


def changed(rows: Rows, change: Callable[[float], float], first_h: float, last_h: float = 1e9) -> Rows:
    """Rows whose values between two hours after the start are changed."""
    low, high = START + timedelta(hours=first_h), START + timedelta(hours=min(last_h, 1e5))
    return [(t, round(change(v), 3) if low <= t <= high else v) for t, v in rows]


def text(rows: Rows, signal: str = "pos_ae") -> str:
    return csv_text(signal, [(f"{t:%Y-%m-%d %H:%M:%S}", round(v, 3)) for t, v in rows])


def daily(plant: Site, device: str = "m1") -> pl.DataFrame:
    """The days of `meter_daily` that have energy: the last reading, at midnight, opens one that has none."""
    given, signals = plant.settings, plant.lake.read("signals", device)
    ctx = DeviceContext(device, given.zone_of(device), given.battery_of(device), given.meter, signals)
    months = plant.lake.months(device, "resolution_15min")
    frames = [
        build_meter_daily(ctx, m, *(plant.lake.read(f"resolution_{x}", device, [m]) for x in ("15min", "1d")))
        for m in months
    ]
    return pl.concat(frames).sort("day").drop_nulls("energy_source")


def conserved(plant: Site) -> pl.DataFrame:
    compared = compare_registers(plant.lake, plant.settings, "m1", plant.lake.months("m1", "resolution_1d"))
    finding = unconserved_registers(compared)
    assert finding.passed, finding.failed
    assert finding.checked_rows > 0
    return compared


def run(site: Callable[..., Site], files: dict[str, str], toml: str = ZONE) -> Site:
    plant = site(files, toml)
    plant.load()
    plant.aggregate()
    return plant


FAULTS: dict[str, tuple[Rows, str | None, dict[str, float]]] = {
    "nothing": (course(), None, {}),
    "reset": (changed(course(), lambda v: v - 1000 - 0.1 * 60 * 36, 36), "reset", {"2024-02-29": -1.0}),
    "dip of 0.1": (changed(course(step_min=1), lambda v: v - 0.15, 36, 36.01), "dip", {}),
    "spike of +995 taken back": (changed(course(), lambda v: v + 995, 36, 37), "spike", {}),
    "rollover at 10^6": (
        [(t, v % 1_000_000) for t, v in course(base=999_800.0)], "rollover", {},
    ),
    "ratio edited": (changed(course(), lambda v: v + 25_000, 36), "jump", {"2024-02-29": -1.0}),
    "register doubled": (changed(course(), lambda v: v + 40_000 + 1216, 36), "jump", {"2024-02-29": -1.0}),
    "hourly register": (course(step_min=60), None, {}),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_step_is_an_event_and_never_energy(site: Callable[..., Site], fault: str) -> None:
    rows, kind, missing = FAULTS[fault]
    plant = run(site, {"m1/pos_ae.csv": text(rows)})
    events = plant.lake.read("counter_events", "m1")
    assert events["kind"].to_list() == ([] if kind is None else [kind])
    days = daily(plant)
    # What flowed in the ten minutes of a bad step is not known: at most that much (1 kWh) is missing, nothing is added.
    expected = [144.0 + missing.get(str(d), 0.0) for d in days["day"]]
    assert days["day"].to_list() == [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)]
    assert days["import_kwh"].to_list() == pytest.approx(expected, abs=1e-3)
    assert days["energy_source"].unique().to_list() == ["register"]
    for level in LEVELS:
        assert plant.level(level, "pos_ae")["increase"].sum() == pytest.approx(sum(expected), abs=1e-3)
        assert plant.level(level, "pos_ae")["increase"].min() >= 0
    conserved(plant)


def test_a_net_register_falls_on_export_and_both_directions_are_energy(site: Callable[..., Site]) -> None:
    falling = [(t, v if t < START + timedelta(hours=36) else 2 * 1216 - v) for t, v in course()]
    plant = run(site, {"m1/com_ae.csv": text(falling, "com_ae")})
    assert plant.lake.read("counter_events", "m1").is_empty()
    days = daily(plant)
    assert days["import_kwh"].to_list() == pytest.approx([144, 72, 0])
    assert days["export_kwh"].to_list() == pytest.approx([0, 72, 144])
    assert days["net_kwh"].to_list() == pytest.approx([144, 0, -144])
    conserved(plant)


def test_a_gap_of_1100_hours_is_spread_over_three_months_when_the_closing_reading_arrives(
    site: Callable[..., Site],
) -> None:
    start = datetime(2024, 1, 30, tzinfo=UTC)
    before = course(24, start=start)
    closing = start + timedelta(hours=24 + 1100)
    after = course(24, base=before[-1][1] + 6 * 1100, start=closing)
    plant = run(site, {"m1/pos_ae.csv": text(before)})
    assert daily(plant)["import_kwh"].to_list() == pytest.approx([144])
    plant.write("m1/pos_ae.csv", text(after).removeprefix("ts,pos_ae\n"), append=True)
    plant.load()
    assert set(plant.aggregate()) >= {"2024-01", "2024-02", "2024-03"}
    days = daily(plant)
    assert plant.lake.read("counter_events", "m1").is_empty()
    whole = days.filter(pl.col("day") < closing.date())
    assert whole["import_kwh"].to_list() == pytest.approx([144.0] * whole.height, abs=2e-4)
    assert days["import_kwh"].sum() == pytest.approx(6 * (24 + 1100 + 24), abs=1e-3)
    assert days["estimated_kwh"].sum() == pytest.approx(6600, abs=1e-3)
    assert days.filter(pl.col("day") == date(2024, 2, 14))["estimated_kwh"][0] == pytest.approx(144, abs=2e-4)
    assert days["month"].n_unique() == 3
    conserved(plant)


def test_a_month_whose_neighbour_is_ignored_is_conserved_too(site: Callable[..., Site]) -> None:
    last_h = 48.0  # the spike lies on the border of the month
    plant = run(site, {"m1/pos_ae.csv": text(changed(course(), lambda v: v + 995, last_h - 1, last_h + 1))})
    assert plant.lake.read("counter_events", "m1")["kind"].to_list() == ["spike"]
    assert daily(plant)["import_kwh"].to_list() == pytest.approx([144, 144, 144], abs=1e-3)
    conserved(plant)


# Conservation: the check is red with one planted fault ---------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
def test_one_missing_bucket_at_one_level_makes_conservation_red(site: Callable[..., Site], level: str) -> None:
    plant = run(site, {"m1/pos_ae.csv": text(course())})
    handle = plant.lake.open(f"resolution_{level}")
    row = plant.level(level, "pos_ae").filter(pl.col("month") == "2024-02").row(1, named=True)
    handle.delete(f"signal = 'pos_ae' AND ts = '{row['ts']:%Y-%m-%dT%H:%M:%SZ}'")
    finding = unconserved_registers(compare_registers(plant.lake, plant.settings, "m1", ["2024-02", "2024-03"]))
    failed = finding.failed.filter(pl.col("difference_kwh").abs() > 1e-3)
    assert failed.select("signal", "month", "level").rows() == [("pos_ae", "2024-02", level)]
    assert failed["difference_kwh"][0] == pytest.approx(-row["increase"])
    assert f"{row['increase']:.6f}" in finding.limit


def test_conservation_of_one_month_alone_needs_its_neighbours_and_finds_them(site: Callable[..., Site]) -> None:
    plant = run(site, {"m1/pos_ae.csv": text(course())})
    compared = compare_registers(plant.lake, plant.settings, "m1", ["2024-02"])
    assert unconserved_registers(compared).passed
    assert compared["register_kwh"].to_list() == pytest.approx([288.0] * 4)


# A person's decision -------------------------------------------------------------------------------------------------


def decision(ts: datetime, what: str) -> str:
    return f'{ZONE}[[event]]\ndevice = "m1"\nsignal = "pos_ae"\nts = "{ts.isoformat()}"\ndecision = "{what}"\n'


def decide(plant: Site, what: str, ts: datetime | None = None) -> list[str]:
    """Overrule the only event; return the months that were computed again."""
    found = plant.lake.read("counter_events", "m1")["ts"][0]
    plant.toml = decision(ts or found, what)
    plant.load()
    return plant.aggregate()


def long_course() -> Rows:
    return course(24 * 65, step_min=60)


def test_an_accepted_jump_is_booked_in_its_month_alone_and_shown_as_overruled(site: Callable[..., Site]) -> None:
    plant = run(site, {"m1/pos_ae.csv": text(changed(long_course(), lambda v: v + 25_000, 36))})
    before = daily(plant)
    assert decide(plant, "accepted") == ["2024-02"]
    row = plant.lake.read("counter_events", "m1").row(0, named=True)
    assert (row["kind"], row["overruled"], row["provisional"], row["booked_kwh"]) == ("jump", True, False, 25_006)
    after = daily(plant)
    gain = (after["import_kwh"] - before["import_kwh"]).round(3).to_list()
    assert gain == [0, 25_006.0, *[0] * (len(gain) - 2)]
    conserved(plant)
    plant.toml = ZONE
    plant.load()
    assert plant.aggregate() == ["2024-02"]
    assert daily(plant).equals(before)
    assert not plant.lake.read("counter_events", "m1")["overruled"].any()


def test_an_ignored_reset_books_nothing(site: Callable[..., Site]) -> None:
    plant = run(site, {"m1/pos_ae.csv": text(changed(long_course(), lambda v: v - 1210, 36))})
    assert plant.lake.read("counter_events", "m1").select("kind", "booked_kwh").rows() == [("reset", 6.0)]
    before = daily(plant)["import_kwh"].sum()
    assert decide(plant, "ignored") == ["2024-02"]
    assert daily(plant)["import_kwh"].sum() == pytest.approx(before - 6)
    conserved(plant)


@pytest.mark.parametrize("fault", ["spike of +995 taken back", "dip of 0.1"])
@pytest.mark.parametrize("what", ["ignored", "accepted"])
def test_a_decision_on_a_spike_or_dip_never_leaves_half_of_it_behind(
    site: Callable[..., Site], fault: str, what: str
) -> None:
    plant = run(site, {"m1/pos_ae.csv": text(FAULTS[fault][0])})
    decide(plant, what)
    assert plant.lake.read("counter_events", "m1")["overruled"].to_list() == [True]
    assert daily(plant)["import_kwh"].to_list() == pytest.approx([144, 144, 144], abs=1e-3)
    conserved(plant)


def test_a_decision_that_meets_no_event_is_a_finding(site: Callable[..., Site]) -> None:
    plant = run(site, {"m1/pos_ae.csv": text(changed(course(), lambda v: v + 25_000, 36))})
    found = plant.lake.read("counter_events", "m1")
    for hours, passed in ((0, True), (1, False)):
        decide(plant, "accepted", found["ts"][0] + timedelta(hours=hours))
        settings = plant.settings
        finding = decisions_without_event(found, {"pos_ae": settings.decisions_of("m1", "pos_ae")})
        assert (finding.passed, finding.checked_rows) == (passed, 1)


def test_the_days_of_a_planted_register_follow_the_local_calendar(site: Callable[..., Site]) -> None:
    rows = course(24 * 4, start=datetime(2024, 3, 29, 23, tzinfo=UTC).astimezone(ZoneInfo("UTC")))
    plant = run(site, {"m1/pos_ae.csv": text([(t.astimezone(ZoneInfo("Europe/Berlin")), v) for t, v in rows])},
                'zone = "Europe/Berlin"\n')  # fmt: skip
    days = daily(plant)
    assert days.filter(pl.col("day") == date(2024, 3, 31))["import_kwh"].to_list() == pytest.approx([138])
    assert days.filter(pl.col("day") == date(2024, 3, 30))["import_kwh"].to_list() == pytest.approx([144])
