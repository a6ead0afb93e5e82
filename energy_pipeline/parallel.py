"""Work on all cores with results in order and only a few of them in memory.

Threads, not processes: parsing, polars, pyarrow and numpy release the interpreter's lock for their long parts.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from os import cpu_count
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 2


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> Iterator[Result]:
    """Yield `function(item)` in the order of the items, at most `workers` + 2 of them under way or waiting."""
    count = workers or cpu_count() or 1
    with ThreadPoolExecutor(count, thread_name_prefix="energy") as pool:
        running: deque[Future[Result]] = deque()
        for item in items:
            running.append(pool.submit(function, item))
            if len(running) >= count + AHEAD:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def prefetched(items: Iterator[Item], ahead: int = AHEAD) -> Iterator[Item]:
    """Yield the same items, made in a thread of their own up to `ahead` of them early.

    The Delta writer pulls its rows from inside its own runtime, where no other table may be opened or refreshed;
    so what feeds it runs elsewhere. It also lets computing and writing overlap. An exception of the maker is raised
    here, in its place; where the reader stops early, so does the maker.
    """
    slots: Queue[tuple[bool, Item | BaseException | None]] = Queue(maxsize=ahead)
    stopped = Event()

    def put(entry: tuple[bool, Item | BaseException | None]) -> None:
        while not stopped.is_set():
            try:
                slots.put(entry, timeout=0.1)
            except Full:
                continue
            return

    def make() -> None:
        try:
            for item in items:
                if stopped.is_set():
                    return
                put((True, item))
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the reader's thread
            put((False, error))
        else:
            put((False, None))

    maker = Thread(target=make, name="energy-maker", daemon=True)
    maker.start()
    try:
        while True:
            more, item = slots.get()
            if more:
                yield item  # type: ignore[misc]
            elif item is None:
                return
            else:
                raise item  # type: ignore[misc]
    finally:
        stopped.set()
        maker.join()
