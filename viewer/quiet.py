"""Garbage is collected in quiet moments: the server stands still meanwhile, a tenth of a second and more.

Panel 1.9 collects some seconds after a session has ended, be it in the midst of somebody's zoom. Here that waits until
nobody has asked for anything for a moment, and not for ever. Next: `session.py`, which says when somebody asks.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from panel.io.state import state

from viewer.cure import replace

QUIET_S, LONGEST_WAIT_S = 0.4, 30.0


class Quiet:
    """When somebody asked for the last time, and since when a collection waits."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked_s, self._waits_since_s = -QUIET_S, None

    def asked(self) -> None:
        """Note that somebody asks for something now."""
        self._asked_s = self._clock()

    def may_collect(self) -> bool:
        """Return whether now is the moment; if not, the next call counts from the first one."""
        now = self._clock()
        if self._waits_since_s is None:
            self._waits_since_s = now
        if now - self._asked_s < QUIET_S and now - self._waits_since_s < LONGEST_WAIT_S:
            return False
        self._waits_since_s = None
        return True


quiet = Quiet()


def collect_when_quiet() -> str:
    """Put off Panel's collections so; return what was replaced."""

    def cure(original: Callable[[], None]) -> Callable[[], None]:
        def collect() -> None:
            if quiet.may_collect():
                original()
                return
            later = datetime.now() + timedelta(seconds=QUIET_S)  # noqa: DTZ005 - panel's clock is the local one
            state.schedule_task("gc.collect", collect, at=later)

        return collect

    return replace("panel.io.document:_garbage_collect", cure)
