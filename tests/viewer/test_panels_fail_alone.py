"""A fault in one panel, foreseen or not, stays there: every other panel of PackPulse ends in its content."""

import html as markup
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from energy_pipeline.settings import Settings
from tests.viewer.live_sessions import LiveServer
from viewer.components import panel
from viewer.pages.packpulse import cell_view, condition, degradation, heat_map, pack_trends, sat_overview
from viewer.texts import Texts

DE, CELL = Texts("de"), "P1C1"
FAILED = DE("error.failed")


class PlantedError(Exception):
    """Nobody foresees this one."""


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Note what every panel shows last, by its heading: `loading`, `failed`, `message` or `content`."""
    found: dict[str, str] = {}
    make, show = panel.Panel.__init__, panel.Panel.show

    def made(self: panel.Panel, session: object, title: str, *rest: object) -> None:
        make(self, session, title, *rest)
        self.planted_name = title
        found[title] = "loading"

    def shown(self: panel.Panel, *objects: object) -> None:
        show(self, *objects)
        text = markup.unescape("".join(str(getattr(o, "object", "")) for o in objects))
        found[self.planted_name] = "failed" if FAILED in text else "message" if '<div class="msg' in text else "content"

    monkeypatch.setattr(panel.Panel, "__init__", made)
    monkeypatch.setattr(panel.Panel, "show", shown)
    return found


def _raises(*_given: object, **_named: object) -> None:
    raise PlantedError


FAULTS = (
    ("sat", "", sat_overview, "cell_levels", {"sat.distribution", "sat.offsets"}),
    ("sat", "", sat_overview, "pack_table", {"sat.packs"}),
    ("heat", CELL, heat_map, "robust_limits", {"heat.title"}),
    ("heat", CELL, cell_view.CellView, "_offset", {"cell.offset"}),
    ("heat", CELL, cell_view, "LodChart", {"cell.raw"}),
    ("trends", "", pack_trends, "pack_series", {"trends.title"}),
    ("degradation", "", degradation, "overall", {"deg.verdict", "deg.quality"}),
    ("degradation", "", degradation, "fit_figure", {"deg.chart"}),
    ("condition", "", condition, "pack_spreads", {"condition.spread"}),
)


@pytest.mark.parametrize(("tab", "cell", "place", "name", "hit"), FAULTS, ids=[f"{f[0]}-{f[3]}" for f in FAULTS])
def test_an_unforeseen_fault_in_one_panel_leaves_no_other_loading(
    settings: Settings, filled: dict[str, str], monkeypatch: pytest.MonkeyPatch,
    tab: str, cell: str, place: object, name: str, hit: set[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(place, name, _raises)
    _visit(settings, f"?page=packpulse&tab={tab}&cell={cell}", filled, "failed", _titles(hit))
    assert {title for title, state in filled.items() if state == "failed"} == _titles(hit)
    assert {title for title, state in filled.items() if state == "loading"} == set()


@pytest.fixture(scope="module")
def cracked(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Settings]]:
    """Return what makes a lake in which one table's data is gone."""
    made: list[Path] = []

    def crack(table: str) -> Settings:
        lake = tmp_path_factory.mktemp("cracked") / "lake"
        shutil.copytree(settings.lake, lake)
        made.append(lake)
        for file in (lake / table).rglob("*.parquet"):
            file.unlink()
        return Settings(lake=str(lake))

    yield crack
    for lake in made:
        shutil.rmtree(lake)


@pytest.mark.parametrize(
    ("table", "tab", "hit"),
    [
        ("regimes", "degradation", {"regime.title", "deg.chart"}),
        ("cell_health", "sat", {"sat.findings"}),
        ("degradation_fits", "trends", {"trends.table"}),
    ],
)
def test_a_broken_table_is_a_message_on_the_panels_that_show_it(
    cracked: Callable[[str], Settings], filled: dict[str, str], table: str, tab: str, hit: set[str]
) -> None:
    _visit(cracked(table), f"?page=packpulse&tab={tab}", filled, "message", _titles(hit))
    messages = {title for title, state in filled.items() if state == "message"}
    assert _titles(hit) <= messages
    assert "content" in filled.values()
    assert {title for title, state in filled.items() if state in {"loading", "failed"}} == set()


def _titles(keys: set[str]) -> set[str]:
    return {DE(key, name=CELL) for key in keys}


def _visit(settings: Settings, query: str, filled: dict[str, str], state: str, titles: set[str]) -> None:
    """Open a page and stay until these panels are in this state and nothing loads, a minute at most."""

    def ended() -> bool:
        return all(filled.get(title) == state for title in titles) and "loading" not in filled.values()

    with LiveServer(settings) as server:
        server.visit(query, seconds=60, filled=ended)
    assert filled
