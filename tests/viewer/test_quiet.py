"""Garbage is collected while nobody waits, and at last in any case."""

import gc
from typing import Any

import pytest
from panel.io import document
from panel.io.state import state

from viewer import quiet as rest
from viewer import stack_fixes
from viewer.quiet import LONGEST_WAIT_S, QUIET_S, Quiet


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_nobody_asked_so_garbage_is_collected_at_once() -> None:
    assert Quiet(Clock()).may_collect()


def test_a_collection_waits_while_somebody_asks() -> None:
    clock = Clock()
    quiet = Quiet(clock)
    quiet.asked()
    clock.now_s += QUIET_S / 2
    assert not quiet.may_collect()
    clock.now_s += QUIET_S / 2
    assert quiet.may_collect()


def test_it_does_not_wait_for_ever_and_the_next_one_waits_anew() -> None:
    clock = Clock()
    quiet = Quiet(clock)
    waited_s = []
    for _ in range(2):
        begun_s = clock.now_s
        quiet.asked()
        while not quiet.may_collect():
            clock.now_s += QUIET_S / 2
            quiet.asked()
        waited_s.append(clock.now_s - begun_s)
    assert all(LONGEST_WAIT_S <= waited < LONGEST_WAIT_S + QUIET_S for waited in waited_s), waited_s


def test_panels_own_collection_is_put_off_while_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    stack_fixes.apply_once()
    clock, collected, later = Clock(), [], []
    quiet = Quiet(clock)
    monkeypatch.setattr(rest, "quiet", quiet)
    monkeypatch.setattr(gc, "collect", lambda: collected.append(clock.now_s))
    monkeypatch.setattr(document, "_panel_last_cleanup", -1e9)

    def schedule(_name: str, callback: Any, **_when: Any) -> None:
        later.append(callback)

    monkeypatch.setattr(type(state), "schedule_task", staticmethod(schedule))
    quiet.asked()
    document._garbage_collect()
    assert (collected, len(later)) == ([], 1)
    clock.now_s += QUIET_S
    later.pop()()
    assert (collected, later) == ([clock.now_s], [])
