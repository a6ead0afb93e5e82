"""What a session used is free after it: documents, sessions and memory."""


import psutil
import pytest
from bokeh.document import Document

from energy_pipeline.settings import Settings
from tests.viewer.live_sessions import LiveServer, living, living_after
from viewer.session import Session

TOUR = ("", "?page=meter&device=m1", "?page=packpulse&tab=heat", "?page=quality")
WAIT_S = 20.0
SESSIONS = 50


def _memory_mb() -> float:
    return psutil.Process().memory_info().rss / 2**20


def test_a_session_that_visited_pages_is_gone_after_its_end(settings: Settings) -> None:
    before, sessions = living(Document), living(Session)  # other tests of this process may hold some
    with LiveServer(settings, lifetime_s=6.0) as server:
        for _ in range(2):
            assert "ep-panel" in server.visit(*TOUR[:2]).text
        assert living_after(Document, WAIT_S, before) <= before
        assert living_after(Session, WAIT_S, sessions) <= sessions


@pytest.mark.long
def test_fifty_sessions_leave_neither_documents_nor_memory(settings: Settings) -> None:
    before, sessions = living(Document), living(Session)  # other tests of this process may hold some
    with LiveServer(settings, lifetime_s=6.0) as server:
        server.visit(*TOUR)
        for _ in range(4):
            server.visit(TOUR[2])
        living_after(Session, WAIT_S, sessions)
        warm = _memory_mb()
        for _ in range(SESSIONS):
            server.visit(TOUR[2])
        assert living_after(Session, WAIT_S, sessions) <= sessions
        assert living_after(Document, WAIT_S, before) <= before
        assert _memory_mb() <= 1.1 * warm
