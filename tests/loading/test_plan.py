"""What a load decides to read, and which months and devices are due afterwards."""

import pytest

from energy_pipeline import work
from energy_pipeline.loading.due_months import MonthIndex
from energy_pipeline.loading.load import load_is_due
from energy_pipeline.loading.plan import ledger_entries, plan_load
from energy_pipeline.resources.raw_files import discover
from tests.conftest import NOW_S, RESOLUTION_TABLES, csv_text

pytestmark = pytest.mark.filterwarnings("error")

ONE = csv_text("com_ap", [("2024-03-05 00:00:00", 1), ("2024-03-05 00:10:00", 2)])
MORE = csv_text("com_ap", [("2024-03-20 00:00:00", 1)], header=False)


def plan_of(plant, *, wait=False, now_s=NOW_S):
    entries = ledger_entries(plant.lake.read("source_files", "m1"))
    return plan_load(plant.files(), entries, plant.settings.reading_digest("m1"), now_s, wait)


def test_nothing_changed_is_an_empty_plan(site):
    plant = site({"m1/com_ap.csv": ONE})
    plant.load()
    assert plan_of(plant).is_empty
    assert not load_is_due(plant.lake, plant.settings, "m1", plant.files(), NOW_S)


def test_growth_is_read_from_the_old_end(site):
    plant = site({"m1/com_ap.csv": ONE})
    plant.load()
    plant.write("m1/com_ap.csv", MORE, append=True)
    plan = plan_of(plant)
    assert [(w.start, w.file.size) for w in plan.read] == [(len(ONE), len(ONE + MORE))]
    assert not plan.rebuild


def test_growth_with_another_beginning_or_another_old_end_is_a_rewrite(site):
    for text in (ONE.replace("2024-03-05 00:00:00", "2024-03-04 00:00:00") + MORE, ONE.replace(",2\n", ",3\n") + MORE):
        plant = site({"m1/com_ap.csv": ONE})
        plant.load()
        plant.write("m1/com_ap.csv", text)
        plan = plan_of(plant)
        assert plan.rebuild == {"com_ap"}
        assert [w.start for w in plan.read] == [0]


def test_a_young_file_waits_when_asked_to(site):
    plant = site()
    plant.write("m1/com_ap.csv", ONE, age_s=2)
    assert plan_of(plant, wait=True).waiting == ["raw/m1/com_ap.csv"]
    assert plan_of(plant, wait=True).is_empty
    assert not plan_of(plant).is_empty
    assert not plan_of(plant, wait=True, now_s=NOW_S + 4).is_empty


def test_a_rewrite_takes_along_all_files_that_share_its_signals(site):
    plant = site({"m1/a.csv": ONE, "m1/b.csv": "ts,com_ap,pf\n2024-03-06 00:00:00,1,1\n",
                  "m1/c.csv": "ts,pf\n2024-03-07 00:00:00,1\n", "m1/d.csv": "ts,com_ae\n2024-03-07 00:00:00,1\n"})
    plant.load()
    plant.write("m1/a.csv", ONE.replace(",2\n", ",3\n"))
    plan = plan_of(plant)
    assert plan.rebuild == {"com_ap", "pf"}
    assert [w.file.path[-5:] for w in plan.read] == ["a.csv", "b.csv", "c.csv"]


def test_a_day_appended_in_mid_month_makes_one_month_due(site):
    text = csv_text("com_ap", [(f"2024-{m:02d}-{d:02d} 00:00:00", m) for m in (1, 2, 3, 4) for d in (1, 10, 28)])
    plant = site({"m1/com_ap.csv": text})
    plant.load()
    assert plant.aggregate() == ["2024-01", "2024-02", "2024-03", "2024-04"]
    assert plant.due() == []
    plant.write("m1/com_ap.csv", "2024-04-28 10:00:00,1\n", append=True)
    plant.write("m1/late.csv", csv_text("com_ap", [("2024-02-15 12:00:00", 5)]))
    plant.load()
    assert plant.due() == ["2024-02", "2024-04"]


def test_rows_near_a_border_make_the_neighbour_due_as_well(site):
    plant = site({"m1/com_ap.csv": csv_text("com_ap", [("2024-02-10 00:00:00", 1), ("2024-03-10 00:00:00", 1)])})
    plant.load()
    plant.aggregate()
    plant.write("m1/com_ap.csv", "2024-03-02 00:00:00,1\n", append=True)
    plant.load()
    assert plant.due() == ["2024-02", "2024-03"]


def test_a_closing_reading_months_later_makes_all_months_of_the_gap_due(site):
    plant = site({"m1/pos_ae.csv": csv_text("pos_ae", [("2024-01-10 00:00:00", 1), ("2024-01-11 00:00:00", 2)])})
    plant.load()
    plant.aggregate()
    plant.write("m1/pos_ae.csv", "2024-06-10 00:00:00,500\n", append=True)
    plant.load()
    assert plant.due() == [f"2024-0{m}" for m in range(1, 7)]


def test_a_closing_reading_behind_a_later_row_of_a_gauge_is_due_too(site):
    plant = site({"m1/com_ae.csv": csv_text("com_ae", [("2024-01-10 00:00:00", 1)]),
                  "m1/com_ap.csv": csv_text("com_ap", [("2024-07-10 00:00:00", 1)])})
    plant.load()
    plant.aggregate()
    plant.write("m1/com_ae.csv", "2024-06-10 00:00:00,500\n", append=True)
    plant.load()
    assert plant.due() == [f"2024-0{m}" for m in range(1, 7)]


def test_changed_derived_settings_make_all_months_due_without_reading_a_byte(site):
    plant = site({"m1/com_ap.csv": ONE})
    plant.load()
    plant.aggregate()
    plant.toml = "[battery]\nnameplate_ah = 100.0\n"
    assert plant.load().load == 0
    assert plant.due() == ["2024-03"]


def test_a_decision_on_an_event_makes_the_months_of_its_line_due_without_reading_a_byte(site):
    plant = site({"m1/pos_ae.csv": csv_text(
        "pos_ae", [("2024-01-10 00:00:00", 1), ("2024-01-10 01:00:00", 2), ("2024-03-10 00:00:00", 9_000_000),
                   ("2024-05-10 00:00:00", 9_000_001)])}, 'zone = "UTC"\n')
    plant.load()
    plant.aggregate()
    assert plant.lake.read("counter_events")["kind"].to_list() == ["jump"]
    plant.toml += '[[event]]\ndevice = "m1"\nsignal = "pos_ae"\nts = "2024-03-10T00:00:00"\ndecision = "accepted"\n'
    assert load_is_due(plant.lake, plant.settings, "m1", plant.files(), NOW_S)
    report = plant.load()
    assert (report.load, report.bytes_parsed) == (2, 0)
    assert plant.due() == ["2024-01", "2024-02", "2024-03"]
    assert plant.load().load == 0
    plant.aggregate()
    assert plant.level("1d")["increase"].sum() == pytest.approx(9_000_000)


def test_due_work_goes_from_ingest_to_months(site, monkeypatch):
    monkeypatch.setattr(work, "MONTH_TABLES", RESOLUTION_TABLES)
    monkeypatch.setattr(work, "guards_of", lambda _: [])  # checks that have yet to run are in tests/pipeline/test_holds
    plant = site({"m1/com_ap.csv": ONE, "m2/com_ap.csv": ONE})

    def due():
        found = work.due_work(plant.lake, plant.settings, discover(plant.settings).devices, NOW_S)
        return [(w.kind, w.device, w.number, w.months) for w in found]

    assert due() == [("ingest", "m1", 1, ()), ("ingest", "m2", 1, ())]
    plant.load("m1")
    assert due() == [("months", "m1", 1, ("2024-03",)), ("ingest", "m2", 1, ())]
    plant.load("m2")
    plant.aggregate("m1")
    assert [d[:2] for d in due()] == [("months", "m2")]


def test_spans_of_months_are_clipped_to_the_allowed_ones():
    from zoneinfo import ZoneInfo

    index = MonthIndex.of(ZoneInfo("UTC"), 1_700_000_000_000_000, 1_710_000_000_000_000)
    assert index.between(0, 1_690_000_000_000_000) == list(index.months[: len(index.between(0, 1_690_000_000_000_000))])
    assert index.between(0, 1_705_000_000_000_000)[-1] == "2024-01"
