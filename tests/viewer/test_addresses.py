"""Whatever stands in the address, the page ends in content and a sentence on what exists; a fault ends in a message."""

import asyncio
import html as markup
import logging
import re
import time
from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl

import panel as pn
import pytest

from energy_pipeline.settings import Settings
from tests.viewer.conftest import PLAN
from tests.viewer.lake_factory import Plan
from tests.viewer.live_sessions import LiveServer
from viewer import shell as frame
from viewer.components import lod_chart
from viewer.pages.single_meter import SingleMeter
from viewer.texts import Texts

DE = Texts("de")


class PlantedError(Exception):
    """Nobody foresees this one."""


class Seen:
    """What stands on the page of a session that is led from address to address."""

    def __init__(self, shell: frame.Shell, loop: asyncio.AbstractEventLoop) -> None:
        self.shell, self._loop = shell, loop

    def to(self, query: str) -> "Seen":
        """Go to an address as the browser's history does and wait until nothing works any more."""
        selection = self.shell.session.selection
        self.run(lambda: selection.read_query(query))
        return self.still()

    def run(self, change: Callable[[], object]) -> None:
        """Change something in the document."""
        asyncio.run_coroutine_threadsafe(self.shell.session.apply(change), self._loop).result(30)

    def still(self) -> "Seen":
        """Wait until only the watch for new data runs."""
        deadline = time.monotonic() + 40
        while set(self.shell.session._tasks) - {"watch"}:
            assert time.monotonic() < deadline, "the page still works after 40 s"
            time.sleep(0.02)
        return self

    @property
    def query(self) -> str:
        """What stands in the address."""
        return self.shell.session.selection.query()

    @property
    def text(self) -> str:
        """All text of the page."""
        return markup.unescape(" ".join(str(p.object) for p in self.shell._body.select(pn.pane.HTML)))

    @property
    def notes(self) -> str:
        """Text of the messages above the page."""
        return markup.unescape(" ".join(str(p.object) for p in self.shell._notes.objects))


@pytest.fixture(scope="module")
def seen(settings: Settings) -> Iterator[Seen]:
    """Open one session and keep it."""
    shells: list[Seen] = []
    make = frame.Shell.__init__

    def made(self: frame.Shell, *given: object) -> None:
        make(self, *given)
        shells.append(Seen(self, asyncio.get_running_loop()))

    with pytest.MonkeyPatch.context() as patch, LiveServer(settings, lifetime_s=600) as server:
        patch.setattr(frame.Shell, "__init__", made)
        server.visit("?page=meter&device=m1", seconds=30)
        yield shells[0]


PAGES = (
    "page=meter&device=m1", "page=compare", "page=bess", "page=bess&tab=energy", "page=bess&tab=cycles",
    "page=bess&tab=capacity", "page=packpulse", "page=quality",
)  # fmt: skip
EARLY = "zoom=2020-01-01T00:00/2020-01-02T00:00"
REVERSED = "&range=custom&start=2025-01-20T00:00&end=2025-01-10T00:00"
FUTURE = "&range=custom&start=2030-01-01T00:00&end=2030-02-01T00:00"


@pytest.mark.parametrize("page", PAGES)
def test_a_reversed_range_and_one_without_readings_are_said_on_every_page_with_the_range_that_exists(
    seen: Seen, plan: Plan, page: str
) -> None:
    first = f"Daten von {DE.date(plan.first_day)}"
    seen.to(f"?{page}{REVERSED}")
    assert DE("range.reversed") in seen.notes
    assert first in seen.notes
    seen.to(f"?{page}{FUTURE}")
    assert DE("range.outside") in seen.notes
    assert first in seen.notes
    assert frame.SKELETON not in seen.text


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("?page=meter&device=m1&range=custom&start=2024-10-01T00:00&end=2024-10-05T00:00Z", None),
        ("?page=meter&device=m1&range=custom&start=0001-01-01T00:00&end=2024-10-05T00:00", "range.unreadable"),
        ("?page=quality&device=m1&range=custom&start=1000-01-01T00:00&end=9000-01-01T00:00", "range.unreadable"),
        ("?page=packpulse&range=custom&start=yesterday&end=9999-12-31T23:59", "range.unreadable"),
    ],
)
def test_no_range_hangs_a_page(seen: Seen, query: str, key: str | None) -> None:
    seen.to("?").to(query)
    assert frame.SKELETON not in seen.text
    assert seen.notes == "" if key is None else DE(key) in seen.notes


@pytest.mark.parametrize(
    ("query", "sentence", "known"),
    [
        ("?page=packpulse&pack=9", "Pack 9 gibt es nicht", "1, 2"),
        ("?page=packpulse&tab=nothing", "Den Reiter „nothing“ gibt es hier nicht", "sat, heat, trends"),
        ("?page=bess&tab=nothing", "Den Reiter „nothing“ gibt es hier nicht", "battery, pcs"),
        ("?page=meter&device=m1&signal=nothing", "Das Signal „nothing“ gibt es hier nicht", "com_ap"),
        ("?page=compare&signal=nothing", "Das Signal „nothing“ gibt es hier nicht", "power"),
        ("?page=quality&device=m77", "Das Gerät „m77“ gibt es nicht", "m1, m2"),
        ("?page=bess&device=m1", "„m1“ ist kein Speichersystem", f"Es gibt: {PLAN.bess}"),
        ("?page=packpulse&device=m1", "„m1“ ist kein Speichersystem", f"Es gibt: {PLAN.bess}"),
        ("?page=packpulse&tab=heat&low=5&high=1", "Die Grenzen 5 und 1", "der Bereich der Daten"),
        ("?page=packpulse&tab=heat&low=5", "Die Grenzen 5 und –", "der Bereich der Daten"),
        ("?page=meter&device=m1&y=manual&low=5&high=1", "Die Grenzen 5 und 1", "der Bereich der Daten"),
        (f"?page=meter&device=m1&{EARLY}", "Im gewählten Ausschnitt gibt es keine Messwerte", "Daten von"),
        (f"?page=compare&{EARLY}", "Im gewählten Ausschnitt gibt es keine Messwerte", "Daten von"),
        (f"?page=bess&{EARLY}", "Im gewählten Ausschnitt gibt es keine Messwerte", "Daten von"),
    ],
)
def test_what_does_not_exist_is_named_beside_what_does(seen: Seen, query: str, sentence: str, known: str) -> None:
    seen.to("?").to(query)
    assert sentence in seen.notes
    assert known in seen.notes
    assert "0 Zellen geprüft" not in seen.text


@pytest.mark.parametrize("query", ["?page=packpulse&low=5&high=1", "?page=meter&device=m1&low=5&high=1"])
def test_limits_that_shape_nothing_are_not_complained_of(seen: Seen, query: str) -> None:
    assert seen.to("?").to(query).notes == ""


def test_a_meter_that_the_menu_takes_along_to_the_batteries_is_no_wrong_address(seen: Seen) -> None:
    seen.to("?page=meter&device=m2")
    seen.run(lambda: setattr(seen.shell._menu, "active", (list(frame.PAGES).index("bess"),)))
    assert seen.still().notes == ""
    assert "page=bess" in seen.query
    seen.to("?page=meter&device=m2")
    assert "„m1“" in seen.to("?page=bess&device=m1").notes


def test_a_note_goes_with_a_valid_pick_and_new_data_is_offered_beside_it(seen: Seen) -> None:
    assert "m77" in seen.to("?page=quality&device=m77").notes
    seen.run(lambda: setattr(seen.shell.session.selection, "device", "m2"))
    assert seen.still().notes == ""
    assert seen.to("?page=quality&device=m1&range=3y").notes.count("range=3y") == 1
    seen.run(lambda: setattr(seen.shell.session.selection, "device", "m2"))
    assert seen.still().notes == ""
    seen.to("?page=quality&device=m77")
    seen.run(seen.shell._offer)
    assert DE("news.text") in seen.text
    assert "m77" in seen.notes


def test_an_unforeseen_fault_before_the_page_stands_is_a_message_and_the_next_address_opens_it(
    seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SingleMeter, "prepare", _raises)
    assert DE("error.page") in seen.to("?").to("?page=meter&device=m1").text
    monkeypatch.undo()
    assert DE("error.page") not in seen.to("?page=meter&device=m2").text
    assert DE("meter.energy.day") in seen.text


@pytest.mark.parametrize(("name", "key"), [("fill", "error.part"), ("changed", "error.change")])
def test_an_unforeseen_fault_of_the_page_itself_leaves_nothing_loading(
    seen: Seen, monkeypatch: pytest.MonkeyPatch, name: str, key: str
) -> None:
    seen.to("?")
    monkeypatch.setattr(SingleMeter, name, _fails)
    seen.to("?page=meter&device=m1")
    if name == "changed":
        seen.to("?page=meter&device=m2")
    assert DE(key) in seen.notes
    assert frame.SKELETON not in seen.text
    monkeypatch.undo()
    assert seen.to("?page=meter&device=m1&range=7d").notes == ""


def test_an_empty_state_is_no_fault_in_the_log(seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        seen.to("?").to("?page=packpulse&tab=degradation&cell=P9C9")
        with pytest.raises(PlantedError):  # what a panel draws may find nothing: that is for who awaits it
            seen.run(_raises)
        time.sleep(0.2)
    assert DE("state.nothing") in seen.text
    assert [r.getMessage() for r in caplog.records if r.exc_info] == []


@pytest.fixture
def charts(monkeypatch: pytest.MonkeyPatch) -> list[lod_chart.LodChart]:
    """Collect the charts of long series as they are drawn."""
    found: list[lod_chart.LodChart] = []
    render = lod_chart.LodChart.render

    def rendered(self: lod_chart.LodChart, data: object) -> list[object]:
        found.append(self)
        return render(self, data)

    monkeypatch.setattr(lod_chart.LodChart, "render", rendered)
    return found


def test_a_fault_while_zooming_says_that_the_picture_is_the_one_before(
    seen: Seen, charts: list[lod_chart.LodChart], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen.to("?").to("?page=meter&device=m1")
    monkeypatch.setattr(lod_chart.LodChart, "_load", _raises)
    seen.run(lambda: charts[-1]._moved("start", 0, 1))
    seen.still()
    assert DE("chart.stale") in markup.unescape(charts[-1]._status.object)


def test_the_log_tells_how_long_a_zoom_took_where_it_is_asked_for(
    seen: Seen, charts: list[lod_chart.LodChart], caplog: pytest.LogCaptureFixture
) -> None:
    seen.to("?").to("?page=meter&device=m1")
    with caplog.at_level(logging.DEBUG, "viewer"):
        seen.run(lambda: charts[-1].spec.x_range.update(end=charts[-1].spec.x_range.start + 3_600_000 * 6))
        seen.still()
    assert any(re.fullmatch(r"lod:meter answered in \d+\.\d ms", r.getMessage()) for r in caplog.records)


def test_how_the_heat_map_is_drawn_comes_from_the_address_and_goes_into_it(seen: Seen) -> None:
    seen.to("?").to("?page=packpulse&tab=heat&quantity=offset&low=-7.5&high=9")
    tab = seen.shell._page._tabs["heat"]
    assert (tab._map.mapper.low, tab._map.mapper.high) == (-7.5, 9)
    assert [field.value for field in tab._limits] == ["−7,5", "9,0"]
    first = tab._map
    seen.run(lambda: setattr(tab._limits[1], "value", "12"))
    seen.still()
    assert (tab._map.mapper.high, tab._map) == (12, first)
    assert seen.query == "?page=packpulse&tab=heat&quantity=offset&low=-7.5&high=12"
    seen.run(lambda: setattr(tab._limits[1], "value", "nonsense"))
    assert tab._limits[1].value == "12,0"
    seen.run(lambda: setattr(tab._pick, "value", "index"))
    assert seen.still().query == "?page=packpulse&tab=heat&quantity=index"
    seen.to("?page=packpulse&tab=trends&quantity=offset")
    assert seen.shell._page._tabs["trends"]._pick.value == "offset"
    seen.to("?page=packpulse&tab=heat&quantity=offset&low=-7.5&high=9")
    assert (tab._map.mapper.low, tab._pick.value) == (-7.5, "offset")


def test_spread_period_and_the_drawing_of_a_series_come_from_the_address_and_go_into_it(seen: Seen) -> None:
    seen.to("?").to("?page=packpulse&tab=condition&spread=rest")
    tab = seen.shell._page._tabs["condition"]
    assert tab._pick.value == "rest"
    seen.run(lambda: setattr(tab._pick, "value", "discharge_end"))
    assert "spread=discharge_end" in seen.still().query
    seen.to("?page=meter&device=m1&period=month&view=area&y=manual&low=0&high=50")
    page = seen.shell._page
    assert DE("meter.energy.month") in seen.text
    assert [w.value for w in page._drawing] == ["area", "manual", 0.0, 50.0]
    seen.run(lambda: setattr(page._drawing[3], "value", 60.5))
    seen.still()
    seen.run(lambda: setattr(page._details._energy._switch, "value", "week"))
    assert seen.still().query == "?page=meter&device=m1&period=week&view=area&y=manual&low=0&high=60.5"
    assert DE("meter.energy.week") in seen.text


def test_a_zoom_goes_into_the_address_when_it_rests_and_comes_back_from_it(
    seen: Seen, charts: list[lod_chart.LodChart]
) -> None:
    seen.to("?").to("?page=meter&device=m1&zoom=2024-10-01T00:00:00/2024-10-02T12:00:00")
    chart = charts[-1]
    hours = (chart.spec.x_range.end - chart.spec.x_range.start) / 3_600_000
    assert hours == 36
    count = len(charts)
    seen.run(lambda: chart.spec.x_range.update(end=chart.spec.x_range.start + 3_600_000 * 6))
    query = seen.still().query
    assert query == "?page=meter&device=m1&zoom=2024-10-01T00%3A00%3A00%2F2024-10-01T06%3A00%3A00"
    assert len(charts) == count  # its own zoom does not draw it anew
    seen.to("?page=meter&device=m1&zoom=2024-10-01T00:00:00/2024-10-02T12:00:00")
    assert len(charts) == count + 1
    seen.to(query)
    assert len(charts) == count + 2
    seen.run(lambda: setattr(seen.shell._page.toolbar, "_syncing", False))
    seen.run(lambda: seen.shell._page.toolbar._picked("range", "7d"))
    assert seen.still().query == "?page=meter&device=m1&range=7d"


@pytest.mark.parametrize(
    ("before", "start", "end"),
    [
        ("?page=meter&device=m1&range=7d", "2025-01-16T00:00", "2025-01-23T00:00"),
        ("?page=bess&zoom=2024-10-01T00:00:20/2024-10-02T12:00:20", "2024-10-01T00:00", "2024-10-02T12:01"),
        ("?page=compare&device=m1&device2=m2&range=24h&zoom=", "2025-01-21T23:59", "2025-01-23T00:00"),
        ("?page=packpulse&tab=heat&cell=P1C1&zoom=2024-10-01T00:00:00/2024-10-02T12:00:00", "2024-09-15T00:00", None),
        ("?page=quality&device=m1&range=30d", "2024-12-24T00:00", "2025-01-23T00:00"),
    ],
)
def test_a_range_of_ones_own_begins_with_the_window_that_is_shown(
    seen: Seen, plan: Plan, before: str, start: str, end: str | None
) -> None:
    seen.to("?").to(before)
    toolbar = seen.shell._page.toolbar
    seen.run(lambda: toolbar._picked("range", "custom"))
    asked = dict(parse_qsl(seen.still().query))
    assert (asked["range"], asked["start"], asked.get("zoom")) == ("custom", start, None)
    assert asked["end"] == end or end is None
    assert seen.notes == ""
    assert [w.value.strftime("%Y-%m-%dT%H:%M") for w in toolbar._custom.values()] == [asked["start"], asked["end"]]
    assert any(set(toolbar._custom.values()) == set(getattr(part, "objects", ())) for part in toolbar.view.objects)
    seen.run(lambda: toolbar._picked("range", "90d"))
    assert not {"start", "end"} & dict(parse_qsl(seen.still().query)).keys()
    seen.run(lambda: toolbar._picked("range", "custom"))
    again = dict(parse_qsl(seen.still().query))
    assert again["start"] > asked["start"] if end is None else again["start"] != asked["start"]
    assert toolbar._custom["start"].value.strftime("%Y-%m-%dT%H:%M") == again["start"]


def test_a_typed_address_without_from_and_to_is_still_said_and_left_as_it_is(seen: Seen) -> None:
    seen.to("?").to("?page=meter&device=m1&range=custom")
    assert DE("range.unreadable") in seen.notes
    assert seen.query == "?page=meter&device=m1&range=custom"


def _raises(*_given: object, **_named: object) -> None:
    raise PlantedError


async def _fails(*_given: object, **_named: object) -> None:
    raise PlantedError


@pytest.mark.parametrize(
    "page", ["?page=compare&device=m1&device2=m2", "?page=bess", "?page=packpulse&tab=heat&cell=P1C1"]
)
def test_every_page_with_long_series_has_its_zoom_in_the_address(
    seen: Seen, charts: list[lod_chart.LodChart], page: str
) -> None:
    day = 86_400_000
    seen.to("?").to(f"{page}&range=all&zoom=2024-10-01T00:00:00/2024-10-03T00:00:00")
    chart = next(c for c in charts[::-1] if c.on_window is not None)
    assert chart.spec.x_range.end - chart.spec.x_range.start == 2 * day
    assert {(r.end - r.start).days for r in chart.results} == {2}
    count = len(charts)
    seen.run(lambda: chart.spec.x_range.update(end=chart.spec.x_range.start + day))
    wanted = f"{page}&range=all&zoom=2024-10-01T00:00:00/2024-10-02T00:00:00"
    assert dict(parse_qsl(seen.still().query)) == dict(parse_qsl(wanted))
    assert len(charts) == count  # its own zoom does not draw it anew
    seen.to(f"{page}&range=7d")
    assert charts[-1].spec.x_range.end - charts[-1].spec.x_range.start > 6 * day


def test_a_wide_plot_is_given_more_points_and_a_narrow_one_fewer(
    seen: Seen, charts: list[lod_chart.LodChart]
) -> None:
    seen.to("?").to("?page=meter&device=m1&range=30d")
    chart = charts[-1]
    assert {r.resolution for r in chart.results} == {"15min"}
    seen.run(lambda: chart._measured("data", {}, {"points": [2400]}))
    seen.still()
    assert {r.resolution for r in chart.results} == {"5min"}
    assert "zoom=" not in seen.query
    seen.run(lambda: chart._measured("data", {}, {"points": [-5]}))
    seen.still()
    assert {r.resolution for r in chart.results} == {"1h"}
    seen.to("?page=compare&device=m1&device2=m2&range=30d")
    assert {r.resolution for r in charts[-1].results} == {"1h"}
