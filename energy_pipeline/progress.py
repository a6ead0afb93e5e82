"""A line from long work to whoever shows it, without the work knowing who that is.

`energy-pipeline run` sets a listener around the runs it executes in its own process; in a Dagster worker nobody
listens, and the run's log and metadata tell instead.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[int, int, str], None]
_LISTENER: ContextVar[Listener | None] = ContextVar("energy_progress", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send progress to `listener(done, total, what)` while the block runs."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def report_progress(done: int, total: int, what: str) -> None:
    """Tell the listener, if there is one, how far the present step is."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(done, total, what)
