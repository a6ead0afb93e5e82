"""What several panels want to show at once reaches the document in one go, and each hears of its own fault alone."""

import asyncio

import pytest
from bokeh.document import Document
from bokeh.models import Column, Div

from energy_pipeline.settings import Settings
from viewer import drawing
from viewer import session as waiting_room
from viewer.selection import Selection
from viewer.session import Session
from viewer.store import Store


def due(doc: Document) -> None:
    """Run what the document's next tick would."""
    for callback in doc.session_callbacks:
        callback.callback()


def test_changes_that_wait_together_gather_the_models_once_and_a_fault_reaches_only_who_awaits_it(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    doc, page = Document(), Column(children=[Column(), Column(), Column()])
    doc.add_root(page)
    gathered, told = [], []
    walk = doc.models.recompute
    monkeypatch.setattr(doc.models, "recompute", lambda: (gathered.append(len(told)), walk()))
    doc.on_change(told.append)
    session = Session(store, settings, Selection(), doc)
    monkeypatch.setattr(waiting_room, "TOGETHER_S", 60)

    def show(panel: int) -> int:
        if panel == 1:
            raise ZeroDivisionError
        text = Div(text="new")
        page.children[panel].children = [text]
        text.text = f"panel {panel}"  # a later change of what the browser does not know yet
        return panel

    async def fill() -> list[object]:
        waiting = [asyncio.ensure_future(session.apply(lambda panel=panel: show(panel))) for panel in range(3)]
        await asyncio.sleep(0)
        due(doc)
        return await asyncio.gather(*waiting, return_exceptions=True)

    told.clear()
    outcomes = asyncio.run(fill())
    assert [outcomes[0], type(outcomes[1]), outcomes[2]] == [0, ZeroDivisionError, 2]
    changes = [event for event in told if getattr(event, "attr", None) == "children"]
    assert [event.new[0].text for event in changes] == ["panel 0", "panel 2"]
    assert gathered == [told.index(changes[0])]
    assert {"panel 0", "panel 2"} <= {model.text for model in doc.models if isinstance(model, Div)}


def test_what_takes_long_reaches_the_browser_before_the_next_begins(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    doc, page = Document(), Column(children=[Column(), Column()])
    doc.add_root(page)
    told, seen = [], []
    doc.on_change(told.append)
    session = Session(store, settings, Selection(), doc)
    monkeypatch.setattr(waiting_room, "TOGETHER_S", 0)

    def show(panel: int) -> None:
        seen.append(sum(getattr(event, "attr", None) == "children" for event in told))
        page.children[panel].children = [Div(text=f"panel {panel}")]

    async def fill() -> None:
        waiting = [asyncio.ensure_future(session.apply(lambda panel=panel: show(panel))) for panel in range(2)]
        await asyncio.sleep(0)
        due(doc)
        due(doc)
        await asyncio.gather(*waiting)

    asyncio.run(fill())
    assert seen == [0, 1]


def test_what_comes_after_the_frame_waits_until_the_browser_has_drawn_it(settings: Settings, store: Store) -> None:
    doc = Document()
    session = Session(store, settings, Selection(), doc)
    ran: list[str] = []

    async def open_page() -> None:
        frame = asyncio.ensure_future(session.apply(lambda: ran.append("frame")))
        await asyncio.sleep(0)
        due(doc)
        await frame
        session.frame_first()
        panel = asyncio.ensure_future(session.apply(lambda: ran.append("panel")))
        await asyncio.sleep(0)
        due(doc)
        assert ran == ["frame"]
        session.drawn()
        due(doc)
        await panel

    asyncio.run(open_page())
    assert ran == ["frame", "panel"]


def test_while_the_browser_draws_a_share_of_what_waits_is_made_and_no_more(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    doc = Document()
    session = Session(store, settings, Selection(), doc)
    session.frame_first()
    monkeypatch.setattr(waiting_room, "TOGETHER_S", 0)
    monkeypatch.setattr(waiting_room, "AHEAD_S", 0)
    ran: list[int] = []

    async def open_page() -> None:
        waiting = [asyncio.ensure_future(session.apply(lambda n=n: ran.append(n))) for n in range(3)]
        await asyncio.sleep(0)
        drawing.follow(doc).begin()
        for _ in range(3):
            due(doc)
        assert ran == []
        monkeypatch.setattr(waiting_room, "AHEAD_S", 1e-9)
        session._wake()
        for _ in range(3):
            due(doc)
        assert ran == [0]
        session.drawn()
        for _ in range(3):
            due(doc)
        await asyncio.gather(*waiting)

    asyncio.run(open_page())
    assert ran == [0, 1, 2]
