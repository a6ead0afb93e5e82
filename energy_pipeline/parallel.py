"""Work on all cores with results in order and only a few of them in memory.

Threads, not processes: parsing, polars, pyarrow and numpy release the interpreter's lock for their long parts.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from os import cpu_count
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
